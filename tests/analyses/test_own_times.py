"""Clusters taken one by one give the answers of patterns of clusters, and of matrices of all rows."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

import analyses.design.model_frame
from analyses import fit_mixed_model, mixed_model
from analyses.crossproducts import Layout, RandomDesign, ResidualDesign, accumulate, make_layout
from analyses.engine.batched_products import BatchedProducts, batch
from analyses.engine.cluster_products import ClusterProducts
from analyses.engine.direct_products import DirectProducts, direct
from analyses.engine.own_patterns import choose_layout, own_layout
from analyses.engine.pattern_products import PatternProducts
from analyses.mixed_model_fit import MixedModelFit
from outcomes.errors import FormulaError, ModelError

EXACT = (
    1e-9  # two ways of summing the same numbers; conditioning of a Newton step costs some digits of sixteen
)


def own_times(patients: int = 45, visits: int = 5, seed: int = 1, missing: float = 0.25) -> pd.DataFrame:
    """Straight lines of patients at weeks of their own; some are seen once only."""
    rng = np.random.default_rng(seed)
    patient, visit = np.repeat(np.arange(patients), visits), np.tile(np.arange(visits), patients)
    week = 4.0 * visit + rng.uniform(-1.5, 1.5, len(visit))
    arm = rng.permutation(patients) % 3
    effects = rng.multivariate_normal([0, 0], [[36, 1.2], [1.2, 0.25]], patients)
    y = 20 + arm[patient] + 0.3 * arm[patient] * week + effects[patient, 0] + effects[patient, 1] * week
    data = pd.DataFrame(
        {
            "patient": [f"P{one}" for one in patient],
            "arm": pd.Categorical.from_codes(arm[patient], ["A", "B", "C"]),
            "visit": visit,
            "week": week,
            "lesion": visit % 2,
            "rater": rng.integers(0, 4, len(visit)),
            "area": rng.uniform(0.5, 2.0, len(visit)),
            "y": y + rng.normal(0, 3, len(visit)),
            "noise": rng.normal(size=len(visit)),
        }
    )
    kept = rng.random(len(data)) >= missing
    kept[1:visits] = False  # a patient with one row
    return data[kept].sample(frac=1, random_state=2).reset_index(drop=True)


@pytest.fixture
def forced(monkeypatch) -> Callable[[str], None]:
    def force(form: str) -> None:
        layouts = {"patterns": make_layout, "own": own_layout}
        monkeypatch.setattr(
            mixed_model, "choose_layout", lambda random, residual, *_: layouts[form](random, residual)
        )

    return force


def fit_both(
    forced, formula: str, data: pd.DataFrame, **options: object
) -> tuple[MixedModelFit, MixedModelFit]:
    fits = []
    for form in ("patterns", "own"):
        forced(form)
        fits.append(fit_mixed_model(formula, data, **options))
    assert fits[0].layout.own is None
    assert fits[1].layout.own is not None
    return fits[0], fits[1]


def assert_same(one: MixedModelFit, other: MixedModelFit, tolerance: float = EXACT) -> None:
    assert one.loglik == pytest.approx(other.loglik, rel=tolerance)
    for name in ("estimate", "std_error", "df"):
        np.testing.assert_allclose(other.coefficients[name], one.coefficients[name], rtol=tolerance)
    parameters = one.covariance_parameters["estimate"].abs().max()
    for name in ("estimate", "std_error"):
        np.testing.assert_allclose(
            other.covariance_parameters[name],
            one.covariance_parameters[name],
            rtol=tolerance,
            atol=tolerance * parameters,
        )
    assert one.convergence.boundary == other.convergence.boundary


LINE = "y ~ arm * week + (1 + week | patient)"


@pytest.mark.parametrize("information", ["observed", "expected"])
@pytest.mark.parametrize("reml", [True, False])
@pytest.mark.parametrize("method", ["kenward-roger", "kenward-roger-linear", "satterthwaite"])
def test_inference_is_that_of_patterns(forced, method, reml, information):
    assert_same(*fit_both(forced, LINE, own_times(), df_method=method, reml=reml, information=information))


@pytest.mark.parametrize(
    ("terms", "form"),
    [
        ("(1 + week || patient)", BatchedProducts),
        ("(1 | patient) + (0 + week | patient)", BatchedProducts),
        ("(1 + week | patient/lesion)", BatchedProducts),
        ("(1 + week | patient) + (1 | rater)", BatchedProducts),
        ("(1 + week | patient) + (1 | patient:lesion) + (1 | rater)", BatchedProducts),
        ("(1 + week | patient) + ar1(visit | patient)", DirectProducts),
        ("(0 + week | patient) + csh(visit | arm / patient)", DirectProducts),
        ("(1 | patient) + cs(visit | patient:lesion)", DirectProducts),
        ("us(visit | patient)", DirectProducts),
        ("sp_exp(week | patient)", DirectProducts),
        ("(0 + week | patient) + sp_exp(week | arm / patient)", DirectProducts),
    ],
)
def test_every_kind_of_model_is_that_of_patterns(forced, terms, form):
    one, other = fit_both(forced, f"y ~ arm * week + {terms}", own_times(), weights="area")
    products = mixed_model.make_products(other.layout, other.standard.w)
    assert isinstance(products, form)
    # at a boundary Newton's steps shorten, and the last one leaves a little more
    assert_same(one, other, 1e-6 if one.convergence.boundary else EXACT)


def test_the_boundary_and_variances_below_zero_are_those_of_patterns(forced):
    data = own_times()
    flat = fit_both(forced, "noise ~ arm * week + (1 + week | patient)", data)
    assert flat[0].convergence.boundary
    assert_same(*flat, 1e-6)
    below = fit_both(forced, "noise ~ arm * week + (1 | patient) + (0 + week | patient)", data, bounded=False)
    assert min(matrix[0, 0] for matrix in below[1].component_matrices) < 0
    assert_same(*below)


@pytest.mark.parametrize("vcov", ["CR0", "CR2", "CR3"])
@pytest.mark.parametrize("terms", ["(1 + week | patient)", "(1 + week | patient) + ar1(visit | patient)"])
def test_sandwiches_are_those_of_patterns(forced, terms, vcov):
    one, other = fit_both(forced, f"y ~ arm * week + {terms}", own_times(), weights="area", vcov=vcov)
    np.testing.assert_allclose(other.coefficients["std_error"], one.coefficients["std_error"], rtol=EXACT)
    np.testing.assert_allclose(other.coefficients["df"], one.coefficients["df"], rtol=EXACT)


@pytest.mark.parametrize("terms", ["(1 + week | patient)", "(1 + week | patient) + (1 | patient:lesion)"])
def test_modes_residuals_and_draws_are_those_of_patterns(forced, terms):
    one, other = fit_both(forced, f"y ~ arm * week + {terms}", own_times(), weights="area")
    for column in ("estimate", "std_error"):
        np.testing.assert_allclose(
            other.random_effects[column], one.random_effects[column], rtol=1e-7, atol=1e-9
        )
    assert other.random_effects["unit"].tolist() == one.random_effects["unit"].tolist()
    np.testing.assert_allclose(other.residuals("pearson"), one.residuals("pearson"), rtol=1e-8, atol=1e-10)
    whole = (other.residuals("normalised") ** 2).sum()
    assert whole == pytest.approx((one.residuals("normalised") ** 2).sum(), rel=EXACT)
    draw = other.simulate(np.random.default_rng(4))
    assert draw.shape == (other.n_obs,)


def small(ratio: float) -> tuple[np.ndarray, list[RandomDesign], ResidualDesign, np.ndarray]:
    """Columns, designs and elements of a dozen clusters of one to six rows, G in units of the residual variance."""
    rng = np.random.default_rng(6)
    patient = np.repeat(np.arange(12), np.tile(np.arange(1, 7), 2))
    week = rng.uniform(-1, 1, len(patient))
    w = np.column_stack([np.ones(len(patient)), week, rng.normal(size=(len(patient), 2))])
    none = np.zeros(len(patient), dtype=np.intp)
    random = [RandomDesign(np.column_stack([np.ones(len(patient)), week]), patient)]
    residual = ResidualDesign(none, np.arange(len(patient)), none, 1, 1)
    return w, random, residual, np.array([1.0 * ratio, 0.3 * ratio, 0.5 * ratio, 1.0])


@pytest.mark.parametrize("form", [batch, direct])
def test_answers_are_those_of_matrices_of_all_rows(form: Callable[[Layout, np.ndarray], ClusterProducts]):
    w, random, residual, elements = small(2.0)
    products = form(own_layout(random, residual), w)
    z, patient = random[0].z, random[0].subject
    same = (patient[:, None] == patient).astype(float)
    a, b = np.outer(z[:, 0], z[:, 0]), np.outer(z[:, 1], z[:, 1])
    c = np.outer(z[:, 0], z[:, 1])
    slopes = np.stack([a * same, (c + c.T) * same, b * same, np.eye(len(w))])
    v = np.tensordot(elements, slopes, axes=1)
    inverse = np.linalg.inv(v)
    rng = np.random.default_rng(1)
    directions = rng.normal(size=(4, 3))
    turned = np.tensordot(directions.T, slopes, axes=1)
    half = rng.normal(size=(2, 4, 4))
    weights = half @ half.transpose(0, 2, 1)
    at = products.whiten(elements)
    assert at is not None
    near = {"rtol": 1e-11, "atol": 1e-11}  # rounding of sums of some 40 terms
    assert at.log_determinant == pytest.approx(np.linalg.slogdet(v)[1], rel=1e-12)
    np.testing.assert_allclose(at.totals, w.T @ inverse @ w, **near)
    found = products.differentiate(at, directions, weights)
    ad = inverse @ turned
    np.testing.assert_allclose(found.weighted, w.T @ ad @ inverse @ w, **near)
    np.testing.assert_allclose(products.weighted(at, directions), found.weighted, **near)
    np.testing.assert_allclose(found.pair_traces, np.einsum("hst,gts->hg", ad, ad), **near)
    q = np.einsum("ap,hab,gbc,cd,dq->hgpq", w, ad, ad, inverse, w, optimize=True)
    np.testing.assert_allclose(found.quadratic, np.einsum("kpq,hgqp->khg", weights, q), **near)
    traces = np.einsum("st,ets->e", inverse, slopes)
    score = traces - np.einsum("pq,eqp->e", weights[0], w.T @ inverse @ slopes @ inverse @ w)
    np.testing.assert_allclose(found.score, score, **near)
    spread = np.array([[1.0, 0.2, 0.1], [0.2, -0.5, 0.3], [0.1, 0.3, 0.7]])  # symmetric, of no definite sign
    np.testing.assert_allclose(
        products.second_order(at, directions, spread), np.einsum("hg,hgpq->pq", spread, q), **near
    )
    for block, own in zip(products.layout.blocks, products.inverses(at), strict=True):
        for rows, one in zip(block.rows, own, strict=True):
            np.testing.assert_allclose(one, inverse[np.ix_(rows, rows)], **near)
    sums, counts = products.response_moments(1)
    assert sums[0] == pytest.approx(float((w[:, -1] ** 2).sum()), rel=1e-12)
    assert counts[0] == len(w)
    assert products.whiten(np.array([1.0, 0.0, 1.0, 0.0])) is None
    assert products.whiten(np.array([1.0, 0.0, np.nan, 1.0])) is None


@pytest.mark.parametrize("ratio", [0.0, 1e-8, 1e4, 1e8, 1e14])
def test_reduced_clusters_lose_no_digit_where_effects_are_large(ratio):
    """Against a singular value decomposition of every cluster's ``Z G^1/2``."""
    w, random, residual, elements = small(ratio)
    products = batch(own_layout(random, residual), w)
    at = products.whiten(elements)
    assert at is not None
    patient, z = random[0].subject, random[0].z
    expected, logs = np.zeros((w.shape[1], w.shape[1])), 0.0
    g = np.array([[elements[0], elements[1]], [elements[1], elements[2]]])
    for one in range(12):
        basis, values, _ = np.linalg.svd(z[patient == one] @ np.linalg.cholesky(g + 1e-300 * np.eye(2)))
        turned = basis.T @ w[patient == one]
        spectrum = np.ones(len(turned))
        spectrum[: len(values)] += values**2
        expected += (turned / spectrum[:, None]).T @ turned
        logs += float(np.log(spectrum).sum())
    # a spectral decomposition has no cancellation either; 1e-12 is its own rounding
    np.testing.assert_allclose(at.totals, expected, rtol=1e-12, atol=1e-12)
    assert at.log_determinant == pytest.approx(logs, rel=1e-12)


