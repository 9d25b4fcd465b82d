"""What the combination adds: the verdict, the same question on other scales, and Bliss's curve."""

from __future__ import annotations

import math
from dataclasses import replace

from outcomes.protocol import Analysis
from reports.context import ReportContext
from reports.format import sentence_case
from reports.house_style import in_style, known_p_values
from reports.narrative import alike_words
from reports.tables.cells import estimate_cells, p_cell, table_name
from reports.tables.outcome import source_line
from reports.tables.value import Cell, Column, Row, Table, blank_row
from reports.verdicts import VerdictLine


def verdict_table(context: ReportContext, analysis: Analysis) -> Table:
    """Every combination question of an analysis, each with its answer."""
    name = analysis.name
    scale = Scale.of(context, name)
    lines = context.all_lines(name)
    combinations = list(dict.fromkeys(line.combination for line in lines))
    alike = alike_words(context, analysis)
    rows: list[Row] = []
    for combination in combinations:
        own = [line for line in lines if line.combination == combination]
        if len(combinations) > 1:
            rows.append(blank_row(combination, 5))
        for line in own:
            row = _verdict_row(context, scale, line, indent=1 if len(combinations) > 1 else 0)
            rows.append(_not_comparable(row, alike))
    told = () if name == context.primary.name else context.results.said(context.primary.name, "footnote")
    known = known_p_values(lines)
    notes = {
        f"note {place}": in_style(text, context.formatter, known)
        for place, text in enumerate(context.results.said(name, "footnote"))
        if text not in told  # said once, under the table of the primary analysis
        and not (alike and text.startswith("A claim about a single part"))  # nothing was compared
    }
    rows = [_with_notes(row, notes) for row in rows]
    noun = sentence_case(context.results.text(name, "scale_noun"))
    return context.finished(
        Table(
            table_name("verdict", name),
            f"{context.facts(analysis).label} at {analysis.visit}: what the combination adds",
            (
                Column(f"{noun}{scale.header}"),
                Column(context.interval_header(name), "low"),
                Column("", "high"),
                Column("p"),
                Column("Answer", "text"),
            ),
            tuple(rows),
            stub="Question",
            notes=notes,
            source=source_line(context, analysis),
        ),
        analysis,
    )


def _not_comparable(row: Row, alike: str) -> Row:
    """Return a question's row without numbers where every unit of every arm did the same: there is no contrast."""
    if not alike:
        return row
    return replace(row, cells=(Cell("not comparable", span=3), Cell(), Cell(alike)))


def _verdict_row(context: ReportContext, scale: Scale, line: VerdictLine, indent: int) -> Row:
    formatter = context.formatter
    label = Cell(question_label(line))
    answer = Cell(line.answer)
    if line.kind == "min_test":
        blank = (Cell(), Cell(), Cell())
        return Row(label, (*blank, p_cell(formatter, line.p_value), answer), indent=indent)
    if not line.estimable:
        return Row(
            label,
            (
                Cell("not assessable" if line.kind == "contribution" else "not estimable", span=3),
                Cell(),
                answer,
            ),
            indent=indent,
        )
    factor, decimals = scale.of_line(context, line)
    cells = estimate_cells(
        formatter, factor * line.estimate, factor * line.conf_low, factor * line.conf_high, decimals
    )
    if line.kind in LOGARITHMIC and "(log scale)" not in label.text:
        label = replace(label, text=f"{label.text} (log scale)")
    return Row(label, (*cells, p_cell(formatter, line.p_value), answer), indent=indent)


NOTED = {
    "Better than every part": ("Min test",),
    "Excess over": ("Excess over",),
    "Additive interaction": ("Interaction:", "Additive interaction"),
    "Interaction on the log residual scale": ("Log residual",),
    "Bliss independence": ("Bliss",),
}
"""Beginning of a row's label -> beginnings of the footnotes that belong to it; others are general remarks."""


def _with_notes(row: Row, notes: dict[str, str]) -> Row:
    """Refer from a row's label to the footnotes that speak of it."""
    for label, beginnings in NOTED.items():
        if row.label.text.startswith(label):
            keys = [key for key, text in notes.items() if text.startswith(beginnings)]
            return replace(row, label=row.label.noted(*keys))
    return row


def question_label(line: VerdictLine) -> str:
    """Return a row's label: its question, and the contrast where the question does not name it."""
    if not line.contrast or line.contrast == line.question or line.kind in ("min_test", "contribution"):
        return line.question
    return f"{line.question}: {line.contrast}"


LOGARITHMIC = ("interaction_log_residual", "bliss")
"""Questions that are answered on a logarithmic scale, whatever the scale of the verdict."""


