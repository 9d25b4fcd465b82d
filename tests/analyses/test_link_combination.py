"""The combination questions of grades, responders and counts: on the link scale, as probabilities, and by Bliss."""

from math import exp, log, sqrt
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analyses import compare_therapies, fit_generalized_model, fit_ordinal_model
from analyses.classical.responders import compare_responders
from analyses.probability.probability_contrasts import number_needed
from analyses.probability.probability_scale import marginal_probabilities
from analyses.probability.superiority import model_superiority
from outcomes.errors import ConvergenceError, DesignError, ModelError

CASES = Path(__file__).parents[1] / "reference"
COMPONENTS = {"both": {"laser", "prp"}, "laser": {"laser"}, "prp": {"prp"}, "control": set()}
LABELS = {"laser_prp": {"laser", "prp"}, "laser": {"laser"}, "prp": {"prp"}, "control": set()}


def table(**responders):
    """Parallel arms of 40 patients with so many responders."""
    rows = [(arm, int(at < yes)) for arm, yes in responders.items() for at in range(40)]
    data = pd.DataFrame(rows, columns=["arm", "value"])
    return data.assign(patient=[f"P{at}" for at in range(len(data))])


@pytest.fixture(scope="module")
def parallel():
    data = table(both=30, laser=16, prp=12, control=6)
    return data, compare_therapies(fit_generalized_model("value ~ arm", data), COMPONENTS)


@pytest.fixture(scope="module")
def graded():
    data = pd.read_csv(CASES / "ordinal_grade_within" / "data.csv")
    data["grade"] = pd.Categorical(data["grade"], [f"G{k}" for k in range(5)], ordered=True)
    return fit_ordinal_model("grade ~ arm * visit + (1 | patient)", data)


def test_a_saturated_model_answers_as_the_proportions_do(parallel):
    data, verdict = parallel
    direct = compare_responders(data, COMPONENTS)
    for kind, own in (("interaction", "interaction_response"), ("bliss", "bliss")):
        (expected,), (found,) = direct.rows_of(kind), verdict.rows_of(own)
        assert found.estimate == pytest.approx(expected.estimate, abs=1e-8)
        assert found.std_error == pytest.approx(expected.std_error, rel=1e-6)
        assert found.answer == expected.answer
    numbers = verdict.supplement.set_index("reference")
    assert numbers.loc["laser", "difference"] == pytest.approx(30 / 40 - 16 / 40, abs=1e-9)
    assert numbers.loc["laser", "odds_ratio"] == pytest.approx(30 * 24 / (10 * 16), rel=1e-8)
    assert numbers.loc["laser", "ratio"] == pytest.approx(30 / 16, rel=1e-8)


def test_bliss_excess_is_of_control_adjusted_responses(parallel):
    _, verdict = parallel
    (row,) = verdict.rows_of("bliss_excess")
    p = np.array([30, 16, 12, 6]) / 40

    def excess(p):
        both, a, b = (p[:3] - p[3]) / (1 - p[3])  # Abbott
        return both - (a + b - a * b)  # Bliss

    steps = np.eye(4) * 1e-6
    slope = np.array([(excess(p + step) - excess(p - step)) / 2e-6 for step in steps])
    assert row.estimate == pytest.approx(excess(p), abs=1e-8)
    assert row.std_error == pytest.approx(sqrt((slope**2 * p * (1 - p) / 40).sum()), rel=1e-6)


def test_the_link_scale_is_the_log_odds_ratio(parallel):
    _, verdict = parallel
    (row,) = verdict.rows_of("interaction")
    odds = {arm: yes / (40 - yes) for arm, yes in {"both": 30, "laser": 16, "prp": 12, "control": 6}.items()}
    expected = log(odds["both"] * odds["control"] / (odds["laser"] * odds["prp"]))
    assert row.estimate == pytest.approx(expected, abs=1e-8)
    assert f"{exp(expected):.2f}" in verdict.may_not_claim
    assert list(verdict.table.columns[:10]) == [
        "question",
        "contrast",
        "estimate",
        "std_error",
        "df",
        "statistic",
        "p_value",
        "conf_low",
        "conf_high",
        "answer",
    ]
    scales = verdict.table.set_index("question")["scale"]
    assert scales["Additive interaction"] == "log odds ratio of a response"
    assert scales["Additive interaction of probabilities"] == "difference of probabilities"


