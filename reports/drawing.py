"""The report's figures, drawn from results and, for single trajectories and residuals, from the analysed data."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from reports import figures
from reports.analyse import AnalysedEndpoint, AnalysedTrial
from reports.context import ReportContext
from reports.figures import ReportFigure
from reports.format import NO_BREAK_SPACE, counted, join_words, sentence_case
from reports.steps.categorical import PAIRS
from reports.steps.diagnostics import standardised_residuals
from reports.steps.flow import ALLOCATED, ANALYSED, ENROLLED, FOLLOWED, TREATED, WITH_VALUE
from reports.tables.verdict import Scale

DRAWN = ("part", "interaction")
"""Questions that the verdict figure shows."""


def draw_figures(context: ReportContext, analysed: AnalysedTrial) -> dict[str, ReportFigure]:
    """Draw every figure of the report.

    Returns
    -------
    dict
        Name -> figure: "verdict", "flow", "profile", "paired", "grades", "grade-flow", "residuals", "naive", as far as
        the trial has them.
    """
    return dict(_drawn(context, analysed))


def _drawn(context: ReportContext, analysed: AnalysedTrial) -> Iterator[tuple[str, ReportFigure]]:
    primary = analysed.primary
    arms, formatter = context.protocol.arms, context.formatter
    rows = verdict_rows(context, primary)
    if len(rows):
        yield "verdict", _verdict(context, primary, rows)
    yield "flow", figures.flow_figure(flow_rows(context))
    facts = primary.facts
    if facts.scale == "continuous":
        yield (
            "profile",
            figures.profile_figure(
                profile_rows(context, primary),
                trajectories(primary),
                arms,
                facts.label,
                facts.unit,
                facts.higher_is_better,
                formatter=formatter,
            ),
        )
        if context.protocol.is_within_patient:
            yield "paired", _paired(context, primary)
    for one in analysed.endpoints:
        if one.facts.scale == "ordinal" and one.facts.grades:
            yield "grades", figures.grade_figure(grade_rows(context, one), arms, formatter=formatter)
            pairs = grade_pairs(context, one)
            if len(pairs):
                yield (
                    "grade-flow",
                    figures.grade_flow_figure(
                        pairs,
                        arms,
                        one.facts.label,
                        grades=one.facts.grades,
                        visit=one.analysis.visit,
                        higher_is_better=one.facts.higher_is_better,
                    ),
                )
            break
    if primary.model is not None:
        residuals = standardised_residuals(primary.model)
        yield (
            "residuals",
            figures.residual_figure(
                residuals["fitted"], residuals["residual"], facts.label, formatter=formatter
            ),
        )
    naive = naive_rows(context)
    if len(naive):
        unit = context.results.text(primary.analysis.name, "scale_unit")
        yield "naive", figures.naive_figure(naive, unit=unit, level=context.level(), formatter=formatter)


def _verdict(context: ReportContext, primary: AnalysedEndpoint, rows: pd.DataFrame) -> ReportFigure:
    scale = Scale.of(context, primary.analysis.name)
    margin = primary.analysis.margin
    return figures.verdict_figure(
        rows,
        None if margin is None else scale.factor * margin,
        scale.unit,
        f"{_compared(rows)}\n{primary.facts.label} at {primary.analysis.visit}",
        arms=context.protocol.arms,
        level=context.level(),
        null=scale.factor * context.results.number(primary.analysis.name, "null"),
        quantity=_quantity(context, scale, rows),
        formatter=context.formatter,
    )


def _compared(rows: pd.DataFrame) -> str:
    """Return what the verdict figure compares."""
    combinations = list(dict.fromkeys(rows["combination"]))
    if len(combinations) > 1:
        return "Each combination against its parts"
    references = join_words(dict.fromkeys(rows.loc[rows["kind"] == "part", "reference"]))
    return f"{combinations[0]} against {references or 'the sum of its parts'}"


def _quantity(context: ReportContext, scale: Scale, rows: pd.DataFrame) -> str:
    """Return what the verdict figure's axis shows; a probability says of what."""
    if scale.show != "probability":
        return sentence_case(context.results.text(context.primary.name, "scale_noun"))
    combinations = set(rows["combination"])
    given = combinations.pop() if len(combinations) == 1 else "the combination"
    unit = "lesion" if context.protocol.is_within_patient else "patient"
    return f"Probability that a {unit} with {given} does better (ties count half)"


