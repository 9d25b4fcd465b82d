"""Trial: frames, endpoints, populations, intercurrent events, and files that read back."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pyreadstat
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outcomes.derivation import grade_by_cutpoints, meets
from outcomes.errors import ProtocolError, TrialDataError
from outcomes.protocol import Protocol, read_protocol
from outcomes.protocol_tables import Threshold
from outcomes.trial import Trial, read_trial

EXAMPLE = Path(__file__).parent.parent / "reference" / "example_trial"


@pytest.fixture(scope="module")
def example():
    return read_trial(EXAMPLE / "trial.toml")


def assert_same_trial(one, other):
    for name in ("patients", "lesions", "assessments", "events"):
        pd.testing.assert_frame_equal(getattr(one, name), getattr(other, name), obj=name)


def small_protocol(endpoints, *, design="parallel", baseline=True, **tables):
    visits = [{"name": "Baseline", "week": 0, "baseline": True}] if baseline else []
    return Protocol.from_dict(
        {
            "trial": {"id": "T", "title": "T", "design": design},
            "components": {"laser": "Laser", "prp": "PRP"},
            "arms": {"Laser": ["laser"], "Both": ["laser", "prp"]},
            "visits": [*visits, {"name": "Week 4", "week": 4}, {"name": "Week 12", "week": 12}],
            "endpoints": endpoints,
            **tables,
        }
    )


PATIENTS = pd.DataFrame({"patient": ["1", "2"], "arm": ["Laser", "Both"]})


def assessments(values, visits=("Baseline", "Week 4", "Week 12"), column="y"):
    rows = [
        {"patient": patient, "visit": visit, column: value}
        for patient, own in zip(("1", "2"), values, strict=True)
        for visit, value in zip(visits, own, strict=True)
    ]
    return pd.DataFrame(rows)


# ------------------------------------------------------------------------------------------ the frames


def test_canonical_frames(example):
    assert list(example.patients) == ["patient", "age", "sex", "sessions_done"]
    assert list(example.lesions) == ["patient", "lesion", "arm", "body_site"]
    assert list(example.assessments) == ["patient", "lesion", "visit", "week", "rescue", "REPIG"]
    assert list(example.events) == [
        "patient",
        "lesion",
        "term",
        "severity",
        "start_week",
        "end_week",
        "related",
    ]
    assert list(example.lesions["arm"].cat.categories) == ["Untreated", "Laser", "PRP", "Laser + PRP"]
    assert list(example.assessments["visit"].cat.categories) == ["Baseline", "Week 12", "Week 24"]
    assert example.patients["sessions_done"].dtype == np.int64
    assert (len(example.patients), len(example.lesions), len(example.assessments)) == (12, 48, 144)


def test_the_files_read_for_the_manifest(example):
    names = ["trial.toml", "patients.csv", "lesions.csv", "assessments.csv", "adverse_events.csv"]
    assert [file.name for file in example.files] == names
    assert all(file.exists() for file in example.files)
    assert example.directory == EXAMPLE


def test_nothing_changes_a_trial(example):
    frame = example.patients
    frame.loc[0, "age"] = 999.0
    frame["new"] = 1
    assert example.patients.loc[0, "age"] != 999.0
    assert "new" not in example.patients
    with pytest.raises(AttributeError):
        example.protocol = None


def test_an_endpoint_frame(example):
    data = example.endpoint("repigmentation")
    assert list(data) == [
        "patient", "lesion", "arm", "laser", "prp", "visit", "week", "baseline", "value", "change", "body_site", "age",
    ]  # fmt: skip
    assert len(data) == 96  # 48 lesions at two visits after baseline; missing ones stay
    assert data["value"].isna().sum() == 4
    assert list(data["arm"].cat.categories) == ["Untreated", "Laser", "PRP", "Laser + PRP"]
    assert list(data["visit"].cat.categories) == ["Week 12", "Week 24"]
    assert set(data["week"]) == {12.0, 24.0}
    both = data.loc[data["arm"] == "Laser + PRP", ["laser", "prp"]]
    assert (both == 1).all(axis=None)
    assert data.groupby("arm", observed=True)["laser"].max().to_dict() == {
        "Untreated": 0, "Laser": 1, "PRP": 0, "Laser + PRP": 1,
    }  # fmt: skip
    assert (data["baseline"] == 0).all()  # by definition
    measured = data["value"].notna()
    assert (data.loc[measured, "change"] == data.loc[measured, "value"]).all()
    assert list(data["body_site"].cat.categories) == ["face", "trunk", "extremity", "acral"]


def test_values_are_those_of_the_file(example):
    raw = pd.read_csv(EXAMPLE / "assessments.csv", dtype={"USUBJID": str})
    raw = (
        raw.loc[raw["AVISIT"] != "Baseline"].set_index(["USUBJID", "lesion", "AVISIT"])["REPIG"].sort_index()
    )
    data = example.endpoint("repigmentation").astype({"visit": str})
    values = data.set_index(["patient", "lesion", "visit"])["value"].sort_index()
    assert raw.to_numpy() == pytest.approx(values.to_numpy(), abs=0, nan_ok=True)


def test_grades_follow_the_protocols_cutpoints(example):
    data = example.endpoint("grade")
    assert list(data["value"].cat.categories) == ["G0", "G1", "G2", "G3", "G4"]
    assert data["value"].cat.ordered
    percent = example.endpoint("repigmentation")["value"]
    for grade, low, high in [
        ("G0", -np.inf, 0),
        ("G1", 0, 25),
        ("G2", 25, 50),
        ("G3", 50, 75),
        ("G4", 75, np.inf),
    ]:
        of_grade = percent[(data["value"] == grade).to_numpy()]
        assert ((of_grade > low) & (of_grade <= high)).all()
    assert data["value"].isna().equals(percent.isna())


def test_responders_above_the_threshold(example):
    data = example.endpoint("responder75")
    percent = example.endpoint("repigmentation")["value"]
    assert data.loc[percent > 75, "value"].eq(1).all()
    assert data.loc[percent <= 75, "value"].eq(0).all()
    assert data["value"].isna().equals(percent.isna())


# ------------------------------------------------------------------------------------------ derivations


@pytest.mark.parametrize(
    ("op", "expected"),
    [("above", [0, 0, 1]), ("at_least", [0, 1, 1]), ("below", [1, 0, 0]), ("at_most", [1, 1, 0])],
)
def test_thresholds_at_above_and_below(op, expected):
    result = meets(Threshold(op=op, value=75.0), np.array([74.9, 75.0, 75.1]))
    assert result.tolist() == expected


def test_cutpoints_belong_to_the_grade_below():
    values = np.array([-5.0, 0.0, 0.1, 25.0, 25.1, 75.0, 100.0, np.nan])
    grades = grade_by_cutpoints((0.0, 25.0, 50.0, 75.0), values)
    assert grades[:-1].tolist() == [0, 0, 1, 1, 2, 3, 4]
    assert np.isnan(grades[-1])


def test_change_and_percent_change_by_hand():
    protocol = small_protocol(
        [
            {"name": "y", "column": "y", "direction": "lower is better", "minimum": 0},
            {"name": "change", "from": "y", "derive": "change"},
            {"name": "percent", "from": "y", "derive": "percent-change"},
            {"name": "halved", "from": "percent", "threshold": {"at_most": -50}},
        ]
    )
    trial = Trial.from_frames(
        protocol, patients=PATIENTS, assessments=assessments([(20, 15, 10), (40, 30, 50)])
    )
    change = trial.endpoint("change")
    assert change["value"].tolist() == [-5.0, -10.0, -10.0, 10.0]
    assert change["baseline"].tolist() == [20.0, 20.0, 40.0, 40.0]
    percent = trial.endpoint("percent")
    assert percent["value"].tolist() == [-25.0, -50.0, -25.0, 25.0]
    assert percent["change"].tolist() == [-5.0, -10.0, -10.0, 10.0]  # always in the measured unit
    assert trial.endpoint("halved")["value"].tolist() == [0.0, 1.0, 0.0, 0.0]


def test_percent_repigmentation_from_areas_is_never_clipped():
    protocol = small_protocol(
        [{"name": "repig", "column": "y", "derive": "percent-repigmentation", "unit": "cm²"}]
    )
    trial = Trial.from_frames(protocol, patients=PATIENTS, assessments=assessments([(8, 2, 0), (4, 5, 4)]))
    data = trial.endpoint("repig")
    assert data["value"].tolist() == [75.0, 100.0, -25.0, 0.0]
    assert not np.signbit(data["value"].iloc[3])  # "-0" would be printed
    assert data["baseline"].tolist() == [8.0, 8.0, 4.0, 4.0]


def test_a_percentage_of_a_baseline_of_zero_is_undefined_and_counted():
    protocol = small_protocol(
        [
            {"name": "percent", "column": "y", "direction": "lower is better", "derive": "percent-change"},
            {"name": "halved", "from": "percent", "threshold": {"at_most": -50}},
        ]
    )
    trial = Trial.from_frames(
        protocol, patients=PATIENTS, assessments=assessments([(0, 1, np.nan), (4, 2, 1)])
    )
    assert np.isnan(trial.endpoint("percent")["value"].iloc[0])
    assert np.isnan(trial.endpoint("halved")["value"].iloc[0])
    undefined = trial.undefined("halved")
    assert undefined[["patient", "visit"]].to_numpy().tolist() == [["1", "Week 4"]]
    assert undefined["reason"].iloc[0] == "a percentage of a baseline of 0 is undefined"
    assert trial.undefined("percent").shape == (1, 3)


def test_a_baseline_column_instead_of_a_visit():
    protocol = small_protocol(
        [
            {
                "name": "c",
                "column": "y",
                "baseline_column": "y0",
                "direction": "lower is better",
                "derive": "change",
            }
        ],
        baseline=False,
    )
    frame = assessments([(15, 10), (30, 50)], visits=("Week 4", "Week 12")).assign(y0=[20, 20, 40, 40])
    trial = Trial.from_frames(protocol, patients=PATIENTS, assessments=frame)
    assert trial.endpoint("c")["value"].tolist() == [-5.0, -10.0, -10.0, 10.0]
    with pytest.raises(TrialDataError, match="contradict") as caught:
        Trial.from_frames(protocol, patients=PATIENTS, assessments=frame.assign(y0=[20, 21, 40, 40]))
    assert [(d.row, d.column) for d in caught.value.defects] == [(3, "y0")]


def test_an_outcome_without_a_baseline():
    protocol = small_protocol(
        [{"name": "sat", "column": "y", "direction": "higher is better", "baseline": "none"}], baseline=False
    )
    frame = assessments([(7, 8), (9, np.nan)], visits=("Week 4", "Week 12"))
    data = Trial.from_frames(protocol, patients=PATIENTS, assessments=frame).endpoint("sat")
    assert data["value"].tolist()[:3] == [7.0, 8.0, 9.0]
    assert data["baseline"].isna().all()
    assert data["change"].isna().all()


def test_the_planned_week_stands_in_for_a_recorded_one():
    protocol = small_protocol([{"name": "y", "column": "y", "direction": "lower is better"}])
    frame = assessments([(1, 2, 3), (4, 5, 6)])
    trial = Trial.from_frames(protocol, patients=PATIENTS, assessments=frame)
    assert trial.endpoint("y")["week"].tolist() == [4.0, 12.0, 4.0, 12.0]
    recorded = frame.assign(week=[-0.5, 4.5, 11.75, 0, 4, 12])
    trial = Trial.from_frames(protocol, patients=PATIENTS, assessments=recorded)
    assert trial.endpoint("y")["week"].tolist() == [4.5, 11.75, 4.0, 12.0]


# ------------------------------------------------------------------------------------------ lesions


LESIONS = pd.DataFrame(
    {
        "patient": ["1", "1", "2", "2"],
        "lesion": ["L", "R", "L", "R"],
        "arm": ["Laser", "Both", "Both", "Laser"],
    }
)


def lesion_rows(values):
    rows = [
        {"patient": p, "lesion": lesion, "visit": visit, "vss": value}
        for (p, lesion), own in zip(LESIONS[["patient", "lesion"]].to_numpy().tolist(), values, strict=True)
        for visit, value in zip(("Baseline", "Week 4", "Week 12"), own, strict=True)
    ]
    return pd.DataFrame(rows)


def test_baseline_mean_and_deviation_of_lesions():
    protocol = small_protocol(
        [{"name": "vss", "column": "vss", "direction": "lower is better", "derive": "change"}],
        design="within-patient",
    )
    frame = lesion_rows([(10, 8, 6), (6, 4, 3), (9, 9, 9), (5, 4, 1)])
    trial = Trial.from_frames(protocol, patients=PATIENTS[["patient"]], lesions=LESIONS, assessments=frame)
    data = trial.endpoint("vss").drop_duplicates(["patient", "lesion"])
    assert data["baseline_mean"].tolist() == [8.0, 8.0, 7.0, 7.0]
    assert data["baseline_deviation"].tolist() == [2.0, -2.0, 2.0, -2.0]
    assert data["arm"].tolist() == ["Laser", "Both", "Both", "Laser"]


def test_a_patients_outcome_beside_the_lesions():
    """The same DLQI in rows of its own, and repeated on each lesion's row."""
    protocol = small_protocol(
        [
            {"name": "vss", "column": "vss", "direction": "lower is better"},
            {
                "name": "dlqi",
                "column": "dlqi",
                "direction": "lower is better",
                "level": "patient",
                "baseline": "none",
            },
        ],
        design="within-patient",
    )
    frame = lesion_rows([(10, 8, 6), (6, 4, 3), (9, 9, 9), (5, 4, 1)])
    own = pd.DataFrame({"patient": ["1", "2"], "visit": "Week 12", "dlqi": [3, 7]})
    repeated = frame.assign(
        dlqi=np.where(frame["visit"] == "Week 12", np.where(frame["patient"] == "1", 3, 7), np.nan)
    )
    for assessed in (pd.concat([frame, own]), repeated):
        trial = Trial.from_frames(
            protocol, patients=PATIENTS[["patient"]], lesions=LESIONS, assessments=assessed
        )
        data = trial.endpoint("dlqi")
        assert list(data) == ["patient", "visit", "week", "baseline", "value", "change"]
        known = data.dropna(subset=["value"])
        assert known[["patient", "value"]].to_numpy().tolist() == [["1", 3.0], ["2", 7.0]]
        assert len(trial.endpoint("vss")) == 8
    repeated.loc[repeated.index[2], "dlqi"] = 4
    with pytest.raises(TrialDataError, match="the patient's outcome differs"):
        Trial.from_frames(protocol, patients=PATIENTS[["patient"]], lesions=LESIONS, assessments=repeated)


