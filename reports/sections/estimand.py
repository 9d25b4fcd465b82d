"""What is estimated: the estimand and what was done with intercurrent events."""

from __future__ import annotations

from collections.abc import Iterator

from reports.document import Block, Folded
from reports.sections.parts import Parts
from reports.tables.protocol import estimand_table, intercurrent_table


def estimand(parts: Parts) -> Iterator[Block]:
    """Yield the primary estimand, what was done with intercurrent events, and the estimands of other analyses."""
    context = parts.context
    yield estimand_table(context, context.primary)
    events = intercurrent_table(context, context.primary)
    if events is not None:
        yield events
    for analysis in context.analyses:
        if analysis.name == context.primary.name or analysis.estimand is None:
            continue
        tables = (estimand_table(context, analysis), intercurrent_table(context, analysis))
        label = context.facts(analysis).label
        yield Folded(
            f"The estimand of {label} at {analysis.visit}", tuple(one for one in tables if one is not None)
        )
