"""The questions, asked of numbers made for the purpose: gates, adjustments, words, and the min test's size."""

from math import inf, nan

import numpy as np
import pytest
from scipy import stats

from analyses.claims.combination_questions import (
    IMPOSSIBLE,
    Evidence,
    InteractionQuestion,
    answer_questions,
    holm_adjusted,
    min_test_p,
    min_test_passed,
    primary_combination,
    studied_arms,
)
from analyses.claims.verdict import Comparison, Rules, Scale, not_estimable
from analyses.claims.verdict_sentences import anything_shown, footnotes, may_claim, may_not_claim
from analyses.claims.verdict_words import format_estimate, format_number, format_p
from analyses.combination import t_comparison
from outcomes.arms import Arms

FOUR = Arms({"None": [], "Laser": ["laser"], "PRP": ["prp"], "Both": ["laser", "prp"]})
THREE = Arms({"Laser": ["laser"], "PRP": ["prp"], "Both": ["laser", "prp"]})
POINTS = Scale("difference of means", unit="points")


def ask(arms, differences, rules=None, interaction=(9.0, 2.0), scale=POINTS, remark=""):
    """Rows and sentences for differences given as {(combination, reference): (estimate, error)}."""
    rules = rules or Rules(allocation="randomised")
    evidence = Evidence(
        compare=lambda label, other: (
            t_comparison(*differences[label, other], inf) if differences[label, other] else not_estimable()
        ),
        interactions=lambda square: [
            InteractionQuestion(
                "interaction", "Additive interaction", "i", t_comparison(*interaction, inf), remark
            )
        ],
        interaction_kinds=[("interaction", "Additive interaction")],
        higher_is_better=True,
        scale=scale,
    )
    rows = answer_questions(arms, evidence, rules)
    return rows, may_claim(arms, rows, scale, rules), may_not_claim(rows, scale, rules)


def answers(rows, kind):
    return [row.answer for row in rows if row.kind == kind]


@pytest.mark.parametrize(
    ("estimate", "margin", "answer"),
    [
        (5.0, None, "better"),
        (1.0, None, "inconclusive"),
        (-1.0, None, "inconclusive"),
        (-5.0, None, "worse"),
        (5.0, 2.0, "better by at least the margin"),
        (5.0, 4.0, "better"),
        (5.0, 8.0, "better, important benefit excluded"),
        (1.0, 2.0, "inconclusive"),
        (1.0, 4.0, "important benefit excluded"),
        (-5.0, 2.0, "worse"),
    ],
)
def test_words_by_the_interval(estimate, margin, answer):
    # Standard error 1 and a normal reference: limits at estimate -+ 1.96.
    rules = Rules(margin=margin)
    rows, _, _ = ask(THREE, {("Both", part): (estimate, 1.0) for part in ("Laser", "PRP")}, rules)
    assert answers(rows, "part") == [answer, answer]


def test_a_combination_worse_than_both_parts_never_wins():
    rows, claim, _ = ask(THREE, {("Both", "Laser"): (-9, 1), ("Both", "PRP"): (-9, 1)})
    joint = next(row for row in rows if row.kind == "min_test")
    assert joint.p_value == 1.0
    assert joint.answer == "not shown; worse than Laser and PRP"
    assert answers(rows, "highest_single_agent") == ["worse"]
    assert "Both was worse than Laser" in claim


def test_the_min_test_needs_every_part():
    rows, claim, no_claim = ask(THREE, {("Both", "Laser"): (9, 1), ("Both", "PRP"): (1, 1)})
    joint = next(row for row in rows if row.kind == "min_test")
    assert joint.p_value == pytest.approx(2 * stats.norm.sf(1.0))
    assert (joint.answer, joint.reference) == ("not shown", "PRP")
    assert claim.startswith("Both was better than Laser (difference 9.0 points, 95 % CI 7.0 to 11.0")
    assert "better than PRP (difference 1.0 points, 95 % CI −1.0 to 3.0, p = .32)" in no_claim
    assert "do equally well, since no margin was given" in no_claim


