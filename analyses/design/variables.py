"""What is remembered of a model's variables: levels, means, and how many rows each combination has."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from outcomes.errors import ModelError


@dataclass(frozen=True, slots=True)
class Number:
    """A numeric variable over the rows used: its mean, a value in the middle, the smallest and the largest value.

    ``values`` are its distinct values where there are few, else empty.
    """

    mean: float
    middle: float
    minimum: float
    maximum: float
    values: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Factor:
    """A categorical variable: levels in their declared order (else sorted), and whether they were declared."""

    levels: tuple[Any, ...]
    declared: bool


@dataclass(frozen=True, slots=True, eq=False)
class Variables:
    """The variables of a model's fixed effects.

    Attributes
    ----------
    of
        Name to what it is.
    cells
        One row a combination of levels that occurs, with its number of rows in the column ``cells_rows``; None
        where there are too many combinations to keep.
    """

    of: Mapping[str, Number | Factor]
    cells: pd.DataFrame | None

    def is_numeric(self, name: str) -> bool:
        """Whether a variable is a number."""
        return isinstance(self.of[name], Number)

    def number(self, name: str) -> Number:
        """A numeric variable."""
        found = self.of[name]
        assert isinstance(found, Number)
        return found

    def levels(self, name: str) -> list[Any]:
        """Levels of a factor, or the distinct values of a number."""
        found = self.of[name]
        return list(found.levels if isinstance(found, Factor) else found.values)

    def is_coded(self, name: str) -> bool:
        """Whether a variable enters the design by its levels; truth values enter as they are."""
        found = self.of[name]
        return isinstance(found, Factor) and (found.declared or not set(found.levels) <= {False, True})

    def is_declared(self, name: str) -> bool:
        """Whether the order of a factor's levels was declared."""
        found = self.of[name]
        return isinstance(found, Factor) and found.declared

    def combinations(self, names: Sequence[str]) -> dict[tuple[Any, ...], float]:
        """Rows of every combination of levels of some factors that occurs."""
        if self.cells is None:
            raise ModelError(
                "the factors have too many combinations of levels to count their rows",
                expected="fewer combinations",
                hint='weights="equal"',
            )
        counts = self.cells.groupby(list(names), observed=True, sort=False)["cells_rows"].sum()
        keys = counts.index if len(names) > 1 else [(level,) for level in counts.index]
        return dict(zip(keys, counts.astype(float), strict=True))

    def is_nested(self, inner: str, outer: str) -> bool:
        """Whether every level of ``inner`` occurs with one level only of ``outer``, which has fewer levels."""
        if self.cells is None:
            return False
        pairs = [*self.combinations([inner, outer])]
        inner_levels, outer_levels = {a for a, _ in pairs}, {b for _, b in pairs}
        return len(outer_levels) < len(inner_levels) == len(pairs)


def variables_of(data: pd.DataFrame, names: Sequence[str], coded: Container[str] = ()) -> Variables:
    """Look at the variables of data in memory.

    Parameters
    ----------
    data
        The rows used.
    names
        Variables of the fixed effects.
    coded
        Those that the formula takes by their levels, ``C(week)``: a mean of such numbers is none of them.
    """
    of: dict[str, Number | Factor] = {}
    for name in names:
        column = data[name]
        if isinstance(column.dtype, pd.CategoricalDtype):
            of[name] = Factor(tuple(column.cat.categories), True)
        elif name in coded:
            of[name] = Factor(tuple(sorted(column.unique().tolist())), True)
        elif pd.api.types.is_numeric_dtype(column.dtype) and not pd.api.types.is_bool_dtype(column.dtype):
            low, high = float(column.min()), float(column.max())
            distinct = tuple(sorted(column.unique().tolist()))
            of[name] = Number(float(column.mean()), float(column.median()), low, high, distinct)
        else:
            levels = tuple(sorted(column.unique()))
            # Truth values in a column that could hold None (dtype object) are levels to formulaic, not numbers.
            truth = set(levels) <= {False, True} and not pd.api.types.is_bool_dtype(column.dtype)
            of[name] = Factor(levels, truth)
    factors = [name for name in names if isinstance(of[name], Factor)]
    cells = pd.DataFrame({"cells_rows": [len(data)]})
    if factors:
        cells = (
            data.reset_index(drop=True)
            .groupby(factors, observed=True, sort=False)
            .size()
            .rename("cells_rows")
            .reset_index()
        )
    return Variables(of, cells)
