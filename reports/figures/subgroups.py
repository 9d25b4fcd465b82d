"""The combination against its parts in each subgroup, with the test of whether subgroups differ."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from reports.figures.forest_parts import (
    ForestRow,
    common_decimals,
    draw_interval,
    forest_row,
    say_direction,
    ticks_from,
    value_limits,
    write_beside,
)
from reports.figures.style import (
    INK,
    MUTED,
    WIDTH,
    ArmStyle,
    arm_style,
    axis_name,
    figure_of,
    house_style,
    new_figure,
    place_axes,
    text_width,
    wrap,
)
from reports.figures.value import ReportFigure, finished
from reports.format import NOT_ESTIMABLE, Formatter, counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

OVERALL = ""
"""The covariate of the row of all patients."""

_ROW = 0.215
"""Height of a row in inches."""

_COUNT = 0.62
"""Width of a column of counts."""


@dataclass(frozen=True, slots=True)
class _Layout:
    """Inches: the columns' right or left edges, shared by all panels."""

    patients: float
    lesions: float | None
    axes: float
    axes_end: float
    p: float


def subgroup_figure(
    rows: pd.DataFrame,
    p_values: Mapping[str, float],
    unit: str,
    outcome: str,
    *,
    arms: Mapping[str, Collection[str]] | None = None,
    margin: float | None = None,
    level: float = 0.95,
    formatter: Formatter | None = None,
) -> ReportFigure:
    """A panel for each contrast: the overall difference, and that of each level of each covariate.

    Parameters
    ----------
    rows
        ``contrast``, ``combination`` (label of the arm that it is about), ``covariate`` (empty for the overall row, the
        first of its contrast), ``level``, ``estimate``,
        ``conf_low``, ``conf_high`` (positive is benefit; NaN where not estimable), ``n_patients``, ``n_lesions``
        (missing where patients are the unit).
    p_values
        Covariate -> p of its interaction with treatment: one test of all contrasts together; NaN where not estimable.
    unit
        Unit of the differences.
    outcome
        What is compared ("Repigmentation at Week 24").
    arms
        Where given, each panel has the colour and marker of the combination that it is about.
    margin
        Smallest important difference, or None.
    level
        Level of the intervals.
    formatter
        Writes the numbers; the house style by default.
    """
    formatter = formatter or Formatter()
    rows = rows.assign(**{name: rows[name].astype(str) for name in ("contrast", "covariate", "level")})
    by_lesion = bool(rows["n_lesions"].notna().any())
    decimals = common_decimals(rows[rows["covariate"] == OVERALL])
    styles = arm_style(arms) if arms is not None else {}
    panels = {
        str(contrast): _panel_rows(block, styles, formatter, decimals)
        for contrast, block in rows.groupby("contrast", sort=False)
    }
    everything = [row for panel in panels.values() for row in panel]
    with house_style():
        figure = _draw(
            panels,
            rows,
            p_values,
            axis_name("Difference", unit),
            everything,
            by_lesion,
            margin,
            level,
            formatter,
        )
        caption = (
            f"{outcome}: difference of the combination from each part, overall and in each subgroup, with "
            f"{formatter.level(level)} confidence intervals; right of the solid line the combination is better. "
            "Dashed: the overall difference. p: test of whether the differences depend on the covariate"
        )
        caption += ", one for all contrasts together." if len(panels) > 1 else "."
        if margin is not None:
            caption += " Dotted: the smallest important difference."
        caption += " Exploratory: intervals are not adjusted for the number of subgroups."
        return finished(
            figure, "subgroups", caption, _finding(rows, p_values, outcome, unit, level, decimals, formatter)
        )


