"""What an analysis blind to the pairing would have said, and what pairing is worth.

Beside the right answer stands the common wrong one: Welch's t test on lesions as if they were different patients,
and the same on the rows of all visits. Neither is offered as a result.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations
from math import isfinite, nan
from typing import Any

import numpy as np
import pandas as pd
import scipy
from numpy.typing import NDArray

from analyses.claims import verdict_words as words
from analyses.claims.verdict import Rules, Verdict, VerdictRow
from outcomes.errors import DesignError, ModelError

__all__ = [
    "NaiveComparison",
    "WithinPatientCorrelation",
    "carry_across_table",
    "compare_with_naive",
    "width_words",
    "within_patient_correlation",
]

Array = NDArray[np.float64]

OURS, LESIONS, ALL_VISITS = "this report", "lesions as independent", "rows of all visits as independent"
CARRY_ACROSS = (0.0, 0.1, 0.2, 0.3)
"""Shares k of spill-over between a patient's lesions that are shown by default."""
ALIKE = 0.02
"""Ratios of standard errors this near to one are not told as wider or narrower."""


@dataclass(frozen=True, slots=True)
class WithinPatientCorrelation:
    """How alike a patient's lesions are, after the arms' own means.

    Attributes
    ----------
    icc, conf_low, conf_high : float
        Intraclass correlation of single lesions with its 95 % interval; NaN with fewer than five patients. With one
        lesion an arm: for consistency, ICC(C,1) of McGraw & Wong (1996, Psychol Methods 1:30), over the patients
        who have every arm. Where an arm has several lesions of a patient: the patients' share of the variance
        beyond the arms' means, over all lesions.
    n_complete : int
        Patients who have every arm.
    pairs : DataFrame
        ``arm_1, arm_2, n, correlation, conf_low, conf_high`` for each pair of arms: Pearson's r over the patients who
        have both, Fisher's interval; of a patient's means where an arm has several lesions.
    several_lesions : bool
        Whether an arm has several lesions of a patient.
    """

    icc: float
    conf_low: float
    conf_high: float
    n_complete: int
    pairs: pd.DataFrame = field(compare=False)
    several_lesions: bool = False


@dataclass(frozen=True, slots=True)
class NaiveComparison:
    """The naive answers beside ours.

    Attributes
    ----------
    table : DataFrame
        ``contrast, combination, reference, analysis, n, estimate, std_error, df, p_value, conf_low, conf_high,
        se_ratio, test``: for each contrast a row of ours and one of each naive analysis; `se_ratio` is the row's
        standard error over ours, and `test` says whether `p_value` is two-sided or one-sided towards benefit: as
        the verdict's, for every row.
    correlation : WithinPatientCorrelation or None
        None where no patient has two arms.
    sentence : str
        What the comparison shows; its ranges are over the contrasts of the table.
    """

    table: pd.DataFrame = field(compare=False)
    correlation: WithinPatientCorrelation | None
    sentence: str


def compare_with_naive(
    verdict: Verdict,
    data: pd.DataFrame,
    visit: Any = None,
    higher_is_better: bool = True,
    patient: str = "patient",
    arm: str = "arm",
    value: str = "value",
    visit_column: str = "visit",
) -> NaiveComparison:
    """Set naive analyses beside the contrasts of a verdict.

    Parameters
    ----------
    verdict : Verdict
        Ours, from `compare_therapies` on a scale of differences.
    data : DataFrame
        The endpoint: one row a patient, lesion and visit.
    visit : optional
        The visit of the verdict; needed where the data hold several.
    higher_is_better : bool
        Direction of the outcome, as it was given to `compare_therapies`.
    patient, arm, value, visit_column : str
        Columns.

    Returns
    -------
    NaiveComparison

    Raises
    ------
    ModelError
        Where a column is missing, or the visit has no rows.
    DesignError
        Where the data hold several visits and none is named, or the verdict is not on a scale of differences.
    """
    if verdict.scale.null != 0 or verdict.scale.show == "odds ratio":
        raise DesignError(
            "the naive comparison is one of means",
            expected="a verdict on differences of means",
            got=verdict.scale.name,
        )
    rows = _complete(data, [patient, arm, value], value)
    at_visit = _at_visit(rows, visit, visit_column)
    # One row a patient is what Welch's test is for: nothing naive about it.
    sets = {LESIONS: at_visit} if at_visit[patient].duplicated().any() else {}
    if len(rows) > len(at_visit):
        sets[ALL_VISITS] = rows
    sign = 1.0 if higher_is_better else -1.0
    records: list[dict[str, Any]] = []
    for row in verdict.rows:
        if row.kind in ("part", "control") and isfinite(row.estimate):
            records.append(_ours(row))
            records += [
                {**_named(row, name), **_welch(frame, row, sign, arm, value, verdict.rules)}
                for name, frame in sets.items()
            ]
    table = pd.DataFrame(records)
    ours = table.groupby("contrast", sort=False)["std_error"].transform("first")
    table["se_ratio"] = table["std_error"] / ours
    table["test"] = "two-sided" if verdict.rules.sided == 2 else "one-sided, towards benefit"
    several = at_visit.groupby(patient)[arm].nunique().max() > 1
    correlation = within_patient_correlation(at_visit, patient, arm, value) if several else None
    return NaiveComparison(table, correlation, _sentence(table, correlation))


