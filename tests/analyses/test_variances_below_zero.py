"""Variances without bounds (PROC MIXED's NOBOUND): the balanced analysis of variance in closed form, identities."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analyses import fit_mixed_model
from analyses.covariance import Diagonal, Unstructured
from analyses.engine.symmetric import Symmetric, below_zero, without_bounds


def repulsive(groups: int, size: int, seed: int, rho: float = -0.2) -> pd.DataFrame:
    """Values of a group that are less alike than those of different groups."""
    rng = np.random.default_rng(seed)
    root = np.linalg.cholesky((1 - rho) * np.eye(size) + rho * np.ones((size, size)))
    y = 10 + 3 * (root @ rng.normal(size=(size, groups))).T
    return pd.DataFrame(
        {
            "patient": np.repeat([f"P{at}" for at in range(groups)], size),
            "visit": np.tile([f"V{at}" for at in range(size)], groups),
            "y": y.reshape(-1),
        }
    )


def mean_squares(data: pd.DataFrame) -> tuple[float, float, int, int]:
    means = data.groupby("patient")["y"].mean()
    groups, size = len(means), len(data) // len(means)
    between = size * float(((means - means.mean()) ** 2).sum()) / (groups - 1)
    within = float(((data["y"] - data["patient"].map(means)) ** 2).sum()) / (groups * (size - 1))
    return between, within, groups, size


@pytest.mark.parametrize("seed", range(4))
def test_one_way_layout_gives_the_analysis_of_variance_below_zero(seed):
    data = repulsive(12, 4, seed)
    between, within, groups, size = mean_squares(data)
    assert between < within
    fit = fit_mixed_model("y ~ 1 + (1 | patient)", data, bounded=False)
    variances = fit.variance_components["variance"]
    # REML is the analysis of variance in balanced data; 1e-8 is the search's.
    assert variances[0] == pytest.approx((between - within) / size, rel=1e-8)
    assert variances[1] == pytest.approx(within, rel=1e-8)
    # The mean's own test: SE by the mean square between, on groups - 1 degrees of freedom.
    row = fit.coefficients.iloc[0]
    assert row["std_error"] == pytest.approx(np.sqrt(between / len(data)), rel=1e-8)
    assert row["df"] == pytest.approx(groups - 1, rel=1e-6)
    assert fit.information == "observed"  # an optimum inside, not a boundary
    ml = fit_mixed_model("y ~ 1 + (1 | patient)", data, bounded=False, reml=False)
    expected = ((groups - 1) / groups * between - within) / size
    assert ml.variance_components["variance"][0] == pytest.approx(expected, rel=1e-8)


def test_it_is_compound_symmetry_with_a_negative_covariance():
    data = repulsive(15, 3, seed=7)
    data["x"] = np.random.default_rng(1).normal(size=len(data))
    free = fit_mixed_model("y ~ x + (1 | patient)", data, bounded=False)
    cs = fit_mixed_model("y ~ x + cs(visit | patient)", data)
    assert free.loglik == pytest.approx(cs.loglik, rel=1e-12)
    assert free.coefficients["std_error"].to_numpy() == pytest.approx(cs.coefficients["std_error"], rel=1e-7)
    assert free.coefficients["df"].to_numpy() == pytest.approx(cs.coefficients["df"], rel=1e-5)
    bounded = fit_mixed_model("y ~ x + (1 | patient)", data)
    assert bounded.convergence.boundary
    assert free.loglik > bounded.loglik
    # The bound widens the mean's interval, since it denies that values of a patient balance one another.
    assert free.coefficients["std_error"][0] < bounded.coefficients["std_error"][0]


def test_nested_layout_gives_mean_squares_of_each_level():
    """Patients, lesions in them, repeats of a lesion: the lesions' component alone is negative."""
    rng = np.random.default_rng(11)
    patients, lesions, repeats = 10, 3, 4
    root = np.linalg.cholesky(
        1.25 * np.eye(repeats) - 0.25 * np.ones((repeats, repeats)) + 1e-9 * np.eye(repeats)
    )
    noise = rng.normal(size=(patients, lesions, repeats)) @ root.T
    y = 5 + rng.normal(size=(patients, 1, 1)) * 2 + noise
    index = pd.MultiIndex.from_product(
        [range(patients), range(lesions), range(repeats)], names=["patient", "lesion", "repeat"]
    )
    data = pd.DataFrame({"y": y.reshape(-1)}, index=index).reset_index()
    by_lesion, by_patient = y.mean(axis=2), y.mean(axis=(1, 2))
    ms_patient = lesions * repeats * ((by_patient - y.mean()) ** 2).sum() / (patients - 1)
    ms_lesion = repeats * ((by_lesion - by_patient[:, None]) ** 2).sum() / (patients * (lesions - 1))
    ms_error = ((y - by_lesion[..., None]) ** 2).sum() / (patients * lesions * (repeats - 1))
    assert ms_lesion < ms_error < ms_patient
    fit = fit_mixed_model("y ~ 1 + (1 | patient/lesion)", data, bounded=False)
    expected = [(ms_patient - ms_lesion) / (lesions * repeats), (ms_lesion - ms_error) / repeats, ms_error]
    assert fit.variance_components["variance"].to_numpy() == pytest.approx(expected, rel=1e-7)
    assert "(1 | patient:lesion)" in fit.convergence.sentence
    modes = fit.random_effects
    # The patients' effects have a distribution, the lesions' have none.
    assert modes.loc[modes["group"] == "patient", "estimate"].notna().all()
    assert modes.loc[modes["group"] == "patient:lesion", ["estimate", "std_error"]].isna().all(axis=None)
    assert fit.variance_components["sd"].isna().tolist() == [False, True, False]


