"""What in a trial's data may be right but seldom is: `tandem check` says it, and refuses nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import pandas as pd

from outcomes.measured import measured_columns, root_endpoints
from outcomes.plural import counted

if TYPE_CHECKING:
    from outcomes.trial import Trial

__all__ = ["unlikely"]

_OLDEST = 120
_NAMED = 5


def unlikely(trial: Trial) -> Iterator[str]:
    """Yield a sentence for each thing that deserves a second look.

    Parameters
    ----------
    trial
        A trial that `outcomes.read_trial` found in order.
    """
    yield from _ages(trial)
    yield from _fractions(trial)
    yield from _without_anything(trial)
    yield from _models_not_used(trial)


def _ages(trial: Trial) -> Iterator[str]:
    """Ages that nobody has, unless they are declared in another unit than years."""
    units = {c.name: c.unit for c in trial.protocol.covariates if c.level == "patient"}
    patients = trial.patients
    for name in patients.columns:
        unit = units.get(name) or "years"
        if name.casefold() != "age" or not unit.casefold().startswith("year"):
            continue
        ages = pd.to_numeric(patients[name], errors="coerce")
        odd = patients.loc[(ages < 0) | (ages > _OLDEST), "patient"]
        if len(odd):
            yield f"{name} below 0 or above {_OLDEST} of {_people(odd.tolist())}: is that right?"


def _fractions(trial: Trial) -> Iterator[str]:
    """Percentages that look like fractions of 1."""
    for facts in root_endpoints(trial.protocol):
        if facts.unit != "%" or facts.derive != "value":
            continue
        values = trial.endpoint(facts.name)["value"].dropna().to_numpy(dtype=float)
        if len(values) and values.min() >= 0 and 0 < values.max() <= 1:
            yield f"all values of {facts.name} lie in 0 to 1 %: are these fractions?"


def _without_anything(trial: Trial) -> Iterator[str]:
    """Patients of whom the other files say nothing."""
    everybody = [str(patient) for patient in trial.patients["patient"]]
    if len(trial.lesions):
        known = set(trial.lesions["patient"])
        lost = [patient for patient in everybody if patient not in known]
        if lost:
            yield f"no lesion of {_people(lost)}."
    rows = trial.assessments
    outcomes = [column.name for column in measured_columns(trial.protocol)]
    assessed = set(rows.loc[rows[outcomes].notna().any(axis=1), "patient"])
    lost = [patient for patient in everybody if patient not in assessed]
    if lost:
        yield f"no assessment of {_people(lost)}."


def _models_not_used(trial: Trial) -> Iterator[str]:
    """Models of grades and responders, which are compared without one."""
    for analysis in trial.protocol.analyses:
        scale = trial.protocol.endpoint(analysis.endpoint).scale
        if analysis.model is not None and scale != "continuous":
            kind = {"ordinal": "grades", "binary": "responders"}[scale]
            yield f"the model of the analysis {analysis.name} is not used, since {kind} are compared without one."


def _people(patients: Sequence[str]) -> str:
    """Return e.g. "7 patients (P01, P02, P03, P04, P05, ...)"."""
    named = [*patients[:_NAMED], *(["..."] if len(patients) > _NAMED else [])]
    return f"{counted(len(patients), 'patient')} ({', '.join(named)})"
