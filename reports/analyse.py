"""Run every analysis of a trial's protocol, and write each number down as a result."""

from __future__ import annotations

import platform
from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from analyses.claims.verdict import Verdict
from outcomes import Trial
from outcomes.endpoint import EndpointFacts
from outcomes.errors import ConvergenceError, DesignError, ModelError, NotEstimableError
from outcomes.protocol import Analysis
from reports.results import Results, ResultsBuilder
from reports.steps.baseline import add_baseline
from reports.steps.categorical import analyse_categorical, at_visit
from reports.steps.continuous import ContinuousModel, analyse_continuous, without_names
from reports.steps.diagnostics import add_diagnostics
from reports.steps.flow import add_exposure, add_flow
from reports.steps.harms import add_harms
from reports.steps.naive import add_carry_across, add_naive
from reports.steps.observed import add_observed, observed_values
from reports.steps.over_visits import add_over_visits
from reports.steps.sensitivity import add_sensitivity
from reports.steps.subgroups import add_subgroups
from reports.steps.units import add_populations, planned_rows

Progress = Callable[[str], None]
"""Called with the name of each stage as it begins."""

SOFTWARE = ("numpy", "pandas", "scipy", "statsmodels", "formulaic")
"""Packages that numbers come from."""


@dataclass(frozen=True, slots=True)
class AnalysedEndpoint:
    """One analysis of the protocol, carried out.

    Attributes
    ----------
    analysis
        As planned.
    facts
        Its endpoint.
    data
        Endpoint frame after the estimand's strategies, one row a unit and visit after baseline.
    observed
        Rows that are described and drawn: one a planned unit and visit, without a value where the data have none;
        before them the baseline where it is on the same scale.
    model
        The fitted model of a continuous endpoint.
    verdict
        The combination questions; None where they could not be asked.
    """

    analysis: Analysis
    facts: EndpointFacts
    data: pd.DataFrame
    observed: pd.DataFrame
    model: ContinuousModel | None
    verdict: Verdict | None


@dataclass(frozen=True, slots=True)
class AnalysedTrial:
    """A trial with every number of its report.

    Attributes
    ----------
    trial
        Protocol and data.
    results
        Every number and statement.
    endpoints
        The analyses in the order of the protocol; data and models for figures.
    """

    trial: Trial
    results: Results
    endpoints: tuple[AnalysedEndpoint, ...]

    @property
    def primary(self) -> AnalysedEndpoint:
        """The primary analysis."""
        return self.endpoint(self.trial.protocol.primary_analysis.name)

    def endpoint(self, analysis: str) -> AnalysedEndpoint:
        """Return an analysis by its name."""
        return next(one for one in self.endpoints if one.analysis.name == analysis)


def analyse_trial(
    trial: Trial, progress: Progress | None = None, second_opinion: bool = False
) -> AnalysedTrial:
    """Run every analysis of a trial's protocol.

    Parameters
    ----------
    trial
        The trial, as `read_trial` returns it.
    progress
        Called with the name of each stage as it begins.
    second_opinion
        Whether statsmodels, and R where it is installed, fit the primary model again.

    Returns
    -------
    AnalysedTrial
        Results, and what figures need beside them.

    Raises
    ------
    ModelError, DesignError
        Where the primary analysis cannot be carried out. Another analysis that cannot is reported as not
        estimable, with the reason.
    """
    say = progress or _silent
    protocol = trial.protocol
    out = ResultsBuilder(analysis="")
    endpoints = []
    for analysis in protocol.analyses:
        say(f"Analysing {protocol.endpoint(analysis.endpoint).label}")
        endpoints.append(_analyse(trial, analysis, out))
    primary = next(one for one in endpoints if one.analysis.name == protocol.primary_analysis.name)
    say("Looking at the answer from other sides")
    _beside_primary(trial, primary, out)
    if second_opinion:
        from reports.second_opinion import second_opinions

        say("Asking other programs")
        scope = out.scope(
            endpoint=primary.facts.name,
            population=primary.analysis.population,
            visit=primary.analysis.visit,
        )
        second_opinions(trial, primary, scope)
    say("Describing patients, lesions and harms")
    add_populations(trial, out)
    everyone = planned_rows(trial, primary.analysis.endpoint)
    used = at_visit(primary.data, primary.analysis.visit) if primary.model is None else primary.model.used
    add_flow(trial, everyone, used, primary.analysis.visit, out)
    add_exposure(trial, out)
    add_baseline(trial, everyone, out)
    add_harms(trial, out)
    results = out.build(_identity(trial), _software())
    return AnalysedTrial(trial, results, tuple(endpoints))


