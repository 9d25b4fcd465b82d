"""Tables in a Word document: a caption that Word numbers, rows whose header repeats, notes that stay with them.

Numbers are set to the right with an indent for the digits that they lack, and what joins two numbers is widened, so
that they stand under each other on the decimal point and a cell's text is what a person reads, with nothing hidden.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

from reports.render.docx_styles import LANDSCAPE_WIDTH, SMALL, TEXT_WIDTH
from reports.render.docx_text import (
    References,
    attribute,
    paragraph,
    prose,
    raised,
    run,
    styled,
)
from reports.render.grid import BodyCell, GridRow, HeaderCell, Piece
from reports.render.paged_columns import GAP, INDENT, SIZES, Block, Layout, is_number, lay_out
from reports.render.paged_columns import raised as width_of_letters
from reports.render.text_widths import width_of
from reports.tables.value import Table

ROWS_OF_A_TABLE = 1000
"""Rows after which a listing goes on in a table of its own: word processors take far more than thrice the time for a
table of thrice the length, and Word holds 32,767 rows in one."""

_KEEP = "<w:keepNext/>"
_HANGING = 110
"""Twips by which a label's further lines are indented."""

_WHOLE = 46
"""Lines up to which a table is kept on one page; what stands above and below it takes the rest."""

_STACKED = 46
"""Lines up to which the parts of a wide table stand under each other on an upright page."""

_LIGHT, _HEAVY = 'w:val="single" w:sz="4"', 'w:val="single" w:sz="8"'


@dataclass(frozen=True, slots=True)
class DrawnTable:
    """A table, or a part of one, as it stands in the document.

    Parameters
    ----------
    content
        Its markup up to the last paragraph, yielded piece by piece.
    last
        The paragraph that ends it.
    landscape
        Whether it takes a page on its side.
    lines
        How high it is.
    """

    content: Iterable[str]
    last: str
    landscape: bool
    lines: int


def draw_table(table: Table, references: References) -> Iterator[DrawnTable]:
    """Yield a table in as many parts as its width and its length take.

    Parameters
    ----------
    table
        Any table.
    references
        Bookmarks of what the document labels.
    """
    parts, landscape = _laid_out(table)
    name = f"table:{table.name}"
    for place, layout in enumerate(parts, start=1):
        part = f" (part {place} of {len(parts)})" if len(parts) > 1 else ""
        count = len(layout.grid.rows)
        for first in range(0, max(count, 1), ROWS_OF_A_TABLE):
            rows = layout.grid.rows[first : first + ROWS_OF_A_TABLE]
            ends = first + ROWS_OF_A_TABLE >= count
            # A label is numbered once; what goes on elsewhere refers to it.
            called = references.numbered(name) if place == 1 and not first else references.reference(name)
            if place == 1 and not first:
                called = references.marked_for_contents(name, called)
            span = (
                f", rows {first + 1:,} to {first + len(rows):,} of {count:,}"
                if count > ROWS_OF_A_TABLE
                else ""
            )
            caption = list(_captions(table, f"{called}{run(f'{part}{span}. ')}", new_page=first > 0))
            notes = _notes(table, layout.table) if ends else []
            drawn = _Rows(layout, references, rows, noted=bool(notes))
            content = _chained(caption, drawn.markup(f"{references.labels[name]}{part}{span}"), notes[:-1])
            last = notes[-1] if notes else paragraph("TableEnd", "")
            yield DrawnTable(content, last, landscape, drawn.lines + _lines_around(table, layout))


def _laid_out(table: Table) -> tuple[tuple[Layout, ...], bool]:
    """Return a table's parts, and whether they take pages on their side, where that makes them fewer.

    Parts that stand under each other on less than a page stay upright: a short table on its side leaves half a page
    empty, and most of the page before it.
    """
    upright = lay_out(table, TEXT_WIDTH)
    if len(upright) == 1 or sum(_part_lines(table, layout) for layout in upright) <= _STACKED:
        return upright, False
    sideways = lay_out(table, LANDSCAPE_WIDTH)
    return (sideways, True) if len(sideways) < len(upright) else (upright, False)


