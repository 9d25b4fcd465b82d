"""Repigmentation of vitiligo: areas, grades and percentages."""

from __future__ import annotations

import math

from outcomes.instruments.instrument import Instrument, Item, MinimalImportantDifference, ResponderThreshold

_DEPIGMENTATION = (0.0, 0.10, 0.25, 0.50, 0.75, 0.90, 1.0)
_DEPIGMENTATION_LABEL = (
    "residual depigmentation, estimated to the nearest of 0, 10, 25, 50, 75, 90 and 100 % (as a fraction)"
)
_BODY_REGIONS = {
    "hands": "hands",
    "upper_extremities": "upper extremities without hands",
    "trunk": "trunk",
    "lower_extremities": "lower extremities without feet",
    "feet": "feet",
}
_VASI_SOURCE = (
    "Hamzavi I et al. Arch Dermatol 2004;140:677; medicalalgorithms.com/vitiligo-area-scoring-index-vasi; "
    "usdermed.com/clinical-tools/vasi"
)
_VASI_FORMULA = (
    "Sum over the regions of hand units × residual depigmentation. One hand unit is the patient's palm with "
    "fingers, about 1 % of the body surface. A region without vitiligo has 0 hand units and 0 depigmentation."
)
_VASI_NOTES = (
    "Measurement error: smallest detectable change 7.1 % between raters and 4.7 % within one; intraclass "
    "correlation .93 for both (secondary source, droracle.ai/616822).",
)


def _region_items(regions: dict[str, str], most_hand_units: float) -> tuple[Item, ...]:
    """Two items a region: its depigmented extent and what is left of the depigmentation there."""
    return tuple(
        item
        for region, label in regions.items()
        for item in (
            Item(
                name=f"{region}_hand_units",
                label=f"{label}: involved area in hand units",
                minimum=0,
                maximum=most_hand_units,
                step=None,
            ),
            Item(
                name=f"{region}_depigmentation",
                label=f"{label}: {_DEPIGMENTATION_LABEL}",
                minimum=0,
                maximum=1,
                step=None,
                values=_DEPIGMENTATION,
            ),
        )
    )


def _vasi_responders(prefix: str, percents: tuple[int, ...], source: str) -> tuple[ResponderThreshold, ...]:
    return tuple(
        ResponderThreshold(
            name=f"{prefix}{percent}", derive="percent-change", op="at_most", value=-percent, source=source
        )
        for percent in percents
    )


VASI = Instrument(
    name="vasi",
    title="Vitiligo Area Scoring Index (VASI), five body regions",
    family="Vitiligo Area Scoring Index",
    condition="vitiligo",
    level="patient",
    variant="five regions (hands, upper extremities, trunk, lower extremities, feet)",
    items=_region_items(_BODY_REGIONS, 100),
    combine="sum-of-products",
    formula=_VASI_FORMULA,
    minimum=0,
    maximum=100,
    step=None,
    higher_is_better=False,
    unit="VASI points",
    kind="continuous",
    thresholds=_vasi_responders("VASI", (50, 75, 90), "usdermed.com/clinical-tools/vasi"),
    source=_VASI_SOURCE,
    verified=True,
    tag="V",
    notes=_VASI_NOTES,
)

T_VASI = Instrument(
    name="t-vasi",
    title="Total Vitiligo Area Scoring Index (T-VASI), with head and neck",
    family="Vitiligo Area Scoring Index",
    condition="vitiligo",
    level="patient",
    variant="six regions (head and neck added), as in trials of JAK inhibitors",
    items=_region_items({"head_neck": "head and neck", **_BODY_REGIONS}, 100),
    combine="sum-of-products",
    formula=_VASI_FORMULA,
    minimum=0,
    maximum=100,
    step=None,
    higher_is_better=False,
    unit="T-VASI points",
    kind="continuous",
    thresholds=_vasi_responders(
        "T-VASI", (50, 75, 90), "usdermed.com/clinical-tools/vasi (T-VASI50 is called meaningful)"
    ),
    source=_VASI_SOURCE,
    verified=True,
    tag="V",
    notes=_VASI_NOTES,
)

