"""The figures: what they show, what they say, and that they can share a page."""

from __future__ import annotations

import io
import math
import re
import struct
from collections.abc import Callable
from functools import cache
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

from reports import figures
from reports.figures import ReportFigure, course
from reports.figures import grade_flow as grade_flow_module
from reports.figures.style import INK

FACTORIAL = {"Untreated": (), "Laser": ("laser",), "PRP": ("prp",), "Laser + PRP": ("laser", "prp")}
ADD_ON = {
    "Fractional CO2 laser": ("laser",),
    "Platelet-rich plasma": ("prp",),
    "Laser + platelet-rich plasma": ("laser", "prp"),
    "Laser + narrowband ultraviolet B": ("laser", "nbuvb"),
}
VISITS = (("Week 4", 4.0, 0.2), ("Week 12", 12.0, 0.6), ("Week 24", 24.0, 1.0))


def verdict_rows() -> pd.DataFrame:
    return pd.DataFrame(
        [
            ("(Laser + PRP) − Laser", 27.1, 19.2, 35.0, "part"),
            ("(Laser + PRP) − PRP", 23.0, 15.1, 31.0, "part"),
            ("(Laser + PRP) − Untreated", 52.0, 46.0, 58.4, "control"),
            ("(Laser + PRP) − Laser − PRP + Untreated", 9.0, -3.0, 21.0, "interaction"),
        ],
        columns=["contrast", "estimate", "conf_low", "conf_high", "kind"],
    )


def trajectories(arms: dict[str, tuple[str, ...]], patients: int = 30, lesions: bool = True) -> pd.DataFrame:
    rng = np.random.default_rng(20)
    records = []
    for patient in range(patients):
        own = rng.normal(0, 8)
        for number, arm in enumerate(arms):
            for visit, week, part in VISITS:
                value = np.clip(part * (12 + 15 * number + own) + rng.normal(0, 7), 0, 100)
                records.append(
                    (f"P{patient}", f"L{number}" if lesions else None, arm, visit, week, round(value))
                )
    return pd.DataFrame(records, columns=["patient", "lesion", "arm", "visit", "week", "value"])


def summarised(frame: pd.DataFrame) -> pd.DataFrame:
    table = (
        frame.groupby(["arm", "visit", "week"], sort=False)["value"]
        .agg(["size", "mean", "sem"])
        .reset_index()
    )
    return table.rename(columns={"size": "n"}).assign(
        conf_low=table["mean"] - 2 * table["sem"], conf_high=table["mean"] + 2 * table["sem"]
    )


def grade_counts(arms: dict[str, tuple[str, ...]]) -> pd.DataFrame:
    grid = [(2, 6, 8, 2, 0, 2), (6, 10, 0, 0, 0, 4), (0, 0, 0, 0, 12, 8), (5, 0, 0, 9, 5, 1)]
    names = ["0 %", "1–5 %", "6–25 %", "26–50 %", "51–75 %", "76–100 %"]
    return pd.DataFrame(
        [
            (arm, "Month 3", grade, n)
            for arm, counts in zip(arms, grid, strict=True)
            for grade, n in zip(names, counts, strict=True)
        ],
        columns=["arm", "visit", "grade", "n"],
    )


def grade_flow() -> ReportFigure:
    names = ["G0", "G1", "G2", "G3"]
    cells = {"Laser": ((0, 2, 4), (1, 3, 9), (3, 2, 1)), "PRP": ((0, 3, 2), (2, 2, 4), (1, 3, 11))}
    records = [
        ("Laser + PRP", part, names[before], names[after], n)
        for part, own in cells.items()
        for before, after, n in own
    ]
    columns = ["combination", "reference", "grade_reference", "grade_combination", "n"]
    frame = pd.DataFrame(records, columns=columns)
    return figures.grade_flow_figure(frame, FACTORIAL, "Repigmentation grade", grades=names, visit="Week 24")


def flow_rows() -> pd.DataFrame:
    rows: list[tuple[str, str | None, int, int, str | None]] = [("Enrolled", None, 30, 120, None)]
    rows += [("Allocated", arm, 30, 30, None) for arm in FACTORIAL]
    rows += [("Assessed at week 24", arm, 27, 27, "3 not assessed: moved away") for arm in FACTORIAL]
    rows += [("Analysed", None, 30, 110, "patients with at least one assessed lesion")]
    return pd.DataFrame(rows, columns=["stage", "arm", "patients", "lesions", "note"])


