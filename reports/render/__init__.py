"""Renderers: one module a format, each drawing the same `reports.document.Document`."""

FORMATS = ("html", "ipynb")
"""The formats that this version writes, by the ending of their file."""
