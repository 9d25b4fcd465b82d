"""How numbers are written for people: rounding, p-values, intervals and counts, once, with journal styles.

Everything here turns one number into text. Which numbers are shown is decided elsewhere (``tables``,
``narrative``); how many decimals they get follows from their precision (`decimals_of`), never from how a
caller happens to feel. Rounding itself stands in `outcomes.rounding`, for the analyses' own views too.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from outcomes.errors import ReportError
from outcomes.rounding import MINUS as MINUS
from outcomes.rounding import NOT_ESTIMABLE as NOT_ESTIMABLE
from outcomes.rounding import ama_decimals, decimals_beside_level, number_text
from outcomes.rounding import decimals_of as decimals_of
from outcomes.rounding import round_half_up as round_half_up
from outcomes.rounding import significant as significant

NARROW_SPACE = "\u202f"
"""A narrow no-break space: between a number and its per cent sign."""

NO_BREAK_SPACE = "\u00a0"


@dataclass(frozen=True, slots=True)
class Style:
    """What a journal asks of numbers.

    Parameters
    ----------
    name
        The name in ``[report] style``.
    p_leading_zero
        Whether a p-value has its zero before the point (0.03) or not (.03).
    p_floor, p_ceiling
        Below the one a p-value is written as "< floor", above the other as "> ceiling".
    p_rule
        ``"ama"``: two decimals from .01 on, three below and wherever two would round across .05;
        ``"significant"``: two significant figures; ``"fixed"``: four decimals. Each gives more where a value
        would be rounded onto .05.
    decimal_mark
        The decimal mark in text for people.
    interval_joint
        Between the two limits of an interval, with its blanks. " to " is the house rule: a dash is ambiguous beside
        negative numbers, and where a limit is negative no style has one.
    p_letter
        How the journal writes the p of a p-value in a sentence.
    """

    name: str
    p_leading_zero: bool
    p_floor: str
    p_rule: str
    p_ceiling: str = "0.99"
    decimal_mark: str = "."
    interval_joint: str = " to "
    p_letter: str = "p"


STYLES: dict[str, Style] = {
    "jama": Style("jama", p_leading_zero=False, p_floor="0.001", p_rule="ama", p_letter="P"),
    "nejm": Style("nejm", p_leading_zero=True, p_floor="0.001", p_rule="ama", p_letter="P"),
    "lancet": Style(
        "lancet",
        p_leading_zero=True,
        p_floor="0.0001",
        p_rule="significant",
        decimal_mark="·",
        interval_joint="–",
    ),
    "csr": Style("csr", p_leading_zero=True, p_floor="0.0001", p_rule="fixed", p_ceiling="0.9999"),
}


def style_named(name: str) -> Style:
    """Return the journal style of a name.

    Raises
    ------
    ReportError
        Where no style has the name.
    """
    try:
        return STYLES[name]
    except KeyError:
        raise ReportError(
            "unknown report style",
            expected="one of " + ", ".join(STYLES),
            got=repr(name),
            where="trial.toml, [report] style",
            hint='choose one of them, for example style = "jama"',
        ) from None


SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


@dataclass(frozen=True, slots=True)
class Formatter:
    """Write numbers in one journal's style.

    Parameters
    ----------
    style
        One of `STYLES`.
    """

    style: Style = STYLES["jama"]

    def number(self, value: float | None, decimals: int = 0, missing: str = NOT_ESTIMABLE) -> str:
        """Return a number with a real minus sign; never "−0.00"; `missing` for None and NaN."""
        if value is None or math.isnan(value):
            return missing
        return self._typeset(number_text(value, decimals))

    def recorded(self, value: float | None) -> str:
        """Return a number with the digits that it has, at most ten: 9.9, 12, −1.8; empty for None and NaN."""
        if value is None or math.isnan(value):
            return ""
        text = number_text(value, 0) if math.isinf(value) else repr(significant(value)).removesuffix(".0")
        if "e" in text:
            text = f"{Decimal(text):f}"
        return self._typeset(text)

    def whole(self, value: float | None, missing: str = NOT_ESTIMABLE) -> str:
        """Return a count."""
        return self.number(value, 0, missing)

    def percent(self, fraction: float | None, decimals: int = 0, missing: str = NOT_ESTIMABLE) -> str:
        """Return a proportion (0 to 1) as a percentage with its sign: 0.58 is "58 %"."""
        if fraction is None or math.isnan(fraction):
            return missing
        return self.number(100 * fraction, decimals) + NARROW_SPACE + "%"

    def quantity(self, value: float | None, decimals: int, unit: str) -> str:
        """Return a number with its unit; a per cent sign is set off by a narrow space, others by a space."""
        text = self.number(value, decimals)
        if not unit or text == NOT_ESTIMABLE:
            return text
        return text + (NARROW_SPACE if unit == "%" else NO_BREAK_SPACE) + unit

    def interval(self, low: float | None, high: float | None, decimals: int = 0) -> str:
        """Return the limits of an interval: "19 to 35", or "19–35" where the style has a dash."""
        if low is None or high is None or math.isnan(low) or math.isnan(high):
            return NOT_ESTIMABLE
        limits = self.number(low, decimals), self.number(high, decimals)
        return self.joint(limits).join(limits)

    def joint(self, limits: Iterable[str]) -> str:
        """Return what joins the limits of intervals: "to" in every style where one of them is negative ("−3 to −1")."""
        negative = any(text.startswith(MINUS) for text in limits)
        return " to " if negative else self.style.interval_joint

    def confidence(
        self, low: float | None, high: float | None, decimals: int = 0, level: float = 0.95
    ) -> str:
        """Return a confidence interval with its name: "95 % CI 19 to 35"."""
        return f"{self.level(level)} CI {self.interval(low, high, decimals)}"

    def level(self, level: float) -> str:
        """Return a confidence level: 0.95 is "95 %"."""
        percentage = 100 * level
        decimals = 0 if abs(percentage - round(percentage)) < 1e-9 else 1
        return self.number(percentage, decimals) + NARROW_SPACE + "%"

    def p_value(self, p: float | None) -> str:
        """Return a p-value as a table shows it: ".03", "<.001", ">.99"."""
        if p is None or math.isnan(p):
            return NOT_ESTIMABLE
        if not 0 <= p <= 1:
            raise ReportError("a p-value lies between 0 and 1", expected="0 to 1", got=repr(p))
        floor = self.style.p_floor
        if p < float(floor):
            return "<" + self._p_text(floor)
        if p > float(self.style.p_ceiling):
            return ">" + self._p_text(self.style.p_ceiling)
        return self._p_text(number_text(p, self._p_decimals(p)))

    def p_phrase(self, p: float | None, letter: str = "p") -> str:
        """Return a p-value as a sentence has it: "p = .03", "p < .001"."""
        text = self.p_value(p)
        if text == NOT_ESTIMABLE:
            return f"{letter} {NOT_ESTIMABLE}"
        if text[0] in "<>":
            return f"{letter} {text[0]} {text[1:]}"
        return f"{letter} = {text}"

    def exact_p(self, p: float, letter: str = "p") -> str:
        """Return a p-value to two digits however small it is, "p = 1.4 × 10⁻⁴": for readers who compare programs."""
        if p >= float(self.style.p_floor):
            return self.p_phrase(p, letter)
        if p == 0:
            return f"{letter} < 10⁻³⁰⁰"
        mantissa, exponent = f"{p:.1e}".split("e")
        return f"{letter} = {self._typeset(mantissa)} × 10{str(int(exponent)).translate(SUPERSCRIPT)}"

    def _p_decimals(self, p: float) -> int:
        if self.style.p_rule == "ama":
            return ama_decimals(p)
        decimals = 4 if self.style.p_rule == "fixed" else 1 - math.floor(math.log10(significant(p, 2)))
        return decimals_beside_level(p, max(2, decimals))

    def _p_text(self, text: str) -> str:
        if not self.style.p_leading_zero:
            text = text.removeprefix("0")
        return self._typeset(text)

    def _typeset(self, text: str) -> str:
        return text.replace("-", MINUS).replace(".", self.style.decimal_mark)


def headline_decimals(std_error: float | None, values: Iterable[float | None], most: int = 6) -> int:
    """Return the decimals for numbers in a sentence: one significant digit of the standard error, or more.

    More decimals are given while a value that is not zero would be written as zero: an interval "0 to 12"
    must not leave open on which side of zero it begins.
    """
    shown = [value for value in values if value is not None and math.isfinite(value)]
    decimals = decimals_of(std_error, digits=1)
    while decimals < most and any(value != 0 and round_half_up(value, decimals) == 0 for value in shown):
        decimals += 1
    return decimals


def join_words(words: Iterable[str], last: str = "and") -> str:
    """Return "a", "a and b", "a, b and c"."""
    items = list(words)
    if len(items) <= 1:
        return "".join(items)
    return ", ".join(items[:-1]) + f" {last} " + items[-1]


def counted(count: float, singular: str, plural: str | None = None) -> str:
    """Return "1 patient", "30 patients", "4 lesions"."""
    return f"{int(count)} {singular if count == 1 else plural or singular + 's'}"


def sentence_case(text: str) -> str:
    """Return the text with its first letter capital, the rest as it is (abbreviations stay)."""
    return text[:1].upper() + text[1:]
