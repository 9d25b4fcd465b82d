"""Cluster-robust (sandwich) covariances of the fixed effects, with their degrees of freedom.

``V_R = Phi (sum_i X_i' W_i A_i r_i r_i' A_i' W_i X_i) Phi`` with ``W_i = V_i^-1`` (Liang and Zeger 1986), where

- ``CR0`` has ``A_i = I``;
- ``CR2`` has ``A_i = D_i' B_i^(-1/2) D_i``, ``V_i = D_i' D_i``, ``B_i = D_i (V_i - X_i Phi X_i') D_i'``, which is
  unbiased where the working covariance holds (Bell and McCaffrey 2002; Pustejovsky and Tipton 2018, equation 9);
- ``CR3`` has ``A_i = (I - X_i Phi X_i' W_i)^-1``, which leaves out one cluster at a time (Mancl and DeRouen 2001).

Where a fixed effect rests on one cluster alone, that cluster's residuals are zero along the direction that it
explains, and say nothing of its variance: both inverses are taken without it. With ``V_i = D_i' D_i`` it is a unit
vector u with ``D_i'^-1 X_i Phi X_i' D_i^-1 u = u``; the estimate holds it with weights ``c = Phi X_i' D_i^-1 u``, so
that ``l'c`` is the cluster's own standard error in ``l' beta``, at most ``(l' Phi l)^1/2``. A sandwich of any kind
leaves that part out; functions that depend on it have no robust standard error: NaN.

Degrees of freedom match two moments of the variance under the working covariance (Bell and McCaffrey 2002): with
``a_i = A_i' W_i X_i Phi l`` and ``O_ij = a_i' (V_i [i = j] - X_i Phi X_j') a_j``, ``df = tr(O)^2 / tr(O^2)``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analyses.crossproducts import Layout

Array = NDArray[np.float64]

SANDWICHES = ("CR0", "CR2", "CR3")
"""Names that ``vcov`` may take beside ``model``."""
ALONE = 1e-8
"""How near to one a leverage is where a direction of a cluster is explained by that cluster alone."""
DEPENDS = 1e-6
"""Share of a function's standard error that is one such direction's, above which it depends on it."""


@dataclass(frozen=True, slots=True)
class Sandwich:
    """A sandwich in the engine's standardised columns.

    Attributes
    ----------
    kind
        One of `SANDWICHES`.
    vcov
        Covariance of the fixed effects, shape (p, p).
    spread
        ``K_i' V_i K_i`` of every cluster, where ``a_i = K_i Phi l``, shape (clusters, p, p).
    cross
        ``X_i' K_i``, shape (clusters, p, p).
    phi
        Model-based covariance, shape (p, p).
    alone
        Directions of the coefficients that rest on one cluster alone, shape (k, p).
    """

    kind: str
    vcov: Array
    spread: Array
    cross: Array
    phi: Array
    alone: Array

    def unknown(self, rows: Array) -> NDArray[np.bool_]:
        """Whether functions depend on what rests on one cluster alone, shape (k,) for rows of shape (k, p)."""
        size = np.sqrt(np.maximum(np.einsum("kp,pq,kq->k", rows, self.phi, rows), 0.0))
        depends: NDArray[np.bool_] = np.abs(rows @ self.alone.T).max(axis=1, initial=0.0) > DEPENDS * size
        return depends

    def row_df(self, rows: Array) -> Array:
        """Bell and McCaffrey's degrees of freedom of one-row hypotheses, shape (k,) for rows of shape (k, p)."""
        df = np.empty(len(rows))
        for at, row in enumerate(rows):
            c = self.phi @ row
            d = np.einsum("p,ipq,q->i", c, self.spread, c)
            w = self.cross @ c
            along = np.einsum("ip,pq,iq->i", w, self.phi, w)
            joint = self.phi @ (w.T @ w)
            second = float(d @ d - 2 * d @ along + np.trace(joint @ joint))
            df[at] = float(d.sum() - along.sum()) ** 2 / second if second > 0 else np.nan
        return df


