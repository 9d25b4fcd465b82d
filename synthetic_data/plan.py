"""What all patients of a scenario share, computed once: means, spreads and tables of quantiles."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.special import comb, ndtr, ndtri

from synthetic_data import mechanism
from synthetic_data.measurement import planimetry_error_sd
from synthetic_data.scenario import Scenario
from synthetic_data.scenario_tables import LaserSettings, Planimetry, Posas, PrpSettings, Sessions, Vasi

__all__ = ["Plan", "look_up", "make_plan", "platelet_fold"]

Array: TypeAlias = NDArray[np.float64]

_REACH: Final = (
    6.0  # standard deviations; one deviate in a billion lies beyond and takes the value at the end
)
_STEP: Final = 0.01  # linear interpolation between such knots errs by less than 1e-3 percentage points
_Z: Final = np.linspace(-_REACH, _REACH, round(2 * _REACH / _STEP) + 1)
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(64)
_U: Final = (_NODES + 1.0) / 2.0
_U_WEIGHTS: Final = _WEIGHTS / 2.0


@dataclass(frozen=True, slots=True)
class Plan:
    """Constants of a scenario. K arms, V visits after treatment, m lesions (or regions) a patient.

    Attributes
    ----------
    scenario : Scenario
        What they were computed from.
    lesions : int
        m: lesions or sides of a patient, or regions of the VASI.
    gives_prp : array of bool, shape (K,)
        Whether an arm gets PRP.
    laser_part : array, shape (K,)
        What the laser adds to the effect of an arm, percentage points, redundancy accounted for.
    gain : array, shape (K,)
        Fold of the PRP dose through the barrier.
    growth, decay : array, shape (V,)
        Share of the response reached; autocorrelation with the visit before.
    session_share : array, shape (sessions + 1,)
        Multiplier of the effect by sessions done, with mean 1.
    site_weights, site_limits : array, shape (sites,)
        Multiplier of the effect, with mean 1, and cumulated shares; for the VASI, one a region.
    spill_over : float
        0 where a patient has one arm.
    mean : array, shape (K, V)
        Expected true improvement, percentage points.
    spread : array, shape (K, V)
        Standard deviation of the true improvement given the unit's expectation, percentage points.
    quantiles : array, shape (K, V, G)
        True improvement of an average unit at the knots of the standard normal deviate.
    severity : array, shape (G,)
        Of a scar before treatment, at the same knots; empty but for POSAS.
    expected_benefit, benefit_spread : array, shape (V,)
        Over all arms together: what dropout measures a patient's improvement by.
    """

    scenario: Scenario
    lesions: int
    gives_prp: NDArray[np.bool_]
    laser_part: Array
    gain: Array
    growth: Array
    decay: Array
    session_share: Array
    site_weights: Array
    site_limits: Array
    spill_over: float
    mean: Array
    spread: Array
    quantiles: Array
    severity: Array
    expected_benefit: Array
    benefit_spread: Array

    @property
    def visits(self) -> int:
        """Number of visits after treatment."""
        return int(self.growth.size)

    def own_effect(self, arm: NDArray[np.intp], fold: Array) -> Array:
        """Return the effect at all sessions and an average site, percentage points.

        Parameters
        ----------
        arm : array of int
            Indices of arms.
        fold : array, same shape or broadcast to it
            Platelets over whole blood.
        """
        response, prp = self.scenario.response, self.scenario.prp
        dose = mechanism.delivered_dose(fold, prp.volume_ml) * self.gain[arm]
        effect = mechanism.prp_effect(dose, response.prp, response.half_dose)
        return np.where(self.gives_prp[arm], effect, 0.0) + self.laser_part[arm]


def platelet_fold(u: Array, prp: PrpSettings) -> Array:
    """Return the platelet fold at uniform deviates: a normal distribution cut at its two limits."""
    low, high = (
        ndtr((x - prp.platelet_fold) / prp.platelet_fold_sd) for x in (prp.lowest_fold, prp.highest_fold)
    )
    return np.asarray(prp.platelet_fold + prp.platelet_fold_sd * ndtri(low + u * (high - low)))


def look_up(table: Array, z: Array, rows: tuple[NDArray[np.intp], ...] = ()) -> Array:
    """Return the values of a table of quantiles at standard normal deviates, linear between its knots.

    Parameters
    ----------
    table : array, shape (..., G)
        As in `Plan.quantiles`.
    z : array
        Deviates.
    rows : tuple of int arrays
        Index of the row of the table for each deviate; broadcast to the shape of `z`.
    """
    position = (np.clip(z, -_REACH, _REACH) + _REACH) / _STEP
    knot = np.minimum(position.astype(np.intp), _Z.size - 2)
    below = table[(*rows, knot)]
    return np.asarray(below + (position - knot) * (table[(*rows, knot + 1)] - below))


@lru_cache(maxsize=64)
def make_plan(scenario: Scenario) -> Plan:
    """Compute the constants of a scenario.

    Raises
    ------
    ScenarioError
        Where means and spreads do not fit together (see `synthetic_data.mechanism.conditional_spread` and
        `beta_quantiles`).
    """
    response, course = scenario.response, scenario.course
    weeks = np.array([visit.week for visit in scenario.follow_up])
    growth = mechanism.time_course(weeks, course.onset_weeks, course.time_constant_weeks, weeks[-1])
    decay = np.exp(-np.diff(weeks, prepend=weeks[0]) / scenario.correlation.decay_weeks)
    gives_prp, laser_part, gain = _therapies(scenario)
    weights, limits, site_variance = _sites(scenario)
    share, session_variance = _session_share(scenario.sessions)
    spill = response.spill_over if scenario.is_within_patient else 0.0
    effect, effect_sd = _effect_moments(
        scenario, gives_prp, laser_part, gain, site_variance, session_variance
    )
    average = response.natural_course + mechanism.spill_over(effect, spill)
    mean = growth * average[:, None]
    spread, quantiles = _distributions(scenario, mean, growth * effect_sd[:, None], growth)
    recorded_variance = _targets(scenario)[:, None] ** 2 * growth
    severity = np.empty(0)
    if isinstance(scenario.measurement, Posas):
        posas = scenario.measurement
        severity = mechanism.beta_quantiles(_Z, posas.severity, posas.severity_sd, 0.0, 9.0)
    return Plan(
        scenario=scenario,
        lesions=_lesions(scenario),
        gives_prp=gives_prp,
        laser_part=laser_part,
        gain=gain,
        growth=growth,
        decay=decay,
        session_share=share,
        site_weights=weights,
        site_limits=limits,
        spill_over=spill,
        mean=mean,
        spread=spread,
        quantiles=quantiles,
        severity=severity,
        expected_benefit=mean.mean(axis=0),
        benefit_spread=np.sqrt(_patient_variance(scenario, recorded_variance, mean)),
    )


def _therapies(scenario: Scenario) -> tuple[NDArray[np.bool_], Array, Array]:
    """Return whether each arm gets PRP, what the laser adds to its effect, and the gain of its dose."""
    response = scenario.response
    gives_laser, gives_prp = (
        np.array([name in arm.components for arm in scenario.arms]) for name in ("laser", "prp")
    )
    zones = _zones(scenario.laser)
    through = 1.0 + response.delivery_coupling * (mechanism.permeability_gain(zones) - 1.0)
    laser = mechanism.laser_effect(
        zones.ablated_column_um,
        _zones(LaserSettings()).ablated_column_um,
        response.laser,
        response.half_column,
    )
    kept = float(mechanism.combined_effect(laser, np.zeros(()), response.redundancy))
    laser_part = np.where(gives_laser & gives_prp, kept, np.where(gives_laser, laser, 0.0))
    return gives_prp, laser_part, np.where(gives_laser & gives_prp, through, 1.0)


def _zones(laser: LaserSettings) -> mechanism.MicrothermalZones:
    return mechanism.microthermal_zones(
        laser.pulse_energy_mj, laser.density_percent, laser.passes, laser.spot_um
    )


def _lesions(scenario: Scenario) -> int:
    if isinstance(scenario.measurement, Vasi):
        return len(scenario.measurement.regions)
    return len(scenario.arms)


def _sites(scenario: Scenario) -> tuple[Array, Array, float]:
    """Return the sites' weights (mean 1), their cumulated shares, and the variance they cause between lesions."""
    measurement = scenario.measurement
    if isinstance(measurement, Vasi):
        hand_units = np.array([region.hand_units for region in measurement.regions])
        shares = hand_units / hand_units.sum()
        multipliers = np.array([region.multiplier for region in measurement.regions])
    elif scenario.sites:
        shares = np.array([site.share for site in scenario.sites])
        multipliers = np.array([site.multiplier for site in scenario.sites])
    else:
        shares = multipliers = np.ones(1)
    weights = mechanism.body_site_weights(multipliers, shares)
    variance = float(shares @ (weights - 1.0) ** 2)
    # Every patient has all regions of the VASI: they do not spread patients, so their spread is given by region.
    return weights, np.cumsum(shares), 0.0 if isinstance(measurement, Vasi) else variance