def test_the_joint_claim():
    _, claim, no_claim = ask(THREE, {("Both", "Laser"): (27, 4), ("Both", "PRP"): (23, 4)})
    assert claim == (
        "Both was better than Laser (difference 27 points, 95 % CI 19 to 35) and better than PRP (difference "
        "23 points, 95 % CI 15 to 31), so better than both of its parts (min test p < .001)."
    )
    assert no_claim == (
        "It may not be claimed that Both is synergistic (not estimable without an arm that received neither, "
        "an untreated arm)."
    )


def test_no_causal_sentence_without_the_allocation():
    differences = {("Both", "Laser"): (27, 4), ("Both", "PRP"): (23, 4)}
    assert "caused" not in ask(THREE, differences)[2]
    assert (
        "caused a difference, since how patients or lesions were allocated is not given"
        in (ask(THREE, differences, Rules())[2])
    )


@pytest.mark.parametrize(
    ("interaction", "answer", "words"),
    [
        ((9.0, 2.0), "more than additive", "synergistic in general: synergy was tested on this scale only"),
        ((-9.0, 2.0), "less than additive", "it did less than its parts add up to"),
        ((9.0, 6.0), "inconclusive", "not shown"),
    ],
)
def test_superiority_is_not_synergy(interaction, answer, words):
    differences = {("Both", part): (27, 4) for part in FOUR if part != "Both"}
    rows, claim, no_claim = ask(FOUR, differences, interaction=interaction)
    assert answers(rows, "interaction") == [answer]
    assert words in no_claim
    assert ("synergy on this scale" in claim) == (answer == "more than additive")


def test_the_interaction_is_tested_only_after_the_min_test():
    differences = {("Both", "Laser"): (27, 4), ("Both", "PRP"): (2, 4), ("Both", "None"): (27, 4)}
    rows, claim, no_claim = ask(FOUR, differences)
    assert answers(rows, "interaction")[0].startswith("not tested")
    assert "synergy" not in claim
    assert "not tested" in no_claim


def test_the_control_is_a_row_of_its_own_and_no_part():
    differences = {("Both", "Laser"): (1, 4), ("Both", "PRP"): (2, 4), ("Both", "None"): (27, 4)}
    rows, claim, _ = ask(FOUR, differences)
    assert [row.reference for row in rows if row.kind == "part"] == ["Laser", "PRP"]
    assert answers(rows, "control") == ["better"]
    assert claim == "Both was better than None (difference 27 points, 95 % CI 19 to 35)."


def test_margins_enter_the_claim_and_what_is_excluded():
    both = {("Both", "Laser"): (27, 4), ("Both", "PRP"): (23, 4)}
    rows, claim, _ = ask(THREE, both, Rules(margin=10, margin_source="protocol 9.2", allocation="randomised"))
    assert claim.endswith("(min test p < .001), by at least the margin of 10 points.")
    assert "Margin 10 points; its source: protocol 9.2." in footnotes(
        rows, POINTS, Rules(margin=10, margin_source="protocol 9.2")
    )
    little = {("Both", "Laser"): (1, 2), ("Both", "PRP"): (2, 2)}
    _, claim, no_claim = ask(THREE, little, Rules(margin=10, allocation="randomised"))
    assert "a benefit of 10 points or more over Laser is excluded" in claim
    assert "equally well" not in no_claim


def test_a_claim_about_a_single_part_needs_holm():
    # p = .030 and .90 raw: with two parts the first becomes .060 and may not be claimed.
    estimate = stats.norm.isf(0.015)
    rows, claim, no_claim = ask(THREE, {("Both", "Laser"): (estimate, 1), ("Both", "PRP"): (0.1, 1)})
    first = rows[0]
    assert first.p_value == pytest.approx(0.03)
    assert first.p_adjusted == pytest.approx(0.06)
    assert claim.startswith("No advantage of Both over its two parts was shown: against Laser (difference")
    assert "Holm-adjusted p = .06" in no_claim


