"""All covariance components of one model side by side: random terms, then the residual of each group."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from analyses.covariance import Elements, Structure, to_matrix
from analyses.engine.lag_covariance import ExponentialDecay

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Component:
    """One covariance matrix of the model.

    Attributes
    ----------
    name
        The term as written, with the group's level where there is one.
    structure
        Its structure.
    is_residual
        Whether it is the residual's.
    gram
        Of a random term, the mean over rows of the products of its design's columns, shape (q, q): what its effects
        contribute to the response's variance is ``tr(gram G)``. None where it is not known.
    """

    name: str
    structure: Structure
    is_residual: bool
    gram: Array | None = field(default=None, compare=False, repr=False)

    def contribution(self, matrix: Array) -> Array:
        """Return a covariance of effects in units of the response, whatever the units and origins of their columns.

        ``B G B`` with B the symmetric root of ``gram`` (columns brought to one size first) has the eigenvalues of the
        part of the response's covariance that the term makes up.
        """
        if self.gram is None:
            return matrix
        size = np.sqrt(np.diag(self.gram))
        size = np.where(size > 0, size, 1.0)
        values, vectors = np.linalg.eigh(self.gram / np.outer(size, size))
        root = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
        scaled: Array = root @ (matrix * np.outer(size, size)) @ root
        return scaled

    @property
    def n_elements(self) -> int:
        """Elements of its covariance: an upper triangle, or one a distance in time."""
        if isinstance(self.structure, ExponentialDecay):
            return self.structure.n_elements
        return self.structure.size * (self.structure.size + 1) // 2

    def matrix(self, elements: Array) -> Array:
        """Covariance matrix over the structure's levels; the variance alone where it is by distance in time."""
        return to_matrix(
            elements[: self.structure.size * (self.structure.size + 1) // 2], self.structure.size
        )


@dataclass(frozen=True, slots=True)
class CovarianceModel:
    """The components in the order of their elements in `crossproducts.Layout`."""

    components: tuple[Component, ...]

    @property
    def n_parameters(self) -> int:
        """Parameters of all components."""
        return sum(component.structure.n_parameters for component in self.components)

    @property
    def parameter_names(self) -> tuple[str, ...]:
        """Natural parameters, each after its component's name."""
        return tuple(f"{c.name}: {name}" for c in self.components for name in c.structure.parameter_names)

    def split(self, parameters: Array) -> list[Array]:
        """Parameters of each component."""
        bounds = np.cumsum([component.structure.n_parameters for component in self.components])
        return np.split(parameters, bounds[:-1])

    def search(self, theta: Array) -> Elements:
        """Elements of all components by the search parameters."""
        return self._stack(theta, lambda structure, part: structure.search(part))

    def natural(self, eta: Array) -> Elements:
        """Elements of all components by the natural parameters."""
        return self._stack(eta, lambda structure, part: structure.natural(part))

    def natural_values(self, theta: Array) -> Array:
        """Natural parameters that belong to search parameters."""
        parts = zip(self.components, self.split(theta), strict=True)
        return np.concatenate([component.structure.natural_values(part) for component, part in parts])

    def _stack(self, parameters: Array, evaluate: Callable[[Structure, Array], Elements]) -> Elements:
        parts = [
            evaluate(c.structure, part)
            for c, part in zip(self.components, self.split(parameters), strict=True)
        ]
        n_elements, h = sum(len(part.value) for part in parts), len(parameters)
        first, second = np.zeros((n_elements, h)), np.zeros((n_elements, h, h))
        row = column = 0
        for part in parts:
            rows, columns = slice(row, row + len(part.value)), slice(column, column + part.first.shape[1])
            first[rows, columns] = part.first
            second[rows, columns, columns] = part.second
            row, column = rows.stop, columns.stop
        return Elements(np.concatenate([part.value for part in parts]), first, second)

    def matrices(self, elements: Array) -> list[Array]:
        """Covariance matrix of each component."""
        bounds = np.cumsum([component.n_elements for component in self.components])
        parts = np.split(elements, bounds[:-1])
        return [component.matrix(part) for component, part in zip(self.components, parts, strict=True)]
