"""Crossed random effects against a dense textbook implementation, finite differences, and their own invariances."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from analyses import fit_mixed_model, marginal_means
from analyses.crossproducts import accumulate, make_layout
from analyses.design.model_frame import ModelFrame, make_model_frame
from analyses.design.standardise import Standardised, standardise
from analyses.engine import border, sparse_products
from analyses.engine.border import border_columns, choose_border, make_border, woodbury
from analyses.engine.covariance_model import CovarianceModel
from analyses.engine.model_components import covariance_model
from analyses.engine.pattern_products import PatternProducts
from analyses.likelihood import Likelihood
from analyses.mixed_model import make_products
from analyses.mixed_model_fit import MixedModelFit
from outcomes.errors import ModelError

VISITS = ["Week 4", "Week 12", "Week 24"]
FORMULAS = [
    "value ~ arm * visit + (1 | patient) + (1 | rater)",
    "value ~ arm + week + (1 + week | patient) + (1 + week | rater)",
    "value ~ arm * visit + (1 | patient/lesion) + (1 + arm || rater)",
    "value ~ arm * visit + us(visit | patient:lesion) + (1 | rater)",
    "value ~ arm * visit + us(arm | patient) @ ar1(visit) + (1 | rater)",
    "value ~ arm + csh(visit | patient:lesion) + (1 | patient) + (1 | rater) + (1 | camera)",
    "value ~ arm + (1 | patient) + (1 | visit) + (1 | patient:visit)",
    "value ~ arm + (1 | clinic) + (1 | patient) + (1 | rater)",
]


def trial(seed: int = 1, patients: int = 16, missing: float = 0.15) -> pd.DataFrame:
    """Lesions of patients of clinics over visits, each scored by one of four raters on one of two cameras."""
    rng = np.random.default_rng(seed)
    rows = [(patient, lesion, at) for patient in range(patients) for lesion in range(3) for at in range(3)]
    patient, lesion, at = (np.array(column) for column in zip(*rows, strict=True))
    rater, camera = rng.choice(4, len(rows), p=[0.4, 0.3, 0.2, 0.1]), rng.choice(2, len(rows))
    value = (
        20
        + rng.normal(0, 3, patients)[patient]
        + rng.normal(0, 2, (patients, 3))[patient, lesion]
        + rng.normal(0, 1.5, 4)[rater]
        + rng.normal(0, 0.3, 4)[rater] * at
        + rng.normal(0, 1, 2)[camera]
        + 2.5 * lesion
        + 1.5 * at
        + rng.normal(0, 1.5, len(rows))
    )
    data = pd.DataFrame(
        {
            "patient": [f"P{one:02}" for one in patient],
            "lesion": [f"L{one}" for one in lesion],
            "clinic": [f"C{one // 5}" for one in patient],
            "arm": pd.Categorical(["ABC"[one] for one in lesion]),
            "visit": pd.Categorical([VISITS[one] for one in at], VISITS),
            "week": at.astype(float),
            "rater": [f"R{one}" for one in rater],
            "camera": [f"K{one}" for one in camera],
            "precision": rng.choice([0.5, 1.0, 2.0], len(rows)),
            "value": value,
        }
    )
    return data[rng.random(len(data)) > missing].reset_index(drop=True)


def unit(data: pd.DataFrame, names: tuple[str, ...]) -> np.ndarray:
    return data[list(names)].astype(str).agg("|".join, axis=1).to_numpy()


def dense_parts(frame: ModelFrame, matrices: list[np.ndarray]) -> np.ndarray:
    """V of all rows by the textbook, from the components' matrices and the data's own labels; linear in them."""
    data, parts = frame.data, frame.formula
    n = len(data)
    v = np.zeros((n, n))
    for term, design, matrix in zip(parts.random, frame.random, matrices, strict=False):
        name = unit(data, term.subject)
        v += (design.z @ matrix @ design.z.T) * (name[:, None] == name[None, :])
    residual = matrices[len(parts.random)]
    root = np.sqrt(frame.weights)
    if parts.residual is None:
        return v + np.diag(residual[0, 0] / frame.weights)
    name, slot = unit(data, parts.residual.subject), np.zeros(n, dtype=int)
    for factor in parts.residual.factors:
        codes = data[factor.coordinate].cat
        slot = slot * len(codes.categories) + codes.codes.to_numpy(int)
    return v + residual[np.ix_(slot, slot)] * (name[:, None] == name[None, :]) / np.outer(root, root)


def dense(fit: MixedModelFit) -> np.ndarray:
    return dense_parts(fit.frame, list(fit.component_matrices))


@pytest.mark.parametrize("reml", [True, False], ids=["REML", "ML"])
@pytest.mark.parametrize("formula", FORMULAS)
def test_a_dense_textbook_implementation_agrees(formula, reml):
    fit = fit_mixed_model(formula, trial(), reml=reml)
    assert fit.converged
    assert fit.crossed
    v, x, y = dense(fit), fit.frame.x[:, fit.standard.kept], fit.frame.y
    inverse = np.linalg.inv(v)
    information = x.T @ inverse @ x
    beta = np.linalg.solve(information, x.T @ inverse @ y)
    rest = y - x @ beta
    deviance = np.linalg.slogdet(v)[1] + rest @ inverse @ rest
    deviance += (len(y) - x.shape[1] * reml) * np.log(2 * np.pi)
    deviance += np.linalg.slogdet(information)[1] if reml else 0.0
    # 1e-9: both sum about 120 rows in double precision; the dense one inverts a 120 x 120 matrix
    assert fit.loglik == pytest.approx(-deviance / 2, rel=1e-9)
    np.testing.assert_allclose(fit.beta, beta, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(fit.vcov_model, np.linalg.inv(information), rtol=1e-7, atol=1e-10)


@pytest.mark.parametrize("formula", FORMULAS)
def test_modes_and_residuals_are_those_of_the_dense_formulas(formula):
    """Also with case weights: ``b = G Z'V^-1 r``, ``G - G Z'V^-1 Z G``, ``r / sd`` and ``r'V^-1 r``."""
    fit = fit_mixed_model(formula, trial(), weights="precision")
    v = dense(fit)
    inverse, raw = np.linalg.inv(v), fit.residuals("raw")
    np.testing.assert_allclose(fit.residuals("pearson"), raw / np.sqrt(np.diag(v)), rtol=1e-9)
    normalised = fit.residuals("normalised")
    assert normalised @ normalised == pytest.approx(raw @ inverse @ raw, rel=1e-9)
    modes, start = fit.random_effects, 0
    for at, term in enumerate(fit.frame.formula.random):
        name, g, z = (
            unit(fit.frame.data, term.subject),
            fit.component_matrices[at],
            fit.frame.random[at].z,
        )
        for one in dict.fromkeys(name):
            gain = g @ (z * (name == one)[:, None]).T @ inverse
            spread = g - gain @ (z * (name == one)[:, None]) @ g
            mine = modes.iloc[start : start + len(g)]
            assert set(mine["unit"]) == {one.replace("|", ":")}
            # 1e-7 of effects of size one, whose variances may be near zero
            np.testing.assert_allclose(mine["estimate"], gain @ raw, rtol=1e-6, atol=1e-7)
            np.testing.assert_allclose(mine["std_error"] ** 2, np.diag(spread), rtol=1e-6, atol=1e-7)
            start += len(g)
    assert start == len(modes)