def _analyse(trial: Trial, analysis: Analysis, out: ResultsBuilder) -> AnalysedEndpoint:
    """Describe an endpoint and ask its questions."""
    protocol = trial.protocol
    facts = protocol.endpoint(analysis.endpoint)
    scope = out.scope(
        analysis=analysis.name, endpoint=facts.name, population=analysis.population, visit=analysis.visit
    )
    estimand = trial.estimand_data(analysis.name)
    for event in estimand.events:
        handled = scope.scope(analysis=f"{analysis.name}/intercurrent", method="counts")
        numbers = {"implemented": event.implemented, "patients": event.patients, "values": event.values}
        handled.add_all(numbers, level=event.event)
        for arm, patients, lesions in event.by_arm:
            counts = {"patients": patients} if lesions is None else {"patients": patients, "lesions": lesions}
            handled.add_all(counts, level=event.event, arm=arm)
        handled.say("handling", event.sentence, subject=event.event)
    data = estimand.frame
    visit = protocol.baseline_visit
    planned = planned_rows(trial, facts.name, analysis.population, data)
    observed = observed_values(planned, facts, None if visit is None else (visit.name, visit.week))
    add_observed(observed, facts, scope.scope(analysis=f"{analysis.name}/observed", method="observed values"))
    model, verdict = None, None
    try:
        if facts.scale == "continuous":
            model = analyse_continuous(trial, analysis, facts, data, scope)
            verdict = model.verdict
        else:
            verdict = analyse_categorical(trial, analysis, facts, data, scope)
    except (ModelError, DesignError, NotEstimableError) as error:
        if analysis.role == "primary":
            raise
        scope.say("not_estimable", without_names(error.message, data))
        for step in error.steps if isinstance(error, ConvergenceError) else ():
            scope.say("walk", without_names(step, data))
    return AnalysedEndpoint(analysis, facts, data, observed, model, verdict)


def _beside_primary(trial: Trial, primary: AnalysedEndpoint, out: ResultsBuilder) -> None:
    """Look at the primary answer from other sides: sensitivity, the naive analysis, carry-across, residuals."""
    analysis, facts = primary.analysis, primary.facts
    scope = out.scope(
        analysis=analysis.name, endpoint=facts.name, population=analysis.population, visit=analysis.visit
    )
    over_visits = add_over_visits(trial, analysis, facts, primary.data, scope) if primary.model else None
    add_sensitivity(trial, analysis, facts, primary.data, scope, primary.model, over_visits)
    add_subgroups(trial, analysis, facts, primary.data, primary.model, scope)
    if primary.model is None or primary.verdict is None:
        return
    add_diagnostics(primary.model, trial.protocol.arms, scope.scope(analysis=f"{analysis.name}/diagnostics"))
    if _pairs_are_ignorable(trial, primary):
        add_naive(primary.model, analysis, facts, primary.data, scope)
    if trial.protocol.is_within_patient:
        add_carry_across(primary.verdict, analysis, scope)


def _pairs_are_ignorable(trial: Trial, primary: AnalysedEndpoint) -> bool:
    """Whether a patient has several values at the visit, so that a naive analysis could take them as independent."""
    rows = at_visit(primary.data, primary.analysis.visit)
    return trial.protocol.is_within_patient or bool(rows["patient"].duplicated().any())


def _identity(trial: Trial) -> dict[str, str]:
    protocol = trial.protocol
    return {
        "id": protocol.id,
        "title": protocol.title,
        "design": protocol.design,
        "data_origin": protocol.conduct.data_origin,
    }


def _software() -> dict[str, str]:
    from importlib.metadata import version

    from outcomes._version import __version__

    return {
        "tandem": __version__,
        "python": platform.python_version(),
        **{name: version(name) for name in SOFTWARE},
    }


def _silent(stage: str) -> None:
    """Say nothing."""
