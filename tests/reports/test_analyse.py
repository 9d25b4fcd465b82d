"""What `analyse_trial` finds: against closed forms, scipy, published numbers and counts known by construction."""

import math
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from outcomes import Protocol, Trial, read_trial
from outcomes.errors import ModelError
from reports.adjustment_words import fallback_clause
from reports.analyse import analyse_trial
from reports.context import ReportContext
from reports.drawing import flow_rows
from reports.methods import methods_paragraphs, model_reason
from reports.model_words import covariance_words
from reports.steps.harms import exact_limits
from reports.steps.observed import mean_and_interval, share_and_interval
from reports.steps.units import missing_by_arm_and_visit
from reports.tables.flow import missing_table
from reports.verdicts import component_speller, lines_of, verdict_lines

EXAMPLES = Path(__file__).parents[2] / "examples"
ROUNDED = 1e-9  # results keep ten significant digits

ARMS = {"Untreated": [], "Laser": ["laser"], "PRP": ["prp"], "Laser + PRP": ["laser", "prp"]}


def protocol(**changes):
    tables = {
        "trial": {"id": "T", "title": "A trial", "condition": "scar", "design": "within-patient"},
        "components": {"laser": "Fractional CO2 laser", "prp": "Platelet-rich plasma"},
        "arms": ARMS,
        "visits": [{"name": "Week 12", "week": 12}, {"name": "Week 24", "week": 24}],
        "endpoints": [
            {
                "name": "score",
                "column": "score",
                "minimum": 0,
                "maximum": 100,
                "direction": "higher is better",
            }
        ],
        "analyses": [{"endpoint": "score", "role": "primary"}],
    }
    return Protocol.from_dict({**tables, **changes})


def complete_frames(patients=12, seed=3):
    """Four lesions a patient, one an arm, two visits, nothing missing."""
    rng = np.random.default_rng(seed)
    rows, lesions = [], []
    for number in range(patients):
        own = rng.normal(0, 8)
        for place, arm in enumerate(ARMS):
            lesions.append((f"P{number}", f"L{place}", arm))
            for week in (12, 24):
                value = float(np.clip(20 + 10 * place + own + rng.normal(0, 4 + 2 * place), 0, 100))
                rows.append((f"P{number}", f"L{place}", f"Week {week}", week, value))
    return {
        "patients": pd.DataFrame({"patient": [f"P{number}" for number in range(patients)]}),
        "lesions": pd.DataFrame(lesions, columns=["patient", "lesion", "arm"]),
        "assessments": pd.DataFrame(rows, columns=["patient", "lesion", "visit", "week", "score"]),
    }


@pytest.fixture(scope="module")
def frames():
    return complete_frames()


@pytest.fixture(scope="module")
def complete(frames):
    return analyse_trial(Trial.from_frames(protocol(), **frames))


@pytest.fixture(scope="module")
def abdelghani():
    return analyse_trial(read_trial(EXAMPLES / "abdelghani2018" / "trial.toml"))


@pytest.fixture(scope="module")
def small(sound_trials):
    return analyse_trial(read_trial(sound_trials["within-patient"] / "trial.toml"))


def wide(frames):
    rows = frames["assessments"].merge(frames["lesions"], on=["patient", "lesion"])
    return rows[rows["visit"] == "Week 24"].pivot(index="patient", columns="arm", values="score")


def test_complete_data_without_covariates_give_the_paired_t_test(complete, frames):
    arms = wide(frames)
    for line in lines_of(complete.results, "score", "part"):
        test = stats.ttest_rel(arms["Laser + PRP"], arms[line.reference])
        interval = test.confidence_interval(0.95)
        # REML with an unstructured covariance is the paired test exactly; 1e-6 is the optimiser's.
        assert line.estimate == pytest.approx((arms["Laser + PRP"] - arms[line.reference]).mean(), rel=1e-6)
        assert line.p_value == pytest.approx(test.pvalue, rel=1e-4)
        assert (line.conf_low, line.conf_high) == pytest.approx((interval.low, interval.high), rel=1e-5)


