"""What was observed at each visit, and how the combination differed from its parts over time."""

from __future__ import annotations

from outcomes.protocol import Analysis
from reports.context import ReportContext
from reports.format import decimals_of
from reports.results import Number
from reports.steps.over_visits import OVER_VISITS
from reports.tables.cells import (
    count_cells,
    estimate_cells,
    interval_columns,
    number,
    p_cell,
    table_name,
    unit_lines,
)
from reports.tables.value import Cell, Column, Row, Table, blank_row


def observed_table(context: ReportContext, analysis: Analysis) -> Table:
    """Describe an endpoint at each visit in each arm: means, or numbers of each grade, or responders."""
    facts = context.facts(analysis)
    if facts.scale == "ordinal":
        return _grade_table(context, analysis)
    return _number_table(context, analysis, facts.scale == "binary")


def _number_table(context: ReportContext, analysis: Analysis, shares: bool) -> Table:
    results, formatter, facts = context.results, context.formatter, context.facts(analysis)
    name = f"{analysis.name}/observed"
    decimals = 0 if shares else _decimals(context, name)
    factor = 100 if shares else 1
    visits = results.distinct("visit", analysis=name, statistic="n")
    rows: list[Row] = []
    for visit in visits:
        if len(visits) > 1:
            rows.append(blank_row(visit, 6 if not shares else 5))
        for arm in context.protocol.arms:
            address = {"visit": visit, "arm": arm}
            n = results.value(name, "n", **address)
            low, high = (results.get(name, limit, **address) for limit in ("conf_low", "conf_high"))
            limits = tuple(number(formatter, _times(limit, factor), decimals) for limit in (low, high))
            middle: tuple[Cell, ...]
            if shares:
                middle = count_cells(
                    formatter,
                    results.value(name, "responders", **address),
                    results.value(name, "proportion", **address),
                )
            else:
                middle = tuple(
                    number(formatter, results.value(name, statistic, **address), decimals)
                    for statistic in ("mean", "sd")
                )
            cells: tuple[Cell, ...] = (number(formatter, n), *middle, *limits)
            if not shares:
                cells = (*cells, number(formatter, results.value(name, "median", **address), decimals))
            rows.append(Row(Cell(arm), cells, indent=1 if len(visits) > 1 else 0))
    unit = "Lesions" if facts.level == "lesion" else "Patients"
    measured = "Responders (%)" if shares else "Mean (SD)"
    columns = (
        Column(unit),
        Column(measured),
        Column("", "paren"),
        Column("95 % CI, %" if shares else "95 % CI", "low"),
        Column("", "high"),
        *(() if shares else (Column("Median"),)),
    )
    method = (
        "Wilson's interval of the proportion; where a patient has several values, at their effective number."
        if shares
        else "Observed values; t interval of the mean, or of the mean of patients' means where a patient has several "
        "values."
    )
    return context.finished(
        Table(
            table_name("observed", analysis.name),
            f"{facts.label} by visit" + (f", {facts.unit}" if facts.unit and not shares else ""),
            columns,
            tuple(rows),
            stub="Visit and arm" if len(visits) > 1 else "Arm",
            notes={"method": f"{facts.describe()} {method}"},
            source=source_line(context, analysis),
        ),
        analysis,
        described=True,
    )


def _grade_table(context: ReportContext, analysis: Analysis) -> Table:
    results, formatter, facts = context.results, context.formatter, context.facts(analysis)
    name = f"{analysis.name}/observed"
    visits = results.distinct("visit", analysis=name, statistic="n")
    arms = tuple(context.protocol.arms)
    columns = []
    unit = "lesions" if facts.level == "lesion" else "patients"
    for arm in arms:
        n = results.value(name, "n", visit=analysis.visit, arm=arm)
        lines = unit_lines({unit: n})
        columns += [Column("No. (%)", spanner=arm, spanner_lines=lines), Column("", "paren", spanner=arm)]
    rows: list[Row] = []
    for visit in visits:
        if len(visits) > 1:
            rows.append(blank_row(visit, 2 * len(arms)))
        for grade in facts.grades or ():
            cells: list[Cell] = []
            for arm in arms:
                address = {"visit": visit, "arm": arm, "level": grade}
                count = results.value(name, "count", **address)
                cells += count_cells(formatter, count, results.value(name, "proportion", **address))
            rows.append(Row(Cell(grade), tuple(cells), indent=1 if len(visits) > 1 else 0))
    return context.finished(
        Table(
            table_name("observed", analysis.name),
            f"{facts.label}: numbers of each grade",
            tuple(columns),
            tuple(rows),
            stub="Grade",
            notes={"method": f"{facts.describe()} The numbers under the arms are those at {analysis.visit}."},
            source=source_line(context, analysis),
        ),
        analysis,
        described=True,
    )