def within_patient_correlation(
    data: pd.DataFrame, patient: str = "patient", arm: str = "arm", value: str = "value"
) -> WithinPatientCorrelation:
    """Measure how alike the lesions of a patient are.

    Parameters
    ----------
    data : DataFrame
        One row a patient and lesion, of one visit.
    patient, arm, value : str
        Columns.

    Returns
    -------
    WithinPatientCorrelation

    Raises
    ------
    ModelError
        Where a column is missing.
    """
    rows = _complete(data, [patient, arm, value], value)
    wide = rows.pivot_table(index=patient, columns=arm, values=value, aggfunc="mean", observed=True)
    pairs = pd.DataFrame(
        [_pair(wide, first, second) for first, second in combinations(wide.columns, 2)],
        columns=["arm_1", "arm_2", "n", "correlation", "conf_low", "conf_high"],
    )
    complete = wide.dropna()
    # Means of several lesions are more alike than the lesions are: their correlation is another quantity.
    several = bool(rows.duplicated([patient, arm]).any())
    icc, low, high = _of_lesions(rows, patient, arm, value) if several else _consistency(complete)
    return WithinPatientCorrelation(icc, low, high, len(complete), pairs, several)


def carry_across_table(verdict: Verdict, shares: Sequence[float] = CARRY_ACROSS) -> pd.DataFrame:
    """Print each contrast over (1 - k), for spill-over k between the lesions of a patient.

    Parameters
    ----------
    verdict : Verdict
        From a within-patient trial, on a scale of differences.
    shares : sequence of float
        Shares k, each from 0 up to but not including 1.

    Returns
    -------
    DataFrame
        ``contrast, combination, reference, k, estimate, conf_low, conf_high``.

    Raises
    ------
    DesignError
        Where the verdict is not on a scale of differences.
    ModelError
        Where a share is out of range.

    Notes
    -----
    Where every patient has every arm spill-over cannot be estimated. If each lesion receives the share k of the
    effect of every other lesion of its patient, its own effect e becomes e + k (total - e), so that every contrast
    is multiplied by (1 - k); test and p do not change. (The share k of the *average* effect of the n - 1 others
    multiplies by 1 - k / (n - 1) instead: give that quotient as the share.) What was measured is then
    conservative for superiority, and the opposite for equivalence.
    """
    if verdict.scale.null != 0:
        raise DesignError(
            "spill-over divides differences, which this verdict has not",
            expected="a verdict on a scale of differences",
            got=verdict.scale.name,
        )
    wrong = [share for share in shares if not 0 <= share < 1]
    if wrong:
        raise ModelError("a share of spill-over is out of range", expected="0 to below 1", got=wrong[0])
    records = [
        {
            "contrast": row.contrast,
            "combination": row.combination,
            "reference": row.reference,
            "k": share,
            "estimate": row.estimate / (1 - share),
            "conf_low": row.conf_low / (1 - share),
            "conf_high": row.conf_high / (1 - share),
        }
        for row in verdict.rows
        if row.kind in ("part", "control", "interaction") and isfinite(row.estimate)
        for share in shares
    ]
    columns = ["contrast", "combination", "reference", "k", "estimate", "conf_low", "conf_high"]
    return pd.DataFrame(records, columns=columns)


