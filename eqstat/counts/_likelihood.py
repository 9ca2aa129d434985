"""The likelihood of a history: weighted rows of equal counts, and a guard against earthquakes."""

from __future__ import annotations

from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from eqstat._core.arrays import FloatArray, IntArray
from eqstat.counts import _tails
from eqstat.counts._background import Background, Family, dispersion_at

# Sums over so few terms run in plain numbers; longer ones in logs.
PLAIN_TERMS = 256


class Rows(eqx.Module):
    """Rows of a history whose bursts need sums of the same length.

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
        Base counts that a burst's sum runs over, 1 for the smallest class.
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


def _step(family: Family, i: Array, k: Array, n: Array, values: tuple) -> tuple[Array, tuple]:
    """Term i + 1 of the sum over the base count over term i, and its slopes in the log."""
    first, second, a, b = values
    # The burst is smaller by one: m + 1 to m devices, and m below n keeps all factors positive.
    m = jnp.maximum(k - i - 1, 0.0)
    from_a, from_b = 1 / (a + m), b + n - m - 1
    safe_b = jnp.where(from_b > 0, from_b, 1.0)
    ratio = (m + 1) * safe_b * from_a / ((i + 1) * (n - m))
    slopes_burst = (-from_a, 1 / safe_b)
    if family == "poisson":
        return ratio * first, (1 / first, jnp.zeros_like(k), *slopes_burst)
    up = first + i
    if family == "negative_binomial":
        return ratio * up * second, (1 / up, 1 / second, *slopes_burst)
    rest = jnp.maximum(n - i, 0.0)
    down = second + rest - 1
    inverse = 1 / jnp.where(down > 0, down, 1.0)
    return ratio * rest * up * inverse, (1 / up, -inverse, *slopes_burst)


@partial(jax.custom_jvp, nondiff_argnums=(0, 1))
def _sum_over_base(family: Family, terms: int, k: Array, n: Array, values: tuple) -> Array:
    """Probability of a base count i and of a burst of k - i, summed, over that of i = 0.

    The ratio of one term to the one before it is a simple fraction.
    """

    def step(state: tuple[Array, Array], i: Array) -> tuple[tuple[Array, Array], None]:
        term = jnp.where(k > i, state[0] * _step(family, i, k, n, values)[0], 0.0)
        return (term, state[1] + term), None

    # The first term carries the batch axes of the parameters.
    one = jnp.ones_like(k + sum(values))
    return jax.lax.scan(step, (one, one), jnp.arange(terms - 1, dtype=k.dtype))[0][1]


@_sum_over_base.defjvp
def _sum_and_slopes(
    family: Family, terms: int, primals: tuple, tangents: tuple
) -> tuple[Array, Array]:
    """Slopes go along with the sum: a fraction of what a walk back through it would cost.

    Counts and numbers of devices are data and have none.
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
    """Log probability of each row's count; what does not know the mean comes from the pairs.

    Rows and pairs of all classes are joined, so that all but the sums is compiled once.
    """
    family = background.family
    k = jnp.concatenate([jnp.asarray(rows.triggers) for rows in parts])
    n = jnp.concatenate([jnp.asarray(rows.active) for rows in parts])
    firsts = np.cumsum([0, *(len(rows.triggers) for rows in parts[:-1])]).tolist()
    pair = jnp.concatenate(
        [jnp.asarray(rows.pair) + first for rows, first in zip(parts, firsts, strict=True)]
    )
    spread = dispersion_at(background, n)
    fixed = _tails.pair_term(family, k, n, spread)[pair]
    mean = jnp.exp(jnp.concatenate([_log_mean(background, rows) for rows in parts]))
    row_k, row_n = k[pair], n[pair]
    row_spread = None if spread is None else spread[pair]
    alone = fixed + _tails.mean_term(family, row_k, row_n, mean, row_spread)
    if background.bursts is None:
        return alone
    a, b = background.bursts.beta
    ones = jnp.ones_like(k)
    log_burst = _tails.log_beta_binomial(k, n, a * ones, b * ones)[pair]
    first, second = _tails.ratio_parameters(family, row_n, mean, row_spread)
    second = jnp.ones_like(first) if second is None else second
    nothing = _tails.mean_term(family, 0 * row_k, row_n, mean, row_spread)
    shaken, start = [], 0
    for rows in parts:
        use = slice(start, start + len(rows.pair))
        start = use.stop
        if rows.terms > PLAIN_TERMS:
            own = None if row_spread is None else row_spread[use]
            at = (row_k[use], row_n[use], mean[use], own)
            shaken.append(_tails.log_in_burst(family, *at, a, b, terms=rows.terms))
        else:
            values = (first[use], second[use], a, b)
            total = _sum_over_base(family, rows.terms, row_k[use], row_n[use], values)
            shaken.append(nothing[use] + log_burst[use] + jnp.log(total))
    probability = jnp.asarray(background.bursts.probability)
    together = jnp.log(probability) + jnp.concatenate(shaken)
    return jnp.logaddexp(jnp.log1p(-probability) + alone, together)


def pointwise_log_likelihood(background: Background, data: CountData) -> list[Array]:
    r"""Log probability of one window of each row, class by class.

    .. math:: \log\Bigl\{(1-\epsilon)\, f(k \mid n, \mu) + \frac{\epsilon}{n + 1}\Bigr\}

    The second term is the guard: with the small fixed weight an unmarked window holds an
    earthquake, of which any number of the n devices is as likely. A window that the background
    cannot explain then costs a bounded amount and pulls at no parameter.
    """
    if not data.rows:
        return []
    weight = jnp.asarray(data.earthquake_weight)
    log_f = _log_probability(background, data.rows)
    out, start = [], 0
    for rows in data.rows:
        broad = jnp.log(weight) - jnp.log(jnp.asarray(rows.active) + 1)
        guard = jnp.broadcast_to(broad, rows.triggers.shape)[rows.pair]
        own = log_f[start : start + len(rows.pair)]
        start += len(rows.pair)
        out.append(jnp.logaddexp(jnp.log1p(-weight) + own, guard))
    return out


def log_likelihood(background: Background, data: CountData) -> Float[Array, ""]:
    """Log likelihood of all windows, scalar; differentiable.

    Parameters
    ----------
    background
        One background (no axis of draws).
    data
        From `count_data(history)`.
    """
    points = pointwise_log_likelihood(background, data)
    return sum(
        (
            jnp.sum(jnp.where(rows.windows > 0, rows.windows * point, 0.0))
            for rows, point in zip(data.rows, points, strict=True)
        ),
        start=jnp.zeros(()),
    )
