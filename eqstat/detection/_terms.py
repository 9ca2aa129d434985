r"""Log likelihood ratios of devices against the background, on rings about each place of a grid.

The contribution of a device to a hypothesis (place, depth, starting time, node) depends on the
place through the distance alone. So devices are counted on *rings* of fixed distances about each
place, terms are evaluated once per ring, and the sum over devices is a matrix product of counts and
terms. A device between two rings is split between them by linear weights, that is, its log ratio
is interpolated linearly,

.. math:: \log \tilde L = (1 - w) \log L(r_1) + w \log L(r_2).

By the inequality of arithmetic and geometric means $\tilde L \le (1 - w) L(r_1) + w L(r_2)$, so the
expectation of the interpolated ratio under the background is at most 1, and the bound of the
Shiryaev-Roberts statistic survives the approximation.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import erf, ndtr
from jaxtyping import Array, Float

from eqstat.detection.causes._cause import (
    Cause,
    arrival_sd_within_cell,
    second_sd_within_depths,
)
from eqstat.velocity import surface_point

# Spacing of the rings: RING_KM near the place, RING_FRACTION of the distance far from it.
RING_KM, RING_FRACTION = 2.0, 0.03
# One more ring this far beyond the farthest device, so that every distance has an upper ring.
BEYOND_KM = 1000.0
# The hazard of an excess grows linearly for this time, s.
RAMP_S = 6.0
# Hypotheses of a block of places.
CACHED = 1_000_000
# Terms of the series of log(1 + x), and below which |x| it is used: errors of some 1e-7 of x.
LOG_TERMS, SMALL = 7, 0.1


class Peaks(NamedTuple):
    """What reported peaks tell of a cause whose nodes have magnitudes.

    Attributes
    ----------
    reading
        Mean of log10 of the reading (m/s2) of a device, (rings, depths, nodes).
    sd
        Its standard deviation, (depths_or_one, nodes).
    able
        Share of devices that are alive and able to notice, (nodes,).
    limits
        Ends of log10 of the readings that trigger after each phase, (2, 2).
    shift
        Log10 of the peak that a device reports after each phase, less that of its reading,
        (2, rings, depths).
    odd
        Probability that a peak is not of the shaking.
    handling
        Mean and standard deviation of log10 of such peaks and of those of the background, (2,).
    """

    reading: Float[Array, "rings depths nodes"]
    sd: Float[Array, "depths_or_one nodes"]
    able: Float[Array, " nodes"]
    limits: Float[Array, "two two"]
    shift: Float[Array, "two rings depths"]
    odd: Float[Array, ""]
    handling: Float[Array, " two"]


class Tables(NamedTuple):
    """A cause tabulated on its grid, float32, for compiled steps.

    Attributes
    ----------
    place
        Surface points of the grid, (places, 3) km.
    log_place
        Log prior of the places, (places,).
    depth_km, log_depth
        Depths, (depths,), and their log prior, one for all nodes or one for each.
    rings
        Distances of the rings, increasing from 0, (rings,) km.
    arrival
        Arrivals of both phases after a slot's start, delay included, (2, rings, depths,
        nodes_or_one) s.
    sd
        Standard deviations of both phases, (2, depths, nodes_or_one) s.
    share
        Trigger probability after each phase, decay with distance included, (2, rings,
        depths_or_one, nodes).
    excess
        Additional hazard after its ramp, (nodes,) 1/s.
    lead
        From a slot's start to the arrival of the first phase at the epicentre, s.
    vertical
        Travel time of that phase to the epicentre, with one value for all nodes or one for each, s.
    delay
        Mean and standard deviation of the common delay's departure from its mean, (2,) s.
    log_weight
        Log prior of the nodes, (nodes,).
    age
        Seconds from each slot's start to that of the newest, (slots,).
    magnitude
        Magnitudes of the posterior, and the probability of each given the node, (magnitudes,) and
        (nodes, magnitudes); empty where the cause has none.
    peaks
        See `Peaks`; None where the cause has no magnitude.
    """

    place: Float[Array, "places 3"]
    log_place: Float[Array, " places"]
    depth_km: Float[Array, " depths"]
    log_depth: Float[Array, "depths nodes_or_one"]
    rings: Float[Array, " rings"]
    arrival: Float[Array, "two rings depths nodes_or_one"]
    sd: Float[Array, "two depths nodes_or_one"]
    share: Float[Array, "two rings depths_or_one nodes"]
    excess: Float[Array, " nodes"]
    lead: Float[Array, ""]
    vertical: Float[Array, "depths nodes_or_one"]
    delay: Float[Array, " two"]
    log_weight: Float[Array, " nodes"]
    age: Float[Array, " slots"]
    magnitude: tuple[Float[Array, " magnitudes"], Float[Array, "nodes magnitudes"]]
    peaks: Peaks | None = None

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Numbers of places, depths, slots and nodes."""
        return len(self.place), len(self.depth_km), len(self.age), len(self.log_weight)


