"""Listings: the data themselves, a row a lesion, visit or event, as they were recorded and nothing computed.

A listing is a `Table` of kind "listing". Identifiers stand as in the data, numbers with the digits that they have
(percentages of change, which nobody recorded, with two). Cells are shared between rows that say the same, so that fifty
thousand rows are made in a second or two.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from outcomes import Trial
from outcomes.endpoint import EndpointFacts
from outcomes.readers import cell_text
from outcomes.table_check import flag_value
from reports.context import ReportContext
from reports.format import Formatter, sentence_case
from reports.model_words import covariate_name
from reports.steps.harms import FLAGS, with_arms
from reports.steps.units import allocated_units, planned_rows
from reports.tables.value import EMPTY, Cell, Column, Row, Table

SOURCE = "the data as read; identifiers and numbers as they were recorded."
REASONS = ("missing_reason", "reason_missing", "reason")
"""Columns of the assessments that may say why a value is missing."""

NO_RECORD, NO_VALUE = "no record of the visit", "visit recorded without a value"
NO_REASON = "not recorded"


@dataclass(frozen=True, slots=True)
class _Field:
    """A column of a listing: its heading, its values, and whether it is repeated in each part of a wide one.

    Numbers have the decimals that are given, or else their own.
    """

    header: str
    values: Sequence[Any]
    key: bool = False
    numeric: bool = False
    decimals: int | None = None

    @classmethod
    def of(cls, header: str, values: pd.Series, key: bool = False) -> _Field:
        """Return a column of a frame: numbers where it holds numbers, else words."""
        numeric = pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)
        return cls(header, values.tolist(), key, numeric)


def listings(context: ReportContext) -> Iterator[Table]:
    """Yield every listing that the data have something for; none where the context has no data."""
    trial = context.trial
    if trial is None:
        return
    makers = (
        allocation_listing,
        values_listings,
        events_listing,
        missing_listing,
        exclusions_listing,
        intercurrent_listing,
    )
    for make in makers:
        yield from make(context, trial)


def allocation_listing(context: ReportContext, trial: Trial) -> Iterator[Table]:
    """Yield each lesion (or patient) with its arm and its covariates."""
    units = allocated_units(trial)
    fields = _unit_fields(units)
    for covariate in trial.protocol.covariates:
        frame = trial.lesions if covariate.level == "lesion" else trial.patients
        keys = [name for name in ("patient", "lesion") if name in frame and name in units]
        if (covariate.level == "lesion" and "lesion" not in keys) or covariate.name not in frame:
            continue
        values = units[keys].merge(frame[[*keys, covariate.name]], on=keys, how="left")[covariate.name]
        unit = f", {covariate.unit}" if covariate.unit else ""
        fields.append(_Field.of(covariate_name(covariate.name) + unit, values))
    what = "lesion" if "lesion" in units else "patient"
    yield from _listing(context, "listing-allocation", f"Allocation of each {what}", units["patient"], fields)


def values_listings(context: ReportContext, trial: Trial) -> Iterator[Table]:
    """Yield every value of the analysed outcomes by visit: one listing for lesions, one for patients."""
    protocol = trial.protocol
    names = tuple(dict.fromkeys(one.endpoint for one in (context.primary, *protocol.analyses)))
    for level in ("lesion", "patient"):
        chosen = [name for name in names if protocol.endpoint(name).level == level]
        if not chosen:
            continue
        frame = trial.endpoint(chosen[0])
        keys = [name for name in ("patient", "lesion", "visit") if name in frame]
        frame = frame.assign(visit=frame["visit"].astype(object))
        fields = [*_unit_fields(frame), *_visit_fields(frame)]
        facts = [protocol.endpoint(name) for name in chosen]
        fields += _measured_fields(trial, facts, frame, keys)
        for one in facts:
            own = trial.endpoint(one.name)
            of_name = own[keys].assign(visit=own["visit"].astype(object), _value=_shown(own["value"], one))
            values = frame[keys].merge(of_name, on=keys, how="left")["_value"]
            header = one.label + (f", {one.unit}" if one.unit else "")
            fields.append(replace(_Field.of(header, values), decimals=_decimals(one)))
        title = f"Outcomes of each {level} at each visit"
        yield from _listing(context, f"listing-values-{level}s", title, frame["patient"], fields)


def _measured_fields(
    trial: Trial, facts: Sequence[EndpointFacts], frame: pd.DataFrame, keys: list[str]
) -> list[_Field]:
    """Return what was measured behind derived outcomes: before treatment, at the visit, and the change."""
    first = facts[0]
    unit = f", {first.measured.unit}" if first.measured.unit else ""
    fields = [_Field.of(f"Baseline{unit}", frame["baseline"])] if first.has_baseline else []
    columns = first.measured.columns
    if first.derive != "value" and not first.measured.items and columns[0] in trial.assessments:
        rows = trial.assessments[[*keys, columns[0]]].assign(
            visit=trial.assessments["visit"].astype(object), _value=trial.assessments[columns[0]]
        )
        values = frame[keys].merge(rows[[*keys, "_value"]], on=keys, how="left")["_value"]
        fields.append(_Field.of(f"Measured{unit}", values))
    if first.has_baseline and not any(one.derive == "change" for one in facts):
        fields.append(_Field.of(f"Change{unit}", frame["change"]))
    return fields


def _decimals(facts: EndpointFacts) -> int | None:
    """Return the decimals of an outcome that was computed by a division; None of one that has its own."""
    return 2 if facts.derive == "percent-change" else None


def events_listing(context: ReportContext, trial: Trial) -> Iterator[Table]:
    """Yield each adverse event."""
    if not len(trial.events):
        return
    events = with_arms(trial, allocated_units(trial))
    arms = events["arm"].where(events["arm"] != "", "no arm")
    fields = [_Field.of("Lesion", events["lesion"], key=True)] if events["lesion"].notna().any() else []
    fields += [_Field.of("Arm", arms), _Field.of("Event", events["term"])]
    known = {
        "severity": "Severity",
        "related": "Related",
        "start_week": "First week",
        "end_week": "Last week",
    }
    flags = {name: sentence_case(name.replace("_", " ")) for names in FLAGS.values() for name in names}
    for name, header in (known | flags).items():
        if name in events.columns and events[name].notna().any():
            fields.append(_Field.of(header, events[name]))
    yield from _listing(context, "listing-events", "Adverse events", events["patient"], fields)


def missing_listing(context: ReportContext, trial: Trial) -> Iterator[Table]:
    """Yield each planned value of the primary outcome that is missing, with the reason."""
    endpoint = context.primary.endpoint
    rows = planned_rows(trial, endpoint)
    rows = rows[rows["value"].isna()].assign(visit=lambda frame: frame["visit"].astype(object))
    if not len(rows):
        return
    fields = [*_unit_fields(rows), _Field.of("Visit", rows["visit"], key=True)]
    fields.append(_Field("Reason", _reasons(trial, endpoint, rows)))
    title = f"Missing values: {context.facts().label}"
    yield from _listing(context, "listing-missing", title, rows["patient"], fields)


def _reasons(trial: Trial, endpoint: str, rows: pd.DataFrame) -> list[str]:
    """Return why each value is missing: in the file's words, or whether the visit has a record at all."""
    keys = [name for name in ("patient", "lesion", "visit") if name in rows]
    assessments = trial.assessments
    said = dict.fromkeys(assessments[keys].astype(object).itertuples(index=False, name=None), NO_VALUE)
    undefined = trial.undefined(endpoint)
    if set(keys) <= set(undefined):
        said |= dict(
            zip(
                undefined[keys].astype(object).itertuples(index=False, name=None),
                undefined["reason"].astype(str),
                strict=True,
            )
        )
    for name in REASONS:
        if name in assessments.columns:
            told = assessments[assessments[name].notna()]
            places = told[keys].astype(object).itertuples(index=False, name=None)
            said |= dict(zip(places, told[name].astype(str), strict=True))
            break
    return [said.get(place, NO_RECORD) for place in rows[keys].itertuples(index=False, name=None)]


