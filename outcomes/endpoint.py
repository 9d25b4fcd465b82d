"""What an endpoint is once its chain of derivations and its instrument are known."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from outcomes.protocol_tables import Endpoint

if TYPE_CHECKING:
    from outcomes.instruments import Instrument

__all__ = ["EndpointFacts", "Measured", "resolve_endpoint"]

Scale = Literal["continuous", "ordinal", "binary"]


@dataclass(frozen=True, slots=True)
class Measured:
    """What stands in the data, before anything is derived from it.

    Attributes
    ----------
    columns : tuple of str
        Columns of the assessments: one, or one an item.
    items : tuple of str
        The instrument's items, in the order of `columns`; empty where a single column is read.
    minimum, maximum : float or None
        Possible range of the column (of the total, where items are scored).
    unit : str
        "" where there is none.
    grades : tuple of str or None
        Labels that the column may hold instead of numbers: the instrument's grades in rising order.
    """

    columns: tuple[str, ...]
    items: tuple[str, ...]
    minimum: float | None
    maximum: float | None
    unit: str
    grades: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class EndpointFacts:
    """An endpoint, resolved.

    Attributes
    ----------
    name, label : str
        As in the protocol.
    level : {"patient", "lesion"}
        Whose outcome it is.
    unit : str
        Of the derived value; "" where it has none.
    minimum, maximum : float or None
        Range of the derived value; None where unbounded. Grades by cutpoints count from 0; an instrument's own
        grades keep its numbers.
    higher_is_better : bool
        Of the derived value. Meeting a responder's threshold is always the good outcome.
    scale : {"continuous", "ordinal", "binary"}
        Of the derived value.
    grades : tuple of str or None
        Of an ordinal value, in rising order.
    derive : str
        The last derivation.
    has_baseline : bool
        Whether a value was measured before treatment. False where it is a number by definition, as with
        percent repigmentation recorded as such.
    baseline_by_definition : float or None
        That number.
    instrument : Instrument or None
        Of this endpoint, else of the one that it is derived from where the value is still on its scale.
    chain : tuple of Endpoint
        From the endpoint that reads the data to this one.
    measured : Measured
        What the first of the chain reads.
    """

    name: str
    label: str
    level: Literal["patient", "lesion"]
    unit: str
    minimum: float | None
    maximum: float | None
    higher_is_better: bool
    scale: Scale
    grades: tuple[str, ...] | None
    derive: str
    has_baseline: bool
    baseline_by_definition: float | None
    instrument: Instrument | None
    chain: tuple[Endpoint, ...]
    measured: Measured

    def describe(self) -> str:
        """Say what it is, its range, unit and direction, how it is derived, whose it is."""
        if self.scale == "binary":
            return f"{self.label} (responder: {self._limit()}), by {self.level}."
        direction = "higher is better" if self.higher_is_better else "lower is better"
        if self.grades is not None:
            span = f"grades {self.grades[0]} to {self.grades[-1]}"
        else:
            span = _span(self.minimum, self.maximum, self.unit)
        return f"{self.label} ({span}, {direction}), {_DERIVED_TEXT[self.derive]}by {self.level}."

    def _limit(self) -> str:
        """Return the threshold in words, with the grade's label where it is applied to a recorded grade."""
        threshold, grades = self.chain[-1].threshold, self.measured.grades
        if threshold is None:
            return ""
        is_grade = grades is not None and not any(step.cutpoints for step in self.chain)
        position = threshold.value - (self.measured.minimum or 0.0)
        if is_grade and grades is not None and position in range(len(grades)):
            return f"{threshold.op.replace('_', ' ')} {grades[int(position)]}"
        return threshold.describe() + _after_number(self.chain_unit)

    @property
    def chain_unit(self) -> str:
        """Unit of what the last derivation was applied to; "" where there is none."""
        before = [step.derive for step in self.chain[:-1]]
        return "%" if {"percent-change", "percent-repigmentation"} & set(before) else self.measured.unit


_DERIVED_TEXT = {
    "value": "",
    "change": "change from baseline, ",
    "percent-change": "percent change from baseline, ",
    "percent-repigmentation": "100 × (baseline area − area) / baseline area, ",
    "grade": "",
    "responder": "",
}


def _after_number(unit: str) -> str:
    return f" {unit}" if unit else ""


def _span(minimum: float | None, maximum: float | None, unit: str) -> str:
    after = _after_number(unit)
    if minimum is not None and maximum is not None:
        return f"{minimum:g} to {maximum:g}{after}".replace("-", "−")
    if maximum is not None:
        return f"at most {maximum:g}{after}".replace("-", "−")
    if minimum is not None:
        return f"at least {minimum:g}{after}".replace("-", "−")
    return unit or "no fixed range"


@dataclass(frozen=True, slots=True)
class _Running:
    """The facts as they change along the chain of derivations."""

    minimum: float | None
    maximum: float | None
    unit: str
    higher_is_better: bool
    scale: Scale
    grades: tuple[str, ...] | None
    instrument: Instrument | None


def endpoint_chain(endpoints: Mapping[str, Endpoint], name: str) -> tuple[Endpoint, ...]:
    """Return the endpoints from the one that reads the data to `name`.

    Raises
    ------
    ValueError
        Where the chain turns in a circle or leads to an unknown endpoint.
    """
    chain: list[Endpoint] = []
    step: str | None = name
    while step is not None:
        if step not in endpoints:
            raise ValueError(f"from = {step!r} is no endpoint")
        if any(step == seen.name for seen in chain):
            raise ValueError(f"from = {step!r} turns in a circle")
        chain.append(endpoints[step])
        step = endpoints[step].from_
    return tuple(reversed(chain))


