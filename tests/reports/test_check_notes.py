"""What `tandem check` notes without refusing: ages, fractions, patients of whom nothing else is known."""

from __future__ import annotations

from pathlib import Path

import pytest

from outcomes import read_trial
from reports.checking.notes import unlikely
from reports.checking.summary import trial_summary


def rewrite(path: Path, old: str, new: str, count: int = 1) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, count), encoding="utf-8")


def append(path: Path, line: str) -> None:
    path.write_text(path.read_text(encoding="utf-8") + line + "\n", encoding="utf-8")


def notes(home: Path) -> list[str]:
    return list(unlikely(read_trial(home / "trial.toml")))


@pytest.mark.parametrize("design", ["within-patient", "parallel"])
def test_nothing_is_noted_of_a_sound_trial(design: str, sound_trials: dict[str, Path]) -> None:
    assert notes(sound_trials[design]) == []


@pytest.mark.parametrize("age", ["-1", "340"])
def test_an_age_that_nobody_has(age: str, within_patient_trial: Path) -> None:
    rewrite(within_patient_trial / "patients.csv", "P01,31", f"P01,{age}")
    (note,) = notes(within_patient_trial)
    assert "age below 0 or above 120 of 1 patient (P01)" in note


def test_an_age_in_months_is_no_age_in_years(within_patient_trial: Path) -> None:
    rewrite(within_patient_trial / "patients.csv", "P01,31", "P01,372")
    rewrite(within_patient_trial / "trial.toml", 'unit = "years"', 'unit = "months"')
    assert notes(within_patient_trial) == []


def test_percentages_that_are_fractions(within_patient_trial: Path) -> None:
    path = within_patient_trial / "assessments.csv"
    header, *rows = path.read_text(encoding="utf-8").splitlines()
    parts = [row.rsplit(",", 1) for row in rows]
    rows = [f"{start},{float(value) / 100}" for start, value in parts]
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    assert notes(within_patient_trial) == [
        "all values of repigmentation lie in 0 to 1 %: are these fractions?"
    ]


def test_patients_without_any_lesion_or_assessment(within_patient_trial: Path) -> None:
    append(within_patient_trial / "patients.csv", "P11,40")
    append(within_patient_trial / "patients.csv", "P12,41")
    append(within_patient_trial / "lesions.csv", "P12,L1,PRP,face")
    assert notes(within_patient_trial) == [
        "no lesion of 1 patient (P11).",
        "no assessment of 2 patients (P11, P12).",
    ]


def test_a_model_of_responders_is_said_not_to_be_used(within_patient_trial: Path) -> None:
    append(within_patient_trial / "trial.toml", 'model = "value ~ arm"')
    (note,) = notes(within_patient_trial)
    assert "the model of the analysis responder50 is not used" in note


def test_check_shows_the_notes(within_patient_trial: Path) -> None:
    append(within_patient_trial / "patients.csv", "P11,40")
    said = [
        text
        for term, text in trial_summary(read_trial(within_patient_trial / "trial.toml"))
        if term == "Note"
    ]
    assert said == ["no lesion of 1 patient (P11).", "no assessment of 1 patient (P11)."]
