"""Who the patients and lesions were before treatment; described, never tested (CONSORT 2025, item 25)."""

from __future__ import annotations

import pandas as pd

from outcomes import Trial
from reports.results import ResultsBuilder
from reports.steps.standardised import largest, pairwise

TOTAL = ""
"""The arm's name of a description of everybody."""


def add_baseline(trial: Trial, primary: pd.DataFrame, out: ResultsBuilder) -> None:
    """Describe every covariate of the protocol, and the primary outcome before treatment.

    Patients of a within-patient trial are described as one group, since each is in every arm; lesions, and
    the patients of a parallel trial, by arm and together, with the standardised difference of each pair of arms and the
    largest of them.

    Parameters
    ----------
    trial
        The trial.
    primary
        Endpoint frame of the primary analysis (one row a unit and visit).
    out
        Where the numbers go: analysis "baseline", endpoint the variable, population "patients" or "lesions".
    """
    protocol = trial.protocol
    facts = protocol.endpoint(protocol.primary_analysis.endpoint)
    for level, frame in (("patient", trial.patients), ("lesion", trial.lesions)):
        if not len(frame):
            continue
        scope = out.scope(analysis="baseline", population=f"{level}s", method="observed values")
        groups = _groups(trial, level, frame)
        for arm, rows in groups.items():
            scope.add("n", len(rows), arm=arm)
        for covariate in protocol.covariates:
            if covariate.level == level and covariate.name in frame.columns:
                values = {arm: rows[covariate.name] for arm, rows in groups.items()}
                _describe_groups(scope, covariate.name, covariate.levels, values)
        if facts.has_baseline and facts.level == level:
            _describe_groups(scope, facts.name, None, _baseline_values(primary, groups))


def _groups(trial: Trial, level: str, frame: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return the rows of each arm, and of everybody under the name ""."""
    if level == "patient" and trial.protocol.is_within_patient:
        return {TOTAL: frame}
    if "arm" in frame.columns:
        arm = frame["arm"].astype(str)
    else:
        arm = frame["patient"].map(trial.patients.set_index("patient")["arm"]).astype(str)
    return {**{label: frame[arm == label] for label in trial.protocol.arms}, TOTAL: frame}


def _baseline_values(primary: pd.DataFrame, groups: dict[str, pd.DataFrame]) -> dict[str, pd.Series]:
    keys = ["patient", "lesion"] if "lesion" in primary.columns else ["patient"]
    once = primary.drop_duplicates(keys)
    arm = once["arm"].astype(str)
    return {label: once.loc[arm == label, "baseline"] if label else once["baseline"] for label in groups}


def _describe_groups(
    scope: ResultsBuilder, name: str, levels: tuple[str, ...] | None, groups: dict[str, pd.Series]
) -> None:
    """Describe a variable in each group, and how far the arms lie apart."""
    for arm, values in groups.items():
        _describe(scope, name, levels, values, arm)
    apart = pairwise({arm: values for arm, values in groups.items() if arm != TOTAL}, levels)
    if not apart:
        return
    method = "Austin 2009" if levels is None else "Yang and Dalton 2012"
    standardised = scope.scope(endpoint=name, method=f"standardised difference, {method}")
    for (first, second), value in apart.items():
        standardised.add("standardised_difference", value, contrast=f"{first} | {second}")
    standardised.add("largest_standardised_difference", largest(apart))


def _describe(
    scope: ResultsBuilder, name: str, levels: tuple[str, ...] | None, values: pd.Series, arm: str
) -> None:
    known = values.dropna()
    address = {"endpoint": name, "arm": arm}
    scope.add_all({"n": len(known), "missing": len(values) - len(known)}, **address)
    if levels is None:
        numbers = pd.to_numeric(known)
        quartiles = numbers.quantile([0.25, 0.5, 0.75]) if len(numbers) else pd.Series([None] * 3)
        scope.add_all(
            {
                "mean": numbers.mean() if len(numbers) else None,
                "sd": numbers.std(ddof=1) if len(numbers) > 1 else None,
                "q1": quartiles.iloc[0],
                "median": quartiles.iloc[1],
                "q3": quartiles.iloc[2],
                "minimum": numbers.min() if len(numbers) else None,
                "maximum": numbers.max() if len(numbers) else None,
            },
            **address,
        )
        return
    text = known.astype(str)
    for level in levels:
        count = int((text == level).sum())
        scope.add("count", count, level=level, **address)
        scope.add("proportion", count / len(known) if len(known) else None, level=level, **address)
