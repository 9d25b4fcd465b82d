"""Likelihood-ratio tests and information criteria: lme4, nlme, closed forms, nesting, refusals."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chi2

from analyses import compare_models, fit_mixed_model
from analyses.examine.nesting import find_nesting
from outcomes.errors import ModelError

REFERENCE = Path(__file__).parents[1] / "reference"
RANDOM = ("(1 | Subject)", "(1 + Days || Subject)", "(1 + Days | Subject)")


@pytest.fixture(scope="module")
def sleepstudy() -> tuple[pd.DataFrame, dict]:
    text = (REFERENCE / "sleepstudy_inference" / "reference.json").read_text(encoding="utf-8")
    return pd.read_csv(REFERENCE / "sleepstudy" / "data.csv"), json.loads(text)


def sleep_fits(data: pd.DataFrame, reml: bool = False):
    return [fit_mixed_model(f"Reaction ~ Days + {random}", data, reml=reml) for random in RANDOM]


def test_against_lme4(sleepstudy):
    data, reference = sleepstudy
    block = reference["anova"]
    table = compare_models(*sleep_fits(data)).table
    assert table["n_parameters"].tolist() == block["npar"]
    # lmer's search ends within 1e-9 of the highest log-likelihood
    np.testing.assert_allclose(table["loglik"], block["loglik"], rtol=1e-9)
    np.testing.assert_allclose(table["aic"], block["aic"], rtol=1e-9)
    np.testing.assert_allclose(table["chi2"][1:], block["chi2"][1:], rtol=1e-5)
    assert table["df"][1:].tolist() == block["df"][1:]
    assert table["reference"].tolist() == ["", "0.5 chi2(0) + 0.5 chi2(1)", "chi2(1)"]
    # lme4 refers the new variance to chi-squared with one degree of freedom: twice the mixture's p
    np.testing.assert_allclose(table["p_value"][1], block["p"][1] / 2, rtol=1e-5)
    np.testing.assert_allclose(table["p_value"][2], block["p"][2], rtol=1e-5)


def test_fixed_effects_against_nlme(sleepstudy):
    data, reference = sleepstudy
    fits = [
        fit_mixed_model(f"Reaction ~ {fixed} + (1 | Subject)", data, reml=False) for fixed in ("1", "Days")
    ]
    row = compare_models(*fits).table.iloc[1]
    block = reference["anova_fixed"]
    assert row["chi2"] == pytest.approx(block["chi2"], rel=1e-8)
    assert row["df"] == block["df"]
    # p is exp of minus half the statistic, whose absolute error counts
    assert row["p_value"] == pytest.approx(block["p"], rel=1e-6)


@pytest.mark.parametrize("reml", [False, True])
def test_one_variance_against_nlme(sleepstudy, reml):
    data, reference = sleepstudy
    data = data.assign(row=range(len(data)))
    plain = fit_mixed_model("Reaction ~ Days + us(one | row)", data.assign(one="x"), reml=reml)
    # the rows are subjects there: independent residuals, written as a residual covariance of one level
    grouped = fit_mixed_model("Reaction ~ Days + (1 | Subject)", data, reml=reml)
    block = reference["one_variance"]
    small, large = block["loglik"][2 * reml : 2 * reml + 2]
    assert plain.loglik == pytest.approx(small, rel=1e-9)
    assert grouped.loglik == pytest.approx(large, rel=1e-9)
    comparison = compare_models(plain, grouped)
    assert comparison.table["chi2"][1] == pytest.approx(block["reml" if reml else "ml"], rel=1e-7)
    assert comparison.table["reference"][1] == "0.5 chi2(0) + 0.5 chi2(1)"


def lesions(patients: int = 14) -> pd.DataFrame:
    rng = np.random.default_rng(5)
    rows = [(p, arm, v) for p in range(patients) for arm in ("A", "B") for v in range(3)]
    data = pd.DataFrame(rows, columns=["patient", "arm", "visit"])
    lesion = data["patient"] * 2 + data["arm"].map({"A": 0, "B": 1})
    data["y"] = rng.normal(0, 1.5, patients)[data["patient"]] + rng.normal(0, 1, 2 * patients)[lesion]
    data["y"] += rng.normal(size=len(data)) + 0.5 * (data["arm"] == "B")
    data["group"] = np.where(data["patient"] % 2, "x", "y")
    return data.assign(lesion=lesion, week=4.0 * data["visit"], z=rng.normal(size=len(data)))


NESTINGS = [
    # smaller, larger, df, variances at zero, whether a rule says so
    ("(1 | patient)", "(1 | patient/lesion)", 1, 1, True),
    ("(1 | patient)", "(1 + visit | patient)", 2, 1, True),
    ("(1 | patient)", "(1 + visit || patient)", 1, 1, True),
    ("(1 + visit || patient)", "(1 + visit | patient)", 1, 0, True),
    ("(1 | patient)", "(1 + visit | patient) + (1 | patient:lesion)", 3, 2, True),
    ("cs(visit | lesion)", "csh(visit | lesion)", 2, 0, True),
    ("cs(visit | lesion)", "us(visit | lesion)", 4, 0, True),
    ("ar1(visit | lesion)", "toep(visit | lesion)", 1, 0, True),
    ("ar1(visit | lesion)", "adh(visit | lesion)", 3, 0, True),
    ("sp_exp(week | lesion)", "us(week | lesion)", 4, 0, True),
    ("cs(visit | lesion)", "cs(visit | group / lesion)", 2, 0, True),
    ("us(arm | patient) @ ar1(visit)", "us(arm | patient) @ us(visit)", 4, 0, True),
    ("(1 | lesion)", "cs(visit | lesion)", 0, 0, True),
    ("(1 | lesion)", "us(visit | lesion)", 4, 0, True),
    ("ar1(visit | lesion)", "(1 | patient) + ar1(visit | lesion)", 1, 1, True),
    ("(1 | patient)", "(1 | patient) + ar1(visit | lesion)", 1, 0, True),
    ("(1 | patient)", "(1 | patient) + sp_exp(week | lesion)", 1, 1, True),
    ("ar1(visit | lesion)", "csh(visit | lesion)", 2, 0, False),
    ("us(arm | patient) @ ar1(visit)", "(1 | patient) + us(visit | lesion)", 3, 0, False),
]


@pytest.mark.parametrize(("small", "large", "df", "variances", "sure"), NESTINGS)
def test_nesting(small, large, df, variances, sure):
    data = lesions()
    one, two = (fit_mixed_model(f"y ~ arm + {covariance}", data) for covariance in (small, large))
    found = find_nesting(one, two)
    assert (found.df, found.variances, found.sure) == (df, variances, sure)
    if sure:
        assert two.loglik >= one.loglik - 1e-8
    if df:
        back = find_nesting(two, one)
        assert back is None


def test_a_variance_that_may_be_negative_is_no_boundary():
    data = lesions()
    plain = fit_mixed_model("y ~ arm + (1 | patient)", data, bounded=False)
    nested = fit_mixed_model("y ~ arm + (1 | patient/lesion)", data, bounded=False)
    assert find_nesting(plain, nested).variances == 0
    assert compare_models(plain, nested).table["reference"][1] == "chi2(1)"


def test_mixtures_add_fixed_effects_and_covariances():
    data = lesions()
    small = fit_mixed_model("y ~ 1 + (1 | patient)", data, reml=False)
    large = fit_mixed_model("y ~ arm + (1 + visit | patient)", data, reml=False)
    row = compare_models(small, large).table.iloc[1]
    statistic = 2 * (large.loglik - small.loglik)
    assert (row["df"], row["reference"]) == (3, "0.5 chi2(2) + 0.5 chi2(3)")
    assert row["p_value"] == pytest.approx((chi2.sf(statistic, 2) + chi2.sf(statistic, 3)) / 2, rel=1e-9)


def test_a_statistic_of_zero_has_a_p_of_one():
    data = lesions().assign(y=lambda d: np.random.default_rng(0).normal(size=len(d)))
    data["y"] -= data.groupby("patient")["y"].transform("mean")
    small = fit_mixed_model("y ~ visit + (1 | lesion)", data)
    large = fit_mixed_model("y ~ visit + (1 | patient/lesion)", data)
    row = compare_models(small, large).table.iloc[1]
    assert row["chi2"] == pytest.approx(0, abs=1e-8)
    assert row["p_value"] == pytest.approx(1, abs=1e-3)


def test_several_variances_are_said_to_be_conservative():
    data = lesions()
    small, large = (
        fit_mixed_model(f"y ~ arm + {random}", data)
        for random in ("(1 | patient)", "(1 + visit | patient) + (1 | patient:lesion)")
    )
    comparison = compare_models(small, large, names=["intercepts", "slopes and lesions"])
    assert comparison.table["reference"][1] == "chi2(3)"
    assert any(
        "slopes and lesions: 2 variances" in note and "conservative" in note for note in comparison.notes
    )
    assert "intercepts: y ~ arm + (1 | patient)" in str(comparison)


def test_covariances_that_no_rule_nests_are_said_to_be_so():
    data = lesions()
    fits = [fit_mixed_model(f"y ~ arm + {one}(visit | lesion)", data) for one in ("ar1", "csh")]
    if fits[1].loglik > fits[0].loglik:
        assert any("no rule" in note for note in compare_models(*fits).notes)
    table = compare_models(*fits, test=False).table
    assert table["p_value"].isna().all()
    assert table["aic"].tolist() == [fit.aic for fit in fits]


def test_a_notebook_shows_the_comparison(sleepstudy):
    data, _ = sleepstudy
    shown = compare_models(*sleep_fits(data), names=["<b>", "two", "three"])._repr_html_()
    for text in (
        "Comparison of models",
        "0.5 chi2(0) + 0.5 chi2(1)",
        "&lt;b&gt;",
        "42.0",
        "&lt;0.001",
        "0.800",
        "AICc",
    ):
        assert text in shown
    assert "<b>" not in shown
    assert "nan" not in shown.lower()


# information criteria


def test_criteria_by_hand():
    data = lesions()
    for reml in (True, False):
        fit = fit_mixed_model("y ~ arm + (1 | patient/lesion)", data, reml=reml)
        q, n = (3, 84 - 2) if reml else (5, 84)
        assert fit.aic == pytest.approx(-2 * fit.loglik + 2 * q)
        # Hurvich and Tsai 1989, equation of section 2: AIC + 2 q (q + 1) / (n - q - 1)
        assert fit.aicc == pytest.approx(fit.aic + 2 * q * (q + 1) / (n - q - 1))
        assert fit.bic == pytest.approx(-2 * fit.loglik + q * np.log(14))


def test_aicc_of_a_model_as_large_as_its_data():
    data = lesions(3).query("arm == 'A'")
    fit = fit_mixed_model("y ~ C(visit) + toeph(visit | patient)", data)
    assert fit.n_covariance_parameters == 5
    # PROC MIXED: n is taken as q + 2 where it is smaller; 9 rows - 3 fixed effects against 5 parameters + 2
    assert fit.aicc == pytest.approx(-2 * fit.loglik + 2 * 5 * 7 / (7 - 5 - 1))


# refusals


def test_reml_with_other_fixed_effects_is_refused(sleepstudy):
    data, _ = sleepstudy
    fits = [fit_mixed_model(f"Reaction ~ {fixed} + (1 | Subject)", data) for fixed in ("1", "Days")]
    for test in (True, False):
        with pytest.raises(ModelError, match="REML likelihoods") as caught:
            compare_models(*fits, test=test)
    assert "fit.refit(reml=False)" in str(caught.value)
    refitted = compare_models(*(fit.refit(reml=False) for fit in fits)).table
    assert refitted["chi2"][1] == pytest.approx(116.46, abs=0.01)


def test_reml_with_the_same_columns_coded_otherwise(sleepstudy):
    data, _ = sleepstudy
    data = data.assign(weeks=data["Days"] / 7 + 3, late=data["Days"] * 2.0)
    one = fit_mixed_model("Reaction ~ Days + (1 | Subject)", data)
    two = fit_mixed_model("Reaction ~ weeks + (1 + Days | Subject)", data)
    plain = fit_mixed_model("Reaction ~ Days + (1 + Days | Subject)", data)
    assert two.loglik != pytest.approx(plain.loglik, abs=0.1)  # log|X'V^-1 X| depends on the coding
    table = compare_models(one, two).table
    expected = compare_models(one, plain).table
    pd.testing.assert_frame_equal(table, expected, rtol=1e-8)


def test_other_rows_responses_weights_and_methods_are_refused(sleepstudy):
    data, _ = sleepstudy
    fit = fit_mixed_model("Reaction ~ Days + (1 | Subject)", data)
    larger = "Reaction ~ Days + (1 + Days | Subject)"
    cases = {
        "different rows": fit_mixed_model(larger, data.iloc[:-1]),
        "not of the same response": fit_mixed_model(larger.replace("Reaction", "log(Reaction)"), data),
        "response and weights": fit_mixed_model(larger, data, weights=np.r_[2.0, np.ones(179)]),
        "by REML and the other by ML": fit_mixed_model(larger, data, reml=False),
    }
    for message, other in cases.items():
        with pytest.raises(ModelError, match=message):
            compare_models(fit, other)
    missing = data.assign(Days=data["Days"].where(data.index != 5))
    with pytest.raises(ModelError, match="different rows"):
        compare_models(
            fit_mixed_model("Reaction ~ 1 + (1 | Subject)", missing), fit_mixed_model(larger, missing)
        )


def test_models_that_are_not_nested_are_refused(sleepstudy):
    data, _ = sleepstudy
    small, _, large = sleep_fits(data)
    with pytest.raises(ModelError, match="not nested"):
        compare_models(large, small)
    with pytest.raises(ModelError, match="not nested"):
        compare_models(small, small)
    one, two = (
        fit_mixed_model(f"y ~ {fixed} + (1 | patient)", lesions(), reml=False)
        for fixed in ("arm", "visit + z")
    )
    with pytest.raises(ModelError, match="test=False"):
        compare_models(one, two)
    assert len(compare_models(one, two, test=False).table) == 2


def test_wrong_arguments(sleepstudy):
    data, _ = sleepstudy
    fits = sleep_fits(data)
    with pytest.raises(ModelError, match="two fits or more"):
        compare_models(fits[0])
    with pytest.raises(ModelError, match="two fits or more"):
        compare_models(fits[0], "y ~ x")
    for names in (["a"], ["a", "a"]):
        with pytest.raises(ModelError, match="name of its own"):
            compare_models(*fits[:2], names=names)


# refit


def test_refit_keeps_what_is_not_asked_for():
    data = lesions()
    fit = fit_mixed_model("y ~ arm + (1 | patient/lesion)", data, vcov="CR2", df_method="satterthwaite")
    other = fit.refit(reml=False)
    assert (other.reml, other.df_method, other.small_sample.sandwich.kind) == (False, "satterthwaite", "CR2")
    expected = fit_mixed_model(
        "y ~ arm + (1 | patient/lesion)", data, vcov="CR2", df_method="satterthwaite", reml=False
    )
    pd.testing.assert_frame_equal(other.coefficients, expected.coefficients)
    for option in ("df_method", "vcov", "information"):
        with pytest.raises(ModelError, match=f"unknown {option}"):
            fit.refit(**{option: "nonsense"})
    free = fit_mixed_model("y ~ arm + (1 | patient/lesion)", data, bounded=False)
    assert free.refit().model == free.model
    assert free.refit().loglik == pytest.approx(free.loglik, rel=1e-12)
