"""Graphical procedures against the closed test, Holm and fixed sequences."""

from itertools import combinations

import numpy as np
import pytest

from analyses.means.graphical import GraphicalProcedure
from analyses.multiplicity import adjust_p_values
from outcomes.errors import ModelError


def closed_test(procedure: GraphicalProcedure, p: np.ndarray) -> np.ndarray:
    """Adjusted p-values by brute force: the largest weighted Bonferroni p of all intersections that hold each one."""
    k = len(p)
    adjusted = np.zeros(k)
    for size in range(1, k + 1):
        for kept in combinations(range(k), size):
            weights = procedure.weights_without(
                name for at, name in enumerate(procedure.names) if at not in kept
            )
            smallest = min((p[at] / weights[at] if weights[at] > 0 else np.inf) for at in kept)
            for at in kept:
                adjusted[at] = max(adjusted[at], min(1.0, smallest))
    return adjusted


def random_graph(rng: np.random.Generator, k: int) -> GraphicalProcedure:
    weights = rng.dirichlet(np.ones(k)) * rng.choice([1.0, 0.8])
    weights[rng.random(k) < 0.3] = 0.0
    rows = rng.random((k, k)) * (rng.random((k, k)) < 0.7)
    np.fill_diagonal(rows, 0.0)
    size = rows.sum(axis=1, keepdims=True)
    rows = np.divide(rows, size, out=np.zeros_like(rows), where=size > 0) * rng.choice([1.0, 0.7], (k, 1))
    return GraphicalProcedure(weights, rows)


def test_shortcut_is_the_closed_test():
    rng = np.random.default_rng(8)
    for _ in range(40):
        k = int(rng.integers(2, 6))
        procedure, p = random_graph(rng, k), rng.random(k) ** 3
        expected = closed_test(procedure, p)
        np.testing.assert_allclose(procedure.adjusted_p_values(p), expected, rtol=1e-10)
        for alpha in (0.01, 0.05, 0.3):
            found = procedure.test(p, alpha)
            assert list(found.rejected) == (expected <= alpha).tolist()
            assert set(found.order) == {n for n, yes in zip(found.names, found.rejected, strict=True) if yes}


def test_order_of_rejection_does_not_change_the_weights():
    rng = np.random.default_rng(2)
    procedure = random_graph(rng, 5)
    one = procedure.weights_without(["H1", "H4", "H2"])
    np.testing.assert_allclose(one, procedure.weights_without(["H2", "H1", "H4"]), atol=1e-14)
    assert one.sum() <= 1 + 1e-12


def test_holm_and_fixed_sequence_are_graphs():
    rng = np.random.default_rng(3)
    for k in (1, 2, 5):
        names = [f"endpoint {at}" for at in range(k)]
        p = rng.random(k) ** 2
        np.testing.assert_allclose(
            GraphicalProcedure.holm(names).adjusted_p_values(p), adjust_p_values(p, "holm"), rtol=1e-12
        )
        np.testing.assert_allclose(
            GraphicalProcedure.fixed_sequence(names).adjusted_p_values(p),
            np.maximum.accumulate(p),
            rtol=1e-12,
        )
    assert adjust_p_values([0.01, 0.04, 0.02], "fixed-sequence").tolist() == [0.01, 0.04, 0.04]


def test_parallel_gatekeeping_by_hand():
    """Two primary hypotheses at alpha / 2, each with a secondary one behind it, which passes to the other primary."""
    procedure = GraphicalProcedure(
        {"P1": 0.5, "P2": 0.5, "S1": 0, "S2": 0},
        {"P1": {"S1": 1}, "P2": {"S2": 1}, "S1": {"P2": 1}, "S2": {"P1": 1}},
    )
    # P1 falls at 2 x 0.01; S1 then has 0.5: 2 x 0.02; P2 then has all of alpha: 0.045; S2 likewise: 0.03 -> 0.045
    adjusted = adjust_p_values({"S1": 0.02, "P1": 0.01, "S2": 0.03, "P2": 0.045}, procedure)
    assert adjusted == pytest.approx({"S1": 0.04, "P1": 0.02, "S2": 0.045, "P2": 0.045})
    found = procedure.test({"P1": 0.01, "P2": 0.06, "S1": 0.02, "S2": 0.001})
    assert found.order == ("P1", "S1")
    assert found.weights == (0, 1, 0, 0)
    assert "P2  adjusted p 0.0600  not rejected" in str(found)
    assert "passes on 1 to S1" in str(procedure)


