"""The files of a figure: formats, sizes, fonts, and bytes that repeat in any process."""

from __future__ import annotations

import hashlib
import io
import json
import os
import pickle
import re
import subprocess
import sys
import zlib
from pathlib import Path

import pandas as pd
import pytest

from outcomes.errors import ReportError
from reports import figures
from reports.figures import PRINT_FORMATS, SCREEN_FORMATS, ReportFigure

EVERY = (*SCREEN_FORMATS, *PRINT_FORMATS)


def flow() -> ReportFigure:
    rows = [
        ("Enrolled", "", 30, 60, None),
        ("Treated", "$x_1$ & <laser>", 30, 30, None),
        ("Treated", "PRP", 29, 29, None),
    ]
    return figures.flow_figure(pd.DataFrame(rows, columns=["stage", "arm", "patients", "lesions", "note"]))


@pytest.fixture(scope="module")
def figure() -> ReportFigure:
    return flow()


def test_every_format_is_written_under_the_figures_name(figure: ReportFigure, tmp_path: Path) -> None:
    written = figure.write(tmp_path, EVERY)
    assert [path.name for path in written] == ["flow.svg", "flow.png", "flow.pdf", "flow.tiff"]
    assert written[0].read_bytes() == figure.svg.encode()
    assert [path.read_bytes()[:4] for path in written] == [b"<svg", b"\x89PNG", b"%PDF", b"II*\x00"]


def test_screen_formats_are_the_default(figure: ReportFigure, tmp_path: Path) -> None:
    assert [path.suffix for path in figures.write_figures([figure], tmp_path)] == [".svg", ".png"]


def test_an_unknown_format_is_refused_before_anything_is_written(
    figure: ReportFigure, tmp_path: Path
) -> None:
    with pytest.raises(ReportError, match="no such format") as caught:
        figure.write(tmp_path, ("eps",))
    assert "svg, png, pdf, tiff" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_the_tiff_is_rgb_on_white_at_600_dots_an_inch(figure: ReportFigure) -> None:
    from PIL import Image

    image = Image.open(io.BytesIO(figure.tiff))
    width, height = figure.drawing.get_size_inches()
    assert image.mode == "RGB"
    assert image.info["dpi"] == (600, 600)
    assert image.info["compression"] == "tiff_lzw"
    assert image.size == (int(width * 600), int(height * 600))
    assert image.getpixel((1, 1)) == (255, 255, 255)
    # Something is drawn: the ink is there.
    assert min(image.convert("L").tobytes()) < 60


def test_the_pdf_embeds_truetype_fonts_and_holds_neither_date_nor_program(figure: ReportFigure) -> None:
    content = figure.pdf
    assert b"/FontFile2" in content
    assert b"/Type3" not in content
    assert re.search(rb"CreationDate|ModDate|Producer|Creator|atplotlib", content) is None
    box = re.search(rb"/MediaBox \[ 0 0 ([\d.]+) ([\d.]+) \]", content)
    assert box is not None
    assert float(box[1]) == pytest.approx(7.2 * 72)


def test_names_are_drawn_as_they_are_never_as_formulas(figure: ReportFigure) -> None:
    from matplotlib.text import Text

    texts = [text for text in figure.drawing.findobj(Text) if text.get_text()]
    assert texts
    assert not any(text.get_parse_math() for text in texts)
    # Five glyphs between the dollar signs' own: a formula would have swallowed the signs and the underscore.
    assert any("$x_1$" in text.get_text() for text in texts)


def test_what_no_page_can_show_is_named_in_every_format() -> None:
    stages = [("Treated", "Laser\ufeff", 30, 30, None), ("Treated", "PRP\u202e\x00", 29, 29, None)]
    columns = ["stage", "arm", "patients", "lesions", "note"]
    drawn = figures.flow_figure(pd.DataFrame(stages, columns=columns))
    assert all(drawn.bytes_of(name) for name in EVERY)
    texts = [one.get_text() for one in drawn.drawing.findobj(match=lambda one: hasattr(one, "get_text"))]
    assert "Laser[U+FEFF]" in " ".join(texts)
    assert "PRP[U+202E][U+0000]" in "".join(texts)


def test_what_the_font_lacks_stands_by_its_number_and_no_box_is_drawn() -> None:
    # matplotlib warns of every box that it draws, and a warning is an error in these tests.
    arms = {"激光": ("laser",), "PRP \U0001f489": ("prp",), "\U0001d5a0 both": ("laser", "prp")}
    values = pd.DataFrame({"patient": range(9), "lesion": None, "arm": [*arms] * 3, "value": range(9)})
    drawn = figures.waterfall_figure(values, arms, "色素再生", "分", True, visit="第24週")
    assert all(drawn.bytes_of(name) for name in EVERY)
    texts = "".join(one.get_text() for one in drawn.drawing.findobj(lambda one: hasattr(one, "get_text")))
    shown = re.sub(r"\s", "", texts)
    for name in (
        "[U+6FC0][U+5149]",
        "PRP[U+1F489]",
        "[U+1D5A0]both",
        "[U+8272][U+7D20][U+518D][U+751F]",
        "[U+5206]",
    ):
        assert name in shown, (
            "the bold font has no sans-serif A of mathematics, so either weight has its number"
        )
    assert "激光" in drawn.alt_text, "words are for readers and programs, which have other fonts"


def test_a_pickled_figure_draws_the_same_files(figure: ReportFigure) -> None:
    copy: ReportFigure = pickle.loads(pickle.dumps(figure))  # our own bytes
    assert copy == figure
    assert [copy.bytes_of(name) for name in EVERY] == [figure.bytes_of(name) for name in EVERY]


def test_drawing_for_print_leaves_the_screen_files_and_the_users_settings_alone(figure: ReportFigure) -> None:
    import matplotlib

    with matplotlib.rc_context({"pdf.fonttype": 3, "font.size": 20, "savefig.dpi": 50}):
        before = dict(matplotlib.rcParams)
        assert (figure.pdf, figure.tiff) == (figure.pdf, figure.tiff)
        assert dict(matplotlib.rcParams) == before
    assert flow() == figure


PROGRAM = """
import hashlib, json, pandas as pd
from reports import figures
rows = [("Enrolled", "", 30, 60, None), ("Treated", "$x_1$ & <laser>", 30, 30, None), ("Treated", "PRP", 29, 29, None)]
figure = figures.flow_figure(pd.DataFrame(rows, columns=["stage", "arm", "patients", "lesions", "note"]))
print(json.dumps([hashlib.sha256(figure.bytes_of(name)).hexdigest() for name in ("svg", "png", "pdf", "tiff")]))
"""


def test_another_process_time_zone_and_hash_seed_give_the_same_bytes(figure: ReportFigure) -> None:
    own = [hashlib.sha256(figure.bytes_of(name)).hexdigest() for name in EVERY]
    there = {**os.environ, "TZ": "Pacific/Kiritimati", "PYTHONHASHSEED": "4711", "LC_ALL": "C"}
    made = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=there, capture_output=True, text=True, check=True
    )
    assert json.loads(made.stdout) == own


def test_text_in_the_pdf_can_be_searched(figure: ReportFigure) -> None:
    # A font's ToUnicode map is what a reader's search uses; matplotlib writes one for each embedded font.
    streams = re.findall(rb"stream\r?\n(.*?)\r?\nendstream", figure.pdf, flags=re.DOTALL)
    opened = []
    for stream in streams:
        try:
            opened.append(zlib.decompress(stream))
        except zlib.error:
            continue
    assert any(b"begincmap" in stream for stream in opened)
