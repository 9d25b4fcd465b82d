"""Clusters whose covariances do not repeat, whatever their structure: whitened cluster by cluster, in stacks.

For residual covariances beside random effects at times of their own, and for covariances that depend on the distance
in time. With ``V_i = L_i L_i'``, whitened columns ``L_i^-1 W_i`` and whitened derivatives ``L_i^-1 D_i L_i^-T``, all
that the likelihood asks for are sums over clusters of their products. Nothing is kept that holds more numbers than
the data and the clusters' covariances; derivatives are formed block by block.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analyses.crossproducts import Layout
from analyses.engine.cluster_products import Slopes, Whitened, signed_root
from analyses.engine.own_patterns import BlockCovariance, OwnInverses, block_covariance

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class DirectProducts:
    """A `analyses.engine.cluster_products.ClusterProducts` of clusters as they are.

    Attributes
    ----------
    layout
        Its clusters, each a pattern of its own.
    covariances
        What the covariances of each block are made of.
    columns
        W by block, shape (clusters, m, P) each.
    """

    layout: Layout
    covariances: tuple[BlockCovariance, ...]
    columns: tuple[Array, ...]

    @property
    def n_rows(self) -> int:
        """Number of rows of the data."""
        return self.layout.n_rows

    @property
    def n_columns(self) -> int:
        """P, the number of columns of W."""
        return int(self.columns[0].shape[2])

    def whiten(self, elements: Array) -> Whitened | None:
        """The columns at a covariance, or None where it is not positive definite."""
        if not np.all(np.isfinite(elements)):
            return None
        log_determinant, totals, state = 0.0, np.zeros((self.n_columns, self.n_columns)), []
        for covariance, columns in zip(self.covariances, self.columns, strict=True):
            try:
                lower = np.linalg.cholesky(covariance.matrices(elements))
            except np.linalg.LinAlgError:
                return None
            log_determinant += 2.0 * float(np.log(np.diagonal(lower, axis1=1, axis2=2)).sum())
            half: Array = np.asarray(np.linalg.inv(lower), dtype=float)
            flat = (half @ columns).reshape(-1, self.n_columns)
            totals += flat.T @ flat
            state.append(half)
        return Whitened(log_determinant, totals, (elements, state)) if np.all(np.isfinite(totals)) else None

    def differentiate(self, at: Whitened, directions: Array, weights: Array) -> Slopes:
        """Derivatives along directions (elements, h), with matrices of weights (k, P, P)."""
        h, p = directions.shape[1], self.n_columns
        weighted, traces = np.zeros((h, p, p)), np.zeros((h, h))
        quadratic, score = np.zeros((len(weights), h, h)), np.zeros(len(directions))
        for covariance, columns, half in zip(self.covariances, self.columns, at.state[1], strict=True):
            turned = half.transpose(0, 2, 1)
            white = half @ columns
            slopes = half @ covariance.matrices(directions) @ turned
            weighted += _moved(slopes, white)
            flat = slopes.reshape(h, -1)
            traces += flat @ flat.T
            for which, one in enumerate(weights):
                inner = white @ one @ white.transpose(0, 2, 1)
                quadratic[which] += flat @ (slopes @ inner).reshape(h, -1).T
                if which == 0:
                    score += covariance.score(turned @ (np.eye(half.shape[1]) - inner) @ half)
        return Slopes(weighted, traces, quadratic, score)

    def weighted(self, at: Whitened, directions: Array) -> Array:
        """``N_h`` alone, shape (h, P, P)."""
        total = np.zeros((directions.shape[1], self.n_columns, self.n_columns))
        for covariance, columns, half in zip(self.covariances, self.columns, at.state[1], strict=True):
            total += _moved(half @ covariance.matrices(directions) @ half.transpose(0, 2, 1), half @ columns)
        return total

    def second_order(self, at: Whitened, directions: Array, w: Array) -> Array:
        """``sum_hg w_hg Q_hg`` for a symmetric w, shape (P, P): a square of sums along each eigenvector of w."""
        signs, root = signed_root(w)
        along = directions @ root
        total = np.zeros((self.n_columns, self.n_columns))
        for covariance, columns, half in zip(self.covariances, self.columns, at.state[1], strict=True):
            moved = (half @ covariance.matrices(along) @ half.transpose(0, 2, 1)) @ (half @ columns)
            for sign, one in zip(signs, moved.reshape(len(signs), -1, self.n_columns), strict=True):
                total += sign * (one.T @ one)
        return total

    def inverses(self, at: Whitened) -> Sequence[Array]:
        """``V^-1`` of every cluster by block of the layout, computed when asked for."""
        return OwnInverses(self.layout, at.state[0])

    def response_moments(self, n_elements: int) -> tuple[Array, Array]:
        """Sums of products of responses by the last (the residual's) elements, and how many, shape (n_elements,)."""
        sums, counts = np.zeros(n_elements + 1), np.zeros(n_elements + 1)
        for covariance, columns in zip(self.covariances, self.columns, strict=True):
            response = columns[..., -1]
            products = response[:, :, None] * response[:, None, :]
            upper = np.triu(np.ones(products.shape[1:], dtype=bool))
            index = covariance.element[:, upper].reshape(-1)
            sums += np.bincount(index, weights=products[:, upper].reshape(-1), minlength=n_elements + 1)
            counts += np.bincount(index, minlength=n_elements + 1)
        return sums[:-1], counts[:-1]


def _moved(slopes: Array, white: Array) -> Array:
    """Sum over clusters of ``T~' D~_h T~``, shape (h, P, P)."""
    p = white.shape[-1]
    moved = (slopes @ white).reshape(len(slopes), -1, p)
    found: Array = white.reshape(-1, p).T @ moved
    return found


def direct(layout: Layout, w: Array) -> DirectProducts:
    """Gather the rows of W by cluster.

    Parameters
    ----------
    layout
        Of single clusters.
    w
        ``[X y]``, shape (n, P).
    """
    own = layout.own
    assert own is not None  # `make_products` asks for no other
    return DirectProducts(
        layout,
        tuple(block_covariance(block, own) for block in layout.blocks),
        tuple(w[block.rows] for block in layout.blocks),
    )
