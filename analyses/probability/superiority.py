"""Probability of superiority by an ordinal model: of two lesions of the same patient, and of two patients.

``P(Y_a > Y_b) + P(Y_a = Y_b) / 2`` is two quantities. Of *different patients* the random effects of both are
independent, and it follows from the arms' marginal probabilities of grades. Of the *same patient* both lesions share
what the patient brings along, so that the difference between arms shows more clearly, and the probability lies farther
from one half (Hedeker D & Gibbons RD 1994, Biometrics 50:933, for the model; Agresti A & Kateri M 2017, Biometrics
73:214, for the measure). Neither is the odds ratio's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import scipy
from numpy.typing import NDArray

from analyses.links.link_prediction import averaged, inverse_link
from analyses.links.ordinal_fit import OrdinalFit
from analyses.links.quadrature import normal_rule
from analyses.probability.probability_scale import bounded_limits, points_of
from analyses.probability.standardisation import (
    Standardised,
    alike_rows,
    at_points,
    covariance_of,
    followed,
    standardise,
)
from outcomes.errors import ConvergenceError, ModelError

__all__ = ["PAIRS", "model_superiority"]

Array = NDArray[np.float64]
PAIRS = ("same patient", "different patients")
"""Whose lesions are compared."""
NODES = 61
STEP = 1e-3
"""Step of differences by the covariance's entries: of fourth order, so that their error is about 1e-10."""


def model_superiority(
    fit: OrdinalFit,
    factor: str = "arm",
    at: Mapping[str, Any] | None = None,
    pairs: str | None = None,
    higher_is_better: bool = True,
    reverse: bool = False,
    over: str = "rows",
    vcov: str = "model",
    alpha: float = 0.05,
) -> pd.DataFrame:
    """Probability that a lesion of one arm does better than one of another, ties counted half.

    Parameters
    ----------
    fit
        A cumulative link model.
    factor
        The arm's variable.
    at
        Values that other variables are set to, such as ``{"visit": "Week 24"}``.
    pairs
        ``same patient``: two lesions alike in their covariates, which share the patient's random effects, those of his
        clinic, and those of a visit that holds several arms; effects of lesions (``patient/lesion``) are each
        lesion's own. ``different patients``: lesions of two patients drawn from the rows used. None for both (the
        second alone without random effects).
    higher_is_better
        Whether a higher grade is better.
    reverse
        Whether later arms are set against earlier ones.
    over, vcov
        As in `marginal_probabilities`.
    alpha
        One minus the confidence level.

    Returns
    -------
    DataFrame
        ``contrast, pairs, first, second, estimate, std_error, df, statistic, p_value, conf_low, conf_high``, a row for
        each pair of arms (each against the later ones) and kind of pair. The test is of one half, on the log odds, as
        the limits are made.

    Raises
    ------
    ModelError
        Where the model has no grades or no such factor, or an option is unknown.
    ConvergenceError
        Where the fit did not converge.
    """
    if not isinstance(fit, OrdinalFit):
        raise ModelError(
            "the probability of superiority is of a model of grades",
            expected="a fit of fit_ordinal_model",
            got=type(fit).__name__,
            hint="compare_grades(...) needs no model",
        )
    if not fit.converged:
        raise ConvergenceError(
            "a probability of a fit that did not converge is refused",
            got=fit.convergence.sentence,
            where=fit.formula,
        )
    if pairs is not None and pairs not in PAIRS:
        raise ModelError("unknown pairs", expected=" or ".join(PAIRS), got=repr(pairs))
    if pairs == "same patient" and fit.random is None:
        raise ModelError(
            "lesions of the same patient need a model with random effects",
            expected="(1 | patient) in the formula",
            got=fit.formula,
        )
    wanted = PAIRS if pairs is None and fit.random is not None else (pairs or PAIRS[1],)
    grid, points = points_of(fit, (factor,), (), dict(at or {}))
    levels = [str(level) for level in grid[factor]]
    places = [(i, j) for i in range(len(levels)) for j in range(i + 1, len(levels))]
    places = [(j, i) for i, j in places] if reverse else places
    tables = []
    for kind in wanted:
        shared = _within(fit, points, places, over, factor) if kind == "same patient" else None
        found = _between(standardise(fit, points, over), places) if shared is None else shared
        if not higher_is_better:
            found = Standardised(1 - found.value, -found.jacobian, -found.influence)
        covariance, df = covariance_of(fit, found, vcov)
        table = _tested(found.value[:, 0], np.sqrt(np.maximum(np.diag(covariance), 0.0)), df, alpha)
        table.insert(
            0, "contrast", [f"P({_name(levels[i])} better than {_name(levels[j])})" for i, j in places]
        )
        table.insert(1, "pairs", kind)
        table.insert(2, "first", [levels[i] for i, _ in places])
        table.insert(3, "second", [levels[j] for _, j in places])
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def _name(level: str) -> str:
    return f"({level})" if any(sign in level for sign in (" + ", " - ")) else level


