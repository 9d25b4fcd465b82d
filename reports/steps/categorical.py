"""Ordered grades and responders: the combination questions by a model of the patients' lesions, and without a model.

Where the model knows what tests of pairs or of groups do not (the pairing with lesions that are missing, covariates),
its answer leads, on the probability scale; its odds ratios and the methods without a model stand beside. Else the
methods without a model lead, and the model stands beside.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pandas as pd

from analyses.claims.verdict import Verdict
from outcomes import Trial
from outcomes.endpoint import EndpointFacts
from outcomes.errors import ModelError
from outcomes.protocol import Analysis
from reports.results import ResultsBuilder
from reports.steps.link_model import (
    MODEL,
    ODDS,
    add_fit,
    add_odds,
    add_probabilities,
    add_proportionality,
    say_walk_of_link,
    worded,
)
from reports.steps.observed import grade_labels
from reports.steps.units import count_by_arm, count_units
from reports.verdicts import component_speller, store_verdict

if TYPE_CHECKING:
    from analyses.default_link_model import LinkChoice, LinkOutcome

POINTER = "; see the ordinal model"
"""What a verdict by ranks adds where an ordinal model stands beside it; dropped where none does."""

WITHOUT_MODEL = "without a model"
"""Suffix of the analysis that holds the verdict by ranks or proportions where a model's leads."""


PAIRS = "pairs"
"""Suffix of the analysis that holds how many patients had which grades with the combination and with a part."""


@dataclass(frozen=True, slots=True)
class CategoricalAnswers:
    """What a report says of grades or responders.

    Attributes
    ----------
    choice, outcome
        The model that was chosen, and what came of it.
    lead
        The verdict that leads.
    classical
        The verdict without a model.
    """

    choice: LinkChoice
    outcome: LinkOutcome
    lead: Verdict
    classical: Verdict


def categorical_verdict(
    trial: Trial, analysis: Analysis, facts: EndpointFacts, data: pd.DataFrame
) -> Verdict:
    """Ask the combination questions of grades or responders at the analysis's visit; return the leading verdict.

    Parameters
    ----------
    trial
        The trial: its design decides between models and methods for independent and for paired data.
    analysis
        Its rules.
    facts
        The endpoint: ordinal or binary.
    data
        Endpoint frame.
    """
    return answer_categorical(trial, analysis, facts, data).lead


def answer_categorical(
    trial: Trial, analysis: Analysis, facts: EndpointFacts, data: pd.DataFrame
) -> CategoricalAnswers:
    """Fit the model, ask its questions and those without it, and say which of both leads."""
    from analyses.default_link_model import choose_link_model, fit_link_model, renamed

    classical = classical_verdict(trial, analysis, facts, data)
    choice = renamed(choose_link_model(trial.protocol, analysis, data), facts.name)
    rows = data if choice.at else at_visit(data, analysis.visit)
    outcome = fit_link_model(choice, rows, trial.protocol.arms)
    if outcome.fit is None or not outcome.leads:
        return CategoricalAnswers(choice, outcome, classical, classical)
    try:
        lead = _by_model(trial, analysis, facts, choice, outcome)
    except ModelError as error:  # a model without the arm as a factor, or effects that the data leave open
        from analyses.fallback import REFUSED, FallbackStep

        step = FallbackStep(outcome.formula, REFUSED, error.message)
        left = replace(outcome, fit=None, walk=(*outcome.walk[:-1], step), leads=False)
        return CategoricalAnswers(choice, left, classical, classical)
    if not any(row.kind == "part" and row.estimate == row.estimate for row in lead.rows):
        return CategoricalAnswers(choice, replace(outcome, leads=False), classical, classical)
    return CategoricalAnswers(choice, outcome, lead, classical)


def _by_model(
    trial: Trial, analysis: Analysis, facts: EndpointFacts, choice: LinkChoice, outcome: LinkOutcome
) -> Verdict:
    from analyses.probability.probability_verdict import compare_probabilities

    assert outcome.fit is not None  # asked by the caller
    return compare_probabilities(
        outcome.fit,
        trial.protocol.arms,
        at=choice.at or None,
        higher_is_better=facts.higher_is_better,
        alpha=analysis.alpha,
        sided=analysis.sided,
        margin=analysis.margin,
        margin_source=analysis.margin_source,
        allocation=trial.protocol.conduct.allocation,
    )


