"""What happened over time: means with intervals, and every single trajectory behind them."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

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
    text_width,
    wrap,
)
from reports.figures.value import ReportFigure, finished
from reports.format import Formatter, headline_decimals

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LEFT = 0.75
"""Inches left of the axes: the value axis with its name."""

_ROW = 0.19
"""Height of a row of the table of numbers at risk, in inches."""

_KEY_ROOM = 1.6
"""Widest name in that table, in inches."""


def profile_figure(
    summary: pd.DataFrame,
    trajectories: pd.DataFrame,
    arms: Mapping[str, Collection[str]],
    label: str,
    unit: str,
    higher_is_better: bool,
    *,
    level: float = 0.95,
    formatter: Formatter | None = None,
) -> ReportFigure:
    """Means with intervals at each visit, every trajectory in pale behind them, and N at risk below.

    Parameters
    ----------
    summary
        One row an arm and visit: ``arm``, ``visit``, ``week``, ``n`` (observed values), ``mean``,
        ``conf_low``, ``conf_high``; in the outcome's unit.
    trajectories
        One row an observed value: ``patient``, ``lesion`` (missing where the patient is the unit), ``arm``,
        ``week``, ``value``.
    arms
        Label -> components, in protocol order.
    label, unit, higher_is_better
        The outcome's name, unit and direction.
    level
        Level of the intervals.
    formatter
        Writes the numbers of the alternative text; the house style by default.
    """
    formatter = formatter or Formatter()
    summary = summary.assign(arm=summary["arm"].astype(str), visit=summary["visit"].astype(str))
    trajectories = trajectories.assign(arm=trajectories["arm"].astype(str)).dropna(subset=["value"])
    styles = {arm: style for arm, style in arm_style(arms).items() if (summary["arm"] == arm).any()}
    visits = summary.drop_duplicates("visit").sort_values("week", kind="stable")
    single = len(visits) == 1
    by_lesion = bool(trajectories["lesion"].notna().any()) if "lesion" in trajectories else False
    with house_style():
        if single:
            figure, axes = _single_visit(summary, trajectories, styles)
        else:
            figure, axes = _over_visits(summary, trajectories, styles, visits, by_lesion)
        name_value_axis(axes, label, unit, higher_is_better)
        zero_line(axes)
        where = f" at {visits['visit'].iloc[0]}" if single else " at each visit"
        one = "dot" if single else "line"
        caption = (
            f"{label}: means{where} with {formatter.level(level)} confidence intervals; each pale {one} "
            f"is one {'lesion' if by_lesion else 'patient'}."
        )
        if not single:
            caption += f" Below: {'lesions' if by_lesion else 'patients'} assessed at each visit."
        alt = _profile_finding(summary, styles, visits, label, unit, higher_is_better, level, formatter)
        return finished(figure, "profile", caption, alt)


def _over_visits(
    summary: pd.DataFrame,
    trajectories: pd.DataFrame,
    styles: Mapping[str, ArmStyle],
    visits: pd.DataFrame,
    by_lesion: bool,
) -> tuple[Figure, Axes]:
    probe = new_figure(1)
    keys = {arm: wrap(probe, arm, _KEY_ROOM, 8.5, lines=2) for arm in styles}
    row = _ROW + (0.13 if any("\n" in key for key in keys.values()) else 0.0)
    table = 0.62 + _ROW + row * len(styles)
    height = 3.55 + table
    figure = new_figure(height)
    names = max(text_width(figure, arm) for arm in styles)
    lines = [line for key in keys.values() for line in key.split("\n")]
    left = max(LEFT, 0.42 + max(text_width(figure, line, 8.5) for line in lines))
    axes = place_axes(figure, left, table, WIDTH - min(names, 1.6) - 0.5, height - 0.12)
    weeks = visits["week"].to_numpy(float)
    span = float(np.ptp(weeks)) or 1.0
    axes.set_xlim(weeks.min() - 0.05 * span, weeks.max() + 0.05 * span)
    _make_room(axes, trajectories)
    _trajectories(axes, trajectories, styles)
    ends = []
    for rank, (arm, style) in enumerate(styles.items()):
        rows = summary[summary["arm"] == arm].sort_values("week")
        offset = (rank - (len(styles) - 1) / 2) * 0.011 * span
        _means(axes, rows["week"].to_numpy(float) + offset, rows, style)
        seen = rows.dropna(subset=["mean"])
        ends.append(float(seen["mean"].iloc[-1]) if len(seen) else math.nan)
    _name_the_lines(figure, axes, styles, ends)
    numbered = _visit_ticks(figure, axes, visits)
    _numbers_at_risk(axes, summary, styles, keys, numbered, left, row, by_lesion)
    return figure, axes


def _trajectories(axes: Axes, trajectories: pd.DataFrame, styles: Mapping[str, ArmStyle]) -> None:
    """Every unit's values joined over the visits, so pale that the means stay first."""
    from matplotlib.collections import LineCollection

    keys = ["patient", "lesion"] if "lesion" in trajectories else ["patient"]
    for arm, style in styles.items():
        rows = trajectories[trajectories["arm"] == arm].sort_values("week", kind="stable")
        groups = [group for _, group in rows.groupby(keys, sort=True, dropna=False, observed=True)]
        lines = [group[["week", "value"]].to_numpy(float) for group in groups]
        # 30 lines an arm at 0.2, thinning out as they become more, so that a large trial is no solid block.
        alpha = float(np.clip(0.2 * math.sqrt(30 / max(len(lines), 1)), 0.05, 0.3))
        axes.add_collection(LineCollection(lines, colors=style.color, alpha=alpha, linewidths=0.7, zorder=1))


