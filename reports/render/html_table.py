"""A table as HTML: a caption, scoped headers, rows in the groups that their headings make, cells that can be copied.

Written here and not in a template, since a listing has half a million cells.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace

from markupsafe import Markup, escape

from reports.characters import printable
from reports.render.grid import BodyCell, Grid, GridRow, HeaderCell, Piece, grid_of, split_columns
from reports.render.html_text import label
from reports.tables.value import Table

_PRINTED = 125
"""Characters of a table's font that fit on the width of a printed page."""

_CHUNK = 100
"""Rows of a listing in one body: what is far from the window is not laid out."""

_WIDEST = 30
"""Characters after which a listing's cells are wrapped."""

_HUGE = 400
"""Letters from which a cell's text does not make its row any higher."""

_SAMPLE = 200
"""Rows from which the width of a listing is judged."""


@dataclass(frozen=True, slots=True)
class Targets:
    """Where a document's labels lead: names that have an anchor in the page."""

    names: Collection[str]

    def linked(self, target: str, content: str) -> str:
        """Return content as a link where the page has its target."""
        return f'<a href="#{anchor(target)}">{content}</a>' if target in self.names else content


def anchor(name: str) -> str:
    """Return the page's anchor of what a document labels: "table:flow" stands at "table-flow"."""
    return str(escape("-".join(printable(name).removeprefix("section:").replace(":", "-").split())))


def table_markup(table: Table, number: str, targets: Targets) -> Markup:
    """Return a table with its caption: number, title, and the population below.

    Parameters
    ----------
    table
        What is drawn.
    number
        What the document calls it: "Table 3".
    targets
        Where its cells may lead.
    """
    grid = grid_of(table)
    stacked = stacks(table)
    classes = " ".join(name for name, holds in (("stacks", stacked), ("listing", _listed(table))) if holds)
    styles = [f"--fit:{fit:.2f}"] if (fit := _fit(table)) < 1 else []
    if _listed(table):
        styles.append(f"--columns:{_tracks(table, grid)}")
    style = f' style="{";".join(styles)}"' if styles else ""
    population = f'<span class="population">{label(table.population)}</span>' if table.population else ""
    caption = f'<caption id="caption-{anchor(table.name)}"><b>{number}.</b> {label(table.title)}{population}</caption>'
    opening = f"<table{_class(classes)}{style}>"
    groups = _chunks(grid.rows) if _listed(table) else row_groups(grid.rows)
    bodies = (_body(group, grid, table, stacked, targets) for group in groups)
    return Markup("\n".join([opening, caption, _columns(grid), *_head(table, grid), *bodies, "</table>"]))


def stacks(table: Table) -> bool:
    """Whether a table's rows become blocks on a phone: where words answer each row, with one line of headers."""
    return (
        not _listed(table)
        and any(column.kind == "text" for column in table.columns[1:])
        and not any(column.spanner for column in table.columns)
    )


def row_groups(rows: Sequence[GridRow]) -> Iterator[list[GridRow]]:
    """Yield rows in groups: a heading with what is indented under it, and what stands under none."""
    group: list[GridRow] = []
    depth: int | None = None
    for row in rows:
        leaves = depth is not None and row.indent <= depth
        if group and (row.is_heading or leaves):
            yield group
            group = []
        if row.is_heading:
            depth = row.indent
        elif leaves:
            depth = None
        group.append(row)
    if group:
        yield group


def _listed(table: Table) -> bool:
    return table.kind == "listing"


def _chunks(rows: Sequence[GridRow]) -> Iterator[Sequence[GridRow]]:
    """Yield a listing's rows in bodies of a size that a browser need not lay out before they are seen."""
    for group in row_groups(rows):
        for start in range(0, len(group), _CHUNK):
            yield group[start : start + _CHUNK]


def _tracks(table: Table, grid: Grid) -> str:
    """Return the widths of a listing's columns: rows that are laid out apart from each other need the same."""
    last = grid.lower or grid.upper
    widths = [max(map(len, table.stub.split()), default=4)]
    for cell in last:
        widths += [max(map(len, cell.text.split()), default=4)] * cell.span
    for row in grid.rows:
        if row.is_heading:
            continue
        widths[0] = max(widths[0], len(row.label) + 2 * row.indent)
        place = 1
        for body in row.cells:
            if body.span == 1:
                taken = sum(len(one.lead) + len(one.read) + len(one.pad) for one in body.pieces)
                widths[place] = max(widths[place], taken)
            place += body.span
    return " ".join(f"calc({min(width, _WIDEST)}ch + 1.6rem)" for width in widths)


