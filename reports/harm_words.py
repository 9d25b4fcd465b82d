"""The first screen's line on harm: events with the combination against its parts. No number is typed here."""

from __future__ import annotations

from collections.abc import Sequence

from reports.context import ReportContext
from reports.format import NARROW_SPACE, counted, join_words
from reports.steps.harms import ANY, LEVEL, OVERVIEW, PATIENT_LEVEL, SERIOUS, SEVERE


def harm_line(context: ReportContext) -> str:
    """Return the line on harm: events and their duration with the combination, against its parts.

    The most frequent events of the combination are set beside its parts'; an event in every unit of all these arms (an
    expected reaction) is told by how long it lasted.
    """
    results = context.results
    missing = results.text("harms", "not_provided")
    if missing:
        return f"{missing} Nothing can be said of harm."
    combination = results.text(context.primary.name, "combination")
    unit = "lesions" if context.protocol.is_within_patient else "patients"
    parts = context.protocol.arms.parts(combination)
    sentences = [
        _event_sentence(context, term, combination, parts, unit)
        for term in _most_frequent(context, combination, parts, unit)
    ]
    if not sentences:
        sentences = [f"An adverse event was recorded in {_against(context, ANY, combination, parts, unit)}."]
    if results.has("harms", unit, arm=combination, level=SEVERE):
        sentences.append(f"Severe events: {_arm_harm(context, combination, unit, first=True, term=SEVERE)}.")
    if context.protocol.is_within_patient:
        patients = results.number("harms", "patients", arm=PATIENT_LEVEL, level=ANY)
        if patients:
            who = counted(patients, "patient")
            severe = results.get("harms", "patients", arm=PATIENT_LEVEL, level=SEVERE)
            badly = f", severe in {counted(float(severe), 'patient')}" if severe else ""
            sentences.append(f"Events of {who} belong to no lesion and so to no arm{badly}.")
    sentences.append(_serious(context))
    return " ".join(filter(None, sentences))


def _serious(context: ReportContext) -> str:
    """Say how many patients had a serious event, whatever the arm; empty where the data do not tell them apart."""
    results, formatter = context.results, context.formatter
    address = {"arm": "", "level": SERIOUS}
    if not results.has(OVERVIEW, "patients", **address):
        return ""
    total = counted(results.number(OVERVIEW, "patients_at_risk", arm=""), "patient")
    some = results.number(OVERVIEW, "patients", **address)
    if some:
        return f"Serious events, of any arm: {formatter.whole(some)} of {total}."
    upper = formatter.percent(results.value(OVERVIEW, "patients_conf_high", **address))
    return f"Serious events, of any arm: none of {total} (upper {formatter.level(LEVEL)} limit {upper})."


def _against(context: ReportContext, term: str, combination: str, parts: Sequence[str], unit: str) -> str:
    """Return "8 of 30 lesions with A + B (27 %), against 6 of 30 with A (20 %) and none of 30 with B (…)"."""
    first = _arm_harm(context, combination, unit, first=True, term=term)
    clauses = [_arm_harm(context, part, unit, term=term) for part in parts]
    return f"{first}, against {join_words(clauses)}" if clauses else first


def _event_sentence(
    context: ReportContext, term: str, combination: str, parts: Sequence[str], unit: str
) -> str:
    """Set one kind of event beside the parts': how often, and how long where all had it."""
    results, formatter = context.results, context.formatter
    arms = (combination, *parts)
    everywhere = all(results.value("harms", f"{unit}_proportion", arm=arm, level=term) == 1 for arm in arms)
    if not everywhere:
        return f"{term}: {_against(context, term, combination, parts, unit)}."
    if not all(results.has("harms", "days_median", arm=arm, level=term) for arm in arms):
        return f"{term}: in all {unit} with {join_words(arms)}."
    days = [results.number("harms", "days_median", arm=arm, level=term) for arm in arms]
    lasted = [f"{formatter.whole(value)} with {arm}" for value, arm in zip(days, arms, strict=True)]
    against = f", against {join_words(lasted[1:])}" if parts else ""
    first = f"{counted(float(formatter.whole(days[0])), 'day')} with {combination}"
    return f"{term}: in all {unit} of these arms, for a median of {first}{against}."


def _arm_harm(context: ReportContext, arm: str, unit: str, first: bool = False, term: str = ANY) -> str:
    """Return "4 of 30 lesions with A + B (13 %)", or "none of 30 …" with the upper limit of the risk."""
    results, formatter = context.results, context.formatter
    address = {"arm": arm, "level": term}
    events = results.number("harms", unit, **address)
    at_risk = results.number("harms", f"{unit}_at_risk", arm=arm)
    name = unit.removesuffix("s")
    if not events:
        limit = results.value("harms", f"{unit}_conf_high", **address)
        of = ""
        if limit is None:  # several lesions of a patient are no independent units: the patients' own limit
            limit, of = results.value("harms", "patients_conf_high", **address), " of patients"
        upper = formatter.percent(limit) + of
        whom = f"none of {counted(at_risk, name)}" if first else f"none of {formatter.whole(at_risk)}"
        return f"{whom} with {arm} (upper 95{NARROW_SPACE}% limit {upper})"
    share = formatter.percent(results.value("harms", f"{unit}_proportion", **address))
    whom = f"{formatter.whole(events)} of {counted(at_risk, name) if first else formatter.whole(at_risk)}"
    return f"{whom} with {arm} ({share})"


def _most_frequent(
    context: ReportContext, combination: str, parts: Sequence[str], unit: str, most: int = 2
) -> list[str]:
    """Return the most frequent kinds of events with the combination or one of its parts."""
    often: dict[str, float] = {}
    for arm in (combination, *parts):
        for row in context.results.select(analysis="harms", statistic=f"{unit}_proportion", arm=arm):
            if row.level not in (ANY, SEVERE) and row.value:
                often[row.level] = max(often.get(row.level, 0.0), float(row.value))
    return sorted(often, key=lambda term: -often[term])[:most]


def every_harm(context: ReportContext) -> str:
    """Say how many patients had any event; empty where nothing of harm was provided."""
    results, formatter = context.results, context.formatter
    if not results.has("harms", "events"):
        return ""
    total = counted(results.number("harms", "patients_at_risk", arm=""), "patient")
    some = results.number("harms", "patients", arm="", level=ANY)
    if not some:
        upper = formatter.percent(results.value("harms", "patients_conf_high", arm="", level=ANY))
        return f"No adverse event was recorded in {total} (upper {formatter.level(LEVEL)} limit {upper})."
    share = formatter.percent(results.value("harms", "patients_proportion", arm="", level=ANY))
    return f"An adverse event was recorded in {formatter.whole(some)} of {total} ({share})."


def other_harms(context: ReportContext) -> str:
    """Name the events that `harm_line` leaves out, with how many patients had each; empty where there is none."""
    results = context.results
    combination = results.text(context.primary.name, "combination")
    unit = "lesions" if context.protocol.is_within_patient else "patients"
    told = _most_frequent(context, combination, context.protocol.arms.parts(combination), unit)
    others = [
        f"{row.level} ({counted(float(row.value), 'patient')})"
        for row in results.select(analysis="harms", statistic="patients", arm="")
        if row.level not in (ANY, SEVERE, *told) and row.value
    ]
    return f"Other events: {join_words(others)}." if others else ""
