"""What was done: methods and limitations."""

from __future__ import annotations

from collections.abc import Iterator

from reports import methods
from reports.document import Block, BulletList, Paragraph
from reports.sections.parts import Parts


def methods_section(parts: Parts) -> Iterator[Block]:
    """Yield the methods in paragraphs, ready to paste."""
    for paragraph in methods.methods_paragraphs(parts.context):
        yield Paragraph(paragraph, "paste")


def limitations(parts: Parts) -> Iterator[Block]:
    """Yield what limits the answer."""
    yield BulletList(methods.limitations(parts.context))
