"""One tree of errors: each says what was expected, what was got, where, and how to mend it."""

from __future__ import annotations

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
    """A trial's files have defects; all of them are listed.

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
        """Return the count, then one numbered line a defect."""
        width = len(str(len(self.defects)))
        numbered = (f"  {number:>{width}}. {defect}" for number, defect in enumerate(self.defects, start=1))
        return (self.message, *numbered)


class ScoringError(TandemError):
    """An instrument's items cannot be scored."""


class FormulaError(TandemError):
    """A model formula cannot be read."""


class ModelError(TandemError):
    """A model cannot be fitted."""


class ConvergenceError(ModelError):
    """A model's optimisation did not converge, and the caller asked for an error."""


class NotEstimableError(TandemError):
    """A quantity is not estimable from these data."""


class DesignError(TandemError):
    """A method that the design forbids, such as an independent-data test on within-patient data."""


class ScenarioError(TandemError):
    """A synthetic scenario contradicts itself or its shape."""


class ReportError(TandemError):
    """A report cannot be rendered or its directory cannot be written."""


def _shown(value: object) -> str:
    return value if isinstance(value, str) else repr(value)


def _rebuild(kind: type[TandemError], facts: dict[str, object]) -> TandemError:
    error = kind.__new__(kind)
    Exception.__init__(error, facts["message"])
    error.__dict__.update(facts)
    return error