def verdict_rows(context: ReportContext, primary: AnalysedEndpoint) -> pd.DataFrame:
    """Return the estimable comparisons and interactions of the primary verdict, for the verdict figure."""
    scale = Scale.of(context, primary.analysis.name)
    records = [
        {
            "contrast": line.contrast,
            "estimate": scale.factor * line.estimate,
            "conf_low": scale.factor * line.conf_low,
            "conf_high": scale.factor * line.conf_high,
            "kind": line.kind,
            "combination": line.combination,
            "reference": line.reference,
        }
        for line in context.all_lines(primary.analysis.name)
        if line.kind in DRAWN and line.estimable
    ]
    columns = ["contrast", "estimate", "conf_low", "conf_high", "kind", "combination", "reference"]
    return pd.DataFrame(records, columns=columns)


ENROLMENT, ALLOCATION, FOLLOW_UP, ANALYSIS = "Enrolment", "Allocation", "Follow-up", "Analysis"
"""The phases of the CONSORT flow diagram."""

ELIGIBILITY = "Assessed for eligibility"
NOT_ENROLLED = "Excluded before enrolment, with reasons"


def flow_rows(context: ReportContext) -> pd.DataFrame:
    """Return the stages of the flow diagram in the phases of CONSORT 2025, what was lost as a note."""
    results, arms = context.results, context.protocol.arms
    records = [
        _flow_row(context, ENROLMENT, ELIGIBILITY),
        _flow_row(context, ENROLMENT, NOT_ENROLLED, aside=True),
        _flow_row(context, ENROLMENT, ENROLLED),
    ]
    visits = [one for one in results.distinct("visit", analysis="flow", statistic="patients_lost") if one]
    for arm, components in arms.items():
        records.append(_flow_row(context, ALLOCATION, ALLOCATED, arm))
        received = _flow_row(context, ALLOCATION, TREATED if components else FOLLOWED, arm)
        stage = "Received treatment" if components else "Followed, untreated"
        records.append(received | {"stage": stage, "note": _lost_note(context, "not received", TREATED, arm)})
    for arm in arms:
        for visit in visits:
            stage = f"Assessed at {visit}"
            row = _flow_row(context, FOLLOW_UP, stage, arm, visit)
            note = _lost_note(context, "not assessed", stage, arm, visit)
            records.append(row | {"stage": f"Assessed at {_together(visit)}", "note": note})
    for arm in arms:
        analysed = _flow_row(context, ANALYSIS, ANALYSED, arm)
        note = _lost_note(context, "not analysed", ANALYSED, arm)
        records.append(analysed | {"stage": "Primary analysis", "note": note})
        with_value = f"{WITH_VALUE} {context.primary.visit}"
        if results.has("flow", "patients", level=with_value, arm=arm):
            stage = f"{WITH_VALUE} {_together(context.primary.visit)}"
            records.append(_flow_row(context, ANALYSIS, with_value, arm) | {"stage": stage})
    frame = pd.DataFrame(records)
    for (_, arm), rows in frame.groupby(["phase", "arm"], sort=False):
        noted = rows.index[rows["note"].notna()]
        if arm and len(noted):
            frame.loc[noted[-1], "note"] += "\nreasons: not provided"
    return frame


def _together(visit: str) -> str:
    """Return a short visit's name so that no line breaks within it."""
    return visit.replace(" ", NO_BREAK_SPACE) if len(visit) <= 12 else visit


def _flow_row(
    context: ReportContext, phase: str, stage: str, arm: str = "", visit: str = "", *, aside: bool = False
) -> dict[str, object]:
    """One stage of the flow; what the results do not hold stays missing."""
    patients, lesions = (
        context.results.get("flow", statistic, level=stage, arm=arm, visit=visit)
        for statistic in ("patients", "lesions")
    )
    return {
        "phase": phase,
        "stage": stage,
        "arm": arm,
        "patients": patients,
        "lesions": lesions,
        "note": None,
        "aside": aside,
    }


