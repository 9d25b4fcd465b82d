"""The marginal likelihood of clusters with random effects, by Laplace or adaptive quadrature, and its exact slopes.

For one cluster with ``b = L u``, ``u ~ N(0, I)``, and ``h(u) = sum_i w_i f_i(u) - u'u / 2``,

    log L  =  e + log sum_q w_q exp h(m + exp(e) t_q),     h'(m) = 0,    e = -1/2 log |-h''(m)|

(one scalar effect: adaptive Gauss-Hermite quadrature; Liu and Pierce 1994, Biometrika 81:624), which with one node is
Laplace's approximation ``h(m) + e``, for any number of effects. Mode m and scale e depend on the parameters too.
What is returned is the gradient and Hessian of exactly this function: with ``R(psi, m, e)`` its right side,
``E(psi, m) = -1/2 log |-h''(m)|`` and the multipliers nu and mu that make

    Phi = R + nu (E - e) + mu' h'(m)

stationary in m and e, the gradient is ``dPhi/dpsi`` and the Hessian is ``D^2 Phi`` along the total tangents
``(psi_j, dm/dpsi_j, de/dpsi_j)`` (second-order adjoints; Griewank and Walther 2008, Evaluating Derivatives, chapter
5). No second derivative of the mode is needed, and nothing is differenced.

Covariance parameters are the entries of the lower factors L; the likelihood does not change with the sign of a
column, so a variance of zero lies inside the space and the search walks through it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analyses.engine.clustered_rows import Block
from analyses.links.integrand import Conditional, along, predictors
from analyses.links.quadrature import Rule

__all__ = ["Slopes", "block_slopes", "block_value"]

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Slopes:
    """Log-likelihood (clusters,) and gradient (clusters, q) of every cluster; Hessian (q, q) of their sum."""

    value: Array
    gradient: Array
    hessian: Array


def block_value(block: Block, at: Conditional, fixed: Array, rule: Rule) -> Array:
    """Log-likelihood of every cluster, shape (clusters,)."""
    if len(rule.nodes) == 1:
        total: Array = at.value + at.log_scale
        return total
    u, predictor = _node_predictors(block, at, fixed, rule)
    f = block.likelihood.value(predictor)
    values = (block.weight * f).sum(axis=2) - u**2 / 2 + rule.log_weights[:, None]
    return at.log_scale + _log_sum(values)


def _node_predictors(
    block: Block, at: Conditional, fixed: Array, rule: Rule
) -> tuple[Array, tuple[Array, ...]]:
    """Random effect at the nodes, shape (nodes, clusters), and the predictors there, (nodes, clusters, rows)."""
    u = at.mode[:, 0] + rule.nodes[:, None] * np.exp(at.log_scale)
    return u, predictors(block, fixed, u[:, :, None] * at.v[:, :, 0])


def _log_sum(values: Array) -> Array:
    top = values.max(axis=0)
    found: Array = top + np.log(np.exp(values - top).sum(axis=0))
    return found


@dataclass(frozen=True, slots=True, eq=False)
class _Tangents:
    """First derivatives at the modes that all second ones are built of.

    ``rows[a]`` (clusters, rows, q): total tangent of predictor a; ``v`` (clusters, rows, covariance, d) and
    ``part`` (clusters, rows, covariance): of v and of the random part at a fixed u; ``mode`` (clusters, d, q);
    ``log_scale`` (clusters, q).
    """

    rows: tuple[Array, ...]
    v: Array
    part: Array
    mode: Array
    log_scale: Array


@dataclass(frozen=True, slots=True, eq=False)
class _Rows:
    """Weighted derivatives of the rows' log-likelihoods at the modes, each (clusters, rows); r the random part."""

    a: tuple[Array, ...]
    r: Array
    aa: tuple[tuple[Array, ...], ...]
    ra: tuple[Array, ...]
    rr: Array
    raa: tuple[tuple[Array, ...], ...]
    rra: tuple[Array, ...]
    rrr: Array
    rraa: tuple[tuple[Array, ...], ...]


def _rows_at(block: Block, at: Conditional, fixed: Array) -> _Rows:
    r = (at.v @ at.mode[:, :, None])[:, :, 0]
    where = predictors(block, fixed, r)
    third, fourth = block.likelihood.higher(where)
    w, direction = block.weight, block.likelihood.direction

    def weighted(square: tuple[tuple[Array, ...], ...]) -> tuple[tuple[Array, ...], ...]:
        return tuple(tuple(w * part for part in row) for row in square)

    def along(parts: tuple[Array, ...]) -> Array:
        return np.asarray(sum(c * part for c, part in zip(direction, parts, strict=True) if c))

    a = tuple(w * part for part in at.first)
    aa, raa = weighted(at.second), weighted(third)
    ra, rra = tuple(along(row) for row in aa), tuple(along(row) for row in raa)
    return _Rows(a, along(a), aa, ra, along(ra), raa, rra, along(rra), weighted(fourth))


