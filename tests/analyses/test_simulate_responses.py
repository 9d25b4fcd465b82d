"""Responses drawn from a fit: their moments, reproducibility, and what the bootstrap makes of them."""

import json
import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from joblib import parallel_config
from scipy.stats import chi2, kstest

from analyses import fit_mixed_model
from analyses.examine.bootstrap import bootstrap_draws
from outcomes.errors import ConvergenceError, ModelError

REFERENCE = Path(__file__).parents[1] / "reference"


def lesions(patients: int = 8) -> pd.DataFrame:
    rng = np.random.default_rng(5)
    rows = [(p, arm, v) for p in range(patients) for arm in ("A", "B") for v in range(3)]
    data = pd.DataFrame(rows, columns=["patient", "arm", "visit"])
    lesion = data["patient"] * 2 + data["arm"].map({"A": 0, "B": 1})
    data["y"] = rng.normal(0, 1.5, patients)[data["patient"]] + rng.normal(0, 1, 2 * patients)[lesion]
    data["y"] += rng.normal(size=len(data))
    data["rater"] = np.arange(len(data)) % 3
    data["group"] = np.where(data["patient"] % 2, "x", "y")
    data = data.assign(week=4.0 * data["visit"], lesion=lesion, w=rng.uniform(0.5, 2, len(data)))
    return data.drop(index=[3, 17, 30])


def dense_covariance(fit) -> np.ndarray:
    """V of the rows used, written out pair by pair."""
    frame, n = fit.frame, fit.n_obs
    v = np.zeros((n, n))
    for design, g in zip(frame.random, fit.component_matrices, strict=False):
        for i in range(n):
            for j in range(n):
                if design.subject[i] == design.subject[j]:
                    v[i, j] += design.z[i] @ g @ design.z[j]
    residual, matrices = frame.residual.design, fit.component_matrices[len(frame.random) :]
    for i in range(n):
        for j in range(n):
            if residual.subject[i] == residual.subject[j]:
                r = matrices[residual.group[i]][residual.slot[i], residual.slot[j]]
                v[i, j] += r / np.sqrt(frame.weights[i] * frame.weights[j])
    return v


@pytest.mark.parametrize(
    ("formula", "options"),
    [
        ("y ~ visit + (1 + visit | patient)", {"weights": "w"}),
        ("y ~ arm + (1 | patient/lesion)", {}),
        ("y ~ arm + (1 | patient) + (1 | rater)", {"weights": "w"}),
        ("y ~ arm + (1 | patient) + ar1(visit | patient:lesion)", {}),
        ("y ~ visit + cs(visit | group / patient:lesion)", {}),
        ("y ~ arm + cs(arm | patient) @ ar1(visit)", {"weights": "w"}),
        ("y ~ arm + (1 | patient)", {"bounded": False}),
    ],
)
def test_moments_of_draws(formula, options):
    data = lesions()
    if not options.get("bounded", True):  # values of a patient less alike than those of different patients
        data["y"] = np.random.default_rng(2).normal(size=len(data))
        data["y"] -= 0.8 * data.groupby("patient")["y"].transform("mean")
    fit = fit_mixed_model(formula, data, **options)
    draws = 20_000
    drawn = fit.simulate(np.random.default_rng(1), draws=draws)
    assert drawn.shape == (draws, fit.n_obs)
    v = dense_covariance(fit)
    if not options.get("bounded", True):
        assert fit.component_matrices[0][0, 0] < 0
    # standard errors of a mean and of a covariance of normal draws; the largest of about 1,000 stays below five
    spread = np.sqrt(np.diag(v) / draws)
    assert np.abs((drawn.mean().to_numpy() - fit.fitted) / spread).max() < 5
    errors = np.sqrt((v**2 + np.outer(np.diag(v), np.diag(v))) / draws)
    assert np.abs((np.cov(drawn.to_numpy().T) - v) / errors).max() < 5


