"""One trial as arrays: allocation, patients, recorded outcomes, and who was assessed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from synthetic_data import dropout
from synthetic_data.draws import Streams, draw, spawn_streams
from synthetic_data.plan import Plan, make_plan
from synthetic_data.recorded import Recorded, record
from synthetic_data.scenario import Scenario

__all__ = ["Outcomes", "allocate", "draw_outcomes", "dropout_mechanism", "simulate_outcomes"]

Indices: TypeAlias = NDArray[np.intp]
_BLOCK: Final = 2
"""Patients an arm in a block of the randomisation of a parallel trial."""


@dataclass(frozen=True, slots=True, eq=False)
class Outcomes:
    """A trial before it becomes frames; n patients, u units a patient with an arm, V visits after treatment.

    Attributes
    ----------
    scenario : Scenario
        What it was drawn from.
    recorded : Recorded
        Arms and outcomes, as if everybody had been assessed.
    assessed : array of bool, shape (n, V)
        Who was.
    age : array of int, shape (n,)
        Years.
    female : array of bool, shape (n,)
        Sex.
    phototype : array of int, shape (n,)
        Index of the Fitzpatrick skin phototype.
    """

    scenario: Scenario
    recorded: Recorded
    assessed: NDArray[np.bool_]
    age: NDArray[np.int64]
    female: NDArray[np.bool_]
    phototype: Indices

    @property
    def patients(self) -> int:
        """Number of patients."""
        return int(self.assessed.shape[0])

    @property
    def last_week(self) -> NDArray[np.float64]:
        """When each patient was last seen after treatment; 0 where never. Shape (n,)."""
        weeks = np.array([visit.week for visit in self.scenario.follow_up])
        return np.asarray(np.where(self.assessed, weeks, 0.0).max(axis=1))


def simulate_outcomes(scenario: Scenario, rng: np.random.Generator) -> Outcomes:
    """Draw one trial as arrays: the quick way, without frames, validation or adverse events.

    Parameters
    ----------
    scenario : Scenario
        What to draw from.
    rng : numpy.random.Generator
        Streams are spawned from it, so that a second call with the same generator draws another trial.

    Returns
    -------
    Outcomes
        The same numbers as `synthetic_data.simulate_trial` has for ``default_rng(seed)``.
    """
    return draw_outcomes(make_plan(scenario), spawn_streams(rng))


def draw_outcomes(plan: Plan, streams: Streams) -> Outcomes:
    """Draw one trial as arrays from the streams of its roles."""
    scenario = plan.scenario
    n = scenario.patients
    arm = allocate(scenario, streams["allocation"])
    recorded = record(plan, draw(plan, n, streams), arm)
    leaving, missing = streams["dropout"].spawn(2)
    history = dropout.History(recorded.benefit, plan.expected_benefit, plan.benefit_spread)
    assessed = dropout_mechanism(scenario)(history, leaving)
    assessed = assessed & dropout.MissedVisits(scenario.dropout.missed_visit_rate)(history, missing)
    years, chance = streams["people"].spawn(2)
    people = scenario.people
    age = np.round(people.age_mean + people.age_sd * years.standard_normal(n))
    choice = chance.random((n, 2))
    limits = np.cumsum([kind.share for kind in people.phototypes])[:-1]
    return Outcomes(
        scenario=scenario,
        recorded=recorded,
        assessed=assessed,
        age=np.clip(age, people.lowest_age, people.highest_age).astype(np.int64),
        female=choice[:, 0] < people.female_share,
        phototype=np.searchsorted(limits, choice[:, 1], side="right"),
    )


def allocate(scenario: Scenario, rng: np.random.Generator) -> Indices:
    """Return the index of each unit's arm: (n, arms) within patients, (n, 1) in parallel designs.

    Within patients the arms lie in random order over the lesions. In parallel designs patients are randomised
    in blocks of two an arm.
    """
    n, arms = scenario.patients, len(scenario.arms)
    if scenario.is_within_patient:
        return np.argsort(rng.random((n, arms)), axis=1)
    block = _BLOCK * arms
    order = np.argsort(rng.random((-(-n // block), block)), axis=1)
    return (order.ravel()[:n] % arms)[:, None]


def dropout_mechanism(scenario: Scenario) -> dropout.Mechanism:
    """Return the mechanism by which patients leave."""
    rule = scenario.dropout
    if rule.mechanism == "MCAR":
        return dropout.MCAR(rule.rate)
    if rule.mechanism == "MAR":
        return dropout.MAR(rule.rate, rule.slope)
    return dropout.MNAR(rule.rate, rule.slope)
