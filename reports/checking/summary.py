"""What `tandem check` says of a trial that is in order: who was in it, what was measured, what is missing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from reports.checking.notes import unlikely
from reports.format import counted, join_words
from reports.steps.units import missing_by_arm_and_visit

if TYPE_CHECKING:
    from outcomes.protocol import Protocol
    from outcomes.trial import Trial

_ORIGIN = {
    "observed": "",
    "synthetic": "; synthetic data",
    "reconstructed": "; data reconstructed from published counts",
}


def trial_summary(trial: Trial) -> Iterator[tuple[str, str]]:
    """Yield terms and what is said of each.

    Parameters
    ----------
    trial
        A trial that `outcomes.read_trial` found in order.
    """
    protocol = trial.protocol
    yield "Trial", f"{protocol.id}: {protocol.title}"
    yield "Design", protocol.design + _ORIGIN[protocol.conduct.data_origin]
    yield "Arms", "; ".join(_arms(trial))
    yield "Patients", str(len(trial.patients))
    if len(trial.lesions):
        yield "Lesions", f"{len(trial.lesions)} of {counted(trial.lesions['patient'].nunique(), 'patient')}"
    visits = (
        f"{visit.name}{' (baseline)' if visit.baseline else f' (week {visit.week:g})'}"
        for visit in protocol.visits
    )
    yield "Visits", ", ".join(visits)
    for population in protocol.populations:
        excluded = len(trial.exclusions(population.name))
        yield (
            "Population",
            f"{population.name}: {counted(excluded, 'patient')} excluded ({population.exclude_reason})",
        )
    for endpoint in protocol.endpoints:
        yield "Endpoint", f"{endpoint.name}: {protocol.endpoint(endpoint.name).describe()}"
    for endpoint in protocol.endpoints:
        yield "Missing", f"{endpoint.name}: {_missing(trial, endpoint.name)}"
    for analysis in protocol.analyses:
        yield "Analysis", f"{analysis.name} at {analysis.visit}, {analysis.role}"
    if len(trial.events):
        patients = counted(trial.events["patient"].nunique(), "patient")
        yield "Events", f"{len(trial.events)} in {patients}"
    elif trial.events_known:
        yield "Events", "none occurred, as [data] events_complete says"
    elif trial.events_recorded:
        yield (
            "Events",
            f"{protocol.data.events} holds no event: the report will say that nothing can be said of harm, "
            "unless the protocol says [data] events_complete = true",
        )
    for note in (*trial.notes, *unlikely(trial)):
        yield "Note", note


def _arms(trial: Trial) -> Iterator[str]:
    """Each arm with what it is made of and how many units it has."""
    protocol: Protocol = trial.protocol
    units, noun = (trial.lesions, "lesion") if protocol.is_within_patient else (trial.patients, "patient")
    counts = units["arm"].astype(str).value_counts()
    for label in protocol.arms:
        parts = protocol.arms.ordered_components(label)
        made_of = join_words(protocol.components.get(part, part) for part in parts) or "no component"
        yield f"{label} ({made_of}): {counted(int(counts.get(label, 0)), noun)}"


def _missing(trial: Trial, endpoint: str) -> str:
    """How many values of an endpoint are missing at each visit after treatment, of everyone planned to be seen."""
    unit = trial.protocol.endpoint(endpoint).level
    counts = missing_by_arm_and_visit(trial, endpoint).groupby("visit", sort=False).sum(numeric_only=True)
    parts = [
        f"{row.missing} of {counted(row.expected, unit)} at {visit}"
        for visit, row in counts.iterrows()
        if row.missing
    ]
    return ", ".join(parts) or "nothing"
