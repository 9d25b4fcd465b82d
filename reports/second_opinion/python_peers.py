"""statsmodels' own models, where they can express the primary one."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from reports.second_opinion.problem import Answer, Problem, Refusal


def mixed_lm(problem: Problem) -> Answer | Refusal:
    """Fit statsmodels' MixedLM: random intercepts, one within another, and independent errors."""
    program = "statsmodels MixedLM"
    formula = problem.formula
    note = ""
    subjects = [term.subject for term in formula.random]
    if formula.residual is not None:
        only = formula.residual.factors[0]
        if formula.random or formula.residual.group or len(formula.residual.factors) > 1:
            return Refusal(program, "cannot express this model: its residual covariance")
        if only.structure != "cs":
            return Refusal(
                program, f"cannot express this model: the residual covariance {formula.residual.text}"
            )
        subjects = [formula.residual.subject]
        note = "Compound symmetry as a random intercept, which cannot be negative."
    elif not subjects or any(term.design.strip() != "1" for term in formula.random):
        return Refusal(program, "cannot express this model: random effects other than intercepts")
    subjects.sort(key=len)
    nested = all(set(subjects[0]) <= set(other) for other in subjects)
    if len(subjects) > 2 or not nested:
        return Refusal(program, "cannot express this model: subjects that are not one within another")

    def fit() -> tuple[Any, float]:
        from statsmodels.regression.mixed_linear_model import MixedLM

        names = [f"x{place}" for place in range(problem.x.shape[1])]
        frame = pd.DataFrame(problem.x, columns=names).assign(y=problem.y)
        frame["outer"] = problem.subject(subjects[0]).to_numpy()
        inner = None
        if len(subjects) == 2:
            frame["inner"] = problem.subject(subjects[1]).to_numpy()
            inner = {"inner": "0 + C(inner)"}
        model = MixedLM.from_formula(
            f"y ~ 0 + {' + '.join(names)}", frame, groups="outer", re_formula="1", vc_formula=inner
        )
        # Its default, L-BFGS, stops with an error where a step leaves the variances that are possible.
        found = model.fit(reml=True, method=["powell", "bfgs"])
        return found, float(found.llf)

    return _asked(program, problem, fit, lambda found: found.fe_params.to_numpy(), note, slice(None))


def ordered_model(problem: Problem) -> Answer | Refusal:
    """Fit statsmodels' OrderedModel: a cumulative logit model without random effects."""
    program = "statsmodels OrderedModel"
    if problem.formula.random:
        return Refusal(program, "cannot express this model: random effects")
    if problem.link != "logit":
        return Refusal(program, f"is not asked about the link {problem.link}")

    def fit() -> tuple[Any, float]:
        from statsmodels.miscmodels.ordinal_model import OrderedModel

        codes = pd.Categorical(problem.y, ordered=True)
        model = OrderedModel(pd.Series(codes), _without_intercept(problem), distr="logit")
        found = model.fit(method="bfgs", maxiter=1000, gtol=1e-8, disp=False)
        return found, float(found.llf)

    width = problem.x.shape[1] - (problem.intercept is not None)
    return _asked(program, problem, fit, lambda found: np.asarray(found.params)[:width], "", slice(width))


def binomial_glm(problem: Problem) -> Answer | Refusal:
    """Fit statsmodels' GLM: a logistic model without random effects."""
    program = "statsmodels GLM"
    if problem.formula.random:
        return Refusal(program, "cannot express this model: random effects")
    if problem.link != "logit":
        return Refusal(program, f"is not asked about the link {problem.link}")

    def fit() -> tuple[Any, float]:
        import statsmodels.api

        found = statsmodels.api.GLM(problem.y, problem.x, family=statsmodels.api.families.Binomial()).fit(
            tol=1e-12
        )
        return found, float(found.llf)

    return _asked(program, problem, fit, lambda found: np.asarray(found.params), "", slice(None))


def _without_intercept(problem: Problem) -> np.ndarray[Any, Any]:
    if problem.intercept is None:
        return problem.x
    return np.delete(problem.x, problem.intercept, axis=1)


def _asked(
    program: str,
    problem: Problem,
    fit: Callable[[], tuple[Any, float]],
    effects: Callable[[Any], Any],
    note: str,
    place: slice,
) -> Answer | Refusal:
    """Fit and read the comparisons; what goes wrong is told in words."""
    from statsmodels.tools.sm_exceptions import PerfectSeparationError, PerfectSeparationWarning

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", PerfectSeparationWarning)
            found, loglik = fit()
    except (PerfectSeparationError, PerfectSeparationWarning):
        return Refusal(program, "did not find a maximum: the responses separate")
    except (ValueError, np.linalg.LinAlgError, ArithmeticError) as error:
        return Refusal(program, f"failed: {_first_line(error)}")
    converged = getattr(found, "converged", None)
    if converged is None:
        converged = found.mle_retvals["converged"]
    if not converged:
        return Refusal(program, "did not converge")
    beta = np.asarray(effects(found), dtype=float)
    covariance = np.asarray(found.cov_params(), dtype=float)[place, place][: len(beta), : len(beta)]
    rows = problem.rows
    if len(beta) < rows.shape[1] and problem.intercept is not None:
        rows = np.delete(rows, problem.intercept, axis=1)
    estimate = rows @ beta
    variance = np.einsum("kp,pq,kq->k", rows, covariance, rows)
    if not (np.all(np.isfinite(estimate)) and np.all(variance > 0)):
        return Refusal(program, "has no standard errors for these comparisons")
    return Answer(
        program,
        version("statsmodels"),
        wald_table(estimate, np.sqrt(variance), problem.alpha),
        loglik,
        note=note,
    )


def wald_table(estimate: Any, error: Any, alpha: float) -> pd.DataFrame:
    """Return estimates with normal intervals and p-values."""
    reach = stats.norm.isf(alpha / 2) * error
    return pd.DataFrame(
        {
            "estimate": estimate,
            "std_error": error,
            "df": np.full(len(estimate), np.inf),
            "conf_low": estimate - reach,
            "conf_high": estimate + reach,
            "p_value": 2 * stats.norm.sf(np.abs(estimate / error)),
        }
    )


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
