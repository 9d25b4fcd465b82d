"""Who received what: the units of a trial (patients, or lesions of patients) with their arms and planned visits."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from outcomes import Trial
from outcomes.endpoint import EndpointFacts
from outcomes.measured import score_items
from reports.results import ResultsBuilder


def allocated_units(trial: Trial) -> pd.DataFrame:
    """Return one row a unit that has an arm: ``patient``, ``lesion`` where lesions are known, ``arm``.

    A parallel trial with a lesions file has one row a lesion, each with its patient's arm.
    """
    if trial.protocol.is_within_patient:
        return trial.lesions[["patient", "lesion", "arm"]].reset_index(drop=True)
    patients = trial.patients[["patient", "arm"]].reset_index(drop=True)
    if len(trial.lesions):
        return trial.lesions[["patient", "lesion"]].merge(patients, on="patient", how="left")
    return patients


def planned_units(trial: Trial, endpoint: str, population: str = "all") -> pd.DataFrame:
    """Return who an endpoint was planned to be seen in: one row a unit, ``patient``, ``lesion``, ``arm``.

    A unit is a lesion for an endpoint of lesions and else a patient; a patient of a within-patient trial has no
    arm.
    """
    of_lesions = trial.protocol.endpoint(endpoint).level == "lesion"
    keys = ["patient", "lesion"] if of_lesions else ["patient"]
    members = trial.members(population)
    kept = members[members["lesion"].notna()] if of_lesions else members.drop_duplicates("patient")
    allocated = allocated_units(trial)
    if not of_lesions and trial.protocol.is_within_patient:
        return kept[keys].reset_index(drop=True)
    return kept[keys].merge(allocated[[*keys, "arm"]].drop_duplicates(keys), on=keys, how="left")


def planned_rows(
    trial: Trial, endpoint: str, population: str = "all", data: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Return one row for each planned unit and visit after baseline, whether or not the data have the row.

    Most data files have no row of a visit that a patient missed. It is missing all the same: what is counted as
    missing is counted against these rows.

    Parameters
    ----------
    trial
        The trial.
    endpoint
        Name of the endpoint.
    population
        Whose units are planned.
    data
        Endpoint frame, by default that of the trial; an analysis gives its own, with its strategies applied.

    Returns
    -------
    DataFrame
        ``patient, lesion (endpoints of lesions), arm (where units have one), visit (Categorical), week, baseline,
        value``; ``week`` and ``value`` are missing where nobody came.
    """
    data = trial.endpoint(endpoint, population) if data is None else data
    units = planned_units(trial, endpoint, population)
    keys = [name for name in ("patient", "lesion") if name in units.columns]
    visits = list(data["visit"].cat.categories)
    every = units.merge(pd.DataFrame({"visit": visits}), how="cross")
    found = data[[*keys, "visit", "week", "value"]].assign(visit=data["visit"].astype(object))
    rows = every.merge(found, on=[*keys, "visit"], how="left")
    rows["visit"] = pd.Categorical(rows["visit"], visits)
    if "arm" in rows.columns:
        rows["arm"] = pd.Categorical(rows["arm"].astype(object), list(trial.protocol.arms))
    known = data.drop_duplicates(keys)[[*keys, "baseline"]]
    rows = rows.merge(known, on=keys, how="left")
    facts = trial.protocol.endpoint(endpoint)
    if facts.has_baseline:
        rows["baseline"] = rows["baseline"].fillna(_baselines_of_visit(trial, facts, rows[keys]))
    return rows


def _baselines_of_visit(trial: Trial, facts: EndpointFacts, units: pd.DataFrame) -> pd.Series:
    """Return what was measured at the baseline visit in each row's unit, also where no later visit was recorded."""
    visit, keys = trial.protocol.baseline_visit, list(units.columns)
    assessments = trial.assessments
    if visit is None or not set(keys) <= set(assessments.columns):
        return pd.Series(np.nan, index=units.index)
    rows = assessments[assessments["visit"].astype(object) == visit.name].reset_index(drop=True)
    measured = score_items(facts, rows) if facts.measured.items else rows[facts.measured.columns[0]]
    by_unit = (
        rows[keys].assign(_baseline=np.asarray(measured, dtype=float)).groupby(keys)["_baseline"].first()
    )
    found = units.merge(by_unit.reset_index(), on=keys, how="left")["_baseline"]
    return found.set_axis(units.index)


def missing_by_arm_and_visit(trial: Trial, endpoint: str, population: str = "all") -> pd.DataFrame:
    """Count an endpoint's missing values at each visit after baseline, against everyone planned to be seen.

    Returns
    -------
    DataFrame
        ``visit, arm, expected, missing``, in the protocol's order; ``arm`` is empty for outcomes of the patients of
        a within-patient trial, who are in every arm.
    """
    rows = planned_rows(trial, endpoint, population)
    if "arm" not in rows.columns:
        rows["arm"] = pd.Categorical([""] * len(rows))
    gone = rows.assign(expected=1, missing=rows["value"].isna().astype(int))
    counts = gone.groupby(["visit", "arm"], observed=False)[["expected", "missing"]].sum().reset_index()
    return counts.assign(visit=counts["visit"].astype(str), arm=counts["arm"].astype(str)).astype(
        {"expected": int, "missing": int}
    )


def count_units(frame: pd.DataFrame) -> dict[str, int]:
    """Return the numbers of different patients and, where the frame knows lesions, of different lesions."""
    counts = {"patients": int(frame["patient"].nunique())}
    if "lesion" in frame:
        counts["lesions"] = len(frame.loc[frame["lesion"].notna(), ["patient", "lesion"]].drop_duplicates())
    return counts


def add_populations(trial: Trial, out: ResultsBuilder) -> None:
    """Write how many patients and lesions each population has, and each analysis was planned to see."""
    scope = out.scope(analysis="populations", method="counts")
    for name in ("all", *(one.name for one in trial.protocol.populations)):
        scope.add_all(count_units(trial.members(name)), population=name)
    for analysis in trial.protocol.analyses:
        counts = count_units(planned_units(trial, analysis.endpoint, analysis.population))
        planned = out.scope(
            analysis=f"{analysis.name}/planned",
            endpoint=analysis.endpoint,
            population=analysis.population,
            method="counts of everyone planned to be seen",
        )
        planned.add_all({f"n_{unit}": number for unit, number in counts.items()})


def count_by_arm(frame: pd.DataFrame, arms: Mapping[str, object]) -> dict[str, dict[str, int]]:
    """Return `count_units` of each arm, in the arms' order; arms without rows count zero."""
    return {arm: count_units(frame[frame["arm"].astype(str) == arm]) for arm in arms}


def unit_words(counts: Mapping[str, int]) -> str:
    """Return "30 patients" or "30 patients, 120 lesions"."""
    from reports.format import counted

    words = [counted(counts["patients"], "patient")]
    if "lesions" in counts:
        words.append(counted(counts["lesions"], "lesion"))
    return ", ".join(words)
