"""A table laid out as a page shows it, for every renderer alike: header rows, cells, what is joined, what is cut.

A table's numbers stand in columns of their own; a reader sees "−1.3 to 4.1" and "33.8 (9.0)". Here columns that
are read as one become one column of the page, and wide tables are cut into parts that fit. No format is in it,
so that HTML, PDF, Word and RTF show the same cells.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from reports.format import NO_BREAK_SPACE
from reports.tables.value import Cell, Column, Row, RowKind, Table

JOINED = ("high", "paren")
"""Kinds of column that continue the one before them in the same cell of the page."""


@dataclass(frozen=True, slots=True)
class HeaderCell:
    """A header cell over one column or more.

    `span` counts columns of the page, `columns` those of the table.
    """

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

    `joint`, `opening`, `text` and `closing` are read, in this order; `lead` and `pad` are only room, the digits
    that the number lacks before its first and after its last to align with its column.
    """

    text: str
    letters: str = ""
    joint: str = ""
    opening: str = ""
    closing: str = ""
    lead: str = ""
    pad: str = ""

    @property
    def read(self) -> str:
        """What a person reads, without footnote letters."""
        return f"{self.joint}{self.opening}{self.text}{self.closing}" if self.text else ""


@dataclass(frozen=True, slots=True)
class BodyCell:
    """A cell as it stands on the page: a value, or the values of columns that are read as one.

    `span` counts columns of the page, `columns` those of the table; `header` names the column where a phone
    shows no header row; `target` names a section, table or figure that the cell leads to.
    """

    pieces: tuple[Piece, ...]
    classes: str
    span: int = 1
    columns: int = 1
    header: str = ""
    target: str = ""

    @property
    def read(self) -> str:
        """What a person reads, without footnote letters: "−1.3 to 4.1"."""
        return "".join(piece.read for piece in self.pieces)


@dataclass(frozen=True, slots=True)
class GridRow:
    """A row of the page: its label, and its cells (none where a heading stands over the whole width)."""

    label: str
    letters: str
    cells: tuple[BodyCell, ...]
    kind: RowKind
    indent: int
    target: str = ""

    @property
    def is_heading(self) -> bool:
        """Whether the label stands over the whole width."""
        return self.kind == "heading" and not any(cell.read for cell in self.cells)


@dataclass(frozen=True, slots=True)
class Grid:
    """A table as a page shows it.

    Parameters
    ----------
    upper, lower
        The rows of the header, without the stub's cell; empty where the table has none.
    rows
        The body.
    columns
        Classes of the page's columns, without the stub: what each holds ("number", "low", "text"), and "begins"
        where a group begins.
    """

    upper: tuple[HeaderCell, ...]
    lower: tuple[HeaderCell, ...]
    rows: tuple[GridRow, ...]
    columns: tuple[str, ...]

    @property
    def width(self) -> int:
        """How many columns the page has, without the stub."""
        return len(self.columns)


def grid_of(table: Table) -> Grid:
    """Lay a table out; numbers are aligned on their decimal point with the rest of their column."""
    letters = table.letters
    classes = column_classes(table.columns)
    rooms = tuple(_Room.of(cells) for cells in _by_column(table))
    rows = tuple(
        GridRow(
            row.label.text,
            _joined_letters(letters, row.label.notes),
            tuple(_body_cells(table, row, letters, rooms, classes)),
            row.kind,
            row.indent,
            row.label.target,
        )
        for row in table.rows
    )
    shown = tuple(
        kind for kind, column in zip(classes, table.columns, strict=True) if column.kind not in JOINED
    )
    return Grid(_upper(table, letters), _lower(table, letters), rows, shown)


def read_grid(table: Table) -> list[list[str]]:
    """Return a table's header and rows as a reader sees them, cell by cell: what every format has to show.

    Letters of footnotes are left out; a cell over several columns stands once.
    """
    grid = grid_of(table)
    rows: list[list[str]] = []
    for place, header in enumerate(line for line in (grid.upper, grid.lower) if line):
        stub = table.stub if place == 0 else ""
        rows.append([stub, *(" ".join([cell.text, *cell.lines]).strip() for cell in header)])
    for row in grid.rows:
        rows.append([row.label] if row.is_heading else [row.label, *(cell.read for cell in row.cells)])
    return rows


@dataclass(frozen=True, slots=True)
class _Room:
    """What numbers of a column take on either side of their decimal point, and the widest with that room."""

    before: int = 0
    decimals: int = 0
    widest: str = ""

    @classmethod
    def of(cls, cells: Sequence[Cell]) -> _Room:
        numbers = [cell for cell in cells if cell.value is not None]
        if not numbers:
            return cls()
        room = cls(max(map(_before_point, numbers)), max(map(_decimals, numbers)))
        texts = (room.lead(cell) + cell.text + room.pad(cell) for cell in numbers)
        return cls(room.before, room.decimals, max(texts, key=len))

    def lead(self, cell: Cell) -> str:
        if cell.value is None or cell.span > 1:
            return ""
        return "0" * (self.before - _before_point(cell))

    def pad(self, cell: Cell) -> str:
        if cell.value is None or cell.span > 1:
            return ""
        own = _decimals(cell)
        return "" if own == self.decimals else ("." if own == 0 else "") + "0" * (self.decimals - own)