def _panel_rows(
    block: pd.DataFrame, styles: Mapping[str, ArmStyle], formatter: Formatter, decimals: int
) -> list[ForestRow]:
    """The rows of a panel with their places: a covariate's name takes a row above its levels."""
    style = styles.get(str(block["combination"].iloc[0]), ArmStyle(INK, "o", "solid"))
    drawn, position, before = [], 0.0, OVERALL
    for record in block.to_dict("records"):
        if record["covariate"] != before:
            position += 1.15
            before = record["covariate"]
        named = record | {"label": record["level"] if record["covariate"] != OVERALL else "Overall"}
        drawn.append(forest_row(named, position, style, formatter, decimals))
        position += 1.0
    return drawn


def _draw(
    panels: Mapping[str, list[ForestRow]],
    rows: pd.DataFrame,
    p_values: Mapping[str, float],
    name: str,
    everything: list[ForestRow],
    by_lesion: bool,
    margin: float | None,
    level: float,
    formatter: Formatter,
) -> Figure:
    probe = new_figure(1)
    layout = _columns(probe, everything, rows, p_values, by_lesion, level, formatter)
    titles = {contrast: wrap(probe, contrast, WIDTH - 0.2, 9, "bold", lines=3) for contrast in panels}
    heads = [0.5 + 0.155 * title.count("\n") for title in titles.values()]
    foot, between = 0.62, 0.2
    talls = [(panel[-1].position + 1) * _ROW for panel in panels.values()]
    height = sum(talls) + sum(heads) + between * (len(talls) - 1) + foot + 0.05
    figure = new_figure(height)
    top = height
    limits = value_limits(everything, margin, 0.0)
    for index, ((contrast, panel), tall) in enumerate(zip(panels.items(), talls, strict=True)):
        top -= heads[index]
        axes = place_axes(figure, layout.axes, top - tall, layout.axes_end, top)
        axes.set_ylim((panel[-1].position + 0.5), -0.5)
        axes.set_xlim(*limits)
        _decorate(axes, panel, margin)
        block = rows[rows["contrast"] == contrast]
        _fill(axes, panel, block, p_values, layout, formatter)
        _headers(figure, titles[contrast], top, layout, by_lesion, level, formatter)
        last = index + 1 == len(panels)
        axes.set_xticks(ticks_from(axes, 0.0))
        axes.tick_params(axis="x", labelbottom=last)
        if last:
            say_direction(axes, 0.0, only_interaction=False)
            axes.set_xlabel(name, labelpad=17)
        top -= tall + between
    return figure


def _columns(
    figure: Figure,
    drawn: list[ForestRow],
    rows: pd.DataFrame,
    p_values: Mapping[str, float],
    by_lesion: bool,
    level: float,
    formatter: Formatter,
) -> _Layout:
    texts = [text_width(figure, row.label, 8.5) + 0.12 for row in drawn]
    texts += [text_width(figure, covariate, 8.5, "bold") for covariate in p_values]
    labels = min(max(texts), 1.9) + 0.1
    patients = labels + _COUNT
    lesions = patients + _COUNT - 0.06 if by_lesion else None
    p = WIDTH - 0.1
    heading = text_width(figure, f"Estimate ({formatter.level(level)} CI)", 8)
    numbers = max([heading, *(text_width(figure, row.text, 8.5) for row in drawn)])
    p_width = max(
        text_width(figure, "p, interaction", 8),
        *(text_width(figure, formatter.p_value(p), 8.5) for p in p_values.values()),
        0.0,
    )
    end = p - p_width - 0.15 - numbers - 0.12
    return _Layout(patients, lesions, (lesions or patients) + 0.18, end, p)


def _decorate(axes: Axes, panel: list[ForestRow], margin: float | None) -> None:
    axes.spines["left"].set_visible(False)
    axes.set_yticks([])
    axes.axvline(0, color=INK, linewidth=0.9, zorder=1)
    if math.isfinite(panel[0].estimate):
        axes.axvline(panel[0].estimate, color=INK, alpha=0.6, linewidth=0.8, linestyle=(0, (4, 2)), zorder=1)
    if margin is not None:
        axes.axvline(margin, color=INK, alpha=0.7, linewidth=0.9, linestyle=(0, (1, 1.6)), zorder=1)


