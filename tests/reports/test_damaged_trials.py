"""Damaged copies of a trial through the real command: exit 1, file, row and column named, no traceback, no report."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from reports.cli import main


@dataclass(frozen=True)
class Damage:
    """What is done to a sound directory, and what the message must name."""

    name: str
    do: Callable[[Path], None]
    named: tuple[str, ...]


def rewrite(file: str, change: Callable[[list[str]], list[str]]) -> Callable[[Path], None]:
    """Change the lines of a file; line 1 is the header, as a spreadsheet shows it."""

    def do(home: Path) -> None:
        path = home / file
        path.write_text(
            "\n".join(change(path.read_text(encoding="utf-8").splitlines())) + "\n", encoding="utf-8"
        )

    return do


def cell(file: str, row: int, column: str, value: str) -> Callable[[Path], None]:
    """Put a value into one cell, its row counted as a spreadsheet does."""

    def change(lines: list[str]) -> list[str]:
        cells = lines[row - 1].split(",")
        cells[lines[0].split(",").index(column)] = value
        return [*lines[: row - 1], ",".join(cells), *lines[row:]]

    return rewrite(file, change)


def line(file: str, row: int, text: str) -> Callable[[Path], None]:
    return rewrite(file, lambda lines: [*lines[: row - 1], text, *lines[row:]])


def appended(file: str, text: str) -> Callable[[Path], None]:
    return rewrite(file, lambda lines: [*lines, text])


def replaced(file: str, old: str, new: str) -> Callable[[Path], None]:
    return rewrite(file, lambda lines: [each.replace(old, new) for each in lines])


def as_bytes(file: str, content: bytes) -> Callable[[Path], None]:
    return lambda home: (home / file).write_bytes(content) and None


def at(file: str, row: int, column: str, *others: str) -> tuple[str, ...]:
    return (f"{file}, row {row}, column {column}", *others)


DATA = "assessments.csv"
OUTCOME = "repigmentation"

WITHIN = [
    Damage("a value above the range", cell(DATA, 5, OUTCOME, "140"), at(DATA, 5, OUTCOME, "140")),
    Damage("a value that is no number", cell(DATA, 7, OUTCOME, "much"), at(DATA, 7, OUTCOME, "much")),
    Damage("a decimal comma", cell(DATA, 7, OUTCOME, '"12;5"'), at(DATA, 7, OUTCOME, "12;5")),
    Damage("an infinite value", cell(DATA, 9, OUTCOME, "inf"), at(DATA, 9, OUTCOME, "inf")),
    Damage("an unknown visit", cell(DATA, 3, "visit", "Week 13"), at(DATA, 3, "visit", "Week 13")),
    Damage("a missing visit", cell(DATA, 3, "visit", ""), at(DATA, 3, "visit")),
    Damage("a visit outside its window", cell(DATA, 4, "week", "19"), at(DATA, 4, "week", "19")),
    Damage("a week that is no number", cell(DATA, 4, "week", "twelve"), at(DATA, 4, "week", "twelve")),
    Damage("an assessment of nobody", cell(DATA, 2, "patient", "P99"), at(DATA, 2, "patient", "P99")),
    Damage("an assessment without a patient", cell(DATA, 2, "patient", ""), at(DATA, 2, "patient")),
    Damage("an assessment of no known lesion", cell(DATA, 2, "lesion", "L9"), at(DATA, 2, "lesion", "L9")),
    Damage(
        "an assessment twice",
        appended(DATA, "P01,L1,Week 12,12,3"),
        (f"{DATA}, row 82", "P01", "L1", "Week 12"),
    ),
    Damage(
        "an unknown arm",
        cell("lesions.csv", 6, "arm", "Lazer"),
        at("lesions.csv", 6, "arm", "Lazer", "Laser"),
    ),
    Damage("a lesion without an arm", cell("lesions.csv", 6, "arm", ""), at("lesions.csv", 6, "arm")),
    Damage(
        "a lesion with two arms",
        appended("lesions.csv", "P01,L1,PRP,face"),
        ("lesions.csv, row 42", "P01", "L1"),
    ),
    Damage(
        "a lesion of nobody",
        appended("lesions.csv", "P77,L1,PRP,face"),
        at("lesions.csv", 42, "patient", "P77"),
    ),
    Damage(
        "an arm with nobody",
        replaced("lesions.csv", ",PRP,", ",Laser,"),
        ("lesions.csv", "column arm", "PRP"),
    ),
    Damage(
        "an unknown level of a covariate",
        cell("lesions.csv", 3, "body_site", "knee"),
        at("lesions.csv", 3, "body_site", "knee"),
    ),
    Damage("an age in words", cell("patients.csv", 4, "age", "old"), at("patients.csv", 4, "age", "old")),
    Damage("a patient twice", appended("patients.csv", "P01,31"), at("patients.csv", 12, "patient", "P01")),
    Damage(
        "a missing column",
        line(DATA, 1, "patient,lesion,visit,week,outcome"),
        (DATA, "row 1", f"column {OUTCOME}"),
    ),
    Damage(
        "a column twice",
        line(DATA, 1, "patient,lesion,visit,visit,repigmentation"),
        (DATA, "row 1", "column visit"),
    ),
    Damage("a row with too few cells", line(DATA, 8, "P01,L4"), (f"{DATA}, row 8",)),
    Damage("a row with too many cells", line(DATA, 8, "P01,L4,Week 12,12,40,41"), (f"{DATA}, row 8", "41")),
    Damage("an empty file", as_bytes(DATA, b""), (DATA, "empty")),
    Damage(
        "a header without rows",
        rewrite(DATA, lambda lines: lines[:1]),
        (DATA, "row 2", "empty"),
    ),
    Damage("a missing file", lambda home: (home / "lesions.csv").unlink(), ("lesions.csv",)),
    Damage(
        "another encoding",
        as_bytes("patients.csv", "patient,age,city\nP01,31,Málaga\n".encode("latin-1")),
        ("patients.csv", "row 2", "UTF-8"),
    ),
    Damage("a picture in place of a table", as_bytes(DATA, b"\x89PNG\r\n\x1a\n\x00\x00\xff\xfe"), (DATA,)),
    Damage(
        "a harm to nobody",
        cell("adverse_events.csv", 2, "patient", "P44"),
        at("adverse_events.csv", 2, "patient", "P44"),
    ),
    Damage(
        "a harm that ends before it starts",
        cell("adverse_events.csv", 3, "end_week", "1"),
        ("adverse_events.csv, row 3", "end_week"),
    ),
    Damage(
        "a severity that nobody knows",
        cell("adverse_events.csv", 3, "severity", "quite bad"),
        at("adverse_events.csv", 3, "severity", "quite bad", "life-threatening"),
    ),
    Damage(
        "an unknown key",
        replaced("trial.toml", "[[analyses]]", "[[analyses]]\nmargn = 3"),
        ("trial.toml", "margn", "margin"),
    ),
    Damage(
        "a protocol that is no TOML",
        replaced("trial.toml", "week = 24", "week = = 24"),
        ("trial.toml", "line 2"),
    ),
    Damage("no protocol", lambda home: (home / "trial.toml").unlink(), ("trial.toml",)),
    Damage(
        "a population that asks for an unknown column",
        replaced("trial.toml", "[data]", '[[populations]]\nname = "pp"\nwhere = "sesions >= 5"\n\n[data]'),
        ("trial.toml", "pp", "sesions"),
    ),
]

PARALLEL = [
    Damage(
        "a patient in two arms",
        appended("patients.csv", "P01,Laser"),
        ("patients.csv, row 20", "P01"),
    ),
    Damage(
        "no baseline",
        rewrite(DATA, lambda lines: [one for one in lines if not one.startswith("P05,Baseline")]),
        (DATA, "P05", "baseline"),
    ),
    Damage("a baseline after treatment", cell(DATA, 2, "week", "3"), at(DATA, 2, "week", "3")),
    Damage("an impossible VASI", cell(DATA, 3, "vasi", "-2"), at(DATA, 3, "vasi", "-2")),
]


def names(damages: list[Damage]) -> list[str]:
    return [damage.name for damage in damages]


def run(*arguments: str | Path) -> Result:
    # Exceptions reach the test: anything but an exit in words is a traceback to the user.
    return CliRunner().invoke(main, [str(argument) for argument in arguments], catch_exceptions=False)


def held_against(damage: Damage, home: Path) -> None:
    """The command's answers to a damaged directory."""
    damage.do(home)
    before = sorted(path.name for path in home.iterdir())
    out = home.parent / "out"
    for arguments in (("report", home / "trial.toml", "-o", out), ("check", home / "trial.toml")):
        result = run(*arguments)
        assert result.exit_code == 1, result.output
        for part in damage.named:
            assert part in result.stderr, result.stderr
        assert "Traceback" not in result.output
        assert "Error" not in result.stderr.split("\n")[0], "a class of errors is no sentence"
        assert result.stdout == ""
    assert not out.exists() or not list(out.iterdir())
    assert sorted(path.name for path in home.iterdir()) == before


