r"""Probability that no circle of a network detects, given what its devices share.

Once the terms that devices share are given, devices trigger independently, and the number of
triggers of a circle in a time window is Poisson-binomial. Its mean and variance are sums over the
devices, which depend on the epicentre only by distance: devices are counted on *rings* about it,
and the sums for all values of the shared term are products of matrices.

All probabilities are carried as normal scores, which are nearly linear in the shared term: a few
nodes serve for the sums over devices, and the integral interpolates between them.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from eqstat._core.normal import log_ndtr
from eqstat.detectability._response import DeviceResponse, shaking, trigger_probability
from eqstat.detectability._scores import (
    NODES,
    log_expectation,
    score_of_count,
    score_of_log,
    slope_along_nodes,
)
from eqstat.detectability._union import log_none_detects
from eqstat.ground_motion import GroundMotion
from eqstat.velocity import VelocityModel

# Circles of those followed that serve for a magnitude on maps.
KEPT = 4
# Nodes among which the window with the most triggers is chosen.
SOME = slice(8, 33, 6)
# More triggers than there are: what a circle that pads others needs.
NEVER = 1e9
# Shared scatter is told apart into that of the event and the field's at this distance, km.
REFERENCE_KM = 50.0
# Ends from below of classes of a count, as shares of its greatest.
LEVELS = (0.0, 0.3, 0.5, 0.65, 0.8, 0.9)
# The logistic function of this times a normal score is within 0.01 of its probability.
LOGISTIC = 1.702


class Tables(NamedTuple):
    """What a device on a ring does, float32.

    Attributes
    ----------
    by_p, by_s
        Probabilities that a listed, active device triggers on P, and on S if not on P,
        (rings, magnitudes, nodes).
    window_p, window_s
        Probabilities that these triggers fall into the window that ends at a time, (rings, times).
    step_p, step_s
        As `window_p`, for the step of time that ends then.
    alive
        Share of devices that are not dead.
    people
        Probabilities that people trigger a device that is alive, in a window and in a step, (2,).
    event_share
        Share of the shared variance that the whole network has in common, (magnitudes,).
    """

    by_p: Float[Array, "rings magnitudes nodes"]
    by_s: Float[Array, "rings magnitudes nodes"]
    window_p: Float[Array, "rings times"]
    window_s: Float[Array, "rings times"]
    step_p: Float[Array, "rings times"]
    step_s: Float[Array, "rings times"]
    alive: Array
    people: Float[Array, "2"]
    event_share: Float[Array, " magnitudes"]


class Given(NamedTuple):
    """Devices about places, float32.

    Attributes
    ----------
    counts
        Devices of the circles on the rings, (places, circles, rings).
    near
        Of these the devices near the circles' centres, (places, circles, rings).
    needed
        Triggers that the rule needs, `NEVER` for padding, (places, circles, hours).
    overlap, field
        Correlations of the circles' counts, and of their mean residuals, (places, circles,
        circles).
    """

    counts: Array
    near: Array
    needed: Array
    overlap: Array
    field: Array


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
) -> Tables:
    """Probabilities of rings; `neighbours` is the mean correlation of neighbours, (rings,)."""
    distance = jnp.sqrt(rings**2 + jnp.maximum(depth, 0.1) ** 2)
    of = shaking(motion, magnitude[None, :], distance[:, None], depth, neighbours[:, None])
    level = of.log10_pga[..., None] + of.shared_sd[..., None] * NODES.astype(rings.dtype)
    by_p, by_s = trigger_probability(response, level, of.own_sd[..., None])
    arrival = velocity.travel_time(rings, depth)
    spans = window, ends[1] - ends[0]
    parts = [
        response.delay_cdf(ends - at[:, None]) - response.delay_cdf(ends - span - at[:, None])
        for span in spans
        for at in arrival
    ]
    at = jnp.argmin(jnp.abs(distance - REFERENCE_KM))
    alone = shaking(motion, magnitude, distance[at], depth, jnp.zeros(()))
    return Tables(
        by_p, by_s, *parts,
        alive=jnp.asarray(1 - response.dead_share),
        people=jnp.stack([response.background_in(span) for span in spans]),
        event_share=jnp.maximum((alone.shared_sd / of.shared_sd[at]) ** 2, 1e-6),
    )  # fmt: skip


def _sums(counts: Array, table: Array) -> Array:
    """Sums over devices on rings, (places, circles, rest)."""
    return jnp.matmul(counts, table, precision="highest")


def _with_people(tables: Tables, which: int, total: Array, devices: Array) -> Array:
    """Add the triggers by people: of those that are not dead, whom no earthquake has triggered."""
    chance = tables.people[which]
    return total * (1 - chance) + tables.alive * chance * devices


def _moments(tables: Tables, devices: Array, total: Array, square: Array) -> tuple[Array, Array]:
    """Sums of probabilities in the window, and of their squares, with triggers by people."""
    chance, alive = tables.people[0], tables.alive
    both = (1 - chance) ** 2 * square + 2 * (1 - chance) * alive * chance * total
    squares = both + (alive * chance) ** 2 * devices
    return _with_people(tables, 0, total, devices), squares


def _log_no_trigger(devices: Array, expected: Array) -> Array:
    """Log probability that none of some devices has a trigger, of so many that are expected."""
    share = jnp.clip(expected / jnp.maximum(devices, 1e-6), 0.0, 1 - 1e-6)
    return devices * jnp.log1p(-share)


def _levels_when_triggering(count: Array, near: Array) -> Array:
    """Shares of the devices near the centre that trigger at levels of the count, of its greatest.

    Both arrays in steps of time along the last axis; returns the shares in the last axis.
    """
    level = count / jnp.maximum(jnp.max(count, axis=-1, keepdims=True), 1e-20)
    # Half-way through each step.
    level = 0.5 * (level + jnp.pad(level[..., :-1], [(0, 0)] * (level.ndim - 1) + [(1, 0)]))
    above = jnp.stack(
        [jnp.sum(jnp.where(level > edge, near, 0.0), axis=-1) for edge in LEVELS], axis=-1
    )
    shares = above - jnp.pad(above[..., 1:], [(0, 0)] * (above.ndim - 1) + [(0, 1)])
    return shares / jnp.maximum(jnp.sum(near, axis=-1), 1e-20)[..., None]


def _enough_at_levels(total: Array, square: Array, needed: Array, shares: Array) -> Array:
    """As `_enough`, averaged over the devices near the centre, by the levels of the count then."""
    sd = jnp.sqrt(total - square + 0.1)
    one = 1 - square / jnp.maximum(total, 1e-20)
    middle = 0.5 * (np.array(LEVELS) + np.array([*LEVELS[1:], 1.0]))
    mean = sum(
        shares[..., i : i + 1]
        * jax.nn.sigmoid(LOGISTIC * (float(level) * total + one - needed + 0.5) / sd)
        for i, level in enumerate(middle)
    )
    return jnp.where(needed <= 1, 1.0, mean)


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


def _ordered(value: Array, given: Given, kept: int | None = None) -> tuple[Array, Given]:
    """So many circles in the order of a value, (places, circles), the greatest first."""
    order = jnp.argsort(-value, axis=1)[:, :kept]

    def along(array: Array) -> Array:
        return jnp.take_along_axis(array, order[..., None], 1)

    pairs = [
        jnp.take_along_axis(along(x), order[:, None, :], 2) for x in (given.overlap, given.field)
    ]
    return order, Given(given.counts, given.near, along(given.needed), *pairs)


@partial(jax.jit, static_argnames=("magnitudes", "times"))
def detections_by_time(
    tables: Tables, given: Given, share: Array, magnitudes: int, times: int
) -> tuple[
    Float[Array, "places magnitudes hours times"], Float[Array, "places magnitudes hours rings"]
]:
    """Log probability of a miss by each time, and where the device is that completes a detection.

    The latter is the probability that there is a detection, by ring of that device: at each time
    and value of the shared term it is any of the devices near the followed circles' centres, in
    proportion to the probability that it triggers then and that the count suffices.
    """
    nodes, rings = len(NODES), len(tables.by_p)

    def of_magnitude(each: tuple[Array, Array, Array]) -> tuple[Array, Array]:
        p, s, event_share = each

        def in_time(of_p: Array, of_s: Array) -> Array:
            return p[..., None] * of_p[:, None] + s[..., None] * of_s[:, None]

        def sums(counts: Array, table: Array) -> Array:
            return _sums(counts, table.reshape(rings, -1)).reshape(*counts.shape[:2], nodes, times)

        devices, few = (x.sum(axis=-1)[..., None, None] for x in (given.counts, given.near))
        within = in_time(tables.window_p, tables.window_s)
        mean, square = _moments(
            tables, devices, sums(given.counts, within), sums(given.counts, within**2)
        )
        each_step = _with_people(tables, 1, in_time(tables.step_p, tables.step_s), jnp.ones(()))
        near = sums(given.near, each_step)
        log_weight = -0.5 * NODES.astype(p.dtype) ** 2 / event_share
        weight = jax.nn.softmax(log_weight)

        def of_hour(pair: tuple[Array, Array]) -> tuple[Array, Array]:
            a, k = pair
            total, squared, at = a * mean, a * a * square, k[:, :, None, None]
            score = score_of_count(total, squared, at)
            # Once detected it stays detected.
            score = jax.lax.associative_scan(jnp.minimum, score, axis=-1)
            enough = _enough(total, squared, at)
            none = score_of_log(_log_no_trigger(a * few, jnp.cumsum(a * near * enough, axis=-1)))
            score = jnp.maximum(score, none)
            slope = slope_along_nodes(score, -2) * jnp.sqrt(1 - event_share)
            order, of = _ordered(-jnp.sum(jnp.clip(score[..., -1], -3.0, 3.0), -1), given)
            score, slope = (
                jnp.take_along_axis(x, order[..., None, None], 1) for x in (score, slope)
            )
            least, rest = log_none_detects(score, slope, of.overlap, of.field)
            last = [jnp.swapaxes(x, 1, 2) for x in (least, rest)]
            log_miss = log_expectation(last[0], last[1], event_share)
            # Detections in each step, shared out among the devices that may complete them.
            hit = -jnp.expm1(log_ndtr(least) + rest)
            hit = jnp.diff(hit, axis=-1, prepend=0.0)
            able = jnp.maximum(jnp.sum(near * enough, axis=1), 1e-20)
            part = jnp.maximum(hit, 0.0) * weight[:, None] / able
            by_circle = jnp.einsum("pkzt,pzt,rzt->pkr", enough, part, each_step)
            by_ring = jnp.sum(given.near * by_circle, axis=1)
            return log_miss, by_ring

        return jax.lax.map(of_hour, (share, jnp.moveaxis(given.needed, 2, 0)))

    each = (*(jnp.moveaxis(x, 1, 0) for x in (tables.by_p, tables.by_s)), tables.event_share)
    log_miss, by_ring = (jnp.moveaxis(x, 2, 0) for x in jax.lax.map(of_magnitude, each))
    shape = (-1, magnitudes, len(share))
    return log_miss.reshape(*shape, times), by_ring.reshape(*shape, rings)


@partial(jax.jit, static_argnames=("magnitudes",))
def log_miss_at_last(
    tables: Tables, given: Given, share: Array, magnitudes: int
) -> Float[Array, "places magnitudes hours"]:
    """Log probability of a miss in the end: as `detections_by_time`.

    The window with the most expected triggers serves, which spares the tails of the others.
    """
    rings, times = tables.window_p.shape
    devices, few = (x.sum(axis=-1) for x in (given.counts, given.near))
    usual, wanted = jnp.mean(share), jnp.mean(given.needed, axis=2)

    def of_magnitude(each: tuple[Array, Array, Array]) -> Array:
        p, s, event_share = each
        some = [x[:, SOME] for x in (p, s)]

        def in_time(counts: Array, of_p: Array, of_s: Array) -> Array:
            table = some[0][:, :, None] * of_p[:, None] + some[1][:, :, None] * of_s[:, None]
            return _sums(counts, table.reshape(rings, -1)).reshape(*wanted.shape, -1, times)

        expected = usual * in_time(given.counts, tables.window_p, tables.window_s)
        # The best window where the count is about what is needed.
        most = jnp.max(expected, axis=-1)
        node = jnp.argmin(jnp.abs(most - wanted[..., None]), axis=-1)
        triggering = in_time(given.near, tables.step_p, tables.step_s)
        expected, triggering = (
            jnp.take_along_axis(x, node[..., None, None], 2)[:, :, 0]
            for x in (expected, triggering)
        )
        shares = _levels_when_triggering(expected, triggering)
        best = jnp.argmax(expected, axis=-1)
        of_p, of_s = tables.window_p.T[best], tables.window_s.T[best]
        counts = given.counts
        total = _sums(counts * of_p, p) + _sums(counts * of_s, s)
        square = _sums(counts * of_p**2, p**2) + _sums(counts * of_s**2, s**2)
        square += _sums(counts * 2 * of_p * of_s, p * s)
        mean, square = _moments(tables, devices[..., None], total, square)
        ever = p * tables.step_p.sum(axis=1)[:, None] + s * tables.step_s.sum(axis=1)[:, None]
        people = tables.alive * tables.people[1] * times
        near = _sums(given.near, ever) + people * few[..., None]
        # The likeliest circles first.
        at = jnp.take_along_axis(mean, (SOME.start + SOME.step * node)[..., None], 2)[..., 0]
        order, of = _ordered((usual * at - wanted) / jnp.sqrt(usual * at + 1), given, KEPT)
        mean, square, near, number, shares = (
            jnp.take_along_axis(x, order[..., None], 1)
            for x in (mean, square, near, few[..., None], shares)
        )

        def of_hour(pair: tuple[Array, Array]) -> Array:
            a, k = pair
            total, squared, at = a * mean, a * a * square, k[..., None]
            score = score_of_count(total, squared, at)
            enough = _enough_at_levels(total, squared, at, shares)
            none = _log_no_trigger(a * number, a * near * enough)
            score = jnp.maximum(score, score_of_log(none))
            slope = slope_along_nodes(score, -1) * jnp.sqrt(1 - event_share)
            return log_expectation(
                *log_none_detects(score, slope, of.overlap, of.field), event_share
            )

        return jax.lax.map(of_hour, (share, jnp.moveaxis(of.needed, 2, 0)))

    each = (*(jnp.moveaxis(x, 1, 0) for x in (tables.by_p, tables.by_s)), tables.event_share)
    result = jax.lax.map(of_magnitude, each)
    return jnp.moveaxis(result, 2, 0).reshape(-1, magnitudes, len(share))
