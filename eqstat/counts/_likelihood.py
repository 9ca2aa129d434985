"""Likelihood of a history: weighted rows of equal counts, robust to unmarked earthquakes."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from eqstat._core.arrays import FloatArray, IntArray
from eqstat.counts import _tails
from eqstat.counts._background import Background, dispersion_at
from eqstat.counts._families import CountFamily
from eqstat.counts._intensity._parameters import nodes_of
from eqstat.counts._special import log_beta_binomial

# Sums of up to this many terms are in plain numbers, longer ones in logs.
PLAIN_TERMS = 256


class Rows(eqx.Module):
    """Rows of a history whose sums over the base count have the same length.

    Attributes
    ----------
    region
        Index of the region, (n,).
    basis
        Harmonics of the hour of the week, (n, 6).
    log_exposure
        Log of active devices times hours of a window, (n,).
    pair
        Index of the row's pair of (triggers, active), (n,).
    windows
        Number of windows that the row represents; 0 for padding, (n,).
    side, spread
        For merged rows: -1 or 1, (n,), and the covariance of log exposure and harmonics within
        the merged cells, (n, 7, 7). The row lies at the mean of the cells' log means plus or
        minus their standard deviation; without merging there are no entries.
    triggers, active
        The pairs, (pairs,).
    terms
        Number of base counts in the sum with a burst, 1 without bursts.
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
    """Data of the likelihood: a pytree of padded arrays, from `count_data`.

    Attributes
    ----------
    rows
        The rows, in classes.
    earthquake_weight
        Weight of the outlier component: probability that a window holds an unmarked earthquake.
    regions
        Number of regions.
    """

    rows: tuple[Rows, ...]
    earthquake_weight: FloatArray
    regions: int = eqx.field(static=True)


def _log_mean(background: Background, rows: Rows) -> Array:
    """Log of each row's mean count without bursts."""
    effects = jnp.concatenate([jnp.asarray(background.daily), jnp.asarray(background.weekly)])
    log_mean = jnp.asarray(rows.log_exposure) + jnp.log(background.rate_per_device_h)
    log_mean = log_mean + jnp.asarray(background.region_effect)[rows.region] + rows.basis @ effects
    if rows.spread.shape[0]:
        along = jnp.concatenate([jnp.ones(1, effects.dtype), effects])
        variance = jnp.einsum("nij,i,j->n", jnp.asarray(rows.spread), along, along)
        log_mean = log_mean + rows.side * jnp.sqrt(jnp.maximum(variance, 0.0) + 1e-12)
    return log_mean


def _step(family: CountFamily, i: Array, k: Array, n: Array, values: tuple) -> tuple[Array, tuple]:
    """Ratio of terms i + 1 and i of the sum over the base count, and the slopes of its log."""
    first, second, a, b = values
    # As the base count grows by one, the burst shrinks from m + 1 to m devices.
    m = jnp.maximum(k - i - 1, 0.0)
    from_a, from_b = 1 / (a + m), b + n - m - 1
    safe_b = jnp.where(from_b > 0, from_b, 1.0)
    burst = (m + 1) * safe_b * from_a / ((i + 1) * (n - m))
    base, slope_first, slope_second = family.scaled_ratio(i, n, first, second)
    return burst * base, (slope_first, slope_second, -from_a, 1 / safe_b)


@partial(jax.custom_jvp, nondiff_argnums=(0, 1))
def _sum_over_base(family: CountFamily, terms: int, k: Array, n: Array, values: tuple) -> Array:
    """Sum over i of P(base = i) P(burst = k - i), relative to the term i = 0.

    Each term is the one before times a ratio of polynomials, so that the sum needs no gamma
    function.
    """

    def step(state: tuple[Array, Array], i: Array) -> tuple[tuple[Array, Array], None]:
        term = jnp.where(k > i, state[0] * _step(family, i, k, n, values)[0], 0.0)
        return (term, state[1] + term), None

    # The first term carries the batch axes of the parameters.
    one = jnp.ones_like(k + sum(values))
    return jax.lax.scan(step, (one, one), jnp.arange(terms - 1, dtype=k.dtype))[0][1]


@_sum_over_base.defjvp
def _sum_and_slopes(
    family: CountFamily, terms: int, primals: tuple, tangents: tuple
) -> tuple[Array, Array]:
    """Forward-mode derivative: the slopes of the log terms are accumulated beside the sum.

    Reverse mode through the scan would store every term. JAX transposes this linear rule, so
    gradients cost little more than the value. Counts and devices are data, without derivatives.
    """
    (k, n, values), (_, _, directions) = primals, tangents

    def step(state: tuple, i: Array) -> tuple[tuple, None]:
        term, total, logs, slopes = state
        ratio, more = _step(family, i, k, n, values)
        term = jnp.where(k > i, term * ratio, 0.0)
        logs = tuple(log + one for log, one in zip(logs, more, strict=True))
        slopes = tuple(slope + term * log for slope, log in zip(slopes, logs, strict=True))
        return (term, total + term, logs, slopes), None

    one = jnp.ones_like(k + sum(values))
    none = (jnp.zeros_like(one),) * len(values)
    state = (one, one, none, none)
    state, _ = jax.lax.scan(step, state, jnp.arange(terms - 1, dtype=k.dtype))
    _, total, _, slopes = state
    pairs = zip(slopes, directions, strict=True)
    return total, sum((slope * d for slope, d in pairs), start=jnp.zeros_like(total))


