"""What is estimated: the estimand and what was done with intercurrent events."""

from __future__ import annotations

from collections.abc import Iterator

from reports.document import Block
from reports.sections.parts import Parts
from reports.tables.protocol import estimand_table, intercurrent_table


def estimand(parts: Parts) -> Iterator[Block]:
    """Yield the estimand, and what was done with intercurrent events."""
    context = parts.context
    yield estimand_table(context, context.primary)
    events = intercurrent_table(context, context.primary)
    if events is not None:
        yield events
