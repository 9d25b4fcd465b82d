"""The checklist says where each item is, and never that it is there when it is not."""

from dataclasses import replace
from pathlib import Path

import pytest

from outcomes import Protocol, read_trial
from reports.analyse import analyse_trial
from reports.compose import compose
from reports.context import ReportContext
from reports.document import Document
from reports.results import Results
from reports.sections.checklist_items import NOT_PROVIDED
from reports.sections.checklist_parallel import CONSORT_2025
from reports.sections.checklist_within import WITHIN_PERSON

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="module")
def contexts(sound_trials):
    found = {}
    for name, home in {**sound_trials, "abdelghani": EXAMPLES / "abdelghani2018"}.items():
        trial = read_trial(home / "trial.toml")
        found[name] = ReportContext(trial.protocol, analyse_trial(trial).results)
    return found


def with_keys(context, **tables):
    """The context with further keys in tables of its protocol."""
    plain = context.protocol.to_dict()
    for name, keys in tables.items():
        plain[name] = {**plain.get(name, {}), **keys}
    return ReportContext(Protocol.from_dict(plain), context.results)


def places(context: ReportContext) -> tuple[Document, dict[str, str]]:
    document = compose(context, {})
    table = next(one for one in document.tables if one.name == "checklist")
    rows = [row for row in table.rows if row.kind == "data"]
    return document, {row.label.text: row.cells[1].text for row in rows}


def test_every_target_is_in_the_document_and_is_called_as_it_is(contexts):
    for context in contexts.values():
        document, _ = places(context)
        table = next(one for one in document.tables if one.name == "checklist")
        cells = [row.cells[1] for row in table.rows if row.kind == "data" and row.cells[1].target]
        assert len(cells) >= 8
        for cell in cells:
            label = document.labels[cell.target]
            assert cell.text == label or cell.text.startswith((f"{label},", f"{label} ("))


def test_the_guideline_is_that_of_the_design(contexts):
    within, parallel = places(contexts["within-patient"])[1], places(contexts["parallel"])[1]
    assert list(within) == [item.number for item in WITHIN_PERSON]
    assert list(parallel) == [item.number for item in CONSORT_2025]
    assert {number.rstrip("abcd") for number in parallel} == {str(number) for number in range(1, 31)}


@pytest.mark.parametrize(
    ("key", "items"),
    [
        ("allocation", ("8",)),
        ("concealment", ("9",)),
        ("blinding", ("11a",)),
        ("similarity", ("11b",)),
        ("eligibility", ("4a",)),
        ("rationale", ("2a", "3a")),
        ("changes", ("3b", "6b")),
        ("dates", ("14a",)),
        ("funding", ("25",)),
        ("protocol_access", ("24",)),
    ],
)
def test_what_the_protocol_does_not_give_is_not_provided(contexts, key, items):
    silent = places(contexts["within-patient"])[1]
    told = places(with_keys(contexts["within-patient"], conduct={key: "As written."}))[1]
    for item in items:
        assert silent[item] == NOT_PROVIDED
        assert "What a referee asks for" in told[item]
    assert {one for one in told if told[one] != silent[one]} == set(items)


def test_interventions_need_both_the_detail_and_the_timing(contexts):
    detail = with_keys(contexts["within-patient"], conduct={"interventions": "Six sessions."})
    assert places(detail)[1]["5"] == NOT_PROVIDED
    both = with_keys(detail, conduct={"timing": "Concurrently."})
    assert places(both)[1]["5"] != NOT_PROVIDED


def test_a_section_that_is_left_out_provides_nothing(contexts):
    whole = contexts["within-patient"]
    cut = with_keys(whole, report={"omit": ["methods", "limitations", "harms", "flow"]})
    before, after = places(whole)[1], places(cut)[1]
    for item in ("6a", "12a", "12b", "13a", "19", "20", "21"):
        assert before[item] != NOT_PROVIDED
        assert after[item] == NOT_PROVIDED


def test_the_title_has_to_name_the_design(contexts):
    plain = places(contexts["within-patient"])[1]
    named = places(
        with_keys(contexts["within-patient"], trial={"title": "A within-person randomised trial"})
    )[1]
    assert plain["1a"] == NOT_PROVIDED
    unsaid = places(with_keys(contexts["within-patient"], trial={"title": "A within-person trial"}))[1]
    assert named["1a"] == "First page, title"
    assert unsaid["1a"] == "First page, title (it does not say that the trial is randomised)"


def test_harms_that_were_not_provided_are_not(contexts):
    assert places(contexts["within-patient"])[1]["19"].startswith("Table")
    assert places(contexts["abdelghani"])[1]["27"] == NOT_PROVIDED
    assert places(contexts["abdelghani"])[1]["25"] == NOT_PROVIDED  # nothing before treatment was published


def test_numbers_follow_the_order_that_was_asked_for(contexts):
    turned = with_keys(
        contexts["within-patient"], report={"sections": ["checklist", "references", "methods"]}
    )
    document, found = places(turned)
    assert [one.key for one in document.sections] == ["checklist", "references", "methods"]
    assert found["6a"] == "Section 3, Methods"


def test_losses_without_reasons_say_so(contexts):
    context = contexts["parallel"]
    name = f"{context.primary.name}/observed"
    rows = [
        replace(row, value=3) if (row.analysis, row.statistic, row.arm) == (name, "missing", "") else row
        for row in context.results
    ]
    results = Results(rows, context.results.statements, context.results.trial, context.results.software)
    assert "reasons are not provided" in places(ReportContext(context.protocol, results))[1]["22b"]
    assert "reasons are not provided" not in places(context)[1]["22b"]


def test_paraphrased_items_are_marked(contexts):
    document, _ = places(contexts["within-patient"])
    table = next(one for one in document.tables if one.name == "checklist")
    marked = {row.label.text for row in table.rows if row.kind == "data" and row.cells[0].notes}
    assert marked == {item.number for item in WITHIN_PERSON} - {"1a", "1b", "3a", "4a", "5", "6a"}
    assert table.footnotes == (("a", "In our words; the guideline's own wording counts."),)
