"""What the diagnostic figures show: the points, the envelope, and the numbers of the heat maps."""

import io

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import same_color
from matplotlib.figure import Figure
from scipy import stats

from analyses import fit_mixed_model
from analyses.display.covariance_plot import MOST_ROWS, MOST_WRITTEN, covariance_panels
from analyses.display.diagnostic_plots import COLOURS, MARKERS, literal, quantile_points
from outcomes.errors import ModelError

VISITS = ["Week 4", "Week 12", "Week 24"]
ARMS = ["Laser", "PRP", "Laser + PRP"]


@pytest.fixture(scope="module")
def lesions() -> pd.DataFrame:
    """30 patients, a lesion an arm, three visits; correlated within patient and within lesion."""
    rng = np.random.default_rng(7)
    index = pd.MultiIndex.from_product([range(30), ARMS, VISITS], names=["patient", "arm", "visit"])
    data = index.to_frame(index=False)
    data["lesion"] = data["arm"].map({arm: at for at, arm in enumerate(ARMS)})
    data["week"] = data["visit"].str.removeprefix("Week ").astype(float)
    for name, levels in (("arm", ARMS), ("visit", VISITS)):
        data[name] = pd.Categorical(data[name], levels)
    patient, lesion = rng.normal(0, 4, 30), rng.normal(0, 2, 90)
    data["value"] = 30 + 5 * data["arm"].cat.codes + np.repeat(patient, 9) + np.repeat(lesion, 3)
    data["value"] += rng.normal(0, 1, len(data))
    return data


@pytest.fixture(scope="module")
def nested(lesions):
    return fit_mixed_model("value ~ arm * visit + (1 | patient/lesion)", lesions)


@pytest.fixture(scope="module")
def product(lesions):
    return fit_mixed_model("value ~ arm * visit + us(arm | patient) @ ar1(visit)", lesions)


@pytest.fixture(scope="module")
def by_arm(lesions):
    data = lesions.copy()
    data.loc[[5, 40, 77], "value"] = np.nan
    return fit_mixed_model("value ~ arm * visit + us(visit | arm / patient:lesion)", data)


def points_of(axes) -> np.ndarray:
    return np.concatenate([np.asarray(one.get_offsets()) for one in axes.collections])


def texts_of(axes) -> dict[tuple[int, int], str]:
    """Texts of a heat map's cells by row and column."""
    return {(round(t.get_position()[1]), round(t.get_position()[0])): t.get_text() for t in axes.texts}


def heat_maps(figure: Figure):
    return [axes for axes in figure.axes if axes.images]


# --- normal quantiles ---


def test_the_pointwise_envelope_is_that_of_order_statistics():
    n = 25
    points = quantile_points(np.zeros(n))
    # P(U_(r) <= u) is the probability of at least r successes in n trials; u = F(low) leaves 2.5 % below.
    for rank, low, high in zip(range(1, n + 1), points.low, points.high, strict=True):
        below = stats.binom.sf(rank - 1, n, stats.norm.cdf(low))
        above = stats.binom.cdf(rank - 1, n, stats.norm.cdf(high))
        # 1e-9: both go through an inverse that is exact to rounding only.
        assert (below, above) == pytest.approx((0.025, 0.025), abs=1e-9)


def test_the_envelope_of_one_point_is_the_normal_interval():
    points = quantile_points(np.array([0.3]))
    assert (points.low[0], points.high[0]) == pytest.approx((-1.959964, 1.959964), abs=1e-6)
    assert points.expected[0] == pytest.approx(0, abs=1e-12)


def test_envelopes_hold_as_often_as_they_say():
    n, samples = 40, 3000
    ordered = np.sort(np.random.default_rng(20).normal(size=(samples, n)), axis=1)

    def inside(envelope):
        points = quantile_points(ordered[0], envelope)
        return (ordered >= points.low) & (ordered <= points.high)

    # Four standard errors of a share of 0.95 in 3,000 samples: 4 sqrt(0.95 * 0.05 / 3000) = 0.016.
    assert inside("simultaneous").all(axis=1).mean() == pytest.approx(0.95, abs=0.016)
    assert inside("pointwise").mean(axis=0) == pytest.approx(np.full(n, 0.95), abs=0.016)


