"""Grades and responders in sentences: marginal risks, synergy on each scale, the tests without a model."""

from __future__ import annotations

import math

from outcomes.protocol import Analysis
from reports.bibliography.citations import cite
from reports.context import ReportContext
from reports.format import counted, join_words, sentence_case
from reports.house_style import in_style
from reports.narrative import alone, decimals_of_intervals, lower_first, p_clause
from reports.steps.categorical import WITHOUT_MODEL
from reports.steps.link_model import MODEL, ODDS, PROBABILITIES
from reports.tables.categorical import SYNERGY_KINDS, led_by_model, ratio_decimals, synergy_scale
from reports.verdicts import VerdictLine, lines_of


def risks(context: ReportContext, analysis: Analysis, lines: list[VerdictLine], with_p: bool = False) -> str:
    """Say "the probability of “…” was 66 % with A + B, against 11 % with A alone (risk difference …) and …"."""
    results, formatter = context.results, context.formatter
    decimals = decimals_of_intervals(*((100 * line.conf_low, 100 * line.conf_high) for line in lines))

    def share(arm: str) -> str:
        return formatter.percent(results.number(f"{analysis.name}/{PROBABILITIES}", "estimate", arm=arm))

    clauses = []
    for place, line in enumerate(lines):
        interval = formatter.interval(100 * line.conf_low, 100 * line.conf_high, decimals)
        estimate = formatter.number(100 * line.estimate, decimals)
        if place == 0:
            level = formatter.level(context.level(analysis.name))
            numbers = f"risk difference {estimate} percentage points, {level} CI {interval}"
        else:
            numbers = f"{estimate}, {interval}"
        numbers += p_clause(context, line, with_p)
        clauses.append(f"{share(line.reference)} with {alone(context, line.reference)} ({numbers})")
    label = lower_first(context.facts(analysis).label)
    shown = f"{share(lines[0].combination)} with {lines[0].combination}"
    return f"At {analysis.visit} the marginal probability of “{label}” was {shown}, against {join_words(clauses)}."


def synergy_of_grades(context: ReportContext, analysis: Analysis) -> str:
    """Say whether grades show synergy: by the model's odds ratios and by the probabilities of the grades."""
    name = f"{analysis.name}/{ODDS}"
    combination = context.results.text(analysis.name, "combination")
    lines = [line for kind in SYNERGY_KINDS for line in lines_of(context.results, name, kind, combination)]
    if not lines:
        return "Synergy is not estimable from ranks, which have no scale to add on."
    estimable = [line for line in lines if line.estimable]
    if not estimable:
        return f"Synergy is {lines[0].answer}."
    if estimable[0].answer.startswith("not tested"):
        return "Synergy is not tested, since better than every part is not shown."
    answers: dict[str, list[str]] = {}
    for line in estimable:
        # The numbers of the odds ratios alone: those of every grade stand in the table.
        numbers = line.kind == "interaction" or len(estimable) == 2
        shown = _on_scale(context, name, line) if numbers else f"the {lower_first(synergy_scale(line))}"
        answers.setdefault(_in_short(line.answer), []).append(shown)
    clauses = [f"{answer} on {join_words(scales)}" for answer, scales in answers.items()]
    beyond = "" if analysis.name == context.primary.name else " (descriptive)"
    if len(answers) == 1:
        only, scales = next(iter(answers.items()))
        if only == "inconclusive":
            return f"Synergy is not shown on {join_words(scales, 'or')}."
        return f"Against the sum of its parts{beyond} it was {only} on {join_words(scales)}."
    return f"Whether it exceeds the sum of its parts{beyond} depends on the scale: {'; '.join(clauses)}."


def _in_short(answer: str) -> str:
    if "impossible" in answer:
        return "that sum lies beyond the scale"
    return answer.partition(";")[0]


def _on_scale(context: ReportContext, name: str, line: VerdictLine) -> str:
    """Return "the probability of G3 or better (59 percentage points, 41 to 76)"."""
    formatter = context.formatter
    label = lower_first(synergy_scale(line))
    if line.kind == "interaction":
        values = [_exp(one) for one in (line.estimate, line.conf_low, line.conf_high)]
        decimals, unit = ratio_decimals(*values), ""
    else:
        values = [100 * one for one in (line.estimate, line.conf_low, line.conf_high)]
        decimals, unit = decimals_of_intervals((values[1], values[2])), " percentage points"
    numbers = (
        f"{formatter.number(values[0], decimals)}{unit}, {formatter.interval(values[1], values[2], decimals)}"
    )
    return f"the {label} ({numbers})"


def _exp(value: float) -> float:
    return math.exp(min(value, 700.0))


def beside_sentences(context: ReportContext, analysis: Analysis) -> tuple[str, ...]:
    """Say what the tests without a model show, where scales of synergy differ, and what could not be fitted."""
    if context.facts(analysis).scale == "continuous":
        return ()
    found = [_without_model(context, analysis), _not_of_all_arms(context, analysis)]
    said = context.results.said(f"{analysis.name}/{ODDS}", "scales")
    told = [in_style(sentence, context.formatter) for sentence in said]
    return tuple(sentence for sentence in (*found, _assumption(context, analysis), *told) if sentence)


