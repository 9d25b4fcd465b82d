"""Adverse events: who has them, when they start and how long they last, as arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from synthetic_data.scenario import Scenario
from synthetic_data.scenario_tables import Days

__all__ = ["Events", "adverse_events", "erythema_days", "hyperpigmentation_rate"]

Array: TypeAlias = NDArray[np.float64]
Indices: TypeAlias = NDArray[np.intp]

ERYTHEMA = "Erythema"
HYPERPIGMENTATION = "Postinflammatory hyperpigmentation"
KOEBNER = "Koebner phenomenon"
VASOVAGAL = "Vasovagal reaction"
_SEEN_WEEKS: Final = 4.0


@dataclass(frozen=True, slots=True)
class Events:
    """Adverse events, a row each, ordered by patient and lesion.

    Attributes
    ----------
    patient, unit : array of int
        Index of the patient, and of the lesion; -1 where the event belongs to the patient.
    term, severity, related : array of str
        What, how bad (mild, moderate), and to which component it is related.
    start_week, end_week : array
        Weeks; the end is NaN where it lies beyond the last time the patient was seen.
    """

    patient: Indices
    unit: Indices
    term: NDArray[np.str_]
    severity: NDArray[np.str_]
    related: NDArray[np.str_]
    start_week: Array
    end_week: Array


@dataclass(frozen=True, slots=True)
class _Block:
    """Candidates of one term: each array is (n, u), true where the event happened."""

    happened: NDArray[np.bool_]
    term: str
    severity: NDArray[np.str_]
    related: NDArray[np.str_]
    start: Array
    weeks: Array


def erythema_days(deviate: Array, days: Days) -> NDArray[np.int64]:
    """Return whole days of erythema, at least 1: log-normal with the mean and standard deviation given."""
    log_variance = np.log1p((days.sd / days.mean) ** 2)
    value = np.exp(np.log(days.mean) - log_variance / 2.0 + np.sqrt(log_variance) * deviate)
    return np.asarray(np.maximum(np.floor(value + 0.5), 1.0), dtype=np.int64)


def hyperpigmentation_rate(rate: Array, multiplier: Array) -> Array:
    """Return the probability of hyperpigmentation: a lesion's rate times its patient's multiplier, below 1.

    Parameters
    ----------
    rate : array, shape (n, u)
        By what the lesion gets.
    multiplier : array, shape (n,)
        By the patient's skin phototype.
    """
    return np.asarray(np.minimum(rate * multiplier[:, None], 0.95))


def adverse_events(
    scenario: Scenario,
    arm: Indices,
    phototype: Indices,
    last_week: Array,
    rng: np.random.Generator,
) -> Events:
    """Draw the adverse events of patients.

    Parameters
    ----------
    scenario : Scenario
        Rates and durations.
    arm : array of int, shape (n, u)
        Arm of each lesion (u = 1 in parallel designs, where events belong to the patient).
    phototype : array of int, shape (n,)
        Index of the skin phototype.
    last_week : array, shape (n,)
        When the patient was last assessed after treatment; everybody is seen for four weeks at the sessions (A).
        What starts later is never reported, what ends later has no end.
    rng : numpy.random.Generator
        Stream of the role "safety".
    """
    n, u = arm.shape
    uniform, normal = rng.spawn(2)
    last_week = np.maximum(last_week, _SEEN_WEEKS)
    chance = uniform.random((n, 1 + u, 6))
    deviate = normal.standard_normal((n, 1 + u))
    gives_laser, gives_prp = (
        np.array([name in spec.components for spec in scenario.arms])[arm] for name in ("laser", "prp")
    )
    blocks = [
        _erythema(scenario, gives_laser, gives_prp, deviate),
        _hyperpigmentation(scenario, gives_laser, gives_prp, phototype, chance[:, 1:]),
    ]
    if scenario.condition == "vitiligo":
        blocks.append(_koebner(scenario, gives_laser, gives_prp, chance[:, 1:]))
    per_unit = [_flat(block, last_week) for block in blocks]
    per_unit.append(_vasovagal(scenario, gives_prp, chance[:, 0], last_week))
    return _sorted(per_unit, parallel=not scenario.is_within_patient)


def _related(gives_laser: NDArray[np.bool_], gives_prp: NDArray[np.bool_]) -> NDArray[np.str_]:
    both = np.where(gives_laser & gives_prp, "laser or PRP", "laser")
    return np.where(gives_laser, both, np.where(gives_prp, "PRP", ""))


def _erythema(
    scenario: Scenario, gives_laser: NDArray[np.bool_], gives_prp: NDArray[np.bool_], deviate: Array
) -> _Block:
    """After the first session, in every treated lesion; days correlate between a patient's lesions."""
    safety = scenario.safety
    shared = safety.erythema_correlation
    z = np.sqrt(shared) * deviate[:, :1] + np.sqrt(1.0 - shared) * deviate[:, 1:]
    days = np.where(
        gives_laser,
        np.where(gives_prp, erythema_days(z, safety.erythema_both), erythema_days(z, safety.erythema_laser)),
        erythema_days(z, safety.erythema_prp),
    )
    severity = np.where(days <= 10, "mild", "moderate")
    return _Block(
        gives_laser | gives_prp,
        ERYTHEMA,
        severity,
        _related(gives_laser, gives_prp),
        np.zeros(days.shape),
        days / 7.0,
    )


