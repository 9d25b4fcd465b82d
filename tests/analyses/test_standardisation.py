"""Standardised means: closed forms, numerical integrals, numerical derivatives, and R's g-computation."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import integrate, special, stats

from analyses.generalized import fit_generalized_model
from analyses.ordinal import fit_ordinal_model
from analyses.probability.probability_scale import marginal_probabilities, odds_ratios
from analyses.probability.standardisation import covariance_of, prepare_points, standardise
from outcomes.errors import ModelError

CASES = Path(__file__).parents[1] / "reference"
ARMS = ["control", "laser", "prp", "laser_prp"]
GRADES = [f"G{k}" for k in range(5)]


@pytest.fixture(scope="module")
def binary():
    data = pd.read_csv(CASES / "binary_responder_within" / "data.csv")
    data["arm"] = pd.Categorical(data["arm"], ARMS)
    return data


@pytest.fixture(scope="module")
def responders(binary):
    return fit_generalized_model("responder ~ arm + age + (1 | patient)", binary)


@pytest.fixture(scope="module")
def grades():
    data = pd.read_csv(CASES / "ordinal_grade_within" / "data.csv")
    data["grade"] = pd.Categorical(data["grade"], GRADES, ordered=True)
    data["arm"] = pd.Categorical(data["arm"], ARMS)
    return data[data["visit"] == "Week 24"]


@pytest.fixture(scope="module")
def graded(grades):
    return fit_ordinal_model("grade ~ arm + baseline + (1 | patient)", grades)


@pytest.fixture(scope="module")
def table():
    """45 of 50 against 40 of 50, and 12 of 40."""
    counts = {"A": (45, 50), "B": (40, 50), "C": (12, 40)}
    rows = [(arm, int(at < yes)) for arm, (yes, n) in counts.items() for at in range(n)]
    return pd.DataFrame(rows, columns=["arm", "y"])


@pytest.mark.parametrize("vcov", ["model", "robust"])
def test_a_model_of_the_arms_alone_gives_the_proportions_and_their_binomial_errors(table, vcov):
    fit = fit_generalized_model("y ~ arm", table)
    found = marginal_probabilities(fit, "arm", vcov=vcov).table
    p, n = np.array([0.9, 0.8, 0.3]), np.array([50, 50, 40])
    assert found["estimate"].to_numpy() == pytest.approx(p, abs=1e-9)
    # The sandwich of the patients' influence is the binomial variance times C / (C - 1).
    inflation = 140 / 139 if vcov == "robust" else 1.0
    assert found["std_error"].to_numpy() == pytest.approx(np.sqrt(inflation * p * (1 - p) / n), rel=1e-7)


def test_contrasts_of_a_saturated_model_are_those_of_the_two_by_two_table(table):
    means = marginal_probabilities(fit_generalized_model("y ~ arm", table), "arm")
    p1, p2, n = 0.9, 0.8, 50
    weights = {"A and B": {"A": 1, "B": -1}}
    difference = means.contrast(weights).table.iloc[0]
    assert difference["estimate"] == pytest.approx(0.1, abs=1e-9)
    assert difference["std_error"] == pytest.approx(np.sqrt((p1 * (1 - p1) + p2 * (1 - p2)) / n), rel=1e-7)
    ratio = means.contrast(weights, "ratio").table.iloc[0]
    log_error = np.sqrt((1 - p1) / (n * p1) + (1 - p2) / (n * p2))  # Katz
    half = stats.norm.isf(0.025) * log_error
    assert ratio["estimate"] == pytest.approx(1.125, rel=1e-9)
    assert ratio["conf_high"] == pytest.approx(1.125 * np.exp(half), rel=1e-7)
    odds = means.contrast(weights, "odds ratio").table.iloc[0]
    woolf = np.sqrt(1 / 45 + 1 / 5 + 1 / 40 + 1 / 10)
    assert odds["estimate"] == pytest.approx(2.25, rel=1e-8)
    assert odds["std_error"] == pytest.approx(2.25 * woolf, rel=1e-7)
    assert odds["statistic"] == pytest.approx(np.log(2.25) / woolf, rel=1e-7)


def test_means_are_integrals_over_the_random_effects(responders):
    sd = responders.variance_components["sd"].iloc[0]
    found = marginal_probabilities(responders, "arm").table.set_index("arm")["estimate"]
    used = responders.frame.data
    rows = responders.design_rows(used.assign(arm=pd.Categorical(["prp"] * len(used), ARMS)))
    eta = rows @ responders.beta

    def averaged(u):
        return special.expit(eta + sd * u).mean() * stats.norm.pdf(u)

    dense, _ = integrate.quad(averaged, -10, 10, epsabs=1e-12)
    assert found["prp"] == pytest.approx(dense, abs=1e-9)
    at_zero = special.expit(eta).mean()
    assert abs(at_zero - dense) > 0.01  # it would have been another number


def numerical(fit, value):
    """Central differences of a function of the fit by its parameters, of fourth order."""
    parameters = fit.solution.parameters
    slopes = []
    for at in range(len(parameters)):
        step = 1e-3 * max(1.0, abs(parameters[at]))
        total = 0.0
        for times, weight in ((-2, 1 / 12), (-1, -2 / 3), (1, 2 / 3), (2, -1 / 12)):
            moved = parameters.copy()
            moved[at] += times * step
            total = (
                total + weight * value(replace(fit, solution=replace(fit.solution, parameters=moved))) / step
            )
        slopes.append(total)
    return np.stack(slopes, axis=-1)


@pytest.mark.parametrize("name", ["responders", "graded"])
def test_slopes_are_those_of_numerical_differences(name, request):
    fit = request.getfixturevalue(name)
    points = pd.DataFrame({"arm": pd.Categorical(["laser", "laser_prp"], ARMS)})
    found = standardise(fit, points)
    expected = numerical(fit, lambda moved: standardise(moved, points).value)
    # the differences' own error is about 1e-10
    np.testing.assert_allclose(found.jacobian, expected, atol=1e-8)


def test_the_sandwich_is_that_of_the_stacked_equations(graded, grades):
    """Dense version: influence of each patient on the means, from the rows one by one."""
    points = pd.DataFrame({"arm": pd.Categorical(["laser"], ARMS)})
    found = standardise(graded, points)
    covariance, df = covariance_of(graded, found, "robust")
    used = graded.frame.data
    each = graded.probabilities(used.assign(arm=pd.Categorical(["laser"] * len(used), ARMS)), "average")
    patients = used["patient"].unique()
    bread = np.linalg.inv(graded.solution.information)
    influence = []
    for at, patient in enumerate(patients):
        mine = (used["patient"] == patient).to_numpy()
        covariates = (each[mine] - each.mean()).sum().to_numpy() / len(used)
        influence.append(covariates + found.jacobian[0] @ bread @ graded.cluster_scores[at])
    dense = np.array(influence).T @ np.array(influence) * len(patients) / (len(patients) - 1)
    np.testing.assert_allclose(covariance, dense, rtol=1e-8, atol=1e-14)
    assert df == len(patients) - 1
    assert np.array(influence).sum(axis=0) == pytest.approx(0, abs=1e-6)  # scores vanish at the optimum


@pytest.mark.parametrize("over", ["rows", "patients"])
@pytest.mark.parametrize("name", ["responders", "graded"])
def test_points_encoded_once_give_the_same_means(name, over, request):
    fit = request.getfixturevalue(name)
    points = pd.DataFrame({"arm": pd.Categorical(ARMS, ARMS)})
    found = prepare_points(fit, points, over, None).value(fit, np.ones(fit.n_obs))
    np.testing.assert_allclose(found, standardise(fit, points, over).value, rtol=1e-12)


def test_variables_of_random_effects_follow_what_is_set(grades):
    """A row set to an arm has that arm's laser in the random effects too."""
    fit = fit_ordinal_model("grade ~ arm + (1 + laser | patient)", grades, link="probit")
    found = marginal_probabilities(fit, "arm", of="at least").table.set_index(["arm", "at_least"])["estimate"]
    (g,) = fit.component_matrices
    threshold = fit.threshold_table["estimate"].iloc[2]
    effects = fit.coefficients.set_index("term")["estimate"]
    for arm, laser in (("prp", 0.0), ("laser_prp", 1.0)):
        z = np.array([1.0, laser])
        expected = stats.norm.sf((threshold - effects[f"arm[T.{arm}]"]) / np.sqrt(1 + z @ g @ z))
        assert found[arm, "G3"] == pytest.approx(expected, abs=1e-12)


