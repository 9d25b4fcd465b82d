"""A heat map of the estimated covariance: correlations with standard deviations on the diagonal, or covariances."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analyses.display.diagnostic_plots import LONGEST, literal
from analyses.display.html_tables import SUPERSCRIPT
from outcomes.errors import ModelError
from outcomes.rounding import decimals_of, number_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from analyses.mixed_model_fit import MixedModelFit

__all__ = ["Panel", "covariance_panels", "plot_covariance"]

Array = NDArray[np.float64]

KINDS = ("correlation", "covariance")
PARTS = ("components", "residual", "random", "marginal")

MOST_WRITTEN = 14
"""Levels up to which numbers are written into the cells; beyond, a colour bar tells them."""

MOST_ROWS = 40
"""Rows of one subject that a marginal covariance shows."""

ACROSS = 3
"""Panels beside each other."""


@dataclass(frozen=True, slots=True)
class Panel:
    """One covariance matrix with its name.

    Attributes
    ----------
    title
        Term or group.
    labels
        Its levels.
    matrix
        Covariances in squared units of the response, shape (m, m).
    every
        Levels of the inner factor of a direct product, whose blocks are set off; 0 elsewhere.
    is_random
        Whether it is that of a random term.
    """

    title: str
    labels: tuple[str, ...]
    matrix: Array
    every: int = 0
    is_random: bool = False

    @property
    def sd(self) -> Array:
        """Standard deviations, shape (m,); NaN where a variance is negative, as unbounded fits may have it."""
        variances = np.diag(self.matrix)
        spread: Array = np.sqrt(np.where(variances < 0, np.nan, variances))
        return spread

    @property
    def correlations(self) -> Array:
        """Correlations, shape (m, m); NaN where a variance is zero."""
        scale = np.outer(self.sd, self.sd)
        known = scale > 1e-12 * np.nanmax(scale, initial=0.0)
        found: Array = np.divide(self.matrix, scale, out=np.full_like(self.matrix, np.nan), where=known)
        return found


def covariance_panels(fit: MixedModelFit, part: str | None = None) -> tuple[Panel, ...]:
    """Return the covariance matrices that a heat map shows.

    Parameters
    ----------
    fit
        The fit.
    part
        ``residual`` (a panel a group), ``random`` (a panel a term), ``components`` (both, those of two levels or more),
        or ``marginal``: ``V = ZGZ' + R`` of the rows of the subject that has most. None takes the components, and
        the marginal covariance where each of them is a single variance, as in ``(1 | patient/lesion)``. Of independent
        rows there is one variance only.

    Raises
    ------
    ModelError
        Where the part is unknown, or the model has none.
    """
    if part is not None and part not in PARTS:
        raise ModelError("unknown part of the covariance", expected=", ".join(PARTS), got=repr(part))
    random = [
        Panel(f"Random effects of {':'.join(term.subject)}", labels, matrix, is_random=True)
        for term, labels, matrix in zip(
            fit.frame.formula.random, fit.frame.random_labels, fit.component_matrices, strict=False
        )
    ]
    residual = _residual_panels(fit)
    independent = not random and fit.frame.formula.residual is None
    if part == "marginal" and not independent:
        return (marginal_panel(fit),)
    if part == "random" and not random:
        raise ModelError(
            "the model has no random effects", expected="a term such as (1 | patient)", got=fit.formula
        )
    if part in ("random", "residual"):
        return tuple(random if part == "random" else residual)
    several = tuple(panel for panel in (*random, *residual) if len(panel.labels) > 1)
    if several:
        return several
    return (marginal_panel(fit),) if part is None and not independent else (*random, *residual)


def _residual_panels(fit: MixedModelFit) -> list[Panel]:
    found, levels = fit.covariance, fit.frame.residual.levels
    every = len(levels[1]) if len(levels) == 2 else 0
    term = fit.frame.formula.residual
    whole = f"Residual: {term.text}" if term is not None else "Residual"
    matrices = found if isinstance(found, dict) else {"": found}
    return [
        Panel(
            f"Residual, {group}" if group else whole,
            tuple(str(label) for label in matrix.index),
            matrix.to_numpy(dtype=float),
            every,
        )
        for group, matrix in matrices.items()
    ]


def marginal_panel(fit: MixedModelFit) -> Panel:
    """Return ``V = ZGZ' + R`` of one subject: the first of those with most rows, up to 40 of them."""
    frame, residual = fit.frame, fit.frame.residual.design
    unit, name = _units(fit)
    counts = np.bincount(unit)
    chosen = int(counts.argmax())
    rows = np.flatnonzero(unit == chosen)[:MOST_ROWS]
    v = np.zeros((len(rows), len(rows)))
    for design, matrix in zip(frame.random, fit.component_matrices, strict=False):
        z, subject = design.z[rows], design.subject[rows]
        v += (z @ matrix @ z.T) * (subject[:, None] == subject)
    slot, subject, group = residual.slot[rows], residual.subject[rows], residual.group[rows]
    matrices = fit.component_matrices[len(frame.random) :]
    root = np.sqrt(frame.weights[rows])
    for at, matrix in enumerate(matrices):
        within = (subject[:, None] == subject) & (group == at)
        v += np.where(within, matrix[np.ix_(slot, slot)], 0.0) / np.outer(root, root)
    label = " ".join(_short(frame.data[column].iloc[rows[0]]) for column in name)
    cut = f", first {len(rows)} of {counts[chosen]} rows" if counts[chosen] > len(rows) else ""
    return Panel(f"Marginal, {':'.join(name)} {label}{cut}", _row_labels(fit, rows, name), v)


