"""What a notebook shows of each result: the facts and tables that its view is made of.

A new kind of fit needs one line, ``return fit_html(self, "Binomial model")``; everything that all fits have is shown,
and subjects, degrees of freedom and variance components where it has them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import pandas as pd

from analyses.display.html_tables import (
    HtmlTable,
    HtmlView,
    estimate_table,
    matrix_table,
    number_table,
    to_html,
)
from outcomes.rounding import MINUS, number_text, significant

if TYPE_CHECKING:
    from analyses.claims.verdict import Verdict
    from analyses.engine.optimise import Convergence
    from analyses.links.generalized_fit import GeneralizedFit
    from analyses.links.ordinal_fit import OrdinalFit
    from analyses.marginal_means import MarginalMeans
    from analyses.means.contrast_table import ContrastTable
    from analyses.mixed_model_fit import MixedModelFit
    from analyses.probability.gee import MarginalFit
    from analyses.probability.probability_contrasts import ProbabilityContrasts
    from analyses.probability.probability_scale import MarginalProbabilities

__all__ = [
    "Fit",
    "contrasts_html",
    "fit_html",
    "generalized_html",
    "marginal_fit_html",
    "means_html",
    "mixed_model_html",
    "ordinal_html",
    "probabilities_html",
    "probability_contrasts_html",
    "verdict_html",
]

LEVEL = 0.95
"""Confidence level of the tables that fits and means have without being asked for another."""

DF_METHODS = {
    "kenward-roger-linear": "Kenward and Roger, linear",
    "kenward-roger": "Kenward and Roger",
    "satterthwaite": "Satterthwaite",
    "between-within": "between-within",
    "residual": "residual",
    "asymptotic": "none: normal and chi-squared tests",
}

COMPONENT_HEADINGS = {
    "group": "Group",
    "term": "Term",
    "variance": "Variance",
    "sd": "SD",
    "correlation": "Correlation with the first",
    "std_error": "SE",
    "log_sd_std_error": "SE of log SD",
}


class Fit(Protocol):
    """What every fitted model shows."""

    @property
    def formula(self) -> str:
        """The formula as written."""

    @property
    def n_obs(self) -> int:
        """Rows used."""

    @property
    def n_dropped(self) -> int:
        """Rows left out because a model variable was missing."""

    @property
    def convergence(self) -> Convergence:
        """How the search ended."""

    @property
    def loglik(self) -> float:
        """Log-likelihood."""

    @property
    def aic(self) -> float:
        """Akaike's criterion."""

    @property
    def bic(self) -> float:
        """Schwarz's criterion."""

    @property
    def coefficients(self) -> pd.DataFrame:
        """``term`` and the columns of `analyses.inference.COLUMNS`."""

    @property
    def aliased(self) -> tuple[str, ...]:
        """Columns dropped because they depend on those before them."""


def fit_html(
    fit: Fit,
    heading: str,
    *,
    facts: Sequence[tuple[str, str]] = (),
    tables: Sequence[HtmlTable] = (),
    notes: Sequence[str] = (),
    caption: str = "Coefficients",
) -> str:
    """Return the HTML that every fit has: its formula, rows, convergence, criteria and coefficients.

    Parameters
    ----------
    fit
        The fit. Where it has ``n_subjects``, ``df_method``, ``variance_components`` or ``notes``, they are shown too.
    heading
        What it is, such as "Gaussian mixed model".
    facts, tables, notes
        What this kind of fit shows beside them.
    caption
        Name of the table of coefficients.
    """
    subjects, method = getattr(fit, "n_subjects", None), getattr(fit, "df_method", None)
    components = getattr(fit, "variance_components", None)
    rows = counted(fit.n_obs, "row")
    if subjects is not None and subjects < fit.n_obs:
        rows += f" of {counted(subjects, 'subject')}"
    shown: list[tuple[str, str]] = [
        ("Formula", fit.formula),
        ("Rows used", rows),
        (
            "Rows left out",
            f"{counted(fit.n_dropped, 'row')}, for a missing model variable" if fit.n_dropped else "none",
        ),
        *facts,
    ]
    if method is not None:
        shown.append(("Degrees of freedom", DF_METHODS.get(method, method)))
    shown.append(("Convergence", fit.convergence.sentence))
    shown += [("Log-likelihood", number_text(fit.loglik, 2))]
    shown += [("AIC", number_text(fit.aic, 2)), ("BIC", number_text(fit.bic, 2))]
    if fit.aliased:
        shown.append(("Dropped terms", f"{', '.join(fit.aliased)} (they depend on the terms before them)"))
    found = [estimate_table(caption, fit.coefficients, LEVEL), *tables]
    if isinstance(components, pd.DataFrame) and len(components):
        found.append(components_table(components))
    said = (*getattr(fit, "notes", ()), *notes)
    return to_html(HtmlView(heading, tuple(shown), tuple(found), notes=said))


