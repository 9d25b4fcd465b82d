import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from outcomes.errors import ScoringError
from outcomes.instruments import band, categories_from_counts, get_instrument, item_problems, score
from outcomes.instruments.registry import INSTRUMENTS

DLQI = {f"q{k}": answer for k, answer in enumerate([3, 2, 1, 0, 0, 1, 2, 3, 0, 1], start=1)}

# Worked by hand; the sums stand beside them.
KNOWN_ANSWERS = {
    "vasi": (
        {
            "hands_hand_units": 2,
            "hands_depigmentation": 0.9,  # 1.80
            "upper_extremities_hand_units": 4,
            "upper_extremities_depigmentation": 0.5,  # 2.00
            "trunk_hand_units": 10,
            "trunk_depigmentation": 0.25,  # 2.50
            "lower_extremities_hand_units": 6,
            "lower_extremities_depigmentation": 0.1,  # 0.60
            "feet_hand_units": 1,
            "feet_depigmentation": 1,  # 1.00
        },
        7.9,
    ),
    "f-vasi": ({"face_hand_units": 1.2, "face_depigmentation": 0.75}, 0.9),
    "percent-repigmentation": ({"baseline_area": 12.0, "area": 3.0}, 75.0),
    "stria-width-reduction": ({"baseline_width": 8.0, "width": 6.0}, 25.0),
    "posas-observer": (
        {
            "vascularity": 3,
            "pigmentation": 4,
            "thickness": 2,
            "relief": 5,
            "pliability": 3,
            "surface_area": 2,
            "overall_opinion": 9,  # recorded, not summed
        },
        19,
    ),
    "vss-sullivan": ({"pigmentation": 2, "vascularity": 1, "pliability": 4, "height": 3}, 10),
    "vss-baryza": ({"pigmentation": 3, "vascularity": 1, "pliability": 4, "height": 3}, 11),
    "vss-baryza-symptoms": (
        {"pigmentation": 3, "vascularity": 1, "pliability": 4, "height": 3, "pain": 2, "itch": 1},
        14,
    ),
    "vss-nedelec": (
        {"pigmentation": 3, "vascularity": 1, "pliability": 4, "height": 4, "pain": 7.5, "itch": 3},
        12,
    ),
    "manchester-categorical": (
        {"colour": 2, "surface": 1, "contour": 3, "distortion": 2, "texture": 4},
        12,
    ),
    "manchester-vas": (
        {"colour": 2, "surface": 1, "contour": 3, "distortion": 2, "texture": 4, "vas": 3.5},
        15.5,
    ),
    "scar-scale": (
        {
            "spread": 2,
            "erythema": 1,
            "dyspigmentation": 1,
            "suture_marks": 0,
            "hypertrophy_atrophy": 2,
            "overall": 1,
            "itch": 0,
            "pain": 1,
        },
        8,
    ),
    "sbses": ({"width": 1, "height": 0, "colour": 1, "suture_marks": 1, "overall": 0}, 3),
    "unc4p": ({"pain": 2, "pruritus": 3, "paraesthesia": 1, "pliability": 2}, 8),
    "ecca": (
        # 2 × 15 + 1 × 20 + 3 × 25 + 0 × 30 + 1 × 40 + 0 × 50
        {"ice_pick": 2, "boxcar": 1, "rolling": 3, "elastolysis": 0, "hypertrophic": 1, "keloid": 0},
        165,
    ),
    "goodman-baron-quantitative": (
        {
            "macular": 2,  # 2
            "mildly_atrophic": 1,  # 1
            "moderately_atrophic": 3,  # 6
            "punched_out_shallow": 0,
            "shallow_broad": 1,  # 2
            "punched_out_deep_normal": 2,  # 6
            "punched_out_deep_abnormal": 1,  # 3
            "linear_troughed": 0,
            "deep_broad": 3,  # 9
            "hyperplastic_papular": 2,  # 4
            "hyperplastic_keloid": 1,  # 6
        },
        39,
    ),
    "vetf-stage-revised": ({"head_neck": 0, "trunk": 1, "arms": 2, "legs": 3, "hands_feet": 1}, 7),
    "vetf-stage-original": ({"head_neck": 0, "trunk": 1, "arms": 2, "legs": 4, "hands_feet": 1}, 8),
    "vetf-spread": ({"head_neck": -1, "trunk": 0, "arms": 1, "legs": 1, "hands_feet": 0}, 1),
    "vetf-extent": ({"head_neck": 1.5, "trunk": 3, "arms": 0, "legs": 2, "hands_feet": 0.5}, 7),
    "vida": ({"activity": -1}, -1),
    "vns": ({"noticeability": 4}, 4),
    "dlqi": (DLQI, 13),
    "dlqi-r": ({**DLQI, "not_relevant": 2}, 16.25),  # 13 × 10 / 8
    "melanin-contrast": ({"lesion": 180.0, "perilesional": 420.0}, 240.0),
    "vsas-koebner": ({f"location_{k}": int(k in (2, 9)) for k in range(1, 16)}, 2),
}


