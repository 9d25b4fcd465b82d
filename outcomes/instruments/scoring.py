"""From items to totals: strict about bounds, grids, columns, variants and missing items.

The total of an instrument is one of a few combinations of its items; each is a small function of an array of
items, one row a rating, and none of them clips, rounds or fills anything in.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from outcomes.errors import ScoringError
from outcomes.instruments.instrument import Instrument, Item, describe_range
from outcomes.instruments.registry import INSTRUMENTS, get_instrument

Array = npt.NDArray[np.float64]
Missing = Literal["strict", "published"]
Items: TypeAlias = "pd.DataFrame | Mapping[str, Any]"

_SHOWN = 20  # problems listed in one error; the count of the others is said


@dataclass(frozen=True, slots=True)
class ItemProblem:
    """One cell that the instrument does not allow.

    Attributes
    ----------
    row
        The row's index label.
    column
        The item.
    value
        As it was given.
    expected
        The allowed values in words.
    hint
        How to mend it; empty where nothing better than `expected` can be said.
    """

    row: Hashable
    column: str
    value: Any
    expected: str
    hint: str = ""

    def __str__(self) -> str:
        hint = f" ({self.hint})" if self.hint else ""
        return f"row {self.row}, {self.column} = {self.value!r}: expected {self.expected}{hint}"


def score(name: str, items: Items, missing: Missing = "strict") -> pd.Series:
    """Totals of an instrument from its items.

    Parameters
    ----------
    name
        The instrument, e.g. ``"vasi"``; see `list_instruments`.
    items
        One column an item (named as in `Instrument.items`), one row a rating; a mapping of columns or of
        single values will do. Items that are recorded beside the total (POSAS overall opinion) may be absent.
    missing
        ``"strict"`` (default): a total with any missing item is missing. ``"published"``: the rule of the
        instrument's authors, where there is one.

    Returns
    -------
    Series
        Totals, named after the instrument, on the index of `items`.

    Raises
    ------
    ScoringError
        An unknown instrument; unknown, absent or repeated columns; a value that is not a number, outside its
        item's bounds or off its grid (row, column and value are named, and the variant of the scale that the
        items would fit); a total that the scale cannot reach; ``"published"`` where no rule is published; a
        nominal instrument.

    Examples
    --------
    >>> float(score("f-vasi", {"face_hand_units": 2.0, "face_depigmentation": 0.75}).iloc[0])
    1.5
    """
    instrument = get_instrument(name)
    if instrument.kind == "nominal":
        raise ScoringError(
            f"{instrument.name} has categories and no total",
            expected="an instrument with a total",
            got=instrument.name,
            hint="count its categories instead",
        )
    if missing not in ("strict", "published"):
        raise ScoringError("unknown rule for missing items", expected="'strict' or 'published'", got=missing)
    frame = _frame(items)
    _check_columns(instrument, frame)
    problems = item_problems(instrument, frame)
    if problems:
        raise _bad_items(instrument, frame, problems)
    scored = [item.name for item in instrument.scored_items]
    values = np.column_stack([_numbers(frame[column]) for column in scored])
    if missing == "published":
        values = _fill_as_published(instrument, values)
    complete = ~np.isnan(values).any(axis=1)
    totals = np.full(len(frame), np.nan)
    totals[complete] = _COMBINATIONS[instrument.combine](instrument, values[complete], frame.index[complete])
    _check_totals(instrument, totals, frame.index)
    return pd.Series(totals, index=frame.index, name=instrument.name)


def item_problems(instrument: Instrument, items: pd.DataFrame) -> tuple[ItemProblem, ...]:
    """Every cell of the instrument's columns that is not a number, out of bounds or off its grid.

    Missing cells are no problem here. Columns that the instrument does not know are not looked at.
    """
    found: list[ItemProblem] = []
    for item in instrument.items:
        if item.name not in items.columns:
            continue
        column = items[item.name]
        values = _numbers(column)
        given = ~column.isna().to_numpy(dtype=bool)
        text = given & np.isnan(values)
        bad = np.array([not item.allows(value) for value in values], dtype=bool) & given
        for position in np.flatnonzero(bad):
            found.append(
                ItemProblem(
                    row=column.index[position],
                    column=item.name,
                    value=_plain(column.iloc[position]),
                    expected=item.expected(),
                    hint="a number is needed" if text[position] else _percent_hint(item, values[position]),
                )
            )
    return tuple(found)


def categories_from_counts(name: str, counts: Items) -> pd.DataFrame:
    """Items of an instrument from counted lesions, as ECCA and Goodman-Baron define their categories.

    Parameters
    ----------
    name
        An instrument with items that are categories of counts (``"ecca"``, ``"goodman-baron-quantitative"``).
    counts
        One column an item: the number of lesions of that type, 0 or more. Columns of items that are no
        category of a count are passed through.

    Returns
    -------
    DataFrame
        The same columns as categories, ready for `score`. Missing counts stay missing.

    Raises
    ------
    ScoringError
        Unknown columns, or a count that is negative or no integer.
    """
    instrument = get_instrument(name)
    frame = _frame(counts)
    _check_columns(instrument, frame, complete=False)
    result: dict[Hashable, Any] = {}
    for column in frame.columns:
        limits = instrument.item(column).count_limits
        if limits is None:
            result[column] = frame[column]
            continue
        values = _numbers(frame[column])
        wrong = ~frame[column].isna().to_numpy(dtype=bool) & ~((values >= 0) & (values == np.floor(values)))
        if wrong.any():
            first = int(np.flatnonzero(wrong)[0])
            raise ScoringError(
                "a count of lesions must be a whole number",
                expected="0, 1, 2, ...",
                got=repr(_plain(frame[column].iloc[first])),
                where=f"row {frame.index[first]}, column {column}",
            )
        categories = np.searchsorted(np.asarray(limits, dtype=float), values, side="left").astype(float)
        result[column] = np.where(np.isnan(values), np.nan, categories)
    return pd.DataFrame(result, index=frame.index)


def band(name: str, totals: pd.Series | Sequence[float]) -> pd.Series:
    """The named range that each total falls in (DLQI: from no effect to an extremely large one).

    Raises
    ------
    ScoringError
        Where the instrument has no bands, or a total lies in none of them.
    """
    instrument = get_instrument(name)
    if not instrument.bands:
        raise ScoringError(
            f"no bands are published for {instrument.name}", expected="an instrument with bands"
        )
    series = pd.Series(totals, dtype=float)
    labels = [found.label for found in instrument.bands]
    codes = np.full(len(series), -1)
    for code, found in enumerate(instrument.bands):
        codes[((series >= found.low) & (series <= found.high)).to_numpy()] = code
    outside = (codes < 0) & series.notna().to_numpy()
    if outside.any():
        first = int(np.flatnonzero(outside)[0])
        raise ScoringError(
            f"a total of {series.iloc[first]:g} lies in no band of {instrument.name}",
            expected="; ".join(
                f"{found.low:g} to {found.high:g} {found.label}" for found in instrument.bands
            ),
            got=f"{series.iloc[first]:g}",
            where=f"row {series.index[first]}",
        )
    return pd.Series(
        pd.Categorical.from_codes(codes, labels, ordered=True), index=series.index, name=series.name
    )


# How items combine


def _weighted_sum(instrument: Instrument, values: Array, index: pd.Index) -> Array:
    """``sum_j w_j x_j`` over the items."""
    weights = np.array([item.weight for item in instrument.scored_items], dtype=float)
    return np.asarray(values @ weights, dtype=float)


def _sum_of_products(instrument: Instrument, values: Array, index: pd.Index) -> Array:
    """``sum_r h_r d_r``: hand units times residual depigmentation, over regions (Hamzavi 2004)."""
    hand_units, depigmentation = values[:, 0::2], values[:, 1::2]
    covered = hand_units.sum(axis=1)
    over = covered > instrument.maximum * (1 + 1e-12)
    if over.any():
        first = int(np.flatnonzero(over)[0])
        raise ScoringError(
            f"the regions of {instrument.name} cover more than the whole",
            expected=f"at most {instrument.maximum:g} hand units over all regions",
            got=f"{covered[first]:g} hand units",
            where=f"row {index[first]}, columns " + ", ".join(i.name for i in instrument.scored_items[0::2]),
            hint="one hand unit is the patient's palm with fingers, about 1 % of the body surface",
        )
    return np.asarray((hand_units * depigmentation).sum(axis=1), dtype=float)


def _percent_reduction(instrument: Instrument, values: Array, index: pd.Index) -> Array:
    """``100 (a_0 − a) / a_0``; negative where the lesion grew."""
    baseline, now = values[:, 0], values[:, 1]
    if (baseline == 0).any():
        first = int(np.flatnonzero(baseline == 0)[0])
        column = instrument.scored_items[0].name
        raise ScoringError(
            "a percent reduction from nothing is not defined",
            expected="more than 0",
            got="0",
            where=f"row {index[first]}, column {column}",
            hint="a lesion without area before treatment cannot repigment: leave the row out, and count it",
        )
    # No area is negative, so 100 is the mathematical bound: only rounding can pass it (at a = 0), and is cut off.
    return np.asarray(np.minimum(100.0 * (baseline - now) / baseline, 100.0), dtype=float)


def _absolute_difference(instrument: Instrument, values: Array, index: pd.Index) -> Array:
    """``|x_lesion − x_perilesional|``."""
    return np.asarray(np.abs(values[:, 0] - values[:, 1]), dtype=float)


def _dlqi_relevant(instrument: Instrument, values: Array, index: pd.Index) -> Array:
    """``10 sum_j x_j / (10 − n)``, with n answers “not relevant”, each of which is one of the zeros."""
    answers, not_relevant = values[:, :-1], values[:, -1]
    zeros = (answers == 0).sum(axis=1)
    if (zeros < not_relevant).any():
        first = int(np.flatnonzero(zeros < not_relevant)[0])
        raise ScoringError(
            "more answers are called “not relevant” than there are zeros",
            expected=f"at most {zeros[first]:.0f}, since a “not relevant” answer counts 0",
            got=f"{not_relevant[first]:.0f}",
            where=f"row {index[first]}, column not_relevant",
        )
    questions = answers.shape[1]
    return np.asarray(answers.sum(axis=1) * questions / (questions - not_relevant), dtype=float)


_COMBINATIONS: Mapping[str, Callable[[Instrument, Array, pd.Index], Array]] = {
    "sum": _weighted_sum,
    "sum-of-products": _sum_of_products,
    "percent-reduction": _percent_reduction,
    "absolute-difference": _absolute_difference,
    "dlqi-r": _dlqi_relevant,
}


# Missing items


def _fill_as_published(instrument: Instrument, values: Array) -> Array:
    """Missing items after the instrument's own rule; rows that the rule does not score keep theirs."""
    rule = instrument.missing_rule
    absent = np.isnan(values)
    count = absent.sum(axis=1)
    if rule.name == "dlqi":
        return np.where(absent & (count == 1)[:, None], 0.0, values)
    if rule.name == "half-mean":
        answered = values.shape[1] - count
        means = np.divide(
            np.nansum(values, axis=1), answered, out=np.full(len(values), np.nan), where=answered > 0
        )
        enough = answered >= values.shape[1] / 2
        return np.where(absent & enough[:, None], means[:, None], values)
    raise ScoringError(
        f"no rule for missing items is published for {instrument.name}",
        expected="missing='strict'",
        got="missing='published'",
        hint="a total with a missing item is then missing; impute in the analysis, where it is seen",
    )


