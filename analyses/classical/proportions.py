"""Differences of two proportions, between patients and within them, with intervals that do not overshoot.

statsmodels and scipy compute what they have right. statsmodels' score interval of a difference is left alone (its
limits are wrong for some tables); Newcombe's hybrid interval is what its default is, and what stands here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import nan, sqrt

import numpy as np
import scipy
from numpy.typing import NDArray

from analyses.claims.verdict import Comparison, not_estimable
from analyses.combination import t_comparison

__all__ = [
    "PairedTable",
    "clustered_difference",
    "fisher_difference",
    "mcnemar_difference",
    "newcombe_paired",
    "nothing_to_compare",
]

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class PairedTable:
    """Pairs of two yes/no answers.

    Attributes
    ----------
    both, first_only, second_only, neither : int
        Patients who responded in both arms, in the first alone, in the second alone, in neither.
    """

    both: int
    first_only: int
    second_only: int
    neither: int

    @property
    def n(self) -> int:
        """Number of pairs."""
        return self.both + self.first_only + self.second_only + self.neither

    @classmethod
    def of(cls, first: Array, second: Array) -> PairedTable:
        """Count pairs of 0/1 answers, two arrays of one shape."""
        a, b = first > 0.5, second > 0.5
        return cls(int((a & b).sum()), int((a & ~b).sum()), int((~a & b).sum()), int((~a & ~b).sum()))


def nothing_to_compare(everyone: bool, unit: str) -> str:
    """Answer a comparison of arms in which all answers are alike.

    Parameters
    ----------
    everyone : bool
        Whether all of them responded; otherwise none did.
    unit : str
        Who responds: ``lesion`` or ``patient``.
    """
    who = f"every {unit} in every" if everyone else f"no {unit} in any"
    return f"{who} compared arm reached the threshold: nothing can be compared"


def fisher_difference(r1: int, n1: int, r2: int, n2: int) -> Comparison:
    """Compare two independent proportions.

    Parameters
    ----------
    r1, n1, r2, n2 : int
        Responders and patients of the first and of the second group.

    Returns
    -------
    Comparison
        Difference ``r1/n1 - r2/n2``; Fisher's exact p (two-sided: all tables no more probable), Newcombe's hybrid
        score interval (method 10 of Newcombe 1998, Stat Med 17:873); the standard error is the unpooled one.
    """
    table = [[r1, n1 - r1], [r2, n2 - r2]]
    p1, p2 = r1 / n1, r2 / n2

    def limits(tail: float) -> tuple[float, float]:
        from statsmodels.stats.proportion import confint_proportions_2indep

        low, high = confint_proportions_2indep(r1, n1, r2, n2, method="newcomb", alpha=2 * tail)
        return float(low), float(high)

    return Comparison(
        estimate=p1 - p2,
        std_error=sqrt(p1 * (1 - p1) / n1 + p2 * (1 - p2) / n2),
        df=nan,
        statistic=nan,
        p_value=min(1.0, float(scipy.stats.fisher_exact(table).pvalue)),
        p_benefit=min(1.0, float(scipy.stats.fisher_exact(table, alternative="greater").pvalue)),
        limits=limits,
    )


def mcnemar_difference(table: PairedTable) -> Comparison:
    """Compare two proportions of the same patients, one lesion an arm.

    Parameters
    ----------
    table : PairedTable

    Returns
    -------
    Comparison
        Difference of the proportions, first minus second; exact McNemar p (binomial on the discordant pairs),
        Newcombe's paired interval.
    """
    discordant, n = table.first_only + table.second_only, table.n
    difference = (table.first_only - table.second_only) / n
    two_sided = greater = 1.0
    if discordant:
        two_sided = float(scipy.stats.binomtest(table.first_only, discordant).pvalue)
        greater = float(scipy.stats.binomtest(table.first_only, discordant, alternative="greater").pvalue)
    return Comparison(
        estimate=difference,
        std_error=sqrt(max(0.0, discordant / n - difference**2) / n),
        df=nan,
        statistic=nan,
        p_value=two_sided,
        p_benefit=greater,
        limits=lambda tail: newcombe_paired(table, 2 * tail),
    )


def newcombe_paired(table: PairedTable, alpha: float) -> tuple[float, float]:
    """Return Newcombe's interval for a difference of paired proportions.

    Parameters
    ----------
    table : PairedTable
    alpha : float
        One minus the confidence level, two-sided.

    Returns
    -------
    tuple of float
        Limits of "first minus second": Wilson's intervals of both margins joined by the pairs' correlation, its
        numerator lowered by n/2 where positive (method 10 of Newcombe 1998, Stat Med 17:2635).
    """
    from statsmodels.stats.proportion import proportion_confint

    a, b, c, d, n = table.both, table.first_only, table.second_only, table.neither, table.n
    first, second = (a + b) / n, (a + c) / n
    low1, high1 = proportion_confint(a + b, n, alpha=alpha, method="wilson")
    low2, high2 = proportion_confint(a + c, n, alpha=alpha, method="wilson")
    margins = (a + b) * (c + d) * (a + c) * (b + d)
    product = a * d - b * c
    corrected = max(product - n / 2, 0.0) if product > 0 else float(product)
    phi = corrected / sqrt(margins) if margins else 0.0

    def reach(one: float, other: float) -> float:
        return sqrt(max(0.0, one**2 - 2 * phi * one * other + other**2))

    difference = first - second
    below, above = reach(first - low1, high2 - second), reach(high1 - first, second - low2)
    return float(difference - below), float(difference + above)


def clustered_difference(pairs: Sequence[tuple[Array, Array]]) -> Comparison:
    """Compare two proportions of the same patients, several lesions an arm.

    Parameters
    ----------
    pairs : sequence of (array, array)
        For each patient the 0/1 answers of the lesions in the one arm and in the other.

    Returns
    -------
    Comparison
        Mean over patients of the difference of their proportions, each patient counting once; t test and interval
        with (patients - 1) degrees of freedom. Without any spread between patients, no test and no interval; and
        where no lesion responded in either arm, or every one did, no estimate either.
    """
    answers = np.concatenate([side for pair in pairs for side in pair])
    if answers.min() == answers.max():
        return not_estimable(nothing_to_compare(bool(answers.max() > 0.5), "lesion"))
    differences = np.array([float(first.mean() - second.mean()) for first, second in pairs])
    n = len(differences)
    error = float(differences.std(ddof=1)) / sqrt(n) if n > 1 else nan
    # The spread of equal thirds is a rounding error, not zero.
    if not error > 1e-12:
        reason = "the difference is the same in every patient" if n > 1 else "one patient alone has both arms"
        return replace(not_estimable(f"not testable: {reason}"), estimate=float(differences.mean()))
    return t_comparison(float(differences.mean()), error, n - 1)
