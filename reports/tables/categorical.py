"""Grades and responders: a model's probabilities and odds ratios, synergy on each scale, tests without it."""

from __future__ import annotations

from outcomes.protocol import Analysis
from reports.context import ReportContext
from reports.format import sentence_case
from reports.house_style import in_style
from reports.results import Number
from reports.steps.categorical import WITHOUT_MODEL
from reports.steps.link_model import MODEL, ODDS, PROBABILITIES
from reports.tables.cells import estimate_cells, interval_columns, number, p_cell, table_name
from reports.tables.outcome import source_line
from reports.tables.value import EMPTY, Cell, Column, Row, Table, blank_row
from reports.verdicts import VerdictLine, verdict_lines

MARGINAL = (
    "Marginal: standardised over the covariates of the rows used and, where the model has random "
    "effects, averaged over the "
    "patients; limits by the delta method on the logit scale, normal reference distribution."
)
CONDITIONAL = (
    "Odds ratios compare lesions of the same patient, given the patient's random effect and the covariates; they "
    "lie farther from 1 "
    "than ratios of marginal odds, and are not ratios of risks."
)
SYNERGY_KINDS = ("interaction", "interaction_response", "bliss_excess")
"""Rows that ask for synergy, each on a scale of its own."""


def led_by_model(context: ReportContext, analysis: Analysis) -> bool:
    """Whether a model's answer leads an analysis of grades or responders."""
    return context.results.text(analysis.name, "led_by") == "model"


def of_same_patient(context: ReportContext, analysis: Analysis) -> bool:
    """Whether a model's probabilities compare lesions of the same patient."""
    return context.results.has(f"{analysis.name}/{ODDS}", "supplement_superiority_same_patient")


def probabilities_table(context: ReportContext, analysis: Analysis) -> Table | None:
    """Show each arm's marginal probability, of a response or of each grade, beside what was observed."""
    results, formatter = context.results, context.formatter
    name, observed = f"{analysis.name}/{PROBABILITIES}", f"{analysis.name}/observed"
    found = results.select(analysis=name, statistic="estimate")
    if not found:
        return None
    graded = any(row.level for row in found)
    rows: list[Row] = []
    seen = ""
    for row in found:
        address = {"arm": row.arm, **({"level": row.level} if graded else {})}
        if graded and row.arm != seen:
            seen = row.arm
            rows.append(blank_row(row.arm, 5))
        count = results.get(observed, "count" if graded else "responders", visit=analysis.visit, **address)
        share = results.get(observed, "proportion", visit=analysis.visit, **address)
        low, high = (results.get(name, limit, **address) for limit in ("conf_low", "conf_high"))
        cells = (
            number(formatter, count),
            number(formatter, _percent(share)),
            *estimate_cells(formatter, _percent(row.value), _percent(low), _percent(high), 0),
        )
        rows.append(Row(Cell(row.level if graded else row.arm), cells, indent=1 if graded else 0))
    what = "each grade" if graded else "a response"
    return context.finished(
        Table(
            table_name("probabilities", analysis.name),
            f"{context.facts(analysis).label} at {analysis.visit}: marginal probability of {what}",
            (
                Column("Observed No. (%)"),
                Column("", "paren"),
                *interval_columns("Probability, %", context.interval_header(analysis.name)),
            ),
            tuple(rows),
            stub="Arm and grade" if graded else "Arm",
            notes={"marginal": MARGINAL, **_model_notes(context, analysis)},
            source=source_line(context, analysis),
        ),
        analysis,
    )


def _model_notes(context: ReportContext, analysis: Analysis) -> dict[str, str]:
    """Return what a reader must know of the model: grades that nobody had, arms left out."""
    results, name = context.results, f"{analysis.name}/{MODEL}"
    notes = {f"model {place}": text for place, text in enumerate(results.said(name, "note"))}
    left = results.said(name, "left_out")
    if left:
        unit = context.facts(analysis).level
        notes["left out"] = (
            f"Not in the model: {', '.join(left)}, where every {unit} had the same extreme outcome, so "
            f"that there are no "
            "finite odds. The estimates of the others are those that the likelihood tends to."
        )
    return notes


def _percent(value: Number) -> float | None:
    return None if value is None else 100 * float(value)


def effects_table(context: ReportContext, analysis: Analysis) -> Table | None:
    """Show risk difference, risk ratio and number needed to treat; of grades both probabilities of superiority."""
    name = f"{analysis.name}/{ODDS}"
    lines = [line for line in verdict_lines(context.results, name) if line.kind in ("part", "control")]
    if context.facts(analysis).scale == "ordinal":
        # By ranks where they lead: a model's superiority beside them rests on proportional odds, and confuses.
        return _superiority_table(context, analysis, lines) if led_by_model(context, analysis) else None
    return _risk_table(context, analysis, lines)


