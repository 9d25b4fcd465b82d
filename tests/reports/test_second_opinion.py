"""Other programs' answers: statsmodels' for real, R's read from what it wrote, and every failure told in words."""

import os
import stat
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from outcomes import read_trial
from outcomes.protocol import SectionChoice
from reports.analyse import _analyse
from reports.compose import compose
from reports.context import ReportContext
from reports.results import ResultsBuilder
from reports.second_opinion import Answer, Refusal, second_opinions
from reports.second_opinion.opinions import _problem
from reports.second_opinion.python_peers import binomial_glm, mixed_lm, ordered_model
from reports.second_opinion.r_peers import R_NOT_FOUND, ask_r, failure, read_answer, write_rows
from reports.second_opinion.r_program import (
    lme4_program,
    logistic_program,
    mmrm_program,
    nlme_program,
    ordinal_program,
)

EXAMPLES = Path(__file__).parents[2] / "examples"

# What R 4.2.2 with nlme 3.1-162 wrote for the primary model of examples/within_patient_vitiligo.
NLME_LINES = (
    '"what","estimate","std_error","df","conf_low","conf_high","p_value","text"',
    '"comparison","  34.4801263626788","3.27623146387883","101","27.9809644349238",'
    '"40.9792882904339","6.28972612543827e-18",""',
    '"comparison","  30.3706539689308","2.80797594364424","101","24.8003850339702",'
    '"35.9409229038914","1.43948187206092e-18",""',
    '"loglik","-388.6157481330926","              NA"," NA","              NA",'
    '"              NA","                  NA",""',
    '"version","                NA","              NA"," NA","              NA",'
    '"              NA","                  NA","3.1.162"',
)
NLME = "\n".join(NLME_LINES) + "\n"


def problem_of(path, name=None, model=None):
    trial = read_trial(path / "trial.toml")
    analysis = trial.protocol.analysis(name) if name else trial.protocol.primary_analysis
    if model is not None:
        analysis = analysis.model_copy(update={"model": model})
    return _problem(trial, _analyse(trial, analysis, ResultsBuilder(analysis="")))


@pytest.fixture(scope="module")
def within():
    return problem_of(EXAMPLES / "within_patient_vitiligo")


@pytest.fixture(scope="module")
def intercepts():
    return problem_of(EXAMPLES / "within_patient_vitiligo", model="value ~ arm + body_site + (1 | patient)")


@pytest.fixture(scope="module")
def grades():
    return problem_of(EXAMPLES / "abdelghani2018")


@pytest.fixture(scope="module")
def responders():
    return problem_of(EXAMPLES / "abdelghani2018", "responder")


def assert_close(answer, problem, tolerance):
    assert isinstance(answer, Answer)
    ours = problem.ours.table
    np.testing.assert_allclose(answer.table["estimate"], ours["estimate"], rtol=tolerance)
    np.testing.assert_allclose(answer.table["std_error"], problem.model_errors, rtol=tolerance)
    assert answer.loglik == pytest.approx(problem.ours.loglik, abs=1e-4)


def test_statsmodels_fits_random_intercepts_alike(intercepts):
    assert_close(mixed_lm(intercepts), intercepts, 1e-4)


def test_statsmodels_fits_grades_and_responders_alike(grades, responders):
    assert_close(ordered_model(grades), grades, 1e-4)
    assert_close(binomial_glm(responders), responders, 1e-6)


def test_what_statsmodels_cannot_express_is_said(within):
    found = mixed_lm(within)
    assert isinstance(found, Refusal)
    assert found.reason == "cannot express this model: the residual covariance us(arm | patient)"


def test_responses_that_separate_are_told_in_words(responders):
    separated = type(responders)(
        "binary",
        responders.formula,
        np.column_stack([np.ones(8), np.repeat([0.0, 1.0], 4)]),
        np.repeat([0.0, 1.0], 4),
        responders.data.iloc[:8],
        ("a − b",),
        np.array([[0.0, 1.0]]),
        responders.ours,
        np.ones(1),
        0.05,
        link="logit",
    )
    found = binomial_glm(separated)
    assert isinstance(found, Refusal)
    assert "separate" in found.reason


def test_what_r_wrote_is_read(within):
    found = read_answer(NLME, "R nlme (gls)", within, adjusted=False)
    assert_close(found, within, 1e-4)
    assert found.version == "3.1.162"
    assert found.table["df"].tolist() == [101, 101]


@pytest.mark.parametrize(
    "text", ["", "what,estimate\n", NLME.replace("34.4801263626788", "NA"), "x;y\n1;2\n"]
)
def test_an_answer_that_cannot_be_read_is_refused(within, text):
    assert isinstance(read_answer(text, "R", within, adjusted=False), Refusal)


