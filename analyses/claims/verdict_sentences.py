"""The two sentences that close a verdict, and the footnotes under its table, made from its rows alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import isfinite

from analyses.claims import verdict_words as words
from analyses.claims.combination_questions import (
    IMPOSSIBLE,
    LESS_THAN_ADDITIVE,
    MORE_THAN_ADDITIVE,
    min_test_passed,
    primary_combination,
)
from analyses.claims.verdict import Rules, Scale, VerdictRow
from outcomes.arms import Arms

__all__ = ["absent_note", "anything_shown", "footnotes", "may_claim", "may_not_claim"]


def may_claim(arms: Arms, rows: Sequence[VerdictRow], scale: Scale, rules: Rules) -> str:
    """Return the sentence on what the rows support, with its numbers."""
    teller = _Teller(rows, scale, rules)
    claims = [claim for label in teller.combinations for claim in teller.claims(label)]
    if claims:
        return f"{'; '.join(claims)}."
    label = primary_combination(arms)
    measured = [f"against {row.reference} ({teller.detail(row)})" for row in teller.of("part", label)]
    if not measured:
        return f"Nothing may be claimed of {label}: {teller.why_no_part(label)}."
    unmeasured = list(dict.fromkeys(row.answer for row in teller.of("part", label)))
    if not any(isfinite(row.estimate) for row in teller.of("part", label)):
        return f"Nothing may be claimed of {label}: {'; '.join(unmeasured)}."
    return (
        f"No advantage of {label} over {_its_parts(len(measured))} was shown: {words.join_words(measured)}."
    )


def anything_shown(rows: Sequence[VerdictRow], scale: Scale, rules: Rules) -> bool:
    """Return whether the rows support any claim: better, worse, or an important benefit excluded."""
    teller = _Teller(rows, scale, rules)
    return any(True for label in teller.combinations for _ in teller.claims(label))


def may_not_claim(rows: Sequence[VerdictRow], scale: Scale, rules: Rules) -> str:
    """Return the sentence on what the rows do not support, with the reasons."""
    teller = _Teller(rows, scale, rules)
    clauses = [
        *(clause for label in teller.combinations for clause in teller.unsupported_parts(label)),
        *teller.unsupported_equality(),
        *teller.unsupported_synergy(),
        *(clause for label in teller.combinations for clause in teller.unknown_contributions(label)),
    ]
    if rules.allocation is None:
        clauses.append(
            "that the treatment caused a difference, since how patients or lesions were allocated is not given"
        )
    return f"It may not be claimed {'; nor '.join(clauses)}."


def footnotes(rows: Sequence[VerdictRow], scale: Scale, rules: Rules) -> tuple[str, ...]:
    """Return the footnotes that every verdict's table needs, whatever its method."""
    sides = "two-sided" if rules.sided == 2 else "one-sided"
    level = words.format_level(rules.level)
    benefit = "Positive is benefit" if scale.null == 0 else f"Above {scale.null:g} is benefit"
    notes = [
        f"{benefit}. Alpha is {rules.alpha:g}, {sides}; intervals are two-sided at {level} and not "
        "adjusted for multiplicity."
    ]
    joint = [row for row in rows if row.kind == "min_test" and isfinite(row.p_value)]
    if joint:
        twice = "twice the largest" if rules.sided == 2 else "the largest"
        notes.append(
            f"Min test: p is {twice} one-sided p towards benefit over the parts; no alpha is split for this "
            "joint claim (Laska & Meisner 1989)."
        )
        notes.append(_excess_note(rows, scale, rules))
    if len(joint) > 1:
        adjusted = words.join_words([f"{row.combination} {words.format_p(row.p_adjusted)}" for row in joint])
        notes.append(f"Min tests Holm-adjusted over the {len(joint)} combinations: {adjusted}.")
    notes += [*_single_part_note(rows), *_margin_note(scale, rules), *_disagreement_notes(rows, scale, rules)]
    if any(row.kind in ("interaction", "bliss") and isfinite(row.estimate) for row in rows):
        notes.append(
            "Interaction: tested only after the min test. Being better than every part is not synergy, and "
            "whether there is synergy depends on the scale."
        )
    return tuple(notes)


def absent_note(absent: Sequence[str]) -> tuple[str, ...]:
    """Return the footnote on arms of the protocol without data; none where all have data."""
    if not absent:
        return ()
    return (f"Arms of the protocol without data in this analysis: {words.join_words(list(absent))}.",)


def _its_parts(count: int) -> str:
    return {1: "the part studied", 2: "its two parts"}.get(count, "its parts")


def _excess_note(rows: Sequence[VerdictRow], scale: Scale, rules: Rules) -> str:
    counts = sorted({_count_parts(rows, row) for row in rows if row.kind == "highest_single_agent"})
    many = words.join_words([str(count) for count in counts], "or")
    two_alpha = 2 * rules.tail
    return (
        f"Excess over the highest single agent: the smallest {scale.noun} among the parts, biased downwards where the "
        "parts are alike. Lower limit: the smallest lower limit; upper limit: the smallest of the upper limits "
        f"each at 1 − {two_alpha:g}/(2 × {many}); its p is the min test's."
    )


