"""Score intervals: published limits, likelihoods maximised by force, and identities."""

from math import inf, log, sqrt

import numpy as np
import pytest
from scipy import optimize, stats

from analyses.classical.proportions import PairedTable
from analyses.classical.score_interval import SCORE_MEASURES, miettinen_nurminen, tango_interval
from outcomes.errors import ModelError

Z = stats.norm.isf(0.025)


@pytest.mark.parametrize(
    ("counts", "corrected", "plain"),
    [
        # Newcombe 1998, Stat Med 17:873, table II: methods 6 (Miettinen-Nurminen) and 5 (Mee)
        ((56, 70, 48, 80), (0.0528, 0.3382), (0.0533, 0.3377)),
        ((9, 10, 3, 10), (0.1700, 0.8406), (0.1821, 0.8370)),
        ((5, 56, 0, 29), (-0.0326, 0.1933), (-0.0313, 0.1926)),
        ((0, 10, 0, 20), (-0.1658, 0.2844), (-0.1611, 0.2775)),
        ((10, 10, 0, 20), (0.7156, 1.0), (0.7225, 1.0)),
    ],
)
def test_published_limits_of_a_difference(counts, corrected, plain):
    found, mee = miettinen_nurminen(*counts), miettinen_nurminen(*counts, correction=False)
    assert (found.conf_low, found.conf_high) == pytest.approx(corrected, abs=6e-5)  # four decimals printed
    assert (mee.conf_low, mee.conf_high) == pytest.approx(plain, abs=6e-5)


def test_the_table_that_statsmodels_gets_wrong():
    found = miettinen_nurminen(45, 50, 40, 50)
    assert (found.conf_low, found.conf_high) == pytest.approx((-0.0435, 0.2468), abs=6e-5)


def restricted(r1, n1, r2, n2, measure, value):
    """Proportions under a value, by force: the binomial likelihood on a line, maximised numerically."""

    def first(p2):
        if measure == "difference":
            return p2 + value
        return value * p2 if measure == "ratio" else value * p2 / (1 - p2 + value * p2)

    def loss(p2):
        p1 = first(p2)
        pairs = ((r1, n1, p1), (r2, n2, p2))
        return -sum(r * log(p) + (n - r) * log(1 - p) for r, n, p in pairs)

    low, high = 1e-9, 1 - 1e-9
    if measure == "difference":
        low, high = max(low, low - value), min(high, high - value)
    elif measure == "ratio":
        high = min(high, (1 - 1e-9) / value)
    p2 = optimize.minimize_scalar(loss, (low, high), bounds=(low, high), options={"xatol": 1e-12}).x
    return first(p2), p2


@pytest.mark.parametrize("measure", SCORE_MEASURES)
@pytest.mark.parametrize("counts", [(45, 50, 40, 50), (7, 12, 3, 15), (2, 30, 9, 11)])
def test_limits_are_where_the_score_is_its_quantile(counts, measure):
    r1, n1, r2, n2 = counts
    found = miettinen_nurminen(*counts, measure)
    for limit, sign in ((found.conf_low, 1), (found.conf_high, -1)):
        p1, p2 = restricted(*counts, measure, limit)
        v1, v2 = p1 * (1 - p1), p2 * (1 - p2)
        n = n1 + n2
        if measure == "difference":
            score = (r1 / n1 - r2 / n2 - limit) / sqrt(v1 / n1 + v2 / n2)
        elif measure == "ratio":
            score = (r1 / n1 - limit * r2 / n2) / sqrt(v1 / n1 + limit**2 * v2 / n2)
        else:  # Miettinen and Nurminen's equation for the odds ratio
            top = (r1 / n1 - p1) / v1 - (r2 / n2 - p2) / v2
            score = top / sqrt(1 / (n1 * v1) + 1 / (n2 * v2))
        # the search by force finds proportions to 1e-7
        assert score / sqrt(n / (n - 1)) == pytest.approx(sign * Z, abs=1e-5)


def test_the_test_is_the_same_on_every_scale_and_is_pearsons():
    counts = (45, 50, 40, 50)
    values = [miettinen_nurminen(*counts, measure, correction=False).statistic for measure in SCORE_MEASURES]
    chisq = stats.chi2_contingency([[45, 5], [40, 10]], correction=False).statistic
    assert values == pytest.approx([sqrt(chisq)] * 3, rel=1e-10)


def test_swapping_groups_and_outcomes_turns_the_interval():
    one, other = miettinen_nurminen(7, 12, 3, 15), miettinen_nurminen(3, 15, 7, 12)
    assert (one.conf_low, one.conf_high) == pytest.approx((-other.conf_high, -other.conf_low), abs=1e-11)
    failures = miettinen_nurminen(5, 12, 12, 15)
    assert (one.conf_low, one.conf_high) == pytest.approx(
        (-failures.conf_high, -failures.conf_low), abs=1e-11
    )
    for measure in ("ratio", "odds ratio"):
        one, other = miettinen_nurminen(7, 12, 3, 15, measure), miettinen_nurminen(3, 15, 7, 12, measure)
        assert one.conf_low == pytest.approx(1 / other.conf_high, rel=1e-9)


def test_strata_alike_are_one_with_their_variances_added():
    """Two copies of a table: the estimate stays, and the interval is that of half the variance."""
    whole = miettinen_nurminen([45, 45], [50, 50], [40, 40], [50, 50], correction=False)
    doubled = miettinen_nurminen(90, 100, 80, 100, correction=False)
    assert (whole.estimate, whole.conf_low, whole.conf_high) == pytest.approx(
        (doubled.estimate, doubled.conf_low, doubled.conf_high), abs=1e-10
    )


