"""What other programs are asked: the rows, the design and the comparisons of the primary model, and our own answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analyses.formula import MixedFormula
from outcomes import Trial
from outcomes.endpoint import EndpointFacts
from outcomes.protocol import Analysis

Array = NDArray[np.float64]

SUFFIX = "second opinion"
"""Suffix of the analysis that holds the answers of all programs."""

OURS = "tandem"
"""The name of our own answer among those of the programs."""

NUMBERS = ("estimate", "std_error", "df", "conf_low", "conf_high", "p_value")


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """What a program found.

    Attributes
    ----------
    program, version
        Which.
    table
        A row a comparison, in the order of the problem: `NUMBERS`.
    loglik
        Log-likelihood, restricted where ours is.
    adjusted
        Whether its standard errors are adjusted as ours (Kenward-Roger), or those of the model.
    note
        What a reader must know.
    """

    program: str
    version: str
    table: pd.DataFrame
    loglik: float
    adjusted: bool = False
    note: str = ""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a program gave no answer: it cannot express the model, is not there, failed, or took too long."""

    program: str
    reason: str


@dataclass(frozen=True, slots=True, eq=False)
class Problem:
    """The primary model, ready for another program.

    Attributes
    ----------
    kind
        What the model is of.
    formula
        Its covariance and random terms.
    x
        Columns of the design that have effects of their own, shape (n, p).
    y
        Response, shape (n,); grades as positions.
    data
        The rows used, for subjects and coordinates.
    contrasts
        Names of the comparisons.
    rows
        The comparisons as functions of the effects, shape (k, p); positive is benefit.
    ours
        Our own answer.
    model_errors
        Our standard errors without adjustment, shape (k,).
    alpha
        One minus the confidence level.
    df_method
        Ours.
    link, quadrature
        Of a model of grades or responders.
    """

    kind: Literal["continuous", "ordinal", "binary"]
    formula: MixedFormula
    x: Array
    y: Array
    data: pd.DataFrame
    contrasts: tuple[str, ...]
    rows: Array
    ours: Answer
    model_errors: Array
    alpha: float
    df_method: str = ""
    link: str = ""
    quadrature: int = 1

    @property
    def intercept(self) -> int | None:
        """Position of the column of ones, or None where there is none."""
        ones = np.flatnonzero(np.all(self.x == 1.0, axis=0))
        return int(ones[0]) if len(ones) else None

    def subject(self, names: tuple[str, ...]) -> pd.Series:
        """Return a label for each row's unit of a subject."""
        columns = [self.data[name].astype(str) for name in names]
        joined = columns[0]
        for column in columns[1:]:
            joined = joined + "\x1f" + column
        return pd.Series(pd.factorize(joined)[0], index=self.data.index)


def make_problem(
    trial: Trial, analysis: Analysis, facts: EndpointFacts, fit: Any, at: dict[str, Any]
) -> Problem | None:
    """Return the comparisons of a fitted model as a problem; None where it has none that is estimable."""
    from analyses import marginal_means
    from analyses.claims.verdict_words import contrast_name

    sign = 1.0 if facts.higher_is_better else -1.0
    arms = trial.protocol.arms
    levels = set(map(str, fit.frame.data["arm"].unique()))
    pairs = [
        (label, part) for label in arms.combinations for part in arms.parts(label) if {label, part} <= levels
    ]
    if not pairs:
        return None
    weights = {
        contrast_name(label, part, facts.higher_is_better): {label: sign, part: -sign}
        for label, part in pairs
    }
    means = marginal_means(fit, "arm", at=at or None, weights="proportional")
    alpha = analysis.alpha if analysis.sided == 2 else 2 * analysis.alpha
    rows = np.asarray(means.contrast(weights, alpha=alpha).rows, dtype=float)
    kept = np.flatnonzero(fit.estimable(rows))
    if not len(kept):
        return None
    rows, names = rows[kept], tuple(list(weights)[place] for place in kept)
    table = fit.estimates(rows, alpha=alpha)
    continuous = facts.scale == "continuous"
    ours = Answer(OURS, _version(), table.loc[:, list(NUMBERS)], float(fit.loglik), adjusted=True)
    return Problem(
        kind=facts.scale,
        formula=fit.frame.formula,
        x=np.asarray(fit.frame.x[:, fit.standard.kept], dtype=float),
        y=np.asarray(fit.frame.y, dtype=float),
        data=fit.frame.data,
        contrasts=names,
        rows=rows,
        ours=ours,
        model_errors=_model_errors(fit, rows) if continuous else table["std_error"].to_numpy(dtype=float),
        alpha=alpha,
        df_method=fit.df_method if continuous else "",
        link="" if continuous else fit.link,
        quadrature=1 if continuous else fit.quadrature,
    )


def _model_errors(fit: Any, rows: Array) -> Array:
    matrix = fit.vcov_model.to_numpy()
    errors: Array = np.sqrt(np.einsum("kp,pq,kq->k", rows, matrix, rows))
    return errors


def _version() -> str:
    from outcomes._version import __version__

    return __version__
