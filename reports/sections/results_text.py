"""The results in paragraphs, ready to paste into a manuscript."""

from __future__ import annotations

from collections.abc import Iterator

from reports.document import Block
from reports.results_words import results_paragraphs
from reports.sections.parts import Parts


def results_text(parts: Parts) -> Iterator[Block]:
    """Yield the results in paragraphs."""
    yield from results_paragraphs(parts.context)
