"""Rank statistics: against R (stats, coin, pROC), against enumeration, and against closed forms."""

import json
from itertools import combinations, product
from math import comb
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analyses.classical.rank_statistics import (
    brunner_munzel,
    mann_whitney,
    paired_probability_of_superiority,
    probability_of_superiority,
    sign_test,
    signed_rank,
)
from outcomes.errors import ModelError

CASE = Path(__file__).parents[1] / "reference" / "ordinal_grade_parallel"
RANK = 1e-9  # relative; these are finite sums in both programs


@pytest.fixture(scope="module")
def scores():
    data = pd.read_csv(CASE / "data.csv").dropna(subset=["grade"])
    return {arm: rows["grade"].str[1].astype(int).to_numpy() for arm, rows in data.groupby("arm")}


@pytest.fixture(scope="module")
def two_sample():
    return json.loads((CASE / "reference.json").read_text())["two_sample"]


@pytest.mark.parametrize("pair", ["laser_prp vs laser", "laser_prp vs control", "laser_prp vs prp"])
def test_two_samples_of_r(scores, two_sample, pair):
    x, y = (scores[arm] for arm in pair.split(" vs "))
    expected = two_sample[pair]
    test = mann_whitney(x, y)
    assert test.u == expected["wilcoxon"]["W"]
    assert test.p_value == pytest.approx(expected["wilcoxon"]["p_continuity_corrected"], rel=RANK)
    assert test.p_uncorrected == pytest.approx(expected["wilcoxon"]["p_uncorrected"], rel=RANK)
    coin = expected["wilcoxon_exact_and_asymptotic"]
    assert test.z == pytest.approx(coin["z"], rel=RANK)
    assert test.p_exact == pytest.approx(coin["p_exact"], rel=RANK)

    superiority, wanted = probability_of_superiority(x, y), expected["probability_of_superiority"]
    assert superiority.estimate == pytest.approx(wanted["estimate"], rel=RANK)
    assert superiority.std_error == pytest.approx(wanted["se"], rel=RANK)
    assert superiority.std_error == pytest.approx(expected["delong"]["se"], rel=RANK)
    assert superiority.limits(0.025) == pytest.approx(
        (wanted["logit_lower95"], wanted["logit_upper95"]), rel=RANK
    )
    wald = probability_of_superiority(x, y, interval="wald").limits(0.025)
    assert wald == pytest.approx((wanted["wald_lower95"], wanted["wald_upper95"]), rel=RANK)
    shares = (superiority.win, superiority.tie, superiority.loss)
    assert shares == pytest.approx((wanted["win"], wanted["tie"], wanted["loss"]), rel=RANK)

    unequal, wanted = brunner_munzel(x, y), expected["brunner_munzel"]
    assert unequal.statistic == pytest.approx(wanted["statistic"], rel=RANK)
    assert unequal.df == pytest.approx(wanted["df"], rel=RANK)
    assert unequal.p_value == pytest.approx(wanted["p"], rel=RANK)
    assert unequal.std_error == pytest.approx(wanted["se"], rel=RANK)


def test_exact_rank_sum_is_the_enumeration_over_all_choices():
    rng = np.random.default_rng(11)
    for _ in range(10):
        values = rng.integers(0, 4, 9).astype(float)
        if np.ptp(values) == 0:
            continue
        ranks = stats.rankdata(values)
        sums = np.array([ranks[list(chosen)].sum() for chosen in combinations(range(9), 4)])
        seen, middle = ranks[:4].sum(), 4 * 10 / 2
        found = mann_whitney(values[:4], values[4:])
        assert found.p_exact == pytest.approx(np.mean(np.abs(sums - middle) >= abs(seen - middle) - 1e-9))
        assert found.p_exact_greater == pytest.approx(np.mean(sums >= seen - 1e-9))


