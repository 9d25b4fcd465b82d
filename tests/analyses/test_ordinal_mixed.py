"""Cumulative link mixed models: against R's ordinal and likelihoods written out, identities, and refusals."""

import json
import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analyses.generalized import fit_generalized_model
from analyses.links.cumulative_link import LINKS
from analyses.marginal_means import marginal_means
from analyses.ordinal import fit_ordinal_model
from outcomes.errors import ConvergenceError, FormulaError, ModelError

REFERENCE = Path(__file__).parents[1] / "reference"
GRADES = [f"G{k}" for k in range(5)]
WITHIN = "grade ~ laser * prp + body_site + (1 | patient)"
NESTED = "grade ~ laser * prp * visit + body_site + (1 | patient/lesion)"


def read(case):
    return json.loads((REFERENCE / case / "reference.json").read_text())


@pytest.fixture(scope="module")
def reference():
    return read("ordinal_grade_within")


@pytest.fixture(scope="module")
def models():
    return read("link_models")


@pytest.fixture(scope="module")
def long():
    data = pd.read_csv(REFERENCE / "ordinal_grade_within" / "data.csv")
    data["grade"] = pd.Categorical(data["grade"], GRADES, ordered=True)
    data["body_site"] = pd.Categorical(data["body_site"], ["trunk", "face", "extremity", "acral"])
    data["visit"] = pd.Categorical(data["visit"], ["Week 4", "Week 12", "Week 24"])
    return data


@pytest.fixture(scope="module")
def week24(long):
    return long[long["week"] == 24]


@pytest.fixture(scope="module")
def parallel():
    data = pd.read_csv(REFERENCE / "ordinal_grade_parallel" / "data.csv")
    data["grade"] = pd.Categorical(data["grade"], GRADES, ordered=True)
    data["arm"] = pd.Categorical(data["arm"], ["control", "laser", "prp", "laser_prp"])
    return data


@pytest.fixture(scope="module")
def fit(week24):
    return fit_ordinal_model(WITHIN, week24)


def close_in_standard_errors(ours, wanted, errors, tolerance):
    assert np.abs((np.asarray(ours) - np.asarray(wanted)) / np.asarray(errors)).max() < tolerance


@pytest.mark.parametrize("link", ["logit", "probit", "cloglog", "loglog"])
@pytest.mark.parametrize("nodes", [7, 15])
def test_adaptive_quadrature_of_clmm(reference, week24, link, nodes):
    found = fit_ordinal_model(WITHIN, week24, link=link, quadrature=nodes)
    expected = reference["clmm_week24"][link][f"nAGQ_{nodes}"]
    wanted = [*expected["thresholds"].values(), *expected["beta"].values()]
    errors = np.sqrt(np.diag(expected["vcov"]["values"]))
    # clmm stops at gradients of 1e-7 and differences its Hessian; cloglog's curvature is one step behind the mode
    assert found.loglik == pytest.approx(expected["logLik"], abs=1e-6)
    close_in_standard_errors(found.psi, wanted, errors[:-1], 1e-5)
    np.testing.assert_allclose(np.sqrt(np.diag(found.joint_vcov)), errors, rtol=1e-4)
    sd = found.variance_components["sd"].iloc[0]
    assert sd == pytest.approx(expected["random_sd"]["patient"], rel=1e-5)
    assert found.aic == pytest.approx(expected["AIC"], abs=1e-5)
    assert found.converged
    assert found.n_obs == expected["n_obs"]


@pytest.mark.parametrize("link", ["logit", "probit", "cloglog", "loglog"])
@pytest.mark.parametrize(("nodes", "block"), [(1, "laplace"), (100, "nodes_101")])
def test_likelihoods_written_out(reference, week24, link, nodes, block):
    found = fit_ordinal_model(WITHIN, week24, link=link, quadrature=nodes)
    expected = reference["clmm_week24_written_out"][link][block]
    errors = np.sqrt(np.diag(expected["vcov"]["values"]))
    assert found.loglik == pytest.approx(expected["logLik"], abs=1e-7)
    # its modes and curvature are differenced, which for Laplace's approximation moves the optimum by 1e-5
    loose = nodes == 1
    close_in_standard_errors(
        found.parameters, list(expected["estimates"].values()), errors, 1e-4 if loose else 1e-6
    )
    np.testing.assert_allclose(np.sqrt(np.diag(found.joint_vcov)), errors, rtol=2e-4 if loose else 1e-6)


