"""Readings of instruments that are machines, and what treatment costs the patient in pain and days."""

from __future__ import annotations

import math

from outcomes.instruments.instrument import NO_BASELINE, Instrument, Item

_SKIN_COLOUR_SOURCE = "mexameter or chromameter, as used in Lee 2011 and Wu 2015"


def _index(name: str) -> Instrument:
    return Instrument(
        name=f"{name}-index",
        title=f"{name.capitalize()} index of a lesion, as the device gives it",
        family="Skin colour by device",
        condition="any",
        level="lesion",
        items=(
            Item(
                name=f"{name}_index",
                label=f"{name} index of the lesion, device units",
                minimum=0,
                maximum=math.inf,
                step=None,
            ),
        ),
        formula="The reading; analysed as its change, or as contrast to the skin around.",
        minimum=0,
        maximum=math.inf,
        step=None,
        higher_is_better=None,
        unit="device units",
        kind="continuous",
        source=_SKIN_COLOUR_SOURCE,
        verified=True,
        tag="V",
        notes=(
            "The direction depends on the condition (melanin: repigmentation of vitiligo is better, "
            "hyperpigmentation of a scar is worse): the protocol states it.",
            "Units depend on the device: name it in the protocol, and never mix devices.",
        ),
    )


def _contrast(name: str) -> Instrument:
    return Instrument(
        name=f"{name}-contrast",
        title=f"Contrast of the {name} index between a lesion and the skin around it",
        family="Skin colour by device",
        condition="any",
        level="lesion",
        variant="contrast to perilesional skin",
        items=tuple(
            Item(
                name=site,
                label=f"{name} index of the {words}, device units",
                minimum=0,
                maximum=math.inf,
                step=None,
            )
            for site, words in (("lesion", "lesion"), ("perilesional", "skin around it"))
        ),
        combine="absolute-difference",
        formula="Absolute difference of the two readings; 0 where the lesion cannot be told from the skin "
        "around.",
        minimum=0,
        maximum=math.inf,
        step=None,
        higher_is_better=False,
        unit="device units",
        kind="continuous",
        source=_SKIN_COLOUR_SOURCE,
        verified=False,
        tag="V, A",
        recalled=("that the difference is taken without its sign, and so the direction",),
    )


TEWL = Instrument(
    name="tewl",
    title="Transepidermal water loss",
    family="Skin barrier",
    condition="any",
    level="lesion",
    items=(
        Item(
            name="tewl",
            label="transepidermal water loss, g/m²/h",
            minimum=0,
            maximum=math.inf,
            step=None,
        ),
    ),
    formula="The reading.",
    minimum=0,
    maximum=math.inf,
    step=None,
    higher_is_better=False,
    unit="g/m²/h",
    kind="continuous",
    source="doi 10.1007/s11095-012-0920-4",
    verified=True,
    tag="V",
    notes=("After a low-fluence fractional CO2 laser the barrier recovered within 12 hours.",),
)

PAIN_VAS = Instrument(
    name="pain-vas",
    title="Pain during a session, 0 to 10",
    family="Pain",
    condition="any",
    level="lesion",
    items=(Item(name="pain", label="0 no pain to 10 worst imaginable", minimum=0, maximum=10, step=None),),
    formula="The mark on the scale, for each side or lesion.",
    minimum=0,
    maximum=10,
    step=None,
    higher_is_better=False,
    unit="points",
    kind="continuous",
    source="as used in trials of fractional laser (visual analogue scale, per side)",
    verified=True,
    tag="V",
    notes=(NO_BASELINE,),
)


def _days(sign: str) -> Instrument:
    return Instrument(
        name=f"{sign}-days",
        title=f"Days of {sign} after a session",
        family="Downtime",
        condition="any",
        level="lesion",
        items=(
            Item(
                name=f"{sign}_days",
                label=f"days from the session until {sign} has resolved",
                minimum=0,
                maximum=math.inf,
                step=None,
            ),
        ),
        formula="Days to resolution, for each session and side.",
        minimum=0,
        maximum=math.inf,
        step=None,
        higher_is_better=False,
        unit="days",
        kind="continuous",
        source="Lee et al. Dermatol Surg 2011, doi 10.1111/j.1524-4725.2011.01999.x "
        "(visits on days 0, 2, 4, 6, 8, 15 and 30)",
        verified=True,
        tag="V",
        notes=("Seen only at visits: the true day lies between two of them.", NO_BASELINE),
    )


INSTRUMENTS: tuple[Instrument, ...] = (
    _index("melanin"),
    _index("erythema"),
    _contrast("melanin"),
    _contrast("erythema"),
    TEWL,
    PAIN_VAS,
    _days("erythema"),
    _days("edema"),
    _days("crust"),
)
