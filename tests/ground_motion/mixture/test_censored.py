"""Scores of left-censored observations against numerical integration and simulation."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import integrate, stats

from eqstat import InputError
from eqstat.ground_motion.mixture import (
    Mixture,
    censored_crps,
    censored_log_density,
    crps,
    fit_normal,
    log_density,
    randomised_pit,
    sample,
)

KEY = jax.random.key(0)


def mixtures(count=12, size=4, seed=0):
    rng = np.random.default_rng(seed)
    weight = rng.dirichlet(np.ones(size), count)
    mean = rng.normal(-1.5, 0.8, (count, size))
    scale = np.exp(rng.uniform(np.log(0.02), np.log(1.0), (count, size)))
    return weight, mean, scale


def batch(parts):
    weight, mean, scale = parts
    return Mixture(*(jnp.asarray(part) for part in (np.log(weight), mean, scale)))


def cdf(parts, row, z):
    weight, mean, scale = (part[row] for part in parts)
    return float(np.sum(weight * stats.norm.cdf((z - mean) / scale)))


def slow_crps(parts, row, value, floor):
    """Integral of the squared difference of distribution functions above the floor."""
    value = max(value, floor)
    top = max(value, float(np.max(parts[1][row] + 12 * parts[2][row])), floor)
    knots = np.unique(np.clip(np.concatenate(
        [np.linspace(floor, top, 12), *(parts[1][row] + k * parts[2][row] for k in range(-6, 7, 3))]
    ), floor, top))  # fmt: skip

    def part(low, high, step):
        return integrate.quad(lambda z: (cdf(parts, row, z) - step) ** 2, low, high)[0]

    edges = np.unique(np.append(knots, value))
    return sum(part(low, high, float(low >= value)) for low, high in itertools.pairwise(edges))


def test_threshold_weighted_crps_is_its_integral():
    parts = mixtures(8)
    rng = np.random.default_rng(1)
    value, floor = rng.normal(-1.5, 1.0, 8), rng.normal(-1.8, 0.5, 8)
    with jax.enable_x64(True):
        got = np.asarray(censored_crps(batch(parts), value, floor))
    expected = [slow_crps(parts, row, value[row], floor[row]) for row in range(8)]
    np.testing.assert_allclose(got, expected, atol=1e-8)
    assert (value < floor).any() and (value > floor).any()


@pytest.mark.slow
def test_far_floor_gives_the_ordinary_crps():
    parts = mixtures(200)
    value = np.random.default_rng(2).normal(-1.5, 1.0, 200)
    with jax.enable_x64(True):
        given = batch(parts)
        np.testing.assert_allclose(
            censored_crps(given, value, -20.0), crps(given, value), atol=1e-9
        )
    single = batch(tuple(part.astype(np.float32) for part in parts))
    got = censored_crps(single, value.astype(np.float32), -3.0)
    assert got.dtype == jnp.float32
    with jax.enable_x64(True):
        exact = censored_crps(batch(parts), value, -3.0)
    np.testing.assert_allclose(got, exact, atol=2e-5)


def test_components_of_any_width_and_weight_zero():
    with jax.enable_x64(True):
        log_weight = jnp.log(jnp.array([1.0, 0.0]))
        two = Mixture(log_weight, jnp.array([-1.0, 3.0]), jnp.array([0.3, 1e-3]))
        one = Mixture(jnp.zeros(1), jnp.array([-1.0]), jnp.array([0.3]))
        for value in (-3.0, -1.2, 0.5):
            got = censored_crps(two, value, -1.5)
            np.testing.assert_allclose(got, censored_crps(one, value, -1.5), atol=1e-12)


def test_censored_log_density_is_density_and_probability():
    parts = mixtures()
    with jax.enable_x64(True):
        given = batch(parts)
        above = np.asarray(censored_log_density(given, -0.7, -1.0))
        below = np.asarray(censored_log_density(given, -5.0, -1.0))
        np.testing.assert_allclose(above, log_density(given, -0.7))
    np.testing.assert_allclose(np.exp(below), [cdf(parts, row, -1.0) for row in range(12)])


@pytest.mark.slow
def test_scores_are_best_for_the_truth():
    """Both scores are proper: the forecast from which values are drawn scores best on average."""
    truth = Mixture(jnp.log(jnp.array([0.3, 0.7])), jnp.array([-2.0, -1.0]), jnp.array([0.3, 0.2]))
    values = sample(KEY, truth, (20000,))
    rivals = [
        Mixture(truth.log_weight, truth.mean + 0.1, truth.scale),
        Mixture(truth.log_weight, truth.mean, 1.4 * truth.scale),
        Mixture(truth.log_weight[::-1], truth.mean, truth.scale),
    ]
    floor = -1.6
    for score, sign in ((censored_crps, 1), (censored_log_density, -1)):
        own = sign * score(truth, values, floor)
        for rival in rivals:
            gain = np.asarray(sign * score(rival, values, floor) - own)
            assert gain.mean() > 3 * gain.std() / np.sqrt(gain.size)


def test_pit_is_uniform_where_values_are_censored():
    truth = Mixture(jnp.log(jnp.array([0.3, 0.7])), jnp.array([-2.0, -1.0]), jnp.array([0.3, 0.2]))
    values = sample(KEY, truth, (5000,))
    pit = np.asarray(randomised_pit(jax.random.key(1), truth, values, -1.5))
    assert stats.kstest(pit, "uniform").pvalue > 1e-3
    shifted = Mixture(truth.log_weight, truth.mean + 0.2, truth.scale)
    wrong = np.asarray(randomised_pit(jax.random.key(1), shifted, values, -1.5))
    assert stats.kstest(wrong, "uniform").pvalue < 1e-6
    np.testing.assert_array_equal(values <= -1.5, pit <= float(pit[values <= -1.5].max()))


@pytest.mark.parametrize("wide", [False, True])
def test_gradients_are_finite(wide):
    far = np.array([-30.0, -2.0, -1.0, 0.0, 30.0])
    with jax.enable_x64(wide):
        parts = jax.tree.map(lambda leaf: leaf[:, None], batch(mixtures()))
        for function in (censored_crps, censored_log_density):
            total = jax.jit(jax.value_and_grad(lambda m, f=function: f(m, far, -1.4).sum()))
            value, slope = total(parts)
            assert all(bool(jnp.isfinite(leaf).all()) for leaf in [value, *jax.tree.leaves(slope)])


def test_a_seed_is_no_key():
    one = Mixture(jnp.zeros(1), jnp.zeros(1), jnp.ones(1))
    with pytest.raises(InputError, match="key must be"):
        randomised_pit(0, one, 0.0)  # pyright: ignore


def test_a_normal_is_found_behind_its_bounds():
    rng = np.random.default_rng(0)
    bound = rng.uniform(-0.8, 0.4, 4000)
    value = rng.normal(0.3, 0.5, 4000)
    upper = value < bound
    assert 0.2 < upper.mean() < 0.6
    mean, sd = fit_normal(np.where(upper, bound, value), upper)
    assert mean == pytest.approx(0.3, abs=0.04) and sd == pytest.approx(0.5, abs=0.03)
    for bad in (np.ones(4000, bool), upper[:5], upper.astype(int)):
        with pytest.raises(InputError, match="fit_normal"):
            fit_normal(value, bad)
