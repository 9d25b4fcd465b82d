"""A finished figure as a value, and its files: SVG, PNG, PDF and TIFF, with bytes that repeat.

The SVG (screens) and the PNG (word processors) are drawn at once, since every report holds them. What printers and
journals ask for beside them, a vector PDF and a TIFF of 600 dots an inch, is drawn when it is asked for: see
`ReportFigure.write`.
"""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from outcomes.errors import ReportError
from reports.figures.style import INK, house_style
from reports.glyphs import drawable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PNG_DPI = 300
"""Dots an inch of the PNG: sharp where a word processor prints it."""

TIFF_DPI = 600
"""What journals ask of combinations of lines and text."""

SCREEN_FORMATS = ("svg", "png")
"""What `ReportFigure.write` writes by default."""

PRINT_FORMATS = ("pdf", "tiff")
"""What it writes where print is asked for."""


@dataclass(frozen=True, slots=True)
class ReportFigure:
    """A finished figure.

    Two figures are equal where their words, SVG and PNG are. A figure can be pickled.

    Attributes
    ----------
    name
        Short name, the file's stem (``verdict``, ``profile``).
    caption
        What is drawn and how to read it, for print under the figure.
    alt_text
        What the figure shows: the finding, for a reader who cannot see it.
    svg
        An ``<svg>`` element without prolog: a file of its own, and safe to inline beside others (its ids and
        its style sheet are its own). Transparent, text and axes in ``currentColor``.
    png
        The same on white at 300 dots an inch.
    drawing
        The matplotlib figure behind them, from which `pdf` and `tiff` are drawn.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> import pandas as pd
    >>> from reports.figures import flow_figure
    >>> flow = pd.DataFrame({"stage": ["Enrolled"], "arm": [""], "patients": [30], "lesions": [None], "note": [None]})
    >>> with TemporaryDirectory() as home:
    ...     [path.name for path in flow_figure(flow).write(Path(home), ("svg", "png", "pdf", "tiff"))]
    ['flow.svg', 'flow.png', 'flow.pdf', 'flow.tiff']
    """

    name: str
    caption: str
    alt_text: str
    svg: str
    png: bytes
    drawing: Figure = field(repr=False, compare=False)

    @property
    def pdf(self) -> bytes:
        """The figure as a vector PDF on white, fonts embedded as TrueType; drawn anew each time."""
        return _pdf(self.drawing)

    @property
    def tiff(self) -> bytes:
        """The figure as a TIFF on white: RGB, 600 dots an inch, LZW; drawn anew each time."""
        return _tiff(self.drawing)

    def bytes_of(self, format: str) -> bytes:
        """Return the file of a format: ``"svg"``, ``"png"``, ``"pdf"`` or ``"tiff"``.

        Raises
        ------
        ReportError
            Where there is no such format.
        """
        try:
            return _BYTES_OF[format](self)
        except KeyError:
            raise ReportError(
                "figures have no such format",
                expected=", ".join(_BYTES_OF),
                got=repr(format),
                where=f"figure {self.name}",
            ) from None

    def write(self, directory: Path, formats: Sequence[str] = SCREEN_FORMATS) -> tuple[Path, ...]:
        """Write ``<name>.<format>`` for each format into an existing directory.

        Parameters
        ----------
        directory
            Where the files go.
        formats
            Of "svg", "png", "pdf" and "tiff": for print, ``(*SCREEN_FORMATS, *PRINT_FORMATS)``.

        Returns
        -------
        tuple of Path
            The files, in the order of ``formats``.
        """
        paths = []
        for name in formats:
            content = self.bytes_of(name)
            path = directory / f"{self.name}.{name}"
            path.write_bytes(content)
            paths.append(path)
        return tuple(paths)


_BYTES_OF: Mapping[str, Callable[[ReportFigure], bytes]] = {
    "svg": lambda figure: figure.svg.encode(),
    "png": lambda figure: figure.png,
    "pdf": lambda figure: figure.pdf,
    "tiff": lambda figure: figure.tiff,
}


