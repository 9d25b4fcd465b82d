"""The references."""

from __future__ import annotations

from collections.abc import Iterator

from reports import methods
from reports.document import Block, BulletList
from reports.sections.parts import Parts


def references(parts: Parts) -> Iterator[Block]:
    """Yield the references."""
    yield BulletList(methods.reference_list(parts.context), ordered=True)
