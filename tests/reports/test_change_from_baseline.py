"""Changes are judged from where the lesions began: the mean before treatment goes with the measured scale."""

from types import SimpleNamespace

import pandas as pd
import pytest

from reports.steps.continuous import starting_mean


def facts(derive="change", has_baseline=True, maximum=10.0):
    measured = SimpleNamespace(minimum=0.0, maximum=10.0)
    return SimpleNamespace(derive=derive, has_baseline=has_baseline, maximum=maximum, measured=measured)


def fit(**columns):
    return SimpleNamespace(frame=SimpleNamespace(data=pd.DataFrame(columns)))


@pytest.mark.parametrize("name", ["baseline", "baseline_mean"])
def test_a_change_starts_at_the_mean_of_the_rows_used(name):
    assert starting_mean(fit(**{name: [4.0, 5.0, 9.0]}), facts()) == 6.0


@pytest.mark.parametrize("other", [{"derive": "value"}, {"has_baseline": False}, {"maximum": 3.0}])
def test_what_is_no_change_of_the_measured_value_has_no_start(other):
    assert starting_mean(fit(baseline=[4.0]), facts(**other)) is None


def test_a_model_without_the_baseline_has_no_start():
    assert starting_mean(fit(value=[4.0]), facts()) is None
