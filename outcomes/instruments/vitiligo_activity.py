"""Activity of vitiligo: how recently it moved, and its clinical signs."""

from __future__ import annotations

from outcomes.instruments.instrument import Instrument, Item, ResponderThreshold

VIDA = Instrument(
    name="vida",
    title="Vitiligo Disease Activity score (VIDA)",
    family="Vitiligo Disease Activity",
    condition="vitiligo",
    level="patient",
    items=(
        Item(
            name="activity",
            label="4 active within 6 weeks; 3 active 6 weeks to 3 months; 2 active 3 to 6 months; 1 active "
            "6 to 12 months; 0 stable for at least 1 year; −1 stable for at least 1 year with spontaneous "
            "repigmentation",
            minimum=-1,
            maximum=4,
        ),
    ),
    formula="The category, from the patient's history.",
    minimum=-1,
    maximum=4,
    step=1,
    higher_is_better=False,
    unit="points",
    kind="ordinal",
    grades=(
        "stable, repigmenting",
        "stable ≥ 1 year",
        "active 6-12 months ago",
        "active 3-6 months ago",
        "active 6 weeks-3 months ago",
        "active ≤ 6 weeks ago",
    ),
    thresholds=(
        ResponderThreshold(
            name="stable disease", derive="value", op="at_most", value=0, source="VIDA categories 0 and −1"
        ),
    ),
    source="VIDA six-point form (+4 to −1), as used in published scoring programs; doi 10.1111/jdv.19448 "
    "(review)",
    verified=True,
    tag="V",
    notes=(
        "Rests on the patient's memory: 58 % accuracy in one study of patient-derived scores.",
        "Afify 2021 admitted scores of 0 to 1 as stable.",
    ),
)


def _sign(code: str, words: str) -> Instrument:
    return Instrument(
        name=f"vsas-{code}",
        title=f"Vitiligo Signs of Activity Score (VSAS), {words}",
        family="Vitiligo Signs of Activity Score",
        condition="vitiligo",
        level="patient",
        variant=words,
        items=tuple(
            Item(
                name=f"location_{place}",
                label=f"{words} at body location {place} of 15: 0 no, 1 yes",
                minimum=0,
                maximum=1,
            )
            for place in range(1, 16)
        ),
        formula="Number of the 15 body locations that show the sign.",
        minimum=0,
        maximum=15,
        step=1,
        higher_is_better=False,
        unit="locations",
        kind="continuous",
        source="PMC7687072 (three signs at 15 locations; intraclass correlation .87 to .90)",
        verified=False,
        tag="V, R",
        recalled=("that each location counts 0 or 1, and so the range 0 to 15",),
        notes=("The three signs are scored apart and never added.",),
    )


VSAS_CONFETTI = _sign("confetti", "confetti-like depigmentation")
VSAS_KOEBNER = _sign("koebner", "Koebner phenomenon")
VSAS_HYPOCHROMIC = _sign("hypochromic", "hypochromic areas or borders")

INSTRUMENTS: tuple[Instrument, ...] = (VIDA, VSAS_CONFETTI, VSAS_KOEBNER, VSAS_HYPOCHROMIC)
