"""Tables of tests agree with scipy.stats, at every number of degrees of freedom and in the far tails."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from analyses.inference import f_table, t_table

DF = np.array([0.5, 1, 2.5, 17, 4000, np.inf])


@pytest.mark.parametrize("statistic", [0.0, -0.7, 3.1, 45.0])
@pytest.mark.parametrize("alpha", [0.05, 0.001])
def test_t_tests_are_scipys(statistic: float, alpha: float) -> None:
    table = t_table(np.full(6, 2 * statistic), np.full(6, 2.0), DF, alpha)
    np.testing.assert_array_equal(table["p_value"], 2 * stats.t.sf(abs(statistic), DF))
    half = 2 * stats.t.isf(alpha / 2, DF)
    np.testing.assert_allclose(table["conf_low"], 2 * statistic - half, rtol=1e-14)
    np.testing.assert_allclose(table["conf_high"], 2 * statistic + half, rtol=1e-14)


def test_what_is_not_estimable_stays_missing() -> None:
    table = t_table(np.array([np.nan, 1.0]), np.array([np.nan, 0.0]), np.array([np.nan, 5.0]))
    assert table.loc[0].isna().all()
    assert np.isnan(table.loc[1, "p_value"])


def test_f_tests_are_scipys() -> None:
    statistic, numerator = np.array([0.2, 1.0, 7.0, 300.0]), np.array([1.0, 2.0, 5.0, 3.0])
    for df in (0.8, 12.3, 1e6):
        table = f_table(statistic, numerator, np.full(4, df))
        np.testing.assert_array_equal(table["p_value"], stats.f.sf(statistic, numerator, df))
    infinite = f_table(statistic, numerator, np.full(4, np.inf))
    np.testing.assert_array_equal(infinite["p_value"], stats.chi2.sf(statistic * numerator, numerator))
    assert f_table([-1e-18], [2], [9])["p_value"].item() == 1.0