def _complete(data: pd.DataFrame, names: Sequence[str], value: str) -> pd.DataFrame:
    missing = [name for name in names if name not in data.columns]
    if missing:
        raise ModelError(
            f"the data have no column {missing[0]!r}",
            expected=", ".join(names),
            got=", ".join(map(str, data.columns)),
        )
    if not pd.api.types.is_numeric_dtype(data[value].dtype):
        raise ModelError(
            "the naive comparison is one of means",
            expected="numbers",
            got=str(data[value].dtype),
            where=value,
        )
    return data.dropna(subset=list(names))


def _at_visit(rows: pd.DataFrame, visit: Any, column: str) -> pd.DataFrame:
    if column not in rows.columns:
        return rows
    found = list(rows[column].unique())
    if visit is None:
        if len(found) > 1:
            raise DesignError(
                "the rows hold several visits",
                expected="the visit of the verdict",
                got=", ".join(map(str, found)),
                hint="compare_with_naive(..., visit='Week 24')",
            )
        return rows
    chosen = rows[rows[column] == visit]
    if not len(chosen):
        raise ModelError("the visit has no rows", expected=", ".join(map(str, found)), got=str(visit))
    return chosen


def _named(row: VerdictRow, analysis: str) -> dict[str, Any]:
    return {
        "contrast": row.contrast,
        "combination": row.combination,
        "reference": row.reference,
        "analysis": analysis,
    }


def _ours(row: VerdictRow) -> dict[str, Any]:
    numbers = ("estimate", "std_error", "df", "p_value", "conf_low", "conf_high")
    return {**_named(row, OURS), "n": nan, **{name: getattr(row, name) for name in numbers}}


def _welch(
    frame: pd.DataFrame, row: VerdictRow, sign: float, arm: str, value: str, rules: Rules
) -> dict[str, Any]:
    """Welch's t test of the rows of two arms, as if each were a patient of its own; its sides are the verdict's."""
    labels = frame[arm].astype(str)
    x = frame.loc[labels == row.combination, value].to_numpy(dtype=float)
    y = frame.loc[labels == row.reference, value].to_numpy(dtype=float)
    empty = dict.fromkeys(("estimate", "std_error", "df", "p_value", "conf_low", "conf_high"), nan)
    if min(len(x), len(y)) < 2 or np.ptp(x) + np.ptp(y) == 0:
        return {"n": float(len(x) + len(y)), **empty}
    found = scipy.stats.ttest_ind(sign * x, sign * y, equal_var=False)
    interval = found.confidence_interval(rules.level)
    one_sided = float(scipy.stats.t.sf(found.statistic, found.df))
    difference = sign * float(x.mean() - y.mean())
    error = float(np.sqrt(x.var(ddof=1) / len(x) + y.var(ddof=1) / len(y)))
    return {
        "n": float(len(x) + len(y)),
        "estimate": difference,
        "std_error": error,
        "df": float(found.df),
        "p_value": float(found.pvalue) if rules.sided == 2 else one_sided,
        "conf_low": float(interval.low),
        "conf_high": float(interval.high),
    }


def _pair(wide: pd.DataFrame, first: Any, second: Any) -> list[Any]:
    both = wide[[first, second]].dropna().to_numpy(dtype=float)
    if len(both) < 4 or np.ptp(both, axis=0).min() == 0:
        return [str(first), str(second), len(both), nan, nan, nan]
    found = scipy.stats.pearsonr(both[:, 0], both[:, 1])
    interval = found.confidence_interval(0.95)
    return [
        str(first),
        str(second),
        len(both),
        float(found.statistic),
        float(interval.low),
        float(interval.high),
    ]


def _consistency(complete: pd.DataFrame) -> tuple[float, float, float]:
    """ICC(C,1) by pingouin, with the interval of its F statistic in full precision (pingouin rounds its own)."""
    n, arms = complete.shape
    if n < 5 or arms < 2 or np.ptp(complete.to_numpy(dtype=float)) == 0:
        return nan, nan, nan
    long = pd.DataFrame(
        {
            "patient": np.repeat(np.arange(n), arms),
            "arm": np.tile(np.arange(arms), n),
            "value": complete.to_numpy(dtype=float).ravel(),
        }
    )
    import pingouin

    with warnings.catch_warnings():
        # pingouin 0.7 still calls DataFrame.dropna(inplace=True), which pandas 3 deprecates; its result is right.
        warnings.filterwarnings("ignore", message="The inplace keyword", category=pd.errors.Pandas4Warning)
        table = pingouin.intraclass_corr(long, targets="patient", raters="arm", ratings="value")
    row = table.set_index("Type").loc["ICC(C,1)"]
    f, df1, df2 = float(row["F"]), float(row["df1"]), float(row["df2"])
    low, high = f / float(scipy.stats.f.isf(0.025, df1, df2)), f * float(scipy.stats.f.isf(0.025, df2, df1))
    return float(row["ICC"]), (low - 1) / (low + arms - 1), (high - 1) / (high + arms - 1)


