"""A report as a Word document: Word's own styles, numbered captions, cross-references and contents, to be edited.

Fields carry what they show, so that a reader is not asked to update anything; contents go without page numbers, which
only Word's own layout knows. What no reader sees is fixed: the same document gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from reports.document import (
    Block,
    BulletList,
    Definitions,
    Document,
    Figure,
    FigureBlock,
    Folded,
    Heading,
    Paragraph,
    Verbatim,
)
from reports.render.captions import first_sentence
from reports.render.docx_package import WordFile, add_running, section
from reports.render.docx_styles import FIRST_OWN_LIST, TEXT_WIDTH, numbering, settings, styles
from reports.render.docx_tables import draw_table
from reports.render.docx_text import (
    References,
    paragraph,
    prose,
    run,
    styled,
    with_section_break,
)
from reports.render.docx_text import (
    field as word_field,
)
from reports.render.text_widths import width_of
from reports.tables.value import Table

_KEEP = "<w:keepNext/>"
_LINK = styled("CrossReference")


def render_docx(document: Document) -> bytes:
    """Return a report as a Word document.

    Parameters
    ----------
    document
        The report.

    Returns
    -------
    bytes
        A file in Office Open XML (ECMA-376), transitional, as Word 2010 and later and LibreOffice open it.
    """
    headline = document.headline
    file = WordFile.empty()
    writer = _Writer(document, file, References.of(document.labels))
    chunks = _oriented(list(writer.chunks()))
    file.add("styles", "styles", styles())
    file.add("numbering", "numbering", numbering(writer.ordered_lists))
    file.add("settings", "settings", settings())
    file.add_properties(f"{headline.identifier}: {headline.title}", headline.facts)
    ways = sorted({chunk.landscape for chunk in chunks} | {False})
    running = {way: add_running(file, headline.identifier, document.stamp, way) for way in ways}
    # Only the first pages of all have a header of their own.
    sections = {way: section(way, replace(running[way], first="")) for way in ways}
    return file.written(_joined(chunks, sections, section(False, running[False])))


@dataclass(frozen=True, slots=True)
class _Chunk:
    """What stays on pages of one way up.

    Parameters
    ----------
    content
        Markup before its last paragraph.
    last
        The last paragraph, which can end a section of pages.
    landscape
        Whether its pages lie on their side.
    lines
        How high it is.
    heading
        Whether it is a heading, which stays with what follows it.
    """

    content: Iterable[str]
    last: str
    lines: int
    landscape: bool = False
    heading: bool = False


_ALONG = 18
"""Lines before a table on its side, or between two, that turn with it rather than stand alone on a page."""

_SIDEWAYS = 36
"""Lines of a page on its side."""


def _oriented(chunks: Sequence[_Chunk]) -> list[_Chunk]:
    """Turn with a table on its side the headings and few lines that lead to it, and what fits below it."""
    turned = [chunk.landscape for chunk in chunks]
    for place, chunk in enumerate(chunks):
        if not chunk.landscape:
            continue
        first, lines = place, 0
        for before in range(place - 1, -1, -1):
            if turned[before]:
                first = before
                break
            lines += chunks[before].lines
            if lines > _ALONG:
                break
            if chunks[before].heading:
                first = before
        turned[first:place] = [True] * (place - first)
        while first and turned[first - 1]:
            first -= 1
        used = sum(one.lines for one in chunks[first : place + 1])
        for after in range(place + 1, len(chunks)):
            used += chunks[after].lines
            if used > _SIDEWAYS or chunks[after].heading:
                break
            turned[after] = True
    return [replace(chunk, landscape=way) for chunk, way in zip(chunks, turned, strict=True)]


def _joined(chunks: Sequence[_Chunk], sections: dict[bool, str], first: str) -> Iterator[str]:
    """Yield the body; where pages turn, the paragraph before ends a section, the first of them with its own header."""
    ending = first
    for chunk, following in zip(chunks, [*chunks[1:], None], strict=True):
        yield from chunk.content
        if following is not None and following.landscape != chunk.landscape:
            # LibreOffice loses a bookmark in a paragraph that also ends a section.
            marked = "<w:bookmarkStart" in chunk.last
            yield (chunk.last if marked else "") + with_section_break(
                paragraph("TableEnd", "") if marked else chunk.last, ending
            )
            ending = sections[following.landscape]
        else:
            yield chunk.last
    yield ending


@dataclass(slots=True)
class _Writer:
    """Walks a document; counts its lists with an order, of which each is numbered by itself."""

    document: Document
    file: WordFile
    references: References
    ordered_lists: int = field(default=0)

    def chunks(self) -> Iterator[_Chunk]:
        """Yield the whole body."""
        yield from self._headline()
        contents = list(self._contents())
        yield from contents
        # A list that goes on overleaf leaves that page to the first section, too.
        apart = sum(chunk.lines for chunk in contents) <= _CONTENTS_PAGE
        for place, one in enumerate(self.document.sections):
            new_page = "<w:pageBreakBefore/>" if place == 0 and apart else ""
            name = f"section:{one.key}"
            marked = self.references.marked(name, prose(one.title))
            title = self.references.marked_for_contents(name, marked)
            yield _single(paragraph("Heading1", title, new_page, text=one.title), 3, heading=True)
            yield from self._blocks(one.blocks, depth=2)

    def _headline(self) -> Iterator[_Chunk]:
        """Yield the first page: what was asked, what was found, what may not be said."""
        headline = self.document.headline
        for style, text in (
            ("TrialIdentifier", headline.identifier),
            ("Title", headline.title),
            ("Subtitle", headline.facts),
            ("Question", headline.question),
            ("Answer", " ".join(headline.answer)),
        ):
            if text:
                yield _single(paragraph(style, prose(text), text=text), 3)
        if headline.figure is not None:
            yield self._figure(headline.figure)
        for term, text in (("Harm", headline.harm), ("Not to be claimed", headline.may_not_claim)):
            if text:
                yield _single(paragraph("BodyText", run(f"{term}. ", styled("Strong")) + prose(text)), 3)
        if headline.notes:
            yield _single(paragraph("Note", prose(headline.notes), text=headline.notes), 4)

    def _contents(self) -> Iterator[_Chunk]:
        """Yield the contents: sections, tables, listings and figures as links, in fields that Word can update."""
        labels = self.references.labels
        titles = {f"section:{one.key}": one.title for one in self.document.sections}
        titles |= {f"table:{table.name}": table.title for table in self.document.tables}
        titles |= {
            f"figure:{figure.name}": first_sentence(figure.caption) for figure in self.document.figures
        }
        new_page = "<w:pageBreakBefore/>"
        for word, instruction, style, heading in _CONTENTS:
            names = [name for name, label in labels.items() if label.startswith(f"{word} ")]
            if names:
                yield _single(paragraph("TOCHeading", run(heading), new_page), 3)
                new_page = ""
                lines = [self._line(name, titles[name]) for name in names]
                heights = (1 + len(titles[name]) // 125 for name in names)
                yield from map(_single, _listed(instruction, style, lines), heights)

    def _line(self, name: str, title: str) -> str:
        """Return a line of the contents, which leads to what it names."""
        word, number = self.references.labels[name].rsplit(" ", 1)
        if word == "Section":
            content = run(number) + "<w:r><w:tab/></w:r>" + prose(title)
        else:
            content = run(f"{word} {number}. ") + prose(title)
        return f'<w:hyperlink w:anchor="{self.references.listed(name)}" w:history="1">{content}</w:hyperlink>'

    def _blocks(self, blocks: Iterable[Block], depth: int) -> Iterator[_Chunk]:
        for block in blocks:
            match block:
                case Paragraph():
                    yield self._paragraph(block)
                case Heading(text):
                    yield _heading(text, depth)
                case BulletList():
                    yield from self._list(block)
                case Definitions(items):
                    yield from _definitions(items)
                case Verbatim(text):
                    yield _single(paragraph("SourceCode", run(text)), text.count("\n") + 2)
                case FigureBlock(figure):
                    yield self._figure(figure)
                case Folded(title, inside):
                    yield _heading(title, depth)
                    yield from self._blocks(inside, depth=min(depth + 1, 3))
                case Table():
                    for drawn in draw_table(block, self.references):
                        yield _Chunk(drawn.content, drawn.last, drawn.lines, drawn.landscape)

    def _paragraph(self, block: Paragraph) -> _Chunk:
        style = {"plain": "BodyText", "lead": "Lead", "note": "Note", "paste": "ManuscriptText"}[block.kind]
        seen = [self.references.reference(name, _LINK) for name in self.references.known(block.see)]
        found = f"{run(' (')}{run(', ').join(seen)}{run(')')}" if seen else ""
        content = prose(block.text) + found
        return _single(paragraph(style, content, text=block.text), 2 + len(block.text) // 95)

    def _list(self, block: BulletList) -> Iterator[_Chunk]:
        before = ""
        if block.ordered:
            number = FIRST_OWN_LIST + self.ordered_lists
            before = f'<w:numPr><w:ilvl w:val="0"/><w:numId w:val="{number}"/></w:numPr>'
            self.ordered_lists += 1
        style = "ListNumber" if block.ordered else "ListBullet"
        for item in block.items:
            yield _single(paragraph(style, prose(item), before, text=item), 1 + len(item) // 90)

    def _figure(self, figure: Figure) -> _Chunk:
        name = f"figure:{figure.name}"
        picture = paragraph("Figure", self.file.picture(figure, self.references.labels[name]))
        called = self.references.marked_for_contents(name, self.references.numbered(name))
        caption = prose(figure.caption, '<w:b w:val="0"/><w:bCs w:val="0"/>')
        last = paragraph("FigureCaption", called + run(". ") + caption)
        return _Chunk([picture], last, 26)


_CONTENTS = (
    ("Section", r'TOC \o "1-1" \n \h \z', "TOC1", "Contents"),
    ("Table", r'TOC \n \h \z \c "Table"', "TableofFigures", "Tables"),
    ("Listing", r'TOC \n \h \z \c "Listing"', "TableofFigures", "Listings"),
    ("Figure", r'TOC \n \h \z \c "Figure"', "TableofFigures", "Figures"),
)
"""What is listed: the labels' word, Word's field, the style of a line, the heading."""

_CONTENTS_PAGE = 72
"""Lines of contents, in their small print, that fill a page."""


def _listed(instruction: str, style: str, lines: Sequence[str]) -> Iterator[str]:
    """Yield the paragraphs of a field that lists: it begins in the first of them and ends in the last."""
    opening, closing = word_field(instruction, _SPLIT).split(_SPLIT)
    for place, line in enumerate(lines):
        begun = opening + line if place == 0 else line
        yield paragraph(style, begun + closing if place == len(lines) - 1 else begun)


_SPLIT = "<!---->"


def _single(content: str, lines: int, heading: bool = False) -> _Chunk:
    return _Chunk((), content, lines, heading=heading)


def _heading(text: str, depth: int) -> _Chunk:
    return _single(paragraph(f"Heading{depth}", prose(text), text=text), 2, heading=True)


_TERM = 2600
"""Twips up to which terms stand beside what is said of them."""


def _definitions(items: Sequence[tuple[str, str]]) -> Iterator[_Chunk]:
    """Yield terms with what is said of them: beside them where the terms are short, else below."""
    widest = max((width_of(term, 20, bold=True) for term, _ in items), default=0)
    if widest > _TERM:
        for term, text in items:
            yield _single(paragraph("DefinitionTerm", run(term), text=term), 1)
            yield _single(paragraph("Definition", prose(text), text=text), 1 + len(text) // 95)
        return
    left = widest + 240
    hanging = f'<w:ind w:left="{left}" w:hanging="{left}"/>'
    tab = f'<w:tabs><w:tab w:val="left" w:pos="{left}"/></w:tabs>'
    room = (TEXT_WIDTH - left) // 95
    for term, text in items:
        content = run(term, styled("Strong")) + "<w:r><w:tab/></w:r>" + prose(text)
        yield _single(paragraph("Definition", content, tab, hanging), 1 + len(text) // room)
