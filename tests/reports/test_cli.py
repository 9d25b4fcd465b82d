"""The command line as a user meets it: what it prints, where it writes, and how it ends."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from reports.cli import main

COMMAND = (sys.executable, "-c", "from reports.cli import main; main(prog_name='tandem')")


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments], catch_exceptions=False)


def bytes_of(directory: Path) -> dict[str, bytes]:
    return {
        path.relative_to(directory).as_posix(): path.read_bytes()
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }


# --- the command itself ---


def test_help_is_there_at_once_since_it_imports_nothing_heavy() -> None:
    code = (
        "import sys; from reports.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'numpy', 'pandas', 'scipy', 'pydantic', 'matplotlib', 'rich', 'outcomes', 'analyses'}\n"
        "print('imported:', sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.endswith("imported: []\n")


def test_the_commands_are_listed_whole_in_the_order_of_use() -> None:
    lines = run("--help").stdout.split("Commands:")[1].splitlines()
    listed = [line.split()[0] for line in lines if line.strip()]
    assert listed == ["demo", "init", "check", "simulate", "report", "verify", "instruments"]
    assert not any(line.endswith("...") for line in lines)


def test_the_version_is_that_of_the_package() -> None:
    from outcomes._version import __version__

    assert run("--version").stdout == f"tandem {__version__}\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ("reprot",),
        ("report",),
        ("report", "trial.toml"),
        ("report", "trial.toml", "-o", "out", "--colour"),
        ("init", "new", "--design", "crossover"),
        ("init", "new"),
        ("init", "new", "--ci", "github"),
        ("init", "new", "--design", "parallel", "--ci", "gitlab"),
        ("verify",),
        ("verify", "missing"),
        ("simulate",),
        ("simulate", "synergy/within-patient", "new", "--seed", "x"),
        ("simulate", "wonder/within-patient", "new"),
        ("instruments", "vassi"),
    ],
)
def test_what_is_not_understood_ends_with_2(
    arguments: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = run(*arguments)
    assert result.exit_code == 2
    assert result.stderr
    assert "Traceback" not in result.output
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("asked", ["odt", "html,odt", "doc", ""])
def test_a_format_that_is_not_there_names_those_that_are(asked: str, tmp_path: Path) -> None:
    result = run("report", tmp_path / "trial.toml", "-o", tmp_path / "out", "--format", asked)
    assert result.exit_code == 2
    assert "available: html, pdf, docx, rtf, ipynb" in result.stderr
    for name in asked.split(","):
        if name not in ("html", ""):
            assert repr(name) in result.stderr


def test_an_output_that_is_a_file_is_a_usage_error(sound_trials: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    result = run("report", sound_trials["parallel"] / "trial.toml", "-o", tmp_path / "out")
    assert result.exit_code == 2
    assert (tmp_path / "out").read_text() == "mine"


# --- init and check ---


@pytest.mark.parametrize("design", ["within-patient", "parallel"])
def test_a_started_trial_is_a_sound_protocol_and_says_what_is_missing(design: str, tmp_path: Path) -> None:
    from outcomes import read_protocol

    home = tmp_path / "new" / "trial"
    result = run("init", home, "--design", design)
    assert result.exit_code == 0
    for name in bytes_of(home):
        assert str(home / name) in result.stdout
    assert read_protocol(home / "trial.toml").design == design
    checked = run("check", home / "trial.toml")
    assert checked.exit_code == 1
    for file in ("patients.csv", "assessments.csv"):
        assert f"{file}, row 2" in checked.stderr
        assert "empty" in checked.stderr


def test_a_started_trial_takes_rows_under_its_headers(tmp_path: Path) -> None:
    home = tmp_path / "trial"
    run("init", home, "--design", "within-patient")
    arms = ("Untreated", "Laser", "PRP", "Laser + PRP")
    patients, lesions, assessments = [], [], []
    for number in range(1, 4):
        patients.append(f"P{number},{30 + number}")
        for place, arm in enumerate(arms, start=1):
            lesions.append(f"P{number},L{place},{arm},trunk")
            assessments.append(f"P{number},L{place},Week 24,24,{10 * place + number}")
    events = ["P1,L2,Erythema,mild,2,3,yes"]
    rows = {"patients": patients, "lesions": lesions, "assessments": assessments, "adverse_events": events}
    for name, lines in rows.items():
        with (home / f"{name}.csv").open("a", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")
    result = run("check", home / "trial.toml")
    assert result.exit_code == 0, result.stderr


def test_nothing_that_exists_is_overwritten_by_init(tmp_path: Path) -> None:
    (tmp_path / "patients.csv").write_text("years of work")
    result = run("init", tmp_path, "--design", "parallel")
    assert result.exit_code == 2
    assert "patients.csv" in result.stderr
    assert bytes_of(tmp_path) == {"patients.csv": b"years of work"}


def test_check_tells_what_was_found(sound_trials: dict[str, Path]) -> None:
    home = sound_trials["within-patient"]
    before = bytes_of(home)
    result = run("check", home / "trial.toml")
    assert result.exit_code == 0
    said = " ".join(result.stdout.split())
    for part in (
        "SMALL-1: Laser, PRP, and both, in stable vitiligo",
        "within-patient; synthetic data",
        "Untreated (no component): 10 lesions",
        "Laser + PRP (Fractional CO2 laser and Platelet-rich plasma): 10 lesions",
        "Patients 10",
        "Lesions 40 of 10 patients",
        "Week 12 (week 12), Week 24 (week 24)",
        "repigmentation: nothing",
        "repigmentation at Week 24, primary",
        "3 in 3 patients",
    ):
        assert part in said
    for name in before:
        assert str(home / name) in result.stdout
    assert bytes_of(home) == before


def test_names_in_the_data_do_not_steer_the_terminal(parallel_trial: Path) -> None:
    protocol = parallel_trial / "trial.toml"
    text = protocol.read_text(encoding="utf-8")
    assert 'title = "' in text
    protocol.write_text(text.replace('title = "', 'title = "\\u001b[2J\\u202e', 1), encoding="utf-8")
    shown = run("check", protocol).stdout
    assert "[U+001B][2J[U+202E]" in shown
    assert "\x1b" not in shown


def test_check_counts_what_is_missing_whether_the_row_is_there_or_not(parallel_trial: Path) -> None:
    path = parallel_trial / "assessments.csv"
    lines = path.read_text(encoding="utf-8").splitlines()
    lines = [line for line in lines if not line.startswith("P02,Week 24")]
    lines = [
        ",".join([*line.split(",")[:3], ""]) if line.startswith("P03,Week 24") else line for line in lines
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    result = run("check", parallel_trial / "trial.toml")
    assert "vasi_change: 2 of 18 patients at Week 24" in result.stdout


def test_a_directory_stands_for_the_trial_in_it(sound_trials: dict[str, Path]) -> None:
    assert run("check", sound_trials["parallel"]).exit_code == 0


@pytest.mark.parametrize("columns", ["30", "60", "200"])
def test_check_fits_the_terminal_and_leaves_paths_whole(
    columns: str, sound_trials: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    home = sound_trials["within-patient"]
    result = run("check", home / "trial.toml")
    findings, files = result.stdout.split("In order:")
    assert max(len(line) for line in findings.splitlines()) <= max(int(columns), 45)
    assert f"  {home / 'assessments.csv'}\n" in files


# --- simulate and instruments ---


def test_the_same_seed_writes_the_same_bytes(tmp_path: Path) -> None:
    for name, seed in (("one", 7), ("two", 7), ("three", 8)):
        result = run("simulate", "additive/split-face", tmp_path / name, "--seed", seed)
        assert result.exit_code == 0, result.stderr
    one, two, three = (bytes_of(tmp_path / name) for name in ("one", "two", "three"))
    assert one == two
    assert one["assessments.csv"] != three["assessments.csv"]
    assert run("check", tmp_path / "one").exit_code == 0


def test_a_simulated_trial_replaces_no_other(tmp_path: Path) -> None:
    (tmp_path / "trial.toml").write_text("somebody's")
    result = run("simulate", "null/within-patient", tmp_path)
    assert result.exit_code == 2
    assert str(tmp_path / "trial.toml") in result.stderr
    assert bytes_of(tmp_path) == {"trial.toml": b"somebody's"}
    assert run("simulate", "null/within-patient", tmp_path, "--overwrite").exit_code == 0
    assert "assessments.csv" in bytes_of(tmp_path)


def test_scenarios_are_listed_by_the_names_that_simulate_takes() -> None:
    from synthetic_data import list_scenarios

    listed = run("simulate", "--list")
    assert listed.exit_code == 0
    for name in list_scenarios()["name"]:
        assert name in listed.stdout


def test_a_scenario_that_contradicts_itself_ends_with_1(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text("patients = -3\n")
    result = run("simulate", tmp_path / "mine.toml", tmp_path / "out")
    assert result.exit_code == 1
    assert "mine.toml" in result.stderr
    assert not (tmp_path / "out").exists()


def test_instruments_are_listed_and_explained() -> None:
    from outcomes.instruments import list_instruments

    listed = run("instruments").stdout
    for name in list_instruments()["name"]:
        assert name in listed
    explained = run("instruments", "vasi")
    assert explained.exit_code == 0
    assert "Hamzavi" in explained.stdout


def test_a_misspelt_instrument_names_the_nearest() -> None:
    assert "'vasi'" in run("instruments", "vassi").stderr


# --- report ---


@pytest.fixture(scope="module")
def report(sound_trials: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[Result, Path]:
    """A report written into a directory that holds something else already."""
    out = tmp_path_factory.mktemp("reports") / "out"
    out.mkdir()
    (out / "notes.txt").write_text("mine")
    return run("report", sound_trials["within-patient"] / "trial.toml", "-o", out), out


def test_a_report_is_written_whole_beside_what_was_there(report: tuple[Result, Path]) -> None:
    result, out = report
    assert result.exit_code == 0, result.stderr
    names = set(bytes_of(out))
    assert {"report.html", "report.ipynb", "results.json", "manifest.json", "notes.txt"} <= names
    assert {"figures/verdict.svg", "figures/verdict.png"} <= names
    assert (out / "notes.txt").read_text() == "mine"
    assert not [name for name in names if name.startswith(".") or name.endswith("~")]


def test_the_report_command_prints_where_the_report_lies_and_nothing_else(
    report: tuple[Result, Path],
) -> None:
    result, out = report
    assert f"  {out / 'report.html'}\n" in result.stdout
    assert result.stderr == "", "no progress where nobody watches"


def test_the_manifest_names_every_file_of_the_report(report: tuple[Result, Path]) -> None:
    import hashlib

    from reports.manifest import Manifest

    _, out = report
    manifest = Manifest.from_json((out / "manifest.json").read_text(encoding="utf-8"))
    found = bytes_of(out)
    assert {one.file for one in manifest.outputs} == set(found) - {"manifest.json", "notes.txt"}
    for one in manifest.outputs:
        assert hashlib.sha256(found[one.file]).hexdigest() == one.sha256
    assert [one.file for one in manifest.inputs] == [
        "adverse_events.csv",
        "assessments.csv",
        "lesions.csv",
        "patients.csv",
        "trial.toml",
    ]
    assert str(out) not in (out / "manifest.json").read_text(encoding="utf-8")


def test_a_second_report_has_the_same_bytes(
    report: tuple[Result, Path], sound_trials: dict[str, Path]
) -> None:
    _, out = report
    again = out.parent / "again"
    assert run("report", sound_trials["within-patient"] / "trial.toml", "-o", again).exit_code == 0
    first = {name: content for name, content in bytes_of(out).items() if name != "notes.txt"}
    assert bytes_of(again) == first


def test_one_format_alone_is_written_alone(sound_trials: dict[str, Path], tmp_path: Path) -> None:
    result = run("report", sound_trials["parallel"], "-o", tmp_path / "out", "--format", "html")
    assert result.exit_code == 0, result.stderr
    assert (tmp_path / "out" / "report.html").exists()
    assert not (tmp_path / "out" / "report.ipynb").exists()


def test_a_model_that_fails_is_said_in_one_block(parallel_trial: Path, tmp_path: Path) -> None:
    toml = parallel_trial / "trial.toml"
    toml.write_text(
        toml.read_text(encoding="utf-8").replace(
            'role = "primary"', 'role = "primary"\nmodel = "value ~ arm + nothing"'
        ),
        encoding="utf-8",
    )
    result = run("report", toml, "-o", tmp_path / "out")
    assert result.exit_code == 1
    assert "nothing" in result.stderr
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "out").exists()


def test_a_directory_that_cannot_be_written_is_said(sound_trials: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = run("report", sound_trials["parallel"], "-o", tmp_path / "file" / "out", "--format", "html")
    assert result.exit_code == 1
    assert "Traceback" not in result.stderr
    assert str(tmp_path / "file") in result.stderr


@pytest.mark.parametrize("stage", [1, 3, 5])
def test_ctrl_c_leaves_nothing_half_written(
    stage: int, sound_trials: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from reports.console import Stages

    stages: list[str] = []

    def interrupt(_: Stages, name: str) -> None:
        stages.append(name)
        if len(stages) == stage:
            raise KeyboardInterrupt

    monkeypatch.setattr(Stages, "__call__", interrupt)
    out = tmp_path / "out"
    out.mkdir()
    (out / "report.html").write_text("an older report")
    result = run("report", sound_trials["parallel"], "-o", out)
    assert result.exit_code == 130
    assert "nothing is half-written" in result.stderr
    assert bytes_of(out) == {"report.html": b"an older report"}
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.skipif(os.name != "posix", reason="signals are sent as POSIX has them")
def test_ctrl_c_while_the_notebook_runs_ends_the_kernel_too(
    sound_trials: dict[str, Path], tmp_path: Path
) -> None:
    code = """