def test_the_simultaneous_envelope_is_kolmogorovs():
    points = quantile_points(np.zeros(30), "simultaneous")
    # The lowest sample inside has just the critical distance from the normal distribution: p = 0.05.
    edge = np.where(np.isfinite(points.low), points.low, -9.0)
    # 1e-9: the distance goes through the normal distribution and back.
    assert stats.kstest(edge, "norm", method="exact").pvalue == pytest.approx(0.05, abs=1e-9)


def test_residuals_too_wide_leave_the_envelope():
    x = np.random.default_rng(3).normal(size=200)
    assert quantile_points(x).n_outside < 30
    assert quantile_points(3 * x).n_outside > 100
    assert quantile_points(3 * x, scale=3).n_outside == quantile_points(x).n_outside


def test_of_very_many_points_the_ends_are_all_drawn():
    x = np.random.default_rng(3).normal(size=60_000)
    points = quantile_points(x)
    assert len(points.ordered) == 5_000
    assert (np.diff(points.expected) > 0).all()
    np.testing.assert_array_equal(points.ordered[:1000], np.sort(x)[:1000])
    np.testing.assert_array_equal(points.ordered[-1000:], np.sort(x)[-1000:])


def test_a_quantile_plot_shows_every_residual(by_arm):
    axes = by_arm.plot_quantiles().axes[0]
    line = next(line for line in axes.lines if line.get_marker() == "o")
    np.testing.assert_allclose(line.get_ydata(), np.sort(by_arm.residuals("normalised")))
    # scipy's own plotting positions differ (Filliben's), its order does not.
    osm = stats.probplot(by_arm.residuals("normalised"), fit=False)[0]
    assert np.corrcoef(line.get_xdata(), osm)[0, 1] > 0.9999
    assert axes.get_ylabel() == "Normalised residual (SD)"
    assert "Pointwise band: holds each point with 95 % probability" in axes.get_title(loc="left")


def test_a_quantile_plot_of_raw_residuals_is_in_the_response(by_arm):
    axes = by_arm.plot_quantiles("raw", "simultaneous").axes[0]
    assert axes.get_ylabel() == "Raw residual (value)"
    assert "all points together" in axes.get_title(loc="left")
    line = next(line for line in axes.lines if line.get_marker() == "o")
    slope = np.polyfit(line.get_xdata(), line.get_ydata(), 1)[0]
    assert slope == pytest.approx(1, abs=0.05)  # both axes have the residuals' own spread


def test_unknown_kinds_are_our_errors(nested):
    for call in (
        lambda: nested.plot_quantiles("studentised"),
        lambda: nested.plot_quantiles(envelope="bootstrap"),
        lambda: nested.plot_residuals("studentised"),
        lambda: nested.plot_residuals(by="sex"),
        lambda: nested.plot_residuals(by=[1, 2, 3]),
        lambda: nested.plot_residuals(by="patient"),
        lambda: nested.plot_covariance("cor"),
        lambda: nested.plot_covariance(part="fixed"),
    ):
        with pytest.raises(ModelError, match="expected"):
            call()
    with pytest.raises(ModelError, match="needs residuals"):
        quantile_points(np.array([]))


# --- residuals against fitted values ---


def test_residuals_stand_at_their_fitted_values(nested):
    axes = nested.plot_residuals().axes[0]
    np.testing.assert_allclose(points_of(axes), np.column_stack([nested.fitted, nested.residuals("pearson")]))
    levels = sorted(float(line.get_ydata()[0]) for line in axes.lines if len(line.get_ydata()) == 2)
    assert levels == [-2, 0, 2]
    assert axes.get_xlabel() == "Fitted value of value (fixed effects)"


