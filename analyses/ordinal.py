"""Ordinal models for one grade a patient: the cumulative link (proportional odds) model in parallel groups.

``P(Y <= k) = F(theta_k - eta)``: a positive effect means a higher grade (McCullagh P 1980, J R Stat Soc B
42:109). statsmodels' ``OrderedModel`` finds the neighbourhood of the optimum; exact Newton steps finish it to a
gradient near rounding, and standard errors come from the observed information there.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from analyses.cumulative_link import LINKS, CumulativeRows, Link, Optimum, loglik, maximise, rows_of_model
from analyses.formula import parse_formula
from analyses.inference import t_table
from analyses.model_frame import ModelFrame, make_model_frame
from analyses.optimise import Convergence
from analyses.separation import diverging_parameters
from outcomes.errors import ConvergenceError, DesignError, FormulaError, ModelError

__all__ = ["OrdinalFit", "fit_ordinal_model", "grade_codes"]

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class EstimableColumns:
    """Positions of the design's columns, shape (columns,), under the name that `marginal_means` reads."""

    kept: NDArray[np.intp]


@dataclass(frozen=True, slots=True, eq=False)
class OrdinalFit:
    """A fitted cumulative link model.

    Attributes
    ----------
    frame
        The rows used, their design and its encoding; the response is the grade's position.
    grades
        Labels of the observed grades, lowest first.
    link
        ``logit``, ``probit``, ``cloglog`` or ``loglog``.
    kept
        Positions of the design's columns that have an effect of their own (the intercept left out).
    psi
        Thresholds, then effects, shape (q,).
    information
        Observed information at the optimum, shape (q, q).
    loglik
        Log-likelihood.
    convergence
        How the search ended, with a sentence; ``converged`` is its truth.
    """

    frame: ModelFrame
    grades: tuple[str, ...]
    link: str
    kept: NDArray[np.intp]
    psi: Array
    information: Array
    loglik: float
    convergence: Convergence

    @property
    def converged(self) -> bool:
        """Whether the optimum was reached."""
        return self.convergence.converged

    @property
    def standard(self) -> EstimableColumns:
        """The columns that marginal means are made of: the intercept's, then those with an effect."""
        return EstimableColumns(np.concatenate([[_intercept(self.frame)], self.kept]).astype(np.intp))

    @property
    def formula(self) -> str:
        """The formula as written."""
        return self.frame.formula.text

    @property
    def n_obs(self) -> int:
        """Rows used."""
        return len(self.frame.y)

    @property
    def n_dropped(self) -> int:
        """Rows left out because a model variable was missing."""
        return self.frame.n_dropped

    @property
    def thresholds(self) -> tuple[str, ...]:
        """Names of the thresholds: ``G0|G1`` lies between G0 and G1."""
        return tuple(f"{low}|{high}" for low, high in zip(self.grades[:-1], self.grades[1:], strict=True))

    @property
    def term_names(self) -> tuple[str, ...]:
        """Names of all parameters: thresholds, then effects."""
        return (*self.thresholds, *(self.frame.columns[at] for at in self.kept))

    @property
    def aliased(self) -> tuple[str, ...]:
        """Columns dropped because they depend on those before them."""
        kept = {_intercept(self.frame), *self.kept.tolist()}
        return tuple(name for at, name in enumerate(self.frame.columns) if at not in kept)

    @property
    def aic(self) -> float:
        """Akaike's criterion; thresholds and effects count."""
        return -2 * self.loglik + 2 * len(self.psi)

    @property
    def bic(self) -> float:
        """Schwarz's criterion with the number of rows as sample size."""
        return float(-2 * self.loglik + np.log(self.n_obs) * len(self.psi))

    @property
    def vcov(self) -> pd.DataFrame:
        """Inverse of the observed information, terms x terms."""
        inverse = np.linalg.inv(self.information)
        return pd.DataFrame((inverse + inverse.T) / 2, index=self.term_names, columns=self.term_names)

    @property
    def coefficients(self) -> pd.DataFrame:
        """Parameters: ``term`` and the columns of `analyses.inference.COLUMNS`; df is infinite."""
        table = self._linear(np.eye(len(self.psi)))
        table.insert(0, "term", self.term_names)
        return table

    def test(self, hypothesis: ArrayLike, rhs: float = 0.0) -> pd.DataFrame:
        """Wald test of one linear function of the parameters, a row vector over ``term_names``.

        Raises
        ------
        ModelError
            Where the row has not one number a parameter.
        """
        row = np.asarray(hypothesis, dtype=float)
        if row.shape != self.psi.shape:
            raise ModelError(
                "a hypothesis needs one number a parameter",
                expected=f"{len(self.psi)} numbers: {', '.join(self.term_names)}",
                got=f"shape {row.shape}",
            )
        return self._linear(row[None, :], null=rhs)

    def estimates(self, rows: ArrayLike, alpha: float = 0.05, null: float = 0.0) -> pd.DataFrame:
        """Normal tests of linear functions of the design's columns, a row each.

        Parameters
        ----------
        rows
            Shape (k, 1 + effects): the intercept's column, then the columns of the effects. The intercept stands
            for minus the mean of the thresholds, so that a marginal mean is on the latent scale (as emmeans'
            ``mode = "latent"``) and contrasts are differences of the linear predictor.
        alpha
            One minus the confidence level.
        null
            Value under the null hypothesis.
        """
        given = np.atleast_2d(np.asarray(rows, dtype=float))
        thresholds = len(self.grades) - 1
        spread = np.repeat(-given[:, :1] / thresholds, thresholds, axis=1)
        return self._linear(np.hstack([spread, given[:, 1:]]), alpha, null)

    def estimable(self, rows: Array) -> NDArray[np.bool_]:
        """Whether functions of all columns (aliased ones included) are estimable, for rows (k, columns)."""
        if not self.aliased:
            return np.ones(len(rows), dtype=bool)
        x = self.frame.x
        size = np.maximum(np.sqrt((x**2).mean(axis=0)), np.finfo(float).tiny)
        _, _, basis = np.linalg.svd(x / size, full_matrices=True)
        rank = 1 + len(self.kept)
        outside = np.abs((rows / size) @ basis[rank:].T).max(axis=1)
        found: NDArray[np.bool_] = outside <= 1e-8 * np.maximum(np.linalg.norm(rows / size, axis=1), 1e-300)
        return found

    def design_rows(self, new_data: pd.DataFrame) -> Array:
        """Rows of the full design (aliased columns included) for new data, by the encoding remembered."""
        from analyses.encoding import encode

        return encode(self.frame, new_data)

    def probabilities(self, new_data: pd.DataFrame) -> pd.DataFrame:
        """Probability of every grade, a row a row of the new data, a column a grade.

        Raises
        ------
        ModelError
            Where a level was not in the data that the model was fitted to.
        """
        eta = self.design_rows(new_data)[:, self.kept] @ self.psi[len(self.grades) - 1 :]
        distance = self.psi[: len(self.grades) - 1] - eta[:, None]
        cumulative = np.exp(LINKS[self.link].log_cdf(distance))
        edges = np.hstack([np.zeros((len(eta), 1)), cumulative, np.ones((len(eta), 1))])
        return pd.DataFrame(np.diff(edges, axis=1), index=new_data.index, columns=list(self.grades))

    def proportional_odds_test(self) -> pd.DataFrame:
        """Likelihood-ratio test of each term's proportionality; see `analyses.proportional_odds`."""
        from analyses.proportional_odds import proportional_odds_test

        return proportional_odds_test(self)

    def _linear(self, rows: Array, alpha: float = 0.05, null: float = 0.0) -> pd.DataFrame:
        variance = np.einsum("kp,pq,kq->k", rows, self.vcov.to_numpy(), rows)
        infinite = np.full(len(rows), np.inf)
        return t_table(rows @ self.psi, np.sqrt(np.maximum(variance, 0)), infinite, alpha, null)

    def _repr_html_(self) -> str:
        from analyses.html_views import ordinal_html

        return ordinal_html(self)

    def __str__(self) -> str:
        head = f"Cumulative {self.link} model: {self.formula}"
        counts = f"{self.n_obs} rows" + (f", {self.n_dropped} left out" if self.n_dropped else "")
        numbers = f"log-likelihood {self.loglik:.4f}, AIC {self.aic:.2f}, BIC {self.bic:.2f}"
        table = self.coefficients.to_string(index=False, float_format=lambda value: f"{value:.4g}")
        return "\n".join([head, counts, numbers, self.convergence.sentence, table])