def _count_parts(rows: Sequence[VerdictRow], row: VerdictRow) -> int:
    return sum(other.kind == "part" and other.combination == row.combination for other in rows)


def _single_part_note(rows: Sequence[VerdictRow]) -> Iterator[str]:
    single = [row for row in rows if row.kind == "part" and isfinite(row.p_adjusted)]
    if len(single) > 1:
        listed = words.join_words([f"{row.contrast} {words.format_p(row.p_adjusted)}" for row in single])
        many = len(single)
        yield f"A claim about a single part needs Holm's adjustment over the {many} comparisons: {listed}."


def _margin_note(scale: Scale, rules: Rules) -> Iterator[str]:
    if rules.margin is None:
        yield "No margin was given, so no answer says equivalent or as good as."
    else:
        source = rules.margin_source or "not provided"
        yield f"Margin {words.format_margin(rules.margin, scale)}; its source: {source}."


def _disagreement_notes(rows: Sequence[VerdictRow], scale: Scale, rules: Rules) -> Iterator[str]:
    for row in rows:
        if row.kind not in ("part", "control") or not isfinite(row.p_value):
            continue
        outside = row.conf_low > row.null or row.conf_high < row.null
        rejected = row.p_value < rules.alpha
        if row.answer.startswith((words.BETTER, words.WORSE)) or not (outside or rejected):
            continue
        numbers, p = words.row_numbers(row, scale, rules), words.format_p(row.p_value)
        if outside and rejected:
            # An exact two-sided p may lie below twice the one-sided p, which a claim of benefit rests on.
            yield (
                f"{row.contrast}: the interval ({numbers}) and the two-sided test ({p}) show a difference, but "
                f"the one-sided test at {rules.tail:g} does not: they disagree; the answer needs all three."
            )
        else:
            yield f"{row.contrast}: the interval ({numbers}) and the test ({p}) disagree; the answer needs both."