def _supplement(context: ReportContext, analysis: Analysis, line: VerdictLine, statistic: str) -> Number:
    return context.results.get(
        f"{analysis.name}/{ODDS}",
        f"supplement_{statistic}",
        arm=line.combination,
        level=f"against {line.reference}",
    )


def _three(
    context: ReportContext, analysis: Analysis, line: VerdictLine, name: str
) -> tuple[Number, Number, Number]:
    """An estimate and its limits."""
    found, low, high = (
        _supplement(context, analysis, line, f"{name}{end}") for end in ("", "_conf_low", "_conf_high")
    )
    return found, low, high


def _risk_table(context: ReportContext, analysis: Analysis, lines: list[VerdictLine]) -> Table | None:
    formatter = context.formatter
    rows = []
    for line in lines:
        difference = _three(context, analysis, line, "difference")
        if difference[0] is None:
            continue
        subject = f"{line.combination} | {line.reference}"
        needed = context.results.text(f"{analysis.name}/{ODDS}", "supplement_number_needed_to_treat", subject)
        shares = [_percent(one) for one in difference]
        cells = (
            *estimate_cells(formatter, shares[0], shares[1], shares[2], 0),
            *estimate_cells(formatter, *_three(context, analysis, line, "ratio"), 1),
            Cell(in_style(needed, formatter)),
        )
        rows.append(Row(Cell(f"{line.combination} against {line.reference}"), cells))
    if not rows:
        return None
    interval = context.interval_header(analysis.name)
    return context.finished(
        Table(
            table_name("risks", analysis.name),
            f"{context.facts(analysis).label} at {analysis.visit}: risk differences and ratios by the model",
            (
                *interval_columns("Risk difference, percentage points", interval),
                *interval_columns("Risk ratio", interval),
                Column("Number needed to treat", "text"),
            ),
            tuple(rows),
            stub="Comparison",
            notes={
                "marginal": "Of marginal probabilities, standardised and averaged over patients; delta method, normal "
                "reference distribution (ratios on the log scale).",
                "needed": "Number needed to treat: for one more to respond, one over the risk difference. Where the "
                "interval of the difference covers zero, that of the number passes through infinity.",
                **_model_notes(context, analysis),
            },
            source=source_line(context, analysis),
        ),
        analysis,
    )


def _superiority_table(context: ReportContext, analysis: Analysis, lines: list[VerdictLine]) -> Table | None:
    formatter = context.formatter
    kinds = {"same_patient": "Within a patient", "different_patients": "Between patients"}
    known = {
        kind: label
        for kind, label in kinds.items()
        if context.results.has(f"{analysis.name}/{ODDS}", f"supplement_superiority_{kind}")
    }
    if not known or not lines:
        return None
    rows = [
        Row(
            Cell(f"{line.combination} against {line.reference}"),
            tuple(
                cell
                for kind in known
                for cell in estimate_cells(
                    formatter, *_three(context, analysis, line, f"superiority_{kind}"), 2
                )
            ),
        )
        for line in lines
    ]
    interval = context.interval_header(analysis.name)
    notes = {
        "superiority": "The probability that the combination does better, ties counting half; "
        f"{formatter.number(0.5, 1)} is no benefit. Limits by the delta method on the logit scale, normal reference "
        "distribution.",
    }
    if "same_patient" in known:
        notes["pairs"] = (
            "Within a patient: two lesions of the same patient, alike in their covariates. Between "
            "patients: lesions of two different patients. The two are different quantities, and the first lies "
            f"farther from {formatter.number(0.5, 1)}."
        )
    return context.finished(
        Table(
            table_name("superiority", analysis.name),
            f"{context.facts(analysis).label} at {analysis.visit}: probability of superiority by the model",
            tuple(
                column
                for label in known.values()
                for column in interval_columns("Probability", interval, spanner=label)
            ),
            tuple(rows),
            stub="Comparison",
            notes=notes,
            source=source_line(context, analysis),
        ),
        analysis,
    )


