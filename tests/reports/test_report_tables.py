"""The tables of a report: their numbers are results, their headers say of whom, their words are spelled."""

import math
import re
from dataclasses import replace
from pathlib import Path

import pytest

from outcomes import read_trial
from reports.analyse import analyse_trial
from reports.compose import compose
from reports.context import ReportContext, table_texts
from reports.format import round_half_up
from reports.methods import methods_paragraphs
from reports.results import Results
from reports.tables.baseline import baseline_tables
from reports.tables.categorical import odds_table
from reports.tables.flow import exclusion_table, flow_table, missing_table
from reports.tables.harms import downtime_table, harms_table
from reports.tables.outcome import differences_table, means_table, observed_table
from reports.tables.protocol import estimand_table, intercurrent_table, referee_items
from reports.tables.sensitivity import carry_across_table, covariance_table, naive_table, sensitivity_table
from reports.tables.verdict import bliss_table, scales_table, verdict_table
from reports.verdicts import lines_of

EXAMPLES = Path(__file__).parents[2] / "examples"


def context_of(path):
    trial = read_trial(path)
    return ReportContext(trial.protocol, analyse_trial(trial).results)


@pytest.fixture(scope="module")
def small(sound_trials):
    return context_of(sound_trials["within-patient"] / "trial.toml")


@pytest.fixture(scope="module")
def parallel(sound_trials):
    return context_of(sound_trials["parallel"] / "trial.toml")


@pytest.fixture(scope="module")
def abdelghani():
    return context_of(EXAMPLES / "abdelghani2018" / "trial.toml")


CASES = ["small", "parallel", "abdelghani"]


@pytest.fixture(params=CASES)
def context(request):
    return request.getfixturevalue(request.param)


def body(table):
    return {row.label.text: row for row in table.rows}


def test_every_number_in_a_table_is_a_result(context):
    values = [abs(row.value) for row in context.results if row.value is not None]
    pool = {round(factor * value, 9) for value in values for factor in (1, 100)}
    pool.add(1.0)  # our own standard error over itself
    for table in compose(context, {}).tables:
        for row in table.rows:
            for cell in row.cells:
                if cell.value is not None:
                    assert round(abs(cell.value), 9) in pool, (table.name, row.label.text, cell)


def test_every_number_is_written_as_it_is(context):
    """The text of a cell is its own value, rounded half-up to the decimals shown."""
    for table in compose(context, {}).tables:
        for row in table.rows:
            for cell in row.cells:
                if cell.value is None or cell.text[0] in "<>":
                    continue
                decimals = len(cell.text.partition(".")[2])
                shown = float(cell.text.replace("−", "-"))
                assert shown == float(round_half_up(cell.value, decimals)), (table.name, row.label.text)


def test_every_abbreviation_of_a_table_is_spelled_below_it(context):
    for table in compose(context, {}).tables:
        words = set(re.findall(r"[A-Za-z0-9][A-Za-z0-9-]*", " ".join(table_texts(table))))
        spelled = " ".join(table.notes.values())
        for short in {"CI", "SD", "SE", "PRP", "VASI", "NB-UVB", "df"} & words:
            assert f"{short}, " in spelled, (table.name, short)


def test_tables_have_names_of_their_own_and_a_source(context):
    tables = compose(context, {}).tables
    names = [table.name for table in tables]
    assert len(names) == len(set(names))
    assert all(re.fullmatch(r"[a-z0-9-]+", name) for name in names)
    assert all(table.source for table in tables)


def test_no_baseline_table_has_a_p_value(small):
    patients, lesions = baseline_tables(small)
    for table in (patients, lesions):
        assert not any(column.header == "p" for column in table.columns)
    assert {column.spanner for column in patients.columns} == {"All"}
    assert [column.spanner for column in lesions.columns[:-1:2]] == [*small.protocol.arms, "All"]
    assert lesions.columns[-1].spanner == "Largest standardised difference"
    assert lesions.columns[0].spanner_lines == ("n = 10 lesions",)
    assert "p" not in patients.notes  # one group: nothing to compare
    assert "p" in lesions.notes
    age = body(patients)["Age, years, mean (SD)"].cells
    assert [cell.text for cell in age] == ["35.5", "3.0"]


