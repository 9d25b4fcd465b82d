"""How well a mixed model fits, in pictures: residuals, their normal quantiles, and the covariance it estimated.

Every function that draws takes matplotlib Axes; those that make a figure return one outside pyplot's registry, so
that no state is shared. Lines and text have matplotlib's text colour, levels the colours of Okabe and Ito (2008) and a
marker each, so that a grey print and a colour-blind reader keep them apart; heat maps write their numbers into the
cells.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analyses.design.model_frame import ordered_levels
from outcomes.errors import ModelError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from analyses.mixed_model_fit import MixedModelFit

__all__ = [
    "QuantilePoints",
    "draw_quantiles",
    "draw_residuals",
    "plot_quantiles",
    "plot_residuals",
    "quantile_points",
]

Array = NDArray[np.float64]

ENVELOPES = ("pointwise", "simultaneous")

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7F7F7F")
"""Okabe and Ito (2008), without yellow, which is faint on white."""

MARKERS = ("o", "^", "s", "D", "v", "P", "X", "<", ">", "p", "h", "*")
"""A marker a level: the second channel, beside colour."""

MOST_POINTS = 20_000
"""Points of a quantile plot that are all drawn; of more, both ends are, and an even choice between them."""

AXIS_NAMES = {"pearson": "Pearson residual (SD)", "normalised": "Normalised residual (SD)"}

LONGEST = 26
"""Characters of a label that are drawn: a figure would have no room for more."""

GROUND = 0.12
"""Opacity of a band."""


@dataclass(frozen=True, slots=True)
class Levels:
    """Which level of a factor every residual belongs to.

    Attributes
    ----------
    name
        The factor.
    labels
        Its levels, in order.
    codes
        Position of every row's level, shape (n,).
    """

    name: str
    labels: tuple[str, ...]
    codes: NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class QuantilePoints:
    """Points of a normal quantile plot with their envelope, k of n residuals.

    Attributes
    ----------
    expected
        Normal quantiles at (rank - 3/8) / (n + 1/4) (Blom 1958), shape (k,).
    ordered
        Residuals, ascending, shape (k,).
    low, high
        The envelope, shape (k,); infinite where it has no limit.
    n
        Number of residuals.
    n_outside
        Points drawn that leave the envelope.
    envelope
        ``pointwise`` or ``simultaneous``.
    """

    expected: Array
    ordered: Array
    low: Array
    high: Array
    n: int
    n_outside: int
    envelope: str


def quantile_points(
    residuals: Array, envelope: str = "pointwise", level: float = 0.95, scale: float = 1.0
) -> QuantilePoints:
    """Return the points of a normal quantile plot and the envelope that holds them where the model is right.

    Parameters
    ----------
    residuals
        Shape (n,), finite.
    envelope
        ``pointwise``: each point lies inside with probability `level`. The r-th of n uniform order statistics is
        Beta(r, n + 1 - r); its quantiles pass through the normal quantile function. ``simultaneous``: all points
        together lie inside with probability `level`; it is Kolmogorov's band around the distribution function, with the
        exact critical value of its statistic (Marsaglia, Tsang and Wang 2003; Simard and L'Ecuyer 2011).
    level
        The probability.
    scale
        Standard deviation that the residuals should have.

    Raises
    ------
    ModelError
        Where there are no residuals, or the envelope's name is unknown.
    """
    from scipy import stats

    if envelope not in ENVELOPES:
        raise ModelError("unknown envelope", expected=" or ".join(ENVELOPES), got=repr(envelope))
    n = len(residuals)
    if not n:
        raise ModelError("a quantile plot needs residuals", expected="at least one row", got="none")
    rank = _ranks(n)
    ordered = np.sort(np.asarray(residuals, dtype=float))[rank - 1]
    expected = stats.norm.ppf((rank - 0.375) / (n + 0.25))
    tail = (1 - level) / 2
    if envelope == "pointwise":
        low, high = stats.beta.ppf(tail, rank, n + 1 - rank), stats.beta.isf(tail, rank, n + 1 - rank)
    else:
        distance = stats.kstwo.isf(1 - level, n)
        low, high = np.maximum(rank / n - distance, 0.0), np.minimum((rank - 1) / n + distance, 1.0)
    low, high = scale * stats.norm.ppf(low), scale * stats.norm.ppf(high)
    outside = int(((ordered < low) | (ordered > high)).sum())
    return QuantilePoints(scale * expected, ordered, low, high, n, outside, envelope)


def _ranks(n: int) -> NDArray[np.intp]:
    if n <= MOST_POINTS:
        return np.arange(1, n + 1)
    ends, middle = 1_000, 3_000
    inner = np.linspace(ends + 1, n - ends, middle).round().astype(np.intp)
    return np.concatenate([np.arange(1, ends + 1), inner, np.arange(n - ends + 1, n + 1)])


def draw_quantiles(axes: Axes, points: QuantilePoints, name: str) -> None:
    """Draw a normal quantile plot: band, line of equality and points.

    Parameters
    ----------
    axes
        Where to draw.
    points
        What to draw.
    name
        Name of the vertical axis.
    """
    ink = _ink()
    spread = float(np.ptp(np.concatenate([points.expected, points.ordered]))) or 1.0
    bottom, top = points.ordered.min() - 0.05 * spread, points.ordered.max() + 0.05 * spread
    if points.envelope == "simultaneous":  # without limit at the ends: the band goes on to the plot's edge
        low, high = np.maximum(points.low, bottom), np.minimum(points.high, top)
    else:
        low, high = points.low, points.high
    axes.fill_between(points.expected, low, high, facecolor=ink, alpha=GROUND, linewidth=0)
    axes.plot(points.expected, points.expected, color=ink, linewidth=0.9)
    axes.plot(
        points.expected,
        points.ordered,
        linestyle="none",
        marker="o",
        markersize=3.4,
        color=ink,
        alpha=0.45,
        markeredgewidth=0,
    )
    if points.envelope == "simultaneous":
        axes.set_ylim(bottom, top)
    axes.set_xlabel("Normal quantile")
    axes.set_ylabel(name)


def draw_residuals(
    axes: Axes, fitted: Array, residuals: Array, name: str, by: Levels | None = None, limits: bool = True
) -> None:
    """Draw residuals against fitted values with a smooth curve (LOWESS: Cleveland 1979, JASA 74:829).

    Parameters
    ----------
    axes
        Where to draw.
    fitted, residuals
        Shape (n,), finite.
    name
        Name of the vertical axis.
    by
        Factor whose levels have a colour and a marker each.
    limits
        Whether lines stand at -2 and 2: where residuals are in standard deviations.
    """
    ink = _ink()
    n = max(len(fitted), 1)
    alpha = float(np.clip(0.6 * math.sqrt(100 / n), 0.12, 0.6))
    axes.axhline(0, color=ink, linewidth=0.9)
    many = n > MOST_POINTS
    if by is None:
        axes.scatter(fitted, residuals, s=13, color=ink, alpha=alpha, linewidths=0, zorder=2, rasterized=many)
    else:
        for at, label in enumerate(by.labels):
            mine = by.codes == at
            axes.scatter(
                fitted[mine],
                residuals[mine],
                s=20,
                color=COLOURS[at % len(COLOURS)],
                marker=MARKERS[at % len(MARKERS)],
                alpha=max(alpha, 0.3) if many else 0.75,
                linewidths=0,
                zorder=2,
                label=literal(label),
                rasterized=many,
            )
    if len(np.unique(fitted)) > 4:
        axes.plot(*_smooth(fitted, residuals), color=ink, linewidth=2.2, zorder=3)
    if limits:
        for level in (-2, 2):
            axes.axhline(level, color=ink, alpha=0.4, linewidth=0.7, linestyle=(0, (2, 2)))
    axes.set_xlabel("Fitted value")
    axes.set_ylabel(name)


def _smooth(x: Array, y: Array) -> tuple[Array, Array]:
    from statsmodels.nonparametric.smoothers_lowess import lowess

    # Local lines a hundredth of the range apart are joined straight where each point would have its own to no use.
    apart = 0.01 * float(np.ptp(x)) if len(x) > 2_000 else 0.0
    curve = lowess(y, x, delta=apart)
    return curve[:, 0], curve[:, 1]


def _ink() -> Any:
    from matplotlib import rcParams

    return rcParams["text.color"]


def plot_quantiles(fit: MixedModelFit, kind: str = "normalised", envelope: str = "pointwise") -> Figure:
    """Return the normal quantile plot of a fit's residuals with its 95 % envelope; see `MixedModelFit.plot_quantiles`.

    Raises
    ------
    ModelError
        Where the kind or the envelope is unknown.
    """
    from analyses.display.notebook_figure import NotebookFigure

    residuals = fit.residuals(kind)
    scale = float(np.std(residuals, ddof=1)) if kind == "raw" and len(residuals) > 1 else 1.0
    points = quantile_points(residuals, envelope, scale=scale)
    figure = NotebookFigure(4.8, 4.4)
    axes = figure.subplots()
    draw_quantiles(axes, points, _axis_name(fit, kind))
    if kind == "raw":
        axes.set_xlabel(f"Normal quantile × SD of the residuals ({_response(fit)})")
    holds = "each point" if envelope == "pointwise" else "all points together"
    drawn = len(points.ordered)
    share = f"{points.n_outside} of {drawn}" + (f" drawn ({points.n} in all)" if drawn < points.n else "")
    axes.set_title(
        f"{envelope.capitalize()} band: holds {holds} with 95 % probability;\n{share} outside",
        fontsize="small",
        loc="left",
    )
    _quiet(axes)
    return figure


def plot_residuals(
    fit: MixedModelFit, kind: str = "pearson", by: str | Sequence[Any] | pd.Series | None = None
) -> Figure:
    """Return the plot of residuals against fitted values; see `MixedModelFit.plot_residuals`.

    Raises
    ------
    ModelError
        Where the kind is unknown, or `by` is no variable of the model, has another length or too many levels.
    """
    from analyses.display.notebook_figure import NotebookFigure

    residuals = fit.residuals(kind)
    groups = None if by is None else _groups(fit, by)
    figure = NotebookFigure(6.0 if groups is None else 6.8, 4.2)
    axes = figure.subplots()
    draw_residuals(axes, fit.fitted, residuals, _axis_name(fit, kind), groups, limits=kind != "raw")
    axes.set_xlabel(f"Fitted value of {_response(fit)} (fixed effects)")
    if groups is not None:
        legend = axes.legend(
            title=literal(groups.name), loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False
        )
        for handle in legend.legend_handles:
            if handle is not None:
                handle.set_alpha(1.0)
    _quiet(axes)
    return figure


def _axis_name(fit: MixedModelFit, kind: str) -> str:
    return AXIS_NAMES.get(kind, f"Raw residual ({_response(fit)})")


def _response(fit: MixedModelFit) -> str:
    """The response as the formula names it: matplotlib must not read its dollar signs as mathematics."""
    return literal(fit.frame.formula.response.strip("`"))


def literal(text: str, most: int = LONGEST) -> str:
    """Text for a figure: dollar signs are no mathematics, and a long one loses its middle."""
    text = " ".join(text.split())
    if len(text) > most:
        end = most // 3
        text = f"{text[: most - end - 1]}…{text[-end:]}"
    return text.replace("$", r"\$")


def _quiet(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)


def _groups(fit: MixedModelFit, by: str | Sequence[Any] | pd.Series) -> Levels:
    """A factor over the rows used, with its levels in order; rows without a value have a level of their own."""
    if isinstance(by, str):
        if by not in fit.frame.data.columns:
            raise ModelError(
                "residuals can be told apart by a variable of the model, or by values that are given",
                expected=f"one of {', '.join(map(str, fit.frame.data.columns))}",
                got=repr(by),
                hint=f"for a variable outside the model: plot_residuals(by=data[{by!r}])",
            )
        values, name = fit.frame.data[by], by
    else:
        name = str(by.name) if isinstance(by, pd.Series) and by.name is not None else ""
        values = pd.Series(by).reset_index(drop=True)
        if len(values) == fit.n_obs + fit.n_dropped:
            values = values.iloc[fit.frame.kept]
        elif len(values) != fit.n_obs:
            raise ModelError(
                "the values have another length than the data",
                expected=f"{fit.n_obs} rows used, or the {fit.n_obs + fit.n_dropped} given",
                got=f"{len(values)} values",
            )
    levels, codes = ordered_levels(values)
    present = np.unique(codes)
    if len(present) > len(MARKERS):
        raise ModelError(
            "too many levels to tell apart by colour and marker",
            expected=f"at most {len(MARKERS)}",
            got=f"{len(present)} of {name or 'the values'}",
            hint="cut a numeric variable into classes first, with pandas.cut",
        )
    known = present[present >= 0]
    labels = [str(levels[code]) for code in known]
    position = np.searchsorted(known, codes)
    if len(known) < len(present):
        position = np.where(codes < 0, len(known), position)
        labels.append("missing")
    return Levels(name, tuple(labels), position)
