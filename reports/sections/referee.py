"""What a referee asks for."""

from __future__ import annotations

from collections.abc import Iterator

from reports.document import Block, Definitions
from reports.sections.parts import Parts
from reports.tables.protocol import referee_items


def referee(parts: Parts) -> Iterator[Block]:
    """Yield what the protocol says of the conduct, "not provided" where it is silent."""
    yield Definitions(referee_items(parts.context))
