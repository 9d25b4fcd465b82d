"""The Patient and Observer Scar Assessment Scale (POSAS), version 2.0."""

from __future__ import annotations

from outcomes.instruments.instrument import Instrument, Item, MinimalImportantDifference

_SOURCE = "posas.nl/instructions (POSAS 2.0)"
_FORMULA = "Sum of the six items. The overall opinion is recorded beside it and is no part of the total."
_NOTE_VERSION = "POSAS 3.0 (2023) was rebuilt from other items: its scores are never mixed with version 2.0."


def _items(names: dict[str, str]) -> tuple[Item, ...]:
    """Six items of 1 (normal skin) to 10 (worst imaginable), and the overall opinion, which is not summed."""
    rated = tuple(
        Item(name=name, label=f"{label}, 1 (as normal skin) to 10 (worst)", minimum=1, maximum=10)
        for name, label in names.items()
    )
    overall = Item(
        name="overall_opinion",
        label="overall opinion, 1 (as normal skin) to 10 (worst); not summed",
        minimum=1,
        maximum=10,
        scored=False,
    )
    return (*rated, overall)


POSAS_OBSERVER = Instrument(
    name="posas-observer",
    title="Patient and Observer Scar Assessment Scale 2.0, observer scale",
    family="Patient and Observer Scar Assessment Scale",
    condition="scar",
    level="lesion",
    variant="observer",
    version="2.0",
    items=_items(
        {
            "vascularity": "vascularity",
            "pigmentation": "pigmentation",
            "thickness": "thickness",
            "relief": "relief",
            "pliability": "pliability",
            "surface_area": "surface area",
        }
    ),
    formula=_FORMULA,
    minimum=6,
    maximum=60,
    step=1,
    higher_is_better=False,
    unit="points",
    kind="continuous",
    source=_SOURCE,
    verified=True,
    tag="V",
    notes=(_NOTE_VERSION,),
)

POSAS_PATIENT = Instrument(
    name="posas-patient",
    title="Patient and Observer Scar Assessment Scale 2.0, patient scale",
    family="Patient and Observer Scar Assessment Scale",
    condition="scar",
    level="lesion",
    variant="patient",
    version="2.0",
    items=_items(
        {
            "pain": "pain",
            "itch": "itch",
            "colour": "colour",
            "stiffness": "stiffness",
            "thickness": "thickness",
            "irregularity": "irregularity",
        }
    ),
    formula=_FORMULA,
    minimum=6,
    maximum=60,
    step=1,
    higher_is_better=False,
    unit="points",
    kind="continuous",
    minimal_important_difference=MinimalImportantDifference(
        value=2.34,
        low=0.48,
        high=2.34,
        detail="Minimal clinically important difference 0.08 to 0.39 of the mean item, times 6 for the sum "
        "(our arithmetic); 127 patients with burn scars. The minimal important change within a patient is "
        "0.29 to 0.59 a mean item (1.74 to 3.54 of the sum) at 3-6 months and 0.38 to 0.75 (2.28 to 4.50) "
        "at 6-12 months.",
        source="posas.nl, the MIC and the MCID; Legemate 2024, Burns",
        verified=True,
    ),
    source=_SOURCE,
    verified=True,
    tag="V",
    notes=(_NOTE_VERSION, "For patients of 15 years and more; not to be scored from photographs."),
)

INSTRUMENTS: tuple[Instrument, ...] = (POSAS_OBSERVER, POSAS_PATIENT)
