"""The first screen in sentences: the question, the answer, what may not be said. No number is typed here."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from itertools import pairwise
from types import ModuleType

from outcomes.endpoint import EndpointFacts
from outcomes.protocol import Analysis
from reports.context import ReportContext
from reports.format import MINUS, NARROW_SPACE, counted, headline_decimals, join_words, sentence_case
from reports.house_style import in_style, known_p_values
from reports.steps.categorical import WITHOUT_MODEL
from reports.verdicts import VerdictLine

STAMPS = {
    "observed": "",
    "synthetic": "Synthetic data: simulated with a known truth, from no patient",
    "reconstructed": "Reconstructed from published counts: no patient's own data",
}
"""What is printed on every page, by the origin of the data."""

NUMBER_WORDS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


def stamp(context: ReportContext) -> str:
    """Return what is stamped on every page; empty for observed data."""
    return STAMPS[context.protocol.conduct.data_origin]


def in_words(count: int) -> str:
    """Return small counts as words."""
    return NUMBER_WORDS[count] if count < len(NUMBER_WORDS) else str(count)


def alone(context: ReportContext, arm: str) -> str:
    """Return an arm's label, with "alone" where it has a single component."""
    return f"{arm} alone" if len(context.protocol.arms[arm]) == 1 else arm


def facts_line(context: ReportContext) -> str:
    """Return design, both N and the primary visit, in one line."""
    protocol, results = context.protocol, context.results
    design = "Within-patient trial" if protocol.is_within_patient else "Parallel-group trial"
    numbers = [counted(results.number("flow", "patients", level="Enrolled", arm=""), "patient")]
    if results.has("flow", "lesions", level="Enrolled"):
        numbers.append(counted(results.number("flow", "lesions", level="Enrolled", arm=""), "lesion"))
    facts = [
        f"{design} of {in_words(len(protocol.arms))} arms",
        " and ".join(numbers),
        f"primary outcome at {context.primary.visit}",
    ]
    return " · ".join(facts)


def question(context: ReportContext) -> str:
    """Return what the trial asks, in its own words: its arms, its population or condition, its outcome and visit."""
    analysis, protocol = context.primary, context.protocol
    estimand = analysis.estimand
    if estimand is not None and estimand.population:
        whom = f"In {lower_first(_first_clause(estimand.population))}, does"
    elif protocol.condition in ("vitiligo", "striae"):
        whom = f"In {protocol.condition}, does"
    elif protocol.condition == "scar":
        whom = "In scars, does"
    else:
        whom = "Does"
    combination = context.results.text(analysis.name, "combination")
    parts = [f"more than {alone(context, part)}" for part in protocol.arms.parts(combination)]
    label = context.facts().label
    compared = join_words(parts) if parts else "more than its parts"
    return f"{whom} {combination} do {compared}, on {lower_first(label)} at {analysis.visit}?"


def _first_clause(text: str) -> str:
    """Return a text up to its first mark: what a population is, without how it came about."""
    return re.split(r"[.,:;(]", text, maxsplit=1)[0].strip()


def lower_first(text: str) -> str:
    """Return the text with a small first letter, unless it begins with an abbreviation or is a name."""
    words = text.split()
    is_name = len(words) > 1 and any(word[:1].isupper() and word[1:].islower() for word in words[1:])
    abbreviated = words and (words[0][1:] != words[0][1:].lower() or len(words[0]) == 1)
    return text if is_name or abbreviated else text[:1].lower() + text[1:]


def answer(context: ReportContext, analysis: Analysis | None = None, with_p: bool = False) -> tuple[str, ...]:
    """Return the answer in at most three sentences: how much, whether better than every part, whether synergy.

    Parameters
    ----------
    context
        Protocol and results.
    analysis
        Which analysis; by default the primary one.
    with_p
        Whether each comparison has its p-value, as a manuscript wants and a first screen does not.
    """
    analysis = analysis or context.primary
    alike = all_alike(context, analysis)
    if alike:
        return (alike,)
    sentences = [
        _how_much(context, analysis, with_p),
        _joint(context, analysis),
        _synergy(context, analysis, with_p),
    ]
    return tuple(sentence for sentence in sentences if sentence)


