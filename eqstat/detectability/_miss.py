"""Miss probability and delay of a network's rule for earthquakes at given places."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from scipy.spatial import KDTree

from eqstat._core.checks import check_kind, check_probability, check_range
from eqstat._core.errors import InputError
from eqstat._core.typing import ArrayLike
from eqstat.detectability._circles import Given, log_miss_at_last, log_miss_by_time, tabulate
from eqstat.detectability._network import (
    Circles,
    DeviceNetwork,
    Rule,
    arc_km,
    circles,
    unit_vectors,
)
from eqstat.detectability._response import DeviceResponse, shaking, trigger_probability
from eqstat.detectability._rings import choose_circles, ring_counts, ring_nodes
from eqstat.ground_motion import GroundMotion
from eqstat.inference import bucket_size
from eqstat.velocity import VelocityLike, VelocityModel, as_velocity

# Devices farther than this are taken to be silent.
REACH_KM = 300.0
# Nodes of the shared term, in standard deviations, for the trapezoidal rule: it converges where the
# miss probability falls over more than the spacing, finer where the rule needs many triggers.
NODES, FINE_NODES, MANY = np.arange(-10, 11) * 0.45, np.arange(-30, 31) * 0.15, 60
# Distances to which windows reach, km: a few, so that few programs are compiled.
DISTANCES_KM = (100.0, 150.0, 200.0, REACH_KM)
# Ends of the windows after the origin: steps for delays, and coarse ones for probabilities alone.
FINE_S, COARSE_S = 0.5, 3.0
# Magnitudes at which the circle with the most triggers in excess is chosen.
CHOSEN_AT = (3.5, 5.0, 6.5)
# Places at once; with delays so many that intermediate arrays hold this many numbers a circle.
CHUNK, MOST_NUMBERS = 512, 4_000_000
QUANTILES = (0.16, 0.5, 0.84)
# Detections rarer than this have no delay.
RARE = 1e-6

# Of one draw of the parameters: log miss probability, ends of windows, detections until then.
_Draw = tuple[np.ndarray, np.ndarray, Any]


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

    .. math:: P(\text{miss}) = \operatorname{E}_Z \prod_{s=1}^2 \min_{\text{circles of } s}
        \max\{P(N < k \mid Z),\; P(\text{no trigger near the centre with } N \ge k \mid Z)\},
        \qquad N \mid Z \sim \text{Poisson-binomial}\{a_h\, p_i(t, Z)\},

    where $a_h$ is the share of active devices at the hour and $p_i$ the probability that device i
    triggers within the window that ends at t, from `trigger_probability` and its delay. The event's
    strength and decay and the mean correlation of the neighbours' residuals are one normal Z, over
    which is integrated by the trapezoidal rule. Circles are followed about the devices that are
    likeliest to detect; those of the second set have no device in common with the best of the
    first. Chances of overlapping circles are not added up, which errs on the side of missing.
    Devices that are listed but dead count in n and never in N. Tails of N are approximate (see
    `approximate_log_tails`).

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
        detection given that there is one, NaN where it has a chance below 1e-6.

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
    motion = GroundMotion() if motion is None else motion
    around = circles(network, rule.radius_km, float(np.mean(np.asarray(motion.correlation_km))))
    draws = _draws(DeviceResponse() if response is None else response, motion)
    results = [
        _one(
            network, rule, around, unit_vectors(lat, lon), size, hours, share, float(depth_km),
            response=one, motion=its_motion, velocity=as_velocity(velocity), delays=delays,
        )
        for one, its_motion in draws
    ]  # fmt: skip
    return _labelled(results, lat, lon, size, hours, float(depth_km), probability)


def _draws(
    response: DeviceResponse, motion: GroundMotion
) -> list[tuple[DeviceResponse, GroundMotion]]:
    """Pairs of parameters without axes of draws."""
    many = int(np.ndim(np.asarray(response.trigger_m_s2)) > 0)
    counts = {len(np.asarray(response.trigger_m_s2)) if many else 1}
    axis = np.ndim(np.asarray(motion.level)) > 0
    counts |= {len(np.asarray(motion.level)) if axis else 1}
    count = max(counts)
    if len(counts - {1}) > 1:
        raise InputError(
            f"miss_probability: response and motion have different numbers of draws: {counts}"
        )

    def number(tree: DeviceResponse | GroundMotion, index: int, axis: bool) -> object:
        if not axis:
            return tree
        return jax.tree.map(lambda leaf: np.asarray(leaf)[min(index, len(leaf) - 1)], tree)

    return [(number(response, i, bool(many)), number(motion, i, axis)) for i in range(count)]  # type: ignore[misc]


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
    response: DeviceResponse,
    motion: GroundMotion,
    velocity: VelocityModel,
    delays: bool,
) -> _Draw:
    """Log miss probability (places, magnitudes, hours), times, and detections until then."""
    rings = ring_nodes(REACH_KM)
    step = min(FINE_S if delays else COARSE_S, float(rule.window_s) / 3)
    farthest = _farthest_km(network, places, rule.radius_km)
    ends = window_ends(velocity, depth_km, response, step, farthest)
    needed_of = rule.required(around.listed[:, None] * share, hours)
    # Of many triggers the number is so sure that the probability steps along the shared term.
    nodes = NODES if np.median(needed_of) <= MANY else FINE_NODES
    single = [np.asarray(x, np.float32) for x in (rings, magnitude, depth_km, ends)]
    tables = tabulate(
        response,
        motion,
        velocity,
        *single,
        np.float32(rule.window_s),
        np.float32(around.neighbour_correlation),
        np.asarray(nodes, np.float32),
    )
    reach = _reach(response, motion, rings, depth_km, around.neighbour_correlation)
    log_miss = np.zeros((len(places), len(magnitude), len(hours)))
    by_time = np.zeros((*log_miss.shape, len(ends)), np.float32) if delays else None
    sizes = len(magnitude), len(ends)
    most = max(1, MOST_NUMBERS // (len(magnitude) * len(ends) * len(nodes))) if delays else CHUNK
    # Few places are padded to a power of two, so that few programs are compiled.
    chunk = min(most, CHUNK, bucket_size(len(places), smallest=1))
    for start in range(0, len(places), chunk):
        rows = slice(start, start + chunk)
        block = places[rows]
        chosen, second = choose_circles(network, around, block, rings, reach, needed_of, share)
        # Where there is no second set nothing suffices.
        needed = np.where(chosen[..., None] < 0, np.inf, needed_of[chosen])
        given = (
            ring_counts(network, around.members, block, chosen, rings),
            ring_counts(network, around.near, block, chosen, rings),
            needed,
            second,
        )
        arguments = (
            Given(*(jnp.asarray(_padded(x, chunk), jnp.float32) for x in given)),
            share.astype(np.float32),
            *sizes,
        )
        if by_time is None:
            log_miss[rows] = np.asarray(log_miss_at_last(tables, *arguments))[: len(block)]
        else:
            of_times = np.asarray(log_miss_by_time(tables, *arguments), np.float64)[: len(block)]
            log_miss[rows] = of_times[..., -1]
            by_time[rows] = -np.expm1(of_times)
    return np.minimum(log_miss, 0.0), ends, by_time


def _padded(array: np.ndarray, rows: int) -> np.ndarray:
    """Pad the first axis, so that the last chunk needs no program of its own."""
    return np.concatenate([array, np.repeat(array[-1:], rows - len(array), axis=0)])


def _reach(
    response: DeviceResponse,
    motion: GroundMotion,
    rings: np.ndarray,
    depth_km: float,
    neighbours: float,
) -> np.ndarray:
    """Trigger probability by distance at the magnitudes of the choice, (magnitudes, rings)."""
    distance = np.sqrt(rings**2 + max(depth_km, 0.1) ** 2)
    of = shaking(
        motion,
        jnp.asarray(CHOSEN_AT)[:, None],
        jnp.asarray(distance),
        jnp.asarray(depth_km),
        neighbours,
    )
    return np.asarray(sum(trigger_probability(response, of.log10_pga, of.own_sd)), np.float64)


def _quantiles(draws: list[_Draw]) -> np.ndarray:
    """Quantiles of the delay given a detection, over all draws.

    Draws differ in their times, to which the probabilities of detection are interpolated.
    """
    longest = max((ends for _, ends, _ in draws), key=len)
    step = min(ends[1] - ends[0] for _, ends, _ in draws)
    time = np.arange(min(ends[0] for _, ends, _ in draws) - step, longest[-1] + step, step)
    detected = np.zeros((*draws[0][0].shape, len(time)))
    for _, ends, by_time in draws:
        known = np.concatenate([[ends[0] - (ends[1] - ends[0])], ends])
        low = np.clip(np.searchsorted(known, time, side="right") - 1, 0, len(known) - 2)
        part = np.clip((time - known[low]) / (known[low + 1] - known[low]), 0, 1)
        value = np.concatenate([np.zeros_like(by_time[..., :1]), by_time], axis=-1)
        detected += value[..., low] * (1 - part) + value[..., low + 1] * part
    detected /= len(draws)
    final = detected[..., -1]
    out = np.full((*final.shape, len(QUANTILES)), np.nan)
    for number, q in enumerate(QUANTILES):
        wanted = q * final[..., None]
        above = np.maximum(np.argmax(detected >= wanted, axis=-1), 1)
        high, low = (
            np.take_along_axis(detected, at[..., None], -1)[..., 0] for at in (above, above - 1)
        )
        part = (q * final - low) / np.maximum(high - low, 1e-300)
        value = time[above - 1] + np.clip(part, 0, 1) * (time[above] - time[above - 1])
        out[..., number] = np.where(final > RARE, value, np.nan)
    return out


def _labelled(
    results: list[_Draw],
    latitude: np.ndarray,
    longitude: np.ndarray,
    magnitude: np.ndarray,
    hours: np.ndarray,
    depth_km: float,
    probability: float,
) -> xr.Dataset:
    dims = ("place", "magnitude", "hour")
    log_miss = np.stack([log for log, *_ in results])
    mean = np.minimum(np.logaddexp.reduce(log_miss, axis=0) - np.log(len(results)), 0.0)
    variables: dict = {
        "miss_probability": (dims, np.exp(mean), {"long_name": "miss probability"}),
        "log_miss_probability": (dims, mean, {"long_name": "log of the miss probability"}),
    }
    if len(results) > 1:
        tail = (1 - probability) / 2
        ends = np.quantile(np.exp(log_miss), [tail, 1 - tail], axis=0)
        for name, values in zip(("low", "high"), ends, strict=True):
            variables[name] = (dims, values, {"long_name": f"miss probability, {name} end"})
    coords: dict = {
        "latitude": ("place", latitude, {"units": "degrees_north", "long_name": "latitude"}),
        "longitude": ("place", longitude, {"units": "degrees_east", "long_name": "longitude"}),
        "magnitude": ("magnitude", magnitude, {"long_name": "magnitude"}),
        "hour": ("hour", hours, {"units": "h", "long_name": "local hour of the day"}),
    }
    if results[0][2] is not None:
        attributes = {"units": "s", "long_name": "delay of the detection after the origin"}
        variables["delay_s"] = ((*dims, "quantile"), _quantiles(results), attributes)
        coords["quantile"] = ("quantile", np.array(QUANTILES), {"long_name": "quantile"})
    attributes = {
        "depth_km": depth_km,
        "draws": len(results),
        "interval_probability": probability,
        "interval_kind": "credible, equal tails, of the parameters",
    }
    return xr.Dataset(variables, coords, attributes)