def sandwich(
    kind: str, layout: Layout, w: Array, beta: Array, phi: Array, inverses: Sequence[Array]
) -> Sandwich:
    """Form a sandwich covariance.

    Parameters
    ----------
    kind
        One of `SANDWICHES`.
    layout
        The clusters.
    w
        ``[X y]`` in standardised columns, shape (n, p + 1).
    beta, phi
        Estimates and their model-based covariance, shapes (p,) and (p, p).
    inverses
        ``V^-1`` of every pattern by block.
    """
    scores, spreads, crosses, alone = [], [], [], []
    for block, inverse in zip(layout.blocks, inverses, strict=True):
        x = w[block.rows][..., :-1]
        residual = w[block.rows][..., -1] - x @ beta
        weight = inverse[block.pattern]
        covariance: Array = np.asarray(np.linalg.inv(inverse), dtype=float)[block.pattern]
        adjust = _adjustment(kind, x, weight, covariance, phi)
        gain = adjust.transpose(0, 2, 1) @ weight @ x  # K_i = A_i' W_i X_i
        scores.append(np.einsum("imp,im->ip", gain, residual))
        spreads.append(gain.transpose(0, 2, 1) @ covariance @ gain)
        crosses.append(x.transpose(0, 2, 1) @ gain)
        alone.append(_alone(x, weight, covariance, phi))
    score = np.concatenate(scores)
    vcov = phi @ (score.T @ score) @ phi
    return Sandwich(
        kind,
        (vcov + vcov.T) / 2,
        np.concatenate(spreads),
        np.concatenate(crosses),
        phi,
        np.concatenate(alone),
    )


def _alone(x: Array, weight: Array, covariance: Array, phi: Array) -> Array:
    """Directions of the coefficients that single clusters of a block explain by themselves, shape (k, p)."""
    leverage = np.einsum("imp,imp->i", x @ phi, weight @ x)  # the sum of eigenvalues, each at most one
    few = np.flatnonzero(leverage > 1 - ALONE)
    if not len(few):
        return np.zeros((0, len(phi)))
    lower = np.asarray(np.linalg.cholesky(covariance[few]), dtype=float)
    white = np.asarray(np.linalg.solve(lower, x[few]), dtype=float)
    values, vectors = np.linalg.eigh(white @ phi @ white.transpose(0, 2, 1))
    reach = vectors.transpose(0, 2, 1) @ white @ phi
    found: Array = reach[values > 1 - ALONE]
    return found


def _adjustment(kind: str, x: Array, weight: Array, covariance: Array, phi: Array) -> Array:
    """``A_i`` of every cluster of a block, shape (clusters, m, m)."""
    size = x.shape[1]
    if kind == "CR0":
        unchanged: Array = np.broadcast_to(np.eye(size), weight.shape)
        return unchanged
    hat = x @ phi @ x.transpose(0, 2, 1)
    upper: Array = np.asarray(np.linalg.cholesky(covariance), dtype=float).transpose(0, 2, 1)
    if kind == "CR3":
        # (I - H W)^-1 = L (I - L^-1 H L^-T)^-1 L^-1 with V = L L', of a symmetric matrix with eigenvalues in [0, 1]
        white = np.asarray(np.linalg.solve(upper.transpose(0, 2, 1), x), dtype=float)
        inner = np.eye(size) - white @ phi @ white.transpose(0, 2, 1)
        kept = _power(inner, -1.0) @ upper
        return np.asarray(np.linalg.solve(upper, kept), dtype=float).transpose(0, 2, 1)
    half = _power(upper @ (covariance - hat) @ upper.transpose(0, 2, 1), -0.5)
    adjusted: Array = upper.transpose(0, 2, 1) @ half @ upper
    return adjusted


def _power(matrix: Array, power: float) -> Array:
    """Power of symmetric matrices on their positive eigenspaces, shape (clusters, m, m).

    Directions that a fixed effect of this cluster alone explains have no residual, and no weight.
    """
    values, vectors = np.linalg.eigh((matrix + matrix.transpose(0, 2, 1)) / 2)
    largest = values.max(axis=1, keepdims=True)
    powers = np.where(values > 1e-10 * largest, np.maximum(values, 1e-300) ** power, 0.0)
    return np.asarray((vectors * powers[:, None, :]) @ vectors.transpose(0, 2, 1), dtype=float)
