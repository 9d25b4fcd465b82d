"""Grades and responders in reports: which model leads, what stands beside it, what is said where there is none."""

import math
import re

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analyses import fit_ordinal_model, marginal_probabilities
from outcomes import Protocol, Trial
from reports.analyse import analyse_trial
from reports.categorical_words import analysis_sentences, beside_sentences
from reports.compose import compose
from reports.context import ReportContext
from reports.document import Paragraph
from reports.drawing import draw_figures, grade_pairs
from reports.methods import limitations, methods_paragraphs, reference_list
from reports.narrative import answer
from reports.render.notebook import notebook_cells
from reports.tables.categorical import (
    classical_table,
    effects_table,
    odds_table,
    probabilities_table,
    ratio_decimals,
    synergy_table,
)
from reports.verdicts import lines_of, verdict_lines

ARMS = {"Untreated": [], "Laser": ["laser"], "PRP": ["prp"], "Laser + PRP": ["laser", "prp"]}
GRADES = ["G0", "G1", "G2", "G3"]
ROUNDED = 1e-9  # results keep ten significant digits


def protocol(design="within-patient", **analysis):
    return Protocol.from_dict(
        {
            "trial": {"id": "T", "title": "A trial", "condition": "vitiligo", "design": design},
            "components": {"laser": "Fractional CO2 laser", "prp": "Platelet-rich plasma"},
            "arms": ARMS,
            "visits": [{"name": "Week 12", "week": 12}, {"name": "Week 24", "week": 24}],
            "endpoints": [
                {
                    "name": "score",
                    "column": "score",
                    "minimum": 0,
                    "maximum": 100,
                    "direction": "higher is better",
                    "unit": "%",
                },
                {
                    "name": "grade",
                    "from": "score",
                    "derive": "grade",
                    "cutpoints": [25, 50, 75],
                },
                {"name": "healed", "from": "score", "derive": "responder", "threshold": {"at_least": 40}},
            ],
            "analyses": [
                {"endpoint": "grade", "role": "primary", **analysis},
                {"endpoint": "healed", "role": "secondary"},
            ],
        }
    )


def frames(patients=24, seed=5, gains=(18, 34, 38, 55), spread=17.0, lesions=1):
    """Lesions of each arm in every patient; scores overlap, so that models can be fitted."""
    rng = np.random.default_rng(seed)
    rows, units = [], []
    for number in range(patients):
        own = rng.normal(0, 10)
        for place, arm in enumerate([*ARMS] * lesions):
            units.append((f"P{number}", f"L{place}", arm))
            for week, part in ((12, 0.6), (24, 1.0)):
                value = part * gains[place % 4] + own + rng.normal(0, spread)
                rows.append((f"P{number}", f"L{place}", f"Week {week}", week, float(np.clip(value, 0, 100))))
    return {
        "patients": pd.DataFrame({"patient": [f"P{number}" for number in range(patients)]}),
        "lesions": pd.DataFrame(units, columns=["patient", "lesion", "arm"]),
        "assessments": pd.DataFrame(rows, columns=["patient", "lesion", "visit", "week", "score"]),
    }


def analysed_of(plan=None, tables=None):
    return analyse_trial(Trial.from_frames(plan or protocol(), **(tables or frames())))


@pytest.fixture(scope="module")
def analysed():
    return analysed_of()


@pytest.fixture(scope="module")
def context(analysed):
    return ReportContext(analysed.trial.protocol, analysed.results)


@pytest.fixture(scope="module")
def empty_arm():
    """Nobody responds without treatment."""
    tables = frames(gains=(0, 34, 38, 55))
    untreated = tables["lesions"].query("arm == 'Untreated'")["lesion"].unique()
    scores = tables["assessments"]
    scores.loc[scores["lesion"].isin(untreated), "score"] = 5.0
    found = analysed_of(tables=tables)
    return ReportContext(found.trial.protocol, found.results)


def wide(analysed, endpoint):
    rows = analysed.trial.endpoint(endpoint)
    return rows[rows["visit"] == "Week 24"].pivot(index="patient", columns="arm", values="value")


@pytest.mark.parametrize("name", ["grade", "healed"])
def test_within_patients_the_mixed_model_leads(analysed, name):
    assert analysed.results.text(name, "led_by") == "model"
    assert analysed.results.text(f"{name}/model", "formula") == "value ~ arm + (1 | patient)"
    assert analysed.results.has(f"{name}/model", "variance")