def test_patterns_are_kept_where_clusters_repeat():
    data = own_times(60, missing=0.0)
    scheduled = data.assign(week=4.0 * data["visit"])
    assert fit_mixed_model(LINE, scheduled).layout.own is None
    assert fit_mixed_model(LINE, data).layout.own is not None
    w, random, residual, _ = small(1.0)
    assert isinstance(PatternProducts(accumulate(make_layout(random, residual), w)), PatternProducts)
    assert choose_layout(random, residual, w.shape[1]).own is not None


@pytest.mark.parametrize("unit", [1e-6, 7.0, 1e6])
def test_the_unit_of_time_changes_nothing(unit):
    data = own_times()
    one, other = (fit_mixed_model(LINE, data.assign(week=data["week"] * scale)) for scale in (1.0, unit))
    assert one.convergence.boundary == other.convergence.boundary == ()
    np.testing.assert_allclose(other.coefficients["statistic"], one.coefficients["statistic"], rtol=1e-7)
    np.testing.assert_allclose(other.coefficients["df"], one.coefficients["df"], rtol=1e-6)
    scaled = other.component_matrices[0] * np.outer([1, unit], [1, unit])
    np.testing.assert_allclose(scaled, one.component_matrices[0], rtol=1e-7)


def test_the_origin_of_time_changes_no_slope():
    data = own_times()
    one, other = (fit_mixed_model(LINE, data.assign(week=data["week"] + shift)) for shift in (0.0, 2000.0))
    assert other.convergence.boundary == ()
    assert other.loglik == pytest.approx(one.loglik, rel=1e-9)
    rows = ["week", "arm[T.B]:week"]
    table = [
        fit.coefficients.set_index("term").loc[rows, ["estimate", "std_error", "df"]] for fit in (one, other)
    ]
    np.testing.assert_allclose(table[1], table[0], rtol=1e-5)  # columns alike to 1e-5 of their size


