"""One table under validation: cells become numbers, categories, flags and dates; what cannot is reported."""

from __future__ import annotations

import copy
import datetime as dt
import math
import re
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from outcomes.errors import Defect
from outcomes.nearest import nearest
from outcomes.protocol_tables import DataFiles
from outcomes.readers import HEADER_ROW, RawTable, cell_text

__all__ = ["TableCheck", "flag_value", "parse_number"]

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")
_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}([T ].*)?")  # a time may follow
_LEADING_ZERO = re.compile(r"[+-]?0\d")
_FLAGS = {
    "1": True,
    "true": True,
    "yes": True,
    "y": True,
    "0": False,
    "false": False,
    "no": False,
    "n": False,
}
_EXACT = 2.0**53  # beyond it, floats skip whole numbers, so that an identifier would change

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


def parse_number(text: str) -> float:
    """Return a plain decimal number, or NaN where the text is none (infinities and NaN are none)."""
    return float(text) if _NUMBER.fullmatch(text) else math.nan


def flag_value(text: str) -> bool | None:
    """Return what a yes or no means: 1/0, true/false, yes/no, Y/N in any case; None where it is neither."""
    return _FLAGS.get(text.lower())


def _why_no_number(text: str) -> tuple[str, str]:
    """Return what is wrong with a text that is no number, and how to mend it."""
    bare = text.strip()
    if bare != text and _NUMBER.fullmatch(bare):
        return "blanks around the number", f"Write {bare!r}"
    if _DECIMAL_COMMA.fullmatch(bare):
        return "a decimal comma", f"Write {bare.replace(',', '.')!r}; decimals have a point"
    if bare.replace("−", "-") != bare and _NUMBER.fullmatch(bare.replace("−", "-")):
        return "a typographic minus sign", f"Write {bare.replace('−', '-')!r}"
    if bare.lower().lstrip("+-") in ("inf", "infinity"):
        return "an infinite value", "Leave it empty where nothing was measured"
    if bare.endswith("%") and _NUMBER.fullmatch(bare[:-1].strip()):
        return "not a number", f"Write {bare[:-1].strip()!r}; the unit belongs to the protocol"
    if bare.startswith(("<", ">")):
        return (
            "not a number",
            "Decide in the analysis plan what a censored value counts as, and write that number",
        )
    return "not a number", "Correct it; list what stands for missing in [data] missing"