def test_without_ties_the_exact_p_is_scipys():
    rng = np.random.default_rng(2)
    x, y = rng.normal(0.8, 1, 12), rng.normal(size=15)
    assert mann_whitney(x, y).p_exact == pytest.approx(
        stats.mannwhitneyu(x, y, method="exact").pvalue, rel=1e-10
    )


def test_alike_samples_answer_nothing_at_all():
    found = mann_whitney([2, 2, 2], [2, 2])
    assert (found.p_value, found.p_exact, found.u) == (1.0, 1.0, 3.0)
    assert np.isnan(brunner_munzel([2, 2], [2, 2]).p_value)


def test_samples_that_do_not_overlap_keep_an_interval():
    found = probability_of_superiority([3, 4, 5, 6], [0, 1, 2])
    low, high = found.limits(0.025)
    assert (found.estimate, high, found.interval) == (1.0, 1.0, "newcombe")
    assert 0.3 < low < 1  # a collapsed interval would claim certainty from seven patients
    mirrored = probability_of_superiority([0, 1, 2], [3, 4, 5, 6]).limits(0.025)
    assert mirrored == pytest.approx((0.0, 1 - low), abs=1e-9)


def test_newcombes_limits_solve_the_hanley_mcneil_equation():
    # Hanley & McNeil's variance with both group sizes in its brackets replaced by their mean, at each limit.
    x, y = np.array([1, 3, 4, 4, 5, 7]), np.array([0, 1, 2, 3, 3])
    found = probability_of_superiority(x, y, interval="newcombe")
    z = stats.norm.isf(0.025)
    for limit in found.limits(0.025):
        q1, q2 = limit / (2 - limit), 2 * limit**2 / (1 + limit)
        half = (len(x) + len(y)) / 2
        variance = limit * (1 - limit) + (half - 1) * (q1 - limit**2) + (half - 1) * (q2 - limit**2)
        assert (found.estimate - limit) ** 2 == pytest.approx(z**2 * variance / (len(x) * len(y)), rel=1e-6)


def test_coverage_of_the_logit_interval():
    # 1,500 samples of 20 and 20 grades; nominal 95 %, and a binomial error of 0.6 % each way.
    rng = np.random.default_rng(77)
    p, q = np.array([0.1, 0.2, 0.3, 0.4]), np.array([0.4, 0.3, 0.2, 0.1])
    truth = sum(p[i] * (q[:i].sum() + q[i] / 2) for i in range(4))
    hits = 0
    for _ in range(1500):
        low, high = probability_of_superiority(rng.choice(4, 20, p=p), rng.choice(4, 20, p=q)).limits(0.025)
        hits += low <= truth <= high
    assert 0.93 <= hits / 1500 <= 0.98


DIFFERENCES = {
    # POSAS, laser + PRP minus laser by patient (simulated split-face data); R 4.2.2 with coin 1.4-2:
    # wilcoxsign_test(distribution = "exact", zero.method = "Wilcoxon" / "Pratt"), binom.test, wilcox.test
    "week 24": (
        [2, -9, -4.5, -11, -3, -7.5, -14.5, 3.5, -7, -9.5, -7, -4, -17, -10.5, -3, 0, 8.5, 3.5, 1, -13, -2],
        0.00326156616210938,
        0.00361251831054688,
        0.0413894653320313,
        29.5,
    ),
    "week 24, both observers": (
        [2, -9, -4.5, -11, -3, -7.5, -14.5, -7, -9.5, -7, -17, -10.5, -3, 0, 8.5, 3.5, 1, -13, -2],
        0.00292205810546875,
        0.0032196044921875,
        0.0308837890625,
        20.5,
    ),
}


@pytest.mark.parametrize("when", DIFFERENCES)
def test_signed_rank_and_sign_test_of_r(when):
    differences, dropped, pratt, sign, v = DIFFERENCES[when]
    assert signed_rank(differences, "dropped").p_value == pytest.approx(dropped, rel=RANK)
    assert signed_rank(differences, "dropped").statistic == v
    found = signed_rank(differences, "pratt")
    assert found.p_value == pytest.approx(pratt, rel=RANK)
    assert (found.n, found.n_zero, found.zeros) == (len(differences), 1, "pratt")
    assert sign_test(differences).p_value == pytest.approx(sign, rel=RANK)


