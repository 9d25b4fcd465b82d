"""Links of cumulative models, with what exact derivatives of the likelihood need of them, and the rows of a design.

For an observation with grade k, ``P(Y = k) = F(u'psi) - F(l'psi)`` with one row ``u`` for the threshold above
the grade and one row ``l`` for the threshold below it. Proportional and non-proportional (partial) models
differ only in these rows, so both have the same likelihood (`analyses.links.response_likelihood.Cumulative`).

McCullagh P (1980), Regression models for ordinal data, J R Stat Soc B 42:109; Peterson B & Harrell FE (1990),
Partial proportional odds models, Appl Stat 39:205.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

__all__ = ["LINKS", "CumulativeRows", "Link", "rows_of_model"]

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Link:
    """A distribution F and what the likelihood needs of it, each without cancellation.

    Attributes
    ----------
    name : str
        As `fit_ordinal_model` calls it.
    log_interval : callable
        ``log(F(u) - F(l))`` for finite u > l.
    log_cdf, log_sf : callable
        ``log F(u)`` and ``log(1 - F(l))``.
    log_density : callable
        ``log f(x)``.
    score : callable
        ``f'(x) / f(x)``.
    ratios : callable
        First, second and third derivative of f over f.
    quantile : callable
        ``F^-1(p)``.
    """

    name: str
    log_interval: Callable[[Array, Array], Array]
    log_cdf: Callable[[Array], Array]
    log_sf: Callable[[Array], Array]
    log_density: Callable[[Array], Array]
    score: Callable[[Array], Array]
    ratios: Callable[[Array], tuple[Array, Array, Array]]
    quantile: Callable[[Array], Array]

    def __reduce__(self) -> tuple[Callable[[str], Link], tuple[str]]:
        # Its functions have no names to be found by in another process; the link has.
        return _named, (self.name,)

    def cdf(self, x: Array) -> Array:
        """Return ``F(x)``."""
        value: Array = np.exp(self.log_cdf(x))
        return value

    def density(self, x: Array) -> Array:
        """Return ``f(x)``, the derivative of the distribution."""
        value: Array = np.exp(self.log_density(x))
        return value


def _named(name: str) -> Link:
    return LINKS[name]


def _logit_interval(u: Array, low: Array) -> Array:
    # F(u) - F(l) = F(u) (1 - F(l)) (1 - exp(l - u))
    value: Array = special.log_expit(u) + special.log_expit(-low) + np.log(-np.expm1(low - u))
    return value


def _probit_interval(u: Array, low: Array) -> Array:
    flip = low > 0  # work in the lower tail, where log_ndtr keeps its digits
    upper, lower = np.where(flip, -low, u), np.where(flip, -u, low)
    top = special.log_ndtr(upper)
    value: Array = top + np.log(-np.expm1(special.log_ndtr(lower) - top))
    return value


def _cloglog_interval(u: Array, low: Array) -> Array:
    value: Array = -np.exp(low) + np.log(-np.expm1(np.exp(low) - np.exp(u)))
    return value


def _cloglog_log_cdf(x: Array) -> Array:
    value: Array = np.log(-np.expm1(-np.exp(x)))
    return value


def _logistic_log_density(x: Array) -> Array:
    size = np.abs(x)
    value: Array = -size - 2 * np.log1p(np.exp(-size))
    return value


def _logistic_ratios(x: Array) -> tuple[Array, Array, Array]:
    s = -np.tanh(x / 2)
    f = (1 - s**2) / 4
    return s, s**2 - 2 * f, s * (s**2 - 8 * f)


def _normal_ratios(x: Array) -> tuple[Array, Array, Array]:
    return -x, x**2 - 1, x * (3 - x**2)


def _cloglog_ratios(x: Array) -> tuple[Array, Array, Array]:
    e = np.exp(x)
    return 1 - e, 1 - 3 * e + e**2, 1 - 7 * e + 6 * e**2 - e**3


def _loglog_ratios(x: Array) -> tuple[Array, Array, Array]:
    first, second, third = _cloglog_ratios(-x)
    return -first, second, -third


def _cauchy_ratios(x: Array) -> tuple[Array, Array, Array]:
    size = 1 + x**2
    return -2 * x / size, (6 * x**2 - 2) / size**2, 24 * x * (1 - x**2) / size**3


def _cauchy_interval(u: Array, low: Array) -> Array:
    # atan u - atan l is the angle of (1 + u l, u - l), which keeps its digits in both tails; an infinite end
    # leaves the angle of one tail.
    top, bottom = np.isposinf(u), np.isneginf(low)
    a, b = np.where(top, 0.0, u), np.where(bottom, 0.0, low)
    angle = np.arctan2(np.where(top | bottom, 1.0, a - b), np.where(top, b, np.where(bottom, -a, 1 + a * b)))
    value: Array = np.where(top & bottom, 0.0, np.log(angle / np.pi))
    return value


def _cauchy_log_cdf(x: Array) -> Array:
    value: Array = np.log(np.arctan2(1.0, -x) / np.pi)
    return value


LINKS: dict[str, Link] = {
    "logit": Link(
        "logit",
        _logit_interval,
        special.log_expit,
        lambda x: special.log_expit(-x),
        _logistic_log_density,
        lambda x: -np.tanh(x / 2),
        _logistic_ratios,
        special.logit,
    ),
    "probit": Link(
        "probit",
        _probit_interval,
        special.log_ndtr,
        lambda x: special.log_ndtr(-x),
        lambda x: -(x**2) / 2 - np.log(2 * np.pi) / 2,
        lambda x: -x,
        _normal_ratios,
        special.ndtri,
    ),
    # F(x) = 1 - exp(-exp(x))
    "cloglog": Link(
        "cloglog",
        _cloglog_interval,
        _cloglog_log_cdf,
        lambda x: -np.exp(x),
        lambda x: x - np.exp(x),
        lambda x: 1 - np.exp(x),
        _cloglog_ratios,
        lambda p: np.log(-np.log1p(-p)),
    ),
    # F(x) = exp(-exp(-x)), the mirror image of cloglog
    "loglog": Link(
        "loglog",
        lambda u, low: _cloglog_interval(-low, -u),
        lambda x: -np.exp(-x),
        lambda x: _cloglog_log_cdf(-x),
        lambda x: -x - np.exp(-x),
        lambda x: np.exp(-x) - 1,
        _loglog_ratios,
        lambda p: -np.log(-np.log(p)),
    ),
    # F(x) = 1/2 + atan(x) / pi: heavy tails
    "cauchit": Link(
        "cauchit",
        _cauchy_interval,
        _cauchy_log_cdf,
        lambda x: _cauchy_log_cdf(-x),
        lambda x: -np.log1p(x**2) - np.log(np.pi),
        lambda x: -2 * x / (1 + x**2),
        _cauchy_ratios,
        lambda p: np.tan(np.pi * (p - 0.5)),
    ),
}
"""Links by name; all but cauchit have log-concave densities, so the log-likelihood is (Pratt 1981, JASA 76:103)."""


@dataclass(frozen=True, slots=True, eq=False)
class CumulativeRows:
    """Rows of both thresholds of every observation.

    Attributes
    ----------
    upper, lower : array, shape (n, q)
        Rows u and l; a row of zeros where there is no such threshold.
    has_upper, has_lower : array of bool, shape (n,)
        False for the highest and for the lowest grade.
    """

    upper: Array
    lower: Array
    has_upper: NDArray[np.bool_]
    has_lower: NDArray[np.bool_]


def rows_of_model(grades: NDArray[np.intp], n_grades: int, x: Array, nominal: Array) -> CumulativeRows:
    """Build the rows of a (partial) proportional model.

    Parameters
    ----------
    grades : array of int, shape (n,)
        Grade of each observation, 0 to n_grades - 1.
    n_grades : int
    x : array, shape (n, p)
        Columns with one effect over all thresholds, without an intercept.
    nominal : array, shape (n, r)
        Columns with an effect of their own at each threshold; the intercept among them.

    Returns
    -------
    CumulativeRows
        Parameters: n_grades - 1 thresholds of each nominal column, column by column, then the p effects.
        ``P(Y <= k) = F(nominal'theta_k - x'beta)``, so a positive effect means a higher grade.
    """
    n, thresholds = len(grades), n_grades - 1
    q = nominal.shape[1] * thresholds + x.shape[1]
    upper, lower = np.zeros((n, q)), np.zeros((n, q))
    has_upper, has_lower = grades < thresholds, grades > 0
    for column in range(nominal.shape[1]):
        start = column * thresholds
        upper[has_upper, start + grades[has_upper]] = nominal[has_upper, column]
        lower[has_lower, start + grades[has_lower] - 1] = nominal[has_lower, column]
    effects = slice(nominal.shape[1] * thresholds, q)
    upper[has_upper, effects] = -x[has_upper]
    lower[has_lower, effects] = -x[has_lower]
    return CumulativeRows(upper, lower, has_upper, has_lower)
