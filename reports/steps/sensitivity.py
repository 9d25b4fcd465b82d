"""The primary question again, under other data and other models that could equally have been chosen."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pandas as pd
from scipy import stats

from analyses.claims.verdict import Verdict
from analyses.claims.verdict_words import contrast_name
from outcomes import Trial
from outcomes.endpoint import EndpointFacts
from outcomes.errors import DesignError, ModelError
from outcomes.protocol import Analysis
from reports.format import join_words, sentence_case
from reports.results import ResultsBuilder
from reports.steps.categorical import at_visit, categorical_verdict
from reports.steps.continuous import ContinuousModel, ask, fit_choice, rows_of, used_rows
from reports.steps.over_visits import OverVisits
from reports.steps.units import count_units

if TYPE_CHECKING:
    from analyses.fallback import FallbackStep

COMMON_SPREAD = "One spread for all arms and visits"
PAIRED_T = "Paired t tests"
CONSTRAINED = "Constrained longitudinal model"
SPREAD_BY_ARM = "Separate covariance for each arm"
ROBUST = "Robust standard errors (CR2)"
ALL_VISITS = "All visits together"
ALL_VISITS_ROBUST = "All visits together, robust standard errors (CR2)"

SANDWICH = "CR2"
"""Bell and McCaffrey's bias-reduced sandwich, with their degrees of freedom."""

CONTRAST_NUMBERS = ("estimate", "std_error", "df", "p_value", "conf_low", "conf_high")


@dataclass(frozen=True, slots=True)
class Variant:
    """The primary question under other assumptions.

    Attributes
    ----------
    label
        Row of the table.
    explanation
        What is different, for the footnote.
    contrasts
        Name of a contrast -> its numbers (`CONTRAST_NUMBERS`).
    min_test_p
        NaN where it is not estimable.
    answer
        The min test's answer in words, where the variant has one.
    counts
        Patients, and lesions where there are any, whose values it used.
    """

    label: str
    explanation: str
    contrasts: dict[str, dict[str, float]]
    min_test_p: float
    answer: str = ""
    counts: Mapping[str, int] = field(default_factory=dict)


def add_sensitivity(
    trial: Trial,
    analysis: Analysis,
    facts: EndpointFacts,
    data: pd.DataFrame,
    out: ResultsBuilder,
    model: ContinuousModel | None = None,
    over_visits: OverVisits | None = None,
) -> None:
    """Write every variant of the primary analysis that the trial allows, under "<analysis>/sensitivity".

    Parameters
    ----------
    trial, analysis, facts, data
        The primary analysis and its endpoint frame.
    out
        Where the numbers go.
    model
        The primary model of a continuous endpoint.
    over_visits
        The model of all visits that stands beside it in a within-patient trial.
    """
    scope = out.scope(analysis=f"{analysis.name}/sensitivity", endpoint=facts.name, visit=analysis.visit)
    if model is not None:
        _add_spread(model, trial, analysis, out.scope(analysis=f"{analysis.name}/spread"))
    for variant in _variants(trial, analysis, facts, data, model, over_visits):
        for contrast, numbers in variant.contrasts.items():
            for name in CONTRAST_NUMBERS:
                scope.add(
                    name, numbers[name], contrast=contrast, level=variant.label, method=variant.explanation
                )
        scope.add("min_test_p", variant.min_test_p, level=variant.label, method=variant.explanation)
        for unit, number in variant.counts.items():
            scope.add(f"n_{unit}", number, level=variant.label, method="counts of the values used")
        scope.say("variant", variant.explanation, subject=variant.label)
        if variant.answer:
            scope.say("answer", variant.answer, subject=variant.label)


def _add_spread(model: ContinuousModel, trial: Trial, analysis: Analysis, out: ResultsBuilder) -> None:
    """Write the observed standard deviations of the arms at the primary visit, and the largest over the smallest."""
    rows = model.used[model.used["visit"].astype(str) == analysis.visit]
    spread = rows["value"].groupby(rows["arm"].astype(str)).std(ddof=1).dropna()
    scope = out.scope(method="observed values of the rows used")
    for arm in trial.protocol.arms:
        if arm in spread.index:
            scope.add("sd", spread[arm], arm=arm)
    if len(spread) > 1:
        smallest, largest = float(spread.min()), float(spread.max())
        scope.add("sd_ratio", largest / smallest if smallest > 0 else None)


