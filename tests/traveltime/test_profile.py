"""The compiled least squares with the origin time profiled out."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from eqstat.traveltime import prepare
from eqstat.traveltime._fit import both_waves
from eqstat.traveltime._profile import covariance_of, fit_waves, sum_of_squares
from eqstat.velocity import ConstantVelocity

from . import cases


def half_squares(observations, four, speed=cases.P_KM_S):
    """Half the sum of squared residuals, origin time free, in plain NumPy."""
    travel = cases.travel_times(observations, *four[:3], speed)
    return 0.5 * np.sum((cases.seconds(observations) - four[3] - travel) ** 2)


def numerical_hessian(function, at, steps):
    size = len(at)
    hessian = np.empty((size, size))
    for i in range(size):
        for j in range(size):
            a, b = np.eye(size)[i] * steps[i], np.eye(size)[j] * steps[j]
            signs = [(1, 1), (1, -1), (-1, 1), (-1, -1)]
            terms = [s * t * function(at + s * a + t * b) for s, t in signs]
            hessian[i, j] = sum(terms) / (4 * steps[i] * steps[j])
    return hessian


@pytest.fixture(scope="module")
def observations():
    return prepare(cases.quake(15, 1, sd_s=0.2))


@pytest.fixture(scope="module")
def p_fit(observations):
    return jax.tree.map(lambda leaf: leaf[0], both_waves(observations, 500.0))


@pytest.mark.parametrize("wave", ["P", "S"])
@pytest.mark.parametrize("node", [(0.0, 0.0, 10.0), (30.0, -45.0, 0.0), (-200.0, 80.0, 300.0)])
def test_sum_of_squares_is_that_about_the_best_origin_time(observations, node, wave):
    with jax.enable_x64(True):
        data = jax.tree.map(jnp.asarray, observations.with_wave(wave).data)
        found = float(sum_of_squares(jnp.array(node), data))
    speed = {"P": cases.P_KM_S, "S": cases.S_KM_S}[wave]
    residual = cases.seconds(observations) - cases.travel_times(observations, *node, speed)
    assert found == pytest.approx(np.sum((residual - residual.mean()) ** 2), rel=1e-9)


def test_covariance_is_the_inverse_of_a_numerical_hessian(observations, p_fit):
    at = np.asarray(p_fit.hypocentre, np.float64)
    assert at[2] > 3.0
    hessian = numerical_hessian(
        lambda four: half_squares(observations, four), at, np.array([0.02, 0.02, 0.02, 0.01])
    )
    found, regular = covariance_of(p_fit, np.ones(3, bool))
    assert regular
    np.testing.assert_allclose(found, np.linalg.inv(hessian), rtol=1e-3, atol=1e-5)


def test_covariance_with_the_depth_held(observations, p_fit):
    at = np.asarray(p_fit.hypocentre, np.float64)
    hessian = numerical_hessian(
        lambda four: half_squares(observations, four), at, np.array([0.02, 0.02, 0.02, 0.01])
    )
    kept = np.array([0, 1, 3])
    found, regular = covariance_of(p_fit, np.array([True, True, False]))
    assert regular and np.all(np.isnan(found[2])) and np.all(np.isnan(found[:, 2]))
    block = np.ix_(kept, kept)
    np.testing.assert_allclose(found[block], np.linalg.inv(hessian[block]), rtol=1e-3, atol=1e-5)


def test_other_data_of_the_bucket_and_other_speeds_do_not_recompile(observations, p_fit):
    # Other tests may have compiled other buckets: count from none.
    fit_waves.clear_cache()
    both_waves(prepare(cases.quake(12)), 500.0)
    before = fit_waves._cache_size()
    for count in (6, 9, 16):
        both_waves(prepare(cases.quake(count, count)), 500.0)
    both_waves(prepare(cases.front(12)), 300.0)
    for speeds in ((6.0, 3.4), (np.float64(5.5), np.float64(3.2))):
        slower = prepare(cases.quake(11), velocity=ConstantVelocity(*speeds))
        fitted = both_waves(slower, 500.0)
        assert np.all(fitted.count == 11)
    labelled = cases.quake(10).assign(phase="S", elevation_m=100.0)
    both_waves(prepare(labelled), 500.0)
    assert fit_waves._cache_size() == before
    both_waves(prepare(cases.quake(17)), 500.0)
    assert fit_waves._cache_size() == before + 1


def test_known_phases_are_kept_under_both_waves():
    triggers = cases.quake(12, 2, speed=cases.S_KM_S).assign(phase="S")
    fits = both_waves(prepare(triggers), 500.0)
    np.testing.assert_allclose(fits.sum_of_squares[0], fits.sum_of_squares[1], rtol=1e-6)
    plain = both_waves(prepare(triggers.drop(columns="phase")), 500.0)
    assert plain.sum_of_squares[1] == pytest.approx(fits.sum_of_squares[0], rel=1e-6)
    assert plain.sum_of_squares[0] > plain.sum_of_squares[1]


def test_the_objective_does_not_see_padding(observations):
    with jax.enable_x64(True):
        data = jax.tree.map(jnp.asarray, observations.data)
        spoilt = eqx.tree_at(
            lambda d: d.time_s, data, jnp.where(data.mask, data.time_s, jnp.asarray(1e4))
        )
        node = jnp.array([3.0, 4.0, 12.0])
        assert float(sum_of_squares(node, spoilt)) == float(sum_of_squares(node, data))
