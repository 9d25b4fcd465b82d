"""The Gaussian likelihood and its derivatives as functions of the covariance.

With ``dev = -2 log L``, residual maximum likelihood (Patterson and Thompson 1971; Harville 1977)::

    dev(theta) = log|V| + r'V^-1 r + log|X'V^-1 X| + (n - p) log 2 pi

where ``r = y - X beta`` at the generalised least squares estimate; maximum likelihood leaves out ``log|X'V^-1 X|`` and
has n for n - p. With ``V_h = dV / d theta_h``, ``Phi = (X'V^-1 X)^-1``, ``M_h = X'V^-1 V_h V^-1 X`` and
``u_h = X'V^-1 V_h V^-1 r``::

    d dev / d theta_h            = tr(V^-1 V_h) - r'V^-1 V_h V^-1 r - tr(Phi M_h)
    d2 dev / d theta_h d theta_g = - tr(V^-1 V_h V^-1 V_g) + 2 r'V^-1 V_h V^-1 V_g V^-1 r
                                   + 2 tr(Phi X'V^-1 V_h V^-1 V_g V^-1 X) - tr(Phi M_h Phi M_g)
                                   - 2 u_h' Phi u_g + (the gradient along V_hg)

maximum likelihood leaves out the terms that hold Phi and M (its ``u`` term stays).

Crossed random effects are a border, ``V = V_b + U G U'`` with few columns U and ``V_b`` block-diagonal over clusters. U
joins X and y in ``W = [X U y]``, and with ``B = U'V_b^-1 U`` and ``K = G^1/2 (I + G^1/2 B G^1/2)^-1 G^1/2``, which is
right at G = 0 too::

    V^-1 = V_b^-1 - V_b^-1 U K U'V_b^-1,      log|V| = log|V_b| + log|I + G^1/2 B G^1/2|

so that ``V^-1 X = V_b^-1 W T`` with ``T = [I; -K U'V_b^-1 X; 0]``, ``V^-1 r = V_b^-1 W v`` and
``V^-1 U = V_b^-1 U (I - K B)``: all that stands above is made of ``N_h = W'V_b^-1 V_h V_b^-1 W`` and its like, which
`analyses.engine.cluster_products` gives.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analyses.covariance import Elements
from analyses.engine.border import Border
from analyses.engine.cluster_products import ClusterProducts, Whitened

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
    whitened
        The columns at this covariance.
    k
        K of the border, shape (c, c); empty without one.
    """

    deviance: float
    beta: Array
    phi: Array
    whitened: Whitened
    k: Array


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
    traces
        What ``expected`` would have on its diagonal, about, were the fixed effects known: a scale to judge it by, (h,).
    """

    gradient: Array
    hessian: Array
    expected: Array
    m: Array
    traces: Array


@dataclass(frozen=True, slots=True)
class _Sides:
    """What stands beside ``N_h`` on either side: T, v and, of the border, K, I - K B and U'V^-1 [U X r]."""

    t: Array
    v: Array
    k: Array
    s: Array
    uu: Array
    ux: Array
    ur: Array
    border: slice


