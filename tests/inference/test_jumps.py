"""Jumps between modes: the fitted mixture, and exactness on densities of known weights."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from scipy import stats

from eqstat.inference import run_nuts
from eqstat.inference._jumps import (
    DEGREES,
    Place,
    draw,
    fit_mixture,
    jump,
    log_density,
)

WEIGHT = 0.3
CENTRES = np.array([[-8.0, 0.0, 1.0], [6.0, 5.0, -2.0]])
SDS = np.array([[1.0, 0.5, 0.3], [0.4, 2.0, 0.6]])


def two_modes(count, weight=WEIGHT, seed=0):
    rng = np.random.default_rng(seed)
    which = (rng.uniform(size=count) >= weight).astype(int)
    return CENTRES[which] + SDS[which] * rng.normal(size=(count, 3))


@pytest.fixture(scope="module")
def fitted():
    with jax.enable_x64(True):
        points = jnp.asarray(two_modes(2000))
        scale = jnp.linalg.cholesky(jnp.cov(points, rowvar=False))
        z = jnp.linalg.solve(scale, (points - points.mean(0)).T).T
        return np.asarray(z), fit_mixture(jax.random.key(0), z, 4)


def test_the_density_is_that_of_scipy(fitted):
    z, mixture = fitted
    scales = np.asarray(mixture.roots) @ np.swapaxes(np.asarray(mixture.roots), 1, 2)
    expected = sum(
        np.exp(weight) * stats.multivariate_t(centre, scale, DEGREES).pdf(z[:50])
        for weight, centre, scale in zip(
            mixture.log_weights, np.asarray(mixture.centres), scales, strict=True
        )
    )
    with jax.enable_x64(True):
        np.testing.assert_allclose(np.exp(log_density(mixture, z[:50])), expected, rtol=1e-9)


@pytest.mark.slow
def test_draws_follow_the_density(fitted):
    """The mean of p / q over draws of q is 1 for a normalised p of lighter tails."""
    _, mixture = fitted
    with jax.enable_x64(True):
        draws = draw(jax.random.key(1), mixture, 40_000)
        near = stats.multivariate_normal(np.asarray(mixture.centres)[0], 0.3 * np.eye(3))
        ratio = near.pdf(np.asarray(draws)) / np.exp(log_density(mixture, draws))
    assert np.mean(ratio) == pytest.approx(1.0, abs=4 * np.std(ratio) / 200)


def test_the_fit_finds_both_modes_with_their_weights(fitted):
    z, mixture = fitted
    with jax.enable_x64(True):
        draws = np.asarray(draw(jax.random.key(2), mixture, 20_000))
    middle = 0.5 * (z[:, 0].min() + z[:, 0].max())
    share = np.mean(z[:, 0] < middle)
    # The defensive component adds points on both sides.
    assert np.mean(draws[:, 0] < middle) == pytest.approx(share, abs=0.03)


@pytest.mark.slow
def test_a_jump_knows_its_place_and_leaves_the_target_invariant(fitted):
    """Draws of a target, moved once by jumps that propose from something else, still follow it."""
    _, mixture = fitted
    count = 20_000

    def potential(x):
        return 0.5 * jnp.sum((x - 0.5) ** 2) / 0.49

    with jax.enable_x64(True):
        start = 0.5 + 0.7 * jax.random.normal(jax.random.key(3), (count, 3))
        places = jax.vmap(lambda x: Place(x, *jax.value_and_grad(potential)(x)))(start)
        keys = jax.random.split(jax.random.key(4), count)
        after, moved = jax.vmap(lambda key, at: jump(key, mixture, potential, at, 3))(keys, places)
        again = jax.vmap(lambda x: Place(x, *jax.value_and_grad(potential)(x)))(after.point)
    for found, expected in zip(after, again, strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-12)
    assert 0.05 < np.mean(moved) < 0.95
    for position in range(3):
        law = stats.norm(0.5, 0.7)
        assert stats.kstest(np.asarray(after.point)[:, position], law.cdf).pvalue > 1e-3


def bimodal(centres, sds, weight):
    """A density of two normals far apart; chains of NUTS alone never cross."""
    x = numpyro.sample("x", dist.ImproperUniform(dist.constraints.real_vector, (), (3,)))
    each = jnp.sum(dist.Normal(centres, sds).log_prob(x), axis=-1)
    numpyro.factor("target", jax.nn.logsumexp(each + jnp.log(jnp.array([weight, 1 - weight]))))


@pytest.mark.long
@pytest.mark.parametrize("believed", [0.3, 0.7])
def test_chains_visit_modes_as_often_as_their_mass(believed):
    """Whatever weights the starting points have, the draws have those of the density."""
    cloud = {"x": two_modes(512, believed)}
    with jax.enable_x64(True):
        tree = run_nuts(
            jax.random.key(5),
            bimodal,
            (jnp.asarray(CENTRES), jnp.asarray(SDS), jnp.asarray(WEIGHT)),
            cloud,
            warmup=250,
            draws=1000,
            mass_matrix="identity",
            jumps=2,
            components=4,
            progress=False,
        )
    assert tree.attrs["result"] == "CONVERGED"
    draws = tree["posterior"]["x"].to_numpy()
    first = draws[..., 0] < 0
    error = np.sqrt(WEIGHT * (1 - WEIGHT) / tree.attrs["ess_bulk_min"])
    assert np.mean(first) == pytest.approx(WEIGHT, abs=4 * error)
    for mode, inside in enumerate([first, ~first]):
        own = draws[inside]
        np.testing.assert_allclose(own.mean(0), CENTRES[mode], atol=0.15)
        np.testing.assert_allclose(own.std(0), SDS[mode], rtol=0.1)
    assert 0.3 < float(tree["sample_stats"]["jumped"].mean()) <= 1
