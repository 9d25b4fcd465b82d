from pathlib import Path

from outcomes.instruments.page import instruments_page
from outcomes.instruments.registry import INSTRUMENTS, WITHHELD

PAGE = Path(__file__).parents[2] / "docs" / "instruments.md"


def test_the_page_in_the_repository_is_the_registry():
    written = PAGE.read_text(encoding="utf-8")
    assert written == instruments_page(), "renew it: python -m outcomes.instruments.page"


def test_every_instrument_has_its_section_and_its_items():
    text = instruments_page()
    for found in INSTRUMENTS.values():
        assert f"\n### {found.name}\n" in text
        for item in (found.items[0], found.items[-1]):
            assert f"`{item.name}` " in text
    for name in WITHHELD:
        assert f"- `{name}`: " in text


def test_what_was_recalled_is_on_the_page():
    text = instruments_page()
    for found in INSTRUMENTS.values():
        for part in found.recalled:
            assert part in text