def odds_table(context: ReportContext, analysis: Analysis) -> Table | None:
    """Show the model's odds ratios, and of grades the test of proportional odds; None where there is no model."""
    results, formatter = context.results, context.formatter
    name = f"{analysis.name}/{ODDS}"
    lines = verdict_lines(results, name)
    if not any(line.estimable for line in lines):
        return None
    combinations = list(dict.fromkeys(line.combination for line in lines))
    rows = []
    for combination in combinations:
        own = [line for line in lines if line.combination == combination]
        if len(combinations) > 1:
            rows.append(blank_row(combination, 5))
        rows += [row for line in own for row in _odds_row(context, name, line)]
    tested = results.select(analysis=name, statistic="proportionality_p_value")
    if tested:
        rows.append(blank_row("Test of proportional odds", 5))
    for one in tested:
        # Which coefficient has no finite estimate is for those who refit the model: results.json has it.
        answer = sentence_case(results.text(name, "proportionality", one.level).partition(" (no finite")[0])
        label = Cell(one.level.replace("_", " "), notes=("assumption",))
        rows.append(Row(label, (Cell(span=3), p_cell(formatter, one.value), Cell(answer)), indent=1))
    notes = {"direction": _direction(context, analysis)}
    if of_same_patient(context, analysis) or results.has(f"{analysis.name}/{MODEL}", "variance"):
        notes["conditional"] = CONDITIONAL
    if tested:
        notes["assumption"] = (
            "The model takes one odds ratio for every threshold between grades; likelihood-ratio test "
            "against one of its "
            "own for each threshold."
        )
    return context.finished(
        Table(
            table_name("odds", analysis.name),
            f"{context.facts(analysis).label} at {analysis.visit}: odds ratios by the model",
            (
                *interval_columns("Odds ratio", context.interval_header(name)),
                Column("p"),
                Column("Answer", "text"),
            ),
            tuple(rows),
            stub="Comparison",
            notes=notes
            | {key: text for key, text in _model_notes(context, analysis).items() if key == "left out"},
            source=source_line(context, analysis),
        ),
        analysis,
    )


def synergy_table(context: ReportContext, analysis: Analysis) -> Table | None:
    """Ask on each scale of the model whether the combination does more than its parts add up to; None without."""
    name = f"{analysis.name}/{ODDS}"
    lines = [line for line in verdict_lines(context.results, name) if line.kind in SYNERGY_KINDS]
    if not any(line.estimable for line in lines):
        return None
    combinations = list(dict.fromkeys(line.combination for line in lines))
    rows = []
    for combination in combinations:
        if len(combinations) > 1:
            rows.append(blank_row(combination, 5))
        rows += [_synergy_row(context, name, line) for line in lines if line.combination == combination]
    return context.finished(
        Table(
            table_name("synergy", analysis.name),
            f"{context.facts(analysis).label} at {analysis.visit}: more than the parts add up to, on each scale",
            (
                *interval_columns("Estimate", context.interval_header(name)),
                Column("p"),
                Column("Answer", "text"),
            ),
            tuple(rows),
            stub="Scale",
            notes={
                "scales": "Above 1 (ratio of odds ratios) or above 0 (percentage points of marginal probabilities) the "
                "combination does more than its parts add up to. Descriptive where the scale was not named beforehand.",
            },
            source=source_line(context, analysis),
        ),
        analysis,
    )


def _direction(context: ReportContext, analysis: Analysis) -> str:
    facts = context.facts(analysis)
    if facts.scale == "ordinal":
        better = f"a {'higher' if facts.higher_is_better else 'lower'} grade, which is better,"
    else:
        better = "the better outcome"
    return f"Above 1 the odds of {better} are larger with the combination. Wald tests, normal reference distribution."


def _odds_row(context: ReportContext, name: str, line: VerdictLine) -> list[Row]:
    formatter = context.formatter
    p, answer = p_cell(formatter, line.p_value), Cell(line.answer)
    if line.kind == "min_test":
        return [Row(Cell("Better than every part (min test)"), (EMPTY, EMPTY, EMPTY, p, answer))]
    if line.kind not in ("part", "control"):
        return []
    ratio = _odds(context, name, line)
    cells = estimate_cells(formatter, *ratio, ratio_decimals(*ratio))
    return [Row(Cell(f"{line.combination} against {line.reference}"), (*cells, p, answer))]


def ratio_decimals(*values: Number) -> int:
    """Return the decimals of a ratio and its limits: two where one would else read as 1, fewer for large ones."""
    known = [float(value) for value in values if value is not None]
    if any(value != 1 and abs(value - 1) < 0.05 for value in known) or max(known, default=0.0) < 10:
        return 2
    return 0 if min(known) >= 10 else 1


def _odds(context: ReportContext, name: str, line: VerdictLine) -> tuple[Number, Number, Number]:
    level = f"{line.kind}: {line.reference}" if line.reference else line.kind
    address = {"arm": line.combination, "contrast": line.contrast, "level": level}
    low, middle, high = (
        context.results.get(name, f"odds_ratio{end}", **address) for end in ("_conf_low", "", "_conf_high")
    )
    return middle, low, high


