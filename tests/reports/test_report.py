"""The report as files: all or none, the same bytes, and a page that answers."""

import json
import re
import shutil
from html import unescape
from pathlib import Path

import pytest

from outcomes.errors import ReportError, TandemError, TrialDataError
from reports.format import round_half_up
from reports.report import Report, build_report
from reports.results import Results
from reports.sections import SECTIONS

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="module")
def built(sound_trials, tmp_path_factory):
    out = tmp_path_factory.mktemp("built") / "report"
    return build_report(sound_trials["within-patient"] / "trial.toml", out, ("html",))


@pytest.fixture(scope="module")
def page(built):
    return (built.directory / "report.html").read_text(encoding="utf-8")


def text_of(html):
    return unescape(re.sub(r"<[^>]+>", "", html))


def part(page, start, end):
    return text_of(page[page.index(start) : page.index(end, page.index(start))])


def test_the_files(built):
    names = {path.relative_to(built.directory).as_posix() for path in built.paths}
    assert {
        "report.html",
        "results.json",
        "manifest.json",
        "figures/verdict.svg",
        "figures/verdict.png",
    } <= names
    assert built.reports == (built.directory / "report.html",)
    assert built.paths[-1].name == "manifest.json"
    assert all(path.is_file() for path in built.paths)
    assert len(built.answer) == 3


def test_the_references_lie_beside_the_page_as_a_file_of_bibtex(built, page, sound_trials, tmp_path):
    file = built.directory / "references.bib"
    assert file in built.paths
    text = file.read_text(encoding="utf-8")
    assert text.startswith("@")
    assert re.findall(r"doi = \{(.+)\}", text)
    assert text.strip() in unescape(page)
    listed = json.loads((built.directory / "manifest.json").read_text(encoding="utf-8"))["outputs"]
    assert file.name in {one["file"] for one in listed}

    brief = (
        Report(sound_trials["within-patient"] / "trial.toml")
        .add("verdict")
        .write(tmp_path / "brief", ("html",))
    )
    assert not any(path.name == file.name for path in brief.paths), "nothing is cited, so there is no file"


def test_the_page_answers_before_anything_else(built, page):
    headline = part(page, '<header class="headline"', "</header>")
    assert "Laser, PRP, and both, in stable vitiligo" in headline
    assert "10 patients and 40 lesions" in headline
    for sentence in built.answer:
        assert sentence in headline
    assert "Harm" in headline
    assert "It may not be claimed" in headline
    assert page.index("<svg") < page.index('<section id="flow"')


def test_every_number_of_answer_and_verdict_is_in_the_results(built, page):
    results = Results.read(built.directory / "results.json")
    values = [abs(row.value) for row in results if row.value is not None]
    answer = part(page, '<p class="answer">', "</p>").replace("Week 24", "").replace("95\u202f% CI", "")
    verdict = page[page.index('id="table-verdict-repigmentation"') :]
    cells = re.findall(r'<span class="v">([^<]+)</span>', verdict[: verdict.index("</table>")])
    numbers = re.findall(r"\d+(?:\.\d+)?", answer.replace("p < .001", ""))
    numbers += [cell.lstrip("−") for cell in cells if re.fullmatch(r"−?\d+(\.\d+)?", cell)]
    assert len(numbers) > 20
    for number in numbers:
        decimals = len(number.partition(".")[2])
        assert any(
            float(round_half_up(factor * value, decimals)) == float(number)
            for value in values
            if value < 1e6
            for factor in (1, 100)
        ), number


def test_sections_stand_in_their_order(page):
    keys = re.findall(r'<section id="([a-z-]+)"', page)
    assert keys == [key for key in SECTIONS if key in keys]
    assert set(SECTIONS) - set(keys) == {"second-opinion"}  # only where it is asked for


def test_nothing_is_fetched_and_nothing_tells_the_time_or_the_place(page, sound_trials):
    assert "http" not in page.replace("http-equiv", "")
    assert not re.search(r"20\d\d-\d\d-\d\d", page)
    assert str(sound_trials["within-patient"]) not in page
    assert "tandem report trial.toml" in page


def test_the_stamp_is_on_the_page(page):
    assert '<aside class="stamp" aria-label="Origin of the data">Synthetic data' in page
    assert '<div class="running"' in page


