"""Which columns of the assessments hold outcomes, and what each may hold."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import pandas as pd

from outcomes.endpoint import EndpointFacts
from outcomes.instruments import score
from outcomes.protocol import Protocol

__all__ = ["MeasuredColumn", "describe_range", "measured_columns", "root_endpoints", "score_items"]


@dataclass(frozen=True, slots=True)
class MeasuredColumn:
    """A column of outcomes (or, in long data, a value of the parameter column).

    Attributes
    ----------
    name : str
        As the protocol names it.
    level : {"patient", "lesion"}
        Whose outcome it is.
    minimum, maximum : float or None
        Allowed range.
    expected : str
        The same in words, for defects.
    labels : tuple of str
        Grades that may stand instead of numbers.
    first_code : float
        The number of the first label.
    allows : callable or None
        The grid, where it is strict.
    baseline : {"measured", "definition", "none"}
        Whether a value before treatment must be there, is `by_definition`, or does not exist.
    by_definition : float or None
        That value.
    baseline_column : str or None
        A column that repeats the baseline.
    """

    name: str
    level: Literal["patient", "lesion"]
    minimum: float | None
    maximum: float | None
    expected: str
    labels: tuple[str, ...] = ()
    first_code: float = 0.0
    allows: Callable[[float], bool] | None = None
    baseline: Literal["measured", "definition", "none"] = "none"
    by_definition: float | None = None
    baseline_column: str | None = None


def root_endpoints(protocol: Protocol) -> tuple[EndpointFacts, ...]:
    """Return the endpoints that read the data, resolved."""
    return tuple(
        protocol.endpoint(endpoint.name) for endpoint in protocol.endpoints if endpoint.from_ is None
    )


def measured_columns(protocol: Protocol) -> tuple[MeasuredColumn, ...]:
    """Return each column of outcomes once, with the narrowest range that its endpoints allow."""
    found: dict[str, MeasuredColumn] = {}
    for facts in root_endpoints(protocol):
        for column in _of_items(facts) if facts.measured.items else (_of_column(facts),):
            known = found.get(column.name)
            found[column.name] = column if known is None else _narrowed(known, column)
    return tuple(found.values())


def score_items(facts: EndpointFacts, frame: pd.DataFrame, suffix: str = "") -> pd.Series:
    """Return the totals of an endpoint that is recorded as items.

    Parameters
    ----------
    facts : EndpointFacts
        With items.
    frame : DataFrame
        With the items' columns as the protocol names them, `suffix` added.
    suffix : str
        Of columns that repeat each item's baseline.

    Raises
    ------
    ScoringError
        Where the instrument refuses an item or a total.
    """
    root = facts.chain[0]
    assert root.instrument is not None
    pairs = zip(facts.measured.items, facts.measured.columns, strict=True)
    items = pd.DataFrame({item: frame[column + suffix] for item, column in pairs}, index=frame.index)
    return score(root.instrument, items, missing=root.missing_items)


def _baseline(facts: EndpointFacts) -> Literal["measured", "definition", "none"]:
    if facts.has_baseline:
        return "measured"
    return "none" if facts.baseline_by_definition is None else "definition"


def _of_column(facts: EndpointFacts) -> MeasuredColumn:
    measured, root = facts.measured, facts.chain[0]
    grades = measured.grades or ()
    first = measured.minimum if grades and measured.minimum is not None else 0.0
    expected = describe_range(measured.minimum, measured.maximum, measured.unit)
    if root.instrument is not None:
        expected += f" ({root.instrument})"
    if grades:
        expected += " or one of " + ", ".join(map(repr, grades))
    return MeasuredColumn(
        name=measured.columns[0],
        level=facts.level,
        minimum=measured.minimum,
        maximum=measured.maximum,
        expected=expected,
        labels=grades,
        first_code=first,
        allows=_is_whole if grades else None,
        baseline=_baseline(facts),
        by_definition=facts.baseline_by_definition,
        baseline_column=root.baseline_column,
    )


def _of_items(facts: EndpointFacts) -> tuple[MeasuredColumn, ...]:
    assert facts.instrument is not None
    own = facts.instrument
    return tuple(
        MeasuredColumn(
            name=column,
            level=facts.level,
            minimum=_finite(own.item(name).minimum),
            maximum=_finite(own.item(name).maximum),
            expected=f"{own.item(name).expected()} ({own.name}, {name})",
            allows=own.item(name).allows,
            baseline=_baseline(facts),
        )
        for name, column in zip(facts.measured.items, facts.measured.columns, strict=True)
    )


def _narrowed(one: MeasuredColumn, other: MeasuredColumn) -> MeasuredColumn:
    lows = [bound for bound in (one.minimum, other.minimum) if bound is not None]
    highs = [bound for bound in (one.maximum, other.maximum) if bound is not None]
    minimum, maximum = max(lows, default=None), min(highs, default=None)
    expected = one.expected if (minimum, maximum) == (one.minimum, one.maximum) else other.expected
    baseline = one.baseline if one.baseline != "none" else other.baseline
    return replace(
        one,
        minimum=minimum,
        maximum=maximum,
        expected=expected,
        baseline=baseline,
        by_definition=one.by_definition if one.by_definition is not None else other.by_definition,
        baseline_column=one.baseline_column or other.baseline_column,
    )


def _finite(bound: float) -> float | None:
    return bound if math.isfinite(bound) else None


def _is_whole(value: float) -> bool:
    return value == math.floor(value)


def describe_range(minimum: float | None, maximum: float | None, unit: str) -> str:
    """Return e.g. "0 to 100 %", "at most 100 %", "a number"."""
    after = f" {unit}" if unit else ""
    if minimum is not None and maximum is not None:
        return f"{minimum:g} to {maximum:g}{after}"
    if maximum is not None:
        return f"at most {maximum:g}{after}"
    if minimum is not None:
        return f"at least {minimum:g}{after}"
    return f"a number{f' in {unit}' if unit else ''}"
