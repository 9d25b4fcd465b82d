"""Score intervals of two proportions: between patients (Miettinen and Nurminen) and within pairs (Tango).

The limits are the values that the score test does not reject, with the proportions under each value by maximum
likelihood. statsmodels' interval of this name has another variance (its limits of 45/50 against 40/50 are −0.0439 and
0.2537 instead of −0.0435 and 0.2468), so that it is not used.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import acos, cos, exp, inf, isfinite, log, nan, pi, sqrt

import numpy as np
import scipy
from numpy.typing import ArrayLike, NDArray

from analyses.classical.proportions import PairedTable
from outcomes.errors import ModelError

__all__ = ["SCORE_MEASURES", "ScoreInterval", "miettinen_nurminen", "tango_interval"]

Array = NDArray[np.float64]
SCORE_MEASURES = ("difference", "ratio", "odds ratio")
"""How two proportions are compared."""


@dataclass(frozen=True, slots=True)
class ScoreInterval:
    """Comparison of two proportions by their score.

    Attributes
    ----------
    estimate
        Difference, ratio or odds ratio: of strata, the value at which their score is zero. NaN where undefined.
    conf_low, conf_high
        Limits; infinite, or at the scale's end, where no value is rejected on that side.
    statistic, p_value
        Score test of no difference, normal and two-sided.
    """

    estimate: float
    conf_low: float
    conf_high: float
    statistic: float
    p_value: float


@dataclass(frozen=True, slots=True)
class _Stratum:
    r1: float
    n1: float
    r2: float
    n2: float


def miettinen_nurminen(
    r1: ArrayLike,
    n1: ArrayLike,
    r2: ArrayLike,
    n2: ArrayLike,
    measure: str = "difference",
    alpha: float = 0.05,
    correction: bool = True,
) -> ScoreInterval:
    """Compare two independent proportions by their score, in one table or stratified.

    Parameters
    ----------
    r1, n1, r2, n2
        Responders and patients of the first and of the second group; one number each, or one a stratum.
    measure
        ``difference`` ``p1 - p2``, ``ratio`` ``p1 / p2`` or ``odds ratio``.
    alpha
        One minus the confidence level.
    correction
        Whether the variance is multiplied by ``n / (n - 1)`` with n of both groups, as Miettinen and Nurminen do;
        without it the difference's interval is Mee's, the ratio's Koopman's.

    Returns
    -------
    ScoreInterval
        Miettinen O & Nurminen M (1985), Stat Med 4:213. Strata are weighted by ``n1 n2 / (n1 + n2)``
        (Cochran-Mantel-Haenszel weights), the same at every value tried.

    Raises
    ------
    ModelError
        Where the numbers are no counts, or a measure or level is unknown.
    """
    strata = _checked(r1, n1, r2, n2, measure, alpha)
    z = float(scipy.stats.norm.isf(alpha / 2))
    null = 0.0 if measure == "difference" else 1.0

    def score(value: float) -> float:
        return _score(strata, measure, value, correction)

    estimate = _estimate(strata, measure, score)
    low, high = _limits(score, measure, estimate, z)
    statistic = score(null)
    return ScoreInterval(estimate, low, high, statistic, 2 * float(scipy.stats.norm.sf(abs(statistic))))


def _checked(
    r1: ArrayLike, n1: ArrayLike, r2: ArrayLike, n2: ArrayLike, measure: str, alpha: float
) -> list[_Stratum]:
    if measure not in SCORE_MEASURES:
        raise ModelError(
            "unknown measure of a comparison", expected=", ".join(SCORE_MEASURES), got=repr(measure)
        )
    if not 0 < alpha < 1:
        raise ModelError("alpha is one minus the confidence level", expected="between 0 and 1", got=alpha)
    try:
        counts = [np.atleast_1d(np.asarray(given, dtype=float)) for given in (r1, n1, r2, n2)]
    except (TypeError, ValueError) as error:
        raise ModelError("counts are numbers", expected="whole numbers", got=str(error)) from error
    if len({count.shape for count in counts}) > 1 or counts[0].ndim != 1 or not len(counts[0]):
        raise ModelError(
            "counts are one number each, or one a stratum",
            expected="r1, n1, r2 and n2 of one length",
            got=", ".join(str(count.shape) for count in counts),
        )
    strata = [_Stratum(*map(float, row)) for row in zip(*counts, strict=True)]
    for at, one in enumerate(strata):
        for responders, size in ((one.r1, one.n1), (one.r2, one.n2)):
            if not (0 <= responders <= size and size >= 1 and responders % 1 == 0 and size % 1 == 0):
                raise ModelError(
                    "responders are counted among at least one patient",
                    expected="whole numbers, from 0 to the patients",
                    got=f"{responders:g} of {size:g}",
                    where=f"stratum {at + 1}",
                )
    return strata


def _score(strata: Sequence[_Stratum], measure: str, value: float, correction: bool) -> float:
    """Standardised score at a value; it falls as the value rises."""
    top = variance = 0.0
    for one in strata:
        (p1, q1), (p2, q2) = _restricted(one, measure, value)
        weight = one.n1 * one.n2 / (one.n1 + one.n2)
        total = one.n1 + one.n2
        factor = total / (total - 1) if correction else 1.0
        slope = {"difference": 1.0, "ratio": value, "odds ratio": 1.0}[measure]
        away = one.r1 / one.n1 - slope * (one.r2 / one.n2)
        if measure == "difference":
            away -= value
            spread = p1 * q1 / one.n1 + p2 * q2 / one.n2
        elif measure == "ratio":
            spread = p1 * q1 / one.n1 + value**2 * p2 * q2 / one.n2
        else:
            # in units of the first group's responders: their number given all responders, less its expectation
            w1, w2 = one.n1 * p1 * q1, one.n2 * p2 * q2
            away = (one.r1 * q1 - (one.n1 - one.r1) * p1) / weight
            spread = (w1 * w2 / (w1 + w2) if w1 + w2 > 0 else 0.0) / weight**2
        top += weight * away
        variance += weight**2 * factor * max(spread, 0.0)
    if variance <= 0:
        return 0.0 if abs(top) < 1e-12 else inf * np.sign(top)
    return top / sqrt(variance)


def _restricted(one: _Stratum, measure: str, value: float) -> tuple[tuple[float, float], tuple[float, float]]:
    """Most likely proportions of both groups whose comparison is the value, each with one minus it."""
    if measure == "odds ratio":
        return _restricted_odds(one, value)
    if measure == "difference":
        p2 = _difference_root(one, value)
        p1 = min(1.0, max(0.0, p2 + value))
        return (p1, 1 - p1), (p2, 1 - p2)
    a = (one.n1 + one.n2) * value
    b = -(one.n1 * value + one.r1 + one.n2 + one.r2 * value)
    c = one.r1 + one.r2
    p2 = 2 * c / (-b + sqrt(max(b * b - 4 * a * c, 0.0)))
    p2 = min(1.0, max(0.0, p2))
    p1 = min(1.0, max(0.0, p2 * value))
    return (p1, 1 - p1), (p2, 1 - p2)


def _restricted_odds(one: _Stratum, value: float) -> tuple[tuple[float, float], tuple[float, float]]:
    """Most likely proportions under an odds ratio.

    The root of responders and that of the others are each written without a difference of alike numbers: where an
    arm has none of either, limits lie where a proportion is so near its end that one minus it has no digits.
    """
    responders, others = one.r1 + one.r2, one.n1 + one.n2 - one.r1 - one.r2
    shift = value * (one.n1 - responders)
    root = sqrt((shift + one.n2 - responders) ** 2 + 4 * responders * value * others)
    p2 = 2 * responders / (shift + one.n2 + responders + root) if responders else 0.0
    q2 = 2 * others / (one.n1 - others + (one.n2 + others) * value + root) * value if others else 0.0
    odds, rest = p2 * value, q2
    return (odds / (odds + rest), rest / (odds + rest)), (p2, q2)


def _difference_root(one: _Stratum, value: float) -> float:
    """Root of the cubic of the likelihood under a difference (Farrington & Manning 1990, Stat Med 9:1447)."""
    n, r = one.n1 + one.n2, one.r1 + one.r2
    l3 = n
    l2 = (one.n1 + 2 * one.n2) * value - n - r
    l1 = (one.n2 * value - n - 2 * one.r2) * value + r
    l0 = one.r2 * value * (1 - value)
    q = l2**3 / (27 * l3**3) - l1 * l2 / (6 * l3**2) + l0 / (2 * l3)
    size = sqrt(max(l2**2 / (9 * l3**2) - l1 / (3 * l3), 0.0))
    p = size if q > 0 else -size
    ratio = 0.0 if p == 0 else q / p**3
    angle = (pi + acos(min(1.0, max(-1.0, ratio)))) / 3
    root = 2 * p * cos(angle) - l2 / (3 * l3)
    return min(1.0, 1.0 - value, max(0.0, -value, root))


def _estimate(strata: Sequence[_Stratum], measure: str, score: Callable[[float], float]) -> float:
    if len(strata) == 1:
        one = strata[0]
        p1, p2 = one.r1 / one.n1, one.r2 / one.n2
        if measure == "difference":
            return p1 - p2
        top, bottom = (p1, p2) if measure == "ratio" else (p1 * (1 - p2), p2 * (1 - p1))
        return top / bottom if bottom > 0 else (inf if top > 0 else nan)
    weights = [one.n1 * one.n2 / (one.n1 + one.n2) for one in strata]
    if measure == "difference":
        away = [one.r1 / one.n1 - one.r2 / one.n2 for one in strata]
        return float(np.average(away, weights=weights))
    if measure == "ratio":
        tops = [weight * one.r1 / one.n1 for weight, one in zip(weights, strata, strict=True)]
        bottoms = [weight * one.r2 / one.n2 for weight, one in zip(weights, strata, strict=True)]
        total = sum(bottoms)
        return sum(tops) / total if total > 0 else (inf if sum(tops) > 0 else nan)
    return _crossing(score, measure, 0.0)


def _limits(score: Callable[[float], float], measure: str, estimate: float, z: float) -> tuple[float, float]:
    if estimate != estimate:
        return (0.0, inf)
    low, high = _crossing(score, measure, z), _crossing(score, measure, -z)
    return low, high


def _crossing(score: Callable[[float], float], measure: str, level: float) -> float:
    """Value at which the falling score crosses a level; an end of the scale where it does not."""
    if measure == "difference":
        ends, value_of = (-1 + 1e-12, 1 - 1e-12), float
        outer = (-1.0, 1.0)
    else:
        ends, value_of = (log(1e-12), log(1e12)), exp  # type: ignore[assignment]
        outer = (0.0, inf)

    def gap(at: float) -> float:
        found = score(value_of(at)) - level
        return max(-1e12, min(1e12, found))

    if gap(ends[0]) <= 0:
        return outer[0]
    if gap(ends[1]) >= 0:
        return outer[1]
    root = float(scipy.optimize.brentq(gap, *ends, xtol=1e-13, rtol=1e-13, maxiter=500))
    return float(value_of(root))


def tango_interval(table: PairedTable, alpha: float = 0.05) -> ScoreInterval:
    """Score interval of a difference of paired proportions.

    Parameters
    ----------
    table
        Pairs; the difference is "first minus second".
    alpha
        One minus the confidence level.

    Returns
    -------
    ScoreInterval
        Tango T (1998), Stat Med 17:891. The test of no difference is McNemar's without continuity correction.

    Raises
    ------
    ModelError
        Where there is no pair, or the level is none.
    """
    n, b, c = table.n, table.first_only, table.second_only
    if n < 1:
        raise ModelError("there are no pairs", expected="at least one pair", got=n)
    if not 0 < alpha < 1:
        raise ModelError("alpha is one minus the confidence level", expected="between 0 and 1", got=alpha)
    z = float(scipy.stats.norm.isf(alpha / 2))

    def score(value: float) -> float:
        # Most likely probability of "second only" under the difference (Tango's equation 8).
        quadratic = 2 * n
        linear = -b - c + (2 * n - b + c) * value
        constant = -c * value * (1 - value)
        q = (sqrt(max(linear**2 - 4 * quadratic * constant, 0.0)) - linear) / (2 * quadratic)
        variance = n * (2 * q + value * (1 - value))
        top = b - c - n * value
        if variance <= 0:
            return 0.0 if abs(top) < 1e-12 else inf * np.sign(top)
        return float(top / sqrt(variance))

    low, high = _crossing(score, "difference", z), _crossing(score, "difference", -z)
    statistic = score(0.0)
    p_value = 2 * float(scipy.stats.norm.sf(abs(statistic))) if isfinite(statistic) else nan
    return ScoreInterval((b - c) / n, low, high, statistic, p_value)
