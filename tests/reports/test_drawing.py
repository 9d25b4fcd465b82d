"""Figures of whole trials: which are drawn, and that their numbers are those of the results."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from outcomes import read_trial
from reports.analyse import AnalysedTrial, analyse_trial
from reports.context import ReportContext
from reports.drawing import (
    draw_figures,
    flow_rows,
    response_endpoint,
    response_limits,
    responses,
    subgroup_rows,
    two_by_two,
)
from reports.figures import ReportFigure, ResponseLimit


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, sound_trials: dict[str, Path]) -> Path:
    """The within-patient trial, where one lesion was never treated and another was not seen at the end."""
    import shutil

    home = tmp_path_factory.mktemp("drawing") / "trial"
    shutil.copytree(sound_trials["within-patient"], home)
    lesions = pd.read_csv(home / "lesions.csv")
    lesions["sessions_done"] = 3
    lesions.loc[(lesions["patient"] == "P01") & (lesions["arm"] == "Laser"), "sessions_done"] = 0
    lesions.to_csv(home / "lesions.csv", index=False)
    seen = pd.read_csv(home / "assessments.csv")
    gone = (seen["patient"] == "P02") & (seen["lesion"] == "L3") & (seen["visit"] == "Week 24")
    seen[~gone].to_csv(home / "assessments.csv", index=False)
    return home


@pytest.fixture(scope="module")
def analysed(home: Path) -> AnalysedTrial:
    return analyse_trial(read_trial(home / "trial.toml"))


@pytest.fixture(scope="module")
def context(analysed: AnalysedTrial) -> ReportContext:
    return ReportContext(analysed.trial.protocol, analysed.results)


@pytest.fixture(scope="module")
def drawn(context: ReportContext, analysed: AnalysedTrial) -> dict[str, ReportFigure]:
    return draw_figures(context, analysed)


def test_a_factorial_trial_has_every_figure(drawn: dict[str, ReportFigure]) -> None:
    assert list(drawn) == [
        "verdict",
        "flow",
        "profile",
        "paired",
        "waterfall",
        "cumulative",
        "interaction",
        "subgroups",
        "grades",
        "grade-flow",
        "residuals",
        "naive",
    ]
    assert all(name == figure.name for name, figure in drawn.items())


def test_the_flow_says_who_was_not_treated_not_seen_and_what_is_not_known(context: ReportContext) -> None:
    rows = flow_rows(context).set_index(["stage", "arm"])
    assert rows.loc[("Assessed for eligibility", ""), "patients"] is None or pd.isna(
        rows.loc[("Assessed for eligibility", ""), "patients"]
    )
    assert rows.loc[("Enrolled", ""), ["patients", "lesions"]].tolist() == [10, 40]
    treated = rows.loc[("Received treatment", "Laser")]
    assert treated[["patients", "lesions"]].tolist() == [9, 9]
    assert treated["note"].replace("\xa0", " ") == "not received: 1 patient, 1 lesion\nreasons: not provided"
    seen = rows.loc[("Assessed at Week\xa024", "PRP")]
    other = rows.loc[("Assessed at Week\xa024", "Laser")]
    # Lesion L3 is the one with PRP.
    assert (seen["lesions"], other["lesions"]) == (9, 10)
    assert seen["note"].replace("\xa0", " ").startswith("not assessed: 1 patient, 1 lesion")
    assert other["note"] is None or pd.isna(other["note"])
    assert rows.loc[("Followed, untreated", "Untreated"), "lesions"] == 10


def test_the_flow_figure_speaks_of_lesions_within_patients(drawn: dict[str, ReportFigure]) -> None:
    assert "in its form for trials within persons" in drawn["flow"].caption
    assert "Assessed for eligibility: not provided." in drawn["flow"].alt_text


def test_what_the_protocol_calls_a_response_is_marked(context: ReportContext) -> None:
    assert response_limits(context, "repigmentation") == (ResponseLimit("at_least", 50.0),)
    assert response_limits(context, "grade") == ()


def test_single_responses_are_the_values_of_the_primary_visit(analysed: AnalysedTrial) -> None:
    one = response_endpoint(analysed)
    assert one is analysed.primary
    values = responses(one)
    found = analysed.trial.endpoint("repigmentation")
    last = found[found["visit"].astype(str) == "Week 24"]["value"].dropna()
    assert sorted(values["value"]) == sorted(last)


def test_the_two_by_two_is_that_of_the_primary_interaction(
    context: ReportContext, drawn: dict[str, ReportFigure]
) -> None:
    cells = two_by_two(context)
    assert cells is not None
    assert cells.arms == ("Untreated", "Laser", "PRP", "Laser + PRP")
    means = {arm: context.results.number("repigmentation/means", "estimate", arm=arm) for arm in cells.arms}
    (line,) = context.lines("interaction")
    additive = means["Laser"] + means["PRP"] - means["Untreated"]
    # One model: the drawn distance is the estimate itself; results keep ten digits.
    assert means["Laser + PRP"] - additive == pytest.approx(line.estimate, rel=1e-7)
    assert "combination" in drawn["interaction"].alt_text


def test_subgroups_stand_under_the_overall_difference_of_their_contrast(context: ReportContext) -> None:
    rows = subgroup_rows(context)
    for contrast, block in rows.groupby("contrast"):
        first = block.iloc[0]
        line = next(one for one in context.lines("part") if one.contrast == contrast)
        assert (first["covariate"], first["estimate"]) == ("", line.estimate)
        assert block["level"].tolist()[1:] == ["face", "trunk"]
        assert set(block["combination"]) == {"Laser + PRP"}


def test_a_parallel_trial_without_control_has_no_interaction_and_counts_patients(
    sound_trials: dict[str, Path],
) -> None:
    analysed = analyse_trial(read_trial(sound_trials["parallel"] / "trial.toml"))
    context = ReportContext(analysed.trial.protocol, analysed.results)
    assert two_by_two(context) is None
    found = draw_figures(context, analysed)
    assert list(found) == ["verdict", "flow", "profile", "waterfall", "cumulative", "residuals"]
    assert "lesion" not in found["flow"].caption
    # The data do not say who was treated.
    assert "Received treatment: Laser not provided" in found["flow"].alt_text
