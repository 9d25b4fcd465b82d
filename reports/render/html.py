"""A report as one self-contained HTML file.

Style, script and figures stand inside the file; its content security policy forbids to load anything, so it
opens offline and tells nobody that it was opened. What a page looks like is decided in ``templates/``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from reports.document import BulletList, Definitions, Document, Figure, FigureBlock, Heading, Paragraph
from reports.tables.value import Column, Table

if TYPE_CHECKING:
    from jinja2 import Environment

_JOINED = ("high", "paren")
"""Kinds of column that continue the one before them, for the eye and for the header."""

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
    )
    environment.globals.update(
        spanners=spanner_cells,
        headers=header_cells,
        letters=_letters,
        inline_svg=inline_svg,
        kind_of=_kind_of,
        prose=prose,
        classes_of=lambda table: column_classes(table.columns),
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
        if before is not None and column.spanner and column.spanner == before.spanner:
            last = cells[-1]
            cells[-1] = HeaderCell(last.text, last.lines, last.span + 1, "group", last.letters, True)
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
        if cells and column.kind in _JOINED and not column.header:
            last = cells[-1]
            cells[-1] = HeaderCell(last.text, (), last.span + 1, "group", last.letters)
            continue
        letters = "" if column.spanner and not column.header else _letters(table, column.notes)
        cells.append(HeaderCell(column.header, (), 1, column.kind, letters))
    return tuple(cells)


def column_classes(columns: tuple[Column, ...]) -> tuple[str, ...]:
    """Return the CSS classes of each column: its kind, whether a group begins or a pair starts there."""
    classes = []
    for place, column in enumerate(columns):
        begins = bool(column.spanner) and (place == 0 or columns[place - 1].spanner != column.spanner)
        leads = place + 1 < len(columns) and columns[place + 1].kind in _JOINED
        classes.append(column.kind + (" begins" if begins else "") + (" leads" if leads else ""))
    return tuple(classes)


def _letters(table: Table, notes: tuple[str, ...]) -> str:
    return ",".join(table.letters[key] for key in notes)


_KINDS: dict[type, str] = {
    Paragraph: "paragraph",
    BulletList: "list",
    Definitions: "definitions",
    Heading: "heading",
    FigureBlock: "figure",
    Table: "table",
}


def _kind_of(block: object) -> str:
    return _KINDS[type(block)]
