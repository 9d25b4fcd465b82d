"""A continuous endpoint: fit the model or a fallback, and ask the combination questions of its marginal means."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from analyses.claims.verdict import Verdict
from analyses.claims.verdict_words import contrast_name
from outcomes import Trial
from outcomes.arms import Arms
from outcomes.endpoint import EndpointFacts
from outcomes.protocol import Analysis
from reports.results import ResultsBuilder
from reports.steps.units import count_by_arm, count_units
from reports.verdicts import component_speller, store_verdict

if TYPE_CHECKING:
    from analyses.default_model import ModelChoice
    from analyses.fallback import FallbackStep
    from analyses.mixed_model_fit import MixedModelFit

ESTIMATE = ("estimate", "std_error", "df", "statistic", "p_value", "conf_low", "conf_high")
"""Columns of an estimate with its test, in every table of the engine."""

MOST_ARMS_FOR_ALL_PAIRS = 4

ONE_VISIT, SEVERAL_VISITS = "one visit", "several visits"
"""Whose values a model uses: those of the visit of primary interest alone, or of every visit."""


@dataclass(frozen=True, slots=True)
class ContinuousModel:
    """A fitted model of a continuous endpoint.

    Attributes
    ----------
    fit
        The model that could be fitted.
    formula
        Its formula: the first choice, or a fallback.
    choice
        The model that was chosen, with its fallbacks.
    at
        Where the arms are compared: ``{"visit": "Week 24"}``, or empty where the model is of that visit
        alone.
    data
        The rows offered to the model; those that miss a model variable are dropped and counted by the fit.
    used
        The rows that the fit used.
    verdict
        The combination questions.
    """

    fit: MixedModelFit
    formula: str
    choice: ModelChoice
    at: Mapping[str, Any]
    data: pd.DataFrame
    used: pd.DataFrame
    verdict: Verdict


def analyse_continuous(
    trial: Trial, analysis: Analysis, facts: EndpointFacts, data: pd.DataFrame, out: ResultsBuilder
) -> ContinuousModel:
    """Fit a continuous endpoint's model and write everything that is read from it.

    Raises
    ------
    ModelError
        Where neither the model nor any of its fallbacks can be fitted.
    """
    from analyses.default_model import choose_model

    protocol = trial.protocol
    choice = choose_model(protocol, analysis, data)
    at = dict(choice.at or {})
    rows = rows_of(choice, analysis, data)
    fit = fit_choice(choice, rows, analysis.df_method)
    formula = fit.formula
    say_walk(fit.walk, rows, out)
    out.say("model", formula)
    out.say("model_reason", choice.reason)
    out.say("model_visits", SEVERAL_VISITS if "visit" in at else ONE_VISIT)
    used = used_rows(fit, rows)
    _add_fit(fit, out.scope(analysis=f"{analysis.name}/model", visit=""))
    _add_counts(used, protocol.arms, analysis.visit, out)
    add_means(fit, analysis, protocol.arms, facts.higher_is_better, at, out)
    verdict = ask(fit, trial, analysis, facts, at)
    store_verdict(verdict, out.scope(method=verdict.method), component_speller(protocol))
    return ContinuousModel(fit, formula, choice, at, rows, used, verdict)


def ask(
    fit: MixedModelFit, trial: Trial, analysis: Analysis, facts: EndpointFacts, at: Mapping[str, Any]
) -> Verdict:
    """Ask the combination questions of a fitted model, by the analysis's own rules."""
    from analyses import compare_therapies

    baseline = starting_mean(fit, facts)
    measured = facts.measured
    scale = (facts.minimum, facts.maximum) if baseline is None else (measured.minimum, measured.maximum)
    return compare_therapies(
        fit,
        trial.protocol.arms,
        at=at or None,
        higher_is_better=facts.higher_is_better,
        alpha=analysis.alpha,
        sided=analysis.sided,
        margin=analysis.margin,
        margin_source=analysis.margin_source,
        scale_range=scale,
        baseline=baseline,
        unit=contrast_unit(facts),
        allocation=trial.protocol.conduct.allocation,
    )


