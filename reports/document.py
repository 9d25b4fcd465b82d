"""A report as one frozen value: a headline, sections, and in them paragraphs, lists, tables and figures.

No renderer is in it. A format (HTML today, others beside it) walks a `Document` and draws what it finds, so
every format says the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

from reports.tables.value import Table


class Figure(Protocol):
    """What a document needs of a figure; `reports.figures.ReportFigure` has it."""

    @property
    def name(self) -> str:
        """Identifier and file name without its ending."""

    @property
    def caption(self) -> str:
        """What a reader sees below the figure."""

    @property
    def alt_text(self) -> str:
        """The finding, for those who do not see the figure."""

    @property
    def svg(self) -> str:
        """The figure as SVG."""

    @property
    def png(self) -> bytes:
        """The figure as PNG on white, fit for print."""


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A paragraph of plain text.

    Parameters
    ----------
    text
        Its words.
    kind
        "lead" sets the one that carries a section's finding, "note" small print; "paste" is written to be copied
        into a manuscript.
    see
        Tables and figures that show what it says, as in `Document.labels` ("table:flow"); renderers add
        "(Table 3, Figure 2)" as links, and leave out what the document does not hold.
    """

    text: str
    kind: Literal["plain", "lead", "note", "paste"] = "plain"
    see: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class BulletList:
    """Items without an order, or with one (references)."""

    items: tuple[str, ...]
    ordered: bool = False


@dataclass(frozen=True, slots=True)
class Definitions:
    """Terms and what is said of them: (term, text)."""

    items: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading within a section."""

    text: str


@dataclass(frozen=True, slots=True)
class Verbatim:
    """Text kept as it is, its lines and blanks too: a BibTeX entry, a program."""

    text: str
    language: str = ""


@dataclass(frozen=True, slots=True)
class FigureBlock:
    """A figure in the text."""

    figure: Figure


Block: TypeAlias = "Paragraph | BulletList | Definitions | Heading | Table | FigureBlock | Verbatim | Folded"


@dataclass(frozen=True, slots=True)
class Folded:
    """Secondary material under a line that names it: folded on a screen, printed in full.

    Parameters
    ----------
    title
        What is inside.
    blocks
        Contents in order.
    """

    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Section:
    """A section of the report.

    Parameters
    ----------
    key
        Identifier: the anchor, and the name in ``[report] sections``.
    title
        Heading.
    blocks
        Contents in order.
    """

    key: str
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Headline:
    """The first screen: what was asked, what was found, what may not be said.

    Parameters
    ----------
    identifier, title
        Of the trial.
    facts
        Design and both N, in one line.
    question
        In the trial's own words.
    answer
        At most three sentences with numbers.
    figure
        The verdict figure, or None where nothing could be estimated.
    harm
        One line on harm.
    may_not_claim
        One line on what may not be claimed.
    notes
        In small print: what means are adjusted for, and the abbreviations spelled.
    """

    identifier: str
    title: str
    facts: str
    question: str
    answer: tuple[str, ...]
    figure: Figure | None
    harm: str
    may_not_claim: str
    notes: str = ""


@dataclass(frozen=True, slots=True)
class Document:
    """A whole report.

    Parameters
    ----------
    headline
        The first screen.
    sections
        In order.
    stamp
        Printed on every page: "Synthetic data", "Reconstructed from published counts"; empty for observed
        data.
    """

    headline: Headline
    sections: tuple[Section, ...]
    stamp: str = ""

    def blocks(self) -> Iterator[Block]:
        """Every block of every section, in order, those inside folded material too."""
        for section in self.sections:
            yield from _unfolded(section.blocks)

    @property
    def tables(self) -> tuple[Table, ...]:
        """The tables and listings in order."""
        return tuple(block for block in self.blocks() if isinstance(block, Table))

    @property
    def labels(self) -> dict[str, str]:
        """What each section, table and figure is called where the text refers to it, by key or name.

        "Section 4", "Table 3", "Listing 2", "Figure 1"; a number is the place among its kind. Names of tables and
        figures get a prefix, since a section may be called alike: "table:flow", "figure:flow", "section:flow".
        """
        labels = {
            f"section:{one.key}": f"Section {place}" for place, one in enumerate(self.sections, start=1)
        }
        for kind, word in (("table", "Table"), ("listing", "Listing")):
            of_kind = [table for table in self.tables if table.kind == kind]
            labels |= {
                f"table:{table.name}": f"{word} {place}" for place, table in enumerate(of_kind, start=1)
            }
        figures = enumerate(self.figures, start=1)
        return labels | {f"figure:{figure.name}": f"Figure {place}" for place, figure in figures}

    @property
    def figures(self) -> tuple[Figure, ...]:
        """The figures in order, the headline's first; a figure's number is its place."""
        own = () if self.headline.figure is None else (self.headline.figure,)
        return (*own, *(block.figure for block in self.blocks() if isinstance(block, FigureBlock)))


def _unfolded(blocks: tuple[Block, ...]) -> Iterator[Block]:
    for block in blocks:
        if isinstance(block, Folded):
            yield from _unfolded(block.blocks)
        else:
            yield block
