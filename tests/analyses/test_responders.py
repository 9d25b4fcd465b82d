"""compare_responders: the Abdelghani trial, published intervals, pairs, and both interactions in closed form."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analyses.classical.proportions import (
    PairedTable,
    clustered_difference,
    fisher_difference,
    mcnemar_difference,
    newcombe_paired,
)
from analyses.classical.responders import compare_responders
from outcomes.errors import DesignError, ModelError

ARMS = {"FCO2": ["laser"], "PRP": ["prp"], "FCO2+PRP": ["laser", "prp"], "FCO2+NBUVB": ["laser", "nbuvb"]}
FOUR = {"None": [], "Laser": ["laser"], "PRP": ["prp"], "Both": ["laser", "prp"]}


def parallel(counts):
    """One row a patient from {arm: (responders, patients)}."""
    rows = [(arm, int(i < r)) for arm, (r, n) in counts.items() for i in range(n)]
    data = pd.DataFrame(rows, columns=["arm", "value"])
    data["patient"] = [f"P{i:03d}" for i in range(len(data))]
    return data


@pytest.fixture(scope="module")
def abdelghani():
    # > 75 % repigmentation, patients of 20 (published)
    counts = {"FCO2": (2, 20), "PRP": (4, 20), "FCO2+PRP": (8, 20), "FCO2+NBUVB": (1, 20)}
    return compare_responders(parallel(counts), ARMS)


def row(verdict, question):
    found = verdict.table[verdict.table["question"].str.contains(question, regex=False)]
    return found.iloc[0]


def test_on_the_responder_scale_neither_difference_is_shown(abdelghani):
    laser, prp = row(abdelghani, "Better than FCO2"), row(abdelghani, "Better than PRP")
    assert (laser["estimate"], prp["estimate"]) == pytest.approx((0.30, 0.20))
    assert laser["p_value"] == pytest.approx(0.0648, abs=5e-5)
    assert prp["p_value"] == pytest.approx(0.3008, abs=5e-5)
    # Newcombe's interval against laser excludes zero, Fisher's test does not: the answer needs both.
    assert laser["conf_low"] > 0
    assert (laser["answer"], prp["answer"]) == ("inconclusive", "inconclusive")
    assert any("disagree" in note and "p = .06" in note for note in abdelghani.footnotes)
    assert row(abdelghani, "min test")["answer"] == "not shown"
    assert abdelghani.may_claim.startswith("No advantage of FCO2+PRP over its two parts was shown")


def test_synergy_is_not_estimable_without_an_untreated_arm(abdelghani):
    for question in ("Additive interaction", "Bliss independence"):
        found = row(abdelghani, question)
        assert found["answer"].startswith(
            "not estimable without an arm that received neither, an untreated arm"
        )
        assert np.isnan(found["estimate"])


def test_every_arm_that_an_interaction_lacks_is_named(abdelghani):
    # Laser + NB-UVB: an untreated arm would not do, since NB-UVB alone is missing too.
    table = abdelghani.table
    interactions = table[table["question"].isin(["Additive interaction", "Bliss independence"])]
    assert (
        interactions["answer"].tolist()[2:]
        == ["not estimable: arms of nbuvb alone and without treatment were not studied"] * 2
    )
    assert "FCO2+NBUVB is synergistic (not estimable: arms of nbuvb alone and" in abdelghani.may_not_claim


def test_an_arm_without_data_at_the_visit_is_not_called_unstudied():
    data = parallel({**dict.fromkeys(FOUR, (9, 30)), "PRP": (0, 0)})
    verdict = compare_responders(data, FOUR)
    reason = "no patient with PRP was assessed at this visit"
    assert row(verdict, "Contribution")["answer"] == f"contribution of laser not assessable: {reason}"
    assert row(verdict, "min test")["answer"] == f"not assessable: {reason}"
    assert row(verdict, "Additive interaction")["answer"] == f"not estimable: {reason}"
    assert f"that laser contributes to Both ({reason})" in verdict.may_not_claim
    assert "Arms of the protocol without data in this analysis: PRP." in verdict.footnotes
    assert "studied" not in " ".join((*verdict.table["answer"], verdict.may_not_claim))
    untreated = compare_responders(parallel({arm: (9, 30) for arm in FOUR if arm != "None"}), FOUR)
    assert row(untreated, "Bliss")["answer"] == (
        "not estimable: no patient of the arm None was assessed at this visit"
    )


def test_the_curve_over_assumed_control_responses(abdelghani):
    curve = abdelghani.bliss_curve.set_index("assumed_control_response")
    excess = curve["excess"].round(2)
    assert (excess[0.0], excess[0.05], excess[0.10]) == (0.12, 0.17, 0.22)
    # at 0 the delta method is that of p_ab - p_a - p_b + p_a p_b with independent binomials
    assert curve["std_error"][0.0] == pytest.approx(
        np.sqrt(0.24 / 20 + 0.8**2 * 0.09 / 20 + 0.9**2 * 0.16 / 20)
    )
    assert curve["label"].str.startswith("assumption").all()
    assert curve.index[0] == 0.0
    assert curve.index[-1] == 0.10
    share = "excess over Bliss independence, as a share of those who would not respond untreated"
    assert curve["label"].str.endswith(share).all()
    assert set(curve["combination"]) == {"FCO2+PRP"}
    note = next(note for note in abdelghani.footnotes if "under an assumption" in note)
    assert note.startswith("For FCO2+PRP, under an assumption")
    assert (
        f"{share}, is 12 points of that share at an assumed untreated response of 0 % and 22 points" in note
    )
    # The adjusted excess at 0.10 by hand: (0.40, 0.10 and 0.20, each less 0.10, over 0.90).
    assert excess[0.10] == pytest.approx(round(0.3 / 0.9 - (0 + 0.1 / 0.9 - 0), 2))


def test_nothing_is_claimed_where_nothing_was_shown(abdelghani):
    assert abdelghani.claims is False
    assert compare_responders(parallel(COUNTS), FOUR).claims is True


def test_the_curve_ends_where_a_part_would_respond_less_than_control():
    data = parallel({"FCO2": (1, 20), "PRP": (4, 20), "FCO2+PRP": (8, 20)})
    arms = {label: ARMS[label] for label in ("FCO2", "PRP", "FCO2+PRP")}
    curve = compare_responders(data, arms).bliss_curve.set_index("assumed_control_response")["excess"]
    assert curve[:0.05].notna().all()
    assert curve[0.06:].isna().all()


def test_newcombes_published_interval():
    # Newcombe 1998 (Stat Med 17:873), table II, example 56/70 against 48/80, method 10
    assert fisher_difference(56, 70, 48, 80).limits(0.025) == pytest.approx((0.0524, 0.3339), abs=5e-5)


def test_newcombes_published_paired_interval():
    # Newcombe 1998 (Stat Med 17:2635), example a, b, c, d = 36, 12, 2, 0, method 10
    assert newcombe_paired(PairedTable(36, 12, 2, 0), 0.05) == pytest.approx((0.0569, 0.3404), abs=5e-5)


def test_without_discordant_pairs_the_interval_still_has_a_width():
    low, high = newcombe_paired(PairedTable(0, 0, 0, 50), 0.05)
    assert low == pytest.approx(-high)
    assert 0.05 < high < 0.1
    assert mcnemar_difference(PairedTable(5, 0, 0, 5)).p_value == 1.0


def test_the_paired_interval_mirrors():
    table, turned = PairedTable(5, 9, 3, 7), PairedTable(5, 3, 9, 7)
    low, high = newcombe_paired(table, 0.05)
    assert newcombe_paired(turned, 0.05) == pytest.approx((-high, -low))


def test_mcnemar_is_the_binomial_of_the_discordant_pairs():
    found = mcnemar_difference(PairedTable(8, 13, 2, 10))
    assert found.estimate == pytest.approx((13 - 2) / 33)
    assert found.p_value == pytest.approx(2 * stats.binom.sf(12, 15, 0.5))
    assert found.p_benefit == pytest.approx(stats.binom.sf(12, 15, 0.5))


def test_several_lesions_an_arm_are_compared_by_patient():
    rng = np.random.default_rng(10)
    pairs = [(rng.integers(0, 2, 3).astype(float), rng.integers(0, 2, 2).astype(float)) for _ in range(15)]
    found = clustered_difference(pairs)
    expected = stats.ttest_1samp([x.mean() - y.mean() for x, y in pairs], 0)
    assert found.p_value == pytest.approx(expected.pvalue)
    assert found.limits(0.025) == pytest.approx(tuple(expected.confidence_interval(0.95)))
    alike = clustered_difference([(np.ones(2), np.zeros(2))] * 4)
    assert alike.estimate == 1.0
    assert np.isnan(alike.p_value)


COUNTS = {"None": (4, 50), "Laser": (12, 50), "PRP": (15, 50), "Both": (38, 50)}


def test_both_interactions_in_closed_form():
    verdict = compare_responders(parallel(COUNTS), FOUR)
    p = {arm: r / n for arm, (r, n) in COUNTS.items()}
    v = {arm: p[arm] * (1 - p[arm]) / 50 for arm in COUNTS}
    additive = row(verdict, "Additive interaction")
    assert additive["estimate"] == pytest.approx(p["Both"] - p["Laser"] - p["PRP"] + p["None"])
    assert additive["std_error"] == pytest.approx(np.sqrt(sum(v.values())))
    bliss = row(verdict, "Bliss")
    wanted = np.log((1 - p["Laser"]) * (1 - p["PRP"]) / ((1 - p["Both"]) * (1 - p["None"])))
    assert bliss["estimate"] == pytest.approx(wanted)
    error = np.sqrt(sum(v[arm] / (1 - p[arm]) ** 2 for arm in COUNTS))
    assert bliss["std_error"] == pytest.approx(error)
    assert bliss["p_value"] == pytest.approx(2 * stats.norm.sf(wanted / error))
    assert bliss["answer"] == "more than Bliss independence"
    assert bliss["contrast"].endswith("(log scale)")
    assert verdict.bliss_curve is None  # measured, so nothing is assumed


def test_independent_parts_are_exactly_bliss():
    counts = {"None": (0, 100), "Laser": (20, 100), "PRP": (50, 100), "Both": (60, 100)}
    assert row(compare_responders(parallel(counts), FOUR), "Bliss")["estimate"] == pytest.approx(0, abs=1e-12)


def test_bliss_is_undefined_where_a_part_does_less_than_control():
    counts = {**COUNTS, "Laser": (2, 50)}
    assert row(compare_responders(parallel(counts), FOUR), "Bliss")["answer"] == (
        "undefined, since Laser responded less than None"
    )
    counts = {**COUNTS, "Both": (50, 50)}
    assert "everyone responded to Both" in row(compare_responders(parallel(counts), FOUR), "Bliss")["answer"]


def test_responses_that_would_add_up_to_more_than_everyone():
    counts = {"None": (1, 50), "Laser": (30, 50), "PRP": (32, 50), "Both": (48, 50)}
    found = row(compare_responders(parallel(counts), FOUR), "Additive interaction")
    assert found["answer"].endswith("additivity is impossible on this scale")


def test_harmful_responses_turn_the_contrasts():
    up, down = (
        compare_responders(parallel(COUNTS), FOUR, higher_is_better=better) for better in (True, False)
    )
    first, second = row(up, "Better than Laser"), row(down, "Better than Laser")
    assert second["estimate"] == pytest.approx(-first["estimate"])
    assert second["contrast"] == "Laser − Both"
    assert second["answer"] == "worse"
    assert row(down, "Bliss")["answer"].startswith("not asked: a response is the bad outcome")


def test_a_margin_in_proportions():
    verdict = compare_responders(
        parallel(COUNTS), FOUR, margin=0.15, margin_source="protocol", allocation="random"
    )
    assert row(verdict, "Better than Laser")["answer"] == "better by at least the margin"
    assert "by at least the margin of 15 percentage points" in verdict.may_claim
    assert "caused" not in verdict.may_not_claim


def within(n=30, seed=12, lesions=1):
    rng = np.random.default_rng(seed)
    rate = {"None": 0.1, "Laser": 0.35, "PRP": 0.4, "Both": 0.85}
    rows = [
        (f"P{i}", arm, lesion, int(rng.random() < rate[arm]))
        for i in range(n)
        for arm in FOUR
        for lesion in range(lesions)
    ]
    return pd.DataFrame(rows, columns=["patient", "arm", "lesion", "value"])


def test_within_patients_pairs_and_patients_count():
    data = within()
    verdict = compare_responders(data, FOUR, design="within-patient")
    wide = data.pivot(index="patient", columns="arm", values="value")
    found = row(verdict, "Better than Laser")
    assert found["estimate"] == pytest.approx((wide["Both"] - wide["Laser"]).mean())
    b, c = ((wide["Both"] > wide["Laser"]).sum(), (wide["Both"] < wide["Laser"]).sum())
    assert found["p_value"] == pytest.approx(stats.binomtest(int(b), int(b + c)).pvalue)
    # With complete pairs the interaction is the one-sample t test of the patients' contrasts.
    contrast = wide["Both"] - wide["Laser"] - wide["PRP"] + wide["None"]
    expected = stats.ttest_1samp(contrast, 0)
    interaction = row(verdict, "Additive interaction")
    assert interaction["statistic"] == pytest.approx(expected.statistic)
    assert interaction["p_value"] == pytest.approx(expected.pvalue)


def test_several_lesions_change_the_method_and_say_so():
    verdict = compare_responders(within(lesions=2), FOUR, design="within-patient")
    assert "p_t_by_patient" in verdict.supplement
    assert "several lesions" in verdict.method


def test_refusals():
    with pytest.raises(DesignError, match="design='within-patient'"):
        compare_responders(within(), FOUR)
    with pytest.raises(ModelError, match="0 or 1"):
        compare_responders(within().assign(value=2), FOUR, design="within-patient")
    with pytest.raises(ModelError, match="0 or 1"):
        compare_responders(within().assign(value="yes"), FOUR, design="within-patient")
    with pytest.raises(ModelError, match="no column 'response'"):
        compare_responders(within(), FOUR, value="response")
    data = parallel({"FCO2": (1, 20), "PRP": (4, 20), "FCO2+PRP": (8, 20)})
    arms = {label: ARMS[label] for label in ("FCO2", "PRP", "FCO2+PRP")}
    with pytest.raises(ModelError, match="assumed"):
        compare_responders(data, arms, assumed_control=(1.0,))


def test_truth_values_and_missing_ones_are_read():
    data = parallel(COUNTS)
    truth = data.assign(value=data["value"].astype(bool))
    pd.testing.assert_frame_equal(compare_responders(data, FOUR).table, compare_responders(truth, FOUR).table)
    data["value"] = data["value"].astype(float)
    data.loc[0, "value"] = np.nan
    assert "Rows without a value, left out: 1." in compare_responders(data, FOUR).footnotes


NUMBERS = ["estimate", "std_error", "p_value", "conf_low", "conf_high"]


@pytest.mark.parametrize(
    ("value", "answer"),
    [
        (0, "no lesion in any compared arm reached the threshold: nothing can be compared"),
        (1, "every lesion in every compared arm reached the threshold: nothing can be compared"),
    ],
)
def test_several_lesions_that_all_answer_alike_compare_nothing(value, answer):
    verdict = compare_responders(within(lesions=2).assign(value=value), FOUR, design="within-patient")
    for question in ("Better than Laser", "Better than PRP", "min test", "Excess over", "control"):
        found = row(verdict, question)
        assert found["answer"].removeprefix("not assessable: ") == answer
        assert found[NUMBERS].isna().all()
    assert verdict.may_claim == f"Nothing may be claimed of Both: {answer}."
    assert f"that Both is better than Laser ({answer}) or PRP ({answer})" in verdict.may_not_claim
    assert "nan" not in " ".join((verdict.may_claim, verdict.may_not_claim, *verdict.footnotes)).lower()


@pytest.mark.parametrize("design", ["parallel", "within-patient"])
@pytest.mark.parametrize(
    ("value", "answer"), [(0, "no response in any arm"), (1, "everyone responded in every arm")]
)
def test_no_interaction_where_all_answer_alike(design, value, answer):
    data = within().assign(value=value)
    if design == "parallel":
        data["patient"] = [f"P{i}" for i in range(len(data))]
    verdict = compare_responders(data, FOUR, design=design)
    for question in ("Additive interaction", "Bliss independence"):
        found = row(verdict, question)
        assert found["answer"] == f"not estimable: {answer}"
        assert found[NUMBERS].isna().all()
    # Newcombe's interval of 0 of 30 against 0 of 30 is informative: it stays, around no difference.
    part = row(verdict, "Better than Laser")
    assert part["conf_low"] == pytest.approx(-part["conf_high"])
    assert 0.05 < part["conf_high"] < 0.2
    assert (part["estimate"], part["p_value"], part["answer"]) == (0.0, 1.0, "inconclusive")


def test_patients_who_do_not_differ_give_no_interaction_of_no_width():
    answers = {"None": 0, "Laser": 0, "PRP": 1, "Both": 1}
    data = within()
    data["value"] = data["arm"].map(answers).astype(int)
    verdict = compare_responders(data, FOUR, design="within-patient")
    assert row(verdict, "Additive interaction")["answer"] == "not estimable: no variation between patients"


def test_the_same_difference_in_every_patient_has_no_test():
    data = within(lesions=2)
    data["value"] = data["arm"].map({"None": 0, "Laser": 0, "PRP": 0, "Both": 1}).astype(int)
    verdict = compare_responders(data, FOUR, design="within-patient")
    found = row(verdict, "Better than Laser")
    assert found["estimate"] == 1.0
    assert found["answer"] == "not testable: the difference is the same in every patient"
    assert row(verdict, "min test")["answer"] == found["answer"]
    assert "100.0 percentage points, 95 % CI not estimable; not testable" in verdict.may_claim


def test_no_curve_where_all_answer_alike():
    data = within(lesions=2).assign(value=0)
    arms = {label: FOUR[label] for label in ("Laser", "PRP", "Both")}
    verdict = compare_responders(data[data["arm"] != "None"], arms, design="within-patient")
    assert verdict.bliss_curve is None
    assert not any(note.startswith("Bliss") for note in verdict.footnotes)


def test_a_margin_is_a_difference_of_proportions():
    data = parallel({"FCO2": (2, 20), "PRP": (4, 20), "FCO2+PRP": (18, 20)})
    arms = {name: ARMS[name] for name in ("FCO2", "PRP", "FCO2+PRP")}
    assert "the margin of 15 percentage points" in compare_responders(data, arms, margin=0.15).may_claim
    with pytest.raises(ModelError, match="a difference of proportions, such as"):
        compare_responders(data, arms, margin=15)


def test_a_fisher_p_below_alpha_that_shows_no_benefit_has_its_footnote():
    data = parallel({"FCO2": (3, 13), "PRP": (0, 13), "FCO2+PRP": (6, 8)})
    arms = {name: ARMS[name] for name in ("FCO2", "PRP", "FCO2+PRP")}
    one, two = (
        stats.fisher_exact([[6, 2], [3, 10]], alternative=side).pvalue for side in ("greater", "two-sided")
    )
    assert two < 0.05
    assert one > 0.025
    verdict = compare_responders(data, arms)
    found = row(verdict, "Better than FCO2")
    assert (found["answer"], found["conf_low"] > 0) == ("inconclusive", True)
    notes = [note for note in verdict.footnotes if "disagree" in note]
    assert len(notes) == 1
    assert notes[0].startswith("(FCO2+PRP) − FCO2: the interval (52 percentage points, 95 % CI 8 to 75)")
    assert (
        "the two-sided test (p = .03) show a difference, but the one-sided test at 0.025 does not" in notes[0]
    )


def test_parts_that_add_up_to_everyone_are_possible():
    # 4/10 + 8/10 - 2/10 is 1, which floating point carries to 1.0000000000000002.
    data = parallel({"None": (2, 10), "Laser": (4, 10), "PRP": (8, 10), "Both": (9, 10)})
    assert "impossible" not in row(compare_responders(data, FOUR), "Additive interaction")["answer"]
    more = parallel({"None": (2, 10), "Laser": (5, 10), "PRP": (8, 10), "Both": (9, 10)})
    assert "impossible" in row(compare_responders(more, FOUR), "Additive interaction")["answer"]
