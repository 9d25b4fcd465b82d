"""The references, in the order of their citation, and as BibTeX."""

from __future__ import annotations

from collections.abc import Iterator

from reports.bibliography import bibtex, cited_keys, formatted, library
from reports.bibliography.bibtex import LANGUAGE
from reports.document import Block, BulletList, Folded, Verbatim
from reports.sections.parts import Parts


def references(parts: Parts) -> Iterator[Block]:
    """Yield what the other sections cite, in the journal's style; nothing where they cite nothing."""
    works = library(parts.context)
    keys = cited_keys(parts.built, works)
    if not keys:
        return
    style = parts.context.protocol.report.style
    yield BulletList(tuple(formatted(works[key], style) for key in keys), ordered=True)
    yield Folded("The references as BibTeX", (Verbatim(bibtex(works[key] for key in keys), LANGUAGE),))
