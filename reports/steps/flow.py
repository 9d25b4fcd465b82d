"""The flow of patients and lesions: allocated, treated, assessed at each visit, analysed, left out.

After CONSORT for within-person trials (Pandis et al. 2017, BMJ 357:j2835), items 13a and 13b: persons and
sites at each stage.
"""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from outcomes import Trial
from reports.results import ResultsBuilder
from reports.steps.units import allocated_units, count_by_arm, count_units

ENROLLED = "Enrolled"
ALLOCATED = "Allocated"
TREATED = "Treated at least once"
FOLLOWED = "Followed, untreated"
"""Stands for `TREATED` in an arm without components, which has nothing to receive."""

ANALYSED = "In the primary analysis"
WITH_VALUE = "Of these, with a value at"
"""Begins the stage of a model of several visits that has a value at the primary one."""

DELIVERED = {
    "sessions_done": "Sessions",
    "energy_mj": "Pulse energy, mJ",
    "density_percent": "Density, %",
    "passes": "Passes",
    "prp_volume_ml": "PRP volume, mL",
    "platelet_fold": "Platelets in PRP, times blood",
}
"""Columns of the lesions or patients that say what was delivered, and what the report calls them."""

TREATMENT_COLUMNS = ("sessions_done", "treated")
"""Columns of the lesions or patients that say whether a unit was treated: positive means that it was."""


def add_flow(
    trial: Trial, primary: pd.DataFrame, used: pd.DataFrame, visit: str, out: ResultsBuilder
) -> None:
    """Write the stages of the flow and the exclusions.

    Parameters
    ----------
    trial
        The trial.
    primary
        One row a planned unit and visit of the primary endpoint over all patients (`planned_rows`); ``value`` is
        missing where it was.
    used
        Rows that the primary analysis used: of several visits where its model is.
    visit
        The visit of the primary analysis.
    out
        Where the numbers go.
    """
    flow = out.scope(analysis="flow", method="counts")
    arms = trial.protocol.arms
    units = allocated_units(trial)
    _stage(flow, ENROLLED, {"": _enrolled(trial, units)})
    _stage(flow, ALLOCATED, count_by_arm(units, arms))
    treated = treated_units(trial, units)
    if treated is not None:
        counts = count_by_arm(treated, arms)
        _stage(flow, TREATED, {arm: found for arm, found in counts.items() if arms[arm]})
        _stage(flow, FOLLOWED, {arm: found for arm, found in counts.items() if not arms[arm]})
        _lost(
            flow, TREATED, {arm: found for arm, found in _without(units, treated, arms).items() if arms[arm]}
        )
    observed = primary[primary["value"].notna()]
    for planned in map(str, primary["visit"].cat.categories):
        stage = f"Assessed at {planned}"
        _stage(flow, stage, count_by_arm(observed[observed["visit"] == planned], arms), planned)
        gone = primary[(primary["visit"] == planned) & primary["value"].isna()]
        for arm in arms:
            flow.add("missing", int((gone["arm"] == arm).sum()), level=stage, arm=arm, visit=planned)
        _lost(flow, stage, count_by_arm(gone, arms), planned)
    _stage(flow, ANALYSED, count_by_arm(used, arms))
    flow.add_all(count_units(used), level=ANALYSED)
    _lost(flow, ANALYSED, _without(units, used, arms))
    at_visit = used[used["visit"].astype(str) == visit]
    if len(at_visit) < len(used):
        stage = f"{WITH_VALUE} {visit}"
        _stage(flow, stage, count_by_arm(at_visit, arms))
        flow.add_all(count_units(at_visit), level=stage)
    for population in trial.protocol.populations:
        _exclusions(trial, population.name, out)


def _enrolled(trial: Trial, units: pd.DataFrame) -> dict[str, int]:
    counts = count_units(units)
    return {**counts, "patients": int(trial.patients["patient"].nunique())}


def _stage(flow: ResultsBuilder, stage: str, counts: dict[str, dict[str, int]], visit: str = "") -> None:
    for arm, numbers in counts.items():
        flow.add_all(numbers, level=stage, arm=arm, visit=visit)


def _lost(flow: ResultsBuilder, stage: str, counts: dict[str, dict[str, int]], visit: str = "") -> None:
    """Write who did not reach a stage: "patients_lost" have a unit that did not."""
    for arm, numbers in counts.items():
        flow.add_all({f"{name}_lost": n for name, n in numbers.items()}, level=stage, arm=arm, visit=visit)


def _without(
    units: pd.DataFrame, kept: pd.DataFrame, arms: Mapping[str, object]
) -> dict[str, dict[str, int]]:
    """Count the units of each arm that are not among those kept."""
    keys = [name for name in ("patient", "lesion") if name in units.columns and name in kept.columns]
    known = pd.MultiIndex.from_frame(kept[keys])
    return count_by_arm(units[~pd.MultiIndex.from_frame(units[keys]).isin(known)], arms)


def treated_units(trial: Trial, units: pd.DataFrame) -> pd.DataFrame | None:
    """Return the units that were treated at least once; None where the data do not say.

    A unit of an arm without components (control) has nothing to receive and is kept.
    """
    for column in TREATMENT_COLUMNS:
        for frame, keys in ((trial.lesions, ["patient", "lesion"]), (trial.patients, ["patient"])):
            if column in frame.columns and set(keys) <= set(units.columns):
                sessions = pd.to_numeric(frame[column], errors="coerce")
                known = units.merge(frame[keys].assign(_sessions=sessions), on=keys, how="left")
                control = known["arm"].astype(str) == (trial.protocol.arms.control or "")
                return known.loc[(known["_sessions"] > 0) | control, units.columns]
    return None


def add_exposure(trial: Trial, out: ResultsBuilder) -> None:
    """Describe what was delivered, by arm where the arms are those of the rows."""
    for frame, population in ((trial.lesions, "lesions"), (trial.patients, "patients")):
        for column in DELIVERED:
            if column not in frame.columns:
                continue
            values = pd.to_numeric(frame[column], errors="coerce")
            groups = {"": values}
            if "arm" in frame.columns:
                groups = {arm: values[frame["arm"].astype(str) == arm] for arm in trial.protocol.arms}
            for arm, group in groups.items():
                if group.notna().any():
                    out.scope(analysis="exposure", population=population, method="observed values").add_all(
                        {
                            "n": int(group.notna().sum()),
                            "mean": group.mean(),
                            "sd": group.std(ddof=1),
                            "minimum": group.min(),
                            "maximum": group.max(),
                        },
                        endpoint=column,
                        arm=arm,
                    )


def _exclusions(trial: Trial, population: str, out: ResultsBuilder) -> None:
    scope = out.scope(analysis="exclusions", population=population, method="counts")
    scope.add("patients", len(trial.exclusions(population)))
    if len(trial.lesions):
        scope.add("lesions", len(trial.excluded_lesions(population)))
    planned = trial.protocol.population(population)
    scope.say("reason", "" if planned is None else planned.exclude_reason, subject=population)
