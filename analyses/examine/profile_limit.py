"""Where a parameter's profile of the deviance rises to a given height.

The profile of ``h(theta)`` is ``d(c) = min { dev(theta) : h(theta) = c } - dev(theta_hat)``. Its points come from
unconstrained searches: a minimum of ``dev - lambda (h - c) + mu / 2 (h - c)^2`` is the minimum of ``dev`` among
all theta with its own value of h, whatever lambda, mu and c are (Hestenes 1969; Powell 1969), and the profile's
slope ``d'(h) = lambda - mu (h - c)`` comes with it. The limit is where Newton's method on ``sqrt(d)``, which is
nearly linear, meets the height, kept between a point inside and one outside. Where the parameter space ends first
(a variance of zero, a correlation of one) its end is the limit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analyses.engine.covariance_quantities import Quantity
from analyses.engine.deviance_surface import Surface
from analyses.engine.optimise import Point, newton
from outcomes.errors import ConvergenceError

Array = NDArray[np.float64]
EXACT = 1e-8
"""Distance of the deviance from its height at which a limit is accepted: its relative error is then about as small."""
AT_END = 1e-7
"""Distance to the end of the parameter space, in units of the parameter's size, that counts as having reached it."""
FAR = 1e8
"""Multiple of the parameter's size beyond which a limit is called infinite."""
SMALL_RANGE = 5.0
"""Multiple of the range taken for zero (`analyses.engine.covariance_quantities`) where correlations are nearly zero."""
LOWER = 1e-5
"""Fall of the deviance below the fit's that is more than rounding."""


@dataclass(frozen=True, slots=True)
class Limit:
    """One end of an interval.

    Attributes
    ----------
    value
        The limit; NaN where it could not be found.
    on_boundary
        Whether it is the end of the parameter space, which the likelihood does not exclude.
    """

    value: float
    on_boundary: bool


@dataclass(frozen=True, slots=True)
class _Trace:
    """A point of the profile: parameter, rise of the deviance, slope of the profile there, and theta."""

    at: float
    rise: float
    slope: float
    theta: Array


def find_limit(surface: Surface, quantity: Quantity, side: int, height: float, spread: float) -> Limit:
    """Follow the profile of a quantity to one side until the deviance has risen by ``height``.

    Parameters
    ----------
    surface
        Deviance of the model and its minimum.
    quantity
        The parameter.
    side
        -1 for the lower limit, 1 for the upper.
    height
        Quantile of chi-squared.
    spread
        Rough standard error of the parameter, which sets the first step and nothing else.

    Raises
    ------
    ConvergenceError
        Where the deviance falls below that of the fit.
    """
    end = quantity.high if side > 0 else quantity.low
    first = quantity.value(surface.model, surface.theta)
    size = max(abs(first), spread)
    if side < 0 and _rise_at_zero(surface, quantity) <= height:
        return Limit(end, True)
    inside = _start(surface, quantity, side)
    outside: float | None = None
    step = spread * np.sqrt(height)
    for _ in range(200):
        if abs(end - inside.at) <= AT_END * size:
            return Limit(end, True)
        if abs(inside.at) > FAR * size:
            return Limit(side * np.inf, True)
        if step < 1e-13 * size:
            break
        # Beyond the end the parameter is pulled towards its mirror image: strongly enough to arrive.
        step = min(step, 2 * abs(end - inside.at))
        found = _pulled(surface, quantity, inside, inside.at + side * step, height, spread)
        if found is None or side * (found.at - inside.at) <= 0:
            step /= 4
            continue
        if found.rise < -LOWER:
            raise ConvergenceError(
                "the profile met a higher likelihood than that of the fit",
                expected="a fit at the highest point of its likelihood",
                got=f"a log-likelihood higher by {-found.rise / 2:.3g}",
                where=quantity.name,
                hint="use a covariance with fewer parameters",
            )
        if abs(found.rise - height) < EXACT:
            return Limit(found.at, False)
        if found.rise < height:
            so_far = abs(found.at - first)
            inside = found
            step = min(_newton_step(found, side, height), 4 * so_far)
        else:
            outside = found.at
            step = side * (found.at - inside.at) + _newton_step(found, side, height)
        step = _between(step, inside.at, outside)
    return Limit(inside.at if abs(inside.rise - height) < 1e-4 else float("nan"), False)


