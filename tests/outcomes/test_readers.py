"""Six formats, one table: text and numbers as the file holds them, and defects instead of exceptions."""

import datetime as dt
import json
from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pyreadstat
import pytest

from outcomes.readers import cell_text, read_table, table_from_frame

REFERENCE = Path(__file__).parent.parent / "reference"


def only(defects):
    (defect,) = defects
    return defect


def write_csv(tmp_path, text, name="t.csv", encoding="utf-8"):
    path = tmp_path / name
    path.write_bytes(text.encode(encoding))
    return path


def as_lists(table):
    return {
        column: [cell_text(cell) for cell in table.frame[column].astype(object)] for column in table.frame
    }


# ---------------------------------------------------------------------------------------------- one cell


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        ("007", "007"),
        (7, "7"),
        (7.0, "7"),
        (0.1, "0.1"),
        (1e300, "1e+300"),
        (True, "true"),
        (np.bool_(False), "false"),
        (None, None),
        (float("nan"), None),
        (pd.NaT, None),
        (dt.date(2026, 1, 5), "2026-01-05"),
        (dt.datetime(2026, 1, 5), "2026-01-05"),
        (dt.datetime(2026, 1, 5, 10, 30), "2026-01-05T10:30:00"),
        (12345678901234567890, "12345678901234567890"),
    ],
)
def test_cells_as_text(cell, text):
    assert cell_text(cell) == text


# ---------------------------------------------------------------------------------------------- CSV


def test_csv_is_text_with_the_rows_of_an_editor(tmp_path):
    path = write_csv(tmp_path, 'id,note,x\n001,"a, b",1.50\n\n002,"two\nlines",NA\n003,,3\n')
    table, defects = read_table(path)
    assert defects == []
    assert as_lists(table) == {
        "id": ["001", "002", "003"],
        "note": ["a, b", "two\nlines", ""],
        "x": ["1.50", "NA", "3"],
    }
    assert table.rows.tolist() == [2, 4, 6]  # a blank line and a line break within quotes both count


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_csv_line_endings_and_byte_order_mark(tmp_path, ending):
    path = write_csv(tmp_path, ending.join(["id,x", "1,2", ""]), encoding="utf-8-sig")
    table, defects = read_table(path)
    assert defects == []
    assert as_lists(table) == {"id": ["1"], "x": ["2"]}


def test_a_missing_file_suggests_its_neighbour(tmp_path):
    write_csv(tmp_path, "a\n1\n", name="assessments.csv")
    table, defects = read_table(tmp_path / "assesments.csv", name="assesments.csv")
    assert table is None
    assert "missing" in only(defects).problem
    assert "assessments.csv" in only(defects).hint


@pytest.mark.parametrize(
    "name", ["t.csv", "t.xlsx", "t.parquet", "t.xpt", "t.sas7bdat", "t.json", "t.ndjson"]
)
def test_an_empty_file_is_a_defect_of_any_format(tmp_path, name):
    table, defects = read_table(write_csv(tmp_path, "", name=name))
    assert table is None
    assert only(defects).problem == "the file is empty"


@pytest.mark.parametrize("name", ["t.xlsx", "t.parquet", "t.xpt", "t.sas7bdat", "t.json", "t.ndjson"])
def test_an_unreadable_file_is_a_defect_not_an_exception(tmp_path, name):
    table, defects = read_table(write_csv(tmp_path, "this is nothing of the kind", name=name))
    assert table is None
    assert only(defects).file.endswith(name)


def test_an_unknown_ending_and_a_directory(tmp_path):
    assert "format is not known" in only(read_table(write_csv(tmp_path, "x", name="t.docx"))[1]).problem
    (tmp_path / "d.csv").mkdir()
    assert "no file" in only(read_table(tmp_path / "d.csv")[1]).problem