def _of_lesions(rows: pd.DataFrame, patient: str, arm: str, value: str) -> tuple[float, float, float]:
    """Correlation of two lesions of a patient, after their arms' means, with its interval.

    The share ``s_p^2 / (s_p^2 + s_e^2)`` of ``value ~ arm + (1 | patient)``, its variances by the mean squares of
    patients (after arms) and of what is left, whose expectations are ``s_e^2 + k s_p^2`` and ``s_e^2`` (Henderson
    CR 1953, Biometrics 9:226, method 3). In balanced data it is the REML estimate and the interval of F is exact.
    """
    counts = pd.crosstab(rows[arm].astype(str), rows[patient].astype(str)).to_numpy(dtype=float)
    y = rows[value].to_numpy(dtype=float)
    y = y - y.mean()
    arms = pd.get_dummies(rows[arm].astype(str), dtype=float).to_numpy()
    both = np.hstack([arms, pd.get_dummies(rows[patient].astype(str), dtype=float).to_numpy()])
    left, ranks = [], []
    for design in (arms, both):
        coefficients, _, rank, _ = np.linalg.lstsq(design, y, rcond=None)
        left.append(float(((y - design @ coefficients) ** 2).sum()))
        ranks.append(int(rank))
    df1, df2 = ranks[1] - ranks[0], len(y) - ranks[1]
    # What is left of values that are alike within every patient is rounding alone.
    if counts.shape[1] < 5 or df1 < 1 or df2 < 1 or left[1] <= 1e-12 * left[0]:
        return nan, nan, nan
    f = (left[0] - left[1]) / df1 / (left[1] / df2)
    k = (len(y) - float((counts**2 / counts.sum(axis=1, keepdims=True)).sum())) / df1
    ratios = (f, f / float(scipy.stats.f.isf(0.025, df1, df2)), f * float(scipy.stats.f.isf(0.025, df2, df1)))
    icc, low, high = ((ratio - 1) / (ratio - 1 + k) for ratio in ratios)
    return icc, low, high


def _sentence(table: pd.DataFrame, correlation: WithinPatientCorrelation | None) -> str:
    texts = []
    if correlation is not None and isfinite(correlation.icc):
        texts.append(
            "Lesions of one patient correlate by "
            f"{words.format_number(correlation.icc, 2)} (intraclass correlation, 95 % CI "
            f"{words.format_number(correlation.conf_low, 2)} to {words.format_number(correlation.conf_high, 2)})"
        )
    for analysis in (LESIONS, ALL_VISITS):
        ratios = table.loc[table["analysis"] == analysis, "se_ratio"].dropna()
        if len(ratios):
            width = width_words(float(ratios.min()), float(ratios.max()))
            texts.append(f"taking {analysis} gives standard errors {_ratio_words(ratios)} ours: {width}")
    if not texts:
        return "No naive analysis can be set beside this one."
    return "; ".join(texts) + "."


def width_words(low: float, high: float) -> str:
    """Say how wide intervals are beside ours.

    Parameters
    ----------
    low, high : float
        Smallest and largest ratio of their standard errors to ours, over the contrasts that are shown.

    Returns
    -------
    str
        Such as ``wider intervals``; ratios within two hundredths of one are ``about as wide``.
    """
    narrower, wider = low < 1 - ALIKE, high > 1 + ALIKE
    if narrower and wider:
        return "wider intervals for some contrasts, narrower for others"
    if not (narrower or wider):
        return "intervals about as wide"
    word = "wider" if wider else "narrower"
    every = low > 1 + ALIKE if wider else high < 1 - ALIKE
    return f"{word} intervals" if every else f"intervals about as wide for some contrasts, {word} for others"


def _ratio_words(ratios: pd.Series) -> str:
    low, high = (words.format_number(float(value), 2) for value in (ratios.min(), ratios.max()))
    return f"{low} times" if low == high else f"{low} to {high} times"
