"""Random effects of a border, given the estimates: their conditional modes and covariance.

With ``V = V_b + U G U'`` (`analyses.likelihood`), ``B = U'V_b^-1 U`` and ``K = (G^-1 + B)^-1``, the effects of the
border have the conditional modes ``b = G U'V^-1 r = K U'V_b^-1 r`` with the conditional covariance ``K``. Effects of
units within the clusters follow from what the border leaves, ``G_t Z'V_b^-1 (r - U b)``, with the conditional
covariance ``G_t - G_t Z'V_b^-1 Z G_t + F'K F``, ``F = U'V_b^-1 Z G_t``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from analyses.crossproducts import Layout, RandomDesign
from analyses.engine.border import woodbury
from outcomes.errors import ModelError

Array = NDArray[np.float64]
CHUNK = 4096
"""Columns of F taken at a time."""


@dataclass(frozen=True, slots=True, eq=False)
class CrossedEffects:
    """A border at the estimates, in the unit of the covariances it was given.

    Attributes
    ----------
    design
        U, shape (n, c).
    weighted
        ``V_b^-1 U``, shape (n, c).
    prior
        G, block-diagonal, shape (c, c).
    covariance
        K, shape (c, c).
    modes
        Conditional modes, shape (c,).
    columns
        Columns of every term.
    """

    design: sparse.csr_array
    weighted: sparse.csr_array
    prior: Array
    covariance: Array
    modes: Array
    columns: tuple[slice, ...]

    def added_variance(self, z: sparse.csr_array, covariance: Array) -> Array:
        """Diagonal of ``F'K F``, shape (units q,).

        Parameters
        ----------
        z
            Columns of the effects of every unit of a term within the clusters, shape (n, units q).
        covariance
            Of a unit's effects, shape (q, q).
        """
        q = len(covariance)
        spread = sparse.kron(sparse.eye_array(z.shape[1] // q), covariance, format="csc")
        f = sparse.csc_array(self.weighted.T @ z @ spread)
        added = np.empty(f.shape[1])
        for start in range(0, f.shape[1], CHUNK):
            part = f[:, start : start + CHUNK].toarray()
            added[start : start + CHUNK] = np.einsum("cf,cf->f", part, self.covariance @ part)
        return added

    def whiten(self, layout: Layout, lowers: Sequence[Array], residuals: Array) -> Array:
        """Residuals with the identity as covariance where the model is right, and squared length ``r'V^-1 r``.

        Each cluster is whitened by the Cholesky factor of ``V_b``; the border is taken out by the symmetric root of
        what then remains, ``(I + H G H')^-1/2`` with ``H = L_b^-1 U``.

        Parameters
        ----------
        layout, lowers
            The clusters' patterns, and the Cholesky factor of ``V_b`` of every pattern by block.
        residuals
            Shape (n,).
        """
        inverse = block_diagonal(layout, [np.asarray(np.linalg.inv(lower), dtype=float) for lower in lowers])
        h, plain = inverse @ self.design, inverse @ residuals
        values, vectors = np.linalg.eigh((h.T @ h).toarray())
        seen = values > 1e-12 * values.max()
        # E = H Q has orthonormal columns that span H, and H G H' = E (Q^-1 G Q^-T) E'.
        half = vectors[:, seen] * np.sqrt(values[seen])
        turn = vectors[:, seen] / np.sqrt(values[seen])
        spread, rotation = np.linalg.eigh(half.T @ self.prior @ half)
        basis = turn @ rotation
        shrink = 1 / np.sqrt(1 + spread) - 1
        whitened: Array = plain + h @ (basis @ (shrink * (basis.T @ (h.T @ plain))))
        return whitened


def crossed_effects(
    random: Sequence[RandomDesign],
    covariances: Sequence[Array],
    layout: Layout,
    inverses: Sequence[Array],
    residuals: Array,
) -> CrossedEffects:
    """Form the border's conditional modes and covariance.

    Parameters
    ----------
    random
        The terms in the border, their columns times the root of the rows' weights.
    covariances
        Their G, shape (q, q) each.
    layout, inverses
        The clusters, and ``V_b^-1`` of every pattern by block.
    residuals
        Weighted residuals, shape (n,).

    Raises
    ------
    ModelError
        Where the covariances make no positive definite V.
    """
    designs = [wide_design(term) for term in random]
    bounds = np.cumsum([0, *(design.shape[1] for design in designs)])
    columns = tuple(slice(int(a), int(b)) for a, b in pairwise(bounds))
    u = sparse.csr_array(sparse.hstack(designs, format="csr"))
    weighted = sparse.csr_array(block_diagonal(layout, inverses) @ u)
    levels = [design.shape[1] // len(g) for design, g in zip(designs, covariances, strict=True)]
    found = woodbury(list(zip(columns, levels, covariances, strict=True)), (u.T @ weighted).toarray())
    if found is None:
        raise ModelError("the covariance of crossed random effects is not positive definite")
    prior = np.zeros((u.shape[1], u.shape[1]))
    for where, count, g in zip(columns, levels, covariances, strict=True):
        prior[where, where] = np.kron(np.eye(count), g)
    return CrossedEffects(u, weighted, prior, found[0], found[0] @ (weighted.T @ residuals), columns)


def wide_design(term: RandomDesign) -> sparse.csr_array:
    """Columns of every unit's effects side by side, shape (n, units q)."""
    n, q = term.z.shape
    columns = term.subject[:, None] * q + np.arange(q)
    shape = (n, (int(term.subject.max()) + 1) * q)
    rows = np.arange(0, n * q + 1, q)
    return sparse.csr_array((term.z.reshape(-1), columns.reshape(-1), rows), shape=shape)


def block_diagonal(layout: Layout, matrices: Sequence[Array]) -> sparse.csr_array:
    """Matrices of every pattern, by block, in the places of their clusters' rows: shape (n, n)."""
    values, rows, columns = [], [], []
    for block, own in zip(layout.blocks, matrices, strict=True):
        shape = (*block.rows.shape, block.size)
        values.append(own[block.pattern].reshape(-1))
        rows.append(np.broadcast_to(block.rows[:, :, None], shape).reshape(-1))
        columns.append(np.broadcast_to(block.rows[:, None, :], shape).reshape(-1))
    whole = (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns)))
    return sparse.csr_array(sparse.coo_array(whole, shape=(layout.n_rows, layout.n_rows)))