F_VASI = Instrument(
    name="f-vasi",
    title="Facial Vitiligo Area Scoring Index (F-VASI)",
    family="Vitiligo Area Scoring Index",
    condition="vitiligo",
    level="patient",
    variant="face",
    items=_region_items({"face": "face"}, 3),
    combine="sum-of-products",
    formula="Hand units × residual depigmentation of the face. The face is about 3 to 3.5 % of the body "
    "surface; trials take 3 hand units as its whole.",
    minimum=0,
    maximum=3,
    step=None,
    higher_is_better=False,
    unit="F-VASI points",
    kind="continuous",
    thresholds=_vasi_responders("F-VASI", (50, 75, 90), "usdermed.com; consultantlive.com"),
    source="usdermed.com/clinical-tools/vasi; consultantlive.com",
    verified=True,
    tag="V",
    notes=("Many trials admit patients with a baseline F-VASI of at least 0.5.",),
)

F_VASI_FINGERTIP = Instrument(
    name="f-vasi-fingertip",
    title="Facial vitiligo in fingertip units",
    family="Vitiligo Area Scoring Index",
    condition="vitiligo",
    level="patient",
    variant="face, by fingertip unit",
    items=(
        Item(
            name="fingertip_units",
            label="depigmented area of the face in fingertip units (one hand is 32.1 ± 1.3 of them)",
            minimum=0,
            maximum=112,
            step=None,
        ),
    ),
    formula="Sum of the fingertip units that cover the depigmented face.",
    minimum=0,
    maximum=112,
    step=None,
    higher_is_better=False,
    unit="fingertip units",
    kind="continuous",
    source="PMID 34246695",
    verified=True,
    tag="V",
    notes=(
        "Measurement error: smallest detectable change 2.2 fingertip units; concordance correlation .946; "
        "intraclass correlation .903.",
    ),
)

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

_EXTENT_MCID = MinimalImportantDifference(
    value=1.3,
    low=0.867,
    high=1.697,
    detail="Worsening +1.3 (1.01 to 1.43) and improvement −1.3 (0.867 to 1.697) % of the body surface; the "
    "range is that of improvement.",
    source="ComPaRe e-cohort (n = 244), Br J Dermatol; J Eur Acad Dermatol Venereol jdv.16562",
    verified=True,
)
_EXTENT_SOURCE = (
    "vitiligo-calculator.com; J Am Acad Dermatol jaad.2016.09.034; ComPaRe e-cohort, Br J Dermatol; jdv.16562"
)


def _extent(name: str, title: str, variant: str, mcid: MinimalImportantDifference | None) -> Instrument:
    return Instrument(
        name=name,
        title=title,
        family="Vitiligo Extent Score",
        condition="vitiligo",
        level="patient",
        variant=variant,
        items=(
            Item(
                name="body_surface",
                label="depigmented share of the body surface as the calculator gives it, %",
                minimum=0,
                maximum=100,
                step=None,
            ),
        ),
        formula="Percent of the body surface, read from pictogram templates for each body area by the "
        "published calculator.",
        minimum=0,
        maximum=100,
        step=None,
        higher_is_better=False,
        unit="% of body surface",
        kind="continuous",
        minimal_important_difference=mcid,
        source=_EXTENT_SOURCE,
        verified=True,
        tag="V",
        notes=(
            "The template weights could not be read: only the calculator's total is taken here.",
            *(
                (
                    "Strata: extent 1.05 and 6.45, severity 2.07 and 4.8, impact 2 and 3.35 % of the body "
                    "surface; intraclass correlation .948.",
                )
                if mcid is not None
                else ()
            ),
        ),
    )


VES = _extent("ves", "Vitiligo Extent Score (VES), by an assessor", "assessor", None)
VES_PLUS = _extent(
    "ves-plus", "Vitiligo Extent Score plus (VES-plus), by an assessor", "assessor, plus", None
)
SA_VES = _extent(
    "sa-ves", "Self-Assessment Vitiligo Extent Score (SA-VES), by the patient", "patient", _EXTENT_MCID
)

INSTRUMENTS: tuple[Instrument, ...] = (
    PERCENT_REPIGMENTATION,
    REPIGMENTATION_GRADE,
    REPIGMENTATION_GRADE_SIX,
    REPIGMENTATION_QUARTILE_INFO,
    REPIGMENTATION_PATTERN,
    DEPIGMENTED_AREA,
    VASI,
    T_VASI,
    F_VASI,
    F_VASI_FINGERTIP,
    VES,
    VES_PLUS,
    SA_VES,
)
