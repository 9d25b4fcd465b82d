"""What the same patient's lesions did: the flow from the grades of one arm to those of another."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from reports.figures.grades import tint
from reports.figures.style import (
    INK,
    MUTED,
    WIDTH,
    arm_style,
    house_style,
    new_figure,
    place_axes,
    text_width,
    wrap,
)
from reports.figures.value import ReportFigure, finished
from reports.format import counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_HEIGHT = 3.1
"""Height of the bars in inches."""

_GAP = 0.02
"""Gap between grades, as a share of the bar."""

_BAR = 0.16
"""Width of a bar, as a share of its panel."""


@dataclass(frozen=True, slots=True)
class _Panel:
    """Pairs of one combination and one other arm.

    Attributes
    ----------
    table
        Number of patients, shape (grades, grades): rows are the grade with the other arm, columns that with the
        combination; lowest grade first.
    grades
        Names of the grades.
    higher_is_better
        Direction.
    """

    combination: str
    reference: str
    table: NDArray[np.int64]
    grades: tuple[str, ...]
    higher_is_better: bool

    @property
    def outcomes(self) -> tuple[int, int, int]:
        """Patients whose lesion with the combination did better, alike and worse."""
        above, below = int(np.triu(self.table, 1).sum()), int(np.tril(self.table, -1).sum())
        better, worse = (above, below) if self.higher_is_better else (below, above)
        return better, int(np.trace(self.table)), worse

    def is_better(self, before: int, after: int) -> bool:
        """Whether a pair of grades is a benefit of the combination."""
        return after > before if self.higher_is_better else after < before


def grade_flow_figure(
    pairs: pd.DataFrame,
    arms: Mapping[str, Collection[str]],
    label: str,
    *,
    grades: Sequence[str],
    visit: str = "",
    higher_is_better: bool = True,
) -> ReportFigure:
    """Draw, for each part of a combination, how many patients had which grade with it and with the combination.

    Parameters
    ----------
    pairs
        ``combination``, ``reference``, ``grade_reference``, ``grade_combination``, ``n``: numbers of patients who have
        one lesion of each arm.
    arms
        Label -> components, in protocol order.
    label, visit
        The outcome's name, and when it was assessed.
    grades
        Names of the grades, lowest first.
    higher_is_better
        Direction of the grade.

    Returns
    -------
    ReportFigure
        Bands join the two bars of a panel; coloured ones are patients who did better with the combination, pale ones
        alike, dark ones worse.
    """
    panels = _panels(pairs, tuple(grades), higher_is_better)
    styles = arm_style(arms)
    with house_style():
        above, below = 0.42, 0.5
        height = above + _HEIGHT + below
        figure = new_figure(height)
        room = (WIDTH - 0.2) / len(panels)
        for place, panel in enumerate(panels):
            side = 0.1 + max(text_width(figure, f"{grade}: 000", 8) for grade in panel.grades)
            left = 0.1 + place * room
            axes = place_axes(figure, left + side, below, left + room - side, below + _HEIGHT)
            _draw(axes, panel, [styles[panel.reference].color, styles[panel.combination].color])
            for x, arm in ((0.0, panel.reference), (1.0, panel.combination)):
                axes.text(
                    x + (_BAR / 2 if x == 0 else -_BAR / 2),
                    -0.03,
                    wrap(figure, arm, room / 2 - 0.1, 8.5),
                    ha="center",
                    va="top",
                    fontsize=8.5,
                    weight="bold",
                )
            better, alike, worse = panel.outcomes
            axes.text(
                0.5,
                1.07,
                f"{better} better, {alike} alike, {worse} worse",
                ha="center",
                va="bottom",
                fontsize=9,
            )
        outcome = f"{label} at {visit}" if visit else label
        caption = (
            f"{outcome}, of the same patients: each band joins the grade of a patient's lesion with one "
            f"arm to that with "
            "the combination. Coloured: better with the combination; pale: alike; dark with an outline: worse. Numbers "
            "are patients who have both lesions."
        )
        return finished(figure, "grade-flow", caption, _finding(outcome, panels))


def _panels(pairs: pd.DataFrame, grades: tuple[str, ...], higher_is_better: bool) -> list[_Panel]:
    found = []
    for (combination, reference), rows in pairs.groupby(["combination", "reference"], sort=False):
        table = np.zeros((len(grades), len(grades)), dtype=np.int64)
        for row in rows.itertuples():
            table[grades.index(str(row.grade_reference)), grades.index(str(row.grade_combination))] += int(
                str(row.n)
            )
        found.append(_Panel(str(combination), str(reference), table, grades, higher_is_better))
    return found


def _draw(axes: Axes, panel: _Panel, colors: list[str]) -> None:
    """One panel: a bar of grades on either side, bands between them."""
    from matplotlib.patches import Rectangle

    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    axes.axis("off")
    total = max(int(panel.table.sum()), 1)
    margins = (panel.table.sum(axis=1), panel.table.sum(axis=0))
    bottoms = [_bottoms(margin, total) for margin in margins]
    _bands(axes, panel, bottoms, total, colors[1])
    for side, (margin, color) in enumerate(zip(margins, colors, strict=True)):
        x = 0.0 if side == 0 else 1 - _BAR
        for rank, count in enumerate(margin):
            if not count:
                continue
            size = _scaled(count, margin, total)
            shade = tint(color, rank, len(panel.grades))
            bottom = bottoms[side][rank]
            axes.add_patch(
                Rectangle((x, bottom), _BAR, size, facecolor=shade, edgecolor=INK, linewidth=0.5, zorder=3)
            )
            axes.annotate(
                f"{panel.grades[rank]}: {count}",
                (x if side == 0 else 1.0, bottom + size / 2),
                (-5 if side == 0 else 5, 0),
                textcoords="offset points",
                ha="right" if side == 0 else "left",
                va="center_baseline",
                fontsize=8,
                annotation_clip=False,
            )


def _scaled(count: float, margin: NDArray[np.int64], total: int) -> float:
    """Height of a number of patients: the bar less its gaps."""
    gaps = max(int((margin > 0).sum()) - 1, 0) * _GAP
    return float(count) / total * (1 - gaps)


def _bottoms(margin: NDArray[np.int64], total: int) -> list[float]:
    """Lower ends of the grades of a bar, the lowest grade at the bottom."""
    found, at = [], 0.0
    for count in margin:
        found.append(at)
        if count:
            at += _scaled(count, margin, total) + _GAP
    return found


def _bands(axes: Axes, panel: _Panel, bottoms: list[list[float]], total: int, color: str) -> None:
    """Bands from the left bar to the right one, in the order of the grades on either side."""
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    left, right = panel.table.sum(axis=1), panel.table.sum(axis=0)
    starts, ends = list(bottoms[0]), list(bottoms[1])
    inches = _HEIGHT
    for before in range(len(panel.grades)):
        for after in range(len(panel.grades)):
            count = int(panel.table[before, after])
            if not count:
                continue
            thick = (_scaled(count, left, total), _scaled(count, right, total))
            a, b = starts[before], ends[after]
            starts[before] += thick[0]
            ends[after] += thick[1]
            x = (_BAR, 0.5, 1 - _BAR)
            vertices = [
                (x[0], a),
                (x[1], a),
                (x[1], b),
                (x[2], b),
                (x[2], b + thick[1]),
                (x[1], b + thick[1]),
                (x[1], a + thick[0]),
                (x[0], a + thick[0]),
                (x[0], a),
            ]
            codes = [Path.MOVETO, *[Path.CURVE4] * 3, Path.LINETO, *[Path.CURVE4] * 3, Path.CLOSEPOLY]
            look = _look(panel, before, after, color)
            axes.add_patch(PathPatch(Path(vertices, codes), **look))
            if thick[0] * inches >= 0.14 and count > 1:
                axes.text(
                    _BAR + 0.035,
                    a + thick[0] / 2,
                    str(count),
                    fontsize=7.5,
                    va="center_baseline",
                    alpha=MUTED,
                    zorder=4,
                )


def _look(panel: _Panel, before: int, after: int, color: str) -> dict[str, object]:
    """Colour and outline of a band; the outline is the second channel of a loss."""
    if before == after:
        return {"facecolor": INK, "alpha": 0.13, "linewidth": 0.0, "zorder": 1}
    if panel.is_better(before, after):
        return {"facecolor": color, "alpha": 0.45, "linewidth": 0.0, "zorder": 1}
    return {"facecolor": INK, "alpha": 0.45, "edgecolor": INK, "linewidth": 0.9, "zorder": 2}


def _finding(outcome: str, panels: Sequence[_Panel]) -> str:
    """How many patients did better, alike and worse with the combination than with each part."""
    clauses = []
    for panel in panels:
        better, alike, worse = panel.outcomes
        whole = counted(better + alike + worse, "patient")
        clauses.append(
            f"{panel.combination} was better than {panel.reference} in {better} of {whole}, alike in {alike}, worse in "
            f"{worse}"
        )
    return f"{outcome}: {'; '.join(clauses)}."
