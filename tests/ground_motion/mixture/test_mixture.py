"""Mixtures against SciPy, mpmath, scoringrules and numerical integration."""

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
import scoringrules
from scipy import integrate, special, stats

from eqstat._core.normal import log_ndtr
from eqstat.ground_motion.mixture import Mixture
from eqstat.ground_motion.mixture import _mixture as mx

COUNT = 3000


def mixtures(count=COUNT, size=5, seed=0):
    """Weights from even to nearly nothing, means over five decades, scales from 0.01 to 2."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(count, size)) * rng.uniform(0, 20, (count, 1))
    log_weight = special.log_softmax(logits, axis=1)
    mean = rng.normal(-1.5, 1.2, (count, size))
    scale = np.exp(rng.uniform(np.log(0.01), np.log(2.0), (count, size)))
    return log_weight, mean, scale


def far_thresholds(log_weight, mean, scale, seed=1, reach=37.0):
    """From far below to where the largest of the tails is 1e-300."""
    rng = np.random.default_rng(seed)
    sds = rng.uniform(-8, reach, len(mean))
    return np.max(mean + scale * sds[:, None], axis=1)


def scipy_log_exceedance(parts, u):
    log_weight, mean, scale = parts
    return special.logsumexp(log_weight + special.log_ndtr((mean - u[:, None]) / scale), axis=1)


def exact_log_exceedance(log_weight, mean, scale, u):
    with mpmath.workdps(40):
        total = mpmath.mpf(0)
        norm = sum(mpmath.exp(mpmath.mpf(w)) for w in log_weight)
        for w, m, s in zip(log_weight, mean, scale, strict=True):
            z = (mpmath.mpf(u) - mpmath.mpf(m)) / mpmath.mpf(s)
            total += mpmath.exp(mpmath.mpf(w)) / norm * mpmath.erfc(z / mpmath.sqrt(2)) / 2
        return float(mpmath.log(total)), float(total)


@pytest.mark.slow
def test_exceedance_in_float64():
    parts = mixtures()
    u = far_thresholds(*parts)
    expected = scipy_log_exceedance(parts, u)
    assert expected.min() < -600
    with jax.enable_x64(True):
        batch = Mixture(*map(jnp.asarray, parts))
        logs = np.asarray(mx.log_exceedance(batch, u))
        direct = np.asarray(mx.exceedance(batch, u))
    np.testing.assert_allclose(logs, expected, atol=1e-6, rtol=1e-9)
    normal = expected > np.log(np.finfo(float).tiny)
    np.testing.assert_allclose(direct[normal], np.exp(expected[normal]), rtol=1e-6, atol=0)
    for row in range(0, COUNT, 30):
        log, linear = exact_log_exceedance(*(part[row] for part in parts), u[row])
        assert logs[row] == pytest.approx(log, abs=1e-6)
        if normal[row]:
            assert direct[row] == pytest.approx(linear, rel=1e-6, abs=0)


@pytest.mark.slow
def test_exceedance_in_float32():
    parts = tuple(part.astype(np.float32) for part in mixtures())
    u = far_thresholds(*parts).astype(np.float32)
    expected = scipy_log_exceedance(tuple(part.astype(np.float64) for part in parts), u)
    batch = Mixture(*map(jnp.asarray, parts))
    logs = np.asarray(mx.log_exceedance(batch, u))
    assert logs.dtype == np.float32
    # z itself is known to a few units in its last place, and its square makes the logarithm.
    np.testing.assert_allclose(logs, expected, rtol=1e-4, atol=1e-4)
    linear = np.asarray(mx.exceedance(batch, u))
    seen = expected > -80
    np.testing.assert_allclose(np.log(linear[seen]), expected[seen], rtol=1e-4, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("wide", [False, True])
def test_gradients_are_finite_however_far(wide):
    parts = mixtures(400)
    far = np.concatenate([np.linspace(-60, 60, 50), [-1e30, -1e12, -1e5, 1e5, 1e12, 1e30]])
    with jax.enable_x64(wide):
        batch = Mixture(*(jnp.asarray(part)[:, None] for part in parts))
        certain = jnp.log(jnp.array([1.0, 0.0]))
        at = jnp.asarray(far, batch.mean.dtype)
        one_sided = Mixture(certain, jnp.array([-1.0, 3.0]), jnp.array([0.3, 0.1]))
        for function in (mx.log_exceedance, mx.log_density, mx.exceedance, mx.crps):
            for given in (batch, one_sided):
                slopes = jax.jit(
                    jax.value_and_grad(
                        lambda m, u, f=function: jnp.sum(f(m, u) / 1e10), argnums=(0, 1)
                    )
                )
                value, (slope, at_slope) = slopes(given, at)
                leaves = [value, slope.mean, slope.scale, at_slope]
                leaves += [slope.log_weight] if given is batch else []
                assert all(bool(jnp.all(jnp.isfinite(leaf))) for leaf in leaves), function


def test_the_tail_has_the_right_slope_and_curvature():
    z = np.array([-1e5, -800.0, -37.0, -6.0001, -5.9999, -1.0, 0.0, 2.0, 9.0])

    def exact(at):
        with mpmath.workdps(60):
            at = mpmath.mpf(at)
            return mpmath.npdf(at) / (mpmath.erfc(-at / mpmath.sqrt(2)) / 2)

    slopes = np.array([float(exact(at)) for at in z])
    bends = np.array([float(-exact(at) * (mpmath.mpf(at) + exact(at))) for at in z])
    with jax.enable_x64(True):
        got = jax.jit(jax.vmap(jax.grad(log_ndtr)))(jnp.asarray(z))
        bent = jax.jit(jax.vmap(jax.grad(jax.grad(log_ndtr))))(jnp.asarray(z[2:]))
    np.testing.assert_allclose(got, slopes, rtol=1e-10)
    np.testing.assert_allclose(bent, bends[2:], rtol=1e-6, atol=1e-12)
    got = jax.jit(jax.vmap(jax.grad(log_ndtr)))(jnp.asarray(z, jnp.float32))
    np.testing.assert_allclose(got, slopes, rtol=1e-4)


@pytest.mark.slow
def test_density_is_the_slope_of_exceedance_and_integrates_to_one():
    parts = mixtures(20)
    with jax.enable_x64(True):
        batch = Mixture(*map(jnp.asarray, parts))
        y = jnp.linspace(-3, 1, 20)
        slope = jax.jit(jax.vmap(jax.grad(mx.exceedance, argnums=1)))(batch, y)
        np.testing.assert_allclose(jnp.exp(mx.log_density(batch, y)), -slope, rtol=1e-8, atol=1e-30)
        grid = jnp.linspace(-20, 20, 40001)[:, None]
        whole = integrate.trapezoid(np.exp(mx.log_density(batch, grid)), grid[:, 0], axis=0)
    np.testing.assert_allclose(whole, 1.0, atol=1e-6)


def test_crps_agrees_with_scoringrules_and_with_integration():
    parts = mixtures(200)
    y = np.random.default_rng(3).normal(-1.5, 2.0, 200)
    weight = np.exp(parts[0])
    expected = scoringrules.crps_mixnorm(y, parts[1], parts[2], weight)
    with jax.enable_x64(True):
        got = np.asarray(mx.crps(Mixture(*map(jnp.asarray, parts)), y))
    np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-12)
    for row in range(3):
        grid = np.linspace(-25, 25, 200001)
        cdf = np.sum(
            weight[row] * stats.norm.cdf(grid[:, None], parts[1][row], parts[2][row]), axis=1
        )
        whole = integrate.trapezoid((cdf - (grid >= y[row])) ** 2, grid)
        assert got[row] == pytest.approx(whole, abs=3e-4)


@pytest.mark.slow
@pytest.mark.parametrize("wide", [False, True])
def test_quantiles_undo_the_distribution(wide):
    parts = mixtures(500)
    p = np.concatenate([np.random.default_rng(4).uniform(0, 1, 480), [1e-30] * 10, [1e-6] * 10])
    with jax.enable_x64(wide):
        batch = Mixture(*map(jnp.asarray, parts))
        q = jax.jit(mx.quantile)(batch, p)
        assert q.dtype == batch.mean.dtype
        q = np.asarray(q, np.float64)
        given = np.asarray(jnp.asarray(p, batch.mean.dtype), np.float64)
        parts = [np.asarray(leaf, np.float64) for leaf in jax.tree.leaves(batch)]
    each = parts[0] + special.log_ndtr((q[:, None] - parts[1]) / parts[2])
    log_cdf = special.logsumexp(each, axis=1)
    density = special.logsumexp(
        parts[0] + stats.norm.logpdf(q[:, None], parts[1], parts[2]), axis=1
    )
    # How far off the value is, in its own units: a gap between components has next to no density.
    with np.errstate(over="ignore"):
        off = np.abs(np.expm1(log_cdf - np.log(given))) * np.exp(np.log(given) - density)
    unit = np.finfo(np.float64 if wide else np.float32).eps
    cdf_error = np.abs(np.exp(log_cdf) - given)
    assert np.all((off < 100 * unit * (1 + np.abs(q))) | (cdf_error < 20 * unit))


@pytest.mark.slow
def test_quantile_slopes_ends_and_gaps():
    quantile = jax.jit(mx.quantile)
    with jax.enable_x64(True):
        two = Mixture(jnp.log(jnp.array([0.3, 0.7])), jnp.array([-3.0, 1.0]), jnp.full(2, 0.01))
        for p in (0.2999, 0.3, 0.3001):
            assert float(mx.exceedance(two, quantile(two, p))) == pytest.approx(1 - p, abs=1e-12)
        assert float(quantile(two, 0.0)) == -np.inf
        assert float(quantile(two, 1.0)) == np.inf
        assert np.isnan(quantile(two, 1.5))
        one = Mixture(jnp.log(jnp.array([1.0, 0.0])), jnp.array([-1.0, 5.0]), jnp.array([0.3, 1.0]))
        slope, p_slope = jax.jit(jax.grad(mx.quantile, argnums=(0, 1)))(one, 0.9)
        z = stats.norm.ppf(0.9)
        assert float(quantile(one, 0.9)) == pytest.approx(-1 + 0.3 * z, abs=1e-12)
        np.testing.assert_allclose(slope.mean, [1.0, 0.0], atol=1e-9)
        np.testing.assert_allclose(slope.scale, [z, 0.0], atol=1e-9)
        assert float(p_slope) == pytest.approx(0.3 / stats.norm.pdf(z), rel=1e-9)


@pytest.mark.slow
def test_draws_have_the_mixtures_distribution():
    mixture = mx.from_logits(
        jnp.array([[0.0, 1.0], [2.0, 0.0]]), jnp.array([[-2.0, 0.0], [1.0, 1.5]]), jnp.zeros((2, 2))
    )
    y = jax.jit(mx.sample, static_argnums=2)(jax.random.key(0), mixture, (4000,))
    assert y.shape == (4000, 2)
    pit = 1 - np.asarray(mx.exceedance(mixture, y))
    for column in range(2):
        assert stats.kstest(pit[:, column], "uniform").pvalue > 1e-3
    mean, sd = mx.mean_and_sd(mixture)
    np.testing.assert_allclose(np.mean(y, axis=0), mean, atol=4 * float(jnp.max(sd)) / 4000**0.5)
    np.testing.assert_allclose(np.std(y, axis=0), sd, rtol=0.05)
    assert mx.sample(jax.random.key(0), mixture).shape == (2,)


def test_free_numbers_make_a_mixture_with_a_floor():
    made = mx.from_logits(jnp.zeros(3), jnp.zeros(3), jnp.array([-1e4, 0.0, 5.0]), floor=0.02)
    np.testing.assert_allclose(jnp.sum(jnp.exp(made.log_weight)), 1.0, rtol=1e-6)
    assert float(made.scale[0]) == pytest.approx(0.02)
    assert float(made.scale[2]) > 5.0
    with pytest.raises(ValueError, match="floor must be above 0"):
        mx.from_logits(jnp.zeros(3), jnp.zeros(3), jnp.zeros(3), floor=0)


def test_batches_broadcast():
    sites = Mixture(jnp.zeros((4, 1)), jnp.arange(4.0)[:, None], jnp.ones((4, 1)))
    thresholds = jnp.arange(3.0)[:, None]
    for function in (mx.exceedance, mx.quantile, mx.crps):
        assert jax.eval_shape(function, sites, thresholds / 4 + 0.1).shape == (3, 4)


@pytest.mark.long
def test_a_hundred_thousand_mixtures():
    parts = mixtures(100_000, seed=7)
    u = far_thresholds(*parts, seed=8)
    expected = scipy_log_exceedance(parts, u)
    # Below this, components of the sum are no normal numbers any more.
    normal = expected > np.log(1e-300)
    function = jax.jit(lambda m, at: (mx.log_exceedance(m, at), mx.exceedance(m, at)))
    slopes = jax.jit(jax.grad(lambda m, at: jnp.sum(mx.log_exceedance(m, at))))
    with jax.enable_x64(True):
        batch = Mixture(*map(jnp.asarray, parts))
        logs, direct = map(np.asarray, function(batch, u))
        assert all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(slopes(batch, u)))
    np.testing.assert_allclose(logs, expected, atol=1e-6, rtol=0)
    np.testing.assert_allclose(direct[normal], np.exp(expected[normal]), rtol=1e-6, atol=0)
    for row in range(0, 100_000, 100):
        exact, _ = exact_log_exceedance(*(part[row] for part in parts), u[row])
        assert logs[row] == pytest.approx(exact, abs=1e-6)
    narrow = tuple(part.astype(np.float32) for part in parts)
    at = u.astype(np.float32)
    batch = Mixture(*map(jnp.asarray, narrow))
    expected = scipy_log_exceedance(tuple(part.astype(np.float64) for part in narrow), at)
    np.testing.assert_allclose(function(batch, at)[0], expected, rtol=1e-4, atol=1e-4)
    assert all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(slopes(batch, at)))
