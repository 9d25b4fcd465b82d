"""Harm per patient and per lesion: counts by hand, exact limits, events of no arm, lesions that share a patient."""

import pandas as pd
import pytest
from scipy import stats

from outcomes import Trial, read_trial
from reports.analyse import analyse_trial
from reports.context import ReportContext
from reports.harm_words import harm_line
from reports.results import ResultsBuilder
from reports.steps.harms import (
    DETAIL,
    OVERVIEW,
    PATIENT_LEVEL,
    RELATED,
    SERIOUS,
    SEVERE,
    STOPPED,
    add_harms,
    exact_limits,
    is_related,
    relation_words,
)
from reports.tables.harms import harms_table, overview_table, patients_table, severity_table

COLUMNS = ["patient", "lesion", "term", "severity", "related", "serious", "led_to_stop"]
EVENTS = [
    ("P01", "L2", "Erythema", "mild", "yes", "no", "no"),
    ("P01", "L2", "Erythema", "severe", "laser", "no", "yes"),
    ("P01", "L4", "Erythema", "mild", "no", "no", "no"),
    ("P02", "L2", "Oedema", "moderate", "unlikely", "no", "no"),
    ("P03", None, "Headache", "severe", "no", "yes", "no"),
]


def with_events(trial, events, lesions=None, columns=COLUMNS):
    primary = tuple(one for one in trial.protocol.analyses if one.role == "primary")
    return Trial.from_frames(
        trial.protocol.model_copy(update={"analyses": primary}),
        patients=trial.patients,
        lesions=trial.lesions if lesions is None else lesions,
        assessments=trial.assessments,
        events=pd.DataFrame(events, columns=columns),
    )


@pytest.fixture(scope="module")
def context(sound_trials):
    trial = with_events(read_trial(sound_trials["within-patient"] / "trial.toml"), EVENTS)
    return ReportContext(trial.protocol, analyse_trial(trial).results)


def counts(context, kind, arm):
    found = {
        unit: context.results.get(OVERVIEW, unit, arm=arm, level=kind)
        for unit in ("events", "patients", "lesions")
    }
    return tuple(found.values())


def test_the_overview_counts_events_patients_and_lesions(context):
    arm = {label: f"L{place}" for place, label in enumerate(context.protocol.arms, start=1)}
    assert arm == {"Untreated": "L1", "Laser": "L2", "PRP": "L3", "Laser + PRP": "L4"}
    assert counts(context, "any event", "Laser") == (3, 2, 2)
    assert counts(context, "any event", "PRP") == (0, 0, 0)
    assert counts(context, "any event", "Laser + PRP") == (1, 1, 1)
    assert counts(context, "any event", PATIENT_LEVEL) == (1, 1, None)
    assert counts(context, "any event", "") == (5, 3, 3)  # of three patients, and three lesions
    assert counts(context, SEVERE, "") == (2, 2, 1)
    assert counts(context, RELATED, "") == (2, 1, 1)
    assert counts(context, SERIOUS, "") == (1, 1, 0)
    assert counts(context, STOPPED, "Laser") == (1, 1, 1)


def test_the_overview_table_shows_them_with_exact_limits(context):
    table = overview_table(context)
    assert [row.label.text for row in table.rows if row.kind == "heading"] == [
        "Any adverse event",
        "Any severe event",
        "Any event related to treatment",
        "Any serious event",
        "Any event that led to stopping",
    ]
    laser = table.rows[2]
    assert laser.label.text == "Laser, N = 10"
    assert [cell.text for cell in laser.cells] == ["3", "2", "20", "3", "56", "2", "20"]
    no_arm = next(row for row in table.rows if row.label.text.startswith("Patient, no arm"))
    assert [cell.text for cell in no_arm.cells] == ["1", "1", "10", "0", "45", "", ""]
    assert any("belong to the patient" in text for text in table.remarks)


@pytest.mark.parametrize(("events", "n"), [(0, 10), (3, 10), (10, 10), (1, 30)])
def test_limits_are_clopper_and_pearsons(events, n):
    """By the beta distribution; of none in n the upper one is 1 - (alpha / 2)^(1/n)."""
    low = 0.0 if events == 0 else stats.beta.ppf(0.025, events, n - events + 1)
    high = 1.0 if events == n else stats.beta.ppf(0.975, events + 1, n - events)
    assert exact_limits(events, n) == pytest.approx((low, high))
    if events == 0:
        assert high == pytest.approx(1 - 0.025 ** (1 / n))
    assert exact_limits(0, 0) == (None, None)


