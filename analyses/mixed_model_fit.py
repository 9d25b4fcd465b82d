"""A fitted Gaussian mixed model: its estimates, tests, predictions and residuals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from analyses.anova import term_hypotheses
from analyses.crossproducts import Layout
from analyses.design.encoding import encode
from analyses.design.model_frame import ModelFrame
from analyses.design.standardise import Standardised
from analyses.engine.covariance_model import CovarianceModel
from analyses.engine.estimation import parameter_table
from analyses.engine.lag_covariance import covariance_over_time, shown_times
from analyses.engine.marginal_residuals import marginal_residuals
from analyses.engine.optimise import Convergence
from analyses.engine.random_effects import conditional_modes
from analyses.engine.symmetric import Symmetric
from analyses.examine.bootstrap import bootstrap_intervals
from analyses.examine.influence import cooks_distance
from analyses.examine.simulate_responses import simulate_responses
from analyses.examine.variance_intervals import profile_intervals
from analyses.fallback import FallbackStep
from analyses.inference import f_table, t_table
from analyses.small_sample import SmallSample
from outcomes.errors import ModelError, NotEstimableError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array = NDArray[np.float64]
Codes = NDArray[np.intp]


@dataclass(frozen=True, slots=True, eq=False)
class MixedModelFit:
    """A fitted Gaussian mixed model.

    Attributes
    ----------
    frame
        The rows used, their design and its encoding.
    beta
        Fixed effects, shape (p,), in the order of ``term_names``.
    loglik
        (Restricted) log-likelihood, with all constants, as lme4 and mmrm report it.
    reml
        Whether it is the restricted one.
    convergence
        How the search ended, with a sentence; ``converged`` is its truth.
    theta
        Search parameters of ``model`` for the standardised response, shape (h,).
    component_matrices
        Covariance matrix of each component of ``model``, random terms first.
    cluster
        Code of every row's unit of the coarsest subject that no other crosses, shape (n,).
    n_subjects
        Number of these units: patients, where raters see several patients each.
    crossed
        Positions of the random terms that stand beside the clusters of ``layout`` and not within them: those whose
        subjects cross others, and coarse ones of few units with many rows (`analyses.engine.border`).
    walk
        Where the fit was to fall back: every model that was tried, the one fitted last; else empty.
    df_method, information
        How tests are made, and which information was used (as it was possible).
    """

    frame: ModelFrame
    model: CovarianceModel
    layout: Layout
    standard: Standardised
    beta: Array
    small_sample: SmallSample
    loglik: float
    reml: bool
    convergence: Convergence
    theta: Array
    component_matrices: tuple[Array, ...]
    inverses: Sequence[Array]
    cluster: Codes
    n_subjects: int
    crossed: tuple[int, ...] = ()
    walk: tuple[FallbackStep, ...] = ()

    @property
    def formula(self) -> str:
        """The formula as written."""
        return self.frame.formula.text

    @property
    def df_method(self) -> str:
        """Method of the degrees of freedom."""
        return self.small_sample.method

    @property
    def information(self) -> str:
        """Information of the covariance parameters that inference used."""
        return self.small_sample.information

    @property
    def converged(self) -> bool:
        """Whether the optimum was reached."""
        return self.convergence.converged

    @property
    def n_obs(self) -> int:
        """Rows used."""
        return self.frame.n_rows

    @property
    def n_dropped(self) -> int:
        """Rows left out because a model variable was missing."""
        return self.frame.n_dropped

    @property
    def term_names(self) -> tuple[str, ...]:
        """Names of the fixed effects."""
        return tuple(self.frame.columns[at] for at in self.standard.kept)

    @property
    def aliased(self) -> tuple[str, ...]:
        """Columns dropped because they depend on those before them."""
        kept = set(self.standard.kept.tolist())
        return tuple(name for at, name in enumerate(self.frame.columns) if at not in kept)

    @property
    def covariance_parameters(self) -> pd.DataFrame:
        """Natural parameters in the response's unit: ``parameter, estimate, std_error``."""
        return parameter_table(self.model, self.theta, self.small_sample.w, self.standard.scale)

    @property
    def n_covariance_parameters(self) -> int:
        """Number of covariance parameters."""
        return self.model.n_parameters

    @property
    def aic(self) -> float:
        """Akaike's criterion; under REML only covariance parameters count, as in mmrm and PROC MIXED."""
        return -2 * self.loglik + 2 * self._n_counted

    @property
    def bic(self) -> float:
        """Schwarz's criterion with the number of subjects as sample size, as in mmrm and PROC MIXED."""
        return float(-2 * self.loglik + np.log(self.n_subjects) * self._n_counted)

    @property
    def aicc(self) -> float:
        """AIC corrected for small samples (Hurvich and Tsai 1989), ``-2 l + 2 q n / (n - q - 1)``.

        As in PROC MIXED, n is the number of rows, under REML less the fixed effects, and at least q + 2.
        """
        q = self._n_counted
        n = max(self.n_obs - (len(self.beta) if self.reml else 0), q + 2)
        return -2 * self.loglik + 2 * q * n / (n - q - 1)

    @property
    def _n_counted(self) -> int:
        return self.n_covariance_parameters + (0 if self.reml else len(self.beta))

    @property
    def vcov(self) -> pd.DataFrame:
        """Covariance of the fixed effects (adjusted where the df method adjusts it), terms x terms."""
        matrix = self._spread(self.small_sample.adjusted)
        unknown = self._unknown_terms()
        matrix[unknown, :] = matrix[:, unknown] = np.nan
        return pd.DataFrame(matrix, index=self.term_names, columns=self.term_names)

    @property
    def vcov_model(self) -> pd.DataFrame:
        """Model-based covariance of the fixed effects, without adjustment."""
        matrix = self._spread(self.small_sample.phi)
        return pd.DataFrame(matrix, index=self.term_names, columns=self.term_names)

    def _unknown_terms(self) -> NDArray[np.bool_]:
        return self.small_sample.unknown(self.standard.transform)

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader must know of the numbers: coefficients whose standard errors a sandwich cannot give."""
        robust, unknown = self.small_sample.sandwich, self._unknown_terms()
        if robust is None or not unknown.any():
            return ()
        names = ", ".join(name for name, yes in zip(self.term_names, unknown, strict=True) if yes)
        return (
            f"The sandwich {robust.kind} has no standard error for what rests on one cluster alone (a patient, or the "
            f"coarsest subject): {names}. That cluster's residuals say nothing of it, and a number would leave its "
            'variance out; vcov="model" has one.',
        )

    def _spread(self, standard: Array) -> Array:
        t = self.standard.transform
        spread: Array = self.standard.scale**2 * t @ standard @ t.T
        return spread

    @property
    def coefficients(self) -> pd.DataFrame:
        """Fixed effects: ``term, estimate, std_error, df, statistic, p_value, conf_low, conf_high``."""
        table = self.estimates(np.eye(len(self.beta)))
        table.insert(0, "term", self.term_names)
        return table

    @property
    def covariance(self) -> pd.DataFrame | dict[str, pd.DataFrame]:
        """Residual covariance, levels x levels; a dict of them where it is by group.

        Of ``sp_exp`` over many times, at a few evenly spaced over those observed; `covariance_at` gives it at any.
        """
        time = self.frame.residual.design.time
        if time is not None:
            return self.covariance_at(shown_times(time))
        labels = self._residual_labels()
        groups = self.frame.residual.groups
        matrices = self.component_matrices[len(self.frame.random_labels) :]
        tables = [pd.DataFrame(matrix, index=labels, columns=labels) for matrix in matrices]
        return tables[0] if groups == ("",) else dict(zip(groups, tables, strict=True))

    def covariance_at(self, times: ArrayLike) -> pd.DataFrame | dict[str, pd.DataFrame]:
        """Residual covariance at times of your choice, of ``sp_exp``; a dict where it is by group.

        Parameters
        ----------
        times
            Shape (k,), in the unit of the coordinate.

        Raises
        ------
        ModelError
            Where the covariance is over levels, or times are not finite.
        """
        return covariance_over_time(self, np.asarray(times, dtype=float))

    def _residual_labels(self) -> list[str]:
        labels = [""]
        for levels in self.frame.residual.levels:
            labels = [f"{label}, {level}" if label else level for label in labels for level in levels]
        return labels

    @property
    def variance_components(self) -> pd.DataFrame:
        """Random effects and residual: ``group, term, variance, sd, correlation``.

        Of terms with several effects the correlation with the term's first effect is given. A variance below zero
        (``bounded=False``) has no standard deviation and no correlation: NaN.
        """
        rows: list[dict[str, Any]] = []
        random = zip(self.frame.formula.random, self.frame.random_labels, strict=True)
        named = [(":".join(term.subject), labels) for term, labels in random]
        labels = tuple(self._residual_labels())
        for group in self.frame.residual.groups:
            named.append((f"Residual {group}".strip(), labels if labels != ("residual",) else ("",)))
        for (group, terms), matrix in zip(named, self.component_matrices, strict=True):
            variances = np.diag(matrix)
            spread = np.sqrt(np.where(variances < 0, np.nan, variances))
            for at, term in enumerate(terms):
                product = spread[0] * spread[at]
                correlation = matrix[0, at] / product if at and product > 0 else np.nan
                rows.append(
                    {
                        "group": group,
                        "term": term,
                        "variance": matrix[at, at],
                        "sd": spread[at],
                        "correlation": correlation,
                    }
                )
        return pd.DataFrame(rows)

    @property
    def random_effects(self) -> pd.DataFrame:
        """Conditional modes with their standard errors: ``group, unit, term, estimate, std_error``.

        Effects whose covariance lies below zero (``bounded=False``) have no distribution: NaN.
        """
        squared = self.standard.scale**2
        weighted = np.sqrt(self.frame.weights) * self.residuals("raw")
        inverses = tuple(inverse / squared for inverse in self.inverses)
        return conditional_modes(
            self.frame, self.layout, self.component_matrices, inverses, weighted, self.crossed
        )

    def estimates(self, rows: ArrayLike, alpha: float = 0.05, null: float = 0.0) -> pd.DataFrame:
        """T tests of several linear functions of the coefficients, a row each.

        Parameters
        ----------
        rows
            Shape (k, p), over ``term_names``. A row of NaN gives a row of NaN: not estimable.
        alpha
            One minus the confidence level.
        null
            Value under the null hypothesis.
        """
        rows = np.atleast_2d(np.asarray(rows, dtype=float))
        standard = rows @ self.standard.transform
        variance = np.einsum("kp,pq,kq->k", standard, self.small_sample.adjusted, standard)
        # Below zero only where the search failed; the adjusted covariance is then no covariance.
        lost = (variance < 0) | self.small_sample.unknown(standard)
        error = self.standard.scale * np.sqrt(np.where(lost, np.nan, variance))
        return t_table(rows @ self.beta, error, self.small_sample.row_df(standard), alpha, null)

    def test(self, hypothesis: ArrayLike, rhs: ArrayLike = 0.0) -> pd.DataFrame:
        """Test ``L beta = rhs``: a t test of a row vector, an F test of a matrix.

        Parameters
        ----------
        hypothesis
            L, shape (p,) or (q, p), over ``term_names``.
        rhs
            Number, or shape (q,).

        Returns
        -------
        DataFrame
            One row: the columns of ``coefficients`` without the term, or ``num_df, den_df, statistic, p_value``.

        Raises
        ------
        ModelError
            Where L has not one column a coefficient, or its rows depend on one another.
        """
        rows = np.asarray(hypothesis, dtype=float)
        if rows.shape[-1] != len(self.beta):
            raise ModelError(
                "a hypothesis needs one number a coefficient",
                expected=f"{len(self.beta)} columns: {', '.join(self.term_names)}",
                got=f"shape {rows.shape}",
            )
        if rows.ndim == 1:
            return self.estimates(rows, null=float(np.asarray(rhs)))
        if np.linalg.matrix_rank(rows) < len(rows):
            raise ModelError(
                "the rows of a hypothesis depend on one another",
                expected=f"rank {len(rows)}",
                got=f"rank {np.linalg.matrix_rank(rows)}",
            )
        difference = (rows @ self.beta - np.asarray(rhs, dtype=float)) / self.standard.scale
        statistic, numerator, denominator = self.small_sample.f_test(
            rows @ self.standard.transform, difference
        )
        return f_table([statistic], [numerator], [denominator])

    def anova(self, type: int = 3) -> pd.DataFrame:
        """F tests of the model's terms: ``term, num_df, den_df, statistic, p_value``.

        Parameters
        ----------
        type
            1 (each term adjusted for those before it), 2 (for all that do not contain it) or 3 (equal weights over
            cells, whatever the coding); see `analyses.anova`.
        """
        hypotheses = term_hypotheses(self.frame, self.standard.kept, type)
        table = pd.concat([self.test(np.atleast_2d(rows)) for rows in hypotheses.values()], ignore_index=True)
        table.insert(0, "term", list(hypotheses))
        return table

    def estimable(self, rows: Array) -> NDArray[np.bool_]:
        """Whether functions of all columns (aliased ones included) are estimable, shape (k,) for rows (k, columns)."""
        if not self.aliased:
            return np.ones(len(rows), dtype=bool)
        x = self.frame.root
        size = np.sqrt((x**2).sum(axis=0))
        size = np.where(size > 0, size, 1.0)
        basis = np.linalg.svd(np.linalg.qr(x / size, mode="r"))[2]
        null = basis[len(self.standard.kept) :].T
        scaled = rows / size
        outside = np.abs(scaled @ null).max(axis=1)
        estimable: NDArray[np.bool_] = outside <= 1e-8 * np.maximum(np.linalg.norm(scaled, axis=1), 1e-300)
        return estimable

    def predict(self, new_data: pd.DataFrame | None = None, alpha: float = 0.05) -> pd.DataFrame:
        """Fixed-effects prediction: ``estimate, std_error, df, conf_low, conf_high`` for each row.

        Raises
        ------
        NotEstimableError
            Where a row's prediction depends on an aliased coefficient.
        """
        full = self.frame.x if new_data is None else self.design_rows(new_data)
        bad = np.flatnonzero(~self.estimable(full))
        if len(bad):
            raise NotEstimableError(
                "a prediction is not estimable from these data",
                got=f"{len(bad)} rows, the first at position {bad[0]}",
                where=self.formula,
                hint=f"it depends on {', '.join(self.aliased)}",
            )
        table = self.estimates(full[:, self.standard.kept], alpha)
        table.index = self.frame.data.index if new_data is None else new_data.index
        return table[["estimate", "std_error", "df", "conf_low", "conf_high"]]

    def design_rows(self, new_data: pd.DataFrame) -> Array:
        """Rows of the full fixed-effects design (aliased columns included) for new data, by the encoding remembered.

        Raises
        ------
        ModelError
            Where a level was not in the data that the model was fitted to.
        """
        return encode(self.frame, new_data)

    @property
    def fitted(self) -> Array:
        """Fixed-effects fit of the rows used, shape (n,)."""
        values: Array = self.frame.x[:, self.standard.kept] @ self.beta
        return values

    def residuals(self, kind: str = "raw") -> Array:
        """Residuals of the rows used, shape (n,).

        Parameters
        ----------
        kind
            ``raw``: response minus fixed-effects fit; ``pearson``: over the marginal standard deviation;
            ``normalised``: whitened, so that their sum of squares is ``r'V^-1 r``; see
            `analyses.engine.marginal_residuals`.
        """
        raw = self.standard.w[:, -1] * self.standard.scale - self._beta_step()
        if kind not in ("raw", "pearson", "normalised"):
            raise ModelError(
                "unknown kind of residual", expected="raw, pearson or normalised", got=repr(kind)
            )
        root = np.sqrt(self.frame.weights)
        if kind == "raw":
            plain: Array = raw / root
            return plain
        covariances = self.component_matrices[: len(self.frame.random)]
        return marginal_residuals(
            kind, self.frame, self.layout, covariances, self.inverses, self.standard.scale, raw, self.crossed
        )

    def refit(
        self,
        reml: bool | None = None,
        df_method: str | None = None,
        vcov: str | None = None,
        information: str | None = None,
    ) -> MixedModelFit:
        """Fit the same model to the same rows with other options; None keeps what this fit has.

        Parameters and errors are those of `analyses.fit_mixed_model`.
        """
        from analyses.mixed_model import check_options, fit_model_frame  # which builds this class

        check_options(df_method or self.df_method, vcov or "model", information or "observed")
        robust = self.small_sample.sandwich
        return fit_model_frame(
            self.frame,
            self.reml if reml is None else reml,
            df_method or self.df_method,
            information or self.information.split()[0],
            vcov or ("model" if robust is None else robust.kind),
            not any(isinstance(component.structure, Symmetric) for component in self.model.components),
        )

    def simulate(self, rng: np.random.Generator, draws: int | None = None) -> pd.Series | pd.DataFrame:
        """Draw new responses from the model: a Series of shape (n,), or a DataFrame of shape (draws, n).

        Parameters, result and errors: `analyses.examine.simulate_responses.simulate_responses`.
        """
        return simulate_responses(self, rng, draws)

    def profile_intervals(
        self,
        alpha: float = 0.05,
        parameters: Sequence[str] | None = None,
        scale: str = "variance",
    ) -> pd.DataFrame:
        """Profile-likelihood intervals of variances, covariances and correlations.

        Parameters, result and errors: `analyses.examine.variance_intervals.profile_intervals`.
        """
        return profile_intervals(self, alpha, parameters, scale)

    def bootstrap_intervals(
        self,
        rng: np.random.Generator,
        draws: int = 1000,
        alpha: float = 0.05,
        parameters: Sequence[str] | None = None,
        scale: str = "variance",
        coefficients: bool = False,
        n_jobs: int = 1,
    ) -> pd.DataFrame:
        """Percentile intervals of covariance parameters from responses drawn from the model.

        Parameters, result and errors: `analyses.examine.bootstrap.bootstrap_intervals`.
        """
        return bootstrap_intervals(self, rng, draws, alpha, parameters, scale, coefficients, n_jobs)

    def cooks_distance(
        self,
        by: str | Sequence[str] | None = None,
        coefficients: bool = False,
        refit: bool = False,
    ) -> pd.DataFrame:
        """Cook's distance of every patient (or other unit), and what each changes of the coefficients.

        Parameters, result and errors: `analyses.examine.influence.cooks_distance`.
        """
        return cooks_distance(self, by, coefficients, refit)

    def _beta_step(self) -> Array:
        """Weighted fit beyond the least-squares one, which the response has already been relieved of."""
        step = np.linalg.solve(self.standard.transform, self.beta - self.standard.offset)
        fit: Array = self.standard.w[:, :-1] @ step
        return fit

    def plot_residuals(
        self, kind: str = "pearson", by: str | Sequence[Any] | pd.Series | None = None
    ) -> Figure:
        """Residuals against fitted values (fixed effects) with a smooth curve, as a matplotlib Figure.

        Parameters
        ----------
        kind
            As in `residuals`; those but ``raw`` are in standard deviations, and lines stand at -2 and 2.
        by
            Factor whose levels have a colour and a marker each: a variable of the model, or values of the rows used
            or given.
        """
        from analyses.display.diagnostic_plots import plot_residuals

        return plot_residuals(self, kind, by)

    def plot_quantiles(self, kind: str = "normalised", envelope: str = "pointwise") -> Figure:
        """Normal quantile plot of the residuals with a 95 % envelope, as a matplotlib Figure.

        Parameters
        ----------
        kind
            As in `residuals`; the normalised ones alone are independent where the model is right.
        envelope
            ``pointwise`` (holds each point with 95 % probability) or ``simultaneous`` (holds all together).
        """
        from analyses.display.diagnostic_plots import plot_quantiles

        return plot_quantiles(self, kind, envelope)

    def plot_covariance(self, kind: str = "correlation", part: str | None = None) -> Figure:
        """Heat map of the estimated covariance, as a matplotlib Figure.

        Parameters
        ----------
        kind
            ``correlation`` (standard deviations on the diagonal) or ``covariance``.
        part
            ``residual``, ``random``, ``components`` (both) or ``marginal`` (of the subject with most rows); None takes
            the components, or the marginal covariance where each is a single variance.
        """
        from analyses.display.covariance_plot import plot_covariance

        return plot_covariance(self, kind, part)

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        from analyses.display.html_views import mixed_model_html

        return mixed_model_html(self)

    def __str__(self) -> str:
        kind = "REML" if self.reml else "ML"
        head = f"Gaussian mixed model by {kind}: {self.formula}"
        counts = f"{self.n_obs} rows of {self.n_subjects} subjects" + (
            f", {self.n_dropped} left out for missing values" if self.n_dropped else ""
        )
        numbers = f"log-likelihood {self.loglik:.4f}, AIC {self.aic:.2f}, BIC {self.bic:.2f}; tests: {self.df_method}"
        alias = [f"dropped as aliased: {', '.join(self.aliased)}"] if self.aliased else []
        table = self.coefficients.to_string(index=False, float_format=lambda value: f"{value:.4g}")
        left = [f"left: {step}" for step in self.walk[:-1]]
        return "\n".join(
            [head, counts, numbers, self.convergence.sentence, *self.notes, *left, *alias, table]
        )