@pytest.mark.parametrize("link", ["logit", "probit", "cloglog", "loglog"])
def test_fifteen_nodes_agree_with_forty(week24, link):
    few, many = (fit_ordinal_model(WITHIN, week24, link=link, quadrature=nodes) for nodes in (15, 40))
    assert few.loglik == pytest.approx(many.loglik, rel=1e-6)  # as promised


@pytest.mark.parametrize("link", ["logit", "probit"])
def test_nested_laplace_of_clmm(reference, long, link):
    found = fit_ordinal_model(NESTED, long, link=link)
    written = reference["clmm_longitudinal_nested_written_out"][link]
    package = reference["clmm_longitudinal_nested"][link]
    errors = np.sqrt(np.diag(written["vcov"]["values"]))
    assert found.loglik == pytest.approx(written["logLik"], abs=1e-7)
    assert found.loglik == pytest.approx(package["logLik"], abs=1e-6)
    close_in_standard_errors(found.parameters, list(written["estimates"].values()), errors, 2e-5)
    np.testing.assert_allclose(np.sqrt(np.diag(found.joint_vcov)), errors, rtol=1e-4)
    assert found.quadrature == 1
    assert "Laplace" in str(found)
    modes = found.random_effects
    patients = modes[modes["group"] == "patient"].set_index("unit")["estimate"]
    wanted = pd.Series(written["modes"]["patient"])
    np.testing.assert_allclose(patients[wanted.index], wanted, atol=1e-6)  # sd 0.9, 36 patients
    lesions = modes[modes["group"] == "patient:lesion"].set_index("unit")["estimate"]
    wanted = pd.Series(written["modes"]["lesion"])
    np.testing.assert_allclose(lesions[wanted.index], wanted, atol=1e-6)


def test_conditional_modes_and_variances_of_clmm(reference, fit):
    expected = reference["clmm_week24"]["logit"]["nAGQ_7"]["random_effects"]
    modes = fit.random_effects.set_index("unit")
    wanted = pd.Series(expected["mode"]["patient"])
    np.testing.assert_allclose(modes["estimate"][wanted.index], wanted, atol=1e-6)
    # clmm's conditional variance is of the mode one inner step before
    wanted = pd.Series(expected["conditional_variance"]["patient"])
    np.testing.assert_allclose(modes["std_error"][wanted.index] ** 2, wanted, rtol=1e-4)


def test_latent_means_and_contrasts_of_emmeans(reference, fit):
    # emmeans averages body sites equally and centres at the mean threshold
    expected = reference["clmm_week24"]["logit"]["nAGQ_7"]["latent_scale"]
    means = marginal_means(fit, ["laser", "prp"]).table.sort_values(["prp", "laser"])
    wanted = {(row["laser"], row["prp"]): row for row in expected["means"]}
    for _, row in means.iterrows():
        theirs = wanted[(row["laser"], row["prp"])]
        assert row["estimate"] == pytest.approx(theirs["emmean"], abs=1e-6)
        assert row["std_error"] == pytest.approx(theirs["SE"], rel=1e-4)


def test_correlated_slopes_at_a_perfect_correlation(models, long):
    data = long.assign(week6=(long["week"] - 12) / 12)
    found = fit_ordinal_model("grade ~ laser * prp + week6 + (1 + week6 | patient)", data)
    expected = models["slope"]
    errors = np.sqrt(np.diag(expected["vcov"]["values"]))[:8]
    assert found.loglik == pytest.approx(expected["logLik"], abs=1e-7)
    close_in_standard_errors(found.psi, list(expected["estimates"].values()), errors, 1e-5)
    np.testing.assert_allclose(np.sqrt(np.diag(found.vcov)), errors, rtol=1e-4)
    np.testing.assert_allclose(found.component_matrices[0], expected["covariance"]["values"], rtol=1e-4)
    assert "a perfect correlation" in found.convergence.sentence
    assert found.variance_components["correlation"].iloc[1] == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize(
    ("block", "options"),
    [("symmetric", {"threshold": "symmetric"}), ("equidistant", {"threshold": "equidistant"})],
)
def test_structured_thresholds_of_clm(models, parallel, block, options):
    found = fit_ordinal_model("grade ~ arm + baseline", parallel, **options)
    expected = models[block]
    assert list(expected["estimates"])[: len(found.thresholds_of.names)] == list(found.thresholds_of.names)
    np.testing.assert_allclose(found.psi, list(expected["estimates"].values()), rtol=1e-8)
    np.testing.assert_allclose(found.vcov, expected["vcov"]["values"], rtol=1e-7)
    assert found.loglik == pytest.approx(expected["logLik"], abs=1e-9)
    spacing = np.diff(found.threshold_table["estimate"])
    assert spacing[0] == pytest.approx(spacing[2], rel=1e-12)


