"""From laser settings and platelet-rich plasma (PRP) to a response over weeks, one small function a step.

Every function is pure and vectorised: scalars or arrays in, the same out. Each docstring names units, source
and how sure the number is: E evidence (one study), D derived by arithmetic, R recalled, A assumption.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv, ndtr

from outcomes.errors import ScenarioError

__all__ = [
    "MicrothermalZones",
    "beta_quantiles",
    "body_site_weights",
    "combined_effect",
    "conditional_spread",
    "delivered_dose",
    "laser_effect",
    "microthermal_zones",
    "permeability_gain",
    "prp_effect",
    "scale_response",
    "session_fraction",
    "spill_over",
    "surface_coverage",
    "time_course",
    "visit_deviations",
    "zone_depth",
]

Array: TypeAlias = NDArray[np.float64]

# Channel depth at three pulse energies: Lasers Surg Med, lsm.22102 (E).
_ENERGY_MJ: Final = np.log([37.0, 190.0, 380.0])
_DEPTH_UM: Final = np.log([300.0, 1400.0, 2100.0])
REFERENCE_SPOT_UM: Final = 120.0
"""Spot that the three depths are taken to belong to, um (A: the smallest spot of published protocols)."""
SPOT_EXPONENT: Final = 0.5
"""How depth falls with the spot at equal energy (A)."""
LARGEST_GAIN: Final = 5.0
"""Permeation of small molecules through laser channels is 2 to 5 fold (E, 10.1007/s11095-012-0920-4)."""
HALF_COVERAGE: Final = 0.05
"""Coverage at which half the gain is reached; uptake saturates above 5 to 10 % density (R; size A)."""
BARRIER_UM: Final = 20.0
"""Scale of the barrier that a channel has to pierce, um: the stratum corneum (A)."""
REFERENCE_FOLD: Final = 4.0
"""Platelets over whole blood in a reference dose (E: 4, range 2 to 7)."""
REFERENCE_VOLUME_ML: Final = 1.0
"""Volume of a reference dose for one lesion, mL (A)."""


@dataclass(frozen=True, slots=True)
class MicrothermalZones:
    """What a fractional laser leaves in the skin after one session.

    Attributes
    ----------
    coverage : float
        Fraction of the surface hit at least once, 0 to 1.
    depth_um : float
        Depth of a channel, um.
    zones_per_cm2 : float
        Channels a square centimetre in one pass.
    """

    coverage: float
    depth_um: float
    zones_per_cm2: float

    @property
    def ablated_column_um(self) -> float:
        """Ablated volume over treated surface, um (coverage x depth)."""
        return self.coverage * self.depth_um


def zone_depth(energy_mj: float, spot_um: float = REFERENCE_SPOT_UM) -> float:
    """Return the depth of a channel.

    Linear in log energy and log depth between the published points (300, 1400 and 2100 um at 37, 190 and
    380 mJ; lsm.22102, E), with the end slopes beyond them (D), times ``(120 / spot)^0.5`` (A).

    Parameters
    ----------
    energy_mj : float
        Pulse energy, mJ, positive.
    spot_um : float
        Spot diameter, um, positive.

    Returns
    -------
    float
        Depth, um.
    """
    slopes = np.diff(_DEPTH_UM) / np.diff(_ENERGY_MJ)
    energy = np.log(energy_mj)
    piece = 0 if energy <= _ENERGY_MJ[1] else 1
    log_depth = _DEPTH_UM[1] + slopes[piece] * (energy - _ENERGY_MJ[1])
    return float(np.exp(log_depth) * (REFERENCE_SPOT_UM / spot_um) ** SPOT_EXPONENT)


def surface_coverage(density_percent: float, passes: int) -> float:
    """Return the fraction of the surface hit at least once, when passes fall at random (D).

    ``1 - (1 - density / 100)^passes``; one pass gives the density itself.
    """
    return float(1.0 - (1.0 - density_percent / 100.0) ** passes)


def microthermal_zones(
    energy_mj: float, density_percent: float, passes: int, spot_um: float
) -> MicrothermalZones:
    """Return the zones that laser settings leave.

    Parameters
    ----------
    energy_mj : float
        Pulse energy, mJ.
    density_percent : float
        Share of the surface that one pass covers, %.
    passes : int
        Passes (stacks) a session.
    spot_um : float
        Spot diameter, um.

    Returns
    -------
    MicrothermalZones
        Coverage (see `surface_coverage`), depth (see `zone_depth`) and channels a square centimetre,
        ``density / (pi (spot / 2)^2)`` (D).
    """
    spot_cm2 = np.pi * (spot_um * 1e-4 / 2.0) ** 2
    return MicrothermalZones(
        coverage=surface_coverage(density_percent, passes),
        depth_um=zone_depth(energy_mj, spot_um),
        zones_per_cm2=float(density_percent / 100.0 / spot_cm2),
    )


def permeability_gain(zones: MicrothermalZones) -> float:
    """Return how many times more passes the barrier through the channels.

    ``1 + (5 - 1) c / (c + 0.05) (1 - exp(-depth / 20 um))`` with c the coverage: it rises to the largest
    published fold (2 to 5; 10.1007/s11095-012-0920-4, E), saturates in coverage above 5 to 10 % (Haak,
    Taudorf, R) and, once the barrier is pierced, does not depend on depth (uptake at 3 h, E).

    Returns
    -------
    float
        Fold, at least 1; 1 without a channel.
    """
    reached = zones.coverage / (zones.coverage + HALF_COVERAGE)
    pierced = -np.expm1(-zones.depth_um / BARRIER_UM)
    return float(1.0 + (LARGEST_GAIN - 1.0) * reached * pierced)


def delivered_dose(platelet_fold: Array | float, volume_ml: float, gain: float = 1.0) -> Array:
    """Return the dose of PRP that reaches the tissue, in reference doses (4 fold, 1 mL, intact skin).

    Parameters
    ----------
    platelet_fold : array
        Platelets over whole blood (E: 2 to 7 fold).
    volume_ml : float
        Volume a lesion, mL (A: 0.1 to 3).
    gain : float
        Fold through the barrier, see `permeability_gain`; 1 on intact skin.
    """
    dose = np.asarray(platelet_fold, dtype=np.float64) / REFERENCE_FOLD * (volume_ml / REFERENCE_VOLUME_ML)
    return np.asarray(dose * gain)


def prp_effect(dose: Array | float, effect: float, half_dose: float) -> Array:
    """Return the effect of a delivered dose of PRP: a saturating (Emax) curve through `effect` at dose 1.

    ``effect (1 + h) d / (d + h)``, so that the largest effect is ``effect (1 + h)`` (A).

    Parameters
    ----------
    dose : array
        Reference doses, at least 0.
    effect : float
        Effect of one reference dose, percentage points.
    half_dose : float
        Dose h of half the largest effect, reference doses.
    """
    d = np.asarray(dose, dtype=np.float64)
    return np.asarray(effect * (1.0 + half_dose) * d / (d + half_dose))


def laser_effect(ablated_column_um: float, reference_um: float, effect: float, half_column: float) -> float:
    """Return the laser's own effect: saturating in the ablated column, `effect` at the reference settings.

    ``effect (1 + h) v / (v + h)`` with v the column over its reference (A).
    """
    v = ablated_column_um / reference_um
    return effect * (1.0 + half_column) * v / (v + half_column)


def combined_effect(laser: float, prp: Array, redundancy: float) -> Array:
    """Return the effect of both therapies: ``prp + (1 - redundancy) laser``.

    Parameters
    ----------
    laser : float
        The laser's own effect, percentage points.
    prp : array
        Effect of the PRP as delivered through the channels, percentage points.
    redundancy : float
        0: the effects add up. 1: the laser's own effect is redundant, the combination does what the PRP does
        (Kadry 2018: both about as PRP, E for direction). Above 1: antagonism (A).
    """
    return np.asarray(prp + (1.0 - redundancy) * laser)


def session_fraction(done: Array | float, planned: int, saturation: float) -> Array:
    """Return the share of the full effect that the sessions done reach, 0 to 1 and 1 when all are done.

    ``(1 - exp(-k s / S)) / (1 - exp(-k))``: each session adds less than the one before (A).

    Parameters
    ----------
    done : array
        Sessions done, 0 to `planned`.
    planned : int
        Sessions planned.
    saturation : float
        The k above, positive; near 0 every session counts the same.
    """
    share = np.asarray(done, dtype=np.float64) / planned
    return np.asarray(np.expm1(-saturation * share) / np.expm1(-saturation))


def time_course(
    week: Array | float, onset_weeks: float, time_constant_weeks: float, primary_week: float
) -> Array:
    """Return the share of the response reached at a week; 1 at the primary visit.

    ``g(t) = 1 - exp(-max(0, t - onset) / tau)``, divided by ``g(primary)``: nothing before the onset (4.0
    weeks after PRP, Khalil 2023, E), then a plateau 3 to 6 months after the last session (A).
    """
    since = np.maximum(np.asarray(week, dtype=np.float64) - onset_weeks, 0.0)
    at_primary = -np.expm1(-(primary_week - onset_weeks) / time_constant_weeks)
    return np.asarray(-np.expm1(-since / time_constant_weeks) / at_primary)


def body_site_weights(multipliers: Array, shares: Array) -> Array:
    """Return the multipliers of the effect by body site, with mean 1 over the sites' shares.

    Order trunk > face > extremities > acral (Kadry 2018, E); sizes 1.15, 1.05, 0.85, 0.45 (A). Published
    means are means over the sites of a trial, so the weights are divided by their mean.
    """
    return np.asarray(multipliers / np.sum(multipliers * shares))


def spill_over(own: Array, fraction: float) -> Array:
    """Return the effects when each lesion adds a fraction of its effect to the patient's other lesions.

    ``own_j + k sum_(l != j) own_l``; with every arm once in a patient each difference of arms is multiplied
    by (1 - k). 5 to 10 % (A).

    Parameters
    ----------
    own : array, shape (..., lesions)
        Each lesion's own effect.
    fraction : float
        The k above, 0 to 1.
    """
    return np.asarray((1.0 - fraction) * own + fraction * own.sum(axis=-1, keepdims=True))


def conditional_spread(total_sd: float, between_sd: float, error_sd: float, mean: float) -> float:
    """Return the standard deviation left for the response of a unit whose expected response is known.

    The response is ``F Y`` with F the unit's factor (mean 1, standard deviation ``between / mean``, independent
    of Y) and Y of the given mean, so ``total^2 = error^2 + E[F^2] (sd^2 + mean^2) - mean^2`` (law of total
    variance, D); solved for sd.

    Parameters
    ----------
    total_sd : float
        Standard deviation of the recorded value in the arm (E or A), percentage points.
    between_sd : float
        Standard deviation of the units' expected responses (sites, doses, sessions), percentage points.
    error_sd : float
        Standard deviation of the measurement error, percentage points.
    mean : float
        Mean response above the lowest possible one, percentage points, positive.

    Raises
    ------
    ScenarioError
        Where nothing is left.
    """
    second = 1.0 + (between_sd / mean) ** 2
    left = (total_sd**2 - error_sd**2 + mean**2) / second - mean**2
    if left <= 0:
        raise ScenarioError(
            "The spread asked for is smaller than what sites, doses and measurement already cause.",
            expected=f"more than {np.hypot(between_sd, error_sd):.1f} percentage points",
            got=f"{total_sd:.1f}",
            where="spread",
            hint="raise the arm's spread, or lower the differences between sites or the measurement error",
        )
    return float(np.sqrt(left))


def beta_quantiles(z: Array, mean: float, sd: float, lowest: float, highest: float) -> Array:
    """Return the response at standard normal deviates `z`: a beta distribution on (lowest, highest).

    A bounded response whose mean and standard deviation are given, as trials publish them; its skewness
    follows from the bounds (a weak arm has many lesions near zero and a few far above, A).

    Parameters
    ----------
    z : array
        Standard normal deviates.
    mean, sd : float
        Of the response, percentage points.
    lowest, highest : float
        Bounds of the response, percentage points.

    Raises
    ------
    ScenarioError
        Where no beta distribution has this mean and standard deviation.
    """
    width = highest - lowest
    centre, variance = (mean - lowest) / width, (sd / width) ** 2
    size = centre * (1.0 - centre) / variance - 1.0 if variance > 0 else np.inf
    if not 0 < centre < 1 or not 0 < size < np.inf:
        raise ScenarioError(
            "No response between its bounds has this mean and standard deviation.",
            expected=f"a mean between {lowest:g} and {highest:g}, and a spread that fits between them",
            got=f"mean {mean:.4g}, standard deviation {sd:.4g}",
            where="response and spread",
        )
    return np.asarray(lowest + width * betaincinv(centre * size, (1.0 - centre) * size, ndtr(z)))


def scale_response(response: Array, expected: Array, mean: Array, lowest: float, highest: float) -> Array:
    """Return the response of units whose expectation differs from the arm's mean.

    ``lowest + (response - lowest) (expected - lowest) / (mean - lowest)``, which has the unit's expectation;
    what would pass `highest` stays there (saturation: a lesion cannot repigment by more than all of it).
    """
    factor = (expected - lowest) / (mean - lowest)
    return np.asarray(np.minimum(lowest + factor * (response - lowest), highest))


def visit_deviations(
    patient: Array, lesion: Array, visit: Array, shares: tuple[float, float, float], decay: Array
) -> Array:
    """Return standard normal deviates that correlate between a patient's lesions and between visits.

    ``sqrt(s_p) patient + sqrt(s_l) lesion + sqrt(s_v) e(visit)`` with e a stationary first-order
    autoregression over visits, ``e_v = r_v e_(v-1) + sqrt(1 - r_v^2) visit_v``. Two lesions of a patient
    correlate by s_p at any visit (0.55 to 0.60 of the recorded improvement, D).

    Parameters
    ----------
    patient : array, shape (n,)
        Independent standard normal deviates, as the next two.
    lesion : array, shape (n, lesions)
    visit : array, shape (n, lesions, visits)
    shares : tuple of float
        Shares of variance of patient, lesion and visit; they sum to 1.
    decay : array, shape (visits,)
        Autocorrelation r with the visit before; the first is not used.

    Returns
    -------
    array, shape (n, lesions, visits)
    """
    process = np.empty_like(visit)
    process[..., 0] = visit[..., 0]
    for v in range(1, visit.shape[-1]):
        process[..., v] = decay[v] * process[..., v - 1] + np.sqrt(1.0 - decay[v] ** 2) * visit[..., v]
    to_patient, to_lesion, to_visit = np.sqrt(shares)
    stable = to_patient * patient[:, None] + to_lesion * lesion
    return np.asarray(stable[..., None] + to_visit * process)