def test_normalised_residuals_are_white():
    """The transformation W of the residuals has ``W V W' = I``, not merely the right length."""
    fit = fit_mixed_model(FORMULAS[3], trial())
    from analyses.engine.marginal_residuals import marginal_residuals

    n, covariances = fit.n_obs, fit.component_matrices
    columns = [
        marginal_residuals(
            "normalised", fit.frame, fit.layout, covariances, fit.inverses, fit.standard.scale, e, fit.crossed
        )
        for e in np.eye(n)
    ]
    whitening = np.column_stack(columns)
    np.testing.assert_allclose(whitening @ dense(fit) @ whitening.T, np.eye(n), atol=1e-9)


def likelihood(formula: str, reml: bool) -> tuple[ModelFrame, Standardised, CovarianceModel, Likelihood]:
    frame = make_model_frame(formula, trial(3, 9), None)
    standard, model = standardise(frame.x, frame.y, frame.weights), covariance_model(frame)
    terms = choose_border(frame.random, frame.residual.design).border
    inside = [design for at, design in enumerate(frame.random) if at not in terms]
    w = np.column_stack(
        [standard.w[:, :-1], border_columns(terms, frame.random), standard.w[:, -1:]],
    )
    products = PatternProducts(accumulate(make_layout(inside, frame.residual.design), w))
    edge = make_border(model, terms, frame.random)
    return frame, standard, model, Likelihood(products, len(standard.kept), reml, edge)


