"""Arms on the response's own scale: probabilities of grades and responses, mean counts, their differences and ratios.

Means are standardised over the rows used and averaged over the random effects (`analyses.probability.standardisation`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import scipy
from numpy.typing import NDArray

from analyses.contrasts import Weights
from analyses.links.generalized_fit import GeneralizedFit
from analyses.links.ordinal_fit import OrdinalFit
from analyses.means.contrast_table import number
from analyses.means.reference_grid import reference_grid
from analyses.probability.gee import MarginalFit
from analyses.probability.probability_contrasts import ProbabilityContrasts, probability_contrasts
from analyses.probability.standardisation import (
    LinkModel,
    Standardised,
    covariance_of,
    patients_of,
    standardise,
)
from outcomes.errors import ConvergenceError, ModelError

if TYPE_CHECKING:
    from analyses.probability.patient_bootstrap import BootstrappedProbabilities

__all__ = ["OF", "MarginalProbabilities", "marginal_probabilities", "odds_ratios"]

Array = NDArray[np.float64]
OF = ("grade", "at least", "mean grade")
"""What is averaged of an ordinal model: each grade's probability, that of a grade or a higher one, the mean grade."""


@dataclass(frozen=True, slots=True, eq=False)
class MarginalProbabilities:
    """Standardised means of a fit on the scale of its response.

    Attributes
    ----------
    fit
        The model.
    grid
        One row a point: its factors, the ``by`` factors last.
    means
        Estimates and slopes, their columns those of `columns`.
    columns
        Grades, the lowest grades of "at least", or one empty name where there is one mean a point.
    of
        What is averaged: one of `OF`, or ``probability``, ``mean count`` or ``mean fraction``.
    specs, by
        Names of the factors.
    at
        Where other variables were set.
    over, vcov
        As in `marginal_probabilities`.
    bounds
        Ends of the scale; None for an open one.
    covariance
        Of all means, points first, shape (points x columns, points x columns).
    df
        Degrees of freedom; infinite where the covariance is the model's.
    scores
        Numbers of the grades for the mean grade; else None.
    offset
        As in `marginal_probabilities`.
    every_at
        The values given, those of the factors too.
    """

    fit: LinkModel
    grid: pd.DataFrame
    means: Standardised
    columns: tuple[str, ...]
    of: str
    specs: tuple[str, ...]
    by: tuple[str, ...]
    at: Mapping[str, Any]
    over: str
    vcov: str
    bounds: tuple[float, float | None]
    covariance: Array
    df: float
    scores: tuple[float, ...] | None
    offset: float | None
    every_at: Mapping[str, Any]

    @property
    def named(self) -> str | None:
        """Name of the column that holds the grade; None where there is one mean a point."""
        return {"grade": "grade", "at least": "at_least"}.get(self.of)

    @property
    def table(self) -> pd.DataFrame:
        """The factors, the ``grade`` (or ``at_least``), then ``estimate, std_error, df, conf_low, conf_high``.

        The limits are made on the logit scale (log for counts), so that they stay within the scale.
        """
        return self.intervals(0.05)

    def intervals(self, alpha: float) -> pd.DataFrame:
        """`table` with limits at another level."""
        found = self.grid.loc[self.grid.index.repeat(len(self.columns))].reset_index(drop=True)
        if self.named is not None:
            found[self.named] = pd.Categorical(
                np.tile(self.columns, len(self.grid)), list(self.columns), ordered=True
            )
        estimate = self.means.value.reshape(-1)
        error = np.sqrt(np.maximum(np.diag(self.covariance), 0.0))
        low, high = bounded_limits(estimate, error, self.df, alpha, self.bounds)
        return found.assign(estimate=estimate, std_error=error, df=self.df, conf_low=low, conf_high=high)

    def contrast(
        self,
        method: str | Weights = "pairwise",
        measure: str = "difference",
        reference: Any = None,
        reverse: bool = False,
        adjust: str = "none",
        alpha: float = 0.05,
    ) -> ProbabilityContrasts:
        """Differences, ratios or odds ratios of the means within each level of the ``by`` factors and each grade.

        Parameters
        ----------
        method, reference, reverse
            As in `MarginalMeans.contrast`: ``pairwise``, ``trt.vs.ctrl``, ``{"name": {level: weight}}``, ...
        measure
            ``difference`` (risk difference); ``ratio`` (risk ratio, rate ratio): contrasts of logarithms; ``odds
            ratio``: contrasts of log odds, of probabilities and fractions only.
        adjust
            Adjustment over the contrasts of one level and grade.
        alpha
            One minus the confidence level.

        Returns
        -------
        ProbabilityContrasts
            ``.table``: ``contrast``, the ``by`` columns, the grade, then ``estimate, std_error, df, statistic,
            p_value, conf_low, conf_high``. Ratios are shown as ratios, with a standard error of the ratio (it times
            that of its logarithm), a test of the logarithm and limits made on the log scale.

        Raises
        ------
        ModelError
            Where a method, level or measure is unknown or does not suit.
        """
        return probability_contrasts(self, method, measure, reference, reverse, adjust, alpha)

    def number_needed_to_treat(
        self,
        method: str | Weights = "trt.vs.ctrl",
        reference: Any = None,
        reverse: bool = False,
        higher_is_better: bool = True,
        alpha: float = 0.05,
    ) -> pd.DataFrame:
        """Numbers needed to treat, one over the risk difference; see `ProbabilityContrasts.numbers_needed`."""
        return self.contrast(method, "difference", reference, reverse, "none", alpha).numbers_needed(
            higher_is_better
        )

    def bootstrap(
        self, rng: np.random.Generator, draws: int = 1000, alpha: float = 0.05, strata: str | None = None
    ) -> BootstrappedProbabilities:
        """Fit the model again to patients drawn with replacement; see `analyses.probability.patient_bootstrap`."""
        from analyses.probability.patient_bootstrap import bootstrap_probabilities

        return bootstrap_probabilities(self, rng, draws, alpha, strata)

    @property
    def what(self) -> str:
        """What is averaged, in words."""
        of = {"grade": "probability of each grade", "at least": "probability of a grade or a higher one"}
        return of.get(self.of, self.of)

    @property
    def averaging(self) -> tuple[str, ...]:
        """Sentences: what was averaged over, and what the standard errors cover."""
        people = patients_of(self.fit)
        units = "patients" if int(people.max()) + 1 == self.fit.n_subjects else "clusters"
        patients = "patients, each counted once" if self.over == "patients" else "rows used"
        held = [f"{name} {value}" for name, value in self.at.items()]
        said = f"Averaged over the covariates of the {self.fit.n_obs} {patients}"
        if self.over == "patients":
            said = f"Averaged over the covariates of the {int(people.max()) + 1} {patients}"
        said += " (standardisation)"
        said += " and over the random effects" if self.fit.random is not None else ""
        said += f", with {' and '.join(held)}." if held else "."
        covers = {
            "model": "Standard errors by the delta method, thresholds and variances included; the covariates are taken "
            "as they are.",
            "population": "Standard errors by the delta method, the sampling of the covariates included.",
            "robust": f"Standard errors by the sandwich over {self.fit.n_subjects} {units}, the sampling of the "
            "covariates included.",
        }[self.vcov]
        return said, covers

    def __repr__(self) -> str:
        return str(self)

    def __str__(self) -> str:
        table = self.table.to_string(index=False, float_format=number)
        return "\n".join([f"Marginal {self.what}: {self.fit.formula}", table, *self.averaging])

    def _repr_html_(self) -> str:
        from analyses.display.html_views import probabilities_html

        return probabilities_html(self)


