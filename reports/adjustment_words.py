"""What the first screen's differences rest on: the model that stands in, the adjustment, and what it changed."""

from __future__ import annotations

import re

from reports.context import ReportContext
from reports.format import join_words, sentence_case
from reports.model_words import COVARIATE_NAMES, covariance_words
from reports.narrative import decimals_of_intervals
from reports.steps.sensitivity import PAIRED_T


def fallback_clause(context: ReportContext) -> str:
    """Say that the first choice of model could not be fitted, and what stands in; empty where it could."""
    name = context.primary.name
    first = next(
        (one.subject for one in context.results.statements if (one.analysis, one.kind) == (name, "fallback")),
        "",
    )
    if not first:
        return ""
    used = covariance_words(context.results.text(name, "model"))
    return sentence_case(f"{covariance_words(first)} could not be fitted: the model has {used} instead.")


def adjustment(context: ReportContext) -> str:
    """Say what the means of the first screen are adjusted for; empty where they are not the model's."""
    model = context.results.text(context.primary.name, "model")
    if not model:
        return ""
    words = set(re.findall(r"\w+", model.partition("(")[0]))
    names = [
        COVARIATE_NAMES.get(one.name.casefold(), one.name.replace("_", " "))
        for one in context.protocol.covariates
        if one.name in words
    ]
    if words & {"baseline", "baseline_mean", "baseline_deviation"}:
        names.insert(0, "the value before treatment")
    if not names:
        return ""
    adjusted = f"Means and differences are the model's, adjusted for {join_words(names)}"
    unadjusted = _unadjusted_clause(context, names[0].startswith("the value before"))
    return f"{adjusted}; {unadjusted}." if unadjusted else f"{adjusted}."


def _unadjusted_clause(context: ReportContext, baseline: bool) -> str:
    """Say what an unadjusted paired comparison gives where it disagrees with the adjusted one on benefit."""
    results, name = context.results, f"{context.primary.name}/sensitivity"
    alpha, null = (results.get(context.primary.name, one) for one in ("alpha", "null"))
    for line in context.lines("part"):
        address = {"level": PAIRED_T, "contrast": line.contrast}
        p, estimate, low, high = (
            results.get(name, one, **address) for one in ("p_value", "estimate", "conf_low", "conf_high")
        )
        if None in (p, estimate, low, high, alpha, null):
            continue
        found = results.number(name, "p_value", **address) < float(alpha or 0)
        shown = line.p_value < float(alpha or 0)
        if (found and float(estimate or 0) > float(null or 0)) == (
            shown and line.estimate > float(null or 0)
        ):
            continue
        decimals = decimals_of_intervals((float(low or 0), float(high or 0)))
        numbers = f"{context.formatter.number(estimate, decimals)} ({context.formatter.interval(low, high, decimals)})"
        why = " for the unequal start" if baseline else ""
        from_part = "" if len(context.lines("part")) == 1 else f" from {line.reference}"
        return f"without adjustment{why} the difference{from_part} would be {numbers}"
    return ""
