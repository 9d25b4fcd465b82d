"""The default models of grades and responders: chosen by the design, and what stands in where one cannot be fitted."""

import math

import numpy as np
import pandas as pd
import pytest

from analyses.default_link_model import choose_link_model, fit_link_model, renamed
from outcomes import Protocol

ARMS = {"Untreated": [], "Laser": ["laser"], "PRP": ["prp"], "Laser + PRP": ["laser", "prp"]}


def protocol(design="within-patient", covariates=(), **analysis):
    return Protocol.from_dict(
        {
            "trial": {"id": "T", "title": "A trial", "condition": "vitiligo", "design": design},
            "components": {"laser": "Laser", "prp": "PRP"},
            "arms": ARMS,
            "visits": [{"name": "Week 24", "week": 24}],
            "covariates": list(covariates),
            "endpoints": [
                {
                    "name": "healed",
                    "column": "score",
                    "minimum": 0,
                    "maximum": 100,
                    "direction": "higher is better",
                    "derive": "responder",
                    "threshold": {"at_least": 50},
                }
            ],
            "analyses": [{"endpoint": "healed", "role": "primary", **analysis}],
        }
    )


def lesions(patients=24, seed=1, chances=(0.2, 0.4, 0.5, 0.8)):
    rng = np.random.default_rng(seed)
    rows = [
        (
            f"P{number}",
            f"L{place}",
            arm,
            "Week 24",
            float(rng.random() < chance),
            ("face", "trunk")[number % 2],
        )
        for number in range(patients)
        for place, (arm, chance) in enumerate(zip(ARMS, chances, strict=True))
    ]
    frame = pd.DataFrame(rows, columns=["patient", "lesion", "arm", "visit", "value", "site"])
    return frame.assign(arm=pd.Categorical(frame["arm"], list(ARMS)), baseline=np.nan)


def groups(yes, n=20):
    rows = [
        (f"{arm} {i}", arm, "Week 24", float(i < count))
        for arm, count in zip(ARMS, yes, strict=True)
        for i in range(n)
    ]
    frame = pd.DataFrame(rows, columns=["patient", "arm", "visit", "value"])
    return frame.assign(arm=pd.Categorical(frame["arm"], list(ARMS)), baseline=np.nan)


SITE = {"name": "site", "level": "lesion", "kind": "categorical", "levels": ["face", "trunk"]}


def chosen(plan, data):
    return choose_link_model(plan, plan.primary_analysis, data)


def test_within_patients_the_model_has_random_intercepts_and_leads():
    choice = chosen(protocol(covariates=[SITE]), lesions())
    assert choice.formula == "value ~ arm + site + (1 | patient)"
    assert choice.fallback == ("value ~ arm + (1 | patient)",)
    assert choice.leads
    assert "random intercepts" in choice.reason


def test_between_patients_the_model_is_fixed_and_leads_only_with_covariates():
    plain = chosen(protocol("parallel"), groups((2, 5, 6, 12)))
    assert (plain.formula, plain.leads) == ("value ~ arm", False)
    age = {"name": "age", "kind": "numeric", "unit": "years"}
    data = groups((2, 5, 6, 12)).assign(age=lambda frame: np.arange(len(frame)) % 17 + 30.0)
    adjusted = chosen(protocol("parallel", [age]), data)
    assert (adjusted.formula, adjusted.leads) == ("value ~ arm + age", True)


def test_several_lesions_of_a_patient_in_a_parallel_trial_have_random_intercepts():
    data = groups((2, 5, 6, 12))
    both = pd.concat([data, data.assign(value=1 - data["value"])], ignore_index=True)
    assert chosen(protocol("parallel"), both).formula == "value ~ arm + (1 | patient)"


def test_the_protocols_own_model_goes_first_and_may_name_the_endpoint():
    plan = protocol(model="healed ~ arm * visit + (1 | patient)", fallback=["(1 | patient/lesion)"])
    choice = renamed(chosen(plan, lesions()), "healed")
    assert choice.formula == "value ~ arm * visit + (1 | patient)"
    assert choice.fallback == ("value ~ arm * visit + (1 | patient/lesion)",)
    assert choice.at == {"visit": "Week 24"}