def test_the_flow_has_both_numbers_of_each_arm(small, parallel):
    allocated = body(flow_table(small))["Allocated"].cells
    assert [cell.text for cell in allocated] == ["10"] * 8 + [""] * 2
    assert [column.header for column in flow_table(parallel).columns] == ["Patients"] * 4
    assert exclusion_table(small) is None


def test_missing_values_by_arm_and_visit(parallel):
    table = missing_table(parallel)
    assert [row.label.text for row in table.rows] == ["Week 12", "Week 24"]
    assert not any("missing at random" in text for text in table.remarks)  # none is missing


def test_the_outcome_has_a_row_an_arm_and_visit(small):
    table = observed_table(small, small.primary)
    assert [row.label.text for row in table.rows] == [
        "Week 12",
        *small.protocol.arms,
        "Week 24",
        *small.protocol.arms,
    ]
    grades = observed_table(small, small.protocol.analysis("grade"))
    assert body(grades)["G2"].cells[0].value is not None
    shares = observed_table(small, small.protocol.analysis("responder50"))
    assert [column.header for column in shares.columns][:3] == ["Lesions", "Responders (%)", ""]


def test_the_model_table_has_both_numbers_and_every_contrast(small, parallel):
    table = means_table(small, small.primary)
    assert [cell.text for cell in body(table)["PRP"].cells[:2]] == ["10", "10"]
    assert "(Laser + PRP) − Laser" in body(table)
    assert "Laser − (Laser + PRP)" in body(means_table(parallel, parallel.primary))
    # By the model of all visits, which is the analysis's own or stands beside it.
    for context in (small, parallel):
        visits = [row.label.text for row in differences_table(context, context.primary).rows]
        assert visits == ["Week 12", "Week 24"]


def test_the_verdict_has_a_row_a_question_and_lettered_notes(small):
    table = verdict_table(small, small.primary)
    assert [row.label.text.split(":")[0] for row in table.rows] == [
        "Better than Laser",
        "Better than PRP",
        "Better than every part (min test)",
        "Excess over the highest single agent",
        "Additive interaction",
        "Better than Untreated (control)",
    ]
    assert [letter for letter, _ in table.footnotes] == ["a", "b", "c"]
    other = verdict_table(small, small.protocol.analysis("responder50"))
    assert not any(text.startswith("Min test") for text in other.notes.values())  # said once
    assert table.footnotes[0][1].startswith("Min test")


def test_what_is_not_estimable_is_no_number(abdelghani):
    rows = verdict_table(abdelghani, abdelghani.primary).rows
    contribution = next(row for row in rows if row.label.text.startswith("Contribution of"))
    assert contribution.cells[0].text == "not assessable"
    assert contribution.cells[0].value is None
    interaction = next(row for row in rows if row.label.text.startswith("Additive interaction"))
    assert interaction.cells[0].text == "not estimable"


def test_the_scales_stand_side_by_side(abdelghani):
    table = scales_table(abdelghani)
    headings = [row.label.text for row in table.rows if row.kind == "heading"]
    assert [heading.rsplit(": ", 1)[1] for heading in headings] == [
        "probability of superiority",
        "difference, percentage points",
    ]
    fisher = body(table)["(Laser + PRP) − PRP"].cells
    assert [cell.text for cell in fisher[:1]] == ["20.0"]
    assert fisher[3].text == ".30"


def test_the_bliss_curve_is_labelled_as_an_assumption(abdelghani):
    table = bliss_table(abdelghani, abdelghani.protocol.analysis("responder"))
    assert [row.cells[0].text for row in table.rows[:1]] == ["12"]
    assert "rests on an assumption" in " ".join(table.remarks)
    assert table.title.startswith("Laser + PRP: excess over Bliss independence")
    assert table.columns[0].header == "Excess, % of those who would not respond untreated"  # Abbott's formula
    assert bliss_table(abdelghani, abdelghani.primary) is None


