"""A report as PDF, typeset by typst: tagged, conforming to PDF/UA-1 and PDF/A-2a, the same bytes on every machine.

The template in ``templates/`` gets the document as JSON. Fonts are those within typst and DejaVu out of matplotlib; no
font of the machine is looked at.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

from outcomes.errors import ReportError
from reports.document import Document
from reports.render.pdf_content import content_of
from reports.render.pdf_text import font_directory

TEMPLATES = Path(__file__).parent / "templates"

STANDARDS: list[Literal["ua-1", "a-2a"]] = ["ua-1", "a-2a"]
"""Accessible (ISO 14289-1) and archivable with its structure (ISO 19005-2, level A)."""

EPOCH = 946_684_800
"""The date that every file bears, 1 January 2000 in UTC: PDF/A asks for one, and the same input gives the same
bytes."""


def render_pdf(document: Document) -> bytes:
    """Return a report as PDF.

    Raises
    ------
    ReportError
        Where typst refuses what it was given; a defect of the template, not of the data.
    """
    return typeset(json.dumps(content_of(document), ensure_ascii=False))


def typeset(content: str) -> bytes:
    """Return the PDF of a document that was written as JSON."""
    import typst

    try:
        made = typst.compile(
            str(TEMPLATES / "report.typ"),
            root=str(TEMPLATES),
            font_paths=[str(font_directory())],
            ignore_system_fonts=True,
            sys_inputs={"content": content},
            pdf_standards=[*STANDARDS],
            timestamp=EPOCH,
            format="pdf",
        )
    except typst.TypstError as error:
        raise ReportError(
            "the PDF could not be typeset",
            expected="a document that the template can print",
            got=error.message,
            hint="ask for another format, and tell the maintainers",
        ) from error
    if not isinstance(made, bytes):
        raise ReportError("the PDF could not be typeset", expected="one file", got=type(made).__name__)
    return made