@pytest.mark.parametrize("name", KNOWN_ANSWERS)
def test_known_answers(name):
    items, total = KNOWN_ANSWERS[name]
    # abs: decimal fractions such as 0.9 are not exact in binary, sums of a few of them err by less than 1e-12
    assert score(name, items).iloc[0] == pytest.approx(total, abs=1e-12)


def test_t_vasi_adds_head_and_neck():
    items = {**KNOWN_ANSWERS["vasi"][0], "head_neck_hand_units": 3, "head_neck_depigmentation": 0.75}
    assert score("t-vasi", items).iloc[0] == pytest.approx(7.9 + 2.25, abs=1e-12)


def test_a_lesion_that_grew_is_negative_and_not_clipped():
    totals = score("percent-repigmentation", {"baseline_area": [12.0, 4.0], "area": [15.0, 12.0]})
    assert totals.tolist() == [-25.0, -200.0]


def test_percentages_of_decimal_areas_are_exact():
    # nothing left is exactly 100 (100 a / a rounds to 100.00000000000001 for this area), nothing gained exactly 0
    totals = score(
        "percent-repigmentation",
        {"baseline_area": [82.00653104033864, 0.3, 10.0], "area": [0.0, 0.3, 7.0]},
    )
    assert totals.tolist() == [100.0, 0.0, 30.0]


def test_totals_keep_the_index_and_carry_the_name():
    frame = pd.DataFrame({"noticeability": [5, None, 1]}, index=["a", "b", "c"])
    totals = score("vns", frame)
    assert totals.name == "vns"
    assert totals.index.tolist() == ["a", "b", "c"]
    assert totals.dtype == float
    assert math.isnan(totals["b"])


def test_an_empty_frame_scores_to_an_empty_series():
    assert score("vns", pd.DataFrame({"noticeability": pd.Series([], dtype=float)})).empty


def test_the_items_are_not_changed():
    frame = pd.DataFrame({name: [value] for name, value in DLQI.items()})
    frame.loc[0, "q4"] = np.nan
    before = frame.copy()
    score("dlqi", frame, missing="published")
    pd.testing.assert_frame_equal(frame, before)


# The ends of the range


def _extreme(name: str, end: str) -> dict[str, float]:
    """Items that give the lowest or the highest total."""
    instrument = INSTRUMENTS[name]
    if instrument.combine == "sum-of-products":
        items = dict.fromkeys((item.name for item in instrument.items), 0.0)
        if end == "maximum":  # one region takes the whole
            whole, fraction = instrument.items[0], instrument.items[1]
            items |= {whole.name: whole.maximum, fraction.name: 1.0}
        return items
    if name == "vetf-extent":
        items = dict.fromkeys((item.name for item in instrument.items), 0.0)
        return items | ({"trunk": 100.0} if end == "maximum" else {})
    if name == "dlqi-r":
        answer = 3.0 if end == "maximum" else 0.0
        return {**{f"q{k}": answer for k in range(1, 11)}, "not_relevant": 0.0}
    if instrument.combine == "percent-reduction":
        baseline, now = (item.name for item in instrument.items)
        return {baseline: 7.0, now: 0.0}
    if instrument.combine == "absolute-difference":
        return {"lesion": 40.0, "perilesional": 40.0}
    return {item.name: getattr(item, end) for item in instrument.scored_items}