def _make_room(axes: Axes, trajectories: pd.DataFrame) -> None:
    """Let every single value be seen."""
    if len(trajectories):
        low, high = trajectories["value"].min(), trajectories["value"].max()
        pad = 0.04 * ((high - low) or 1.0)
        axes.set_ylim(low - pad, high + pad)


def _means(axes: Axes, positions: np.ndarray, rows: pd.DataFrame, style: ArmStyle) -> None:
    mean = rows["mean"].to_numpy(float)
    low, high = rows["conf_low"].to_numpy(float), rows["conf_high"].to_numpy(float)
    axes.plot(positions, mean, color=style.color, linestyle=style.linestyle, linewidth=1.9, zorder=3)
    known = ~np.isnan(low + high)
    axes.vlines(positions[known], low[known], high[known], color=style.color, linewidth=1.5, zorder=3)
    axes.plot(
        positions, mean, linestyle="none", marker=style.marker, markersize=6.5, color=style.color, zorder=4
    )
    ends = [*low[known], *high[known], *mean[~np.isnan(mean)], *axes.get_ylim()]
    axes.set_ylim(min(ends), max(ends))


def _name_the_lines(figure: Figure, axes: Axes, styles: Mapping[str, ArmStyle], ends: list[float]) -> None:
    """Write each arm's name at the end of its line, moved apart where lines end close together."""
    low, high = axes.get_ylim()
    inches = axes.get_position().height * figure.get_size_inches()[1]
    lines = {arm: wrap(figure, arm, 1.6) for arm in styles}
    tallest = max(text.count("\n") + 1 for text in lines.values())
    gap = (0.15 * tallest + 0.03) / inches * (high - low)
    named = [(arm, end) for arm, end in zip(styles, ends, strict=True) if not math.isnan(end)]
    places = spread_apart([end for _, end in named], gap, low + gap / 2, high - gap / 2)
    for (arm, end), place in zip(named, places, strict=True):
        style = styles[arm]
        offset = (place - end) / (high - low) * inches * 72
        axes.annotate(
            "",
            (1, end),
            xycoords=("axes fraction", "data"),
            xytext=(15, offset),
            textcoords="offset points",
            arrowprops={
                "arrowstyle": "-",
                "color": style.color,
                "linewidth": 0.8,
                "shrinkA": 0,
                "shrinkB": 0,
            },
            annotation_clip=False,
        )
        x = axes.get_position().x1 + 15 / 72 / WIDTH
        y = axes.get_position().y0 + (place - low) / (high - low) * axes.get_position().height
        figure.text(x + 4 / 72 / WIDTH, y, lines[arm], va="center", linespacing=1.1)


