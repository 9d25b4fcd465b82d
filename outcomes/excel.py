"""Excel workbooks: one sheet, its cells as text, and what a workbook hides said aloud."""

from __future__ import annotations

import json
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
import pandas as pd
from openpyxl.utils import get_column_letter
from openpyxl.utils.exceptions import InvalidFileException

from outcomes.errors import Defect
from outcomes.nearest import nearest
from outcomes.readers import (
    HEADER_ROW,
    RawTable,
    Reading,
    cell_text,
    file_defect,
    frame_of_unique,
    header_defects,
    unreadable,
)

__all__ = ["read_excel"]

Records = list[tuple[int, list[str | None]]]


def read_excel(path: Path, label: str, sheet: str | None) -> Reading:
    """Read one sheet of a workbook.

    Formulas count by the value that Excel stored. A formula without one (written by a program that does not
    calculate) and merged cells are defects, since both would look like missing values. A cell formatted as a
    percentage is read as it is shown, "75%": it holds 0.75, which the checks must not take for a number.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # openpyxl warns of styles and extensions that hold no data
            values = openpyxl.load_workbook(path, data_only=True)
            formulas = openpyxl.load_workbook(path, data_only=False)
    except (zipfile.BadZipFile, InvalidFileException, KeyError, ValueError, OSError) as error:
        return unreadable(label, "Excel workbook", error)
    title, defect = _choose(values, label, sheet)
    if defect is not None:
        return None, [defect]
    records = _records(values[title])
    hidden = _hidden(values[title], formulas[title], label)
    values.close()
    formulas.close()
    table, defects = _table(records, label)
    return table, [*hidden, *defects]


def _choose(book: Any, label: str, sheet: str | None) -> tuple[str, Defect | None]:
    filled = [tab.title for tab in book.worksheets if tab.max_row > 1 or tab["A1"].value is not None]
    if sheet is None and len(filled) > 1:
        hint = f"Say which in [data.sheets], e.g. patients = {json.dumps(filled[0])}"
        listed = ", ".join(map(repr, filled))
        return "", file_defect(label, f"the workbook has {len(filled)} sheets", "one sheet", hint, listed)
    if sheet is not None and sheet not in book.sheetnames:
        near = nearest(sheet, book.sheetnames)
        hint = f"Did you mean {near!r}?" if near else "Correct [data.sheets] in trial.toml"
        expected = "one of " + ", ".join(map(repr, book.sheetnames))
        return "", file_defect(label, "the workbook has no such sheet", expected, hint, sheet)
    return sheet or (filled[0] if filled else book.sheetnames[0]), None


def _records(tab: Any) -> Records:
    records = []
    for number, cells in enumerate(tab.iter_rows(), start=1):
        texts = [_shown(cell) for cell in cells]
        if any(text is not None for text in texts):
            records.append((number, texts))
    return records


def _shown(cell: Any) -> str | None:
    value = cell.value
    if isinstance(value, int | float) and not isinstance(value, bool) and "%" in (cell.number_format or ""):
        return f"{100 * value:.12g}%"
    return cell_text(value)


def _hidden(values: Any, formulas: Any, label: str) -> list[Defect]:
    """Report merged cells, and formulas whose value was never stored."""
    header = [cell_text(cell.value) for cell in next(values.iter_rows(max_row=1), ())]

    def name(position: int) -> str:
        known = header[position - 1] if position <= len(header) else None
        return known or get_column_letter(position)

    defects = []
    for area in values.merged_cells.ranges:
        expected, hint = "a cell of its own for each value", "Unmerge the cells and fill each of them"
        problem = f"the cells {area.coord} are merged"
        defects.append(Defect(label, area.min_row, name(area.min_col), None, expected, hint, problem))
    for row in formulas.iter_rows():
        for cell in row:
            if cell.data_type == "f" and values.cell(cell.row, cell.column).value is None:
                hint = "Open and save it in Excel, or paste the values"
                problem = "the formula has no stored value"
                shown = str(cell.value)
                defects.append(Defect(label, cell.row, name(cell.column), shown, "a value", hint, problem))
    return defects


def _table(records: Records, label: str) -> Reading:
    """Make the table; Excel pads every row to the widest, so that no row is ragged."""
    if not records:
        expected, hint = "a header and one row or more", "Fill it in, or export the table again"
        return None, [Defect(label, HEADER_ROW, None, None, expected, hint, "the sheet is empty")]
    width = len(records[0][1])
    used = [position for position in range(width) if any(row[position] is not None for _, row in records)]
    header = [records[0][1][position] or "" for position in used]
    body = records[1:]
    columns = [pd.Series([row[position] for _, row in body], dtype=object) for position in used]
    rows = np.array([number for number, _ in body], dtype=np.int64)
    return RawTable(label, frame_of_unique(header, columns), rows), header_defects(header, label)
