import functools
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from outcomes import read_trial
from outcomes.errors import TandemError
from outcomes.published import load_published, published_table, write_published

EXAMPLE = Path(__file__).parents[2] / "examples" / "abdelghani2018"
SOLUTIONS = range(1, 8)
# Worked by hand from the counts: 12 of 20 with G4 and 8 of 20 with G5, against 6 G0, 10 G1 and 4 G5.
U_OVER_PRP = 12 * 16 + 8 * 16 + 8 * 4 / 2


@functools.cache
def _trial(solution=1):
    """Trials are frozen, so that tests can share them."""
    return load_published("abdelghani2018", laser_solution=solution)


def _grades(trial, arm):
    """Grades as 0 to 5."""
    frame = trial.endpoint("grade")
    return frame.loc[frame["arm"] == arm, "value"].cat.codes.to_numpy()


def _mann_whitney_p(first, second):
    """Two-sided normal p with tie and continuity correction, written out."""
    n, m = len(first), len(second)
    u = sum((a > b) + (a == b) / 2 for a in first for b in second)
    _, ties = np.unique(np.concatenate([first, second]), return_counts=True)
    total = n + m
    variance = n * m / 12 * (total + 1 - (ties**3 - ties).sum() / (total * (total - 1)))
    return 2 * stats.norm.sf((abs(u - n * m / 2) - 0.5) / math.sqrt(variance))


@pytest.mark.parametrize("solution", SOLUTIONS)
def test_each_solution_is_a_trial_with_the_published_summary(solution):
    trial = _trial(solution)
    published = published_table("abdelghani2018_arm_summary")
    names = {"FCO2": "Laser", "PRP": "PRP", "FCO2+PRP": "Laser + PRP", "FCO2+NBUVB": "Laser + NB-UVB"}
    for row in published.itertuples():
        grades = _grades(trial, names[row.arm])
        assert len(grades) == row.n
        assert round(float(grades.mean()), 3) == row.mean_grade
        assert round(float(grades.std(ddof=1)), 3) == row.sd_grade
        assert (grades == 5).sum() == row.n_grade5


def test_the_protocol_says_what_is_known_and_nothing_else():
    protocol = _trial().protocol
    assert protocol.design == "parallel"
    assert {arm: sorted(parts) for arm, parts in protocol.arms.items()} == {
        "Laser": ["laser"],
        "PRP": ["prp"],
        "Laser + PRP": ["laser", "prp"],
        "Laser + NB-UVB": ["laser", "nbuvb"],
    }
    assert protocol.arms.control is None
    assert protocol.arms.missing_parts("Laser + NB-UVB") == ("laser",)  # no arm had NB-UVB alone
    assert protocol.conduct.data_origin == "reconstructed"
    assert "randomised" in protocol.conduct.allocation  # as the abstract says
    assert protocol.conduct.concealment is None
    assert protocol.conduct.blinding is None
    assert protocol.covariates == ()
    assert [visit.name for visit in protocol.visits] == ["3 months after the last session"]
    assert [(a.endpoint, a.role) for a in protocol.analyses] == [
        ("grade", "primary"),
        ("responder", "secondary"),
    ]
    grade, responder = protocol.endpoint("grade"), protocol.endpoint("responder")
    assert (grade.scale, grade.grades) == ("ordinal", ("G0", "G1", "G2", "G3", "G4", "G5"))
    assert (responder.scale, responder.higher_is_better) == ("binary", True)
    assert not grade.has_baseline


def test_the_combination_against_prp_is_the_binding_comparison():
    trial = _trial()
    both, prp = _grades(trial, "Laser + PRP"), _grades(trial, "PRP")
    found = stats.mannwhitneyu(both, prp, method="asymptotic", use_continuity=True)
    assert found.statistic == U_OVER_PRP == 336
    assert found.statistic / 400 == 0.84
    assert found.pvalue == pytest.approx(
        _mann_whitney_p(both, prp), rel=1e-12
    )  # the same formula, rounding apart
    assert found.pvalue == pytest.approx(1.4141e-4, rel=1e-4)  # printed to five digits


@pytest.mark.parametrize("solution", SOLUTIONS)
def test_the_combination_beats_laser_under_every_solution(solution):
    trial = _trial(solution)
    both, laser, prp = (_grades(trial, arm) for arm in ("Laser + PRP", "Laser", "PRP"))
    found = stats.mannwhitneyu(both, laser, method="asymptotic", use_continuity=True)
    assert found.pvalue == pytest.approx(_mann_whitney_p(both, laser), rel=1e-12)  # rounding apart
    assert found.statistic / 400 in (0.905, 0.92)
    assert found.pvalue < 6.25e-6
    # so PRP binds: the largest of the two p is the same for all seven
    assert found.pvalue < _mann_whitney_p(both, prp)
    nbuvb = _grades(trial, "Laser + NB-UVB")
    assert stats.kruskal(laser, prp, both, nbuvb).pvalue < 1e-5  # published: P < 0.001


