"""From a true response to what is recorded: each instrument on its own grid, with its own error.

Pure functions of arrays. Nothing here is a bare normal: areas are recorded to a tenth of a square centimetre,
a region's depigmentation in one of seven classes, a scar item as a whole number from 1 to 10.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "DEPIGMENTATION",
    "depigmentation_class",
    "measured_area",
    "percent_repigmentation",
    "planimetry_error_sd",
    "posas_items",
    "posas_total",
    "quartile_grade",
    "to_grid",
    "vasi",
]

Array: TypeAlias = NDArray[np.float64]

DEPIGMENTATION: Final = np.array([0.0, 0.10, 0.25, 0.50, 0.75, 0.90, 1.0])
"""Classes of residual depigmentation of the VASI (V: Hamzavi 2004)."""
_CLASS_LIMITS: Final = (DEPIGMENTATION[1:] + DEPIGMENTATION[:-1]) / 2.0


def to_grid(value: Array, step: float) -> Array:
    """Round to the nearest multiple of `step`, halves up, as a person does with a ruler."""
    return np.asarray(
        np.round(np.floor(value / step + 0.5) * step, 10)
    )  # 3 * 0.1 is 0.3, not 0.30000000000000004


def measured_area(true_area: Array, relative_error: float, deviate: Array, step: float) -> Array:
    """Return a traced area as recorded.

    Parameters
    ----------
    true_area : array
        cm2, at least 0.
    relative_error : float
        Standard deviation of the tracing over the area.
    deviate : array
        Standard normal deviates.
    step : float
        Grid of the record, cm2.

    Returns
    -------
    array
        cm2, a multiple of `step`, at least 0.
    """
    return to_grid(np.maximum(true_area * (1.0 + relative_error * deviate), 0.0), step)


def percent_repigmentation(baseline_area: Array, area: Array, step: float) -> Array:
    """Return 100 (A0 - A) / A0 to the nearest `step`, % (VGICC 2017); below 0 where the lesion grew."""
    return to_grid(100.0 * (baseline_area - area) / baseline_area, step)


def planimetry_error_sd(mean: float, relative_error: float, step: float) -> float:
    """Return the standard deviation of percent repigmentation that two measured areas and rounding cause.

    First-order: both areas contribute ``relative_error (100 - mean)``, rounding ``step / sqrt 12`` (D).
    """
    return float(np.sqrt(2.0 * (relative_error * (100.0 - mean)) ** 2 + step**2 / 12.0))


def quartile_grade(percent: Array, cutpoints: Array) -> NDArray[np.int64]:
    """Return the grade of percent repigmentation: 0 up to the first cutpoint, then one more above each."""
    return np.searchsorted(cutpoints, percent, side="left").astype(np.int64)


def depigmentation_class(fraction: Array) -> Array:
    """Return the nearest of the seven classes of residual depigmentation; halves go to the higher one."""
    return DEPIGMENTATION[np.searchsorted(_CLASS_LIMITS, fraction, side="right")]


def vasi(hand_units: Array, depigmentation: Array) -> Array:
    """Return the VASI, sum over regions (last axis) of hand units times residual depigmentation.

    Hand units are whole numbers and the classes hundredths, so the sum is rounded to hundredths only to drop
    the error of binary fractions.
    """
    return np.asarray(np.round((hand_units * depigmentation).sum(axis=-1), 2))


def posas_items(excess: Array, loadings: Array, own: Array, error: Array) -> Array:
    """Return the six items of the POSAS 2.0 observer scale.

    ``1 + loading * excess + own + error``, rounded to a whole number, halves up, and kept in 1 to 10.

    Parameters
    ----------
    excess : array, shape (...)
        How far an average item lies above 1 (normal skin), points.
    loadings : array, shape (6,)
        How much of it shows in each item.
    own, error : array, shape (..., 6)
        What is the item's own at every visit, and the error of the rating, points.
    """
    rating = 1.0 + excess[..., None] * loadings + own + error
    return np.clip(to_grid(rating, 1.0), 1.0, 10.0)


def posas_total(items: Array) -> Array:
    """Return the total of the six items (last axis), 6 to 60; the overall opinion is no part of it."""
    return np.asarray(items.sum(axis=-1))
