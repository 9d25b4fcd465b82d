"""Bootstrap of patients: copies of patients are patients, known errors, counted failures, and refusals."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analyses.generalized import fit_generalized_model
from analyses.ordinal import fit_ordinal_model
from analyses.probability.patient_bootstrap import drawn_fit
from analyses.probability.probability_scale import marginal_probabilities
from analyses.probability.standardisation import clusters_of
from outcomes.errors import ConvergenceError, ModelError

CASES = Path(__file__).parents[1] / "reference"
ARMS = ["control", "laser", "prp", "laser_prp"]


@pytest.fixture(scope="module")
def grades():
    data = pd.read_csv(CASES / "ordinal_grade_within" / "data.csv")
    data["grade"] = pd.Categorical(data["grade"], [f"G{k}" for k in range(5)], ordered=True)
    data["arm"] = pd.Categorical(data["arm"], ARMS)
    return data


@pytest.fixture(scope="module")
def table():
    rows = [(arm, int(at < yes)) for arm, yes in {"A": 30, "B": 18, "C": 12}.items() for at in range(40)]
    return pd.DataFrame(rows, columns=["arm", "y"])


def rows_of(fit):
    cluster = clusters_of(fit)
    return [np.flatnonzero(cluster == at) for at in range(cluster.max() + 1)]


@pytest.mark.parametrize("formula", ["grade ~ arm + (1 | patient)", "grade ~ arm + (1 | patient/lesion)"])
def test_every_patient_twice_is_the_same_fit_of_twice_the_likelihood(grades, formula):
    fit = fit_ordinal_model(formula, grades)
    clusters = rows_of(fit)
    once = drawn_fit(fit, np.arange(len(clusters)), clusters)
    twice = drawn_fit(fit, np.repeat(np.arange(len(clusters)), 2), clusters)
    assert once.loglik == pytest.approx(fit.loglik, abs=1e-8)
    assert twice.loglik == pytest.approx(2 * fit.loglik, rel=1e-9)
    assert twice.n_subjects == 2 * fit.n_subjects
    # searches end within 1e-6 standard errors of the same optimum
    np.testing.assert_allclose(twice.solution.parameters, fit.solution.parameters, atol=1e-5)
    np.testing.assert_allclose(twice.solution.inverse, fit.solution.inverse / 2, rtol=1e-3, atol=1e-8)


def test_draws_of_independent_patients_have_binomial_errors(table):
    means = marginal_probabilities(fit_generalized_model("y ~ arm", table), "arm")
    found = means.bootstrap(np.random.default_rng(8), 400)
    assert found.strata == "arm"  # every patient has one arm, so arms keep their sizes
    assert not found.failures
    p = np.array([0.75, 0.45, 0.30])
    # 400 draws know a standard deviation to 3.5 %; three times that
    assert found.table["std_error"].to_numpy() == pytest.approx(np.sqrt(p * (1 - p) / 40), rel=0.11)
    difference = found.contrast({"A and C": {"A": 1, "C": -1}}).iloc[0]
    assert difference["estimate"] == pytest.approx(0.45, abs=1e-9)
    expected = np.quantile(found.draws[:, 0] - found.draws[:, 2], [0.025, 0.975])
    assert difference[["conf_low", "conf_high"]].tolist() == pytest.approx(expected.tolist())
    assert difference["n_draws"] == 400


def test_patients_are_drawn_with_all_of_their_lesions(grades):
    fit = fit_ordinal_model("grade ~ arm + (1 | patient)", grades[grades["visit"] == "Week 24"])
    means = marginal_probabilities(fit, "arm", of="at least")
    one, same, other = (means.bootstrap(np.random.default_rng(seed), 25) for seed in (1, 1, 2))
    assert one.strata is None
    pd.testing.assert_frame_equal(one.table, same.table)
    assert not np.array_equal(one.draws, other.draws)
    wide = one.table.merge(means.table, on=["arm", "at_least"], suffixes=("", "_delta"))
    # 25 draws: the errors are of one order
    ratio = wide["std_error"] / wide["std_error_delta"]
    assert ratio.between(0.5, 2).all()


def test_a_grade_that_nobody_drawn_has_gets_no_probability(grades):
    rare = grades[grades["visit"] == "Week 24"].copy()
    keep = (rare["grade"] != "G4") | (rare["patient"] == rare.loc[rare["grade"] == "G4", "patient"].iloc[0])
    fit = fit_ordinal_model("grade ~ arm + (1 | patient)", rare[keep])
    found = marginal_probabilities(fit, "arm").bootstrap(np.random.default_rng(4), 20)
    top = found.draws.reshape(len(found.draws), 4, 5)
    assert (top[:, :, 4] == 0).all(axis=1).any()
    assert top.sum(axis=2) == pytest.approx(1, abs=1e-9)


def test_draws_that_cannot_be_fitted_are_counted(table):
    few = pd.concat([table[table["arm"] == "A"], table[table["arm"] == "C"].iloc[10:30]])
    means = marginal_probabilities(fit_generalized_model("y ~ arm", few), "arm")
    found = means.bootstrap(np.random.default_rng(5), 60)
    assert 0 < len(found.failures) < 30  # 2 of 20 respond: none are drawn with a probability of 0.12
    assert found.table["n_failed"].iloc[0] == len(found.failures)
    assert len(found.draws) == 60 - len(found.failures)
    assert any("separate" in reason for reason in found.failures.values())


def test_mostly_failing_draws_are_an_error(table):
    few = pd.concat([table[table["arm"] == "A"].iloc[29:31], table[table["arm"] == "B"].iloc[17:19]])
    means = marginal_probabilities(fit_generalized_model("y ~ arm", few), "arm")
    with pytest.raises(ConvergenceError, match="most draws"):
        means.bootstrap(np.random.default_rng(5), 40)


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"rng": 3}, "random generator"),
        ({"draws": 5}, "draws"),
        ({"alpha": 0.0}, "alpha"),
        ({"strata": "centre"}, "column"),
        ({"strata": "y"}, None),
    ],
)
def test_wrong_options_are_refused(table, options, word):
    means = marginal_probabilities(fit_generalized_model("y ~ arm", table), "arm")
    given = {"rng": np.random.default_rng(1), "draws": 20, **options}
    if word is None:  # a column with one value a patient will do
        assert means.bootstrap(**given).strata == "y"
        return
    with pytest.raises(ModelError, match=word):
        means.bootstrap(**given)