def _variants(
    trial: Trial,
    analysis: Analysis,
    facts: EndpointFacts,
    data: pd.DataFrame,
    model: ContinuousModel | None,
    over_visits: OverVisits | None,
) -> Iterator[Variant]:
    yield from _other_reconstructions(trial, analysis, facts)
    yield from _other_populations(trial, analysis, facts)
    if facts.scale != "continuous":
        return
    if trial.protocol.is_within_patient:
        yield from _paired(trial, analysis, facts, data)
    else:
        yield from _constrained(trial, analysis, facts, data)
    if model is not None:
        yield from _by_arm(trial, analysis, facts, model)
        yield from _robust(trial, analysis, facts, model)
    if over_visits is not None:
        yield from _all_visits(trial, analysis, facts, over_visits)
    yield from _common_spread(trial, analysis, facts, data, model)


def _by_arm(
    trial: Trial, analysis: Analysis, facts: EndpointFacts, model: ContinuousModel
) -> Iterator[Variant]:
    """Give each arm of a parallel trial a covariance of its own, where the primary model pools them."""
    from analyses import fit_mixed_model
    from analyses.default_model import choose_spread_by_arm

    formulas = choose_spread_by_arm(trial.protocol, model.formula)
    if not formulas:
        return
    first, *others = formulas
    try:
        fit = fit_mixed_model(
            first, model.data, df_method=analysis.df_method, on_failure="fallback", fallback=others
        )
        verdict = ask(fit, trial, analysis, facts, model.at)
    except ModelError:
        return
    left = f"; {_listed(fit.walk[:-1])} could not be fitted" if len(fit.walk) > 1 else ""
    yield _from_verdict(
        SPREAD_BY_ARM,
        f"the primary model with a covariance for each arm, {fit.formula}{left}",
        verdict,
        used_rows(fit, model.data),
    )


def _listed(walk: Sequence[FallbackStep]) -> str:
    from analyses.formula import parse_formula

    terms = [parse_formula(step.formula).residual for step in walk]
    return join_words(term.text for term in terms if term is not None)


def _robust(
    trial: Trial, analysis: Analysis, facts: EndpointFacts, model: ContinuousModel
) -> Iterator[Variant]:
    """Take standard errors that do not rest on the model's covariance: parallel trials, several lesions an arm."""
    several = model.used.duplicated(["patient", "arm", "visit"]).any()
    if trial.protocol.is_within_patient and not several:
        return
    yield from _sandwich(
        ROBUST, "the primary model", model.formula, model.data, model.at, trial, analysis, facts
    )


def _sandwich(
    label: str,
    which: str,
    formula: str,
    rows: pd.DataFrame,
    at: Mapping[str, Any],
    trial: Trial,
    analysis: Analysis,
    facts: EndpointFacts,
) -> Iterator[Variant]:
    """Fit a model again with a sandwich covariance, clustered by patient."""
    from analyses import fit_mixed_model

    try:
        fit = fit_mixed_model(formula, rows, df_method=analysis.df_method, vcov=SANDWICH, on_failure="raise")
        verdict = ask(fit, trial, analysis, facts, at)
    except ModelError:
        return
    yield _from_verdict(
        label,
        f"{which} with standard errors and degrees of freedom that do not rest on its covariance: the bias-reduced "
        "sandwich CR2, clustered by patient",
        verdict,
        used_rows(fit, rows),
    )


def _all_visits(
    trial: Trial, analysis: Analysis, facts: EndpointFacts, over: OverVisits
) -> Iterator[Variant]:
    """Answer at the primary visit by the model of all visits, which uses what patients showed before they left."""
    try:
        verdict = ask(over.fit, trial, analysis, facts, over.choice.at)
    except ModelError:
        return
    used = used_rows(over.fit, over.data)
    yield _from_verdict(ALL_VISITS, f"the model of all visits, {over.fit.formula}", verdict, used)
    if used.duplicated(["patient", "arm", "visit"]).any():
        yield from _sandwich(
            ALL_VISITS_ROBUST,
            "the model of all visits",
            over.fit.formula,
            over.data,
            over.choice.at,
            trial,
            analysis,
            facts,
        )


