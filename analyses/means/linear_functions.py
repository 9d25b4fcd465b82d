"""Linear functions of a fit's coefficients: estimates, correlations, joint tests, and why one is not estimable."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import linalg

from analyses.design.model_frame import ModelFrame
from analyses.engine.optimise import Convergence
from analyses.inference import COLUMNS, f_table
from analyses.mixed_model_fit import MixedModelFit

Array = NDArray[np.float64]

NEGLIGIBLE = 1e-8
"""Size, over that of the function, below which dependence on an aliased column is rounding."""


class Columns(Protocol):
    """Positions of the design's columns that have coefficients."""

    @property
    def kept(self) -> NDArray[np.intp]:
        """Positions, shape (p,)."""
        ...


class FittedModel(Protocol):
    """What marginal means need of a fit."""

    @property
    def frame(self) -> ModelFrame:
        """The rows used, their design and its encoding."""
        ...

    @property
    def standard(self) -> Columns:
        """The columns with coefficients."""
        ...

    @property
    def formula(self) -> str:
        """The formula as written."""
        ...

    @property
    def converged(self) -> bool:
        """Whether the optimum was reached."""
        ...

    @property
    def convergence(self) -> Convergence:
        """How the search ended."""
        ...

    @property
    def aliased(self) -> tuple[str, ...]:
        """Columns without a coefficient, since they depend on others."""
        ...

    def estimates(self, rows: ArrayLike, alpha: float = 0.05, null: float = 0.0) -> pd.DataFrame:
        """Tests of linear functions of the coefficients."""
        ...

    def estimable(self, rows: Array) -> NDArray[np.bool_]:
        """Whether functions of all columns are estimable."""
        ...

    def design_rows(self, new_data: pd.DataFrame) -> Array:
        """Rows of the full design for new data."""
        ...


def estimate_rows(fit: FittedModel, rows: Array, alpha: float = 0.05, null: float = 0.0) -> pd.DataFrame:
    """T tests of functions of all design columns, shape (k, columns); NaN where a function is not estimable."""
    kept = rows[:, fit.standard.kept].copy()
    table = fit.estimates(kept, alpha, null)
    table.loc[~fit.estimable(rows), list(COLUMNS)] = np.nan
    return table


def correlation(fit: FittedModel, rows: Array, std_error: Array) -> Array:
    """Correlation of estimable functions, shape (k, k), from the standard errors of their standardised sums.

    ``Var(a / s_a + b / s_b) = 2 + 2 rho`` asks of a fit no more than `FittedModel.estimates`, and uses whatever
    covariance (Kenward-Roger's, a sandwich) its tests use.

    Parameters
    ----------
    fit
        The model.
    rows
        Over all design columns, shape (k, columns).
    std_error
        Their standard errors, positive, shape (k,).
    """
    return _correlation(fit, rows[:, fit.standard.kept], std_error)


def _correlation(fit: FittedModel, kept: Array, std_error: Array) -> Array:
    count = len(kept)
    found = np.eye(count)
    first, second = np.triu_indices(count, 1)
    if len(first):
        scaled = kept / std_error[:, None]
        sums = fit.estimates(scaled[first] + scaled[second])["std_error"].to_numpy(dtype=float)
        found[first, second] = found[second, first] = np.clip(sums**2 / 2 - 1, -1.0, 1.0)
    return found


def dependence(fit: FittedModel, rows: Array) -> Array:
    """How far functions depend on aliased columns beyond what the others fix, shape (k, aliased columns).

    An aliased column is ``x_a = X c`` of the kept ones; a function with weights l is estimable where
    ``l_a = c'l`` for each of them.
    """
    kept = np.asarray(fit.standard.kept)
    away = np.setdiff1d(np.arange(rows.shape[1]), kept)
    x = fit.frame.root
    size = np.sqrt((x**2).sum(axis=0))
    size = np.where(size > 0, size, 1.0)
    scaled = rows / size
    weights = np.linalg.lstsq(x[:, kept] / size[kept], x[:, away] / size[away], rcond=None)[0]
    found: Array = scaled[:, away] - scaled[:, kept] @ weights
    reach = NEGLIGIBLE * np.maximum(np.linalg.norm(scaled, axis=1, keepdims=True), 1e-300)
    found[np.abs(found) <= reach] = 0.0
    return found


def reasons(fit: FittedModel, rows: Array) -> list[str]:
    """Why each of some functions that are not estimable is not: a clause a row of shape (k, columns)."""
    if not len(rows):
        return []
    names = np.array(fit.aliased)
    return [
        f"depends on {', '.join(names[place != 0]) or ', '.join(names)}, "
        "which the data do not tell apart from other terms"
        for place in dependence(fit, rows)
    ]


def joint_test(fit: FittedModel, rows: Array) -> dict[str, float | str]:
    """F test that functions of all columns are zero together; what depends on others or is not estimable adds nothing.

    Of a Gaussian mixed model the test is `MixedModelFit.test`, with the numerator's Kenward-Roger or Satterthwaite
    denominator. Of other fits it is Wald's, with the smallest degrees of freedom of its rows.

    Returns
    -------
    dict
        ``num_df, den_df, statistic, p_value`` and a ``note``.
    """
    note = ""
    usable = rows
    bad = ~fit.estimable(rows)
    if bad.any():
        # Combinations of the rows may be estimable where the rows are not.
        usable = linalg.null_space(dependence(fit, rows).T).T @ rows
        note = f"{int(bad.sum())} of {len(rows)} contrasts not estimable; the test is of what is"
    kept = _independent(usable[:, fit.standard.kept])
    if not len(kept):
        nothing = dict.fromkeys(("den_df", "statistic", "p_value"), float("nan"))
        return {"num_df": 0.0, **nothing, "note": "not estimable" if bad.any() else "nothing to test"}
    found = fit.test(kept) if isinstance(fit, MixedModelFit) else _wald(fit, kept)
    if "num_df" not in found:  # one row: a t test
        one = found.iloc[0]
        found = f_table([float(one["statistic"]) ** 2], [1.0], [float(one["df"])])
    return {**{str(name): float(value) for name, value in found.iloc[0].items()}, "note": note}


def _independent(rows: Array) -> Array:
    """A maximal independent subset of rows, in their order."""
    if not rows.size or not np.abs(rows).max() > 0:
        return rows[:0]
    kept: list[int] = []
    basis = np.zeros((0, rows.shape[1]))
    size = np.linalg.norm(rows, axis=1)
    for at, row in enumerate(rows):
        rest = row - basis.T @ (basis @ row)
        rest = rest - basis.T @ (basis @ rest)
        length = np.linalg.norm(rest)
        if length > 1e-9 * size.max():
            kept.append(at)
            basis = np.vstack([basis, rest / length])
    return rows[kept]


def _wald(fit: FittedModel, rows: Array) -> pd.DataFrame:
    single = fit.estimates(rows)
    error = single["std_error"].to_numpy(dtype=float)
    z = single["estimate"].to_numpy(dtype=float) / error
    statistic = float(z @ np.linalg.solve(_correlation(fit, rows, error), z)) / len(rows)
    return f_table([statistic], [float(len(rows))], [float(single["df"].min())])
