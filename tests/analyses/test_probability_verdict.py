"""compare_probabilities: closed forms of saturated models, identities between scales, and refusals."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analyses import compare_probabilities, fit_generalized_model, fit_ordinal_model, marginal_probabilities
from analyses.probability.superiority import model_superiority
from outcomes.errors import ModelError

ARMS = {"None": [], "Laser": ["laser"], "PRP": ["prp"], "Both": ["laser", "prp"]}
COUNTS = {"None": (6, 40), "Laser": (14, 42), "PRP": (12, 38), "Both": (33, 44)}
SOLVED = 1e-7  # the search stops where the gradient is below 1e-8 of the deviance


def responders():
    rows = [(f"{arm}{i}", arm, float(i < yes)) for arm, (yes, n) in COUNTS.items() for i in range(n)]
    frame = pd.DataFrame(rows, columns=["patient", "arm", "value"])
    return frame.assign(arm=pd.Categorical(frame["arm"], list(ARMS)))


def lesions(seed=4, patients=40, effects=(0.0, 0.8, 1.0, 2.4)):
    """Four lesions a patient, one an arm: grades cut from a shared effect, the arm's, and a logistic error."""
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(patients):
        own = rng.normal(0, 1.2)
        for arm, effect in zip(ARMS, effects, strict=True):
            latent = own + effect + rng.logistic()
            rows.append((f"P{number}", arm, f"G{np.searchsorted([0.0, 1.5, 3.0], latent)}"))
    frame = pd.DataFrame(rows, columns=["patient", "arm", "value"])
    grades = pd.Categorical(frame["value"], ["G0", "G1", "G2", "G3"], ordered=True)
    return frame.assign(arm=pd.Categorical(frame["arm"], list(ARMS)), value=grades)


@pytest.fixture(scope="module")
def graded():
    return fit_ordinal_model("value ~ arm + (1 | patient)", lesions())


def rows_of(verdict):
    return {row.reference: row for row in verdict.rows if row.kind == "part"}


def test_a_saturated_model_has_the_observed_differences_with_their_textbook_errors():
    verdict = compare_probabilities(fit_generalized_model("value ~ arm", responders()), ARMS)
    share = {arm: yes / n for arm, (yes, n) in COUNTS.items()}
    variance = {arm: share[arm] * (1 - share[arm]) / n for arm, (_, n) in COUNTS.items()}
    for part, row in rows_of(verdict).items():
        error = np.sqrt(variance["Both"] + variance[part])
        assert row.estimate == pytest.approx(share["Both"] - share[part], rel=SOLVED)
        assert row.std_error == pytest.approx(error, rel=SOLVED)
        assert row.conf_low == pytest.approx(row.estimate - stats.norm.isf(0.025) * error, rel=1e-6)
    interaction = next(row for row in verdict.rows if row.kind == "interaction")
    excess = share["Both"] - share["Laser"] - share["PRP"] + share["None"]
    assert interaction.estimate == pytest.approx(excess, rel=1e-6)
    assert interaction.std_error == pytest.approx(np.sqrt(sum(variance.values())), rel=SOLVED)
    assert interaction.scale is None  # the verdict's own scale


def test_the_min_test_is_the_larger_p_of_the_parts():
    verdict = compare_probabilities(fit_generalized_model("value ~ arm", responders()), ARMS)
    joint = next(row for row in verdict.rows if row.kind == "min_test")
    assert joint.p_value == max(row.p_value for row in rows_of(verdict).values())


def test_covariates_are_averaged_as_marginal_probabilities_do():
    rng = np.random.default_rng(8)
    data = responders().assign(age=lambda frame: rng.normal(40, 9, len(frame)))
    fit = fit_generalized_model("value ~ arm + age", data)
    table = marginal_probabilities(fit, "arm").contrast({"Both - PRP": {"Both": 1, "PRP": -1}}).table
    row = rows_of(compare_probabilities(fit, ARMS))["PRP"]
    assert (row.estimate, row.std_error, row.p_value) == pytest.approx(
        tuple(table.loc[0, ["estimate", "std_error", "p_value"]]), rel=1e-9
    )


def test_a_response_that_is_harm_turns_every_sign():
    fit = fit_generalized_model("value ~ arm", responders())
    up, down = (compare_probabilities(fit, ARMS, higher_is_better=better) for better in (True, False))
    for part in ("Laser", "PRP"):
        assert rows_of(down)[part].estimate == -rows_of(up)[part].estimate
        assert rows_of(down)[part].answer == "worse"


