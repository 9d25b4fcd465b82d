"""The data, once, as cross-products per pattern of rows within a cluster.

A Gaussian mixed model needs the data only through ``C_k[s, t] = sum_i w_is w_it'``, where the sum runs over the
clusters i (patients) of pattern k, ``w_is`` is row s of ``[X y]`` of cluster i, and a pattern is all that the
covariance of a cluster depends on: the slots (visits, arms) of its rows, which rows share a lesion, the random effects'
design and the covariance group. After this one pass an evaluation of the likelihood costs nothing that grows with the
number of clusters.

Everything symmetric is kept packed: of pairs of rows s <= t the sum ``C[s,t] + C[t,s]`` (``C[s,s]`` on the diagonal),
and of that symmetric matrix its upper triangle. All patterns' pairs stand below each other in one array, so that
``X'V^-1 X`` is one matrix product.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from analyses.covariance import square_index, upper_multiplicity, upper_triangle
from analyses.design.grouping import equal_rows, same_partition, sorted_order
from outcomes.errors import ModelError

Array = NDArray[np.float64]
Codes = NDArray[np.intp]
DENSE = 1_000_000
"""Size below which the map from elements to pairs is kept dense: faster, and small beside the cross-products."""


@dataclass(frozen=True, slots=True)
class RandomDesign:
    """Random effects of one term.

    Attributes
    ----------
    z
        Columns of the effects, shape (n, q).
    subject
        Unit which has the effects, as a code per row, shape (n,).
    """

    z: Array
    subject: Codes


@dataclass(frozen=True, slots=True)
class ResidualDesign:
    """Where each row stands in the residual covariance.

    Attributes
    ----------
    slot
        Level of the coordinate, shape (n,).
    subject
        Unit within which residuals are correlated, shape (n,).
    group
        Covariance group, shape (n,).
    n_slots, n_groups
        Their numbers.
    time, lags
        Where a covariance depends on the distance in time alone: every row's time, shape (n,), and the distances that
        occur within a subject, ascending from zero. The covariance's elements are then those of the distances.
    """

    slot: Codes
    subject: Codes
    group: Codes
    n_slots: int
    n_groups: int
    time: Array | None = None
    lags: Array | None = None

    @property
    def elements_a_group(self) -> int:
        """Elements of one group's covariance: a packed upper triangle over the slots, or one a distance."""
        return self.n_slots * (self.n_slots + 1) // 2 if self.lags is None else len(self.lags)

    def element(self, s: Codes, t: Codes) -> Codes:
        """Return the element of the residual covariance between rows s and t of one subject, of any shape."""
        if self.time is not None and self.lags is not None:
            within = np.searchsorted(self.lags, np.abs(self.time[s] - self.time[t]))
        else:
            low = np.minimum(self.slot[s], self.slot[t])
            high = np.maximum(self.slot[s], self.slot[t])
            within = low * self.n_slots - low * (low - 1) // 2 + high - low
        element: Codes = self.group[s] * self.elements_a_group + within
        return element


@dataclass(frozen=True, slots=True)
class Designs:
    """What the clusters' covariances are made of: the random terms and the residual."""

    random: tuple[RandomDesign, ...]
    residual: ResidualDesign