def naive_rows() -> pd.DataFrame:
    return pd.DataFrame(
        [
            ("Paired model", "(Laser + PRP) − Laser", 27.0, 19.0, 35.0),
            ("Welch’s t on lesions as if independent", "(Laser + PRP) − Laser", 27.0, 17.0, 37.0),
            ("Paired model", "(Laser + PRP) − PRP", 23.0, 15.0, 31.0),
            ("Welch’s t on lesions as if independent", "(Laser + PRP) − PRP", 23.0, 19.0, 27.0),
        ],
        columns=["method", "contrast", "estimate", "conf_low", "conf_high"],
    )


def profile(arms: dict[str, tuple[str, ...]] = FACTORIAL) -> ReportFigure:
    frame = trajectories(arms)
    return figures.profile_figure(summarised(frame), frame, arms, "Repigmentation of the lesion", "%", True)


def single_visit() -> ReportFigure:
    frame = trajectories(FACTORIAL)
    frame = frame[frame["visit"] == "Week 24"]
    return figures.profile_figure(
        summarised(frame), frame, FACTORIAL, "Repigmentation of the lesion", "%", True
    )


def paired() -> ReportFigure:
    frame = trajectories(FACTORIAL)
    frame = frame[frame["visit"] == "Week 24"]
    return figures.paired_figure(frame[["patient", "arm", "value"]], FACTORIAL, "Repigmentation", "%")


def residuals() -> ReportFigure:
    rng = np.random.default_rng(5)
    return figures.residual_figure(
        rng.uniform(0, 70, 200), rng.normal(0, 1, 200), "Repigmentation at week 24"
    )


SEVEN = {
    **FACTORIAL,
    "NB-UVB": ("nbuvb",),
    "Laser + NB-UVB": ("laser", "nbuvb"),
    "Laser + PRP + NB-UVB": ("laser", "prp", "nbuvb"),
}
LIMITS = (figures.ResponseLimit("at_least", 25.0), figures.ResponseLimit("above", 50.0))


def responses(
    draw: Callable[..., ReportFigure], arms: dict[str, tuple[str, ...]] = FACTORIAL
) -> ReportFigure:
    frame = trajectories(arms)
    frame = frame[frame["visit"] == "Week 24"]
    return draw(frame, arms, "Repigmentation of the lesion", "%", True, visit="Week 24", limits=LIMITS)


def interaction() -> ReportFigure:
    means = pd.DataFrame(
        [
            ("Untreated", 2.0, -1.0, 5.0),
            ("Laser", 21.0, 14.0, 28.0),
            ("PRP", 25.0, 19.0, 31.0),
            ("Laser + PRP", 55.0, 51.0, 60.0),
        ],
        columns=["arm", "estimate", "conf_low", "conf_high"],
    )
    cells = figures.TwoByTwo("Untreated", "Laser", "PRP", "Laser + PRP", "laser", "platelet-rich plasma")
    return figures.interaction_figure(
        means,
        cells,
        (11.0, 1.0, 21.0),
        FACTORIAL,
        "Repigmentation",
        "%",
        True,
        difference_unit="percentage points",
    )


def subgroup_rows() -> pd.DataFrame:
    rows = []
    for part, shift in (("Laser", 0.0), ("PRP", 4.0)):
        name = f"(Laser + PRP) − {part}"
        rows.append((name, "Laser + PRP", "", "", 34 - shift, 28 - shift, 41 - shift, 27, 54))
        for covariate, level, estimate in (
            ("Body site", "face", 36.0),
            ("Body site", "extremity", 25.0),
            ("Sex", "female", 31.0),
            ("Sex", "male", math.nan),
        ):
            rows.append(
                (name, "Laser + PRP", covariate, level, estimate, estimate - 12, estimate + 12, 9, 18)
            )
    columns = ["contrast", "combination", "covariate", "level", "estimate", "conf_low", "conf_high"]
    return pd.DataFrame(rows, columns=[*columns, "n_patients", "n_lesions"])


