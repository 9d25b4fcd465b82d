"""Text in RTF: escaped, measured, and in the fields that Word and LibreOffice number and link by.

RTF is ASCII. A backslash or a brace in the data would be a control word or a group, so none passes unescaped;
every other character stands as its number. The Rich Text Format (RTF) Specification, version 1.9.1, is what is
followed here.
"""

from __future__ import annotations

import re
from functools import lru_cache
from unicodedata import east_asian_width

from reports.render.characters import printable

_PLAIN = re.compile(r"[ -\[\]-z|]*")
"""What stands for itself: ASCII without backslash and braces."""
_ESCAPED = re.compile(r"[^ -\[\]-z|]")
_FIXED = {
    "\\": "\\\\",
    "{": "\\{",
    "}": "\\}",
    "\n": "\\line ",
    "\t": "\\tab ",
    "\u00a0": "\\~",
    "\u2011": "\\_",
}

_RIGHT_TO_LEFT = "\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\U00010800-\U00010fff\U0001e800-\U0001eeff"
_RUN = re.compile(rf"[{_RIGHT_TO_LEFT}](?:[\W\d_]*[{_RIGHT_TO_LEFT}])*")
"""Words written from right to left, with the blanks and numbers between them."""

_UNBROKEN = re.compile(r"\bp (?:=|<|>) (?=[0-9.·])|(?<=\d) (?=%)")
"""Blanks at which no line ends: within "p = .03", and before a per cent sign."""


def escape(text: str) -> str:
    """Return text as RTF shows it, whatever it holds: no control word and no group begins in it."""
    if _PLAIN.fullmatch(text):
        return text
    shown = printable(text)
    runs: list[str] = []
    end = 0
    for found in _RUN.finditer(shown):
        runs += [_escaped(shown[end : found.start()]), f"{{\\ltrch\\rtlch {_escaped(found.group())}}}"]
        end = found.end()
    return "".join([*runs, _escaped(shown[end:])])


def _escaped(text: str) -> str:
    return _ESCAPED.sub(_character, text)


@lru_cache(maxsize=4096)
def _unicode(letter: str) -> str:
    """Return a character as signed 16-bit numbers, two for one beyond the basic plane; "?" is for older readers."""
    units = letter.encode("utf-16-le")
    numbers = (
        int.from_bytes(units[place : place + 2], "little", signed=True) for place in range(0, len(units), 2)
    )
    return "".join(f"\\u{number}?" for number in numbers)


def _character(found: re.Match[str]) -> str:
    letter = found.group()
    return _FIXED.get(letter) or _unicode(letter)


def prose(text: str) -> str:
    """Return a sentence escaped, with p-values and percentages that no line end divides."""
    return escape(_UNBROKEN.sub(lambda found: found.group().replace(" ", "\u00a0"), text))


def superscript(letters: str) -> str:
    """Return the letters of footnotes, raised; nothing for none."""
    return f"{{\\super {letters}}}" if letters else ""


def field(instruction: str, result: str) -> str:
    r"""Return a field: what the word processor computes anew when it is asked to, and what it shows until then.

    Parameters
    ----------
    instruction
        As a user would type it: ``SEQ Table \* ARABIC``.
    result
        RTF that stands there.
    """
    return f"{{\\field{{\\*\\fldinst {{ {escape(instruction)} }}}}{{\\fldrslt {{{result}}}}}}}"


def bookmark(name: str, content: str) -> str:
    """Return RTF content with a bookmark around it."""
    return f"{{\\*\\bkmkstart {name}}}{content}{{\\*\\bkmkend {name}}}"


def bookmark_name(label: str) -> str:
    """Return the bookmark of what a document labels: "Table 3" stands at ``Table_3``."""
    return label.replace(" ", "_")


def numbered(label: str) -> str:
    """Return "Table 3" with the number as Word's own, and the bookmark to which references lead."""
    word, number = label.rsplit(" ", 1)
    counted = field(rf"SEQ {word} \* ARABIC", number)
    return bookmark(bookmark_name(label), f"{word} {counted}")


def reference(label: str) -> str:
    """Return a reference to a section, table or figure that follows it where it moves and leads there on a click."""
    word, number = label.rsplit(" ", 1)
    instruction = rf"REF {bookmark_name(label)} \h"
    if word == "Section":
        # The bookmark of a section holds its number alone; "Section" stands before it, in the text.
        return rf"{word}\~{field(instruction, number)}"
    return field(instruction, escape(label))


def link(label: str, content: str) -> str:
    """Return RTF content that leads to a section, table or figure on a click."""
    return field(rf'HYPERLINK \l "{bookmark_name(label)}"', content)


# Widths of Times Roman and Times Bold in thousandths of their size, from the blank to the tilde (Adobe's metrics;
# Times New Roman and Liberation Serif have the same).
_REGULAR = (
    "250 333 408 500 500 833 778 333 333 333 500 564 250 333 250 278 500 500 500 500 500 500 500 500 500 500 278 278 "
    "564 564 564 444 921 722 667 667 722 611 556 722 722 333 389 722 611 889 722 722 556 722 667 556 611 722 722 944 "
    "722 722 611 333 278 333 469 500 333 444 500 444 500 444 333 500 500 278 278 500 278 778 500 500 500 500 333 389 "
    "278 500 500 722 500 500 444 480 200 480 541"
)
_BOLD = (
    "250 333 555 500 500 1000 833 333 333 333 500 570 250 333 250 278 500 500 500 500 500 500 500 500 500 500 333 333 "
    "570 570 570 500 930 722 667 722 722 667 611 778 778 389 500 778 667 944 722 778 611 778 722 556 667 722 722 1000 "
    "722 722 667 333 278 333 581 500 333 500 556 444 556 444 333 500 556 278 333 556 278 833 556 500 556 556 444 389 "
    "333 556 500 722 500 500 444 394 220 394 520"
)
_OTHERS = {
    "−": 564,
    "×": 564,
    "±": 564,
    "–": 500,
    "—": 1000,
    "·": 250,
    "²": 300,
    "³": 300,
    "’": 333,
    "°": 400,
}
_SPACES = {"\u00a0": 250, "\u202f": 200, "\u2009": 200}
_OTHER, _WIDE = 600, 1000


def _widths_of(numbers: str) -> dict[str, int]:
    widths = {chr(32 + place): int(width) for place, width in enumerate(numbers.split())}
    return widths | _OTHERS | _SPACES


_WIDTHS = {False: _widths_of(_REGULAR), True: _widths_of(_BOLD)}


def width_of(text: str, half_points: int, bold: bool = False) -> int:
    """Return how wide text is in twips, in a font size in half points as RTF counts it."""
    known = _WIDTHS[bold]
    thousandths = sum([known.get(letter) or _width_of_other(letter) for letter in text])
    return round(thousandths * half_points / 100)


def _width_of_other(letter: str) -> int:
    return _WIDE if east_asian_width(letter) in "WF" else _OTHER
