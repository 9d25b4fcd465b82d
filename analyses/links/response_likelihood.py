"""Log-likelihood of one row of each response as a function of its predictors, with derivatives to the fourth.

A row has one predictor or two, each linear in the fixed parameters: the thresholds above and below a grade
(``a = theta_k - eta`` and ``b = theta_{k-1} - eta``), or the linear predictor and the log of a dispersion. A random
effect ``r`` enters them along `RowLikelihood.direction`: it lowers both thresholds, or raises the linear predictor.

Adaptive quadrature depends on the parameters through the mode and the curvature of its integrand too; exact second
derivatives of it need the fourth of the row's log-likelihood ``f``, two of them along ``r``
(`analyses.links.random_effects_likelihood`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray
from scipy import special

from analyses.links.cumulative_link import Link

__all__ = [
    "Beta",
    "Binomial",
    "Cumulative",
    "NegativeBinomial",
    "Poisson",
    "RowLikelihood",
    "Square",
    "log_derivatives",
]

Array = NDArray[np.float64]
Predictors = tuple[Array, ...]
Square = tuple[tuple[Array, ...], ...]
"""A symmetric matrix of arrays, predictors x predictors."""


class RowLikelihood(Protocol):
    """The log-likelihoods ``f`` of rows.

    All predictors are arrays whose last axes are those of the rows taken; axes before them (quadrature nodes)
    are broadcast.
    """

    @property
    def direction(self) -> tuple[float, ...]:
        """What one unit of the random part adds to each predictor."""

    def take(self, rows: NDArray[np.intp]) -> Self:
        """Return the rows at these positions, in the shape of ``rows``."""

    def value(self, predictors: Predictors) -> Array:
        """Return ``f``; minus infinity or NaN outside the parameter space."""

    def derivatives(self, predictors: Predictors) -> tuple[Array, tuple[Array, ...], Square]:
        """Return ``f``, its gradient and its second derivatives in the predictors."""

    def higher(self, predictors: Predictors) -> tuple[Square, Square]:
        """Return the second derivatives of ``df/dr`` and of ``d2f/dr2`` in the predictors."""


def log_derivatives(first: Array, ratios: tuple[Array, Array, Array]) -> tuple[Array, Array, Array, Array]:
    """Return four derivatives of ``log F``, from ``f/F`` and from f's ratios to its own derivatives (cumulants)."""
    a1, a2, a3, a4 = first, first * ratios[0], first * ratios[1], first * ratios[2]
    return (
        a1,
        a2 - a1**2,
        a3 - 3 * a1 * a2 + 2 * a1**3,
        a4 - 4 * a1 * a3 - 3 * a2**2 + 12 * a1**2 * a2 - 6 * a1**4,
    )


