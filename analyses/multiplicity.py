"""Adjustments of p-values for several comparisons.

Written out, since statsmodels' ``multipletests`` collects the garbage of the whole process at each call (0.1 s in a
report); the tests hold these to it.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from outcomes.errors import ModelError

Array = NDArray[np.float64]


def _bonferroni(p: Array) -> Array:
    return len(p) * p


def _sidak(p: Array) -> Array:
    """1 - (1 - p)^k, right for small p."""
    with np.errstate(divide="ignore"):  # p = 1 stays 1
        adjusted: Array = -np.expm1(len(p) * np.log1p(-p))
    return adjusted


def _holm(p: Array) -> Array:
    """Step down (Holm 1979): the smallest p times k, the next times k - 1, never falling."""
    order = np.argsort(p, kind="stable")
    adjusted = np.empty_like(p)
    adjusted[order] = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    return adjusted


def _hochberg(p: Array) -> Array:
    """Step up (Hochberg 1988): from the largest p times 1 to the smallest times k, never rising."""
    order = np.argsort(-p, kind="stable")
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum.accumulate(p[order] * np.arange(1, len(p) + 1))
    return adjusted


ADJUSTMENTS: dict[str, Callable[[Array], Array]] = {
    "none": lambda p: p,
    "bonferroni": _bonferroni,
    "holm": _holm,
    "hochberg": _hochberg,
    "sidak": _sidak,
}
"""Names that ``adjust`` may take."""


def adjust_p_values(p_values: ArrayLike, method: str = "holm") -> Array:
    """Adjust p-values of one family; NaN (not estimable) stays NaN and does not count.

    Parameters
    ----------
    p_values
        Shape (k,).
    method
        One of `ADJUSTMENTS`.

    Raises
    ------
    ModelError
        Where the method is unknown.
    """
    values = np.array(p_values, dtype=float)
    if method not in ADJUSTMENTS:
        raise ModelError("unknown adjustment", expected=f"one of {', '.join(ADJUSTMENTS)}", got=repr(method))
    known = np.isfinite(values)
    values[known] = np.minimum(ADJUSTMENTS[method](values[known]), 1.0)
    return values
