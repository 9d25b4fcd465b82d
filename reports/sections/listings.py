"""The data themselves."""

from __future__ import annotations

from collections.abc import Iterator

from reports.document import Block, Paragraph
from reports.sections.parts import Parts
from reports.tables.listings import listings as data_listings


def listings(parts: Parts) -> Iterator[Block]:
    """Yield the listings, with a word on who should see them."""
    tables = tuple(data_listings(parts.context))
    if not tables:
        return
    yield Paragraph(
        "Single patients' data, as they were recorded. A report for readers who should not see them leaves this "
        'section out: omit = ["listings"] in [report].',
        "note",
    )
    yield from tables