def test_symmetric_thresholds_of_an_odd_number_of_grades(models, parallel):
    names = {"G0": "low", "G1": "low", "G2": "G2", "G3": "high", "G4": "high"}
    three = pd.Categorical(parallel["grade"].map(names), ["low", "G2", "high"], ordered=True)
    found = fit_ordinal_model("grade ~ arm", parallel.assign(grade=three), threshold="symmetric")
    expected = models["symmetric_two"]
    assert found.term_names[:2] == ("central.1", "central.2")
    np.testing.assert_allclose(found.psi, list(expected["estimates"].values()), rtol=1e-8)
    assert found.loglik == pytest.approx(expected["logLik"], abs=1e-9)


def test_partial_proportional_odds_of_clm(models, parallel):
    found = fit_ordinal_model("grade ~ arm", parallel, nominal="~ sex")
    expected = models["nominal"]
    sign = np.where([" at " in name for name in found.term_names], -1, 1)  # here positive raises the grade
    np.testing.assert_allclose(found.psi * sign, list(expected["estimates"].values()), rtol=1e-8)
    np.testing.assert_allclose(np.diag(found.vcov), np.diag(expected["vcov"]["values"]), rtol=1e-8)
    assert found.loglik == pytest.approx(expected["logLik"], abs=1e-9)
    both = fit_ordinal_model("grade ~ arm + sex", parallel, nominal=["sex"])
    assert both.loglik == pytest.approx(found.loglik, rel=1e-12)
    assert "sex[T.M] at G0|G1" in found.term_names
    new = parallel.iloc[:4]
    np.testing.assert_allclose(found.probabilities(new).sum(axis=1), 1.0, rtol=1e-12)


def test_cauchit_is_its_own_likelihood_at_clms_estimates(models, parallel):
    # clm's log-likelihood for cauchit is 5e-4 below the sum of its own probabilities, which scipy's give here
    from scipy import stats

    found = fit_ordinal_model("grade ~ arm + baseline", parallel, link="cauchit")
    ends = np.concatenate([[-np.inf], found.psi[:4], [np.inf]])
    eta, grade = found.frame.x[:, found.kept] @ found.psi[4:], found.frame.y.astype(int)
    direct = np.log(stats.cauchy.cdf(ends[grade + 1] - eta) - stats.cauchy.cdf(ends[grade] - eta)).sum()
    assert found.loglik == pytest.approx(direct, rel=1e-12)
    expected = models["cauchit"]
    errors = np.sqrt(np.diag(expected["vcov"]["values"]))
    close_in_standard_errors(found.psi, list(expected["estimates"].values()), errors, 1e-4)


def test_proportionality_of_a_mixed_model(week24):
    plain = fit_ordinal_model("grade ~ laser + prp + (1 | patient)", week24)
    table = plain.proportional_odds_test().set_index("term")
    freer = fit_ordinal_model("grade ~ prp + (1 | patient)", week24, nominal="laser")
    assert table.loc["laser", "df"] == 3
    assert table.loc["laser", "statistic"] == pytest.approx(2 * (freer.loglik - plain.loglik), rel=1e-9)


