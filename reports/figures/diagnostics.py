"""Whether the model's residuals look as the model says they do."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from reports.figures.style import (
    GRID,
    INK,
    MUTED,
    WIDTH,
    ReportFigure,
    finished,
    house_style,
    new_figure,
    place_axes,
)
from reports.format import Formatter

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def residual_figure(
    fitted: np.ndarray | pd.Series,
    residuals: np.ndarray | pd.Series,
    label: str,
    *,
    formatter: Formatter | None = None,
) -> ReportFigure:
    """Residuals against fitted values, and against what a normal distribution would give.

    Parameters
    ----------
    fitted, residuals
        Of one length; residuals standardised, so that their spread should be 1 everywhere. Rows with a
        missing one are left out.
    label
        What was modelled, for the caption.
    formatter
        Writes the numbers of the alternative text; the house style by default.

    Notes
    -----
    The smooth curve is LOWESS (Cleveland 1979, JASA 74:829), by statsmodels through seaborn. The band of the
    normal plot holds each order statistic with 95 % probability: its distribution is that of a beta variate
    through the normal quantile function.
    """
    formatter = formatter or Formatter()
    x, y = np.asarray(fitted, float), np.asarray(residuals, float)
    known = np.isfinite(x) & np.isfinite(y)
    x, y = x[known], y[known]
    with house_style():
        height = 3.1
        figure = new_figure(height)
        middle = WIDTH / 2
        left = place_axes(figure, 0.6, 0.55, middle - 0.15, height - 0.35)
        right = place_axes(figure, middle + 0.55, 0.55, WIDTH - 0.1, height - 0.35)
        _against_fitted(left, x, y)
        outside = _normal_plot(right, y)
        caption = (
            f"{label}: left, standardised residuals against fitted values with a smooth curve (LOWESS), "
            "which should stay near zero; right, residuals against normal quantiles with the band that holds "
            "each point with 95 % probability where the model is right."
        )
        return finished(figure, "residuals", caption, _residual_finding(x, y, outside, formatter))


def _against_fitted(axes: Axes, x: np.ndarray, y: np.ndarray) -> None:
    import seaborn as sns

    axes.axhline(0, color=INK, linewidth=0.9)
    smooth = len(np.unique(x)) > 4
    alpha = float(np.clip(0.6 * math.sqrt(100 / max(len(x), 1)), 0.12, 0.6))
    sns.regplot(
        x=x,
        y=y,
        ax=axes,
        lowess=smooth,
        fit_reg=smooth,
        ci=None,
        scatter_kws={"s": 13, "color": INK, "alpha": alpha, "linewidths": 0, "zorder": 2},
        line_kws={"color": INK, "linewidth": 2.2, "zorder": 3},
    )
    for level in (-2, 2):
        axes.axhline(level, color=INK, alpha=0.4, linewidth=0.7, linestyle=(0, (2, 2)))
    axes.set_xlabel("Fitted value")
    axes.set_ylabel("Standardised residual")
    axes.set_title("Should scatter evenly around zero", fontsize=8.5, alpha=MUTED, loc="left")


def _normal_plot(axes: Axes, y: np.ndarray) -> int:
    """Draw the normal quantile plot; return how many points leave the band."""
    from scipy import stats

    ordered, n = np.sort(y), len(y)
    rank = np.arange(1, n + 1)
    expected = stats.norm.ppf((rank - 0.375) / (n + 0.25))
    low = stats.norm.ppf(stats.beta.ppf(0.025, rank, n + 1 - rank))
    high = stats.norm.ppf(stats.beta.ppf(0.975, rank, n + 1 - rank))
    axes.fill_between(expected, low, high, facecolor=INK, alpha=GRID, linewidth=0)
    axes.plot(expected, expected, color=INK, linewidth=0.9)
    axes.plot(
        expected,
        ordered,
        linestyle="none",
        marker="o",
        markersize=3.4,
        color=INK,
        alpha=0.45,
        markeredgewidth=0,
    )
    axes.set_xlabel("Normal quantile")
    axes.set_ylabel("Standardised residual")
    axes.set_title("Should stay within the band", fontsize=8.5, alpha=MUTED, loc="left")
    return int(((ordered < low) | (ordered > high)).sum())


def _residual_finding(x: np.ndarray, y: np.ndarray, outside: int, formatter: Formatter) -> str:
    """How even the spread is, how many points leave the band, and the largest residual."""
    third = np.quantile(x, [1 / 3, 2 / 3])
    low, high = y[x <= third[0]], y[x >= third[1]]
    sentences = []
    if min(len(low), len(high)) > 2 and low.std(ddof=1) > 0:
        ratio = high.std(ddof=1) / low.std(ddof=1)
        sentences.append(
            "The residuals of the highest third of fitted values spread "
            f"{formatter.number(ratio, 2)} times as wide as those of the lowest third."
        )
    sentences.append(
        f"{outside} of {len(y)} points leave the normal plot's band; the largest residual is "
        f"{formatter.number(float(np.abs(y).max()), 1)} standard deviations."
    )
    return " ".join(sentences)
