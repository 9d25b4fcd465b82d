"""A table as one frozen value, without any renderer: columns, rows, cells, footnotes and a source line.

Numbers stay numbers: each takes a cell of its own, so that a reader can copy a table into a spreadsheet. What
joins them for the eye (the "to" of an interval, the parentheses around a standard deviation) is the column's
`kind`, which every renderer draws in its own way. Values are changed by returning a copy.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from string import ascii_lowercase
from typing import Literal

from outcomes.errors import ReportError

ColumnKind = Literal["text", "number", "low", "high", "paren"]
"""What a column holds: words, a number, the lower and upper limit of an interval, a number in parentheses."""

RowKind = Literal["data", "heading", "total"]


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell.

    Parameters
    ----------
    text
        As people read it.
    value
        The number behind the text, where there is one.
    notes
        Keys of the table's footnotes.
    span
        How many columns the cell takes ("not estimable" takes the place of an estimate and its interval).
    target
        Section, table or figure that the cell leads to, as in `Document.labels` ("section:flow"); renderers link
        it, and add the page where there are pages.
    """

    text: str = ""
    value: float | int | None = None
    notes: tuple[str, ...] = ()
    span: int = 1
    target: str = ""

    def noted(self, *keys: str) -> Cell:
        """Return the cell with further footnotes."""
        return replace(self, notes=(*self.notes, *(key for key in keys if key not in self.notes)))


@dataclass(frozen=True, slots=True)
class Column:
    """One column.

    Parameters
    ----------
    header
        Its name; with a unit, in words: "Area, cm²".
    kind
        What it holds.
    spanner
        The name above this and its neighbouring columns, such as an arm's.
    spanner_lines
        Lines under the spanner's name: "N = 30 patients".
    notes
        Footnotes of the header; those of a spanner belong to its first column.
    key
        Whether the column is repeated in each part of a table that is cut for being wider than a page.
    """

    header: str = ""
    kind: ColumnKind = "number"
    spanner: str = ""
    spanner_lines: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    key: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """One row: its label and its cells.

    Parameters
    ----------
    label
        The first cell.
    cells
        The others; their spans add up to the number of columns.
    kind
        "heading" introduces the indented rows below it, "total" closes them.
    indent
        Depth of the label.
    """

    label: Cell
    cells: tuple[Cell, ...] = ()
    kind: RowKind = "data"
    indent: int = 0


@dataclass(frozen=True, slots=True)
class Table:
    """A table.

    Parameters
    ----------
    name
        Identifier, of letters, digits and hyphens.
    title
        The heading, without a number.
    stub
        Heading of the first column, the rows' labels.
    columns, rows
        The body.
    notes
        Texts of the footnotes by key. Letters are given in the order of use (`letters`); a key that is not
        used in any cell is a general remark and stands before the lettered notes.
    source
        Where the numbers come from: population, analysis, file.
    population
        Under the title: whom the table describes, with both numbers ("All: 30 patients, 120 lesions").
    kind
        "listing" for single patients' data: numbered apart from the tables, and as long as the data are.
    joint
        What stands between the two limits of an interval, with its blanks, as the journal has it.

    Raises
    ------
    ReportError
        Where a row's cells do not fill the columns, or a note's key has no text.
    """

    name: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    stub: str = ""
    notes: Mapping[str, str] = field(default_factory=dict)
    source: str = ""
    population: str = ""
    kind: Literal["table", "listing"] = "table"
    joint: str = " to "

    def __post_init__(self) -> None:
        for row in self.rows:
            width = sum(cell.span for cell in row.cells)
            if row.cells and width != len(self.columns):
                raise ReportError(
                    "a table's row does not fill its columns",
                    expected=f"{len(self.columns)} cells",
                    got=f"{width} cells",
                    where=f"table {self.name!r}, row {row.label.text!r}",
                )
        missing = [key for key in self._used() if key not in self.notes]
        if missing:
            raise ReportError("a footnote has no text", got=", ".join(missing), where=f"table {self.name!r}")

    def _used(self) -> Iterator[str]:
        for column in self.columns:
            yield from column.notes
        for row in self.rows:
            for cell in (row.label, *row.cells):
                yield from cell.notes

    @property
    def letters(self) -> dict[str, str]:
        """The letter of each used footnote, in reading order: a, b, …, z, aa, ab, …."""
        return {key: _letter(place) for place, key in enumerate(dict.fromkeys(self._used()))}

    @property
    def remarks(self) -> tuple[str, ...]:
        """General remarks: the notes that no cell refers to."""
        used = set(self._used())
        return tuple(text for key, text in self.notes.items() if key not in used)

    @property
    def footnotes(self) -> tuple[tuple[str, str], ...]:
        """(letter, text) of each used footnote, in order."""
        return tuple((letter, self.notes[key]) for key, letter in self.letters.items())

    def with_note(self, key: str, text: str) -> Table:
        """Return a copy with one more footnote or remark."""
        return replace(self, notes={**self.notes, key: text})

    def with_rows(self, rows: Iterable[Row]) -> Table:
        """Return a copy with these rows after its own."""
        return replace(self, rows=(*self.rows, *rows))


def _letter(place: int) -> str:
    first, second = divmod(place, len(ascii_lowercase))
    return (ascii_lowercase[first - 1] if first else "") + ascii_lowercase[second]


def number_cell(text: str, value: float | int | None) -> Cell:
    """Return a cell that holds a number, or words where there is none ("not estimable")."""
    known = value is not None and not (isinstance(value, float) and math.isnan(value))
    return Cell(text, value if known else None)


EMPTY = Cell()


def blank_row(label: str, width: int, indent: int = 0) -> Row:
    """Return a heading over the rows that follow."""
    return Row(Cell(label), (Cell(span=width),) if width else (), kind="heading", indent=indent)
