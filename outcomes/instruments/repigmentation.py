"""Repigmentation of a vitiligo lesion: percentages, grades, areas, and how it looks to the patient."""

from __future__ import annotations

import math

from outcomes.instruments.instrument import Instrument, Item, ResponderThreshold

PERCENT_REPIGMENTATION = Instrument(
    name="percent-repigmentation",
    title="Percent repigmentation of a lesion",
    family="Percent repigmentation",
    condition="vitiligo",
    level="lesion",
    items=(
        Item(
            name="baseline_area",
            label="depigmented area before treatment",
            minimum=0,
            maximum=math.inf,
            step=None,
        ),
        Item(name="area", label="depigmented area now, same unit", minimum=0, maximum=math.inf, step=None),
    ),
    combine="percent-reduction",
    formula="100 × (baseline area − area) / baseline area. Negative where the lesion grew; never clipped.",
    minimum=-math.inf,
    maximum=100,
    step=None,
    higher_is_better=True,
    unit="%",
    kind="continuous",
    baseline_by_definition=0.0,
    thresholds=(
        ResponderThreshold(
            name="at least 50 %",
            derive="value",
            op="at_least",
            value=50,
            source="common cut-off; Vitiligo Global Issues Consensus (VGICC) 2017",
        ),
        ResponderThreshold(
            name="at least 75 %",
            derive="value",
            op="at_least",
            value=75,
            source="micropunch and surgical meta-analyses",
        ),
        ResponderThreshold(
            name="at least 80 %",
            derive="value",
            op="at_least",
            value=80,
            source="VGICC 2017 (Pigment Cell Melanoma Res 2017;30:28-40); INFO 2019",
        ),
    ),
    source="Vitiligo Global Issues Consensus, Pigment Cell Melanoma Res 2017;30:28-40",
    verified=True,
    tag="V",
    notes=(
        "Maintenance: at least 80 % of the gain kept for more than 6 months (VGICC 2017).",
        "Week 0 is 0 by definition: there is no baseline to subtract, the baseline area may be a covariate.",
    ),
)

REPIGMENTATION_GRADE = Instrument(
    name="repigmentation-grade",
    title="Repigmentation grade by quartile, G0 to G4",
    family="Repigmentation grade",
    condition="vitiligo",
    level="lesion",
    variant="five grades",
    items=(
        Item(
            name="grade",
            label="0 none (absent), 1 = 1-25 % (poor), 2 = 26-50 % (moderate), 3 = 51-75 % (good), "
            "4 = 76-100 % (excellent)",
            minimum=0,
            maximum=4,
        ),
    ),
    formula="The grade; from a percentage by the protocol's cutpoints, since publications differ.",
    minimum=0,
    maximum=4,
    step=1,
    higher_is_better=True,
    unit="grade",
    kind="ordinal",
    grades=("G0", "G1", "G2", "G3", "G4"),
    baseline_by_definition=0.0,
    thresholds=(
        ResponderThreshold(
            name="more than 75 %",
            derive="value",
            op="at_least",
            value=4,
            source="micropunch and surgical meta-analyses (success at 75 %)",
        ),
    ),
    source="wording as in J Cosmet Dermatol jocd.14582 (absent, poor, moderate, good, excellent)",
    verified=True,
    tag="V",
    notes=(
        "NCT01629979 cuts at 0 / 1-25 / 26-50 ...; other publications cut elsewhere: name the cutpoints.",
    ),
)

REPIGMENTATION_GRADE_SIX = Instrument(
    name="repigmentation-grade-six",
    title="Repigmentation grade in six levels, G0 to G5",
    family="Repigmentation grade",
    condition="vitiligo",
    level="lesion",
    variant="six grades (Abdelghani 2018)",
    items=(
        Item(
            name="grade",
            label="0 = 0 %, 1 = 1-5 %, 2 = 6-25 %, 3 = 26-50 %, 4 = 51-75 %, 5 = 76-100 %",
            minimum=0,
            maximum=5,
        ),
    ),
    formula="The grade; 0 % / 1-5 / 6-25 / 26-50 / 51-75 / 76-100 %.",
    minimum=0,
    maximum=5,
    step=1,
    higher_is_better=True,
    unit="grade",
    kind="ordinal",
    grades=("G0", "G1", "G2", "G3", "G4", "G5"),
    baseline_by_definition=0.0,
    thresholds=(
        ResponderThreshold(
            name="more than 75 %",
            derive="value",
            op="at_least",
            value=5,
            source="Abdelghani 2018 (J Cosmet Dermatol 17(3)), grade 5",
        ),
    ),
    source="Abdelghani R, Ahmed NA, Darwish HM. J Cosmet Dermatol 2018;17(3); grades as given in "
    "supplementary table S2 of a Dermatologic Surgery review of surgical vitiligo therapies",
    verified=True,
    tag="V",
)

