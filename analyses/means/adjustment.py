"""Adjusted p-values and intervals of a family of contrasts.

Single-step adjustments (Bonferroni, Šidák, Tukey, Dunnett, multivariate t, Scheffé) have simultaneous intervals: an
interval leaves out the null value exactly where the adjusted p-value is below alpha. Stepwise ones (Holm, Hochberg,
fixed sequence, graphical) have p-values alone; their intervals are those of each contrast by itself.

Each contrast keeps its own degrees of freedom, as in R's emmeans: its adjusted p-value is the probability that the
largest of the family's statistics exceeds it were all on these degrees of freedom.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import scipy
from numpy.typing import NDArray

from analyses.contrasts import is_all_pairs, shared_reference
from analyses.means.graphical import GraphicalProcedure
from analyses.means.simultaneous import SINGULAR, LargestT, Range, adjusted_tail, critical_value, largest_t
from analyses.multiplicity import ADJUSTMENTS, OF_CONTRASTS, adjust_p_values
from outcomes.errors import ModelError

Array = NDArray[np.float64]

ALTERNATIVES = ("two-sided", "greater", "less")
"""Sides of a test; ``greater`` asks whether a contrast lies above the null value."""

NAMES = {
    "none": "none",
    "bonferroni": "Bonferroni",
    "holm": "Holm",
    "hochberg": "Hochberg",
    "sidak": "Šidák",
    "fixed-sequence": "fixed sequence, in the order of the table",
    "tukey": "Tukey's studentised range",
    "dunnett": "Dunnett",
    "mvt": "multivariate t",
    "scheffe": "Scheffé",
    "graphical": "graphical procedure",
}
"""Adjustments as they are said."""

SINGLE_STEP = ("bonferroni", "sidak", *OF_CONTRASTS)
"""Adjustments whose intervals are simultaneous."""


@dataclass(frozen=True, slots=True, eq=False)
class Family:
    """Contrasts that are adjusted together.

    Attributes
    ----------
    table
        Columns of `analyses.inference.COLUMNS`; NaN where not estimable.
    names
        Names of the contrasts.
    weights
        Weights over the means, shape (contrasts, means); the means of all ``by`` groups where they are one family.
    correlation
        Gives the correlation of the estimable contrasts at the places given, shape (m, m).
    """

    table: pd.DataFrame
    names: tuple[str, ...]
    weights: Array
    correlation: Callable[[NDArray[np.intp]], Array]


def check_adjustment(adjust: str | GraphicalProcedure, alternative: str) -> str:
    """Name of an adjustment, known to be possible with these sides of the test.

    Raises
    ------
    ModelError
        Where the adjustment or the alternative is unknown, or they do not go together.
    """
    if alternative not in ALTERNATIVES:
        raise ModelError(
            "unknown alternative", expected=f"one of {', '.join(ALTERNATIVES)}", got=repr(alternative)
        )
    if isinstance(adjust, GraphicalProcedure):
        return "graphical"
    if adjust not in (*ADJUSTMENTS, *OF_CONTRASTS):
        raise ModelError(
            "unknown adjustment",
            expected=f"one of {', '.join((*ADJUSTMENTS, *OF_CONTRASTS))}, or a GraphicalProcedure",
            got=repr(adjust),
        )
    if alternative != "two-sided" and adjust in ("tukey", "scheffe"):
        raise ModelError(
            f"{NAMES[adjust]} is two-sided",
            expected='alternative="two-sided"',
            got=repr(alternative),
            hint='adjust="mvt" adjusts one-sided tests',
        )
    return adjust


def adjust_family(
    family: Family, adjust: str | GraphicalProcedure, alpha: float, alternative: str
) -> tuple[pd.DataFrame, float]:
    """The family's table with adjusted p-values and, where there are any, simultaneous intervals.

    Parameters
    ----------
    family
        Contrasts with two-sided tests and intervals at 1 - alpha, each by itself.
    adjust
        Adjustment, as `check_adjustment` allows it.
    alpha
        One minus the simultaneous confidence level.
    alternative
        One of `ALTERNATIVES`.

    Returns
    -------
    DataFrame, float
        The table, and the error of the p-values' computation (0 where it is rounding).

    Raises
    ------
    ModelError
        Where the adjustment does not suit the contrasts.
    """
    name = check_adjustment(adjust, alternative)
    table = family.table.copy()
    usable = np.flatnonzero(np.isfinite(table["statistic"].to_numpy(dtype=float)))
    t = table["statistic"].to_numpy(dtype=float)[usable]
    df = table["df"].to_numpy(dtype=float)[usable]
    sides = 2 if alternative == "two-sided" else 1
    towards = np.abs(t) if sides == 2 else t if alternative == "greater" else -t
    table["p_value"] = np.nan
    single = np.minimum(sides * scipy.stats.t.sf(towards, df), 1.0)
    error = 0.0
    if name in OF_CONTRASTS and len(usable):
        p_value, critical, error = _of_contrasts(family, name, usable, (towards, df, single), alpha, sides)
    else:
        p_value, critical = single, scipy.stats.t.isf(_level(name, alpha, len(usable)) / sides, df)
    table.loc[table.index[usable], "p_value"] = p_value
    if name not in OF_CONTRASTS:
        table["p_value"] = _of_p_values(family, adjust, table["p_value"].to_numpy(dtype=float))
    if sides == 1 or name in SINGLE_STEP:
        _set_interval(table, usable, critical, alternative)
    return table, error


def _level(name: str, alpha: float, count: int) -> float:
    """Level at which each interval of a family is made."""
    if name == "bonferroni":
        return alpha / max(count, 1)
    if name == "sidak":
        return float(-np.expm1(np.log1p(-alpha) / max(count, 1)))
    return alpha


def _set_interval(table: pd.DataFrame, usable: NDArray[np.intp], critical: Array, alternative: str) -> None:
    rows = table.index[usable]
    half = critical * table["std_error"].to_numpy(dtype=float)[usable]
    estimate = table["estimate"].to_numpy(dtype=float)[usable]
    table.loc[rows, "conf_low"] = -np.inf if alternative == "less" else estimate - half
    table.loc[rows, "conf_high"] = np.inf if alternative == "greater" else estimate + half


def _of_p_values(family: Family, adjust: str | GraphicalProcedure, p_value: Array) -> Array:
    if isinstance(adjust, GraphicalProcedure) and adjust.named:
        by_name = adjust_p_values(dict(zip(family.names, map(float, p_value), strict=True)), adjust)
        return np.array([by_name[name] for name in family.names])
    return adjust_p_values(p_value, adjust)


def _of_contrasts(
    family: Family,
    name: str,
    usable: NDArray[np.intp],
    tests: tuple[Array, Array, Array],
    alpha: float,
    sides: int,
) -> tuple[Array, Array, float]:
    """Adjusted p-values, critical values and the error of both."""
    towards, df, single = tests
    weights = family.weights
    if name == "tukey" and len(weights) > 1 and not is_all_pairs(weights):
        raise ModelError(
            "Tukey's adjustment is for all pairwise differences of one set of means",
            expected="the pairwise family within a group",
            got=f"{len(weights)} other contrasts",
            hint='adjust="mvt" takes any contrasts, with their own correlation; "sidak" and "holm" too',
        )
    if name == "dunnett" and not shared_reference(weights):
        raise ModelError(
            "Dunnett's adjustment is for differences from one control",
            expected='the family "trt.vs.ctrl"',
            got=", ".join(family.names[:4]),
            hint='adjust="mvt" takes any contrasts, with their own correlation',
        )
    if len(usable) == 1:
        return single, scipy.stats.t.isf(np.array([alpha / sides]), df), 0.0
    if name == "scheffe":
        return _scheffe(family.correlation(usable), towards, df, alpha)
    if name == "tukey":
        largest: LargestT = Range(int((weights[usable] != 0).any(axis=0).sum()))
    else:
        largest = largest_t(family.correlation(usable), sides)
    p_value = np.array([adjusted_tail(largest, a, b, sides) for a, b in zip(towards, df, strict=True)])
    alike = [float(f"{value:.10g}") for value in df]  # df that differ by rounding share a critical value
    by_df = {value: critical_value(largest, alpha, value, sides) for value in set(alike)}
    critical = np.array([by_df[value] for value in alike])
    error = max(largest.error(a, b) for a, b in zip(towards, df, strict=True))
    return p_value, critical, error


def _scheffe(correlation: Array, towards: Array, df: Array, alpha: float) -> tuple[Array, Array, float]:
    values = np.linalg.eigvalsh(correlation)
    rank = int((values > SINGULAR * values.max()).sum())
    finite = np.where(np.isfinite(df), df, 1.0)
    p_value = np.where(
        np.isfinite(df),
        scipy.stats.f.sf(towards**2 / rank, rank, finite),
        scipy.stats.chi2.sf(towards**2, rank),
    )
    limit = np.where(
        np.isfinite(df), rank * scipy.stats.f.isf(alpha, rank, finite), scipy.stats.chi2.isf(alpha, rank)
    )
    return p_value, np.sqrt(limit), 0.0


def describe(name: str, sizes: list[int], by: tuple[str, ...], across_by: bool, level: str) -> str:
    """What was adjusted and what was not, in one sentence.

    Parameters
    ----------
    name
        Adjustment.
    sizes
        Numbers of estimable contrasts of the families.
    by
        Factors within whose levels families are formed.
    across_by
        Whether all groups are one family.
    level
        Confidence level as text, "95 %".
    """
    if name == "none":
        return f"p-values and {level} intervals are of each contrast by itself: not adjusted for their number"
    several = str(sizes[0]) if len(set(sizes)) == 1 else f"{min(sizes)} to {max(sizes)}"
    where = f" within each {' and '.join(by)}" if by and not across_by else ""
    of = f"for {several} contrast{'s' if several != '1' else ''}{where} ({NAMES[name]})"
    if name in SINGLE_STEP:
        return f"p-values and {level} intervals are adjusted {of}"
    return f"p-values are adjusted {of}; {level} intervals are not: they are of each contrast by itself"
