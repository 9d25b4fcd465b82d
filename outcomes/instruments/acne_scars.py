"""Acne scars: Goodman and Baron's two systems and the ECCA grid."""

from __future__ import annotations

from outcomes.instruments.instrument import Instrument, Item, ResponderThreshold

GOODMAN_BARON_QUALITATIVE = Instrument(
    name="goodman-baron-qualitative",
    title="Goodman and Baron qualitative grade of acne scars",
    family="Goodman and Baron acne scar grading",
    condition="scar",
    level="lesion",
    variant="qualitative",
    items=(
        Item(
            name="grade",
            label="1 macular; 2 mild, not obvious at 50 cm or more; 3 moderate, obvious at 50 cm or more, "
            "not covered by make-up, flattens on stretching; 4 severe, not flattened by stretching",
            minimum=1,
            maximum=4,
        ),
    ),
    formula="The grade.",
    minimum=1,
    maximum=4,
    step=1,
    higher_is_better=False,
    unit="grade",
    kind="ordinal",
    grades=("macular", "mild", "moderate", "severe"),
    thresholds=(
        ResponderThreshold(
            name="one grade better",
            derive="change",
            op="at_most",
            value=-1,
            source="used in acne scar trials",
        ),
        ResponderThreshold(
            name="two grades better",
            derive="change",
            op="at_most",
            value=-2,
            source="used in acne scar trials",
        ),
    ),
    source="Goodman & Baron; text of grades 1 to 3 on geantsage.pixnet.net",
    verified=False,
    tag="V, R",
    recalled=("the text of grade 4",),
    notes=("For a side of the face (split-face trials) or for the patient.",),
)

_COUNTS = (0, 10, 20)  # none, 1-10, 11-20, more than 20
_COUNT_WORDS = "0 none, 1 = 1-10, 2 = 11-20, 3 = more than 20"


def _counted(name: str, words: str, points: float) -> Item:
    """One type of atrophic lesion: its points times the multiplier of its count."""
    return Item(
        name=name,
        label=f"{words}: {_COUNT_WORDS} lesions",
        minimum=0,
        maximum=3,
        weight=points,
        count_limits=_COUNTS,
    )


GOODMAN_BARON_QUANTITATIVE = Instrument(
    name="goodman-baron-quantitative",
    title="Goodman and Baron quantitative score of acne scars (2006)",
    family="Goodman and Baron acne scar grading",
    condition="scar",
    level="lesion",
    variant="quantitative 2006",
    items=(
        _counted("macular", "A mild: macular", 1),
        _counted("mildly_atrophic", "A mild: mildly atrophic", 1),
        _counted("moderately_atrophic", "B moderate: moderately atrophic", 2),
        _counted("punched_out_shallow", "B moderate: punched-out, shallow, small", 2),
        _counted("shallow_broad", "B moderate: shallow, broad", 2),
        _counted("punched_out_deep_normal", "C severe: punched-out, deep, normal base", 3),
        _counted("punched_out_deep_abnormal", "C severe: punched-out, deep, abnormal base", 3),
        _counted("linear_troughed", "C severe: linear or troughed", 3),
        _counted("deep_broad", "C severe: deep, broad", 3),
        _counted("hyperplastic_papular", "D hyperplastic: papular", 2),
        Item(
            name="hyperplastic_keloid",
            label="D hyperplastic: keloid or hypertrophic, 0 none, 1 below 5 cm², 2 from 5 to 20 cm², "
            "3 above 20 cm²",
            minimum=0,
            maximum=3,
            weight=6,
        ),
    ),
    formula="Points of the type (A 1, B 2, C 3, papular 2, keloid 6) times the category of its count or "
    "area, summed.",
    minimum=0,
    maximum=84,
    step=1,
    higher_is_better=False,
    unit="points",
    kind="continuous",
    source="Goodman & Baron, J Cosmet Dermatol 2006, doi 10.1111/j.1473-2165.2006.00222.x",
    verified=False,
    tag="V, R, A",
    recalled=("the scoring table; its maximum 6 + 18 + 36 + 24 = 84 is arithmetic on it",),
    notes=("Two raters agreed within 4 points in 19 of 21 patients.",),
)

_ECCA_COUNTS = (0, 4, 20)  # none, 1-4, 5-20, more than 20


def _ecca(name: str, words: str, weight: float) -> Item:
    return Item(
        name=name,
        label=f"{words}: 0 none, 1 few (fewer than 5), 2 limited (5-20), 3 many (more than 20)",
        minimum=0,
        maximum=3,
        weight=weight,
        count_limits=_ECCA_COUNTS,
    )


ECCA = Instrument(
    name="ecca",
    title="ECCA grid (échelle d'évaluation clinique des cicatrices d'acné, 2007)",
    family="ECCA",
    condition="scar",
    level="lesion",
    items=(
        _ecca("ice_pick", "V-shaped (ice-pick) atrophic scars", 15),
        _ecca("boxcar", "U-shaped (boxcar) atrophic scars", 20),
        _ecca("rolling", "M-shaped (rolling) atrophic scars", 25),
        _ecca("elastolysis", "superficial elastolysis", 30),
        _ecca("hypertrophic", "hypertrophic inflammatory scars, less than 2 years", 40),
        _ecca("keloid", "keloid scars, more than 2 years", 50),
    ),
    formula="Sum of weight × category over the six types of scar.",
    minimum=0,
    maximum=540,
    step=5,
    higher_is_better=False,
    unit="points",
    kind="continuous",
    source="Dreno et al. 2007 (six items, weighted)",
    verified=False,
    tag="V, R, A",
    recalled=("the weights and the limits of the counts; the maximum 3 × 180 = 540 is arithmetic on them",),
    notes=(
        "For half a face (split-face trials) or for the patient.",
        "Split-face trials begin near 51 (SD 18).",
    ),
)

INSTRUMENTS: tuple[Instrument, ...] = (GOODMAN_BARON_QUALITATIVE, GOODMAN_BARON_QUANTITATIVE, ECCA)
