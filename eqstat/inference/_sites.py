"""The sites of a model as one vector, and draws of that vector about a mode."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

# Names and shapes of the sites in a vector.
Shapes = tuple[tuple[str, tuple[int, ...]], ...]


def unravel(vector: Array, shapes: Shapes) -> dict[str, Array]:
    """Take a vector apart into sites, in the order of their names."""
    out, at = {}, 0
    for name, shape in sorted(shapes):
        size = int(np.prod(shape))
        out[name] = vector[at : at + size].reshape(shape)
        at += size
    return out


def normal_draws(
    key: PRNGKeyArray, mode: np.ndarray, covariance: np.ndarray, count: int
) -> Float[Array, "draws n"]:
    """Draws of the normal approximation about a mode, float64 where that is enabled.

    Parameters
    ----------
    key
        JAX random key.
    mode, covariance
        In the model's unconstrained space, (n,) and (n, n).
    count
        Number of draws.

    Returns
    -------
    jax.Array
        (count, n)
    """
    noise = jax.random.normal(key, (count, len(mode)), jnp.asarray(mode).dtype)
    return jnp.asarray(mode) + noise @ jnp.linalg.cholesky(jnp.asarray(covariance)).T