def test_where_the_scales_disagree_the_verdict_says_so():
    # Odds multiply exactly (3 x 3 = 9), so the probabilities 1/10, 1/4, 1/4, 1/2 do more than add up.
    data = table(control=4, laser=10, prp=10, both=20)
    many = pd.concat([data.assign(patient=data["patient"] + f".{copy}") for copy in range(10)])
    verdict = compare_therapies(fit_generalized_model("value ~ arm", many), COMPONENTS)
    (link,), (shares,) = verdict.rows_of("interaction"), verdict.rows_of("interaction_response")
    assert link.estimate == pytest.approx(0, abs=1e-7)
    assert shares.estimate == pytest.approx(0.1, abs=1e-8)
    assert link.answer == "inconclusive"
    assert shares.answer == "more than additive"
    assert "depends on the scale" in verdict.may_not_claim
    assert "10 percentage points" in verdict.may_not_claim
    assert "synergy on this scale" not in verdict.may_claim  # the link scale's interaction shows none


def test_sums_beyond_one_are_impossible():
    verdict = compare_therapies(
        fit_generalized_model("value ~ arm", table(control=4, laser=28, prp=28, both=36)), COMPONENTS
    )
    (row,) = verdict.rows_of("interaction_response")
    assert "additivity is impossible" in row.answer


def test_grades_show_every_cut_or_the_response_named(graded):
    every = compare_therapies(graded, LABELS, at={"visit": "Week 24"})
    cuts = every.rows_of("interaction_response")
    assert [row.contrast.partition(":")[0] for row in cuts] == [f"P(grade ≥ G{k})" for k in (1, 2, 3, 4)]
    assert every.rows_of("bliss") == ()
    assert list(every.supplement)[2] == "superiority_same_patient"  # no single quantity, so no difference
    both_ways = [model_superiority(graded, at={"visit": "Week 24"}, reverse=turn) for turn in (False, True)]
    direct = pd.concat(both_ways).set_index(["pairs", "first", "second"]).sort_index()
    for row in every.supplement.itertuples():
        for pairs in ("same patient", "different patients"):
            expected = direct.loc[(pairs, row.combination, row.reference)]
            name = f"superiority_{pairs.replace(' ', '_')}"
            for own, column in ((name, "estimate"), (f"{name}_conf_high", "conf_high")):
                assert getattr(row, own) == pytest.approx(expected[column], abs=1e-10)
    named = compare_therapies(graded, LABELS, at={"visit": "Week 24"}, response="G3")
    (cut,) = named.rows_of("interaction_response")
    assert cut.estimate == cuts[2].estimate
    assert len(named.rows_of("bliss")) == len(named.rows_of("bliss_excess")) == 1
    assert named.rows_of("interaction")[0].estimate == every.rows_of("interaction")[0].estimate


def test_a_turned_scale_turns_every_answer_and_no_number(graded):
    """Grades counted downwards, with lower as better: all contrasts towards benefit stay as they were."""
    upwards = compare_therapies(graded, LABELS, at={"visit": "Week 24"}, response="G3")
    data = graded.frame.data.copy()
    codes = data["grade"].to_numpy(dtype=int)
    names = ["S4", "S3", "S2", "S1", "S0"]
    data["grade"] = pd.Categorical([names[code] for code in codes], names[::-1], ordered=True)
    turned = fit_ordinal_model("grade ~ arm * visit + (1 | patient)", data)
    downwards = compare_therapies(
        turned, LABELS, at={"visit": "Week 24"}, higher_is_better=False, response="S1"
    )
    for one, other in zip(upwards.rows, downwards.rows, strict=True):
        assert one.kind == other.kind
        # two searches end within 1e-6 of the optimum
        for name in ("estimate", "std_error", "conf_low", "conf_high"):
            assert getattr(one, name) == pytest.approx(getattr(other, name), abs=2e-5, nan_ok=True)
        assert one.answer == other.answer


