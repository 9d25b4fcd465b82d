"""From what was measured to what is analysed: change, percent change, responders, grades by cutpoints."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from outcomes.endpoint import EndpointFacts, default_derivation, find_instrument
from outcomes.protocol_tables import Endpoint, Threshold

__all__ = ["Derived", "as_recorded_value", "derive_values", "grade_by_cutpoints", "meets"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Derived:
    """Values derived along an endpoint's chain.

    Attributes
    ----------
    values : ndarray of float, shape (n,)
        The derived values; grades as their codes, responders as 0 and 1. NaN where missing or undefined.
    undefined : ndarray of bool, shape (n,)
        Where something was measured, and yet the derived value does not exist: a percentage of a baseline that
        is 0, or a change where no baseline was measured.
    """

    values: Floats
    undefined: npt.NDArray[np.bool_]


def derive_values(facts: EndpointFacts, measured: Floats, baseline: Floats) -> Derived:
    """Apply every derivation of an endpoint's chain, in its order.

    Parameters
    ----------
    facts : EndpointFacts
        The endpoint.
    measured, baseline : ndarray of float, shape (n,)
        What stands in the data, and the same before treatment, in the measured unit.

    Notes
    -----
    With y the measured value and b its baseline: change is y − b; percent change 100 (y − b) / b; percent
    repigmentation 100 (b − y) / b, negative where the lesion grew and never clipped. Percentages of b = 0 are
    undefined: no value is made up for them, and they are counted (`Derived.undefined`).
    """
    values = measured
    for step in facts.chain:
        values = _step(step, values, baseline)
    return Derived(values, ~np.isnan(measured) & np.isnan(values))


def _step(step: Endpoint, values: Floats, baseline: Floats) -> Floats:
    derive = default_derivation(step, find_instrument(step.instrument))
    if derive == "change":
        return values - baseline
    if derive in ("percent-change", "percent-repigmentation"):
        usable = np.where(baseline == 0, np.nan, baseline)
        sign = 1.0 if derive == "percent-change" else -1.0
        # 0 * -1 would be a negative zero, which prints as "-0"
        return 100.0 * (sign * (values - baseline)) / usable + 0.0
    if derive == "responder" and step.threshold is not None:
        return meets(step.threshold, values)
    if derive == "grade" and step.cutpoints is not None:
        return grade_by_cutpoints(step.cutpoints, values)
    return values


def meets(threshold: Threshold, values: Floats) -> Floats:
    """Return 1.0 where a value meets the threshold, 0.0 where not, NaN where the value is missing."""
    compare = {
        "above": np.greater,
        "at_least": np.greater_equal,
        "below": np.less,
        "at_most": np.less_equal,
    }[threshold.op]
    return np.where(np.isnan(values), np.nan, compare(values, threshold.value).astype(float))


def grade_by_cutpoints(cutpoints: tuple[float, ...], values: Floats) -> Floats:
    """Return grades 0 to k: 0 is at most c0; 1 is (c0, c1]; ...; k is above the last cutpoint."""
    # side="left" counts the cutpoints strictly below a value, so that a value on a cutpoint stays below it
    grades = np.searchsorted(np.asarray(cutpoints), values, side="left").astype(float)
    return np.where(np.isnan(values), np.nan, grades)


def as_recorded_value(facts: EndpointFacts, values: Floats) -> pd.Series:
    """Return the column `value` of an endpoint: an ordered Categorical for grades, else numbers."""
    if facts.scale != "ordinal" or facts.grades is None:
        return pd.Series(values)
    first = 0.0 if facts.minimum is None else facts.minimum
    codes = np.where(np.isnan(values), -1.0, values - first).astype(np.int64)
    return pd.Series(pd.Categorical.from_codes(codes, categories=list(facts.grades), ordered=True))
