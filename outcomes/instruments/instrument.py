"""What an outcome instrument is: its items, range, direction, thresholds and source, as frozen data.

An instrument says nothing about a trial. It knows how a score is built and what the score can be; which
visit, which comparison and which cut-off matter is the protocol's business.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

Level = Literal["patient", "lesion"]
Kind = Literal["continuous", "ordinal", "nominal"]
Operator = Literal["above", "at_least", "below", "at_most"]
Derivation = Literal["value", "change", "percent-change"]
MissingRuleName = Literal["none", "dlqi", "half-mean"]
Combination = Literal["sum", "sum-of-products", "percent-reduction", "absolute-difference", "dlqi-r"]

NO_BASELINE = 'There is no value before treatment: write baseline = "none" for the endpoint.'
_GRID_TOLERANCE = 1e-9  # decimal grids such as 0.05 are not exact in binary; far below any instrument's step


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One question, sign or measurement of an instrument.

    Attributes
    ----------
    name
        The column that holds it, in lower case with underscores.
    label
        What is rated, in words, with the anchors of the scale where they are known.
    minimum, maximum
        Inclusive bounds; ``-inf``/``inf`` where there is none.
    step
        Distance between allowed values, counted from ``minimum``; None where any value in the bounds is
        allowed.
    values
        The allowed values where they are not evenly spaced (VASI's residual depigmentation); else None.
    weight
        The factor of the item in a weighted sum.
    scored
        False where the item is recorded beside the total and is no part of it (POSAS overall opinion). Such
        an item may be absent.
    count_limits
        Where the item is the category of a count: the largest count of each category but the last, so that
        ``(0, 4, 20)`` reads 0 none, 1 one to 4, 2 five to 20, 3 more. See `categories_from_counts`.
    """

    name: str
    label: str
    minimum: float
    maximum: float
    step: float | None = 1.0
    values: tuple[float, ...] | None = None
    weight: float = 1.0
    scored: bool = True
    count_limits: tuple[int, ...] | None = None

    def allows(self, value: float) -> bool:
        """Whether a value is finite, in the bounds and on the grid; False for NaN."""
        if not (math.isfinite(value) and self.minimum <= value <= self.maximum):
            return False
        if self.values is not None:
            return any(abs(value - allowed) <= _GRID_TOLERANCE for allowed in self.values)
        if self.step is None:
            return True
        steps = (value - self.minimum) / self.step
        return abs(steps - round(steps)) <= _GRID_TOLERANCE * max(1.0, abs(steps))

    def expected(self) -> str:
        """The allowed values in words, e.g. ``"1 to 10 in steps of 1"``."""
        if self.values is not None:
            return "one of " + ", ".join(f"{value:g}" for value in self.values)
        bounds = describe_range(self.minimum, self.maximum)
        return bounds if self.step is None else f"{bounds} in steps of {self.step:g}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponderThreshold:
    """A cut-off at which publications call a patient or a lesion a responder.

    Attributes
    ----------
    name
        Its usual name, e.g. ``"VASI50"``.
    derive
        What is compared: the value itself, its change, or its percent change from baseline (negative is a
        decrease).
    op, value
        The comparison, e.g. ``"at_most", -50`` for a percent change of VASI.
    source
        Where the cut-off is used.
    """

    name: str
    derive: Derivation
    op: Operator
    value: float
    source: str

    def describe(self) -> str:
        """The rule in words, e.g. ``"VASI50: percent change from baseline at most −50"``."""
        what = {
            "value": "value",
            "change": "change from baseline",
            "percent-change": "percent change from baseline",
        }
        return f"{self.name}: {what[self.derive]} {self.op.replace('_', ' ')} {number(self.value)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """A named range of the total, both ends included."""

    low: float
    high: float
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MinimalImportantDifference:
    """The smallest difference of the total that patients find important, always positive.

    Attributes
    ----------
    value
        In the unit of the total. Where a range was published, its larger end, so that a difference that
        reaches it is important by every published estimate.
    low, high
        The published range or confidence interval; None where only one number was published.
    detail
        What was measured, in whom, and any arithmetic done here.
    source
        Citation.
    verified
        False where the number was recalled and not read in the source.
    """

    value: float
    low: float | None = None
    high: float | None = None
    detail: str
    source: str
    verified: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingRule:
    """What the instrument's authors say about missing items; `score` follows it only when asked.

    Attributes
    ----------
    name
        ``"none"`` (nothing published), ``"dlqi"`` (one unanswered item counts 0, more give no score) or
        ``"half-mean"`` (the mean of the answered items replaces the others where at least half were
        answered).
    text
        The rule in words.
    source
        Citation; empty for ``"none"``.
    verified
        False where the rule was recalled and not read in the source.
    """

    name: MissingRuleName = "none"
    text: str = "None published: a total with any missing item is missing."
    source: str = ""
    verified: bool = True

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrument:
    """An outcome instrument, in one variant and one version.

    Attributes
    ----------
    name
        The key in a protocol and in `score`, e.g. ``"vss-nedelec"``.
    title
        The name in print.
    family
        The variants that must not be mixed share it, e.g. ``"Vancouver Scar Scale"``.
    condition
        ``"vitiligo"``, ``"scar"``, ``"striae"`` or ``"any"``.
    level
        Whether one score describes a patient or a lesion (a scar, a patch, a side of the face).
    variant, version
        Which of the published forms this is; empty where there is one.
    items
        What is rated; for an instrument that is recorded as one number, that one item.
    combine
        How the items make the total: see `outcomes.instruments.scoring`.
    formula
        The same in words.
    minimum, maximum
        Range of the total; infinite where it has no bound, NaN for a nominal instrument.
    step
        Grid of the total of one rating (means of raters fall between); None where it is continuous.
    higher_is_better
        Direction of the total. None where it has none (nominal) or where it depends on the condition (a
        melanin index): the protocol must then say.
    unit
        Unit of the total.
    kind
        ``"continuous"``, ``"ordinal"`` or ``"nominal"``; sums of ordinal items are called continuous, as
        usual.
    grades
        Labels of an ordinal or nominal instrument's levels, lowest first; None for a continuous one.
    thresholds
        Responder cut-offs in use.
    minimal_important_difference
        None where none is known.
    bands
        Named ranges of the total (DLQI: "small effect" is 2 to 5).
    missing_rule
        See `MissingRule`.
    baseline_by_definition
        The value before treatment where the instrument fixes it (0 for percent repigmentation); else None.
    source
        Citation.
    verified
        True where items, formula, range and direction were read in a source, or follow from it by arithmetic.
        False where any of these was recalled or assumed: check it against the original before relying on it.
    tag
        ``V`` read in a source, ``D`` derived from it by arithmetic, ``R`` recalled, ``A`` assumed; several
        where parts differ.
    recalled
        Which parts carry R or A, in words; empty where all is verified.
    notes
        Cautions for the reader.
    """

    name: str
    title: str
    family: str
    condition: str
    level: Level
    items: tuple[Item, ...]
    formula: str
    minimum: float
    maximum: float
    step: float | None
    higher_is_better: bool | None
    unit: str
    kind: Kind
    source: str
    verified: bool
    tag: str
    combine: Combination = "sum"
    variant: str = ""
    version: str = ""
    grades: tuple[str, ...] | None = None
    thresholds: tuple[ResponderThreshold, ...] = ()
    minimal_important_difference: MinimalImportantDifference | None = None
    bands: tuple[Band, ...] = ()
    missing_rule: MissingRule = field(default_factory=MissingRule)
    baseline_by_definition: float | None = None
    recalled: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def scored_items(self) -> tuple[Item, ...]:
        """The items that enter the total."""
        return tuple(item for item in self.items if item.scored)

    def item(self, name: str) -> Item:
        """The item of that name.

        Raises
        ------
        KeyError
            Where the instrument has no such item.
        """
        for item in self.items:
            if item.name == name:
                return item
        raise KeyError(name)

    def explain(self) -> str:
        """The instrument in plain text for a clinician: what is rated, how it adds up, how sure that is."""
        from outcomes.instruments.explain import explain

        return explain(self)


def number(value: float) -> str:
    """A number for people: no trailing zeros, and a real minus sign."""
    return f"{value:g}".replace("-", "−")


def describe_range(minimum: float, maximum: float) -> str:
    """An inclusive range in words, e.g. ``"0 to 100"``, ``"at most 100"``, ``"any value"``."""
    if math.isinf(minimum) and math.isinf(maximum):
        return "any value"
    if math.isinf(minimum):
        return f"at most {number(maximum)}"
    if math.isinf(maximum):
        return f"at least {number(minimum)}"
    return f"{number(minimum)} to {number(maximum)}"
