"""Steps that fits of grades, responders, counts and fractions share: columns, random part, starts, search."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analyses.design.model_frame import ModelFrame
from analyses.engine.clustered_rows import ClusteredRows, RandomPart, random_part
from analyses.formula import MixedFormula, parse_formula
from analyses.links.marginal_likelihood import (
    MarginalModel,
    Solution,
    log_likelihood,
    maximise_likelihood,
    with_boundary,
)
from outcomes.errors import DesignError, FormulaError, ModelError

__all__ = [
    "boundary_names",
    "check_spread",
    "independent_columns",
    "marginal_model",
    "no_residual_covariance",
    "random_of",
    "repeated_rows",
    "repeated_units",
    "search_scale",
    "solve",
    "start_covariances",
]

Array = NDArray[np.float64]
HUGE = 12.0
"""Standard deviation of the linear predictor beyond which units respond always or never."""
CHECK_NODES = 31
"""Nodes that the log-likelihood is checked with."""
NOTICEABLE = 0.1
"""Change of the log-likelihood by more nodes that is said: beyond it estimates move by a share of their errors."""


def independent_columns(x: Array, first: int | None) -> NDArray[np.intp]:
    """Return the columns, in order, that do not depend on the column ``first`` and those before them.

    Parameters
    ----------
    x
        Design, shape (n, columns).
    first
        A column that comes before all others (the intercept) and is not returned; or None.
    """
    x = x / np.maximum(np.sqrt((x**2).mean(axis=0)), np.finfo(float).tiny)
    basis: list[Array] = [] if first is None else [x[:, first] / np.linalg.norm(x[:, first])]
    kept = []
    for at in range(x.shape[1]):
        if at == first:
            continue
        column = x[:, at]
        for _ in range(2 if basis else 0):  # twice is enough for Gram-Schmidt (Giraud et al. 2005)
            column = column - np.array(basis).T @ (np.array(basis) @ column)
        left = float(np.linalg.norm(column))
        if left > 1e-8 * np.linalg.norm(x[:, at]):
            basis.append(column / left)
            kept.append(at)
    return np.array(kept, dtype=np.intp)


def no_residual_covariance(formula: str) -> MixedFormula:
    """Read a formula that may have random effects only.

    Raises
    ------
    FormulaError
        Where it cannot be read, or has a residual covariance, which these responses do not have.
    """
    parts = parse_formula(formula)
    if parts.residual is not None:
        raise FormulaError(
            "grades, responders and counts have no residual covariance of their own",
            expected="random effects, such as (1 | patient) or (1 | patient/lesion)",
            got=parts.residual.text,
            where=repr(formula),
        )
    return parts


def random_of(frame: ModelFrame, quadrature: int) -> tuple[RandomPart | None, int]:
    """Return the random part of a frame and the nodes that its likelihood can have.

    Raises
    ------
    FormulaError
        For crossed random effects, and for a term whose effects depend on one another.
    ModelError
        Where there is one unit only.
    """
    formula = frame.formula
    if not formula.random:
        return None, 1
    part = random_part(
        [design.z for design in frame.random],
        [design.subject for design in frame.random],
        [term.correlated for term in formula.random],
        [term.text for term in formula.random],
    )
    if int(part.cluster.max()) < 1:
        raise ModelError(
            "a random effect needs several units",
            expected="at least two",
            got=f"one {':'.join(formula.random[0].subject)}",
            where=repr(formula.text),
        )
    for term, z, labels in zip(formula.random, part.z, frame.random_labels, strict=True):
        kept = independent_columns(z, None)
        if len(kept) < z.shape[1]:
            raise FormulaError(
                "the random effects of a term depend on one another, so that their variances cannot be told apart",
                expected="effects of which none is a combination of the others, or zero in all rows",
                got=", ".join(label for at, label in enumerate(labels) if at not in set(kept.tolist())),
                where=term.text,
            )
    scalar = len(part.z) == 1 and part.z[0].shape[1] == 1
    return part, quadrature if scalar else 1


def repeated_units(data: pd.DataFrame, unit: str | None, hint: str) -> None:
    """Refuse rows of one patient as independent.

    Raises
    ------
    DesignError
        Where the column ``unit`` is in the data and a value stands in several rows.
    """
    if unit is None or unit not in data.columns:
        return
    repeated = data[unit][data[unit].duplicated()]
    if len(repeated):
        raise DesignError(
            "the model takes rows as independent, and here patients have several",
            expected=f"one row for each {unit}, or a random effect such as (1 | {unit})",
            got=f"{repeated.nunique()} patients with several rows, such as {repeated.iloc[0]}",
            hint=hint,
        )


def boundary_names(frame: ModelFrame, solution: Solution, random: RandomPart | None) -> list[str]:
    """Variance components at zero and covariance matrices that are singular, in words."""
    found: list[str] = []
    if random is None:
        return found
    for at, lower in enumerate(random.factors(solution.covariance)):
        text = frame.formula.random[at].text
        matrix = lower @ lower.T
        labels = frame.random_labels[at]
        zero = [label for label, variance in zip(labels, np.diag(matrix), strict=True) if variance == 0]
        found += [f"{text}: a variance of zero for {label}" for label in zero]
        if len(labels) > 1 and not zero and random.correlated[at]:
            size = np.sqrt(np.diag(matrix))
            smallest = np.linalg.eigvalsh(matrix / np.outer(size, size))[0]
            found += [f"{text}: a perfect correlation"] if smallest < 1e-8 else []
    return found


def search_scale(design: tuple[Array, ...]) -> Array:
    """Upper triangular factor of the predictors' designs, shape (n_fixed, n_fixed), for the search.

    Where the designs are singular to rounding, the columns' sizes alone.
    """
    whole = np.vstack(design)
    upper = np.asarray(np.linalg.qr(whole / np.sqrt(len(design[0])), mode="r"), dtype=float)
    sizes = np.abs(np.diag(upper))
    columns = np.sqrt((whole**2).sum(axis=0) / len(design[0]))
    if len(upper) == whole.shape[1] and np.all(sizes > 1e-9 * columns):
        return upper
    return np.diag(np.where(columns > 0, columns, 1.0))


def effect_sizes(random: RandomPart | None) -> Array:
    """Root mean square of the effects' column that each covariance parameter multiplies."""
    if random is None:
        return np.zeros(0)
    sizes = [np.sqrt((z**2).mean(axis=0)) for z in random.z]
    return np.array([sizes[term][row] if sizes[term][row] > 0 else 1.0 for term, row, _ in random.entries])