def test_inside_the_bounds_nothing_changes():
    rng = np.random.default_rng(2)
    week = np.tile([0.0, 4.0, 8.0, 12.0], 40)
    effects = rng.multivariate_normal([0, 0], [[4.0, 0.1], [0.1, 0.04]], size=40)
    patient = np.repeat(np.arange(40), 4)
    y = 3 + effects[patient, 0] + (0.5 + effects[patient, 1]) * week + rng.normal(size=160)
    data = pd.DataFrame({"y": y, "week": week, "patient": patient})
    for term in ("(1 + week | patient)", "(1 + week || patient)", "(1 | patient)"):
        formula = f"y ~ week + {term}"
        bounded, free = fit_mixed_model(formula, data), fit_mixed_model(formula, data, bounded=False)
        assert free.loglik == pytest.approx(bounded.loglik, rel=1e-12)
        numbers = ["estimate", "std_error", "df"]
        same = pytest.approx(bounded.coefficients[numbers].to_numpy(), rel=1e-5)  # df of two searches
        assert free.coefficients[numbers].to_numpy() == same
        assert free.random_effects["estimate"].to_numpy() == pytest.approx(
            bounded.random_effects["estimate"].to_numpy(), abs=1e-5
        )


def test_a_covariance_of_slopes_may_lie_below_zero():
    """Slopes that differ less than their errors would make them: the variance of slopes is negative, V is not."""
    rng = np.random.default_rng(8)
    week = np.tile([-1.0, 0.0, 1.0], 30)
    noise = rng.normal(size=(30, 3))
    noise -= (
        0.9 * (noise[:, [2]] - noise[:, [0]]) / 2 * np.array([[-1.0, 0.0, 1.0]])
    )  # hardly any slope is left
    y = np.repeat(rng.normal(0, 2, 30), 3) + noise.reshape(-1)
    data = pd.DataFrame({"y": y, "week": week, "patient": np.repeat(np.arange(30), 3)})
    free = fit_mixed_model("y ~ week + (1 + week || patient)", data, bounded=False)
    assert free.converged
    assert free.variance_components["variance"][1] < 0
    slopes = data.assign(part=data["y"] * data["week"]).groupby("patient")["part"].sum() / 2
    # The mean slope's test is a t test of the patients' slopes.
    row = free.coefficients.iloc[1]
    assert row["std_error"] == pytest.approx(slopes.std(ddof=1) / np.sqrt(30), rel=1e-7)
    test = stats.ttest_1samp(slopes, 0.0)
    assert row["df"] == pytest.approx(29, rel=1e-5)
    assert row["p_value"] == pytest.approx(test.pvalue, rel=1e-4)


def own_times(share: float, seed: int) -> pd.DataFrame:
    """Patients at times of their own, whose slopes' errors are smaller than independent errors would make them."""
    rng = np.random.default_rng(seed)
    rows = []
    for patient in range(40):
        week = np.sort(rng.uniform(0, 10, 5))
        noise = rng.normal(size=5)
        centred = week - week.mean()
        noise -= share * centred * (centred @ noise) / (centred @ centred)
        rows += [
            (patient, *pair) for pair in zip(week, 1 + 0.3 * week + 2 * rng.normal() + noise, strict=True)
        ]
    return pd.DataFrame(rows, columns=["patient", "week", "y"])


