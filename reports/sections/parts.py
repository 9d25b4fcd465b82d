"""What the sections of a report are made of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from reports.context import ReportContext
from reports.document import Block, Figure, FigureBlock, Section

Provenance = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Parts:
    """What the sections are made of.

    Parameters
    ----------
    context
        Protocol and results.
    figures
        By name, as `reports.drawing.draw_figures` returns them.
    provenance
        (what, value) pairs: the command, the inputs' hashes, versions.
    notes
        What the protocol kept in or left out of the files, counted.
    sections
        Keys of the sections that the report holds, in order: a section may refer to them.
    built
        The sections as far as they are built: all but themselves for those that speak of the others (checklist,
        references), none for the rest.
    """

    context: ReportContext
    figures: Mapping[str, Figure] = field(default_factory=dict)
    provenance: Provenance = ()
    notes: tuple[str, ...] = ()
    sections: tuple[str, ...] = ()
    built: tuple[Section, ...] = ()

    def figure(self, name: str) -> Iterator[Block]:
        """Yield a figure where it was drawn."""
        if name in self.figures:
            yield FigureBlock(self.figures[name])
