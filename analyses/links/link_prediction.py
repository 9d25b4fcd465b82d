"""Means on the response's own scale, for a patient at the centre or averaged over patients, with their slopes.

For a predictor ``x`` and random effects that add ``N(0, v)`` to it, the mean over patients is ``E F(x + sqrt(v) t)``:
closed forms for the normal distribution and for exp, Gauss-Hermite quadrature otherwise (Zeger, Liang and Albert
1988, Biometrics 44:1049).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import scipy
from numpy.typing import NDArray

from analyses.links.cumulative_link import LINKS
from analyses.links.quadrature import normal_rule
from outcomes.errors import ModelError

__all__ = ["RANDOM", "Means", "averaged", "inverse_link", "with_limits"]

Array = NDArray[np.float64]
RANDOM = ("zero", "average")
"""What random effects are in a prediction: zero (the patient at the centre), or averaged over patients."""
NODES = 61
"""Nodes of an average over patients: exact to 1e-10 for logistic curves up to a standard deviation of 3."""


@dataclass(frozen=True, slots=True, eq=False)
class Means:
    """Means and their slopes.

    Attributes
    ----------
    value
        Shape (n, columns).
    jacobian
        Derivatives by all parameters (`marginal_likelihood.Solution.parameters`), shape (n, columns, q).
    """

    value: Array
    jacobian: Array


def inverse_link(link: str) -> tuple[Callable[[Array], Array], Callable[[Array], Array]]:
    """Return the inverse of a link and its derivative."""
    if link == "log":
        return np.exp, np.exp
    return LINKS[link].cdf, LINKS[link].density


def averaged(link: str, predictor: Array, variance: Array) -> tuple[Array, Array, Array]:
    """Average an inverse link over normal random effects.

    Parameters
    ----------
    link
        Name of the link.
    predictor, variance
        Shape (n,) each; variances of zero leave the inverse link as it is.

    Returns
    -------
    array, array, array
        Mean, and its derivatives by the predictor and by the variance, shape (n,) each.
    """
    value, slope = inverse_link(link)
    if link == "log":
        mean = np.exp(predictor + variance / 2)
        return mean, mean, mean / 2
    if link == "probit":
        root = np.sqrt(1 + variance)
        z = predictor / root
        density = LINKS[link].density(z)
        return LINKS[link].cdf(z), density / root, -density * z / (2 * root**2)
    if not np.any(variance > 0):
        tiny = 1e-4
        bend = (slope(predictor + tiny) - slope(predictor - tiny)) / (4 * tiny)
        return value(predictor), slope(predictor), bend
    rule = normal_rule(NODES)
    weight = np.exp(rule.log_weights)[:, None]
    spread = np.sqrt(np.maximum(variance, 1e-30))
    at = predictor + spread * rule.nodes[:, None]
    with np.errstate(over="ignore"):
        mean, along = (weight * value(at)).sum(axis=0), weight * slope(at)
    by_spread = (along * rule.nodes[:, None]).sum(axis=0)
    return mean, along.sum(axis=0), by_spread / (2 * spread)


def with_limits(
    means: Means, vcov: Array, index: pd.Index, alpha: float, bounds: tuple[float, float | None]
) -> pd.DataFrame:
    """Table of means with delta-method standard errors and limits that stay within the scale's bounds.

    The limits are made on the logit scale for fractions, on the log scale for means without an upper bound.
    """
    estimate, jacobian = means.value[:, 0], means.jacobian[:, 0]
    known = np.isfinite(np.diag(vcov))
    error = np.sqrt(
        np.maximum(
            np.einsum("np,pq,nq->n", jacobian[:, known], vcov[np.ix_(known, known)], jacobian[:, known]), 0
        )
    )
    half = scipy.stats.norm.isf(alpha / 2)
    with np.errstate(divide="ignore", invalid="ignore"):
        if bounds[1] is None:
            factor = np.exp(half * error / estimate)
            low, high = estimate / factor, estimate * factor
        else:
            centre, width = np.log(estimate / (1 - estimate)), half * error / (estimate * (1 - estimate))
            low, high = 1 / (1 + np.exp(width - centre)), 1 / (1 + np.exp(-width - centre))
    return pd.DataFrame(
        {"estimate": estimate, "std_error": error, "df": np.inf, "conf_low": low, "conf_high": high},
        index=index,
    )


def check_random(random: str) -> None:
    """Refuse an unknown choice of random effects.

    Raises
    ------
    ModelError
        Unless it is one of `RANDOM`.
    """
    if random not in RANDOM:
        raise ModelError("unknown choice of random effects", expected=" or ".join(RANDOM), got=repr(random))