def _synergy_row(context: ReportContext, name: str, line: VerdictLine) -> Row:
    """One row of the interaction: a ratio of odds ratios, percentage points of a probability, or of Bliss' excess."""
    formatter = context.formatter
    label = synergy_scale(line)
    p, answer = p_cell(formatter, line.p_value), Cell(line.answer)
    if not line.estimable:
        return Row(Cell(label), (Cell("not estimable", span=3), p, answer))
    if line.kind == "interaction":
        ratio = _odds(context, name, line)
        cells = estimate_cells(formatter, *ratio, ratio_decimals(*ratio))
        return Row(Cell(label), (*cells, p, answer))
    values = [100 * one for one in (line.estimate, line.conf_low, line.conf_high)]
    return Row(
        Cell(f"{label}, percentage points"),
        (*estimate_cells(formatter, values[0], values[1], values[2], 0), p, answer),
    )


def synergy_scale(line: VerdictLine) -> str:
    """Return the scale that an interaction is asked on, in words: "Probability of G3 or better"."""
    if line.kind == "interaction":
        return "Ratio of odds ratios"
    if line.kind == "bliss_excess":
        return "Excess over Bliss independence"
    inside = line.contrast.partition(")")[0]
    if inside.startswith("P(grade "):
        grade = inside.removeprefix("P(grade ").lstrip("≥≤ ")
        return f"Probability of {grade} or better"
    return "Probability of a response"


def classical_table(context: ReportContext, analysis: Analysis) -> Table | None:
    """Show the tests without a model beside a model that leads: signs and ranks of pairs, McNemar, or of groups."""
    results, formatter = context.results, context.formatter
    name = f"{analysis.name}/{WITHOUT_MODEL}"
    lines = [line for line in verdict_lines(results, name) if line.kind in ("part", "min_test", "control")]
    if not lines:
        return None
    ordinal = context.facts(analysis).scale == "ordinal"
    counts, tests = _classical_columns(context, name, ordinal)
    factor, decimals = (1.0, 2) if ordinal else (100.0, 0)
    rows = []
    for line in lines:
        if line.kind == "min_test":
            cells: tuple[Cell, ...] = (*([EMPTY] * (len(counts) + 3)), p_cell(formatter, line.p_value))
            cells += (*([EMPTY] * (len(tests) - 1)), Cell(line.answer))
            rows.append(Row(Cell("Better than every part (min test)"), cells))
            continue
        address = {"arm": line.combination, "level": f"against {line.reference}"}
        found = {
            key: results.get(name, f"supplement_{key}", **address)
            for key in (*counts.values(), *tests.values())
        }
        rows.append(
            Row(
                Cell(f"{line.combination} against {line.reference}"),
                (
                    *(number(formatter, found[key]) for key in counts.values()),
                    *estimate_cells(
                        formatter,
                        factor * line.estimate,
                        factor * line.conf_low,
                        factor * line.conf_high,
                        decimals,
                    ),
                    *(p_cell(formatter, found[key]) for key in tests.values()),
                    Cell(line.answer),
                ),
            )
        )
    what = "Probability of superiority" if ordinal else "Difference, percentage points"
    return context.finished(
        Table(
            table_name("classical", analysis.name),
            f"{context.facts(analysis).label} at {analysis.visit}: the same without a model",
            (
                *(Column(header) for header in counts),
                *interval_columns(what, context.interval_header(name)),
                *(Column(header) for header in tests),
                Column("Answer", "text"),
            ),
            tuple(rows),
            stub="Comparison",
            notes={"method": results.text(name, "verdict_method")},
            source=source_line(context, analysis),
        ),
        analysis,
    )


def _classical_columns(
    context: ReportContext, name: str, ordinal: bool
) -> tuple[dict[str, str], dict[str, str]]:
    """Return headers -> statistics of the counts and of the tests without a model."""
    if context.protocol.is_within_patient:
        if ordinal:
            return (
                {"Better": "patients_better", "Alike": "patients_alike", "Worse": "patients_worse"},
                {"p, sign test": "p_sign", "p, signed ranks": "p_signed_rank_pratt"},
            )
        if context.results.has(name, "supplement_p_t_by_patient"):  # several lesions of a patient in an arm
            return {"Patients": "n_pairs"}, {"p, t test by patient": "p_t_by_patient"}
        return (
            {"Pairs": "n_pairs", "Combination only": "better_only", "Other only": "worse_only"},
            {"p, McNemar": "p_mcnemar"},
        )
    if ordinal:
        return {}, {"p, Mann-Whitney": "p_mann_whitney", "p, Brunner-Munzel": "p_brunner_munzel"}
    return (
        {"Responders": "responders_combination", "Other arm": "responders_reference"},
        {"p, Fisher": "p_fisher"},
    )