def starting_mean(fit: Any, facts: EndpointFacts) -> float | None:
    """Return the mean before treatment of the rows that a model of changes used.

    None where the outcome is no change of what was measured, or where the model has no baseline.
    """
    low, high = facts.measured.minimum, facts.measured.maximum
    # A change of grades made from what was measured has another width.
    of_measured = low is not None and high is not None and facts.maximum == high - low
    if not (facts.derive == "change" and facts.has_baseline and of_measured):
        return None
    rows = fit.frame.data
    columns = [name for name in ("baseline", "baseline_mean") if name in rows]
    return float(rows[columns[0]].mean()) if columns else None


def contrast_unit(facts: EndpointFacts) -> str:
    """Return the unit of a difference: the difference of two percentages is in percentage points."""
    return "percentage points" if facts.unit == "%" else facts.unit or "points"


def rows_of(choice: ModelChoice, analysis: Analysis, data: pd.DataFrame) -> pd.DataFrame:
    """Return the rows that a model is fitted to: of every visit, or of the analysis's own where it is of that alone."""
    return data if "visit" in choice.at else data[data["visit"] == analysis.visit].copy()


def fit_choice(choice: ModelChoice, rows: pd.DataFrame, df_method: str) -> MixedModelFit:
    """Fit a model, or the first of its fallbacks that can be fitted; ``fit.walk`` says which could not.

    Raises
    ------
    ModelError
        Where none can be fitted.
    """
    from analyses import fit_mixed_model

    return fit_mixed_model(
        choice.formula, rows, df_method=df_method, on_failure="fallback", fallback=choice.fallback
    )


def say_walk(walk: Iterable[FallbackStep], data: pd.DataFrame, out: ResultsBuilder) -> None:
    """Write down every model that was left before the one that was fitted, and why; no patient is named."""
    from analyses.fallback import FITTED

    for step in walk:
        if step.outcome == FITTED:
            continue
        out.say("fallback", without_names(step.sentence.rstrip("."), data), subject=step.formula)
        if step.detail:
            out.say("fallback_detail", without_names(step.detail, data), subject=step.formula)


def without_names(text: str, data: pd.DataFrame) -> str:
    """Return a reason without patients' and lesions' identifiers, which an error names and a report must not."""
    for unit in ("patient", "lesion"):
        if unit in data.columns:
            names = "|".join(re.escape(str(name)) for name in data[unit].dropna().unique())
            for word, whose in ((unit, f"a {unit}"), (unit.capitalize(), f"A {unit}")):
                text = re.sub(rf"\b{word} (?:{names})(?!\w)", whose, text)
    return text


