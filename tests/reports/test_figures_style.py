"""What every figure shares: colours that can be told apart, in grey too, and where words find room."""

from __future__ import annotations

from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.figures import arm_style, grades
from reports.figures.style import axis_name, house_style, new_figure, spread_apart, text_width, wrap

FACTORIAL = {"Untreated": (), "Laser": ("laser",), "PRP": ("prp",), "Laser + PRP": ("laser", "prp")}


# --- colours ---


def test_the_four_arms_of_a_factorial_trial_have_the_products_colours() -> None:
    assert [style.color for style in arm_style(FACTORIAL).values()] == [
        "#7F7F7F",
        "#D55E00",
        "#0072B2",
        "#009E73",
    ]


def test_a_style_follows_the_components_not_the_label_order_or_case() -> None:
    renamed = {"both": ("PRP", "Laser"), "nothing": (), "B": ("Prp",), "A": ("LASER",)}
    styles = arm_style(renamed)
    assert styles["both"] == arm_style(FACTORIAL)["Laser + PRP"]
    assert styles["A"] == arm_style(FACTORIAL)["Laser"]
    assert list(styles) == list(renamed)


def test_an_unknown_component_keeps_its_colour_from_trial_to_trial() -> None:
    alone = arm_style({"Needling": ("microneedling",)})["Needling"]
    among = arm_style({**FACTORIAL, "MN": ("microneedling",)})["MN"]
    assert alone == among
    assert alone.color not in {style.color for style in arm_style(FACTORIAL).values()}


def test_arms_of_one_trial_are_told_apart_by_every_channel() -> None:
    names = ["laser", "prp", "nbuvb", "microneedling"]
    arms = {
        f"arm {bits:04b}": tuple(name for k, name in enumerate(names) if bits >> k & 1) for bits in range(8)
    }
    styles = list(arm_style(arms).values())
    assert len({style.color for style in styles}) == 8
    assert len({style.marker for style in styles}) == 8
    assert len({style.linestyle for style in styles}) == 8


def relative_luminance(color: str) -> float:
    parts = [int(color[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("background", ["#ffffff", "#14161a"])
def test_the_fixed_colours_stand_out_on_white_and_on_dark(background: str) -> None:
    # WCAG 2.2, 1.4.11: graphics need a contrast of 3 : 1 with what lies beside them.
    for style in arm_style(FACTORIAL).values():
        light, dark = sorted((relative_luminance(style.color), relative_luminance(background)), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 3


def test_shades_of_a_grade_get_darker_in_grey_print_too() -> None:
    for color in ("#D55E00", "#0072B2", "#009E73", "#7F7F7F"):
        shades = [relative_luminance(grades.tint(color, rank, 6)) for rank in range(6)]
        assert shades == sorted(shades, reverse=True)
        assert min(np.diff(shades[::-1])) > 0.01


# --- room for words ---


@given(st.lists(st.floats(-50, 150), max_size=8), st.floats(0.5, 12))
def test_labels_are_moved_apart_in_order_and_stay_inside(positions: list[float], gap: float) -> None:
    moved = spread_apart(positions, gap, 0, 100)
    ranked = [moved[k] for k in sorted(range(len(positions)), key=lambda k: positions[k])]
    # 1e-9: sums of a few numbers of size 100 in double precision.
    assert all(later - earlier >= gap - 1e-9 for earlier, later in pairwise(ranked))
    assert all(-1e-9 <= place <= 100 + 1e-9 for place in moved)


def test_labels_that_do_not_touch_stay_where_they_are() -> None:
    assert spread_apart([10, 50, 30], 5, 0, 100) == pytest.approx([10, 50, 30])


def test_labels_that_touch_move_by_the_same_amount() -> None:
    assert spread_apart([50, 50], 10, 0, 100) == pytest.approx([45, 55])


def test_more_labels_than_room_are_spaced_evenly() -> None:
    assert spread_apart([1, 2, 3], 60, 0, 100) == pytest.approx([0, 50, 100])


def test_wrapped_text_fits_and_keeps_every_word() -> None:
    text = "Change of the Vitiligo Area Scoring Index from baseline"
    with house_style():
        figure = new_figure(1)
        lines = wrap(figure, text, 1.5).split("\n")
        assert max(text_width(figure, line) for line in lines) <= 1.5
    assert " ".join(lines) == text


def test_axes_are_named_with_unit_and_direction() -> None:
    assert axis_name("Repigmentation", "%", True) == "Repigmentation (%, higher is better)"
    assert axis_name("VASI", "", False) == "VASI (lower is better)"
    assert axis_name("Count", "") == "Count"


def grey(color: str) -> str:
    """The grey that a print in black and white makes of a colour (ITU-R BT.601, as pillow and printers convert)."""
    red, green, blue = (int(color[start : start + 2], 16) for start in (1, 3, 5))
    level = round(0.299 * red + 0.587 * green + 0.114 * blue)
    return f"#{level:02x}{level:02x}{level:02x}"


def contrast(one: str, other: str) -> float:
    light, dark = sorted((relative_luminance(one), relative_luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_in_grey_print_the_arms_stand_out_from_the_paper_and_differ_by_marker_and_line() -> None:
    styles = arm_style(FACTORIAL)
    for style in styles.values():
        assert contrast(grey(style.color), "#ffffff") >= 3
    for one, other in combinations(styles.values(), 2):
        assert one.marker != other.marker
        assert one.linestyle != other.linestyle


def test_the_combination_is_told_from_each_part_in_grey_by_more_than_its_shade() -> None:
    # Okabe and Ito chose these colours by hue: their greys lie close, which is why marker and line carry the rest.
    styles = arm_style(FACTORIAL)
    for part in ("Laser", "PRP"):
        both, one = styles["Laser + PRP"], styles[part]
        assert (both.marker, both.linestyle) != (one.marker, one.linestyle)
        assert both.linestyle == "solid"


def test_labels_of_different_heights_do_not_touch() -> None:
    moved = spread_apart([50, 51, 52], [10, 30, 10], 0, 100)
    assert moved[1] - moved[0] == pytest.approx(20)
    assert moved[2] - moved[1] == pytest.approx(20)


def test_a_word_longer_than_the_line_is_broken_and_what_has_no_room_ends_in_an_ellipsis() -> None:
    with house_style():
        figure = new_figure(1)
        lines = wrap(figure, "Donaudampfschifffahrtsgesellschaft", 0.8).split("\n")
        assert "".join(lines) == "Donaudampfschifffahrtsgesellschaft"
        assert max(text_width(figure, line) for line in lines) <= 0.8
        short = wrap(figure, "Platelet-rich plasma of the patient’s own blood", 0.8, lines=2).split("\n")
        assert len(short) == 2
        assert short[-1].endswith("…")
        assert text_width(figure, short[-1]) <= 0.8


def test_a_name_of_ten_thousand_letters_is_cut() -> None:
    with house_style():
        figure = new_figure(1)
        assert len(wrap(figure, "L" * 10_000, 1.5, lines=3)) < 100
        assert wrap(figure, "", 1.5) == ""
