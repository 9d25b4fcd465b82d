"""What DejaVu can draw: the font of every figure, and the one that helps out in a PDF.

A missing glyph would be an empty box. So a character without one stands by its Unicode number, "[U+4E2D]", in figures
and in a PDF alike.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from outcomes.errors import ReportError
from reports.characters import by_number, printable

REGULAR, BOLD = "DejaVuSans.ttf", "DejaVuSans-Bold.ttf"
"""The fonts of figures; in a PDF the characters of the regular one count as covered: what its text font lacks of them
are phonetic marks and alike."""

BLANKS = re.compile(r"[\u1680\u2000-\u200a\u205f\u3000]")
"""Blanks of widths that not every font has; they become plain ones."""

_UNSEEN = frozenset({"Cc", "Cs", "Co", "Cn"})
"""Categories without a glyph of their own: controls, lone surrogates, private use, unassigned."""

_TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff")
"""Marks that would turn the text around them, and the byte order mark, which no PDF/A may hold."""


@lru_cache(maxsize=1)
def font_directory() -> Path:
    """Return where matplotlib keeps DejaVu."""
    # Found without importing it, which takes longer than to typeset a short report.
    found = find_spec("matplotlib")
    if found is None or found.origin is None:
        raise ReportError(
            "the fonts of figures and of a PDF are missing",
            expected="the package matplotlib",
            hint="install it",
        )
    return Path(found.origin).parent / "mpl-data" / "fonts" / "ttf"


@lru_cache(maxsize=2)
def covered(font: str = REGULAR) -> frozenset[str]:
    """Return the characters that a font of that directory can show."""
    from fontTools.ttLib import TTFont  # type: ignore[import-untyped]  # it ships no types

    with TTFont(font_directory() / font, lazy=True) as opened:
        return frozenset(char for char in map(chr, opened.getBestCmap()) if _is_shown(char))


def _is_shown(char: str) -> bool:
    return char not in _TURNING and not BLANKS.match(char) and unicodedata.category(char) not in _UNSEEN


@lru_cache(maxsize=1)
def _in_both_weights() -> frozenset[str]:
    return covered(REGULAR) & covered(BOLD) | {"\n"}


def drawable(text: str) -> str:
    """Return text as a figure can draw it, in either weight: line feeds as they are, what has no glyph by its number.

    Parameters
    ----------
    text
        Any text, from data or from a protocol.

    Returns
    -------
    str
        The same where every character of it has a glyph; a tab and unusual blanks become plain ones.
    """
    if text.isascii() and text.isprintable():
        return text
    text = unicodedata.normalize("NFC", BLANKS.sub(" ", printable(text).replace("\t", " ")))
    shown = _in_both_weights()
    return "".join(char if char in shown else by_number(char) for char in text)
