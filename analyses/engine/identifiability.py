"""Whether the data can tell the parts of a covariance from the fixed effects, and from one another."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from analyses.crossproducts import RandomDesign
from analyses.engine.crossed_effects import wide_design
from analyses.formula import RandomTerm
from outcomes.errors import ModelError

Array = NDArray[np.float64]
WITHIN = 1e-10
"""Share of a column's sum of squares outside the span of others, below which it lies within it."""
LOADING = 1e-3
"""Smallest loading of a parameter on a direction without information that makes it part of the direction."""


def refuse_fixed_and_random(
    x: Array, terms: Sequence[RandomTerm], random: Sequence[RandomDesign], where: str
) -> None:
    """Raise where the fixed effects hold every effect of a random term, so that nothing is left to estimate it from.

    Parameters
    ----------
    x
        Orthogonal columns, each with n as sum of squares, shape (n, p).
    terms, random
        Random terms and their designs, rows times the root of their weights as those of ``x``.
    where
        The formula.

    Raises
    ------
    ModelError
        Where a term has such effects.
    """
    n, p = x.shape
    for term, design in zip(terms, random, strict=True):
        if (int(design.subject.max()) + 1) * design.z.shape[1] > p:
            continue  # more effects than fixed effects could hold, unless units of theirs have none
        wide = wide_design(design)
        size = np.asarray((wide**2).sum(axis=0)).reshape(-1)
        explained = ((wide.T @ x) ** 2).sum(axis=1) / n
        if np.all(size - explained <= WITHIN * size):
            raise ModelError(
                f"the fixed effects hold all that {term.text} could explain",
                expected="a factor that is fixed or random",
                got=f"{':'.join(term.subject)} as both",
                where=where,
                hint=f"leave out {term.text}, or the fixed effect",
            )


def without_information(expected: Array, names: Sequence[str]) -> tuple[str, ...]:
    """Names of covariance parameters that the data do not tell apart.

    Parameters
    ----------
    expected
        Expected information of the parameters, shape (h, h).
    names
        Of the parameters.
    """
    scale = np.sqrt(np.abs(np.diag(expected)))
    scale = np.where(scale > 0, scale, 1.0)
    values, vectors = np.linalg.eigh(expected / np.outer(scale, scale))
    empty = vectors[:, values <= 1e-12 * values.max()]
    part = np.abs(empty).max(axis=1, initial=0.0) > LOADING
    return tuple(name for name, own in zip(names, part, strict=True) if own)