def test_lesions_of_a_parallel_trial_take_the_patients_arm():
    protocol = small_protocol(
        [{"name": "vss", "column": "vss", "direction": "lower is better", "level": "lesion"}],
        data={"lesions": "lesions.csv"},
    )
    frame = lesion_rows([(10, 8, 6), (6, 4, 3), (9, 9, 9), (5, 4, 1)])
    trial = Trial.from_frames(
        protocol, patients=PATIENTS, lesions=LESIONS[["patient", "lesion"]], assessments=frame
    )
    data = trial.endpoint("vss")
    assert data.groupby("patient")["arm"].unique().map(list).to_dict() == {"1": ["Laser"], "2": ["Both"]}
    assert "baseline_mean" not in data
    assert data["baseline"].tolist()[:4] == [10.0, 10.0, 6.0, 6.0]


def test_columns_that_patients_and_lesions_share():
    """The lesion's own column counts, unless the covariate is the patient's; an arm of patients is not read."""
    protocol = small_protocol(
        [{"name": "vss", "column": "vss", "direction": "lower is better"}],
        design="within-patient",
        covariates=[
            {"name": "site", "level": "lesion", "kind": "categorical", "levels": ["face", "trunk"]},
            {"name": "age", "kind": "numeric"},
        ],
        populations=[{"name": "faces", "where": "site == 'face'"}],
    )
    patients = PATIENTS.assign(site="clinic A", age=[30, 40], lesion="x")
    lesions = LESIONS.assign(site=["face", "trunk", "trunk", "face"], age=99)
    frame = lesion_rows([(10, 8, 6), (6, 4, 3), (9, 9, 9), (5, 4, 1)])
    trial = Trial.from_frames(protocol, patients=patients, lesions=lesions, assessments=frame, source="S")
    data = trial.endpoint("vss", population="faces")
    assert data[["patient", "lesion", "site", "age"]].drop_duplicates().to_numpy().tolist() == [
        ["1", "L", "face", 30.0],
        ["2", "R", "face", 40.0],
    ]
    assert trial.notes == ("S: patients: the column arm not read, since lesions have the arms here.",)


