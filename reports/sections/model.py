"""The primary model: its means, its differences, what it is and how it fitted."""

from __future__ import annotations

from collections.abc import Iterator

from outcomes.protocol import Analysis
from reports import categorical_words, methods
from reports.context import ReportContext
from reports.document import Block, Definitions, Folded
from reports.sections.parts import Parts
from reports.tables.categorical import (
    led_by_model,
    probabilities_table,
)
from reports.tables.outcome import (
    course_table,
    differences_table,
    means_table,
    spread_table,
)
from reports.tables.sensitivity import (
    coefficients_table,
    covariance_table,
)


def model(parts: Parts) -> Iterator[Block]:
    """Yield the model behind the primary answer."""
    context, analysis = parts.context, parts.context.primary
    if context.facts().scale != "continuous":
        yield from _link_model(context, analysis)
        return
    name = f"{analysis.name}/model"
    formatter, results = context.formatter, context.results
    yield means_table(context, analysis)
    over_visits = differences_table(context, analysis)
    if over_visits is not None:
        yield over_visits
    course = course_table(context, analysis)
    if course is not None:
        yield Folded("The model's means at every visit", (course,))
    patients = results.value(analysis.name, "n_patients")
    lesions = results.get(analysis.name, "n_lesions")
    size = f"{formatter.whole(patients)} patients"
    if lesions is not None:
        size += f", {formatter.whole(lesions)} lesions"
    size += f", {formatter.whole(results.value(name, 'n_rows'))} values"
    yield Definitions(
        (
            ("Model", results.text(analysis.name, "model")),
            ("Why this model", methods.model_reason(context, analysis)),
            ("Data used", size),
            ("Degrees of freedom", methods.DF_METHODS[analysis.df_method][0]),
            ("Fit", results.text(name, "convergence")),
            (
                "Log-likelihood",
                f"{formatter.number(results.value(name, 'loglik'), 2)} (restricted); "
                f"AIC {formatter.number(results.value(name, 'aic'), 1)}",
            ),
        )
    )
    for table in (spread_table(context, analysis), covariance_table(context, analysis)):
        if table is not None:
            yield table
    coefficients = coefficients_table(context, analysis)
    if coefficients is not None:
        yield Folded("The model's coefficients", (coefficients,))


def _link_model(context: ReportContext, analysis: Analysis) -> Iterator[Block]:
    """Yield the model of grades or responders where its answer leads: probabilities, what it is, its coefficients."""
    if not led_by_model(context, analysis):
        return
    probabilities = probabilities_table(context, analysis)
    if probabilities is not None:
        yield probabilities
    yield Definitions(categorical_words.link_model_facts(context, analysis))
    coefficients = coefficients_table(context, analysis)
    if coefficients is not None:
        yield Folded("The model's coefficients", (coefficients,))