def test_the_sensitivity_by_paired_t_tests_is_scipys(complete, frames):
    arms, results = wide(frames), complete.results
    p_values = []
    for part in ("Laser", "PRP"):
        test = stats.ttest_rel(arms["Laser + PRP"], arms[part])
        address = {"contrast": f"(Laser + PRP) − {part}", "level": "Paired t tests"}
        assert results.value("score/sensitivity", "p_value", **address) == pytest.approx(
            test.pvalue, rel=ROUNDED
        )
        p_values.append(stats.ttest_rel(arms["Laser + PRP"], arms[part], alternative="greater").pvalue)
    joint = results.value("score/sensitivity", "min_test_p", level="Paired t tests")
    assert joint == pytest.approx(2 * max(p_values), rel=ROUNDED)


def test_the_naive_analysis_is_welchs_test(complete, frames):
    arms = wide(frames)
    test = stats.ttest_ind(arms["Laser + PRP"], arms["PRP"], equal_var=False)
    address = {
        "contrast": "(Laser + PRP) − PRP",
        "level": "Welch's t, lesions as if of different patients",
    }
    assert complete.results.value("score/naive", "p_value", **address) == pytest.approx(
        test.pvalue, rel=ROUNDED
    )
    # Lesions of a patient are made alike here: blind to it, the interval is wider.
    assert complete.results.value("score/naive", "se_ratio", **address) > 1


def test_means_over_the_arms_are_the_observed_ones(complete, frames):
    for arm, mean in wide(frames).mean().items():
        assert complete.results.value("score/means", "estimate", arm=arm) == pytest.approx(mean, rel=1e-6)
        found = complete.results.value("score/observed", "mean", arm=arm, visit="Week 24")
        assert found == pytest.approx(mean, rel=ROUNDED)


def test_every_contrast_of_four_arms_is_there_once(complete):
    contrasts = complete.results.distinct("contrast", analysis="score/contrasts", statistic="estimate")
    assert len(contrasts) == 6
    assert contrasts[:2] == ("(Laser + PRP) − Laser", "(Laser + PRP) − PRP")


def test_carry_across_divides_by_what_is_left(complete):
    line = lines_of(complete.results, "score", "part")[0]
    found = complete.results.value("score/carry-across", "estimate", contrast=line.contrast, level="k = 0.2")
    assert found == pytest.approx(line.estimate / 0.8, rel=ROUNDED)


def test_the_same_trial_gives_the_same_results(complete, frames):
    again = analyse_trial(Trial.from_frames(protocol(), **frames))
    assert again.results.to_json() == complete.results.to_json()


def test_stages_are_told(frames):
    told = []
    analyse_trial(Trial.from_frames(protocol(), **frames), told.append)
    assert told[0].startswith("Analysing")
    assert len(told) >= 3


def test_a_model_that_cannot_be_fitted_falls_back_and_says_so(frames):
    # Two patients cannot carry ten covariance parameters of four arms.
    few = {name: frame[frame["patient"].isin(["P0", "P1", "P2"])] for name, frame in frames.items()}
    planned = protocol(analyses=[{"endpoint": "score", "role": "primary", "fallback": ["(1 | patient)"]}])
    results = analyse_trial(Trial.from_frames(planned, **few)).results
    assert results.text("score", "model") == "value ~ arm + (1 | patient)"
    walked = [one for one in results.statements if one.kind == "fallback"]
    assert walked[0].subject == "value ~ arm + us(arm | patient)"
    assert walked[0].text
    context = ReportContext(planned, results)
    reason = model_reason(context, context.primary)
    assert reason.startswith("An unstructured covariance over the arms of a patient could not be fitted (")
    assert reason.endswith("; random intercepts of patients instead.")
    assert not re.search(r"derivative|BFGS|e\+\d", reason)
    assert reason in methods_paragraphs(context)[1]
    assert fallback_clause(context) == (
        "An unstructured covariance over the arms of a patient could not be fitted: the model has random intercepts "
        "of patients instead."
    )