def _answered(
    trial: Trial, analysis: Analysis, facts: EndpointFacts, data: pd.DataFrame
) -> tuple[Verdict, pd.DataFrame]:
    """Return the verdict of an analysis on other data, with the model that these data choose, and the rows used."""
    if facts.scale != "continuous":
        rows = at_visit(data, analysis.visit)
        return categorical_verdict(trial, analysis, facts, data), rows[rows["value"].notna()]
    from analyses.default_model import choose_model

    choice = choose_model(trial.protocol, analysis, data)
    rows = rows_of(choice, analysis, data)
    fit = fit_choice(choice, rows, analysis.df_method)
    return ask(fit, trial, analysis, facts, choice.at), used_rows(fit, rows)


def _from_verdict(label: str, explanation: str, verdict: Verdict, used: pd.DataFrame) -> Variant:
    contrasts = {
        row.contrast: {name: float(getattr(row, name)) for name in CONTRAST_NUMBERS}
        for row in verdict.rows_of("part", verdict.combination)
    }
    joint = verdict.rows_of("min_test", verdict.combination)
    p = joint[0].p_value if joint else math.nan
    return Variant(label, explanation, contrasts, p, joint[0].answer if joint else "", count_units(used))


def _other_reconstructions(trial: Trial, analysis: Analysis, facts: EndpointFacts) -> Iterator[Variant]:
    """Repeat the analysis on each alternative table that agrees with what is known equally well."""
    for name, other in trial.alternatives():
        data = other.estimand_data(analysis.name).frame
        yield _from_verdict(
            sentence_case(name),
            "another table that agrees with the published numbers equally well",
            *_answered(other, analysis, facts, data),
        )


def _other_populations(trial: Trial, analysis: Analysis, facts: EndpointFacts) -> Iterator[Variant]:
    """Repeat the analysis in each other population, unless the protocol has an analysis that does."""
    names = [population.name for population in trial.protocol.populations]
    planned = {
        one.population
        for one in trial.protocol.analyses
        if one.role == "sensitivity"
        and (one.endpoint, one.visit, one.model) == (analysis.endpoint, analysis.visit, analysis.model)
    }
    for name in ("all", *names):
        if name == analysis.population or name in planned:
            continue
        data = trial.estimand_data(analysis.name, name).frame
        whom = "all patients" if name == "all" else f"the population “{name}”"
        try:
            verdict, used = _answered(trial, analysis, facts, data)
        except (ModelError, DesignError):
            continue
        yield _from_verdict(f"Population “{name}”", f"the same model in {whom}", verdict, used)


def _common_spread(
    trial: Trial,
    analysis: Analysis,
    facts: EndpointFacts,
    data: pd.DataFrame,
    model: ContinuousModel | None,
) -> Iterator[Variant]:
    """Fit nested random intercepts, which give every arm and visit the same spread."""
    from analyses import fit_mixed_model
    from analyses.default_model import choose_model
    from analyses.formula import parse_formula

    choice = choose_model(trial.protocol, analysis, data)
    rows = rows_of(choice, analysis, data)
    # Lesions have an effect of their own where they are seen again; at one visit that is the residual.
    again = "lesion" in rows and rows.loc[rows["value"].notna()].duplicated(["patient", "lesion"]).any()
    formula = f"{parse_formula(choice.formula).fixed} + (1 | patient{'/lesion' if again else ''})"
    used = choice.formula if model is None else model.formula
    if formula.replace(" ", "") == used.replace(" ", ""):
        return
    try:
        fit = fit_mixed_model(formula, rows, df_method=analysis.df_method, on_failure="raise")
        verdict = ask(fit, trial, analysis, facts, choice.at)
    except ModelError:
        return
    whose = "patients and of their lesions" if again else "patients"
    used_now = used_rows(fit, rows)
    yield _from_verdict(COMMON_SPREAD, f"random intercepts of {whose}, {formula}", verdict, used_now)