def consort_rows() -> pd.DataFrame:
    rows: list[tuple[str, str, str, int | None, int | None, str | None, bool]] = [
        ("Enrolment", "Assessed for eligibility", "", None, None, None, False),
        ("Enrolment", "Excluded before enrolment, with reasons", "", None, None, None, True),
        ("Enrolment", "Enrolled", "", 30, 120, None, False),
    ]
    rows += [("Allocation", "Allocated", arm, 30, 30, None, False) for arm in FACTORIAL]
    note = "not assessed: 3 patients, 3 lesions\nreasons: not provided"
    rows += [("Follow-up", "Assessed at Week 24", arm, 27, 27, note, False) for arm in FACTORIAL]
    rows += [("Analysis", "Primary analysis", arm, 27, 27, None, False) for arm in FACTORIAL]
    columns = ["phase", "stage", "arm", "patients", "lesions", "note", "aside"]
    return pd.DataFrame(rows, columns=columns)


MAKERS: dict[str, Callable[[], ReportFigure]] = {
    "verdict": lambda: figures.verdict_figure(
        verdict_rows(), 10, "percentage points", "Laser + PRP against its parts", arms=FACTORIAL
    ),
    "verdict in questions": lambda: figures.verdict_figure(
        asked_rows(),
        None,
        "",
        "Each combination against its parts\nRepigmentation grade",
        null=0.5,
        quantity="Probability that a patient with the combination does better (ties count half)",
    ),
    "profile": profile,
    "profile with long names": lambda: profile(ADD_ON),
    "one visit": single_visit,
    "flow": lambda: figures.flow_figure(flow_rows()),
    "grades": lambda: figures.grade_figure(grade_counts(ADD_ON), ADD_ON),
    "grade flow": grade_flow,
    "residuals": residuals,
    "naive": lambda: figures.naive_figure(naive_rows(), unit="percentage points"),
    "paired": paired,
    "flow of CONSORT": lambda: figures.flow_figure(consort_rows()),
    "waterfall": lambda: responses(figures.waterfall_figure),
    "waterfall of seven arms": lambda: responses(figures.waterfall_figure, SEVEN),
    "cumulative": lambda: responses(figures.cumulative_figure),
    "cumulative of seven arms": lambda: responses(figures.cumulative_figure, SEVEN),
    "interaction": interaction,
    "subgroups": lambda: figures.subgroup_figure(
        subgroup_rows(),
        {"Body site": 0.008, "Sex": math.nan},
        "percentage points",
        "Repigmentation at Week 24",
        arms=FACTORIAL,
        margin=10,
    ),
}


@cache
def made(name: str) -> ReportFigure:
    """The figure, drawn once for all tests that only look at it."""
    return MAKERS[name]()


@pytest.fixture(scope="module", params=list(MAKERS))
def maker(request: pytest.FixtureRequest) -> Callable[[], ReportFigure]:
    return MAKERS[request.param]


@pytest.fixture(scope="module", params=list(MAKERS))
def figure(request: pytest.FixtureRequest) -> ReportFigure:
    return made(request.param)


# --- every figure ---


@pytest.mark.parametrize("name", list(MAKERS))
def test_bytes_repeat_whatever_the_users_settings_and_nothing_global_changes(name: str) -> None:
    import matplotlib
    from matplotlib import _pylab_helpers

    theirs = {"font.size": 20, "font.family": "serif", "svg.hashsalt": "other", "axes.grid": True}
    with matplotlib.rc_context(theirs):
        before = dict(matplotlib.rcParams)
        state = np.random.get_state()[1].tolist()  # noqa: NPY002  # the global generator must not be touched
        assert MAKERS[name]() == made(name)
        assert dict(matplotlib.rcParams) == before
        assert np.random.get_state()[1].tolist() == state  # noqa: NPY002
    assert _pylab_helpers.Gcf.get_all_fig_managers() == []


def test_the_svg_takes_its_ink_and_its_background_from_the_page(figure: ReportFigure) -> None:
    root = ElementTree.fromstring(figure.svg)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    sheet, drawing = figure.svg.split("</style>", 1)
    assert "currentColor" in drawing
    assert INK not in drawing
    assert "svg:root" in sheet
    assert re.search(r"[}>]\s*\*\s*\{", sheet) is None, "a rule for every element of the page"
    background = drawing[drawing.index("<path") :][:400]
    assert "fill: none" in background