def test_the_probabilities_are_those_of_the_public_functions_and_add_up(analysed):
    rows = analysed.trial.endpoint("grade")
    fit = fit_ordinal_model("value ~ arm + (1 | patient)", rows[rows["visit"] == "Week 24"])
    for row in marginal_probabilities(fit, "arm").table.to_dict("records"):
        stored = analysed.results.value(
            "grade/probabilities", "estimate", arm=str(row["arm"]), level=str(row["grade"])
        )
        assert stored == pytest.approx(row["estimate"], rel=1e-8)
    for arm in ARMS:
        own = analysed.results.select(analysis="grade/probabilities", statistic="estimate", arm=arm)
        assert sum(row.value for row in own) == pytest.approx(1, abs=ROUNDED)


def test_the_tests_without_a_model_stand_beside_it(analysed):
    arms = wide(analysed, "grade").apply(lambda column: column.cat.codes)
    for line in lines_of(analysed.results, "grade/without a model", "part"):
        difference = arms["Laser + PRP"] - arms[line.reference]
        better, worse = int((difference > 0).sum()), int((difference < 0).sum())
        assert line.p_value == pytest.approx(stats.binomtest(better, better + worse).pvalue, rel=1e-8)
    shares = wide(analysed, "healed").astype(float)
    for line in lines_of(analysed.results, "healed/without a model", "part"):
        gained = int(((shares["Laser + PRP"] == 1) & (shares[line.reference] == 0)).sum())
        lost = int(((shares["Laser + PRP"] == 0) & (shares[line.reference] == 1)).sum())
        assert line.p_value == pytest.approx(stats.binomtest(gained, gained + lost).pvalue, rel=1e-8)
        assert line.estimate == pytest.approx((gained - lost) / len(shares), abs=ROUNDED)


def test_the_flow_counts_every_patient_with_both_lesions(analysed, context):
    pairs = grade_pairs(context, analysed.primary)
    arms = wide(analysed, "grade").astype(str)
    for part in ("Laser", "PRP"):
        own = pairs[pairs["reference"] == part]
        table = pd.crosstab(arms[part], arms["Laser + PRP"])
        assert own["n"].sum() == len(arms)
        for row in own.itertuples():
            assert table.loc[row.grade_reference, row.grade_combination] == row.n


def test_the_alternative_text_of_the_flow_counts_better_and_worse(analysed, context):
    figure = draw_figures(context, analysed)["grade-flow"]
    arms = wide(analysed, "grade").apply(lambda column: column.cat.codes)
    better = int((arms["Laser + PRP"] > arms["Laser"]).sum())
    assert f"Laser + PRP was better than Laser in {better} of {len(arms)} patients" in figure.alt_text


def test_several_lesions_an_arm_have_a_model_and_no_flow():
    several = analysed_of(tables=frames(patients=14, lesions=2))
    assert several.results.text("grade", "led_by") == "model"
    assert not several.results.has("grade/pairs", "patients")


def test_the_first_screen_has_probabilities_first(context):
    first, second, third = answer(context)
    assert "within a patient, probability of superiority" in first
    assert second.startswith(("The combination was better", "It was better", "That the combination"))
    assert third.startswith(("Synergy is not", "Whether it exceeds", "Against the sum"))
    responders = answer(context, context.protocol.analysis("healed"))[0]
    assert re.search(r"marginal probability of “healed” was \d+.% with Laser \+ PRP", responders)
    assert "risk difference" in responders


def test_every_table_of_a_model_is_there(context):
    for analysis in context.protocol.analyses:
        for made in (probabilities_table, effects_table, odds_table, synergy_table, classical_table):
            assert made(context, analysis) is not None
    label = effects_table(context, context.primary).columns[0].spanner
    assert label == "Within a patient"
    notes = effects_table(context, context.primary).notes
    assert "different quantities" in notes["pairs"]


def test_odds_ratios_are_the_exponentials_and_synergy_has_its_own_scale(context):
    table = odds_table(context, context.primary)
    line = lines_of(context.results, "grade/odds ratios", "part")[0]
    assert table.rows[0].cells[0].value == pytest.approx(math.exp(line.estimate), rel=1e-8)
    labels = [row.label.text for row in synergy_table(context, context.primary).rows]
    assert labels[0] == "Ratio of odds ratios"
    assert labels[1:] == [f"Probability of {grade} or better, percentage points" for grade in GRADES[1:]]


def test_where_scales_of_synergy_differ_the_page_says_so(context):
    odds = [line for line in verdict_lines(context.results, "grade/odds ratios") if line.estimable]
    synergy = [line for line in odds if line.kind in ("interaction", "interaction_response")]
    signs = {(line.conf_low > 0) - (line.conf_high < 0) for line in synergy}
    told = context.results.said("grade/odds ratios", "scales")
    assert bool(told) == (signs != {0})


