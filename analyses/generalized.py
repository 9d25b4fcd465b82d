"""Generalised linear models of responders, counts and fractions, with random effects where patients have several.

Breslow NE & Clayton DG (1993), J Am Stat Assoc 88:9. The marginal likelihood is by adaptive quadrature or Laplace's
approximation, climbed with its own exact derivatives (`analyses.links.random_effects_likelihood`); standard
errors hold the uncertainty of variances and dispersion too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special

from analyses.engine.clustered_rows import RandomPart, gather
from analyses.engine.optimise import Convergence
from analyses.links.cumulative_link import LINKS, CumulativeRows
from analyses.links.firth import FirthLimits, FirthSolution, fit_firth
from analyses.links.generalized_fit import DISPERSIONS, GeneralizedFit
from analyses.links.generalized_response import Responses, read_responses
from analyses.links.link_estimation import (
    independent_columns,
    marginal_model,
    random_of,
    repeated_rows,
    repeated_units,
    solve,
    start_covariances,
)
from analyses.links.marginal_likelihood import MarginalModel, Solution, log_likelihood
from analyses.links.quadrature import check_nodes
from analyses.links.response_likelihood import Beta, Binomial, NegativeBinomial, Poisson, RowLikelihood
from analyses.links.separation import diverging_parameters, surely_finite
from outcomes.errors import ConvergenceError, FormulaError, ModelError

__all__ = ["FAMILIES", "GeneralizedFit", "fit_generalized_model", "fit_responses"]

Array = NDArray[np.float64]
FAMILIES: dict[str, tuple[str, ...]] = {
    "binomial": tuple(LINKS),
    "poisson": ("log",),
    "negative-binomial": ("log",),
    "beta": ("logit",),
}
"""Families and their links, the default first."""
NEARLY_POISSON = float(np.log(1e5))
"""Log theta from which the sign of the slope towards the Poisson model is read."""


@dataclass(frozen=True, slots=True, eq=False)
class _Problem:
    """A family with its rows: what a likelihood is made of."""

    family: str
    likelihood: RowLikelihood
    design: tuple[Array, ...]
    offset: tuple[Array, ...]
    response: Array
    weights: Array

    def model(self, random: RandomPart | None, quadrature: int) -> MarginalModel:
        rows = gather(self.likelihood, self.design, self.offset, self.response, self.weights, random)
        return marginal_model(rows, quadrature, self.design, random)


def fit_generalized_model(
    formula: str,
    data: pd.DataFrame,
    family: str = "binomial",
    link: str | None = None,
    quadrature: int = 7,
    offset: str | Sequence[float] | None = None,
    trials: str | Sequence[float] | None = None,
    weights: str | Sequence[float] | None = None,
    penalty: str | None = None,
    patient: str | None = "patient",
) -> GeneralizedFit:
    """Fit a generalised linear model, mixed where the formula has random effects.

    Parameters
    ----------
    formula
        Such as ``"responder ~ laser * prp + (1 | patient)"``. For binomial counts the response is the successes with
        ``trials``, or ``cbind(successes, failures)``. Offsets may stand in it: ``offset(log(days))``.
    data
        One row an observation. Rows that miss a model variable, an offset or trials are left out and counted in
        ``n_dropped``.
    family
        ``binomial``, ``poisson``, ``negative-binomial`` (variance ``mu + mu^2 / theta``) or ``beta``.
    link
        ``logit`` (default), ``probit``, ``cloglog``, ``loglog`` or ``cauchit`` for binomial; ``log`` for counts;
        ``logit`` for beta.
    quadrature
        Nodes of the adaptive Gauss-Hermite quadrature, for one scalar random effect a cluster; 1 is Laplace's
        approximation, which several random effects a cluster have in any case.
    offset
        Column's name or array, added to the linear predictor (the log of the exposure).
    trials
        Column's name or array: number of trials of every row.
    weights
        Weights of the rows' log-likelihoods (a column's name or an array): counts of alike rows.
    penalty
        ``firth``: Firth's penalty, for logistic models without random effects.
    patient
        Column that identifies the patient, for models without random effects. None states that the rows are
        independent.

    Returns
    -------
    GeneralizedFit
        Also where the search did not converge: then ``converged`` is False.

    Raises
    ------
    FormulaError
        Where the formula has a residual covariance or crossed random effects, or cannot be read.
    DesignError
        Where a patient has several rows and the formula no random effect.
    ModelError
        Where the response is not of the family, or an option is unknown.
    ConvergenceError
        Where the response separates, so that no maximum likelihood estimate exists.
    """
    chosen = _options(family, link, penalty)
    check_nodes(quadrature)
    read = read_responses(formula, data, family, offset, trials, weights)
    random, _ = random_of(read.frame, quadrature)
    if random is None:
        repeated_units(
            data.iloc[read.frame.kept],
            patient,
            "add (1 | patient) to the formula; where the rows are visits, select one visit first",
        )
    kept = independent_columns(read.frame.x, None)
    if not len(kept):
        raise FormulaError(
            "a model needs a fixed effect", expected="an intercept, or a term", got=repr(formula)
        )
    if random is not None and (family == "beta" or (family == "binomial" and read.trials.max() == 1)):
        repeated_rows(random, read.frame)
    return fit_responses(read, family, chosen, quadrature, penalty)


def fit_responses(
    read: Responses, family: str, link: str, quadrature: int = 7, penalty: str | None = None
) -> GeneralizedFit:
    """Fit the model of rows that were read before.

    Parameters
    ----------
    read
        Rows, trials and offsets.
    family, link, quadrature, penalty
        As in `fit_generalized_model`, the link by its name.

    Raises
    ------
    FormulaError, ModelError, ConvergenceError
        As `fit_generalized_model`.
    """
    random, nodes = random_of(read.frame, quadrature)
    kept = independent_columns(read.frame.x, None)
    if penalty == "firth":
        return _firth(read, link, random, kept)
    problem = _problem(read, family, link, kept)
    names = [read.frame.columns[at] for at in kept]
    solution, limit = _fit(problem, read, random, nodes, names)
    notes = _notes(random, nodes)
    if limit:
        notes.append(
            "The counts do not vary more than a Poisson model has it: theta went to infinity, and the estimates are "
            "those of the Poisson model."
        )
    return _result(read, family, link, random, kept, solution, notes, limit, None)


def _options(family: str, link: str | None, penalty: str | None) -> str:
    if not isinstance(family, str) or family not in FAMILIES:
        raise ModelError("unknown family", expected=", ".join(FAMILIES), got=repr(family))
    chosen = FAMILIES[family][0] if link is None else link
    if chosen not in FAMILIES[family]:
        raise ModelError(
            f"unknown link of the {family} family", expected=", ".join(FAMILIES[family]), got=repr(link)
        )
    if penalty not in (None, "firth"):
        raise ModelError("unknown penalty", expected="None or 'firth'", got=repr(penalty))
    if penalty == "firth" and (family, chosen) != ("binomial", "logit"):
        raise ModelError(
            "Firth's penalty is available for logistic models",
            expected="family='binomial', link='logit'",
            got=f"family={family!r}, link={chosen!r}",
        )
    return chosen


def _problem(read: Responses, family: str, link: str, kept: NDArray[np.intp]) -> _Problem:
    x, y = read.frame.x[:, kept], read.frame.y
    weights, offset, response = read.frame.weights, read.offset, np.column_stack([y, read.trials])
    if family == "binomial":
        likelihood: RowLikelihood = Binomial.of(LINKS[link], y, read.trials)
    elif family == "poisson":
        likelihood = Poisson(y)
    elif family == "negative-binomial":
        likelihood = NegativeBinomial(y)
    else:
        likelihood = Beta(np.log(y), np.log1p(-y))
    if family not in DISPERSIONS:
        return _Problem(family, likelihood, (x,), (offset,), response, weights)
    n = len(y)
    own = np.column_stack([np.zeros_like(x), np.ones(n)])
    wide = np.column_stack([x, np.zeros(n)])
    return _Problem(family, likelihood, (wide, own), (offset, np.zeros(n)), response, weights)


def _fit(
    problem: _Problem, read: Responses, random: RandomPart | None, nodes: int, names: list[str]
) -> tuple[Solution, bool]:
    """Fit without random effects first: it shows separation, and starts the fit with them.

    Returns the solution, and whether a negative binomial one is the Poisson limit.
    """
    if problem.family == "negative-binomial":
        x = problem.design[0][:, :-1]
        poisson = replace(
            problem,
            family="poisson",
            likelihood=Poisson(read.frame.y),
            design=(x,),
            offset=problem.offset[:1],
        )
        simpler, _ = _fit(poisson, read, random, nodes, names)
        model = problem.model(random, nodes)
        if _towards_poisson(model, simpler):
            return simpler, True
        return solve(model, _starts_with_theta(simpler, read, x), random, read.frame), False
    plain = problem.model(None, 1)
    fixed = solve(plain, [_start(problem, read)], None, read.frame)
    if problem.family != "beta" and not surely_finite(fixed):
        _no_separation(problem, read, names, random)
    if random is None:
        return fixed, False
    spreads = (0.8, 0.2, 2.5)
    starts = [np.concatenate([fixed.fixed, start_covariances(random, size)]) for size in spreads]
    return solve(problem.model(random, nodes), starts, random, read.frame), False


def _start(problem: _Problem, read: Responses) -> Array:
    """Least squares of the linked response, moved off its limits; moments for a dispersion."""
    y, m = read.frame.y, read.trials
    if problem.family == "poisson":
        linked = np.log(y + 0.5)
    elif problem.family == "beta":
        linked = special.logit(y)
    else:
        assert isinstance(problem.likelihood, Binomial)  # the families without a dispersion
        linked = problem.likelihood.link.quantile((y + 0.5) / (m + 1))
    root = np.sqrt(read.frame.weights)
    x = problem.design[0] if problem.family != "beta" else problem.design[0][:, :-1]
    linked = np.asarray(linked, dtype=float) - problem.offset[0]
    beta = np.linalg.lstsq(root[:, None] * x, root * linked, rcond=None)[0]
    if problem.family != "beta":
        return np.asarray(beta, dtype=float)
    mu = special.expit(x @ beta + problem.offset[0])
    spread = float(np.mean((y - mu) ** 2))
    phi = float(np.clip(np.mean(mu * (1 - mu)) / max(spread, 1e-12) - 1, 0.5, 1e4))
    return np.append(beta, np.log(phi))


def _starts_with_theta(simpler: Solution, read: Responses, x: Array) -> list[Array]:
    mu = np.exp(x @ simpler.fixed + read.offset)
    excess = float(np.mean((read.frame.y - mu) ** 2 - mu))
    moment = float(np.clip(np.mean(mu**2) / max(excess, 1e-12), 0.05, 1e3))
    return [
        np.concatenate([simpler.fixed, [np.log(theta)], simpler.covariance]) for theta in (moment, 1.0, 20.0)
    ]


def _towards_poisson(model: MarginalModel, simpler: Solution) -> bool:
    """Whether the likelihood rises all the way to an infinite theta: the slope there in 1 / theta is negative."""
    near = np.concatenate([simpler.fixed, [NEARLY_POISSON], simpler.covariance])
    return simpler.convergence.converged and log_likelihood(model, near) <= simpler.loglik


def _no_separation(problem: _Problem, read: Responses, names: list[str], random: RandomPart | None) -> None:
    x, y = problem.design[0], read.frame.y
    if problem.family == "binomial":
        has_upper, has_lower = y > 0, y < read.trials
        what, overlap = "the responders separate", "responders and others wherever an effect is estimated"
    else:
        has_upper, has_lower = y > 0, np.ones(len(y), dtype=bool)
        what, overlap = "the counts separate", "counts above zero wherever an effect is estimated"
    found = diverging_parameters(CumulativeRows(x, x, has_upper, has_lower))
    if not len(found):
        return
    if problem.family != "binomial":
        hint = "join levels, or leave out the term; compare the levels by exact tests"
    elif random is None:
        hint = "penalty='firth' gives finite estimates and intervals; compare_responders needs no model"
    else:
        hint = (
            "compare_responders needs no model (McNemar's exact test within patients); join levels, or leave out the "
            "term. Firth's penalty is for models without random effects: penalty='firth' with one row a patient"
        )
    raise ConvergenceError(
        f"{what}: the likelihood has no maximum, so there are no estimates",
        expected=overlap,
        got=f"infinite estimates of {', '.join(names[at] for at in found)}",
        where=read.frame.formula.text,
        hint=hint,
    )


def _firth(read: Responses, link: str, random: RandomPart | None, kept: NDArray[np.intp]) -> GeneralizedFit:
    if random is not None:
        raise ModelError(
            "Firth's penalty is for models without random effects",
            expected="fixed effects only, one row a patient",
            got=read.frame.formula.text,
            hint="leave out the random term and select one row a patient; within patients compare_responders has the "
            "exact paired test",
        )
    frame = read.frame
    found = fit_firth(frame.x[:, kept], frame.y, read.trials, read.offset, frame.weights)
    problem = _problem(read, "binomial", link, kept)
    model = problem.model(None, 1)
    constant = log_likelihood(model, found.beta) - found.loglik
    solution = Solution(
        model,
        found.beta,
        found.information,
        np.ones(len(found.beta), dtype=bool),
        found.penalised + constant,
        _firth_convergence(found),
        (np.zeros((len(model.rows.blocks[0].count), 0)),),
    )
    note = (
        "The log-likelihood, AIC and BIC are penalised: comparable between Firth fits of the same data only."
    )
    notes = [*_notes(None, 1), note]
    return _result(read, "binomial", link, None, kept, solution, notes, False, found.limits)


def _firth_convergence(found: FirthSolution) -> Convergence:
    sentence = (
        f"Converged (Firth's penalised likelihood; {found.iterations} scoring steps; largest penalised score "
        f"{found.gradient:.1g})."
    )
    return Convergence(True, sentence, "scoring", found.iterations, -2 * found.penalised, found.gradient)


def _result(
    read: Responses,
    family: str,
    link: str,
    random: RandomPart | None,
    kept: NDArray[np.intp],
    solution: Solution,
    notes: Sequence[str],
    limit: bool,
    limits: FirthLimits | None,
) -> GeneralizedFit:
    return GeneralizedFit(
        frame=read.frame,
        kept=kept,
        solution=solution,
        random=random,
        link=link,
        remarks=tuple(notes),
        family=family,
        trials=read.trials,
        offset=read.offset,
        poisson_limit=limit,
        limits=limits,
        written=read.written,
    )


def _notes(random: RandomPart | None, nodes: int) -> list[str]:
    notes: list[str] = []
    if random is not None and nodes == 1 and (len(random.z) > 1 or random.z[0].shape[1] > 1):
        notes.append("Several random effects a cluster: Laplace's approximation.")
    return notes