@pytest.mark.parametrize(
    ("link", "mirror"), [("logit", "logit"), ("probit", "probit"), ("cloglog", "loglog")]
)
def test_reversing_the_grades_turns_the_signs(week24, link, mirror):
    turned = week24.assign(grade=week24["grade"].cat.reorder_categories(GRADES[::-1], ordered=True))
    one, other = fit_ordinal_model(WITHIN, week24, link=link), fit_ordinal_model(WITHIN, turned, link=mirror)
    assert other.loglik == pytest.approx(one.loglik, rel=1e-11)
    np.testing.assert_allclose(other.psi[4:], -one.psi[4:], rtol=1e-7)  # both optima are exact to rounding
    np.testing.assert_allclose(other.psi[:4], -one.psi[3::-1], rtol=1e-7)


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("nodes", [1, 9])
def test_two_grades_are_the_binomial_model(week24, link, nodes):
    high = (week24["grade"] >= "G3").astype(float).where(week24["grade"].notna())
    data = week24.assign(high=high)
    formula = "high ~ laser * prp + (1 | patient)"
    ordinal = fit_ordinal_model(formula, data, link=link, quadrature=nodes)
    mirror = {"cloglog": "loglog", "loglog": "cloglog"}.get(link, link)
    binary = fit_generalized_model(formula, data, link=mirror, quadrature=nodes)
    assert ordinal.loglik == pytest.approx(binary.loglik, rel=1e-11)
    # P(Y = 1) = 1 - F(theta - eta): the threshold is minus the intercept
    turn = np.diag([-1.0, 1, 1, 1, 1])
    np.testing.assert_allclose(turn @ ordinal.solution.parameters, binary.solution.parameters, rtol=1e-6)
    np.testing.assert_allclose(
        turn @ ordinal.solution.information @ turn, binary.solution.information, rtol=1e-6, atol=1e-8
    )


def test_rows_labels_and_weights(week24, fit):
    shuffled = week24.sample(frac=1, random_state=4)
    shuffled["patient"] = "x" + shuffled["patient"].astype(str).str[::-1]
    other = fit_ordinal_model(WITHIN, shuffled)
    np.testing.assert_allclose(other.solution.parameters, fit.solution.parameters, rtol=1e-8)
    np.testing.assert_allclose(other.joint_vcov, fit.joint_vcov, rtol=1e-7)
    # A row twice is a row of weight two.
    twice = pd.concat([week24, week24[week24["laser"] == 1]])
    weighted = fit_ordinal_model(WITHIN, week24.assign(w=1.0 + week24["laser"]), weights="w")
    repeated = fit_ordinal_model(WITHIN, twice)
    assert weighted.loglik == pytest.approx(repeated.loglik, rel=1e-12)
    np.testing.assert_allclose(weighted.solution.parameters, repeated.solution.parameters, rtol=1e-8)


def test_scores_of_clusters_add_up_to_nothing(fit, week24):
    scores = fit.cluster_scores
    assert scores.shape == (fit.n_subjects, len(fit.solution.parameters))
    np.testing.assert_allclose(scores.sum(axis=0), 0, atol=1e-8)
    # One patient's score is the slope of the likelihood's change without that patient.
    first = week24["patient"].iloc[0]
    rest = fit_ordinal_model(WITHIN, week24[week24["patient"] != first])
    step, at = 1e-5, 4
    moved = [
        fit.solution.parameters + sign * step * np.eye(len(fit.solution.parameters))[at] for sign in (1, -1)
    ]
    change = [fit.log_likelihood(p) - rest.log_likelihood(p) for p in moved]
    assert scores[0, at] == pytest.approx((change[0] - change[1]) / (2 * step), abs=1e-6)


def test_probabilities_at_zero_and_averaged(fit, week24):
    grid = week24.iloc[:3]
    zero, averaged = fit.probabilities(grid), fit.probabilities(grid, random="average")
    rng = np.random.default_rng(1)
    draws = rng.normal(0, fit.variance_components["sd"].iloc[0], 200_000)
    rows = fit.threshold_rows(fit.design_rows(grid)) @ fit.psi
    cumulative = 1 / (1 + np.exp(-(rows[:, :, None] - draws)))
    wanted = np.diff(
        np.pad(cumulative.mean(axis=2), ((0, 0), (1, 1)), constant_values=((0, 0), (0, 1))), axis=1
    )
    np.testing.assert_allclose(averaged, wanted, atol=0.003)  # 200,000 draws: three standard errors
    np.testing.assert_allclose(zero.sum(axis=1), 1, rtol=1e-12)
    # shrunk towards the middle: the extreme grades of a population are likelier than those of its centre
    assert (averaged.max(axis=1) < zero.max(axis=1)).all()


