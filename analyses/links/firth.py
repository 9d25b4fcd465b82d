"""Firth's penalised logistic regression: finite estimates where responders separate.

The log-likelihood gains ``1/2 log |X'WX|`` (Jeffreys' prior), which takes away the first-order bias (Firth D 1993,
Biometrika 80:27) and keeps estimates finite under separation; intervals and tests are those of the penalised
profile likelihood (Heinze G & Schemper M 2002, Stat Med 21:2409), as in R's ``logistf``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import NDArray
from scipy import special

from outcomes.errors import ConvergenceError

__all__ = ["FirthLimits", "FirthSolution", "fit_firth"]

Array = NDArray[np.float64]
GRADIENT = 1e-10
"""Largest penalised score, in standardised columns, at which the maximum counts as reached."""


@dataclass(frozen=True, slots=True, eq=False)
class FirthLimits:
    """Penalised profile likelihood: limits and likelihood-ratio statistics of zero, shape (p,) each.

    Limits that lie beyond 50 standard errors are infinite.
    """

    low: Array
    high: Array
    ratio: Array


@dataclass(frozen=True, slots=True, eq=False)
class FirthSolution:
    """Estimates (p,), Fisher's information there (p, p), penalised and plain log-likelihood, steps and gradient."""

    beta: Array
    information: Array
    penalised: float
    loglik: float
    iterations: int
    gradient: float
    limits: FirthLimits


@dataclass(frozen=True, slots=True, eq=False)
class _Data:
    x: Array
    successes: Array
    trials: Array
    offset: Array

    def at(self, beta: Array) -> tuple[float, float, Array, Array]:
        """Penalised and plain log-likelihood (without constants), penalised score, information."""
        eta = self.x @ beta + self.offset
        p = special.expit(eta)
        weight = self.trials * p * special.expit(-eta)
        information = self.x.T @ (weight[:, None] * self.x)
        sign, log_determinant = np.linalg.slogdet(information)
        plain = float(
            self.successes @ special.log_expit(eta) + (self.trials - self.successes) @ special.log_expit(-eta)
        )
        if sign <= 0 or not np.isfinite(log_determinant):
            return -np.inf, plain, np.full(len(beta), np.nan), information
        leverage = weight * np.einsum("np,np->n", self.x @ np.linalg.inv(information), self.x)
        score = self.x.T @ (self.successes - self.trials * p + leverage * (0.5 - p))
        return plain + log_determinant / 2, plain, score, information


def fit_firth(
    x: Array, successes: Array, trials: Array, offset: Array, weights: Array, alpha: float = 0.05
) -> FirthSolution:
    """Fit a logistic model with Firth's penalty.

    Parameters
    ----------
    x
        Design of full rank, shape (n, p).
    successes, trials, offset, weights
        Shape (n,) each.
    alpha
        One minus the confidence level of the profile limits.

    Raises
    ------
    ConvergenceError
        Where the search does not end at a stationary point.
    """
    size = np.maximum(np.sqrt((x**2).mean(axis=0)), np.finfo(float).tiny)
    data = _Data(x / size, weights * successes, weights * trials, offset)
    free = np.ones(x.shape[1], dtype=bool)
    beta, steps = _climb(data, np.zeros(x.shape[1]), free)
    penalised, plain, score, information = data.at(beta)
    largest = float(np.abs(score).max())
    if largest > 1e-6:
        raise ConvergenceError(
            "Firth's penalised likelihood has no maximum that the search could find",
            got=f"a largest score of {largest:.2g} after {steps} steps",
            hint="leave out terms that the data cannot tell apart",
        )
    limits = _profile(data, beta, penalised, information, scipy.stats.chi2.isf(alpha, 1))
    scaled = FirthLimits(limits.low / size, limits.high / size, limits.ratio)
    return FirthSolution(
        beta / size, information * np.outer(size, size), penalised, plain, steps, largest, scaled
    )


def _climb(data: _Data, start: Array, free: NDArray[np.bool_]) -> tuple[Array, int]:
    """Scoring steps over the free coefficients, halved until the penalised likelihood does not fall."""
    beta = start.copy()
    value, _, score, information = data.at(beta)
    for iteration in range(500):
        if not free.any() or np.abs(score[free]).max() < GRADIENT:
            return beta, iteration
        step = np.zeros(len(beta))
        step[free] = np.linalg.solve(information[np.ix_(free, free)], score[free])
        step *= min(1.0, 5.0 / np.abs(step).max())
        for _ in range(40):
            tried = data.at(beta + step)
            if tried[0] >= value - 1e-12 * max(1.0, abs(value)):
                break
            step /= 2
        else:
            return beta, iteration
        beta = beta + step
        value, _, score, information = tried
    return beta, 500


def _profile(data: _Data, beta: Array, penalised: float, information: Array, critical: float) -> FirthLimits:
    error = np.sqrt(np.diag(np.linalg.inv(information)))
    low, high, ratio = (np.empty(len(beta)) for _ in range(3))
    for at in range(len(beta)):
        free = np.arange(len(beta)) != at
        warm = [beta]

        def excess(
            value: float, at: int = at, free: NDArray[np.bool_] = free, warm: list[Array] = warm
        ) -> float:
            start = warm[0].copy()
            start[at] = value
            found, _ = _climb(data, start, free)
            warm[0] = found
            return 2 * (penalised - data.at(found)[0]) - critical

        ratio[at] = max(0.0, excess(0.0) + critical)
        for limits, sign in ((low, -1.0), (high, 1.0)):
            warm[0] = beta
            limits[at] = sign * np.inf
            for far in (2.0, 3.0, 5.0, 10.0, 20.0, 50.0):
                end = beta[at] + sign * far * error[at]
                if excess(end) > 0:
                    warm[0] = beta
                    limits[at] = scipy.optimize.brentq(excess, beta[at], end, xtol=1e-10, rtol=1e-12)
                    break
    return FirthLimits(low, high, ratio)
