"""The manifest: what went in, what came out, and nothing else."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pandas as pd
import pyreadstat
import pytest

from outcomes import read_trial
from outcomes.errors import ReportError
from outcomes.trial import Trial
from reports.manifest import (
    Asked,
    HashedFile,
    Manifest,
    data_sha256,
    file_sha256,
    hashed_inputs,
    software_versions,
    write_manifest,
)


@pytest.fixture
def report(tmp_path: Path) -> Path:
    out = tmp_path / "out"
    (out / "figures").mkdir(parents=True)
    (out / "report.html").write_bytes(b"<!doctype html>")
    (out / "figures" / "verdict.svg").write_bytes(b"<svg/>")
    (out / "someone-elses.txt").write_bytes(b"stays")
    return out


ASKED = Asked(
    trial="trials/../trial.toml", formats=("html", "ipynb"), options="lancet.toml", second_opinion=True
)


def written(report: Path, asked: Asked = ASKED) -> Manifest:
    path = write_manifest(
        report,
        asked=asked,
        inputs=[HashedFile("patients.csv", "12ab"), HashedFile("trial.toml", "34cd")],
        outputs=[report / "report.html", report / "figures" / "verdict.svg"],
        seeds={"repigmentation/bootstrap": 7},
    )
    return Manifest.from_json(path.read_text(encoding="utf-8"))


def test_hashes_are_those_of_the_files(report: Path) -> None:
    manifest = written(report)
    assert manifest.outputs == (
        HashedFile("figures/verdict.svg", hashlib.sha256(b"<svg/>").hexdigest()),
        HashedFile("report.html", hashlib.sha256(b"<!doctype html>").hexdigest()),
    )
    assert [entry.file for entry in manifest.inputs] == ["patients.csv", "trial.toml"]
    assert manifest.seeds == {"repigmentation/bootstrap": 7}


def test_the_command_has_the_trial_as_typed_and_no_output_path(report: Path) -> None:
    written(report)
    raw = json.loads((report / "manifest.json").read_text())
    assert raw["trial"] == "trials/../trial.toml"
    assert raw["command"] == [
        "tandem", "report", "trials/../trial.toml", "--format", "html,ipynb", "--report", "lancet.toml",
        "--second-opinion",
    ]  # fmt: skip
    assert str(report) not in (report / "manifest.json").read_text()


def test_a_session_has_no_command(report: Path) -> None:
    manifest = written(report, Asked("trial.toml", ("html",), by_command=False))
    assert json.loads(manifest.to_json())["command"] is None
    assert not manifest.asked.by_command


def test_the_same_report_has_the_same_manifest(report: Path) -> None:
    written(report)
    first = (report / "manifest.json").read_bytes()
    written(report)
    assert (report / "manifest.json").read_bytes() == first
    assert json.loads(first)["schema"] == "tandem-manifest/2"


def test_text_and_value_are_each_others_inverse(report: Path) -> None:
    manifest = written(report)
    assert Manifest.from_json(manifest.to_json()) == manifest


@pytest.mark.parametrize(("old", "new"), [("12ab", "12ac"), ("html,ipynb", "html"), ("\n", "\r\n")])
def test_an_edit_shows_in_the_last_line(old: str, new: str, report: Path) -> None:
    written(report)
    text = (report / "manifest.json").read_bytes().decode()
    assert Manifest.from_json(text).to_json() == text
    edited = text.replace(old, new)
    assert Manifest.from_json(edited).to_json() != edited


def test_files_beside_the_report_are_not_its_own(report: Path) -> None:
    assert all(entry.file != "someone-elses.txt" for entry in written(report).outputs)


def test_an_output_outside_the_directory_is_refused(report: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere.csv").write_text("a")
    with pytest.raises(ReportError, match="outside its directory"):
        write_manifest(report, asked=ASKED, inputs=[], outputs=[tmp_path / "elsewhere.csv"])


def test_inputs_are_the_protocol_the_data_and_the_options(parallel_trial: Path) -> None:
    options = parallel_trial / "report.toml"
    options.write_text('style = "csr"\n')
    found = hashed_inputs(read_trial(parallel_trial / "trial.toml"), options)
    assert [one.file for one in found] == ["assessments.csv", "patients.csv", "report.toml", "trial.toml"]
    for one in found:
        content = (parallel_trial / one.file).read_bytes()
        assert one == HashedFile(one.file, hashlib.sha256(content).hexdigest(), "bytes")


def test_inputs_are_named_as_the_protocol_names_them_wherever_the_trial_is_looked_at_from(
    parallel_trial: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = parallel_trial.parent / "data"
    data.mkdir()
    (parallel_trial / "patients.csv").rename(data / "patients.csv")
    toml = parallel_trial / "trial.toml"
    toml.write_text(toml.read_text().replace("[data]", '[data]\npatients = "../data/patients.csv"'))
    found = hashed_inputs(read_trial(toml))
    monkeypatch.chdir(data)
    assert hashed_inputs(read_trial("../parallel/trial.toml")) == found
    assert [one.file for one in found] == ["../data/patients.csv", "assessments.csv", "trial.toml"]


def test_frames_have_fingerprints_of_their_own(parallel_trial: Path) -> None:
    trial = read_trial(parallel_trial / "trial.toml")

    def again(assessments: pd.DataFrame) -> tuple[HashedFile, ...]:
        made = Trial.from_frames(trial.protocol, patients=trial.patients, assessments=assessments)
        return hashed_inputs(made)

    same, other = (
        again(trial.assessments),
        again(trial.assessments.assign(vasi=lambda rows: rows["vasi"] + 0.1)),
    )
    assert same == again(trial.assessments)
    assert {one.file for one in set(same) ^ set(other)} == {"assessments"}
    assert {one.of for one in same} == {"data", "frame"}


def test_a_workbook_saved_again_is_the_same_input(tmp_path: Path) -> None:
    import openpyxl

    def save(name: str, value: float, author: str, second: str = "x") -> str:
        book = openpyxl.Workbook()
        book.properties.creator = author
        book.active.append(["patient", "share"])
        book.active.append(["P1", value])
        book.create_sheet("Notes").append([second])
        book.save(tmp_path / name)
        return data_sha256(tmp_path / name)

    first = save("one.xlsx", 0.75, "Ada")
    assert save("two.xlsx", 0.75, "Grace") == first
    assert file_sha256(tmp_path / "one.xlsx") != file_sha256(tmp_path / "two.xlsx")
    assert save("three.xlsx", 0.76, "Ada") != first
    assert save("four.xlsx", 0.75, "Ada", second="y") != first, "every sheet counts"
    book = openpyxl.load_workbook(tmp_path / "one.xlsx")
    book.worksheets[0]["B2"].number_format = "0%"
    book.save(tmp_path / "five.xlsx")
    assert data_sha256(tmp_path / "five.xlsx") != first, "75% is read as another value than 0.75"


@pytest.mark.parametrize("ending", ["json", "ndjson"])
def test_dataset_json_exported_again_is_the_same_input(ending: str, tmp_path: Path) -> None:
    def save(time: str, value: int) -> str:
        head = {"datasetJSONCreationDateTime": time, "dbLastModifiedDateTime": time, "name": "PT"}
        path = tmp_path / f"{time}{value}.{ending}"
        rows = [["P1", value]]
        text = (
            json.dumps({**head, "rows": rows})
            if ending == "json"
            else f"{json.dumps(head)}\n{json.dumps(rows[0])}\n"
        )
        path.write_text(text)
        return data_sha256(path)

    assert save("2026-01-01", 1) == save("2026-02-02", 1)
    assert save("2026-01-01", 1) != save("2026-01-01", 2)


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
    assert versions["linear algebra of numpy"] != "not known"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[]",
        "null",
        '{"schema": "tandem-manifest/9"}',
        '{"schema": "tandem-manifest/2", "trial": 1}',
    ],
)
def test_what_is_no_manifest_is_refused_in_words(text: str) -> None:
    with pytest.raises(ReportError, match=r"[Mm]anifest"):
        Manifest.from_json(text)
