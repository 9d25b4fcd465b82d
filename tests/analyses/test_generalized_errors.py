"""What a generalised model refuses, and in which words."""

import numpy as np
import pandas as pd
import pytest

from analyses.generalized import fit_generalized_model
from outcomes.errors import ConvergenceError, DesignError, FormulaError, ModelError


@pytest.fixture
def data():
    rng = np.random.default_rng(12)
    frame = pd.DataFrame({"patient": np.repeat(np.arange(20), 4), "laser": np.tile([0, 1, 0, 1], 20)})
    frame["prp"] = np.tile([0, 0, 1, 1], 20)
    frame["y"] = rng.integers(0, 2, 80)
    frame["n"] = rng.poisson(2, 80)
    frame["f"] = rng.beta(2, 2, 80)
    frame["m"] = 5
    frame["days"] = 28.0
    return frame


@pytest.mark.parametrize(
    ("response", "options", "match"),
    [
        ("y + 1", {}, "not of the family"),
        ("n", {}, "a responder is 0 or 1"),
        ("n", {"family": "negative-binomial", "trials": "m"}, "only a binomial model has trials"),
        ("f", {"family": "poisson"}, "whole numbers"),
        ("y", {"family": "beta"}, "between 0 and 1"),
        ("y", {"family": "gamma"}, "unknown family"),
        ("y", {"family": ["binomial"]}, "unknown family"),
        ("n", {"family": "poisson", "offset": ["long"] * 80}, "offset must be numbers"),
        ("y", {"link": "log"}, "unknown link"),
        ("n", {"family": "poisson", "link": "logit"}, "unknown link"),
        ("y", {"penalty": "ridge"}, "unknown penalty"),
        ("n", {"family": "poisson", "penalty": "firth"}, "logistic models"),
        ("y", {"penalty": "firth"}, "without random effects"),
        ("y", {"quadrature": 0}, "number of nodes"),
        ("y", {"quadrature": 7.0}, "number of nodes"),
        ("y", {"trials": "tries"}, "no column 'tries'"),
        ("y", {"offset": [1.0]}, "one value a row"),
        ("y", {"weights": "w"}, "no column 'w'"),
    ],
)
def test_wrong_responses_and_options(data, response, options, match):
    formula = (
        "I(y + 1) ~ laser + (1 | patient)" if response == "y + 1" else f"{response} ~ laser + (1 | patient)"
    )
    with pytest.raises(ModelError, match=match):
        fit_generalized_model(formula, data, **options)


def test_more_successes_than_trials(data):
    with pytest.raises(ModelError, match="from 0 to the trials"):
        fit_generalized_model("n ~ laser + (1 | patient)", data.assign(m=1), trials="m")


def test_negative_and_infinite_numbers(data):
    with pytest.raises(ModelError, match="0 or more"):
        fit_generalized_model("n ~ laser + (1 | patient)", data.assign(n=data["n"] - 1.0), family="poisson")
    zero = data.assign(days=0.0)
    with pytest.raises(ModelError, match="offset is not finite"):
        fit_generalized_model("n ~ laser + offset(log(days)) + (1 | patient)", zero, family="poisson")


def test_text_has_no_responders(data):
    with pytest.raises(ModelError, match="must be numbers") as error:
        fit_generalized_model("y ~ laser + (1 | patient)", data.assign(y=data["y"].map({0: "no", 1: "yes"})))
    assert "says which value is a responder" in str(error.value)


def test_true_and_false_are_one_and_zero(data):
    plain = fit_generalized_model("y ~ laser + (1 | patient)", data)
    named = fit_generalized_model("y ~ laser + (1 | patient)", data.assign(y=data["y"] == 1))
    assert named.loglik == plain.loglik


@pytest.mark.parametrize(("family", "match"), [("binomial", "all responses"), ("poisson", "all counts")])
def test_nothing_happened(data, family, match):
    with pytest.raises(ModelError, match=match):
        fit_generalized_model("y ~ laser + (1 | patient)", data.assign(y=0), family=family)