def _units(fit: MixedModelFit) -> tuple[NDArray[np.intp], tuple[str, ...]]:
    """Codes and columns of the coarsest subject whose units are small enough to be shown, else of the finest."""
    frame = fit.frame
    found = [
        (design.subject, term.subject)
        for design, term in zip(frame.random, frame.formula.random, strict=True)
    ]
    if frame.formula.residual is not None:
        found.append((frame.residual.design.subject, frame.formula.residual.subject))
    found.sort(key=lambda one: int(one[0].max()))
    shown = (one for one in found if np.bincount(one[0]).max() <= MOST_ROWS)
    return next(shown, found[-1])


def _row_labels(fit: MixedModelFit, rows: NDArray[np.intp], unit: tuple[str, ...]) -> tuple[str, ...]:
    """Short labels that tell a subject's rows apart: the columns that vary, factors first."""
    data, parts = fit.frame.data.iloc[rows], fit.frame.formula
    skipped = {parts.response.strip("`"), *unit}
    subjects = {name for term in parts.random for name in term.subject}
    columns = [str(name) for name in data.columns if str(name) not in skipped]

    def rank(name: str) -> int:
        return 1 if name in subjects else 2 if pd.api.types.is_numeric_dtype(data[name].dtype) else 0

    labels = [""] * len(data)
    for name in sorted(columns, key=rank):
        values = [_short(value) for value in data[name]]
        joined = [f"{a}, {b}" if a else b for a, b in zip(labels, values, strict=True)]
        if len(set(joined)) > len(set(labels)):
            labels = joined
    if len(set(labels)) < len(labels):
        labels = [f"{label} #{at + 1}".strip() for at, label in enumerate(labels)]
    return tuple(labels)