@pytest.mark.parametrize("damage", WITHIN, ids=names(WITHIN))
def test_a_damaged_within_patient_trial_is_refused_in_words(
    damage: Damage, within_patient_trial: Path
) -> None:
    held_against(damage, within_patient_trial)


@pytest.mark.parametrize("damage", PARALLEL, ids=names(PARALLEL))
def test_a_damaged_parallel_trial_is_refused_in_words(damage: Damage, parallel_trial: Path) -> None:
    held_against(damage, parallel_trial)


def test_the_sound_directories_pass(within_patient_trial: Path, parallel_trial: Path) -> None:
    for home in (within_patient_trial, parallel_trial):
        result = run("check", home / "trial.toml")
        assert result.exit_code == 0, result.output


def test_all_defects_are_told_at_once(within_patient_trial: Path) -> None:
    for damage in (WITHIN[0], WITHIN[1], WITHIN[4], WITHIN[8]):
        damage.do(within_patient_trial)
    result = run("check", within_patient_trial / "trial.toml")
    assert result.exit_code == 1
    assert "4 defects" in result.stderr
    for damage in (WITHIN[0], WITHIN[1], WITHIN[4], WITHIN[8]):
        assert damage.named[0] in result.stderr


def test_a_long_file_name_is_never_cut_or_wrapped(
    within_patient_trial: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = "assessments-of-every-lesion-by-two-blinded-raters-export-of-2026-03-01-final.csv"
    (within_patient_trial / DATA).rename(within_patient_trial / long)
    replaced("trial.toml", "[data]", f'[data]\nassessments = "{long}"')(within_patient_trial)
    cell(long, 5, OUTCOME, "140")(within_patient_trial)
    monkeypatch.setenv("COLUMNS", "40")
    result = run("report", within_patient_trial / "trial.toml", "-o", within_patient_trial.parent / "out")
    assert f"{long}, row 5, column {OUTCOME}" in result.stderr


@pytest.mark.parametrize("command", ["check", "report"])
def test_the_installed_command_says_it_without_a_traceback(command: str, within_patient_trial: Path) -> None:
    WITHIN[0].do(within_patient_trial)
    out = within_patient_trial.parent / "out"
    done = subprocess.run(
        [
            *(sys.executable, "-c", "from reports.cli import main; main(prog_name='tandem')", command),
            str(within_patient_trial / "trial.toml"),
            *(("-o", str(out)) if command == "report" else ()),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert f"{DATA}, row 5, column {OUTCOME}" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert not out.exists()
