"""The default model of each design, and the protocol's own."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from analyses.default_model import (
    choose_model,
    choose_over_visits,
    choose_spread_by_arm,
    gives_one_spread,
    is_over_visits,
)
from analyses.mixed_model import fit_mixed_model
from outcomes.protocol import Protocol

VISITS = ("Week 12", "Week 24")


def protocol(design: str, instrument: str, derive: str, **analysis: Any) -> Protocol:
    lesions = {"lesions": "lesions.csv"} if design == "within-patient" else {}
    visits = [{"name": "Baseline", "week": 0, "baseline": True}]
    visits += [{"name": name, "week": int(name[5:])} for name in VISITS]
    return Protocol.from_dict(
        {
            "trial": {"id": "T", "title": "A trial", "condition": "vitiligo", "design": design},
            "components": {"laser": "Laser", "prp": "PRP"},
            "arms": {"Laser": ["laser"], "PRP": ["prp"], "Both": ["laser", "prp"]},
            "visits": visits,
            "data": {"patients": "patients.csv", "assessments": "assessments.csv", **lesions},
            "covariates": [
                {"name": "age", "level": "patient", "kind": "numeric"},
                *([{"name": "depth", "level": "lesion", "kind": "numeric"}] if lesions else []),
            ],
            "endpoints": [{"name": "outcome", "instrument": instrument, "column": "OUT", "derive": derive}],
            "analyses": [{"endpoint": "outcome", "role": "primary", "visit": "Week 24", **analysis}],
        }
    )


def frame(lesions: int = 0, visits: tuple[str, ...] = VISITS, shared_arm: bool = False) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    rows = []
    for p in range(24):
        for at in range(max(lesions, 1)):
            arm = ("Laser", "PRP", "Both")[(at if lesions and not shared_arm else p) % 3]
            rows += [
                (f"P{p}", f"L{at}", arm, visit, rng.normal(50, 9), rng.normal(), rng.normal())
                for visit in visits
            ]
    data = pd.DataFrame(rows, columns=["patient", "lesion", "arm", "visit", "age", "depth", "value"])
    data["age"] = data.groupby("patient")["age"].transform("first")
    data["arm"] = pd.Categorical(data["arm"], ["Laser", "PRP", "Both"])
    data["visit"] = pd.Categorical(data["visit"], list(VISITS))
    data["baseline"] = data.groupby(["patient", "lesion"])["value"].transform("first") + rng.normal(
        size=len(data)
    )
    data["baseline_mean"] = data.groupby("patient")["baseline"].transform("mean")
    data["baseline_deviation"] = data["baseline"] - data["baseline_mean"]
    return data if lesions else data.drop(columns=["lesion", "baseline_mean", "baseline_deviation"])


def choose(
    design: str, data: pd.DataFrame, instrument: str = "vasi", derive: str = "change", **analysis: Any
):
    made = protocol(design, instrument, derive, **analysis)
    return choose_model(made, made.primary_analysis, data)


def test_parallel_repeated_visits_is_the_mmrm():
    choice = choose("parallel", frame())
    assert choice.formula == "value ~ baseline * visit + arm * visit + age + us(visit | patient)"
    assert choice.at == {"visit": "Week 24"}
    assert [formula.rsplit(" + ", 1)[1] for formula in choice.fallback] == [
        "toeph(visit | patient)",
        "csh(visit | patient)",
        "(1 | patient)",
    ]


def test_parallel_single_visit_is_analysis_of_covariance():
    data = frame(visits=("Week 24",))
    choice = choose("parallel", data)
    assert choice.formula == "value ~ baseline + arm + age + us(visit | patient)"
    assert choice.at == {}
    # with one row a patient the model is ordinary regression: n - p degrees of freedom
    fit = fit_mixed_model(choice.formula, data)
    assert fit.coefficients["df"].iloc[1] == pytest.approx(24 - 5, rel=1e-6)


def test_within_patients_arms_have_their_own_spread():
    choice = choose("within-patient", frame(lesions=3), "posas-observer")
    assert choice.formula == "value ~ arm + baseline_mean + baseline_deviation + depth + us(arm | patient)"
    assert choice.at == {}
    assert "paired t test" in choice.reason


def test_percent_repigmentation_has_no_baseline():
    data = frame(lesions=3).assign(baseline=0.0, baseline_mean=0.0, baseline_deviation=0.0)
    choice = choose("within-patient", data, "percent-repigmentation", "value")
    assert choice.formula == "value ~ arm + depth + us(arm | patient)"


def test_several_lesions_of_one_arm_keep_the_spread_of_each_arm():
    choice = choose("within-patient", frame(lesions=6), "posas-observer")
    assert choice.formula.endswith("(0 + arm | patient) + us(visit | arm / patient:lesion)")
    # Simpler patient effects first, then one spread for all: at one visit lesions are the residual.
    assert choice.fallback[0].endswith("(1 | patient) + us(visit | arm / patient:lesion)")
    assert choice.fallback[1].endswith("depth + (1 | patient)")


def test_the_model_of_several_lesions_is_that_of_one_where_there_is_one():
    """With one lesion an arm the two models are the same but for how the diagonal is split."""
    data = frame(lesions=3)
    data = data[data["visit"] == "Week 24"]
    one = fit_mixed_model("value ~ arm + us(arm | patient)", data)
    several = fit_mixed_model("value ~ arm + (0 + arm | patient) + us(visit | arm / patient:lesion)", data)
    assert several.loglik == pytest.approx(one.loglik, abs=1e-6)


def test_parallel_design_with_several_lesions():
    choice = choose("parallel", frame(lesions=2, shared_arm=True))
    assert "(0 + visit | patient) + us(visit | patient:lesion)" in choice.formula
    assert fit_mixed_model(choice.formula, frame(lesions=2, shared_arm=True)).converged


def test_the_protocols_own_model_and_fallbacks_go_first():
    own = "value ~ arm * visit + (1 | patient/lesion)"
    choice = choose(
        "within-patient",
        frame(lesions=3),
        "posas-observer",
        model=own,
        fallback=["csh(arm | patient)", "(1 | patient)"],
    )
    assert choice.formula == own
    assert choice.at == {"visit": "Week 24"}
    assert choice.fallback == (
        "value ~ arm * visit + csh(arm | patient)",
        "value ~ arm * visit + (1 | patient)",
    )
    assert "own" in choice.reason


def over_visits(data: pd.DataFrame, design: str = "within-patient", **analysis: Any):
    made = protocol(design, "posas-observer", "change", **analysis)
    return choose_over_visits(made, made.primary_analysis, data)


def test_the_course_within_patients_has_a_spread_by_arm_and_visit():
    choice = over_visits(frame(lesions=3))
    assert choice.formula == (
        "value ~ arm * visit + baseline_mean * visit + baseline_deviation * visit + depth "
        "+ us(arm | patient) @ us(visit)"
    )
    assert choice.at == {"visit": "Week 24"}
    assert [formula.rsplit("depth + ", 1)[1] for formula in choice.fallback] == [
        "us(arm | patient) @ toeph(visit)",
        "us(arm | patient) @ csh(visit)",
        "csh(arm | patient) @ csh(visit)",
        "(1 | patient/arm)",
    ]
    assert fit_mixed_model(choice.formula, frame(lesions=3)).converged


def test_the_course_of_several_lesions_is_the_contracts_model():
    choice = over_visits(frame(lesions=6))
    assert choice.formula.endswith("depth + (0 + visit | patient) + us(visit | patient:lesion)")
    assert choice.fallback[-1].endswith("depth + (1 | patient/lesion)")


def test_where_the_model_is_of_all_visits_already_there_is_none_beside_it():
    assert over_visits(frame(), "parallel") is None
    assert over_visits(frame(lesions=3, visits=("Week 24",))) is None
    assert over_visits(frame(lesions=3), model="value ~ arm * visit + (1 | patient/lesion)") is None
    assert over_visits(frame(lesions=3), model="value ~ arm + us(arm | patient)") is not None


def test_the_visit_counts_as_a_word():
    assert is_over_visits("value ~ arm * visit + us(visit | patient)")
    assert is_over_visits("value ~ arm:C(visit) + (1 | patient)")
    assert not is_over_visits("value ~ arm + n_visits + us(visit | patient)")


def test_a_covariance_for_each_arm_keeps_the_fixed_effects_and_the_structure():
    parallel = protocol("parallel", "vasi", "change")
    fixed = "value ~ baseline * visit + arm * visit"
    assert choose_spread_by_arm(parallel, f"{fixed} + us(visit | patient)") == tuple(
        f"{fixed} + {name}(visit | arm / patient)" for name in ("us", "toeph", "csh", "cs")
    )
    assert choose_spread_by_arm(parallel, f"{fixed} + csh(visit | patient)") == tuple(
        f"{fixed} + {name}(visit | arm / patient)" for name in ("csh", "cs")
    )


@pytest.mark.parametrize(
    ("design", "formula"),
    [
        ("within-patient", "value ~ arm + us(arm | patient)"),
        ("parallel", "value ~ arm * visit + us(visit | arm / patient)"),
        ("parallel", "value ~ arm * visit + us(visit | sex / patient)"),
        ("parallel", "value ~ arm * visit + (1 | patient)"),
        ("parallel", "value ~ arm * visit + (0 + visit | patient) + us(visit | patient:lesion)"),
        ("parallel", "value ~ arm * visit + us(side | patient) @ us(visit)"),
    ],
)
def test_a_covariance_for_each_arm_is_not_made_up_where_there_is_no_place_for_it(design, formula):
    instrument = "posas-observer" if design == "within-patient" else "vasi"
    assert choose_spread_by_arm(protocol(design, instrument, "change"), formula) == ()


@pytest.mark.parametrize(
    ("covariance", "one"),
    [
        ("(1 | patient/lesion)", True),
        ("cs(visit | patient)", True),
        ("(1 | patient) + ar1(visit | patient:lesion)", True),
        ("csh(visit | patient)", False),
        ("us(arm | patient)", False),
        ("cs(visit | arm / patient)", False),
        ("(1 + week | patient)", False),
    ],
)
def test_which_models_have_one_spread(covariance, one):
    assert gives_one_spread(f"value ~ arm + {covariance}") is one
