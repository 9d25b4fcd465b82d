"""The file of assessments: who, when, what was measured; wide, or long over parameters as ADaM's BDS is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from outcomes.assessments_order import check_baselines, check_order, check_windows, weeks_by_date
from outcomes.endpoint import EndpointFacts
from outcomes.errors import ProtocolError, ScoringError
from outcomes.measured import MeasuredColumn, measured_columns, root_endpoints, score_items
from outcomes.nearest import nearest
from outcomes.plural import counted
from outcomes.protocol import Protocol
from outcomes.protocol_checks import CANONICAL_COLUMNS
from outcomes.query import QueryProblem, keeps, query_names
from outcomes.table_check import TableCheck
from outcomes.units import (
    Units,
    categorical,
    intercurrent_flags,
    known_lesions,
    known_patients,
    same_arm,
    text_series,
)

__all__ = ["baseline_name", "check_assessments", "read_rows"]

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Key = tuple[str | None, str | None, str | None]


@dataclass(slots=True)
class _Rows:
    """The keys of a table's records, and for each (patient, lesion, visit) its first record."""

    keys: list[Key]
    unit: npt.NDArray[np.int64]  # record -> number of its key
    first: npt.NDArray[np.int64]  # number of a key -> its first record


def baseline_name(column: str) -> str:
    """Return the name under which the baselines of a long table's parameter are kept."""
    return f"{column}_baseline"


def read_rows(protocol: Protocol, check: TableCheck, notes: list[str]) -> TableCheck:
    """Return the records that the protocol reads: those of `assessments_where`, and of its parameters.

    Raises
    ------
    ProtocolError
        Where the filter of [data] cannot be applied.
    """
    where = protocol.data.assessments_where
    if where is not None:
        theirs = {check.shown(column): column for column in check.columns}
        names = {*query_names(where)} & set(theirs)
        frame = pd.DataFrame({name: check.free(theirs[name]) for name in sorted(names)})
        for name in theirs:
            if name not in frame:
                frame[name] = None  # so that an unknown column's error can name the nearest
        try:
            kept = keeps(frame, where).to_numpy()
        except QueryProblem as problem:
            raise ProtocolError(f"[data], key 'assessments_where': {problem}") from problem
        left = counted(int((~kept).sum()), "row")
        notes.append(f"{check.file}: {left} left out by the filter {where}.")
        check = check.subset(kept)
    if protocol.data.is_long and check.has("parameter"):
        wanted = {column.name for column in measured_columns(protocol)}
        parameters = check.text("parameter")
        for position, parameter in enumerate(parameters):
            if parameter is None:
                check.report(position, "parameter", "the parameter is missing", "a parameter", "Fill it in")
        used = np.array([parameter in wanted for parameter in parameters], dtype=bool)
        if not used.all() and used.any():
            left = counted(int((~used).sum()), "row")
            notes.append(f"{check.file}: {left} of parameters that no endpoint names not read.")
            _missing_parameters(check, wanted, parameters)
            return check.subset(used)
        _missing_parameters(check, wanted, parameters)
    return check


def _missing_parameters(check: TableCheck, wanted: set[str], parameters: list[str | None]) -> None:
    present = {parameter for parameter in parameters if parameter is not None}
    for name in sorted(wanted - present):
        near = nearest(name, present)
        hint = f"Is it {near!r}?" if near else "Correct the endpoint's column in trial.toml"
        what = "a parameter that an endpoint names as its column"
        check.report_column("parameter", "no row has this parameter", what, hint, name)


def check_assessments(protocol: Protocol, check: TableCheck, units: Units, notes: list[str]) -> pd.DataFrame:
    """Convert and check the assessments.

    Returns
    -------
    DataFrame
        One row a patient (or lesion) and visit: ``patient, lesion, visit, week``, ``date`` where the file has
        it, columns that the protocol does not describe, then the outcomes as numbers (grades as their codes).
        In the order of the file. Meaningful only where nothing was reported.
    """
    outcomes = measured_columns(protocol)
    if not _has_columns(protocol, check, outcomes) or not check.require_rows("one row an assessment"):
        return pd.DataFrame({name: pd.Series(dtype="str") for name in ("patient", "lesion", "visit", "week")})
    patients = check.identifier("patient", "patient identifier")
    visits = check.category("visit", [v.name for v in protocol.visits], "visit", may_be_missing=False)
    has_lesion = protocol.has_lesions and check.has("lesion")
    blank: list[str | None] = [None] * check.length
    lesions = check.identifier("lesion", "lesion label", may_be_missing=True) if has_lesion else blank
    if units.patients:
        known_patients(check, patients, units.patients)
    known_lesions(check, patients, lesions, units)
    _check_arms(protocol, check, units, patients, lesions)
    rows = _rows(protocol, check, list(zip(patients, lesions, visits, strict=True)))
    columns: dict[str, pd.Series] = {"patient": text_series(patients)}
    if has_lesion:
        columns["lesion"] = text_series(lesions)
    columns["visit"] = categorical(visits, [v.name for v in protocol.visits])
    weeks = check.number("week", what="a week") if check.has("week") else np.full(check.length, np.nan)
    columns["week"] = pd.Series(weeks)
    if check.has("date"):
        columns["date"] = text_series(check.date("date"))
    columns |= _other_columns(protocol, check, outcomes, set(columns))
    keyed = pd.DataFrame(columns)
    cells = {name: _spread(rows, own) for name, own in _outcome_cells(protocol, check, outcomes).items()}
    values = {name: own.values for name, own in cells.items()}
    recorded = {name: own.recorded for name, own in cells.items()}
    frame = keyed.iloc[rows.first].reset_index(drop=True).assign(**values)
    _same_within_key(check, rows, keyed)
    if has_lesion:
        _check_levels(check, rows, frame, outcomes, recorded)
    _check_totals(protocol, check, rows, frame)
    assessed = np.any([recorded[column.name] for column in outcomes], axis=0)
    timed = frame if check.has("week") else frame.assign(week=weeks_by_date(frame, units))
    check_windows(protocol, check, rows.first, timed, assessed, notes)
    check_order(protocol, check, rows.first, frame, units)
    check_baselines(protocol, check, rows.first, frame, outcomes, recorded, notes)
    return _with_planned_weeks(protocol, timed)