def _lost_note(context: ReportContext, verb: str, stage: str, arm: str, visit: str = "") -> str | None:
    """Say how many did not reach a stage; None where all did, or where it is not known."""
    patients, lesions = (
        context.results.get("flow", statistic, level=stage, arm=arm, visit=visit)
        for statistic in ("patients_lost", "lesions_lost")
    )
    if not patients:
        return None
    words = [counted(patients, "patient")] + ([] if lesions is None else [counted(lesions, "lesion")])
    return f"{verb}: {', '.join(word.replace(' ', NO_BREAK_SPACE) for word in words)}"


def profile_rows(context: ReportContext, primary: AnalysedEndpoint) -> pd.DataFrame:
    """Return the observed mean of each arm at each visit with its interval."""
    name = f"{primary.analysis.name}/observed"
    wide = context.results.wide(["week", "n", "mean", "conf_low", "conf_high"], analysis=name)
    wide = wide[(wide["arm"] != "") & (wide["n"] > 0)]
    return wide[["arm", "visit", "week", "n", "mean", "conf_low", "conf_high"]].reset_index(drop=True)


def trajectories(primary: AnalysedEndpoint) -> pd.DataFrame:
    """Return every observed value, one row a unit and visit."""
    rows = primary.observed.dropna(subset=["value"])
    columns = [name for name in ("patient", "lesion", "arm", "week", "value") if name in rows.columns]
    return rows[columns].assign(arm=rows["arm"].astype(str))


def grade_rows(context: ReportContext, one: AnalysedEndpoint) -> pd.DataFrame:
    """Return the number of each grade by arm and visit."""
    name = f"{one.analysis.name}/observed"
    rows = [
        (row.arm, row.visit, row.level, row.value)
        for row in context.results.select(analysis=name, statistic="count")
    ]
    frame = pd.DataFrame(rows, columns=["arm", "visit", "grade", "n"])
    frame["grade"] = pd.Categorical(frame["grade"], one.facts.grades, ordered=True)
    return frame


def grade_pairs(context: ReportContext, one: AnalysedEndpoint) -> pd.DataFrame:
    """Return how many patients had which grades with the combination and with each of its parts."""
    records = []
    for row in context.results.select(analysis=f"{one.analysis.name}/{PAIRS}", statistic="patients"):
        before, _, after = row.level.partition(" | ")
        records.append((row.arm, row.contrast, before, after, row.value))
    columns = ["combination", "reference", "grade_reference", "grade_combination", "n"]
    return pd.DataFrame(records, columns=columns)


def naive_rows(context: ReportContext) -> pd.DataFrame:
    """Return the primary comparisons with the naive ones after each."""
    name = f"{context.primary.name}/naive"
    columns = ["method", "contrast", "estimate", "conf_low", "conf_high"]
    if not context.results.has(name, "estimate"):
        return pd.DataFrame(columns=columns)
    records = []
    for line in context.lines("part"):
        records.append(("This report", line.contrast, line.estimate, line.conf_low, line.conf_high))
        for row in context.results.select(analysis=name, statistic="estimate", contrast=line.contrast):
            low, high = (
                context.results.number(name, limit, contrast=row.contrast, level=row.level)
                for limit in ("conf_low", "conf_high")
            )
            records.append((row.level, row.contrast, float(row.value or 0.0), low, high))
    return pd.DataFrame(records, columns=columns)


def _paired(context: ReportContext, primary: AnalysedEndpoint) -> ReportFigure:
    rows = primary.data[primary.data["visit"].astype(str) == primary.analysis.visit]
    frame = rows[["patient", "arm", "value"]].dropna()
    return figures.paired_figure(
        frame.assign(arm=frame["arm"].astype(str)),
        context.protocol.arms,
        primary.facts.label,
        primary.facts.unit,
        visit=primary.analysis.visit,
        higher_is_better=primary.facts.higher_is_better,
        formatter=context.formatter,
    )
