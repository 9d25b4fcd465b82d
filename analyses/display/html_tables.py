"""What a notebook shows of a fit, its means and contrasts: tables of plain HTML, made from values.

A view is a heading, a table of facts, tables of numbers and notes; `to_html` writes it. The HTML is semantic
(captions, scoped headers), needs no script and no other file, takes the page's own colours, so that it is legible in
light and dark notebooks, and escapes every string. Long tables scroll within their own frame, which can be reached by
keyboard.

The rule of numbers: an estimate and its limits have the decimals that show its standard error to three significant
digits; a covariance matrix those that show its smallest variance so; degrees of freedom have one decimal, test
statistics two, p-values three, and more where three would round onto .05; below 0.001 it is "<0.001". What is not
estimable says so. Rounding is that of `outcomes.rounding`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
import pandas as pd
import scipy

from analyses.inference import COLUMNS
from outcomes.rounding import (
    MINUS,
    NOT_ESTIMABLE,
    decimals_beside_level,
    number_text,
    round_half_up,
    significant,
)

__all__ = [
    "Cell",
    "HtmlTable",
    "HtmlView",
    "estimate_table",
    "matrix_table",
    "number_table",
    "p_value_text",
    "to_html",
]

DIGITS = 3
"""Significant digits of a standard error, or of the smallest variance of a matrix."""

MOST_ROWS = 200
"""Rows of a table that are shown; the rest is counted in a note."""

MOST_LEVELS = 30
"""Levels of a covariance matrix that are shown."""

NONE = "–"
"""Where a row has no such number (no test without spread, no first correlation)."""

FIXED_DECIMALS = range(-4, 9)
"""Places, after or before the point, whose numbers are written out; finer or coarser ones with a power of ten."""

MOST_WHOLE = 1e7
"""Whole numbers below this are written without decimals."""

SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of a table's body.

    Attributes
    ----------
    text
        What it says.
    kind
        ``label`` (a row's header), ``number`` or ``text``.
    pad
        Invisible characters after a number that align decimal points within its column.
    span
        Columns that it covers.
    """

    text: str
    kind: str = "number"
    pad: str = ""
    span: int = 1


@dataclass(frozen=True, slots=True)
class HtmlTable:
    """A table as values: caption, headings, body, and notes below it.

    Attributes
    ----------
    caption
        What the table holds.
    columns
        Headings; none where the rows' headers say all.
    rows
        Cells of every row.
    notes
        Sentences below the table.
    """

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class HtmlView:
    """What a notebook shows of one value.

    Attributes
    ----------
    heading
        What the value is.
    facts
        Names and values, a row each.
    tables
        Tables of numbers.
    sentences
        Paragraphs before the facts.
    notes
        Sentences at the end.
    facts_caption
        Caption of the facts.
    """

    heading: str
    facts: tuple[tuple[str, str], ...] = ()
    tables: tuple[HtmlTable, ...] = ()
    sentences: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    facts_caption: str = "Model and data"


# ---- tables ----


