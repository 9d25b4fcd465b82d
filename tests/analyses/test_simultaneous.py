"""The largest of several t statistics: published tables, closed forms, other programs and bounds."""

import numpy as np
import pytest
from scipy import stats

from analyses.means.simultaneous import (
    Cells,
    OneFactor,
    Range,
    _cells,
    adjusted_tail,
    critical_value,
    largest_t,
    one_factor,
)

DFS = (1.0, 3.3, 27.3, np.inf)


def equal(k: int, rho: float = 0.5) -> np.ndarray:
    return np.full((k, k), rho) + (1 - rho) * np.eye(k)


def all_pairs(levels: int) -> np.ndarray:
    eye = np.eye(levels)
    rows = np.array([eye[i] - eye[j] for i in range(levels) for j in range(i + 1, levels)])
    return rows @ rows.T / 2


# Dunnett (1955), J Am Stat Assoc 50:1096, table 1a (one-sided), and Dunnett (1964), Biometrics 20:482, table II
# (two-sided), alpha 0.05, groups of one size: df, then critical values for 2, 3, 4 and 5 comparisons.
ONE_SIDED = {5: (2.44, 2.68, 2.85, 2.98), 10: (2.15, 2.34, 2.47, 2.56), 20: (2.03, 2.19, 2.30, 2.39)}
TWO_SIDED = {5: (3.03, 3.29, 3.48, 3.62), 20: (2.38, 2.54, 2.65, 2.73), np.inf: (2.21, 2.35, 2.44, 2.51)}


@pytest.mark.parametrize(("sides", "published"), [(1, ONE_SIDED), (2, TWO_SIDED)])
def test_dunnetts_published_critical_values(sides, published):
    for df, values in published.items():
        for comparisons, value in enumerate(values, start=2):
            found = critical_value(largest_t(equal(comparisons), sides), 0.05, df, sides)
            assert found == pytest.approx(value, abs=0.0051)  # printed to two decimals


def test_range_is_scipys_studentised_range():
    for means in (2, 3, 6):
        for q in (1.0, 3.5, 5.0):
            expected = stats.studentized_range.sf(q, means, 27.3)
            assert Range(means).tail(q / np.sqrt(2), 27.3) == pytest.approx(expected, abs=1e-11)


def test_two_means_and_one_statistic_are_students_t():
    for df in DFS:
        for t in (0.0, 0.7, 2.5):
            assert Range(2).tail(t, df) == pytest.approx(2 * stats.t.sf(t, df), abs=1e-12)
            assert largest_t(np.eye(1), 2).tail(t, df) == pytest.approx(2 * stats.t.sf(t, df), abs=1e-12)
            assert largest_t(np.eye(1), 1).tail(-t, df) == pytest.approx(stats.t.sf(-t, df), abs=1e-12)


def test_independent_normal_statistics_are_sidak():
    for k in (2, 5):
        single = 2 * stats.norm.sf(2.2)
        assert largest_t(np.eye(k), 2).tail(2.2, np.inf) == pytest.approx(1 - (1 - single) ** k, abs=1e-13)


def test_two_dimensions_without_correlation_have_a_closed_form():
    """Orthants: P(both below t at 0) of a bivariate normal is 1/4 + arcsin(rho) / (2 pi) (Sheppard 1899)."""
    for rho in (-0.6, 0.3, 0.9):
        expected = 1 - (0.25 + np.arcsin(rho) / (2 * np.pi))
        assert largest_t(equal(2, rho), 1).tail(0.0, 7.0) == pytest.approx(expected, abs=1e-9)


def test_three_ways_agree():
    """Cells of the sphere against the one-factor and the range integrals, up to their own stated error."""
    for matrix, sides, other in [
        (equal(2), 1, largest_t(equal(2), 1)),
        (equal(3), 2, largest_t(equal(3), 2)),
        (equal(4), 2, largest_t(equal(4), 2)),
        (all_pairs(3), 2, Range(3)),
        (all_pairs(4), 2, Range(4)),
        (all_pairs(5), 2, Range(5)),
    ]:
        cells = _cells(matrix, sides)
        for df in (3.3, np.inf):
            for t in (-0.5, 0.0, 1.0, 2.9):
                if t < 0 and sides == 2:
                    continue
                error = 5 * cells.error(t, df) + 1e-9
                assert cells.tail(t, df) == pytest.approx(other.tail(t, df), abs=error)
                if other.tail(t, df) < 0.06:
                    assert error < 2e-5


def test_singular_correlations_are_no_obstacle():
    """All pairs of three means have rank two; a statistic that repeats another changes nothing."""
    largest = largest_t(all_pairs(3), 2)
    assert isinstance(largest, Cells)
    assert largest.tail(2.5, 11.0) == pytest.approx(Range(3).tail(2.5, 11.0), abs=1e-10)
    repeated = np.array([[1, 0.4, -1], [0.4, 1, -0.4], [-1, -0.4, 1.0]])
    assert largest_t(repeated, 2).tail(2.0, 9.0) == largest_t(repeated[:2, :2], 2).tail(2.0, 9.0)
    assert largest_t(repeated, 1).tail(2.0, 9.0) > largest_t(repeated[:2, :2], 1).tail(2.0, 9.0) + 0.01


def test_one_factor_is_found_and_refused():
    loadings = np.array([0.3, -0.8, 0.5, 0.9])
    matrix = np.outer(loadings, loadings)
    np.fill_diagonal(matrix, 1.0)
    np.testing.assert_allclose(np.abs(one_factor(matrix)), np.abs(loadings), rtol=1e-12)
    assert one_factor(equal(3, -0.4)) is None  # products of three loadings cannot all be negative
    assert one_factor(0.5 ** np.abs(np.subtract.outer(range(4), range(4)))) is None
    assert isinstance(largest_t(equal(2, -0.7), 2), OneFactor)  # any two statistics share one factor


def test_simulated_statistics_exceed_the_critical_value_as_often_as_they_should():
    rng = np.random.default_rng(5)
    matrix = 0.6 ** np.abs(np.subtract.outer(range(4), range(4)))
    draws = 100_000
    normal = rng.standard_normal((draws, 4)) @ np.linalg.cholesky(matrix).T
    t = normal / np.sqrt(rng.chisquare(6, draws) / 6)[:, None]
    for sides, largest in ((2, np.abs(t).max(axis=1)), (1, t.max(axis=1))):
        critical = critical_value(largest_t(matrix, sides), 0.05, 6.0, sides)
        # four binomial standard errors
        assert (largest > critical).mean() == pytest.approx(0.05, abs=4 * np.sqrt(0.05 * 0.95 / draws))


def test_far_tails_keep_to_the_bounds():
    for largest in (largest_t(equal(4), 2), Range(4), largest_t(all_pairs(4), 2)):
        single = 2 * stats.norm.sf(12.0)
        assert single <= adjusted_tail(largest, 12.0, np.inf, 2) <= largest.size * single * (1 + 1e-12)
        assert adjusted_tail(largest, 0.0, 5.0, 2) == pytest.approx(1.0, abs=1e-12)
        assert adjusted_tail(largest, np.inf, 5.0, 2) == 0.0


def test_the_same_input_gives_the_same_digits():
    matrix = 0.7 ** np.abs(np.subtract.outer(range(5), range(5)))
    assert largest_t(matrix, 2).tail(2.1, 13.0) == largest_t(matrix, 2).tail(2.1, 13.0)