def test_distances_in_time_that_are_kept_by_lag():
    rng = np.random.default_rng(8)
    data = pd.DataFrame({"patient": np.repeat(range(12), 4), "week": rng.uniform(0, 24, 48).round(3)})
    data["y"] = np.repeat(rng.normal(size=12), 4) + 0.3 * rng.normal(size=48)
    fit = fit_mixed_model("y ~ week + sp_exp(week | patient)", data)
    variance, scale = fit.covariance_parameters["estimate"]
    drawn = np.cov(fit.simulate(np.random.default_rng(1), draws=20_000).to_numpy().T)
    distance = np.abs(data["week"].to_numpy()[:, None] - data["week"].to_numpy())
    same = data["patient"].to_numpy()[:, None] == data["patient"].to_numpy()
    v = np.where(same, variance * np.exp(-distance / scale), 0.0)
    assert np.abs((drawn - v) / np.sqrt((v**2 + variance**2) / 20_000)).max() < 5


def test_shape_index_and_name():
    data = lesions()
    data["y"] = np.exp(data["y"] / 5)
    data.loc[data.index[4], "y"] = np.nan
    fit = fit_mixed_model("log(y) ~ arm + (1 | patient)", data)
    one = fit.simulate(np.random.default_rng(3))
    assert one.shape == (fit.n_obs,)
    assert one.name == "log(y)"
    assert one.index.equals(data.index.delete(4))
    again = data.assign(new=one)
    assert again["new"].isna().sum() == 1
    several = fit.simulate(np.random.default_rng(3), draws=2)
    assert several.shape == (2, fit.n_obs)
    assert several.columns.equals(one.index)


def test_the_same_generator_gives_the_same_draws():
    fit = fit_mixed_model("y ~ arm + (1 | patient)", lesions())
    one, two = (fit.simulate(np.random.default_rng(7)) for _ in range(2))
    pd.testing.assert_series_equal(one, two)
    assert not one.equals(fit.simulate(np.random.default_rng(8)))


def test_a_variance_of_zero_is_drawn_as_zero():
    data = lesions().assign(y=lambda d: np.random.default_rng(0).normal(size=len(d)))
    data["y"] -= data.groupby("patient")["y"].transform("mean")
    fit = fit_mixed_model("y ~ 1 + (1 | patient)", data)
    assert fit.component_matrices[0][0, 0] < 1e-12
    drawn = fit.simulate(np.random.default_rng(1), draws=5_000)
    assert drawn.to_numpy().var() == pytest.approx(fit.component_matrices[1][0, 0], rel=0.02)


@pytest.mark.parametrize("wrong", [1, None, np.random.RandomState(1)])
def test_a_generator_is_needed(wrong):
    fit = fit_mixed_model("y ~ arm + (1 | patient)", lesions())
    with pytest.raises(ModelError, match=r"default_rng\(1\)"):
        fit.simulate(wrong)


@pytest.mark.parametrize("wrong", [0, -1, 2.5, True])
def test_draws_are_a_whole_number(wrong):
    fit = fit_mixed_model("y ~ arm + (1 | patient)", lesions())
    with pytest.raises(ModelError, match="number of draws"):
        fit.simulate(np.random.default_rng(1), draws=wrong)


# the bootstrap


@pytest.fixture(scope="module")
def sleepstudy():
    data = pd.read_csv(REFERENCE / "sleepstudy" / "data.csv")
    return fit_mixed_model("Reaction ~ Days + (1 + Days | Subject)", data)


