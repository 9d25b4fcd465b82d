"""The flow of patients and lesions through the trial, as the CONSORT 2025 statement draws it.

Enrolment, allocation, follow-up and analysis stand below each other, an arm in each column. In a trial within
patients each box counts patients and lesions: the same patients stand in several columns.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pandas as pd

from reports.figures.style import (
    GRID,
    INK,
    MUTED,
    WIDTH,
    house_style,
    new_figure,
    place_axes,
    text_width,
    wrap,
)
from reports.figures.value import ReportFigure, finished
from reports.format import NO_BREAK_SPACE, counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NOT_PROVIDED = "not provided"
"""What a box says where the data do not know: never an invented number."""

_GAP = 0.24
"""Height between two tiers, in inches: the arrow."""

_PAD = 0.08
"""Room within a box, in inches."""

_STRIP = 0.24
"""Width of the strip that names the phase."""

_LEADING = 1.36
"""Height of a line of text, in font sizes."""


@dataclass(frozen=True, slots=True)
class _Line:
    """A line of text in a box; `above` is the room over it, in inches."""

    text: str
    weight: str = "normal"
    alpha: float = 1.0
    indent: float = 0.0
    above: float = 0.0
    centred: bool = False


@dataclass(frozen=True, slots=True)
class _Box:
    """A box of the diagram: its place in inches from the left, the size of its text, and its lines."""

    left: float
    width: float
    size: float
    lines: tuple[_Line, ...]
    aside: bool = False

    @property
    def height(self) -> float:
        return 2 * _PAD + sum(line.above + self.size / 72 * _LEADING for line in self.lines)

    @property
    def middle(self) -> float:
        return self.left + self.width / 2


@dataclass(frozen=True, slots=True)
class _Tier:
    """Boxes side by side, within a phase."""

    phase: str
    boxes: tuple[_Box, ...]
    least: float = 0.0

    @property
    def height(self) -> float:
        return max(self.least, self.text_height)

    @property
    def text_height(self) -> float:
        return max(box.height for box in self.boxes)

    @property
    def aside(self) -> bool:
        return self.boxes[0].aside


def flow_figure(flow: pd.DataFrame) -> ReportFigure:
    """Draw the CONSORT 2025 flow diagram: within patients (patients and lesions) or parallel (patients).

    Parameters
    ----------
    flow
        One row a stage, and an arm where the stage is of an arm; in order:

        phase
            ``Enrolment``, ``Allocation``, ``Follow-up``, ``Analysis``: named on the left. The stages of a phase and
            an arm share a box. Without this column each stage has its own boxes.
        stage
            What happened ("Assessed at Week 24").
        arm
            Missing or empty where the stage is of the whole trial: a box in the middle.
        patients, lesions
            How many. Patients missing: the data do not say, and the box does ("not provided"). Lesions missing:
            patients are the unit.
        note
            Missing, or what was lost and why.
        aside
            Optional: true for those who left at this point, in a box to the right of the arrow.

    Notes
    -----
    After the flow diagram of CONSORT 2025 (Hopewell et al. 2025, BMJ 388:e081123) and the extension to within-person
    trials (Pandis et al. 2017, BMJ 357:j2835), items 13a and 13b: participants and body sites at each stage.
    """
    flow = flow.assign(arm=flow["arm"].where(flow["arm"].notna(), "").astype(str))
    phased = "phase" in flow.columns
    if not phased:
        flow = flow.assign(phase=flow["stage"])
    if "aside" not in flow.columns:
        flow = flow.assign(aside=False)
    lesions = bool(flow["lesions"].notna().any())
    with house_style():
        tiers = list(_tiers(new_figure(1), flow, phased))
        height = sum(tier.height for tier in tiers) + _GAP * (len(tiers) - 1) + 0.1
        figure = new_figure(height)
        axes = place_axes(figure, 0, 0, WIDTH, height)
        axes.set_axis_off()
        axes.set_xlim(0, WIDTH)
        axes.set_ylim(0, height)
        _draw(axes, tiers, height - 0.05, phased)
        caption = "Flow of patients"
        if lesions:
            caption += " and lesions"
        caption += " through the trial, after CONSORT 2025"
        arms = flow["arm"][flow["arm"] != ""].nunique()
        if lesions and arms > 1 and _shared(flow):
            caption += (
                " in its form for trials within persons: a patient counts in each arm that one of the patient's "
                "lesions is in"
            )
        caption += "."
        if NOT_PROVIDED in " ".join(line.text for tier in tiers for box in tier.boxes for line in box.lines):
            caption += " Not provided: neither protocol nor data say."
        return finished(figure, "flow", caption, _flow_finding(flow))


def _shared(flow: pd.DataFrame) -> bool:
    """Whether the arms share their patients: more patients stand in the arms' boxes than came in."""
    whole, by_arm = flow[flow["arm"] == ""], flow[flow["arm"] != ""]
    first = by_arm[by_arm["stage"] == by_arm["stage"].iloc[0]]["patients"].sum()
    return bool(whole["patients"].notna().any() and first > whole["patients"].max())


