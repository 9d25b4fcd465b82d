"""The analysis blind to the pairing, set beside the right one."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analyses.classical.naive import (
    carry_across_table,
    compare_with_naive,
    width_words,
    within_patient_correlation,
)
from analyses.classical.rank_comparison import compare_grades
from analyses.combination import compare_therapies
from analyses.mixed_model import fit_mixed_model
from outcomes.errors import DesignError, ModelError

ARMS = {"Laser": ["laser"], "PRP": ["prp"], "Both": ["laser", "prp"]}
N = 20


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(31)
    rows = []
    for patient in range(N):
        shared = 12 * rng.normal()
        for arm, mean in (("Laser", 30), ("PRP", 34), ("Both", 55)):
            own = 4 * rng.normal()
            rows += [
                (f"P{patient}", arm, visit, share * mean + shared + own + rng.normal())
                for visit, share in (("Week 12", 0.9), ("Week 24", 1.0))
            ]
    return pd.DataFrame(rows, columns=["patient", "arm", "visit", "value"])


@pytest.fixture(scope="module")
def verdict(data):
    last = data[data["visit"] == "Week 24"]
    return compare_therapies(fit_mixed_model("value ~ arm + us(arm | patient)", last), ARMS)


def test_lesions_as_independent_are_welchs_test(data, verdict):
    table = compare_with_naive(verdict, data, visit="Week 24").table
    found = table[(table["analysis"] == "lesions as independent") & (table["reference"] == "PRP")].iloc[0]
    last = data[data["visit"] == "Week 24"]
    x, y = (last.loc[last["arm"] == arm, "value"] for arm in ("Both", "PRP"))
    expected = stats.ttest_ind(x, y, equal_var=False)
    assert found["p_value"] == pytest.approx(expected.pvalue)
    assert found["df"] == pytest.approx(expected.df)
    assert found["std_error"] == pytest.approx(np.sqrt(x.var() / N + y.var() / N))
    assert found["n"] == 2 * N


def test_the_ratio_to_ours_shows_what_the_pairing_is_worth(data, verdict):
    naive = compare_with_naive(verdict, data, visit="Week 24")
    ratios = naive.table.groupby("analysis")["se_ratio"]
    assert (ratios.get_group("this report") == 1).all()
    # Correlated lesions: blind to it is wider; counting both visits as patients is narrower than that.
    assert (ratios.get_group("lesions as independent") > 2).all()
    wide = ratios.get_group("lesions as independent").to_numpy()
    assert (ratios.get_group("rows of all visits as independent").to_numpy() < wide).all()
    assert "lesions as independent" in naive.sentence
    assert "correlate by 0." in naive.sentence


def test_the_sentence_covers_the_contrasts_of_the_table_and_no_others(data, verdict):
    naive = compare_with_naive(verdict, data, visit="Week 24")
    ratios = naive.table.groupby("analysis")["se_ratio"].agg(["min", "max"])
    assert set(naive.table["contrast"]) == {row.contrast for row in verdict.rows if row.kind == "part"}
    low, high = ratios.loc["lesions as independent"]
    assert (
        f"lesions as independent gives standard errors {low:.2f} to {high:.2f} times ours: wider"
        in naive.sentence
    )


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [
        (1.0, 1.0, "intervals about as wide"),
        (0.99, 1.01, "intervals about as wide"),
        (1.2, 1.9, "wider intervals"),
        (0.5, 0.9, "narrower intervals"),
        (0.8, 1.0, "intervals about as wide for some contrasts, narrower for others"),
        (1.0, 1.4, "intervals about as wide for some contrasts, wider for others"),
        (0.8, 1.4, "wider intervals for some contrasts, narrower for others"),
    ],
)
def test_a_ratio_of_one_is_neither_wider_nor_narrower(low, high, text):
    assert width_words(low, high) == text


def test_lower_is_better_turns_both(data):
    last = data[data["visit"] == "Week 24"]
    fit = fit_mixed_model("value ~ arm + us(arm | patient)", last.assign(value=-last["value"]))
    turned = compare_therapies(fit, ARMS, higher_is_better=False)
    naive = compare_with_naive(turned, data.assign(value=-data["value"]), "Week 24", higher_is_better=False)
    assert (naive.table["estimate"] > 0).all()


def test_intraclass_correlation_is_that_of_the_two_way_mean_squares(data):
    last = data[data["visit"] == "Week 24"]
    found = within_patient_correlation(last)
    wide = last.pivot(index="patient", columns="arm", values="value").to_numpy()
    rows = wide.mean(axis=1, keepdims=True)
    between = 3 * rows.var(ddof=1)
    residual = ((wide - rows - wide.mean(axis=0) + wide.mean()) ** 2).sum() / ((N - 1) * 2)
    assert found.icc == pytest.approx((between - residual) / (between + 2 * residual), rel=1e-9)
    assert found.conf_low < found.icc < found.conf_high
    assert found.n_complete == N
    one = found.pairs.query("arm_1 == 'Both' and arm_2 == 'Laser'").iloc[0]
    sorted_arms = sorted(ARMS)
    expected = np.corrcoef(wide[:, sorted_arms.index("Both")], wide[:, sorted_arms.index("Laser")])[0, 1]
    assert one["correlation"] == pytest.approx(expected)
    assert one["n"] == N


def test_few_patients_have_no_correlation(data):
    last = data[(data["visit"] == "Week 24") & data["patient"].isin(["P0", "P1", "P2"])]
    found = within_patient_correlation(last)
    assert np.isnan(found.icc)
    assert found.pairs["correlation"].isna().all()


def test_parallel_patients_at_one_visit_have_nothing_naive(data):
    last = data[data["visit"] == "Week 24"].assign(patient=lambda d: d["patient"] + d["arm"])
    fit = fit_mixed_model("value ~ arm", last, df_method="residual")
    naive = compare_with_naive(compare_therapies(fit, ARMS), last, visit="Week 24")
    assert set(naive.table["analysis"]) == {"this report"}
    assert naive.correlation is None
    assert naive.sentence.startswith("No naive analysis")


def test_carry_across_divides_by_one_minus_k(verdict):
    table = carry_across_table(verdict)
    laser = table[table["reference"] == "Laser"].set_index("k")
    assert laser.index.tolist() == [0.0, 0.1, 0.2, 0.3]
    first = verdict.rows[0]
    for k in laser.index:
        assert laser["estimate"][k] * (1 - k) == pytest.approx(first.estimate)
        assert laser["conf_low"][k] * (1 - k) == pytest.approx(first.conf_low)
    with pytest.raises(ModelError, match="out of range"):
        carry_across_table(verdict, [1.0])


def test_what_has_no_differences_is_refused(data, verdict):
    last = data[data["visit"] == "Week 24"]
    ranks = compare_grades(last, ARMS, design="within-patient")
    with pytest.raises(DesignError, match="differences"):
        carry_across_table(ranks)
    with pytest.raises(DesignError, match="differences"):
        compare_with_naive(ranks, last)
    with pytest.raises(DesignError, match="several visits"):
        compare_with_naive(verdict, data)
    with pytest.raises(ModelError, match="no rows"):
        compare_with_naive(verdict, data, visit="Week 52")
    with pytest.raises(ModelError, match="no column"):
        compare_with_naive(verdict, data, visit="Week 24", value="area")


def test_one_sided_tests_are_so_on_both_sides_of_the_table(data):
    last = data[data["visit"] == "Week 24"]
    fit = fit_mixed_model("value ~ arm + us(arm | patient)", last)
    one = compare_with_naive(compare_therapies(fit, ARMS, alpha=0.025, sided=1), last)
    found = one.table.query("analysis == 'lesions as independent' and reference == 'PRP'").iloc[0]
    x, y = (last.loc[last["arm"] == arm, "value"] for arm in ("Both", "PRP"))
    expected = stats.ttest_ind(x, y, equal_var=False, alternative="greater")
    assert found["p_value"] == pytest.approx(expected.pvalue)
    assert set(one.table["test"]) == {"one-sided, towards benefit"}
    assert set(compare_with_naive(compare_therapies(fit, ARMS), last).table["test"]) == {"two-sided"}
    # The interval stays two-sided, at 1 - 2 alpha, as ours.
    interval = stats.ttest_ind(x, y, equal_var=False).confidence_interval(0.95)
    assert (found["conf_low"], found["conf_high"]) == pytest.approx((interval.low, interval.high))


def several_lesions(patients=40, lesions=3, seed=5):
    """Lesions that share half of their variance with the patient's others."""
    rng = np.random.default_rng(seed)
    rows = [
        (f"P{patient}", arm, mean + shared + 5 * rng.normal())
        for patient in range(patients)
        for shared in [5 * rng.normal()]
        for arm, mean in (("Laser", 30), ("PRP", 34), ("Both", 55))
        for _ in range(lesions)
    ]
    return pd.DataFrame(rows, columns=["patient", "arm", "value"])


