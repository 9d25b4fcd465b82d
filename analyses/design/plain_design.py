"""Designs of plain columns and their products from the factors' codes: formulaic's columns in a tenth of its time.

Most models of trials are hierarchical formulas of columns as they stand, ``baseline + arm * visit``, with an intercept
and treatment coding. Their columns are products of indicators and numbers, which need no general machinery. Every other
formula (transformed columns, contrasts of one's own, no intercept, an interaction without its main effects) is left to
formulaic, whose names, order and coding this module follows, so that nobody can tell which of the two built a design.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Array = NDArray[np.float64]
_NUMERIC = (np.dtype(np.float64), np.dtype(np.int64), np.dtype(np.bool_))


@dataclass(frozen=True, slots=True)
class PlainDesign:
    """Columns of a design.

    Attributes
    ----------
    x
        Shape (n, columns), each column contiguous.
    names
        formulaic's names of the columns.
    """

    x: Array
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Factor:
    """Codes with the names of the levels that have a column: all but the first, which is the reference."""

    codes: NDArray[np.integer[Any]]
    n_levels: int
    names: tuple[str, ...]


class DeferredSpec:
    """formulaic's memory of a plain design's encoding, made when it is first asked for.

    Behaves as the ``ModelSpec`` itself. A fit that only reports its coefficients never needs it. The encoding of plain
    columns depends on their types and levels alone, so that a single row makes it.

    Parameters
    ----------
    formula
        formulaic's formula, response included.
    frame
        The rows used.
    """

    __slots__ = ("_formula", "_frame", "_made")

    def __init__(self, formula: Any, frame: pd.DataFrame) -> None:
        self._formula, self._frame, self._made = formula, frame, None

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # what copying and pickling look for is this object's own
            raise AttributeError(name)
        if self._made is None:
            row = first_row(self._frame)
            self._made = self._formula.get_model_matrix(row, na_action="ignore").rhs.model_spec
        return getattr(self._made, name)

    def __reduce__(self) -> tuple[type[DeferredSpec], tuple[Any, pd.DataFrame]]:
        return DeferredSpec, (self._formula, first_row(self._frame))


def plain_response(terms: Any, frame: pd.DataFrame) -> Array | None:
    """Response that is a numeric column as it stands, shape (n,); None for any other."""
    factors = [factor for term in terms for factor in term.factors]
    if len(factors) != 1 or factors[0].eval_method.value != "lookup":
        return None
    column = frame[factors[0].expr]
    return column.to_numpy(dtype=float, copy=True) if _is_numeric(column) else None


def plain_design(terms: Iterable[Any], frame: pd.DataFrame) -> PlainDesign | None:
    """Columns of a design, or None where the formula or a column is not plain.

    Parameters
    ----------
    terms
        formulaic's terms, in its order.
    frame
        Rows without missing values; no unused level.
    """
    factors: dict[str, _Factor] = {}
    numbers: dict[str, Array] = {}
    split: list[tuple[list[str], list[str]]] = []
    seen: set[frozenset[str]] = set()
    for term in terms:
        names = [str(factor.expr) for factor in term.factors]
        methods = {factor.eval_method.value for factor in term.factors}
        if methods == {"literal"} and names == ["1"]:
            names = []
        elif methods != {"lookup"} or not _known(names, frame, factors, numbers):
            return None
        coded = [name for name in names if name in factors]
        # Only where each margin stands before does treatment coding alone make the columns independent.
        if any(frozenset(names) - {name} not in seen for name in coded):
            return None
        seen.add(frozenset(names))
        split.append((coded, names))
    columns = sum(int(np.prod([factors[name].n_levels - 1 for name in coded])) for coded, _ in split)
    design = PlainDesign(
        np.empty((len(frame), columns), order="F"),
        tuple(name for _, names in split for name in _names(names, factors)),
    )
    at = 0
    for coded, names in split:
        numeric = [numbers[name] for name in names if name not in factors]
        at = _fill(design.x, at, [factors[name] for name in coded], numeric)
        if at < 0:
            return None
    return design if len(set(design.names)) == columns else None


def first_row(frame: pd.DataFrame) -> pd.DataFrame:
    """First row of a frame, text columns as Categoricals with all their levels."""
    row = frame.iloc[:1].copy()
    for name in frame.columns:
        if isinstance(frame[name].dtype, pd.StringDtype):
            row[name] = pd.Categorical(row[name], sorted(frame[name].unique()))
    return row


def _is_numeric(column: pd.Series) -> bool:
    # Asked of numpy's own types alone: comparing with one of pandas' costs numpy a message that nobody reads.
    return isinstance(column.dtype, np.dtype) and column.dtype in _NUMERIC


def _known(
    names: list[str], frame: pd.DataFrame, factors: dict[str, _Factor], numbers: dict[str, Array]
) -> bool:
    """Take in the columns of a term; False where one of them is of a kind that formulaic has to judge."""
    for name in names:
        if name in factors or name in numbers:
            continue
        column = frame[name]
        if _is_numeric(column):
            numbers[name] = column.to_numpy(dtype=float)
            continue
        found = _factor(name, column)
        if found is None:
            return False
        factors[name] = found
    return True


def _factor(name: str, column: pd.Series) -> _Factor | None:
    if isinstance(column.dtype, pd.CategoricalDtype):
        codes, levels = column.array.codes, column.dtype.categories.tolist()
    elif isinstance(column.dtype, pd.StringDtype):
        codes, unique = pd.factorize(column, sort=True)
        levels = list(unique)
    else:
        return None
    if len(levels) < 2 or not all(isinstance(level, (str, int)) for level in levels):
        return None
    return _Factor(codes, len(levels), tuple(f"{name}[T.{level}]" for level in levels[1:]))


def _names(names: list[str], factors: Mapping[str, _Factor]) -> list[str]:
    """Names of a term's columns: the first factor's level changes fastest."""
    if not names:
        return ["Intercept"]
    parts = [factors[name].names if name in factors else (name,) for name in reversed(names)]
    return [":".join(reversed(part)) for part in product(*parts)]


def _fill(x: Array, at: int, factors: list[_Factor], numeric: list[Array]) -> int:
    """Write a term's columns from position ``at`` on; returns the position after them, -1 where one is not finite."""
    number: Array | None = None
    with np.errstate(over="ignore", invalid="ignore"):
        for values in numeric:
            number = values if number is None else number * values
    if number is not None and not np.isfinite(number).all():
        return -1
    if not factors:
        x[:, at] = 1.0 if number is None else number
        return at + 1
    combined, step = factors[0].codes, factors[0].n_levels
    if len(factors) > 1:
        combined = combined.astype(np.int64)
        for factor in factors[1:]:
            combined += step * factor.codes.astype(np.int64)
            step *= factor.n_levels
    strides = np.cumprod([1] + [factor.n_levels for factor in factors[:-1]])
    levels = product(*(range(1, factor.n_levels) for factor in reversed(factors)))
    for level in levels:
        here = combined == int(np.dot(strides, level[::-1]))
        if number is None:
            x[:, at] = here
        else:
            np.multiply(here, number, out=x[:, at])
        at += 1
    return at
