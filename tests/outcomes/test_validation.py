"""Damaged copies of a trial directory: each defect is named by file, row, column, value and remedy."""

import re
import shutil
from collections import Counter
from pathlib import Path

import pytest

from outcomes.errors import ProtocolError, TrialDataError
from outcomes.trial import read_trial

EXAMPLE = Path(__file__).parent.parent / "reference" / "example_trial"
PARALLEL_TOML = """
[trial]
id = "PAR-1"
title = "A parallel trial"
condition = "vitiligo"
design = "parallel"
[components]
laser = "Laser"
prp = "PRP"
[arms]
Laser = ["laser"]
PRP = ["prp"]
Both = ["laser", "prp"]
[[visits]]
name = "Baseline"
week = 0
baseline = true
[[visits]]
name = "Week 12"
week = 12
[[endpoints]]
name = "vasi change"
instrument = "vasi"
column = "VASI"
derive = "change"
"""


@pytest.fixture
def directory(tmp_path):
    return Path(shutil.copytree(EXAMPLE, tmp_path / "trial"))


@pytest.fixture
def parallel(tmp_path):
    (tmp_path / "trial.toml").write_text(PARALLEL_TOML, encoding="utf-8")
    (tmp_path / "patients.csv").write_text("patient,arm\n01,Laser\n02,PRP\n03,Both\n", encoding="utf-8")
    rows = ["patient,visit,week,VASI"]
    for patient in ("01", "02", "03"):
        rows += [f"{patient},Baseline,0,20.5", f"{patient},Week 12,12,10"]
    (tmp_path / "assessments.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return tmp_path


def defects_of(directory):
    with pytest.raises(TrialDataError) as caught:
        read_trial(directory / "trial.toml")
    kinds = Counter((defect.file, defect.column) for defect in caught.value.defects)
    for defect in caught.value.defects:  # the message holds every part of every defect, but for floods
        if kinds[defect.file, defect.column] <= 3:
            assert str(defect) in str(caught.value)
        assert defect.problem
        assert defect.expected
        assert defect.hint
    return caught.value.defects


def the_only(directory):
    defects = defects_of(directory)
    assert len(defects) == 1, [str(defect) for defect in defects]
    return defects[0]


def edit(directory, file, old, new, count=1):
    """Replace text in a file; `old` must stand there."""
    path = directory / file
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, count), encoding="utf-8")


def edit_row(directory, file, row, column, value):
    """Set one cell; rows as an editor counts them."""
    path = directory / file
    lines = [line.split(",") for line in path.read_text(encoding="utf-8").splitlines()]
    position = lines[0].index(column)
    old, lines[row - 1][position] = lines[row - 1][position], value
    path.write_text("\n".join(",".join(line) for line in lines) + "\n", encoding="utf-8")
    return old


def row_of(directory, file, start):
    """Return the first row that starts with this text."""
    lines = (directory / file).read_text(encoding="utf-8").splitlines()
    return next(number for number, line in enumerate(lines, start=1) if line.startswith(start))


def copy_row(directory, file, row):
    path = directory / file
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join([*lines, lines[row - 1]]) + "\n", encoding="utf-8")
    return len(lines) + 1


def test_the_undamaged_trials_are_clean(directory, parallel):
    assert len(read_trial(directory / "trial.toml").lesions) == 48
    assert len(read_trial(parallel / "trial.toml").patients) == 3


# --------------------------------------------------------------------------- a cell that is not right


