"""Residual covariance by distance in time, where times are too many for a matrix over them.

A covariance over 5,000 distinct weeks has 12.5 million elements, of which a trial's patients see few. Of
``sp_exp(week | patient)`` the elements are therefore those of the distances that occur within a subject.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analyses.covariance import Correlated, Elements, Structure
from outcomes.errors import ModelError

if TYPE_CHECKING:
    from analyses.mixed_model_fit import MixedModelFit

Array = NDArray[np.float64]
MANY_TIMES = 30
"""Distinct times beyond which a covariance is kept by distance."""
NO_CORRELATION = 1e-6
"""Correlation of the nearest two times below which the range is reported as zero."""
SHOWN_TIMES = 12
"""Times at which the covariance is shown then."""


@dataclass(frozen=True, slots=True, eq=False)
class ExponentialDecay:
    """``variance exp(-distance / range)``: PROC MIXED's SP(EXP), nlme's corExp(form = ~ week | patient) without nugget.

    Search parameters are the logs of variance and range. Its matrix over levels is that of a single time (the
    variance); its elements are the covariances at ``lags``.

    Attributes
    ----------
    lags
        Distances that occur, ascending from zero, shape (e,).
    """

    lags: Array

    @property
    def size(self) -> int:
        """One: all times have the same variance."""
        return 1

    @property
    def labels(self) -> tuple[str, ...]:
        """Name of that one level."""
        return ("residual",)

    @property
    def n_elements(self) -> int:
        """Covariances, one a distance."""
        return len(self.lags)

    @property
    def n_parameters(self) -> int:
        """Variance and range."""
        return 2

    @property
    def parameter_names(self) -> tuple[str, ...]:
        """Variance and range."""
        return ("variance", "range")

    def start(self, moments: Array) -> Array:
        """Variance of the moments, shape (1, 1), and a correlation of 1/e at the median distance."""
        return np.log([max(float(moments[0, 0]), 1e-8), float(np.median(self.lags[self.lags > 0]))])

    def search(self, theta: Array) -> Elements:
        """Covariances by distance as a function of the logs of variance and range."""
        ratio = self.lags / np.exp(theta[1])
        value = np.exp(theta[0] - ratio)
        slope = value * ratio
        first = np.column_stack([value, slope])
        second = np.empty((len(value), 2, 2))
        second[:, 0, 0] = value
        second[:, 0, 1] = second[:, 1, 0] = slope
        second[:, 1, 1] = slope * (ratio - 1.0)
        return Elements(value, first, second)

    def natural_values(self, theta: Array) -> Array:
        """Variance and range."""
        values: Array = np.exp(theta)
        return values

    def natural(self, eta: Array) -> Elements:
        """Covariances by distance as a function of variance and range."""
        found = self.search(np.log(eta))
        first = found.first / eta
        second = found.second / np.outer(eta, eta)
        for at in range(2):
            second[:, at, at] -= found.first[:, at] / eta[at] ** 2
        return Elements(found.value, first, second)


def has_decayed(structure: Structure, theta: Array) -> bool:
    """Whether an exponential decay's range, at search parameters, is zero: nearest times are not correlated."""
    if isinstance(structure, ExponentialDecay):
        distances = structure.lags
    elif isinstance(structure, Correlated) and structure.family == "sp_exp" and structure.size > 1:
        distances = np.diff(np.unique(structure.times))
    else:
        return False
    shortest = float(distances[distances > 0].min())
    return float(np.exp(-shortest / np.exp(theta[-1]))) < NO_CORRELATION


def shown_times(time: Array) -> Array:
    """Evenly spaced times over the range of those observed, rounded to four digits of it."""
    low, high = float(time.min()), float(time.max())
    step = 10.0 ** (np.floor(np.log10(max(high - low, 1e-300))) - 3)
    return np.unique(np.round(np.linspace(low, high, SHOWN_TIMES) / step) * step)


def covariance_over_time(fit: MixedModelFit, times: Array) -> pd.DataFrame | dict[str, pd.DataFrame]:
    """Residual covariance ``variance exp(-distance / range)`` at times; a dict of them where it is by group.

    Parameters
    ----------
    fit
        A model with ``sp_exp`` as its only residual factor.
    times
        Shape (k,).

    Raises
    ------
    ModelError
        Where the model's residual covariance is another, or times are not finite.
    """
    term = fit.frame.formula.residual
    if term is None or [factor.structure for factor in term.factors] != ["sp_exp"]:
        raise ModelError(
            "a covariance at any time needs one that is a function of time",
            expected="sp_exp(time | subject)",
            got=term.text if term else "independent residuals",
            where=fit.formula,
            hint="fit.covariance has the covariance over the levels",
        )
    if times.ndim != 1 or not np.all(np.isfinite(times)):
        raise ModelError("times must be finite numbers", expected="shape (k,)", got=repr(times))
    values = fit.model.split(np.asarray(fit.covariance_parameters["estimate"], dtype=float))
    distance = np.abs(times[:, None] - times[None, :])
    labels = [f"{time:.10g}" for time in times]
    tables = []
    for component, own in zip(fit.model.components, values, strict=True):
        if component.is_residual:
            variance, scale = own[0], own[1] if len(own) > 1 else np.inf
            matrix = variance * np.exp(-distance / scale)
            tables.append(pd.DataFrame(matrix, index=labels, columns=labels))
    groups = fit.frame.residual.groups
    return tables[0] if groups == ("",) else dict(zip(groups, tables, strict=True))
