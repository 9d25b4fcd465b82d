"""Harm and downtime, per patient and per lesion."""

from __future__ import annotations

from reports.context import ReportContext
from reports.format import sentence_case
from reports.steps.harms import (
    ANY,
    DETAIL,
    NOT_RECORDED,
    OVERVIEW,
    PATIENT_LEVEL,
    RELATED,
    SERIOUS,
    SEVERE,
    STOPPED,
)
from reports.tables.cells import count_cells, number, unit_lines
from reports.tables.value import Cell, Column, Row, Table, blank_row

NO_ARM = "Patient, no arm"
EVERYONE = "Everyone"


KINDS = {
    ANY: "Any adverse event",
    SEVERE: "Any severe event",
    SERIOUS: "Any serious event",
    RELATED: "Any event related to treatment",
    STOPPED: "Any event that led to stopping",
}
LIMITS = (
    "Exact 95 % confidence limits (Clopper-Pearson), in per cent. Where no event was seen, the upper limit is the "
    "risk that the data do not exclude."
)
DEPENDENT = "Several lesions of a patient are not independent: limits are given for patients alone."
ONE_LESION = "A patient has at most one lesion in an arm: each arm's numbers are those of patients too."
OWN_ARM = "A patient counts in every arm in which one of the patient's lesions had the event."
WHOLE_PATIENT = "“Patient, no arm”: events that belong to the patient, to no lesion and so to no arm."


def overview_table(context: ReportContext) -> Table | None:
    """Who had any event, a severe, serious or related one, or one that led to stopping; None without events' data."""
    results, formatter = context.results, context.formatter
    kinds = results.distinct("level", analysis=OVERVIEW, statistic="patients")
    if not kinds:
        return None
    lesions = results.has(OVERVIEW, "lesions")
    width = 7 if lesions else 5
    rows: list[Row] = []
    for kind in kinds:
        rows.append(blank_row(KINDS[kind], width))
        for arm in _arms(context, everyone=True):
            address = {"arm": arm, "level": kind}
            share = results.value(OVERVIEW, "patients_proportion", **address)
            cells = [
                number(formatter, results.value(OVERVIEW, "events", **address)),
                *count_cells(formatter, results.value(OVERVIEW, "patients", **address), share),
                *_limit_cells(context, OVERVIEW, "patients", **address),
            ]
            if lesions:
                count, share = (
                    results.get(OVERVIEW, f"lesions{end}", **address) for end in ("", "_proportion")
                )
                cells += count_cells(formatter, count, share)
            n = results.value(OVERVIEW, "patients_at_risk", arm=arm)
            label = f"{EVERYONE if arm == '' else NO_ARM if arm == PATIENT_LEVEL else arm}, N = {int(n or 0)}"
            rows.append(Row(Cell(label), tuple(cells), indent=1))
    notes = {"limit": LIMITS, **_arm_notes(context)}
    if any(kind == RELATED for kind in kinds):
        notes["related"] = (
            "Related: the data name treatment, or a part of it, as a cause, be it a possible one."
        )
    return context.finished(
        Table(
            "harms-overview",
            "Adverse events: overview",
            (
                Column("Events"),
                Column("Patients (%)"),
                Column("", "paren"),
                Column("95 % CI, %", "low", notes=("limit",)),
                Column("", "high"),
                *((Column("Lesions (%)"), Column("", "paren")) if lesions else ()),
            ),
            tuple(rows),
            stub="Kind of event and arm",
            notes=notes,
            source="the adverse events in the data.",
        )
    )


def _arms(context: ReportContext, everyone: bool = False) -> list[str]:
    """Return the arms, then that of events of no arm where there are any; everyone ("") last where asked for."""
    of_no_arm = bool(context.results.get("harms", "patients", arm=PATIENT_LEVEL, level=ANY))
    return [*context.protocol.arms, *([PATIENT_LEVEL] if of_no_arm else []), *([""] if everyone else [])]


