"""Differences and their intervals on one axis: the verdict, and the naive analysis beside the right one."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from reports.figures.forest_parts import (
    ForestRow,
    common_decimals,
    draw_interval,
    forest_row,
    say_direction,
    style_of,
    ticks_from,
    value_limits,
    write_beside,
)
from reports.figures.style import (
    GRID,
    INK,
    MUTED,
    WIDTH,
    ArmStyle,
    arm_style,
    axis_name,
    house_style,
    new_figure,
    place_axes,
    text_width,
    wrap,
)
from reports.figures.value import ReportFigure, finished
from reports.format import Formatter

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_INTERACTION_KINDS = ("interaction", "synergy", "bliss")

_VERDICT_WIDTH = 4.7
"""Inches: the verdict stands beside the answer on the first screen, and has to be read on a phone without scrolling."""

_LABEL_SHARE = 0.325
"""Share of the width that a row's label may take before it breaks into lines."""


def verdict_figure(
    rows: pd.DataFrame,
    margin: float | None,
    unit: str,
    title: str,
    *,
    arms: Mapping[str, Collection[str]] | None = None,
    level: float = 0.95,
    null: float = 0.0,
    quantity: str = "Difference",
    formatter: Formatter | None = None,
) -> ReportFigure:
    """Differences of the combination from its parts, and the interaction, on one axis.

    Parameters
    ----------
    rows
        One row a comparison, oriented so that positive is benefit: ``contrast`` (its name), ``estimate``,
        ``conf_low``, ``conf_high`` (in ``unit``; NaN where not estimable, infinite where one-sided),
        ``kind``. A kind that contains "interaction", "synergy" or "bliss" is drawn in a block of its own
        below the differences. Where the columns ``combination`` and ``reference`` (labels of arms) are given,
        rows are labelled by what they ask ("Benefit over Laser"); the alternative text keeps the contrast.
    margin
        Smallest important difference, or None.
    unit
        Unit of the differences (``percentage points``).
    title
        What is compared, for the figure's heading; lines are kept.
    arms
        Where given, each difference has the colour and marker of the combination that it is about.
    level
        Level of the intervals.
    null
        The value of no benefit, where the line is drawn: 0 for differences, 0.5 for a probability of
        superiority.
    quantity
        What the axis shows.
    formatter
        Writes the numbers; the house style by default.
    """
    formatter = formatter or Formatter()
    asked = {"combination", "reference"} <= set(rows.columns)
    styles = arm_style(arms) if arms is not None else {}
    interacts = [any(word in str(kind).casefold() for word in _INTERACTION_KINDS) for kind in rows["kind"]]
    ordered = pd.concat(
        [rows[~np.array(interacts, bool)], rows[np.array(interacts, bool)]], ignore_index=True
    )
    differences = len(rows) - sum(interacts)
    decimals = common_decimals(rows)
    drawn = []
    for index, record in enumerate(ordered.to_dict("records")):
        interaction = index >= differences
        about = str(record.get("combination", ""))
        style = styles[about] if about in styles else style_of(str(record["contrast"]), styles)
        named = record
        if asked:
            named = record | {"label": _asked(record, str(rows["combination"].iloc[0]), interaction)}
        drawn.append(
            forest_row(
                named,
                position=index + (0.2 if interaction and differences else 0.0),
                style=ArmStyle(INK, "d", "solid") if interaction else style,
                formatter=formatter,
                decimals=decimals,
                interaction=interaction,
            )
        )
    with house_style():
        figure, axes = _forest(
            drawn,
            axis_name(quantity, unit),
            title,
            level,
            formatter,
            margin=margin,
            null=null,
            width=_VERDICT_WIDTH,
            beneath=True,
        )
        say_direction(axes, null, only_interaction=differences == 0)
        if margin is not None and differences:
            _margin_band(axes, margin, null, differences, formatter)
        if 0 < differences < len(rows):
            # The interaction shares the differences' axis, not their question.
            axes.axhline(differences - 0.4, color=INK, alpha=0.3, linewidth=0.6)
        return finished(
            figure,
            "verdict",
            _verdict_caption(title, margin, unit, level, formatter, any(interacts)),
            _findings(drawn, unit, level, formatter, null),
        )


def _asked(record: Mapping[str, object], primary: str, interaction: bool) -> str:
    """What a row asks, in a clinician's words; a combination other than the primary one is named."""
    question = "Beyond the sum of its parts" if interaction else f"Benefit over {record['reference']}"
    combination = str(record["combination"])
    return question if combination == primary else f"{combination}: {question[0].lower()}{question[1:]}"


