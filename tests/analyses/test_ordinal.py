"""The cumulative link model: against R's ordinal and emmeans, against closed forms, and its refusals."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analyses.links.cumulative_link import LINKS
from analyses.marginal_means import marginal_means
from analyses.ordinal import fit_ordinal_model
from outcomes.errors import ConvergenceError, DesignError, FormulaError, ModelError

CASE = Path(__file__).parents[1] / "reference" / "ordinal_grade_parallel"
CLM = 1e-7  # relative; ordinal::clm and this fit both stop at gradients below 1e-10
GRADES = [f"G{k}" for k in range(5)]


@pytest.fixture(scope="module")
def reference():
    return json.loads((CASE / "reference.json").read_text())


@pytest.fixture(scope="module")
def grades():
    data = pd.read_csv(CASE / "data.csv")
    data["grade"] = pd.Categorical(data["grade"], GRADES, ordered=True)
    data["arm"] = pd.Categorical(data["arm"], ["control", "laser", "prp", "laser_prp"])
    data["body_site"] = pd.Categorical(data["body_site"], ["trunk", "face", "extremity", "acral"])
    return data


@pytest.mark.parametrize(
    ("block", "formula", "link"),
    [
        ("proportional", "grade ~ arm + baseline + sex", "logit"),
        ("proportional_body_site", "grade ~ arm + baseline + sex + body_site", "logit"),
        ("proportional_probit", "grade ~ arm + baseline + sex", "probit"),
        ("without_arm", "grade ~ baseline + sex", "logit"),
    ],
)
def test_estimates_of_ordinal_clm(reference, grades, block, formula, link):
    fit = fit_ordinal_model(formula, grades, link=link)
    expected = reference["clm"][block]
    table = fit.coefficients
    assert list(table.columns) == [
        "term",
        "estimate",
        "std_error",
        "df",
        "statistic",
        "p_value",
        "conf_low",
        "conf_high",
    ]
    for ours, theirs in (("estimate", "estimate"), ("std_error", "se"), ("statistic", "z"), ("p_value", "p")):
        wanted = [row[theirs] for row in expected["coefficients"]]
        np.testing.assert_allclose(table[ours], wanted, rtol=CLM, err_msg=ours)
    np.testing.assert_allclose(fit.vcov, expected["vcov"]["values"], rtol=CLM)
    assert fit.loglik == pytest.approx(expected["logLik"], abs=1e-8)
    assert fit.aic == pytest.approx(expected["AIC"], abs=1e-8)
    assert fit.bic == pytest.approx(expected["BIC"], abs=1e-8)
    assert (fit.n_obs, fit.n_dropped) == (expected["n_obs"], len(grades) - expected["n_obs"])
    assert list(table["term"][:4]) == ["G0|G1", "G1|G2", "G2|G3", "G3|G4"]
    assert np.isinf(table["df"]).all()
    assert fit.converged
    assert fit.convergence.gradient <= 1e-9  # of a deviance of 232: its rounding


def test_wald_limits_of_clm(reference, grades):
    table = fit_ordinal_model("grade ~ arm + baseline + sex", grades).coefficients
    np.testing.assert_allclose(
        table[["conf_low", "conf_high"]], reference["confint"]["wald"]["values"], rtol=CLM
    )


def test_marginal_means_and_contrasts_of_emmeans_on_the_latent_scale(reference, grades):
    means = marginal_means(fit_ordinal_model("grade ~ arm + baseline + sex", grades), "arm")
    for column, theirs in (("estimate", "emmean"), ("std_error", "SE")):
        wanted = [row[theirs] for row in reference["emmeans"]["means"]]
        np.testing.assert_allclose(means.table[column], wanted, rtol=CLM)
    contrasts = means.contrast(
        {
            "laser_prp - laser": {"laser_prp": 1, "laser": -1},
            "laser_prp - prp": {"laser_prp": 1, "prp": -1},
            "laser_prp - control": {"laser_prp": 1, "control": -1},
            "interaction": {"laser_prp": 1, "laser": -1, "prp": -1, "control": 1},
        }
    ).table
    names = (
        ("estimate", "estimate"),
        ("std_error", "SE"),
        ("conf_low", "asymp.LCL"),
        ("conf_high", "asymp.UCL"),
        ("p_value", "p.value"),
    )
    for ours, theirs in names:
        wanted = [row[theirs] for row in reference["emmeans"]["contrasts"]]
        np.testing.assert_allclose(contrasts[ours], wanted, rtol=CLM, err_msg=ours)


def test_grade_probabilities_of_emmeans(reference, grades):
    # With two sexes weighted equally and the baseline at its mean, emmeans averages probabilities over the sexes.
    fit = fit_ordinal_model("grade ~ arm + baseline + sex", grades)
    mean = grades.dropna(subset=["grade"])["baseline"].mean()
    grid = pd.DataFrame([(arm, sex, mean) for arm in grades["arm"].cat.categories for sex in ("F", "M")])
    grid.columns = ["arm", "sex", "baseline"]
    averaged = fit.probabilities(grid).groupby(grid["arm"], sort=False).mean()
    for row in reference["emmeans"]["probabilities"]["rows"]:
        assert averaged.loc[row["arm"], row["grade"]] == pytest.approx(row["prob"], rel=CLM)


def test_proportional_odds_tests_of_nominal_test(reference, grades):
    table = fit_ordinal_model("grade ~ arm + baseline + sex", grades).proportional_odds_test()
    wanted = {row["term"]: row for row in reference["tests"]["nominal_test"]["rows"]}
    for _, row in table.iterrows():
        expected = wanted[row["term"]]
        assert row["df"] == expected["Df"]
        assert row["loglik"] == pytest.approx(expected["logLik"], abs=1e-8)
        assert row["statistic"] == pytest.approx(expected["LRT"], rel=CLM)
        assert row["p_value"] == pytest.approx(expected["Pr(>Chi)"], rel=CLM)
        assert row["answer"] == "not contradicted"
    assert list(table["term"]) == ["arm", "baseline", "sex"]


def test_likelihood_ratio_test_of_the_arms(reference, grades):
    without = fit_ordinal_model("grade ~ baseline + sex", grades)
    full = fit_ordinal_model("grade ~ arm + baseline + sex", grades)
    chisq = reference["tests"]["arm_lr"]["chisq"]
    assert 2 * (full.loglik - without.loglik) == pytest.approx(chisq, rel=CLM)


def test_without_terms_the_thresholds_are_the_link_of_cumulative_shares():
    counts = [3, 5, 2]
    data = pd.DataFrame({"grade": np.repeat([0, 1, 2], counts)})
    fit = fit_ordinal_model("grade ~ 1", data)
    shares = np.cumsum(counts)[:2] / 10
    np.testing.assert_allclose(fit.psi, np.log(shares / (1 - shares)), rtol=1e-12)  # closed form
    assert fit.loglik == pytest.approx(sum(c * np.log(c / 10) for c in counts), rel=1e-12)
    assert fit.term_names == ("0|1", "1|2")


def test_two_grades_and_two_groups_give_the_log_odds_ratio():
    data = pd.DataFrame({"grade": [1] * 8 + [0] * 2 + [1] * 3 + [0] * 7, "arm": ["B"] * 10 + ["A"] * 10})
    row = fit_ordinal_model("grade ~ arm", data).coefficients.iloc[1]
    assert row["estimate"] == pytest.approx(np.log(8 / 2 * 7 / 3), rel=1e-10)
    assert row["std_error"] == pytest.approx(np.sqrt(1 / 8 + 1 / 2 + 1 / 3 + 1 / 7), rel=1e-10)  # Woolf


def test_the_declared_order_is_kept_and_reversing_it_turns_the_signs(grades):
    named = dict(zip(GRADES, ["none", "a little", "much", "very much", "all"], strict=True))
    data = grades.assign(grade=grades["grade"].cat.rename_categories(named))
    fit = fit_ordinal_model("grade ~ arm", data)
    assert fit.grades == tuple(named.values())
    turned = data.assign(grade=data["grade"].cat.reorder_categories(list(named.values())[::-1]))
    back = fit_ordinal_model("grade ~ arm", turned)
    np.testing.assert_allclose(back.psi[4:], -fit.psi[4:], rtol=1e-9)  # both optima are exact to rounding
    np.testing.assert_allclose(back.psi[:4], -fit.psi[3::-1], rtol=1e-9)


def test_cloglog_and_loglog_mirror_each_other(grades):
    turned = grades.assign(grade=grades["grade"].cat.reorder_categories(GRADES[::-1]))
    first = fit_ordinal_model("grade ~ arm", grades, link="cloglog")
    second = fit_ordinal_model("grade ~ arm", turned, link="loglog")
    np.testing.assert_allclose(second.psi[4:], -first.psi[4:], rtol=1e-9)
    assert second.loglik == pytest.approx(first.loglik, rel=1e-12)


@pytest.mark.parametrize("at", [-35.0, 35.0])
def test_interval_probabilities_keep_their_digits_in_the_tails(at):
    # F(u) - F(l) by subtraction is 0 there. For the logistic both tails are exp(-|x|) to rounding at 35.
    u, low = np.array([at + 0.5]), np.array([at - 0.5])
    edge = np.array([abs(at) - 0.5])
    expected = -edge + np.log(-np.expm1(-1.0))
    np.testing.assert_allclose(LINKS["logit"].log_interval(u, low), expected, rtol=1e-14)
    probit = LINKS["probit"].log_interval(u, low)
    np.testing.assert_allclose(probit, LINKS["probit"].log_interval(-low, -u), rtol=1e-14)
    assert np.isfinite(probit).all()


def test_aliased_columns_are_named_and_make_means_not_estimable(grades):
    data = grades.assign(again=grades["baseline"] * 2)
    fit = fit_ordinal_model("grade ~ arm + baseline + again", data)
    assert fit.aliased == ("again",)
    plain = fit_ordinal_model("grade ~ arm + baseline", grades)
    assert fit.loglik == pytest.approx(plain.loglik, rel=1e-12)
    means = marginal_means(fit, "arm", at={"again": 0.0}).table
    assert means["estimate"].isna().all()
    assert (
        marginal_means(fit, "arm")
        .contrast({"d": {"laser": 1, "control": -1}})
        .table["estimate"]
        .notna()
        .all()
    )


def test_separation_is_an_error_that_names_the_effects():
    data = pd.DataFrame({"grade": [0, 0, 1, 1, 2, 2], "arm": list("AAABBB")})
    with pytest.raises(ConvergenceError, match="no maximum") as error:
        fit_ordinal_model("grade ~ arm", data)
    assert "arm[T.B]" in str(error.value)
    assert "compare_grades" in str(error.value)


def test_quasi_complete_separation_is_found_too():
    # One arm has the highest grade only; it shares that grade with the other arm, and its effect still diverges.
    data = pd.DataFrame({"grade": [0, 1, 2, 0, 1, 2, 2, 2, 2], "arm": list("AAAAAABBB")})
    with pytest.raises(ConvergenceError, match="no maximum"):
        fit_ordinal_model("grade ~ arm", data)


def test_proportional_odds_are_not_testable_where_the_freer_model_separates():
    rng = np.random.default_rng(5)
    grade = np.concatenate([rng.integers(0, 4, 30), rng.integers(2, 4, 10), [0, 0, 3, 3]])
    arm = ["A"] * 30 + ["B"] * 10 + ["C"] * 4  # C skips grades, B has two only
    data = pd.DataFrame({"grade": grade, "arm": arm})
    data.loc[len(data)] = [0, "B"]
    row = fit_ordinal_model("grade ~ arm", data).proportional_odds_test().iloc[0]
    assert row["answer"].startswith("not testable")
    assert "arm[T." in row["answer"]
    assert np.isnan(row["p_value"])


def test_two_grades_have_nothing_to_test():
    data = pd.DataFrame({"grade": [1, 0, 1, 0, 1, 1], "arm": list("AAABBB")})
    row = fit_ordinal_model("grade ~ arm", data).proportional_odds_test().iloc[0]
    assert row["answer"].startswith("not testable: two grades")


def test_a_residual_covariance_is_refused_with_the_way_out(grades):
    with pytest.raises(FormulaError, match="random effects, such as"):
        fit_ordinal_model("grade ~ arm + us(visit | patient)", grades)


def test_within_patient_rows_are_refused_with_the_right_method(grades):
    twice = pd.concat([grades, grades])
    with pytest.raises(DesignError, match="design='within-patient'"):
        fit_ordinal_model("grade ~ arm", twice)
    assert fit_ordinal_model("grade ~ arm", twice, patient=None).n_obs == 152


@pytest.mark.parametrize(
    ("grade", "message"),
    [
        (["G0", "G1", "G2", "G1"], "no order"),
        (pd.Categorical(["G0", "G1", "G2", "G1"]), "no declared order"),
        ([1, 1, 1, 1], "at least two"),
    ],
)
def test_grades_without_an_order_are_refused(grade, message):
    with pytest.raises(ModelError, match=message):
        fit_ordinal_model("grade ~ arm", pd.DataFrame({"grade": grade, "arm": list("ABAB")}))


def test_infinite_grades_and_nominal_terms_that_are_no_text(grades):
    codes = grades["grade"].cat.codes.astype(float)
    with pytest.raises(ModelError, match="infinite"):
        fit_ordinal_model("code ~ arm", grades.assign(code=codes.where(np.arange(len(codes)) > 0, np.inf)))
    with pytest.raises(FormulaError, match="nominal terms are text"):
        fit_ordinal_model("grade ~ arm", grades, nominal=3)


def test_links_and_intercepts_that_do_not_exist(grades):
    with pytest.raises(ModelError, match="unknown link"):
        fit_ordinal_model("grade ~ arm", grades, link="log")
    with pytest.raises(FormulaError, match="keeps its intercept"):
        fit_ordinal_model("grade ~ arm - 1", grades)


def test_grades_that_nobody_has_are_left_out(grades):
    some = grades[grades["grade"] != "G2"]
    assert fit_ordinal_model("grade ~ arm", some).thresholds == ("G0|G1", "G1|G3", "G3|G4")


def test_a_wald_test_of_a_row(grades):
    fit = fit_ordinal_model("grade ~ arm", grades)
    row = np.zeros(len(fit.psi))
    row[-1] = 1
    assert fit.test(row)["p_value"].iloc[0] == fit.coefficients["p_value"].iloc[-1]
    with pytest.raises(ModelError, match="one number a parameter"):
        fit.test([1.0])