def _arm_notes(context: ReportContext) -> dict[str, str]:
    if not context.protocol.is_within_patient:
        return {}
    notes = {"arm": OWN_ARM}
    if PATIENT_LEVEL in _arms(context):
        notes["no arm"] = WHOLE_PATIENT
    return notes


def _limit_cells(context: ReportContext, analysis: str, unit: str, **address: str) -> tuple[Cell, Cell]:
    """Return the limits of a proportion in per cent; empty where there are none."""
    low, high = (
        context.results.get(analysis, f"{unit}_{end}", **address) for end in ("conf_low", "conf_high")
    )
    shown = [None if one is None else 100 * one for one in (low, high)]
    return number(context.formatter, shown[0]), number(context.formatter, shown[1])


def harms_table(context: ReportContext) -> Table | None:
    """Units with an event of each term: lesions in a within-patient trial, else patients; None without events' data."""
    within = context.protocol.is_within_patient
    title = f"{'Lesions' if within else 'Patients'} with an adverse event"
    return _by_term(context, "harms", title, "lesions" if within else "patients")


def patients_table(context: ReportContext) -> Table | None:
    """Patients with an event of each term, where patients have several lesions of an arm; None elsewhere."""
    if not _several_lesions(context):
        return None
    return _by_term(
        context, "harms-patients", "Patients with an adverse event, by the arm of the lesion", "patients"
    )


def _several_lesions(context: ReportContext) -> bool:
    """Whether some patient has several lesions of one arm, which then are not independent."""
    counts = [
        [context.results.get("harms", f"{unit}_at_risk", arm=arm) or 0 for unit in ("lesions", "patients")]
        for arm in context.protocol.arms
    ]
    return context.protocol.is_within_patient and any(lesions > patients for lesions, patients in counts)


def _by_term(context: ReportContext, name: str, title: str, counted_unit: str) -> Table | None:
    results, formatter = context.results, context.formatter
    if not results.has("harms", "events"):
        return None
    columns: list[Column] = []
    groups = []
    for arm in _arms(context, everyone=context.protocol.is_within_patient):
        unit = "patients" if arm in ("", PATIENT_LEVEL) else counted_unit
        lines = unit_lines(
            {one: results.get("harms", f"{one}_at_risk", arm=arm) for one in ("patients", counted_unit)}
        )
        limits = results.get("harms", f"{unit}_conf_high", arm=arm, level=ANY) is not None
        spanner = {PATIENT_LEVEL: NO_ARM, "": EVERYONE}.get(arm, arm)
        columns += [
            Column(f"{sentence_case(unit)} (%)", spanner=spanner, spanner_lines=lines),
            Column("", "paren", spanner=spanner),
        ]
        if limits:
            columns += [
                Column("95 % CI, %", "low", spanner=spanner, notes=("limit",)),
                Column("", "high", spanner=spanner),
            ]
        groups.append((arm, unit, limits))
    rows = []
    for term in _terms(context):
        cells: list[Cell] = []
        for arm, unit, limits in groups:
            address = {"arm": arm, "level": term}
            share = results.value("harms", f"{unit}_proportion", **address)
            cells += count_cells(formatter, results.value("harms", unit, **address), share)
            if limits:
                cells += _limit_cells(context, "harms", unit, **address)
        rows.append(Row(Cell(KINDS.get(term, sentence_case(term))), tuple(cells)))
    notes = {"limit": LIMITS}
    if counted_unit == "lesions":
        notes["dependent"] = DEPENDENT if _several_lesions(context) else ONE_LESION
    of_patients = _arm_notes(context)
    if counted_unit == "lesions":
        of_patients.pop("arm", None)
    return context.finished(
        Table(
            name,
            title,
            tuple(columns),
            tuple(rows),
            stub="Adverse event",
            notes={**notes, **of_patients},
            source="the adverse events in the data.",
        )
    )


