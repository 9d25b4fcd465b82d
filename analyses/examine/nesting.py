"""Whether one mixed model is a special case of another, and where in the parameter space of the other it lies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from analyses.engine.symmetric import Symmetric
from analyses.formula import ResidualTerm

if TYPE_CHECKING:
    from analyses.mixed_model_fit import MixedModelFit

Array = NDArray[np.float64]
SAME_SPAN = 1e-7
"""Share of a column that another model's columns may leave unexplained and still span it."""

GENERAL: dict[str, frozenset[str]] = {
    "cs": frozenset({"csh", "toep", "toeph", "us"}),
    "csh": frozenset({"toeph", "us"}),
    "ar1": frozenset({"ar1h", "toep", "toeph", "ad", "adh", "us"}),
    "ar1h": frozenset({"toeph", "adh", "us"}),
    "toep": frozenset({"toeph", "us"}),
    "toeph": frozenset({"us"}),
    "ad": frozenset({"adh", "us"}),
    "adh": frozenset({"us"}),
    "sp_exp": frozenset({"us"}),
    "us": frozenset(),
}
"""Structures that hold another as a special case, over the same levels."""


@dataclass(frozen=True, slots=True)
class Nesting:
    """What the larger of two models has more.

    Attributes
    ----------
    df
        Parameters, fixed effects and covariance parameters together.
    variances
        Variances (or ranges) that the smaller model sets to zero, the end of the larger one's parameter space.
    sure
        Whether a rule says that the covariances are nested.
    """

    df: int
    variances: int
    sure: bool


@dataclass(frozen=True, slots=True)
class _Effects:
    """Random effects of a unit that are correlated with one another."""

    subject: frozenset[str]
    labels: frozenset[str]


def find_nesting(small: MixedModelFit, large: MixedModelFit) -> Nesting | None:
    """How a model is nested in another; None where its fixed effects are not, or it has more covariance parameters."""
    more = large.n_covariance_parameters - small.n_covariance_parameters
    if more < 0 or not spans(large, small):
        return None
    df = len(large.beta) - len(small.beta) + more
    own, other = _residual(small), _residual(large)
    mine, theirs = _effects(small), _effects(large)
    if own is None and other is not None and len(mine) == 1 and not theirs:
        # Random intercepts are compound symmetry with a covariance that is not negative.
        intercepts = _Effects(frozenset(other.subject), frozenset({"Intercept"}))
        structure = other.factors[0].structure
        if mine == [intercepts] and len(other.factors) == 1 and structure in GENERAL["cs"] | {"cs"}:
            return Nesting(df, 0, True)
    zero, known = _residual_nested(own, other)
    inside = all(any(_within(one, two) for two in theirs) for one in mine)
    if not (known and inside):
        return Nesting(df, 0, False)
    unbounded = any(isinstance(component.structure, Symmetric) for component in large.model.components)
    vanishing = {(e.subject, label) for e in theirs for label in e.labels}
    vanishing -= {(e.subject, label) for e in mine for label in e.labels}
    return Nesting(df, 0 if unbounded else len(vanishing) + zero, True)


def spans(large: MixedModelFit, small: MixedModelFit) -> bool:
    """Whether the fixed effects of one model are linear combinations of another's."""
    x, z = (fit.frame.x[:, fit.standard.kept] for fit in (large, small))
    if not z.shape[1]:
        return True
    length = np.linalg.norm(x, axis=0)
    q, _ = np.linalg.qr(x / length)
    rest = z - q @ (q.T @ z)
    return bool(np.all(np.linalg.norm(rest, axis=0) <= SAME_SPAN * np.linalg.norm(z, axis=0)))


def _residual(fit: MixedModelFit) -> ResidualTerm | None:
    """Residual covariance; None where residuals are independent, though written as a covariance of one level."""
    term, design = fit.frame.formula.residual, fit.frame.residual.design
    return None if term is not None and term.group is None and design.n_slots == 1 else term


def _effects(fit: MixedModelFit) -> list[_Effects]:
    """Groups of correlated random effects; uncorrelated ones are groups of one."""
    found: list[_Effects] = []
    for term, labels in zip(fit.frame.formula.random, fit.frame.random_labels, strict=True):
        subject = frozenset(term.subject)
        groups: Sequence[Sequence[str]] = [labels] if term.correlated else [[label] for label in labels]
        found += [_Effects(subject, frozenset(group)) for group in groups]
    return found


def _within(one: _Effects, two: _Effects) -> bool:
    return one.subject == two.subject and one.labels <= two.labels


def _residual_nested(own: ResidualTerm | None, other: ResidualTerm | None) -> tuple[int, bool]:
    """How many parameters of the larger residual covariance end at zero, and whether the smaller is nested in it."""
    if own == other or other is None:
        return 0, own == other
    if own is None:
        # Independent residuals: correlations of zero, except that a range ends there.
        return sum(factor.structure == "sp_exp" for factor in other.factors), True
    same = own.subject == other.subject and len(own.factors) == len(other.factors)
    same = same and own.group in (None, other.group)
    pairs = zip(own.factors, other.factors, strict=False)
    return 0, same and all(
        one.coordinate == two.coordinate
        and (one.structure == two.structure or two.structure in GENERAL[one.structure])
        for one, two in pairs
    )