def test_an_origin_of_time_far_from_the_data_is_refused():
    data = own_times().assign(week=lambda d: d["week"] + 45_000)
    with pytest.raises(ModelError, match="start near the data"):
        fit_mixed_model(LINE, data)


def test_a_covariance_by_distance_is_that_over_levels(monkeypatch):
    data = own_times(30)
    formula = "y ~ arm * week + sp_exp(week | patient)"
    by_distance = fit_mixed_model(formula, data)
    monkeypatch.setattr(analyses.design.model_frame, "MANY_TIMES", 10_000)
    over_levels = fit_mixed_model(formula, data)
    assert_same(by_distance, over_levels)
    times = [float(label) for label in over_levels.covariance.columns[:5]]
    np.testing.assert_allclose(
        by_distance.covariance_at(times), over_levels.covariance.iloc[:5, :5], rtol=1e-9
    )
    np.testing.assert_allclose(over_levels.covariance_at(times), by_distance.covariance_at(times), rtol=1e-9)
    assert by_distance.covariance.shape == (12, 12)
    assert by_distance.variance_components["variance"].tolist() == pytest.approx(
        [by_distance.covariance.iloc[0, 0]]
    )
    assert by_distance.simulate(np.random.default_rng(1), 3).shape == (3, by_distance.n_obs)
    with pytest.raises(ModelError, match="finite numbers"):
        by_distance.covariance_at([np.nan])
    with pytest.raises(ModelError, match="a function of time"):
        fit_mixed_model(LINE, data).covariance_at([0.0])


