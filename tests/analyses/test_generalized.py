"""Responders, counts and fractions: against R's lme4, glmmTMB and likelihoods written out, and identities."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analyses.generalized import fit_generalized_model
from analyses.marginal_means import marginal_means

REFERENCE = Path(__file__).parents[1] / "reference"
WITHIN = "responder ~ laser * prp + body_site + (1 | patient)"
COUNTS = "erythema_days ~ arm + s + sex + offset(log(days_observed / 28)) + (1 | patient)"
R_NAMES = {"(Intercept)": "Intercept", "sexM": "sex[T.M]", "armprp": "arm[T.prp]"}


def read(case):
    return json.loads((REFERENCE / case / "reference.json").read_text())


def r_name(name):
    for factor in ("body_site", "sex", "arm"):
        if name.startswith(factor) and name != factor:
            return f"{factor}[T.{name.removeprefix(factor)}]"
    return R_NAMES.get(name, name)


@pytest.fixture(scope="module")
def binary():
    data = pd.read_csv(REFERENCE / "binary_responder_within" / "data.csv")
    data["body_site"] = pd.Categorical(data["body_site"], ["trunk", "face", "extremity", "acral"])
    return data


@pytest.fixture(scope="module")
def counts():
    data = pd.read_csv(REFERENCE / "counts_erythema_days" / "data.csv")
    data["arm"] = pd.Categorical(data["arm"], ["laser", "prp", "laser_prp"])
    return data.assign(s=data["treatment_no"] - 1)


@pytest.fixture(scope="module")
def responder_reference():
    return read("binary_responder_within")


@pytest.fixture(scope="module")
def count_reference():
    return read("counts_erythema_days")


@pytest.fixture(scope="module")
def models():
    return read("link_models")


@pytest.fixture(scope="module")
def fit(binary):
    return fit_generalized_model(WITHIN, binary)


def check(found, beta, errors, tolerance):
    """Estimates within a share of their standard errors, and standard errors relatively."""
    wanted = {r_name(name): value for name, value in beta.items()}
    assert set(wanted) == set(found.term_names)
    se = dict(zip(wanted, errors, strict=False))
    for _, row in found.coefficients.iterrows():
        assert abs(row["estimate"] - wanted[row["term"]]) < tolerance * row["std_error"], row["term"]
        assert row["std_error"] == pytest.approx(se[row["term"]], rel=max(tolerance, 1e-6)), row["term"]


@pytest.mark.parametrize("nodes", [1, 7, 25])
def test_quadrature_of_glmer(responder_reference, binary, nodes):
    found = fit_generalized_model(WITHIN, binary, quadrature=nodes)
    package = responder_reference["glmer"][f"nAGQ_{nodes}"]
    assert found.loglik == pytest.approx(package["logLik"], abs=1e-7)
    assert found.aic == pytest.approx(package["AIC"], abs=1e-6)
    assert found.bic == pytest.approx(package["BIC"], abs=1e-6)
    # glmer differences its Hessian: 1e-5
    check(found, package["beta"], np.sqrt(np.diag(package["vcov_hessian"]["values"])), 1e-5)
    sd = found.variance_components["sd"].iloc[0]
    assert sd == pytest.approx(package["sd_patient"], rel=1e-6)
    modes = found.random_effects.set_index("unit")
    for row in package["random_effects"]["rows"]:
        assert modes.loc[row["grp"], "estimate"] == pytest.approx(row["condval"], abs=1e-5)
        assert modes.loc[row["grp"], "std_error"] == pytest.approx(row["condsd"], rel=1e-5)


@pytest.mark.parametrize("nodes", [1, 7, 25])
def test_likelihood_of_responders_written_out(responder_reference, binary, nodes):
    found = fit_generalized_model(WITHIN, binary, quadrature=nodes)
    written = responder_reference["written_out"][f"nodes_{nodes}"]
    vcov = np.array(written["vcov"]["values"])
    assert found.loglik == pytest.approx(written["logLik"], abs=1e-10)
    check(found, written["beta"], np.sqrt(np.diag(vcov)), 1e-7)  # Newton steps to 1e-9 of the optimum
    # the joint covariance, log of the standard deviation last
    np.testing.assert_allclose(np.diag(found.joint_vcov)[-1], vcov[-1, -1], rtol=1e-6)


def test_standard_errors_hold_the_variances_uncertainty(responder_reference, fit):
    # those that condition on the variance are 3-5 % smaller
    smaller = np.sqrt(np.diag(responder_reference["glmer"]["nAGQ_7"]["vcov_RX"]["values"]))
    assert fit.coefficients["std_error"].to_numpy()[-1] > 1.02 * smaller[-1]


def test_laplace_of_glmmtmb(responder_reference, binary):
    found = fit_generalized_model(WITHIN, binary, quadrature=1)
    package = responder_reference["glmmTMB_laplace"]
    assert found.loglik == pytest.approx(package["logLik"], abs=1e-8)
    check(found, package["beta"], np.sqrt(np.diag(package["vcov"]["values"])), 1e-6)


def test_fifteen_nodes_agree_with_forty(binary):
    few, many = (fit_generalized_model(WITHIN, binary, quadrature=nodes) for nodes in (15, 40))
    assert few.loglik == pytest.approx(many.loglik, rel=1e-6)  # as promised


def test_contrasts_of_emmeans(responder_reference, fit):
    wanted = {
        row["contrast"]: row for row in responder_reference["glmer"]["nAGQ_7"]["contrasts"]["contrasts"]
    }
    means = marginal_means(fit, ["laser", "prp"])
    levels = means.grid.apply(tuple, axis=1).tolist()
    at = dict(zip(levels, means.rows, strict=True))
    row = (at[(1, 1)] - at[(1, 0)])[fit.standard.kept]
    table = fit.estimates(row)
    theirs = wanted["laser_prp - laser"]
    assert table["estimate"].iloc[0] == pytest.approx(theirs["estimate"], rel=1e-5)
    assert table["std_error"].iloc[0] == pytest.approx(theirs["SE"], rel=1e-5)


@pytest.mark.parametrize(
    ("block", "family", "response", "mixed"),
    [
        ("poisson_glmm", "poisson", "erythema_days", True),
        ("nbinom2_glmm", "negative-binomial", "erythema_days", True),
        ("nbinom2_glm", "negative-binomial", "erythema_days", False),
    ],
)
def test_counts_of_glmmtmb(count_reference, counts, block, family, response, mixed):
    formula = COUNTS if mixed else COUNTS.replace(" + (1 | patient)", "")
    found = fit_generalized_model(formula, counts, family=family, quadrature=1, patient=None)
    package = count_reference["glmmTMB"][block]
    full = np.sqrt(np.diag(package["vcov_full"]["values"]))
    assert found.loglik == pytest.approx(package["logLik"], abs=1e-8)
    check(found, package["beta"], full, 1e-6)
    if family == "negative-binomial":
        row = found.dispersion.iloc[0]
        assert row["estimate"] == pytest.approx(package["dispersion"], rel=1e-8)
        assert row["log_std_error"] == pytest.approx(full[5], rel=1e-5)
    if mixed:
        sd = found.variance_components.iloc[0]
        assert sd["sd"] == pytest.approx(package["random_sd"]["patient"], rel=1e-8)
        assert sd["log_sd_std_error"] == pytest.approx(full[-1], rel=1e-5)
        modes = found.random_effects.set_index("unit")
        for row in package["random_effects"]:
            assert modes.loc[row["grp"], "estimate"] == pytest.approx(row["condval"], abs=1e-6)
    assert found.aic == pytest.approx(package["AIC"], abs=1e-7)


@pytest.mark.parametrize(
    ("block", "family", "nodes"),
    [
        ("erythema_poisson_laplace", "poisson", 1),
        ("erythema_poisson_15", "poisson", 15),
        ("erythema_nbinom2_laplace", "negative-binomial", 1),
        ("erythema_nbinom2_25", "negative-binomial", 25),
    ],
)
def test_likelihoods_of_counts_written_out(count_reference, counts, block, family, nodes):
    found = fit_generalized_model(COUNTS, counts, family=family, quadrature=nodes)
    written = count_reference["written_out"][block]
    values = list(written["estimates"].values())
    errors = np.sqrt(np.diag(written["vcov"]["values"]))
    order = list(range(len(values)))
    if family == "negative-binomial":
        order[-2:] = order[:-3:-1]  # there the standard deviation stands before the dispersion
    assert found.loglik == pytest.approx(written["logLik"], abs=1e-9)
    np.testing.assert_allclose(found.parameters, np.array(values)[order], rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(np.sqrt(np.diag(found.joint_vcov)), errors[order], rtol=1e-6)


def test_fixed_effects_only_are_rs_glm(count_reference, counts):
    formula = COUNTS.replace(" + (1 | patient)", "")
    found = fit_generalized_model(formula, counts, family="poisson", patient=None)
    expected = count_reference["glm_poisson"]
    assert found.loglik == pytest.approx(expected["logLik"], abs=1e-9)
    check(found, expected["beta"], np.sqrt(np.diag(expected["vcov_model"]["values"])), 1e-8)
    note = next(note for note in found.notes if note.startswith("Pearson's dispersion"))
    assert f"{expected['pearson_dispersion']:.2f}" in note
    assert "negative-binomial" in note


def test_a_variance_of_zero_among_counts(count_reference, counts):
    seen = counts[counts["erythema_days"].notna()]
    found = fit_generalized_model(COUNTS.replace("erythema_days", "ae_count"), seen, family="poisson")
    package = count_reference["glmmTMB"]["ae_poisson_glmm"]
    assert found.loglik == pytest.approx(package["logLik"], abs=1e-6)
    assert found.variance_components["sd"].iloc[0] == 0
    assert "a variance of zero" in found.convergence.sentence
    full = np.sqrt(np.diag(package["vcov_full"]["values"]))
    check(found, package["beta"], full, 2e-5)  # glmmTMB stops at a standard deviation of 2e-6


@pytest.mark.parametrize("link", ["probit", "cloglog"])
def test_links_of_glmmtmb(models, binary, link):
    found = fit_generalized_model("responder ~ laser * prp + (1 | patient)", binary, link=link, quadrature=1)
    package = models[f"binary_{link}"]
    assert found.loglik == pytest.approx(package["logLik"], abs=1e-8)
    check(found, package["beta"], np.sqrt(np.diag(package["vcov_full"]["values"])), 1e-5)


def test_beta_of_glmmtmb(models, binary):
    seen = binary[binary["responder"].notna()]
    n = len(seen)
    data = seen.assign(fraction=(seen["repigmentation"] * (n - 1) / 100 + 0.5) / n)
    found = fit_generalized_model("fraction ~ laser * prp + (1 | patient)", data, family="beta", quadrature=1)
    package = models["beta"]
    assert found.loglik == pytest.approx(package["logLik"], abs=1e-8)
    assert found.dispersion["estimate"].iloc[0] == pytest.approx(package["phi"], rel=1e-6)
    # glmmTMB's optimiser leaves 3e-6 of a standard error
    check(found, package["beta"], np.sqrt(np.diag(package["vcov_full"]["values"])), 1e-5)


def test_uncorrelated_slopes_of_glmmtmb(models, counts):
    formula = "erythema_days ~ arm + s + offset(log(days_observed / 28)) + (1 + s || patient)"
    found = fit_generalized_model(formula, counts, family="poisson")
    package = models["poisson_slope"]
    assert found.loglik == pytest.approx(package["logLik"], abs=1e-8)
    np.testing.assert_allclose(found.variance_components["sd"], package["sd"], rtol=1e-5)
    assert found.quadrature == 1


def test_correlated_slopes_of_glmmtmb(models, binary):
    # R's search stops 1e-6 below the optimum, which lies at a perfect correlation.
    found = fit_generalized_model("responder ~ laser * prp + (1 + laser | patient)", binary)
    package = models["binary_slope"]
    assert package["logLik"] <= found.loglik < package["logLik"] + 1e-5
    np.testing.assert_allclose(found.component_matrices[0], package["covariance"]["values"], rtol=1e-4)


def test_binomial_counts(models):
    expected = models["binomial_counts"]
    data = pd.DataFrame(expected["data"])
    data["no"] = data["n"] - data["yes"]
    pair = fit_generalized_model("cbind(yes, no) ~ laser + (1 | patient)", data, quadrature=9)
    trials = fit_generalized_model("yes ~ laser + (1 | patient)", data, trials="n", quadrature=9)
    assert trials.loglik == pytest.approx(pair.loglik, rel=1e-13)
    np.testing.assert_allclose(pair.beta, list(expected["beta"].values()), rtol=2e-4)  # glmer's optimiser
    assert pair.variance_components["sd"].iloc[0] == pytest.approx(expected["sd"], rel=1e-4)
    # One row a lesion has the same likelihood but for the binomial coefficients.
    single = data.loc[data.index.repeat(data["n"])].copy()
    first = single.groupby(["patient", "laser"]).cumcount()
    single["one"] = (first < single["yes"]).astype(int)
    lesions = fit_generalized_model("one ~ laser + (1 | patient)", single, quadrature=9)
    constant = np.log(stats.binom.pmf(data["yes"], data["n"], 0.5) * 2.0 ** data["n"]).sum()
    assert pair.loglik - constant == pytest.approx(lesions.loglik, rel=1e-11)
    np.testing.assert_allclose(pair.solution.parameters, lesions.solution.parameters, rtol=1e-6)


def test_firths_penalty_of_brglm2(models):
    expected = models["firth"]
    data = pd.DataFrame(expected["data"])
    found = fit_generalized_model("y ~ arm + age", data, penalty="firth")
    np.testing.assert_allclose(found.beta, list(expected["beta"].values()), rtol=1e-8)
    np.testing.assert_allclose(found.vcov, expected["vcov"]["values"], rtol=1e-7)
    # R's limits by optim and uniroot
    np.testing.assert_allclose(found.coefficients["conf_low"], expected["low"], rtol=1e-6)
    np.testing.assert_allclose(found.coefficients["conf_high"], expected["high"], rtol=1e-6)
    np.testing.assert_allclose(found.limits.ratio, expected["ratio"], rtol=1e-6)
    wanted = stats.chi2.sf(expected["ratio"], 1)
    np.testing.assert_allclose(found.coefficients["p_value"], wanted, rtol=1e-6)
    assert found.penalty == "firth"
    assert "Firth" in str(found)


def test_firth_of_a_two_by_two_table_adds_a_half():
    # For a saturated table Jeffreys' prior adds half a patient to every cell (Firth 1993, section 3.3).
    data = pd.DataFrame({"y": [1] * 7 + [0] * 5 + [0] * 9, "arm": ["A"] * 12 + ["B"] * 9})
    found = fit_generalized_model("y ~ arm", data, penalty="firth")
    wanted = np.log(0.5 / 9.5) - np.log(7.5 / 5.5)
    assert found.beta[1] == pytest.approx(wanted, rel=1e-9)


def test_counts_without_overdispersion_are_poissons():
    # Means and variances that nothing spreads: theta runs to infinity, and the Poisson model is the answer.
    rng = np.random.default_rng(8)
    data = pd.DataFrame({"arm": np.tile(["A", "B"], 60)})
    data["n"] = rng.binomial(20, np.where(data["arm"] == "A", 0.2, 0.4))  # less spread than Poisson's
    found = fit_generalized_model("n ~ arm", data, family="negative-binomial")
    poisson = fit_generalized_model("n ~ arm", data, family="poisson")
    assert found.loglik == poisson.loglik
    np.testing.assert_array_equal(found.beta, poisson.beta)
    assert found.dispersion["estimate"].iloc[0] == np.inf
    assert "theta went to infinity" in str(found)
    assert found.aic == pytest.approx(poisson.aic + 2)


def test_offsets_and_weights_and_order(counts):
    days = np.log(counts["days_observed"] / 28)
    plain = COUNTS.replace(" + offset(log(days_observed / 28))", "")
    inside = fit_generalized_model(COUNTS, counts, family="poisson")
    beside = fit_generalized_model(plain, counts.assign(lt=days), family="poisson", offset="lt")
    array = fit_generalized_model(plain, counts, family="poisson", offset=days.to_numpy())
    assert inside.loglik == pytest.approx(beside.loglik, rel=1e-13)
    assert inside.loglik == pytest.approx(array.loglik, rel=1e-13)
    assert inside.formula == COUNTS
    shuffled = fit_generalized_model(COUNTS, counts.sample(frac=1, random_state=1), family="poisson")
    np.testing.assert_allclose(shuffled.solution.parameters, inside.solution.parameters, rtol=1e-7)
    # A shift of the offset moves the intercept alone.
    moved = fit_generalized_model(plain, counts, family="poisson", offset=(days + 1).to_numpy())
    assert moved.beta[0] == pytest.approx(inside.beta[0] - 1, rel=1e-7)
    np.testing.assert_allclose(moved.beta[1:], inside.beta[1:], rtol=1e-6)
    twice = fit_generalized_model(
        COUNTS, pd.concat([counts, counts[counts["s"] == 0]]), family="poisson", quadrature=5
    )
    weighted = fit_generalized_model(
        COUNTS, counts.assign(w=1.0 + (counts["s"] == 0)), family="poisson", weights="w", quadrature=5
    )
    np.testing.assert_allclose(weighted.solution.parameters, twice.solution.parameters, rtol=1e-8)


def test_predictions(fit, binary, counts):
    new = binary.iloc[:4]
    link = fit.predict(new)
    zero = fit.predict(new, kind="response")
    averaged = fit.predict(new, kind="response", random="average")
    np.testing.assert_allclose(zero["estimate"], 1 / (1 + np.exp(-link["estimate"])), rtol=1e-12)
    # the limits on the logit scale are those of the link
    np.testing.assert_allclose(zero["conf_low"], 1 / (1 + np.exp(-link["conf_low"])), rtol=1e-10)
    sd = fit.variance_components["sd"].iloc[0]
    nodes, weights = np.polynomial.hermite.hermgauss(120)
    wanted = [
        (weights / np.sqrt(np.pi) / (1 + np.exp(-(eta + np.sqrt(2) * sd * nodes)))).sum()
        for eta in link["estimate"]
    ]
    np.testing.assert_allclose(averaged["estimate"], wanted, rtol=1e-7)
    poisson = fit_generalized_model(COUNTS, counts, family="poisson")
    rate = poisson.predict(counts.iloc[:2], kind="response", random="average")
    eta = poisson.predict(counts.iloc[:2])["estimate"]
    variance = poisson.variance_components["variance"].iloc[0]
    np.testing.assert_allclose(rate["estimate"], np.exp(eta + variance / 2), rtol=1e-12)
    own = poisson.predict(kind="response")
    assert len(own) == poisson.n_obs


def test_slopes_of_averaged_means(fit, binary):
    from dataclasses import replace

    new = binary.iloc[[0, 9]]
    means, step = fit.response_means(new, "average"), 1e-6
    size = len(fit.solution.parameters)
    for at in (0, 3, size - 1):
        up, down = (
            replace(
                fit,
                solution=replace(
                    fit.solution, parameters=fit.solution.parameters + sign * step * np.eye(size)[at]
                ),
            )
            for sign in (1, -1)
        )
        change = (up.response_means(new, "average").value - down.response_means(new, "average").value) / (
            2 * step
        )
        np.testing.assert_allclose(means.jacobian[..., at], change, atol=1e-8)


def test_a_small_simulation_finds_the_truth():
    rng = np.random.default_rng(77)
    patients = 2000
    data = pd.DataFrame({"patient": np.repeat(np.arange(patients), 4)})
    data["laser"], data["prp"] = np.tile([0, 1, 0, 1], patients), np.tile([0, 0, 1, 1], patients)
    eta = -0.5 + 0.6 * data["laser"] + 0.4 * data["prp"] + np.repeat(rng.normal(0, 0.7, patients), 4)
    data["n"] = rng.negative_binomial(2.0, 2.0 / (2.0 + np.exp(eta)))
    found = fit_generalized_model("n ~ laser + prp + (1 | patient)", data, family="negative-binomial")
    for term, truth in {"Intercept": -0.5, "laser": 0.6, "prp": 0.4}.items():
        row = found.coefficients.set_index("term").loc[term]
        assert abs(row["estimate"] - truth) < 3.5 * row["std_error"]  # one draw with a fixed seed
    own, sd = found.dispersion.iloc[0], found.variance_components.iloc[0]
    assert abs(np.log(own["estimate"] / 2)) < 3.5 * own["log_std_error"]
    assert abs(np.log(sd["sd"] / 0.7)) < 3.5 * sd["log_sd_std_error"]
