"""What forest plots share: their rows, an interval, an axis counted from the line of no benefit."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from reports.figures.style import INK, MUTED, ArmStyle, figure_of
from reports.format import Formatter, headline_decimals

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True, slots=True)
class ForestRow:
    """One row of a forest plot; positions count downwards in row heights."""

    label: str
    contrast: str
    estimate: float
    low: float
    high: float
    text: str
    decimals: int
    position: float
    color: str
    marker: str
    filled: bool
    dashed: bool
    interaction: bool


def forest_row(
    record: Mapping[str, object],
    position: float,
    style: ArmStyle,
    formatter: Formatter,
    decimals: int,
    *,
    interaction: bool = False,
    dashed: bool = False,
) -> ForestRow:
    """Make a row of a frame's record, with its numbers written out."""
    estimate, low, high = (float(str(record[key])) for key in ("estimate", "conf_low", "conf_high"))
    estimable = math.isfinite(estimate)
    text = formatter.number(estimate, decimals)
    if estimable and not math.isnan(low + high):
        text += f" ({formatter.interval(low, high, decimals)})"
    return ForestRow(
        label=str(record.get("label", record["contrast"])),
        contrast=str(record["contrast"]),
        estimate=estimate,
        low=low,
        high=high,
        text=text,
        decimals=decimals,
        position=position,
        color=style.color,
        marker=style.marker,
        filled=not (dashed or interaction),
        dashed=dashed,
        interaction=interaction,
    )


def common_decimals(rows: pd.DataFrame) -> int:
    """Decimals of a figure's numbers: a digit of the smallest standard error; no limit that seems to be zero."""
    decimals = 0
    for record in rows.to_dict("records"):
        shown = [float(record[name]) for name in ("estimate", "conf_low", "conf_high")]
        # A quarter of a 95 % interval's width is about its standard error.
        error = (shown[2] - shown[1]) / 4
        usual = headline_decimals(error if math.isfinite(error) else None, ())
        decimals = max(decimals, headline_decimals(error if math.isfinite(error) else None, shown, usual + 2))
    return decimals


def style_of(contrast: str, styles: Mapping[str, ArmStyle]) -> ArmStyle:
    """The style of the arm that a difference is about: the longest label in its name (the combination's)."""
    named = [label for label in styles if label in contrast]
    return styles[max(named, key=len)] if named else ArmStyle(INK, "o", "solid")


def write_beside(
    axes: Axes, position: float, text: str, inches: float, right: bool = False, **style: Any
) -> None:
    """Write text at a row's height, so many inches from the axes' left (or right) edge."""
    axes.annotate(
        text,
        (1 if right else 0, position),
        xycoords=("axes fraction", "data"),
        xytext=(inches * 72, 0),
        textcoords="offset points",
        va="center" if "\n" in text else "center_baseline",
        annotation_clip=False,
        **style,
    )


def _inches_wide(axes: Axes) -> float:
    return float(axes.get_position().width * figure_of(axes).get_size_inches()[0])


def value_limits(rows: list[ForestRow], margin: float | None, null: float) -> tuple[float, float]:
    """The ends of the axis: everything that is drawn, and the line of no benefit."""
    values = [value for row in rows for value in (row.estimate, row.low, row.high) if math.isfinite(value)]
    values += [null] if margin is None else [null - margin, null + margin]
    low, high = min(values), max(values)
    pad = 0.06 * (high - low or 1.0)
    return low - pad, high + pad


def ticks_from(axes: Axes, null: float) -> list[float]:
    """Round steps counted from the line of no benefit, so that its own value is among them."""
    low, high = axes.get_xlim()
    near = axes.get_xticks()
    step = float(near[1] - near[0])
    first, last = math.ceil((low - null) / step - 1e-9), math.floor((high - null) / step + 1e-9)
    return [round(null + count * step, 10) for count in range(first, last + 1)]


def draw_interval(axes: Axes, row: ForestRow) -> None:
    """Draw a row's interval and estimate; what reaches beyond the axes ends in an arrow."""
    if not math.isfinite(row.estimate):
        return
    low_edge, high_edge = axes.get_xlim()
    low, high = max(row.low, low_edge), min(row.high, high_edge)
    if not math.isnan(low + high):
        # A hollow marker stays empty: the line stops where the marker begins, since nothing opaque may hide
        # it on a transparent background.
        gap = 0.0 if row.filled else (high_edge - low_edge) * 4.6 / 72 / _inches_wide(axes)
        for start, end in ((low, row.estimate - gap), (row.estimate + gap, high)):
            if start < end:
                axes.plot(
                    [start, end],
                    [row.position] * 2,
                    color=row.color,
                    linewidth=1.8,
                    zorder=3,
                    linestyle=(0, (3, 1.6)) if row.dashed else "solid",
                    dash_capstyle="butt",
                    solid_capstyle="butt",
                )
        # An interval without an end points out of the axes.
        for end, marker in ((row.low, "<"), (row.high, ">")):
            if math.isinf(end):
                axes.plot(
                    [low if marker == "<" else high],
                    [row.position],
                    marker,
                    color=row.color,
                    markersize=5,
                    clip_on=False,
                )
    axes.plot(
        [row.estimate],
        [row.position],
        marker=row.marker,
        markersize=7.5,
        zorder=4,
        linestyle="none",
        markeredgecolor=row.color,
        markeredgewidth=1.6,
        markerfacecolor=row.color if row.filled else "none",
    )


def say_direction(axes: Axes, null: float, only_interaction: bool) -> None:
    """Say under the axis which way benefit lies."""
    low, high = axes.get_xlim()
    zero = (null - low) / (high - low)
    words = (
        ("← less than additive", "more than additive →")
        if only_interaction
        else ("← worse", "combination better →")
    )
    for text, side in zip(words, ("right", "left"), strict=True):
        room = zero if side == "right" else 1 - zero
        if room < 0.12:
            continue
        axes.annotate(
            text,
            (null, 0),
            xycoords=("data", "axes fraction"),
            xytext=(-5 if side == "right" else 5, -20),
            textcoords="offset points",
            ha=side,
            va="top",
            fontsize=8,
            alpha=MUTED,
        )
