"""The same question on the other scales and outcomes."""

from __future__ import annotations

from collections.abc import Iterator

from reports import narrative, remarks
from reports.document import Block, Folded, Heading, Paragraph
from reports.sections.parts import Parts
from reports.sections.verdict import beside_verdict
from reports.tables.categorical import (
    probabilities_table,
)
from reports.tables.cells import table_name
from reports.tables.outcome import (
    observed_table,
)
from reports.tables.verdict import scales_table, verdict_table


def scales(parts: Parts) -> Iterator[Block]:
    """Yield the answers on the other outcomes."""
    context = parts.context
    others = [
        one for one in context.analyses if one.name != context.primary.name and one.role != "sensitivity"
    ]
    unasked = [
        (context.facts(one).label, context.results.text(one.name, "not_estimable"))
        for one in context.protocol.analyses
        if context.results.text(one.name, "not_estimable")
    ]
    if not others and not unasked:
        return
    sentence = remarks.scales_sentence(context)
    if sentence:
        yield Paragraph(sentence, "lead", ("table:scales",))
    together = scales_table(context)
    if together is not None:
        yield together
    for label, reason in unasked:
        yield Paragraph(f"{label}: not estimable, since {reason}.")
    described = {(context.primary.endpoint, context.primary.population)}
    for analysis in others:
        facts = context.facts(analysis)
        yield Heading(remarks.named_outcome(context, analysis))
        see = (f"table:{table_name('verdict', analysis.name)}",)
        yield Paragraph(" ".join(narrative.answer(context, analysis)), see=see)
        if facts.scale == "ordinal" and context.facts().scale != "ordinal":
            yield from parts.figure("grades")
            yield from parts.figure("grade-flow")
        tables: list[Block] = []
        if (analysis.endpoint, analysis.population) not in described:
            described.add((analysis.endpoint, analysis.population))
            tables.append(observed_table(context, analysis))
        tables.append(verdict_table(context, analysis))
        for block in beside_verdict(context, analysis):
            if isinstance(block, Paragraph):
                yield block
            else:
                tables.append(block)
        probabilities = probabilities_table(context, analysis)
        if probabilities is not None:
            tables.append(probabilities)
        yield Folded("Its tables", tuple(tables))
