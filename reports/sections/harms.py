"""Harm and downtime."""

from __future__ import annotations

from collections.abc import Iterator

from reports.document import Block, Paragraph
from reports.harm_words import harm_line
from reports.sections.parts import Parts
from reports.tables.harms import (
    downtime_table,
    harms_table,
    overview_table,
    patients_table,
    severity_table,
)


def harms(parts: Parts) -> Iterator[Block]:
    """Yield what harm was seen, and the days of downtime."""
    context = parts.context
    yield Paragraph(harm_line(context), "lead", ("table:harms", "table:downtime"))
    tables = (
        overview_table(context),
        harms_table(context),
        patients_table(context),
        severity_table(context),
        downtime_table(context),
    )
    yield from (table for table in tables if table is not None)
