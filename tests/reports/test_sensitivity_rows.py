"""Each row of the sensitivity table says of how many it is; no question is answered twice."""

import pytest

from outcomes import read_trial
from reports.analyse import analyse_trial
from reports.context import ReportContext
from reports.tables.sensitivity import sensitivity_table

TOML_POPULATION = """
[[populations]]
name = "younger"
where = "age < 40"
exclude_reason = "40 or older"
"""
TOML_ANALYSIS = """
[[analyses]]
name = "in the younger"
endpoint = "repigmentation"
role = "sensitivity"
population = "younger"
visit = "Week 24"
"""


def context_of(home, source, *added):
    home.mkdir()
    for file in source.iterdir():
        (home / file.name).write_text(file.read_text(encoding="utf-8"), encoding="utf-8")
    toml = home / "trial.toml"
    toml.write_text(toml.read_text(encoding="utf-8") + "".join(added), encoding="utf-8")
    lines = (home / "assessments.csv").read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if not line.startswith("P02,L3,Week 24")]  # the PRP lesion
    (home / "assessments.csv").write_text("\n".join(kept) + "\n", encoding="utf-8")
    trial = read_trial(toml)
    return ReportContext(trial.protocol, analyse_trial(trial).results)


@pytest.fixture(scope="module")
def source(sound_trials):
    return sound_trials["within-patient"]


def rows_of(context):
    table = sensitivity_table(context)
    assert [column.header for column in table.columns[:2]] == ["Patients", "Lesions"]
    return {row.label.text: tuple(cell.value for cell in row.cells[:2]) for row in table.rows}


def test_each_row_counts_whom_it_used(source, tmp_path):
    rows = rows_of(context_of(tmp_path / "trial", source, TOML_POPULATION))
    assert rows["Primary analysis"] == (10, 39)
    assert rows["Population “younger”"] == (9, 35)  # without P10
    assert rows["Paired t tests"] == (10, 29)  # of the combination and both parts
    assert rows["All visits together"] == (10, 40)
    assert rows["One spread for all arms and visits"] == (10, 39)


def test_a_population_that_the_protocol_analyses_has_one_row(source, tmp_path):
    rows = rows_of(context_of(tmp_path / "trial", source, TOML_POPULATION, TOML_ANALYSIS))
    assert "Population “younger”" not in rows
    assert rows["Analysis “in the younger”"] == (9, 35)
