"""The house style of every figure: colours by what an arm is made of, and one ink.

Colours follow Okabe and Ito (2008, https://jfly.uni-koeln.de/color/), which readers with the common forms of
colour blindness can tell apart. A marker and a line style are the second channel, so that a grey print still
works.

Text, axes and grids are drawn in one ink. In the SVG that ink becomes ``currentColor``, so that an inlined
figure takes the page's text colour and works in its dark scheme; the PNG keeps the ink on white.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import numpy as np

from reports.glyphs import drawable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK = "#1b1d21"
"""The one colour of text, axes and grids; ``currentColor`` in the SVG. No arm may have it."""

WIDTH = 7.2
"""Width of a figure in inches: a text column of a journal, about 690 px on a page."""

MUTED = 0.72
"""Opacity of secondary text: 4.5 : 1 or better on white and on the page's dark background."""

GRID = 0.12
"""Opacity of grid lines and bands."""

_Choice = TypeVar("_Choice")

LineStyle = Literal["solid"] | tuple[float, tuple[float, ...]]


@dataclass(frozen=True, slots=True)
class ArmStyle:
    """How an arm is drawn, everywhere: colour, marker, and line style (the second channel)."""

    color: str
    marker: str
    linestyle: LineStyle


_LASER, _PRP, _NBUVB = "laser", "prp", "nbuvb"

_FIXED: dict[frozenset[str], ArmStyle] = {
    frozenset(): ArmStyle("#7F7F7F", "o", (0.0, (1.2, 1.6))),
    frozenset({_LASER}): ArmStyle("#D55E00", "^", (0.0, (6.0, 2.0))),
    frozenset({_PRP}): ArmStyle("#0072B2", "s", (0.0, (6.0, 1.6, 1.2, 1.6))),
    frozenset({_LASER, _PRP}): ArmStyle("#009E73", "D", "solid"),
    frozenset({_NBUVB}): ArmStyle("#CC79A7", "v", (0.0, (3.0, 1.4))),
    frozenset({_LASER, _NBUVB}): ArmStyle("#E69F00", "P", (0.0, (8.0, 1.6, 1.2, 1.6, 1.2, 1.6))),
    frozenset({_PRP, _NBUVB}): ArmStyle("#56B4E9", "X", (0.0, (4.0, 1.2, 4.0, 3.0))),
}
"""What the product fixes: the arms of a factorial trial, and those that published trials add most often."""

_PALETTE = ("#E69F00", "#56B4E9", "#CC79A7", "#F0E442")
"""The rest of the Okabe-Ito palette; yellow last: it is faint on white. Black would vanish on a dark page."""

_MARKERS = ("v", "P", "X", "p", "h", "<", ">", "d", "*", "8")
_LINES: tuple[LineStyle, ...] = (
    (0.0, (3.0, 1.4)),
    (0.0, (8.0, 1.6, 1.2, 1.6, 1.2, 1.6)),
    (0.0, (4.0, 1.2, 4.0, 3.0)),
    (0.0, (10.0, 2.0)),
    (0.0, (1.2, 3.0)),
    (0.0, (2.0, 1.0, 2.0, 2.5)),
)


def arm_style(arms: Mapping[str, Collection[str]]) -> dict[str, ArmStyle]:
    """Colour, marker and line style of each arm, by the components that it is made of.

    The arms of :data:`_FIXED` look the same in every report. Any other component set starts at a place of the
    remaining palette that depends on its components alone (CRC-32 of their sorted names) and moves on, in
    protocol order, where that place is taken. So a style depends on the label of no arm.

    Parameters
    ----------
    arms
        Label -> components, in protocol order. Names of components are compared without regard to case.

    Returns
    -------
    dict
        Label -> :class:`ArmStyle`, in the same order. Markers and line styles are distinct as far as ten and
        six go.
    """
    sets = {label: frozenset(str(name).casefold() for name in parts) for label, parts in arms.items()}
    styles: dict[str, ArmStyle] = {}
    for label, components in sets.items():
        fixed = _FIXED.get(components)
        if fixed is not None and fixed not in styles.values():
            styles[label] = fixed
    for label, components in sets.items():
        if label not in styles:
            start = zlib.crc32("+".join(sorted(components)).encode())
            used = list(styles.values())
            styles[label] = ArmStyle(
                color=_free(_PALETTE, start, {style.color for style in used}, last_resort=1),
                marker=_free(_MARKERS, start, {style.marker for style in used}),
                linestyle=_free(_LINES, start, {style.linestyle for style in used}),
            )
    return {label: styles[label] for label in arms}


