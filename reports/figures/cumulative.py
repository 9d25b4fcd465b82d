"""How many reached how much: the cumulative distribution of a response, by arm."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from reports.figures.limits import ResponseLimit
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
    spread_apart,
    text_width,
    without_values,
    wrap,
)
from reports.figures.value import ReportFigure, finished
from reports.format import Formatter, headline_decimals

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_KEY = 0.42
"""Inches of an arm's line and marker beside its name."""


def cumulative_figure(
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
    """For every value, the share of each arm that did at least so well.

    Parameters
    ----------
    values
        One row a unit: ``patient``, ``lesion`` (absent or missing where the patient is the unit), ``arm``, ``value``.
    arms
        Label -> components, in protocol order.
    label, unit, higher_is_better
        The outcome's name, unit and direction. Where lower is better the axis runs from high to low, so that a curve
        further to the right is better in each figure.
    visit
        When it was assessed.
    limits
        What the protocol calls a response, marked on the axis.
    formatter
        Writes the numbers; the house style by default.

    Notes
    -----
    As the FDA asks for patient-reported outcomes: it shows every responder definition at once, so that none needs to
    be chosen after the fact.
    """
    formatter = formatter or Formatter()
    values = values.assign(arm=values["arm"].astype(str)).dropna(subset=["value"])
    styles = {arm: style for arm, style in arm_style(arms).items() if (values["arm"] == arm).any()}
    noun = "lesion" if "lesion" in values and values["lesion"].notna().any() else "patient"
    by_arm = {arm: values.loc[values["arm"] == arm, "value"].to_numpy(float) for arm in styles}
    with house_style():
        figure, axes = _frame(by_arm, styles, label, unit, higher_is_better, limits, noun)
        for arm, style in styles.items():
            _curve(axes, by_arm[arm], style, higher_is_better)
        _mark_limits(axes, limits, unit, formatter)
        _name_curves(figure, axes, by_arm, styles, unit, higher_is_better, formatter)
        outcome = f"{label} at {visit}" if visit else label
        reach = "at least" if higher_is_better else "at most"
        caption = (
            f"{outcome}: share of {noun}s that reached {reach} the value on the axis; a curve further to the right is "
            "better. Markers, and the numbers beside: medians."
        )
        if limits:
            drawn = " and ".join(limit.words(formatter, unit) for limit in limits)
            caption += f" Dashed: the protocol's response, {drawn}."
        caption += without_values(arms, styles)
        alt = _finding(by_arm, outcome, unit, higher_is_better, noun, limits, formatter)
        return finished(figure, "cumulative", caption, alt)


def _frame(
    by_arm: Mapping[str, np.ndarray],
    styles: Mapping[str, ArmStyle],
    label: str,
    unit: str,
    higher_is_better: bool,
    limits: Sequence[ResponseLimit],
    noun: str,
) -> tuple[Figure, Axes]:
    height, left, right = 3.9 + 0.3 * max(len(styles) - 5, 0), 0.75, 0.12
    figure = new_figure(height)
    names = min(max(text_width(figure, arm) for arm in styles), 1.5)
    medians = text_width(figure, f"median −99.9 {unit}", 8)
    beside = _KEY + max(names, min(medians, 1.5)) + 0.12
    axes = place_axes(figure, left, 0.62, WIDTH - right - beside, height - (0.32 if limits else 0.14))
    everything = np.concatenate(list(by_arm.values()))
    low = min(everything.min(), *(limit.value for limit in limits), everything.max())
    high = max(everything.max(), *(limit.value for limit in limits), everything.min())
    pad = 0.05 * ((high - low) or 1.0)
    ends = (low - pad, high + pad)
    axes.set_xlim(*(ends if higher_is_better else ends[::-1]))
    axes.set_ylim(-1.5, 101.5)
    axes.set_yticks(range(0, 101, 25))
    axes.grid(axis="y", color=INK, alpha=GRID, linewidth=0.6)
    axes.set_axisbelow(True)
    reach = "at least" if higher_is_better else "at most"
    axes.set_ylabel(f"Share of {noun}s reaching {reach} x (%)")
    name = axis_name(label, unit, higher_is_better)
    axes.set_xlabel(wrap(figure, name, WIDTH - left - right - beside), linespacing=1.15)
    return figure, axes


def _curve(axes: Axes, values: np.ndarray, style: ArmStyle, higher_is_better: bool) -> None:
    """A step down at each value, from everyone to nobody, with a marker at the median."""
    ordered = np.sort(values if higher_is_better else -values)
    sign = 1.0 if higher_is_better else -1.0
    ends = axes.get_xlim()
    levels = np.unique(ordered)
    # The share that reaches x falls just after each value: reaching it counts.
    shares = np.array([100 * float((ordered >= level).mean()) for level in levels])
    x = np.r_[ends[0], sign * levels, ends[1]]
    y = np.r_[100.0, shares, 0.0]
    axes.step(x, y, where="pre", color=style.color, linestyle=style.linestyle, linewidth=1.9, zorder=3)
    axes.plot(
        [float(np.median(values))], [50], marker=style.marker, markersize=7, color=style.color, zorder=4
    )


def _mark_limits(axes: Axes, limits: Sequence[ResponseLimit], unit: str, formatter: Formatter) -> None:
    for rank, limit in enumerate(sorted(limits, key=lambda one: one.value)):
        axes.axvline(limit.value, color=INK, alpha=0.7, linewidth=0.9, linestyle=(0, (4, 2)), zorder=2)
        axes.annotate(
            limit.words(formatter, unit),
            (limit.value, 1),
            xycoords=("data", "axes fraction"),
            xytext=(0, 3 + 11 * (rank % 2 if len(limits) > 3 else 0)),
            textcoords="offset points",
            ha="center",
            va="bottom",
            fontsize=7.5,
            alpha=MUTED,
        )


def _name_curves(
    figure: Figure,
    axes: Axes,
    by_arm: Mapping[str, np.ndarray],
    styles: Mapping[str, ArmStyle],
    unit: str,
    higher_is_better: bool,
    formatter: Formatter,
) -> None:
    """The arms beside the axes, the best median on top, each with its line, marker and median."""
    from matplotlib.lines import Line2D

    box, height = axes.get_position(), figure.get_size_inches()[1]
    order = sorted(styles, key=lambda arm: -float(np.median(by_arm[arm])) * (1 if higher_is_better else -1))
    decimals = _decimals(by_arm)
    start = box.x1 * WIDTH + 0.1
    room = WIDTH - start - _KEY - 0.05
    tallest = 0.0
    texts = {}
    for arm in order:
        median = formatter.quantity(float(np.median(by_arm[arm])), decimals, unit)
        texts[arm] = (
            wrap(figure, arm, room, lines=3),
            _numbers(median, len(by_arm[arm]), compact=len(order) > 5),
        )
        tallest = max(tallest, 0.16 * sum(text.count("\n") + 1 for text in texts[arm]))
    tall = box.height * height
    wanted = [tall - (rank + 0.5) * (tallest + 0.1) for rank in range(len(order))]
    places = spread_apart(wanted, tallest + 0.04, tallest / 2, tall - tallest / 2)
    for arm, place in zip(order, places, strict=True):
        style, y = styles[arm], box.y0 + place / height
        figure.add_artist(
            Line2D(
                [start / WIDTH, (start + _KEY / 2) / WIDTH, (start + _KEY - 0.08) / WIDTH],
                [y, y, y],
                color=style.color,
                linestyle=style.linestyle,
                linewidth=1.9,
                marker=style.marker,
                markevery=[1],
                markersize=6,
            )
        )
        name, median = texts[arm]
        x = (start + _KEY) / WIDTH
        figure.text(x, y, name, va="bottom", linespacing=1.1)
        figure.text(x, y - 0.03 / height, median, va="top", fontsize=8, alpha=MUTED, linespacing=1.1)


def _numbers(median: str, n: int, compact: bool) -> str:
    """The numbers under an arm's name; in one line where many arms share the room."""
    return f"{median}, n = {n}" if compact else f"median {median}\nn = {n}"


def _decimals(by_arm: Mapping[str, np.ndarray]) -> int:
    everything = np.concatenate(list(by_arm.values()))
    error = float(np.std(everything)) / max(len(everything) / len(by_arm), 1) ** 0.5
    return headline_decimals(error or None, ())


def _finding(
    by_arm: Mapping[str, np.ndarray],
    outcome: str,
    unit: str,
    higher_is_better: bool,
    noun: str,
    limits: Sequence[ResponseLimit],
    formatter: Formatter,
) -> str:
    """What half of each arm reached, and the share beyond each limit."""
    decimals = _decimals(by_arm)
    reach = "at least" if higher_is_better else "at most"
    parts = [
        f"{arm} {formatter.quantity(float(np.median(found)), decimals, unit)}"
        for arm, found in by_arm.items()
    ]
    sentences = [f"{outcome}: half of the {noun}s reached {reach} {'; '.join(parts)}."]
    for limit in limits:
        shares = [
            f"{arm} {formatter.percent(limit.count(found) / len(found))}" for arm, found in by_arm.items()
        ]
        sentences.append(f"{limit.words(formatter, unit).capitalize()}: {'; '.join(shares)}.")
    return " ".join(sentences)