def _tested(value: Array, error: Array, df: float, alpha: float) -> pd.DataFrame:
    """Tests of one half on the log odds, and limits made there."""
    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = np.log(value / (1 - value)) * value * (1 - value) / error
    low, high = bounded_limits(value, error, df, alpha, (0.0, 1.0))
    return pd.DataFrame(
        {
            "estimate": value,
            "std_error": error,
            "df": df,
            "statistic": statistic,
            "p_value": 2 * scipy.stats.t.sf(np.abs(statistic), df),
            "conf_low": low,
            "conf_high": high,
        }
    )


def _between(arms: Standardised, places: list[tuple[int, int]]) -> Standardised:
    """Of two patients: bilinear in the arms' probabilities of grades."""
    count = arms.value.shape[1]
    beats = np.tril(np.ones((count, count)), -1) + np.eye(count) / 2
    value, jacobian, influence = [], [], []
    for i, j in places:
        first, second = arms.value[i], arms.value[j]
        value.append([first @ beats @ second])
        by_first, by_second = beats @ second, first @ beats
        jacobian.append([by_first @ arms.jacobian[i] + by_second @ arms.jacobian[j]])
        influence.append(arms.influence[:, i] @ by_first + arms.influence[:, j] @ by_second)
    return Standardised(np.array(value), np.array(jacobian), np.stack(influence, axis=1)[:, :, None])


@dataclass(frozen=True, slots=True, eq=False)
class _Pair:
    """Two lesions of each kind of row, one at each of two points.

    Attributes
    ----------
    first, second
        Rows of thresholds over the fixed parameters, shape (kinds, thresholds, parameters).
    z
        Random effects' columns of both, term by term, shape (kinds, effects) each.
    shared
        Whether both have a term's effects in common.
    """

    first: Array
    second: Array
    z: tuple[tuple[Array, Array], ...]
    shared: tuple[bool, ...]


def _shared_terms(fit: OrdinalFit, factor: str) -> tuple[bool, ...]:
    """Which random effects two lesions of the same patient, one at each arm, have in common.

    Those of the cluster, of the patient and of what he is nested in (his clinic); and those of units that hold several
    arms, such as a visit of the patient. A unit within him that has one arm is the lesion, whose effects are its own.
    """
    assert fit.random is not None  # asked by the caller
    subjects = [set(term.subject) for term in fit.frame.formula.random]
    outside = next((subject for subject in subjects if "patient" in subject), set[str]())
    arms = pd.factorize(fit.frame.data[factor])[0]
    return tuple(
        np.array_equal(unit, fit.random.cluster)
        or subject <= outside
        or bool(pd.Series(arms).groupby(unit).nunique().max() > 1)
        for subject, unit in zip(subjects, fit.random.unit, strict=True)
    )


