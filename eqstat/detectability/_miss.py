"""Miss probability and delay of a network's rule for earthquakes at given places."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from scipy.spatial import KDTree

from eqstat._core.checks import check_kind, check_probability, check_range
from eqstat._core.errors import InputError
from eqstat._core.typing import ArrayLike
from eqstat.detectability._at_last import evaluated_hours, log_miss_at_last
from eqstat.detectability._circles import (
    NEVER,
    Given,
    detections_by_time,
    tabulate,
)
from eqstat.detectability._draws import pairs, parameters_or_defaults
from eqstat.detectability._network import (
    Circles,
    DeviceNetwork,
    Rule,
    arc_km,
    circles,
    unit_vectors,
)
from eqstat.detectability._response import DeviceResponse, shaking, trigger_probability
from eqstat.detectability._results import Draw, labelled
from eqstat.detectability._rings import (
    REACH_KM,
    blocks,
    choose_circles,
    ring_counts,
    ring_nodes,
    within_reach,
)
from eqstat.detectability._scores import NODES
from eqstat.ground_motion import GroundMotion, event_design
from eqstat.inference import bucket_size
from eqstat.velocity import VelocityLike, VelocityModel, as_velocity

# Distances to which windows reach, km: a few, so that few programs are compiled.
DISTANCES_KM = (100.0, 150.0, 200.0, REACH_KM)
# Ends of the windows after the origin: steps for delays, and coarse ones for probabilities alone.
FINE_S, COARSE_S = 0.5, 3.0
# Magnitudes at which the circle with the most triggers in excess is chosen.
CHOSEN_AT = (3.5, 5.0, 6.5)
# Places at once; with delays so many that intermediate arrays hold this many numbers a circle.
CHUNK, MOST_NUMBERS = 256, 4_000_000
# Correlation of residuals at the range, exp(-3).
RANGE_DECAY = 3.0


def miss_probability(
    network: DeviceNetwork,
    rule: Rule,
    latitude: ArrayLike,
    longitude: ArrayLike,
    magnitude: ArrayLike,
    *,
    hour: ArrayLike = 12.0,
    depth_km: float | int = 10.0,
    active_share: ArrayLike = 1.0,
    response: DeviceResponse | None = None,
    motion: GroundMotion | None = None,
    velocity: VelocityLike = None,
    delays: bool = False,
    probability: float = 0.9,
) -> xr.Dataset:
    r"""Probability that a network's rule misses an earthquake, by place, magnitude and hour.

    With Z what the devices share, N the triggers in a circle and a window, and k(n) what the rule
    needs of n active devices,

    .. math:: P(\text{miss}) = \operatorname{E}_Z P\Big(\bigcap_i \{N_i < k(n_i)\}
        \,\Big|\, Z\Big), \qquad
        N_i \mid Z \sim \text{Poisson-binomial}\{a_h\, p_j(t, Z)\},

    where $a_h$ is the share of active devices at the hour and $p_j$ the probability that device j
    triggers within the window that ends at t, from `trigger_probability` and its delay, and i runs
    over circles about the devices that are likeliest to detect. One of the devices near its centre
    has to trigger when the count suffices. The event's strength and decay are one normal Z, over
    which is integrated; circles that overlap, or are near one another, have correlated counts (see
    the page on the model). Devices that are listed but dead count in n and never in N. Tails of N
    are approximate (see `approximate_log_tails`).

    Parameters
    ----------
    network
        From `prepare`.
    rule
        The rule in force.
    latitude, longitude
        Epicentres, degrees, of one shape or broadcasting, (places,) after flattening.
    magnitude
        Magnitudes, (magnitudes,).
    hour
        Local hours of the day, [0, 24), (hours,).
    depth_km
        Depth of the earthquakes, km, positive down, in [0, 700].
    active_share
        Share of the listed devices that are active, in (0, 1]: one number or one for each hour,
        such as `eqstat.simulation.active_share(hour)`.
    response
        Response of the devices; with a leading axis of draws (`ResponsePrior().draws(...)`) the
        result is averaged over them and has an interval.
    motion
        Ground-motion model; with a leading axis of draws as many as of `response`, or one for all.
    velocity
        Velocity model, see `eqstat.velocity`.
    delays
        Also return the delay of the detection, and follow all circles and windows.
    probability
        Probability of the interval over draws, in (0, 1).

    Returns
    -------
    xarray.Dataset
        Over `place`, `magnitude` and `hour`: `miss_probability` and `log_miss_probability`;
        `low` and `high` of the miss probability (equal tails) where there are draws; with
        `delays` also `delay_s` over `quantile` (0.16, 0.5, 0.84), seconds from the origin to the
        detection given that there is one, and `distance_km`, from the epicentre to the device
        whose trigger completes it; NaN where a detection has a chance below 1e-6.

    Raises
    ------
    eqstat.InputError
        When an argument is out of its range.

    Examples
    --------
    >>> import pandas as pd
    >>> from eqstat.detectability import Rule, prepare
    >>> town = pd.DataFrame({"latitude": [-12.0], "longitude": [-77.0], "phones": [400]})
    >>> network = prepare(town, devices="phones")
    >>> result = miss_probability(network, Rule(12), [-12.1], [-77.1], [2.0, 5.0])
    >>> bool(result["miss_probability"][0, 0] > 0.5 > result["miss_probability"][0, 1])
    True
    """
    check_kind("miss_probability", DeviceNetwork, "use `prepare`", network=network)
    check_kind("miss_probability", Rule, "use `Rule(needed)`", rule=rule)
    check_range("miss_probability", 0, 700, depth_km=depth_km)
    check_probability("miss_probability", probability=probability)
    check_range("miss_probability", -90, 90, latitude=latitude)
    check_range("miss_probability", -360, 540, longitude=longitude)
    check_range("miss_probability", -2, 10, magnitude=magnitude)
    check_range("miss_probability", 0, 24, ends="[)", hour=hour)
    check_range("miss_probability", 0, 1, ends="(]", active_share=active_share)
    response, motion = parameters_or_defaults("miss_probability", response, motion)
    lat, lon = (np.asarray(x, np.float64) for x in (latitude, longitude))
    if lat.shape != lon.shape and lat.ndim and lon.ndim:
        raise InputError("miss_probability: latitude and longitude must be of one shape")
    lat, lon = (x.ravel() for x in np.broadcast_arrays(lat, lon))
    size = np.atleast_1d(np.asarray(magnitude, np.float64))
    hours = np.atleast_1d(np.asarray(hour, np.float64))
    if not (lat.size and size.size and hours.size):
        raise InputError("miss_probability: needs at least one place, one magnitude and one hour")
    share = np.asarray(active_share, np.float64)
    if share.shape not in ((), hours.shape) or size.ndim != 1 or hours.ndim != 1:
        raise InputError(
            "miss_probability: magnitude and hour must be rows of numbers, active_share one "
            "number or one for each hour"
        )
    share = np.broadcast_to(share, hours.shape)
    ranges_km = _ranges_km(motion, float(depth_km))
    around = circles(network, rule.radius_km, ranges_km)
    draws = pairs("miss_probability", response, motion)
    results = [
        _one(
            network, rule, around, unit_vectors(lat, lon), size, hours, share, float(depth_km),
            ranges_km=ranges_km,
            response=one, motion=its_motion, velocity=as_velocity(velocity), delays=delays,
        )
        for one, its_motion in draws
    ]  # fmt: skip
    return labelled(results, lat, lon, size, hours, float(depth_km), probability)


def _ranges_km(motion: GroundMotion, depth_km: float) -> np.ndarray:
    """Range of the residuals' correlation on each ring, km, at magnitude 5; mean of the draws."""
    distance = jnp.asarray(np.hypot(ring_nodes(REACH_KM), max(depth_km, 0.1)))[:, None]
    beyond = -event_design(motion, 5.0, distance)[..., 1]
    ranges = jnp.atleast_1d(motion.correlation_km) * 10 ** (motion.correlation_growth * beyond)
    return np.asarray(ranges, np.float64).mean(axis=1)


