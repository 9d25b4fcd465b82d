"""trial.toml -> Protocol: all keys of the example, strictness with the nearest known key, cross-checks."""

import copy
import pickle
import tomllib
from pathlib import Path

import pytest
from pydantic import ValidationError

from outcomes.errors import ProtocolError
from outcomes.protocol import Protocol, read_protocol, write_toml

EXAMPLE = Path(__file__).parent.parent / "reference" / "example_trial" / "trial.toml"


@pytest.fixture
def tables():
    return tomllib.loads(EXAMPLE.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def protocol():
    return read_protocol(EXAMPLE)


def problems_of(tables):
    with pytest.raises(ProtocolError) as caught:
        Protocol.from_dict(tables)
    assert str(len(caught.value.problems)) in caught.value.message
    return caught.value.problems


# ------------------------------------------------------------------------------------------ the example


def test_trial_and_conduct(protocol):
    assert (protocol.id, protocol.condition, protocol.design) == ("VIT-042", "vitiligo", "within-patient")
    assert protocol.registration == "NCT00000000"
    assert protocol.is_within_patient
    assert protocol.conduct.blinding == "assessors blinded, from photographs"
    assert protocol.conduct.concealment is None
    assert protocol.conduct.data_origin == "observed"


def test_arms_and_components(protocol):
    assert list(protocol.arms) == ["Untreated", "Laser", "PRP", "Laser + PRP"]
    assert protocol.arms.control == "Untreated"
    assert protocol.components == {"laser": "Fractional CO2 laser", "prp": "Platelet-rich plasma"}


def test_visits(protocol):
    assert [(visit.name, visit.week) for visit in protocol.visits] == [
        ("Baseline", 0.0), ("Week 12", 12.0), ("Week 24", 24.0),
    ]  # fmt: skip
    assert protocol.baseline_visit.name == "Baseline"
    assert [visit.name for visit in protocol.post_baseline_visits] == ["Week 12", "Week 24"]
    assert protocol.visits[1].window == (10.0, 14.0)
    assert protocol.visits[1].out_of_window == "defect"


def test_data_and_column_map(protocol):
    assert protocol.data.events == "adverse_events.csv"
    assert protocol.data.missing == ("", "NA", ".")
    assert protocol.data.theirs("patient") == "USUBJID"
    assert protocol.data.theirs("lesion") == "lesion"


def test_covariates_and_populations(protocol):
    site, age = protocol.covariates
    assert (site.level, site.kind, site.levels[0]) == ("lesion", "categorical", "face")
    assert (age.level, age.kind, age.unit) == ("patient", "numeric", "years")
    assert protocol.populations[0].where == "sessions_done >= 5"


def test_a_measured_endpoint(protocol):
    facts = protocol.endpoint("repigmentation")
    assert (facts.level, facts.unit, facts.minimum, facts.maximum) == ("lesion", "%", None, 100.0)
    assert facts.higher_is_better
    assert facts.scale == "continuous"
    assert facts.instrument.name == "percent-repigmentation"
    assert not facts.has_baseline
    assert facts.baseline_by_definition == 0.0
    assert facts.describe() == (
        "Repigmentation of the target lesion (at most 100 %, higher is better), by lesion."
    )


def test_a_grade_by_cutpoints(protocol):
    facts = protocol.endpoint("grade")
    assert facts.scale == "ordinal"
    assert facts.grades == ("G0", "G1", "G2", "G3", "G4")
    assert facts.higher_is_better
    assert [step.name for step in facts.chain] == ["repigmentation", "grade"]


def test_a_responder(protocol):
    facts = protocol.endpoint("responder75")
    assert (facts.scale, facts.minimum, facts.maximum) == ("binary", 0.0, 1.0)
    assert facts.describe() == "responder75 (responder: above 75 %), by lesion."


def test_analysis_and_estimand(protocol):
    analysis = protocol.primary_analysis
    assert analysis.name == "repigmentation"
    assert analysis.fallback == ("csh(arm | patient)", "(1 | patient)")
    assert (analysis.alpha, analysis.sided, analysis.margin) == (0.05, 2, 10.0)
    event = analysis.estimand.intercurrent_events[0]
    assert (event.flag, event.strategy) == ("rescue", "treatment policy")


def test_round_trip_through_dict_file_and_pickle(protocol, tmp_path):
    assert Protocol.from_dict(protocol.to_dict()) == protocol
    write_toml(protocol, tmp_path / "trial.toml")
    assert read_protocol(tmp_path / "trial.toml") == protocol
    assert tomllib.loads((tmp_path / "trial.toml").read_text("utf-8")) == protocol.to_dict()
    assert pickle.loads(pickle.dumps(protocol)) == protocol
    assert hash(protocol) == hash(Protocol.from_dict(protocol.to_dict()))


def test_nothing_changes_a_protocol(protocol):
    with pytest.raises(ValidationError):
        protocol.trial.id = "other"
    with pytest.raises(TypeError):
        protocol.components["laser"] = "other"


# ------------------------------------------------------------------------------------------ defaults


MINIMAL = """
[trial]
id = "MIN"
title = "A small trial"
design = "parallel"
[components]
laser = "Laser"
prp = "PRP"
[arms]
Laser = ["laser"]
PRP = ["prp"]
Both = ["laser", "prp"]
[[visits]]
name = "Week 0"
week = 0
baseline = true
[[visits]]
name = "Week 12"
week = 12
[[endpoints]]
name = "vasi"
instrument = "vasi"
column = "VASI"
derive = "change"
"""


@pytest.fixture
def minimal():
    return tomllib.loads(MINIMAL)


def test_everything_optional_has_a_default(minimal):
    protocol = Protocol.from_dict(minimal)
    analysis = protocol.primary_analysis
    assert (analysis.endpoint, analysis.visit, analysis.population, analysis.model) == (
        "vasi",
        "Week 12",
        "all",
        None,
    )
    assert protocol.data.patients == "patients.csv"
    assert protocol.report.style == "jama"
    assert not protocol.has_lesions
    assert protocol.endpoint("vasi").level == "patient"


def test_names_of_analyses_are_made_unique(minimal):
    minimal["analyses"] = [
        {"endpoint": "vasi"},
        {"endpoint": "vasi", "role": "sensitivity"},
        {"endpoint": "vasi"},
    ]
    protocol = Protocol.from_dict(minimal)
    assert [analysis.name for analysis in protocol.analyses] == ["vasi", "vasi (2)", "vasi (3)"]
    assert [analysis.role for analysis in protocol.analyses] == ["primary", "sensitivity", "secondary"]
    assert Protocol.from_dict(protocol.to_dict()) == protocol


@pytest.mark.parametrize(
    ("keys", "better", "low", "high", "unit"),
    [
        ({"derive": "value"}, False, 0.0, 100.0, "VASI points"),
        ({"derive": "change"}, False, -100.0, 100.0, "VASI points"),
        ({"derive": "percent-change"}, False, -100.0, None, "%"),
        ({"derive": "responder", "threshold": {"at_most": 5}}, True, 0.0, 1.0, ""),
        ({"derive": "grade", "cutpoints": [5, 10]}, False, 0.0, 2.0, ""),
    ],
)
def test_range_direction_and_unit_follow_the_derivation(minimal, keys, better, low, high, unit):
    minimal["endpoints"][0] = {"name": "vasi", "instrument": "vasi", "column": "VASI", **keys}
    if "cutpoints" in keys:
        minimal["endpoints"][0] |= {"instrument": "ves", "direction": "lower is better"}
        del minimal["endpoints"][0]["instrument"]
    facts = Protocol.from_dict(minimal).endpoint("vasi")
    assert (facts.higher_is_better, facts.minimum, facts.maximum, facts.unit) == (better, low, high, unit)


def test_a_responder_to_a_percent_change_meets_the_good_outcome(minimal):
    minimal["endpoints"] += [
        {"name": "pct", "from": "vasi0", "derive": "percent-change"},
        {"name": "vasi50", "from": "pct", "threshold": {"at_most": -50}},
        {"name": "vasi0", "instrument": "vasi", "column": "VASI"},
    ]
    facts = Protocol.from_dict(minimal).endpoint("vasi50")
    assert facts.derive == "responder"
    assert facts.higher_is_better
    assert [step.name for step in facts.chain] == ["vasi0", "pct", "vasi50"]
    assert facts.describe().endswith("(responder: at most −50 %), by patient.")


def test_percent_repigmentation_from_an_area(minimal):
    minimal["endpoints"][0] = {
        "name": "repig",
        "column": "AREA",
        "derive": "percent-repigmentation",
        "unit": "cm²",
    }
    facts = Protocol.from_dict(minimal).endpoint("repig")
    assert (facts.minimum, facts.maximum, facts.unit, facts.higher_is_better) == (None, 100.0, "%", True)
    assert facts.has_baseline  # the area before treatment
    assert facts.measured.minimum == 0.0


def test_a_recorded_grade(minimal):
    minimal["endpoints"][0] = {"name": "g", "instrument": "repigmentation-grade", "column": "GRADE"}
    facts = Protocol.from_dict(minimal).endpoint("g")
    assert (facts.derive, facts.scale, facts.grades) == ("grade", "ordinal", ("G0", "G1", "G2", "G3", "G4"))
    assert not facts.has_baseline


def test_a_responder_to_a_recorded_grade_is_described_by_its_label(minimal):
    minimal["endpoints"] = [
        {"name": "g", "instrument": "repigmentation-grade", "column": "GRADE"},
        {"name": "good", "from": "g", "threshold": {"at_least": 3}},
    ]
    assert (
        Protocol.from_dict(minimal).endpoint("good").describe()
        == "good (responder: at least G3), by patient."
    )


# ------------------------------------------------------------------------------------------ unknown keys


@pytest.mark.parametrize(
    ("path", "key", "near", "place"),
    [
        ((), "analysis", "analyses", "[analysis]"),
        (("trial",), "desgin", "design", "[trial]"),
        (("conduct",), "blindng", "blinding", "[conduct]"),
        (("visits", 1), "windw", "window", "number 2 ('Week 12')"),
        (("data",), "assesments", "assessments", "[data]"),
        (("data", "columns"), "pateint", "patient", "[data.columns]"),
        (("covariates", 0), "level_s", "levels", "('body_site')"),
        (("populations", 0), "exclude-reason", "exclude_reason", "('per protocol')"),
        (("endpoints", 0), "instrumnt", "instrument", "('repigmentation')"),
        (("endpoints", 2, "threshold"), "abov", "above", "('responder75')"),
        (("analyses", 0), "endpoit", "endpoint", "('repigmentation')"),
        (("analyses", 0, "estimand"), "treatmnt", "treatment", "'estimand'"),
        (("analyses", 0, "estimand", "intercurrent_events", 0), "stratgy", "strategy", "number 1"),
        (("report",), "styl", "style", "[report]"),
    ],
)
def test_an_unknown_key_names_the_nearest_known_one_and_its_place(tables, path, key, near, place):
    table = tables
    for step in path:
        table = table[step]
    if key == "abov":
        table.clear()
    table[key] = "x"
    (problem,) = problems_of(tables)
    assert f"unknown key '{key}'; nearest known: '{near}'" in problem
    assert place in problem


def test_unknown_keys_do_not_hide_contradictions(tables):
    tables["report"]["styl"] = "jama"
    tables["analyses"][0]["visit"] = "Week 25"
    found = problems_of(tables)
    assert len(found) == 2
    assert any("'styl'" in problem for problem in found)
    assert any("unknown visit 'Week 25'; nearest known: 'Week 24'" in problem for problem in found)


# ------------------------------------------------------------------------------------------ wrong types


@pytest.mark.parametrize(
    ("path", "value", "named"),
    [
        (("trial", "design"), "crossover", "'parallel' or 'within-patient'"),
        (("trial", "id"), 42, "string"),
        (("visits", 1, "week"), "12", "number"),
        (("visits", 0, "baseline"), 1, "boolean"),
        (("visits", 1, "window"), [10], "missing"),
        (("analyses", 0, "alpha"), 0.7, "0.5"),
        (("analyses", 0, "alpha"), 0, "0"),
        (("analyses", 0, "sided"), 3, "1 or 2"),
        (("analyses", 0, "margin"), -10, "greater than 0"),
        (("analyses", 0, "df_method"), "kr", "'kenward-roger-linear'"),
        (("analyses", 0, "fallback"), "x", "list"),
        (("endpoints", 0, "derive"), "delta", "'percent-change'"),
        (("covariates", 1, "kind"), "integer", "'numeric' or 'categorical'"),
        (("conduct", "data_origin"), "real", "'observed'"),
        (("report", "style"), "bmj", "'lancet'"),
        (("arms", "Laser"), "laser", "list of components"),
        (("arms", "Laser"), ["laser", "laser"], "twice"),
        (("endpoints", 2, "threshold"), {}, "one limit is needed"),
    ],
)
def test_a_wrong_value_names_its_key_and_what_was_expected(tables, path, value, named):
    table = tables
    for step in path[:-1]:
        table = table[step]
    table[path[-1]] = value
    problems = problems_of(tables)
    assert any(str(path[-1]) in problem and named in problem for problem in problems)


def test_several_wrong_values_are_listed_together(tables):
    tables["trial"]["design"] = "crossover"
    tables["visits"][1]["week"] = "12"
    tables["report"]["style"] = "bmj"
    assert len(problems_of(tables)) == 3


@pytest.mark.parametrize("key", ["trial", "components", "arms", "visits", "endpoints"])
def test_a_missing_table_is_named(tables, key):
    del tables[key]
    assert any(problem.startswith((f"[{key}]", f"[[{key}]]")) for problem in problems_of(tables))


# ------------------------------------------------------------------------------------------ cross-checks


def set_at(tables, path, value):
    changed = copy.deepcopy(tables)
    table = changed
    for step in path[:-1]:
        table = table[step]
    table[path[-1]] = value
    return changed


@pytest.mark.parametrize(
    ("path", "value", "key", "named"),
    [
        (("arms", "PRP"), ["prpp"], "[arms], key 'PRP'", "nearest known: 'prp'"),
        (("arms", "PRP"), ["laser"], "[arms]", "'Laser' and 'PRP' have the same components"),
        (("components", "week"), "x", "[components], key 'week'", "every endpoint has"),
        (("components", "la ser"), "x", "[components], key 'la ser'", "model formula"),
        (("visits", 1, "baseline"), True, "key 'baseline'", "at most one"),
        (("visits", 1, "week"), 30, "'Week 24', key 'week'", "does not follow"),
        (("visits", 1, "window"), [13, 14], "key 'window'", "does not hold"),
        (("visits", 0, "week"), 3, "'Baseline', key 'week'", "treatment starts in week 0"),
        (("visits", 2, "name"), "Week 12", "[[visits]]", "2 are called 'Week 12'"),
        (("covariates", 0, "levels"), None, "key 'levels'", "declares its levels"),
        (("covariates", 0, "levels"), ["face", "face"], "key 'levels'", "2 times"),
        (("covariates", 1, "levels"), ["a", "b"], "key 'levels'", "has no levels"),
        (("covariates", 1, "name"), "change", "key 'name'", "every endpoint has"),
        (("covariates", 1, "name"), "laser", "key 'name'", "a component is called so"),
        (("populations", 0, "name"), "all", "[[populations]]", "always exists"),
        (("populations", 0, "where"), "sessions_done >=", "key 'where'", "no query"),
        (("populations", 0, "where"), "__import__('os').system('x')", "key 'where'", "uses .system"),
        (("populations", 0, "where"), "5 > 3", "key 'where'", "names no column"),
        (
            ("endpoints", 0, "instrument"),
            "percent-repigmentatoin",
            "key 'instrument'",
            "percent-repigmentation",
        ),
        (("endpoints", 0, "instrument"), None, "key 'direction'", "without an instrument"),
        (("endpoints", 0, "items"), {"area": "A"}, "keys 'column', 'items', 'from'", "exactly one"),
        (("endpoints", 0, "column"), None, "keys 'column', 'items', 'from'", "none of them"),
        (("endpoints", 0, "derive"), "change", "key 'derive'", "needs a value before treatment"),
        (("endpoints", 0, "direction"), "lower is better", "key 'direction'", "contradicts"),
        (("endpoints", 1, "from"), "repigmantation", "key 'from'", "nearest known: 'repigmentation'"),
        (("endpoints", 1, "from"), "grade", "key 'from'", "circle"),
        (("endpoints", 1, "cutpoints"), [0, 50, 25], "key 'cutpoints'", "[0, 50, 25] do not increase"),
        (("endpoints", 1, "cutpoints"), [25, 25], "key 'cutpoints'", "do not increase"),
        (("endpoints", 1, "cutpoints"), [], "key 'cutpoints'", "at least one"),
        (("endpoints", 1, "cutpoints"), [0, 250], "key 'cutpoints'", "outside the range"),
        (("endpoints", 1, "threshold"), {"above": 3}, "key 'threshold'", "belongs to derive"),
        (
            ("endpoints", 1, "baseline"),
            "none",
            "key 'baseline'",
            "belongs to the endpoint that reads the data",
        ),
        (("endpoints", 2, "threshold"), None, "key 'threshold'", "needs one"),
        (("endpoints", 2, "threshold"), {"above": 750}, "key 'threshold'", "outside the range"),
        (("endpoints", 2, "from"), "grade", None, None),
        (("endpoints", 0, "level"), "patient", "key 'endpoint'", "one value a patient"),
        (("analyses", 0, "endpoint"), "repigmantation", "key 'endpoint'", "nearest known: 'repigmentation'"),
        (("analyses", 0, "population"), "per-protocol", "key 'population'", "nearest known: 'per protocol'"),
        (("analyses", 0, "visit"), "Baseline", "key 'visit'", "before treatment"),
        (
            ("analyses", 0, "comparisons"),
            [["Laser + PRP", "laser"]],
            "key 'comparisons'",
            "nearest known: 'Laser'",
        ),
        (("analyses", 0, "comparisons"), [["Laser", "Laser"]], "key 'comparisons'", "with itself"),
        (("analyses", 0, "margin"), None, "key 'margin_source'", "no margin"),
        (("analyses", 0, "role"), "secondary", "key 'role'", "exactly one analysis is primary"),
        (("data", "columns", "visit"), "USUBJID", "[data.columns]", "both read from 'USUBJID'"),
        (("data", "columns", "value"), "AVAL", "[data.columns], key 'value'", "'parameter'"),
        (("data", "columns", "parameter"), "PARAMCD", "[data.columns], key 'value'", "needed beside"),
        (("data", "assessments_where"), "f(x)", "key 'assessments_where'", "calls a function"),
        (("data", "sheets"), {"patinets": "x"}, "[data.sheets]", "nearest known: 'patients'"),
    ],
)
def test_contradictions_name_their_key(tables, path, value, key, named):
    changed = set_at(tables, path, value)
    if value is None:
        table = changed
        for step in path[:-1]:
            table = table[step]
        del table[path[-1]]
    if key is None:  # a responder to a grade by its number is no contradiction: "at least G3"
        changed["endpoints"][2]["threshold"] = {"at_least": 3}
        assert Protocol.from_dict(changed).endpoint("responder75").scale == "binary"
        return
    assert any(key in problem and named in problem for problem in problems_of(changed))


def test_a_nominal_instrument_is_no_endpoint(tables):
    tables["endpoints"][0]["instrument"] = "repigmentation-pattern"
    assert any("categories without an order" in problem for problem in problems_of(tables))


def test_items_must_be_the_instruments(tables):
    tables["endpoints"] = [
        {"name": "f", "instrument": "f-vasi", "items": {"face_hand_unit": "HU"}, "level": "lesion"}
    ]
    tables["analyses"] = [{"endpoint": "f"}]
    found = problems_of(tables)
    assert any(
        "unknown item 'face_hand_unit'; nearest known: 'face_hand_units'" in problem for problem in found
    )
    assert any("'face_depigmentation' of 'f-vasi' is missing" in problem for problem in found)


def test_lesion_levels_need_lesions(minimal):
    minimal["endpoints"][0]["level"] = "lesion"
    minimal["covariates"] = [{"name": "site", "level": "lesion", "kind": "categorical", "levels": ["a", "b"]}]
    found = problems_of(minimal)
    assert len([problem for problem in found if "there are no lesions in this trial" in problem]) == 2


# ------------------------------------------------------------------------------------------ the file itself


def test_a_missing_file_is_named_in_full(tmp_path):
    path = tmp_path / ("deep" * 30) / "trial.toml"
    with pytest.raises(ProtocolError) as caught:
        read_protocol(path)
    assert str(path) in str(caught.value)


def test_broken_toml_names_line_and_column(tmp_path):
    (tmp_path / "trial.toml").write_text("[trial]\nid = \n", encoding="utf-8")
    with pytest.raises(ProtocolError, match="line 2"):
        read_protocol(tmp_path / "trial.toml")


def test_another_encoding_is_said(tmp_path):
    (tmp_path / "trial.toml").write_bytes('[trial]\ntitle = "Größe"\n'.encode("cp1252"))
    with pytest.raises(ProtocolError, match="not UTF-8"):
        read_protocol(tmp_path / "trial.toml")


def test_a_byte_order_mark_is_no_obstacle(tmp_path):
    (tmp_path / "trial.toml").write_bytes(b"\xef\xbb\xbf" + EXAMPLE.read_bytes())
    assert read_protocol(tmp_path / "trial.toml") == read_protocol(EXAMPLE)


def test_looking_up_unknown_names(protocol):
    with pytest.raises(ProtocolError, match="nearest known: 'repigmentation'"):
        protocol.endpoint("repigmentatio")
    with pytest.raises(ProtocolError, match="nearest known: 'per protocol'"):
        protocol.population("per_protocol")
    with pytest.raises(ProtocolError, match="unknown analysis"):
        protocol.analysis("x")
    assert protocol.population("all") is None
