"""The workflow for continuous integration: YAML that GitHub reads, and lines that bash runs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from outcomes import read_protocol
from outcomes._version import __version__
from reports.cli import main
from reports.render import FORMATS
from reports.workflow import github_workflow


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments], catch_exceptions=False)


def loaded(path: Path) -> dict[Any, Any]:
    found = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert isinstance(found, dict)
    return found


def steps(workflow: dict[Any, Any]) -> list[dict[str, Any]]:
    return list(workflow["jobs"]["report"]["steps"])


def test_a_new_trial_begins_with_its_workflow(tmp_path: Path) -> None:
    result = run("init", tmp_path / "new", "--design", "parallel", "--ci", "github")
    assert result.exit_code == 0, result.stderr
    assert read_protocol(tmp_path / "new" / "trial.toml").design == "parallel"
    place = tmp_path / "new" / ".github" / "workflows" / "tandem.yml"
    assert str(place) in result.stdout
    workflow = loaded(place)
    assert workflow["env"]["TRIAL"] == "trial.toml"
    assert workflow["env"]["TANDEM"] == f"tandem-outcomes=={__version__}"
    assert tuple(workflow["env"]["FORMATS"].split(",")) == FORMATS
    assert {"push", "pull_request"} <= set(workflow[True]), "YAML reads the key `on` as true"
    assert workflow["permissions"] == {"contents": "read"}


def test_actions_are_pinned_by_their_major_version(tmp_path: Path) -> None:
    text = github_workflow(tmp_path).text
    used = [step["uses"] for step in steps(yaml.safe_load(text)) if "uses" in step]
    assert [name.partition("@")[0] for name in used] == [
        "actions/checkout",
        "actions/setup-python",
        "actions/upload-artifact",
    ]
    assert all(name.partition("@")[2].removeprefix("v").isdigit() for name in used)
    assert str(tmp_path) not in text
    assert "@" not in text.replace("@v", "")


def test_a_trial_that_is_there_gets_the_workflow_alone(parallel_trial: Path) -> None:
    before = {path.name for path in parallel_trial.iterdir()}
    assert run("init", parallel_trial, "--ci", "github").exit_code == 0
    assert {path.name for path in parallel_trial.iterdir()} - before == {".github"}
    again = run("init", parallel_trial, "--ci", "github")
    assert again.exit_code == 2
    assert "nothing is overwritten" in again.stderr


@pytest.mark.parametrize("name", ["vitiligo", 'strange "name": ${{ x }} #1', "größer"])
def test_in_a_repository_it_stands_at_the_top_and_names_the_trial(name: str, parallel_trial: Path) -> None:
    top = parallel_trial.parent / "repository"
    home = top / "trials" / name
    shutil.copytree(parallel_trial, home)
    (top / ".git").mkdir()
    assert run("init", home, "--ci", "github").exit_code == 0
    (place,) = (top / ".github" / "workflows").iterdir()
    assert place.name.startswith("tandem-trials-")
    trial = loaded(place)["env"]["TRIAL"]
    # GitHub puts the text of an expression in its place.
    assert trial.replace("${{ '${{' }}", "${{") == f"trials/{name}/trial.toml"


@pytest.mark.skipif(shutil.which("bash") is None, reason="the workflow's lines are bash's")
def test_its_lines_run_in_bash(parallel_trial: Path, tmp_path: Path) -> None:
    """Each as GitHub runs it; pip is a stand-in that notes what it is asked for."""
    place = parallel_trial.rename(parallel_trial.parent / "with a blank")
    run("init", place, "--ci", "github")
    workflow = loaded(place / ".github" / "workflows" / "tandem.yml")
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, text in {
        "python": f'echo "$@" > "{tmp_path}/asked"',
        "tandem": f'exec "{sys.executable}" -c "from reports.cli import main; main()" "$@"',
    }.items():
        (programs / name).write_text(f"#!/bin/sh\n{text}\n")
        (programs / name).chmod(0o755)
    environment = {**os.environ, **workflow["env"], "FORMATS": "html"}
    environment |= {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(Path.cwd())}

    def bash(step: dict[str, Any]) -> str:
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
            cwd=place,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{step['name']}: {done.stderr}"
        return done.stdout

    lines = [step for step in steps(workflow) if "run" in step]
    bash(lines[0])
    assert (tmp_path / "asked").read_text() == f"-m pip install tandem-outcomes=={__version__}\n"
    (place / "requirements.lock").write_text("tandem-outcomes==0\n")
    said = [bash(step) for step in lines]
    assert (tmp_path / "asked").read_text() == "-m pip install -r requirements.lock\n"
    assert said[-1].startswith("identical: ")
    kept = steps(workflow)[-1]["with"]["path"].replace("${{ env.REPORT }}", environment["REPORT"])
    assert (place / kept / "report.html").is_file()
