"""Clusters of which hardly two are alike (patients at times of their own): each is a pattern of its own.

Cross-products of patterns would then hold more numbers than the data do. Here the clusters of equal shape are stacked,
in blocks of bounded size, and their covariances are built when they are asked for::

    V_i = sum over random terms and their units u in cluster i of Z_iu G Z_iu' + R_i

Both forms give the same answers to rounding; `choose_layout` takes the cheaper one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import overload

import numpy as np
from numpy.typing import NDArray

from analyses.covariance import to_matrix, upper_triangle
from analyses.crossproducts import (
    Block,
    Codes,
    Designs,
    Layout,
    RandomDesign,
    ResidualDesign,
    clusters_of,
    find_patterns,
    layout_of_patterns,
)

Array = NDArray[np.float64]
NUMBERS = 1 << 17
"""Numbers of the covariance matrices of one block: small enough for a processor's cache, large enough for numpy."""
REDUCED, WHITENED = 6.0, 1.25
"""Clusters a pattern on average below which patterns are slower: than reduced clusters (random effects beside
independent residuals), and than clusters whitened as they are. Measured with 60 to 6,000 clusters of 4 rows."""
MOST_PRODUCTS = 30_000_000
"""Numbers of the patterns' cross-products beyond which clusters are taken one by one, whatever the time: 240 MB."""
FEW = 8
"""Clusters below which it does not matter, and patterns are taken, if they hold few numbers."""
FEW_PRODUCTS = 50_000
"""Numbers that so few clusters' cross-products may hold: a clinic of a hundred rows alone holds more."""


def choose_layout(random: Sequence[RandomDesign], residual: ResidualDesign, columns: int = 0) -> Layout:
    """Layout of patterns where clusters repeat, of single clusters where hardly any do.

    Parameters
    ----------
    random, residual
        The model's designs, rows times the square root of their weights.
    columns
        P, the columns of ``[X U y]``; 0 leaves memory out of the choice.
    """
    n = len(residual.slot)
    clusters = int(clusters_of(random, residual)[0].max()) + 1
    repeats = REDUCED if random and independent(residual) else WHITENED
    if clusters >= FEW:  # else counting the patterns costs nothing
        widest = max((_distinct(term.z) for term in random), default=0)
        if max(widest, residual.n_slots) * repeats > n:
            return own_layout(random, residual)
    blocks = find_patterns(random, residual)
    patterns = sum(block.n_patterns for block in blocks)
    products = sum(block.pairs.stop - block.pairs.start for block in blocks) * columns * (columns + 1) // 2
    few = clusters < FEW and products <= FEW_PRODUCTS
    if (few or patterns * repeats <= clusters) and (products <= MOST_PRODUCTS or products <= n * columns):
        return layout_of_patterns(blocks, random, residual)
    return own_layout(random, residual)


def independent(residual: ResidualDesign) -> bool:
    """Whether residuals are independent of one another and alike."""
    alone = int(residual.subject.max()) + 1 == len(residual.slot)
    return alone and residual.n_groups * residual.elements_a_group == 1


def _distinct(z: Array) -> int:
    """Most distinct values of a column: a lower bound of the distinct rows, at the price of a sort."""
    return max((1 + int(np.count_nonzero(np.diff(np.sort(column)))) for column in z.T), default=0)


