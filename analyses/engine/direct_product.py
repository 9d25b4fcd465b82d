"""Direct products of covariance structures, and the structure of a formula's name."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analyses.covariance import (
    Correlated,
    Elements,
    Structure,
    Unstructured,
    nearest_positive_definite,
    upper_triangle,
)

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class DirectProduct:
    """Kronecker product of two structures, ``left @ right``: PROC MIXED's UN@AR(1) and its relatives.

    Level (i, k) of the product, k running fastest, has ``Sigma[(i,k),(j,l)] = A[i,j] B[k,l]``. To tell the scales
    apart the first variance of the right structure is one; its parameter is left out.
    """

    left: Structure
    right: Structure

    @property
    def size(self) -> int:
        """Levels of the left times levels of the right structure."""
        return self.left.size * self.right.size

    @property
    def n_parameters(self) -> int:
        """All parameters but the right structure's first variance."""
        return self.left.n_parameters + self.right.n_parameters - 1

    @property
    def parameter_names(self) -> tuple[str, ...]:
        """Names of the left, then of the right structure's parameters (relative to its first variance)."""
        return self.left.parameter_names + tuple(
            f"relative {name}" for name in self.right.parameter_names[1:]
        )

    def start(self, moments: Array) -> Array:
        """Partial traces of the moments."""
        a, b = self.left.size, self.right.size
        blocks = nearest_positive_definite(moments).reshape(a, b, a, b)
        right = np.einsum("ikil->kl", blocks) / a
        left = np.einsum("ikjk->ij", blocks) / np.trace(right) * right[0, 0]
        return np.concatenate([self.left.start(left), self._relative(self.right.start(right / right[0, 0]))])

    def _relative(self, theta: Array) -> Array:
        """Drop the right structure's first search parameter after scaling it to a first variance of one."""
        if isinstance(self.right, Unstructured):
            relative: Array = theta[1:] / theta[0]
            return relative
        variances = self.right.n_variances if isinstance(self.right, Correlated) else self.right.n_parameters
        scaled: Array = theta.copy()
        scaled[:variances] -= theta[0]
        return scaled[1:]

    def _right_theta(self, theta: Array) -> Array:
        fixed = 1.0 if isinstance(self.right, Unstructured) else 0.0
        return np.concatenate([[fixed], theta[self.left.n_parameters :]])

    def _combine(self, left: Elements, right: Elements) -> Elements:
        rows, columns = upper_triangle(self.size)
        b = self.right.size
        i, k, j, m = rows // b, rows % b, columns // b, columns % b
        in_left = _position(np.minimum(i, j), np.maximum(i, j), self.left.size)
        in_right = _position(np.minimum(k, m), np.maximum(k, m), b)
        value_l, value_r = left.value[in_left], right.value[in_right]
        first_l, first_r = left.first[in_left], right.first[in_right][:, 1:]
        split = self.left.n_parameters
        first = np.concatenate([first_l * value_r[:, None], value_l[:, None] * first_r], axis=1)
        second = np.zeros((len(rows), self.n_parameters, self.n_parameters))
        second[:, :split, :split] = left.second[in_left] * value_r[:, None, None]
        second[:, split:, split:] = value_l[:, None, None] * right.second[in_right][:, 1:, 1:]
        cross = first_l[:, :, None] * first_r[:, None, :]
        second[:, :split, split:] = cross
        second[:, split:, :split] = cross.transpose(0, 2, 1)
        return Elements(value_l * value_r, first, second)

    def search(self, theta: Array) -> Elements:
        """Elements by the search parameters of both structures."""
        return self._combine(
            self.left.search(theta[: self.left.n_parameters]), self.right.search(self._right_theta(theta))
        )

    def natural_values(self, theta: Array) -> Array:
        """Natural parameters of both structures."""
        left = self.left.natural_values(theta[: self.left.n_parameters])
        return np.concatenate([left, self.right.natural_values(self._right_theta(theta))[1:]])

    def natural(self, eta: Array) -> Elements:
        """Elements by the natural parameters of both structures."""
        split = self.left.n_parameters
        return self._combine(
            self.left.natural(eta[:split]), self.right.natural(np.concatenate([[1.0], eta[split:]]))
        )


def _position(row: NDArray[np.intp], column: NDArray[np.intp], size: int) -> NDArray[np.intp]:
    """Position of (row <= column) in the upper triangle."""
    position: NDArray[np.intp] = row * size - row * (row - 1) // 2 + column - row
    return position


def make_structure(name: str, labels: tuple[str, ...], times: tuple[float, ...] = ()) -> Structure:
    """Return the structure of a formula's name over its levels.

    Parameters
    ----------
    name
        One of `analyses.formula.STRUCTURES`.
    labels
        Levels of the coordinate, in order.
    times
        Numeric positions of the levels, for ``sp_exp``.
    """
    if name == "us" or len(labels) == 1:
        return Unstructured(labels)
    if name == "sp_exp":
        return Correlated("sp_exp", False, labels, times)
    heterogeneous = name.endswith("h")
    return Correlated(name.removesuffix("h") if heterogeneous else name, heterogeneous, labels)