class Scale:
    """How an analysis's contrasts are shown: a factor, decimals and the header's unit."""

    __slots__ = ("decimals", "factor", "header", "show", "unit")

    def __init__(self, show: str, unit: str, decimals: int) -> None:
        self.show = show
        shares = show == "percentage points"
        self.factor = 100.0 if shares else 1.0
        self.unit = "percentage points" if shares else unit
        self.decimals = decimals
        self.header = f", {self.unit}" if self.unit else ""

    @classmethod
    def of(cls, context: ReportContext, name: str) -> Scale:
        """Return the scale of an analysis's verdict."""
        show = context.results.text(name, "scale_show")
        decimals = context.decimals(name)
        if show == "percentage points":
            decimals = max(0, decimals - 2)
        elif show == "probability":
            decimals = 2
        return cls(show, context.results.text(name, "scale_unit"), decimals)

    def of_line(self, context: ReportContext, line: VerdictLine) -> tuple[float, int]:
        """Return factor and decimals of one row; a row on a logarithmic scale has its own."""
        if line.kind in LOGARITHMIC:
            return 1.0, 2
        return self.factor, self.decimals


def scales_table(context: ReportContext) -> Table | None:
    """Ask the same question on every scale: each analysis's differences from the parts and its min test."""
    rows: list[Row] = []
    for analysis in context.analyses:
        if analysis.role == "sensitivity":
            continue
        scale = Scale.of(context, analysis.name)
        facts, alike = context.facts(analysis), alike_words(context, analysis)
        noun = context.results.text(analysis.name, "scale_noun")
        rows.append(blank_row(f"{facts.label} at {analysis.visit}: {noun}{scale.header}", 5))
        for line in context.all_lines(analysis.name):
            if line.kind == "part":
                rows.append(_not_comparable(_scale_row(context, scale, line, line.contrast), alike))
            elif alike:
                continue
            elif line.kind == "min_test" and not math.isnan(line.p_value):
                rows.append(_scale_row(context, scale, line, f"{line.combination}: better than every part"))
    if sum(row.kind == "heading" for row in rows) < 2:
        return None
    levels = {context.interval_header(one.name) for one in context.analyses if one.role != "sensitivity"}
    return context.finished(
        Table(
            "scales",
            "The same question on each scale",
            (
                Column("Estimate"),
                Column(levels.pop() if len(levels) == 1 else "CI", "low"),
                Column("", "high"),
                Column("p"),
                Column("Answer", "text"),
            ),
            tuple(rows),
            stub="Scale and comparison",
            notes={
                "role": (
                    "Positive differences are benefit; a probability of superiority (the chance of doing better than "
                    f"with the other arm, ties counting half) above {context.formatter.number(0.5, 1)} is benefit. "
                    "Only the primary analysis is confirmatory; the others are descriptive unless the protocol orders "
                    "them."
                )
            },
            source="; ".join(
                f"analysis “{one.name}” ({one.role})" for one in context.analyses if one.role != "sensitivity"
            )
            + ".",
        ),
        context.primary,
        described=True,
    )


def _scale_row(context: ReportContext, scale: Scale, line: VerdictLine, label: str) -> Row:
    formatter = context.formatter
    p = p_cell(formatter, line.p_value)
    if not line.estimable or line.kind == "min_test":
        return Row(Cell(label), (Cell(), Cell(), Cell(), p, Cell(line.answer)), indent=1)
    factor, decimals = scale.of_line(context, line)
    cells = estimate_cells(
        formatter, factor * line.estimate, factor * line.conf_low, factor * line.conf_high, decimals
    )
    return Row(Cell(label), (*cells, p, Cell(line.answer)), indent=1)


def bliss_table(context: ReportContext, analysis: Analysis) -> Table | None:
    """Show the Bliss excess over assumed responses of an untreated arm, where the trial had none."""
    results, formatter = context.results, context.formatter
    levels = results.distinct("level", analysis=analysis.name, statistic="bliss_excess")
    if not levels:
        return None
    rows, undefined = [], []
    for level in levels:
        assumed, excess, low, high = (
            results.value(analysis.name, f"bliss_{name}", level=level)
            for name in ("assumed_control_response", "excess", "conf_low", "conf_high")
        )
        if excess is None:
            undefined.append(formatter.percent(assumed))
            continue
        shown = [None if value is None else 100 * float(value) for value in (excess, low, high)]
        cells = estimate_cells(formatter, shown[0], shown[1], shown[2], 0)
        rows.append(Row(Cell(formatter.percent(assumed)), cells))
    if undefined:
        label = undefined[0] if len(undefined) == 1 else f"{undefined[0]} to {undefined[-1]}"
        rows.append(Row(Cell(label), (Cell("undefined: a part responded less often than that", span=3),)))
    return context.finished(
        Table(
            table_name("bliss", analysis.name),
            f"{results.text(analysis.name, 'combination')}: excess over Bliss independence, by assumed response "
            "without treatment",
            (
                Column("Excess, % of those who would not respond untreated"),
                Column(context.interval_header(analysis.name), "low"),
                Column("", "high"),
            ),
            tuple(rows),
            stub="Assumed response",
            notes={
                "assumption": (
                    "The trial had no arm without treatment: every row rests on an assumption, and none is a result."
                )
            },
            source=source_line(context, analysis),
        ),
        analysis,
    )
