"""The largest of several t statistics that share one variance: adjusted p-values and critical values.

With estimates ``Z ~ N(0, R)`` and an independent ``s`` (``nu s^2`` chi-squared with nu degrees of freedom), the
statistics are ``T = Z / s``: the multivariate t distribution (Dunnett 1955; Genz and Bretz 2009). An adjusted p-value
is ``P(max |T| > t)``, or ``P(max T > t)`` one-sided. Nothing is drawn at random: the same input gives the same digits.

Three ways, each where it is best:

- *One factor*, ``R_ij = a_i a_j`` (comparisons of independent arms with a control; any two statistics): given the
  factor the statistics are independent, so two one-dimensional integrals are left (Dunnett 1955). Error below 1e-10.
- *Range* of independent means (Tukey): two one-dimensional integrals. Error below 1e-10.
- *Any correlation*, singular ones too: with ``R = A A'``, A of shape (k, r), ``P(max |a_i'z| > s t)`` is an average
  over directions of the tail of an F distribution (Somerville 1998). The sphere is cut into the cells in which one
  statistic is the largest. In polar coordinates around ``a_i`` the integrand depends on the angle alone, so that its
  integral G is a function of one variable, and what is left is the average of ``G(angle at which the cell ends)``
  over r - 2 dimensions: two points for r = 2, a circle for r = 3 (error below 1e-7), a quasi-Monte Carlo rule with
  fixed shifts beyond. There the sum of all cells, which is the whole sphere, serves as control variate, and the
  standard error over the shifts is kept: about 1e-5 at p = 0.05 for nine statistics, and smaller for smaller p.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import numpy as np
import scipy
from numpy.typing import NDArray
from scipy import special

Array = NDArray[np.float64]

SAME = 1e-10
"""One minus the correlation at which two statistics count as one."""
SINGULAR = 1e-9
"""Share of the largest eigenvalue below which a correlation matrix has no further dimension."""
SHARP = 0.004
"""Smallest spread of a statistic given the common factor at which the one-factor rule is used."""
CIRCLE = 8192
"""Points of a circle of directions."""
SHIFTS = 8
"""Shifts of the quasi-Monte Carlo rule, from whose spread its error is told."""
PANELS = 256
"""Panels of the angle's integral."""
BINS = 2048
"""Bins in which angles at which cells end are summed up."""
WORK = 2e7
"""Products of points, statistics and statistics that the quasi-Monte Carlo rule may take."""


class LargestT(Protocol):
    """Distribution of the largest of several t statistics."""

    @property
    def size(self) -> int:
        """Number of statistics."""
        ...

    def tail(self, t: float, df: float) -> float:
        """``P(max > t)``."""
        ...

    def error(self, t: float, df: float) -> float:
        """Standard error of ``tail`` where it was sampled, else a bound on it."""
        ...


def critical_value(largest: LargestT, alpha: float, df: float, sides: int) -> float:
    """The t at which ``largest.tail`` is alpha.

    Parameters
    ----------
    largest
        Distribution.
    alpha
        Probability, in (0, 1).
    df
        Degrees of freedom; infinite for the normal distribution.
    sides
        2 for the largest absolute value, 1 for the largest value.
    """
    low = float(scipy.stats.t.isf(alpha / sides, df))
    high = float(scipy.stats.t.isf(alpha / sides / largest.size, df))
    # The ends are those of one statistic and of Bonferroni's inequality; the largest lies between.
    if high - low < 1e-12 * max(1.0, abs(high)):
        return high

    def excess(t: float) -> float:
        return largest.tail(t, df) - alpha

    if excess(low) <= 0:
        return low
    if excess(high) >= 0:
        return high
    return float(scipy.optimize.brentq(excess, low, high, xtol=1e-9, rtol=1e-11))


def adjusted_tail(largest: LargestT, t: float, df: float, sides: int) -> float:
    """``P(max > t)``, kept between the p-value of one statistic and Bonferroni's bound."""
    single = float(sides * scipy.stats.t.sf(t, df))
    return float(min(max(largest.tail(t, df), single), largest.size * single, 1.0))


# ---- mixing over the common standard deviation ----------------------------------------------------------------------


@lru_cache(maxsize=64)
def _spread_nodes(df: float) -> tuple[Array, Array]:
    """Nodes and weights for ``s = chi / sqrt(df)``: the trapezoidal rule in log s, whose error falls exponentially."""
    if np.isinf(df) or df > 1e9:
        return np.ones(1), np.ones(1)
    width = 1 / np.sqrt(2 * df)
    step = min(0.1, width / 2)
    low, high = -40 / df - 9 * width, min(9 * width, 3.0) + 0.1
    y = np.arange(low, high, step)
    log_weight = df * y - df * np.exp(2 * y) / 2
    weight = np.exp(log_weight - log_weight.max())
    kept = weight > 1e-18
    weight = weight[kept] / weight[kept].sum()
    return np.exp(y[kept]), weight


