"""Each patient's values under every arm, joined: what pairing is about."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from reports.figures.course import LEFT, zero_line
from reports.figures.style import (
    INK,
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
from reports.format import Formatter, counted, decimals_of, join_words

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def paired_figure(
    frame: pd.DataFrame,
    arms: Mapping[str, Collection[str]],
    label: str,
    unit: str,
    *,
    visit: str = "",
    higher_is_better: bool | None = None,
    formatter: Formatter | None = None,
) -> ReportFigure:
    """Each patient's values under every arm, joined by a line, with the arms' means.

    Parameters
    ----------
    frame
        One row a patient and arm (several lesions of an arm are averaged): ``patient``, ``arm``, ``value``.
    arms
        Label -> components, in protocol order.
    label, unit, higher_is_better
        The outcome's name, unit and (optional) direction.
    visit
        When it was assessed.
    formatter
        Writes the means; the house style by default.
    """
    formatter = formatter or Formatter()
    outcome = f"{label} at {visit}" if visit else label
    frame = frame.assign(arm=frame["arm"].astype(str)).dropna(subset=["value"])
    styles = {arm: style for arm, style in arm_style(arms).items() if (frame["arm"] == arm).any()}
    several = bool(frame.duplicated(["patient", "arm"]).any())
    wide = frame.pivot_table(index="patient", columns="arm", values="value", aggfunc="mean", observed=True)
    wide = wide[list(styles)]
    with house_style():
        height = 3.9
        figure = new_figure(height)
        room = (WIDTH - LEFT - 0.15) / len(styles)
        ticks = [wrap(figure, arm, room - 0.1, 8.5) for arm in styles]
        lines = max(tick.count("\n") for tick in ticks) + 1
        axes = place_axes(figure, LEFT, 0.34 + 0.15 * lines, WIDTH - 0.15, height - 0.12)
        # Thinner the more there are, so that a large trial is no solid block behind its means.
        alpha = float(np.clip(0.22 * math.sqrt(30 / max(len(wide), 1)), 0.06, 0.22))
        for values in wide.to_numpy(float):
            known = ~np.isnan(values)
            axes.plot(np.flatnonzero(known), values[known], color=INK, alpha=alpha, linewidth=0.7, zorder=1)
        spread = float(np.nanstd(wide.to_numpy(float)))
        decimals = decimals_of(spread / math.sqrt(max(len(wide), 1)), digits=1)
        for place, (arm, style) in enumerate(styles.items()):
            _arm(axes, place, wide[arm].dropna(), style, formatter, decimals)
        axes.set_xticks(range(len(styles)))
        axes.set_xticklabels(
            [f"{tick}\nn = {wide[arm].notna().sum()}" for tick, arm in zip(ticks, styles, strict=True)]
        )
        axes.set_xlim(-0.4, len(styles) - 0.4)
        axes.tick_params(axis="x", length=0)
        name_value_axis(axes, label, unit, higher_is_better)
        zero_line(axes)
        caption = f"{outcome}: each line joins the values of one patient; bars and bold numbers are the arms' means."
        if several:
            caption += " Several lesions of a patient under the same arm are averaged."
        caption += without_values(arms, styles)
        return finished(
            figure,
            "paired",
            caption,
            _paired_finding(wide, outcome, unit, higher_is_better, formatter, decimals),
        )


def _arm(
    axes: Axes, place: int, values: pd.Series, style: ArmStyle, formatter: Formatter, decimals: int
) -> None:
    """One arm's values as dots, its mean as a bar with the number beside it."""
    axes.plot(
        np.full(len(values), place),
        values,
        linestyle="none",
        marker=style.marker,
        markersize=4.2,
        color=style.color,
        alpha=0.6,
        markeredgewidth=0,
        zorder=2,
    )
    mean = float(values.mean())
    axes.plot([place - 0.16, place + 0.16], [mean, mean], color=style.color, linewidth=3.2, zorder=3)
    axes.annotate(
        formatter.number(mean, decimals),
        (place + 0.16, mean),
        xytext=(8, 0),
        textcoords="offset points",
        va="center_baseline",
        weight="bold",
    )


def _paired_finding(
    wide: pd.DataFrame,
    label: str,
    unit: str,
    higher_is_better: bool | None,
    formatter: Formatter,
    decimals: int,
) -> str:
    """The means, and in how many patients the last arm was above, level with and below each other arm."""
    means = join_words(f"{arm} {formatter.quantity(float(wide[arm].mean()), decimals, unit)}" for arm in wide)
    last = wide.columns[-1]
    sentences = [f"{label} in {counted(len(wide), 'patient')}, means: {means}."]
    better, worse = {True: ("better", "worse"), False: ("worse", "better"), None: ("higher", "lower")}[
        higher_is_better
    ]
    for arm in wide.columns[:-1]:
        difference = (wide[last] - wide[arm]).dropna()
        sentences.append(
            f"{last} was {better} than {arm} in {int((difference > 0).sum())} of {len(difference)} patients, "
            f"equal in {int((difference == 0).sum())}, {worse} in {int((difference < 0).sum())}."
        )
    return " ".join(sentences)