def all_alike(context: ReportContext, analysis: Analysis) -> str:
    """Say that nobody responded in any arm, or everybody in every arm; empty where there is something to compare."""
    if context.facts(analysis).scale != "binary":
        return ""
    shares = [
        row.value
        for row in context.results.select(
            analysis=f"{analysis.name}/observed", statistic="proportion", visit=analysis.visit
        )
        if row.value is not None
    ]
    unit = context.facts(analysis).level
    if shares and not any(shares):
        return f"No {unit} in any arm reached this threshold at {analysis.visit}: nothing can be compared."
    if shares and all(share == 1 for share in shares):
        return (
            f"Every {unit} of every arm reached this threshold at {analysis.visit}: nothing can be compared."
        )
    return ""


def alike_words(context: ReportContext, analysis: Analysis) -> str:
    """Return the cell of a table for `all_alike`: "no patient of any arm responded"; empty where some did."""
    sentence, unit = all_alike(context, analysis), context.facts(analysis).level
    if not sentence:
        return ""
    return f"no {unit} of any arm responded" if sentence.startswith("No") else f"every {unit} responded"


def p_clause(context: ReportContext, line: VerdictLine, with_p: bool) -> str:
    """Return "; p = .03" for the end of a comparison's numbers; empty where it is not wanted, or there is none."""
    return f"; {context.formatter.p_phrase(line.p_value)}" if with_p and not math.isnan(line.p_value) else ""


def _how_much(context: ReportContext, analysis: Analysis, with_p: bool) -> str:
    lines = [line for line in context.lines("part", analysis.name) if line.estimable]
    if not lines:
        return f"How {context.results.text(analysis.name, 'combination')} compares with its parts is not estimable."
    show = context.results.text(analysis.name, "scale_show")
    if show == "probability":
        return _superiority(context, analysis, lines, with_p)
    if show == "percentage points":
        risks = context.results.text(analysis.name, "led_by") == "model"
        return (
            str(_categorical().risks(context, analysis, lines, with_p))
            if risks
            else _shares(context, analysis, lines, with_p)
        )
    return _means(context, analysis, lines, with_p)


def _categorical() -> ModuleType:
    """Return the sentences on grades and responders, which are made with this module's own."""
    from reports import categorical_words

    return categorical_words


def _means(context: ReportContext, analysis: Analysis, lines: list[VerdictLine], with_p: bool) -> str:
    """Say "At Week 24 repigmentation averaged 58 % with A + B, against 31 % with A alone (difference …) and …"."""
    results, formatter, facts = context.results, context.formatter, context.facts(analysis)
    unit = results.text(analysis.name, "scale_unit")
    decimals = decimals_of_intervals(*((line.conf_low, line.conf_high) for line in lines))
    name = f"{analysis.name}/means"

    def mean(arm: str) -> str:
        value = results.number(name, "estimate", arm=arm, visit=analysis.visit)
        return formatter.quantity(value, decimals, "%" if facts.unit == "%" else "")

    noun = "difference" if facts.higher_is_better else "benefit"
    clauses = []
    for place, line in enumerate(lines):
        interval = formatter.interval(line.conf_low, line.conf_high, decimals)
        estimate = formatter.number(line.estimate, decimals)
        if place == 0:
            level = formatter.level(context.level(analysis.name))
            numbers = f"{noun} {_with_unit(estimate, unit)}, {level} CI {interval}"
        else:
            numbers = f"{estimate}, {interval}"
        numbers += p_clause(context, line, with_p)
        clauses.append(f"{mean(line.reference)} with {alone(context, line.reference)} ({numbers})")
    subject = _measured(context, analysis)
    before = _before_treatment(context, analysis, decimals)
    shown = f"{mean(lines[0].combination)} with {lines[0].combination}"
    return f"At {analysis.visit} {subject}{before} averaged {shown}, against {join_words(clauses)}."


