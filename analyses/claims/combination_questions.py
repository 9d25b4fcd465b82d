"""The combination questions, asked alike of means, grades and responders.

A method (a mixed model, ranks, proportions) only has to say how one arm compares with another. What is then
asked, in which order, with which error rate, and what may be answered is the same for all and stands here.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from math import isfinite, nan
from typing import TypeVar

from analyses.claims import verdict_words as words
from analyses.claims.verdict import Comparison, RowKind, Rules, Scale, VerdictRow
from analyses.multiplicity import adjust_p_values
from outcomes.arms import Arms, FactorialSquare
from outcomes.errors import DesignError

__all__ = ["Evidence", "InteractionQuestion", "answer_questions", "studied_arms"]

Key = TypeVar("Key", bound=Hashable)

MORE_THAN_ADDITIVE = "more than additive"
LESS_THAN_ADDITIVE = "less than additive"
IMPOSSIBLE = "additivity is impossible on this scale"


@dataclass(frozen=True, slots=True)
class InteractionQuestion:
    """One way to ask whether a combination does more than its parts add up to.

    Attributes
    ----------
    kind : str
        ``interaction``, ``interaction_log_residual``, ``interaction_response``, ``bliss`` or ``bliss_excess``.
    question, contrast : str
        For the table.
    comparison : Comparison or None
        Positive where the combination does more than expected; None where it has no number.
    reason : str
        Why there is no number, or a remark that joins the answer.
    more, less : str
        Words for an interval above and below zero.
    scale : Scale or None
        Its own scale, where it is another than that of the comparisons.
    """

    kind: RowKind
    question: str
    contrast: str
    comparison: Comparison | None
    reason: str = ""
    more: str = MORE_THAN_ADDITIVE
    less: str = LESS_THAN_ADDITIVE
    scale: Scale | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a method knows of the arms.

    Attributes
    ----------
    compare : callable
        ``compare(combination, reference)`` returns their `Comparison`, positive being benefit.
    interactions : callable
        ``interactions(square)`` returns the questions that four arms of a factorial square can answer.
    interaction_kinds : sequence of (kind, question)
        The questions that are "not estimable" where no such square was studied.
    higher_is_better : bool
        The direction of the outcome itself, for the contrasts' names.
    scale : Scale
        How the numbers are to be read.
    name : callable, optional
        ``name(combination, reference)`` names a comparison; by default the difference towards benefit.
    unit : str
        Who is assessed in an arm, ``patient`` or ``lesion``: for arms that nobody was assessed in.
    """

    compare: Callable[[str, str], Comparison]
    interactions: Callable[[FactorialSquare], Sequence[InteractionQuestion]]
    interaction_kinds: Sequence[tuple[RowKind, str]]
    higher_is_better: bool
    scale: Scale
    name: Callable[[str, str], str] | None = None
    unit: str = "patient"

    def contrast(self, label: str, reference: str) -> str:
        """Name the comparison of a combination with another arm."""
        if self.name is not None:
            return self.name(label, reference)
        return words.contrast_name(label, reference, self.higher_is_better)


def studied_arms(arms: Mapping[str, Iterable[str]], present: Iterable[str]) -> tuple[Arms, tuple[str, ...]]:
    """Restrict the arms to those with data.

    Parameters
    ----------
    arms : mapping
        Label -> components, in the protocol's order.
    present : iterable of str
        Labels that the data or the model hold.

    Returns
    -------
    tuple
        The arms with data, and the labels of those without.

    Raises
    ------
    DesignError
        Where a label of the data is not among the arms, or no arm with data combines two components.
    """
    whole = arms if isinstance(arms, Arms) else Arms(arms)
    seen = list(dict.fromkeys(str(label) for label in present))
    unknown = [label for label in seen if label not in whole]
    if unknown:
        raise DesignError(
            "the data hold an arm that the arms do not name",
            expected=", ".join(whole),
            got=", ".join(unknown),
            hint="name its components in the arms, or leave its rows out",
        )
    kept = Arms(
        {label: whole.ordered_components(label) for label in whole if label in seen}, whole.components
    )
    if not kept.combinations:
        raise DesignError(
            "no arm with data combines two components",
            expected="an arm of at least two components, such as {'laser', 'prp'}",
            got={label: sorted(parts) for label, parts in kept.items()},
            hint="check the components of the arms, and that the combination's rows are among those analysed",
        )
    return kept, tuple(label for label in whole if label not in seen)


def primary_combination(arms: Arms) -> str:
    """Return the combination of primary interest: the first whose parts were all studied, else the first."""
    assessable = [label for label in arms.combinations if not arms.missing_parts(label)]
    return (assessable or list(arms.combinations))[0]