def own_layout(random: Sequence[RandomDesign], residual: ResidualDesign) -> Layout:
    """Layout whose patterns are the single clusters, in blocks of equal shape.

    Shape is the number of rows, and of every random term's units. Parameters are those of `choose_layout`.
    """
    cluster, inner = clusters_of(random, residual)
    order = np.lexsort((residual.slot, *reversed(inner), cluster))
    ordered = cluster[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    shape = [np.diff(np.append(starts, len(order)))]
    for term in random:
        unit = term.subject[order]
        # Units of a term stand together only where its subject is the cluster or among those sorted by.
        fresh = np.r_[True, (unit[1:] != unit[:-1]) | (ordered[1:] != ordered[:-1])]
        shape.append(np.add.reduceat(fresh.astype(np.intp), starts))
    shapes, which = np.unique(np.column_stack(shape), axis=0, return_inverse=True)
    blocks: list[Block] = []
    offset = 0
    for at, row in enumerate(shapes):
        size = int(row[0])
        mine = np.flatnonzero(which.reshape(-1) == at)
        step = max(1, NUMBERS // size**2)
        for first in range(0, len(mine), step):
            some = mine[first : first + step]
            n_pairs = len(some) * (size * (size + 1) // 2)
            blocks.append(
                Block(
                    size,
                    order[starts[some][:, None] + np.arange(size)],
                    np.arange(len(some)),
                    np.ones(len(some)),
                    slice(offset, offset + n_pairs),
                )
            )
            offset += n_pairs
    return Layout(
        tuple(blocks),
        np.zeros((0, 0)),
        np.zeros(0),
        len(order),
        len(starts),
        Designs(tuple(random), residual),
    )


def units_of(codes: Codes) -> tuple[Codes, int]:
    """Running number of every row's unit within its cluster, and how many there are; for codes (clusters, m)."""
    fresh = np.zeros(codes.shape, dtype=np.intp)
    fresh[:, 1:] = codes[:, 1:] != codes[:, :-1]
    number = np.cumsum(fresh, axis=1)
    return number, int(number.max()) + 1


@dataclass(frozen=True, slots=True)
class BlockCovariance:
    """Covariances of the clusters of one block as a linear function of the components' elements.

    Attributes
    ----------
    designs
        Z of every random term, shape (clusters, m, q) each.
    together
        Of every random term, which pairs of rows are of one unit, shape (clusters, m, m); None where all are.
    element
        Element of every pair of rows' residual covariance, counted from the residual's first; one beyond the last
        where they are of different subjects. Shape (clusters, m, m).
    first
        Elements of the random terms, which come before the residual's.
    n_elements
        Elements of all components.
    """

    designs: tuple[Array, ...]
    together: tuple[NDArray[np.bool_] | None, ...]
    element: Codes
    first: int
    n_elements: int

    def matrices(self, elements: Array) -> Array:
        """Return V, shape (clusters, m, m), of elements (elements,), or (h, clusters, m, m) of (elements, h)."""
        lines = elements.T
        residual = np.zeros((*lines.shape[:-1], self.n_elements - self.first + 1))
        residual[..., :-1] = lines[..., self.first :]
        total: Array = residual[..., self.element]
        before = 0
        for z, mask in zip(self.designs, self.together, strict=True):
            q = z.shape[-1]
            count = q * (q + 1) // 2
            for at, line in enumerate(lines.reshape(-1, self.n_elements)):
                part = z @ to_matrix(line[before : before + count], q) @ z.transpose(0, 2, 1)
                target = total if elements.ndim == 1 else total[at]
                target += part if mask is None else part * mask
            before += count
        return total

    def score(self, gradient: Array) -> Array:
        """``sum_i tr(F_i dV_i)`` for every element, of symmetric F, shape (clusters, m, m)."""
        found: list[Array] = []
        for z, mask in zip(self.designs, self.together, strict=True):
            inner = gradient if mask is None else gradient * mask
            rows, columns = upper_triangle(z.shape[-1])
            # the sum of Z_i' F_i Z_i as one matrix product
            flat = (inner @ z).reshape(-1, z.shape[-1])
            whole = z.reshape(-1, z.shape[-1]).T @ flat
            found.append((whole[rows, columns]) * np.where(rows == columns, 1.0, 2.0))
        size = self.n_elements - self.first + 1
        summed = np.bincount(self.element.reshape(-1), weights=gradient.reshape(-1), minlength=size)
        return np.concatenate([*found, summed[:-1]])


def block_covariance(block: Block, own: Designs) -> BlockCovariance:
    """Gather what a block's covariances are made of."""
    residual, rows = own.residual, block.rows
    designs, together = [], []
    for term in own.random:
        designs.append(term.z[rows])
        unit = term.subject[rows]
        together.append(
            None if (unit == unit[:, :1]).all() else np.asarray(unit[:, :, None] == unit[:, None, :])
        )
    count = residual.n_groups * residual.elements_a_group
    subject = residual.subject[rows]
    if block.size == 1:
        element = residual.element(rows, rows)[:, :, None]
    else:
        s, t = np.broadcast_arrays(rows[:, :, None], rows[:, None, :])
        same = subject[:, :, None] == subject[:, None, :]
        element = np.full(same.shape, count, dtype=np.intp)
        element[same] = residual.element(s[same], t[same])
    first = sum(term.z.shape[1] * (term.z.shape[1] + 1) // 2 for term in own.random)
    return BlockCovariance(tuple(designs), tuple(together), element, first, first + count)


@dataclass(frozen=True, slots=True)
class OwnInverses(Sequence[Array]):
    """``V^-1`` of every cluster by block of a layout, each computed when it is asked for.

    Attributes
    ----------
    layout
        A layout of single clusters.
    elements
        Elements of all components' covariance matrices.
    """

    layout: Layout
    elements: Array

    def __len__(self) -> int:
        return len(self.layout.blocks)

    @overload
    def __getitem__(self, at: int) -> Array: ...

    @overload
    def __getitem__(self, at: slice) -> Sequence[Array]: ...

    def __getitem__(self, at: int | slice) -> Array | Sequence[Array]:
        """Return one block's inverses, shape (clusters, m, m), or those of several blocks."""
        if isinstance(at, slice):
            return tuple(self[which] for which in range(*at.indices(len(self))))
        assert self.layout.own is not None  # these are inverses of a layout of single clusters
        covariances = block_covariance(self.layout.blocks[at], self.layout.own).matrices(self.elements)
        return np.asarray(np.linalg.inv(covariances), dtype=float)

    def __iter__(self) -> Iterator[Array]:
        return (self[at] for at in range(len(self)))
