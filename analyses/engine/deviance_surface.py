"""The deviance of a fitted model as a function of its covariance parameters, for methods that explore it anew."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from analyses.engine.border import border_columns, make_border
from analyses.engine.covariance_model import CovarianceModel
from analyses.engine.estimation import estimate
from analyses.engine.optimise import Minimum, Point, newton
from analyses.engine.symmetric import Symmetric
from analyses.likelihood import Likelihood, Profile
from outcomes.errors import ModelError

if TYPE_CHECKING:
    from analyses.mixed_model_fit import MixedModelFit

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Surface:
    """Deviance by search parameters, in standardised columns.

    Attributes
    ----------
    model
        The covariance components.
    likelihood
        The data and the way they are used (REML or ML).
    theta
        Search parameters of the fit, shape (h,).
    deviance
        Deviance there.
    formula
        The model as written, for messages.
    """

    model: CovarianceModel
    likelihood: Likelihood
    theta: Array
    deviance: float
    formula: str

    def evaluate(self, theta: Array) -> Point | None:
        """Deviance at search parameters, with a way to its derivatives; None outside the parameter space."""
        elements = self.model.search(theta)
        if not np.all(np.isfinite(elements.value)):
            return None
        at = self.likelihood.profile(elements.value)
        if at is None or not np.isfinite(at.deviance):
            return None
        reached: Profile = at

        def slope() -> tuple[Array, Array]:
            found = self.likelihood.derivatives(reached, elements, with_expected=False)
            return found.gradient, found.hessian

        return Point(at.deviance, slope)

    def with_likelihood(self, likelihood: Likelihood) -> Surface:
        """Surface of other data for the same model, with the old parameters as its start."""
        return replace(self, likelihood=likelihood)

    def minimum(self) -> Minimum:
        """Lowest point: by Newton's method from ``theta``, and from starts of its own where that fails."""
        found = newton(self.evaluate, self.theta)
        if found.converged or any(isinstance(one.structure, Symmetric) for one in self.model.components):
            return found  # starts are made for models with bounds
        return estimate(self.likelihood, self.model, "asymptotic", "expected", self.formula).minimum


def likelihood_of(fit: MixedModelFit, errors: Array | None = None) -> Likelihood:
    """Likelihood that a model was fitted by.

    Parameters
    ----------
    fit
        The model.
    errors
        Another response less its fixed effects, in the response's unit, shape (n,); None for the model's own.
    """
    from analyses.mixed_model import make_products  # which builds the fits that know this module

    frame, w = fit.frame, fit.standard.w
    root = np.sqrt(frame.weights)
    if errors is not None:
        w = np.column_stack([w[:, :-1], root * errors / fit.standard.scale])
    border = None
    if fit.crossed:
        random = [replace(design, z=design.z * root[:, None]) for design in frame.random]
        border = make_border(fit.model, fit.crossed, random)
        w = np.column_stack([w[:, :-1], border_columns(fit.crossed, random), w[:, -1:]])
    return Likelihood(make_products(fit.layout, w), len(fit.standard.kept), fit.reml, border)


def deviance_surface(fit: MixedModelFit) -> Surface:
    """Surface of a fitted model.

    Raises
    ------
    ModelError
        Where the fit's covariance is singular, so that it has no deviance.
    """
    surface = Surface(fit.model, likelihood_of(fit), fit.theta, np.nan, fit.formula)
    at = surface.evaluate(fit.theta)
    if at is None:
        raise ModelError("the covariance of this fit is singular", where=fit.formula)
    return replace(surface, deviance=at.value)
