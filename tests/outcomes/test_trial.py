"""Trial: frames, endpoints, populations, intercurrent events, and files that read back."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from outcomes.derivation import grade_by_cutpoints, meets
from outcomes.errors import ProtocolError, TrialDataError
from outcomes.protocol import Protocol
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