CELLS = [
    # file, row, column, value -> what the message says
    ("assessments.csv", 6, "REPIG", "abc", "not a number"),
    ("assessments.csv", 6, "REPIG", "12.5 %", "Write '12.5'"),
    ("assessments.csv", 6, "REPIG", " 12", "blanks around the number"),
    ("assessments.csv", 6, "REPIG", "−12", "typographic minus"),
    ("assessments.csv", 6, "REPIG", "inf", "infinite"),
    ("assessments.csv", 6, "REPIG", "1e999", "infinite"),
    ("assessments.csv", 6, "REPIG", "NaN", "not a number"),
    ("assessments.csv", 6, "REPIG", "<5", "censored"),
    ("assessments.csv", 6, "REPIG", "true", "not a number"),
    ("assessments.csv", 6, "REPIG", "2026-01-05", "not a number"),
    ("assessments.csv", 6, "REPIG", "100.5", "out of range"),
    ("assessments.csv", 2, "REPIG", "5", "by definition"),
    ("assessments.csv", 6, "AVISIT", "Week 13", "Did you mean 'Week 12'?"),
    ("assessments.csv", 6, "AVISIT", "week 12", "Did you mean 'Week 12'?"),
    ("assessments.csv", 6, "AVISIT", "Week 12 ", "Did you mean 'Week 12'?"),
    ("assessments.csv", 6, "AVISIT", "", "the visit is missing"),
    ("assessments.csv", 6, "USUBJID", "0001", "Did you mean '001'?"),
    ("assessments.csv", 6, "USUBJID", "999", "unknown patient"),
    ("assessments.csv", 6, "USUBJID", "", "identifier is missing"),
    ("assessments.csv", 6, "USUBJID", "001 ", "blanks around"),
    ("assessments.csv", 6, "lesion", "L9", "unknown lesion"),
    ("assessments.csv", 6, "lesion", "", "the lesion is missing"),
    ("assessments.csv", 3, "week", "15", "outside its visit's window"),
    ("assessments.csv", 3, "week", "", "the week is missing"),
    ("assessments.csv", 3, "week", "twelve", "not a number"),
    ("assessments.csv", 2, "week", "3", "baseline is after treatment"),
    ("assessments.csv", 4, "week", "11", "out of order"),
    ("assessments.csv", 4, "rescue", "perhaps", "neither yes nor no"),
    ("patients.csv", 3, "age", "forty", "not a number"),
    ("patients.csv", 3, "USUBJID", "", "identifier is missing"),
    ("lesions.csv", 5, "arm", "Laser ", "Did you mean 'Laser'?"),
    ("lesions.csv", 5, "arm", "laser", "Did you mean 'Laser'?"),
    ("lesions.csv", 5, "arm", "Lasr + PRP", "Did you mean 'Laser + PRP'?"),
    ("lesions.csv", 5, "arm", "Placebo", "unknown arm"),
    ("lesions.csv", 5, "arm", "", "the arm is missing"),
    ("lesions.csv", 5, "arm", "NA", "the arm is missing"),
    ("lesions.csv", 5, "body_site", "Face", "Did you mean 'face'?"),
    ("lesions.csv", 5, "body_site", "scalp", "unknown level of body_site"),
    ("lesions.csv", 5, "USUBJID", "099", "unknown patient"),
    ("adverse_events.csv", 2, "USUBJID", "333", "unknown patient"),
    ("adverse_events.csv", 2, "lesion", "L7", "unknown lesion"),
    ("adverse_events.csv", 2, "term", "", "term is missing"),
    ("adverse_events.csv", 2, "start_week", "soon", "not a number"),
    ("adverse_events.csv", 2, "end_week", "1", "before it starts"),
]


@pytest.mark.parametrize(("file", "row", "column", "value", "said"), CELLS)
def test_a_damaged_cell_is_named(directory, file, row, column, value, said):
    edit_row(directory, file, row, column, value)
    defects = defects_of(directory)
    found = [d for d in defects if (d.file, d.row, d.column) == (file, row, column) and said in str(d)]
    assert len(found) == 1, [str(defect) for defect in defects]
    missing = value in ("", "NA")
    assert found[0].value == (None if missing else value)