def ring_nodes(farthest_km: float) -> np.ndarray:
    """Distances of the rings: equally spaced near the place, geometrically far from it, km."""
    rings = [0.0]
    while rings[-1] < farthest_km:
        rings.append(rings[-1] + max(RING_KM, RING_FRACTION * rings[-1]))
    return np.array([*rings, rings[-1] + BEYOND_KM])


def tabulate(
    cause: Cause,
    east_km: np.ndarray,
    north_km: np.ndarray,
    age_s: np.ndarray,
    farthest_km: float,
    *,
    spacing_km: float = 0.0,
    slot_s: float = 0.0,
    depth_km: np.ndarray | None = None,
    depth_width_km: np.ndarray | None = None,
    log_depth: np.ndarray | None = None,
    slowness: np.ndarray | None = None,
    log_slowness: np.ndarray | None = None,
) -> Tables:
    """Tabulate a cause on places, depths and starting times.

    The spread of arrivals within a cell is added to the scatter of the triggers, so that no source
    falls between the places or depths. Times are those of the arrival at the epicentre
    (`Cause.vertical_s`). With `slowness`, factors on the travel times with their log prior,
    every node is repeated for each factor (the factor varies fastest), and the depths are apparent
    ones, of which the factor times the depth.
    """
    rings = ring_nodes(farthest_km)
    depths = np.asarray(cause.depth_km if depth_km is None else depth_km, np.float64)
    log_z = np.log(cause.depth_weight)[:, None] if log_depth is None else log_depth
    factor = np.ones(1) if slowness is None else slowness
    log_factor = np.zeros(1) if log_slowness is None else log_slowness
    nodes = [np.repeat(np.asarray(array, np.float64), len(factor)) for array in cause.nodes]
    _, _, _, delay, sd, excess, weight = nodes
    count = len(cause.nodes.weight)
    z = depths[:, None] / factor
    # True depths by node: those of the factors, once for each node.
    share = np.moveaxis(
        np.stack([cause.trigger_shares(rings, column) for column in z.T]), 0, -1
    )
    share = share.reshape(*share.shape[:3], -1)
    travel = jax.vmap(lambda one: jnp.stack(cause.travel_s(jnp.asarray(rings), one)))(
        jnp.asarray(z.ravel())
    )
    travel = np.moveaxis(np.asarray(travel).reshape(*z.shape, 2, len(rings)), (2, 3), (0, 1))
    vertical = factor * cause.vertical_s(z)  # depths, factors
    # Phases, rings, depths, nodes; the factor varies fastest.
    after = np.tile(factor * travel - vertical, count)
    if cause.node_speed_km_s is not None:
        speed = np.asarray(cause.node_speed_km_s, np.float64)
        after = np.broadcast_to(rings[:, None, None] / speed, (2, len(rings), len(depths), count))
    # Phases, depths, nodes or one for all of them.
    within = np.repeat(arrival_sd_within_cell(cause, spacing_km, slot_s)[:, None], len(depths), 1)
    width = np.gradient(depths) if len(depths) > 1 else np.zeros(1)
    width = width if depth_width_km is None else depth_width_km
    within[1] = np.hypot(within[1], second_sd_within_depths(cause, depths, width)[:, None])
    delay_moments = [float(x) for x in (cause.delay_departure.mean(), cause.delay_departure.std())]
    values = (
        np.stack([np.asarray(x) for x in surface_point(east_km, north_km)], axis=-1),
        np.full(len(east_km), -np.log(len(east_km))),
        depths,
        log_z if log_z.shape[1] == 1 else np.tile(log_z, count),
        rings,
        _one_if_equal(after + delay + cause.lead_s),
        _one_if_equal(np.hypot(sd, within)),
        share,
        excess / 3600,
        cause.lead_s,
        vertical if len(factor) == 1 else np.tile(vertical, count),
        delay_moments,
        np.log(weight) + np.tile(log_factor, count),
        age_s,
        _magnitudes(cause, len(factor)),
        _peaks(cause, rings, z, travel * factor),
    )
    # By `jnp.asarray` each shape would be a program.
    return Tables(*jax.device_put(jax.tree.map(partial(np.asarray, dtype=np.float32), values)))


