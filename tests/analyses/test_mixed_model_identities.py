"""The engine against a dense textbook implementation, closed forms, finite differences and its own invariances."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from analyses.covariance import Correlated, Diagonal, Unstructured
from analyses.crossproducts import RandomDesign, ResidualDesign, accumulate, make_layout
from analyses.engine.direct_product import DirectProduct
from analyses.engine.pattern_products import PatternProducts
from analyses.likelihood import Likelihood
from analyses.mixed_model import fit_mixed_model
from analyses.mixed_model_fit import MixedModelFit

VISITS = ["Week 4", "Week 12", "Week 24"]


def trial(seed: int, patients: int = 18, lesions: int = 3, missing: float = 0.15) -> pd.DataFrame:
    """Several lesions of one patient over visits, arms by lesion, some visits missed."""
    rng = np.random.default_rng(seed)
    rows = []
    for patient in range(patients):
        level = rng.normal(0, 3)
        for lesion in range(lesions):
            own = rng.normal(0, 2)
            for at, visit in enumerate(VISITS):
                value = 20 + level + own + 2.5 * lesion + 1.5 * at + rng.normal(0, 1.5 + 0.4 * at)
                rows.append(
                    (
                        f"P{patient:02}",
                        f"L{lesion}",
                        "ABC"[lesion],
                        visit,
                        at,
                        5 + level / 4 + rng.normal(),
                        value,
                    )
                )
    data = pd.DataFrame(rows, columns=["patient", "lesion", "arm", "visit", "week", "baseline", "value"])
    data["visit"] = pd.Categorical(data["visit"], VISITS)
    data["arm"] = pd.Categorical(data["arm"], ["A", "B", "C"])
    return data[rng.random(len(data)) > missing].reset_index(drop=True)


def dense_covariance(fit: MixedModelFit) -> np.ndarray:
    """V of all rows, built row by row from the fit's component matrices and the data's own labels."""
    data, parts = fit.frame.data, fit.frame.formula
    n = len(data)
    v = np.zeros((n, n))
    for term, design, matrix in zip(parts.random, fit.frame.random, fit.component_matrices, strict=False):
        unit = data[list(term.subject)].astype(str).agg("|".join, axis=1).to_numpy()
        v += (design.z @ matrix @ design.z.T) * (unit[:, None] == unit[None, :])
    residual = fit.component_matrices[len(parts.random)]
    if parts.residual is None:
        return v + residual[0, 0] * np.eye(n)
    unit = data[list(parts.residual.subject)].astype(str).agg("|".join, axis=1).to_numpy()
    slot = np.zeros(n, dtype=int)
    for factor in parts.residual.factors:
        levels = list(data[factor.coordinate].cat.categories)
        slot = slot * len(levels) + data[factor.coordinate].map(
            {x: i for i, x in enumerate(levels)}
        ).to_numpy(int)
    return v + residual[np.ix_(slot, slot)] * (unit[:, None] == unit[None, :])


def dense_loglik(fit: MixedModelFit) -> tuple[float, np.ndarray, np.ndarray]:
    """Restricted log-likelihood, estimates and their covariance by the textbook's n x n formulas."""
    v, x, y = dense_covariance(fit), fit.frame.x[:, fit.standard.kept], fit.frame.y
    inverse = np.linalg.inv(v)
    information = x.T @ inverse @ x
    beta = np.linalg.solve(information, x.T @ inverse @ y)
    rest = y - x @ beta
    loglik = -0.5 * (
        np.linalg.slogdet(v)[1] + rest @ inverse @ rest + (len(y) - x.shape[1] * fit.reml) * np.log(2 * np.pi)
    )
    if fit.reml:
        loglik -= 0.5 * np.linalg.slogdet(information)[1]
    return loglik, beta, np.linalg.inv(information)


FORMULAS = [
    "value ~ arm * visit + baseline + (1 | patient/lesion)",
    "value ~ arm + week + (1 + week | patient) + (1 | patient:lesion)",
    "value ~ arm + week + (1 + week || patient)",
    "value ~ arm * visit + us(visit | patient:lesion)",
    "value ~ arm * visit + (0 + visit | patient) + us(visit | patient:lesion)",
    "value ~ arm * visit + us(arm | patient) @ us(visit)",
    "value ~ arm * visit + us(arm | patient) @ ar1(visit)",
    "value ~ arm * visit + cs(arm | patient) @ toep(visit)",
    "value ~ arm * visit + (1 | patient) + csh(visit | patient:lesion)",
]