# ------------------------------------------------------------------------------------------ populations


def test_a_population_filters_and_its_exclusions_are_counted(example):
    left = example.exclusions("per protocol")
    assert left.to_dict("list") == {"patient": ["004", "009"], "reason": ["fewer than five sessions"] * 2}
    data = example.endpoint("repigmentation", population="per protocol")
    assert len(data) == 80
    assert not set(left["patient"]) & set(data["patient"])
    assert len(example.exclusions("all")) == 0
    assert len(example.excluded_lesions("per protocol")) == 8
    assert len(example.members("per protocol")) == 40
    with pytest.raises(ProtocolError, match="nearest known"):
        example.endpoint("repigmentation", population="per protocoll")


def test_a_population_of_lesions_excludes_patients_without_any(tmp_path):
    directory = Path(shutil.copytree(EXAMPLE, tmp_path / "trial"))
    toml = (directory / "trial.toml").read_text(encoding="utf-8")
    where = "body_site != 'acral' and age < 60"
    (directory / "trial.toml").write_text(
        toml.replace('"sessions_done >= 5"', f'"{where}"'), encoding="utf-8"
    )
    trial = read_trial(directory / "trial.toml")
    lesions = trial.lesions
    acral = lesions.loc[lesions["body_site"] == "acral"]
    assert len(trial.excluded_lesions("per protocol")) == len(acral)
    whole = lesions.groupby("patient")["body_site"].agg(lambda sites: (sites == "acral").all())
    assert len(trial.exclusions("per protocol")) == whole.sum()


