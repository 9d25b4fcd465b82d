"""A report as one self-contained HTML file.

Style, script and figures stand inside the file; its content security policy forbids to load anything, so it
opens offline and tells nobody that it was opened. What a page looks like is decided in ``templates/``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

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
)
from reports.format import NO_BREAK_SPACE
from reports.tables.value import Cell, Column, Row, Table

if TYPE_CHECKING:
    from jinja2 import Environment

_JOINED = {"high": (" to ", "", ""), "paren": (" ", "(", ")")}
"""Kinds of column that continue the one before them in the same cell: what stands between, before and after."""

_SVG_SIZE = re.compile(r'(<svg\b[^>]*?)\s(?:width|height)="[^"]*"')
_SVG_NAMESPACE = re.compile(r'\sxmlns(?::\w+)?="[^"]*"')


@dataclass(frozen=True, slots=True)
class HeaderCell:
    """A header cell over one column or more."""

    text: str
    lines: tuple[str, ...]
    span: int
    kind: str
    letters: str
    first_of_group: bool = False
    columns: int = 1


@dataclass(frozen=True, slots=True)
class Piece:
    """One value in a body cell.

    `joint`, `opening`, `text` and `closing` are read, in this order; `lead` and `pad` are only room, which
    the style sheet makes by digits that are not in the text.
    """

    text: str
    letters: str = ""
    joint: str = ""
    opening: str = ""
    closing: str = ""
    lead: str = ""
    pad: str = ""


@dataclass(frozen=True, slots=True)
class BodyCell:
    """A cell as it stands on the page: a value, or the values of columns that are read as one.

    `span` counts columns of the page, `columns` those of the table; `header` names the column where a phone
    shows no header row.
    """

    pieces: tuple[Piece, ...]
    classes: str
    span: int = 1
    columns: int = 1
    header: str = ""


def render_html(document: Document) -> str:
    """Return the page of a report, as text that ends in a line feed."""
    page = (
        _environment()
        .get_template("report.html.j2")
        .render(
            document=document,
            table_numbers={table.name: place for place, table in enumerate(document.tables, start=1)},
            figure_numbers={figure.name: place for place, figure in enumerate(document.figures, start=1)},
        )
    )
    # Templates leave lines of blanks behind; two files with the same content should not differ in them.
    return re.sub(r"\n\s*\n+", "\n", page).strip() + "\n"


@lru_cache(maxsize=1)
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("reports.render"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.loopcontrols"],
    )
    environment.globals.update(
        spanners=spanner_cells,
        headers=header_cells,
        letters=_letters,
        inline_svg=inline_svg,
        kind_of=_kind_of,
        prose=prose,
        body=body_cells,
        width_of=page_columns,
        stacks=stacks,
        is_long=is_long,
    )
    return environment


_UNBROKEN = re.compile(r"\bp (?:=|&lt;|&gt;) [0-9.·]+[0-9]")


def prose(text: str) -> str:
    """Return text escaped, with p-values that no line break divides."""
    from markupsafe import Markup, escape

    return Markup(_UNBROKEN.sub(r'<span class="unbroken">\g<0></span>', str(escape(text))))


def inline_svg(figure: Figure) -> str:
    """Return a figure's SVG ready to stand in a page: no prolog, no fixed size, labelled with its finding."""
    from markupsafe import Markup, escape

    svg = figure.svg[figure.svg.index("<svg") :].strip()
    head, body = svg.split(">", 1)
    head = _SVG_NAMESPACE.sub("", head)
    while _SVG_SIZE.search(head):
        head = _SVG_SIZE.sub(r"\1", head)
    head = re.sub(r'\s(?:role|aria-label|aria-labelledby)="[^"]*"', "", head)
    # The label replaces a title of the figure's own, which browsers would show as a tooltip over the whole
    # drawing.
    body = re.sub(r"<title>.*?</title>", "", body, count=1, flags=re.DOTALL)
    return Markup(f'{head} role="img" aria-label="{escape(figure.alt_text)}">{body}')


def spanner_cells(table: Table) -> tuple[HeaderCell, ...]:
    """Return the upper row of a table's header; empty where no column has a spanner."""
    if not any(column.spanner for column in table.columns):
        return ()
    cells: list[HeaderCell] = []
    for place, column in enumerate(table.columns):
        before = table.columns[place - 1] if place else None
        same = before is not None and before.spanner == column.spanner
        if same and (column.spanner or column.kind in _JOINED):
            cells[-1] = _widened(cells[-1], column, grouped=bool(column.spanner))
            continue
        letters = _letters(table, column.notes) if column.spanner else ""
        cells.append(
            HeaderCell(column.spanner, column.spanner_lines, 1, "group", letters, bool(column.spanner))
        )
    return tuple(cells)


def header_cells(table: Table) -> tuple[HeaderCell, ...]:
    """Return the lower row of a table's header; empty where every column's own header is."""
    if not any(column.header for column in table.columns):
        return ()
    cells: list[HeaderCell] = []
    for column in table.columns:
        if cells and column.kind in _JOINED:
            cells[-1] = _widened(cells[-1], column, grouped=False)
            continue
        letters = "" if column.spanner and not column.header else _letters(table, column.notes)
        cells.append(HeaderCell(column.header, (), 1, column.kind, letters))
    return tuple(cells)