@pytest.mark.parametrize("reml", [True, False], ids=["REML", "ML"])
@pytest.mark.parametrize("formula", [FORMULAS[1], FORMULAS[2], FORMULAS[4], FORMULAS[5]])
def test_derivatives_are_those_of_finite_differences(formula, reml):
    _, _, model, surface = likelihood(formula, reml)
    theta = np.random.default_rng(2).uniform(0.2, 0.9, model.n_parameters)

    def evaluate(at):
        elements = model.search(at)
        profile = surface.profile(elements.value)
        return profile.deviance, surface.derivatives(profile, elements, with_expected=False)

    found = evaluate(theta)[1]
    for h in range(model.n_parameters):
        step = 1e-5 * np.eye(model.n_parameters)[h]
        (up, above), (down, below) = evaluate(theta + step), evaluate(theta - step)
        # central differences err by the third derivative times 1e-10 and by rounding over 1e-5
        assert (up - down) / 2e-5 == pytest.approx(found.gradient[h], rel=1e-4, abs=1e-4)
        slope = (above.gradient - below.gradient) / 2e-5
        np.testing.assert_allclose(
            slope, found.hessian[h], rtol=1e-4, atol=1e-4 * np.abs(found.hessian).max()
        )


@pytest.mark.parametrize("reml", [True, False], ids=["REML", "ML"])
@pytest.mark.parametrize("formula", FORMULAS)
def test_what_inference_needs_is_that_of_the_dense_formulas(formula, reml):
    """Expected information, ``M_h`` and Kenward and Roger's Q, at natural parameters that are no optimum."""
    frame, standard, model, surface = likelihood(formula, reml)
    eta = model.natural_values(np.random.default_rng(2).uniform(0.2, 0.9, model.n_parameters))
    natural = model.natural(eta)
    at = surface.profile(natural.value)
    found = surface.derivatives(at, natural)
    v = dense_parts(frame, model.matrices(natural.value))
    slopes = [dense_parts(frame, model.matrices(column)) for column in natural.first.T]
    x, inverse = standard.w[:, :-1], np.linalg.inv(v)
    phi = np.linalg.inv(x.T @ inverse @ x)
    projection = inverse - inverse @ x @ phi @ x.T @ inverse if reml else inverse
    expected = [[np.trace(projection @ a @ projection @ b) for b in slopes] for a in slopes]
    np.testing.assert_allclose(at.phi, phi, rtol=1e-8, atol=1e-12)
    np.testing.assert_allclose(found.expected, expected, rtol=1e-8, atol=1e-8)
    for h, slope in enumerate(slopes):
        np.testing.assert_allclose(found.m[h], x.T @ inverse @ slope @ inverse @ x, rtol=1e-8, atol=1e-8)
    w = np.linalg.inv(np.asarray(expected))
    wanted = sum(
        w[h, g] * x.T @ inverse @ a @ inverse @ b @ inverse @ x
        for h, a in enumerate(slopes)
        for g, b in enumerate(slopes)
    )
    linear = surface.curvature(at, natural, w, with_second=False)
    np.testing.assert_allclose(linear, wanted, rtol=1e-7, atol=1e-9 * np.abs(wanted).max())
    bent = np.einsum("ehg,hg->e", natural.second, w)
    second = dense_parts(frame, model.matrices(bent))
    whole = surface.curvature(at, natural, w, with_second=True)
    wanted = wanted - x.T @ inverse @ second @ inverse @ x / 4
    np.testing.assert_allclose(whole, wanted, rtol=1e-7, atol=1e-9 * np.abs(wanted).max())


