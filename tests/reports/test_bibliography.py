"""References: what is listed is cited and what is cited is listed, in each journal's form, and as BibTeX."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from outcomes import Protocol, read_trial
from reports.analyse import analyse_trial
from reports.bibliography import (
    ENTRIES,
    Entry,
    bibtex,
    bibtex_of,
    formatted,
    library,
    resolved,
    without_citations,
)
from reports.bibliography.bibtex import escaped
from reports.bibliography.citations import cite, cited_keys, numbered
from reports.compose import compose
from reports.context import ReportContext
from reports.document import BulletList, Paragraph, Section

EXAMPLES = Path(__file__).parents[2] / "examples"
NUMBER = re.compile(r" \[(\d+(?:(?:, |-)\d+)*)\]")


@pytest.fixture(scope="module")
def contexts(sound_trials):
    found = {}
    for name, home in {**sound_trials, "abdelghani": EXAMPLES / "abdelghani2018"}.items():
        trial = read_trial(home / "trial.toml")
        found[name] = ReportContext(trial.protocol, analyse_trial(trial).results)
    return found


def words_of(document):
    for section in document.sections:
        for block in section.blocks:
            if isinstance(block, Paragraph):
                yield block.text
            elif isinstance(block, BulletList) and section.key != "references":
                yield from block.items


def numbers_in(document):
    for text in words_of(document):
        for found in NUMBER.finditer(text):
            for part in found[1].split(", "):
                first, _, last = part.partition("-")
                yield from range(int(first), int(last or first) + 1)


def test_every_listed_work_is_cited_and_every_citation_is_listed(contexts):
    for context in contexts.values():
        document = compose(context, {})
        section = next(one for one in document.sections if one.key == "references")
        listed = section.blocks[0].items
        assert set(numbers_in(document)) == set(range(1, len(listed) + 1))
        assert not any("[@" in text for text in words_of(document))


def test_numbers_rise_by_their_first_use(contexts):
    for context in contexts.values():
        first_uses = list(dict.fromkeys(numbers_in(compose(context, {}))))
        assert first_uses == sorted(first_uses)


def test_without_the_section_nothing_points_to_it(contexts):
    context = contexts["within-patient"]
    plain = context.protocol.to_dict()
    plain["report"] = {"omit": ["references"]}
    document = compose(ReportContext(Protocol.from_dict(plain), context.results), {})
    text = " ".join(words_of(document))
    assert "[@" not in text
    assert not NUMBER.search(text)
    assert bibtex_of(document) == ""


@pytest.mark.parametrize(
    ("style", "expected"),
    [
        (
            "jama",
            "Kenward MG, Roger JH. Small sample inference for fixed effects from restricted maximum likelihood. "
            "Biometrics. 1997;53(3):983-997. doi:10.2307/2533558",
        ),
        (
            "lancet",
            "Kenward MG, Roger JH. Small sample inference for fixed effects from restricted maximum likelihood. "
            "Biometrics 1997; 53: 983–97.",
        ),
        (
            "nejm",
            "Kenward MG, Roger JH. Small sample inference for fixed effects from restricted maximum likelihood. "
            "Biometrics 1997;53:983-97.",
        ),
        (
            "csr",
            "Kenward MG, Roger JH. Small sample inference for fixed effects from restricted maximum likelihood. "
            "Biometrics. 1997;53(3):983-97. doi: 10.2307/2533558",
        ),
    ],
)
def test_each_journal_has_its_form(style, expected):
    assert formatted(ENTRIES["kenward-roger"], style) == expected


@pytest.mark.parametrize(
    ("count", "style", "named"),
    [(6, "jama", 6), (7, "jama", 3), (6, "nejm", 6), (7, "lancet", 3), (7, "csr", 6)],
)
def test_many_authors_are_cut_as_the_journal_does(count, style, named):
    authors = tuple(f"Author{place} A" for place in range(count))
    text = formatted(
        Entry("many", "A title", authors, journal="J", year="2020", volume="1", pages="1-2"), style
    )
    assert text.count("Author") == named
    assert (", et al." in text) == (named < count)


@pytest.mark.parametrize(
    ("pages", "short"),
    [
        ("1139-1151", "1139-51"),
        ("983-997", "983-97"),
        ("99-101", "99-101"),
        ("50-50", "50-0"),
        ("j2835", "j2835"),
    ],
)
def test_pages_are_shortened(pages, short):
    entry = Entry("x", "T", ("A B",), journal="J", year="2020", volume="1", pages=pages)
    assert formatted(entry, "nejm").endswith(f":{short}.")


def test_bibtex_escapes_what_latex_would_read():
    hostile = "50 % of $x_1 & #2 {a}~b^c \\input <é ü ñ ş – ≥ ß>"
    text = escaped(hostile)
    assert text.isascii()
    assert r"50 \% of \$x\_1 \& \#2 \{a\}\textasciitilde{}b\textasciicircum{}c \textbackslash{}input" in text
    assert r"{\'{e}} {\"{u}} {\~{n}} {\c{s}} -- $\geq$ {\ss}" in text
    entry = Entry("hostile", hostile, organisation="A & B", note="x_y", kind="note")
    written = bibtex([entry])
    assert written.startswith("@misc{hostile,\n  author = {{A \\& B}},\n")
    without_escapes = re.sub(r"\\[{}]", "", written)
    assert without_escapes.count("{") == without_escapes.count("}")


def test_bibtex_holds_every_listed_work_once(contexts):
    document = compose(contexts["within-patient"], {})
    section = next(one for one in document.sections if one.key == "references")
    written = bibtex_of(document)
    keys = re.findall(r"^@\w+\{([a-z0-9-]+),$", written, re.MULTILINE)
    assert len(keys) == len(set(keys)) == len(section.blocks[0].items)
    assert "pages = {1139--1151}" in written
    assert "author = {Laska, E. M. and Meisner, M. J.}" in written
    assert "{CONSORT} 2010 statement" in written


def test_names_in_titles_keep_their_capitals():
    assert "{Behrens-Fisher}" in bibtex([ENTRIES["brunner-munzel"]])
    assert "title = {Testing whether an identified" in bibtex([ENTRIES["laska"]])
    assert "and others}" in bibtex([ENTRIES["consort-2025"]])


def test_every_entry_is_complete():
    for key, entry in ENTRIES.items():
        assert entry.key == key
        assert re.fullmatch(r"[a-z0-9-]+", key)
        assert entry.authors or entry.organisation
        if entry.kind == "article":
            assert all((entry.journal, entry.year, entry.volume, entry.pages))
        assert not entry.doi or re.fullmatch(r"10\.\d{4,9}/\S+", entry.doi)


def test_several_works_in_one_marker_become_a_list_or_a_range():
    works = {key: ENTRIES[key] for key in ("laska", "holm", "bliss", "pratt")}
    numbers = {"laska": 1, "holm": 2, "bliss": 3, "pratt": 5}
    assert numbered(f"So{cite('pratt', 'laska')}.", numbers, works) == "So [1, 5]."
    assert numbered(f"So{cite('bliss', 'laska', 'holm')}.", numbers, works) == "So [1-3]."
    assert without_citations(f"So{cite('bliss')}.") == "So."


def test_what_looks_like_a_citation_in_the_data_stays():
    section = Section("x", "X", (Paragraph("Arm [@unknown] and [@laska; @unknown] and [3]."),))
    assert cited_keys([section], ENTRIES) == ()
    assert resolved([section], (), ENTRIES) == (section,)


def test_the_instrument_is_cited_by_its_source(contexts):
    works = library(contexts["parallel"])
    vasi = works["instrument-vasi"]
    assert formatted(vasi, "jama").startswith("Vitiligo Area Scoring Index (VASI)")
    assert "Hamzavi" in formatted(vasi, "jama")
    silent = replace(vasi, note="A source.")
    assert formatted(silent, "lancet").endswith(": A source.")