def _free(
    choices: Sequence[_Choice], start: int, taken: Collection[_Choice], last_resort: int = 0
) -> _Choice:
    """The first free choice from ``start`` on, cyclically; the last ones only when no other is left."""
    usual = len(choices) - last_resort
    order = [choices[(start + step) % usual] for step in range(usual)] + list(choices[usual:])
    return next((choice for choice in order if choice not in taken), order[0])


@contextmanager
def house_style() -> Iterator[None]:
    """Draw with the house's settings, whatever the user's matplotlibrc says, and restore theirs after."""
    import matplotlib

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(
            {
                "font.family": "DejaVu Sans",
                "font.size": 9,
                "text.color": INK,
                "axes.edgecolor": INK,
                "axes.labelcolor": INK,
                "axes.labelsize": 9,
                "axes.linewidth": 0.8,
                "axes.facecolor": "none",
                "axes.spines.top": False,
                "axes.spines.right": False,
                "axes.unicode_minus": True,
                "xtick.color": INK,
                "ytick.color": INK,
                "xtick.labelsize": 8.5,
                "ytick.labelsize": 8.5,
                "figure.facecolor": "none",
                "lines.solid_capstyle": "round",
                # Names of arms and outcomes are data: "$x_1$" is a name, not a formula.
                "text.parse_math": False,
                "svg.fonttype": "path",
                # TrueType, which editors and printers take; Type 3 is refused by many journals.
                "pdf.fonttype": 42,
                "svg.hashsalt": "tandem",
            }
        )
        yield


def new_figure(height: float, width: float = WIDTH) -> Figure:
    """An empty figure of ``width`` by ``height`` inches, outside pyplot's registry."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    return figure


def place_axes(figure: Figure, left: float, bottom: float, right: float, top: float) -> Axes:
    """Axes whose edges are given in inches from the figure's left and bottom edges."""
    width, height = figure.get_size_inches()
    box = (left / width, bottom / height, (right - left) / width, (top - bottom) / height)
    return figure.add_axes(box)


def figure_of(axes: Axes) -> Figure:
    """The figure that axes made by :func:`place_axes` belong to."""
    figure: Any = axes.get_figure(root=True)
    return figure  # type: ignore[no-any-return]


def text_width(figure: Figure, text: str, size: float = 9, weight: str = "normal") -> float:
    """Width of a line of text in inches, measured with the font that draws it."""
    if not text:
        return 0.0
    canvas: Any = figure.canvas
    # No text that is drawn has a thousand letters in a line; a longer one need not be measured further.
    artist = figure.text(0, 0, drawable(text[:1000]), fontsize=size, fontweight=weight)
    extent = artist.get_window_extent(canvas.get_renderer())
    artist.remove()
    return float(extent.width / figure.dpi)


