"""A report as Rich Text Format, which regulators still ask for: it opens and is edited in Word and in LibreOffice.

The writer is our own, since no library writes what is needed: tables with repeated headers and notes that stay with
them, captions and references that Word numbers by itself, and headings that its navigation finds. Numbers of pages
are fields that the word processor fills; no other field waits to be updated, each holds its result.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import count

from reports.document import (
    Block,
    BulletList,
    Definitions,
    Document,
    Figure,
    FigureBlock,
    Folded,
    Heading,
    Headline,
    Paragraph,
    Section,
    Verbatim,
)
from reports.render import rtf_styles as styles
from reports.render.captions import first_sentence
from reports.render.rtf_pictures import picture
from reports.render.rtf_styles import BULLETS, Style, prolog
from reports.render.rtf_tables import draw_table
from reports.render.rtf_text import (
    bookmark,
    bookmark_name,
    escape,
    field,
    link,
    numbered,
    prose,
    reference,
)
from reports.render.text_widths import width_of
from reports.tables.value import Table

_PARAGRAPHS = {"plain": styles.NORMAL, "lead": styles.LEAD, "note": styles.NOTE, "paste": styles.PASTE}


def render_rtf(document: Document) -> bytes:
    """Return a report as an RTF file: ASCII, the same bytes for the same document."""
    return "".join(_file(document)).encode("ascii")


def _file(document: Document) -> Iterator[str]:
    """Yield the file's parts in order."""
    headline = document.headline
    ordered = sum(isinstance(block, BulletList) and block.ordered for block in document.blocks())
    yield prolog(
        f"{headline.identifier}: {headline.title}", headline.identifier, document.stamp, max(ordered, 1)
    )
    drawing = _Drawing(document.labels)
    yield from drawing.headline(headline)
    yield from drawing.contents(document)
    for section in document.sections:
        yield from drawing.section(section)
    yield "}\n"


_CONTENTS = (
    ("Section ", "Contents", r'TOC \o "1-1" \n \h \z'),
    ("Table ", "Tables", r'TOC \n \h \z \c "Table"'),
    ("Listing ", "Listings", r'TOC \n \h \z \c "Listing"'),
    ("Figure ", "Figures", r'TOC \n \h \z \c "Figure"'),
)
"""What is listed: the labels' word, the heading, Word's field."""


def _paragraph(style: Style, content: str) -> str:
    return f"{style.opening}{content}\\par\n"


class _Drawing:
    """A walk through a document, which counts its ordered lists."""

    def __init__(self, labels: Mapping[str, str]) -> None:
        self._labels = labels
        self._lists = count(BULLETS + 1)

    def headline(self, headline: Headline) -> Iterator[str]:
        """Yield the first page."""
        yield _paragraph(styles.IDENTIFIER, escape(headline.identifier))
        yield _paragraph(styles.TITLE, prose(headline.title))
        yield _paragraph(styles.FACTS, prose(headline.facts))
        yield _paragraph(styles.QUESTION, prose(headline.question))
        yield _paragraph(styles.ANSWER, prose(" ".join(headline.answer)))
        if headline.figure is not None:
            yield from self._figure(headline.figure)
        yield from self._definitions(
            Definitions((("Harm", headline.harm), ("Not to be claimed", headline.may_not_claim)))
        )
        if headline.notes:
            yield _paragraph(styles.NOTE, prose(headline.notes))

    def contents(self, document: Document) -> Iterator[str]:
        """Yield the contents on a page of their own, then the tables, listings and figures, each as a link.

        They are fields without page numbers, which would have to be updated.
        """
        if not document.sections:
            return
        titles = {f"section:{one.key}": one.title for one in document.sections}
        titles |= {f"table:{table.name}": table.title for table in document.tables}
        titles |= {f"figure:{figure.name}": first_sentence(figure.caption) for figure in document.figures}
        for word, heading, instruction in _CONTENTS:
            lines = [
                self._line(label, titles[name])
                for name, label in self._labels.items()
                if label.startswith(word)
            ]
            if not lines:
                continue
            listed, title = styles.LISTED, styles.LISTED_TITLE
            if word == "Section ":
                listed, title = styles.CONTENTS, styles.CONTENTS_TITLE
            yield _paragraph(title, heading)
            yield _paragraph(listed, field(instruction, f"\\par\n{listed.opening}".join(lines)))

    def _line(self, label: str, title: str) -> str:
        """Return a line of the contents, which leads to what it names."""
        word, number = label.rsplit(" ", 1)
        called = f"{number}\\tab " if word == "Section" else f"{label}. "
        return link(label, f"{called}{prose(title)}")

    def section(self, section: Section) -> Iterator[str]:
        """Yield a section; its heading holds the number that references repeat."""
        label = self._labels[f"section:{section.key}"]
        number = bookmark(bookmark_name(label), label.rsplit(" ", 1)[1])
        yield _paragraph(styles.HEADING, f"{number}\\~\\~{prose(section.title)}")
        yield from self._blocks(section.blocks, styles.SUBHEADING)

    def _blocks(self, blocks: tuple[Block, ...], heading: Style) -> Iterator[str]:
        for block in blocks:
            yield from self._block(block, heading)

    def _block(self, block: Block, heading: Style) -> Iterator[str]:
        match block:
            case Paragraph():
                yield _paragraph(_PARAGRAPHS[block.kind], prose(block.text) + self._see(block.see))
            case Heading():
                yield _paragraph(heading, prose(block.text))
            case BulletList():
                yield from self._list(block)
            case Definitions():
                yield from self._definitions(block)
            case Table():
                yield from draw_table(block, self._labels)
            case FigureBlock():
                yield from self._figure(block.figure)
            case Verbatim():
                yield _paragraph(styles.VERBATIM, escape(block.text.strip("\n")))
            case Folded():
                yield _paragraph(heading, prose(block.title))
                yield from self._blocks(block.blocks, styles.SUBSUBHEADING)

    def _see(self, names: tuple[str, ...]) -> str:
        """Return " (Table 3, Figure 2)" as references; what the document does not hold is left out."""
        found = [reference(self._labels[name]) for name in names if name in self._labels]
        return f" ({', '.join(found)})" if found else ""

    def _list(self, block: BulletList) -> Iterator[str]:
        number = next(self._lists) if block.ordered else BULLETS
        for place, item in enumerate(block.items, start=1):
            mark = f"{place}." if block.ordered else "\\u8226?"
            shown = f"{{\\listtext {mark}\\tab}}"
            opening = styles.ITEM.opening.replace("\\ql", f"\\ql\\ls{number}\\ilvl0", 1)
            yield f"{shown}{opening}{prose(item)}\\par\n"

    def _definitions(self, block: Definitions) -> Iterator[str]:
        style = styles.DEFINITION
        room = 2835 - 100
        for term, text in block.items:
            # A term that is too long for its column has a line of its own.
            fits = width_of(term, style.size, bold=True) < room
            end = "\\tab " if fits else "\\line "
            yield _paragraph(style, f"{{\\b {prose(term)}}}{end}{prose(text)}")

    def _figure(self, figure: Figure) -> Iterator[str]:
        label = self._labels[f"figure:{figure.name}"]
        yield _paragraph(styles.FIGURE, picture(figure))
        yield _paragraph(styles.FIGURE_CAPTION, f"{{\\b {numbered(label)}.}} {prose(figure.caption)}")
