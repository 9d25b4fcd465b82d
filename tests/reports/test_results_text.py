"""Paragraphs to paste: every number is a result, in the chosen style, and nothing is claimed beyond the verdict."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from outcomes import Protocol, read_trial
from reports.analyse import analyse_trial
from reports.compose import compose
from reports.context import ReportContext
from reports.format import round_half_up
from reports.methods import methods_paragraphs
from reports.results import Results
from reports.results_words import missing_words, results_paragraphs

EXAMPLES = Path(__file__).parents[2] / "examples"
TOKEN = re.compile(r"(?<![\w.·])−?\d+(?:[.·]\d+)?|(?<=[ <>=])\.\d+")


def context_of(path):
    trial = read_trial(path / "trial.toml")
    return ReportContext(trial.protocol, analyse_trial(trial).results)


@pytest.fixture(scope="module")
def contexts(sound_trials):
    return {
        "within": context_of(sound_trials["within-patient"]),
        "parallel": context_of(sound_trials["parallel"]),
        "abdelghani": context_of(EXAMPLES / "abdelghani2018"),
    }


def styled(context, style):
    return ReportContext(
        Protocol.from_dict({**context.protocol.to_dict(), "report": {"style": style}}), context.results
    )


def text_of(context):
    return " ".join(one.text for one in results_paragraphs(context) if one.kind == "paste")


def numbers_in(text, context):
    """Numbers that are no part of a visit's, arm's, outcome's or grade's name, nor of a level or a p-value's bound."""
    names = [visit.name for visit in context.protocol.visits] + ["10⁻"]
    names += [context.facts(one).label for one in context.protocol.analyses]
    for name in sorted(names, key=len, reverse=True):
        text = re.sub(re.escape(name), "", text, flags=re.IGNORECASE)
    text = re.sub(r"\d+(?:[.·]\d+)?\u202f% (?:CI|limit)", "", text)
    text = re.sub(r"G\d \([^)]*\)", "", text)
    return TOKEN.findall(re.sub(r"[<>] 0?[.·]\d+", "", text))


def is_a_result(token, results):
    plain = token.replace("−", "-").replace("·", ".")
    decimals, size = len(plain.partition(".")[2]), abs(float(plain))
    return any(
        float(round_half_up(abs(factor * row.value), decimals)) == size
        for row in results
        if row.value is not None and abs(row.value) != float("inf")
        for factor in (1, 100)
    )


@pytest.mark.parametrize("which", ["within", "parallel", "abdelghani"])
@pytest.mark.parametrize("style", ["jama", "lancet"])
def test_every_number_is_a_result(contexts, which, style):
    context = styled(contexts[which], style)
    tokens = numbers_in(text_of(context), context)
    assert len(tokens) > 15
    assert [token for token in tokens if not is_a_result(token, context.results)] == []


def test_each_style_writes_its_own_numbers(contexts):
    texts = {style: text_of(styled(contexts["within"], style)) for style in ("jama", "lancet", "nejm", "csr")}
    assert "P < .001" in texts["jama"]
    assert "p < 0·0001" in texts["lancet"]
    assert "P < 0.001" in texts["nejm"]
    assert "p < 0.0001" in texts["csr"]
    assert not re.search(r"\d\.\d", texts["lancet"])
    assert len({*texts.values()}) == 4


def test_participants_lesions_and_whom_the_answer_is_of(contexts):
    within, parallel = text_of(contexts["within"]), text_of(contexts["parallel"])
    assert (
        "The trial had 10 patients with 40 lesions, 10 allocated to each of Untreated, Laser, PRP" in within
    )
    assert "The primary analysis is of 40 lesions of 10 patients." in within
    assert "The trial had 18 patients, 6 allocated to each of Laser, PRP and Laser + PRP." in parallel


def test_comparisons_have_their_p_values_and_the_adjusted_ones(contexts):
    text = text_of(contexts["within"])
    assert re.search(r"\(difference \d+ percentage points, 95\u202f% CI \d+ to \d+; P < \.001\)", text)
    assert "Holm-adjusted for a claim about a single part, P < .001 against Laser alone and P" in text
    assert "(min test P < .001)" in text


