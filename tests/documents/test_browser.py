"""Each report in Chromium, as its readers have it: on a desk and a phone, by keyboard, in the dark, on paper."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright
from pypdf import PdfReader

from reports.document import (
    BulletList,
    Definitions,
    Document,
    FigureBlock,
    Folded,
    Heading,
    Headline,
    Paragraph,
    Section,
    Verbatim,
)
from reports.render.html import render_html
from reports.tables.value import Cell, Column, Row, Table, blank_row

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = sorted(path.parent.name for path in (ROOT / "examples").glob("*/trial.toml"))

DESK, PHONE = (1280, 800), (390, 844)
SIZES = pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])

# A container has no sandbox of its own and no network to look for updates in.
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update")

LONG = "Langwort" * 1250
ARABIC = "ذراع الليزر + بلازما"
HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)> #import \\rtf1 =SUM(A1) \"' & \x01\u202e"


class Drawing:
    """A figure whose words are hostile."""

    png = b""
    caption = f"{HOSTILE} {ARABIC}"
    alt_text = HOSTILE + LONG
    svg = (
        '<svg xmlns="http://www.w3.org/2000/svg" width="400pt" height="90pt" viewBox="0 0 400 90">'
        '<path d="M0 0L400 90" stroke="currentColor"/></svg>'
    )

    def __init__(self, name: str) -> None:
        self.name = name


def hostile_document() -> Document:
    """A report in which every text is markup, endless, or written from right to left."""
    names = (HOSTILE, ARABIC, LONG[:400], "A", "B", "C")
    columns = [Column("Visit", "text", key=True)]
    for name in names:
        columns += [
            Column("Mean (SD)", spanner=name, spanner_lines=("N = 30 patients",)),
            *(Column("", "paren", spanner=name), Column("95 % CI", "low", spanner=name)),
            Column("", "high", spanner=name),
        ]
    numbers = tuple(Cell(text, float(text)) for _ in names for text in ("33.8", "9.0", "1.3", "14.25"))
    wide = Table(
        name="wide",
        title=HOSTILE,
        columns=tuple(columns),
        rows=(
            blank_row(ARABIC, len(columns)),
            *(Row(Cell(name), (Cell("Week 12"), *numbers), indent=1) for name in (ARABIC, LONG, HOSTILE)),
        ),
        notes={"remark": HOSTILE + LONG},
        source=HOSTILE,
        population=f"All: 30 patients {ARABIC}",
    )
    words = Table(
        name="words",
        title=LONG,
        columns=(
            Column("Difference"),
            Column("95 % CI", "low"),
            Column("", "high"),
            Column("Answer", "text"),
        ),
        rows=tuple(
            Row(Cell(text, target="section:last"), (Cell("3", 3), Cell("1", 1), Cell("5", 5), Cell(text)))
            for text in (ARABIC, HOSTILE, LONG)
        ),
    )
    listing = Table(
        name="listed",
        title=HOSTILE,
        kind="listing",
        stub="Patient",
        columns=(Column("Visit", "text"), Column("Value"), Column("Comment", "text")),
        rows=tuple(
            Row(Cell(f"P{k:03d}"), (Cell("Week 24"), Cell(str(k), k), Cell(names[k % 3]))) for k in range(250)
        ),
    )
    texts = (HOSTILE, LONG, ARABIC)
    sections = (
        Section(
            "first",
            f"{ARABIC} 12 %: {HOSTILE}",
            (
                Paragraph(f"{HOSTILE} {LONG} {ARABIC} 12 %, {ARABIC}", "lead", ("table:wide", "figure:own")),
                *(Paragraph(HOSTILE, "paste", ("table:words",)), wide, Heading(LONG), words),
            ),
        ),
        Section(
            "second",
            LONG[:500],
            (
                *(FigureBlock(Drawing("own")), BulletList(texts), BulletList(texts, ordered=True)),
                *(Definitions(((HOSTILE, LONG), (LONG, ARABIC))), Verbatim(f"@a{{\n\n {LONG}\n}}", "bibtex")),
            ),
        ),
        Section("last", "Listings", (Folded(HOSTILE, (replace(wide, name="more"),)), listing)),
    )
    headline = Headline(
        HOSTILE, LONG[:300], HOSTILE, ARABIC, texts, Drawing("verdict"), HOSTILE, LONG, HOSTILE
    )
    return Document(headline, sections, f"Synthetic data {HOSTILE}")


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    """The system's Chromium."""
    with sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=chromium, args=list(FLAGS))
        yield started
        started.close()


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of hostile texts, as a file."""
    path = tmp_path_factory.mktemp("hostile") / "report.html"
    path.write_text(render_html(hostile_document()), encoding="utf-8", newline="\n")
    return path


@pytest.fixture(params=[*EXAMPLES, "hostile"])
def report(request: pytest.FixtureRequest) -> Path:
    """The page of each example's report, as `make report` built it, and the hostile one."""
    if request.param == "hostile":
        path: Path = request.getfixturevalue("hostile")
        return path
    path = ROOT / "build" / "reports" / request.param / "report.html"
    if not path.is_file():
        pytest.fail(
            f"the report of examples/{request.param} is not built; run `make report` first", pytrace=False
        )
    return path


