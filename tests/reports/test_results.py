import json
import math

import numpy as np
import pandas as pd
import pytest

from outcomes.errors import ReportError
from reports.results import COLUMNS, Result, Results, ResultsBuilder


@pytest.fixture
def results():
    builder = ResultsBuilder(analysis="area", endpoint="area", population="all", method="mixed model")
    for arm, mean in (("Laser", 31.000000000049), ("PRP", 35.25)):
        builder.add("estimate", mean, arm=arm, visit="Week 24")
        builder.add("df", math.inf, arm=arm, visit="Week 24")
    builder.add("n_patients", np.int64(30))
    builder.add("n_patients", 28, arm="PRP")
    builder.add("interaction", float("nan"))
    builder.say("may_claim", "It was better than PRP.")
    builder.say("answer", "better", subject="Both − PRP")
    builder.scope(analysis="harms", endpoint="").add_all({"patients": 3, "upper": 0.1157}, level="crusting")
    return builder.build({"id": "T-1"}, {"tandem": "0.1.0"})


def test_a_number_is_found_by_its_address(results):
    assert results.value("area", "estimate", arm="PRP") == 35.25
    assert results.number("area", "df", arm="PRP") == math.inf
    assert math.isnan(results.number("area", "interaction"))
    assert results.get("area", "absent") is None
    assert results.has("harms", "upper", level="crusting")
    assert not results.has("harms", "lower")


def test_the_plain_row_is_meant_where_rows_about_its_parts_exist(results):
    assert results.value("area", "n_patients") == 30
    assert results.value("area", "n_patients", arm="PRP") == 28


def test_values_keep_ten_significant_digits_and_counts_stay_whole(results):
    assert results.value("area", "estimate", arm="Laser") == 31.0
    assert isinstance(results.value("area", "n_patients"), int)


@pytest.mark.parametrize("address", [{"arm": "none"}, {}])
def test_absent_and_ambiguous_addresses_are_errors(results, address):
    with pytest.raises(ReportError, match="address"):
        results.value("area", "estimate", **address)


def test_an_unknown_part_of_the_address_is_an_error(results):
    with pytest.raises(ReportError, match="arms"):
        results.select(arms="PRP")


def test_no_number_is_computed_twice():
    builder = ResultsBuilder(analysis="area")
    builder.add("estimate", 1.0)
    builder.add("estimate", 2.0)
    with pytest.raises(ReportError, match="twice"):
        builder.build({}, {})


def test_json_round_trip(results, tmp_path):
    results.write(tmp_path / "results.json")
    again = Results.read(tmp_path / "results.json")
    assert again == results
    assert again.trial == {"id": "T-1"}
    assert again.software == {"tandem": "0.1.0"}
    assert again.text("area", "may_claim") == "It was better than PRP."
    assert again.said("area", "answer", "Both − PRP") == ("better",)


def test_the_json_is_strict_and_has_a_line_a_number(results):
    text = results.to_json()
    content = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert set(content["results"][0]) == set(COLUMNS)
    assert {row["value"] for row in content["results"] if row["statistic"] == "df"} == {"Inf"}
    assert sum(line.startswith('{"analysis"') for line in text.splitlines()) == len(results) + 2


@pytest.mark.parametrize("text", ["", "[]", '{"schema": "other"}', '{"schema": "tandem-results/1"}'])
def test_other_files_are_refused(text):
    with pytest.raises(ReportError):
        Results.from_json(text)


def test_frames(results):
    frame = results.frame(analysis="area", statistic="estimate")
    assert list(frame.columns) == list(COLUMNS)
    assert frame["value"].tolist() == [31.0, 35.25]
    wide = results.wide(["estimate", "df"], analysis="area", visit="Week 24")
    pd.testing.assert_frame_equal(
        wide[["arm", "estimate", "df"]],
        pd.DataFrame({"arm": ["Laser", "PRP"], "estimate": [31.0, 35.25], "df": [math.inf, math.inf]}),
    )
    assert results.distinct("arm", analysis="area", statistic="estimate") == ("Laser", "PRP")


def test_results_do_not_change(results):
    with pytest.raises(AttributeError):
        results.rows[0].value = 3
    results.trial["id"] = "changed"
    assert results.trial["id"] == "T-1"
    assert repr(results) == "Results(9 numbers, 2 statements)"


def test_a_result_needs_an_analysis_and_a_statistic():
    with pytest.raises(TypeError):
        Result(statistic="estimate", value=1.0)
