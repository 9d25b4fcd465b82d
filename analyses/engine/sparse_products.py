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
from analyses.crossproducts import Block, CrossProducts, Layout, accumulate

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
    full = accumulate(layout, split.dense)
    own = (
        full.products.tocoo()
        if isinstance(full.products, sparse.csr_array)
        else sparse.coo_array(full.products)
    )
    a, b = upper_triangle(len(split.full))
    parts = [(own.row, split.packed(split.full[a], split.full[b])[own.col], own.data)]
    parts += [part for block in layout.blocks for part in _of_block(block, split)]
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
    """Entries of a block's pairs of rows: where they stand among the pairs and the columns, and their values.

    They are sums over clusters of ``w_s w_t' + w_t w_s'`` (half of it for a row with itself), without those of two full
    columns.
    """
    lines, others = upper_triangle(block.size)
    found = []
    for at, (s, t) in enumerate(zip(lines, others, strict=True)):
        one, other, half = block.rows[:, s], block.rows[:, t], 0.5 if s == t else 1.0
        for pattern, column, value in (_mixed(block, one, other, split), _scarce(block, one, other, split)):
            found.append((block.pairs.start + pattern * len(lines) + at, column, half * value))
    return found


def _mixed(block: Block, s: Codes, t: Codes, split: _Split) -> tuple[Codes, Codes, Array]:
    """Sums of products of a nearly empty and a full column: pattern, place among the packed columns, and value."""
    key = np.concatenate([block.pattern[:, None] * split.width + split.columns[rows] for rows in (s, t)])
    size, found = block.n_patterns * split.width, []
    for at, full in enumerate(split.full):
        value = np.concatenate(
            [split.values[mine] * split.dense[other, at][:, None] for mine, other in ((s, t), (t, s))]
        )
        total = np.bincount(key.reshape(-1), value.reshape(-1), size)
        seen = np.flatnonzero(total)
        found.append(
            (seen // split.width, split.packed(np.full_like(seen, full), seen % split.width), total[seen])
        )
    patterns, columns, totals = zip(*found, strict=True)
    return np.concatenate(patterns), np.concatenate(columns), np.concatenate(totals)


def _scarce(block: Block, s: Codes, t: Codes, split: _Split) -> tuple[Codes, Codes, Array]:
    """Sums of products of two nearly empty columns: pattern, place among the packed columns, and value."""
    a, b = np.broadcast_arrays(split.columns[s][:, :, None], split.columns[t][:, None, :])
    value = split.values[s][:, :, None] * split.values[t][:, None, :] * np.where(a == b, 2.0, 1.0)
    pattern = np.broadcast_to(block.pattern[:, None, None], a.shape)
    place = (pattern.reshape(-1), split.packed(a, b).reshape(-1))
    shape = (block.n_patterns, split.width * (split.width + 1) // 2)
    whole = sparse.csr_array(sparse.coo_array((value.reshape(-1), place), shape=shape))
    whole.eliminate_zeros()
    entries = whole.tocoo()
    return entries.row.astype(np.intp), entries.col.astype(np.intp), entries.data
