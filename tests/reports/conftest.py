"""Two small trials as directories, for tests of what a user does with files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

ARMS = {"Untreated": 4.0, "Laser": 30.0, "PRP": 35.0, "Laser + PRP": 60.0}
SITES = ("face", "trunk")


@pytest.fixture
def within_patient_trial(tmp_path: Path) -> Path:
    """A sound within-patient 2 x 2 trial of ten patients with four lesions each; returns its directory."""
    return write_within_patient(tmp_path / "within-patient")


@pytest.fixture
def parallel_trial(tmp_path: Path) -> Path:
    """A sound parallel three-arm trial of eighteen patients on VASI; returns its directory."""
    return write_parallel(tmp_path / "parallel")


@pytest.fixture(scope="session")
def sound_trials(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Both, for tests that only read them."""
    home = tmp_path_factory.mktemp("trials")
    return {
        "within-patient": write_within_patient(home / "within-patient"),
        "parallel": write_parallel(home / "parallel"),
    }


def write_within_patient(home: Path) -> Path:
    home.mkdir()
    rng = np.random.default_rng(11)
    patients, lesions = ["patient,age"], ["patient,lesion,arm,body_site"]
    assessments = ["patient,lesion,visit,week,repigmentation"]
    for number in range(1, 11):
        patient, own = f"P{number:02d}", rng.normal(0, 8)
        patients.append(f"{patient},{30 + number}")
        for place, (arm, mean) in enumerate(ARMS.items(), start=1):
            lesions.append(f"{patient},L{place},{arm},{SITES[(number + place) % 2]}")
            for week, part in ((12, 0.6), (24, 1.0)):
                value = round(float(np.clip(part * (mean + own + rng.normal(0, 6)), 0, 100)))
                assessments.append(f"{patient},L{place},Week {week},{week},{value}")
    events = [
        "patient,lesion,term,severity,start_week,end_week,related",
        "P01,L2,Erythema,mild,2,3,yes",
        "P02,L4,Post-inflammatory hyperpigmentation,moderate,6,20,yes",
        "P03,,Headache,mild,4,4.5,no",
    ]
    tables = {"patients": patients, "lesions": lesions, "assessments": assessments, "adverse_events": events}
    for name, rows in tables.items():
        (home / f"{name}.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    (home / "trial.toml").write_text(WITHIN_PATIENT, encoding="utf-8")
    return home


def write_parallel(home: Path) -> Path:
    home.mkdir()
    rng = np.random.default_rng(12)
    patients, assessments = ["patient,arm"], ["patient,visit,week,vasi"]
    for number in range(1, 19):
        arm, gain = list({"Laser": 1.0, "PRP": 1.2, "Laser + PRP": 3.0}.items())[number % 3]
        baseline = 10 + rng.normal(0, 2)
        patients.append(f"P{number:02d},{arm}")
        for week, part in ((0, 0.0), (12, 0.6), (24, 1.0)):
            visit = f"Week {week}" if week else "Baseline"
            assessments.append(
                f"P{number:02d},{visit},{week},{baseline - part * gain + rng.normal(0, 0.5):.1f}"
            )
    (home / "patients.csv").write_text("\n".join(patients) + "\n", encoding="utf-8")
    (home / "assessments.csv").write_text("\n".join(assessments) + "\n", encoding="utf-8")
    (home / "trial.toml").write_text(PARALLEL, encoding="utf-8")
    return home


COMPONENTS = """
[components]
laser = "Fractional CO2 laser"
prp = "Platelet-rich plasma"
"""

WITHIN_PATIENT = (
    """
[trial]
id = "SMALL-1"
title = "Laser, PRP, and both, in stable vitiligo"
condition = "vitiligo"
design = "within-patient"

[conduct]
data_origin = "synthetic"
"""
    + COMPONENTS
    + """
[arms]
"Untreated" = []
"Laser" = ["laser"]
"PRP" = ["prp"]
"Laser + PRP" = ["laser", "prp"]

[[visits]]
name = "Week 12"
week = 12
window = [10, 14]

[[visits]]
name = "Week 24"
week = 24
window = [21, 28]

[data]
lesions = "lesions.csv"
events = "adverse_events.csv"

[[covariates]]
name = "age"
level = "patient"
kind = "numeric"
unit = "years"

[[covariates]]
name = "body_site"
level = "lesion"
kind = "categorical"
levels = ["face", "trunk"]

[[endpoints]]
name = "repigmentation"
label = "Repigmentation of the lesion"
instrument = "percent-repigmentation"
column = "repigmentation"

[[endpoints]]
name = "responder50"
label = "At least 50 % repigmentation"
from = "repigmentation"
derive = "responder"
threshold = { at_least = 50 }

[[endpoints]]
name = "grade"
label = "Repigmentation grade"
from = "repigmentation"
derive = "grade"
cutpoints = [0, 25, 50, 75]

[[analyses]]
endpoint = "repigmentation"
role = "primary"
visit = "Week 24"
margin = 10
margin_source = "assumed"

[[analyses]]
endpoint = "grade"

[[analyses]]
endpoint = "responder50"
"""
)

PARALLEL = (
    """
[trial]
id = "SMALL-2"
title = "Laser, PRP, and both, in stable vitiligo"
condition = "vitiligo"
design = "parallel"

[conduct]
data_origin = "synthetic"
"""
    + COMPONENTS
    + """
[arms]
"Laser" = ["laser"]
"PRP" = ["prp"]
"Laser + PRP" = ["laser", "prp"]

[[visits]]
name = "Baseline"
week = 0
baseline = true

[[visits]]
name = "Week 12"
week = 12

[[visits]]
name = "Week 24"
week = 24

[data]

[[endpoints]]
name = "vasi_change"
label = "Change of the Vitiligo Area Scoring Index"
instrument = "vasi"
column = "vasi"
derive = "change"

[[analyses]]
endpoint = "vasi_change"
role = "primary"
visit = "Week 24"
"""
)