# ------------------------------------------------------------------------------------ intercurrent events


def trial_with_event(strategy, *, flag="rescue", scope=None, endpoint="y", where="assessments"):
    event = {"event": "Rescue", "flag": flag, "strategy": strategy} | ({"scope": scope} if scope else {})
    protocol = small_protocol(
        [
            {"name": "y", "column": "vss", "direction": "lower is better"},
            {"name": "g", "from": "y", "derive": "grade", "cutpoints": [3, 6]},
            {"name": "r", "from": "y", "threshold": {"at_most": 5}},
        ],
        design="within-patient",
        analyses=[{"name": "a", "endpoint": endpoint, "estimand": {"intercurrent_events": [event]}}],
    )
    frame = lesion_rows([(10, 8, 6), (6, 4, 3), (9, 9, 9), (5, 4, np.nan)])
    patients, lesions = PATIENTS[["patient"]], LESIONS
    if where == "assessments":  # lesion R of patient 2, at week 12
        frame = frame.assign(rescue=[0] * 11 + [1])
    elif where == "lesions":
        lesions = lesions.assign(rescue=[False, False, False, True])
    else:
        patients = patients.assign(rescue=["no", "yes"])
    trial = Trial.from_frames(protocol, patients=patients, lesions=lesions, assessments=frame)
    return trial.estimand_data("a"), trial