def differences_table(context: ReportContext, analysis: Analysis) -> Table | None:
    """Show the contrasts at every visit, by the model or the one of all visits beside it; None where there is none."""
    results, formatter = context.results, context.formatter
    owner = _of_every_visit(context, analysis)
    if not owner:
        return None
    name = f"{owner}/contrasts"
    visits = results.distinct("visit", analysis=name, statistic="estimate")
    combination = {line.contrast for line in context.lines("part", analysis.name)}
    contrasts = [one for one in results.distinct("contrast", analysis=name) if one in combination]
    if not contrasts:
        return None
    decimals = context.decimals(analysis.name)
    columns = [
        column for contrast in contrasts for column in interval_columns("Difference", "95 % CI", contrast)
    ]
    rows = []
    for visit in visits:
        cells: list[Cell] = []
        for contrast in contrasts:
            address = {"visit": visit, "contrast": contrast}
            estimate, low, high = (
                results.value(name, statistic, **address)
                for statistic in ("estimate", "conf_low", "conf_high")
            )
            cells += estimate_cells(formatter, estimate, low, high, decimals)
        rows.append(Row(Cell(visit), tuple(cells)))
    return context.finished(
        Table(
            table_name("differences", analysis.name),
            "Differences from each part over the visits",
            tuple(columns),
            tuple(rows),
            stub="Visit",
            notes={"role": f"Positive is benefit. {_role_of_visits(context, analysis, owner)}"},
            source=source_line(context, analysis),
        ),
        analysis,
        model=owner,
    )


def _of_every_visit(context: ReportContext, analysis: Analysis) -> str:
    """Return where the results of every visit stand: the analysis's own, the model's beside it, or nowhere."""
    for owner in (analysis.name, f"{analysis.name}/{OVER_VISITS}"):
        visits = context.results.distinct("visit", analysis=f"{owner}/means", statistic="estimate")
        if len(visits) > 1:
            return owner
    return ""


def _role_of_visits(context: ReportContext, analysis: Analysis, owner: str) -> str:
    """Say which visit answers and which describe, and by which model."""
    if owner == analysis.name:
        return (
            f"{analysis.visit} is the visit of the {analysis.role} analysis; the other visits are descriptive, without "
            "adjustment for multiplicity."
        )
    model = context.results.text(owner, "model")
    return (
        f"By a model of all visits together, {model}; descriptive, without adjustment for multiplicity. The "
        f"{analysis.role} analysis is of {analysis.visit} alone: its numbers there need not be these."
    )


def course_table(context: ReportContext, analysis: Analysis) -> Table | None:
    """Show the model's mean of every arm at every visit; None where there is one visit alone."""
    results, formatter = context.results, context.formatter
    owner = _of_every_visit(context, analysis)
    if not owner:
        return None
    name, decimals = f"{owner}/means", context.decimals(analysis.name)
    arms = results.distinct("arm", analysis=name, statistic="estimate")
    columns = [column for arm in arms for column in interval_columns("Mean", "95 % CI", arm)]
    rows = []
    for visit in results.distinct("visit", analysis=name, statistic="estimate"):
        cells: list[Cell] = []
        for arm in arms:
            found = [
                results.get(name, statistic, visit=visit, arm=arm)
                for statistic in ("estimate", "conf_low", "conf_high")
            ]
            cells += estimate_cells(formatter, found[0], found[1], found[2], decimals)
        rows.append(Row(Cell(visit), tuple(cells)))
    facts = context.facts(analysis)
    return context.finished(
        Table(
            table_name("course", analysis.name),
            "The model's means over the visits" + (f", {facts.unit}" if facts.unit else ""),
            tuple(columns),
            tuple(rows),
            stub="Visit",
            notes={"role": _role_of_visits(context, analysis, owner)},
            source=source_line(context, analysis),
        ),
        analysis,
        model=owner,
    )


def spread_table(context: ReportContext, analysis: Analysis) -> Table | None:
    """Show the observed standard deviations by arm and visit beside a model that gives all of them one spread."""
    from analyses.default_model import gives_one_spread

    results, formatter = context.results, context.formatter
    if not gives_one_spread(results.text(analysis.name, "model")):
        return None
    name = f"{analysis.name}/observed"
    decimals = context.decimals(analysis.name)
    arms = tuple(context.protocol.arms)
    rows = []
    for visit in results.distinct("visit", analysis=name, statistic="sd"):
        cells = [number(formatter, results.get(name, "sd", visit=visit, arm=arm), decimals) for arm in arms]
        rows.append(Row(Cell(visit), tuple(cells)))
    if not rows:
        return None
    return context.finished(
        Table(
            table_name("spread", analysis.name),
            "Observed standard deviations, which the model takes to be equal",
            tuple(Column("SD", spanner=arm) for arm in arms),
            tuple(rows),
            stub="Visit",
            notes={
                "meaning": (
                    "The model has one spread for all arms and visits. Where these numbers differ, its intervals are "
                    "too narrow for arms that vary more and too wide for those that vary less."
                )
            },
            source=source_line(context, analysis),
        ),
        analysis,
        described=True,
    )


