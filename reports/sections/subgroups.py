"""The primary comparison by subgroup."""

from __future__ import annotations

from collections.abc import Iterator

from reports.document import Block, Paragraph
from reports.model_words import covariate_name
from reports.sections.parts import Parts
from reports.steps.subgroups import SUBGROUPS
from reports.tables.subgroups import subgroups_table

WARNING = (
    "Subgroups explore; they confirm nothing. The question is whether the differences vary between the levels of a "
    "covariate, which the interaction test asks. An interval that excludes zero in one level and not in another does "
    "not show that the levels differ, and with several covariates some test falls below .05 by chance. The trial was "
    "not sized for these tests: one that is not significant does not show that the levels are alike."
)


def subgroups(parts: Parts) -> Iterator[Block]:
    """Yield the comparison within each subgroup, with the warning against reading too much into it."""
    context = parts.context
    name = f"{context.primary.name}/{SUBGROUPS}"
    table = subgroups_table(context)
    skipped = context.results.text(name, "not_done")
    failed = [
        one for one in context.results.statements if (one.analysis, one.kind) == (name, "not_estimable")
    ]
    if table is None and not skipped and not failed:
        return
    if table is not None:
        yield Paragraph(WARNING, see=("table:subgroups", "figure:subgroups"))
        yield from parts.figure("subgroups")
        yield table
    for sentence in filter(None, [skipped]):
        yield Paragraph(sentence)
    for one in failed:
        yield Paragraph(f"By {covariate_name(one.subject)}: not estimable, since {one.text}.")