def start_covariances(random: RandomPart, spread: float) -> Array:
    """Entries of diagonal factors whose effects spread the predictor by this standard deviation, shared out."""
    effects = sum(z.shape[1] for z in random.z)
    share = spread / np.sqrt(effects)
    entries = np.array([share if row == column else 0.0 for _, row, column in random.entries])
    return entries / effect_sizes(random)


def marginal_model(
    rows: ClusteredRows, quadrature: int, design: tuple[Array, ...], random: RandomPart | None
) -> MarginalModel:
    """Return the log-likelihood with its units for the search."""
    return MarginalModel(rows, quadrature, search_scale(design), effect_sizes(random))


def repeated_rows(random: RandomPart, frame: ModelFrame) -> None:
    """Refuse random effects of units with one row each, which a 0/1 response or a grade cannot tell from chance.

    Raises
    ------
    ModelError
        Where a term has no unit with two rows.
    """
    for term, unit in zip(frame.formula.random, random.unit, strict=True):
        if int(np.bincount(unit).max()) < 2:
            raise ModelError(
                "a random effect needs units with several rows",
                expected=f"at least two rows of some {':'.join(term.subject)}",
                got="one row each",
                where=term.text,
                hint=f"leave out {term.text}: its variance cannot be told from chance",
            )


def check_spread(solution: Solution, random: RandomPart | None) -> tuple[str, ...]:
    """Sentences on variances so large, or nodes so few, that the approximation is not to be trusted."""
    if random is None or not solution.convergence.converged:
        return ()
    notes = []
    sizes = solution.model.spread
    largest = float(np.abs(solution.covariance * sizes).max(initial=0.0))
    if largest > HUGE:
        notes.append(
            f"Random effects spread the linear predictor by a standard deviation of {largest:.0f}: units hardly vary "
            "within, and neither the variance nor effects given it can be trusted. Use a paired test, or a marginal "
            "model."
        )
    elif len(random.z) == 1 and random.z[0].shape[1] == 1:
        finer = replace(solution.model, quadrature=CHECK_NODES)
        change = log_likelihood(finer, solution.parameters, solution.modes) - solution.loglik
        if abs(change) > NOTICEABLE:
            notes.append(
                f"With {CHECK_NODES} quadrature nodes instead of {solution.model.quadrature} the log-likelihood is "
                f"{abs(change):.2f} {'higher' if change > 0 else 'lower'}: use more nodes."
            )
    return tuple(notes)


def solve(
    model: MarginalModel, starts: list[Array], random: RandomPart | None, frame: ModelFrame
) -> Solution:
    """Maximise a likelihood and name what lies on the boundary."""
    if random is None:
        method = "maximum likelihood"
    elif model.quadrature == 1:
        method = "Laplace's approximation"
    else:
        method = f"adaptive Gauss-Hermite quadrature with {model.quadrature} nodes"
    solution = maximise_likelihood(model, starts, method)
    return with_boundary(solution, boundary_names(frame, solution, random))