@dataclass(frozen=True, slots=True, eq=False)
class Cumulative:
    """Grades: ``f = log(F(a) - F(b))``; a is infinite for the highest grade, b minus infinite for the lowest.

    Attributes
    ----------
    link
        The distribution F.
    has_upper, has_lower
        Whether a row has a threshold above and below it.
    """

    link: Link
    has_upper: NDArray[np.bool_]
    has_lower: NDArray[np.bool_]

    @property
    def direction(self) -> tuple[float, ...]:
        """What one unit of the random part adds to each predictor."""
        return (-1.0, -1.0)

    def take(self, rows: NDArray[np.intp]) -> Cumulative:
        """Return the rows at these positions."""
        return replace(self, has_upper=self.has_upper[rows], has_lower=self.has_lower[rows])

    def value(self, predictors: Predictors) -> Array:
        """Return ``f``."""
        upper, lower = predictors
        with np.errstate(invalid="ignore", divide="ignore"):
            return self.link.log_interval(upper, lower)

    def _over_probability(self, predictors: Predictors) -> tuple[Array, Array, Array, Array, Array]:
        """Return f, the finite ends, and the densities there over the probability (the lower one negative)."""
        value = self.value(predictors)
        upper = np.where(self.has_upper, predictors[0], 0.0)
        lower = np.where(self.has_lower, predictors[1], 0.0)
        # an end that is not there has no density, however improbable the row (exp would overflow, and inf x 0 is NaN)
        up = np.exp(np.where(self.has_upper, self.link.log_density(upper) - value, -np.inf))
        low = -np.exp(np.where(self.has_lower, self.link.log_density(lower) - value, -np.inf))
        return value, upper, lower, up, low

    def derivatives(self, predictors: Predictors) -> tuple[Array, tuple[Array, ...], Square]:
        """Return ``f``, its gradient and its second derivatives."""
        value, upper, lower, a1, b1 = self._over_probability(predictors)
        cross = -a1 * b1
        return (
            value,
            (a1, b1),
            (
                (a1 * self.link.score(upper) - a1**2, cross),
                (cross, b1 * self.link.score(lower) - b1**2),
            ),
        )

    def higher(self, predictors: Predictors) -> tuple[Square, Square]:
        """Return the second derivatives of ``df/dr`` and of ``d2f/dr2``."""
        # Cumulants of two variables whose mixed moments are zero, since F(a) - F(b) has no mixed derivative.
        _, upper, lower, a1, b1 = self._over_probability(predictors)
        of_a, of_b = self.link.ratios(upper), self.link.ratios(lower)
        a2, a3, b2, b3 = a1 * of_a[0], a1 * of_a[1], b1 * of_b[0], b1 * of_b[1]
        _, _, aaa, aaaa = log_derivatives(a1, of_a)
        _, _, bbb, bbbb = log_derivatives(b1, of_b)
        aab = b1 * (2 * a1**2 - a2)
        abb = a1 * (2 * b1**2 - b2)
        aaab = b1 * (6 * a1 * a2 - a3 - 6 * a1**3)
        abbb = a1 * (6 * b1 * b2 - b3 - 6 * b1**3)
        aabb = -a2 * b2 + 2 * a1**2 * b2 + 2 * b1**2 * a2 - 6 * a1**2 * b1**2
        third_cross, fourth_cross = -(aab + abb), aaab + 2 * aabb + abbb
        return (
            ((-(aaa + aab), third_cross), (third_cross, -(abb + bbb))),
            ((aaaa + 2 * aaab + aabb, fourth_cross), (fourth_cross, aabb + 2 * abbb + bbbb)),
        )


@dataclass(frozen=True, slots=True, eq=False)
class Binomial:
    """Successes of trials: ``f = log C(m, y) + y log F(eta) + (m - y) log(1 - F(eta))``.

    Attributes
    ----------
    link
        The distribution F.
    successes, trials, constant
        y, m and ``log C(m, y)``.
    """

    link: Link
    successes: Array
    trials: Array
    constant: Array

    @classmethod
    def of(cls, link: Link, successes: Array, trials: Array) -> Binomial:
        """Build from successes and trials, shape (n,) each."""
        failures = trials - successes
        constant = (
            special.gammaln(trials + 1) - special.gammaln(successes + 1) - special.gammaln(failures + 1)
        )
        return cls(link, successes, trials, np.asarray(constant, dtype=float))

    @property
    def direction(self) -> tuple[float, ...]:
        """What one unit of the random part adds to each predictor."""
        return (1.0,)

    def take(self, rows: NDArray[np.intp]) -> Binomial:
        """Return the rows at these positions."""
        return replace(
            self, successes=self.successes[rows], trials=self.trials[rows], constant=self.constant[rows]
        )

    def value(self, predictors: Predictors) -> Array:
        """Return ``f``."""
        (eta,) = predictors
        failures = self.trials - self.successes
        value: Array = (
            self.constant + self.successes * self.link.log_cdf(eta) + failures * self.link.log_sf(eta)
        )
        return value

    def derivatives(self, predictors: Predictors) -> tuple[Array, tuple[Array, ...], Square]:
        """Return ``f``, its gradient and its second derivatives."""
        first, second, _, _ = self._four(predictors[0])
        return self.value(predictors), (first,), ((second,),)

    def higher(self, predictors: Predictors) -> tuple[Square, Square]:
        """Return the second derivatives of ``df/dr`` and of ``d2f/dr2``."""
        _, _, third, fourth = self._four(predictors[0])
        return ((third,),), ((fourth,),)

    def _four(self, eta: Array) -> tuple[Array, Array, Array, Array]:
        y, m = self.successes, self.trials
        if self.link.name == "logit":
            p = special.expit(eta)
            g = p * (1 - p)
            return y - m * p, -m * g, -m * g * (1 - 2 * p), -m * g * (1 - 6 * g)
        density, ratios = self.link.log_density(eta), self.link.ratios(eta)
        up = log_derivatives(np.exp(density - self.link.log_cdf(eta)), ratios)
        down = log_derivatives(-np.exp(density - self.link.log_sf(eta)), ratios)
        one, two, three, four = (y * u + (m - y) * d for u, d in zip(up, down, strict=True))
        return one, two, three, four


