"""Errors say what was expected, what was got, where, and how to mend it; and survive pickling."""

import pickle

import pytest

from outcomes import errors
from outcomes.errors import Defect, ProtocolError, TandemError, TrialDataError


def test_every_error_is_a_tandem_error():
    names = [name for name in errors.__all__ if name.endswith("Error")]
    assert len(names) == 12
    assert all(issubclass(getattr(errors, name), TandemError) for name in names)
    assert issubclass(errors.ConvergenceError, errors.ModelError)


def test_str_renders_the_facts_as_lines():
    error = TandemError("It went wrong.", expected="a day", got=3, where="trial.toml", hint="wait")
    assert str(error).splitlines() == [
        "It went wrong.",
        "  where:    trial.toml",
        "  expected: a day",
        "  got:      3",
        "  hint:     wait",
    ]


def test_facts_that_are_absent_take_no_line():
    assert str(TandemError("It went wrong.")) == "It went wrong."


DEFECT = Defect(
    "a/very/long/" + "x" * 200 + ".csv", 17, "REPIG", "12,5", "a number", "Write '12.5'", "a decimal comma"
)


def test_a_defect_names_file_row_column_value_expectation_and_remedy():
    text = str(DEFECT)
    for part in (
        "x" * 200 + ".csv",
        "row 17",
        "column REPIG",
        "'12,5'",
        "a number",
        "Write '12.5'",
        "a decimal comma",
    ):
        assert part in text


def of_row(row, problem="a decimal comma", column="x", file="a.csv", value="1,5"):
    return Defect(file, row, column, value, "a number", "Write '1.5'", problem)


def test_all_defects_are_kept_and_those_alike_are_grouped():
    defects = [of_row(row) for row in range(2, 107)]
    error = TrialDataError(defects)
    assert error.defects == tuple(defects)
    lines = str(error).splitlines()
    assert lines[0] == "The trial's data have 105 defects."
    assert [line.split(":")[0] for line in lines[1:4]] == [
        f"    {row - 1}. a.csv, row {row}, column x" for row in (2, 3, 4)
    ]
    named = ", ".join(str(row) for row in range(5, 25))
    assert lines[4] == f"       and 102 more rows of a.csv, column x: {named}, ..."
    assert len(lines) == 5


def test_the_rare_defect_stands_before_the_frequent_one():
    flood = [of_row(row) for row in range(2, 107)]
    twice = of_row(111, problem="'007' at 'Week 12' stands in row 3 already", column="visit")
    lines = str(TrialDataError([*flood, twice])).splitlines()
    assert "'007' at 'Week 12' stands in row 3 already" in lines[1]
    assert lines[2].startswith("    2. a.csv, row 2")


def test_defects_of_files_and_columns_come_first_one_by_one():
    rows = [of_row(row) for row in range(2, 5)]
    empty = [of_row(1, problem=f"nobody is in the arm {arm!r}", column="arm") for arm in "ABCDE"]
    lost = Defect("b.csv", None, None, None, "a file", "Put it there", "the file is missing")
    lines = str(TrialDataError([*rows, *empty, lost])).splitlines()
    assert len(lines) == 10
    assert [line.lstrip()[:2] for line in lines[1:]] == [f"{n}." for n in range(1, 10)]
    assert "nobody is in the arm 'A'" in lines[1]
    assert "b.csv: the file is missing" in lines[6]


def test_names_and_numbers_in_a_problem_do_not_keep_defects_apart():
    defects = [
        of_row(row, problem=f"patient 'P{row}' stands in row {row - 1} already") for row in range(5, 10)
    ]
    lines = str(TrialDataError(defects)).splitlines()
    assert len(lines) == 5
    assert lines[4].endswith("and 2 more rows of a.csv, column x: 8, 9")


def test_other_columns_and_files_are_kept_apart():
    defects = [
        of_row(row, column=column, file=file) for file in ("a", "b") for column in "xy" for row in (2, 3)
    ]
    assert len(str(TrialDataError(defects)).splitlines()) == 9


def test_one_defect_is_singular():
    assert str(TrialDataError([DEFECT])).startswith("The trial's data have 1 defect.\n")


@pytest.mark.parametrize(
    "error",
    [
        ProtocolError("Two problems.", where="trial.toml", problems=["one", "two"]),
        TrialDataError([DEFECT]),
        errors.DesignError("No.", hint="use the paired one"),
    ],
)
def test_errors_survive_pickling(error):
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert str(again) == str(error)
    assert again.__dict__ == error.__dict__
