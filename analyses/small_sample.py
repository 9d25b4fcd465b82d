"""Small-sample inference for fixed effects: Satterthwaite, Kenward and Roger.

Both rest on ``W``, the covariance of the estimated covariance parameters (inverse information, taken in the natural
parameters of `analyses.covariance`), and on ``M_h = X'V^-1 V_h V^-1 X``, since ``d Phi / d eta_h = Phi M_h Phi``.

- Satterthwaite (Giesbrecht and Burns 1985; Fai and Cornelius 1996): ``df = 2 (l Phi l')^2 / (v' W v)``,
  ``v_h = l Phi M_h Phi l'``.
- Kenward and Roger (1997): the covariance of the fixed effects is adjusted for the estimation of the covariance,
  ``Phi_A = Phi + 2 Phi [sum_hg W_hg (Q_hg - P_h Phi P_g - R_hg / 4)] Phi`` with ``P_h = -M_h``,
  ``Q_hg = X'V^-1 V_h V^-1 V_g V^-1 X``, ``R_hg = X'V^-1 V_hg V^-1 X``; the F statistic is scaled and its denominator
  degrees of freedom are matched by moments. The *linear* version leaves out R; with the observed information it does
  not depend on the parameterisation.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analyses.engine.cluster_products import signed_root
from analyses.engine.sandwich import Sandwich
from analyses.likelihood import Derivatives

Array = NDArray[np.float64]

DF_METHODS = (
    "kenward-roger-linear",
    "kenward-roger",
    "satterthwaite",
    "between-within",
    "residual",
    "asymptotic",
)
"""Names that ``df_method`` may take."""
STATIONARY = 1e-6
"""Squared slope of the deviance, in units of its information, above which an estimate lies on a boundary."""


@dataclass(frozen=True, slots=True)
class SmallSample:
    """What tests of the fixed effects need, in the engine's standardised columns.

    Attributes
    ----------
    method
        One of `DF_METHODS`.
    phi
        Model-based covariance of the estimates, shape (p, p).
    adjusted
        Covariance used for standard errors, shape (p, p).
    w
        Covariance of the natural covariance parameters, shape (h, h).
    m
        ``X'V^-1 V_h V^-1 X``, shape (h, p, p).
    information
        Which information ``w`` is the inverse of: "observed" or "expected".
    residual_df
        n - p.
    coefficient_df
        Between-within degrees of freedom of every coefficient, shape (p,); None for the other methods.
    to_coefficients
        Rows over standardised columns times this matrix are rows over the coefficients, shape (p, p).
    sandwich
        Cluster-robust covariance in place of the model's, or None.
    """

    method: str
    phi: Array
    adjusted: Array
    w: Array
    m: Array
    information: str
    residual_df: float
    coefficient_df: Array | None
    to_coefficients: Array
    sandwich: Sandwich | None = None

    def unknown(self, rows: Array) -> NDArray[np.bool_]:
        """Whether the standard errors of functions cannot be known, shape (k,) for rows of shape (k, p).

        Of a sandwich, those of what rests on one cluster alone (`analyses.engine.sandwich`).
        """
        return np.zeros(len(rows), dtype=bool) if self.sandwich is None else self.sandwich.unknown(rows)

    def row_df(self, rows: Array) -> Array:
        """Denominator degrees of freedom of one-row hypotheses, shape (k,) for rows of shape (k, p)."""
        if self.method == "residual":
            return np.full(len(rows), self.residual_df)
        if self.method == "asymptotic":
            return np.full(len(rows), np.inf)
        if self.coefficient_df is not None:
            return self._between_within_df(rows, self.coefficient_df)
        if self.sandwich is not None:
            return self.sandwich.row_df(rows)
        spread = rows @ self.phi
        variance = np.einsum("kp,kp->k", spread, rows)
        gradient = np.einsum("kp,hpq,kq->kh", spread, self.m, spread)
        with np.errstate(divide="ignore", invalid="ignore"):
            df: Array = 2 * variance**2 / np.einsum("kh,hg,kg->k", gradient, self.w, gradient)
        return df

    def f_test(self, rows: Array, difference: Array) -> tuple[float, float, float]:
        """F statistic, numerator and denominator df of ``rows @ beta = rhs``.

        Parameters
        ----------
        rows
            Linearly independent hypotheses, shape (q, p).
        difference
            ``rows @ beta - rhs``, shape (q,).

        Returns
        -------
        NaN for statistic and denominator where Kenward and Roger's moments are those of no F distribution, and where
        a sandwich does not know the variance of a row.
        """
        q = len(rows)
        if self.unknown(rows).any():
            return np.nan, float(q), np.nan
        statistic = float(difference @ np.linalg.solve(rows @ self.adjusted @ rows.T, difference)) / q
        if self.method in ("residual", "asymptotic", "between-within") or q == 1:
            return statistic, float(q), float(self.row_df(rows).min())
        if self.method == "satterthwaite":
            return statistic, float(q), self._satterthwaite_f_df(rows)
        scale, df = self._kenward_roger_f(rows)
        if not (df > 2 and 0 < scale < np.inf and statistic > -1e-9):
            # Too little information for q hypotheses: no F distribution has these moments, and formulas that go on
            # give negative statistics.
            return np.nan, float(q), np.nan
        return scale * statistic, float(q), df

    def _between_within_df(self, rows: Array, coefficient_df: Array) -> Array:
        """Smallest degrees of freedom of the coefficients that a hypothesis names, as in PROC MIXED."""
        named = rows @ self.to_coefficients
        used = np.abs(named) > 1e-8 * np.abs(named).max(axis=1, keepdims=True)
        df: Array = np.where(used, coefficient_df, np.inf).min(axis=1)
        return df

    def _satterthwaite_f_df(self, rows: Array) -> float:
        """Fai and Cornelius (1996): match the mean of independent one-row tests along the eigenvectors."""
        q = len(rows)
        _, vectors = np.linalg.eigh(rows @ self.adjusted @ rows.T)
        df = self.row_df(vectors.T @ rows)
        if np.ptp(df) < 1e-8 * df.mean():
            return float(df.mean())
        usable = df[df > 2]
        mean = float(np.sum(usable / (usable - 2)))
        return 2 * mean / (mean - q) if mean > q else 2.0

    def _kenward_roger_f(self, rows: Array) -> tuple[float, float]:
        """Scale and denominator df of Kenward and Roger (1997), section 3."""
        q = len(rows)
        theta = rows.T @ np.linalg.solve(rows @ self.phi @ rows.T, rows)
        products = theta @ self.phi @ self.m @ self.phi
        traces = np.trace(products, axis1=1, axis2=2)
        a1 = float(traces @ self.w @ traces)
        a2 = float(np.einsum("hg,hpr,grp->", self.w, products, products))
        b = (a1 + 6 * a2) / (2 * q)
        g = ((q + 1) * a1 - (q + 4) * a2) / ((q + 2) * a2)
        divisor = 3 * q + 2 * (1 - g)
        c1, c2, c3 = g / divisor, (q - g) / divisor, (q + 2 - g) / divisor
        expectation = 1 / (1 - a2 / q)
        variance = 2 / q * (1 + c1 * b) / ((1 - c2 * b) ** 2 * (1 - c3 * b))
        ratio = variance / (2 * expectation**2)
        df = 4 + (q + 2) / (q * ratio - 1)
        return df / (expectation * (df - 2)), df


def between_within_df(x: Array, cluster: NDArray[np.intp]) -> Array:
    """Between-within degrees of freedom of every coefficient (Schluchter and Elashoff 1990; PROC MIXED's DDFM=BW).

    A column that is constant within every cluster is a between-cluster effect: clusters less these columns (the
    intercept counts); the others, and the intercept, have the rows less clusters less within-cluster columns.

    Parameters
    ----------
    x
        Fixed-effects design, shape (n, p).
    cluster
        Code of every row's cluster, shape (n,).
    """
    order = np.argsort(cluster, kind="stable")
    same = cluster[order][1:] == cluster[order][:-1]
    ordered = x[order]
    between = (ordered[1:][same] == ordered[:-1][same]).all(axis=0)
    return between_within(between, (x == x[:1]).all(axis=0), len(x), int(cluster.max()) + 1)


def between_within(
    between: NDArray[np.bool_], constant: NDArray[np.bool_], n_rows: int, n_clusters: int
) -> Array:
    """`between_within_df` of columns that are known to be constant within every cluster, or in all rows."""
    of_between = n_clusters - int(between.sum())
    of_within = n_rows - n_clusters - int((~between).sum())
    df: Array = np.where(between & ~constant, float(of_between), float(of_within))
    return df


def parameter_covariance(derivatives: Derivatives, information: str) -> tuple[Array, str]:
    """Inverse of the information of the covariance parameters, and which information it is.

    On the boundary of the parameter space (a variance of zero) the deviance still slopes, so that its curvature says
    nothing of the parameters' uncertainty. There, and where the observed information is not positive definite, the
    expected one is taken, which counts every parameter: no component is left out in silence, and degrees of freedom
    are not those of a model without it.

    Parameters
    ----------
    derivatives
        By the natural parameters, at the estimate.
    information
        ``observed`` or ``expected``.

    Returns
    -------
    array, str
        Covariance of the parameters, shape (h, h); ``observed``, ``expected``, or ``expected (singular)`` where the
        data do not tell some parameters apart, which then carry no information.
    """
    expected, whole = _inverse(derivatives.expected)
    slope = float(derivatives.gradient @ expected @ derivatives.gradient)
    if information == "observed" and slope < STATIONARY:
        observed, definite = _inverse(derivatives.hessian)
        if definite:
            return 2 * observed, "observed"
    return 2 * expected, "expected" if whole else "expected (singular)"


def _inverse(matrix: Array) -> tuple[Array, bool]:
    """Inverse of a matrix on its positive eigenspace, and whether that is all of it."""
    scale = np.sqrt(np.abs(np.diag(matrix)))
    scale = np.where(scale > 0, scale, 1.0)
    values, vectors = np.linalg.eigh(matrix / np.outer(scale, scale))
    positive = values > 1e-12 * values.max()
    inverse = (vectors[:, positive] / values[positive]) @ vectors[:, positive].T
    return inverse / np.outer(scale, scale), bool(positive.all())


def kenward_roger_covariance(phi: Array, curvature: Array, m: Array, w: Array) -> Array:
    """Adjusted covariance of the fixed effects, Kenward and Roger (1997), equation (4).

    Parameters
    ----------
    phi
        Model-based covariance, shape (p, p).
    curvature
        ``sum_hg w_hg (Q_hg - R_hg / 4)``, or without R for the linear version, shape (p, p).
    m
        ``X'V^-1 V_h V^-1 X``, shape (h, p, p).
    w
        Covariance of the parameters, shape (h, h).
    """
    signs, root = signed_root(w)
    turned_m = np.einsum("hc,hpq->cpq", root, m)
    p_sum = np.einsum("c,cpq->pq", signs, turned_m @ phi @ turned_m)
    adjusted: Array = phi + 2 * phi @ (curvature - p_sum) @ phi
    return (adjusted + adjusted.T) / 2
