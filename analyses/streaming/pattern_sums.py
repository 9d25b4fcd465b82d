"""Cross-products of patterns that can be added up: of chunks of a stream, or of several workers.

Inside one data set a pattern is known by a number. Between chunks it is known by its content: the slots, groups,
units and random effects' design of its rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analyses.crossproducts import (
    Block,
    CrossProducts,
    Layout,
    RandomDesign,
    ResidualDesign,
    accumulate,
    find_patterns,
    layout_of_patterns,
)

Array = NDArray[np.float64]
Codes = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class PatternSum:
    """One pattern and the cross-products of the clusters that have it.

    Attributes
    ----------
    slot, group
        Of its m rows, shape (m,).
    units
        Rank within the cluster of every row's unit, of each random term and then of the residual, shape (terms + 1,
        m).
    z
        The random effects' design of every term, shape (m, q) each.
    count
        Clusters.
    products
        Packed cross-products, shape (m (m + 1) / 2, P (P + 1) / 2).
    """

    slot: Codes
    group: Codes
    units: Codes
    z: tuple[Array, ...]
    count: float
    products: Array

    @property
    def key(self) -> bytes:
        """The content, for equality."""
        parts = [np.array([len(self.slot)]), self.slot, self.group, self.units, *self.z]
        return b"".join(
            np.ascontiguousarray(part + 0).tobytes() for part in parts
        )  # + 0 makes -0.0 equal 0.0


PatternSums = dict[bytes, PatternSum]


def sum_patterns(random: Sequence[RandomDesign], residual: ResidualDesign, w: Array) -> PatternSums:
    """Cross-products of a chunk of whole clusters, by the content of their patterns.

    Parameters
    ----------
    random, residual
        Designs of the chunk's rows; slots and groups are numbered alike in all chunks.
    w
        ``[X y]`` in columns that are the same in all chunks, shape (n, P).
    """
    # Rows in an order of their content give the units of a cluster the same order in every chunk.
    order = np.lexsort([*(column for term in random for column in term.z.T), residual.group, residual.slot])
    random = [RandomDesign(term.z[order], term.subject[order]) for term in random]
    residual = replace(
        residual,
        slot=residual.slot[order],
        subject=residual.subject[order],
        group=residual.group[order],
    )
    blocks = find_patterns(random, residual)
    nothing = np.empty((0, 0))
    layout = Layout(blocks, nothing, nothing[0:0, 0:0].reshape(-1), len(w), sum(len(b.rows) for b in blocks))
    products = accumulate(layout, w[order]).products
    subjects = [term.subject for term in random] + [residual.subject]
    sums: PatternSums = {}
    for block in blocks:
        first = np.searchsorted(block.pattern, np.arange(block.n_patterns))
        mine = products[block.pairs].reshape(block.n_patterns, -1, products.shape[1])
        for k, rows in enumerate(block.rows[first]):
            units = np.stack([pd.factorize(subject[rows])[0] for subject in subjects]).astype(np.intp)
            one = PatternSum(
                residual.slot[rows],
                residual.group[rows],
                units,
                tuple(term.z[rows] for term in random),
                float(block.counts[k]),
                mine[k],
            )
            _add(sums, one.key, one)
    return sums


def merge(parts: Iterable[PatternSums]) -> PatternSums:
    """Add the sums of several chunks, in their order."""
    total: PatternSums = {}
    for part in parts:
        for key, one in part.items():
            _add(total, key, one)
    return total


def _add(sums: PatternSums, key: bytes, one: PatternSum) -> None:
    known = sums.get(key)
    if known is not None:
        one = replace(known, count=known.count + one.count, products=known.products + one.products)
    sums[key] = one


def design_products(sums: PatternSums) -> list[Array]:
    """Mean cross-products of every random term's design over all rows, shape (q, q) each."""
    patterns = list(sums.values())
    rows = sum(one.count * len(one.slot) for one in patterns)
    return [
        np.asarray(sum(one.count * one.z[term].T @ one.z[term] for one in patterns)) / rows
        for term in range(len(patterns[0].z))
    ]


def to_cross_products(sums: PatternSums, residual: ResidualDesign, n_columns: int) -> CrossProducts:
    """Lay patterns out as if their clusters stood in memory.

    Parameters
    ----------
    sums
        All patterns.
    residual
        Tells the number of slots and groups, and how they make elements of the covariance.
    n_columns
        P, the columns of W.

    Returns
    -------
    CrossProducts
        Its blocks have one exemplar of every pattern in ``rows``, not the clusters themselves.
    """
    ordered = sorted(sums.values(), key=lambda one: (len(one.slot), one.key))
    starts = np.cumsum([0] + [len(one.slot) for one in ordered])
    blocks: list[Block] = []
    offset = 0
    for size in sorted({len(one.slot) for one in ordered}):
        mine = [at for at, one in enumerate(ordered) if len(one.slot) == size]
        pairs = slice(offset, offset + len(mine) * (size * (size + 1) // 2))
        rows = starts[mine][:, None] + np.arange(size)
        counts = np.array([ordered[at].count for at in mine])
        blocks.append(Block(size, rows, np.arange(len(mine)), counts, pairs))
        offset = pairs.stop

    def subject(term: int) -> Codes:
        return np.concatenate(
            [start + one.units[term] for start, one in zip(starts[:-1], ordered, strict=True)]
        )

    n_terms = len(ordered[0].z)
    random = [
        RandomDesign(np.concatenate([one.z[term] for one in ordered]), subject(term))
        for term in range(n_terms)
    ]
    exemplars = replace(
        residual,
        slot=np.concatenate([one.slot for one in ordered]),
        subject=subject(n_terms),
        group=np.concatenate([one.group for one in ordered]),
    )
    layout = replace(
        layout_of_patterns(blocks, random, exemplars),
        n_rows=int(sum(one.count * len(one.slot) for one in ordered)),
        n_clusters=int(sum(one.count for one in ordered)),
    )
    return CrossProducts(layout, np.concatenate([one.products for one in ordered]), n_columns)