@dataclass(frozen=True, slots=True)
class _Case:
    """One combination with all that its questions need."""

    label: str
    arms: Arms
    evidence: Evidence
    rules: Rules
    compared: Mapping[str, Comparison]
    planned: Arms

    @property
    def missing(self) -> tuple[str, ...]:
        return self.arms.missing_parts(self.label)

    @property
    def estimable(self) -> bool:
        return all(comparison.estimable for comparison in self.compared.values())

    @property
    def why_not_testable(self) -> str:
        """What stands in the way of the min test: the reason that all parts share, else the first part's."""
        reasons = {part: one.reason for part, one in self.compared.items() if not one.testable and one.reason}
        if not reasons:
            return words.NOT_ESTIMABLE
        part, reason = next(iter(reasons.items()))
        if [*reasons.values()] != [reason] * len(self.compared):
            return f"not assessable: against {part}, {reason}"
        return reason if reason.startswith("not ") else f"not assessable: {reason}"

    @property
    def binding(self) -> str:
        """The part that the combination beats least surely."""
        return max(self.compared, key=lambda part: self.compared[part].p_benefit)

    @property
    def nearest(self) -> str:
        """The part that the combination beats by least."""
        return min(self.compared, key=lambda part: self.compared[part].estimate)


def answer_questions(
    arms: Arms, evidence: Evidence, rules: Rules, planned: Mapping[str, Iterable[str]] | None = None
) -> tuple[VerdictRow, ...]:
    """Ask every combination question of every combination.

    Parameters
    ----------
    arms : Arms
        Arms with data, at least one of them a combination.
    evidence : Evidence
        How arms compare.
    rules : Rules
        Error rate and margin.
    planned : mapping, optional
        All arms of the protocol, by default those with data: an arm that was not assessed is told from one that
        was not studied.

    Returns
    -------
    tuple of VerdictRow
        The combination of primary interest first; within each: its parts, contributions that cannot be
        assessed, the min test, the excess over the highest single agent, the interactions, and the control.

    Notes
    -----
    Holm's adjustment over all comparisons of a combination with a part answers claims about a single part.
    The min test of one combination needs no adjustment (an intersection-union test: Laska & Meisner 1989,
    Biometrics 45:1139); the min tests of several combinations are Holm-adjusted over the combinations.
    """
    first = primary_combination(arms)
    whole = Arms(arms if planned is None else planned)
    cases = [
        _Case(label, arms, evidence, rules, compared, whole)
        for label in (first, *(other for other in arms.combinations if other != first))
        for compared in [{part: evidence.compare(label, part) for part in arms.parts(label)}]
    ]
    single = holm_adjusted(
        {
            (case.label, part): reported_p(comparison, rules)
            for case in cases
            for part, comparison in case.compared.items()
        }
    )
    joint = holm_adjusted(
        {case.label: min_test_p(list(case.compared.values()), rules) for case in cases if not case.missing}
    )
    rows: list[VerdictRow] = []
    for case in cases:
        part_rows = [
            replace(_comparison_row(case, part, comparison), p_adjusted=single[case.label, part])
            for part, comparison in case.compared.items()
        ]
        joint_row = _min_test_row(case, part_rows, joint)
        rows += [*part_rows, *_contribution_rows(case), joint_row]
        if not case.missing:
            rows.append(_highest_single_agent_row(case, part_rows, joint_row))
        rows += [*_interaction_rows(case, joint_row), *_control_row(case)]
    return tuple(rows)


def reported_p(comparison: Comparison, rules: Rules) -> float:
    """Return the p-value of the table: two-sided, or towards benefit where the tests are one-sided."""
    return comparison.p_value if rules.sided == 2 else comparison.p_benefit


def min_test_p(comparisons: Sequence[Comparison], rules: Rules) -> float:
    """Return the p of "better than every part".

    Parameters
    ----------
    comparisons : sequence of Comparison
        One for each part, all of them.
    rules : Rules
        Sides of the tests.

    Returns
    -------
    float
        ``min(1, 2 * max(one-sided p towards benefit))`` for two-sided alpha; the largest one-sided p for
        one-sided alpha; NaN where a comparison is not estimable or has no test.
    """
    if not all(comparison.testable for comparison in comparisons):
        return nan
    largest = max(comparison.p_benefit for comparison in comparisons)
    return min(1.0, 2 * largest) if rules.sided == 2 else largest


def highest_single_agent_limits(comparisons: Sequence[Comparison], rules: Rules) -> tuple[float, float]:
    """Return limits of the excess over the highest single agent, the smallest of k differences.

    The lower limit is the smallest of the lower limits: below it the intersection-union test would not
    reject. The upper limit is the smallest of the upper limits each at 1 - alpha / (2k), by Bonferroni, since
    which part is the highest agent is not known.
    """
    if not all(comparison.testable for comparison in comparisons):
        return nan, nan
    low = min(comparison.limits(rules.tail)[0] for comparison in comparisons)
    high = min(comparison.limits(rules.tail / len(comparisons))[1] for comparison in comparisons)
    return low, high


