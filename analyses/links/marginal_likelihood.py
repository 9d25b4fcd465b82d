"""Maximum likelihood of models with random effects on a link scale: the search, and what is known at its end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from analyses.engine.clustered_rows import ClusteredRows
from analyses.engine.optimise import Convergence, Minimum, Point, minimise
from analyses.links.integrand import Conditional, block_modes, conditional
from analyses.links.quadrature import Rule, adaptive_rule
from analyses.links.random_effects_likelihood import block_slopes, block_value
from outcomes.errors import ConvergenceError

__all__ = [
    "MarginalModel",
    "Solution",
    "at_optimum",
    "evaluate_modes",
    "log_likelihood",
    "maximise_likelihood",
    "scores",
]

Array = NDArray[np.float64]
SMALL = 0.02
"""Standard deviation on the link scale below which zero is tried: an effect of 2 % of a unit."""
NO_LOSS = 1e-7
"""Loss of log-likelihood that is none: the search cannot tell a small standard deviation from zero by it."""


@dataclass(frozen=True, slots=True, eq=False)
class MarginalModel:
    """A log-likelihood: the rows by cluster and the number of nodes.

    Attributes
    ----------
    rows
        The rows.
    quadrature
        Number of nodes.
    scale
        Upper triangular R whose product with the fixed parameters the search takes instead of them, shape (n_fixed,
        n_fixed): of the design's QR decomposition, so that correlated columns and an age beside a 0/1 column are no
        harder than orthogonal ones.
    spread
        Size of the random effects' column that each covariance parameter multiplies, shape (covariance,).
    """

    rows: ClusteredRows
    quadrature: int
    scale: Array
    spread: Array

    @property
    def rule(self) -> Rule:
        """Quadrature rule."""
        return adaptive_rule(self.quadrature)

    @property
    def n_fixed(self) -> int:
        """Number of fixed parameters; those of the covariance come after them."""
        return self.rows.n_fixed

    @property
    def to_parameters(self) -> Array:
        """Parameters as linear functions of those that the search takes, shape (q, q)."""
        whole = np.diag(np.concatenate([np.ones(self.n_fixed), 1 / self.spread]))
        whole[: self.n_fixed, : self.n_fixed] = np.linalg.inv(self.scale)
        return whole


@dataclass(frozen=True, slots=True, eq=False)
class Solution:
    """Where a search ended.

    Attributes
    ----------
    model
        The log-likelihood.
    parameters
        Fixed parameters, then the entries of the covariances' lower factors, diagonals not negative; shape (q,).
    information
        Observed information: minus the exact Hessian of the log-likelihood as approximated, shape (q, q).
    free
        Parameters that do not lie on the boundary (a standard deviation of zero), shape (q,).
    loglik
        Log-likelihood.
    convergence
        How the search ended.
    modes
        Modes of every block's random effects there.
    """

    model: MarginalModel
    parameters: Array
    information: Array
    free: NDArray[np.bool_]
    loglik: float
    convergence: Convergence
    modes: tuple[Array, ...]

    @property
    def fixed(self) -> Array:
        """Fixed parameters."""
        return self.parameters[: self.model.n_fixed]

    @property
    def covariance(self) -> Array:
        """Covariance parameters."""
        return self.parameters[self.model.n_fixed :]

    @property
    def inverse(self) -> Array:
        """Covariance matrix of all parameters, shape (q, q); NaN for those on the boundary.

        Inverted in the search's parameters, which are nearly orthogonal. A direction in which the likelihood is flat (a
        factor's rotation where a variance is zero) has no curvature and takes no part.
        """
        to_parameters = self.model.to_parameters[:, self.free]
        searched = to_parameters.T @ self.information @ to_parameters
        values, vectors = np.linalg.eigh(searched)
        weight = np.where(values > 1e-11 * values.max(initial=0.0), 1 / np.where(values == 0, 1, values), 0.0)
        spread = to_parameters @ vectors
        whole: Array = (spread * weight) @ spread.T
        whole[~self.free], whole[:, ~self.free] = np.nan, np.nan
        return whole


def log_likelihood(model: MarginalModel, parameters: Array, start: Sequence[Array] | None = None) -> float:
    """Log-likelihood at any parameters; minus infinity outside their space.

    The search for the modes starts from ``start``, or from zero.
    """
    with np.errstate(all="ignore"):
        found = evaluate_modes(model, parameters, start)
        if found is None:
            return -np.inf
        fixed = parameters[: model.n_fixed]
        parts = zip(model.rows.blocks, found, strict=True)
        return float(sum(b.count @ block_value(b, at, fixed, model.rule) for b, at in parts))


def at_optimum(solution: Solution) -> list[Conditional]:
    """Return every block's integrand at the estimates.

    Raises
    ------
    ConvergenceError
        Where the search ended where there is none.
    """
    with np.errstate(all="ignore"):
        found = evaluate_modes(solution.model, solution.parameters, solution.modes)
    if found is None:
        raise _no_modes()
    return found


def _no_modes() -> ConvergenceError:
    return ConvergenceError(
        "the random effects have no conditional modes at the parameters that the search ended at",
        expected="a response that varies about its fixed effects",
        got="an integrand without a maximum",
        hint="use fewer random effects, or another family",
    )


def evaluate_modes(
    model: MarginalModel, parameters: Array, start: Sequence[Array] | None
) -> list[Conditional] | None:
    """Return every block's integrand at its modes, or None outside the parameter space."""
    fixed, covariance = parameters[: model.n_fixed], parameters[model.n_fixed :]
    found = []
    for at, block in enumerate(model.rows.blocks):
        mode, done = block_modes(block, fixed, covariance, None if start is None else start[at])
        if not done.all() and start is not None:
            mode, done = block_modes(block, fixed, covariance, None)
        reached = conditional(block, fixed, covariance, mode) if done.all() else None
        if reached is None:
            return None
        found.append(reached)
    return found