def _widened(cell: HeaderCell, column: Column, grouped: bool) -> HeaderCell:
    """Return a header cell with one more of the table's columns below it; the page's column may be the same."""
    joined = column.kind in _JOINED
    return replace(
        cell,
        text=cell.text if grouped or not column.header else f"{cell.text} {column.header}".strip(),
        span=cell.span + (not joined),
        columns=cell.columns + 1,
    )


def body_cells(table: Table, row: Row) -> tuple[BodyCell, ...]:
    """Return a row's cells as they stand on the page: a number and what is joined to it in one cell.

    The text of each is what a person reads ("−1.3 to 4.1", "33.8 (9.0)"), with nothing hidden in it: a page
    is also searched, copied, read aloud and read by programs.
    """
    classes = column_classes(table.columns)
    cells: list[BodyCell] = []
    for first, taken in _taken(table, row):
        pieces, last = [], first
        for cell in taken:
            pieces.append(_piece(table, last, cell, alone=last == first))
            last += cell.span
        if not any(cell.text for cell in taken):
            pieces = []
        span = 1 + sum(column.kind not in _JOINED for column in table.columns[first + 1 : last])
        kinds = "wide" if span > 1 else classes[first]
        worded = any(cell.text and cell.value is None for cell in taken)
        if span == 1 and worded and table.columns[first].kind != "text":
            kinds += " words"
        header = "" if span > 1 else table.columns[first].header
        cells.append(BodyCell(tuple(pieces), kinds, span, last - first, header))
    return tuple(cells)


def _taken(table: Table, row: Row) -> Iterator[tuple[int, list[Cell]]]:
    """Yield the cells that share a cell of the page, with the place of their first column."""
    first, place, taken = 0, 0, list[Cell]()
    for cell in row.cells:
        if taken and table.columns[place].kind not in _JOINED:
            yield first, taken
            first, taken = place, []
        taken.append(cell)
        place += cell.span
    if taken:
        yield first, taken


def _piece(table: Table, place: int, cell: Cell, alone: bool) -> Piece:
    """Return a cell as a piece of the page's; one that follows another is joined to it by its column's kind."""
    letters = _letters(table, cell.notes)
    if alone:
        return Piece(cell.text, letters, pad=table.padding(place, cell))
    joint, opening, closing = _JOINED[table.columns[place].kind]
    if not cell.text:
        # Room for what other rows have here, so that the number before it stands under theirs.
        widest = max((_read(table, place, row) for row in table.rows), key=len)
        room = f"{joint}{opening}{widest}{closing}" if widest else ""
        return Piece("", letters, pad=room.replace(" ", NO_BREAK_SPACE))
    if cell.value is None:
        return Piece(cell.text, letters, " ")
    return Piece(
        cell.text, letters, joint, opening, closing, table.lead(place, cell), table.padding(place, cell)
    )


def _read(table: Table, column: int, row: Row) -> str:
    """Return the number that a row has in a column, with the digits that it lacks there; "" for words."""
    place = 0
    for cell in row.cells:
        if place == column and cell.span == 1 and cell.value is not None:
            return table.lead(column, cell) + cell.text + table.padding(column, cell)
        place += cell.span
    return ""


def page_columns(columns: tuple[Column, ...]) -> int:
    """Return how many columns the page has for a table's, without its stub."""
    return sum(column.kind not in _JOINED for column in columns)


def stacks(table: Table) -> bool:
    """Whether a table's rows become blocks on a phone: where words answer each row, with one line of headers."""
    return any(column.kind == "text" for column in table.columns[1:]) and not spanner_cells(table)


_LONG = 45
"""Printed lines from which a section begins a page of its own; a page holds about 60."""


def is_long(blocks: tuple[Block, ...]) -> bool:
    """Whether a section fills most of a printed page: short ones share a page, so that none is a line on a page."""
    return sum(map(_lines, blocks)) >= _LONG


def _lines(block: Block) -> float:
    """Estimate how many lines a block takes in print."""
    match block:
        case Table():
            notes = (*block.remarks, *(text for _, text in block.footnotes), block.source)
            return 6 + len(block.rows) + sum(len(text) / 150 + 0.7 for text in notes)
        case FigureBlock():
            return 26
        case Paragraph():
            return len(block.text) / 95 + 1.5
        case Heading():
            return 2.5
        case BulletList():
            return sum(len(text) / 90 + 1 for text in block.items)
        case Definitions():
            return sum(len(text) / 70 + 1 for _, text in block.items)
        case Folded():
            return 2 + sum(map(_lines, block.blocks))


def column_classes(columns: tuple[Column, ...]) -> tuple[str, ...]:
    """Return the CSS classes of each column: its kind, and whether a group begins there."""
    classes: list[str] = []
    for place, column in enumerate(columns):
        begins = bool(column.spanner) and (place == 0 or columns[place - 1].spanner != column.spanner)
        classes.append(column.kind + (" begins" if begins else ""))
    return tuple(classes)


def _letters(table: Table, notes: tuple[str, ...]) -> str:
    return ",".join(table.letters[key] for key in notes)


_KINDS: dict[type, str] = {
    Paragraph: "paragraph",
    BulletList: "list",
    Definitions: "definitions",
    Heading: "heading",
    FigureBlock: "figure",
    Folded: "folded",
    Table: "table",
}


def _kind_of(block: object) -> str:
    return _KINDS[type(block)]
