import numpy as np
import pandas as pd
import pytest

from outcomes.errors import ModelError
from reports.steps.constrained import constrained_contrasts, stacked

ARMS = ("A", "B", "A + B")


def make_data(shift=0.0):
    """Twelve patients an arm whose baselines are the same twelve numbers in each arm."""
    rng = np.random.default_rng(5)
    baselines = rng.normal(10, 2, 12)
    rows = []
    for place, arm in enumerate(ARMS):
        for number, baseline in enumerate(baselines):
            for week in (12, 24):
                later = baseline - place * week / 12 + rng.normal(0, 1) + shift * place
                rows.append((f"{arm}{number}", arm, f"Week {week}", baseline, later - baseline))
    data = pd.DataFrame(rows, columns=["patient", "arm", "visit", "baseline", "change"])
    data["arm"] = pd.Categorical(data["arm"], ARMS)
    data["visit"] = pd.Categorical(data["visit"], ["Week 12", "Week 24"])
    return data


def contrasts(data, **changes):
    options = {
        "arms": ARMS,
        "pairs": [("A + B", "A"), ("A + B", "B")],
        "visit": "Week 24",
        "baseline": "Baseline",
        "covariates": [],
        "df_method": "kenward-roger-linear",
        "higher_is_better": False,
        "alpha": 0.05,
    }
    return constrained_contrasts(data, **{**options, **changes}).contrasts


def test_with_equal_baselines_the_contrast_is_the_difference_of_the_later_means():
    data = make_data()
    last = data[data["visit"] == "Week 24"]
    later = (last["baseline"] + last["change"]).groupby(last["arm"], observed=True).mean()
    found = contrasts(data)
    assert list(found) == ["A − (A + B)", "B − (A + B)"]
    # Adjusting for a baseline that does not differ moves nothing; 1e-6 is the optimiser's.
    assert found["A − (A + B)"]["estimate"] == pytest.approx(later["A"] - later["A + B"], abs=1e-6)
    assert found["B − (A + B)"]["estimate"] == pytest.approx(later["B"] - later["A + B"], abs=1e-6)


def test_contrasts_turn_with_the_direction():
    up, down = contrasts(make_data(), higher_is_better=True), contrasts(make_data())
    assert up["(A + B) − A"]["estimate"] == pytest.approx(-down["A − (A + B)"]["estimate"])
    assert up["(A + B) − A"]["conf_low"] == pytest.approx(-down["A − (A + B)"]["conf_high"])


def test_the_baseline_is_the_first_visit():
    rows = stacked(make_data(), "Before", [])
    assert list(rows["visit"].cat.categories) == ["Before", "Week 12", "Week 24"]
    assert len(rows) == 36 * 3
    assert (rows[rows["visit"] == "Before"].groupby("arm")["response"].mean().round(9).nunique()) == 1


def test_data_that_cannot_carry_the_model_are_an_error():
    with pytest.raises(ModelError):
        contrasts(make_data().groupby("arm", observed=True).head(2))


def test_the_walk_of_covariances_is_told():
    options = {"arms": ARMS, "pairs": [("A + B", "A")], "visit": "Week 24", "baseline": "Baseline"}
    options |= {"covariates": [], "df_method": "satterthwaite", "higher_is_better": False, "alpha": 0.05}
    whole = constrained_contrasts(make_data(), **options)
    assert whole.covariances == ("us(visit | patient)",)
    data = make_data()  # nobody was seen at both later visits: their covariance cannot be estimated
    early = data["patient"].str[-1].isin(list("02468"))
    apart = data[(data["visit"] == "Week 12") == early]
    assert constrained_contrasts(apart, **options).covariances[-1] == "toeph(visit | patient)"
