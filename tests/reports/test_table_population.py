"""Under each table's title stands whom it shows, with both numbers; its limits are joined as the journal has it."""

from dataclasses import replace

import pytest

from outcomes import read_trial
from reports.analyse import analyse_trial
from reports.compose import compose
from reports.context import ReportContext
from reports.results import Results
from reports.tables.outcome import means_table, observed_table
from reports.tables.value import Cell, Column, Row, Table


@pytest.fixture(scope="module")
def contexts(sound_trials, tmp_path_factory):
    """Return a trial in which P01 was never seen and P02 lost one lesion after week 12, and a parallel one."""
    home = tmp_path_factory.mktemp("gaps")
    source = sound_trials["within-patient"]
    for file in source.iterdir():
        text = file.read_text(encoding="utf-8")
        if file.name == "assessments.csv":
            text = "".join(
                line
                for line in text.splitlines(keepends=True)
                if not line.startswith("P01,") and "P02,L3,Week 24" not in line
            )
        (home / file.name).write_text(text, encoding="utf-8")
    found = {}
    for name, path in {"within": home, "parallel": sound_trials["parallel"]}.items():
        trial = read_trial(path / "trial.toml")
        found[name] = ReportContext(trial.protocol, analyse_trial(trial).results)
    return found


def test_a_table_says_whom_it_shows_and_of_how_many(contexts):
    within, parallel = contexts["within"], contexts["parallel"]
    assert means_table(within, within.primary).population == "All: 9 of 10 patients, 35 of 40 lesions"
    assert observed_table(within, within.primary).population == "All: 10 patients, 40 lesions"
    assert means_table(parallel, parallel.primary).population == "All: 18 patients"


@pytest.mark.parametrize("name", ["within", "parallel"])
def test_every_table_has_a_population(contexts, name):
    tables = compose(contexts[name], {}).tables
    assert all(table.population.startswith("All: ") for table in tables if table.kind == "table")


def test_a_table_of_a_model_of_all_visits_counts_whom_that_model_used(contexts):
    tables = {table.name: table for table in compose(contexts["within"], {}).tables}
    assert tables["differences-repigmentation"].population == "All: 9 of 10 patients, 36 of 40 lesions"


def test_results_without_the_counts_leave_the_line_empty(contexts):
    bare = replace(contexts["parallel"], results=Results([]))
    assert bare.population_line() == ""
    assert bare.population_line(bare.primary) == ""


@pytest.mark.parametrize(
    ("style", "low", "joint"),
    [("jama", 1.0, " to "), ("lancet", 1.0, "–"), ("lancet", -1.0, " to "), ("csr", 1.0, " to ")],
)
def test_limits_are_joined_as_the_journal_has_it(contexts, style, low, joint):
    context = contexts["parallel"]
    protocol = context.protocol.model_copy(
        update={"report": context.protocol.report.model_copy(update={"style": style})}
    )
    styled = replace(context, protocol=protocol)
    cells = (Cell("5", 5), Cell(styled.formatter.number(low), low), Cell("9", 9))
    columns = (Column("Mean"), Column("95 % CI", "low"), Column("", "high"))
    rows = (Row(Cell("a"), cells), Row(Cell("b"), (Cell("not estimable", span=3),)))
    assert styled.finished(Table("t", "T", columns, rows)).joint == joint
