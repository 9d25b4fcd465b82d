"""The primary comparison by subgroup: each level of each categorical covariate, and whether levels differ."""

from __future__ import annotations

from reports.context import ReportContext
from reports.model_words import covariate_name
from reports.results import Number
from reports.steps.subgroups import COMPARED, FEWEST_PATIENTS, SUBGROUPS
from reports.tables.cells import estimate_cells, number, p_cell
from reports.tables.outcome import difference_unit, source_line
from reports.tables.value import EMPTY, Cell, Column, Row, Table

EVERYONE = "Overall"


def subgroup_covariates(context: ReportContext) -> tuple[str, ...]:
    """Return the covariates whose subgroups were analysed, in the protocol's order."""
    found = context.results.select(analysis=_name(context), statistic="p_interaction")
    return tuple(row.level for row in found)


def subgroups_table(context: ReportContext) -> Table | None:
    """Show the combination's differences from its parts by subgroup, with the interaction tests; None without any."""
    covariates = subgroup_covariates(context)
    if not covariates:
        return None
    contrasts = [line.contrast for line in context.lines("part")]
    units = ("patients", "lesions") if context.results.has(_name(context), "n_lesions") else ("patients",)
    all_arms = len(context.protocol.arms) > len(contrasts) + 1
    columns: list[Column] = []
    for contrast in contrasts:
        columns += [
            *(Column(unit.capitalize(), spanner=contrast) for unit in units),
            Column("Difference", spanner=contrast),
            Column(context.interval_header(), "low", spanner=contrast),
            Column("", "high", spanner=contrast),
        ]
    where = f"{context.facts().label} at {context.primary.visit}"
    columns.append(Column("Interaction p", notes=("interaction",)))
    if all_arms:
        columns.append(Column("All arms p", notes=("all arms",)))
    tests = 1 + all_arms
    rows = [_everyone(context, contrasts, units, tests)]
    for covariate in covariates:
        rows += _of_covariate(context, covariate, contrasts, units, all_arms)
    return context.finished(
        Table(
            "subgroups",
            f"{where} by subgroup, {difference_unit(context, context.primary)}",
            tuple(columns),
            tuple(rows),
            stub="Subgroup",
            notes=_notes(context, all_arms),
            source=source_line(context, context.primary),
        ),
        context.primary,
    )


def _name(context: ReportContext) -> str:
    return f"{context.primary.name}/{SUBGROUPS}"


def _everyone(context: ReportContext, contrasts: list[str], units: tuple[str, ...], tests: int) -> Row:
    lines = {line.contrast: line for line in context.lines("part")}
    cells: list[Cell] = []
    for contrast in contrasts:
        line = lines[contrast]
        for unit in units:
            count = context.results.get(f"{context.primary.name}/{COMPARED}", f"n_{unit}", contrast=contrast)
            cells.append(number(context.formatter, count))
        cells += estimate_cells(
            context.formatter, line.estimate, line.conf_low, line.conf_high, context.decimals()
        )
    return Row(Cell(EVERYONE), (*cells, *([EMPTY] * tests)))


def _of_covariate(
    context: ReportContext, covariate: str, contrasts: list[str], units: tuple[str, ...], all_arms: bool
) -> list[Row]:
    """Return a covariate's heading with its tests, and a row for each of its levels."""
    results, formatter, name = context.results, context.formatter, _name(context)
    statistics = ("p_interaction", *(("all_arms_p_interaction",) if all_arms else ()))
    tests = [results.get(name, one, level=covariate) for one in statistics]
    width = len(contrasts) * (len(units) + 3)
    heading = Row(
        Cell(covariate_name(covariate)),
        (
            Cell(span=width),
            *(Cell("not estimable") if p is None else p_cell(formatter, p) for p in tests),
        ),
        kind="heading",
    )
    levels = [
        level
        for level in results.distinct("level", analysis=name, statistic="estimate")
        if level.startswith(f"{covariate}: ")
    ]
    rows = [heading]
    for level in levels:
        cells: list[Cell] = []
        for contrast in contrasts:
            address = {"level": level, "contrast": contrast}
            cells += [number(formatter, results.get(name, f"n_{unit}", **address)) for unit in units]
            found: list[Number] = [
                results.get(name, one, **address) for one in ("estimate", "conf_low", "conf_high")
            ]
            cells += estimate_cells(formatter, found[0], found[1], found[2], context.decimals())
        label = level.removeprefix(f"{covariate}: ")
        rows.append(Row(Cell(label), (*cells, *([EMPTY] * len(tests))), indent=1))
    return rows


def _notes(context: ReportContext, all_arms: bool) -> dict[str, str]:
    by_visit = "arm * visit *" in context.results.text(_name(context), "model")
    units = "Patients and lesions" if context.results.has(_name(context), "n_lesions") else "Patients"
    notes = {
        "explored": (
            "Exploratory, and not adjusted for the number of comparisons. Positive is benefit. Each covariate has a "
            "model of its own: the primary one with the interaction of arm and covariate"
            f"{', by visit' if by_visit else ''}. {units} are those of the two arms compared."
        ),
        "interaction": (
            "F test that the combination's differences from its parts are the same in every level."
            if len(context.lines("part")) > 1
            else "F test that the difference is the same in every level."
        ),
    }
    if all_arms:
        notes["all arms"] = "F test that the differences of all arms are the same in every level."
    found = context.results.select(analysis=_name(context), statistic="estimate")
    if any(row.value is None for row in found):
        notes["few"] = (
            f"Not estimable: fewer than {FEWEST_PATIENTS} patients with a value in one of the two arms, or a level "
            "that the model cannot tell from the other covariates; such a level does not count in the test."
        )
    return notes