def _reachable_ends():
    for name, instrument in INSTRUMENTS.items():
        for end in ("minimum", "maximum"):
            if math.isfinite(getattr(instrument, end)):
                yield name, end


@pytest.mark.parametrize(("name", "end"), list(_reachable_ends()))
def test_extreme_items_reach_exactly_the_ends_of_the_range(name, end):
    assert score(name, _extreme(name, end)).iloc[0] == getattr(INSTRUMENTS[name], end)


def _item_values(item):
    if item.values is not None:
        return st.sampled_from(item.values)
    if item.step is not None:
        return st.integers(0, round((item.maximum - item.minimum) / item.step)).map(
            lambda k: item.minimum + k * item.step
        )
    top = item.maximum if math.isfinite(item.maximum) else 1000.0
    return st.floats(item.minimum, top, allow_nan=False)


SUMMED = sorted(
    name
    for name, i in INSTRUMENTS.items()
    if i.combine == "sum" and i.kind != "nominal" and name != "vetf-extent"
)


@given(data=st.data(), name=st.sampled_from(SUMMED))
def test_totals_stay_in_the_range_and_rise_with_each_item(data, name):
    instrument = INSTRUMENTS[name]
    items = {item.name: data.draw(_item_values(item)) for item in instrument.scored_items}
    total = score(name, items).iloc[0]
    # 1e-9: rounding of a sum of at most fifteen terms
    assert instrument.minimum - 1e-9 <= total <= instrument.maximum + 1e-9
    raised = data.draw(st.sampled_from(instrument.scored_items))
    higher = data.draw(_item_values(raised).filter(lambda value: value >= items[raised.name]))
    assert score(name, {**items, raised.name: higher}).iloc[0] >= total


@given(
    hand_units=st.lists(st.floats(0, 20), min_size=5, max_size=5),
    shares=st.lists(st.sampled_from([0, 0.1, 0.25, 0.5, 0.75, 0.9, 1]), min_size=5, max_size=5),
)
def test_vasi_lies_between_nothing_and_the_involved_area(hand_units, shares):
    columns = [item.name for item in get_instrument("vasi").items]
    pairs = [value for pair in zip(hand_units, shares, strict=True) for value in pair]
    total = score("vasi", dict(zip(columns, pairs, strict=True))).iloc[0]
    # 1e-9: rounding of ten products and sums below 100
    assert -1e-9 <= total <= sum(hand_units) + 1e-9
    full = [value for units in hand_units for value in (units, 1.0)]
    assert score("vasi", dict(zip(columns, full, strict=True))).iloc[0] == pytest.approx(
        sum(hand_units), abs=1e-9
    )


@given(baseline=st.floats(0.01, 1e3), now=st.floats(0, 1e3))
def test_percent_repigmentation_inverts(baseline, now):
    percent = score("percent-repigmentation", {"baseline_area": baseline, "area": now}).iloc[0]
    assert percent <= 100
    # the area comes back; relative error of three operations on numbers up to 1e7 times as large as the area
    assert baseline * (1 - percent / 100) == pytest.approx(now, abs=1e-9 * (1 + baseline + now))


# Missing items


def test_a_total_with_a_missing_item_is_missing_by_default():
    assert math.isnan(score("dlqi", {**DLQI, "q3": None}).iloc[0])