# Checks


def _frame(items: Items) -> pd.DataFrame:
    if isinstance(items, pd.DataFrame):
        return items
    scalar = all(np.ndim(value) == 0 for value in items.values())
    return pd.DataFrame({name: [value] for name, value in items.items()} if scalar else dict(items))


def _numbers(column: pd.Series) -> Array:
    """The column as floats; NaN where it is missing or no number."""
    return np.asarray(
        pd.to_numeric(column, errors="coerce").to_numpy(dtype=float, na_value=np.nan), dtype=float
    )


def _plain(value: Any) -> Any:
    """A NumPy scalar as Python's, so that messages show ``11.0`` and not ``np.float64(11.0)``."""
    return value.item() if isinstance(value, np.generic) else value


def _percent_hint(item: Item, value: float) -> str:
    if item.values is not None and item.maximum == 1 and 1 < value <= 100:
        return "a percentage? give it as a fraction"
    return ""


def _check_columns(instrument: Instrument, frame: pd.DataFrame, *, complete: bool = True) -> None:
    known = [item.name for item in instrument.items]
    repeated = list(frame.columns[frame.columns.duplicated()])
    if repeated:
        raise ScoringError(
            f"items of {instrument.name} stand in more than one column",
            expected="one column an item",
            got=", ".join(map(str, repeated)),
        )
    unknown = [str(column) for column in frame.columns if column not in known]
    absent = (
        [item.name for item in instrument.scored_items if item.name not in frame.columns] if complete else []
    )
    if not unknown and not absent:
        return
    hints = [
        _nearest_item(column, [name for name in known if name not in frame.columns]) for column in unknown
    ]
    others = _fitting(frame, besides=instrument)
    if others:
        hints.append("these look like items of " + " or ".join(others))
    sentences = []
    if unknown:
        sentences.append("does not know " + ", ".join(repr(column) for column in unknown))
    if absent:
        sentences.append("misses " + ", ".join(repr(column) for column in absent))
    raise ScoringError(
        f"{instrument.name} {' and '.join(sentences)}",
        expected="the columns " + ", ".join(known),
        got=", ".join(map(str, frame.columns)) or "no columns",
        hint="; ".join(hint for hint in hints if hint)
        or "an item nobody rated is a column of missing values",
    )


