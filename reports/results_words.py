"""The results in paragraphs that a manuscript can take: whom, what was found, harm, what is missing.

Every number comes from the results, in the chosen journal's style; nothing is claimed beyond the verdict.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

from outcomes.protocol import Analysis
from reports import narrative, remarks
from reports.context import ReportContext
from reports.document import Paragraph
from reports.format import counted, join_words, sentence_case
from reports.harm_words import every_harm, harm_line, other_harms
from reports.house_style import with_letter
from reports.model_words import covariate_name
from reports.narrative import lower_first
from reports.steps.flow import ALLOCATED, ENROLLED, TREATED
from reports.tables.cells import table_name

ORIGINS = {
    "observed": "",
    "synthetic": (
        "The data are synthetic: simulated with a known truth, from no patient. A text that uses these results has to "
        "say so."
    ),
    "reconstructed": (
        "The data are reconstructed from published counts: they are no patient's own data. A text that uses these "
        "results has to say so."
    ),
}
"""What stands first, by the origin of the data."""

JOURNALS = {
    "jama": "JAMA",
    "lancet": "The Lancet",
    "nejm": "the New England Journal of Medicine",
    "csr": "a clinical study report",
}


def results_paragraphs(context: ReportContext) -> Iterator[Paragraph]:
    """Yield the results: participants, the primary outcome, the others, sensitivity, harm, missing values."""
    for paragraph in _paragraphs(context):
        yield replace(paragraph, text=with_letter(paragraph.text, context.formatter))


def _paragraphs(context: ReportContext) -> Iterator[Paragraph]:
    journal = JOURNALS[context.protocol.report.style]
    yield Paragraph(
        f"Numbers are written as in {journal}. Means, differences and their intervals are those of the methods above "
        "or below; check what you paste against the journal's own instructions.",
        "note",
    )
    origin = ORIGINS[context.protocol.conduct.data_origin]
    if origin:
        yield Paragraph(origin, "paste")
    yield _participants(context)
    yield _primary(context)
    yield from _others(context)
    yield from _not_estimable(context)
    sensitivity = remarks.sensitivity_sentence(
        context, "each of the other assumptions that were made", binding=False
    )
    if sensitivity:
        yield Paragraph(sensitivity, "paste", ("table:sensitivity",))
    yield _harms(context)
    yield Paragraph(missing_words(context), "paste", ("table:missing",))


def _participants(context: ReportContext) -> Paragraph:
    """Say who took part, how they were allocated and treated, who they were, and who was analysed."""
    sentences = [_allocated(context), _treated(context), _baseline(context), _analysed(context)]
    see = ("figure:flow", "table:flow", "table:baseline-patients", "table:baseline-lesions")
    return Paragraph(" ".join(sentence for sentence in sentences if sentence), "paste", see)


def _allocated(context: ReportContext) -> str:
    results, within = context.results, context.protocol.is_within_patient
    patients = counted(results.number("flow", "patients", level=ENROLLED, arm=""), "patient")
    unit = "lesions" if within and results.has("flow", "lesions", level=ALLOCATED) else "patients"
    shares = {
        arm: results.number("flow", unit, level=ALLOCATED, arm=arm)
        for arm in context.protocol.arms
        if results.has("flow", unit, level=ALLOCATED, arm=arm)
    }
    whole = context.formatter.whole
    if len(set(shares.values())) == 1 and len(shares) > 1:
        each = f"{whole(next(iter(shares.values())))} allocated to each of {join_words(shares)}"
    else:
        each = f"allocated {join_words(f'{whole(count)} to {arm}' for arm, count in shares.items())}"
    if within and results.has("flow", "lesions", level=ENROLLED, arm=""):
        lesions = counted(results.number("flow", "lesions", level=ENROLLED, arm=""), "lesion")
        return f"The trial had {patients} with {lesions}, {each}."
    return f"The trial had {patients}, {each}."


def _treated(context: ReportContext) -> str:
    """Say of whom it is known that they were treated at least once."""
    results, within = context.results, context.protocol.is_within_patient
    unit = "lesions" if within and results.has("flow", "lesions", level=TREATED) else "patients"
    found = {
        arm: (
            results.number("flow", unit, level=TREATED, arm=arm),
            results.number("flow", unit, level=ALLOCATED, arm=arm),
        )
        for arm in context.protocol.arms
        if results.has("flow", unit, level=TREATED, arm=arm)
    }
    if not found:
        return ""
    if all(treated == allocated for treated, allocated in found.values()):
        return f"All {unit} allocated to a treatment were treated at least once."
    whole = context.formatter.whole
    clauses = [
        f"{whole(treated)} of {whole(allocated)} with {arm}" for arm, (treated, allocated) in found.items()
    ]
    return f"Treated at least once were {join_words(clauses)} ({unit})."


def _baseline(context: ReportContext) -> str:
    """Describe the patients: means of numbers, shares of what has two levels."""
    results, formatter = context.results, context.formatter
    address = {"population": "patients", "arm": ""}
    clauses = []
    for covariate in context.protocol.covariates:
        if covariate.level != "patient":
            continue
        name = lower_first(covariate_name(covariate.name))
        mean, sd = (
            results.get("baseline", one, endpoint=covariate.name, **address) for one in ("mean", "sd")
        )
        if mean is not None and sd is not None:
            unit = f" {covariate.unit}" if covariate.unit else ""
            clauses.append(
                f"mean {name} was {formatter.number(mean, 1)}{unit} (SD {formatter.number(sd, 1)})"
            )
        elif covariate.levels is not None and len(covariate.levels) == 2:
            level = covariate.levels[0]
            count = results.get("baseline", "count", endpoint=covariate.name, level=level, **address)
            total = results.get("baseline", "n", endpoint=covariate.name, **address)
            if count is not None and total:
                share = formatter.percent(count / total)
                clauses.append(
                    f"{formatter.whole(count)} of {counted(total, 'patient')} ({share}) had {name} {level}"
                    if name not in ("sex", "gender")
                    else f"{formatter.whole(count)} of {counted(total, 'patient')} ({share}) were {level}"
                )
    return f"{sentence_case('; '.join(clauses))}." if clauses else ""


def _analysed(context: ReportContext) -> str:
    results, analysis = context.results, context.primary
    patients, lesions = (results.get(analysis.name, one) for one in ("n_patients", "n_lesions"))
    if patients is None:
        return ""
    whom = counted(float(patients), "patient")
    if lesions is not None and lesions != patients:
        whom = f"{counted(float(lesions), 'lesion')} of {whom}"
    population = "" if analysis.population == "all" else f" (population “{analysis.population}”)"
    return f"The primary analysis is of {whom}{population}."


def _primary(context: ReportContext) -> Paragraph:
    name = context.primary.name
    sentences = [*narrative.answer(context, with_p=True), _holm(context, context.primary)]
    note = narrative.superiority_note(context)
    see = (
        "figure:verdict",
        f"table:{table_name('verdict', name)}",
        f"table:{table_name('means', name)}",
    )
    return Paragraph(" ".join(filter(None, [*sentences, note])), "paste", see)


def _holm(context: ReportContext, analysis: Analysis) -> str:
    """Give the p-values of claims about single parts, where several were asked."""
    lines = [line for line in context.lines("part", analysis.name) if not math.isnan(line.p_adjusted)]
    if len(lines) < 2 or narrative.all_alike(context, analysis):
        return ""
    clauses = [
        f"{context.formatter.p_phrase(line.p_adjusted)} against {narrative.alone(context, line.reference)}"
        for line in lines
    ]
    return f"Holm-adjusted for a claim about a single part, {join_words(clauses)}."


def _others(context: ReportContext) -> Iterator[Paragraph]:
    """Yield what each other outcome shows; the first says that all are descriptive."""
    first = True
    for analysis in context.analyses:
        if analysis.name == context.primary.name or analysis.role == "sensitivity":
            continue
        answer = " ".join(narrative.answer(context, analysis, with_p=True))
        if narrative.all_alike(context, analysis):
            answer = f"{remarks.named_outcome(context, analysis)}: {answer[:1].lower()}{answer[1:]}"
        if first:
            answer = f"Outcomes other than the primary one are descriptive. {answer}"
        first = False
        yield Paragraph(answer, "paste", (f"table:{table_name('verdict', analysis.name)}", "table:scales"))


def _not_estimable(context: ReportContext) -> Iterator[Paragraph]:
    for analysis in context.protocol.analyses:
        reason = context.results.text(analysis.name, "not_estimable")
        if reason:
            yield Paragraph(f"{context.facts(analysis).label}: not estimable, since {reason}.", "paste")


def _harms(context: ReportContext) -> Paragraph:
    text = " ".join(filter(None, [every_harm(context), harm_line(context), other_harms(context)]))
    return Paragraph(text, "paste", ("table:harms-overview", "table:harms", "table:downtime"))


def missing_words(context: ReportContext) -> str:
    """Say how many values of the primary outcome are missing at the primary visit, by arm; none was imputed."""
    results, visit = context.results, context.primary.visit
    name = f"{context.primary.name}/observed"
    whole = context.formatter.whole
    sentence = remarks.missing_sentence(context).replace(" is missing", " was missing")
    if not results.number(name, "missing", arm="", visit=visit):
        return sentence
    clauses = [
        f"{whole(results.number(name, 'missing', arm=arm, visit=visit))} of "
        f"{whole(results.number(name, 'expected', arm=arm, visit=visit))} with {arm}"
        for arm in context.protocol.arms
        if results.has(name, "expected", arm=arm, visit=visit)
    ]
    return f"{sentence.removesuffix('.')}: {join_words(clauses)}. Missing values were not imputed."