def test_dlqi_rule_scores_one_missing_answer_as_zero_and_refuses_two():
    frame = pd.DataFrame([DLQI, {**DLQI, "q1": None}, {**DLQI, "q1": None, "q2": None}])
    totals = score("dlqi", frame, missing="published")
    assert totals.tolist()[:2] == [13, 10]
    assert math.isnan(totals.iloc[2])


@pytest.mark.parametrize(
    ("answered", "total"),
    [(12, 36.0), (6, 36.0), (5, math.nan), (0, math.nan)],  # half of 12 items is 6; answers of 3 give 12 × 3
)
def test_half_mean_rule_of_the_scar_q(answered, total):
    items = {f"q{k}": [3 if k <= answered else None] for k in range(1, 13)}
    assert score("scar-q-symptom-raw", items, missing="published").iloc[0] == pytest.approx(
        total, abs=0, nan_ok=True
    )


def test_half_of_five_items_is_three():
    def items(answered):
        return {f"q{k}": [4 if k <= answered else None] for k in range(1, 6)}

    assert score("scar-q-psychosocial-raw", items(3), missing="published").iloc[0] == 20
    assert math.isnan(score("scar-q-psychosocial-raw", items(2), missing="published").iloc[0])


def test_a_rule_that_nobody_published_is_refused():
    with pytest.raises(ScoringError, match="no rule for missing items is published for vns"):
        score("vns", {"noticeability": [1, None]}, missing="published")


def test_an_unknown_rule_is_refused():
    with pytest.raises(ScoringError, match="unknown rule for missing items"):
        score("vns", {"noticeability": 1}, missing="mean")


# Errors


def _vss(**changes):
    return {"pigmentation": [1, 2], "vascularity": [3, 1], "pliability": [4, 4], "height": [3, 1]} | changes


def test_an_item_out_of_bounds_names_row_column_and_value():
    with pytest.raises(ScoringError) as caught:
        score("vss-sullivan", pd.DataFrame(_vss(pliability=[4, 9]), index=["P1", "P2"]))
    error = caught.value
    assert error.where == "row P2, column pliability"
    assert error.got == "9"
    assert "0 to 5 in steps of 1" in str(error)


def test_every_bad_item_is_listed():
    with pytest.raises(ScoringError) as caught:
        score("vss-sullivan", _vss(pliability=[-1, 9], height=[2.5, "flat"]))
    text = str(caught.value)
    assert "4 values not allowed" in text
    for part in ("pliability = -1", "pliability = 9", "height = 2.5", "height = 'flat'"):
        assert part in text


def test_off_the_grid_is_out():
    with pytest.raises(ScoringError, match=r"trunk_depigmentation = 0\.3"):
        score("vasi", {**KNOWN_ANSWERS["vasi"][0], "trunk_depigmentation": 0.3})


def test_a_percentage_for_a_fraction_is_understood():
    with pytest.raises(ScoringError, match="a percentage"):
        score("f-vasi", {"face_hand_units": 1, "face_depigmentation": 75})


@pytest.mark.parametrize("value", [math.inf, -math.inf])
def test_infinite_items_are_refused(value):
    with pytest.raises(ScoringError):
        score("percent-repigmentation", {"baseline_area": 10.0, "area": value})


def test_items_of_another_form_are_recognised_by_their_values():
    with pytest.raises(ScoringError, match="these look like items of vss-nedelec"):
        score("vss-sullivan", _vss(height=[4, 1]))


def test_items_of_another_scale_are_recognised_by_their_columns():
    patient = {name: [3, 4] for name in ("pain", "itch", "colour", "stiffness", "thickness", "irregularity")}
    with pytest.raises(ScoringError, match="these look like items of posas-patient"):
        score("posas-observer", patient)


def test_revised_stages_are_not_taken_for_original_ones():
    with pytest.raises(ScoringError, match="vetf-stage-original"):
        score("vetf-stage-revised", KNOWN_ANSWERS["vetf-stage-original"][0])


