"""Crossed random effects as a border of few columns: which terms they are, their columns, and their covariance."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.lapack import dpotri

from analyses.covariance import to_matrix, upper_triangle
from analyses.crossproducts import RandomDesign, ResidualDesign, nested
from analyses.engine.covariance_model import CovarianceModel
from outcomes.errors import ModelError

Array = NDArray[np.float64]
Codes = NDArray[np.intp]
LONG = 128
"""Rows of a cluster beyond which a coarse subject with few units (a clinic) is cheaper as a border."""
LONG_CORRELATED = 32
"""The same where more than its own effects correlate its rows (patients within the clinic, their visits): a cluster
then costs the cube of its rows at every evaluation, and for every parameter."""
FEW = 100
"""Columns up to which such a subject is one."""
MOST = 1000
"""Columns of a border beyond which its dense matrices cost more than a user would wait for."""


@dataclass(frozen=True, slots=True)
class BorderTerm:
    """One crossed term.

    Attributes
    ----------
    size
        Effects of a unit, q.
    levels
        Units.
    elements, parameters
        Where its covariance's elements and parameters stand among those of all components.
    columns
        Its columns of U, a unit's effects side by side.
    """

    size: int
    levels: int
    elements: slice
    parameters: slice
    columns: slice


@dataclass(frozen=True, slots=True)
class Border:
    """Crossed terms side by side, ``G`` block-diagonal.

    Attributes
    ----------
    terms
        The terms.
    base_elements, base_parameters
        Positions of the other components' elements and parameters.
    own_parameters
        Positions of the border's parameters.
    n_elements
        Elements of all components.
    n_columns
        c, the columns of U.
    """

    terms: tuple[BorderTerm, ...]
    base_elements: Codes
    base_parameters: Codes
    own_parameters: Codes
    n_elements: int
    n_columns: int

    def base(self, elements: Array) -> Array:
        """Lines of the components that are not in the border."""
        return elements[self.base_elements]

    def whole(self, elements: Array) -> Array:
        """Block-diagonal matrix of one column of elements, shape (c, c)."""
        g = np.zeros((self.n_columns, self.n_columns))
        for term in self.terms:
            block = to_matrix(elements[term.elements], term.size)
            g[term.columns, term.columns] = np.kron(np.eye(term.levels), block)
        return g

    def along(self, first: Array, matrix: Array) -> Array:
        """``dG M`` by every parameter of the border, shape (b, c, k), of derivatives (elements, h) and M (c, k)."""
        found = np.zeros((len(self.own_parameters), *matrix.shape))
        for term, at, block in self._slopes(first):
            found[at, term.columns] = _times(block, matrix[term.columns])
        return found

    def traces(self, first: Array, left: Array, right: Array) -> Array:
        """``tr(L'R dG)`` by every parameter of the border, shape (..., b), of R (..., c, c)."""
        found = np.zeros((*right.shape[:-2], len(self.own_parameters)))
        for term, at, block in self._slopes(first):
            mine = left[:, term.columns].reshape(-1, term.levels, term.size)
            other = right[..., term.columns].reshape(*right.shape[:-1], term.levels, term.size)
            found[..., at] = np.einsum("cla,...clb,ab->...", mine, other, block, optimize=True)
        return found

    def _slopes(self, first: Array) -> Iterator[tuple[BorderTerm, int, Array]]:
        """Every parameter's term, its place among the border's parameters, and a unit's ``dG`` by it."""
        for at, parameter in enumerate(self.own_parameters):
            for term in self.terms:
                if term.parameters.start <= parameter < term.parameters.stop:
                    yield term, at, to_matrix(first[term.elements, parameter], term.size)

    def score(self, base: Array, gradient: Array) -> Array:
        """Gradient by every element, of that by the base's elements and that by G, shape (c, c)."""
        whole = np.empty(self.n_elements)
        whole[self.base_elements] = base
        for term in self.terms:
            mine = gradient[term.columns, term.columns].reshape(
                term.levels, term.size, term.levels, term.size
            )
            summed = np.einsum("iaib->ab", mine)
            rows, columns = upper_triangle(term.size)
            whole[term.elements] = summed[rows, columns] * np.where(rows == columns, 1.0, 2.0)
        return whole

    def woodbury(self, elements: Array, b: Array) -> tuple[Array, float] | None:
        """``K`` and ``log|I + G^1/2 B G^1/2|``, or None where V is not positive definite."""
        blocks = [to_matrix(elements[term.elements], term.size) for term in self.terms]
        return woodbury(
            [(term.columns, term.levels, block) for term, block in zip(self.terms, blocks, strict=True)], b
        )


def woodbury(terms: Sequence[tuple[slice, int, Array]], b: Array) -> tuple[Array, float] | None:
    """``K = (G^-1 + B)^-1``, written so that a singular G is no exception, and ``log|I + G B|``.

    With ``G = R S R``, R the root of its absolute eigenvalues and S their signs, ``K = R (S + R B R)^-1 R``. Where G is
    non-negative definite S is the identity. Where a variance may be negative, V is positive definite if and only if
    ``S + R B R`` has as many negative eigenvalues as S (Haynsworth 1968).

    Parameters
    ----------
    terms
        Columns, number of units and covariance of a unit's effects, of every term.
    b
        ``U'V_b^-1 U``, shape (c, c).

    Returns
    -------
    K of shape (c, c) and the logarithm, or None where V is not positive definite.
    """
    roots: list[tuple[slice, Array]] = []
    inner, negative = b.copy(), 0
    signs: list[tuple[slice, int, Array]] = []
    for columns, levels, block in terms:
        values, vectors = np.linalg.eigh(block)
        below = values < -1e-12 * max(1.0, values[-1])
        negative += levels * int(below.sum())
        spread = np.sqrt(np.where(below, -values, np.maximum(values, 0.0)))
        roots.append((columns, (vectors * spread) @ vectors.T))
        signs.append((columns, levels, (vectors * np.where(below, -1.0, 1.0)) @ vectors.T))
    _both_sides(roots, inner)
    for columns, levels, sign in signs:
        start, size = columns.start, len(sign)
        for row, column in np.ndindex(size, size):
            stop = start + levels * size
            inner[range(start + row, stop, size), range(start + column, stop, size)] += sign[row, column]
    inner = (inner + inner.T) / 2
    if negative:
        values, vectors = np.linalg.eigh(inner)
        if int((values < 0).sum()) != negative or not np.abs(values).min() > 0:
            return None
        k, logarithm = (vectors / values) @ vectors.T, float(np.log(np.abs(values)).sum())
    else:
        try:
            lower = np.linalg.cholesky(inner)
        except np.linalg.LinAlgError:
            return None
        logarithm = 2.0 * float(np.log(np.diag(lower)).sum())
        half = dpotri(lower, lower=1)[0]  # the inverse's lower triangle
        k = np.tril(half) + np.tril(half, -1).T
    _both_sides(roots, k)
    return k, logarithm


def _both_sides(blocks: Sequence[tuple[slice, Array]], matrix: Array) -> None:
    """Multiply a matrix in place, left and right, by a symmetric block-diagonal one of repeated blocks."""
    for columns, block in blocks:
        matrix[columns] = _times(block, matrix[columns])
    for columns, block in blocks:
        matrix[:, columns] = _times(block, matrix[:, columns].T).T


def _times(block: Array, rows: Array) -> Array:
    """``(I x B) M`` for M of shape (levels q, k)."""
    if len(block) == 1:
        return np.asarray(block[0, 0] * rows)
    turned: Array = (block @ rows.reshape(-1, len(block), rows.shape[1])).reshape(rows.shape)
    return turned


@dataclass(frozen=True, slots=True)
class Clustering:
    """Which random terms form the border, and what the independent units would be without the crossed ones.

    Attributes
    ----------
    border
        Positions of the terms in the border.
    crossed
        Those of them whose subjects cross others. The rest nest, and are in the border for speed alone.
    cluster
        Code of every row's unit of the coarsest subject that is not crossed, shape (n,).
    """

    border: tuple[int, ...]
    crossed: tuple[int, ...]
    cluster: Codes


def choose_border(
    random: Sequence[RandomDesign], residual: ResidualDesign, keep_nested: bool = False
) -> Clustering:
    """Choose the random terms that form the border.

    Clusters need subjects that nest in one another (patient, lesion, visit). Of the terms whose subjects cross others
    (a rater who sees lesions of many patients) those with the fewest effects in all leave for the border that make the
    rest nest. So does the coarsest subject where it has few units of many rows (a clinic), since dense blocks of that
    many rows would be slow; that changes no result.

    Parameters
    ----------
    random, residual
        The model's terms.
    keep_nested
        Leave subjects that nest where they are, whatever it costs: clusters are then the coarsest subject's, as a
        sandwich needs.

    Raises
    ------
    ModelError
        Where the border would have too many columns.
    """
    independent = int(residual.subject.max()) + 1 == len(residual.subject)
    subjects = [term.subject for term in random]
    fixed = [] if independent else [residual.subject]
    columns = [_units(term.subject) * int(term.z.shape[1]) for term in random]
    crossed = _fewest_columns(subjects, fixed, columns)
    rest = [at for at in range(len(random)) if at not in crossed]
    cluster = min([subjects[at] for at in rest] + (fixed or ([] if rest else [residual.subject])), key=_units)
    border = list(crossed)
    while rest and not keep_nested:
        coarsest = min((subjects[at] for at in rest), key=_units)
        same = [at for at in rest if _units(subjects[at]) == _units(coarsest)]
        inside = all(_units(coarsest) < _units(codes) for codes in fixed)
        longest = int(np.bincount(coarsest).max())
        long = LONG if independent and len(same) == len(rest) else LONG_CORRELATED
        if not inside or longest <= long or sum(columns[at] for at in same) > FEW:
            break
        border.extend(same)
        rest = [at for at in rest if at not in same]
    total = sum(columns[at] for at in border)
    if total > MOST:
        raise ModelError(
            "a crossed random factor has too many levels",
            expected=f"subjects nested in one another, or crossed ones (rater, clinic) with at most {MOST} effects",
            got=f"{total} effects of crossed subjects",
            hint="leave out one of the factors that cross; two with thousands of levels each are for R's lme4 or "
            "Julia's MixedModels",
        )
    return Clustering(tuple(sorted(border)), crossed, cluster)


def _units(codes: Codes) -> int:
    return int(codes.max()) + 1


def _fewest_columns(
    subjects: Sequence[Codes], fixed: Sequence[Codes], columns: Sequence[int]
) -> tuple[int, ...]:
    """The terms with the fewest columns in all without which every subject nests; a fixed one cannot leave."""
    whole = [*subjects, *fixed]
    conflicts = [(a, b) for a, b in combinations(range(len(whole)), 2) if not nested([whole[a], whole[b]])]
    involved = sorted({at for pair in conflicts for at in pair if at < len(subjects)})
    candidates = [
        chosen
        for count in range(len(involved) + 1)
        for chosen in combinations(involved, count)
        if all(a in chosen or b in chosen for a, b in conflicts)
    ]
    return min(candidates, key=lambda chosen: sum(columns[at] for at in chosen))


def make_border(model: CovarianceModel, terms: Sequence[int], random: Sequence[RandomDesign]) -> Border:
    """Describe the crossed terms of a covariance model, whose random terms come first in their order."""
    found: list[BorderTerm] = []
    element = parameter = column = 0
    base_elements: list[int] = []
    base_parameters: list[int] = []
    for at, component in enumerate(model.components):
        size, h = component.structure.size, component.structure.n_parameters
        elements = slice(element, element + component.n_elements)
        parameters = slice(parameter, parameter + h)
        if at in terms and not component.is_residual:
            levels = int(random[at].subject.max()) + 1
            found.append(
                BorderTerm(size, levels, elements, parameters, slice(column, column + levels * size))
            )
            column += levels * size
        else:
            base_elements.extend(range(elements.start, elements.stop))
            base_parameters.extend(range(parameters.start, parameters.stop))
        element, parameter = elements.stop, parameters.stop
    own = [at for term in found for at in range(term.parameters.start, term.parameters.stop)]
    return Border(
        tuple(found),
        np.asarray(base_elements, dtype=np.intp),
        np.asarray(base_parameters, dtype=np.intp),
        np.asarray(own, dtype=np.intp),
        element,
        column,
    )


def border_columns(terms: Sequence[int], random: Sequence[RandomDesign]) -> Array:
    """U: the effects' columns of every unit of the crossed terms, shape (n, c)."""
    widths = [_units(random[at].subject) * random[at].z.shape[1] for at in terms]
    wide = np.zeros((len(random[terms[0]].subject), sum(widths)))
    start = 0
    for at, width in zip(terms, widths, strict=True):
        design = random[at]
        n, q = design.z.shape
        wide[np.arange(n)[:, None], start + design.subject[:, None] * q + np.arange(q)] = design.z
        start += width
    return wide
