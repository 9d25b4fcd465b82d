"""Random effects whose designs do not repeat, beside independent residuals: clusters stacked, rows reduced.

With ``Z_i`` the design of all effects of cluster i (J columns, m rows), Householder's reflections turn its rows, and
those of ``W_i = [X_i y_i]``, so that only the first r = min(m, J) rows of the turned design are not zero::

    H_i Z_i = [R_i; 0],    H_i W_i = [T_i; E_i],    V_i = H_i' (sigma2 I + [R_i G R_i', 0; 0, 0]) H_i

so that the data enter by r rows a cluster, whatever its size, and by one matrix of sums::

    W'V^-1 W = sum_i T_i' M_i^-1 T_i + (1 / sigma2) sum_i E_i'E_i,    M_i = sigma2 I + R_i G R_i'
    log|V|   = sum_i log|M_i| + (n - sum_i r_i) log sigma2

Every term is a sum of squares: nothing cancels when G is large beside sigma2, and nothing is inverted that is singular
where G is. With ``M_i = L_i L_i'`` and ``D_e`` whitened on both sides, the likelihood's other questions are sums over
clusters of products of r x r matrices. Arrays have the clusters last, so that arithmetic on matrices of two rows is
arithmetic on long vectors.

Golub and Van Loan (2013), Matrix Computations, section 5.1; the reduction by cluster is that of Lindstrom and Bates
(1988), Journal of the American Statistical Association 83:1014-1022, section 4.1.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analyses.covariance import to_matrix, upper_triangle
from analyses.crossproducts import Block, Designs, Layout
from analyses.engine.cluster_products import Slopes, Whitened, signed_root
from analyses.engine.own_patterns import OwnInverses, independent, units_of

Array = NDArray[np.float64]
NUMBERS = 1 << 15
"""Numbers of the columns of one block, few enough for a processor's cache."""
MOST_ROWS = 12
"""Reduced rows of a cluster up to which arithmetic by element on long vectors is faster than matrix by matrix."""


