"""New responses drawn from a fitted Gaussian mixed model.

A draw is ``X beta + sum_k Z_k u_k + e`` with ``u_k ~ N(0, G_k)`` for every unit of random term k and ``e ~ N(0, R)``
within every subject of the residual covariance, e divided by the square root of the row's weight, so that the
covariance is that of the likelihood. It is held at its estimate. Where an estimated G has no square root (a negative
variance, in models without bounds) every cluster is drawn from its whole covariance.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analyses.crossproducts import make_layout
from analyses.engine.symmetric import below_zero
from outcomes.errors import ModelError

if TYPE_CHECKING:
    from analyses.mixed_model_fit import MixedModelFit

Array = NDArray[np.float64]


def simulate_responses(
    fit: MixedModelFit, rng: np.random.Generator, draws: int | None = None
) -> pd.Series | pd.DataFrame:
    """Draw responses for the rows that a model was fitted to.

    Parameters
    ----------
    fit
        The model.
    rng
        Source of randomness; the same state gives the same draws.
    draws
        Number of draws; None for a single one.

    Returns
    -------
    Series or DataFrame
        One draw: shape (n,), with the index of the rows used and the response's name as written in the formula (a draw
        for ``log(y) ~`` is of log(y)). Several: shape (draws, n), a row a draw, its columns labelled by the rows used.

    Raises
    ------
    ModelError
        Where ``rng`` is no generator, or ``draws`` not a positive whole number.
    """
    check_generator(rng)
    if draws is not None:
        check_draws(draws)
    values = fit.fitted + error_sampler(fit).draw(rng, 1 if draws is None else draws)
    index = fit.frame.data.index
    if draws is None:
        return pd.Series(values[0], index=index, name=fit.frame.formula.response)
    return pd.DataFrame(values, columns=index, index=pd.RangeIndex(draws, name="draw"))


@dataclass(frozen=True, slots=True)
class CorrelatedRows:
    """Rows that are drawn from one covariance after another.

    Attributes
    ----------
    rows
        Row numbers, shape (clusters, m).
    roots
        Square root of every cluster's covariance by pattern, shape (k, m, m).
    pattern
        Pattern of every cluster, shape (clusters,).
    """

    rows: NDArray[np.intp]
    roots: Array
    pattern: NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class ErrorSampler:
    """What draws of random effects and residuals need of a fit.

    Attributes
    ----------
    residual
        Residuals of unit weight, or whole clusters.
    random
        Columns, unit of every row, number of units, and square root of the covariance, of every random term.
    root_weights
        Square roots of the rows' weights, shape (n,).
    """

    residual: tuple[CorrelatedRows, ...]
    random: tuple[tuple[Array, NDArray[np.intp], int, Array], ...]
    root_weights: Array

    def draw(self, rng: np.random.Generator, draws: int) -> Array:
        """Random effects and residuals, summed: the response without its fixed effects, shape (draws, n)."""
        errors = np.empty((draws, len(self.root_weights)))
        for part in self.residual:
            normal = rng.standard_normal((draws, *part.rows.shape))
            errors[:, part.rows] = (part.roots[part.pattern] @ normal[..., None])[..., 0]
        errors /= self.root_weights
        for z, subject, units, root in self.random:
            effects = rng.standard_normal((draws, units, len(root))) @ root
            for column in range(len(root)):
                errors += z[:, column] * effects[:, subject, column]
        return errors


def error_sampler(fit: MixedModelFit) -> ErrorSampler:
    """Prepare draws from a fit.

    Raises
    ------
    ModelError
        Where a negative variance stands beside crossed random effects, so that no part can be drawn by itself.
    """
    frame, weights = fit.frame, np.sqrt(fit.frame.weights)
    if any(below_zero(matrix) for matrix in fit.component_matrices):
        if fit.crossed:
            raise ModelError(
                "a model with crossed random effects and a negative variance cannot be simulated",
                where=fit.formula,
                hint="fit it with bounds",
            )
        whole = tuple(
            CorrelatedRows(
                b.rows,
                _square_root(np.asarray(np.linalg.inv(inverse), dtype=float)) * fit.standard.scale,
                b.pattern,
            )
            for b, inverse in zip(fit.layout.blocks, fit.inverses, strict=True)
        )
        return ErrorSampler(whole, (), weights)
    n_random = len(frame.random)
    layout = make_layout((), frame.residual.design)
    sigma = np.asarray(layout.elements.T @ np.concatenate(_elements(fit)[n_random:]))
    residual = tuple(CorrelatedRows(b.rows, _square_root(b.unpack(sigma)), b.pattern) for b in layout.blocks)
    random = tuple(
        (design.z, design.subject, int(design.subject.max()) + 1, _square_root(covariance))
        for design, covariance in zip(frame.random, fit.component_matrices, strict=False)
    )
    return ErrorSampler(residual, random, weights)


def _elements(fit: MixedModelFit) -> list[Array]:
    """Elements of every component's covariance in the response's unit, from the natural parameters."""
    values = fit.model.split(fit.covariance_parameters["estimate"].to_numpy(dtype=float))
    pairs = zip(fit.model.components, values, strict=True)
    return [component.structure.natural(eta).value for component, eta in pairs]


def _square_root(covariance: Array) -> Array:
    """Symmetric square root of covariance matrices (..., m, m), which may be singular."""
    values, vectors = np.linalg.eigh(covariance)
    root: Array = (vectors * np.sqrt(np.maximum(values, 0.0))[..., None, :]) @ np.swapaxes(vectors, -1, -2)
    return root


def check_generator(rng: object) -> None:
    """Refuse anything but a numpy Generator.

    Raises
    ------
    ModelError
        With a hint how to make one.
    """
    if not isinstance(rng, np.random.Generator):
        raise ModelError(
            "simulation needs a random generator",
            expected="numpy.random.Generator",
            got=repr(rng),
            hint="pass numpy.random.default_rng(1), with a seed of your choice",
        )


def check_draws(draws: object, fewest: int = 1) -> None:
    """Refuse a number of draws that is no whole number of at least ``fewest``.

    Raises
    ------
    ModelError
    """
    whole = isinstance(draws, int | np.integer) and not isinstance(draws, bool)
    if not whole or int(draws) < fewest:  # type: ignore[call-overload]
        raise ModelError(
            "the number of draws is not usable", expected=f"a whole number, {fewest} or more", got=repr(draws)
        )