@pytest.mark.parametrize("random", ["zero", "average"])
def test_slopes_of_probabilities(fit, week24, random):
    grid = week24.iloc[[0, 7]]
    means = fit.grade_means(grid, random)
    from dataclasses import replace

    step = 1e-6
    for at in (1, 5, len(fit.solution.parameters) - 1):  # a threshold, an effect, the standard deviation
        unit = np.eye(len(fit.solution.parameters))[at] * step
        up, down = (
            replace(fit, solution=replace(fit.solution, parameters=fit.solution.parameters + sign * unit))
            for sign in (1, -1)
        )
        change = (up.grade_means(grid, random).value - down.grade_means(grid, random).value) / (2 * step)
        np.testing.assert_allclose(means.jacobian[..., at], change, atol=1e-8)


def test_predictions_have_limits_within_the_scale(fit, week24):
    table = fit.predict(week24.iloc[:2], kind="probabilities", random="average")
    assert list(table.columns[:3]) == ["row", "grade", "estimate"]
    assert len(table) == 10
    assert ((table["conf_low"] > 0) & (table["conf_high"] < 1)).all()
    assert ((table["conf_low"] < table["estimate"]) & (table["estimate"] < table["conf_high"])).all()
    link = fit.predict(week24.iloc[:2])
    assert list(link.columns) == ["estimate", "std_error", "df", "conf_low", "conf_high"]
    with pytest.raises(ModelError, match="unknown kind"):
        fit.predict(week24, kind="response")


def test_wald_tests_of_terms_and_matrices(fit):
    rows = np.zeros((2, len(fit.term_names)))
    rows[0, 4], rows[1, 5] = 1, 1
    table = fit.test(rows)
    difference, spread = fit.psi[4:6], fit.vcov.to_numpy()[4:6, 4:6]
    assert 2 * table["statistic"].iloc[0] == pytest.approx(difference @ np.linalg.solve(spread, difference))
    assert list(fit.anova()["term"]) == ["laser", "prp", "body_site", "laser:prp"]
    one = fit.anova().set_index("term").loc["laser:prp"]
    last = fit.coefficients.iloc[-1]
    assert one["statistic"] == pytest.approx(last["statistic"] ** 2)
    assert one["p_value"] == pytest.approx(last["p_value"])


def test_a_variance_of_zero_is_an_answer():
    # Each patient has every grade once: less alike than by chance, so the patients' variance is zero.
    data = pd.DataFrame({"patient": np.repeat(np.arange(12), 3), "grade": np.tile([0, 1, 2], 12)})
    data["laser"] = np.random.default_rng(3).permutation(np.tile([0, 1], 18))
    found = fit_ordinal_model("grade ~ laser + (1 | patient)", data)
    plain = fit_ordinal_model("grade ~ laser", data, patient=None)
    assert found.variance_components["sd"].iloc[0] == 0
    assert "a variance of zero for Intercept" in found.convergence.sentence
    assert found.converged
    assert found.loglik == pytest.approx(plain.loglik, rel=1e-12)
    np.testing.assert_allclose(found.vcov, plain.vcov, rtol=1e-8)
    assert np.isnan(found.joint_vcov.to_numpy()[-1, -1])
    assert (found.random_effects["estimate"] == 0).all()


def test_a_small_simulation_finds_the_truth():
    rng = np.random.default_rng(2026)
    patients = 1500
    data = pd.DataFrame({"patient": np.repeat(np.arange(patients), 4)})
    data["laser"], data["prp"] = np.tile([0, 1, 0, 1], patients), np.tile([0, 0, 1, 1], patients)
    truth = {"laser": 1.2, "prp": 0.8, "laser:prp": 0.4}
    eta = 1.2 * data["laser"] + 0.8 * data["prp"] + 0.4 * data["laser"] * data["prp"]
    latent = eta + np.repeat(rng.normal(0, 1.5, patients), 4) + rng.logistic(size=len(data))
    data["grade"] = np.digitize(latent, [-0.5, 0.6, 1.7, 3.0])
    found = fit_ordinal_model("grade ~ laser * prp + (1 | patient)", data)
    table = found.coefficients.set_index("term")
    for term, value in truth.items():
        row = table.loc[term]
        assert abs(row["estimate"] - value) < 3.5 * row["std_error"]  # one draw with a fixed seed
    sd = found.variance_components.iloc[0]
    assert abs(np.log(sd["sd"] / 1.5)) < 3.5 * sd["log_sd_std_error"]


