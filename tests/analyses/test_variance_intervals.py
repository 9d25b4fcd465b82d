"""Profile-likelihood intervals: lme4, the definition written out in R, closed forms, boundaries."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import brentq, minimize_scalar
from scipy.stats import chi2

from analyses import fit_mixed_model
from outcomes.errors import ConvergenceError, ModelError

REFERENCE = Path(__file__).parents[1] / "reference"
QUANTILE = chi2.ppf(0.95, 1)


@pytest.fixture(scope="module")
def sleepstudy() -> tuple[pd.DataFrame, dict]:
    text = (REFERENCE / "sleepstudy_inference" / "reference.json").read_text(encoding="utf-8")
    return pd.read_csv(REFERENCE / "sleepstudy" / "data.csv"), json.loads(text)


SLOPES = "Reaction ~ Days + (1 + Days | Subject)"
ORDER = [
    "(1 + Days | Subject): sd(Intercept)",
    "(1 + Days | Subject): sd(Days)",
    "(1 + Days | Subject): correlation(Intercept, Days)",
    "residual: sd(residual)",
]


@pytest.mark.parametrize("reml", [True, False])
def test_sleepstudy_against_the_definition(sleepstudy, reml):
    data, reference = sleepstudy
    block = reference["profile_reml" if reml else "profile_ml"]
    table = (
        fit_mixed_model(SLOPES, data, reml=reml)
        .profile_intervals(scale="sd")
        .set_index("parameter")
        .loc[ORDER]
    )
    # R's search has numerical derivatives: 1e-4 in its optimum, which the deviance, and so the limits, see squared
    np.testing.assert_allclose(table["estimate"], block["estimate"], rtol=1e-4)
    np.testing.assert_allclose(table["conf_low"], block["low"], rtol=1e-6)
    np.testing.assert_allclose(table["conf_high"], block["high"], rtol=1e-6)
    assert not table[["low_on_boundary", "high_on_boundary"]].to_numpy().any()
    assert (table["note"] == "").all()


def test_sleepstudy_against_lme4(sleepstudy):
    data, reference = sleepstudy
    block = reference["lme4_profile_ml"]
    table = fit_mixed_model(SLOPES, data, reml=False).profile_intervals(scale="sd").set_index("parameter")
    order = [ORDER[0], ORDER[2], ORDER[1], ORDER[3]]
    # lme4 interpolates a spline through its profile: four digits
    np.testing.assert_allclose(table.loc[order, "conf_low"], block["low"], rtol=1e-4)
    np.testing.assert_allclose(table.loc[order, "conf_high"], block["high"], rtol=1e-4)


def test_time_in_seconds_is_time_in_days(sleepstudy):
    data, _ = sleepstudy
    days = fit_mixed_model(SLOPES, data).profile_intervals(scale="sd")
    seconds = fit_mixed_model(
        SLOPES.replace("Days", "seconds"), data.assign(seconds=86_400.0 * data["Days"])
    ).profile_intervals(scale="sd")
    unit = np.array([1, 86_400, 86_400, 1, 1])
    for column in ("conf_low", "conf_high"):
        # the slope's variance is 1e-11 of the residuals': half of the digits of its search are gone
        np.testing.assert_allclose(seconds[column] * unit, days[column], rtol=1e-6)


def independent(n: int = 30) -> pd.DataFrame:
    rng = np.random.default_rng(7)
    return pd.DataFrame(
        {"patient": range(n), "visit": "Week 4", "x": rng.normal(size=n), "y": rng.normal(2, 3, n)}
    )


@pytest.mark.parametrize("reml", [True, False])
@pytest.mark.parametrize("alpha", [0.05, 0.2])
def test_the_variance_of_a_sample_in_closed_form(reml, alpha):
    data = independent()
    fit = fit_mixed_model("y ~ x + us(visit | patient)", data, reml=reml)
    count = len(data) - (2 if reml else 0)
    s2 = float((np.asarray(fit.residuals()) ** 2).sum()) / count

    def rise(value):
        return count * (np.log(value / s2) + s2 / value - 1) - chi2.ppf(1 - alpha, 1)

    row = fit.profile_intervals(alpha).iloc[0]
    # the limit is accepted where the deviance is within 1e-8 of the quantile
    assert row["conf_low"] == pytest.approx(brentq(rise, 0.01 * s2, s2, xtol=1e-12), rel=1e-8)
    assert row["conf_high"] == pytest.approx(brentq(rise, s2, 20 * s2, xtol=1e-12), rel=1e-8)


def one_way(effect: float, patients: int = 12, each: int = 5) -> pd.DataFrame:
    rng = np.random.default_rng(3)
    data = pd.DataFrame({"patient": np.repeat(range(patients), each)})
    return data.assign(
        y=10 + effect * rng.normal(size=patients)[data["patient"]] + rng.normal(size=len(data))
    )


def one_way_rise(data: pd.DataFrame, between: float) -> float:
    """Restricted deviance of the balanced one-way layout at a variance between patients, the other one free."""
    groups = data.groupby("patient")["y"]
    patients, each = groups.ngroups, int(groups.size().iloc[0])
    ssa = each * float(((groups.mean() - data["y"].mean()) ** 2).sum())
    sse = float(((data["y"] - groups.transform("mean")) ** 2).sum())

    def deviance(log_within):
        within = np.exp(log_within)
        total = within + each * between
        if total <= 0:
            return 1e10
        return (
            (patients - 1) * np.log(total) + ssa / total + patients * (each - 1) * log_within + sse / within
        )

    found = minimize_scalar(deviance, bracket=(-1, 1), method="brent", options={"xtol": 1e-12})
    return float(found.fun)


@pytest.mark.parametrize("effect", [2.0, 0.5, 0.0])
def test_variance_between_patients_in_closed_form(effect):
    data = one_way(effect)
    fit = fit_mixed_model("y ~ 1 + (1 | patient)", data)
    row = fit.profile_intervals(parameters=["(1 | patient): variance(Intercept)"]).iloc[0]
    lowest = one_way_rise(data, row["estimate"])

    def rise(between):
        return one_way_rise(data, between) - lowest - QUANTILE

    if rise(0.0) < 0:
        assert (row["conf_low"], row["low_on_boundary"]) == (0.0, True)
        assert row["note"] == "the lower limit is the boundary, 0"
    else:
        # brent's inner minimum is right to 1e-12 in its argument, and the deviance sees it squared
        assert row["conf_low"] == pytest.approx(brentq(rise, 0, row["estimate"], xtol=1e-13), rel=1e-7)
        assert not row["low_on_boundary"]
    high = brentq(rise, row["estimate"], 50, xtol=1e-13)
    assert row["conf_high"] == pytest.approx(high, rel=1e-7)
    assert not row["high_on_boundary"]


def test_without_bounds_a_variance_below_zero_has_an_interval_in_closed_form():
    data = one_way(0.0)
    data["y"] -= 0.9 * data.groupby("patient")["y"].transform("mean")  # less alike than chance
    fit = fit_mixed_model("y ~ 1 + (1 | patient)", data, bounded=False)
    row = fit.profile_intervals().iloc[0]
    assert row["estimate"] < 0
    lowest = one_way_rise(data, row["estimate"])
    for limit, away in ((row["conf_low"], -1e-5), (row["conf_high"], 1e-5)):
        # the deviance is accepted within 1e-8 of the quantile; the scalar search adds as much
        assert one_way_rise(data, limit) - lowest == pytest.approx(QUANTILE, abs=1e-6)
        assert one_way_rise(data, limit + away) > one_way_rise(data, limit)
    assert not row["low_on_boundary"]


def test_the_three_effects_show_all_three_cases():
    # well above zero; above zero with a limit of zero; zero itself
    estimates, limits = [], []
    for effect in (2.0, 0.5, 0.0):
        fit = fit_mixed_model("y ~ 1 + (1 | patient)", one_way(effect))
        row = fit.profile_intervals().iloc[0]
        estimates.append(bool(row["estimate"] > 1e-6))
        limits.append(bool(row["conf_low"] > 0))
    assert estimates == [True, True, False]
    assert limits == [True, False, False]


def two_visits(n: int = 25) -> pd.DataFrame:
    rng = np.random.default_rng(11)
    wide = rng.multivariate_normal([1, 2], [[4, 3], [3, 9]], n)
    data = pd.DataFrame({"patient": np.repeat(range(n), 2), "visit": ["w1", "w2"] * n, "y": wide.reshape(-1)})
    return data.assign(arm=np.where(data["patient"] % 2, "a", "b"))


@pytest.mark.parametrize("reml", [True, False])
def test_correlation_and_variance_of_two_visits_in_closed_form(reml):
    data = two_visits()
    fit = fit_mixed_model("y ~ arm * visit + us(visit | patient)", data, reml=reml)
    count = 25 - (2 if reml else 0)
    table = fit.profile_intervals().set_index("parameter")
    r = table.loc["us(visit | patient): correlation(w1, w2)"]

    def rise(rho):  # the profile of a bivariate normal's correlation, both variances maximised out
        e = r["estimate"]
        return count * np.log((1 - rho * e) ** 2 / ((1 - rho**2) * (1 - e**2))) - QUANTILE

    assert r["conf_low"] == pytest.approx(brentq(rise, -0.999, r["estimate"], xtol=1e-13), rel=1e-7)
    assert r["conf_high"] == pytest.approx(brentq(rise, r["estimate"], 0.9999, xtol=1e-13), rel=1e-7)
    v = table.loc["us(visit | patient): variance(w2)"]

    def rise_of_variance(value):  # the other visit, given this one, is free
        ratio = v["estimate"] / value
        return count * (ratio - 1 - np.log(ratio)) - QUANTILE

    low = brentq(rise_of_variance, 0.01 * v["estimate"], v["estimate"], xtol=1e-13)
    assert v["conf_low"] == pytest.approx(low, rel=1e-7)
    high = brentq(rise_of_variance, v["estimate"], 30 * v["estimate"], xtol=1e-13)
    assert v["conf_high"] == pytest.approx(high, rel=1e-7)


def lesions() -> pd.DataFrame:
    rng = np.random.default_rng(5)
    rows = [(p, arm, v) for p in range(20) for arm in ("A", "B", "C") for v in range(3)]
    data = pd.DataFrame(rows, columns=["patient", "arm", "visit"])
    lesion = data["patient"] * 3 + data["arm"].map({"A": 0, "B": 1, "C": 2})
    data["y"] = rng.normal(0, 1.5, 20)[data["patient"]] + rng.normal(0, 1, 60)[lesion] + rng.normal(size=180)
    return data.assign(week=4.0 * data["visit"], lesion=lesion, group=np.where(data["patient"] % 2, "x", "y"))


FORMULAS = [
    "y ~ visit + csh(visit | patient:lesion)",
    "y ~ visit + toep(visit | patient:lesion)",
    "y ~ visit + us(visit | group / patient:lesion)",
    "y ~ arm + us(arm | patient) @ ar1(visit)",
    "y ~ visit + (1 | patient) + ar1(visit | patient:lesion)",
    "y ~ visit + (1 | patient/lesion)",
    "y ~ visit + sp_exp(week | patient:lesion)",
]


@pytest.mark.parametrize("formula", FORMULAS)
def test_scale_and_unit_change_nothing_but_the_numbers(formula):
    data = lesions()
    fit = fit_mixed_model(formula, data)
    some = fit.covariance_parameters["parameter"].iloc[[0, -1]].tolist()
    table = fit.profile_intervals(parameters=some)
    scaled = fit_mixed_model(formula, data.assign(y=1e3 * data["y"] + 1e6)).profile_intervals(parameters=some)
    inside = table["conf_low"] <= table["estimate"] * (1 + 1e-9) + 1e-9
    assert inside.all()
    assert (table["conf_high"] >= table["estimate"]).all()
    factor = scaled["estimate"] / table["estimate"]
    numbers = ["conf_low", "conf_high"]
    # the response loses seven of its digits in the shift by 1e6, and the limits are right to 1e-8
    expected = table[numbers].to_numpy() * factor.to_numpy()[:, None]
    np.testing.assert_allclose(scaled[numbers], expected, rtol=2e-7, atol=1e-9 * np.abs(expected).max())


@pytest.mark.parametrize("formula", [FORMULAS[0], FORMULAS[3], FORMULAS[4]])
def test_a_limit_is_where_the_likelihood_ratio_test_rejects(formula):
    """At a limit the deviance is lowest among its neighbours with that value, and above the optimum by the quantile."""
    from analyses.engine.covariance_quantities import quantities
    from analyses.engine.deviance_surface import deviance_surface
    from analyses.examine.profile_limit import find_limit

    fit = fit_mixed_model(formula, lesions())
    surface = deviance_surface(fit)
    for quantity in quantities(fit.model)[::3]:
        for side in (-1, 1):
            limit = find_limit(surface, quantity, side, QUANTILE, 0.1)
            assert not limit.on_boundary
            assert constrained_minimum(surface, quantity, limit.value) - surface.deviance == pytest.approx(
                QUANTILE, abs=1e-5
            )


def constrained_minimum(surface, quantity, value: float) -> float:
    """Another way to the profile: sequential quadratic programming."""
    from scipy.optimize import minimize

    def deviance(theta):
        point = surface.evaluate(theta)
        return (1e6, np.zeros_like(theta)) if point is None else (point.value, point.slope()[0])

    constraint = {
        "type": "eq",
        "fun": lambda theta: quantity.value(surface.model, theta) - value,
        "jac": lambda theta: quantity.evaluate(surface.model, theta).gradient,
    }
    found = minimize(
        deviance, surface.theta, jac=True, method="SLSQP", constraints=constraint, options={"ftol": 1e-12}
    )
    return float(found.fun)


@pytest.mark.parametrize(
    "formula", [*FORMULAS, "y ~ visit + adh(visit | patient:lesion)", "y ~ visit + (1 + visit | patient)"]
)
def test_derivatives_of_quantities_are_those_of_finite_differences(formula):
    from analyses.engine.covariance_quantities import quantities
    from analyses.engine.deviance_surface import deviance_surface

    fit = fit_mixed_model(formula, lesions())
    theta = deviance_surface(fit).theta + 0.05
    step = 1e-5
    for quantity in quantities(fit.model):
        own = quantity.evaluate(fit.model, theta)
        assert own.value == pytest.approx(quantity.value(fit.model, theta), rel=1e-12)
        for at in range(len(theta)):
            move = np.zeros_like(theta)
            move[at] = step
            ahead, behind = (quantity.evaluate(fit.model, theta + sign * move) for sign in (1, -1))
            # central differences: step squared
            assert (ahead.value - behind.value) / (2 * step) == pytest.approx(
                own.gradient[at], rel=1e-6, abs=1e-7
            )
            np.testing.assert_allclose(
                (ahead.gradient - behind.gradient) / (2 * step), own.hessian[at], rtol=1e-6, atol=1e-7
            )


def test_noise_alone_has_limits_on_the_boundary():
    data = lesions()
    data["y"] = np.random.default_rng(1).normal(size=len(data))
    table = (
        fit_mixed_model("y ~ visit + (1 + visit | patient)", data).profile_intervals().set_index("parameter")
    )
    for name in ("variance(Intercept)", "variance(visit)"):
        row = table.loc[f"(1 + visit | patient): {name}"]
        assert (row["conf_low"], row["low_on_boundary"]) == (0.0, True)
        assert 0 < row["conf_high"] < 1
    row = table.loc["(1 + visit | patient): correlation(Intercept, visit)"]
    assert (row["conf_low"], row["conf_high"]) == (-1.0, 1.0)
    assert "no value is excluded" in row["note"]
    assert "may be zero" in row["note"]


def test_a_range_of_zero_is_not_excluded_by_noise():
    data = lesions().query("arm == 'A'")
    data["y"] = np.random.default_rng(4).normal(size=len(data))
    table = (
        fit_mixed_model("y ~ visit + sp_exp(week | patient)", data).profile_intervals().set_index("parameter")
    )
    row = table.loc["sp_exp(week | patient): range"]
    assert (row["conf_low"], row["low_on_boundary"]) == (0.0, True)
    assert np.isfinite(row["conf_high"])


def test_times_of_their_own():
    rng = np.random.default_rng(8)
    data = pd.DataFrame({"patient": np.repeat(range(40), 4), "week": rng.uniform(0, 24, 160).round(3)})
    data["y"] = rng.normal(size=40)[data["patient"]] + rng.normal(size=160)
    table = fit_mixed_model("y ~ week + sp_exp(week | patient)", data).profile_intervals()
    assert table["parameter"].tolist() == [
        "sp_exp(week | patient): variance",
        "sp_exp(week | patient): range",
    ]
    assert (table["conf_low"] < table["estimate"]).all()
    assert (table["conf_high"] > table["estimate"]).all()
    slopes = fit_mixed_model("y ~ week + (1 + week | patient)", data).profile_intervals()
    assert slopes["conf_high"].notna().all()


def test_crossed_effects_and_weights():
    rng = np.random.default_rng(9)
    data = lesions().assign(rater=lambda d: rng.integers(0, 5, len(d)))
    data["y"] += np.array([0.0, 1, -1, 2, 0.5])[data["rater"]]
    table = fit_mixed_model(
        "y ~ visit + (1 | patient) + (1 | rater)", data, weights=rng.uniform(0.5, 2, len(data))
    ).profile_intervals()
    assert len(table) == 3
    assert (table["conf_low"] > 0).all()
    assert (table["conf_high"] > table["estimate"]).all()


def test_standard_deviations_are_square_roots():
    fit = fit_mixed_model("y ~ visit + (1 | patient/lesion)", lesions())
    variances, spreads = fit.profile_intervals(), fit.profile_intervals(scale="sd")
    numbers = ["estimate", "conf_low", "conf_high"]
    np.testing.assert_allclose(spreads[numbers] ** 2, variances[numbers], rtol=1e-12)
    assert spreads["parameter"][0] == "(1 | patient): sd(Intercept)"


def test_only_what_is_asked_for():
    fit = fit_mixed_model("y ~ visit + (1 | patient/lesion)", lesions())
    name = "residual: variance(residual)"
    one = fit.profile_intervals(parameters=[name])
    assert one["parameter"].tolist() == [name]
    assert fit.profile_intervals(parameters=name).equals(one)
    whole = fit.profile_intervals().set_index("parameter").loc[name]
    assert one.iloc[0]["conf_low"] == pytest.approx(whole["conf_low"], rel=1e-12)


def test_errors():
    fit = fit_mixed_model("y ~ visit + (1 | patient/lesion)", lesions())
    with pytest.raises(ModelError, match="no such covariance parameter") as caught:
        fit.profile_intervals(parameters=["residual variance"])
    assert "residual: variance(residual)" in str(caught.value)
    with pytest.raises(ModelError, match="no covariance parameter is asked for"):
        fit.profile_intervals(parameters=[])
    for alpha in (0, 1, -0.1, "high"):
        with pytest.raises(ModelError, match="one minus the confidence level"):
            fit.profile_intervals(alpha)
    with pytest.raises(ModelError, match="unknown scale"):
        fit.profile_intervals(scale="log")


def test_a_fit_that_did_not_converge_is_refused():
    from dataclasses import replace

    fit = fit_mixed_model("y ~ visit + (1 | patient/lesion)", lesions())
    lost = replace(fit, convergence=replace(fit.convergence, converged=False, sentence="Gave up."))
    with pytest.raises(ConvergenceError, match="did not converge"):
        lost.profile_intervals()