def _short(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def plot_covariance(fit: MixedModelFit, kind: str = "correlation", part: str | None = None) -> Figure:
    """Return a heat map of the estimated covariance; see `MixedModelFit.plot_covariance`.

    Raises
    ------
    ModelError
        Where the kind or the part is unknown, or the model has no such part.
    """
    from analyses.display.notebook_figure import NotebookFigure

    if kind not in KINDS:
        raise ModelError("unknown kind of heat map", expected=" or ".join(KINDS), got=repr(kind))
    panels = covariance_panels(fit, part)
    across = min(ACROSS, len(panels))
    down = math.ceil(len(panels) / across)
    longest = max(min(len(label), LONGEST) for panel in panels for label in panel.labels)
    size = max(len(panel.labels) for panel in panels)
    edge = float(np.clip(0.62 * size, 1.8, 7.0)) + min(0.08 * longest, 2.0)
    power = _power([panel.sd if kind == "correlation" else panel.matrix for panel in panels])
    scale = 10.0 ** (-power if kind == "covariance" else -2 * power)
    panels = tuple(replace(panel, matrix=scale * panel.matrix) for panel in panels)
    figure = NotebookFigure(across * edge + 0.9, down * (edge + 0.25))
    axes = figure.subplots(down, across, squeeze=False).ravel()
    limits = _limits(panels, kind)
    times = f"10{str(power).translate(SUPERSCRIPT)} " if power else ""
    unit = literal(fit.frame.formula.response.strip("`"))
    images = [
        _draw(place, panel, kind, limit) for place, panel, limit in zip(axes, panels, limits, strict=False)
    ]
    for place in axes[len(panels) :]:
        place.set_visible(False)
    name = "Correlation" if kind == "correlation" else f"Covariance ({times}squared units of {unit})"
    if size == 1 and kind == "correlation":
        bars = []  # there is no correlation to tell
    elif len(set(limits)) == 1:
        bars = [figure.colorbar(images[0], ax=axes.tolist(), shrink=0.7, label=name)]
    else:
        bars = [
            figure.colorbar(image, ax=place, shrink=0.7, label=name)
            for image, place in zip(images, axes, strict=False)
        ]
    for bar in bars:
        bar.outline.set_visible(False)
    if kind == "correlation":
        slopes = any(panel.is_random for panel in panels)
        per = "; of slopes, per unit of their variable" if slopes else ""
        figure.supxlabel(
            f"On the diagonal: SD in {times}units of {unit}{per}", fontsize="small", x=0.01, ha="left"
        )
    return figure


def _power(values: list[Array]) -> int:
    """Power of ten that is taken out of numbers too small or too large to be read in a cell; 0 for most."""
    largest = max(float(np.nanmax(np.abs(one), initial=0.0)) for one in values)
    if largest == 0 or 0.01 <= largest < 1e5:
        return 0
    return math.floor(math.log10(largest))


def _limits(panels: tuple[Panel, ...], kind: str) -> list[tuple[float, float]]:
    """Range of the colours: one for all correlations, and for the covariances of all groups of the residual."""
    if kind == "correlation":
        off = [panel.correlations[~np.eye(len(panel.labels), dtype=bool)] for panel in panels]
        values = np.concatenate(off)
        negative = bool((values[np.isfinite(values)] < 0).any())
        return [(-1.0 if negative else 0.0, 1.0)] * len(panels)
    shared = [panel.matrix for panel in panels if not panel.is_random]
    limits = []
    for panel in panels:
        matrices = [panel.matrix] if panel.is_random else shared
        largest = max(float(np.abs(matrix).max()) for matrix in matrices) or 1.0
        limits.append((-largest if any((matrix < 0).any() for matrix in matrices) else 0.0, largest))
    return limits


def _draw(axes: Axes, panel: Panel, kind: str, limit: tuple[float, float]) -> Any:
    count = len(panel.labels)
    shown = panel.matrix
    if kind == "correlation":
        shown = np.where(np.eye(count, dtype=bool), np.nan, panel.correlations)
    # Purple and orange differ in the common forms of colour blindness, but in grey only where a number stands by;
    # the other two darken evenly.
    signed = "PuOr" if count <= MOST_WRITTEN else "cividis"
    colours = signed if limit[0] < 0 else "Blues"
    image = axes.imshow(np.ma.masked_invalid(shown), cmap=colours, vmin=limit[0], vmax=limit[1])
    labels = [literal(label) for label in panel.labels]
    turned = max((len(label) for label in labels), default=0) > 4
    small = 8.5 if count <= MOST_WRITTEN else max(4.0, 8.5 * MOST_WRITTEN / count)
    axes.set_xticks(range(count), labels, fontsize=small)
    axes.set_yticks(range(count), labels, fontsize=small)
    if turned:
        for tick in axes.get_xticklabels():
            tick.set(rotation=45, ha="right", rotation_mode="anchor")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_title(literal(panel.title, 48), fontsize="medium", loc="left")
    if panel.every:
        for edge in range(panel.every, count, panel.every):
            axes.axhline(edge - 0.5, color="white", linewidth=2.5)
            axes.axvline(edge - 0.5, color="white", linewidth=2.5)
    if count <= MOST_WRITTEN:
        _write(axes, panel, kind, image)
    return image


def _write(axes: Axes, panel: Panel, kind: str, image: Any) -> None:
    """Write the numbers into the cells, dark on light and light on dark."""
    from matplotlib import rcParams

    correlations = panel.correlations
    spread = panel.sd[panel.sd > 0]
    decimals = decimals_of(float(spread.min()) if len(spread) else None, 3)
    size = float(np.clip(11 - 0.35 * len(panel.labels), 6, 9))
    variances = np.diag(panel.matrix)
    fine = decimals_of(float(variances[variances > 0].min()) if (variances > 0).any() else None, 3)
    for row in range(len(panel.labels)):
        for column in range(len(panel.labels)):
            diagonal = row == column
            if kind == "covariance":
                text, value = number_text(panel.matrix[row, column], fine), panel.matrix[row, column]
            elif diagonal:
                text, value = number_text(panel.sd[row], decimals, "–"), math.nan
            else:
                text, value = number_text(correlations[row, column], 2, "–"), correlations[row, column]
            colour: Any = rcParams["text.color"]
            if math.isfinite(value):
                red, green, blue, _ = image.cmap(image.norm(value))
                colour = "white" if 0.299 * red + 0.587 * green + 0.114 * blue < 0.5 else "black"
            weight = "bold" if diagonal and kind == "correlation" else "normal"
            axes.text(
                column, row, text, ha="center", va="center", fontsize=size, color=colour, fontweight=weight
            )
