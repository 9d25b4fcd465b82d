"""Generalised estimating equations: geepack, Mancl and DeRouen's sandwich written out in R, identities, refusals."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import special

from analyses import compare_therapies, marginal_means, odds_ratios
from analyses.probability.gee import fit_marginal_model
from outcomes.errors import ConvergenceError, DesignError, FormulaError, ModelError

CASES = Path(__file__).parents[1] / "reference"
ARMS = ["control", "laser", "prp", "laser_prp"]
FORMULA = "responder ~ arm + age"


@pytest.fixture(scope="module")
def reference():
    return json.loads((CASES / "probability_scale" / "reference.json").read_text())


@pytest.fixture(scope="module")
def data():
    found = pd.read_csv(CASES / "binary_responder_within" / "data.csv")
    found["arm"] = pd.Categorical(found["arm"], ARMS)
    return found


@pytest.mark.parametrize("vcov", ["mancl-derouen", "sandwich", "model"])
def test_independence_agrees_with_geepack_and_the_sandwiches_written_out(data, reference, vcov):
    block = reference["gee_independence"]
    fit = fit_marginal_model(FORMULA, data, correlation="independence", vcov=vcov)
    # both solve the equations to 1e-10; geepack's own convergence is 1e-12
    assert fit.beta == pytest.approx(block["beta"], rel=1e-8)
    np.testing.assert_allclose(fit.covariance, block[vcov.replace("-", "_")], rtol=1e-7, atol=1e-12)
    if vcov == "sandwich":
        np.testing.assert_allclose(fit.covariance, block["geepack"], rtol=1e-7, atol=1e-12)


def test_an_exchangeable_correlation_has_the_sandwich_of_its_own_estimate(data):
    fits = {
        vcov: fit_marginal_model(FORMULA, data, vcov=vcov) for vcov in ("mancl-derouen", "sandwich", "model")
    }
    fit = fits["model"]
    used = data.loc[fit.frame.data.index]
    x, y, alpha = fit.frame.x, fit.frame.y, fit.working_correlation
    parts, bread = [], np.zeros((5, 5))
    for _, rows in used.reset_index(drop=True).groupby("patient").groups.items():
        mean = special.expit(x[rows] @ fit.beta)
        spread = np.sqrt(mean * (1 - mean))
        working = np.full((len(rows), len(rows)), alpha)
        np.fill_diagonal(working, 1.0)
        v, d = working * np.outer(spread, spread), (spread**2)[:, None] * x[rows]
        bread += d.T @ np.linalg.solve(v, d)
        parts.append((d, np.linalg.inv(v), y[rows] - mean))
    inverse = np.linalg.inv(bread)
    score = sum(d.T @ v @ r for d, v, r in parts)
    assert np.abs(score).max() < 1e-7  # the equations are solved
    plain = reduced = 0.0
    for d, v, r in parts:
        leverage = d @ inverse @ d.T @ v
        own, better = d.T @ v @ r, d.T @ v @ np.linalg.solve(np.eye(len(r)) - leverage, r)
        plain, reduced = plain + np.outer(own, own), reduced + np.outer(better, better)
    expected = {
        "model": inverse,
        "sandwich": inverse @ plain @ inverse,
        "mancl-derouen": inverse @ reduced @ inverse,
    }
    for vcov, one in fits.items():
        np.testing.assert_allclose(one.covariance, expected[vcov], rtol=1e-6, atol=1e-12)


def test_the_order_of_rows_and_the_names_of_patients_do_not_matter(data):
    fit = fit_marginal_model(FORMULA, data)
    shuffled = data.sample(frac=1, random_state=np.random.default_rng(3))
    other = fit_marginal_model(FORMULA, shuffled.assign(patient="x" + shuffled["patient"].str[::-1]))
    assert fit.beta == pytest.approx(other.beta, rel=1e-8)
    np.testing.assert_allclose(fit.covariance, other.covariance, rtol=1e-7, atol=1e-12)


def test_a_model_of_the_arms_has_the_proportions(data):
    fit = fit_marginal_model("responder ~ arm", data, correlation="independence")
    means = marginal_means(fit, "arm").table.set_index("arm")["estimate"]
    shares = data.dropna(subset=["responder"]).groupby("arm", observed=True)["responder"].mean()
    assert special.expit(means[ARMS].to_numpy()) == pytest.approx(shares[ARMS].to_numpy(), abs=1e-9)
    assert fit.df == fit.n_subjects - 4


def test_marginal_odds_ratios_and_the_combination_questions(data):
    fit = fit_marginal_model("responder ~ arm", data)
    ratios = odds_ratios(fit)
    assert list(ratios["term"]) == ["arm[T.laser]", "arm[T.prp]", "arm[T.laser_prp]"]
    assert ratios["estimate"].to_numpy() == pytest.approx(np.exp(fit.beta[1:]))
    arms = {"laser_prp": {"laser", "prp"}, "laser": {"laser"}, "prp": {"prp"}, "control": set()}
    verdict = compare_therapies(fit, arms)
    assert "marginal odds ratio" in verdict.scale.name.replace("log ", "")
    assert verdict.table["df"].iloc[0] == fit.df
    assert verdict.rows_of("interaction")[0].estimate == pytest.approx(
        fit.beta[3] - fit.beta[1] - fit.beta[2]
    )


def test_counts_with_offsets_are_rates():
    data = pd.read_csv(CASES / "counts_erythema_days" / "data.csv")
    fit = fit_marginal_model(
        "erythema_days ~ arm + offset(log(days_observed / 28))",
        data,
        family="poisson",
        correlation="independence",
    )
    used = data.loc[fit.frame.data.index]
    totals = used.groupby("arm")[["erythema_days", "days_observed"]].sum()
    rates = np.log(totals["erythema_days"] / (totals["days_observed"] / 28))
    assert fit.beta[0] == pytest.approx(rates["laser"], abs=1e-9)
    assert fit.beta[1] == pytest.approx(rates["laser_prp"] - rates["laser"], abs=1e-9)


def test_aliased_columns_are_named_and_not_estimable(data):
    fit = fit_marginal_model("responder ~ arm + laser", data)
    assert fit.aliased == ("laser",)
    assert "Mancl" in str(fit)
    assert "exchangeable" in fit._repr_html_()
    assert fit.anova(type=2).shape == (1, 5)


@pytest.mark.parametrize(
    ("change", "error", "word"),
    [
        ({"family": "beta"}, ModelError, "family"),
        ({"correlation": "ar1"}, ModelError, "correlation"),
        ({"vcov": "HC3"}, ModelError, "covariance"),
        ({"patient": "person"}, ModelError, "person"),
        ({"formula": "responder ~ arm + (1 | patient)"}, FormulaError, "no random effects"),
    ],
)
def test_wrong_options_are_refused(data, change, error, word):
    with pytest.raises(error, match=word):
        fit_marginal_model(**{"formula": FORMULA, "data": data, **change})


def test_an_arm_without_a_responder_separates(data):
    none = data.assign(responder=data["responder"].where(data["arm"] != "prp", 0.0))
    with pytest.raises(ConvergenceError, match="separate"):
        fit_marginal_model("responder ~ arm", none)


def test_too_few_patients_are_refused(data):
    few = data[data["patient"].isin(data["patient"].unique()[:4])]
    with pytest.raises((DesignError, ConvergenceError)):
        fit_marginal_model("responder ~ arm", few)


def test_rows_without_a_patient_are_counted(data):
    nobody = data.assign(patient=data["patient"].astype(object).where(np.arange(len(data)) >= 5, None))
    fit = fit_marginal_model(FORMULA, nobody)
    assert fit.n_obs + fit.n_dropped == len(data)
    assert fit.n_dropped == fit_marginal_model(FORMULA, data).n_dropped + nobody["patient"].isna().sum()
    with pytest.raises(FormulaError, match="DataFrame"):
        fit_marginal_model(FORMULA, None)
