"""A report as PDF, typeset by typst: tagged, conforming to PDF/UA-1 and PDF/A-2a, the same bytes on every machine.

The templates in ``templates/`` get the document as JSON. Fonts are those within typst and DejaVu out of matplotlib;
no font of the machine is looked at.
"""

from __future__ import annotations

import json

from reports.document import Document
from reports.render.pdf_content import content_of
from reports.render.pdf_parts import is_long, typeset_in_parts
from reports.render.pdf_typst import typeset


def render_pdf(document: Document) -> bytes:
    """Return a report as PDF.

    Raises
    ------
    ReportError
        Where typst refuses what it was given; a defect of the templates, not of the data.
    """
    content = content_of(document)
    if any(is_long(block) for section in content["sections"] for block in section["blocks"]):
        return typeset_in_parts(content)
    return typeset("report.typ", json.dumps(content, ensure_ascii=False))
