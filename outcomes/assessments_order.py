"""Time in the assessments: windows of visits, order of weeks and dates, and baselines before treatment."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pandas as pd

from outcomes.measured import MeasuredColumn
from outcomes.plural import counted
from outcomes.protocol import Protocol, Visit
from outcomes.table_check import TableCheck
from outcomes.units import Units

__all__ = ["check_baselines", "check_order", "check_windows", "weeks_by_date"]

Positions = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

_DAYS_PER_WEEK = 7.0


@dataclass(frozen=True, slots=True)
class _Visited:
    """One row of a unit: its number in the frame, the visit's name, and when it was."""

    number: int
    visit: str
    week: float
    date: str | None


def _visits_of_units(frame: pd.DataFrame) -> dict[tuple[str | None, ...], list[_Visited]]:
    """Return each patient (or lesion) with its rows in the order of visits."""
    keys = ["patient", "lesion"] if "lesion" in frame else ["patient"]
    owners = zip(*(_or_none(frame[key]) for key in keys), strict=True)
    order = {name: position for position, name in enumerate(frame["visit"].cat.categories)}
    dates = _or_none(frame["date"]) if "date" in frame else [None] * len(frame)
    weeks = frame["week"].to_numpy(dtype=float).tolist()
    units: dict[tuple[str | None, ...], list[_Visited]] = {}
    for number, (owner, visit) in enumerate(zip(owners, _or_none(frame["visit"]), strict=True)):
        if owner[0] is not None and visit is not None:
            units.setdefault(owner, []).append(_Visited(number, visit, weeks[number], dates[number]))
    for rows in units.values():
        rows.sort(key=lambda row: order[row.visit])
    return units


def _or_none(column: pd.Series) -> list[str | None]:
    cells = column.astype(object)
    return list(cells.where(cells.notna(), None))


def weeks_by_date(frame: pd.DataFrame, units: Units) -> Floats:
    """Return the week of each assessment by its date: days since the patient's first treatment, over seven.

    Parameters
    ----------
    frame : DataFrame
        Assessments: ``patient``, and ``date`` (ISO 8601) where the file has it.
    units : Units
        Of which the treatment dates count.

    Returns
    -------
    ndarray, shape (n,)
        In weeks, negative before treatment; NaN where either date is not known.
    """
    if "date" not in frame or not units.treatment_dates:
        return np.full(len(frame), np.nan)
    start = pd.to_datetime(frame["patient"].astype(object).map(units.treatment_dates), format="%Y-%m-%d")
    days = (pd.to_datetime(frame["date"].astype(object), format="%Y-%m-%d") - start).dt.days
    return np.asarray(days, dtype=np.float64) / _DAYS_PER_WEEK


def check_windows(
    protocol: Protocol,
    check: TableCheck,
    first: Positions,
    frame: pd.DataFrame,
    assessed: Mask,
    notes: list[str],
) -> None:
    """Report assessments outside their visit's window, or count them where the protocol keeps them.

    The weeks of the frame are the file's own or, where it has none, those by date.
    """
    weeks = frame["week"].to_numpy(dtype=float)
    names = frame["visit"].astype(object).to_numpy()
    if check.has("week"):
        for number in np.flatnonzero(assessed & np.isnan(weeks)):
            hint = "Fill it in; or delete the column, then the visits' planned weeks count"
            check.report(
                int(first[number]), "week", "the week is missing", "a week, as in the other rows", hint
            )
    unchecked, windowed = 0, 0
    for visit in protocol.visits:
        if visit.window is None:
            continue
        low, high = visit.window
        here = assessed & (names == visit.name)
        windowed += int(here.sum())
        unchecked += int((here & np.isnan(weeks)).sum())
        outside = np.flatnonzero(here & ((weeks < low) | (weeks > high)))
        if visit.out_of_window == "keep":
            if len(outside):
                kept = counted(len(outside), "assessment")
                notes.append(f"{check.file}: {kept} outside the window of {visit.name} kept.")
            continue
        for number in outside:
            expected = f"week {low:g} to {high:g}, the window of {visit.name!r}"
            hint = 'Correct it, or say out_of_window = "keep" at the visit in trial.toml'
            problem, column, shown = (
                "the assessment is outside its visit's window",
                "week",
                f"{weeks[number]:g}",
            )
            if not check.has("week"):
                expected += f" (this is week {weeks[number]:.3g} by the patient's treatment_date)"
                column, shown = "date", str(frame["date"].iloc[number])
            check.report(int(first[number]), column, problem, expected, hint, shown)
    if unchecked and not check.has("week"):
        which = "" if unchecked == windowed else f" of {counted(unchecked, 'assessment')}"
        why = "a week, or a date here and a treatment_date of the patient, are needed"
        notes.append(f"{check.file}: windows not checked{which}: {why}.")


def check_order(
    protocol: Protocol, check: TableCheck, first: Positions, frame: pd.DataFrame, units: Units
) -> None:
    """Report baselines after treatment, and visits whose weeks or dates do not follow one another."""
    has_week, has_date = check.has("week"), "date" in frame
    if not has_week and not has_date:
        return
    baseline = protocol.baseline_visit
    for owner, rows in _visits_of_units(frame).items():
        who = " / ".join(part for part in owner if part is not None)
        kept = []
        for row in rows:
            is_baseline = baseline is not None and row.visit == baseline.name
            if (
                baseline is None
                or not is_baseline
                or not _late_baseline(check, first, row, baseline, units, owner[0])
            ):
                kept.append(row)
        if has_week:
            _follow(check, first, kept, "week", baseline, who)
        if has_date:
            _follow(check, first, kept, "date", baseline, who)


