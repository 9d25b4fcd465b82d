"""How far the answer rests on assumptions."""

from __future__ import annotations

from collections.abc import Iterator

from reports import remarks
from reports.document import Block, Paragraph
from reports.sections.parts import Parts
from reports.tables.flow import missing_table
from reports.tables.sensitivity import (
    carry_across_table,
    sensitivity_table,
)


def sensitivity(parts: Parts) -> Iterator[Block]:
    """Yield the answers under other assumptions."""
    context = parts.context
    sentence = remarks.sensitivity_sentence(context)
    if sentence:
        yield Paragraph(sentence, "lead", ("table:sensitivity",))
    spread = remarks.spread_sentence(context)
    if spread:
        yield Paragraph(spread)
    table = sensitivity_table(context)
    if table is not None:
        yield table
    yield missing_table(context)
    carried = carry_across_table(context)
    if carried is not None:
        yield carried
