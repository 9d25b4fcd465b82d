"""The Vancouver Scar Scale (VSS): four published forms that share item names and differ in their ranges.

Their totals are never mixed or converted, and none of them to POSAS.
"""

from __future__ import annotations

from outcomes.instruments.instrument import Instrument, Item

_FAMILY = "Vancouver Scar Scale"
_NAME_THE_FORM = "A bare “VSS” names no form: say Sullivan, Baryza, Nedelec or the 0-15 variant used."

_VASCULARITY = Item(
    name="vascularity", label="vascularity: 0 normal, 1 pink, 2 red, 3 purple", minimum=0, maximum=3
)
_PLIABILITY = Item(
    name="pliability",
    label="pliability: 0 normal, 1 supple, 2 yielding, 3 firm, 4 banding, 5 contracture",
    minimum=0,
    maximum=5,
)
_HEIGHT = Item(
    name="height",
    label="height: 0 flat, 1 less than 2 mm, 2 from 2 to 5 mm, 3 more than 5 mm",
    minimum=0,
    maximum=3,
)
_PIGMENTATION_BARYZA = Item(
    name="pigmentation", label="pigmentation: 0 normal, 1 hypo, 2 mixed, 3 hyper", minimum=0, maximum=3
)


def _vancouver(
    name: str,
    title: str,
    variant: str,
    items: tuple[Item, ...],
    *,
    formula: str,
    source: str,
    verified: bool = True,
    tag: str = "V",
    recalled: tuple[str, ...] = (),
    notes: tuple[str, ...] = (),
) -> Instrument:
    return Instrument(
        name=name,
        title=title,
        family=_FAMILY,
        condition="scar",
        level="lesion",
        variant=variant,
        items=items,
        formula=formula,
        minimum=sum(item.minimum for item in items if item.scored),
        maximum=sum(item.maximum for item in items if item.scored),
        step=1,
        higher_is_better=False,
        unit="points",
        kind="continuous",
        source=source,
        verified=verified,
        tag=tag,
        recalled=recalled,
        notes=(_NAME_THE_FORM, *notes),
    )


VSS_SULLIVAN = _vancouver(
    "vss-sullivan",
    "Vancouver Scar Scale, Sullivan 1990 (0-13)",
    "Sullivan 1990",
    (
        Item(name="pigmentation", label="pigmentation: 0 normal, 1 hypo, 2 hyper", minimum=0, maximum=2),
        _VASCULARITY,
        _PLIABILITY,
        _HEIGHT,
    ),
    formula="Sum of the four items.",
    source="Sullivan et al. J Burn Care Rehabil 1990;11:256; items as on physio-pedia.com",
)

VSS_BARYZA = _vancouver(
    "vss-baryza",
    "Vancouver Scar Scale, Baryza 1995 (0-14)",
    "Baryza 1995",
    (_PIGMENTATION_BARYZA, _VASCULARITY, _PLIABILITY, _HEIGHT),
    formula="Sum of the four items; mixed pigmentation counts 2.",
    source="Baryza & Baryza 1995; table on woundmaster.blogspot.com",
)

VSS_BARYZA_SYMPTOMS = _vancouver(
    "vss-baryza-symptoms",
    "Vancouver Scar Scale, Baryza 1995 with pain and itch (0-18)",
    "Baryza 1995 with pain and itch",
    (
        _PIGMENTATION_BARYZA,
        _VASCULARITY,
        _PLIABILITY,
        _HEIGHT,
        Item(name="pain", label="pain, 0 to 2", minimum=0, maximum=2),
        Item(name="itch", label="itch, 0 to 2", minimum=0, maximum=2),
    ),
    formula="Sum of the four items, pain and itch.",
    source="Baryza & Baryza 1995; table on woundmaster.blogspot.com",
)

VSS_NEDELEC = _vancouver(
    "vss-nedelec",
    "Vancouver Scar Scale, Nedelec 2000 (0-14)",
    "Nedelec 2000",
    (
        Item(name="vascularity", label="vascularity, 0 to 3", minimum=0, maximum=3),
        Item(name="pigmentation", label="pigmentation, 0 to 3", minimum=0, maximum=3),
        Item(name="pliability", label="pliability, 0 to 4", minimum=0, maximum=4),
        Item(name="height", label="height, 0 to 4", minimum=0, maximum=4),
        Item(name="pain", label="pain, 0 to 10; not summed", minimum=0, maximum=10, step=None, scored=False),
        Item(name="itch", label="itch, 0 to 10; not summed", minimum=0, maximum=10, step=None, scored=False),
    ),
    formula="Sum of the four items; pain and itch stand beside it.",
    source="Nedelec 2000; woundmaster.blogspot.com",
    verified=False,
    tag="V, R",
    recalled=("the items' ranges",),
    notes=("Only the total is reliable, not the single items.",),
)

VSS_0_15 = _vancouver(
    "vss-0-15",
    "Vancouver Scar Scale, a 0-15 variant",
    "0-15 variants",
    (
        Item(
            name="total",
            label="total as the trial's own 0-15 form gives it; name the form in the protocol",
            minimum=0,
            maximum=15,
        ),
    ),
    formula="The recorded total. Several 0-15 forms exist and differ in their items: only a total is taken "
    "here.",
    source="several modified forms; name the one used",
    verified=False,
    tag="R",
    recalled=("everything: several forms share this range",),
)

INSTRUMENTS: tuple[Instrument, ...] = (
    VSS_SULLIVAN,
    VSS_BARYZA,
    VSS_BARYZA_SYMPTOMS,
    VSS_NEDELEC,
    VSS_0_15,
)
