"""The 2 x 2 of a combination: what each component adds without the other and with it."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from reports.figures.course import LEFT
from reports.figures.style import (
    GRID,
    INK,
    MUTED,
    WIDTH,
    ArmStyle,
    arm_style,
    figure_of,
    house_style,
    name_value_axis,
    new_figure,
    place_axes,
    spread_apart,
    wrap,
)
from reports.figures.value import ReportFigure, finished
from reports.format import NO_BREAK_SPACE, Formatter, headline_decimals

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_BESIDE = 2.0
"""Inches right of the points: names and numbers."""


@dataclass(frozen=True, slots=True)
class TwoByTwo:
    """Four arms that make a 2 x 2, with the names of its two components.

    Attributes
    ----------
    neither, first, second, both
        Labels of the arms.
    first_name, second_name
        What the arms ``first`` and ``second`` add.
    """

    neither: str
    first: str
    second: str
    both: str
    first_name: str
    second_name: str

    @property
    def arms(self) -> tuple[str, str, str, str]:
        """The four labels."""
        return (self.neither, self.first, self.second, self.both)


def interaction_figure(
    means: pd.DataFrame,
    cells: TwoByTwo,
    interaction: tuple[float, float, float],
    arms: Mapping[str, Collection[str]],
    label: str,
    unit: str,
    higher_is_better: bool,
    *,
    visit: str = "",
    difference_unit: str = "",
    level: float = 0.95,
    formatter: Formatter | None = None,
) -> ReportFigure:
    """The model's means with the first component off and on, a line without the second and a line with it.

    Parameters
    ----------
    means
        One row an arm of the 2 x 2: ``arm``, ``estimate``, ``conf_low``, ``conf_high``, of one model.
    cells
        Which arm is which.
    interaction
        Estimate and limits of the additive interaction, oriented so that positive is more benefit than additive.
    arms
        Label -> components of all arms, for their colours.
    label, unit, higher_is_better
        The outcome's name, unit and direction.
    visit
        When it was assessed.
    difference_unit
        Unit of differences (``percentage points``); the outcome's by default.
    level
        Level of the intervals.
    formatter
        Writes the numbers; the house style by default.

    Notes
    -----
    What the parts add up to is first + second - neither; the distance from it to the combination is the interaction.
    """
    formatter = formatter or Formatter()
    found = means.assign(arm=means["arm"].astype(str)).set_index("arm").loc[list(cells.arms)]
    styles = arm_style(arms)
    mean = found["estimate"].astype(float)
    additive = float(mean[cells.first] + mean[cells.second] - mean[cells.neither])
    words = _interaction_words(interaction, difference_unit or unit, level, formatter)
    with house_style():
        figure = new_figure(3.9)
        axes = place_axes(figure, LEFT, 0.45, WIDTH - 0.1, 3.9 - 0.12)
        # The points stand in the left part of the axes, their names to the right of them.
        inches = WIDTH - 0.1 - LEFT
        axes.set_xlim(-0.3, -0.3 + 1.3 * inches / (inches - _BESIDE))
        _axis(axes, found, additive)
        _lines(axes, mean, additive, cells)
        _name_lines(axes, mean, cells)
        _points(axes, found, cells, styles)
        _gap(axes, float(mean[cells.both]), additive)
        _label_points(figure, axes, mean, additive, cells, formatter, words, interaction)
        axes.set_xticks([0, 1])
        first = wrap(figure, cells.first_name, 1.8, 8.5, lines=2)
        axes.set_xticklabels([f"without {first}", f"with {first}"])
        axes.spines["bottom"].set_bounds(-0.3, 1.1)
        name_value_axis(axes, label, unit, higher_is_better)
        _quiet_grid(axes)
        outcome = f"{label} at {visit}" if visit else label
        caption = (
            f"{outcome}: means of the model with {formatter.level(level)} confidence intervals, with and without "
            f"{cells.first_name} and {cells.second_name}. Hollow: where the combination would lie if its parts added "
            "up. Parallel lines would mean just that."
        )
        alt = _finding(mean, additive, cells, outcome, unit, words, formatter, _decimals(found))
        return finished(figure, "interaction", caption, alt)


def _quiet_grid(axes: Axes) -> None:
    """Grid and zero line where the points are: the words stand to the right of them."""
    low, high = axes.get_ylim()
    ticks = [tick for tick in axes.get_yticks() if low <= tick <= high]
    axes.hlines(ticks, -0.3, 1.1, color=INK, alpha=GRID, linewidth=0.6, zorder=0)
    if low < 0 < high:
        axes.hlines([0], -0.3, 1.1, color=INK, alpha=0.45, linewidth=0.8, zorder=0)


def _axis(axes: Axes, found: pd.DataFrame, additive: float) -> None:
    shown = np.r_[found[["estimate", "conf_low", "conf_high"]].to_numpy(float).ravel(), additive]
    shown = shown[np.isfinite(shown)]
    low, high = float(shown.min()), float(shown.max())
    pad = 0.08 * ((high - low) or 1.0)
    axes.set_ylim(low - pad, high + pad)


def _lines(axes: Axes, mean: pd.Series, additive: float, cells: TwoByTwo) -> None:
    """Solid with the second component, dashed without it, and in pale what adding up would look like."""
    axes.plot(
        [0, 1], [mean[cells.neither], mean[cells.first]], color=INK, linewidth=1.4, linestyle=(0, (5, 2))
    )
    axes.plot([0, 1], [mean[cells.second], mean[cells.both]], color=INK, linewidth=1.4)
    axes.plot(
        [0, 1],
        [mean[cells.second], additive],
        color=INK,
        alpha=0.45,
        linewidth=1.0,
        linestyle=(0, (1.2, 1.8)),
    )


def _name_lines(axes: Axes, mean: pd.Series, cells: TwoByTwo) -> None:
    """Write along each line whether the second component was given."""
    figure = figure_of(axes)
    box, (width, height) = axes.get_position(), figure.get_size_inches()
    across = float(box.width * width / np.ptp(axes.get_xlim()))
    along = float(box.height * height / np.ptp(axes.get_ylim()))
    lines = {"with": (cells.second, cells.both), "without": (cells.neither, cells.first)}
    upper = max(lines, key=lambda word: float(mean[list(lines[word])].mean()))
    for word, (start, end) in lines.items():
        rise = float(mean[end] - mean[start])
        axes.annotate(
            wrap(figure, f"{word} {cells.second_name}", 0.7 * across, 8.5, lines=1),
            (0.45, float(mean[start]) + 0.45 * rise),
            xytext=(0, 5 if word == upper else -5),
            textcoords="offset points",
            ha="center",
            va="bottom" if word == upper else "top",
            rotation=math.degrees(math.atan2(rise * along, across)),
            rotation_mode="anchor",
            fontsize=8.5,
            alpha=MUTED,
        )


def _points(axes: Axes, found: pd.DataFrame, cells: TwoByTwo, styles: Mapping[str, ArmStyle]) -> None:
    # Intervals of the two lines stand a little apart, or one would hide the other.
    places = {cells.neither: 0.012, cells.second: -0.012, cells.first: 1.012, cells.both: 0.988}
    for arm, x in places.items():
        style, row = styles[arm], found.loc[arm]
        if math.isfinite(row["conf_low"]) and math.isfinite(row["conf_high"]):
            axes.plot([x, x], [row["conf_low"], row["conf_high"]], color=style.color, linewidth=1.6, zorder=3)
        axes.plot([x], [row["estimate"]], style.marker, color=style.color, markersize=7.5, zorder=4)


def _gap(axes: Axes, both: float, additive: float) -> None:
    """The hollow marker of what the parts add up to, and the distance to the combination."""
    axes.plot(
        [1.07],
        [additive],
        "D",
        markersize=7,
        markerfacecolor="none",
        markeredgecolor=INK,
        markeredgewidth=1.3,
        zorder=4,
        clip_on=False,
    )
    low, high = axes.get_ylim()
    if abs(both - additive) > 0.03 * (high - low):
        axes.annotate(
            "",
            (1.07, both),
            (1.07, additive),
            arrowprops={"arrowstyle": "->", "color": INK, "linewidth": 0.9, "shrinkA": 5, "shrinkB": 0},
        )


def _label_points(
    figure: Figure,
    axes: Axes,
    mean: pd.Series,
    additive: float,
    cells: TwoByTwo,
    formatter: Formatter,
    words: str,
    interaction: Sequence[float],
) -> None:
    """Names and means beside the points: on the right at their height, on the left inside."""
    decimals = headline_decimals(_error(interaction), ())
    low, high = axes.get_ylim()
    tall = float(axes.get_position().height * figure.get_size_inches()[1])
    per_inch = (high - low) / tall

    def write(x: float, texts: list[tuple[float, str, float]], room: float, align: str, lines: int) -> None:
        wrapped = [wrap(figure, text, room, 8.5, lines=lines) for _, text, _ in texts]
        heights = [(0.15 * (text.count("\n") + 1) + 0.03) * per_inch for text in wrapped]
        heights_at = sorted(zip([at for at, _, _ in texts], heights, strict=True))
        ends = (low + heights_at[0][1] / 2, high - heights_at[-1][1] / 2)
        places = spread_apart([at for at, _, _ in texts], heights, *ends)
        for (_, _, alpha), text, place in zip(texts, wrapped, places, strict=True):
            axes.text(x, place, text, ha=align, va="center", fontsize=8.5, alpha=alpha, linespacing=1.1)

    def named(arm: str) -> tuple[float, str, float]:
        # Marks of direction keep the number behind a name that is written from right to left.
        return (
            float(mean[arm]),
            f"{arm}\n{formatter.number(float(mean[arm]), decimals)}".replace("\n", " "),
            1.0,
        )

    expected = formatter.number(additive, decimals)
    write(
        1.14,
        [
            named(cells.both),
            named(cells.first),
            (additive, f"parts add up to {expected}; {words}".replace(NO_BREAK_SPACE, " "), MUTED),
        ],
        (axes.get_xlim()[1] - 1.14) * axes.get_position().width * WIDTH / np.ptp(axes.get_xlim()) - 0.05,
        "left",
        lines=7,
    )
    write(-0.05, [named(cells.neither), named(cells.second)], 0.78, "right", lines=4)


def _error(interaction: Sequence[float]) -> float | None:
    width = interaction[2] - interaction[1]
    return width / 8 if math.isfinite(width) and width > 0 else None


def _decimals(found: pd.DataFrame) -> int:
    widths = (found["conf_high"] - found["conf_low"]).to_numpy(float)
    widths = widths[np.isfinite(widths) & (widths > 0)]
    return headline_decimals(float(widths.min()) / 4 if len(widths) else None, ())


def _interaction_words(
    interaction: tuple[float, float, float], unit: str, level: float, formatter: Formatter
) -> str:
    """Say how far the combination lies from what its parts add up to, and whether that is shown."""
    estimate, low, high = interaction
    width = high - low
    shown = (estimate, low, high)
    decimals = headline_decimals(width / 4 if math.isfinite(width) else None, shown, most=3)
    number = formatter.quantity(abs(estimate), decimals, unit)
    side = "more" if estimate >= 0 else "less"
    interval = formatter.confidence(low, high, decimals, level)
    answer = "" if low > 0 or high < 0 else ", synergy is not shown"
    return f"the combination brought {number} {side} benefit ({interval}){answer}"


def _finding(
    mean: pd.Series,
    additive: float,
    cells: TwoByTwo,
    outcome: str,
    unit: str,
    words: str,
    formatter: Formatter,
    decimals: int,
) -> str:
    parts = "; ".join(f"{arm} {formatter.quantity(float(mean[arm]), decimals, unit)}" for arm in cells.arms)
    expected = formatter.quantity(additive, decimals, unit)
    return f"{outcome}, means: {parts}. The parts add up to {expected}; {words}."