import os, signal, threading
from reports.cli import main
from reports.console import Stages

def call(stages, name):
    if name == "Drawing figures":  # the notebook began just before, beside it
        threading.Timer(1.5, os.kill, (os.getpid(), signal.SIGINT)).start()

Stages.__call__ = call
main(prog_name="tandem")
"""
    out = tmp_path / "out"
    process = subprocess.run(
        [sys.executable, "-c", code, "report", str(sound_trials["parallel"]), "-o", str(out)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert process.returncode == 130, process.stderr
    assert process.stderr.strip() == "Stopped; nothing is half-written."
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name != "posix", reason="signals are sent as POSIX has them")
def test_a_batch_system_that_ends_a_build_leaves_the_old_report(
    sound_trials: dict[str, Path], tmp_path: Path
) -> None:
    code = """
import os, signal
from reports.cli import main
from reports.console import Stages

def call(stages, name):
    if name.startswith("Writing report"):
        os.kill(os.getpid(), signal.SIGTERM)

Stages.__call__ = call
main(prog_name="tandem")
"""
    out = tmp_path / "out"
    out.mkdir()
    (out / "report.html").write_text("an older report")
    typed = ["report", str(sound_trials["parallel"]), "-o", str(out), "--format", "html"]
    process = subprocess.run(
        [sys.executable, "-c", code, *typed], capture_output=True, text=True, timeout=120, check=False
    )
    assert process.returncode == 143, process.stderr
    assert process.stderr.strip() == "Stopped; nothing is half-written."
    assert bytes_of(out) == {"report.html": b"an older report"}


def test_formats_may_stand_in_any_order(
    sound_trials: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []

    def build(trial: Path, output: Path, formats: tuple[str, ...], *_: object, **options: object) -> object:
        from reports.build import ReportFiles

        asked.append((formats, options))
        return ReportFiles(output, (output / "report.pdf",), (), (output / "figures" / "old.svg",))

    monkeypatch.setattr("reports.report.build_report", build)
    result = run(
        "report",
        sound_trials["parallel"],
        "-o",
        tmp_path,
        "--format",
        " ipynb, PDF,html,pdf",
        "--second-opinion",
    )
    assert result.exit_code == 0, result.stderr
    assert asked == [(("html", "pdf", "ipynb"), {"options": None, "second_opinion": True})]
    assert f"changed since, so left as they are:\n  {tmp_path / 'figures' / 'old.svg'}" in result.stdout


@pytest.mark.skipif(os.name != "posix", reason="pseudo-terminals are POSIX's")
def test_progress_is_shown_on_a_terminal_without_colour_where_the_user_wants_none(
    sound_trials: dict[str, Path], tmp_path: Path
) -> None:
    import pty
    import re

    parent, child = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, "report", str(sound_trials["parallel"]), "-o", str(tmp_path / "out"), "--format", "html"],
        stdout=subprocess.PIPE,
        stderr=child,
        env={**os.environ, "NO_COLOR": "1", "TERM": "xterm-256color", "COLUMNS": "60"},
    )
    os.close(child)
    shown = b""
    while True:
        try:
            part = os.read(parent, 4096)
        except OSError:  # Linux says so where the other end was closed
            break
        if not part:
            break
        shown += part
    os.close(parent)
    stdout, _ = process.communicate()
    assert process.returncode == 0, shown.decode()
    text = shown.decode()
    assert "Analysing" in text
    # Colours are SGR codes 30 to 37, 38, 40 to 47, 90 and up; moving the cursor is no colour.
    assert re.search(r"\x1b\[[0-9;]*(3[0-8]|4[0-8]|9[0-7])m", text) is None
    assert f"  {tmp_path / 'out' / 'report.html'}\n" in stdout.decode()


def test_the_demo_writes_a_trial_and_its_report(tmp_path: Path) -> None:
    result = run("demo", tmp_path / "demo")
    assert result.exit_code == 0, result.stderr
    names = set(bytes_of(tmp_path / "demo"))
    assert {"trial.toml", "assessments.csv", "report/report.html", "report/report.ipynb"} <= names
    assert str(tmp_path / "demo" / "report" / "report.html") in result.stdout
    assert run("demo", tmp_path / "demo").exit_code == 2, "a trial is there already"


def test_check_says_that_an_events_file_without_a_row_says_nothing(within_patient_trial: Path) -> None:
    (within_patient_trial / "adverse_events.csv").write_text("patient,term\n", encoding="utf-8")
    toml = within_patient_trial / "trial.toml"
    said = " ".join(run("check", toml).stdout.split())
    assert "adverse_events.csv holds no event: the report will say that nothing can be said of harm" in said
    toml.write_text(
        toml.read_text(encoding="utf-8").replace(
            'events = "adverse_events.csv"', 'events = "adverse_events.csv"\nevents_complete = true'
        ),
        encoding="utf-8",
    )
    said = " ".join(run("check", toml).stdout.split())
    assert "Events none occurred" in said


@pytest.mark.skipif(os.name != "posix", reason="pipes break as POSIX has them")
@pytest.mark.parametrize("arguments", [("check",), ("instruments",), ("--version",)])
def test_a_reader_that_leaves_is_no_error(arguments: tuple[str, ...], sound_trials: dict[str, Path]) -> None:
    """As `tandem check trial.toml | head -1` does."""
    reading, writing = os.pipe()
    os.close(reading)
    trial = [str(sound_trials["parallel"] / "trial.toml")] if arguments == ("check",) else []
    process = subprocess.Popen([*COMMAND, *arguments, *trial], stdout=writing, stderr=subprocess.PIPE)
    os.close(writing)
    _, stderr = process.communicate()
    assert stderr == b""
    assert process.returncode == 0
