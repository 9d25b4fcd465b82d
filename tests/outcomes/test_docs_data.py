"""docs/data.md: its files are written, its Python is run, and what it prints is what the page shows."""

import contextlib
import io
import re
from pathlib import Path
from typing import get_args

import pytest

from outcomes.protocol import Protocol
from outcomes.protocol_tables import StrictTable

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


def keys_of_trial_toml():
    tables = [Protocol]
    for table in tables:
        for name, field in table.model_fields.items():
            yield field.alias or name
            tables += [kind for kind in tables_in(field.annotation) if kind not in tables]


def tables_in(annotation):
    if isinstance(annotation, type) and issubclass(annotation, StrictTable):
        return [annotation]
    return [found for inner in get_args(annotation) for found in tables_in(inner)]


def test_the_page_names_every_key_of_trial_toml():
    text = PAGE.read_text(encoding="utf-8")
    spelled = {"op", "value"}  # a threshold is written { above = 75 }
    keys = set(keys_of_trial_toml()) - spelled
    assert len(keys) > 60
    assert [key for key in sorted(keys) if not re.search(rf"[`.\[]{key}[`\].]", text)] == []


@pytest.mark.parametrize("ending", [".csv", ".xlsx", ".parquet", ".xpt", ".sas7bdat", ".json", ".ndjson"])
def test_the_page_names_every_format(ending):
    assert f"`{ending}`" in PAGE.read_text(encoding="utf-8")