def components_table(components: pd.DataFrame) -> HtmlTable:
    """Return the table of variance components: ``group, term``, then their numbers."""
    table = components
    if (table["term"] == "").all():
        table = table.drop(columns="term")
    if "correlation" in table and table["correlation"].isna().all():
        table = table.drop(columns="correlation")
    labels = 2 if "term" in table else 1
    return number_table("Variance components", table, labels, COMPONENT_HEADINGS)


def counted(count: int, singular: str) -> str:
    """Return "1 row", "30 rows"."""
    return f"{count} {singular}{'' if count == 1 else 's'}"


def mixed_model_html(fit: MixedModelFit) -> str:
    """Return the view of a Gaussian mixed model: also its method and its residual covariance."""
    sandwich = fit.small_sample.sandwich
    method = "restricted maximum likelihood (REML)" if fit.reml else "maximum likelihood (ML)"
    facts = [("Method", method), ("Covariance parameters", str(fit.n_covariance_parameters))]
    if len(fit.walk) > 1:
        facts.append(("Left before it", "; ".join(str(step) for step in fit.walk[:-1])))
    if sandwich is not None:
        facts.append(("Standard errors", f"robust to the covariance: sandwich {sandwich.kind}"))
    return fit_html(
        fit, "Gaussian mixed model", facts=facts, tables=covariance_tables(fit), caption="Fixed effects"
    )


def covariance_tables(fit: MixedModelFit) -> tuple[HtmlTable, ...]:
    """Return the residual covariance, a table a group; none where it is one variance."""
    found = fit.covariance
    matrices = found if isinstance(found, dict) else {"": found}
    return tuple(
        matrix_table(f"Residual covariance, {name}" if name else "Residual covariance", matrix)
        for name, matrix in matrices.items()
        if len(matrix) > 1
    )


def ordinal_html(fit: OrdinalFit) -> str:
    """Return the view of a cumulative link model: also its grades, its link and its thresholds."""
    facts = [("Grades, lowest first", ", ".join(fit.grades)), ("Link", fit.link)]
    tables = []
    if fit.threshold != "flexible":
        facts.append(("Thresholds", fit.threshold))
        tables.append(estimate_table("Thresholds", fit.threshold_table, LEVEL))
    note = "A positive effect means a higher grade; a term such as G0|G1 is the threshold between two grades."
    return fit_html(fit, "Cumulative link model", facts=facts, tables=tables, notes=(note,))


def generalized_html(fit: GeneralizedFit) -> str:
    """Return the view of a generalised linear (mixed) model: also its family, link, penalty and dispersion."""
    facts = [("Family", fit.family), ("Link", fit.link)]
    if fit.penalty is not None:
        facts.append(
            ("Penalty", f"{fit.penalty.capitalize()}; intervals and tests are of the penalised profile")
        )
    headings = {
        "parameter": "Parameter",
        "estimate": "Estimate",
        "log_std_error": "SE of its log",
        "conf_low": "95\N{NO-BREAK SPACE}%\N{NO-BREAK SPACE}CI from",
        "conf_high": "to",
    }
    dispersion = fit.dispersion
    tables = [number_table("Dispersion", dispersion, 1, headings)] if len(dispersion) else []
    return fit_html(fit, "Generalised linear model", facts=facts, tables=tables)


