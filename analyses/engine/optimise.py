"""Minimisation by Newton's method with exact derivatives, and a second method before giving up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import NDArray

Array = NDArray[np.float64]
Evaluate = Callable[[Array], "Point | None"]
NEAR = 1e-7
"""Expected decrease of the deviance below which full Newton steps finish the search."""
ROUNDING = 1e-21
"""Expected decrease that is rounding: parameters are then within 3e-11 of their standard errors of the optimum."""


@dataclass(frozen=True, slots=True)
class Point:
    """An objective's value with a way to its derivatives, which are computed only where they are needed."""

    value: float
    slope: Callable[[], tuple[Array, Array]]


@dataclass(frozen=True, slots=True)
class Convergence:
    """How a fit ended.

    Attributes
    ----------
    converged
        Whether the optimum was reached.
    sentence
        What happened, in words for a statistician.
    method
        The optimiser that ended the search.
    iterations
        Its steps.
    deviance
        The value reached.
    gradient
        Largest absolute derivative there, in search parameters of the standardised response.
    boundary
        Names of variance components that lie on the boundary of the parameter space.
    """

    converged: bool
    sentence: str
    method: str
    iterations: int
    deviance: float
    gradient: float
    boundary: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return self.converged


@dataclass(frozen=True, slots=True)
class Minimum:
    """Where a minimisation ended: parameters, value, largest absolute derivative, steps, and whether it converged."""

    theta: Array
    value: float
    gradient: float
    iterations: int
    converged: bool


def newton(evaluate: Evaluate, start: Array, max_iterations: int = 100) -> Minimum:
    """Minimise by Newton's method with the Hessian's eigenvalues made positive, and backtracking.

    The step solves ``|H| d = -g``, where ``|H|`` has the absolute eigenvalues of the Hessian (a descent direction on
    every surface; Nocedal and Wright 2006, section 3.4). It stops where the expected decrease ``g'|H|^-1 g`` falls to
    rounding, so that the optimum is right to the last digits that the deviance itself has.

    Parameters
    ----------
    evaluate
        Parameters to a `Point`, or None outside the parameter space.
    start
        Starting parameters; must be inside.
    max_iterations
        Steps after which the search is given up.
    """
    theta, point = start, evaluate(start)
    if point is None:
        return Minimum(start, np.inf, np.inf, 0, False)
    largest, last = np.inf, np.inf
    for iteration in range(max_iterations):
        gradient, hessian = point.slope()
        if not (np.all(np.isfinite(gradient)) and np.all(np.isfinite(hessian))):
            # so far off that derivatives overflow
            return Minimum(theta, point.value, np.inf, iteration, False)
        largest = float(np.abs(gradient).max(initial=0.0))
        values, vectors = np.linalg.eigh(hessian)
        steepest = float(np.abs(values).max(initial=0.0))
        bent = np.maximum(np.abs(values), max(1e-10 * steepest, 1e-12))
        along = vectors.T @ gradient
        with np.errstate(over="ignore"):
            step, decrease = -vectors @ (along / bent), float(along**2 @ (1.0 / bent))
        if decrease < NEAR and values.min(initial=0.0) < -1e-6 * steepest:
            step, decrease = 0.1 * vectors[:, 0], 0.0  # a saddle: leave it along its descent
        elif decrease < ROUNDING or (decrease < NEAR and decrease >= last / 4):
            return Minimum(theta, point.value, largest, iteration, True)
        last = decrease
        moved = _full_step(evaluate, theta, point, step) if 0 < decrease < NEAR else None
        moved = moved or _backtrack(evaluate, theta, point, step, decrease)
        if moved is None:
            return Minimum(theta, point.value, largest, iteration, decrease < NEAR)
        theta, point = moved
    return Minimum(theta, point.value, largest, max_iterations, False)


def _full_step(evaluate: Evaluate, theta: Array, point: Point, step: Array) -> tuple[Array, Point] | None:
    """Take a whole Newton step near the optimum, where the value itself no longer tells more from less."""
    there = evaluate(theta + step)
    slack = 1e-11 * max(1.0, abs(point.value))
    return (theta + step, there) if there is not None and there.value <= point.value + slack else None


def _backtrack(
    evaluate: Evaluate, theta: Array, point: Point, step: Array, decrease: float
) -> tuple[Array, Point] | None:
    """Halve a step until it lowers the value enough (Armijo), or None."""
    length = float(np.abs(step).max(initial=0.0))
    scale = min(1.0, 5.0 / length) if length else 1.0
    for _ in range(40):
        candidate = theta + scale * step
        there = evaluate(candidate)
        if there is not None and there.value < point.value - 1e-4 * scale * decrease:
            return candidate, there
        scale /= 2
    return None


def quasi_newton(evaluate: Evaluate, start: Array) -> Minimum:
    """Minimise by BFGS with exact gradients: the second method, tried where Newton's did not converge."""
    huge, far = 1e12, 1e8  # standardised parameters beyond 1e8 are a flight to infinity, not an estimate

    def objective(theta: Array) -> tuple[float, Array]:
        point = evaluate(theta) if np.abs(theta).max(initial=0.0) < far else None
        if point is None:
            return huge, np.zeros_like(theta)
        gradient = point.slope()[0]
        return (point.value, gradient) if np.all(np.isfinite(gradient)) else (huge, np.zeros_like(theta))

    with np.errstate(over="ignore", invalid="ignore"):
        found = scipy.optimize.minimize(
            objective, start, jac=True, method="BFGS", options={"gtol": 1e-6, "maxiter": 1000}
        )
    return Minimum(
        found.x, float(found.fun), float(np.abs(found.jac).max(initial=0.0)), int(found.nit), False
    )


def minimise(evaluate: Evaluate, starts: list[Array]) -> tuple[Minimum, str]:
    """Newton from each start in turn until one converges; BFGS, finished by Newton, before giving up.

    Returns
    -------
    Minimum, str
        The lowest point found (a converged one before all others), and the method's name.
    """
    best: Minimum | None = None
    for start in starts:
        found = newton(evaluate, start)
        if found.converged:
            return found, "Newton"
        if best is None or found.value < best.value:
            best = found
    assert best is not None  # there is at least one start
    for start in [best.theta, *starts]:
        rough = quasi_newton(evaluate, start)
        found = newton(evaluate, rough.theta)
        if found.converged:
            return found, "BFGS, then Newton"
        best = min(best, found, key=lambda minimum: minimum.value)
    return best, "Newton and BFGS"
