"""Is one effect enough for all thresholds? Likelihood-ratio tests against partly non-proportional models.

For each term the model is fitted again with an effect of the term's columns at every threshold (Peterson B &
Harrell FE 1990, Appl Stat 39:205), as ``ordinal::nominal_test`` does. Where that model separates, its likelihood
has no maximum, and the answer is "not testable" with the reason.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import nan
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from analyses.cumulative_link import LINKS, maximise, rows_of_model
from analyses.separation import diverging_parameters

if TYPE_CHECKING:
    from analyses.ordinal import OrdinalFit

__all__ = ["proportional_odds_test"]

NOT_TESTABLE = "not testable"


def proportional_odds_test(fit: OrdinalFit, alpha: float = 0.05) -> pd.DataFrame:
    """Test whether each term has the same effect at every threshold.

    Parameters
    ----------
    fit : OrdinalFit
        The proportional model.
    alpha : float
        Level at which `answer` calls the assumption contradicted.

    Returns
    -------
    DataFrame
        A row a term: ``term, df, loglik, statistic, p_value, answer``. The statistic is twice the gain in
        log-likelihood; `answer` is "not contradicted", "contradicted", or "not testable" with the reason.
    """
    rows = [_test_term(fit, term, at, alpha) for term, at in _terms(fit)]
    return pd.DataFrame(rows, columns=["term", "df", "loglik", "statistic", "p_value", "answer"])


def _terms(fit: OrdinalFit) -> Iterator[tuple[str, NDArray[np.intp]]]:
    """Every term but the intercept, with the positions of its columns among the model's effects."""
    for term, columns in fit.frame.spec.term_indices.items():
        at = np.flatnonzero(np.isin(fit.kept, list(columns)))
        if len(at):
            yield str(term), at


def _test_term(fit: OrdinalFit, term: str, at: NDArray[np.intp], alpha: float) -> dict[str, Any]:
    thresholds = len(fit.grades) - 1
    df = len(at) * (thresholds - 1)
    row: dict[str, Any] = {"term": term, "df": df, "loglik": nan, "statistic": nan, "p_value": nan}
    if thresholds == 1:
        return row | {"answer": f"{NOT_TESTABLE}: two grades have one threshold only"}
    grades = np.searchsorted(np.unique(fit.frame.y), fit.frame.y).astype(np.intp)
    x = fit.frame.x[:, fit.kept]
    others = np.setdiff1d(np.arange(x.shape[1]), at)
    nominal = np.column_stack([np.ones(len(x)), x[:, at]])
    rows = rows_of_model(grades, len(fit.grades), x[:, others], nominal)
    diverging = diverging_parameters(rows)
    if len(diverging):
        names = _parameter_names(fit, at, others)
        of_term = [position for position in diverging if 0 <= position - thresholds < len(at) * thresholds]
        more = f" and {len(diverging) - 1} more" if len(diverging) > 1 else ""
        return row | {
            "answer": f"{NOT_TESTABLE}: with an effect at each threshold the grades separate "
            f"(no finite estimate of {names[(of_term or list(diverging))[0]]}{more})"
        }
    beta = fit.psi[thresholds:]
    start = np.concatenate([fit.psi[:thresholds], np.repeat(-beta[at], thresholds), beta[others]])
    optimum = maximise(start, rows, LINKS[fit.link])
    if not optimum.convergence.converged:
        return row | {
            "answer": f"{NOT_TESTABLE}: the model with an effect at each threshold has {optimum.convergence}"
        }
    statistic = max(0.0, 2 * (optimum.value.loglik - fit.loglik))
    p_value = float(stats.chi2.sf(statistic, df))
    return row | {
        "loglik": optimum.value.loglik,
        "statistic": statistic,
        "p_value": p_value,
        "answer": "contradicted" if p_value < alpha else "not contradicted",
    }


def _parameter_names(fit: OrdinalFit, at: NDArray[np.intp], others: NDArray[np.intp]) -> list[str]:
    effects = [fit.frame.columns[column] for column in fit.kept]
    by_threshold = [
        f"{name} at {cut}" for name in (effects[position] for position in at) for cut in fit.thresholds
    ]
    return [*fit.thresholds, *by_threshold, *(effects[position] for position in others)]