def estimate_table(
    caption: str, table: pd.DataFrame, level: float | None = None, notes: Sequence[str] = ()
) -> HtmlTable:
    """Return the table of a frame of estimates.

    Parameters
    ----------
    caption
        What the estimates are.
    table
        Columns that name a row, then `analyses.inference.COLUMNS` (or some of them), then columns of text or further
        numbers.
    level
        Confidence level of the intervals; None finds it from the numbers themselves (`implied_level`).
    notes
        Sentences below the table.
    """
    level = implied_level(table) if level is None else level
    names = list(table.columns)
    first = next((at for at, name in enumerate(names) if name in COLUMNS), len(names))
    normal = "df" in table and bool(np.isinf(table["df"].dropna()).all()) and table["df"].notna().any()
    shown = table.head(MOST_ROWS)
    texts = _estimate_texts(shown)
    columns: dict[int, list[Cell]] = {}
    for at, name in enumerate(names):
        if at < first:
            columns[at] = [Cell(_label(value), "label") for value in shown[name]]
        elif name in texts:
            columns[at] = [Cell(text, pad=pad) for text, pad in _padded(texts[name])]
        elif pd.api.types.is_numeric_dtype(table[name].dtype):
            own = _p_texts(shown[name]) if str(name).startswith("p_") else _common_texts(shown[name])
            columns[at] = [Cell(text, pad=pad) for text, pad in _padded(own)]
        else:
            columns[at] = [Cell(_label(value), "text") for value in shown[name]]
    numeric = [at for at, name in enumerate(names) if name in COLUMNS]
    rows = []
    for row in range(len(shown)):
        cells = [columns[at][row] for at in range(len(names))]
        # A min test has a p-value without an estimate; only where there is no number at all, nothing is estimable.
        if numeric and shown.iloc[row, numeric].isna().all():
            start, stop = numeric[0], numeric[-1] + 1
            cells[start:stop] = [Cell(NOT_ESTIMABLE, "text", span=stop - start)]
        rows.append(tuple(cells))
    headings = tuple(_heading(str(name), level, normal) for name in names)
    return HtmlTable(caption, headings, tuple(rows), (*notes, *_left_off(len(table), "rows")))


def implied_level(table: pd.DataFrame) -> float | None:
    """Confidence level that the rows' own limits have, or None where they disagree or have none.

    A limit is ``estimate + t(df) std_error``; so its distance from the estimate tells the level.
    """
    if not {"estimate", "std_error", "df", "conf_high"} <= set(table.columns):
        return None
    known = table[["estimate", "std_error", "df", "conf_high"]].astype(float)
    known = known[known.notna().all(axis=1) & (known["std_error"] > 0)]
    if not len(known):
        return None
    distance = (known["conf_high"] - known["estimate"]) / known["std_error"]
    levels = 1 - 2 * scipy.stats.t.sf(distance.to_numpy(), known["df"].to_numpy())
    # 1e-6: of a limit far from zero the subtraction leaves fewer digits than rounding alone would.
    return significant(float(np.median(levels)), 4) if np.ptp(levels) < 1e-6 else None


def matrix_table(caption: str, matrix: pd.DataFrame) -> HtmlTable:
    """Return the table of a covariance matrix, levels x levels, with common decimals."""
    shown = matrix.iloc[:MOST_LEVELS, :MOST_LEVELS]
    values = shown.to_numpy(dtype=float)
    variances = np.diag(values)
    write = _common_format(variances[np.isfinite(variances) & (variances > 0)], values)
    texts = [[write(value) for value in row] for row in values]
    rows = []
    for label, line in zip(shown.index, texts, strict=True):
        rows.append((Cell(_label(label), "label"), *(Cell(text) for text in line)))
    columns = ("", *(_label(label) for label in shown.columns))
    return HtmlTable(caption, columns, tuple(rows), _left_off(len(matrix), "levels", MOST_LEVELS))


def number_table(caption: str, table: pd.DataFrame, labels: int, headings: Mapping[str, str]) -> HtmlTable:
    """Return the table of a frame whose first `labels` columns name a row and whose others hold numbers.

    Each column of numbers has its own decimals; NaN is "–".
    """
    shown = table.head(MOST_ROWS)
    columns: list[list[Cell]] = []
    for at, name in enumerate(shown.columns):
        if at < labels:
            columns.append([Cell(_label(value), "label") for value in shown[name]])
        else:
            padded = _padded(_common_texts(shown[name]))
            columns.append([Cell(text, pad=pad) for text, pad in padded])
    names = tuple(headings.get(str(name), str(name)) for name in shown.columns)
    return HtmlTable(caption, names, tuple(zip(*columns, strict=True)), _left_off(len(table), "rows"))


def _left_off(count: int, what: str, most: int = MOST_ROWS) -> tuple[str, ...]:
    return (f"The first {most} of {count} {what} are shown.",) if count > most else ()


