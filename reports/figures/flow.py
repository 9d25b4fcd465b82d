"""The flow of patients and lesions through the trial, stage by stage, as the CONSORT statements draw it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from reports.figures.style import (
    INK,
    MUTED,
    WIDTH,
    house_style,
    new_figure,
    place_axes,
    wrap,
)
from reports.figures.value import ReportFigure, finished
from reports.format import NO_BREAK_SPACE, counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LINE = 0.165
"""Height of a line of text, in inches."""

_GAP = 0.24
"""Height between two stages, in inches: the arrow."""

_PAD = 0.09


@dataclass(frozen=True, slots=True)
class _Box:
    """A box of the diagram: its place in inches from the left, its lines of text, bold first."""

    left: float
    width: float
    head: str
    body: str
    note: str

    @property
    def lines(self) -> int:
        return sum(part.count("\n") + 1 for part in (self.head, self.body, self.note) if part)

    @property
    def middle(self) -> float:
        return self.left + self.width / 2


def flow_figure(flow: pd.DataFrame) -> ReportFigure:
    """Boxes of patients and lesions, a row a stage; a stage by arm has a box for each arm.

    Parameters
    ----------
    flow
        In the order of the stages: ``stage``, ``arm`` (missing or empty where the stage is of the whole
        trial), ``patients``, ``lesions`` (missing where patients are the unit), ``note`` (missing, or what
        was lost and why).

    Notes
    -----
    After the CONSORT extension to within-person trials (Pandis et al. 2017, BMJ 357:j2835), items 13a and
    13b: participants and body sites at each stage.
    """
    flow = flow.assign(arm=flow["arm"].where(flow["arm"].notna(), "").astype(str))
    arms = [arm for arm in dict.fromkeys(flow["arm"]) if arm]
    with house_style():
        probe = new_figure(1)
        rows, named = [], False
        for _, group in flow.groupby("stage", sort=False):
            rows.append(_boxes(probe, group, arms, named))
            named = bool(group["arm"].astype(bool).any())
        heights = [max(box.lines for box in row) * _LINE + 2 * _PAD for row in rows]
        height = sum(heights) + _GAP * (len(rows) - 1) + 0.1
        figure = new_figure(height)
        axes = place_axes(figure, 0, 0, WIDTH, height)
        axes.set_axis_off()
        axes.set_xlim(0, WIDTH)
        axes.set_ylim(0, height)
        top = height - 0.05
        for index, (row, tall) in enumerate(zip(rows, heights, strict=True)):
            for box in row:
                _draw(axes, box, top, tall)
            if index + 1 < len(rows):
                _arrows(axes, row, rows[index + 1], top - tall)
            top -= tall + _GAP
        lesions = bool(flow["lesions"].notna().any())
        caption = f"Flow of patients{' and lesions' if lesions else ''} through the trial."
        return finished(figure, "flow", caption, _flow_finding(flow))


def _boxes(figure: Figure, rows: pd.DataFrame, arms: list[str], named: bool) -> list[_Box]:
    """The boxes of one stage: one in the middle, or one in each arm's column, named at the column's top."""
    stage = str(rows["stage"].iloc[0])
    columns = max(len(arms), 1)
    between = 0.12 if columns > 3 else 0.2
    narrow = (WIDTH - 0.1 - between * (columns - 1)) / columns
    boxes = []
    for row in rows.to_dict("records"):
        whole = not row["arm"]
        width = 3.4 if whole else min(narrow, 2.6)
        if whole:
            left = (WIDTH - width) / 2
        else:
            left = 0.05 + arms.index(row["arm"]) * (narrow + between) + (narrow - width) / 2
        room = width - 2 * _PAD
        size = _size(whole, columns)
        head = stage if whole else ("" if named else str(row["arm"]))
        body = _counts(row)
        note = "" if row["note"] is None or pd.isna(row["note"]) else str(row["note"])
        body = wrap(figure, body, room, size) if body else ""
        if not whole:
            body = "\n".join(part for part in (wrap(figure, stage, room, size), body) if part)
        boxes.append(
            _Box(
                left,
                width,
                wrap(figure, head, room, size, "bold") if head else "",
                body,
                wrap(figure, note, room, size - 0.5) if note else "",
            )
        )
    return boxes


def _size(whole: bool, columns: int) -> float:
    return 9.0 if whole or columns <= 3 else 8.0


def _counts(row: dict[str, object]) -> str:
    parts = []
    for key, noun in (("patients", "patient"), ("lesions", "lesion")):
        count = float(str(row[key])) if row[key] is not None and not pd.isna(row[key]) else math.nan
        if not math.isnan(count):
            parts.append(counted(count, noun).replace(" ", NO_BREAK_SPACE))
    return ", ".join(parts)


def _draw(axes: Axes, box: _Box, top: float, height: float) -> None:
    from matplotlib.patches import Rectangle

    axes.add_patch(
        Rectangle((box.left, top - height), box.width, height, fill=False, edgecolor=INK, linewidth=0.8)
    )
    size = 9.0 if box.width >= 2.0 else 8.0
    y = top - (height - box.lines * _LINE) / 2
    for text, style in (
        (box.head, {"weight": "bold", "fontsize": size}),
        (box.body, {"fontsize": size}),
        (box.note, {"fontsize": size - 0.5, "alpha": MUTED}),
    ):
        for line in text.split("\n") if text else []:
            axes.text(box.middle, y - _LINE / 2, line, ha="center", va="center_baseline", **style)
            y -= _LINE


def _arrows(axes: Axes, above: list[_Box], below: list[_Box], bottom: float) -> None:
    """Arrows to the next stage: straight down within a column, by a cross-bar to branch or join."""
    end = bottom - _GAP
    line: dict[str, Any] = {"color": INK, "linewidth": 0.8, "solid_capstyle": "butt"}
    head = {
        "arrowstyle": "-|>",
        "color": INK,
        "linewidth": 0.8,
        "mutation_scale": 8,
        "shrinkA": 0,
        "shrinkB": 0,
    }
    if len(above) == len(below) and all(
        abs(up.middle - down.middle) < 1e-6 for up, down in zip(above, below, strict=True)
    ):
        for box in above:
            axes.annotate("", (box.middle, end), (box.middle, bottom), arrowprops=head)
        return
    bar = bottom - _GAP / 2
    for box in above:
        axes.plot([box.middle] * 2, [bottom, bar], **line)
    ends = [box.middle for box in (*above, *below)]
    axes.plot([min(ends), max(ends)], [bar, bar], **line)
    for box in below:
        axes.annotate("", (box.middle, end), (box.middle, bar), arrowprops=head)


def _flow_finding(flow: pd.DataFrame) -> str:
    """Each stage with its numbers, in words."""
    sentences = []
    for stage, rows in flow.groupby("stage", sort=False):
        parts = []
        for row in rows.to_dict("records"):
            text = f"{row['arm']} {_counts(row)}" if row["arm"] else _counts(row)
            if row["note"] is not None and not pd.isna(row["note"]) and str(row["note"]):
                text += f" ({row['note']})"
            parts.append(text)
        sentences.append(f"{stage}: {'; '.join(parts)}.")
    return " ".join(sentences)
