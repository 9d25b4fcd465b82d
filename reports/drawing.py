"""The report's figures, drawn from results and, for single trajectories and residuals, from the analysed data."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from outcomes.endpoint import EndpointFacts
from reports import figures
from reports.analyse import AnalysedEndpoint, AnalysedTrial
from reports.context import ReportContext
from reports.figures import ReportFigure
from reports.format import NO_BREAK_SPACE, counted, join_words, sentence_case
from reports.results import Number
from reports.steps.categorical import PAIRS
from reports.steps.continuous import ContinuousModel
from reports.steps.diagnostics import standardised_residuals
from reports.steps.flow import ALLOCATED, ANALYSED, ENROLLED, FOLLOWED, TREATED, WITH_VALUE
from reports.steps.subgroups import SUBGROUPS
from reports.tables.verdict import Scale

DRAWN = ("part", "interaction")
"""Questions that the verdict figure shows."""


def draw_figures(context: ReportContext, analysed: AnalysedTrial) -> dict[str, ReportFigure]:
    """Draw every figure of the report.

    Returns
    -------
    dict
        Name -> figure: "verdict", "flow", "profile", "paired", "waterfall", "cumulative", "interaction", "subgroups",
        "grades", "grade-flow", "residuals", "naive", as far as the trial has them.
    """
    return dict(_drawn(context, analysed))


def _drawn(context: ReportContext, analysed: AnalysedTrial) -> Iterator[tuple[str, ReportFigure]]:
    primary = analysed.primary
    rows = verdict_rows(context, primary)
    if len(rows):
        yield "verdict", _verdict(context, primary, rows)
    yield "flow", figures.flow_figure(flow_rows(context))
    if primary.facts.scale == "continuous":
        yield "profile", _profile(context, primary)
        if context.protocol.is_within_patient:
            yield "paired", _paired(context, primary)
    yield from _responses(context, analysed)
    cells = two_by_two(context)
    if cells is not None:
        yield "interaction", _interaction(context, primary, cells)
    subgroups = subgroup_rows(context)
    if len(subgroups):
        yield "subgroups", _subgroups(context, subgroups)
    graded = (one for one in analysed.endpoints if one.facts.scale == "ordinal" and one.facts.grades)
    first = next(graded, None)
    if first is not None:
        yield from _grades(context, first)
    if primary.model is not None:
        yield "residuals", _residuals(context, primary.facts, primary.model)
    naive = naive_rows(context)
    if len(naive):
        yield "naive", _naive(context, primary, naive)


def _profile(context: ReportContext, primary: AnalysedEndpoint) -> ReportFigure:
    facts = primary.facts
    return figures.profile_figure(
        profile_rows(context, primary),
        trajectories(primary),
        context.protocol.arms,
        facts.label,
        facts.unit,
        facts.higher_is_better,
        formatter=context.formatter,
    )


def _grades(context: ReportContext, graded: AnalysedEndpoint) -> Iterator[tuple[str, ReportFigure]]:
    """Yield the grades of each arm and, within patients, their flow between arms."""
    arms, facts = context.protocol.arms, graded.facts
    rows = grade_rows(context, graded)
    yield "grades", figures.grade_figure(rows, arms, label=facts.label, formatter=context.formatter)
    pairs = grade_pairs(context, graded)
    if len(pairs):
        flow = figures.grade_flow_figure(
            pairs,
            arms,
            facts.label,
            grades=facts.grades or (),
            visit=graded.analysis.visit,
            higher_is_better=facts.higher_is_better,
        )
        yield "grade-flow", flow


def _residuals(context: ReportContext, facts: EndpointFacts, model: ContinuousModel) -> ReportFigure:
    residuals = standardised_residuals(model)
    return figures.residual_figure(
        residuals["fitted"], residuals["residual"], facts.label, formatter=context.formatter
    )


def _naive(context: ReportContext, primary: AnalysedEndpoint, rows: pd.DataFrame) -> ReportFigure:
    return figures.naive_figure(
        rows,
        unit=context.results.text(primary.analysis.name, "scale_unit"),
        outcome=f"{primary.facts.label} at {primary.analysis.visit}",
        level=context.level(),
        formatter=context.formatter,
    )


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


def _responses(context: ReportContext, analysed: AnalysedTrial) -> Iterator[tuple[str, ReportFigure]]:
    """Draw every single response of the endpoint that shows it best: see `response_endpoint`."""
    one = response_endpoint(analysed)
    if one is None:
        return
    facts, visit = one.facts, one.analysis.visit
    values = responses(one)
    if values.empty:
        return
    limits = response_limits(context, facts.name)
    for name, draw in (("waterfall", figures.waterfall_figure), ("cumulative", figures.cumulative_figure)):
        yield (
            name,
            draw(
                values,
                context.protocol.arms,
                facts.label,
                facts.unit,
                facts.higher_is_better,
                visit=visit,
                limits=limits,
                formatter=context.formatter,
            ),
        )


def response_endpoint(analysed: AnalysedTrial) -> AnalysedEndpoint | None:
    """Return the analysis whose single values are drawn: in per cent where one is, the primary one first."""
    order = [analysed.primary, *analysed.endpoints]
    usable = [
        one
        for one in order
        if one.facts.scale == "continuous" and one.facts.derive != "grade" and "arm" in one.data.columns
    ]
    relative = [one for one in usable if one.facts.unit == "%"]
    return next(iter([*relative, *usable]), None)


def responses(one: AnalysedEndpoint) -> pd.DataFrame:
    """Return the values of an analysis at its visit, one row a unit."""
    rows = one.data[one.data["visit"].astype(str) == one.analysis.visit].dropna(subset=["value"])
    columns = [name for name in ("patient", "lesion", "arm", "value") if name in rows.columns]
    return rows[columns].assign(arm=rows["arm"].astype(str))


def response_limits(context: ReportContext, endpoint: str) -> tuple[figures.ResponseLimit, ...]:
    """Return what the protocol calls a response of an endpoint, from the smallest value on."""
    limits = {
        figures.ResponseLimit(one.threshold.op, one.threshold.value)
        for one in context.protocol.endpoints
        if one.derive == "responder" and one.from_ == endpoint and one.threshold is not None
    }
    return tuple(sorted(limits, key=lambda limit: (limit.value, limit.side)))


def two_by_two(context: ReportContext) -> figures.TwoByTwo | None:
    """Return the 2 x 2 that the primary interaction is about; None where there is no such model."""
    protocol, results = context.protocol, context.results
    lines = [line for line in context.lines("interaction") if line.estimable]
    if context.facts().scale != "continuous" or len(lines) != 1:
        return None
    both = lines[0].combination
    parts = protocol.arms.parts(both)
    neither = protocol.arms.control
    if len(parts) != 2 or neither is None or len(protocol.arms[both]) != 2:
        return None
    names = [protocol.components[next(iter(protocol.arms[part]))] for part in parts]
    cells = figures.TwoByTwo(neither, parts[0], parts[1], both, *map(_within_a_sentence, names))
    means = f"{context.primary.name}/means"
    if all(results.get(means, "estimate", arm=arm) is not None for arm in cells.arms):
        return cells
    return None


def _within_a_sentence(name: str) -> str:
    """Return a component's name with a small first letter, unless it begins with an abbreviation."""
    return name[:1].lower() + name[1:] if not name[:2].isupper() else name


