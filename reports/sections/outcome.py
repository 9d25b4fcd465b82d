"""What was observed over time."""

from __future__ import annotations

from collections.abc import Iterator

from reports.document import Block
from reports.sections.parts import Parts
from reports.tables.outcome import (
    observed_table,
)


def outcome(parts: Parts) -> Iterator[Block]:
    """Yield what was observed."""
    context = parts.context
    yield from parts.figure("profile")
    yield from parts.figure("paired")
    yield observed_table(context, context.primary)
    yield from parts.figure("waterfall")
    yield from parts.figure("cumulative")
    if context.facts().scale == "ordinal":
        yield from parts.figure("grades")
        yield from parts.figure("grade-flow")