def test_the_border_stays_right_where_it_is_singular_or_negative():
    """``K = (G^-1 + B)^-1`` and ``log|I + G B|``, with G = 0, and with a variance below zero that leaves V definite."""
    rng = np.random.default_rng(3)
    u = rng.normal(size=(30, 4))
    b = u.T @ u
    k, logarithm = woodbury([(slice(0, 4), 2, np.zeros((2, 2)))], b)
    assert np.all(k == 0)
    assert logarithm == 0
    for g in (np.diag([0.5, 0.0]), np.array([[1.0, 0.6], [0.6, 2.0]]), np.diag([0.4, -0.02])):
        whole = np.kron(np.eye(2), g)
        k, logarithm = woodbury([(slice(0, 4), 2, g)], b)
        v = np.eye(30) + u @ whole @ u.T
        np.testing.assert_allclose(np.linalg.inv(v), np.eye(30) - u @ k @ u.T, atol=1e-12)
        assert logarithm == pytest.approx(np.linalg.slogdet(v)[1], rel=1e-12)
    assert woodbury([(slice(0, 4), 2, np.diag([0.4, -0.2]))], b) is None  # 1 - 0.2 x 30 is below zero


def agreeing_raters() -> pd.DataFrame:
    """Raters who agree better than chance lets them."""
    data = trial(7)
    raters = pd.get_dummies(data["rater"], dtype=float).iloc[:, 1:]
    others = pd.get_dummies(data[["patient", "arm"]], dtype=float)
    effects = np.linalg.lstsq(np.column_stack([raters, others]), data["value"], rcond=None)[0]
    return data.assign(value=data["value"] - raters @ effects[: raters.shape[1]])


def test_without_bounds_a_rater_variance_may_be_negative():
    """V stays positive definite, the likelihood is higher than on the boundary, and the dense formulas agree."""
    data, formula = agreeing_raters(), "value ~ arm + (1 | patient) + (1 | rater)"
    held, free = (fit_mixed_model(formula, data, bounded=bounded) for bounded in (True, False))
    assert free.converged
    assert free.variance_components.query("group == 'rater'")["variance"].item() < 0
    assert free.loglik > held.loglik + 1e-3
    v, x, y = dense(free), free.frame.x, free.frame.y
    assert np.linalg.eigvalsh(v)[0] > 0
    inverse = np.linalg.inv(v)
    information = x.T @ inverse @ x
    beta = np.linalg.solve(information, x.T @ inverse @ y)
    rest = y - x @ beta
    deviance = np.linalg.slogdet(v)[1] + rest @ inverse @ rest + (len(y) - 3) * np.log(2 * np.pi)
    deviance += np.linalg.slogdet(information)[1]
    assert free.loglik == pytest.approx(-deviance / 2, rel=1e-9)
    np.testing.assert_allclose(free.beta, beta, rtol=1e-7)
    normalised, raw = free.residuals("normalised"), free.residuals("raw")
    assert normalised @ normalised == pytest.approx(raw @ inverse @ raw, rel=1e-9)


def test_a_rater_variance_of_zero_leaves_the_rest_alone():
    """The answer is zero, the boundary is named, and the fit is that of the model without raters."""
    data = agreeing_raters()
    whole = fit_mixed_model("value ~ arm + (1 | patient) + (1 | rater)", data)
    without = fit_mixed_model("value ~ arm + (1 | patient)", data)
    assert whole.converged
    assert any("rater" in name for name in whole.convergence.boundary)
    assert whole.loglik == pytest.approx(without.loglik, rel=1e-10)
    np.testing.assert_allclose(whole.beta, without.beta, rtol=1e-6)
    np.testing.assert_allclose(whole.vcov_model, without.vcov_model, rtol=1e-6, atol=1e-9)
    # Degrees of freedom are not those of the model without the raters (decision 2).
    assert np.isfinite(whole.coefficients["df"]).all()
    modes = whole.random_effects
    np.testing.assert_allclose(modes.loc[modes["group"] == "rater", "estimate"], 0.0, atol=1e-6)