def default_derivation(endpoint: Endpoint, instrument: Instrument | None) -> str:
    """Return what `derive` means where it is not given."""
    if endpoint.derive is not None:
        return endpoint.derive
    if endpoint.cutpoints is not None:
        return "grade"
    if endpoint.threshold is not None:
        return "responder"
    return "grade" if instrument is not None and instrument.grades and not endpoint.items else "value"


def instrument_describes_result(endpoint: Endpoint) -> bool:
    """Whether the instrument speaks of the derived value rather than of the column that is read."""
    return endpoint.cutpoints is not None or endpoint.derive == "percent-repigmentation"


def find_instrument(name: str | None) -> Instrument | None:
    """Return the instrument, or None without a name; ScoringError where it is unknown."""
    if name is None:
        return None
    from outcomes.instruments import get_instrument

    return get_instrument(name)


def resolve_endpoint(
    endpoints: Mapping[str, Endpoint],
    name: str,
    *,
    lesions_have_arms: bool,
    has_lesions: bool,
    baseline_is_recorded: bool,
) -> EndpointFacts:
    """Resolve an endpoint along its chain.

    Parameters
    ----------
    endpoints : mapping of str to Endpoint
        All of the protocol's.
    name : str
        The one wanted.
    lesions_have_arms : bool
        Whether the design is within-patient.
    has_lesions : bool
        Whether the trial's data know lesions at all.
    baseline_is_recorded : bool
        Whether the protocol has a baseline visit, or its data a column of baselines.
    """
    chain = endpoint_chain(endpoints, name)
    root, last = chain[0], chain[-1]
    own = find_instrument(root.instrument)
    running, measured = _start(root, own)
    for step in chain:
        running = _derive(running, step, find_instrument(step.instrument))
    by_definition = _baseline_by_definition(root, own)
    return EndpointFacts(
        name=name,
        label=last.label or _title(last) or name,
        level=_level(chain, own, lesions_have_arms, has_lesions),
        unit=running.unit,
        minimum=running.minimum,
        maximum=running.maximum,
        higher_is_better=running.higher_is_better,
        scale=running.scale,
        grades=running.grades,
        derive=default_derivation(last, find_instrument(last.instrument)),
        has_baseline=by_definition is None
        and root.baseline != "none"
        and (baseline_is_recorded or root.baseline_column is not None),
        baseline_by_definition=by_definition,
        instrument=running.instrument,
        chain=chain,
        measured=measured,
    )


def _title(endpoint: Endpoint) -> str | None:
    instrument = find_instrument(endpoint.instrument)
    return None if instrument is None else instrument.title


def _start(root: Endpoint, own: Instrument | None) -> tuple[_Running, Measured]:
    scale = None if own is None or instrument_describes_result(root) else own
    minimum = root.minimum if root.minimum is not None else _bound(None if scale is None else scale.minimum)
    maximum = root.maximum if root.maximum is not None else _bound(None if scale is None else scale.maximum)
    if root.derive == "percent-repigmentation" and root.minimum is None:
        minimum = 0.0  # an area is never negative
    unit = root.unit or ("" if scale is None else (scale.unit or ""))
    better = scale.higher_is_better if scale is not None and root.direction is None else None
    higher_is_better = bool(better) if better is not None else root.direction == "higher is better"
    grades = None if scale is None or root.items or not scale.grades else tuple(scale.grades)
    items = () if root.items is None else tuple(root.items)
    running = _Running(minimum, maximum, unit, higher_is_better, "continuous", None, scale)
    return running, Measured(root.columns, items, minimum, maximum, unit, grades)


def _bound(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)


def _derive(now: _Running, step: Endpoint, instrument: Instrument | None) -> _Running:
    derive = default_derivation(step, instrument)
    if derive == "change":
        low = high = None
        if now.minimum is not None and now.maximum is not None:
            low, high = now.minimum - now.maximum, now.maximum - now.minimum
        return _Running(low, high, now.unit, now.higher_is_better, "continuous", None, now.instrument)
    if derive == "percent-change":
        low = -100.0 if now.minimum is not None and now.minimum >= 0 else None
        return _Running(low, None, "%", now.higher_is_better, "continuous", None, now.instrument)
    if derive == "percent-repigmentation":
        return _Running(None, 100.0, "%", True, "continuous", None, instrument)
    if derive == "responder":
        return _Running(0.0, 1.0, "", True, "binary", None, None)
    if derive == "grade":
        if step.cutpoints is not None:
            grades: tuple[str, ...] = tuple(f"G{k}" for k in range(len(step.cutpoints) + 1))
        else:
            grades = tuple(instrument.grades or ()) if instrument is not None else ()
        # A grade by cutpoints counts from 0; the instrument's own grades keep its numbers (1 to 4, −1 to 4).
        lowest = _bound(instrument.minimum) if step.cutpoints is None and instrument is not None else None
        low = 0.0 if lowest is None else lowest
        top = low + len(grades) - 1
        return _Running(low, top, "", now.higher_is_better, "ordinal", grades, instrument or now.instrument)
    return now


def _baseline_by_definition(root: Endpoint, own: Instrument | None) -> float | None:
    if isinstance(root.baseline, float | int):
        return float(root.baseline)
    if root.baseline is not None or own is None or instrument_describes_result(root):
        return None
    return own.baseline_by_definition


def _level(
    chain: tuple[Endpoint, ...], own: Instrument | None, lesions_have_arms: bool, has_lesions: bool
) -> Literal["patient", "lesion"]:
    stated = next((step.level for step in reversed(chain) if step.level is not None), None)
    if stated is not None:
        return stated
    if not has_lesions:
        return "patient"
    if own is not None and own.level in ("patient", "lesion"):
        return "patient" if own.level == "patient" else "lesion"
    return "lesion" if lesions_have_arms else "patient"