def _one_if_equal(values: np.ndarray) -> np.ndarray:
    """Keep one of the nodes along the last axis where all are equal: exponentials are dear."""
    first = values[..., :1]
    return first if np.array_equal(values, np.broadcast_to(first, values.shape)) else values


def _magnitudes(cause: Cause, factors: int) -> tuple[np.ndarray, np.ndarray]:
    """Magnitudes and their probabilities given the nodes, each repeated for the factors."""
    if cause.magnitudes is None or cause.apparent is None:
        return np.zeros(0), np.zeros((len(cause.nodes.weight) * factors, 0))
    given = cause.magnitudes.given(cause.apparent)[1]
    return cause.magnitudes.magnitudes, np.repeat(given, factors, axis=0)


def _peaks(
    cause: Cause, rings: np.ndarray, depth_km: np.ndarray, travel_s: np.ndarray
) -> Peaks | None:
    """Tabulate readings; depths are (depths, factors), travel times (2, rings, depths, factors)."""
    model, apparent = cause.magnitudes, cause.apparent
    if model is None or apparent is None:
        return None
    factors = depth_km.shape[1]
    magnitude = np.repeat(np.asarray(apparent.magnitude), factors)
    depth = np.tile(depth_km, len(np.asarray(apparent.magnitude)))  # depths, nodes x factors
    reading, sd = model.reading(magnitude, rings[:, None, None], depth)
    threshold = float(np.log10(model.response.trigger_m_s2))
    ratio = float(np.log10(model.response.p_amplitude_ratio))
    # A device that P triggered has looked for its peak when S comes, or has not.
    late = np.mean(travel_s[1] - travel_s[0], axis=-1) > model.peak_window_s
    share = np.asarray(cause.nodes.first) + np.asarray(cause.nodes.second)
    return Peaks(
        reading=reading,
        sd=np.broadcast_to(sd, (1, len(magnitude))),
        able=np.repeat(share, factors),
        limits=np.array([[threshold - ratio, np.inf], [threshold, threshold - ratio]]),
        shift=np.stack([ratio * late, np.zeros_like(late, np.float64)]),
        odd=np.asarray(model.odd_peak_share),
        handling=np.array([model.handling_log10_mean, model.handling_log10_sd]),
    )


def ring_weights(tables: Tables, position: Float[Array, " 3"]) -> tuple[Array, Array]:
    """Return the ring inside a device about each place, and the weight of the next, (places,)."""
    distance = jnp.sqrt(jnp.sum((tables.place - position) ** 2, axis=-1))
    lower = jnp.searchsorted(tables.rings, distance, side="right") - 1
    lower = jnp.clip(lower, 0, len(tables.rings) - 2)
    left, right = tables.rings[lower], tables.rings[lower + 1]
    return lower, jnp.clip((distance - left) / (right - left), 0.0, 1.0)


def add_device(
    tables: Tables, counts: Array, position: Float[Array, " 3"], number: Array, *, nearest: bool
) -> Float[Array, "places rings"]:
    """Add devices of one position to the counts on the rings, split between two rings.

    With `nearest` they belong to the nearest place alone, and lie on its first ring.
    """
    rows = jnp.arange(len(tables.place))
    if nearest:
        place = jnp.argmin(jnp.sum((tables.place - position) ** 2, axis=-1))
        return counts.at[place, 0].add(number)
    lower, upper = ring_weights(tables, position)
    counts = counts.at[rows, lower].add(number * (1 - upper))
    return counts.at[rows, lower + 1].add(number * upper)


