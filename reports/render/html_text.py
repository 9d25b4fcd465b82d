"""Text as it stands in a page: escaped, nothing hidden in it, and foreign directions held where they begin."""

from __future__ import annotations

import re
from functools import lru_cache

from markupsafe import Markup, escape

from reports.characters import printable

_RIGHT_TO_LEFT = "\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\U00010800-\U00010fff\U0001e800-\U0001efff"
_RUN = re.compile(f"[{_RIGHT_TO_LEFT}](?:[ \u00a0+{_RIGHT_TO_LEFT}-]*[{_RIGHT_TO_LEFT}])?")
"""Words written from right to left, with the blanks and plus signs between them, such as an arm's name."""

_UNBROKEN = re.compile(r"\bp (?:=|&lt;|&gt;) [0-9.·]+[0-9]")
_LONG_WORD = re.compile(r"\S{31,}")
_STEP = 20
"""Letters between two places where a word of more than 30 may be broken."""


def prose(text: str) -> Markup:
    """Return running text: p-values that no line break divides, words from right to left that turn nothing around."""
    marked = str(escape(printable(text)))
    return Markup(_UNBROKEN.sub(r'<span class="unbroken">\g<0></span>', _isolated(marked)))


@lru_cache(maxsize=4096)
def label(text: str) -> Markup:
    """Return a name, a title or a cell: one piece of text, whatever its direction and its length.

    A column is as wide as its longest word; in words of more than 30 letters a line may end.
    """
    plain = printable(text)
    if plain.isascii() and len(plain) <= 30:  # nearly all
        return escape(plain)
    pieces, last = [], 0
    for word in _LONG_WORD.finditer(plain):
        pieces.append(str(escape(plain[last : word.start()])))
        letters = word.group()
        pieces.append(
            "<wbr>".join(str(escape(letters[k : k + _STEP])) for k in range(0, len(letters), _STEP))
        )
        last = word.end()
    marked = "".join([*pieces, str(escape(plain[last:]))])
    return Markup(f"<bdi>{marked}</bdi>" if _RUN.search(plain) else marked)


def verbatim(text: str) -> Markup:
    """Return text that keeps its lines and blanks; line feeds as references, which no tidying of a page touches."""
    return Markup(str(escape(printable(text))).replace("\n", "&#10;"))


def css_string(text: str) -> Markup:
    """Return text as a string of a style sheet, which neither a quotation mark nor a tag can end."""
    escaped = "".join(
        one if one.isalnum() or one in " .,:;()-–·+" else f"\\{ord(one):06x}" for one in printable(text)
    )
    return Markup(f'"{escaped}"')


def _isolated(marked: str) -> str:
    return marked if marked.isascii() else _RUN.sub(r"<bdi>\g<0></bdi>", marked)
