"""Covariance structures as small frozen objects.

Each structure maps its parameters to the distinct elements of a covariance matrix, ``phi = vech(Sigma)`` (upper
triangle, row by row), with first and second derivatives. Two sets of parameters are offered:

- *search* parameters, free of bounds where that is possible (the Cholesky factor of an unstructured matrix; log
  variances and correlations otherwise), in which the likelihood is maximised;
- *natural* parameters (variances, covariances, correlations: those of SAS PROC MIXED), in which the information is
  taken for Satterthwaite's and Kenward and Roger's methods. For ``us``, ``cs``, ``toep`` and random effects ``phi`` is
  linear in them, so that the second-derivative term of Kenward and Roger (1997) vanishes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Elements:
    """Distinct elements of a covariance matrix as a function of h parameters.

    Attributes
    ----------
    value
        Upper triangle row by row, shape (e,).
    first
        First derivatives, shape (e, h).
    second
        Second derivatives, shape (e, h, h).
    """

    value: Array
    first: Array
    second: Array


class Structure(Protocol):
    """What the engine needs of a covariance structure over ``size`` levels."""

    @property
    def size(self) -> int:
        """Number of levels of the coordinate."""

    @property
    def n_parameters(self) -> int:
        """Number of parameters, the same for search and natural ones."""

    @property
    def parameter_names(self) -> tuple[str, ...]:
        """Names of the natural parameters."""

    def start(self, moments: Array) -> Array:
        """Search parameters near a matrix of moments, shape (size, size)."""

    def search(self, theta: Array) -> Elements:
        """Elements as a function of the search parameters."""

    def natural_values(self, theta: Array) -> Array:
        """Natural parameters that belong to search parameters."""

    def natural(self, eta: Array) -> Elements:
        """Elements as a function of the natural parameters."""


@lru_cache(maxsize=64)
def upper_triangle(size: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows and columns of the upper triangle, row by row."""
    rows, columns = np.triu_indices(size)
    return rows, columns


@lru_cache(maxsize=64)
def square_index(size: int) -> NDArray[np.intp]:
    """Place of every element of a symmetric matrix in its packed upper triangle, shape (size, size)."""
    rows, columns = upper_triangle(size)
    index = np.empty((size, size), dtype=np.intp)
    index[rows, columns] = index[columns, rows] = np.arange(len(rows))
    index.setflags(write=False)
    return index


@lru_cache(maxsize=64)
def upper_multiplicity(size: int) -> Array:
    """How often an element of the packed upper triangle stands in the matrix: 1 on the diagonal, else 2."""
    rows, columns = upper_triangle(size)
    multiplicity: Array = np.where(rows == columns, 1.0, 2.0)
    multiplicity.setflags(write=False)
    return multiplicity