# ---- numbers ----


def p_value_text(p: float) -> str:
    """Write a p-value: "0.032", "0.0497" (not 0.050), "<0.001", ">0.999"."""
    if math.isnan(p):
        return NONE
    if p < 0.001:
        return "<0.001"
    if p > 0.999:
        return ">0.999"
    return number_text(p, decimals_beside_level(p, 3))


def _p_texts(values: pd.Series) -> list[str]:
    return [p_value_text(float(value)) for value in values]


def _estimate_texts(table: pd.DataFrame) -> dict[str, list[str]]:
    """Texts of the columns of estimates, tests and intervals."""
    texts: dict[str, list[str]] = {}
    of_size = [name for name in ("estimate", "std_error", "conf_low", "conf_high") if name in table]
    for name in of_size:
        texts[name] = []
    for _, row in table[of_size].astype(float).iterrows():
        write = _row_format(row)
        for name in of_size:
            texts[name].append(write(float(row[name])))
    for name, decimals in (("df", 1), ("statistic", 2)):
        if name in table:
            texts[name] = [number_text(float(value), decimals, NONE) for value in table[name]]
    if "p_value" in table:
        texts["p_value"] = _p_texts(table["p_value"])
    return texts


def _row_format(row: pd.Series) -> Callable[[float], str]:
    """How the numbers of one row are written: by its standard error, or else by its interval's width."""
    precision = float(row.get("std_error", math.nan))
    if not (math.isfinite(precision) and precision > 0):
        precision = float(row.get("conf_high", math.nan) - row.get("conf_low", math.nan)) / 4
    if not (math.isfinite(precision) and precision > 0):
        return _common_format(np.abs(row.dropna().to_numpy(dtype=float)), row.to_numpy(dtype=float))
    return _at_precision(precision)


def _at_precision(precision: float) -> Callable[[float], str]:
    decimals = DIGITS - 1 - math.floor(math.log10(significant(precision, DIGITS)))
    if decimals in FIXED_DECIMALS:
        fixed = max(0, decimals)
        return lambda value: number_text(value, fixed, NONE)
    return lambda value: _with_power(value, decimals)


def _with_power(value: float, decimals: int) -> str:
    """Write a number as ``1.23 × 10⁻⁹``, with its last digit at the decimals given."""
    if not math.isfinite(value) or abs(value) < 0.5 * 10.0**-decimals:
        return number_text(value, 0, NONE)
    exponent = math.floor(math.log10(abs(value)))
    digits = max(0, decimals + exponent)
    mantissa = round_half_up(value / 10.0**exponent, digits)
    return f"{mantissa:f} × 10{str(exponent).translate(SUPERSCRIPT)}".replace("-", MINUS)


def _common_texts(values: pd.Series) -> list[str]:
    numbers = values.to_numpy(dtype=float, na_value=np.nan)
    write = _common_format(np.abs(numbers), numbers)
    return [write(value) for value in numbers]


def _common_format(sizes: np.ndarray, values: np.ndarray) -> Callable[[float], str]:
    """How numbers of one column or matrix are written: so that the smallest of `sizes` has three digits.

    Sizes a million times below the largest are rounding (a variance of zero) and do not count.
    """
    finite = np.abs(values[np.isfinite(values)])
    largest = float(finite.max(initial=0.0))
    counted_sizes = sizes[np.isfinite(sizes) & (sizes > 1e-6 * largest)]
    if not len(counted_sizes):
        return lambda value: number_text(value, 0, NONE)
    if largest < MOST_WHOLE and (finite == np.round(finite)).all():
        return lambda value: number_text(value, 0, NONE)
    return _at_precision(float(counted_sizes.min()))