def _assumption(context: ReportContext, analysis: Analysis) -> str:
    """Say of which terms the data contradict one odds ratio for every threshold, where the model leads."""
    name = f"{analysis.name}/{ODDS}"
    if not led_by_model(context, analysis):
        return ""
    terms = [
        f"{one.subject.replace('_', ' ')} "
        f"({context.formatter.p_phrase(context.results.get(name, 'proportionality_p_value', level=one.subject))})"
        for one in context.results.statements
        if (one.analysis, one.kind, one.text) == (name, "proportionality", "contradicted")
    ]
    if not terms:
        return ""
    return f"The data contradict the model's one odds ratio for every threshold between grades for {join_words(terms)}."


def _without_model(context: ReportContext, analysis: Analysis) -> str:
    if not led_by_model(context, analysis):
        return ""
    beside = context.lines("min_test", f"{analysis.name}/{WITHOUT_MODEL}")
    joint = context.lines("min_test", analysis.name)
    if not beside or not joint or math.isnan(beside[0].p_value) or math.isnan(joint[0].p_value):
        return ""
    within = context.protocol.is_within_patient
    if context.facts(analysis).scale == "ordinal":
        tests = "exact sign tests of the pairs" if within else "Mann-Whitney tests"
    else:
        tests = "tests of the pairs" if within else "Fisher's tests"
    p = f"min test {context.formatter.p_phrase(beside[0].p_value)}"
    alike = joint[0].answer.startswith("better") == beside[0].answer.startswith("better")
    shown = "is shown" if beside[0].answer.startswith("better") else "is not shown"
    if alike:
        return f"Without a model, by {tests}, the answer is the same: better than every part {shown} ({p})."
    return f"The answer rests on the model: without it, by {tests}, better than every part {shown} ({p})."


def _not_of_all_arms(context: ReportContext, analysis: Analysis) -> str:
    """Say why the methods without a model lead where a model was chosen to; empty where it leads, or was not."""
    results, name = context.results, f"{analysis.name}/{MODEL}"
    if led_by_model(context, analysis):
        return ""
    left, unit = results.said(name, "left_out"), context.facts(analysis).level
    if left:
        return (
            f"{join_words(_alike(context, analysis, arm, unit) for arm in left)}, so that a model of all arms has no "
            "finite estimates: the tests without a model answer. Odds ratios, in the tables, are of a model of the "
            "other arms."
        )
    if results.text(name, "not_estimable") and results.has(analysis.name, "n_patients"):
        reasons = dict.fromkeys(
            one.text for one in results.statements if (one.analysis, one.kind) == (name, "fallback")
        )
        why = join_words(lower_first(reason) for reason in reasons)
        return f"No model could be fitted: {why}." if why else ""
    return ""


def _alike(context: ReportContext, analysis: Analysis, arm: str, unit: str) -> str:
    """Say what all units of an arm had in common: "no lesion with Untreated responded"."""
    name, address = f"{analysis.name}/observed", {"arm": arm, "visit": analysis.visit}
    if context.facts(analysis).scale == "ordinal":
        return f"Every {unit} with {arm} had the same extreme grade"
    responded = context.results.number(name, "proportion", **address)
    return f"{'Every' if responded else 'No'} {unit} with {arm} responded"


def model_sentence(context: ReportContext, analysis: Analysis) -> str:
    """Return the methods of a model of grades or responders; empty where none was fitted."""
    results, name = context.results, f"{analysis.name}/{MODEL}"
    formula = results.text(name, "formula")
    if not formula:
        return ""
    ordinal = context.facts(analysis).scale == "ordinal"
    kind = "cumulative logit (proportional odds)" if ordinal else "logistic"
    random = results.has(name, "variance")
    mixed = "mixed " if random else ""
    rows, subjects = (results.number(name, one) for one in ("n_rows", "n_subjects"))
    size = f"{counted(rows, 'value')} of {counted(subjects, 'patient')}" if random else counted(rows, "value")
    nodes = int(results.number(name, "quadrature"))
    integral = (
        "Laplace's approximation" if nodes == 1 else f"adaptive Gauss-Hermite quadrature with {nodes} nodes"
    )
    how = f" (marginal likelihood by {integral})" if random else ""
    works = [*(["mccullagh"] if ordinal else []), *(["hedeker-gibbons"] if random else [])]
    sentences = [
        f"a {kind} {mixed}model, {formula}, fitted by maximum likelihood{how} to {size}{cite(*works)}."
    ]
    left = results.said(name, "left_out")
    if left:
        sentences.append(
            f"Left out of the model, since its likelihood has no maximum with them: {join_words(left)}"
            f"{cite('albert-anderson')}."
        )
    return " ".join(sentences)