def marginal_probabilities(
    fit: LinkModel,
    specs: str | Sequence[str],
    by: str | Sequence[str] | None = None,
    at: Mapping[str, Any] | None = None,
    of: str | None = None,
    over: str = "rows",
    vcov: str = "model",
    scores: Sequence[float] | None = None,
    offset: float | None = None,
) -> MarginalProbabilities:
    """Standardised probabilities or means by arm, averaged over covariates and random effects.

    Parameters
    ----------
    fit
        A model of `fit_ordinal_model` or `fit_generalized_model`.
    specs
        Factor, or factors, whose means are wanted, such as ``"arm"``.
    by
        Factors within whose levels contrasts are formed, such as ``"visit"``.
    at
        Values that further variables are set to in all rows, such as ``{"visit": "Week 24"}``; for a variable of
        ``specs`` or ``by``, the values wanted.
    of
        Of an ordinal model: ``grade`` (default), the probability of each; ``at least``, of this grade or a higher
        one; ``mean grade``, with the numbers of ``scores``. Other models have their mean.
    over
        ``rows``: every row used counts alike; ``patients``: every patient does.
    vcov
        ``model``, ``population`` or ``robust``; see `analyses.probability.standardisation.covariance_of`.
    scores
        Numbers of the grades for the mean grade, lowest first; 0, 1, 2, ... by default. They take the distances
        between grades as known.
    offset
        Added to the linear predictor of counts: 0 for rates per unit of exposure; None for the rows' own exposures.

    Returns
    -------
    MarginalProbabilities
        Variables not named keep the values of each row, so that every point is of the same population.

    Raises
    ------
    ModelError
        Where a name, level or option is not of the model.
    ConvergenceError
        Where the fit did not converge.

    Examples
    --------
    >>> p = marginal_probabilities(fit, "arm", by="visit", of="at least")  # doctest: +SKIP
    >>> p.contrast("trt.vs.ctrl", measure="difference").table  # doctest: +SKIP
    """
    if not isinstance(fit, OrdinalFit | GeneralizedFit):
        raise ModelError(
            "probabilities are of models of grades, responders, counts or fractions",
            expected="a fit of fit_ordinal_model or fit_generalized_model",
            got=type(fit).__name__,
            hint="marginal_means(...) for measurements",
        )
    if not fit.converged:
        raise ConvergenceError(
            "marginal probabilities of a fit that did not converge are refused",
            got=fit.convergence.sentence,
            where=fit.formula,
        )
    wanted = (specs,) if isinstance(specs, str) else tuple(specs)
    within = () if by is None else (by,) if isinstance(by, str) else tuple(by)
    held = dict(at or {})
    grid, points = points_of(fit, wanted, within, held)
    found = standardise(fit, points, over, offset)
    transform, columns, kind, bounds, numbers = quantity_of(fit, of, scores)
    found = Standardised(
        found.value @ transform.T,
        np.einsum("kc,pcq->pkq", transform, found.jacobian),
        found.influence @ transform.T,
    )
    covariance, df = covariance_of(fit, found, vcov)
    others = {name: value for name, value in held.items() if name not in (*wanted, *within)}
    return MarginalProbabilities(
        fit,
        grid,
        found,
        columns,
        kind,
        wanted,
        within,
        others,
        over,
        vcov,
        bounds,
        covariance,
        df,
        numbers,
        offset,
        held,
    )