Opener = Callable[..., Page]


@pytest.fixture
def opened(browser: Browser) -> Iterator[Opener]:
    """Open a page; what it says to the console, and what it asks of any network, fails the test in the end."""
    complaints: list[str] = []
    contexts = []

    def said(message: Any) -> None:
        if message.type in ("error", "warning"):
            complaints.append(message.text)

    def asked(request: Any) -> None:
        if not request.url.startswith("file:"):
            complaints.append(f"asked for {request.url}")

    def open_page(path: Path, size: tuple[int, int] = DESK, scheme: Any = "light") -> Page:
        context = browser.new_context(
            viewport={"width": size[0], "height": size[1]}, color_scheme=scheme, reduced_motion="reduce"
        )
        contexts.append(context)
        page = context.new_page()
        page.on("console", said)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: (complaints.append("a dialog"), dialog.dismiss()))
        page.on("request", asked)
        page.goto(path.resolve().as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


def unfold(page: Page) -> None:
    page.evaluate("document.querySelectorAll('main details').forEach(part => { part.open = true; })")
    settle(page)


def shorten(page: Page) -> None:
    """Leave the first hundred rows of each listing: the others are alike."""
    page.evaluate("document.querySelectorAll('.listing tbody ~ tbody').forEach(body => body.remove())")


def settle(page: Page) -> None:
    """Wait until the page was drawn after what was done to it."""
    page.evaluate("new Promise(done => requestAnimationFrame(() => setTimeout(done, 0)))")


@SIZES
def test_nothing_is_wider_than_the_window(report: Path, opened: Opener, size: tuple[int, int]) -> None:
    page = opened(report, size)
    for _ in range(2):
        wide = page.evaluate("[document.documentElement.scrollWidth, document.body.scrollWidth]")
        assert max(wide) <= size[0]
        unfold(page)


@SIZES
def test_every_line_of_the_contents_leads_to_its_section(
    report: Path, opened: Opener, size: tuple[int, int]
) -> None:
    page = opened(report, size)
    contents = page.locator("#contents")
    lines = contents.locator("a")
    assert lines.count() >= 4
    for place in range(lines.count()):
        if size == PHONE:
            assert not contents.evaluate("part => part.open"), "folded before and after a line is chosen"
            contents.locator("summary").click()
        line = lines.nth(place)
        anchor = str(line.get_attribute("href")).removeprefix("#")
        line.click()
        settle(page)
        top, bar, last = page.evaluate(
            """anchor => {
                const bars = [...document.querySelectorAll(".stamp, .sidebar")].filter(
                    one => matchMedia("(max-width: 63.99rem)").matches || one.matches(".stamp"));
                return [document.getElementById(anchor).getBoundingClientRect().top,
                        Math.max(0, ...bars.map(one => one.getBoundingClientRect().bottom)),
                        scrollY + innerHeight >= document.documentElement.scrollHeight - 2];
            }""",
            anchor,
        )
        assert bar - 1 <= top < size[1] * (1 if last else 0.5), anchor
        assert page.evaluate("document.querySelectorAll('#contents [aria-current]').length") == 1
        if not last:
            assert line.get_attribute("aria-current") == "location"


FOCUSABLE = "a[href], button, summary, [tabindex='0']"


@SIZES
def test_the_tab_key_reaches_everything_in_the_order_of_the_page(
    report: Path, opened: Opener, size: tuple[int, int]
) -> None:
    page = opened(report, size)
    unfold(page)
    settle(page)
    page.evaluate(
        """selector => [...document.querySelectorAll(selector)]
            .filter(one => one.checkVisibility({contentVisibilityAuto: false}))
            .map((one, place) => (one.dataset.stop = place))""",
        FOCUSABLE,
    )
    reached: list[int] = []
    for _ in range(page.locator("[data-stop]").count() + 5):
        page.keyboard.press("Tab")
        stop = page.evaluate("document.activeElement.dataset.stop ?? null")
        if stop is not None:
            reached.append(int(stop))
            width = page.evaluate("parseFloat(getComputedStyle(document.activeElement).outlineWidth)")
            assert width >= 1, "what has the focus is seen"
        if len(reached) > 1 and reached[-1] <= reached[-2]:
            break
    # A box whose rows came into sight meanwhile may have nothing to scroll any more.
    wanted = page.evaluate(
        "selector => [...document.querySelectorAll('[data-stop]')].filter(one => one.matches(selector))"
        ".map(one => Number(one.dataset.stop))",
        FOCUSABLE,
    )
    assert set(wanted) <= set(reached)
    assert reached[: len(wanted)] == sorted(reached[: len(wanted)])


def test_keys_do_what_readers_expect(report: Path, opened: Opener) -> None:
    page = opened(report, PHONE)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.evaluate("document.getElementById('contents').open")
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowDown")
    assert page.evaluate("document.activeElement.hash") == page.evaluate(
        "document.querySelectorAll('#contents a')[1].hash"
    )
    page.keyboard.press("Escape")
    assert not page.evaluate("document.getElementById('contents').open")
    assert page.evaluate("document.activeElement.localName") == "summary"


@SIZES
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_barrier(
    report: Path, opened: Opener, size: tuple[int, int], scheme: str
) -> None:
    page = opened(report, size, scheme)
    unfold(page)
    shorten(page)
    found = Axe().run(page).response
    serious = [
        (one["id"], one["impact"], [node["html"][:200] for node in one["nodes"][:3]])
        for one in found["violations"]
        if one["impact"] in ("serious", "critical")
    ]
    assert serious == []
    assert len(found["passes"]) > 20, "it did look"


def test_the_dark_scheme_follows_the_system_and_the_button(report: Path, opened: Opener) -> None:
    paper = "getComputedStyle(document.body).backgroundColor"
    page = opened(report, DESK, "dark")
    assert page.evaluate(paper) == "rgb(21, 23, 26)"
    page.get_by_role("button", name="Light page").click()
    assert page.evaluate(paper) == "rgb(255, 255, 255)"
    light = opened(report, DESK, "light")
    assert light.evaluate(paper) == "rgb(255, 255, 255)"


def test_paper_has_the_stamp_and_the_number_on_every_page_and_all_that_is_folded(
    report: Path, opened: Opener, tmp_path: Path
) -> None:
    page = opened(report)
    stamp = page.locator(".stamp").inner_text() if page.locator(".stamp").count() else ""
    summaries = page.locator("main details:not(.listing) > summary").all_inner_texts()
    shorten(page)
    page.pdf(path=tmp_path / "report.pdf", prefer_css_page_size=True)
    texts = [one.extract_text() for one in PdfReader(tmp_path / "report.pdf").pages]
    for number, text in enumerate(texts, start=1):
        assert f"Page {number} of {len(texts)}" in text
        assert squeezed(stamp)[:15] in squeezed(text)
    whole = squeezed("".join(texts))
    for summary in summaries:
        assert squeezed(summary)[:12] in whole


def squeezed(text: str) -> str:
    return "".join(text.split())


def test_the_stamp_hides_what_scrolls_below_it(opened: Opener, hostile: Path) -> None:
    page = opened(hostile)
    assert (
        page.evaluate("getComputedStyle(document.querySelector('.stamp')).backgroundColor")
        == "rgb(253, 243, 215)"
    )


def test_a_link_opens_what_is_folded(opened: Opener, hostile: Path) -> None:
    page = opened(hostile)
    page.goto(hostile.as_uri() + "#table-more")
    settle(page)
    assert page.evaluate("document.getElementById('table-more').checkVisibility()")
    page.goto(hostile.as_uri() + "#table-listed")
    settle(page)
    assert page.evaluate("document.getElementById('table-listed').open")


def test_text_is_copied_by_its_button_as_it_is(opened: Opener, hostile: Path) -> None:
    page = opened(hostile)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    buttons = page.get_by_role("button", name="Copy", exact=True)
    buttons.first.click()
    page.get_by_role("button", name="Copied").wait_for()
    assert page.evaluate("navigator.clipboard.readText()").startswith("<script>alert(1)</script><img")
    page.get_by_role("button", name="Copy", exact=True).last.click()
    page.get_by_role("button", name="Copied").last.wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == f"@a{{\n\n {LONG}\n}}"


def test_a_table_is_copied_as_numbers_into_a_spreadsheet(opened: Opener, hostile: Path) -> None:
    page = opened(hostile)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.evaluate(
        "getSelection().selectAllChildren(document.querySelector('#table-wide tbody tr:nth-child(2)').parentElement)"
    )
    page.keyboard.press("Control+C")
    lines = page.evaluate("navigator.clipboard.readText()").split("\n")
    assert lines[1].split("\t")[:6] == [ARABIC, "Week 12", "33.8", "9.0", "1.3", "14.25"]


def test_a_listing_of_fifty_thousand_rows_opens(opened: Opener, tmp_path: Path) -> None:
    cells = tuple(Cell(text) for text in ("L1", "Laser + PRP", "Week 24", "face", "yes"))
    numbers = (Cell("24", 24), Cell("56.1", 56.1), Cell("12.25", 12.25))
    rows = tuple(Row(Cell(f"P{place // 40:04d}"), (*cells, *numbers)) for place in range(50_000))
    words = tuple(Column(name, "text") for name in ("Lesion", "Arm", "Visit", "Site", "Analysed"))
    columns = (*words, *(Column(name) for name in ("Week", "Value", "Change")))
    listing = Table("assessments", "Assessments", columns, rows, stub="Patient", kind="listing")
    headline = Headline("T-1", "A trial", "Facts", "A question?", ("Yes.",), None, "None.", "Nothing.")
    path = tmp_path / "report.html"
    document = Document(headline, (Section("listings", "Listings", (listing,)),))
    path.write_text(render_html(document), encoding="utf-8")
    page = opened(path)
    page.locator("details.listing > summary").click()
    settle(page)
    page.evaluate("scrollTo(0, document.documentElement.scrollHeight / 2)")
    settle(page)
    settle(page)
    assert page.evaluate("document.elementFromPoint(300, innerHeight / 2).closest('tr') !== null"), (
        "rows are seen"
    )
    assert page.evaluate("document.documentElement.scrollWidth") <= DESK[0]
