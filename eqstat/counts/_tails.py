"""Counts of the three families and of bursts: log probabilities and tails by plain arithmetic.

No incomplete beta or gamma function is called: ratios of gamma functions come from Stirling's
series without cancellation, tails from sums whose terms follow one another by simple ratios.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax.scipy.special import logsumexp
from jaxtyping import Array

# Where dispersion is smaller the families do not differ from their limits in any digit.
SMALLEST = 1e-9
SHIFT = 8
UNROLL = 8
MOST_TERMS = 1 << 17


def _stirling_rest(x: Array) -> Array:
    r"""$\log\Gamma(x) - (x - 1/2)\log x + x - \tfrac12\log 2\pi$ for x of 8 and more."""
    y = 1 / (x * x)
    series = 1 / 12 - y * (1 / 360 - y * (1 / 1260 - y * (1 / 1680 - y / 1188)))
    return series / x


def log_rising(start: Array, steps: Array) -> Array:
    r"""$\log\Gamma(s + k) - \log\Gamma(s)$ for s > 0 and k >= 0, without cancellation."""
    start, steps = jnp.asarray(start), jnp.asarray(steps)
    product = 1 + steps / start
    for shift in range(1, SHIFT):
        product = product * (1 + steps / (start + shift))
    far = start + SHIFT
    end = far + steps
    value = (far - 0.5) * jnp.log1p(steps / far) + steps * (jnp.log(end) - 1)
    return value + _stirling_rest(end) - _stirling_rest(far) - jnp.log(product)


def log_choose(n: Array, k: Array) -> Array:
    """Log of n over k; k at most n."""
    return log_rising(n - k + 1, k) - log_rising(jnp.ones_like(k), k)


def log_beta_binomial(k: Array, n: Array, a: Array, b: Array) -> Array:
    """Log probability of k among n whose probability is Beta(a, b); -inf above n."""
    inside = k < n + 1
    k = jnp.where(inside, k, 0.0)
    value = log_choose(n, k) + log_rising(a, k) + log_rising(b, a)
    return jnp.where(inside, value - log_rising(b + n - k, a + k), -jnp.inf)


def beta_of(n: Array, mean: Array, dispersion: Array) -> tuple[Array, Array]:
    """Parameters of the beta-binomial: p = 1 - exp(-mean / n), a + b = 1 / dispersion."""
    dispersion = jnp.maximum(dispersion, SMALLEST)
    return -jnp.expm1(-mean / n) / dispersion, jnp.exp(-mean / n) / dispersion


def pair_term(family: str, k: Array, n: Array, dispersion: Array | None) -> Array:
    """The part of the log probability that does not know the mean."""
    if family == "beta_binomial":
        return log_choose(n, k)
    constant = -log_rising(jnp.ones_like(k), k)
    if family == "negative_binomial":
        assert dispersion is not None
        constant = constant + log_rising(1 / jnp.maximum(dispersion, SMALLEST), k)
    return constant


def mean_term(family: str, k: Array, n: Array, mean: Array, dispersion: Array | None) -> Array:
    """The rest of the log probability."""
    if family == "poisson":
        return k * jnp.log(mean) - mean
    assert dispersion is not None
    if family == "negative_binomial":
        size = 1 / jnp.maximum(dispersion, SMALLEST)
        return k * (jnp.log(mean) - jnp.log(size + mean)) - size * jnp.log1p(mean / size)
    a, b = beta_of(n, mean, dispersion)
    return log_rising(a, k) + log_rising(b, a) - log_rising(b + n - k, a + k)


def log_base(family: str, k: Array, n: Array, mean: Array, dispersion: Array | None) -> Array:
    """Log probability of k triggers without bursts; -inf above n."""
    inside = k < n + 1
    k = jnp.where(inside, k, 0.0)
    value = pair_term(family, k, n, dispersion) + mean_term(family, k, n, mean, dispersion)
    return jnp.where(inside, value, -jnp.inf)


def ratio(family: str, k: Array, n: Array, first: Array, second: Array | None) -> Array:
    """Probability of k + 1 over that of k.

    `first`, `second` are the mean (Poisson), size and odds q of the negative binomial, or a and b.
    """
    if family == "poisson":
        return first / (k + 1)
    assert second is not None
    if family == "negative_binomial":
        return (first + k) * second / (k + 1)
    rest = n - k
    # The denominator is 0 or less only where k is n or more, and there is nothing above n.
    return jnp.where(rest > 0, rest, 0.0) * (first + k) / ((k + 1) * jnp.abs(second + rest - 1))


def ratio_parameters(
    family: str, n: Array, mean: Array, dispersion: Array | None
) -> tuple[Array, Array | None]:
    """What `ratio` needs."""
    if family == "poisson":
        return mean, None
    assert dispersion is not None
    if family == "negative_binomial":
        size = 1 / jnp.maximum(dispersion, SMALLEST)
        return size, mean / (size + mean)
    return beta_of(n, mean, dispersion)


def log1mexp(x: Array) -> Array:
    """Log of 1 - exp(x), x <= 0."""
    x = jnp.minimum(x, 0.0)
    near = x > -0.6931472
    inner = jnp.where(near, x, -1.0)
    outer = jnp.where(near, -1.0, x)
    return jnp.where(near, jnp.log(-jnp.expm1(inner)), jnp.log1p(-jnp.exp(outer)))


def _sides(
    family: str, k: Array, n: Array, mean: Array, first: Array, second: Array | None, log_at: Array
) -> tuple[Array, Array]:
    """Log P(K >= k) and log P(K < k), each side from a sum of positive terms or its complement.

    `log_at` is the log probability of k; terms run away from the mode, so they only fall.
    """
    here = ratio(family, k, n, first, second)
    # A slowly falling upper side is long to sum. Ratios fall, so it is then not small (the lower
    # probabilities are at most here ** -k times that of k), and its complement is good.
    patience = 7.0 if k.dtype == jnp.float64 else 3.0
    lower = (k <= mean) | (-jnp.log(jnp.where(here > 0, here, 1e-30)) * k < patience)
    below = ratio(family, k - 1, n, first, second)
    last = log_at - jnp.log(jnp.where(lower & (k > 0) & (below > 0), below, 1.0))
    anchor = jnp.where(lower, last, log_at)
    eps = float(jnp.finfo(k.dtype).eps) / 64

    def step(state: tuple) -> tuple:
        at, term, total, count = state
        for _ in range(UNROLL):
            down = at - 1
            up = ratio(family, at, n, first, second)
            back = ratio(family, jnp.maximum(down, 0.0), n, first, second)
            back = jnp.where((down >= 0) & (back > 0), 1 / jnp.where(back > 0, back, 1.0), 0.0)
            term = term * jnp.where(lower, back, up)
            at = jnp.where(lower, down, at + 1)
            total = total + term
        return at, term, total, count + UNROLL

    def more(state: tuple) -> Array:
        at, term, total, count = state
        # The rest of a series whose ratio is r is about term r / (1 - r).
        up = ratio(family, at, n, first, second)
        rest = jnp.where(lower, at, 1 / jnp.maximum(1 - up, 1e-6))
        return jnp.any(term * rest > eps * total) & (count < MOST_TERMS)

    start = jnp.where(lower, k - 1, k)
    one = jnp.ones_like(start)
    _, _, total, _ = jax.lax.while_loop(more, step, (start, one, one, 0))
    side = anchor + jnp.log(total)
    low = jnp.where(lower, jnp.where(k > 0, side, -jnp.inf), log1mexp(side))
    high = jnp.where(lower, jnp.where(k > 0, log1mexp(side), 0.0), side)
    none = k >= n + 1
    return jnp.where(none, -jnp.inf, high), jnp.where(none, 0.0, low)


def log_sides(
    family: str, k: Array, n: Array, mean: Array, dispersion: Array | None
) -> tuple[Array, Array]:
    """Log P(K >= k) and log P(K < k) without bursts."""
    first, second = ratio_parameters(family, n, mean, dispersion)
    at = log_base(family, k, n, mean, dispersion)
    return _sides(family, k, n, mean, first, second, at)


def log_sides_in_burst(
    family: str, k: Array, n: Array, mean: Array, dispersion: Array | None, a: Array, b: Array
) -> tuple[Array, Array]:
    """Log P(K >= k) and log P(K < k), given a burst that adds a beta-binomial count.

    One walk over the base count i = 0 ... k - 1; beside it go the tail of the burst from k down
    to 1 and the distribution function of the base from 0 up, so that all terms are positive.
    """
    first, second = ratio_parameters(family, n, mean, dispersion)
    ones = jnp.ones_like(k)
    a, b = a * ones, b * ones
    log_burst = log_beta_binomial(k, n, a, b)
    tail, _ = _sides("beta_binomial", k, n, n * a / (a + b), a, b, log_burst)
    none = -jnp.inf * ones
    base = log_base(family, 0 * k, n, mean, dispersion)

    def step(state: tuple) -> tuple:
        i, log_f, log_below, log_g, log_tail, high, low = state
        here = i < k
        below = jnp.logaddexp(log_below, log_f)
        m = jnp.maximum(k - i - 1, 0.0)
        back = ratio("beta_binomial", m, n, a, b)
        g = log_g - jnp.log(jnp.where(back > 0, back, 1.0))
        new = (
            log_f + jnp.log(ratio(family, i * ones, n, first, second)),
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
    family: str,
    k: Array,
    n: Array,
    mean: Array,
    dispersion: Array | None,
    a: Array,
    b: Array,
    terms: int | None = None,
) -> Array:
    """Log P(K = k) given a burst: the base count is summed over from 0 to k.

    With `terms` (known when compiled) over the first of them only, and differentiable in
    reverse; a caller sees to it that larger base counts are as good as impossible.
    """
    first, second = ratio_parameters(family, n, mean, dispersion)
    ones = jnp.ones_like(k)
    a, b = a * ones, b * ones

    def step(i: Array, state: tuple) -> tuple:
        log_term, total = state
        m = jnp.maximum(k - i - 1, 0.0)
        back = ratio("beta_binomial", m, n, a, b)
        up = ratio(family, i * ones, n, first, second)
        here = (i < k) & (back > 0)
        quotient = jnp.where(here, up / jnp.where(here, back, 1.0), 1.0)
        log_term = jnp.where(here, log_term + jnp.log(quotient), -jnp.inf)
        return log_term, jnp.logaddexp(total, log_term)

    start = log_base(family, 0 * k, n, mean, dispersion) + log_beta_binomial(k, n, a, b)
    if terms is None:

        def more(state: tuple) -> Array:
            return jnp.any(state[0] < k)

        def walk(state: tuple) -> tuple:
            return (state[0] + 1, *step(state[0], state[1:]))

        return jax.lax.while_loop(more, walk, (jnp.zeros((), k.dtype), start, start))[2]

    def scan(state: tuple, i: Array) -> tuple[tuple, None]:
        return step(i, state), None

    steps = jnp.arange(terms - 1, dtype=k.dtype)
    return jax.lax.scan(scan, (start, start), steps)[0][1]


def all_log_sides(
    family: str,
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
    # No count exceeds n: what the sums would give above it belongs to n.
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
    probability_of = jnp.where(full < last, jnp.exp(log_f), 0.0)
    high = jnp.cumsum(probability_of[..., ::-1], axis=-1)[..., ::-1]
    high = jnp.where(full <= last, high + jnp.exp(beyond)[..., None], 0.0)
    low = jnp.cumsum(probability_of, axis=-1) - probability_of
    lower = full <= wide[1]
    safe = jnp.where(lower, jnp.minimum(low, 0.5), 0.0)
    up = jnp.log(jnp.where(high > 0, high, 1.0))
    up = jnp.where(high > 0, up, jnp.where(full == last, beyond[..., None], -jnp.inf))
    return jnp.where(lower & (low < 0.5), jnp.log1p(-safe), up)


def mix(probability: Array, alone: Array, together: Array) -> Array:
    """Log of the mixture of windows without and with a burst."""
    both = jnp.stack(jnp.broadcast_arrays(jnp.log1p(-probability) + alone, together))
    weight = jnp.stack(jnp.broadcast_arrays(jnp.zeros_like(both[1]), jnp.log(probability)))
    return logsumexp(both + weight, axis=0)