@dataclass(frozen=True, slots=True)
class ReducedBlock:
    """Clusters of equal shape, reduced.

    Attributes
    ----------
    design
        R_i: effect by effect, unit by unit and term by term, shape (J, r, clusters).
    columns
        T_i, shape (r, P, clusters).
    units
        Units a cluster of every term.
    """

    design: Array
    columns: Array
    units: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class BatchedProducts:
    """A `analyses.engine.cluster_products.ClusterProducts` of reduced clusters.

    Attributes
    ----------
    layout
        Its clusters, each a pattern of its own.
    blocks
        What remains of them.
    rest
        ``sum_i E_i'E_i``, shape (P, P).
    n_rest
        Rows that it sums over.
    effects
        Effects of a unit of every random term.
    """

    layout: Layout
    blocks: tuple[ReducedBlock, ...]
    rest: Array
    n_rest: int
    effects: tuple[int, ...]

    @property
    def n_rows(self) -> int:
        """Number of rows of the data."""
        return self.layout.n_rows

    @property
    def n_columns(self) -> int:
        """P, the number of columns of W."""
        return len(self.rest)

    def whiten(self, elements: Array) -> Whitened | None:
        """The columns at a covariance, or None where it is not positive definite."""
        residual = float(elements[-1])
        if not (residual > 0 and np.all(np.isfinite(elements))):
            return None
        covariances = self._covariances(elements)
        log_determinant, totals, state = self.n_rest * float(np.log(residual)), self.rest / residual, []
        for block in self.blocks:
            lower = _cholesky(_reduced_covariance(block, covariances, residual))
            if lower is None:
                return None
            log_determinant += 2.0 * sum(float(np.log(lower[at, at]).sum()) for at in range(len(lower)))
            white = _forward(lower, block.columns)
            for row in white:
                totals += row @ row.T
            state.append((lower, white))
        return Whitened(log_determinant, totals, (elements, state)) if np.all(np.isfinite(totals)) else None

    def differentiate(self, at: Whitened, directions: Array, weights: Array) -> Slopes:
        """Derivatives along directions (elements, h), with matrices of weights (k, P, P)."""
        elements, state = at.state
        count, residual = len(elements), float(elements[-1])
        weighted = self._rest_alone(self.rest, residual**2, count)
        traces = self._rest_alone(np.float64(self.n_rest), residual**2, count, count)
        of_rest = np.einsum("kpq,pq->k", weights, self.rest)
        quadratic = np.stack([self._rest_alone(one, residual**3, count, count) for one in of_rest])
        score = self._rest_alone(np.float64(self.n_rest - of_rest[0] / residual), residual, count)
        for block, (lower, white) in zip(self.blocks, state, strict=True):
            design = _forward_design(lower, block.design)
            slopes = self._whitened_slopes(block, lower, design)
            weighted += self._weighted(block, lower, white, design)
            flat = slopes.reshape(count, -1)
            traces += flat @ flat.T
            for which, one in enumerate(weights):
                inner = _sandwiched(white, one)
                quadratic[which] += flat @ _times(slopes, inner).reshape(count, -1).T
                if which == 0:
                    score += flat @ (_identity_like(inner) - inner).reshape(-1)
        return Slopes(
            weighted=np.tensordot(directions.T, weighted, axes=1),
            pair_traces=directions.T @ traces @ directions,
            quadratic=directions.T @ quadratic @ directions,
            score=score,
        )

    def weighted(self, at: Whitened, directions: Array) -> Array:
        """``N_h`` alone, shape (h, P, P)."""
        elements, state = at.state
        total = self._rest_alone(self.rest, float(elements[-1]) ** 2, len(elements))
        for block, (lower, white) in zip(self.blocks, state, strict=True):
            total += self._weighted(block, lower, white, _forward_design(lower, block.design))
        found: Array = np.tensordot(directions.T, total, axes=1)
        return found

    def second_order(self, at: Whitened, directions: Array, w: Array) -> Array:
        """``sum_hg w_hg Q_hg`` for a symmetric w, shape (P, P): a square of sums along each eigenvector of w."""
        elements, state = at.state
        signs, root = signed_root(w)
        along = (directions @ root).T
        total: Array = float(signs @ along[:, -1] ** 2) / float(elements[-1]) ** 3 * self.rest
        for block, (lower, white) in zip(self.blocks, state, strict=True):
            slopes = self._whitened_slopes(block, lower, _forward_design(lower, block.design))
            turned = (along @ slopes.reshape(len(elements), -1)).reshape(len(along), *slopes.shape[1:])
            for sign, one in zip(signs, turned, strict=True):
                for row in one:
                    moved = sum(row[s] * white[s] for s in range(len(white)))
                    total += sign * (moved @ moved.T)
        return total

    def inverses(self, at: Whitened) -> Sequence[Array]:
        """``V^-1`` of every cluster by block of the layout, computed when asked for."""
        return OwnInverses(self.layout, at.state[0])

    def response_moments(self, n_elements: int) -> tuple[Array, Array]:
        """Sum of squared responses and their number: the residual has one element."""
        assert n_elements == 1  # `reducible` lets no other model pass
        total = float(self.rest[-1, -1]) + sum(float((b.columns[:, -1] ** 2).sum()) for b in self.blocks)
        return np.array([total]), np.array([float(self.n_rows)])

    def _covariances(self, elements: Array) -> list[Array]:
        found, before = [], 0
        for q in self.effects:
            count = q * (q + 1) // 2
            found.append(to_matrix(elements[before : before + count], q))
            before += count
        return found

    def _rest_alone(self, value: Array | np.floating, divisor: float, *shape: int) -> Array:
        """Zeros but for the residual's element (the last), which has ``value / divisor``."""
        whole = np.zeros((*shape, *np.shape(value)))
        whole[(-1,) * len(shape)] = value / divisor
        return whole

    def _whitened_slopes(self, block: ReducedBlock, lower: Array, design: Array) -> Array:
        """``L^-1 D_e L^-T`` of every element, shape (elements, r, r, clusters)."""
        found: list[Array] = []
        for part in _units(design, block.units, self.effects):
            for a, b in zip(*upper_triangle(part.shape[1]), strict=True):
                outer = sum(unit[a][:, None] * unit[b][None] for unit in part)
                found.append(outer if a == b else outer + np.swapaxes(outer, 0, 1))
        inverse = _lower_inverse(lower)
        found.append((inverse[:, None] * inverse[None]).sum(axis=2))
        return np.stack(found)

    def _weighted(self, block: ReducedBlock, lower: Array, white: Array, design: Array) -> Array:
        """``N_e`` of every element, shape (elements, P, P)."""
        found: list[Array] = []
        p = white.shape[1]
        for part in _units(design, block.units, self.effects):
            q = part.shape[1]
            total = np.zeros((q * p, q * p))
            for unit in part:
                moved = np.stack([_row_sum(effect, white) for effect in unit]).reshape(q * p, -1)
                total += moved @ moved.T
            pairs = total.reshape(q, p, q, p)
            for a, b in zip(*upper_triangle(q), strict=True):
                found.append(pairs[a, :, b] if a == b else pairs[a, :, b] + pairs[b, :, a])
        twice = _backward(lower, white)
        found.append(sum((row @ row.T for row in twice), np.zeros((p, p))))
        return np.stack(found)


