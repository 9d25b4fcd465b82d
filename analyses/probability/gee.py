"""Marginal models of responders and counts by generalised estimating equations, for patients with several rows.

The marginal counterpart of a mixed model: its effects compare arms in the population, not within a patient. The
equations and the working correlation are statsmodels' (Liang K-Y & Zeger SL 1986, Biometrika 73:13). With the few
patients of these trials the plain sandwich is too small, so that the default is Mancl and DeRouen's, with t tests.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from analyses.anova import term_hypotheses
from analyses.design.encoding import encode
from analyses.design.model_frame import ModelFrame
from analyses.engine.optimise import Convergence
from analyses.inference import f_table, t_table
from analyses.links.cumulative_link import CumulativeRows
from analyses.links.generalized_response import read_responses
from analyses.links.link_estimation import independent_columns
from analyses.links.link_fit import EstimableColumns
from analyses.links.separation import diverging_parameters
from analyses.means.linear_functions import dependence
from outcomes.errors import ConvergenceError, DesignError, FormulaError, ModelError

__all__ = ["GEE_CORRELATIONS", "GEE_FAMILIES", "GEE_VCOV", "MarginalFit", "fit_marginal_model"]

Array = NDArray[np.float64]
GEE_FAMILIES = {"binomial": "logit", "poisson": "log"}
"""Families and their links."""
GEE_CORRELATIONS = ("exchangeable", "independence")
"""Working correlations of a patient's rows."""
GEE_VCOV = ("mancl-derouen", "sandwich", "model")
"""Covariances of the coefficients: bias-reduced sandwich, plain sandwich, and that of the working correlation."""
ITERATIONS = 200


@dataclass(frozen=True, slots=True, eq=False)
class MarginalFit:
    """A marginal model fitted by generalised estimating equations.

    Attributes
    ----------
    frame
        The rows used, their design and its encoding.
    kept
        Positions of the design's columns that have an effect of their own.
    beta
        Coefficients, shape (terms,).
    covariance
        Their covariance, shape (terms, terms).
    df
        Degrees of freedom of t and F tests: patients minus coefficients.
    family, link, correlation, vcov_method
        As in `fit_marginal_model`.
    working_correlation
        Estimated correlation of two rows of a patient; 0 under independence.
    n_subjects
        Patients.
    convergence
        How the search ended.
    offset
        Added to the linear predictor, shape (n,).
    """

    frame: ModelFrame
    kept: NDArray[np.intp]
    beta: Array
    covariance: Array
    df: float
    family: str
    link: str
    correlation: str
    vcov_method: str
    working_correlation: float
    n_subjects: int
    convergence: Convergence
    offset: Array

    @property
    def formula(self) -> str:
        """The formula as read."""
        return self.frame.formula.text

    @property
    def converged(self) -> bool:
        """Whether the equations were solved."""
        return self.convergence.converged

    @property
    def n_obs(self) -> int:
        """Rows used."""
        return len(self.frame.y)

    @property
    def n_dropped(self) -> int:
        """Rows left out because a model variable was missing."""
        return self.frame.n_dropped

    @property
    def term_names(self) -> tuple[str, ...]:
        """Names of the coefficients."""
        return tuple(self.frame.columns[at] for at in self.kept)

    @property
    def standard(self) -> EstimableColumns:
        """The columns that marginal means are made of."""
        return EstimableColumns(self.kept)

    @property
    def aliased(self) -> tuple[str, ...]:
        """Columns dropped because they depend on those before them."""
        kept = set(self.kept.tolist())
        return tuple(name for at, name in enumerate(self.frame.columns) if at not in kept)

    @property
    def vcov(self) -> pd.DataFrame:
        """Covariance of the coefficients, terms x terms."""
        return pd.DataFrame(self.covariance, index=list(self.term_names), columns=list(self.term_names))

    @property
    def coefficients(self) -> pd.DataFrame:
        """Coefficients: ``term`` and the columns of `analyses.inference.COLUMNS`; log odds or log rates."""
        table = self.linear(np.eye(len(self.beta)))
        table.insert(0, "term", self.term_names)
        return table

    def linear(self, rows: ArrayLike, alpha: float = 0.05, null: float = 0.0) -> pd.DataFrame:
        """T tests of linear functions of the coefficients, a row each, shape (k, terms)."""
        given = np.atleast_2d(np.asarray(rows, dtype=float))
        variance = np.einsum("kp,pq,kq->k", given, self.covariance, given)
        degrees = np.full(len(given), self.df)
        return t_table(given @ self.beta, np.sqrt(np.maximum(variance, 0)), degrees, alpha, null)

    def estimates(self, rows: ArrayLike, alpha: float = 0.05, null: float = 0.0) -> pd.DataFrame:
        """T tests of linear functions of the design's columns `standard`, a row each."""
        return self.linear(rows, alpha, null)

    def estimable(self, rows: Array) -> NDArray[np.bool_]:
        """Whether functions of all columns (aliased ones included) are estimable, for rows (k, columns)."""
        if not self.aliased:
            return np.ones(len(rows), dtype=bool)
        found: NDArray[np.bool_] = ~(dependence(self, rows) != 0).any(axis=1)
        return found

    def design_rows(self, new_data: pd.DataFrame) -> Array:
        """Rows of the full design for new data, by the encoding remembered."""
        return encode(self.frame, new_data)

    def anova(self, type: int = 3) -> pd.DataFrame:
        """Wald F tests of the terms: ``term, num_df, den_df, statistic, p_value``."""
        rows = []
        for term, hypothesis in term_hypotheses(self.frame, self.kept, type).items():
            given = np.atleast_2d(hypothesis)
            value = given @ self.beta
            spread = given @ self.covariance @ given.T
            statistic = float(value @ np.linalg.solve(spread, value)) / len(given)
            tested = f_table([statistic], [float(len(given))], [self.df]).iloc[0]
            rows.append({"term": term, **{str(name): float(number) for name, number in tested.items()}})
        return pd.DataFrame(rows)

    def __repr__(self) -> str:
        return str(self)

    def __str__(self) -> str:
        table = self.coefficients.to_string(index=False, float_format=lambda value: f"{value:.4g}")
        counts = f"{self.n_obs} rows of {self.n_subjects} patients"
        counts += f", {self.n_dropped} left out for missing values" if self.n_dropped else ""
        return "\n".join(
            [
                f"Marginal {self.family} model ({self.link} link): {self.formula}",
                counts,
                f"working correlation: {self.working}; standard errors: {self.errors}",
                self.convergence.sentence,
                table,
            ]
        )

    @property
    def working(self) -> str:
        """The working correlation, with its estimate."""
        value = f" ({self.working_correlation:.3f})" if self.correlation == "exchangeable" else ""
        return f"{self.correlation}{value}"

    @property
    def errors(self) -> str:
        """Where the standard errors come from, and the degrees of freedom."""
        names = {"mancl-derouen": "Mancl and DeRouen's sandwich", "sandwich": "sandwich"}
        return f"{names.get(self.vcov_method, 'working model')}, t with {self.df:g} degrees of freedom"

    def _repr_html_(self) -> str:
        from analyses.display.html_views import marginal_fit_html

        return marginal_fit_html(self)