def _hyperpigmentation(
    scenario: Scenario,
    gives_laser: NDArray[np.bool_],
    gives_prp: NDArray[np.bool_],
    phototype: Indices,
    chance: Array,
) -> _Block:
    """Starts 2 to 8 weeks after the first session and lasts 6 to 24 weeks (A)."""
    safety = scenario.safety
    rate = np.where(gives_laser, safety.pih_laser, np.where(gives_prp, safety.pih_prp, 0.0))
    multiplier = np.array([kind.pih_multiplier for kind in scenario.people.phototypes])
    return _Block(
        chance[..., 0] < hyperpigmentation_rate(rate, multiplier[phototype]),
        HYPERPIGMENTATION,
        np.where(chance[..., 1] < 0.7, "mild", "moderate"),
        _related(gives_laser, gives_prp),
        2.0 + 6.0 * chance[..., 2],
        np.round(6.0 + 18.0 * chance[..., 3], 1),
    )


def _koebner(
    scenario: Scenario, gives_laser: NDArray[np.bool_], gives_prp: NDArray[np.bool_], chance: Array
) -> _Block:
    """Starts 4 to 16 weeks after the first session and is still there at the end (A)."""
    safety = scenario.safety
    rate = np.where(gives_laser, safety.koebner_laser, np.where(gives_prp, safety.koebner_prp, 0.0))
    return _Block(
        chance[..., 4] < rate,
        KOEBNER,
        np.full(rate.shape, "moderate"),
        _related(gives_laser, gives_prp),
        4.0 + 12.0 * chance[..., 5],
        np.full(rate.shape, np.inf),
    )


def _vasovagal(scenario: Scenario, gives_prp: NDArray[np.bool_], chance: Array, last_week: Array) -> Events:
    happened = (chance[:, 0] < scenario.safety.vasovagal) & gives_prp.any(axis=1)
    session = np.floor(chance[:, 1] * scenario.sessions.planned)
    start = session * scenario.sessions.interval_weeks
    patient = np.flatnonzero(happened & (start <= last_week))
    return Events(
        patient,
        np.full(patient.size, -1),
        np.full(patient.size, VASOVAGAL),
        np.full(patient.size, "mild"),
        np.full(patient.size, "PRP"),
        start[patient],
        start[patient],
    )


def _flat(block: _Block, last_week: Array) -> Events:
    start = np.round(block.start, 1)
    patient, unit = np.nonzero(block.happened & (start <= last_week[:, None]))
    end = np.round(start + block.weeks, 4)[patient, unit]  # four decimals keep whole days
    return Events(
        patient,
        unit,
        np.full(patient.size, block.term),
        block.severity[patient, unit],
        block.related[patient, unit],
        start[patient, unit],
        np.where(end > last_week[patient], np.nan, end),
    )


def _sorted(parts: list[Events], parallel: bool) -> Events:
    patient, unit = (np.concatenate([getattr(part, name) for part in parts]) for name in ("patient", "unit"))
    order = np.lexsort((np.arange(patient.size), unit, patient))
    if parallel:
        unit = np.full(unit.size, -1)
    rest = (
        np.concatenate([getattr(part, name) for part in parts])[order]
        for name in ("term", "severity", "related", "start_week", "end_week")
    )
    return Events(patient[order], unit[order], *rest)