def test_a_factor_has_a_colour_and_a_marker_a_level(by_arm):
    axes = by_arm.plot_residuals("raw", by="arm").axes[0]
    arms = by_arm.frame.data["arm"].to_numpy()
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ARMS
    assert axes.get_legend().get_title().get_text() == "arm"
    shapes = set()
    for at, (arm, group) in enumerate(zip(ARMS, axes.collections, strict=True)):
        mine = arms == arm
        expected = np.column_stack([by_arm.fitted[mine], by_arm.residuals("raw")[mine]])
        np.testing.assert_allclose(np.asarray(group.get_offsets()), expected)
        assert same_color(group.get_facecolor()[0][:3], COLOURS[at])
        shapes.add(group.get_paths()[0].vertices.tobytes())
    assert len(shapes) == 3


def test_values_from_outside_the_model_are_matched_to_the_rows_used(by_arm, lesions):
    clinic = np.where(lesions["patient"] % 2 == 0, "A", "B")
    whole = by_arm.plot_residuals(by=pd.Series(clinic, name="clinic")).axes[0]
    used = by_arm.plot_residuals(by=list(clinic[by_arm.frame.kept])).axes[0]
    for one, other in zip(whole.collections, used.collections, strict=True):
        np.testing.assert_array_equal(one.get_offsets(), other.get_offsets())
    assert whole.get_legend().get_title().get_text() == "clinic"
    assert sum(len(one.get_offsets()) for one in whole.collections) == by_arm.n_obs


def test_missing_values_are_a_level_of_their_own(nested, lesions):
    skin = lesions["patient"].map(lambda p: None if p < 3 else "dark" if p < 9 else "fair")
    axes = nested.plot_residuals(by=skin).axes[0]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["dark", "fair", "missing"]
    assert [len(one.get_offsets()) for one in axes.collections] == [54, 189, 27]


def test_markers_are_distinct():
    assert len(set(MARKERS)) == len(MARKERS)


# --- covariance ---


def test_a_panel_a_group_shows_correlations_and_standard_deviations(by_arm):
    figure = by_arm.plot_covariance()
    maps = heat_maps(figure)
    assert [axes.get_title(loc="left") for axes in maps] == [f"Residual, {arm}" for arm in ARMS]
    for axes, covariance in zip(maps, by_arm.covariance.values(), strict=True):
        sd = np.sqrt(np.diag(covariance))
        correlation = covariance.to_numpy() / np.outer(sd, sd)
        for (row, column), text in texts_of(axes).items():
            value = float(text.replace("−", "-"))
            # Half of the last digit shown: of correlations the second decimal, of SDs the third significant one.
            if row == column:
                assert value == pytest.approx(sd[row], rel=0.005)
            else:
                assert value == pytest.approx(correlation[row, column], abs=0.0051)
                assert axes.images[0].get_array()[row, column] == pytest.approx(correlation[row, column])
        assert [tick.get_text() for tick in axes.get_yticklabels()] == VISITS
    assert len({axes.images[0].get_clim() for axes in maps}) == 1, "one scale for all groups"


def test_covariances_are_shown_where_asked(by_arm):
    axes = heat_maps(by_arm.plot_covariance("covariance"))[0]
    np.testing.assert_allclose(axes.images[0].get_array(), by_arm.covariance["Laser"])


@pytest.mark.parametrize(("factor", "times"), [(1e9, "10⁹"), (1e-12, "10⁻¹²")])
def test_a_power_of_ten_is_taken_out_of_very_large_and_small_numbers(lesions, factor, times):
    shifted = lesions.assign(value=factor * lesions["value"])
    fit = fit_mixed_model("value ~ arm * visit + us(visit | patient:lesion)", shifted)
    figure = fit.plot_covariance()
    assert f"SD in {times} units of value" in figure.get_supxlabel()
    sd = np.sqrt(np.diag(fit.covariance)) / factor
    text = texts_of(heat_maps(figure)[0])
    # Half of the third significant digit.
    assert [float(text[at, at]) for at in range(3)] == pytest.approx(sd, rel=0.005)
    power = 18 if factor > 1 else -24
    axes = heat_maps(fit.plot_covariance("covariance"))[0]
    shown = axes.images[0].get_array() / (fit.covariance.to_numpy() / 10.0**power)
    assert np.ptp(np.log10(shown)) < 1e-9
    assert abs(np.log10(shown[0, 0]) - round(np.log10(shown[0, 0]))) < 1e-9


