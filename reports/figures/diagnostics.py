"""Whether the model's residuals look as the model says they do."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analyses.display.diagnostic_plots import draw_quantiles, draw_residuals, quantile_points
from reports.figures.style import MUTED, WIDTH, house_style, new_figure, place_axes
from reports.figures.value import ReportFigure, finished
from reports.format import Formatter


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
    Both are drawn by `analyses.display.diagnostic_plots`, as a fit's own plots are: the smooth curve is LOWESS
    (Cleveland 1979, JASA 74:829), the band of the normal plot the pointwise one, which holds each point with 95 %
    probability.
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
        points = quantile_points(y)
        draw_residuals(left, x, y, "Standardised residual")
        draw_quantiles(right, points, "Standardised residual")
        for axes, words in (
            (left, "Should scatter evenly around zero"),
            (right, "Should stay within the band"),
        ):
            axes.set_title(words, fontsize=8.5, alpha=MUTED, loc="left")
        caption = (
            f"{label}: residuals of the model. Left, standardised, against fitted values with a smooth curve "
            "(LOWESS), which should stay near zero; right, against normal quantiles, with the band that holds "
            "each point with 95 % probability where the model is right."
        )
        return finished(figure, "residuals", caption, _residual_finding(x, y, points.n_outside, formatter))


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