def naive_figure(
    rows: pd.DataFrame,
    *,
    unit: str = "",
    outcome: str = "",
    level: float = 0.95,
    formatter: Formatter | None = None,
) -> ReportFigure:
    """The same contrasts from the right analysis and from those that ignore the pairing.

    Parameters
    ----------
    rows
        ``method``, ``contrast``, ``estimate``, ``conf_low``, ``conf_high``. The first method in order of
        appearance is the right one: it is drawn filled and solid, and the others' widths are given in its
        own.
    unit
        Unit of the differences.
    outcome
        What is compared ("Repigmentation at Week 24"), for the caption.
    level
        Level of the intervals.
    formatter
        Writes the numbers; the house style by default.
    """
    formatter = formatter or Formatter()
    right = str(rows["method"].iloc[0])
    drawn, headings, widths = _naive_rows(rows, formatter)
    with house_style():
        figure, axes = _forest(drawn, axis_name("Difference", unit), "", level, formatter, headings=headings)
        say_direction(axes, 0.0, only_interaction=False)
        caption = (
            (f"{outcome}: point" if outcome else "Point")
            + f" estimates and {formatter.level(level)} confidence intervals of the same contrasts. "
            f"Filled: {right[:1].lower()}{right[1:]}. Hollow, dashed: analyses that ignore which observations come "
            "from the same patient, and how wide their interval is beside the filled one's."
        )
        finding = f"Width of the interval as a multiple of that of {right[:1].lower()}{right[1:]}: {'; '.join(widths)}."
        return finished(
            figure, "naive", caption, finding if widths else _findings(drawn, unit, level, formatter)
        )


def _naive_rows(
    rows: pd.DataFrame, formatter: Formatter
) -> tuple[list[ForestRow], list[tuple[float, str]], list[str]]:
    """Rows in a block for each contrast, the blocks' headings, and how wide the naive intervals are."""
    methods = list(dict.fromkeys(rows["method"]))
    markers = ("D", "o", "s", "^", "v")
    decimals = common_decimals(rows)
    drawn: list[ForestRow] = []
    headings: list[tuple[float, str]] = []
    widths: list[str] = []
    position = 0.0
    for contrast, block in rows.groupby("contrast", sort=False):
        headings.append((position, str(contrast)))
        position += 0.9
        width = block["conf_high"] - block["conf_low"]
        own = width[block["method"] == methods[0]]
        for record, ratio in zip(
            block.to_dict("records"), width / (own.iloc[0] if len(own) else math.nan), strict=True
        ):
            rank = methods.index(record["method"])
            style = ArmStyle(INK, markers[rank % len(markers)], "solid")
            named = record | {"contrast": record["method"]}
            row = forest_row(named, position, style, formatter, decimals, dashed=rank > 0)
            if rank and math.isfinite(ratio):
                wide = formatter.number(float(ratio), 2)
                row = replace(row, text=f"{row.text}, {wide} × as wide")
                widths.append(f"{contrast}, {record['method']}: {wide} times")
            drawn.append(row)
            position += 0.95
        position += 0.25
    return drawn, headings, widths


def _forest(
    rows: list[ForestRow],
    name: str,
    title: str,
    level: float,
    formatter: Formatter,
    *,
    margin: float | None = None,
    null: float = 0.0,
    width: float = WIDTH,
    headings: list[tuple[float, str]] | None = None,
    beneath: bool = False,
) -> tuple[Figure, Axes]:
    """Rows with their labels on the left, intervals beside them, and numbers on the right or beneath the labels."""
    probe = new_figure(1, width)
    indent = 0.15 if headings else 0.0
    share = _LABEL_SHARE + (0.06 if beneath else 0.0)
    labels = [wrap(probe, row.label, share * width - indent) for row in rows]
    title = "\n".join(wrap(probe, line, width - 0.2, 9.5, "bold") for line in title.splitlines())
    lines = [line for label in labels for line in label.split("\n")]
    column = f"Estimate ({formatter.level(level)} CI)"
    left = 0.1 + indent + max((text_width(probe, line) for line in lines), default=0.0)
    right = max([text_width(probe, row.text) for row in rows] + [text_width(probe, column, 8.5)])
    if beneath:
        left, right = max(left, right + 0.1), 0.0
    last = max((row.position for row in rows), default=0.0)
    most = max((label.count("\n") + 1 for label in labels), default=1)
    most += beneath
    if text_width(probe, name) > width - 0.3:
        name = "\n".join(wrap(probe, line, width - 0.3) for line in name.replace(" (", "\n(", 1).splitlines())
    row_height, below = max(0.36, 0.155 * most + (0.14 if beneath else 0.05)), 0.72 + 0.15 * name.count("\n")
    above = 0.3 + (0.14 if margin is not None else 0.0)
    above += 0.14 + 0.16 * (title.count("\n") + 1) if title else 0.0
    height = above + below + (last + 1) * row_height
    figure = new_figure(height, width)
    axes = place_axes(figure, left + 0.2, below, width - right - 0.3, height - above)
    axes.set_ylim(last + 0.5, -0.5)
    axes.set_xlim(*value_limits(rows, margin, null))
    axes.set_xticks(ticks_from(axes, null))
    axes.spines["left"].set_visible(False)
    axes.set_yticks([])
    axes.axvline(null, color=INK, linewidth=0.9, zorder=1)
    for row, label in zip(rows, labels, strict=True):
        draw_interval(axes, row)
        if beneath:
            _stacked(axes, row.position, label, row.text, -left - 0.1)
            continue
        write_beside(axes, row.position, label, indent - left - 0.1, linespacing=1.15)
        alpha = 1 if math.isfinite(row.estimate) else MUTED
        write_beside(axes, row.position, row.text, 0.12, right=True, alpha=alpha)
    for position, heading in headings or []:
        write_beside(axes, position, heading, -left - 0.1, weight="bold")
    column_at = 0.1 / width if beneath else 1 - (right + 0.18) / width
    figure.text(column_at, 1 - (above - 0.12) / height, column, fontsize=8.5, alpha=MUTED)
    if title:
        figure.text(0.1 / width, 1 - 0.1 / height, title, va="top", weight="bold", fontsize=9.5)
    axes.set_xlabel(name, labelpad=17, linespacing=1.15)
    if name:
        # Under a narrow axis a long name would leave the figure: it is centred on the axis as far as it can be.
        half = max(text_width(figure, line) for line in name.split("\n")) / 2 + 0.05
        centre = (left + 0.2 + width - right - 0.1) / 2
        centre = min(max(centre, half), width - half)
        start, stop = axes.get_position().x0 * width, axes.get_position().x1 * width
        axes.xaxis.label.set_x((centre - start) / (stop - start))
    return figure, axes


