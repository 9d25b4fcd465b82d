"""Pictures in RTF: a PNG in hexadecimal digits, in its own size, with what it shows in words."""

from __future__ import annotations

from outcomes.errors import ReportError
from reports.document import Figure
from reports.render.rtf_styles import TEXT_WIDTH
from reports.render.rtf_text import escape

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_WIDEST, _HIGHEST = min(TEXT_WIDTH, 8500), 10500
"""Twips of the widest picture, as wide as the text (its letters are larger than a table's), and of the highest."""
_INCH, _METRE = 1440, 1440 / 0.0254
_DOTS = 200
"""Dots per inch of a picture that does not say."""
_LINE = 128
"""Hexadecimal digits in a line."""


def picture(figure: Figure) -> str:
    """Return a figure's picture with its alternative text; the text alone where there is no picture.

    Raises
    ------
    ReportError
        Where the picture is no PNG.
    """
    if not figure.png:
        return f"[{escape(figure.alt_text)}]"
    width, height, dots = _size(figure)
    wanted_width, wanted_height = width / dots * _METRE, height / dots * _METRE
    scale = min(1.0, _WIDEST / wanted_width, _HIGHEST / wanted_height)
    digits = figure.png.hex()
    lines = "\n".join(digits[place : place + _LINE] for place in range(0, len(digits), _LINE))
    words = _property("wzName", figure.name) + _property("wzDescription", figure.alt_text)
    return (
        f"{{\\pict{{\\*\\picprop{words}}}\\pngblip\\picw{width}\\pich{height}"
        f"\\picwgoal{round(wanted_width * scale)}\\pichgoal{round(wanted_height * scale)}\n{lines}}}"
    )


def _property(name: str, value: str) -> str:
    return f"{{\\sp{{\\sn {name}}}{{\\sv {escape(value)}}}}}"


def _size(figure: Figure) -> tuple[int, int, float]:
    """Return width and height in dots, and the dots per metre, as the PNG says."""
    data = figure.png
    if not data.startswith(_SIGNATURE) or data[12:16] != b"IHDR":
        raise ReportError(
            "a figure's picture cannot be read",
            expected="a PNG",
            got=f"{len(data)} bytes that begin with {data[:8]!r}",
            where=f"figure {figure.name!r}",
        )
    width, height = int.from_bytes(data[16:20]), int.from_bytes(data[20:24])
    place = 8
    while place + 8 <= len(data):
        length, kind = int.from_bytes(data[place : place + 4]), data[place + 4 : place + 8]
        if kind == b"pHYs" and data[place + 16] == 1:
            return width, height, int.from_bytes(data[place + 8 : place + 12])
        if kind == b"IDAT":
            break
        place += 12 + length
    return width, height, _DOTS / 0.0254
