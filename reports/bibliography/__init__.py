"""What a report cites: entries as data, formatted as journals do, numbered in the order of citation, and as BibTeX."""

from reports.bibliography.bibtex import bibtex, bibtex_of
from reports.bibliography.citations import cited_keys, library, resolved, without_citations
from reports.bibliography.entries import ENTRIES
from reports.bibliography.entry import Entry
from reports.bibliography.styles import formatted

__all__ = [
    "ENTRIES",
    "Entry",
    "bibtex",
    "bibtex_of",
    "cited_keys",
    "formatted",
    "library",
    "resolved",
    "without_citations",
]
