"""The primary question again, under other data and other models that could equally have been chosen."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd
from scipy import stats

from analyses.verdict import Verdict
from analyses.verdict_words import contrast_name
from outcomes import Trial
from outcomes.endpoint import EndpointFacts
from outcomes.errors import DesignError, ModelError
from outcomes.protocol import Analysis
from reports.format import sentence_case
from reports.results import ResultsBuilder
from reports.steps.categorical import categorical_verdict
from reports.steps.continuous import ask, fit_first

COMMON_SPREAD = "One spread for all arms and visits"
PAIRED_T = "Paired t tests"
CONSTRAINED = "Constrained longitudinal model"

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
    """

    label: str
    explanation: str
    contrasts: dict[str, dict[str, float]]
    min_test_p: float
    answer: str = ""


def add_sensitivity(
    trial: Trial, analysis: Analysis, facts: EndpointFacts, data: pd.DataFrame, out: ResultsBuilder
) -> None:
    """Write every variant of the primary analysis that the trial allows, under "<analysis>/sensitivity"."""
    scope = out.scope(analysis=f"{analysis.name}/sensitivity", endpoint=facts.name, visit=analysis.visit)
    for variant in _variants(trial, analysis, facts, data):
        for contrast, numbers in variant.contrasts.items():
            for name in CONTRAST_NUMBERS:
                scope.add(
                    name, numbers[name], contrast=contrast, level=variant.label, method=variant.explanation
                )
        scope.add("min_test_p", variant.min_test_p, level=variant.label, method=variant.explanation)
        scope.say("variant", variant.explanation, subject=variant.label)
        if variant.answer:
            scope.say("answer", variant.answer, subject=variant.label)


def _variants(
    trial: Trial, analysis: Analysis, facts: EndpointFacts, data: pd.DataFrame
) -> Iterator[Variant]:
    yield from _other_reconstructions(trial, analysis, facts)
    yield from _other_populations(trial, analysis, facts)
    if facts.scale != "continuous":
        return
    if trial.protocol.is_within_patient:
        yield from _paired(trial, analysis, facts, data)
    else:
        yield from _constrained(trial, analysis, facts, data)
    yield from _common_spread(trial, analysis, facts, data)


def verdict_of(trial: Trial, analysis: Analysis, facts: EndpointFacts, data: pd.DataFrame) -> Verdict:
    """Return the verdict of an analysis on other data, with the model that these data choose."""
    if facts.scale != "continuous":
        return categorical_verdict(trial, analysis, facts, data)
    from analyses.default_model import choose_model

    choice = choose_model(trial.protocol, analysis, data)
    at = dict(choice.at or {})
    rows = data if "visit" in at else data[data["visit"] == analysis.visit].copy()
    silent = ResultsBuilder(analysis="")
    fit, _ = fit_first((choice.formula, *choice.fallback), rows, analysis.df_method, silent)
    return ask(fit, trial, analysis, facts, at)


def _from_verdict(label: str, explanation: str, verdict: Verdict) -> Variant:
    contrasts = {
        row.contrast: {name: float(getattr(row, name)) for name in CONTRAST_NUMBERS}
        for row in verdict.rows_of("part", verdict.combination)
    }
    joint = verdict.rows_of("min_test", verdict.combination)
    p = joint[0].p_value if joint else math.nan
    return Variant(label, explanation, contrasts, p, joint[0].answer if joint else "")


def _other_reconstructions(trial: Trial, analysis: Analysis, facts: EndpointFacts) -> Iterator[Variant]:
    """Repeat the analysis on each alternative table that agrees with what is known equally well."""
    for name, other in trial.alternatives():
        data = other.estimand_data(analysis.name).frame
        yield _from_verdict(
            sentence_case(name),
            "another table that agrees with the published numbers equally well",
            verdict_of(other, analysis, facts, data),
        )


def _other_populations(trial: Trial, analysis: Analysis, facts: EndpointFacts) -> Iterator[Variant]:
    names = [population.name for population in trial.protocol.populations]
    for name in ("all", *names):
        if name == analysis.population:
            continue
        data = trial.estimand_data(analysis.name, name).frame
        whom = "all patients" if name == "all" else f"the population “{name}”"
        try:
            verdict = verdict_of(trial, analysis, facts, data)
        except (ModelError, DesignError):
            continue
        yield _from_verdict(f"Population “{name}”", f"the same model in {whom}", verdict)


def _common_spread(
    trial: Trial, analysis: Analysis, facts: EndpointFacts, data: pd.DataFrame
) -> Iterator[Variant]:
    """Fit nested random intercepts, which give every arm and visit the same spread."""
    from analyses import fit_mixed_model
    from analyses.default_model import choose_model
    from analyses.formula import parse_formula

    choice = choose_model(trial.protocol, analysis, data)
    at = dict(choice.at or {})
    rows = data if "visit" in at else data[data["visit"] == analysis.visit].copy()
    formula = f"{parse_formula(choice.formula).fixed} + (1 | patient)"
    if formula.replace(" ", "") == choice.formula.replace(" ", ""):
        return
    try:
        fit = fit_mixed_model(formula, rows, df_method=analysis.df_method)
        if not fit.converged:
            return
        verdict = ask(fit, trial, analysis, facts, at)
    except ModelError:
        return
    yield _from_verdict(COMMON_SPREAD, f"random intercepts of patients, {formula}", verdict)


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
    for part in parts:
        differences = (sign * (wide[combination] - wide[part])).dropna()
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
    )


def _joint_p(trial: Trial, analysis: Analysis, one_sided: list[float]) -> float:
    """Return the min test's p from the one-sided p of each part; NaN where a part was not studied."""
    if trial.protocol.arms.missing_parts(_primary_combination(trial)):
        return math.nan
    return min(1.0, 2 * max(one_sided)) if analysis.sided == 2 else max(one_sided)


def _primary_combination(trial: Trial) -> str:
    from analyses.combination_questions import primary_combination

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
    one_sided = [float(stats.t.sf(row["statistic"], row["df"])) for row in found.values()]
    contrasts = {name: {key: row[key] for key in CONTRAST_NUMBERS} for name, row in found.items()}
    if analysis.sided == 1:
        for name, p in zip(found, one_sided, strict=True):
            contrasts[name]["p_value"] = p
    yield Variant(
        CONSTRAINED,
        "the baseline is a response, with one mean for all arms, and patients without a later visit count too",
        contrasts,
        _joint_p(trial, analysis, one_sided),
    )
