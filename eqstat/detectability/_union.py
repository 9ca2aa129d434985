"""Probability that none of several overlapping circles detects."""

from __future__ import annotations

from itertools import combinations

import jax.numpy as jnp
from jaxtyping import Array, Float

from eqstat._core.constants import HALF_LOG_2PI
from eqstat._core.normal import log_ndtr

# Variance that conditioning leaves at least, for sums in single precision.
LEAST = 1e-3


def log_none_detects(
    score: Float[Array, "places circles *rest"],
    slope: Float[Array, "places circles *rest"],
    overlap: Float[Array, "places circles circles"],
    field: Float[Array, "places circles circles"],
) -> tuple[Float[Array, "places *rest"], Float[Array, "places *rest"]]:
    r"""Log probability that all counts stay below what is needed, as a score and a rest.

    Circle i, alone, has too few triggers with probability $\Phi(s_i)$: as if a standard normal
    variable stayed below $s_i$. Two such variables are correlated as the numbers of triggers, by
    the devices the circles share. A field of residuals moves the score of each circle by
    $-g_i w_i$ with a standard normal $w_i$, and those of neighbours have their own correlation, so
    that

    .. math:: \tilde s_i = \frac{s_i}{\sqrt{1 + g_i^2}}, \qquad \tilde\rho_{ij}
        = \frac{\rho_{ij} + g_i g_j c_{ij}}{\sqrt{(1 + g_i^2)(1 + g_j^2)}} .

    The probability of the orthant is a product of conditional ones, in which what is known about
    those before is taken as normal with the moments of the truncated variables (Mendell and Elston,
    1974). Best where the likeliest circles come first.

    Parameters
    ----------
    score, slope
        $s_i$ and $g_i$.
    overlap, field
        Correlations $\rho$ and $c$.

    Returns
    -------
    tuple of jax.Array
        The least score of a circle, $\min_i \tilde s_i$, and what is to be added to
        $\log \Phi$ of it, at most 0.

    References
    ----------
    Mendell, N. and Elston, R. (1974), Multifactorial qualitative traits: genetic analysis and
    prediction of recurrence risks, Biometrics 30, 41-57, doi:10.2307/2529616.
    """
    count = score.shape[1]
    root = 1 / jnp.sqrt(1 + slope**2)
    own = score * root
    turned = slope * root
    trailing = (1,) * (score.ndim - 2)

    def of(array: Array, i: int, j: int) -> Array:
        return array[:, i, j].reshape(-1, *trailing)

    covariance = {
        (i, j): of(overlap, i, j) * root[:, i] * root[:, j]
        + of(field, i, j) * turned[:, i] * turned[:, j]
        for i, j in combinations(range(count), 2)
    }
    mean = [jnp.zeros_like(own[:, 0])] * count
    variance = [jnp.ones_like(own[:, 0])] * count
    total = jnp.zeros_like(own[:, 0])
    for i in range(count):
        sd = jnp.sqrt(jnp.maximum(variance[i], LEAST))
        t = (own[:, i] - mean[i]) / sd
        log_below = log_ndtr(t)
        total = total + log_below
        ratio = jnp.exp(-0.5 * t**2 - HALF_LOG_2PI - log_below)
        narrowed = jnp.clip(ratio * (ratio + t), 0.0, 1.0)
        part = {j: covariance[i, j] / sd for j in range(i + 1, count)}
        for j in range(i + 1, count):
            mean[j] = mean[j] - part[j] * ratio
            variance[j] = variance[j] - part[j] ** 2 * narrowed
        for j, k in combinations(range(i + 1, count), 2):
            covariance[j, k] = covariance[j, k] - part[j] * part[k] * narrowed
    least = jnp.min(own, axis=1)
    return least, jnp.minimum(total - log_ndtr(least), 0.0)
