"""Sentences of the analyses in each journal's style."""

import pytest

from reports.format import STYLES, Formatter
from reports.house_style import KnownP, in_style, with_letter

SENTENCE = (
    "better than Laser (difference 3.3 points, 95 % CI 2.8 to 3.9), worse than PRP (−1.5, 95 % CI −3.0 to −0.1, "
    "p = .03; min test p < .001)"
)


@pytest.mark.parametrize(
    ("style", "expected"),
    [
        ("jama", SENTENCE),
        ("nejm", SENTENCE.replace("p = .03", "p = 0.03").replace("p < .001", "p < 0.001")),
        (
            "lancet",
            "better than Laser (difference 3·3 points, 95 % CI 2·8–3·9), worse than PRP (−1·5, 95 % CI −3·0 to −0·1, "
            "p = 0·03; min test p < 0·001)",
        ),
        ("csr", SENTENCE.replace("p = .03", "p = 0.03").replace("p < .001", "p < 0.001")),
    ],
)
def test_numbers_of_a_sentence_follow_the_journal(style, expected):
    assert in_style(SENTENCE, Formatter(STYLES[style])) == expected


def test_words_and_names_stay():
    for text in ("VASI 2.", "p.", "steep = .5 of it", "Laser 2 of 20, PRP 4 of 20.", "No margin was given."):
        assert in_style(text, Formatter(STYLES["csr"])) == text


def test_what_is_pasted_has_the_journals_letter():
    text = "shown (min test p < .001) and p = .03, step = 2"
    assert with_letter(text, Formatter(STYLES["jama"])) == "shown (min test P < .001) and P = .03, step = 2"
    assert with_letter(text, Formatter(STYLES["lancet"])) == text


KNOWN = (
    KnownP(1.2e-7, ("(A + B) − A", "A", "A + B")),
    KnownP(2.4e-7, ("(A + B) − A", "A", "A + B"), adjusted=True),
    KnownP(0.00023, ("(A + B) − B", "B", "A + B")),
    KnownP(0.00024, ("(A + B) − B", "B", "A + B"), adjusted=True),
    KnownP(0.00025, ("A + B",), joint=True),
)


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        (
            "A + B was better than A (p < .001) and better than B (p < .001, Holm-adjusted p < .001), so better than "
            "both (min test p < .001)",
            "A + B was better than A (p < 0·0001) and better than B (p = 0·00023, Holm-adjusted p = 0·00024), so "
            "better than both (min test p = 0·00025)",
        ),
        (
            "needs Holm's adjustment over the 2 comparisons: (A + B) − A p < .001 and (A + B) − B p < .001.",
            "needs Holm's adjustment over the 2 comparisons: (A + B) − A p < 0·0001 and (A + B) − B p = 0·00024.",
        ),
        ("a p-value of another analysis (p = .02)", "a p-value of another analysis (p = 0·02)"),
        ("of the first two, whichever (p < .001)", "of the first two, whichever (p < 0·001)"),
    ],
)
def test_known_p_values_have_the_digits_of_the_tables(sentence, expected):
    assert in_style(sentence, Formatter(STYLES["lancet"]), KNOWN) == expected
    assert in_style(sentence, Formatter(STYLES["jama"]), KNOWN) == sentence
