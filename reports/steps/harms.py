"""Harm and downtime, per patient and per lesion: what happened, and what cannot be excluded.

Proportions have exact Clopper-Pearson limits, so that an arm without any event still has its upper limit. They are for
independent units: patients always, lesions where no patient has two in the arm. An event without a lesion belongs to
the patient: in a within-patient trial to no arm, and it is counted apart.
"""

from __future__ import annotations

import pandas as pd
from scipy import stats

from outcomes import Trial
from outcomes.readers import cell_text
from outcomes.table_check import flag_value
from reports.results import ResultsBuilder
from reports.steps.units import allocated_units, count_units

ANY = "any event"
SEVERE = "severe event"
SEVERE_WORDS = ("severe", "life-threatening", "fatal")
"""Severities that count as severe."""

SERIOUS = "serious event"
RELATED = "event related to treatment"
STOPPED = "event that led to stopping"

OVERVIEW, DETAIL = "harms/overview", "harms/detail"
"""Analyses of kinds of events (any, severe, serious, related, stopping), and of terms by severity and relation."""

FLAGS = {SERIOUS: ("serious",), STOPPED: ("led_to_stop", "led_to_stopping", "discontinued")}
"""Kinds of events that a column of the file may name, with a yes or no in each row."""

UNRELATED_WORDS = ("no", "n", "none", "not related", "unrelated", "unlikely", "not", "false", "0")
"""What the file may say of an event that treatment did not cause."""

NOT_RECORDED = "not recorded"

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
    _overview(out, trial, events, units)
    _detail(out, trial, events)
    _durations(scope, trial, events)


def _groups(trial: Trial, events: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return the events of everyone (""), of each arm, and of no arm where the trial is within patients."""
    groups = {"": events, **{arm: events[events["arm"] == arm] for arm in trial.protocol.arms}}
    if trial.protocol.is_within_patient:
        groups[PATIENT_LEVEL] = events[events["arm"] == ""]
    return groups


def _overview(out: ResultsBuilder, trial: Trial, events: pd.DataFrame, units: pd.DataFrame) -> None:
    """Write, for each kind of event that the data tell apart, who had one."""
    kinds = {ANY: pd.Series(True, index=events.index)}
    if "severity" in events.columns and events["severity"].notna().any():
        kinds[SEVERE] = events["severity"].astype(str).str.casefold().isin(SEVERE_WORDS)
    if "related" in events.columns and events["related"].notna().any():
        kinds[RELATED] = events["related"].map(is_related)
    for kind, names in FLAGS.items():
        for name in names:
            if name in events.columns and events[name].notna().any():
                kinds[kind] = events[name].map(_is_set)
    scope = out.scope(analysis=OVERVIEW, method="counts; exact Clopper-Pearson limits")
    for arm, rows in _groups(trial, events).items():
        at_risk = count_units(units if arm in ("", PATIENT_LEVEL) else units[units["arm"].astype(str) == arm])
        if arm == PATIENT_LEVEL:
            at_risk = {"patients": at_risk["patients"]}
        scope.add_all({f"{unit}_at_risk": number for unit, number in at_risk.items()}, arm=arm)
        for kind, chosen in kinds.items():
            _count_level(scope, arm, kind, rows[chosen.loc[rows.index].astype(bool)], at_risk)


def _detail(out: ResultsBuilder, trial: Trial, events: pd.DataFrame) -> None:
    """Write numbers of events, patients and lesions for each term, severity and relation that occur."""
    scope = out.scope(analysis=DETAIL, method="counts")
    known = events.assign(
        _severity=_words(events, "severity"), _relation=_words(events, "related").map(relation_words)
    )
    order = list(known["severity"].cat.categories) if hasattr(known.get("severity"), "cat") else []
    groups = _groups(trial, known)
    for term in terms_of(known):
        of_term = known[known["term"].astype(str) == term]
        kinds = sorted(
            set(zip(of_term["_severity"], of_term["_relation"], strict=True)),
            key=lambda kind: (
                order.index(kind[0]) if kind[0] in order else len(order),
                kind[0],
                kind[1].casefold(),
            ),
        )
        for severity, relation in kinds:
            for arm, rows in groups.items():
                here = rows[
                    (rows["term"].astype(str) == term)
                    & (rows["_severity"] == severity)
                    & (rows["_relation"] == relation)
                ]
                scope.add_all(
                    {"events": len(here), **count_units(here)},
                    arm=arm,
                    level=f"{term} | {severity} | {relation}",
                )


def _words(events: pd.DataFrame, name: str) -> pd.Series:
    """Return a column's words, "not recorded" where it is empty or not there."""
    if name not in events.columns:
        return pd.Series(NOT_RECORDED, index=events.index)
    column = events[name]
    return column.astype(object).where(column.notna(), NOT_RECORDED).astype(str)


def is_related(text: object) -> bool:
    """Whether the file says that treatment, or some part of it, caused an event."""
    words = cell_text(text)
    return words is not None and words.strip().casefold() not in UNRELATED_WORDS


def relation_words(text: str) -> str:
    """Return what the file says of an event's cause, for people: "related", "not related", "related to laser"."""
    flag = flag_value(text.strip())
    if text == NOT_RECORDED:
        return text
    if flag is not None or text.strip().casefold() in UNRELATED_WORDS:
        return "related" if flag else "not related"
    plain = text.strip()
    return plain if "relat" in plain.casefold() else f"related to {plain}"


def _is_set(value: object) -> bool:
    words = cell_text(value)
    return words is not None and flag_value(words.strip()) is True


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
        _count_level(scope, arm, term, rows, totals)
        if "severity" in rows.columns:
            for severity, graded in rows.groupby(rows["severity"].astype(str), sort=True):
                scope.add("events", len(graded), arm=arm, level=f"{term}, {severity}")


def _count_level(
    scope: ResultsBuilder, arm: str, level: str, rows: pd.DataFrame, totals: dict[str, int]
) -> None:
    """Write events, and patients and lesions with one; limits for lesions only where none shares its patient."""
    touched = count_units(rows)
    scope.add("events", len(rows), arm=arm, level=level)
    for unit, at_risk in totals.items():
        number = touched[unit]
        low, high = exact_limits(number, at_risk) if at_risk <= totals["patients"] else (None, None)
        scope.add_all(
            {
                unit: number,
                f"{unit}_proportion": number / at_risk if at_risk else None,
                f"{unit}_conf_low": low,
                f"{unit}_conf_high": high,
            },
            arm=arm,
            level=level,
        )


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
