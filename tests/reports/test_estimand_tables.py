"""The estimand of each analysis that has one, and whom each intercurrent event touched."""

from pathlib import Path

import pytest

from outcomes import read_trial
from reports.analyse import analyse_trial
from reports.compose import compose
from reports.context import ReportContext

EVENTS = """
[analyses.estimand]
population = "Adults with stable vitiligo"
intercurrent_events = [
    { event = "Rescue phototherapy", flag = "rescue", strategy = "treatment policy" },
    { event = "Withdrawal", flag = "withdrawn", strategy = "principal stratum" },
]
"""


@pytest.fixture(scope="module")
def document(tmp_path_factory, sound_trials):
    home = tmp_path_factory.mktemp("estimand")
    for path in Path(sound_trials["within-patient"]).iterdir():
        (home / path.name).write_bytes(path.read_bytes())
    patients = (home / "patients.csv").read_text(encoding="utf-8").splitlines()
    flags = ["rescue,withdrawn", "1,0", "0,1", *["0,0"] * (len(patients) - 3)]
    lines = [f"{line},{flag}" for line, flag in zip(patients, flags, strict=True)]
    (home / "patients.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    text = (home / "trial.toml").read_text(encoding="utf-8")
    with_events = text.replace('margin_source = "assumed"\n', f'margin_source = "assumed"\n{EVENTS}')
    with_other = with_events.replace(
        'endpoint = "responder50"\n', 'endpoint = "responder50"\n\n[analyses.estimand]\nsummary = "Risk"\n', 1
    )
    (home / "trial.toml").write_text(with_other, encoding="utf-8")
    trial = read_trial(home / "trial.toml")
    return compose(ReportContext(trial.protocol, analyse_trial(trial).results), {})


def table(document, name):
    return next(one for one in document.tables if one.name == name)


def test_attributes_that_the_protocol_does_not_give_are_not_provided_or_implied(document):
    found = table(document, "estimand")
    cells = {row.label.text: row.cells[0] for row in found.rows}
    assert list(cells) == [
        "Population",
        "Treatment",
        "Variable (endpoint)",
        "Intercurrent events",
        "Population-level summary",
    ]
    assert cells["Population"].text == "Adults with stable vitiligo"
    assert cells["Treatment"].text == "not provided"
    assert cells["Variable (endpoint)"].notes == ("implied",)
    assert cells["Population-level summary"].text == "Difference of means"
    assert cells["Intercurrent events"].target == "table:intercurrent"


def test_each_event_has_its_flag_strategy_and_counts_by_arm(document):
    found = table(document, "intercurrent")
    assert [column.spanner for column in found.columns][2:10:2] == [
        "Untreated",
        "Laser",
        "PRP",
        "Laser + PRP",
    ]
    rescue, withdrawn = ([cell.text for cell in row.cells] for row in found.rows)
    assert rescue[:2] == ["rescue", "treatment policy"]
    assert rescue[2:10] == ["1"] * 8
    assert rescue[10:12] == ["1", "8"]  # one patient, four lesions at two visits
    assert withdrawn[1] == "principal stratum: not implemented"
    assert "not implemented" in withdrawn[-1]


def test_another_analysis_with_an_estimand_has_its_table(document):
    found = table(document, "estimand-responder50")
    assert found.title == "The estimand of the secondary analysis"
    assert found.rows[-1].cells[0].text == "Risk"
    assert found.rows[0].cells[0].text == "not provided"


def test_the_methods_say_what_was_not_implemented(document):
    methods = next(one for one in document.sections if one.key == "methods").blocks[0].text
    assert "Intercurrent events and their strategies were rescue phototherapy (treatment policy)." in methods
    assert "The strategies named for withdrawal (principal stratum) are not implemented." in methods
