"""Intercurrent events (ICH E9(R1)): strategies carried out on an endpoint's frame, and counted."""

import numpy as np
import pandas as pd
import pytest

from outcomes.protocol import Protocol
from outcomes.trial import Trial

LESIONS = pd.DataFrame(
    {
        "patient": ["1", "1", "2", "2"],
        "lesion": ["L", "R", "L", "R"],
        "arm": ["Laser", "Both", "Both", "Laser"],
    }
)
VALUES = [(10, 8, 6), (6, 4, 3), (9, 9, 9), (5, 4, np.nan)]  # of each lesion at the three visits


VISITS = ("Baseline", "Week 4", "Week 12")


def planned(endpoints, analysis):
    return Protocol.from_dict(
        {
            "trial": {"id": "T", "title": "T", "design": "within-patient"},
            "components": {"laser": "Laser", "prp": "PRP"},
            "arms": {"Laser": ["laser"], "Both": ["laser", "prp"]},
            "visits": [
                {"name": "Baseline", "week": 0, "baseline": True},
                {"name": "Week 4", "week": 4},
                {"name": "Week 12", "week": 12},
            ],
            "endpoints": endpoints,
            "analyses": [analysis],
        }
    )


def trial_with_event(strategy, *, flag="rescue", scope=None, endpoint="y", where="assessments"):
    event = {"event": "Rescue", "flag": flag, "strategy": strategy} | ({"scope": scope} if scope else {})
    protocol = planned(
        [
            {"name": "y", "column": "vss", "direction": "lower is better"},
            {"name": "g", "from": "y", "derive": "grade", "cutpoints": [3, 6]},
            {"name": "r", "from": "y", "threshold": {"at_most": 5}},
        ],
        {"name": "a", "endpoint": endpoint, "estimand": {"intercurrent_events": [event]}},
    )
    frame = LESIONS[["patient", "lesion"]].merge(pd.DataFrame({"visit": VISITS}), how="cross")
    frame = frame.assign(vss=np.ravel(VALUES))
    patients, lesions = pd.DataFrame({"patient": ["1", "2"]}), LESIONS
    if where == "assessments":  # lesion R of patient 2, at week 12
        frame = frame.assign(rescue=[0] * 11 + [1])
    elif where == "lesions":
        lesions = lesions.assign(rescue=[False, False, False, True])
    else:
        patients = patients.assign(rescue=["no", "yes"])
    trial = Trial.from_frames(protocol, patients=patients, lesions=lesions, assessments=frame)
    return trial.estimand_data("a"), trial


def values_of(data):
    return [None if pd.isna(value) else value for value in data.frame["value"]]


def test_treatment_policy_keeps_all_values():
    data, trial = trial_with_event("treatment policy")
    assert values_of(data) == [8, 6, 4, 3, 9, 9, 4, None]
    (event,) = data.events
    assert (event.implemented, event.patients, event.values) == (True, 1, 1)
    assert trial.endpoint("y")["value"].tolist()[:2] == [8.0, 6.0]


def test_a_hypothetical_strategy_removes_values_from_the_event_on_of_all_lesions():
    data, _ = trial_with_event("hypothetical")
    assert values_of(data) == [8, 6, 4, 3, 9, None, 4, None]
    assert data.frame["change"].isna().sum() == 2
    assert data.events[0].sentence == "Rescue: 1 patient had it; removed: 1 value from the event on."


def test_an_event_of_the_lesion_alone():
    data, _ = trial_with_event("hypothetical", scope="lesion")
    assert values_of(data) == [8, 6, 4, 3, 9, 9, 4, None]
    data, _ = trial_with_event("hypothetical", where="lesions")
    assert values_of(data) == [8, 6, 4, 3, 9, 9, None, None]
    data, _ = trial_with_event("hypothetical", where="lesions", scope="patient")
    assert values_of(data) == [8, 6, 4, 3, None, None, None, None]


def test_an_event_without_a_time_touches_all_values_after_baseline_and_says_so():
    data, _ = trial_with_event("hypothetical", where="patients")
    assert values_of(data) == [8, 6, 4, 3, None, None, None, None]
    assert "the time of the event is not recorded" in data.events[0].sentence
    assert data.events[0].values == 3


def test_composite_recodes_to_failure_missing_values_too():
    data, _ = trial_with_event("composite", endpoint="r")
    assert values_of(data) == [0, 0, 1, 1, 0, 0, 1, 0]
    data, _ = trial_with_event("Composite ", endpoint="g")
    assert values_of(data) == ["G2", "G1", "G1", "G0", "G2", "G2", "G1", "G2"]  # lower is better: G2 is worst
    assert data.events[0].values == 2
    assert "(G2)" in data.events[0].sentence


@pytest.mark.parametrize("strategy", ["while on treatment", "principal stratum", "composite"])
def test_any_other_strategy_is_not_implemented_and_said_so(strategy):
    data, _ = trial_with_event(strategy)
    assert values_of(data) == [8, 6, 4, 3, 9, 9, 4, None]
    assert not data.events[0].implemented
    assert "not implemented" in data.events[0].sentence


def test_an_analysis_without_events_is_its_endpoint():
    _, trial = trial_with_event("treatment policy")
    plain = trial.protocol.analyses[0].model_copy(update={"estimand": None, "name": "plain"})
    protocol = trial.protocol.model_copy(update={"analyses": (plain,)})
    again = Trial.from_frames(
        protocol, patients=trial.patients, lesions=trial.lesions, assessments=trial.assessments
    )
    data = again.estimand_data("plain")
    assert data.events == ()
    pd.testing.assert_frame_equal(data.frame, again.endpoint("y"))