def test_no_synergy_is_claimed_where_the_verdict_has_none(contexts):
    context = contexts["parallel"]
    paragraphs = list(results_paragraphs(context))
    assert "Synergy is not estimable without an arm that received neither" in paragraphs[3].text
    assert "synergistic" not in text_of(context)
    within = contexts["within"]
    line = within.lines("interaction")[0]
    primary = next(one.text for one in results_paragraphs(within) if "excess over the sum" in one.text)
    assert ("synergy on this scale" in primary) == line.answer.startswith("more than additive")
    assert "causes" not in primary


def test_outcomes_beside_the_primary_one_are_called_descriptive_once(contexts):
    text = text_of(contexts["within"])
    assert text.count("Outcomes other than the primary one are descriptive.") == 1
    assert "the median of repigmentation grade was" in text


def test_data_from_no_patient_are_named_first(contexts):
    for which, word in (("within", "synthetic"), ("abdelghani", "reconstructed")):
        first = next(one for one in results_paragraphs(contexts[which]) if one.kind == "paste")
        assert word in first.text
        assert "has to say so" in first.text
    told = {**contexts["within"].protocol.to_dict(), "conduct": {"data_origin": "observed"}}
    observed = ReportContext(Protocol.from_dict(told), contexts["within"].results)
    assert "has to say so" not in text_of(observed)


def test_harms_have_denominators_and_zero_events_a_limit(contexts):
    text = text_of(contexts["within"])
    assert "An adverse event was recorded in 3 of 10 patients (30\u202f%)." in text
    assert re.search(r"none of 10 .*\(upper 95\u202f% limit 31\u202f%\)", text)
    assert "No adverse events were provided with the data." in text_of(contexts["abdelghani"])


def test_missing_values_are_counted_by_arm(contexts):
    context = contexts["within"]
    assert missing_words(context) == "At Week 24 no value of the primary outcome was missing."
    name = f"{context.primary.name}/observed"
    rows = []
    for row in context.results:
        at = (row.analysis, row.visit, row.statistic)
        if at == (name, "Week 24", "missing"):
            row = replace(row, value={"": 3, "Laser": 2, "PRP": 1}.get(row.arm, 0))
        rows.append(row)
    results = Results(rows, context.results.statements, context.results.trial, context.results.software)
    assert missing_words(ReportContext(context.protocol, results)) == (
        "At Week 24 the primary outcome was missing for 3 of 40 lesions: 0 of 10 with Untreated, 2 of 10 with Laser, "
        "1 of 10 with PRP and 0 of 10 with Laser + PRP. Missing values were not imputed."
    )


def test_a_primary_of_responders_has_its_own_words(contexts):
    plain = contexts["abdelghani"].protocol.to_dict()
    analyses = [one for one in plain["analyses"] if one["endpoint"] == "responder"]
    protocol = Protocol.from_dict({**plain, "analyses": [{**analyses[0], "role": "primary"}]})
    context = ReportContext(protocol, contexts["abdelghani"].results)
    text = text_of(context)
    assert "40\u202f% of patients with Laser + PRP met" in text
    assert "That the combination is better than both of its parts is not shown (min test P = .30)." in text


def test_the_paragraphs_point_to_tables_that_there_are(contexts):
    for context in contexts.values():
        document = compose(context, {})
        section = next(one for one in document.sections if one.key == "results-text")
        told = [name for block in section.blocks for name in block.see if name in document.labels]
        assert len(told) >= 4
        assert all(block.kind == "paste" for block in section.blocks[1:])


@pytest.mark.parametrize("which", ["within", "parallel", "abdelghani"])
def test_methods_name_what_a_reader_needs(contexts, which):
    text = " ".join(methods_paragraphs(contexts[which]))
    for words in ("min test", "Holm", "Alpha was 0.05, two-sided", "tandem ", "Python ", "statsmodels "):
        assert words in text
    if which != "abdelghani":
        assert "an unstructured covariance over the" in text
        assert "Kenward-Roger" in text
        assert "residual maximum likelihood" in text


def test_missing_values_and_their_assumption_stand_in_the_methods():
    context = context_of(EXAMPLES / "parallel_vasi")
    text = " ".join(methods_paragraphs(context))
    assert "(missing at random)" in text
    assert "fixed effects of baseline, visit, arm, age, sex and Fitzpatrick skin type" in text
    assert "the interactions baseline by visit and arm by visit" in text
