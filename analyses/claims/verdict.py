"""The answer to "does the combination do more than its parts?", as frozen values without any arithmetic."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from math import isfinite, nan
from typing import Literal

import pandas as pd

from outcomes.errors import ModelError

__all__ = ["TABLE_COLUMNS", "Comparison", "Rules", "Scale", "Verdict", "VerdictRow", "not_estimable"]

TABLE_COLUMNS = (
    "question",
    "contrast",
    "estimate",
    "std_error",
    "df",
    "statistic",
    "p_value",
    "conf_low",
    "conf_high",
    "answer",
)
"""Columns of `Verdict.table`, in order."""

RowKind = Literal[
    "part",
    "contribution",
    "min_test",
    "highest_single_agent",
    "interaction",
    "interaction_log_residual",
    "interaction_response",
    "bliss",
    "bliss_excess",
    "control",
]
"""What a row asks; `VerdictRow.kind`."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """One measured contrast, oriented so that a larger estimate is a larger benefit.

    Attributes
    ----------
    estimate : float
        The contrast, in the unit of its `Scale`; NaN where it is not estimable.
    std_error, df, statistic : float
        NaN where the method has none (Fisher's exact test); `df` is infinite for a normal reference.
    p_value : float
        Two-sided p.
    p_benefit : float
        One-sided p against "no benefit": small where the combination does better.
    limits : callable
        ``limits(tail)`` returns the lower and the upper confidence limit that each leave `tail` outside.
    reason : str
        Why there is no number, or no test; the answer of its row. Empty where there are both.
    """

    estimate: float
    std_error: float
    df: float
    statistic: float
    p_value: float
    p_benefit: float
    limits: Callable[[float], tuple[float, float]]
    reason: str = ""

    @property
    def estimable(self) -> bool:
        """Whether the contrast has a number at all."""
        return isfinite(self.estimate)

    @property
    def testable(self) -> bool:
        """Whether the contrast has a number and a test; without spread it may have the first alone."""
        return self.estimable and isfinite(self.p_benefit)


def not_estimable(reason: str = "") -> Comparison:
    """Return the `Comparison` of arms that the data cannot compare, with the reason as its answer."""
    return Comparison(nan, nan, nan, nan, nan, nan, lambda tail: (nan, nan), reason)


@dataclass(frozen=True, slots=True)
class Scale:
    """How the numbers of a verdict are to be read and written.

    Attributes
    ----------
    name : str
        The scale in words, such as "difference of means" or "probability of superiority".
    noun : str
        What a sentence calls one estimate, such as "difference".
    null : float
        The value of no benefit: 0 for differences, one half for a probability of superiority.
    unit : str
        Written after a number, such as "points"; may be empty.
    show : {"number", "percentage points", "probability", "odds ratio", "ratio"}
        How a sentence writes the numbers; an odds ratio and a ratio are held as logarithms. The table always holds
        the numbers as they are.
    """

    name: str
    noun: str = "difference"
    null: float = 0.0
    unit: str = ""
    show: Literal["number", "percentage points", "probability", "odds ratio", "ratio"] = "number"


@dataclass(frozen=True, slots=True)
class Rules:
    """What was fixed before looking: error rate, its sides, the margin, and how units were allocated.

    Attributes
    ----------
    alpha : float
        Error rate, two-sided where `sided` is 2 and one-sided where it is 1.
    sided : {1, 2}
        Sides of the tests. Intervals are two-sided always: at 1 - alpha, or 1 - 2 alpha for one-sided tests.
    margin : float or None
        Smallest difference that matters, on the contrast's own scale; positive.
    margin_source : str or None
        Where the margin comes from.
    allocation : str or None
        How lesions or patients were allocated; without it no causal sentence is offered.

    Raises
    ------
    ModelError
        Where alpha, sides or margin are out of range.
    """

    alpha: float = 0.05
    sided: int = 2
    margin: float | None = None
    margin_source: str | None = None
    allocation: str | None = None

    def __post_init__(self) -> None:
        if self.sided not in (1, 2):
            raise ModelError(
                "tests are one-sided or two-sided", expected="sided=1 or sided=2", got=self.sided
            )
        if not 0 < self.alpha < 0.5:
            raise ModelError("alpha is out of range", expected="between 0 and 0.5", got=self.alpha)
        if self.margin is not None and not (isfinite(self.margin) and self.margin > 0):
            raise ModelError(
                "the margin must be a positive number",
                expected="the smallest benefit that matters, in the outcome's unit, whatever its direction",
                got=self.margin,
            )

    @property
    def tail(self) -> float:
        """One-sided error rate: what one confidence limit leaves outside."""
        return self.alpha / 2 if self.sided == 2 else self.alpha

    @property
    def level(self) -> float:
        """Confidence level of the two-sided intervals."""
        return 1 - 2 * self.tail


@dataclass(frozen=True, slots=True)
class VerdictRow:
    """One question and its answer.

    Attributes
    ----------
    kind : str
        What is asked, one of `RowKind`, for programs that must not parse `question`.
    combination : str
        Label of the combination arm that the row is about.
    reference : str
        Label of the arm compared with (``part``, ``control``), the component (``contribution``), the pair of
        components (``interaction``), or empty.
    question, contrast, answer : str
        The question, the contrast with its direction, and the answer in words.
    estimate, std_error, df, statistic, p_value, conf_low, conf_high : float
        NaN where the row has no such number.
    p_adjusted : float
        Holm-adjusted p: over all parts for a claim about a single part, over the combinations for a min test.
    null : float
        The value of no benefit on the row's scale.
    background : str
        For an interaction, label of the treated arm on whose background it stands; empty where that arm received
        nothing.
    scale : Scale or None
        The row's own scale, where it is another than the verdict's.
    """

    kind: RowKind
    combination: str
    reference: str
    question: str
    contrast: str
    answer: str
    estimate: float = nan
    std_error: float = nan
    df: float = nan
    statistic: float = nan
    p_value: float = nan
    conf_low: float = nan
    conf_high: float = nan
    p_adjusted: float = nan
    null: float = 0.0
    background: str = ""
    scale: Scale | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the combination adds, question by question, and what may and may not be said.

    Attributes
    ----------
    rows : tuple of VerdictRow
        Every question, in the order of the table.
    combination : str
        The combination of primary interest: the first arm of the protocol whose parts were all studied,
        or, where there is none, the first combination.
    combinations : tuple of str
        All combinations, in the order of the protocol.
    may_claim, may_not_claim : str
        One sentence each.
    footnotes : tuple of str
        What a reader of the table must know.
    method : str
        The method behind the numbers, in a sentence.
    scale : Scale
        How the numbers are to be read.
    rules : Rules
        Error rate, margin and allocation that the answers rest on.
    supplement : DataFrame
        Further numbers of each comparison (win, tie, loss, exact p, group sizes); empty for model contrasts.
    bliss_curve : DataFrame or None
        Bliss excess over assumed control responses, where no arm gave one (responders only).
    """

    rows: tuple[VerdictRow, ...]
    combination: str
    combinations: tuple[str, ...]
    may_claim: str
    may_not_claim: str
    footnotes: tuple[str, ...]
    method: str
    scale: Scale
    rules: Rules
    supplement: pd.DataFrame = field(default_factory=pd.DataFrame, compare=False)
    bliss_curve: pd.DataFrame | None = field(default=None, compare=False)

    @property
    def claims(self) -> bool:
        """Whether `may_claim` states that anything was shown, rather than that nothing was."""
        from analyses.claims.verdict_sentences import anything_shown  # which is made of this module's rows

        return anything_shown(self.rows, self.scale, self.rules)

    @property
    def table(self) -> pd.DataFrame:
        """A row a question with `TABLE_COLUMNS`; contrasts are oriented so that positive is benefit.

        Where rows stand on several scales, a column ``scale`` names each row's.
        """
        records = [[getattr(row, name) for name in TABLE_COLUMNS] for row in self.rows]
        table = pd.DataFrame(records, columns=list(TABLE_COLUMNS))
        if any(row.scale is not None for row in self.rows):
            table["scale"] = [(row.scale or self.scale).name for row in self.rows]
        return table

    def rows_of(self, kind: RowKind, combination: str | None = None) -> tuple[VerdictRow, ...]:
        """Return the rows that ask one kind of question, for one combination or for all."""
        return tuple(
            row
            for row in self.rows
            if row.kind == kind and (combination is None or row.combination == combination)
        )

    def __repr__(self) -> str:
        return str(self)

    def __str__(self) -> str:
        shown = ("question", "estimate", "conf_low", "conf_high", "p_value", "answer")
        table = self.table[list(shown)].to_string(index=False, na_rep="")
        return f"Verdict on {self.combination}: {self.may_claim}\n{table}"

    def _repr_html_(self) -> str:
        from analyses.display.html_views import verdict_html

        return verdict_html(self)