def test_the_variance_of_a_sample_has_its_known_distribution():
    rng = np.random.default_rng(7)
    data = pd.DataFrame(
        {"patient": range(24), "visit": "Week 4", "x": rng.normal(size=24), "y": rng.normal(2, 3, 24)}
    )
    fit = fit_mixed_model("y ~ x + us(visit | patient)", data)
    variance = fit.covariance.iloc[0, 0]
    found = bootstrap_draws(fit, np.random.default_rng(4), draws=400)
    scaled = 22 * found.estimates.iloc[:, 0] / variance
    assert kstest(scaled, chi2(22).cdf).pvalue > 0.001  # of one seed, fixed
    slope = (found.estimates["x"] - fit.beta[1]) / np.sqrt(fit.vcov_model.loc["x", "x"])
    assert kstest(slope, "norm").pvalue > 0.001
    table = fit.bootstrap_intervals(np.random.default_rng(4), draws=400, alpha=0.1)
    # standard error of a 5 % quantile of 400 draws is 6 % of this one
    assert table["conf_low"][0] == pytest.approx(variance * chi2.ppf(0.05, 22) / 22, rel=0.2)
    assert table["conf_high"][0] == pytest.approx(variance * chi2.ppf(0.95, 22) / 22, rel=0.2)


def test_sleepstudy_against_lme4(sleepstudy):
    text = (REFERENCE / "sleepstudy_inference" / "reference.json").read_text(encoding="utf-8")
    block = json.loads(text)["bootstrap"]
    found = bootstrap_draws(sleepstudy, np.random.default_rng(1), draws=400, scale="sd").estimates
    names = [
        "(1 + Days | Subject): sd(Intercept)",
        "(1 + Days | Subject): sd(Days)",
        "residual: sd(residual)",
    ]
    for name, key in zip(names, ("sd_intercept", "sd_days", "sd_residual"), strict=True):
        # shares of our draws below lme4's quantiles, four binomial standard errors of 400 draws
        for share, quantile in zip((0.025, 0.25, 0.5, 0.75, 0.975), block[key], strict=True):
            error = np.sqrt(share * (1 - share) / 400)
            assert np.mean(found[name] < quantile) == pytest.approx(share, abs=4 * error)


def test_a_draw_is_what_a_fit_of_it_gives(sleepstudy):
    """The short way (cross-products of the drawn errors alone) gives what fitting the drawn responses gives."""
    draws = bootstrap_draws(sleepstudy, np.random.default_rng(6), draws=20)
    data = sleepstudy.frame.data
    for draw, rng in enumerate(np.random.default_rng(6).spawn(20)[:3]):
        again = fit_mixed_model(sleepstudy.formula, data.assign(Reaction=sleepstudy.simulate(rng)))
        row = draws.estimates.loc[draw]
        # both searches end where the deviance is flat to rounding
        np.testing.assert_allclose(row[list(again.term_names)], again.beta, rtol=1e-8)
        parameters = again.covariance_parameters
        np.testing.assert_allclose(row[parameters["parameter"]], parameters["estimate"], rtol=1e-6)


@pytest.mark.parametrize(
    "formula", ["y ~ arm + (1 | patient) + (1 | rater)", "y ~ visit + sp_exp(week | patient:lesion)"]
)
def test_every_form_of_the_data_is_drawn_and_fitted(formula):
    fit = fit_mixed_model(formula, lesions(20), weights="w", reml=False)
    draws = bootstrap_draws(fit, np.random.default_rng(6), draws=20)
    assert not draws.failures
    rng = np.random.default_rng(6).spawn(20)[0]
    data = lesions(20).assign(y=fit.simulate(rng))
    again = fit_mixed_model(formula, data, weights="w", reml=False)
    np.testing.assert_allclose(draws.estimates.loc[0, list(again.term_names)], again.beta, rtol=1e-6)


def test_the_result_does_not_depend_on_the_number_of_processes(sleepstudy):
    generators = (np.random.default_rng(2) for _ in range(2))
    with parallel_config(backend="threading"):  # processes would take seconds to start
        tables = [
            sleepstudy.bootstrap_intervals(rng, draws=24, n_jobs=jobs)
            for rng, jobs in zip(generators, (1, 2), strict=True)
        ]
    pd.testing.assert_frame_equal(*tables)