def test_the_odds_ratios_are_those_of_the_proportional_odds_model(abdelghani):
    """The methods name the model and the test of its assumption, so the page shows both."""
    table = odds_table(abdelghani, abdelghani.primary)
    row = next(one for one in table.rows if one.label.text == "Laser + PRP against Laser")
    line = lines_of(abdelghani.results, "grade/odds ratios", "part")[0]
    assert row.cells[0].value == pytest.approx(math.exp(line.estimate), rel=1e-9)  # ten digits are kept
    assert [one.label.text for one in table.rows[-2:]] == ["Test of proportional odds", "arm"]
    assert table.rows[-1].cells[-1].text == (
        "Not testable: with an effect at each threshold the grades separate"
    )
    assert "cumulative logit (proportional odds) model, value ~ arm" in " ".join(
        methods_paragraphs(abdelghani)
    )


def test_a_row_on_a_logarithmic_scale_says_so(small):
    table = verdict_table(small, small.protocol.analysis("responder50"))
    bliss = next(row for row in table.rows if row.label.text.startswith("Bliss"))
    assert bliss.label.text.count("(log scale)") <= 1
    assert bliss.cells[0].text == "not estimable" or bliss.label.text.endswith("(log scale)")


def test_the_baseline_row_is_named_by_what_was_measured(parallel):
    labels = [row.label.text for table in baseline_tables(parallel) for row in table.rows]
    assert labels[0].startswith("Vitiligo Area Scoring Index (VASI), five body regions, before treatment")
    assert not any("Change" in label for label in labels)


def test_sensitivity_lists_every_other_reconstruction(abdelghani):
    labels = [row.label.text for row in sensitivity_table(abdelghani).rows]
    assert labels[0] == "Primary analysis"
    assert len(labels) == 7
    assert len(sensitivity_table(abdelghani).footnotes) == 1  # six other tables, one reason


def test_the_naive_analysis_stands_below_ours(small, parallel):
    table = naive_table(small)
    labels = [row.label.text for row in table.rows]
    assert labels[:3] == [
        "(Laser + PRP) − Laser",
        "Primary analysis",
        "Welch's t, lesions as if of different patients",
    ]
    assert naive_table(parallel) is None
    assert carry_across_table(parallel) is None
    assert [row.label.text for row in carry_across_table(small).rows] == [
        "0\u202f%",
        "10\u202f%",
        "20\u202f%",
        "30\u202f%",
    ]


def test_spread_and_correlation_are_a_triangle(small):
    table = covariance_table(small, small.primary)
    assert [row.label.text for row in table.rows] == list(small.protocol.arms)
    assert [sum(cell.value is not None for cell in row.cells) for row in table.rows] == [1, 2, 3, 4]


def test_harms_of_no_arm_have_a_column_of_their_own(small, parallel):
    table = harms_table(small)
    assert list(dict.fromkeys(column.spanner for column in table.columns))[-2:] == [
        "Patient, no arm",
        "Everyone",
    ]
    headache = body(table)["Headache"].cells
    assert [cell.text for cell in headache[-4:]] == ["1", "10", "0", "45"]  # of everyone
    assert headache[-8:-4] == headache[-4:]
    assert headache[0].text == "0"
    assert [column.header for column in downtime_table(small).columns][1::5] == ["Ended", "Not ended"]
    assert harms_table(parallel) is None
    rows = [
        replace(row, value=0) if row.analysis == "harms" and row.arm == "no arm" else row
        for row in small.results
    ]
    none = Results(rows, small.results.statements, small.results.trial, small.results.software)
    spanners = {column.spanner for column in harms_table(ReportContext(small.protocol, none)).columns}
    assert spanners == {*small.protocol.arms, "Everyone"}


def test_what_the_protocol_does_not_say_is_not_provided(small):
    items = dict(referee_items(small))
    assert items["Allocation of lesions"] == "not provided"
    assert items["Sides randomised or fixed"] == "not provided"
    table = estimand_table(small, small.primary)
    assert body(table)["Population"].cells[0].text == "not provided"
    assert intercurrent_table(small, small.primary) is None
