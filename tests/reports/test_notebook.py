"""The notebook: executed, reaching the report's numbers, the same bytes each time, nothing of this machine in it."""

from __future__ import annotations

import dataclasses
import json
import re
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest

from outcomes import read_trial
from outcomes.errors import ReportError
from reports.analyse import AnalysedTrial, analyse_trial
from reports.manifest import Asked, hashed_inputs, write_manifest
from reports.render.notebook import Cell, assembled, execute, write_notebook
from reports.results import Results

Built = tuple[AnalysedTrial, Path]


@pytest.fixture(scope="module", params=["within-patient", "parallel"])
def built(
    request: pytest.FixtureRequest, sound_trials: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Built:
    """A trial's analysis and its notebook, in a directory beside the trial's."""
    home = sound_trials[request.param]
    out = home.parent / f"report of {home.name}"
    out.mkdir()
    analysed = analyse_trial(read_trial(home / "trial.toml"))
    path = write_notebook(home / "trial.toml", out, analysed.results, analysed)
    asked = Asked(f"{home.name}/trial.toml", ("ipynb",))
    write_manifest(out, asked=asked, inputs=hashed_inputs(analysed.trial), outputs=(path,))
    return analysed, path


def printed(notebook: Any) -> str:
    return "".join(
        output.text
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if output.output_type == "stream"
    )


def test_its_numbers_are_those_of_the_report(built: Built) -> None:
    analysed, path = built
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    verdicts = [one for one in analysed.endpoints if one.verdict is not None]
    lines = sum(len(one.verdict.table) for one in verdicts if one.verdict is not None)
    said = printed(notebook)
    compared = int(said.rsplit("All ", 1)[1].split(" numbers computed here")[0].replace(",", ""))
    assert compared >= 7 * lines, "every number of every verdict"
    beside = any("every_visit = fit_mixed_model(" in cell.source for cell in notebook.cells)
    assert beside is analysed.trial.protocol.is_within_patient, "the model of all visits, where it is another"
    assert all(cell.execution_count for cell in notebook.cells if cell.cell_type == "code")
    for one in verdicts:
        assert one.verdict is not None
        headed = "May be claimed:" if one.verdict.claims else "Answer:"
        assert re.search(rf"^{headed} +{re.escape(one.verdict.may_claim)}$", said, re.MULTILINE)


def test_it_holds_nothing_of_this_machine_and_no_patient(built: Built) -> None:
    _, path = built
    text = path.read_text(encoding="utf-8")
    for place in (str(path.parent), sys.prefix, str(Path.home()) + "/", "/tmp/", " at 0x", "../"):
        assert place not in text
    assert "P01" not in text
    assert 'read_trial(locate_trial(\\"manifest.json\\"))' in text


def test_it_runs_again_where_it_lies_with_the_same_bytes_and_without_times(built: Built) -> None:
    _, path = built
    notebook = nbformat.read(path, as_version=4)
    execute(notebook, path.parent)
    assert "are those of results.json" in printed(notebook)
    assert nbformat.writes(notebook, version=4) + "\n" == path.read_text(encoding="utf-8")
    assert all("execution" not in cell.metadata for cell in notebook.cells)


def test_its_bytes_depend_neither_on_where_it_lies_nor_on_how_the_trial_was_typed(
    built: Built, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    analysed, path = built
    home = analysed.trial.directory
    assert home is not None
    out = tmp_path / "deeper" / "there"
    out.mkdir(parents=True)
    monkeypatch.chdir(home)
    monkeypatch.setenv("TANDEM_TRIAL", "/another/trial.toml")
    typed = f"../{home.name}/trial.toml"
    assert write_notebook(typed, out, analysed.results, analysed).read_bytes() == path.read_bytes()


def test_without_a_manifest_the_reader_is_told_what_is_missing(built: Built, tmp_path: Path) -> None:
    notebook = nbformat.read(built[1], as_version=4)
    with pytest.raises(ReportError, match="under 'SMALL-") as caught:
        execute(notebook, tmp_path)
    assert 'locate_trial("manifest.json", trial="...")' in str(caught.value)


def test_it_says_how_much_of_the_report_it_computes(built: Built) -> None:
    analysed, path = built
    notebook = nbformat.read(path, as_version=4)
    said = printed(notebook)
    assert f"results.json, which holds {len(analysed.results):,}." in said
    apart = said.rsplit("Not computed here: ", 1)[1].split(".")[0].split(", ")
    assert {"baseline", "flow"} <= set(apart)
    assert not {"model", "means", "answers"} & set(apart)
    shown = notebook.cells[-1].outputs[-1].data["text/plain"].splitlines()[1:]
    rows = [line.rsplit(None, 2) for line in shown]
    counts = {kind.strip(): (int(compared), int(held)) for kind, compared, held in rows}
    assert sum(held for _, held in counts.values()) == len(analysed.results)
    assert all(compared <= held for compared, held in counts.values())
    assert counts["means"][0] == counts["means"][1]


def test_each_table_says_what_it_shows(built: Built) -> None:
    notebook = nbformat.read(built[1], as_version=4)
    for before, cell in zip(notebook.cells, notebook.cells[1:], strict=False):
        shown = [output.data for output in cell.get("outputs", []) if output.output_type == "execute_result"]
        if shown and cell is not notebook.cells[1]:
            assert before.cell_type == "markdown" or "<caption" in shown[0]["text/html"]


def test_a_number_that_differs_is_an_error_that_names_it(parallel_trial: Path, tmp_path: Path) -> None:
    analysed = analyse_trial(read_trial(parallel_trial / "trial.toml"))
    rows = list(analysed.results)
    place, row = next(
        (k, row)
        for k, row in enumerate(rows)
        if row.analysis == "vasi_change" and row.statistic == "conf_low"
    )
    assert row.value is not None
    rows[place] = dataclasses.replace(row, value=row.value + 1e-6)
    altered = Results(rows, analysed.results.statements, analysed.results.trial, analysed.results.software)
    with pytest.raises(ReportError, match="The same numbers as in the report") as caught:
        write_notebook(parallel_trial / "trial.toml", tmp_path, altered, analysed)
    assert "conf_low" in str(caught.value)
    assert not (tmp_path / "report.ipynb").exists()


def test_a_cell_that_fails_is_named_by_its_heading(tmp_path: Path) -> None:
    notebook = assembled(
        [
            Cell("markdown", "# One"),
            Cell("code", "1"),
            Cell("markdown", "## Two\n\ntext"),
            Cell("code", "1 / 0"),
        ]
    )
    with pytest.raises(ReportError, match="Cell 4 of the notebook failed, under 'Two'") as caught:
        execute(notebook, tmp_path)
    assert "ZeroDivisionError: division by zero" in str(caught.value)
    assert "\x1b" not in str(caught.value)


def test_the_kernel_is_this_python_whatever_the_user_has_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "jupyter" / "kernels" / "python3"
    broken.mkdir(parents=True)
    (broken / "kernel.json").write_text(
        json.dumps(
            {
                "argv": ["/nonexistent/python", "{connection_file}"],
                "display_name": "Old",
                "language": "python",
            }
        )
    )
    start_up = tmp_path / "ipython" / "profile_default" / "startup"
    start_up.mkdir(parents=True)
    (start_up / "00.py").write_text("print('start-up file of the user')")
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    notebook = assembled(
        [Cell("code", "import sys\nimport warnings\nwarnings.warn('a path')\nprint(sys.executable)")]
    )
    execute(notebook, tmp_path)
    assert printed(notebook).strip() == sys.executable


def test_cells_are_named_by_their_content() -> None:
    cells = [Cell("code", "1"), Cell("code", "1"), Cell("markdown", "# Text")]
    names = [cell.id for cell in assembled(cells).cells]
    assert names == [cell.id for cell in assembled(cells).cells]
    assert len(set(names)) == 3
    assert assembled([Cell("code", "2"), *cells[1:]]).cells[0].id != names[0]
