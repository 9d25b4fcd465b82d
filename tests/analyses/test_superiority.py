"""Probability of superiority by a model: normal integrals, numerical slopes, symmetry, and agreement with pairs."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analyses.classical.rank_statistics import probability_of_superiority
from analyses.ordinal import fit_ordinal_model
from analyses.probability.probability_scale import marginal_probabilities
from analyses.probability.superiority import model_superiority
from outcomes.errors import ModelError

CASE = Path(__file__).parents[1] / "reference" / "ordinal_grade_within"
ARMS = ["control", "laser", "prp", "laser_prp"]


@pytest.fixture(scope="module")
def grades():
    data = pd.read_csv(CASE / "data.csv")
    data["grade"] = pd.Categorical(data["grade"], [f"G{k}" for k in range(5)], ordered=True)
    data["arm"] = pd.Categorical(data["arm"], ARMS)
    return data[data["visit"] == "Week 24"]


@pytest.fixture(scope="module")
def sloped(grades):
    return fit_ordinal_model("grade ~ arm + (1 + laser | patient)", grades, link="probit")


def rectangle(low, high, spread):
    """Probability of a rectangle under a bivariate normal distribution with means of zero."""
    normal = stats.multivariate_normal(np.zeros(2), spread)
    clipped = [np.clip(end, -12, 12) for end in (low, high)]
    ends = [((clipped[i][0], clipped[j][1]), (-1) ** (i + j)) for i in (0, 1) for j in (0, 1)]
    return sum(sign * normal.cdf(np.array(point)) for point, sign in ends)


@pytest.mark.parametrize("shared", [True, False])
def test_a_probit_model_has_bivariate_normal_grades(sloped, shared):
    """Latent grades of both lesions are normal, so every pair of grades is a rectangle's probability."""
    found = model_superiority(sloped, pairs="same patient" if shared else "different patients")
    value = found.set_index(["first", "second"]).loc[("laser", "prp"), "estimate"]
    thresholds = sloped.threshold_table["estimate"].to_numpy()
    effects = sloped.coefficients.set_index("term")["estimate"]
    means = effects["arm[T.laser]"], effects["arm[T.prp]"]
    (g,) = sloped.component_matrices
    z = np.array([[1.0, 1.0], [1.0, 0.0]])  # the laser's effect varies between patients
    spread = z @ g @ z.T
    spread = (spread if shared else np.diag(np.diag(spread))) + np.eye(2)
    edges = np.concatenate([[-np.inf], thresholds, [np.inf]])
    expected = 0.0
    for a in range(5):
        for b in range(a + 1):
            low = edges[a] - means[0], edges[b] - means[1]
            high = edges[a + 1] - means[0], edges[b + 1] - means[1]
            expected += (0.5 if a == b else 1.0) * rectangle(low, high, spread)
    assert value == pytest.approx(expected, abs=1e-6)  # the bivariate normal's own error


@pytest.mark.parametrize("pairs", ["same patient", "different patients"])
def test_errors_come_from_the_joint_covariance(sloped, pairs):
    found = model_superiority(sloped, pairs=pairs)
    slopes: list = []
    for at in range(len(sloped.solution.parameters)):
        moved = []
        for step in (1e-5, -1e-5):
            parameters = sloped.solution.parameters.copy()
            parameters[at] += step
            changed = replace(sloped, solution=replace(sloped.solution, parameters=parameters))
            moved.append(model_superiority(changed, pairs=pairs)["estimate"].to_numpy())
        slopes.append((moved[0] - moved[1]) / 2e-5)
    inverse = sloped.solution.inverse
    known = np.isfinite(np.diag(inverse))
    slope = np.array(slopes)[known]
    expected = np.sqrt(np.einsum("pk,pq,qk->k", slope, inverse[np.ix_(known, known)], slope))
    assert found["std_error"].to_numpy() == pytest.approx(expected, rel=1e-6)


def test_lesions_of_a_patient_are_told_apart_better_than_patients(grades):
    fit = fit_ordinal_model("grade ~ arm + (1 | patient)", grades)
    found = model_superiority(fit).set_index(["pairs", "first", "second"])["estimate"]
    same, different = found["same patient"], found["different patients"]
    assert (np.abs(same - 0.5) > np.abs(different - 0.5)).all()


def test_turning_the_arms_or_the_direction_takes_the_complement(grades):
    fit = fit_ordinal_model("grade ~ arm + (1 | patient)", grades)
    plain = model_superiority(fit)
    turned, lower = model_superiority(fit, reverse=True), model_superiority(fit, higher_is_better=False)
    for other in (turned, lower):
        assert other["estimate"].to_numpy() == pytest.approx(1 - plain["estimate"].to_numpy(), abs=1e-12)
        assert other["conf_low"].to_numpy() == pytest.approx(1 - plain["conf_high"].to_numpy(), abs=1e-10)
    assert turned["contrast"].iloc[0] == "P(laser better than control)"


