"""The analysis results as data: one row a number, and every word that a report says of them.

The idea is that of CDISC's Analysis Results Standard and of R's *cards*: tables, figures, sentences and
notebook cells are rendered from these rows, so that no number is typed or computed twice, and a reader can
rebuild or recompute each.

A row is addressed by what it is about (analysis, endpoint, population, visit, arm, contrast, level) and by
the statistic's name. `Results` is frozen; `ResultsBuilder` collects rows while a trial is analysed.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pandas as pd

from outcomes.errors import ReportError
from reports.format import significant

SCHEMA = "tandem-results/1"

Number = float | int | None
"""A result's value. None is an answer: "not estimable". Infinite degrees of freedom are `math.inf`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One number and its address.

    Parameters
    ----------
    analysis
        Name of the protocol's analysis, possibly with a part after a slash ("repigmentation/naive"), or a
        chapter of the report ("flow", "baseline", "missingness", "harms").
    endpoint
        Name of the endpoint, or of the variable that is described.
    population, visit, arm, contrast
        Empty where they do not apply.
    level
        The category, grade, model term or question that the number belongs to, where there is one.
    statistic
        What the number is: "estimate", "conf_low", "n_patients" and so on.
    value
        The number, in the unit of the endpoint; proportions lie between 0 and 1.
    method
        How it was computed, in words.
    """

    analysis: str
    endpoint: str = ""
    population: str = ""
    visit: str = ""
    arm: str = ""
    contrast: str = ""
    level: str = ""
    statistic: str
    value: Number
    method: str = ""

    @property
    def address(self) -> tuple[str, ...]:
        """What the number is about, and its statistic: unique among results."""
        return tuple(getattr(self, name) for name in ADDRESS)


ADDRESS = ("analysis", "endpoint", "population", "visit", "arm", "contrast", "level", "statistic")
"""The columns that address a row."""

COLUMNS = tuple(field.name for field in fields(Result))


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """Words that belong to results: a verdict's answer, what may be claimed, a model's formula, a footnote.

    Parameters
    ----------
    analysis
        As in `Result`.
    kind
        "answer", "may_claim", "may_not_claim", "footnote", "model", "fallback", "not_estimable" and so on.
    subject
        What the statement is about: a contrast, a population, an arm; may be empty.
    text
        The words.
    """

    analysis: str
    kind: str
    subject: str = ""
    text: str


class Results:
    """Every number of a report, addressed; iterates over `Result` rows in the order in which they were found.

    Parameters
    ----------
    rows
        The numbers. Each address occurs once.
    statements
        The words that belong to them.
    trial
        What identifies the trial: id, title, design, data_origin.
    software
        Names of programs and their versions.

    Raises
    ------
    ReportError
        Where an address occurs twice.
    """

    __slots__ = ("_by_address", "_by_statistic", "_rows", "_software", "_statements", "_trial")

    def __init__(
        self,
        rows: Iterable[Result],
        statements: Iterable[Statement] = (),
        trial: Mapping[str, str] | None = None,
        software: Mapping[str, str] | None = None,
    ) -> None:
        self._rows = tuple(rows)
        self._statements = tuple(statements)
        self._trial = dict(trial or {})
        self._software = dict(software or {})
        self._by_address: dict[tuple[str, ...], Result] = {}
        self._by_statistic: dict[tuple[str, str], list[Result]] = {}
        for row in self._rows:
            if row.address in self._by_address:
                raise ReportError(
                    "a result was computed twice",
                    expected="one row an address",
                    got=_describe(dict(zip(ADDRESS, row.address, strict=True))),
                    hint="look the number up instead of computing it again",
                )
            self._by_address[row.address] = row
            self._by_statistic.setdefault((row.analysis, row.statistic), []).append(row)

    @property
    def rows(self) -> tuple[Result, ...]:
        """All rows."""
        return self._rows

    @property
    def statements(self) -> tuple[Statement, ...]:
        """All statements."""
        return self._statements

    @property
    def trial(self) -> dict[str, str]:
        """What identifies the trial (a copy)."""
        return dict(self._trial)

    @property
    def software(self) -> dict[str, str]:
        """Programs and versions (a copy)."""
        return dict(self._software)

    def __iter__(self) -> Iterator[Result]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Results):
            return NotImplemented
        return self.to_json() == other.to_json()

    __hash__ = None  # type: ignore[assignment]  # equality is by content

    def __repr__(self) -> str:
        return f"Results({len(self._rows)} numbers, {len(self._statements)} statements)"

    def select(self, **address: str) -> tuple[Result, ...]:
        """Return the rows whose address has these parts; parts that are not named may be anything."""
        unknown = set(address) - set(ADDRESS)
        if unknown:
            raise ReportError(
                "unknown part of a result's address",
                expected=", ".join(ADDRESS),
                got=", ".join(sorted(unknown)),
            )
        rows: Iterable[Result] = self._rows
        if "analysis" in address and "statistic" in address:
            rows = self._by_statistic.get((address["analysis"], address["statistic"]), ())
        return tuple(row for row in rows if all(getattr(row, name) == part for name, part in address.items()))

    def value(self, analysis: str, statistic: str, **address: str) -> Number:
        """Return the one value with this address; parts that are not named may be anything.

        Raises
        ------
        ReportError
            Where no row has the address, or more than one.
        """
        found = self._narrow(analysis, statistic, address)
        if len(found) != 1:
            raise ReportError(
                "no result has this address" if not found else "several results have this address",
                expected="exactly one row",
                got=f"{len(found)} rows",
                where=_describe({"analysis": analysis, "statistic": statistic, **address}),
            )
        return found[0].value

    def get(self, analysis: str, statistic: str, **address: str) -> Number:
        """Return the one value with this address, or None where there is none."""
        found = self._narrow(analysis, statistic, address)
        return found[0].value if len(found) == 1 else None

    def number(self, analysis: str, statistic: str, **address: str) -> float:
        """Return the one value with this address as a float; NaN stands for "not estimable"."""
        value = self.value(analysis, statistic, **address)
        return math.nan if value is None else float(value)

    def has(self, analysis: str, statistic: str, **address: str) -> bool:
        """Whether some row has this address."""
        return bool(self._narrow(analysis, statistic, address))

    def _narrow(self, analysis: str, statistic: str, address: Mapping[str, str]) -> tuple[Result, ...]:
        found = self.select(analysis=analysis, statistic=statistic, **address)
        if len(found) <= 1:
            return found
        # The plain row is meant (fewest parts filled) where rows about parts of it stand beside it.
        filled = [sum(name not in address and bool(getattr(row, name)) for name in ADDRESS) for row in found]
        plain = tuple(row for row, count in zip(found, filled, strict=True) if count == min(filled))
        return plain if len(plain) == 1 else found

    def distinct(self, part: str, **address: str) -> tuple[str, ...]:
        """Return the different values of one part of the address among the selected rows, in their order."""
        return tuple(dict.fromkeys(getattr(row, part) for row in self.select(**address)))

    def said(self, analysis: str, kind: str, subject: str | None = None) -> tuple[str, ...]:
        """Return the statements of a kind about an analysis (and a subject)."""
        return tuple(
            one.text
            for one in self._statements
            if one.analysis == analysis and one.kind == kind and (subject is None or one.subject == subject)
        )

    def text(self, analysis: str, kind: str, subject: str | None = None) -> str:
        """Return the first statement of a kind about an analysis, or an empty string."""
        return next(iter(self.said(analysis, kind, subject)), "")

    def frame(self, **address: str) -> pd.DataFrame:
        """Return the selected rows as a data frame, a column for each field of `Result`."""
        rows = self.select(**address) if address else self._rows
        return pd.DataFrame([[getattr(row, name) for name in COLUMNS] for row in rows], columns=list(COLUMNS))

    def wide(self, statistics: Iterable[str], **address: str) -> pd.DataFrame:
        """Return one row an address and one column a statistic, in the order of the addresses."""
        names = tuple(statistics)
        keys = ADDRESS[:-1]
        cells: dict[tuple[str, ...], dict[str, Number]] = {}
        for row in self.select(**address):
            if row.statistic in names:
                cells.setdefault(row.address[:-1], {})[row.statistic] = row.value
        records = [
            {
                **dict(zip(keys, key, strict=True)),
                **{name: _missing_as_nan(found.get(name)) for name in names},
            }
            for key, found in cells.items()
        ]
        return pd.DataFrame(records, columns=[*keys, *names])

    def to_dict(self) -> dict[str, Any]:
        """Return plain lists and dicts; infinities are "Inf" and "-Inf", "not estimable" is None."""
        return {
            "schema": SCHEMA,
            "trial": self._trial,
            "software": self._software,
            "results": [
                {
                    name: _encode(getattr(row, name)) if name == "value" else getattr(row, name)
                    for name in COLUMNS
                }
                for row in self._rows
            ],
            "statements": [
                {field.name: getattr(one, field.name) for field in fields(Statement)}
                for one in self._statements
            ],
        }

    def to_json(self) -> str:
        """Return JSON with one line a number, so that two versions can be compared line by line."""
        content = self.to_dict()
        head = [f"{_json(key)}: {_json(content[key])}" for key in ("schema", "trial", "software")]
        lists = [
            f"{_json(key)}: [\n" + ",\n".join(_json(row) for row in content[key]) + "\n]"
            for key in ("results", "statements")
        ]
        return "{\n" + ",\n".join([*head, *lists]) + "\n}\n"

    @classmethod
    def from_json(cls, text: str, where: str = "results.json") -> Results:
        """Read what `to_json` wrote.

        Raises
        ------
        ReportError
            Where the text is not such a file.
        """
        try:
            content = json.loads(text)
            if content["schema"] != SCHEMA:
                raise ReportError("another kind of file", expected=SCHEMA, got=content["schema"], where=where)
            rows = [Result(**{**row, "value": _decode(row["value"])}) for row in content["results"]]
            statements = [Statement(**one) for one in content["statements"]]
            return cls(rows, statements, content["trial"], content["software"])
        except (json.JSONDecodeError, KeyError, TypeError, ValueError) as error:
            raise ReportError(
                "these are not analysis results",
                expected=f"JSON of schema {SCHEMA}",
                got=str(error),
                where=where,
                hint="rebuild the file with `tandem report`",
            ) from error

    def write(self, path: Path) -> None:
        """Write `to_json` to a file (UTF-8, line feeds on every system)."""
        path.write_bytes(self.to_json().encode())

    @classmethod
    def read(cls, path: str | Path) -> Results:
        """Read a file that `write` wrote."""
        source = Path(path)
        return cls.from_json(source.read_text(encoding="utf-8"), where=source.name)


class ResultsBuilder:
    """Collects numbers and words while a trial is analysed; `scope` sets a part of the address."""

    __slots__ = ("_address", "_rows", "_statements")

    def __init__(self, **address: str) -> None:
        self._address = address
        self._rows: list[Result] = []
        self._statements: list[Statement] = []

    def scope(self, **address: str) -> ResultsBuilder:
        """Return a builder that writes to the same lists, with these parts of the address given."""
        scoped = ResultsBuilder(**{**self._address, **address})
        scoped._rows = self._rows
        scoped._statements = self._statements
        return scoped

    def add(self, statistic: str, value: Any, **address: str) -> None:
        """Add one number, kept to ten significant digits; NaN and None mean "not estimable"."""
        self._rows.append(Result(**{**self._address, **address}, statistic=statistic, value=_clean(value)))

    def add_all(self, values: Mapping[str, Any], **address: str) -> None:
        """Add several statistics of one address."""
        for statistic, value in values.items():
            self.add(statistic, value, **address)

    def say(self, kind: str, text: str, subject: str = "") -> None:
        """Add one statement about the analysis that is set."""
        self._statements.append(
            Statement(analysis=self._address["analysis"], kind=kind, subject=subject, text=text)
        )

    def build(self, trial: Mapping[str, str], software: Mapping[str, str]) -> Results:
        """Return what was collected, frozen."""
        return Results(self._rows, self._statements, trial, software)


def _clean(value: Any) -> Number:
    if value is None or value is pd.NA:
        return None
    if isinstance(value, bool):
        return int(value)
    number = value.item() if hasattr(value, "item") else value
    if isinstance(number, int):
        return int(number)
    number = float(number)
    return None if math.isnan(number) else significant(number)


def _encode(value: Number) -> Number | str:
    if isinstance(value, float) and math.isinf(value):
        return "Inf" if value > 0 else "-Inf"
    return value


def _decode(value: Any) -> Number:
    if isinstance(value, str):
        return {"Inf": math.inf, "-Inf": -math.inf}[value]
    if value is None or isinstance(value, int | float):
        return value
    raise TypeError(f"a value must be a number, not {type(value).__name__}")


def _missing_as_nan(value: Number) -> float:
    return math.nan if value is None else value


def _json(content: Any) -> str:
    return json.dumps(content, ensure_ascii=False, allow_nan=False)


def _describe(address: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {part!r}" for name, part in address.items() if part)