@pytest.mark.parametrize("true_range", [0.5, 6.0, 60.0])
def test_the_range_of_serial_correlation_is_found_from_far(true_range):
    """Ranges below, within and beyond the distances observed: the truth within three standard errors of its log."""
    rng = np.random.default_rng(5)
    week = np.sort(rng.uniform(0, 24, (150, 5)), axis=1)
    covariance = 9 * np.exp(-np.abs(week[:, :, None] - week[:, None, :]) / true_range)
    y = (np.linalg.cholesky(covariance) @ rng.normal(size=(150, 5, 1))).reshape(-1)
    data = pd.DataFrame({"patient": np.repeat(np.arange(150), 5), "week": week.reshape(-1), "y": y})
    fit = fit_mixed_model("y ~ 1 + sp_exp(week | patient)", data)
    assert fit.converged
    row = fit.covariance_parameters.iloc[1]
    assert abs(np.log(row["estimate"] / true_range)) < 3 * row["std_error"] / row["estimate"]


@pytest.mark.parametrize("scheduled", [True, False])
def test_a_range_of_zero_is_said(scheduled):
    """Neighbours of opposite sign: no range above zero fits."""
    rng = np.random.default_rng(3)
    week = np.tile(np.arange(6.0), 40) + (0.0 if scheduled else rng.uniform(-0.1, 0.1, 240))
    y = np.tile([1.0, -1.0], 120) * rng.normal(2, 0.5, 240) * np.repeat(rng.choice([-1, 1], 40), 6)
    data = pd.DataFrame({"patient": np.repeat(range(40), 6), "week": week, "y": y})
    fit = fit_mixed_model("y ~ 1 + sp_exp(week | patient)", data, df_method="asymptotic")
    assert fit.converged
    assert fit.convergence.boundary == ("sp_exp(week | patient): range",)
    # the likelihood of independent residuals of one variance
    n, variance = len(data), data["y"].var(ddof=1)
    plain = -0.5 * ((n - 1) * (np.log(2 * np.pi * variance) + 1) + np.log(n))
    assert fit.loglik == pytest.approx(plain, abs=1e-4)


