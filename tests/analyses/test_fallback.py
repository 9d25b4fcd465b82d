"""Falling back on simpler covariances: which are tried, in which order, and what is written down."""

import pickle

import numpy as np
import pandas as pd
import pytest

from analyses import fit_mixed_model
from analyses.fallback import default_fallback, fallback_formulas, first_that_fits
from analyses.formula import parse_formula
from outcomes.errors import ConvergenceError, FormulaError, ModelError

VISITS = ("Week 4", "Week 8", "Week 12", "Week 16")


def trial(patients: int, seed: int = 1) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    rows = [
        (f"P{p}", ("A", "B")[p % 2], visit, own + rng.normal())
        for p in range(patients)
        for own in [rng.normal()]
        for visit in VISITS
    ]
    data = pd.DataFrame(rows, columns=["patient", "arm", "visit", "value"])
    return data.assign(
        arm=pd.Categorical(data["arm"], ["A", "B"]), visit=pd.Categorical(data["visit"], VISITS)
    )


@pytest.mark.parametrize(
    ("covariance", "simpler"),
    [
        ("us(visit | patient)", ["toeph(visit | patient)", "csh(visit | patient)", "(1 | patient)"]),
        ("us(arm | patient)", ["csh(arm | patient)", "(1 | patient)"]),  # the order of arms means nothing
        (
            "us(visit | arm / patient)",
            [
                "toeph(visit | arm / patient)",
                "csh(visit | arm / patient)",
                "cs(visit | arm / patient)",
                "(1 | patient)",
            ],
        ),
        (
            "us(arm | patient) @ us(visit)",
            [
                "us(arm | patient) @ toeph(visit)",
                "us(arm | patient) @ csh(visit)",
                "csh(arm | patient) @ csh(visit)",
                "(1 | patient/arm)",
            ],
        ),
        (
            "(0 + visit | patient) + us(visit | patient:lesion)",
            [
                "(1 | patient) + us(visit | patient:lesion)",
                "(1 | patient) + toeph(visit | patient:lesion)",
                "(1 | patient) + csh(visit | patient:lesion)",
                "(1 | patient/lesion)",
            ],
        ),
        ("(1 + week | patient)", ["(1 + week || patient)", "(1 | patient)"]),
        ("ar1(visit | `the patient`)", ["cs(visit | `the patient`)", "(1 | `the patient`)"]),
        ("(1 | clinic) + ar1h(visit | patient)", ["(1 | clinic) + csh(visit | patient)", None]),
        ("(1 | patient/lesion)", []),
        ("(1 | patient)", []),
    ],
)
def test_the_default_list_gets_simpler_and_keeps_subjects_and_groups(covariance, simpler):
    found = default_fallback(parse_formula(f"value ~ arm * visit + {covariance}"))
    if simpler and simpler[-1] is None:  # subjects that may cross: intercepts of both, in either order
        assert set(found[-1].split(" + ")) == {"(1 | clinic)", "(1 | patient)"}
        found, simpler = found[:-1], simpler[:-1]
    assert list(found) == simpler


def test_each_step_of_the_default_list_has_fewer_parameters():
    data = trial(60)
    for covariance in ("us(visit | patient)", "us(visit | arm / patient)"):
        counts = [
            fit_mixed_model(formula, data).n_covariance_parameters
            for formula in fallback_formulas(f"value ~ arm * visit + {covariance}")
        ]
        assert counts == sorted(set(counts), reverse=True)


def test_a_model_that_can_be_fitted_is_not_left():
    data = trial(30)
    plain = fit_mixed_model("value ~ arm * visit + us(visit | patient)", data)
    walked = fit_mixed_model("value ~ arm * visit + us(visit | patient)", data, on_failure="fallback")
    assert [step.outcome for step in walked.walk] == ["fitted"]
    assert walked.walk[0].sentence == walked.convergence.sentence
    assert walked.loglik == plain.loglik
    assert plain.walk == ()
    assert "left:" not in str(walked)