def test_slopes_at_times_of_their_own_have_the_dense_likelihood():
    data = own_times(0.12, seed=6)
    fit = fit_mixed_model("y ~ week + (1 + week | patient)", data, bounded=False)
    g, residual = fit.component_matrices
    assert below_zero(g)
    assert fit.information == "observed"
    log_determinant, xx, xy, yy = 0.0, np.zeros((2, 2)), np.zeros(2), 0.0
    for _, rows in data.groupby("patient"):
        z, y = np.column_stack([np.ones(len(rows)), rows["week"]]), rows["y"].to_numpy()
        v = z @ g @ z.T + residual[0, 0] * np.eye(len(rows))
        inverse = np.linalg.inv(v)
        log_determinant += np.linalg.slogdet(v)[1]
        xx, xy, yy = xx + z.T @ inverse @ z, xy + z.T @ inverse @ y, yy + y @ inverse @ y
    beta = np.linalg.solve(xx, xy)
    quadratic = yy - xy @ beta
    constant = (len(data) - 2) * np.log(2 * np.pi)
    deviance = log_determinant + np.linalg.slogdet(xx)[1] + quadratic + constant
    assert fit.loglik == pytest.approx(-deviance / 2, abs=1e-7)
    assert fit.coefficients["estimate"].to_numpy() == pytest.approx(beta, abs=1e-8)


def test_crossed_layout_gives_the_two_way_analysis_of_variance():
    rng = np.random.default_rng(5)
    y = rng.normal(size=(12, 1)) * 2 + rng.normal(size=(12, 5))
    y -= 0.8 * (y.mean(axis=0) - y.mean())  # raters differ less than their errors would make them
    error = y - y.mean(axis=1, keepdims=True) - y.mean(axis=0) + y.mean()
    ms_error = (error**2).sum() / (11 * 4)
    ms_patient, ms_rater = 5 * y.mean(axis=1).var(ddof=1), 12 * y.mean(axis=0).var(ddof=1)
    data = pd.DataFrame(
        {"y": y.reshape(-1), "patient": np.repeat(np.arange(12), 5), "rater": np.tile(np.arange(5), 12)}
    )
    fit = fit_mixed_model("y ~ 1 + (1 | patient) + (1 | rater)", data, bounded=False)
    expected = [(ms_patient - ms_error) / 5, (ms_rater - ms_error) / 12, ms_error]
    assert expected[1] < 0
    assert fit.variance_components["variance"].to_numpy() == pytest.approx(expected, rel=1e-6)


def test_where_the_covariance_becomes_singular_first_there_is_no_optimum():
    """Slopes without any error: the likelihood rises up to where V is singular, which is no estimate."""
    fit = fit_mixed_model("y ~ week + (1 + week | patient)", own_times(0.95, 0), bounded=False)
    assert not fit.converged
    assert "Do not use these numbers" in fit.convergence.sentence
    assert "Do not use these numbers" in str(fit)  # which shows what is not a number as that


def test_units_and_shifts_do_not_matter():
    data = repulsive(12, 4, 3)
    fit = fit_mixed_model("y ~ 1 + (1 | patient)", data, bounded=False)
    moved = fit_mixed_model("y ~ 1 + (1 | patient)", data.assign(y=1e6 * data["y"] + 1e8), bounded=False)
    assert moved.variance_components["variance"].to_numpy() == pytest.approx(
        1e12 * fit.variance_components["variance"].to_numpy(), rel=1e-7
    )


def test_without_random_effects_there_is_nothing_to_unbind():
    data = repulsive(12, 4, 3)
    formula = "y ~ 1 + us(visit | patient)"
    assert fit_mixed_model(formula, data, bounded=False).loglik == pytest.approx(
        fit_mixed_model(formula, data).loglik, rel=1e-14
    )


def test_the_structure_is_linear_in_its_elements():
    free, eta = Symmetric(("a", "b")), np.array([-1.0, 0.5, 2.0])
    elements = free.search(eta)
    assert elements.value.tolist() == eta.tolist()
    assert np.array_equal(elements.first, np.eye(3))
    assert not elements.second.any()
    assert free.parameter_names == Unstructured(("a", "b")).parameter_names
    alone = Symmetric(("a", "b"), correlated=False)
    assert alone.parameter_names == Diagonal(("a", "b")).parameter_names
    assert alone.natural(np.array([-1.0, 2.0])).value.tolist() == [-1.0, 0.0, 2.0]
    assert isinstance(without_bounds(Diagonal(("a",))), Symmetric)


def test_below_zero_is_more_than_rounding():
    assert below_zero(np.array([[-1.0]]))
    assert below_zero(np.array([[1.0, 2.0], [2.0, 1.0]]))  # a correlation of two
    assert not below_zero(np.array([[1.0, 1.0], [1.0, 1.0]]))
    assert not below_zero(np.zeros((2, 2)))
