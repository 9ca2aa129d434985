r"""Silent stations as upper bounds of correlated normals, by expectation propagation.

Normals $z \sim N(m_d, V)$, one for each draw d of the source, are conditioned on $z_i < t_i$ at
some stations, each of which may be out of order with probability o and then says nothing: factors
$o + (1 - o)\, 1\{z_i < t_i\}$. Each is replaced by a normal factor that keeps mean and variance of
the product of all others with it (Rasmussen and Williams, 2006, section 3.6; Cunningham et al.,
2011, for its accuracy). Where a factor would widen the normal, which one with o > 0 can, it moves
the mean only.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.linalg import cho_solve
from jaxtyping import Array, Float

from eqstat._core.constants import HALF_LOG_2PI
from eqstat._core.normal import log_ndtr

SWEEPS = 4


class Silence(NamedTuple):
    """Normals of $z - m_d$ given the silence, and the logarithm of its probability."""

    mean: Array  # (d, n)
    covariance: Array  # (d, n, n)
    log_evidence: Array  # (d,)


class _State(NamedTuple):
    mean: Array
    covariance: Array
    precision: Array  # of the normal factors, (d, n)
    shift: Array  # precision times location
    log_det: Array  # of I + V diag(precision), (d,)


def silence(
    limit: Float[Array, "d n"],
    covariance: Float[Array, "n n"],
    silent: Array,
    out_of_order: Array | float,
) -> Silence:
    """Condition $z - m_d$ on being below `limit` at the stations that are silent.

    Factors are updated one after the other, each by a change of rank one of the covariances of all
    draws, so that no matrix is factorised.
    """
    dtype = limit.dtype
    share = jnp.asarray(out_of_order, dtype)
    dead, working = jnp.log(share), jnp.log1p(-share)
    draws, size = limit.shape
    order = jnp.argsort(~silent, stable=True)

    def moments(mean: Array, variance: Array, bound: Array) -> tuple[Array, Array, Array]:
        """Log mass, mean and variance of a normal with the exact factor."""
        sd = jnp.sqrt(variance)
        alpha = (bound - mean) / sd
        log_mass = jnp.logaddexp(dead, working + log_ndtr(alpha))
        q = jnp.exp(working - 0.5 * alpha * alpha - HALF_LOG_2PI - log_mass)
        left = jnp.maximum(1.0 - q * (alpha + q), 1e-3)
        return log_mass, mean - sd * q, variance * left

    def others(mean: Array, variance: Array, precision: Array, shift: Array) -> tuple[Array, Array]:
        """Mean and variance without the own factor."""
        left = jnp.maximum(1.0 - precision * variance, 1e-4)
        return (mean - shift * variance) / left, variance / left

    def update(number: Array | int, state: _State) -> _State:
        at = order[number % count]
        column = state.covariance[:, :, at]
        own, old, old_shift = column[:, at], state.precision[:, at], state.shift[:, at]
        mean, variance = others(state.mean[:, at], own, old, old_shift)
        _, new_mean, new_variance = moments(mean, variance, limit[:, at])
        precision = jnp.maximum(1.0 / new_variance - 1.0 / variance, 0.0)
        shift = (precision + 1.0 / variance) * new_mean - mean / variance
        change, moved = precision - old, shift - old_shift
        grown = 1.0 + change * own
        return _State(
            state.mean + column * ((moved - change * state.mean[:, at]) / grown)[:, None],
            state.covariance - column[:, :, None] * (column * (change / grown)[:, None])[:, None],
            state.precision.at[:, at].set(precision),
            state.shift.at[:, at].set(shift),
            state.log_det + jnp.log(grown),
        )

    count = jnp.sum(silent)
    zero = jnp.zeros((draws, size), dtype)
    start = _State(
        zero, jnp.broadcast_to(covariance, (draws, size, size)), zero, zero, jnp.zeros(draws, dtype)
    )
    state = jax.lax.fori_loop(0, SWEEPS * count, update, start)
    variance = jnp.diagonal(state.covariance, axis1=1, axis2=2)
    mean, left = others(state.mean, variance, state.precision, state.shift)
    log_mass, _, _ = moments(mean, left, limit)
    own = state.precision + 1.0 / left
    constant = log_mass + 0.5 * (
        jnp.log(left * own) - (state.shift + mean / left) ** 2 / own + mean**2 / left
    )
    evidence = jnp.sum(jnp.where(silent, constant, 0.0), axis=1) - 0.5 * state.log_det
    evidence = evidence + 0.5 * jnp.sum(state.shift * state.mean, axis=1)
    return Silence(state.mean, state.covariance, evidence)


def onto(
    given: Silence, covariance: Float[Array, "n n"], cross: Float[Array, "s n"]
) -> tuple[Float[Array, "s d"], Float[Array, "s d"]]:
    """Shift of the means of sites by the silence, and what is taken off their variances.

    Sites are normal given z, with the regression on it that they have without the silence.
    """
    slope = cho_solve((jnp.linalg.cholesky(covariance), True), cross.T).T
    less = jnp.einsum("sn,dnm,sm->sd", slope, covariance - given.covariance, slope)
    return slope @ given.mean.T, less
