"""Quality of life and satisfaction, as the patient reports them."""

from __future__ import annotations

from outcomes.instruments.instrument import (
    NO_BASELINE,
    Band,
    Instrument,
    Item,
    MinimalImportantDifference,
    MissingRule,
)

_DLQI_TOPICS = (
    "itchy, sore, painful or stinging skin",
    "embarrassment",
    "shopping, home or garden",
    "clothes",
    "social or leisure activities",
    "sport",
    "work or study",
    "partner, friends or relatives",
    "sexual difficulties",
    "the treatment itself",
)
_DLQI_ITEMS = tuple(
    Item(
        name=f"q{position}",
        label=f"{topic}: 0 not at all (or not relevant) to 3 very much",
        minimum=0,
        maximum=3,
    )
    for position, topic in enumerate(_DLQI_TOPICS, start=1)
)
_DLQI_BANDS = (
    Band(low=0, high=1, label="no effect"),
    Band(low=2, high=5, label="small effect"),
    Band(low=6, high=10, label="moderate effect"),
    Band(low=11, high=20, label="very large effect"),
    Band(low=21, high=30, label="extremely large effect"),
)
_DLQI_MCID = MinimalImportantDifference(
    value=4,
    detail="Change of the total that patients notice.",
    source="commonly cited for inflammatory skin disease",
    verified=False,
)

DLQI = Instrument(
    name="dlqi",
    title="Dermatology Life Quality Index (DLQI)",
    family="Dermatology Life Quality Index",
    condition="any",
    level="patient",
    items=_DLQI_ITEMS,
    formula="Sum of the ten answers.",
    minimum=0,
    maximum=30,
    step=1,
    higher_is_better=False,
    unit="points",
    kind="continuous",
    minimal_important_difference=_DLQI_MCID,
    bands=_DLQI_BANDS,
    missing_rule=MissingRule(
        name="dlqi",
        text="One unanswered question counts 0; with two or more the questionnaire is not scored.",
        source="DLQI instructions",
        verified=False,
    ),
    source="Hongbo et al. J Invest Dermatol 2005;125:659 (bands; n = 1993, mean 4.86, SD 5.83)",
    verified=True,
    tag="V",
    recalled=("the rule for missing answers", "the smallest important difference of 4 points"),
)

DLQI_R = Instrument(
    name="dlqi-r",
    title="Dermatology Life Quality Index, relevant answers only (DLQI-R)",
    family="Dermatology Life Quality Index",
    condition="any",
    level="patient",
    variant="rescaled for “not relevant” answers",
    items=(
        *_DLQI_ITEMS,
        Item(
            name="not_relevant",
            label="number of questions answered “not relevant” (each of them scored 0)",
            minimum=0,
            maximum=8,
        ),
    ),
    combine="dlqi-r",
    formula="Sum of the ten answers × 10 / (10 − number of “not relevant” answers).",
    minimum=0,
    maximum=30,
    step=None,
    higher_is_better=False,
    unit="points",
    kind="continuous",
    source="Br J Dermatol, doi bjd.16927 (concept)",
    verified=False,
    tag="V, R",
    recalled=("the formula", "that eight of the ten questions offer “not relevant”"),
    notes=("Not to be mixed with the DLQI: the same answers can give a higher total.",),
)

VITIQOL = Instrument(
    name="vitiqol",
    title="Vitiligo-specific quality of life (VitiQoL)",
    family="VitiQoL",
    condition="vitiligo",
    level="patient",
    items=(
        *(
            Item(
                name=f"q{position}",
                label=f"question {position}: 0 not at all to 6 all of the time",
                minimum=0,
                maximum=6,
            )
            for position in range(1, 16)
        ),
        Item(
            name="severity",
            label="the patient's own rating of severity, 0 to 6; not summed",
            minimum=0,
            maximum=6,
            scored=False,
        ),
    ),
    formula="Sum of the fifteen answers.",
    minimum=0,
    maximum=90,
    step=1,
    higher_is_better=False,
    unit="points",
    kind="continuous",
    source="Lilly et al. J Am Acad Dermatol 2013;69:e11 (15 items of 0 to 6, total 0 to 90)",
    verified=True,
    tag="V",
    recalled=("the sixteenth item (severity) that stands apart",),
    notes=("A clinic sample began at a median of 27 (15 to 56; n = 131).",),
)

