"""McNemar, Bowker, Stuart-Maxwell and van Elteren: R's answers, published tables, identities, refusals."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analyses.classical.classical_grades import (
    bowker,
    cross_tabulate,
    mcnemar,
    stratified_wilcoxon,
    stuart_maxwell,
)
from analyses.classical.proportions import PairedTable
from analyses.classical.rank_statistics import mann_whitney
from outcomes.errors import DesignError, ModelError

CASES = Path(__file__).parents[1] / "reference"
GRADES = [f"G{k}" for k in range(5)]


@pytest.fixture(scope="module")
def reference():
    return json.loads((CASES / "probability_scale" / "reference.json").read_text())


@pytest.fixture(scope="module")
def within():
    data = pd.read_csv(CASES / "ordinal_grade_within" / "data.csv")
    data["value"] = pd.Categorical(data["grade"], GRADES, ordered=True)
    return data[data["visit"] == "Week 24"]


@pytest.fixture(scope="module")
def parallel():
    data = pd.read_csv(CASES / "ordinal_grade_parallel" / "data.csv")
    data["value"] = pd.Categorical(data["grade"], GRADES, ordered=True)
    return data.dropna(subset=["grade"]).drop_duplicates("patient")


def test_pairs_agree_with_r(within, reference):
    expected = reference["paired"]
    pairs = cross_tabulate(within, "laser_prp", "laser")
    assert pairs.table.to_numpy().tolist() == expected["table"]
    assert pairs.symmetry.statistic == pytest.approx(expected["bowker_statistic"], rel=1e-12)
    assert pairs.symmetry.df == expected["bowker_df"]
    assert pairs.symmetry.p_value == pytest.approx(expected["bowker_p"], rel=1e-10)
    assert pairs.homogeneity.statistic == pytest.approx(expected["stuart_maxwell"], rel=1e-10)
    assert pairs.homogeneity.p_value == pytest.approx(expected["stuart_maxwell_p"], rel=1e-9)
    tested = mcnemar(pairs.responders("G3"))
    assert tested.statistic == pytest.approx(expected["mcnemar"], rel=1e-12)
    corrected = stats.chi2.sf(expected["mcnemar_corrected"], 1)
    assert tested.p_corrected == pytest.approx(corrected, rel=1e-10)
    assert tested.p_exact == pytest.approx(expected["mcnemar_exact"], rel=1e-10)
    row = pairs.cuts.set_index("at_least").loc["G3"]
    assert row["p_exact"] == tested.p_exact
    assert row[["first_only", "second_only", "both", "neither"]].sum() == pairs.n


def test_strata_agree_with_coin(parallel, reference):
    found = stratified_wilcoxon(parallel, "laser_prp", "laser", "body_site")
    assert found.n == reference["strata"]["n"]
    assert found.statistic == pytest.approx(reference["strata"]["z"], rel=1e-10)
    assert found.p_value == pytest.approx(reference["strata"]["p"], rel=1e-9)


def test_one_stratum_is_the_rank_sum_test(parallel):
    data = parallel.assign(all="one")
    found = stratified_wilcoxon(data, "laser_prp", "laser", "all")
    codes = data["value"].cat.codes
    plain = mann_whitney(*(codes[data["arm"] == arm] for arm in ("laser_prp", "laser")))
    assert found.statistic == pytest.approx(plain.z, rel=1e-10)
    assert found.p_value == pytest.approx(plain.p_uncorrected, rel=1e-10)
    n = (data["arm"] == "laser_prp").sum() * (data["arm"] == "laser").sum()
    assert found.superiority == pytest.approx(plain.u / n, rel=1e-12)


def test_swapping_the_arms_turns_the_statistic(parallel):
    one = stratified_wilcoxon(parallel, "laser_prp", "laser", "body_site")
    other = stratified_wilcoxon(parallel, "laser", "laser_prp", "body_site")
    assert one.statistic == pytest.approx(-other.statistic)
    assert one.superiority == pytest.approx(1 - other.superiority)
    assert one.p_greater == pytest.approx(1 - other.p_greater)


def test_strata_with_one_arm_are_named(parallel):
    lonely = parallel.assign(
        body_site=parallel["body_site"].where(
            ~((parallel["arm"] == "laser") & (parallel["body_site"] == "face")), "trunk"
        )
    )
    found = stratified_wilcoxon(lonely, "laser_prp", "laser", "body_site")
    assert found.left_out == ("face",)


def test_rows_of_nobody_take_no_part(parallel):
    data = parallel.assign(
        patient=np.where(np.arange(len(parallel)) < 12, None, parallel["patient"].astype(str))
    )
    found = stratified_wilcoxon(data, "laser_prp", "laser", "body_site")
    assert found == stratified_wilcoxon(data[data["patient"].notna()], "laser_prp", "laser", "body_site")


def test_unaided_vision_of_7477_women():
    """Stuart 1955, Biometrika 42:412: grades of distance vision of both eyes; 11.96 on 3, and Bowker's 19.11 on 6."""
    table = [[1520, 266, 124, 66], [234, 1512, 432, 78], [117, 362, 1772, 205], [36, 82, 179, 492]]
    assert stuart_maxwell(table).statistic == pytest.approx(11.957, abs=5e-4)
    assert stuart_maxwell(table).df == 3
    assert bowker(table).statistic == pytest.approx(19.107, abs=5e-4)
    assert bowker(table).df == 6


