"""Rows' log-likelihoods: against scipy's distributions, and each derivative against differences of the one below."""

import numpy as np
import pytest
from scipy import stats

from analyses.links.cumulative_link import LINKS
from analyses.links.response_likelihood import Beta, Binomial, Cumulative, NegativeBinomial, Poisson

DISTRIBUTIONS = {
    "logit": stats.logistic,
    "probit": stats.norm,
    "cloglog": stats.gumbel_l,
    "loglog": stats.gumbel_r,
    "cauchit": stats.cauchy,
}
UPPER = np.array([0.5, 1.2, np.inf, -0.3, 2.0, 0.1])
LOWER = np.array([-0.4, 0.3, 0.2, -np.inf, -1.0, -3.0])
SUCCESSES, TRIALS = np.array([0.0, 1, 2, 5, 3, 1]), np.array([1.0, 1, 4, 5, 7, 2])
COUNTS = np.array([0.0, 1, 2, 7, 3, 12])
FRACTIONS = np.array([0.02, 0.3, 0.5, 0.71, 0.9, 0.97])
ETA = np.array([-1.1, 0.3, 0.8, 1.4, -0.2, 2.1])
DISPERSION = np.array([0.4, -0.7, 1.9, 0.2, 2.4, 1.0])


def families():
    for name, link in LINKS.items():
        ends = (np.isfinite(UPPER), np.isfinite(LOWER))
        yield pytest.param(Cumulative(link, *ends), (UPPER, LOWER), id=f"grades {name}")
        yield pytest.param(Binomial.of(link, SUCCESSES, TRIALS), (ETA,), id=f"binomial {name}")
    yield pytest.param(Poisson(COUNTS), (ETA,), id="poisson")
    yield pytest.param(NegativeBinomial(COUNTS), (ETA, DISPERSION), id="negative binomial")
    yield pytest.param(Beta(np.log(FRACTIONS), np.log1p(-FRACTIONS)), (ETA, DISPERSION), id="beta")


STEP = 1e-5
CLOSE = {"rtol": 3e-7, "atol": 3e-8}  # central differences: h^2 and eps / h


def moved(predictors, at, step):
    return tuple(p + step if k == at else p for k, p in enumerate(predictors))


def along(rows, predictors, step):
    return tuple(p + step * c for p, c in zip(predictors, rows.direction, strict=True))


@pytest.mark.parametrize(("rows", "predictors"), list(families()))
def test_each_derivative_is_that_of_the_one_below(rows, predictors):
    value, first, second = rows.derivatives(predictors)
    third, fourth = rows.higher(predictors)
    np.testing.assert_allclose(value, rows.value(predictors), rtol=1e-13)
    for a in range(len(predictors)):
        up, down = moved(predictors, a, STEP), moved(predictors, a, -STEP)
        np.testing.assert_allclose(first[a], (rows.value(up) - rows.value(down)) / (2 * STEP), **CLOSE)
        above, below = rows.derivatives(up)[1], rows.derivatives(down)[1]
        ahead, behind = along(rows, predictors, STEP), along(rows, predictors, -STEP)
        for b in range(len(predictors)):
            np.testing.assert_allclose(second[a][b], (above[b] - below[b]) / (2 * STEP), **CLOSE)
            change = rows.derivatives(ahead)[2][a][b] - rows.derivatives(behind)[2][a][b]
            np.testing.assert_allclose(third[a][b], change / (2 * STEP), **CLOSE)
            change = rows.higher(ahead)[0][a][b] - rows.higher(behind)[0][a][b]
            np.testing.assert_allclose(fourth[a][b], change / (2 * STEP), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("link", LINKS)
def test_values_are_those_of_scipy(link):
    distribution = DISTRIBUTIONS[link]
    rows = Cumulative(LINKS[link], np.isfinite(UPPER), np.isfinite(LOWER))
    wanted = np.log(distribution.cdf(UPPER) - distribution.cdf(LOWER))
    np.testing.assert_allclose(rows.value((UPPER, LOWER)), wanted, rtol=1e-12)
    binomial = Binomial.of(LINKS[link], SUCCESSES, TRIALS)
    wanted = stats.binom.logpmf(SUCCESSES, TRIALS, distribution.cdf(ETA))
    np.testing.assert_allclose(binomial.value((ETA,)), wanted, rtol=1e-10)
    shares = np.array([0.01, 0.4, 0.97])
    np.testing.assert_allclose(LINKS[link].quantile(shares), distribution.ppf(shares), rtol=1e-12)


def test_counts_and_fractions_are_those_of_scipy():
    mu, size = np.exp(ETA), np.exp(DISPERSION)
    np.testing.assert_allclose(Poisson(COUNTS).value((ETA,)), stats.poisson.logpmf(COUNTS, mu), rtol=1e-12)
    wanted = stats.nbinom.logpmf(COUNTS, size, size / (size + mu))
    np.testing.assert_allclose(NegativeBinomial(COUNTS).value((ETA, DISPERSION)), wanted, rtol=1e-11)
    fraction = 1 / (1 + np.exp(-ETA))
    wanted = stats.beta.logpdf(FRACTIONS, fraction * size, (1 - fraction) * size)
    rows = Beta(np.log(FRACTIONS), np.log1p(-FRACTIONS))
    np.testing.assert_allclose(rows.value((ETA, DISPERSION)), wanted, rtol=1e-11)


@pytest.mark.parametrize("at", [-1e6, 1e6])
def test_cauchit_intervals_keep_their_digits_in_the_tails(at):
    # The density there is 1 / (pi x^2) to 1e-12, and the interval has length 1.
    found = LINKS["cauchit"].log_interval(np.array([at + 0.5]), np.array([at - 0.5]))
    np.testing.assert_allclose(found, -np.log(np.pi) - 2 * np.log(1e6), rtol=1e-12)


@pytest.mark.parametrize("link", ["logit", "probit", "cloglog"])
def test_slopes_of_hopeless_rows_are_finite(link):
    # so improbable that exp(-value) overflows: the end that is not there must not take part
    lower = np.array([{"logit": 900.0, "probit": 45.0, "cloglog": 7.5}[link]])
    rows = Cumulative(LINKS[link], np.array([False]), np.array([True]))
    value, first, second = rows.derivatives((np.array([np.inf]), lower))
    third, fourth = rows.higher((np.array([np.inf]), lower))
    assert value[0] < -745  # where exp(-value) is infinite
    squares = [*second, *third, *fourth]
    assert all(np.isfinite(part).all() for part in (*first, *(one for square in squares for one in square)))
