"""What the sections say in a sentence: whether scales agree, whether the answer holds, what pairing is worth."""

from __future__ import annotations

import math
from collections.abc import Mapping

from outcomes.protocol import Analysis
from reports.context import ReportContext
from reports.format import counted, join_words, sentence_case
from reports.narrative import all_alike, in_words, lower_first


def scales_sentence(context: ReportContext) -> str:
    """Say whether the scales agree that the combination is better than every part, and what a disagreement means."""
    shown: list[str] = []
    not_shown: list[str] = []
    for analysis in context.analyses:
        joint = context.lines("min_test", analysis.name)
        if analysis.role == "sensitivity" or not joint or math.isnan(joint[0].p_value):
            continue
        if all_alike(context, analysis):
            continue
        p = context.formatter.p_phrase(joint[0].p_value)
        named = f"{lower_first(named_outcome(context, analysis))} ({p})"
        (shown if joint[0].answer.startswith("better") else not_shown).append(named)
    if len(shown) + len(not_shown) < 2:
        return ""
    if shown and not_shown:
        return (
            f"The scales disagree: better than every part is shown on {join_words(shown)}, and not shown on "
            f"{join_words(not_shown)}. The scales ask different questions of the same patients, and cutting an outcome "
            "at a threshold discards information: what is not shown there is not excluded either."
        )
    if shown:
        return f"The scales agree: better than every part is shown on {join_words(shown)}."
    return f"The scales agree: better than every part is not shown on {join_words(not_shown)}."


def named_outcome(context: ReportContext, analysis: Analysis) -> str:
    """Return an analysis's outcome, with its visit where another analysis has the same outcome."""
    label = context.facts(analysis).label
    same = [
        one for one in context.analyses if one.role != "sensitivity" and context.facts(one).label == label
    ]
    return f"{label} at {analysis.visit}" if len(same) > 1 else label


def sensitivity_sentence(context: ReportContext) -> str:
    """Say whether the primary answer holds under the other assumptions, and under every other reconstruction."""
    name = f"{context.primary.name}/sensitivity"
    variants = context.results.distinct("level", analysis=name, statistic="min_test_p")
    if not variants:
        return ""
    primary = _shown(context)
    differing = [one for one in variants if _shown_by(context, one) != primary]
    differing += [
        f"the analysis “{one.name}”"
        for one in context.analyses
        if one.role == "sensitivity" and _shown_of(context, one) != _shown_of(context, context.primary)
    ]
    if differing:
        joined = join_words(lower_first(one) for one in differing)
        return f"The primary answer does not hold under every assumption: it changes with {joined}."
    joint = context.lines("min_test")
    if not joint or math.isnan(joint[0].p_value):
        return "The answer holds under each of the assumptions below."
    alternatives = context.protocol.data.alternatives
    which = (
        f"under all {in_words(len(alternatives) + 1)} reconstructions that the published numbers allow"
        if alternatives and len(alternatives) == len(variants)
        else "under each of the assumptions below"
    )
    if not joint[0].answer.startswith("better"):
        return f"The answer holds {which}: better than every part is not shown."
    others = [
        line.p_value
        for one in context.analyses
        if one.role == "sensitivity"
        for line in context.lines("min_test", one.name)
    ]
    found = [context.results.number(name, "min_test_p", level=one) for one in variants]
    largest = max(p for p in (joint[0].p_value, *found, *others) if not math.isnan(p))
    binding = max(context.lines("part"), key=lambda line: line.p_value)
    return (
        f"The answer holds {which}: better than every part (largest min test {context.formatter.p_phrase(largest)}). "
        f"The comparison that binds the min test is that with {binding.reference} "
        f"({'two' if context.primary.sided == 2 else 'one'}-sided {context.formatter.exact_p(binding.p_value)})."
    )


def _shown(context: ReportContext) -> Mapping[str, bool]:
    """Return which comparisons of the primary analysis show benefit."""
    alpha = context.results.number(context.primary.name, "alpha")
    null = context.results.number(context.primary.name, "null")
    return {line.contrast: line.p_value < alpha and line.estimate > null for line in context.lines("part")}


def _shown_of(context: ReportContext, analysis: Analysis) -> Mapping[str, bool]:
    """Return over which parts an analysis shows benefit, whatever its scale: by the part's name."""
    alpha = context.results.number(analysis.name, "alpha")
    null = context.results.number(analysis.name, "null")
    return {
        line.reference: line.p_value < alpha and line.estimate > null
        for line in context.lines("part", analysis.name)
    }


def _shown_by(context: ReportContext, variant: str) -> Mapping[str, bool]:
    """Return which comparisons show benefit under another assumption."""
    name = f"{context.primary.name}/sensitivity"
    alpha = context.results.number(context.primary.name, "alpha")
    null = context.results.number(context.primary.name, "null")
    shown = {}
    for line in context.lines("part"):
        address = {"level": variant, "contrast": line.contrast}
        p, estimate = (context.results.number(name, one, **address) for one in ("p_value", "estimate"))
        shown[line.contrast] = p < alpha and estimate > null
    return shown


def naive_sentence(context: ReportContext) -> str:
    """Say what ignoring the pairing does to the intervals here."""
    name = f"{context.primary.name}/naive"
    rows = context.results.select(analysis=name, statistic="se_ratio")
    if not rows:
        return ""
    formatter = context.formatter
    sentences = []
    for method in dict.fromkeys(row.level for row in rows):
        ratios = [float(row.value) for row in rows if row.level == method and row.value is not None]
        low, high = formatter.number(min(ratios), 2), formatter.number(max(ratios), 2)
        extent = low if low == high else f"{low} to {high}"
        meaning = (
            "wider intervals: the precision of the pairing is thrown away"
            if min(ratios) > 1
            else "narrower intervals: precision that the data do not hold"
            if max(ratios) < 1
            else "wider for some comparisons, narrower for others"
        )
        sentences.append(
            f"{sentence_case(method)}: standard errors {extent} times the right ones, {meaning}."
        )
    correlation = f"{context.primary.name}/correlation"
    icc = context.results.get(correlation, "icc")
    if icc is not None:
        low_limit, high_limit = (
            context.results.number(correlation, f"icc_{one}") for one in ("conf_low", "conf_high")
        )
        interval = formatter.confidence(low_limit, high_limit, 2)
        sentences.append(
            f"The observed correlation between a patient's lesions at {context.primary.visit} is "
            f"{formatter.number(icc, 2)} (intraclass correlation for consistency, {interval})."
        )
    return " ".join(sentences)


def missing_sentence(context: ReportContext) -> str:
    """Say how much of the primary outcome is missing at the primary visit."""
    name = f"{context.primary.name}/observed"
    visit = context.primary.visit
    expected, missing = (
        context.results.number(name, one, arm="", visit=visit) for one in ("expected", "missing")
    )
    unit = "lesion" if context.facts().level == "lesion" else "patient"
    if not missing:
        return f"At {visit} no value of the primary outcome is missing."
    share = f"{context.formatter.whole(missing)} of {counted(expected, unit)}"
    return f"At {visit} the primary outcome is missing for {share}."
