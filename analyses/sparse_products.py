"""Cross-products per pattern where many columns of W are nearly empty: the effects of crossed units.

A row belongs to one rater, so of the c columns that the raters' effects have it holds q numbers. Cross-products of two
rows of a cluster then hold ``q^2`` numbers for the border with itself, however many raters there are, and are kept as a
sparse matrix; they are those of `analyses.crossproducts.accumulate` otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from analyses.covariance import upper_triangle
from analyses.crossproducts import Block, CrossProducts, Layout

Array = NDArray[np.float64]
Codes = NDArray[np.intp]
NEARLY_EMPTY = 0.25
"""Share of rows below which a column that holds a number is nearly empty."""
MANY = 60
"""Such columns above which a sparse form is faster."""


@dataclass(frozen=True, slots=True)
class _Split:
    """Columns of W: the full ones as a matrix (n, d), the others as values and column numbers (n, most in a row).

    ``full`` and ``columns`` are numbers of columns of W, ``width`` is how many it has.
    """

    dense: Array
    full: Codes
    values: Array
    columns: Codes
    width: int

    def packed(self, a: Codes, b: Codes) -> Codes:
        """Where pairs of columns stand in the packed upper triangle."""
        low, high = np.minimum(a, b), np.maximum(a, b)
        place: Codes = low * self.width - low * (low - 1) // 2 + high - low
        return place


def has_empty_columns(w: Array) -> bool:
    """Whether so many columns are nearly empty that the sparse form pays."""
    if w.shape[1] <= MANY:
        return False
    return int(np.sum(np.count_nonzero(w, axis=0) < NEARLY_EMPTY * len(w))) > MANY


def accumulate_sparse(layout: Layout, w: Array) -> CrossProducts:
    """Form the cross-products of the rows of W in one pass, as a sparse matrix.

    Parameters
    ----------
    layout
        The patterns.
    w
        ``[X U y]``, shape (n, P).
    """
    split = _split(w)
    parts = [part for block in layout.blocks for part in _of_block(block, split)]
    rows, columns, values = (np.concatenate(column) for column in zip(*parts, strict=True))
    packed = split.width * (split.width + 1) // 2
    whole = sparse.coo_array((values, (rows, columns)), shape=(layout.n_pairs, packed))
    return CrossProducts(layout, sparse.csr_array(whole), split.width)


def _split(w: Array) -> _Split:
    filled = w != 0
    full = np.count_nonzero(filled, axis=0) >= NEARLY_EMPTY * len(w)
    scarce = np.flatnonzero(~full)
    rows, at = np.nonzero(filled[:, scarce])
    counts = np.bincount(rows, minlength=len(w))
    place = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
    values = np.zeros((len(w), int(counts.max(initial=0))))
    columns = np.full(values.shape, scarce[0] if len(scarce) else 0, dtype=np.intp)
    values[rows, place], columns[rows, place] = w[rows, scarce[at]], scarce[at]
    return _Split(w[:, full], np.flatnonzero(full), values, columns, w.shape[1])


def _of_block(block: Block, split: _Split) -> list[tuple[Codes, Codes, Array]]:
    """Entries of a block, of every pair of rows: where they stand among the pairs and the columns, and their values."""
    lines, others = upper_triangle(block.size)
    first = block.pairs.start + block.pattern * len(lines)
    found = []
    for at, (s, t) in enumerate(zip(lines, others, strict=True)):
        found.append(_of_pair(first + at, block.rows[:, s], block.rows[:, t], split))
    return found


def _of_pair(place: Codes, s: Codes, t: Codes, split: _Split) -> tuple[Codes, Codes, Array]:
    """Sums over clusters of ``w_s w_t' + w_t w_s'`` (half of it for a row with itself), upper triangles.

    ``place`` is where the cluster's pattern keeps this pair; entries of one place and column are added up.
    """
    half = 0.5 if np.array_equal(s, t) else 1.0
    one, other, full = split.dense[s], split.dense[t], split.full
    rows, columns, values = [], [], []

    def put(at: Codes, number: Array) -> None:
        """Entries (clusters, k) for columns ``at`` of the packed triangle, of that shape too."""
        rows.append(np.broadcast_to(place[:, None], at.shape).reshape(-1))
        columns.append(at.reshape(-1))
        values.append(half * number.reshape(-1))

    for start, k in enumerate(full):
        pair = np.broadcast_to(
            split.packed(np.full(len(full) - start, k), full[start:]), (len(s), len(full) - start)
        )
        put(pair, one[:, [start]] * other[:, start:] + other[:, [start]] * one[:, start:])
        for mine, dense in ((s, other), (t, one)):
            put(
                split.packed(np.full_like(split.columns[mine], k), split.columns[mine]),
                split.values[mine] * dense[:, [start]],
            )
    a, b = split.columns[s][:, :, None], split.columns[t][:, None, :]
    product = split.values[s][:, :, None] * split.values[t][:, None, :]
    pair = split.packed(*np.broadcast_arrays(a, b))
    put(
        pair.reshape(len(s), -1), np.where(a == b, 2.0, 1.0).reshape(len(s), -1) * product.reshape(len(s), -1)
    )
    return _summed(np.concatenate(rows), np.concatenate(columns), np.concatenate(values), split.width)


def _summed(rows: Codes, columns: Codes, values: Array, width: int) -> tuple[Codes, Codes, Array]:
    """Entries without repeats and zeros."""
    low = int(rows.min())
    shape = (int(rows.max()) - low + 1, width * (width + 1) // 2)
    whole = sparse.csr_array(sparse.coo_array((values, (rows - low, columns)), shape=shape))
    whole.eliminate_zeros()
    entries = whole.tocoo()
    return entries.row.astype(np.intp) + low, entries.col.astype(np.intp), entries.data