def test_clinics_of_many_rows_give_the_same_fit_beside_the_clusters(monkeypatch):
    """For speed a coarse nested subject may stand in the border: no number may show it."""
    data = trial(5, patients=20)
    formula = "value ~ arm * visit + (1 | clinic) + us(visit | patient:lesion)"
    monkeypatch.setattr(border, "LONG_CORRELATED", 1000)
    within = fit_mixed_model(formula, data)
    robust = fit_mixed_model(formula, data, vcov="CR2")
    between = fit_mixed_model(formula, data, df_method="between-within")
    monkeypatch.setattr(border, "LONG_CORRELATED", 20)
    beside = fit_mixed_model(formula, data)
    assert within.crossed == ()
    assert beside.crossed == (0,)
    assert beside.n_subjects == within.n_subjects == 4
    assert beside.loglik == pytest.approx(within.loglik, rel=1e-12)
    assert beside.bic == pytest.approx(within.bic, rel=1e-12)
    # 1e-7: two sums in another order, at optima found to 1e-10 of standard errors
    for name in ("coefficients", "random_effects", "variance_components"):
        ours, theirs = (getattr(fit, name).select_dtypes("number") for fit in (beside, within))
        np.testing.assert_allclose(ours, theirs, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(beside.residuals("pearson"), within.residuals("pearson"), rtol=1e-7)
    length = [np.sum(fit.residuals("normalised") ** 2) for fit in (beside, within)]
    assert length[0] == pytest.approx(length[1], rel=1e-9)
    # A sandwich needs the clinics as clusters, and finds them.
    again = fit_mixed_model(formula, data, vcov="CR2")
    np.testing.assert_allclose(again.vcov, robust.vcov, rtol=1e-9)
    counted = fit_mixed_model(formula, data, df_method="between-within")
    np.testing.assert_allclose(counted.coefficients["df"], between.coefficients["df"])


def test_few_clinics_of_many_rows_are_not_matrices_of_their_rows():
    """Dense blocks of a clinic's rows took seconds for what takes hundredths: what is stored must follow the rows."""
    data = pd.concat(
        [trial(seed, patients=20) for seed in (1, 2)], keys=["a", "b"], names=["half"]
    ).reset_index()
    data["patient"] = data["half"] + data["patient"]
    alone = fit_mixed_model("value ~ arm * visit + (1 | clinic)", data)
    assert alone.n_subjects == 4
    assert alone.layout.own is not None  # each clinic reduced to as many rows as it has effects
    for formula in ("(1 | clinic/patient)", "(1 | clinic) + us(visit | patient:lesion)"):
        assert fit_mixed_model(f"value ~ arm * visit + {formula}", data).crossed == (0,)


@pytest.mark.parametrize("formula", [FORMULAS[0], FORMULAS[2], FORMULAS[4]])
def test_many_raters_are_kept_sparse_with_the_same_numbers(formula, monkeypatch):
    data = trial(missing=0.0)  # complete patients share a pattern
    full = fit_mixed_model(formula, data, df_method="kenward-roger")
    wide, expected = products_of(full)
    monkeypatch.setattr(sparse_products, "MANY", 1)
    monkeypatch.setattr(sparse_products, "NEARLY_EMPTY", 0.5)
    found = fit_mixed_model(formula, data, df_method="kenward-roger")
    thin, _ = products_of(found)
    assert isinstance(wide, np.ndarray)
    assert isinstance(thin, sparse.csr_array)
    np.testing.assert_allclose(thin.toarray(), expected, atol=1e-12)  # the same sums in another order
    assert found.loglik == pytest.approx(full.loglik, rel=1e-12)
    ours, theirs = (fit.coefficients.select_dtypes("number") for fit in (found, full))
    np.testing.assert_allclose(ours, theirs, rtol=1e-7, atol=1e-9)


def products_of(fit: MixedModelFit) -> tuple[object, np.ndarray]:
    """Cross-products of a fit in the form chosen, and as a full matrix."""
    root = np.sqrt(fit.frame.weights)[:, None]
    random = [replace(design, z=design.z * root) for design in fit.frame.random]
    columns = border_columns(fit.crossed, random)
    w = np.column_stack([fit.standard.w[:, :-1], columns, fit.standard.w[:, -1:]])
    return make_products(fit.layout, w).cross.products, accumulate(fit.layout, w).products


@pytest.mark.parametrize("reml", [True, False], ids=["REML", "ML"])
@pytest.mark.parametrize(
    "formula",
    [
        "value ~ arm + rater + (1 | patient) + (1 | rater)",
        "value ~ arm * rater + (1 | patient) + (0 + arm | rater)",
        "value ~ patient + (1 | patient/lesion)",
    ],
)
def test_a_factor_is_fixed_or_random(formula, reml):
    """Fixed effects that hold all of a term's effects leave nothing to estimate its variance from."""
    with pytest.raises(ModelError, match="hold all that") as caught:
        fit_mixed_model(formula, trial(), reml=reml)
    assert "leave" in str(caught.value)
    # Slopes of the same factor are another matter.
    fit_mixed_model("value ~ arm + rater + (1 | patient) + (0 + week | rater)", trial())


def test_variances_that_cannot_be_told_apart_are_named():
    data = trial().assign(subject=lambda d: d["patient"], row=lambda d: np.arange(len(d)))
    twice = fit_mixed_model("value ~ arm + (1 | patient) + (1 | subject) + (1 | rater)", data)
    once = fit_mixed_model("value ~ arm + (1 | patient) + (1 | rater)", data, information="expected")
    sentence = twice.convergence.sentence
    assert "cannot be told apart" in sentence
    assert "(1 | patient)" in sentence
    assert "(1 | subject)" in sentence
    assert "rater" not in sentence
    assert twice.loglik == pytest.approx(once.loglik, rel=1e-10)
    np.testing.assert_allclose(twice.coefficients["df"], once.coefficients["df"], rtol=1e-4)
    rows = fit_mixed_model("value ~ arm + (1 | patient) + (1 | row)", data).convergence.sentence
    assert "(1 | row)" in rows
    assert "residual" in rows


def test_what_cannot_be_fitted_is_said():
    data = trial()
    with pytest.raises(ModelError, match="independent of one another") as caught:
        fit_mixed_model("value ~ arm + (1 | patient) + (1 | rater)", data, vcov="CR2")
    assert "rater" in str(caught.value)
    with pytest.raises(ModelError, match="more than one row"):
        fit_mixed_model("value ~ arm + us(visit | rater) + (1 | patient)", data)
    rng = np.random.default_rng(1)
    many = pd.DataFrame({"a": rng.integers(2000, size=9000), "b": rng.integers(2000, size=9000)})
    with pytest.raises(ModelError, match="too many levels"):
        fit_mixed_model("value ~ 1 + (1 | a) + (1 | b)", many.assign(value=rng.normal(size=9000)))
    gaps = data.assign(rater=data["rater"].where(data.index % 7 > 0))
    fit = fit_mixed_model("value ~ arm + (1 | patient) + (1 | rater)", gaps)
    assert fit.n_dropped == int(gaps["rater"].isna().sum())


def test_only_the_terms_that_must_leave_the_clusters_do():
    data = trial()
    cases = {
        "(1 | rater) + (1 | patient)": (0,),
        "(1 | patient/lesion) + (1 | rater)": (2,),
        "(1 | clinic) + (1 | patient) + (1 | rater)": (2,),
        "(1 | rater) + (1 | camera) + (1 | patient)": (0, 1),
        "(1 | rater) + (0 + week | rater) + (1 | patient)": (0, 1),
        "(1 | patient) + (1 | rater) + (1 | patient:rater)": (1,),
        "(1 | clinic/patient)": (),
        "(1 | rater)": (),
    }
    for terms, wanted in cases.items():
        frame = make_model_frame(f"value ~ arm + {terms}", data)
        assert choose_border(frame.random, frame.residual.design).crossed == wanted
    clinics = fit_mixed_model("value ~ arm + (1 | clinic) + (1 | patient) + (1 | rater)", data)
    assert clinics.n_subjects == data["clinic"].nunique()


def test_nothing_depends_on_order_labels_or_units():
    data = trial()
    formula = "value ~ arm * visit + (1 | patient/lesion) + (1 + week | rater)"
    first = fit_mixed_model(formula, data)
    rng = np.random.default_rng(8)
    names = {name: f"X{at}" for at, name in enumerate(rng.permutation(data["rater"].unique()))}
    shuffled = data.sample(frac=1.0, random_state=9).assign(rater=lambda d: d["rater"].map(names))
    again = fit_mixed_model("value ~ arm * visit + (1 + week | rater) + (1 | patient/lesion)", shuffled)
    scaled = fit_mixed_model(formula, data.assign(value=1e8 + 1e3 * data["value"]))
    assert again.loglik == pytest.approx(first.loglik, rel=1e-10)
    for other, factor in ((again, 1.0), (scaled, 1e3)):
        # 1e-6: the optimum, in two parameterisations or with a response of which half the digits are gone
        np.testing.assert_allclose(other.beta[1:], factor * first.beta[1:], rtol=1e-6, atol=1e-7 * factor)
        errors = first.coefficients["std_error"] * factor
        np.testing.assert_allclose(other.coefficients["std_error"], errors, rtol=1e-6)
        np.testing.assert_allclose(other.coefficients["df"], first.coefficients["df"], rtol=1e-4)


def test_a_complete_crossed_layout_is_the_analysis_of_variance():
    """Twelve patients, each scored once by each of five raters: REML gives the moment estimators in closed form."""
    rng = np.random.default_rng(11)
    n, k = 12, 5
    table = 30 + rng.normal(0, 4, (n, 1)) + rng.normal(0, 2, (1, k)) + rng.normal(0, 1, (n, k))
    data = pd.DataFrame(
        [(f"P{i}", f"R{j}", table[i, j]) for i in range(n) for j in range(k)],
        columns=["patient", "rater", "value"],
    )
    fit = fit_mixed_model("value ~ 1 + (1 | patient) + (1 | rater)", data)
    rows, columns, mean = table.mean(axis=1), table.mean(axis=0), table.mean()
    error = np.sum((table - rows[:, None] - columns + mean) ** 2) / ((n - 1) * (k - 1))
    patients, raters = k * rows.var(ddof=1), n * columns.var(ddof=1)
    wanted = [(patients - error) / k, (raters - error) / n, error]
    np.testing.assert_allclose(fit.variance_components["variance"], wanted, rtol=1e-7)
    standard_error = np.sqrt((patients + raters - error) / (n * k))
    # The balanced layout's estimate does not depend on the variances: Kenward and Roger have nothing to adjust.
    assert fit.coefficients["std_error"].item() == pytest.approx(standard_error, rel=1e-8)
    plain = fit_mixed_model("value ~ 1 + (1 | patient) + (1 | rater)", data, df_method="satterthwaite")
    assert plain.coefficients["std_error"].item() == pytest.approx(standard_error, rel=1e-8)
    # Satterthwaite (1946): of a sum of mean squares; the information at this optimum is that of the mean squares
    parts = [(patients, n - 1), (raters, k - 1), (-error, (n - 1) * (k - 1))]
    df = (patients + raters - error) ** 2 / sum(square**2 / degrees for square, degrees in parts)
    assert plain.coefficients["df"].item() == pytest.approx(df, rel=1e-6)


def test_patients_at_times_of_their_own_may_have_raters_too():
    """The data are then kept cluster by cluster, not by pattern."""
    rng = np.random.default_rng(12)
    data = trial(2, patients=40)
    data["week"] = data["week"] + rng.uniform(-0.4, 0.4, len(data))
    fit = fit_mixed_model("value ~ arm + week + (1 + week | patient) + (1 | rater)", data)
    v, x, y = dense(fit), fit.frame.x, fit.frame.y
    inverse = np.linalg.inv(v)
    information = x.T @ inverse @ x
    beta = np.linalg.solve(information, x.T @ inverse @ y)
    np.testing.assert_allclose(fit.beta, beta, rtol=1e-7)
    np.testing.assert_allclose(fit.vcov_model, np.linalg.inv(information), rtol=1e-7, atol=1e-10)
    normalised, raw = fit.residuals("normalised"), fit.residuals("raw")
    assert normalised @ normalised == pytest.approx(raw @ inverse @ raw, rel=1e-9)
    rater = fit.random_effects.query("group == 'rater'")
    name, g = unit(data, ("rater",)), fit.component_matrices[1][0, 0]
    modes = [g * np.sum((inverse @ raw)[name == one]) for one in rater["unit"]]
    np.testing.assert_allclose(rater["estimate"], modes, rtol=1e-7, atol=1e-9)


def test_tests_means_and_predictions_take_crossed_models():
    data = trial()
    fit = fit_mixed_model("value ~ arm * visit + (1 | patient) + (1 | rater)", data)
    assert list(fit.anova()["term"]) == ["arm", "visit", "arm:visit"]
    means = marginal_means(fit, "arm", by="visit")
    assert means.contrast("pairwise").table["std_error"].gt(0).all()
    assert len(fit.predict(data.head(4))) == 4
    assert f"{len(data)} rows of 16 subjects" in str(fit)
    assert list(fit.variance_components["group"]) == ["patient", "rater", "Residual"]
    assert replace(fit) is not fit  # a frozen value
