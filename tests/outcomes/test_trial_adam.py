"""ADaM-shaped data: ADSL and a BDS frame, read through the column map alone."""

import pandas as pd
import pytest

from outcomes.errors import ProtocolError, TrialDataError
from outcomes.trial import read_trial

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


def test_long_data_is_written_long_and_reads_back(adam, tmp_path):
    trial = read_trial(adam / "trial.toml")
    trial.write(tmp_path / "first")
    again = read_trial(tmp_path / "first" / "trial.toml")
    pd.testing.assert_frame_equal(trial.assessments, again.assessments)
    pd.testing.assert_frame_equal(trial.endpoint("vasi change"), again.endpoint("vasi change"))
    again.write(tmp_path / "second")
    for name in ("trial.toml", "patients.csv", "assessments.csv"):
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes()
    header = (tmp_path / "first" / "assessments.csv").read_text(encoding="utf-8").splitlines()[0]
    assert header == "USUBJID,AVISIT,week,ADT,PARAMCD,BASE,AVAL"


SPLIT_FACE = """USUBJID,LOC,TRTP,PARAMCD,AVISIT,AVAL,BASE,RESCUE
1,left,Laser,VASC,Baseline,5,5,N
1,left,Laser,PAIN,Baseline,4,4,N
1,left,Laser,VASC,Week 12,3,5,N
1,left,Laser,PAIN,Week 12,1,4,N
1,right,Laser + PRP,VASC,Week 12,2,6,Y
1,right,Laser + PRP,PAIN,Week 12,0,3,Y
"""


def test_lesions_and_flags_of_long_data(adam):
    """Without a lesions' file the lesions and their arms are read from the long assessments themselves."""
    toml = (
        ADAM_TOML.split("[data]")[0].replace('"parallel"', '"within-patient"').replace('PRP = ["prp"]\n', "")
    )
    toml += """
[data]
assessments = "long.csv"
[data.columns]
patient = "USUBJID"
lesion = "LOC"
arm = "TRTP"
visit = "AVISIT"
parameter = "PARAMCD"
value = "AVAL"
baseline = "BASE"
rescue = "RESCUE"
[[endpoints]]
name = "vascularity"
column = "VASC"
direction = "lower is better"
derive = "change"
[[endpoints]]
name = "pain"
column = "PAIN"
direction = "lower is better"
[[analyses]]
endpoint = "vascularity"
visit = "Week 12"
[[analyses.estimand.intercurrent_events]]
event = "Rescue"
flag = "rescue"
strategy = "hypothetical"
scope = "lesion"
"""
    (adam / "trial.toml").write_text(toml, encoding="utf-8")
    (adam / "patients.csv").write_text("USUBJID\n1\n", encoding="utf-8")
    (adam / "long.csv").write_text(SPLIT_FACE, encoding="utf-8")
    trial = read_trial(adam / "trial.toml")
    assert trial.lesions.to_dict("list") == {
        "patient": ["1", "1"], "lesion": ["left", "right"], "arm": ["Laser", "Laser + PRP"],
    }  # fmt: skip
    data = trial.endpoint("vascularity")
    assert data["value"].tolist() == [-2.0, -4.0]
    assert data["baseline_mean"].tolist() == [5.5, 5.5]
    assert trial.endpoint("pain")["change"].tolist() == [-3.0, -3.0]
    estimand = trial.estimand_data("vascularity")
    at_week_12 = estimand.frame[estimand.frame["visit"] == "Week 12"]
    assert at_week_12["value"].isna().tolist() == [False, True]
    planned = [visit.name for visit in trial.protocol.post_baseline_visits]
    assert len(estimand.frame) == 2 * len(planned)  # a visit without a row counts as missing
    trial.write(adam / "written")
    again = read_trial(adam / "written" / "trial.toml")
    pd.testing.assert_frame_equal(again.endpoint("pain"), trial.endpoint("pain"))
    pd.testing.assert_frame_equal(again.estimand_data("vascularity").frame, estimand.frame)
