"""From the arrays of a trial to its frames: patients, lesions, assessments, adverse events."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from synthetic_data.safety import Events
from synthetic_data.scenario_tables import ITEMS, REGIONS, Planimetry, Posas

if TYPE_CHECKING:
    import pandas as pd

    from synthetic_data.scenario import Scenario
    from synthetic_data.simulate import Outcomes

__all__ = ["TrialFrames", "lesion_labels", "patient_labels", "region_columns", "trial_frames"]

Labels: TypeAlias = NDArray[np.object_]


@dataclass(frozen=True, slots=True, eq=False)
class TrialFrames:
    """The frames that a trial's files hold, with canonical column names.

    Attributes
    ----------
    patients : DataFrame
        patient, arm (parallel), age, sex, fitzpatrick, platelet_fold, sessions_done.
    lesions : DataFrame or None
        patient, lesion, arm, body_site, baseline_area (as the scenario has them); None in parallel designs.
    assessments : DataFrame
        patient, lesion, visit, week, what the instrument records, the primary outcome last. A missed visit
        has its row, without values.
    events : DataFrame
        patient, lesion, term, severity, start_week, end_week, related.
    """

    patients: pd.DataFrame
    lesions: pd.DataFrame | None
    assessments: pd.DataFrame
    events: pd.DataFrame


def patient_labels(patients: int) -> Labels:
    """Return P001, P002, ...; four figures and more where there are 1,000 patients and more."""
    width = max(3, len(str(patients)))
    return np.array([f"P{number:0{width}d}" for number in range(1, patients + 1)], dtype=object)


def lesion_labels(scenario: Scenario) -> Labels:
    """Return left and right for two sides of a face, else L1, L2, ..."""
    if isinstance(scenario.measurement, Posas) and len(scenario.arms) == 2:
        return np.array(["left", "right"], dtype=object)
    return np.array([f"L{number}" for number in range(1, len(scenario.arms) + 1)], dtype=object)


def region_columns(region: str) -> tuple[str, str]:
    """Return the names of a region's two items, as the VASI's registry entry has them."""
    stem = region.replace(" ", "_")
    return f"{stem}_hand_units", f"{stem}_depigmentation"


def trial_frames(outcomes: Outcomes, events: Events) -> TrialFrames:
    """Return the frames of a trial."""
    return TrialFrames(
        _patients(outcomes),
        _lesions(outcomes) if outcomes.scenario.is_within_patient else None,
        _assessments(outcomes),
        _events(outcomes, events),
    )


def _patients(outcomes: Outcomes) -> pd.DataFrame:
    import pandas as pd

    scenario, recorded = outcomes.scenario, outcomes.recorded
    labels = np.array([arm.label for arm in scenario.arms], dtype=object)
    with_prp = np.array(["prp" in arm.components for arm in scenario.arms])[recorded.arm].any(axis=1)
    columns: dict[str, Any] = {"patient": patient_labels(outcomes.patients)}
    if not scenario.is_within_patient:
        columns["arm"] = labels[recorded.arm[:, 0]]
    columns |= {
        "age": outcomes.age,
        "sex": np.where(outcomes.female, "female", "male").astype(object),
        "fitzpatrick": np.array([kind.name for kind in scenario.people.phototypes], dtype=object)[
            outcomes.phototype
        ],
        "platelet_fold": np.where(with_prp, np.round(recorded.fold, 1), np.nan),
        "sessions_done": recorded.sessions,
    }
    return pd.DataFrame(columns)


def _lesions(outcomes: Outcomes) -> pd.DataFrame:
    import pandas as pd

    scenario, recorded = outcomes.scenario, outcomes.recorded
    n, u = recorded.arm.shape
    columns: dict[str, Any] = {
        "patient": np.repeat(patient_labels(n), u),
        "lesion": np.tile(lesion_labels(scenario), n),
        "arm": np.array([arm.label for arm in scenario.arms], dtype=object)[recorded.arm.ravel()],
    }
    if recorded.site is not None:
        names = np.array([site.name for site in scenario.sites], dtype=object)
        columns["body_site"] = names[recorded.site.ravel()]
    if recorded.baseline_area is not None:
        columns["baseline_area"] = recorded.baseline_area.ravel()
    return pd.DataFrame(columns)


def _assessments(outcomes: Outcomes) -> pd.DataFrame:
    """One row a patient (lesion) and visit, in that order."""
    import pandas as pd

    scenario, recorded = outcomes.scenario, outcomes.recorded
    n, u = recorded.arm.shape
    visits = scenario.visits
    v = len(visits)
    columns: dict[str, Any] = {"patient": np.repeat(patient_labels(n), u * v)}
    if scenario.is_within_patient:
        columns["lesion"] = np.tile(np.repeat(lesion_labels(scenario), v), n)
    columns["visit"] = np.tile(np.array([visit.name for visit in visits], dtype=object), n * u)
    columns["week"] = np.tile(np.array([visit.week for visit in visits]), n * u)
    value, assessed = recorded.value, outcomes.assessed
    if recorded.baseline is not None:
        value = np.concatenate([recorded.baseline[..., None], value], axis=-1)
        assessed = np.concatenate([np.ones((n, 1), dtype=bool), assessed], axis=-1)
    seen = np.broadcast_to(assessed[:, None, :], value.shape)
    if recorded.area is not None:
        columns["area"] = np.where(seen, recorded.area, np.nan).ravel()
    if recorded.items is not None:
        for number, item in enumerate(ITEMS):
            columns[item] = np.where(seen, recorded.items[..., number], np.nan).ravel()
    if recorded.hand_units is not None and recorded.depigmentation is not None:
        for number, region in enumerate(REGIONS):
            area, share = region_columns(region)
            columns[area] = np.where(seen[:, 0], recorded.hand_units[:, number, None], np.nan).ravel()
            columns[share] = np.where(seen[:, 0], recorded.depigmentation[:, number], np.nan).ravel()
    columns[_outcome_column(scenario)] = np.where(seen, value, np.nan).ravel()
    return pd.DataFrame(columns)


def _outcome_column(scenario: Scenario) -> str:
    if isinstance(scenario.measurement, Planimetry):
        return "repigmentation"
    return "posas_total" if isinstance(scenario.measurement, Posas) else "vasi"


def _events(outcomes: Outcomes, events: Events) -> pd.DataFrame:
    import pandas as pd

    scenario = outcomes.scenario
    labels = np.array([None, *lesion_labels(scenario)], dtype=object)
    columns: dict[str, Any] = {"patient": patient_labels(outcomes.patients)[events.patient]}
    if scenario.is_within_patient:
        columns["lesion"] = labels[events.unit + 1]
    columns |= {
        "term": events.term.astype(object),
        "severity": events.severity.astype(object),
        "start_week": events.start_week,
        "end_week": events.end_week,
        "related": events.related.astype(object),
    }
    return pd.DataFrame(columns)
