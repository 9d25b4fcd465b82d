"""The likelihood of cumulative link models as an ordinary function of its parameters, and its Newton optimum.

For an observation with grade k, ``P(Y = k) = F(u'psi) - F(l'psi)`` with one row ``u`` for the threshold above
the grade and one row ``l`` for the threshold below it. Proportional and non-proportional (partial) models
differ only in these rows, so both have the same likelihood, gradient and information here.

McCullagh P (1980), Regression models for ordinal data, J R Stat Soc B 42:109; Peterson B & Harrell FE (1990),
Partial proportional odds models, Appl Stat 39:205.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from analyses.optimise import Convergence
from outcomes.errors import ModelError

__all__ = ["LINKS", "CumulativeRows", "Link", "Optimum", "loglik", "maximise", "rows_of_model"]

Array = NDArray[np.float64]
GRADIENT = 1e-10
"""Largest absolute gradient of the log-likelihood at which the optimum counts as reached."""
ROUNDING = 1e-20
"""Expected gain in log-likelihood that is rounding: parameters are then within 1e-10 standard errors."""


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
    """

    name: str
    log_interval: Callable[[Array, Array], Array]
    log_cdf: Callable[[Array], Array]
    log_sf: Callable[[Array], Array]
    log_density: Callable[[Array], Array]
    score: Callable[[Array], Array]


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
    value: Array = special.log_expit(x) + special.log_expit(-x)
    return value


LINKS: dict[str, Link] = {
    "logit": Link(
        "logit",
        _logit_interval,
        special.log_expit,
        lambda x: special.log_expit(-x),
        _logistic_log_density,
        lambda x: -np.tanh(x / 2),
    ),
    "probit": Link(
        "probit",
        _probit_interval,
        special.log_ndtr,
        lambda x: special.log_ndtr(-x),
        lambda x: -(x**2) / 2 - np.log(2 * np.pi) / 2,
        lambda x: -x,
    ),
    # F(x) = 1 - exp(-exp(x))
    "cloglog": Link(
        "cloglog",
        _cloglog_interval,
        _cloglog_log_cdf,
        lambda x: -np.exp(x),
        lambda x: x - np.exp(x),
        lambda x: 1 - np.exp(x),
    ),
    # F(x) = exp(-exp(-x)), the mirror image of cloglog
    "loglog": Link(
        "loglog",
        lambda u, low: _cloglog_interval(-low, -u),
        lambda x: -np.exp(-x),
        lambda x: _cloglog_log_cdf(-x),
        lambda x: -x - np.exp(-x),
        lambda x: np.exp(-x) - 1,
    ),
}
"""Links by name; all have log-concave densities, so the log-likelihood is concave."""


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


@dataclass(frozen=True, slots=True, eq=False)
class Value:
    """Log-likelihood with its derivatives; `information` is minus the Hessian (the observed information)."""

    loglik: float
    gradient: Array
    information: Array


@dataclass(frozen=True, slots=True, eq=False)
class Optimum:
    """Where the optimisation stopped.

    Attributes
    ----------
    psi : array, shape (q,)
    value : Value
    convergence : Convergence
        How the search ended, with a sentence.
    """

    psi: Array
    value: Value
    convergence: Convergence


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


def loglik(psi: Array, rows: CumulativeRows, link: Link) -> float:
    """Return the log-likelihood, or minus infinity where an observed grade has no positive probability."""
    log_p = _log_probabilities(psi, rows, link)
    return -np.inf if log_p is None else float(log_p.sum())


def _log_probabilities(psi: Array, rows: CumulativeRows, link: Link) -> Array | None:
    u, low = rows.upper @ psi, rows.lower @ psi
    both = rows.has_upper & rows.has_lower
    if np.any(u[both] <= low[both]):
        return None
    log_p = np.zeros(len(u))
    log_p[both] = link.log_interval(u[both], low[both])
    first, last = rows.has_upper & ~rows.has_lower, rows.has_lower & ~rows.has_upper
    log_p[first] = link.log_cdf(u[first])
    log_p[last] = link.log_sf(low[last])
    return log_p if np.all(np.isfinite(log_p)) else None


def derivatives(psi: Array, rows: CumulativeRows, link: Link) -> Value | None:
    """Return log-likelihood, gradient and observed information, or None outside the parameter space."""
    log_p = _log_probabilities(psi, rows, link)
    if log_p is None:
        return None
    a, da = _density_over_probability(rows.upper @ psi, rows.has_upper, log_p, link)
    b, db = _density_over_probability(rows.lower @ psi, rows.has_lower, log_p, link)
    slope = rows.upper * a[:, None] - rows.lower * b[:, None]
    curvature = rows.upper.T @ (rows.upper * da[:, None]) - rows.lower.T @ (rows.lower * db[:, None])
    return Value(float(log_p.sum()), slope.sum(axis=0), slope.T @ slope - curvature)


def _density_over_probability(
    x: Array, present: NDArray[np.bool_], log_p: Array, link: Link
) -> tuple[Array, Array]:
    """Return f(x)/P and f'(x)/P, zero where there is no threshold."""
    ratio, change = np.zeros(len(x)), np.zeros(len(x))
    ratio[present] = np.exp(link.log_density(x[present]) - log_p[present])
    change[present] = ratio[present] * link.score(x[present])
    return ratio, change


def maximise(start: Array, rows: CumulativeRows, link: Link, max_iterations: int = 200) -> Optimum:
    """Climb to the maximum by Newton steps, halved until the likelihood does not fall.

    Parameters
    ----------
    start : array, shape (q,)
        A point where every observed grade has a positive probability.
    rows : CumulativeRows
    link : Link
    max_iterations : int

    Returns
    -------
    Optimum
        Converged where the largest gradient is `GRADIENT` or less, or the expected gain is rounding.

    Raises
    ------
    ModelError
        Where the start gives an observed grade no positive probability.
    """
    psi = np.asarray(start, dtype=float)
    value = derivatives(psi, rows, link)
    if value is None:
        raise ModelError(
            "the search for the ordinal model's optimum starts outside its parameter space",
            expected="thresholds in rising order",
            got=np.round(psi, 4).tolist(),
        )
    for iteration in range(max_iterations):
        step: Array = np.linalg.lstsq(value.information, value.gradient, rcond=None)[0].astype(float)
        at_rounding = 0 <= step @ value.gradient <= ROUNDING
        if at_rounding or np.max(np.abs(value.gradient)) <= GRADIENT:
            return Optimum(psi, value, _ended(value, iteration, converged=True))
        moved = _step(psi, step, value, rows, link)
        if moved is None:
            return Optimum(psi, value, _ended(value, iteration, converged=False))
        psi, value = moved
    return Optimum(psi, value, _ended(value, max_iterations, converged=False))


def _ended(value: Value, iterations: int, converged: bool) -> Convergence:
    largest = float(np.max(np.abs(value.gradient)))
    outcome = "Converged" if converged else "Not converged"
    sentence = f"{outcome} after {iterations} Newton steps; largest gradient {largest:.1e}."
    return Convergence(converged, sentence, "Newton", iterations, -2 * value.loglik, largest)


def _step(
    psi: Array, step: Array, value: Value, rows: CumulativeRows, link: Link
) -> tuple[Array, Value] | None:
    # Rounding in a sum of n terms must not stop a step that is right; it is far below any real fall.
    slack = 1e-12 * max(1.0, abs(value.loglik))
    for halving in range(60):
        tried = psi + step / 2.0**halving
        found = derivatives(tried, rows, link)
        if found is not None and found.loglik >= value.loglik - slack:
            return tried, found
    return None
