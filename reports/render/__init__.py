"""Renderers: one module a format, each drawing the same `reports.document.Document`."""