@dataclass(frozen=True, slots=True, eq=False)
class OneFactor:
    """Statistics that are independent given one common factor.

    Attributes
    ----------
    loadings
        ``a`` in ``R_ij = a_i a_j``, shape (k,), each within (-1, 1).
    sides
        2 for the largest absolute value, 1 for the largest value.
    """

    loadings: Array
    sides: int

    @property
    def size(self) -> int:
        """Number of statistics."""
        return len(self.loadings)

    def error(self, t: float, df: float) -> float:
        """Bound on the error of ``tail``."""
        del t, df
        return 1e-10

    def tail(self, t: float, df: float) -> float:
        """``P(max > t)``."""
        if np.isinf(t):
            return 0.0 if t > 0 else 1.0
        s, weight = _spread_nodes(float(df))
        own = np.sqrt(1 - self.loadings**2)
        reach = 9 + min(abs(t) * float(s.max()), 29.0)
        sharpest = float((own / np.maximum(np.abs(self.loadings), 1e-3)).min())
        u = np.arange(-reach, reach, min(0.2, 0.35 * sharpest))
        density = np.exp(-(u**2) / 2)
        density /= density.sum()
        none_above = np.zeros((len(s), len(u)))
        for loading, spread in zip(self.loadings, own, strict=True):
            outside = special.ndtr((loading * u - t * s[:, None]) / spread)
            if self.sides == 2:
                outside = outside + special.ndtr((-t * s[:, None] - loading * u) / spread)
            with np.errstate(divide="ignore"):  # certainly above: log 0
                none_above += np.log1p(-np.minimum(outside, 1.0))
        return float(weight @ (-np.expm1(none_above) @ density))


@dataclass(frozen=True, slots=True)
class Range:
    """Largest difference of independent means with one variance, over its standard error: q / sqrt(2).

    Attributes
    ----------
    means
        Number of means.
    """

    means: int

    @property
    def size(self) -> int:
        """Number of pairwise differences."""
        return self.means * (self.means - 1) // 2

    def error(self, t: float, df: float) -> float:
        """Bound on the error of ``tail``."""
        del t, df
        return 1e-10

    def tail(self, t: float, df: float) -> float:
        """``P(max |T| > t)``, Tukey's studentised range at ``t sqrt(2)``."""
        if np.isinf(t):
            return 0.0
        s, weight = _spread_nodes(float(df))
        q = np.sqrt(2) * t * s[:, None]
        z = np.arange(-9, min(9 + float(q.max()) / 2, 38), 0.1)
        density = np.exp(-(z**2) / 2) * 0.1 / np.sqrt(2 * np.pi)
        below = special.ndtr(z)
        # The largest mean stands at z, and not all others lie within q of it.
        share = special.ndtr(z - q) / below
        others = self.means - 1
        with np.errstate(divide="ignore"):
            some_beyond = below**others * -np.expm1(others * np.log1p(-np.minimum(share, 1.0)))
        return float(self.means * (weight @ (some_beyond @ density)))


# ---- any correlation -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """Statistics of any correlation, by the cells of the sphere in which each is the largest.

    Attributes
    ----------
    size
        Number of statistics.
    rank
        Dimension r of their space.
    sides
        2 for the largest absolute value, 1 for the largest value.
    ends, weights
        Angles at which cells end and their weights, shape (shifts, bins) each.
    starts, start_weights
        One-sided: angles beyond which all statistics are above that at the centre; their weights.
    """

    size: int
    rank: int
    sides: int
    ends: Array
    weights: Array
    starts: Array
    start_weights: Array

    def tail(self, t: float, df: float) -> float:
        """``P(max > t)``."""
        return float(self._by_shift(t, df).mean())

    def error(self, t: float, df: float) -> float:
        """Standard error over the shifts; for three dimensions and fewer the bound on the rule's error."""
        if len(self.ends) == 1:
            return 1e-7
        return float(self._by_shift(t, df).std(ddof=1) / np.sqrt(len(self.ends)))

    def _by_shift(self, t: float, df: float) -> Array:
        if np.isinf(t):
            return np.full(len(self.ends), 0.0 if t > 0 else 1.0)
        integral = _AngleIntegral.of(abs(t), float(df), self.rank)
        if t >= 0:
            angles, weights, given = self.ends, self.sides * self.weights, integral.at(self.ends)
            found: Array = (weights * given).sum(axis=1)
        else:
            angles, weights = self.starts, -self.start_weights
            given = integral.values[-1] - integral.at(angles)
            found = 1 + (weights * given).sum(axis=1)
        return found if len(found) == 1 else found - self._missing(angles, np.abs(weights), given, t < 0)

    def _missing(self, angles: Array, weights: Array, given: Array, below: bool) -> Array:
        """By how much a sum is off, as told by the sum of all cells: that is the whole sphere (a control variate)."""
        at_zero = _AngleIntegral.of(0.0, np.inf, self.rank)
        half = float(at_zero.values[-1])
        whole = self.sides * (self.weights * at_zero.at(self.ends)).sum(axis=1)
        whole += (self.start_weights * (half - at_zero.at(self.starts))).sum(axis=1)
        known = at_zero.at(angles)
        slope = -_slope(given, half - known, weights) if below else _slope(given, known, weights)
        missing: Array = slope * (whole - 1)
        return missing