def severity_table(context: ReportContext) -> Table | None:
    """Events of each term by severity and by what caused them; None where the data say neither."""
    results, formatter = context.results, context.formatter
    levels = results.distinct("level", analysis=DETAIL, statistic="events")
    kinds = [tuple(level.rsplit(" | ", 2)) for level in levels]
    if all(severity == relation == NOT_RECORDED for _, severity, relation in kinds):
        return None
    arms = _arms(context)
    units = ("patients", "lesions") if _several_lesions(context) else ("patients",)
    columns: list[Column] = []
    for arm in arms:
        spanner = NO_ARM if arm == PATIENT_LEVEL else arm
        columns.append(Column("Events", spanner=spanner))
        columns += [Column(sentence_case(unit), spanner=spanner) for unit in _units_of(arm, units)]
    rows: list[Row] = []
    told = ""
    for level, (term, severity, relation) in zip(levels, kinds, strict=True):
        if not rows or term != told:
            rows.append(blank_row(sentence_case(term), len(columns)))
        told = term
        cells = [
            number(formatter, results.value(DETAIL, one, arm=arm, level=level))
            for arm in arms
            for one in ("events", *_units_of(arm, units))
        ]
        severity = "severity not recorded" if severity == NOT_RECORDED else severity
        relation = "relation not recorded" if relation == NOT_RECORDED else relation
        rows.append(Row(Cell(f"{sentence_case(severity)}, {relation}"), tuple(cells), indent=1))
    return context.finished(
        Table(
            "harms-severity",
            "Adverse events by severity and by relation to treatment",
            tuple(columns),
            tuple(rows),
            stub="Adverse event, severity and relation",
            notes={
                "repeat": (
                    f"{'A patient or lesion' if len(units) > 1 else 'A patient'} with events of several severities or "
                    "relations counts in each."
                ),
                **_arm_notes(context),
            },
            source="the adverse events in the data.",
        )
    )


def _units_of(arm: str, units: tuple[str, ...]) -> tuple[str, ...]:
    return ("patients",) if arm == PATIENT_LEVEL else units


def _terms(context: ReportContext) -> list[str]:
    found = context.results.distinct("level", analysis="harms", statistic="patients", arm="")
    return list(found)


def downtime_table(context: ReportContext) -> Table | None:
    """How many days the events of each term lasted, by arm; None where the data do not say."""
    results, formatter = context.results, context.formatter
    rows = []
    for found in results.select(analysis="harms", statistic="days_median"):
        address = {"arm": found.arm, "level": found.level}
        arm = NO_ARM if found.arm == PATIENT_LEVEL else found.arm
        ongoing = results.get("harms", "ongoing", **address)
        rows.append(
            Row(
                Cell(sentence_case(found.level)),
                (
                    Cell(arm),
                    number(formatter, results.value("harms", "days_n", **address)),
                    number(formatter, found.value),
                    number(formatter, results.value("harms", "days_q1", **address)),
                    number(formatter, results.value("harms", "days_q3", **address)),
                    number(formatter, results.value("harms", "days_maximum", **address)),
                    number(formatter, ongoing),
                ),
            )
        )
    if not rows:
        return None
    order = {term: place for place, term in enumerate(_terms(context))}
    rows.sort(key=lambda row: order.get(row.label.text, order.get(row.label.text.lower(), 0)))
    merged = []
    for place, row in enumerate(rows):
        repeated = place > 0 and rows[place - 1].label.text == row.label.text
        merged.append(Row(Cell("") if repeated else row.label, row.cells))
    return context.finished(
        Table(
            "downtime",
            "How long events lasted, in days",
            (
                Column("Arm", "text"),
                Column("Ended"),
                Column("Median"),
                Column("Q1 to Q3", "low"),
                Column("", "high"),
                Column("Longest"),
                Column("Not ended"),
            ),
            tuple(merged),
            stub="Adverse event",
            notes={
                "ended": "Durations are those of the events that ended; an event without a last week had not."
            },
            source="first and last week of each event; recorded in weeks, shown in days.",
        )
    )
