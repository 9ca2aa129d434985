"""The convolution of short and of long signals, beside loops."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from eqstat.ground_motion.network.multistation import Convolution
from eqstat.ground_motion.network.multistation._layers import LONG, convolved


def by_loops(x, kernel, bias, each):
    rows, samples, _ = x.shape
    out = np.zeros((rows, each.length(samples), each.filters))
    for r, k, f in np.ndindex(*out.shape):
        starts = [(k * each.pool + p) * each.stride for p in range(each.pool)]
        values = [np.sum(x[r, a : a + each.kernel] * kernel[..., f]) for a in starts]
        out[r, k, f] = max(0.0, *(value + bias[f] for value in values))
    return out


@pytest.mark.parametrize("samples", [30, LONG, LONG + 1, 100])
@pytest.mark.parametrize("each", [Convolution(4, 5, 5), Convolution(3, 4, pool=2),
                                  Convolution(2, 7, stride=2, pool=3)])  # fmt: skip
def test_convolutions_are_sums_over_the_samples_of_a_window(samples, each):
    rng = np.random.default_rng(samples)
    x, bias = rng.normal(size=(2, samples, 3)), rng.normal(size=each.filters)
    kernel = rng.normal(size=(2, each.kernel, 3, each.filters))
    arrays = (jnp.asarray(a, jnp.float32) for a in (x, kernel, bias))
    own = jax.vmap(convolved, (None, 0, None, None))(*arrays, each)
    for member in range(2):
        expected = by_loops(x, kernel[member], bias, each)
        np.testing.assert_allclose(own[member], expected, rtol=1e-4, atol=1e-5)
