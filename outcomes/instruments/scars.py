"""Scar scales beside POSAS and the Vancouver Scar Scale."""

from __future__ import annotations

from outcomes.instruments.instrument import Instrument, Item

UNC4P = Instrument(
    name="unc4p",
    title="University of North Carolina 4P scar scale (UNC4P)",
    family="UNC4P",
    condition="scar",
    level="patient",
    items=tuple(
        Item(name=name, label=f"{name}, 0 none to 3 severe", minimum=0, maximum=3)
        for name in ("pain", "pruritus", "paraesthesia", "pliability")
    ),
    formula="Sum of the four items.",
    minimum=0,
    maximum=12,
    step=1,
    higher_is_better=False,
    unit="points",
    kind="continuous",
    source="as used in Dai 2021, Burns & Trauma 9:tkab016 (baseline means near 8 agree with a range of 0 to "
    "12)",
    verified=False,
    tag="R",
    recalled=("the items, their ranges and the direction",),
)

MANCHESTER_ITEMS = (
    Item(
        name="colour",
        label="colour: 1 perfect match, 2 slight, 3 obvious, 4 gross mismatch",
        minimum=1,
        maximum=4,
    ),
    Item(name="surface", label="surface: 1 matte, 2 shiny", minimum=1, maximum=2),
    Item(
        name="contour",
        label="contour: 1 flush with the skin, 2 slightly proud or indented, 3 hypertrophic, 4 keloid",
        minimum=1,
        maximum=4,
    ),
    Item(name="distortion", label="distortion: 1 none, 2 mild, 3 moderate, 4 severe", minimum=1, maximum=4),
    Item(name="texture", label="texture: 1 normal, 2 just palpable, 3 firm, 4 hard", minimum=1, maximum=4),
)
_MANCHESTER_SOURCE = "Beausang et al. Plast Reconstr Surg 1998;102:1954 (items); PMC5640351"
_MANCHESTER_NOTE = "In a striae trial the score fell from 12.0 (SD 0.8) to 7.1 (SD 1.4)."

MANCHESTER = Instrument(
    name="manchester-categorical",
    title="Manchester Scar Scale, five items without the visual analogue scale (5-18)",
    family="Manchester Scar Scale",
    condition="scar",
    level="lesion",
    variant="categorical items only",
    items=MANCHESTER_ITEMS,
    formula="Sum of the five items.",
    minimum=5,
    maximum=18,
    step=1,
    higher_is_better=False,
    unit="points",
    kind="continuous",
    source=_MANCHESTER_SOURCE,
    verified=True,
    tag="V",
    notes=(_MANCHESTER_NOTE,),
)

MANCHESTER_VAS = Instrument(
    name="manchester-vas",
    title="Manchester Scar Scale with the visual analogue scale (5-28)",
    family="Manchester Scar Scale",
    condition="scar",
    level="lesion",
    variant="with visual analogue scale",
    items=(
        *MANCHESTER_ITEMS,
        Item(
            name="vas",
            label="visual analogue scale: 0 excellent to 10 poor scar",
            minimum=0,
            maximum=10,
            step=None,
        ),
    ),
    formula="Sum of the five items and the visual analogue scale.",
    minimum=5,
    maximum=28,
    step=None,
    higher_is_better=False,
    unit="points",
    kind="continuous",
    source=_MANCHESTER_SOURCE,
    verified=True,
    tag="V",
    notes=(_MANCHESTER_NOTE,),
)

SBSES = Instrument(
    name="sbses",
    title="Stony Brook Scar Evaluation Scale (SBSES)",
    family="Stony Brook Scar Evaluation Scale",
    condition="scar",
    level="lesion",
    items=(
        Item(name="width", label="width: 1 at most 2 mm, 0 wider", minimum=0, maximum=1),
        Item(name="height", label="height: 1 flat, 0 raised or depressed", minimum=0, maximum=1),
        Item(name="colour", label="colour: 1 as the skin or lighter, 0 darker", minimum=0, maximum=1),
        Item(name="suture_marks", label="suture marks: 1 none, 0 present", minimum=0, maximum=1),
        Item(name="overall", label="overall appearance: 1 good, 0 poor", minimum=0, maximum=1),
    ),
    formula="Number of favourable features.",
    minimum=0,
    maximum=5,
    step=1,
    higher_is_better=True,
    unit="points",
    kind="continuous",
    source="Stony Brook Scar Evaluation Scale (name read in a source)",
    verified=False,
    tag="V, R",
    recalled=("the items and the range",),
    notes=("Higher is better, unlike the other scar scales.",),
)

SCAR_SCALE = Instrument(
    name="scar-scale",
    title="Scar Cosmesis Assessment and Rating (SCAR) scale",
    family="SCAR scale",
    condition="scar",
    level="lesion",
    items=(
        Item(name="spread", label="clinician: scar spread, 0 to 4", minimum=0, maximum=4),
        Item(name="erythema", label="clinician: erythema, 0 to 3", minimum=0, maximum=3),
        Item(name="dyspigmentation", label="clinician: dyspigmentation, 0 no, 1 yes", minimum=0, maximum=1),
        Item(name="suture_marks", label="clinician: suture marks, 0 no, 1 yes", minimum=0, maximum=1),
        Item(
            name="hypertrophy_atrophy",
            label="clinician: hypertrophy or atrophy, 0 to 3",
            minimum=0,
            maximum=3,
        ),
        Item(name="overall", label="clinician: overall, 0 desirable, 1 undesirable", minimum=0, maximum=1),
        Item(name="itch", label="patient: itch, 0 no, 1 yes", minimum=0, maximum=1),
        Item(name="pain", label="patient: pain, 0 no, 1 yes", minimum=0, maximum=1),
    ),
    formula="Sum of six items of the clinician and two of the patient.",
    minimum=0,
    maximum=15,
    step=1,
    higher_is_better=False,
    unit="points",
    kind="continuous",
    source="PMC11087307, table 2",
    verified=True,
    tag="V",
)

INSTRUMENTS: tuple[Instrument, ...] = (UNC4P, MANCHESTER, MANCHESTER_VAS, SBSES, SCAR_SCALE)
