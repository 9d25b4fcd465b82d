"""Profile-likelihood intervals for covariance parameters.

The interval of a parameter h holds the values that a likelihood-ratio test at level alpha does not reject, ::

    min { dev(theta) : h(theta) = c } - dev(theta_hat) <= chi2_1(1 - alpha)

(Venzon and Moolgavkar 1988; Pinheiro and Bates 2000, section 2.4); how it is found stands in
`analyses.examine.profile_limit`.
The limits belong to the parameter and not to a way of writing it: those of a standard deviation are the square roots of
those of its variance. Under REML the restricted likelihood is profiled.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import scipy
from numpy.typing import NDArray

from analyses.engine.covariance_model import CovarianceModel
from analyses.engine.covariance_quantities import ZERO, Quantity, quantities
from analyses.engine.deviance_surface import Surface, deviance_surface
from analyses.examine.profile_limit import Limit, find_limit
from analyses.examine.progress import track
from outcomes.errors import ConvergenceError, ModelError

if TYPE_CHECKING:
    from analyses.mixed_model_fit import MixedModelFit

Array = NDArray[np.float64]
COLUMNS = ["parameter", "estimate", "conf_low", "conf_high", "low_on_boundary", "high_on_boundary", "note"]


def profile_intervals(
    fit: MixedModelFit,
    alpha: float = 0.05,
    parameters: Sequence[str] | None = None,
    scale: str = "variance",
) -> pd.DataFrame:
    """Profile-likelihood intervals of variances, covariances and correlations.

    Parameters
    ----------
    fit
        A converged model.
    alpha
        One minus the confidence level.
    parameters
        Names as in the result; None for all of them.
    scale
        ``variance``, or ``sd`` for standard deviations in their place.

    Returns
    -------
    DataFrame
        ``parameter, estimate, conf_low, conf_high, low_on_boundary, high_on_boundary, note``. A limit on the boundary
        is the end of the parameter space (0 of a variance, −1 or 1 of a correlation), which the data do not exclude. A
        limit that could not be found is NaN, and the note says so.

    Raises
    ------
    ModelError
        Where an argument is unknown.
    ConvergenceError
        Where the fit did not converge, or the profile meets a higher likelihood than the fit's.
    """
    check_alpha(alpha)
    check_scale(scale)
    check_converged(fit)
    wanted = choose_quantities(fit.model, parameters)
    surface = deviance_surface(fit)
    height = float(scipy.stats.chi2.ppf(1 - alpha, 1))
    spreads = _rough_errors(fit, surface)
    found: dict[tuple[str, int], Limit] = {}

    def limit(quantity: Quantity, side: int) -> Limit:
        key = (quantity.name, side)
        if key not in found:
            found[key] = find_limit(surface, quantity, side, height, spreads[quantity.name])
        return found[key]

    rows = []
    for quantity in track(wanted, len(wanted), "Profile"):
        low, high, note = _limits(quantity, surface.model, limit)
        numbers = (quantity.estimate(surface.model, surface.theta), low.value, high.value)
        shown = (in_unit(quantity, number, fit.standard.scale, scale) for number in numbers)
        rows.append((shown_name(quantity, scale), *shown, low.on_boundary, high.on_boundary, note))
    return pd.DataFrame(rows, columns=COLUMNS)


def _limits(
    quantity: Quantity, model: CovarianceModel, limit: Callable[[Quantity, int], Limit]
) -> tuple[Limit, Limit, str]:
    """Both limits, and what a reader must know of them beside their numbers."""
    vanishing = _vanishing(quantity, model, limit)
    if vanishing:
        # With a variance of zero a correlation is free, so that none of its values is excluded.
        note = f"no value is excluded, since {' and '.join(vanishing)} may be zero"
        return Limit(quantity.low, True), Limit(quantity.high, True), note
    low, high = limit(quantity, -1), limit(quantity, 1)
    return low, high, _note(quantity, low, high)


def _vanishing(
    quantity: Quantity, model: CovarianceModel, limit: Callable[[Quantity, int], Limit]
) -> list[str]:
    """Variances that a correlation rests on and that may be zero."""
    if quantity.kind != "correlation" or len(quantity.at) == 1:
        return []
    own = {
        other.at[0]: other
        for other in quantities(model)
        if other.component == quantity.component and len(other.at) == 1
    }
    variances = [own[at] for at in dict.fromkeys(quantity.at[1:]) if at >= 0]
    return [other.name for other in variances if limit(other, -1).on_boundary]


def _note(quantity: Quantity, low: Limit, high: Limit) -> str:
    """What a reader must know of the limits beside their numbers."""
    words = []
    for limit, which, end in ((low, "lower", quantity.low), (high, "upper", quantity.high)):
        if np.isnan(limit.value):
            words.append(f"the {which} limit was not found")
        elif limit.on_boundary:
            shown = "infinite" if not np.isfinite(limit.value) else f"the boundary, {end:g}".replace("-", "−")
            words.append(f"the {which} limit is {shown}")
    return "; ".join(words)


def _rough_errors(fit: MixedModelFit, surface: Surface) -> dict[str, float]:
    """Standard errors that set the first steps: from the information where it has any, else a share of the total."""
    table = fit.covariance_parameters.set_index("parameter")["std_error"]
    hessian = surface.evaluate(surface.theta)
    curve = np.zeros((0, 0)) if hessian is None else hessian.slope()[1]
    rough: dict[str, float] = {}
    for quantity in quantities(fit.model):
        if quantity.name in table.index:
            error = float(table[quantity.name]) / fit.standard.scale**quantity.power
        else:
            gradient = quantity.evaluate(fit.model, surface.theta).gradient
            usable = np.all(np.isfinite(gradient)) and np.linalg.eigvalsh(curve)[0] > 0
            error = float(np.sqrt(2 * gradient @ np.linalg.solve(curve, gradient))) if usable else np.nan
        size = abs(quantity.estimate(fit.model, surface.theta))
        usual = size if size > ZERO else 0.2
        sane = 0 < error < 1e3 * usual or (size <= ZERO and 0 < error < np.inf)
        rough[quantity.name] = error if sane else usual
    return rough


def choose_quantities(model: CovarianceModel, parameters: Sequence[str] | None) -> tuple[Quantity, ...]:
    """Quantities of a model by name; None for all.

    Raises
    ------
    ModelError
        Where a name is not one of the model's, or there is none.
    """
    known = {quantity.name: quantity for quantity in quantities(model)}
    if parameters is None:
        return tuple(known.values())
    one = isinstance(parameters, str) or not np.iterable(parameters)
    names: list[object] = [parameters] if one else list(parameters)
    if not names:
        raise ModelError("no covariance parameter is asked for", expected=f"one of {', '.join(known)}")
    for name in names:
        if name not in known:
            near = get_close_matches(str(name), known, n=1, cutoff=0.3)
            raise ModelError(
                "the model has no such covariance parameter",
                expected=f"one of {', '.join(known)}",
                got=repr(name),
                hint=f"did you mean {near[0]!r}?" if near else None,
            )
    return tuple(known[str(name)] for name in names)


def in_unit(quantity: Quantity, value: float, scale: float, shown: str) -> float:
    """Value of standardised columns in the response's unit; a variance as its square root where ``shown`` is "sd"."""
    value = value * scale**quantity.power
    if shown == "sd" and quantity.kind == "variance":
        return float(np.sqrt(value)) if value >= 0 else float("nan")
    return float(value)


