r"""Probability of peaks of which only limits are known, by expectation propagation; pure JAX.

The latent value $f_i$ of a station is what it has in common with others: the event's effects and
the correlated part of its record term. Given the exact peaks, these are normal, $f \sim N(a, B)$.
What is its own (the rest of the record term, station term, device) has the standard deviation
$s_i$, so that a peak contributes a factor of $f_i$ alone:

$$ \Phi\{(f_i - l_i) / s_i\}, \qquad \Phi\{(l_i - f_i) / s_i\}, \qquad
   N(y_i; f_i, s_i^2) / \Phi\{(f_i - t_i) / s_i\} $$

where it is at least $l_i$, less than $l_i$, or known and reported only above $t_i$. All are
log-concave.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array

from eqstat._core.constants import HALF_LOG_2PI
from eqstat._core.normal import log_ndtr

# Expectation propagation: most sweeps, share of each step, and change of means at which it ends.
SWEEPS, STEP, CLOSE = 60, 0.8, 1e-3
# Quadrature of a factor without a closed form: nodes to each side, reach in standard deviations.
NODES, REACH, NEWTON_STEPS = 12, 8.0, 8


class Limits(NamedTuple):
    """Factors of the latent values, relative to their mean without the event's effects.

    Attributes
    ----------
    value
        $y_i$ or $l_i$, (rows,).
    kind
        0 for a known peak, 1 where it is at least the value, -1 where it is less, (rows,).
    least
        $t_i$; minus infinity where a station is listed in any case, (rows,).
    sd
        $s_i$, above 0, (rows,).
    used
        1, or 0 for padding, (rows,).
    """

    value: Array
    kind: Array
    least: Array
    sd: Array
    used: Array


class _Moments(NamedTuple):
    """Log of the integral of a factor times a normal density, and moments of the product."""

    log_mass: Array
    mean: Array
    variance: Array


def _hazard(z: Array) -> Array:
    return jnp.exp(-0.5 * z**2 - HALF_LOG_2PI - log_ndtr(z))


def _of_tail(mean: Array, variance: Array, limits: Limits) -> _Moments:
    """Moments with a peak that is at least, or less than, a limit."""
    sign = jnp.where(limits.kind < 0, -1.0, 1.0)
    spread = jnp.sqrt(variance + limits.sd**2)
    z = sign * (mean - limits.value) / spread
    hazard = _hazard(z)
    shift = sign * variance * hazard / spread
    return _Moments(
        log_ndtr(z), mean + shift, variance - variance**2 * hazard * (z + hazard) / spread**2
    )


def _of_trigger(clips: bool, mean: Array, variance: Array, limits: Limits) -> _Moments:
    """Moments with a peak, known or clipped, of a station that is listed only above a level."""
    known, sd = limits.kind == 0, limits.sd
    spread2 = variance + sd**2
    residual = limits.value - mean
    log_mass = jnp.where(
        known, -0.5 * residual**2 / spread2 - 0.5 * jnp.log(spread2) - HALF_LOG_2PI, 0.0
    )
    centre = jnp.where(known, mean + variance * residual / spread2, mean)
    own = jnp.where(known, variance * sd**2 / spread2, variance)
    clipped = jnp.where(known, 0.0, 1.0)

    def log_factor(f: Array) -> Array:
        log = -0.5 * (f - centre) ** 2 / own - log_ndtr((f - limits.least) / sd)
        return log + clipped * log_ndtr((f - limits.value) / sd) if clips else log

    def derivatives(f: Array) -> tuple[Array, Array]:
        t = (f - limits.least) / sd
        of_least = _hazard(t)
        slope = -of_least / sd - (f - centre) / own
        bend = 1 / own - of_least * (t + of_least) / sd**2
        if clips:
            z = (f - limits.value) / sd
            of_value = clipped * _hazard(z)
            slope, bend = slope + of_value / sd, bend + of_value * (z + of_value) / sd**2
        return slope, bend

    mode = centre
    for _ in range(NEWTON_STEPS):
        slope, bend = derivatives(mode)
        mode = mode + slope / bend
    width = jax.lax.rsqrt(derivatives(mode)[1])
    # Towards weak shaking the density falls as the prior does: nodes are dense about the mode and
    # reach as far as that.
    reach = jnp.arcsinh(REACH * jnp.maximum(jnp.sqrt(variance) / width, 1.0))
    step = reach / NODES
    along = jnp.arange(-NODES, NODES + 1, dtype=mode.dtype)[:, None] * step
    nodes = mode + width * jnp.sinh(along)
    log_weight = log_factor(nodes) + jnp.log(jnp.cosh(along))
    weight = jax.nn.softmax(log_weight, axis=0)
    first = jnp.sum(weight * nodes, axis=0)
    second = jnp.sum(weight * (nodes - first) ** 2, axis=0)
    total = jax.scipy.special.logsumexp(log_weight, axis=0) + jnp.log(step * width)
    total = total - 0.5 * jnp.log(own) - HALF_LOG_2PI
    return _Moments(log_mass + total, first, second)


def log_probability(
    mean: Array, covariance: Array, limits: Limits, *, triggered_only: bool, clips: bool
) -> Array:
    r"""Log of $E \prod_i t_i(f_i)$ under $f \sim N(a, B)$, by expectation propagation.

    Parameters
    ----------
    mean, covariance
        a and B, (rows,) and (rows, rows); padding has a variance and no covariance.
    limits
        The factors.
    triggered_only
        Whether stations are listed only above their least level (static).
    clips
        Whether any of these is clipped (static).

    References
    ----------
    Minka, T. P. (2001), Expectation propagation for approximate Bayesian inference, Proceedings of
    the 17th Conference on Uncertainty in Artificial Intelligence, 362-369.

    Rasmussen, C. E. and Williams, C. K. I. (2006), Gaussian Processes for Machine Learning, MIT
    Press, section 3.6.
    """
    moments = partial(_of_trigger, clips) if triggered_only else _of_tail
    shifted = limits._replace(value=limits.value - mean, least=limits.least - mean)
    identity = jnp.eye(len(mean), dtype=mean.dtype)

    def posterior(shape: Array, precision: Array) -> tuple[Array, Array, Array]:
        """Mean and variances of the latent values, and the root of the stable core."""
        half = jnp.sqrt(precision)
        root = jnp.linalg.cholesky(identity + half[:, None] * covariance * half)
        part = jax.scipy.linalg.solve_triangular(root, half[:, None] * covariance, lower=True)
        full = covariance - part.T @ part
        return full @ shape, jnp.diagonal(full), root

    def cavity(shape: Array, precision: Array) -> tuple[Array, Array]:
        at, variance, _ = posterior(shape, precision)
        free = variance / jnp.maximum(1 - variance * precision, 1e-12)
        return free * (at / variance - shape), free

    def sweep(state: tuple) -> tuple:
        shape, precision, _, number = state
        centre, free = cavity(shape, precision)
        tilted = moments(centre, free, shifted)
        wanted = jnp.maximum(1 / tilted.variance - 1 / free, 0.0) * limits.used
        linear = (tilted.mean / tilted.variance - centre / free) * limits.used
        change = jnp.max(jnp.abs(wanted - precision) * free)
        change = change + jnp.max(jnp.abs(linear - shape) * jnp.sqrt(free))
        step = STEP * (jnp.stack([linear, wanted]) - jnp.stack([shape, precision]))
        return shape + step[0], precision + step[1], change, number + 1

    zero = jnp.zeros_like(mean)
    start = (zero, zero, jnp.asarray(jnp.inf, mean.dtype), 0)
    shape, precision, _, _ = jax.lax.while_loop(
        lambda state: (state[2] > CLOSE) & (state[3] < SWEEPS), sweep, start
    )
    centre, free = cavity(shape, precision)
    tilted = moments(centre, free, shifted)
    at, _, root = posterior(shape, precision)
    gain = 1 + precision * free
    # Log of the cavity's integral of each normal factor, which its mass replaces.
    scale = (centre * shape + 0.5 * free * shape**2 - 0.5 * precision * centre**2) / gain
    each = tilted.log_mass + 0.5 * jnp.log(gain) - scale
    both = 0.5 * shape @ at - jnp.sum(jnp.log(jnp.diagonal(root)))
    return jnp.sum(each * limits.used) + both
