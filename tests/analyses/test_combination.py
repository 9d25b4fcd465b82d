"""compare_therapies on fitted models: closed forms in balanced data, orientation, and the rows of the table."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analyses.claims.verdict import TABLE_COLUMNS
from analyses.combination import compare_therapies
from analyses.mixed_model import fit_mixed_model
from analyses.ordinal import fit_ordinal_model
from outcomes.arms import Arms
from outcomes.errors import DesignError, ModelError

ARMS = {"Untreated": [], "Laser": ["laser"], "PRP": ["prp"], "Laser + PRP": ["laser", "prp"]}
LABELS = list(ARMS)
N = 24
EXACT = 1e-6  # relative: the REML optimum is reached to 1e-8, and these are its closed forms


def lesions(means, n=N, seed=3, spread=(6.0, 15.0, 16.0, 11.0), shared=8.0):
    """One lesion an arm in every patient, complete."""
    rng = np.random.default_rng(seed)
    wide = np.asarray(means) + shared * rng.normal(size=(n, 1)) + np.asarray(spread) * rng.normal(size=(n, 4))
    long = pd.DataFrame(
        {
            "patient": np.repeat([f"P{i:02d}" for i in range(n)], 4),
            "arm": pd.Categorical(LABELS * n, LABELS),
            "value": wide.ravel(),
        }
    )
    return wide, long


@pytest.fixture(scope="module")
def synergy():
    wide, long = lesions((2, 25, 28, 70))
    return wide, fit_mixed_model("value ~ arm + us(arm | patient)", long)


def row(verdict, question):
    found = verdict.table[verdict.table["question"].str.contains(question, regex=False)]
    assert len(found) == 1, verdict.table["question"].tolist()
    return found.iloc[0]


@pytest.mark.parametrize(
    ("question", "weights"),
    [
        ("Better than Laser", (0, -1, 0, 1)),
        ("Better than PRP", (0, 0, -1, 1)),
        ("Better than Untreated", (-1, 0, 0, 1)),
        ("Additive interaction", (1, -1, -1, 1)),
    ],
)
def test_complete_pairs_give_one_sample_t_tests_of_the_patients_contrasts(synergy, question, weights):
    wide, fit = synergy
    found = row(compare_therapies(fit, ARMS), question)
    contrast = wide @ np.array(weights)
    expected = stats.ttest_1samp(contrast, 0)
    interval = expected.confidence_interval(0.95)
    numbers = [contrast.mean(), contrast.std(ddof=1) / np.sqrt(N), N - 1, expected.statistic, expected.pvalue]
    wanted = dict(zip(("estimate", "std_error", "df", "statistic", "p_value"), numbers, strict=True))
    for name, value in {**wanted, "conf_low": interval.low, "conf_high": interval.high}.items():
        assert found[name] == pytest.approx(value, rel=EXACT), name


def test_min_test_and_excess_over_the_highest_single_agent(synergy):
    wide, fit = synergy
    verdict = compare_therapies(fit, ARMS)
    differences = [wide[:, 3] - wide[:, 1], wide[:, 3] - wide[:, 2]]
    one_sided = [stats.ttest_1samp(d, 0, alternative="greater").pvalue for d in differences]
    assert row(verdict, "min test")["p_value"] == pytest.approx(2 * max(one_sided), rel=1e-5)
    excess = row(verdict, "highest single agent")
    assert excess["estimate"] == pytest.approx(min(d.mean() for d in differences), rel=EXACT)
    assert excess["p_value"] == row(verdict, "min test")["p_value"]


def test_limits_of_the_excess_invert_the_tests_they_come_from(synergy):
    """Brute force: scan for the excess that the tests would just not reject."""
    wide, fit = synergy
    excess = row(compare_therapies(fit, ARMS), "highest single agent")
    differences = [wide[:, 3] - wide[:, 1], wide[:, 3] - wide[:, 2]]
    grid = np.arange(0, 80, 0.01)
    # "At most d over the better part" is rejected where both one-sided tests reject at alpha / 2 ...
    above = [
        max(stats.ttest_1samp(x, d, alternative="greater").pvalue for x in differences) < 0.025 for d in grid
    ]
    # ... and "at least d over the better part" where either rejects at alpha / (2 k).
    below = [
        min(stats.ttest_1samp(x, d, alternative="less").pvalue for x in differences) < 0.0125 for d in grid
    ]
    assert excess["conf_low"] == pytest.approx(grid[above].max(), abs=0.011)  # the grid's step
    assert excess["conf_high"] == pytest.approx(grid[below].min(), abs=0.011)


def test_variance_of_the_interaction_under_exchangeability():
    wide, long = lesions((2, 25, 28, 60), spread=(10.0,) * 4)
    fit = fit_mixed_model("value ~ arm + (1 | patient)", long)
    centred = wide - wide.mean(axis=0) - wide.mean(axis=1, keepdims=True) + wide.mean()
    within = (centred**2).sum() / ((N - 1) * 3)  # sigma^2 (1 - rho), the two-way residual mean square
    found = row(compare_therapies(fit, ARMS), "Additive interaction")
    assert found["std_error"] ** 2 == pytest.approx(4 * within / N, rel=EXACT)
    assert found["df"] == pytest.approx((N - 1) * 3, rel=1e-4)


def test_turning_the_outcome_and_its_direction_changes_nothing_but_the_contrasts_names(synergy):
    _, long = lesions((2, 25, 28, 70))
    turned = fit_mixed_model("value ~ arm + us(arm | patient)", long.assign(value=-long["value"]))
    up = compare_therapies(synergy[1], ARMS)
    down = compare_therapies(turned, ARMS, higher_is_better=False)
    numbers = ["estimate", "std_error", "p_value", "conf_low", "conf_high"]
    np.testing.assert_allclose(up.table[numbers], down.table[numbers], rtol=1e-5)
    assert list(up.table["answer"]) == list(down.table["answer"])
    assert row(up, "Better than Laser")["contrast"] == "(Laser + PRP) − Laser"
    assert row(down, "Better than Laser")["contrast"] == "Laser − (Laser + PRP)"


def test_the_tables_columns_and_the_rows_in_their_order(synergy):
    verdict = compare_therapies(synergy[1], Arms(ARMS))
    assert tuple(verdict.table.columns) == TABLE_COLUMNS
    assert list(verdict.table["question"]) == [
        "Better than Laser",
        "Better than PRP",
        "Better than every part (min test)",
        "Excess over the highest single agent",
        "Additive interaction",
        "Better than Untreated (control)",
    ]
    assert (verdict.combination, verdict.combinations) == ("Laser + PRP", ("Laser + PRP",))
    table = verdict.table
    table.loc[0, "answer"] = "changed"
    assert verdict.table.loc[0, "answer"] == "better"  # a table is made afresh: nobody changes the verdict


def test_one_sided_tests_are_towards_benefit_and_their_alpha_is_stated(synergy):
    two = compare_therapies(synergy[1], ARMS)
    one = compare_therapies(synergy[1], ARMS, alpha=0.025, sided=1)
    assert row(one, "Better than PRP")["p_value"] == pytest.approx(row(two, "Better than PRP")["p_value"] / 2)
    assert row(one, "min test")["p_value"] == pytest.approx(row(two, "min test")["p_value"] / 2)
    limits = ["conf_low", "conf_high"]
    np.testing.assert_allclose(one.table[limits], two.table[limits])
    assert "0.025, one-sided" in one.footnotes[0]
    assert "0.05, two-sided" in two.footnotes[0]


def test_three_arms_without_control_cannot_speak_of_synergy():
    _, long = lesions((2, 25, 28, 70))
    fit = fit_mixed_model("value ~ arm + us(arm | patient)", long[long["arm"] != "Untreated"])
    arms = {label: parts for label, parts in ARMS.items() if parts}
    verdict = compare_therapies(fit, arms)
    found = row(verdict, "Additive interaction")
    assert found["answer"].startswith("not estimable without an arm that received neither")
    assert np.isnan(found["estimate"])
    assert "synergistic (not estimable" in verdict.may_not_claim
    assert not any("control" in question for question in verdict.table["question"])


def test_an_arm_without_data_is_named_as_such():
    _, long = lesions((2, 25, 28, 70))
    fit = fit_mixed_model("value ~ arm + us(arm | patient)", long[long["arm"] != "PRP"])
    verdict = compare_therapies(fit, ARMS)
    assert row(verdict, "Contribution of laser")["answer"].startswith("contribution of laser not assessable")
    assert row(verdict, "min test")["answer"].startswith("not assessable")
    assert "Arms of the protocol without data in this analysis: PRP." in verdict.footnotes


def test_additivity_beyond_the_scale_is_called_impossible_and_the_log_scale_stands_beside():
    wide, long = lesions((5, 60, 65, 90), spread=(3.0, 4.0, 4.0, 3.0), shared=1.0)
    fit = fit_mixed_model("value ~ arm + us(arm | patient)", long)
    verdict = compare_therapies(fit, ARMS, scale_range=(0, 100))
    assert row(verdict, "Additive interaction")["answer"].endswith("additivity is impossible on this scale")
    found = row(verdict, "log residual")
    left = 100 - wide.mean(axis=0)  # what is left to full repigmentation
    weights = np.array([-1.0, 1.0, 1.0, -1.0])
    assert found["estimate"] == pytest.approx(weights @ np.log(left), rel=EXACT)
    error = (wide @ (-weights / left)).std(ddof=1) / np.sqrt(N)  # delta method with the patients' covariance
    assert found["std_error"] == pytest.approx(error, rel=EXACT)
    assert "log residual" not in " ".join(compare_therapies(fit, ARMS).table["question"])


def test_the_log_scale_of_a_score_that_should_fall():
    _, long = lesions((5, 60, 65, 90), spread=(3.0, 4.0, 4.0, 3.0), shared=1.0)
    area = fit_mixed_model("value ~ arm + us(arm | patient)", long.assign(value=100 - long["value"]))
    found = row(
        compare_therapies(area, ARMS, higher_is_better=False, scale_range=(0, None)), "Additive interaction"
    )
    assert "impossible" in found["answer"]  # laser leaves 40, PRP 35, nothing 95: together less than nothing
    up = fit_mixed_model("value ~ arm + us(arm | patient)", long)
    numbers = [
        row(compare_therapies(*case), "log residual")["estimate"]
        for case in (
            (up, ARMS, None, "arm", True, 0.05, 2, None, None, (0, 100)),
            (area, ARMS, None, "arm", False, 0.05, 2, None, None, (0, 100)),
        )
    ]
    assert numbers[0] == pytest.approx(numbers[1], rel=1e-6)


def test_a_change_score_has_no_log_residual_scale():
    _, long = lesions((5, 60, 65, 90), spread=(3.0, 4.0, 4.0, 3.0), shared=1.0)
    fit = fit_mixed_model("value ~ arm + us(arm | patient)", long)
    verdict = compare_therapies(fit, ARMS, scale_range=(-100, 100))
    assert "impossible" in row(verdict, "Additive interaction")["answer"]
    assert "log residual" not in " ".join(verdict.table["question"])


def test_visits_are_held_where_they_are_asked_for():
    rng = np.random.default_rng(8)
    rows = []
    for patient in range(40):
        arm = LABELS[patient % 4]
        for week, gain in (("Week 12", 0.5), ("Week 24", 1.0)):
            mean = gain * {"Untreated": 2, "Laser": 25, "PRP": 28, "Laser + PRP": 70}[arm]
            rows.append((f"P{patient}", arm, week, mean + 5 * rng.normal()))
    data = pd.DataFrame(rows, columns=["patient", "arm", "visit", "value"])
    data["arm"] = pd.Categorical(data["arm"], LABELS)
    fit = fit_mixed_model("value ~ arm * visit + us(visit | patient)", data)
    last = compare_therapies(fit, ARMS, at={"visit": "Week 24"})
    means = data[data["visit"] == "Week 24"].groupby("arm", observed=True)["value"].mean()
    expected = means["Laser + PRP"] - means["Laser"]
    assert row(last, "Better than Laser")["estimate"] == pytest.approx(expected, rel=EXACT)
    assert "at visit Week 24" in last.method
    assert "averaged over visit" in compare_therapies(fit, ARMS).method


def test_an_ordinal_fit_answers_on_its_link_scale():
    rng = np.random.default_rng(4)
    shift = {"Untreated": 0.0, "Laser": 0.6, "PRP": 0.8, "Laser + PRP": 3.0}
    arm = pd.Categorical(LABELS * 30, LABELS)
    latent = np.array([shift[label] for label in arm]) + rng.logistic(size=120)
    data = pd.DataFrame({"arm": arm, "grade": np.digitize(latent, [-1, 0, 1, 2])})
    fit = fit_ordinal_model("grade ~ arm", data)
    verdict = compare_therapies(fit, ARMS)
    beta = fit.coefficients.set_index("term")["estimate"]
    expected = beta["arm[T.Laser + PRP]"] - beta["arm[T.Laser]"]
    assert row(verdict, "Better than Laser")["estimate"] == pytest.approx(expected, rel=1e-10)
    assert np.isinf(row(verdict, "Better than Laser")["df"])
    assert verdict.scale.name == "log odds ratio of a higher grade"
    assert "log odds ratio" in verdict.method
    assert "odds ratio" in verdict.may_claim
    assert (
        "latent" in compare_therapies(fit_ordinal_model("grade ~ arm", data, link="probit"), ARMS).may_claim
    )


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"alpha": 0.7}, ModelError, "alpha"),
        ({"sided": 3}, ModelError, "one-sided or two-sided"),
        ({"margin": -5}, ModelError, "positive"),
        ({"scale_range": (100, 0)}, ModelError, "range"),
        ({"factor": "treatment"}, ModelError, "treatment"),
        ({"arms": {"Laser": ["laser"]}}, DesignError, "do not name"),
        (
            {"arms": {label: [] if label == "Untreated" else ["x"] for label in ARMS}},
            DesignError,
            "two components",
        ),
    ],
)
def test_impossible_requests(synergy, changes, error, message):
    request = {"fit": synergy[1], "arms": ARMS, **changes}
    with pytest.raises(error, match=message):
        compare_therapies(**request)


def test_an_arm_without_rows_at_the_visit_was_not_assessed_there():
    _, early = lesions((2, 25, 28, 70))
    _, late = lesions((2, 25, 28, 70), seed=4)
    late = late[late["arm"] != "PRP"]
    data = pd.concat([early.assign(visit="Week 12"), late.assign(visit="Week 24")], ignore_index=True)
    fit = fit_mixed_model("value ~ arm * visit + (1 | patient)", data)
    verdict = compare_therapies(fit, ARMS, at={"visit": "Week 24"})
    joint = next(row for row in verdict.rows if row.kind == "min_test")
    assert joint.answer == "not assessable: no lesion with PRP was assessed at this visit"
    assert "Arms of the protocol without data in this analysis: PRP." in verdict.footnotes
    whole = compare_therapies(fit, ARMS, at={"visit": "Week 12"})
    assert [row.reference for row in whole.rows if row.kind == "part"] == ["Laser", "PRP"]


def severities(means):
    """A parallel trial with three quarters of each arm severe; means are {severity: by arm}."""
    rng = np.random.default_rng(12)
    data = pd.DataFrame(
        [
            (f"{label}{severity}{i}", label, severity, means[severity][at] + rng.normal())
            for at, label in enumerate(LABELS)
            for severity, n in (("mild", 10), ("severe", 30))
            for i in range(n)
        ],
        columns=["patient", "arm", "severity", "value"],
    )
    data["arm"] = pd.Categorical(data["arm"], LABELS)
    return data, fit_mixed_model("value ~ arm * severity", data, df_method="residual")


def test_contrasts_average_covariates_in_their_observed_proportions():
    data, fit = severities({"mild": (0, 10, 10, 60), "severe": (0, 10, 10, 20)})
    verdict = compare_therapies(fit, ARMS)
    # With a mean for every cell, the arms' raw means are the means in the observed proportions.
    means = data.groupby("arm", observed=True)["value"].mean()
    assert row(verdict, "Better than Laser")["estimate"] == pytest.approx(
        means["Laser + PRP"] - means["Laser"], rel=EXACT
    )
    assert "averaged over severity in the observed proportions" in verdict.method


def test_what_is_impossible_is_so_in_the_observed_proportions():
    # Expected sums: mild 60, severe 116; equal shares give 88, the trial's own three quarters severe 102.
    _, fit = severities({"mild": (0, 30, 30, 40), "severe": (0, 58, 58, 80)})
    verdict = compare_therapies(fit, ARMS, scale_range=(0, 100))
    assert "impossible" in row(verdict, "Additive interaction")["answer"]
    data = fit.frame.data
    left = 100 - data.groupby("arm", observed=True)["value"].mean().loc[LABELS].to_numpy()
    assert row(verdict, "log residual")["estimate"] == pytest.approx(
        np.array([-1.0, 1.0, 1.0, -1.0]) @ np.log(left), rel=EXACT
    )


def test_a_change_is_impossible_where_it_would_leave_the_scale_from_its_start():
    # A severity of 0 to 10 that starts at 6: falls of 4 and 4, against none untreated, would end at -2.
    _, long = lesions((0, -4, -4, -5.5), spread=(0.3,) * 4, shared=0.1)
    fit = fit_mixed_model("value ~ arm + us(arm | patient)", long)

    def asked(**given):
        return compare_therapies(fit, ARMS, higher_is_better=False, **given)

    assert "impossible" not in row(asked(scale_range=(-10, 10)), "Additive interaction")["answer"]
    verdict = asked(scale_range=(0, 10), baseline=6.0)
    assert row(verdict, "Additive interaction")["answer"] == (
        "less than additive; additivity is impossible on this scale"
    )
    assert "additivity is impossible on this scale" in verdict.may_not_claim
    assert "log residual" not in " ".join(verdict.table["question"])
    assert "impossible" not in row(asked(scale_range=(0, 10), baseline=9.0), "Additive interaction")["answer"]
    with pytest.raises(ModelError, match="before treatment"):
        asked(scale_range=(0, 10), baseline=float("nan"))
