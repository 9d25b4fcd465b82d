"""The marginal likelihood: against dense integration, and its exact slopes against differences of itself."""

import numpy as np
import pytest
from scipy import integrate, stats

from analyses.engine.clustered_rows import gather, random_part, unique_rows
from analyses.links.cumulative_link import LINKS, rows_of_model
from analyses.links.marginal_likelihood import MarginalModel, evaluate_modes, log_likelihood
from analyses.links.quadrature import adaptive_rule, normal_rule
from analyses.links.random_effects_likelihood import block_slopes
from analyses.links.response_likelihood import Beta, Binomial, Cumulative, NegativeBinomial, Poisson
from outcomes.errors import FormulaError

PATIENTS, LESIONS, VISITS = 7, 3, 2
RNG = np.random.default_rng(20261122)
SEEN = RNG.random(PATIENTS * LESIONS * VISITS) < 0.9
PATIENT = np.repeat(np.arange(PATIENTS), LESIONS * VISITS)[SEEN]
LESION = np.unique(np.arange(PATIENTS * LESIONS).repeat(VISITS)[SEEN], return_inverse=True)[1]
N = len(PATIENT)
ONE = np.ones((N, 1))
X = np.column_stack([RNG.normal(size=N), RNG.integers(0, 2, N)])
GRADES = RNG.integers(0, 4, N)
COUNTS = RNG.poisson(2, N).astype(float)
FRACTIONS = RNG.beta(2, 3, N)
WEIGHTS = RNG.integers(1, 3, N).astype(float)

TERMS = {
    "intercept": (random_part([ONE], [PATIENT], [True], ["(1 | p)"]), [0.8]),
    "slope alone": (random_part([X[:, 1:] + 0.5], [PATIENT], [True], ["(0 + x | p)"]), [0.7]),
    "nested": (random_part([ONE, ONE], [PATIENT, LESION], [True, True], ["(1 | p)", "(1 | l)"]), [0.8, 0.5]),
    "correlated": (
        random_part([np.column_stack([ONE, X[:, 0]]), ONE], [PATIENT, LESION], [True, True], ["a", "b"]),
        [0.8, 0.3, 0.4, 0.5],
    ),
    "uncorrelated": (random_part([np.column_stack([ONE, X[:, 0]])], [PATIENT], [False], ["a"]), [0.8, 0.4]),
}


def grades(link):
    rows = rows_of_model(GRADES, 4, X, np.ones((N, 1)))
    offset = (np.where(rows.has_upper, 0.0, np.inf), np.where(rows.has_lower, 0.0, -np.inf))
    likelihood = Cumulative(LINKS[link], rows.has_upper, rows.has_lower)
    fixed = np.array([-1.0, 0.3, 1.2, 0.4, -0.2])
    return likelihood, (rows.upper, rows.lower), offset, GRADES[:, None].astype(float), fixed


def others(family):
    design, offset = np.column_stack([ONE, X]), np.full(N, 0.2)
    with_own = (np.column_stack([design, np.zeros(N)]), np.column_stack([0 * design, ONE]))
    fixed = np.array([0.1, 0.2, 0.3])
    own = np.append(fixed, 0.7)
    return {
        "binomial": (
            Binomial.of(LINKS["logit"], np.minimum(COUNTS, 3), np.full(N, 4.0)),
            (design,),
            (offset,),
            COUNTS[:, None],
            fixed,
        ),
        "poisson": (Poisson(COUNTS), (design,), (offset,), COUNTS[:, None], fixed),
        "negative-binomial": (
            NegativeBinomial(COUNTS),
            with_own,
            (offset, 0 * offset),
            COUNTS[:, None],
            own,
        ),
        "beta": (
            Beta(np.log(FRACTIONS), np.log1p(-FRACTIONS)),
            with_own,
            (offset, 0 * offset),
            FRACTIONS[:, None],
            own,
        ),
    }[family]


def model_of(problem, term, nodes, weights=WEIGHTS):
    likelihood, design, offset, response, fixed = problem
    random, covariance = TERMS[term]
    rows = gather(likelihood, design, offset, response, weights, random)
    return MarginalModel(rows, nodes, np.eye(len(fixed)), np.ones(len(covariance))), np.concatenate(
        [fixed, covariance]
    )


