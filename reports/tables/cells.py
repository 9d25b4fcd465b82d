"""Cells that many tables share: numbers, estimates with intervals, counts with percentages, arms' headings."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from reports.format import Formatter, counted
from reports.results import Number
from reports.tables.value import EMPTY, Cell, Column, number_cell


def number(formatter: Formatter, value: Number, decimals: int = 0) -> Cell:
    """Return a number's cell; empty where there is no number."""
    if value is None or math.isnan(value):
        return EMPTY
    return number_cell(formatter.number(value, decimals), value)


def p_cell(formatter: Formatter, p: Number) -> Cell:
    """Return a p-value's cell; empty where there is none."""
    if p is None or math.isnan(p):
        return EMPTY
    return Cell(formatter.p_value(p), p)


def estimate_cells(
    formatter: Formatter, estimate: Number, low: Number, high: Number, decimals: int
) -> tuple[Cell, ...]:
    """Return three cells: an estimate and its limits, or one "not estimable" across them."""
    if estimate is None or math.isnan(estimate):
        return (Cell("not estimable", span=3),)
    return tuple(number(formatter, value, decimals) for value in (estimate, low, high))


def count_cells(
    formatter: Formatter, count: Number, proportion: Number, decimals: int = 0
) -> tuple[Cell, Cell]:
    """Return a count and its percentage."""
    if count is None:
        return EMPTY, EMPTY
    percentage = None if proportion is None else 100 * proportion
    return number(formatter, count), number(formatter, percentage, decimals)


def interval_columns(estimate: str, interval: str, spanner: str = "") -> tuple[Column, ...]:
    """Return the columns of an estimate and its interval."""
    return (
        Column(estimate, spanner=spanner),
        Column(interval, "low", spanner=spanner),
        Column("", "high", spanner=spanner),
    )


def unit_lines(counts: Mapping[str, Number]) -> tuple[str, ...]:
    """Return the lines under an arm's name: "N = 30 patients", "n = 30 lesions"."""
    lines = []
    for symbol, unit in (("N", "patients"), ("n", "lesions")):
        value = counts.get(unit)
        if value is not None:
            lines.append(f"{symbol} = {counted(value, unit.removesuffix('s'))}")
    return tuple(lines)


def table_name(kind: str, analysis: str) -> str:
    """Return the identifier of an analysis's table: letters of ASCII, digits and hyphens."""
    return "-".join([kind, *re.findall(r"[a-z0-9]+", analysis.lower())])
