"""The Gaussian likelihood as plain functions of the covariance parameters.

With ``dev = -2 log L``, residual maximum likelihood (Patterson and Thompson 1971; Harville 1977)::

    dev(theta) = sum_k n_k log|Sigma_k| + r'V^-1 r + log|X'V^-1 X| + (n - p) log 2 pi

where ``r = y - X beta`` at the generalised least squares estimate; maximum likelihood leaves out ``log|X'V^-1 X|`` and
has n for n - p.
With ``A = Sigma^-1``, ``RR[s,t] = r_s r_t`` and ``H[s,t] = tr(Phi C[s,t])``, summed over the clusters of a pattern::

    d dev / d theta_h        = tr[(n_k A - A (RR + H) A) D_h]
    M_h                      = X'V^-1 V_h V^-1 X = sum (A D_h A)[s,t] C[s,t]
    d2 dev / d theta_h theta_g = - n_k tr(A D_h A D_g) + 2 tr(A D_h A D_g A (RR + H)) - tr(Phi M_h Phi M_g)
                               - 2 u_h' Phi u_g + tr[(n_k A - A (RR + H) A) D_hg]

with ``u_h = X'V^-1 V_h V^-1 r``; maximum likelihood leaves out the terms that hold H and M (its ``u`` term stays).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analyses.covariance import Elements, upper_triangle
from analyses.crossproducts import CrossProducts

Array = NDArray[np.float64]
LOG_2PI = float(np.log(2 * np.pi))


@dataclass(frozen=True, slots=True)
class Profile:
    """The likelihood at one covariance, with the fixed effects at their estimate.

    Attributes
    ----------
    deviance
        Minus twice the (restricted) log-likelihood.
    beta
        Generalised least squares estimate, shape (p,).
    phi
        ``(X'V^-1 X)^-1``, shape (p, p).
    inverses
        ``Sigma_k^-1`` by block, shape (k, m, m) each.
    """

    deviance: float
    beta: Array
    phi: Array
    inverses: tuple[Array, ...]


@dataclass(frozen=True, slots=True)
class Derivatives:
    """Derivatives of the deviance by h covariance parameters, and what small-sample inference needs.

    Attributes
    ----------
    gradient
        Shape (h,).
    hessian
        Exact second derivatives (the observed information is half of it), shape (h, h).
    expected
        Expected second derivatives (Fisher information times two), shape (h, h).
    m
        ``X'V^-1 V_h V^-1 X``, shape (h, p, p).
    """

    gradient: Array
    hessian: Array
    expected: Array
    m: Array


def unpack_columns(packed: Array, columns: int) -> Array:
    """Symmetric P x P matrices of packed products: (..., L) to (..., P, P)."""
    rows, others = upper_triangle(columns)
    index = np.empty((columns, columns), dtype=np.intp)
    index[rows, others] = index[others, rows] = np.arange(len(rows))
    return packed[..., index]


def _pack_weights(matrix: Array) -> Array:
    """Weights w with ``w @ packed = sum_pq matrix[p,q] C[p,q]`` for symmetric C."""
    rows, columns = upper_triangle(len(matrix))
    weights: Array = matrix[rows, columns] * np.where(rows == columns, 1.0, 2.0)
    return weights


def profile(sigma: Array, cross: CrossProducts, reml: bool) -> Profile | None:
    """Return the likelihood at packed covariances, or None where one of them is not positive definite.

    Parameters
    ----------
    sigma
        Covariance of every packed pair, shape (pairs,).
    cross
        Cross-products of ``[X y]``.
    reml
        Residual (restricted) maximum likelihood.
    """
    layout, p = cross.layout, cross.n_columns - 1
    packed, inverses, log_determinant = np.empty(layout.n_pairs), [], 0.0
    for block in layout.blocks:
        matrices = block.unpack(sigma)
        try:
            lower = np.linalg.cholesky(matrices)
        except np.linalg.LinAlgError:
            return None
        diagonal = np.diagonal(lower, axis1=1, axis2=2)
        log_determinant += 2.0 * float(block.counts @ np.log(diagonal).sum(axis=1))
        half = np.linalg.inv(lower)
        inverse = half.transpose(0, 2, 1) @ half
        inverses.append(inverse)
        packed[block.pairs] = block.pack(inverse)
    totals = unpack_columns(packed @ cross.products, cross.n_columns)
    if not np.all(np.isfinite(totals)):
        return None
    try:
        factor = np.linalg.cholesky(totals[:p, :p])
    except np.linalg.LinAlgError:
        return None
    half_phi = np.linalg.inv(factor)
    phi: Array = half_phi.T @ half_phi
    beta: Array = half_phi.T @ (half_phi @ totals[:p, p])
    quadratic = float(totals[p, p] - totals[:p, p] @ beta)
    deviance = log_determinant + quadratic + layout.n_rows * LOG_2PI
    if reml:
        deviance += 2.0 * float(np.log(np.diag(factor)).sum()) - p * LOG_2PI
    return Profile(deviance, beta, (phi + phi.T) / 2, tuple(inverses))


def derivatives(at: Profile, by: Elements, cross: CrossProducts, reml: bool) -> Derivatives:
    """Gradient and Hessian of the deviance by the parameters of ``by``.

    Parameters
    ----------
    at
        The likelihood at the covariance whose elements are ``by.value``.
    by
        Covariance elements with their derivatives by the parameters, all components together.
    cross
        Cross-products of ``[X y]``.
    reml
        Residual (restricted) maximum likelihood.
    """
    layout, p, h = cross.layout, cross.n_columns - 1, by.first.shape[1]
    b = np.append(-at.beta, 1.0)
    residual = cross.products @ _pack_weights(np.outer(b, b))
    leverage = np.zeros_like(residual)
    if reml and p:
        wide = np.zeros((p + 1, p + 1))
        wide[:p, :p] = at.phi
        leverage = cross.products @ _pack_weights(wide)
    # Packed pairs s < t hold C[s,t] + C[t,s]; a symmetric matrix needs half of it in each place.
    both = (residual + leverage) / layout.multiplicity
    slopes = np.asarray((layout.elements.T @ by.first).T)
    packed_score, packed_m = np.empty(layout.n_pairs), np.empty((h, layout.n_pairs))
    trace, quadratic, trace_expected = np.zeros((h, h)), np.zeros((h, h)), np.zeros((h, h))
    for block, inverse in zip(layout.blocks, at.inverses, strict=True):
        middle = block.unpack(both)
        counts = block.counts[:, None, None]
        spread = inverse @ middle
        packed_score[block.pairs] = block.pack(counts * inverse - spread @ inverse)
        ad = inverse @ block.unpack(slopes)
        packed_m[:, block.pairs] = block.pack(ad @ inverse)
        flat = ad.reshape(h, -1)
        flipped = ad.transpose(0, 1, 3, 2)
        trace += flat @ (counts * flipped).reshape(h, -1).T
        right = (ad @ spread).transpose(0, 1, 3, 2).reshape(h, -1)
        quadratic += flat @ right.T
        if reml and p:
            lever = inverse @ block.unpack(leverage / layout.multiplicity)
            trace_expected += flat @ (ad @ lever).transpose(0, 1, 3, 2).reshape(h, -1).T
    score_elements = np.asarray(layout.elements @ (packed_score * layout.multiplicity))
    gradient = score_elements @ by.first
    curved = np.tensordot(score_elements, by.second, axes=1)
    m_full = unpack_columns(packed_m @ cross.products, cross.n_columns)
    m, u = m_full[:, :p, :p], m_full[:, :p, :] @ b
    hessian = -trace + quadratic + quadratic.T + curved - 2.0 * u @ at.phi @ u.T
    expected = trace.copy()
    if reml and p:
        spread_m = (at.phi @ m).reshape(h, -1)
        between = spread_m @ (at.phi @ m).transpose(0, 2, 1).reshape(h, -1).T
        hessian -= between
        expected += between - trace_expected - trace_expected.T
    return Derivatives(gradient, (hessian + hessian.T) / 2, (expected + expected.T) / 2, m)
