"""Ask every program, and write all answers side by side as results."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from outcomes import Trial
from outcomes.errors import ModelError
from reports.results import ResultsBuilder
from reports.second_opinion.problem import NUMBERS, SUFFIX, Answer, Problem, Refusal, make_problem

if TYPE_CHECKING:
    from reports.analyse import AnalysedEndpoint


def second_opinions(trial: Trial, primary: AnalysedEndpoint, out: ResultsBuilder) -> None:
    """Fit the primary model again with other programs, and write every answer.

    Parameters
    ----------
    trial
        The trial.
    primary
        Its primary analysis, carried out.
    out
        Where the numbers go: under "<analysis>/second opinion", a level a program, a contrast a comparison;
        what a program could not do is a statement "refused" about it.

    Notes
    -----
    The programs get the same rows and the same columns of the design; estimates, covariance and tests are their own.
    No failure of theirs ends the report.
    """
    scope = out.scope(analysis=f"{primary.analysis.name}/{SUFFIX}")
    problem = _problem(trial, primary)
    if problem is None:
        scope.say("not_asked", "There is no model with comparisons that another program could fit.")
        return
    scope.say("model", problem.formula.text)
    scope.say("scale", "difference" if problem.kind == "continuous" else "log odds ratio")
    for answer in (problem.ours, *ask(problem)):
        if isinstance(answer, Refusal):
            scope.say("refused", answer.reason, subject=answer.program)
            continue
        _write(
            answer, problem, scope.scope(level=answer.program, method=f"{answer.program} {answer.version}")
        )


def ask(problem: Problem) -> list[Answer | Refusal]:
    """Return what statsmodels and R say."""
    from reports.second_opinion.python_peers import binomial_glm, mixed_lm, ordered_model
    from reports.second_opinion.r_peers import ask_r

    ours = {"continuous": mixed_lm, "ordinal": ordered_model, "binary": binomial_glm}[problem.kind]
    return [ours(problem), *ask_r(problem)]


def _problem(trial: Trial, primary: AnalysedEndpoint) -> Problem | None:
    """Return the primary model; of grades and responders, that which leads or stands beside."""
    if primary.model is not None:
        return make_problem(trial, primary.analysis, primary.facts, primary.model.fit, dict(primary.model.at))
    from reports.steps.categorical import answer_categorical

    try:
        found = answer_categorical(trial, primary.analysis, primary.facts, primary.data)
    except ModelError:
        return None
    if found.outcome.fit is None:
        return None
    return make_problem(trial, primary.analysis, primary.facts, found.outcome.fit, dict(found.choice.at))


def _write(answer: Answer, problem: Problem, scope: ResultsBuilder) -> None:
    """Write a program's numbers, and how far they lie from ours."""
    records = answer.table.to_dict("records")
    for name, record in zip(problem.contrasts, records, strict=True):
        scope.add_all({one: record[one] for one in NUMBERS}, contrast=name)
    scope.add("loglik", answer.loglik)
    scope.say("version", answer.version, subject=answer.program)
    if answer.note:
        scope.say("note", answer.note, subject=answer.program)
    if answer is problem.ours:
        return
    # Standard errors are compared with ours of the same kind: those of the model where the other has no adjustment.
    own = problem.ours.table["std_error"].to_numpy(dtype=float) if answer.adjusted else problem.model_errors
    estimates = np.abs(answer.table["estimate"].to_numpy() - problem.ours.table["estimate"].to_numpy())
    errors = np.abs(answer.table["std_error"].to_numpy(dtype=float) - own)
    scope.add("largest_difference", float(np.max(estimates)))
    scope.add("largest_difference_std_error", float(np.max(errors)))
    scope.add(
        "largest_difference_relative", float(np.max(np.concatenate([estimates, errors]) / np.tile(own, 2)))
    )
    if not math.isnan(answer.loglik):
        scope.add("difference_loglik", answer.loglik - problem.ours.loglik)