@pytest.mark.parametrize(
    ("change", "formula", "error", "says"),
    [
        ({"week": np.nan}, LINE, ModelError, "no row has every model variable"),
        (
            {"week": np.inf},
            "y ~ arm + (1 + week | patient)",
            ModelError,
            "random term has a value that is not finite",
        ),
        ({"week": np.inf}, "y ~ arm + sp_exp(week | patient)", ModelError, "finite times"),
        (
            {"day": pd.Timestamp("2024-01-01")},
            "y ~ arm + (1 + day | patient)",
            FormulaError,
            "random term cannot",
        ),
        ({"week": "text"}, "y ~ arm + (1 + week | patient)", ModelError, "number stored as text"),
    ],
)
def test_times_that_cannot_be_used(change, formula, error, says):
    data = own_times()
    for name, value in change.items():
        data[name] = data["week"].astype(str) if value == "text" else value
    with pytest.raises(error, match=says):
        fit_mixed_model(formula, data)


def test_one_row_a_patient():
    data = own_times().groupby("patient").head(1)
    with pytest.raises(ModelError, match="two times"):
        fit_mixed_model("y ~ arm + sp_exp(week | patient)", data)
    fit = fit_mixed_model("y ~ arm + (1 + week | patient)", data)
    assert "cannot be told apart" in fit.convergence.sentence


def test_a_slope_on_what_does_not_change_within_patients():
    data = own_times().assign(old=lambda d: (d["patient"].str[1:].astype(int) % 2).astype(float))
    fit = fit_mixed_model("y ~ arm + old + (1 + old | patient)", data)
    assert "cannot be told apart" in fit.convergence.sentence
