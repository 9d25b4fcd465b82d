"""Estimation of a covariance model: starting values, the search, and the covariance of what was found.

Everything here works on `analyses.likelihood.Likelihood` alone, in standardised columns: how the data were read,
and in which form they are kept, is another's business.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analyses.covariance import Diagonal, Structure, Unstructured, lower_triangle
from analyses.design.standardise import Standardised
from analyses.engine.covariance_model import Component, CovarianceModel
from analyses.engine.identifiability import confounded, directions_without_information, refuse_explained
from analyses.engine.lag_covariance import has_decayed
from analyses.engine.optimise import Convergence, Minimum, Point, minimise, newton
from analyses.engine.symmetric import below_zero, is_unbounded, model_without_bounds, start_without_bounds
from analyses.likelihood import Likelihood, Profile
from analyses.small_sample import kenward_roger_covariance, parameter_covariance
from outcomes.errors import ModelError

Array = NDArray[np.float64]
STEEP = 1.0
"""Derivative of the deviance, in standardised parameters, at which a search that stopped has found no optimum."""
EDGE = 1e-4
"""Share of the largest below which a variance or an eigenvalue sends the search to its other starts."""
LOWER = 1e-6
"""Decrease of the deviance that makes another optimum the better one."""
ROUNDED = 1e-20
"""Second moment of a standardised response that is the square of rounding."""
BOUNDARY = 1e-8
"""Share of the residual variance below which a variance component is reported as lying on the boundary."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A covariance model at its optimum, in standardised columns.

    Attributes
    ----------
    model
        The components; without bounds where that was asked for.
    minimum, method
        Where the search ended, and its method's name.
    profile
        The likelihood there.
    elements
        Elements of all components' covariance matrices.
    matrices
        The matrices, by component.
    w, information
        Covariance of the natural covariance parameters, shape (h, h), and which information it is the inverse of.
    m
        ``X'V^-1 V_h V^-1 X``, shape (h, p, p).
    adjusted
        Covariance of the fixed effects, adjusted where the method adjusts it, shape (p, p).
    confounded
        Names of covariance parameters that the data do not tell apart.
    """

    model: CovarianceModel
    minimum: Minimum
    method: str
    profile: Profile
    elements: Array
    matrices: tuple[Array, ...]
    w: Array
    information: str
    m: Array
    adjusted: Array
    confounded: tuple[str, ...] = ()


def estimate(
    likelihood: Likelihood,
    model: CovarianceModel,
    df_method: str,
    information: str,
    where: str,
    bounded: bool = True,
) -> Estimate:
    """Maximise a likelihood over the parameters of a covariance model.

    Parameters
    ----------
    likelihood
        The data and the way they are used (REML or ML).
    model
        The covariance components.
    df_method, information
        Of `analyses.fit_mixed_model`: whether the covariance of the fixed effects is adjusted, and by which
        information.
    where
        The formula, for messages.
    bounded
        Whether variances of random effects are at least zero.

    Raises
    ------
    ModelError
        Where the covariance that was found is singular.
    """
    starts = _starts(model, likelihood)
    scored = _scored(starts[0], model, likelihood, where)
    minimum, how = minimise(lambda theta: _point(theta, model, likelihood), [scored, *starts])
    if minimum.converged and _at_the_edge(model, minimum.theta):
        minimum = _looked_around(minimum, starts[1:], model, likelihood)
    minimum = replace(minimum, iterations=minimum.iterations + (scored is not starts[0]))
    if not bounded:  # search on from the bounded optimum, where variances may be negative
        free = model_without_bounds(model)
        start = start_without_bounds(model, free, minimum.theta)
        minimum, how = minimise(lambda theta: _point(theta, free, likelihood), [start])
        model = free
    natural = model.natural(model.natural_values(minimum.theta))
    at = likelihood.profile(natural.value)
    if at is None:
        raise ModelError(
            "the covariance that was found is singular",
            got=where,
            hint="use a structure with fewer parameters",
        )
    slopes = likelihood.derivatives(at, natural)
    empty = directions_without_information(slopes)
    if bounded and (empty.shape[1] or not minimum.converged):
        _refuse_explained(model, likelihood, where)
    w, used = parameter_covariance(slopes, information)
    adjusted = at.phi
    if df_method.startswith("kenward-roger"):
        bent = likelihood.curvature(at, natural, w, df_method == "kenward-roger")
        adjusted = kenward_roger_covariance(at.phi, bent, slopes.m, w)
    return Estimate(
        model,
        minimum,
        how,
        at,
        natural.value,
        tuple(model.matrices(natural.value)),
        w,
        used,
        slopes.m,
        adjusted,
        confounded(empty, slopes, model.parameter_names),
    )


def _point(theta: Array, model: CovarianceModel, likelihood: Likelihood) -> Point | None:
    elements = model.search(theta)
    if not np.all(np.isfinite(elements.value)):
        return None
    at = likelihood.profile(elements.value)
    if at is None or not np.isfinite(at.deviance):
        return None
    reached: Profile = at

    def slope() -> tuple[Array, Array]:
        found = likelihood.derivatives(reached, elements, with_expected=False)
        return found.gradient, found.hessian

    return Point(at.deviance, slope)


def _at_the_edge(model: CovarianceModel, theta: Array) -> bool:
    """Whether a component is singular or nearly so: there an optimum may be a local one."""
    parts = [
        one.contribution(matrix)
        for one, matrix in zip(
            model.components, model.matrices(model.natural(model.natural_values(theta)).value), strict=True
        )
    ]
    largest = max(float(np.diag(part).max()) for part in parts)
    return any(
        float(np.diag(part).max()) < EDGE * largest
        or float(np.linalg.eigvalsh(part)[0]) < EDGE * float(np.diag(part).max())
        for part in parts
    )


def _looked_around(
    minimum: Minimum, starts: list[Array], model: CovarianceModel, likelihood: Likelihood
) -> Minimum:
    """Return the lowest of an optimum and of those that other starts lead to."""
    for start in starts:
        found = newton(lambda theta: _point(theta, model, likelihood), start)
        if found.converged and found.value < minimum.value - LOWER:
            minimum = found
    return minimum


def _starts(model: CovarianceModel, likelihood: Likelihood) -> list[Array]:
    """Moments of the least-squares residuals, shared between the components; then two plainer splits."""
    moments = _residual_moments(model, likelihood)
    n_random = sum(not component.is_residual for component in model.components)
    starts = []
    for residual_share, plain in ((0.5, False), (0.5, True), (0.9, True)):
        parts = []
        share = 1.0 if not n_random else residual_share
        for component in model.components[:n_random]:
            parts.append(component.structure.start((1 - share) / n_random * np.eye(component.structure.size)))
        for group, component in enumerate(model.components[n_random:]):
            size = component.structure.size
            matrix = np.eye(size) * np.trace(moments[group]) / size if plain else moments[group]
            parts.append(component.structure.start(share * matrix))
        starts.append(np.concatenate(parts))
    return starts


def _refuse_explained(model: CovarianceModel, likelihood: Likelihood, where: str) -> None:
    """`refuse_explained` where components are alike and uncorrelated, by the restricted likelihood.

    Where a search ended says less: it may have fled to variances beside which the others are rounding.
    """
    theta = np.concatenate([one.structure.start(np.eye(one.structure.size)) for one in model.components])
    restricted = replace(likelihood, reml=True)
    by = model.natural(model.natural_values(theta))
    at = restricted.profile(by.value)
    if at is not None:
        empty = directions_without_information(restricted.derivatives(at, by))
        refuse_explained(restricted, at, by, empty, model.parameter_names, where)


def _scored(theta: Array, model: CovarianceModel, likelihood: Likelihood, where: str) -> Array:
    """One step of Fisher scoring in the natural parameters, where the covariance is linear in them and it helps.

    Of balanced data it ends the search: that step is Rao's minimum norm quadratic unbiased estimate (1971), which is
    then the restricted maximum likelihood estimate.
    """
    eta = model.natural_values(theta)
    by = model.natural(eta)
    at = None if by.second.any() else likelihood.profile(by.value)
    if at is None:
        return theta
    slopes = likelihood.derivatives(at, by)
    empty = directions_without_information(slopes)
    refuse_explained(likelihood, at, by, empty, model.parameter_names, where)
    size = np.sqrt(np.abs(np.diag(slopes.expected)))
    size = np.where(size > 0, size, 1.0)
    step = (
        np.linalg.lstsq(slopes.expected / np.outer(size, size), slopes.gradient / size, rcond=1e-10)[0] / size
    )
    moved = np.concatenate(
        [
            _search_parameters(component.structure, matrix)
            for component, matrix in zip(
                model.components, model.matrices(model.natural(eta - step).value), strict=True
            )
        ]
    )
    there = likelihood.profile(model.search(moved).value)
    return moved if there is not None and there.deviance < at.deviance else theta


def _search_parameters(structure: Structure, matrix: Array) -> Array:
    """Search parameters of a matrix as it stands where it is positive definite, else of one near it."""
    if isinstance(structure, (Unstructured, Diagonal)) and structure.units:
        matrix = matrix / np.outer(structure.units, structure.units)
    if isinstance(structure, Unstructured):
        try:
            return np.asarray(np.linalg.cholesky(matrix)[lower_triangle(len(matrix))], dtype=float)
        except np.linalg.LinAlgError:
            pass
    return structure.start(matrix)


def _residual_moments(model: CovarianceModel, likelihood: Likelihood) -> list[Array]:
    """Second moments of the standardised response over the levels of each residual component."""
    residual = [component for component in model.components if component.is_residual]
    lengths = [component.n_elements for component in residual]
    sums, counts = likelihood.products.response_moments(sum(lengths))
    means = np.split(sums / np.maximum(counts, 1.0), np.cumsum(lengths)[:-1])
    found = []
    for component, values in zip(residual, means, strict=True):
        matrix = component.matrix(values)
        spread = np.diag(matrix).copy()
        spread[spread <= ROUNDED] = 1.0  # the fixed effects explain these rows
        np.fill_diagonal(matrix, spread)
        found.append(matrix)
    return found


def convergence(found: Estimate, model: CovarianceModel) -> Convergence:
    """Say how the search ended, and which variances lie on the boundary of the parameter space."""
    minimum, how = found.minimum, found.method
    pairs = list(zip(model.components, found.matrices, strict=True))
    residual = max(float(np.diag(matrix).max()) for component, matrix in pairs if component.is_residual)
    negative = [component.name for component, matrix in pairs if below_zero(matrix)]
    boundary: list[str] = []
    for component, matrix in [pair for pair in pairs if not is_unbounded(pair[0])]:
        size = np.ones(len(matrix)) if component.gram is None else np.diag(component.gram)
        for label, variance in zip(_labels(component), size * np.diag(matrix), strict=True):
            if variance < BOUNDARY * residual:
                boundary.append(f"{component.name}: variance of {label}")
        part = component.contribution(matrix)
        if (
            len(matrix) > 1
            and np.linalg.eigvalsh(part)[0] < BOUNDARY * np.diag(part).max()
            and not any(component.name in name for name in boundary)
        ):
            boundary.append(f"{component.name}: a perfect correlation")
    for component, part in zip(model.components, model.split(minimum.theta), strict=True):
        if has_decayed(component.structure, part):
            boundary.append(f"{component.name}: range")
    free = any(is_unbounded(component) for component in model.components)
    edge = free and minimum.gradient > STEEP
    if edge:
        sentence = (
            f"The search without bounds found no optimum ({how}, {minimum.iterations} steps): the data's covariance "
            "becomes singular before the likelihood turns. Do not use these numbers; keep the bounds, or use fewer "
            "random effects."
        )
    elif not minimum.converged:
        sentence = (
            f"The search did not converge: after {minimum.iterations} steps ({how}) the largest derivative is "
            f"{minimum.gradient:.2g}. "
            "Do not use these numbers; try a covariance with fewer parameters."
        )
    elif negative:
        sentence = (
            f"Converged ({how}, {minimum.iterations} steps) without bounds, with an estimate below zero: "
            f"{'; '.join(negative)}. Values of one subject are then less alike than those of different subjects; "
            "tests of the fixed effects hold, conditional modes of these effects are not defined."
        )
    elif boundary:
        sentence = (
            f"Converged ({how}, {minimum.iterations} steps) on the boundary of the parameter space: "
            f"{'; '.join(boundary)} estimated as zero or degenerate."
        )
    else:
        # Below a millionth the digits are those of rounding, and differ between machines.
        largest = f"{minimum.gradient:.1g}" if minimum.gradient > 1e-6 else "below 1e-6"
        steps = f"{minimum.iterations} step{'' if minimum.iterations == 1 else 's'}"
        sentence = f"Converged ({how}, {steps}; largest derivative {largest})."
    converged = minimum.converged and not edge
    if converged and found.confounded:
        sentence += (
            f" These cannot be told apart in these data: {'; '.join(found.confounded)}. Their sum is estimated, how it "
            "is shared among them is not."
        )
    return Convergence(
        converged, sentence, how, minimum.iterations, minimum.value, minimum.gradient, tuple(boundary)
    )


def _labels(component: Component) -> tuple[str, ...]:
    structure = component.structure
    return getattr(structure, "labels", tuple(str(at + 1) for at in range(structure.size)))


def parameter_table(model: CovarianceModel, theta: Array, w: Array, scale: float) -> pd.DataFrame:
    """Natural parameters with standard errors, in the response's unit; dimensionless ones stay as they are."""
    factor = np.array(
        [scale**2 if "ariance" in name and "relative" not in name else 1.0 for name in model.parameter_names]
    )
    return pd.DataFrame(
        {
            "parameter": model.parameter_names,
            "estimate": model.natural_values(theta) * factor,
            "std_error": np.sqrt(np.maximum(np.diag(w), 0.0)) * factor,
        }
    )


def log_likelihood(
    deviance: float, standard: Standardised, n_rows: int, log_weights: float, reml: bool
) -> float:
    """Log-likelihood in the response's and the columns' own units, of a deviance in standardised ones.

    Parameters
    ----------
    deviance
        Minus twice the log-likelihood of the standardised regression.
    standard
        The standardisation.
    n_rows, log_weights
        Rows, and the sum of the logarithms of their case weights.
    reml
        Whether it is the restricted one.
    """
    lost = len(standard.kept) if reml else 0
    deviance += (n_rows - lost) * 2 * np.log(standard.scale) - log_weights
    if reml:
        deviance -= 2 * standard.log_determinant
    return float(-deviance / 2)
