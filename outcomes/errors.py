"""One tree of errors: each says what was expected, what was got, where, and how to mend it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from outcomes.plural import counted

__all__ = [
    "ConvergenceError",
    "Defect",
    "DesignError",
    "FormulaError",
    "ModelError",
    "NotEstimableError",
    "ProtocolError",
    "RebuildError",
    "ReportError",
    "ScenarioError",
    "ScoringError",
    "TandemError",
    "TrialDataError",
]


class TandemError(Exception):
    """The root of every error that tandem raises on purpose.

    Parameters
    ----------
    message : str
        What is wrong, in one sentence.
    expected, got : object, optional
        What was expected and what was found instead; anything but a string is shown by its ``repr``.
    where : str, optional
        The place: a file, a key of the protocol, a term of a formula.
    hint : str, optional
        How to mend it.
    """

    def __init__(
        self,
        message: str,
        *,
        expected: object = None,
        got: object = None,
        where: str | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.expected = expected
        self.got = got
        self.where = where
        self.hint = hint

    def lines(self) -> tuple[str, ...]:
        """Return the error as the lines that a person reads, the sentence first."""
        facts = (("where", self.where), ("expected", self.expected), ("got", self.got), ("hint", self.hint))
        return (
            self.message,
            *(f"  {name + ':':<10}{_shown(value)}" for name, value in facts if value is not None),
        )

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def __reduce__(self) -> tuple[object, ...]:
        # Exceptions pickle by their positional arguments; the keyword facts must survive joblib's processes.
        return (_rebuild, (type(self), self.__dict__.copy()))


class ProtocolError(TandemError):
    """The protocol (trial.toml) contradicts itself or its shape; all such problems are listed at once.

    Parameters
    ----------
    message : str
        What is wrong.
    problems : iterable of str
        One line a problem, each naming its key.
    expected, got, where, hint
        As in `TandemError`.
    """

    def __init__(
        self,
        message: str,
        *,
        problems: Iterable[str] = (),
        expected: object = None,
        got: object = None,
        where: str | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message, expected=expected, got=got, where=where, hint=hint)
        self.problems = tuple(problems)

    def lines(self) -> tuple[str, ...]:
        """Return the sentence, its facts, then one line a problem."""
        return (*super().lines(), *(f"  - {problem}" for problem in self.problems))


@dataclass(frozen=True, slots=True)
class Defect:
    """One thing wrong in a trial's files.

    Attributes
    ----------
    file : str
        The file, never truncated.
    row : int or None
        The row as a spreadsheet or text editor numbers it (the header is row 1); None where no row is meant.
    column : str or None
        The column as the file itself calls it.
    value : str or None
        The offending value, as it stands in the file.
    expected : str
        What would have been right.
    hint : str
        How to mend it.
    problem : str
        What is wrong, in a few words.
    """

    file: str
    row: int | None
    column: str | None
    value: str | None
    expected: str
    hint: str
    problem: str

    def __str__(self) -> str:
        place = self.file
        if self.row is not None:
            place += f", row {self.row}"
        if self.column is not None:
            place += f", column {self.column}"
        got = "" if self.value is None else f"; got {self.value!r}"
        hint = f". {self.hint}" if self.hint else ""
        return f"{place}: {self.problem}{got}; expected {self.expected}{hint}"


class TrialDataError(TandemError):
    """A trial's files have defects; `defects` holds all of them, and the text groups those that are alike.

    Parameters
    ----------
    defects : iterable of Defect
        Every defect found, in the order of files and rows.
    """

    def __init__(self, defects: Iterable[Defect]) -> None:
        self.defects = tuple(defects)
        count = len(self.defects)
        super().__init__(f"The trial's data have {counted(count, 'defect')}.")

    def lines(self) -> tuple[str, ...]:
        """Return the count, then the defects, numbered.

        Defects of files and of whole columns come first, for they may be the cause of others; then those of rows,
        the rarest kind first, so that one duplicate is not lost among a hundred decimal commas. Of a kind (the
        same problem in the same column of a file) the first three are written out, and the rows of the others
        are named.
        """
        width = len(str(len(self.defects)))
        written, number = [self.message], 0
        for group in _by_kind(self.defects):
            shown, rest = group[:_WRITTEN_OUT], group[_WRITTEN_OUT:]
            written += [f"  {number + k:>{width}}. {defect}" for k, defect in enumerate(shown, start=1)]
            number += len(group)
            if rest:
                written.append(f"  {'':>{width}}  {_more_rows(rest)}")
        return tuple(written)


_HEADER_ROW = 1
_WRITTEN_OUT = 3  # defects of a kind that are written out
_ROWS_NAMED = 20  # of the others, the rows that are named
_PARTICULARS = re.compile(r"'[^']*'|\"[^\"]*\"|\d+(?:\.\d+)?")


def _by_kind(defects: Iterable[Defect]) -> list[list[Defect]]:
    """Return the defects of each kind: those of files and columns one by one, then of rows, the rarest first.

    Names and numbers within a problem ("'007' stands in row 3 already") do not make it another one.
    """
    whole: list[list[Defect]] = []
    of_rows: dict[tuple[str, str | None, str], list[Defect]] = {}
    for defect in defects:
        if defect.row is None or defect.row <= _HEADER_ROW:
            whole.append([defect])
        else:
            kind = (defect.file, defect.column, _PARTICULARS.sub("", defect.problem))
            of_rows.setdefault(kind, []).append(defect)
    return [*whole, *sorted(of_rows.values(), key=len)]


def _more_rows(defects: list[Defect]) -> str:
    """Return e.g. "and 102 more rows of assessments.csv: 5, 6, 7, ..."."""
    rows = list(dict.fromkeys(str(defect.row) for defect in defects))
    listed = ", ".join([*rows[:_ROWS_NAMED], *(["..."] if len(rows) > _ROWS_NAMED else [])])
    column = "" if defects[0].column is None else f", column {defects[0].column}"
    return f"and {counted(len(rows), 'more row')} of {defects[0].file}{column}: {listed}"


class ScoringError(TandemError):
    """An instrument's items cannot be scored."""


