"""How far the answer rests on its assumptions: other data, other models, the naive analysis, carry-across."""

from __future__ import annotations

from outcomes.protocol import Analysis
from reports.context import ReportContext
from reports.format import sentence_case
from reports.tables.cells import estimate_cells, number, p_cell, table_name
from reports.tables.outcome import source_line
from reports.tables.value import EMPTY, Cell, Column, Row, Table, blank_row
from reports.tables.verdict import Scale

PRIMARY = "Primary analysis"


def sensitivity_table(context: ReportContext) -> Table | None:
    """The primary question under every other set of assumptions; None where there is none."""
    analysis = context.primary
    name = f"{analysis.name}/sensitivity"
    variants = context.results.distinct("level", analysis=name, statistic="estimate")
    others = [one for one in context.analyses if one.role == "sensitivity"]
    if not variants and not others:
        return None
    scale = Scale.of(context, analysis.name)
    contrasts = [line.contrast for line in context.lines("part")]
    units = _units(context)
    columns = [Column(unit.capitalize()) for unit in units]
    for contrast in contrasts:
        columns += [
            Column("Estimate", spanner=contrast),
            Column(context.interval_header(), "low", spanner=contrast),
            Column("", "high", spanner=contrast),
        ]
    columns.append(Column("Min test p"))
    rows = [_of_verdict(context, scale, analysis, PRIMARY, contrasts)]
    # Variants that differ from the primary analysis in the same way share one footnote.
    said = {variant: context.results.text(name, "variant", variant) for variant in variants}
    key_of = {variant: next(one for one in variants if said[one] == said[variant]) for variant in variants}
    for variant in variants:
        cells = _counts(context, name, units, level=variant)
        for contrast in contrasts:
            address = {"level": variant, "contrast": contrast}
            found = [
                context.results.get(name, one, **address) for one in ("estimate", "conf_low", "conf_high")
            ]
            cells += _scaled(context, scale, found)
        cells.append(p_cell(context.formatter, context.results.get(name, "min_test_p", level=variant)))
        rows.append(Row(Cell(variant, notes=(key_of[variant],)), tuple(cells)))
    references = [line.reference for line in context.lines("part")]
    rows += [_of_other(context, one, references) for one in others]
    notes = {key: f"{sentence_case(said[key])}." for key in dict.fromkeys(key_of.values())}
    unit = f", {scale.unit}" if scale.unit else ""
    return context.finished(
        Table(
            "sensitivity",
            f"The primary question under other assumptions{unit}",
            tuple(columns),
            tuple(rows),
            stub="Analysis",
            notes=notes,
            source=source_line(context, analysis),
        ),
        context.primary,
        described=True,
    )


def _units(context: ReportContext) -> tuple[str, ...]:
    """Return the units that the primary analysis counts."""
    lesions = context.results.has(context.primary.name, "n_lesions")
    return ("patients", "lesions") if lesions else ("patients",)


def _counts(context: ReportContext, name: str, units: tuple[str, ...], **address: str) -> list[Cell]:
    """Return how many patients and lesions an analysis used."""
    return [number(context.formatter, context.results.get(name, f"n_{unit}", **address)) for unit in units]


def _of_verdict(
    context: ReportContext, scale: Scale, analysis: Analysis, label: str, contrasts: list[str]
) -> Row:
    parts = {line.contrast: line for line in context.lines("part", analysis.name)}
    cells = _counts(context, analysis.name, _units(context), arm="")
    for contrast in contrasts:
        line = parts.get(contrast)
        if line is None:
            cells.append(Cell("not assessable", span=3))
        else:
            cells += _scaled(context, scale, [line.estimate, line.conf_low, line.conf_high])
    joint = context.lines("min_test", analysis.name)
    return Row(Cell(label), (*cells, p_cell(context.formatter, joint[0].p_value if joint else None)))


