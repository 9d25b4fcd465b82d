"""The page docs/instruments.md, written from the registry: ``python -m outcomes.instruments.page``."""

from __future__ import annotations

import sys
from pathlib import Path

from outcomes.instruments.explain import ItemGroup, direction, grouped, total_range
from outcomes.instruments.instrument import Instrument, number
from outcomes.instruments.registry import INSTRUMENTS, WITHHELD

_CONDITIONS = {
    "vitiligo": "Vitiligo",
    "scar": "Scars",
    "striae": "Striae",
    "any": "Any condition",
}

_INTRODUCTION = """\
# Outcome instruments

What tandem knows of each instrument: items, range, direction, cut-offs, missing items, source. This page is
written from the registry that scores them (`python -m outcomes.instruments.page`), so the two cannot
differ.

```python
from outcomes import get_instrument, list_instruments, score

list_instruments()                     # this page's first table, as a DataFrame
print(get_instrument("vasi").explain())  # one instrument for a clinician; also: tandem instruments vasi
score("posas-observer", frame)         # one column an item, one row a rating -> totals
```

In `trial.toml` an endpoint names one: `instrument = "posas-observer"` with `column` for a recorded total,
or with `items = { vascularity = "V1", ... }` to have it scored.

**Rules that hold for all of them.** Forms and versions are never mixed or converted into one another: a
bare “VSS” or “POSAS” is an error that lists the forms. A value outside its item's bounds or off its grid is
an error that names row, column and value; nothing is clipped or rounded. A total with any missing item is
missing; `missing="published"` follows the authors' own rule where there is one. Percent repigmentation is
negative where a lesion grew.

**Verified** means that items, formula, range and direction were read in the source named, or follow from it
by arithmetic. “No” means that some of it was recalled or assumed, and the section says which part: check it
against the original before relying on it.
"""


def instruments_page() -> str:
    """The page in Markdown."""
    parts = [_INTRODUCTION, _overview()]
    for condition, title in _CONDITIONS.items():
        parts.append(f"## {title}\n")
        parts += [_section(found) for found in INSTRUMENTS.values() if found.condition == condition]
    parts.append(_left_out())
    return "\n".join(parts)


def _overview() -> str:
    lines = [
        "| name | instrument | describes a | range | direction | verified |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| [`{found.name}`](#{found.name}) | {found.title} | {found.level} | {total_range(found)} | "
        f"{direction(found)} | {'yes' if found.verified else 'no'} |"
        for found in INSTRUMENTS.values()
    ]
    return "\n".join(lines) + "\n"


def _section(found: Instrument) -> str:
    facts = [
        f"{found.title}. {_form(found)}One value a {found.level}; {total_range(found)}, {direction(found)}; "
        f"unit: {found.unit}.",
        f"*Total.* {found.formula}",
        *(
            ["*Responders.* " + "; ".join(t.describe() for t in found.thresholds) + "."]
            if found.thresholds
            else []
        ),
        *_important_difference(found),
        *(
            [
                "*Bands.* "
                + "; ".join(f"{number(b.low)} to {number(b.high)} {b.label}" for b in found.bands)
                + "."
            ]
            if found.bands
            else []
        ),
        *_missing(found),
        *([f"*Notes.* {' '.join(found.notes)}"] if found.notes else []),
        f"*Source.* {found.source}. {_verified(found)}",
    ]
    items = "\n".join(f"- {words}" for words in map(_item, grouped(found.items)))
    return f"### {found.name}\n\n" + "\n\n".join([facts[0], items, *facts[1:]]) + "\n"


def _form(found: Instrument) -> str:
    words = [
        *([f"Form: {found.variant}"] if found.variant else []),
        *([f"version {found.version}"] if found.version else []),
    ]
    return f"{', '.join(words)}. " if words else ""


def _item(group: ItemGroup) -> str:
    weight = f", weight {number(group.first.weight)}" if group.first.weight != 1 else ""
    names = f"`{group.first.name}`" if group.last is None else f"`{group.first.name}` to `{group.last.name}`"
    return f"{names} ({group.first.expected()}{weight}): {group.label}"


def _important_difference(found: Instrument) -> list[str]:
    important = found.minimal_important_difference
    if important is None:
        return []
    recalled = "" if important.verified else " Recalled, not verified."
    return [
        f"*Smallest important difference.* {number(important.value)} {found.unit}. {important.detail} "
        f"Source: {important.source}.{recalled}"
    ]


def _missing(found: Instrument) -> list[str]:
    rule = found.missing_rule
    if rule.name == "none":
        return []
    recalled = "" if rule.verified else " Recalled, not verified."
    return [f"*Missing items, where asked for.* {rule.text}{recalled}"]


def _verified(found: Instrument) -> str:
    parts = "; ".join(found.recalled)
    if found.verified:
        return "Verified." + (f" Not verified: {parts}." if parts else "")
    return f"**Not verified**: {parts}."


def _left_out() -> str:
    lines = ["## Left out on purpose", ""]
    lines += [f"- `{name}`: {why}" for name, why in WITHHELD.items()]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Write the page to docs/instruments.md of the repository, or to the path given."""
    default = Path(__file__).resolve().parents[2] / "docs" / "instruments.md"
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else default
    path.write_text(instruments_page(), encoding="utf-8")


if __name__ == "__main__":
    main()