def _nearest_item(column: str, candidates: list[str]) -> str:
    near = difflib.get_close_matches(column.lower(), candidates, n=1, cutoff=0.5)
    return f"{column!r} is nearest to {near[0]!r}" if near else ""


def _fitting(frame: pd.DataFrame, *, besides: Instrument) -> list[str]:
    """Other instruments that know every column, miss none of their own and allow every value."""
    columns = set(frame.columns)
    return [
        other.name
        for other in INSTRUMENTS.values()
        if other.name != besides.name
        and len(other.scored_items) > 1
        and {item.name for item in other.scored_items} <= columns <= {item.name for item in other.items}
        and not item_problems(other, frame)
    ]


def _bad_items(
    instrument: Instrument, frame: pd.DataFrame, problems: tuple[ItemProblem, ...]
) -> ScoringError:
    first = problems[0]
    others = _fitting(frame, besides=instrument)
    lines = "; ".join(str(problem) for problem in problems[:_SHOWN])
    if len(problems) > _SHOWN:
        lines += f"; and {len(problems) - _SHOWN} more"
    count = "1 value" if len(problems) == 1 else f"{len(problems)} values"
    return ScoringError(
        f"{count} not allowed in {instrument.name}: {lines}",
        expected=f"{first.column}: {first.expected}",
        got=repr(first.value),
        where=f"row {first.row}, column {first.column}",
        hint="these look like items of " + " or ".join(others) if others else first.hint or None,
    )


def _check_totals(instrument: Instrument, totals: Array, index: pd.Index) -> None:
    slack = 1e-9  # rounding of a sum of at most a dozen products, far below any instrument's grid
    outside = (totals < instrument.minimum - slack) | (totals > instrument.maximum + slack)
    if outside.any():
        first = int(np.flatnonzero(outside)[0])
        raise ScoringError(
            f"a total of {instrument.name} lies outside its range",
            expected=describe_range(instrument.minimum, instrument.maximum),
            got=f"{totals[first]:g}",
            where=f"row {index[first]}",
        )
