"""Single responses, cumulative shares, the 2 x 2 and subgroups: what their words and drawings say."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from reports import figures
from reports.figures import ReportFigure, ResponseLimit, TwoByTwo
from reports.format import Formatter

ARMS = {"Untreated": (), "Laser": ("laser",), "PRP": ("prp",), "Laser + PRP": ("laser", "prp")}
CELLS = TwoByTwo("Untreated", "Laser", "PRP", "Laser + PRP", "laser", "PRP")


def values(**by_arm: list[float]) -> pd.DataFrame:
    names = {"laser": "Laser", "both": "Laser + PRP", "prp": "PRP"}
    rows = [
        (f"P{number}", "left", names[arm], value)
        for arm, found in by_arm.items()
        for number, value in enumerate(found)
    ]
    return pd.DataFrame(rows, columns=["patient", "lesion", "arm", "value"])


def texts(figure: ReportFigure) -> list[str]:
    from matplotlib.text import Text

    return [found for text in figure.drawing.findobj(Text) if (found := text.get_text())]


def plain(words: str) -> str:
    return words.replace("\xa0", " ").replace("\u202f", " ")


# --- limits ---


@pytest.mark.parametrize(
    ("side", "count", "words"),
    [
        ("above", 1, "above 50 %"),
        ("at_least", 2, "at least 50 %"),
        ("below", 1, "below 50 %"),
        ("at_most", 2, "at most 50 %"),
    ],
)
def test_a_limit_counts_its_own_side_and_says_which(side: str, count: int, words: str) -> None:
    limit = ResponseLimit(side, 50.0)  # type: ignore[arg-type]  # one of the four
    assert limit.count(np.array([40.0, 50.0, 60.0])) == count
    assert plain(limit.words(Formatter(), "%")) == words


# --- waterfall ---


def test_the_waterfall_counts_who_responded_and_gives_median_and_range() -> None:
    frame = values(laser=[10, 55, 20], both=[80, 50, 90])
    figure = figures.waterfall_figure(
        frame, ARMS, "Repigmentation", "%", True, visit="Week 24", limits=[ResponseLimit("at_least", 50.0)]
    )
    words = plain(figure.alt_text)
    assert words.startswith("Repigmentation at Week 24, single lesions: ")
    assert "Laser median 20 %, from 10 to 55, 1 at least 50 % (n = 3)" in words
    assert "Laser + PRP median 80 %, from 50 to 90, 3 at least 50 % (n = 3)" in words
    assert "at least 50 %: 3 (100 %)" in [plain(line) for text in texts(figure) for line in text.split("\n")]
    assert "Without values, and not drawn: Untreated, PRP." in figure.caption


@pytest.mark.parametrize(("higher", "first"), [(True, 80.0), (False, 5.0)])
def test_the_best_response_stands_first(higher: bool, first: float) -> None:
    figure = figures.waterfall_figure(values(laser=[5, 80, 30]), ARMS, "Score", "points", higher)
    heights = [patch.get_height() for patch in figure.drawing.axes[0].patches]
    assert heights[0] == first


def test_a_response_of_zero_leaves_a_mark() -> None:
    figure = figures.waterfall_figure(values(laser=[0, 20, -10]), ARMS, "Change", "%", True)
    # Three bars, and a dash for the lesion that did not change.
    assert len(figure.drawing.axes[0].patches) == 4


def test_patients_are_called_patients_where_there_are_no_lesions() -> None:
    frame = values(laser=[1, 2, 3]).drop(columns="lesion")
    for draw in (figures.waterfall_figure, figures.cumulative_figure):
        figure = draw(frame, ARMS, "Change", "points", False)
        assert "patient" in figure.caption
        assert "lesion" not in figure.caption + figure.alt_text


# --- cumulative ---


def test_the_cumulative_shares_are_those_that_reach_the_limit() -> None:
    frame = values(laser=[10, 50, 20, 30], both=[80, 50, 90, 40])
    figure = figures.cumulative_figure(
        frame, ARMS, "Repigmentation", "%", True, limits=[ResponseLimit("at_least", 50.0)]
    )
    words = plain(figure.alt_text)
    assert "half of the lesions reached at least Laser 25 %; Laser + PRP 65 %." in words
    assert "At least 50 %: Laser 25 %; Laser + PRP 75 %." in words


@pytest.mark.parametrize("higher", [True, False])
def test_a_curve_falls_from_everyone_to_nobody_towards_benefit(higher: bool) -> None:
    figure = figures.cumulative_figure(values(laser=[10, 20, 20, 40]), ARMS, "Score", "points", higher)
    axes = figure.drawing.axes[0]
    x, y = (np.asarray(part, dtype=float) for part in axes.lines[0].get_data())
    towards_benefit = x if higher else -x
    assert np.all(np.diff(towards_benefit) >= 0)
    assert np.all(np.diff(y) <= 0)
    assert (y[0], y[-1]) == (100, 0)
    # Reaching 20: three of four either way.
    at = y[np.flatnonzero(x == 20)]
    assert at.max() == 75
    assert (axes.get_xlim()[0] < axes.get_xlim()[1]) == higher


def test_equal_values_are_drawn_without_a_warning() -> None:
    for draw in (figures.waterfall_figure, figures.cumulative_figure):
        assert "5" in draw(values(laser=[5, 5], both=[5]), ARMS, "Score", "points", True).alt_text


# --- interaction ---


def means(**estimates: float) -> pd.DataFrame:
    found = {"Untreated": 2.0, "Laser": 21.0, "PRP": 25.0, "Laser + PRP": 55.0}
    rows = [(arm, value, value - 4, value + 4) for arm, value in {**found, **estimates}.items()]
    return pd.DataFrame(rows, columns=["arm", "estimate", "conf_low", "conf_high"])


def test_the_interaction_is_the_distance_from_what_the_parts_add_up_to() -> None:
    figure = figures.interaction_figure(
        means(),
        CELLS,
        (11.0, 1.0, 21.0),
        ARMS,
        "Repigmentation",
        "%",
        True,
        difference_unit="percentage points",
    )
    words = plain(figure.alt_text)
    # 21 + 25 - 2
    assert "The parts add up to 44 %; the combination brought 11" in words
    assert "combination brought 11 percentage points more benefit (95 % CI 1 to 21)." in words
    assert "not shown" not in words


def test_an_interval_around_zero_shows_no_synergy() -> None:
    figure = figures.interaction_figure(means(), CELLS, (-3.0, -9.0, 3.0), ARMS, "Score", "points", True)
    words = plain(figure.alt_text)
    assert "combination brought 3 points less benefit (95 % CI −9 to 3), synergy is not shown." in words


def test_arms_beside_the_two_by_two_change_nothing() -> None:
    more = pd.concat([means(), means().head(1).assign(arm="NB-UVB", estimate=99.0)], ignore_index=True)
    drawn = [
        figures.interaction_figure(frame, CELLS, (1.0, -9.0, 11.0), ARMS, "Score", "points", True)
        for frame in (means(), more)
    ]
    assert drawn[0] == drawn[1]


# --- subgroups ---


def subgroups() -> pd.DataFrame:
    name = "(Laser + PRP) − Laser"
    rows = [
        (name, "Laser + PRP", "", "", 34.0, 28.0, 41.0, 27, 54),
        (name, "Laser + PRP", "Site", "face", 36.0, 24.0, 49.0, 13, 15),
        (name, "Laser + PRP", "Site", "trunk", math.nan, math.nan, math.nan, 2, 3),
    ]
    columns = ["contrast", "combination", "covariate", "level", "estimate", "conf_low", "conf_high"]
    return pd.DataFrame(rows, columns=[*columns, "n_patients", "n_lesions"])


def test_subgroups_tell_each_difference_and_the_test_of_interaction() -> None:
    figure = figures.subgroup_figure(
        subgroups(), {"Site": 0.0061}, "points", "Score at Week 24", arms=ARMS, margin=10
    )
    words = plain(figure.alt_text)
    assert "overall 34 points (95 % CI 28 to 41; 27 patients)" in words
    assert "Site face 36 points (95 % CI 24 to 49; 13 patients)" in words
    assert "Site trunk not estimable" in words
    assert "Tests of interaction: Site p = .006." in words
    shown = texts(figure)
    assert ".006" in shown
    assert "34 (28 to 41)" in shown
    assert "Exploratory" in figure.caption


def test_the_overall_difference_the_margin_and_zero_are_lines_of_their_own() -> None:
    figure = figures.subgroup_figure(subgroups(), {"Site": 0.5}, "points", "Score", margin=10)
    upright = {
        float(np.asarray(line.get_xdata())[0])
        for line in figure.drawing.axes[0].lines
        if len(line.get_xdata()) == 2 and np.asarray(line.get_xdata())[0] == np.asarray(line.get_xdata())[1]
    }
    assert {0.0, 10.0, 34.0} <= upright


def test_without_lesions_there_is_no_column_of_them() -> None:
    figure = figures.subgroup_figure(subgroups().assign(n_lesions=None), {"Site": 0.5}, "points", "Score")
    assert "Patients" in texts(figure)
    assert "Lesions" not in texts(figure)


# --- hostile names ---

HOSTILE = {
    "$x_1$ \\alpha": (),
    "a_{b}^2 <script>": ("laser",),
    "ليزر + בלאזר": ("prp",),
    "激光 \x01" + "L" * 3000: ("laser", "prp"),
}


def test_names_from_strangers_are_drawn_as_text_without_a_warning() -> None:
    names = list(HOSTILE)
    rows = [
        (f"P{number}", arm, 10.0 * place + number) for place, arm in enumerate(names) for number in range(3)
    ]
    frame = pd.DataFrame(rows, columns=["patient", "arm", "value"])
    found = means().assign(arm=names)
    drawn = [
        figures.waterfall_figure(frame, HOSTILE, "$y$", "%", True),
        figures.cumulative_figure(frame, HOSTILE, "$y$", "%", True),
        figures.interaction_figure(
            found, TwoByTwo(*names, names[1], names[2]), (1.0, -2.0, 4.0), HOSTILE, "$y$", "%", True
        ),
    ]
    for figure in drawn:
        assert "$x_1$ \\alpha" in figure.alt_text
        assert "<script>" not in figure.svg
        assert max(map(len, texts(figure))) < 500