def test_a_model_of_all_arms_leads():
    data = lesions()
    outcome = fit_link_model(chosen(protocol(), data), data, ARMS)
    assert outcome.fit is not None
    assert outcome.fit.converged
    assert (outcome.leads, outcome.left_out) == (True, ())
    assert [step.outcome for step in outcome.walk] == ["fitted"]


def test_an_arm_without_responder_is_left_out_and_the_others_have_the_limits_estimates():
    """Without random effects the limit is known: log odds of the observed shares."""
    data = groups((0, 5, 6, 12))
    outcome = fit_link_model(chosen(protocol("parallel"), data), data, ARMS)
    assert (outcome.left_out, outcome.leads) == (("Untreated",), False)
    assert [step.outcome for step in outcome.walk] == ["refused", "fitted"]
    estimate = outcome.fit.coefficients.set_index("term")["estimate"]["arm[T.Laser + PRP]"]
    assert estimate == pytest.approx(math.log(12 / 8) - math.log(5 / 15), rel=1e-7)


def test_leaving_such_an_arm_out_is_the_limit_of_the_mixed_model_too():
    """Half a millionth of a response in the arm makes the maximum finite: the other effects hardly move."""
    from analyses import fit_generalized_model

    data = lesions(chances=(0.0, 0.4, 0.5, 0.8))
    outcome = fit_link_model(chosen(protocol(), data), data, ARMS)
    assert outcome.left_out == ("Untreated",)
    nearly = data[data["arm"] != "Untreated"].assign(weight=1.0)
    faint = data[data["arm"] == "Untreated"].assign(weight=1e-6)
    faint = pd.concat([faint, faint.assign(value=1.0, weight=1e-7)])
    whole = fit_generalized_model(
        "value ~ arm + (1 | patient)", pd.concat([nearly, faint], ignore_index=True), weights="weight"
    )
    with_arm = whole.coefficients.set_index("term")["estimate"]
    without = outcome.fit.coefficients.set_index("term")["estimate"]
    apart = with_arm["arm[T.Laser + PRP]"] - with_arm["arm[T.Laser]"]
    assert without["arm[T.Laser + PRP]"] == pytest.approx(
        apart, abs=1e-4
    )  # the rows' weight is of this order


def test_a_covariate_that_separates_is_left_out_before_an_arm():
    data = lesions(chances=(0.3, 0.5, 0.5, 0.8))
    data.loc[data["site"] == "trunk", "value"] = 1.0
    outcome = fit_link_model(chosen(protocol(covariates=[SITE]), data), data, ARMS)
    assert outcome.formula == "value ~ arm + (1 | patient)"
    assert (outcome.leads, outcome.left_out) == (True, ())


def test_separation_of_groups_has_firths_penalty_at_last():
    data = groups((4, 0, 0, 20))
    outcome = fit_link_model(chosen(protocol("parallel"), data), data, ARMS)
    assert outcome.fit.penalty == "firth"
    assert not outcome.leads


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_one_outcome_only_leaves_no_model(value):
    data = lesions().assign(value=value)
    outcome = fit_link_model(chosen(protocol(), data), data, ARMS)
    assert outcome.fit is None
    assert not outcome.leads
    assert all(step.outcome == "refused" for step in outcome.walk)


def test_random_effects_that_run_away_leave_the_model():
    """Patients respond with all lesions or with none, but for two: the variance is on its way to infinity."""
    data = lesions(chances=(0.2, 0.5, 0.5, 0.8))
    number = data["patient"].str.removeprefix("P").astype(int)
    data["value"] = (number % 2).astype(float)
    data.loc[(number == 1) & (data["arm"] == "Untreated"), "value"] = 0.0
    data.loc[(number == 2) & (data["arm"] == "Laser + PRP"), "value"] = 1.0
    outcome = fit_link_model(chosen(protocol(), data), data, ARMS)
    assert outcome.fit is None
    assert not outcome.leads
    (step,) = outcome.walk
    assert step.outcome == "refused"
    assert "neither the variance nor effects given it can be trusted" in step.sentence
    assert "Use a paired test" not in step.sentence
