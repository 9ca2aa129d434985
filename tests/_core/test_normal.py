"""The normal distribution's tail, in both precisions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special

from eqstat._core.normal import log_ndtr


@pytest.mark.slow
@pytest.mark.parametrize(("dtype", "error"), [(np.float32, 3e-7), (np.float64, 1e-14)])
def test_tail_is_as_precise_as_its_numbers(dtype, error):
    z = -np.concatenate([np.linspace(0, 5.9, 60), np.linspace(6.01, 9, 60), [20.0, 100.0, 1000.0]])
    with jax.enable_x64(True):
        value = np.asarray(log_ndtr(jnp.asarray(z, dtype)))
    assert value.dtype == dtype
    np.testing.assert_allclose(value, special.log_ndtr(z.astype(dtype).astype(float)), rtol=error)