def wrap(
    figure: Figure, text: str, inches: float, size: float = 9, weight: str = "normal", lines: int = 6
) -> str:
    """``text`` as it can be drawn, broken at spaces so that each line fits ``inches``.

    A longer word is broken within; what would need more than ``lines`` lines ends in an ellipsis.
    """

    def fits(line: str) -> bool:
        return text_width(figure, line, size, weight) <= inches

    # No line holds 400 letters: what is cut off here would not have been shown.
    text, rest = drawable(text[: 400 * lines]), text[400 * lines :]
    done: list[str] = []
    current = ""
    for word in re.split(r"[ \t\n\r\f\v]+", text.strip(" \t\n\r\f\v")):
        if current and fits(f"{current} {word}"):
            current = f"{current} {word}"
            continue
        if current:
            done.append(current)
        current = word
        while len(done) <= lines and len(current) > 1 and not fits(current):
            head = _fitting(current, fits)
            done.append(current[:head])
            current = current[head:]
    done.append(current)
    if len(done) > lines or rest:
        done = done[:lines]
        while done[-1] and not fits(done[-1] + "…"):
            done[-1] = done[-1][:-1]
        done[-1] = done[-1].rstrip() + "…"
    return "\n".join(done)


def _fitting(word: str, fits: Callable[[str], bool]) -> int:
    """How many letters of a word fit, at least one."""
    low, high = 1, len(word)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(word[:middle]) else (low, middle - 1)
    return low


def without_values(arms: Iterable[str], drawn: Collection[str]) -> str:
    """Say at the end of a caption which arms have nothing to draw; empty where all have."""
    absent = [arm for arm in arms if arm not in drawn]
    return f" Without values, and not drawn: {', '.join(absent)}." if absent else ""


def axis_name(label: str, unit: str, higher_is_better: bool | None = None) -> str:
    """The name of an axis with its unit and direction: ``Repigmentation (%, higher is better)``."""
    direction = {True: "higher is better", False: "lower is better", None: ""}[higher_is_better]
    inside = ", ".join(part for part in (unit, direction) if part)
    return f"{label} ({inside})" if inside else label


def name_value_axis(axes: Axes, label: str, unit: str, higher_is_better: bool | None = None) -> None:
    """Name a vertical axis; where its name is too long, unit and direction take a line."""
    figure = figure_of(axes)
    room = float(axes.get_position().height * figure.get_size_inches()[1])
    whole, alone = axis_name(label, unit, higher_is_better), label
    if text_width(figure, whole) > room and whole != alone:
        whole = wrap(figure, label, room) + "\n" + whole.removeprefix(label).strip()
    axes.set_ylabel(whole if "\n" in whole else wrap(figure, whole, room), linespacing=1.15)


def spread_apart(
    positions: Sequence[float], gap: float | Sequence[float], low: float, high: float
) -> list[float]:
    """Move label positions as little as needed so that neighbours are ``gap`` apart.

    They stay within ``low`` to ``high`` and keep their order. Where they cannot all fit, they are spaced
    evenly over the whole range. Instead of a gap for all, the labels' own heights may be given: neighbours are then
    half of both heights apart.
    """
    order = sorted(range(len(positions)), key=lambda index: positions[index])
    if not order:
        return []
    heights = [gap] * len(order) if isinstance(gap, int | float) else [gap[index] for index in order]
    offsets = [0.0, *np.cumsum([(one + other) / 2 for one, other in pairwise(heights)]).tolist()]
    if offsets[-1] >= high - low:
        share = (high - low) / (offsets[-1] or 1.0)
        moved = {index: low + offsets[rank] * share for rank, index in enumerate(order)}
        return [moved[index] for index in range(len(positions))]
    # Clusters of labels that touch are centred on the mean of where their members want to be (pool adjacent
    # violators).
    clusters: list[tuple[float, int]] = []
    for rank, index in enumerate(order):
        clusters.append((positions[index] - offsets[rank], 1))
        while len(clusters) > 1 and clusters[-2][0] > clusters[-1][0]:
            (mean_b, n_b), (mean_a, n_a) = clusters.pop(), clusters.pop()
            clusters.append(((mean_a * n_a + mean_b * n_b) / (n_a + n_b), n_a + n_b))
    starts = [mean for mean, size in clusters for _ in range(size)]
    top = high - offsets[-1]
    moved = {index: min(max(starts[rank], low), top) + offsets[rank] for rank, index in enumerate(order)}
    return [moved[index] for index in range(len(positions))]