def _decimals(cell: Cell) -> int:
    for mark in (".", "·"):
        if mark in cell.text:
            return len(cell.text.rsplit(mark, 1)[1])
    return 0


def _before_point(cell: Cell) -> int:
    decimals = _decimals(cell)
    return len(cell.text) - (decimals + 1 if decimals else 0)


def _by_column(table: Table) -> list[list[Cell]]:
    """Return the cells of each column, those of one column alone."""
    columns: list[list[Cell]] = [[] for _ in table.columns]
    for row in table.rows:
        place = 0
        for cell in row.cells:
            if cell.span == 1:
                columns[place].append(cell)
            place += cell.span
    return columns


def _upper(table: Table, letters: Mapping[str, str]) -> tuple[HeaderCell, ...]:
    """Return the upper row of the header; empty where no column has a spanner."""
    if not any(column.spanner for column in table.columns):
        return ()
    cells: list[HeaderCell] = []
    for place, column in enumerate(table.columns):
        before = table.columns[place - 1] if place else None
        same = before is not None and before.spanner == column.spanner
        if same and (column.spanner or column.kind in JOINED):
            cells[-1] = _widened(cells[-1], column, grouped=bool(column.spanner))
            continue
        noted = _joined_letters(letters, column.notes) if column.spanner else ""
        cells.append(
            HeaderCell(column.spanner, column.spanner_lines, 1, "group", noted, bool(column.spanner))
        )
    return tuple(cells)


def _lower(table: Table, letters: Mapping[str, str]) -> tuple[HeaderCell, ...]:
    """Return the lower row of the header; empty where every column's own header is."""
    if not any(column.header for column in table.columns):
        return ()
    cells: list[HeaderCell] = []
    for column in table.columns:
        if cells and column.kind in JOINED:
            cells[-1] = _widened(cells[-1], column, grouped=False)
            continue
        noted = "" if column.spanner and not column.header else _joined_letters(letters, column.notes)
        cells.append(HeaderCell(column.header, (), 1, column.kind, noted))
    return tuple(cells)


def _widened(cell: HeaderCell, column: Column, grouped: bool) -> HeaderCell:
    """Return a header cell with one more of the table's columns below it; the page's column may be the same."""
    joined = column.kind in JOINED
    return replace(
        cell,
        text=cell.text if grouped or not column.header else f"{cell.text} {column.header}".strip(),
        span=cell.span + (not joined),
        columns=cell.columns + 1,
    )


def _body_cells(
    table: Table, row: Row, letters: Mapping[str, str], rooms: Sequence[_Room], classes: Sequence[str]
) -> Iterator[BodyCell]:
    """Yield a row's cells as they stand on the page: a number and what is joined to it in one cell.

    The text of each is what a person reads ("−1.3 to 4.1", "33.8 (9.0)"), with nothing hidden in it: a page
    is also searched, copied, read aloud and read by programs.
    """
    for first, taken in _taken(table, row):
        pieces, last = [], first
        for cell in taken:
            noted = _joined_letters(letters, cell.notes)
            pieces.append(_piece(table, last, cell, noted, rooms[last], alone=last == first))
            last += cell.span
        if not any(cell.text for cell in taken):
            pieces = []
        span = 1 + sum(column.kind not in JOINED for column in table.columns[first + 1 : last])
        kinds = "wide" if span > 1 else classes[first]
        worded = any(cell.text and cell.value is None for cell in taken)
        if span == 1 and worded and table.columns[first].kind != "text":
            kinds += " words"
        header = "" if span > 1 else table.columns[first].header
        target = next((cell.target for cell in taken if cell.target), "")
        yield BodyCell(tuple(pieces), kinds, span, last - first, header, target)


def _taken(table: Table, row: Row) -> Iterator[tuple[int, list[Cell]]]:
    """Yield the cells that share a cell of the page, with the place of their first column."""
    first, place, taken = 0, 0, list[Cell]()
    for cell in row.cells:
        if taken and table.columns[place].kind not in JOINED:
            yield first, taken
            first, taken = place, []
        taken.append(cell)
        place += cell.span
    if taken:
        yield first, taken


def _piece(table: Table, place: int, cell: Cell, letters: str, room: _Room, alone: bool) -> Piece:
    """Return a cell as a piece of the page's; one that follows another is joined to it by its column's kind."""
    if alone:
        return Piece(cell.text, letters, pad=room.pad(cell))
    joint, opening, closing = (
        (table.joint, "", "") if table.columns[place].kind == "high" else (" ", "(", ")")
    )
    if not cell.text:
        # Room for what other rows have here, so that the number before it stands under theirs.
        widest = f"{joint}{opening}{room.widest}{closing}" if room.widest else ""
        return Piece("", letters, pad=widest.replace(" ", NO_BREAK_SPACE))
    if cell.value is None:
        return Piece(cell.text, letters, " ")
    return Piece(cell.text, letters, joint, opening, closing, room.lead(cell), room.pad(cell))


