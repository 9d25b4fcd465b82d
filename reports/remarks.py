"""What the sections say in a sentence: whether scales agree, whether the answer holds, what pairing is worth."""

from __future__ import annotations

import math
from collections.abc import Mapping

from outcomes.protocol import Analysis
from reports.context import ReportContext
from reports.format import counted, headline_decimals, join_words, sentence_case
from reports.narrative import all_alike, alone, in_words, lower_first
from reports.steps.naive import OF_LESIONS
from reports.steps.sensitivity import SPREAD_BY_ARM
from reports.verdicts import VerdictLine


def scales_sentence(context: ReportContext) -> str:
    """Say whether the scales agree that the combination is better than every part, and what a disagreement means."""
    shown: list[str] = []
    not_shown: list[str] = []
    left: list[str] = []
    for analysis in context.analyses:
        joint = context.lines("min_test", analysis.name)
        if analysis.role == "sensitivity" or not joint:
            continue
        if all_alike(context, analysis):
            left.append(lower_first(named_outcome(context, analysis)))
            continue
        if math.isnan(joint[0].p_value):
            continue
        p = context.formatter.p_phrase(joint[0].p_value)
        named = f"{lower_first(named_outcome(context, analysis))} ({p})"
        (shown if joint[0].answer.startswith("better") else not_shown).append(named)
    if len(shown) + len(not_shown) < 2:
        return ""
    nothing = f" Nothing can be compared on {join_words(left)}." if left else ""
    if shown and not_shown:
        return (
            f"The scales disagree: better than every part is shown on {join_words(shown)}, and not shown on "
            f"{join_words(not_shown)}. The scales ask different questions of the same patients, and cutting an outcome "
            "at a threshold discards information: what is not shown there is not excluded either."
            f"{nothing}"
        )
    if shown:
        return f"The scales agree: better than every part is shown on {join_words(shown)}.{nothing}"
    return f"The scales agree: better than every part is not shown on {join_words(not_shown)}.{nothing}"


def named_outcome(context: ReportContext, analysis: Analysis) -> str:
    """Return an analysis's outcome, with its visit where another analysis has the same outcome."""
    label = context.facts(analysis).label
    same = [
        one for one in context.analyses if one.role != "sensitivity" and context.facts(one).label == label
    ]
    return f"{label} at {analysis.visit}" if len(same) > 1 else label