def window_ends(
    velocity: VelocityModel,
    depth_km: float,
    response: DeviceResponse,
    step_s: float,
    farthest_km: float,
) -> np.ndarray:
    """Ends of the windows after the origin, s, until the farthest devices have reacted to S."""
    first = float(velocity.travel_time(0.0, depth_km)[0])
    last = float(velocity.travel_time(farthest_km, depth_km)[1])
    last += float(response.delay_mean_s + 3 * response.delay_sd_s)
    return first + step_s * np.arange(1, np.ceil((last - first) / step_s) + 1)


def _farthest_km(network: DeviceNetwork, places: np.ndarray, radius_km: float | int) -> float:
    """Distance to which devices may take part in a detection, one of a few."""
    nearest = arc_km(KDTree(network.position).query(places)[0])
    needed = nearest.max() + 2 * radius_km
    return float(min((d for d in DISTANCES_KM if d >= needed), default=DISTANCES_KM[-1]))


def _one(
    network: DeviceNetwork,
    rule: Rule,
    around: Circles,
    places: np.ndarray,
    magnitude: np.ndarray,
    hours: np.ndarray,
    share: np.ndarray,
    depth_km: float,
    *,
    ranges_km: np.ndarray,
    response: DeviceResponse,
    motion: GroundMotion,
    velocity: VelocityModel,
    delays: bool,
) -> Draw:
    """Log miss probability (places, magnitudes, hours), times, and detections until then."""
    rings = ring_nodes(REACH_KM)
    step = min(FINE_S if delays else COARSE_S, float(rule.window_s) / 3)
    farthest = _farthest_km(network, places, rule.radius_km)
    ends = window_ends(velocity, depth_km, response, step, farthest)
    needed_of = rule.required(around.listed[:, None] * share, hours)
    single = [np.asarray(x, np.float32) for x in (rings, magnitude, depth_km, ends)]
    tables = tabulate(
        response,
        motion,
        velocity,
        *single,
        np.float32(rule.window_s),
        np.asarray(around.neighbour_correlation, np.float32),
    )
    reach = _reach(response, motion, rings, depth_km, around.neighbour_correlation)
    evaluated, back = evaluated_hours(share, needed_of)
    # Hours that are alike are one.
    first = np.unique(back, return_index=True)[1]
    share, needed_of = share[first], needed_of[:, first]
    log_miss = np.zeros((len(places), len(magnitude), len(share)))
    by_time, by_ring = (
        np.zeros((*log_miss.shape, len(axis)), np.float32) if delays else None
        for axis in (ends, rings)
    )
    most = max(1, MOST_NUMBERS // (len(NODES) * len(ends))) if delays else CHUNK
    # Few places are padded to a power of two, so that few programs are compiled.
    chunk = min(most, CHUNK, bucket_size(len(places), smallest=1))
    pending: list[tuple[np.ndarray, jax.Array]] = []
    for rows in blocks(places, chunk):
        block = places[rows]
        cells, some, which = within_reach(network, around, block, REACH_KM, float(rule.radius_km))
        needed = needed_of[which]
        chosen, overlap = choose_circles(cells, some, block, rings, reach, needed, share)
        field = _field_correlation(block, some.position[chosen], rings, ranges_km)
        given = (
            ring_counts(cells, some.members, block, chosen, rings),
            ring_counts(cells, some.near, block, chosen, rings),
            np.where(chosen[..., None] < 0, NEVER, needed[chosen]),
            overlap,
            # Residuals of circles that overlap are as correlated as these at least.
            np.maximum(overlap, field),
        )
        padded = Given(*(jnp.asarray(_padded(x, chunk), jnp.float32) for x in given))
        if by_time is None or by_ring is None:
            # Not waited for, so that the next block is prepared meanwhile.
            pending.append((rows, log_miss_at_last(tables, padded, evaluated, len(magnitude))))
        else:
            of_times, of_rings = (
                np.asarray(x, np.float64)[: len(block)]
                for x in detections_by_time(
                    tables, padded, share.astype(np.float32), len(magnitude), len(ends)
                )
            )
            log_miss[rows] = of_times[..., -1]
            by_time[rows], by_ring[rows] = -np.expm1(of_times), of_rings
    for rows, values in pending:
        log_miss[rows] = np.asarray(values)[: len(rows)]
    log_miss = np.minimum(log_miss, 0.0)[..., back]
    by_time, by_ring = (x if x is None else x[:, :, back] for x in (by_time, by_ring))
    return Draw(log_miss, ends, by_time, by_ring)


def _field_correlation(
    places: np.ndarray, centres: np.ndarray, rings: np.ndarray, ranges_km: np.ndarray
) -> np.ndarray:
    """Correlation of the residuals at the centres of circles, (places, circles, circles)."""
    away = arc_km(np.linalg.norm(centres - places[:, None], axis=-1))
    ranges = np.interp(away, rings, ranges_km)
    apart = arc_km(np.linalg.norm(centres[:, :, None] - centres[:, None], axis=-1))
    return np.exp(-RANGE_DECAY * apart / (0.5 * (ranges[:, :, None] + ranges[:, None])))


def _padded(array: np.ndarray, rows: int) -> np.ndarray:
    """Pad the first axis, so that the last chunk needs no program of its own."""
    return np.concatenate([array, np.repeat(array[-1:], rows - len(array), axis=0)])


def _reach(
    response: DeviceResponse,
    motion: GroundMotion,
    rings: np.ndarray,
    depth_km: float,
    neighbours: np.ndarray,
) -> np.ndarray:
    """Trigger probability by distance at the magnitudes of the choice, (magnitudes, rings)."""
    distance = np.sqrt(rings**2 + max(depth_km, 0.1) ** 2)
    of = shaking(
        motion,
        jnp.asarray(CHOSEN_AT)[:, None],
        jnp.asarray(distance),
        jnp.asarray(depth_km),
        jnp.asarray(neighbours),
    )
    return np.asarray(sum(trigger_probability(response, of.log10_pga, of.own_sd)), np.float64)