_Q_PORTFOLIO = MissingRule(
    name="half-mean",
    text="Where at least half of the items were answered, the mean of the answered ones replaces the others.",
    source="Q-portfolio rule",
    verified=False,
)
_SCAR_Q_SCALES = {"appearance": 12, "symptom": 12, "psychosocial": 5}


def _scar_q_rasch(scale: str) -> Instrument:
    return Instrument(
        name=f"scar-q-{scale}",
        title=f"SCAR-Q, {scale} scale (Rasch score, 0 to 100)",
        family="SCAR-Q",
        condition="scar",
        level="patient",
        variant=f"{scale}, Rasch score",
        items=(
            Item(
                name="rasch_score",
                label="score from the publisher's conversion table",
                minimum=0,
                maximum=100,
                step=None,
            ),
        ),
        formula="The Rasch score that the publisher's table gives for the sum of the answers.",
        minimum=0,
        maximum=100,
        step=None,
        higher_is_better=True,
        unit="points",
        kind="continuous",
        missing_rule=MissingRule(
            text="The rule for missing answers acts on the answers, before the conversion: see the raw form."
        ),
        source="SCAR-Q",
        verified=False,
        tag="R",
        recalled=("the range and the direction",),
        notes=("The conversion table could not be read: only its result is taken here.",),
    )


def _scar_q_raw(scale: str, items: int) -> Instrument:
    return Instrument(
        name=f"scar-q-{scale}-raw",
        title=f"SCAR-Q, {scale} scale (sum of the {items} answers, before conversion)",
        family="SCAR-Q",
        condition="scar",
        level="patient",
        variant=f"{scale}, raw sum",
        items=tuple(
            Item(
                name=f"q{position}",
                label=f"question {position}: 1 worst to 4 best",
                minimum=1,
                maximum=4,
            )
            for position in range(1, items + 1)
        ),
        formula="Sum of the answers; the publisher's table converts it to 0 to 100.",
        minimum=items,
        maximum=4 * items,
        # Half-mean substitution gives sums between the integers: the grid holds for complete answers only.
        step=None,
        higher_is_better=True,
        unit="points",
        kind="continuous",
        missing_rule=_Q_PORTFOLIO,
        source="SCAR-Q",
        verified=False,
        tag="R",
        recalled=("the number of items, their range and direction", "the rule for missing answers"),
        notes=("A raw sum, to be converted: never mixed with the Rasch score.",),
    )


SCAR_Q = tuple(_scar_q_rasch(scale) for scale in _SCAR_Q_SCALES) + tuple(
    _scar_q_raw(scale, items) for scale, items in _SCAR_Q_SCALES.items()
)

SATISFACTION_VAS = Instrument(
    name="satisfaction-vas",
    title="Patient satisfaction, 0 to 10",
    family="Satisfaction",
    condition="any",
    level="patient",
    variant="visual analogue scale",
    items=(
        Item(
            name="satisfaction",
            label="0 not satisfied at all to 10 fully satisfied",
            minimum=0,
            maximum=10,
            step=None,
        ),
    ),
    formula="The mark on the scale.",
    minimum=0,
    maximum=10,
    step=None,
    higher_is_better=True,
    unit="points",
    kind="continuous",
    source="as used in Abdelghani 2018 and Shin 2012",
    verified=True,
    tag="V",
    notes=(NO_BASELINE,),
)

SATISFACTION_FOUR_LEVEL = Instrument(
    name="satisfaction-four-level",
    title="Patient satisfaction in four levels",
    family="Satisfaction",
    condition="any",
    level="patient",
    variant="four levels",
    items=(Item(name="satisfaction", label="0 not satisfied to 3 very satisfied", minimum=0, maximum=3),),
    formula="The level.",
    minimum=0,
    maximum=3,
    step=1,
    higher_is_better=True,
    unit="level",
    kind="ordinal",
    grades=("not satisfied", "slightly satisfied", "satisfied", "very satisfied"),
    source="four-level form, as used in trials of laser and platelet-rich plasma",
    verified=True,
    tag="V",
    notes=("The wording of the levels between the extremes is each trial's own.", NO_BASELINE),
)

INSTRUMENTS: tuple[Instrument, ...] = (
    DLQI,
    DLQI_R,
    VITIQOL,
    *SCAR_Q,
    SATISFACTION_VAS,
    SATISFACTION_FOUR_LEVEL,
)
