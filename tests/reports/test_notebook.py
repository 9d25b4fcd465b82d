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
from reports.render.notebook import Cell, assembled, execute, relative_path, write_notebook
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
    return analysed, write_notebook(home / "trial.toml", out, analysed.results, analysed)


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
    compared = int(said.rsplit("All ", 1)[1].split(" numbers are those of results.json")[0])
    assert compared >= 7 * lines, "every number of every verdict"
    beside = any("every_visit = fit_mixed_model(" in cell.source for cell in notebook.cells)
    assert beside is analysed.trial.protocol.is_within_patient, "the model of all visits, where it is another"
    assert all(cell.execution_count for cell in notebook.cells if cell.cell_type == "code")
    for one in verdicts:
        assert one.verdict is not None
        headed = "May be claimed:" if one.verdict.claims else "Answer:"
        assert re.search(rf"^{headed} +{re.escape(one.verdict.may_claim)}$", said, re.MULTILINE)


def test_it_holds_nothing_of_this_machine_and_no_patient(built: Built) -> None:
    analysed, path = built
    text = path.read_text(encoding="utf-8")
    for place in (str(path.parent), sys.prefix, str(Path.home()) + "/", "/tmp/"):
        assert place not in text
    assert "P01" not in text
    assert (
        f"../{'within-patient' if analysed.trial.protocol.is_within_patient else 'parallel'}/trial.toml"
        in text
    )


def test_it_runs_again_where_it_lies_with_the_same_bytes_and_without_times(built: Built) -> None:
    _, path = built
    notebook = nbformat.read(path, as_version=4)
    execute(notebook, path.parent)
    assert "numbers are those of results.json" in printed(notebook)
    assert nbformat.writes(notebook, version=4) + "\n" == path.read_text(encoding="utf-8")
    assert all("execution" not in cell.metadata for cell in notebook.cells)


def test_it_may_be_executed_elsewhere_and_lie_beside_its_trial(parallel_trial: Path, tmp_path: Path) -> None:
    staging = tmp_path / "deeper" / "staging"
    staging.mkdir(parents=True)
    analysed = analyse_trial(read_trial(parallel_trial / "trial.toml"))
    path = write_notebook(
        parallel_trial / "trial.toml", staging, analysed.results, analysed, lies_in=parallel_trial
    )
    text = path.read_text(encoding="utf-8")
    assert 'read_trial(\\"trial.toml\\")' in text
    assert ".." not in text.split("read_trial(")[1][:20]
    for name in ("report.ipynb", "results.json"):
        (staging / name).rename(parallel_trial / name)
    notebook = nbformat.read(parallel_trial / "report.ipynb", as_version=4)
    execute(notebook, parallel_trial)
    assert nbformat.writes(notebook, version=4) + "\n" == text


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


def test_the_trial_is_found_from_where_the_notebook_lies(tmp_path: Path) -> None:
    assert relative_path(tmp_path / "a" / "trial.toml", tmp_path / "b" / "c") == "../../a/trial.toml"
    assert relative_path(tmp_path / "trial.toml", tmp_path) == "trial.toml"
