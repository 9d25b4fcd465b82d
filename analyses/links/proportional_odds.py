"""Is one effect enough for all thresholds? Likelihood-ratio tests against partly non-proportional models.

For each term the model is fitted again with an effect of the term's columns at every threshold (Peterson B &
Harrell FE 1990, Appl Stat 39:205), as ``ordinal::nominal_test`` does; with random effects the marginal
likelihoods at the same quadrature are compared. Where that model separates, its likelihood has no maximum, and the
answer is "not testable" with the reason.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import nan
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import scipy
from numpy.typing import NDArray

from outcomes.errors import ConvergenceError

if TYPE_CHECKING:
    from analyses.links.ordinal_fit import OrdinalFit

__all__ = ["proportional_odds_test"]

NOT_TESTABLE = "not testable"


def proportional_odds_test(fit: OrdinalFit, alpha: float = 0.05) -> pd.DataFrame:
    """Test whether each term has the same effect at every threshold.

    Parameters
    ----------
    fit : OrdinalFit
        The proportional model, or one that is so in part.
    alpha : float
        Level at which `answer` calls the assumption contradicted.

    Returns
    -------
    DataFrame
        A row a term: ``term, df, loglik, statistic, p_value, answer``. The statistic is twice the gain in
        log-likelihood; `answer` is "not contradicted", "contradicted", or "not testable" with the reason.
    """
    rows = [_test_term(fit, term, columns, alpha) for term, columns in _terms(fit)]
    return pd.DataFrame(rows, columns=["term", "df", "loglik", "statistic", "p_value", "answer"])


def _terms(fit: OrdinalFit) -> Iterator[tuple[str, NDArray[np.intp]]]:
    """Every term with one effect over the thresholds, with the positions of its columns in the design."""
    for term, columns in fit.frame.spec.term_indices.items():
        mine = fit.located[np.isin(fit.located, list(columns))]
        if len(mine):
            yield str(term), mine


def _test_term(fit: OrdinalFit, term: str, columns: NDArray[np.intp], alpha: float) -> dict[str, Any]:
    from analyses.ordinal import fit_grades

    parameters = fit.thresholds_of.matrix.shape[1]
    df = len(columns) * (parameters - 1)
    row: dict[str, Any] = {"term": term, "df": df, "loglik": nan, "statistic": nan, "p_value": nan}
    if len(fit.thresholds) == 1:
        return row | {"answer": f"{NOT_TESTABLE}: two grades have one threshold only"}
    nominal = np.concatenate([fit.nominal, columns])
    try:
        freer = fit_grades(fit.frame, fit.labels, fit.link, fit.threshold, nominal, fit.quadrature)
    except ConvergenceError as error:
        reason = str(error.got)
        named = reason.removeprefix("infinite estimates of ").split(", ")
        of_term = [name for name in named if any(fit.frame.columns[at] in name for at in columns)]
        more = f" and {len(named) - 1} more" if len(named) > 1 else ""
        return row | {
            "answer": f"{NOT_TESTABLE}: with an effect at each threshold the grades separate "
            f"(no finite estimate of {(of_term or named)[0]}{more})"
        }
    if not freer.converged:
        return row | {
            "answer": f"{NOT_TESTABLE}: with an effect at each threshold: {freer.convergence.sentence}"
        }
    statistic = max(0.0, 2 * (freer.loglik - fit.loglik))
    p_value = float(scipy.stats.chi2.sf(statistic, df))
    return row | {
        "loglik": freer.loglik,
        "statistic": statistic,
        "p_value": p_value,
        "answer": "contradicted" if p_value < alpha else "not contradicted",
    }
