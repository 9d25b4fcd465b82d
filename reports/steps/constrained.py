"""Constrained longitudinal analysis: the baseline is a response, with one mean for all arms.

Randomisation gives all arms the same mean before treatment: Liang & Zeger (2000, Sankhya B 62:134-148); Liu,
Lu, Mogg, Mallick & Mehrotra (2009, Statistics in Medicine 28:2509-2530). Against an analysis of change with
the baseline as a covariate it keeps patients who miss one of the two.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analyses.claims.verdict_words import contrast_name

COVARIANCES = ("us(visit | patient)", "toeph(visit | patient)", "csh(visit | patient)")
"""Covariances in the order in which they are tried. Random intercepts, one spread before and after treatment, are not
among them."""


@dataclass(frozen=True, slots=True)
class ConstrainedAnswer:
    """What the constrained model says.

    Attributes
    ----------
    contrasts
        Name of a contrast -> estimate, std_error, df, statistic, p_value, conf_low, conf_high.
    covariances
        Covariance terms that were tried, the one fitted last.
    n_patients
        Patients with a value that the model used, be it the baseline alone.
    """

    contrasts: dict[str, dict[str, float]]
    covariances: tuple[str, ...]
    n_patients: int


def constrained_contrasts(
    data: pd.DataFrame,
    *,
    arms: Sequence[str],
    pairs: Sequence[tuple[str, str]],
    visit: str,
    baseline: str,
    covariates: Sequence[str],
    df_method: str,
    higher_is_better: bool,
    alpha: float,
) -> ConstrainedAnswer:
    """Fit the constrained model and compare arms at one visit.

    Parameters
    ----------
    data
        Endpoint frame of a parallel trial, one row a patient and visit after baseline: ``patient, arm, visit,
        baseline, change`` in the measured unit, covariates.
    arms
        Labels, the first the reference of the model's columns.
    pairs
        Arms to compare.
    visit, baseline
        Names of the visit of interest and of the one before treatment.
    covariates
        Columns that enter with the same effect at every visit.
    df_method
        Of `fit_mixed_model`.
    higher_is_better
        Direction; contrasts are turned so that positive is benefit.
    alpha
        One minus the confidence level.

    Returns
    -------
    ConstrainedAnswer

    Raises
    ------
    ModelError
        Where the model cannot be fitted.
    """
    from analyses import fit_mixed_model

    visits = [str(level) for level in data["visit"].cat.categories]
    rows = stacked(data, baseline, covariates)
    effects: dict[tuple[str, str], str] = {}
    for place, arm in enumerate(arms[1:], start=1):
        for at, later in enumerate(visits):
            name = f"effect_{place}_{at}"
            effects[arm, later] = name
            rows[name] = ((rows["arm"] == arm) & (rows["visit"].astype(str) == later)).astype(float)
    fixed = " + ".join(["response ~ visit", *covariates, *effects.values()])
    fit = fit_mixed_model(
        f"{fixed} + {COVARIANCES[0]}",
        rows,
        df_method=df_method,
        on_failure="fallback",
        fallback=COVARIANCES[1:],
    )
    sign = 1.0 if higher_is_better else -1.0
    names = list(fit.term_names)
    weights = np.zeros((len(pairs), len(names)))
    for row, pair in enumerate(pairs):
        for arm, weight in zip(pair, (sign, -sign), strict=True):
            if arm != arms[0]:
                weights[row, names.index(effects[arm, visit])] += weight
    table = fit.estimates(weights, alpha)
    labels = [contrast_name(a, b, higher_is_better) for a, b in pairs]
    contrasts = {
        label: {str(key): float(value) for key, value in record.items()}
        for label, record in zip(labels, table.to_dict("records"), strict=True)
    }
    patients = int(rows.loc[fit.frame.data.index, "patient"].nunique())
    return ConstrainedAnswer(contrasts, COVARIANCES[: len(fit.walk)], patients)


def stacked(data: pd.DataFrame, baseline: str, covariates: Sequence[str]) -> pd.DataFrame:
    """Return the values with the baseline as first visit: ``patient, arm, visit, response``, covariates."""
    keep = ["patient", "arm", *covariates]
    later = data[[*keep, "visit"]].assign(response=data["baseline"] + data["change"])
    first = data.drop_duplicates("patient")
    before = first[keep].assign(visit=baseline, response=first["baseline"])
    visits = [baseline, *map(str, data["visit"].cat.categories)]
    rows = pd.concat([before, later.assign(visit=later["visit"].astype(str))], ignore_index=True)
    rows["visit"] = pd.Categorical(rows["visit"], visits)
    rows["arm"] = rows["arm"].astype(str)
    return rows
