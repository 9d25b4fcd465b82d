"""Residuals in the unit of their marginal covariance V.

- *Pearson*: over the marginal standard deviation, the root of V's diagonal.
- *Normalised*: ``L^-1 r`` with ``V = L L'`` by cluster, Cholesky (Pinheiro and Bates 2000, section 4.3). Where random
  effects cross the clusters, ``V = V_b + U G U'`` has no clusters: each is whitened by the Cholesky factor of its
  block of ``V_b``, and what the crossed effects add is taken out by a symmetric root. Either way the residuals'
  covariance is the identity where the model is right, and their sum of squares is ``r'V^-1 r``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from analyses.crossproducts import Layout
from analyses.design.model_frame import ModelFrame
from analyses.engine.crossed_effects import crossed_effects

Array = NDArray[np.float64]


def marginal_residuals(
    kind: str,
    frame: ModelFrame,
    layout: Layout,
    covariances: Sequence[Array],
    inverses: Sequence[Array],
    scale: float,
    residuals: Array,
    crossed: Sequence[int] = (),
) -> Array:
    """Pearson's or normalised residuals, shape (n,).

    Parameters
    ----------
    kind
        ``pearson`` or ``normalised``.
    frame, layout
        The rows used and their patterns.
    covariances
        G of every random term, in the response's unit.
    inverses
        Inverse covariance of every pattern by block, without the crossed terms, in units of ``scale`` squared.
    scale
        That unit.
    residuals
        Weighted residuals, ``sqrt(w) (y - X beta)``, shape (n,).
    crossed
        Positions of the terms that stand beside the clusters.
    """
    lowers = [np.linalg.cholesky(np.linalg.inv(inverse)) * scale for inverse in inverses]
    random = [
        replace(frame.random[at], z=np.sqrt(frame.weights)[:, None] * frame.random[at].z) for at in crossed
    ]
    own = [covariances[at] for at in crossed]
    if kind == "normalised" and crossed:
        squared = [inverse / scale**2 for inverse in inverses]
        return crossed_effects(random, own, layout, squared, residuals).whiten(layout, lowers, residuals)
    out, variance = np.empty_like(residuals), np.empty_like(residuals)
    for block, lower in zip(layout.blocks, lowers, strict=True):
        rows = residuals[block.rows]
        variance[block.rows] = np.einsum("kst,kst->ks", lower, lower)[block.pattern]
        out[block.rows] = np.linalg.solve(lower[block.pattern], rows[..., None])[..., 0]
    if kind == "normalised":
        return out
    for term, g in zip(random, own, strict=True):
        variance += np.einsum("np,pq,nq->n", term.z, g, term.z)
    scaled: Array = residuals / np.sqrt(variance)
    return scaled
