"""The README and the pages of docs/: their Python runs, their links lead somewhere, their commands exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
PYTHON = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?://|#)([^)#\s]+)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files(page):
    for target in LINK.findall(page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"


@pytest.mark.parametrize(
    "page",
    [ROOT / "README.md", ROOT / "docs" / "statistics.md", ROOT / "docs" / "reports.md"],
    ids=lambda page: page.name,
)
def test_python_blocks_run_in_order(page, monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    blocks = PYTHON.findall(page.read_text(encoding="utf-8"))
    assert blocks
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, page.name, "exec"), names)
    if page.name == "README.md":
        assert "Laser + PRP" in capsys.readouterr().out


def test_the_readme_shows_the_commands_there_are():
    from reports.cli import main

    text = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = set(re.findall(r"^tandem (\w+)", text, re.MULTILINE))
    assert shown == set(main.commands)


def test_every_function_that_the_statistics_page_names_exists():
    import importlib

    text = (ROOT / "docs" / "statistics.md").read_text(encoding="utf-8")
    for dotted in set(re.findall(r"`(analyses(?:\.\w+)+)", text)):
        *path, last = dotted.split(".")
        try:
            importlib.import_module(dotted)
        except ModuleNotFoundError:
            assert hasattr(importlib.import_module(".".join(path)), last), dotted


def test_the_reports_page_has_a_report_toml_that_is_read(tmp_path):
    from outcomes.protocol import ReportOptions, read_report_options
    from reports.section_choice import planned_sections

    text = (ROOT / "docs" / "reports.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"^```toml\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    (tmp_path / "report.toml").write_text(example, encoding="utf-8")
    options = read_report_options(tmp_path / "report.toml", ReportOptions())
    assert options.style == "lancet"
    assert len(planned_sections(options)) == 5


def test_the_version_has_one_source():
    from outcomes._version import __version__

    assert f"## {__version__}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"version: {__version__}" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")


def test_the_lock_file_holds_hashes_and_no_index_address():
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert "://" not in text
    assert "index-url" not in text
    assert all(line.startswith((" ", "#")) or "==" in line for line in text.splitlines() if line)
    assert text.count("--hash=sha256:") > text.count("==")
