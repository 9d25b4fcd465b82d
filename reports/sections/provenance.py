"""What made the report."""

from __future__ import annotations

from collections.abc import Iterator

from reports.document import Block, Definitions, Paragraph
from reports.sections.parts import Parts


def provenance(parts: Parts) -> Iterator[Block]:
    """Yield the command, the inputs and the versions."""
    if parts.provenance:
        yield Paragraph(
            "Every number of this report stands in results.json beside it, with the method that gave it; manifest.json "
            "holds the fingerprints (SHA-256) of what went in and what came out."
        )
        yield Definitions(parts.provenance)
