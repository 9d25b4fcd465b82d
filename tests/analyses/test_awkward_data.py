"""Frames as users have them: indices, columns and weights that are not what they seem; clusters that stand alone."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from analyses import fit_mixed_model, marginal_means
from outcomes.errors import FormulaError, ModelError
from outcomes.rounding import number_text

MODEL = "value ~ baseline + arm * visit + us(visit | patient)"


@pytest.fixture
def data() -> pd.DataFrame:
    rng = np.random.default_rng(3)
    patient = np.repeat(np.arange(24), 3)
    rows = pd.DataFrame({"patient": patient, "visit": np.tile(["Week 4", "Week 8", "Week 9"], 24)})
    rows["arm"] = np.array(["Control", "Laser", "PRP"])[patient % 3]
    rows["baseline"] = rng.normal(30, 5, 24)[patient]
    rows["value"] = rows["baseline"] + rng.normal(0, 2, 24)[patient] + rng.normal(0, 1, 72)
    return rows


def test_an_index_of_the_same_names_is_no_obstacle(data):
    plain = marginal_means(fit_mixed_model(MODEL, data), "arm").table
    indexed = marginal_means(
        fit_mixed_model(MODEL, data.set_index(["patient", "visit"], drop=False)), "arm"
    ).table
    pd.testing.assert_frame_equal(plain, indexed)


def test_truth_values_beside_none_are_levels(data):
    treated = (data["arm"] == "PRP").astype(object)
    treated[2] = None
    formula = "value ~ baseline + treated * visit + us(visit | patient)"
    loose = fit_mixed_model(formula, data.assign(treated=treated))
    strict = fit_mixed_model(formula, data.assign(treated=treated.astype("boolean")))
    assert loose.n_dropped == strict.n_dropped == 1
    ours, theirs = (marginal_means(fit, "treated").contrast("pairwise").table for fit in (loose, strict))
    np.testing.assert_allclose(ours.iloc[:, 1:].astype(float), theirs.iloc[:, 1:].astype(float), rtol=1e-8)


def test_columns_of_the_same_name_are_refused(data):
    with pytest.raises(FormulaError, match="same name"):
        fit_mixed_model(MODEL, pd.concat([data, data[["baseline"]]], axis=1))


def test_weights_that_are_words_are_refused(data):
    with pytest.raises(ModelError, match="must be numbers"):
        fit_mixed_model(MODEL, data.assign(size="large"), weights="size")


def test_weights_with_another_index_are_not_taken_by_position(data):
    weights = pd.Series(np.linspace(0.5, 2, len(data)), index=data.index)
    right = fit_mixed_model(MODEL, data, weights=weights)
    assert right.loglik == fit_mixed_model(MODEL, data.assign(size=weights), weights="size").loglik
    with pytest.raises(ModelError, match="index"):
        fit_mixed_model(MODEL, data.sample(frac=1, random_state=1), weights=weights)


def test_vast_numbers_are_written_as_powers_of_ten():
    assert number_text(-1.0899e152, 2) == "−1.09 × 10^152"
    assert number_text(123456.785, 2) == "123456.79"


def test_cr3_without_a_cluster_that_a_coefficient_rests_on_does_not_depend_on_units(data):
    """One patient alone was seen at Week 9 in the control arm: I - H is singular, and its inverse was rounding."""
    alone = data[(data["arm"] != "Control") | (data["visit"] != "Week 9") | (data["patient"] == 3)]
    tables = []
    for unit, origin in ((1.0, 0.0), (1e5, 1e6)):
        scaled = alone.assign(value=unit * alone["value"], baseline=alone["baseline"] * unit + origin)
        fit = fit_mixed_model(MODEL, scaled, vcov="CR3")
        tables.append(marginal_means(fit, "arm", by="visit").contrast("pairwise").table)
    for column in ("df", "statistic"):
        # 1e-6: the columns' own digits after a shift of a million
        np.testing.assert_allclose(tables[1][column], tables[0][column], rtol=1e-6)


def test_cr3_is_the_inverse_where_there_is_one(data):
    """Mancl and DeRouen's form, written out with dense matrices."""
    fit = fit_mixed_model("value ~ baseline + arm + cs(visit | patient)", data, vcov="CR3")
    covariance = np.asarray(fit.covariance)
    x = fit.frame.x
    inverse, residual = np.linalg.inv(covariance), fit.residuals("raw")
    rows = [np.flatnonzero(data["patient"] == patient) for patient in range(24)]
    phi = np.linalg.inv(sum(x[at].T @ inverse @ x[at] for at in rows))
    scores = [
        x[at].T @ inverse @ np.linalg.solve(np.eye(3) - x[at] @ phi @ x[at].T @ inverse, residual[at])
        for at in rows
    ]
    expected = phi @ sum(np.outer(score, score) for score in scores) @ phi
    np.testing.assert_allclose(fit.vcov, expected, rtol=1e-8, atol=1e-10 * np.abs(expected).max())


def test_f_tests_without_information_are_nan_not_negative(data):
    """Kenward and Roger's scale and degrees of freedom turn negative where A2 exceeds q or the mean does not exist."""
    small = fit_mixed_model(MODEL, data, df_method="kenward-roger").small_sample
    rows = np.eye(len(small.phi))[2:8]
    assert np.isfinite(small.f_test(rows, np.ones(6))).all()
    for vaguer in (30.0, 100.0, 1000.0):
        statistic, q, df = replace(small, w=vaguer * small.w).f_test(rows, np.ones(6))
        assert np.isnan([statistic, df]).all()
        assert q == 6