def test_probabilities_of_grades_add_up_and_at_least_is_their_sum(graded):
    grade = marginal_probabilities(graded, "arm").table.pivot(index="arm", columns="grade", values="estimate")
    above = marginal_probabilities(graded, "arm", of="at least").table
    assert grade.sum(axis=1).to_numpy() == pytest.approx(1, abs=1e-12)
    wanted = above[above["at_least"] == "G3"].set_index("arm")["estimate"]
    assert (grade["G3"] + grade["G4"]).to_numpy() == pytest.approx(wanted.to_numpy(), abs=1e-12)
    mean = marginal_probabilities(graded, "arm", of="mean grade").table.set_index("arm")["estimate"]
    assert (grade.to_numpy() @ np.arange(5)) == pytest.approx(mean.to_numpy(), abs=1e-12)


def test_patients_may_count_alike(binary):
    uneven = pd.concat([binary, binary[binary["patient"] == "P001"].assign(lesion="again")])
    fit = fit_generalized_model("responder ~ arm + age + (1 | patient)", uneven)
    rows = marginal_probabilities(fit, "arm").table["estimate"]
    patients = marginal_probabilities(fit, "arm", over="patients").table["estimate"]
    used = fit.frame.data
    sizes = used.groupby("patient")["patient"].transform("size").to_numpy()
    each = fit.response_means(used.assign(arm=pd.Categorical(["laser"] * len(used), ARMS)), "average").value[
        :, 0
    ]
    assert rows[1] == pytest.approx(each.mean(), abs=1e-12)
    assert patients[1] == pytest.approx(np.average(each, weights=1 / sizes), abs=1e-12)
    assert rows[1] != pytest.approx(patients[1], abs=1e-6)


