"""CSV, Parquet, Excel, XPT, SAS7BDAT and Dataset-JSON -> tables of text and numbers, nothing interpreted yet.

A reader never guesses. Cells come back as the file holds them (text, or numbers where the format itself types
its columns), with the row number that a person sees when opening the file; whatever cannot be read is a
`Defect`, not an exception, so that one pass lists the defects of all files.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from outcomes.errors import Defect
from outcomes.nearest import nearest

__all__ = ["FORMATS", "RawTable", "cell_text", "read_table", "table_from_frame"]

FORMATS = (".csv", ".parquet", ".xlsx", ".xpt", ".sas7bdat", ".json", ".ndjson")
"""File name endings that can be read; the last two are Dataset-JSON 1.1."""

HEADER_ROW = 1


@dataclass(frozen=True, slots=True, eq=False)
class RawTable:
    """A table as its file holds it.

    Attributes
    ----------
    file : str
        What messages call the file.
    frame : DataFrame, shape (n, columns)
        Columns by the file's own names. Object columns hold text or None; typed columns of binary formats
        keep their numeric dtype.
    rows : ndarray of int, shape (n,)
        The row of each record as a spreadsheet or text editor shows it; the header is row 1.
    damaged : frozenset of int
        Rows already reported as a whole (too few or too many cells): nothing else is said of them.
    """

    file: str
    frame: pd.DataFrame
    rows: npt.NDArray[np.int64]
    damaged: frozenset[int] = frozenset()


Reading = tuple[RawTable | None, list[Defect]]


def cell_text(cell: object) -> str | None:
    """Return a cell as text: None where it is empty, whole floats without a point, dates as ISO 8601."""
    if cell is None or cell is pd.NA or cell is pd.NaT:
        return None
    if isinstance(cell, str):
        return cell
    if isinstance(cell, bool | np.bool_):
        return "true" if cell else "false"
    if isinstance(cell, float | np.floating):
        number = float(cell)
        if math.isnan(number):
            return None
        return str(int(number)) if number.is_integer() and abs(number) < 2**53 else repr(number)
    if isinstance(cell, dt.datetime):
        midnight = cell.time() == dt.time(0) and cell.tzinfo is None
        return cell.date().isoformat() if midnight else cell.isoformat()
    if isinstance(cell, dt.date | dt.time):
        return cell.isoformat()
    if isinstance(cell, bytes):
        return cell.decode("utf-8", errors="backslashreplace")
    return str(cell)


def _text_column(cells: Iterable[object]) -> pd.Series:
    return pd.Series([cell_text(cell) for cell in cells], dtype=object)


def _settled(frame: pd.DataFrame) -> pd.DataFrame:
    """Numeric columns stay, all others become text; identifiers that are numbers are written out later."""
    columns: dict[Any, pd.Series] = {}
    for position, name in enumerate(frame.columns):
        column = frame.iloc[:, position]
        is_number = pd.api.types.is_numeric_dtype(column.dtype) and not pd.api.types.is_bool_dtype(
            column.dtype
        )
        columns[name] = column.reset_index(drop=True) if is_number else _text_column(column)
    return pd.DataFrame(columns, index=pd.RangeIndex(len(frame)))


def table_from_frame(frame: pd.DataFrame, name: str) -> RawTable:
    """Wrap a DataFrame as if it had been read from a file called `name`; its first record is row 2."""
    settled = _settled(frame.set_axis([str(column) for column in frame.columns], axis=1))
    return RawTable(name, settled, np.arange(len(frame), dtype=np.int64) + HEADER_ROW + 1)


def read_table(
    path: Path,
    *,
    name: str | None = None,
    encoding: str = "utf-8",
    separator: str = ",",
    sheet: str | None = None,
) -> Reading:
    """Read one file.

    Parameters
    ----------
    path : Path
        The file; its ending says the format (see `FORMATS`).
    name : str, optional
        What defects call it; by default the path.
    encoding, separator : str
        Of text files.
    sheet : str, optional
        Of an Excel workbook with several.

    Returns
    -------
    table : RawTable or None
        None where nothing could be read.
    defects : list of Defect
        What is wrong with the file as a file: missing, unreadable, wrong encoding, empty, columns without a
        name or with the same name, rows with too few or too many cells.
    """
    label = name or str(path)
    missing = _cannot_open(path, label)
    if missing is not None:
        return None, [missing]
    suffix = path.suffix.lower()
    if suffix == ".csv":
        return _read_csv(path.read_bytes(), label, encoding, separator)
    if suffix == ".xlsx":
        from outcomes.excel import read_excel

        return read_excel(path, label, sheet)
    if suffix in (".json", ".ndjson"):
        from outcomes.dataset_json import read_dataset_json

        return read_dataset_json(path.read_bytes(), label, lines=suffix == ".ndjson")
    if suffix == ".parquet":
        return _read_parquet(path, label)
    return _read_sas(path, label, encoding)


def file_defect(label: str, problem: str, expected: str, hint: str, value: str | None = None) -> Defect:
    """Return a defect of a file as a whole."""
    return Defect(label, None, None, value, expected, hint, problem)


def _cannot_open(path: Path, label: str) -> Defect | None:
    suffix = path.suffix.lower()
    endings = ", ".join(FORMATS)
    if not path.exists():
        siblings = [file.name for file in path.parent.iterdir()] if path.parent.is_dir() else []
        near = nearest(path.name, siblings)
        hint = (
            f"Did you mean {near!r}?" if near else "Put it there, or correct the path in [data] of trial.toml"
        )
        return file_defect(label, "the file is missing", "a file to read", hint)
    if suffix not in FORMATS:
        return file_defect(
            label, "the format is not known", f"a file that ends in {endings}", "Save it as CSV", path.suffix
        )
    if not path.is_file():
        return file_defect(label, "this is no file", "a file to read", "Name the file itself in [data]")
    try:
        with path.open("rb") as stream:
            first = stream.read(1)
    except OSError as error:
        hint = "Check the file's permissions"
        return file_defect(
            label, f"the file cannot be read: {error.strerror or error}", "a readable file", hint
        )
    if not first:
        hint = "Fill it in, or export the table again"
        return Defect(
            label, HEADER_ROW, None, None, "a header and one row or more", hint, "the file is empty"
        )
    return None


# ---------------------------------------------------------------------------------------------------- CSV


def _read_csv(content: bytes, label: str, encoding: str, separator: str) -> Reading:
    binary = _not_text(content, label)
    if binary is not None:
        return None, [binary]
    text, defects = _decode(content, label, encoding, separator)
    if text is None:
        return None, defects
    records: list[tuple[int, list[str]]] = []
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    while True:
        start = reader.line_num + 1
        try:
            record = next(reader)
        except StopIteration:
            break
        except csv.Error as error:
            defects.append(
                Defect(label, start, None, None, "a quote that is closed", "Close or double the quote (\"\")",
                       f"the row cannot be split into cells: {error}")
            )  # fmt: skip
            break
        if record:  # a wholly blank line holds no data
            records.append((start, record))
    return _from_records(records, label, separator, defects)


def _not_text(content: bytes, label: str) -> Defect | None:
    kinds = {b"PK\x03\x04": "an Excel workbook or another zip file", b"PAR1": "a Parquet file"}
    for start, kind in kinds.items():
        if content.startswith(start):
            return file_defect(
                label,
                f"the file ends in .csv but is {kind}",
                "comma-separated text",
                "Rename it or export it as CSV",
            )
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return Defect(
            label, HEADER_ROW, None, "UTF-16", "text in UTF-8",
            'Save it as UTF-8, or say encoding = "utf-16" in [data]', "wrong encoding",
        )  # fmt: skip
    return None


def _decode(content: bytes, label: str, encoding: str, separator: str) -> tuple[str | None, list[Defect]]:
    codec = "utf-8-sig" if encoding.lower().replace("_", "-") in ("utf-8", "utf8") else encoding
    try:
        return content.decode(codec), []
    except LookupError:
        hint = 'Use a name such as "utf-8" or "cp1252" for [data] encoding'
        return None, [file_defect(label, "the encoding is not known", "a known encoding", hint, encoding)]
    except UnicodeDecodeError:
        pass
    defects = []
    lines = content.split(b"\n")
    header = lines[0].decode("cp1252", errors="replace").rstrip("\r").split(separator)
    for number, line in enumerate(lines, start=1):
        for position, cell in enumerate(line.rstrip(b"\r").split(separator.encode())):
            try:
                cell.decode(codec)
            except UnicodeDecodeError:
                column = header[position] if position < len(header) else None
                shown = cell.decode("ascii", errors="backslashreplace")
                hint = (
                    f'Save the file as {encoding.upper()}, or say encoding = "cp1252" in [data] if it is that'
                )
                defects.append(
                    Defect(label, number, column, shown, f"text in {encoding}", hint, "wrong encoding")
                )
    # The defects stand; reading on as the commonest other encoding finds what else is wrong in the same pass.
    return content.decode("cp1252", errors="replace"), defects


def _from_records(
    records: list[tuple[int, list[str]]], label: str, separator: str, defects: list[Defect]
) -> Reading:
    if not records:
        expected, hint = "a header and one row or more", "Fill it in, or export the table again"
        return None, [*defects, Defect(label, HEADER_ROW, None, None, expected, hint, "the file is empty")]
    (_, header), body = records[0], records[1:]
    if len(header) == 1:
        other = next(
            (mark for mark in (";", "\t", "|", ",") if mark != separator and mark in header[0]), None
        )
        if other is not None:
            hint = f"Say separator = {json.dumps(other)} in [data]"
            expected = f"columns separated by {separator!r}"
            problem = "the header is a single column"
            return None, [*defects, Defect(label, HEADER_ROW, None, header[0], expected, hint, problem)]
    defects += header_defects(header, label)
    width, damaged, cells = len(header), [], []
    for row, record in body:
        if len(record) != width:
            damaged.append(row)
            defects.append(_ragged(label, row, record, header))
            record = [*record, *[""] * width][:width]
        cells.append(record)
    columns = list(zip(*cells, strict=True)) if cells else [()] * width
    frame = frame_of_unique(header, [pd.Series(column, dtype=object) for column in columns])
    rows = np.array([row for row, _ in body], dtype=np.int64)
    return RawTable(label, frame, rows, frozenset(damaged)), defects


def _ragged(label: str, row: int, record: list[str], header: list[str]) -> Defect:
    width = len(header)
    expected = f"{width} cells, as in the header"
    if len(record) < width:
        hint = "Add the missing cells, empty where nothing was recorded"
        problem = f"the row has {len(record)} cells: it stops before this column"
        return Defect(label, row, header[len(record)], None, expected, hint, problem)
    hint = "Quote a text that holds the separator; write decimals with a point, not a comma"
    return Defect(label, row, header[-1], record[width], expected, hint, f"the row has {len(record)} cells")


def header_defects(header: list[str], label: str) -> list[Defect]:
    """Return columns without a name, and names that stand there twice."""
    defects = []
    for name, count in Counter(header).items():
        if not name.strip():
            hint = "Name the column or delete it"
            problem = "a column has no name" if count == 1 else f"{count} columns have no name"
            defects.append(
                Defect(label, HEADER_ROW, f"number {header.index(name) + 1}", None, "a name", hint, problem)
            )
        elif count > 1:
            hint = "Rename or delete all but one"
            expected = "each column once"
            defects.append(
                Defect(
                    label, HEADER_ROW, name, None, expected, hint, f"the column stands there {count} times"
                )
            )
    return defects


def frame_of_unique(header: list[str], columns: list[pd.Series]) -> pd.DataFrame:
    """Return a frame with the first of columns of one name: the defect is reported, the rest can be checked."""
    kept: dict[str, pd.Series] = {}
    for name, column in zip(header, columns, strict=True):
        kept.setdefault(name, column)
    return pd.DataFrame(kept)


# -------------------------------------------------------------------------------------------- binary formats


def unreadable(label: str, kind: str, error: BaseException) -> Reading:
    """Return the reading of a file that its library refuses."""
    text = str(error).splitlines()[0] if str(error) else type(error).__name__
    hint = "Export it again or save it as CSV; text in another encoding needs [data] encoding"
    return None, [file_defect(label, f"the file cannot be read as {kind}: {text}", f"a {kind} file", hint)]


def _read_parquet(path: Path, label: str) -> Reading:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path)
        # Whole numbers with gaps must not turn into floats: identifiers beyond 2**53 would change.
        frame = table.to_pandas(integer_object_nulls=True, ignore_metadata=True)
    except (pa.ArrowException, OSError) as error:
        return unreadable(label, "Parquet", error)
    return _from_typed(frame, label)


def _read_sas(path: Path, label: str, encoding: str) -> Reading:
    import pyreadstat

    is_transport = path.suffix.lower() == ".xpt"
    kind = "SAS XPT" if is_transport else "SAS7BDAT"
    reader = pyreadstat.read_xport if is_transport else pyreadstat.read_sas7bdat
    # a transport file does not say its encoding; a data set does, and only another one in [data] overrides it
    stated = None if encoding.lower() == "utf-8" and not is_transport else encoding.upper()
    try:
        frame, _ = reader(str(path), encoding=stated)
    except (
        pyreadstat.ReadstatError,
        pyreadstat.PyreadstatError,
        UnicodeDecodeError,
        OSError,
        ValueError,
    ) as error:
        return unreadable(label, kind, error)
    return _from_typed(frame, label)


def _from_typed(frame: pd.DataFrame, label: str) -> Reading:
    header = [str(name) for name in frame.columns]
    defects = header_defects(header, label)
    settled = _settled(frame.set_axis([f"{position}" for position in range(len(header))], axis=1))
    unique = frame_of_unique(header, [settled[column] for column in settled.columns])
    rows = np.arange(len(frame), dtype=np.int64) + HEADER_ROW + 1
    return RawTable(label, unique, rows), defects


def typed_table(columns: Mapping[str, list[object]], label: str) -> RawTable:
    """Wrap columns of Python values as a table whose first record is row 2."""
    frame = pd.DataFrame({name: _text_column(cells) for name, cells in columns.items()})
    return RawTable(label, frame, np.arange(len(frame), dtype=np.int64) + HEADER_ROW + 1)
