"""A report as one self-contained HTML file.

Style, script and figures stand inside the file; its content security policy forbids to load anything, so it
opens offline and tells nobody that it was opened. What a page looks like is decided in ``templates/``.
"""

from __future__ import annotations

import re
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
    Verbatim,
)
from reports.render.grid import grid_of
from reports.tables.value import Table

if TYPE_CHECKING:
    from jinja2 import Environment

_SVG_SIZE = re.compile(r'(<svg\b[^>]*?)\s(?:width|height)="[^"]*"')
_SVG_NAMESPACE = re.compile(r'\sxmlns(?::\w+)?="[^"]*"')


def render_html(document: Document) -> str:
    """Return the page of a report, as text that ends in a line feed."""
    page = (
        _environment()
        .get_template("report.html.j2")
        .render(
            document=document,
            labels=document.labels,
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
        grid_of=grid_of,
        anchor=_anchor,
        inline_svg=inline_svg,
        kind_of=_kind_of,
        prose=prose,
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


def stacks(table: Table) -> bool:
    """Whether a table's rows become blocks on a phone: where words answer each row, with one line of headers."""
    return any(column.kind == "text" for column in table.columns[1:]) and not any(
        column.spanner for column in table.columns
    )


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
        case Verbatim():
            return block.text.count("\n") + 2
        case Folded():
            return 2 + sum(map(_lines, block.blocks))


_KINDS: dict[type, str] = {
    Paragraph: "paragraph",
    BulletList: "list",
    Definitions: "definitions",
    Heading: "heading",
    FigureBlock: "figure",
    Folded: "folded",
    Table: "table",
    Verbatim: "verbatim",
}


def _anchor(label: str) -> str:
    """Return the page's anchor of what a document labels: "table:flow" stands at "table-flow"."""
    return label.removeprefix("section:").replace(":", "-")


def _kind_of(block: object) -> str:
    return _KINDS[type(block)]