def _fit(table: Table) -> float:
    """Return by how much a table has to be made smaller to fit on a printed page."""
    sample = replace(table, rows=table.rows[:_SAMPLE])
    room = _PRINTED
    while room < 3 * _PRINTED and len(split_columns(sample, room)) > 1:
        room += 5
    return _PRINTED / room


def _columns(grid: Grid) -> str:
    """Return the groups of columns, which the headers of several columns refer to."""
    if not grid.upper:
        return ""
    return (
        f"<colgroup></colgroup>{''.join(f'<colgroup{_span(cell.span)}></colgroup>' for cell in grid.upper)}"
    )


def _span(span: int) -> str:
    return f' span="{span}"' if span > 1 else ""


def _head(table: Table, grid: Grid) -> Iterator[str]:
    rows = [row for row in (grid.upper, grid.lower) if row]
    yield "<thead>"
    for place, row in enumerate(rows):
        over = place == 0 and len(rows) == 2
        stub = ""
        if place == 0:
            deep = ' rowspan="2"' if over else ""
            stub = (
                f'<th class="stub" scope="col"{deep}>{label(table.stub)}</th>'
                if table.stub
                else f'<td class="stub"{deep}></td>'
            )
        yield f"<tr>{stub}{''.join(_header(cell) for cell in row)}</tr>"
    yield "</thead>"


def _header(cell: HeaderCell) -> str:
    group = cell.kind == "group"
    classes = cell.kind + (" spanner" if group and cell.first_of_group else "")
    attributes = _class(classes) + _wide(cell.span, cell.columns)
    if not (cell.text or cell.lines):
        return f"<td{attributes}></td>"
    scope = "colgroup" if group or cell.span > 1 else "col"
    lines = "".join(f' <span class="count">{label(line)}</span>' for line in cell.lines)
    return f'<th{attributes} scope="{scope}">{label(cell.text)}{_sup(cell.letters)}{lines}</th>'


def _body(rows: Sequence[GridRow], grid: Grid, table: Table, stacked: bool, targets: Targets) -> str:
    return "\n".join(["<tbody>", *(_row(row, grid, table, stacked, targets) for row in rows), "</tbody>"])


def _row(row: GridRow, grid: Grid, table: Table, stacked: bool, targets: Targets) -> str:
    kind = "" if row.kind == "data" else _class(row.kind)
    text = targets.linked(row.target, _text(row.label)) + _sup(row.letters)
    inset = f" indent-{min(row.indent, 3)}" if row.indent else ""
    if row.is_heading:
        width = _wide(1 + grid.width, 1 + len(table.columns))
        return f'<tr{kind}><th class="stub{inset}" scope="rowgroup"{width}>{text}</th></tr>'
    cells = "".join(_cell(cell, stacked, targets) for cell in row.cells)
    name = f'<th class="stub{inset}" scope="row">{text}</th>' if text else f'<td class="stub{inset}"></td>'
    return f"<tr{kind}>{name}{cells}</tr>"


def _cell(cell: BodyCell, stacked: bool, targets: Targets) -> str:
    header = ""
    if stacked and cell.header and cell.pieces:
        header = f' data-header="{escape(printable(cell.header))}"'
    pieces = cell.pieces
    if len(pieces) == 1 and cell.columns == 1 and not (pieces[0].pad or pieces[0].letters):
        content = _text(pieces[0].text)
    else:
        content = "".join(map(_piece, pieces))
    content = targets.linked(cell.target, content)
    return f"<td{_class(cell.classes)}{_wide(cell.span, cell.columns)}{header}>{content}</td>"


def _piece(piece: Piece) -> str:
    """Return one value; digits that only make room are attributes, so that the page's text has no number more."""
    joint = str(escape(printable(piece.joint)))
    if not (piece.text or piece.pad):
        return joint
    lead = f' data-lead="{piece.lead}"' if piece.lead else ""
    pad = f' data-pad="{piece.pad}"' if piece.pad else ""
    value = f'{piece.opening}<span class="v">{_text(piece.text)}</span>{piece.closing}'
    return f'{joint}<span class="n"{lead}{pad}>{value}{_sup(piece.letters)}</span>'


def _text(text: str) -> str:
    """Return the text of a cell; one of hundreds of letters scrolls in a box of its own."""
    shown = str(label(text))
    return f'<span class="huge" tabindex="0">{shown}</span>' if len(text) > _HUGE else shown


def _class(names: str) -> str:
    return f' class="{names}"' if names else ""


def _wide(span: int, columns: int) -> str:
    held = f' data-columns="{columns}"' if columns > 1 else ""
    return (f' colspan="{span}"' if span > 1 else "") + held


def _sup(letters: str) -> str:
    return f"<sup>{letters}</sup>" if letters else ""
