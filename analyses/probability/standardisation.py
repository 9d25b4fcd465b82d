"""Standardised means: every row used stands at every arm in turn, and its expected responses are averaged.

G-computation (Robins J 1986, Math Modelling 7:1393), as guidance on covariate adjustment asks for (FDA 2023,
Adjusting for Covariates in Randomized Clinical Trials; Ge M et al. 2011, Drug Inf J 45:481): the model's covariates
sharpen the comparison, while the quantity compared stays that of the whole population. Random effects are averaged
over their distribution, not set to zero, so that the mean is that of patients, not of the patient at the centre
(Zeger SL, Liang K-Y & Albert PS 1988, Biometrics 44:1049).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analyses.links.generalized_fit import GeneralizedFit
from analyses.links.link_prediction import Means, averaged
from analyses.links.ordinal_fit import OrdinalFit
from outcomes.errors import ModelError

__all__ = [
    "OVER",
    "VCOV",
    "LinkModel",
    "Standardised",
    "alike_rows",
    "at_points",
    "clusters_of",
    "covariance_of",
    "followed",
    "patients_of",
    "prepare_points",
    "standardise",
]

Array = NDArray[np.float64]
LinkModel = OrdinalFit | GeneralizedFit
OVER = ("rows", "patients")
"""What counts once in an average: a row used, or a patient (a cluster of the model)."""
VCOV = ("model", "population", "robust")
"""Covariances of standardised means; see `covariance_of`."""
CHUNK = 5_000
"""Rows predicted at a time."""


@dataclass(frozen=True, slots=True, eq=False)
class Standardised:
    """Standardised means at several points.

    Attributes
    ----------
    value
        Means, shape (points, columns): columns are grades, or one for the mean response. NaN where not estimable.
    jacobian
        Derivatives by all parameters of the fit, shape (points, columns, q).
    influence
        What each cluster's covariates move the means by, shape (clusters, points, columns): sums over its rows of
        ``w_i (mu_i - mean) / sum w``; they add up to zero.
    """

    value: Array
    jacobian: Array
    influence: Array


def standardise(
    fit: LinkModel,
    points: pd.DataFrame,
    over: str = "rows",
    offset: float | None = None,
) -> Standardised:
    """Average expected responses over the rows used, with some variables set to given values.

    Parameters
    ----------
    fit
        A model of grades, responders, counts or fractions.
    points
        One row a point: the values that variables are set to in every row used.
    over
        ``rows``: every row used counts alike (its case weight); ``patients``: every patient counts alike, however
        many rows there are of him.
    offset
        Added to the linear predictor; None for the rows' own offsets (0 for rates per unit of exposure).

    Returns
    -------
    Standardised

    Raises
    ------
    ModelError
        Where ``over`` is unknown, or an offset is given to grades.
    """
    if over not in OVER:
        raise ModelError("unknown population of an average", expected=" or ".join(OVER), got=repr(over))
    if offset is not None and isinstance(fit, OrdinalFit):
        raise ModelError("grades have no offset", expected="offset=None", got=offset)
    points = followed(fit, points)
    kinds, first = _kinds(fit, list(points.columns), offset is None)
    cluster = clusters_of(fit)
    weight = _weights(fit, over)
    own = np.bincount(kinds, weights=weight, minlength=len(first)) / weight.sum()
    rows = fit.frame.data.iloc[first]
    shift = np.zeros(len(first)) if isinstance(fit, OrdinalFit) else fit.offset[first]
    shift = shift if offset is None else np.full(len(first), offset)
    value = np.full((len(points), _columns(fit)), np.nan)
    jacobian = np.full((*value.shape, len(fit.solution.parameters)), np.nan)
    influence = np.full((int(cluster.max()) + 1, *value.shape), np.nan)
    batch = max(1, CHUNK // len(rows))
    for start in range(0, len(points), batch):
        at = slice(start, start + batch)
        each, slopes = _means(
            fit, at_points(rows, points.iloc[at]), np.tile(shift, len(points.iloc[at])), own
        )
        value[at] = np.einsum("r,prc->pc", own, each)
        jacobian[at] = slopes
        away = weight[:, None, None] * (each - value[at][:, None]).transpose(1, 0, 2)[kinds] / weight.sum()
        influence[:, at] = _summed(away, cluster, len(influence))
    return Standardised(value, jacobian, influence)


@dataclass(frozen=True, slots=True, eq=False)
class PreparedPoints:
    """What standardised means of many fits with one encoding need: for draws of a bootstrap.

    Attributes
    ----------
    design
        Rows of the full design, every kind of row at every point, points first, shape (points x kinds, columns).
    z
        Columns of every random term for the same rows.
    shift
        Offsets, shape (points x kinds,).
    known
        Whether a point is estimable, shape (points,).
    kinds, weight
        Kind and weight of every row used.
    """

    design: Array
    z: tuple[Array, ...]
    shift: Array
    known: NDArray[np.bool_]
    kinds: NDArray[np.intp]
    weight: Array

    def value(self, fit: LinkModel, times: Array) -> Array:
        """Return the means by another fit of the same encoding, shape (points, columns of that fit).

        Parameters
        ----------
        fit
            The fit of a draw.
        times
            How often each row used was drawn, shape (n,).
        """
        points = len(self.known)
        share = np.bincount(self.kinds, weights=self.weight * times, minlength=len(self.design) // points)
        parts = [self._means(fit, slice(at, at + CHUNK)) for at in range(0, len(self.design), CHUNK)]
        each = np.concatenate(parts).reshape(points, len(share), -1)
        found: Array = np.einsum("r,prc->pc", share / share.sum(), each)
        found[~self.known] = np.nan
        return found

    def _means(self, fit: LinkModel, part: slice) -> Array:
        design = self.design[part]
        variance = np.zeros(len(design))
        if fit.random is not None:
            for z, lower in zip(self.z, fit.random.factors(fit.solution.covariance), strict=True):
                variance += ((z[part] @ lower) ** 2).sum(axis=1)
        if not isinstance(fit, OrdinalFit):
            return averaged(fit.link, design[:, fit.kept] @ fit.beta + self.shift[part], variance)[0][:, None]
        below = fit.threshold_rows(design) @ fit.psi
        inner = averaged(fit.link, below.reshape(-1), np.repeat(variance, below.shape[1]))[0]
        edges = np.zeros((len(design), below.shape[1] + 2))
        edges[:, 1:-1], edges[:, -1] = inner.reshape(below.shape), 1.0
        return np.diff(edges, axis=1)


def prepare_points(fit: LinkModel, points: pd.DataFrame, over: str, offset: float | None) -> PreparedPoints:
    """Encode every kind of row at every point, once for all draws; arguments as in `standardise`."""
    points = followed(fit, points)
    kinds, first = _kinds(fit, list(points.columns), offset is None)
    crossed = at_points(fit.frame.data.iloc[first], points)
    design = fit.design_rows(crossed)
    terms = 0 if fit.random is None else len(fit.random.z)
    shift = np.zeros(len(first)) if isinstance(fit, OrdinalFit) else fit.offset[first]
    shift = shift if offset is None else np.full(len(first), offset)
    return PreparedPoints(
        design,
        tuple(fit.random_columns(term, crossed) for term in range(terms)),
        np.tile(shift, len(points)),
        np.asarray(fit.estimable(design).reshape(len(points), -1).all(axis=1)),
        kinds,
        _weights(fit, over),
    )


def alike_rows(
    fit: LinkModel, given: Sequence[str], over: str
) -> tuple[NDArray[np.intp], pd.DataFrame, NDArray[np.intp], Array]:
    """Return what averages over the rows used are made of.

    Parameters
    ----------
    fit
        The model, without offsets.
    given
        Variables that will be set.
    over
        As in `standardise`.

    Returns
    -------
    kinds, rows, cluster, weight
        Kind of every row used, a row of every kind, and cluster and weight of every row used.
    """
    kinds, first = _kinds(fit, given, False)
    cluster = clusters_of(fit)
    if over not in OVER:
        raise ModelError("unknown population of an average", expected=" or ".join(OVER), got=repr(over))
    return kinds, fit.frame.data.iloc[first], cluster, _weights(fit, over)


def _columns(fit: LinkModel) -> int:
    return len(fit.grades) if isinstance(fit, OrdinalFit) else 1


def _summed(values: Array, cluster: NDArray[np.intp], count: int) -> Array:
    """Sums over the rows of each cluster, shape (clusters, ...)."""
    flat = values.reshape(len(values), -1)
    sums: Array = np.zeros((count, flat.shape[1]))
    for at, column in enumerate(flat.T):
        sums[:, at] = np.bincount(cluster, weights=column, minlength=count)
    return sums.reshape(count, *values.shape[1:])


def followed(fit: LinkModel, points: pd.DataFrame) -> pd.DataFrame:
    """Add to points the variables of random effects that the variables set determine.

    Where the laser's effect varies between patients, ``grade ~ arm + (1 + laser | patient)``, a row set to an arm has
    that arm's laser; and one set to a visit has its week.

    Parameters
    ----------
    fit
        The model.
    points
        Values of the variables set.
    """
    data = fit.frame.data
    fixed = {str(name) for name in fit.frame.spec.required_variables}
    found = points.copy()
    for name in sorted(_random_variables(fit) - fixed - set(points.columns)):
        for given in points.columns:
            pairs = data[[given, name]].drop_duplicates()
            values = dict(zip(pairs[given], pairs[name], strict=True))
            if len(values) == len(pairs) and set(points[given]) <= set(values):
                found[name] = [values[level] for level in points[given]]
                break
    return found


def _random_variables(fit: LinkModel) -> set[str]:
    from formulaic import Formula

    return {
        str(name) for term in fit.frame.formula.random for name in Formula(term.design).required_variables
    }


def clusters_of(fit: LinkModel) -> NDArray[np.intp]:
    """Cluster (patient) of every row used, in the order of the fit's scores; rows where there are no random effects."""
    return np.arange(fit.n_obs) if fit.random is None else fit.random.cluster