def test_two_grades_are_mcnemar():
    pairs = PairedTable(20, 12, 2, 16)
    table = [[20, 12], [2, 16]]
    for found in (bowker(table), stuart_maxwell(table)):
        assert found.statistic == pytest.approx(mcnemar(pairs).statistic, rel=1e-12)
        assert found.df == 1


def test_grades_that_nobody_shows_change_nothing():
    table = np.array([[5, 3, 1], [1, 6, 4], [0, 2, 7]])
    wide = np.zeros((5, 5), dtype=int)
    wide[np.ix_([0, 2, 4], [0, 2, 4])] = table
    for test in (bowker, stuart_maxwell):
        assert test(wide).statistic == pytest.approx(test(table).statistic, rel=1e-10)
        assert test(wide).df == test(table).df


def test_mid_p_is_half_way_into_the_observed_split():
    tested = mcnemar(PairedTable(0, 9, 2, 0))
    weights = stats.binom.pmf(np.arange(12), 11, 0.5)
    assert tested.p_mid == pytest.approx(2 * (weights[9] / 2 + weights[10:].sum()))
    assert tested.p_exact == pytest.approx(2 * weights[9:].sum())
    even = mcnemar(PairedTable(0, 4, 4, 0))
    assert even.p_mid == pytest.approx(1 - stats.binom.pmf(4, 8, 0.5) / 2)
    assert mcnemar(PairedTable(9, 0, 0, 3)).p_exact == 1.0


def test_pairs_that_all_agree_are_not_tested():
    data = pd.DataFrame(
        {
            "patient": [1, 1, 2, 2],
            "arm": ["A", "B"] * 2,
            "value": pd.Categorical(["G0", "G0", "G1", "G1"], ordered=True),
        }
    )
    pairs = cross_tabulate(data, "A", "B")
    assert pairs.symmetry.df == 0
    assert np.isnan(pairs.homogeneity.p_value)


def test_what_is_no_table_of_pairs_is_refused(within):
    with pytest.raises(ModelError, match="square"):
        bowker([[1, 2, 3], [4, 5, 6]])
    with pytest.raises(ModelError, match="square"):
        stuart_maxwell([[1.5, 2], [3, 4]])
    with pytest.raises(ModelError, match="no such arm"):
        cross_tabulate(within, "laser_prp", "placebo")
    with pytest.raises(ModelError, match="another one"):
        cross_tabulate(within, "laser", "laser")
    with pytest.raises(ModelError, match="lower grade"):
        cross_tabulate(within, "laser_prp", "laser").responders("G0")
    again = pd.concat([within, within[within["arm"] == "laser"]])
    with pytest.raises(DesignError, match="one lesion an arm"):
        cross_tabulate(again, "laser_prp", "laser")
    with pytest.raises(DesignError):
        stratified_wilcoxon(within, "laser_prp", "laser", "body_site")
