"""What the protocol plans, tried on the data before any report: model formulas, and whether there is an answer."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from outcomes.errors import DesignError, FormulaError, ModelError, ProtocolError, TandemError
from outcomes.plural import counted

if TYPE_CHECKING:
    import pandas as pd

    from outcomes.protocol import Analysis
    from outcomes.trial import Trial

__all__ = ["check_plan", "plan_problems"]


def check_plan(trial: Trial) -> None:
    """Refuse a trial whose report could not be made, though its files are in order.

    Raises
    ------
    ProtocolError
        Lists every problem of `plan_problems`.
    """
    problems = tuple(plan_problems(trial))
    if problems:
        message = f"The data cannot be analysed as planned: {counted(len(problems), 'problem')}."
        raise ProtocolError(message, where=trial.source, problems=problems)


def plan_problems(trial: Trial) -> Iterator[str]:
    """Yield one line a problem: sections that do not exist, formulas that name no column, no value to analyse.

    No model is fitted: what only a fit can tell is left to the report.

    Parameters
    ----------
    trial
        A trial that `outcomes.read_trial` found in order.
    """
    from reports.section_choice import section_problems

    yield from (f"[report], {problem}" for problem in section_problems(trial.protocol.report))
    for analysis in trial.protocol.analyses:
        place = f"[[analyses]], {analysis.name!r}"
        data = trial.estimand_data(analysis.name).frame
        values = data.loc[data["visit"] == analysis.visit, "value"]
        without = not values.notna().any()
        if without and analysis.role == "primary":
            whom = "" if analysis.population == "all" else f" in the population {analysis.population!r}"
            yield f"{place}, key 'visit': no value of {analysis.endpoint} at {analysis.visit}{whom}"
        yield from (f"{place}, {problem}" for problem in _formulas(trial, analysis, data, without))


def _formulas(trial: Trial, analysis: Analysis, data: pd.DataFrame, without: bool) -> Iterator[str]:
    """Yield what is wrong with an analysis' model and its fallbacks."""
    if trial.protocol.endpoint(analysis.endpoint).scale != "continuous":
        yield from _link_formulas(trial, analysis, data, without)
        return
    from analyses.default_model import choose_model

    try:
        choice = choose_model(trial.protocol, analysis, data)
    except FormulaError as error:
        key = "model" if analysis.model is not None and _unreadable(analysis.model) else "fallback"
        yield f"key {key!r}: {_sentence(error)}"
        return
    rows = data if "visit" in choice.at else data[data["visit"] == analysis.visit]
    refused = []
    for formula in (choice.formula, *choice.fallback):
        key = "model" if formula == choice.formula else "fallback"
        problem = _refusal(formula, rows)
        if isinstance(problem, FormulaError):
            yield f"key {key!r}: {_sentence(problem)}"
        elif problem is not None:
            refused.append(problem)
    every = len(refused) == 1 + len(choice.fallback)
    if every and not without and analysis.role == "primary":
        yield f"key 'model': {_sentence(refused[0])}"


def _link_formulas(trial: Trial, analysis: Analysis, data: pd.DataFrame, without: bool) -> Iterator[str]:
    """Yield what is wrong with the model of grades or responders that the protocol names.

    A default needs no check: where it cannot be fitted, the methods without a model answer.
    """
    from analyses.default_link_model import choose_link_model, renamed

    if analysis.model is None:
        return
    try:
        choice = renamed(choose_link_model(trial.protocol, analysis, data), analysis.endpoint)
    except FormulaError as error:
        yield f"key {'model' if _unreadable(analysis.model) else 'fallback'!r}: {_sentence(error)}"
        return
    rows = data if choice.at else data[data["visit"] == analysis.visit]
    # Grades are words to the formula's reader; any numbers do for setting up what stands on its right.
    rows = rows.assign(value=rows["value"].notna().map({True: 0.0, False: float("nan")}))
    for formula in (choice.formula, *choice.fallback):
        key = "model" if formula == choice.formula else "fallback"
        problem = _link_refusal(formula, rows)
        needed = key == "model" and analysis.role == "primary" and not without
        if problem is not None and (needed or isinstance(problem, FormulaError | DesignError)):
            yield f"key {key!r}: {_sentence(problem)}"


def _link_refusal(formula: str, rows: pd.DataFrame) -> FormulaError | ModelError | DesignError | None:
    """Return why a model of grades or responders cannot be set up on the rows, or None where it can."""
    from analyses.design.model_frame import make_model_frame
    from analyses.links.link_estimation import no_residual_covariance, random_of, repeated_units

    try:
        parts = no_residual_covariance(formula)
        if "arm" not in re.findall(r"\w+", parts.fixed):
            raise FormulaError(
                "the arms are compared by the model's term arm, which it has not",
                expected="a formula such as value ~ arm + (1 | patient)",
                got=formula,
            )
        frame = make_model_frame(formula, rows)
        random, _ = random_of(frame, 1)
        if random is None:
            hint = "add (1 | patient) to the formula, or name one visit's rows"
            repeated_units(rows.iloc[frame.kept], "patient", hint)
    except (FormulaError, ModelError, DesignError) as error:
        return error
    return None


def _unreadable(formula: str) -> bool:
    from analyses.formula import parse_formula

    try:
        parse_formula(formula)
    except FormulaError:
        return True
    return False


def _refusal(formula: str, rows: pd.DataFrame) -> FormulaError | ModelError | None:
    """Return why a formula cannot be set up on the rows, or None where it can."""
    from analyses.design.model_frame import make_model_frame

    try:
        make_model_frame(formula, rows)
    except (FormulaError, ModelError) as error:
        return error
    return None


def _sentence(error: TandemError) -> str:
    """Return an error on one line, the formula last."""
    got = f"; got {error.got}" if error.got is not None else ""
    expected = f"; expected {error.expected}" if error.expected is not None else ""
    where = f", in {error.where}" if error.where is not None else ""
    hint = f" ({error.hint})" if error.hint is not None else ""
    return f"{error.message}{got}{expected}{where}{hint}"
