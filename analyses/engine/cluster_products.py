"""What the Gaussian likelihood asks of the data, whatever form they are kept in.

With ``W`` the columns of a model and ``V`` block-diagonal over clusters, ``D_h = dV / d eta_h`` and ``A = V^-1``,
all that is needed is ``W'AW``, ``log|V|``, ``N_h = W'A D_h A W``, traces, and contractions of ``Q_hg = W'A D_h A
D_g A W``. Cross-products of patterns (`analyses.engine.pattern_products`) give them where clusters repeat.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Whitened:
    """The columns at one covariance.

    Attributes
    ----------
    log_determinant
        ``log|V|``.
    totals
        ``W'V^-1 W``, shape (P, P).
    state
        What the implementation wants to see again with the next question about the same covariance.
    """

    log_determinant: float
    totals: Array
    state: Any


@dataclass(frozen=True, slots=True)
class Slopes:
    """Derivatives by h directions of the covariance.

    Attributes
    ----------
    weighted
        ``N_h = W'A D_h A W``, shape (h, P, P).
    pair_traces
        ``tr(A D_h A D_g)``, shape (h, h).
    quadratic
        ``tr(B_k Q_hg)`` for every matrix B of weights, shape (k, h, h); not symmetric in h and g.
    score
        ``tr(A dV) - tr(B_0 W'A dV A W)`` for every element of the covariance, shape (elements,); B_0 are the first
        weights.
    """

    weighted: Array
    pair_traces: Array
    quadratic: Array
    score: Array


def signed_root(w: Array) -> tuple[Array, Array]:
    """Signs s (c,) and columns r (h, c) of a symmetric matrix: ``w = r diag(s) r'``.

    Parameters come in units of their own (a variance per week squared, per day squared), so that w is decomposed in
    units of its diagonal.
    """
    size = np.sqrt(np.abs(np.diag(w)))
    size = np.where(size > 0, size, 1.0)
    values, vectors = np.linalg.eigh(w / np.outer(size, size))
    root: Array = size[:, None] * vectors * np.sqrt(np.abs(values))
    return np.sign(values), root


class ClusterProducts(Protocol):
    """Data in a form that answers the likelihood's questions.

    ``elements`` are those of the components' covariance matrices (packed upper triangles,
    `analyses.engine.covariance_model`), of which V is a linear function; directions are columns of changes of them.
    """

    @property
    def n_rows(self) -> int:
        """Number of rows of the data."""

    @property
    def n_columns(self) -> int:
        """P, the number of columns of W."""

    def whiten(self, elements: Array) -> Whitened | None:
        """The columns at a covariance, or None where it is not positive definite."""

    def differentiate(self, at: Whitened, directions: Array, weights: Array) -> Slopes:
        """Derivatives along directions (elements, h), with matrices of weights (k, P, P)."""

    def weighted(self, at: Whitened, directions: Array) -> Array:
        """``N_h`` alone, shape (h, P, P)."""

    def second_order(self, at: Whitened, directions: Array, w: Array) -> Array:
        """``sum_hg w_hg Q_hg`` for a symmetric w, shape (P, P)."""

    def inverses(self, at: Whitened) -> Sequence[Array]:
        """``V^-1`` of every pattern by block of `analyses.crossproducts.Layout`, shape (k, m, m) each."""

    def response_moments(self, n_elements: int) -> tuple[Array, Array]:
        """Sums of products of responses by the last (the residual's) elements, and how many, shape (n_elements,)."""
