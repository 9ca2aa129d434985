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

# More triggers than there are: what a circle that pads others needs.
NEVER = 1e9
# Shared scatter is told apart into that of the event and the field's at this distance, km.
REFERENCE_KM = 50.0
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


def sums(counts: Array, table: Array) -> Array:
    """Sums over devices on rings, (places, circles, rest)."""
    return jnp.matmul(counts, table, precision="highest")


def _with_people(tables: Tables, which: int, total: Array, devices: Array) -> Array:
    """Add the triggers by people: of those that are not dead, whom no earthquake has triggered."""
    chance = tables.people[which]
    return total * (1 - chance) + tables.alive * chance * devices


def moments(tables: Tables, devices: Array, total: Array, square: Array) -> tuple[Array, Array]:
    """Sums of probabilities in the window, and of their squares, with triggers by people."""
    chance, alive = tables.people[0], tables.alive
    both = (1 - chance) ** 2 * square + 2 * (1 - chance) * alive * chance * total
    squares = both + (alive * chance) ** 2 * devices
    return _with_people(tables, 0, total, devices), squares


def log_no_trigger(devices: Array, expected: Array) -> Array:
    """Log probability that none of some devices has a trigger, of so many that are expected."""
    share = jnp.clip(expected / jnp.maximum(devices, 1e-6), 0.0, 1 - 1e-6)
    return devices * jnp.log1p(-share)


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


def ordered(value: Array, given: Given) -> tuple[Array, Given]:
    """Circles in the order of a value, (places, circles), the greatest first."""
    order = jnp.argsort(-value, axis=1)

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

        def in_steps(counts: Array, table: Array) -> Array:
            return sums(counts, table.reshape(rings, -1)).reshape(*counts.shape[:2], nodes, times)

        devices, few = (x.sum(axis=-1)[..., None, None] for x in (given.counts, given.near))
        within = in_time(tables.window_p, tables.window_s)
        mean, square = moments(
            tables, devices, in_steps(given.counts, within), in_steps(given.counts, within**2)
        )
        each_step = _with_people(tables, 1, in_time(tables.step_p, tables.step_s), jnp.ones(()))
        near = in_steps(given.near, each_step)
        log_weight = -0.5 * NODES.astype(p.dtype) ** 2 / event_share
        weight = jax.nn.softmax(log_weight)

        def of_hour(pair: tuple[Array, Array]) -> tuple[Array, Array]:
            a, k = pair
            total, squared, at = a * mean, a * a * square, k[:, :, None, None]
            score = score_of_count(total, squared, at, a * devices)
            # Once detected it stays detected.
            score = jax.lax.associative_scan(jnp.minimum, score, axis=-1)
            enough = _enough(total, squared, at)
            none = score_of_log(log_no_trigger(a * few, jnp.cumsum(a * near * enough, axis=-1)))
            score = jnp.maximum(score, none)
            slope = slope_along_nodes(score, -2) * jnp.sqrt(1 - event_share)
            order, of = ordered(-jnp.sum(jnp.clip(score[..., -1], -3.0, 3.0), -1), given)
            score, slope = (
                jnp.take_along_axis(x, order[..., None, None], 1) for x in (score, slope)
            )
            least, rest = log_none_detects(score, slope, of.overlap, of.field)
            last = [jnp.swapaxes(x, 1, 2) for x in (least, rest)]
            log_miss, _ = log_expectation(last[0], last[1], event_share)
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