def block_slopes(block: Block, at: Conditional, fixed: Array, rule: Rule) -> Slopes:
    """Log-likelihood, gradient and exact Hessian of a block.

    Parameters
    ----------
    block
        The clusters.
    at
        The integrand at its modes.
    fixed
        Fixed parameters, shape (n_fixed,).
    rule
        Of `analyses.links.quadrature.adaptive_rule`; more than one node for one effect a cluster only.

    Returns
    -------
    Slopes
        Parameters: the fixed ones, then those of the covariance.
    """
    if not block.n_effects:
        return _independent(block, at)
    rows = _rows_at(block, at, fixed)
    n_fixed, n_covariance = len(fixed), len(block.tangents)
    v, s = at.v, at.inverse
    v_dot = np.einsum("cmd,lde->cmle", block.z, block.tangents)
    part = (v_dot @ at.mode[:, None, :, None])[..., 0]
    sv = v @ s
    leverage = (sv * v).sum(axis=2)
    tau = (v_dot @ sv[..., None])[..., 0]
    cross = np.concatenate([_sum_fixed(block, rows.ra, v), _cross_covariance(rows, v, v_dot, part)], axis=2)
    mode_dot = s @ cross
    part_dot = v @ mode_dot
    part_dot[:, :, n_fixed:] += part
    full = tuple(
        np.concatenate([d, np.zeros((*d.shape[:2], n_covariance))], axis=2) + along * part_dot
        for d, along in zip(block.design, block.likelihood.direction, strict=True)
    )
    e_mode = (v.transpose(0, 2, 1) @ (rows.rrr * leverage)[:, :, None])[:, :, 0] / 2
    e_fixed = np.concatenate(
        [
            _weighted_rows(tuple(x * leverage / 2 for x in rows.rra), block.design),
            np.einsum("cm,cml->cl", rows.rrr * leverage / 2, part) + np.einsum("cm,cml->cl", rows.rr, tau),
        ],
        axis=1,
    )
    e_dot = e_fixed + (e_mode[:, None, :] @ mode_dot)[:, 0, :]
    tangents = _Tangents(full, v_dot, part, mode_dot, e_dot)
    if len(rule.nodes) == 1:
        nu, multiplier = np.ones(len(v)), (s @ e_mode[:, :, None])[:, :, 0]
        value = at.value + at.log_scale
        direct = np.concatenate(
            [_weighted_rows(rows.a, block.design), np.einsum("cm,cml->cl", rows.r, part)], axis=1
        )
        hessian = _laplace_hessian(block, rows, tangents)
    else:
        value, direct, hessian, nu, r_mode = _quadrature(block, at, fixed, rule, tangents)
        multiplier = (s @ (r_mode[:, None] + nu[:, None] * e_mode)[:, :, None])[:, :, 0]
    gradient = direct + nu[:, None] * e_fixed + (multiplier[:, None, :] @ cross)[:, 0, :]
    hessian += _constraint_hessian(block, at, rows, tangents, nu, multiplier, sv, leverage, tau)
    return Slopes(value, gradient, (hessian + hessian.T) / 2)


def _independent(block: Block, at: Conditional) -> Slopes:
    """Slopes of rows without random effects."""
    w = block.weight
    gradient = _weighted_rows(tuple(w * part for part in at.first), block.design)
    return Slopes(at.value, gradient, _quadratic(at.second, block.design, w * block.count[:, None]))


def _weighted_rows(weights: tuple[Array, ...], design: tuple[Array, ...]) -> Array:
    """Sum over rows of weights times design, shape (clusters, columns)."""
    return np.asarray(sum((w[:, None, :] @ x)[:, 0, :] for w, x in zip(weights, design, strict=True)))


def _sum_fixed(block: Block, weights: tuple[Array, ...], v: Array) -> Array:
    """Sum over rows of v, weights and design, shape (clusters, d, fixed)."""
    turned = v.transpose(0, 2, 1)
    return np.asarray(sum(turned @ (w[:, :, None] * x) for w, x in zip(weights, block.design, strict=True)))


def _cross_covariance(rows: _Rows, v: Array, v_dot: Array, part: Array) -> Array:
    """Derivative of h' by the covariance parameters, shape (clusters, d, covariance)."""
    bent = v.transpose(0, 2, 1) @ (rows.rr[:, :, None] * part)
    turned: Array = np.einsum("cm,cmld->cdl", rows.r, v_dot)
    return bent + turned


