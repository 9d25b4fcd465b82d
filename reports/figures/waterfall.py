"""Every single response as a bar, the best first: what means hide."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from reports.figures.course import LEFT, zero_line
from reports.figures.limits import ResponseLimit
from reports.figures.style import (
    INK,
    MUTED,
    WIDTH,
    ArmStyle,
    arm_style,
    house_style,
    name_value_axis,
    new_figure,
    place_axes,
    without_values,
    wrap,
)
from reports.figures.value import ReportFigure, finished
from reports.format import Formatter, decimals_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLUMNS = 4
"""Panels side by side at most."""


def waterfall_figure(
    values: pd.DataFrame,
    arms: Mapping[str, Collection[str]],
    label: str,
    unit: str,
    higher_is_better: bool,
    *,
    visit: str = "",
    limits: Sequence[ResponseLimit] = (),
    formatter: Formatter | None = None,
) -> ReportFigure:
    """One bar a lesion (or patient), from the best response to the worst, a panel for each arm.

    Parameters
    ----------
    values
        One row a unit: ``patient``, ``lesion`` (absent or missing where the patient is the unit), ``arm``, ``value``.
    arms
        Label -> components, in protocol order.
    label, unit, higher_is_better
        The outcome's name, unit and direction.
    visit
        When it was assessed.
    limits
        What the protocol calls a response; each is drawn as a line, and counted.
    formatter
        Writes the numbers; the house style by default.
    """
    formatter = formatter or Formatter()
    values = values.assign(arm=values["arm"].astype(str)).dropna(subset=["value"])
    styles = {arm: style for arm, style in arm_style(arms).items() if (values["arm"] == arm).any()}
    noun = "lesion" if "lesion" in values and values["lesion"].notna().any() else "patient"
    ordered = {
        arm: np.sort(values.loc[values["arm"] == arm, "value"].to_numpy(float))[
            :: -1 if higher_is_better else 1
        ]
        for arm in styles
    }
    with house_style():
        figure = _panels(ordered, styles, label, unit, higher_is_better, limits, formatter)
        outcome = f"{label} at {visit}" if visit else label
        caption = f"{outcome}: each bar is one {noun}, within each arm from the best response to the worst."
        if limits:
            drawn = " and ".join(limit.words(formatter, unit) for limit in limits)
            caption += f" Dashed: the protocol's response, {drawn}."
        caption += f" n, number of {noun}s.{without_values(arms, styles)}"
        return finished(
            figure, "waterfall", caption, _finding(ordered, outcome, unit, noun, limits, formatter)
        )


def _panels(
    ordered: Mapping[str, np.ndarray],
    styles: Mapping[str, ArmStyle],
    label: str,
    unit: str,
    higher_is_better: bool,
    limits: Sequence[ResponseLimit],
    formatter: Formatter,
) -> Figure:
    rows = math.ceil(len(styles) / _COLUMNS)
    columns = math.ceil(len(styles) / rows)
    gap = 0.18
    room = (WIDTH - LEFT - 0.1 - gap * (columns - 1)) / columns
    probe = new_figure(1)
    names = {arm: wrap(probe, arm, room, 9, "bold", lines=3) for arm in styles}
    heads = {
        arm: "\n".join(wrap(probe, line, room, 8) for line in _head(ordered[arm], unit, limits, formatter))
        for arm in styles
    }
    above = max(
        0.16 * (name.count("\n") + 1) + 0.145 * (head.count("\n") + 1)
        for name, head in zip(names.values(), heads.values(), strict=True)
    )
    above += 0.1
    panel, below = (2.5 if rows == 1 else 1.9), 0.12
    height = rows * (above + panel + below) + 0.08
    figure = new_figure(height)
    everything = np.concatenate(list(ordered.values()))
    low, high = (
        min(everything.min(), 0, *(limit.value for limit in limits)),
        max(everything.max(), 0, *(limit.value for limit in limits)),
    )
    pad = 0.04 * ((high - low) or 1.0)
    for index, (arm, style) in enumerate(styles.items()):
        row, column = divmod(index, columns)
        top = height - 0.04 - above - row * (above + panel + below)
        left = LEFT + column * (room + gap)
        axes = place_axes(figure, left, top - panel, left + room, top)
        axes.set_ylim(low - pad if low < 0 else 0, high + pad if high > 0 else 0)
        _bars(axes, ordered[arm], style, limits)
        axes.set_xticks([])
        axes.spines["bottom"].set_visible(False)
        if column:
            axes.tick_params(axis="y", left=False, labelleft=False)
            axes.spines["left"].set_visible(False)
        elif row == 0 or rows > 1:
            name_value_axis(axes, label, unit, higher_is_better)
        x, y = left / WIDTH, top + 0.05
        figure.text(x, y / height, heads[arm], va="bottom", fontsize=8, alpha=MUTED, linespacing=1.15)
        y += 0.145 * (heads[arm].count("\n") + 1) + 0.02
        figure.text(x, y / height, names[arm], va="bottom", weight="bold", linespacing=1.1)
    return figure


def _head(
    values: np.ndarray, unit: str, limits: Sequence[ResponseLimit], formatter: Formatter
) -> tuple[str, ...]:
    """An arm's number, and how many of it respond."""
    lines = [f"n = {len(values)}"]
    for limit in limits:
        share = formatter.percent(limit.count(values) / len(values))
        lines.append(f"{limit.words(formatter, unit)}: {limit.count(values)} ({share})")
    return tuple(lines)


def _bars(axes: Axes, values: np.ndarray, style: ArmStyle, limits: Sequence[ResponseLimit]) -> None:
    places = np.arange(len(values))
    # Few bars stay bars, no walls: an arm of two lesions fills no panel.
    room = max(len(values), 8)
    axes.bar(places, values, 0.78 if len(values) <= 60 else 1.0, color=style.color, linewidth=0, zorder=2)
    flat = np.flatnonzero(values == 0)
    low, high = axes.get_ylim()
    # A response of zero has no height: a dash at zero shows that the lesion is there.
    axes.bar(places[flat], 0.008 * (high - low), 0.78, -0.004 * (high - low), color=style.color, zorder=2)
    axes.set_xlim(-0.7, room - 0.3)
    for limit in limits:
        axes.axhline(limit.value, color=INK, alpha=0.7, linewidth=0.9, linestyle=(0, (4, 2)), zorder=3)
    zero_line(axes)
    axes.axhline(0, color=INK, linewidth=0.8, zorder=3)


def _finding(
    ordered: Mapping[str, np.ndarray],
    outcome: str,
    unit: str,
    noun: str,
    limits: Sequence[ResponseLimit],
    formatter: Formatter,
) -> str:
    """Each arm's median and range, and how many responded."""
    decimals = _decimals(ordered)
    parts = []
    for arm, values in ordered.items():
        text = (
            f"{arm} median {formatter.quantity(float(np.median(values)), decimals, unit)}, "
            f"from {formatter.number(float(values.min()), decimals)} to "
            f"{formatter.number(float(values.max()), decimals)}"
        )
        for limit in limits:
            text += f", {limit.count(values)} {limit.words(formatter, unit)}"
        parts.append(f"{text} (n = {len(values)})")
    return f"{outcome}, single {noun}s: {'; '.join(parts)}."


def _decimals(ordered: Mapping[str, np.ndarray]) -> int:
    """Decimals by the precision of a median: about that of a mean."""
    everything = np.concatenate(list(ordered.values()))
    spread = float(np.std(everything))
    return decimals_of(spread / math.sqrt(max(len(everything) / max(len(ordered), 1), 1)), digits=1)
