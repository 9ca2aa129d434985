"""The sampler's ray coordinates: a bijection with the right determinant."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest
from numpyro.distributions.transforms import biject_to

from eqstat.traveltime import Prior, prepare
from eqstat.traveltime._warp import RAYS, warp_for

from . import cases

PRIORS = {
    "default": Prior(),
    "uniform": Prior(depth=dist.Uniform(0.0, 100.0)),
    "log-normal": Prior(depth=dist.LogNormal(2.5, 0.7)),
    "half-normal": Prior(depth=dist.HalfNormal(30.0)),
}
NAMES = ("east_km", "north_km", "depth_km")
POINTS = [(0.3, -0.2, 0.1), (2.5, 1.0, -2.0), (-0.01, 0.02, -4.0), (1.0, -3.0, 1.5)]


@pytest.fixture(scope="module")
def arrays():
    with jax.enable_x64(True):
        return jax.tree.map(jnp.asarray, prepare(cases.quake(12, 3)).data)


@pytest.mark.parametrize("kind", PRIORS)
def test_back_and_forth(kind, arrays):
    args = (arrays, PRIORS[kind])
    with jax.enable_x64(True):
        for point in POINTS:
            given = {n: jnp.asarray(v) for n, v in zip(NAMES, point, strict=True)}
            moved, _ = RAYS.forward({**given, "other": jnp.asarray(3.0)}, args)
            back = RAYS.inverse(moved, args)
            assert float(back["other"]) == 3.0
            for name in NAMES:
                assert float(back[name]) == pytest.approx(float(given[name]), abs=2e-6)


@pytest.mark.parametrize("kind", PRIORS)
def test_log_determinant_is_that_of_the_jacobian(kind, arrays):
    args = (arrays, PRIORS[kind])

    def vector(point):
        moved, log_det = RAYS.forward(dict(zip(NAMES, point, strict=True)), args)
        return jnp.stack([moved[name] for name in NAMES]), log_det

    with jax.enable_x64(True):
        slopes = jax.jit(jax.jacfwd(lambda point: vector(point)[0]))
        for point in POINTS:
            at = jnp.asarray(point)
            expected = np.linalg.slogdet(np.asarray(slopes(at)))[1]
            assert float(vector(at)[1]) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("kind", PRIORS)
def test_depths_stay_in_the_support(kind, arrays):
    prior = PRIORS[kind]
    with jax.enable_x64(True):
        for raw in (-30.0, 0.0, 4.0, 9.0):
            values = {"east_km": 0.1, "north_km": 0.0, "depth_km": raw}
            free = {name: jnp.asarray(value) for name, value in values.items()}
            moved, log_det = RAYS.forward(free, (arrays, prior))
            depth = float(biject_to(prior.depth.support)(moved["depth_km"]))
            assert 0 <= depth <= (prior.deepest_km or np.inf)
            assert np.isfinite(float(log_det))


def test_rays_need_a_prior_that_starts_at_the_surface():
    for prior in PRIORS.values():
        assert warp_for(prior) is RAYS
    assert warp_for(Prior(depth=dist.Uniform(5.0, 30.0))) is None
    assert warp_for(Prior(depth=dist.Normal(15.0, 3.0))) is None