def _start(surface: Surface, quantity: Quantity, side: int) -> _Trace:
    """The fit itself; where it has a range of zero, a range too small to matter, from which a way leads on."""
    theta, zero = surface.theta, quantity.zero(surface.model)
    if side > 0 and quantity.kind == "range" and zero is not None:
        positions, values = zero
        smallest = values + np.log(SMALL_RANGE)
        if (theta[positions] < smallest).all():
            moved = theta.copy()
            moved[positions] = smallest
            point = surface.evaluate(moved)
            if point is not None:
                rise = max(point.value - surface.deviance, 0.0)
                return _Trace(quantity.value(surface.model, moved), rise, 0.0, moved)
    return _Trace(quantity.value(surface.model, theta), 0.0, 0.0, theta)


def _rise_at_zero(surface: Surface, quantity: Quantity) -> float:
    """Rise of the deviance where a variance or range is zero; infinite where that is outside the parameter space.

    There the profile may have a vertical slope (the covariances vanish with the variance's square root) or lie at an
    infinite search parameter, so that it is looked at directly, with the other parameters free.
    """
    fixed = quantity.zero(surface.model)
    if fixed is None:
        return float(np.inf)
    positions, values = fixed
    free = np.setdiff1d(np.arange(len(surface.theta)), positions)
    start = surface.theta.copy()
    start[positions] = values

    def evaluate(part: Array) -> Point | None:
        theta = start.copy()
        theta[free] = part
        point = surface.evaluate(theta)
        if point is None:
            return None

        def slope() -> tuple[Array, Array]:
            gradient, hessian = point.slope()
            return gradient[free], hessian[np.ix_(free, free)]

        return Point(point.value, slope)

    found = newton(evaluate, start[free])
    return found.value - surface.deviance if found.converged else float(np.inf)


def _pulled(
    surface: Surface, quantity: Quantity, inside: _Trace, centre: float, height: float, spread: float
) -> _Trace | None:
    """Point of the profile near a value of the parameter, or None where the search for it fails."""
    pull = max(abs(centre - inside.at), 0.05 * spread)  # a stiffer spring would cost digits
    stiffness, multiplier = 4 * height / pull**2, inside.slope

    def evaluate(theta: Array) -> Point | None:
        point = surface.evaluate(theta)
        if point is None:
            return None
        gap = quantity.value(surface.model, theta) - centre
        if not np.isfinite(gap):
            return None
        value = point.value - multiplier * gap + stiffness / 2 * gap**2

        def slope() -> tuple[Array, Array]:
            gradient, hessian = point.slope()
            own = quantity.evaluate(surface.model, theta)
            force = stiffness * gap - multiplier
            bent = hessian + stiffness * np.outer(own.gradient, own.gradient) + force * own.hessian
            return gradient + force * own.gradient, bent

        return Point(value, slope)

    found = newton(evaluate, inside.theta)
    if not found.converged:
        return None
    reached = surface.evaluate(found.theta)
    if reached is None:
        return None
    at = quantity.value(surface.model, found.theta)
    slope = multiplier - stiffness * (at - centre)
    return _Trace(at, reached.value - surface.deviance, slope, found.theta)


def _newton_step(trace: _Trace, side: int, height: float) -> float:
    """Way outwards from a point of the profile to the height by Newton's method on the root of the rise."""
    root = np.sqrt(max(trace.rise, 0.0))
    outwards = side * trace.slope
    if root == 0 or outwards <= 0:
        return float(np.inf)
    return float((np.sqrt(height) - root) * 2 * root / outwards)


def _between(step: float, inside: float, outside: float | None) -> float:
    """Step that stays between the points inside and outside, well away from the outer one."""
    if outside is None:
        return step
    room = abs(outside - inside)
    return step if 0 < step < 0.999 * room else room / 2
