"""One table a journal style: a number, how it is meant, and the text that the style makes of it.

What is known of the styles: JAMA and the AMA manual (no zero before the point of a p-value, two digits, three below
.01 and where two would hide the side of .05, none below .001); the New England Journal of Medicine (the same digits,
with the zero); the Lancet (a raised decimal point, two significant figures, none below 0·0001, dashes between
limits). "csr" is the house's: four decimals, as clinical study reports commonly have. Everything is rounded half up
on the decimal value; no p-value is rounded onto .05 or to zero; no dash stands beside a negative limit.
"""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyses.claims.verdict_words import format_p
from outcomes.rounding import ama_decimals, round_half_up
from reports.format import MINUS, NOT_ESTIMABLE, STYLES, Formatter

NUMBERS = [  # (value, decimals), plain text
    ((0.125, 2), "0.13"),
    ((2.675, 2), "2.68"),
    ((1.005, 2), "1.01"),
    ((-0.125, 2), "−0.13"),
    ((0.5, 0), "1"),
    ((1.5, 0), "2"),
    ((-0.004, 2), "0.00"),
    ((-0.0, 1), "0.0"),
    ((1234.5, 0), "1235"),
    ((9.995, 2), "10.00"),
    ((0.1 + 0.2, 2), "0.30"),
    ((math.nan, 2), "not estimable"),
    ((None, 2), "not estimable"),
    ((math.inf, 1), "∞"),
    ((-math.inf, 1), "−∞"),
]

JAMA = [
    *[(value, "number", text) for value, text in NUMBERS],
    ((1.25, 3.45, 1), "interval", "1.3 to 3.5"),
    ((-3.0, -1.0, 0), "interval", "−3 to −1"),
    ((-0.004, 1.0, 2), "interval", "0.00 to 1.00"),
    ((math.nan, 1.0, 2), "interval", "not estimable"),
    ((-math.inf, 2.0, 0), "interval", "−∞ to 2"),
    (0.0, "p", "<.001"),
    (0.00049, "p", "<.001"),
    (0.0005, "p", "<.001"),
    (0.0009999, "p", "<.001"),
    (0.001, "p", ".001"),
    (0.0045, "p", ".005"),
    (0.0095, "p", ".010"),
    (0.0144, "p", ".01"),
    (0.0449, "p", ".04"),
    (0.0451, "p", ".045"),
    (0.0486, "p", ".049"),
    (0.0496, "p", ".0496"),
    (0.049999, "p", ".049999"),
    (0.05, "p", ".05"),
    (0.0504, "p", ".0504"),
    (0.0506, "p", ".051"),
    (0.0549, "p", ".055"),
    (0.056, "p", ".06"),
    (0.125, "p", ".13"),
    (0.99, "p", ".99"),
    (0.9996, "p", ">.99"),
    (1.0, "p", ">.99"),
    (math.nan, "p", "not estimable"),
    (0.03, "phrase", "p = .03"),
    (0.0001, "phrase", "p < .001"),
]

NEJM = [
    *[(value, "number", text) for value, text in NUMBERS],
    ((1.25, 3.45, 1), "interval", "1.3 to 3.5"),
    ((-3.0, -1.0, 0), "interval", "−3 to −1"),
    (0.0, "p", "<0.001"),
    (0.00049, "p", "<0.001"),
    (0.0005, "p", "<0.001"),
    (0.001, "p", "0.001"),
    (0.0095, "p", "0.010"),
    (0.0144, "p", "0.01"),
    (0.0496, "p", "0.0496"),
    (0.049999, "p", "0.049999"),
    (0.05, "p", "0.05"),
    (0.0504, "p", "0.0504"),
    (0.125, "p", "0.13"),
    (0.9996, "p", ">0.99"),
    (math.nan, "p", "not estimable"),
    (0.03, "phrase", "p = 0.03"),
    (0.0001, "phrase", "p < 0.001"),
]

