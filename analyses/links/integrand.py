"""A cluster's integrand over its random effects: their modes given the parameters, and the curvature there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analyses.engine.clustered_rows import Block

__all__ = ["Conditional", "along", "block_modes", "conditional", "factor", "predictors"]

Array = NDArray[np.float64]
MODE = 1e-7
"""Newton step, in standard deviations of the random effect, after which a mode is found: its square is rounding."""
TIGHT = 1e-12
"""The same where the log-likelihood of a row is not concave."""
STALLED = 1e-5
"""The same where rounding of a huge log-likelihood lets the search get no nearer."""


@dataclass(frozen=True, slots=True, eq=False)
class Conditional:
    """A block's integrand at its modes.

    Attributes
    ----------
    covariance
        Covariance parameters, shape (covariance,).
    mode
        m, shape (clusters, d).
    inverse
        ``(-h'')^-1``, shape (clusters, d, d).
    log_scale
        e, shape (clusters,).
    v
        Derivative of every row's random part by u, shape (clusters, rows, d).
    value
        h(m), shape (clusters,).
    first, second
        First and second derivatives of the rows' log-likelihoods by their predictors there.
    """

    covariance: Array
    mode: Array
    inverse: Array
    log_scale: Array
    v: Array
    value: Array
    first: tuple[Array, ...]
    second: tuple[tuple[Array, ...], ...]


def factor(block: Block, covariance: Array) -> Array:
    """Lower factor of all d effects of a cluster, shape (d, d)."""
    whole: Array = np.tensordot(covariance, block.tangents, axes=1)
    return whole


def predictors(block: Block, fixed: Array, random: Array | float) -> tuple[Array, ...]:
    """Predictors of the rows, given their random part; axes before (clusters, rows) are kept."""
    return tuple(
        design @ fixed + offset + along * random
        for design, offset, along in zip(block.design, block.offset, block.likelihood.direction, strict=True)
    )


def block_modes(
    block: Block, fixed: Array, covariance: Array, start: Array | None
) -> tuple[Array, NDArray[np.bool_]]:
    """Find the modes of the random effects by Newton steps, halved where the integrand would fall.

    Parameters
    ----------
    block
        The clusters.
    fixed, covariance
        Parameters.
    start
        Modes to start from, shape (clusters, d), or None for zero.

    Returns
    -------
    array, array of bool
        Modes, and whether each was found.
    """
    v = block.z @ factor(block, covariance)
    clusters, _, d = v.shape
    if not d:
        return np.zeros((clusters, 0)), np.ones(clusters, dtype=bool)
    u = np.zeros((clusters, d)) if start is None else start
    base = predictors(block, fixed, 0.0)
    direction = block.likelihood.direction
    done = np.zeros(clusters, dtype=bool)

    def at(modes: Array) -> tuple[Array, ...]:
        r = (v @ modes[:, :, None])[:, :, 0]
        return tuple(part + along * r for part, along in zip(base, direction, strict=True))

    value, step, newton = np.full(clusters, -np.inf), np.zeros((clusters, d)), np.full(clusters, np.inf)
    for iteration in range(200):
        f, first, second = block.likelihood.derivatives(at(u))
        tried = (block.weight * f).sum(axis=1) - (u**2).sum(axis=1) / 2
        # Rounding in h must not undo a step that is right.
        worse = ~(tried >= value - 1e-10 * np.maximum(1.0, np.abs(value))) & ~done
        if worse.any():
            step = np.where(worse[:, None], step / 2, 0.0)
            u = u - step
            if np.abs(step[worse]).max() < 1e-14:
                return u, newton < STALLED
            continue
        value = tried
        slope, bend = along(first, second, direction)
        gradient = (v.transpose(0, 2, 1) @ (block.weight * slope)[:, :, None])[:, :, 0] - u
        curvature = block.weight * np.maximum(-bend, 0.0)  # a rising curvature would lead away from the mode
        hessian = np.eye(d) + v.transpose(0, 2, 1) @ (curvature[:, :, None] * v)
        if not (np.all(np.isfinite(hessian)) and np.all(np.isfinite(gradient))):
            return u, np.zeros(clusters, dtype=bool)
        step = np.asarray(np.clip(_solve(hessian, gradient), -5.0, 5.0), dtype=float)
        u = u + step
        newton = np.abs(step).max(axis=1) / np.maximum(1.0, np.abs(u).max(axis=1))
        # Where a rising curvature was left out, the steps are no longer Newton's, and come nearer slowly.
        near = MODE if bend.max() <= 0 else TIGHT
        done = newton < (near if iteration < 30 else STALLED)
        if done.all():
            return u, done
    return u, done


def _solve(hessian: Array, gradient: Array) -> Array:
    """Solve the clusters' systems; a matrix singular to rounding is lifted by a share of its largest element."""
    if hessian.shape[1] == 1:
        alone: Array = gradient / hessian[:, 0]
        return alone
    try:
        found = np.linalg.solve(hessian, gradient[:, :, None])[:, :, 0]
    except np.linalg.LinAlgError:
        largest = np.abs(hessian).max(axis=(1, 2))
        lift = 1e-12 * largest[:, None, None] * np.eye(hessian.shape[1])
        found = np.linalg.solve(hessian + lift, gradient[:, :, None])[:, :, 0]
    return np.asarray(found, dtype=float)


def along(
    first: tuple[Array, ...], second: tuple[tuple[Array, ...], ...], direction: tuple[float, ...]
) -> tuple[Array, Array]:
    """Return the first and second derivative along the random part."""
    slope = sum(c * g for c, g in zip(direction, first, strict=True) if c)
    bend = sum(
        c * e * second[a][b] for a, c in enumerate(direction) for b, e in enumerate(direction) if c and e
    )
    return np.asarray(slope), np.asarray(bend)


def conditional(block: Block, fixed: Array, covariance: Array, mode: Array) -> Conditional | None:
    """Return the integrand at its modes, or None where it has no maximum there."""
    v = block.z @ factor(block, covariance)
    r = (v @ mode[:, :, None])[:, :, 0]
    f, first, second = block.likelihood.derivatives(predictors(block, fixed, r))
    _, bend = along(first, second, block.likelihood.direction)
    hessian = np.eye(block.n_effects) - v.transpose(0, 2, 1) @ ((block.weight * bend)[:, :, None] * v)
    value = (block.weight * f).sum(axis=1) - (mode**2).sum(axis=1) / 2
    if not (np.all(np.isfinite(hessian)) and np.all(np.isfinite(value))):
        return None
    if block.n_effects == 0:
        return Conditional(covariance, mode, hessian, np.zeros(len(v)), v, value, first, second)
    if block.n_effects == 1:
        if hessian.min() <= 0:
            return None
        log_scale: Array = -np.log(hessian[:, 0, 0]) / 2
        return Conditional(covariance, mode, 1 / hessian, log_scale, v, value, first, second)
    try:
        lower = np.linalg.cholesky(hessian)
    except np.linalg.LinAlgError:
        return None
    log_scale = -np.log(np.diagonal(lower, axis1=1, axis2=2)).sum(axis=1)
    inverse: Array = np.asarray(np.linalg.inv(hessian), dtype=float)
    return Conditional(covariance, mode, inverse, log_scale, v, value, first, second)
