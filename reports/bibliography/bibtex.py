"""References as BibTeX, in ASCII: LaTeX reads it whatever its encoding, and keeps the capitals of names."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from reports.bibliography.entry import Entry
from reports.document import Document, Verbatim

LANGUAGE = "bibtex"
"""The language of the block that holds a document's references."""

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "–": "--",
    "—": "---",
    "−": "$-$",
    "±": r"$\pm$",
    "×": r"$\times$",
    "≥": r"$\geq$",
    "≤": r"$\leq$",
    "“": "``",
    "”": "''",
    "‘": "`",
    "’": "'",
    "…": r"\ldots{}",
    "ß": r"{\ss}",
    "ø": r"{\o}",
    "Ø": r"{\O}",
    "æ": r"{\ae}",
    "Æ": r"{\AE}",
    "œ": r"{\oe}",
    "ł": r"{\l}",
    "Ł": r"{\L}",
    "ı": r"{\i}",
    "\u00a0": "~",
    "\u202f": r"\,",
}
"""Characters that mean something to LaTeX, or that it does not read in every encoding."""

_ACCENTS = {
    "\u0300": "`",
    "\u0301": "'",
    "\u0302": "^",
    "\u0303": "~",
    "\u0304": "=",
    "\u0306": "u",
    "\u0307": ".",
    "\u0308": '"',
    "\u030a": "r",
    "\u030b": "H",
    "\u030c": "v",
    "\u0327": "c",
    "\u0328": "k",
}
"""Combining accents and the command of LaTeX for each."""

_TYPES = {"article": "article", "report": "techreport", "software": "misc", "note": "misc"}


def bibtex(entries: Iterable[Entry]) -> str:
    """Return entries as a BibTeX file, in their order."""
    return "\n".join(_entry(entry) for entry in entries)


def bibtex_of(document: Document) -> str:
    """Return the references of a document as the contents of a file references.bib; empty where it has none."""
    blocks = (block for block in document.blocks() if isinstance(block, Verbatim))
    return next((block.text for block in blocks if block.language == LANGUAGE), "")


def escaped(text: str) -> str:
    """Return text with everything that LaTeX would read as a command written so that it prints as it is."""
    return "".join(_letter(letter) for letter in unicodedata.normalize("NFC", text))


def _letter(letter: str) -> str:
    if letter in _SPECIAL:
        return _SPECIAL[letter]
    if letter.isascii():
        return letter if letter.isprintable() else " "
    taken_apart = unicodedata.normalize("NFD", letter)
    base, marks = taken_apart[0], taken_apart[1:]
    if len(marks) == 1 and marks in _ACCENTS and base.isascii():
        body = {"i": r"\i", "j": r"\j"}.get(base, base)
        return f"{{\\{_ACCENTS[marks]}{{{body}}}}}"
    # No command of plain LaTeX: kept, for engines that read UTF-8.
    return letter


def _entry(entry: Entry) -> str:
    fields = {
        "author": _authors(entry),
        "title": _title(entry.title),
        "journal": escaped(entry.journal),
        "institution": escaped(entry.organisation) if entry.kind == "report" else "",
        "year": entry.year,
        "volume": entry.volume,
        "number": entry.issue,
        "pages": entry.pages.replace("-", "--"),
        "doi": entry.doi,
        "note": escaped(entry.note),
    }
    lines = [f"  {name} = {{{text}}}," for name, text in fields.items() if text]
    published = _TYPES[entry.kind] if entry.organisation or entry.kind != "report" else "misc"
    return "\n".join([f"@{published}{{{entry.key},", *lines, "}", ""])


def _authors(entry: Entry) -> str:
    if entry.organisation:
        return f"{{{escaped(entry.organisation)}}}"
    names = []
    for author in entry.authors:
        family, _, initials = author.rpartition(" ")
        names.append(f"{escaped(family)}, {' '.join(f'{letter}.' for letter in initials)}")
    return " and ".join([*names, *(["others"] if entry.and_others else [])])


def _title(title: str) -> str:
    """Return a title whose names keep their capitals: styles of BibTeX make the others small."""
    first, *others = re.split(r"(\s+)", title)
    # The first word keeps its capital anyway, unless there is one inside it: CONSORT, but not Testing.
    words = [f"{{{escaped(first)}}}" if first[1:] != first[1:].lower() else escaped(first)]
    words += [f"{{{escaped(word)}}}" if word != word.lower() else escaped(word) for word in others]
    return "".join(words)