def test_the_svg_holds_no_date_and_no_program(figure: ReportFigure) -> None:
    assert "<metadata" not in figure.svg
    assert re.search(r"20\d\d-\d\d-\d\d|matplotlib v", figure.svg) is None


def test_every_reference_within_the_svg_resolves(figure: ReportFigure) -> None:
    ids = set(re.findall(r'\bid="([^"]+)"', figure.svg))
    targets = set(re.findall(r'href="#([^"]+)"', figure.svg)) | set(
        re.findall(r"url\(#([^)]+)\)", figure.svg)
    )
    assert targets <= ids


def test_figures_share_a_page_without_sharing_an_id() -> None:
    page = [made(name) for name in MAKERS]
    page.append(figures.verdict_figure(verdict_rows().head(2), None, "points", "Another one"))
    ids = [found for one in page for found in re.findall(r'\bid="([^"]+)"', one.svg)]
    assert len(ids) == len(set(ids))


def test_the_png_is_white_and_300_dots_an_inch(figure: ReportFigure) -> None:
    from PIL import Image

    width, height = struct.unpack(">II", figure.png[16:24])
    points = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', figure.svg)
    assert points is not None
    # A pixel of play: both are rounded from inches.
    assert abs(width - float(points[1]) / 72 * 300) <= 1
    assert abs(height - float(points[2]) / 72 * 300) <= 1
    image = Image.open(io.BytesIO(figure.png)).convert("RGB")
    assert image.getpixel((1, 1)) == (255, 255, 255)
    assert b"Software" not in figure.png


def test_words_are_sentences_and_label_the_drawing(figure: ReportFigure) -> None:
    for text in (figure.caption, figure.alt_text):
        assert text.endswith(".")
        assert "nan" not in text.casefold().split()
        assert re.search(r"\d-|\s-\d", text) is None, "a hyphen for a minus sign"
    root = ElementTree.fromstring(figure.svg)
    assert root.get("role") == "img"
    assert root.get("aria-label") == figure.alt_text


def test_a_figure_writes_itself(figure: ReportFigure, tmp_path: Path) -> None:
    svg, png = figure.write(tmp_path)
    assert svg.read_text(encoding="utf-8") == figure.svg
    assert png.read_bytes() == figure.png
    assert {svg.suffix, png.suffix} == {".svg", ".png"}


def test_no_text_overlaps_or_leaves_the_figure(figure: ReportFigure) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.text import Text

    drawing = figure.drawing
    canvas = FigureCanvasAgg(drawing)
    seen: list[Text] = []
    draw = Text.draw
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Text, "draw", lambda text, *rest: (seen.append(text), draw(text, *rest))[1])
        canvas.draw()
    renderer = canvas.get_renderer()
    boxes = [
        (text.get_text(), Text.get_window_extent(text, renderer)) for text in seen if text.get_text().strip()
    ]
    assert len(boxes) > 4
    frame = drawing.bbox
    for name, box in boxes:
        assert box.x0 >= frame.x0 - 1, name
        assert box.y0 >= frame.y0 - 1, name
        assert box.x1 <= frame.x1 + 1, name
        assert box.y1 <= frame.y1 + 1, name
    for place, (name, box) in enumerate(boxes):
        for other, neighbour in boxes[place + 1 :]:
            # One dot of play: extents are rounded outwards.
            across = min(box.x1, neighbour.x1) - max(box.x0, neighbour.x0)
            along = min(box.y1, neighbour.y1) - max(box.y0, neighbour.y0)
            assert across <= 1 or along <= 1, f"{name!r} overlaps {other!r}"


# --- what each one says ---


def test_the_verdicts_words_give_the_estimates_and_what_is_not_shown() -> None:
    words = made("verdict").alt_text.replace("\xa0", " ")
    assert "(Laser + PRP) − Laser: 27 percentage points (95\u202f% CI 19 to 35), better." in words
    assert "9 percentage points (95\u202f% CI −3 to 21), synergy is not shown." in words


