"""What an analysis blind to the pairing would have said."""

from __future__ import annotations

from collections.abc import Iterator

from reports import remarks
from reports.document import Block, Paragraph
from reports.sections.parts import Parts
from reports.tables.sensitivity import (
    naive_table,
)


def naive(parts: Parts) -> Iterator[Block]:
    """Yield the analyses that take values as independent, beside the right one."""
    context = parts.context
    table = naive_table(context)
    if table is None:
        return
    yield Paragraph(remarks.naive_sentence(context), "lead", ("figure:naive", "table:naive"))
    yield from parts.figure("naive")
    yield table