def means_html(means: MarginalMeans) -> str:
    """Return the view of marginal means: the means, what was averaged over and held, what is not estimable."""
    names = ", ".join(means.specs) or "the response"
    within = f" by {', '.join(means.by)}" if means.by else ""
    facts = [("Model", means.fit.formula)]
    method = getattr(means.fit, "df_method", None)
    if method is not None:
        facts.append(("Degrees of freedom", DF_METHODS.get(method, method)))
    table = estimate_table(f"Marginal means of {names}{within}", means.table, LEVEL)
    notes = (*means.averaging, *_first(means.not_estimable))
    return to_html(HtmlView("Marginal means", tuple(facts), (table,), notes=notes))


def contrasts_html(contrasts: ContrastTable) -> str:
    """Return the view of contrasts, with what was tested, how it was adjusted, and what is not estimable."""
    table = estimate_table("Contrasts of marginal means", contrasts.table, 1 - contrasts.alpha)
    notes = [contrasts.adjustment.removesuffix(".") + "."]
    if contrasts.alternative != "two-sided" or contrasts.null:
        tested = {"two-sided": "other than", "greater": "above", "less": "below"}[contrasts.alternative]
        notes.append(f"Tests of contrasts {tested} {significant(contrasts.null, 6):g}.".replace("-", MINUS))
    notes += _first(contrasts.not_estimable)
    return to_html(HtmlView("Contrasts", tables=(table,), notes=tuple(notes)))


def _first(sentences: Sequence[str], most: int = 10) -> tuple[str, ...]:
    """The first sentences, and how many more there are: of a large table each would be lost among the others."""
    more = len(sentences) - most
    return tuple(sentences) if more <= 0 else (*sentences[:most], f"{more} more are not estimable.")


def probabilities_html(means: MarginalProbabilities) -> str:
    """Return the view of standardised probabilities or means: what they are of, and what was averaged over."""
    facts = [("Model", means.fit.formula), ("Of", means.what)]
    table = estimate_table(f"Marginal {means.what}", means.table, LEVEL)
    return to_html(HtmlView("On the response's own scale", tuple(facts), (table,), notes=means.averaging))


def probability_contrasts_html(contrasts: ProbabilityContrasts) -> str:
    """Return the view of differences or ratios of standardised means, with how they were adjusted."""
    table = estimate_table(contrasts.title, contrasts.table, 1 - contrasts.alpha)
    return to_html(HtmlView("Contrasts", tables=(table,), notes=(contrasts.adjustment,)))


def marginal_fit_html(fit: MarginalFit) -> str:
    """Return the view of a marginal model: its working correlation, its standard errors, its coefficients."""
    facts = [
        ("Model", fit.formula),
        ("Rows, patients", f"{fit.n_obs}, {fit.n_subjects}"),
        ("Working correlation", fit.working),
        ("Standard errors", fit.errors),
    ]
    table = estimate_table("Coefficients", fit.coefficients, LEVEL)
    heading = f"Marginal {fit.family} model ({fit.link} link)"
    return to_html(HtmlView(heading, tuple(facts), (table,), (fit.convergence.sentence,)))


def verdict_html(verdict: Verdict) -> str:
    """Return the view of a verdict: what may and may not be claimed, then every question with its answer."""
    rules, scale = verdict.rules, verdict.scale
    unit = f", {scale.unit}" if scale.unit else ""
    sides = "two-sided" if rules.sided == 2 else "one-sided"
    margin = "none given"
    if rules.margin is not None:
        source = f" ({rules.margin_source})" if rules.margin_source else ""
        margin = f"{significant(rules.margin, 6):g}{source}"
    facts = (
        ("Combination", ", ".join(verdict.combinations) or verdict.combination),
        ("Scale", f"{scale.name}{unit}; more than {significant(scale.null, 6):g} is benefit"),
        ("Error rate", f"{significant(rules.alpha, 6):g}, {sides}"),
        ("Smallest important difference", margin),
        ("Method", verdict.method),
    )
    table = estimate_table("Questions and answers", verdict.table, rules.level)
    sentences = (verdict.may_claim, verdict.may_not_claim)
    heading, footnotes = "What the combination adds", verdict.footnotes
    return to_html(HtmlView(heading, facts, (table,), sentences, footnotes, "Scale and rules"))