def test_the_verdict_says_not_estimable_and_bears_open_intervals() -> None:
    rows = verdict_rows()
    rows.loc[3, ["estimate", "conf_low", "conf_high"]] = math.nan
    rows.loc[0, "conf_high"] = math.inf
    figure = figures.verdict_figure(rows, None, "points", "")
    assert "(Laser + PRP) − Laser − PRP + Untreated: not estimable." in figure.alt_text
    assert "19 to ∞" in figure.alt_text


def test_the_verdict_of_a_worse_combination_does_not_call_it_better() -> None:
    rows = verdict_rows().head(2).assign(estimate=[-5.0, 1.0], conf_low=[-9.0, -3.0], conf_high=[-1.0, 5.0])
    words = figures.verdict_figure(rows, None, "points", "").alt_text.replace("\xa0", " ")
    assert "−5 points (95\u202f% CI −9 to −1), worse." in words
    assert "1 points (95\u202f% CI −3 to 5), a difference is not shown." in words
    assert "better" not in words


def test_a_probability_of_superiority_is_judged_against_one_half() -> None:
    rows = verdict_rows().head(1).assign(estimate=0.6, conf_low=0.45, conf_high=0.74)
    figure = figures.verdict_figure(rows, None, "", "", null=0.5, quantity="Probability of superiority")
    assert "a difference is not shown" in figure.alt_text


def asked_rows() -> pd.DataFrame:
    rows = verdict_rows().drop(index=2).assign(combination="Laser + PRP", reference=["Laser", "PRP", ""])
    other = pd.DataFrame([("Laser + NB-UVB − Laser", 5.0, -2.0, 12.0, "part", "Laser + NB-UVB", "Laser")])
    return pd.concat([rows, other.set_axis(rows.columns, axis=1)], ignore_index=True)


def test_rows_say_what_they_ask_and_the_alternative_text_keeps_the_contrast() -> None:
    figure = figures.verdict_figure(asked_rows(), None, "points", "Laser + PRP against Laser\nRepigmentation")
    texts = [text.get_text().replace("\n", " ") for text in figure.drawing.axes[0].texts]
    for label in (
        "Benefit over Laser",
        "Benefit over PRP",
        "Laser + NB-UVB: benefit over Laser",
        "Beyond the sum of its parts",
    ):
        assert label in texts
    assert "(Laser + PRP) − Laser: 27" in figure.alt_text.replace("\xa0", " ")
    assert "Benefit over" not in figure.alt_text
    title = [text.get_text() for text in figure.drawing.texts]
    assert "Laser + PRP against Laser\nRepigmentation" in title


def test_the_verdict_fits_a_phone() -> None:
    figure = figures.verdict_figure(asked_rows(), None, "points", "")
    # 354 of a phone's 390 px are left for it; text of 9 points (12 px) is then 9 px or more.
    assert figure.drawing.get_size_inches()[0] <= 12 / 9 * 354 / 96


def test_the_naive_figure_gives_the_width_of_each_interval_over_the_right_one() -> None:
    words = made("naive").alt_text
    # (37 - 17) / (35 - 19) and (27 - 19) / (31 - 15)
    assert "− Laser, Welch’s t on lesions as if independent: 1.25 times" in words
    assert "− PRP, Welch’s t on lesions as if independent: 0.50 times" in words


def test_the_profile_ranks_the_arms_towards_benefit() -> None:
    frame = trajectories(FACTORIAL)
    summary = summarised(frame)

    def order(words: str) -> list[str]:
        return re.findall(r"(Laser \+ PRP|Untreated) \d", words)

    up = figures.profile_figure(summary, frame, FACTORIAL, "Repigmentation", "%", True)
    down = figures.profile_figure(summary, frame, FACTORIAL, "Residual area", "%", False)
    assert order(up.alt_text) == ["Laser + PRP", "Untreated"]
    assert order(down.alt_text) == ["Untreated", "Laser + PRP"]
    assert "lower is better" in down.alt_text


def test_the_profile_says_whether_patients_or_lesions_are_counted() -> None:
    frame = trajectories(FACTORIAL, lesions=False)
    by_patient = figures.profile_figure(summarised(frame), frame, FACTORIAL, "VASI", "points", False)
    assert "one patient" in by_patient.caption
    assert "one lesion" in profile().caption