@pytest.mark.parametrize("solution", SOLUTIONS)
def test_responders_show_neither_difference(solution):
    trial = _trial(solution)
    responders = trial.endpoint("responder").groupby("arm", observed=True)["value"].sum().astype(int)
    assert responders.to_dict() == {"Laser": 2, "PRP": 4, "Laser + PRP": 8, "Laser + NB-UVB": 1}
    against = {
        part: stats.fisher_exact([[8, 12], [responders[part], 20 - responders[part]]])[1]
        for part in ("Laser", "PRP")
    }
    derived = published_table("abdelghani2018_grade_counts_reconstructed").attrs["derived"]
    assert round(against["Laser"], 3) == derived["responder_fisher_p_versus_laser"] == 0.065
    assert round(against["PRP"], 2) == derived["responder_fisher_p_versus_prp"] == 0.30


def test_fisher_p_by_counting_tables():
    # P(table) = C(20, a) C(20, r - a) / C(40, r); the two-sided p adds the tables that are no likelier
    for r, expected in ((10, 0.06483316), (12, 0.30084478)):
        weights = [math.comb(20, a) * math.comb(20, r - a) for a in range(r + 1)]
        p = sum(w for w in weights if w <= weights[8]) / math.comb(40, r)
        assert p == pytest.approx(expected, abs=5e-9)  # printed to eight decimals


def test_bliss_over_an_assumed_control_response():
    # p' = (p - p0) / (1 - p0), excess = p'_ab - (p'_a + p'_b - p'_a p'_b); 8, 2 and 4 of 20
    def excess(p0):
        a, b, ab = ((p - p0) / (1 - p0) for p in (0.1, 0.2, 0.4))
        return ab - (a + b - a * b)

    derived = published_table("abdelghani2018_grade_counts_reconstructed").attrs["derived"]
    assert round(excess(0), 2) == derived["bliss_excess_without_control_response"] == 0.12
    assert [round(excess(p0), 2) for p0 in (0.05, 0.10)] == [0.17, 0.22]
    variance = (0.4 * 0.6 + (1 - 0.2) ** 2 * 0.1 * 0.9 + (1 - 0.1) ** 2 * 0.2 * 0.8) / 20
    assert round(math.sqrt(variance), 3) == derived["bliss_excess_standard_error"] == 0.146


def test_all_seven_solutions_are_reachable_from_each():
    def laser(trial):
        return tuple(sorted(_grades(trial, "Laser")))

    every = {laser(_trial(k)) for k in SOLUTIONS}
    assert len(every) == 7
    for solution in (1, 4):
        trial = _trial(solution)
        others = dict(trial.alternatives())
        assert list(others) == [f"laser solution {k}" for k in SOLUTIONS if k != solution]
        assert {laser(trial)} | {laser(other) for other in others.values()} == every
        for other in others.values():
            pd.testing.assert_frame_equal(other.patients, trial.patients)
            assert other.protocol.conduct.data_origin == "reconstructed"


def test_the_example_is_regenerated_to_the_byte(tmp_path):
    written = write_published("abdelghani2018", tmp_path)
    names = {path.relative_to(tmp_path).as_posix() for path in written}
    in_repository = {path.relative_to(EXAMPLE).as_posix() for path in EXAMPLE.rglob("*") if path.is_file()}
    assert names == in_repository
    for name in names:
        assert (tmp_path / name).read_bytes() == (EXAMPLE / name).read_bytes(), name


def test_the_example_reads_as_the_published_trial():
    read, loaded = read_trial(EXAMPLE / "trial.toml"), _trial()
    assert read.protocol == loaded.protocol
    pd.testing.assert_frame_equal(read.patients, loaded.patients)
    pd.testing.assert_frame_equal(read.assessments, loaded.assessments)
    for (name, one), (again, other) in zip(read.alternatives(), loaded.alternatives(), strict=True):
        assert name == again
        pd.testing.assert_frame_equal(one.assessments, other.assessments)
    assert (EXAMPLE / "assessments.csv").read_text(encoding="utf-8").splitlines()[0].endswith(",grade")


def test_the_readme_shows_the_counts_of_the_seven_solutions():
    text = (EXAMPLE / "README.md").read_text(encoding="utf-8")
    table = published_table("abdelghani2018_grade_counts_reconstructed")
    for row in table.loc[table["arm"] == "FCO2"].itertuples():
        assert f"| {row.G0} | {row.G1} | {row.G2} | {row.G3} | {row.G4} | {row.G5} |" in text


def test_an_unknown_trial_lists_the_known():
    with pytest.raises(TandemError, match="nearest known: 'abdelghani2018'"):
        load_published("abdelgani2018")
    with pytest.raises(TandemError, match="one of abdelghani2018"):
        write_published("kadry2018", "nowhere")


@pytest.mark.parametrize("solution", [0, 8])
def test_a_solution_that_does_not_exist(solution):
    with pytest.raises(TandemError, match="a whole number from 1 to 7"):
        load_published("abdelghani2018", laser_solution=solution)