def exclusions_listing(context: ReportContext, trial: Trial) -> Iterator[Table]:
    """Yield each patient and lesion that a population of the protocol leaves out."""
    frames = []
    for population in trial.protocol.populations:
        left = trial.excluded_lesions(population.name) if len(trial.lesions) else None
        left = trial.exclusions(population.name) if left is None else left
        frames.append(left.assign(population=sentence_case(population.name)))
    rows = pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()
    if not len(rows):
        return
    fields = [_Field.of("Lesion", rows["lesion"], key=True)] if "lesion" in rows else []
    reasons = rows["reason"].where(rows["reason"].astype(str) != "", NO_REASON)
    fields += [_Field.of("Population", rows["population"]), _Field.of("Reason", reasons)]
    yield from _listing(context, "listing-exclusions", "Left out of each population", rows["patient"], fields)


def intercurrent_listing(context: ReportContext, trial: Trial) -> Iterator[Table]:
    """Yield each record that is flagged for an intercurrent event of the primary estimand."""
    estimand = context.primary.estimand
    frames = []
    for event in () if estimand is None else estimand.intercurrent_events:
        for frame in (trial.assessments, trial.lesions, trial.patients):
            if event.flag in frame.columns:
                flagged = frame[[flag_value(cell_text(cell) or "") is True for cell in frame[event.flag]]]
                kept = [name for name in ("patient", "lesion", "visit") if name in flagged]
                frames.append(flagged[kept].astype(object).assign(event=event.event, strategy=event.strategy))
                break
    rows = pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()
    if not len(rows):
        return
    fields = [
        _Field.of(sentence_case(name), rows[name], key=name in ("lesion", "visit"))
        for name in ("lesion", "visit", "event", "strategy")
        if name in rows
    ]
    yield from _listing(context, "listing-intercurrent", "Intercurrent events", rows["patient"], fields)