def test_the_walk_is_written_down_and_ends_in_what_a_direct_fit_gives():
    """Three patients cannot carry the seven parameters of a Toeplitz covariance of four visits."""
    data = trial(3)
    formula = "value ~ 1 + toeph(visit | patient)"
    with pytest.raises(ConvergenceError, match="did not converge"):
        fit_mixed_model(formula, data, on_failure="raise")
    assert not fit_mixed_model(formula, data).converged  # by default it is returned, and says so
    fit = fit_mixed_model(formula, data, on_failure="fallback", fallback=["(1 | patient)"])
    assert [(step.formula, step.outcome) for step in fit.walk] == [
        (formula, "not converged"),
        ("value ~ 1 + (1 | patient)", "fitted"),
    ]
    assert fit.walk[0].detail  # the numbers of the search
    assert fit.formula == "value ~ 1 + (1 | patient)"
    assert fit.loglik == fit_mixed_model("value ~ 1 + (1 | patient)", data).loglik
    assert "left: value ~ 1 + toeph(visit | patient): not converged." in str(fit)


def test_a_covariance_that_the_data_refuse_is_left_with_their_reason():
    """Nobody was seen at both Week 4 and Week 8."""
    data = trial(40)
    early, late = data["visit"] == "Week 4", data["visit"] == "Week 8"
    even = data["patient"].str[1:].astype(int) % 4 < 2
    data = data[~((early & even) | (late & ~even))]
    fit = fit_mixed_model("value ~ arm * visit + us(visit | patient)", data, on_failure="fallback")
    assert [step.outcome for step in fit.walk] == ["refused", "fitted"]
    assert "observed at both Week 4 and Week 8" in fit.walk[0].sentence
    assert "toeph(visit | patient)" in fit.formula


def test_the_boundary_is_an_answer_and_no_reason_to_leave():
    rng = np.random.default_rng(5)
    data = trial(20).assign(value=lambda d: rng.normal(size=len(d)))
    data["value"] -= data.groupby("patient")["value"].transform("mean")  # no variance between patients at all
    fit = fit_mixed_model("value ~ arm + (1 | patient)", data, on_failure="fallback")
    assert fit.convergence.boundary
    assert [step.outcome for step in fit.walk] == ["fitted"]


def test_where_nothing_can_be_fitted_the_error_lists_the_whole_walk():
    with pytest.raises(ConvergenceError, match="no covariance of the list") as caught:
        fit_mixed_model(
            "value ~ 1 + us(visit | patient)",
            trial(2),
            on_failure="fallback",
            fallback=["us(visit | arm / patient)"],
        )
    text = str(caught.value)
    assert "1. value ~ 1 + us(visit | patient): refused." in text
    assert "2. value ~ 1 + us(visit | arm / patient): refused." in text
    assert pickle.loads(pickle.dumps(caught.value)).steps == caught.value.steps


def test_a_reason_that_no_covariance_can_mend_is_told_as_it_is():
    data = trial(10).assign(value=np.nan)
    with pytest.raises(ModelError, match="no row has every model variable"):
        fit_mixed_model("value ~ arm + us(visit | patient)", data, on_failure="fallback")


def test_fallbacks_are_terms_sums_of_terms_or_whole_formulas():
    formulas = fallback_formulas(
        "value ~ arm * visit + us(visit | patient)",
        ["csh(visit | patient)", "(1 | site) + ar1(visit | patient)", "value ~ arm + (1 | patient)"],
    )
    assert formulas == (
        "value ~ arm * visit + us(visit | patient)",
        "value ~ arm * visit + csh(visit | patient)",
        "value ~ arm * visit + (1 | site) + ar1(visit | patient)",
        "value ~ arm + (1 | patient)",
    )


@pytest.mark.parametrize("term", ["us(visit | patient", "age", "", "csh(visit | patient) + age", 3])
def test_a_fallback_that_is_no_covariance_is_refused_before_anything_is_fitted(term):
    with pytest.raises(FormulaError):
        fit_mixed_model("value ~ arm + us(visit | patient)", trial(9), on_failure="fallback", fallback=[term])


@pytest.mark.parametrize(
    "options",
    [
        {"on_failure": "retry"},
        {"fallback": ["(1 | patient)"]},  # a list that would not be walked
        {"on_failure": "raise", "fallback": ["(1 | patient)"]},
        {"on_failure": "fallback", "fallback": "(1 | patient)"},
    ],
)
def test_options_that_contradict_one_another_are_refused(options):
    with pytest.raises(ModelError, match=r"on_failure|fallbacks are a list"):
        fit_mixed_model("value ~ arm + us(visit | patient)", trial(9), **options)


def test_no_formula_at_all_is_an_error():
    with pytest.raises(ModelError, match="no model was chosen"):
        first_that_fits([], lambda formula: None)