def test_counts_are_answered_as_rates_and_as_means():
    data = pd.read_csv(CASES / "counts_erythema_days" / "data.csv")
    fit = fit_generalized_model("erythema_days ~ arm + (1 | patient)", data, family="poisson")
    arms = {"laser": {"laser"}, "prp": {"prp"}, "laser_prp": {"laser", "prp"}}
    verdict = compare_therapies(fit, arms, higher_is_better=False)
    assert verdict.scale.name == "log rate ratio"
    assert "rate ratio" in verdict.may_claim or "rate ratio" in verdict.may_not_claim
    part = verdict.rows_of("part")[0]
    numbers = verdict.supplement.set_index("reference").loc[part.reference]
    assert numbers["ratio"] == pytest.approx(exp(-part.estimate), rel=1e-8)
    assert "number_needed_to_treat" not in verdict.supplement
    assert verdict.rows_of("interaction")[0].answer.startswith("not estimable")


def test_arms_that_do_not_match_and_responses_that_are_none_are_refused(graded):
    with pytest.raises(DesignError, match="do not name"):
        compare_therapies(graded, COMPONENTS, at={"visit": "Week 24"})
    for response in ("G0", "G9"):
        with pytest.raises(ModelError, match="response"):
            compare_therapies(graded, LABELS, at={"visit": "Week 24"}, response=response)


def test_a_model_of_components_is_asked_for_its_arms(graded):
    data = graded.frame.data.assign(
        laser=graded.frame.data["arm"].str.contains("laser").astype(int),
        prp=graded.frame.data["arm"].str.contains("prp").astype(int),
        grade=pd.Categorical(graded.frame.data["grade"], ordered=True),
    )
    fit = fit_ordinal_model("grade ~ laser * prp + (1 | patient)", data)
    with pytest.raises(ModelError, match="laser \\* prp"):
        compare_therapies(fit, LABELS)


def test_an_arm_that_a_visit_misses_is_not_estimable_and_the_rest_is(graded):
    data = graded.frame.data.assign(grade=pd.Categorical(graded.frame.data["grade"], ordered=True))
    hole = data[~((data["arm"] == "prp") & (data["visit"] == "Week 24"))]
    fit = fit_ordinal_model("grade ~ arm * visit + (1 | patient)", hole)
    verdict = compare_therapies(fit, LABELS, at={"visit": "Week 24"}, response="2.0")
    assert verdict.rows_of("part")[0].answer == "better"
    assert verdict.rows_of("interaction_response") == ()
    assert "prp" in verdict.rows_of("interaction")[0].answer
    assert verdict.supplement["reference"].tolist() == ["laser", "control"]


def test_an_arm_without_responders_has_firths_answer():
    data = table(both=24, laser=10, prp=8, control=0)
    with pytest.raises(ConvergenceError, match="separate"):
        fit_generalized_model("value ~ arm", data)
    fit = fit_generalized_model("value ~ arm", data, penalty="firth")
    verdict = compare_therapies(fit, COMPONENTS)
    (row,) = verdict.rows_of("interaction_response")
    # Firth's penalty adds half a response and half a failure to each arm
    p = (np.array([24, 10, 8, 0]) + 0.5) / 41
    assert row.estimate == pytest.approx(p @ [1, -1, -1, 1], abs=1e-7)
    with pytest.raises(ModelError, match="sandwich"):
        marginal_probabilities(fit, "arm", vcov="robust")
    draws = marginal_probabilities(fit, "arm").bootstrap(np.random.default_rng(1), 20).table.set_index("arm")
    assert np.isnan(draws.loc["control", "std_error"])
    assert draws.loc["both", "std_error"] > 0


@pytest.mark.parametrize(
    ("difference", "low", "high", "text"),
    [
        # Altman 1998, BMJ 317:1309: an absolute risk reduction of 10 % (−5 % to 25 %)
        (0.10, -0.05, 0.25, "10.0 (benefit), 95 % CI benefit 4.0 to ∞ and harm 20.0 to ∞"),
        (0.25, 0.10, 0.40, "4.0 (benefit), 95 % CI benefit 2.5 to 10.0"),
        (-0.25, -0.40, -0.10, "4.0 (harm), 95 % CI harm 2.5 to 10.0"),
        (0.0, -0.10, 0.10, "∞, 95 % CI benefit 10.0 to ∞ and harm 10.0 to ∞"),
        (float("nan"), -0.10, 0.10, "not estimable"),
    ],
)
def test_numbers_needed_have_intervals_in_one_piece_or_two(difference, low, high, text):
    found = number_needed(difference, low, high)
    assert found["text"] == text
    turned = number_needed(-difference, -high, -low, higher_is_better=False)
    assert turned == pytest.approx(found, nan_ok=True)
