"""The normal distribution's tail, with logarithm and slopes finite however far out."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import erfc
from jaxtyping import Array, Float

from eqstat._core.constants import HALF_LOG_2PI

# Beyond this many standard deviations the tail comes from a continued fraction.
FAR = 6.0
# Its terms: from 6 standard deviations on 12 leave nothing that float64 could hold, and 4 nothing
# that float32 could.
TERMS, TERMS_SINGLE = 12, 4


def hazard(t: Float[Array, "..."]) -> Float[Array, "..."]:
    r"""Ratio $\varphi(t) / \Phi(-t)$ for $t \ge 6$, by Laplace's continued fraction."""
    terms = TERMS_SINGLE if jnp.asarray(t).dtype == jnp.float32 else TERMS
    value = 0.5 * (t + jnp.sqrt(t * t + 4 * terms))  # what the rest is about
    for term in range(terms, 0, -1):
        value = t + term / value
    return value


@jax.custom_jvp
def log_ndtr(z: Float[Array, "..."]) -> Float[Array, "..."]:
    r"""Return $\log \Phi(z)$, finite with finite slopes wherever $z^2$ is finite.

    The slope of JAX's own function is a difference of two large numbers far out in the tail: in
    float32 it is wrong from some thousand standard deviations on, and overflows after that.
    """
    far = z < -FAR
    t = jnp.where(far, -z, FAR)
    tail = -0.5 * t * t - jnp.log(hazard(t)) - HALF_LOG_2PI
    near = 0.5 * erfc(jnp.abs(jnp.where(far, -FAR, z)) * np.sqrt(0.5).astype(z.dtype))
    body = jnp.where(z < 0, jnp.log(near), jnp.log1p(-jnp.minimum(near, 0.5)))
    return jnp.where(far, tail, body)


@log_ndtr.defjvp
def _slope(primals: tuple, tangents: tuple) -> tuple[Array, Array]:
    (z,), (dz,) = primals, tangents
    value = log_ndtr(z)
    far = z < -FAR
    inner = jnp.where(far, -FAR, z)
    body = jnp.exp(-0.5 * inner * inner - jnp.where(far, 0.0, value) - HALF_LOG_2PI)
    return value, dz * jnp.where(far, hazard(jnp.where(far, -z, FAR)), body)