def _tiers(figure: Figure, flow: pd.DataFrame, phased: bool) -> Iterator[_Tier]:
    left = 0.1 + _STRIP + 0.1 if phased else 0.05
    arms = [arm for arm in dict.fromkeys(flow["arm"]) if arm]
    named = False
    for phase, group in flow.groupby("phase", sort=False):
        for whole, rows in group.groupby(group["arm"] == "", sort=False):
            if whole:
                for record in rows.to_dict("records"):
                    yield _Tier(str(phase), (_whole_box(figure, record, left),))
                continue
            boxes = tuple(
                _arm_box(figure, own, arms, arm, left, named)
                for arm in arms
                if len(own := rows[rows["arm"] == arm])
            )
            named = True
            strip = text_width(figure, str(phase), 8.5, "bold") + 0.1
            yield _Tier(str(phase), boxes, strip if phased else 0.0)


def _whole_box(figure: Figure, record: dict[str, Any], left: float) -> _Box:
    """A stage of the whole trial: in the middle, or to the right of the arrow."""
    aside = bool(record["aside"])
    centre = (left + WIDTH - 0.05) / 2
    width = 2.7 if aside else 3.0
    at = centre + 0.5 if aside else centre - width / 2
    room, size = width - 2 * _PAD, 8.5 if aside else 9.0
    heads = wrap(figure, str(record["stage"]), room, size, "normal" if aside else "bold").split("\n")
    lines = [_Line(text, weight="normal" if aside else "bold", centred=not aside) for text in heads]
    lines += [
        _Line(text, centred=not aside) for text in wrap(figure, _counts(record), room, size).split("\n")
    ]
    lines += _note(figure, record, room, size, centred=not aside)
    return _Box(at, width, size, tuple(lines), aside)


def _arm_box(figure: Figure, rows: pd.DataFrame, arms: list[str], arm: str, left: float, named: bool) -> _Box:
    """What happened to an arm in a phase: a stage after the other; the first box bears the arm's name."""
    columns = len(arms)
    between = 0.14 if columns <= 3 else 0.1
    column = (WIDTH - 0.05 - left - between * (columns - 1)) / columns
    width = min(column, 2.9)
    size = 8.5 if columns <= 3 else 8.0 if columns <= 4 else 7.0
    room = width - 2 * _PAD
    lines: list[_Line] = []
    if not named:
        name = wrap(figure, arm, room, size, "bold", lines=4)
        lines += [_Line(text, weight="bold", centred=True) for text in name.split("\n")]
    stages = [(f"{record['stage']}:", _counts(record)) for record in rows.to_dict("records")]
    # Where one stage needs a line for its numbers, each stage of the box has one.
    apart = any("\n" in wrap(figure, f"{stage} {counts}", room, size) for stage, counts in stages)
    for record, (stage, counts) in zip(rows.to_dict("records"), stages, strict=True):
        above = 0.05 if lines else 0.0
        texts = (stage, counts) if apart else (f"{stage} {counts}",)
        for text in "\n".join(wrap(figure, text, room, size) for text in texts).split("\n"):
            lines.append(_Line(text, above=above))
            above = 0.0
        lines += _note(figure, record, room, size)
    place = left + arms.index(arm) * (column + between) + (column - width) / 2
    return _Box(place, width, size, tuple(lines))


def _note(
    figure: Figure, record: dict[str, Any], room: float, size: float, centred: bool = False
) -> list[_Line]:
    note = "" if record["note"] is None or pd.isna(record["note"]) else str(record["note"])
    indent = 0.0 if centred else 0.08
    texts = [
        text for part in note.splitlines() for text in wrap(figure, part, room - indent, size).split("\n")
    ]
    return [_Line(text, alpha=MUTED, indent=indent, centred=centred) for text in texts]


def _counts(row: dict[str, Any]) -> str:
    parts = [
        counted(float(row[key]), noun).replace(" ", NO_BREAK_SPACE)
        for key, noun in (("patients", "patient"), ("lesions", "lesion"))
        if row[key] is not None and not pd.isna(row[key])
    ]
    return ", ".join(parts) or NOT_PROVIDED


