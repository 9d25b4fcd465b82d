"""compare_grades: the Abdelghani trial under all its reconstructions, pairs, and refusals."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analyses.classical.rank_comparison import compare_grades
from analyses.ordinal import fit_ordinal_model
from outcomes.errors import DesignError, ModelError

# Abdelghani 2018 (J Cosmet Dermatol 17:365): patients by repigmentation grade G0-G5, 20 an arm, rebuilt from the
# published mean, SD and number with grade 5. Laser alone has seven solutions, the other arms one each.
LASER = [
    (4, 0, 14, 0, 0, 2),
    (3, 3, 11, 1, 0, 2),
    (2, 6, 8, 2, 0, 2),
    (1, 8, 8, 0, 1, 2),
    (1, 9, 5, 3, 0, 2),
    (0, 11, 5, 1, 1, 2),
    (0, 12, 2, 4, 0, 2),
]
OTHERS = {"PRP": (6, 10, 0, 0, 0, 4), "FCO2+PRP": (0, 0, 0, 0, 12, 8), "FCO2+NBUVB": (5, 0, 0, 9, 5, 1)}
ARMS = {"FCO2": ["laser"], "PRP": ["prp"], "FCO2+PRP": ["laser", "prp"], "FCO2+NBUVB": ["laser", "nbuvb"]}
GRADES = [f"G{k}" for k in range(6)]


def abdelghani(laser):
    rows = [
        (arm, grade)
        for arm, counts in {"FCO2": laser, **OTHERS}.items()
        for grade, count in zip(GRADES, counts, strict=True)
        for _ in range(count)
    ]
    data = pd.DataFrame(rows, columns=["arm", "value"])
    data["value"] = pd.Categorical(data["value"], GRADES, ordered=True)
    data["patient"] = [f"P{i:02d}" for i in range(len(data))]
    return data


def row(verdict, question, contrast=""):
    table = verdict.table
    found = table[
        table["question"].str.contains(question, regex=False) & table["contrast"].str.startswith(contrast)
    ]
    assert len(found) >= 1, table["question"].tolist()
    return found.iloc[0]


@pytest.mark.parametrize("laser", LASER)
def test_the_combination_beats_both_parts_whatever_the_laser_arm_was(laser):
    assert np.mean(np.repeat(range(6), laser)) == 1.9  # the published mean
    verdict = compare_grades(abdelghani(laser), ARMS)
    against_prp = row(verdict, "Better than PRP")
    assert against_prp["estimate"] == pytest.approx(0.84)
    assert against_prp["p_value"] == pytest.approx(1.414e-4, rel=1e-3)  # published to two digits, 1.4e-4
    against_laser = row(verdict, "Better than FCO2", "P((FCO2+PRP)")
    assert 0.905 <= round(against_laser["estimate"], 4) <= 0.92
    assert against_laser["p_value"] < 6.3e-6
    joint = row(verdict, "min test")
    assert joint["answer"] == "better than both parts"
    assert joint["p_value"] == against_prp["p_value"]  # the binding comparison
    assert verdict.combination == "FCO2+PRP"
    assert verdict.may_claim.startswith("FCO2+PRP was better than FCO2")
    assert "so better than both of its parts (min test p < .001)" in verdict.may_claim


def test_what_the_trial_cannot_say():
    verdict = compare_grades(abdelghani(LASER[0]), ARMS)
    assert row(verdict, "Additive interaction")["answer"].startswith(
        "not estimable without an arm that received neither, an untreated arm"
    )
    assert row(verdict, "Contribution of laser to FCO2+NBUVB")["answer"] == (
        "contribution of laser not assessable: no arm of nbuvb alone was studied"
    )
    other = verdict.table[verdict.table["contrast"] == "P((FCO2+NBUVB) better than FCO2)"]
    assert len(other) == 1  # a row of its own, and no min test
    assert [r.answer for r in verdict.rows_of("min_test", "FCO2+NBUVB")] == [
        "not assessable: no arm of nbuvb alone was studied"
    ]
    assert "synergistic" in verdict.may_not_claim
    assert "laser contributes to FCO2+NBUVB" in verdict.may_not_claim


def test_the_ordinal_model_says_so_too_and_its_assumption_is_not_testable():
    data = abdelghani(LASER[0])
    data["arm"] = pd.Categorical(data["arm"], list(ARMS))
    fit = fit_ordinal_model("value ~ arm", data)
    assert fit.converged
    answer = fit.proportional_odds_test()["answer"].iloc[0]
    assert answer.startswith("not testable")
    assert "separate" in answer


def test_lower_grades_can_be_the_better_ones():
    data = abdelghani(LASER[0])
    turned = data.assign(value=data["value"].cat.reorder_categories(GRADES[::-1]))
    up, down = compare_grades(data, ARMS), compare_grades(turned, ARMS, higher_is_better=False)
    numbers = ["estimate", "p_value", "conf_low", "conf_high"]
    np.testing.assert_allclose(up.table[numbers], down.table[numbers], rtol=1e-12)


def test_exact_p_on_request_and_always_in_the_supplement():
    verdict = compare_grades(abdelghani(LASER[0]), ARMS, exact=True)
    record = verdict.supplement.query("combination == 'FCO2+PRP' and reference == 'PRP'").iloc[0]
    assert row(verdict, "Better than PRP")["p_value"] == record["p_mann_whitney_exact"]
    assert record["win"] + record["tie"] + record["loss"] == pytest.approx(1)
    assert (record["median_combination"], record["median_reference"]) == ("G4", "G1")
    assert (record["n_combination"], record["n_reference"]) == (20, 20)


def pairs(n=12, seed=6):
    rng = np.random.default_rng(seed)
    base = rng.integers(0, 3, n)
    rows = []
    for patient in range(n):
        for arm, gain in (("Laser", 0), ("PRP", 1), ("Both", 2)):
            rows.append((f"P{patient}", arm, min(4, base[patient] + gain * rng.integers(0, 2))))
    return pd.DataFrame(rows, columns=["patient", "arm", "value"])


PAIR_ARMS = {"Laser": ["laser"], "PRP": ["prp"], "Both": ["laser", "prp"]}


def test_within_patients_the_patient_is_the_unit():
    data = pairs()
    verdict = compare_grades(data, PAIR_ARMS, design="within-patient")
    wide = data.pivot(index="patient", columns="arm", values="value")
    difference = wide["Both"] - wide["Laser"]
    found = row(verdict, "Better than Laser")
    assert found["estimate"] == pytest.approx(((difference > 0) + (difference == 0) / 2).mean())
    wins, losses = int((difference > 0).sum()), int((difference < 0).sum())
    assert found["p_value"] == pytest.approx(stats.binomtest(wins, wins + losses).pvalue)
    assert "paired" in verdict.scale.name
    assert "paired" in verdict.method
    record = verdict.supplement.iloc[0]
    assert (record["patients_better"], record["patients_worse"], record["n_pairs"]) == (wins, losses, 12)


def test_patients_without_both_arms_are_left_out_of_the_pair_alone():
    data = pairs()
    verdict = compare_grades(
        data.drop(index=0), PAIR_ARMS, design="within-patient"
    )  # P0 loses the laser lesion
    counts = verdict.supplement.set_index("reference")["n_pairs"]
    assert (counts["Laser"], counts["PRP"]) == (11, 12)
    assert any("Both and Laser 11" in note for note in verdict.footnotes)


def test_several_lesions_an_arm_do_not_make_more_patients():
    data = pairs()
    twice = pd.concat([data, data])
    once, double = (compare_grades(d, PAIR_ARMS, design="within-patient") for d in (data, twice))
    numbers = ["estimate", "p_value", "conf_low", "conf_high"]
    np.testing.assert_allclose(once.table[numbers], double.table[numbers], rtol=1e-12)
    assert any("several lesions" in note for note in double.footnotes)


def test_arms_that_never_meet_in_a_patient_are_not_estimable():
    data = pairs()
    half = {f"P{i}" for i in range(6)}
    apart = data[~((data["arm"] == "PRP") & data["patient"].isin(half))]
    apart = apart[~((apart["arm"] == "Both") & ~apart["patient"].isin(half))]
    verdict = compare_grades(apart, PAIR_ARMS, design="within-patient")
    assert row(verdict, "Better than PRP")["answer"] == "not estimable"
    assert row(verdict, "min test")["answer"] == "not estimable"


@pytest.mark.parametrize(
    ("change", "design", "message"),
    [
        (lambda d: d, "parallel", r"within-patient"),
        (lambda d: d.assign(patient=range(len(d))), "within-patient", "design='parallel'"),
        (lambda d: d.assign(visit=["a", "b"] * (len(d) // 2)), "within-patient", "select the visit"),
        (lambda d: d, "crossover", "unknown design"),
        (lambda d: pd.concat([d[d["arm"] == "Both"]] * 2), "parallel", "one value a patient"),
    ],
)
def test_designs_that_the_data_contradict(change, design, message):
    with pytest.raises(DesignError, match=message):
        compare_grades(change(pairs()), PAIR_ARMS, design=design)


def test_columns_and_grades_that_are_not_there():
    with pytest.raises(ModelError, match="'patient'"):
        compare_grades(pairs().drop(columns="patient"), PAIR_ARMS)
    with pytest.raises(ModelError, match="no order"):
        compare_grades(pairs().assign(value="G1"), PAIR_ARMS)
    with pytest.raises(ModelError, match="no row"):
        compare_grades(pairs().assign(value=np.nan), PAIR_ARMS)
    with pytest.raises(DesignError, match="patient="):
        compare_grades(pairs(), PAIR_ARMS, design="within-patient", patient=None)


def test_rows_that_are_patients_of_their_own_need_no_identifier():
    data = abdelghani(LASER[0])
    named = compare_grades(data, ARMS)
    nameless = compare_grades(data.drop(columns="patient"), ARMS, patient=None)
    pd.testing.assert_frame_equal(named.table, nameless.table)


def test_missing_grades_are_counted():
    data = abdelghani(LASER[0])
    data.loc[3, "value"] = np.nan
    assert "Rows without a value, left out: 1." in compare_grades(data, ARMS).footnotes


def test_the_margin_is_a_distance_of_the_probability_from_one_half():
    data = abdelghani(LASER[0])
    plain = row(compare_grades(data, ARMS), "Better than PRP")
    verdict = compare_grades(data, ARMS, margin=0.1, margin_source="protocol 9.2")
    assert plain["conf_low"] > 0.6  # so both intervals lie beyond one half and the margin
    assert row(verdict, "Better than PRP")["answer"] == "better by at least the margin"
    assert "by at least the margin of 0.1 in probability of superiority" in verdict.may_claim
    assert "Margin 0.1 in probability of superiority; its source: protocol 9.2." in verdict.footnotes
    assert row(compare_grades(data, ARMS, margin=0.4), "Better than PRP")["answer"] == "better"
    for margin in (0.5, 1.0, -0.1):
        with pytest.raises(ModelError, match="distance of the probability of superiority"):
            compare_grades(data, ARMS, margin=margin)


def test_footnotes_say_that_their_p_values_are_two_sided():
    for sided in (1, 2):
        notes = " ".join(compare_grades(abdelghani(LASER[0]), ARMS, sided=sided).footnotes)
        assert "Mann-Whitney, exact, two-sided: " in notes
        assert "unequal spread, two-sided: " in notes
