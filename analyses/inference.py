"""(estimate, standard error, df) to a tidy frame: the only home of t and F tests, p-values and intervals."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special

Array = NDArray[np.float64]

COLUMNS = ("estimate", "std_error", "df", "statistic", "p_value", "conf_low", "conf_high")
"""Columns of every table of estimates, after those that name its rows."""


def t_table(
    estimate: Array, std_error: Array, df: Array, alpha: float = 0.05, null: float = 0.0
) -> pd.DataFrame:
    """Two-sided t tests and confidence intervals, a row an estimate.

    Parameters
    ----------
    estimate, std_error, df
        Shape (k,) each; infinite degrees of freedom give the normal distribution; NaN passes through, as the answer
        for what is not estimable.
    alpha
        One minus the confidence level, two-sided.
    null
        Value under the null hypothesis.

    Returns
    -------
    DataFrame
        Columns `COLUMNS`. A standard error of zero gives NaN for the test, never an infinite statistic.
    """
    estimate, std_error, df = (np.asarray(a, dtype=float) for a in (estimate, std_error, df))
    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = np.where(std_error > 0, (estimate - null) / std_error, np.nan)
    # scipy.stats calls the same functions, but takes half a second to import and longer over a small table.
    half = -special.stdtrit(df, alpha / 2) * std_error
    p_value = 2 * special.stdtr(df, -np.abs(statistic))
    columns = (estimate, std_error, df, statistic, p_value, estimate - half, estimate + half)
    return pd.DataFrame(np.stack(columns, axis=1), columns=list(COLUMNS))


def f_table(statistic: Sequence[float], num_df: Sequence[float], den_df: Sequence[float]) -> pd.DataFrame:
    """F tests, a row a hypothesis: columns ``num_df, den_df, statistic, p_value``."""
    statistics, numerator, denominator = (np.asarray(a, dtype=float) for a in (statistic, num_df, den_df))
    finite = np.where(np.isinf(denominator), 1.0, denominator)
    ratio = np.maximum(statistics, 0.0)  # a statistic of zero may be a rounding error below it
    p_value = np.where(
        np.isinf(denominator),
        special.chdtrc(numerator, ratio * numerator),
        special.fdtrc(numerator, finite, ratio),
    )
    return pd.DataFrame(
        {"num_df": numerator, "den_df": denominator, "statistic": statistics, "p_value": p_value}
    )
