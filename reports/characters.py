"""Characters that no page can show, made visible: data are strangers' text, and a format must not choke on it.

XML forbids most control characters, RTF gives some of them a meaning, and a reader sees none of them. A direction
that is begun and never ended turns the rest of a line around, numbers too. So each stands on the page by its
name, "[U+0001]": seen, searched for and harmless.
"""

from __future__ import annotations

import re

_HIDDEN = re.compile(
    "["
    "\x00-\x08\x0b-\x1f\x7f-\x9f"  # control characters, but for the tab and the line feed
    "\u2028\u2029"  # separators of lines and paragraphs
    "\u202a-\u202e\u2066-\u2069"  # directions that are begun and have to be ended
    "\ud800-\udfff"  # halves of a pair
    "\ufdd0-\ufdef\ufffe\uffff"  # no characters by definition
    "\ufeff"  # a byte order mark within a text: two files became one
    "\ufff9-\ufffb"  # marks of annotations
    "]"
    "|[\U0001fffe\U0001ffff\U0002fffe\U0002ffff\U0003fffe\U0003ffff\U0004fffe\U0004ffff"
    "\U0005fffe\U0005ffff\U0006fffe\U0006ffff\U0007fffe\U0007ffff\U0008fffe\U0008ffff"
    "\U0009fffe\U0009ffff\U000afffe\U000affff\U000bfffe\U000bffff\U000cfffe\U000cffff"
    "\U000dfffe\U000dffff\U000efffe\U000effff\U000ffffe\U000fffff\U0010fffe\U0010ffff]"
)
_LINE_END = re.compile("\r\n?|\x0b|\x0c|\x85")


def printable(text: str) -> str:
    """Return text that every format can hold: tabs and line feeds as they are, what cannot be seen by its name.

    Parameters
    ----------
    text
        Any text, from data or from a protocol.

    Returns
    -------
    str
        The same where nothing in it is hidden. Line ends of other systems become line feeds.
    """
    if text.isprintable():
        return text
    return _HIDDEN.sub(lambda found: by_number(found.group()), _LINE_END.sub("\n", text))


def by_number(char: str) -> str:
    """Return a character by its Unicode number: "[U+4E2D]"."""
    return f"[U+{ord(char):04X}]"