def scores(solution: Solution) -> Array:
    """Gradient of each cluster's log-likelihood at the optimum, shape (clusters, q); rows where there are none.

    Their sum is zero; their cross-products are the middle of a sandwich by cluster. Without random effects a row's
    score stands for one unit of weight.
    """
    rows, fixed = solution.model.rows, solution.fixed
    with np.errstate(all="ignore"):
        gradients = [
            block_slopes(block, at, fixed, solution.model.rule).gradient
            for block, at in zip(rows.blocks, at_optimum(solution), strict=True)
        ]
    whole = np.empty((len(rows.block), len(solution.parameters)))
    for at, gradient in enumerate(gradients):
        mine = rows.block == at
        whole[mine] = gradient[rows.position[mine]]
    return whole


def maximise_likelihood(model: MarginalModel, starts: Sequence[Array], method: str) -> Solution:
    """Climb to the maximum of the likelihood by Newton steps with the exact Hessian.

    Parameters
    ----------
    model
        The log-likelihood.
    starts
        Parameters to start from, tried in turn until a search converges.
    method
        What the likelihood is, for the sentence: "Laplace's approximation", say.
    """
    everything = np.ones(len(starts[0]), dtype=bool)
    minimum, how, last = _search(model, list(starts), everything)
    parameters, free = minimum.theta, everything
    for entry in _small_deviations(model, parameters):
        trial, held = parameters.copy(), free.copy()
        column = _column(model, entry)
        trial[column], held[column] = 0.0, False
        again, _, there = _search(model, [trial], held)
        if again.value - minimum.value <= 2 * NO_LOSS and again.converged:
            parameters, free, minimum, last = again.theta, held, again, there
    turned = _column_signs(model, parameters)
    convergence = _convergence(minimum, how, method)
    if last is not None and np.all(turned > 0) and np.array_equal(last.parameters, parameters):
        hessian, modes = last.hessian, last.modes
    else:
        # a factor's column and its effect turn together, so that the modes are looked for afresh
        parameters = np.concatenate([parameters[: model.n_fixed], parameters[model.n_fixed :] * turned])
        warm = last.modes if last is not None and np.all(turned > 0) else None
        with np.errstate(all="ignore"):
            found = evaluate_modes(model, parameters, warm)
        if found is None:
            raise _no_modes()
        _, _, hessian = _slopes(model, parameters, found)
        modes = tuple(at.mode for at in found)
    return Solution(model, parameters, -hessian, free, -minimum.value / 2, convergence, modes)


def with_boundary(solution: Solution, names: Sequence[str]) -> Solution:
    """Name the variance components that lie on the boundary in the sentence of a solution."""
    if not names or not solution.convergence.converged:
        return solution
    sentence = (
        f"{solution.convergence.sentence} On the boundary of the parameter space: {'; '.join(names)}. That is an "
        "answer; the other estimates and their standard errors hold."
    )
    return replace(
        solution, convergence=replace(solution.convergence, sentence=sentence, boundary=tuple(names))
    )


