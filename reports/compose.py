"""Put a report together: headline and sections as a `Document`, from results, figures and the protocol."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from outcomes.errors import ReportError
from outcomes.protocol import Analysis
from reports import categorical_words, methods, narrative, remarks
from reports.context import ReportContext
from reports.document import (
    Block,
    BulletList,
    Definitions,
    Document,
    Figure,
    FigureBlock,
    Folded,
    Heading,
    Headline,
    Paragraph,
    Section,
)
from reports.harm_words import harm_line
from reports.tables.baseline import baseline_tables
from reports.tables.categorical import (
    classical_table,
    effects_table,
    led_by_model,
    odds_table,
    probabilities_table,
    synergy_table,
)
from reports.tables.flow import exclusion_table, exposure_table, flow_table, missing_table
from reports.tables.harms import downtime_table, harms_table
from reports.tables.outcome import (
    course_table,
    differences_table,
    means_table,
    observed_table,
    spread_table,
)
from reports.tables.protocol import estimand_table, intercurrent_table, referee_items
from reports.tables.sensitivity import (
    carry_across_table,
    coefficients_table,
    covariance_table,
    naive_table,
    sensitivity_table,
)
from reports.tables.verdict import bliss_table, scales_table, verdict_table

Provenance = tuple[tuple[str, str], ...]
Builder = Callable[["_Parts"], Iterator[Block]]


class _Parts:
    """What the sections are made of."""

    __slots__ = ("context", "figures", "notes", "provenance")

    def __init__(
        self,
        context: ReportContext,
        figures: Mapping[str, Figure],
        provenance: Provenance,
        notes: tuple[str, ...],
    ) -> None:
        self.context = context
        self.figures = figures
        self.provenance = provenance
        self.notes = notes

    def figure(self, name: str) -> Iterator[Block]:
        """Yield a figure where it was drawn."""
        if name in self.figures:
            yield FigureBlock(self.figures[name])


def compose(
    context: ReportContext,
    figures: Mapping[str, Figure],
    provenance: Provenance = (),
    notes: tuple[str, ...] = (),
) -> Document:
    """Return the whole report as a value.

    Parameters
    ----------
    context
        Protocol and results.
    figures
        By name, as `reports.drawing.draw_figures` returns them.
    provenance
        (what, value) pairs: the command, the inputs' hashes, versions.
    notes
        What the protocol kept in or left out of the files, counted.

    Raises
    ------
    ReportError
        Where ``[report] sections`` names a section that does not exist.
    """
    parts = _Parts(context, figures, provenance, notes)
    sections = []
    for key in _wanted(context):
        _, build = SECTIONS[key]
        blocks = tuple(build(parts))
        if blocks:
            sections.append(Section(key, _title(context, key), blocks))
    return Document(_headline(parts), tuple(sections), narrative.stamp(context))


def _wanted(context: ReportContext) -> tuple[str, ...]:
    """Return the sections asked for, all of them by default."""
    wanted = context.protocol.report.sections
    keys = tuple(SECTIONS) if wanted == "default" else (wanted,) if isinstance(wanted, str) else tuple(wanted)
    unknown = [key for key in keys if key not in SECTIONS]
    if unknown:
        raise ReportError(
            "the report has no such section",
            expected='"default", or a list of ' + ", ".join(SECTIONS),
            got=", ".join(unknown),
            where="trial.toml, [report] sections",
        )
    return keys


def _title(context: ReportContext, key: str) -> str:
    """Return a section's title, as far as it depends on the trial."""
    if key == "flow" and not context.protocol.has_lesions:
        return "Flow of patients"
    if key == "outcome" and len(context.protocol.visits) == 1:
        return "The outcome"
    return SECTIONS[key][0]