def test_the_example_of_graphicalmcp():
    """Vignette "shortcut-testing" of R's graphicalMCP 0.2: H1, H2 and H4 are rejected at one-sided 0.025."""
    transitions = [[0, 0.5, 0.5, 0], [0.5, 0, 0, 0.5], [0, 1, 0, 0], [1, 0, 0, 0]]
    found = GraphicalProcedure([0.5, 0.5, 0, 0], transitions).test([0.018, 0.01, 0.105, 0.006], alpha=0.025)
    assert found.rejected == (True, True, False, True)
    # by hand: 0.01 / 0.5, then 0.018 / 0.75, which H4 cannot undercut; H3 has all weight at last
    assert found.adjusted == pytest.approx((0.024, 0.02, 0.105, 0.024))


def test_what_cannot_be_tested_passes_nothing_on():
    gate = GraphicalProcedure.fixed_sequence(["first", "second", "third"])
    np.testing.assert_array_equal(gate.adjusted_p_values([0.01, np.nan, 0.001]), [0.01, np.nan, 1.0])
    np.testing.assert_array_equal(
        adjust_p_values([0.01, np.nan, 0.001], "fixed-sequence"), [0.01, np.nan, 1.0]
    )
    np.testing.assert_allclose(adjust_p_values([0.01, np.nan, 0.02], "holm"), [0.02, np.nan, 0.02])


def test_familywise_error_is_kept_under_the_global_null():
    rng = np.random.default_rng(9)
    procedure = random_graph(rng, 4)
    false = sum(any(procedure.test(rng.random(4), 0.2).rejected) for _ in range(1500))
    # independent p-values: at most alpha, and not far below it; four binomial standard errors
    assert false / 1500 <= 0.2 + 4 * np.sqrt(0.2 * 0.8 / 1500)


@pytest.mark.parametrize(
    ("weights", "transitions", "match"),
    [
        ([0.7, 0.7], [[0, 1], [1, 0]], "more than alpha"),
        ([0.5, 0.5], [[0.5, 0.5], [1, 0]], "to itself"),
        ([0.5, 0.5], [[0, 1], [1, 0], [0, 0]], "a row and a column"),
        ([0.5, 0.3, 0.2], [[0, 0.8, 0.8], [1, 0, 0], [0, 1, 0]], "more than its weight"),
        ([0.5, -0.5], [[0, 1], [1, 0]], "outside 0 to 1"),
        ([0.5, "x"], [[0, 1], [1, 0]], "not numbers"),
        ({"a": 0.5, "b": 0.5}, {"a": {"c": 1.0}}, "unknown hypothesis"),
        ([], [], "name of its own"),
    ],
)
def test_what_is_no_graph_is_refused(weights, transitions, match):
    with pytest.raises(ModelError, match=match):
        GraphicalProcedure(weights, transitions)


def test_what_is_no_p_value_is_refused():
    procedure = GraphicalProcedure.holm(["a", "b"])
    with pytest.raises(ModelError, match="one p-value a hypothesis"):
        procedure.adjusted_p_values([0.1])
    with pytest.raises(ModelError, match="no probability"):
        procedure.adjusted_p_values([0.1, 1.2])
    with pytest.raises(ModelError, match="not of the procedure"):
        adjust_p_values({"a": 0.1, "c": 0.2}, procedure)
    with pytest.raises(ModelError, match="no probability"):
        adjust_p_values([-0.1], "holm")
    with pytest.raises(ModelError, match="contrasts"):
        adjust_p_values([0.1], "tukey")
    with pytest.raises(ModelError, match="alpha"):
        procedure.test([0.1, 0.2], alpha=0)