class _Teller:
    """Finds rows and writes clauses; holds nothing but what it is given."""

    def __init__(self, rows: Sequence[VerdictRow], scale: Scale, rules: Rules) -> None:
        self.rows, self.scale, self.rules = rows, scale, rules
        self.combinations = tuple(dict.fromkeys(row.combination for row in rows))

    def of(self, kind: str, label: str) -> list[VerdictRow]:
        return [row for row in self.rows if row.kind == kind and row.combination == label]

    def numbers(self, row: VerdictRow) -> str:
        return words.row_numbers(row, self.scale, self.rules)

    def claims(self, label: str) -> Iterator[str]:
        parts = self.of("part", label)
        joint = self.of("min_test", label)[0]
        if min_test_passed(joint):
            yield self._joint_claim(label, parts, joint)
            return
        shown = [row for row in parts if self._single_claim(row, words.BETTER)]
        for row in shown:
            better = f"{label} was better than {row.reference} ({self.with_noun(row)}{self._adjusted(row)})"
            yield f"{better}{self._but_little([row])}"
        for row in parts:
            if self._single_claim(row, words.WORSE):
                yield f"{label} was worse than {row.reference} ({self.with_noun(row)}{self._adjusted(row)})"
            if row.answer == words.IMPORTANT_EXCLUDED or (
                row.answer == words.BETTER_NOT_IMPORTANT and row not in shown
            ):
                excluded = f"a benefit of {self._margin()} or more over {row.reference} is excluded"
                yield f"{excluded} ({self.with_noun(row)})"
        for row in self.of("control", label):
            if not shown and row.answer.startswith(words.BETTER):
                yield f"{label} was better than {row.reference} ({self.with_noun(row)}){self._but_little([row])}"

    def _joint_claim(self, label: str, parts: Sequence[VerdictRow], joint: VerdictRow) -> str:
        than = [f"better than {row.reference} ({self.with_noun(row)})" for row in parts]
        p = joint.p_value if joint.p_adjusted == joint.p_value else joint.p_adjusted
        adjusted = "Holm-adjusted " if joint.p_adjusted != joint.p_value else ""
        every = "both of its parts" if len(parts) == 2 else "every one of its parts"
        claim = f"{label} was {words.join_words(than)}, so better than {every}"
        claim += f" (min test {adjusted}{words.format_p(p)})"
        if all(row.answer == words.BETTER_BY_MARGIN for row in parts):
            claim += f", by at least the margin of {self._margin()}"
        claim += self._but_little(parts)
        more = [row for row in self.of("interaction", label) if row.answer.startswith(MORE_THAN_ADDITIVE)]
        for row in more:
            claim += self._synergy_claim(row)
        return claim

    def _synergy_claim(self, row: VerdictRow) -> str:
        """Write what an interaction shows: of the whole where its background is untreated, else of its pair."""
        pair = f"{row.reference} together, on a background of {row.background}"
        if IMPOSSIBLE in row.answer:
            what = f"for {pair}, " if row.background else ""
            return f"; {what}{IMPOSSIBLE}, so the {self._excess(row)} over {self._sum(row)} is no synergy"
        if not row.background:
            return f", and by more than its parts add up to ({self._excess(row)}: synergy on this scale)"
        if self.scale.show in ("odds ratio", "ratio"):
            size = f"({self._excess(row)}: synergy on this scale)"
        else:
            estimate, _, interval = self.numbers(row).partition(", ")
            size = f"by {estimate} ({interval}: synergy on this scale)"
        return f"; {pair}, exceeded the sum of their effects {size}"

    def _sum(self, row: VerdictRow) -> str:
        return "the sum of their effects" if row.background else "what its parts add up to"

    def _but_little(self, parts: Sequence[VerdictRow]) -> str:
        """Write over which of the parts that were beaten an important benefit is excluded."""
        over = [row.reference for row in parts if row.answer == words.BETTER_NOT_IMPORTANT]
        if not over:
            return ""
        return f", but a benefit of {self._margin()} or more over {words.join_words(over)} is excluded"

    def unsupported_parts(self, label: str) -> Iterator[str]:
        if min_test_passed(self.of("min_test", label)[0]):
            return
        rows = [row for row in self.of("part", label) if not self._single_claim(row, words.BETTER)]
        if rows:
            listed = [f"{row.reference} ({self.detail(row)}{self._why_not(row)})" for row in rows]
            yield f"that {label} is better than {words.join_words(listed, 'or')}"

    def why_no_part(self, label: str) -> str:
        """Write why a combination has no part to be compared with, as its min test says it."""
        return self.of("min_test", label)[0].answer.partition(": ")[2]

    def detail(self, row: VerdictRow) -> str:
        """Write what was measured between a combination and another arm."""
        if not isfinite(row.estimate):
            return row.answer
        return self.with_noun(row) if isfinite(row.p_value) else f"{self.with_noun(row)}; {row.answer}"

    def _why_not(self, row: VerdictRow) -> str:
        if not isfinite(row.p_value) or row.answer == words.WORSE:
            return ""
        p = f", {words.format_p(row.p_value)}{self._adjusted(row)}"
        if row.p_adjusted < self.rules.alpha:
            both = row.conf_low > row.null
            which = (
                "the one-sided test does not show benefit"
                if both
                else "the interval does not exclude equality"
            )
            return f"{p}, but {which}: the two methods disagree, so it is left open"
        return p

    def unsupported_equality(self) -> Iterator[str]:
        open_rows = [row for row in self.rows if row.kind == "part" and row.answer == words.INCONCLUSIVE]
        if open_rows and self.rules.margin is None:
            yield "that arms which are not shown to differ do equally well, since no margin was given"

    def unsupported_synergy(self) -> Iterator[str]:
        reasons: dict[tuple[str, str], list[str]] = {}
        for row in self.rows:
            if row.kind == "interaction":
                verb = "are" if row.background else "is"
                pair = f"{row.reference} on a background of {row.background}"
                subject = pair if row.background else row.combination
                reasons.setdefault((verb, self._why_not_synergy(row)), []).append(subject)
        for (verb, reason), subjects in reasons.items():
            yield f"that {words.join_words(list(dict.fromkeys(subjects)), 'or')} {verb} synergistic{reason}"

    def _why_not_synergy(self, row: VerdictRow) -> str:
        if not isfinite(row.estimate):
            return f" ({row.answer})"
        if IMPOSSIBLE in row.answer:
            return (
                f" ({self._sum(row)} lies beyond the ends of the scale, so {IMPOSSIBLE}: {self._excess(row)})"
            )
        if row.answer.startswith(MORE_THAN_ADDITIVE):
            return " in general: synergy was tested on this scale only, other scales are descriptive"
        if row.answer.startswith(LESS_THAN_ADDITIVE):
            did = "together they did less than" if row.background else "it did less than"
            total = self._sum(row) if row.background else "its parts add up to"
            return f" ({did} {total}: {self._excess(row)})"
        if row.answer.startswith(words.INCONCLUSIVE):
            return f" ({self._excess(row)} against {self._sum(row)}: not shown)"
        better = row.combination if row.background else "it"
        return f" (not tested, since {better} was not better than every part)"

    def unknown_contributions(self, label: str) -> Iterator[str]:
        for row in self.of("contribution", label):
            yield f"that {row.reference} contributes to {label} ({row.answer.partition(': ')[2]})"

    def _single_claim(self, row: VerdictRow, answer: str) -> bool:
        return row.answer.startswith(answer) and row.p_adjusted < self.rules.alpha

    def with_noun(self, row: VerdictRow) -> str:
        return f"{self.scale.noun} {self.numbers(row)}"

    def _excess(self, row: VerdictRow) -> str:
        ratio = self.scale.show in ("odds ratio", "ratio")
        noun = f"ratio of {self.scale.noun}s" if ratio else "excess"
        return f"{noun} {self.numbers(row)}"

    def _adjusted(self, row: VerdictRow) -> str:
        if row.p_adjusted == row.p_value:
            return ""
        return f", Holm-adjusted {words.format_p(row.p_adjusted)}"

    def _margin(self) -> str:
        return words.format_margin(self.rules.margin or 0.0, self.scale)
