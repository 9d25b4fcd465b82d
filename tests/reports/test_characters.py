import sys

import pytest

from reports.characters import printable
from reports.glyphs import drawable


@pytest.mark.parametrize(
    "text", ["", "95 % CI −3 to 21", "مريض 12", "患者 \U0001f600", "a\tb\nc", "a\u200fb\u00a0c\u202f%"]
)
def test_what_can_be_read_stays(text):
    assert printable(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x00b", "a[U+0000]b"),
        ("\x01\x1b\x7f", "[U+0001][U+001B][U+007F]"),
        ("abc\u202edef", "abc[U+202E]def"),
        ("\ud800", "[U+D800]"),
        ("\uffff\ufffe\ufdd0", "[U+FFFF][U+FFFE][U+FDD0]"),
        ("one\ufefftwo", "one[U+FEFF]two"),
        ("\U0001ffff", "[U+1FFFF]"),
        ("one\r\ntwo\rthree\x0bfour\x0cfive\x85six", "one\ntwo\nthree\nfour\nfive\nsix"),
        ("one\u2028two", "one[U+2028]two"),
    ],
)
def test_what_cannot_be_seen_is_named(text, shown):
    assert printable(text) == shown


def test_every_text_can_be_encoded_and_named_text_is_stable():
    every = "".join(map(chr, range(sys.maxunicode + 1)))
    shown = printable(every)
    assert shown.encode().decode() == shown
    assert printable(shown) == shown
    assert not any(ord(letter) < 32 and letter not in "\t\n" for letter in shown)


@pytest.mark.parametrize(
    ("text", "drawn"),
    [
        ("Laser + PRP, −3 to 21 %", "Laser + PRP, −3 to 21 %"),
        ("Lésion ≥ 50 %, α = 0·05", "Lésion ≥ 50 %, α = 0·05"),
        ("two\nlines\tapart", "two\nlines apart"),
        ("e\u0301", "é"),
        ("a\u3000b\u202fc", "a b\u202fc"),
        ("中\U0001f489", "[U+4E2D][U+1F489]"),
        ("a\u202eb\ue000\ud800", "a[U+202E]b[U+E000][U+D800]"),
    ],
)
def test_a_figure_names_what_its_font_lacks(text, drawn):
    assert drawable(text) == drawn
