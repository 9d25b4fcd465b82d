"""The file of adverse events: who, what, how severe, when; severities in one order, however they were coded."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

from outcomes.protocol import Protocol
from outcomes.protocol_checks import CANONICAL_COLUMNS
from outcomes.table_check import TableCheck
from outcomes.units import Units, categorical, known_lesions, known_patients, text_series

__all__ = ["SEVERITIES", "check_events", "severity_word"]

SEVERITIES = ("mild", "moderate", "severe", "life-threatening", "fatal")
"""The severities of `Trial.events`, in their order: grades 1 to 5 of the Common Terminology Criteria for Adverse
Events (CTCAE, version 5.0, section "Grades"), of which grade 5 is death related to the event."""

_GRADE = re.compile(r"(?:ctcae )?(?:grade |grade|g)?([1-5])(?:\.0+)?")
_WEEKS = ("start_week", "end_week")


def severity_word(text: str) -> str | None:
    """Return the canonical severity that a cell means, or None where it means none.

    Parameters
    ----------
    text : str
        One of `SEVERITIES` in any case, with a hyphen or a space, or a CTCAE grade: ``3``, ``grade 3``, ``G3``.
    """
    folded = " ".join(text.casefold().replace("-", " ").replace("_", " ").split())
    grade = _GRADE.fullmatch(folded)
    if grade is not None:
        return SEVERITIES[int(grade[1]) - 1]
    return next((word for word in SEVERITIES if word.replace("-", " ") == folded), None)


def check_events(protocol: Protocol, check: TableCheck | None, units: Units) -> pd.DataFrame:
    """Convert and check the adverse events.

    Parameters
    ----------
    protocol : Protocol
        What was planned.
    check : TableCheck or None
        The table, None where there is none or it could not be read.
    units : Units
        Whom the events may name.

    Returns
    -------
    DataFrame
        ``patient, lesion, term, severity`` (an ordered Categorical of `SEVERITIES`), ``start_week, end_week,
        related``, then the file's other columns. Meaningful only where nothing was reported.
    """
    names = CANONICAL_COLUMNS["events"]
    empty = pd.DataFrame({name: pd.Series(dtype="str") for name in names}).assign(severity=_severities([]))
    empty = empty.astype(dict.fromkeys(_WEEKS, "float64"))
    if check is None:
        return empty
    if not all(
        [check.require("patient", "the patient's identifier"), check.require("term", "what happened")]
    ):
        return empty
    ids = check.identifier("patient", "patient identifier")
    columns: dict[str, pd.Series] = {"patient": text_series(ids)}
    if units.patients:
        known_patients(check, ids, units.patients)
    blank: list[str | None] = [None] * check.length
    labels = blank
    if check.has("lesion"):
        labels = check.identifier("lesion", "lesion label", may_be_missing=True)
        known_lesions(check, ids, labels, units)
    columns["lesion"] = text_series(labels)
    columns["term"] = text_series(check.identifier("term", "term"))
    columns["severity"] = _severities(_words(check) if check.has("severity") else blank)
    columns |= _weeks(check)
    columns["related"] = text_series(check.text("related") if check.has("related") else blank)
    columns |= {name: check.free(name) for name in check.columns if name not in names}
    return pd.DataFrame(columns) if check.length else empty


def _severities(words: list[str | None]) -> pd.Series:
    cells = categorical(words, SEVERITIES)
    return cells.cat.as_ordered()


def _words(check: TableCheck) -> list[str | None]:
    """Return the severities as canonical words; report what is none."""
    cells = check.text("severity")
    words = [None if cell is None else severity_word(cell) for cell in cells]
    accepted = ", ".join(map(repr, SEVERITIES[:-1])) + f" or {SEVERITIES[-1]!r}"
    expected = f"{accepted}, or a CTCAE grade, 1 (mild) to 5 (fatal)"
    for position, (cell, word) in enumerate(zip(cells, words, strict=True)):
        if cell is not None and word is None:
            hint = "Write the grade or its word; leave it empty where the severity was not recorded"
            check.report(position, "severity", "unknown severity", expected, hint, cell)
    return words


def _weeks(check: TableCheck) -> dict[str, pd.Series]:
    """Return the first and the last week of each event; report events that end before they start."""
    columns = {}
    for week in _WEEKS:
        values = check.number(week, what="a week") if check.has(week) else np.full(check.length, np.nan)
        columns[week] = pd.Series(values)
    starts, ends = (columns[week].to_numpy() for week in _WEEKS)
    for position in np.flatnonzero(ends < starts):
        start, end = float(starts[position]), float(ends[position])
        problem = f"the event ends in week {end:g}, before it starts in week {start:g}"
        check.report(int(position), "end_week", problem, f"week {start:g} or later", "Correct it", f"{end:g}")
    return columns