def test_wrong_encoding_names_row_and_column_of_each_cell(tmp_path):
    path = write_csv(tmp_path, "id,site\n1,Genève\n2,Roma\n3,Zürich\n", encoding="cp1252")
    _, defects = read_table(path)
    assert [(defect.row, defect.column, defect.value) for defect in defects] == [
        (2, "site", "Gen\\xe8ve"),
        (4, "site", "Z\\xfcrich"),
    ]
    assert read_table(path, encoding="cp1252")[1] == []


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"PK\x03\x04rest", "Excel workbook"),
        (b"PAR1rest", "Parquet"),
        ("id,x\n1,2\n".encode("utf-16"), "wrong encoding"),
    ],
)
def test_other_files_that_call_themselves_csv(tmp_path, content, said):
    (tmp_path / "t.csv").write_bytes(content)
    assert said in only(read_table(tmp_path / "t.csv")[1]).problem


def test_an_unknown_encoding(tmp_path):
    assert "not known" in only(read_table(write_csv(tmp_path, "a,b\n1,2\n"), encoding="utf-9")[1]).problem


def test_ragged_rows_name_the_first_missing_cell(tmp_path):
    table, defects = read_table(write_csv(tmp_path, "id,x,y\n1,2\n2,3,4\n3,12,5,6\n"))
    short, long = defects
    assert (short.row, short.column) == (2, "y")
    assert (long.row, long.column, long.value) == (4, "y", "6")
    assert "comma" in long.hint
    assert table.damaged == {2, 4}


def test_an_open_quote_names_its_row(tmp_path):
    _, defects = read_table(write_csv(tmp_path, 'id,x\n1,2\n2,"never closed\n3,4\n'))
    assert only(defects).row == 3
    assert "quote" in only(defects).expected


def test_columns_with_the_same_or_no_name(tmp_path):
    table, defects = read_table(write_csv(tmp_path, "id,x,x,\n1,2,3,4\n"))
    assert {(defect.row, defect.column) for defect in defects} == {(1, "x"), (1, "number 4")}
    assert as_lists(table)["x"] == ["2"]


def test_another_separator_is_recognised_and_can_be_declared(tmp_path):
    path = write_csv(tmp_path, "id;x\n1;2\n")
    assert 'separator = ";"' in only(read_table(path)[1]).hint
    assert as_lists(read_table(path, separator=";")[0]) == {"id": ["1"], "x": ["2"]}


# ---------------------------------------------------------------------------------------------- Excel


def workbook(tmp_path, sheets):
    book = openpyxl.Workbook()
    book.remove(book.active)
    for title, rows in sheets.items():
        sheet = book.create_sheet(title)
        for row in rows:
            sheet.append(row)
    book.save(tmp_path / "t.xlsx")
    return tmp_path / "t.xlsx"


def test_excel_cells_as_text_with_their_row(tmp_path):
    rows = [["id", "x", "day"], ["007", 1.5, dt.date(2026, 1, 5)], [None, None, None], [8, 2, True]]
    table, defects = read_table(workbook(tmp_path, {"Data": rows}))
    assert defects == []
    assert as_lists(table) == {"id": ["007", "8"], "x": ["1.5", "2"], "day": ["2026-01-05", "true"]}
    assert table.rows.tolist() == [2, 4]


def test_excel_with_several_sheets_needs_a_choice(tmp_path):
    path = workbook(tmp_path, {"ADSL": [["id"], [1]], "Codes": [["x"], [2]]})
    assert "[data.sheets]" in only(read_table(path)[1]).hint
    assert as_lists(read_table(path, sheet="ADSL")[0]) == {"id": ["1"]}
    assert "'ADSL'" in only(read_table(path, sheet="ADSSL")[1]).hint


def test_excel_percentages_are_read_as_they_are_shown(tmp_path):
    path = workbook(tmp_path, {"Data": [["id", "x"], [1, 0.755], [2, 75]]})
    book = openpyxl.load_workbook(path)
    book["Data"]["B2"].number_format = "0.0%"
    book.save(path)
    assert as_lists(read_table(path)[0])["x"] == ["75.5%", "75"]


