"""Contrast families against the tables of textbooks and their own defining properties."""

import numpy as np
import pytest

from analyses.contrasts import FamilyOptions, contrast_matrix, interaction_matrix
from outcomes.errors import ModelError

ARMS = ["Control", "Laser", "PRP", "Laser + PRP"]
# Fisher and Yates, Statistical Tables, table XXIII: orthogonal polynomials for 4, 5 and 6 levels
TABLES = {
    4: [[-3, -1, 1, 3], [1, -1, -1, 1], [-1, 3, -3, 1]],
    5: [[-2, -1, 0, 1, 2], [2, -1, -2, -1, 2], [-1, 2, 0, -2, 1], [1, -4, 6, -4, 1]],
    6: [[-5, -3, -1, 1, 3, 5], [5, -1, -4, -4, -1, 5], [-5, 7, 4, -4, -7, 5], [1, -3, 2, 2, -3, 1]],
}


@pytest.mark.parametrize("levels", sorted(TABLES))
def test_polynomials_are_those_of_the_tables(levels):
    names, matrix = contrast_matrix("poly", list(range(levels)))
    assert names[:3] == ("linear", "quadratic", "cubic")
    np.testing.assert_array_equal(matrix[: len(TABLES[levels])], TABLES[levels])
    assert len(contrast_matrix("polynomial", list(range(9)))[0]) == 6


def test_polynomials_at_unequal_spacing_are_orthonormal_and_see_their_own_degree_only():
    weeks = np.array([4.0, 12.0, 24.0, 52.0])
    for levels, spacing in (([f"Week {w:g}" for w in weeks], "numeric"), (["a", "b", "c", "d"], weeks)):
        _, matrix = contrast_matrix("poly", levels, spacing=spacing)
        np.testing.assert_allclose(matrix @ matrix.T, np.eye(3), atol=1e-12)
        for degree in range(1, 4):
            np.testing.assert_allclose(matrix[degree - 1 :] @ weeks ** (degree - 1), 0, atol=1e-9)
            assert matrix[degree - 1] @ weeks**degree > 0
    _, falling = contrast_matrix("poly", ["a", "b", "c"], spacing=[3, 2, 1])
    assert falling[0] @ [3, 2, 1] > 0


def test_directions_and_references():
    names, matrix = contrast_matrix("trt.vs.ctrl", ARMS, reference="PRP")
    assert names == ("Control - PRP", "Laser - PRP", "(Laser + PRP) - PRP")
    np.testing.assert_array_equal(matrix @ [0, 0, 1, 0], -1)
    names, turned = contrast_matrix("trt.vs.ctrl", ARMS, reference="PRP", reverse=True)
    assert names[0] == "PRP - Control"
    np.testing.assert_array_equal(turned, -matrix)
    assert contrast_matrix("consecutive", ["w4", "w12", "w24"])[0] == ("w12 - w4", "w24 - w12")
    assert contrast_matrix("pairwise", ["a", "b"], reverse=True)[0] == ("b - a",)


def test_effects_are_deviations_from_means():
    means = np.array([1.0, 5.0, 3.0, 11.0])
    np.testing.assert_allclose(contrast_matrix("eff", ARMS)[1] @ means, means - 5)
    np.testing.assert_allclose(
        contrast_matrix("del.eff", ARMS)[1] @ means, means - (20 - means) / 3, atol=1e-14
    )


def test_interactions_are_differences_of_differences():
    names, matrix = interaction_matrix(["pairwise", "consec"], [["A", "B"], ["w1", "w2"]], FamilyOptions())
    assert names == ("(A - B) : (w2 - w1)",)
    np.testing.assert_array_equal(matrix, [[-1, 1, 1, -1]])  # (A2 - A1) - (B2 - B1)


def test_weights_by_tuple_and_by_text():
    levels = [(a, v) for a in ("A", "B") for v in (4, 12)]
    _, by_tuple = contrast_matrix({"x": {("A", 12): 1, ("B", 12): -1}}, levels)
    _, by_text = contrast_matrix({"x": {"A, 12": 1, "B, 12": -1}}, levels)
    np.testing.assert_array_equal(by_tuple, [[0, 1, 0, -1]])
    np.testing.assert_array_equal(by_text, by_tuple)


@pytest.mark.parametrize(
    ("method", "options", "match"),
    [
        ("helmert", {}, "unknown contrast family"),
        ("pairwise", {"reference": "PRP"}, "reference is no option of pairwise"),
        ("poly", {"reverse": True}, "reverse is no option of poly"),
        ("consec", {"spacing": "numeric"}, "spacing is no option"),
        ("trt.vs.ctrl", {"reference": "Placebo"}, "unknown level"),
        ("poly", {"spacing": "numeric"}, "no single number"),
        ("poly", {"spacing": [1, 2, 2, 3]}, "number of its own"),
        ("poly", {"spacing": "equal"}, "unknown spacing"),
        ({"x": {"Placebo": 1}}, {}, "unknown level"),
        ({"x": {"Laser": "much"}}, {}, "not usable"),
        ({"x": {"Laser": float("nan")}}, {}, "not usable"),
        ({"x": {"Laser": 0}}, {}, "not usable"),
        ({"x": {}}, {}, "needs weights"),
        ({}, {}, "no contrast"),
        (["pairwise"], {}, "unknown contrast family"),
    ],
)
def test_what_is_no_family_is_refused(method, options, match):
    with pytest.raises(ModelError, match=match):
        contrast_matrix(method, ARMS, **options)


def test_one_level_has_nothing_to_compare():
    with pytest.raises(ModelError, match="nothing to compare"):
        contrast_matrix("pairwise", ["A"])