@pytest.mark.parametrize(
    ("formula", "words"),
    [
        ("value ~ arm + us(arm | patient)", "an unstructured covariance over the arms of a patient"),
        ("y ~ arm * visit + (1 | patient/lesion)", "random intercepts of patients and of their lesions"),
        (
            "y ~ arm + toeph(visit | patient)",
            "a Toeplitz covariance with unequal variances over the visits of a patient",
        ),
        (
            "value ~ arm + (0 + arm | patient) + us(visit | arm / patient:lesion)",
            "random effects of each arm of a patient and an unstructured covariance over the visits of a lesion for "
            "each arm",
        ),
        (
            "value ~ arm * visit + us(arm | patient) @ csh(visit)",
            "an unstructured covariance over the arms of a patient times a compound-symmetric covariance with unequal "
            "variances over the visits",
        ),
        (
            "y ~ arm + us(visit | arm / patient)",
            "an unstructured covariance over the visits of a patient for each arm",
        ),
    ],
)
def test_covariances_in_words(formula, words):
    assert covariance_words(formula) == words


def test_a_primary_analysis_that_cannot_be_carried_out_is_an_error(frames):
    one = {name: frame[frame["patient"] == "P0"] for name, frame in frames.items()}
    planned = protocol(analyses=[{"endpoint": "score", "role": "primary", "fallback": ["(1 | patient)"]}])
    with pytest.raises(ModelError):
        analyse_trial(Trial.from_frames(planned, **one))


def test_a_secondary_analysis_that_cannot_be_carried_out_is_reported(frames):
    changed = dict(frames)
    scores = frames["assessments"]
    changed["assessments"] = scores.assign(other=np.where(scores["patient"] == "P0", scores["score"], np.nan))
    planned = protocol(
        endpoints=[
            {"name": name, "column": name, "minimum": 0, "maximum": 100, "direction": "higher is better"}
            for name in ("score", "other")
        ],
        analyses=[{"endpoint": "score", "role": "primary"}, {"endpoint": "other"}],
    )
    analysed = analyse_trial(Trial.from_frames(planned, **changed))
    assert analysed.endpoint("other").verdict is None
    assert analysed.results.text("other", "not_estimable")
    assert analysed.endpoint("score").verdict is not None


def test_flow_counts_what_is_there(frames):
    scores = frames["assessments"]
    gone = (scores["patient"].isin(["P0", "P1"])) & (scores["visit"] == "Week 24")
    changed = {**frames, "assessments": scores.assign(score=scores["score"].mask(gone))}
    results = analyse_trial(Trial.from_frames(protocol(), **changed)).results
    assert results.value("flow", "patients", level="Enrolled", arm="") == 12
    assert results.value("flow", "lesions", level="Enrolled", arm="") == 48
    assert results.value("flow", "lesions", level="Assessed at Week 12", arm="PRP") == 12
    assert results.value("flow", "lesions", level="Assessed at Week 24", arm="PRP") == 10
    assert results.value("flow", "patients", level="In the primary analysis", arm="") == 10
    assert results.value("score/observed", "missing", visit="Week 24", arm="") == 8
    assert not results.has("flow", "patients", level="Treated at least once")


def test_a_visit_without_a_row_is_a_missing_value(frames):
    """The usual layout: a lesion that was not seen has no row. Its absence counts as a row without a value does."""
    scores = frames["assessments"]
    gone = (scores["patient"].isin(["P0", "P1"])) & (scores["visit"] == "Week 24")
    empty = Trial.from_frames(
        protocol(), **{**frames, "assessments": scores.assign(score=scores["score"].mask(gone))}
    )
    absent = Trial.from_frames(protocol(), **{**frames, "assessments": scores[~gone]})
    results = analyse_trial(absent).results
    assert results.value("score/observed", "missing", visit="Week 24", arm="") == 8
    assert results.value("score/observed", "expected", visit="Week 24", arm="PRP") == 12
    assert results.value("flow", "missing", visit="Week 24", arm="PRP") == 2
    assert results.value("flow", "missing", visit="Week 12", arm="PRP") == 0
    pd.testing.assert_frame_equal(
        missing_by_arm_and_visit(absent, "score"), missing_by_arm_and_visit(empty, "score")
    )
    counted = missing_by_arm_and_visit(absent, "score").set_index(["visit", "arm"])
    assert counted.loc[("Week 24", "Laser")].tolist() == [12, 2]


