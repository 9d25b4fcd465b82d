"""Cells of the notebook for grades and responders: the model, its probabilities, its verdicts, and those without it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

from analyses.default_model import is_over_visits
from reports.steps.categorical import WITHOUT_MODEL
from reports.steps.link_model import MODEL, ODDS, PROBABILITIES

if TYPE_CHECKING:
    from outcomes.endpoint import EndpointFacts
    from outcomes.protocol import Analysis
    from reports.results import Results


def literal(text: str) -> str:
    """A Python string literal in double quotes, as a person would write it."""
    return json.dumps(text, ensure_ascii=False)


def called_by_categorical(analysis: Analysis, scale: str, results: Results) -> tuple[str, ...]:
    """Return what an analysis of grades or responders needs of `analyses`."""
    ordinal = scale == "ordinal"
    needed = ["compare_grades" if ordinal else "compare_responders"]
    if results.text(f"{analysis.name}/{MODEL}", "formula"):
        needed += ["fit_ordinal_model" if ordinal else "fit_generalized_model", "marginal_probabilities"]
        if results.has(f"{analysis.name}/{ODDS}", "alpha"):
            needed.append("compare_therapies")
    if _led(analysis, results):
        needed.append("compare_probabilities")
    return tuple(needed)


def categorical_cells(
    analysis: Analysis, facts: EndpointFacts, results: Results
) -> Iterator[tuple[str, str]]:
    """Yield what a cell shows, and the cell: without a model, the model, its probabilities and its verdicts."""
    by = "ranks" if facts.scale == "ordinal" else "proportions"
    yield f"**Without a model**: the questions answered by {by}:", _without_model(analysis, facts, results)
    if not results.text(f"{analysis.name}/{MODEL}", "formula"):
        return
    yield "**The model**, fitted to the values of the estimand:", _fitting(analysis, facts, results)
    name = literal(analysis.name)
    if results.has(f"{analysis.name}/{PROBABILITIES}", "estimate"):
        told = (
            "**The probabilities** that the model gives each arm, over the covariates as they were observed:"
        )
        yield (
            told,
            f"""alpha = analysis.alpha if analysis.sided == 2 else 2 * analysis.alpha
found = marginal_probabilities(fit, "arm"{_at(analysis, results)})
probabilities[{name}] = found.intervals(alpha)
found""",
        )
    if _led(analysis, results):
        asked = _asking(
            "compare_probabilities",
            name,
            ["margin=analysis.margin", "margin_source=analysis.margin_source"],
            _at(analysis, results),
        )
        yield "**The questions** about the combination, answered by the model's probabilities:", asked
    if results.has(f"{analysis.name}/{ODDS}", "alpha"):
        asked = _asking("compare_therapies", literal(f"{analysis.name}/{ODDS}"), [], _at(analysis, results))
        yield "**The same on the scale of odds**:", asked


def _led(analysis: Analysis, results: Results) -> bool:
    return results.text(analysis.name, "led_by") == "model"


def _formula(analysis: Analysis, results: Results) -> str:
    return results.text(f"{analysis.name}/{MODEL}", "formula")


def _at(analysis: Analysis, results: Results) -> str:
    """Where the arms are compared, where the model is of all visits."""
    over_visits = is_over_visits(_formula(analysis, results))
    return ', at={"visit": analysis.visit}' if over_visits else ""


def _without_model(analysis: Analysis, facts: EndpointFacts, results: Results) -> str:
    """Ask the combination questions by ranks or proportions."""
    name = literal(f"{analysis.name}/{WITHOUT_MODEL}" if _led(analysis, results) else analysis.name)
    ordinal = facts.scale == "ordinal"
    arguments = [
        "rows",
        "arms",
        *(["higher_is_better=endpoint.higher_is_better"] if ordinal else []),
        "margin=analysis.margin",
        "margin_source=analysis.margin_source",
        "alpha=analysis.alpha",
        "sided=analysis.sided",
        "design=trial.protocol.design",
        "allocation=trial.protocol.conduct.allocation",
    ]
    listed = "".join(f"    {argument},\n" for argument in arguments)
    return f"""analysis = trial.protocol.analysis({literal(analysis.name)})
endpoint = trial.protocol.endpoint(analysis.endpoint)
data = trial.estimand_data({literal(analysis.name)}).frame
rows = data[(data["visit"] == analysis.visit) & data["value"].notna()]
verdicts[{name}] = {"compare_grades" if ordinal else "compare_responders"}(  # without a model
{listed})
verdicts[{name}]"""


def _fitting(analysis: Analysis, facts: EndpointFacts, results: Results) -> str:
    """Fit the model that the report fitted, to the arms that it was fitted to."""
    model = f"{analysis.name}/{MODEL}"
    formula, penalty = _formula(analysis, results), results.text(model, "penalty")
    rows = 'data[data["value"].notna()]' if is_over_visits(formula) else "rows"
    lines = [f"model_rows = {rows}"]
    for arm in results.said(model, "left_out"):
        lines.append(f'model_rows = model_rows[model_rows["arm"] != {literal(arm)}]  # no finite odds')
    if len(lines) > 1:
        lines.append('model_rows = model_rows.assign(arm=model_rows["arm"].cat.remove_unused_categories())')
    if facts.scale == "ordinal":
        call = f"fit_ordinal_model({literal(formula)}, model_rows)"
    else:
        more = f", penalty={literal(penalty)}" if penalty else ""
        call = f'fit_generalized_model({literal(formula)}, model_rows, family="binomial"{more})'
    kept = f"coefficients[{literal(analysis.name)}] = fit.coefficients"
    return "\n".join([*lines, f"fit = {call}", kept, "fit"])


def _asking(function: str, name: str, own: list[str], at: str) -> str:
    arguments = [
        "fit",
        "arms",
        *([at.removeprefix(", ")] if at else []),
        "higher_is_better=endpoint.higher_is_better",
        "alpha=analysis.alpha",
        "sided=analysis.sided",
        *own,
        "allocation=trial.protocol.conduct.allocation",
    ]
    listed = "".join(f"    {argument},\n" for argument in arguments)
    return f"""verdicts[{name}] = {function}(
{listed})
verdicts[{name}]"""
