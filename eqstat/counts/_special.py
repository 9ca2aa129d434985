"""Ratios of gamma functions and beta-binomial probabilities by plain arithmetic.

No incomplete beta or gamma function is called: ratios of gamma functions come from Stirling's
series without cancellation, so that gradients exist and single precision suffices.
"""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array

# Where the dispersion is smaller, a family does not differ from its limit in any digit.
SMALLEST = 1e-9
SHIFT = 8


def _stirling_remainder(x: Array) -> Array:
    r"""$\log\Gamma(x) - (x - 1/2)\log x + x - \tfrac12\log 2\pi$ for x of 8 and more."""
    y = 1 / (x * x)
    series = 1 / 12 - y * (1 / 360 - y * (1 / 1260 - y * (1 / 1680 - y / 1188)))
    return series / x


def log_rising(start: Array, steps: Array) -> Array:
    r"""$\log\Gamma(s + k) - \log\Gamma(s)$ for s > 0 and k >= 0, without cancellation.

    Eight steps of the recurrence $\Gamma(x + 1) = x\,\Gamma(x)$ bring both arguments to where
    Stirling's series has converged; the difference of its leading terms is written by `log1p`.
    """
    start, steps = jnp.asarray(start), jnp.asarray(steps)
    product = 1 + steps / start
    for shift in range(1, SHIFT):
        product = product * (1 + steps / (start + shift))
    far = start + SHIFT
    end = far + steps
    value = (far - 0.5) * jnp.log1p(steps / far) + steps * (jnp.log(end) - 1)
    return value + _stirling_remainder(end) - _stirling_remainder(far) - jnp.log(product)


def log_choose(n: Array, k: Array) -> Array:
    """Log of the binomial coefficient n over k; k at most n."""
    return log_rising(n - k + 1, k) - log_rising(jnp.ones_like(k), k)


def log_beta_binomial(k: Array, n: Array, a: Array, b: Array) -> Array:
    """Log probability of k among n whose probability is Beta(a, b); -inf above n."""
    inside = k < n + 1
    k = jnp.where(inside, k, 0.0)
    value = log_choose(n, k) + log_rising(a, k) + log_rising(b, a)
    return jnp.where(inside, value - log_rising(b + n - k, a + k), -jnp.inf)


def beta_binomial_ratio(k: Array, n: Array, a: Array, b: Array) -> Array:
    """Beta-binomial probability of k + 1 over that of k; 0 from n on."""
    left = n - k
    # The denominator is 0 or less only where k is n or more, and there is nothing above n.
    return jnp.where(left > 0, left, 0.0) * (a + k) / ((k + 1) * jnp.abs(b + left - 1))


def log1mexp(x: Array) -> Array:
    """Log of 1 - exp(x), x <= 0."""
    x = jnp.minimum(x, 0.0)
    near = x > -0.6931472
    inner = jnp.where(near, x, -1.0)
    outer = jnp.where(near, -1.0, x)
    return jnp.where(near, jnp.log(-jnp.expm1(inner)), jnp.log1p(-jnp.exp(outer)))


def cubic_weights(fraction: Any) -> tuple[Any, ...]:
    """Lagrange weights of four neighbours at -1, 0, 1, 2."""
    f = fraction
    return (
        -f * (f - 1) * (f - 2) / 6,
        (f + 1) * (f - 1) * (f - 2) / 2,
        -(f + 1) * f * (f - 2) / 2,
        (f + 1) * f * (f - 1) / 6,
    )
