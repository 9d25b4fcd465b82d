"""Tables of who was where: stages, exclusions, missing assessments, what was delivered."""

from __future__ import annotations

from reports.context import ReportContext
from reports.format import sentence_case
from reports.results import Number
from reports.steps.continuous import ONE_VISIT, SEVERAL_VISITS
from reports.steps.flow import DELIVERED
from reports.tables.cells import count_cells, number, unit_lines
from reports.tables.value import EMPTY, Cell, Column, Row, Table

TOTAL = "All"


def flow_table(context: ReportContext) -> Table:
    """Patients and lesions of each arm at each stage."""
    results, formatter = context.results, context.formatter
    arms = context.protocol.arms
    lesions = results.has("flow", "lesions")
    columns = []
    for arm in (*arms, TOTAL):
        columns.append(Column("Patients", spanner=arm))
        if lesions:
            columns.append(Column("Lesions", spanner=arm))
    rows = []
    for stage in results.distinct("level", analysis="flow", statistic="patients"):
        cells = []
        for arm in (*arms, ""):
            for unit in ("patients", "lesions") if lesions else ("patients",):
                found = results.select(analysis="flow", statistic=unit, level=stage, arm=arm)
                cells.append(number(formatter, found[0].value) if found else EMPTY)
        rows.append(Row(Cell(stage), tuple(cells)))
    note = (
        "A patient counts in every arm in which one of the patient's lesions is."
        if context.protocol.is_within_patient
        else "Assessed: the primary outcome is recorded."
    )
    return context.finished(
        Table(
            "flow",
            "Patients and lesions at each stage" if lesions else "Patients at each stage",
            tuple(columns),
            tuple(rows),
            stub="Stage",
            notes={"design": note},
            source="all patients in the data.",
        )
    )


def exclusion_table(context: ReportContext) -> Table | None:
    """Patients left out of each population, and why; None where the protocol has no population beside all."""
    results, formatter = context.results, context.formatter
    lesions = results.has("exclusions", "lesions")
    rows = []
    for population in context.protocol.populations:
        name = population.name
        cells = [number(formatter, results.value("exclusions", "patients", population=name))]
        if lesions:
            cells.append(number(formatter, results.value("exclusions", "lesions", population=name)))
        cells.append(Cell(results.text("exclusions", "reason", name)))
        rows.append(Row(Cell(sentence_case(name)), tuple(cells)))
    if not rows:
        return None
    return context.finished(
        Table(
            "exclusions",
            "Left out of each population",
            (Column("Patients"), *((Column("Lesions"),) if lesions else ()), Column("Reason", "text")),
            tuple(rows),
            stub="Population",
            notes={
                "patients": "A patient counts as left out where nothing of the patient belongs to the population."
            },
            source="definitions of the populations in the protocol.",
        )
    )


def exposure_table(context: ReportContext) -> Table | None:
    """What was delivered, as far as the data say; None where they do not."""
    results, formatter = context.results, context.formatter
    columns = results.distinct("endpoint", analysis="exposure")
    if not columns:
        return None
    arms = results.distinct("arm", analysis="exposure")
    rows = []
    for name in columns:
        cells: list[Cell] = []
        for arm in arms:
            for statistic, decimals in (("mean", 1), ("minimum", 1), ("maximum", 1)):
                value = results.get("exposure", statistic, endpoint=name, arm=arm)
                cells.append(
                    number(formatter, value, 0 if statistic != "mean" and _whole(value) else decimals)
                )
        rows.append(Row(Cell(DELIVERED.get(name, name)), tuple(cells)))
    headers: list[Column] = []
    for arm in arms:
        spanner = arm or TOTAL
        headers += [
            Column("Mean", spanner=spanner),
            Column("Range", "low", spanner),
            Column("", "high", spanner),
        ]
    return context.finished(
        Table(
            "exposure",
            "What was delivered",
            tuple(headers),
            tuple(rows),
            stub="Treatment",
            source="all patients in the data.",
        )
    )


def _whole(value: Number) -> bool:
    return value is not None and float(value).is_integer()


def missing_table(context: ReportContext) -> Table:
    """Missing values of the primary outcome by arm and visit."""
    results, formatter = context.results, context.formatter
    analysis = f"{context.primary.name}/observed"
    visits = results.distinct("visit", analysis=analysis, statistic="expected")
    columns = []
    for arm in context.protocol.arms:
        expected = [results.get(analysis, "expected", arm=arm, visit=visit) or 0 for visit in visits]
        unit = "lesions" if context.facts().level == "lesion" else "patients"
        lines = unit_lines({unit: max(expected, default=0)})
        columns += [Column("Missing (%)", spanner=arm, spanner_lines=lines), Column("", "paren", spanner=arm)]
    rows = []
    for visit in visits:
        cells: list[Cell] = []
        for arm in context.protocol.arms:
            missing = results.value(analysis, "missing", arm=arm, visit=visit)
            share = results.get(analysis, "missing_proportion", arm=arm, visit=visit)
            cells += count_cells(formatter, missing, share)
        rows.append(Row(Cell(visit), tuple(cells)))
    return context.finished(
        Table(
            "missing",
            "Missing values of the primary outcome by arm and visit",
            tuple(columns),
            tuple(rows),
            stub="Visit",
            notes=_assumption(context),
            source=f"population {context.primary.population!r}.".replace("'", "“", 1).replace("'", "”", 1),
        ),
        context.primary,
        described=True,
    )


def _assumption(context: ReportContext) -> dict[str, str]:
    """Say what the model takes for granted of missing values; nothing without a model, or where none is missing."""
    analysis, results = context.primary, context.results
    observed = f"{analysis.name}/observed"
    visits = results.text(analysis.name, "model_visits")
    missing = {row.visit: row.value for row in results.select(analysis=observed, statistic="missing", arm="")}
    if visits == SEVERAL_VISITS and any(missing.values()):
        text = (
            "The model uses every observed value. It is right where, given the values seen before and the "
            "covariates, being missed does not depend on the value itself (missing at random)."
        )
    elif visits == ONE_VISIT and missing.get(analysis.visit):
        unit = "lesion" if context.facts().level == "lesion" else "patient"
        before = ", whatever it showed before" if len(missing) > 1 else ""
        given = "the patient's other lesions and the covariates" if unit == "lesion" else "the covariates"
        text = (
            f"The model uses the values at {analysis.visit} only; a {unit} not seen then does not count{before}. It is "
            f"right where, given {given}, being missed does not depend on the value itself."
        )
    else:
        return {}
    return {"assumption": text}
