import pytest

from outcomes.instruments import get_instrument
from outcomes.instruments.registry import INSTRUMENTS


@pytest.mark.parametrize("name", sorted(INSTRUMENTS))
def test_every_instrument_explains_itself(name):
    found = INSTRUMENTS[name]
    text = found.explain()
    assert text.startswith(found.title)
    for item in (found.items[0], found.items[-1]):
        assert f" {item.name}" in text
    assert "How sure" in text
    assert max(map(len, text.splitlines())) <= max(88, len(found.title))
    assert "nan" not in text.lower().replace("quartile", "").split()
    assert "{" not in text


def test_vasi_explained_to_a_clinician():
    text = get_instrument("vasi").explain()
    for words in (
        "0 to 100",
        "higher is worse",
        "hand units × residual depigmentation",
        "palm with",
        "one of 0, 0.1, 0.25, 0.5, 0.75, 0.9, 1",
        "VASI75: percent change from baseline at most −75",
        "Verified",
    ):
        assert words in text


def test_what_was_recalled_is_said():
    text = " ".join(get_instrument("ecca").explain().split())
    assert "NOT verified" in text
    assert "the weights and the limits of the counts" in text


def test_a_verified_instrument_names_its_unverified_parts():
    text = " ".join(get_instrument("dlqi").explain().split())
    assert "Verified: read in the source named above. Not verified: the rule for missing answers" in text


def test_a_nominal_instrument_has_no_direction():
    assert "none: categories without an order" in get_instrument("repigmentation-pattern").explain()


def test_direction_left_to_the_protocol():
    assert "the protocol must say" in get_instrument("melanin-index").explain()


def test_numbered_items_share_a_line():
    text = get_instrument("vitiqol").explain()
    assert "q1 to q15: 0 to 6 in steps of 1" in text
    assert "question 1 to 15: 0 not at all" in text
    assert "  severity: 0 to 6" in text
    # the ten questions of the DLQI have each their topic
    assert all(f"  q{k}: " in get_instrument("dlqi").explain() for k in range(1, 11))
