"""Improvement of striae, and global assessments."""

from __future__ import annotations

import math

from outcomes.instruments.instrument import Instrument, Item

_STRIAE_SOURCE = "NCT04956367; a thesis on striae in the Egyptian Knowledge Bank"

STRIAE_IMPROVEMENT = Instrument(
    name="striae-improvement",
    title="Improvement of striae by quartile",
    family="Striae improvement",
    condition="striae",
    level="lesion",
    items=(
        Item(
            name="quartile",
            label="1 poor (below 25 %), 2 fair (25-50 %), 3 good (51-75 %), 4 excellent (above 75 %)",
            minimum=1,
            maximum=4,
        ),
    ),
    formula="The quartile of improvement, by the assessor.",
    minimum=1,
    maximum=4,
    step=1,
    higher_is_better=True,
    unit="quartile",
    kind="ordinal",
    grades=("poor", "fair", "good", "excellent"),
    baseline_by_definition=1.0,
    source=_STRIAE_SOURCE,
    verified=True,
    tag="V",
    notes=("Some trials add 0 for no improvement: give such a scale as a raw column.",),
)

STRIA_WIDTH_REDUCTION = Instrument(
    name="stria-width-reduction",
    title="Percent reduction in the width of the widest stria",
    family="Striae improvement",
    condition="striae",
    level="lesion",
    items=(
        Item(
            name="baseline_width",
            label="width of the widest stria before treatment",
            minimum=0,
            maximum=math.inf,
            step=None,
        ),
        Item(name="width", label="its width now, same unit", minimum=0, maximum=math.inf, step=None),
    ),
    combine="percent-reduction",
    formula="100 × (baseline width − width) / baseline width. Negative where the stria widened; never "
    "clipped.",
    minimum=-math.inf,
    maximum=100,
    step=None,
    higher_is_better=True,
    unit="%",
    kind="continuous",
    baseline_by_definition=0.0,
    source=_STRIAE_SOURCE,
    verified=True,
    tag="V",
)


def _fibre_area(fibre: str) -> Instrument:
    return Instrument(
        name=f"{fibre}-area",
        title=f"Area share of {fibre} in a biopsy",
        family="Biopsy area share",
        condition="striae",
        level="lesion",
        items=(
            Item(
                name=f"{fibre}_area", label=f"area stained for {fibre}, %", minimum=0, maximum=100, step=None
            ),
        ),
        formula=f"Area stained for {fibre} as percent of the section.",
        minimum=0,
        maximum=100,
        step=None,
        higher_is_better=True,
        unit="% of area",
        kind="continuous",
        source=_STRIAE_SOURCE,
        verified=True,
        tag="V",
    )


COLLAGEN_AREA = _fibre_area("collagen")
ELASTIN_AREA = _fibre_area("elastin")

GAIS_1_5 = Instrument(
    name="gais-1-5",
    title="Global Aesthetic Improvement Scale, 1 (very much improved) to 5 (worse)",
    family="Global Aesthetic Improvement Scale",
    condition="any",
    level="lesion",
    variant="1 best to 5 worst",
    items=(
        Item(
            name="gais",
            label="1 very much improved, 2 much improved, 3 improved, 4 no change, 5 worse",
            minimum=1,
            maximum=5,
        ),
    ),
    formula="The category.",
    minimum=1,
    maximum=5,
    step=1,
    higher_is_better=False,
    unit="points",
    kind="ordinal",
    grades=("very much improved", "much improved", "improved", "no change", "worse"),
    baseline_by_definition=4.0,
    source="Global Aesthetic Improvement Scale, form 1 to 5",
    verified=False,
    tag="R",
    recalled=("everything",),
    notes=("The direction differs: a form from −1 to 3 exists too, where higher is better.",),
)

GAIS_MINUS_1_3 = Instrument(
    name="gais-minus-1-3",
    title="Global Aesthetic Improvement Scale, −1 (worse) to 3 (very much improved)",
    family="Global Aesthetic Improvement Scale",
    condition="any",
    level="lesion",
    variant="−1 worst to 3 best",
    items=(
        Item(
            name="gais",
            label="−1 worse, 0 no change, 1 improved, 2 much improved, 3 very much improved",
            minimum=-1,
            maximum=3,
        ),
    ),
    formula="The category.",
    minimum=-1,
    maximum=3,
    step=1,
    higher_is_better=True,
    unit="points",
    kind="ordinal",
    grades=("worse", "no change", "improved", "much improved", "very much improved"),
    baseline_by_definition=0.0,
    source="Global Aesthetic Improvement Scale, form −1 to 3",
    verified=False,
    tag="R",
    recalled=("everything",),
    notes=("The direction differs: a form from 1 to 5 exists too, where lower is better.",),
)

IGA = Instrument(
    name="iga",
    title="Investigator's (physician's) global assessment, 0 to 4",
    family="Global assessment",
    condition="any",
    level="patient",
    items=(Item(name="iga", label="0 clear to 4 severe, as the trial defines it", minimum=0, maximum=4),),
    formula="The category.",
    minimum=0,
    maximum=4,
    step=1,
    higher_is_better=False,
    unit="points",
    kind="ordinal",
    grades=("0", "1", "2", "3", "4"),
    source="trial-specific: quote the trial's own definition",
    verified=False,
    tag="R",
    recalled=("everything: the definition is each trial's own",),
)

INSTRUMENTS: tuple[Instrument, ...] = (
    STRIAE_IMPROVEMENT,
    STRIA_WIDTH_REDUCTION,
    COLLAGEN_AREA,
    ELASTIN_AREA,
    GAIS_1_5,
    GAIS_MINUS_1_3,
    IGA,
)
