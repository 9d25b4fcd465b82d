"""Harm and downtime."""

from __future__ import annotations

from collections.abc import Iterator

from reports.document import Block, Paragraph
from reports.harm_words import harm_line
from reports.sections.parts import Parts
from reports.tables.harms import downtime_table, harms_table


def harms(parts: Parts) -> Iterator[Block]:
    """Yield what harm was seen, and the days of downtime."""
    context = parts.context
    yield Paragraph(harm_line(context), "lead")
    table = harms_table(context)
    if table is not None:
        yield table
    downtime = downtime_table(context)
    if downtime is not None:
        yield downtime