@dataclass(frozen=True, slots=True, eq=False)
class Poisson:
    """Counts with a log link: ``f = y eta - exp(eta) - log y!``."""

    counts: Array

    @property
    def direction(self) -> tuple[float, ...]:
        """What one unit of the random part adds to each predictor."""
        return (1.0,)

    def take(self, rows: NDArray[np.intp]) -> Poisson:
        """Return the rows at these positions."""
        return Poisson(self.counts[rows])

    def value(self, predictors: Predictors) -> Array:
        """Return ``f``."""
        (eta,) = predictors
        value: Array = self.counts * eta - np.exp(eta) - special.gammaln(self.counts + 1)
        return value

    def derivatives(self, predictors: Predictors) -> tuple[Array, tuple[Array, ...], Square]:
        """Return ``f``, its gradient and its second derivatives."""
        mu = np.exp(predictors[0])
        return self.value(predictors), (self.counts - mu,), ((-mu,),)

    def higher(self, predictors: Predictors) -> tuple[Square, Square]:
        """Return the second derivatives of ``df/dr`` and of ``d2f/dr2``."""
        mu = np.exp(predictors[0])
        return ((-mu,),), ((-mu,),)


@dataclass(frozen=True, slots=True, eq=False)
class NegativeBinomial:
    """Counts with variance ``mu + mu^2 / theta`` (NB2, as ``MASS::glm.nb``); predictors eta and ``log theta``.

    ``f = log G(y + theta) - log G(theta) - log y! + theta tau + y eta - (y + theta) log(e^eta + e^tau)``.
    """

    counts: Array

    @property
    def direction(self) -> tuple[float, ...]:
        """What one unit of the random part adds to each predictor."""
        return (1.0, 0.0)

    def take(self, rows: NDArray[np.intp]) -> NegativeBinomial:
        """Return the rows at these positions."""
        return NegativeBinomial(self.counts[rows])

    def value(self, predictors: Predictors) -> Array:
        """Return ``f``."""
        eta, tau = predictors
        y, theta = self.counts, np.exp(tau)
        # theta (tau - log(e^eta + e^tau)) without the cancellation of two large terms
        value: Array = (
            special.gammaln(y + theta)
            - special.gammaln(theta)
            - special.gammaln(y + 1)
            - theta * np.logaddexp(0.0, eta - tau)
            + y * (eta - np.logaddexp(eta, tau))
        )
        return value

    def derivatives(self, predictors: Predictors) -> tuple[Array, tuple[Array, ...], Square]:
        """Return ``f``, its gradient and its second derivatives."""
        eta, tau = predictors
        y, theta = self.counts, np.exp(tau)
        # of two complements, neither by subtraction: counts in the millions would lose the digits
        total, p, rest = y + theta, special.expit(eta - tau), special.expit(tau - eta)
        g, soft = p * rest, np.logaddexp(0.0, eta - tau)
        level = special.digamma(total) - special.digamma(theta)
        bend = special.polygamma(1, total) - special.polygamma(1, theta)
        of_tau = theta * (level + 1 - soft) - total * rest
        of_tau2 = theta * (level + 2 - soft) + theta**2 * bend - 2 * theta * rest - total * g
        cross = -theta * p + total * g
        return self.value(predictors), (y * rest - theta * p, of_tau), ((-total * g, cross), (cross, of_tau2))

    def higher(self, predictors: Predictors) -> tuple[Square, Square]:
        """Return the second derivatives of ``df/dr`` and of ``d2f/dr2``."""
        eta, tau = predictors
        theta = np.exp(tau)
        total, p, rest = self.counts + theta, special.expit(eta - tau), special.expit(tau - eta)
        g = p * rest
        g1, g2 = g * (rest - p), g * (1 - 6 * g)
        third_cross, fourth_cross = -theta * g + total * g1, -theta * g1 + total * g2
        return (
            ((-total * g1, third_cross), (third_cross, theta * (2 * g - p) - total * g1)),
            ((-total * g2, fourth_cross), (fourth_cross, theta * (2 * g1 - g) - total * g2)),
        )


