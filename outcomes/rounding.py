"""How a number becomes digits: rounding half up, decimals from a standard error, p-values beside .05. Once, for all.

Rounding is half-up (away from zero) on the *decimal* value, as a reader with the printed number would do it:
Python's `round` rounds half-even on binary fractions, so that ``round(2.675, 2)`` is 2.67 and ``round(0.5)``
is 0.
"""

from __future__ import annotations

import math
from decimal import ROUND_HALF_UP, Decimal

from outcomes.errors import ReportError

__all__ = [
    "MINUS",
    "NOT_ESTIMABLE",
    "SIGNIFICANT_DIGITS",
    "ama_decimals",
    "decimals_beside_level",
    "decimals_of",
    "number_text",
    "round_half_up",
    "significant",
]

MINUS = "−"
"""The real minus sign (U+2212), as wide as a digit in tabular figures."""

NOT_ESTIMABLE = "not estimable"

SIGNIFICANT_DIGITS = 10
"""Digits that results keep, so that rebuilds agree across machines."""

VAST = 1e15
"""Size from which a number is written as a power of ten: floats no longer tell whole numbers apart beyond."""


def significant(value: float, digits: int = SIGNIFICANT_DIGITS) -> float:
    """Round to `digits` significant digits; -0.0 becomes 0.0; infinities and NaN pass."""
    if not math.isfinite(value):
        return value
    return float(f"{value:.{digits}g}") + 0.0


def round_half_up(value: float, decimals: int) -> Decimal:
    """Round the decimal value of a number half away from zero.

    The decimal value is the shortest one that reads back as the same float (2.675, not 2.67499999…), after
    the ten significant digits that results keep.

    Parameters
    ----------
    value
        A finite number.
    decimals
        Digits after the point; negative ones round to tens and hundreds.

    Raises
    ------
    ReportError
        Where the number is not finite.
    """
    if not math.isfinite(value):
        raise ReportError(
            "only finite numbers can be rounded",
            expected="a finite number",
            got=repr(value),
            hint="use `number_text`, which has words for the others",
        )
    rounded = Decimal(repr(significant(float(value)))).quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP)
    return abs(rounded) if rounded == 0 else rounded


def number_text(value: float | None, decimals: int, missing: str = NOT_ESTIMABLE) -> str:
    """Write a number with a real minus sign; never "−0.00"; `missing` for None and NaN."""
    if value is None or math.isnan(value):
        return missing
    if math.isinf(value):
        return "∞" if value > 0 else MINUS + "∞"
    if abs(value) >= VAST:  # a limit on a thousandth of a degree of freedom: its digits would say nothing
        mantissa, power = f"{value:.2e}".split("e")
        return f"{mantissa} × 10^{int(power)}".replace("-", MINUS)
    return f"{round_half_up(value, decimals):f}".replace("-", MINUS)


def decimals_of(std_error: float | None, digits: int = 2, most: int = 6) -> int:
    """Return the decimals that show a standard error to `digits` significant digits.

    Estimates are written to the precision that their standard error gives them: with a standard error of 4.1
    a mean of 58.27 is 58.3 in tables (`digits` = 2) and 58 in sentences (`digits` = 1).
    """
    if std_error is None or not math.isfinite(std_error) or std_error <= 0:
        return digits - 1
    return min(most, max(0, digits - 1 - math.floor(math.log10(significant(std_error, 2)))))


def decimals_beside_level(p: float, decimals: int, level: float = 0.05) -> int:
    """Return the decimals, at least `decimals`, that do not round a p-value onto the conventional level.

    0.0497 is not 0.050: a reader must see on which side of the level it lies. The level itself keeps its decimals.
    """
    beside = significant(p) != level
    while beside and decimals < SIGNIFICANT_DIGITS and float(round_half_up(p, decimals)) == level:
        decimals += 1
    return decimals


def ama_decimals(p: float) -> int:
    """Return the decimals of a p-value by the rule of the American Medical Association.

    Three below .01, and where two would hide the side of .05 that the value lies on; else two; as many more as keep
    it from being rounded onto .05. The level itself is .05.
    """
    beside = 0.045 <= p < 0.055 and significant(p) != 0.05
    return decimals_beside_level(p, 3 if p < 0.01 or beside else 2)