@pytest.mark.parametrize("formula", ["y ~ laser * prp + (1 | patient)", "y ~ laser * prp"])
def test_an_arm_without_a_responder_separates(data, formula):
    none = data.assign(y=np.where((data["laser"] == 0) & (data["prp"] == 0), 0, data["y"]))
    with pytest.raises(ConvergenceError, match="the responders separate") as error:
        fit_generalized_model(formula, none, patient=None)
    assert "firth" in str(error.value)
    assert "Intercept" in str(error.value)
    found = fit_generalized_model("y ~ laser * prp", none, penalty="firth", patient=None)
    assert np.isfinite(found.beta).all()
    assert (found.coefficients["conf_low"] < found.beta).all()


def test_an_arm_without_a_count_separates(data):
    none = data.assign(n=np.where(data["laser"] == 0, 0, data["n"]))
    for family in ("poisson", "negative-binomial"):
        with pytest.raises(ConvergenceError, match="the counts separate"):
            fit_generalized_model("n ~ laser + (1 | patient)", none, family=family)


def test_repeated_patients_need_a_random_effect(data):
    with pytest.raises(DesignError, match="several rows") as error:
        fit_generalized_model("y ~ laser", data)
    assert "(1 | patient)" in str(error.value)
    assert fit_generalized_model("y ~ laser", data, patient=None).n_obs == 80


def test_formulas_that_are_refused(data):
    for formula, match in (
        ("y ~ laser + us(prp | patient)", "no residual covariance"),
        ("y ~ laser + (1 | patient) + (1 | prp)", "crossed"),
        ("y ~ laser + offset(log(days) + (1 | patient)", "unbalanced"),
        ("y ~ laser + offset(log(dayz)) + (1 | patient)", "offset cannot be evaluated"),
        ("y ~ lazer + (1 | patient)", "no column 'lazer'"),
        ("yy ~ laser + (1 | patient)", "no column 'yy'"),
    ):
        with pytest.raises(FormulaError, match=match):
            fit_generalized_model(formula, data)


@pytest.mark.parametrize(
    ("term", "named"), [("1 + day", "day"), ("1 + none || patient", "none"), ("0 + none", "none")]
)
def test_random_effects_that_cannot_be_told_apart(data, term, named):
    constant = data.assign(day=1.0, none=0.0)
    random = f"({term})" if "|" in term else f"({term} | patient)"
    with pytest.raises(FormulaError, match="cannot be told apart") as error:
        fit_generalized_model(f"y ~ laser + {random}", constant)
    assert named in str(error.value)


def test_numbers_that_no_longer_count(data):
    with pytest.raises(ModelError, match="counts must be whole numbers"):
        fit_generalized_model("n ~ laser + (1 | patient)", data.assign(n=1e300), family="poisson")


def test_cbind_is_binomial_without_trials(data):
    with pytest.raises(ModelError, match="cbind"):
        fit_generalized_model("cbind(n, m) ~ laser + (1 | patient)", data, family="poisson")
    with pytest.raises(ModelError, match="no column 'q'"):
        fit_generalized_model("cbind(n, q) ~ laser + (1 | patient)", data)


def test_missing_offsets_and_trials_are_left_out_and_counted(data):
    gap = data.assign(
        days=np.where(np.arange(80) < 3, np.nan, 28.0), m=np.where(np.arange(80) == 9, np.nan, 9.0)
    )
    found = fit_generalized_model("n ~ laser + offset(log(days)) + (1 | patient)", gap, family="poisson")
    assert found.n_dropped == 3
    found = fit_generalized_model("n ~ laser + (1 | patient)", gap, trials="m")
    assert found.n_dropped == 1


def test_one_patient_is_not_several(data):
    with pytest.raises(ModelError, match="several units"):
        fit_generalized_model("y ~ laser + (1 | patient)", data.assign(patient=1))


def test_aliased_columns_are_dropped_and_named(data):
    found = fit_generalized_model("y ~ laser + twice + (1 | patient)", data.assign(twice=2 * data["laser"]))
    assert found.aliased == ("twice",)
    assert found.loglik == pytest.approx(fit_generalized_model("y ~ laser + (1 | patient)", data).loglik)