def _of_other(context: ReportContext, analysis: Analysis, references: list[str]) -> Row:
    """One of the protocol's own sensitivity analyses: on its own scale, and said so, part by part."""
    scale = Scale.of(context, analysis.name)
    parts = {line.reference: line for line in context.lines("part", analysis.name)}
    cells = _counts(context, analysis.name, _units(context), arm="")
    for reference in references:
        line = parts.get(reference)
        if line is None or not line.estimable:
            cells.append(Cell("not assessable", span=3))
        else:
            cells += _scaled(context, scale, [line.estimate, line.conf_low, line.conf_high])
    joint = context.lines("min_test", analysis.name)
    own = [scale.unit] if scale.unit != Scale.of(context, context.primary.name).unit else []
    if context.interval_header(analysis.name) != context.interval_header():
        own.append(context.interval_header(analysis.name))
    label = f"Analysis “{analysis.name}”" + (f" ({', '.join(filter(None, own))})" if any(own) else "")
    return Row(Cell(label), (*cells, p_cell(context.formatter, joint[0].p_value if joint else None)))


def _scaled(context: ReportContext, scale: Scale, values: list[float | int | None]) -> tuple[Cell, ...]:
    shown = [None if value is None else scale.factor * value for value in values]
    return estimate_cells(context.formatter, shown[0], shown[1], shown[2], scale.decimals)


def naive_table(context: ReportContext) -> Table | None:
    """The right analysis beside those that ignore the pairing; None where there is nothing to ignore."""
    name = f"{context.primary.name}/naive"
    results, formatter = context.results, context.formatter
    methods = results.distinct("level", analysis=name, statistic="estimate")
    if not methods:
        return None
    decimals = context.decimals()
    rows: list[Row] = []
    for line in context.lines("part"):
        rows.append(blank_row(line.contrast, 6))
        cells = (
            *estimate_cells(formatter, line.estimate, line.conf_low, line.conf_high, decimals),
            number(formatter, line.std_error, decimals),
            number(formatter, 1.0, 2),
            p_cell(formatter, line.p_value),
        )
        rows.append(Row(Cell(PRIMARY), cells, indent=1))
        for method in methods:
            address = {"level": method, "contrast": line.contrast}
            if not results.has(name, "estimate", **address):
                continue
            found = [results.value(name, one, **address) for one in ("estimate", "conf_low", "conf_high")]
            cells = (
                *estimate_cells(formatter, found[0], found[1], found[2], decimals),
                number(formatter, results.value(name, "std_error", **address), decimals),
                number(formatter, results.value(name, "se_ratio", **address), 2),
                p_cell(formatter, results.value(name, "p_value", **address)),
            )
            rows.append(Row(Cell(method), cells, indent=1))
    return context.finished(
        Table(
            "naive",
            "What an analysis blind to the pairing would have said",
            (
                Column("Difference"),
                Column(context.interval_header(), "low"),
                Column("", "high"),
                Column("SE"),
                Column("SE over ours", notes=("ratio",)),
                Column("p"),
            ),
            tuple(rows),
            stub="Comparison and method",
            notes={
                "ratio": (
                    "Above 1 the naive interval is wider than the right one: the pairing's precision is thrown away. "
                    "Below 1 it is too narrow, and claims more than the data hold."
                )
            },
            source=source_line(context, context.primary),
        ),
        context.primary,
    )


