"""What the combination adds."""

from __future__ import annotations

from collections.abc import Iterator

from outcomes.protocol import Analysis
from reports import categorical_words
from reports.context import ReportContext
from reports.document import Block, Paragraph
from reports.house_style import in_style, known_p_values
from reports.narrative import may_not_claim
from reports.sections.parts import Parts
from reports.tables.categorical import (
    classical_table,
    effects_table,
    odds_table,
    synergy_table,
)
from reports.tables.cells import table_name
from reports.tables.verdict import bliss_table, verdict_table


def verdict(parts: Parts) -> Iterator[Block]:
    """Yield the claims and the verdict table."""
    context = parts.context
    said = context.results.text(context.primary.name, "may_claim")
    claim = in_style(said, context.formatter, known_p_values(context.all_lines()))
    yield Paragraph(claim, "lead", ("figure:verdict", f"table:{table_name('verdict', context.primary.name)}"))
    yield Paragraph(may_not_claim(context))
    yield verdict_table(context, context.primary)
    yield from parts.figure("interaction")
    yield from beside_verdict(context, context.primary)


def beside_verdict(context: ReportContext, analysis: Analysis) -> Iterator[Block]:
    """Yield what stands beside a verdict on grades or responders: the model's scales, tests without it."""
    see = tuple(f"table:{table_name(kind, analysis.name)}" for kind in ("odds", "synergy", "classical"))
    for sentence in categorical_words.beside_sentences(context, analysis):
        yield Paragraph(sentence, see=see)
    tables = [
        effects_table(context, analysis),
        odds_table(context, analysis),
        synergy_table(context, analysis),
        classical_table(context, analysis),
        bliss_table(context, analysis),
    ]
    yield from (table for table in tables if table is not None)