def test_a_decimal_comma_in_quotes_and_without(directory):
    row = row_of(directory, "assessments.csv", "001,L1,Week 24")
    edit_row(directory, "assessments.csv", row, "REPIG", '"12,5"')
    defect = the_only(directory)
    assert (defect.row, defect.column, defect.value) == (row, "REPIG", "12,5")
    assert "Write '12.5'" in defect.hint
    edit(directory, "assessments.csv", '"12,5"', "12,5")
    defect = the_only(directory)
    assert (defect.row, defect.column, defect.value) == (row, "REPIG", "5")
    assert "decimals with a point" in defect.hint


# ------------------------------------------------------------------------------ files and columns


@pytest.mark.parametrize("file", ["patients.csv", "lesions.csv", "assessments.csv", "adverse_events.csv"])
def test_a_missing_file(directory, file):
    (directory / file).unlink()
    defect = the_only(directory)
    assert defect.file == file
    assert "missing" in defect.problem


@pytest.mark.parametrize("file", ["patients.csv", "lesions.csv", "assessments.csv"])
@pytest.mark.parametrize("what", ["nothing", "header"])
def test_an_empty_file(directory, file, what):
    header = (directory / file).read_text(encoding="utf-8").splitlines()[0]
    (directory / file).write_text("" if what == "nothing" else header + "\n", encoding="utf-8")
    defect = the_only(directory)
    assert (defect.file, defect.row) == (file, 1 if what == "nothing" else 2)
    assert "empty" in defect.problem


def test_no_adverse_events_is_no_defect(directory):
    header = (directory / "adverse_events.csv").read_text(encoding="utf-8").splitlines()[0]
    (directory / "adverse_events.csv").write_text(header + "\n", encoding="utf-8")
    trial = read_trial(directory / "trial.toml")
    assert len(trial.events) == 0
    assert trial.events_recorded


@pytest.mark.parametrize(
    ("file", "column"),
    [
        ("patients.csv", "USUBJID"),
        ("patients.csv", "age"),
        ("lesions.csv", "USUBJID"),
        ("lesions.csv", "lesion"),
        ("lesions.csv", "arm"),
        ("lesions.csv", "body_site"),
        ("assessments.csv", "USUBJID"),
        ("assessments.csv", "lesion"),
        ("assessments.csv", "AVISIT"),
        ("assessments.csv", "rescue"),
        ("assessments.csv", "REPIG"),
        ("adverse_events.csv", "USUBJID"),
        ("adverse_events.csv", "term"),
    ],
)
def test_a_missing_column(directory, file, column):
    edit(directory, file, column, column + "_")
    defect = the_only(directory)
    assert (defect.file, defect.row, defect.column) == (file, 1, column)
    assert "missing" in defect.problem
    assert repr(column + "_") in defect.hint


def test_a_duplicate_column(directory):
    edit(directory, "lesions.csv", "lesion,arm,body_site", "lesion,arm,arm")
    problems = {(defect.row, defect.column, defect.problem) for defect in defects_of(directory)}
    assert (1, "arm", "the column stands there 2 times") in problems


def test_a_mapped_column_beside_one_of_our_name(directory):
    edit(directory, "patients.csv", "sex", "patient")
    assert (the_only(directory).row, the_only(directory).column) == (1, "patient")


def test_wrong_encoding(directory):
    text = (directory / "lesions.csv").read_text(encoding="utf-8").replace("face", "façe", 1)
    row = next(n for n, line in enumerate(text.splitlines(), start=1) if "façe" in line)
    (directory / "lesions.csv").write_bytes(text.encode("cp1252"))
    defect = defects_of(directory)[0]
    assert (defect.file, defect.row, defect.column) == ("lesions.csv", row, "body_site")
    assert defect.problem == "wrong encoding"


def test_a_ragged_row_is_reported_once(directory):
    edit(directory, "assessments.csv", "001,L1,Week 24,24,N", "001,L1,Week 24,24")
    defect = the_only(directory)
    assert (defect.file, defect.row) == (
        "assessments.csv",
        row_of(directory, "assessments.csv", "001,L1,Week 24"),
    )
    assert "5 cells" in defect.problem


