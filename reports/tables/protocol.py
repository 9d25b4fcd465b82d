"""What was planned: the estimand with its intercurrent events, and what a referee asks for."""

from __future__ import annotations

from outcomes.protocol import Analysis, Conduct
from reports.context import ReportContext
from reports.tables.cells import number
from reports.tables.value import Cell, Column, Row, Table

NOT_PROVIDED = "not provided"


def estimand_table(context: ReportContext, analysis: Analysis) -> Table:
    """The five attributes of ICH E9(R1), in the protocol's words or as the analysis implies them."""
    estimand = analysis.estimand
    facts = context.facts(analysis)
    given = {
        "Population": estimand.population if estimand else None,
        "Treatment": estimand.treatment if estimand else None,
        "Variable": (estimand.variable if estimand else None) or f"{facts.describe()} At {analysis.visit}.",
        "Population-level summary": (estimand.summary if estimand else None)
        or context.results.text(analysis.name, "scale_name").capitalize(),
    }
    rows = [
        Row(Cell(attribute), (Cell(text or NOT_PROVIDED),))
        for attribute, text in given.items()
        if attribute != "Population-level summary"
    ]
    events = estimand.intercurrent_events if estimand else ()
    rows.append(
        Row(
            Cell("Intercurrent events"),
            (Cell("see the next table" if events else "none named in the protocol"),),
        )
    )
    rows.append(
        Row(Cell("Population-level summary"), (Cell(given["Population-level summary"] or NOT_PROVIDED),))
    )
    return context.finished(
        Table(
            "estimand",
            f"The estimand of the {analysis.role} analysis",
            (Column("What is estimated", "text"),),
            tuple(rows),
            stub="Attribute",
            notes={"source": "Attributes after ICH E9(R1)."},
            source="protocol, [analyses.estimand].",
        ),
        analysis,
        described=True,
    )


def intercurrent_table(context: ReportContext, analysis: Analysis) -> Table | None:
    """Intercurrent events, the strategy for each, and whom it touched; None where the protocol names none."""
    estimand = analysis.estimand
    if estimand is None or not estimand.intercurrent_events:
        return None
    results, formatter = context.results, context.formatter
    name = f"{analysis.name}/intercurrent"
    rows = []
    for event in estimand.intercurrent_events:
        done = results.get(name, "implemented", level=event.event)
        rows.append(
            Row(
                Cell(event.event),
                (
                    Cell(event.strategy if done else f"{event.strategy}: not implemented"),
                    number(formatter, results.get(name, "patients", level=event.event)),
                    number(formatter, results.get(name, "values", level=event.event)),
                    Cell(results.text(name, "handling", event.event)),
                ),
            )
        )
    return context.finished(
        Table(
            "intercurrent",
            "Intercurrent events and how they were handled",
            (
                Column("Strategy", "text"),
                Column("Patients"),
                Column("Values touched"),
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
