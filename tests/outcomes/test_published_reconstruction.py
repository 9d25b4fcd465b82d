import statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from outcomes.errors import TandemError
from outcomes.published import possible_counts, published_table

GRADES = ["G0", "G1", "G2", "G3", "G4", "G5"]


def _published(arm):
    table = published_table("abdelghani2018_grade_counts_reconstructed")
    return [tuple(row) for row in table.loc[table["arm"] == arm, GRADES].to_numpy().tolist()]


def _search(arm, **known):
    row = published_table("abdelghani2018_arm_summary").set_index("arm").loc[arm]
    counts = {5: int(row["n_grade5"])} | {int(grade[1:]): count for grade, count in known.items()}
    return list(possible_counts(int(row["n"]), row["mean_grade"], row["sd_grade"], grades=6, known=counts))


def test_prp_and_the_combination_are_unique():
    assert _search("PRP") == _published("PRP") == [(6, 10, 0, 0, 0, 4)]
    assert _search("FCO2+PRP") == _published("FCO2+PRP") == [(0, 0, 0, 0, 12, 8)]


def test_laser_alone_has_the_seven_published_solutions_in_their_order():
    assert _search("FCO2") == _published("FCO2")
    assert len(_published("FCO2")) == 7


def test_laser_with_nbuvb_is_unique_once_the_abstract_is_read_as_classes():
    assert len(_search("FCO2+NBUVB")) == 9
    assert _search("FCO2+NBUVB", G4=5) == _published("FCO2+NBUVB")


@pytest.mark.parametrize("arm", ["FCO2", "PRP", "FCO2+PRP", "FCO2+NBUVB"])
def test_each_solution_has_the_published_mean_sd_and_count(arm):
    row = published_table("abdelghani2018_arm_summary").set_index("arm").loc[arm]
    for counts in _published(arm):
        grades = np.repeat(np.arange(6), counts).tolist()
        assert len(grades) == row["n"]
        assert round(statistics.mean(grades), 3) == row["mean_grade"]
        assert round(statistics.stdev(grades), 3) == row["sd_grade"]
        assert counts[5] == row["n_grade5"]


@given(st.lists(st.integers(0, 3), min_size=2, max_size=12))
def test_the_truth_is_always_among_the_solutions(grades):
    counts = tuple(grades.count(grade) for grade in range(4))
    mean, sd = round(statistics.mean(grades), 3), round(statistics.stdev(grades), 3)
    found = possible_counts(len(grades), mean, sd, grades=4)
    assert counts in found
    assert len(set(found)) == len(found)
    assert counts in possible_counts(len(grades), mean, sd, grades=4, known={1: counts[1]})


def test_fewer_decimals_leave_no_fewer_solutions():
    fine = possible_counts(20, 1.9, 1.334, grades=6, known={5: 2}, decimals=3)
    coarse = possible_counts(20, 1.9, 1.33, grades=6, known={5: 2}, decimals=2)
    assert set(fine) <= set(coarse)


def test_impossible_numbers_have_no_solution():
    assert possible_counts(20, 1.9, 0.2, grades=6, known={5: 2}) == ()


@pytest.mark.parametrize("known", [{6: 1}, {-1: 1}, {0: -1}, {0: 15, 1: 10}])
def test_known_counts_that_fit_no_trial(known):
    with pytest.raises(TandemError, match="fit no trial of this size"):
        possible_counts(20, 2.0, 1.0, grades=6, known=known)
