"""Likelihood-ratio tests and information criteria of models of the same data.

For nested models ``chi2 = 2 (l_large - l_small)`` is referred to chi-squared with the difference of the numbers of
parameters as degrees of freedom. Where the smaller model sets one variance to zero, which is the end of the parameter
space, and k covariances with it (those with the k effects that the term already has), the reference is the mixture
``(chi2_k + chi2_{k+1}) / 2`` (Self and Liang 1987, case 5; Stram and Lee 1994, cases 1 to 3); f fixed effects tested at
the same time add f to both. Where it sets more variances to zero the mixture's weights depend on the design, and
plain chi-squared is conservative: the table says so.

Restricted likelihoods are of contrasts that the fixed effects leave out. They compare only between models whose fixed
effects span the same columns, and are then brought to the same columns, since ``log|X'V^-1 X|`` depends on the coding.

``AICc = -2 l + 2 q n / (n - q - 1)`` (Hurvich and Tsai 1989), see `analyses.MixedModelFit.aicc`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import scipy

from analyses.display.html_tables import Cell, HtmlView, number_table, p_value_text, to_html
from analyses.examine.nesting import find_nesting, spans
from outcomes.errors import ModelError

if TYPE_CHECKING:
    from analyses.mixed_model_fit import MixedModelFit

NOT_LOWER = 1e-6
"""Log-likelihood by which a larger model may lie below a smaller one through rounding."""

HEADINGS = {
    "model": "Model",
    "n_parameters": "Parameters",
    "loglik": "Log-likelihood",
    "aic": "AIC",
    "aicc": "AICc",
    "bic": "BIC",
    "chi2": "Chi-squared",
    "df": "df",
}
"""Column names of the table as a notebook shows it."""


@dataclass(frozen=True, slots=True)
class ModelComparison:
    """Models of the same data side by side.

    Attributes
    ----------
    table
        DataFrame, a row a model in the order given: ``model, n_parameters, loglik, aic, aicc, bic``, and of the test
        against the row before it ``chi2, df, p_value, reference``. ``df`` is the difference of the numbers of
        parameters; ``reference`` names the distribution that p comes from.
    formulas
        The models as written, by name.
    notes
        What a reader must know of the tests.
    """

    table: pd.DataFrame
    formulas: dict[str, str]
    notes: tuple[str, ...]

    def __str__(self) -> str:
        lines = [f"{name}: {formula}" for name, formula in self.formulas.items()]
        return "\n".join([*lines, self.table.to_string(index=False), *self.notes])

    def _repr_html_(self) -> str:
        tests = [
            (Cell(p_value_text(float(p)), "number"), Cell(str(reference), "label"))
            for p, reference in zip(self.table["p_value"], self.table["reference"], strict=True)
        ]
        numbers = number_table(
            "Models of the same data, each tested against the one above it",
            self.table.drop(columns=["p_value", "reference"]),
            1,
            HEADINGS,
        )
        rows = tuple((*row, *more) for row, more in zip(numbers.rows, tests, strict=False))
        table = replace(numbers, columns=(*numbers.columns, "p", "Reference distribution"), rows=rows)
        facts = tuple(self.formulas.items())
        return to_html(
            HtmlView("Comparison of models", facts, (table,), notes=self.notes, facts_caption="Models")
        )


def compare_models(
    *fits: MixedModelFit, names: Sequence[str] | None = None, test: bool = True
) -> ModelComparison:
    """Compare models of the same data, each with the one before it.

    Parameters
    ----------
    *fits
        Two or more fits, from the smallest to the largest model.
    names
        A name for each; None for Model 1, Model 2, ...
    test
        Whether to test each model against the one before it, which must be nested in it. Without it only information
        criteria are given, for models that are not nested.

    Returns
    -------
    ModelComparison

    Raises
    ------
    ModelError
        Where the models are not of the same rows, responses and weights; mix REML with ML; are REML fits whose fixed
        effects span different columns (refit by ``fit.refit(reml=False)``); did not converge; or are not nested.
    """
    labels = _labels(fits, names)
    for before, after, name in zip(fits, fits[1:], labels[1:], strict=False):
        _comparable(before, after, name)
    logliks = np.array([_comparable_loglik(fit, fits[0]) for fit in fits])
    rows: list[dict[str, object]] = []
    notes: list[str] = []
    for at, (fit, name, loglik) in enumerate(zip(fits, labels, logliks, strict=True)):
        shift = 2 * (fit.loglik - loglik)
        row: dict[str, object] = {
            "model": name,
            "n_parameters": fit.n_covariance_parameters + len(fit.beta),
            "loglik": loglik,
            "aic": fit.aic + shift,
            "aicc": fit.aicc + shift,
            "bic": fit.bic + shift,
            "chi2": np.nan,
            "df": np.nan,
            "p_value": np.nan,
            "reference": "",
        }
        if at and test:
            found, note = _test(fits[at - 1], fit, float(loglik - logliks[at - 1]), name)
            row |= found
            notes += [f"{name}: {note}"] if note else []
        rows.append(row)
    if fits[0].reml:
        notes.append("Restricted log-likelihoods: criteria count covariance parameters only.")
    return ModelComparison(
        pd.DataFrame(rows), {name: fit.formula for name, fit in zip(labels, fits, strict=True)}, tuple(notes)
    )


def _labels(fits: Sequence[MixedModelFit], names: Sequence[str] | None) -> list[str]:
    from analyses.mixed_model_fit import MixedModelFit

    wrong = [fit for fit in fits if not isinstance(fit, MixedModelFit)]
    if len(fits) < 2 or wrong:
        raise ModelError(
            "a comparison needs two fits or more",
            expected="fits of fit_mixed_model",
            got=f"{type(wrong[0]).__name__}" if wrong else f"{len(fits)}",
        )
    labels = (
        [f"Model {at + 1}" for at in range(len(fits))] if names is None else [str(name) for name in names]
    )
    if len(labels) != len(fits) or len(set(labels)) != len(labels):
        raise ModelError("each model needs a name of its own", expected=f"{len(fits)} names", got=repr(names))
    return labels


def _comparable(before: MixedModelFit, after: MixedModelFit, name: str) -> None:
    """Refuse models whose likelihoods are not of the same data."""
    for fit in (before, after):
        if not fit.converged:
            raise ModelError(
                "a fit that did not converge cannot be compared",
                got=fit.convergence.sentence,
                where=fit.formula,
            )
    one, two = before.frame, after.frame
    if before.reml != after.reml:
        raise ModelError(
            "one model is fitted by REML and the other by ML",
            expected="the same for all",
            where=name,
            hint="fit.refit(reml=False)",
        )
    same_rows = len(one.y) == len(two.y) and one.data.index.equals(two.data.index)
    if not (same_rows and np.array_equal(one.kept, two.kept)):
        raise ModelError(
            "the models are fitted to different rows",
            expected=f"the {len(one.y)} rows of the model before",
            got=f"{len(two.y)} rows",
            where=name,
            hint="a variable of one model has missing values: leave these rows out of the data of both",
        )
    if not np.allclose(one.y, two.y, rtol=1e-12, atol=0) or not np.allclose(
        one.weights, two.weights, rtol=1e-12
    ):
        raise ModelError(
            "the models are not of the same response and weights",
            expected=one.formula.response,
            got=two.formula.response,
            where=name,
        )
    if before.reml and not (spans(before, after) and spans(after, before)):
        raise ModelError(
            "REML likelihoods of models with different fixed effects cannot be compared",
            expected=f"the fixed effects {', '.join(before.term_names)}",
            got=", ".join(after.term_names),
            where=name,
            hint="refit both by maximum likelihood: fit.refit(reml=False)",
        )


def _comparable_loglik(fit: MixedModelFit, first: MixedModelFit) -> float:
    """Log-likelihood; a restricted one in the coding of the first model's columns."""
    if not fit.reml:
        return fit.loglik
    return fit.loglik + first.standard.log_determinant - fit.standard.log_determinant


