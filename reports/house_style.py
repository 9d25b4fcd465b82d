"""Sentences of the analyses in a journal's style: their numbers are final, how they are written is not.

A verdict's words ("difference 3.3, 95 % CI 2.8 to 3.9, p < .001") come from the analyses, which know no journal.
"""

from __future__ import annotations

import re

from reports.format import Formatter

_NUMBER = r"−?(?:\d+(?:\.\d+)?|\.\d+)"
_P_VALUE = re.compile(r"(?<!\w)p (?P<sign>[=<>]) 0?(?P<digits>\.\d+)")
_INTERVAL = re.compile(rf"(?P<name>CI )(?P<low>{_NUMBER}) to (?P<high>{_NUMBER})")
_POINT = re.compile(r"(?<=\d)\.(?=\d)")


def in_style(text: str, formatter: Formatter) -> str:
    """Return a sentence of the analyses as a journal writes it: p-values, intervals, the decimal mark."""
    style = formatter.style
    zero = "0" if style.p_leading_zero else ""
    text = _P_VALUE.sub(lambda found: f"p {found['sign']} {zero}{found['digits']}", text)

    def interval(found: re.Match[str]) -> str:
        limits = found["low"], found["high"]
        return found["name"] + formatter.joint(limits).join(limits)

    return _POINT.sub(style.decimal_mark, _INTERVAL.sub(interval, text))


def with_letter(text: str, formatter: Formatter) -> str:
    """Return a sentence to paste with the letter that the journal has for p-values."""
    return re.sub(r"(?<!\w)p(?= [=<>] )", formatter.style.p_letter, text)