@dataclass(frozen=True, slots=True, eq=False)
class Beta:
    """Fractions in (0, 1) with a logit link: shapes ``mu phi`` and ``(1 - mu) phi``; predictors eta, ``log phi``.

    Ferrari S & Cribari-Neto F (2004), J Appl Stat 31:799.

    Attributes
    ----------
    log_y, log_rest
        ``log y`` and ``log(1 - y)``.
    """

    log_y: Array
    log_rest: Array

    @property
    def direction(self) -> tuple[float, ...]:
        """What one unit of the random part adds to each predictor."""
        return (1.0, 0.0)

    def take(self, rows: NDArray[np.intp]) -> Beta:
        """Return the rows at these positions."""
        return Beta(self.log_y[rows], self.log_rest[rows])

    def value(self, predictors: Predictors) -> Array:
        """Return ``f``."""
        eta, tau = predictors
        phi = np.exp(tau)
        a, b = special.expit(eta) * phi, special.expit(-eta) * phi
        value: Array = (
            special.gammaln(phi)
            - special.gammaln(a)
            - special.gammaln(b)
            + (a - 1) * self.log_y
            + (b - 1) * self.log_rest
        )
        return value

    def derivatives(self, predictors: Predictors) -> tuple[Array, tuple[Array, ...], Square]:
        """Return ``f``, its gradient and its second derivatives."""
        eta, tau = predictors
        phi, mu, rest = np.exp(tau), special.expit(eta), special.expit(-eta)
        a, b, m1 = mu * phi, rest * phi, mu * rest
        psi_a, psi_b = special.digamma(a), special.digamma(b)
        tri_a, tri_b = special.polygamma(1, a), special.polygamma(1, b)
        x = self.log_y - self.log_rest - psi_a + psi_b
        first = phi * m1 * x
        of_tau = phi * special.digamma(phi) + a * (self.log_y - psi_a) + b * (self.log_rest - psi_b)
        second = phi * (m1 * (1 - 2 * mu) * x - phi * m1**2 * (tri_a + tri_b))
        cross = phi * m1 * (x - a * tri_a + b * tri_b)
        of_tau2 = of_tau + phi**2 * special.polygamma(1, phi) - a**2 * tri_a - b**2 * tri_b
        return self.value(predictors), (first, of_tau), ((second, cross), (cross, of_tau2))

    def higher(self, predictors: Predictors) -> tuple[Square, Square]:
        """Return the second derivatives of ``df/dr`` and of ``d2f/dr2``."""
        eta, tau = predictors
        phi, mu, rest = np.exp(tau), special.expit(eta), special.expit(-eta)
        a, b, m1 = mu * phi, rest * phi, mu * rest
        m2, m3 = m1 * (1 - 2 * mu), m1 * (1 - 6 * m1)
        m4 = m2 * (1 - 12 * m1)
        (p1a, p2a, p3a), (p1b, p2b, p3b) = (
            tuple(special.polygamma(order, shape) for order in (1, 2, 3)) for shape in (a, b)
        )
        # x = log y - log(1 - y) - digamma(a) + digamma(b) and its derivatives in eta (n) and tau (t)
        plain, lifted = p1a + p1b, a * p2a + b * p2b
        x = self.log_y - self.log_rest - special.digamma(a) + special.digamma(b)
        xt = b * p1b - a * p1a
        xtt = xt + b**2 * p2b - a**2 * p2a
        xn = -phi * m1 * plain
        xnt = -phi * m1 * (plain + lifted)
        xntt = -phi * m1 * (plain + 3 * lifted + a**2 * p3a + b**2 * p3b)
        step = phi * m1
        xnn = -phi * m2 * plain - step**2 * (p2a - p2b)
        xnnt = -phi * m2 * (plain + lifted) - step**2 * (2 * (p2a - p2b) + a * p3a - b * p3b)
        xnnn = -phi * m3 * plain - 3 * phi**2 * m1 * m2 * (p2a - p2b) - step**3 * (p3a + p3b)
        third_cross = phi * (m2 * (x + xt) + m1 * (xn + xnt))
        fourth_cross = phi * (m3 * (x + xt) + 2 * m2 * (xn + xnt) + m1 * (xnn + xnnt))
        return (
            (
                (phi * (m3 * x + 2 * m2 * xn + m1 * xnn), third_cross),
                (third_cross, phi * m1 * (x + 2 * xt + xtt)),
            ),
            (
                (phi * (m4 * x + 3 * m3 * xn + 3 * m2 * xnn + m1 * xnnn), fourth_cross),
                (fourth_cross, phi * (m2 * (x + 2 * xt + xtt) + m1 * (xn + 2 * xnt + xntt))),
            ),
        )
