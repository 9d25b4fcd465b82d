"""Hypotheses of a model's terms: type 1, 2 and 3 (SAS's numbering), as matrices over the coefficients.

- Type 1: each term adjusted for those before it: the rows of the Cholesky factor of ``X'X`` (the forward Doolittle
  decomposition; Goodnight 1978).
- Type 2: each term adjusted for all that do not contain it: type 1 with the terms reordered.
- Type 3: equal weights over the cells of the other factors: the term's coefficients under sum-to-zero coding, so that
  the answer does not depend on the coding that the model was fitted with.
"""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analyses.model_frame import ModelFrame
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
    factors = {name: set(name.split(":")) for name in terms}
    found = {}
    for name, columns in terms.items():
        if type == 1:
            first = columns.min()
            before = np.arange(first)
        else:
            containing = [other for other in terms if other != name and factors[name] < factors[other]]
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
    gamma = np.linalg.lstsq(columns, cells, rcond=None)[0]
    return {name: gamma[owners == name] for name in terms}


def _cells(frame: ModelFrame) -> pd.DataFrame:
    """All combinations of the factors' levels; numeric variables take three values, which tell their powers apart."""
    values: dict[str, list[Any]] = {}
    variables = frame.variables
    for name in sorted(variables.of):
        if variables.is_numeric(name):
            number = variables.number(name)
            values[name] = sorted({number.minimum, number.middle, number.maximum})
        else:
            values[name] = variables.levels(name)
    grid = pd.DataFrame(list(product(*values.values())), columns=list(values))
    for name in grid.columns:
        if variables.is_declared(name):
            grid[name] = pd.Categorical(grid[name], values[name])
    return grid


def _sum_coded(
    frame: ModelFrame, grid: pd.DataFrame, terms: dict[str, NDArray[np.intp]]
) -> tuple[Array, NDArray[np.str_]]:
    """Columns of every term over the grid with factors coded to sum to zero, and the term that each belongs to."""
    parts: dict[str, Array] = {}

    def coded(factor: str) -> Array:
        if factor not in parts:
            parts[factor] = _factor_columns(frame, grid, factor)
        return parts[factor]

    columns, owners = [np.ones((len(grid), 1))], ["1"]
    for name in terms:
        block = np.ones((len(grid), 1))
        for factor in name.split(":"):
            block = np.einsum("na,nb->nab", block, coded(factor)).reshape(len(grid), -1)
        columns.append(block)
        owners += [name] * block.shape[1]
    if not any(str(term) == "1" for term in frame.spec.term_slices):
        columns, owners = columns[1:], owners[1:]
    return np.concatenate(columns, axis=1), np.array(owners)


def _factor_columns(frame: ModelFrame, grid: pd.DataFrame, factor: str) -> Array:
    if factor in grid.columns and frame.variables.is_coded(factor):
        levels = frame.variables.levels(factor)
        indicator = np.asarray(
            grid[factor].to_numpy()[:, None] == np.array(levels, dtype=object)[None, :], dtype=float
        )
        summed: Array = indicator[:, :-1] - indicator[:, -1:]
        return summed
    from formulaic import Formula

    matrix = Formula(f"0 + {factor}").get_model_matrix(grid)
    return np.asarray(matrix, dtype=float)
