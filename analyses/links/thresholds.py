"""Thresholds of a cumulative link model: each its own, symmetric about their middle, or equally far apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from outcomes.errors import ModelError

__all__ = ["THRESHOLDS", "Thresholds", "make_thresholds"]

Array = NDArray[np.float64]
THRESHOLDS = ("flexible", "symmetric", "equidistant")
"""Structures that thresholds may have, named as ``ordinal::clm`` names them."""


@dataclass(frozen=True, slots=True, eq=False)
class Thresholds:
    """A linear structure of thresholds: ``theta = matrix @ parameters``.

    Attributes
    ----------
    kind
        One of `THRESHOLDS`.
    names
        Names of the parameters.
    matrix
        Shape (thresholds, parameters).
    """

    kind: str
    names: tuple[str, ...]
    matrix: Array

    @property
    def count(self) -> int:
        """Number of thresholds."""
        return len(self.matrix)

    def structured(self, rows: Array, blocks: int) -> Array:
        """Turn rows over ``blocks`` sets of thresholds, then effects, into rows over the parameters."""
        n = self.count
        parts = [rows[:, at * n : (at + 1) * n] @ self.matrix for at in range(blocks)]
        return np.hstack([*parts, rows[:, blocks * n :]])


def make_thresholds(kind: str, grades: Sequence[str]) -> Thresholds:
    """Return the structure of the thresholds between grades.

    Parameters
    ----------
    kind
        One of `THRESHOLDS`. The parameters are those of ``ordinal::clm``: ``threshold.1, spacing`` where they are
        equidistant; ``central`` (or the two central ones) and the distances from there where they are symmetric.
    grades
        Labels, lowest first.

    Raises
    ------
    ModelError
        Where a structure is asked of a single threshold.
    """
    count = len(grades) - 1
    if kind == "flexible":
        names = tuple(f"{low}|{high}" for low, high in pairwise(grades))
        return Thresholds(kind, names, np.eye(count))
    if count < 2:
        raise ModelError(
            f"{kind} thresholds need at least three grades",
            expected="three observed grades or more",
            got=", ".join(grades),
            hint="threshold='flexible'",
        )
    if kind == "equidistant":
        matrix = np.column_stack([np.ones(count), np.arange(count)])
        return Thresholds(kind, ("threshold.1", "spacing"), matrix.astype(float))
    half = count // 2
    if count % 2:
        names = ("central", *(f"spacing.{k}" for k in range(1, half + 1)))
        outward = np.zeros((count, half))
        for k in range(half):
            outward[half - 1 - k, k], outward[half + 1 + k, k] = -1.0, 1.0
        return Thresholds(kind, names, np.column_stack([np.ones(count), outward]))
    names = ("central.1", "central.2", *(f"spacing.{k}" for k in range(1, half)))
    matrix = np.zeros((count, half + 1))
    matrix[:half, 0], matrix[half:, 1] = 1.0, 1.0
    for k in range(1, half):
        matrix[half - 1 - k, k + 1], matrix[half + k, k + 1] = -1.0, 1.0
    return Thresholds(kind, names, matrix)
