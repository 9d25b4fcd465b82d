"""Probabilities of mixed models against base R (integrals by integrate(), errors by numDeriv) and emmeans."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analyses import marginal_means
from analyses.combination import compare_therapies
from analyses.generalized import fit_generalized_model
from analyses.ordinal import fit_ordinal_model
from analyses.probability.probability_scale import marginal_probabilities
from analyses.probability.superiority import model_superiority

CASES = Path(__file__).parents[1] / "reference"
ARMS = ["control", "laser", "prp", "laser_prp"]
SQUARE = {"interaction": {"laser_prp": 1, "laser": -1, "prp": -1, "control": 1}}
PAIR = {"pair": {"laser_prp": 1, "laser": -1}}
COMPONENTS = {"laser_prp": {"laser", "prp"}, "laser": {"laser"}, "prp": {"prp"}, "control": set()}
NODES = 40  # against R's adaptive integration to 1e-11
VALUE = 1e-6  # estimates: both optima are within 1e-6 standard errors
ERROR = 1e-5  # relative; R's Hessian and gradient are numerical (numDeriv, about 1e-7)


@pytest.fixture(scope="module")
def reference():
    return json.loads((CASES / "probability_scale" / "reference.json").read_text())


def fit_responders(nodes):
    data = pd.read_csv(CASES / "binary_responder_within" / "data.csv")
    data["arm"] = pd.Categorical(data["arm"], ARMS)
    data["age10"] = data["age"] / 10
    return fit_generalized_model("responder ~ arm + age10 + (1 | patient)", data, quadrature=nodes)


def fit_grades_at_week_24(nodes):
    data = pd.read_csv(CASES / "ordinal_grade_within" / "data.csv")
    data["grade"] = pd.Categorical(data["grade"], [f"G{k}" for k in range(5)], ordered=True)
    data["arm"] = pd.Categorical(data["arm"], ARMS)
    data["size"] = data["baseline"] / 10
    data = data[data["week"] == 24]
    return fit_ordinal_model("grade ~ arm + size + (1 | patient)", data, quadrature=nodes)


@pytest.fixture(scope="module")
def responders():
    return fit_responders(NODES)


@pytest.fixture(scope="module")
def grades():
    return fit_grades_at_week_24(NODES)


@pytest.mark.parametrize(("name", "block"), [("responders", "binary"), ("grades", "ordinal")])
def test_the_fits_are_the_same(name, block, reference, request):
    fit, expected = request.getfixturevalue(name), reference[block]
    assert fit.loglik == pytest.approx(expected["loglik"], abs=1e-7)
    assert fit.parameters == pytest.approx(expected["parameters"], abs=1e-5)
    np.testing.assert_allclose(fit.joint_vcov, expected["vcov"], rtol=2e-5, atol=1e-7)


def same(found, expected):
    """An estimate with its standard error, as R has them."""
    assert np.asarray(found["estimate"], dtype=float) == pytest.approx(expected["value"], abs=VALUE)
    assert np.asarray(found["std_error"], dtype=float) == pytest.approx(expected["std_error"], rel=ERROR)


def test_responders_by_arm_and_their_contrasts(responders, reference):
    expected = reference["binary"]
    means = marginal_probabilities(responders, "arm")
    same(means.table, expected["probabilities"])
    same(means.contrast(PAIR).table.iloc[0], expected["difference"])
    same(means.contrast(SQUARE).table.iloc[0], expected["interaction"])
    for measure, block in (("ratio", "log_ratio"), ("odds ratio", "log_odds_ratio")):
        row = means.contrast(PAIR, measure).table.iloc[0]
        logs = {"estimate": np.log(row["estimate"]), "std_error": row["std_error"] / row["estimate"]}
        same(logs, expected[block])
    verdict = compare_therapies(responders, COMPONENTS)
    (row,) = verdict.rows_of("interaction_response")
    same({"estimate": row.estimate, "std_error": row.std_error}, expected["interaction"])


def test_grades_by_arm_and_the_questions_of_a_response(grades, reference):
    expected = reference["ordinal"]
    same(marginal_probabilities(grades, "arm").table, expected["grades"])
    means = marginal_probabilities(grades, "arm", of="at least")
    same(means.table[means.table["at_least"] == "G3"], expected["at_least_G3"])
    contrast = means.contrast(SQUARE).table.set_index("at_least").loc["G3"]
    same(contrast, expected["interaction_G3"])
    verdict = compare_therapies(grades, COMPONENTS, response="G3")
    (row,) = verdict.rows_of("bliss")
    same({"estimate": row.estimate, "std_error": row.std_error}, expected["bliss_log_G3"])


@pytest.mark.parametrize("pairs", ["same patient", "different patients"])
def test_probabilities_of_superiority(grades, reference, pairs):
    found = model_superiority(grades, pairs=pairs, reverse=True).set_index(["first", "second"])
    same(found.loc[("laser_prp", "laser")], reference["ordinal"][pairs.replace(" ", "_")])


def test_emmeans_on_the_link_scale(reference):
    """Contrasts as emmeans has them of clmm and glmer, at the same nodes; standard errors of the joint Hessian."""
    expected = reference["ordinal"]["emmeans"]
    means = marginal_means(fit_grades_at_week_24(7), "arm")
    # clmm stops at a gradient of 1e-8; its Hessian is numerical
    assert means.table["estimate"].to_numpy() == pytest.approx(expected["means"], abs=1e-4)
    pairs = means.contrast("pairwise").table
    assert pairs["estimate"].to_numpy() == pytest.approx(expected["pairs"], abs=1e-4)
    assert pairs["std_error"].to_numpy() == pytest.approx(expected["pairs_std_error"], rel=1e-3)
    expected = reference["binary"]["emmeans"]
    means = marginal_means(fit_responders(9), "arm")
    assert means.table["estimate"].to_numpy() == pytest.approx(expected["means"], abs=1e-4)
    assert means.contrast("pairwise").table["estimate"].to_numpy() == pytest.approx(
        expected["pairs"], abs=1e-4
    )