def test_severity_and_relation_of_each_term(context):
    levels = context.results.distinct("level", analysis=DETAIL, statistic="events")
    assert levels == (
        "Erythema | mild | not related",
        "Erythema | mild | related",
        "Erythema | severe | related to laser",
        "Headache | severe | not related",
        "Oedema | moderate | not related",
    )
    table = severity_table(context)
    assert [row.label.text for row in table.rows[:3]] == ["Erythema", "Mild, not related", "Mild, related"]
    total = sum(
        row.value
        for row in context.results.select(analysis=DETAIL, statistic="events")
        if row.arm not in ("",)
    )
    assert total == len(EVENTS)


@pytest.mark.parametrize(
    ("text", "words", "related"),
    [
        ("yes", "related", True),
        ("N", "not related", False),
        ("unlikely", "not related", False),
        ("laser or PRP", "related to laser or PRP", True),
        ("Possibly related", "Possibly related", True),
        ("not related", "not related", False),
    ],
)
def test_what_files_say_of_the_cause(text, words, related):
    assert relation_words(text) == words
    assert is_related(text) is related


def test_nothing_recorded_of_the_cause_is_not_related():
    assert not is_related(None)
    assert relation_words("not recorded") == "not recorded"


def rearranged(trial, arms):
    """Return the lesions with other arms, the last patient's left as they are, so that every arm has somebody."""
    lesions = trial.lesions
    others = [
        arm if patient == "P10" else arms[int(lesion[1]) - 1]
        for patient, lesion, arm in zip(lesions["patient"], lesions["lesion"], lesions["arm"], strict=True)
    ]
    return lesions.assign(arm=others)


def harms_alone(trial):
    out = ResultsBuilder(analysis="")
    add_harms(trial, out)
    out.scope(analysis=trial.protocol.primary_analysis.name).say("combination", "Laser + PRP")
    return ReportContext(trial.protocol, out.build({}, {}))


def test_lesions_that_share_a_patient_have_no_limits_and_patients_a_table(sound_trials):
    trial = read_trial(sound_trials["within-patient"] / "trial.toml")
    several = rearranged(trial, ["Untreated", "Laser + PRP", "Laser + PRP", "Laser + PRP"])
    context = harms_alone(with_events(trial, EVENTS, several))
    both = {"arm": "Laser + PRP", "level": "Erythema"}
    assert context.results.value("harms", "lesions", **both) == 2
    assert context.results.value("harms", "lesions_conf_high", **both) is None
    assert context.results.value("harms", "patients", **both) == 1  # two lesions of one patient
    assert context.results.value("harms", "patients_conf_high", **both) == pytest.approx(
        exact_limits(1, 10)[1]
    )
    lesions, patients = harms_table(context), patients_table(context)
    combination = [column.header for column in lesions.columns if column.spanner == "Laser + PRP"]
    assert combination == ["Lesions (%)", ""]
    assert any("not independent" in text for text in lesions.remarks)
    assert [column.header for column in patients.columns if column.spanner == "Laser + PRP"] == [
        "Patients (%)",
        "",
        "95 % CI, %",
        "",
    ]


def test_where_a_patient_has_one_lesion_an_arm_one_table_is_enough(context):
    assert patients_table(context) is None
    assert any("at most one lesion" in text for text in harms_table(context).remarks)


def test_no_event_among_lesions_that_share_a_patient_has_the_patients_limit(sound_trials):
    trial = read_trial(sound_trials["within-patient"] / "trial.toml")
    several = rearranged(trial, ["Laser", "PRP", "Laser + PRP", "Laser + PRP"])
    event = ("P01", "L1", "Oedema", "mild", "yes", "no", "no")
    context = harms_alone(with_events(trial, [event], several))
    assert "limit 31\u202f% of patients" in harm_line(context)  # 1 - 0.025^(1/10)


def test_serious_events_and_severe_ones_of_no_arm_are_named_with_the_answer(context):
    text = harm_line(context)
    assert "Events of 1 patient belong to no lesion and so to no arm, severe in 1 patient." in text
    assert text.endswith("Serious events, of any arm: 1 of 10 patients.")


def test_no_serious_event_has_its_limit(sound_trials):
    trial = with_events(read_trial(sound_trials["within-patient"] / "trial.toml"), EVENTS[:4])
    text = harm_line(ReportContext(trial.protocol, analyse_trial(trial).results))
    upper = 100 * stats.beta.ppf(0.975, 1, 10)
    assert (
        f"Serious events, of any arm: none of 10 patients (upper 95\u202f% limit {upper:.0f}\u202f%)." in text
    )