@pytest.mark.parametrize(
    ("stderr", "reason"),
    [
        (
            "Error in library(mmrm) : there is no package called ‘mmrm’\nExecution halted\n",
            "the package mmrm is not installed",
        ),
        (
            "Error in gls(y ~ x) : \n  Coefficient matrix not invertible\nExecution halted\n",
            "failed: Coefficient matrix not invertible",
        ),
        ("Error: too bad\n", "failed: Error: too bad"),
        ("", "failed without a reason"),
    ],
)
def test_rs_reasons_are_one_line(stderr, reason):
    assert failure(stderr) == reason


def test_programs_are_written_for_the_covariance(within, intercepts, grades, responders):
    assert "corSymm(form = ~ place | subject)" in nlme_program(within)
    assert "us(coordinate | subject)" in mmrm_program(within)
    assert lme4_program(within) is None
    assert nlme_program(intercepts) is None
    assert mmrm_program(intercepts) is None
    assert "(1 | g0)" in lme4_program(intercepts)
    assert 'ddf = "Kenward-Roger"' in lme4_program(intercepts)
    assert "clm(grade ~ x1 + x2 + x3" in ordinal_program(grades)
    assert "family = binomial" in logistic_program(responders)


def test_rows_hold_numbers_and_no_names(within, tmp_path):
    write_rows(within, tmp_path)
    rows, contrasts = (pd.read_csv(tmp_path / f"{name}.csv") for name in ("rows", "contrasts"))
    assert len(rows) == len(within.y)
    assert rows["subject"].nunique() == 27
    assert sorted(rows["place"].unique()) == [1, 2, 3, 4]
    assert contrasts.shape == (2, within.x.shape[1])
    names = set(within.data["patient"].astype(str))
    assert not names & set(rows["subject"].astype(str))
    assert not names & set(rows["coordinate"])


def rscript(home, body, monkeypatch):
    """Put a program called Rscript on the path."""
    place = home / "Rscript"
    place.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
    place.chmod(place.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{home}{os.pathsep}/usr/bin{os.pathsep}/bin")


@pytest.mark.skipif(os.name == "nt", reason="a shell script stands for R")
def test_a_program_that_answers_hangs_or_fails(within, tmp_path, monkeypatch):
    written = tmp_path / "recorded.csv"
    written.write_text(NLME, encoding="utf-8")
    rscript(tmp_path, f"cp '{written}' answer.csv", monkeypatch)
    answers = {one.program: one for one in ask_r(within)}
    assert isinstance(answers["R nlme (gls)"], Answer)
    assert isinstance(answers["R lme4 (lmerTest)"], Refusal)
    rscript(tmp_path, "sleep 5", monkeypatch)
    slow = [one for one in ask_r(within, time_limit=0.2) if one.program == "R nlme (gls)"]
    assert slow == [Refusal("R nlme (gls)", "took longer than 0.2 seconds")]
    rscript(tmp_path, "echo 'Error: no memory' >&2; exit 1", monkeypatch)
    failed = [one for one in ask_r(within) if one.program == "R nlme (gls)"]
    assert failed == [Refusal("R nlme (gls)", "failed: Error: no memory")]


def test_without_r_the_report_says_so(within, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert ask_r(within) == [Refusal("R", R_NOT_FOUND)]


def test_the_report_shows_every_answer_beside_ours(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    trial = read_trial(EXAMPLES / "abdelghani2018" / "trial.toml")
    out = ResultsBuilder(analysis="")
    primary = _analyse(trial, trial.protocol.primary_analysis, out)
    second_opinions(trial, primary, out.scope(endpoint="grade"))
    for analysis in trial.protocol.analyses[1:]:
        _analyse(trial, analysis, out)
    results = out.build({}, {"tandem": "1", "python": "3"})
    name = "grade/second opinion"
    assert results.distinct("level", analysis=name, statistic="estimate") == (
        "tandem",
        "statsmodels OrderedModel",
    )
    assert results.number(name, "largest_difference_relative", level="statsmodels OrderedModel") < 1e-4
    assert results.said(name, "refused", "R") == (R_NOT_FOUND,)
    context = ReportContext(trial.protocol, results)
    monkeypatch.setattr("reports.compose._headline", lambda parts: _empty_headline())
    document = compose(context, {}, wanted=[SectionChoice(key="second-opinion")])
    lead, beside, table, refused = document.sections[0].blocks
    assert lead.text.startswith("statsmodels OrderedModel agrees with the primary model")
    assert "tests without a model" in beside.text
    assert next(row.label.text for row in table.rows if row.kind == "heading").startswith("tandem ")
    assert refused.items == ("R: R was not found.",)


def _empty_headline():
    from reports.document import Headline

    return Headline("", "", "", "", (), None, "", "")
