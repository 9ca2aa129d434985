"""Log probabilities and tails of the count of a window, without and with bursts.

Everything is built from the ratios of neighbouring probabilities (`CountFamily.ratio`): tails are
sums of positive terms on the side of the smaller probability, so they are accurate however rare.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax.scipy.special import logsumexp
from jaxtyping import Array

from eqstat.counts._families import FAMILIES, CountFamily
from eqstat.counts._special import beta_binomial_ratio, log1mexp, log_beta_binomial

BETA_BINOMIAL = FAMILIES["beta_binomial"]
UNROLL = 8
MOST_TERMS = 1 << 17


def log_base(
    family: CountFamily, k: Array, n: Array, mean: Array, dispersion: Array | None
) -> Array:
    """Log probability of k triggers without bursts; -inf above n."""
    inside = k < n + 1
    k = jnp.where(inside, k, 0.0)
    value = family.pair_term(k, n, dispersion) + family.mean_term(k, n, mean, dispersion)
    return jnp.where(inside, value, -jnp.inf)


def _sides(
    family: CountFamily,
    k: Array,
    n: Array,
    mean: Array,
    first: Array,
    second: Array | None,
    log_at: Array,
) -> tuple[Array, Array]:
    """Log P(K >= k) and log P(K < k): one by a sum of positive terms, the other by complement.

    `log_at` is the log probability of k. The sum runs away from the mode, so that its terms
    decrease, and stops where a bound on the remainder is below the precision.
    """
    here = family.ratio(k, n, first, second)
    # A slowly decreasing upper tail takes many terms. It is then not small: the ratios decrease
    # with k, so that probabilities below k are at most here ** -k times that of k. Its complement
    # is then accurate, and the lower side is summed instead.
    patience = 7.0 if k.dtype == jnp.float64 else 3.0
    lower = (k <= mean) | (-jnp.log(jnp.where(here > 0, here, 1e-30)) * k < patience)
    below = family.ratio(k - 1, n, first, second)
    last = log_at - jnp.log(jnp.where(lower & (k > 0) & (below > 0), below, 1.0))
    anchor = jnp.where(lower, last, log_at)
    eps = float(jnp.finfo(k.dtype).eps) / 64

    def step(state: tuple) -> tuple:
        at, term, total, count = state
        for _ in range(UNROLL):
            down = at - 1
            up = family.ratio(at, n, first, second)
            back = family.ratio(jnp.maximum(down, 0.0), n, first, second)
            back = jnp.where((down >= 0) & (back > 0), 1 / jnp.where(back > 0, back, 1.0), 0.0)
            term = term * jnp.where(lower, back, up)
            at = jnp.where(lower, down, at + 1)
            total = total + term
        return at, term, total, count + UNROLL

    def more(state: tuple) -> Array:
        at, term, total, count = state
        remainder = jnp.where(lower, at, family.remainder(at, n, first, second))
        return jnp.any(term * remainder > eps * total) & (count < MOST_TERMS)

    start = jnp.where(lower, k - 1, k)
    one = jnp.ones_like(start)
    _, _, total, _ = jax.lax.while_loop(more, step, (start, one, one, 0))
    side = anchor + jnp.log(total)
    low = jnp.where(lower, jnp.where(k > 0, side, -jnp.inf), log1mexp(side))
    high = jnp.where(lower, jnp.where(k > 0, log1mexp(side), 0.0), side)
    impossible = k >= n + 1
    return jnp.where(impossible, -jnp.inf, high), jnp.where(impossible, 0.0, low)


def log_sides(
    family: CountFamily, k: Array, n: Array, mean: Array, dispersion: Array | None
) -> tuple[Array, Array]:
    """Log P(K >= k) and log P(K < k) without bursts."""
    first, second = family.ratio_parameters(n, mean, dispersion)
    at = log_base(family, k, n, mean, dispersion)
    return _sides(family, k, n, mean, first, second, at)


def log_sides_in_burst(
    family: CountFamily,
    k: Array,
    n: Array,
    mean: Array,
    dispersion: Array | None,
    a: Array,
    b: Array,
) -> tuple[Array, Array]:
    """Log P(K >= k) and log P(K < k), given a burst that adds a beta-binomial count.

    One loop over the base count i = 0 ... k - 1 accumulates P(base = i) P(burst >= k - i) for the
    tail and P(base <= i) P(burst = k - i - 1) for the distribution function. The tail of the
    burst is updated from k down to 1 and the distribution function of the base from 0 up, so
    that all terms are positive.
    """
    first, second = family.ratio_parameters(n, mean, dispersion)
    ones = jnp.ones_like(k)
    a, b = a * ones, b * ones
    log_burst = log_beta_binomial(k, n, a, b)
    tail, _ = _sides(BETA_BINOMIAL, k, n, n * a / (a + b), a, b, log_burst)
    none = -jnp.inf * ones
    base = log_base(family, 0 * k, n, mean, dispersion)

    def step(state: tuple) -> tuple:
        i, log_f, log_below, log_g, log_tail, high, low = state
        here = i < k
        below = jnp.logaddexp(log_below, log_f)
        m = jnp.maximum(k - i - 1, 0.0)
        back = beta_binomial_ratio(m, n, a, b)
        g = log_g - jnp.log(jnp.where(back > 0, back, 1.0))
        new = (
            log_f + jnp.log(family.ratio(i * ones, n, first, second)),
            below,
            g,
            jnp.logaddexp(log_tail, g),
            jnp.logaddexp(high, log_f + log_tail),
            jnp.logaddexp(low, below + g),
        )
        old = (log_f, log_below, log_g, log_tail, high, low)
        return (i + 1, *(jnp.where(here, n_, o) for n_, o in zip(new, old, strict=True)))

    start = (jnp.zeros((), k.dtype), base, none, log_burst, tail, none, none)
    final = jax.lax.while_loop(lambda s: jnp.any(s[0] < k), step, start)
    at = log_base(family, k, n, mean, dispersion)
    alone, _ = _sides(family, k, n, mean, first, second, at)
    high = jnp.logaddexp(final[5], alone)
    low = final[6]
    outside = k >= n + 1
    return jnp.where(outside, -jnp.inf, high), jnp.where(outside, 0.0, low)


def log_in_burst(
    family: CountFamily,
    k: Array,
    n: Array,
    mean: Array,
    dispersion: Array | None,
    a: Array,
    b: Array,
    terms: int | None = None,
) -> Array:
    """Log P(K = k) given a burst: a sum over the base count from 0 to k.

    With `terms` (static) the sum has only so many terms and is differentiable in reverse mode;
    the caller ensures that larger base counts are negligible.
    """
    first, second = family.ratio_parameters(n, mean, dispersion)
    ones = jnp.ones_like(k)
    a, b = a * ones, b * ones

    def step(i: Array, state: tuple) -> tuple:
        log_term, total = state
        m = jnp.maximum(k - i - 1, 0.0)
        back = beta_binomial_ratio(m, n, a, b)
        up = family.ratio(i * ones, n, first, second)
        here = (i < k) & (back > 0)
        quotient = jnp.where(here, up / jnp.where(here, back, 1.0), 1.0)
        log_term = jnp.where(here, log_term + jnp.log(quotient), -jnp.inf)
        return log_term, jnp.logaddexp(total, log_term)

    start = log_base(family, 0 * k, n, mean, dispersion) + log_beta_binomial(k, n, a, b)
    if terms is None:

        def more(state: tuple) -> Array:
            return jnp.any(state[0] < k)

        def advance(state: tuple) -> tuple:
            return (state[0] + 1, *step(state[0], state[1:]))

        return jax.lax.while_loop(more, advance, (jnp.zeros((), k.dtype), start, start))[2]

    def scan(state: tuple, i: Array) -> tuple[tuple, None]:
        return step(i, state), None

    steps = jnp.arange(terms - 1, dtype=k.dtype)
    return jax.lax.scan(scan, (start, start), steps)[0][1]


def all_log_sides(
    family: CountFamily,
    count: int,
    n: Array,
    mean: Array,
    dispersion: Array | None,
    burst: tuple[Array, Array, Array] | None,
) -> Array:
    """Log P(K >= k) for k = 0 ... count, on a last axis; `burst` is probability, a and b."""
    k = jnp.arange(count + 1, dtype=mean.dtype)
    wide: Any = [None if v is None else v[..., None] for v in (n, mean, dispersion)]
    shape = jnp.broadcast_shapes(*(v.shape for v in wide if v is not None), k.shape)
    full = jnp.broadcast_to(k, shape)
    log_f = log_base(family, full, wide[0], wide[1], wide[2])
    # No count exceeds n: probability that the families have above n belongs to n.
    end = jnp.minimum(full[..., -1], jnp.floor(n))
    beyond, _ = log_sides(family, end, n, mean, dispersion)
    if burst is not None:
        probability, a, b = burst
        log_g = log_beta_binomial(full, wide[0], a[..., None], b[..., None])
        g = jnp.exp(log_g)

        def add(total: Array, i: Array) -> tuple[Array, None]:
            moved = jnp.where(k >= i, jnp.roll(g, i.astype(int), axis=-1), 0.0)
            f = jnp.take(log_f, i.astype(int), axis=-1)
            return total + jnp.exp(f)[..., None] * moved, None

        both, _ = jax.lax.scan(add, jnp.zeros(shape, mean.dtype), k)
        beside, _ = log_sides_in_burst(family, end, n, mean, dispersion, a, b)
        weights = jnp.log1p(-probability), jnp.log(probability)
        log_f = jnp.logaddexp(weights[0][..., None] + log_f, weights[1][..., None] + jnp.log(both))
        beyond = jnp.logaddexp(weights[0] + beyond, weights[1] + beside)
    last = end[..., None]
    # In logs, since a tail that underflows would end at once beside one that does not.
    inside = jnp.where(full < last, log_f, -jnp.inf)
    up = jax.lax.cumlogsumexp(inside, axis=inside.ndim - 1, reverse=True)
    up = jnp.where(full <= last, jnp.logaddexp(up, beyond[..., None]), -jnp.inf)
    low = jnp.cumsum(jnp.exp(inside), axis=-1) - jnp.exp(inside)
    lower = (full <= wide[1]) & (low < 0.5)
    return jnp.where(lower, jnp.log1p(-jnp.where(lower, low, 0.0)), up)


def mix(probability: Array, alone: Array, together: Array) -> Array:
    """Log of the mixture of windows without a burst and with one."""
    both = jnp.stack(jnp.broadcast_arrays(jnp.log1p(-probability) + alone, together))
    weight = jnp.stack(jnp.broadcast_arrays(jnp.zeros_like(both[1]), jnp.log(probability)))
    return logsumexp(both + weight, axis=0)
