"""The reference grid of marginal means: which values variables take, and with which shares the others are averaged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import isfinite
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analyses.linear_functions import FittedModel
from analyses.variables import Variables
from outcomes.errors import ModelError

Array = NDArray[np.float64]
GridWeights = str | Mapping[str, str | Mapping[Any, float]]

WEIGHTS = ("equal", "proportional")
MANY = 12
"""Distinct values of a numeric variable beyond which its levels are not meant as a grid."""


@dataclass(frozen=True, slots=True, eq=False)
class ReferenceGrid:
    """Design of the marginal means.

    Attributes
    ----------
    table
        One row a mean: the factors, the ``by`` factors last, in their declared order.
    rows
        The averaged design, shape (means, columns).
    averaged
        Names of the variables averaged over.
    shares
        Share of each level of the variables averaged over.
    held
        Values of variables that take one only, and whether it is their mean.
    """

    table: pd.DataFrame
    rows: Array
    averaged: tuple[str, ...]
    shares: Mapping[str, Mapping[Any, float]]
    held: Mapping[str, tuple[Any, bool]]


def reference_grid(
    fit: FittedModel,
    specs: tuple[str, ...],
    by: tuple[str, ...],
    at: Mapping[str, Any],
    weights: GridWeights,
) -> ReferenceGrid:
    """Build the grid; see `analyses.marginal_means.marginal_means` for the arguments.

    Raises
    ------
    ModelError
        Where a name, level or weight is not of the model.
    """
    known = _Known(fit.frame.variables, fit.formula)
    variables = sorted(known.of.of)
    for name in (*specs, *by, *at):
        if name not in variables:
            raise ModelError(
                "not a variable of the model's fixed effects",
                expected=f"one of {', '.join(variables)}",
                got=repr(name),
                where=fit.formula,
            )
    shown = (*specs, *by)
    if len(set(shown)) < len(shown):
        raise ModelError(
            "a factor of the means is named twice", expected="each name once", got=", ".join(shown)
        )
    values = {name: _values(known, name, at, name in shown) for name in variables}
    others = [name for name in variables if name not in shown and len(values[name]) > 1]
    single = {name: values[name][0] for name in variables if name not in shown and len(values[name]) == 1}
    grid = pd.DataFrame(
        list(product(*(values[name] for name in by), *(values[name] for name in specs))),
        columns=[*by, *specs],
    )
    combinations = list(product(*(values[name] for name in others)))
    shares = _shares(known, others, combinations, weights)
    rows = np.einsum("gcp,c->gp", _design(fit, grid, single, others, combinations), shares)
    return ReferenceGrid(
        _as_levels(known, grid[[*specs, *by]], values),
        rows,
        tuple(others),
        {name: _share_of(values[name], combinations, place, shares) for place, name in enumerate(others)},
        {name: (value, name not in at and known.of.is_numeric(name)) for name, value in single.items()},
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Known:
    """What is known of the model's variables, and its formula for messages."""

    of: Variables
    formula: str


def _values(known: _Known, name: str, at: Mapping[str, Any], shown: bool) -> list[Any]:
    """Values of a variable in the grid."""
    if name in at:
        return _given_values(known, name, at[name])
    if not known.of.is_numeric(name):
        return known.of.levels(name)
    if not shown:
        return [known.of.number(name).mean]
    levels = known.of.levels(name)
    if len(levels) > MANY:
        raise ModelError(
            f"{name} is a number with {len(levels)} values: which of them are meant?",
            expected=f'at={{"{name}": [values]}}',
            got="no values",
            where=known.formula,
        )
    return levels


def _given_values(known: _Known, name: str, value: Any) -> list[Any]:
    chosen = list(value) if pd.api.types.is_list_like(value) else [value]
    if not chosen or len(set(map(str, chosen))) < len(chosen):
        raise ModelError(
            f"{name} needs values of its own to stand at",
            expected="one value, or different ones",
            got=repr(value),
        )
    if known.of.is_numeric(name):
        return [_number(name, level) for level in chosen]
    levels = known.of.levels(name)
    for level in chosen:
        if level not in levels:
            raise ModelError(
                f"{name} has no such level in the rows used",
                expected=f"one of {', '.join(map(str, levels))}",
                got=repr(level),
                where=known.formula,
            )
    return chosen