def means_table(context: ReportContext, analysis: Analysis) -> Table:
    """Show the model's marginal means and contrasts at the analysis's visit, with both N."""
    results, formatter, facts = context.results, context.formatter, context.facts(analysis)
    decimals = context.decimals(analysis.name)
    lesions = results.has(analysis.name, "n_lesions")
    rows: list[Row] = [blank_row(f"Mean{', ' + facts.unit if facts.unit else ''}", 7 if lesions else 6)]
    for found in results.select(
        analysis=f"{analysis.name}/means", statistic="estimate", visit=analysis.visit
    ):
        counts = [results.get(analysis.name, "n_patients", arm=found.arm)]
        if lesions:
            counts.append(results.get(analysis.name, "n_lesions", arm=found.arm))
        cells = _estimate(
            context, f"{analysis.name}/means", found.value, decimals, arm=found.arm, visit=analysis.visit
        )
        rows.append(Row(Cell(found.arm), (*(number(formatter, n) for n in counts), *cells, Cell()), indent=1))
    contrasts = results.select(
        analysis=f"{analysis.name}/contrasts", statistic="estimate", visit=analysis.visit
    )
    if contrasts:
        rows.append(blank_row(f"Difference{', ' + difference_unit(context, analysis)}", 7 if lesions else 6))
    for found in contrasts:
        name = f"{analysis.name}/contrasts"
        address = {"contrast": found.contrast, "visit": analysis.visit}
        cells = _estimate(context, name, found.value, decimals, **address)
        p = p_cell(formatter, results.value(name, "p_value", **address))
        rows.append(Row(Cell(found.contrast), (*([Cell()] * (2 if lesions else 1)), *cells, p), indent=1))
    whose = "lesions" if facts.level == "lesion" else "patients"
    return context.finished(
        Table(
            table_name("means", analysis.name),
            f"{facts.label} at {analysis.visit}: the model's means and differences",
            (
                Column("Patients"),
                *((Column("Lesions"),) if lesions else ()),
                Column("Estimate (SE)"),
                Column("", "paren"),
                Column(context.interval_header(analysis.name), "low"),
                Column("", "high"),
                Column("p"),
            ),
            tuple(rows),
            stub="Arm or comparison",
            notes={
                "means": (
                    f"Means of {whose}, averaged over the covariates with their observed proportions. Differences are "
                    "oriented so that positive is benefit; their p-values are two-sided and not adjusted."
                )
            },
            source=source_line(context, analysis),
        ),
        analysis,
    )


def _estimate(
    context: ReportContext, name: str, estimate: Number, decimals: int, **address: str
) -> tuple[Cell, ...]:
    """Return estimate, standard error and limits, or "not estimable" across them."""
    if estimate is None:
        return (Cell("not estimable", span=4),)
    found = [
        context.results.value(name, statistic, **address)
        for statistic in ("std_error", "conf_low", "conf_high")
    ]
    return tuple(number(context.formatter, value, decimals) for value in (estimate, *found))


def difference_unit(context: ReportContext, analysis: Analysis) -> str:
    """Return the unit of an analysis's contrasts, as its verdict has it."""
    return context.results.text(analysis.name, "scale_unit") or "points"


def source_line(context: ReportContext, analysis: Analysis) -> str:
    """Return where an analysis's numbers come from."""
    whom = "all" if analysis.population == "all" else f"the population “{analysis.population}”"
    return (
        f"analysis “{analysis.name}” ({analysis.role}), {whom} patients."
        if whom == "all"
        else (f"analysis “{analysis.name}” ({analysis.role}), {whom}.")
    )


def _decimals(context: ReportContext, name: str) -> int:
    spreads = []
    for found in context.results.select(analysis=name, statistic="sd"):
        n = context.results.get(name, "n", visit=found.visit, arm=found.arm)
        if found.value and n:
            spreads.append(float(found.value) / float(n) ** 0.5)
    return decimals_of(sorted(spreads)[len(spreads) // 2]) if spreads else 1


def _times(value: Number, factor: float) -> Number:
    return None if value is None else factor * value
