"""Sentences: their words by the answers, their numbers from results."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from outcomes import Protocol, read_trial
from reports import adjustment_words, methods, narrative, remarks
from reports.analyse import analyse_trial
from reports.context import ReportContext, used_abbreviations
from reports.format import round_half_up
from reports.harm_words import harm_line
from reports.model_words import covariate_name
from reports.results import Result, Results

EXAMPLES = Path(__file__).parents[2] / "examples"
TOKEN = re.compile(r"(?<![\w.])−?\d+(?:\.\d+)?|(?<=[ <>=])\.\d+")


def context_of(path):
    trial = read_trial(path)
    return ReportContext(trial.protocol, analyse_trial(trial).results)


@pytest.fixture(scope="module")
def small(sound_trials):
    return context_of(sound_trials["within-patient"] / "trial.toml")


@pytest.fixture(scope="module")
def parallel(sound_trials):
    return context_of(sound_trials["parallel"] / "trial.toml")


@pytest.fixture(scope="module")
def abdelghani():
    return context_of(EXAMPLES / "abdelghani2018" / "trial.toml")


def changed(context, statements=None, **values):
    """The context with other numbers (keys: kind__statistic) and words of the primary verdict."""
    rows = []
    for row in context.results:
        key = f"{row.level.partition(': ')[0]}__{row.statistic}"
        mine = row.analysis == context.primary.name and key in values
        rows.append(replace(row, value=values[key]) if mine else row)
    said = [
        replace(one, text=statements[one.subject.rsplit(" | ", 1)[-1].partition(": ")[0]])
        if statements
        and one.kind == "answer"
        and one.analysis == context.primary.name
        and one.subject.rsplit(" | ", 1)[-1].partition(": ")[0] in statements
        else one
        for one in context.results.statements
    ]
    results = Results(rows, said, context.results.trial, context.results.software)
    return ReportContext(context.protocol, results)


def numbers_in(text, context):
    """Numbers of a sentence that are not part of a name: a visit's, an arm's, a label's, a level's."""
    names = [visit.name for visit in context.protocol.visits]
    names += [context.protocol.endpoint(one.name).label for one in context.protocol.endpoints]
    for name in sorted(names, key=len, reverse=True):
        text = re.sub(re.escape(name), "", text, flags=re.IGNORECASE)
    text = re.sub(r"\d+(?:\.\d+)?\u202f% (?:CI|limit)", "", text)
    return TOKEN.findall(text)


def is_a_result(token, results):
    """Whether some result, as it is or in per cent, is written like this."""
    decimals = len(token.partition(".")[2])
    size = abs(float(token.replace("−", "-")))
    for row in results:
        if row.value is None or abs(row.value) == float("inf"):
            continue
        for factor in (1, 100):
            if float(round_half_up(abs(factor * row.value), decimals)) == size:
                return True
    # "p < .001" and "p > .99" are bounds of a p-value, not values.
    return token in (".001", ".99")


@pytest.mark.parametrize("which", ["small", "parallel", "abdelghani"])
def test_every_number_of_the_first_screen_is_a_result(which, request):
    context = request.getfixturevalue(which)
    sentences = [*narrative.answer(context), harm_line(context), narrative.may_not_claim(context)]
    tokens = [token for text in sentences for token in numbers_in(text, context)]
    assert len(tokens) >= 6
    assert [token for token in tokens if not is_a_result(token, context.results)] == []


@pytest.mark.parametrize("which", ["small", "parallel", "abdelghani"])
def test_the_answer_has_at_most_three_sentences_and_the_question_is_the_trials(which, request):
    context = request.getfixturevalue(which)
    assert 1 <= len(narrative.answer(context)) <= 3
    question = narrative.question(context)
    assert "does Laser + PRP do more than Laser alone and more than PRP alone" in question
    assert question.startswith("In ")
    assert question.endswith("?")


def test_means_with_the_difference_and_its_interval(small):
    first, second, third = narrative.answer(small)
    assert re.fullmatch(
        r"At Week 24 repigmentation of the lesion averaged \d+\u202f% with Laser \+ PRP, against \d+\u202f% with Laser "
        r"alone \(difference \d+ percentage points, 95\u202f% CI \d+ to \d+\) and \d+\u202f% with PRP alone "
        r"\(\d+, \d+ to \d+\)\.",
        first,
    )
    assert second == (
        "The combination was better than both of its parts by at least 10 percentage points, the smallest difference "
        "that matters (min test p < .001)."
    )
    assert third.startswith("The excess over the sum of its parts was ")


def test_where_lower_is_better_the_benefit_is_positive(parallel):
    first = narrative.answer(parallel)[0]
    assert re.search(
        r"Index \(from \d+\.\d+ on average before treatment\) averaged −\d\.\d+ with Laser \+ PRP, against",
        first,
    )
    assert re.search(r"\(benefit \d\.\d+ VASI points, 95\u202f% CI", first)
    assert narrative.answer(parallel)[2].startswith("Synergy is not estimable without an arm")


def test_grades_are_told_by_medians_and_probabilities(abdelghani):
    assert narrative.answer(abdelghani)[0] == (
        "At 3 months after the last session the median of repigmentation grade was G4 (51-75 %) with Laser + PRP, "
        "against G2 (6-25 %) with Laser alone (probability of superiority 0.92, 95\u202f% CI 0.72 to 0.98) and G1 "
        "(1-5 %) with PRP alone (0.84, 0.64 to 0.94)."
    )
    assert narrative.superiority_note(abdelghani) == (
        "Probability of superiority: the chance that a patient with Laser + PRP does better than one with, say, Laser, "
        "ties counting half."
    )


def test_grades_by_cutpoints_say_what_they_are(small):
    facts = small.facts(small.protocol.analysis("grade"))
    assert narrative.grade_meanings(facts) == {
        "G0": "0\u202f% or less",
        "G1": "above 0 to 25\u202f%",
        "G2": "above 25 to 50\u202f%",
        "G3": "above 50 to 75\u202f%",
        "G4": "above 75\u202f%",
    }


def test_an_unadjusted_comparison_that_disagrees_is_told(small):
    rows = [
        replace(
            row, value={"p_value": 0.2, "estimate": 3.2, "conf_low": -1.6, "conf_high": 8.0}[row.statistic]
        )
        if row.analysis.endswith("/sensitivity")
        and row.level == "Paired t tests"
        and row.contrast == "(Laser + PRP) − PRP"
        and row.statistic in ("p_value", "estimate", "conf_low", "conf_high")
        else row
        for row in small.results
    ]
    results = Results(rows, small.results.statements, small.results.trial, small.results.software)
    assert adjustment_words.adjustment(ReportContext(small.protocol, results)) == (
        "Means and differences are the model's, adjusted for body site; without adjustment the difference from PRP "
        "would be 3.2 (−1.6 to 8.0)."
    )


def test_a_number_reads_alike_in_the_answer_and_in_what_may_not_be_claimed():
    context = context_of(EXAMPLES / "split_face_scar" / "trial.toml")
    found = re.search(r"benefit (\S+) points, 95\u202f% CI (\S+) to ([^)]+)\)", narrative.answer(context)[0])
    assert found is not None
    low_high = f"{found[2]} to {found[3]}"
    assert f"difference {found[1]} points" in narrative.may_not_claim(context)
    assert f"CI {low_high}" in narrative.may_not_claim(context)
    assert adjustment_words.adjustment(context).endswith(
        "without adjustment for the unequal start the difference would be 3.2 (0.6 to 5.9)."
    )


@pytest.mark.parametrize(
    ("name", "words"), [("fitzpatrick", "Fitzpatrick skin type"), ("body_site", "Body site")]
)
def test_covariates_are_named_for_people(name, words):
    assert covariate_name(name) == words


@pytest.mark.parametrize(
    ("answers", "sentence"),
    [
        (
            {"min_test": "not shown", "part": "inconclusive"},
            "That the combination is better than both of its parts is not shown",
        ),
        (
            {"min_test": "not shown", "part": "better"},
            "It was better than Laser alone and PRP alone, but that it is better than both of its parts is not shown",
        ),
        (
            {"min_test": "not shown; worse than PRP", "part": "worse"},
            "The combination was worse than Laser and PRP; better than both of its parts is not shown",
        ),
    ],
)
def test_what_is_not_shown_is_said_so(small, answers, sentence):
    second = narrative.answer(changed(small, answers, min_test__p_value=0.21))[1]
    assert second == f"{sentence} (min test p = .21)."


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ("more than additive", "synergy on this scale"),
        ("less than additive", "less than additive"),
        ("inconclusive", "synergy is not shown"),
        (
            "less than additive; additivity is impossible on this scale",
            "that sum lies beyond the scale, on which additivity is impossible",
        ),
    ],
)
def test_superiority_is_not_synergy(small, answer, words):
    context = changed(
        small,
        {"interaction": answer},
        interaction__estimate=9.0,
        interaction__conf_low=-3.0,
        interaction__conf_high=21.0,
    )
    third = narrative.answer(context)[2]
    assert third.startswith(
        "The excess over the sum of its parts was 9 percentage points (−3 to 21): " + words
    )
    assert "no effect" not in third


def test_an_interaction_that_was_not_tested_has_no_number_on_the_first_screen(small):
    context = changed(small, {"interaction": "not tested, since the min test did not pass; descriptive only"})
    third = narrative.answer(context)[2]
    assert third == "Synergy is not tested, since better than every part is not shown."


def test_a_shortfall_is_a_negative_excess(small):
    context = changed(
        small,
        {"interaction": "inconclusive"},
        interaction__estimate=-9.0,
        interaction__conf_low=-21.0,
        interaction__conf_high=3.0,
    )
    assert (
        "The excess over the sum of its parts was −9 percentage points (−21 to 3)"
        in narrative.answer(context)[2]
    )


def test_one_point_is_singular(small):
    context = changed(
        small,
        {"interaction": "inconclusive"},
        interaction__estimate=1.0,
        interaction__conf_low=-7.0,
        interaction__conf_high=9.0,
    )
    assert "was 1 percentage point (" in narrative.answer(context)[2]


def test_a_part_that_was_not_studied(small):
    context = changed(
        small, {"min_test": "not assessable: no arm of PRP alone was studied"}, min_test__p_value=None
    )
    assert narrative.answer(context)[1].endswith(
        "whether it is better than every part is not assessable: no arm of PRP alone was studied."
    )


def test_adjustment_is_named(small, parallel, abdelghani):
    assert (
        adjustment_words.adjustment(small) == "Means and differences are the model's, adjusted for body site."
    )
    assert adjustment_words.adjustment(parallel).endswith("adjusted for the value before treatment.")
    assert adjustment_words.adjustment(abdelghani) == ""


def test_names_of_people_keep_their_capital_in_a_sentence():
    context = context_of(EXAMPLES / "parallel_vasi" / "trial.toml")
    assert adjustment_words.adjustment(context).endswith("age, sex and Fitzpatrick skin type.")


def test_the_differences_of_a_sentence_have_the_same_decimals(small):
    first = narrative.answer(small)[0]
    inside = re.findall(r"\(([^)]*)\)", first)
    assert len({len(number.partition(".")[2]) for text in inside for number in TOKEN.findall(text)}) == 1


def test_harm_in_one_line(small, parallel):
    line = harm_line(small)
    assert ": 1 of 10 lesions with Laser + PRP (10\u202f%), against" in line
    assert "none of 10 with PRP (upper 95\u202f% limit 31\u202f%)" in line
    assert "Events of 1 patient belong to no lesion and so to no arm." in line
    assert harm_line(parallel).endswith("Nothing can be said of harm.")


def test_an_event_that_every_unit_had_is_told_by_its_duration(small):
    rows = [
        replace(row, value=1.0) if row.analysis == "harms" and row.statistic == "lesions_proportion" else row
        for row in small.results
    ]
    results = Results(rows, small.results.statements, small.results.trial, small.results.software)
    assert ": in all lesions" in harm_line(ReportContext(small.protocol, results))


def test_stamps(small, abdelghani):
    assert narrative.stamp(small).startswith("Synthetic data")
    assert narrative.stamp(abdelghani).startswith("Reconstructed from published counts")


def test_the_facts_line_has_both_numbers(small):
    assert narrative.facts_line(small) == (
        "Within-patient trial of four arms · 10 patients and 40 lesions · primary outcome at Week 24"
    )


def test_scales_that_disagree_are_said_to(abdelghani):
    sentence = remarks.scales_sentence(abdelghani)
    assert sentence.startswith(
        "The scales disagree: better than every part is shown on repigmentation grade (p < .001)"
    )
    assert "not shown on repigmentation above 75 % (G5) (p = .30)" in sentence
    assert "not excluded" in sentence


def test_only_the_primary_analysis_speaks_of_synergy(small):
    other = next(one for one in small.analyses if one.name == "responder50")
    said = [
        replace(one, text="more than additive")
        if one.kind == "answer" and one.analysis == other.name and "| interaction" in one.subject
        else one
        for one in small.results.statements
    ]
    results = Results(small.results.rows, said, small.results.trial, small.results.software)
    third = narrative.answer(ReportContext(small.protocol, results), other)[2]
    assert third.endswith(": more than additive (descriptive).")


def test_a_scale_on_which_nobody_responded_is_not_compared(small):
    rows = [
        replace(row, value=0)
        if row.analysis == "responder50/observed" and row.statistic in ("responders", "proportion")
        else row
        for row in small.results
    ]
    context = ReportContext(
        small.protocol, Results(rows, small.results.statements, small.results.trial, small.results.software)
    )
    assert narrative.answer(context, small.protocol.analysis("responder50")) == (
        "No lesion in any arm reached this threshold at Week 24: nothing can be compared.",
    )
    assert "50 %" in remarks.scales_sentence(small)
    sentence, _, rest = remarks.scales_sentence(context).partition(" Nothing can be compared on ")
    assert "50 %" not in sentence
    assert rest == "at least 50 % repigmentation."


def test_scales_that_agree(small):
    assert remarks.scales_sentence(small).startswith(("The scales agree", "The scales disagree"))


def test_all_reconstructions_are_named(abdelghani):
    sentence = remarks.sensitivity_sentence(abdelghani)
    assert sentence == (
        "The answer holds under all seven reconstructions that the published numbers allow: better than every part "
        "(largest min test p < .001). "
        "The comparison that binds the min test is that with PRP (two-sided p = 1.4 × 10⁻⁴)."
    )


def test_an_answer_that_changes_names_where(abdelghani):
    rows = [
        replace(row, value=0.2)
        if row.analysis == "grade/sensitivity"
        and row.statistic == "p_value"
        and row.level == "Laser solution 3"
        else row
        for row in abdelghani.results
    ]
    results = Results(
        rows, abdelghani.results.statements, abdelghani.results.trial, abdelghani.results.software
    )
    sentence = remarks.sensitivity_sentence(ReportContext(abdelghani.protocol, results))
    assert sentence == (
        "The primary answer does not hold under every assumption: it changes with laser solution 3."
    )


def test_missing_values_are_counted(small):
    assert remarks.missing_sentence(small) == "At Week 24 no value of the primary outcome is missing."


def test_the_naive_sentence_says_which_way_it_errs(small):
    sentence = remarks.naive_sentence(small)
    assert "times the right ones" in sentence
    assert "intraclass correlation" in sentence


def test_nothing_naive_in_a_parallel_trial(parallel):
    assert remarks.naive_sentence(parallel) == ""


def test_methods_name_model_covariance_df_and_versions(small, parallel, abdelghani):
    text = " ".join(methods.methods_paragraphs(small))
    for words in (
        "us(arm | patient)",
        "Kenward-Roger",
        "residual maximum likelihood",
        "min test",
        "tandem ",
        "numpy",
    ):
        assert words in text
    assert "us(visit | patient)" in " ".join(methods.methods_paragraphs(parallel))
    assert "Mann-Whitney" in " ".join(methods.methods_paragraphs(abdelghani))


def test_references_are_those_of_the_methods_used(small, abdelghani):
    within, graded = " ".join(methods.reference_list(small)), " ".join(methods.reference_list(abdelghani))
    assert "Kenward" in within
    assert "within person" in within
    assert "Kenward" not in graded
    assert "Mann HB" in graded
    assert "Laska" in within
    assert "Laska" in graded


def test_limitations_follow_what_is_missing(small, abdelghani):
    assert any("allocated is not provided" in text for text in methods.limitations(small))
    assert any("synergy cannot be estimated" in text for text in methods.limitations(abdelghani))
    assert any("rebuilt from published summaries" in text for text in methods.limitations(abdelghani))
    told = Protocol.from_dict(
        {**small.protocol.to_dict(), "conduct": {"allocation": "random", "blinding": "assessors"}}
    )
    kept = methods.limitations(ReportContext(told, small.results))
    assert not any("allocated is not provided" in text for text in kept)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Repigmentation of the lesion", "repigmentation of the lesion"),
        ("Vitiligo Area Scoring Index", "Vitiligo Area Scoring Index"),
        ("VASI halved", "VASI halved"),
        ("PRP", "PRP"),
        ("", ""),
    ],
)
def test_names_keep_their_capitals(text, expected):
    assert narrative.lower_first(text) == expected


def test_abbreviations_are_found_as_words():
    known = {"CI": "confidence interval", "SD": "standard deviation", "PRP": "platelet-rich plasma"}
    assert used_abbreviations(["95 % CI", "(Laser + PRP)", "SDs"], known) == {
        "CI": "confidence interval",
        "PRP": "platelet-rich plasma",
    }


def test_every_result_has_an_address_of_its_own(small):
    assert len({row.address for row in small.results}) == len(small.results)
    assert all(isinstance(row, Result) for row in small.results)