def _has_columns(protocol: Protocol, check: TableCheck, outcomes: tuple[MeasuredColumn, ...]) -> bool:
    present = [
        check.require("patient", "the patient's identifier"),
        check.require("visit", "the visit's name"),
    ]
    if any(column.level == "lesion" for column in outcomes):
        present.append(check.require("lesion", "the lesion's label"))
    if protocol.data.is_long:
        for name in ("parameter", "value", "baseline"):
            if name in protocol.data.columns:
                present.append(check.require(name, f"the {name} of the long table"))
        return all(present)
    for column in outcomes:
        present.append(check.require(column.name, f"an outcome: {column.expected}"))
        if column.baseline_column is not None:
            present.append(check.require(column.baseline_column, f"the baseline of {column.name}"))
    return all(present)


def _check_arms(
    protocol: Protocol, check: TableCheck, units: Units, patients: list[str | None], lesions: list[str | None]
) -> None:
    if not check.has("arm") or (protocol.is_within_patient and protocol.data.lesions is None):
        return  # without a lesions' file the arms were read from here
    arms = check.category("arm", protocol.arms, "arm")
    if not protocol.is_within_patient:
        same_arm(check, patients, [units.patients.get(p or "") for p in patients], arms, "patient")
        return
    keys = list(zip(patients, lesions, strict=True))
    owners = [f"{patient} / {lesion}" for patient, lesion in keys]
    same_arm(check, owners, [units.lesions.get((p or "", x or "")) for p, x in keys], arms, "lesion")


def _rows(protocol: Protocol, check: TableCheck, keys: list[Key]) -> _Rows:
    """Number the keys by their first appearance; report what stands there twice."""
    parameters = check.text("parameter") if protocol.data.is_long else [None] * check.length
    numbers: dict[Key, int] = {}
    seen: dict[tuple[Key, str | None], int] = {}
    unit = np.empty(check.length, dtype=np.int64)
    first: list[int] = []
    for position, (key, parameter) in enumerate(zip(keys, parameters, strict=True)):
        if key not in numbers:
            numbers[key] = len(first)
            first.append(position)
        unit[position] = numbers[key]
        earlier = seen.setdefault((key, parameter), position)
        patient, lesion, visit = key
        if earlier == position or patient is None or visit is None:
            continue
        who = patient if lesion is None else f"{patient} / {lesion}"
        what = f"{who!r} at {visit!r}" + (f" ({parameter})" if parameter else "")
        problem = f"{what} stands in row {int(check.rows[earlier])} already"
        expected = (
            "one row a patient, lesion and visit" if protocol.has_lesions else "one row a patient and visit"
        )
        hint = "Delete one of the rows"
        if check.has("lesion") and not protocol.has_lesions:
            hint = "If a patient has several lesions here, name the lesions' file in [data]"
        check.report(position, "visit", problem, expected, hint, visit)
    return _Rows(keys, unit, np.array(first, dtype=np.int64))


def _other_columns(
    protocol: Protocol, check: TableCheck, outcomes: tuple[MeasuredColumn, ...], taken: set[str]
) -> dict[str, pd.Series]:
    read = {*taken, *CANONICAL_COLUMNS["assessments"]}
    read |= {column.name for column in outcomes}
    read |= {column.baseline_column for column in outcomes if column.baseline_column is not None}
    names = [name for name in check.columns if name not in read]
    if protocol.data.is_long:  # other columns of a long table belong to a parameter, not to a visit
        names = [name for name in names if name in intercurrent_flags(protocol)]
    return {name: check.free(name) for name in names}


@dataclass(frozen=True, slots=True, eq=False)
class _Cells:
    """An outcome in the records of the table: where it stands, and its values."""

    recorded: Mask  # whether the cell holds something, be it right or wrong
    values: Floats


