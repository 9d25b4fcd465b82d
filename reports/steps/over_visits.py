"""The course of a within-patient trial: means and differences at every visit, by a model of all visits together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from outcomes import Trial
from outcomes.endpoint import EndpointFacts
from outcomes.errors import ModelError
from outcomes.protocol import Analysis
from reports.results import ResultsBuilder
from reports.steps.continuous import add_means, fit_choice, say_walk, used_rows, without_names
from reports.steps.units import count_units

if TYPE_CHECKING:
    import pandas as pd

    from analyses.default_model import ModelChoice
    from analyses.mixed_model_fit import MixedModelFit

OVER_VISITS = "over visits"
"""Part of the address, after the analysis's name, of what the model of all visits gives."""


@dataclass(frozen=True, slots=True)
class OverVisits:
    """The model of all visits, fitted.

    Attributes
    ----------
    fit
        The model, or the first of its fallbacks that could be fitted.
    choice
        What was chosen.
    data
        Rows of every visit.
    """

    fit: MixedModelFit
    choice: ModelChoice
    data: pd.DataFrame


def add_over_visits(
    trial: Trial, analysis: Analysis, facts: EndpointFacts, data: pd.DataFrame, out: ResultsBuilder
) -> OverVisits | None:
    """Fit the model of all visits and write its means and contrasts, which are descriptive.

    Returns
    -------
    OverVisits or None
        None where the analysis's own model is of all visits, where there is one visit alone, and where neither the
        model nor its fallbacks can be fitted; the reason is then written down.
    """
    from analyses.default_model import choose_over_visits

    choice = choose_over_visits(trial.protocol, analysis, data)
    if choice is None:
        return None
    name = f"{analysis.name}/{OVER_VISITS}"
    scope = out.scope(analysis=name, visit="")
    try:
        fit = fit_choice(choice, data, analysis.df_method)
    except ModelError as error:
        scope.say("not_estimable", without_names(error.message, data))
        return None
    say_walk(fit.walk, data, scope)
    scope.say("model", fit.formula)
    scope.say("model_reason", choice.reason)
    scope.say("convergence", fit.convergence.sentence)
    counts = count_units(used_rows(fit, data))
    scope.scope(method="counts of the rows used").add_all({f"n_{unit}": n for unit, n in counts.items()})
    add_means(fit, analysis, trial.protocol.arms, facts.higher_is_better, choice.at, scope, name)
    return OverVisits(fit, choice, data)
