"""How wide text is in print, from the metrics of its font: Word and RTF have no layout of their own to ask.

The writers set tables in Times New Roman; Liberation Serif, with which LibreOffice replaces it, has the same metrics.
"""

from __future__ import annotations

from unicodedata import east_asian_width

# Widths of Times Roman and Times Bold in thousandths of their size, from the blank to the tilde (Adobe's metrics).
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
