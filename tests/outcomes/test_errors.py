"""Errors say what was expected, what was got, where, and how to mend it; and survive pickling."""

import pickle

import pytest

from outcomes import errors
from outcomes.errors import Defect, ProtocolError, TandemError, TrialDataError


def test_every_error_is_a_tandem_error():
    names = [name for name in errors.__all__ if name.endswith("Error")]
    assert len(names) == 11
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


def test_trial_data_error_lists_all_defects_in_order():
    defects = [Defect("a.csv", row, "x", str(row), "a number", "", "not a number") for row in range(2, 302)]
    lines = str(TrialDataError(defects)).splitlines()
    assert lines[0] == "The trial's data have 300 defects."
    assert len(lines) == 301
    assert all(f"row {row}," in line for row, line in zip(range(2, 302), lines[1:], strict=True))


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
