"""A verdict's rows as results, and back: every table, figure and sentence reads the numbers from there."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass

from analyses.claims.verdict import Verdict, VerdictRow
from outcomes.protocol import Protocol
from reports.results import Results, ResultsBuilder

NUMBERS = (
    "estimate",
    "std_error",
    "df",
    "statistic",
    "p_value",
    "conf_low",
    "conf_high",
    "p_adjusted",
)
"""The numbers of a verdict's row that become results."""

KINDS = (
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
)


@dataclass(frozen=True, slots=True)
class VerdictLine:
    """One question of a verdict, read from the results.

    Attributes
    ----------
    kind, combination, reference
        As in `analyses.claims.verdict.VerdictRow`.
    question, contrast, answer
        Words.
    estimate, std_error, df, statistic, p_value, conf_low, conf_high, p_adjusted
        Numbers; NaN where the row has none.
    """

    kind: str
    combination: str
    reference: str
    question: str
    contrast: str
    answer: str
    estimate: float
    std_error: float
    df: float
    statistic: float
    p_value: float
    conf_low: float
    conf_high: float
    p_adjusted: float

    @property
    def estimable(self) -> bool:
        """Whether the row has an estimate."""
        return math.isfinite(self.estimate)


def store_verdict(verdict: Verdict, out: ResultsBuilder, spell: Callable[[str], str] = str) -> None:
    """Write a verdict's numbers and words under the analysis that `out` is set to.

    Parameters
    ----------
    verdict
        The combination questions with their answers.
    out
        Where they go.
    spell
        Turns a verdict's words into the report's, such as components' names into what they are.
    """
    for row in verdict.rows:
        level = _level(row)
        address = {"arm": row.combination, "contrast": row.contrast, "level": level}
        for name in NUMBERS:
            out.add(name, getattr(row, name), **address)
        out.say("question", spell(row.question), _subject(row.combination, row.contrast, level))
        out.say("answer", spell(row.answer), _subject(row.combination, row.contrast, level))
    out.add_all({"alpha": verdict.rules.alpha, "sided": verdict.rules.sided, "level": verdict.rules.level})
    if verdict.rules.margin is not None:
        out.add("margin", verdict.rules.margin)
    out.add("null", verdict.scale.null)
    words = {
        "combination": verdict.combination,
        "may_claim": spell(verdict.may_claim),
        "may_not_claim": spell(verdict.may_not_claim),
        "verdict_method": verdict.method,
        "scale_name": verdict.scale.name,
        "scale_noun": verdict.scale.noun,
        "scale_unit": verdict.scale.unit,
        "scale_show": verdict.scale.show,
        "margin_source": verdict.rules.margin_source or "",
    }
    for kind, text in words.items():
        out.say(kind, text)
    for note in verdict.footnotes:
        out.say("footnote", spell(note))
    _store_supplement(verdict, out)


def _store_supplement(verdict: Verdict, out: ResultsBuilder) -> None:
    """Write what a rank or responder method adds to each comparison, and the Bliss curve where there is one."""
    for record in verdict.supplement.to_dict("records"):
        combination, reference = str(record.pop("combination")), str(record.pop("reference"))
        for name, value in record.items():
            if isinstance(value, str):
                out.say(f"supplement_{name}", value, subject=f"{combination} | {reference}")
            else:
                out.add(f"supplement_{name}", value, arm=combination, level=f"against {reference}")
    if verdict.bliss_curve is not None:
        curve = verdict.bliss_curve
        assumed = curve.columns[0]
        for record in curve.to_dict("records"):
            point = f"{record[assumed]:.10g}"
            for name, value in record.items():
                if not isinstance(value, str):
                    out.add(f"bliss_{name}", value, level=f"assumed control response {point}")


def component_speller(protocol: Protocol) -> Callable[[str], str]:
    """Return a function that writes a component's name as what it is: "laser" as "fractional CO2 laser".

    A name that is also a word of an arm's label stays, since the label is meant.
    """
    labels = " ".join(protocol.arms)
    names = {
        name: text if text[1:2].isupper() else text[:1].lower() + text[1:]
        for name, text in protocol.components.items()
        if not re.search(rf"(?<!\w){re.escape(name)}(?!\w)", labels)
    }
    if not names:
        return str
    pattern = re.compile(r"(?<!\w)(" + "|".join(map(re.escape, names)) + r")(?!\w)")
    return lambda text: pattern.sub(lambda found: names[found[1]], text)


def verdict_lines(results: Results, analysis: str) -> tuple[VerdictLine, ...]:
    """Return the rows of an analysis's verdict, in the order of the verdict; empty where it has none."""
    lines = []
    for row in results.select(analysis=analysis, statistic="estimate"):
        kind, _, reference = row.level.partition(": ")
        if kind not in KINDS:
            continue
        address = {"arm": row.arm, "contrast": row.contrast, "level": row.level}
        subject = _subject(row.arm, row.contrast, row.level)
        lines.append(
            VerdictLine(
                kind,
                row.arm,
                reference,
                results.text(analysis, "question", subject),
                row.contrast,
                results.text(analysis, "answer", subject),
                *(results.number(analysis, name, **address) for name in NUMBERS),
            )
        )
    return tuple(lines)


def lines_of(
    results: Results, analysis: str, kind: str, combination: str | None = None
) -> tuple[VerdictLine, ...]:
    """Return the rows that ask one kind of question; of one combination, by default the primary one."""
    combination = results.text(analysis, "combination") if combination is None else combination
    return tuple(
        line
        for line in verdict_lines(results, analysis)
        if line.kind == kind and line.combination == combination
    )


def _level(row: VerdictRow) -> str:
    return f"{row.kind}: {row.reference}" if row.reference else row.kind


def _subject(combination: str, contrast: str, level: str) -> str:
    return " | ".join((combination, contrast, level))
