"""Log likelihood ratios of devices against the background, on rings about each place of a grid."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import erf
from jaxtyping import Array, Float

from eqstat.detection._causes import Cause, spread_s
from eqstat.velocity import surface_point

# Rings are so far apart, km; further out by this part of their distance.
RING_KM, RING_PART = 2.0, 0.03
BEYOND_KM = 1000.0
# An excess of the background grows for so long, s.
RAMP_S = 6.0


class Tables(NamedTuple):
    """A cause on its grid, float32, ready for compiled steps.

    Attributes
    ----------
    place
        Surface points of the grid, (places, 3) km.
    log_place
        Log prior of the places, (places,).
    depth_km, log_depth
        Depths and their log prior, (depths,).
    rings
        Distances of the rings, increasing from 0, (rings,) km.
    arrival
        Arrival of both phases after a slot's start, delays included, (2, rings, depths, nodes) s.
    sd
        Standard deviations of both phases, (2, nodes) s.
    share
        Probability to trigger after each phase, reach included, (2, rings, nodes).
    excess
        Hazard on top of the background once it is there, (nodes,) 1/s.
    lead
        From a slot's start to the origin time that it stands for, s.
    log_weight
        Log prior of the nodes, (nodes,).
    age
        Seconds from each slot's start to that of the newest, (slots,).
    """

    place: Float[Array, "places 3"]
    log_place: Float[Array, " places"]
    depth_km: Float[Array, " depths"]
    log_depth: Float[Array, " depths"]
    rings: Float[Array, " rings"]
    arrival: Float[Array, "two rings depths nodes"]
    sd: Float[Array, "two nodes"]
    share: Float[Array, "two rings nodes"]
    excess: Float[Array, " nodes"]
    lead: Float[Array, ""]
    log_weight: Float[Array, " nodes"]
    age: Float[Array, " slots"]

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Places, depths, slots, nodes."""
        return len(self.place), len(self.depth_km), len(self.age), len(self.log_weight)


def ring_nodes(farthest_km: float) -> np.ndarray:
    """Distances of the rings: equally spaced near the source, in proportion far away."""
    rings = [0.0]
    while rings[-1] < farthest_km:
        rings.append(rings[-1] + max(RING_KM, RING_PART * rings[-1]))
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
    log_depth: np.ndarray | None = None,
    slowness: np.ndarray | None = None,
    log_slowness: np.ndarray | None = None,
) -> Tables:
    """Tabulate a cause on places, depths and starting times.

    The spread of travel times within a cell is added to the scatter of the triggers. With
    `slowness`, factors of the travel times with their log prior, each node stands once for each of
    them, the factors within the node.
    """
    rings = ring_nodes(farthest_km)
    depths = np.asarray(cause.depth_km if depth_km is None else depth_km, np.float64)
    log_z = np.log(cause.depth_weight) if log_depth is None else log_depth
    slow = np.ones(1) if slowness is None else slowness
    log_slow = np.zeros(1) if log_slowness is None else log_slowness
    nodes = [np.repeat(np.asarray(array, np.float64), len(slow)) for array in cause.nodes]
    first, second, _, delay, sd, excess, weight = nodes
    rho = np.repeat(cause.reached(rings), len(slow), axis=1)
    slow, log_slow = (np.tile(values, len(cause.nodes.weight)) for values in (slow, log_slow))
    travel = [
        np.stack([np.asarray(t) for t in cause.travel_s(jnp.asarray(rings), float(z))])
        for z in depths
    ]
    travel = np.stack(travel, axis=-1)  # phases, rings, depths
    within = np.asarray(spread_s(cause, spacing_km, slot_s))
    values = (
        jnp.stack(surface_point(jnp.asarray(east_km), jnp.asarray(north_km)), axis=-1),
        np.full(len(east_km), -np.log(len(east_km))),
        depths,
        log_z,
        rings,
        travel[..., None] * slow + delay + cause.lead_s,
        np.hypot(sd, within[:, None]),
        np.stack([first, second])[:, None, :] * rho,
        excess / 3600,
        cause.lead_s,
        np.log(weight) + log_slow,
        age_s,
    )
    return Tables(*(jnp.asarray(value, jnp.float32) for value in values))


def ring_weights(tables: Tables, position: Float[Array, " 3"]) -> tuple[Array, Array]:
    """Lower ring of a device about each place, and the weight of the upper one, (places,)."""
    distance = jnp.sqrt(jnp.sum((tables.place - position) ** 2, axis=-1))
    lower = jnp.searchsorted(tables.rings, distance, side="right") - 1
    lower = jnp.clip(lower, 0, len(tables.rings) - 2)
    left, right = tables.rings[lower], tables.rings[lower + 1]
    return lower, jnp.clip((distance - left) / (right - left), 0.0, 1.0)


def add_device(
    tables: Tables, counts: Array, position: Float[Array, " 3"], how_many: Array
) -> Float[Array, "places rings"]:
    """Add to the devices on the rings; each device is split between two of them."""
    rows = jnp.arange(len(tables.place))
    lower, upper = ring_weights(tables, position)
    counts = counts.at[rows, lower].add(how_many * (1 - upper))
    return counts.at[rows, lower + 1].add(how_many * upper)


def ring_counts(tables: Tables, position: Array, weight: Array) -> Float[Array, "places rings"]:
    """Devices on each ring about each place."""

    def add(counts: Array, device: tuple[Array, Array]) -> tuple[Array, None]:
        return add_device(tables, counts, *device), None

    none = jnp.zeros((len(tables.place), len(tables.rings)), jnp.float32)
    return jax.lax.scan(add, none, (position, weight))[0]


