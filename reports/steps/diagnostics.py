"""How well the primary model fits: standardised residuals, their spread by arm and visit, and the largest of them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from reports.results import ResultsBuilder
from reports.steps.continuous import ContinuousModel

LARGE = 3.0
"""A standardised residual beyond this many standard deviations is counted as large."""


def standardised_residuals(model: ContinuousModel) -> pd.DataFrame:
    """Return ``arm, visit, fitted, residual``: residuals over the standard deviation that the model gives each row."""
    return pd.DataFrame(
        {
            "arm": model.used["arm"].astype(str).to_numpy(),
            "visit": model.used["visit"].astype(str).to_numpy(),
            "fitted": np.asarray(model.fit.fitted, dtype=float),
            "residual": np.asarray(model.fit.residuals("pearson"), dtype=float),
        }
    )


def add_diagnostics(model: ContinuousModel, arms: Mapping[str, object], out: ResultsBuilder) -> None:
    """Write the residuals' spread by arm and visit, which should be near 1, their shape, and how many are large."""
    residuals = standardised_residuals(model)
    values = residuals["residual"]
    scope = out.scope(method="residuals over the model's standard deviation", visit="")
    scope.add_all(
        {
            "n": len(values),
            "sd": values.std(ddof=1),
            "skewness": values.skew(),
            "excess_kurtosis": values.kurt(),
            "largest": values.abs().max(),
            "beyond_3": int((values.abs() > LARGE).sum()),
        }
    )
    for visit in residuals["visit"].drop_duplicates():
        for arm in arms:
            group = values[(residuals["arm"] == arm) & (residuals["visit"] == visit)]
            if len(group) > 1:
                scope.add("sd", group.std(ddof=1), arm=arm, visit=visit)