def test_signed_rank_is_the_enumeration_over_all_signs():
    differences = np.array([1.0, -1.0, 2.0, 2.0, 0.0, 3.0, -0.5])
    ranks = stats.rankdata(np.abs(differences))[differences != 0]
    seen = stats.rankdata(np.abs(differences))[differences > 0].sum()
    sums = np.array([ranks[np.array(signs)].sum() for signs in product([False, True], repeat=len(ranks))])
    found = signed_rank(differences)
    assert found.p_greater == pytest.approx(np.mean(sums >= seen))
    middle = ranks.sum() / 2
    assert found.p_value == pytest.approx(np.mean(np.abs(sums - middle) >= abs(seen - middle)))


def test_sign_test_leaves_ties_out():
    found = sign_test([1, 2, 1, 3, -1, 0, 0])
    assert (found.wins, found.ties, found.losses) == (4, 2, 1)
    assert found.p_greater == pytest.approx((comb(5, 4) + comb(5, 5)) / 2**5)
    assert found.p_value == pytest.approx(2 * (comb(5, 4) + comb(5, 5)) / 2**5)
    assert sign_test([0.0, 0.0]).p_value == 1.0
    assert signed_rank([0.0, 0.0]).p_value == 1.0


def test_paired_superiority_is_the_mean_of_the_patients_scores():
    pairs = [(np.array([a]), np.array([b])) for a, b in [(3, 1), (2, 2), (1, 3), (4, 0), (4, 1), (2, 1)]]
    found = paired_probability_of_superiority(pairs)
    scores = np.array([1, 0.5, 0, 1, 1, 1])
    assert found.estimate == pytest.approx(scores.mean())
    assert found.std_error == pytest.approx(scores.std(ddof=1) / np.sqrt(6))
    assert (found.win, found.tie, found.loss) == pytest.approx((4 / 6, 1 / 6, 1 / 6))
    low, high = found.limits(0.025)
    assert 0 < low < found.estimate < high < 1


def test_a_patient_with_many_lesions_counts_once():
    one = [(np.array([3.0]), np.array([1.0])), (np.array([1.0]), np.array([2.0]))]
    many = [(np.array([3.0] * 5), np.array([1.0] * 4)), one[1]]
    assert paired_probability_of_superiority(many).estimate == paired_probability_of_superiority(one).estimate


def test_patients_who_all_agree_keep_an_interval():
    pairs = [(np.array([2.0]), np.array([1.0]))] * 10
    found = paired_probability_of_superiority(pairs)
    low, high = found.limits(0.025)
    z2 = stats.norm.isf(0.025) ** 2
    assert low == pytest.approx(10 / (10 + z2))  # Wilson at ten of ten
    assert (found.estimate, high) == (1.0, pytest.approx(1.0))


def test_paired_and_unpaired_superiority_are_different_estimands():
    # Every patient's second lesion is a little better; between patients that is hardly seen.
    base = np.arange(0.0, 20.0)
    paired = paired_probability_of_superiority([(np.array([b + 0.1]), np.array([b])) for b in base])
    assert paired.estimate == 1.0
    assert probability_of_superiority(base + 0.1, base).estimate == pytest.approx(0.525)


@pytest.mark.parametrize("call", [mann_whitney, probability_of_superiority, brunner_munzel])
def test_missing_or_empty_samples_are_refused(call):
    with pytest.raises(ModelError, match="no missing ones"):
        call([1.0, np.nan], [1.0])
    with pytest.raises(ModelError, match="must have values"):
        call([], [1.0])


def test_unknown_rule_for_zeros():
    with pytest.raises(ModelError, match="zeros"):
        signed_rank([1.0], "split")
    with pytest.raises(ModelError, match="no patient"):
        paired_probability_of_superiority([])