def reducible(own: Designs, blocks: Sequence[Block]) -> bool:
    """Whether a model is of random effects and independent residuals, and its clusters reduce to few rows."""
    if not (own.random and independent(own.residual)):
        return False
    return all(min(block.size, _columns(own, block)) <= MOST_ROWS for block in blocks)


def _columns(own: Designs, block: Block) -> int:
    first = block.rows[:1]
    return sum(units_of(term.subject[first])[1] * term.z.shape[1] for term in own.random)


def batch(layout: Layout, w: Array) -> BatchedProducts:
    """Reduce the clusters in one pass.

    Parameters
    ----------
    layout
        Of single clusters, with a model that is `reducible`.
    w
        ``[X y]``, shape (n, P).
    """
    assert layout.own is not None  # `make_products` asks for no other
    rest, n_rest = np.zeros((w.shape[1], w.shape[1])), 0
    alike: dict[tuple[int, ...], list[tuple[Array, Array]]] = {}
    for block in layout.blocks:
        design, units = _wide_design(layout.own, block)
        columns = np.ascontiguousarray(w[block.rows.T].transpose(0, 2, 1))
        size = len(design)
        if block.size > size:
            _triangularise(design, columns)
            left = columns[size:]
            for row in left:
                rest += row @ row.T
            n_rest += left.shape[0] * left.shape[2]
            design, columns = np.ascontiguousarray(design[:, :size]), columns[:size].copy()
        alike.setdefault((len(columns), *units), []).append((design, columns))
    blocks = tuple(block for shape, parts in alike.items() for block in _joined(parts, shape[1:]))
    return BatchedProducts(layout, blocks, rest, n_rest, tuple(term.z.shape[1] for term in layout.own.random))


