"""docs/data.md: its files are written, its Python is run, and what it prints is what the page shows."""

import contextlib
import io
import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "data.md"
FENCE = re.compile(r"^```(\w+)(?: (file|run)=(\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks():
    return [match.groups() for match in FENCE.finditer(PAGE.read_text(encoding="utf-8"))]


def run(code, directory, monkeypatch):
    monkeypatch.chdir(directory)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, str(PAGE), "exec"), {})
    return printed.getvalue()


def test_the_page_runs_as_it_stands(tmp_path, monkeypatch):
    found = blocks()
    ran = 0
    for position, (language, role, name, content) in enumerate(found):
        if role == "file":
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text(content, encoding="utf-8")
        elif role == "run":
            assert language == "python"
            shown_language, _, _, shown = found[position + 1]
            assert shown_language == "text"
            assert run(content, tmp_path / name, monkeypatch) == shown
            ran += 1
    assert ran == 3


def test_every_program_of_the_page_is_run():
    assert [role for language, role, _, _ in blocks() if language == "python"] == ["run"] * 3


@pytest.mark.parametrize("ending", [".csv", ".xlsx", ".parquet", ".xpt", ".sas7bdat", ".json", ".ndjson"])
def test_the_page_names_every_format(ending):
    assert f"`{ending}`" in PAGE.read_text(encoding="utf-8")
