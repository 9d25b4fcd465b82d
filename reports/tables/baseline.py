"""Who the patients and lesions were; by arm where arms differ in whom they hold, never with a p-value."""

from __future__ import annotations

from outcomes.endpoint import EndpointFacts
from reports.context import ReportContext
from reports.format import decimals_of, sentence_case
from reports.model_words import covariate_name
from reports.results import Number
from reports.tables.cells import count_cells, number, unit_lines
from reports.tables.value import EMPTY, Cell, Column, Row, Table

ALL = "All"

DESCRIBED = "Groups are described, not compared: differences that chance made need no test (CONSORT)."
STANDARDISED = (
    "Distance of two arms in standard deviations, whatever their size: of means over the root of the mean of both "
    "variances (Austin 2009), of proportions likewise over all levels together (Yang and Dalton 2012). {which}"
)
OF_ALL_PAIRS = "Of more than two arms the largest of any pair is shown."


def baseline_tables(context: ReportContext) -> tuple[Table, ...]:
    """Return a table of the patients and, where the data know lesions, one of the lesions."""
    tables = (_table(context, "patients"), _table(context, "lesions"))
    return tuple(table for table in tables if table is not None)


def _table(context: ReportContext, population: str) -> Table | None:
    results = context.results
    address = {"analysis": "baseline", "population": population}
    variables = [name for name in results.distinct("endpoint", statistic="n", **address) if name]
    if not variables:
        return None
    arms = list(results.distinct("arm", statistic="n", **address))
    columns = []
    for arm in arms:
        n = results.value("baseline", "n", population=population, endpoint="", arm=arm)
        lines = unit_lines({population: n})
        columns += [
            Column("", spanner=arm or ALL, spanner_lines=lines),
            Column("", "paren", spanner=arm or ALL),
        ]
    compared = results.has("baseline", "largest_standardised_difference", population=population)
    notes = {"p": DESCRIBED} if len(arms) > 1 else {}
    if compared:
        several = len(arms) > 3  # the last is everybody
        notes["apart"] = STANDARDISED.format(which=OF_ALL_PAIRS if several else "").strip()
        header = "Largest standardised difference" if several else "Standardised difference"
        columns.append(Column("", spanner=header, notes=("apart",)))
    rows: list[Row] = []
    for name in variables:
        rows += _variable(context, population, name, arms, compared)
    whom = "patients" if population == "patients" else "lesions"
    return context.finished(
        Table(
            f"baseline-{population}",
            f"The {whom} before treatment",
            tuple(columns),
            tuple(rows),
            stub=sentence_case(population),
            notes=notes,
            source=f"all {whom} in the data.",
        )
    )


def _variable(
    context: ReportContext, population: str, name: str, arms: list[str], compared: bool
) -> list[Row]:
    results, formatter = context.results, context.formatter
    address = {"population": population, "endpoint": name}
    label = _label(context, name)
    categories = results.distinct("level", analysis="baseline", statistic="count", **address)
    missing = sum(results.value("baseline", "missing", arm=arm, **address) or 0 for arm in arms)
    apart: tuple[Cell, ...] = ()
    if compared:
        value = results.get("baseline", "largest_standardised_difference", **address)
        apart = (Cell("not estimable") if value is None else number(formatter, value, 2),)
    nothing = (EMPTY,) * len(apart)
    rows: list[Row] = []
    if categories:
        rows.append(Row(Cell(f"{label}, No. (%)"), (Cell(span=2 * len(arms)), *apart), kind="heading"))
        for category in categories:
            cells: list[Cell] = []
            for arm in arms:
                where = {"arm": arm, "level": category, **address}
                cells += count_cells(
                    formatter,
                    results.value("baseline", "count", **where),
                    results.value("baseline", "proportion", **where),
                )
            rows.append(Row(Cell(category), (*cells, *nothing), indent=1))
    else:
        spread = [_value(results.get("baseline", "sd", arm=arm, **address)) for arm in arms]
        decimals = min(2, decimals_of(max(spread), 2)) if max(spread) > 0 else 1
        cells = []
        for arm in arms:
            cells.append(number(formatter, results.value("baseline", "mean", arm=arm, **address), decimals))
            cells.append(number(formatter, results.value("baseline", "sd", arm=arm, **address), decimals))
        rows.append(Row(Cell(f"{label}, mean (SD)"), (*cells, *apart)))
    if missing:
        cells = []
        for arm in arms:
            cells += [number(formatter, results.value("baseline", "missing", arm=arm, **address)), EMPTY]
        rows.append(Row(Cell("missing"), (*cells, *nothing), indent=1))
    return rows


def _value(value: Number) -> float:
    return 0.0 if value is None else float(value)


def _label(context: ReportContext, name: str) -> str:
    """Return a variable's name for people, with its unit."""
    for covariate in context.protocol.covariates:
        if covariate.name == name:
            words = covariate_name(name)
            return f"{words}, {covariate.unit}" if covariate.unit else words
    root = context.protocol.endpoint(name).chain[0].name
    facts = context.protocol.endpoint(root)
    unit = facts.measured.unit
    name = measured_name(facts)
    return f"{name}{',' if ',' in name else ''} before treatment" + (f", {unit}" if unit else "")


def measured_name(facts: EndpointFacts) -> str:
    """Return what is measured, before anything is derived from it: its instrument's title, or its column's name."""
    if facts.derive == "value":
        return facts.label
    if facts.instrument is not None:
        return facts.instrument.title
    return sentence_case(facts.measured.columns[0].replace("_", " "))
