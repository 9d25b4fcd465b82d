"""The trial of a report is found again by its manifest, wherever both lie, and never taken for another."""

from __future__ import annotations

from pathlib import Path

import pytest

from outcomes.errors import ReportError
from reports import locate_trial
from reports.manifest import Asked, HashedFile, Manifest, file_sha256


def trial(directory: Path, text: str = "[trial]\n") -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / "trial.toml"
    path.write_text(text, encoding="utf-8")
    return path


def manifest(directory: Path, typed: str, of: Path) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / "manifest.json"
    inputs = (HashedFile("data.csv", "0" * 64), HashedFile(of.name, file_sha256(of)))
    path.write_text(Manifest(Asked(typed, ("ipynb",)), inputs, (), {}).to_json(), encoding="utf-8")
    return path


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in an empty directory, with no trial named by the environment."""
    place = tmp_path / "elsewhere"
    place.mkdir()
    monkeypatch.chdir(place)
    monkeypatch.delenv("TANDEM_TRIAL", raising=False)
    return place


def test_as_it_was_typed_from_where_one_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made_from = trial(tmp_path / "project" / "study")
    record = manifest(tmp_path / "far" / "report", "study/trial.toml", made_from)
    monkeypatch.chdir(tmp_path / "project")
    assert locate_trial(record) == Path("study/trial.toml")


@pytest.mark.parametrize(
    ("typed", "report"),
    [
        ("study/trial.toml", "project/build/reports/study"),
        ("../study/trial.toml", "project/build"),
        ("../../project/study/trial.toml", "project/out/deep/deeper"),
        ("trial.toml", "project/study/report"),
        ("trial.toml", "project/study"),
        ("./study/../study/trial.toml", "project/build"),
        ("/nowhere/on/this/machine/study/trial.toml", "project/report"),
    ],
)
def test_from_the_reports_directory_and_those_above_it(tmp_path: Path, typed: str, report: str) -> None:
    made_from = trial(tmp_path / "project" / "study")
    found = locate_trial(manifest(tmp_path / report, typed, made_from))
    assert found.resolve() == made_from


def test_the_default_is_the_manifest_beside_the_notebook(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made_from = trial(tmp_path / "study")
    manifest(tmp_path / "study" / "report", "study/trial.toml", made_from)
    monkeypatch.chdir(tmp_path / "study" / "report")
    assert locate_trial().resolve() == made_from


def test_another_trial_of_the_same_name_is_passed_over(tmp_path: Path) -> None:
    trial(tmp_path / "project" / "report" / "study", "[trial]\nid = 'another'\n")
    made_from = trial(tmp_path / "project" / "study")
    found = locate_trial(manifest(tmp_path / "project" / "report", "study/trial.toml", made_from))
    assert found.resolve() == made_from


def test_a_trial_that_was_changed_since_is_named_and_not_taken(tmp_path: Path) -> None:
    made_from = trial(tmp_path / "study")
    record = manifest(tmp_path / "report", "study/trial.toml", made_from)
    trial(tmp_path / "study", "[trial]\nid = 'changed'\n")
    with pytest.raises(ReportError, match="not the one that this report was made from") as caught:
        locate_trial(record)
    assert f'trial="{made_from.as_posix()}")' in str(caught.value)
    assert locate_trial(record, trial=made_from) == made_from


def test_a_trial_that_is_nowhere_says_how_to_name_it(tmp_path: Path) -> None:
    made_from = trial(tmp_path / "study")
    record = manifest(tmp_path / "report", "study/trial.toml", made_from)
    made_from.unlink()
    with pytest.raises(ReportError, match="was not found") as caught:
        locate_trial(record)
    assert 'manifest.json", trial="...")' in str(caught.value)
    assert "study/trial.toml" in str(caught.value)


def test_a_report_made_from_data_frames_has_no_files_to_find(tmp_path: Path) -> None:
    record = manifest(tmp_path / "report", "", trial(tmp_path / "study"))
    with pytest.raises(ReportError, match="made from data frames"):
        locate_trial(record)


def test_a_named_trial_has_to_exist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ReportError, match="no such file"):
        locate_trial(trial=tmp_path / "trial.toml")
    monkeypatch.setenv("TANDEM_TRIAL", str(tmp_path / "trial.toml"))
    with pytest.raises(ReportError, match="TANDEM_TRIAL"):
        locate_trial()
    made_from = trial(tmp_path)
    assert locate_trial() == made_from
    other = trial(tmp_path / "other")
    assert locate_trial(trial=other) == other, "an argument is nearer than the environment"


def test_a_missing_manifest_says_so(tmp_path: Path) -> None:
    with pytest.raises(ReportError, match="no such file") as caught:
        locate_trial(tmp_path / "manifest.json")
    assert "the manifest.json of a report" in str(caught.value)


def test_what_the_package_offers_is_imported_when_it_is_asked_for() -> None:
    import reports

    for name in reports.__all__:
        assert getattr(reports, name).__name__ == name
        assert name in dir(reports)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = reports.nothing
