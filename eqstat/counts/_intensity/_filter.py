r"""Gaussian filter of a slow log intensity that is seen through negative binomial sums.

The log intensity x of a region is a stationary AR(1) process about $-\sigma^2/2$ (so that
$E[e^x] = 1$). The sum Y of N windows with the same mean and dispersion $\delta$ is negative
binomial of size $N/\delta$ given x. Its log likelihood is log-concave in x; the posterior is
approximated by a normal of its mean and variance (Laplace's approximation, with the mean corrected
for skewness), which becomes the prior of the next step.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array

NEWTON_STEPS = 5
LARGEST_STEP = 1.5


def predict(mean: Any, variance: Any, sd: Any, keep: Any) -> tuple[Any, Any]:
    """Mean and variance of the log intensity one step later; `keep` is its autocorrelation."""
    centre = -0.5 * sd**2
    return centre + keep * (mean - centre), keep**2 * variance + (1 - keep**2) * sd**2


def log_shape(x: Any, total: Any, expected: Any, size: Any) -> Array:
    r"""The part of the log probability of a sum that depends on x.

    $Y \log(M e^x) - Y \log(s + M e^x) - s \log(1 + M e^x / s)$
    """
    mean = expected * jnp.exp(x)
    return total * (jnp.log(mean) - jnp.log(size + mean)) - size * jnp.log1p(mean / size)


def update(
    mean: Array, variance: Array, total: Array, expected: Array, size: Array, weight: Array
) -> tuple[Array, Array, Array]:
    """Posterior mean and variance given a sum, and the log of its predictive probability.

    Parameters
    ----------
    mean, variance
        Of the log intensity before.
    total, expected, size
        Sum of the triggers, its expectation at x = 0 (positive), and N / dispersion.
    weight
        Weight of the observation, 0 to 1; 0 for none.

    Returns
    -------
    mean, variance, log probability
        The last without the terms that do not depend on x.
    """

    def move(_: Array | int, x: Array) -> Array:
        own = expected * jnp.exp(x)
        slope = weight * (total - (total + size) * own / (size + own))
        bend = weight * (total + size) * size * own / (size + own) ** 2
        full = (variance * slope - (x - mean)) / (1 + variance * bend)
        return x + jnp.clip(full, -LARGEST_STEP, LARGEST_STEP)

    x = jax.lax.fori_loop(0, NEWTON_STEPS, move, mean, unroll=True)
    own = expected * jnp.exp(x)
    bend = weight * (total + size) * size * own / (size + own) ** 2
    log_probability = weight * log_shape(x, total, expected, size)
    log_probability = log_probability - 0.5 * (x - mean) ** 2 / variance
    log_probability = log_probability - 0.5 * jnp.log1p(variance * bend)
    after = variance / (1 + variance * bend)
    # The likelihood is skew: the mean lies below the mode, by its third derivative.
    skew = bend * (size - own) / (size + own)
    return x - 0.5 * after**2 * skew, after, log_probability