def test_holm_by_hand():
    found = holm_adjusted({"a": 0.01, "b": 0.04, "c": 0.03, "d": nan})
    assert found["a"] == pytest.approx(0.03)
    assert found["c"] == found["b"] == pytest.approx(0.06)
    assert np.isnan(found["d"])


SEVERAL = Arms(
    {
        "L+N": ["laser", "nbuvb"],
        "Laser": ["laser"],
        "PRP": ["prp"],
        "NB": ["nbuvb"],
        "L+P": ["laser", "prp"],
        "L+P+N": ["laser", "prp", "nbuvb"],
    }
)


def test_parts_are_arms_with_one_component_fewer_and_combinations_are_holm_adjusted():
    z = stats.norm.isf(0.015)  # two-sided p .03
    differences = {
        ("L+N", "Laser"): (z, 1),
        ("L+N", "NB"): (9, 1),
        ("L+P", "Laser"): (9, 1),
        ("L+P", "PRP"): (9, 1),
        ("L+P+N", "L+N"): (9, 1),
        ("L+P+N", "L+P"): (9, 1),
    }
    rows, claim, no_claim = ask(SEVERAL, differences)
    joint = {row.combination: row for row in rows if row.kind == "min_test"}
    # Laser + PRP + NB-UVB has no arm of PRP + NB-UVB: not assessable, and outside the family of two.
    assert joint["L+P+N"].answer == "not assessable: no arm of nbuvb with prp was studied"
    assert joint["L+N"].p_adjusted == pytest.approx(0.03)
    assert joint["L+P"].p_adjusted < 1e-6
    assert answers(rows, "contribution") == [
        "contribution of laser not assessable: no arm of nbuvb with prp was studied"
    ]
    assert [row.reference for row in rows if row.combination == "L+P+N" and row.kind == "part"] == [
        "L+N",
        "L+P",
    ]
    assert "min test Holm-adjusted p < .001" in claim
    assert "that laser contributes to L+P+N" in no_claim
    assert primary_combination(SEVERAL) == "L+N"


def test_holm_over_combinations_can_close_a_min_test():
    z = stats.norm.isf(0.02)  # two-sided p .04, adjusted .08
    differences = {
        ("L+N", "Laser"): (z, 1),
        ("L+N", "NB"): (9, 1),
        ("L+P", "Laser"): (z, 1),
        ("L+P", "PRP"): (9, 1),
        ("L+P+N", "L+N"): (0, 1),
        ("L+P+N", "L+P"): (0, 1),
    }
    rows, claim, _ = ask(SEVERAL, differences)
    joint = [row for row in rows if row.kind == "min_test" and row.p_value < 1]
    assert [row.answer for row in joint] == ["not shown after Holm's adjustment for 2 combinations"] * 2
    assert not any(min_test_passed(row) for row in joint)
    assert "both of its parts" not in claim


def test_the_first_combination_with_all_its_parts_is_the_primary_one():
    arms = Arms({"A+N": ["a", "n"], "A": ["a"], "B": ["b"], "A+B": ["a", "b"]})
    assert primary_combination(arms) == "A+B"
    rows, _, _ = ask(arms, {("A+N", "A"): (1, 1), ("A+B", "A"): (9, 1), ("A+B", "B"): (9, 1)})
    assert rows[0].combination == "A+B"
    assert primary_combination(Arms({"A": ["a"], "A+B": ["a", "b"]})) == "A+B"


def test_an_interaction_on_a_treated_background_names_its_pair():
    arms = Arms({"N": ["n"], "LN": ["l", "n"], "PN": ["p", "n"], "LPN": ["l", "p", "n"]})
    differences = {("LN", "N"): (9, 1), ("PN", "N"): (9, 1), ("LPN", "LN"): (9, 1), ("LPN", "PN"): (9, 1)}
    rows, _, _ = ask(arms, differences)
    asked = [row for row in rows if row.kind == "interaction" and np.isfinite(row.estimate)]
    assert [(row.combination, row.reference) for row in asked] == [("LPN", "l and p")]