def shown_name(quantity: Quantity, shown: str) -> str:
    """Name of a quantity on the scale asked for."""
    if shown == "sd" and quantity.kind == "variance":
        return quantity.name.replace(": variance", ": sd")
    return quantity.name


def check_alpha(alpha: float) -> None:
    """Refuse a level outside (0, 1).

    Raises
    ------
    ModelError
    """
    if not (isinstance(alpha, int | float | np.floating) and 0 < alpha < 1):
        raise ModelError(
            "alpha is one minus the confidence level",
            expected="a number between 0 and 1, such as 0.05",
            got=repr(alpha),
        )


def check_scale(scale: str) -> None:
    """Refuse a scale that is neither ``variance`` nor ``sd``.

    Raises
    ------
    ModelError
    """
    if scale not in ("variance", "sd"):
        raise ModelError("unknown scale of intervals", expected="variance or sd", got=repr(scale))


def check_converged(fit: MixedModelFit) -> None:
    """Refuse a fit that did not reach its optimum.

    Raises
    ------
    ConvergenceError
    """
    if not fit.converged:
        raise ConvergenceError(
            "the fit did not converge, so that nothing can be built on it",
            got=fit.convergence.sentence,
            where=fit.formula,
            hint="use a covariance with fewer parameters",
        )