def column_classes(columns: tuple[Column, ...]) -> tuple[str, ...]:
    """Return the classes of each column of a table: its kind, and whether a group begins there."""
    classes: list[str] = []
    for place, column in enumerate(columns):
        begins = bool(column.spanner) and (place == 0 or columns[place - 1].spanner != column.spanner)
        classes.append(column.kind + (" begins" if begins else ""))
    return tuple(classes)


def _joined_letters(letters: Mapping[str, str], notes: tuple[str, ...]) -> str:
    return ",".join(letters[key] for key in notes)


_STUB_ROOM, _TEXT_ROOM, _GAP = 34, 30, 2
"""Characters after which a label and a cell of words are wrapped, and those between two columns."""


def split_columns(table: Table, room: int) -> tuple[Table, ...]:
    """Cut a table that is wider than a page into parts, each with the labels and the key columns.

    Parameters
    ----------
    table
        Any table; one that fits is returned as it is.
    room
        Width of the page in characters of the table's font.

    Returns
    -------
    tuple of Table
        Parts with the same rows, name and title. Columns under one spanner stay together where they fit. A cell
        over several columns stands in each part that shows one of them.
    """
    widths = _widths(table)
    stub = _label_width(table)
    keys = [place for place, column in enumerate(table.columns) if column.key]
    fixed = stub + sum(widths[place] for place in keys)
    if stub + sum(widths) <= room:
        return (table,)
    parts: list[list[int]] = []
    used = room + 1
    for group in _groups(table, widths, room - fixed):
        wide = sum(widths[place] for place in group)
        if used + wide > room:
            parts.append([])
            used = fixed
        parts[-1] += group
        used += wide
    return tuple(_own_notes(table, _part(table, sorted({*keys, *part}))) for part in parts)


def _own_notes(table: Table, part: Table) -> Table:
    """Return a part without the footnotes of other parts, which would stand in it as remarks."""
    foreign = set(table.letters) - set(part.letters)
    return replace(part, notes={key: text for key, text in part.notes.items() if key not in foreign})


def _groups(table: Table, widths: Sequence[int], room: int) -> list[list[int]]:
    """Return columns that should not be parted: those under one spanner where they fit, else those read as one."""
    read_as_one: list[list[int]] = []
    for place, column in enumerate(table.columns):
        if column.key:
            continue
        if read_as_one and column.kind in JOINED:
            read_as_one[-1].append(place)
        else:
            read_as_one.append([place])
    groups: list[list[int]] = []
    for _, members in groupby(read_as_one, key=lambda one: table.columns[one[0]].spanner or one[0]):
        under = list(members)
        together = [place for one in under for place in one]
        groups += [together] if sum(widths[place] for place in together) <= room else under
    return groups


def _part(table: Table, places: Sequence[int]) -> Table:
    """Return a table with some of its columns; cells over several columns keep those that are left."""
    chosen = set(places)
    rows = []
    for row in table.rows:
        cells: list[Cell] = []
        place = 0
        for cell in row.cells:
            span = sum(place <= member < place + cell.span for member in chosen)
            if span:
                cells.append(cell if span == cell.span else replace(cell, span=span))
            place += cell.span
        rows.append(replace(row, cells=tuple(cells)))
    return replace(table, columns=tuple(table.columns[place] for place in places), rows=tuple(rows))


def _widths(table: Table) -> list[int]:
    """Estimate the characters that each column takes, with the gap beside it."""
    widths = []
    for column, cells in zip(table.columns, _by_column(table), strict=True):
        texts = [cell.text for cell in cells]
        if column.kind == "text":
            widest = _wrapped([column.header, *texts], _TEXT_ROOM)
        else:
            header = _wrapped([column.header], 10)
            joined = {"high": len(table.joint) - _GAP, "paren": 3 - _GAP}.get(column.kind, 0)
            widest = max(header, max(map(len, texts), default=0)) + joined
        widths.append(widest + _GAP)
    _widen_for_spanners(table.columns, widths)
    return widths


def _widen_for_spanners(columns: Sequence[Column], widths: list[int]) -> None:
    """Give the columns under a spanner the room that its own lines need."""
    place = 0
    while place < len(columns):
        end = place + 1
        while (
            end < len(columns) and columns[place].spanner and columns[end].spanner == columns[place].spanner
        ):
            end += 1
        if columns[place].spanner:
            wanted = _wrapped([columns[place].spanner, *columns[place].spanner_lines], 20) + _GAP
            widths[place] += max(0, wanted - sum(widths[place:end]))
        place = end


def _label_width(table: Table) -> int:
    labels = [table.stub, *(row.label.text for row in table.rows if row.kind != "heading")]
    return _wrapped(labels, _STUB_ROOM) + _GAP


def _wrapped(texts: Sequence[str], room: int) -> int:
    """Return the width of the widest text, wrapped at some room, but never within a word."""
    longest = max((len(word) for text in texts for word in text.split()), default=0)
    return max(longest, min(room, max(map(len, texts), default=0)))