def test_an_unknown_column_is_told_the_nearest():
    items = _vss()
    items["pigmentaton"] = items.pop("pigmentation")
    with pytest.raises(ScoringError) as caught:
        score("vss-sullivan", items)
    assert "'pigmentaton' is nearest to 'pigmentation'" in str(caught.value)
    assert "misses 'pigmentation'" in str(caught.value)


def test_repeated_columns_are_refused():
    frame = pd.DataFrame([[1, 2]], columns=["noticeability", "noticeability"])
    with pytest.raises(ScoringError, match="more than one column"):
        score("vns", frame)


def test_an_unscored_item_is_checked_too():
    items = {**KNOWN_ANSWERS["posas-observer"][0], "overall_opinion": 11}
    with pytest.raises(ScoringError, match="overall_opinion = 11"):
        score("posas-observer", items)


def test_more_than_the_whole_body_is_refused():
    items = {**KNOWN_ANSWERS["vasi"][0], "trunk_hand_units": 95}
    with pytest.raises(ScoringError, match="cover more than the whole") as caught:
        score("vasi", items)
    assert "row 0" in caught.value.where


def test_an_extent_of_more_than_the_body_is_refused():
    items = {"head_neck": 60, "trunk": 60, "arms": 0, "legs": 0, "hands_feet": 0}
    with pytest.raises(ScoringError, match="outside its range"):
        score("vetf-extent", items)


def test_a_reduction_from_nothing_is_refused():
    with pytest.raises(ScoringError, match="not defined") as caught:
        score("percent-repigmentation", {"baseline_area": [4, 0], "area": [1, 0]})
    assert caught.value.where == "row 1, column baseline_area"


def test_more_answers_not_relevant_than_zeros_are_refused():
    with pytest.raises(ScoringError, match="than there are zeros"):
        score("dlqi-r", {**DLQI, "not_relevant": 4})


def test_categories_have_no_total():
    with pytest.raises(ScoringError, match="categories and no total"):
        score("repigmentation-pattern", {"pattern": [0, 1]})


def test_item_problems_leaves_missing_cells_alone():
    frame = pd.DataFrame({"noticeability": [1, None, 9]})
    (problem,) = item_problems(get_instrument("vns"), frame)
    assert (problem.row, problem.column, problem.value) == (2, "noticeability", 9.0)


# Helpers


def test_counts_become_ecca_categories():
    counts = pd.DataFrame({"ice_pick": [0, 1, 4, 5, 20, 21, None]})
    categories = categories_from_counts("ecca", counts)["ice_pick"]
    assert categories.tolist()[:6] == [0, 1, 1, 2, 2, 3]
    assert math.isnan(categories.iloc[6])


def test_counts_become_goodman_baron_categories_and_areas_pass_through():
    counts = {"macular": [0, 1, 10, 11, 20, 21], "hyperplastic_keloid": [0, 1, 2, 3, 0, 0]}
    categories = categories_from_counts("goodman-baron-quantitative", counts)
    assert categories["macular"].tolist() == [0, 1, 1, 2, 2, 3]
    assert categories["hyperplastic_keloid"].tolist() == [0, 1, 2, 3, 0, 0]


@pytest.mark.parametrize("count", [-1, 2.5, "many"])
def test_a_count_is_a_whole_number(count):
    with pytest.raises(ScoringError, match="whole number"):
        categories_from_counts("ecca", {"rolling": [1, count]})


def test_dlqi_bands():
    totals = [0, 1, 2, 5, 6, 10, 11, 20, 21, 30]
    words = ["no", "small", "moderate", "very large", "extremely large"]
    assert band("dlqi", totals).tolist() == [f"{word} effect" for word in words for _ in range(2)]
    assert band("dlqi", [math.nan]).isna().all()


def test_a_total_outside_every_band_is_refused():
    with pytest.raises(ScoringError, match="lies in no band"):
        band("dlqi", [31])
    with pytest.raises(ScoringError, match="no bands are published"):
        band("vns", [3])
