"""Standard columns of a regression from its cross-products alone, for data that pass by once and are not kept."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular

from analyses.design.standardise import Standardised
from outcomes.errors import ModelError

Array = NDArray[np.float64]
ALIAS = 1e-11
"""Squared share of a column that is its own, below which it is aliased: cross-products resolve no smaller one."""

FAR = 1e4
"""Residual standard deviations between response and zero beyond which an intercept is needed to lose no digits."""


@dataclass(frozen=True, slots=True)
class Gram:
    """Sums over weighted rows of products of ``[1, X - shift, y - shift]``; parts are added.

    Attributes
    ----------
    products
        Shape (columns + 2, columns + 2).
    low, high
        Smallest and largest value of every column of X, shape (columns,).
    varies
        Whether a column varies within a cluster, shape (columns,).
    n_rows, n_clusters
        Their numbers.
    """

    products: Array
    low: Array
    high: Array
    varies: NDArray[np.bool_]
    n_rows: int
    n_clusters: int

    def __add__(self, other: Gram) -> Gram:
        return Gram(
            self.products + other.products,
            np.minimum(self.low, other.low),
            np.maximum(self.high, other.high),
            self.varies | other.varies,
            self.n_rows + other.n_rows,
            self.n_clusters + other.n_clusters,
        )


def gram(x: Array, y: Array, weights: Array, shift: Array, cluster: NDArray[np.intp]) -> Gram:
    """Cross-products of a chunk of whole clusters.

    Parameters
    ----------
    x, y, weights
        Shapes (n, columns), (n,), (n,).
    shift
        Numbers near the means of the columns of x and of y, the same for all chunks, shape (columns + 1,).
    cluster
        Code of every row's cluster, shape (n,).
    """
    root = np.sqrt(weights)[:, None]
    columns = root * np.column_stack([np.ones(len(y)), x - shift[:-1], y - shift[-1]])
    order = np.argsort(cluster, kind="stable")
    same = cluster[order][1:] == cluster[order][:-1]
    ordered = x[order]
    varies = (ordered[1:][same] != ordered[:-1][same]).any(axis=0)
    return Gram(columns.T @ columns, x.min(axis=0), x.max(axis=0), varies, len(y), len(np.unique(cluster)))


@dataclass(frozen=True, slots=True)
class StandardColumns:
    """How rows become standard columns.

    Attributes
    ----------
    standard
        The regression's standardisation; its ``w`` is empty.
    centre, norms, turn
        ``(X - centre)[kept] / norms @ turn`` are the standard columns.
    response_shift, response
        ``(y - response_shift) - columns @ response`` over the scale is the standard response.
    triangle
        A triangular matrix with the cross-products of X, shape (columns, columns).
    """

    standard: Standardised
    centre: Array
    norms: Array
    turn: Array
    response_shift: float
    response: Array
    triangle: Array

    def rows(self, x: Array, y: Array, weights: Array) -> Array:
        """``[X T, residual]`` of a chunk, rows times the square root of their weights, shape (n, p + 1)."""
        root, kept = np.sqrt(weights)[:, None], self.standard.kept
        columns = root * (((x - self.centre)[:, kept] / self.norms) @ self.turn)
        residual = root[:, 0] * (y - self.response_shift) - columns @ self.response
        return np.column_stack([columns, residual / self.standard.scale])


def standard_columns(total: Gram, shift: Array) -> StandardColumns:
    """Standardise a regression by its cross-products: `analyses.design.standardise.standardise` without the rows.

    Raises
    ------
    ModelError
        Where the columns leave no residual variation, so that no variance can be estimated.
    """
    n, columns = total.n_rows, len(total.low)
    constant = np.flatnonzero((total.low == total.high) & (total.low != 0))
    onto, centre = _combinations(total, shift, constant)
    inner = onto.T @ total.products @ onto
    sizes = np.sqrt(np.maximum(np.diag(inner), 0.0))[:columns]
    raw = np.diag(total.products)[1:-1] + shift[:-1] ** 2 * total.products[0, 0]
    usable = sizes > 1e-9 * np.sqrt(np.maximum(raw, 1e-300))
    kept = _independent(inner[:columns, :columns], sizes, usable)
    if n <= len(kept):
        raise ModelError(
            "too few rows to estimate a variance",
            expected=f"more than {len(kept)} complete rows for {len(kept)} fixed effects",
            got=f"{n} rows",
        )
    norms = sizes[kept]
    lower = np.linalg.cholesky(inner[np.ix_(kept, kept)] / np.outer(norms, norms))
    turn = solve_triangular(lower, np.eye(len(kept)), lower=True).T * np.sqrt(n)
    of_response, of_one = (turn.T @ (inner[kept, at] / norms) / n for at in (-2, -1))
    beyond = float(inner[-1, -1] - n * of_one @ of_one)
    spanned = beyond < 1e-12 * float(inner[-1, -1])
    # Where the columns span the constant, the response's mean goes to their coefficients and nowhere else.
    response = of_response if spanned else of_response + centre[-1] * of_one
    rest = float(inner[-2, -2] - n * of_response @ of_response)
    if not spanned:
        rest += 2 * centre[-1] * float(inner[-2, -1] - n * of_response @ of_one) + centre[-1] ** 2 * beyond
    if not rest > 1e-13 * max(float(inner[-2, -2]), 1e-300):
        raise ModelError(
            "the fixed effects explain the response without rest, so that no variance can be estimated",
            expected="responses that vary around their fitted values",
            got=f"a residual sum of squares of {rest:.3g}",
        )
    scale = float(np.sqrt(rest / (n - len(kept))))
    if spanned and not len(constant) and abs(centre[-1]) > FAR * scale:
        raise ModelError(
            "the response lies too far from zero for a streamed model without an intercept",
            expected=f"a mean within {FAR:.0f} residual standard deviations of zero",
            got=f"{abs(centre[-1]) / scale:.3g} of them",
            hint="leave out the 0 of the formula, so that it has an intercept",
        )
    transform = turn / norms[:, None]
    at = np.flatnonzero(np.isin(kept, constant[:1]))
    if len(at):
        transform[at[0]] -= centre[:-1][kept] @ transform / total.low[kept[at[0]]]
    offset = transform @ (of_response + centre[-1] * of_one)
    logs = float(np.log(np.abs(np.diag(turn))).sum() - np.log(norms).sum())
    standard = Standardised(np.empty((0, len(kept) + 1)), transform, offset, scale, kept, logs)
    plain = np.zeros((columns + 2, columns))
    plain[0], plain[1:-1] = shift[:-1], np.eye(columns)
    return StandardColumns(
        standard,
        centre[:-1],
        norms,
        turn,
        float(centre[-1]) if spanned else 0.0,
        response,
        _triangle(plain.T @ total.products @ plain),
    )


def _combinations(total: Gram, shift: Array, constant: NDArray[np.intp]) -> tuple[Array, Array]:
    """Columns, response and one as combinations of those accumulated, and what columns and response are centred by.

    The response is centred. With a constant among the columns the others are centred too, which changes nothing but
    the constant's coefficient and loses no digits.
    """
    columns = len(total.low)
    means = total.products[0, 1:] / total.products[0, 0]
    onto = np.zeros((columns + 2, columns + 2))
    onto[1:, :-1], onto[0, -1] = np.eye(columns + 1), 1.0
    onto[0, columns] = -means[-1]
    centre = np.append(np.zeros(columns), shift[-1] + means[-1])
    if not len(constant):
        onto[0, :columns] = shift[:-1]
        return onto, centre
    onto[0, :columns] = -means[:-1]
    centre[:-1] = shift[:-1] + means[:-1]
    first = constant[0]
    onto[:, first] = 0.0
    onto[0, first] = total.low[first]
    centre[first] = 0.0
    return onto, centre


def _independent(inner: Array, sizes: Array, usable: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Columns that do not depend on those before them: Cholesky factorisation, a column at a time."""
    scale = np.where(usable, sizes, 1.0)
    scaled = inner / np.outer(scale, scale)
    kept: list[int] = []
    factor = np.zeros((0, 0))
    for at in np.flatnonzero(usable):
        along = solve_triangular(factor, scaled[kept, at], lower=True) if kept else np.zeros(0)
        rest = float(scaled[at, at] - along @ along)
        if rest > ALIAS:
            factor = np.block([[factor, np.zeros((len(kept), 1))], [along[None, :], np.sqrt(rest)]])
            kept.append(int(at))
    return np.asarray(kept, dtype=np.intp)


def _triangle(inner: Array) -> Array:
    """A matrix with given cross-products, aliased columns included."""
    size = np.sqrt(np.maximum(np.diag(inner), 0.0))
    size = np.where(size > 0, size, 1.0)
    values, vectors = np.linalg.eigh(inner / np.outer(size, size))
    root = np.sqrt(np.where(values > ALIAS * values.max(), values, 0.0))
    return np.asarray(np.linalg.qr((root[:, None] * vectors.T) * size, mode="r"), dtype=float)