def patients_of(fit: LinkModel) -> NDArray[np.intp]:
    """Patient of every row used: the unit of the random effect that is named after him, else the cluster.

    Of ``(1 | clinic/patient)`` the cluster is the clinic.
    """
    if fit.random is not None:
        for term, unit in zip(fit.frame.formula.random, fit.random.unit, strict=True):
            if "patient" in term.subject:
                return np.unique(unit, return_inverse=True)[1].reshape(-1).astype(np.intp)
    return clusters_of(fit)


def _weights(fit: LinkModel, over: str) -> Array:
    weight = fit.frame.weights
    if over == "rows":
        return weight
    patient = patients_of(fit)
    return weight / np.bincount(patient, weights=weight)[patient]


def _kinds(
    fit: LinkModel, given: Sequence[str], own_offsets: bool
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Number alike rows alike: what differs in the given variables only has the same prediction.

    Returns the kind of every row, and the first row of every kind.
    """
    data = fit.frame.data
    names = {str(name) for name in fit.frame.spec.required_variables} | _random_variables(fit)
    keys = [data[name].reset_index(drop=True) for name in sorted(names - set(given))]
    if own_offsets and isinstance(fit, GeneralizedFit):
        keys.append(pd.Series(fit.offset))
    if not keys:
        return np.zeros(len(data), dtype=np.intp), np.zeros(1, dtype=np.intp)
    kinds = pd.concat(keys, axis=1, ignore_index=True)
    codes = kinds.groupby(list(kinds.columns), sort=False, observed=True).ngroup().to_numpy(dtype=np.intp)
    _, first = np.unique(codes, return_index=True)
    return codes, first.astype(np.intp)


def at_points(rows: pd.DataFrame, points: pd.DataFrame) -> pd.DataFrame:
    """Return all rows at every point, points first, in the types that the model was fitted with."""
    crossed = rows.iloc[np.tile(np.arange(len(rows)), len(points))].reset_index(drop=True)
    for name in points.columns:
        values = points[name].repeat(len(rows)).reset_index(drop=True)
        known = rows[name].dtype
        crossed[name] = values.astype(known) if isinstance(known, pd.CategoricalDtype) else values
    return crossed


def _means(fit: LinkModel, rows: pd.DataFrame, shift: Array, share: Array) -> tuple[Array, Array]:
    """Means of rows at points, shape (points, kinds, columns), and the slopes of their averages.

    NaN at points where a row is not estimable.
    """
    kinds, size = len(share), len(fit.solution.parameters)
    points = len(rows) // kinds
    known = fit.estimable(fit.design_rows(rows)).reshape(points, kinds).all(axis=1)
    values = np.full((points, kinds, _columns(fit)), np.nan)
    slopes = np.full((points, _columns(fit), size), np.nan)
    if not known.any():
        return values, slopes
    used, moved = rows[np.repeat(known, kinds)], shift[np.repeat(known, kinds)]
    parts, sums = [], np.zeros((int(known.sum()), _columns(fit), size))
    weight, point = np.tile(share, len(sums)), np.repeat(np.arange(len(sums)), kinds)
    for start in range(0, len(used), CHUNK):
        part = slice(start, start + CHUNK)
        if isinstance(fit, OrdinalFit):
            found: Means = fit.grade_means(used.iloc[part], "average")
        else:
            found = fit.response_means(used.iloc[part], "average", moved[part])
        parts.append(found.value)
        np.add.at(sums, point[part], weight[part, None, None] * found.jacobian)
    values[known] = np.concatenate(parts).reshape(-1, kinds, _columns(fit))
    slopes[known] = sums
    return values, slopes


def covariance_of(fit: LinkModel, found: Standardised, vcov: str) -> tuple[Array, float]:
    """Covariance of standardised means, and the degrees of freedom of tests with it.

    Parameters
    ----------
    fit
        The model.
    found
        Its means; their columns may be combinations of grades.
    vcov
        ``model``: the delta method with the inverse of the joint information of effects, thresholds, variances and
        dispersion; the covariates of the rows are taken as they are, and the model as true. Infinite degrees of
        freedom.

        ``population``: the same, and the sampling of the patients' covariates added (Ye T et al. 2023, Stat
        Theory Relat Fields 7:159).

        ``robust``: the sandwich by patient. A patient's influence is what his covariates and his score move the means
        by (stacked estimating equations; Tsiatis et al. 2008, Stat Med 27:4658), so that it covers the sampling of
        covariates and holds where the model is wrong. ``C / (C - 1)`` of C patients, t with C - 1 degrees of freedom.

    Returns
    -------
    array, float
        Shape (points x columns,) squared, points first.

    Raises
    ------
    ModelError
        For another name, and for the sandwich of a fit under Firth's penalty, whose score is not the likelihood's.
    """
    if vcov not in VCOV:
        raise ModelError("unknown covariance of the means", expected=", ".join(VCOV), got=repr(vcov))
    if vcov == "robust" and isinstance(fit, GeneralizedFit) and fit.penalty:
        raise ModelError(
            "the sandwich is of likelihood fits, not of penalised ones",
            expected="vcov='model' or 'population'",
            got=repr(vcov),
            where=fit.formula,
        )
    slopes = found.jacobian.reshape(-1, found.jacobian.shape[2])
    inverse = fit.solution.inverse
    known = np.isfinite(np.diag(inverse))
    inverse, slopes = inverse[np.ix_(known, known)], slopes[:, known]
    of_covariates = found.influence.reshape(len(found.influence), -1)
    count = len(of_covariates)
    correction = count / max(count - 1, 1)
    if vcov == "robust":
        influence = of_covariates + fit.cluster_scores[:, known] @ inverse @ slopes.T
        return correction * influence.T @ influence, float(count - 1)
    covariance = slopes @ inverse @ slopes.T
    if vcov == "population":
        covariance = covariance + correction * of_covariates.T @ of_covariates
    return covariance, np.inf