def test_with_several_lesions_an_arm_the_correlation_is_that_of_lesions():
    data = several_lesions()
    found = within_patient_correlation(data)
    parts = fit_mixed_model("value ~ arm + (1 | patient)", data).variance_components["variance"]
    expected = parts.iloc[0] / parts.sum()
    assert found.icc == pytest.approx(expected, rel=1e-5)  # balanced: REML is the mean squares' estimate
    assert 0.3 < found.conf_low < found.icc < found.conf_high < 0.7
    assert found.several_lesions
    means = data.groupby(["patient", "arm"], as_index=False)["value"].mean()
    of_means = within_patient_correlation(means)
    assert not of_means.several_lesions
    assert of_means.icc > found.icc + 0.15  # 3 r / (1 + 2 r): three quarters where lesions share a half
    assert found.pairs["correlation"].to_list() == of_means.pairs["correlation"].to_list()


def test_unequal_numbers_of_lesions_leave_the_correlation_nearly_that_of_reml():
    data = several_lesions(patients=60).sample(frac=0.7, random_state=np.random.default_rng(2))
    parts = fit_mixed_model("value ~ arm + (1 | patient)", data).variance_components["variance"]
    # Two consistent estimates of one quantity: they differ by far less than its standard error of 0.05.
    assert within_patient_correlation(data).icc == pytest.approx(parts.iloc[0] / parts.sum(), abs=0.02)


def test_the_interval_of_the_lesions_correlation_covers_it():
    low_high = [within_patient_correlation(several_lesions(12, 2, seed)) for seed in range(300)]
    covered = np.mean([one.conf_low <= 0.5 <= one.conf_high for one in low_high])
    assert covered == pytest.approx(0.95, abs=4 * np.sqrt(0.95 * 0.05 / 300))  # four binomial errors