def test_a_missing_flag_column_suggests_the_nearest(directory):
    edit(directory, "trial.toml", 'flag = "rescue"', 'flag = "rescued"')
    assert "Is it 'rescue'?" in the_only(directory).hint


def test_file_names_are_never_cut(directory):
    long = "assessments_" + "x" * 150 + ".csv"
    edit(directory, "trial.toml", '"assessments.csv"', f'"{long}"')
    assert long in str(the_only(directory))


# --------------------------------------------------------------------------- rows that contradict


def test_a_duplicate_assessment_names_both_rows(directory):
    row = copy_row(directory, "assessments.csv", 6)
    defect = the_only(directory)
    assert (defect.file, defect.row, defect.column) == ("assessments.csv", row, "AVISIT")
    assert "stands in row 6 already" in defect.problem


def test_a_duplicate_patient(directory):
    row = copy_row(directory, "patients.csv", 3)
    defect = the_only(directory)
    assert (defect.file, defect.row, defect.column, defect.value) == ("patients.csv", row, "USUBJID", "002")


def test_a_lesion_with_two_arms(directory):
    row = copy_row(directory, "lesions.csv", 3)
    arm = edit_row(directory, "lesions.csv", 3, "arm", "PRP")
    other = "PRP" if arm != "PRP" else "Laser"
    edit_row(directory, "lesions.csv", 3, "arm", other)
    defect = the_only(directory)
    assert (defect.file, defect.row, defect.column) == ("lesions.csv", row, "arm")
    assert f"two arms: {other!r} in row 3, {arm!r} here" in defect.problem


def test_a_parallel_patient_in_two_arms(parallel):
    with (parallel / "patients.csv").open("a") as stream:
        stream.write("02,Laser\n")
    defect = the_only(parallel)
    assert (defect.file, defect.row, defect.column, defect.value) == ("patients.csv", 5, "arm", "Laser")
    assert "'PRP' in row 3, 'Laser' here" in defect.problem


def test_an_arm_in_the_assessments_that_is_not_the_patients(parallel):
    text = (parallel / "assessments.csv").read_text()
    lines = [
        line + ("," + ("arm" if number == 0 else "Laser")) for number, line in enumerate(text.splitlines())
    ]
    (parallel / "assessments.csv").write_text("\n".join(lines) + "\n")
    rows = [(defect.row, defect.column) for defect in defects_of(parallel)]
    assert rows == [(4, "arm"), (5, "arm"), (6, "arm"), (7, "arm")]  # patients 02 and 03


def test_an_arm_with_nobody(parallel):
    edit(parallel, "patients.csv", "02,PRP", "02,Laser")
    defect = the_only(parallel)
    assert (defect.file, defect.row, defect.column) == ("patients.csv", 1, "arm")
    assert "'PRP'" in defect.problem


def test_a_misspelled_arm_is_not_reported_as_an_empty_one_too(parallel):
    edit(parallel, "patients.csv", "02,PRP", "02,prp")
    assert the_only(parallel).problem == "unknown arm"


def test_no_baseline(parallel):
    edit(parallel, "assessments.csv", "02,Baseline,0,20.5\n", "")
    defect = the_only(parallel)
    assert (defect.file, defect.row, defect.column) == ("assessments.csv", 4, "VASI")
    assert "no baseline" in defect.problem
    assert "'02'" in defect.problem


def test_a_baseline_that_was_not_measured(parallel):
    edit(parallel, "assessments.csv", "02,Baseline,0,20.5", "02,Baseline,0,NA")
    assert (the_only(parallel).row, the_only(parallel).column) == (5, "VASI")


