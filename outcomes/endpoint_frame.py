"""An endpoint as the long frame that models take."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from outcomes.derivation import Derived, as_recorded_value, derive_values
from outcomes.endpoint import EndpointFacts
from outcomes.measured import score_items
from outcomes.protocol import Protocol

if TYPE_CHECKING:
    from outcomes.trial import Trial

__all__ = ["endpoint_frame", "undefined_values"]

Floats = npt.NDArray[np.float64]


def endpoint_frame(trial: Trial, name: str, members: pd.DataFrame, planned: bool = False) -> pd.DataFrame:
    """Return the frame that `Trial.endpoint` documents, of the given members of a population.

    With ``planned`` every member has a row at every visit after baseline: a visit without a row in the data is a
    missing value too.
    """
    facts = trial.protocol.endpoint(name)
    rows, derived = _derived_rows(trial, facts)
    rows = rows.assign(value=as_recorded_value(facts, derived.values).array)
    people = _people(trial, facts, members)
    keys = ["patient", "lesion"] if facts.level == "lesion" else ["patient"]
    joined = people.merge(rows, on=keys, how="inner", sort=False)
    if planned:
        joined = pd.concat([joined, _absent_rows(trial, facts, people, joined)], ignore_index=True)
        for column in ("visit", "value"):
            joined[column] = joined[column].astype(rows[column].dtype)
    joined = joined.sort_values(["_order", "visit"], kind="stable").reset_index(drop=True)
    visits = [visit.name for visit in trial.protocol.post_baseline_visits]
    joined["visit"] = pd.Categorical(joined["visit"].astype(object), categories=visits)
    joined["change"] = joined["_measured"] - joined["baseline"]
    arms = ["arm", *trial.protocol.arms.components] if "arm" in joined else []
    covariates = [covariate.name for covariate in trial.protocol.covariates if covariate.name in joined]
    spread = ["baseline_mean", "baseline_deviation"] if "baseline_mean" in joined else []
    return joined[[*keys, *arms, "visit", "week", "baseline", "value", "change", *covariates, *spread]]


def _absent_rows(
    trial: Trial, facts: EndpointFacts, people: pd.DataFrame, joined: pd.DataFrame
) -> pd.DataFrame:
    """Return a row for every planned visit of a member that the data have no row of: with its baseline, no value."""
    keys = ["patient", "lesion"] if facts.level == "lesion" else ["patient"]
    visits = trial.protocol.post_baseline_visits
    plan = people.merge(
        pd.DataFrame(
            {"visit": [visit.name for visit in visits], "week": [float(visit.week) for visit in visits]}
        ),
        how="cross",
    )
    there = set(joined[[*keys, "visit"]].astype(object).itertuples(index=False, name=None))
    absent = [key not in there for key in plan[[*keys, "visit"]].itertuples(index=False, name=None)]
    rows = _rows_of_level(trial, facts)
    baseline, spread = _baselines(trial.protocol, facts, rows, _measured(facts, rows))
    known = rows[keys].assign(baseline=baseline, **spread).drop_duplicates(keys)
    found = plan.loc[absent].merge(known, on=keys, how="left")
    if facts.baseline_by_definition is not None:
        found["baseline"] = facts.baseline_by_definition
    return found.assign(_measured=np.nan)


def undefined_values(trial: Trial, name: str) -> pd.DataFrame:
    """Return the rows whose derived value does not exist though something was measured, and why."""
    facts = trial.protocol.endpoint(name)
    rows, derived = _derived_rows(trial, facts)
    keys = ["patient", "lesion"] if facts.level == "lesion" else ["patient"]
    found = rows.loc[derived.undefined, [*keys, "visit", "baseline"]].reset_index(drop=True)
    no_baseline = found["baseline"].isna()
    reason = np.where(no_baseline, "no baseline was measured", "a percentage of a baseline of 0 is undefined")
    return found.drop(columns="baseline").assign(visit=found["visit"].astype("str"), reason=reason)


def _derived_rows(trial: Trial, facts: EndpointFacts) -> tuple[pd.DataFrame, Derived]:
    """Return the assessments after baseline with their baselines, and the derived values beside them."""
    rows = _rows_of_level(trial, facts)
    measured = _measured(facts, rows)
    baseline, spread = _baselines(trial.protocol, facts, rows, measured)
    visit = trial.protocol.baseline_visit
    after = (rows["visit"] != visit.name).to_numpy() if visit is not None else np.ones(len(rows), dtype=bool)
    keys = ["patient", "lesion"] if facts.level == "lesion" else ["patient"]
    kept = rows.loc[after, [*keys, "visit", "week"]].assign(
        _measured=measured[after], baseline=baseline[after]
    )
    for column, values in spread.items():
        kept[column] = values[after]
    return kept.reset_index(drop=True), derive_values(facts, measured[after], baseline[after])


def _rows_of_level(trial: Trial, facts: EndpointFacts) -> pd.DataFrame:
    """Return the assessments of the endpoint's level.

    An outcome of the patient is read from the rows without a lesion; where it stands on the rows of lesions
    instead (validation saw to it that they agree), from the first of them that has it.
    """
    rows = trial.assessments
    if "lesion" not in rows:
        return rows
    if facts.level == "lesion":
        return rows.loc[rows["lesion"].notna()].reset_index(drop=True)
    recorded = rows[list(facts.measured.columns)].notna().any(axis=1)
    ranked = rows.assign(_rank=np.where(recorded, 0, 1), _own=rows["lesion"].notna().astype(int))
    ranked = ranked.sort_values(["_rank", "_own"], kind="stable").drop_duplicates(["patient", "visit"])
    return ranked.sort_index().drop(columns=["_rank", "_own"]).reset_index(drop=True)


def _measured(facts: EndpointFacts, rows: pd.DataFrame, suffix: str = "") -> Floats:
    if facts.measured.items:
        return np.asarray(score_items(facts, rows, suffix), dtype=np.float64)
    return np.asarray(rows[facts.measured.columns[0] + suffix], dtype=np.float64)


def _baselines(
    protocol: Protocol, facts: EndpointFacts, rows: pd.DataFrame, measured: Floats
) -> tuple[Floats, dict[str, Floats]]:
    """Return each row's baseline; for lesions in a within-patient trial also its mean and deviation."""
    if facts.baseline_by_definition is not None:
        return np.full(len(rows), facts.baseline_by_definition), {}
    if not facts.has_baseline:
        return np.full(len(rows), np.nan), {}
    keys = ["patient", "lesion"] if facts.level == "lesion" else ["patient"]
    known = rows[keys].assign(baseline=np.nan)
    if protocol.baseline_visit is not None:
        at_baseline = (rows["visit"] == protocol.baseline_visit.name).to_numpy()
        known["baseline"] = np.where(at_baseline, measured, np.nan)
    repeated = _repeated_baseline(protocol, facts, rows)
    if repeated is not None:
        known["baseline"] = known["baseline"].where(known["baseline"].notna(), repeated)
    by_unit = (
        known.groupby(keys, sort=False, dropna=False)["baseline"].first().rename("baseline").reset_index()
    )
    baseline = rows[keys].merge(by_unit, on=keys, how="left")["baseline"].to_numpy(dtype=float)
    if not (protocol.is_within_patient and facts.level == "lesion"):
        return baseline, {}
    means = by_unit.groupby("patient", sort=False)["baseline"].mean()
    mean = rows["patient"].map(means).to_numpy(dtype=float)
    return baseline, {"baseline_mean": mean, "baseline_deviation": baseline - mean}


