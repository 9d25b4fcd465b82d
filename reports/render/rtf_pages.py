"""Where a long table is divided into pages, each with its caption and header.

Word repeats a header that is marked so, LibreOffice before version 24 does not when it reads RTF. So a table that is
higher than a page is written as one table for each page, as regulators' own tools do; what fits on a page stays
whole. Heights are estimated from the metrics of the font, with room to spare.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from reports.render.grid import GridRow, HeaderCell
from reports.render.paged_columns import GAP, INDENT, Layout
from reports.render.rtf_styles import BOTTOM_MARGIN, CAPTION, PAGE_HEIGHT, TABLE_NOTE, TEXT_WIDTH, TOP_MARGIN
from reports.render.text_widths import width_of
from reports.tables.value import Table

HANGING = 110
"""Twips by which a label's further lines are indented."""

_PAGE = round((PAGE_HEIGHT - TOP_MARGIN - BOTTOM_MARGIN) * 0.96)
_HEADINGS = 1500
"""Twips on a table's first page for the headings above it, which stay with it."""

_LINE = 11.5
"""Twips of a line's height for each half point of its font's size: 1.15 times the size."""

_ROW, _HEADING_ROW, _HEADER_ROW = 54, 110, 100
"""Twips above and below the text of a row."""


_FEWEST = 3
"""Rows that a last page has at least, so that the notes do not stand there alone."""


@dataclass(frozen=True, slots=True)
class _Ruler:
    """Measures how many lines a text takes; what was measured once is remembered."""

    size: int
    bold: bool = False
    known: dict[tuple[str, int], int] = field(default_factory=dict)

    def lines(self, text: str, width: int) -> int:
        """Return how many lines a text takes in a width."""
        key = (text, width)
        if key not in self.known:
            self.known[key] = self._lines(text, width)
        return self.known[key]

    def height(self, text: str, width: int) -> int:
        """Return how high a text is in a width."""
        return round(self.lines(text, width) * self.size * _LINE)

    def _lines(self, text: str, width: int) -> int:
        if "\n" in text:
            return sum(self._lines(line, width) for line in text.split("\n"))
        if width_of(text, self.size, self.bold) <= width:
            return 1
        lines, used = 1, 0
        blank = width_of(" ", self.size, self.bold)
        for word in text.split(" "):
            wide = width_of(word, self.size, self.bold)
            if used and used + wide > width:
                lines, used = lines + 1, 0
            # A word that is wider than its column goes on in the next line.
            lines += max(0, -(-wide // max(width, 1)) - 1)
            used += wide % max(width, 1) + blank
        return lines


def pages(layout: Layout) -> list[slice]:
    """Return the rows of each page that a table takes; one slice of all where it fits on a page.

    Parameters
    ----------
    layout
        A table, or one part of a wide one.

    Returns
    -------
    list of slice
        Of the rows of `Layout.grid`. No page ends with a heading, and the last page, which holds the notes, has
        three rows at least.
    """
    heights = _row_heights(layout)
    above = _caption_height(layout.table) + _header_height(layout)
    notes = _notes_height(layout.table)
    if above + sum(heights) + notes <= _PAGE - _HEADINGS:
        return [slice(0, len(heights))]
    found: list[slice] = []
    first = 0
    while first < len(heights):
        room = _PAGE - above - (0 if found else _HEADINGS)
        last = _filled(heights, first, room)
        overfull = last == len(heights) and sum(heights[first:]) + notes > room
        if overfull or len(heights) - _FEWEST < last < len(heights):
            last = max(first + 1, len(heights) - _FEWEST)
        while last - first > 1 and last < len(heights) and layout.grid.rows[last - 1].is_heading:
            last -= 1
        found.append(slice(first, last))
        first = last
    return found


def _filled(heights: list[int], first: int, room: int) -> int:
    """Return the row after the last that fits on a page; one row is always taken."""
    last, used = first + 1, heights[first]
    while last < len(heights) and used + heights[last] <= room:
        used += heights[last]
        last += 1
    return last


def _row_heights(layout: Layout) -> list[int]:
    ruler = _Ruler(layout.size)
    edges = [0, *(layout.edge(place) for place in range(len(layout.widths)))]
    return [_row_height(layout, row, ruler, edges) for row in layout.grid.rows]


def _row_height(layout: Layout, row: GridRow, ruler: _Ruler, edges: list[int]) -> int:
    label_room = layout.width if row.is_heading else edges[1]
    height = ruler.height(row.label, label_room - 2 * layout.gap - row.indent * INDENT - HANGING)
    place = 1
    for cell in row.cells:
        end = place + cell.span
        if cell.pieces:
            height = max(height, ruler.height(cell.read, edges[end] - edges[place] - 2 * layout.gap))
        place = end
    return height + (_HEADING_ROW if row.kind == "heading" else _ROW)


def _header_height(layout: Layout) -> int:
    """Return the height of the header rows."""
    headers = [cells for cells in (layout.grid.upper, layout.grid.lower) if cells]
    stub = _header_lines(layout, [HeaderCell(layout.table.stub, (), 1, "text", "")], 0)
    total = sum(_header_lines(layout, cells, 1) + _HEADER_ROW for cells in headers)
    return max(total, stub + _HEADER_ROW) if headers else 0


def _header_lines(layout: Layout, cells: Iterable[HeaderCell], place: int) -> int:
    bold, plain = _Ruler(layout.size, bold=True), _Ruler(layout.size)
    highest = 0
    for cell in cells:
        width = sum(layout.widths[place : place + cell.span]) - 2 * layout.gap
        counts = sum(plain.height(line, width) for line in cell.lines)
        highest = max(highest, bold.height(f"{cell.text}{cell.letters}", width) + counts)
        place += cell.span
    return highest


def _caption_height(table: Table) -> int:
    """Return the height of what stands above a table."""
    ruler = _Ruler(CAPTION.size)
    height = 360 + ruler.height(f"Listing 99 (part 9 of 9, continued). {table.title}", TEXT_WIDTH)
    return height + (80 + ruler.height(table.population, TEXT_WIDTH) if table.population else 0)


def _notes_height(table: Table) -> int:
    """Return the height of what stands below a table."""
    ruler = _Ruler(TABLE_NOTE.size)
    texts = [*table.remarks, *(text for _, text in table.footnotes), table.source]
    return 280 + sum(ruler.height(f"Source: {text}", TEXT_WIDTH - 2 * GAP) + 30 for text in texts if text)