def _visit_ticks(figure: Figure, axes: Axes, visits: pd.DataFrame) -> pd.DataFrame:
    """Name the visits where their names fit side by side, else number the weeks.

    Returns
    -------
    DataFrame
        The visits that have room for a number below them: all of them, unless some stand too close together.
    """
    weeks = visits["week"].to_numpy(float)
    low, high = axes.get_xlim()
    inches = (weeks - low) / (high - low) * axes.get_position().width * WIDTH
    names = visits["visit"].tolist()
    widths = [text_width(figure, name, 8.5) for name in names]
    room = np.diff(inches) - (np.array(widths[1:]) + np.array(widths[:-1])) / 2
    axes.set_xticks(weeks)
    if (room > 0.08).all():
        axes.set_xticklabels(names)
        return visits
    kept = [len(weeks) - 1]
    for index in [0, *range(len(weeks) - 2, 0, -1)]:
        if all(abs(inches[index] - inches[other]) >= 0.27 for other in kept):
            kept.append(index)
    axes.set_xticklabels([f"{week:g}" if index in kept else "" for index, week in enumerate(weeks)])
    axes.set_xlabel("Week")
    return visits.iloc[sorted(kept)]


def _numbers_at_risk(
    axes: Axes,
    summary: pd.DataFrame,
    styles: Mapping[str, ArmStyle],
    keys: Mapping[str, str],
    visits: pd.DataFrame,
    left: float,
    row: float,
    by_lesion: bool,
) -> None:
    """The observed numbers in a small table under the visits, arms marked as their lines are."""
    top = -(0.32 if not axes.get_xlabel() else 0.5) - _ROW
    left_points = (0.1 - left) * 72

    def write(text: str, at: tuple[float, str], inches: float, **style: object) -> None:
        axes.annotate(
            text,
            (at[0], 0),
            xycoords=(at[1], "axes fraction"),
            xytext=(style.pop("shift", 0), inches * 72),
            textcoords="offset points",
            va="center" if "\n" in text else "center_baseline",
            linespacing=1.05,
            fontsize=8.5,
            annotation_clip=False,
            **style,  # type: ignore[arg-type]  # text properties, as annotate takes them
        )

    write(
        f"{'Lesions' if by_lesion else 'Patients'} assessed",
        (0, "axes fraction"),
        top,
        shift=left_points,
        alpha=MUTED,
    )
    for rank, (arm, style) in enumerate(styles.items(), start=1):
        height = top - (_ROW + row) / 2 - (rank - 1) * row
        _key(axes, style, left_points + 6, height * 72)
        write(keys[arm], (0, "axes fraction"), height, shift=left_points + 16)
        counts = summary[summary["arm"] == arm].set_index("visit")["n"]
        for visit, week in zip(visits["visit"], visits["week"], strict=True):
            n = counts.get(visit)
            write("0" if n is None or pd.isna(n) else f"{int(n)}", (week, "data"), height, ha="center")


def _key(axes: Axes, style: ArmStyle, points_x: float, points_y: float) -> None:
    """An arm's marker, placed in points from the axes' lower left corner."""
    from matplotlib.transforms import ScaledTranslation

    move = ScaledTranslation(points_x / 72, points_y / 72, figure_of(axes).dpi_scale_trans)
    axes.plot(
        [0],
        [0],
        marker=style.marker,
        color=style.color,
        markersize=5.5,
        linestyle="none",
        transform=axes.transAxes + move,
        clip_on=False,
    )


