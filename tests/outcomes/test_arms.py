"""Arms as sets of components: parts, combinations, what was not studied, and factorial squares."""

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outcomes.arms import Arms, FrozenMapping

FACTORIAL = Arms({"Untreated": [], "Laser": ["laser"], "PRP": ["prp"], "Laser + PRP": ["laser", "prp"]})
ABDELGHANI = Arms(
    {
        "Laser": ["laser"],
        "PRP": ["prp"],
        "Laser + PRP": ["laser", "prp"],
        "Laser + NB-UVB": ["laser", "nbuvb"],
    }
)
NAMES = ("laser", "prp", "nbuvb", "needling")


def test_a_mapping_in_the_protocols_order():
    assert list(FACTORIAL) == ["Untreated", "Laser", "PRP", "Laser + PRP"]
    assert FACTORIAL["Laser + PRP"] == frozenset({"laser", "prp"})
    assert FACTORIAL.components == ("laser", "prp")
    assert dict(FACTORIAL) == {label: FACTORIAL[label] for label in FACTORIAL}


def test_control_and_combinations():
    assert FACTORIAL.control == "Untreated"
    assert ABDELGHANI.control is None
    assert ABDELGHANI.combinations == ("Laser + PRP", "Laser + NB-UVB")


def test_parts_have_exactly_one_component_fewer_and_control_is_no_part():
    assert FACTORIAL.parts("Laser + PRP") == ("Laser", "PRP")
    assert FACTORIAL.parts("Laser") == ()
    assert FACTORIAL.parts("Untreated") == ()


def test_the_contribution_of_laser_to_laser_and_nbuvb_is_not_assessable():
    assert ABDELGHANI.parts("Laser + NB-UVB") == ("Laser",)
    # without an NB-UVB arm nothing shows what the laser adds to NB-UVB
    assert ABDELGHANI.missing_parts("Laser + NB-UVB") == ("laser",)
    assert ABDELGHANI.missing_parts("Laser + PRP") == ()


def test_parts_of_three_components_are_pairs():
    arms = Arms(
        {"L": ["laser"], "LP": ["laser", "prp"], "PN": ["prp", "nbuvb"], "LPN": ["laser", "prp", "nbuvb"]}
    )
    assert arms.parts("LPN") == ("LP", "PN")
    assert arms.missing_parts("LPN") == ("prp",)


def test_interaction_needs_the_background():
    square = FACTORIAL.background_for("Laser + PRP")
    assert (square.background, square.first, square.second, square.combination) == (
        "Untreated", "Laser", "PRP", "Laser + PRP",
    )  # fmt: skip
    assert square.components == ("laser", "prp")
    assert ABDELGHANI.background_for("Laser + PRP") is None


def test_a_background_need_not_be_empty():
    arms = Arms(
        {
            "UVB": ["nbuvb"],
            "UVB + L": ["nbuvb", "laser"],
            "UVB + P": ["nbuvb", "prp"],
            "All": ["nbuvb", "laser", "prp"],
        }
    )
    assert arms.background_for("All").background == "UVB"
    assert arms.missing_parts("All") == ("nbuvb",)


def test_the_declared_order_of_components_wins_over_their_first_use():
    arms = Arms({"PRP": ["prp"], "Both": ["prp", "laser"]}, components=["laser", "prp", "unused"])
    assert arms.components == ("laser", "prp")
    assert arms.ordered_components("Both") == ("laser", "prp")


@given(
    st.dictionaries(st.text(min_size=1, max_size=5), st.sets(st.sampled_from(NAMES)), min_size=1, max_size=8)
)
def test_parts_and_missing_parts_account_for_each_component(mapping):
    distinct = {frozenset(parts): label for label, parts in mapping.items()}
    arms = Arms({label: sorted(parts) for parts, label in distinct.items()})
    for label in arms:
        parts, missing = arms.parts(label), arms.missing_parts(label)
        assert all(arms[part] < arms[label] and len(arms[part]) == len(arms[label]) - 1 for part in parts)
        if len(arms[label]) >= 2:
            assert len(parts) + len(missing) == len(arms[label])
        for square in arms.squares_for(label):
            a, b = square.components
            assert arms[square.first] | arms[square.second] == arms[label]
            assert arms[square.background] == arms[label] - {a, b}


def test_frozen_mappings_hash_pickle_and_equal_their_dict():
    mapping = FrozenMapping({"a": 1})
    assert mapping == {"a": 1}
    assert hash(mapping) == hash(FrozenMapping({"a": 1}))
    assert pickle.loads(pickle.dumps(FACTORIAL)) == FACTORIAL
    assert pickle.loads(pickle.dumps(FACTORIAL)).components == FACTORIAL.components
    with pytest.raises(TypeError):
        mapping["b"] = 2
