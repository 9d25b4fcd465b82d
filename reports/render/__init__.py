"""Renderers: one module a format, each drawing the same `reports.document.Document`.

No number is computed here: a renderer walks the document and draws what it finds. The notebook is no drawing of the
document; it reaches the same results by the public functions (`reports.render.notebook`).
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reports.document import Document

FORMATS = ("html", "pdf", "docx", "rtf", "ipynb")
"""The formats that this version writes, by the ending of their file."""

DEFAULT_FORMATS = ("html", "ipynb")
"""The formats that are written where none is named."""

DRAWN = tuple(name for name in FORMATS if name != "ipynb")
"""The formats that draw a document."""


def render(document: Document, format_name: str) -> bytes:
    """Return a document in one of the formats of `DRAWN`: each has a module here with a function of this signature.

    The module is imported when its format is asked for, since typesetters are heavy.
    """
    module = import_module(f"reports.render.{format_name}")
    content: bytes | str = getattr(module, f"render_{format_name}")(document)
    return content.encode() if isinstance(content, str) else content