@dataclass(frozen=True, slots=True)
class Likelihood:
    """The (restricted) likelihood of one model and its data.

    Attributes
    ----------
    products
        The data, as columns ``[X U y]``.
    n_fixed
        p, the columns of X.
    reml
        Residual (restricted) maximum likelihood.
    border
        Crossed random effects, or None.
    """

    products: ClusterProducts
    n_fixed: int
    reml: bool
    border: Border | None = None

    def profile(self, elements: Array) -> Profile | None:
        """Return the likelihood at a covariance, or None where it is not positive definite.

        Parameters
        ----------
        elements
            Elements of all components' covariance matrices, in the order of `analyses.engine.covariance_model`.
        """
        p = self.n_fixed
        whitened = self.products.whiten(elements if self.border is None else self.border.base(elements))
        if whitened is None:
            return None
        totals, k = whitened.totals, np.zeros((0, 0))
        deviance = whitened.log_determinant + self.products.n_rows * LOG_2PI
        if self.border is not None:
            inside = slice(p, totals.shape[0] - 1)
            found = self.border.woodbury(elements, totals[inside, inside])
            if found is None:
                return None
            k, more = found
            deviance += more
            beside = np.r_[:p, len(totals) - 1]
            edge = totals[inside][:, beside]
            totals = totals[np.ix_(beside, beside)] - edge.T @ k @ edge
        try:
            factor = np.linalg.cholesky(totals[:p, :p])
        except np.linalg.LinAlgError:
            return None
        half_phi = np.linalg.inv(factor)
        phi: Array = half_phi.T @ half_phi
        beta: Array = half_phi.T @ (half_phi @ totals[:p, -1])
        deviance += float(totals[-1, -1] - totals[:p, -1] @ beta)
        if self.reml:
            deviance += 2.0 * float(np.log(np.diag(factor)).sum()) - p * LOG_2PI
        return Profile(deviance, beta, (phi + phi.T) / 2, whitened, k)

    def derivatives(self, at: Profile, by: Elements, with_expected: bool = True) -> Derivatives:
        """Gradient and Hessian of the deviance by the parameters of ``by``.

        Parameters
        ----------
        at
            The likelihood at the covariance whose elements are ``by.value``.
        by
            Covariance elements with their derivatives by the parameters, all components together.
        with_expected
            Whether the expected second derivatives are wanted; without them they are NaN.
        """
        p, h, sides = self.n_fixed, by.first.shape[1], self._sides(at)
        fixed = self.reml and p > 0
        lever = sides.t @ at.phi @ sides.t.T if fixed else np.zeros((len(sides.v), len(sides.v)))
        if self.border is not None:
            lever[sides.border, sides.border] += sides.k
        weights = [np.outer(sides.v, sides.v) + lever]
        if with_expected and (fixed or self.border is not None):
            weights.append(lever)
        inside = np.arange(h) if self.border is None else self.border.base_parameters
        slopes = self.products.differentiate(at.whitened, self._base_first(by), np.stack(weights))
        hessian, expected = np.zeros((h, h)), np.full((h, h), 0.0 if with_expected else np.nan)
        both = np.ix_(inside, inside)
        hessian[both] = -slopes.pair_traces + slopes.quadratic[0] + slopes.quadratic[0].T
        if with_expected:
            expected[both] = slopes.pair_traces
            if len(weights) > 1:
                expected[both] -= slopes.quadratic[1] + slopes.quadratic[1].T
        traces = np.diag(hessian).copy()
        traces[inside] = np.diag(slopes.pair_traces)
        m, u, score = self._linear_terms(at, by, slopes.weighted, slopes.score, sides)
        if self.border is not None:
            more, more_expected = self._border_terms(at, by, slopes.weighted, sides)
            hessian += more
            expected += more_expected
            traces[self.border.own_parameters] = np.diag(more_expected)[self.border.own_parameters]
        hessian += np.tensordot(score, by.second, axes=1) - 2.0 * u @ at.phi @ u.T
        if fixed:
            spread = at.phi @ m
            between = spread.reshape(h, -1) @ spread.transpose(0, 2, 1).reshape(h, -1).T
            hessian -= between
            expected += between
        hessian, expected = (hessian + hessian.T) / 2, (expected + expected.T) / 2
        return Derivatives(score @ by.first, hessian, expected, m, traces)

    def curvature(self, at: Profile, by: Elements, w: Array, with_second: bool) -> Array:
        """``sum_hg w_hg (Q_hg - R_hg / 4)`` of Kenward and Roger (1997), shape (p, p).

        ``Q_hg = X'V^-1 V_h V^-1 V_g V^-1 X`` and ``R_hg = X'V^-1 V_hg V^-1 X``.

        Parameters
        ----------
        at, by
            Likelihood, and covariance elements by the natural parameters, at the estimate.
        w
            Covariance of the parameters, shape (h, h).
        with_second
            Whether to keep the second-derivative term R; False is the linear version.
        """
        p, sides, first = self.n_fixed, self._sides(at), self._base_first(by)
        bent = np.einsum("ehg,hg->e", by.second, w)
        if self.border is None:
            total = self.products.second_order(at.whitened, first, w)[:p, :p]
            if with_second:
                total = total - self.products.weighted(at.whitened, bent[:, None])[0, :p, :p] / 4
            return total
        own = self.border.base_parameters
        crossed = self.border.own_parameters
        total = sides.t.T @ self.products.second_order(at.whitened, first, w[np.ix_(own, own)]) @ sides.t
        weighted = self.products.weighted(at.whitened, first)
        upper = weighted[:, sides.border, :] @ sides.t
        total -= np.einsum("hcp,hg,cd,gdq->pq", upper, w[np.ix_(own, own)], sides.k, upper, optimize=True)
        half = self.border.along(by.first, sides.ux)
        mixed = np.einsum("hcp,ce,ha,aeq->pq", upper, sides.s, w[np.ix_(own, crossed)], half, optimize=True)
        total += mixed + mixed.T
        total += np.einsum(
            "acp,ab,cd,bdq->pq", half, w[np.ix_(crossed, crossed)], sides.uu, half, optimize=True
        )
        if with_second:
            base = self.border.base(bent)
            total -= sides.t.T @ self.products.weighted(at.whitened, base[:, None])[0] @ sides.t / 4
            total -= sides.ux.T @ self.border.whole(bent) @ sides.ux / 4
        return total

    def _base_first(self, by: Elements) -> Array:
        if self.border is None:
            return by.first
        return self.border.base(by.first)[:, self.border.base_parameters]

    def _sides(self, at: Profile) -> _Sides:
        p, totals = self.n_fixed, at.whitened.totals
        size = len(totals)
        inside = slice(p, size - 1)
        t, v = np.zeros((size, p)), np.zeros(size)
        t[:p], v[:p], v[-1] = np.eye(p), -at.beta, 1.0
        if self.border is None:
            none = np.zeros((0, 0))
            return _Sides(t, v, none, none, none, np.zeros((0, p)), np.zeros(0), inside)
        b = totals[inside, inside]
        t[inside] = -at.k @ totals[inside, :p]
        v[inside] = -at.k @ (totals[inside, -1] - totals[inside, :p] @ at.beta)
        s = np.eye(len(b)) - at.k @ b
        return _Sides(t, v, at.k, s, b @ s, s.T @ totals[inside, :p], totals[inside] @ v, inside)

    def _linear_terms(
        self, at: Profile, by: Elements, weighted: Array, base_score: Array, sides: _Sides
    ) -> tuple[Array, Array, Array]:
        """``M_h``, ``u_h`` and the gradient by every element of the covariance."""
        p, h = self.n_fixed, by.first.shape[1]
        if self.border is None:
            return weighted[:, :p, :p], weighted[:, :p, :] @ sides.v, base_score
        m, u = np.empty((h, p, p)), np.empty((h, p))
        left = sides.t.T @ weighted
        m[self.border.base_parameters], u[self.border.base_parameters] = left @ sides.t, left @ sides.v
        half = self.border.along(by.first, sides.ux).transpose(0, 2, 1)
        m[self.border.own_parameters], u[self.border.own_parameters] = half @ sides.ux, half @ sides.ur
        gradient = sides.uu - np.outer(sides.ur, sides.ur)
        if self.reml:
            gradient = gradient - sides.ux @ at.phi @ sides.ux.T
        return m, u, self.border.score(base_score, gradient)

    def _border_terms(self, at: Profile, by: Elements, weighted: Array, sides: _Sides) -> tuple[Array, Array]:
        """What a border adds to the observed and the expected second derivatives."""
        assert self.border is not None
        h, own, crossed = by.first.shape[1], self.border.base_parameters, self.border.own_parameters
        phi = at.phi if self.reml else np.zeros_like(at.phi)
        upper = weighted[:, sides.border, :]
        along, beside = upper @ sides.v, upper @ sides.t
        traces, squares, levers = np.zeros((h, h)), np.zeros((h, h)), np.zeros((h, h))
        both = np.ix_(own, own)
        turned = (sides.k @ upper[:, :, sides.border]).reshape(len(own), len(sides.k), len(sides.k))
        traces[both] = turned.reshape(len(own), -1) @ turned.transpose(0, 2, 1).reshape(len(own), -1).T
        squares[both] = -along @ sides.k @ along.T
        levers[both] = -np.einsum("hcp,cd,gdq,pq->hg", beside, sides.k, beside, phi, optimize=True)
        mixed = np.ix_(own, crossed)
        ga, gx = self.border.along(by.first, sides.ur[:, None])[..., 0], self.border.along(by.first, sides.ux)
        traces[mixed] = self.border.traces(by.first, sides.s, upper[:, :, sides.border] @ sides.s)
        squares[mixed] = (along @ sides.s) @ ga.T
        levers[mixed] = np.einsum("hcp,ce,aeq,pq->ha", beside, sides.s, gx, phi, optimize=True)
        last = np.ix_(crossed, crossed)
        wide = self.border.along(by.first, sides.uu)
        flat = wide.reshape(len(crossed), -1)
        traces[last] = flat @ wide.transpose(0, 2, 1).reshape(len(crossed), -1).T
        squares[last] = ga @ sides.uu @ ga.T
        levers[last] = np.einsum("acp,cd,bdq,pq->ab", gx, sides.uu, gx, phi, optimize=True)
        for part in (traces, squares, levers):
            part[np.ix_(crossed, own)] = part[mixed].T
        return -traces + 2 * squares + 2 * levers, traces - 2 * levers