def _session_share(sessions: Sessions) -> tuple[Array, float]:
    """Return the multiplier of the effect by sessions done (mean 1), and its variance.

    All sessions but the first may be missed, independently.
    """
    done = np.arange(sessions.planned + 1.0)
    later, missed = sessions.planned - 1, sessions.missed_rate
    attended = np.maximum(done - 1.0, 0.0)
    probability = comb(later, attended) * (1.0 - missed) ** attended * missed ** (later - attended)
    probability[0] = 0.0
    share = mechanism.session_fraction(done, sessions.planned, sessions.saturation)
    share = share / (probability @ share)
    return share, float(probability @ (share - 1.0) ** 2)


def _effect_moments(
    scenario: Scenario,
    gives_prp: NDArray[np.bool_],
    laser_part: Array,
    gain: Array,
    site_variance: float,
    session_variance: float,
) -> tuple[Array, Array]:
    """Return the mean and standard deviation of the effect by arm, over doses, sessions and sites."""
    response, prp = scenario.response, scenario.prp
    dose = mechanism.delivered_dose(platelet_fold(_U, prp), prp.volume_ml) * gain[:, None]
    effect = mechanism.prp_effect(dose, response.prp, response.half_dose) * gives_prp[:, None]
    effect = effect + laser_part[:, None]
    mean = effect @ _U_WEIGHTS
    second = (effect**2 @ _U_WEIGHTS) * (1.0 + site_variance) * (1.0 + session_variance)
    return mean, np.sqrt(np.maximum(second - mean**2, 0.0))