def _fill(
    axes: Axes,
    panel: list[ForestRow],
    block: pd.DataFrame,
    p_values: Mapping[str, float],
    layout: _Layout,
    formatter: Formatter,
) -> None:
    """Labels, counts, intervals, numbers and p-values of one panel."""
    figure_left = -layout.axes
    room = layout.patients - _COUNT - 0.1
    shown = OVERALL
    figure = figure_of(axes)
    for row, record in zip(panel, block.to_dict("records"), strict=True):
        if record["covariate"] != shown:
            shown = record["covariate"]
            above = row.position - 1.0
            name = wrap(figure, shown, room, 8.5, "bold", lines=1)
            write_beside(axes, above, name, figure_left + 0.1, weight="bold", fontsize=8.5)
            if shown in p_values:
                text = formatter.p_value(p_values[shown])
                _count(axes, above, text, layout.p - layout.axes_end, right=True)
        overall = record["covariate"] == OVERALL
        label = wrap(figure, row.label, room - 0.12, 8.5, lines=1)
        indent = 0.0 if overall else 0.12
        weight = "bold" if overall else "normal"
        write_beside(axes, row.position, label, figure_left + 0.1 + indent, weight=weight, fontsize=8.5)
        for key, place in (("n_patients", layout.patients), ("n_lesions", layout.lesions)):
            if place is not None and not pd.isna(record[key]):
                _count(axes, row.position, f"{int(record[key])}", place - layout.axes)
        draw_interval(axes, row)
        alpha = 1 if math.isfinite(row.estimate) else MUTED
        write_beside(axes, row.position, row.text, 0.12, right=True, alpha=alpha, fontsize=8.5, weight=weight)


def _count(axes: Axes, position: float, text: str, inches: float, right: bool = False) -> None:
    write_beside(axes, position, text, inches, right=right, ha="right", fontsize=8.5)


def _headers(
    figure: Figure,
    title: str,
    top: float,
    layout: _Layout,
    by_lesion: bool,
    level: float,
    formatter: Formatter,
) -> None:
    width, height = figure.get_size_inches()
    figure.text(0.1 / width, (top + 0.29) / height, title, weight="bold", va="bottom", linespacing=1.15)
    heads = [(layout.patients, "Patients", "right"), (layout.p, "p, interaction", "right")]
    heads.append((layout.axes_end + 0.12, f"Estimate ({formatter.level(level)} CI)", "left"))
    if layout.lesions is not None:
        heads.append((layout.lesions, "Lesions", "right"))
    for at, text, side in heads:
        figure.text(
            at / width, (top + 0.12) / height, text, ha=side, va="center_baseline", fontsize=8, alpha=MUTED
        )


def _finding(
    rows: pd.DataFrame,
    p_values: Mapping[str, float],
    outcome: str,
    unit: str,
    level: float,
    decimals: int,
    formatter: Formatter,
) -> str:
    """Where the differences lie in the subgroups, and what the tests of interaction say."""
    sentences = []
    for contrast, block in rows.groupby("contrast", sort=False):
        parts = []
        for record in block.to_dict("records"):
            name = record["level"] if record["covariate"] != OVERALL else "overall"
            if record["covariate"] != OVERALL:
                name = f"{record['covariate']} {name}"
            estimate = float(record["estimate"])
            if not math.isfinite(estimate):
                parts.append(f"{name} {NOT_ESTIMABLE}")
                continue
            interval = formatter.confidence(record["conf_low"], record["conf_high"], decimals, level)
            number = formatter.quantity(estimate, decimals, unit)
            size = counted(float(record["n_patients"]), "patient")
            parts.append(f"{name} {number} ({interval}; {size})")
        sentences.append(f"{contrast}: {'; '.join(parts)}.")
    tests = "; ".join(f"{covariate} {formatter.p_phrase(p)}" for covariate, p in p_values.items())
    if tests:
        sentences.append(f"Tests of interaction: {tests}.")
    return f"{outcome} by subgroup. " + " ".join(sentences)