def _late_baseline(
    check: TableCheck, first: Positions, row: _Visited, baseline: Visit, units: Units, patient: str | None
) -> bool:
    """Report a baseline after the start of treatment (week 0, and its date where known)."""
    position = int(first[row.number])
    last = 0.0 if baseline.window is None else max(0.0, baseline.window[1])
    if row.week > last:
        expected = f"week {last:g} or before; treatment starts in week 0"
        problem = "the baseline is after treatment"
        check.report(position, "week", problem, expected, "Correct the week", f"{row.week:g}")
        return True
    start = units.treatment_dates.get(patient or "")
    if start is None or row.date is None or row.date <= start:
        return False
    expected = f"{start} or before, the date of the first treatment"
    check.report(position, "date", "the baseline is after treatment", expected, "Correct the date", row.date)
    return True


def _follow(
    check: TableCheck, first: Positions, rows: list[_Visited], column: str, baseline: Visit | None, who: str
) -> None:
    """Report visits that are not later than the one before; a baseline among them is the one to blame."""
    known = [row for row in rows if (row.date is not None if column == "date" else not math.isnan(row.week))]
    for before, after in pairwise(known):
        later = after.date > before.date if column == "date" else after.week > before.week  # type: ignore[operator]
        if before.visit == after.visit or later:
            continue
        if baseline is not None and before.visit == baseline.name:
            expected = f"a {column} before {_when(after, column)}, that of {after.visit!r}"
            problem, blamed = f"the baseline of {who!r} is after treatment", before
        else:
            expected = f"a {column} after {_when(before, column)}, that of {before.visit!r}"
            problem, blamed = f"the visits of {who!r} are out of order", after
        position = int(first[blamed.number])
        check.report(position, column, problem, expected, f"Correct the {column}", _when(blamed, column))


def _when(row: _Visited, column: str) -> str:
    return str(row.date) if column == "date" else f"{row.week:g}"


def check_baselines(
    protocol: Protocol,
    check: TableCheck,
    first: Positions,
    frame: pd.DataFrame,
    outcomes: tuple[MeasuredColumn, ...],
    recorded: Mapping[str, Mask],
    notes: list[str],
) -> None:
    """Report outcomes after treatment without one before, and baselines that contradict one another."""
    visit = protocol.baseline_visit
    at_baseline = (
        (frame["visit"] == visit.name).to_numpy() if visit is not None else np.zeros(len(frame), bool)
    )
    patients = _or_none(frame["patient"])
    lesions = list(zip(patients, _or_none(frame["lesion"]), strict=True)) if "lesion" in frame else patients
    for column in outcomes:
        values = frame[column.name].to_numpy(dtype=float)
        if column.baseline == "definition":
            _by_definition(check, first, column, values, at_baseline)
        if column.baseline != "measured":
            continue
        owners: Sequence[object] = lesions if column.level == "lesion" else patients
        before = np.flatnonzero(at_baseline & recorded[column.name]).tolist()
        known = {owners[number]: float(values[number]) for number in before}  # NaN where reported as wrong
        repeated = column.baseline_column or f"{column.name}_baseline"
        if repeated in frame:
            own = frame[repeated].to_numpy(dtype=float)
            _same_baseline(check, first, column, own, recorded[repeated], owners, known)
        without: dict[object, int] = {}
        for number in np.flatnonzero(~at_baseline & recorded[column.name]).tolist():
            if owners[number] not in known:
                without.setdefault(owners[number], number)
        _report_without(protocol, check, first, column, without, notes)


def _by_definition(
    check: TableCheck,
    first: Positions,
    column: MeasuredColumn,
    values: npt.NDArray[np.float64],
    at: npt.NDArray[np.bool_],
) -> None:
    for number in np.flatnonzero(at & ~np.isnan(values) & (values != column.by_definition)):
        expected = f"{column.by_definition:g}, which the baseline is by definition"
        hint = 'Correct it; or say baseline = "measured" at the endpoint in trial.toml'
        problem = "the baseline is not what it is by definition"
        check.report(int(first[number]), column.name, problem, expected, hint, f"{values[number]:g}")


def _same_baseline(
    check: TableCheck,
    first: Positions,
    column: MeasuredColumn,
    repeated: npt.NDArray[np.float64],
    recorded: Mask,
    owners: Sequence[object],
    known: dict[object, float],
) -> None:
    """The column that repeats the baseline must agree with the baseline visit and with itself."""
    source = column.baseline_column or "baseline"
    for number in np.flatnonzero(recorded).tolist():
        value = float(repeated[number])
        right = known.setdefault(owners[number], value)
        if math.isnan(value) or math.isnan(right):
            continue  # reported as no baseline at all
        if not math.isclose(right, value, rel_tol=1e-9):  # the last digits differ between programs
            problem = "two baselines contradict each other"
            expected = f"{right:g}, as at the baseline visit or in a row above"
            check.report(int(first[number]), source, problem, expected, "Correct one of them", f"{value:g}")


def _report_without(
    protocol: Protocol,
    check: TableCheck,
    first: Positions,
    column: MeasuredColumn,
    without: dict[object, int],
    notes: list[str],
) -> None:
    shown = "value" if protocol.data.is_long else column.name
    if protocol.data.missing_baseline == "keep":
        if without:
            kept = counted(len(without), column.level)
            notes.append(f"{check.file}: {kept} without a baseline of {column.name} kept.")
        return
    for owner, number in without.items():
        who = " / ".join(part for part in owner if part) if isinstance(owner, tuple) else str(owner)
        problem = f"there is no baseline of {column.name} for {who!r}"
        expected = "a value at the baseline visit" if protocol.baseline_visit else "a value before treatment"
        hint = 'Add it; or, where it was never measured, say missing_baseline = "keep" in [data]'
        check.report(int(first[number]), shown, problem, expected, hint)
