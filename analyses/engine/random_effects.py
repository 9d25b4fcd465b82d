"""Conditional modes of the random effects, given the estimates: best linear unbiased predictions.

``b = G Z' V^-1 (y - X beta)`` with the conditional covariance ``G - G Z' V^-1 Z G`` (Henderson 1975; lme4),
which holds the fixed effects and the covariance at their estimates. Terms beside the clusters (crossed ones) are
`analyses.engine.crossed_effects`'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analyses.crossproducts import Layout, RandomDesign
from analyses.design.model_frame import ModelFrame
from analyses.engine.crossed_effects import CrossedEffects, crossed_effects, wide_design
from analyses.engine.symmetric import below_zero

Array = NDArray[np.float64]
NUMBERS = 1 << 17
"""Numbers of the inverse covariances that are gathered at a time."""


def conditional_modes(
    frame: ModelFrame,
    layout: Layout,
    covariances: Sequence[Array],
    inverses: Sequence[Array],
    residuals: Array,
    crossed: Sequence[int] = (),
) -> pd.DataFrame:
    """Conditional modes with their standard errors, a row an effect of a unit.

    Parameters
    ----------
    frame, layout
        The rows used and their patterns.
    covariances
        G of every random term, in the response's unit.
    inverses
        ``Sigma^-1`` of every pattern by block, in the response's unit, without the crossed terms.
    residuals
        Weighted residuals, ``sqrt(w) (y - X beta)``, shape (n,).
    crossed
        Positions of the terms that stand beside the clusters.

    Returns
    -------
    DataFrame
        ``group`` (the subject's columns), ``unit`` (its labels), ``term``, ``estimate``, ``std_error``; in the order of
        the terms, then of the units' first rows. NaN where G is no covariance, as it may be without bounds.
    """
    root = np.sqrt(frame.weights)[:, None]
    random = [replace(design, z=design.z * root) for design in frame.random]
    border = None
    if crossed:
        own = [random[at] for at in crossed]
        border = crossed_effects(own, [covariances[at] for at in crossed], layout, inverses, residuals)
        residuals = residuals - border.design @ border.modes
    tables: list[pd.DataFrame] = []
    for at, term in enumerate(frame.formula.random):
        design, covariance, labels = random[at], covariances[at], frame.random_labels[at]
        if border is not None and at in crossed:
            where = border.columns[list(crossed).index(at)]
            modes = border.modes[where].reshape(-1, len(covariance))
            spread = np.diag(border.covariance)[where].reshape(modes.shape)
        else:
            modes, spread = _within_clusters(design, covariance, layout, inverses, residuals, border)
        defined = np.nan if below_zero(covariance) else 1.0
        first = np.unique(design.subject, return_index=True)[1]
        order = np.argsort(first, kind="stable")
        table = {
            "group": ":".join(term.subject),
            "unit": np.repeat(_unit_names(frame, term.subject, first[order]), len(labels)),
            "term": np.tile(np.asarray(labels, dtype=object), len(first)),
            "estimate": defined * modes[order].reshape(-1),
            "std_error": defined * np.sqrt(np.maximum(spread[order], 0.0)).reshape(-1),
        }
        tables.append(pd.DataFrame(table))
    if not tables:
        return pd.DataFrame(columns=["group", "unit", "term", "estimate", "std_error"])
    return pd.concat(tables, ignore_index=True)


def _within_clusters(
    design: RandomDesign,
    covariance: Array,
    layout: Layout,
    inverses: Sequence[Array],
    residuals: Array,
    border: CrossedEffects | None,
) -> tuple[Array, Array]:
    """Modes and conditional variances of the units of a term within the clusters, shape (units, q) each."""
    shape = (int(design.subject.max()) + 1, design.z.shape[1])
    n_units, q = shape
    inner, spread = np.zeros((n_units, q)), np.zeros((n_units, q, q))
    for block, inverse in zip(layout.blocks, inverses, strict=True):
        step = max(1, NUMBERS // block.size**2)
        for start in range(0, len(block.rows), step):
            rows = block.rows[start : start + step]
            weight = inverse[block.pattern[start : start + step]]
            z, unit = design.z[rows], design.subject[rows]
            whitened = (weight @ residuals[rows][..., None])[..., 0]
            np.add.at(inner, unit, z * whitened[..., None])  # Z_u' V^-1 r
            together = unit[:, :, None] == unit[:, None, :]
            products = z[..., None] * ((weight * together) @ z)[:, :, None, :]
            np.add.at(spread, unit, products)  # Z_u' V^-1 Z_u
    modes = inner @ covariance
    variances = np.diag(covariance) - np.einsum("ab,ubc,ca->ua", covariance, spread, covariance)
    if border is not None:
        variances += border.added_variance(wide_design(design), covariance).reshape(shape)
    return modes, variances


def _unit_names(frame: ModelFrame, subject: tuple[str, ...], rows: NDArray[np.intp]) -> NDArray[np.object_]:
    labels = frame.data[list(subject)].iloc[rows].astype(str)
    joined = labels.iloc[:, 0]
    for name in subject[1:]:
        joined = joined + ":" + labels[name]
    return np.asarray(joined, dtype=object)
