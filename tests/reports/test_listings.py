"""Data listings: a row a record, numbers with their own digits, counts as in the flow, and fast."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from outcomes import Trial, read_trial
from reports.analyse import analyse_trial
from reports.compose import compose
from reports.context import ReportContext
from reports.format import STYLES, Formatter
from reports.results import Results
from reports.tables.listings import listings


def context_of(trial):
    return ReportContext(trial.protocol, analyse_trial(trial).results, trial)


@pytest.fixture(scope="module")
def context(sound_trials):
    """Return the within-patient trial with gaps: P01 has no record of week 12, P02's L3 none of its value."""
    trial = read_trial(sound_trials["within-patient"] / "trial.toml")
    rows = trial.assessments
    rows = rows[~((rows["patient"] == "P01") & (rows["visit"] == "Week 12"))].reset_index(drop=True)
    lost = (rows["patient"] == "P02") & (rows["lesion"] == "L3") & (rows["visit"] == "Week 24")
    rows = rows.assign(
        repigmentation=rows["repigmentation"].where(~lost),
        missing_reason=pd.Series(["moved away"] * len(rows)).where(lost),
    )
    return context_of(
        Trial.from_frames(
            trial.protocol,
            patients=trial.patients,
            lesions=trial.lesions,
            assessments=rows,
            events=trial.events,
        )
    )


def by_name(context):
    return {table.name: table for table in listings(context)}


def texts(row):
    return [row.label.text, *(cell.text for cell in row.cells)]


def test_each_lesion_visit_and_event_has_a_row(context):
    tables = by_name(context)
    assert {name: len(table.rows) for name, table in tables.items()} == {
        "listing-allocation": 40,
        "listing-values-lesions": 76,
        "listing-events": 3,
        "listing-missing": 5,
    }
    assert all(table.kind == "listing" for table in tables.values())
    assert all(table.population == "All: 10 patients, 40 lesions" for table in tables.values())
    assert texts(tables["listing-allocation"].rows[0]) == ["P01", "L1", "Untreated", "31", "face"]
    assert texts(tables["listing-events"].rows[2]) == [
        "P03",
        "",
        "no arm",
        "Headache",
        "mild",
        "no",
        "4",
        "4.5",
    ]


def test_what_is_missing_has_the_reason_in_the_files_words_or_says_what_there_is(context):
    reasons = {
        (row.label.text, row.cells[0].text, row.cells[2].text): row.cells[3].text
        for row in by_name(context)["listing-missing"].rows
    }
    assert reasons[("P02", "L3", "Week 24")] == "moved away"
    assert reasons[("P01", "L1", "Week 12")] == "no record of the visit"
    assert len(reasons) == 5


def test_counts_are_those_of_the_flow(context):
    tables, results = by_name(context), context.results
    arms = pd.Series([row.cells[1].text for row in tables["listing-allocation"].rows]).value_counts()
    missing = pd.Series([row.cells[1].text for row in tables["listing-missing"].rows]).value_counts()
    for arm in context.protocol.arms:
        assert arms[arm] == results.value("flow", "lesions", level="Allocated", arm=arm)
        counted = [row.value for row in results.select(analysis="flow", statistic="missing", arm=arm)]
        assert missing[arm] == sum(counted)
    assert len(tables["listing-events"].rows) == results.value("harms", "events", arm="", level="any event")


