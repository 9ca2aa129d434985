r"""Probability that no circle of a network detects, given what its devices share.

Once the terms that devices share are given, devices trigger independently, and the number of
triggers of a circle in a time window is Poisson-binomial. Its mean and variance are sums over the
devices, which depend on the epicentre only by distance: devices are counted on *rings* about it,
and the sums for all magnitudes, values of the shared term and times are one product of matrices.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.special import logsumexp
from jaxtyping import Array, Float

from eqstat._core.normal import log_ndtr
from eqstat.detectability._poisson_binomial import approximate_log_tails
from eqstat.detectability._response import DeviceResponse, shaking, trigger_probability
from eqstat.ground_motion import GroundMotion
from eqstat.velocity import VelocityModel

# Of the chosen circles, and of those of the second set, so many are followed for a magnitude.
KEPT = (3, 1)
# The logistic function of this times a normal score is within 0.01 of its probability.
LOGISTIC = 1.702


class Tables(NamedTuple):
    """Sums over devices are products with these, float32.

    Attributes
    ----------
    probability
        That a listed, active device of a ring triggers in the window that ends at a time, (rings,
        magnitudes x nodes x times).
    step
        As `probability`, in the step of time that ends then.
    log_node
        Log weights of the nodes, (nodes,).
    """

    probability: Float[Array, "rings rest"]
    step: Float[Array, "rings rest"]
    log_node: Float[Array, " nodes"]


class Given(NamedTuple):
    """Devices about places, float32.

    Attributes
    ----------
    counts
        Devices of the circles on the rings, (places, circles, rings).
    near
        Of these the devices near the circles' centres, (places, circles, rings).
    needed
        Triggers that the rule needs, (places, circles, hours).
    second
        1 for circles of the second set, 0 for those of the first, (places, circles).
    """

    counts: Array
    near: Array
    needed: Array
    second: Array


@jax.jit
def tabulate(
    response: DeviceResponse,
    motion: GroundMotion,
    velocity: VelocityModel,
    rings: Array,
    magnitude: Array,
    depth: Array,
    ends: Array,
    window: Array,
    neighbours: Array,
    nodes: Array,
) -> Tables:
    """Probabilities of rings; axes rings, magnitudes, nodes, times."""
    distance = jnp.sqrt(rings**2 + jnp.maximum(depth, 0.1) ** 2)
    of = shaking(motion, magnitude[None, :], distance[:, None], depth, neighbours)
    level = of.log10_pga[..., None] + of.shared_sd[..., None] * nodes
    by_p, by_s = trigger_probability(response, level, of.own_sd[..., None])
    arrival = velocity.travel_time(rings, depth)
    spans = jnp.stack([window, ends[1] - ends[0]])

    def within(span: Array) -> Array:
        of_p, of_s = (
            response.delay_cdf(ends - at[:, None]) - response.delay_cdf(ends - span - at[:, None])
            for at in arrival
        )
        p = by_p[..., None] * of_p[:, None, None] + by_s[..., None] * of_s[:, None, None]
        # People trigger those that are not dead, whom the earthquake has not triggered.
        alive = 1 - response.dead_share
        return (p + (alive - p) * response.background_in(span)).reshape(len(rings), -1)

    log_node = -0.5 * nodes**2
    return Tables(within(spans[0]), within(spans[1]), log_node - logsumexp(log_node))


def _sums(counts: Array, table: Array) -> Array:
    """Sums over devices on rings, (places, circles, rest)."""
    return jnp.matmul(counts, table, precision="highest")


def likely(expected: Array, near: Array, needed: Array) -> Array:
    """Order of circles: the rarer of enough triggers and of one near the centre, in logs."""
    count = log_ndtr((expected - needed) / jnp.sqrt(expected + 1.0))
    return jnp.minimum(count, jnp.log(-jnp.expm1(-jnp.maximum(near, 1e-12))))


def _enough(total: Array, square: Array, needed: Array) -> Array:
    """Probability that the count suffices at the trigger of one more device, in steps of time.

    A logistic tail, with the device counted as triggered: `square` over the total is the mean of
    the devices' probabilities, each weighted by itself. Means over each step, along the last axis.
    """
    sd = jnp.sqrt(total - square + 0.1)
    one = 1 - square / jnp.maximum(total, 1e-20)
    at_end = jax.nn.sigmoid(LOGISTIC * (total + one - needed + 0.5) / sd)
    at_start = jax.nn.sigmoid(LOGISTIC * (1.5 - needed) / 0.1**0.5)
    start = jnp.broadcast_to(at_start, at_end[..., :1].shape)
    mean = 0.5 * (jnp.concatenate([start, at_end[..., :-1]], axis=-1) + at_end)
    # The first trigger is enough where one is needed.
    return jnp.where(needed <= 1, 1.0, mean)


def _log_no_trigger(devices: Array, expected: Array) -> Array:
    """Log probability that none of some devices has a trigger, of so many that are expected."""
    share = jnp.clip(expected / jnp.maximum(devices, 1e-6), 0.0, 1 - 1e-6)
    return devices * jnp.log1p(-share)


def _of_circles(log_fewer: Array, log_none: Array, second: Array) -> Array:
    """Log probability that no circle detects, from those of circles along axis 1.

    A circle detects when its count suffices at the trigger of a device near its centre: neither is
    likelier than both. Circles overlap, so that the likeliest of them counts; the second set has
    no device in common with the first.
    """
    log_miss = jnp.maximum(log_fewer, log_none)
    which = second.reshape(second.shape + (1,) * (log_miss.ndim - 2))
    both = [jnp.min(jnp.where(which == number, log_miss, 0.0), axis=1) for number in (0.0, 1.0)]
    return both[0] + both[1]


@partial(jax.jit, static_argnames=("magnitudes", "times"))
def log_miss_by_time(
    tables: Tables, given: Given, share: Array, magnitudes: int, times: int
) -> Float[Array, "places magnitudes hours times"]:
    """Log probability of a miss by each time."""
    axes = (*given.counts.shape[:2], magnitudes, len(tables.log_node), times)
    mean = _sums(given.counts, tables.probability).reshape(axes)
    square = _sums(given.counts, tables.probability**2).reshape(axes)
    near, devices = _sums(given.near, tables.step).reshape(axes), given.near.sum(axis=-1)

    def of_hour(pair: tuple[Array, Array]) -> Array:
        a, k = pair
        total, squared = a * mean, a * a * square
        at = k[:, :, None, None, None]
        _, fewer = approximate_log_tails(total, total - squared, at)
        # Once detected it stays detected.
        fewer = jax.lax.associative_scan(jnp.minimum, fewer, axis=-1)
        detecting = jnp.cumsum(a * near * _enough(total, squared, at), axis=-1)
        none = _log_no_trigger(a * devices[..., None, None, None], detecting)
        log_miss = _of_circles(fewer, none, given.second)
        return logsumexp(log_miss + tables.log_node[:, None], axis=2)

    result = jax.lax.map(of_hour, (share, jnp.moveaxis(given.needed, 2, 0)))
    return jnp.moveaxis(result, 0, 2)


@partial(jax.jit, static_argnames=("magnitudes", "times"))
def log_miss_at_last(
    tables: Tables, given: Given, share: Array, magnitudes: int, times: int
) -> Float[Array, "places magnitudes hours"]:
    """Log probability of a miss in the end: as `log_miss_by_time`.

    The window with the most expected triggers serves, which spares the tails of the others.
    """
    rings, axes = len(tables.probability), (*given.counts.shape[:2], -1, times)

    def of_magnitude(pair: tuple[Array, Array]) -> Array:
        p, step = (x.reshape(rings, -1) for x in pair)
        mean, square = (_sums(given.counts, x).reshape(axes) for x in (p, p**2))
        near = _sums(given.near, step).reshape(axes)
        best = jnp.argmax(mean, axis=-1)[..., None]
        # The likeliest circles of both sets, at the middle of the nodes and the hours.
        a, node = jnp.mean(share), mean.shape[2] // 2
        most = jnp.take_along_axis(mean, best, -1)[..., 0]
        value = likely(
            a * most[:, :, node], a * jnp.sum(near[:, :, node], -1), jnp.mean(given.needed, axis=2)
        )
        kept = [
            jax.lax.top_k(jnp.where(given.second == number, value, -jnp.inf), many)[1]
            for number, many in enumerate(KEPT)
        ]
        kept = jnp.concatenate(kept, axis=1)
        mean, square, near, best = (
            jnp.take_along_axis(x, kept[..., None, None], 1) for x in (mean, square, near, best)
        )
        most, its_square = (jnp.take_along_axis(x, best, -1)[..., 0] for x in (mean, square))
        needed = jnp.take_along_axis(given.needed, kept[..., None], 1)
        second = jnp.take_along_axis(given.second, kept, 1)
        devices = jnp.take_along_axis(given.near.sum(axis=-1), kept, 1)[..., None]

        def of_hour(pair: tuple[Array, Array]) -> Array:
            a, k = pair
            total, at = a * most, k[:, :, None]
            _, fewer = approximate_log_tails(total, total - a * a * its_square, at)
            enough = _enough(a * mean, a * a * square, at[..., None])
            none = _log_no_trigger(a * devices, a * jnp.sum(near * enough, axis=-1))
            return logsumexp(_of_circles(fewer, none, second) + tables.log_node, axis=-1)

        return jax.lax.map(of_hour, (share, jnp.moveaxis(needed, 2, 0)))

    shape = (rings, magnitudes, -1, times)
    each = [jnp.moveaxis(x.reshape(shape), 1, 0) for x in (tables.probability, tables.step)]
    return jnp.moveaxis(jax.lax.map(of_magnitude, tuple(each)), 2, 0)