def test_missing_baselines_can_be_kept_and_are_counted(parallel):
    edit(parallel, "assessments.csv", "02,Baseline,0,20.5", "02,Baseline,0,NA")
    edit(parallel, "trial.toml", "[[endpoints]]", '[data]\nmissing_baseline = "keep"\n[[endpoints]]')
    trial = read_trial(parallel / "trial.toml")
    assert trial.notes == ("assessments.csv: 1 patient without a baseline of VASI kept.",)


def test_a_wrong_baseline_is_not_reported_as_a_missing_one_too(parallel):
    edit(parallel, "assessments.csv", "02,Baseline,0,20.5", "02,Baseline,0,abc")
    assert the_only(parallel).problem == "not a number"


def test_a_wrong_value_does_not_hide_that_its_baseline_is_missing(parallel):
    edit(parallel, "assessments.csv", "02,Baseline,0,20.5\n", "")
    edit(parallel, "assessments.csv", "02,Week 12,12,10", "02,Week 12,12,abc")
    assert [defect.problem for defect in defects_of(parallel)] == [
        "not a number",
        "there is no baseline of VASI for '02'",
    ]


def test_a_patient_without_any_outcome_needs_no_baseline(parallel):
    edit(parallel, "assessments.csv", "02,Baseline,0,20.5", "02,Baseline,0,NA")
    edit(parallel, "assessments.csv", "02,Week 12,12,10", "02,Week 12,12,NA")
    assert read_trial(parallel / "trial.toml").endpoint("vasi change")["value"].isna().sum() == 1


def test_assessments_outside_a_window_can_be_kept_and_are_counted(directory):
    edit_row(directory, "assessments.csv", 3, "week", "15")
    edit(directory, "trial.toml", "window = [10, 14]", 'window = [10, 14]\nout_of_window = "keep"')
    trial = read_trial(directory / "trial.toml")
    assert trial.notes == ("assessments.csv: 1 assessment outside the window of Week 12 kept.",)


@pytest.mark.parametrize(("day", "row"), [("2026-01-09", 2), ("2026-05-01", 2)])
def test_a_baseline_after_treatment_by_its_date(parallel, day, row):
    (parallel / "assessments.csv").write_text(
        "patient,visit,date,VASI\n"
        f"01,Baseline,{day},20\n01,Week 12,2026-04-01,10\n"
        "02,Baseline,2026-01-07,20\n02,Week 12,2026-04-01,10\n"
    )
    (parallel / "patients.csv").write_text(
        "patient,arm,treatment_date\n01,Laser,2026-01-08\n02,PRP,2026-01-08\n03,Both,2026-01-08\n"
    )
    defect = the_only(parallel)
    assert (defect.row, defect.column, defect.value) == (row, "date", day)
    assert defect.problem == "the baseline is after treatment"


def windowed(parallel, rows, start="2026-01-08"):
    """Give Week 12 a window and the assessments dates without weeks; patient 03 has no treatment date."""
    edit(parallel, "trial.toml", "week = 12\n", "week = 12\nwindow = [10, 14]\n")
    (parallel / "patients.csv").write_text(
        f"patient,arm,treatment_date\n01,Laser,{start}\n02,PRP,{start}\n03,Both,\n"
    )
    (parallel / "assessments.csv").write_text("patient,visit,date,VASI\n" + "\n".join(rows) + "\n")
    return parallel / "trial.toml"


# Days since 2026-01-08: 2026-03-19 is day 70, 2026-04-16 is day 98 (weeks 10 and 14), 2026-04-17 is day 99.
IN_TIME = ["01,Baseline,2026-01-08,20", "01,Week 12,2026-03-19,10"]
AT_THE_END = ["02,Baseline,2026-01-01,20", "02,Week 12,2026-04-16,10"]


