"""The tables of a scenario as frozen, strict models, with their defaults, units and sources.

Tags: E evidence (one study), D derived by arithmetic, R recalled, A assumption.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

__all__ = [
    "ITEMS",
    "REGIONS",
    "Arm",
    "Correlation",
    "Course",
    "Dropout",
    "Fitzpatrick",
    "LaserSettings",
    "Measurement",
    "People",
    "Planimetry",
    "Posas",
    "PrpSettings",
    "Region",
    "Response",
    "Safety",
    "ScenarioTable",
    "Sessions",
    "Site",
    "Spread",
    "Vasi",
    "Visit",
]

Positive: TypeAlias = Annotated[float, Field(gt=0)]
NonNegative: TypeAlias = Annotated[float, Field(ge=0)]
Share: TypeAlias = Annotated[float, Field(ge=0, le=1)]
Text: TypeAlias = Annotated[str, Field(min_length=1)]

REGIONS: Final = ("hands", "upper extremities", "trunk", "lower extremities", "feet")
"""The regions of the VASI, in the instrument's order."""
ITEMS: Final = ("vascularity", "pigmentation", "thickness", "relief", "pliability", "surface_area")
"""The six summed items of the POSAS 2.0 observer scale, in the instrument's order."""


class ScenarioTable(BaseModel):
    """Frozen, strict, and without room for unknown keys."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)


class Arm(ScenarioTable):
    """An arm: its label and what it is made of, of "laser" and "prp".

    Attributes
    ----------
    label : str
        As in the data.
    components : tuple of {"laser", "prp"}
        Empty for the untreated arm.
    """

    label: Text
    components: tuple[Literal["laser", "prp"], ...] = ()


class Visit(ScenarioTable):
    """A visit: name, planned week (treatment starts at week 0), and whether it comes before treatment."""

    name: Text
    week: NonNegative
    baseline: bool = False


class LaserSettings(ScenarioTable):
    """What the fractional CO2 laser is set to; the typical published settings (E, table of trials).

    Attributes
    ----------
    pulse_energy_mj : float
        10 to 50 mJ in acne scars and striae.
    density_percent : float
        5 to 20 %.
    passes : int
        1 to 5.
    spot_um : float
        120 to 350 um.
    """

    pulse_energy_mj: Positive = 20.0
    density_percent: Annotated[float, Field(gt=0, le=100)] = 10.0
    passes: Annotated[int, Field(ge=1)] = 2
    spot_um: Positive = 350.0


class PrpSettings(ScenarioTable):
    """The platelet-rich plasma that patients give.

    Attributes
    ----------
    platelet_fold, platelet_fold_sd : float
        Platelets over whole blood: 4 (2 to 7) fold, standard deviation about 1 (E; the latter A); a normal
        distribution cut at the two limits.
    lowest_fold, highest_fold : float
        The limits.
    volume_ml : float
        A lesion, mL (A: 0.1 to 3).
    """

    platelet_fold: Positive = 4.0
    platelet_fold_sd: Positive = 1.0
    lowest_fold: Positive = 2.0
    highest_fold: Positive = 7.0
    volume_ml: Positive = 1.0


class Response(ScenarioTable):
    """What therapies do to the mean, in percentage points of improvement at the primary visit.

    Attributes
    ----------
    natural_course : float
        Improvement without therapy.
    laser : float
        What the laser alone adds, at the typical settings.
    prp : float
        What one reference dose of PRP (4 fold, 1 mL, intact skin) alone adds.
    half_dose : float
        Dose of half the largest effect of PRP, reference doses (A).
    half_column : float
        Ablated column of half the largest effect of the laser, relative to the typical settings' (A).
    delivery_coupling : float
        Share of the permeability gain that reaches the response when both are given: 0 none, 1 all.
    redundancy : float
        0: effects add; 1: the laser's own effect is redundant beside PRP; above 1: antagonism.
    spill_over : float
        Share of its effect that a lesion adds to the patient's other lesions (A: 0.05 to 0.10).
    lowest, highest : float
        Bounds of the true improvement, %: a stable lesion may grow by a tenth (A); nothing passes 100.
    """

    natural_course: float
    laser: float
    prp: float
    half_dose: Positive = 2.7
    half_column: Positive = 1.0
    delivery_coupling: Share = 0.0
    redundancy: NonNegative = 0.0
    spill_over: Share = 0.0
    lowest: float = -10.0
    highest: float = 100.0


class Spread(ScenarioTable):
    """Standard deviation of the improvement at the primary visit, percentage points, by what an arm gets."""

    untreated: Positive
    laser: Positive
    prp: Positive
    both: Positive


class Course(ScenarioTable):
    """How the response grows.

    Attributes
    ----------
    onset_weeks : float
        Nothing is seen before (4.0 weeks after PRP, Khalil 2023, E).
    time_constant_weeks : float
        Of the approach to the plateau (A).
    """

    onset_weeks: NonNegative
    time_constant_weeks: Positive


class Sessions(ScenarioTable):
    """Treatment sessions.

    Attributes
    ----------
    planned : int
        How many (E: 2 to 6).
    interval_weeks : float
        Between them (E: 2 to 8).
    missed_rate : float
        Probability of missing a session other than the first (E/A: 5 %).
    saturation : float
        How much less each further session adds (A), see `synthetic_data.mechanism.session_fraction`.
    """

    planned: Annotated[int, Field(ge=1)]
    interval_weeks: Positive
    missed_rate: Annotated[float, Field(ge=0, lt=1)] = 0.05
    saturation: Positive = 1.5


class Correlation(ScenarioTable):
    """Shares of the variance of the response, on the normal scale; they sum to 1.

    Attributes
    ----------
    patient : float
        Shared by a patient's lesions: their correlation. Set so that *recorded* improvements correlate by
        0.55 to 0.60 (D: 0.64 Vachiramon 2016, 0.58 Sayed 2023).
    lesion : float
        Of the lesion, at every visit.
    visit : float
        Of the visit, decaying over weeks.
    decay_weeks : float
        Time constant of that decay (A).
    """

    patient: Share
    lesion: Share
    visit: Share
    decay_weeks: Positive = 12.0


class Site(ScenarioTable):
    """A body site: its share of lesions and the multiplier of the effect (E order, A size)."""

    name: Text
    share: Annotated[float, Field(gt=0, le=1)]
    multiplier: Positive


class Region(ScenarioTable):
    """A region of the VASI: mean hand units that are depigmented (A), multiplier of the effect (E order, A)."""

    name: Text
    hand_units: Positive
    multiplier: Positive


class Planimetry(ScenarioTable):
    """Percent repigmentation from two measured areas.

    Attributes
    ----------
    area_cm2, area_log_sd : float
        Median depigmented area before treatment and its spread on the log scale (A).
    area_grid_cm2 : float
        Areas are recorded to this (A).
    relative_error : float
        Standard deviation of one measured area over the area: 1.7 %, from the smallest detectable change of
        4.7 % within raters of the VASI, / (1.96 sqrt 2) (D, carried over to planimetry: A).
    value_grid_percent : float
        Percent repigmentation is recorded to this.
    """

    instrument: Literal["percent-repigmentation"]
    area_cm2: Positive = 8.0
    area_log_sd: NonNegative = 0.5
    area_grid_cm2: Positive = 0.1
    relative_error: NonNegative = 0.017
    value_grid_percent: Positive = 1.0


class Vasi(ScenarioTable):
    """The VASI: hand units times residual depigmentation, each region in one of seven classes.

    Attributes
    ----------
    regions : tuple of Region
        The five of `REGIONS`, in their order.
    extent_log_sd : float
        Spread of the patients' extent on the log scale (A).
    least_depigmentation : float
        Lowest depigmentation of a region before treatment, as a fraction (A).
    rating_error : float
        Standard deviation of a rater's error in a region's depigmentation, as a fraction (A; it gives a
        patient's VASI the intra-rater reliability of about .93 or better, D).
    """

    instrument: Literal["vasi"]
    regions: tuple[Region, ...]
    extent_log_sd: NonNegative = 0.35
    least_depigmentation: Annotated[float, Field(gt=0, le=1)] = 0.7
    rating_error: NonNegative = 0.04


class Posas(ScenarioTable):
    """The observer scale of POSAS 2.0: six items of 1 (as normal skin) to 10, summed.

    Attributes
    ----------
    severity, severity_sd : float
        Mean excess of an item over 1 before treatment, and its spread between scars (A; a total of 30 ± 7).
    side_correlation : float
        Of the severity of a patient's two sides before treatment (A).
    loadings : tuple of float
        How much of the severity shows in each item, in the order of `ITEMS`; mean 1 (A: relief most in
        atrophic scars).
    item_sd : float
        Spread of what is an item's own, points, the same at all visits (A).
    rating_error : float
        Spread of a rating, points (A).
    """

    instrument: Literal["posas-observer"]
    severity: Annotated[float, Field(gt=0, lt=9)] = 4.0
    severity_sd: Positive = 1.2
    side_correlation: Share = 0.8
    loadings: tuple[Positive, Positive, Positive, Positive, Positive, Positive] = (
        0.9,
        0.8,
        1.0,
        1.3,
        0.9,
        1.1,
    )
    item_sd: NonNegative = 0.6
    rating_error: NonNegative = 0.6


Measurement: TypeAlias = Annotated[Planimetry | Vasi | Posas, Field(discriminator="instrument")]


class Dropout(ScenarioTable):
    """Who is not assessed (`synthetic_data.dropout`).

    Attributes
    ----------
    mechanism : {"MCAR", "MAR", "MNAR"}
        Leaving depends on nothing; on the last recorded improvement; on the improvement that is then missed.
    rate : float
        Share of patients gone by the last visit (E: 0.10 parallel, 0.04 within patients).
    slope : float
        Log odds of leaving at a visit for an improvement one standard deviation lower (A).
    missed_visit_rate : float
        Probability of missing a single visit, whatever the outcome (A).
    """

    mechanism: Literal["MCAR", "MAR", "MNAR"]
    rate: Annotated[float, Field(ge=0, lt=1)]
    slope: NonNegative = 1.0
    missed_visit_rate: Annotated[float, Field(ge=0, lt=1)] = 0.02


class Days(ScenarioTable):
    """Days of erythema after a session: mean and standard deviation."""

    mean: Positive
    sd: Positive


class Safety(ScenarioTable):
    """Adverse events.

    Attributes
    ----------
    pih_laser, pih_prp : float
        Postinflammatory hyperpigmentation of a treated lesion (E/A: 15 to 30 % after the laser, 1 to 3 %
        after PRP).
    erythema_laser, erythema_both, erythema_prp : Days
        To resolution after the first session (E, Lee 2011: 10.4 ± 2.7 laser, 8.6 ± 2.0 with PRP; after an
        injection alone A).
    erythema_correlation : float
        Between a patient's lesions (D, Lee 2011: 0.17; default 0.2 to 0.4).
    koebner_laser, koebner_prp : float
        New depigmentation where the skin was hurt (E/A: 0 to 3 % in stable vitiligo); vitiligo only.
    vasovagal : float
        Of a patient at the venepuncture that PRP needs (A); belongs to the patient and to no lesion.
    """

    pih_laser: Share = 0.20
    pih_prp: Share = 0.02
    erythema_laser: Days = Days(mean=10.4, sd=2.7)
    erythema_both: Days = Days(mean=8.6, sd=2.0)
    erythema_prp: Days = Days(mean=1.8, sd=0.9)
    erythema_correlation: Share = 0.3
    koebner_laser: Share = 0.015
    koebner_prp: Share = 0.005
    vasovagal: Share = 0.03


class Fitzpatrick(ScenarioTable):
    """A skin phototype: its share of patients and the multiplier of the rate of hyperpigmentation (A)."""

    name: Text
    share: Annotated[float, Field(gt=0, le=1)]
    pih_multiplier: NonNegative


class People(ScenarioTable):
    """Who the patients are; none of it changes the response (A).

    Attributes
    ----------
    age_mean, age_sd, lowest_age, highest_age : float
        Years.
    female_share : float
        Share of women.
    phototypes : tuple of Fitzpatrick
        Skin phototypes.
    """

    age_mean: Positive = 34.0
    age_sd: Positive = 10.0
    lowest_age: Positive = 18.0
    highest_age: Positive = 65.0
    female_share: Share = 0.6
    phototypes: tuple[Fitzpatrick, ...] = (
        Fitzpatrick(name="III", share=0.35, pih_multiplier=0.7),
        Fitzpatrick(name="IV", share=0.45, pih_multiplier=1.0),
        Fitzpatrick(name="V", share=0.20, pih_multiplier=1.525),
    )