def _number(name: str, value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = float("nan")
    if not isfinite(number):
        raise ModelError(f"{name} is numeric", expected="a number to stand at", got=repr(value))
    return number


def _shares(
    known: _Known, others: list[str], combinations: list[tuple[Any, ...]], weights: GridWeights
) -> Array:
    """Shares of the combinations, shape (combinations,), one in all."""
    if isinstance(weights, Mapping):
        return _given_shares(known, others, combinations, weights)
    if weights not in WEIGHTS:
        raise ModelError(
            "unknown weights",
            expected=f"{' or '.join(WEIGHTS)}, or weights by factor",
            got=repr(weights),
        )
    if not others:
        return np.ones(1)
    if weights == "equal":
        return _equal_shares(known, others, combinations)
    counted = [name for name in others if not known.of.is_numeric(name)]
    if not counted:
        return np.full(len(combinations), 1 / len(combinations))
    found = known.of.combinations(counted)
    places = [others.index(name) for name in counted]
    keys = [tuple(combination[place] for place in places) for combination in combinations]
    counts = np.array([found.get(key, 0.0) for key in keys])
    if counts.sum() == 0:
        raise ModelError(
            "no row has the levels that are averaged in proportion to their rows",
            expected="levels that occur together",
            got=", ".join(map(str, keys[:3])),
            hint='weights="equal"',
        )
    shares: Array = counts / counts.sum()
    return shares


def _equal_shares(known: _Known, others: list[str], combinations: list[tuple[Any, ...]]) -> Array:
    """Equal shares of the combinations.

    Where every level of a factor occurs with one level only of another (sites in a region), the shares are equal
    within that level, and combinations that cannot occur have none, as in R's emmeans.
    """
    shares = np.ones(len(combinations))
    for at, name in enumerate(others):
        if known.of.is_numeric(name):
            shares /= len({combination[at] for combination in combinations})
            continue
        own = [other for other in others if other != name and not known.of.is_numeric(other)]
        parents = [other for other in own if known.of.is_nested(name, other)]
        places = [at, *(others.index(parent) for parent in parents)]
        listed = {tuple(combination[place] for place in places) for combination in combinations}
        if parents:
            listed &= set(known.of.combinations([name, *parents]))
        siblings: dict[tuple[Any, ...], int] = {}
        for key in listed:
            siblings[key[1:]] = siblings.get(key[1:], 0) + 1
        for row, combination in enumerate(combinations):
            key = tuple(combination[place] for place in places)
            shares[row] *= 1 / siblings[key[1:]] if key in listed else 0.0
    if shares.sum() <= 0:
        raise ModelError(
            "the levels that are averaged never occur together",
            expected="levels that do",
            got=", ".join(others),
        )
    # Where a level above is kept but none of its own below it, the rest share alike.
    normed: Array = shares / shares.sum()
    return normed


def _given_shares(
    known: _Known,
    others: list[str],
    combinations: list[tuple[Any, ...]],
    weights: Mapping[str, str | Mapping[Any, float]],
) -> Array:
    """Shares by factor as given, factor by factor; equal over factors that are not named."""
    for name in weights:
        if name not in others:
            raise ModelError(
                "weights are given to a variable that is not averaged over",
                expected=f"one of {', '.join(others) or 'none: nothing is averaged over'}",
                got=repr(name),
                where=known.formula,
            )
    rest = [name for name in others if name not in weights]
    kept = [others.index(name) for name in rest]
    reduced = list(dict.fromkeys(tuple(c[place] for place in kept) for c in combinations))
    equal = _equal_shares(known, rest, reduced) if rest else np.ones(1)
    of_rest = dict(zip(reduced, equal.tolist(), strict=True))
    shares = np.array([of_rest[tuple(c[place] for place in kept)] for c in combinations])
    for name, given in weights.items():
        place = others.index(name)
        levels = list(dict.fromkeys(c[place] for c in combinations))
        share = _factor_shares(known, name, levels, given)
        shares = shares * np.array([share[c[place]] for c in combinations])
    return shares


def _factor_shares(
    known: _Known, name: str, levels: list[Any], given: str | Mapping[Any, float]
) -> dict[Any, float]:
    if isinstance(given, str):
        if given not in WEIGHTS:
            raise ModelError("unknown weights", expected=" or ".join(WEIGHTS), got=repr(given), where=name)
        if given == "equal" or known.of.is_numeric(name):
            return dict.fromkeys(levels, 1 / len(levels))
        counts = known.of.combinations([name])
        found = {level: counts.get((level,), 0.0) for level in levels}
    else:
        if not isinstance(given, Mapping):
            raise ModelError(
                "weights of a factor need its levels", expected="{level: weight}", got=repr(given), where=name
            )
        for level in given:
            if level not in levels:
                raise ModelError(
                    "weights name an unknown level",
                    expected=f"one of {', '.join(map(str, levels))}",
                    got=repr(level),
                    where=name,
                )
        found = {level: _number(f"the weight of {level}", given.get(level, 0.0)) for level in levels}
    total = sum(found.values())
    if min(found.values()) < 0 or total <= 0:
        raise ModelError(
            "weights of an average are not usable",
            expected="numbers of at least 0, not all of them 0",
            got=repr(dict(found)),
            where=name,
        )
    return {level: value / total for level, value in found.items()}


def _share_of(
    levels: Sequence[Any], combinations: list[tuple[Any, ...]], place: int, shares: Array
) -> dict[Any, float]:
    return {
        level: float(sum(share for c, share in zip(combinations, shares, strict=True) if c[place] == level))
        for level in levels
    }


def _design(
    fit: FittedModel,
    grid: pd.DataFrame,
    single: dict[str, Any],
    others: list[str],
    combinations: list[tuple[Any, ...]],
) -> Array:
    """Design rows of every grid point and combination, shape (points, combinations, columns)."""
    repeated = grid.loc[grid.index.repeat(len(combinations))].reset_index(drop=True)
    for position, name in enumerate(others):
        repeated[name] = [combination[position] for combination in combinations] * len(grid)
    for name, value in single.items():
        repeated[name] = value
    return fit.design_rows(repeated).reshape(len(grid), len(combinations), -1)


def _as_levels(known: _Known, grid: pd.DataFrame, values: dict[str, list[Any]]) -> pd.DataFrame:
    """Keep the factors' declared order in the table."""
    table = grid.copy()
    for name in table.columns:
        if known.of.is_declared(name):
            table[name] = pd.Categorical(table[name], values[name])
    return table
