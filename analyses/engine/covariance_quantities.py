"""Natural covariance parameters, and correlations, as smooth functions of the search parameters.

Intervals need a parameter ``h(theta)`` with its first and second derivatives, while a structure (`analyses.covariance`)
offers the covariance's elements twice: ``phi(theta)`` by search and ``phi(eta)`` by natural parameters. The chain rule
gives the rest::

    J       = d eta / d theta       = N+ S                         with N = d phi / d eta, S = d phi / d theta
    d2 eta / d theta d theta'       = N+ (d2 phi / d theta d theta' - J' [d2 phi / d eta d eta'] J)

where ``N+`` is the pseudoinverse; natural parameters are identified by the elements, so that N has full column rank.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analyses.covariance import Correlated, Diagonal, Structure, Unstructured, upper_triangle
from analyses.engine.covariance_model import CovarianceModel
from analyses.engine.direct_product import DirectProduct
from analyses.engine.lag_covariance import ExponentialDecay
from analyses.engine.symmetric import Symmetric

Array = NDArray[np.float64]
ZERO = 1e-14
"""Variance, in units of the residuals', below which an estimate is zero: the search ends below 1e-20 there."""
CERTAIN = 1e-8
"""Distance to one at which a correlation is perfect."""
INDEPENDENT = 50.0
"""Distance of neighbours, in ranges, at which an exponential correlation is zero to all digits."""


@dataclass(frozen=True, slots=True)
class Value:
    """A quantity at one point: its value, gradient (h,) and Hessian (h, h) by all search parameters."""

    value: float
    gradient: Array
    hessian: Array


@dataclass(frozen=True, slots=True)
class Quantity:
    """A natural covariance parameter, or a correlation that follows from three of them.

    Attributes
    ----------
    name
        The component's name, then the parameter's.
    kind
        ``variance``, ``covariance``, ``correlation``, ``range``, or ``ratio`` (a direct product's relative variance or
        covariance).
    component
        Position of the component in the model.
    at
        Positions of the parameter within the component's natural parameters; of a derived correlation those of the
        covariance and the two variances, where -1 is a variance fixed at one.
    low, high
        Ends of the parameter space.
    """

    name: str
    kind: str
    component: int
    at: tuple[int, ...]
    low: float
    high: float

    @property
    def power(self) -> int:
        """Power of the response's scale that the quantity is measured in."""
        return 2 if self.kind in ("variance", "covariance") else 0

    def evaluate(self, model: CovarianceModel, theta: Array) -> Value:
        """Value and derivatives at search parameters; NaN where a correlation has a variance of zero."""
        part, offset = _part(model, self.component, theta)
        structure = model.components[self.component].structure
        eta, first, second = natural_derivatives(structure, part, [at for at in self.at if at >= 0])
        if len(self.at) == 1:
            value, slope, curve = eta[0], first[0], second[0]
        else:
            value, slope, curve = _correlation(eta, first, second)
        gradient, hessian = np.zeros(len(theta)), np.zeros((len(theta), len(theta)))
        mine = slice(offset, offset + len(part))
        gradient[mine], hessian[mine, mine] = slope, curve
        return Value(float(value), gradient, hessian)

    def value(self, model: CovarianceModel, theta: Array) -> float:
        """Value alone."""
        part, _ = _part(model, self.component, theta)
        eta = model.components[self.component].structure.natural_values(part)
        if len(self.at) == 1:
            return float(eta[self.at[0]])
        spread = np.prod([eta[at] if at >= 0 else 1.0 for at in self.at[1:]])
        return float(eta[self.at[0]] / np.sqrt(spread)) if spread > 0 else float("nan")

    def estimate(self, model: CovarianceModel, theta: Array) -> float:
        """Value as an estimate: NaN for a correlation with a variance of zero, whatever rounding makes of it."""
        part, _ = _part(model, self.component, theta)
        eta = model.components[self.component].structure.natural_values(part)
        if any(eta[at] < ZERO for at in self.at[1:] if at >= 0):
            return float("nan")
        return self.value(model, theta)

    def at_end(self, value: float) -> bool:
        """Whether an estimate lies at an end of the parameter space."""
        tolerance = CERTAIN if self.kind == "correlation" else ZERO
        return bool(min(value - self.low, self.high - value) < tolerance)

    def zero(self, model: CovarianceModel) -> tuple[NDArray[np.intp], Array] | None:
        """Search parameters, and their values, at which a variance or range is zero; None where there are none."""
        if len(self.at) > 1 or self.kind not in ("variance", "range"):
            return None
        found = _zero(model.components[self.component].structure, self.at[0], self.kind)
        if found is None:
            return None
        offset = sum(c.structure.n_parameters for c in model.components[: self.component])
        return found[0] + offset, found[1]


