"""Published trials rebuilt patient by patient, where the published numbers leave no (or little) choice."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import resources
from pathlib import Path
from types import MappingProxyType

import pandas as pd

from outcomes.errors import TandemError
from outcomes.nearest import unknown
from outcomes.protocol import Protocol
from outcomes.published.tables import published_table
from outcomes.trial import Trial
from outcomes.trial_files import alternative_file, csv_text

KNOWN = ("abdelghani2018",)
"""The trials that can be rebuilt."""

_COUNTS = "abdelghani2018_grade_counts_reconstructed"
_GRADES = ("G0", "G1", "G2", "G3", "G4", "G5")
# the protocol's arm -> the table's name of it, and the prefix of the invented identifiers
_ARMS: Mapping[str, tuple[str, str]] = {
    "Laser": ("FCO2", "laser"),
    "PRP": ("PRP", "prp"),
    "Laser + PRP": ("FCO2+PRP", "both"),
    "Laser + NB-UVB": ("FCO2+NBUVB", "nbuvb"),
}


def load_published(name: str, *, laser_solution: int = 1) -> Trial:
    """A published trial, rebuilt patient by patient from the published counts.

    Parameters
    ----------
    name
        ``"abdelghani2018"``: four parallel groups of 20 patients with vitiligo, graded G0 to G5 three months
        after the last session.
    laser_solution
        Which of the seven vectors of counts that agree with the published numbers the laser arm has, 1 to 7.
        The other six are the trial's `Trial.alternatives`.

    Returns
    -------
    Trial
        With ``conduct.data_origin = "reconstructed"``. Identifiers are invented; nothing but the grades of
        each arm is known, so there are no covariates, no baseline and no events.

    Raises
    ------
    TandemError
        Where the trial or the solution is unknown.

    Examples
    --------
    >>> trial = load_published("abdelghani2018")
    >>> trial.endpoint("grade").groupby("arm", observed=True).size().tolist()
    [20, 20, 20, 20]
    """
    _check(name, laser_solution)
    protocol = Protocol.from_dict(tomllib.loads(_text(name, "trial.toml")), where=f"{name}: trial.toml")
    others = {
        _alternative_name(solution): _assessments(protocol, solution)
        for solution in _laser_solutions()
        if solution != laser_solution
    }
    return Trial.from_frames(
        protocol,
        patients=_patients(),
        assessments=_assessments(protocol, laser_solution),
        alternatives=others,
        source=f"{name}, laser solution {laser_solution}",
    )


def write_published(name: str, directory: str | Path) -> tuple[Path, ...]:
    """Write a rebuilt trial as a directory that `read_trial` and ``tandem report`` read.

    The same bytes each time: trial.toml with comments, patients.csv, assessments.csv (the grade is its last
    column), the other solutions under alternatives/, and a README.md that says how it was rebuilt.

    Parameters
    ----------
    name
        As for `load_published`.
    directory
        Made where it is missing; files of the same names are replaced, others stay.

    Returns
    -------
    tuple of Path
        The files written.

    Raises
    ------
    TandemError
        Where the trial is unknown.
    """
    trial = load_published(name)
    folder = Path(directory)
    texts = {
        "trial.toml": _text(name, "trial.toml"),
        "README.md": _text(name, "README.md"),
        trial.protocol.data.patients: csv_text(_patients()),
        trial.protocol.data.assessments: csv_text(_assessments(trial.protocol, 1)),
    }
    for solution in _laser_solutions()[1:]:
        file = alternative_file(_alternative_name(solution))
        texts[file] = csv_text(_assessments(trial.protocol, solution))
    for file, text in texts.items():
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_bytes(text.encode("utf-8"))
    return tuple(folder / file for file in texts)


def _check(name: str, laser_solution: int) -> None:
    if name not in KNOWN:
        raise TandemError(
            unknown("published trial", name, KNOWN),
            expected="one of " + ", ".join(KNOWN),
            got=repr(name),
            hint="list_published() names the tables of trials whose patients cannot be rebuilt",
        )
    solutions = _laser_solutions()
    if laser_solution not in solutions:
        raise TandemError(
            f"the laser arm of {name} has no solution {laser_solution}",
            expected=f"a whole number from {solutions[0]} to {solutions[-1]}",
            got=repr(laser_solution),
        )


def _text(name: str, file: str) -> str:
    return (resources.files("outcomes.published") / "data" / name / file).read_text(encoding="utf-8")


def _alternative_name(solution: int) -> str:
    return f"laser solution {solution}"


def _laser_solutions() -> tuple[int, ...]:
    return tuple(solution for arm, solution in _counts() if arm == "Laser")


@cache
def _counts() -> Mapping[tuple[str, int], tuple[int, ...]]:
    """(arm, solution) -> patients with G0, G1, ... in the order of the arms."""
    table = published_table(_COUNTS).set_index(["arm", "solution"])[list(_GRADES)]
    return MappingProxyType(
        {
            (arm, int(solution)): tuple(int(count) for count in table.loc[(theirs, solution)])
            for arm, (theirs, _) in _ARMS.items()
            for solution in table.loc[theirs].index
        }
    )


def _grades(arm: str, laser_solution: int) -> list[int]:
    """The grades of an arm, lowest first; which patient has which has no meaning."""
    counts = _counts()[arm, laser_solution if arm == "Laser" else 1]
    return [grade for grade, count in enumerate(counts) for _ in range(count)]


def _patients() -> pd.DataFrame:
    rows = [
        (f"{prefix}-{number:02d}", arm)
        for arm, (_, prefix) in _ARMS.items()
        for number in range(1, len(_grades(arm, 1)) + 1)
    ]
    return pd.DataFrame(rows, columns=["patient", "arm"])


def _assessments(protocol: Protocol, solution: int) -> pd.DataFrame:
    (visit,) = protocol.visits
    grades = [grade for arm in _ARMS for grade in _grades(arm, solution)]
    frame = _patients()[["patient"]].assign(visit=visit.name, week=visit.week)
    return frame.assign(grade=grades)
