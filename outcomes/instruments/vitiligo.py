"""Extent of vitiligo in a patient: VASI and its variants, the Vitiligo Extent Score, the VETF assessment."""

from __future__ import annotations

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
    "Hamzavi et al. Arch Dermatol 2004;140:677; medicalalgorithms.com/vitiligo-area-scoring-index-vasi; "
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
    thresholds=(
        *_vasi_responders("F-VASI", (75,), "usdermed.com; consultantlive.com"),
        *_vasi_responders("F-VASI", (50, 90), "phase 2 trial of ruxolitinib cream 1.5 % twice daily"),
    ),
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

_VETF_AREAS = {
    "head_neck": "head and neck",
    "trunk": "trunk",
    "arms": "arms",
    "legs": "legs",
    "hands_feet": "hands and feet",
}
_VETF_SOURCE = "Taieb et al. (Vitiligo European Task Force), Pigment Cell Res 2007;20:27"


def _vetf(
    part: str,
    title: str,
    variant: str,
    label: str,
    bounds: tuple[float, float],
    total: tuple[float, float],
    *,
    step: float | None = 1,
    formula: str,
    source: str = _VETF_SOURCE,
    notes: tuple[str, ...] = (),
) -> Instrument:
    """One of the VETF's three dimensions: five areas, summed."""
    return Instrument(
        name=f"vetf-{part}",
        title=f"Vitiligo European Task Force assessment, {title}",
        family="Vitiligo European Task Force assessment",
        condition="vitiligo",
        level="patient",
        variant=variant,
        items=tuple(
            Item(name=area, label=f"{words}: {label}", minimum=bounds[0], maximum=bounds[1], step=step)
            for area, words in _VETF_AREAS.items()
        ),
        formula=formula,
        minimum=total[0],
        maximum=total[1],
        step=step,
        higher_is_better=False,
        unit="% of body surface" if part == "extent" else "points",
        kind="continuous",
        source=source,
        verified=True,
        tag="V, D",
        notes=("The range of the sum is arithmetic on the areas' ranges.", *notes),
    )


VETF_EXTENT = _vetf(
    "extent",
    "extent",
    "extent",
    "depigmented share, as % of the whole body surface (rule of nines)",
    (0, 100),
    (0, 100),
    step=None,
    formula="Sum over five areas of the involved percent of the body surface.",
)
VETF_STAGE_REVISED = _vetf(
    "stage-revised",
    "staging, revised (0 to 3)",
    "stage 0-3, revised",
    "stage of the largest macule: 0 normal, 1 incomplete depigmentation, 2 complete (white hair below 30 %), "
    "3 complete with more than 30 % white hair",
    (0, 3),
    (0, 15),
    formula="Sum of the stages of five areas, each rated on its largest macule.",
    source=f"{_VETF_SOURCE}; stages as in the revised form",
    notes=("Not to be mixed with the original form, whose stages run from 0 to 4.",),
)
VETF_STAGE_ORIGINAL = _vetf(
    "stage-original",
    "staging, original (0 to 4)",
    "stage 0-4, original",
    "stage of the largest macule, 0 to 4",
    (0, 4),
    (0, 20),
    formula="Sum of the stages of five areas, each rated on its largest macule.",
    source=f"{_VETF_SOURCE}; stages 0 to 4 as listed by ssdds.org",
    notes=("Not to be mixed with the revised form, whose stages run from 0 to 3.",),
)
VETF_SPREAD = _vetf(
    "spread",
    "spreading",
    "spread",
    "−1 regressive, 0 stable, 1 progressive",
    (-1, 1),
    (-5, 5),
    formula="Sum of the spread of five areas.",
)

INSTRUMENTS: tuple[Instrument, ...] = (
    VASI,
    T_VASI,
    F_VASI,
    F_VASI_FINGERTIP,
    VES,
    VES_PLUS,
    SA_VES,
    VETF_EXTENT,
    VETF_STAGE_REVISED,
    VETF_STAGE_ORIGINAL,
    VETF_SPREAD,
)
