"""Text for a PDF: only characters that the fonts have, with marks where a line may break and where it may not.

A missing glyph would be an empty box, and no accessible PDF may have one. So what the fonts lack is written by its
Unicode number, "[U+4E2D]", and the document says so at its end.
"""

from __future__ import annotations

import re
import unicodedata

from reports.characters import by_number
from reports.glyphs import BLANKS, covered

_UNBROKEN = re.compile(r"\bp [=<>≤≥] [0-9.·]*[0-9]|\b[0-9.]+ %(?: CI)?|\b[Nn] = [0-9,]+|\bU\+[0-9A-F]+")
"""What no line break divides: p-values, percentages, counts."""

_LONG = 26
"""Letters from which a word may be broken anywhere: hashes, file names, labels of machines."""

_STEP = 8
"""Letters between two such breaks."""

_LONG_WORD = re.compile(rf"\S{{{_LONG},}}")

Inline = str | list[list[str]]
"""Text as the template takes it: a string, or parts of it: ["t", plain], ["k", kept on one line], ["b", may break
before this]."""


def has_long_word(text: str) -> bool:
    """Whether a text holds a word that may be broken anywhere."""
    return len(text) >= _LONG and _LONG_WORD.search(text) is not None


class Writer:
    """Makes text printable, and remembers which characters could not be."""

    def __init__(self) -> None:
        self._covered = covered()
        self.missing: set[str] = set()

    def plain(self, text: str) -> str:
        """Return text on one line, what the fonts lack by its number."""
        return self._written(" ".join(_split(text)))

    def lines(self, text: str) -> str:
        """Return text with its lines and blanks, what the fonts lack by its number."""
        lines = text.expandtabs(4).splitlines()
        return "\n".join(self._written(line) for line in lines)

    def inline(self, text: str) -> Inline:
        """Return text with marks where it may break within a word and where not between two."""
        plain = self.plain(text)
        parts: list[list[str]] = []
        place = 0
        for found in _UNBROKEN.finditer(plain):
            parts += _broken(plain[place : found.start()])
            parts.append(["k", found.group()])
            place = found.end()
        parts += _broken(plain[place:])
        return plain if all(kind == "t" for kind, _ in parts) else parts

    def _written(self, text: str) -> str:
        if text.isascii() and text.isprintable():
            return text
        text = BLANKS.sub(" ", text)
        return "".join(self._char(char) for char in unicodedata.normalize("NFC", text))

    def _char(self, char: str) -> str:
        if char in self._covered:
            return char
        self.missing.add(char)
        return by_number(char)


def _split(text: str) -> list[str]:
    """Return the words between blanks and line ends; blanks that hold words together are kept."""
    return [word for word in re.split(r"[ \t\n\r\v\f\u0085\u2028\u2029]+", text) if word]


def _broken(text: str) -> list[list[str]]:
    """Return text in parts, long words cut where they may break."""
    parts: list[list[str]] = []
    place = 0
    for found in _LONG_WORD.finditer(text):
        word = found.group()
        if place < found.start():
            parts.append(["t", text[place : found.start()]])
        parts.append(["t", word[:_STEP]])
        parts += [["b", word[start : start + _STEP]] for start in range(_STEP, len(word), _STEP)]
        place = found.end()
    if place < len(text):
        parts.append(["t", text[place:]])
    return parts
