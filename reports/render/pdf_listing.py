"""Long listings for a PDF: rows as bare strings, so that fifty thousand of them are typeset in seconds.

A table of a report is measured cell by cell before it is drawn; a listing is not: the longest texts of each column
decide its width, and rows wrap within it.
"""

from __future__ import annotations

from heapq import nlargest
from itertools import pairwise
from typing import Any

from reports.render.grid import JOINED
from reports.render.pdf_text import Writer, has_long_word
from reports.tables.value import Cell, Row, Table

PROBES = 6
"""How many of a column's longest texts are measured."""

ListedCell = str | list[str] | list[list[str]]
"""A text; or a text with what follows it: digits that it lacks (room only), letters of footnotes; or a text in parts
between which it may break."""


def listed_rows(table: Table, write: Writer) -> list[list[ListedCell]]:
    """Return a listing's rows, the label first; a row of one text stands over the whole width."""
    starts = [place for place, column in enumerate(table.columns) if column.kind not in JOINED]
    spans = list(pairwise([*starts, len(table.columns)]))
    decimals = [_decimals(table, place) for place in range(len(table.columns))]
    letters = table.letters
    rows: list[list[ListedCell]] = []
    for row in table.rows:
        label = _cell(row.label, write, letters, 0)
        if row.kind == "heading" and not any(cell.text for cell in row.cells):
            rows.append([label])
            continue
        cells = _spread(row, len(table.columns))
        rows.append([label, *(_joined(table, cells, span, write, letters, decimals) for span in spans)])
    return rows


def probes_of(rows: list[list[ListedCell]], count: int) -> list[dict[str, Any]]:
    """Return the longest texts and the longest words of each column, for the template to measure."""
    texts: list[set[str]] = [set() for _ in range(count)]
    for row in rows:
        if len(row) == count:
            for seen, cell in zip(texts, row, strict=True):
                seen.add(_bare(cell))
    found = []
    for seen in texts:
        words = {word for text in seen for word in text.split()}
        longest = {"texts": nlargest(PROBES, sorted(seen), key=len)}
        found.append(longest | {"words": nlargest(PROBES, sorted(words), key=len)})
    return found


def _spread(row: Row, width: int) -> list[Cell | None]:
    """Return a row's cells at the places of their columns; places that a cell spans are None."""
    cells: list[Cell | None] = []
    for cell in row.cells:
        cells += [cell, *([None] * (cell.span - 1))]
    return cells or [None] * width


def _joined(
    table: Table,
    cells: list[Cell | None],
    span: tuple[int, int],
    write: Writer,
    letters: dict[str, str],
    decimals: list[int],
) -> ListedCell:
    """Return what stands in one column of the page: a value, with the limits or the parenthesis that belong to it."""
    first, last = span
    if last - first == 1:
        return _cell(cells[first], write, letters, decimals[first])
    text = ""
    for place in range(first, last):
        cell = cells[place]
        if cell is None or not cell.text:
            continue
        kind = table.columns[place].kind
        if not text or place == first:
            text += cell.text
        else:
            text += f"{table.joint}{cell.text}" if kind == "high" else f" ({cell.text})"
    return write.plain(text)


def _cell(cell: Cell | None, write: Writer, letters: dict[str, str], decimals: int) -> ListedCell:
    if cell is None or not cell.text:
        return ""
    text = write.plain(cell.text)
    noted = ",".join(letters[key] for key in cell.notes)
    pad = ""
    if decimals and cell.value is not None:
        own = _decimals_of(cell.text)
        pad = "" if own == decimals else ("." if own == 0 else "") + "0" * (decimals - own)
    if pad or noted:
        return [text, pad, noted]
    return write.inline(text) if has_long_word(text) else text


def _bare(cell: ListedCell) -> str:
    return (
        cell
        if isinstance(cell, str)
        else "".join(part if isinstance(part, str) else part[1] for part in cell)
    )


def _decimals(table: Table, place: int) -> int:
    """Return the most decimals of a column of numbers."""
    if table.columns[place].kind == "text":
        return 0
    most = 0
    for row in table.rows:
        if len(row.cells) == len(table.columns):
            cell = row.cells[place]
            if cell.value is not None:
                most = max(most, _decimals_of(cell.text))
    return most


def _decimals_of(text: str) -> int:
    for mark in (".", "·"):
        if mark in text:
            return len(text.rsplit(mark, 1)[1])
    return 0
