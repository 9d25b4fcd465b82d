"""A rebuild is compared: identical, or a changed input, a changed version, an edited report, each told apart."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from outcomes.errors import ModelError, RebuildError, ReportError
from reports import Report, build_report, verify_report
from reports.cli import main
from reports.manifest import Manifest, file_sha256
from reports.rebuild.verify import Verification, verify_against
from reports.results import Results


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments], catch_exceptions=False)


@pytest.fixture(scope="module")
def pristine(sound_trials: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("pristine") / "report"
    build_report(sound_trials["parallel"] / "trial.toml", out, ("html",))
    return out


@pytest.fixture
def report(pristine: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(pristine, tmp_path / "report"))


Edit = Callable[[Path], None]


def compared(report: Path, pristine: Path, change: Edit | None = None) -> Verification:
    """Compare with a rebuild that gives the pristine report, changed as a change of inputs or versions would."""

    def rebuild(out: Path, _: tuple[str, ...]) -> None:
        shutil.copytree(pristine, out)
        if change is not None:
            change(out)

    return verify_against(report, rebuild)  # type: ignore[arg-type]


def remade(report: Path, **facts: object) -> None:
    """Write the manifest of a report again, with its outputs as they are now."""
    path = report / "manifest.json"
    old = Manifest.from_json(path.read_text(encoding="utf-8"))
    raw = json.loads(path.read_text(encoding="utf-8")) | facts
    for entry in raw["outputs"]:
        entry["sha256"] = file_sha256(report / entry["file"])
    made = Manifest.from_json(json.dumps(raw))
    assert made.asked == old.asked
    path.write_text(made.to_json(), encoding="utf-8", newline="\n")


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8", newline="\n")


def said(found: Verification) -> str:
    return "\n".join(found.lines())


# --- told apart ---


def test_the_same_report_is_identical(report: Path, pristine: Path) -> None:
    (report / "notes.txt").write_text("mine")
    found = compared(report, pristine)
    assert found.identical
    assert said(found).startswith("identical: all ")
    assert len(found.lines()) == 1


def first_estimate(report: Path) -> tuple[str, float]:
    """The first estimate whose digits stand in the file once."""
    text = (report / "results.json").read_text(encoding="utf-8")
    rows = (row for row in Results.read(report / "results.json") if row.statistic == "estimate")
    value = next(row.value for row in rows if text.count(repr(row.value)) == 1)
    assert isinstance(value, float)
    return repr(value), value


def changed_number(out: Path) -> None:
    text, value = first_estimate(out)
    edit(out / "results.json", text, repr(value + 1))
    edit(out / "report.html", 'id="verdict"', 'id="verdict" ')
    remade(out)


def test_a_number_that_changed_is_named_with_both_values(report: Path, pristine: Path) -> None:
    found = compared(report, pristine, changed_number)
    _, value = first_estimate(pristine)
    assert [one.file for one in found.outputs] == ["results.json", "report.html"], "results first"
    assert {one.kind for one in found.outputs} == {"rebuilt"}
    (number,) = found.numbers
    assert number.was == value
    assert number.now == pytest.approx(value + 1)
    assert dict(number.address)["statistic"] == "estimate"
    words = said(found)
    assert f"estimate: {value!r} → {value + 1!r}"[:30] in words
    assert "Changed numbers: 1 of " in words
    assert "in the section" in words
    assert "Neither an input nor a version changed" in words


def test_many_numbers_are_counted_and_the_first_are_shown(report: Path, pristine: Path) -> None:
    def change(out: Path) -> None:
        results = json.loads((out / "results.json").read_text())
        for row in results["results"][:60]:
            row["value"] = 7.25
        del results["results"][60:62]
        (out / "results.json").write_text(json.dumps(results))
        remade(out)

    found = compared(report, pristine, change)
    assert len(found.numbers) == 62
    assert sum(one.only == "report" for one in found.numbers) == 2
    assert said(found).count("→ 7.25") == 5
    assert "and 57 more" in said(found)


def test_a_changed_input_is_named_and_its_cells_are_not_guessed(report: Path, pristine: Path) -> None:
    def change(out: Path) -> None:
        raw = json.loads((out / "manifest.json").read_text())
        for entry in raw["inputs"]:
            if entry["file"] == "assessments.csv":
                entry["sha256"] = "f" * 64
        remade(out, inputs=raw["inputs"])

    found = compared(report, pristine, change)
    assert [(one.file, one.kind) for one in found.inputs] == [("assessments.csv", "changed")]
    assert not found.outputs
    assert not found.identical
    assert "Changed input\n  assessments.csv: SHA-256 " in said(found)
    assert "does not tell which rows or cells" in said(found)
    assert "patients.csv" not in said(found)


def test_a_changed_version_is_named_from_old_to_new(report: Path, pristine: Path) -> None:
    def change(out: Path) -> None:
        software = json.loads((out / "manifest.json").read_text())["software"]
        remade(out, software={**software, "numpy": "9.9.9"}, seeds={"bootstrap": 4})

    found = compared(report, pristine, change)
    import numpy

    assert f"Changed version\n  numpy {numpy.__version__} → 9.9.9\n  seed of bootstrap none → 4" in said(
        found
    )
    assert "edited" not in said(found).lower()
    assert not found.inputs


def test_a_hand_edited_report_is_told_from_drift(report: Path, pristine: Path) -> None:
    edit(report / "report.html", 'p class="answer"', "p class='answer'")
    found = compared(report, pristine)
    assert [(one.file, one.kind) for one in found.outputs] == [("report.html", "edited")]
    assert "Edited after it was built\n  report.html: changed by hand" in said(found)
    assert "Comes out differently" not in said(found)
    assert not found.manifest_edited


def test_hand_edited_results_name_the_number(report: Path, pristine: Path) -> None:
    text, value = first_estimate(report)
    edit(report / "results.json", text, repr(value + 1))
    found = compared(report, pristine)
    (number,) = found.numbers
    assert (number.was, number.now) == (pytest.approx(value + 1), value)
    (report / "results.json").write_text("no JSON any more")
    assert "no results file any more" in said(compared(report, pristine))


def test_an_edited_manifest_is_told_from_an_edited_report(report: Path, pristine: Path) -> None:
    manifest = json.loads((report / "manifest.json").read_text())
    page = next(one for one in manifest["outputs"] if one["file"] == "report.html")
    edit(report / "manifest.json", page["sha256"], "0" * 64)
    found = compared(report, pristine)
    assert found.manifest_edited
    assert [(one.file, one.kind) for one in found.outputs] == [("report.html", "manifest")]
    assert "Edited manifest\n" in said(found)
    assert "Wrong hash in manifest.json\n  report.html" in said(found)
    assert "Edited after" not in said(found)


def test_a_missing_output_is_named(report: Path, pristine: Path) -> None:
    (report / "figures" / "flow.svg").unlink()
    found = compared(report, pristine)
    assert "Missing\n  figures/flow.svg" in said(found)


def test_several_things_at_once_are_each_named(report: Path, pristine: Path) -> None:
    (report / "figures" / "flow.svg").unlink()
    edit(report / "figures" / "verdict.svg", "<svg", "<svg ")

    def change(out: Path) -> None:
        software = json.loads((out / "manifest.json").read_text())["software"]
        changed_number(out)
        remade(out, software={**software, "scipy": "9.9.9"})

    words = said(compared(report, pristine, change))
    for part in (
        "Changed version",
        "Edited after it was built",
        "Missing",
        "Comes out differently",
        "Changed numbers",
    ):
        assert part in words
    assert "Neither an input" not in words


def test_files_that_come_or_go_are_named(report: Path, pristine: Path) -> None:
    def change(out: Path) -> None:
        raw = json.loads((out / "manifest.json").read_text())
        outputs = [one for one in raw["outputs"] if one["file"] != "figures/flow.svg"]
        remade(out, outputs=[*outputs, {"file": "figures/new.svg", "sha256": "", "of": "bytes"}])

    def with_file(out: Path) -> None:
        (out / "figures" / "new.svg").write_text("<svg/>")
        change(out)

    words = said(compared(report, pristine, with_file))
    assert "figures/flow.svg: the rebuild makes no such file" in words
    assert "figures/new.svg: the rebuild makes it, the report does not have it" in words


# --- from the command line ---


def test_the_command_says_identical_and_ends_with_0(
    report: Path, sound_trials: dict[str, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    before = {path: path.read_bytes() for path in report.rglob("*") if path.is_file()}
    result = run("verify", report)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith("identical: ")
    assert {path: path.read_bytes() for path in report.rglob("*") if path.is_file()} == before
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_changed_table_ends_with_3_and_names_numbers(
    report: Path, sound_trials: dict[str, Path], tmp_path: Path
) -> None:
    trial = Path(shutil.copytree(sound_trials["parallel"], tmp_path / "moved"))
    lines = (trial / "assessments.csv").read_text().splitlines()
    lines[-1] = lines[-1].rsplit(",", 1)[0] + ",5.5"
    (trial / "assessments.csv").write_text("\n".join(lines) + "\n")
    result = run("verify", report, "--trial", trial)
    assert result.exit_code == 3
    assert "Changed input\n  assessments.csv" in result.stdout
    assert "Changed numbers: " in result.stdout
    assert "Edited" not in result.stdout
    # A defect in the data is said beside the change that brought it.
    (trial / "assessments.csv").write_text("\n".join(lines).replace("Week 24", "Week 25") + "\n")
    result = run("verify", report, "--trial", trial)
    assert result.exit_code == 3
    assert "assessments.csv: SHA-256" in result.stdout
    assert "cannot be built any more\n  The trial's data have" in result.stdout


def test_a_trial_that_is_not_there_is_asked_for(report: Path, tmp_path: Path) -> None:
    result = run("verify", report, "--trial", tmp_path / "gone.toml")
    assert result.exit_code == 2
    assert "--trial PATH" in result.stderr
    edit(report / "manifest.json", '"trial": "', '"trial": "gone/')
    assert run("verify", report).exit_code == 2
    with pytest.raises(RebuildError, match="trial is not there"):
        verify_report(report)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"schema": "tandem-manifest/1"}'])
def test_a_damaged_manifest_ends_with_1(text: str, report: Path) -> None:
    (report / "manifest.json").write_text(text)
    result = run("verify", report)
    assert result.exit_code == 1
    assert "manifest" in result.stderr
    assert "Traceback" not in result.output


def test_a_manifest_that_names_other_places_is_refused(report: Path) -> None:
    edit(report / "manifest.json", '"file": "report.html"', '"file": "../../etc/passwd"')
    result = run("verify", report)
    assert result.exit_code == 1
    assert "outside" in result.stderr


def test_a_directory_without_a_manifest_ends_with_1(tmp_path: Path) -> None:
    result = run("verify", tmp_path)
    assert result.exit_code == 1
    assert "holds no manifest" in result.stderr


def test_a_failure_without_a_change_is_a_failure(report: Path, sound_trials: dict[str, Path]) -> None:
    def rebuild(out: Path, _: tuple[str, ...]) -> None:
        raise ModelError("the model cannot be fitted")

    with pytest.raises(ModelError):
        verify_against(report, rebuild, sound_trials["parallel"])  # type: ignore[arg-type]


# --- reports of a session ---


def test_a_sessions_report_is_verified_by_the_session(sound_trials: dict[str, Path], tmp_path: Path) -> None:
    report = Report(sound_trials["parallel"] / "trial.toml").add("verdict")
    report.write(tmp_path / "out", ("html",))
    assert report.verify(tmp_path / "out").identical
    other = report.add("flow").verify(tmp_path / "out")
    assert [one.file for one in other.outputs] == ["report.html"]
    result = run("verify", tmp_path / "out")
    assert result.exit_code == 2
    assert "Report(...).verify" in result.stderr


def test_what_a_killed_build_left_is_undone_first(report: Path, pristine: Path) -> None:
    old = report / ".tandem" / "old"
    old.mkdir(parents=True)
    (report / "report.html").rename(old / "report.html")
    (report / "report.html").write_text("the half of a new one")
    journal = {"kept": ["report.html"], "added": [], "directories": []}
    (report / ".tandem" / "journal.json").write_text(json.dumps(journal))
    assert compared(report, pristine).identical
    assert not (report / ".tandem").exists()


def test_a_directory_under_construction_is_not_verified(report: Path, pristine: Path) -> None:
    from reports.rebuild.atomic import staged

    with staged(report) as stage:
        journal = stage.files.parent / "journal.json"
        journal.write_text('{"kept": [], "added": [], "directories": []}')
        with pytest.raises(ReportError, match="another build"):
            compared(report, pristine)
        journal.unlink()