@dataclass(frozen=True, slots=True)
class Block:
    """The patterns that have the same number of rows.

    Attributes
    ----------
    size
        Rows of a cluster, m.
    rows
        Row numbers of every cluster, pattern by pattern, shape (clusters, m).
    pattern
        Pattern of every cluster, ascending from 0, shape (clusters,).
    counts
        Clusters of every pattern, shape (k,).
    pairs
        Where the block's pairs stand in the packed arrays; k times m (m + 1) / 2 of them.
    """

    size: int
    rows: Codes
    pattern: Codes
    counts: Array
    pairs: slice

    @property
    def n_patterns(self) -> int:
        """Number of patterns."""
        return len(self.counts)

    def unpack(self, packed: Array) -> Array:
        """Symmetric matrices of packed pairs: (..., pairs) to (..., k, m, m)."""
        mine = packed[..., self.pairs]
        split = mine.reshape(*mine.shape[:-1], self.n_patterns, self.size * (self.size + 1) // 2)
        return split[..., square_index(self.size)]

    def pack(self, matrices: Array) -> Array:
        """Pairs of symmetric matrices: (..., k, m, m) to (..., pairs of this block)."""
        rows, columns = upper_triangle(self.size)
        packed = matrices[..., rows, columns]
        return packed.reshape(*packed.shape[:-2], -1)


@dataclass(frozen=True, slots=True)
class Layout:
    """Clusters and their patterns, before any response is seen.

    Attributes
    ----------
    blocks
        Patterns by number of rows.
    elements
        Derivative of every packed pair's covariance by every element of the components' covariance
        matrices (elements x pairs; sparse where it is large): ``Sigma = elements.T @ phi`` is linear in them.
    multiplicity
        How often a packed pair stands in its matrix: 1 on the diagonal, else 2; shape (pairs,).
    n_rows, n_clusters
        Their numbers.
    own
        Where hardly any clusters are alike, so that each is taken as a pattern of its own
        (`analyses.engine.own_patterns`): their designs. ``elements`` and ``multiplicity`` are then empty.
    """

    blocks: tuple[Block, ...]
    elements: sparse.csr_array | Array
    multiplicity: Array
    n_rows: int
    n_clusters: int
    own: Designs | None = None

    @property
    def n_pairs(self) -> int:
        """Packed pairs of all patterns."""
        return int(self.blocks[-1].pairs.stop)


@dataclass(frozen=True, slots=True)
class CrossProducts:
    """Packed cross-products of ``W = [X y]`` with their layout.

    Attributes
    ----------
    layout
        The patterns.
    products
        Shape (pairs, P (P + 1) / 2), where P counts the columns of W; sparse where most columns are nearly empty
        (`analyses.engine.sparse_products`).
    n_columns
        P.
    """

    layout: Layout
    products: Array | sparse.csr_array
    n_columns: int


def nesting(subjects: Sequence[Codes]) -> tuple[Codes, list[Codes]]:
    """Return the cluster of every row, and the subjects nested in it.

    Parameters
    ----------
    subjects
        Codes of every term's subject, shape (n,) each.

    Returns
    -------
    cluster, inner
        The coarsest subject, and the others from coarse to fine without repeats.

    Raises
    ------
    ModelError
        Where two subjects cross, so that no cluster holds them.
    """
    if not nested(subjects):
        raise ModelError(
            "two subjects of the covariance cross each other",
            expected="subjects nested in one another, such as patient and patient:lesion",
            got="units of one subject that occur with several units of the other",
            hint="give a crossed factor with few levels (rater, clinic) a random intercept of its own",
        )
    unique = _coarse_to_fine(subjects)
    return unique[0], unique[1:]


def nested(subjects: Sequence[Codes]) -> bool:
    """Whether each subject nests in the next coarser one."""
    for coarse, fine in pairwise(_coarse_to_fine(subjects)):
        parent = np.full(int(fine.max()) + 1, -1, dtype=np.intp)
        parent[fine] = coarse
        if not np.array_equal(parent[fine], coarse):
            return False
    return True


def _coarse_to_fine(subjects: Sequence[Codes]) -> list[Codes]:
    """Subjects by their number of units, without repeats."""
    unique: list[Codes] = []
    for codes in sorted(subjects, key=lambda codes: int(codes.max()) + 1):
        if not unique or not same_partition(codes, unique[-1]):
            unique.append(codes)
    return unique


def make_layout(random: Sequence[RandomDesign], residual: ResidualDesign) -> Layout:
    """Group the clusters by pattern.

    Units that the model treats alike (the lesions of a patient) are put into a canonical order within the patient
    first, so that patients whose lesions differ only in their labels share a pattern.

    Parameters
    ----------
    random
        Random terms.
    residual
        Residual covariance; independent residuals have each row as a subject of its own.

    Returns
    -------
    Layout
    """
    return layout_of_patterns(find_patterns(random, residual), random, residual)


def clusters_of(random: Sequence[RandomDesign], residual: ResidualDesign) -> tuple[Codes, list[Codes]]:
    """Cluster of every row and the subjects nested in it (`nesting`).

    Independent residuals, each row a subject of its own, count only where there are no random terms.
    """
    independent = int(residual.subject.max()) + 1 == len(residual.slot)
    return nesting([term.subject for term in random] + ([] if independent and random else [residual.subject]))


def find_patterns(random: Sequence[RandomDesign], residual: ResidualDesign) -> tuple[Block, ...]:
    """Patterns of the clusters, without what depends on their elements."""
    n = len(residual.slot)
    cluster, inner = clusters_of(random, residual)
    code = equal_rows([residual.slot, residual.group, *(column for term in random for column in term.z.T)])
    order, position, pattern_of_cluster = _canonical(cluster, inner, code)
    starts = np.flatnonzero(position == 0)
    sizes = np.diff(np.append(starts, n))
    blocks: list[Block] = []
    offset = 0
    for size in map(int, np.flatnonzero(np.bincount(sizes))):
        mine = np.flatnonzero(sizes == size)
        mine = mine[np.argsort(pattern_of_cluster[mine], kind="stable")]
        rows = order[starts[mine][:, None] + np.arange(size)]
        found = pattern_of_cluster[mine]
        pattern = np.cumsum(np.r_[False, found[1:] != found[:-1]])
        counts = np.bincount(pattern).astype(float)
        n_pairs = len(counts) * (size * (size + 1) // 2)
        blocks.append(Block(size, rows, pattern, counts, slice(offset, offset + n_pairs)))
        offset += n_pairs
    return tuple(blocks)


def layout_of_patterns(
    blocks: Sequence[Block], random: Sequence[RandomDesign], residual: ResidualDesign
) -> Layout:
    """Layout of patterns found before."""
    elements = _element_map(blocks, random, residual)
    return Layout(
        blocks=tuple(blocks),
        elements=elements,
        multiplicity=_multiplicity(blocks),
        n_rows=len(residual.slot),
        n_clusters=sum(len(block.rows) for block in blocks),
    )


def _multiplicity(blocks: Sequence[Block]) -> Array:
    return np.concatenate([np.tile(upper_multiplicity(block.size), block.n_patterns) for block in blocks])


def _canonical(cluster: Codes, inner: list[Codes], code: Codes) -> tuple[Codes, Codes, Codes]:
    """Order rows by cluster and canonically within it.

    Returns the order, each row's position within its cluster, and the pattern of every cluster.
    """
    n = len(cluster)
    if len(inner) == 1:
        fine = _canonical_units(inner[0], code)
        order = sorted_order([cluster, fine, inner[0], code])
        keys = [inner[0][order], code[order]]
    else:
        order = sorted_order([cluster, *inner, code])
        keys = [*(codes[order] for codes in inner), code[order]]
    ordered = cluster[order]
    fresh = np.r_[True, ordered[1:] != ordered[:-1]]
    number = np.cumsum(fresh) - 1
    starts = np.flatnonzero(fresh)
    position = np.arange(n) - starts[number]
    # Units are named by their rank within the cluster, so that labels do not make patterns.
    columns = [_rank_within(key, fresh, number, starts) for key in keys[:-1]] + [keys[-1]]
    width = int(position.max()) + 1
    table = np.full((int(number[-1]) + 1, width * len(columns)), -1, dtype=np.intp)
    for at, column in enumerate(columns):
        table[number, position + at * width] = column
    return order, position, equal_rows(table.T)


def _rank_within(key: Codes, fresh: NDArray[np.bool_], number: Codes, starts: Codes) -> Codes:
    """Running number of a unit within its cluster, rows being sorted by it."""
    change = np.r_[True, key[1:] != key[:-1]] | fresh
    running = np.cumsum(change) - 1
    ranked: Codes = running - running[starts][number]
    return ranked


def _canonical_units(unit: Codes, code: Codes) -> Codes:
    """Code of every row's unit by the rows that it holds: equal units get equal codes."""
    order = sorted_order([unit, code])
    ordered = unit[order]
    fresh = np.r_[True, ordered[1:] != ordered[:-1]]
    number = np.cumsum(fresh) - 1
    position = np.arange(len(unit)) - np.flatnonzero(fresh)[number]
    table = np.full((int(number[-1]) + 1, int(position.max()) + 1), -1, dtype=np.intp)
    table[number, position] = code[order]
    signature = equal_rows(table.T)
    # Numbered by content and not by appearance, so that chunks of one data set agree on the order of units.
    first = np.empty(int(signature.max()) + 1, dtype=np.intp)
    first[signature[::-1]] = np.arange(len(signature))[::-1]
    rank = np.empty(len(first), dtype=np.intp)
    rank[np.lexsort(table[first].T[::-1])] = np.arange(len(first))
    codes = np.empty(len(unit), dtype=np.intp)
    codes[order] = rank[signature[number]]
    return codes


def _element_map(
    blocks: Sequence[Block], random: Sequence[RandomDesign], residual: ResidualDesign
) -> sparse.csr_array | Array:
    """Map from covariance elements (random terms, then residual groups) to the packed pairs; sparse where large."""
    one, other = [], []
    for block in blocks:
        first_of_pattern = np.searchsorted(block.pattern, np.arange(block.n_patterns))
        representative = block.rows[first_of_pattern]
        rows, columns = upper_triangle(block.size)
        one.append(representative[:, rows].reshape(-1))
        other.append(representative[:, columns].reshape(-1))
    s, t = np.concatenate(one), np.concatenate(other)
    # Rows, columns and values of what is not zero.
    found: list[tuple[Codes, Codes, Array]] = []
    line = 0
    for term in random:
        same = np.flatnonzero(term.subject[s] == term.subject[t])
        zs, zt = term.z[s[same]], term.z[t[same]]
        for a, b in zip(*upper_triangle(term.z.shape[1]), strict=True):
            product = zs[:, a] * zt[:, b]
            if a != b:
                product = product + zs[:, b] * zt[:, a]
            found.append((np.full(len(same), line), same, product))
            line += 1
    same = np.flatnonzero(residual.subject[s] == residual.subject[t])
    found.append((line + residual.element(s[same], t[same]), same, np.ones(len(same))))
    lines, pairs, values = (np.concatenate(parts) for parts in zip(*found, strict=True))
    shape = (line + residual.n_groups * residual.elements_a_group, len(s))
    if shape[0] * shape[1] >= DENSE:
        return sparse.csr_array((values, (lines, pairs)), shape=shape)
    dense = np.zeros(shape)
    dense[lines, pairs] = values
    return dense


def accumulate(layout: Layout, w: Array) -> CrossProducts:
    """Form the cross-products of the rows of W in one pass.

    Parameters
    ----------
    layout
        The patterns.
    w
        ``[X y]``, shape (n, P); centred and scaled by the caller, so that nothing cancels.

    Returns
    -------
    CrossProducts
    """
    columns = w.shape[1]
    p_rows, p_columns = upper_triangle(columns)
    products = np.empty((layout.n_pairs, len(p_rows)))
    for block in layout.blocks:
        m = block.size
        rows, others = upper_triangle(m)
        out = products[block.pairs].reshape(block.n_patterns, len(rows), len(p_rows))
        bounds = np.searchsorted(block.pattern, np.arange(block.n_patterns + 1))
        # Where C[s,t][p,q] and its mirror C[s,t][q,p] stand among the products of all columns of all rows.
        left, right = rows[:, None] * columns, others[:, None] * columns
        place = (left + p_rows) * (m * columns) + right + p_columns
        mirror = (left + p_columns) * (m * columns) + right + p_rows
        scale = np.where(rows == others, 0.5, 1.0)[:, None]
        for k in range(block.n_patterns):
            mine = w[block.rows[bounds[k] : bounds[k + 1]]].reshape(-1, m * columns)
            full = (mine.T @ mine).reshape(-1)
            np.take(full, place, out=out[k])
            out[k] += full[mirror]
            out[k] *= scale
    return CrossProducts(layout, products, columns)