def _single_visit(
    summary: pd.DataFrame, trajectories: pd.DataFrame, styles: Mapping[str, ArmStyle]
) -> tuple[Figure, Axes]:
    """One visit alone: the arms side by side, each value a dot, the mean and its interval beside the dots."""
    height = 3.9
    figure = new_figure(height)
    axes = place_axes(figure, LEFT, 0.62, WIDTH - 0.15, height - 0.12)
    room = (WIDTH - LEFT - 0.15) / len(styles)
    counts = summary.set_index("arm")["n"]
    _make_room(axes, trajectories)
    for place, (arm, style) in enumerate(styles.items()):
        values = np.sort(trajectories.loc[trajectories["arm"] == arm, "value"].to_numpy(float))
        axes.plot(
            place + 0.06 + dot_offsets(values, trajectories["value"]),
            values,
            linestyle="none",
            marker="o",
            markersize=3.6,
            color=style.color,
            alpha=0.45,
            markeredgewidth=0,
            zorder=2,
        )
        _means(axes, np.array([place - 0.18]), summary[summary["arm"] == arm], style)
    axes.set_xlim(-0.6, len(styles) - 0.4)
    axes.set_xticks(range(len(styles)))
    axes.set_xticklabels(
        [f"{wrap(figure, arm, room - 0.1, 8.5)}\nn = {int(counts.get(arm, 0))}" for arm in styles]
    )
    axes.tick_params(axis="x", length=0)
    return figure, axes


def dot_offsets(values: np.ndarray, everything: pd.Series, width: float = 0.34, bins: int = 40) -> np.ndarray:
    """Sideways places of dots so that equal or near values stand side by side, the same at every run.

    Parameters
    ----------
    values
        Sorted values of one arm.
    everything
        All values of the figure: its range sets what is near.
    width
        The widest row, in positions of the axis.
    bins
        Into how many heights the range is cut; values within one stand side by side.

    Returns
    -------
    array
        Offsets to the right, 0 to ``width``, of the length of ``values``.
    """
    low, high = float(everything.min()), float(everything.max())
    cell = np.floor((values - low) / ((high - low) or 1.0) * bins).astype(int)
    rank = np.array([int((cell[:index] == cell[index]).sum()) for index in range(len(cell))], float)
    most = max(rank.max(initial=0.0), 1.0)
    offsets: np.ndarray = rank * min(0.045, width / most)
    return offsets


def zero_line(axes: Axes) -> None:
    """A quiet grid along the values, and a line at zero where values lie on both sides of it."""
    low, high = axes.get_ylim()
    if low < 0 < high:
        axes.axhline(0, color=INK, alpha=0.45, linewidth=0.8, zorder=0)
    axes.grid(axis="y", color=INK, alpha=GRID, linewidth=0.6)
    axes.set_axisbelow(True)


def _profile_finding(
    summary: pd.DataFrame,
    styles: Mapping[str, ArmStyle],
    visits: pd.DataFrame,
    label: str,
    unit: str,
    higher_is_better: bool,
    level: float,
    formatter: Formatter,
) -> str:
    """Where each arm stood at the last visit, best first."""
    last = visits.iloc[-1]
    rows = summary[(summary["visit"] == last["visit"]) & summary["arm"].isin(list(styles))].dropna(
        subset=["mean"]
    )
    rows = rows.sort_values("mean", ascending=not higher_is_better, kind="stable")
    parts = []
    for row in rows.to_dict("records"):
        width = float(row["conf_high"]) - float(row["conf_low"])
        shown = (row["mean"], row["conf_low"], row["conf_high"])
        decimals = headline_decimals(width / 4 if math.isfinite(width) else None, shown, most=3)
        text = f"{row['arm']} {formatter.quantity(float(row['mean']), decimals, unit)}"
        if math.isfinite(width):
            text += f" ({formatter.confidence(row['conf_low'], row['conf_high'], decimals, level)}"
            text += f"; n = {int(row['n'])})"
        parts.append(text)
    direction = "higher" if higher_is_better else "lower"
    return f"{label} at {last['visit']}, best mean first ({direction} is better): {'; '.join(parts)}."