def test_two_grades_of_two_arms_are_the_data_themselves(grades):
    """One threshold and one effect are saturated: the model's probability is that of the samples."""
    data = grades.assign(high=(grades["grade"] >= "G2").astype(int))
    data = data[data["arm"].isin(["control", "laser_prp"])]
    data = data.assign(patient=np.arange(len(data)))
    found = model_superiority(fit_ordinal_model("high ~ arm", data), reverse=True).iloc[0]
    samples = [data.loc[data["arm"] == arm, "high"] for arm in ("laser_prp", "control")]
    assert found["estimate"] == pytest.approx(probability_of_superiority(*samples).estimate, abs=1e-9)
    assert found["pairs"] == "different patients"


def test_lesions_have_their_own_effects(grades):
    """A lesion's own spread belongs to the residual part: only what is the patient's is shared."""
    whole = pd.read_csv(CASE / "data.csv")
    whole["grade"] = pd.Categorical(whole["grade"], [f"G{k}" for k in range(5)], ordered=True)
    fit = fit_ordinal_model("grade ~ arm * visit + (1 | patient/lesion)", whole, link="probit")
    found = model_superiority(fit, at={"visit": "Week 24"}, pairs="same patient")
    patient, lesion = (float(matrix[0, 0]) for matrix in fit.component_matrices)
    assert lesion > 0
    row = found.set_index(["first", "second"]).loc[("control", "laser")]
    rows = fit.design_rows(pd.DataFrame({"arm": ["control", "laser"], "visit": ["Week 24"] * 2}))
    first, second = fit.threshold_rows(rows) @ fit.psi
    edges = [np.concatenate([[-np.inf], part, [np.inf]]) for part in (first, second)]
    spread = np.full((2, 2), patient) + (1 + lesion) * np.eye(2)
    expected = sum(
        (0.5 if a == b else 1.0)
        * rectangle((edges[0][a], edges[1][b]), (edges[0][a + 1], edges[1][b + 1]), spread)
        for a in range(5)
        for b in range(a + 1)
    )
    assert row["estimate"] == pytest.approx(expected, abs=1e-6)


def test_what_cannot_be_asked_is_refused(grades):
    one = grades.drop_duplicates("patient")
    with pytest.raises(ModelError, match="random effects"):
        model_superiority(fit_ordinal_model("grade ~ arm", one), pairs="same patient")
    with pytest.raises(ModelError, match="pairs"):
        model_superiority(fit_ordinal_model("grade ~ arm", one), pairs="both")


def test_patients_of_a_clinic_keep_their_effects_to_themselves():
    # Two lesions of a patient share what he and his clinic bring along.
    rng = np.random.default_rng(11)
    data = pd.DataFrame({"patient": np.repeat(np.arange(120), 4), "arm": np.tile(["control", "laser"], 240)})
    data["clinic"] = data["patient"] % 12
    effect = rng.normal(0, 2.5, 120)[data["patient"]] + rng.normal(0, 0.5, 12)[data["clinic"]]
    latent = effect + 1.0 * (data["arm"] == "laser") + rng.normal(size=len(data))
    data["grade"] = np.digitize(latent, [-1.5, 0.0, 1.5])
    nested = fit_ordinal_model("grade ~ arm + (1 | clinic/patient)", data, link="probit")
    same = model_superiority(nested, pairs="same patient")
    laser = nested.psi[nested.term_names.index("arm[T.laser]")]
    # of one patient, by force: sums over his effects on a fine grid
    sd = np.sqrt(nested.variance_components["variance"].sum())
    grid = np.linspace(-8, 8, 4001)
    share = stats.norm.pdf(grid) / stats.norm.pdf(grid).sum()
    ends = np.concatenate([[-np.inf], nested.psi[:3], [np.inf]])
    grades = [np.diff(stats.norm.cdf(ends[:, None] - at - sd * grid), axis=0) for at in (0.0, laser)]
    beats = np.tril(np.ones((4, 4)), -1) + np.eye(4) / 2
    expected = share @ np.einsum("ku,kl,lu->u", grades[0], beats, grades[1])
    assert same["estimate"].iloc[0] == pytest.approx(expected, abs=1e-6)  # 61 nodes for a spread of 2.6
    means = marginal_probabilities(nested, "arm", over="patients", vcov="robust")
    assert "120 patients" in means.averaging[0]
    assert "12 clusters" in means.averaging[1]


def test_a_visit_that_holds_both_arms_is_shared():
    rng = np.random.default_rng(12)
    data = pd.DataFrame(
        {"patient": np.repeat(np.arange(60), 6), "visit": np.tile(np.repeat([1, 2, 3], 2), 60)}
    )
    data["arm"] = np.tile(["control", "laser"], 180)
    occasion = rng.normal(0, 1.5, 180)[np.repeat(np.arange(180), 2)]
    latent = (
        rng.normal(size=60)[data["patient"]] + occasion + (data["arm"] == "laser") + rng.logistic(size=360)
    )
    data["grade"] = np.digitize(latent, [-1.0, 0.5, 2.0])
    nested = fit_ordinal_model("grade ~ arm + (1 | patient/visit)", data)
    same, different = model_superiority(nested)["estimate"]
    alone = fit_ordinal_model(
        "grade ~ arm + (1 | occasion)", data.assign(occasion=np.repeat(np.arange(180), 2))
    )
    # all that both lesions share stands in one effect: its superiority is that of the two effects' variance together
    together = model_superiority(alone, pairs="same patient")["estimate"].iloc[0]
    assert same < different < 0.5
    assert same == pytest.approx(together, abs=5e-3)  # two fits of the same data
