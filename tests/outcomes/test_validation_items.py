"""Damaged items and grades: bounds, grids, labels, and totals that an instrument refuses."""

import pytest

from outcomes.errors import TrialDataError
from outcomes.trial import read_trial

SCAR_TOML = """
[trial]
id = "SCAR-1"
title = "A split-face scar trial"
condition = "scar"
design = "within-patient"
[components]
laser = "Laser"
prp = "PRP"
[arms]
Laser = ["laser"]
"Laser + PRP" = ["laser", "prp"]
[[visits]]
name = "Baseline"
week = 0
baseline = true
[[visits]]
name = "Week 12"
week = 12
[[endpoints]]
name = "posas"
instrument = "posas-observer"
items = { vascularity = "V", pigmentation = "P", thickness = "T", relief = "R", pliability = "L", surface_area = "S" }
derive = "change"
[[endpoints]]
name = "gais"
instrument = "repigmentation-grade"
column = "GRADE"
baseline = "none"
"""
SCAR_ROWS = """patient,lesion,arm,visit,V,P,T,R,L,S,GRADE
1,left,Laser,Baseline,5,5,5,5,5,5,
1,right,Laser + PRP,Baseline,6,6,6,6,6,6,
1,left,Laser,Week 12,4,4,4,4,4,4,G1
1,right,Laser + PRP,Week 12,3,3,3,3,3,3,3
"""


@pytest.fixture
def scar(tmp_path):
    (tmp_path / "trial.toml").write_text(SCAR_TOML, encoding="utf-8")
    (tmp_path / "patients.csv").write_text("patient\n1\n", encoding="utf-8")
    (tmp_path / "assessments.csv").write_text(SCAR_ROWS, encoding="utf-8")
    return tmp_path


def test_items_and_grades_by_label_or_number(scar):
    trial = read_trial(scar / "trial.toml")
    assert trial.endpoint("posas")["value"].tolist() == [-6.0, -18.0]
    assert trial.endpoint("gais")["value"].tolist() == ["G1", "G3"]
    assert trial.lesions["arm"].tolist() == ["Laser", "Laser + PRP"]


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("V", "11", "out of range"),
        ("V", "0", "out of range"),
        ("V", "4.5", "grid"),
        ("GRADE", "G7", "unknown grade"),
        ("GRADE", "g1 ", "Did you mean 'G1'?"),
        ("GRADE", "9", "out of range"),
        ("GRADE", "2.5", "grid"),
        ("arm", "Laser + PRP", "two arms"),
        ("arm", "", "the arm is missing"),
    ],
)
def test_damaged_items_and_grades(scar, column, value, said):
    lines = [line.split(",") for line in SCAR_ROWS.splitlines()]
    lines[3][lines[0].index(column)] = value
    (scar / "assessments.csv").write_text("\n".join(map(",".join, lines)) + "\n", encoding="utf-8")
    with pytest.raises(TrialDataError) as caught:
        read_trial(scar / "trial.toml")
    defects = [defect for defect in caught.value.defects if said in str(defect)]
    assert [(defect.row, defect.column) for defect in defects] == [(4, column)]


VASI_TOML = """
[trial]
id = "VASI-1"
title = "A parallel trial with VASI by regions"
design = "parallel"
[components]
laser = "Laser"
prp = "PRP"
[arms]
Laser = ["laser"]
PRP = ["prp"]
[[visits]]
name = "Week 12"
week = 12
[[endpoints]]
name = "vasi"
instrument = "vasi"
items = { ITEMS }
"""


def test_a_total_that_the_instrument_refuses(tmp_path):
    regions = ("hands", "upper_extremities", "trunk", "lower_extremities", "feet")
    items = [f"{region}_{kind}" for region in regions for kind in ("hand_units", "depigmentation")]
    toml = VASI_TOML.replace("ITEMS", ", ".join(f'{item} = "{item}"' for item in items))
    (tmp_path / "trial.toml").write_text(toml, encoding="utf-8")
    (tmp_path / "patients.csv").write_text("patient,arm\n1,Laser\n2,PRP\n", encoding="utf-8")
    rows = [
        ["patient", "visit", *items],
        ["1", "Week 12", *["1", "0.5"] * 5],
        ["2", "Week 12", *["90", "1"] * 5],
    ]
    (tmp_path / "assessments.csv").write_text("\n".join(map(",".join, rows)) + "\n", encoding="utf-8")
    with pytest.raises(TrialDataError, match="cover more than the whole") as caught:
        read_trial(tmp_path / "trial.toml")
    assert [(defect.row, defect.column) for defect in caught.value.defects] == [(3, "hands_hand_units")]