def _within(
    fit: OrdinalFit, points: pd.DataFrame, places: list[tuple[int, int]], over: str, factor: str
) -> Standardised:
    """Of the same patient: averaged over his random effects, which both lesions share."""
    assert fit.random is not None  # asked by the caller
    points = followed(fit, points)
    kinds, rows, cluster, weight = alike_rows(fit, list(points.columns), over)
    share = np.bincount(kinds, weights=weight) / weight.sum()
    crossed = at_points(rows, points)
    size, n_fixed = len(share), fit.solution.model.n_fixed
    design = fit.design_rows(crossed)
    known = np.asarray(fit.estimable(design).reshape(-1, size).all(axis=1))
    thresholds = fit.threshold_rows(design)
    columns = [fit.random_columns(term, crossed) for term in range(len(fit.random.z))]
    shared = _shared_terms(fit, factor)
    value = np.full((len(places), 1), np.nan)
    jacobian = np.full((len(places), 1, len(fit.solution.parameters)), np.nan)
    influence = np.full((int(cluster.max()) + 1, len(places), 1), np.nan)
    for at, (i, j) in enumerate(places):
        if not (known[i] and known[j]):
            continue
        mine, other = slice(i * size, (i + 1) * size), slice(j * size, (j + 1) * size)
        both = tuple((z[mine], z[other]) for z in columns)
        pair = _Pair(thresholds[mine], thresholds[other], both, shared)
        each, by_fixed = _kinds(fit, pair, fit.solution.covariance)
        value[at] = share @ each
        jacobian[at, 0, :n_fixed] = share @ by_fixed
        jacobian[at, 0, n_fixed:] = _by_covariance(fit, pair, share)
        away = weight * (each - value[at])[kinds] / weight.sum()
        influence[:, at, 0] = np.bincount(cluster, weights=away, minlength=len(influence))
    return Standardised(value, jacobian, influence)


def _by_covariance(fit: OrdinalFit, pair: _Pair, share: Array) -> Array:
    entries = fit.solution.covariance
    slopes = np.zeros(len(entries))
    for at in range(len(entries)):
        step = STEP * max(1.0, abs(entries[at]))
        for times, weight in ((-2, 1 / 12), (-1, -2 / 3), (1, 2 / 3), (2, -1 / 12)):
            moved = entries.copy()
            moved[at] += times * step
            slopes[at] += weight * float(share @ _kinds(fit, pair, moved)[0]) / step
    return slopes


def _spread(fit: OrdinalFit, pair: _Pair, covariance: Array) -> tuple[Array, Array, Array]:
    """Standard deviation of the first's random part; slope of the second's on it; variance that is left.

    Terms of the patient are shared; those of his lesions are each lesion's own.
    """
    assert fit.random is not None  # asked by the caller
    size = len(pair.first)
    own, other, both = np.zeros(size), np.zeros(size), np.zeros(size)
    for term, lower in enumerate(fit.random.factors(covariance)):
        first, second = (z @ lower for z in pair.z[term])
        own, other = own + (first**2).sum(axis=1), other + (second**2).sum(axis=1)
        if pair.shared[term]:
            both = both + (first * second).sum(axis=1)
    root = np.sqrt(own)
    slope = np.divide(both, root, out=np.zeros(size), where=root > 0)
    left = np.maximum(other - slope**2, 0.0)
    return root, slope, np.where(left > 1e-12 * np.maximum(other, 1e-300), left, 0.0)


def _kinds(fit: OrdinalFit, pair: _Pair, covariance: Array) -> tuple[Array, Array]:
    """Probability of every kind of row, shape (kinds,), and its slopes by the fixed parameters.

    With F the cumulative probabilities (0 below the lowest threshold, 1 above the highest) it is
    ``sum_k (Fa_k - Fa_{k-1}) (Fb_k + Fb_{k-1}) / 2`` given the random effects.
    """
    root, slope, left = _spread(fit, pair, covariance)
    first, second = pair.first @ fit.psi, pair.second @ fit.psi
    rule = normal_rule(NODES)
    cdf, density = inverse_link(fit.link)
    value = np.zeros(len(first))
    by_first, by_second = np.zeros_like(first), np.zeros_like(second)
    for node, weight in zip(rule.nodes, np.exp(rule.log_weights), strict=True):
        at_first = first - (root * node)[:, None]
        at_second = second - (slope * node)[:, None]
        mean, along, _ = averaged(fit.link, at_second.reshape(-1), np.repeat(left, second.shape[1]))
        a, b = _ends(cdf(at_first)), _ends(mean.reshape(second.shape))
        value += weight * (np.diff(a, axis=1) * (b[:, 1:] + b[:, :-1])).sum(axis=1) / 2
        by_first += weight * density(at_first) * (b[:, :-2] - b[:, 2:]) / 2
        by_second += weight * along.reshape(second.shape) * (a[:, 2:] - a[:, :-2]) / 2
    slopes = np.einsum("nk,nkp->np", by_first, pair.first) + np.einsum("nk,nkp->np", by_second, pair.second)
    return value, slopes


def _ends(inner: Array) -> Array:
    whole = np.zeros((len(inner), inner.shape[1] + 2))
    whole[:, 1:-1], whole[:, -1] = inner, 1.0
    return whole
