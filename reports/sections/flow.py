"""Who took part: the flow of patients and lesions, what they received, who was left out."""

from __future__ import annotations

from collections.abc import Iterator

from reports import remarks
from reports.document import Block, BulletList, Paragraph
from reports.sections.parts import Parts
from reports.tables.flow import exclusion_table, exposure_table, flow_table


def flow(parts: Parts) -> Iterator[Block]:
    """Yield the flow of patients and lesions, the treatment delivered, and who was left out."""
    context = parts.context
    yield Paragraph(remarks.missing_sentence(context), "lead", ("figure:flow", "table:missing"))
    yield from parts.figure("flow")
    yield flow_table(context)
    delivered = exposure_table(context)
    if delivered is not None:
        yield delivered
    excluded = exclusion_table(context)
    if excluded is not None:
        yield excluded
    if parts.notes:
        yield BulletList(parts.notes)
