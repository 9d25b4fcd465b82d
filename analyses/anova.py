"""Hypotheses of a model's terms: type 1, 2 and 3 (SAS's numbering), as matrices over the coefficients.

- Type 1: each term adjusted for those before it: the rows of the Cholesky factor of ``X'X`` (the forward Doolittle
  decomposition; Goodnight 1978).
- Type 2: each term adjusted for all that do not contain it: type 1 with the terms reordered. A term contains another
  where it has all its variables and factors besides; with a number besides (``arm`` and ``arm:baseline``) it does not.
- Type 3: equal weights over the cells of the other factors: the term's coefficients under sum-to-zero coding, so that
  the answer does not depend on the coding that the model was fitted with.
"""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pandas as pd
from formulaic import Formula, ModelSpec
from numpy.typing import NDArray

from analyses.design.formula_variables import formula_variables
from analyses.design.model_frame import ModelFrame
from analyses.design.variables import Variables
from outcomes.errors import ModelError, NotEstimableError

Array = NDArray[np.float64]


def term_hypotheses(frame: ModelFrame, kept: NDArray[np.intp], type: int) -> dict[str, Array]:
    """Hypothesis matrix of every term but the intercept.

    Parameters
    ----------
    frame
        The rows used and their encoding.
    kept
        Columns that the model kept, shape (p,).
    type
        1, 2 or 3.

    Returns
    -------
    dict
        Term's name to a matrix of shape (q, p).

    Raises
    ------
    ModelError
        For another type.
    NotEstimableError
        For type 3 where columns are aliased: cells are empty, and equal weights over them are not estimable.
    """
    if type not in (1, 2, 3):
        raise ModelError("unknown type of test", expected="1, 2 or 3", got=repr(type))
    terms = {
        str(term): _columns(slice_, kept)
        for term, slice_ in frame.spec.term_slices.items()
        if str(term) != "1"
    }
    terms = {name: columns for name, columns in terms.items() if len(columns)}
    x = frame.root[:, kept]
    if type == 3:
        return _type_3(frame, kept, terms)
    factors = _factors(frame)
    coded = _coded(frame)
    found = {}
    for name, columns in terms.items():
        if type == 1:
            first = columns.min()
            before = np.arange(first)
        else:
            mine = set(factors[name])
            containing = [
                other for other in terms if mine < set(factors[other]) and set(factors[other]) - mine <= coded
            ]
            after = {int(at) for other in containing for at in terms[other]}
            before = np.array(
                [at for at in range(x.shape[1]) if at not in after and at not in columns], dtype=np.intp
            )
        rest = np.array(
            [at for at in range(x.shape[1]) if at not in before and at not in columns], dtype=np.intp
        )
        order = np.concatenate([before, columns, rest])
        upper = np.linalg.qr(x[:, order], mode="r")
        rows = upper[len(before) : len(before) + len(columns)]
        hypothesis = np.zeros((len(columns), x.shape[1]))
        hypothesis[:, order] = rows / np.abs(np.diag(upper)[len(before) : len(before) + len(columns), None])
        found[name] = hypothesis
    return found


def _factors(frame: ModelFrame) -> dict[str, list[str]]:
    """Expressions of the factors of every term, in the order of its columns."""
    return {str(term): [str(factor.expr) for factor in term.factors] for term in frame.spec.term_slices}


def _coded(frame: ModelFrame) -> set[str]:
    """Expressions that enter the design by levels."""
    return {str(factor.expr) for factor in frame.spec.factor_contrasts}


def _columns(slice_: slice, kept: NDArray[np.intp]) -> NDArray[np.intp]:
    """Positions among the kept columns of a term's columns."""
    return np.flatnonzero((kept >= slice_.start) & (kept < slice_.stop))


def _type_3(
    frame: ModelFrame, kept: NDArray[np.intp], terms: dict[str, NDArray[np.intp]]
) -> dict[str, Array]:
    """The term's coefficients under sum-to-zero coding, as functions of those fitted.

    Over a grid of all cells, ``X_sum gamma = X beta`` gives ``gamma = (X_sum^+ X) beta``.
    """
    if len(kept) < len(frame.columns):
        raise NotEstimableError(
            "type 3 tests weigh all cells equally, and some of them are empty",
            got="aliased columns",
            hint="use type 2, or test the contrasts that are estimable",
        )
    grid = _cells(frame)
    cells = np.asarray(frame.spec.get_model_matrix(grid), dtype=float)[:, kept]
    columns, owners = _sum_coded(frame, grid, terms)
    gamma, _, rank, _ = np.linalg.lstsq(columns, cells, rcond=None)
    lost = np.abs(columns @ gamma - cells).max(axis=0) > 1e-8 * np.abs(cells).max(axis=0)
    if rank < columns.shape[1] or lost.any():
        raise NotEstimableError(
            "type 3 tests need every term's means to be functions of its own columns and those it contains",
            got=", ".join(terms),
            where=frame.formula.text,
            hint="use type 1 or 2, write the terms with their main effects, or test contrasts",
        )
    return {name: gamma[owners == name] for name in terms}