def test_the_profile_bears_arms_without_anyone_and_intervals_that_are_missing() -> None:
    frame = trajectories(FACTORIAL)
    frame = frame[frame["arm"] != "PRP"]
    summary = summarised(frame)
    summary.loc[summary["visit"] == "Week 24", ["conf_low", "conf_high"]] = math.nan
    figure = figures.profile_figure(summary, frame, FACTORIAL, "Repigmentation", "%", True)
    assert "; PRP " not in figure.alt_text


def test_many_close_visits_thin_out_their_labels() -> None:
    frame = pd.concat(
        [
            trajectories(FACTORIAL)
            .loc[lambda f: f["visit"] == "Week 4"]
            .assign(visit=f"Week {week}", week=float(week))
            for week in (1, 2, 3, 4, 12, 52)
        ]
    )
    figure = figures.profile_figure(summarised(frame), frame, FACTORIAL, "Repigmentation", "%", True)
    labels = [tick.get_text() for tick in figure.drawing.axes[0].get_xticklabels()]
    assert labels[0] == "1"
    assert labels[-1] == "52"
    assert "" in labels


def test_the_pairs_are_counted() -> None:
    frame = pd.DataFrame(
        [
            ("A", "Laser", 1.0),
            ("A", "Both", 3.0),
            ("B", "Laser", 2.0),
            ("B", "Both", 2.0),
            ("C", "Laser", 5.0),
            ("C", "Both", 1.0),
            ("D", "Laser", 4.0),
        ],
        columns=["patient", "arm", "value"],
    )
    arms = {"Laser": ("laser",), "Both": ("laser", "prp")}
    words = figures.paired_figure(frame, arms, "Score", "points", higher_is_better=False).alt_text
    # A is higher under Both (worse), B equal, C lower (better), D has no pair.
    assert "Both was worse than Laser in 1 of 3 patients, equal in 1, better in 1." in words


def test_the_pairs_name_their_visit() -> None:
    frame = trajectories(FACTORIAL, patients=4)
    frame = frame[frame["visit"] == "Week 24"][["patient", "arm", "value"]]
    figure = figures.paired_figure(frame, FACTORIAL, "Repigmentation", "%", visit="Week 24")
    assert figure.caption.startswith("Repigmentation at Week 24: ")
    assert figure.alt_text.startswith("Repigmentation at Week 24 in 4 patients")


def test_several_lesions_of_an_arm_are_averaged_and_said_so() -> None:
    frame = pd.DataFrame(
        [("A", "Laser", 0.0), ("A", "Laser", 10.0), ("A", "Both", 7.0)], columns=["patient", "arm", "value"]
    )
    figure = figures.paired_figure(frame, {"Laser": ("laser",), "Both": ("laser", "prp")}, "Score", "points")
    assert "averaged" in figure.caption
    assert "Laser 5" in figure.alt_text


def test_grades_are_summed_up_by_their_median_and_best() -> None:
    words = figures.grade_figure(grade_counts(ADD_ON), ADD_ON).alt_text
    # 2 + 6 = 8 of 20 are below 6–25 %, 16 at most in it; 2 of 20 in the best.
    assert "Fractional CO2 laser median 6–25 %, 10\u202f% at 76–100 % (n = 20)" in words
    assert "Laser + platelet-rich plasma median 51–75 %, 40\u202f% at 76–100 % (n = 20)" in words


def test_ordered_categories_set_the_order_of_grades() -> None:
    counts = grade_counts(ADD_ON)
    levels = list(dict.fromkeys(counts["grade"]))
    shuffled = counts.sample(frac=1, random_state=1).assign(
        grade=lambda f: pd.Categorical(f["grade"], levels, ordered=True)
    )
    assert figures.grade_figure(shuffled, ADD_ON).svg == figures.grade_figure(counts, ADD_ON).svg


def test_the_flow_is_told_stage_by_stage() -> None:
    words = figures.flow_figure(flow_rows()).alt_text.replace("\u00a0", " ")
    assert words.startswith(
        "Enrolled: 30 patients, 120 lesions. Allocated: Untreated 30 patients, 30 lesions;"
    )
    assert "Laser + PRP 27 patients, 27 lesions (3 not assessed: moved away)" in words


