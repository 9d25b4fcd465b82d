"""What one table of a scenario says of another, checked: shares, orders, arms, bounds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from synthetic_data.scenario_tables import REGIONS, Planimetry, Posas, Vasi

if TYPE_CHECKING:
    from synthetic_data.scenario import Scenario

__all__ = ["contradictions"]

_SUM = 1e-9  # shares are typed decimals: their sum is 1 but for rounding


def contradictions(scenario: Scenario) -> list[str]:
    """Return one sentence a contradiction, each naming its key; empty where there is none."""
    return [*_structure(scenario), *_numbers(scenario), *_instrument(scenario)]


def _structure(scenario: Scenario) -> Iterator[str]:
    if scenario.design not in ("parallel", "within-patient"):
        yield f"design: expected 'parallel' or 'within-patient', got {scenario.design!r}"
    if scenario.condition not in ("vitiligo", "scar"):
        yield f"condition: expected 'vitiligo' or 'scar', got {scenario.condition!r}"
    if scenario.patients < 2:
        yield f"patients: expected at least 2, got {scenario.patients}"
    elif scenario.design == "parallel" and scenario.patients < 2 * len(scenario.arms):
        yield f"patients: expected at least two an arm, got {scenario.patients} in {len(scenario.arms)} arms"
    labels = [arm.label for arm in scenario.arms]
    contents = [frozenset(arm.components) for arm in scenario.arms]
    if len(labels) < 2 or len(set(labels)) < len(labels):
        yield f"arms: expected at least two with different labels, got {labels}"
    if len(set(contents)) < len(contents):
        yield f"arms: two have the same components: {labels}"
    if not any(len(content) > 1 for content in contents):
        yield "arms: none is a combination of laser and prp"
    weeks = [visit.week for visit in scenario.visits]
    names = [visit.name for visit in scenario.visits]
    if sorted(set(weeks)) != weeks or len(set(names)) < len(names):
        yield f"visits: expected rising weeks and different names, got {list(zip(names, weeks, strict=True))}"
    if any(visit.baseline for visit in scenario.visits[1:]):
        yield "visits: only the first may be the baseline"
    if not scenario.follow_up:
        yield "visits: none after the baseline"
    elif scenario.follow_up[0].week <= scenario.course.onset_weeks:
        yield (
            f"course.onset_weeks: expected before the first visit after the baseline (week "
            f"{scenario.follow_up[0].week:g}), got {scenario.course.onset_weeks:g}"
        )


def _numbers(scenario: Scenario) -> Iterator[str]:
    correlation, prp, response = scenario.correlation, scenario.prp, scenario.response
    shares = {
        "correlation": [correlation.patient, correlation.lesion, correlation.visit],
        "people.phototypes": [phototype.share for phototype in scenario.people.phototypes],
    }
    if scenario.sites:
        shares["sites"] = [site.share for site in scenario.sites]
    for key, values in shares.items():
        if abs(sum(values) - 1.0) > _SUM:
            yield f"{key}: expected shares that sum to 1, got {sum(values):g}"
    if not prp.lowest_fold < prp.platelet_fold < prp.highest_fold:
        yield (
            f"prp: expected lowest_fold < platelet_fold < highest_fold, got "
            f"{prp.lowest_fold:g}, {prp.platelet_fold:g}, {prp.highest_fold:g}"
        )
    if not response.lowest < response.natural_course < response.highest <= 100:
        yield (
            f"response: expected lowest < natural_course < highest <= 100, got "
            f"{response.lowest:g}, {response.natural_course:g}, {response.highest:g}"
        )
    if response.lowest >= 0:
        yield f"response.lowest: expected below 0, where every response starts, got {response.lowest:g}"
    people = scenario.people
    if not people.lowest_age < people.age_mean < people.highest_age:
        yield "people: expected lowest_age < age_mean < highest_age"


def _instrument(scenario: Scenario) -> Iterator[str]:
    measurement = scenario.measurement
    name = measurement.instrument
    condition = "scar" if isinstance(measurement, Posas) else "vitiligo"
    if scenario.condition != condition:
        yield f"measurement: {name} measures {condition}, the condition is {scenario.condition!r}"
    if isinstance(measurement, Vasi):
        if scenario.is_within_patient:
            yield "measurement: the VASI belongs to the patient, so that it cannot tell the arms of a patient apart"
        if scenario.baseline is None:
            yield "visits: the VASI needs a baseline"
        names = tuple(region.name for region in measurement.regions)
        if names != REGIONS:
            yield f"measurement.regions: expected {', '.join(REGIONS)}, got {', '.join(names)}"
        if scenario.sites:
            yield "sites: the VASI has its regions, expected none"
    elif not scenario.is_within_patient:
        yield f"measurement: {name} is drawn for within-patient designs only, got {scenario.design!r}"
    if isinstance(measurement, Planimetry) and scenario.baseline is not None:
        yield "visits: percent repigmentation is 0 at the baseline by definition, expected no baseline visit"
    if isinstance(measurement, Posas):
        if scenario.baseline is None:
            yield "visits: POSAS needs a baseline"
        if not np.isclose(np.mean(measurement.loadings), 1.0):
            yield f"measurement.loadings: expected a mean of 1, got {np.mean(measurement.loadings):g}"
