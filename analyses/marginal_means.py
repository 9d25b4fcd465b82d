"""Marginal means: a grid over the factors, averaged to estimable linear functions of the coefficients.

Searle, Speed and Milliken (1980); Lenth (2016). Numeric covariates stand at their mean over the rows used. A mean or
contrast that depends on coefficients which the data cannot tell apart is answered by NaN: not estimable.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analyses.contrasts import Weights, contrast_matrix
from analyses.inference import COLUMNS
from analyses.mixed_model_fit import MixedModelFit
from analyses.model_frame import ordered_levels
from analyses.multiplicity import adjust_p_values
from outcomes.errors import ConvergenceError, ModelError

Array = NDArray[np.float64]
WEIGHTS = ("equal", "proportional")


@dataclass(frozen=True, slots=True, eq=False)
class ContrastTable:
    """Contrasts of marginal means.

    Attributes
    ----------
    table
        ``contrast``, the ``by`` columns, then `analyses.inference.COLUMNS`; NaN where not estimable.
    rows
        The linear functions over all design columns, shape (contrasts, columns).
    adjust
        Adjustment of the p-values; intervals are not adjusted.
    """

    table: pd.DataFrame
    rows: Array
    adjust: str

    def _repr_html_(self) -> str:
        from analyses.html_views import contrasts_html

        return contrasts_html(self)


@dataclass(frozen=True, slots=True, eq=False)
class MarginalMeans:
    """Marginal means of a fit.

    Attributes
    ----------
    fit
        The model.
    grid
        One row a mean: its factors, the ``by`` factors last.
    rows
        The linear functions over all design columns, shape (means, columns).
    specs, by
        Names of the factors.
    weights
        How the other factors were averaged.
    averaged
        Names of the factors averaged over.
    at
        Where numeric covariates were held.
    """

    fit: MixedModelFit
    grid: pd.DataFrame
    rows: Array
    specs: tuple[str, ...]
    by: tuple[str, ...]
    weights: str
    averaged: tuple[str, ...]
    at: Mapping[str, Any]

    @property
    def table(self) -> pd.DataFrame:
        """The factors, then ``estimate, std_error, df, statistic, p_value, conf_low, conf_high``."""
        return pd.concat([self.grid, estimate_rows(self.fit, self.rows)], axis=1)

    def interval(self, alpha: float) -> pd.DataFrame:
        """`table` with intervals at another level."""
        return pd.concat([self.grid, estimate_rows(self.fit, self.rows, alpha)], axis=1)

    def contrast(
        self, method: str | Weights = "pairwise", adjust: str = "none", alpha: float = 0.05
    ) -> ContrastTable:
        """Contrasts of the means within each level of the ``by`` factors.

        Parameters
        ----------
        method
            ``pairwise``, ``trt.vs.ctrl`` or ``{"name": {level: weight}}``.
        adjust
            Adjustment of the p-values within each ``by`` group.
        alpha
            One minus the confidence level.
        """
        tables, rows = [], []
        for key, places in self._by_groups():
            levels = [self._level(at) for at in places]
            names, matrix = contrast_matrix(method, levels)
            functions = matrix @ self.rows[places]
            table = estimate_rows(self.fit, functions, alpha)
            table["p_value"] = adjust_p_values(table["p_value"], adjust)
            named = pd.DataFrame(
                {
                    "contrast": names,
                    **{name: [value] * len(names) for name, value in zip(self.by, key, strict=True)},
                }
            )
            tables.append(pd.concat([named, table], axis=1))
            rows.append(functions)
        return ContrastTable(pd.concat(tables, ignore_index=True), np.concatenate(rows), adjust)

    def _repr_html_(self) -> str:
        from analyses.html_views import means_html

        return means_html(self)

    def _level(self, at: int) -> Any:
        values = [self.grid[name].iloc[at] for name in self.specs]
        return values[0] if len(values) == 1 else ", ".join(map(str, values))

    def _by_groups(self) -> list[tuple[tuple[Any, ...], list[int]]]:
        groups: dict[tuple[Any, ...], list[int]] = {}
        for at in range(len(self.grid)):
            groups.setdefault(tuple(self.grid[name].iloc[at] for name in self.by), []).append(at)
        return list(groups.items())


def estimate_rows(fit: MixedModelFit, rows: Array, alpha: float = 0.05) -> pd.DataFrame:
    """T tests of functions of all design columns; NaN where a function is not estimable."""
    kept = rows[:, fit.standard.kept].copy()
    table = fit.estimates(kept, alpha)
    table.loc[~fit.estimable(rows), list(COLUMNS)] = np.nan
    return table


def marginal_means(
    fit: MixedModelFit,
    specs: str | Sequence[str],
    by: str | Sequence[str] | None = None,
    at: Mapping[str, Any] | None = None,
    weights: str = "equal",
) -> MarginalMeans:
    """Marginal means of a fitted model.

    Parameters
    ----------
    fit
        The model.
    specs
        Factor, or factors, whose means are wanted.
    by
        Factors within whose levels contrasts are formed.
    at
        Values at which variables are held: a number, a level, or a list of them. Numeric covariates not named
        stand at their mean over the rows used.
    weights
        ``equal`` over the combinations of the other factors, or ``proportional`` to their numbers of rows.

    Raises
    ------
    ModelError
        Where a name or level is not of the model.
    ConvergenceError
        Where the fit did not converge.
    """
    if not fit.converged:
        raise ConvergenceError(
            "marginal means of a fit that did not converge are refused",
            got=fit.convergence.sentence,
            where=fit.formula,
        )
    if weights not in WEIGHTS:
        raise ModelError("unknown weights", expected=" or ".join(WEIGHTS), got=repr(weights))
    wanted = (specs,) if isinstance(specs, str) else tuple(specs)
    within = () if by is None else (by,) if isinstance(by, str) else tuple(by)
    held = dict(at or {})
    variables = sorted(str(name) for name in fit.frame.spec.required_variables)
    for name in (*wanted, *within, *held):
        if name not in variables:
            raise ModelError(
                "not a variable of the model's fixed effects",
                expected=f"one of {', '.join(variables)}",
                got=repr(name),
                where=fit.formula,
            )
    values = {name: _values(fit, name, held, name in wanted or name in within) for name in variables}
    shown = (*wanted, *within)
    others = [name for name in variables if name not in shown and len(values[name]) > 1]
    fixed = {name: values[name][0] for name in variables if name not in shown and len(values[name]) == 1}
    grid = pd.DataFrame(
        list(product(*(values[name] for name in within), *(values[name] for name in wanted))),
        columns=[*within, *wanted],
    )
    combinations = list(product(*(values[name] for name in others)))
    shares = _shares(fit, others, combinations, weights)
    full = _design(fit, grid, fixed, others, combinations)
    rows = np.einsum("gcp,c->gp", full, shares)
    ordered = _as_levels(fit, grid[[*wanted, *within]], values)
    numbers = {name: value for name, value in fixed.items() if isinstance(value, float)}
    return MarginalMeans(fit, ordered, rows, wanted, within, weights, tuple(others), {**numbers, **held})


def _values(fit: MixedModelFit, name: str, held: Mapping[str, Any], shown: bool) -> list[Any]:
    """Values of a variable in the grid."""
    column = fit.frame.data[name]
    numeric = pd.api.types.is_numeric_dtype(column.dtype) and not pd.api.types.is_bool_dtype(column.dtype)
    if name in held:
        value = held[name]
        chosen = list(value) if isinstance(value, Sequence) and not isinstance(value, str) else [value]
        if not numeric:
            levels = ordered_levels(column)[0]
            unknown = [level for level in chosen if level not in levels]
            if unknown:
                raise ModelError(
                    f"{name} has no such level in the rows used",
                    expected=f"one of {', '.join(map(str, levels))}",
                    got=repr(unknown[0]),
                    where=fit.formula,
                )
        return [float(level) for level in chosen] if numeric else chosen
    if numeric and not shown:
        return [float(column.mean())]
    return ordered_levels(column)[0]


def _shares(
    fit: MixedModelFit, others: list[str], combinations: list[tuple[Any, ...]], weights: str
) -> Array:
    if not others:
        return np.ones(1)
    if weights == "equal":
        return _equal_shares(fit, others, combinations)
    counted = fit.frame.data.groupby(others, observed=False).size()
    counts = np.array([float(counted.get(key if len(others) > 1 else key[0], 0)) for key in combinations])
    shares: Array = counts / counts.sum()
    return shares


def _equal_shares(fit: MixedModelFit, others: list[str], combinations: list[tuple[Any, ...]]) -> Array:
    """Equal shares of the combinations.

    Where every level of a factor occurs with one level only of another (sites in a region), the shares are equal
    within that level, and combinations that cannot occur have none, as in R's emmeans.
    """
    data = fit.frame.data
    shares = np.ones(len(combinations))
    for at, name in enumerate(others):
        parents = [other for other in others if other != name and _is_nested(data, name, other)]
        observed = data[[name, *parents]].drop_duplicates()
        pairs = set(observed.itertuples(index=False, name=None))
        siblings = observed.groupby(parents, observed=True).size() if parents else None
        for row, combination in enumerate(combinations):
            above = tuple(combination[others.index(parent)] for parent in parents)
            if siblings is None:
                shares[row] /= len(observed)
            elif (combination[at], *above) in pairs:
                shares[row] /= float(siblings.loc[above if len(above) > 1 else above[0]])
            else:
                shares[row] = 0.0
    return shares


def _is_nested(data: pd.DataFrame, inner: str, outer: str) -> bool:
    """Whether every level of ``inner`` occurs with one level only of ``outer``, which has fewer levels."""
    if data[outer].nunique() >= data[inner].nunique():
        return False
    return bool((data.groupby(inner, observed=True)[outer].nunique() == 1).all())


def _design(
    fit: MixedModelFit,
    grid: pd.DataFrame,
    fixed: dict[str, Any],
    others: list[str],
    combinations: list[tuple[Any, ...]],
) -> Array:
    """Design rows of every grid point and combination, shape (points, combinations, columns)."""
    repeated = grid.loc[grid.index.repeat(len(combinations))].reset_index(drop=True)
    for position, name in enumerate(others):
        repeated[name] = [combination[position] for combination in combinations] * len(grid)
    for name, value in fixed.items():
        repeated[name] = value
    return fit.design_rows(repeated).reshape(len(grid), len(combinations), -1)


def _as_levels(fit: MixedModelFit, grid: pd.DataFrame, values: dict[str, list[Any]]) -> pd.DataFrame:
    """Keep the factors' declared order in the table."""
    table = grid.copy()
    for name in table.columns:
        if isinstance(fit.frame.data[name].dtype, pd.CategoricalDtype):
            table[name] = pd.Categorical(table[name], values[name])
    return table
