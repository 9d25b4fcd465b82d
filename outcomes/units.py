"""Patients and lesions as the other files may name them, and rows that name anybody else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import pandas as pd

from outcomes.nearest import nearest
from outcomes.protocol import Protocol
from outcomes.table_check import TableCheck

__all__ = [
    "Units",
    "categorical",
    "intercurrent_flags",
    "known_lesions",
    "known_patients",
    "same_arm",
    "text_series",
]


@dataclass(frozen=True, slots=True)
class Units:
    """The patients and lesions of a trial.

    Attributes
    ----------
    patients : dict of str to str or None
        Patient -> arm; None where it has none or the design gives arms to lesions. Empty where the file could
        not be read: then nothing is said of unknown patients.
    lesions : dict of (str, str) to str or None
        (Patient, lesion) -> arm. Empty where there are none or their file could not be read.
    treatment_dates : dict of str to str
        Patient -> date of the first treatment (ISO 8601), where the patients' file says so.
    """

    patients: dict[str, str | None]
    lesions: dict[tuple[str, str], str | None] = field(default_factory=dict)
    treatment_dates: dict[str, str] = field(default_factory=dict)


def text_series(cells: Iterable[str | None]) -> pd.Series:
    """Return identifiers or labels as a text column, missing where None."""
    return pd.Series(list(cells), dtype="str")


def categorical(cells: Iterable[str | None], levels: Iterable[str]) -> pd.Series:
    """Return cells as a Categorical with the protocol's levels in their order."""
    return pd.Series(pd.Categorical(list(cells), categories=list(levels)))


def known_patients(check: TableCheck, ids: list[str | None], patients: Mapping[str, object]) -> None:
    """Report rows of patients that the patients' file does not have."""
    for position, patient in enumerate(ids):
        if patient is None or patient in patients or patient != patient.strip():
            continue  # missing ones and stray blanks are reported as such
        hint = _hint(patient, patients) or "Add the patient to the patients' file, or correct it"
        check.report(position, "patient", "unknown patient", "a patient of the patients' file", hint, patient)


def _hint(name: str, known: Iterable[str]) -> str | None:
    """Say which known name was meant, first of all the one from which leading zeros alone set it apart."""
    others = tuple(known)
    bare = name.lstrip("0")
    same = [other for other in others if bare and bare[0].isdigit() and other.lstrip("0") == bare]
    if len(same) == 1:
        why = "a spreadsheet may have dropped them, so keep identifiers as text"
        return f"Did you mean {same[0]!r}? Only leading zeros differ: {why}"
    near = nearest(name, others)
    return None if near is None else f"Did you mean {near!r}?"


def known_lesions(check: TableCheck, ids: list[str | None], labels: list[str | None], units: Units) -> None:
    """Report rows of lesions that the lesions' file does not have for that patient."""
    if not units.lesions:
        return
    of_patient: dict[str, list[str]] = {patient: [] for patient in units.patients}
    for patient, lesion in units.lesions:
        of_patient.setdefault(patient, []).append(lesion)
    for position, (owner, label) in enumerate(zip(ids, labels, strict=True)):
        if owner is None or label is None or owner not in of_patient or label in of_patient[owner]:
            continue
        if label != label.strip():
            continue  # reported as such
        listed = ", ".join(map(repr, of_patient[owner])) or "none in the lesions' file"
        expected = f"a lesion of patient {owner!r} ({listed})"
        hint = _hint(label, of_patient[owner]) or "Add the lesion to the lesions' file, or correct it"
        check.report(position, "lesion", "unknown lesion", expected, hint, label)


def same_arm(
    check: TableCheck,
    owners: Iterable[str | None],
    known: Iterable[str | None],
    arms: Iterable[str | None],
    what: str,
) -> None:
    """Report rows whose arm is not the one that the owner's own file gives."""
    for position, (owner, right, arm) in enumerate(zip(owners, known, arms, strict=True)):
        if right is not None and arm is not None and right != arm:
            problem = f"{what} {owner!r} is in two arms: {right!r} in the {what}s' file, {arm!r} here"
            check.report(
                position, "arm", problem, f"one arm a {what}", "Correct the arm in one of the files", arm
            )


def intercurrent_flags(protocol: Protocol) -> tuple[str, ...]:
    """Return the flag columns that the protocol's estimands name, each once."""
    estimands = [analysis.estimand for analysis in protocol.analyses if analysis.estimand is not None]
    return tuple(
        dict.fromkeys(event.flag for estimand in estimands for event in estimand.intercurrent_events)
    )
