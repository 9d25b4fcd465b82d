"""Sentences of the analyses in a journal's style: their numbers are final, how they are written is not.

A verdict's words ("difference 3.3, 95 % CI 2.8 to 3.9, p < .001") come from the analyses, which know no journal.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from analyses.claims.verdict_words import format_p
from reports.format import Formatter
from reports.verdicts import VerdictLine

_NUMBER = r"−?(?:\d+(?:\.\d+)?|\.\d+)"
_P_VALUE = re.compile(r"(?<!\w)p (?P<sign>[=<>]) 0?(?P<digits>\.\d+)")
_ADJUSTED = re.compile(r"(?:Holm-adjusted |Holm's adjustment over .*|Holm-adjusted over .*)$")
_JOINT = re.compile(r"(?:[Mm]in test (?:Holm-adjusted )?|Min tests Holm-adjusted over .*)$")
_INTERVAL = re.compile(rf"(?P<name>CI )(?P<low>{_NUMBER}) to (?P<high>{_NUMBER})")
_POINT = re.compile(r"(?<=\d)\.(?=\d)")


@dataclass(frozen=True, slots=True)
class KnownP:
    """A p-value that a sentence may have, with all its digits.

    Parameters
    ----------
    p
        The value.
    names
        What the sentence calls the comparison: its contrast, its reference, its combination.
    joint
        Whether it is that of a min test, which asks about every part at once.
    adjusted
        Whether it is adjusted for several comparisons.
    """

    p: float
    names: tuple[str, ...]
    joint: bool = False
    adjusted: bool = False


def known_p_values(lines: Iterable[VerdictLine]) -> tuple[KnownP, ...]:
    """Return the p-values of a verdict's rows, each with what sentences call its comparison."""
    found = []
    for line in lines:
        names = tuple(filter(None, (line.contrast, line.reference, line.combination)))
        joint = line.kind == "min_test"
        found += [KnownP(line.p_value, names, joint), KnownP(line.p_adjusted, names, joint, adjusted=True)]
    return tuple(one for one in found if not math.isnan(one.p))


def in_style(text: str, formatter: Formatter, known: Sequence[KnownP] = ()) -> str:
    """Return a sentence of the analyses as a journal writes it: p-values, intervals, the decimal mark.

    Parameters
    ----------
    text
        The sentence, with p-values to the digits of the analyses ("p < .001").
    formatter
        Writes numbers in the journal's style.
    known
        The p-values that the sentence may have: one that can be told from the others is written from all its digits,
        as the tables have it; any other keeps those of the sentence.
    """
    style = formatter.style
    zero = "0" if style.p_leading_zero else ""

    def p_value(found: re.Match[str]) -> str:
        exact = _exact(found, text, known, formatter)
        return exact or f"p {found['sign']} {zero}{found['digits']}"

    text = _P_VALUE.sub(p_value, text)

    def interval(found: re.Match[str]) -> str:
        limits = found["low"], found["high"]
        return found["name"] + formatter.joint(limits).join(limits)

    return _POINT.sub(style.decimal_mark, _INTERVAL.sub(interval, text))


def _exact(found: re.Match[str], text: str, known: Sequence[KnownP], formatter: Formatter) -> str:
    """Return a p-value of a sentence with the journal's digits; empty where it is not clear which one it is.

    Candidates are those that the analyses write so. Of several, the one counts whose comparison was named last before
    it: that of a min test, and adjusted, where the sentence says so just before.
    """
    alike = [one for one in known if format_p(one.p) == found[0]]
    before = text[: found.start()]
    if len({formatter.p_value(one.p) for one in alike}) > 1:
        kind = tuple(pattern.search(before) is not None for pattern in (_JOINT, _ADJUSTED))
        alike = [one for one in alike if (one.joint, one.adjusted) == kind]
        nearest = [max(_end(before, name) for name in one.names) if one.names else -1 for one in alike]
        alike = [one for one, place in zip(alike, nearest, strict=True) if place == max(nearest, default=-1)]
    # The decimal mark of the journal is set for the whole sentence at last, in place of the point.
    written = {formatter.p_phrase(one.p).replace(formatter.style.decimal_mark, ".") for one in alike}
    return written.pop() if len(written) == 1 else ""


def _end(text: str, name: str) -> int:
    """Return where a name ends that stands last in a text; -1 where it does not stand there."""
    place = text.rfind(name)
    return -1 if place < 0 else place + len(name)


def with_letter(text: str, formatter: Formatter) -> str:
    """Return a sentence to paste with the letter that the journal has for p-values."""
    return re.sub(r"(?<!\w)p(?= [=<>] )", formatter.style.p_letter, text)