def sensitivity_sentence(
    context: ReportContext, assumptions: str = "each of the assumptions below", binding: bool = True
) -> str:
    """Say whether the primary answer holds under the other assumptions, and under every other reconstruction.

    Parameters
    ----------
    context
        Protocol and results.
    assumptions
        What the others are called where the sentence stands.
    binding
        Whether the comparison that binds the min test is named too.
    """
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
        return f"The answer holds under {assumptions}."
    alternatives = context.protocol.data.alternatives
    which = (
        f"under all {in_words(len(alternatives) + 1)} reconstructions that the published numbers allow"
        if alternatives and len(alternatives) == len(variants)
        else f"under {assumptions}"
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
    p = context.formatter.p_phrase(largest)
    sentence = f"The answer holds {which}: better than every part (largest min test {p})."
    if not binding:
        return sentence
    hardest = max(context.lines("part"), key=lambda line: line.p_value)
    return (
        f"{sentence} The comparison that binds the min test is that with {hardest.reference} "
        f"({'two' if context.primary.sided == 2 else 'one'}-sided {context.formatter.exact_p(hardest.p_value)})."
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


UNEQUAL = 1.5
"""Largest over smallest standard deviation of the arms beyond which pooling them is spoken of."""


def spread_sentence(context: ReportContext) -> str:
    """Say how the arms of a parallel trial differ in spread, and what a covariance for each of them would give."""
    results, formatter, name = context.results, context.formatter, f"{context.primary.name}/spread"
    if not _has_spread_by_arm(context):
        return ""
    found = results.select(analysis=name, statistic="sd")
    decimals = context.decimals()
    each = join_words(f"{formatter.number(row.value, decimals)} ({row.arm})" for row in found)
    text = f"Observed standard deviations at {context.primary.visit}: {each}"
    ratio = results.get(name, "sd_ratio")
    if ratio is not None:
        text += f", the largest {formatter.number(ratio, 1)} times the smallest"
    warning = spread_warning(context)
    if not warning and (ratio is None or ratio <= UNEQUAL):
        return f"{text}."
    numbers = join_words(_by_arm_and_pooled(context, line) for line in context.lines("part"))
    verdict = warning or "What each comparison shows is the same under both."
    return (
        f"{text}. The model pools the arms' spread, so that its intervals are too narrow for arms that vary more and "
        f"too wide for arms that vary less. With a covariance for each arm the difference is {numbers}. {verdict}"
    )


def spread_warning(context: ReportContext) -> str:
    """Say where a covariance for each arm changes which comparisons show benefit; empty where it does not."""
    if not _has_spread_by_arm(context):
        return ""
    clauses = []
    for line in context.lines("part"):
        pooled = _direction(context, line.p_value, line.estimate)
        by_arm = _direction(context, *_of_variant(context, SPREAD_BY_ARM, line, "p_value", "estimate"))
        if pooled != by_arm:
            low, high = _of_variant(context, SPREAD_BY_ARM, line, "conf_low", "conf_high")
            decimals = headline_decimals(line.std_error, (low, high))
            interval = context.formatter.confidence(low, high, decimals, context.level())
            is_shown = "is shown" if by_arm else "is not shown"
            clauses.append(
                f"{by_arm or pooled} than {alone(context, line.reference)} {is_shown} ({interval})"
            )
    if not clauses:
        return ""
    return (
        "The primary model pools the arms' spread, and the answer depends on that: with a covariance for each arm, "
        f"{join_words(clauses)}."
    )


def _has_spread_by_arm(context: ReportContext) -> bool:
    return context.results.has(f"{context.primary.name}/sensitivity", "min_test_p", level=SPREAD_BY_ARM)


def _by_arm_and_pooled(context: ReportContext, line: VerdictLine) -> str:
    """Return "2.1 from Laser (95 % CI 1.2 to 3.0; pooled 1.4 to 2.8)"."""
    estimate, low, high = _of_variant(context, SPREAD_BY_ARM, line, "estimate", "conf_low", "conf_high")
    decimals = headline_decimals(line.std_error, (low, high, line.conf_low, line.conf_high))
    interval = context.formatter.confidence(low, high, decimals, context.level())
    pooled = context.formatter.interval(line.conf_low, line.conf_high, decimals)
    return (
        f"{context.formatter.number(estimate, decimals)} from {line.reference} ({interval}; pooled {pooled})"
    )


def _of_variant(context: ReportContext, variant: str, line: VerdictLine, *statistics: str) -> list[float]:
    """Return another assumption's numbers of a comparison; NaN where one is not estimable."""
    name, address = f"{context.primary.name}/sensitivity", {"level": variant, "contrast": line.contrast}
    return [context.results.number(name, statistic, **address) for statistic in statistics]


def _direction(context: ReportContext, p: float, estimate: float) -> str:
    """Return what a comparison shows: "better", "worse" or nothing."""
    alpha, null = (context.results.number(context.primary.name, one) for one in ("alpha", "null"))
    if not p < alpha:
        return ""
    return "better" if estimate > null else "worse"


def naive_sentence(context: ReportContext) -> str:
    """Say what ignoring the pairing does to the intervals here."""
    name = f"{context.primary.name}/naive"
    shown = {line.contrast for line in context.lines("part")}
    rows = [
        row for row in context.results.select(analysis=name, statistic="se_ratio") if row.contrast in shown
    ]
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
            f"{formatter.number(icc, 2)} ({_kind_of_correlation(context)}, {interval})."
        )
    return " ".join(sentences)


def _kind_of_correlation(context: ReportContext) -> str:
    kind = context.results.text(f"{context.primary.name}/correlation", "correlation_kind")
    if kind == OF_LESIONS:
        return "the patients' share of the variance of their lesions, beyond the arms' means"
    return "intraclass correlation for consistency"


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