def values_of(data):
    return [None if pd.isna(value) else value for value in data.frame["value"]]


def test_treatment_policy_keeps_all_values():
    data, trial = trial_with_event("treatment policy")
    assert values_of(data) == [8, 6, 4, 3, 9, 9, 4, None]
    (event,) = data.events
    assert (event.implemented, event.patients, event.values) == (True, 1, 1)
    assert trial.endpoint("y")["value"].tolist()[:2] == [8.0, 6.0]


def test_a_hypothetical_strategy_removes_values_from_the_event_on_of_all_lesions():
    data, _ = trial_with_event("hypothetical")
    assert values_of(data) == [8, 6, 4, 3, 9, None, 4, None]
    assert data.frame["change"].isna().sum() == 2
    assert data.events[0].sentence == "Rescue: 1 patient had it; removed: 1 value from the event on."


def test_an_event_of_the_lesion_alone():
    data, _ = trial_with_event("hypothetical", scope="lesion")
    assert values_of(data) == [8, 6, 4, 3, 9, 9, 4, None]
    data, _ = trial_with_event("hypothetical", where="lesions")
    assert values_of(data) == [8, 6, 4, 3, 9, 9, None, None]
    data, _ = trial_with_event("hypothetical", where="lesions", scope="patient")
    assert values_of(data) == [8, 6, 4, 3, None, None, None, None]


def test_an_event_without_a_time_touches_all_values_after_baseline_and_says_so():
    data, _ = trial_with_event("hypothetical", where="patients")
    assert values_of(data) == [8, 6, 4, 3, None, None, None, None]
    assert "the time of the event is not recorded" in data.events[0].sentence
    assert data.events[0].values == 3


def test_composite_recodes_to_failure_missing_values_too():
    data, _ = trial_with_event("composite", endpoint="r")
    assert values_of(data) == [0, 0, 1, 1, 0, 0, 1, 0]
    data, _ = trial_with_event("Composite ", endpoint="g")
    assert values_of(data) == ["G2", "G1", "G1", "G0", "G2", "G2", "G1", "G2"]  # lower is better: G2 is worst
    assert data.events[0].values == 2
    assert "(G2)" in data.events[0].sentence


@pytest.mark.parametrize("strategy", ["while on treatment", "principal stratum", "composite"])
def test_any_other_strategy_is_not_implemented_and_said_so(strategy):
    data, _ = trial_with_event(strategy)
    assert values_of(data) == [8, 6, 4, 3, 9, 9, 4, None]
    assert not data.events[0].implemented
    assert "not implemented" in data.events[0].sentence


def test_an_analysis_without_events(example):
    assert len(example.estimand_data("repigmentation").events) == 1
    assert example.estimand_data("repigmentation").events[0].patients == 2


# ------------------------------------------------------------------------------------------ ADaM