def _before_treatment(context: ReportContext, analysis: Analysis, decimals: int) -> str:
    """Say where a change starts from: " (from 8.1 on average before treatment)"; empty where it is not known."""
    if context.facts(analysis).derive not in ("change", "percent-change"):
        return ""
    mean = context.results.get("baseline", "mean", endpoint=analysis.endpoint, arm="")
    if mean is None:
        return ""
    return f" (from {context.formatter.number(mean, decimals)} on average before treatment)"


def _with_unit(number: str, unit: str) -> str:
    """Return "27 points", "1 point", "2.5 VASI points"."""
    if number.lstrip(MINUS) == "1" and unit.endswith("points"):
        unit = unit.removesuffix("s")
    return f"{number} {unit}".rstrip()


def _measured(context: ReportContext, analysis: Analysis) -> str:
    """Return the outcome's name for a sentence: "the change of VASI"."""
    facts = context.facts(analysis)
    label = lower_first(facts.label)
    if label.lower().startswith(("change", "percent change")):
        return f"the {label}"
    if facts.derive == "change" and "change" not in label.lower():
        return f"the change of {label} from baseline"
    if facts.derive == "percent-change" and "change" not in label.lower():
        return f"the percent change of {label} from baseline"
    return label


def _superiority(context: ReportContext, analysis: Analysis, lines: list[VerdictLine], with_p: bool) -> str:
    """Say "the median grade was G4 with A + B, against G2 with A alone (probability of superiority …) and …"."""
    formatter, results = context.formatter, context.results
    facts = context.facts(analysis)
    label, meanings = lower_first(facts.label), grade_meanings(facts)

    def median(line: VerdictLine, which: str) -> str:
        subject = f"{line.combination} | {line.reference}"
        kind = f"supplement_median_{which}"
        grade = results.text(analysis.name, kind, subject)
        grade = grade or results.text(f"{analysis.name}/{WITHOUT_MODEL}", kind, subject)
        return f"{grade} ({meanings[grade]})" if grade in meanings else grade

    clauses = []
    for place, line in enumerate(lines):
        interval = formatter.interval(line.conf_low, line.conf_high, 2)
        estimate = formatter.number(line.estimate, 2)
        if place == 0:
            level = formatter.level(context.level(analysis.name))
            within = "within a patient, " if context.protocol.is_within_patient else ""
            numbers = f"{within}probability of superiority {estimate}, {level} CI {interval}"
        else:
            numbers = f"{estimate}, {interval}"
        numbers += p_clause(context, line, with_p)
        grade = median(line, "reference")
        clauses.append(f"{grade} with {alone(context, line.reference)} ({numbers})")
    shown = f"{median(lines[0], 'combination')} with {lines[0].combination}"
    return f"At {analysis.visit} the median of {label} was {shown}, against {join_words(clauses)}."


def grade_meanings(facts: EndpointFacts) -> dict[str, str]:
    """Return what each coded grade stands for, "G4" -> "51-75 %", from its cutpoints or its instrument's words.

    Grades that are words already ("much improved") are not in it.
    """
    grades = facts.grades or ()
    cutpoints = facts.chain[-1].cutpoints
    if cutpoints is not None:
        unit = facts.chain_unit
        space = f"{NARROW_SPACE}%" if unit == "%" else f" {unit}".rstrip()
        first, last = f"{cutpoints[0]:g}{space} or less", f"above {cutpoints[-1]:g}{space}"
        between = [f"above {low:g} to {high:g}{space}" for low, high in pairwise(cutpoints)]
        return dict(zip(grades, (first, *between, last), strict=True))
    if facts.instrument is None or not all(re.fullmatch(r"[A-Z]?\d", grade) for grade in grades):
        return {}
    told = dict(re.findall(r"(?:^|, )(\d)\s*(?:= )?([^,]+)", facts.instrument.items[0].label))
    return {grade: told[grade[-1]].strip() for grade in grades if grade[-1] in told}


def superiority_note(context: ReportContext, analysis: Analysis | None = None) -> str:
    """Say what the probability of superiority is; empty where the scale is another one."""
    analysis = analysis or context.primary
    lines = context.lines("part", analysis.name)
    if not lines or context.results.text(analysis.name, "scale_show") != "probability":
        return ""
    first, second = lines[0].combination, lines[0].reference
    if context.protocol.is_within_patient:
        chance = f"in one patient the lesion with {first} does better than that with, say, {second}"
    else:
        chance = f"a patient with {first} does better than one with, say, {second}"
    return f"Probability of superiority: the chance that {chance}, ties counting half."