@pytest.mark.parametrize("reml", [True, False], ids=["REML", "ML"])
@pytest.mark.parametrize("formula", FORMULAS)
def test_a_dense_textbook_implementation_agrees(formula, reml):
    fit = fit_mixed_model(formula, trial(1), reml=reml)
    loglik, beta, covariance = dense_loglik(fit)
    assert fit.converged
    # 1e-9: both sum about 150 rows in double precision; the dense one inverts a 150 x 150 matrix
    assert fit.loglik == pytest.approx(loglik, rel=1e-9)
    np.testing.assert_allclose(fit.beta, beta, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(fit.vcov_model, covariance, rtol=1e-7, atol=1e-10)


@pytest.mark.parametrize("formula", FORMULAS)
def test_nothing_near_the_optimum_is_better(formula):
    """An optimum by definition: every small step of every covariance parameter lowers the dense likelihood."""
    fit = fit_mixed_model(formula, trial(1))
    best = dense_loglik(fit)[0]
    from dataclasses import replace

    for scale in (0.97, 1.03):
        for at in range(len(fit.component_matrices)):
            matrices = list(fit.component_matrices)
            if np.trace(matrices[at]) < 1e-6:
                continue
            matrices[at] = matrices[at] * scale
            assert dense_loglik(replace(fit, component_matrices=tuple(matrices)))[0] < best


STRUCTURES = [
    Unstructured(("a", "b", "c")),
    Diagonal(("a", "b", "c")),
    *(
        Correlated(family, h, ("a", "b", "c", "d"))
        for family in ("cs", "ar1", "toep", "ad")
        for h in (False, True)
    ),
    Correlated("sp_exp", False, ("1", "4", "6"), (1.0, 4.0, 6.0)),
    DirectProduct(Unstructured(("a", "b")), Correlated("ar1", True, ("x", "y", "z"))),
    DirectProduct(Correlated("cs", False, ("a", "b")), Unstructured(("x", "y", "z"))),
]


@pytest.mark.parametrize(
    "structure", STRUCTURES, ids=lambda s: f"{type(s).__name__}-{getattr(s, 'family', '')}"
)
@pytest.mark.parametrize("coordinates", ["search", "natural"])
def test_derivatives_of_structures_are_finite_differences(structure, coordinates):
    rng = np.random.default_rng(3)
    raw = rng.normal(size=(structure.size, structure.size))
    theta = structure.start(raw @ raw.T / structure.size + np.eye(structure.size))
    point = theta if coordinates == "search" else structure.natural_values(theta)
    evaluate = getattr(structure, coordinates)
    here, step = evaluate(point), 1e-6
    np.testing.assert_allclose(
        structure.natural(structure.natural_values(theta)).value, structure.search(theta).value, rtol=1e-12
    )
    for h in range(structure.n_parameters):
        shift = np.eye(structure.n_parameters)[h] * step
        up, down = evaluate(point + shift), evaluate(point - shift)
        # central differences of step 1e-6 are right to about 1e-9 of the values, of order one
        np.testing.assert_allclose(here.first[:, h], (up.value - down.value) / (2 * step), atol=1e-7)
        np.testing.assert_allclose(here.second[:, :, h], (up.first - down.first) / (2 * step), atol=1e-7)
    assert len(structure.parameter_names) == structure.n_parameters


@pytest.mark.parametrize("reml", [True, False], ids=["REML", "ML"])
def test_gradient_and_hessian_are_finite_differences(reml):
    """On patterns with missing slots, random effects beside an unstructured residual, away from the optimum."""
    rng = np.random.default_rng(11)
    n, m = 90, 3
    patient, slot = np.repeat(np.arange(n // m), m), np.tile(np.arange(m), n // m)
    keep = rng.random(n) > 0.2
    patient, slot = patient[keep], slot[keep]
    w = rng.normal(size=(len(patient), 4))
    random = [RandomDesign(np.column_stack([np.ones(len(patient)), slot.astype(float)]), patient)]
    layout = make_layout(random, ResidualDesign(slot, patient, np.zeros_like(slot), m, 1))
    likelihood = Likelihood(PatternProducts(accumulate(layout, w)), w.shape[1] - 1, reml)
    structures = [Unstructured(("1", "week")), Unstructured(("a", "b", "c"))]
    from analyses.engine.covariance_model import Component, CovarianceModel

    model = CovarianceModel(tuple(Component(str(i), s, bool(i)) for i, s in enumerate(structures)))
    theta = np.concatenate([[0.5, 0.1, 0.4], [1.0, 0.3, 0.9, -0.2, 0.1, 1.1]])

    def evaluate(point: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        elements = model.search(point)
        at = likelihood.profile(elements.value)
        assert at is not None
        found = likelihood.derivatives(at, elements)
        return at.deviance, found.gradient, found.hessian

    _, gradient, hessian = evaluate(theta)
    step = 1e-5
    for h in range(len(theta)):
        shift = np.eye(len(theta))[h] * step
        up, down = evaluate(theta + shift), evaluate(theta - shift)
        # deviance about 200, rounding 1e-14 of it over 1e-5: about 1e-7
        assert gradient[h] == pytest.approx((up[0] - down[0]) / (2 * step), rel=1e-6, abs=1e-6)
        np.testing.assert_allclose(hessian[:, h], (up[1] - down[1]) / (2 * step), rtol=1e-6, atol=1e-6)


def test_unstructured_over_two_arms_is_the_paired_t_test():
    data = trial(5, lesions=2, missing=0)
    at_last = data[data["visit"] == "Week 24"].copy()
    at_last["arm"] = at_last["arm"].cat.remove_unused_categories()
    wide = at_last.pivot(index="patient", columns="arm", values="value")
    paired = stats.ttest_rel(wide["B"], wide["A"])
    for method in ("satterthwaite", "kenward-roger-linear"):
        row = fit_mixed_model("value ~ arm + us(arm | patient)", at_last, df_method=method).coefficients.iloc[
            1
        ]
        # closed form: the same number but for rounding
        assert row["statistic"] == pytest.approx(paired.statistic, rel=1e-9)
        assert row["df"] == pytest.approx(paired.df, rel=1e-7)
        assert row["p_value"] == pytest.approx(paired.pvalue, rel=1e-7)


def test_separate_variances_by_arm_are_welchs_t_test():
    rng = np.random.default_rng(2)
    data = pd.DataFrame(
        {"arm": ["A"] * 12 + ["B"] * 19, "patient": [f"P{i}" for i in range(31)], "visit": "last"}
    )
    data["value"] = rng.normal(0, np.where(data["arm"] == "A", 1.0, 4.0))
    welch = stats.ttest_ind(
        data.query("arm == 'B'")["value"], data.query("arm == 'A'")["value"], equal_var=False
    )
    row = fit_mixed_model(
        "value ~ arm + us(visit | arm / patient)", data, df_method="satterthwaite"
    ).coefficients.iloc[1]
    assert row["statistic"] == pytest.approx(welch.statistic, rel=1e-9)
    assert row["df"] == pytest.approx(welch.df, rel=1e-7)


def test_balanced_nested_intercepts_are_the_textbooks_analysis_of_variance():
    """Variance components and F denominators of a balanced design by mean squares."""
    data = trial(8, patients=25, missing=0)
    table = data.groupby(["patient", "lesion"])["value"].mean().unstack()
    between_patients = len(VISITS) * table.shape[1] * table.mean(axis=1).var(ddof=1)
    centred = table.sub(table.mean(axis=1), axis=0) - (table.mean(axis=0) - table.to_numpy().mean())
    lesion_df = (table.shape[0] - 1) * (table.shape[1] - 1)
    between_lesions = len(VISITS) * (centred.to_numpy() ** 2).sum() / lesion_df
    fit = fit_mixed_model("value ~ arm * visit + (1 | patient/lesion)", data, df_method="satterthwaite")
    variances = fit.variance_components["variance"].to_numpy()
    cells = data.groupby(["arm", "visit"], observed=True)["value"].transform("mean")
    lesion = data.groupby(["patient", "lesion"])["value"].transform("mean")
    arm = data.groupby("arm", observed=True)["value"].transform("mean")
    residual_df = len(data) - 9 - (len(table) - 1) - lesion_df
    within = ((data["value"] - cells - lesion + arm) ** 2).sum() / residual_df
    assert variances[2] == pytest.approx(within, rel=1e-7)
    assert variances[1] == pytest.approx((between_lesions - within) / len(VISITS), rel=1e-7)
    assert variances[0] == pytest.approx((between_patients - between_lesions) / (len(VISITS) * 3), rel=1e-7)
    # arms averaged over visits are compared against the lesions' mean square
    average = np.zeros(9)
    average[1], average[[5, 7]] = 1.0, 1 / 3
    names = list(fit.term_names)
    average = np.zeros(9)
    average[names.index("arm[T.B]")] = 1.0
    for visit in VISITS[1:]:
        average[names.index(f"arm[T.B]:visit[T.{visit}]")] = 1 / 3
    assert fit.test(average)["df"].iloc[0] == pytest.approx(lesion_df, rel=1e-6)


FORMULA = "value ~ baseline + arm * visit + (1 | patient) + ar1(visit | patient:lesion)"


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_the_order_of_rows_and_the_labels_of_units_do_not_matter(seed):
    data, rng = trial(4), np.random.default_rng(seed)
    fit = fit_mixed_model(FORMULA, data)
    names = dict(zip(sorted(data["patient"].unique()), rng.permutation(1000), strict=False))
    other = data.sample(frac=1, random_state=int(rng.integers(2**31))).assign(
        patient=lambda d: d["patient"].map(names)
    )
    again = fit_mixed_model(FORMULA, other)
    # another order of summation: rounding, amplified by the condition of the problem
    assert again.loglik == pytest.approx(fit.loglik, rel=1e-10)
    np.testing.assert_allclose(
        again.coefficients.iloc[:, 1:], fit.coefficients.iloc[:, 1:], rtol=1e-6, atol=1e-9
    )


@settings(max_examples=10, deadline=None)
@given(scale=st.sampled_from([1e-6, 1e-3, 1.0, 1e6]), shift=st.sampled_from([0.0, 1e8]))
def test_scaling_and_shifting_the_outcome_loses_nothing(scale, shift):
    data = trial(4)
    fit = fit_mixed_model(FORMULA, data)
    moved = fit_mixed_model(FORMULA, data.assign(value=data["value"] * scale + shift))
    # an outcome of 1e8 is itself stored to 1.5e-8, which is 1e-8 of its spread of about one times scale
    lost = 1e-7 + 2e-8 * shift / 1e8 / min(scale, 1.0) * 10
    if scale < 1e-2 and shift:
        return  # the digits were lost before the model saw them
    before, after = fit.coefficients.iloc[1:], moved.coefficients.iloc[1:]
    np.testing.assert_allclose(after["estimate"], before["estimate"] * scale, rtol=lost, atol=lost * scale)
    np.testing.assert_allclose(after["std_error"], before["std_error"] * scale, rtol=lost)
    np.testing.assert_allclose(after["df"], before["df"], rtol=10 * lost)


def test_centring_and_scaling_a_covariate_leaves_the_arms_alone():
    data = trial(4)
    fit = fit_mixed_model(FORMULA, data)
    moved = fit_mixed_model(FORMULA, data.assign(baseline=1e6 + 1e3 * data["baseline"]))
    rows = [at for at, name in enumerate(fit.term_names) if "arm" in name]
    np.testing.assert_allclose(
        moved.coefficients.iloc[rows, 1:], fit.coefficients.iloc[rows, 1:], rtol=1e-6, atol=1e-9
    )


def test_weights_divide_the_residual_covariance():
    rng = np.random.default_rng(0)
    data = trial(9, lesions=2).assign(weight=lambda d: rng.choice([1.0, 2.5], len(d)))
    fit = fit_mixed_model("value ~ arm + baseline + us(visit | patient:lesion)", data, weights="weight")
    root = np.sqrt(fit.frame.weights)
    v = dense_covariance(fit) / np.outer(root, root)
    x = fit.frame.x
    information = x.T @ np.linalg.solve(v, x)
    np.testing.assert_allclose(
        fit.beta, np.linalg.solve(information, x.T @ np.linalg.solve(v, fit.frame.y)), rtol=1e-8
    )
    np.testing.assert_allclose(fit.vcov_model, np.linalg.inv(information), rtol=1e-8, atol=1e-12)


def test_a_variance_of_zero_is_an_answer_and_does_not_turn_lesions_into_patients():
    """Patients alike: their variance is estimated as zero, the fit says so, and arms keep the df of pairs."""
    rng = np.random.default_rng(12)
    data = trial(3, patients=20, missing=0)
    lesion = data.groupby(["patient", "lesion"]).ngroup().to_numpy()
    data["value"] = rng.normal(0, 2, 60)[lesion] + rng.normal(size=len(data))
    data["value"] -= data.groupby("patient")["value"].transform("mean")
    fit = fit_mixed_model("value ~ arm + (1 | patient/lesion)", data, df_method="satterthwaite")
    assert fit.converged
    assert any("(1 | patient)" in name for name in fit.convergence.boundary)
    assert "boundary" in fit.convergence.sentence
    assert fit.information == "expected"
    assert fit.variance_components["variance"].iloc[0] == pytest.approx(0, abs=1e-9)
    # closed forms of the balanced design: lesions within patients, (20 - 1)(3 - 1), not 60 lesions less 3 arms
    assert fit.coefficients["df"].iloc[1] == pytest.approx(38, rel=1e-6)
    reduced = fit_mixed_model("value ~ arm + (1 | patient:lesion)", data, df_method="satterthwaite")
    assert reduced.coefficients["df"].iloc[1] == pytest.approx(57, rel=1e-6)
    # the other components stay as if the term were not there
    rest = fit.variance_components["variance"].iloc[1:]
    np.testing.assert_allclose(rest, reduced.variance_components["variance"], rtol=1e-6)


def test_residuals_are_whitened_by_their_covariance():
    fit = fit_mixed_model("value ~ arm * visit + (1 | patient/lesion)", trial(7))
    v = dense_covariance(fit)
    raw = fit.residuals("raw")
    np.testing.assert_allclose(raw, fit.frame.y - fit.fitted, atol=1e-9)
    np.testing.assert_allclose(fit.residuals("pearson"), raw / np.sqrt(np.diag(v)), rtol=1e-9)
    # whatever the square root, the squared length is r' V^-1 r
    normalised = fit.residuals("normalised")
    assert normalised @ normalised == pytest.approx(raw @ np.linalg.solve(v, raw), rel=1e-8)


def test_one_step_of_scoring_ends_the_search_of_balanced_data():
    rng = np.random.default_rng(61)
    patient, lesion, visit = (
        axis.reshape(-1) for axis in np.meshgrid(range(12), range(3), range(4), indexing="ij")
    )
    effects = rng.normal(0, 2, 12)[patient] + rng.normal(0, 1, 36)[3 * patient + lesion]
    data = pd.DataFrame({"patient": patient, "lesion": lesion, "visit": visit, "week": 4.0 * visit})
    data["value"] = effects + rng.normal(0, 0.5, 12)[patient] * visit + rng.normal(size=len(data))
    for formula in (
        "value ~ week + (1 | patient/lesion)",
        "value ~ week + (1 + week | patient)",
        "value ~ C(visit) + us(visit | patient:lesion)",
    ):
        fit = fit_mixed_model(formula, data)
        assert fit.convergence.iterations == 1
        # Newton's method, had it been let go on, would move the deviance by rounding only.
        assert fit.convergence.gradient < 1e-7
    for unit in (1e-6, 1e6):
        scaled = fit_mixed_model("value ~ week + (1 + week | patient)", data.assign(week=unit * data["week"]))
        assert scaled.convergence.iterations == 1


def test_scoring_is_left_out_where_it_does_not_help():
    rng = np.random.default_rng(62)
    data = pd.DataFrame({"patient": np.repeat(range(15), 4), "visit": np.tile(range(4), 15)})
    data["value"] = rng.normal(size=60) - 0.9 * np.repeat(rng.normal(size=30), 2) * np.tile([1, -1], 30)
    boundary = fit_mixed_model("value ~ 1 + (1 | patient)", data)
    assert boundary.converged
    assert boundary.convergence.boundary
    curved = fit_mixed_model("value ~ 1 + ar1h(visit | patient)", data)
    assert curved.converged