def test_what_is_not_estimable_stays_so():
    rows, claim, no_claim = ask(THREE, {("Both", "Laser"): (9, 1), ("Both", "PRP"): None})
    assert answers(rows, "part") == ["better", "not estimable"]
    assert answers(rows, "min_test") == ["not estimable"]
    assert answers(rows, "highest_single_agent") == ["not estimable"]
    assert claim.startswith("Both was better than Laser")
    assert "better than PRP (not estimable)" in no_claim


def test_interval_and_test_must_agree():
    def disagreeing(label, other):
        del label, other
        return Comparison(0.3, nan, nan, nan, 0.065, 0.0325, lambda tail: (0.03, 0.53))

    rules = Rules()
    evidence = Evidence(disagreeing, lambda square: [], [], True, Scale("x", show="percentage points"))
    rows = answer_questions(THREE, evidence, rules)
    assert answers(rows, "part") == ["inconclusive", "inconclusive"]
    assert answers(rows, "min_test") == ["not shown"]
    assert any("disagree" in note for note in footnotes(rows, evidence.scale, rules))


def test_arms_with_data_keep_the_protocols_order():
    kept, absent = studied_arms(FOUR, ["Both", "Laser"])
    assert (tuple(kept), absent) == (("Laser", "Both"), ("None", "PRP"))


def test_size_of_the_min_test_where_it_is_worst():
    """The combination equals one part and lies far above the other: rejection towards benefit at alpha / 2."""
    rng = np.random.default_rng(1989)
    n, trials = 12, 20_000
    both, near, far = (rng.normal(mean, 1.0, (trials, n)) for mean in (5.0, 5.0, 0.0))
    p_near = stats.ttest_ind(both, near, axis=1, alternative="greater").pvalue
    p_far = stats.ttest_ind(both, far, axis=1, alternative="greater").pvalue

    def made(p):
        return Comparison(1.0, 1.0, 22.0, 1.0, min(1.0, 2 * p), p, lambda tail: (0.0, 1.0))

    rejected = np.mean(
        [min_test_p([made(a), made(b)], Rules()) < 0.05 for a, b in zip(p_near, p_far, strict=True)]
    )
    assert rejected == pytest.approx(0.025, abs=4 * np.sqrt(0.025 * 0.975 / trials))  # four binomial errors


def test_numbers_are_rounded_half_up_on_their_decimal_value():
    assert [format_number(value, 1) for value in (0.25, 0.35, -0.25, 1.005e1)] == [
        "0.3",
        "0.4",
        "−0.3",
        "10.1",
    ]
    assert format_number(-0.04, 1) == "0.0"
    # What the computer holds of 7.5 after some arithmetic is 7.5, as in the stored results.
    assert format_number(7.499999999999999, 0) == "8"
    assert format_number(-7.499999999999999, 0) == "−8"
    assert format_number(7.4999999, 0) == "7"
    assert format_number(1.5e12, 0) == "1500000000000"
    assert format_number(inf, 1) == "∞"


@pytest.mark.parametrize(
    ("p", "text"),
    [
        (0.0009, "p < .001"),
        (0.0014, "p = .001"),
        (0.03, "p = .03"),
        (0.046, "p = .046"),
        (0.0496, "p = .0496"),
        (0.0497, "p = .0497"),
        (0.0503, "p = .0503"),
        (0.04996, "p = .04996"),
        (0.05, "p = .05"),
        (0.2, "p = .20"),
        (0.999, "p > .99"),
    ],
)
def test_p_values_as_journals_print_them(p, text):
    assert format_p(p) == text


def test_limits_near_zero_are_not_rounded_onto_it():
    assert format_estimate(8, 0.3, 15.7, POINTS, 0.95) == "8.0 points, 95 % CI 0.3 to 15.7"
    assert format_estimate(0.3, 0.028, 0.525, Scale("d", show="percentage points"), 0.95) == (
        "30 percentage points, 95 % CI 3 to 53"
    )
    odds = Scale("log odds ratio", show="odds ratio")
    assert (
        format_estimate(np.log(4.4), np.log(1.004), np.log(19), odds, 0.9) == "4.400, 90 % CI 1.004 to 19.000"
    )


