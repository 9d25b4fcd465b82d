"""The manifest: what went in, what came out, and nothing else."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pandas as pd
import pyreadstat
import pytest

from outcomes.errors import ReportError
from reports.manifest import HashedFile, Manifest, data_sha256, software_versions, write_manifest


@pytest.fixture
def trial(tmp_path: Path) -> Path:
    home = tmp_path / "trial"
    home.mkdir()
    (home / "trial.toml").write_text('[trial]\nid = "T-1"\n')
    (home / "patients.csv").write_text("patient,arm\nP1,Laser\n")
    return home


@pytest.fixture
def report(tmp_path: Path) -> Path:
    out = tmp_path / "out"
    (out / "figures").mkdir(parents=True)
    (out / "report.html").write_bytes(b"<!doctype html>")
    (out / "figures" / "verdict.svg").write_bytes(b"<svg/>")
    (out / "someone-elses.txt").write_bytes(b"stays")
    return out


def written(trial: Path, report: Path, typed: str | Path | None = None) -> Manifest:
    path = write_manifest(
        report,
        trial_path=trial / "trial.toml" if typed is None else typed,
        formats=("html", "ipynb"),
        inputs=[trial / "patients.csv", trial / "trial.toml"],
        outputs=[report / "report.html", report / "figures" / "verdict.svg"],
    )
    return Manifest.from_json(path.read_text(encoding="utf-8"))


def test_hashes_are_those_of_the_files(trial: Path, report: Path) -> None:
    manifest = written(trial, report)
    assert manifest.outputs == (
        HashedFile("figures/verdict.svg", hashlib.sha256(b"<svg/>").hexdigest()),
        HashedFile("report.html", hashlib.sha256(b"<!doctype html>").hexdigest()),
    )
    assert [entry.file for entry in manifest.inputs] == ["patients.csv", "trial.toml"]
    assert manifest.inputs[0].sha256 == hashlib.sha256(b"patient,arm\nP1,Laser\n").hexdigest()


def test_the_command_has_the_trial_as_typed_and_no_output_path(
    trial: Path, report: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(trial.parent)
    manifest = written(trial, report, "trial/../trial/trial.toml")
    assert manifest.trial == "trial/../trial/trial.toml"
    assert manifest.command == ("tandem", "report", "trial/../trial/trial.toml", "--format", "html,ipynb")
    assert str(report) not in (report / "manifest.json").read_text()


def test_the_same_report_has_the_same_manifest(trial: Path, report: Path) -> None:
    written(trial, report)
    first = (report / "manifest.json").read_bytes()
    written(trial, report)
    assert (report / "manifest.json").read_bytes() == first
    assert json.loads(first)["schema"] == "tandem-manifest/1"


def test_text_and_value_are_each_others_inverse(trial: Path, report: Path) -> None:
    manifest = written(trial, report)
    assert Manifest.from_json(manifest.to_json()) == manifest


def test_files_beside_the_report_are_not_its_own(trial: Path, report: Path) -> None:
    assert all(entry.file != "someone-elses.txt" for entry in written(trial, report).outputs)


def test_an_output_outside_the_directory_is_refused(trial: Path, report: Path) -> None:
    with pytest.raises(ReportError, match="outside its directory"):
        write_manifest(
            report,
            trial_path=trial / "trial.toml",
            formats=("html",),
            inputs=[],
            outputs=[trial / "patients.csv"],
        )


def test_a_sas_transport_file_is_hashed_by_its_data(tmp_path: Path) -> None:
    frame = pd.DataFrame({"PATIENT": ["P1", "P2"], "VALUE": [1.5, None]})
    one, two, three = (tmp_path / f"{name}.xpt" for name in ("one", "two", "three"))
    pyreadstat.write_xport(frame, str(one))
    content = one.read_bytes()
    # The transport format writes its creation time as DDMMMYY:HH:MM:SS into the headers.
    stamps = [k for k in range(len(content)) if content[k : k + 1] == b":" and content[k + 3 : k + 4] == b":"]
    assert stamps
    changed = bytearray(content)
    for stamp in stamps:
        changed[stamp + 1 : stamp + 3] = b"23" if changed[stamp + 1 : stamp + 3] != b"23" else b"22"
    two.write_bytes(bytes(changed))
    pyreadstat.write_xport(frame.assign(VALUE=[1.5, 2.0]), str(three))
    assert two.read_bytes() != content
    assert data_sha256(two) == data_sha256(one)
    assert data_sha256(three) != data_sha256(one)


def test_a_shifted_cell_is_another_table(tmp_path: Path) -> None:
    # Without separators, ("ab", "c") and ("a", "bc") would be one text.
    for name, cells in (("one", ["ab", "c"]), ("two", ["a", "bc"])):
        pyreadstat.write_xport(pd.DataFrame([cells], columns=["A", "B"]), str(tmp_path / f"{name}.xpt"))
    assert data_sha256(tmp_path / "one.xpt") != data_sha256(tmp_path / "two.xpt")


def test_the_software_is_named_with_its_versions() -> None:
    import numpy
    import pandas

    versions = software_versions()
    assert versions["numpy"] == numpy.__version__
    assert versions["pandas"] == pandas.__version__
    assert versions["python"].count(".") == 2
    assert "pytest" not in versions, "what only developers need makes no report"


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"schema": "tandem-manifest/9"}'])
def test_what_is_no_manifest_is_refused_in_words(text: str) -> None:
    with pytest.raises(ReportError, match=r"[Mm]anifest"):
        Manifest.from_json(text)