def _headline(parts: _Parts) -> Headline:
    context = parts.context
    protocol = context.protocol
    identifier = " · ".join(text for text in (protocol.id, protocol.registration) if text)
    answer = narrative.answer(context)
    harm, may_not_claim = harm_line(context), narrative.may_not_claim(context)
    return Headline(
        identifier=identifier,
        title=protocol.title,
        facts=narrative.facts_line(context),
        question=narrative.question(context),
        answer=answer,
        figure=parts.figures.get("verdict"),
        harm=harm,
        may_not_claim=may_not_claim,
        notes=" ".join(
            filter(
                None,
                [
                    narrative.adjustment(context),
                    narrative.fallback_clause(context),
                    remarks.spread_warning(context),
                    narrative.superiority_note(context),
                    context.spelled([protocol.title, *answer, harm, may_not_claim]),
                ],
            )
        ),
    )


def _flow(parts: _Parts) -> Iterator[Block]:
    context = parts.context
    yield Paragraph(remarks.missing_sentence(context), "lead")
    yield from parts.figure("flow")
    yield flow_table(context)
    delivered = exposure_table(context)
    if delivered is not None:
        yield delivered
    excluded = exclusion_table(context)
    if excluded is not None:
        yield excluded
    if parts.notes:
        yield BulletList(parts.notes)


def _baseline(parts: _Parts) -> Iterator[Block]:
    tables = baseline_tables(parts.context)
    yield from tables
    if not tables:
        yield Paragraph("No covariate or baseline value is provided with the data.", "note")


def _outcome(parts: _Parts) -> Iterator[Block]:
    context = parts.context
    yield from parts.figure("profile")
    yield from parts.figure("paired")
    yield observed_table(context, context.primary)
    if context.facts().scale == "ordinal":
        yield from parts.figure("grades")
        yield from parts.figure("grade-flow")


def _estimand(parts: _Parts) -> Iterator[Block]:
    context = parts.context
    yield estimand_table(context, context.primary)
    events = intercurrent_table(context, context.primary)
    if events is not None:
        yield events


def _model(parts: _Parts) -> Iterator[Block]:
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


def _verdict(parts: _Parts) -> Iterator[Block]:
    context = parts.context
    yield Paragraph(context.results.text(context.primary.name, "may_claim"), "lead")
    yield Paragraph(context.results.text(context.primary.name, "may_not_claim"))
    yield verdict_table(context, context.primary)
    yield from _beside_verdict(context, context.primary)


def _beside_verdict(context: ReportContext, analysis: Analysis) -> Iterator[Block]:
    """Yield what stands beside a verdict on grades or responders: the model's scales, tests without it."""
    for sentence in categorical_words.beside_sentences(context, analysis):
        yield Paragraph(sentence)
    tables = [
        effects_table(context, analysis),
        odds_table(context, analysis),
        synergy_table(context, analysis),
        classical_table(context, analysis),
        bliss_table(context, analysis),
    ]
    yield from (table for table in tables if table is not None)


def _scales(parts: _Parts) -> Iterator[Block]:
    context = parts.context
    others = [
        one for one in context.analyses if one.name != context.primary.name and one.role != "sensitivity"
    ]
    unasked = [
        (context.facts(one).label, context.results.text(one.name, "not_estimable"))
        for one in context.protocol.analyses
        if context.results.text(one.name, "not_estimable")
    ]
    if not others and not unasked:
        return
    sentence = remarks.scales_sentence(context)
    if sentence:
        yield Paragraph(sentence, "lead")
    together = scales_table(context)
    if together is not None:
        yield together
    for label, reason in unasked:
        yield Paragraph(f"{label}: not estimable, since {reason}.")
    described = {(context.primary.endpoint, context.primary.population)}
    for analysis in others:
        facts = context.facts(analysis)
        yield Heading(remarks.named_outcome(context, analysis))
        yield Paragraph(" ".join(narrative.answer(context, analysis)))
        if facts.scale == "ordinal" and context.facts().scale != "ordinal":
            yield from parts.figure("grades")
            yield from parts.figure("grade-flow")
        tables: list[Block] = []
        if (analysis.endpoint, analysis.population) not in described:
            described.add((analysis.endpoint, analysis.population))
            tables.append(observed_table(context, analysis))
        tables.append(verdict_table(context, analysis))
        for block in _beside_verdict(context, analysis):
            if isinstance(block, Paragraph):
                yield block
            else:
                tables.append(block)
        probabilities = probabilities_table(context, analysis)
        if probabilities is not None:
            tables.append(probabilities)
        yield Folded("Its tables", tuple(tables))