def _joined(parts: list[tuple[Array, Array]], units: tuple[int, ...]) -> Iterator[ReducedBlock]:
    """Reduced clusters of equal shape side by side, in blocks that a processor's cache holds."""
    design = np.concatenate([part for part, _ in parts], axis=2)
    columns = np.concatenate([part for _, part in parts], axis=2)
    step = max(256, NUMBERS // (columns.shape[0] * columns.shape[1]))
    for first in range(0, design.shape[2], step):
        some = slice(first, first + step)
        yield ReducedBlock(
            np.ascontiguousarray(design[..., some]), np.ascontiguousarray(columns[..., some]), units
        )


def _wide_design(own: Designs, block: Block) -> tuple[Array, tuple[int, ...]]:
    """Effects of all units side by side, shape (J, m, clusters), and the units of every term."""
    parts, units = [], []
    for term in own.random:
        z = term.z[block.rows.T].transpose(2, 0, 1)
        unit, count = units_of(term.subject[block.rows])
        for at in range(count):
            parts.append(z if count == 1 else z * (at == unit.T))
        units.append(count)
    return np.concatenate(parts), tuple(units)


def _triangularise(design: Array, columns: Array) -> None:
    """Householder's reflections of all clusters at once, in place: the design becomes upper triangular.

    A column that is zero below its diagonal needs no reflection, so that designs of deficient rank do no harm.
    """
    for j in range(len(design)):
        vector = design[j, j:].copy()
        vector[0] += np.copysign(np.sqrt((vector**2).sum(axis=0)), vector[0])
        square = (vector**2).sum(axis=0)
        factor = np.divide(2.0, square, out=np.zeros_like(square), where=square > 0)
        for column in design[j:, j:]:
            column -= vector * ((vector * column).sum(axis=0) * factor)
        below = columns[j:]
        dots = np.zeros_like(below[0])
        for row, weight in zip(below, vector, strict=True):
            dots += row * weight
        dots *= factor
        for row, weight in zip(below, vector, strict=True):
            row -= dots * weight


def _units(design: Array, units: tuple[int, ...], effects: tuple[int, ...]) -> Iterator[Array]:
    """Of every term, its whitened designs unit by unit, shape (units, q, r, clusters)."""
    before = 0
    for count, q in zip(units, effects, strict=True):
        part = design[before : before + count * q]
        yield part.reshape(count, q, *part.shape[1:])
        before += count * q


def _reduced_covariance(block: ReducedBlock, covariances: list[Array], residual: float) -> Array:
    """``M_i``, lower triangle, shape (r, r, clusters)."""
    r, k = block.design.shape[1:]
    whole = np.zeros((r, r, k))
    effects = tuple(len(covariance) for covariance in covariances)
    for part, covariance in zip(_units(block.design, block.units, effects), covariances, strict=True):
        for unit in part:
            turned = (covariance @ unit.reshape(len(covariance), -1)).reshape(unit.shape)
            for effect, moved in zip(unit, turned, strict=True):
                for s in range(r):
                    for t in range(s + 1):
                        whole[s, t] += effect[s] * moved[t]
    for s in range(r):
        whole[s, s] += residual
    return whole


def _cholesky(matrices: Array) -> Array | None:
    """Cholesky factors of matrices (r, r, clusters) from their lower triangles; None where one is not definite."""
    lower = matrices
    size = len(lower)
    for s in range(size):
        for t in range(s):
            lower[s, s] -= lower[s, t] ** 2
        if not lower[s, s].min() > 0:
            return None
        np.sqrt(lower[s, s], out=lower[s, s])
        for below in range(s + 1, size):
            for t in range(s):
                lower[below, s] -= lower[below, t] * lower[s, t]
            lower[below, s] /= lower[s, s]
    return lower


def _forward(lower: Array, columns: Array) -> Array:
    """``L^-1 T``, shape (r, P, clusters)."""
    white = np.empty_like(columns)
    for s in range(len(lower)):
        np.divide(columns[s], lower[s, s], out=white[s])
        for t in range(s):
            white[s] -= white[t] * (lower[s, t] / lower[s, s])
    return white


def _forward_design(lower: Array, design: Array) -> Array:
    """``L^-1 R``, shape (J, r, clusters)."""
    return np.ascontiguousarray(_forward(lower, design.transpose(1, 0, 2)).transpose(1, 0, 2))


def _backward(lower: Array, white: Array) -> Array:
    """``L^-T`` times whitened columns, shape (r, P, clusters)."""
    found = np.empty_like(white)
    for s in reversed(range(len(lower))):
        np.divide(white[s], lower[s, s], out=found[s])
        for t in range(s + 1, len(lower)):
            found[s] -= found[t] * (lower[t, s] / lower[s, s])
    return found


def _lower_inverse(lower: Array) -> Array:
    """``L^-1``, shape (r, r, clusters)."""
    r, k = len(lower), lower.shape[2]
    unit = np.zeros((r, r, k))
    unit[np.arange(r), np.arange(r)] = 1.0
    return _forward(lower, unit)


def _row_sum(effect: Array, white: Array) -> Array:
    """``z' L^-T L^-1 T`` of one effect, shape (P, clusters)."""
    total: Array = effect[0] * white[0]
    for s in range(1, len(white)):
        total += effect[s] * white[s]
    return total


def _sandwiched(white: Array, weights: Array) -> Array:
    """``T~ B T~'`` for whitened columns and symmetric weights, shape (r, r, clusters)."""
    r, _, k = white.shape
    found = np.empty((r, r, k))
    for s in range(r):
        turned = weights @ white[s]
        for t in range(s + 1):
            found[s, t] = found[t, s] = np.einsum("pk,pk->k", turned, white[t])
    return found


def _times(slopes: Array, inner: Array) -> Array:
    """``D_e H``, shape (elements, r, r, clusters)."""
    found = np.empty_like(slopes)
    r = len(inner)
    for s in range(r):
        for t in range(r):
            total = slopes[:, s, 0] * inner[0, t]
            for u in range(1, r):
                total += slopes[:, s, u] * inner[u, t]
            found[:, s, t] = total
    return found


def _identity_like(matrices: Array) -> Array:
    whole = np.zeros_like(matrices)
    whole[np.arange(len(whole)), np.arange(len(whole))] = 1.0
    return whole
