"""Models beside the primary one: of all visits, with a covariance for each arm, with robust errors; and the walk."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from analyses import compare_therapies, fit_mixed_model, marginal_means
from analyses.default_model import ModelChoice
from outcomes import Protocol, Trial
from reports import remarks
from reports.analyse import analyse_trial
from reports.compose import compose
from reports.context import ReportContext
from reports.methods import methods_paragraphs, reference_list
from reports.narrative import alike_words
from reports.results import Results
from reports.steps.sensitivity import ALL_VISITS, ALL_VISITS_ROBUST, COMMON_SPREAD, ROBUST, SPREAD_BY_ARM
from reports.tables.outcome import course_table, differences_table, spread_table
from reports.tables.sensitivity import sensitivity_table
from reports.tables.verdict import scales_table, verdict_table

ROUNDED = 1e-9  # results keep ten significant digits
VISITS = ("Week 12", "Week 24")
ARMS = {"Untreated": [], "Laser": ["laser"], "PRP": ["prp"], "Laser + PRP": ["laser", "prp"]}
NUMBERS = ("estimate", "std_error", "df", "p_value", "conf_low", "conf_high")


def protocol(design, **changes):
    tables = {
        "trial": {"id": "T", "title": "A trial", "condition": "scar", "design": design},
        "components": {"laser": "Fractional CO2 laser", "prp": "Platelet-rich plasma"},
        "arms": ARMS,
        "visits": [{"name": name, "week": int(name[5:])} for name in VISITS],
        "endpoints": [
            {
                "name": "score",
                "column": "score",
                "minimum": -500,
                "maximum": 500,
                "direction": "higher is better",
            }
        ],
        "analyses": [{"endpoint": "score", "role": "primary"}],
    }
    return Protocol.from_dict({**tables, **changes})


def parallel_frames(patients=24, spread=(2.0, 12.0, 9.0, 6.0), means=(0.0, 20.0, 22.0, 40.0)):
    rng = np.random.default_rng(4)
    people, rows = [], []
    for number in range(4 * patients):
        place = number % 4
        people.append((f"P{number:03d}", list(ARMS)[place]))
        own = rng.normal(0, spread[place])
        for at, visit in enumerate(VISITS):
            value = means[place] * (at + 1) / 2 + own + rng.normal(0, spread[place] / 2)
            rows.append((f"P{number:03d}", visit, int(visit[5:]), round(float(value), 2)))
    return {
        "patients": pd.DataFrame(people, columns=["patient", "arm"]),
        "assessments": pd.DataFrame(rows, columns=["patient", "visit", "week", "score"]),
    }


def within_frames(patients=14, lesions=1, seed=6):
    rng = np.random.default_rng(seed)
    sites, rows = [], []
    for number in range(patients):
        own = rng.normal(0, 6)
        for place, arm in enumerate(ARMS):
            for copy in range(lesions):
                lesion = f"L{place}{copy}"
                sites.append((f"P{number:02d}", lesion, arm))
                lasting = rng.normal(0, 2 + place)
                for at, visit in enumerate(VISITS):
                    value = 8 * place * (at + 1) + own + lasting + rng.normal(0, 1 + place)
                    rows.append((f"P{number:02d}", lesion, visit, int(visit[5:]), round(float(value), 2)))
    assessments = pd.DataFrame(rows, columns=["patient", "lesion", "visit", "week", "score"])
    return {
        "patients": pd.DataFrame({"patient": sorted({row[0] for row in sites})}),
        "lesions": pd.DataFrame(sites, columns=["patient", "lesion", "arm"]),
        "assessments": assessments.drop(index=[5, 20, 29]),
    }


def report(design, frames, **changes):
    planned = protocol(design, **changes)
    trial = Trial.from_frames(planned, **frames)
    return trial, ReportContext(planned, analyse_trial(trial).results)


@pytest.fixture(scope="module")
def parallel():
    return report("parallel", parallel_frames())


@pytest.fixture(scope="module")
def within():
    return report("within-patient", within_frames())


@pytest.fixture(scope="module")
def several():
    return report("within-patient", within_frames(lesions=2))


def variant(context, label, part="Laser"):
    address = {"level": label, "contrast": f"(Laser + PRP) − {part}"}
    return [context.results.number("score/sensitivity", name, **address) for name in NUMBERS]


def direct(trial, formula, **options):
    """The comparison with laser by a fit made here, of every visit."""
    data = trial.estimand_data("score").frame
    fit = fit_mixed_model(formula, data, **options)
    verdict = compare_therapies(fit, trial.protocol.arms, at={"visit": "Week 24"})
    row = verdict.rows_of("part", "Laser + PRP")[0]
    return pytest.approx([getattr(row, name) for name in NUMBERS], rel=ROUNDED)


def test_the_course_within_patients_is_that_of_the_model_of_all_visits(within):
    trial, context = within
    formula = "value ~ arm * visit + us(arm | patient) @ us(visit)"
    assert context.results.text("score/over visits", "model") == formula
    fit = fit_mixed_model(formula, trial.estimand_data("score").frame)
    means = marginal_means(fit, "arm", by="visit", weights="proportional").table
    for row in means.to_dict("records"):
        address = {"arm": str(row["arm"]), "visit": str(row["visit"])}
        for name in ("estimate", "conf_low", "conf_high"):
            found = context.results.value("score/over visits/means", name, **address)
            assert found == pytest.approx(row[name], rel=ROUNDED, abs=1e-9)
    assert variant(context, ALL_VISITS) == direct(trial, formula)
    # The primary analysis stays that of its visit alone.
    assert context.results.text("score", "model") == "value ~ arm + us(arm | patient)"
    assert formula in methods_paragraphs(context)[1]


def test_tables_of_the_course_say_by_which_model_and_that_they_describe(within, parallel):
    for context, words in ((within[1], "By a model of all visits"), (parallel[1], "the other visits are")):
        for table in (differences_table, course_table):
            found = table(context, context.primary)
            assert [row.label.text for row in found.rows] == list(VISITS)
            assert words in found.notes["role"]
            assert "descriptive" in found.notes["role"]


def test_the_contrasts_of_the_course_are_differences_of_its_means(within):
    results = within[1].results
    for visit in VISITS:
        at = {"visit": visit}
        both, laser = (
            results.number("score/over visits/means", "estimate", arm=arm, **at)
            for arm in ("Laser + PRP", "Laser")
        )
        found = results.number(
            "score/over visits/contrasts", "estimate", contrast="(Laser + PRP) − Laser", **at
        )
        assert found == pytest.approx(both - laser, abs=1e-7)  # of numbers rounded to ten digits


def test_several_lesions_have_the_contracts_model_and_robust_errors_beside_them(several):
    trial, context = several
    formula = "value ~ arm * visit + (0 + visit | patient) + us(visit | patient:lesion)"
    assert context.results.text("score/over visits", "model") == formula
    assert variant(context, ALL_VISITS) == direct(trial, formula)
    assert variant(context, ALL_VISITS_ROBUST) == direct(trial, formula, vcov="CR2")
    primary = context.results.text("score", "model")
    assert primary == "value ~ arm + (0 + arm | patient) + us(visit | arm / patient:lesion)"
    at_visit = trial.estimand_data("score").frame.query("visit == 'Week 24'")
    verdict = compare_therapies(fit_mixed_model(primary, at_visit, vcov="CR2"), trial.protocol.arms)
    row = verdict.rows_of("part", "Laser + PRP")[0]
    assert variant(context, ROBUST) == pytest.approx([getattr(row, one) for one in NUMBERS], rel=ROUNDED)
    labels = [row.label.text for row in sensitivity_table(context).rows]
    assert {ROBUST, ALL_VISITS, ALL_VISITS_ROBUST} <= set(labels)
    assert any("Bell RM" in one for one in reference_list(context))


def test_the_correlation_of_several_lesions_is_not_called_consistency(several, within):
    sentence = remarks.naive_sentence(several[1])
    assert "the patients' share of the variance of their lesions" in sentence
    assert "consistency" not in sentence
    assert any(one.startswith("Henderson") for one in reference_list(several[1]))
    assert not any(one.startswith("McGraw") for one in reference_list(several[1]))
    assert "intraclass correlation for consistency" in remarks.naive_sentence(within[1])
    assert any(one.startswith("McGraw") for one in reference_list(within[1]))


def test_a_parallel_trial_has_a_covariance_for_each_arm_and_robust_errors_beside_it(parallel):
    trial, context = parallel
    fixed = "value ~ 1 + arm * visit"
    assert context.results.text("score", "model") == f"{fixed} + us(visit | patient)"
    assert variant(context, SPREAD_BY_ARM) == direct(trial, f"{fixed} + us(visit | arm / patient)")
    assert variant(context, ROBUST) == direct(trial, f"{fixed} + us(visit | patient)", vcov="CR2")
    # Complete data without covariates: by arm it is Welch's standard error.
    last = trial.assessments.merge(trial.patients, on="patient").query("visit == 'Week 24'")
    groups = last.groupby("arm")["score"]
    error = np.sqrt(sum(groups.var()[arm] / groups.size()[arm] for arm in ("Laser", "Laser + PRP")))
    assert variant(context, SPREAD_BY_ARM)[1] == pytest.approx(error, rel=1e-6)


def test_the_arms_spread_is_told_with_its_ratio(parallel):
    trial, context = parallel
    last = trial.assessments.merge(trial.patients, on="patient").query("visit == 'Week 24'")
    spread = last.groupby("arm")["score"].std()
    ratio = context.results.number("score/spread", "sd_ratio")
    assert ratio == pytest.approx(spread.max() / spread.min(), rel=ROUNDED)
    assert context.results.number("score/spread", "sd", arm="Laser") == pytest.approx(
        spread["Laser"], rel=ROUNDED
    )
    sentence = remarks.spread_sentence(context)
    assert f"the largest {ratio:.1f} times the smallest" in sentence
    assert "The model pools the arms' spread" in sentence
    assert sentence.endswith("What each comparison shows is the same under both.")
    assert remarks.spread_warning(context) == ""


def test_equal_spread_needs_no_more_than_its_numbers():
    _, context = report("parallel", parallel_frames(spread=(5.0, 5.0, 5.0, 5.0)))
    sentence = remarks.spread_sentence(context)
    assert sentence.startswith("Observed standard deviations at Week 24: ")
    assert "pools" not in sentence


def test_where_a_covariance_for_each_arm_changes_the_answer_the_first_screen_says_so(parallel):
    _, context = parallel

    def turned(row):
        mine = row.level == SPREAD_BY_ARM and row.contrast.endswith("PRP") and row.statistic == "p_value"
        return replace(row, value=0.2) if mine else row

    results = context.results
    rows = [turned(row) for row in results]
    changed = ReportContext(
        context.protocol, Results(rows, results.statements, results.trial, results.software)
    )
    warning = remarks.spread_warning(changed)
    assert warning.startswith("The primary model pools the arms' spread, and the answer depends on that")
    assert "better than PRP alone is not shown (95" in warning
    assert warning in compose(changed, {}).headline.notes
    assert warning in remarks.spread_sentence(changed)
    assert "separate covariance for each arm" in remarks.sensitivity_sentence(changed)


def test_within_patients_no_arm_needs_a_covariance_of_its_own(within):
    _, context = within
    assert not context.results.has("score/sensitivity", "estimate", level=SPREAD_BY_ARM)
    assert not context.results.has("score/sensitivity", "estimate", level=ROBUST)
    assert remarks.spread_sentence(context) == ""


def test_a_model_with_one_spread_prints_the_observed_ones():
    frames = within_frames()
    planned = [
        {"endpoint": "score", "role": "primary", "model": "value ~ arm * visit + (1 | patient/lesion)"}
    ]
    _, context = report("within-patient", frames, analyses=planned)
    table = spread_table(context, context.primary)
    assert [row.label.text for row in table.rows] == list(VISITS)
    for row in table.rows:
        for arm, cell in zip(ARMS, row.cells, strict=True):
            found = context.results.number("score/observed", "sd", visit=row.label.text, arm=arm)
            assert cell.value == pytest.approx(found, abs=0.05)  # written to one decimal
    assert table in compose(context, {}).tables
    _, own = report("within-patient", frames)
    assert spread_table(own, own.primary) is None


def test_one_spread_is_no_other_assumption_where_the_model_has_it():
    planned = [
        {
            "endpoint": "score",
            "role": "primary",
            "model": "value ~ arm + us(visit | patient)",
            "fallback": ["(1 | patient)"],
        }
    ]
    _, context = report("within-patient", within_frames(), analyses=planned)
    assert context.results.text("score", "model") == "value ~ arm + (1 | patient)"
    assert spread_table(context, context.primary) is not None
    assert not context.results.has("score/sensitivity", "estimate", level=COMMON_SPREAD)


def test_lesions_seen_again_have_an_effect_of_their_own_under_one_spread():
    planned = [
        {
            "endpoint": "score",
            "role": "primary",
            "model": "value ~ arm * visit + us(arm | patient) @ us(visit)",
        }
    ]
    trial, context = report("within-patient", within_frames(), analyses=planned)
    assert "(1 | patient/lesion)" in context.results.text("score/sensitivity", "variant", COMMON_SPREAD)
    assert variant(context, COMMON_SPREAD) == direct(trial, "value ~ arm * visit + (1 | patient/lesion)")


def test_the_walk_of_the_model_of_all_visits_is_kept_too(monkeypatch, within):
    """Planned is a covariance over the visits of a patient, who has a row an arm there: it cannot be."""
    fixed = "value ~ arm * visit"
    planned = ModelChoice(
        f"{fixed} + us(visit | patient)", {"visit": "Week 24"}, "", (f"{fixed} + (1 | patient/arm)",)
    )
    monkeypatch.setattr("analyses.default_model.choose_over_visits", lambda *facts: planned)
    trial, own = within
    context = ReportContext(own.protocol, analyse_trial(trial).results)
    walked = [one for one in context.results.statements if one.kind == "fallback"]
    assert [(one.analysis, one.subject) for one in walked] == [("score/over visits", planned.formula)]
    assert walked[0].text.startswith("A patient has more than one row")  # who is no business of a report's
    assert context.results.text("score/over visits", "model") == planned.fallback[0]
    assert (
        "an unstructured covariance over the visits of a patient could not be fitted"
        in methods_paragraphs(context)[1]
    )


def test_a_secondary_analysis_whose_whole_walk_failed_keeps_it():
    frames = within_frames(patients=12)
    scores = frames["assessments"]
    few = scores["patient"].isin(["P00", "P01"])
    frames["assessments"] = scores.assign(other=scores["score"].where(few))
    facts = {"minimum": -500, "maximum": 500, "direction": "higher is better"}
    planned = {
        "endpoints": [{"name": name, "column": name, **facts} for name in ("score", "other")],
        "analyses": [
            {"endpoint": "score", "role": "primary"},
            {
                "endpoint": "other",
                "model": "value ~ arm + us(visit | patient)",
                "fallback": ["us(lesion | arm / patient)"],
            },
        ],
    }
    _, context = report("within-patient", frames, **planned)
    assert context.results.text("other", "not_estimable")
    walk = context.results.said("other", "walk")
    assert [text.partition(": ")[0] for text in walk] == [
        "value ~ arm + us(visit | patient)",
        "value ~ arm + us(lesion | arm / patient)",
    ]
    assert "more than one row" in walk[0]
    assert not any(name in " ".join(walk) for name in ("P00", "P01"))
    assert "almost as many levels" in walk[1]


def test_where_nobody_responded_there_is_no_contrast_and_no_answer():
    facts = {"minimum": -500, "maximum": 500, "direction": "higher is better"}
    endpoints = [
        {"name": "score", "column": "score", **facts},
        {"name": "responder", "from": "score", "derive": "responder", "threshold": {"at_least": 499}},
    ]
    analyses = [{"endpoint": "score", "role": "primary"}, {"endpoint": "responder"}]
    _, context = report("parallel", parallel_frames(), endpoints=endpoints, analyses=analyses)
    responder = context.protocol.analysis("responder")
    assert alike_words(context, responder) == "no patient of any arm responded"
    rows = [row for row in verdict_table(context, responder).rows if row.cells]
    assert {row.cells[-1].text for row in rows} == {"no patient of any arm responded"}
    assert {row.cells[0].text for row in rows} == {"not comparable"}
    mine = [
        row for row in scales_table(context).rows if "no patient of any arm responded" in row.cells[-1].text
    ]
    assert len(mine) == 2  # each part; "better than every part" is no question here
    assert alike_words(context, context.primary) == ""
