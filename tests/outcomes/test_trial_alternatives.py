import pandas as pd
import pytest

from outcomes import ProtocolError, TrialDataError, read_trial
from outcomes.protocol import Protocol
from outcomes.trial import Trial

PROTOCOL = {
    "trial": {"id": "T", "title": "A trial", "design": "parallel"},
    "components": {"laser": "Laser", "prp": "PRP"},
    "arms": {"Laser": ["laser"], "PRP": ["prp"]},
    "visits": [{"name": "Week 4", "week": 4}],
    "endpoints": [{"name": "pain", "instrument": "pain-vas", "column": "pain", "baseline": "none"}],
}
PATIENTS = pd.DataFrame({"patient": ["1", "2"], "arm": ["Laser", "PRP"]})


def _assessments(*pain):
    return pd.DataFrame({"patient": ["1", "2"], "visit": "Week 4", "week": 4, "pain": pain})


def _trial():
    return Trial.from_frames(
        Protocol.from_dict(PROTOCOL),
        patients=PATIENTS,
        assessments=_assessments(1.0, 2.0),
        alternatives={"second reading": _assessments(3.0, 4.0), "third reading": _assessments(5.0, 6.0)},
    )


def test_each_alternative_is_a_trial_of_its_own():
    trial = _trial()
    others = trial.alternatives()
    assert [name for name, _ in others] == ["second reading", "third reading"]
    assert [other.endpoint("pain")["value"].tolist() for _, other in others] == [[3.0, 4.0], [5.0, 6.0]]
    assert trial.endpoint("pain")["value"].tolist() == [1.0, 2.0]
    for _, other in others:
        assert other.alternatives() == ()
        assert other.protocol.data.alternatives == ()
    assert others[0][1].protocol.data.assessments == "alternatives/second_reading.csv"


def test_a_trial_without_alternatives_has_none():
    trial = Trial.from_frames(
        Protocol.from_dict(PROTOCOL), patients=PATIENTS, assessments=_assessments(1.0, 2.0)
    )
    assert trial.alternatives() == ()


def test_alternatives_are_written_and_read_back(tmp_path):
    trial = _trial()
    trial.write(tmp_path)
    again = read_trial(tmp_path / "trial.toml")
    assert again.protocol.data.alternatives == (
        "alternatives/second_reading.csv",
        "alternatives/third_reading.csv",
    )
    assert [path.relative_to(tmp_path).as_posix() for path in again.files[-2:]] == list(
        again.protocol.data.alternatives
    )
    for (name, one), (other_name, other) in zip(trial.alternatives(), again.alternatives(), strict=True):
        assert name == other_name
        pd.testing.assert_frame_equal(one.assessments, other.assessments)


def test_an_alternative_is_checked_like_the_assessments(tmp_path):
    _trial().write(tmp_path)
    file = tmp_path / "alternatives" / "third_reading.csv"
    file.write_text(file.read_text().replace(",5", ",11"))
    (tmp_path / "alternatives" / "second_reading.csv").unlink()
    with pytest.raises(TrialDataError) as caught:
        read_trial(tmp_path / "trial.toml")
    missing, outside = sorted(caught.value.defects, key=lambda defect: defect.file)
    assert missing.file == "alternatives/second_reading.csv"
    assert (outside.file, outside.row, outside.column, outside.value) == (
        "alternatives/third_reading.csv",
        2,
        "pain",
        "11",
    )


def test_a_defect_of_the_patients_is_said_once():
    with pytest.raises(TrialDataError) as caught:
        Trial.from_frames(
            Protocol.from_dict(PROTOCOL),
            patients=PATIENTS.assign(arm=["Laser", "Lasr"]),
            assessments=_assessments(1.0, 2.0),
            alternatives={"second reading": _assessments(3.0, 4.0)},
        )
    assert [defect.value for defect in caught.value.defects].count("Lasr") == 1


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (["assessments.csv"], "'assessments.csv' stands there 2 times"),
        (["a.csv", "a.csv"], "'a.csv' stands there 2 times"),
        (["one/a.csv", "two/a.csv"], "2 files are called 'a'"),
    ],
)
def test_alternatives_are_files_of_their_own(files, message):
    with pytest.raises(ProtocolError, match=message):
        Protocol.from_dict({**PROTOCOL, "data": {"alternatives": files}})
