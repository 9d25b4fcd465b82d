"""Parametric-bootstrap intervals for covariance parameters, and for coefficients.

Responses are drawn from the fitted model, the model is fitted to each draw, and the interval of a parameter runs
from the alpha / 2 to the 1 - alpha / 2 quantile of its estimates (Efron and Tibshirani 1993, chapter 13; lme4's
``bootMer``). Draws at the boundary of the parameter space are estimates like others, and counted; draws that could
not be fitted are left out of the quantiles, and counted too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analyses.engine.covariance_quantities import Quantity
from analyses.engine.deviance_surface import Surface, deviance_surface, likelihood_of
from analyses.examine.progress import track
from analyses.examine.simulate_responses import ErrorSampler, check_draws, check_generator, error_sampler
from analyses.examine.variance_intervals import (
    check_alpha,
    check_converged,
    check_scale,
    choose_quantities,
    in_unit,
    shown_name,
)
from outcomes.errors import ConvergenceError, ModelError, TandemError

if TYPE_CHECKING:
    from analyses.mixed_model_fit import MixedModelFit

Array = NDArray[np.float64]
FEWEST = 20
"""Draws below which a quantile of them says nothing."""


@dataclass(frozen=True, slots=True, eq=False)
class BootstrapDraws:
    """Estimates of every draw.

    Attributes
    ----------
    estimates
        DataFrame, a row a draw and a column a parameter; rows of NaN where the model could not be fitted.
    on_boundary
        The same shape: whether the estimate lies at an end of the parameter space.
    failures
        What went wrong, by draw.
    """

    estimates: pd.DataFrame
    on_boundary: pd.DataFrame
    failures: dict[int, str]


@dataclass(frozen=True, slots=True, eq=False)
class _Work:
    """All that a process needs to draw and to fit again."""

    fit: MixedModelFit
    surface: Surface
    sampler: ErrorSampler
    wanted: tuple[Quantity, ...]

    def run(self, generators: Sequence[np.random.Generator]) -> list[Array | str]:
        """Estimates of draws, or what went wrong."""
        return [self._one(rng) for rng in generators]

    def _one(self, rng: np.random.Generator) -> Array | str:
        fit = self.fit
        likelihood = likelihood_of(fit, self.sampler.draw(rng, 1)[0])
        try:
            found = self.surface.with_likelihood(likelihood).minimum()
        except TandemError as error:
            return error.message
        at = likelihood.profile(fit.model.search(found.theta).value)
        if at is None or not found.converged:
            return "the search did not converge"
        own = [quantity.estimate(fit.model, found.theta) for quantity in self.wanted]
        return np.concatenate([own, fit.beta + fit.standard.scale * fit.standard.transform @ at.beta])


def bootstrap_draws(
    fit: MixedModelFit,
    rng: np.random.Generator,
    draws: int = 1000,
    parameters: Sequence[str] | None = None,
    scale: str = "variance",
    n_jobs: int = 1,
) -> BootstrapDraws:
    """Fit a model to responses drawn from it.

    Parameters
    ----------
    fit
        A converged model. Draws are fitted as it was, by REML or ML.
    rng
        Source of randomness. Every draw has a generator of its own, spawned from this one, so that the result does not
        depend on ``n_jobs``.
    draws
        Number of draws.
    parameters
        Covariance parameters, by name; None for all. Coefficients always come with them.
    scale
        ``variance`` or ``sd``.
    n_jobs
        Processes that share the work (joblib's; -1 for one a core).

    Raises
    ------
    ModelError
        Where an argument is unknown.
    ConvergenceError
        Where the fit did not converge.
    """
    check_generator(rng)
    check_draws(draws, FEWEST)
    check_scale(scale)
    check_converged(fit)
    if isinstance(n_jobs, bool) or not isinstance(n_jobs, int) or n_jobs == 0:
        raise ModelError(
            "the number of processes is not usable", expected="1, 2, ... or -1", got=repr(n_jobs)
        )
    wanted = choose_quantities(fit.model, parameters)
    work = _Work(fit, deviance_surface(fit), error_sampler(fit), wanted)
    names = [shown_name(quantity, scale) for quantity in wanted] + list(fit.term_names)
    values = np.full((draws, len(names)), np.nan)
    boundary = np.zeros((draws, len(names)), dtype=bool)
    failures: dict[int, str] = {}
    for draw, found in enumerate(_in_order(work, rng.spawn(draws), n_jobs)):
        if isinstance(found, str):
            failures[draw] = found
            continue
        values[draw] = found
        for at, quantity in enumerate(wanted):
            number = float(found[at])
            boundary[draw, at] = quantity.at_end(number)
            values[draw, at] = in_unit(quantity, number, fit.standard.scale, scale)
    index = pd.RangeIndex(draws, name="draw")
    return BootstrapDraws(
        pd.DataFrame(values, index, names),
        pd.DataFrame(boundary, index, names),
        failures,
    )


def _in_order(work: _Work, generators: Sequence[np.random.Generator], n_jobs: int) -> Iterator[Array | str]:
    """Results of all draws in their order, from one process or several."""
    if n_jobs == 1:
        results = (found for rng in generators for found in work.run([rng]))
    else:
        from joblib import Parallel, delayed

        size = max(1, min(50, len(generators) // 20))
        chunks = [generators[at : at + size] for at in range(0, len(generators), size)]
        parallel = Parallel(n_jobs=n_jobs, return_as="generator")
        results = (found for chunk in parallel(delayed(work.run)(one) for one in chunks) for found in chunk)
    return track(results, len(generators), "Bootstrap")


def bootstrap_intervals(
    fit: MixedModelFit,
    rng: np.random.Generator,
    draws: int = 1000,
    alpha: float = 0.05,
    parameters: Sequence[str] | None = None,
    scale: str = "variance",
    coefficients: bool = False,
    n_jobs: int = 1,
) -> pd.DataFrame:
    """Percentile intervals from responses drawn from a fitted model.

    Parameters
    ----------
    fit, rng, draws, parameters, scale, n_jobs
        As in `bootstrap_draws`.
    alpha
        One minus the confidence level.
    coefficients
        Whether the fixed effects have rows too, after the covariance parameters.

    Returns
    -------
    DataFrame
        ``parameter, estimate, std_error, conf_low, conf_high, n_draws, n_boundary, n_failed``: standard deviation and
        quantiles of the ``n_draws`` estimates that there are, how many of them lie on the boundary of the parameter
        space, and how many draws could not be fitted. (A correlation is not defined in draws with a variance of zero,
        so that fewer draws count.)

    Raises
    ------
    ModelError
        Where an argument is unknown.
    ConvergenceError
        Where the fit did not converge, or fewer than half of the draws could be fitted.
    """
    check_alpha(alpha)
    found = bootstrap_draws(fit, rng, draws, parameters, scale, n_jobs)
    if len(found.failures) > draws / 2:
        reasons = pd.Series(list(found.failures.values())).value_counts()
        raise ConvergenceError(
            "most draws of the bootstrap could not be fitted",
            expected="a model that fits responses drawn from it",
            got=f"{len(found.failures)} of {draws} draws failed: {reasons.index[0]}",
            where=fit.formula,
            hint="use a covariance with fewer parameters",
        )
    wanted = choose_quantities(fit.model, parameters)
    own = [in_unit(q, q.estimate(fit.model, fit.theta), fit.standard.scale, scale) for q in wanted]
    table = found.estimates if coefficients else found.estimates.iloc[:, : len(wanted)]
    low, high = (_quantiles(table, at) for at in (alpha / 2, 1 - alpha / 2))
    return pd.DataFrame(
        {
            "parameter": table.columns,
            "estimate": np.concatenate([own, fit.beta])[: table.shape[1]],
            "std_error": table.std().to_numpy(),
            "conf_low": low,
            "conf_high": high,
            "n_draws": table.notna().sum().to_numpy(),
            "n_boundary": found.on_boundary[table.columns].sum().to_numpy(),
            "n_failed": len(found.failures),
        }
    )


def _quantiles(table: pd.DataFrame, share: float) -> Array:
    """Quantile of every column over the draws that have it (R's type 7); NaN where none has."""
    columns = (column.dropna().to_numpy() for _, column in table.items())
    return np.array([np.quantile(column, share) if len(column) else np.nan for column in columns])