def _zero(structure: Structure, at: int, kind: str) -> tuple[NDArray[np.intp], Array] | None:
    """Search parameters of a structure at which its natural parameter ``at`` is zero, and their values."""
    if isinstance(structure, DirectProduct):
        shift = structure.left.n_parameters - 1
        side, own, shift = (structure.left, at, 0) if at <= shift else (structure.right, at - shift, shift)
        found = _zero(side, own, kind) if kind == "range" else None
        return None if found is None else (found[0] + shift, found[1])
    if isinstance(structure, Unstructured):
        # The level's row of the Cholesky factor: its covariances vanish with it.
        level = int(upper_triangle(structure.size)[0][at])
        positions = np.flatnonzero(np.tril_indices(structure.size)[0] == level)
        return positions, np.zeros(len(positions))
    if isinstance(structure, Diagonal):
        return np.array([at]), np.zeros(1)
    if kind == "range" and isinstance(structure, Correlated | ExponentialDecay):
        distances = (
            structure.lags if isinstance(structure, ExponentialDecay) else np.diff(np.unique(structure.times))
        )
        return np.array([at]), np.array([np.log(float(distances[distances > 0].min()) / INDEPENDENT)])
    return None


def quantities(model: CovarianceModel) -> tuple[Quantity, ...]:
    """Every natural parameter of a model, component by component, each followed by the correlations derived."""
    found: list[Quantity] = []
    for number, component in enumerate(model.components):
        names = component.structure.parameter_names
        for at, name in enumerate(names):
            kind, low, high = _kind(name)
            if isinstance(component.structure, Symmetric):
                low = -np.inf  # a structure without bounds
            found.append(Quantity(f"{component.name}: {name}", kind, number, (at,), low, high))
        for name, at3 in derived_correlations(component.structure):
            found.append(Quantity(f"{component.name}: {name}", "correlation", number, at3, -1.0, 1.0))
    return tuple(found)


def _kind(name: str) -> tuple[str, float, float]:
    """Kind and bounds of a natural parameter by its name's first words."""
    plain = name.removeprefix("relative ")
    if plain.startswith("variance"):
        return "variance" if plain == name else "ratio", 0.0, np.inf
    if plain.startswith("covariance"):
        return "covariance" if plain == name else "ratio", -np.inf, np.inf
    if plain.startswith("range"):
        return "range", 0.0, np.inf
    return "correlation", -1.0, 1.0


def derived_correlations(structure: Structure) -> list[tuple[str, tuple[int, int, int]]]:
    """Correlations of a structure whose natural parameters are covariances: name, and where its parts stand."""
    if isinstance(structure, Unstructured):
        rows, columns = upper_triangle(structure.size)
        place = {(int(a), int(b)): at for at, (a, b) in enumerate(zip(rows, columns, strict=True))}
        return [
            (f"correlation({structure.labels[a]}, {structure.labels[b]})", (at, place[a, a], place[b, b]))
            for (a, b), at in place.items()
            if a != b
        ]
    if isinstance(structure, Correlated) and structure.parameter_names[-1].startswith("covariance"):
        names = structure.parameter_names
        return [(names[at].replace("covariance", "correlation"), (at, 0, 0)) for at in range(1, len(names))]
    if isinstance(structure, DirectProduct):
        shift = structure.left.n_parameters - 1
        right = [
            (name, (at[0] + shift, *(variance + shift if variance else -1 for variance in at[1:])))
            for name, at in derived_correlations(structure.right)
        ]
        return derived_correlations(structure.left) + [(name, (a, b, c)) for name, (a, b, c) in right]
    return []


def natural_derivatives(
    structure: Structure, theta: Array, wanted: Sequence[int]
) -> tuple[Array, Array, Array]:
    """Some natural parameters with first and second derivatives by the search parameters.

    Parameters
    ----------
    structure
        The covariance structure.
    theta
        Its search parameters, shape (h,).
    wanted
        Positions of k natural parameters.

    Returns
    -------
    eta, first, second
        Shapes (k,), (k, h) and (k, h, h).
    """
    eta, rows = structure.natural_values(theta), list(wanted)
    search, natural = structure.search(theta), structure.natural(eta)
    inverse = np.linalg.pinv(natural.first)
    first, bend = inverse @ search.first, search.second
    if natural.second.any():
        bend = bend - first.T @ natural.second @ first
    return eta[rows], first[rows], np.tensordot(inverse[rows], bend, axes=1)


def _correlation(eta: Array, first: Array, second: Array) -> tuple[float, Array, Array]:
    """``rho = c (a b)^(-1/2)`` of a covariance c and variances a and b (or those that are not one), in this order."""
    grad_c, hess_c = first[0], second[0]
    if np.any(eta[1:] <= 0):
        return float("nan"), np.full_like(grad_c, np.nan), np.full_like(hess_c, np.nan)
    scale = float(np.prod(eta[1:]) ** -0.5)
    # derivatives of the divisor's logarithm: -sum log(variance) / 2
    logs = first[1:] / eta[1:, None]
    log_grad = -0.5 * logs.sum(axis=0)
    log_hess = -0.5 * ((second[1:] / eta[1:, None, None]).sum(axis=0) - logs.T @ logs)
    cross = np.outer(grad_c, log_grad)
    grad = scale * (grad_c + eta[0] * log_grad)
    hess = scale * (hess_c + cross + cross.T + eta[0] * (np.outer(log_grad, log_grad) + log_hess))
    return float(eta[0] * scale), grad, hess


def _part(model: CovarianceModel, component: int, theta: Array) -> tuple[Array, int]:
    """Search parameters of one component, and where they start."""
    parts = model.split(theta)
    return parts[component], sum(len(part) for part in parts[:component])