def _padded(texts: Sequence[str]) -> list[tuple[str, str]]:
    """Texts with the invisible digits that align their decimal points."""
    plain = re.compile(rf"[<>{MINUS}]?\d+(\.\d+)?")
    fractions = [len(text.partition(".")[2]) if plain.fullmatch(text) else None for text in texts]
    widest = max((count for count in fractions if count is not None), default=0)
    padded = []
    for text, count in zip(texts, fractions, strict=True):
        missing = 0 if count is None else widest - count
        point = "." if count == 0 and missing else ""
        padded.append((text, point + "0" * missing))
    return padded


def _label(value: Any) -> str:
    """Write what names a row: text as it is, numbers shortly."""
    if isinstance(value, str):
        return value
    if isinstance(value, float | np.floating):
        return NONE if math.isnan(value) else f"{value:.6g}".replace("-", MINUS)
    return str(value)


def _heading(name: str, level: float | None, normal: bool) -> str:
    space = "\N{NO-BREAK SPACE}"
    percent = "" if level is None else f"{significant(100 * level, 4):g}{space}%{space}"
    names = {
        "estimate": "Estimate",
        "std_error": "SE",
        "df": "df",
        "statistic": "z" if normal else "t",
        "p_value": "p",
        "conf_low": f"{percent}CI from",
        "conf_high": "to",
        "p_adjusted": "Adjusted p",
        "term": "Term",
        "contrast": "Contrast",
        "question": "Question",
        "answer": "Answer",
    }
    return names.get(name, name)


# ---- HTML ----

STYLE = """
.tandem-view { font: inherit; color: inherit; max-width: 100%; line-height: 1.35; font-size: .92em; }
.tandem-view h3 { font-size: 1.1em; font-weight: 600; margin: .3em 0 .4em; }
.tandem-view p { margin: .35em 0; max-width: 80ch; }
.tandem-view .frame { overflow: auto; max-height: 30em; margin: .6em 0 .2em; width: fit-content; max-width: 100%; }
.tandem-view .frame:focus-visible { outline: 2px solid currentColor; outline-offset: 2px; }
div.tandem-view table { border-collapse: collapse; border: 0; margin: 0; table-layout: auto; font-size: inherit;
  color: inherit; font-variant-numeric: tabular-nums lining-nums; }
div.tandem-view caption { text-align: left; font-weight: 600; padding: .2em .1em .3em;
  color: inherit; caption-side: top; }
div.tandem-view th, div.tandem-view td { text-align: left; vertical-align: baseline; padding: .16em .8em .16em .1em;
  border: 0; color: inherit; max-width: 26em; overflow-wrap: anywhere; white-space: normal; unicode-bidi: isolate; }
div.tandem-view tbody th { font-weight: 400; }
div.tandem-view thead th, div.tandem-view thead td { font-weight: 600; vertical-align: bottom;
  border-bottom: 1px solid rgba(128, 128, 128, .75);
  position: sticky; top: 0; z-index: 1; overflow-wrap: normal;
  background: var(--jp-layout-color0, var(--vscode-editor-background, Canvas));
  color: var(--jp-content-font-color1, var(--vscode-editor-foreground, CanvasText)); }
div.tandem-view thead th.number, div.tandem-view td.number { text-align: right; white-space: nowrap;
  padding-right: 1em; }
div.tandem-view thead th.number { white-space: normal; max-width: 7em; }
div.tandem-view tbody tr, div.tandem-view tbody tr:nth-child(odd), div.tandem-view tbody tr:hover { background: none; }
div.tandem-view tbody tr + tr > * { border-top: 1px solid rgba(128, 128, 128, .22); }
div.tandem-view table.facts tbody th { font-weight: 600; white-space: nowrap; padding-right: 1.4em; }
div.tandem-view table.facts td { max-width: 80ch; }
.tandem-view td[data-pad]::after { content: attr(data-pad); visibility: hidden; }
.tandem-view .note { font-size: .92em; }
@media print { .tandem-view .frame { max-height: none; overflow: visible; } }
"""
"""Colours are the page's own. Only the headings that stay while a long table scrolls need a ground to stand on: the
notebook's, or the browser's pair of system colours, which is legible in both schemes."""

