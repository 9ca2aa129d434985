"""A cause tabulated on its grid: arrivals, trigger probabilities and readings by distance."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
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
    share = np.moveaxis(np.stack([cause.trigger_shares(rings, column) for column in z.T]), 0, -1)
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
    values = (
        reading,
        np.broadcast_to(sd, (1, len(magnitude))),
        np.repeat(share, factors),
        np.array([[threshold - ratio, np.inf], [threshold, threshold - ratio]]),
        np.stack([ratio * late, np.zeros(late.shape)]),
        model.odd_peak_share,
        np.array([model.handling_log10_mean, model.handling_log10_sd]),
    )
    return Peaks(*(np.asarray(value, np.float32) for value in values))  # type: ignore[arg-type]