def test_a_direct_product_names_both_factors_and_sets_off_its_blocks(product):
    axes = heat_maps(product.plot_covariance())[0]
    labels = [tick.get_text() for tick in axes.get_yticklabels()]
    assert labels == [f"{arm}, {visit}" for arm in ARMS for visit in VISITS]
    assert axes.get_title(loc="left") == "Residual: us(arm | patient) @ ar1(visit)"
    assert sorted({float(line.get_ydata()[0]) for line in axes.lines if line.get_ydata()[0] > 1.5}) == [
        2.5,
        5.5,
    ]


def test_random_intercepts_show_the_marginal_covariance_of_a_patient(nested):
    (panel,) = covariance_panels(nested)
    components = nested.variance_components.set_index("group")["variance"]
    patient, lesion, residual = components.loc[["patient", "patient:lesion", "Residual"]]
    same = np.kron(np.eye(3), np.ones((3, 3)))
    expected = patient + lesion * same + residual * np.eye(9)  # nested compound symmetry in closed form
    np.testing.assert_allclose(panel.matrix, expected, rtol=1e-12)
    assert panel.labels == tuple(f"{arm}, {visit}" for arm in ARMS for visit in VISITS)
    assert panel.title == "Marginal, patient 0"


def test_a_slope_shows_its_effects_and_the_marginal_covariance_on_request(lesions):
    fit = fit_mixed_model("value ~ arm + (1 + week | patient)", lesions)
    (effects,) = covariance_panels(fit)
    assert effects.labels == ("Intercept", "week")
    g = effects.matrix
    (marginal,) = covariance_panels(fit, "marginal")
    weeks = lesions["week"].iloc[:9].to_numpy()
    z = np.column_stack([np.ones(9), weeks])
    residual = fit.variance_components.set_index("group").loc["Residual", "variance"]
    np.testing.assert_allclose(marginal.matrix, z @ g @ z.T + residual * np.eye(9), rtol=1e-10)


def test_random_effects_and_repeats_together(lesions):
    fit = fit_mixed_model("value ~ arm * visit + (0 + arm | patient) + ar1(visit | patient:lesion)", lesions)
    random, residual = covariance_panels(fit)
    assert (len(random.labels), len(residual.labels)) == (3, 3)
    (marginal,) = covariance_panels(fit, "marginal")
    repeats = np.kron(np.eye(3), residual.matrix)
    np.testing.assert_allclose(marginal.matrix, np.kron(random.matrix, np.ones((3, 3))) + repeats, rtol=1e-12)
    assert [panel.title for panel in covariance_panels(fit, "random")] == [random.title]
    # Normalised residuals rest on the same V: whitening by its Cholesky factor gives them back.
    raw = fit.residuals("raw")[:9]
    white = np.linalg.solve(np.linalg.cholesky(marginal.matrix), raw)
    assert white @ white == pytest.approx((fit.residuals("normalised")[:9] ** 2).sum(), rel=1e-9)


def test_weights_divide_the_residual_variance(lesions):
    data = lesions.assign(w=np.tile([1.0, 4.0, 2.0], 90))
    fit = fit_mixed_model("value ~ arm + (1 | patient)", data, weights="w")
    (panel,) = covariance_panels(fit)
    components = fit.variance_components.set_index("group")["variance"]
    expected = components["patient"] + components["Residual"] / np.tile([1, 4, 2], 3)
    np.testing.assert_allclose(np.diag(panel.matrix), expected, rtol=1e-12)


@pytest.mark.parametrize("part", [None, "marginal", "components", "residual"])
def test_independent_rows_have_one_variance(lesions, part):
    fit = fit_mixed_model("value ~ arm", lesions[lesions["visit"] == "Week 24"])
    (panel,) = covariance_panels(fit, part)
    residual = fit.residuals("raw")
    # least squares: the residual sum of squares over n - p
    np.testing.assert_allclose(panel.matrix, [[(residual**2).sum() / (len(residual) - 3)]], rtol=1e-9)