def test_exclusions_and_intercurrent_events_are_listed(sound_trials):
    toml = (sound_trials["within-patient"] / "trial.toml").read_text(encoding="utf-8")
    home = sound_trials["within-patient"].parent / "flagged"
    home.mkdir(exist_ok=True)
    for file in sound_trials["within-patient"].iterdir():
        (home / file.name).write_text(file.read_text(encoding="utf-8"), encoding="utf-8")
    patients = [line.split(",") for line in (home / "patients.csv").read_text(encoding="utf-8").splitlines()]
    lines = ["patient,age,rescue", *(f"{p},{age},{'yes' if p == 'P04' else 'no'}" for p, age in patients[1:])]
    (home / "patients.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    toml = toml.replace(
        'margin_source = "assumed"\n',
        'margin_source = "assumed"\n\n[analyses.estimand]\n'
        'intercurrent_events = [{ event = "Rescue", flag = "rescue", strategy = "treatment policy" }]\n',
        1,
    )
    toml += '\n[[populations]]\nname = "younger"\nwhere = "age < 40"\nexclude_reason = "40 or older"\n'
    (home / "trial.toml").write_text(toml, encoding="utf-8")
    context = context_of(read_trial(home / "trial.toml"))
    tables = by_name(context)
    left = tables["listing-exclusions"]
    assert len(left.rows) == context.results.value("exclusions", "lesions", population="younger") == 4
    assert texts(left.rows[0]) == ["P10", "L1", "Younger", "40 or older"]
    assert [texts(row) for row in tables["listing-intercurrent"].rows] == [
        ["P04", "Rescue", "treatment policy"]
    ]


def test_a_parallel_trial_lists_what_was_measured_beside_the_change(sound_trials):
    trial = read_trial(sound_trials["parallel"] / "trial.toml")
    table = by_name(context_of(trial))["listing-values-patients"]
    headers = [column.header for column in table.columns]
    assert headers == [
        "Arm",
        "Visit",
        "Week",
        "Baseline, VASI points",
        "Measured, VASI points",
        "Change of the Vitiligo Area Scoring Index, VASI points",
    ]
    for row in table.rows:
        before, now, change = (cell.value for cell in row.cells[3:])
        assert now - before == pytest.approx(change)
    rows = trial.assessments
    recorded = rows.loc[(rows["patient"] == "P01") & (rows["visit"] == "Week 12"), "vasi"].item()
    assert table.rows[0].cells[4].text == f"{recorded:g}".replace("-", "−")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (9.9 - 11.7, "−1.8"),
        (12.0, "12"),
        (0.2857, "0.2857"),
        (None, ""),
        (np.nan, ""),
        (-0.0, "0"),
        (1e-7, "0.0000001"),
    ],
)
def test_numbers_keep_the_digits_that_they_have(value, text):
    assert Formatter().recorded(value) == text
    assert Formatter(STYLES["lancet"]).recorded(value) == text.replace(".", "·")


def test_the_section_comes_last_and_needs_the_data(context):
    document = compose(context, {})
    assert document.sections[-1].key == "listings"
    assert document.labels["table:listing-allocation"] == "Listing 1"
    without = compose(replace(context, trial=None), {})
    assert "listings" not in {section.key for section in without.sections}


def test_hostile_identifiers_stay_as_they_are(sound_trials):
    trial = read_trial(sound_trials["within-patient"] / "trial.toml")
    evil = {"P01": "<script>alert(1)</script>", "P02": "#import \\par", "P03": "=1+1"}
    frames = {
        name: getattr(trial, name).assign(patient=lambda frame: frame["patient"].replace(evil))
        for name in ("patients", "lesions", "assessments", "events")
    }
    hostile = Trial.from_frames(trial.protocol, **frames)
    context = ReportContext(hostile.protocol, Results([]), hostile)
    labels = {row.label.text for table in listings(context) for row in table.rows}
    assert set(evil.values()) <= labels


def test_fifty_thousand_rows_take_a_moment(sound_trials):
    trial = read_trial(sound_trials["within-patient"] / "trial.toml")
    copies = 625  # of 80 assessments each

    def many(frame):
        repeated = pd.concat([frame] * copies, ignore_index=True)
        times = np.repeat(np.arange(copies), len(frame))
        return repeated.assign(patient=repeated["patient"].astype(str) + "-" + pd.Series(times).astype(str))

    primary = tuple(one for one in trial.protocol.analyses if one.role == "primary")
    large = Trial.from_frames(
        trial.protocol.model_copy(update={"analyses": primary}),
        patients=many(trial.patients),
        lesions=many(trial.lesions),
        assessments=many(trial.assessments),
        events=many(trial.events),
    )
    context = ReportContext(large.protocol, Results([]), large)
    tables = {table.name: table for table in listings(context)}
    assert len(tables["listing-values-lesions"].rows) == 50_000
