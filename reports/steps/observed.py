"""What was observed at each visit: means of numbers, shares of grades and responders, and what is missing."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy import stats

from outcomes.endpoint import EndpointFacts
from reports.results import ResultsBuilder

LEVEL = 0.95


def observed_values(
    data: pd.DataFrame, facts: EndpointFacts, baseline: tuple[str, float] | None
) -> pd.DataFrame:
    """Return the rows that are described: those after baseline, and the baseline where it is on their scale.

    Parameters
    ----------
    data
        One row a planned unit and visit after baseline, as `planned_rows` returns them.
    facts
        The endpoint.
    baseline
        Name and week of the baseline visit, or None.

    Returns
    -------
    DataFrame
        ``patient, lesion (where known), arm, visit, week, value``; ``visit`` an ordered Categorical that
        begins with the baseline visit where it is shown.
    """
    keys = ["patient", "lesion"] if "lesion" in data.columns else ["patient"]
    columns = [*keys, "arm", "visit", "week", "value"]
    rows = data[columns]
    if baseline is None or not facts.has_baseline or facts.derive != "value" or facts.scale != "continuous":
        return rows
    name, week = baseline
    first = data.drop_duplicates(keys)
    before = first[[*keys, "arm"]].assign(visit=name, week=week, value=first["baseline"])
    visits = [name, *rows["visit"].cat.categories]
    together = pd.concat([before, rows.assign(visit=rows["visit"].astype(str))], ignore_index=True)
    together["visit"] = pd.Categorical(together["visit"], visits, ordered=True)
    together["arm"] = pd.Categorical(together["arm"], data["arm"].cat.categories)
    return together[columns]


def add_observed(rows: pd.DataFrame, facts: EndpointFacts, out: ResultsBuilder) -> None:
    """Describe the outcome of each arm at each visit, under "<analysis>/observed"."""
    for visit, group in rows.groupby("visit", observed=False, sort=True):
        missing = int(group["value"].isna().sum())
        out.add_all({"expected": len(group), "missing": missing}, visit=str(visit), arm="")
    for (visit, arm), group in rows.groupby(["visit", "arm"], observed=False, sort=True):
        known = group[group["value"].notna()]
        address = {"visit": str(visit), "arm": str(arm)}
        out.add_all({"expected": len(group), "n": len(known), "missing": len(group) - len(known)}, **address)
        out.add("missing_proportion", 1 - len(known) / len(group) if len(group) else None, **address)
        out.add("patients", int(known["patient"].nunique()), **address)
        if "week" in known and len(known):
            out.add("week", float(group["week"].median()), **address)
        if facts.scale == "continuous":
            out.add_all(mean_and_interval(known), **address)
        elif facts.scale == "ordinal":
            _add_grades(known, facts.grades or (), address, out)
        else:
            out.add_all(share_and_interval(known), **address)


def mean_and_interval(known: pd.DataFrame, level: float = LEVEL) -> dict[str, float | None]:
    """Return mean, SD and the t interval of the mean.

    Where a patient gave several values (lesions of one arm), the interval rests on the patients' means, since
    values of a patient are not independent; mean and SD are of all values.
    """
    values = known["value"].astype(float)
    summary: dict[str, float | None] = dict.fromkeys(("mean", "sd", "median", "conf_low", "conf_high"))
    if not len(values):
        return summary
    summary["mean"], summary["median"] = float(values.mean()), float(values.median())
    if len(values) > 1:
        summary["sd"] = float(values.std(ddof=1))
    several = known["patient"].duplicated().any()
    by_patient = known.groupby("patient", sort=False)["value"].mean() if several else values
    if len(by_patient) > 1:
        error = float(by_patient.std(ddof=1)) / np.sqrt(len(by_patient))
        reach = float(stats.t.ppf((1 + level) / 2, len(by_patient) - 1)) * error
        centre = float(by_patient.mean())
        summary["conf_low"], summary["conf_high"] = centre - reach, centre + reach
    return summary


def share_and_interval(known: pd.DataFrame, level: float = LEVEL) -> dict[str, float | int | None]:
    """Return number and proportion of responders, and Wilson's interval at the effective number of values.

    Values of a patient (lesions of one arm) are not independent. Their effective number is that of independent values
    with the variance that the proportion has as a ratio over patients, and never above their number; where all values
    are alike, which says nothing of that variance, it is the number of patients.
    """
    n, events = len(known), int((known["value"] == 1).sum())
    summary: dict[str, float | int | None] = {"responders": events, "proportion": None}
    if n:
        share = events / n
        size = _effective_number(known, share)
        z2 = float(stats.norm.ppf((1 + level) / 2)) ** 2
        centre = (share + z2 / (2 * size)) / (1 + z2 / size)
        reach = np.sqrt(z2 * (share * (1 - share) / size + z2 / (4 * size**2))) / (1 + z2 / size)
        low, high = max(0.0, centre - reach), min(1.0, centre + reach)
        summary |= {
            "proportion": share,
            "conf_low": low if events else 0.0,
            "conf_high": high if events < n else 1.0,
        }
    return summary


def _effective_number(known: pd.DataFrame, share: float) -> float:
    """Return how many independent values would know as much of a proportion."""
    by_patient = (
        (known["value"] == 1).astype(float).groupby(known["patient"], sort=False).agg(["sum", "size"])
    )
    n, patients = len(known), len(by_patient)
    if patients == n:
        return float(n)
    if share in (0.0, 1.0) or patients < 2:
        return float(patients)
    apart = by_patient["sum"] - share * by_patient["size"]
    variance = patients / (patients - 1) * float((apart**2).sum()) / n**2
    return min(float(n), share * (1 - share) / variance) if variance > 0 else float(n)


def _add_grades(
    known: pd.DataFrame, grades: tuple[str, ...], address: Mapping[str, str], out: ResultsBuilder
) -> None:
    labels = grade_labels(known["value"], grades)
    for grade in grades:
        count = int((labels == grade).sum())
        out.add("count", count, level=grade, **address)
        out.add("proportion", count / len(known) if len(known) else None, level=grade, **address)
    if len(known):
        out.add("median", float(pd.Series(pd.Categorical(labels, grades).codes).median()), **address)


def grade_labels(values: pd.Series, grades: tuple[str, ...]) -> pd.Series:
    """Return grades as labels, whether they are stored as such or as positions from 0."""
    if isinstance(values.dtype, pd.CategoricalDtype) or not pd.api.types.is_numeric_dtype(values.dtype):
        return values.astype(str)
    return values.map(lambda code: grades[int(code)]).astype(str)