def test_a_stratified_test_is_cochrans():
    r1, n1, r2, n2 = (np.array(x) for x in ([45, 10, 3], [50, 30, 9], [40, 6, 2], [50, 28, 12]))
    pooled = (r1 + r2) / (n1 + n2)
    expected = (r1 - n1 * pooled).sum() / sqrt((n1 * n2 / (n1 + n2) * pooled * (1 - pooled)).sum())
    for measure in SCORE_MEASURES:
        found = miettinen_nurminen(r1, n1, r2, n2, measure, correction=False)
        assert found.statistic == pytest.approx(expected, rel=1e-10)
        assert found.conf_low < found.estimate < found.conf_high


def test_arms_without_or_with_nothing_but_responders_have_limits():
    none = miettinen_nurminen(0, 10, 0, 10)
    assert none.estimate == 0
    assert none.conf_high == pytest.approx(-none.conf_low)
    assert miettinen_nurminen(10, 10, 0, 10).conf_high == 1.0
    ratio = miettinen_nurminen(3, 10, 0, 10, "ratio")
    assert (ratio.estimate, ratio.conf_high) == (inf, inf)
    assert 0 < ratio.conf_low < inf
    assert miettinen_nurminen(0, 10, 3, 10, "odds ratio").conf_low == 0.0


@pytest.mark.parametrize(
    "counts", [(29, 30, 8, 8), (1, 50, 50, 50), (199, 200, 3, 3), (1, 30, 0, 8), (30, 30, 7, 8)]
)
def test_an_odds_ratio_of_an_arm_with_nothing_but_responders_turns_with_groups_and_outcomes(counts):
    r1, n1, r2, n2 = counts
    found = miettinen_nurminen(*counts, "odds ratio")
    assert found.conf_low <= found.estimate <= found.conf_high
    for turned in ((r2, n2, r1, n1), (n1 - r1, n1, n2 - r2, n2)):
        other = miettinen_nurminen(*turned, "odds ratio")
        for mine, theirs in ((found.conf_low, other.conf_high), (found.conf_high, other.conf_low)):
            if 0 < mine < inf:
                assert mine * theirs == pytest.approx(
                    1, rel=1e-9
                )  # both by the same root finder, on logarithms
            else:
                assert {mine, theirs} == {0.0, inf}


def test_limits_of_an_odds_ratio_far_from_one_keep_their_digits():
    # by force: the likelihood on a line, written in odds so that 1 - p keeps its digits
    found = miettinen_nurminen(29, 30, 8, 8, "odds ratio")
    value = found.conf_high

    def minus(log_odds):
        first, second = log_odds + log(value), log_odds
        return 29 * np.logaddexp(0, -first) + np.logaddexp(0, first) + 8 * np.logaddexp(0, -second)

    at = optimize.minimize_scalar(minus, bounds=(-30, 30), method="bounded", options={"xatol": 1e-11}).x
    p1, p2 = 1 / (1 + np.exp(-at - log(value))), 1 / (1 + np.exp(-at))
    w1, w2 = 30 * p1 * (1 - p1), 8 * p2 * (1 - p2)
    score = (29 - 30 * p1) / sqrt(38 / 37 * w1 * w2 / (w1 + w2))
    assert score == pytest.approx(-Z, abs=1e-5)  # the maximiser's own precision


def test_tangos_limits_are_where_the_paired_score_is_its_quantile():
    table = PairedTable(20, 12, 2, 16)  # Newcombe 1998, Stat Med 17:2635
    found = tango_interval(table)
    a, b, c, d, n = 20, 12, 2, 16, 50
    for limit, sign in ((found.conf_low, 1), (found.conf_high, -1)):

        def loss(q, limit=limit):
            return -(b * log(q + limit) + c * log(q) + (a + d) * log(1 - 2 * q - limit))

        ends = (max(1e-10, -limit + 1e-10), (1 - limit) / 2 - 1e-10)
        q = optimize.minimize_scalar(loss, ends, bounds=ends, options={"xatol": 1e-13}).x
        score = (b - c - n * limit) / sqrt(n * (2 * q + limit - limit**2))
        assert score == pytest.approx(sign * Z, abs=1e-5)
    # McNemar's statistic without correction
    assert found.statistic == pytest.approx((b - c) / sqrt(b + c))


def test_pairs_that_all_agree_have_an_interval():
    found = tango_interval(PairedTable(20, 0, 0, 10))
    assert found.estimate == 0
    assert found.conf_high == pytest.approx(Z**2 / (30 + Z**2))  # the closed form of an empty off-diagonal
    assert found.conf_low == pytest.approx(-found.conf_high)


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ((11, 10, 2, 10), "counted"),
        ((1.5, 10, 2, 10), "counted"),
        ((0, 0, 2, 10), "counted"),
        (([1, 2], [3, 4], 1, 2), "one number each"),
        ((1, 10, 2, 10, "risk"), "measure"),
        ((1, 10, 2, 10, "ratio", 1.5), "alpha"),
        (("one", 10, 2, 10), "counts are numbers"),
        (([], [], [], []), "one number each"),
    ],
)
def test_what_are_no_counts_is_refused(arguments, word):
    with pytest.raises(ModelError, match=word):
        miettinen_nurminen(*arguments)