def test_excel_merged_cells_and_formulas_without_a_value_are_defects(tmp_path):
    path = workbook(tmp_path, {"Data": [["id", "x"], [1, 2], [None, "=B2*2"]]})
    book = openpyxl.load_workbook(path)
    book["Data"].merge_cells("A2:A3")
    book.save(path)
    merged, formula = read_table(path)[1]
    assert (merged.row, merged.column) == (2, "id")
    assert "A2:A3" in merged.problem
    assert (formula.row, formula.column, formula.value) == (3, "x", "=B2*2")


def test_excel_cell_without_a_header(tmp_path):
    _, defects = read_table(workbook(tmp_path, {"Data": [["id", "x"], [1, 2, "note to myself"]]}))
    assert "no name" in only(defects).problem


# ------------------------------------------------------------------------------------- typed formats


def test_parquet_keeps_identifiers_whole(tmp_path):
    big = 2**53 + 1  # a float would lose its last digit
    pq.write_table(
        pa.table({"id": [big, None], "x": [0.5, None], "arm": ["A", None]}), tmp_path / "t.parquet"
    )
    table, defects = read_table(tmp_path / "t.parquet")
    assert defects == []
    assert as_lists(table) == {"id": [str(big), None], "x": ["0.5", None], "arm": ["A", None]}
    assert table.rows.tolist() == [2, 3]


def test_xpt(tmp_path):
    frame = pd.DataFrame({"USUBJID": ["001", "002"], "AVAL": [1.1, np.nan], "ADT": [dt.date(2026, 1, 5)] * 2})
    pyreadstat.write_xport(frame, str(tmp_path / "t.xpt"), table_name="BDS", file_format_version=5)
    table, defects = read_table(tmp_path / "t.xpt")
    assert defects == []
    assert as_lists(table) == {
        "USUBJID": ["001", "002"],
        "AVAL": ["1.1", None],
        "ADT": ["2026-01-05", "2026-01-05"],
    }


def test_xpt_in_another_encoding(tmp_path):
    frame = pd.DataFrame({"SITE": ["Genxve"], "X": [1.0]})
    pyreadstat.write_xport(frame, str(tmp_path / "t.xpt"), table_name="T", file_format_version=5)
    content = (tmp_path / "t.xpt").read_bytes().replace(b"Genxve", "Genève".encode("cp1252"))
    (tmp_path / "t.xpt").write_bytes(content)
    assert "encoding" in only(read_table(tmp_path / "t.xpt")[1]).hint
    assert as_lists(read_table(tmp_path / "t.xpt", encoding="cp1252")[0])["SITE"] == ["Genève"]


def test_sas7bdat():
    # Fisher's iris data as SAS wrote them
    table, defects = read_table(REFERENCE / "sas7bdat" / "iris.sas7bdat")
    assert defects == []
    assert table.frame.shape == (150, 5)
    first = {column: cells[0] for column, cells in as_lists(table).items()}
    assert first == {
        "Sepal_Length": "5.1", "Sepal_Width": "3.5", "Petal_Length": "1.4", "Petal_Width": "0.2", "Species": "setosa",
    }  # fmt: skip


# ------------------------------------------------------------------------------------- Dataset-JSON


def dataset_json(**changes):
    whole = {
        "datasetJSONCreationDateTime": "2026-01-05T10:00:00",
        "datasetJSONVersion": "1.1.0",
        "fileOID": "www.example.org/VIT-042/adsl",
        "originator": "Example",
        "sourceSystem": {"name": "Export", "version": "1.0"},
        "studyOID": "VIT-042",
        "metaDataVersionOID": "MDV.1",
        "itemGroupOID": "IG.ADSL",
        "records": 2,
        "name": "ADSL",
        "label": "Subject-Level Analysis Dataset",
        "columns": [
            {
                "itemOID": "IT.USUBJID",
                "name": "USUBJID",
                "label": "Subject",
                "dataType": "string",
                "keySequence": 1,
            },
            {"itemOID": "IT.AGE", "name": "AGE", "label": "Age", "dataType": "integer"},
            {
                "itemOID": "IT.TRTSDT",
                "name": "TRTSDT",
                "label": "Start",
                "dataType": "date",
                "targetDataType": "integer",
            },
            {"itemOID": "IT.BMI", "name": "BMI", "label": "BMI", "dataType": "decimal"},
        ],
        "rows": [["001", 41, "2026-01-05", "23.50"], ["002", None, None, None]],
    }
    return {key: value for key, value in (whole | changes).items() if value is not None}


