"""Covariance matrices without bounds: variances may be negative while the data's covariance is positive definite."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from analyses.covariance import (
    Diagonal,
    Elements,
    Structure,
    Unstructured,
    nearest_positive_definite,
    upper_triangle,
)
from analyses.engine.covariance_model import Component, CovarianceModel

Array = NDArray[np.float64]
ROUNDING = 1e-10
"""Share of the largest element below which an eigenvalue under zero is rounding."""


@dataclass(frozen=True, slots=True)
class Symmetric:
    """Any symmetric matrix: ``Sigma[i,j] = eta_ij``, PROC MIXED's NOBOUND.

    The parameters are the elements themselves, for the search too, so that zero is no boundary. Of random effects such
    a matrix is a way to write ``V = Z G Z' + R``, which alone must be positive definite (the likelihood refuses what is
    not): a negative variance of patients says that values of one patient are less alike than those of different
    patients (Nelder 1954, Biometrika 41:544-548; Molenberghs and Verbeke 2011, Statistical Modelling 11:389-408).

    Parameters
    ----------
    labels
        Levels.
    correlated
        False for variances alone, ``(x || patient)``.
    """

    labels: tuple[str, ...]
    correlated: bool = True

    @property
    def size(self) -> int:
        """Number of levels."""
        return len(self.labels)

    @property
    def n_parameters(self) -> int:
        """One an element that is free."""
        return len(self._free())

    @property
    def parameter_names(self) -> tuple[str, ...]:
        """Variances and covariances, upper triangle row by row."""
        names = Unstructured(self.labels).parameter_names
        return tuple(names[at] for at in self._free())

    def _free(self) -> NDArray[np.intp]:
        rows, columns = upper_triangle(self.size)
        return np.flatnonzero((rows == columns) | self.correlated)

    def start(self, moments: Array) -> Array:
        """Return the moments, made positive definite."""
        good = nearest_positive_definite(moments)
        return np.asarray(good[upper_triangle(self.size)][self._free()], dtype=float)

    def search(self, theta: Array) -> Elements:
        """Return the elements: they are the parameters."""
        return self.natural(theta)

    def natural_values(self, theta: Array) -> Array:
        """Return the parameters."""
        return theta

    def natural(self, eta: Array) -> Elements:
        """Return the elements, linear in the parameters."""
        free, count = self._free(), len(upper_triangle(self.size)[0])
        value, first = np.zeros(count), np.zeros((count, len(free)))
        value[free] = eta
        first[free, np.arange(len(free))] = 1.0
        return Elements(value, first, np.zeros((count, len(free), len(free))))


def without_bounds(structure: Structure) -> Structure:
    """Return a structure's relative without bounds: of free matrices and of variances; others stay as they are."""
    if isinstance(structure, Unstructured):
        return Symmetric(structure.labels)
    if isinstance(structure, Diagonal):
        return Symmetric(structure.labels, correlated=False)
    return structure


def model_without_bounds(model: CovarianceModel) -> CovarianceModel:
    """Return a model whose random effects' variances, and residual ones beside them, have no bounds.

    A model without random effects is returned as it is: its residual covariance is the data's own, which has to be
    positive definite.
    """
    if all(component.is_residual for component in model.components):
        return model
    components = (replace(one, structure=without_bounds(one.structure)) for one in model.components)
    return CovarianceModel(tuple(components))


def start_without_bounds(bounded: CovarianceModel, model: CovarianceModel, theta: Array) -> Array:
    """Return the search parameters of a model without bounds that give the covariance of a bounded one's."""
    pairs = zip(bounded.components, model.components, bounded.split(theta), strict=True)
    return np.concatenate(
        [
            before.structure.natural_values(part) if isinstance(after.structure, Symmetric) else part
            for before, after, part in pairs
        ]
    )


def is_unbounded(component: Component) -> bool:
    """Whether a component's variances have no bounds."""
    return isinstance(component.structure, Symmetric)


def below_zero(matrix: Array) -> bool:
    """Whether a matrix is no covariance: a variance, or one of a combination of its effects, is below zero."""
    smallest = float(np.linalg.eigvalsh(matrix)[0])
    return smallest < -ROUNDING * float(np.abs(matrix).max())