def _shares(context: ReportContext, analysis: Analysis, lines: list[VerdictLine], with_p: bool) -> str:
    """Say "40 % responded with A + B, against 10 % with A alone (difference 30 percentage points, …)"."""
    results, formatter = context.results, context.formatter
    name = f"{analysis.name}/observed"
    decimals = decimals_of_intervals(*((100 * line.conf_low, 100 * line.conf_high) for line in lines))

    def raw(arm: str) -> float:
        return results.number(name, "proportion", arm=arm, visit=analysis.visit)

    def share(arm: str) -> str:
        return formatter.percent(raw(arm))

    clauses = []
    for place, line in enumerate(lines):
        interval = formatter.interval(100 * line.conf_low, 100 * line.conf_high, decimals)
        estimate = formatter.number(100 * line.estimate, decimals)
        if place == 0:
            level = formatter.level(context.level(analysis.name))
            apart = abs(100 * (raw(line.combination) - raw(line.reference) - line.estimate)) > 0.5
            what = "mean difference within patients" if apart else "difference"
            numbers = f"{what} {estimate} percentage points, {level} CI {interval}"
        else:
            numbers = f"{estimate}, {interval}"
        numbers += p_clause(context, line, with_p)
        clauses.append(f"{share(line.reference)} with {alone(context, line.reference)} ({numbers})")
    whose = "lesions" if context.facts(analysis).level == "lesion" else "patients"
    label = lower_first(context.facts(analysis).label)
    shown = f"{share(lines[0].combination)} of {whose} with {lines[0].combination}"
    return f"At {analysis.visit}, {shown} met “{label}”, against {join_words(clauses)}."


def decimals_of_intervals(*intervals: tuple[float, float]) -> int:
    """Return the decimals of a sentence's estimates: none where half the widest interval is 5 or more, one from 0.5.

    The verdict's sentences have the same rule, so that a number reads alike in both.
    """
    half = max((high - low) / 2 for low, high in intervals)
    return headline_decimals(half / 5 if half > 0 else None, [one for limits in intervals for one in limits])


def _joint(context: ReportContext, analysis: Analysis) -> str:
    """Say whether the combination was better than every part."""
    joint = context.lines("min_test", analysis.name)
    if not joint:
        return ""
    line = joint[0]
    parts = context.protocol.arms.parts(line.combination)
    every = "both of its parts" if len(parts) == 2 else f"all {in_words(len(parts))} of its parts"
    if math.isnan(line.p_value):
        return _joint_not_assessable(context, analysis, line)
    p = f"min test {context.formatter.p_phrase(line.p_value)}"
    if line.p_adjusted > line.p_value:
        p = f"{p}, Holm-adjusted over the combinations {context.formatter.p_phrase(line.p_adjusted)}"
    lines = context.lines("part", analysis.name)
    if line.answer.startswith("better"):
        return f"The combination was better than {every}{_by_margin(context, analysis, lines)} ({p})."
    worse = [one.reference for one in lines if one.answer == "worse"]
    if worse:
        return f"The combination was worse than {join_words(worse)}; better than {every} is not shown ({p})."
    better = [one.reference for one in lines if _claimed(context, analysis, one)]
    if better:
        shown = f"It was better than {join_words(alone(context, arm) for arm in better)}, but that it is better than"
        return f"{shown} {every} is not shown ({p})."
    return f"That the combination is better than {every} is not shown ({p})."


def _by_margin(context: ReportContext, analysis: Analysis, lines: Sequence[VerdictLine]) -> str:
    """Say that every difference reaches the margin: " by at least 10 points, the smallest difference that matters"."""
    margin = context.results.get(analysis.name, "margin")
    if margin is None or not all(line.answer.startswith("better by at least the margin") for line in lines):
        return ""
    shares = context.results.text(analysis.name, "scale_show") == "percentage points"
    unit = "percentage points" if shares else context.results.text(analysis.name, "scale_unit")
    size = _with_unit(f"{100 * margin if shares else margin:g}", unit)
    return f" by at least {size}, the smallest difference that matters"