def used_rows(fit: Any, data: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the data that a fit used."""
    return data.loc[fit.frame.data.index]


def _add_fit(fit: Any, out: ResultsBuilder) -> None:
    """Write coefficients, covariance and what the search said."""
    method = f"REML; {fit.df_method}" if fit.reml else f"ML; {fit.df_method}"
    scope = out.scope(method=method)
    for record in fit.coefficients.to_dict("records"):
        for name in ESTIMATE:
            scope.add(f"coefficient_{name}", record[name], level=str(record["term"]))
    scope.add_all(
        {
            "loglik": fit.loglik,
            "aic": fit.aic,
            "bic": fit.bic,
            "n_rows": fit.n_obs,
            "n_dropped": fit.n_dropped,
            "n_subjects": fit.n_subjects,
            "n_covariance_parameters": fit.n_covariance_parameters,
            "converged": int(fit.converged),
        }
    )
    scope.say("convergence", fit.convergence.sentence)
    scope.say("df_method", fit.df_method)
    for term in fit.aliased:
        scope.say("aliased", term)
    for record in fit.variance_components.to_dict("records"):
        level = ", ".join(filter(None, (str(record["group"]), str(record["term"]))))
        scope.add("variance", record["variance"], level=level)
        scope.add("variance_component_sd", record["sd"], level=level)
    matrices = fit.covariance if isinstance(fit.covariance, dict) else {"": fit.covariance}
    for group, matrix in matrices.items():
        _add_covariance(matrix, group, scope)


def _add_covariance(matrix: pd.DataFrame, group: str, scope: ResultsBuilder) -> None:
    """Write residual SDs and correlations, named "first | second"."""
    spread = np.sqrt(np.diag(matrix.to_numpy()))
    prefix = f"{group}: " if group else ""
    for row, first in enumerate(matrix.index):
        scope.add("residual_sd", spread[row], level=f"{prefix}{first}")
        for column in range(row):
            scale = spread[row] * spread[column]
            value = matrix.iloc[row, column] / scale if scale > 0 else None
            scope.add("residual_correlation", value, level=f"{prefix}{matrix.index[column]} | {first}")


def _add_counts(used: pd.DataFrame, arms: Arms, visit: str, out: ResultsBuilder) -> None:
    """Write both N: of the model, and of each arm at the primary visit."""
    scope = out.scope(method="counts of the rows used")
    scope.add_all({f"n_{unit}": number for unit, number in count_units(used).items()})
    at_visit = used[used["visit"].astype(str) == visit]
    for arm, counts in count_by_arm(at_visit, arms).items():
        scope.add_all({f"n_{unit}": number for unit, number in counts.items()}, arm=arm)


def add_means(
    fit: MixedModelFit,
    analysis: Analysis,
    arms: Arms,
    higher_is_better: bool,
    at: Mapping[str, Any],
    out: ResultsBuilder,
    name: str = "",
) -> None:
    """Write the arms' marginal means, over the observed proportions of the covariates, and further contrasts.

    Under "<name>/means" and "<name>/contrasts"; the name is the analysis's own unless another is given.
    """
    from analyses import marginal_means

    name = name or analysis.name
    by_visit = "visit" in at
    means = marginal_means(
        fit, "arm", by="visit" if by_visit else None, at=_without_visit(at), weights="proportional"
    )
    scope = out.scope(analysis=f"{name}/means", method="marginal means, observed covariate proportions")
    alpha = analysis.alpha if analysis.sided == 2 else 2 * analysis.alpha
    for record in means.interval(alpha).to_dict("records"):
        visit = str(record["visit"]) if by_visit else analysis.visit
        for statistic in ("estimate", "std_error", "df", "conf_low", "conf_high"):
            scope.add(statistic, record[statistic], arm=str(record["arm"]), visit=visit)
    present = [str(level) for level in means.table["arm"].drop_duplicates()]
    pairs = [(a, b) for a, b in comparisons(analysis, arms) if a in present and b in present]
    if not pairs:
        return
    sign = 1.0 if higher_is_better else -1.0
    weights = {contrast_name(a, b, higher_is_better): {a: sign, b: -sign} for a, b in pairs}
    table = means.contrast(weights, alpha=alpha).table
    scope = out.scope(analysis=f"{name}/contrasts", method="contrasts of marginal means")
    for record in table.to_dict("records"):
        visit = str(record["visit"]) if by_visit else analysis.visit
        for statistic in ESTIMATE:
            scope.add(statistic, record[statistic], contrast=str(record["contrast"]), visit=visit)


def _without_visit(at: Mapping[str, Any]) -> dict[str, Any] | None:
    others = {name: value for name, value in at.items() if name != "visit"}
    return others or None


def comparisons(analysis: Analysis, arms: Arms) -> tuple[tuple[str, str], ...]:
    """Return the pairs (arm, arm to compare it with): the protocol's own, or those that the arms suggest.

    Without the protocol's word each combination is compared with its parts, every other pair is added in a
    trial of up to four arms, and in a larger one each arm with control. The arm with more components stands
    first, so that positive is benefit of more treatment.
    """
    if analysis.comparisons is not None:
        return analysis.comparisons
    chosen = [(label, part) for label in arms.combinations for part in arms.parts(label)]
    if len(arms) <= MOST_ARMS_FOR_ALL_PAIRS:
        others = [(b, a) if len(arms[b]) >= len(arms[a]) else (a, b) for a, b in combinations(arms, 2)]
    else:
        others = [(label, arms.control) for label in arms if arms.control not in (None, label)]
    return tuple(dict.fromkeys([*chosen, *(pair for pair in others if pair not in chosen)]))
