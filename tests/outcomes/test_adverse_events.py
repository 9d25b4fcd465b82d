"""Adverse events: severities in one order however they are coded, and files of events without a row."""

import shutil
from pathlib import Path

import pandas as pd
import pytest

from outcomes.adverse_events import SEVERITIES, severity_word
from outcomes.errors import ProtocolError, TrialDataError
from outcomes.protocol import Protocol, read_protocol
from outcomes.trial import Trial, read_trial

EXAMPLE = Path(__file__).parent.parent / "reference" / "example_trial"
HEADER = "USUBJID,lesion,term,severity,start_week,end_week,related"


@pytest.fixture
def directory(tmp_path):
    return Path(shutil.copytree(EXAMPLE, tmp_path / "trial"))


def write_events(directory, *severities):
    rows = [f"003,L1,Erythema,{severity},3,9,laser" for severity in severities]
    (directory / "adverse_events.csv").write_text("\n".join([HEADER, *rows]) + "\n", encoding="utf-8")
    return directory / "trial.toml"


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("mild", "mild"),
        ("Moderate ", "moderate"),
        ("SEVERE", "severe"),
        ("Life-threatening", "life-threatening"),
        ("life threatening", "life-threatening"),
        ("Fatal", "fatal"),
        ("1", "mild"),
        ("2", "moderate"),
        ("3", "severe"),
        ("3.0", "severe"),
        ("4", "life-threatening"),
        ("5", "fatal"),
        ("grade 3", "severe"),
        ("Grade  3", "severe"),
        ("GRADE4", "life-threatening"),
        ("G3", "severe"),
        ("CTCAE grade 5", "fatal"),
        ("0", None),
        ("6", None),
        ("3.5", None),
        ("33", None),
        ("G", None),
        ("grade", None),
        ("bad", None),
        ("severely", None),
    ],
)
def test_what_a_severity_means(text, word):
    assert severity_word(text) == word


def test_words_and_grades_become_one_ordered_set(directory):
    events = read_trial(write_events(directory, "grade 3", "Moderate ", "1", "", "FATAL", "G4")).events
    assert events["severity"].cat.ordered
    assert tuple(events["severity"].cat.categories) == SEVERITIES
    found = events["severity"].astype(object).where(events["severity"].notna(), None).tolist()
    assert found == ["severe", "moderate", "mild", None, "fatal", "life-threatening"]
    assert (events["severity"] >= "severe").tolist() == [True, False, False, False, True, True]


def test_an_unknown_severity_names_the_cell_and_the_accepted_words(directory):
    with pytest.raises(TrialDataError) as caught:
        read_trial(write_events(directory, "mild", "quite bad"))
    (defect,) = caught.value.defects
    assert (defect.file, defect.row, defect.column) == ("adverse_events.csv", 3, "severity")
    assert (defect.value, defect.problem) == ("quite bad", "unknown severity")
    for word in (*SEVERITIES, "1", "5"):
        assert word in defect.expected


def test_grades_that_are_numbers_in_a_frame(directory):
    trial = read_trial(directory / "trial.toml")
    events = pd.DataFrame({"USUBJID": ["003"], "term": ["Burn"], "severity": [3]})
    again = Trial.from_frames(
        trial.protocol,
        patients=trial.patients,
        lesions=trial.lesions,
        assessments=trial.assessments,
        events=events,
    )
    assert again.events["severity"].tolist() == ["severe"]


def test_severities_are_written_as_words_and_read_back(directory, tmp_path):
    trial = read_trial(write_events(directory, "3", "", "G1"))
    trial.write(tmp_path / "again")
    again = read_trial(tmp_path / "again" / "trial.toml")
    pd.testing.assert_frame_equal(again.events, trial.events)
    assert ",severe," in (tmp_path / "again" / "adverse_events.csv").read_text(encoding="utf-8")


def test_a_file_without_a_row_says_nothing_of_harm_unless_the_protocol_does(directory):
    toml = write_events(directory)
    trial = read_trial(toml)
    assert trial.events_recorded
    assert not trial.events_known
    assert trial.events["severity"].cat.ordered
    text = toml.read_text(encoding="utf-8")
    toml.write_text(text.replace("\nevents =", "\nevents_complete = true\nevents ="), encoding="utf-8")
    assert read_trial(toml).events_known


def test_a_file_with_a_row_is_known_and_no_file_is_not(directory):
    trial = read_trial(write_events(directory, "mild"))
    assert trial.events_known
    frames = {"patients": trial.patients, "lesions": trial.lesions, "assessments": trial.assessments}
    assert not Trial.from_frames(trial.protocol, **frames).events_known


def test_complete_events_without_a_file_contradict():
    tables = read_protocol(EXAMPLE / "trial.toml").to_dict()
    del tables["data"]["events"]
    tables["data"]["events_complete"] = True
    with pytest.raises(ProtocolError, match="key 'events_complete': there is no file of events"):
        Protocol.from_dict(tables)