def test_windows_are_checked_by_date_where_there_is_no_week(parallel):
    windowed(parallel, [*IN_TIME, AT_THE_END[0], "02,Week 12,2026-04-17,10"])
    defect = the_only(parallel)
    assert (defect.row, defect.column, defect.value) == (5, "date", "2026-04-17")
    assert defect.problem == "the assessment is outside its visit's window"
    assert "week 14.1 by" in defect.expected  # 99 / 7


def test_weeks_come_from_dates_where_both_are_known(parallel):
    toml = windowed(parallel, [*IN_TIME, *AT_THE_END])
    trial = read_trial(toml)
    assert trial.assessments["week"].tolist() == [0.0, 10.0, -1.0, 14.0]
    assert trial.notes == ()


def test_windows_that_cannot_be_checked_are_said(parallel):
    rows = [*IN_TIME, *AT_THE_END, "03,Baseline,2026-01-05,20", "03,Week 12,2026-09-01,10"]
    trial = read_trial(windowed(parallel, rows))
    (note,) = trial.notes
    assert note.startswith("assessments.csv: windows not checked of 1 assessment: a week, or a date")
    assert trial.assessments["week"].tolist() == [0.0, 10.0, -1.0, 14.0, 0.0, 12.0]


def test_windows_without_weeks_or_dates_are_said_to_be_unchecked(parallel):
    edit(parallel, "trial.toml", "week = 12\n", "week = 12\nwindow = [10, 14]\n")
    text = (parallel / "assessments.csv").read_text()
    text = text.replace(",week,", ",").replace(",0,", ",").replace(",12,", ",")
    (parallel / "assessments.csv").write_text(text)
    (note,) = read_trial(parallel / "trial.toml").notes
    assert note.startswith("assessments.csv: windows not checked: ")


def test_late_assessments_by_date_can_be_kept_and_are_counted(parallel):
    toml = windowed(parallel, [*IN_TIME, AT_THE_END[0], "02,Week 12,2026-04-17,10"])
    edit(parallel, "trial.toml", "[10, 14]", '[10, 14]\nout_of_window = "keep"')
    assert read_trial(toml).notes == ("assessments.csv: 1 assessment outside the window of Week 12 kept.",)


def test_identifiers_that_lost_their_leading_zeros(parallel):
    text = (parallel / "patients.csv").read_text()
    (parallel / "patients.csv").write_text(text.replace("\n0", "\n") + "11,Both\n")  # as a spreadsheet saves
    hints = {defect.value: defect.hint for defect in defects_of(parallel)}
    assert set(hints) == {"01", "02", "03"}
    assert hints["01"].startswith("Did you mean '1'? Only leading zeros differ")
    assert "spreadsheet" in hints["02"]


def test_an_empty_table_is_to_be_filled_in(parallel):
    (parallel / "assessments.csv").write_text("patient,visit,week,VASI\n")
    assert the_only(parallel).hint.startswith("Fill it in")


def test_dates_that_are_none_and_visits_out_of_order(parallel):
    (parallel / "assessments.csv").write_text(
        "patient,visit,date,VASI\n"
        "01,Baseline,07.01.2026,20\n01,Week 12,2026-04-01,10\n"
        "02,Baseline,2026-05-07,20\n02,Week 12,2026-04-01,10\n"
    )
    found = [(defect.row, defect.column, defect.problem) for defect in defects_of(parallel)]
    assert found == [(2, "date", "not a date"), (4, "date", "the baseline of '02' is after treatment")]


def test_an_assessment_of_a_patient_without_lesions(directory):
    with (directory / "patients.csv").open("a") as stream:
        stream.write("013,50,F,6\n")
    with (directory / "assessments.csv").open("a") as stream:
        stream.write("013,L1,Week 12,12,N,5\n")
    defect = the_only(directory)
    assert (defect.row, defect.column, defect.value) == (146, "lesion", "L1")
    assert "none in the lesions' file" in defect.expected


def test_the_message_shows_the_value_as_the_file_has_it(directory):
    edit_row(directory, "assessments.csv", 6, "REPIG", "1050e-1")
    assert the_only(directory).value == "1050e-1"