def points_of(
    fit: LinkModel, specs: tuple[str, ...], by: tuple[str, ...], at: Mapping[str, Any]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the grid of the means, and the values that all rows are set to."""
    shown = {name: value for name, value in at.items() if name in (*specs, *by)}
    grid = reference_grid(fit, specs, by, at, "equal").table
    points = grid.copy()
    for name, value in at.items():
        if name in shown:
            continue
        if pd.api.types.is_list_like(value):
            raise ModelError(
                f"{name} takes one value in all rows",
                expected=f"a value, or {name} among the factors of the means",
                got=repr(value),
            )
        points[name] = value
    if not len(points.columns):
        points = pd.DataFrame(index=range(1))
        grid = points.copy()
    return grid, points


def quantity_of(
    fit: LinkModel, of: str | None, scores: Sequence[float] | None
) -> tuple[Array, tuple[str, ...], str, tuple[float, float | None], tuple[float, ...] | None]:
    """Return a matrix over the fit's columns, their names, what they are, the ends of their scale, and scores."""
    if isinstance(fit, GeneralizedFit):
        if of is not None or scores is not None:
            raise ModelError(
                "grades are of ordinal models", expected="of=None, scores=None", got=repr(of or scores)
            )
        kind = {"binomial": "probability", "beta": "mean fraction"}.get(fit.family, "mean count")
        return np.eye(1), ("",), kind, (0.0, 1.0 if kind != "mean count" else None), None
    count = len(fit.grades)
    chosen = "grade" if of is None else of
    if chosen not in OF:
        raise ModelError("unknown summary of grades", expected=", ".join(OF), got=repr(of))
    if chosen != "mean grade":
        if scores is not None:
            raise ModelError("scores are of the mean grade", expected='of="mean grade"', got=repr(of))
        if chosen == "grade":
            return np.eye(count), fit.grades, chosen, (0.0, 1.0), None
        return np.triu(np.ones((count, count)))[1:], fit.grades[1:], chosen, (0.0, 1.0), None
    # grades that nobody has keep their number, so that a mean of G0, G1 and G3 is on the scale as declared
    own = [float(fit.labels.index(grade)) for grade in fit.grades] if scores is None else list(scores)
    if len(own) != count or not np.all(np.diff(own) > 0) or not np.all(np.isfinite(own)):
        raise ModelError(
            "scores are one rising number for each grade",
            expected=f"{count} numbers, for {', '.join(fit.grades)}",
            got=repr(scores),
        )
    return np.array([own]), ("",), chosen, (own[0], own[-1]), tuple(own)


def bounded_limits(
    estimate: Array, error: Array, df: float, alpha: float, bounds: tuple[float, float | None]
) -> tuple[Array, Array]:
    """Limits made on the logit scale between two ends, on the log scale above one; equal where the error is zero."""
    half = float(scipy.stats.t.isf(alpha / 2, df))
    low, high = bounds
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        if high is None:
            factor = np.exp(half * error / (estimate - low))
            return low + (estimate - low) / factor, low + (estimate - low) * factor
        share = (estimate - low) / (high - low)
        centre = np.log(share / (1 - share))
        width = half * error / (high - low) / (share * (1 - share))
        lower, upper = 1 / (1 + np.exp(width - centre)), 1 / (1 + np.exp(-width - centre))
    return low + (high - low) * lower, low + (high - low) * upper


def odds_ratios(fit: LinkModel | MarginalFit, alpha: float = 0.05) -> pd.DataFrame:
    """Exponentials of the coefficients with their limits: odds, rate or hazard ratios.

    Those of mixed models are conditional: they compare lesions of the same patient (given the random effects and all
    other terms), and odds ratios lie farther from one than the marginal ones of `marginal_probabilities` or of
    `fit_marginal_model`.

    Parameters
    ----------
    fit
        A model of grades, responders or counts with a logit, log or complementary log-log link.
    alpha
        One minus the confidence level.

    Returns
    -------
    DataFrame
        ``term, measure, estimate, std_error, df, statistic, p_value, conf_low, conf_high``: ratios (a standard error
        is the ratio times that of its logarithm), tests of the logarithms. Intercept and thresholds are left out.

    Raises
    ------
    ModelError
        Where the link has no ratio.
    """
    measure = {"logit": "odds ratio", "log": "rate ratio", "cloglog": "hazard ratio"}.get(fit.link)
    if measure is None:
        raise ModelError(
            f"coefficients of the {fit.link} link are no logarithms of ratios",
            expected="logit, log or cloglog",
            got=fit.link,
            hint="marginal_probabilities(...).contrast(..., measure='odds ratio') has marginal ones",
        )
    left_out = {"Intercept"} | (set(fit.thresholds_of.names) if isinstance(fit, OrdinalFit) else set())
    table = fit.coefficients if alpha == 0.05 else _at_level(fit, alpha)
    table = table[~table["term"].isin(left_out)].reset_index(drop=True)
    ratio = np.exp(table["estimate"])
    table = table.assign(
        estimate=ratio,
        std_error=ratio * table["std_error"],
        conf_low=np.exp(table["conf_low"]),
        conf_high=np.exp(table["conf_high"]),
    )
    table.insert(1, "measure", measure)
    return table


def _at_level(fit: LinkModel | MarginalFit, alpha: float) -> pd.DataFrame:
    if isinstance(fit, GeneralizedFit) and fit.penalty:
        raise ModelError("profile limits under Firth's penalty are at 95 %", expected="alpha=0.05", got=alpha)
    table = fit.linear(np.eye(len(fit.term_names)), alpha)
    table.insert(0, "term", fit.term_names)
    return table
