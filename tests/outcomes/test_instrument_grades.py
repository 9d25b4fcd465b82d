"""Grades recorded as an instrument's own numbers keep their labels, wherever its numbers begin."""

import pandas as pd
import pytest

from outcomes import Trial
from outcomes.instruments import get_instrument, list_instruments
from outcomes.protocol import Protocol

GRADED = [
    name
    for name in list_instruments()["name"]
    if get_instrument(name).grades and get_instrument(name).kind == "ordinal"
]


def trial(instrument: str, values: list[object]) -> Trial:
    patients = [f"P{at}" for at in range(len(values))]
    protocol = Protocol.from_dict(
        {
            "trial": {"id": "T", "title": "A trial", "condition": "scar", "design": "parallel"},
            "components": {"laser": "Laser", "prp": "PRP"},
            "arms": {"Laser": ["laser"], "Both": ["laser", "prp"]},
            "visits": [{"name": "Week 12", "week": 12}],
            "data": {"patients": "patients.csv", "assessments": "assessments.csv"},
            "endpoints": [{"name": "grade", "instrument": instrument, "column": "GRADE", "baseline": "none"}],
            "analyses": [{"endpoint": "grade", "role": "primary", "visit": "Week 12"}],
        }
    )
    return Trial.from_frames(
        protocol,
        patients=pd.DataFrame(
            {
                "patient": patients,
                "arm": ["Laser", "Both"] * (len(values) // 2) + ["Laser"] * (len(values) % 2),
            }
        ),
        lesions=None,
        assessments=pd.DataFrame({"patient": patients, "visit": "Week 12", "GRADE": values}),
    )


@pytest.mark.parametrize("name", GRADED)
@pytest.mark.parametrize("recorded_as", ["numbers", "labels"])
def test_every_grade_is_read_as_itself(name, recorded_as):
    instrument = get_instrument(name)
    grades = list(instrument.grades)
    numbers = [int(instrument.minimum) + at for at in range(len(grades))]
    assert numbers[-1] == instrument.maximum
    read = trial(name, numbers if recorded_as == "numbers" else grades)
    value = read.endpoint("grade")["value"]
    assert value.tolist() == grades
    assert list(value.cat.categories) == grades
    assert value.cat.ordered
    facts = read.protocol.endpoint("grade")
    assert (facts.minimum, facts.maximum) == (instrument.minimum, instrument.maximum)