def _stacked(axes: Axes, position: float, label: str, text: str, inches: float) -> None:
    """Write a row's label and beneath it its numbers, together centred on the row's height."""
    half = (label.count("\n") + 2) * 5.6
    for words, up, anchor, alpha in ((label, half, "top", 1.0), (text, -half, "bottom", MUTED)):
        axes.annotate(
            words,
            (0, position),
            xycoords=("axes fraction", "data"),
            xytext=(inches * 72, up),
            textcoords="offset points",
            va=anchor,
            linespacing=1.15,
            alpha=alpha,
            annotation_clip=False,
        )


def _margin_band(axes: Axes, margin: float, null: float, differences: int, formatter: Formatter) -> None:
    """Shade differences too small to matter, over their rows alone: the margin is not for interactions."""
    ends = (-0.5, differences - 0.45)
    edges = (null - margin, null + margin)
    axes.fill_betweenx(ends, *edges, facecolor=INK, alpha=GRID / 1.5, linewidth=0, zorder=0)
    axes.plot([edges[1]] * 2, ends, color=INK, alpha=0.55, linewidth=0.8, linestyle=(0, (2, 2)), zorder=1)
    decimals = 0 if float(margin).is_integer() else 2
    axes.annotate(
        f"smallest important\ndifference: {formatter.number(margin, decimals)}",
        (edges[1], 1),
        xycoords=("data", "axes fraction"),
        xytext=(0, 3),
        textcoords="offset points",
        ha="center",
        va="bottom",
        fontsize=7.5,
        alpha=MUTED,
        linespacing=1.1,
    )


def _verdict_caption(
    title: str, margin: float | None, unit: str, level: float, formatter: Formatter, interaction: bool
) -> str:
    what = ", ".join(title.splitlines())
    text = (
        (f"{what}: point" if what else "Point")
        + f" estimates with {formatter.level(level)} confidence intervals"
        + (f", in {unit}" if unit else "")
        + "; right of the line the combination is better."
    )
    if margin is not None:
        text += " The shaded band holds differences smaller than the smallest important one."
    if interaction:
        text += (
            " The hollow diamond is the additive interaction: how much more (right) or less (left) the "
            "combination did than its parts would add up to."
        )
    return text


def _findings(rows: list[ForestRow], unit: str, level: float, formatter: Formatter, null: float = 0.0) -> str:
    """What the intervals show, row by row, in words."""
    sentences = []
    for row in rows:
        if not math.isfinite(row.estimate):
            sentences.append(f"{row.contrast}: not estimable.")
            continue
        interval = formatter.confidence(row.low, row.high, row.decimals, level)
        number = f"{formatter.quantity(row.estimate, row.decimals, unit)} ({interval})"
        above, below = (
            ("more than the parts add up to", "less than the parts add up to")
            if row.interaction
            else ("better", "worse")
        )
        if row.low > null:
            answer = above
        elif row.high < null:
            answer = below
        else:
            answer = "synergy is not shown" if row.interaction else "a difference is not shown"
        sentences.append(f"{row.contrast}: {number}, {answer}.")
    return " ".join(sentences)