ADAM_TOML = """
[trial]
id = "ADAM"
title = "A parallel trial in ADaM"
condition = "vitiligo"
design = "parallel"
[components]
laser = "Laser"
prp = "PRP"
[arms]
Laser = ["laser"]
PRP = ["prp"]
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
patients = "adsl.csv"
assessments = "adva.csv"
assessments_where = "ANL01FL == 'Y'"
[data.columns]
patient = "USUBJID"
arm = "TRT01P"
visit = "AVISIT"
date = "ADT"
treatment_date = "TRTSDT"
age = "AGE"
parameter = "PARAMCD"
value = "AVAL"
baseline = "BASE"
[[covariates]]
name = "age"
kind = "numeric"
[[populations]]
name = "safety"
where = "SAFFL == 'Y'"
[[endpoints]]
name = "vasi change"
instrument = "vasi"
column = "VASI"
derive = "change"
[[endpoints]]
name = "dlqi"
instrument = "dlqi"
column = "DLQI"
"""
ADSL = """STUDYID,USUBJID,TRT01P,AGE,TRTSDT,SAFFL
ADAM,01-001,Laser,34,2026-01-08,Y
ADAM,01-002,PRP,51,2026-01-09,Y
ADAM,01-003,Laser + PRP,46,2026-01-09,N
"""
BDS = """USUBJID,TRT01P,PARAMCD,PARAM,AVISIT,AVISITN,ADT,AVAL,BASE,CHG,ANL01FL
01-001,Laser,VASI,VASI score,Baseline,0,2026-01-05,20.5,20.5,0,Y
01-001,Laser,VASI,VASI score,Week 12,12,2026-04-01,15.5,20.5,-5,Y
01-001,Laser,VASI,VASI score,Week 12,12,2026-04-01,15.6,20.5,-4.9,
01-001,Laser,VASI,VASI score,Week 24,24,2026-06-24,10,20.5,-10.5,Y
01-001,Laser,DLQI,DLQI total,Baseline,0,2026-01-05,12,12,0,Y
01-001,Laser,DLQI,DLQI total,Week 24,24,2026-06-24,5,12,-7,Y
01-001,Laser,PULSE,Pulse rate,Screening,-2,2025-12-20,70,,,Y
01-002,PRP,VASI,VASI score,Week 12,12,2026-04-02,30,33,-3,Y
01-002,PRP,VASI,VASI score,Week 24,24,2026-06-25,31,33,-2,Y
01-003,Laser + PRP,VASI,VASI score,Baseline,0,2026-01-06,8,8,0,Y
01-003,Laser + PRP,VASI,VASI score,Week 24,24,2026-06-26,2,8,-6,Y
"""


@pytest.fixture
def adam(tmp_path):
    (tmp_path / "trial.toml").write_text(ADAM_TOML, encoding="utf-8")
    (tmp_path / "adsl.csv").write_text(ADSL, encoding="utf-8")
    (tmp_path / "adva.csv").write_text(BDS, encoding="utf-8")
    return tmp_path


def test_adam_reads_through_the_column_map_alone(adam):
    trial = read_trial(adam / "trial.toml")
    data = trial.endpoint("vasi change")
    assert data["patient"].tolist() == ["01-001", "01-001", "01-002", "01-002", "01-003"]
    assert data["value"].tolist() == [-5.0, -10.5, -3.0, -2.0, -6.0]  # CHG as the file has it
    assert data["baseline"].tolist() == [20.5, 20.5, 33.0, 33.0, 8.0]  # 01-002 has BASE alone
    assert data["age"].tolist() == [34.0, 34.0, 51.0, 51.0, 46.0]
    dlqi = trial.endpoint("dlqi").dropna(subset=["value"])
    assert dlqi[["patient", "value", "change"]].to_numpy().tolist() == [["01-001", 5.0, -7.0]]
    assert trial.exclusions("safety")["patient"].tolist() == ["01-003"]
    assert trial.notes == (
        "adva.csv: 1 row left out by the filter ANL01FL == 'Y'.",
        "adva.csv: 1 row of parameters that no endpoint names not read.",
    )


