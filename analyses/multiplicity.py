"""Adjustments of p-values for several comparisons; statsmodels computes them."""

from __future__ import annotations

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
    if name is None or not known.any():
        return values
    from statsmodels.stats.multitest import multipletests

    values[known] = multipletests(values[known], method=name)[1]
    return values
