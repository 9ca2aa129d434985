"""Tails of the number of triggers: enumeration, mpmath, simulation and limits."""

import itertools

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
from scipy import stats

from eqstat import InputError
from eqstat.detectability import approximate_log_tails, at_least, log_mass, log_tails


def enumerated(probability):
    """Probabilities of all numbers of triggers, outcome by outcome."""
    mass = np.zeros(len(probability) + 1)
    for outcome in itertools.product((False, True), repeat=len(probability)):
        mass[sum(outcome)] += np.prod(np.where(outcome, probability, 1 - probability))
    return mass


@pytest.mark.parametrize("devices", [1, 3, 8, 15])
def test_all_tails_are_those_of_enumeration(devices):
    probability = np.random.default_rng(devices).uniform(0, 1, devices) ** 3
    mass = enumerated(probability)
    np.testing.assert_allclose(np.exp(log_mass(probability)), mass, rtol=1e-9, atol=1e-15)
    for count in range(devices + 1):
        upper, lower = log_tails(probability, count)
        assert upper == pytest.approx(np.log(mass[count:].sum()), rel=1e-11, abs=1e-14)
        if count:
            assert lower == pytest.approx(np.log(mass[:count].sum()), rel=1e-11, abs=1e-14)


@pytest.mark.parametrize(("count", "share"), [(1, 0.5), (10, 0.5), (300, 1e-4), (4999, 0.01)])
def test_tails_far_below_the_smallest_float(count, share):
    n, k = 5000, count
    with mpmath.workdps(60):
        p = mpmath.mpf(share)
        mass = [mpmath.binomial(n, j) * p**j * (1 - p) ** (n - j) for j in range(n + 1)]
        upper, lower = (float(mpmath.log(mpmath.fsum(x))) for x in (mass[k:], mass[:k]))
    result = log_tails([share], k, devices=[n])
    assert result == pytest.approx((upper, lower), rel=1e-11, abs=1e-300)


@pytest.mark.long
def test_five_thousand_devices_against_a_million_draws():
    rng = np.random.default_rng(5)
    probability = rng.beta(0.3, 3, 5000)
    draws = np.zeros(1_000_000, np.int32)
    for chunk in np.array_split(probability, 500):
        for p in chunk:
            draws += rng.random(len(draws), np.float32) < p
    for count in np.quantile(draws, [1e-4, 0.01, 0.5, 0.99, 1 - 1e-4]).astype(int).tolist():
        for log_probability, hits in zip(
            log_tails(probability, count), ((draws >= count).sum(), (draws < count).sum()),
            strict=True,
        ):  # fmt: skip
            expected = len(draws) * np.exp(log_probability)
            assert abs(hits - expected) < 4.5 * np.sqrt(max(expected, 1.0)) + 1


def test_limits_and_certain_devices():
    assert log_tails([0.2, 0.3], 0) == (0.0, -np.inf)
    assert log_tails([0.2, 0.3], 3) == (-np.inf, 0.0)
    assert log_tails([1.0, 0.0, 0.25], 2)[0] == pytest.approx(np.log(0.25))
    assert log_tails([0.0], 1, devices=[9]) == (-np.inf, 0.0)
    with pytest.raises(InputError, match="probability"):
        log_tails([1.2], 1)
    with pytest.raises(InputError, match="same length"):
        log_tails([0.2, 0.1], 1, devices=[3])
    with pytest.raises(InputError, match="whole"):
        log_tails([0.2], 1, devices=[3.5])


def test_recursion_is_exact_and_has_gradients():
    probability = np.random.default_rng(1).uniform(0, 0.3, (4, 30))
    with jax.enable_x64(True):
        result = np.asarray(at_least(jnp.asarray(probability), 4))
        slope = jax.grad(lambda p: at_least(p, 4))(jnp.asarray(probability[0]))
    np.testing.assert_allclose(result, [log_tails(row, 4)[0] for row in probability], rtol=1e-10)
    step = np.zeros(30)
    step[3] = 1e-6
    ends = [log_tails(probability[0] + sign * step, 4)[0] for sign in (1, -1)]
    assert slope[3] == pytest.approx((ends[0] - ends[1]) / 2e-6, rel=1e-5)


@pytest.mark.slow
def test_approximation_near_the_mean_and_in_the_tails():
    rng = np.random.default_rng(2)
    for devices in (10, 30, 100, 1000, 5000):
        probability = rng.beta(1, 5, devices)
        mean, sd = probability.sum(), np.sqrt((probability * (1 - probability)).sum())
        for z in (-2, -1, -0.01, 0, 0.01, 1, 2, 3):
            count = int(np.ceil(mean + z * sd))
            exact = log_tails(probability, count)
            got = approximate_log_tails(*(jnp.asarray(float(x)) for x in (mean, sd**2, count)))
            np.testing.assert_allclose(np.exp(got), np.exp(exact), atol=0.008)
            # Relative errors of small tails, as far as a chance of 1e-4.
            if min(exact) > np.log(1e-4):
                np.testing.assert_allclose(got, exact, atol=0.35 if devices == 10 else 0.15)


def test_approximation_of_a_poisson_number():
    mean = jnp.asarray(3.0)
    upper, lower = approximate_log_tails(mean, mean, jnp.arange(-1, 15))
    np.testing.assert_allclose(np.exp(upper), stats.poisson.sf(np.arange(-2, 14), 3), atol=0.003)
    np.testing.assert_allclose(np.exp(upper) + np.exp(lower), 1, atol=1e-6)