def classical_verdict(trial: Trial, analysis: Analysis, facts: EndpointFacts, data: pd.DataFrame) -> Verdict:
    """Ask by ranks or by proportions, without a model: paired within patients, of independent groups between them."""
    from analyses.classical.rank_comparison import compare_grades
    from analyses.classical.responders import compare_responders

    rows = at_visit(data, analysis.visit)
    protocol = trial.protocol
    if facts.scale == "ordinal":
        return compare_grades(
            rows,
            protocol.arms,
            higher_is_better=facts.higher_is_better,
            alpha=analysis.alpha,
            sided=analysis.sided,
            design=protocol.design,
            margin=analysis.margin,
            margin_source=analysis.margin_source,
            allocation=protocol.conduct.allocation,
        )
    return compare_responders(
        rows,
        protocol.arms,
        alpha=analysis.alpha,
        sided=analysis.sided,
        design=protocol.design,
        margin=analysis.margin,
        margin_source=analysis.margin_source,
        allocation=protocol.conduct.allocation,
    )


def at_visit(data: pd.DataFrame, visit: str) -> pd.DataFrame:
    """Return the rows of one visit that have a value."""
    return data[(data["visit"].astype(str) == visit) & data["value"].notna()].copy()


def analyse_categorical(
    trial: Trial, analysis: Analysis, facts: EndpointFacts, data: pd.DataFrame, out: ResultsBuilder
) -> Verdict:
    """Write the leading verdict on grades or responders, the model behind it or beside it, and the other verdict."""
    found = answer_categorical(trial, analysis, facts, data)
    spell = component_speller(trial.protocol)
    by_model = found.outcome.leads
    told = spell if found.outcome.fit is not None else lambda text: spell(text).replace(POINTER, "")
    store_verdict(found.lead, out.scope(method=found.lead.method), told)
    out.say("led_by", "model" if by_model else WITHOUT_MODEL)
    if by_model:
        beside = out.scope(analysis=f"{analysis.name}/{WITHOUT_MODEL}", method=found.classical.method)
        store_verdict(found.classical, beside, spell)
    _add_model(trial, analysis, facts, data, found, out)
    used = at_visit(data, analysis.visit)
    if facts.scale == "ordinal" and trial.protocol.is_within_patient:
        _add_pairs(trial, facts, found.lead.combination, used, out.scope(analysis=f"{analysis.name}/{PAIRS}"))
    counts = out.scope(method="counts of the rows used")
    counts.add_all({f"n_{unit}": number for unit, number in count_units(used).items()})
    for arm, numbers in count_by_arm(used, trial.protocol.arms).items():
        counts.add_all({f"n_{unit}": number for unit, number in numbers.items()}, arm=arm)
    return found.lead


def _add_model(
    trial: Trial,
    analysis: Analysis,
    facts: EndpointFacts,
    data: pd.DataFrame,
    found: CategoricalAnswers,
    out: ResultsBuilder,
) -> None:
    """Write the model: how it came about, its coefficients, probabilities and odds ratios."""
    from analyses import compare_therapies

    choice, outcome = found.choice, found.outcome
    scope = out.scope(analysis=f"{analysis.name}/{MODEL}", visit="")
    say_walk_of_link(outcome, data, scope)
    scope.say("reason", choice.reason)
    if outcome.fit is None:
        scope.say("not_estimable", "no model could be fitted")
        return
    add_fit(outcome, scope)
    add_probabilities(outcome.fit, choice.at, analysis, out.scope(analysis=f"{analysis.name}/probabilities"))
    odds = out.scope(analysis=f"{analysis.name}/{ODDS}", method=f"odds ratios of the model {outcome.formula}")
    try:
        verdict = compare_therapies(
            outcome.fit,
            trial.protocol.arms,
            at=choice.at or None,
            higher_is_better=facts.higher_is_better,
            alpha=analysis.alpha,
            sided=analysis.sided,
            allocation=trial.protocol.conduct.allocation,
        )
    except ModelError as error:
        odds.say("not_estimable", error.message)
        return
    add_odds(worded(verdict, outcome, facts), odds, component_speller(trial.protocol))
    if facts.scale == "ordinal":
        add_proportionality(outcome.fit, analysis, odds)


def _add_pairs(
    trial: Trial, facts: EndpointFacts, combination: str, used: pd.DataFrame, out: ResultsBuilder
) -> None:
    """Cross-tabulate grades with a part and with the combination; not where patients have several lesions an arm."""
    grades = facts.grades or ()
    rows = used.assign(arm=used["arm"].astype(str), grade=grade_labels(used["value"], grades))
    if rows.duplicated(["patient", "arm"]).any():
        return
    wide = rows.pivot(index="patient", columns="arm", values="grade")
    scope = out.scope(method="counts of patients with a lesion of each arm")
    for part in trial.protocol.arms.parts(combination):
        if part not in wide or combination not in wide:
            continue
        both = wide[[part, combination]].dropna()
        table = pd.crosstab(both[part], both[combination])
        for before in grades:
            for after in grades:
                if before in table.index and after in table.columns and table.loc[before, after]:
                    count = int(table.loc[before, after])
                    scope.add("patients", count, arm=combination, contrast=part, level=f"{before} | {after}")
