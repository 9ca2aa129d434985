import jax
import jax.numpy as jnp
import numpy as np

from eqstat.inference import normal_draws, unravel


def test_vector_is_taken_apart_by_name():
    shapes = (("slope", (2, 3)), ("level", ()), ("region", (2,)))
    out = unravel(jnp.arange(9.0), shapes)
    assert float(out["level"]) == 0.0
    np.testing.assert_array_equal(out["region"], [1.0, 2.0])
    np.testing.assert_array_equal(out["slope"], np.arange(3.0, 9.0).reshape(2, 3))


def test_draws_have_mean_and_covariance():
    mode, covariance = np.array([1.0, -2.0]), np.array([[0.5, 0.3], [0.3, 0.4]])
    drawn = np.asarray(normal_draws(jax.random.key(0), mode, covariance, 40_000))
    assert drawn.shape == (40_000, 2)
    np.testing.assert_allclose(drawn.mean(axis=0), mode, atol=5 * (0.5 / 40_000) ** 0.5)
    np.testing.assert_allclose(np.cov(drawn.T), covariance, atol=0.02)