def test_what_is_taken_for_granted_of_missing_values_depends_on_the_model(frames, sound_trials, complete):
    def remarks_of(trial):
        return " ".join(missing_table(ReportContext(trial.protocol, analyse_trial(trial).results)).remarks)

    scores = frames["assessments"]
    gone = (scores["patient"] == "P0") & (scores["visit"] == "Week 24")
    within = remarks_of(Trial.from_frames(protocol(), **{**frames, "assessments": scores[~gone]}))
    assert within.startswith(
        "The model uses the values at Week 24 only; a lesion not seen then does not count"
    )
    assert "missing at random" not in within
    assert "assumption" not in missing_table(ReportContext(protocol(), complete.results)).notes
    trial = read_trial(sound_trials["parallel"] / "trial.toml")
    rows = trial.assessments
    gone = (rows["patient"] == "P02") & (rows["visit"] == "Week 24")
    fewer = Trial.from_frames(trial.protocol, patients=trial.patients, assessments=rows[~gone])
    assert "every observed value" in remarks_of(fewer)
    graded = frames["assessments"].assign(score=np.floor(frames["assessments"]["score"] / 25).clip(0, 3) * 25)
    planned = protocol(
        endpoints=[
            protocol().to_dict()["endpoints"][0],
            {"name": "grade", "from": "score", "derive": "grade", "cutpoints": [0, 25, 50, 75]},
        ],
        analyses=[{"endpoint": "grade", "role": "primary"}],
    )
    gone = (graded["patient"] == "P0") & (graded["visit"] == "Week 24")
    assert "The model" not in remarks_of(
        Trial.from_frames(planned, **{**frames, "assessments": graded[~gone]})
    )


def test_a_patient_who_never_came_back_is_missing_and_has_a_baseline(sound_trials):
    trial = read_trial(sound_trials["parallel"] / "trial.toml")
    rows = trial.assessments
    gone = (rows["patient"] == "P01") & (rows["visit"] != "Baseline")
    gone |= (rows["patient"] == "P02") & (rows["visit"] == "Week 24")
    frames = {"patients": trial.patients, "assessments": rows[~gone]}
    results = analyse_trial(Trial.from_frames(trial.protocol, **frames)).results
    assert results.value("vasi_change/observed", "expected", visit="Week 24", arm="") == 18
    assert results.value("vasi_change/observed", "missing", visit="Week 24", arm="") == 2
    assert results.value("flow", "missing", visit="Week 12", arm="PRP") == 1
    # What was measured before treatment is known of all eighteen.
    assert results.value("baseline", "n", endpoint="vasi_change", arm="") == 18
    before = rows.loc[rows["visit"] == "Baseline", "vasi"].mean()
    assert results.value("baseline", "mean", endpoint="vasi_change", arm="") == pytest.approx(
        before, rel=ROUNDED
    )


def test_the_flow_tells_who_the_model_used_and_who_has_a_value_at_the_primary_visit(sound_trials):
    trial = read_trial(sound_trials["parallel"] / "trial.toml")
    rows = trial.assessments
    gone = (rows["patient"] == "P01") & (rows["visit"] != "Baseline")
    gone |= (rows["patient"] == "P02") & (rows["visit"] == "Week 24")
    frames = {"patients": trial.patients, "assessments": rows[~gone]}
    analysed = analyse_trial(Trial.from_frames(trial.protocol, **frames))
    results = analysed.results
    assert results.value("flow", "patients", level="In the primary analysis", arm="") == 17
    assert results.value("vasi_change/model", "n_subjects") == 17
    assert results.value("flow", "patients", level="Of these, with a value at Week 24", arm="") == 16