@pytest.mark.parametrize(
    ("old", "new", "row", "column", "said"),
    [
        ("Week 12,12,2026-04-02,30,33,-3", "Week 12,12,2026-04-02,thirty,33,-3", 9, "AVAL", "not a number"),
        ("Week 12,12,2026-04-02,30,33,-3", "Week 12,12,2026-04-02,130,33,-3", 9, "AVAL", "out of range"),
        ("Week 12,12,2026-04-02,30,33,-3", "Week 12,12,2026-04-02,30,34,-3", 10, "BASE", "contradict"),
        ("2026-01-05,20.5,20.5", "2026-01-05,20.5,20", 2, "BASE", "contradict"),
        ("Baseline,0,2026-01-06", "Baseline,0,2026-01-10", 11, "ADT", "baseline is after treatment"),
        ("Week 12,12,2026-04-02", "Week 13,12,2026-04-02", 9, "AVISIT", "Did you mean 'Week 12'?"),
        ("15.6,20.5,-4.9,", "15.6,20.5,-4.9,Y", 4, "AVISIT", "stands in row 3 already"),
        ("01-001,Laser,DLQI,DLQI total,Week 24,24,2026-06-24", "01-001,PRP,DLQI,DLQI total,Week 24,24,2026-06-24",
         7, "TRT01P", "two arms"),
        ("DLQI total,Week 24,24,2026-06-24", "DLQI total,Week 24,24,2026-06-23", 7, "ADT", "rows of one visit differ"),
    ],
)  # fmt: skip
def test_damaged_adam_names_the_files_own_row_and_column(adam, old, new, row, column, said):
    assert old in BDS
    (adam / "adva.csv").write_text(BDS.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(TrialDataError) as caught:
        read_trial(adam / "trial.toml")
    places = [(d.row, d.column) for d in caught.value.defects if said in str(d)]
    assert places == [(row, column)], str(caught.value)


def test_a_parameter_that_no_row_has(adam):
    toml = ADAM_TOML.replace('column = "DLQI"', 'column = "DLQ"')
    (adam / "trial.toml").write_text(toml, encoding="utf-8")
    with pytest.raises(TrialDataError, match=r"Is it 'DLQI'\?"):
        read_trial(adam / "trial.toml")


def test_a_bad_filter_names_its_key(adam):
    (adam / "trial.toml").write_text(ADAM_TOML.replace("ANL01FL ==", "ANL01F =="), encoding="utf-8")
    with pytest.raises(ProtocolError, match=r"key 'assessments_where'.*nearest known: 'ANL01FL'"):
        read_trial(adam / "trial.toml")


# ------------------------------------------------------------------------------------------ files


def test_writing_and_reading_back(example, adam, tmp_path):
    for number, trial in enumerate([example, read_trial(adam / "trial.toml")]):
        first, second = tmp_path / f"first{number}", tmp_path / f"second{number}"
        trial.write(first)
        again = read_trial(first / "trial.toml")
        assert_same_trial(trial, again)
        for endpoint in trial.protocol.endpoints:
            pd.testing.assert_frame_equal(trial.endpoint(endpoint.name), again.endpoint(endpoint.name))
        again.write(second)
        assert {f.name: f.read_bytes() for f in first.iterdir()} == {
            f.name: f.read_bytes() for f in second.iterdir()
        }


def test_the_primary_outcome_is_the_last_column(example, tmp_path):
    example.write(tmp_path / "new" / "directory")
    header = (tmp_path / "new" / "directory" / "assessments.csv").read_text(encoding="utf-8").splitlines()[0]
    assert header == "USUBJID,lesion,AVISIT,week,rescue,REPIG"


def test_csv_files_are_written_as_they_were_read(example, tmp_path):
    example.write(tmp_path)
    for name in ("patients.csv", "lesions.csv", "assessments.csv", "adverse_events.csv"):
        assert (tmp_path / name).read_bytes() == (EXAMPLE / name).read_bytes()


def test_a_trial_from_frames_is_the_trial_from_files(example):
    again = Trial.from_frames(
        example.protocol,
        patients=example.patients,
        lesions=example.lesions,
        assessments=example.assessments,
        events=example.events,
        source="memory",
    )
    assert_same_trial(example, again)
    assert again.files == ()
    assert again.directory is None


def test_frames_are_validated_and_named_by_their_source():
    protocol = small_protocol([{"name": "y", "column": "y", "direction": "lower is better", "maximum": 10}])
    frame = assessments([(1, 2, 300), (4, 5, np.inf)])
    with pytest.raises(TrialDataError) as caught:
        Trial.from_frames(protocol, patients=PATIENTS, assessments=frame, source="Smith 2020")
    first, second = caught.value.defects
    assert (first.file, first.row, first.column, first.value) == ("Smith 2020: assessments", 4, "y", "300")
    assert (second.row, second.problem) == (7, "an infinite value")


def test_frames_without_adverse_events(example):
    protocol = small_protocol([{"name": "y", "column": "y", "direction": "lower is better"}])
    trial = Trial.from_frames(protocol, patients=PATIENTS, assessments=assessments([(1, 2, 3), (4, 5, 6)]))
    assert not trial.events_recorded
    assert list(trial.events) == list(example.events)
    assert len(trial.lesions) == 0


def sas_names(frame):
    """XPT names have at most eight characters."""
    return frame.rename(columns={"body_site": "SITE", "sessions_done": "SESSIONS"})


def write_dataset_json(frame, path):
    columns = [{"itemOID": f"IT.{name}", "name": name, "label": name, "dataType": "string"} for name in frame]
    rows = frame.astype(object).where(frame.notna(), None).to_numpy().tolist()
    whole = {
        "datasetJSONVersion": "1.1.0",
        "itemGroupOID": "IG.X",
        "name": "X",
        "label": "X",
        "records": len(rows),
    }
    path.write_text(json.dumps({**whole, "columns": columns, "rows": rows}, default=int), encoding="utf-8")


@pytest.mark.parametrize("ending", ["csv", "parquet", "xlsx", "xpt", "json"])
def test_the_same_trial_through_every_format(example, tmp_path, ending):
    toml = (EXAMPLE / "trial.toml").read_text(encoding="utf-8")
    toml = toml.replace("sessions_done", "SESSIONS").replace(
        'level = "lesion"', 'level = "lesion"\ncolumn = "SITE"'
    )
    (tmp_path / "trial.toml").write_text(toml.replace('.csv"', f'.{ending}"'), encoding="utf-8")
    identifiers = {"USUBJID": str}
    for name in ("patients", "lesions", "assessments", "adverse_events"):
        frame = sas_names(
            pd.read_csv(EXAMPLE / f"{name}.csv", dtype=identifiers, keep_default_na=False, na_values=[""])
        )
        if name == "adverse_events":
            frame = frame.rename(columns={"start_week": "START", "end_week": "END"})
        path = tmp_path / f"{name}.{ending}"
        if ending == "csv":
            frame.to_csv(path, index=False)
        elif ending == "parquet":
            frame.to_parquet(path, index=False)
        elif ending == "xlsx":
            frame.to_excel(path, index=False)
        elif ending == "xpt":
            pyreadstat.write_xport(frame, str(path), table_name="X", file_format_version=5)
        else:
            write_dataset_json(frame, path)
    toml = (tmp_path / "trial.toml").read_text(encoding="utf-8")
    mapped = 'visit = "AVISIT"\nstart_week = "START"\nend_week = "END"'
    (tmp_path / "trial.toml").write_text(toml.replace('visit = "AVISIT"', mapped), encoding="utf-8")
    trial = read_trial(tmp_path / "trial.toml")
    same = trial.patients.rename(columns={"SESSIONS": "sessions_done"})
    pd.testing.assert_frame_equal(same, example.patients)
    pd.testing.assert_frame_equal(trial.lesions, example.lesions)
    pd.testing.assert_frame_equal(trial.assessments, example.assessments)
    pd.testing.assert_frame_equal(trial.events, example.events)
    pd.testing.assert_frame_equal(trial.endpoint("grade"), example.endpoint("grade"))


# ------------------------------------------------------------------------------------------ properties


IDENTIFIERS = st.text(alphabet='0123456789ABab-é"', min_size=1, max_size=6)
NUMBERS = st.one_of(st.none(), st.floats(min_value=-1e12, max_value=1e12))


@st.composite
def trials(draw):
    """A parallel trial with awkward identifiers and numbers, and gaps."""
    ids = draw(st.lists(IDENTIFIERS, min_size=2, max_size=5, unique=True))
    protocol = small_protocol(
        [
            {"name": "y", "column": "y", "direction": "lower is better"},
            {"name": "c", "from": "y", "derive": "change"},
        ],
        data={"missing_baseline": "keep"},
    )
    arms = ["Laser", "Both", *(draw(st.sampled_from(["Laser", "Both"])) for _ in ids[2:])]
    notes = draw(st.lists(st.text(alphabet='ab,"\n ;é0', max_size=5), min_size=len(ids), max_size=len(ids)))
    patients = pd.DataFrame({"patient": ids, "arm": arms, "note": notes})
    rows = [
        {"patient": who, "visit": visit, "y": draw(NUMBERS)}
        for who in ids
        for visit in ("Baseline", "Week 4", "Week 12")
    ]
    return Trial.from_frames(protocol, patients=patients, assessments=pd.DataFrame(rows))


@settings(max_examples=40, deadline=None)
@given(trial=trials())
def test_any_trial_reads_back_as_it_was_written(trial, tmp_path_factory):
    directory = tmp_path_factory.mktemp("written")
    trial.write(directory)
    again = read_trial(directory / "trial.toml")
    assert_same_trial(trial, again)
    pd.testing.assert_frame_equal(trial.endpoint("c"), again.endpoint("c"))
    assert again.protocol == read_protocol(directory / "trial.toml")