def carry_across_table(context: ReportContext) -> Table | None:
    """What each contrast would be without spill-over between a patient's lesions, for assumed shares of it."""
    name = f"{context.primary.name}/carry-across"
    results, formatter = context.results, context.formatter
    shares = results.distinct("level", analysis=name, statistic="estimate")
    if not shares:
        return None
    scale = Scale.of(context, context.primary.name)
    shown = {line.contrast for kind in ("part", "interaction") for line in context.lines(kind)}
    contrasts = [
        one for one in results.distinct("contrast", analysis=name, statistic="estimate") if one in shown
    ]
    columns: list[Column] = []
    for contrast in contrasts:
        columns += [
            Column("Difference", spanner=contrast),
            Column(context.interval_header(), "low", spanner=contrast),
            Column("", "high", spanner=contrast),
        ]
    rows = []
    for share in shares:
        cells: list[Cell] = []
        for contrast in contrasts:
            address = {"level": share, "contrast": contrast}
            found = [results.value(name, one, **address) for one in ("estimate", "conf_low", "conf_high")]
            cells += _scaled(context, scale, found)
        assumed = results.value(name, "spill_over", level=share)
        rows.append(Row(Cell(formatter.percent(assumed)), tuple(cells)))
    return context.finished(
        Table(
            "carry-across",
            "The differences where a treatment spills over to the patient's other lesions",
            tuple(columns),
            tuple(rows),
            stub="Assumed spill-over",
            notes={
                "method": (
                    "A patient's lesions have different arms, so spill-over cannot be estimated and is not tested. "
                    "A spill-over of a share k of each effect to the other lesions multiplies every difference by "
                    "(1 − k): shown is the difference over (1 − k). Spill-over hides benefit, so ignoring it is "
                    "cautious for superiority and the opposite for equivalence."
                )
            },
            source=source_line(context, context.primary),
        ),
        context.primary,
    )


def covariance_table(context: ReportContext, analysis: Analysis) -> Table | None:
    """The model's residual standard deviations and correlations, arms by arms or visits by visits."""
    name = f"{analysis.name}/model"
    results, formatter = context.results, context.formatter
    labels = results.distinct("level", analysis=name, statistic="residual_sd")
    if not 2 <= len(labels) <= 8 or any(": " in label for label in labels):
        return None
    decimals = context.decimals(analysis.name)
    rows = []
    for place, label in enumerate(labels):
        spread = number(formatter, results.value(name, "residual_sd", level=label), decimals)
        cells: list[Cell] = [spread]
        for other in labels[:place]:
            cells.append(
                number(formatter, results.value(name, "residual_correlation", level=f"{other} | {label}"), 2)
            )
        cells += [EMPTY] * (len(labels) - 1 - place)
        rows.append(Row(Cell(label), tuple(cells)))
    columns = [Column("SD"), *(Column(label, spanner="Correlation with") for label in labels[:-1])]
    return context.finished(
        Table(
            table_name("covariance", analysis.name),
            "Spread and correlation within patients, as the model estimates them",
            tuple(columns),
            tuple(rows),
            stub="Arm" if set(labels) <= set(context.protocol.arms) else "Visit",
            source=source_line(context, analysis),
        ),
        analysis,
    )


def coefficients_table(context: ReportContext, analysis: Analysis) -> Table | None:
    """The model's coefficients, for those who refit it."""
    name = f"{analysis.name}/model"
    results, formatter = context.results, context.formatter
    decimals = context.decimals(analysis.name) + 1
    rows = []
    for found in results.select(analysis=name, statistic="coefficient_estimate"):
        values = {
            one: results.value(name, f"coefficient_{one}", level=found.level)
            for one in ("std_error", "df", "statistic", "p_value", "conf_low", "conf_high")
        }
        rows.append(
            Row(
                Cell(found.level),
                (
                    number(formatter, found.value, decimals),
                    number(formatter, values["std_error"], decimals),
                    number(formatter, values["conf_low"], decimals),
                    number(formatter, values["conf_high"], decimals),
                    number(formatter, values["df"], 1),
                    number(formatter, values["statistic"], 2),
                    p_cell(formatter, values["p_value"]),
                ),
            )
        )
    if not rows:
        return None
    return context.finished(
        Table(
            table_name("coefficients", analysis.name),
            "The model's coefficients",
            (
                Column("Estimate (SE)"),
                Column("", "paren"),
                Column("95 % CI", "low"),
                Column("", "high"),
                Column("df"),
                Column("t"),
                Column("p"),
            ),
            tuple(rows),
            stub="Term",
            notes={
                "terms": "[T.x]: the level x against the factor's first level; a colon joins an interaction."
            },
            source=source_line(context, analysis),
        ),
        analysis,
    )