def _slope(y: Array, x: Array, weights: Array) -> float:
    """Slope of the weighted regression of y on x, the best multiple of a control variate."""
    share = weights / weights.sum()
    centred = x - (share * x).sum()
    spread = float((share * centred**2).sum())
    return float((share * centred * y).sum()) / spread if spread > 1e-12 else 0.0


@dataclass(frozen=True, slots=True, eq=False)
class _AngleIntegral:
    """G(angle) = P(radius beyond t at this angle), integrated from 0; values and slopes at the ends of panels."""

    values: Array
    slopes: Array

    @classmethod
    @lru_cache(maxsize=64)
    def of(cls, t: float, df: float, rank: int) -> _AngleIntegral:
        edges = np.linspace(0, np.pi / 2, PANELS + 1)
        nodes, weights = np.polynomial.legendre.leggauss(6)
        width = edges[1]
        inside = edges[:-1, None] + width * (nodes + 1) / 2
        steps = (_density(inside, t, df, rank) @ weights) * width / 2
        return cls(np.concatenate([[0.0], np.cumsum(steps)]), _density(edges, t, df, rank))

    def at(self, angles: Array) -> Array:
        """Cubic Hermite interpolation."""
        width = np.pi / 2 / PANELS
        place = np.minimum((angles / width).astype(np.intp), PANELS - 1)
        x = angles / width - place
        low, high = self.values[place], self.values[place + 1]
        slope_low, slope_high = self.slopes[place] * width, self.slopes[place + 1] * width
        found: Array = (
            low
            + x * slope_low
            + x**2 * (3 * (high - low) - 2 * slope_low - slope_high)
            + x**3 * (2 * (low - high) + slope_low + slope_high)
        )
        return found


def _density(angle: Array, t: float, df: float, rank: int) -> Array:
    """Density of a direction's angle from a fixed one, times the probability that the radius is beyond t."""
    cosine = np.cos(angle)
    with np.errstate(divide="ignore"):
        radius = np.where(cosine > 1e-15, (t / np.maximum(cosine, 1e-15)) ** 2, np.inf if t > 0 else 0.0)
    finite = np.minimum(radius, 1e300)
    if np.isinf(df) or df > 1e9:
        beyond = special.gammaincc(rank / 2, finite / 2)
    else:
        beyond = special.betainc(df / 2, rank / 2, df / (df + finite))
    density: Array = np.sin(angle) ** (rank - 2) * beyond / special.beta(0.5, (rank - 1) / 2)
    return density


def _cells(correlation: Array, sides: int) -> Cells:
    values, vectors = np.linalg.eigh(correlation)
    kept = values > SINGULAR * values.max()
    axes = vectors[:, kept] * np.sqrt(values[kept])
    axes /= np.linalg.norm(axes, axis=1, keepdims=True)
    k, rank = axes.shape
    directions = _directions(rank, k)
    ends, starts = [], []
    for i, axis in enumerate(axes):
        others = np.delete(np.arange(k), i)
        basis = np.linalg.svd(axis[None, :])[2][1:]
        slope = directions @ (axes[others] @ basis.T).T
        cosine = axes[others] @ axis
        with np.errstate(divide="ignore", invalid="ignore"):
            reach = np.where(slope > 0, (1 - cosine) / slope, np.inf)
            if sides == 2:
                reach = np.minimum(reach, np.where(slope < 0, (1 + cosine) / -slope, np.inf))
            else:
                start = np.where(slope > 0, (1 - cosine) / slope, np.inf)
                starts.append(np.arctan(start.max(axis=-1)))
        ends.append(np.arctan(reach.min(axis=-1)))
    end, weight = _binned(np.concatenate(ends, axis=1), directions.shape[1])
    none = np.zeros((len(end), 0))
    start, start_weight = (
        _binned(np.concatenate(starts, axis=1), directions.shape[1]) if starts else (none, none)
    )
    return Cells(k, rank, sides, end, weight, start, start_weight)


