"""Rank statistics of two samples or of pairs: exact where that is possible, with ties and zeros named.

Two estimands stand here and must not be confused: the *unpaired* probability of superiority compares a patient
of one group with a patient of the other; the *paired* one compares two lesions of the same patient.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import exp, log, nan, sqrt
from typing import Literal

import numpy as np
import scipy
from numpy.typing import ArrayLike, NDArray

from outcomes.errors import ModelError

__all__ = [
    "BrunnerMunzel",
    "MannWhitney",
    "ProbabilityOfSuperiority",
    "SignTest",
    "SignedRank",
    "brunner_munzel",
    "mann_whitney",
    "paired_probability_of_superiority",
    "probability_of_superiority",
    "sign_test",
    "signed_rank",
]

Array = NDArray[np.float64]

EXACT_LIMIT = 200
"""Largest total sample for which the exact distribution of a rank sum is computed (below a second)."""


@dataclass(frozen=True, slots=True)
class MannWhitney:
    """Mann-Whitney (Wilcoxon rank-sum) test of x against y.

    Attributes
    ----------
    u : float
        Pairs that x wins, ties counted half; ``u / (n_x n_y)`` is the probability of superiority.
    z : float
        Standardised with the variance under ties, without continuity correction.
    p_value, p_greater : float
        Two-sided, and one-sided for "x is larger"; normal, with continuity correction.
    p_uncorrected : float
        Two-sided without continuity correction.
    p_exact, p_exact_greater : float
        From the permutation distribution given the ties; two-sided is the probability of a rank sum at least as
        far from its mean. NaN beyond `EXACT_LIMIT` observations.
    """

    u: float
    z: float
    p_value: float
    p_greater: float
    p_uncorrected: float
    p_exact: float
    p_exact_greater: float


@dataclass(frozen=True, slots=True)
class ProbabilityOfSuperiority:
    """P(X > Y) + P(X = Y) / 2 with its interval.

    Attributes
    ----------
    estimate, std_error : float
    win, tie, loss : float
        Shares of the comparisons that x wins, ties, loses.
    n : tuple of int
        Sample sizes, or the number of patients with both.
    limits : callable
        ``limits(tail)`` returns the limits that each leave `tail` outside.
    interval : str
        Name of the interval's method.
    """

    estimate: float
    std_error: float
    win: float
    tie: float
    loss: float
    n: tuple[int, ...]
    limits: Callable[[float], tuple[float, float]]
    interval: str


@dataclass(frozen=True, slots=True)
class BrunnerMunzel:
    """Brunner-Munzel test; NaN where the samples do not overlap (its variance is then zero)."""

    statistic: float
    df: float
    p_value: float
    p_greater: float
    std_error: float


@dataclass(frozen=True, slots=True)
class SignTest:
    """Exact sign test of pairs: `wins` against `losses`, ties left out."""

    wins: int
    ties: int
    losses: int
    p_value: float
    p_greater: float


@dataclass(frozen=True, slots=True)
class SignedRank:
    """Wilcoxon signed-rank test of differences, exact given ties and zeros.

    Attributes
    ----------
    statistic : float
        Sum of the ranks of the positive differences.
    zeros : str
        ``pratt``: zeros are ranked, then their ranks left out; ``dropped``: zeros are left out before ranking.
    n, n_zero : int
        Differences, and those that are zero.
    p_value, p_greater : float
        Exact, two-sided and for "differences are positive".
    """

    statistic: float
    zeros: str
    n: int
    n_zero: int
    p_value: float
    p_greater: float


def mann_whitney(x: ArrayLike, y: ArrayLike) -> MannWhitney:
    """Compare two independent samples by ranks.

    Parameters
    ----------
    x, y : array-like, shapes (m,) and (n,)
        Numbers whose order alone matters.

    Returns
    -------
    MannWhitney

    Raises
    ------
    ModelError
        Where a sample is empty or has missing values.
    """
    x, y = _checked(x, "the first sample"), _checked(y, "the second sample")
    both = np.concatenate([x, y])
    if np.ptp(both) == 0:
        return MannWhitney(len(x) * len(y) / 2, nan, 1.0, 1.0, 1.0, 1.0, 1.0)
    corrected = scipy.stats.mannwhitneyu(x, y, method="asymptotic")
    greater = scipy.stats.mannwhitneyu(x, y, alternative="greater", method="asymptotic")
    plain = scipy.stats.mannwhitneyu(x, y, use_continuity=False, method="asymptotic")
    u = float(corrected.statistic)
    z = float(scipy.stats.norm.isf(plain.pvalue / 2)) * float(np.sign(u - len(x) * len(y) / 2))
    exact, exact_greater = _exact_rank_sum(both, len(x))
    return MannWhitney(
        u, z, float(corrected.pvalue), float(greater.pvalue), float(plain.pvalue), exact, exact_greater
    )


def _exact_rank_sum(values: Array, m: int) -> tuple[float, float]:
    """Two-sided and upper p of the first m values' rank sum over all ways to choose m of them.

    Twice the midranks are integers, so the number of subsets of each size and sum is counted one value after
    the other (Streitberg & Röhmel 1986, Stat Softw Newsl 12:10), as shares to keep the numbers small.
    """
    n = len(values)
    if n > EXACT_LIMIT:
        return nan, nan
    doubled = np.rint(2 * scipy.stats.rankdata(values)).astype(int)
    observed = int(doubled[:m].sum())
    largest = int(np.sort(doubled)[n - m :].sum())
    # shares[k, s]: probability that, of the values seen, k were chosen with sum s (sequential sampling)
    shares = np.zeros((m + 1, largest + 1))
    shares[0, 0] = 1.0
    chosen = np.arange(m + 1)[:, None]
    for seen, rank in enumerate(doubled):
        take = np.clip((m - chosen) / (n - seen), 0.0, 1.0)
        moved = shares * take
        shares *= 1 - take
        shares[1:, rank:] += moved[:-1, : largest + 1 - rank]
    return _tails(shares[m], observed, m * (n + 1))


def _tails(distribution: Array, observed: int, mean: int) -> tuple[float, float]:
    """Probability of a sum as far from its mean as the observed one, and of one as large."""
    sums = np.arange(len(distribution))
    far = np.abs(sums - mean) >= abs(observed - mean)
    return min(1.0, float(distribution[far].sum())), min(1.0, float(distribution[observed:].sum()))


def probability_of_superiority(
    x: ArrayLike, y: ArrayLike, interval: Literal["logit", "wald", "newcombe"] = "logit"
) -> ProbabilityOfSuperiority:
    """Estimate P(X > Y) + P(X = Y) / 2 for independent samples.

    Parameters
    ----------
    x, y : array-like, shapes (m,) and (n,)
    interval : {"logit", "wald", "newcombe"}
        ``logit``: symmetric on the log odds; ``wald``: DeLong's; ``newcombe``: pseudo-score (method 5 of
        Newcombe 2006, Stat Med 25:559), also used where the samples do not overlap and the others collapse.

    Returns
    -------
    ProbabilityOfSuperiority
        Standard error from the placements (DeLong, DeLong & Clarke-Pearson 1988, Biometrics 44:837).

    Raises
    ------
    ModelError
        Where a sample is empty or has missing values.
    """
    x, y = _checked(x, "the first sample"), _checked(y, "the second sample")
    m, n = len(x), len(y)
    placed_x, placed_y = _placements(x, y), 1 - _placements(y, x)
    theta = float(placed_x.mean())
    variance = sum(
        float(placed.var(ddof=1)) / len(placed) if len(placed) > 1 else nan for placed in (placed_x, placed_y)
    )
    error = sqrt(variance) if variance == variance else nan
    win = float((np.searchsorted(np.sort(y), x, "left")).sum()) / (m * n)
    loss = float((n - np.searchsorted(np.sort(y), x, "right")).sum()) / (m * n)
    chosen: str = interval
    if not error > 0 or not 0 < theta < 1:
        chosen = "newcombe"

    def limits(tail: float) -> tuple[float, float]:
        z = float(scipy.stats.norm.isf(tail))
        if chosen == "wald":
            return theta - z * error, theta + z * error
        if chosen == "logit":
            return _logit_limits(theta, error, z)
        return _newcombe_limits(theta, m, n, z)

    return ProbabilityOfSuperiority(theta, error, win, 1 - win - loss, loss, (m, n), limits, chosen)


def _placements(x: Array, y: Array) -> Array:
    """Share of y below each x, ties counted half."""
    ordered = np.sort(y)
    below, upto = np.searchsorted(ordered, x, "left"), np.searchsorted(ordered, x, "right")
    return (below + upto) / (2 * len(y))


def _logit_limits(theta: float, error: float, quantile: float) -> tuple[float, float]:
    centre, half = log(theta / (1 - theta)), quantile * error / (theta * (1 - theta))
    return 1 / (1 + exp(half - centre)), 1 / (1 + exp(-half - centre))


def _newcombe_limits(theta: float, m: int, n: int, z: float) -> tuple[float, float]:
    """Solve |estimate - t| = z sqrt(V(t)) with the variance of equal exponential shapes (method 5)."""
    half = (m + n) / 2 - 1

    def variance(t: float) -> float:
        return t * (1 - t) * (1 + half * ((1 - t) / (2 - t) + t / (1 + t))) / (m * n)

    def gap(t: float) -> float:
        return (theta - t) ** 2 - z * z * variance(t)

    tiny = 1e-12
    low = 0.0 if theta <= 0 else float(scipy.optimize.brentq(gap, tiny, theta - tiny, xtol=1e-12))
    high = 1.0 if theta >= 1 else float(scipy.optimize.brentq(gap, theta + tiny, 1 - tiny, xtol=1e-12))
    return low, high


def brunner_munzel(x: ArrayLike, y: ArrayLike) -> BrunnerMunzel:
    """Test P(X > Y) + P(X = Y) / 2 = 1/2 without assuming equal spread.

    Parameters
    ----------
    x, y : array-like, shapes (m,) and (n,)

    Returns
    -------
    BrunnerMunzel
        Positive where x is larger (Brunner E & Munzel U 2000, Biom J 42:17).

    Raises
    ------
    ModelError
        Where a sample is empty or has missing values.
    """
    x, y = _checked(x, "the first sample"), _checked(y, "the second sample")
    shares = [
        float(placed.var(ddof=1)) / len(placed) if len(placed) > 1 else nan
        for placed in (_placements(x, y), _placements(y, x))
    ]
    if not sum(shares) > 0:
        return BrunnerMunzel(nan, nan, nan, nan, nan)
    found = scipy.stats.brunnermunzel(y, x)
    # scipy keeps its degrees of freedom to itself: Welch's, of the placements (Brunner & Munzel 2000).
    df = sum(shares) ** 2 / sum(share**2 / (n - 1) for share, n in zip(shares, (len(x), len(y)), strict=True))
    statistic = float(found.statistic)
    return BrunnerMunzel(
        statistic, df, float(found.pvalue), float(scipy.stats.t.sf(statistic, df)), sqrt(sum(shares))
    )


def paired_probability_of_superiority(pairs: Sequence[tuple[Array, Array]]) -> ProbabilityOfSuperiority:
    """Estimate P(win) + P(tie) / 2 within a patient.

    Parameters
    ----------
    pairs : sequence of (array, array)
        For each patient the values in the one arm and in the other; usually one each. With several lesions an
        arm all pairs of the patient's lesions are compared and averaged, so the patient stays the unit.

    Returns
    -------
    ProbabilityOfSuperiority
        Standard error over patients; t interval with (patients - 1) degrees of freedom on the log odds, or
        Wilson's where all patients agree.

    Raises
    ------
    ModelError
        Where there is no pair.
    """
    shares = np.array([_patient_shares(x, y) for x, y in pairs])
    if not len(shares):
        raise ModelError("no patient has both arms", expected="at least one pair", got="none")
    n = len(shares)
    win, tie, loss = (float(value) for value in shares.mean(axis=0))
    scores = shares[:, 0] + shares[:, 1] / 2
    theta = float(scores.mean())
    error = float(scores.std(ddof=1)) / sqrt(n) if n > 1 else nan
    degenerate = not error > 0

    def limits(tail: float) -> tuple[float, float]:
        if not degenerate:
            return _logit_limits(theta, error, float(scipy.stats.t.isf(tail, n - 1)))
        from statsmodels.stats.proportion import proportion_confint

        low, high = proportion_confint(theta * n, n, alpha=2 * tail, method="wilson")
        return float(low), float(high)

    name = "wilson" if degenerate else "logit, t by patient"
    return ProbabilityOfSuperiority(theta, error, win, tie, loss, (n,), limits, name)


def _patient_shares(x: Array, y: Array) -> tuple[float, float, float]:
    difference = np.subtract.outer(x, y)
    return float((difference > 0).mean()), float((difference == 0).mean()), float((difference < 0).mean())


def sign_test(scores: ArrayLike) -> SignTest:
    """Test whether as many patients do better as do worse.

    Parameters
    ----------
    scores : array-like, shape (patients,)
        Positive for a win, zero for a tie, negative for a loss.

    Returns
    -------
    SignTest
        Exact binomial; ties are left out, as the null hypothesis P(win) = P(loss) asks.
    """
    signs = np.sign(np.asarray(scores, dtype=float))
    wins, losses = int((signs > 0).sum()), int((signs < 0).sum())
    if wins + losses == 0:
        return SignTest(0, len(signs), 0, 1.0, 1.0)
    two_sided = scipy.stats.binomtest(wins, wins + losses).pvalue
    greater = scipy.stats.binomtest(wins, wins + losses, alternative="greater").pvalue
    return SignTest(wins, len(signs) - wins - losses, losses, float(two_sided), float(greater))


def signed_rank(differences: ArrayLike, zeros: Literal["pratt", "dropped"] = "pratt") -> SignedRank:
    """Wilcoxon's signed-rank test with its exact distribution given ties and zeros.

    Parameters
    ----------
    differences : array-like, shape (patients,)
        Their sizes are ranked, so distances between grades are taken as comparable.
    zeros : {"pratt", "dropped"}
        Pratt (1959) ranks the zeros and then leaves their ranks out; Wilcoxon drops them first.

    Returns
    -------
    SignedRank
        scipy's exact p does not hold with ties; the distribution is counted here (Streitberg & Röhmel 1986).

    Raises
    ------
    ModelError
        Where a difference is missing, or `zeros` is unknown.
    """
    if zeros not in ("pratt", "dropped"):
        raise ModelError("unknown rule for zeros", expected="'pratt' or 'dropped'", got=repr(zeros))
    given = _checked(differences, "the differences")
    n_zero = int((given == 0).sum())
    ranked = given if zeros == "pratt" else given[given != 0]
    moving = ranked != 0
    if not moving.any():
        return SignedRank(0.0, zeros, len(given), n_zero, 1.0, 1.0)
    doubled = np.rint(2 * scipy.stats.rankdata(np.abs(ranked))).astype(int)[moving]
    observed = int(doubled[ranked[moving] > 0].sum())
    total = int(doubled.sum())
    shares = np.zeros(total + 1)
    shares[0] = 1.0
    for rank in doubled:
        moved = shares[: total + 1 - rank] / 2
        shares /= 2
        shares[rank:] += moved
    sums = np.arange(total + 1)
    far = np.abs(2 * sums - total) >= abs(2 * observed - total)
    p_value, p_greater = float(shares[far].sum()), float(shares[observed:].sum())
    return SignedRank(observed / 2, zeros, len(given), n_zero, min(1.0, p_value), min(1.0, p_greater))


def _checked(values: ArrayLike, name: str) -> Array:
    found = np.asarray(values, dtype=float).ravel()
    if not len(found) or np.isnan(found).any():
        raise ModelError(
            f"{name} must have values and no missing ones",
            expected="at least one number",
            got=f"{len(found)} values, {int(np.isnan(found).sum())} missing",
        )
    return found
