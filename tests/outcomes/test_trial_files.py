"""A trial to files and back: the same trial through every format, the same bytes each time."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyreadstat
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outcomes.errors import TrialDataError
from outcomes.protocol import Protocol, read_protocol
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


def test_writing_and_reading_back(example, tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    example.write(first)
    again = read_trial(first / "trial.toml")
    assert_same_trial(example, again)
    assert again.protocol == example.protocol
    for endpoint in example.protocol.endpoints:
        pd.testing.assert_frame_equal(example.endpoint(endpoint.name), again.endpoint(endpoint.name))
    again.write(second)
    assert {f.name: f.read_bytes() for f in first.iterdir()} == {
        f.name: f.read_bytes() for f in second.iterdir()
    }


def test_covariates_are_written_under_the_name_of_their_column(tmp_path):
    protocol = small_protocol(
        [{"name": "y", "column": "y", "direction": "lower is better"}],
        covariates=[
            {"name": "age", "column": "AGE_Y", "kind": "numeric"},
            {"name": "sex", "kind": "categorical", "levels": ["F", "M"]},
        ],
        data={"columns": {"AGE_Y": "AGE", "sex": "SEX"}, "missing": ["-99"]},
    )
    patients = PATIENTS.assign(AGE=[40, -99], SEX=["F", "M"])
    trial = Trial.from_frames(protocol, patients=patients, assessments=assessments([(1, 2, 3), (4, -99, 6)]))
    assert trial.patients["age"].isna().tolist() == [False, True]
    assert trial.endpoint("y")["value"].isna().sum() == 1
    trial.write(tmp_path)
    assert (tmp_path / "patients.csv").read_text() == "patient,arm,AGE,SEX\n1,Laser,40,F\n2,Both,,M\n"
    assert_same_trial(trial, read_trial(tmp_path / "trial.toml"))


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