def ring_counts(
    tables: Tables, position: Array, weight: Array, *, nearest: bool = False
) -> Float[Array, "places rings"]:
    """Count weighted devices on each ring about each place."""

    def add(counts: Array, device: tuple[Array, Array]) -> tuple[Array, None]:
        return add_device(tables, counts, *device, nearest=nearest), None

    start = jnp.zeros((len(tables.place), len(tables.rings)), jnp.float32)
    return jax.lax.scan(add, start, (position, weight))[0]


def _trigger_time(
    tables: Tables, after_s: Array, peak: tuple[Array, Array] | None = None
) -> tuple[Array, Array]:
    """Distribution function F and density f of the trigger time, (rings, depths, slots, nodes).

    With a peak the density is that of both, over the density of the peak of a background trigger.
    """
    probability, density = jnp.zeros(()), jnp.zeros(())
    for phase in (0, 1):
        sd = tables.sd[phase][:, None, :]
        share = tables.share[phase]
        seen = share if peak is None else _share_with_peak(tables, phase, peak)
        z = (after_s[:, None] - tables.arrival[phase][:, :, None, :]) / sd
        probability = probability + share[:, :, None, :] * (0.5 + 0.5 * erf(z * 2**-0.5))
        density = density + seen[:, :, None, :] / sd * jnp.exp(-0.5 * z * z)
    return probability, density * (2 * np.pi) ** -0.5


def _share_with_peak(tables: Tables, phase: int, peak: tuple[Array, Array]) -> Array:
    r"""Probability to trigger after a phase with a peak in a bin, over the background's of the bin.

    A trigger without a peak has the bin from minus to plus infinity, and the probability of the
    trigger alone. Since peaks are sorted into bins before both probabilities are taken, the
    expectation of the ratio under the background is the same with and without peaks.
    """
    share, peaks = tables.share[phase], tables.peaks
    if peaks is None:
        return share
    low, high = peak
    centre = peaks.reading + peaks.shift[phase][:, :, None]
    # The limits are those of readings, the bins those of peaks.
    first, last = (peaks.limits[phase, i] + peaks.shift[phase] for i in (0, 1))
    ends = [jnp.clip(end, first, last)[:, :, None] for end in peak]
    below, above = (ndtr((end - centre) / peaks.sd) for end in ends)
    mean, sd = peaks.handling
    # Between the upper ends of the tails, so that a rare bin is not lost to rounding.
    rare, common = ndtr((low - mean) / sd), ndtr((high - mean) / sd)
    background = jnp.where(
        low > mean, ndtr((mean - low) / sd) - ndtr((mean - high) / sd), common - rare
    )
    ratio = peaks.able * (above - below) / background
    return (1 - peaks.odd) * ratio + peaks.odd * share


def _log1p(x: Array) -> Array:
    """Logarithm of 1 + x, by its series near 0: six times as fast as XLA's, and as accurate."""
    series = jnp.zeros(())
    for power in range(LOG_TERMS, 0, -1):
        series = x * ((-1) ** (power + 1) / power + series)
    return jnp.where(jnp.abs(x) < SMALL, series, jnp.log(1 + x))


def _excess(tables: Tables, after_s: Array) -> tuple[Array, Array]:
    """Hazard of the excess and its integral, (slots, nodes).

    The hazard grows linearly from the slot's start on. A step would be an edge in time that a
    thousand devices locate far more sharply than any real reaction of people is.
    """
    after = jnp.maximum(after_s, 0.0)[:, None]
    ramp = jnp.minimum(after / RAMP_S, 1.0)
    return tables.excess * ramp, tables.excess * ramp * (after - 0.5 * RAMP_S * ramp)


