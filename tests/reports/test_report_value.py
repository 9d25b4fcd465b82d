"""A report put together in a session, by report.toml and by the command: the same pieces, the same bytes."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
from pathlib import Path

import pytest

from outcomes import ProtocolError, read_trial
from outcomes.errors import ReportError
from outcomes.protocol import ReportOptions, SectionChoice
from outcomes.trial import Trial
from reports import Report, build_report
from reports.document import Heading, Paragraph, Section
from reports.report import OPTIONS
from reports.section_choice import planned_sections
from reports.sections import SECTIONS
from reports.tables.value import Cell, Column, Row, Table


@pytest.fixture(scope="module")
def parallel(sound_trials: dict[str, Path]) -> Path:
    return sound_trials["parallel"] / "trial.toml"


@pytest.fixture(scope="module")
def report(parallel: Path) -> Report:
    return Report(parallel)


OWN = Table(
    name="visits",
    title="Our own visits",
    stub="Visit",
    columns=(Column("Patients"),),
    rows=(Row(Cell("Week 12"), (Cell("18", 18),)),),
)


def titles(report: Report) -> list[str]:
    return [section.title for section in report.document.sections]


# --- putting together ---


def test_a_report_begins_empty_and_grows_in_order(report: Report) -> None:
    assert report.document.sections == ()
    assert report.document.headline.identifier == "SMALL-2"
    grown = report.add("harms", title="What went wrong").add("verdict")
    assert titles(grown) == ["What went wrong", "What the combination adds"]
    assert repr(grown) == "Report(SMALL-2: harms, verdict)"


def test_nothing_changes_a_report(report: Report) -> None:
    before = report.sections
    report.add("verdict")
    assert report.sections == before
    with pytest.raises((dataclasses.FrozenInstanceError, TypeError)):
        report.sections = ()  # type: ignore[misc]


def test_the_default_holds_every_section_once_also_after_some(report: Report) -> None:
    assert [one.key for one in report.add_default().sections] == list(SECTIONS)
    keys = [one.key for one in report.add("verdict").add_default().sections]
    assert keys == ["verdict", *(key for key in SECTIONS if key != "verdict")]


def test_blocks_of_ones_own_get_a_section_each(report: Report) -> None:
    figure = report.document.headline.figure
    assert figure is not None
    grown = (
        report.add(Paragraph("The monitor's visit found nothing."), title="Monitoring")
        .add(OWN)
        .add(figure, title="The verdict again", key="again")
        .add(Section("own", "Mine", (Heading("A"), Paragraph("B"))), title="Ours")
    )
    assert [(one.key, one.title) for one in grown.document.sections] == [
        ("added-1", "Monitoring"),
        ("visits", "Our own visits"),
        ("again", "The verdict again"),
        ("own", "Ours"),
    ]
    assert OWN in grown.document.tables


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        ("verdit", "nearest known: 'verdict'"),
        (Paragraph("words"), "needs a title"),
        (3.5, "cannot be added"),
        (["verdict"], "cannot be added"),
    ],
)
def test_what_cannot_be_added_is_said(what: object, expected: str, report: Report) -> None:
    with pytest.raises(ReportError, match=expected):
        report.add(what)  # type: ignore[arg-type]


def test_a_section_stands_once(report: Report) -> None:
    with pytest.raises(ReportError, match="stands twice"):
        report.add("verdict").add("verdict")
    with pytest.raises(ReportError, match="stands twice"):
        report.add(OWN).add(OWN)


def test_the_analysis_is_run_once_for_all_that_is_made_of_it(
    parallel: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import reports.analyse

    runs: list[int] = []
    whole = reports.analyse.analyse_trial

    def counted(*arguments: object, **options: object) -> object:
        runs.append(1)
        return whole(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(reports.analyse, "analyse_trial", counted)
    report = Report(parallel)
    assert not runs, "nothing is computed before it is needed"
    assert len(report.results) == len(report.add("verdict").results)
    assert report.add("harms").document.sections
    assert len(runs) == 1


def test_a_notebook_shows_the_page_in_a_frame(report: Report) -> None:
    shown = report.add("verdict")._repr_html_()
    assert shown.startswith("<iframe ")
    assert "&lt;!doctype html&gt;" in shown
    assert "<script" not in shown


def test_a_trial_of_frames_has_a_report_too(parallel: Path, tmp_path: Path) -> None:
    read = read_trial(parallel)
    trial = Trial.from_frames(read.protocol, patients=read.patients, assessments=read.assessments)
    report = Report(trial, style="lancet").add("verdict").add("provenance")
    written = report.write(tmp_path / "out", ("html",))
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "a Python session" in page
    assert "tandem report" not in page
    assert "·" in "".join(written.answer)
    assert report.verify(tmp_path / "out").identical
    with pytest.raises(ReportError, match="no notebook"):
        report.write(tmp_path / "other", ("ipynb",))
    assert not (tmp_path / "other").exists()


def test_an_unknown_style_or_format_is_said(parallel: Path, report: Report, tmp_path: Path) -> None:
    with pytest.raises(ReportError, match="nearest known: 'lancet'"):
        Report(parallel, style="lancett")
    with pytest.raises(ReportError, match="html"):
        report.write(tmp_path / "out", ("htm",))
    with pytest.raises(ReportError, match="no format"):
        report.write(tmp_path / "out", ())


# --- the same by three ways ---


def bytes_of(directory: Path) -> dict[str, bytes]:
    return {
        path.relative_to(directory).as_posix(): path.read_bytes()
        for path in sorted(directory.rglob("*"))
        if path.is_file() and path.name != "manifest.json"
    }


def test_a_file_the_command_and_a_session_give_the_same_bytes(
    sound_trials: dict[str, Path], tmp_path: Path
) -> None:
    from click.testing import CliRunner

    from reports.cli import main

    trial = Path(shutil.copytree(sound_trials["parallel"], tmp_path / "trial"))
    session = Report(trial / "trial.toml", style="nejm").add("verdict", title="The answer").add("provenance")
    session.write(tmp_path / "session", ("html",))
    options = 'style = "nejm"\nsections = [{ key = "verdict", title = "The answer" }, "flow", "provenance"]\n'
    options += 'omit = ["flow"]\n'
    (trial / OPTIONS).write_text(options, encoding="utf-8")
    build_report(trial / "trial.toml", tmp_path / "beside", ("html",))
    (trial / OPTIONS).rename(tmp_path / "elsewhere.toml")
    typed = ["report", str(trial), "-o", str(tmp_path / "named"), "--format", "html"]
    result = CliRunner().invoke(main, [*typed, "--report", str(tmp_path / "elsewhere.toml")])
    assert result.exit_code == 0, result.stderr
    first = bytes_of(tmp_path / "session")
    assert bytes_of(tmp_path / "beside") == first
    assert bytes_of(tmp_path / "named") == first
    # Both are inputs in the manifest, though no number comes from the options.
    assert '"file": "report.toml"' in (tmp_path / "beside" / "manifest.json").read_text()
    assert "elsewhere.toml" in (tmp_path / "named" / "manifest.json").read_text()


# --- options ---


def with_options(trial: Path, home: Path, text: str, table: str = "") -> Path:
    copy = Path(shutil.copytree(trial.parent, home / "trial"))
    toml = copy / "trial.toml"
    toml.write_text(toml.read_text(encoding="utf-8") + table, encoding="utf-8")
    if text:
        (copy / OPTIONS).write_text(text, encoding="utf-8")
    return toml


def test_the_file_wins_over_the_protocol_key_by_key(parallel: Path, tmp_path: Path) -> None:
    table = '\n[report]\nstyle = "csr"\nsections = ["verdict", "flow"]\n'
    toml = with_options(parallel, tmp_path, 'sections = ["harms"]\n', table)
    options = Report(toml).trial.protocol.report
    assert options.style == "csr"
    assert options.sections == (SectionChoice(key="harms"),)


def test_sections_are_omitted_from_the_default() -> None:
    kept = planned_sections(ReportOptions(omit=("flow", "references")))
    assert [one.key for one in kept] == [key for key in SECTIONS if key not in ("flow", "references")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('styl = "jama"', "nearest known: 'style'"),
        ('style = "jamma"', "'jama', 'lancet'"),
        (
            'sections = [{ key = "verdict", titel = "x" }]',
            "number 1: unknown key 'titel'; nearest known: 'title'",
        ),
        ('sections = ["verdict", { title = "x" }]', "number 2 must be a key or"),
        ('sections = ["verdict", "verdict"]', "named twice"),
        ("sections = 3", 'expected "default", or a list'),
        ("sections = [", "is no TOML"),
        ('omit = "flow"', "expected a list"),
    ],
)
def test_a_file_that_is_wrong_names_file_and_key(
    text: str, expected: str, parallel: Path, tmp_path: Path
) -> None:
    toml = with_options(parallel, tmp_path, text)
    with pytest.raises(ProtocolError, match=r"(?s)report\.toml") as error:
        Report(toml)
    assert expected in str(error.value)


@pytest.mark.parametrize("text", ['sections = ["verdit"]', 'omit = ["verdit"]'])
def test_a_section_that_is_not_there_names_the_nearest(text: str, parallel: Path, tmp_path: Path) -> None:
    toml = with_options(parallel, tmp_path, text)
    with pytest.raises(ReportError, match="'verdit'; nearest known: 'verdict'"):
        Report.default(toml)


def test_a_file_that_is_named_and_not_there_is_said(parallel: Path, tmp_path: Path) -> None:
    with pytest.raises(ProtocolError, match=r"(?s)options cannot be read.*gone\.toml"):
        Report(parallel, options=tmp_path / "gone.toml")


def test_the_protocols_own_table_takes_titles_too(parallel: Path, tmp_path: Path) -> None:
    table = '\n[report]\nsections = [{ key = "flow", title = "Who took part" }, "verdict"]\n'
    toml = with_options(parallel, tmp_path, "", table)
    assert titles(Report.default(toml)) == ["Who took part", "What the combination adds"]
    protocol = read_trial(toml).protocol
    assert protocol.to_dict()["report"] == {
        "sections": [{"key": "flow", "title": "Who took part"}, "verdict"]
    }
    assert type(protocol).from_dict(protocol.to_dict()) == protocol


def test_check_reads_the_options_too(parallel: Path, tmp_path: Path) -> None:
    from click.testing import CliRunner

    from reports.cli import main

    toml = with_options(parallel, tmp_path, 'sections = ["verdit"]')
    result = CliRunner().invoke(main, ["check", str(toml)])
    assert result.exit_code == 1
    assert "nearest known: 'verdict'" in result.stderr


# --- what an earlier report left ---


def test_an_earlier_reports_files_go_unless_somebody_changed_them(report: Report, tmp_path: Path) -> None:
    out = tmp_path / "out"
    report.write(out, ("html",))
    extra = {"figures/gone.svg": "<svg/>", "figures/edited.svg": "<svg/>", "figures/old/deep.svg": "<svg/>"}
    from reports.manifest import Asked, write_manifest

    for name, text in extra.items():
        (out / name).parent.mkdir(exist_ok=True)
        (out / name).write_text(text)
    (out / "foreign.txt").write_text("mine")
    outputs = [path for path in out.rglob("*") if path.is_file() and path.suffix != ".txt"]
    write_manifest(out, asked=Asked("t", ("html",)), inputs=(), outputs=outputs)
    (out / "figures" / "edited.svg").write_text("<svg>mine</svg>")
    written = report.write(out, ("html",))
    assert written.kept == (out / "figures" / "edited.svg",)
    assert not (out / "figures" / "gone.svg").exists()
    assert not (out / "figures" / "old").exists()
    assert (out / "foreign.txt").read_text() == "mine"


@pytest.mark.skipif(os.name != "posix", reason="paths as POSIX has them")
def test_a_manifest_does_not_make_a_report_remove_files_elsewhere(report: Report, tmp_path: Path) -> None:
    victim = tmp_path / "victim.txt"
    victim.write_text("theirs")
    from reports.manifest import file_sha256

    out = tmp_path / "out"
    out.mkdir()
    entries = [{"file": name, "sha256": file_sha256(victim)} for name in ("../victim.txt", str(victim))]
    (out / "manifest.json").write_text(json.dumps({"outputs": entries}))
    report.write(out, ("html",))
    assert victim.read_text() == "theirs"
