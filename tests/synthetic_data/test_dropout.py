"""Dropout mechanisms do what their names say: shown by changing one outcome and looking at who leaves."""

from __future__ import annotations

import numpy as np
import pytest

from synthetic_data import dropout

N, V = 4000, 3


def history(benefit: np.ndarray) -> dropout.History:
    return dropout.History(benefit, expected=np.zeros(V), spread=np.ones(V))


def outcomes(seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((N, V))


def run(mechanism, benefit: np.ndarray) -> np.ndarray:
    return mechanism(history(benefit), np.random.default_rng(7))


ALL = [dropout.MCAR(0.3), dropout.MAR(0.3, 2.0), dropout.MNAR(0.3, 2.0)]


@pytest.mark.parametrize("mechanism", ALL)
def test_who_left_does_not_come_back(mechanism):
    mask = run(mechanism, outcomes())
    assert np.all(mask[:, 1:] <= mask[:, :-1])
    assert not mask.all()


@pytest.mark.parametrize("mechanism", [dropout.MCAR(0.3), dropout.MissedVisits(0.3)])
def test_mcar_does_not_look_at_outcomes(mechanism):
    assert np.array_equal(run(mechanism, outcomes(1)), run(mechanism, outcomes(2)))


@pytest.mark.parametrize("visit", range(V))
def test_mar_looks_at_the_last_recorded_outcome_alone(visit):
    mechanism = dropout.MAR(0.3, 2.0)
    before = outcomes()
    after = before.copy()
    after[:, visit] -= 5.0
    was, now = run(mechanism, before), run(mechanism, after)
    # at the visit itself, and before, nobody's dropout hangs on the value that is then missed
    assert np.array_equal(was[:, : visit + 1], now[:, : visit + 1])
    if visit + 1 < V:
        assert now[:, visit + 1].sum() < was[:, visit + 1].sum()


def test_mnar_looks_at_the_outcome_that_is_then_missed():
    mechanism = dropout.MNAR(0.3, 2.0)
    before = outcomes()
    after = before.copy()
    after[:, -1] -= 5.0
    was, now = run(mechanism, before), run(mechanism, after)
    assert np.array_equal(was[:, :-1], now[:, :-1])
    assert now[:, -1].sum() < was[:, -1].sum()


def test_given_the_last_value_mar_leaves_the_next_one_as_it_was():
    benefit = outcomes()
    benefit[:, 1] = 0.6 * benefit[:, 0] + 0.8 * benefit[:, 1]
    mask = dropout.MAR(0.4, 2.0)(history(benefit), np.random.default_rng(3))
    at_risk = mask[:, 0]
    gone = at_risk & ~mask[:, 1]
    stayed = at_risk & mask[:, 1]
    # leavers did worse at the last visit, but no worse at the next than their last value foretells
    residual = benefit[:, 1] - 0.6 * benefit[:, 0]
    standard_error = 0.8 * np.sqrt(1 / gone.sum() + 1 / stayed.sum())
    assert benefit[gone, 0].mean() < benefit[stayed, 0].mean() - 0.5
    assert abs(residual[gone].mean() - residual[stayed].mean()) < 4 * standard_error


@pytest.mark.parametrize("mechanism", ALL)
def test_the_share_that_leaves_is_the_rate(mechanism):
    independent = np.random.default_rng(4).standard_normal((100_000, V))
    mask = mechanism(history(independent), np.random.default_rng(5))
    assert 1 - mask[:, -1].mean() == pytest.approx(
        0.3, abs=4 * np.sqrt(0.21 / 100_000)
    )  # four standard errors


def test_single_visits_are_missed_and_patients_come_back():
    mask = dropout.MissedVisits(0.2)(history(outcomes()), np.random.default_rng(6))
    assert np.any(mask[:, 1:] & ~mask[:, :-1])
    assert 1 - mask.mean() == pytest.approx(0.2, abs=4 * np.sqrt(0.16 / mask.size))


@pytest.mark.parametrize(("hazard", "slope"), [(0.03, 1.0), (0.1, 1.5), (0.4, 3.0)])
def test_intercept_gives_the_hazard_on_average(hazard, slope):
    z = np.linspace(-10, 10, 200_001)
    density = np.exp(-0.5 * z**2) / np.sqrt(2 * np.pi)
    probability = 1 / (1 + np.exp(-(dropout.leaving_intercept(hazard, slope) + slope * z)))
    # forty Gauss-Hermite nodes integrate a logistic of slope 3 to about 1e-4 of its mean
    assert np.trapezoid(probability * density, z) == pytest.approx(hazard, rel=2e-4)


def test_nobody_leaves_at_rate_zero():
    for mechanism in (dropout.MCAR(0.0), dropout.MAR(0.0, 1.0), dropout.MNAR(0.0, 1.0)):
        assert run(mechanism, outcomes()).all()