class TableCheck:
    """A raw table with the protocol's column names, and the defects found in it so far.

    Parameters
    ----------
    raw : RawTable
        As a reader returned it.
    data : DataFiles
        The protocol's [data]: the column map and what stands for missing.
    defects : list of Defect
        Appended to.

    Attributes
    ----------
    rows : ndarray of int, shape (n,)
        Row numbers as a person sees them.
    length : int
        n, the number of records.
    """

    def __init__(self, raw: RawTable, data: DataFiles, defects: list[Defect]) -> None:
        self.file = raw.file
        self.rows = raw.rows
        self.length = len(raw.rows)
        self.defects = defects
        self._damaged = raw.damaged
        self._missing = frozenset(data.missing)
        self._missing_numbers = [parse_number(code) for code in data.missing if _NUMBER.fullmatch(code)]
        self._columns, self._shown = self._renamed(raw, data)

    def _renamed(self, raw: RawTable, data: DataFiles) -> tuple[dict[str, pd.Series], dict[str, str]]:
        ours_of = {theirs: ours for ours, theirs in data.columns.items()}
        columns: dict[str, pd.Series] = {}
        shown: dict[str, str] = {}
        for theirs in raw.frame.columns:
            ours = ours_of.get(theirs, theirs)
            if ours in columns:
                theirs_of_ours = data.columns[ours]
                both = f"[data.columns] reads {ours!r} from {theirs_of_ours!r}, but {ours!r} is there too"
                self.defects.append(
                    Defect(
                        self.file,
                        HEADER_ROW,
                        str(theirs),
                        None,
                        "each column once",
                        "Rename or delete one",
                        both,
                    )
                )
                if theirs == ours:
                    continue
            columns[ours], shown[ours] = raw.frame[theirs], str(theirs)
        for ours, theirs in data.columns.items():
            shown.setdefault(ours, theirs)
        return columns, shown

    def subset(self, kept: Mask) -> TableCheck:
        """Return the same table with some of its records; row numbers and the list of defects stay."""
        part = copy.copy(self)
        part.rows, part.length = self.rows[kept], int(kept.sum())
        part._columns = {name: cells[kept].reset_index(drop=True) for name, cells in self._columns.items()}
        return part

    @property
    def columns(self) -> tuple[str, ...]:
        """Our names of the columns that the file has."""
        return tuple(self._columns)

    def has(self, column: str) -> bool:
        """Whether the file has the column."""
        return column in self._columns

    def shown(self, column: str) -> str:
        """Return what the file calls our column."""
        return self._shown.get(column, column)

    # ------------------------------------------------------------------------------------------ reporting

    def report(
        self,
        position: int,
        column: str,
        problem: str,
        expected: str,
        hint: str = "",
        value: str | None = None,
    ) -> None:
        """Add a defect of one cell; rows already reported as damaged are left alone."""
        row = int(self.rows[position])
        if row not in self._damaged:
            self.defects.append(Defect(self.file, row, self.shown(column), value, expected, hint, problem))

    def report_column(
        self, column: str, problem: str, expected: str, hint: str, value: str | None = None
    ) -> None:
        """Add a defect of a whole column, at its header."""
        self.defects.append(Defect(self.file, HEADER_ROW, self.shown(column), value, expected, hint, problem))

    def require(self, column: str, what: str) -> bool:
        """Report the column where it is missing; return whether it is there."""
        if self.has(column):
            return True
        theirs = self.shown(column)
        near = nearest(theirs, [self.shown(name) for name in self._columns])
        if near is not None:
            hint = f"Is it {near!r}? Then rename it, or say {_key(column)} = {near!r} in [data.columns]"
        else:
            hint = f'Add it, or say under [data.columns] what it is called: {_key(column)} = "..."'
        self.report_column(column, "the column is missing", what, hint)
        return False

    def require_rows(self, what: str) -> bool:
        """Report a table without any record; return whether it has one."""
        if self.length > 0:
            return True
        hint = "Fill it in, or export the table again"
        first = next(iter(self._columns), None)
        column = None if first is None else self.shown(first)
        self.defects.append(
            Defect(self.file, HEADER_ROW + 1, column, None, what, hint, "the file is empty below its header")
        )
        return False

    # ----------------------------------------------------------------------------------------- conversion

    def text(self, column: str) -> list[str | None]:
        """Return the cells as text, None where missing."""
        cells = self._columns[column]
        if cells.dtype != object:
            cells = cells.astype(object)
        texts = [cell_text(cell) for cell in cells]
        return [None if cell in self._missing else cell for cell in texts]

    def recorded(self, column: str) -> Mask:
        """Return which cells hold something, be it right or wrong."""
        return np.array([cell is not None for cell in self.text(column)], dtype=bool)

    def identifier(self, column: str, what: str, *, may_be_missing: bool = False) -> list[str | None]:
        """Return identifiers as they stand, leading zeros and all; report missing ones and stray blanks."""
        cells = self.text(column)
        for position, cell in enumerate(cells):
            if cell is None and not may_be_missing:
                self.report(
                    position, column, f"the {what} is missing", f"a {what}", "Fill it in, or delete the row"
                )
            elif cell is not None and cell != cell.strip():
                hint = f"Write {cell.strip()!r}"
                self.report(
                    position, column, f"blanks around the {what}", f"a {what} without blanks", hint, cell
                )
        return cells

    def category(
        self, column: str, levels: Iterable[str], what: str, *, may_be_missing: bool = True
    ) -> list[str | None]:
        """Return cells that are one of `levels`, None where missing or reported."""
        known = tuple(levels)
        expected = "one of " + ", ".join(map(repr, known))
        cells = self.text(column)
        for position, cell in enumerate(cells):
            if cell is None:
                if not may_be_missing:
                    self.report(position, column, f"the {what} is missing", expected, "Fill it in")
            elif cell not in known:
                near = nearest(cell, known)
                hint = (
                    f"Did you mean {near!r}?" if near else f"Correct it, or declare the {what} in trial.toml"
                )
                self.report(position, column, f"unknown {what}", expected, hint, cell)
                cells[position] = None
        return cells

    def number(
        self,
        column: str,
        *,
        minimum: float | None = None,
        maximum: float | None = None,
        what: str = "a number",
        labels: Sequence[str] = (),
        first_code: float = 0.0,
        allows: Callable[[float], bool] | None = None,
        where: Mask | None = None,
    ) -> Floats:
        """Return the cells as numbers, NaN where missing or reported.

        Parameters
        ----------
        column : str
            Ours.
        minimum, maximum : float, optional
            The allowed range, both ends included.
        what : str
            What was expected, for the defect.
        labels : sequence of str
            Texts that may stand instead of the numbers `first_code`, `first_code` + 1, ... (grades).
        first_code : float
            The number of the first label.
        allows : callable, optional
            A stricter test than the range (the grid of an item).
        where : ndarray of bool, optional
            The records concerned; the others are NaN and nothing is said of them.
        """
        wanted = np.ones(self.length, dtype=bool) if where is None else where
        values = self._numeric(
            column, {label: first_code + k for k, label in enumerate(labels)}, what, wanted
        )
        values[~wanted] = np.nan
        low = -math.inf if minimum is None else minimum
        high = math.inf if maximum is None else maximum
        for position in np.flatnonzero(~np.isnan(values)):
            value = float(values[position])
            if math.isinf(value):
                problem, hint = "an infinite value", "Leave it empty where nothing was measured"
            elif not low <= value <= high:
                problem, hint = (
                    "the value is out of range",
                    "Correct it, or leave it empty where nothing was measured",
                )
            elif allows is not None and not allows(value):
                problem, hint = "the value is not on the scale's grid", "Correct it"
            else:
                continue
            shown = cell_text(self._columns[column].iloc[position])
            self.report(int(position), column, problem, what, hint, shown)
            values[position] = np.nan
        return values

    def _numeric(self, column: str, labels: dict[str, float], what: str, wanted: Mask) -> Floats:
        cells = self._columns[column]
        if cells.dtype != object:
            values = np.array(cells.to_numpy(dtype=np.float64, na_value=np.nan), copy=True)
            values[np.isin(values, self._missing_numbers)] = np.nan
            return values
        texts = self.text(column)
        values = np.full(self.length, np.nan)
        for position in np.flatnonzero(wanted):
            cell = texts[position]
            if cell is None:
                continue
            values[position] = labels[cell] if cell in labels else parse_number(cell)
            if math.isnan(values[position]):
                problem, hint = _why_no_number(cell)
                near = nearest(cell, labels) if labels else None
                if labels and problem == "not a number":
                    problem = "unknown grade"
                self.report(
                    int(position), column, problem, what, f"Did you mean {near!r}?" if near else hint, cell
                )
        return values

    def flag(self, column: str) -> pd.Series:
        """Return the cells as nullable booleans; report what is neither yes nor no."""
        flags: list[bool | None] = []
        for position, cell in enumerate(self.text(column)):
            if cell is not None and flag_value(cell) is None:
                expected = "1 or 0, true or false, yes or no, Y or N"
                self.report(position, column, "neither yes nor no", expected, "Correct it", cell)
                flags.append(None)
            else:
                flags.append(None if cell is None else flag_value(cell))
        return pd.Series(flags, dtype="boolean")

    def date(self, column: str) -> list[str | None]:
        """Return the cells as ISO 8601 dates without their time; report what is none."""
        dates: list[str | None] = []
        for position, cell in enumerate(self.text(column)):
            try:
                if cell is not None and not _DATE.fullmatch(cell):
                    raise ValueError(cell)
                dates.append(None if cell is None else dt.date.fromisoformat(cell[:10]).isoformat())
            except ValueError:
                expected = "a date such as 2026-01-31"
                self.report(position, column, "not a date", expected, "Write year-month-day (ISO 8601)", cell)
                dates.append(None)
        return dates

    def free(self, column: str) -> pd.Series:
        """Return a column that the protocol does not describe.

        Numbers where every cell is a plain number and none has a leading zero (those are codes); booleans
        where every cell is true or false; text otherwise. Dates stay text, which ISO 8601 sorts rightly.
        """
        cells = self.text(column)
        present = [cell for cell in cells if cell is not None]
        if present and all(_NUMBER.fullmatch(cell) and not _LEADING_ZERO.match(cell) for cell in present):
            values = np.array([math.nan if cell is None else float(cell) for cell in cells])
            if np.all(np.abs(values[~np.isnan(values)]) < _EXACT):
                whole = len(present) == len(cells) and bool(np.all(values == np.floor(values)))
                return pd.Series(values.astype(np.int64) if whole else values)
        if present and all(cell.lower() in ("true", "false") for cell in present):
            dtype = "bool" if len(present) == len(cells) else "boolean"
            return pd.Series(
                [None if cell is None else cell.lower() == "true" for cell in cells], dtype=dtype
            )
        return pd.Series(cells, dtype="str")


def _key(column: str) -> str:
    return column if re.fullmatch(r"[A-Za-z0-9_-]+", column) else f'"{column}"'
