"""Text in RTF: escaped, measured, and in the fields that Word and LibreOffice number and link by.

RTF is ASCII. A backslash or a brace in the data would be a control word or a group, so none passes unescaped;
every other character stands as its number. The Rich Text Format (RTF) Specification, version 1.9.1, is what is
followed here.
"""

from __future__ import annotations

import re
from functools import lru_cache

from reports.characters import printable

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