def test_a_variance_of_zero_has_no_correlation(lesions):
    noise = lesions.assign(value=np.random.default_rng(2).normal(size=len(lesions)))
    noise["value"] -= noise.groupby("patient")["value"].transform("mean")
    fit = fit_mixed_model("value ~ arm + (1 + week | patient)", noise)
    axes = heat_maps(fit.plot_covariance(part="random"))[0]
    text = texts_of(axes)
    assert text[0, 1] in ("–", "−1.00", "1.00")
    assert "nan" not in "".join(text.values())


def test_a_negative_variance_has_no_standard_deviation(lesions):
    noise = lesions.assign(value=np.random.default_rng(2).normal(size=len(lesions)))
    noise["value"] -= 0.8 * noise.groupby("patient")["value"].transform("mean")
    fit = fit_mixed_model("value ~ arm + (1 | patient)", noise, bounded=False)
    variance = fit.variance_components.set_index("group").loc["patient", "variance"]
    assert variance < 0
    axes = heat_maps(fit.plot_covariance(part="random"))[0]
    assert texts_of(axes) == {(0, 0): "–"}
    assert "nan" not in fit._repr_html_().lower().split()
    # V of a patient stays positive definite: its correlations are there, and negative.
    (marginal,) = covariance_panels(fit)
    assert (marginal.correlations[0, 1:] < 0).all()


def test_a_model_without_random_effects_says_so(by_arm):
    with pytest.raises(ModelError, match="no random effects"):
        by_arm.plot_covariance(part="random")


def test_large_matrices_are_drawn_without_numbers():
    rng = np.random.default_rng(4)
    index = pd.MultiIndex.from_product([range(12), range(60)], names=["patient", "day"])
    data = index.to_frame(index=False)
    data["y"] = np.repeat(rng.normal(size=12), 60) + rng.normal(size=len(data))
    fit = fit_mixed_model("y ~ day + (1 | patient)", data)
    (panel,) = covariance_panels(fit)
    assert len(panel.labels) == MOST_ROWS > MOST_WRITTEN
    assert panel.title == "Marginal, patient 0, first 40 of 60 rows"
    assert not heat_maps(fit.plot_covariance())[0].texts


# --- figures ---


def test_figures_are_outside_pyplot_and_show_themselves(nested):
    import matplotlib.pyplot as plt

    before = plt.get_fignums()
    settings = dict(matplotlib.rcParams)
    for figure in (nested.plot_quantiles(), nested.plot_residuals(by="arm"), nested.plot_covariance()):
        assert isinstance(figure, Figure)
        png, size = figure._repr_png_()
        assert png.startswith(b"\x89PNG")
        # The picture has twice the pixels that it is shown with.
        width = int.from_bytes(png[16:20], "big")
        assert width == pytest.approx(2 * size["width"], abs=2)
        figure.savefig(io.BytesIO(), format="svg")
    assert plt.get_fignums() == before
    assert dict(matplotlib.rcParams) == settings


def test_labels_are_no_mathematics_and_leave_room(lesions):
    data = lesions.assign(
        arm=lesions["arm"].cat.rename_categories(["$x_{", "<b>" + "long " * 30, "\\frac{1}{"]),
        visit=lesions["visit"].cat.rename_categories(["a$", "b$", "c"]),
    )
    fit = fit_mixed_model("value ~ arm + us(arm | patient) @ ar1(visit)", data)
    for figure in (fit.plot_covariance(), fit.plot_residuals(by="arm")):
        assert figure._repr_png_()[0]
    assert len(literal("x" * 100)) == 26
    assert literal("$a$") == r"\$a\$"


def test_dark_styles_are_followed(nested):
    with matplotlib.rc_context({"text.color": "white"}):
        axes = nested.plot_residuals().axes[0]
    assert same_color(axes.collections[0].get_facecolor()[0][:3], "white")