def trigger_terms(
    tables: Tables,
    after_s: Array,
    log_background: Array,
    peak: tuple[Array, Array] | None = None,
) -> Array:
    r"""Log ratio of a trigger, (rings, depths, slots, nodes).

    .. math:: -X(t) + \log\{(1 + x(t)/\lambda)(1 - F) + f / \lambda\}

    with the background rate $\lambda$, the hazard $x$ of the excess and its integral $X$ since the
    start; `after_s` is the trigger's time less each slot's start, (slots,), and `peak` the ends of
    the bin of log10 of its peak. A trigger before the start is a background trigger, with ratio 1: so it does not matter whether the slot existed
    when the trigger came.
    """
    probability, density = _trigger_time(tables, after_s, peak)
    hazard, integral = _excess(tables, after_s)
    inverse = jnp.exp(-log_background)
    relative = hazard * inverse
    value = _log1p(density * inverse + relative - probability * (1 + relative)) - integral
    return jnp.where(after_s[:, None] > 0, value, 0.0)


def silent_terms(tables: Tables, after_s: Array) -> Array:
    r"""Log ratio of a device that is silent until t, $\log(1 - F) - X(t)$."""
    probability, _ = _trigger_time(tables, after_s)
    return _log1p(-probability) - _excess(tables, after_s)[1]


def about_device(
    tables: Tables, position: Float[Array, " 3"], gaps: int
) -> tuple[Tables, Float[Array, "places rings"]]:
    """Interpolate the tables to equally spaced rings over the distances of one device.

    Returns the tables on these rings, and the weights of the rings at the places for `at_places`.
    Where the places lie close together, a few rings are enough.
    """
    distance = jnp.sqrt(jnp.sum((tables.place - position) ** 2, axis=-1))
    nearest = jnp.min(distance)
    width = jnp.maximum(jnp.max(distance) - nearest, 1e-3) / gaps
    rings = nearest + width * jnp.arange(gaps + 1, dtype=distance.dtype)
    lower = jnp.searchsorted(tables.rings, rings, side="right") - 1
    lower = jnp.clip(lower, 0, len(tables.rings) - 2)
    part = (rings - tables.rings[lower]) / (tables.rings[lower + 1] - tables.rings[lower])

    def interpolated(values: Array) -> Array:
        upper = part.reshape(-1, *(1,) * (values.ndim - 2))
        return (1 - upper) * values[:, lower] + upper * values[:, lower + 1]

    peaks = tables.peaks
    if peaks is not None:
        peaks = peaks._replace(
            reading=interpolated(peaks.reading[None])[0], shift=interpolated(peaks.shift)
        )
    new = tables._replace(
        rings=rings,
        arrival=interpolated(tables.arrival),
        share=interpolated(tables.share),
        peaks=peaks,
    )
    return new, jnp.maximum(1 - jnp.abs(distance[:, None] - rings) / width, 0.0)


def at_places(weight: Float[Array, "places rings"], terms: Callable[[], Array]) -> Array:
    """Sum the terms over the devices on the rings: their log ratio under each hypothesis.

    Counts are fractional between rings, which interpolates the log ratio linearly in distance.
    """
    # A branch is a computation of its own, with loops over four axes, which are vectorised. Fused
    # with the flattening below they are not, and take eight times as long.
    shape = jax.eval_shape(terms)
    zeros = partial(jnp.zeros, shape.shape, shape.dtype)
    values = jax.lax.cond(jnp.any(weight != 0), terms, zeros)
    # In full precision: thousands of small terms are added up.
    return jnp.matmul(weight, values.reshape(weight.shape[1], -1), precision="highest")


def log_posterior(
    tables: Tables, log_ratio: Array, silent: Array, after_s: Array
) -> Float[Array, "places depths slots nodes"]:
    """Log of prior times likelihood ratio of every hypothesis."""
    silence = at_places(silent, lambda: silent_terms(tables, after_s))
    total = (log_ratio + silence).reshape(tables.shape)
    prior = tables.log_depth[:, None, :] + tables.log_weight
    return total + prior + tables.log_place[:, None, None, None]


def advance(tables: Tables, log_ratio: Array, shift: Array) -> Array:
    """Shift the evidence by some slots; new starting times begin without any."""
    places, depths, slots, nodes = tables.shape
    values = log_ratio.reshape(places, depths, slots, nodes)
    source = jnp.arange(slots) - shift
    moved = jnp.take(values, jnp.clip(source, 0, slots - 1), axis=2)
    return jnp.where((source >= 0)[:, None], moved, 0.0).reshape(places, -1)