def _sensitivity(parts: _Parts) -> Iterator[Block]:
    context = parts.context
    sentence = remarks.sensitivity_sentence(context)
    if sentence:
        yield Paragraph(sentence, "lead")
    spread = remarks.spread_sentence(context)
    if spread:
        yield Paragraph(spread)
    table = sensitivity_table(context)
    if table is not None:
        yield table
    yield missing_table(context)
    carried = carry_across_table(context)
    if carried is not None:
        yield carried


def _naive(parts: _Parts) -> Iterator[Block]:
    context = parts.context
    table = naive_table(context)
    if table is None:
        return
    yield Paragraph(remarks.naive_sentence(context), "lead")
    yield from parts.figure("naive")
    yield table


def _harms(parts: _Parts) -> Iterator[Block]:
    context = parts.context
    yield Paragraph(harm_line(context), "lead")
    table = harms_table(context)
    if table is not None:
        yield table
    downtime = downtime_table(context)
    if downtime is not None:
        yield downtime


def _diagnostics(parts: _Parts) -> Iterator[Block]:
    context = parts.context
    name = f"{context.primary.name}/diagnostics"
    if not context.results.has(name, "largest"):
        return
    formatter, results = context.formatter, context.results
    large = results.number(name, "beyond_3", arm="", visit="")
    total = results.number(name, "n", arm="", visit="")
    count = "none" if not large else formatter.whole(large)
    yield Paragraph(
        f"Of {formatter.whole(total)} residuals {count} lie more than 3 standard deviations from zero; the largest is "
        f"{formatter.number(results.number(name, 'largest'), 1)}. Skewness "
        f"{formatter.number(results.number(name, 'skewness'), 2)}, excess kurtosis "
        f"{formatter.number(results.number(name, 'excess_kurtosis'), 2)} (0 and 0 for normal residuals)."
    )
    yield from parts.figure("residuals")


def _methods(parts: _Parts) -> Iterator[Block]:
    for paragraph in methods.methods_paragraphs(parts.context):
        yield Paragraph(paragraph)


def _referee(parts: _Parts) -> Iterator[Block]:
    yield Definitions(referee_items(parts.context))


def _limitations(parts: _Parts) -> Iterator[Block]:
    yield BulletList(methods.limitations(parts.context))


def _references(parts: _Parts) -> Iterator[Block]:
    yield BulletList(methods.reference_list(parts.context), ordered=True)


def _provenance(parts: _Parts) -> Iterator[Block]:
    if parts.provenance:
        yield Paragraph(
            "Every number of this report stands in results.json beside it, with the method that gave it; manifest.json "
            "holds the fingerprints (SHA-256) of what went in and what came out."
        )
        yield Definitions(parts.provenance)


SECTIONS: dict[str, tuple[str, Builder]] = {
    "flow": ("Flow of patients and lesions", _flow),
    "baseline": ("Who they were", _baseline),
    "outcome": ("The outcome over time", _outcome),
    "estimand": ("What is estimated", _estimand),
    "model": ("The primary model", _model),
    "verdict": ("What the combination adds", _verdict),
    "scales": ("The same question on other scales", _scales),
    "sensitivity": ("How far the answer rests on assumptions", _sensitivity),
    "naive": ("What ignoring the pairing would have said", _naive),
    "harms": ("Harm and downtime", _harms),
    "diagnostics": ("Does the model fit?", _diagnostics),
    "methods": ("Methods", _methods),
    "referee": ("What a referee asks for", _referee),
    "limitations": ("Limitations", _limitations),
    "references": ("References", _references),
    "provenance": ("Provenance", _provenance),
}
"""Sections by the key that ``[report] sections`` uses, in their order: title and builder."""

__all__ = ["SECTIONS", "compose"]