def test_an_empty_file_of_events_says_nothing_of_harm(frames):
    header = pd.DataFrame({"patient": [], "lesion": [], "term": []}, dtype=str)
    results = analyse_trial(Trial.from_frames(protocol(), **frames, events=header)).results
    assert results.text("harms", "not_provided") == "The file of adverse events is empty."
    assert not results.has("harms", "events")


def test_treated_units_are_those_with_a_session(frames):
    sessions = frames["lesions"].assign(sessions_done=[0 if place % 4 == 1 else 5 for place in range(48)])
    results = analyse_trial(Trial.from_frames(protocol(), **{**frames, "lesions": sessions})).results
    drawn = flow_rows(ReportContext(protocol(), results))
    stages = dict(
        drawn.loc[drawn["stage"].isin(["Received treatment", "Followed, untreated"]), ["arm", "stage"]].values
    )
    assert stages == {
        arm: "Followed, untreated" if arm == "Untreated" else "Received treatment" for arm in ARMS
    }
    assert results.value("flow", "lesions", level="Treated at least once", arm="Laser") == 0
    assert results.value("flow", "lesions", level="Treated at least once", arm="PRP") == 12
    assert results.value("flow", "lesions", level="Followed, untreated", arm="Untreated") == 12
    assert not results.has("flow", "lesions", level="Treated at least once", arm="Untreated")
    assert results.value("exposure", "mean", arm="PRP") == 5


def test_baseline_is_described_by_patient_and_by_lesion(small):
    results = small.results
    assert results.value("baseline", "mean", endpoint="age") == 35.5  # 31 to 40
    assert results.value("baseline", "n", endpoint="age") == 10
    assert results.value("baseline", "count", endpoint="body_site", arm="Laser", level="face") == 5
    assert results.value("baseline", "proportion", endpoint="body_site", arm="Laser", level="face") == 0.5


def test_harms_are_counted_per_lesion_and_per_patient(small):
    results = small.results
    assert results.value("harms", "lesions", arm="Laser", level="any event") == 1
    assert results.value("harms", "lesions", arm="PRP", level="any event") == 0
    assert results.value("harms", "patients", arm="no arm", level="Headache") == 1
    assert results.value("harms", "patients", arm="", level="any event") == 3
    assert results.value("harms", "days_median", arm="Laser", level="Erythema") == 7
    # No event in ten lesions: the exact two-sided 95 % limit is 1 - 0.025^(1/10).
    upper = results.value("harms", "lesions_conf_high", arm="PRP", level="any event")
    assert upper == pytest.approx(1 - 0.025 ** (1 / 10), rel=ROUNDED)
    assert results.value("harms", "lesions", arm="Laser", level="severe event") == 0


def test_a_trial_without_events_says_so(complete):
    assert complete.results.text("harms", "not_provided")
    assert not complete.results.has("harms", "events")


def test_nobody_at_risk_has_no_limits():
    assert exact_limits(0, 0) == (None, None)


def test_intervals_of_means_rest_on_patients():
    once = pd.DataFrame({"patient": ["a", "b", "c"], "value": [1.0, 2.0, 6.0]})
    twice = pd.concat([once, once])
    reach = stats.t.ppf(0.975, 2) * np.std([1, 2, 6], ddof=1) / math.sqrt(3)
    for rows in (once, twice):  # the same lesions again tell nothing new
        found = mean_and_interval(rows)
        assert (found["conf_low"], found["conf_high"]) == pytest.approx((3 - reach, 3 + reach))
    assert mean_and_interval(once.iloc[:0])["mean"] is None


def test_abdelghani_on_the_grades(abdelghani):
    results = abdelghani.results
    joint = lines_of(results, "grade", "min_test")[0]
    assert joint.p_value == pytest.approx(1.4e-4, abs=5e-6)  # two significant figures were published
    assert joint.reference == "PRP"
    by_part = {line.reference: line for line in lines_of(results, "grade", "part")}
    assert by_part["PRP"].estimate == pytest.approx(0.84, abs=5e-4)
    assert 0.905 <= by_part["Laser"].estimate <= 0.920 + 5e-4
    assert not lines_of(results, "grade", "interaction")[0].estimable


