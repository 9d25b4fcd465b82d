"""What marginal means average, adjust and say; and what they refuse."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analyses import fit_mixed_model, fit_ordinal_model, marginal_means
from analyses.means.back_transform import back_transformed
from analyses.means.graphical import GraphicalProcedure
from outcomes.errors import ModelError

ARMS = ["Control", "Laser", "PRP", "Laser + PRP"]
VISITS = ["Week 4", "Week 12", "Week 24"]


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    rng = np.random.default_rng(12)
    frame = pd.DataFrame(
        [(f"P{p}", arm, visit) for p in range(12) for arm in ARMS for visit in VISITS],
        columns=["patient", "arm", "visit"],
    )
    frame["arm"] = pd.Categorical(frame["arm"], ARMS)
    frame["visit"] = pd.Categorical(frame["visit"], VISITS)
    frame["size"] = np.repeat(rng.normal(10, 2, 48), 3)
    frame["site"] = np.where(frame["patient"].str[1:].astype(int) % 3 == 0, "x", "y")
    gain = frame["arm"].cat.codes * 3 + frame["visit"].cat.codes * 2
    frame["value"] = gain + np.repeat(rng.normal(0, 3, 12), 12) + rng.normal(0, 3, len(frame))
    return frame.sample(frac=0.92, random_state=1).sort_index()


@pytest.fixture(scope="module")
def fit(data):
    return fit_mixed_model("value ~ size + site + arm * visit + (1 | patient)", data)


@pytest.fixture(scope="module")
def aliased(data):
    missing = (data["arm"] == "PRP") & (data["visit"] == "Week 24")
    return fit_mixed_model("value ~ arm * visit + (1 | patient)", data[~missing])


def test_listed_visits_are_averaged_and_said(fit):
    late = ["Week 12", "Week 24"]
    at_each = marginal_means(fit, "arm", by="visit").table.set_index(["visit", "arm"])["estimate"]
    means = marginal_means(fit, "arm", at={"visit": late})
    expected = at_each.loc[late].groupby("arm", observed=True).mean()
    np.testing.assert_allclose(means.table["estimate"], expected, rtol=1e-12)
    assert means.shares["visit"] == {"Week 12": 0.5, "Week 24": 0.5}
    assert "visit (Week 12: 0.5, Week 24: 0.5), with equal weights" in str(means)
    given = marginal_means(fit, "arm", weights={"visit": {"Week 4": 1, "Week 24": 3}})
    expected = 0.25 * at_each.loc["Week 4"] + 0.75 * at_each.loc["Week 24"]
    np.testing.assert_allclose(given.table["estimate"], expected, rtol=1e-12)
    assert "visit (Week 4: 0.25, Week 12: 0, Week 24: 0.75), with the weights given" in str(given)
    assert given.weights == "given"


@pytest.fixture(scope="module")
def nested() -> pd.DataFrame:
    rng = np.random.default_rng(3)
    frame = pd.DataFrame({"patient": range(87), "arm": rng.permutation(np.resize(["A", "B", "C"], 87))})
    frame["site"] = np.resize(["s1", "s2", "s3", "s4", "s5", "s5"], 87)
    frame["region"] = np.where(frame["site"].isin(["s1", "s2"]), "N", "S")
    frame["value"] = rng.normal(size=87) + frame["site"].str[1:].astype(int)
    return frame


def test_levels_are_averaged_within_those_they_are_nested_in(nested):
    """As in emmeans: the mean of a region is that of its own sites, whether it is shown, held or averaged over."""
    fit = fit_mixed_model("value ~ arm + region + site", nested, df_method="residual")
    site = marginal_means(fit, "site").table.set_index("site")["estimate"]
    expected = {"N": site[["s1", "s2"]].mean(), "S": site[["s3", "s4", "s5"]].mean()}
    shown = marginal_means(fit, "region")
    assert shown.table.set_index("region")["estimate"].to_dict() == pytest.approx(expected, rel=1e-10)
    assert shown.shares_vary
    assert "only the levels that occur with it" in str(shown)
    for region, value in expected.items():
        held = marginal_means(fit, [], at={"region": region})
        assert held.table["estimate"].iloc[0] == pytest.approx(value, rel=1e-10)
    overall = marginal_means(fit, [])
    assert overall.table["estimate"].iloc[0] == pytest.approx(sum(expected.values()) / 2, rel=1e-10)
    assert not overall.shares_vary
    given = marginal_means(fit, [], weights={"site": {"s1": 1, "s3": 3}})
    assert given.table["estimate"].iloc[0] == pytest.approx(0.25 * site["s1"] + 0.75 * site["s3"], rel=1e-10)
    assert given.shares["region"] == pytest.approx({"N": 0.25, "S": 0.75})
    with pytest.raises(ModelError, match="does not occur"):
        marginal_means(fit, "region", weights={"site": {"s1": 1}})


def test_one_listed_visit_is_that_visit(fit):
    one = marginal_means(fit, "arm", at={"visit": ["Week 12"]}).table["estimate"]
    np.testing.assert_array_equal(one, marginal_means(fit, "arm", at={"visit": "Week 12"}).table["estimate"])


def test_shares_by_factor(fit, data):
    share = (data["site"] == "y").mean()
    means = marginal_means(fit, "arm", weights={"site": "proportional"})
    assert means.shares["site"]["y"] == pytest.approx(share, rel=1e-12)
    assert means.shares["visit"]["Week 4"] == pytest.approx(1 / 3, rel=1e-12)


def test_a_grid_over_a_covariate_has_its_slope(fit):
    sizes = [5, 10, 20]
    table = marginal_means(fit, "size", at={"size": sizes}).table
    slope = fit.coefficients.set_index("term").loc["size", "estimate"]
    np.testing.assert_allclose(np.diff(table["estimate"]) / np.diff(sizes), slope, rtol=1e-8)
    averaged = marginal_means(fit, "arm", at={"size": sizes}, weights="proportional")
    held = marginal_means(fit, "arm", at={"size": np.mean(sizes)}, weights="proportional")
    np.testing.assert_allclose(averaged.table["estimate"], held.table["estimate"], rtol=1e-12)


def test_several_values_of_a_number_may_be_weighted(fit):
    weighted = marginal_means(fit, "arm", at={"size": [0, 10]}, weights={"size": {0: 1, 10: 4}})
    held = marginal_means(fit, "arm", at={"size": 8})
    np.testing.assert_allclose(weighted.table["estimate"], held.table["estimate"], rtol=1e-12)


@pytest.mark.parametrize("adjust", ["bonferroni", "sidak", "tukey", "mvt", "scheffe"])
def test_an_interval_leaves_out_the_null_where_the_adjusted_p_is_below_alpha(fit, adjust):
    means = marginal_means(fit, "arm", by="visit")
    plain = means.contrast("pairwise")
    found = means.contrast("pairwise", adjust=adjust)
    assert found.intervals_adjusted
    assert found.adjustment_error < 1e-5
    np.testing.assert_array_equal(found.table["estimate"], plain.table["estimate"])
    assert (found.table["p_value"] >= plain.table["p_value"]).all()
    assert (found.table["conf_low"] < plain.table["conf_low"]).all()
    for row in range(0, len(found.table), 5):
        p = float(found.table["p_value"].iloc[row])
        if not 1e-6 < p < 0.9:
            continue
        edge = means.contrast("pairwise", adjust=adjust, alpha=p).table.iloc[row]
        # at alpha = p one limit is the null value itself
        nearest = min(abs(edge["conf_low"]), abs(edge["conf_high"]))
        assert nearest == pytest.approx(0, abs=1e-4 * edge["std_error"])


def test_dunnett_is_the_multivariate_t_of_its_contrasts(fit):
    means = marginal_means(fit, "arm", by="visit")
    dunnett = means.contrast("trt.vs.ctrl", adjust="dunnett")
    pd.testing.assert_frame_equal(dunnett.table, means.contrast("trt.vs.ctrl", adjust="mvt").table)
    p = {a: means.contrast("trt.vs.ctrl", adjust=a).table["p_value"] for a in ("none", "sidak")}
    assert (dunnett.table["p_value"] > p["none"]).all()
    assert (dunnett.table["p_value"] <= p["sidak"]).all()


def test_a_family_of_one_is_not_adjusted(data):
    two = data[data["arm"].isin(["Control", "Laser"])]
    two = two.assign(arm=two["arm"].cat.remove_unused_categories())
    means = marginal_means(fit_mixed_model("value ~ arm + (1 | patient)", two), "arm")
    plain = means.contrast("pairwise").table
    for adjust in ("bonferroni", "sidak", "tukey", "dunnett", "mvt", "scheffe", "holm", "fixed-sequence"):
        pd.testing.assert_frame_equal(means.contrast("pairwise", adjust=adjust).table, plain, rtol=1e-9)


def test_one_sided_tests_and_margins(fit):
    means = marginal_means(fit, "arm", at={"visit": "Week 24"})
    plain = means.contrast("trt.vs.ctrl").table
    above = means.contrast("trt.vs.ctrl", alternative="greater", null=-1.0).table
    t = (plain["estimate"] + 1) / plain["std_error"]
    np.testing.assert_allclose(above["p_value"], stats.t.sf(t, plain["df"]), rtol=1e-10)
    assert np.isinf(above["conf_high"]).all()
    at_90 = means.contrast("trt.vs.ctrl", alpha=0.1).table
    np.testing.assert_allclose(above["conf_low"], at_90["conf_low"], rtol=1e-10)
    both = [
        means.contrast("trt.vs.ctrl", "dunnett", alternative=side).table["p_value"]
        for side in ("greater", "less")
    ]
    assert (both[0] < 0.5).all()
    assert (both[1] > 0.5).all()


def test_a_graphical_procedure_adjusts_contrasts_by_their_names(fit):
    means = marginal_means(fit, "arm", at={"visit": "Week 24"})
    plain = means.contrast("trt.vs.ctrl").table
    names = plain["contrast"].tolist()
    gate = GraphicalProcedure.fixed_sequence(names[::-1])
    found = means.contrast("trt.vs.ctrl", adjust=gate)
    np.testing.assert_allclose(
        found.table["p_value"], np.maximum.accumulate(plain["p_value"][::-1])[::-1], rtol=1e-12
    )
    assert found.adjust == "graphical"
    np.testing.assert_array_equal(found.table["conf_low"], plain["conf_low"])
    assert "intervals are not" in found.adjustment
    with pytest.raises(ModelError, match="not of the procedure"):
        means.contrast("pairwise", adjust=gate)


def test_order_of_adjusted_p_values(fit):
    means = marginal_means(fit, "arm", by="visit")
    p = {
        a: means.contrast("pairwise", a).table["p_value"]
        for a in ("tukey", "mvt", "sidak", "bonferroni", "holm")
    }
    assert (p["mvt"] <= p["sidak"] + 1e-12).all()
    assert (p["sidak"] <= p["bonferroni"] + 1e-12).all()
    assert (p["holm"] <= p["bonferroni"] + 1e-12).all()
    # nearly balanced: the range of independent means is close to the contrasts' own law
    np.testing.assert_allclose(p["mvt"], p["tukey"], atol=2e-3)


def test_joint_test_of_one_contrast_is_its_t_test(fit):
    means = marginal_means(fit, "arm", at={"visit": "Week 24"})
    found = means.contrast({"d": {"Laser": 1, "PRP": -1}})
    joint = found.joint_test().iloc[0]
    assert joint["num_df"] == 1
    assert joint["p_value"] == pytest.approx(found.table["p_value"].iloc[0], rel=1e-9)


def test_joint_test_does_not_depend_on_the_family(fit):
    means = marginal_means(fit, "arm", by="visit")
    for family in ("pairwise", "poly", "eff", "trt.vs.ctrl"):
        found = means.contrast(family).joint_test()
        assert (found["num_df"] == 3).all()
        np.testing.assert_allclose(found["statistic"], means.joint_test()["statistic"], rtol=1e-8)


def test_terms_of_joint_tests_are_those_of_type_3(fit):
    by_term = marginal_means(fit, ["arm", "visit"]).joint_tests().set_index("term")
    anova = fit.anova(3).set_index("term")
    for term in ("arm", "visit", "arm:visit"):
        assert by_term.loc[term, "statistic"] == pytest.approx(anova.loc[term, "statistic"], rel=1e-7)
        assert by_term.loc[term, "den_df"] == pytest.approx(anova.loc[term, "den_df"], rel=1e-6)


def test_not_estimable_is_said_with_its_reason(aliased):
    means = marginal_means(aliased, "arm", by="visit")
    assert len(means.not_estimable) == 1
    assert "PRP, Week 24 depends on arm[T.PRP]:visit[T.Week 24]" in means.not_estimable[0]
    found = means.contrast("pairwise", adjust="bonferroni")
    assert found.table["estimate"].isna().sum() == 3
    assert len(found.not_estimable) == 3
    late = found.table[found.table["visit"] == "Week 24"]
    plain = means.contrast("pairwise").table.loc[late.index]
    # three contrasts can be tested there, six at other visits
    np.testing.assert_allclose(
        late["p_value"].dropna(), np.minimum(1, 3 * plain["p_value"].dropna()), rtol=1e-12
    )
    assert "3 to 6 contrasts within each visit (Bonferroni)" in found.adjustment
    assert "Not estimable: Control - PRP, Week 24" in str(found)
    joint = found.joint_test().set_index("visit")
    assert joint.loc["Week 24", "num_df"] == 2
    assert "3 of 6 contrasts not estimable" in joint.loc["Week 24", "note"]
    assert joint.loc["Week 4", "num_df"] == 3


def test_what_the_model_has_as_zero_is_not_tested(data):
    """A curvature over weeks in a model that is linear in them: rounding, over a standard error of rounding."""
    weeks = data.assign(
        week=data["visit"].map({"Week 4": 4.0, "Week 12": 12.0, "Week 24": 24.0}).astype(float)
    )
    means = marginal_means(fit_mixed_model("value ~ arm * week + (1 | patient)", weeks), "week", by="arm")
    found = means.contrast("poly", spacing="numeric", adjust="bonferroni")
    curved = found.table[found.table["contrast"] == "quadratic"]
    assert (curved["estimate"] == 0).all()
    assert curved["p_value"].isna().all()
    straight = found.table.drop(curved.index)
    plain = means.contrast("poly", spacing="numeric").table.loc[straight.index]
    np.testing.assert_array_equal(straight["p_value"], plain["p_value"])  # a family of one
    assert "Not tested: quadratic, Control is zero in this model" in str(found)
    assert (found.joint_test()["num_df"] == 1).all()


def test_tukey_and_mvt_count_what_is_estimable(aliased):
    means = marginal_means(aliased, "arm", at={"visit": "Week 24"})
    for adjust in ("tukey", "mvt"):
        table = means.contrast("pairwise", adjust=adjust).table
        kept = table.dropna()
        q = np.sqrt(2) * kept["statistic"].abs()
        expected = stats.studentized_range.sf(q, 3, kept["df"])
        np.testing.assert_allclose(kept["p_value"], expected, atol=1e-9 if adjust == "tukey" else 2e-3)


def test_a_fixed_sequence_stops_at_what_is_not_estimable(aliased):
    means = marginal_means(aliased, "arm", at={"visit": "Week 24"})
    table = means.contrast("trt.vs.ctrl", adjust="fixed-sequence").table
    assert table["p_value"].isna().tolist() == [False, True, False]
    assert table["p_value"].iloc[2] == 1


def test_ordinal_fits_are_answered_too():
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"arm": np.repeat(["A", "B", "C"], 40), "patient": range(120)})
    latent = frame["arm"].map({"A": 0, "B": 0.6, "C": 1.2}) + rng.logistic(size=120)
    frame["grade"] = pd.Categorical(np.digitize(latent, [0, 1]), ordered=True)
    fit = fit_ordinal_model("grade ~ arm", frame)
    means = marginal_means(fit, "arm")
    found = means.contrast("trt.vs.ctrl", adjust="dunnett")
    assert (found.table["p_value"] > means.contrast("trt.vs.ctrl").table["p_value"]).all()
    joint = means.joint_test().iloc[0]
    # Wald's test of the two effects, from the fit's own covariance
    names = ["arm[T.B]", "arm[T.C]"]
    effects = fit.coefficients.set_index("term").loc[names, "estimate"].to_numpy()
    chi2 = effects @ np.linalg.solve(fit.vcov.loc[names, names].to_numpy(), effects)
    assert joint["statistic"] * 2 == pytest.approx(chi2, rel=1e-8)
    assert joint["p_value"] == pytest.approx(stats.chi2.sf(chi2, 2), rel=1e-7)


def test_a_model_of_a_logarithm_has_geometric_means_and_ratios(data):
    positive = data.assign(area=np.exp(data["value"] / 10))
    fits = {
        name: fit_mixed_model(
            f"{name}(area) ~ arm + us(arm | patient)", positive[positive["visit"] == "Week 4"]
        )
        for name in ("log", "log2")
    }
    means = marginal_means(fits["log"], "arm")
    geometric = means.back_transformed()
    np.testing.assert_allclose(geometric["estimate"], np.exp(means.table["estimate"]), rtol=1e-14)
    found = means.contrast("trt.vs.ctrl", adjust="dunnett")
    ratios = found.back_transformed()
    expected = geometric["estimate"].iloc[1:].to_numpy() / geometric["estimate"].iloc[0]
    np.testing.assert_allclose(ratios["estimate"], expected, rtol=1e-12)
    np.testing.assert_allclose(ratios["conf_low"], np.exp(found.table["conf_low"]), rtol=1e-14)
    np.testing.assert_array_equal(ratios["p_value"], found.table["p_value"])
    # the base of the logarithm changes nothing on the scale of the response
    again = marginal_means(fits["log2"], "arm").contrast("trt.vs.ctrl", adjust="dunnett").back_transformed()
    for name in ("estimate", "std_error", "conf_low", "conf_high", "p_value"):
        np.testing.assert_allclose(again[name], ratios[name], rtol=1e-6)


@pytest.mark.parametrize("response", ["value", "sqrt(value)", "log(value) - log(size)", "I(log(value))"])
def test_ratios_of_what_is_no_logarithm_are_refused(response):
    with pytest.raises(ModelError, match="model of a logarithm"):
        back_transformed(f"{response} ~ arm", pd.DataFrame())


def test_tables_say_what_they_are(fit):
    means = marginal_means(fit, "arm", by="visit", at={"site": "x"})
    text = str(means)
    assert "Marginal means of arm by visit" in text
    assert "site = x" in text
    assert "(mean of the rows used)" in text
    assert "kenward-roger" in text
    contrast = str(means.contrast("trt.vs.ctrl", "holm", alternative="greater", null=-2))
    assert "one-sided of contrasts above -2" in contrast
    assert "adjusted for 3 contrasts within each visit (Holm); 95 % intervals are not" in contrast
    assert "not adjusted for their number" in str(means.contrast())


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda m: m.contrast("eff", adjust="tukey"), "all pairwise differences"),
        (lambda m: m.contrast("pairwise", adjust="tukey", across_by=True), "all pairwise differences"),
        (lambda m: m.contrast("pairwise", adjust="dunnett"), "differences from one control"),
        (lambda m: m.contrast("pairwise", adjust="tukey", alternative="less"), "two-sided"),
        (lambda m: m.contrast(alternative="upper"), "unknown alternative"),
        (lambda m: m.contrast(alpha=95), "confidence level"),
        (lambda m: m.contrast(alpha="5 %"), "confidence level"),
        (lambda m: m.contrast(null=float("nan")), "null value"),
        (lambda m: m.contrast(adjust=None), "unknown adjustment"),
        (lambda m: m.contrast(None), "unknown contrast family"),
        (lambda m: m.contrast(interaction=["pairwise", "consec"]), "a family for each factor"),
        (lambda m: m.contrast("eff", interaction="eff"), "given twice"),
        (lambda m: m.contrast("pairwise", reference="PRP"), "no option"),
    ],
)
def test_what_does_not_suit_is_refused(fit, call, match):
    with pytest.raises(ModelError, match=match):
        call(marginal_means(fit, "arm", by="visit"))


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"specs": "size"}, "which of them are meant"),
        ({"specs": ["arm", "arm"]}, "named twice"),
        ({"specs": "arm", "by": "arm"}, "named twice"),
        ({"specs": "arm", "at": {"visit": []}}, "values of its own"),
        ({"specs": "arm", "at": {"visit": ["Week 4", "Week 4"]}}, "values of its own"),
        ({"specs": "arm", "at": {"visit": "Week 52"}}, "no such level"),
        ({"specs": "arm", "at": {"size": "large"}}, "numeric"),
        ({"specs": "arm", "weights": {"arm": {"PRP": 1}}}, "not averaged over"),
        ({"specs": "arm", "weights": {"visit": {"Week 52": 1}}}, "unknown level"),
        ({"specs": "arm", "weights": {"visit": {"Week 4": -1, "Week 12": 2}}}, "not usable"),
        ({"specs": "arm", "weights": {"visit": 0.5}}, "need its levels"),
        ({"specs": "arm", "weights": None}, "unknown weights"),
        ({"specs": "arm", "at": "Week 12"}, "need names"),
        ({"specs": 3}, "not a variable"),
        ({"specs": "arm", "weights": {"visit": "cells"}}, "unknown weights"),
        ({"specs": "arm", "weights": {"visit": {"Week 4": "all"}}}, "numeric"),
    ],
)
def test_grids_that_are_not_of_the_model_are_refused(fit, arguments, match):
    with pytest.raises(ModelError, match=match):
        marginal_means(fit, **arguments)
