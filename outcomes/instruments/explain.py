"""An instrument in plain text, as `tandem instruments NAME` prints it."""

from __future__ import annotations

import itertools
import math
import re
import textwrap
from collections.abc import Iterable
from dataclasses import dataclass

from outcomes.instruments.instrument import Instrument, Item, describe_range

_WIDTH = 88
_NUMBER = re.compile(r"[0-9]+$")


@dataclass(frozen=True, slots=True)
class ItemGroup:
    """One item (`last` is None), or numbered items alike in all but their number; `label` speaks of all."""

    first: Item
    last: Item | None
    label: str


def explain(instrument: Instrument) -> str:
    """The instrument for a clinician: what is rated, how it adds up, and how sure that is."""
    blocks = [
        f"{instrument.title}\n{'=' * len(instrument.title)}",
        _facts(instrument),
        _items(instrument),
        _section("Total", [instrument.formula]),
        _section("Responders", [threshold.describe() for threshold in instrument.thresholds]),
        _section("Smallest important difference", _important_difference(instrument)),
        _section("Missing items", [_missing(instrument)]),
        _section("Notes", instrument.notes),
        _section("Source", [instrument.source]),
        _section("How sure", [_how_sure(instrument)]),
    ]
    return "\n\n".join(block for block in blocks if block) + "\n"


def direction(instrument: Instrument) -> str:
    """The direction of the total in words."""
    if instrument.kind == "nominal":
        return "none: categories without an order"
    if instrument.higher_is_better is None:
        return "depends on the condition: the protocol must say"
    return "higher is better" if instrument.higher_is_better else "higher is worse"


def total_range(instrument: Instrument) -> str:
    """The range of the total in words."""
    if math.isnan(instrument.minimum):
        return "none"
    return describe_range(instrument.minimum, instrument.maximum)


def _facts(instrument: Instrument) -> str:
    rows = [
        ("Name", instrument.name),
        ("Family", instrument.family),
        ("Variant", instrument.variant),
        ("Version", instrument.version),
        ("Used in", instrument.condition),
        ("Describes", f"a {instrument.level}"),
        ("Range", total_range(instrument)),
        ("Direction", direction(instrument)),
        ("Unit", instrument.unit),
        ("Kind", instrument.kind),
    ]
    return "\n".join(
        textwrap.fill(value, _WIDTH, initial_indent=f"{name + ':':<11}", subsequent_indent=" " * 11)
        for name, value in rows
        if value
    )


def grouped(items: Iterable[Item]) -> tuple[ItemGroup, ...]:
    """Items in order, with numbered items that differ in nothing but their number as one group."""
    groups = []
    for _, run in itertools.groupby(items, key=_without_number):
        members = list(run)
        first, last = members[0], members[-1]
        if len(members) == 1:
            groups.append(ItemGroup(first, None, first.label))
            continue
        low, high = (_NUMBER.findall(end.name)[0] for end in (first, last))  # a run of several has numbers
        label = first.label.replace(low, f"{low} to {high}", 1)
        groups.append(ItemGroup(first, last, label))
    return tuple(groups)


def _without_number(item: Item) -> tuple[object, ...]:
    """What numbered items of one kind share; the name itself where there is no number."""
    found = _NUMBER.search(item.name)
    if found is None or found.group() not in item.label:
        return (item.name,)
    stem, label = item.name[: found.start()], item.label.replace(found.group(), "#", 1)
    return stem, label, item.minimum, item.maximum, item.step, item.weight, item.scored


def _items(instrument: Instrument) -> str:
    lines = ["Items (column, allowed values, meaning)"]
    for group in grouped(instrument.items):
        weight = f" (weight {group.first.weight:g})" if group.first.weight != 1 else ""
        names = group.first.name if group.last is None else f"{group.first.name} to {group.last.name}"
        lines.append(f"  {names}: {group.first.expected()}{weight}")
        lines.append(textwrap.fill(group.label, _WIDTH, initial_indent=" " * 6, subsequent_indent=" " * 6))
    return "\n".join(lines)


def _important_difference(instrument: Instrument) -> list[str]:
    important = instrument.minimal_important_difference
    if important is None:
        return ["None known for the total."]
    recalled = "" if important.verified else " Recalled, not verified."
    amount = f"{important.value:g} {instrument.unit}"
    return [f"{amount}. {important.detail} Source: {important.source}.{recalled}"]


def _missing(instrument: Instrument) -> str:
    rule = instrument.missing_rule
    if rule.name == "none":
        return rule.text
    recalled = "" if rule.verified else " Recalled, not verified."
    return (
        "By default a total with any missing item is missing. Published rule, used only when asked: "
        f"{rule.text} Source: {rule.source}.{recalled}"
    )


def _how_sure(instrument: Instrument) -> str:
    sure = "read in the source named above"
    if "D" in instrument.tag:
        sure += ", or derived from it by arithmetic"
    parts = "; ".join(instrument.recalled)
    if instrument.verified:
        return f"Verified: {sure}." + (f" Not verified: {parts}." if parts else "")
    return f"NOT verified against the original: check before relying on it. Recalled or assumed: {parts}."


def _section(title: str, paragraphs: Iterable[str]) -> str:
    bodies = [
        textwrap.fill(paragraph, _WIDTH, initial_indent="  ", subsequent_indent="  ")
        for paragraph in paragraphs
    ]
    return "\n".join([title, *bodies]) if bodies else ""
