"""A report as one self-contained HTML file.

Style, script and figures stand inside the file; its content security policy forbids to load anything, so it
opens offline and tells nobody that it was opened. What a page looks like is decided in ``templates/``.
"""

from __future__ import annotations

import re
from base64 import b64encode
from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING

from markupsafe import Markup, escape

from reports.characters import printable
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
from reports.render.html_table import Targets, anchor, table_markup
from reports.render.html_text import css_string, label, prose, verbatim
from reports.tables.value import Table

if TYPE_CHECKING:
    from jinja2 import Environment
_SVG_SIZE = re.compile(r'(<svg\b[^>]*?)\s(?:width|height)="[^"]*"')
_SVG_NAMESPACE = re.compile(r'\sxmlns(?::\w+)?="[^"]*"')


def render_html(document: Document) -> str:
    """Return the page of a report, as text that ends in a line feed."""
    environment = _environment()
    labels = document.labels
    targets = Targets(labels)

    def number_of(name: str) -> str:
        return labels[name]

    def table_of(table: Table) -> Markup:
        return table_markup(table, labels[f"table:{table.name}"], targets)

    scripts = {name: _tidied(environment.get_template(f"{name}.js").render()) for name in ("early", "report")}
    page = environment.get_template("report.html.j2").render(
        document=document,
        labels=labels,
        number_of=number_of,
        table_of=table_of,
        early=Markup(scripts["early"]),
        script=Markup(scripts["report"]),
        script_sources=Markup(" ").join(map(_source, scripts.values())),
    )
    return _tidied(page) + "\n"


def _tidied(text: str) -> str:
    """Return text without the lines of blanks that templates leave behind."""
    return re.sub(r"\n\s*\n+", "\n", text).strip()


def _source(script: str) -> Markup:
    """Return a script as the page's policy allows it: by its hash, so that no other runs."""
    return Markup(f"'sha256-{b64encode(sha256(script.encode()).digest()).decode()}'")


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
        anchor=_anchor,
        counted=_counted,
        css_string=css_string,
        inline_svg=inline_svg,
        is_long=is_long,
        kind_of=_kind_of,
        label=label,
        printable=printable,
        prose=prose,
        verbatim=verbatim,
    )
    return environment


def _anchor(name: str) -> Markup:
    return Markup(anchor(name))


def _counted(rows: int) -> str:
    return f"{rows:,} {'row' if rows == 1 else 'rows'}"


def inline_svg(figure: Figure) -> Markup:
    """Return a figure's SVG ready to stand in a page: no prolog, no fixed size, labelled with its finding."""
    svg = figure.svg[figure.svg.index("<svg") :].strip()
    head, body = svg.split(">", 1)
    head = _SVG_NAMESPACE.sub("", head)
    while _SVG_SIZE.search(head):
        head = _SVG_SIZE.sub(r"\1", head)
    head = re.sub(r'\s(?:role|aria-label|aria-labelledby)="[^"]*"', "", head)
    # The label replaces a title of the figure's own, which browsers would show as a tooltip over the whole
    # drawing.
    body = re.sub(r"<title>.*?</title>", "", body, count=1, flags=re.DOTALL)
    return Markup(f'{head} role="img" aria-label="{escape(printable(figure.alt_text))}">{body}')


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


def _kind_of(block: object) -> str:
    return _KINDS[type(block)]
