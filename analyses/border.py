"""Crossed random effects as a border of few columns: which terms they are, their columns, and their covariance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular

from analyses.covariance import to_matrix, upper_triangle
from analyses.covariance_model import CovarianceModel
from analyses.crossproducts import RandomDesign, ResidualDesign, nested
from outcomes.errors import ModelError

Array = NDArray[np.float64]
Codes = NDArray[np.intp]
LONG = 128
"""Rows of a cluster beyond which a coarse subject with few units (a clinic) is cheaper as a border."""
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

    def matrices(self, first: Array) -> Array:
        """``dG`` by every parameter of the border, shape (b, c, c), of derivatives (elements, h)."""
        found = np.zeros((len(self.own_parameters), self.n_columns, self.n_columns))
        for at, parameter in enumerate(self.own_parameters):
            found[at] = self.whole(first[:, parameter])
        return found

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
        """``K`` and ``log|I + G^1/2 B G^1/2|``, or None where G is not non-negative definite."""
        root = np.zeros_like(b)
        for term in self.terms:
            values, vectors = np.linalg.eigh(to_matrix(elements[term.elements], term.size))
            if values[0] < -1e-12 * max(1.0, values[-1]):
                return None
            block = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
            root[term.columns, term.columns] = np.kron(np.eye(term.levels), block)
        inner = root @ b @ root + np.eye(len(b))
        try:
            lower = np.linalg.cholesky((inner + inner.T) / 2)
        except np.linalg.LinAlgError:
            return None
        half = solve_triangular(lower, root, lower=True, check_finite=False)
        k: Array = half.T @ half
        return k, 2.0 * float(np.log(np.diag(lower)).sum())


def crossed_terms(
    random: Sequence[RandomDesign], residual: ResidualDesign, keep_nested: bool = False
) -> tuple[int, ...]:
    """Positions of the random terms that form the border.

    The subjects of a model that nest in one another form its clusters. A term whose subject crosses them (a rater
    who sees lesions of many patients) is moved to the border, the one with the fewest columns first; so is the
    coarsest subject where it has few units of many rows (a clinic), since dense blocks of that many rows would be
    slow.

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
    rest = list(range(len(random)))
    border: list[int] = []

    def columns(at: int) -> int:
        return (int(random[at].subject.max()) + 1) * int(random[at].z.shape[1])

    while rest:
        subjects = [random[at].subject for at in rest] + ([] if independent else [residual.subject])
        candidate = min(rest, key=columns)
        if nested(subjects):
            longest = int(np.bincount(random[candidate].subject).max())
            if keep_nested or longest <= LONG or columns(candidate) > FEW:
                break
        border.append(candidate)
        rest.remove(candidate)
    total = sum(columns(at) for at in border)
    if total > MOST:
        raise ModelError(
            "a crossed random factor has too many levels",
            expected=f"subjects nested in one another, or crossed ones (rater, clinic) with at most {MOST} effects",
            got=f"{total} effects of crossed subjects",
            hint="enter the factor with fewer levels as a fixed effect, or leave it out",
        )
    return tuple(sorted(border))


def make_border(model: CovarianceModel, terms: Sequence[int], random: Sequence[RandomDesign]) -> Border:
    """Describe the crossed terms of a covariance model, whose random terms come first in their order."""
    found: list[BorderTerm] = []
    element = parameter = column = 0
    base_elements: list[int] = []
    base_parameters: list[int] = []
    for at, component in enumerate(model.components):
        size, h = component.structure.size, component.structure.n_parameters
        elements = slice(element, element + size * (size + 1) // 2)
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
    parts = []
    for at in terms:
        design = random[at]
        n, q = design.z.shape
        wide = np.zeros((n, int(design.subject.max()) + 1, q))
        wide[np.arange(n), design.subject] = design.z
        parts.append(wide.reshape(n, -1))
    return np.concatenate(parts, axis=1)