class FormulaError(TandemError):
    """A model formula cannot be read."""


class ModelError(TandemError):
    """A model cannot be fitted."""


class ConvergenceError(ModelError):
    """A model's optimisation did not converge, and the caller asked for an error.

    Parameters
    ----------
    message : str
        What did not converge.
    steps : iterable of str
        Where simpler models were tried in its place: one line a model, with why it was left.
    expected, got, where, hint
        As in `TandemError`.
    """

    def __init__(
        self,
        message: str,
        *,
        steps: Iterable[str] = (),
        expected: object = None,
        got: object = None,
        where: str | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message, expected=expected, got=got, where=where, hint=hint)
        self.steps = tuple(steps)

    def lines(self) -> tuple[str, ...]:
        """Return the sentence, its facts, then one line a model that was tried."""
        return (*super().lines(), *(f"  {at}. {step}" for at, step in enumerate(self.steps, start=1)))


class NotEstimableError(TandemError):
    """A quantity is not estimable from these data."""


class DesignError(TandemError):
    """A method that the design forbids, such as an independent-data test on within-patient data."""


class ScenarioError(TandemError):
    """A synthetic scenario contradicts itself or its shape."""


class ReportError(TandemError):
    """A report cannot be rendered or its directory cannot be written."""


class RebuildError(ReportError):
    """A report cannot be built again without being told more: where its trial is, or how it was made."""


def _shown(value: object) -> str:
    return value if isinstance(value, str) else repr(value)


def _rebuild(kind: type[TandemError], facts: dict[str, object]) -> TandemError:
    error = kind.__new__(kind)
    Exception.__init__(error, facts["message"])
    error.__dict__.update(facts)
    return error
