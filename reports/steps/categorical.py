"""Ordered grades and responders: the combination questions by ranks, by proportions, by an ordinal model."""

from __future__ import annotations

import math

import pandas as pd

from analyses.verdict import Verdict
from outcomes import Trial
from outcomes.endpoint import EndpointFacts
from outcomes.errors import ModelError
from outcomes.protocol import Analysis
from reports.results import ResultsBuilder
from reports.steps.units import count_by_arm, count_units
from reports.verdicts import component_speller, store_verdict

POINTER = "; see the ordinal model"
"""What a verdict by ranks adds where an ordinal model stands beside it; dropped where none does."""


def categorical_verdict(
    trial: Trial, analysis: Analysis, facts: EndpointFacts, data: pd.DataFrame
) -> Verdict:
    """Ask the combination questions of grades or responders at the analysis's visit.

    Parameters
    ----------
    trial
        The trial: its design decides between methods for independent and for paired data.
    analysis
        Its rules.
    facts
        The endpoint: ordinal or binary.
    data
        Endpoint frame.
    """
    from analyses.rank_comparison import compare_grades
    from analyses.responders import compare_responders

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
    """Write the verdict on grades or responders and, in a parallel trial, the proportional-odds model of grades."""
    verdict = categorical_verdict(trial, analysis, facts, data)
    used = at_visit(data, analysis.visit)
    modelled = facts.scale == "ordinal" and not trial.protocol.is_within_patient
    modelled = modelled and _proportional_odds(trial, analysis, facts, used, out)
    spell = component_speller(trial.protocol)
    told = spell if modelled else lambda text: spell(text).replace(POINTER, "")
    store_verdict(verdict, out.scope(method=verdict.method), told)
    counts = out.scope(method="counts of the rows used")
    counts.add_all({f"n_{unit}": number for unit, number in count_units(used).items()})
    for arm, numbers in count_by_arm(used, trial.protocol.arms).items():
        counts.add_all({f"n_{unit}": number for unit, number in numbers.items()}, arm=arm)
    return verdict


def _proportional_odds(
    trial: Trial, analysis: Analysis, facts: EndpointFacts, used: pd.DataFrame, out: ResultsBuilder
) -> bool:
    """Fit the proportional-odds model, test its assumption, and ask the combination questions of it.

    A model that separates has no estimate: it says "not testable", and the ranks stand alone. Returns whether the
    model could be fitted.
    """
    from analyses.combination import compare_therapies
    from analyses.ordinal import fit_ordinal_model
    from analyses.proportional_odds import proportional_odds_test

    scope = out.scope(analysis=f"{analysis.name}/proportional odds", method="proportional-odds model")
    rows = used.assign(grade=used["value"])
    if "lesion" in rows.columns and rows["patient"].duplicated().any():
        scope.say(
            "not_estimable", "not fitted: patients have several lesions, which the model takes as independent"
        )
        return False
    try:
        fit = fit_ordinal_model("grade ~ arm", rows)
        tested = proportional_odds_test(fit, analysis.alpha)
    except ModelError as error:
        scope.say("not_estimable", f"not testable: {error.message}")
        return False
    for record in tested.to_dict("records"):
        for name in ("df", "statistic", "p_value"):
            scope.add(f"proportionality_{name}", record[name], level=str(record["term"]))
        scope.say("proportionality", str(record["answer"]), subject=str(record["term"]))
    verdict = compare_therapies(
        fit,
        trial.protocol.arms,
        higher_is_better=facts.higher_is_better,
        alpha=analysis.alpha,
        sided=analysis.sided,
        allocation=trial.protocol.conduct.allocation,
    )
    store_verdict(verdict, scope, component_speller(trial.protocol))
    for row in verdict.rows_of("part", verdict.combination):
        numbers = {"": row.estimate, "_conf_low": row.conf_low, "_conf_high": row.conf_high}
        for name, value in numbers.items():
            ratio = math.exp(value) if not math.isnan(value) else None
            scope.add(f"odds_ratio{name}", ratio, arm=row.combination, contrast=row.contrast)
    return True