def _test(
    small: MixedModelFit, large: MixedModelFit, rise: float, name: str
) -> tuple[dict[str, object], str]:
    """Test of a model against a smaller one, and a note on it."""
    nesting = find_nesting(small, large)
    if nesting is None or nesting.df < 1 or rise < -NOT_LOWER:
        raise ModelError(
            "the model before is not nested in this one",
            expected="each model a special case of the one after it, from the smallest to the largest",
            got=f"{small.formula!r} before {large.formula!r}, whose log-likelihood is {rise:+.4g} of it",
            where=name,
            hint="change their order, or pass test=False for information criteria alone",
        )
    statistic, df = max(2 * rise, 0.0), nesting.df
    note = (
        "" if nesting.sure else "no rule here says that the model before is nested in it; judge it yourself."
    )
    weights = {df: 1.0}
    if nesting.variances == 1:
        weights = {df - 1: 0.5, df: 0.5}
    elif nesting.variances > 1:
        note = f"{nesting.variances} variances are tested at zero, so that p is conservative (too large)."
    p_value = sum(weight * _tail(statistic, at) for at, weight in weights.items())
    reference = " + ".join(f"{w:g} chi2({at})" if w < 1 else f"chi2({at})" for at, w in weights.items())
    return {"chi2": statistic, "df": df, "p_value": p_value, "reference": reference}, note


def _tail(statistic: float, df: int) -> float:
    """P(chi-squared with df >= statistic); df of zero is a mass at zero."""
    return float(scipy.stats.chi2.sf(statistic, df)) if df else float(statistic <= 0)
