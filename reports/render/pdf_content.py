"""A document as plain values for the PDF's template: strings, lists and dictionaries that JSON can carry.

The template prints them as text; nothing of them is ever read as markup.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

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
from reports.render.grid import BodyCell, GridRow, HeaderCell, Piece, grid_of, split_columns
from reports.render.pdf_listing import listed_rows, probes_of
from reports.render.pdf_text import Inline, Writer
from reports.tables.value import Table

Plain: TypeAlias = dict[str, Any]
"""A value of JSON."""

INK = "#1b1d21"
"""The colour of text, and of a figure's ink."""

ROOM = 165
"""Characters that a table may be wide on an upright page; a wider one is cut."""

LONG_LISTING = 250
"""Rows from which a table gets pages of its own, laid out row by row."""


def content_of(document: Document) -> Plain:
    """Return all that the template prints."""
    return _Content(document).whole()


class _Content:
    """Walks one document: keeps its labels, those already given to a block, and the characters it could not print."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.write = Writer()
        self.labels = document.labels
        self.given: set[str] = set()
        self.named: dict[str, list[Inline]] = {}

    def whole(self) -> Plain:
        document = self.document
        head = document.headline
        inline = self.write.inline
        content: Plain = {
            "ink": INK,
            "total": None,
            "identifier": inline(head.identifier),
            "title": inline(head.title),
            "metadata": self.write.plain(f"{head.identifier}: {head.title}"),
            "facts": inline(head.facts),
            "question": inline(head.question),
            "answer": inline(" ".join(head.answer)),
            "figure": None if head.figure is None else self.figure(head.figure),
            "harm": inline(head.harm),
            "claim": inline(head.may_not_claim),
            "notes": inline(head.notes),
            "stamp": self.write.plain(document.stamp),
            "sections": [
                {
                    "label": self.label(f"section:{section.key}"),
                    "title": inline(section.title),
                    "blocks": list(self.blocks(section.blocks)),
                }
                for section in document.sections
            ],
        }
        content["named"] = self.named
        content["long"] = len(head.title) > 90
        content["missing"] = [f"U+{ord(char):04X}" for char in sorted(self.write.missing)]
        return content

    def label(self, name: str) -> str:
        """Return a block's label; empty where another block has it."""
        if name in self.given or name not in self.labels:
            return ""
        self.given.add(name)
        return name

    def blocks(self, blocks: tuple[Block, ...]) -> Iterator[Plain]:
        for block in blocks:
            match block:
                case Table():
                    yield from self.tables(block)
                case Folded():
                    yield {"type": "heading", "text": self.write.inline(block.title)}
                    yield from self.blocks(block.blocks)
                case _:
                    yield self.block(block)

    def block(self, block: Block) -> Plain:
        inline = self.write.inline
        match block:
            case Paragraph(text, kind, see):
                found = [{"label": name, "name": self.labels[name]} for name in see if name in self.labels]
                return {"type": "paragraph", "kind": kind, "text": inline(text), "see": found}
            case BulletList(items, ordered):
                return {"type": "list", "ordered": ordered, "items": [inline(item) for item in items]}
            case Definitions(items):
                pairs = [[inline(term), inline(text)] for term, text in items]
                return {"type": "definitions", "items": pairs}
            case Heading(text):
                return {"type": "heading", "text": inline(text)}
            case FigureBlock(figure):
                return self.figure(figure)
            case Verbatim(text):
                return {"type": "verbatim", "text": self.write.lines(text)}
            case _:
                raise TypeError(f"no way to print {type(block).__name__}")

    def figure(self, figure: Figure) -> Plain:
        name = f"figure:{figure.name}"
        self.named.setdefault(name, [self.labels[name], self.write.inline(_short(figure.caption))])
        return {
            "type": "figure",
            "label": self.label(name),
            "number": self.labels[name],
            "caption": self.write.inline(figure.caption),
            "alt": self.write.plain(figure.alt_text) or self.labels[name],
            "aspect": _aspect(figure.svg),
            "width": _width(figure.svg),
            "svg": figure.svg[figure.svg.index("<svg") :].replace("currentColor", INK),
        }

    def tables(self, table: Table) -> Iterator[Plain]:
        """Yield a table, or its parts where it is wider than the page."""
        name = f"table:{table.name}"
        self.named.setdefault(name, [self.labels[name], self.write.inline(table.title)])
        if len(table.rows) >= LONG_LISTING:
            yield self.listing(table)
            return
        parts = split_columns(table, ROOM)
        for place, part in enumerate(parts, start=1):
            yield {
                "type": "table",
                "label": self.label(name),
                "number": self.labels[name],
                "part": f"part {place} of {len(parts)}" if len(parts) > 1 else "",
                "title": self.write.inline(table.title),
                "population": self.write.inline(table.population),
                **self.body(part),
            }

    def listing(self, table: Table) -> Plain:
        """Return a table too long to be measured cell by cell."""
        name = f"table:{table.name}"
        grid = grid_of(replace(table, rows=()))
        rows = listed_rows(table, self.write)
        return {
            "type": "listing",
            "extra": 0,
            "label": self.label(name),
            "number": self.labels[name],
            "part": "",
            "title": self.write.inline(table.title),
            "population": self.write.inline(table.population),
            "kinds": _kinds(grid.columns),
            "header": self.header(table, grid.upper, grid.lower),
            "probes": probes_of(rows, 1 + grid.width),
            "rows": rows,
            "notes": self.notes(table),
        }

    def body(self, table: Table) -> Plain:
        grid = grid_of(table)
        return {
            "kinds": _kinds(grid.columns),
            "header": self.header(table, grid.upper, grid.lower),
            "rows": [self.row(row) for row in grid.rows],
            "notes": self.notes(table),
        }

    def notes(self, table: Table) -> list[Plain]:
        """Return what stands below a table: remarks, footnotes and the source."""
        inline = self.write.inline
        notes = [{"sup": "", "text": inline(text)} for text in table.remarks]
        notes += [{"sup": letter, "text": inline(text)} for letter, text in table.footnotes]
        if table.source:
            notes.append({"sup": "", "text": inline(f"Source: {table.source}")})
        return notes

    def header(
        self, table: Table, upper: tuple[HeaderCell, ...], lower: tuple[HeaderCell, ...]
    ) -> list[list[Plain]]:
        """Return the rows of the header; a column without a spanner has its name over both."""
        if not upper and not lower and not table.stub:
            return []
        both = bool(upper and lower)
        stub = self.header_cell(HeaderCell(table.stub, (), 1, "stub", ""), rows=1 + both)
        first, second = [stub], list[Plain]()
        below = list(lower)
        for cell in upper:
            under, below = below[: cell.span], below[cell.span :]
            if cell.text or cell.lines or not both:
                first.append(self.header_cell(cell))
                second += [self.header_cell(one) for one in under]
            else:
                first += [self.header_cell(one, rows=2) for one in under]
        if not upper:
            first += [self.header_cell(one) for one in below]
        return [first, second] if second else [first]

    def header_cell(self, cell: HeaderCell, rows: int = 1) -> Plain:
        kind = {"stub": "stub", "text": "t", "group": "g"}.get(cell.kind, "n")
        return {
            "text": self.write.inline(cell.text),
            "lines": [self.write.inline(line) for line in cell.lines],
            "sup": cell.letters,
            "cols": cell.span,
            "rows": rows,
            "kind": kind,
            "rule": cell.kind == "group" and bool(cell.text),
        }

    def row(self, row: GridRow) -> Plain:
        return {
            "kind": row.kind,
            "heading": row.is_heading,
            "indent": row.indent,
            "label": self.write.inline(row.label),
            "sup": row.letters,
            "to": row.target if row.target in self.labels else "",
            "cells": [] if row.is_heading else [self.cell(cell) for cell in row.cells],
        }

    def cell(self, cell: BodyCell) -> Plain:
        kinds = cell.classes.split()
        target = cell.target if cell.target in self.labels else ""
        if cell.span > 1 or "words" in kinds or "text" in kinds or "wide" in kinds:
            letters = ",".join(piece.letters for piece in cell.pieces if piece.letters)
            return {
                "text": self.write.inline(cell.read),
                "sup": letters,
                "cols": cell.span,
                "to": target,
                "left": kinds[0] == "text",
            }
        return {"pieces": [self.piece(piece) for piece in cell.pieces], "cols": 1, "to": target}

    def piece(self, piece: Piece) -> Plain:
        text = f"{piece.opening}{piece.text}{piece.closing}" if piece.text else ""
        joint = piece.joint if piece.text else ""
        return {"joint": joint, "text": self.write.plain(text), "pad": piece.pad, "sup": piece.letters}