def test_methods_limits_and_references_name_the_model(context):
    text = " ".join(methods_paragraphs(context))
    assert "a cumulative logit (proportional odds) mixed model, value ~ arm + (1 | patient)" in text
    assert "adaptive Gauss-Hermite quadrature with 7 nodes" in text
    assert text.count("standardised over the covariates of the rows used (g-computation)") == 1
    assert "averaged over the random effects" in text
    assert any("odds ratios are not ratios of risks" in item for item in limitations(context))
    references = " ".join(reference_list(context))
    for name in ("Hedeker D", "McCullagh P", "Agresti A", "Zeger SL"):
        assert name in references


def test_an_arm_without_a_responder_leaves_the_tests_to_answer(empty_arm):
    results, analysis = empty_arm.results, empty_arm.protocol.analysis("healed")
    assert results.text("healed", "led_by") == "without a model"
    assert results.said("healed/model", "left_out") == ("Untreated",)
    assert beside_sentences(empty_arm, analysis)[0].startswith("No lesion with Untreated responded, so that")
    row = next(one for one in verdict_lines(results, "healed/odds ratios") if one.kind == "interaction")
    assert row.answer == (
        "not estimable: every lesion with Untreated responded alike, so that there are no finite odds"
    )
    assert (
        "Left out of the model, since its likelihood has no maximum with them: Untreated"
        in analysis_sentences(empty_arm, analysis)
    )


def test_an_arm_at_the_lowest_grade_leaves_the_ranks_to_answer(empty_arm):
    assert empty_arm.results.text("grade", "led_by") == "without a model"
    words = beside_sentences(empty_arm, empty_arm.primary)
    assert words[0].startswith("Every lesion with Untreated had the same extreme grade, so that")
    assert effects_table(empty_arm, empty_arm.primary) is None  # superiority by ranks leads


def test_one_grade_only_still_makes_a_report():
    tables = frames()
    tables["assessments"]["score"] = 10.0
    found = analysed_of(tables=tables)
    context = ReportContext(found.trial.protocol, found.results)
    assert found.results.text("grade/model", "not_estimable") == "no model could be fitted"
    text = " ".join(beside_sentences(context, context.primary))
    assert text == ("No model could be fitted: an ordinal model needs at least two observed grades.")
    document = compose(context, draw_figures(context, found))
    assert document.sections


def test_a_skipped_grade_is_named_and_left_out():
    tables = frames(patients=40)
    scores = tables["assessments"]["score"]
    tables["assessments"]["score"] = scores.where(~scores.between(25.000001, 50), 60.0)
    found = analysed_of(tables=tables)
    assert found.results.text("grade", "led_by") == "model"
    assert "G1 was declared and never observed" in found.results.text("grade/model", "note")
    levels = found.results.distinct("level", analysis="grade/probabilities", statistic="estimate")
    assert levels == ("G0", "G2", "G3")


def test_the_protocols_model_of_all_visits_is_compared_at_the_visit():
    plan = protocol(model="grade ~ arm * visit + (1 | patient)", visit="Week 24")
    found = analysed_of(plan)
    assert found.results.text("grade/model", "formula") == "value ~ arm * visit + (1 | patient)"
    assert found.results.value("grade/model", "n_rows") == 2 * 4 * 24


def test_the_sentences_say_what_the_tests_without_a_model_show(context):
    sentence = beside_sentences(context, context.primary)[0]
    assert sentence.startswith(("Without a model, by exact sign tests", "The answer rests on the model"))


def test_the_notebook_uses_the_public_functions(analysed):
    source = "\n".join(cell.source for cell in notebook_cells(analysed.trial.protocol, analysed.results))
    for name in ("fit_ordinal_model", "fit_generalized_model", "compare_probabilities", "compare_therapies"):
        assert f"{name}(" in source
    assert 'verdicts["grade/without a model"] = compare_grades(' in source
    for cell in notebook_cells(analysed.trial.protocol, analysed.results):
        if cell.kind == "code":
            compile(cell.source, "cell", "exec")


def test_the_page_has_the_model_of_a_primary_grade(analysed, context):
    document = compose(context, draw_figures(context, analysed))
    titles = [section.title for section in document.sections]
    assert "The primary model" in titles
    verdict = next(section for section in document.sections if section.title == "What the combination adds")
    assert any(isinstance(block, Paragraph) and "model" in block.text for block in verdict.blocks)


@pytest.mark.parametrize(
    ("values", "decimals"),
    [((0.7, 0.4, 1.4), 2), ((12.0, 1.02, 99.0), 2), ((12.0, 2.0, 99.0), 1), ((350.0, 44.0, 2765.0), 0)],
)
def test_ratios_have_digits_that_mean_something(values, decimals):
    assert ratio_decimals(*values) == decimals
