"""Typesetting in parts: a document with the first rows of its long listings, and their further rows apart.

Each part is typeset by a process of its own, which gives its memory back; so fifty thousand rows need no more at a time
than a few thousand do.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from outcomes.errors import ReportError
from reports.render.pdf_objects import PdfObjects, insert_pages

HEAD = 400
"""Rows of a long listing that stay in the document itself."""

CHUNK = 4_000
"""Further rows that are typeset at a time."""

PROBE = 300
"""Rows from which is judged how many stand on a page."""

WORKERS = 2
"""Processes at a time."""

Plain = dict[str, Any]


@dataclass(slots=True)
class _Part:
    """Rows of a listing after its first ones."""

    listing: Plain
    first_row: int
    end_row: int

    def content(self, whole: Plain, first_page: int, total: int) -> str:
        """Return what the template of further rows prints."""
        rows = self.listing["rows"][self.first_row : self.end_row]
        kept = {key: whole[key] for key in ("ink", "metadata", "identifier", "stamp")}
        listing = {**self.listing, "rows": rows, "label": "", "rest": True}
        return _written({**kept, "first": first_page, "total": total, "listing": listing})


def is_long(block: Plain) -> bool:
    """Whether a listing is typeset in parts."""
    return bool(block["type"] == "listing" and len(block["rows"]) > CHUNK)


def typeset_in_parts(whole: Plain) -> bytes:
    """Return the PDF of a document some of whose listings are long."""
    listings = [block for block in _blocks(whole) if is_long(block)]
    places = [place for place, block in enumerate(_printed_tables(whole)) if is_long(block)]
    parts = [
        [
            _Part(one, start, min(start + CHUNK, len(one["rows"])))
            for start in range(HEAD, len(one["rows"]), CHUNK)
        ]
        for one in listings
    ]
    heads = [{**one, "rows": one["rows"][:HEAD]} for one in listings]
    shortened = _with_listings(whole, heads)
    with ThreadPoolExecutor(max_workers=WORKERS) as pool:
        main = PdfObjects.read(next(iter(pool.map(_typeset, ["report.typ"], [_written(shortened)]))))
        ends = [main.page_of_last_row(main.tables()[place]) + 1 for place in places]
        # Where rows wrap, a part can take more pages than foreseen; then the pages' numbers are set anew.
        counts = _counts(whole, parts, pool)
        while True:
            made, found = _typeset_parts(whole, parts, ends, counts, len(main.pages), pool)
            if found == counts:
                break
            counts = found
        extras = [sum(one) for one in counts]
        heads = [{**one, "extra": extra} for one, extra in zip(heads, extras, strict=True)]
        shortened = {**_with_listings(whole, heads), "total": len(main.pages) + sum(extras)}
        main = PdfObjects.read(_typeset("report.typ", _written(shortened)))
    return _joined(main, made, places, ends)


def _joined(main: PdfObjects, made: list[list[bytes]], places: list[int], ends: list[int]) -> bytes:
    """Put the parts of each listing behind its first rows; the last listing first, so that places stay right."""
    tables = main.tables()
    name = 0
    for place, end, parts in reversed(list(zip(places, ends, made, strict=True))):
        element = main.child_with(tables[place])
        for pdf in reversed(parts):
            name += 1
            insert_pages(main, PdfObjects.read(pdf), end - 1, element, name)
    return main.write()


def _counts(whole: Plain, parts: list[list[_Part]], pool: ThreadPoolExecutor) -> list[list[int]]:
    """Foresee how many pages each part takes, from the rows that stand on a full page."""
    probes = [_Part(one[0].listing, HEAD, HEAD + PROBE).content(whole, 1, 1) for one in parts]
    full = [PdfObjects.read(pdf).rows_on_first_page() for pdf in pool.map(_typeset_rest, probes)]
    return [
        [-(-(part.end_row - part.first_row) // rows) for part in one]
        for one, rows in zip(parts, full, strict=True)
    ]


def _typeset_parts(
    whole: Plain,
    parts: list[list[_Part]],
    ends: Sequence[int],
    counts: list[list[int]],
    pages: int,
    pool: ThreadPoolExecutor,
) -> tuple[list[list[bytes]], list[list[int]]]:
    """Return each part's file and its number of pages, the pages numbered as if they were as many as foreseen."""
    total = pages + sum(map(sum, counts))
    firsts, before = list[int](), 0
    for end, one in zip(ends, counts, strict=True):
        for count in one:
            firsts.append(end + before + 1)
            before += count
    flat = [part for one in parts for part in one]
    contents = (part.content(whole, first, total) for part, first in zip(flat, firsts, strict=True))
    pdfs = iter(list(pool.map(_typeset_rest, contents)))
    made = [[next(pdfs) for _ in one] for one in parts]
    return made, [[len(PdfObjects.read(pdf).pages) for pdf in one] for one in made]


def _typeset_rest(content: str) -> bytes:
    return _typeset("rest.typ", content)


def _typeset(template: str, content: str) -> bytes:
    """Typeset in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "reports.render.pdf_typst", template],
        input=content.encode(),
        capture_output=True,
        check=False,
    )
    if done.returncode:
        raise ReportError(
            "the PDF could not be typeset", got=done.stderr.decode(errors="replace").strip()[-400:]
        )
    return done.stdout


def _blocks(whole: Plain) -> Iterator[Plain]:
    for section in whole["sections"]:
        yield from section["blocks"]


def _printed_tables(whole: Plain) -> Iterator[Plain]:
    """Yield the tables in the order in which they are printed."""
    for block in _blocks(whole):
        if block["type"] in ("table", "listing"):
            yield block


def _with_listings(whole: Plain, listings: Sequence[Plain]) -> Plain:
    """Return a document with other blocks for its long listings."""
    new = iter(listings)
    sections = [
        {**section, "blocks": [next(new) if is_long(block) else block for block in section["blocks"]]}
        for section in whole["sections"]
    ]
    return {**whole, "sections": sections}


def _written(content: Plain) -> str:
    return json.dumps(content, ensure_ascii=False)