def _kinds(columns: Sequence[str]) -> list[str]:
    """Return whether each column of the page holds words ("t") or numbers ("n")."""
    return ["t" if kind.split()[0] == "text" else "n" for kind in columns]


_DETAIL = 70
"""Letters that a caption's words after its colon take at most in the list of figures."""


def _short(caption: str) -> str:
    """Return what a figure shows, for the list of figures: its first sentence without details of the drawing."""
    sentence = caption.split(". ")[0].removesuffix(".")
    what, colon, how = sentence.partition(": ")
    how = re.split("[,;] ", how)[0]
    if not colon:
        return re.split("[,;] ", what)[0]
    return f"{what}: {how}" if len(how) <= _DETAIL else what


_VIEW_BOX = re.compile(r'viewBox="\s*\S+\s+\S+\s+([0-9.]+)\s+([0-9.]+)\s*"')


def _size(svg: str) -> tuple[float, float] | None:
    """Return a drawing's width and height in points, where it says them."""
    found = _VIEW_BOX.search(svg)
    if found is None:
        return None
    width, height = float(found[1]), float(found[2])
    return (width, height) if width and height else None


def _aspect(svg: str) -> float:
    """Return a drawing's width over its height."""
    width, height = _size(svg) or (1.5, 1.0)
    return width / height


def _width(svg: str) -> float:
    """Return a drawing's width in points; that of a page where it does not say."""
    size = _size(svg)
    return 595.0 if size is None else size[0]
