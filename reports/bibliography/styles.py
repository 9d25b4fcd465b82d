"""References as journals print them: how many authors, what is abbreviated, where year, volume and pages stand."""

from __future__ import annotations

import re
from dataclasses import dataclass

from reports.bibliography.entry import Entry


@dataclass(frozen=True, slots=True)
class ReferenceStyle:
    """How a journal prints a reference.

    Parameters
    ----------
    most_authors
        So many authors are all named.
    first_authors
        Of more, so many are, before "et al".
    after_journal
        Between the journal and the year.
    after_year, after_volume
        Between year and volume, volume and pages.
    issue
        Whether the issue is given.
    short_pages
        Whether the last page leaves out what it shares with the first: 1139-51.
    dash
        Between the pages.
    doi
        Before the DOI; empty where the journal prints none.
    """

    most_authors: int = 6
    first_authors: int = 3
    after_journal: str = " "
    after_year: str = ";"
    after_volume: str = ":"
    issue: bool = False
    short_pages: bool = True
    dash: str = "-"
    doi: str = ""


REFERENCE_STYLES: dict[str, ReferenceStyle] = {
    # AMA Manual of Style, 11th edition.
    "jama": ReferenceStyle(after_journal=". ", issue=True, short_pages=False, doi="doi:"),
    "lancet": ReferenceStyle(after_year="; ", after_volume=": ", dash="–"),
    "nejm": ReferenceStyle(),
    # National Library of Medicine (Vancouver): six authors stand before "et al".
    "csr": ReferenceStyle(first_authors=6, after_journal=". ", issue=True, doi="doi: "),
}
"""By the name in ``[report] style``."""


def formatted(entry: Entry, style: str) -> str:
    """Return a reference in a journal's style, as one line of plain text."""
    rules = REFERENCE_STYLES[style]
    if entry.kind == "note":
        return f"{entry.title}: {entry.note.rstrip('.')}."
    author = entry.organisation or _authors(entry, rules)
    sentences = [f"{author}." if author else "", f"{entry.title}."]
    if entry.kind == "article":
        sentences.append(_place(entry, rules))
    else:
        sentences += [f"{text}." for text in (entry.note.rstrip("."), entry.year) if text]
    if entry.doi and rules.doi:
        sentences.append(f"{rules.doi}{entry.doi}")
    return " ".join(sentence for sentence in sentences if sentence)


def _authors(entry: Entry, rules: ReferenceStyle) -> str:
    if not entry.authors:
        return ""
    cut = entry.and_others or len(entry.authors) > rules.most_authors
    named = entry.authors[: rules.first_authors] if cut else entry.authors
    return ", ".join(named) + (", et al" if cut else "")


def _place(entry: Entry, rules: ReferenceStyle) -> str:
    """Return journal, year, volume and pages."""
    issue = f"({entry.issue})" if rules.issue and entry.issue else ""
    pages = _pages(entry.pages, rules)
    return (
        f"{entry.journal}{rules.after_journal}{entry.year}{rules.after_year}{entry.volume}{issue}"
        f"{rules.after_volume}{pages}."
    )


def _pages(pages: str, rules: ReferenceStyle) -> str:
    """Return pages in a journal's way; the number of an article stays."""
    found = re.fullmatch(r"(\d+)-(\d+)", pages)
    if found is None:
        return pages
    first, last = found.groups()
    if rules.short_pages and len(first) == len(last):
        shared = next(
            (place for place, (a, b) in enumerate(zip(first, last, strict=True)) if a != b), len(last) - 1
        )
        last = last[shared:]
    return f"{first}{rules.dash}{last}"