# --------------------------------------------------------------------------- everything at once


def test_all_defects_of_all_files_in_one_pass(directory):
    edit_row(directory, "patients.csv", 3, "age", "x")
    edit_row(directory, "lesions.csv", 5, "body_site", "scalp")
    edit_row(directory, "assessments.csv", 6, "REPIG", "101")
    edit_row(directory, "assessments.csv", 3, "week", "99")
    edit_row(directory, "adverse_events.csv", 2, "USUBJID", "777")
    copy_row(directory, "assessments.csv", 10)
    found = [(defect.file, defect.row) for defect in defects_of(directory)]
    assert found == [
        ("patients.csv", 3),
        ("lesions.csv", 5),
        ("assessments.csv", 3),
        ("assessments.csv", 4),  # week 24 does not follow week 99
        ("assessments.csv", 6),
        ("assessments.csv", 146),
        ("adverse_events.csv", 2),
    ]


def test_an_unreadable_file_does_not_hide_the_others_defects(directory):
    (directory / "patients.csv").unlink()
    edit_row(directory, "assessments.csv", 6, "REPIG", "101")
    assert [defect.file for defect in defects_of(directory)] == ["patients.csv", "assessments.csv"]


def test_the_message_counts_and_numbers_the_defects(directory):
    edit_row(directory, "patients.csv", 3, "age", "x")
    edit_row(directory, "assessments.csv", 6, "REPIG", "101")
    with pytest.raises(TrialDataError) as caught:
        read_trial(directory / "trial.toml")
    lines = str(caught.value).splitlines()
    assert lines[0] == "The trial's data have 2 defects."
    assert re.match(
        r"  1\. patients\.csv, row 3, column age: not a number; got 'x'; expected a number", lines[1]
    )
    assert re.match(
        r"  2\. assessments\.csv, row 6, column REPIG: the value is out of range; got '101'", lines[2]
    )


def test_leading_zeros_survive_and_matter(directory):
    trial = read_trial(directory / "trial.toml")
    assert trial.patients["patient"].tolist()[:2] == ["001", "002"]
    assert set(trial.assessments["patient"]) == set(trial.patients["patient"])


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("sesions_done >= 5", "nearest known: 'sessions_done'"),
        ("REPIG > 5", "unknown column"),
        ("age + 1", "true or false"),
    ],
)
def test_a_bad_population_is_a_protocol_error_that_names_its_key(directory, where, said):
    edit(directory, "trial.toml", '"sessions_done >= 5"', f'"{where}"')
    with pytest.raises(ProtocolError, match="key 'where'") as caught:
        read_trial(directory / "trial.toml")
    assert said in str(caught.value)


def test_a_covariate_outside_its_declared_range(directory):
    edit(directory, "trial.toml", 'name = "age"', 'name = "age"\nminimum = 18\nmaximum = 90')
    edit_row(directory, "patients.csv", 3, "age", "17")
    defect = the_only(directory)
    assert (defect.file, defect.row, defect.column, defect.value) == ("patients.csv", 3, "age", "17")
    assert defect.problem == "the value is out of range"
    assert "18 to 90" in defect.expected
    edit_row(directory, "patients.csv", 3, "age", "18")
    read_trial(directory / "trial.toml")


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ('kind = "numeric"\nminimum = 9\nmaximum = 2', "9 is not below the maximum 2"),
        ('kind = "categorical"\nlevels = ["a"]\nminimum = 0', "a categorical covariate has no range"),
    ],
)
def test_a_range_that_no_covariate_can_have(parallel, keys, said):
    edit(parallel, "trial.toml", "[[endpoints]]", f'[[covariates]]\nname = "c"\n{keys}\n[[endpoints]]')
    with pytest.raises(ProtocolError, match=said):
        read_trial(parallel / "trial.toml")