def _paired(trial: Trial, analysis: Analysis, facts: EndpointFacts, data: pd.DataFrame) -> Iterator[Variant]:
    """Compare each pair of arms in the patients who have both, without covariates."""
    arms = trial.protocol.arms
    rows = data[(data["visit"] == analysis.visit) & data["value"].notna()]
    wide = rows.pivot_table(index="patient", columns="arm", values="value", aggfunc="mean", observed=True)
    combination = _primary_combination(trial)
    parts = [part for part in arms.parts(combination) if part in wide.columns]
    if combination not in wide.columns or not parts:
        return
    sign = 1.0 if facts.higher_is_better else -1.0
    contrasts, one_sided = {}, []
    paired: set[Any] = set()
    for part in parts:
        differences = (sign * (wide[combination] - wide[part])).dropna()
        paired.update(differences.index)
        if len(differences) < 2 or differences.std(ddof=1) == 0:
            return
        test = stats.ttest_1samp(differences, 0.0)
        tail = analysis.alpha / 2 if analysis.sided == 2 else analysis.alpha
        low, high = test.confidence_interval(1 - 2 * tail)
        above = float(stats.t.sf(test.statistic, test.df))
        one_sided.append(above)
        contrasts[contrast_name(combination, part, facts.higher_is_better)] = {
            "estimate": float(differences.mean()),
            "std_error": float(differences.std(ddof=1)) / math.sqrt(len(differences)),
            "df": float(test.df),
            "p_value": float(test.pvalue) if analysis.sided == 2 else above,
            "conf_low": float(low),
            "conf_high": float(high),
        }
    yield Variant(
        PAIRED_T,
        "each comparison in the patients who have both arms, without covariates",
        contrasts,
        _joint_p(trial, analysis, one_sided),
        counts=count_units(rows[rows["patient"].isin(paired) & rows["arm"].isin([combination, *parts])]),
    )


def _joint_p(trial: Trial, analysis: Analysis, one_sided: list[float]) -> float:
    """Return the min test's p from the one-sided p of each part; NaN where a part was not studied."""
    if trial.protocol.arms.missing_parts(_primary_combination(trial)):
        return math.nan
    return min(1.0, 2 * max(one_sided)) if analysis.sided == 2 else max(one_sided)


def _primary_combination(trial: Trial) -> str:
    from analyses.claims.combination_questions import primary_combination

    return primary_combination(trial.protocol.arms)


def _constrained(
    trial: Trial, analysis: Analysis, facts: EndpointFacts, data: pd.DataFrame
) -> Iterator[Variant]:
    """Take the baseline as a response with one mean for all arms (Liang & Zeger 2000, Sankhya B 62:134)."""
    from reports.steps.constrained import constrained_contrasts

    if not facts.has_baseline or facts.derive not in ("value", "change"):
        return
    visit = trial.protocol.baseline_visit
    if visit is None:
        return
    arms = trial.protocol.arms
    combination = _primary_combination(trial)
    try:
        found = constrained_contrasts(
            data,
            arms=tuple(arms),
            pairs=[(combination, part) for part in arms.parts(combination)],
            visit=analysis.visit,
            baseline=visit.name,
            covariates=[one.name for one in trial.protocol.covariates if one.name in data.columns],
            df_method=analysis.df_method,
            higher_is_better=facts.higher_is_better,
            alpha=analysis.alpha if analysis.sided == 2 else 2 * analysis.alpha,
        )
    except ModelError:
        return
    rows = found.contrasts
    one_sided = [float(stats.t.sf(row["statistic"], row["df"])) for row in rows.values()]
    contrasts = {name: {key: row[key] for key in CONTRAST_NUMBERS} for name, row in rows.items()}
    if analysis.sided == 1:
        for name, p in zip(rows, one_sided, strict=True):
            contrasts[name]["p_value"] = p
    *left, used = found.covariances
    explanation = (
        "the baseline is a response, with one mean for all arms, and patients without a later visit count too"
    )
    if left:
        explanation += f"; {used}, since {join_words(left)} could not be fitted"
    yield Variant(
        CONSTRAINED,
        explanation,
        contrasts,
        _joint_p(trial, analysis, one_sided),
        counts={"patients": found.n_patients},
    )