def _draw(axes: Axes, tiers: Sequence[_Tier], top: float, phased: bool) -> None:
    """Boxes tier by tier, the arrows between them, and the strips that name the phases."""
    tops: list[float] = []
    at = top
    for tier in tiers:
        tops.append(at)
        at -= tier.height + _GAP
    spans: dict[str, tuple[float, float]] = {}
    for tier, upper in zip(tiers, tops, strict=True):
        for box in tier.boxes:
            _draw_box(axes, box, upper, tier.height, upper - (tier.height - tier.text_height) / 2)
        first, _ = spans.get(tier.phase, (upper, upper))
        spans[tier.phase] = (first, upper - tier.height)
    main = [(tier, upper) for tier, upper in zip(tiers, tops, strict=True) if not tier.aside]
    for (above, upper), (below, lower) in pairwise(main):
        _arrows(axes, above.boxes, below.boxes, upper - above.height, lower)
    for tier, upper in zip(tiers, tops, strict=True):
        before = [above for above, place in main if place > upper]
        if tier.aside and before:
            box, middle = tier.boxes[0], upper - tier.height / 2
            axes.annotate("", (box.left, middle), (before[-1].boxes[0].middle, middle), arrowprops=_HEAD)
    if phased:
        for phase, (upper, lower) in spans.items():
            _strip(axes, phase, upper, lower)


def _strip(axes: Axes, phase: str, upper: float, lower: float) -> None:
    from matplotlib.patches import Rectangle

    axes.add_patch(
        Rectangle((0.05, lower), _STRIP, upper - lower, facecolor=INK, alpha=GRID, edgecolor="none")
    )
    axes.text(
        0.05 + _STRIP / 2,
        (upper + lower) / 2,
        phase,
        rotation=90,
        ha="center",
        va="center",
        fontsize=8.5,
        weight="bold",
    )


def _draw_box(axes: Axes, box: _Box, top: float, height: float, text_top: float) -> None:
    """A box and its text; in a tier of arms the first lines of the boxes stand level."""
    from matplotlib.patches import Rectangle

    axes.add_patch(
        Rectangle((box.left, top - height), box.width, height, fill=False, edgecolor=INK, linewidth=0.8)
    )
    tall = box.size / 72 * _LEADING
    y = text_top - _PAD
    for line in box.lines:
        y -= line.above
        x = box.middle if line.centred else box.left + _PAD + line.indent
        axes.text(
            x,
            y - tall / 2,
            line.text,
            ha="center" if line.centred else "left",
            va="center_baseline",
            weight=line.weight,
            alpha=line.alpha,
            fontsize=box.size,
        )
        y -= tall


_HEAD = {
    "arrowstyle": "-|>",
    "color": INK,
    "linewidth": 0.8,
    "mutation_scale": 8,
    "shrinkA": 0,
    "shrinkB": 0,
}


def _arrows(axes: Axes, above: Sequence[_Box], below: Sequence[_Box], start: float, end: float) -> None:
    """Arrows to the next tier: straight down within a column, by a cross-bar to branch or join."""
    if len(above) == len(below) and all(
        abs(up.middle - down.middle) < 1e-6 for up, down in zip(above, below, strict=True)
    ):
        for box in above:
            axes.annotate("", (box.middle, end), (box.middle, start), arrowprops=_HEAD)
        return
    line: dict[str, Any] = {"color": INK, "linewidth": 0.8, "solid_capstyle": "butt"}
    bar = end + _GAP / 2
    for box in above:
        axes.plot([box.middle] * 2, [start, bar], **line)
    ends = [box.middle for box in (*above, *below)]
    axes.plot([min(ends), max(ends)], [bar, bar], **line)
    for box in below:
        axes.annotate("", (box.middle, end), (box.middle, bar), arrowprops=_HEAD)


def _flow_finding(flow: pd.DataFrame) -> str:
    """Each stage with its numbers, in words."""
    sentences = []
    for stage, rows in flow.groupby("stage", sort=False):
        parts = []
        for row in rows.to_dict("records"):
            text = f"{row['arm']} {_counts(row)}" if row["arm"] else _counts(row)
            if row["note"] is not None and not pd.isna(row["note"]) and str(row["note"]):
                text += f" ({str(row['note']).replace(chr(10), ', ')})"
            parts.append(text)
        sentences.append(f"{stage}: {'; '.join(parts)}.")
    return " ".join(sentences)