def test_abdelghani_holds_under_every_solution(abdelghani):
    found = abdelghani.results.select(analysis="grade/sensitivity", statistic="min_test_p")
    assert len(found) == 6  # and the primary analysis is the seventh
    assert all(row.value == pytest.approx(1.4e-4, abs=5e-6) for row in found)


def test_abdelghani_on_the_responders(abdelghani):
    results = abdelghani.results
    by_part = {line.reference: line for line in lines_of(results, "responder", "part")}
    assert by_part["Laser"].p_value == pytest.approx(0.065, abs=5e-4)
    assert by_part["PRP"].p_value == pytest.approx(0.30, abs=5e-3)
    assert not lines_of(results, "responder", "bliss")[0].estimable
    excess = results.value("responder", "bliss_excess", level="assumed control response 0")
    assert excess == pytest.approx(0.4 - (0.1 + 0.2 - 0.02), abs=1e-12)


def test_abdelghani_cannot_tell_what_the_laser_adds_to_phototherapy(abdelghani):
    line = lines_of(abdelghani.results, "grade", "contribution", "Laser + NB-UVB")[0]
    assert "not assessable" in line.answer
    assert not line.estimable


def test_verdicts_come_back_from_json_as_they_were(abdelghani):
    from reports.results import Results

    again = Results.from_json(abdelghani.results.to_json())
    # NaN is not equal to itself: compare what is written.
    assert repr(verdict_lines(again, "grade")) == repr(verdict_lines(abdelghani.results, "grade"))
    assert len(verdict_lines(again, "grade")) == len(abdelghani.endpoint("grade").verdict.rows)


def test_components_are_written_as_what_they_are():
    spell = component_speller(protocol())
    assert spell("no arm of prp alone; laser and prp") == (
        "no arm of platelet-rich plasma alone; fractional CO2 laser and platelet-rich plasma"
    )
    labelled = protocol(arms={"laser": ["laser"], "prp": ["prp"], "laser + prp": ["laser", "prp"]})
    assert component_speller(labelled)("better than laser") == "better than laser"


def test_a_share_of_several_lesions_a_patient_has_the_interval_of_their_effective_number():
    """By hand: 3 patients with 2 lesions each, 4 of 6 respond, alike within each patient: 2 independent values."""
    rows = pd.DataFrame({"patient": ["A", "A", "B", "B", "C", "C"], "value": [1.0, 1.0, 1.0, 1.0, 0.0, 0.0]})
    found = share_and_interval(rows)
    assert (found["responders"], found["proportion"]) == (4, pytest.approx(2 / 3))
    z2 = 1.959963984540054**2  # sum of (y - 2p)^2 = 8/3, times 3/2, over 36: 1/9 = p (1 - p) / 2
    centre, scale = 2 / 3 + z2 / 4, 1 + z2 / 2
    reach = (z2 * (1 / 9 + z2 / 16)) ** 0.5
    assert found["conf_low"] == pytest.approx((centre - reach) / scale)
    assert found["conf_high"] == pytest.approx((centre + reach) / scale)


def test_a_share_of_independent_values_has_wilsons_interval_and_none_counts_patients():
    from scipy import stats

    single = pd.DataFrame({"patient": list("ABCDE"), "value": [1.0, 0.0, 0.0, 1.0, 0.0]})
    wilson = stats.binomtest(2, 5).proportion_ci(method="wilson")
    found = share_and_interval(single)
    assert (found["conf_low"], found["conf_high"]) == (pytest.approx(wilson.low), pytest.approx(wilson.high))
    nobody = pd.DataFrame({"patient": ["A", "A", "B", "B"], "value": [0.0] * 4})
    of_two = stats.binomtest(0, 2).proportion_ci(method="wilson")
    assert share_and_interval(nobody)["conf_low"] == 0
    assert share_and_interval(nobody)["conf_high"] == pytest.approx(of_two.high)
    assert share_and_interval(nobody.iloc[:0])["proportion"] is None