def _part_lines(table: Table, layout: Layout) -> int:
    """Estimate how high a part of a table is, with its caption and notes; beyond a page nobody asks."""
    rows = sum(_lines(layout, row) for row in layout.grid.rows[: _STACKED + 1])
    return rows + _lines_around(table, layout)


def _lines_around(table: Table, layout: Layout) -> int:
    """Estimate how many lines the caption, the header and the notes of a table take."""
    spanned = max((1 + len(cell.lines) for cell in layout.grid.upper), default=0)
    notes = (*table.remarks, *(text for _, text in layout.table.footnotes), table.source)
    return 6 + spanned + sum(1 + len(text) // 130 for text in notes if text)


def _chained(*parts: Iterable[str]) -> Iterator[str]:
    for part in parts:
        yield from part


def _captions(table: Table, called: str, new_page: bool) -> Iterator[str]:
    before = "<w:pageBreakBefore/>" if new_page else ""
    # Bold is the style's, so that a reference to the label brings no letters of its own with it.
    title = prose(table.title, '<w:b w:val="0"/><w:bCs w:val="0"/>')
    yield paragraph("Caption", called + title, before)
    if table.population:
        yield paragraph("TablePopulation", prose(table.population), text=table.population)


def _notes(whole: Table, part: Table) -> list[str]:
    """Return the paragraphs below a table: remarks, footnotes of what this part shows, source."""
    notes = [(prose(text), text) for text in whole.remarks]
    notes += [(raised(letter) + run(" ") + prose(text), "") for letter, text in part.footnotes]
    if whole.source:
        notes.append((prose(f"Source: {whole.source}"), ""))
    last = len(notes) - 1
    return [
        paragraph(
            "TableNote" if place < last else "TableNoteEnd",
            content,
            _KEEP if place < last else "",
            text=text,
        )
        for place, (content, text) in enumerate(notes)
    ]


@dataclass(frozen=True, slots=True)
class _Rows:
    """The rows of a table or of a part, as markup."""

    layout: Layout
    references: References
    rows: Sequence[GridRow]
    noted: bool

    @property
    def small(self) -> str:
        return SMALL if self.layout.size < SIZES[0] else ""

    @property
    def lines(self) -> int:
        """How many lines the rows take; beyond a page nobody asks."""
        return sum(_lines(self.layout, row) for row in self.rows[: 2 * _WHOLE])

    def markup(self, label: str) -> Iterator[str]:
        """Yield the table, row by row."""
        layout = self.layout
        table, grid = layout.table, layout.grid
        said = " ".join(text for text in (table.population, *table.remarks) if text)
        columns = "".join(f'<w:gridCol w:w="{width}"/>' for width in layout.widths)
        headed = int(bool(grid.upper or grid.lower))
        yield (
            '<w:tbl><w:tblPr><w:tblStyle w:val="ReportTable"/>'
            f'<w:tblW w:w="{layout.width}" w:type="dxa"/><w:tblLayout w:type="fixed"/>'
            f"{self._margins()}"
            f'<w:tblLook w:val="{"06A0" if headed else "0680"}" w:firstRow="{headed}" w:lastRow="0" '
            'w:firstColumn="1" w:lastColumn="0" w:noHBand="1" w:noVBand="1"/>'
            f'<w:tblCaption w:val="{attribute(f"{label}. {table.title}")}"/>'
            f'<w:tblDescription w:val="{attribute(said or table.title)}"/>'
            f"</w:tblPr><w:tblGrid>{columns}</w:tblGrid>"
        )
        yield from self._header()
        kept = _kept(self.rows, self.lines, self.noted)
        for row, keep in zip(self.rows, kept, strict=True):
            yield self._body_row(row, _KEEP if keep else "")
        if not self.rows and not headed:
            yield self._row([_cell(layout.width, 1 + grid.width, paragraph("TableText", ""))])
        yield "</w:tbl>"

    def _margins(self) -> str:
        """Return what is said of the room beside each cell's text, where it is not that of the style."""
        gap = self.layout.gap
        if gap == GAP:
            return ""
        sides = "".join(f'<w:{side} w:w="{gap}" w:type="dxa"/>' for side in ("left", "right"))
        return f"<w:tblCellMar>{sides}</w:tblCellMar>"

    def _row(self, cells: Iterable[str], header: bool = False, whole: bool = True) -> str:
        properties = ("<w:cantSplit/>" if whole else "") + ("<w:tblHeader/>" if header else "")
        return f"<w:tr>{f'<w:trPr>{properties}</w:trPr>' if properties else ''}{''.join(cells)}</w:tr>"

    def _header(self) -> Iterator[str]:
        """Yield the header rows, which Word repeats on each page."""
        layout, grid = self.layout, self.layout.grid
        headers = [(cells, cells is grid.upper) for cells in (grid.upper, grid.lower) if cells]
        for place, (cells, is_upper) in enumerate(headers):
            first, last = place == 0, place == len(headers) - 1
            rule = (
                f'<w:tcBorders><w:bottom {_LIGHT} w:space="0" w:color="auto"/></w:tcBorders>' if last else ""
            )
            merged = "" if len(headers) == 1 else '<w:vMerge w:val="restart"/>' if first else "<w:vMerge/>"
            stub = run(layout.table.stub) if first else ""
            drawn = [
                _cell(layout.widths[0], 1, paragraph(f"TableStub{self.small}", stub), merged, rule, True)
            ]
            column = 1
            for cell in cells:
                width = sum(layout.widths[column : column + cell.span])
                content = self._header_cell(cell, ruled=is_upper and not last)
                drawn.append(_cell(width, cell.span, content, "", rule, True))
                column += cell.span
            yield self._row(drawn, header=True)

    def _header_cell(self, cell: HeaderCell, ruled: bool) -> str:
        """Return a header cell; the rule under a spanner is its paragraph's, which leaves a gap to the next one's."""
        counts = "".join(
            "<w:r><w:br/></w:r>" + run(line, '<w:b w:val="0"/><w:bCs w:val="0"/>') for line in cell.lines
        )
        style = f"TableStub{self.small}" if cell.kind == "text" else f"TableHeader{self.small}"
        rule = (
            f'<w:pBdr><w:bottom {_LIGHT} w:space="1" w:color="auto"/></w:pBdr>' if ruled and cell.text else ""
        )
        return paragraph(style, run(cell.text) + raised(cell.letters) + counts, rule)

    def _body_row(self, row: GridRow, keep: str) -> str:
        layout = self.layout
        heading = row.kind == "heading"
        style = f"{'TableRowHeading' if heading else 'TableText'}{self.small}"
        left = row.indent * INDENT + _HANGING
        content = self._linked(prose(row.label, self._look(row.target)) + raised(row.letters), row.target)
        indent = f'<w:ind w:left="{left}" w:hanging="{_HANGING}"/>'
        label = paragraph(style, content, keep, indent, text=row.label)
        # A row may not break, but for one that is higher than any page.
        whole = _lines(layout, row) <= _WHOLE
        if row.is_heading or not row.cells:
            return self._row([_cell(layout.width, 1 + layout.grid.width, label)], whole=whole)
        rule = (
            f'<w:tcBorders><w:top {_LIGHT} w:space="0" w:color="auto"/></w:tcBorders>'
            if row.kind == "total"
            else ""
        )
        cells = [_cell(layout.widths[0], 1, label, "", rule)]
        column = 1
        for cell in row.cells:
            width = sum(layout.widths[column : column + cell.span])
            content = self._body_cell(cell, width, layout.blocks[column - 1], keep)
            cells.append(_cell(width, cell.span, content, "", rule))
            column += cell.span
        return self._row(cells, whole=whole)

    def _body_cell(self, cell: BodyCell, width: int, block: Block, keep: str) -> str:
        if not cell.pieces:
            return paragraph(f"TableText{self.small}", "", keep)
        if not is_number(cell):
            style = "TableText" if cell.classes.startswith("text") else "TableAnswer"
            return paragraph(f"{style}{self.small}", self._words(cell), keep, text=cell.read)
        text, after = _numbers(cell.pieces, self.layout.size)
        margin = max(0, (width - 2 * self.layout.gap - block.width) // 2)
        indent = f'<w:ind w:right="{max(0, margin + block.letters + after)}"/>'
        return paragraph(f"TableNumber{self.small}", self._linked(text, cell.target), keep, indent)

    def _words(self, cell: BodyCell) -> str:
        """Return the words of a cell; where they begin with the label of what they lead to, it is a reference."""
        look = self._look(cell.target)
        label = self.references.labels.get(cell.target, "")
        first, *others = cell.pieces
        rest = first.read.removeprefix(label)
        called = ""
        if label and rest != first.read and not rest[:1].isalnum():
            called = self.references.reference(cell.target, look)
            first = replace(first, text=rest, joint="", opening="", closing="")
        words = "".join(prose(piece.read, look) + raised(piece.letters) for piece in (first, *others))
        return called + self._linked(words, cell.target)

    def _look(self, target: str) -> str:
        """Return how words that lead somewhere look."""
        return styled("CrossReference") if target in self.references.labels else ""

    def _linked(self, content: str, target: str) -> str:
        if target not in self.references.labels or not content:
            return content
        return self.references.link(target, content)


def _cell(
    width: int, span: int, content: str, merged: str = "", borders: str = "", header: bool = False
) -> str:
    """Return a cell with its properties in the schema's order."""
    over = f'<w:gridSpan w:val="{span}"/>' if span > 1 else ""
    low = '<w:vAlign w:val="bottom"/>' if header else ""
    return f'<w:tc><w:tcPr><w:tcW w:w="{width}" w:type="dxa"/>{over}{merged}{borders}{low}</w:tcPr>{content}</w:tc>'


def _numbers(pieces: Sequence[Piece], size: int) -> tuple[str, int]:
    """Return the runs of a cell's numbers, and the twips of room after its last digit, less where letters stand."""
    measured = partial(width_of, half_points=size)
    text, room = "", 0
    for piece in pieces:
        if piece.text:
            text += _joint(piece.joint, room, measured(piece.lead))
            text += run(f"{piece.opening}{piece.text}{piece.closing}")
            room = 0
        text += raised(piece.letters)
        room += measured(piece.pad)
    return text, room - width_of_letters(pieces[-1].letters, size)


def _joint(joint: str, before: int, after: int) -> str:
    """Return what joins two numbers, widened by the room that the one before and the one after it lack."""
    if len(joint) < 2 or not (before or after):
        return _widened(joint, before + after)
    return f"{_widened(joint[0], before)}{run(joint[1:-1])}{_widened(joint[-1], after)}"


def _widened(text: str, twips: int) -> str:
    return run(text, f'<w:spacing w:val="{twips}"/>' if twips else "")


def _kept(rows: Sequence[GridRow], lines: int, noted: bool) -> list[bool]:
    """Return of each row whether it stays on the page of the next.

    A short table stays whole. A long one is not left with a single row before or after the page's end, nor with its
    notes alone, nor with a heading at the foot of a page.
    """
    count = len(rows)
    if lines <= _WHOLE:
        return [place < count - 1 or noted for place in range(count)]
    return [
        place < 1 or (row.is_heading and place < count - 1) or count - 3 <= place < count - 1 + noted
        for place, row in enumerate(rows)
    ]


def _lines(layout: Layout, row: GridRow) -> int:
    """Estimate how many lines a row takes."""
    room = layout.width if row.is_heading else layout.widths[0]
    lines = _wrapped(row.label, room - _HANGING - row.indent * INDENT, layout.size)
    column = 1
    for cell in () if row.is_heading else row.cells:
        if cell.pieces and not is_number(cell):
            room = sum(layout.widths[column : column + cell.span])
            lines = max(lines, _wrapped(cell.read, room, layout.size))
        column += cell.span
    return lines


def _wrapped(text: str, room: int, size: int) -> int:
    """Estimate the lines of a text: a word in eight letters is lost at the ends of lines."""
    if len(text) < 20:
        return 1
    return -(-width_of(text, size) * 9 // 8 // max(room - 2 * GAP, 200))