def test_rates_have_an_exposure_of_one_or_the_rows_own():
    data = pd.read_csv(CASES / "counts_erythema_days" / "data.csv")
    fit = fit_generalized_model(
        "erythema_days ~ arm + offset(log(days_observed / 28)) + (1 | patient)", data, family="poisson"
    )
    own = marginal_probabilities(fit, "arm").table["estimate"].to_numpy()
    rate = marginal_probabilities(fit, "arm", offset=0.0).table["estimate"].to_numpy()
    exposure = np.exp(fit.offset).mean()
    assert own == pytest.approx(rate * exposure, rel=1e-10)  # a log link: the exposure is a factor
    # With a log link and a random intercept marginal and conditional ratios are the same.
    ratio = marginal_probabilities(fit, "arm").contrast("trt.vs.ctrl", "ratio").table
    conditional = odds_ratios(fit)
    assert ratio["estimate"].to_numpy() == pytest.approx(conditional["estimate"].to_numpy(), rel=1e-10)
    assert ratio["conf_low"].to_numpy() == pytest.approx(conditional["conf_low"].to_numpy(), rel=1e-8)
    assert set(conditional["measure"]) == {"rate ratio"}


def test_what_is_not_estimable_is_nan_and_the_rest_stays(binary):
    gone = binary[~((binary["arm"] == "prp") & (binary["sex"] == "F"))]
    fit = fit_generalized_model("responder ~ arm * sex + (1 | patient)", gone)
    found = marginal_probabilities(fit, "arm").table.set_index("arm")["estimate"]
    assert np.isnan(found["prp"])
    assert found.drop("prp").notna().all()
    contrasts = (
        marginal_probabilities(fit, "arm").contrast("pairwise").table.set_index("contrast")["estimate"]
    )
    assert contrasts.isna().sum() == 3


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"over": "lesions"}, "population"),
        ({"vcov": "HC3"}, "covariance"),
        ({"of": "grades"}, "grades"),
        ({"at": {"week": 3}}, "not a variable"),
        ({"at": {"age": [20, 30]}}, "one value"),
    ],
)
def test_unknown_options_are_refused(responders, options, word):
    with pytest.raises(ModelError, match=word):
        marginal_probabilities(responders, "arm", **options)


def test_views_say_what_was_averaged(responders, graded):
    means = marginal_probabilities(responders, "arm", over="patients", vcov="population")
    assert "each counted once" in str(means)
    assert "sampling of the covariates" in means._repr_html_()
    levels = marginal_probabilities(graded, "arm", of="at least", vcov="robust")
    assert "a grade or a higher one" in str(levels)
    contrasts = levels.contrast("trt.vs.ctrl", "odds ratio", adjust="holm")
    assert contrasts.table["contrast"].iloc[0] == "laser / control"
    assert "Holm" in contrasts._repr_html_()
    assert contrasts.title == "Odds ratios of marginal probabilities of a grade or a higher one"


def test_families_of_contrasts_are_adjusted_together(responders):
    plain = marginal_probabilities(responders, "arm").contrast("trt.vs.ctrl").table
    adjusted = marginal_probabilities(responders, "arm").contrast("trt.vs.ctrl", adjust="bonferroni").table
    expected = np.minimum(3 * plain["p_value"].to_numpy(), 1)
    assert adjusted["p_value"].to_numpy() == pytest.approx(expected, rel=1e-9)
    half = stats.norm.isf(0.025 / 3) * plain["std_error"]
    assert adjusted["conf_high"].to_numpy() == pytest.approx((plain["estimate"] + half).to_numpy(), rel=1e-9)
    means = marginal_probabilities(responders, "arm")
    dunnett = means.contrast("trt.vs.ctrl", adjust="dunnett").table
    assert (dunnett["p_value"] <= adjusted["p_value"] + 1e-6).all()
