"""From random numbers to the recorded outcomes of a trial, as arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from synthetic_data import measurement as measure
from synthetic_data import mechanism
from synthetic_data.draws import Draws
from synthetic_data.plan import Plan, look_up, platelet_fold
from synthetic_data.scenario_tables import Planimetry, Posas, Vasi

__all__ = ["Recorded", "record", "sessions_done", "true_improvement"]

Array: TypeAlias = NDArray[np.float64]
Indices: TypeAlias = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Recorded:
    """Outcomes as recorded, had everybody been assessed at every visit.

    n patients; u units a patient that have an outcome (lesions, sides; 1 for the VASI); V visits after
    treatment.

    Attributes
    ----------
    arm : array of int, shape (n, u)
        Index of the unit's arm.
    site : array of int, shape (n, u), or None
        Index of its body site, where the scenario has sites.
    fold : array, shape (n,)
        Platelets over whole blood in the patient's PRP.
    sessions : array of int, shape (n,)
        Sessions done.
    baseline : array, shape (n, u), or None
        Outcome before treatment; None where it is 0 by definition.
    value : array, shape (n, u, V)
        Outcome: percent repigmentation, VASI or POSAS total.
    baseline_area, area : array, shape (n, u) and (n, u, V), or None
        Measured areas, cm2 (planimetry).
    items : array, shape (n, u, 1 + V, 6), or None
        Scar items, the baseline first (POSAS).
    hand_units, depigmentation : array, shape (n, regions) and (n, regions, 1 + V), or None
        Area and residual depigmentation of the regions, the baseline first (VASI).
    """

    arm: Indices
    site: Indices | None
    fold: Array
    sessions: NDArray[np.int64]
    baseline: Array | None
    value: Array
    baseline_area: Array | None = None
    area: Array | None = None
    items: Array | None = None
    hand_units: Array | None = None
    depigmentation: Array | None = None

    @property
    def benefit(self) -> Array:
        """Improvement of the patient as recorded, %, the mean over units; shape (n, V)."""
        if self.baseline is None:
            return np.asarray(self.value.mean(axis=1))
        normal = 0.0 if self.items is None else float(self.items.shape[-1])
        excess = np.maximum(self.baseline - normal, 1e-9)[..., None]
        return np.asarray((100.0 * (self.baseline[..., None] - self.value) / excess).mean(axis=1))


def true_improvement(plan: Plan, draws: Draws, arm: Indices, site: Indices | None) -> Array:
    """Return the true improvement of each lesion, percentage points, shape (n, m, V).

    Parameters
    ----------
    plan : Plan
        Of the scenario.
    draws : Draws
        Deviates of the patients.
    arm : array of int, shape (n, m)
        Arm of each lesion.
    site : array of int, shape (n, m), or None
        Its site; None where there is one, or where lesions are the regions of the VASI.
    """
    scenario = plan.scenario
    fold = platelet_fold(draws.fold_u, scenario.prp)[:, None]
    weight = plan.site_weights if site is None else plan.site_weights[site]
    own = plan.own_effect(arm, fold) * plan.session_share[sessions_done(plan, draws)][:, None] * weight
    effect = mechanism.spill_over(own, plan.spill_over) if plan.spill_over else own
    expected = plan.growth * (scenario.response.natural_course + effect[..., None])
    correlation = scenario.correlation
    z = mechanism.visit_deviations(
        draws.patient_z,
        draws.response_z,
        draws.visit_z,
        (correlation.patient, correlation.lesion, correlation.visit),
        plan.decay,
    )
    visit = np.arange(plan.visits)
    response = look_up(plan.quantiles, z, (arm[..., None], visit))
    limits = scenario.response
    return mechanism.scale_response(response, expected, plan.mean[arm], limits.lowest, limits.highest)


def sessions_done(plan: Plan, draws: Draws) -> NDArray[np.int64]:
    """Return the sessions done, shape (n,): the first always, each other unless missed."""
    later = draws.session_u[:, 1:] >= plan.scenario.sessions.missed_rate
    return np.asarray(1 + later.sum(axis=1), dtype=np.int64)


def record(plan: Plan, draws: Draws, arm: Indices) -> Recorded:
    """Return the recorded outcomes of patients whose lesions get these arms.

    Parameters
    ----------
    plan : Plan
        Of the scenario.
    draws : Draws
        Deviates of n patients.
    arm : array of int, shape (n, u)
        Arm of each lesion; in parallel designs of each patient, u = 1.
    """
    scenario = plan.scenario
    site = None
    if scenario.sites:
        site = np.searchsorted(plan.site_limits, draws.lesion_u[..., 0], side="right")
        site = np.minimum(site, plan.site_limits.size - 1)  # the last limit is 1 but for rounding
    per_lesion = np.broadcast_to(arm, (arm.shape[0], plan.lesions))
    improvement = true_improvement(plan, draws, per_lesion, site)
    residual = 1.0 - improvement / 100.0
    fold = platelet_fold(draws.fold_u, scenario.prp)
    done = sessions_done(plan, draws)
    instrument = scenario.measurement
    if isinstance(instrument, Planimetry):
        before, area, value = _planimetry(instrument, draws, residual)
        return Recorded(arm, site, fold, done, None, value, baseline_area=before, area=area)
    if isinstance(instrument, Vasi):
        units, rated = _vasi(instrument, draws, residual)
        total = measure.vasi(units[:, None, :], np.moveaxis(rated, 1, -1))[:, None, :]
        baseline, value = total[..., 0], total[..., 1:]
        return Recorded(arm, None, fold, done, baseline, value, hand_units=units, depigmentation=rated)
    items = _posas(plan, instrument, draws, residual)
    total = measure.posas_total(items)
    return Recorded(arm, site, fold, done, total[..., 0], total[..., 1:], items=items)


def _planimetry(instrument: Planimetry, draws: Draws, residual: Array) -> tuple[Array, Array, Array]:
    """Return the measured area before, at each visit, and percent repigmentation.

    The log area is half the patient's and half the lesion's (A).
    """
    deviate = (draws.size_z[:, :1] + draws.size_z[:, 1:]) / np.sqrt(2.0)
    true_area = instrument.area_cm2 * np.exp(instrument.area_log_sd * deviate)
    step, relative = instrument.area_grid_cm2, instrument.relative_error
    before = measure.measured_area(true_area, relative, draws.error_z[..., 0], step)
    before = np.maximum(before, step)  # a target lesion has an area
    area = measure.measured_area(true_area[..., None] * residual, relative, draws.error_z[..., 1:], step)
    value = measure.percent_repigmentation(before[..., None], area, instrument.value_grid_percent)
    return before, area, value


def _vasi(instrument: Vasi, draws: Draws, residual: Array) -> tuple[Array, Array]:
    """Return hand units (n, regions), and depigmentation before and at each visit (n, regions, 1 + V)."""
    mean_units = np.array([region.hand_units for region in instrument.regions])
    scale = np.exp(instrument.extent_log_sd * draws.size_z[:, :1] - 0.5 * instrument.extent_log_sd**2)
    units = np.floor(mean_units * scale + draws.lesion_u[..., 1])  # whole hand units, unbiased
    largest = int(np.argmax(mean_units))
    units[:, largest] = np.where(units.sum(axis=1) == 0, 1.0, units[:, largest])
    start = 1.0 - (1.0 - instrument.least_depigmentation) * draws.lesion_u[..., 2] ** 2
    over_time = np.concatenate([start[..., None], np.clip(start[..., None] * residual, 0.0, 1.0)], axis=-1)
    return units, measure.depigmentation_class(over_time + instrument.rating_error * draws.error_z)


def _posas(plan: Plan, instrument: Posas, draws: Draws, residual: Array) -> Array:
    """Return the items before and at each visit, shape (n, m, 1 + V, 6)."""
    shared = instrument.side_correlation
    deviate = np.sqrt(shared) * draws.size_z[:, :1] + np.sqrt(1.0 - shared) * draws.size_z[:, 1:]
    severity = look_up(plan.severity, deviate)[..., None]
    excess = np.concatenate([severity, severity * residual], axis=-1)
    return measure.posas_items(
        excess,
        np.array(instrument.loadings),
        instrument.item_sd * draws.item_z[:, :, None, :],
        instrument.rating_error * draws.error_z,
    )