def fit_marginal_model(
    formula: str,
    data: pd.DataFrame,
    family: str = "binomial",
    patient: str = "patient",
    correlation: str = "exchangeable",
    vcov: str = "mancl-derouen",
    offset: str | None = None,
) -> MarginalFit:
    """Fit a marginal model of patients with several rows by generalised estimating equations.

    Parameters
    ----------
    formula
        Such as ``"responder ~ arm"``, without random effects; ``offset(log(days))`` may stand in it.
    data
        One row an observation; rows that miss a model variable are left out.
    family
        ``binomial`` (0/1 responses, logit link) or ``poisson`` (counts, log link).
    patient
        Column whose values are the clusters.
    correlation
        Working correlation: ``exchangeable`` or ``independence``. The sandwich holds where it is wrong.
    vcov
        ``mancl-derouen``: sandwich with residuals divided by one minus their leverage (Mancl LA & DeRouen TA 2001,
        Biometrics 57:126), which reduces its bias with few patients; ``sandwich``: Liang and Zeger's; ``model``: that
        of the working correlation.
    offset
        Column added to the linear predictor.

    Returns
    -------
    MarginalFit
        Tests are t with patients minus coefficients degrees of freedom, as Mancl and DeRouen found to hold the size;
        `analyses.marginal_means` takes the fit.

    Raises
    ------
    FormulaError
        Where the formula has random effects or cannot be read.
    DesignError
        Where there are no more patients than coefficients.
    ModelError
        Where the response is not of the family, or an option is unknown.
    ConvergenceError
        Where the responses separate, or the equations were not solved.
    """
    for name, value, known in (
        ("family", family, tuple(GEE_FAMILIES)),
        ("working correlation", correlation, GEE_CORRELATIONS),
        ("covariance", vcov, GEE_VCOV),
    ):
        if value not in known:
            raise ModelError(f"unknown {name}", expected=", ".join(known), got=repr(value))
    if not isinstance(data, pd.DataFrame):
        raise FormulaError(
            "the data must be a pandas DataFrame", expected="a DataFrame", got=type(data).__name__
        )
    if patient not in data.columns:
        raise ModelError(
            f"the data have no column {patient!r}",
            expected="the column that identifies the patient",
            got=", ".join(map(str, data.columns)),
        )
    given = data[data[patient].notna()]
    read = read_responses(formula, given, family, offset, None, None)
    frame = replace(read.frame, n_dropped=read.frame.n_dropped + len(data) - len(given))
    if frame.formula.random or frame.formula.residual is not None:
        raise FormulaError(
            "a marginal model has no random effects: the patient's column is named apart",
            expected=f"fixed effects, and patient={patient!r}",
            got=frame.formula.text,
        )
    kept = independent_columns(frame.x, None)
    clusters, _ = pd.factorize(given[patient].iloc[frame.kept])
    count = int(clusters.max()) + 1
    if count <= len(kept):
        raise DesignError(
            "a sandwich needs more patients than coefficients",
            expected=f"more than {len(kept)} patients",
            got=f"{count}",
            where=frame.formula.text,
        )
    _no_separation(frame, kept, family)
    order = np.argsort(clusters, kind="stable")
    return _solve(frame, kept, clusters, order, read.offset, family, correlation, vcov)