def _outcome_cells(
    protocol: Protocol, check: TableCheck, outcomes: tuple[MeasuredColumn, ...]
) -> dict[str, _Cells]:
    """Return the outcomes' cells, columns that repeat baselines first; report what no outcome can be."""

    def cells(source: str, column: MeasuredColumn, where: Mask) -> _Cells:
        values = check.number(
            source,
            minimum=column.minimum,
            maximum=column.maximum,
            what=column.expected,
            labels=column.labels,
            first_code=column.first_code,
            allows=column.allows,
            where=where,
        )
        return _Cells(where & check.recorded(source), values)

    found: dict[str, _Cells] = {}
    if not protocol.data.is_long:
        everywhere = np.ones(check.length, dtype=bool)
        for column in outcomes:
            if column.baseline_column is not None:
                found[column.baseline_column] = cells(column.baseline_column, column, everywhere)
        return found | {column.name: cells(column.name, column, everywhere) for column in outcomes}
    parameters = np.array(check.text("parameter"), dtype=object)
    if "baseline" in protocol.data.columns:
        for column in outcomes:
            found[baseline_name(column.name)] = cells("baseline", column, parameters == column.name)
    return found | {column.name: cells("value", column, parameters == column.name) for column in outcomes}


def _spread(rows: _Rows, cells: _Cells) -> _Cells:
    """Bring the records' cells to the rows of patient, lesion and visit; duplicates were reported."""
    values = np.full(len(rows.first), np.nan)
    measured = ~np.isnan(cells.values)
    values[rows.unit[measured]] = cells.values[measured]
    recorded = np.zeros(len(rows.first), dtype=bool)
    recorded[rows.unit[cells.recorded]] = True
    return _Cells(recorded, values)


def _same_within_key(check: TableCheck, rows: _Rows, keyed: pd.DataFrame) -> None:
    """In a long table, what belongs to the visit (week, date, flags) must not differ by parameter."""
    if len(rows.first) == check.length:
        return
    for name in keyed.columns.difference(["patient", "lesion", "visit"], sort=False):
        cells = keyed[name].astype(object).where(keyed[name].notna(), None).tolist()
        for position, number in enumerate(rows.unit):
            right = cells[rows.first[number]]
            if cells[position] != right:
                row = int(check.rows[rows.first[number]])
                expected = f"{right!r}, as in row {row} of the same visit"
                problem = "the rows of one visit differ"
                check.report(position, name, problem, expected, "Correct one of them", str(cells[position]))


def _check_levels(
    check: TableCheck,
    rows: _Rows,
    frame: pd.DataFrame,
    outcomes: tuple[MeasuredColumn, ...],
    recorded: dict[str, Mask],
) -> None:
    """A row without a lesion holds outcomes of the patient; the others must be missing there."""
    no_lesion = frame["lesion"].isna().to_numpy()
    for column in outcomes:
        if column.level == "lesion":
            for number in np.flatnonzero(no_lesion & recorded[column.name]):
                expected = f"a lesion's label, since {column.name} is an outcome of lesions"
                check.report(
                    int(rows.first[number]), "lesion", "the lesion is missing", expected, "Fill it in"
                )
            continue
        seen: dict[tuple[str, str], tuple[float, int]] = {}
        for number in np.flatnonzero(frame[column.name].notna().to_numpy()):
            key = (str(frame["patient"].iloc[number]), str(frame["visit"].iloc[number]))
            value = float(frame[column.name].iloc[number])
            known, earlier = seen.setdefault(key, (value, int(rows.first[number])))
            if known != value:
                problem = f"the patient's outcome differs between its rows of {key[1]!r}"
                expected = f"{known:g}, as in row {int(check.rows[earlier])}"
                hint = "Write it once, in a row without a lesion"
                check.report(int(rows.first[number]), column.name, problem, expected, hint, f"{value:g}")


def _check_totals(protocol: Protocol, check: TableCheck, rows: _Rows, frame: pd.DataFrame) -> None:
    """Report items whose total the instrument refuses, such as regions that exceed the whole body."""
    for facts in root_endpoints(protocol):
        if not facts.measured.items:
            continue
        try:
            score_items(facts, frame)
        except ScoringError:
            for number in range(len(frame)):
                _check_total(check, int(rows.first[number]), facts, frame.iloc[[number]])


def _check_total(check: TableCheck, position: int, facts: EndpointFacts, row: pd.DataFrame) -> None:
    try:
        score_items(facts, row)
    except ScoringError as error:
        column = facts.measured.columns[0]
        check.report(
            position,
            column,
            error.message,
            str(error.expected),
            error.hint or "Correct the items",
            str(error.got),
        )


def _with_planned_weeks(protocol: Protocol, frame: pd.DataFrame) -> pd.DataFrame:
    """Where no week was recorded and no dates tell it, the visit's planned week."""
    planned = {visit.name: float(visit.week) for visit in protocol.visits}
    weeks = frame["week"].to_numpy(dtype=float)
    by_plan = np.array([planned.get(visit, np.nan) for visit in frame["visit"].astype(object)], dtype=float)
    return frame.assign(week=np.where(np.isnan(weeks), by_plan, weeks))
