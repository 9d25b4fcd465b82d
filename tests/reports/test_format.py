import math
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outcomes.errors import ReportError
from reports.format import (
    MINUS,
    NARROW_SPACE,
    NOT_ESTIMABLE,
    STYLES,
    Formatter,
    counted,
    decimals_of,
    headline_decimals,
    join_words,
    round_half_up,
    sentence_case,
    significant,
    style_named,
)

JAMA = Formatter(STYLES["jama"])
NEJM = Formatter(STYLES["nejm"])
LANCET = Formatter(STYLES["lancet"])
CSR = Formatter(STYLES["csr"])


@pytest.mark.parametrize(
    ("value", "decimals", "expected"),
    [
        (2.675, 2, "2.68"),  # the binary fraction lies below: round() gives 2.67
        (1.005, 2, "1.01"),
        (0.5, 0, "1"),  # half-even would give 0
        (2.5, 0, "3"),
        (-2.5, 0, "-3"),
        (-0.125, 2, "-0.13"),
        (1234.5, -2, "1.2E+3"),
        (0.1 + 0.2, 1, "0.3"),
        (1e-12, 3, "0.000"),
    ],
)
def test_rounding_is_half_up_on_the_decimal_value(value, decimals, expected):
    assert str(round_half_up(value, decimals)) == expected


@given(st.integers(-10_000, 10_000), st.integers(0, 3))
def test_a_tie_always_moves_away_from_zero(units, decimals):
    tie = Decimal(units) / 10**decimals + Decimal(5).scaleb(-decimals - 1) * (1 if units >= 0 else -1)
    assert abs(round_half_up(float(tie), decimals)) == abs(Decimal(units) / 10**decimals) + Decimal(1).scaleb(
        -decimals
    )


def test_only_finite_numbers_are_rounded():
    with pytest.raises(ReportError, match="finite"):
        round_half_up(math.nan, 1)


@pytest.mark.parametrize(
    ("value", "decimals", "expected"),
    [
        (-3.04, 1, f"{MINUS}3.0"),
        (-0.004, 2, "0.00"),  # never "-0.00"
        (-0.0, 0, "0"),
        (58.27, 0, "58"),
        (None, 1, NOT_ESTIMABLE),
        (math.nan, 1, NOT_ESTIMABLE),
        (math.inf, 0, "∞"),
        (-math.inf, 0, f"{MINUS}∞"),
    ],
)
def test_numbers(value, decimals, expected):
    assert JAMA.number(value, decimals) == expected


@pytest.mark.parametrize(
    ("p", "jama", "nejm", "lancet", "csr"),
    [
        (0.00004, "<.001", "<0.001", "<0·0001", "<0.0001"),
        (0.00014, "<.001", "<0.001", "0·00014", "0.0001"),
        (0.0034, ".003", "0.003", "0·0034", "0.0034"),
        (0.0312, ".03", "0.03", "0·031", "0.0312"),
        (0.0496, ".0496", "0.0496", "0·0496", "0.0496"),  # three decimals would be .050
        (0.04998, ".04998", "0.04998", "0·04998", "0.04998"),
        (0.0462, ".046", "0.046", "0·046", "0.0462"),  # two decimals would say .05
        (0.052, ".052", "0.052", "0·052", "0.0520"),
        (0.05, ".05", "0.05", "0·050", "0.0500"),
        (0.215, ".22", "0.22", "0·22", "0.2150"),
        (0.30, ".30", "0.30", "0·30", "0.3000"),
        (0.994, ">.99", ">0.99", ">0·99", "0.9940"),
        (1.0, ">.99", ">0.99", ">0·99", ">0.9999"),
        (math.nan, NOT_ESTIMABLE, NOT_ESTIMABLE, NOT_ESTIMABLE, NOT_ESTIMABLE),
    ],
)
def test_p_values_in_each_style(p, jama, nejm, lancet, csr):
    assert [style.p_value(p) for style in (JAMA, NEJM, LANCET, CSR)] == [jama, nejm, lancet, csr]


def test_p_phrases():
    assert JAMA.p_phrase(0.0001) == "p < .001"
    assert JAMA.p_phrase(0.21) == "p = .21"
    assert JAMA.p_phrase(None) == "p not estimable"


def test_a_p_value_outside_its_range_is_an_error():
    with pytest.raises(ReportError, match="between 0 and 1"):
        JAMA.p_value(1.2)


def test_intervals_are_joined_by_to_and_carry_their_level():
    assert JAMA.interval(19.2, 34.8) == "19 to 35"
    assert JAMA.confidence(-3.2, 21, 0) == f"95{NARROW_SPACE}% CI {MINUS}3 to 21"
    assert JAMA.confidence(1, 2, 0, level=0.975) == f"97.5{NARROW_SPACE}% CI 1 to 2"
    assert JAMA.interval(None, 2.0) == NOT_ESTIMABLE
    assert LANCET.interval(0.15, 1.25, 1) == "0·2–1·3"


def test_percentages_and_quantities():
    assert JAMA.percent(0.585) == f"59{NARROW_SPACE}%"
    assert JAMA.percent(None) == NOT_ESTIMABLE
    assert JAMA.quantity(27, 0, "%") == f"27{NARROW_SPACE}%"
    assert JAMA.quantity(27, 0, "points") == "27\u00a0points"
    assert JAMA.quantity(27, 0, "") == "27"
    assert JAMA.whole(30) == "30"


@pytest.mark.parametrize(
    ("std_error", "digits", "expected"),
    [
        (4.1, 2, 1),
        (4.1, 1, 0),
        (0.41, 2, 2),
        (0.041, 1, 2),
        (12.0, 2, 0),
        (0.0995, 2, 2),
        (None, 2, 1),
        (0.0, 1, 0),
    ],
)
def test_decimals_follow_the_standard_error(std_error, digits, expected):
    assert decimals_of(std_error, digits) == expected


def test_a_limit_that_is_not_zero_is_never_written_as_zero():
    assert headline_decimals(4.1, [27, 0.3, 35]) == 1
    assert headline_decimals(4.1, [27, 19, 35]) == 0
    assert headline_decimals(4.1, [27, 0.0, 35]) == 0


def test_significant_digits():
    assert significant(1 / 3) == 0.3333333333
    assert significant(-0.0) == 0.0
    assert math.copysign(1, significant(-0.0)) == 1
    assert significant(math.inf) == math.inf


def test_an_unknown_style_names_the_known_ones():
    with pytest.raises(ReportError, match="jama, nejm, lancet, csr"):
        style_named("jamma")
    assert style_named("csr") is STYLES["csr"]


def test_words():
    assert join_words(["a"]) == "a"
    assert join_words(["a", "b"]) == "a and b"
    assert join_words(["a", "b", "c"], "or") == "a, b or c"
    assert counted(1, "patient") == "1 patient"
    assert counted(4, "lesion") == "4 lesions"
    assert counted(2, "body", "bodies") == "2 bodies"
    assert sentence_case("PRP") == "PRP"


@pytest.mark.parametrize(
    ("p", "text"),
    [(1.41415e-4, "p = 1.4 × 10⁻⁴"), (9.96e-12, "p = 1.0 × 10⁻¹¹"), (0.02, "p = .02"), (0.0, "p < 10⁻³⁰⁰")],
)
def test_small_p_values_can_be_told_to_two_digits(p, text):
    assert Formatter().exact_p(p) == text