def slopes(model, parameters):
    found = evaluate_modes(model, parameters, None)
    parts = [
        (block.count, block_slopes(block, at, parameters[: model.n_fixed], model.rule))
        for block, at in zip(model.rows.blocks, found, strict=True)
    ]
    return sum(count @ part.gradient for count, part in parts), sum(part.hessian for _, part in parts)


CASES = [
    *((grades(link), term, nodes) for link in LINKS for term, nodes in (("intercept", 7), ("nested", 1))),
    *((grades("logit"), term, nodes) for term, nodes in (("intercept", 1), ("slope alone", 9))),
    *((grades("probit"), term, 1) for term in ("correlated", "uncorrelated")),
    *(
        (others(family), term, nodes)
        for family in ("binomial", "poisson", "negative-binomial", "beta")
        for term, nodes in (("intercept", 9), ("correlated", 1))
    ),
]


@pytest.mark.parametrize(("problem", "term", "nodes"), CASES)
def test_gradient_and_hessian_are_exact(problem, term, nodes):
    model, parameters = model_of(problem, term, nodes)
    gradient, hessian = slopes(model, parameters)
    step = 1e-5
    for at, unit in enumerate(np.eye(len(parameters)) * step):
        rise = log_likelihood(model, parameters + unit) - log_likelihood(model, parameters - unit)
        bend = slopes(model, parameters + unit)[0] - slopes(model, parameters - unit)[0]
        # central differences of a value of 100 and of slopes up to 100: eps / h and h^2
        assert gradient[at] == pytest.approx(rise / (2 * step), rel=1e-6, abs=1e-6)
        np.testing.assert_allclose(hessian[at], bend / (2 * step), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("link", ["logit", "cloglog", "cauchit"])
def test_many_nodes_give_the_integral(link):
    likelihood, design, offset, response, fixed = grades(link)
    model, parameters = model_of((likelihood, design, offset, response, fixed), "intercept", 40, np.ones(N))
    total = 0.0
    for patient in range(PATIENTS):
        mine = np.flatnonzero(patient == PATIENT)

        def integrand(u, mine=mine):
            ends = [
                part[mine] @ fixed + shift[mine] - 0.8 * u for part, shift in zip(design, offset, strict=True)
            ]
            return np.exp(likelihood.take(mine).value(tuple(ends)).sum()) * stats.norm.pdf(u)

        total += np.log(integrate.quad(integrand, -12, 12, epsabs=0, epsrel=1e-11, limit=500)[0])
    # The cauchit integrand has heavy shoulders, for which 40 nodes are right to about 1e-5.
    assert log_likelihood(model, parameters) == pytest.approx(total, rel=1e-5 if link == "cauchit" else 1e-8)


def test_nested_laplace_is_exact_where_the_integrand_is_nearly_normal():
    # Poisson means in the thousands make the integrand normal; the double integral over one patient is done by hand.
    patient, lesion = np.zeros(4, dtype=int), np.array([0, 0, 1, 1])
    counts, one = np.array([4000.0, 4100, 3900, 3950]), np.ones((4, 1))
    random = random_part([one, one], [patient, lesion], [True] * 2, "ab")
    rows = gather(Poisson(counts), (one,), (np.zeros(4),), counts[:, None], np.ones(4), random)
    model = MarginalModel(rows, 1, np.eye(1), np.ones(2))
    sd_patient, sd_lesion, level = 0.3, 0.2, np.log(4000)
    at, grid = np.linspace(-0.9, 0.9, 601), np.linspace(-1.2, 1.2, 2401)  # the patient's, the lesion's effect
    joint = stats.norm.logpdf(at, scale=sd_patient)
    for which in (0, 1):
        mine = counts[lesion == which]
        prior = stats.norm.logpdf(grid, scale=sd_lesion)
        log = (
            prior[None]
            + mine.sum() * (level + at[:, None] + grid[None])
            - len(mine) * np.exp(level + at[:, None] + grid[None])
            - sum(np.log(np.arange(1, int(c) + 1)).sum() for c in mine)
        )
        top = log.max(axis=1)
        joint = joint + top + np.log(np.trapezoid(np.exp(log - top[:, None]), grid, axis=1))
    wanted = joint.max() + np.log(np.trapezoid(np.exp(joint - joint.max()), at))
    found = log_likelihood(model, np.array([level, sd_patient, sd_lesion]))
    assert found == pytest.approx(wanted, abs=1e-4)  # Laplace's error is of the order 1 / mean


def test_merged_rows_and_clusters_change_nothing():
    # Every patient twice is the sum of two equal halves, and costs no more blocks.
    likelihood, design, offset, response, fixed = grades("logit")
    model, parameters = model_of((likelihood, design, offset, response, fixed), "intercept", 7)
    both = np.concatenate([np.arange(N), np.arange(N)])
    random = random_part(
        [np.ones((2 * N, 1))], [np.concatenate([PATIENT, PATIENT + PATIENTS])], [True], ["(1 | p)"]
    )
    rows = gather(
        likelihood.take(both),
        tuple(part[both] for part in design),
        tuple(part[both] for part in offset),
        response[both],
        WEIGHTS[both],
        random,
    )
    twice = MarginalModel(rows, 7, np.eye(len(fixed)), np.ones(1))
    assert sum(len(block.count) for block in rows.blocks) == sum(
        len(block.count) for block in model.rows.blocks
    )
    assert log_likelihood(twice, parameters) == pytest.approx(
        2 * log_likelihood(model, parameters), rel=1e-13
    )


def test_the_sign_of_a_factors_column_changes_nothing():
    model, parameters = model_of(grades("logit"), "correlated", 1)
    turned = parameters.copy()
    turned[5:7] *= -1  # the first column of the patient's factor
    assert log_likelihood(model, turned) == pytest.approx(log_likelihood(model, parameters), rel=1e-13)


def test_without_variance_the_clusters_do_not_matter():
    problem = grades("logit")
    model, parameters = model_of(problem, "intercept", 7)
    parameters[-1] = 0.0
    likelihood, design, offset, response, fixed = problem
    plain = MarginalModel(
        gather(likelihood, design, offset, response, WEIGHTS, None), 1, np.eye(len(fixed)), np.zeros(0)
    )
    assert log_likelihood(model, parameters) == pytest.approx(log_likelihood(plain, fixed), rel=1e-13)


def test_crossed_effects_are_refused_with_the_way_out():
    rater = np.arange(N) % 3
    with pytest.raises(FormulaError, match="crossed random effects") as error:
        random_part([ONE, ONE], [PATIENT, rater], [True, True], ["(1 | patient)", "(1 | rater)"])
    assert "fixed effects" in str(error.value)


def test_rules_integrate_polynomials():
    rule = normal_rule(9)
    weight = np.exp(rule.log_weights)
    # moments of the standard normal distribution: 1, 0, 1, 0, 3, ..., 15
    for power, moment in ((0, 1), (1, 0), (2, 1), (4, 3), (6, 15), (8, 105)):
        assert weight @ rule.nodes**power == pytest.approx(moment, abs=1e-10)
    adaptive = adaptive_rule(9)
    plain = np.exp(adaptive.log_weights - adaptive.nodes**2 / 2)
    np.testing.assert_allclose(plain, weight, rtol=1e-12)
    assert adaptive_rule(1).log_weights == pytest.approx(0.0)  # Laplace


def test_rows_of_a_kind_are_found_exactly():
    matrix = np.array([[1.0, np.inf], [2.0, 0.0], [1.0, np.inf], [np.nextafter(1.0, 2.0), np.inf]])
    first, kind = unique_rows(matrix)
    assert len(first) == 3
    np.testing.assert_array_equal(matrix[first][kind], matrix)


def test_many_clusters_in_several_blocks_add_up():
    rng = np.random.default_rng(6)
    patients = np.repeat(np.arange(2500), 4)
    design = np.column_stack([np.ones(10_000), rng.normal(size=10_000)])
    counts = rng.poisson(1.5, 10_000).astype(float)

    def total(keep):
        random = random_part(
            [np.ones((keep.sum(), 1))], [patients[keep] - patients[keep].min()], [True], ["a"]
        )
        zero = np.zeros(int(keep.sum()))
        own = (design[keep],)
        rows = gather(Poisson(counts[keep]), own, (zero,), counts[keep][:, None], zero + 1, random)
        model = MarginalModel(rows, 7, np.eye(2), np.ones(1))
        return len(rows.blocks), log_likelihood(model, np.array([0.2, 0.1, 0.6]))

    blocks, whole = total(patients >= 0)
    halves = [total(patients < 900)[1], total(patients >= 900)[1]]
    assert blocks > 1
    assert whole == pytest.approx(sum(halves), rel=1e-13)