def fit_ordinal_model(
    formula: str, data: pd.DataFrame, link: str = "logit", patient: str | None = "patient"
) -> OrdinalFit:
    """Fit a cumulative link model to one grade a patient.

    Parameters
    ----------
    formula
        Such as ``"grade ~ arm + baseline"``, without random or covariance terms.
    data
        One row a patient. The grade is an ordered Categorical, whose order is kept, or a column of numbers. Rows
        that miss a model variable are left out and counted in ``n_dropped``. Grades that nobody has are left out.
    link
        ``logit`` (proportional odds), ``probit``, ``cloglog`` (F(x) = 1 - exp(-exp(x))) or ``loglog``.
    patient
        Column that identifies the patient; where the data have it, every patient may have one row only. None
        states that the rows are independent.

    Returns
    -------
    OrdinalFit

    Raises
    ------
    FormulaError
        Where the formula has a random or covariance term, no intercept, or cannot be read.
    DesignError
        Where a patient has several rows.
    ModelError
        Where the grade has no order, fewer than two grades were observed, or the link is unknown.
    ConvergenceError
        Where the grades separate, so that no maximum likelihood estimate exists.
    """
    if link not in LINKS:
        raise ModelError("unknown link", expected=", ".join(LINKS), got=repr(link))
    response = _fixed_effects_only(formula)
    codes, labels = grade_codes(data, response)
    frame = make_model_frame(formula, data.assign(**{response: codes}))
    _one_row_a_patient(data.iloc[frame.kept], patient)
    observed, grades = np.unique(frame.y.astype(np.intp), return_inverse=True)
    if len(observed) < 2:
        raise ModelError(
            "an ordinal model needs at least two observed grades",
            expected="two grades or more among the complete rows",
            got=", ".join(labels[code] for code in observed),
            where=response,
        )
    kept = independent_columns(frame)
    x = frame.x[:, kept]
    rows = rows_of_model(grades.astype(np.intp), len(observed), x, np.ones((len(x), 1)))
    names = tuple(labels[code] for code in observed)
    _no_separation(rows, names, [frame.columns[at] for at in kept])
    optimum = _optimum(grades.astype(np.intp), x, rows, LINKS[link])
    return OrdinalFit(
        frame=frame,
        grades=names,
        link=link,
        kept=kept,
        psi=optimum.psi,
        information=optimum.value.information,
        loglik=optimum.value.loglik,
        convergence=optimum.convergence,
    )