def _repeated_baseline(protocol: Protocol, facts: EndpointFacts, rows: pd.DataFrame) -> Floats | None:
    """Return the baselines that stand on each row: in a column of their own, or as BASE in long data."""
    own = facts.chain[0].baseline_column
    if own is not None:
        return np.asarray(rows[own], dtype=np.float64)
    return _measured(facts, rows, suffix="_baseline") if "baseline" in protocol.data.columns else None


def _people(trial: Trial, facts: EndpointFacts, members: pd.DataFrame) -> pd.DataFrame:
    """Return the members with their arm, its components as 0/1, and the protocol's covariates."""
    arms = trial.protocol.arms
    people = members.reset_index(drop=True)
    lesions = facts.level == "lesion"
    keys = ["patient", "lesion"] if lesions else ["patient"]
    people = people.loc[people["lesion"].notna()] if lesions else people.drop_duplicates("patient")
    has_arm = lesions or not trial.protocol.is_within_patient
    covariates = [c.name for c in trial.protocol.covariates if lesions or c.level == "patient"]
    kept = people[[*keys, *(["arm"] if has_arm else []), *covariates]].reset_index(drop=True)
    if has_arm:
        labels = kept["arm"].astype(object)
        for component in arms.components:
            kept[component] = labels.map({label: int(component in arms[label]) for label in arms}).astype(
                np.int64
            )
    return kept.assign(_order=np.arange(len(kept)))