def write_json(tmp_path, whole):
    (tmp_path / "t.json").write_text(json.dumps(whole), encoding="utf-8")
    return tmp_path / "t.json"


ADSL = {
    "USUBJID": ["001", "002"],
    "AGE": ["41", None],
    "TRTSDT": ["2026-01-05", None],
    "BMI": ["23.50", None],
}


def test_dataset_json(tmp_path):
    table, defects = read_table(write_json(tmp_path, dataset_json()))
    assert defects == []
    assert as_lists(table) == ADSL
    assert table.rows.tolist() == [2, 3]


def test_dataset_json_by_lines(tmp_path):
    whole = dataset_json()
    rows = whole.pop("rows")
    text = "\n".join(json.dumps(line) for line in [whole, *rows]) + "\n"
    (tmp_path / "t.ndjson").write_text(text, encoding="utf-8")
    table, defects = read_table(tmp_path / "t.ndjson")
    assert defects == []
    assert as_lists(table) == ADSL


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"datasetJSONVersion": "1.0.0"}, "version is not 1.1"),
        ({"datasetJSONVersion": None}, "version is not 1.1"),
        ({"columns": None}, "'columns'"),
        ({"columns": [{"itemOID": "x"}]}, "'columns'"),
        ({"rows": None}, "'rows'"),
        ({"clinicalData": {}}, "version 1.0"),
        ({"records": 3}, "has 3 records, but holds 2"),
        ({"rows": [["001", 41, None, None], ["002"]]}, "does not fit the columns"),
    ],
)
def test_damaged_dataset_json(tmp_path, changes, said):
    _, defects = read_table(write_json(tmp_path, dataset_json(**changes)))
    assert said in only(defects).problem


def test_dataset_json_row_number_of_a_short_row(tmp_path):
    _, defects = read_table(write_json(tmp_path, dataset_json(rows=[["001", 41, None, None], ["002"]])))
    assert (only(defects).row, only(defects).column) == (3, "BMI")


# ------------------------------------------------------------------------------------- all formats


def test_the_same_table_through_every_format(tmp_path):
    """Identifiers with leading zeros, whole and decimal numbers, and gaps read alike from each format."""
    expected = {"ID": ["001", "002", "003"], "N": ["5", "6", "7"], "X": ["0.1", None, "-3.25"]}
    frame = pd.DataFrame({"ID": ["001", "002", "003"], "N": [5, 6, 7], "X": [0.1, np.nan, -3.25]})
    frame.to_csv(tmp_path / "t.csv", index=False)
    frame.to_excel(tmp_path / "t.xlsx", index=False)
    frame.to_parquet(tmp_path / "t.parquet", index=False)
    pyreadstat.write_xport(frame, str(tmp_path / "t.xpt"), table_name="T", file_format_version=5)
    rows = [[i, n, None if np.isnan(x) else x] for i, n, x in frame.itertuples(index=False)]
    columns = [{"itemOID": name, "name": name, "label": name, "dataType": "string"} for name in frame]
    write_json(tmp_path, dataset_json(columns=columns, rows=rows, records=3))
    for name in ("t.csv", "t.xlsx", "t.parquet", "t.xpt", "t.json"):
        table, defects = read_table(tmp_path / name)
        assert defects == [], name
        lists = as_lists(table)
        assert {key: [cell or None for cell in cells] for key, cells in lists.items()} == expected, name
        assert table.rows.tolist() == [2, 3, 4], name
    assert as_lists(table_from_frame(frame, "frame")) == expected