def test_a_parallel_trials_flow_counts_patients_alone() -> None:
    rows = flow_rows().assign(lesions=np.nan)
    figure = figures.flow_figure(rows)
    assert "lesion" not in figure.alt_text.replace("at least one assessed lesion", "")
    assert "lesions" not in figure.caption


def test_residuals_that_fan_out_are_reported() -> None:
    x = np.linspace(0, 1, 300)
    rng = np.random.default_rng(8)
    noise = rng.normal(0, 1, 300)
    even = figures.residual_figure(x, noise, "model").alt_text
    fan = figures.residual_figure(x, noise * np.where(x > 0.5, 3, 1), "model").alt_text

    def ratio(words: str) -> float:
        return float(re.findall(r"spread ([\d.]+) times", words)[0])

    # Both thirds hold 100 residuals: the ratio of two standard deviations is within 0.8 and 1.25 here.
    assert 0.8 < ratio(even) < 1.25
    assert ratio(fan) == pytest.approx(3 * ratio(even), abs=0.02)  # two decimals are printed


def test_residuals_with_missing_rows_are_drawn_without_them() -> None:
    x = np.r_[np.linspace(0, 1, 30), np.nan]
    figure = figures.residual_figure(x, np.r_[np.tile([-1.0, 1.0], 15), 0.0], "model")
    assert "of 30 points" in figure.alt_text


def test_dots_of_equal_values_stand_side_by_side() -> None:
    offsets = course.dot_offsets(np.array([1.0, 1.0, 1.0, 9.0]), pd.Series([1.0, 9.0]))
    assert len(set(offsets[:3])) == 3
    assert offsets[3] == 0


def test_the_line_of_no_benefit_is_named_on_the_axis() -> None:
    rows = verdict_rows().head(2).assign(estimate=[0.92, 0.7], conf_low=[0.72, 0.49], conf_high=[0.98, 0.85])
    figure = figures.verdict_figure(rows, None, "", "", null=0.5, quantity="Probability of superiority")
    assert "0.5" in [tick.get_text() for tick in figure.drawing.axes[0].get_xticklabels()]


def test_numbers_of_one_figure_have_the_same_decimals_and_no_limit_seems_zero() -> None:
    rows = pd.DataFrame(
        [
            ("Paired model", "Both − Laser", 1.4, -1.3, 4.1),
            ("Rows as independent", "Both − Laser", 2.7, 0.3, 4.5),
        ],
        columns=["method", "contrast", "estimate", "conf_low", "conf_high"],
    )
    texts = [text.get_text() for text in figures.naive_figure(rows).drawing.axes[0].texts]
    assert "1.4 (−1.3 to 4.1)" in texts
    assert "2.7 (0.3 to 4.5), 0.78 × as wide" in texts


# --- flow of grades ---


def test_bands_of_grades_fill_both_bars() -> None:
    """A band's two ends have the heights of its patients: the bar less its gaps, shared out."""
    margin = np.array([6, 9, 0, 2])
    total = int(margin.sum())
    heights = [grade_flow_module._scaled(count, margin, total) for count in margin]
    assert sum(heights) + 2 * grade_flow_module._GAP == pytest.approx(1.0)
    bottoms = grade_flow_module._bottoms(margin, total)
    assert bottoms[3] + heights[3] == pytest.approx(1.0)


def test_the_flow_counts_who_did_better_whatever_the_direction() -> None:
    made_up = made("grade flow").alt_text
    assert "better than Laser in 13 of 14 patients, alike in 0, worse in 1" in made_up
    frame = pd.DataFrame(
        [("Laser + PRP", "Laser", "G0", "G1", 3), ("Laser + PRP", "Laser", "G1", "G0", 5)],
        columns=["combination", "reference", "grade_reference", "grade_combination", "n"],
    )
    lower = figures.grade_flow_figure(frame, FACTORIAL, "Grade", grades=["G0", "G1"], higher_is_better=False)
    assert "better than Laser in 5 of 8 patients, alike in 0, worse in 3" in lower.alt_text
