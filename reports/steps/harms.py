"""Harm and downtime, per patient and per lesion: what happened, and what cannot be excluded.

Proportions have exact Clopper-Pearson limits, so that an arm without any event still has its upper limit. An
event without a lesion belongs to the patient: in a within-patient trial to no arm, and it is counted apart.
"""

from __future__ import annotations

import pandas as pd
from scipy import stats

from outcomes import Trial
from reports.results import ResultsBuilder
from reports.steps.units import allocated_units, count_units

ANY = "any event"
SEVERE = "severe event"
SEVERE_WORDS = ("severe", "life-threatening", "fatal")
"""Severities that count as severe."""

PATIENT_LEVEL = "no arm"
"""Stands for the arm of events that belong to the patient alone."""

DAYS_PER_WEEK = 7

LEVEL = 0.95


def add_harms(trial: Trial, out: ResultsBuilder) -> None:
    """Write the events of each arm, those of no arm, and how long they lasted."""
    scope = out.scope(analysis="harms", method="counts; exact Clopper-Pearson limits")
    if not trial.events_recorded:
        scope.say("not_provided", "No adverse events were provided with the data.")
        return
    if not len(trial.events) and not trial.events_known:
        # A file with a header alone is what a template leaves: that nobody had an event must be said in the protocol.
        scope.say("not_provided", "The file of adverse events is empty.")
        return
    units = allocated_units(trial)
    events = with_arms(trial, units)
    totals = count_units(units)
    graded = "severity" in events.columns and bool(events["severity"].notna().any())
    terms = [ANY, *([SEVERE] if graded else []), *terms_of(events)]
    _count(scope, "", events, totals, terms)
    for arm in trial.protocol.arms:
        at_risk = count_units(units[units["arm"].astype(str) == arm])
        _count(scope, arm, events[events["arm"] == arm], at_risk, terms)
    if trial.protocol.is_within_patient:
        patients = {"patients": totals["patients"]}
        _count(scope, PATIENT_LEVEL, events[events["arm"] == ""], patients, terms)
    _durations(scope, trial, events)


def with_arms(trial: Trial, units: pd.DataFrame) -> pd.DataFrame:
    """Return the events with the arm of their lesion (or patient, in a parallel trial); "" where they have none."""
    events = trial.events.reset_index(drop=True).copy()
    if "lesion" not in events.columns:
        events["lesion"] = pd.Series([None] * len(events), dtype=object)
    if trial.protocol.is_within_patient:
        keys = pd.MultiIndex.from_frame(units[["patient", "lesion"]].astype(str))
        arm_of = dict(zip(keys, units["arm"].astype(str), strict=True))
        pairs = zip(events["patient"].astype(str), events["lesion"].astype(str), strict=True)
        events["arm"] = [arm_of.get(pair, "") for pair in pairs]
    else:
        by_patient = units.drop_duplicates("patient").set_index("patient")["arm"].astype(str)
        events["arm"] = events["patient"].map(by_patient).fillna("").astype(str)
    return events


def _count(
    scope: ResultsBuilder, arm: str, events: pd.DataFrame, totals: dict[str, int], terms: list[str]
) -> None:
    """Write numbers of events, and of patients and lesions with one, for each term and for any."""
    scope.add_all({f"{unit}_at_risk": number for unit, number in totals.items()}, arm=arm)
    for term in terms:
        rows = _rows_of(events, term)
        touched = count_units(rows)
        scope.add("events", len(rows), arm=arm, level=term)
        for unit, at_risk in totals.items():
            number = touched[unit]
            low, high = exact_limits(number, at_risk)
            scope.add_all(
                {
                    unit: number,
                    f"{unit}_proportion": number / at_risk if at_risk else None,
                    f"{unit}_conf_low": low,
                    f"{unit}_conf_high": high,
                },
                arm=arm,
                level=term,
            )
        if "severity" in rows.columns:
            for severity, graded in rows.groupby(rows["severity"].astype(str), sort=True):
                scope.add("events", len(graded), arm=arm, level=f"{term}, {severity}")


def _rows_of(events: pd.DataFrame, term: str) -> pd.DataFrame:
    """Return the events of a term, all of them, or the severe ones."""
    if term == ANY:
        return events
    if term == SEVERE:
        return events[events["severity"].astype(str).str.casefold().isin(SEVERE_WORDS)]
    return events[events["term"].astype(str) == term]


def terms_of(events: pd.DataFrame) -> list[str]:
    """Return the terms of events, the most frequent first, equal ones by name."""
    counts = events["term"].astype(str).value_counts()
    return [str(term) for term in sorted(counts.index, key=lambda term: (-counts[term], term))]


def exact_limits(events: int, at_risk: int, level: float = LEVEL) -> tuple[float | None, float | None]:
    """Return the Clopper-Pearson limits of a proportion; None where nobody was at risk."""
    if not at_risk:
        return None, None
    limits = stats.binomtest(events, at_risk).proportion_ci(level, method="exact")
    return float(limits.low), float(limits.high)


def _durations(scope: ResultsBuilder, trial: Trial, events: pd.DataFrame) -> None:
    """Write how many days the events of each term lasted, by arm; those without an end are counted as ongoing."""
    if not {"start_week", "end_week"} <= set(events.columns):
        return
    weeks = pd.to_numeric(events["end_week"]) - pd.to_numeric(events["start_week"])
    events = events.assign(days=weeks * DAYS_PER_WEEK)
    groups = [*trial.protocol.arms, *([""] if trial.protocol.is_within_patient else [])]
    for arm in groups:
        for term in terms_of(events[events["arm"] == arm]):
            days = events.loc[(events["arm"] == arm) & (events["term"].astype(str) == term), "days"]
            known = days.dropna()
            address = {"arm": arm or PATIENT_LEVEL, "level": term}
            scope.add("ongoing", int(days.isna().sum()), **address)
            if len(known):
                scope.add_all(
                    {
                        "days_n": len(known),
                        "days_q1": known.quantile(0.25),
                        "days_median": known.median(),
                        "days_q3": known.quantile(0.75),
                        "days_maximum": known.max(),
                    },
                    **address,
                )