LANCET = [
    *[(value, "number", text.replace(".", "·")) for value, text in NUMBERS],
    ((1.25, 3.45, 1), "interval", "1·3–3·5"),
    ((19.0, 35.0, 0), "interval", "19–35"),
    ((-3.0, -1.0, 0), "interval", "−3 to −1"),
    ((-3.0, 1.0, 0), "interval", "−3 to 1"),
    ((-0.004, 1.0, 2), "interval", "0·00–1·00"),
    ((-math.inf, 2.0, 0), "interval", "−∞ to 2"),
    (0.0, "p", "<0·0001"),
    (0.00009, "p", "<0·0001"),
    (0.00049, "p", "0·00049"),
    (0.0005, "p", "0·00050"),
    (0.00996, "p", "0·010"),
    (0.0095, "p", "0·0095"),
    (0.0496, "p", "0·0496"),
    (0.049999, "p", "0·049999"),
    (0.05, "p", "0·050"),
    (0.0504, "p", "0·0504"),
    (0.0511, "p", "0·051"),
    (0.125, "p", "0·13"),
    (0.9996, "p", ">0·99"),
    (math.nan, "p", "not estimable"),
    (0.03, "phrase", "p = 0·030"),
    (0.00001, "phrase", "p < 0·0001"),
]

CSR = [
    *[(value, "number", text) for value, text in NUMBERS],
    ((1.25, 3.45, 1), "interval", "1.3 to 3.5"),
    ((-3.0, -1.0, 0), "interval", "−3 to −1"),
    (0.0, "p", "<0.0001"),
    (0.00009, "p", "<0.0001"),
    (0.00049, "p", "0.0005"),
    (0.0005, "p", "0.0005"),
    (0.0095, "p", "0.0095"),
    (0.0496, "p", "0.0496"),
    (0.04998, "p", "0.04998"),
    (0.049999, "p", "0.049999"),
    (0.05, "p", "0.0500"),
    (0.05004, "p", "0.05004"),
    (0.0504, "p", "0.0504"),
    (0.12345, "p", "0.1235"),
    (0.9996, "p", "0.9996"),
    (0.99995, "p", ">0.9999"),
    (1.0, "p", ">0.9999"),
    (math.nan, "p", "not estimable"),
    (0.03, "phrase", "p = 0.0300"),
]


def written(style, value, kind):
    formatter = Formatter(STYLES[style])
    match kind:
        case "number":
            return formatter.number(*value)
        case "interval":
            return formatter.interval(*value)
        case "p":
            return formatter.p_value(value)
        case "phrase":
            return formatter.p_phrase(value)


@pytest.mark.parametrize(("value", "kind", "text"), JAMA)
def test_jama(value, kind, text):
    assert written("jama", value, kind) == text


@pytest.mark.parametrize(("value", "kind", "text"), NEJM)
def test_nejm(value, kind, text):
    assert written("nejm", value, kind) == text


@pytest.mark.parametrize(("value", "kind", "text"), LANCET)
def test_lancet(value, kind, text):
    assert written("lancet", value, kind) == text


@pytest.mark.parametrize(("value", "kind", "text"), CSR)
def test_csr(value, kind, text):
    assert written("csr", value, kind) == text


def as_number(text):
    return float(text.lstrip("<>").replace("·", "."))


@pytest.mark.parametrize("style", STYLES)
@given(p=st.floats(0, 1) | st.floats(0.0449, 0.0551) | st.floats(0, 0.002))
def test_no_p_value_is_written_as_zero_or_on_the_other_side_of_the_level(style, p):
    text = Formatter(STYLES[style]).p_value(p)
    shown = as_number(text)
    assert shown > 0
    assert shown < 1
    if abs(p - 0.05) > 1e-9:  # results keep ten digits
        assert (shown < 0.05) == (p < 0.05)
        assert shown != 0.05


@pytest.mark.parametrize("style", STYLES)
@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6), st.integers(0, 4))
def test_no_dash_stands_beside_a_negative_number_and_no_zero_has_a_sign(style, low, high, decimals):
    text = Formatter(STYLES[style]).interval(low, high, decimals)
    if MINUS in text:
        assert "–" not in text
    assert not any(
        part.startswith(MINUS) and not part.strip(f"{MINUS}0.·") for part in text.replace("–", " ").split()
    )


@given(st.floats(0.001, 0.99))
def test_sentences_of_the_verdict_and_tables_have_the_same_digits(p):
    assert format_p(p) == Formatter(STYLES["jama"]).p_phrase(p)


def test_the_level_itself_has_two_digits():
    assert ama_decimals(0.05) == 2
    assert ama_decimals(0.05000000000001) == 2  # the same number, to the digits that results keep
    assert str(round_half_up(0.0497, ama_decimals(0.0497))) == "0.0497"


def test_journals_differ_in_the_letter_of_a_p_value():
    assert {name: style.p_letter for name, style in STYLES.items()} == {
        "jama": "P",
        "nejm": "P",
        "lancet": "p",
        "csr": "p",
    }
    assert Formatter().p_value(None) == NOT_ESTIMABLE
