"""An instrument in plain text, as `tandem instruments NAME` prints it."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable

from outcomes.instruments.instrument import Instrument, describe_range

_WIDTH = 88


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


def _items(instrument: Instrument) -> str:
    lines = ["Items (column, allowed values, meaning)"]
    for item in instrument.items:
        weight = f" (weight {item.weight:g})" if item.weight != 1 else ""
        lines.append(f"  {item.name}: {item.expected()}{weight}")
        lines.append(textwrap.fill(item.label, _WIDTH, initial_indent=" " * 6, subsequent_indent=" " * 6))
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
