"""Who they were before treatment, by patient and by lesion."""

from __future__ import annotations

from collections.abc import Iterator

from reports.document import Block, Paragraph
from reports.sections.parts import Parts
from reports.tables.baseline import baseline_tables


def baseline(parts: Parts) -> Iterator[Block]:
    """Yield a table of the patients and one of the lesions."""
    tables = baseline_tables(parts.context)
    yield from tables
    if not tables:
        yield Paragraph("No covariate or baseline value is provided with the data.", "note")