@pytest.mark.parametrize(
    ("formula", "match"),
    [
        ("grade ~ laser + (1 | patient) + (1 | body_site)", "crossed"),
        ("grade ~ laser + us(visit | patient)", "no residual covariance"),
        ("grade ~ 0 + laser + (1 | patient)", "keeps its intercept"),
    ],
)
def test_formulas_that_are_refused(long, formula, match):
    with pytest.raises(FormulaError, match=match):
        fit_ordinal_model(formula, long)


def test_bad_input_is_refused_in_words(week24):
    with pytest.raises(ModelError, match="number of nodes"):
        fit_ordinal_model(WITHIN, week24, quadrature=0)
    with pytest.raises(ModelError, match="unknown threshold"):
        fit_ordinal_model(WITHIN, week24, threshold="even")
    with pytest.raises(ModelError, match="several units"):
        fit_ordinal_model("grade ~ laser + (1 | patient)", week24.assign(patient="P001"))
    with pytest.raises(ModelError, match="no row has every model variable"):
        fit_ordinal_model(WITHIN, week24.assign(grade=week24["grade"].where(week24["week"] == 4)))
    with pytest.raises(ModelError, match="at least two observed grades"):
        fit_ordinal_model(WITHIN, week24[week24["grade"] == "G1"])
    with pytest.raises(ModelError, match="looks like a measurement"):
        fit_ordinal_model("baseline ~ laser + (1 | patient)", week24)
    low = week24[week24["grade"].isin(["G0", "G1"])]
    with pytest.raises(ModelError, match="at least three grades"):
        fit_ordinal_model("grade ~ 1 + (1 | patient)", low, threshold="equidistant")
    with pytest.raises(FormulaError, match="no column"):
        fit_ordinal_model(WITHIN, week24, nominal="arms")
    with pytest.raises(ConvergenceError, match="separate"):
        fit_ordinal_model(
            "grade ~ top + (1 | patient)", week24.assign(top=(week24["grade"] == "G4").astype(int))
        )


def test_a_grade_that_was_declared_and_never_seen_is_said(week24):
    some = week24[week24["grade"] != "G2"]
    found = fit_ordinal_model(WITHIN, some)
    assert found.grades == ("G0", "G1", "G3", "G4")
    assert "G2 was declared and never observed" in str(found)


def test_a_missing_visit_does_not_matter(long):
    # Visits that nobody was seen at leave no row, and are counted.
    missing = long.assign(grade=long["grade"].where(long["week"] != 4))
    found = fit_ordinal_model("grade ~ laser + visit + (1 | patient/lesion)", missing)
    assert "visit[T.Week 12]" not in found.term_names
    assert found.n_dropped == int(missing["grade"].isna().sum())


def test_likelihood_ratios(reference, parallel, week24):
    full = fit_ordinal_model("grade ~ arm + baseline + sex", parallel)
    found = full.likelihood_ratio_test(fit_ordinal_model("grade ~ baseline + sex", parallel))
    wanted = read("ordinal_grade_parallel")["tests"]["arm_lr"]["chisq"]
    assert found["statistic"].iloc[0] == pytest.approx(wanted, rel=1e-7)
    assert found["df"].iloc[0] == 3
    mixed = fit_ordinal_model("grade ~ laser * prp + (1 | patient)", week24)
    smaller = fit_ordinal_model("grade ~ laser + prp + (1 | patient)", week24)
    assert mixed.likelihood_ratio_test(smaller)["df"].iloc[0] == 1
    with pytest.raises(ModelError, match="cannot be compared"):
        smaller.likelihood_ratio_test(mixed)
    laplace = fit_ordinal_model("grade ~ laser + prp + (1 | patient)", week24, quadrature=1)
    with pytest.raises(ModelError, match="different likelihoods"):
        mixed.likelihood_ratio_test(laplace)


def test_a_fit_travels_between_processes(fit):
    again = pickle.loads(pickle.dumps(fit))
    assert again.loglik == fit.loglik
    pd.testing.assert_frame_equal(again.random_effects, fit.random_effects)
