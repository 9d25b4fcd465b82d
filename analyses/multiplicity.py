"""Adjustments of p-values for several comparisons; statsmodels computes them."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from outcomes.errors import ModelError

ADJUSTMENTS = {
    "none": None,
    "bonferroni": "bonferroni",
    "holm": "holm",
    "hochberg": "simes-hochberg",
    "sidak": "sidak",
}
"""Names that ``adjust`` may take, with statsmodels' names."""


def adjust_p_values(p_values: ArrayLike, method: str = "holm") -> NDArray[np.float64]:
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
    name = ADJUSTMENTS[method]
    known = np.isfinite(values)
    if name is not None and known.sum() > 1:  # a family of one needs no adjustment
        values[known] = _adjusted(tuple(values[known].tolist()), name)
    return values


@lru_cache(maxsize=256)
def _adjusted(p_values: tuple[float, ...], name: str) -> tuple[float, ...]:
    """Statsmodels' adjustment, remembered: each call of it collects the garbage of the whole process."""
    from statsmodels.stats.multitest import multipletests

    return tuple(multipletests(p_values, method=name)[1].tolist())