def _triggered(tables: Tables, after_s: Array) -> tuple[Array, Array]:
    """Distribution function and density of the trigger time, (rings, depths, slots, nodes)."""
    chance, density = jnp.zeros(()), jnp.zeros(())
    for phase in (0, 1):
        sd = tables.sd[phase]
        share = tables.share[phase][:, None, None, :]
        z = (after_s[:, None] - tables.arrival[phase][:, :, None, :]) / sd
        chance = chance + share * (0.5 + 0.5 * erf(z * 2**-0.5))
        density = density + share / sd * jnp.exp(-0.5 * z * z)
    return chance, density * (2 * np.pi) ** -0.5


def _excess(tables: Tables, after_s: Array) -> tuple[Array, Array]:
    """Hazard of the excess and its integral, (slots, nodes).

    It grows from the slot's start on and does not begin at a moment: thousands of devices would
    take that for a clock.
    """
    after = jnp.maximum(after_s, 0.0)[:, None]
    there = jnp.minimum(after / RAMP_S, 1.0)
    return tables.excess * there, tables.excess * there * (after - 0.5 * RAMP_S * there)


def trigger_terms(tables: Tables, after_s: Array, log_background: Array) -> Array:
    r"""Log ratio of a trigger, (rings, depths, slots, nodes).

    .. math:: -X(t) + \log\{(1 + x(t)/\lambda)(1 - F) + f / \lambda\}

    with the hazard x of the excess and its integral X since the start; `after_s` is the trigger's
    time less each slot's start, (slots,). A trigger before the start is the background's, and
    its ratio is 1: so it does not matter whether the slot was there when it came.
    """
    chance, density = _triggered(tables, after_s)
    hazard, grown = _excess(tables, after_s)
    inverse = jnp.exp(-log_background)
    more = hazard * inverse
    value = jnp.log1p(density * inverse + more - chance * (1 + more)) - grown
    return jnp.where(after_s[:, None] > 0, value, 0.0)


def silent_terms(tables: Tables, after_s: Array) -> Array:
    r"""Log ratio of a device that has stayed silent, $\log(1 - F) - X(t)$."""
    chance, _ = _triggered(tables, after_s)
    return jnp.log1p(-chance) - _excess(tables, after_s)[1]


def about_device(
    tables: Tables, position: Float[Array, " 3"], gaps: int
) -> tuple[Tables, Float[Array, "places rings"]]:
    """Rings drawn anew, in equal steps over the distances from a device to the places.

    Returns the tables on them, and the weights of the rings at the places for `at_places`. Few
    rings do where the places lie close together.
    """
    distance = jnp.sqrt(jnp.sum((tables.place - position) ** 2, axis=-1))
    low = jnp.min(distance)
    width = jnp.maximum(jnp.max(distance) - low, 1e-3) / gaps
    rings = low + width * jnp.arange(gaps + 1, dtype=distance.dtype)
    old = jnp.searchsorted(tables.rings, rings, side="right") - 1
    old = jnp.clip(old, 0, len(tables.rings) - 2)
    part = (rings - tables.rings[old]) / (tables.rings[old + 1] - tables.rings[old])

    def drawn(values: Array) -> Array:
        upper = part.reshape(-1, *(1,) * (values.ndim - 2))
        return (1 - upper) * values[:, old] + upper * values[:, old + 1]

    new = tables._replace(rings=rings, arrival=drawn(tables.arrival), share=drawn(tables.share))
    return new, jnp.maximum(1 - jnp.abs(distance[:, None] - rings) / width, 0.0)


def at_places(weight: Float[Array, "places rings"], terms: Array) -> Array:
    """Sum of the rings' terms at the places: what devices add to each hypothesis.

    Between rings the logarithm is straight, so that the ratio is a geometric mean of two ratios
    of the background and, by the inequality of the means, its expectation is not above 1.
    """
    return jnp.matmul(weight, terms.reshape(weight.shape[1], -1), precision="highest")


def log_posterior(
    tables: Tables, log_ratio: Array, silent: Array, after_s: Array
) -> Float[Array, "places depths slots nodes"]:
    """Log of prior times ratio of every hypothesis."""
    quiet = at_places(silent, silent_terms(tables, after_s))
    total = (log_ratio + quiet).reshape(tables.shape)
    prior = tables.log_depth[:, None, None] + tables.log_weight
    return total + prior + tables.log_place[:, None, None, None]


def advance(tables: Tables, log_ratio: Array, shift: Array) -> Array:
    """Make room for new starting times; nothing has been seen since they began."""
    places, depths, slots, nodes = tables.shape
    values = log_ratio.reshape(places, depths, slots, nodes)
    source = jnp.arange(slots) - shift
    moved = jnp.take(values, jnp.clip(source, 0, slots - 1), axis=2)
    return jnp.where((source >= 0)[:, None], moved, 0.0).reshape(places, -1)


def moments(tables: Tables, total: Array, start: Array) -> tuple[Array, Array, Array]:
    """Means and standard deviations of hypocentre and origin time, (4,); weights of the places."""
    joint = jnp.exp(total - jnp.max(total)).sum(axis=3)
    joint = joint / jnp.sum(joint)
    place = jnp.sum(joint, axis=(1, 2))
    pairs = (
        (place, tables.place[:, 0]),
        (place, tables.place[:, 1]),
        (jnp.sum(joint, axis=(0, 2)), tables.depth_km),
        (jnp.sum(joint, axis=(0, 1)), start - tables.age + tables.lead),
    )
    means = [jnp.sum(weight * values) for weight, values in pairs]
    sds = [
        jnp.sqrt(jnp.sum(weight * (values - mean) ** 2))
        for (weight, values), mean in zip(pairs, means, strict=True)
    ]
    return jnp.stack(means), jnp.stack(sds), place
