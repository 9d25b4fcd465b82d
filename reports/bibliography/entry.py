"""One cited work."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Entry:
    """A cited work: an article, a report of an organisation, a program, or a note in words.

    Parameters
    ----------
    key
        How texts cite it, and its key in BibTeX: letters, digits and hyphens.
    title
        Without its full stop.
    authors
        Family name and initials, "Laska EM", in order.
    and_others
        Whether there are further authors beside those named.
    organisation
        The author, where it is no person.
    journal
        Abbreviated as in MEDLINE.
    year, volume, issue
        Empty where there is none.
    pages
        "1139-1151", or the number of an article that has no pages, "j2835".
    doi
        Without "https://doi.org/".
    note
        What else a reader needs to find it.
    kind
        "article", "report", "software", or "note" for a source that is told in words.
    """

    key: str
    title: str
    authors: tuple[str, ...] = ()
    and_others: bool = False
    organisation: str = ""
    journal: str = ""
    year: str = ""
    volume: str = ""
    issue: str = ""
    pages: str = ""
    doi: str = ""
    note: str = ""
    kind: Literal["article", "report", "software", "note"] = "article"