def test_what_has_no_number_is_written_so():
    assert format_number(nan, 2) == "not estimable"
    assert format_p(nan) == "p not estimable"
    assert format_estimate(nan, nan, nan, POINTS, 0.95) == "not estimable"
    assert format_estimate(2.0, nan, nan, POINTS, 0.95) == "2.0 points, 95 % CI not estimable"


def test_what_a_triple_lacks_is_the_arm_of_its_nearest_square():
    arms = Arms({"N": ["n"], "LN": ["l", "n"], "LP": ["l", "p"], "LPN": ["l", "p", "n"]})
    rows, _, _ = ask(arms, {("LN", "N"): (9, 1), ("LPN", "LN"): (9, 1), ("LPN", "LP"): (9, 1)})
    found = {row.combination: row.answer for row in rows if row.kind == "interaction"}
    # With laser alone the square of n and p on it would be whole; an untreated arm would not do.
    assert found["LPN"] == "not estimable: no arm of l alone was studied"
    assert found["LN"] == "not estimable: arms of l alone and without treatment were not studied"
    pairs = Arms({"AB": ["a", "b"], "AC": ["a", "c"], "BC": ["b", "c"], "ABC": ["a", "b", "c"]})
    rows, _, _ = ask(pairs, {("ABC", part): (0, 1) for part in ("AB", "AC", "BC")})
    found = {row.combination: row.answer for row in rows if row.kind == "interaction"}
    assert found["ABC"] == "not estimable without an arm that received neither of two of its components"
    assert found["AB"] == "not estimable: arms of a alone, of b alone and without treatment were not studied"


def test_parts_that_were_not_studied_are_told_from_those_not_assessed():
    planned = Arms({"Laser": ["laser"], "Both": ["laser", "prp"]})
    evidence = Evidence(
        lambda label, other: not_estimable(), lambda square: [], [], True, POINTS, unit="lesion"
    )
    arms = Arms({"Both": ["laser", "prp"]})
    rows = answer_questions(arms, evidence, Rules(), planned=planned)
    assert answers(rows, "contribution") == [
        "contribution of laser not assessable: no arm of prp alone was studied",
        "contribution of prp not assessable: no lesion with Laser was assessed at this visit",
    ]
    assert may_claim(arms, rows, POINTS, Rules()) == (
        "Nothing may be claimed of Both: no arm of prp alone was studied, and no lesion with Laser was assessed at "
        "this visit."
    )


def test_a_p_below_alpha_beside_an_interval_over_zero_is_left_open():
    def disagreeing(label, other):
        del label, other
        return Comparison(0.3, nan, nan, nan, 0.02, 0.01, lambda tail: (-0.03, 0.53))

    rules = Rules()
    evidence = Evidence(disagreeing, lambda square: [], [], True, POINTS)
    rows = answer_questions(THREE, evidence, rules)
    assert (
        "p = .02, Holm-adjusted p = .04, but the interval does not exclude equality: the two methods disagree, so "
        "it is left open" in may_not_claim(rows, POINTS, rules)
    )


def test_a_part_without_a_test_closes_the_min_test_whatever_its_place():
    def of(other):
        if other == "Laser":
            return t_comparison(9, 1, inf)
        return Comparison(1.0, nan, nan, nan, nan, nan, lambda tail: (nan, nan), "not testable: no spread")

    for arms in (THREE, Arms({"PRP": ["prp"], "Laser": ["laser"], "Both": ["laser", "prp"]})):
        evidence = Evidence(lambda label, other: of(other), lambda square: [], [], True, POINTS)
        rows = answer_questions(arms, evidence, Rules())
        joint = next(row for row in rows if row.kind == "min_test")
        assert np.isnan(joint.p_value)
        assert joint.answer == "not assessable: against PRP, not testable: no spread"


def test_worse_and_excluded_are_claims_too():
    worse, _, _ = ask(THREE, {("Both", "Laser"): (-9, 1), ("Both", "PRP"): (-9, 1)})
    wide, _, _ = ask(THREE, {("Both", "Laser"): (1, 2), ("Both", "PRP"): (1, 2)})
    narrow, _, _ = ask(THREE, {("Both", "Laser"): (1, 2), ("Both", "PRP"): (1, 2)}, Rules(margin=10))
    assert anything_shown(worse, POINTS, Rules())
    assert not anything_shown(wide, POINTS, Rules())
    assert anything_shown(narrow, POINTS, Rules(margin=10))


