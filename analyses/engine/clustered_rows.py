"""Rows of a model with random effects, gathered by cluster: padded, and alike ones merged and counted.

A cluster is a unit of the coarsest grouping; the random effects of its subunits (lesions of a patient) are its
own too, so clusters are independent. Rows with the same design, response and random effects count as one row with
their summed weight, and clusters with the same rows as one cluster with their number: a factorial trial without
continuous covariates has few different patients.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analyses.links.response_likelihood import RowLikelihood
from outcomes.errors import FormulaError

__all__ = ["Block", "ClusteredRows", "RandomPart", "gather", "random_part", "unique_rows"]

Array = NDArray[np.float64]
Codes = NDArray[np.intp]
CELLS = 8000
"""Clusters times rows of a block: arrays of seven nodes then stay in a processor's cache."""
FEW_CELLS = 4000
"""Clusters times rows up to which padding all clusters to one size costs less than a second block."""


@dataclass(frozen=True, slots=True, eq=False)
class RandomPart:
    """The random terms of a model.

    Attributes
    ----------
    z
        Effects' columns of every term, shapes (n, q_t).
    unit
        Unit of every row, shape (n,), for every term: 0 to units - 1.
    correlated
        Whether the effects of each term are correlated.
    cluster
        Cluster of every row, shape (n,): units of the coarsest grouping.
    slot
        Position of every unit among the units of its cluster, one array a term.
    """

    z: tuple[Array, ...]
    unit: tuple[Codes, ...]
    correlated: tuple[bool, ...]
    cluster: Codes
    slot: tuple[Codes, ...]

    @property
    def entries(self) -> tuple[tuple[int, int, int], ...]:
        """Parameters of the Cholesky factors: term, row and column of each, row by row."""
        return tuple(
            (term, row, column)
            for term, (z, free) in enumerate(zip(self.z, self.correlated, strict=True))
            for row in range(z.shape[1])
            for column in (range(row + 1) if free else (row,))
        )

    def factors(self, values: Array) -> tuple[Array, ...]:
        """Lower factor of every term's covariance, from the values of `entries`."""
        matrices = [np.zeros((z.shape[1], z.shape[1])) for z in self.z]
        for (term, row, column), value in zip(self.entries, values, strict=True):
            matrices[term][row, column] = value
        return tuple(matrices)


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Clusters of about one size, padded to m rows of weight zero and d random effects.

    Attributes
    ----------
    likelihood
        The rows' log-likelihoods, taken in the shape (clusters, m).
    design
        Design of each predictor, shape (clusters, m, fixed parameters).
    offset
        What is added to each predictor, shape (clusters, m).
    weight
        Weights of the rows, shape (clusters, m); zero for padding.
    z
        Random effects' columns, shape (clusters, m, d).
    count
        Clusters that each one stands for, shape (clusters,).
    tangents
        Derivative of the factor of all d effects by each covariance parameter, shape (parameters, d, d).
    slots
        First effect of every term among the d.
    """

    likelihood: RowLikelihood
    design: tuple[Array, ...]
    offset: tuple[Array, ...]
    weight: Array
    z: Array
    count: Array
    tangents: Array
    slots: tuple[int, ...]

    @property
    def n_effects(self) -> int:
        """Number of random effects, d."""
        return int(self.z.shape[2])


@dataclass(frozen=True, slots=True, eq=False)
class ClusteredRows:
    """All blocks, with the place of every cluster.

    Attributes
    ----------
    blocks
        The clusters.
    block, position
        Where each cluster of the data is found, shape (clusters,).
    entries
        Covariance parameters, as `RandomPart.entries`.
    n_fixed
        Number of fixed parameters.
    """

    blocks: tuple[Block, ...]
    block: Codes
    position: Codes
    entries: tuple[tuple[int, int, int], ...]
    n_fixed: int


def random_part(
    z: Sequence[Array], unit: Sequence[Codes], correlated: Sequence[bool], names: Sequence[str]
) -> RandomPart:
    """Find the clusters of several random terms.

    Parameters
    ----------
    z, unit, correlated
        As in `RandomPart`, at least one term.
    names
        The terms as written.

    Raises
    ------
    FormulaError
        Where no grouping holds all others: crossed random effects.
    """
    coarsest = min(range(len(unit)), key=lambda at: int(unit[at].max()))
    cluster = unit[coarsest]
    slots = []
    for at, codes in enumerate(unit):
        pairs, first = np.unique(codes, return_index=True)
        home = cluster[first]
        if np.any(home[codes] != cluster):
            raise FormulaError(
                "crossed random effects are not available for grades, responders and counts",
                expected="groupings that nest, such as (1 | patient/lesion)",
                got=f"{names[at]} beside {names[coarsest]}",
                hint="put the grouping with few levels (rater, clinic) into the fixed effects, or name it within "
                "the patient, such as (1 | patient:rater); R's ordinal::clmm and lme4::glmer fit crossed effects",
            )
        order = np.argsort(home, kind="stable")
        starts = np.concatenate([[0], np.cumsum(np.bincount(home))])
        slot = np.empty(len(pairs), dtype=np.intp)
        slot[order] = np.arange(len(pairs)) - starts[home[order]]
        slots.append(slot)
    return RandomPart(tuple(z), tuple(unit), tuple(correlated), cluster, tuple(slots))


def unique_rows(matrix: Array) -> tuple[Codes, Codes]:
    """Return the position of the first row of each kind and the kind of every row.

    Rows that differ never share a kind. Rows that are equal nearly always do: they are found by one random
    projection, which is sorted much faster than the rows, and checked.
    """
    if not matrix.shape[1]:
        return np.zeros(1, dtype=np.intp), np.zeros(len(matrix), dtype=np.intp)
    finite = np.where(np.isfinite(matrix), matrix, np.sign(matrix) * 1e150)
    size = np.maximum(np.abs(finite).max(axis=0), 1e-300)
    direction = np.random.default_rng(0).uniform(1.0, 2.0, matrix.shape[1])
    # summed row by row: a matrix product rounds equal rows differently
    key = np.ascontiguousarray(finite / size * direction).sum(axis=1)
    _, first, kind = np.unique(key, return_index=True, return_inverse=True)
    kind = kind.reshape(-1)
    if not np.array_equal(matrix[first][kind], matrix):
        _, first, kind = np.unique(matrix, axis=0, return_index=True, return_inverse=True)
    return first.astype(np.intp), kind.reshape(-1).astype(np.intp)


def gather(
    likelihood: RowLikelihood,
    design: tuple[Array, ...],
    offset: tuple[Array, ...],
    response: Array,
    weights: Array,
    random: RandomPart | None,
) -> ClusteredRows:
    """Gather rows by cluster.

    Parameters
    ----------
    likelihood
        Log-likelihoods of the n rows.
    design
        Design of each predictor, shape (n, fixed parameters).
    offset
        What is added to each predictor, shape (n,); infinite where a grade has no threshold on that side.
    response
        What tells the rows' likelihoods apart, shape (n, columns).
    weights
        Weights of the rows' log-likelihoods, shape (n,).
    random
        Random terms; None where rows are independent.
    """
    n_fixed = design[0].shape[1]
    columns = [*design, *(part[:, None] for part in offset), response]
    if random is None:
        first, kind = unique_rows(np.column_stack(columns))
        summed = np.bincount(kind, weights=weights).astype(float)
        whole = _block(
            likelihood, design, offset, first[:, None], np.ones((len(first), 1)), summed, None, None
        )
        return ClusteredRows((whole,), np.zeros(len(kind), dtype=np.intp), kind, (), n_fixed)
    for z, unit, slot in zip(random.z, random.unit, random.slot, strict=True):
        columns += [z, slot[unit][:, None].astype(float)]
    first, kind = unique_rows(np.column_stack(columns))
    clusters, rows, weight = _merged(random.cluster, kind, weights)
    sizes = np.bincount(clusters)
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    classes = np.ceil(np.log2(np.maximum(sizes, 1))).astype(int)
    if len(sizes) * int(sizes.max()) <= FEW_CELLS:
        classes[:] = 0
    found: list[Block] = []
    block, position = np.empty(len(sizes), dtype=np.intp), np.empty(len(sizes), dtype=np.intp)
    for size_class in np.unique(classes):
        mine = np.flatnonzero(classes == size_class)
        width = int(sizes[mine].max())
        at = starts[mine][:, None] + np.arange(width)
        inside = np.arange(width) < sizes[mine][:, None]
        at = np.where(inside, at, starts[mine][:, None])
        padded_rows, padded_weight = rows[at], np.where(inside, weight[at], 0.0)
        head, alike = unique_rows(np.hstack([padded_rows.astype(float), padded_weight]))
        count = np.bincount(alike).astype(float)
        size = max(1, CELLS // width)
        block[mine], position[mine] = len(found) + alike // size, alike % size
        for start in range(0, len(head), size):
            part = slice(start, start + size)
            chosen = head[part]
            found.append(
                _block(
                    likelihood,
                    design,
                    offset,
                    first[padded_rows[chosen]],
                    padded_weight[chosen],
                    count[part],
                    random,
                    inside[chosen],
                )
            )
    return ClusteredRows(tuple(found), block, position, random.entries, n_fixed)


def _merged(cluster: Codes, kind: Codes, weights: Array) -> tuple[Codes, Codes, Array]:
    """Rows of each kind within each cluster, by cluster and kind: cluster, kind and summed weight."""
    pair = cluster * (int(kind.max()) + 1) + kind
    pairs, where = np.unique(pair, return_inverse=True)
    weight = np.bincount(where.reshape(-1), weights=weights).astype(float)
    return pairs // (int(kind.max()) + 1), pairs % (int(kind.max()) + 1), weight


def _block(
    likelihood: RowLikelihood,
    design: tuple[Array, ...],
    offset: tuple[Array, ...],
    rows: Codes,
    weight: Array,
    count: Array,
    random: RandomPart | None,
    inside: NDArray[np.bool_] | None,
) -> Block:
    z, tangents = np.zeros((*rows.shape, 0)), np.zeros((0, 0, 0))
    slots: tuple[int, ...] = ()
    if random is not None and inside is not None:
        z, tangents, slots = _effects(random, rows, inside)
    return Block(
        likelihood.take(rows),
        tuple(part[rows] for part in design),
        tuple(part[rows] for part in offset),
        weight,
        z,
        count,
        tangents,
        slots,
    )


def _effects(
    random: RandomPart, rows: Codes, inside: NDArray[np.bool_]
) -> tuple[Array, Array, tuple[int, ...]]:
    """Columns of all effects of a cluster, the factor's tangents, and the first effect of every term."""
    places = [slot[unit][rows] for unit, slot in zip(random.unit, random.slot, strict=True)]
    units = [int(place[inside].max()) + 1 for place in places]
    widths = [z.shape[1] for z in random.z]
    starts = np.concatenate([[0], np.cumsum(np.multiply(units, widths))]).astype(int)
    whole = np.zeros((*rows.shape, int(starts[-1])))
    cluster, row = np.nonzero(inside)
    for term, (place, z) in enumerate(zip(places, random.z, strict=True)):
        for effect in range(widths[term]):
            at = starts[term] + place[inside] * widths[term] + effect
            whole[cluster, row, at] = z[rows[inside], effect]
    tangents = np.zeros((len(random.entries), int(starts[-1]), int(starts[-1])))
    for parameter, (term, i, j) in enumerate(random.entries):
        first = starts[term] + np.arange(units[term]) * widths[term]
        tangents[parameter, first + i, first + j] = 1.0
    return whole, tangents, tuple(int(start) for start in starts[:-1])