def _small_deviations(model: MarginalModel, parameters: Array) -> list[int]:
    """Diagonal entries of the factors that are small, with nothing else in their row."""
    covariance = parameters[model.n_fixed :]
    entries = model.rows.entries
    rows = {
        (term, row): [at for at, (t, r, _) in enumerate(entries) if (t, r) == (term, row)]
        for term, row, _ in entries
    }
    return [
        next(at for at in mine if entries[at][1] == entries[at][2])
        for mine in rows.values()
        if np.sqrt((covariance[mine] ** 2).sum()) * model.spread[mine[0]] < SMALL
    ]


def _column(model: MarginalModel, diagonal: int) -> NDArray[np.intp]:
    """Positions among all parameters of an effect's row and column of the factor: it vanishes as a whole."""
    term, row, _ = model.rows.entries[diagonal]
    mine = [at for at, (t, r, c) in enumerate(model.rows.entries) if t == term and (r == row or c == row)]
    return model.n_fixed + np.array(mine, dtype=np.intp)


def _column_signs(model: MarginalModel, parameters: Array) -> Array:
    """Signs that make the factors' diagonals not negative, (covariance,); the likelihood stays the same."""
    entries = model.rows.entries
    negative = {
        (term, column)
        for at, (term, row, column) in enumerate(entries)
        if row == column and parameters[model.n_fixed + at] < 0
    }
    return np.array([-1.0 if (term, column) in negative else 1.0 for term, _, column in entries])


def _slopes(model: MarginalModel, parameters: Array, found: list[Conditional]) -> tuple[float, Array, Array]:
    """Log-likelihood, gradient and Hessian of all clusters together."""
    with np.errstate(all="ignore"):
        value, gradient = 0.0, np.zeros(len(parameters))
        hessian = np.zeros((len(parameters),) * 2)
        for block, at in zip(model.rows.blocks, found, strict=True):
            slopes = block_slopes(block, at, parameters[: model.n_fixed], model.rule)
            value += float(block.count @ slopes.value)
            gradient += block.count @ slopes.gradient
            hessian += slopes.hessian
    return value, gradient, hessian


@dataclass(frozen=True, slots=True, eq=False)
class _Place:
    """Parameters, the Hessian of the log-likelihood there, and the modes of every block."""

    parameters: Array
    hessian: Array
    modes: tuple[Array, ...]


def _search(
    model: MarginalModel, starts: list[Array], free: NDArray[np.bool_]
) -> tuple[Minimum, str, _Place | None]:
    """Minimise the deviance over the free parameters; the minimum found has all of them, in their own units.

    Also returned are the method's name and the last place whose slopes were asked for.
    """
    to_parameters = model.to_parameters[:, free]
    held = np.where(free, 0.0, starts[0])
    last: list[_Place] = []

    def evaluate(theta: Array) -> Point | None:
        parameters = to_parameters @ theta + held
        with np.errstate(all="ignore"):
            found = evaluate_modes(model, parameters, last[-1].modes if last else None)
            if found is None:
                return None
            fixed = parameters[: model.n_fixed]
            blocks = zip(model.rows.blocks, found, strict=True)
            deviance = -2 * float(sum(b.count @ block_value(b, at, fixed, model.rule) for b, at in blocks))
        if not np.isfinite(deviance):
            return None
        reached = found

        def slope() -> tuple[Array, Array]:
            _, gradient, hessian = _slopes(model, parameters, reached)
            last[:] = [_Place(parameters, hessian, tuple(at.mode for at in reached))]
            return -2 * to_parameters.T @ gradient, -2 * to_parameters.T @ hessian @ to_parameters

        return Point(deviance, slope)

    inside = []
    for start in starts:
        scaled = np.concatenate([model.scale @ start[: model.n_fixed], start[model.n_fixed :] * model.spread])
        inside.append(scaled[free])
    minimum, how = minimise(evaluate, inside)
    ended = replace(minimum, theta=to_parameters @ minimum.theta + held)
    return ended, how, last[-1] if last else None


def _convergence(minimum: Minimum, how: str, method: str) -> Convergence:
    if minimum.converged:
        sentence = (
            f"Converged ({method}; {how}, {minimum.iterations} steps; largest derivative of the deviance "
            f"{minimum.gradient:.1g})."
        )
    else:
        sentence = (
            f"The search did not converge: after {minimum.iterations} steps ({how}) the largest derivative of the "
            f"deviance is {minimum.gradient:.2g}. Do not use these numbers; try fewer terms or random effects."
        )
    return Convergence(minimum.converged, sentence, how, minimum.iterations, minimum.value, minimum.gradient)