def _directions(rank: int, k: int) -> Array:
    """Unit vectors spread evenly in rank - 1 dimensions, shape (shifts, points, rank - 1)."""
    if rank == 2:
        return np.array([[[-1.0], [1.0]]])
    if rank == 3:
        turn = 2 * np.pi * (np.arange(CIRCLE) + 0.5) / CIRCLE
        return np.stack([np.cos(turn), np.sin(turn)], axis=-1)[None]
    per_shift = 2 ** int(np.clip(np.log2(WORK / SHIFTS / 2 / k**2), 10, 13))
    points = scipy.stats.qmc.Sobol(rank - 1, scramble=False).random(per_shift) + 0.5 / per_shift
    primes = np.sqrt(_primes(rank - 1))
    shifts = (np.arange(SHIFTS)[:, None] * primes) % 1  # Richtmyer's points, so that no generator is needed
    normal = special.ndtri(np.clip((points + shifts[:, None, :]) % 1, 1e-12, 1 - 1e-12))
    half = normal / np.linalg.norm(normal, axis=-1, keepdims=True)
    # Where a cell reaches far one way it ends soon the other, so that opposite directions make up for each other.
    unit: Array = np.concatenate([half, -half], axis=1)
    return unit


def _primes(count: int) -> Array:
    found: list[int] = []
    candidate = 2
    while len(found) < count:
        if all(candidate % prime for prime in found):
            found.append(candidate)
        candidate += 1
    return np.array(found, dtype=float)


def _binned(angles: Array, points: int) -> tuple[Array, Array]:
    """Angles of each shift, as the means of narrow bins with their weights, so that a tail costs little."""
    if angles.shape[1] <= BINS:
        return angles, np.full(angles.shape, 1 / points)
    place = np.minimum((angles / (np.pi / 2) * BINS).astype(np.intp), BINS - 1)
    means, weights = np.zeros((len(angles), BINS)), np.zeros((len(angles), BINS))
    for shift, row in enumerate(place):
        count = np.bincount(row, minlength=BINS)
        total = np.bincount(row, angles[shift], minlength=BINS)
        means[shift] = total / np.maximum(count, 1)
        weights[shift] = count / points
    return means, weights


# ---- which way ----------------------------------------------------------------------------------------------------


def largest_t(correlation: Array, sides: int = 2) -> LargestT:
    """Distribution of the largest of t statistics with a correlation matrix and one common variance.

    Parameters
    ----------
    correlation
        Shape (k, k), symmetric, unit diagonal; it may be singular.
    sides
        2 for the largest absolute value, 1 for the largest value.

    Returns
    -------
    LargestT
        `OneFactor` where the correlations are products of loadings, else `Cells`.
    """
    distinct = _distinct(np.asarray(correlation, dtype=float), sides)
    loadings = one_factor(distinct)
    if loadings is not None:
        return OneFactor(loadings, sides)
    return _cells(distinct, sides)


def _distinct(correlation: Array, sides: int) -> Array:
    """The matrix without statistics that repeat another (two-sided: up to its sign)."""
    alike = np.abs(correlation) if sides == 2 else correlation
    kept: list[int] = []
    for at in range(len(correlation)):
        if all(alike[at, before] < 1 - SAME for before in kept):
            kept.append(at)
    return correlation[np.ix_(kept, kept)]


def one_factor(correlation: Array) -> Array | None:
    """Loadings ``a`` with ``R_ij = a_i a_j`` off the diagonal, shape (k,), or None where there are none.

    Loadings so near to one that the integrand has a step count as none.
    """
    k = len(correlation)
    off = correlation - np.diag(np.diag(correlation))
    if np.abs(off).max(initial=0.0) < 1e-12:
        return np.zeros(k)
    first, second = (int(at) for at in np.unravel_index(np.abs(off).argmax(), off.shape))
    loadings = np.zeros(k)
    others = [at for at in range(k) if at not in (first, second)]
    strongest = max(others, key=lambda at: min(abs(off[at, first]), abs(off[at, second])), default=None)
    if strongest is None or min(abs(off[strongest, first]), abs(off[strongest, second])) < 1e-12:
        size = np.sqrt(abs(off[first, second]))
    else:
        squared = off[first, second] * off[first, strongest] / off[second, strongest]
        if squared <= 0:
            return None
        size = np.sqrt(squared)
    loadings[first] = size
    loadings[second] = off[first, second] / size
    loadings[others] = off[first, others] / size
    if np.abs(loadings).max() > np.sqrt(1 - SHARP**2):
        return None
    rebuilt = np.outer(loadings, loadings)
    np.fill_diagonal(rebuilt, 0.0)
    return loadings if np.abs(rebuilt - off).max() < 1e-9 else None