def _cells(frame: ModelFrame) -> pd.DataFrame:
    """All combinations of the factors' levels; numbers take as many values as tell their functions apart."""
    values: dict[str, list[Any]] = {}
    variables = frame.variables
    functions = {str(factor.expr) for term in frame.spec.terms for factor in term.factors} - _coded(frame)
    for name in sorted(variables.of):
        if variables.is_numeric(name):
            number = variables.number(name)
            mine = [
                one for one in functions if one != name and name in formula_variables(Formula(one), [name])
            ]
            start = pd.DataFrame({other: [_some_value(variables, other)] for other in variables.of})
            count = sum(_evaluated(frame, start, one).shape[1] for one in mine)
            spread = np.linspace(number.minimum, number.maximum, count + 3 if count else 2)[1:-1]
            values[name] = sorted({number.minimum, number.middle, number.maximum, *map(float, spread)})
        else:
            values[name] = variables.levels(name)
    grid = pd.DataFrame(list(product(*values.values())), columns=list(values))
    for name in grid.columns:
        if variables.is_declared(name):
            grid[name] = pd.Categorical(grid[name], values[name])
    return grid


def _some_value(variables: Variables, name: str) -> Any:
    return variables.number(name).middle if variables.is_numeric(name) else variables.levels(name)[0]


def _evaluated(frame: ModelFrame, grid: pd.DataFrame, factor: str) -> Array:
    """Columns of a factor's expression, with what ``center(x)`` or ``poly(x, 2)`` remember of the rows used."""
    spec = ModelSpec(formula=Formula(f"0 + {factor}"), transform_state=frame.spec.transform_state)
    return np.asarray(spec.get_model_matrix(grid), dtype=float)


def _sum_coded(
    frame: ModelFrame, grid: pd.DataFrame, terms: dict[str, NDArray[np.intp]]
) -> tuple[Array, NDArray[np.str_]]:
    """Columns of every term over the grid with factors coded to sum to zero, and the term that each belongs to.

    A factor has a column for every level where the term without it is not in the model: ``arm:week`` without ``week``,
    or the first factor without an intercept, which then takes its place.
    """
    factors = _factors(frame)
    coded = _coded(frame)
    present = {frozenset(one for one in named if one != "1") for named in factors.values()}
    intercept = frozenset() in present
    columns, owners = [np.ones((len(grid), 1))], ["1"]
    for name in terms:
        block = np.ones((len(grid), 1))
        for factor in factors[name]:
            if factor in coded:
                indicator = _indicator(frame, grid, factor)
                whole = frozenset(factors[name]) - {factor} not in present
                mine = indicator if whole else indicator[:, :-1] - indicator[:, -1:]
                if len(factors[name]) == 1:
                    present.add(frozenset())
            elif factor in grid.columns:
                mine = np.asarray(grid[factor], dtype=float)[:, None]
            else:
                mine = _evaluated(frame, grid, factor)
            block = np.einsum("na,nb->nab", block, mine).reshape(len(grid), -1)
        columns.append(block)
        owners += [name] * block.shape[1]
    if not intercept:
        columns, owners = columns[1:], owners[1:]
    return np.concatenate(columns, axis=1), np.array(owners)


def _indicator(frame: ModelFrame, grid: pd.DataFrame, factor: str) -> Array:
    """A column of zeros and ones for every level of a factor, shape (cells, levels)."""
    if factor in grid.columns:
        levels = np.array(frame.variables.levels(factor), dtype=object)
        return np.asarray(grid[factor].to_numpy()[:, None] == levels[None, :], dtype=float)
    # Whatever coding an expression such as C(arm, contr.sum) asks for, its levels are the distinct rows.
    matrix = np.asarray(Formula(f"0 + {factor}").get_model_matrix(grid), dtype=float)
    distinct, level = np.unique(matrix, axis=0, return_inverse=True)
    return np.asarray(np.eye(len(distinct))[level.reshape(-1)], dtype=float)
