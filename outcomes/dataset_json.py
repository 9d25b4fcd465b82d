"""CDISC Dataset-JSON 1.1: one dataset a file, columns described once, rows as arrays.

The structure is that of the CDISC Dataset-JSON specification, version 1.1 (2024): an object with the
metadata of the item group (``datasetJSONVersion``, ``itemGroupOID``, ``name``, ``label``, ``records``), ``columns``
(each ``itemOID``, ``name``, ``label``, ``dataType``) and ``rows``. The NDJSON form has the object without rows on
its first line, then one array a line.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from outcomes.errors import Defect
from outcomes.readers import HEADER_ROW, Reading, file_defect, typed_table

__all__ = ["read_dataset_json"]

_EXPECTED = "a Dataset-JSON 1.1 object"
_HINT = "Export it again as Dataset-JSON 1.1, or save it as CSV"


def read_dataset_json(content: bytes, label: str, *, lines: bool = False) -> Reading:
    """Read one Dataset-JSON file.

    Parameters
    ----------
    content : bytes
        The file's content, UTF-8.
    label : str
        What defects call the file.
    lines : bool
        Whether it is the NDJSON form.

    Returns
    -------
    table : RawTable or None
    defects : list of Defect
        A row is counted as a spreadsheet would show it: the first of ``rows`` is row 2.
    """
    try:
        text = content.decode("utf-8-sig")
        head, rows = _split_lines(text) if lines else _split_object(text)
    except UnicodeDecodeError as error:
        problem = f"wrong encoding at byte {error.start}"
        return None, [file_defect(label, problem, "UTF-8, as JSON requires", "Save it as UTF-8")]
    except ValueError as error:
        return None, [file_defect(label, f"the file is no Dataset-JSON: {error}", _EXPECTED, _HINT)]
    shape = _shape_defects(head, rows, label)
    if shape:
        return None, shape
    names = [str(column["name"]) for column in head["columns"]]
    repeated = [name for name, count in Counter(names).items() if count > 1]
    defects = [
        Defect(
            label, HEADER_ROW, name, None, "each column once", "Rename one", "the column stands there twice"
        )
        for name in repeated
    ]
    records = head.get("records")
    if isinstance(records, int) and records != len(rows):
        hint = "The file may be cut off: export it again"
        problem = f"the file says that it has {records} records, but holds {len(rows)}"
        defects.append(file_defect(label, problem, f"{records} rows", hint, str(len(rows))))
    good = []
    for number, row in enumerate(rows, start=HEADER_ROW + 1):
        if isinstance(row, list) and len(row) == len(names):
            good.append(row)
            continue
        got = len(row) if isinstance(row, list) else type(row).__name__
        expected = f"an array of {len(names)} cells"
        defects.append(
            Defect(label, number, names[-1], str(got), expected, _HINT, "the row does not fit the columns")
        )
    if len(good) < len(rows):
        return None, defects
    columns: dict[str, list[object]] = {}
    for position, name in enumerate(names):
        columns.setdefault(name, [row[position] for row in rows])
    return typed_table(columns, label), defects


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is no JSON value")


def _split_object(text: str) -> tuple[dict[str, Any], list[Any]]:
    whole = json.loads(text, parse_constant=_no_constant)
    if not isinstance(whole, dict):
        raise ValueError(f"it holds {type(whole).__name__} at its top")
    rows = whole.get("rows")
    if "clinicalData" in whole or "referenceData" in whole:
        raise ValueError("it has the structure of version 1.0; version 1.1 is read")
    if not isinstance(rows, list):
        raise ValueError("the key 'rows' with an array is missing")
    return whole, rows


def _split_lines(text: str) -> tuple[dict[str, Any], list[Any]]:
    parsed = [json.loads(line, parse_constant=_no_constant) for line in text.splitlines() if line.strip()]
    if not parsed or not isinstance(parsed[0], dict):
        raise ValueError("the first line is no object")
    return parsed[0], parsed[1:]


def _shape_defects(head: dict[str, Any], rows: list[Any], label: str) -> list[Defect]:
    version = head.get("datasetJSONVersion")
    columns = head.get("columns")
    if not isinstance(version, str) or not version.startswith("1.1"):
        shown = None if version is None else str(version)
        return [file_defect(label, "the version is not 1.1", 'datasetJSONVersion "1.1.x"', _HINT, shown)]
    named = isinstance(columns, list) and all(
        isinstance(c, dict) and isinstance(c.get("name"), str) for c in columns
    )
    if not named or not columns:
        return [file_defect(label, "the key 'columns' is missing, empty or without names", _EXPECTED, _HINT)]
    return []
