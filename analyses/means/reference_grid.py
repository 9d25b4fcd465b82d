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

from analyses.design.variables import Variables
from analyses.means.linear_functions import FittedModel
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
    shares_vary
        Whether the shares differ between the means, since a factor is nested in one shown; ``shares`` is their mean.
    """

    table: pd.DataFrame
    rows: Array
    averaged: tuple[str, ...]
    shares: Mapping[str, Mapping[Any, float]]
    held: Mapping[str, tuple[Any, bool]]
    shares_vary: bool


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
    shares = _shares_by_row(known, grid, single, _Averaged(others, combinations), weights)
    rows = np.einsum("gcp,gc->gp", _design(fit, grid, single, others, combinations), shares)
    mean_share = shares.mean(axis=0)
    return ReferenceGrid(
        _as_levels(known, grid[[*specs, *by]], values),
        rows,
        tuple(others),
        {name: _share_of(values[name], combinations, place, mean_share) for place, name in enumerate(others)},
        {name: (value, name not in at and known.of.is_numeric(name)) for name, value in single.items()},
        bool(np.ptp(shares, axis=0).max() > 0),
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


@dataclass(frozen=True, slots=True, eq=False)
class _Averaged:
    """Variables that are averaged over, and the combinations of their values."""

    names: list[str]
    combinations: list[tuple[Any, ...]]

    def column(self, name: str) -> list[Any]:
        """Value of a variable in each combination."""
        place = self.names.index(name)
        return [combination[place] for combination in self.combinations]


Nesting = Mapping[tuple[str, str], set[tuple[Any, ...]]]
"""Pairs (inner, outer) of factors, and the pairs of their levels that occur."""


def _shares_by_row(
    known: _Known, grid: pd.DataFrame, single: Mapping[str, Any], over: _Averaged, weights: GridWeights
) -> Array:
    """Shares of the combinations in each mean, shape (means, combinations), one in all.

    They are the same in all means, but where a factor is nested in one that is shown or held: there only levels that
    occur with it are averaged.
    """
    _check_weights(known, over, weights)
    if not over.names:
        return np.ones((len(grid), 1))
    nesting = _nesting(known, over, [*map(str, grid.columns), *single])
    involved = {name for pair in nesting for name in pair}
    found: dict[tuple[Any, ...], Array] = {}
    rows = []
    for place in range(len(grid)):
        point = {**single, **{str(name): grid[name].iloc[place] for name in grid.columns}}
        fixed = {name: value for name, value in point.items() if name in involved}
        key = tuple(fixed.values())
        if key not in found:
            found[key] = _shares(known, over, weights, nesting, fixed)
        rows.append(found[key])
    return np.array(rows)


def _check_weights(known: _Known, over: _Averaged, weights: GridWeights) -> None:
    if not isinstance(weights, Mapping):
        if weights not in WEIGHTS:
            raise ModelError(
                "unknown weights", expected=f"{' or '.join(WEIGHTS)}, or weights by factor", got=repr(weights)
            )
        return
    for name in weights:
        if name not in over.names:
            raise ModelError(
                "weights are given to a variable that is not averaged over",
                expected=f"one of {', '.join(over.names) or 'none: nothing is averaged over'}",
                got=repr(name),
                where=known.formula,
            )


def _nesting(known: _Known, over: _Averaged, others: Sequence[str]) -> Nesting:
    """Nested pairs of factors of which one at least is averaged over.

    A factor is nested in another where every level of it occurs with one level only of that, which has fewer (sites
    in a region); combinations that cannot occur then have no share, as in R's emmeans.
    """
    averaged = [name for name in over.names if not known.of.is_numeric(name)]
    factors = [*averaged, *(name for name in others if not known.of.is_numeric(name))]
    return {
        (inner, outer): set(known.of.combinations([inner, outer]))
        for inner in factors
        for outer in factors
        if inner != outer and {inner, outer} & set(averaged) and known.of.is_nested(inner, outer)
    }


def _shares(
    known: _Known, over: _Averaged, weights: GridWeights, nesting: Nesting, fixed: Mapping[str, Any]
) -> Array:
    """Shares of the combinations beside the levels of shown and held factors, shape (combinations,)."""
    count = len(over.combinations)
    columns = {name: over.column(name) for name in over.names}
    columns |= {name: [value] * count for name, value in fixed.items()}
    occurs = np.ones(count, dtype=bool)
    for (inner, outer), pairs in nesting.items():
        if inner in columns and outer in columns:
            occurs &= [pair in pairs for pair in zip(columns[inner], columns[outer], strict=True)]
    if not occurs.any():
        # Levels that never occur together: what they average to is not estimable, and is answered so.
        return np.full(count, 1 / count)
    if weights == "proportional":
        return _proportional_shares(known, over, occurs)
    shares = occurs.astype(float)
    for name in over.names:
        parents = [outer for inner, outer in nesting if inner == name and outer in columns]
        keys = list(zip(columns[name], *(columns[parent] for parent in parents), strict=True))
        siblings: dict[tuple[Any, ...], set[Any]] = {}
        for key, real in zip(keys, occurs, strict=True):
            if real:
                siblings.setdefault(key[1:], set()).add(key[0])
        shares *= [
            1 / len(siblings[key[1:]]) if real else 0.0 for key, real in zip(keys, occurs, strict=True)
        ]
    shares = shares / shares.sum()
    if isinstance(weights, Mapping):
        for name, given in weights.items():
            wanted = _factor_shares(known, name, list(dict.fromkeys(columns[name])), given)
            shares = _reweighted(shares, columns[name], wanted, name)
    return shares


def _reweighted(shares: Array, levels: list[Any], wanted: Mapping[Any, float], name: str) -> Array:
    """Shares with those of one factor as wanted; beside each level the others keep theirs (a region follows sites)."""
    present: dict[Any, float] = dict.fromkeys(wanted, 0.0)
    for level, share in zip(levels, shares.tolist(), strict=True):
        present[level] += share
    lost = [level for level, share in wanted.items() if share > 0 and present[level] == 0]
    if lost:
        raise ModelError(
            "a weight is given to a level that does not occur with the others of the mean",
            expected=f"one of {', '.join(str(level) for level, share in present.items() if share > 0)}",
            got=repr(lost[0]),
            where=name,
        )
    factor = {level: wanted[level] / present[level] if present[level] > 0 else 0.0 for level in wanted}
    found: Array = shares * np.array([factor[level] for level in levels])
    return found


def _proportional_shares(known: _Known, over: _Averaged, occurs: NDArray[np.bool_]) -> Array:
    counted = [name for name in over.names if not known.of.is_numeric(name)]
    counts = occurs.astype(float)
    if counted:
        found = known.of.combinations(counted)
        keys = list(zip(*(over.column(name) for name in counted), strict=True))
        counts = counts * np.array([found.get(key, 0.0) for key in keys])
        if counts.sum() == 0:
            raise ModelError(
                "no row has the levels that are averaged in proportion to their rows",
                expected="levels that occur together",
                got=", ".join(map(str, keys[:3])),
                hint='weights="equal"',
            )
    shares: Array = counts / counts.sum()
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