def test_a_fit_can_be_sent_to_another_process(sleepstudy):
    copy = pickle.loads(pickle.dumps(sleepstudy))
    one, two = (fit.bootstrap_intervals(np.random.default_rng(2), draws=20) for fit in (sleepstudy, copy))
    pd.testing.assert_frame_equal(one, two)


def test_columns_and_coefficients(sleepstudy):
    table = sleepstudy.bootstrap_intervals(np.random.default_rng(2), draws=20, coefficients=True, scale="sd")
    assert table.columns.tolist() == [
        "parameter",
        "estimate",
        "std_error",
        "conf_low",
        "conf_high",
        "n_draws",
        "n_boundary",
        "n_failed",
    ]
    assert table["parameter"].tolist()[-2:] == ["Intercept", "Days"]
    np.testing.assert_allclose(table["estimate"][-2:], sleepstudy.beta)
    np.testing.assert_allclose(table["estimate"][0], sleepstudy.variance_components["sd"][0], rtol=1e-12)
    plain = sleepstudy.bootstrap_intervals(np.random.default_rng(2), draws=20)
    assert len(plain) == len(table) - 2


def test_draws_on_the_boundary_are_counted_and_kept():
    data = lesions(20).assign(y=lambda d: np.random.default_rng(1).normal(size=len(d)))
    fit = fit_mixed_model("y ~ visit + (1 + visit | patient)", data)
    table = fit.bootstrap_intervals(np.random.default_rng(3), draws=60).set_index("parameter")
    row = table.loc["(1 + visit | patient): variance(Intercept)"]
    assert row["n_boundary"] > 0
    assert row["n_draws"] == 60
    assert row["conf_low"] < 1e-4 * row["conf_high"]
    correlation = table.loc["(1 + visit | patient): correlation(Intercept, visit)"]
    assert correlation["n_draws"] <= 60  # not defined where a variance is zero without any rounding
    assert table["n_failed"].eq(0).all()


def test_failures_are_counted_and_not_dropped_in_silence(sleepstudy, monkeypatch):
    from analyses.engine.deviance_surface import Surface

    searched = Surface.minimum
    calls = iter(range(1000))

    def sometimes(self):
        if next(calls) % 4 == 0:
            raise ModelError("the covariance that was found is singular")
        return searched(self)

    monkeypatch.setattr(Surface, "minimum", sometimes)
    table = sleepstudy.bootstrap_intervals(np.random.default_rng(1), draws=40)
    assert table["n_failed"].eq(10).all()
    assert table["n_draws"].max() == 30

    def never(self):
        raise ModelError("the covariance that was found is singular")

    monkeypatch.setattr(Surface, "minimum", never)
    with pytest.raises(
        ConvergenceError, match="40 of 40 draws failed: the covariance that was found is singular"
    ):
        sleepstudy.bootstrap_intervals(np.random.default_rng(1), draws=40)


def test_errors(sleepstudy):
    rng = np.random.default_rng(1)
    with pytest.raises(ModelError, match="20 or more"):
        sleepstudy.bootstrap_intervals(rng, draws=10)
    with pytest.raises(ModelError, match="number of processes"):
        sleepstudy.bootstrap_intervals(rng, draws=20, n_jobs=0)
    with pytest.raises(ModelError, match="no such covariance parameter"):
        sleepstudy.bootstrap_intervals(rng, draws=20, parameters=["sigma"])
    with pytest.raises(ModelError, match="generator"):
        sleepstudy.bootstrap_intervals(1, draws=20)


def test_the_progress_bar_stays_out_of_what_is_no_terminal(sleepstudy, capsys):
    from analyses.examine.progress import track

    sleepstudy.bootstrap_intervals(np.random.default_rng(1), draws=20)
    assert capsys.readouterr() == ("", "")
    assert list(track(iter("abc"), 3, "Letters", shown=True)) == ["a", "b", "c"]