def test_a_claim_names_the_important_benefit_that_is_excluded():
    rules = Rules(margin=10, allocation="randomised")
    _, claim, _ = ask(THREE, {("Both", "Laser"): (5, 1), ("Both", "PRP"): (27, 4)}, rules)
    assert claim.endswith("(min test p < .001), but a benefit of 10 points or more over Laser is excluded.")
    _, claim, _ = ask(THREE, {("Both", "Laser"): (5, 1), ("Both", "PRP"): (1, 9)}, rules)
    assert claim == (
        "Both was better than Laser (difference 5.0 points, 95 % CI 3.0 to 7.0, Holm-adjusted p < .001), but a "
        "benefit of 10 points or more over Laser is excluded."
    )
    # Holm's adjustment takes the claim of "better" away; that the benefit is small stands by its interval.
    rows, claim, _ = ask(THREE, {("Both", "Laser"): (2.1, 1), ("Both", "PRP"): (1, 9)}, rules)
    assert rows[0].answer == "better, important benefit excluded"
    assert claim.startswith("a benefit of 10 points or more over Laser is excluded (difference")
    control = {("Both", "Laser"): (1, 9), ("Both", "PRP"): (1, 9), ("Both", "None"): (5, 1)}
    assert ask(FOUR, control, rules)[1].endswith(
        ", but a benefit of 10 points or more over None is excluded."
    )


ON_NB = Arms(
    {
        "Laser": ["laser"],
        "NB": ["nb"],
        "Laser + NB": ["laser", "nb"],
        "PRP + NB": ["prp", "nb"],
        "Triple": ["laser", "prp", "nb"],
        "Laser + PRP": ["laser", "prp"],
    }
)


def test_a_synergy_of_three_components_is_one_of_a_pair_on_its_background():
    differences = {
        (label, part): (27, 4) for label in ON_NB.combinations for part in (*ON_NB.parts(label), "NB")
    }
    rows, claim, no_claim = ask(ON_NB, differences, interaction=(33, 4))
    asked = [row for row in rows if row.kind == "interaction" and np.isfinite(row.estimate)]
    assert [(row.combination, row.reference, row.background) for row in asked] == [
        ("Triple", "laser and prp", "NB"),
        ("Triple", "nb and prp", "Laser"),
    ]
    for pair, background in (("laser and prp", "NB"), ("nb and prp", "Laser")):
        assert (
            f"; {pair} together, on a background of {background}, exceeded the sum of their effects by 33 points "
            "(95 % CI 25 to 41: synergy on this scale)" in claim
        )
    assert "parts add up to" not in claim
    assert (
        "that laser and prp on a background of NB or nb and prp on a background of Laser are synergistic in "
        "general" in no_claim
    )
    _, claim, no_claim = ask(ON_NB, differences, interaction=(-33, 4))
    assert "exceeded the sum" not in claim
    assert "are synergistic (together they did less than the sum of their effects: excess −33" in no_claim
    _, _, no_claim = ask(ON_NB, differences, interaction=(1, 4))
    assert "against the sum of their effects: not shown)" in no_claim


@pytest.mark.parametrize("excess", [29.0, -29.0, 0.1])
def test_where_additivity_is_impossible_the_sentences_say_so(excess):
    differences = {("Both", part): (27, 4) for part in FOUR if part != "Both"}
    _, claim, no_claim = ask(FOUR, differences, interaction=(excess, 2.0), remark=IMPOSSIBLE)
    assert "did less than" not in no_claim
    assert "synergy on this scale" not in claim
    assert (
        "that Both is synergistic (what its parts add up to lies beyond the ends of the scale, so additivity is "
        "impossible on this scale: excess" in no_claim
    )
    assert ("additivity is impossible on this scale" in claim) == (excess > 20)
