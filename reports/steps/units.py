"""Who received what: the units of a trial (patients, or lesions of patients) with their arms."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from outcomes import Trial


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


def count_units(frame: pd.DataFrame) -> dict[str, int]:
    """Return the numbers of different patients and, where the frame knows lesions, of different lesions."""
    counts = {"patients": int(frame["patient"].nunique())}
    if "lesion" in frame:
        counts["lesions"] = len(frame.loc[frame["lesion"].notna(), ["patient", "lesion"]].drop_duplicates())
    return counts


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