def grade_codes(data: pd.DataFrame, column: str) -> tuple[Array, tuple[str, ...]]:
    """Return the position of every row's grade (NaN where missing) and the grades' labels, lowest first.

    Raises
    ------
    ModelError
        Where the column is missing, or is text without a declared order: the order is never the alphabet's.
    """
    if column not in data.columns:
        raise ModelError(
            f"the data have no column {column!r}", expected=", ".join(map(str, data.columns)), got=column
        )
    grades = data[column]
    if isinstance(grades.dtype, pd.CategoricalDtype):
        if not grades.cat.ordered:
            raise ModelError(
                "the grades have no declared order",
                expected="an ordered Categorical",
                got="an unordered one",
                where=column,
                hint=f"data[{column!r}].cat.as_ordered(), after checking that the categories are in order",
            )
        codes = grades.cat.codes.to_numpy(dtype=float)
        return np.where(codes < 0, np.nan, codes), tuple(str(level) for level in grades.cat.categories)
    if not (pd.api.types.is_numeric_dtype(grades.dtype) or pd.api.types.is_bool_dtype(grades.dtype)):
        raise ModelError(
            "grades given as text have no order",
            expected="an ordered Categorical, or numbers",
            got=str(grades.dtype),
            where=column,
            hint="pd.Categorical(values, categories=['G0', 'G1', ...], ordered=True)",
        )
    numbers = grades.to_numpy(dtype=float, na_value=np.nan)
    levels = np.unique(numbers[~np.isnan(numbers)])
    positions = np.searchsorted(levels, numbers).astype(float)
    return np.where(np.isnan(numbers), np.nan, positions), tuple(f"{level:g}" for level in levels)


