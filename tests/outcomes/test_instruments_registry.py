import dataclasses
import math
import re

import pandas as pd
import pytest

from outcomes.errors import ScoringError
from outcomes.instruments import get_instrument, list_instruments
from outcomes.instruments.registry import INSTRUMENTS, WITHHELD, variants_of

INF = math.inf

# Written from the published descriptions, not from the code: range, higher is better, verified.
EXPECTED = {
    "percent-repigmentation": (-INF, 100, True, True),
    "repigmentation-grade": (0, 4, True, True),
    "repigmentation-grade-six": (0, 5, True, True),
    "repigmentation-quartile-info": (1, 4, True, True),
    "depigmented-area": (0, INF, False, True),
    "vns": (1, 5, True, True),
    "vasi": (0, 100, False, True),
    "t-vasi": (0, 100, False, True),
    "f-vasi": (0, 3, False, True),
    "f-vasi-fingertip": (0, 112, False, True),
    "ves": (0, 100, False, True),
    "ves-plus": (0, 100, False, True),
    "sa-ves": (0, 100, False, True),
    "vetf-extent": (0, 100, False, True),
    "vetf-stage-revised": (0, 15, False, True),
    "vetf-stage-original": (0, 20, False, True),
    "vetf-spread": (-5, 5, False, True),
    "vida": (-1, 4, False, True),
    "vsas-confetti": (0, 15, False, False),
    "vsas-koebner": (0, 15, False, False),
    "vsas-hypochromic": (0, 15, False, False),
    "posas-observer": (6, 60, False, True),
    "posas-patient": (6, 60, False, True),
    "vss-sullivan": (0, 13, False, True),
    "vss-baryza": (0, 14, False, True),
    "vss-baryza-symptoms": (0, 18, False, True),
    "vss-nedelec": (0, 14, False, False),
    "vss-0-15": (0, 15, False, False),
    "unc4p": (0, 12, False, False),
    "manchester-categorical": (5, 18, False, True),
    "manchester-vas": (5, 28, False, True),
    "sbses": (0, 5, True, False),
    "scar-scale": (0, 15, False, True),
    "goodman-baron-qualitative": (1, 4, False, False),
    "goodman-baron-quantitative": (0, 84, False, False),
    "ecca": (0, 540, False, False),
    "striae-improvement": (1, 4, True, True),
    "stria-width-reduction": (-INF, 100, True, True),
    "collagen-area": (0, 100, True, True),
    "elastin-area": (0, 100, True, True),
    "gais-1-5": (1, 5, False, False),
    "gais-minus-1-3": (-1, 3, True, False),
    "iga": (0, 4, False, False),
    "dlqi": (0, 30, False, True),
    "dlqi-r": (0, 30, False, False),
    "vitiqol": (0, 90, False, True),
    "scar-q-appearance": (0, 100, True, False),
    "scar-q-symptom": (0, 100, True, False),
    "scar-q-psychosocial": (0, 100, True, False),
    "scar-q-appearance-raw": (12, 48, True, False),
    "scar-q-symptom-raw": (12, 48, True, False),
    "scar-q-psychosocial-raw": (5, 20, True, False),
    "satisfaction-vas": (0, 10, True, True),
    "satisfaction-four-level": (0, 3, True, True),
    "melanin-index": (0, INF, None, True),
    "erythema-index": (0, INF, None, True),
    "melanin-contrast": (0, INF, False, False),
    "erythema-contrast": (0, INF, False, False),
    "tewl": (0, INF, False, True),
    "pain-vas": (0, 10, False, True),
    "erythema-days": (0, INF, False, True),
    "edema-days": (0, INF, False, True),
    "crust-days": (0, INF, False, True),
}


def test_every_instrument_is_expected_and_every_expected_one_exists():
    assert set(INSTRUMENTS) == {*EXPECTED, "repigmentation-pattern"}


@pytest.mark.parametrize("name", EXPECTED)
def test_range_direction_and_verification(name):
    found = get_instrument(name)
    assert (found.minimum, found.maximum, found.higher_is_better, found.verified) == EXPECTED[name]


@pytest.mark.parametrize("name", sorted(INSTRUMENTS))
def test_the_tag_decides_what_is_verified(name):
    found = INSTRUMENTS[name]
    tags = set(found.tag.split(", "))
    assert tags <= {"V", "D", "R", "A"}
    assert found.verified == tags.isdisjoint({"R", "A"})
    if not found.verified:
        assert found.recalled, "what was recalled must be said"


@pytest.mark.parametrize("name", sorted(INSTRUMENTS))
def test_items_are_well_formed(name):
    found = INSTRUMENTS[name]
    names = [item.name for item in found.items]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z][a-z0-9_]*", item) for item in names)
    assert found.scored_items
    for item in found.items:
        assert item.minimum < item.maximum
        assert item.label
        for allowed in item.values or ():
            assert item.allows(allowed)
        if item.count_limits is not None:
            # k limits make k + 1 categories, 0 to k
            assert item.maximum == len(item.count_limits)