def _gram(left: Array, weight: Array, right: Array) -> Array:
    """Sum of ``weight left_j right_k`` over clusters and rows, shape (q, q)."""
    flat = left.shape[0] * left.shape[1]
    found: Array = left.reshape(flat, -1).T @ (weight[:, :, None] * right).reshape(flat, -1)
    return found


def _at_end(small: Array, size: int) -> Array:
    """Put columns of the covariance parameters (…, covariance) after zeros for the fixed ones: (…, size)."""
    whole = np.zeros((*small.shape[:-1], size))
    whole[..., size - small.shape[-1] :] = small
    return whole


def _laplace_hessian(block: Block, rows: _Rows, t: _Tangents) -> Array:
    """Second derivative of h along the total tangents."""
    q = t.rows[0].shape[2]
    count = block.count[:, None]
    flat = t.mode.reshape(-1, q)
    total = -(np.repeat(block.count, t.mode.shape[1])[:, None] * flat).T @ flat
    total += _quadratic(rows.aa, t.rows, count)
    bilinear = _with_mode(count * rows.r, t)
    total[q - len(bilinear) :] += bilinear
    total[:, q - len(bilinear) :] += bilinear.T
    return np.asarray(total)


def _with_mode(weight: Array, t: _Tangents) -> Array:
    """Sum of ``weight v_dot_l' mode_dot_k`` over clusters and rows, shape (covariance, q)."""
    summed = (weight[:, :, None, None] * t.v).sum(axis=1).transpose(1, 0, 2)
    found: Array = summed.reshape(len(summed), -1) @ t.mode.reshape(-1, t.mode.shape[2])
    return found


def _quadratic(square: tuple[tuple[Array, ...], ...], rows: tuple[Array, ...], count: Array) -> Array:
    """Sum of ``square[a][b] rows[a]_j rows[b]_k`` over predictors, clusters and rows."""
    total = np.zeros((rows[0].shape[2],) * 2)
    for a, left in enumerate(rows):
        right = sum(square[a][b][:, :, None] * other for b, other in enumerate(rows))
        total += _gram(left, np.broadcast_to(count, left.shape[:2]), np.asarray(right))
    return total


def _constraint_hessian(
    block: Block,
    at: Conditional,
    rows: _Rows,
    t: _Tangents,
    nu: Array,
    multiplier: Array,
    sv: Array,
    leverage: Array,
    tau: Array,
) -> Array:
    """Second derivative of ``nu E + mu' h'`` along the total tangents, summed over clusters."""
    q, v = t.rows[0].shape[2], at.v
    count, scaled = block.count[:, None], (block.count * nu)[:, None]
    pull = count * (v @ multiplier[:, :, None])[:, :, 0]
    weight = scaled * leverage / 2
    square = tuple(
        tuple(weight * rows.rraa[a][b] + pull * rows.raa[a][b] for b in range(len(t.rows)))
        for a in range(len(t.rows))
    )
    total = _quadratic(square, t.rows, np.ones_like(count))
    # Terms with the tangents of v, which only covariance parameters have.
    pulled = (t.v @ multiplier[:, None, :, None])[..., 0]
    coupled = np.zeros((t.part.shape[2], q))
    for a, of_row in enumerate(t.rows):
        coupled += _gram(tau, scaled * rows.rra[a], of_row) + _gram(pulled, count * rows.ra[a], of_row)
    coupled += _with_mode(weight * rows.rrr + pull * rows.rr, t)
    total[q - len(coupled) :] += coupled
    total[:, q - len(coupled) :] += coupled.T
    n = len(coupled)
    through = t.v @ at.inverse[:, None]
    bent = (scaled * rows.rr)[:, :, None, None] * through
    left, right = (part.transpose(2, 0, 1, 3).reshape(n, -1) for part in (bent, t.v))
    total[q - n :, q - n :] += left @ right.T
    moved = _moved(rows, t, v, sv, through, at.inverse)
    turned = moved.transpose(0, 2, 1, 3).reshape(-1, q)
    half = np.repeat(scaled[:, 0] / 2, v.shape[2] ** 2)[:, None]
    total += moved.reshape(-1, q).T @ (half * turned)
    return total


def _moved(rows: _Rows, t: _Tangents, v: Array, sv: Array, through: Array, inverse: Array) -> Array:
    """Minus the inverse Hessian times its total tangents, (clusters, d, d, q), of the log-determinant's bend."""
    clusters, m, d = v.shape
    q, n = t.rows[0].shape[2], t.part.shape[2]
    change = sum(x[:, :, None] * y for x, y in zip(rows.rra, t.rows, strict=True))
    outer = (sv[..., :, None] * v[..., None, :]).reshape(clusters, m, d * d)
    moved: Array = (outer.transpose(0, 2, 1) @ np.asarray(change)).reshape(clusters, d, d, q)
    weighted = rows.rr[:, :, None] * v
    turned = (weighted @ inverse).transpose(0, 2, 1) @ t.v.reshape(clusters, m, n * d)
    moved[..., q - n :] += turned.reshape(clusters, d, n, d).transpose(0, 1, 3, 2)
    other = through.reshape(clusters, m, n * d).transpose(0, 2, 1) @ weighted
    moved[..., q - n :] += other.reshape(clusters, n, d, d).transpose(0, 2, 3, 1)
    return moved


