"""What was never recorded counts: an analysis' data have a row at every planned visit of every member."""

import pandas as pd
import pytest

from outcomes import Trial
from outcomes.protocol import Protocol


def trial(strategy: str = "composite", rows: str = "absent") -> Trial:
    """Four patients; P4 has the event and no row at week 24 (or a row without a value)."""
    protocol = Protocol.from_dict(
        {
            "trial": {"id": "T", "title": "A trial", "condition": "vitiligo", "design": "parallel"},
            "components": {"laser": "Laser", "prp": "PRP"},
            "arms": {"Laser": ["laser"], "Both": ["laser", "prp"]},
            "visits": [
                {"name": "Baseline", "week": 0, "baseline": True},
                {"name": "Week 12", "week": 12},
                {"name": "Week 24", "week": 24},
            ],
            "data": {"patients": "patients.csv", "assessments": "assessments.csv"},
            "endpoints": [
                {"name": "vasi", "instrument": "vasi", "column": "VASI", "derive": "change"},
                {"name": "responder", "from": "vasi", "derive": "responder", "threshold": {"at_most": -1}},
            ],
            "analyses": [
                {
                    "endpoint": name,
                    "role": role,
                    "visit": "Week 24",
                    "estimand": {
                        "intercurrent_events": [{"event": "Rescue", "flag": "rescue", "strategy": strategy}]
                    },
                }
                for name, role in (("responder", "primary"), ("vasi", "secondary"))
            ],
        }
    )
    visits = ("Baseline", "Week 12", "Week 24")
    records = [(f"P{p}", visit, 10.0 - at * p) for p in range(1, 5) for at, visit in enumerate(visits)]
    assessments = pd.DataFrame(records, columns=["patient", "visit", "VASI"])
    last = (assessments["patient"] == "P4") & (assessments["visit"] == "Week 24")
    if rows == "absent":
        assessments = assessments[~last]
    else:
        assessments["VASI"] = assessments["VASI"].mask(last)
    patients = pd.DataFrame(
        {"patient": ["P1", "P2", "P3", "P4"], "arm": ["Laser", "Both"] * 2, "rescue": [0, 0, 0, 1]}
    )
    return Trial.from_frames(protocol, patients=patients, lesions=None, assessments=assessments)


@pytest.mark.parametrize("rows", ["absent", "blank"])
def test_a_composite_failure_needs_no_row(rows):
    data = trial(rows=rows).estimand_data("responder")
    at_last = data.frame[data.frame["visit"] == "Week 24"].set_index("patient")
    assert len(at_last) == 4
    assert at_last.loc["P4", "value"] == 0
    assert data.events[0].patients == 1


def test_absent_visits_are_missing_values_with_their_baseline():
    frame = trial("treatment policy").estimand_data("vasi").frame
    assert len(frame) == 4 * 2
    row = frame[(frame["patient"] == "P4") & (frame["visit"] == "Week 24")].iloc[0]
    assert pd.isna(row["value"])
    assert (row["baseline"], row["week"], row["arm"], row["laser"], row["prp"]) == (10.0, 24.0, "Both", 1, 1)
    assert list(frame["visit"].cat.categories) == ["Week 12", "Week 24"]


def test_both_ways_to_miss_a_visit_give_the_same_frame():
    absent = trial("hypothetical").estimand_data("vasi").frame
    blank = trial("hypothetical", rows="blank").estimand_data("vasi").frame
    pd.testing.assert_frame_equal(absent, blank)