def _interaction(context: ReportContext, primary: AnalysedEndpoint, cells: figures.TwoByTwo) -> ReportFigure:
    (line,) = (line for line in context.lines("interaction") if line.estimable)
    wide = context.results.wide(
        ["estimate", "conf_low", "conf_high"],
        analysis=f"{primary.analysis.name}/means",
        visit=primary.analysis.visit,
    )
    facts, scale = primary.facts, Scale.of(context, primary.analysis.name)
    return figures.interaction_figure(
        wide[["arm", "estimate", "conf_low", "conf_high"]],
        cells,
        (line.estimate, line.conf_low, line.conf_high),
        context.protocol.arms,
        facts.label,
        facts.unit,
        facts.higher_is_better,
        visit=primary.analysis.visit,
        difference_unit=scale.unit,
        level=context.level(),
        formatter=context.formatter,
    )


def subgroup_rows(context: ReportContext) -> pd.DataFrame:
    """Return the primary differences overall and by subgroup; empty where no subgroups were analysed."""
    name, results = context.primary.name, context.results
    wide = results.wide(
        ["estimate", "conf_low", "conf_high", "n_patients", "n_lesions"], analysis=f"{name}/{SUBGROUPS}"
    )
    covariates = [one.name for one in context.protocol.covariates]
    records = []
    for line in context.lines("part"):
        found = wide[wide["contrast"] == line.contrast]
        if found.empty:
            continue
        own = (line.combination, line.reference)
        counts = {
            unit: [results.get(name, f"n_{unit}", arm=arm) for arm in own] for unit in ("patients", "lesions")
        }
        shared = context.protocol.is_within_patient
        records.append(
            {
                "contrast": line.contrast,
                "combination": line.combination,
                "covariate": "",
                "level": "",
                "estimate": line.estimate,
                "conf_low": line.conf_low,
                "conf_high": line.conf_high,
                "n_patients": max(_known(counts["patients"])) if shared else sum(_known(counts["patients"])),
                "n_lesions": sum(_known(counts["lesions"])) if None not in counts["lesions"] else None,
            }
        )
        for row in found.to_dict("records"):
            covariate = next(one for one in covariates if str(row["level"]).startswith(f"{one}: "))
            level = str(row["level"]).removeprefix(f"{covariate}: ")
            records.append(row | {"combination": line.combination, "covariate": covariate, "level": level})
    columns = [
        "contrast",
        "combination",
        "covariate",
        "level",
        "estimate",
        "conf_low",
        "conf_high",
        "n_patients",
        "n_lesions",
    ]
    return pd.DataFrame(records, columns=columns)


def _known(counts: list[Number]) -> list[int]:
    return [int(count) for count in counts if count is not None]


def _subgroups(context: ReportContext, rows: pd.DataFrame) -> ReportFigure:
    scale, facts = Scale.of(context, context.primary.name), context.facts()
    analysis = f"{context.primary.name}/{SUBGROUPS}"
    covariates = [one for one in dict.fromkeys(rows["covariate"]) if one]
    shown = {one: covariate_name(one) for one in covariates}
    p_values = {
        shown[one]: context.results.number(analysis, "p_interaction", level=one)
        for one in covariates
        if context.results.has(analysis, "p_interaction", level=one)
    }
    numbers = {
        name: scale.factor * rows[name].astype(float) for name in ("estimate", "conf_low", "conf_high")
    }
    return figures.subgroup_figure(
        rows.assign(covariate=rows["covariate"].map(lambda one: shown.get(one, "")), **numbers),
        p_values,
        scale.unit,
        f"{facts.label} at {context.primary.visit}",
        arms=context.protocol.arms,
        margin=context.primary.margin,
        level=context.level(),
        formatter=context.formatter,
    )


def covariate_name(name: str) -> str:
    """Return a covariate's name for people: "body_site" is "Body site"."""
    return sentence_case(name.replace("_", " "))


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
