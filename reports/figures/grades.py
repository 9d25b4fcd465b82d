"""Ordered grades: how many lesions or patients of each arm reached which."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from reports.figures.style import (
    INK,
    MUTED,
    WIDTH,
    arm_style,
    figure_of,
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

_BAR = 0.3
"""Height of a bar in inches."""


def grade_figure(
    counts: pd.DataFrame,
    arms: Mapping[str, Collection[str]],
    *,
    label: str = "Grades",
    formatter: Formatter | None = None,
) -> ReportFigure:
    """A bar for each arm and visit, cut by grade: the arm's colour, the darker the higher the grade.

    Parameters
    ----------
    counts
        ``arm``, ``visit``, ``grade``, ``n``. The order of grades is that of the column's categories where it
        is an ordered Categorical, else that of first appearance; visits in order of appearance.
    arms
        Label -> components, in protocol order.
    label
        The outcome's name.
    formatter
        Writes the percentages; the house style by default.
    """
    formatter = formatter or Formatter()
    grades = _levels(counts["grade"])
    visits = _levels(counts["visit"])
    styles = {
        arm: style for arm, style in arm_style(arms).items() if (counts["arm"].astype(str) == arm).any()
    }
    table = counts.assign(**{key: counts[key].astype(str) for key in ("arm", "visit", "grade")})
    table = table.groupby(["visit", "arm", "grade"], sort=False)["n"].sum()
    with house_style():
        heading = 0.26 if len(visits) > 1 else 0.0
        block = heading + len(styles) * (_BAR + 0.1) + 0.1
        above, below = 0.34, 0.55
        height = above + below + block * len(visits)
        figure = new_figure(height)
        names = {arm: wrap(figure, arm, 2.1, lines=2) for arm in styles}
        widest = max(text_width(figure, line) for name in names.values() for line in name.split("\n"))
        left, right = 0.1 + widest + 0.12, 0.62
        axes = place_axes(figure, left, below, WIDTH - right, height - above)
        axes.set_xlim(0, 100)
        axes.set_ylim(block * len(visits), 0)
        y = 0.0
        for visit in visits:
            if heading:
                axes.text(0, y + heading * 0.72, visit, weight="bold", fontsize=8.5)
                y += heading
            for arm, style in styles.items():
                cells = np.array([float(table.get((visit, arm, grade), 0)) for grade in grades])
                _bar(axes, y + _BAR / 2 + 0.03, names[arm], cells, grades, style.color)
                y += _BAR + 0.1
            y += 0.1
        axes.spines["left"].set_visible(False)
        axes.set_yticks([])
        axes.set_xticks(range(0, 101, 25))
        axes.set_xlabel("Share of those assessed (%)")
        _key(figure, left, height, grades)
        caption = (
            f"{label} by arm" + (" and visit" if len(visits) > 1 else f" at {visits[0]}") + ", from "
            f"{grades[0]} (lightest) to {grades[-1]} (darkest); numbers in the bars are counts."
        )
        return finished(
            figure,
            "grades",
            caption,
            _grade_finding(table, visits[-1], list(styles), grades, label, formatter),
        )


def _bar(axes: Axes, middle: float, name: str, cells: np.ndarray, grades: list[str], color: str) -> None:
    """One arm at one visit: its name, the bar cut by grade, and its number."""
    figure = figure_of(axes)
    inches_wide = float(axes.get_position().width * figure.get_size_inches()[0])
    beside: dict[str, Any] = {"textcoords": "offset points", "annotation_clip": False}
    level = "center" if "\n" in name else "center_baseline"
    axes.annotate(name, (0, middle), (-6, 0), ha="right", va=level, linespacing=1.05, **beside)
    number = f"n = {int(cells.sum())}"
    axes.annotate(number, (100, middle), (6, 0), va="center_baseline", fontsize=8.5, alpha=MUTED, **beside)
    start = 0.0
    for rank, share in enumerate(100 * cells / max(cells.sum(), 1)):
        if share <= 0:
            continue
        shade = tint(color, rank, len(grades))
        axes.barh(middle, share, _BAR, start, color=shade, edgecolor=INK, linewidth=0.5)
        count = f"{int(cells[rank])}"
        room = share / 100 * inches_wide - 0.05
        fitting = [
            text for text in (f"{grades[rank]}: {count}", count) if text_width(figure, text, 8) <= room
        ]
        if fitting:
            place = (start + share / 2, middle)
            axes.text(
                *place, fitting[0], ha="center", va="center_baseline", fontsize=8, color=readable_on(shade)
            )
        start += share


def _levels(column: pd.Series) -> list[str]:
    if isinstance(column.dtype, pd.CategoricalDtype):
        present = set(column.astype(str))
        return [str(level) for level in column.cat.categories if str(level) in present or column.cat.ordered]
    return [str(level) for level in dict.fromkeys(column)]


def tint(color: str, rank: int, levels: int) -> str:
    """The arm's colour mixed from nearly white (rank 0) through itself to a dark shade (the last rank).

    Lightness carries the order, so that a grey print still shows it.
    """
    place = rank / max(levels - 1, 1)
    pure = 0.65
    target, share = (
        (255, 0.88 * (1 - place / pure)) if place <= pure else (0, 0.5 * (place - pure) / (1 - pure))
    )
    parts = [int(color[start : start + 2], 16) for start in (1, 3, 5)]
    return "#" + "".join(f"{round(part + share * (target - part)):02x}" for part in parts)


def readable_on(color: str) -> str:
    """Black or white text, by the contrast that WCAG 2 defines (relative luminance, 1.4.3)."""
    parts = [int(color[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    luminance = float(np.dot([0.2126, 0.7152, 0.0722], linear))
    return "#000000" if (luminance + 0.05) / 0.05 >= 1.05 / (luminance + 0.05) else "#ffffff"


def _key(figure: Figure, left: float, height: float, grades: list[str]) -> None:
    """A row of grey steps with the grades' names: the order that every arm's shades follow."""
    from matplotlib.patches import Rectangle

    x, y = left, height - 0.19
    for rank, grade in enumerate(grades):
        box = Rectangle(
            (x / WIDTH, (y - 0.06) / height),
            0.16 / WIDTH,
            0.12 / height,
            transform=figure.transFigure,
            facecolor=tint("#7F7F7F", rank, len(grades)),
            edgecolor=INK,
            linewidth=0.5,
        )
        figure.add_artist(box)
        figure.text((x + 0.21) / WIDTH, y / height, grade, va="center_baseline", fontsize=8, alpha=MUTED)
        x += 0.21 + text_width(figure, grade, 8) + 0.22


def _grade_finding(
    table: pd.Series, visit: str, arms: list[str], grades: list[str], label: str, formatter: Formatter
) -> str:
    """Each arm's median grade and its share at the highest one, at the last visit."""
    top = grades[-1]
    parts = []
    for arm in arms:
        cells = np.array([float(table.get((visit, arm, grade), 0)) for grade in grades])
        if cells.sum() == 0:
            parts.append(f"{arm} not assessed")
            continue
        middle = grades[int(np.searchsorted(np.cumsum(cells), cells.sum() / 2))]
        share = formatter.percent(cells[-1] / cells.sum())
        parts.append(f"{arm} median {middle}, {share} at {top} (n = {int(cells.sum())})")
    return f"{label} at {visit}: {'; '.join(parts)}."
