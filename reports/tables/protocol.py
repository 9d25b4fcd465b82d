"""What was planned: the estimand with its intercurrent events, and what a referee asks for."""

from __future__ import annotations

from outcomes.protocol import Analysis, Conduct
from reports.context import ReportContext
from reports.format import sentence_case
from reports.tables.cells import number, table_name
from reports.tables.value import Cell, Column, Row, Table

NOT_PROVIDED = "not provided"


def estimand_table(context: ReportContext, analysis: Analysis) -> Table:
    """The five attributes of ICH E9(R1), in the protocol's words; what the analysis implies is said to be implied."""
    estimand = analysis.estimand
    facts = context.facts(analysis)
    implied = ("implied",)
    given = {
        "Population": estimand.population if estimand else None,
        "Treatment": estimand.treatment if estimand else None,
        "Variable (endpoint)": estimand.variable if estimand else None,
        "Intercurrent events": _events_words(context, analysis),
        "Population-level summary": estimand.summary if estimand else None,
    }
    otherwise = {
        "Variable (endpoint)": f"{facts.describe()} At {analysis.visit}.",
        "Population-level summary": sentence_case(context.results.text(analysis.name, "scale_name")),
    }
    rows = []
    for attribute, text in given.items():
        if text:
            cell = Cell(text, target="table:intercurrent" if text == NEXT_TABLE else "")
        elif otherwise.get(attribute):
            cell = Cell(otherwise[attribute], notes=implied)
        else:
            cell = Cell(NOT_PROVIDED)
        rows.append(Row(Cell(attribute), (cell,)))
    used = any(cell.notes for row in rows for cell in row.cells)
    notes = {"source": "Attributes after ICH E9(R1)."}
    if used:
        notes["implied"] = "Not provided in the protocol: what the analysis implies."
    return context.finished(
        Table(
            _estimand_name("estimand", context, analysis),
            f"The estimand of the {analysis.role} analysis",
            (Column("What is estimated", "text"),),
            tuple(rows),
            stub="Attribute",
            notes=notes,
            source="protocol, [analyses.estimand].",
        ),
        analysis,
        described=True,
    )


NEXT_TABLE = "See the table of intercurrent events."


def _events_words(context: ReportContext, analysis: Analysis) -> str | None:
    """Point to the table of intercurrent events, or say that none is named; None without an estimand."""
    if analysis.estimand is None:
        return None
    if not analysis.estimand.intercurrent_events:
        return "None named in the protocol"
    only = analysis.name == context.primary.name
    return NEXT_TABLE if only else "See the next table."


def _estimand_name(kind: str, context: ReportContext, analysis: Analysis) -> str:
    return kind if analysis.name == context.primary.name else table_name(kind, analysis.name)


def intercurrent_table(context: ReportContext, analysis: Analysis) -> Table | None:
    """Intercurrent events, the strategy for each, whom it touched in each arm; None where the protocol names none."""
    estimand = analysis.estimand
    if estimand is None or not estimand.intercurrent_events:
        return None
    results, formatter = context.results, context.formatter
    name = f"{analysis.name}/intercurrent"
    lesions = results.has(name, "lesions")
    units = ("patients", "lesions") if lesions else ("patients",)
    arms = tuple(context.protocol.arms)
    rows = []
    for event in estimand.intercurrent_events:
        done = results.get(name, "implemented", level=event.event)
        counts = [
            number(formatter, results.get(name, unit, level=event.event, arm=arm))
            for arm in arms
            for unit in units
        ]
        rows.append(
            Row(
                Cell(event.event),
                (
                    Cell(event.flag),
                    Cell(event.strategy if done else f"{event.strategy}: not implemented"),
                    *counts,
                    number(formatter, results.get(name, "patients", level=event.event, arm="")),
                    number(formatter, results.get(name, "values", level=event.event, arm="")),
                    Cell(results.text(name, "handling", event.event)),
                ),
            )
        )
    return context.finished(
        Table(
            _estimand_name("intercurrent", context, analysis),
            "Intercurrent events and how they were handled",
            (
                Column("Flag in the data", "text"),
                Column("Strategy", "text"),
                *(Column(sentence_case(unit), spanner=arm) for arm in arms for unit in units),
                Column("Patients", spanner="All"),
                Column("Values touched", spanner="All"),
                Column("What was done", "text"),
            ),
            tuple(rows),
            stub="Event",
            source="protocol, [analyses.estimand]; flags in the data.",
        ),
        analysis,
        described=True,
    )


def referee_items(context: ReportContext) -> tuple[tuple[str, str], ...]:
    """What referees ask for, as the protocol has it; "not provided" where it is silent."""
    conduct, protocol = context.protocol.conduct, context.protocol
    units = "lesions" if protocol.is_within_patient else "patients"
    items = [
        ("Registration", protocol.registration),
        (f"Allocation of {units}", conduct.allocation),
        ("Concealment", conduct.concealment),
        *((("Sides randomised or fixed", conduct.sides),) if protocol.is_within_patient else ()),
        ("Blinding", conduct.blinding),
        ("Analysis plan", conduct.analysis_plan),
        ("Prespecified", conduct.prespecified),
        ("Sample size", conduct.sample_size),
    ]
    asked = tuple((term, text or NOT_PROVIDED) for term, text in items)
    return asked + tuple((term, text) for term, text in _further(conduct) if text)


def _further(conduct: Conduct) -> tuple[tuple[str, str | None], ...]:
    """Return what reporting guidelines ask for beside, which stands in the report where the protocol gives it."""
    return (
        ("Rationale", conduct.rationale),
        ("Eligibility", conduct.eligibility),
        ("Setting", conduct.setting),
        ("Interventions", conduct.interventions),
        ("Sequential or concurrent", conduct.timing),
        ("Enrolment and assignment", conduct.implementation),
        ("Similarity of the treatments", conduct.similarity),
        ("How harms were collected", conduct.harms_collection),
        ("Dates", conduct.dates),
        ("Interim analyses and stopping", conduct.interim),
        ("Changes after the trial began", conduct.changes),
        ("Patient involvement", conduct.patient_involvement),
        ("Access to the protocol", conduct.protocol_access),
        ("Data sharing", conduct.data_sharing),
        ("Funding", conduct.funding),
        ("Conflicts of interest", conduct.conflicts),
    )
