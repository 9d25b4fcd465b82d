"""Whether the data can tell the parts of a covariance from the fixed effects, and from one another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from analyses.covariance import Elements
from analyses.crossproducts import RandomDesign
from analyses.engine.crossed_effects import wide_design
from analyses.formula import RandomTerm
from analyses.likelihood import Derivatives, Likelihood, Profile
from outcomes.errors import ModelError

Array = NDArray[np.float64]
WITHIN = 1e-10
"""Share of a column's sum of squares outside the span of others, below which it lies within it."""
NOTHING = 1e-12
"""Share of the largest information below which a direction has none: what is left is rounding."""
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


def directions_without_information(slopes: Derivatives) -> Array:
    """Directions of the covariance parameters along which the likelihood is expected to be flat, shape (h, k).

    Parameters
    ----------
    slopes
        By the natural parameters. The information of each is judged by what it would be were the fixed effects known,
        so that a parameter of which nothing is left but rounding does not pass for one of another scale.
    """
    scale = np.sqrt(np.maximum(np.abs(np.diag(slopes.expected)), np.abs(slopes.traces)))
    scale = np.where(scale > 0, scale, 1.0)
    values, vectors = np.linalg.eigh(slopes.expected / np.outer(scale, scale))
    empty: Array = vectors[:, values <= NOTHING * values.max()] / scale[:, None]
    return empty


def refuse_explained(
    likelihood: Likelihood, at: Profile, by: Elements, empty: Array, names: Sequence[str], where: str
) -> None:
    """Raise where the fixed effects leave nothing to estimate some covariance parameters from.

    A direction d of the parameters is without information either because it does not move V at all (parameters that are
    confounded: what they are together is estimated), or because the fixed effects explain the rows that it moves,
    ``P V_d P = 0`` with P the projection out of X. The second kind has information ``tr(V^-1 V_d V^-1 V_d) > 0`` were
    the fixed effects known, and the standard errors of those fixed effects would follow from where the search began.

    Parameters
    ----------
    likelihood, at, by
        The likelihood, there, by the natural parameters.
    empty
        Of `directions_without_information`, shape (h, k).
    names
        Of the parameters.
    where
        The formula.

    Raises
    ------
    ModelError
        Where there are such parameters.
    """
    if not empty.shape[1]:
        return
    known = replace(likelihood, reml=False).derivatives(at, by).expected
    scale = np.sqrt(np.abs(np.diag(known)))
    scale = np.where(scale > 0, scale, 1.0)
    basis = np.linalg.svd(empty * scale[:, None], full_matrices=False)[0]
    values, vectors = np.linalg.eigh(basis.T @ (known / np.outer(scale, scale)) @ basis)
    held = basis @ vectors[:, values > 1e-6]
    part = np.abs(held).max(axis=1, initial=0.0) > LOADING
    if part.any():
        found = [name for name, own in zip(names, part, strict=True) if own]
        raise ModelError(
            "the fixed effects explain the rows that covariance parameters describe, so that nothing is left to "
            "estimate them from",
            expected="rows that the fixed effects leave a residual, for every covariance parameter",
            got="; ".join(found[:6]) + (f"; and {len(found) - 6} more" if len(found) > 6 else ""),
            where=where,
            hint="give groups with so few subjects a covariance in common (leave the group out of the covariance "
            "term), merge or leave out the group or level, or leave out fixed effects",
        )


def confounded(empty: Array, slopes: Derivatives, names: Sequence[str]) -> tuple[str, ...]:
    """Names of covariance parameters that the data do not tell apart.

    Parameters
    ----------
    empty
        Of `directions_without_information`, shape (h, k).
    slopes
        By the natural parameters.
    names
        Of the parameters.
    """
    scale = np.sqrt(np.maximum(np.abs(np.diag(slopes.expected)), np.abs(slopes.traces)))
    part = np.abs(empty * np.where(scale > 0, scale, 1.0)[:, None]).max(axis=1, initial=0.0) > LOADING
    return tuple(name for name, own in zip(names, part, strict=True) if own)
