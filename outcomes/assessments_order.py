"""Time in the assessments: windows of visits, order of weeks and dates, and baselines before treatment."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pandas as pd

from outcomes.measured import MeasuredColumn
from outcomes.plural import counted
from outcomes.protocol import Protocol, Visit
from outcomes.table_check import TableCheck
from outcomes.units import Units

__all__ = ["check_baselines", "check_order", "check_windows"]

Positions = npt.NDArray[np.int64]


def _units(frame: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield each patient (or lesion) with its rows in the order of visits."""
    keys = ["patient", "lesion"] if "lesion" in frame else ["patient"]
    ordered = frame.dropna(subset=["patient", "visit"])
    ordered = ordered.assign(order=ordered["visit"].cat.codes).sort_values("order", kind="stable")
    for key, rows in ordered.groupby(keys, sort=False, dropna=False):
        yield " / ".join(str(part) for part in key if isinstance(part, str)), rows


def check_windows(
    protocol: Protocol,
    check: TableCheck,
    first: Positions,
    frame: pd.DataFrame,
    outcomes: list[str],
    notes: list[str],
) -> None:
    """Report assessments outside their visit's window, or count them where the protocol keeps them."""
    assessed = frame[outcomes].notna().any(axis=1).to_numpy()
    weeks = frame["week"].to_numpy(dtype=float)
    names = frame["visit"].astype(object).to_numpy()
    if check.has("week"):
        for number in np.flatnonzero(assessed & np.isnan(weeks)):
            hint = "Fill it in; or delete the column, then the visits' planned weeks count"
            check.report(
                int(first[number]), "week", "the week is missing", "a week, as in the other rows", hint
            )
    for visit in protocol.visits:
        if visit.window is None:
            continue
        low, high = visit.window
        outside = np.flatnonzero(assessed & (names == visit.name) & ((weeks < low) | (weeks > high)))
        if visit.out_of_window == "keep":
            if len(outside):
                kept = counted(len(outside), "assessment")
                notes.append(f"{check.file}: {kept} outside the window of {visit.name} kept.")
            continue
        for number in outside:
            expected = f"week {low:g} to {high:g}, the window of {visit.name!r}"
            hint = 'Correct it, or say out_of_window = "keep" at the visit in trial.toml'
            problem = "the assessment is outside its visit's window"
            check.report(int(first[number]), "week", problem, expected, hint, f"{weeks[number]:g}")


def check_order(
    protocol: Protocol, check: TableCheck, first: Positions, frame: pd.DataFrame, units: Units
) -> None:
    """Report baselines after treatment, and visits whose weeks or dates do not follow one another."""
    has_week, has_date = check.has("week"), "date" in frame
    if not has_week and not has_date:
        return
    baseline = protocol.baseline_visit
    for who, rows in _units(frame):
        late: set[int] = set()
        patient = rows["patient"].iloc[0]
        if baseline is not None:
            for number in rows.index[(rows["visit"] == baseline.name).to_numpy()]:
                if _late_baseline(check, int(first[number]), frame.loc[number], baseline, units, patient):
                    late.add(number)
        kept = rows.drop(index=list(late))
        if has_week:
            _follow(check, first, kept, "week", baseline, who)
        if has_date:
            _follow(check, first, kept, "date", baseline, who)


def _late_baseline(
    check: TableCheck, position: int, row: pd.Series, baseline: Visit, units: Units, patient: str
) -> bool:
    week = float(row["week"])
    last = 0.0 if baseline.window is None else max(0.0, baseline.window[1])
    if week > last:
        expected = f"week {last:g} or before; treatment starts in week 0"
        check.report(
            position, "week", "the baseline is after treatment", expected, "Correct the week", f"{week:g}"
        )
        return True
    start = units.treatment_dates.get(patient)
    day = row.get("date")
    if start is None or not isinstance(day, str) or dt.date.fromisoformat(day) <= start:
        return False
    expected = f"{start.isoformat()} or before, the date of the first treatment"
    check.report(position, "date", "the baseline is after treatment", expected, "Correct the date", day)
    return True


def _follow(
    check: TableCheck, first: Positions, rows: pd.DataFrame, column: str, baseline: Visit | None, who: str
) -> None:
    known = rows.dropna(subset=[column])
    cells, visits = known[column].tolist(), known["visit"].astype(object).tolist()
    for here in range(1, len(cells)):
        if visits[here] == visits[here - 1] or cells[here] > cells[here - 1]:
            continue
        shown = [cell if isinstance(cell, str) else f"{cell:g}" for cell in cells[here - 1 : here + 1]]
        if baseline is not None and visits[here - 1] == baseline.name:
            position = int(first[known.index[here - 1]])
            expected = f"a {column} before {shown[1]}, that of {visits[here]!r}"
            problem = f"the baseline of {who!r} is after treatment"
            check.report(position, column, problem, expected, f"Correct the {column}", shown[0])
        else:
            position = int(first[known.index[here]])
            expected = f"a {column} after {shown[0]}, that of {visits[here - 1]!r}"
            problem = f"the visits of {who!r} are out of order"
            check.report(position, column, problem, expected, f"Correct the {column}", shown[1])


def check_baselines(
    protocol: Protocol,
    check: TableCheck,
    first: Positions,
    frame: pd.DataFrame,
    outcomes: tuple[MeasuredColumn, ...],
    notes: list[str],
) -> None:
    """Report outcomes after treatment without one before, and baselines that contradict one another."""
    visit = protocol.baseline_visit
    at_baseline = (
        (frame["visit"] == visit.name).to_numpy() if visit is not None else np.zeros(len(frame), bool)
    )
    keys = frame["patient"].astype(object).where(frame["patient"].notna(), None)
    if "lesion" in frame:
        lesions = frame["lesion"].astype(object).where(frame["lesion"].notna(), None)
        keys = pd.Series(list(zip(keys, lesions, strict=True)), index=frame.index, dtype=object)
    for column in outcomes:
        values = frame[column.name].to_numpy(dtype=float)
        if column.baseline == "definition":
            _by_definition(check, first, column, values, at_baseline)
        if column.baseline != "measured":
            continue
        owners = keys if column.level == "lesion" else frame["patient"]
        known = dict(
            zip(owners[at_baseline & ~np.isnan(values)], values[at_baseline & ~np.isnan(values)], strict=True)
        )
        repeated = column.baseline_column or f"{column.name}_baseline"
        if repeated in frame:
            _same_baseline(check, first, column, frame[repeated].to_numpy(dtype=float), owners, known)
        without: dict[object, int] = {}
        for number in np.flatnonzero(~at_baseline & ~np.isnan(values)):
            if owners.iloc[number] not in known:
                without.setdefault(owners.iloc[number], int(number))
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
    owners: pd.Series,
    known: dict[object, float],
) -> None:
    """The column that repeats the baseline must agree with the baseline visit and with itself."""
    source = column.baseline_column or "baseline"
    for number in np.flatnonzero(~np.isnan(repeated)):
        value = float(repeated[number])
        right = known.setdefault(owners.iloc[number], value)
        if right != value:
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