def _quadrature(
    block: Block, at: Conditional, fixed: Array, rule: Rule, t: _Tangents
) -> tuple[Array, Array, Array, Array, Array]:
    """Log-likelihood, direct gradient, Hessian of R, and the derivatives of R by e and by m.

    Everything is ordered (nodes, clusters); the random part of a row is ``z sigma u``.
    """
    u, where = _node_predictors(block, at, fixed, rule)
    f, first, second = block.likelihood.derivatives(where)
    w, z = block.weight, block.z[:, :, 0]
    values = (w * f).sum(axis=2) - u**2 / 2 + rule.log_weights[:, None]
    log_sum = _log_sum(values)
    p = np.exp(values - log_sum)
    dead = (p == 0)[:, :, None]
    if dead.any():  # far nodes, whose slopes may have overflown, have no weight
        first = tuple(np.where(dead, 0.0, part) for part in first)
        second = tuple(tuple(np.where(dead, 0.0, part) for part in row) for row in second)
    direction = block.likelihood.direction
    slope, bend = along(first, second, direction)
    # Random part of a row: z sigma u; its tangent at the node is z y, with y = d(sigma u).
    spread = float(at.covariance[0])
    pull, stiff = (w * slope * z).sum(axis=2), (w * bend * z**2).sum(axis=2)
    h_slope = spread * pull - u
    distance = rule.nodes[:, None] * np.exp(at.log_scale)
    nu = 1 + (p * h_slope * distance).sum(axis=0)
    r_mode = (p * h_slope).sum(axis=0)
    n_fixed, q = len(fixed), t.log_scale.shape[1]
    u_dot = t.mode[:, 0, :] + distance[:, :, None] * t.log_scale
    y = spread * u_dot
    y[:, :, n_fixed:] += u[:, :, None]
    direct = np.concatenate(
        [
            _weighted_rows(tuple(w * (p[:, :, None] * g).sum(axis=0) for g in first), block.design),
            (p * pull * u).sum(axis=0)[:, None],
        ],
        axis=1,
    )
    of_fixed = sum(_by_node(w * g, x) for g, x in zip(first, block.design, strict=True))
    mixed = tuple(
        np.asarray(sum(c * second[a][b] for b, c in enumerate(direction) if c)) for a in range(len(direction))
    )
    crossed = sum(_by_node(w * z * g, x) for g, x in zip(mixed, block.design, strict=True))
    g = _at_start(np.asarray(of_fixed), q) + pull[:, :, None] * y - u[:, :, None] * u_dot
    weight = p * block.count
    total = _node_gram(g, weight, g) + _node_gram(y, weight * stiff, y) - _node_gram(u_dot, weight, u_dot)
    mean = (p[:, :, None] * g).sum(axis=0)
    total -= mean.T @ (block.count[:, None] * mean)
    cross = _node_gram(_at_start(np.asarray(crossed), q), weight, y)
    cross[n_fixed:] += (weight * pull)[..., None].reshape(-1, 1).T @ u_dot.reshape(-1, q)
    total += cross + cross.T
    along_scale = (weight * h_slope * distance).sum(axis=0)
    total += t.log_scale.T @ (along_scale[:, None] * t.log_scale)
    total[:n_fixed, :n_fixed] += _quadratic(
        tuple(tuple((weight[:, :, None] * part).sum(axis=0) * w for part in row) for row in second),
        block.design,
        np.ones((len(w), 1)),
    )
    return at.log_scale + log_sum, direct, total, nu, r_mode


def _by_node(weights: Array, design: Array) -> Array:
    """Sum over rows of weights (nodes, clusters, rows) times design: shape (nodes, clusters, columns)."""
    found: Array = (weights.transpose(1, 0, 2) @ design).transpose(1, 0, 2)
    return found


def _at_start(small: Array, size: int) -> Array:
    whole = np.zeros((*small.shape[:-1], size))
    whole[..., : small.shape[-1]] = small
    return whole


def _node_gram(left: Array, weight: Array, right: Array) -> Array:
    flat = left.shape[0] * left.shape[1]
    found: Array = left.reshape(flat, -1).T @ (weight[..., None] * right).reshape(flat, -1)
    return found