@pytest.mark.parametrize("name", sorted(INSTRUMENTS))
def test_grades_count_the_steps_of_an_ordinal_scale(name):
    found = INSTRUMENTS[name]
    if found.kind == "ordinal":
        assert found.grades is not None
        assert len(found.grades) == found.maximum - found.minimum + 1
    if found.kind == "continuous":
        assert found.grades is None


@pytest.mark.parametrize("name", sorted(INSTRUMENTS))
def test_sources_thresholds_and_differences_are_usable(name):
    found = INSTRUMENTS[name]
    assert found.source
    for threshold in found.thresholds:
        assert threshold.source
        if threshold.derive == "value":
            assert found.minimum <= threshold.value <= found.maximum
    important = found.minimal_important_difference
    if important is not None:
        assert important.value > 0
        if important.low is not None:
            assert important.low <= important.value <= important.high
        assert important.source


def test_improvement_scales_have_their_value_before_treatment_by_definition():
    by_definition = {name: i.baseline_by_definition for name, i in INSTRUMENTS.items()}
    assert by_definition["percent-repigmentation"] == 0
    assert by_definition["vns"] == 2  # "as noticeable as before"
    assert by_definition["gais-1-5"] == 4  # "no change"
    assert by_definition["gais-minus-1-3"] == 0
    assert by_definition["vasi"] is None


def test_posas_patient_difference_is_six_times_the_published_range_of_a_mean_item():
    important = get_instrument("posas-patient").minimal_important_difference
    assert important.low == pytest.approx(6 * 0.08, abs=1e-12)  # exact up to binary rounding
    assert important.value == pytest.approx(6 * 0.39, abs=1e-12)
    assert important.verified


def test_sa_ves_and_dlqi_differences():
    assert get_instrument("sa-ves").minimal_important_difference.value == 1.3
    dlqi = get_instrument("dlqi").minimal_important_difference
    assert (dlqi.value, dlqi.verified) == (4, False)


def test_vasi_responders_are_reductions():
    thresholds = {t.name: (t.derive, t.op, t.value) for t in get_instrument("vasi").thresholds}
    assert thresholds == {
        "VASI50": ("percent-change", "at_most", -50),
        "VASI75": ("percent-change", "at_most", -75),
        "VASI90": ("percent-change", "at_most", -90),
    }


def test_instruments_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        get_instrument("vasi").maximum = 50


def test_a_bare_vss_lists_its_forms():
    with pytest.raises(ScoringError) as caught:
        get_instrument("vss")
    text = str(caught.value)
    for form in ("vss-sullivan", "vss-baryza", "vss-baryza-symptoms", "vss-nedelec", "vss-0-15"):
        assert form in text


@pytest.mark.parametrize(
    ("bare", "variants"),
    [
        ("posas", {"posas-observer", "posas-patient"}),
        ("manchester", {"manchester-categorical", "manchester-vas"}),
        ("goodman-baron", {"goodman-baron-qualitative", "goodman-baron-quantitative"}),
        ("vetf-stage", {"vetf-stage-revised", "vetf-stage-original"}),
        ("gais", {"gais-1-5", "gais-minus-1-3"}),
    ],
)
def test_bare_names_are_ambiguous(bare, variants):
    assert {found.name for found in variants_of(bare)} == variants
    with pytest.raises(ScoringError, match="several instruments"):
        get_instrument(bare)


@pytest.mark.parametrize("written", ["VASI", "Vasi ", "vassi", "vasy"])
def test_a_misspelt_name_is_told_the_nearest(written):
    with pytest.raises(ScoringError, match="nearest known: 'vasi'"):
        get_instrument(written)


@pytest.mark.parametrize(
    "written", ["posas-3.0", "POSAS 3.0", "posas-3", "mVSS-TBSA", "Detroit Keloid Scale", "dks"]
)
def test_what_was_left_out_says_why(written):
    with pytest.raises(ScoringError, match="known, and not scored here"):
        get_instrument(written)


def test_withheld_names_are_no_instruments():
    assert set(WITHHELD).isdisjoint(INSTRUMENTS)


def test_posas_versions_are_not_mixed():
    assert {INSTRUMENTS[name].version for name in ("posas-observer", "posas-patient")} == {"2.0"}
    assert not any(name.startswith("posas-3") for name in INSTRUMENTS)


def test_list_instruments_is_one_tidy_row_each():
    table = list_instruments()
    assert isinstance(table, pd.DataFrame)
    assert table["name"].is_unique
    assert set(table["name"]) == set(INSTRUMENTS)
    row = table.set_index("name").loc["posas-observer"]
    assert (row["items"], row["minimum"], row["maximum"], row["version"]) == (6, 6.0, 60.0, "2.0")
    assert bool(row["verified"]) is True
    # a scale's forms stand together
    families = table["family"]
    assert (families != families.shift()).sum() == families.nunique()
