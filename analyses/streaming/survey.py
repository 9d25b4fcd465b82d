"""A first look at a stream: levels, means, counts and the order of its subjects.

They must be known before the first design row is made.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analyses.streaming.parquet_parts import subject_hash
from outcomes.errors import ModelError

Array = NDArray[np.float64]
FEW_VALUES = 200
"""Distinct values of a number up to which it may be a coordinate such as a week."""
MOST_CELLS = 100_000
"""Combinations of factor levels beyond which their numbers of rows are not kept."""


@dataclass(slots=True)
class Spread:
    """Running count, mean, smallest and largest value of a numeric column (Chan, Golub and LeVeque 1983).

    ``values`` are its distinct values, None where there are more than `FEW_VALUES`.
    """

    count: int = 0
    mean: float = 0.0
    minimum: float = np.inf
    maximum: float = -np.inf
    values: frozenset[float] | None = frozenset()

    def add(self, other: Spread) -> None:
        """Merge with another part's."""
        total = self.count + other.count
        if total:
            self.mean += (other.mean - self.mean) * (other.count / total)
        self.count = total
        self.minimum, self.maximum = min(self.minimum, other.minimum), max(self.maximum, other.maximum)
        both = None if self.values is None or other.values is None else self.values | other.values
        self.values = both if both is not None and len(both) <= FEW_VALUES else None


@dataclass(slots=True)
class Survey:
    """A first look at a data set or a part of it; parts are added in their order.

    Attributes
    ----------
    n_rows, n_complete
        Rows, and those that have every model variable.
    levels
        Of every column that is not numeric: levels that a complete row has.
    declared
        Of every dictionary (categorical) column: its levels in their declared order.
    spreads
        Of every numeric column.
    cells
        Rows by combination of the columns that are not numeric, in the order of ``factors``; None where there are
        too many.
    factors
        Names of these columns.
    runs
        Hashes of the subjects in their order, a subject's consecutive rows counted once.
    log_weights
        Sum of the logarithms of the case weights.
    """

    n_rows: int = 0
    n_complete: int = 0
    levels: dict[str, set[Any]] = field(default_factory=dict)
    declared: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    spreads: dict[str, Spread] = field(default_factory=dict)
    cells: Counter[tuple[Any, ...]] | None = field(default_factory=Counter)
    factors: tuple[str, ...] = ()
    runs: list[NDArray[np.uint64]] = field(default_factory=list)
    log_weights: float = 0.0

    def add(self, other: Survey) -> None:
        """Merge with the part that follows."""
        self.n_rows += other.n_rows
        self.n_complete += other.n_complete
        self.factors = other.factors or self.factors
        for name, levels in other.levels.items():
            self.levels.setdefault(name, set()).update(levels)
        for name, declared in other.declared.items():
            self.declared[name] = _one_order(name, self.declared.get(name, ()), declared)
        for name, spread in other.spreads.items():
            self.spreads.setdefault(name, Spread()).add(spread)
        if self.cells is not None and other.cells is not None:
            self.cells.update(other.cells)
        if self.cells is None or other.cells is None or len(self.cells) > MOST_CELLS:
            self.cells = None
        self.runs.extend(other.runs)
        self.log_weights += other.log_weights

    @property
    def consecutive(self) -> bool:
        """Whether every subject's rows follow one another."""
        keys = np.concatenate(self.runs) if self.runs else np.zeros(0, dtype=np.uint64)
        starts = keys[np.r_[True, keys[1:] != keys[:-1]]] if len(keys) else keys
        return len(np.unique(starts)) == len(starts)

    def ordered_levels(self, name: str) -> list[Any]:
        """Levels that occur, in their declared order, else sorted."""
        used = self.levels[name]
        if name in self.declared:
            return [level for level in self.declared[name] if level in used]
        return sorted(used)


def _one_order(name: str, known: tuple[Any, ...], new: tuple[Any, ...]) -> tuple[Any, ...]:
    """The longer of two declared orders, which must agree on what they share."""
    longer, shorter = (known, new) if len(known) >= len(new) else (new, known)
    places = [longer.index(level) if level in longer else -1 for level in shorter]
    if -1 in places or places != sorted(places):
        raise ModelError(
            f"the parts of the data declare the levels of {name} in different orders",
            expected=", ".join(map(str, longer)),
            got=", ".join(map(str, shorter)),
            hint="write the parts with one pandas Categorical, or store the column as text (then sorted)",
        )
    return longer


def survey_chunk(
    chunk: pd.DataFrame,
    needed: Sequence[str],
    factors: Sequence[str],
    subject: Sequence[str],
    weights: str | None,
) -> Survey:
    """Look at a chunk.

    Parameters
    ----------
    chunk
        Its rows.
    needed
        Model variables: a row that misses one is left out.
    factors
        Those of the fixed effects.
    subject
        Columns that name the coarsest subject.
    weights
        Column of the case weights, or None.
    """
    complete = complete_rows(chunk, needed, weights)
    rows = chunk.loc[complete]
    found = Survey(n_rows=len(chunk), n_complete=len(rows))
    for name in needed:
        column = rows[name]
        if isinstance(column.dtype, pd.CategoricalDtype):
            found.declared[name] = tuple(column.cat.categories)
            found.levels[name] = set(column.unique())
        elif not is_number(column.dtype):
            found.levels[name] = set(column.unique())
        elif len(column):
            values = column.to_numpy(dtype=float)
            found.spreads[name] = _spread(values)
    found.factors = tuple(name for name in factors if name in found.levels)
    if found.factors and len(rows):
        counts = rows.groupby(list(found.factors), observed=True, sort=False).size()
        index = counts.index if len(found.factors) > 1 else [(level,) for level in counts.index]
        found.cells = Counter(dict(zip(index, counts.to_numpy().tolist(), strict=True)))
    if len(chunk) and subject:
        # Of all rows: one without every variable may stand between two of a subject.
        keys = subject_hash(chunk, subject)
        found.runs.append(keys[np.r_[True, keys[1:] != keys[:-1]]])
    if weights is not None and len(rows):
        found.log_weights = float(np.log(rows[weights].to_numpy(dtype=float)).sum())
    return found


def _spread(values: Array) -> Spread:
    few = np.unique(values[: 10 * FEW_VALUES])
    if len(few) <= FEW_VALUES:
        few = np.unique(values)
    distinct = frozenset(few.tolist()) if len(few) <= FEW_VALUES else None
    return Spread(len(values), float(values.mean()), float(values.min()), float(values.max()), distinct)


def is_number(dtype: Any) -> bool:
    """Whether a column is a number (a truth value is not)."""
    return bool(pd.api.types.is_numeric_dtype(dtype) and not pd.api.types.is_bool_dtype(dtype))


def complete_rows(chunk: pd.DataFrame, needed: Sequence[str], weights: str | None) -> NDArray[np.bool_]:
    """Rows that have every model variable, and a weight.

    Raises
    ------
    ModelError
        For a weight that is not positive and finite.
    """
    complete: NDArray[np.bool_] = chunk[list(needed)].notna().all(axis=1).to_numpy()
    if weights is not None:
        values = chunk[weights].to_numpy(dtype=float)
        bad = ~np.isnan(values) & ~(np.isfinite(values) & (values > 0))
        if bad.any():
            raise ModelError(
                "weights must be positive and finite",
                got=repr(float(values[bad][0])),
                where=f"column {weights}",
            )
        complete = complete & ~np.isnan(values)
    return complete


def add_surveys(parts: Iterable[Survey]) -> Survey:
    """Survey of all parts, in their order."""
    total = Survey()
    for part in parts:
        total.add(part)
    return total