def _claimed(context: ReportContext, analysis: Analysis, line: VerdictLine) -> bool:
    """Whether a single part may be claimed to be surpassed: by its interval, and after Holm's adjustment."""
    alpha = context.results.number(analysis.name, "alpha")
    adjusted = line.p_value if math.isnan(line.p_adjusted) else line.p_adjusted
    return line.answer.startswith("better") and adjusted < alpha


def _joint_not_assessable(context: ReportContext, analysis: Analysis, joint: VerdictLine) -> str:
    """Say what is shown of the parts that were studied, and that not all of them were."""
    clauses: list[str] = []
    for line in context.lines("part", analysis.name):
        who = "it" if clauses else "the combination"
        p = context.formatter.p_phrase(line.p_value)
        part = alone(context, line.reference)
        if _claimed(context, analysis, line):
            clauses.append(f"{who} was better than {part} ({p})")
        elif line.answer == "worse":
            clauses.append(f"{who} was worse than {part} ({p})")
        else:
            after = line.answer.startswith("better")
            adjusted = f"Holm-adjusted {context.formatter.p_phrase(line.p_adjusted)}" if after else p
            clauses.append(f"that {who} is better than {part} is not shown ({adjusted})")
    whole = f"whether it is better than every part is {joint.answer}"
    return sentence_case(f"{'; '.join([*clauses, whole])}.")


def _synergy(context: ReportContext, analysis: Analysis, with_p: bool) -> str:
    """Say whether the combination exceeded what its parts would add up to."""
    lines = context.lines("interaction", analysis.name)
    if not lines:
        return ""
    if context.results.text(analysis.name, "scale_show") == "probability":
        return str(_categorical().synergy_of_grades(context, analysis))
    line = next((one for one in lines if one.estimable), lines[0])
    if not line.estimable:
        return f"Synergy is {line.answer}."
    if line.answer.startswith("not tested"):
        return "Synergy is not tested, since better than every part is not shown."
    formatter = context.formatter
    factor = 100.0 if context.results.text(analysis.name, "scale_show") == "percentage points" else 1.0
    decimals = decimals_of_intervals((factor * line.conf_low, factor * line.conf_high))
    unit = "percentage points" if factor == 100.0 else context.results.text(analysis.name, "scale_unit")
    interval = formatter.interval(factor * line.conf_low, factor * line.conf_high, decimals)
    if with_p:
        level = formatter.level(context.level(analysis.name))
        interval = f"{level} CI {interval}{p_clause(context, line, with_p)}"
    excess = _with_unit(formatter.number(factor * line.estimate, decimals), unit)
    if len(lines) > 1 or len(context.protocol.arms[line.combination]) > 2:
        # One of several pairs of components, on a background of the others: no synergy of the whole.
        words = _synergy_words(line, False)
        if analysis.name == context.primary.name:
            words = words.removesuffix(" (descriptive)")
        return f"The interaction {line.contrast} was {excess} ({interval}): {words}."
    words = _synergy_words(line, analysis.name == context.primary.name)
    return f"The excess over the sum of its parts was {excess} ({interval}): {words}."


def _synergy_words(line: VerdictLine, primary: bool) -> str:
    """Return the answer on synergy, a word that only the primary analysis may use."""
    if "impossible" in line.answer:
        return "that sum lies beyond the scale, on which additivity is impossible"
    if line.answer.startswith("more than additive"):
        return "synergy on this scale" if primary else "more than additive (descriptive)"
    if line.answer.startswith("less than additive"):
        return "less than additive" if primary else "less than additive (descriptive)"
    if line.answer.startswith("inconclusive"):
        return "synergy is not shown"
    return line.answer


def may_not_claim(context: ReportContext) -> str:
    """Return the one line on what may not be claimed."""
    said = context.results.text(context.primary.name, "may_not_claim")
    return in_style(said, context.formatter, known_p_values(context.all_lines()))
