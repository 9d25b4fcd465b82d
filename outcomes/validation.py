"""Every defect of a trial's files in one pass: file, row, column, value, what was expected, how to mend."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from outcomes.adverse_events import check_events
from outcomes.assessments_check import check_assessments, read_rows
from outcomes.errors import Defect
from outcomes.measured import describe_range
from outcomes.nearest import nearest
from outcomes.protocol import Protocol
from outcomes.protocol_checks import CANONICAL_COLUMNS
from outcomes.readers import HEADER_ROW, RawTable
from outcomes.table_check import TableCheck
from outcomes.units import (
    Units,
    categorical,
    intercurrent_flags,
    known_patients,
    same_arm,
    text_series,
)

__all__ = ["Checked", "check_trial"]

FILES = ("patients", "lesions", "assessments", "events")


@dataclass(frozen=True, slots=True, eq=False)
class Checked:
    """A trial's frames after validation.

    Attributes
    ----------
    patients, lesions, assessments, events : DataFrame
        With canonical column names and converted values; meaningful only where `defects` is empty.
    defects : tuple of Defect
        In the order of files and rows.
    notes : tuple of str
        What the protocol says to keep or leave out, counted, one sentence each.
    """

    patients: pd.DataFrame
    lesions: pd.DataFrame
    assessments: pd.DataFrame
    events: pd.DataFrame
    defects: tuple[Defect, ...]
    notes: tuple[str, ...]


def check_trial(
    protocol: Protocol, tables: Mapping[str, RawTable | None], file_defects: list[Defect]
) -> Checked:
    """Convert and check a trial's tables.

    Parameters
    ----------
    protocol : Protocol
        What was planned.
    tables : mapping of str to RawTable or None
        "patients", "lesions", "assessments" and "events"; None where a file could not be read, absent where
        the trial has none.
    file_defects : list of Defect
        What the readers found.
    """
    defects: list[Defect] = list(file_defects)
    notes: list[str] = []
    checks = {
        name: None if table is None else TableCheck(table, protocol.data, defects)
        for name, table in tables.items()
    }
    if (found := checks.get("assessments")) is not None:
        checks["assessments"] = read_rows(protocol, found, notes)
    patients, arms_of_patients = _patients(protocol, checks.get("patients"))
    if protocol.is_within_patient and (who := checks.get("patients")) is not None and who.has("arm"):
        notes.append(f"{who.file}: the column {who.shown('arm')} not read, since lesions have the arms here.")
    lesions, arms_of_lesions = _lesions(protocol, checks, arms_of_patients)
    units = Units(arms_of_patients, arms_of_lesions, _treatment_dates(patients))
    assessments = _none("assessments")
    check = checks.get("assessments")
    if check is not None:
        assessments = check_assessments(protocol, check, units, notes)
    events = check_events(protocol, checks.get("events"), units)
    _flags(protocol, checks, defects)
    order = {
        table.file: position for position, name in enumerate(FILES) if (table := tables.get(name)) is not None
    }
    sorted_defects = sorted(dict.fromkeys(defects), key=lambda d: (order.get(d.file, -1), d.row or 0))
    return Checked(patients, lesions, assessments, events, tuple(sorted_defects), tuple(notes))


def _treatment_dates(patients: pd.DataFrame) -> dict[str, str]:
    if "treatment_date" not in patients:
        return {}
    known = patients.dropna(subset=["patient", "treatment_date"])
    return {row.patient: row.treatment_date for row in known.itertuples()}


def _none(name: str) -> pd.DataFrame:
    return pd.DataFrame({column: pd.Series(dtype="str") for column in CANONICAL_COLUMNS[name]})


def _covariate_columns(protocol: Protocol, check: TableCheck, level: str) -> dict[str, pd.Series]:
    columns = {}
    for covariate in protocol.covariates:
        source = covariate.source_column
        if covariate.level != level or not check.require(source, f"the covariate {covariate.name!r}"):
            continue
        if covariate.kind == "numeric":
            low, high = covariate.minimum, covariate.maximum
            what = f"a number{f' ({covariate.unit})' if covariate.unit else ''}"
            if low is not None or high is not None:
                what = describe_range(low, high, covariate.unit or "")
            columns[covariate.name] = pd.Series(check.number(source, minimum=low, maximum=high, what=what))
        else:
            levels = covariate.levels or ()
            columns[covariate.name] = categorical(
                check.category(source, levels, f"level of {covariate.name}"), levels
            )
    return columns


def _other_columns(check: TableCheck, taken: set[str]) -> dict[str, pd.Series]:
    return {column: check.free(column) for column in check.columns if column not in taken}


def _patients(protocol: Protocol, check: TableCheck | None) -> tuple[pd.DataFrame, dict[str, str | None]]:
    if check is None:
        return _none("patients"), {}
    has_patient = check.require("patient", "the patient's identifier")
    parallel = not protocol.is_within_patient
    has_arm = parallel and check.require("arm", "the patient's arm")
    covariates = _covariate_columns(protocol, check, "patient")
    if not has_patient or not check.require_rows("one row a patient"):
        return _none("patients"), {}
    ids = check.identifier("patient", "patient identifier")
    arms: list[str | None] = [None] * check.length
    if has_arm:
        arms = check.category("arm", protocol.arms, "arm", may_be_missing=False)
    arms_of = _once_each(check, ids, arms, "patient", "patient")
    if has_arm:
        _everybody(protocol, check, arms, "patient")
    columns: dict[str, pd.Series] = {"patient": text_series(ids)}
    if has_arm:
        columns["arm"] = categorical(arms, protocol.arms)
    if check.has("treatment_date"):
        columns["treatment_date"] = text_series(check.date("treatment_date"))
    sources = {c.source_column for c in protocol.covariates if c.level == "patient"}
    columns |= covariates
    columns |= _other_columns(check, {"patient", "arm", "treatment_date", *sources, *covariates})
    return pd.DataFrame(columns), arms_of


def _once_each(
    check: TableCheck, keys: list[Any], arms: list[str | None], column: str, what: str
) -> dict[Any, str | None]:
    """Report keys that stand in several rows, and say so where their arms differ."""
    first: dict[Any, int] = {}
    arms_of: dict[Any, str | None] = {}
    for position, key in enumerate(keys):
        if key is None or (isinstance(key, tuple) and None in key):
            continue
        if key not in first:
            first[key], arms_of[key] = position, arms[position]
            continue
        earlier, row = first[key], int(check.rows[first[key]])
        shown = " / ".join(key) if isinstance(key, tuple) else key
        if arms[position] is not None and arms[earlier] is not None and arms[position] != arms[earlier]:
            problem = (
                f"{what} {shown!r} is in two arms: {arms[earlier]!r} in row {row}, {arms[position]!r} here"
            )
            check.report(
                position, "arm", problem, f"one arm a {what}", "Delete the wrong row", arms[position]
            )
        else:
            problem = f"{what} {shown!r} stands in row {row} already"
            check.report(position, column, problem, f"one row a {what}", "Delete one of the rows", shown)
    return arms_of


def _everybody(protocol: Protocol, check: TableCheck, arms: list[str | None], what: str) -> None:
    found = set(arms)
    if any(known is None for known, cell in zip(arms, check.text("arm"), strict=True) if cell is not None):
        return  # an unknown label, reported as such, may be the one that seems to have nobody
    for label in protocol.arms:
        if label not in found:
            hint = "Delete the arm from [arms] in trial.toml, or complete the file"
            check.report_column(
                "arm", f"nobody is in the arm {label!r}", f"at least one {what} in each arm", hint, None
            )


def _lesions(
    protocol: Protocol, checks: Mapping[str, TableCheck | None], patients: dict[str, str | None]
) -> tuple[pd.DataFrame, dict[tuple[str, str], str | None]]:
    """Read the lesions from their file or, without one, from the assessments of a within-patient trial."""
    if "lesions" in checks:
        check = checks["lesions"]
        return (_none("lesions"), {}) if check is None else _lesion_rows(protocol, check, patients)
    assessments = checks.get("assessments")
    if not protocol.is_within_patient or assessments is None:
        return _none("lesions"), {}
    return _lesions_of_assessments(protocol, assessments)


def _lesion_rows(
    protocol: Protocol, check: TableCheck, patients: dict[str, str | None]
) -> tuple[pd.DataFrame, dict[tuple[str, str], str | None]]:
    required = [
        check.require("patient", "the patient's identifier"),
        check.require("lesion", "the lesion's label"),
    ]
    has_arm = protocol.is_within_patient and check.require("arm", "the lesion's arm")
    covariates = _covariate_columns(protocol, check, "lesion")
    if not all(required) or not check.require_rows("one row a lesion"):
        return _none("lesions"), {}
    ids = check.identifier("patient", "patient identifier")
    labels = check.identifier("lesion", "lesion label")
    arms: list[str | None] = [None] * check.length
    if has_arm:
        arms = check.category("arm", protocol.arms, "arm", may_be_missing=False)
    elif check.has("arm"):
        arms = check.category("arm", protocol.arms, "arm")
        same_arm(check, ids, [patients.get(patient or "") for patient in ids], arms, "patient")
    if patients:
        known_patients(check, ids, patients)
    arms_of = _once_each(check, list(zip(ids, labels, strict=True)), arms, "lesion", "lesion")
    if has_arm:
        _everybody(protocol, check, arms, "lesion")
    columns: dict[str, pd.Series] = {"patient": text_series(ids), "lesion": text_series(labels)}
    if has_arm:
        columns["arm"] = categorical(arms, protocol.arms)
    sources = {c.source_column for c in protocol.covariates if c.level == "lesion"}
    columns |= covariates
    columns |= _other_columns(check, {"patient", "lesion", "arm", *sources, *covariates})
    return pd.DataFrame(columns), arms_of


def _lesions_of_assessments(
    protocol: Protocol, check: TableCheck
) -> tuple[pd.DataFrame, dict[tuple[str, str], str | None]]:
    hint = "the lesion's arm, since [data] names no lesions file"
    present = [
        check.require("patient", "the patient's identifier"),
        check.require("lesion", "the lesion's label"),
    ]
    if not all([*present, check.require("arm", hint)]):
        return _none("lesions"), {}
    ids, labels = check.text("patient"), check.text("lesion")
    arms = check.category("arm", protocol.arms, "arm")
    arms_of: dict[tuple[str, str], str | None] = {}
    first: dict[tuple[str, str], int] = {}
    for position, (patient, lesion) in enumerate(zip(ids, labels, strict=True)):
        if patient is None or lesion is None:
            continue
        arm = arms[position]
        if arm is None:
            if check.text("arm")[position] is None:
                check.report(position, "arm", "the arm is missing", "the lesion's arm", "Fill it in")
            continue
        known = arms_of.setdefault((patient, lesion), arm)
        first.setdefault((patient, lesion), position)
        if known != arm:
            row = int(check.rows[first[patient, lesion]])
            problem = f"lesion '{patient} / {lesion}' is in two arms: {known!r} in row {row}, {arm!r} here"
            check.report(position, "arm", problem, "one arm a lesion", "Correct the arm", arm)
    _everybody(protocol, check, arms, "lesion")
    frame = pd.DataFrame(
        {
            "patient": text_series([patient for patient, _ in arms_of]),
            "lesion": text_series([lesion for _, lesion in arms_of]),
            "arm": categorical(list(arms_of.values()), protocol.arms),
        }
    )
    for covariate in protocol.covariates:
        if covariate.level == "lesion":
            check.report_column(
                covariate.source_column, "a lesion's covariate needs a lesions file", "[data] lesions",
                "Write one row a lesion into a file of its own, and name it in [data]",
            )  # fmt: skip
    return frame, arms_of


def _flags(protocol: Protocol, checks: Mapping[str, TableCheck | None], defects: list[Defect]) -> None:
    """Intercurrent events name a column that must be somewhere; its cells must be yes or no."""
    homes = [
        check for name in ("assessments", "lesions", "patients") if (check := checks.get(name)) is not None
    ]
    if any(checks.get(name, False) is None for name in ("assessments", "lesions", "patients")):
        return  # an unread file may hold it
    for flag in intercurrent_flags(protocol):
        home = next((check for check in homes if check.has(flag)), None)
        if home is not None:
            home.flag(flag)
        elif homes:
            known = [check.shown(column) for check in homes for column in check.columns]
            near = nearest(flag, known)
            hint = f"Is it {near!r}?" if near else "Add it to the patients, the lesions or the assessments"
            what = "the flag of an intercurrent event, in one of the files"
            defects.append(
                Defect(
                    homes[0].file, HEADER_ROW, homes[0].shown(flag), None, what, hint, "the column is missing"
                )
            )