REPIGMENTATION_QUARTILE_INFO = Instrument(
    name="repigmentation-quartile-info",
    title="Repigmentation quartile of the INFO consensus",
    family="Repigmentation grade",
    condition="vitiligo",
    level="lesion",
    variant="four levels (INFO 2019)",
    items=(
        Item(
            name="quartile",
            label="1 = 0-25 %, 2 = 26-50 %, 3 = 51-79 %, 4 = 80-100 %",
            minimum=1,
            maximum=4,
        ),
    ),
    formula="The quartile; 0-25 / 26-50 / 51-79 / 80-100 %.",
    minimum=1,
    maximum=4,
    step=1,
    higher_is_better=True,
    unit="quartile",
    kind="ordinal",
    grades=("0-25 %", "26-50 %", "51-79 %", "80-100 %"),
    baseline_by_definition=1.0,
    thresholds=(
        ResponderThreshold(
            name="target lesion success",
            derive="value",
            op="at_least",
            value=4,
            source="INFO 2019, Br J Dermatol 180:574 (80-100 %)",
        ),
    ),
    source="INFO consensus 2019, Br J Dermatol 180:574",
    verified=True,
    tag="V",
    notes=("The codes 1 to 4 are ours; the source gives the four classes.",),
)

DEPIGMENTED_AREA = Instrument(
    name="depigmented-area",
    title="Depigmented area by planimetry or computer-assisted grid (VACAG)",
    family="Depigmented area",
    condition="vitiligo",
    level="lesion",
    items=(Item(name="area", label="depigmented area in cm²", minimum=0, maximum=math.inf, step=None),),
    formula="The area; analysed as its percent reduction from baseline.",
    minimum=0,
    maximum=math.inf,
    step=None,
    higher_is_better=False,
    unit="cm²",
    kind="continuous",
    source="Vitiligo Analysis by Computer-Assisted Grid, as used in Kadry 2018 (Clin Cosmet Investig "
    "Dermatol 11:551)",
    verified=True,
    tag="V",
    notes=("The grid algorithm itself could not be read: only the measured area is taken here.",),
)

REPIGMENTATION_PATTERN = Instrument(
    name="repigmentation-pattern",
    title="Pattern of repigmentation",
    family="Repigmentation pattern",
    condition="vitiligo",
    level="lesion",
    items=(
        Item(
            name="pattern",
            label="0 perifollicular, 1 marginal, 2 diffuse, 3 combined (mixed)",
            minimum=0,
            maximum=3,
        ),
    ),
    formula="A category; it has no order and no total.",
    minimum=math.nan,
    maximum=math.nan,
    step=None,
    higher_is_better=None,
    unit="category",
    kind="nominal",
    grades=("perifollicular", "marginal", "diffuse", "combined"),
    source="Vitiligo Global Issues Consensus atlas (terms); Khalil & Ibrahim 2023 (half of PRP sites "
    "follicular)",
    verified=True,
    tag="V",
    notes=("The codes 0 to 3 only name the categories.",),
)

VNS = Instrument(
    name="vns",
    title="Vitiligo Noticeability Scale (VNS)",
    family="Vitiligo Noticeability Scale",
    condition="vitiligo",
    level="lesion",
    items=(
        Item(
            name="noticeability",
            label="Compared to before treatment, how noticeable is the vitiligo now? 1 more, 2 as "
            "noticeable, 3 slightly less, 4 a lot less, 5 no longer noticeable",
            minimum=1,
            maximum=5,
        ),
    ),
    formula="The patient's answer.",
    minimum=1,
    maximum=5,
    step=1,
    higher_is_better=True,
    unit="points",
    kind="ordinal",
    baseline_by_definition=2.0,
    grades=("more noticeable", "as noticeable", "slightly less", "a lot less", "no longer noticeable"),
    thresholds=(
        ResponderThreshold(
            name="treatment success", derive="value", op="at_least", value=4, source="nottingham.ac.uk (VNS)"
        ),
        ResponderThreshold(
            name="at least partial success",
            derive="value",
            op="at_least",
            value=3,
            source="nottingham.ac.uk (VNS)",
        ),
    ),
    source="nottingham.ac.uk (VNS)",
    verified=True,
    tag="V",
    notes=(
        "Reported by the patient, for a lesion or for the patient as a whole.",
        "Agreement: kappa .54 and .47. Answers 1 and 2 mean failure, 3 partial success, 4 and 5 success.",
    ),
)

INSTRUMENTS: tuple[Instrument, ...] = (
    PERCENT_REPIGMENTATION,
    REPIGMENTATION_GRADE,
    REPIGMENTATION_GRADE_SIX,
    REPIGMENTATION_QUARTILE_INFO,
    REPIGMENTATION_PATTERN,
    DEPIGMENTED_AREA,
    VNS,
)
