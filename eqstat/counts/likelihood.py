"""The likelihood of a history: weighted rows of equal counts, and a guard against earthquakes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from eqstat.counts import _tails
from eqstat.counts.null import Null, dispersion_at

if TYPE_CHECKING:
    FloatArray = Any
    IntArray = Any
else:
    FloatArray = Float[Array, "..."] | np.ndarray
    IntArray = Int[Array, "..."] | np.ndarray


# Sums over so few terms are written out, over so few run in plain numbers; longer ones in logs.
UNROLLED_TERMS = 4
PLAIN_TERMS = 64


class Rows(eqx.Module):
    """Rows of a history whose shocks need sums of the same length.

    Attributes
    ----------
    region
        Number of the region, (n,).
    basis
        Harmonics of the hour of the week, (n, 6).
    log_exposure
        Log of active devices times hours of a window, (n,).
    pair
        Which pair of (triggers, active) the row has, (n,).
    windows
        How many windows the row stands for; 0 where it is padding, (n,).
    side, spread
        Of a merged row: -1 or 1, (n,), and the covariance of log exposure and harmonics within
        the cells that it stands for, (n, 7, 7). The row lies at the mean of the cells' log
        means plus or minus their standard deviation; without merging there are no entries.
    triggers, active
        The pairs, (pairs,).
    terms
        Base counts that a shock's sum runs over, 1 for the smallest class.
    """

    region: IntArray
    basis: FloatArray
    log_exposure: FloatArray
    pair: IntArray
    windows: FloatArray
    side: FloatArray
    spread: FloatArray
    triggers: FloatArray
    active: FloatArray
    terms: int = eqx.field(static=True)


class CountData(eqx.Module):
    """What the likelihood sees: a pytree of padded arrays.

    Attributes
    ----------
    rows
        The rows, in classes.
    earthquake_weight
        Weight of the guard: probability that an unmarked window holds an earthquake.
    regions
        Number of regions.
    """

    rows: tuple[Rows, ...]
    earthquake_weight: FloatArray
    regions: int = eqx.field(static=True)


def _log_mean(null: Null, rows: Rows) -> Array:
    """Log of each row's mean count without shocks."""
    effects = jnp.concatenate([jnp.asarray(null.daily), jnp.asarray(null.weekly)])
    log_mean = jnp.asarray(rows.log_exposure) + jnp.log(null.rate_per_device_h)
    log_mean = log_mean + jnp.asarray(null.region_effect)[rows.region] + rows.basis @ effects
    if rows.spread.shape[0]:
        along = jnp.concatenate([jnp.ones(1, effects.dtype), effects])
        variance = jnp.einsum("nij,i,j->n", jnp.asarray(rows.spread), along, along)
        log_mean = log_mean + rows.side * jnp.sqrt(jnp.maximum(variance, 0.0) + 1e-12)
    return log_mean


def _sum_over_base(null: Null, rows: Rows, k: Array, n: Array, base: tuple, beta: tuple) -> Array:
    """Probability of a base count i and of a shock of k - i, summed, over that of i = 0.

    The ratio of one term to the one before it is a simple fraction.
    """

    def step(state: tuple[Array, Array], i: Array | int) -> tuple[tuple[Array, Array], None]:
        term, total = state
        up = _tails.ratio(null.family, i * jnp.ones_like(k), n, *base)
        back = _tails.ratio("beta_binomial", jnp.maximum(k - i - 1, 0.0), n, *beta)
        here = k > i
        term = jnp.where(here, term * up / jnp.where(here, back, 1.0), 0.0)
        return (term, total + term), None

    # The first term carries the batch axes of the parameters.
    state = (jnp.ones_like(k + base[0]), jnp.ones_like(k + base[0]))
    if rows.terms <= UNROLLED_TERMS:
        for i in range(rows.terms - 1):
            state, _ = step(state, i)
        return state[1]
    return jax.lax.scan(step, state, jnp.arange(rows.terms - 1, dtype=k.dtype))[0][1]


def _log_probability(null: Null, rows: Rows) -> Array:
    """Log probability of each row's count; what does not know the mean comes from the pairs."""
    k, n = jnp.asarray(rows.triggers), jnp.asarray(rows.active)
    spread = dispersion_at(null, n)
    fixed = _tails.pair_term(null.family, k, n, spread)[rows.pair]
    mean = jnp.exp(_log_mean(null, rows))
    row_k, row_n = k[rows.pair], n[rows.pair]
    row_spread = None if spread is None else spread[rows.pair]
    alone = fixed + _tails.mean_term(null.family, row_k, row_n, mean, row_spread)
    if null.shocks is None:
        return alone
    a, b = null.shocks.beta
    if rows.terms > PLAIN_TERMS:
        shaken = _tails.log_in_shock(
            null.family, row_k, row_n, mean, row_spread, a, b, terms=rows.terms
        )
    else:
        ones = jnp.ones_like(k)
        log_shock = _tails.log_beta_binomial(k, n, a * ones, b * ones)[rows.pair]
        base = _tails.ratio_parameters(null.family, row_n, mean, row_spread)
        total = _sum_over_base(null, rows, row_k, row_n, base, (a, b))
        nothing = _tails.mean_term(null.family, 0 * row_k, row_n, mean, row_spread)
        shaken = nothing + log_shock + jnp.log(total)
    probability = jnp.asarray(null.shocks.probability)
    return jnp.logaddexp(jnp.log1p(-probability) + alone, jnp.log(probability) + shaken)


def pointwise_log_likelihood(null: Null, data: CountData) -> list[Array]:
    r"""Log probability of one window of each row, class by class.

    .. math:: \log\Bigl\{(1-\epsilon)\, f(k \mid n, \mu) + \frac{\epsilon}{n + 1}\Bigr\}

    The second term is the guard: with the small fixed weight an unmarked window holds an
    earthquake, of which any number of the n devices is as likely. A window that the background
    cannot explain then costs a bounded amount and pulls at no parameter.
    """
    weight = jnp.asarray(data.earthquake_weight)
    out = []
    for rows in data.rows:
        log_f = _log_probability(null, rows)
        broad = jnp.log(weight) - jnp.log(jnp.asarray(rows.active) + 1)
        guard = jnp.broadcast_to(broad, rows.triggers.shape)[rows.pair]
        out.append(jnp.logaddexp(jnp.log1p(-weight) + log_f, guard))
    return out


def log_likelihood(null: Null, data: CountData) -> Float[Array, ""]:
    """Log likelihood of all windows, scalar; differentiable.

    Parameters
    ----------
    null
        One null (no axis of draws).
    data
        From `count_data(history)`.
    """
    points = pointwise_log_likelihood(null, data)
    return sum(
        (
            jnp.sum(jnp.where(rows.windows > 0, rows.windows * point, 0.0))
            for rows, point in zip(data.rows, points, strict=True)
        ),
        start=jnp.zeros(()),
    )
