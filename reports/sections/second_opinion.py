"""The primary model fitted again by other programs."""

from __future__ import annotations

import math
from collections.abc import Iterator

from reports.context import ReportContext
from reports.document import Block, BulletList, Paragraph
from reports.format import Formatter, decimals_of, join_words
from reports.second_opinion.problem import OURS, SUFFIX
from reports.sections.parts import Parts
from reports.steps.categorical import WITHOUT_MODEL
from reports.tables.cells import number, p_cell
from reports.tables.value import Cell, Column, Row, Table

SAME = 1e-3
"""Below this share of a standard error two programs are said to agree: no digit that is printed differs by it."""


def second_opinion(parts: Parts) -> Iterator[Block]:
    """Yield every program's answer beside ours; nothing where none was asked."""
    context = parts.context
    name = f"{context.primary.name}/{SUFFIX}"
    results = context.results
    why = results.text(name, "not_asked")
    if why:
        yield Paragraph(why)
    if not results.has(name, "estimate"):
        return
    yield Paragraph(_lead(context, name), "lead", ("table:second-opinion",))
    if results.text(context.primary.name, "led_by") == WITHOUT_MODEL:
        yield Paragraph(
            "The answer itself rests on tests without a model; what is fitted again stands beside them."
        )
    yield _table(context, name)
    refused = [
        f"{one.subject}: {one.text}."
        for one in results.statements
        if one.analysis == name and one.kind == "refused"
    ]
    if refused:
        yield BulletList(tuple(refused))


def _programs(context: ReportContext, name: str) -> list[str]:
    return [
        program
        for program in context.results.distinct("level", analysis=name, statistic="estimate")
        if program != OURS
    ]


def _lead(context: ReportContext, name: str) -> str:
    """Say whether the others agree, and how far they are apart at most."""
    results, formatter = context.results, context.formatter
    programs = _programs(context, name)
    if not programs:
        return "No other program gave an answer to the primary model."
    largest = max(results.number(name, "largest_difference_relative", level=program) for program in programs)
    asked = join_words(programs)
    verb = "agrees" if len(programs) == 1 else "agree"
    if largest < SAME:
        size = formatter.percent(SAME, 1)
        return (
            f"{asked} {verb} with the primary model: no estimate or standard error differs by more than {size} of a "
            "standard error."
        )
    size = formatter.percent(largest, 1)
    return f"The largest difference between the primary model and {asked} is {size} of a standard error."


def _table(context: ReportContext, name: str) -> Table:
    results, formatter = context.results, context.formatter
    errors = [row.value for row in results.select(analysis=name, statistic="std_error") if row.value]
    decimals = decimals_of(min(float(error) for error in errors), 3)
    rows: list[Row] = []
    notes: dict[str, str] = {
        "same": (
            "Each program got the same rows and the same columns of the design; covariance, estimates and tests are "
            "its own. Differences are between estimates, and between standard errors of the same kind."
        )
    }
    contrasts = results.distinct("contrast", analysis=name, statistic="estimate")
    for program in (OURS, *_programs(context, name)):
        version = results.text(name, "version", program)
        note = results.text(name, "note", program)
        if note:
            notes[program] = note
        label = Cell(f"{program} {version}", notes=(program,) if note else ())
        rows.append(Row(label, (Cell(span=7),), kind="heading"))
        for contrast in contrasts:
            address = {"level": program, "contrast": contrast}
            numbers = {one: results.get(name, one, **address) for one in ("estimate", "std_error")}
            df = results.get(name, "df", **address)
            known = df is not None and not math.isinf(df)
            rows.append(
                Row(
                    Cell(contrast),
                    (
                        *(number(formatter, value, decimals) for value in numbers.values()),
                        number(formatter, df, 1) if known else Cell("∞", df),
                        number(formatter, results.get(name, "conf_low", **address), decimals),
                        number(formatter, results.get(name, "conf_high", **address), decimals),
                        p_cell(formatter, results.get(name, "p_value", **address)),
                        Cell(),
                    ),
                    indent=1,
                )
            )
        rows.append(_distance_row(context, name, program, decimals))
    scale = results.text(name, "scale")
    return context.finished(
        Table(
            "second-opinion",
            "The primary model by each program",
            (
                Column(f"{scale[:1].upper()}{scale[1:]}"),
                Column("SE"),
                Column("df"),
                Column(context.interval_header(), "low"),
                Column("", "high"),
                Column("p"),
                Column("Log-likelihood"),
            ),
            tuple(rows),
            stub="Program and comparison",
            notes=notes,
            source=f"{results.text(name, 'model')}.",
        ),
        context.primary,
    )


def _distance_row(context: ReportContext, name: str, program: str, decimals: int) -> Row:
    """Return a program's log-likelihood, and its largest differences from ours."""
    results, formatter = context.results, context.formatter
    loglik = number(formatter, results.get(name, "loglik", level=program), 4)
    if program == OURS:
        return Row(Cell("Log-likelihood"), (Cell(span=6), loglik), indent=1)
    cells = [
        _difference_cell(formatter, results.number(name, one, level=program), decimals + 2)
        for one in ("largest_difference", "largest_difference_std_error")
    ]
    return Row(Cell("Largest difference"), (*cells, Cell(span=4), loglik), indent=1)


def _difference_cell(formatter: Formatter, value: float, decimals: int) -> Cell:
    """Return a difference; one that would be written as zero by its bound."""
    bound = 10.0**-decimals
    if value < bound:
        return Cell(f"<{formatter.number(bound, decimals)}", value)
    return Cell(formatter.number(value, decimals), value)