def _no_separation(frame: ModelFrame, kept: NDArray[np.intp], family: str) -> None:
    x, y = frame.x[:, kept], frame.y
    below = y < 1 if family == "binomial" else np.ones(len(y), dtype=bool)
    found = diverging_parameters(CumulativeRows(x, x, y > 0, below))
    if len(found):
        raise ConvergenceError(
            "the responses separate: the equations have no solution",
            expected="responders and others wherever an effect is estimated"
            if family == "binomial"
            else "counts above zero wherever an effect is estimated",
            got=f"infinite estimates of {', '.join(frame.columns[kept[at]] for at in found)}",
            where=frame.formula.text,
            hint="compare_responders needs no model; or join levels, or leave the term out",
        )


def _solve(
    frame: ModelFrame,
    kept: NDArray[np.intp],
    clusters: NDArray[np.intp],
    order: NDArray[np.intp],
    offset: Array,
    family: str,
    correlation: str,
    vcov: str,
) -> MarginalFit:
    import statsmodels.api as sm
    from statsmodels.tools.sm_exceptions import ConvergenceWarning, IterationLimitWarning

    families = {"binomial": sm.families.Binomial, "poisson": sm.families.Poisson}
    structures = {"exchangeable": sm.cov_struct.Exchangeable, "independence": sm.cov_struct.Independence}
    x = frame.x[:, kept]
    # columns of one size: an age beside a 0/1 column must not spoil the equations' convergence
    scale = np.sqrt((x**2).mean(axis=0))
    model = sm.GEE(
        frame.y[order],
        (x / scale)[order],
        groups=clusters[order],
        family=families[family](),
        cov_struct=structures[correlation](),
        offset=offset[order],
    )
    kind = {"mancl-derouen": "bias_reduced", "sandwich": "robust", "model": "naive"}[vcov]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = model.fit(cov_type=kind, maxiter=ITERATIONS, ctol=1e-10)
    failed = [one for one in caught if issubclass(one.category, ConvergenceWarning | IterationLimitWarning)]
    beta = np.asarray(result.params, dtype=float) / scale
    covariance = np.asarray(result.cov_params(), dtype=float) / np.outer(scale, scale)
    if failed or not (np.all(np.isfinite(beta)) and np.all(np.isfinite(covariance))):
        raise ConvergenceError(
            "the estimating equations were not solved",
            expected=f"a solution within {ITERATIONS} steps",
            got=str(failed[0].message) if failed else "numbers that are not finite",
            where=frame.formula.text,
            hint="correlation='independence', or fewer terms",
        )
    steps = len(result.fit_history["params"])
    score = float(np.abs(np.asarray(result.fit_history["score"][-1])).max())
    count = int(clusters.max()) + 1
    return MarginalFit(
        frame=frame,
        kept=kept,
        beta=beta,
        covariance=covariance,
        df=float(count - len(kept)),
        family=family,
        link=GEE_FAMILIES[family],
        correlation=correlation,
        vcov_method=vcov,
        working_correlation=float(np.asarray(model.cov_struct.dep_params))
        if correlation == "exchangeable"
        else 0.0,
        n_subjects=count,
        convergence=Convergence(
            True,
            f"Converged (generalised estimating equations, {steps} steps; largest score {score:.1g}).",
            "generalised estimating equations",
            steps,
            float("nan"),
            score,
        ),
        offset=offset,
    )
