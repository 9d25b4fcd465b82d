"""Typst, called alike from here and by ``python -m reports.render.pdf_typst TEMPLATE``, JSON in and PDF out."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Literal

from outcomes.errors import ReportError
from reports.glyphs import font_directory

TEMPLATES = Path(__file__).parent / "templates"

STANDARDS: list[Literal["ua-1", "a-2a"]] = ["ua-1", "a-2a"]
"""Accessible (ISO 14289-1) and archivable with its structure (ISO 19005-2, level A)."""

EPOCH = 946_684_800
"""The date that every file bears, 1 January 2000 in UTC: PDF/A asks for one, and the same input gives the same
bytes."""


def typeset(template: str, content: str) -> bytes:
    """Return the PDF that a template makes of a document written as JSON.

    Raises
    ------
    ReportError
        Where typst refuses: a defect of the template, not of the data.
    """
    import typst

    try:
        made = typst.compile(
            str(TEMPLATES / template),
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


def main() -> None:
    """Read a document from standard input and write its PDF to standard output."""
    sys.stdout.buffer.write(typeset(sys.argv[1], sys.stdin.buffer.read().decode()))


if __name__ == "__main__":
    main()
