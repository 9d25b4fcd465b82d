"""Contrast families: from the levels of a factor to a named matrix of weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from outcomes.errors import ModelError

Array = NDArray[np.float64]
Weights = Mapping[str, Mapping[Any, float]]

FAMILIES = ("pairwise", "trt.vs.ctrl")
"""Families known by name."""


def contrast_matrix(method: str | Weights, levels: Sequence[Any]) -> tuple[tuple[str, ...], Array]:
    """Names and weights of a contrast family.

    Parameters
    ----------
    method
        ``pairwise`` (each level minus each later one), ``trt.vs.ctrl`` (each level minus the first), or named
        weights, ``{"name": {level: weight}}``.
    levels
        Levels of the factor, in order.

    Returns
    -------
    names, matrix
        Matrix of shape (contrasts, levels).

    Raises
    ------
    ModelError
        Where the family or a level is unknown.
    """
    count = len(levels)
    eye = np.eye(count)
    if isinstance(method, Mapping):
        return _custom(method, levels)
    if method == "pairwise":
        pairs = [(a, b) for a in range(count) for b in range(a + 1, count)]
    elif method == "trt.vs.ctrl":
        pairs = [(a, 0) for a in range(1, count)]
    else:
        raise ModelError(
            "unknown contrast family", expected=f"{', '.join(FAMILIES)}, or named weights", got=repr(method)
        )
    names = tuple(f"{_operand(levels[a])} - {_operand(levels[b])}" for a, b in pairs)
    matrix = np.array([eye[a] - eye[b] for a, b in pairs]).reshape(len(pairs), count)
    return names, matrix


def _operand(level: Any) -> str:
    """A level's name as it stands in a difference: in brackets where it holds a plus or a minus itself."""
    text = str(level)
    return f"({text})" if " + " in text or " - " in text else text


def _custom(method: Weights, levels: Sequence[Any]) -> tuple[tuple[str, ...], Array]:
    position = {level: at for at, level in enumerate(levels)}
    matrix = np.zeros((len(method), len(levels)))
    for row, (name, weights) in enumerate(method.items()):
        for level, weight in weights.items():
            if level not in position:
                raise ModelError(
                    "a contrast names an unknown level",
                    expected=f"one of {', '.join(map(str, levels))}",
                    got=repr(level),
                    where=name,
                )
            matrix[row, position[level]] = float(weight)
    return tuple(method), matrix
