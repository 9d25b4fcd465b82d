"""Cross-products of patterns: the cost of an answer does not grow with the number of clusters.

Of pattern k, seen in ``n_k`` clusters, with ``A_k`` its inverse covariance and ``C_k`` its cross-products::

    W'V^-1 W       = sum_k sum_st A_k[s,t] C_k[s,t]
    N_h            = sum_k sum_st (A_k D_hk A_k)[s,t] C_k[s,t]
    tr(B Q_hg)     = sum_k tr(A_k D_hk A_k D_gk A_k BB_k),      BB_k[s,t] = tr(B C_k[s,t])
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from analyses.covariance import square_index, upper_multiplicity, upper_triangle
from analyses.crossproducts import CrossProducts
from analyses.engine.cluster_products import Slopes, Whitened, signed_root

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class PatternProducts:
    """Cross-products per pattern (`analyses.crossproducts`) as a `analyses.engine.cluster_products.ClusterProducts`."""

    cross: CrossProducts

    @property
    def n_rows(self) -> int:
        """Number of rows of the data."""
        return self.cross.layout.n_rows

    @property
    def n_columns(self) -> int:
        """P, the number of columns of W."""
        return self.cross.n_columns

    def whiten(self, elements: Array) -> Whitened | None:
        """The columns at a covariance, or None where it is not positive definite."""
        layout = self.cross.layout
        sigma = np.asarray(layout.elements.T @ elements)
        packed, inverses, log_determinant = np.empty(layout.n_pairs), [], 0.0
        for block in layout.blocks:
            matrices = block.unpack(sigma)
            try:
                lower = np.linalg.cholesky(matrices)
            except np.linalg.LinAlgError:
                return None
            diagonal = np.diagonal(lower, axis1=1, axis2=2)
            log_determinant += 2.0 * float(block.counts @ np.log(diagonal).sum(axis=1))
            half = np.linalg.inv(lower)
            inverse = half.transpose(0, 2, 1) @ half
            inverses.append(inverse)
            packed[block.pairs] = block.pack(inverse)
        totals = unpack_columns(packed @ self.cross.products, self.n_columns)
        return Whitened(log_determinant, totals, tuple(inverses)) if np.all(np.isfinite(totals)) else None

    def differentiate(self, at: Whitened, directions: Array, weights: Array) -> Slopes:
        """Derivatives along directions (elements, h), with matrices of weights (k, P, P)."""
        layout, h, k = self.cross.layout, directions.shape[1], len(weights)
        # Packed pairs s < t hold C[s,t] + C[t,s]; a symmetric matrix needs half of it in each place.
        contracted = np.stack([self.cross.products @ _pack_weights(one) for one in weights])
        contracted /= layout.multiplicity
        slopes = np.asarray((layout.elements.T @ directions).T)
        packed_score, packed_m = np.empty(layout.n_pairs), np.empty((h, layout.n_pairs))
        quadratic, frequency = np.zeros((k, h, h)), np.empty(layout.n_pairs)
        for block, inverse in zip(layout.blocks, at.state, strict=True):
            counts = block.counts[:, None, None]
            d = block.unpack(slopes)
            ada = inverse @ d @ inverse
            packed_m[:, block.pairs] = block.pack(ada)
            frequency[block.pairs] = np.repeat(block.counts, block.size * (block.size + 1) // 2)
            flat = ada.reshape(h, -1)
            for which in range(k):
                spread = inverse @ block.unpack(contracted[which])
                # tr(A D_h A D_g A BB) = sum_st (A D_h A)[s,t] (BB A D_g)[s,t]: nothing has to be transposed
                quadratic[which] += flat @ (spread.transpose(0, 2, 1) @ d).reshape(h, -1).T
                if which == 0:
                    packed_score[block.pairs] = block.pack(counts * inverse - spread @ inverse)
        # tr(A D_h A D_g) likewise, of symmetric matrices that are packed already
        traces = packed_m @ (slopes * (frequency * layout.multiplicity)).T
        return Slopes(
            weighted=unpack_columns(packed_m @ self.cross.products, self.n_columns),
            pair_traces=traces,
            quadratic=quadratic,
            score=np.asarray(layout.elements @ (packed_score * layout.multiplicity)),
        )

    def weighted(self, at: Whitened, directions: Array) -> Array:
        """``N_h`` alone, shape (h, P, P)."""
        layout = self.cross.layout
        slopes = np.asarray((layout.elements.T @ directions).T)
        packed = np.empty((directions.shape[1], layout.n_pairs))
        for block, inverse in zip(layout.blocks, at.state, strict=True):
            packed[:, block.pairs] = block.pack(inverse @ block.unpack(slopes) @ inverse)
        return unpack_columns(packed @ self.cross.products, self.n_columns)

    def second_order(self, at: Whitened, directions: Array, w: Array) -> Array:
        """``sum_hg w_hg Q_hg``, shape (P, P): along the eigenvectors of w, h products and not h squared."""
        layout = self.cross.layout
        sign, root = signed_root(w)
        slopes = np.asarray((layout.elements.T @ (directions @ root)).T)
        packed = np.empty(layout.n_pairs)
        for block, inverse in zip(layout.blocks, at.state, strict=True):
            d = block.unpack(slopes)
            middle = np.einsum("c,ckst->kst", sign, d @ inverse @ d)
            packed[block.pairs] = block.pack(inverse @ middle @ inverse)
        return unpack_columns(packed @ self.cross.products, self.n_columns)

    def inverses(self, at: Whitened) -> tuple[Array, ...]:
        """``V^-1`` of every pattern by block, shape (k, m, m) each."""
        found: tuple[Array, ...] = at.state
        return found

    def response_moments(self, n_elements: int) -> tuple[Array, Array]:
        """Sums of products of responses by the last (the residual's) elements, and how many, shape (n_elements,)."""
        layout = self.cross.layout
        lines = layout.elements[-n_elements:]
        clusters = np.concatenate(
            [np.repeat(block.counts, block.size * (block.size + 1) // 2) for block in layout.blocks]
        )
        products = self.cross.products
        last = (
            products[:, [-1]].toarray()[:, 0] if isinstance(products, sparse.csr_array) else products[:, -1]
        )
        sums = np.asarray(lines @ (last / layout.multiplicity))
        return sums, np.asarray(lines @ clusters)


def unpack_columns(packed: Array, columns: int) -> Array:
    """Symmetric P x P matrices of packed products: (..., L) to (..., P, P)."""
    return packed[..., square_index(columns)]


def _pack_weights(matrix: Array) -> Array:
    """Weights w with ``w @ packed = sum_pq matrix[p,q] C[p,q]`` for symmetric C."""
    rows, columns = upper_triangle(len(matrix))
    weights: Array = matrix[rows, columns] * upper_multiplicity(len(matrix))
    return weights