def test_the_same_trial_gives_the_same_bytes(built, sound_trials, tmp_path):
    again = build_report(sound_trials["within-patient"] / "trial.toml", tmp_path / "again", ("html",))
    for path in built.paths:
        name = path.relative_to(built.directory)
        assert (again.directory / name).read_bytes() == path.read_bytes(), name


def test_other_files_stay_and_old_ones_are_replaced(sound_trials, tmp_path):
    out = tmp_path / "out"
    (out / "figures").mkdir(parents=True)
    (out / "notes.txt").write_text("mine")
    (out / "figures" / "own.svg").write_text("mine")
    (out / "report.html").write_text("old")
    build_report(sound_trials["parallel"] / "trial.toml", out, ("html",))
    assert (out / "notes.txt").read_text() == "mine"
    assert (out / "figures" / "own.svg").read_text() == "mine"
    assert (out / "report.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out"]


def test_a_failed_build_leaves_nothing(sound_trials, tmp_path):
    trial = shutil.copytree(sound_trials["parallel"], tmp_path / "trial")
    (trial / "assessments.csv").write_text("patient,visit,week,vasi\n", encoding="utf-8")
    with pytest.raises(TrialDataError):
        build_report(trial / "trial.toml", tmp_path / "new" / "out", ("html",))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["trial"]


def test_a_build_that_fails_while_writing_leaves_the_directory_as_it_was(sound_trials, tmp_path, monkeypatch):
    def fail(*arguments, **options):
        raise ReportError("the disc is full")

    monkeypatch.setattr("reports.build.write_manifest", fail)
    for out in (tmp_path / "new" / "deep" / "out", tmp_path / "old"):
        if out.name == "old":
            out.mkdir()
            (out / "report.html").write_text("old")
        with pytest.raises(ReportError, match="disc is full"):
            build_report(sound_trials["parallel"] / "trial.toml", out, ("html",))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["old"]
    assert (tmp_path / "old" / "report.html").read_text() == "old"


def test_a_directory_that_cannot_be_written_is_an_error(sound_trials, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ReportError, match="cannot be written"):
        build_report(sound_trials["parallel"] / "trial.toml", tmp_path / "file" / "out", ("html",))


def test_an_unknown_format_names_the_known_ones(sound_trials, tmp_path):
    with pytest.raises(ReportError, match="html"):
        build_report(sound_trials["parallel"] / "trial.toml", tmp_path / "out", ("htm",))
    assert not (tmp_path / "out").exists()


def with_options(trial, tmp_path, options):
    home = shutil.copytree(trial, tmp_path / "trial")
    toml = home / "trial.toml"
    toml.write_text(toml.read_text(encoding="utf-8") + options, encoding="utf-8")
    return toml


def test_the_style_and_the_sections_are_the_protocols(sound_trials, tmp_path):
    toml = with_options(
        sound_trials["parallel"], tmp_path, '\n[report]\nstyle = "lancet"\nsections = ["verdict", "flow"]\n'
    )
    built = build_report(toml, tmp_path / "out", ("html",))
    page = (built.directory / "report.html").read_text(encoding="utf-8")
    assert re.findall(r'<section id="([a-z]+)"', page) == ["verdict", "flow"]
    assert re.search(r"\d·\d", built.answer[0])


def test_a_section_that_does_not_exist_names_the_known_ones(sound_trials, tmp_path):
    toml = with_options(sound_trials["parallel"], tmp_path, '\n[report]\nsections = ["verdicts"]\n')
    with pytest.raises(TandemError, match="verdict"):
        build_report(toml, tmp_path / "out", ("html",))
    assert not (tmp_path / "out").exists()


def test_the_stages_are_told_in_order(sound_trials, tmp_path):
    told = []
    build_report(sound_trials["parallel"] / "trial.toml", tmp_path / "out", ("html",), told.append)
    assert told[0] == "Reading the trial"
    assert told[-1] == "Writing manifest.json"


@pytest.mark.parametrize("example", sorted(path.parent.name for path in EXAMPLES.glob("*/trial.toml")))
def test_every_example_answers_on_its_first_screen(example, tmp_path):
    built = build_report(EXAMPLES / example / "trial.toml", tmp_path / "out", ("html",))
    assert 2 <= len(built.answer) <= 3
    page = (built.directory / "report.html").read_text(encoding="utf-8")
    assert '<figure class="drawing" id="figure-verdict">' in page
    assert "nan" not in text_of(page[page.index("<body") :]).lower().replace("finance", "").split()
