"""Standardised differences against closed forms, and against a program in base R (tests/reference)."""

import json
from math import sqrt
from pathlib import Path

import pandas as pd
import pytest

from outcomes import read_trial
from reports.analyse import analyse_trial
from reports.context import ReportContext
from reports.steps.standardised import difference_of_levels, difference_of_numbers, largest, pairwise
from reports.tables.baseline import baseline_tables

REFERENCE = Path(__file__).parents[1] / "reference" / "standardised_differences"
EXAMPLES = Path(__file__).parents[2] / "examples"


def test_of_numbers_by_hand():
    # means 2 and 5, variances 1 and 9: 3 / sqrt(5)
    assert difference_of_numbers(pd.Series([1, 2, 3]), pd.Series([2, 5, 8])) == pytest.approx(3 / sqrt(5))


def test_of_two_levels_it_is_the_formula_of_a_proportion():
    first = pd.Series(["a"] * 3 + ["b"] * 7)
    second = pd.Series(["a"] * 6 + ["b"] * 4)
    expected = 0.3 / sqrt((0.3 * 0.7 + 0.6 * 0.4) / 2)
    assert difference_of_levels(first, second, ("a", "b")) == pytest.approx(expected)


def test_of_three_levels_by_hand():
    # t = (1/4, 1/4), c = (1/2, 1/4) of the last two levels; S = ((7/32, -3/32), (-3/32, 3/16)), det S = 33/1024,
    # so that d^2 = (1/4)^2 * (3/16) / (33/1024) = 4/11
    first = pd.Series(["a", "a", "b", "c"])
    second = pd.Series(["a", "b", "b", "c"])
    assert difference_of_levels(first, second, ("a", "b", "c")) == pytest.approx(sqrt(4 / 11))


def test_the_order_of_levels_and_an_empty_level_do_not_matter():
    first, second = pd.Series(list("aabbbcd")), pd.Series(list("abbcccd"))
    values = {
        round(difference_of_levels(first, second, levels), 12)
        for levels in (tuple("abcd"), tuple("dcba"), tuple("xabcdy"), tuple("bxdca"))
    }
    assert len(values) == 1


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (["a", "a"], ["b", "b"], None),  # nothing in common, and neither varies: no scale
        (["a", "b"], ["c", "c"], None),
        (["a", "a"], ["a", "a"], 0.0),
        (["a", None], [None, None], None),
    ],
)
def test_levels_without_a_scale(first, second, expected):
    found = difference_of_levels(
        pd.Series(first, dtype=object), pd.Series(second, dtype=object), ("a", "b", "c")
    )
    assert found == expected


@pytest.mark.parametrize(
    ("first", "second", "expected"), [([1, 1], [1, 1], 0.0), ([1, 1], [2, 2], None), ([1], [2, 3], None)]
)
def test_numbers_without_a_scale(first, second, expected):
    assert difference_of_numbers(pd.Series(first), pd.Series(second)) == expected


def test_one_pair_that_cannot_be_said_leaves_the_largest_open():
    assert largest({("a", "b"): 0.2, ("a", "c"): 0.5}) == 0.5
    assert largest({("a", "b"): 0.2, ("a", "c"): None}) is None
    assert largest({}) is None


def test_as_a_program_in_r_has_it():
    data = pd.read_csv(REFERENCE / "data.csv")
    expected = json.loads((REFERENCE / "reference.json").read_text(encoding="utf-8"))
    for variable, levels in {
        "age": None,
        "sex": ("female", "male"),
        "site": ("face", "trunk", "extremity", "acral"),
    }.items():
        groups = {str(arm): rows[variable] for arm, rows in data.groupby("arm", sort=False)}
        found = pairwise(groups, levels)
        assert {" | ".join(pair): value for pair, value in found.items()} == pytest.approx(
            {pair: row[variable] for pair, row in expected.items()}, rel=1e-9
        )


def test_the_table_shows_the_largest_of_the_pairs_that_results_hold(sound_trials):
    trial = read_trial(sound_trials["within-patient"] / "trial.toml")
    context = ReportContext(trial.protocol, analyse_trial(trial).results)
    patients, lesions = baseline_tables(context)
    assert not any("difference" in column.spanner for column in patients.columns)  # one group of patients
    pairs = [
        row.value
        for row in context.results.select(
            analysis="baseline", statistic="standardised_difference", endpoint="body_site"
        )
    ]
    assert len(pairs) == 6  # of four arms
    assert next(row.cells[-1].value for row in lesions.rows if row.kind == "heading") == max(pairs)
    # Each of the ten patients has sites by turns: in each arm five of each.
    assert max(pairs) == pytest.approx(0, abs=1e-9)