def with_forgotten(by_slot: Array, before: Array, shift: Array) -> Array:
    """Join log ratios of the slots that are kept to those of the slots that have left them.

    When a slot has left those that are kept, its ratio remains as it was: to its hypotheses all
    that follows is background. `before` is of the same length as the result, `shift` slots ago.
    """
    source = jnp.arange(len(before)) - shift
    moved = jnp.where(source >= 0, before[jnp.maximum(source, 0)], -jnp.inf)
    return jnp.concatenate([by_slot, moved[len(by_slot) :]])


def sums(
    tables: Tables, log_ratio: Array, silent: Array, after_s: Array
) -> tuple[Array, Float[Array, "places depths slots"], Float[Array, " nodes"]]:
    """Greatest log posterior, and sums over the nodes, and over all but the nodes, relative to it.

    Some places at a time, so that what is added up need not leave the processor's cache.
    """
    _, depths, slots, nodes = tables.shape
    silence = silent_terms(tables, after_s).reshape(len(tables.rings), -1)
    prior = (tables.log_depth[:, None, :] + tables.log_weight).reshape(depths, -1, nodes)
    prior = jnp.broadcast_to(prior, (depths, slots, nodes)).ravel()

    def block(rows: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        ratio, counts, log_place = rows
        # In full precision: thousands of small terms are added up.
        total = ratio + jnp.matmul(counts, silence, precision="highest") + prior
        total = (total + log_place[:, None]).reshape(-1, depths, slots, nodes)
        # Without the barrier each of the sums would compute it anew.
        total = jax.lax.optimization_barrier(total)
        largest = jnp.max(total)
        joint, of_nodes = (jnp.exp(total - largest).sum(axis=a) for a in (3, (0, 1, 2)))
        return largest, joint, of_nodes

    number = blocks_of(tables)
    split = [x.reshape(number, -1, *x.shape[1:]) for x in (log_ratio, silent, tables.log_place)]
    largest, joint, of_nodes = jax.lax.map(block, tuple(split))
    most = jnp.max(largest)
    scale = jnp.exp(largest - most)
    joint = (joint * scale[:, None, None, None]).reshape(-1, depths, slots)
    return most, joint, scale @ of_nodes


def blocks_of(tables: Tables) -> int:
    """Number of blocks of places of about as many hypotheses as fit the processor's cache."""
    places = len(tables.place)
    per_place = int(np.prod(tables.shape[1:]))
    wanted = max(1, places * per_place // CACHED)
    return min((n for n in range(1, places + 1) if places % n == 0), key=lambda n: abs(n - wanted))


def magnitude_weight(tables: Tables, of_nodes: Array) -> Float[Array, " magnitudes"]:
    """Posterior probabilities of the magnitudes; empty where the cause has none."""
    return (of_nodes / of_nodes.sum()) @ tables.magnitude[1]


def moments(tables: Tables, joint: Array, start: Array) -> tuple[Array, Array, Array]:
    """Posterior means and sds of east, north, depth, origin time and arrival, (5,); the places'.

    From sums over the nodes. The arrival is that of the first phase at the epicentre.
    """
    joint = joint / jnp.sum(joint)
    place = jnp.sum(joint, axis=(1, 2))
    by_depth = jnp.sum(joint, axis=0)
    arrival = start - tables.age + tables.lead
    pairs = (
        (place, tables.place[:, 0]),
        (place, tables.place[:, 1]),
        (jnp.sum(by_depth, axis=1), tables.depth_km),
        (by_depth, arrival - tables.vertical[:, :1] - tables.delay[0]),
        (jnp.sum(by_depth, axis=0), arrival),
    )
    means = jnp.stack([jnp.sum(weight * values) for weight, values in pairs])
    variances = jnp.stack(
        [
            jnp.sum(weight * (values - mean) ** 2)
            for (weight, values), mean in zip(pairs, means, strict=True)
        ]
    )
    return means, jnp.sqrt(variances.at[3].add(tables.delay[1] ** 2)), place