def probability_paragraph(context: ReportContext) -> str:
    """Say once how probabilities of models come about; empty where no model of grades or responders was fitted."""
    names = [f"{one.name}/{MODEL}" for one in context.analyses if context.facts(one).scale != "continuous"]
    fitted = [name for name in names if context.results.text(name, "formula")]
    if not fitted:
        return ""
    random = any(context.results.has(name, "variance") for name in fitted)
    averaged = (
        f" and averaged over the random effects{cite('zeger')}, so that they are of patients on average"
        if random
        else ""
    )
    ranks = any(
        context.facts(one).scale == "ordinal" and context.results.text(one.name, "led_by") == "model"
        for one in context.analyses
    )
    superiority = (
        f" Probabilities of superiority follow from those of the grades{cite('agresti-kateri')}."
        if ranks
        else ""
    )
    return (
        "Probabilities of the models of grades and responders are marginal: standardised over the covariates of the "
        f"rows used (g-computation){cite('fda-covariates')}{averaged}.{superiority} Standard errors are by the delta "
        "method from the joint covariance of all parameters (effects, thresholds and variances), with a normal "
        "reference distribution; limits of probabilities are made on the logit scale, those of ratios on the log "
        "scale, those of risk differences on their own."
    )


METHOD_WORKS = {
    "Mann-Whitney": "mann-whitney",
    "DeLong": "delong",
    "Newcombe's hybrid": "newcombe",
    "Newcombe's paired": "newcombe-paired",
}
"""What the description of a method says -> the work behind it."""


def analysis_sentences(context: ReportContext, analysis: Analysis) -> str:
    """Return the methods of grades or responders: what leads, and what stands beside it."""
    results = context.results
    model = model_sentence(context, analysis)
    walk = [
        f"{one.subject} ({lower_first(one.text)})"
        for one in results.statements
        if (one.analysis, one.kind) == (f"{analysis.name}/{MODEL}", "fallback")
    ]
    left = f"Not fitted: {'; '.join(walk)}." if walk else ""
    if led_by_model(context, analysis):
        name = f"{analysis.name}/{WITHOUT_MODEL}"
        beside = f"Beside it, without a model: {_lower_method(_cited_method(context, name))}"
        sentences = [model, _primary_measure(context, analysis), left, beside]
    else:
        name = analysis.name
        sentences = [_lower_method(_cited_method(context, name)), f"Beside it {model}" if model else "", left]
    return " ".join(filter(None, [*sentences, _ranks_beside(context, name)]))


def _cited_method(context: ReportContext, name: str) -> str:
    """Return the description of a method with the works behind it."""
    text = context.results.text(name, "verdict_method").rstrip(".")
    works = [work for words, work in METHOD_WORKS.items() if words in text]
    return f"{text}{cite(*works)}."


def _lower_method(text: str) -> str:
    """Return a description as it stands after a colon: a person's name keeps its capital."""
    names = ("Mann", "Newcombe", "Fisher", "McNemar", "Brunner", "Wilcoxon", "DeLong")
    return text if text.startswith(names) else text[:1].lower() + text[1:]


def _ranks_beside(context: ReportContext, name: str) -> str:
    """Name the second test of ranks where its p-values stand in the tables."""
    if context.results.select(analysis=name, statistic="supplement_p_signed_rank_pratt"):
        return (
            "Wilcoxon's signed-rank test, with zero differences ranked as Pratt does"
            f"{cite('pratt')}, stands in the tables too."
        )
    if context.results.select(analysis=name, statistic="supplement_p_brunner_munzel"):
        return (
            f"The Brunner-Munzel test{cite('brunner-munzel')}, for unequal spread, stands in the tables too."
        )
    return ""


def _primary_measure(context: ReportContext, analysis: Analysis) -> str:
    scale = context.results.text(analysis.name, "scale_name")
    return f"Arms are compared by the {scale}; odds ratios stand beside."


def link_model_facts(context: ReportContext, analysis: Analysis) -> tuple[tuple[str, str], ...]:
    """Return what the section of the primary model tells of a model of grades or responders."""
    results, formatter, name = context.results, context.formatter, f"{analysis.name}/{MODEL}"
    size = f"{formatter.whole(results.value(name, 'n_subjects'))} patients"
    rows = results.value(name, "n_rows")
    size = (
        f"{size}, {formatter.whole(rows)} values"
        if results.has(name, "variance")
        else f"{formatter.whole(rows)} values"
    )
    spread = [
        f"{formatter.number(row.value, 2)} ({row.level})"
        for row in results.select(analysis=name, statistic="variance_component_sd")
    ]
    facts = [
        ("Model", results.text(name, "formula")),
        ("Why this model", results.text(name, "reason")),
        ("Data used", size),
        ("Reference distribution", "normal (Wald), as for maximum likelihood"),
        ("Fit", " ".join([results.text(name, "convergence"), *results.said(name, "note")])),
        (
            "Log-likelihood",
            f"{formatter.number(results.value(name, 'loglik'), 2)}; AIC "
            f"{formatter.number(results.value(name, 'aic'), 1)}",
        ),
    ]
    if spread:
        facts.insert(3, ("Random effects, SD on the logit scale", sentence_case("; ".join(spread))))
    return tuple(facts)