def test_grades_lead_with_lesions_of_the_same_patient(graded):
    verdict = compare_probabilities(graded, ARMS)
    table = model_superiority(graded, reverse=True).set_index(["pairs", "first", "second"])
    for part, row in rows_of(verdict).items():
        told = table.loc[("same patient", "Both", part)]
        assert (row.estimate, row.conf_low, row.conf_high) == pytest.approx(
            (told["estimate"], told["conf_low"], told["conf_high"]), rel=1e-8
        )
        assert row.p_value == pytest.approx(told["p_value"], rel=1e-6)
        assert row.null == 0.5
    beside = verdict.supplement.set_index("reference")["superiority_different_patients"]
    assert beside["PRP"] == pytest.approx(table.loc[("different patients", "Both", "PRP"), "estimate"])
    other = compare_probabilities(graded, ARMS, pairs="different patients")
    assert rows_of(other)["PRP"].estimate == pytest.approx(beside["PRP"], rel=1e-9)
    assert (
        rows_of(other)["PRP"].estimate < rows_of(verdict)["PRP"].estimate
    )  # farther from one half within patients


def test_two_grades_of_different_patients_are_half_of_one_plus_the_risk_difference():
    """With two grades P(better) + P(alike) / 2 = (1 + p_a - p_b) / 2, whatever the model."""
    data = responders()
    grades = data.assign(
        value=pd.Categorical(data["value"].map({0.0: "no", 1.0: "yes"}), ["no", "yes"], ordered=True)
    )
    by_grade = compare_probabilities(fit_ordinal_model("value ~ arm", grades), ARMS)
    by_share = compare_probabilities(fit_generalized_model("value ~ arm", data), ARMS)
    for part, row in rows_of(by_grade).items():
        assert row.estimate == pytest.approx((1 + rows_of(by_share)[part].estimate) / 2, rel=1e-6)
        assert row.std_error == pytest.approx(rows_of(by_share)[part].std_error / 2, rel=1e-6)


def test_reversed_grades_where_lower_is_better_say_the_same(graded):
    data = lesions()
    turned = data["value"].cat.rename_categories({f"G{k}": f"H{3 - k}" for k in range(4)})
    turned = turned.cat.reorder_categories(["H0", "H1", "H2", "H3"], ordered=True)
    other = fit_ordinal_model("value ~ arm + (1 | patient)", data.assign(value=turned))
    up, down = compare_probabilities(graded, ARMS), compare_probabilities(other, ARMS, higher_is_better=False)
    for part in ("Laser", "PRP"):
        assert rows_of(down)[part].estimate == pytest.approx(rows_of(up)[part].estimate, rel=1e-6)
        assert rows_of(down)[part].answer == rows_of(up)[part].answer


def test_synergy_is_not_asked_of_a_probability_of_superiority(graded):
    row = next(row for row in compare_probabilities(graded, ARMS).rows if row.kind == "interaction")
    assert np.isnan(row.estimate)
    assert row.answer.startswith("not estimable from a probability of superiority")


def test_a_margin_is_on_the_probability_scale():
    fit = fit_ordinal_model("value ~ arm + (1 | patient)", lesions(effects=(0.0, 0.8, 1.0, 4.0)))
    found = rows_of(compare_probabilities(fit, ARMS))["PRP"]
    margin = found.conf_low - 0.5
    for size, answer in ((margin - 0.01, "better by at least the margin"), (margin + 0.01, "better")):
        verdict = compare_probabilities(fit, ARMS, margin=size, margin_source="by convention")
        assert rows_of(verdict)["PRP"].answer == answer


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"margin": 0.5}, "margin is out of range"),
        ({"pairs": "twins"}, "unknown pairs"),
    ],
)
def test_options_out_of_range_are_refused(graded, options, words):
    with pytest.raises(ModelError, match=words):
        compare_probabilities(graded, ARMS, **options)


def test_other_responses_are_refused_by_name():
    counts = responders().assign(value=lambda frame: frame["value"] * 3 + 1)
    fit = fit_generalized_model("value ~ arm", counts, family="poisson")
    with pytest.raises(ModelError, match="grades and responders") as error:
        compare_probabilities(fit, ARMS)
    assert error.value.got == "the family poisson"
    with pytest.raises(ModelError, match="pairs are of grades"):
        compare_probabilities(fit_generalized_model("value ~ arm", responders()), ARMS, pairs="same patient")


def test_lesions_of_the_same_patient_need_random_effects():
    fit = fit_ordinal_model("value ~ arm", lesions(), patient=None)
    with pytest.raises(ModelError, match="none of the same patient"):
        compare_probabilities(fit, ARMS, pairs="same patient")
