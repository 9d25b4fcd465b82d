"""Harm and downtime, per patient and per lesion."""

from __future__ import annotations

from reports.context import ReportContext
from reports.format import sentence_case
from reports.steps.harms import ANY, PATIENT_LEVEL, SEVERE
from reports.tables.cells import count_cells, number, unit_lines
from reports.tables.value import EMPTY, Cell, Column, Row, Table

NO_ARM = "Patient, no arm"


def harms_table(context: ReportContext) -> Table | None:
    """Units with an event of each term, by arm, each with the upper limit of its share; None without events' data."""
    results, formatter = context.results, context.formatter
    if not results.has("harms", "events"):
        return None
    lesions = context.protocol.is_within_patient
    of_no_arm = lesions and bool(results.get("harms", "patients", arm=PATIENT_LEVEL, level=ANY))
    columns, groups = [], []
    for arm in (*context.protocol.arms, *([PATIENT_LEVEL] if of_no_arm else [])):
        unit = "lesions" if lesions and arm != PATIENT_LEVEL else "patients"
        lines = unit_lines(
            {name: results.get("harms", f"{name}_at_risk", arm=arm) for name in ("patients", "lesions")}
        )
        name = NO_ARM if arm == PATIENT_LEVEL else arm
        columns += [
            Column(f"{sentence_case(unit)} (%)", spanner=name, spanner_lines=lines),
            Column("", "paren", spanner=name),
            Column("95 % limit", spanner=name, notes=("limit",)),
        ]
        groups.append((arm, unit))
    rows = []
    for term in _terms(context):
        cells: list[Cell] = []
        for arm, unit in groups:
            address = {"arm": arm, "level": term}
            share = results.value("harms", f"{unit}_proportion", **address)
            upper = results.value("harms", f"{unit}_conf_high", **address)
            cells += count_cells(formatter, results.value("harms", unit, **address), share)
            cells.append(EMPTY if upper is None else number(formatter, 100 * upper))
        label = {ANY: "Any adverse event", SEVERE: "Any severe event"}.get(term, sentence_case(term))
        rows.append(Row(Cell(label), tuple(cells)))
    whom = "Lesions" if lesions else "Patients"
    return context.finished(
        Table(
            "harms",
            f"{whom} with an adverse event",
            tuple(columns),
            tuple(rows),
            stub="Adverse event",
            notes={
                "limit": (
                    "Upper limit, in per cent, of the exact two-sided 95 % confidence interval (Clopper-Pearson): "
                    "the data do not exclude a risk up to it, also where no event was seen."
                )
            },
            source="the adverse events in the data.",
        )
    )


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