def holm_adjusted(p_values: Mapping[Key, float]) -> dict[Key, float]:
    """Return Holm's adjusted p over the estimable members of a family; the others stay NaN."""
    adjusted = adjust_p_values(list(p_values.values()), "holm")
    return dict(zip(p_values, adjusted.tolist(), strict=True))


def min_test_passed(row: VerdictRow) -> bool:
    """Return whether a min-test row shows the combination better than every part."""
    return row.kind == "min_test" and row.answer.startswith(words.BETTER)


def _comparison_row(case: _Case, reference: str, comparison: Comparison) -> VerdictRow:
    scale, rules = case.evidence.scale, case.rules
    low, high = comparison.limits(rules.tail) if comparison.estimable else (nan, nan)
    return VerdictRow(
        kind="part",
        combination=case.label,
        reference=reference,
        question=f"Better than {reference}",
        contrast=case.evidence.contrast(case.label, reference),
        answer=words.answer_by_interval(comparison, rules, scale.null),
        estimate=comparison.estimate,
        std_error=comparison.std_error,
        df=comparison.df,
        statistic=comparison.statistic,
        p_value=reported_p(comparison, rules),
        conf_low=low,
        conf_high=high,
        null=scale.null,
    )


def _control_row(case: _Case) -> list[VerdictRow]:
    control = case.arms.control
    if control is None:
        return []
    row = _comparison_row(case, control, case.evidence.compare(case.label, control))
    return [replace(row, kind="control", question=f"Better than {control} (control)")]


def _contribution_rows(case: _Case) -> list[VerdictRow]:
    return [
        VerdictRow(
            kind="contribution",
            combination=case.label,
            reference=component,
            question=f"Contribution of {component} to {case.label}",
            contrast="",
            answer=f"contribution of {component} not assessable: {_without(case, [component])}",
        )
        for component in case.missing
    ]


def _without(case: _Case, components: Sequence[str]) -> str:
    """Say which arms, each the combination without one component, are missing, and how."""
    return _missing_arms(case, [case.arms[case.label] - {component} for component in components])


def _missing_arms(case: _Case, absent: Sequence[frozenset[str]]) -> str:
    """Say of arms without data which were not studied, and which of the protocol were not assessed."""
    never, unseen = [], []
    for components in absent:
        label = case.planned.label_of(components)
        if label is None:
            never.append(_described(case, components))
        else:
            unseen.append(f"with {label}" if components else f"of the arm {label}")
    clauses = []
    if len(never) == 1:
        clauses.append(f"no arm {never[0]} was studied")
    elif never:
        clauses.append(f"arms {words.join_words(never)} were not studied")
    if unseen:
        clauses.append(f"no {case.evidence.unit} {words.join_words(unseen, 'or')} was assessed at this visit")
    return ", and ".join(clauses)


def _described(case: _Case, components: frozenset[str]) -> str:
    """Describe an arm that has no label: ``of prp alone``, ``of laser with prp``, ``without treatment``."""
    names = [name for name in case.arms.ordered_components(case.label) if name in components]
    if not names:
        return "without treatment"
    return f"of {names[0]} alone" if len(names) == 1 else f"of {' with '.join(names)}"


def _min_test_row(case: _Case, part_rows: Sequence[VerdictRow], joint: Mapping[str, float]) -> VerdictRow:
    p = nan if case.missing else min_test_p(list(case.compared.values()), case.rules)
    return VerdictRow(
        kind="min_test",
        combination=case.label,
        reference=case.binding if isfinite(p) else "",
        question="Better than every part (min test)",
        contrast=f"{words.bracketed(case.label)} against each of {words.join_words(list(case.compared))}"
        if len(case.compared) > 1
        else "",
        answer=_min_test_answer(case, p, part_rows, joint),
        p_value=p,
        p_adjusted=joint.get(case.label, nan),
    )


def _min_test_answer(
    case: _Case, p: float, part_rows: Sequence[VerdictRow], joint: Mapping[str, float]
) -> str:
    if case.missing:
        return f"not assessable: {_without(case, case.missing)}"
    if not isfinite(p):
        return case.why_not_testable
    alpha, adjusted = case.rules.alpha, joint[case.label]
    if adjusted < alpha and all(row.answer.startswith(words.BETTER) for row in part_rows):
        return f"better than {'both parts' if len(part_rows) == 2 else 'every part'}"
    worse = [row.reference for row in part_rows if row.answer == words.WORSE]
    if worse:
        return f"{words.NOT_SHOWN}; worse than {words.join_words(worse)}"
    if p < alpha <= adjusted:
        return f"{words.NOT_SHOWN} after Holm's adjustment for {len(joint)} combinations"
    return words.NOT_SHOWN