def _targets(scenario: Scenario) -> Array:
    """Return the standard deviation asked for at the primary visit, by arm."""
    spread = scenario.spread
    by_content: dict[frozenset[str], float] = {
        frozenset(): spread.untreated,
        frozenset({"laser"}): spread.laser,
        frozenset({"prp"}): spread.prp,
        frozenset({"laser", "prp"}): spread.both,
    }
    return np.array([by_content[frozenset(arm.components)] for arm in scenario.arms])


def _distributions(scenario: Scenario, mean: Array, between: Array, growth: Array) -> tuple[Array, Array]:
    """Return the conditional spread (K, V) and the quantiles (K, V, G) of the true improvement.

    The variance asked for grows with the response, as its share reached (A).
    """
    response, measurement = scenario.response, scenario.measurement
    lowest, highest = response.lowest, response.highest
    targets = _targets(scenario)
    spread = np.empty_like(mean)
    quantiles = np.empty((*mean.shape, _Z.size))
    for k, v in np.ndindex(*mean.shape):
        error = 0.0
        if isinstance(measurement, Planimetry):
            error = planimetry_error_sd(
                float(mean[k, v]), measurement.relative_error, measurement.value_grid_percent
            )
        total = float(targets[k] * np.sqrt(growth[v]))
        sd = mechanism.conditional_spread(total, float(between[k, v]), error, float(mean[k, v] - lowest))
        spread[k, v] = sd
        quantiles[k, v] = mechanism.beta_quantiles(_Z, float(mean[k, v]), sd, lowest, highest)
    return spread, quantiles


def _patient_variance(scenario: Scenario, variance: Array, mean: Array) -> Array:
    """Return the variance of a patient's mean improvement over lesions, by visit, roughly.

    It only sets the scale on which dropout sees a patient's improvement. Lesions share the patient's part; in
    a parallel trial the arms' means differ between patients too.
    """
    shared = scenario.correlation.patient
    size = _lesions(scenario)
    within = (shared + (1.0 - shared) / size) * np.mean(np.sqrt(variance), axis=0) ** 2
    between = 0.0 if scenario.is_within_patient else 1.0
    return np.asarray(within + between * np.var(mean, axis=0))