def _log_probability(background: Background, parts: tuple[Rows, ...]) -> Array:
    """Log probability of each row's count.

    Terms without the mean are computed once per pair. Rows and pairs of all classes are joined,
    so that everything but the sums is compiled once.
    """
    if background.intensity is not None:
        alone = replace(background, intensity=None)
        slow = background.intensity
        factors, weights = nodes_of(slow.sd, slow.surge_share, slow.surge_mean, jnp)
        logs = jax.lax.map(
            lambda factor: _log_probability(
                replace(alone, rate_per_device_h=factor * background.rate_per_device_h), parts
            ),
            jnp.exp(factors),
        )
        return jax.nn.logsumexp(logs + weights[:, None], axis=0)
    family = background.count_family
    k = jnp.concatenate([jnp.asarray(rows.triggers) for rows in parts])
    n = jnp.concatenate([jnp.asarray(rows.active) for rows in parts])
    firsts = np.cumsum([0, *(len(rows.triggers) for rows in parts[:-1])]).tolist()
    pair = jnp.concatenate(
        [jnp.asarray(rows.pair) + first for rows, first in zip(parts, firsts, strict=True)]
    )
    spread = dispersion_at(background, n)
    fixed = family.pair_term(k, n, spread)[pair]
    mean = jnp.exp(jnp.concatenate([_log_mean(background, rows) for rows in parts]))
    row_k, row_n = k[pair], n[pair]
    row_spread = None if spread is None else spread[pair]
    alone = fixed + family.mean_term(row_k, row_n, mean, row_spread)
    if background.bursts is None:
        return alone
    a, b = background.bursts.beta
    ones = jnp.ones_like(k)
    log_burst = log_beta_binomial(k, n, a * ones, b * ones)[pair]
    first, second = family.ratio_parameters(row_n, mean, row_spread)
    second = jnp.ones_like(first) if second is None else second
    at_zero = family.mean_term(0 * row_k, row_n, mean, row_spread)
    with_burst, start = [], 0
    for rows in parts:
        use = slice(start, start + len(rows.pair))
        start = use.stop
        if rows.terms > PLAIN_TERMS:
            own = None if row_spread is None else row_spread[use]
            at = (row_k[use], row_n[use], mean[use], own)
            with_burst.append(_tails.log_in_burst(family, *at, a, b, terms=rows.terms))
        else:
            values = (first[use], second[use], a, b)
            total = _sum_over_base(family, rows.terms, row_k[use], row_n[use], values)
            with_burst.append(at_zero[use] + log_burst[use] + jnp.log(total))
    probability = jnp.asarray(background.bursts.probability)
    together = jnp.log(probability) + jnp.concatenate(with_burst)
    return jnp.logaddexp(jnp.log1p(-probability) + alone, together)


def pointwise_log_likelihood(background: Background, data: CountData) -> list[Array]:
    r"""Log likelihood of one window of each row, class by class.

    .. math:: \log\Bigl\{(1-\eta)\, P(K = k \mid n, \mu) + \frac{\eta}{n + 1}\Bigr\}

    A weekly profile of the background enters through `count_data(history, profile=...)`.
    The second component is for unmarked earthquakes: with a small fixed weight every number of
    triggers is equally probable. The influence of a window that the background cannot explain is
    thus bounded.

    Parameters
    ----------
    background
        One background (no axis of draws).
    data
        From `count_data(history)`.

    Returns
    -------
    list of Array
        One array of rows for each class of `data.rows`.

    Examples
    --------
    >>> from eqstat.counts import Design, count_data, simulate
    >>> background = Background("poisson", 1.0)
    >>> history = simulate(jax.random.key(0), background, Design(active=9, days=1))
    >>> (points,) = pointwise_log_likelihood(background, count_data(history))
    >>> bool(points.max() < 0)
    True
    """
    if not data.rows:
        return []
    weight = jnp.asarray(data.earthquake_weight)
    log_f = _log_probability(background, data.rows)
    out, start = [], 0
    for rows in data.rows:
        uniform = jnp.log(weight) - jnp.log(jnp.asarray(rows.active) + 1)
        outlier = jnp.broadcast_to(uniform, rows.triggers.shape)[rows.pair]
        own = log_f[start : start + len(rows.pair)]
        start += len(rows.pair)
        out.append(jnp.logaddexp(jnp.log1p(-weight) + own, outlier))
    return out


def log_likelihood(background: Background, data: CountData) -> Float[Array, ""]:
    """Log likelihood of a history; differentiable.

    Parameters
    ----------
    background
        One background (no axis of draws).
    data
        From `count_data(history)`.

    Returns
    -------
    Array
        Scalar.

    Examples
    --------
    >>> from eqstat.counts import Design, count_data, simulate
    >>> background = Background("poisson", 1.0)
    >>> history = simulate(jax.random.key(0), background, Design(active=9, days=1))
    >>> data = count_data(history)
    >>> bool(log_likelihood(background, data) > log_likelihood(Background("poisson", 2.0), data))
    True
    """
    points = pointwise_log_likelihood(background, data)
    return sum(
        (
            jnp.sum(jnp.where(rows.windows > 0, rows.windows * point, 0.0))
            for rows, point in zip(data.rows, points, strict=True)
        ),
        start=jnp.zeros(()),
    )