def _highest_single_agent_row(
    case: _Case, part_rows: Sequence[VerdictRow], joint_row: VerdictRow
) -> VerdictRow:
    low, high = highest_single_agent_limits(list(case.compared.values()), case.rules)
    single_agents = all(len(case.arms[part]) == 1 for part in case.compared)
    best = "the better of" if len(case.compared) == 2 else "the best of"
    return VerdictRow(
        kind="highest_single_agent",
        combination=case.label,
        reference=case.nearest if case.estimable else "",
        question=f"Excess over the {'highest single agent' if single_agents else 'best part'}",
        contrast=f"{words.bracketed(case.label)} against {best} {words.join_words(list(case.compared))}",
        answer=_excess_answer(case, low, high, part_rows, joint_row),
        estimate=case.compared[case.nearest].estimate if case.estimable else nan,
        p_value=joint_row.p_value,
        conf_low=low,
        conf_high=high,
        p_adjusted=joint_row.p_adjusted,
        null=case.evidence.scale.null,
    )


def _excess_answer(
    case: _Case, low: float, high: float, part_rows: Sequence[VerdictRow], joint_row: VerdictRow
) -> str:
    null, margin = case.evidence.scale.null, case.rules.margin
    if not isfinite(low):
        return case.why_not_testable
    if high < null and any(row.answer == words.WORSE for row in part_rows):
        return words.WORSE
    excluded = margin is not None and high < null + margin
    if min_test_passed(joint_row) and low > null:
        if margin is not None and low >= null + margin:
            return words.BETTER_BY_MARGIN
        return words.BETTER_NOT_IMPORTANT if excluded else words.BETTER
    return words.IMPORTANT_EXCLUDED if excluded else words.INCONCLUSIVE


def _interaction_rows(case: _Case, joint_row: VerdictRow) -> list[VerdictRow]:
    squares = case.arms.squares_for(case.label)
    if not squares:
        reason = _why_no_interaction(case)
        return [
            VerdictRow(kind, case.label, "", question, "", reason)
            for kind, question in case.evidence.interaction_kinds
        ]
    return [
        _interaction_row(case, asked, square, joint_row, several=len(squares) > 1)
        for square in squares
        for asked in case.evidence.interactions(square)
    ]


def _why_no_interaction(case: _Case) -> str:
    """Name the arms that keep the nearest factorial square of a combination from being whole."""
    whole = case.arms[case.label]
    squares = [
        (whole - {b}, whole - {a}, whole - {a, b})
        for a, b in combinations(case.arms.ordered_components(case.label), 2)
    ]
    gaps = [[arm for arm in square if case.arms.label_of(arm) is None] for square in squares]
    fewest = min(gaps, key=len)
    backgrounds = [square[-1] for square in squares]
    only_backgrounds = gaps == [[one] for one in backgrounds]
    if only_backgrounds and not any(case.planned.label_of(one) for one in backgrounds):
        neither = ", an untreated arm" if len(whole) == 2 else " of two of its components"
        return f"{words.NOT_ESTIMABLE} without an arm that received neither{neither}"
    return f"{words.NOT_ESTIMABLE}: {_missing_arms(case, fewest)}"


def _interaction_row(
    case: _Case, asked: InteractionQuestion, square: FactorialSquare, joint_row: VerdictRow, several: bool
) -> VerdictRow:
    pair = words.join_words(list(square.components))
    row = VerdictRow(
        kind=asked.kind,
        combination=case.label,
        reference=pair,
        question=f"{asked.question} of {pair}" if several else asked.question,
        contrast=asked.contrast,
        answer=asked.reason or words.NOT_ESTIMABLE,
        background=square.background if case.arms[square.background] else "",
        scale=asked.scale,
    )
    comparison = asked.comparison
    if comparison is None or not comparison.testable:
        return row
    low, high = comparison.limits(case.rules.tail)
    if not min_test_passed(joint_row):
        answer = "not tested, since the min test did not pass; descriptive only"
    elif low > 0:
        answer = asked.more
    elif high < 0:
        answer = asked.less
    else:
        answer = words.INCONCLUSIVE
    return replace(
        row,
        answer=f"{answer}; {asked.reason}" if asked.reason else answer,
        estimate=comparison.estimate,
        std_error=comparison.std_error,
        df=comparison.df,
        statistic=comparison.statistic,
        p_value=reported_p(comparison, case.rules),
        conf_low=low,
        conf_high=high,
    )
