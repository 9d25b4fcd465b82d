"""Instruments record on their own grid."""

from __future__ import annotations

import numpy as np
import pytest

from outcomes import get_instrument, score
from synthetic_data import measurement
from synthetic_data.scenario_tables import ITEMS


def test_grid_takes_halves_up_and_leaves_no_binary_dust():
    assert measurement.to_grid(np.array([0.5, 1.49, -0.5, -0.51]), 1.0).tolist() == [1.0, 1.0, 0.0, -1.0]
    assert measurement.to_grid(np.array([0.29, 0.31]), 0.1).tolist() == [0.3, 0.3]


def test_area_is_traced_with_relative_error_and_never_negative():
    assert measurement.measured_area(np.array(10.0), 0.02, np.array(1.0), 0.1) == pytest.approx(10.2)
    assert measurement.measured_area(np.array(0.0), 0.02, np.array(3.0), 0.1) == 0.0
    assert measurement.measured_area(np.array(1.0), 0.5, np.array(-3.0), 0.1) == 0.0


def test_percent_repigmentation_by_hand():
    before = np.array([10.0, 10.0, 8.0, 8.0])
    after = np.array([4.0, 12.0, 0.0, 2.7])
    assert measurement.percent_repigmentation(before, after, 1.0).tolist() == [60.0, -20.0, 100.0, 66.0]


def test_planimetry_error_is_that_of_two_tracings_and_rounding():
    rng = np.random.default_rng(3)
    true, mean, n = 50.0, 40.0, 400_000
    before = measurement.measured_area(np.full(n, true), 0.02, rng.standard_normal(n), 0.001)
    after = measurement.measured_area(np.full(n, 0.6 * true), 0.02, rng.standard_normal(n), 0.001)
    recorded = measurement.percent_repigmentation(before, after, 1.0)
    expected = measurement.planimetry_error_sd(mean, 0.02, 1.0)
    assert recorded.std() == pytest.approx(expected, rel=0.01)  # first-order; 0.3 % of it is chance


def test_quartile_grade_puts_a_cutpoint_into_the_lower_grade():
    percent = np.array([-5.0, 0.0, 1.0, 25.0, 26.0, 50.0, 75.0, 76.0, 100.0])
    grades = measurement.quartile_grade(percent, np.array([0.0, 25.0, 50.0, 75.0]))
    assert grades.tolist() == [0, 0, 1, 1, 2, 2, 3, 4, 4]


def test_depigmentation_falls_into_the_nearest_class():
    fraction = np.linspace(-0.2, 1.2, 2801)
    classes = measurement.DEPIGMENTATION
    nearest = np.abs(fraction[:, None] - classes).min(axis=1)
    rated = measurement.depigmentation_class(fraction)
    assert set(rated) == set(classes)
    assert np.abs(fraction - rated) == pytest.approx(nearest, abs=1e-12)


def test_vasi_by_hand():
    units = np.array([[1.0, 2.0, 3.0, 2.0, 1.0]])
    classes = np.array([[1.0, 0.9, 0.5, 0.25, 0.1]])
    assert measurement.vasi(units, classes).tolist() == [4.9]  # 1 + 1.8 + 1.5 + 0.5 + 0.1


def test_scored_items_are_what_the_registry_makes_of_them():
    import pandas as pd

    rng = np.random.default_rng(1)
    regions = ("hands", "upper_extremities", "trunk", "lower_extremities", "feet")
    units = rng.integers(0, 5, (20, 5)).astype(float)
    classes = rng.choice(measurement.DEPIGMENTATION, (20, 5))
    items = {f"{region}_hand_units": units[:, k] for k, region in enumerate(regions)}
    items |= {f"{region}_depigmentation": classes[:, k] for k, region in enumerate(regions)}
    expected = score("vasi", pd.DataFrame(items)).to_numpy()
    assert measurement.vasi(units, classes) == pytest.approx(expected, abs=1e-12)


def test_posas_items_by_hand():
    loadings = np.array([1.0, 0.5, 1.0, 1.0, 2.0, 1.0])
    own = np.array([0.0, 0.0, -0.6, 0.0, 0.0, 0.0])
    error = np.array([0.0, 0.0, 0.0, 0.5, 0.0, -9.0])
    items = measurement.posas_items(np.array(5.0), loadings, own, error)
    # 1 + 5; 1 + 2.5; 1 + 5 - 0.6; 1 + 5 + 0.5; 1 + 10; 1 + 5 - 9; rounded with halves up, kept in 1 to 10
    assert items.tolist() == [6.0, 4.0, 5.0, 7.0, 10.0, 1.0]
    assert measurement.posas_total(items) == 33.0


def test_posas_items_carry_the_names_of_the_registry():
    scored = [item.name for item in get_instrument("posas-observer").items if item.scored]
    assert scored == list(ITEMS)
