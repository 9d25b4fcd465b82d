"""Adjustments of p-values for several comparisons.

Written out, since statsmodels' ``multipletests`` collects the garbage of the whole process at each call (0.1 s in a
report); the tests hold these to it. Adjustments that need the contrasts themselves (Tukey, Dunnett, multivariate t,
Scheffé) are in `analyses.means.adjustment`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analyses.means.graphical import GraphicalProcedure, probabilities
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


def _fixed_sequence(p: Array) -> Array:
    """Each at full alpha after all before it (Maurer, Hothorn and Lehmacher 1995): the largest p so far."""
    return np.maximum.accumulate(p)


ADJUSTMENTS: dict[str, Callable[[Array], Array]] = {
    "none": lambda p: p,
    "bonferroni": _bonferroni,
    "holm": _holm,
    "hochberg": _hochberg,
    "sidak": _sidak,
    "fixed-sequence": _fixed_sequence,
}
"""Names that ``adjust`` may take."""

ORDERED = ("fixed-sequence",)
"""Adjustments in which a hypothesis that cannot be tested stops those after it."""

OF_CONTRASTS = ("tukey", "dunnett", "mvt", "scheffe")
"""Adjustments that need the contrasts, not their p-values alone."""


@overload
def adjust_p_values(
    p_values: Mapping[str, float], method: str | GraphicalProcedure = "holm"
) -> dict[str, float]: ...


@overload
def adjust_p_values(p_values: ArrayLike, method: str | GraphicalProcedure = "holm") -> Array: ...


def adjust_p_values(
    p_values: ArrayLike | Mapping[str, float], method: str | GraphicalProcedure = "holm"
) -> Array | dict[str, float]:
    """Adjust p-values of one family.

    NaN (not estimable) stays NaN. It does not count in the size of the family, since what cannot be tested cannot be
    rejected in error. In a fixed sequence or a graphical procedure, whose order was set beforehand, it is a
    hypothesis that is not rejected: what comes after it in the sequence has p = 1.

    Parameters
    ----------
    p_values
        Shape (k,), or by name.
    method
        One of `ADJUSTMENTS`, or a `GraphicalProcedure`; a fixed sequence follows the order given.

    Returns
    -------
    array or dict
        As the p-values were given.

    Raises
    ------
    ModelError
        Where the method is unknown or a p-value lies outside 0 to 1.
    """
    if isinstance(p_values, Mapping):
        if isinstance(method, GraphicalProcedure):
            by_name = dict(zip(method.names, method.adjusted_p_values(p_values), strict=True))
            return {name: float(by_name[name]) for name in p_values}
        adjusted = adjust_p_values(np.array(list(p_values.values()), dtype=float), method)
        return dict(zip(p_values, map(float, adjusted), strict=True))
    values = probabilities(np.array(p_values, dtype=float))
    if isinstance(method, GraphicalProcedure):
        return method.adjusted_p_values(values)
    if method not in ADJUSTMENTS:
        raise ModelError(
            "unknown adjustment",
            expected=f"one of {', '.join(ADJUSTMENTS)}, or a GraphicalProcedure",
            got=repr(method),
            hint=f"{method} needs the contrasts: MarginalMeans.contrast" if method in OF_CONTRASTS else None,
        )
    known = np.isfinite(values)
    if method in ORDERED:
        filled = ADJUSTMENTS[method](np.where(known, values, 1.0))
        return np.where(known, np.minimum(filled, 1.0), np.nan)
    values[known] = np.minimum(ADJUSTMENTS[method](values[known]), 1.0)
    return values