@lru_cache(maxsize=64)
def lower_triangle(size: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows and columns of the lower triangle, row by row."""
    rows, columns = np.tril_indices(size)
    return rows, columns


def to_matrix(elements: Array, size: int) -> Array:
    """Symmetric matrix of its upper triangle."""
    rows, columns = upper_triangle(size)
    matrix = np.empty((size, size))
    matrix[rows, columns] = elements
    matrix[columns, rows] = elements
    return matrix


def nearest_positive_definite(matrix: Array, floor: float = 1e-2) -> Array:
    """Raise the eigenvalues of a matrix to a share ``floor`` of the largest one: for a start, not an estimate."""
    values, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
    largest = max(float(values[-1]), 1e-8)
    raised: Array = (vectors * np.maximum(values, floor * largest)) @ vectors.T
    return raised


@lru_cache(maxsize=32)
def _cholesky_second(size: int) -> Array:
    """Constant second derivatives of ``vech(L L')`` by the elements of L (its lower triangle, row by row)."""
    rows, columns = lower_triangle(size)
    upper_rows, upper_columns = upper_triangle(size)
    second = np.zeros((len(upper_rows), len(rows), len(rows)))
    for h, (a, b) in enumerate(zip(rows, columns, strict=True)):
        for g, (c, d) in enumerate(zip(rows, columns, strict=True)):
            if b != d:
                continue
            # d2(LL')/dL_ab dL_cb = e_a e_c' + e_c e_a'
            match = (upper_rows == min(a, c)) & (upper_columns == max(a, c))
            second[match, h, g] = 2.0 if a == c else 1.0
    second.setflags(write=False)
    return second


@dataclass(frozen=True, slots=True)
class Unstructured:
    """Every variance and covariance free: ``Sigma = L L'``.

    The search parameters are the elements of the lower triangular L, row by row. Their signs are free, so that a
    singular matrix is reached smoothly: at an element of zero the derivative vanishes and the boundary is an answer.
    The natural parameters are the variances and covariances themselves.

    Attributes
    ----------
    labels
        Levels.
    units
        Factors of the rows of L, so that levels in units of their own (a slope per week, per day) are searched on one
        scale: ``Sigma = D L L' D`` with D diagonal. Empty for ones.
    """

    labels: tuple[str, ...]
    units: tuple[float, ...] = ()

    @property
    def size(self) -> int:
        """Number of levels."""
        return len(self.labels)

    @property
    def n_parameters(self) -> int:
        """M (m + 1) / 2."""
        return self.size * (self.size + 1) // 2

    @property
    def parameter_names(self) -> tuple[str, ...]:
        """Variances and covariances, upper triangle row by row."""
        pairs = zip(*upper_triangle(self.size), strict=True)
        return tuple(
            f"variance({self.labels[a]})" if a == b else f"covariance({self.labels[a]}, {self.labels[b]})"
            for a, b in pairs
        )

    def start(self, moments: Array) -> Array:
        """Cholesky factor of the moments, made positive definite."""
        lower = np.linalg.cholesky(nearest_positive_definite(moments))
        return np.asarray(lower[lower_triangle(self.size)], dtype=float)

    def _lower(self, theta: Array) -> Array:
        lower = np.zeros((self.size, self.size))
        lower[lower_triangle(self.size)] = theta
        return lower * np.asarray(self.units)[:, None] if self.units else lower

    def search(self, theta: Array) -> Elements:
        """``vech(L L')`` and its derivatives by the elements of L, in which it is a quadratic form."""
        second = _cholesky_second(self.size)
        if self.units:
            rows, columns = upper_triangle(self.size)
            units = np.asarray(self.units)
            second = second * (units[rows] * units[columns])[:, None, None]
        first = second @ theta
        return Elements(first @ theta / 2, first, second)

    def natural_values(self, theta: Array) -> Array:
        """Variances and covariances."""
        lower = self._lower(theta)
        values: Array = (lower @ lower.T)[upper_triangle(self.size)]
        return values

    def natural(self, eta: Array) -> Elements:
        """Return the identity: the parameters are the elements."""
        count = self.n_parameters
        return Elements(eta.copy(), np.eye(count), np.zeros((count, count, count)))


@dataclass(frozen=True, slots=True)
class Diagonal:
    """Variances free, covariances zero: uncorrelated random effects, ``(x || patient)``.

    The search parameters are the standard deviations (of either sign) over ``units``, factors as of `Unstructured`;
    the natural ones the variances.
    """

    labels: tuple[str, ...]
    units: tuple[float, ...] = ()

    @property
    def size(self) -> int:
        """Number of levels."""
        return len(self.labels)

    @property
    def n_parameters(self) -> int:
        """One a level."""
        return self.size

    @property
    def parameter_names(self) -> tuple[str, ...]:
        """Variances."""
        return tuple(f"variance({label})" for label in self.labels)

    def _positions(self) -> NDArray[np.intp]:
        rows, columns = upper_triangle(self.size)
        return np.flatnonzero(rows == columns)

    def start(self, moments: Array) -> Array:
        """Square roots of the moments' diagonal."""
        start: Array = np.sqrt(np.maximum(np.diag(moments), 1e-4))
        return start

    def search(self, theta: Array) -> Elements:
        """Squares of the standard deviations."""
        count, positions = len(upper_triangle(self.size)[0]), self._positions()
        value, first = np.zeros(count), np.zeros((count, self.size))
        second = np.zeros((count, self.size, self.size))
        level = np.arange(self.size)
        squared = np.asarray(self.units) ** 2 if self.units else np.ones(self.size)
        value[positions] = squared * theta**2
        first[positions, level] = 2 * squared * theta
        second[positions, level, level] = 2.0 * squared
        return Elements(value, first, second)

    def natural_values(self, theta: Array) -> Array:
        """Variances."""
        variances: Array = theta**2
        return variances * np.asarray(self.units) ** 2 if self.units else variances

    def natural(self, eta: Array) -> Elements:
        """Variances on the diagonal."""
        count, positions = len(upper_triangle(self.size)[0]), self._positions()
        value, first = np.zeros(count), np.zeros((count, self.size))
        value[positions] = eta
        first[positions, np.arange(self.size)] = 1.0
        return Elements(value, first, np.zeros((count, self.size, self.size)))


@dataclass(frozen=True, slots=True)
class Correlated:
    """A correlation family with one variance, or with a variance for each level (the names that end in h).

    ========  =============================================  =====================
    name      correlation of levels i < j                    parameters
    ========  =============================================  =====================
    cs        rho, in (-1/(m-1), 1)                          1
    ar1       rho^(j - i)                                    1
    toep      rho_(j - i)                                    m - 1
    ad        rho_i rho_(i+1) ... rho_(j-1)                  m - 1
    sp_exp    exp(-|t_i - t_j| / range)                      1 (log range searched)
    ========  =============================================  =====================

    Search parameters are log variances, then correlations (the log of the range). A matrix that is not positive
    definite is refused by the likelihood, which sees an infinite deviance there. The natural parameters are those of
    PROC MIXED: variance and covariances for ``cs`` and ``toep``, else variances and correlations (range).
    """

    family: str
    heterogeneous: bool
    labels: tuple[str, ...]
    times: tuple[float, ...] = ()

    @property
    def size(self) -> int:
        """Number of levels."""
        return len(self.labels)

    @property
    def n_variances(self) -> int:
        """One, or one a level."""
        return self.size if self.heterogeneous else 1

    @property
    def n_correlations(self) -> int:
        """Number of correlation parameters; none where there is one level only."""
        if self.size == 1:
            return 0
        return self.size - 1 if self.family in ("toep", "ad") else 1

    @property
    def n_parameters(self) -> int:
        """Variances and correlations together."""
        return self.n_variances + self.n_correlations

    @property
    def _linear(self) -> bool:
        return not self.heterogeneous and self.family in ("cs", "toep")

    @property
    def parameter_names(self) -> tuple[str, ...]:
        """Names of the natural parameters."""
        variances = (
            tuple(f"variance({label})" for label in self.labels) if self.heterogeneous else ("variance",)
        )
        kind = "covariance" if self._linear else "range" if self.family == "sp_exp" else "correlation"
        if self.n_correlations <= 1:
            return variances + (kind,) * self.n_correlations
        if self.family == "toep":
            return variances + tuple(f"{kind}(lag {lag})" for lag in range(1, self.size))
        neighbours = zip(self.labels, self.labels[1:], strict=False)
        return variances + tuple(f"{kind}({a}, {b})" for a, b in neighbours)

    def start(self, moments: Array) -> Array:
        """Variances and mean correlations of the moments, pulled inside the parameter space."""
        good = nearest_positive_definite(moments, 1e-3)
        spread = np.sqrt(np.diag(good))
        correlation = good / np.outer(spread, spread)
        variances = np.diag(good) if self.heterogeneous else np.atleast_1d(np.mean(np.diag(good)))
        lags = [float(np.mean(np.diag(correlation, lag))) for lag in range(1, self.size)]
        if self.size == 1:
            rho: list[float] = []
        elif self.family == "toep":
            rho = [0.9 * lag for lag in lags]
        elif self.family == "ad":
            rho = [float(np.clip(r, -0.9, 0.9)) for r in np.diag(correlation, 1)]
        elif self.family == "cs":
            mean = float(np.mean(correlation[~np.eye(self.size, dtype=bool)]))
            rho = [float(np.clip(mean, -0.5 / (self.size - 1), 0.95))]
        elif self.family == "ar1":
            rho = [float(np.clip(lags[0], -0.9, 0.9))]
        else:
            rho = [float(np.log(_decay_range(moments, np.asarray(self.times))))]
        return np.concatenate([np.log(variances), np.asarray(rho, dtype=float)])

    def _correlations(self, rho: Array) -> Elements:
        """Correlations of the upper triangle and their derivatives by the search parameters."""
        rows, columns = upper_triangle(self.size)
        count, lag = self.n_correlations, columns - rows
        value = np.ones(len(rows))
        first, second = np.zeros((len(rows), count)), np.zeros((len(rows), count, count))
        off = np.flatnonzero(lag)
        if not count:
            return Elements(value, first, second)
        if self.family == "cs":
            value[off], first[off, 0] = rho[0], 1.0
        elif self.family == "ar1":
            value[off] = rho[0] ** lag[off]
            first[off, 0] = lag[off] * rho[0] ** (lag[off] - 1)
            later = off[lag[off] > 1]
            second[later, 0, 0] = lag[later] * (lag[later] - 1) * rho[0] ** (lag[later] - 2)
        elif self.family == "toep":
            value[off] = rho[lag[off] - 1]
            first[off, lag[off] - 1] = 1.0
        elif self.family == "ad":
            for at in off:
                value[at], first[at], second[at] = _product(rho, int(rows[at]), int(columns[at]))
        else:
            times = np.asarray(self.times)
            distance = np.abs(times[columns] - times[rows])[off]
            ratio = distance / np.exp(rho[0])
            value[off] = np.exp(-ratio)
            first[off, 0] = value[off] * ratio
            second[off, 0, 0] = value[off] * (ratio**2 - ratio)
        return Elements(value, first, second)

    def search(self, theta: Array) -> Elements:
        """Elements ``exp(u'tau) R(rho)``, where u counts the halves of each log variance."""
        rows, columns = upper_triangle(self.size)
        split = self.n_variances
        correlation = self._correlations(theta[split:])
        if self.heterogeneous:
            level = np.arange(self.size)
            u = 0.5 * ((rows[:, None] == level).astype(float) + (columns[:, None] == level).astype(float))
        else:
            u = np.ones((len(rows), 1))
        scale = np.exp(u @ theta[:split])
        value = scale * correlation.value
        first = np.concatenate([u * value[:, None], scale[:, None] * correlation.first], axis=1)
        second = np.zeros((len(rows), self.n_parameters, self.n_parameters))
        second[:, :split, :split] = u[:, :, None] * u[:, None, :] * value[:, None, None]
        cross = u[:, :, None] * (scale[:, None] * correlation.first)[:, None, :]
        second[:, :split, split:] = cross
        second[:, split:, :split] = cross.transpose(0, 2, 1)
        second[:, split:, split:] = scale[:, None, None] * correlation.second
        return Elements(value, first, second)

    def natural_values(self, theta: Array) -> Array:
        """Variances, then covariances, correlations or the range."""
        split = self.n_variances
        variances, rest = np.exp(theta[:split]), theta[split:]
        if self._linear:
            rest = rest * variances[0]
        elif self.family == "sp_exp":
            rest = np.exp(rest)
        return np.concatenate([variances, rest])

    def natural(self, eta: Array) -> Elements:
        """Elements as a function of the natural parameters."""
        rows, columns = upper_triangle(self.size)
        if self._linear:
            lag = columns - rows
            position = lag if self.family == "toep" else np.minimum(lag, 1)
            first = np.zeros((len(rows), self.n_parameters))
            first[np.arange(len(rows)), position] = 1.0
            return Elements(first @ eta, first, np.zeros((len(rows), self.n_parameters, self.n_parameters)))
        logged = np.arange(self.n_parameters) < self.n_variances
        if self.family == "sp_exp":
            logged[:] = True
        theta = np.where(logged, np.log(np.where(logged, eta, 1.0)), eta)
        return _from_logs(self.search(theta), eta, logged)


def _decay_range(moments: Array, times: Array) -> float:
    """Range with which exp(-distance / range) is nearest to the correlations of the pairs that were observed.

    Pairs of times that no subject has both of have a moment of zero, and say nothing.
    """
    spread = np.sqrt(np.diag(moments))
    rows, columns = np.nonzero(np.triu(moments, 1))
    distance = np.abs(times[columns] - times[rows])
    # Where nearest times are hardly correlated any more the likelihood is flat, and no search leaves it.
    shortest = float(np.diff(np.unique(times)).min()) / 3
    candidates = np.maximum(np.ptp(times) * np.exp2(np.arange(-8.0, 4.0)), shortest)
    if not len(distance):
        return float(np.median(candidates))
    correlation = np.clip(moments[rows, columns] / (spread[rows] * spread[columns]), -1.0, 1.0)
    misfit = ((np.exp(-distance / candidates[:, None]) - correlation) ** 2).sum(axis=1)
    return float(candidates[np.argmin(misfit)])


def _product(rho: Array, start: int, stop: int) -> tuple[float, Array, Array]:
    """Product of ``rho[start:stop]`` with its first and second derivatives, right where a factor is zero."""
    count = len(rho)
    first, second = np.zeros(count), np.zeros((count, count))
    factors = range(start, stop)
    value = float(np.prod(rho[start:stop]))
    for a in factors:
        first[a] = np.prod([rho[c] for c in factors if c != a])
        for b in factors:
            if a != b:
                second[a, b] = np.prod([rho[c] for c in factors if c not in (a, b)])
    return value, first, second


def _from_logs(elements: Elements, eta: Array, logged: NDArray[np.bool_]) -> Elements:
    """Chain rule from derivatives by log(eta) to derivatives by eta, for the parameters marked."""
    scale = np.where(logged, 1.0 / np.where(logged, eta, 1.0), 1.0)
    first = elements.first * scale
    second = elements.second * scale[:, None] * scale[None, :]
    at = np.flatnonzero(logged)
    second[:, at, at] -= elements.first[:, at] * scale[at] ** 2
    return Elements(elements.value, first, second)