ABBREVIATIONS = {
    "SE": "standard error",
    "SD": "standard deviation",
    "df": "degrees of freedom",
    "CI": "confidence interval",
    "AIC": "Akaike's information criterion",
    "BIC": "Schwarz's Bayesian information criterion",
}


def to_html(view: HtmlView) -> str:
    """Write a view as one HTML element that can stand in any page.

    The classes ``tex2jax_ignore mathjax_ignore`` keep notebooks from reading dollar signs in labels as mathematics.
    """
    parts = [
        '<div class="tandem-view tex2jax_ignore mathjax_ignore">',
        f"<style>{STYLE}</style>",
        f"<h3>{_escaped(view.heading)}</h3>",
    ]
    parts.extend(f"<p>{_escaped(sentence)}</p>" for sentence in view.sentences)
    if view.facts:
        parts.append(_facts(view))
    parts.extend(_table(table) for table in view.tables)
    parts.extend(f'<p class="note">{_escaped(note)}</p>' for note in view.notes)
    return "\n".join([*parts, "</div>"])


def _escaped(text: str) -> str:
    """Text for HTML: markup and quotation marks escaped, characters that HTML forbids replaced."""
    return escape(CONTROL.sub("\N{REPLACEMENT CHARACTER}", text), quote=True)


def _abbreviated(text: str) -> str:
    """A heading of ours with its abbreviation explained; every other text is escaped."""
    html = _escaped(text)
    for short, long in ABBREVIATIONS.items():
        if re.search(rf"(?:^|\s){short}(?:$|\s)", text):
            return html.replace(short, f'<abbr title="{_escaped(long)}">{short}</abbr>', 1)
    return html


def _facts(view: HtmlView) -> str:
    rows = "\n".join(
        f'<tr><th scope="row">{_abbreviated(name)}</th><td>{_escaped(value)}</td></tr>'
        for name, value in view.facts
    )
    label = f"{view.heading}: {view.facts_caption}"
    return _framed(label, f"<tbody>\n{rows}\n</tbody>", "facts", view.facts_caption)


def _table(table: HtmlTable) -> str:
    numeric = _numeric_columns(table)
    heads = "".join(
        f'<th scope="col"{_class(at in numeric)}>{_abbreviated(name)}</th>' if name else "<td></td>"
        for at, name in enumerate(table.columns)
    )
    body = "\n".join("<tr>" + "".join(_cell(cell) for cell in row) + "</tr>" for row in table.rows)
    content = f"<thead><tr>{heads}</tr></thead>\n<tbody>\n{body}\n</tbody>"
    notes = "".join(f'\n<p class="note">{_escaped(note)}</p>' for note in table.notes)
    return _framed(table.caption, content, "numbers", table.caption) + notes


def _framed(label: str, content: str, kind: str, caption: str) -> str:
    return (
        f'<div class="frame" role="region" tabindex="0" aria-label="{_escaped(label)}">'
        f'<table class="{kind}"><caption>{_escaped(caption)}</caption>\n{content}\n</table></div>'
    )


def _numeric_columns(table: HtmlTable) -> set[int]:
    found = set()
    for row in table.rows:
        at = 0
        for cell in row:
            if cell.kind == "number":
                found.add(at)
            at += cell.span
    return found


def _class(numeric: bool) -> str:
    return ' class="number"' if numeric else ""


def _cell(cell: Cell) -> str:
    if cell.kind == "label":
        return f'<th scope="row">{_escaped(cell.text)}</th>'
    span = f' colspan="{cell.span}"' if cell.span > 1 else ""
    pad = f' data-pad="{cell.pad}"' if cell.pad else ""
    return f"<td{_class(cell.kind == 'number')}{span}{pad}>{_escaped(cell.text)}</td>"