def _unit_fields(frame: pd.DataFrame) -> list[_Field]:
    fields = [_Field.of("Lesion", frame["lesion"], key=True)] if "lesion" in frame else []
    return [*fields, *([_Field.of("Arm", frame["arm"].astype(object))] if "arm" in frame else [])]


def _visit_fields(frame: pd.DataFrame) -> list[_Field]:
    return [_Field.of("Visit", frame["visit"], key=True), _Field.of("Week", frame["week"])]


def _shown(values: pd.Series, facts: EndpointFacts) -> pd.Series:
    """Return an outcome as people read it: a responder is a yes or a no, a grade its label."""
    if facts.scale == "binary":
        return values.map({1: "yes", 0: "no"}).astype(object)
    return values if facts.scale == "continuous" else values.astype(object)


def _listing(
    context: ReportContext, name: str, title: str, patients: pd.Series, fields: Sequence[_Field]
) -> Iterator[Table]:
    """Yield the listing; nothing where it has no row."""
    if not len(patients):
        return
    formatter = context.formatter
    cells = [_cells(formatter, field) for field in fields]
    labels = _cells(formatter, _Field("Patient", patients.tolist()))
    rows = tuple(Row(label, tuple(own)) for label, own in zip(labels, zip(*cells, strict=True), strict=True))
    columns = tuple(
        Column(field.header, "number" if field.numeric else "text", key=field.key) for field in fields
    )
    table = Table(name, title, columns, rows, stub="Patient", source=SOURCE, kind="listing")
    yield context.finished(table)


def _cells(formatter: Formatter, field: _Field) -> list[Cell]:
    """Return a column's cells, one for each different value."""
    known: dict[Any, Cell] = {}
    made = []
    for value in field.values:
        key = None if _is_missing(value) else value
        cell = known.get(key)
        if cell is None:
            cell = known[key] = _cell(formatter, key, field)
        made.append(cell)
    return made


def _cell(formatter: Formatter, value: Any, field: _Field) -> Cell:
    if value is None:
        return EMPTY
    if not field.numeric:
        return Cell(str(value))
    number = float(value)
    text = formatter.recorded(number) if field.decimals is None else formatter.number(number, field.decimals)
    return Cell(text, int(number) if number.is_integer() else number)


def _is_missing(value: Any) -> bool:
    return value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value))