def independent_columns(frame: ModelFrame) -> NDArray[np.intp]:
    """Return the columns, in order, that do not depend on the intercept and the columns before them."""
    intercept = _intercept(frame)
    x = frame.x / np.maximum(np.sqrt((frame.x**2).mean(axis=0)), np.finfo(float).tiny)
    basis: list[Array] = [x[:, intercept] / np.linalg.norm(x[:, intercept])]
    kept = []
    for at in range(x.shape[1]):
        if at == intercept:
            continue
        column = x[:, at]
        for _ in range(2):  # twice is enough for Gram-Schmidt (Giraud et al. 2005)
            column = column - np.array(basis).T @ (np.array(basis) @ column)
        left = float(np.linalg.norm(column))
        if left > 1e-8 * np.linalg.norm(x[:, at]):
            basis.append(column / left)
            kept.append(at)
    return np.array(kept, dtype=np.intp)


def _intercept(frame: ModelFrame) -> int:
    if "Intercept" not in frame.columns:
        raise FormulaError(
            "an ordinal model keeps its intercept, which the thresholds take over",
            expected="a formula without '- 1' or '0 +'",
            got=repr(frame.formula.text),
        )
    return frame.columns.index("Intercept")


def _fixed_effects_only(formula: str) -> str:
    parts = parse_formula(formula)
    mixed = [term.text for term in parts.random]
    if parts.residual is not None:
        mixed.append(parts.residual.text)
    if mixed:
        raise FormulaError(
            "ordinal models with random or covariance terms are not available",
            expected="fixed effects only, one row a patient",
            got=", ".join(mixed),
            where=repr(formula),
            hint="for several grades of one patient: compare_grades(..., design='within-patient')",
        )
    return parts.response.strip("`")


def _one_row_a_patient(data: pd.DataFrame, patient: str | None) -> None:
    if patient is None or patient not in data.columns:
        return
    repeated = data[patient][data[patient].duplicated()]
    if len(repeated):
        raise DesignError(
            "the ordinal model takes rows as independent, and here patients have several",
            expected=f"one row for each {patient}",
            got=f"{repeated.nunique()} patients with several rows, such as {repeated.iloc[0]}",
            hint="compare_grades(..., design='within-patient') for lesions of one patient; "
            "where the rows are visits, select one visit first",
        )


def _no_separation(rows: CumulativeRows, grades: Sequence[str], effects: Sequence[str]) -> None:
    names = [*(f"{low}|{high}" for low, high in pairwise(grades)), *effects]
    diverging = [names[at] for at in diverging_parameters(rows)]
    if diverging:
        raise ConvergenceError(
            "the grades separate: the likelihood has no maximum, so there are no estimates",
            expected="overlapping grades",
            got=f"infinite estimates of {', '.join(diverging)}",
            hint="compare_grades needs no model: Mann-Whitney and the probability of superiority",
        )


def _optimum(grades: NDArray[np.intp], x: Array, rows: CumulativeRows, link: Link) -> Optimum:
    start = _statsmodels_start(grades, x, link)
    if start is None or not np.isfinite(loglik(start, rows, link)):
        start = np.concatenate([_marginal_thresholds(grades, link), np.zeros(x.shape[1])])
    return maximise(start, rows, link)


def _marginal_thresholds(grades: NDArray[np.intp], link: Link) -> Array:
    """Thresholds without any effect: the link's quantiles of the cumulative proportions (the optimum then)."""
    cumulative = np.cumsum(np.bincount(grades))[:-1] / len(grades)
    return np.asarray(_distribution(link.name).ppf(cumulative), dtype=float)


def _distribution(name: str) -> Any:
    from scipy import stats

    return {
        "logit": stats.logistic,
        "probit": stats.norm,
        "cloglog": stats.gumbel_l,
        "loglog": stats.gumbel_r,
    }[name]


def _statsmodels_start(grades: NDArray[np.intp], x: Array, link: Link) -> Array | None:
    if not x.shape[1]:
        return None
    from statsmodels.miscmodels.ordinal_model import OrderedModel

    # Columns of one size: its quasi-Newton search stops early on an age beside a 0/1 column.
    size = np.sqrt((x**2).mean(axis=0))
    with warnings.catch_warnings():
        # Its warnings are about its own search, which the Newton steps after it settle.
        warnings.simplefilter("ignore")
        model = OrderedModel(grades, x / size, distr=_distribution(link.name))
        found = model.fit(method="bfgs", disp=False, maxiter=200, skip_hessian=True)
    parameters = np.asarray(found.params, dtype=float)
    if not np.all(np.isfinite(parameters)):
        return None
    thresholds = np.asarray(model.transform_threshold_params(parameters), dtype=float)[1:-1]
    return np.concatenate([thresholds, parameters[: x.shape[1]] / size])