def write_figures(
    figures: Iterable[ReportFigure], directory: Path, formats: Sequence[str] = SCREEN_FORMATS
) -> tuple[Path, ...]:
    """Write several figures into an existing directory, in the order of the figures, then of the formats."""
    return tuple(path for figure in figures for path in figure.write(directory, formats))


def finished(figure: Figure, name: str, caption: str, alt_text: str) -> ReportFigure:
    """Render a figure to SVG and PNG with bytes that depend on what it shows alone."""
    _name_the_unseen(figure)
    svg, png = io.StringIO(), io.BytesIO()
    figure.savefig(svg, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    figure.savefig(png, format="png", dpi=PNG_DPI, facecolor="white", metadata={"Software": None})
    _let_go(figure)
    element = _embeddable(svg.getvalue(), name, alt_text)
    return ReportFigure(name, caption, alt_text, element, png.getvalue(), figure)


def _name_the_unseen(figure: Figure) -> None:
    """Show by its number what the font cannot draw, as a PDF report does; matplotlib's own PDF fails at some."""
    from matplotlib.text import Text
    from matplotlib.ticker import FixedFormatter

    for text in figure.findobj(Text):
        text.set_text(drawable(text.get_text()))
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            labels = axis.get_major_formatter()  # the texts at the ticks are made from these at each drawing
            if isinstance(labels, FixedFormatter):
                labels.seq = [drawable(label) for label in labels.seq]


def _pdf(figure: Figure) -> bytes:
    nameless = dict.fromkeys(("CreationDate", "ModDate", "Creator", "Producer"))
    out = io.BytesIO()
    with house_style():
        figure.savefig(out, format="pdf", facecolor="white", metadata=nameless)
    return out.getvalue()


def _tiff(figure: Figure) -> bytes:
    # As matplotlib sizes its canvas: dots are cut off, not rounded.
    width, height = (int(inches * TIFF_DPI) for inches in figure.get_size_inches())
    taken: Any = _Taken(width, height)
    out = io.BytesIO()
    with house_style():
        figure.savefig(taken, format="rgba", dpi=TIFF_DPI, facecolor="white")
    _let_go(figure)
    taken.image.save(out, format="TIFF", compression="tiff_lzw", dpi=(TIFF_DPI, TIFF_DPI))
    return out.getvalue()


def _let_go(figure: Figure) -> None:
    """Give a drawn figure a fresh canvas: the old one keeps its pixels, a hundred megabytes a figure at 600 dots."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    FigureCanvasAgg(figure)


class _Taken(io.RawIOBase):
    """Takes matplotlib's canvas as a picture without a copy of it: at 600 dots an inch one is a hundred megabytes."""

    def __init__(self, width: int, height: int) -> None:
        self._size = (width, height)

    def write(self, canvas: Any) -> int:
        from PIL import Image

        self.image = Image.frombuffer("RGBA", self._size, canvas, "raw", "RGBA", 0, 1).convert("RGB")
        return len(canvas)


def _embeddable(svg: str, name: str, alt_text: str) -> str:
    """Turn matplotlib's SVG file into an element that can share a page and takes the page's colour."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<!--.*?-->\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r"\s*\n\s*", "\n", svg)
    svg = svg.replace(INK, "currentColor")
    own = f"{name}-{hashlib.sha256(svg.encode()).hexdigest()[:10]}"
    svg = re.sub(r'\bid="', f'id="{own}-', svg)
    svg = re.sub(r'href="#', f'href="#{own}-', svg)
    svg = re.sub(r"url\(#", f"url(#{own}-", svg)
    # matplotlib's rule is for `*`: inlined, it would reach the whole page. The second rule is for the file
    # opened by itself: `svg:root` matches no inlined figure, which inherits the page's colour instead.
    sheet = (
        f"#{own} * {{stroke-linejoin: round; stroke-linecap: butt}} "
        "svg:root {color-scheme: light dark; color: #1b1d21} "
        "@media (prefers-color-scheme: dark) {svg:root {color: #e8e6e3}}"
    )
    svg = re.sub(r"\*\{stroke-linejoin: round; stroke-linecap: butt\}", sheet, svg, count=1)
    head = f'<svg id="{own}" class="figure" role="img" aria-label="{escape(alt_text, quote=True)}"'
    return svg.replace("<svg", head, 1)
