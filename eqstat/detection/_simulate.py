"""Simulate streams of triggers from a detector's own model, to check its calibration."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import numpy as np
from jaxtyping import PRNGKeyArray

from eqstat._core.checks import check_key, check_whole
from eqstat._core.constants import YEAR_S
from eqstat._core.random import generator
from eqstat.detection._detector import Detector
from eqstat.detection._districts import COURSE_H, WINDOWS, Districts, partition
from eqstat.detection._terms import RAMP_S
from eqstat.detection.causes import Cause
from eqstat.velocity import surface_point


@dataclass(frozen=True)
class SimulatedStreams:
    """Simulated streams with their true causes.

    Attributes
    ----------
    trigger_s
        Each device's first trigger before the present, s after the epoch; infinite where it is
        silent, (streams, devices).
    cause
        Index of the cause; the number of causes stands for none, (streams,).
    latitude, longitude, depth_km, origin_s
        Source of the cause; NaN where there is none, (streams,).
    now_s
        The present, s after the epoch.

    Examples
    --------
    See `simulate`.
    """

    trigger_s: np.ndarray
    cause: np.ndarray
    latitude: np.ndarray
    longitude: np.ndarray
    depth_km: np.ndarray
    origin_s: np.ndarray
    now_s: float


def cause_prior(detector: Detector) -> np.ndarray:
    r"""Prior probability that each cause started within the slots that are kept, then of none.

    At most one cause is at work. With $\nu_c$ starts per year and slots that span $T_c$ years

    .. math:: P(c) = \frac{\nu_c T_c}{1 + \sum_j \nu_j T_j}.

    Parameters
    ----------
    detector
        From `detector`.

    Returns
    -------
    numpy.ndarray
        (causes + 1,); sums to 1.

    Examples
    --------
    >>> import pandas as pd
    >>> from eqstat.detection import detector
    >>> from eqstat.detection.causes import network_burst
    >>> network = pd.DataFrame({"latitude": [1.0, 1.1], "longitude": [2.0, 2.1]})
    >>> watch = detector(network, causes=(network_burst(rate_per_year=50.0),))
    >>> cause_prior(watch).round(6).tolist()
    [9.5e-05, 0.999905]
    """
    weight = [
        cause.rate_per_year * cause.slot_s * cause.slots / YEAR_S for cause in detector.causes
    ]
    return np.array([*weight, 1.0]) / (sum(weight) + 1.0)


def simulate(
    key: PRNGKeyArray, detector: Detector, count: int, *, now_s: float | int = 1000.0
) -> SimulatedStreams:
    """Simulate streams from the detector's model, as they are at one moment.

    Places and starting times are continuous, drawn within the cells of the detector's grid; depths
    and nuisance parameters are those of the nodes. All devices are active, and silent at the
    beginning of the dead time before the present.

    Parameters
    ----------
    key
        JAX random key; stream i is drawn with `fold_in(key, i)`.
    detector
        From `detector`. The rates of its causes decide how often each is drawn; with realistic
        rates nearly all streams have none.
    count
        Number of streams, at least 1.
    now_s
        The present, s after the epoch.

    Returns
    -------
    SimulatedStreams

    Raises
    ------
    eqstat.InputError
        When the count is below 1.

    Examples
    --------
    >>> import pandas as pd
    >>> from eqstat.detection import detector
    >>> from eqstat.detection.causes import network_burst
    >>> network = pd.DataFrame({"latitude": [1.0, 1.1], "longitude": [2.0, 2.1]})
    >>> watch = detector(network, causes=(network_burst(rate_per_year=1e6),))
    >>> streams = simulate(jax.random.key(0), watch, 20)
    >>> streams.trigger_s.shape, bool((streams.cause == 0).any())
    ((20, 2), True)
    """
    check_key("simulate", key)
    check_whole("simulate", 1, count=count)
    prior = cause_prior(detector)
    position = np.asarray(detector.core.position, np.float64)
    none = len(detector.causes)
    devices = len(position)
    trigger = np.full((count, devices), np.inf)
    index = np.full(count, none)
    truth = np.full((count, 4), np.nan)
    hour = int(np.floor(float(now_s) / 3600 + detector.background.utc_offset_h)) % 24
    rate_s = float(detector.background.rate_per_device_h[hour]) / 3600
    for number in range(count):
        rng = generator(jax.random.fold_in(key, number))
        factor = rng.gamma(detector.background.relative_sd**-2)
        factor *= detector.background.relative_sd**2
        first = now_s - detector.dead_time_s + rng.exponential(1 / (rate_s * factor), devices)
        index[number] = rng.choice(none + 1, p=prior)
        if index[number] < none:
            times, truth[number] = _event(rng, detector, int(index[number]), float(now_s))
            first = np.minimum(first, times)
        trigger[number] = np.where(first <= now_s, first, np.inf)
    latitude, longitude = detector.frame.to_geographic(truth[:, 0], truth[:, 1])
    return SimulatedStreams(
        trigger_s=trigger,
        cause=index,
        latitude=np.asarray(latitude),
        longitude=np.asarray(longitude),
        depth_km=truth[:, 2],
        origin_s=truth[:, 3],
        now_s=float(now_s),
    )


def _event(
    rng: np.random.Generator, detector: Detector, index: int, now_s: float
) -> tuple[np.ndarray, np.ndarray]:
    """Draw the trigger times of one cause, and its place, depth and origin time."""
    cause = detector.causes[index]
    if cause.participation:
        return _own_bursts(rng, detector, index, now_s)
    low, high = detector.extent_km[index]
    east, north = rng.uniform(low, high)
    depth = float(rng.choice(np.asarray(cause.depth_km), p=np.asarray(cause.depth_weight)))
    node = rng.choice(len(cause.nodes.weight), p=np.asarray(cause.nodes.weight))
    first, second, _, delay, sd, excess, _ = (float(np.asarray(a)[node]) for a in cause.nodes)
    start = now_s - rng.uniform(0.0, cause.slots * cause.slot_s)
    place = np.array([float(x) for x in surface_point(east, north)])
    device = np.asarray(detector.core.position, np.float64)
    distance = np.linalg.norm(device - place, axis=1)
    rho = cause.reach_fraction(distance)[:, node]
    factor = float(np.exp(cause.slowness_sd * rng.standard_normal()))
    lateral = cause.slowness_lateral_sd * rng.standard_normal(2)
    slow = factor + (device[:, :2] - place[:2]) @ lateral / np.maximum(distance, 0.1)
    if cause.node_speed_km_s is None:
        travel = [slow * np.asarray(t, np.float64) for t in cause.travel_s(distance, depth)]
    else:
        travel = [slow * distance / float(np.asarray(cause.node_speed_km_s)[node])] * 2
    # The origin precedes what its slot represents, the arrival at the epicentre with a mean delay.
    vertical = factor * float(cause.vertical_s(depth))
    origin = start + cause.lead_s - vertical - float(cause.delay_departure.rvs(random_state=rng))
    uniform = rng.uniform(size=len(distance))
    after = np.where(uniform < rho * first, travel[0], travel[1]) - vertical + cause.lead_s + delay
    time = start + after + sd * rng.standard_normal(len(distance))
    times = np.where(uniform < rho * (first + second), time, np.inf)
    if excess > 0:
        # Inverse of the integrated hazard, which is quadratic during the ramp and linear after it.
        integral = rng.exponential(3600 / excess, len(distance))
        ramp = np.sqrt(2 * RAMP_S * integral)
        times = np.minimum(times, start + np.where(ramp < RAMP_S, ramp, integral + 0.5 * RAMP_S))
    return times, np.array([east, north, depth, origin])


def _own_bursts(
    rng: np.random.Generator, detector: Detector, index: int, now_s: float
) -> tuple[np.ndarray, np.ndarray]:
    """Draw what has no source: bursts of districts, or an additional rate of any course."""
    cause, nowhere = detector.causes[index], np.full(4, np.nan)
    districts = detector.core.districts[index]
    assert districts is not None
    nearest = np.asarray(districts.nearest)
    if rng.uniform() < 0.5:
        return now_s - _course(rng, cause, districts), nowhere
    node = rng.choice(len(cause.nodes.weight), p=np.asarray(cause.nodes.weight))
    first, second, _, delay, sd, _, _ = (float(np.asarray(a)[node]) for a in cause.nodes)
    start = now_s - rng.uniform(0.0, cause.slots * cause.slot_s)
    block = partition(rng, districts.shape)
    count = block.max() + 1
    start = start + rng.uniform(0.0, rng.choice(WINDOWS) * cause.slot_s, count)
    start = np.where(rng.uniform(size=count) < rng.choice(cause.participation), start, np.inf)
    time = start[block[nearest]] + cause.lead_s + delay + sd * rng.standard_normal(len(nearest))
    return np.where(rng.uniform(size=len(nearest)) < first + second, time, np.inf), nowhere


def _course(rng: np.random.Generator, cause: Cause, districts: Districts) -> np.ndarray:
    """Draw first triggers of a hazard that is drawn anew in half of the slots; s before now."""
    pairs = [(hazard, share) for share in districts.participation for hazard in COURSE_H]
    changed, slots = districts.participation[0], cause.slots
    nearest = np.asarray(districts.nearest)
    hazard_s, pair = np.zeros((slots, len(nearest))), None
    for slot in range(slots):
        if slot == 0 or rng.uniform() < 0.5:
            pair = pairs[rng.integers(len(pairs))] if rng.uniform() < changed else None
        if pair is not None:
            block = partition(rng, districts.shape)
            takes_part = rng.uniform(size=block.max() + 1) < pair[1]
            hazard_s[slot] = pair[0] / 3600 * takes_part[block[nearest]]
    edges = cause.slot_s * np.arange(slots + 1)
    total = np.concatenate(
        [np.zeros((1, len(nearest))), np.cumsum(hazard_s * cause.slot_s, axis=0)]
    )
    wait = rng.exponential(size=len(nearest))
    # The time at which the integrated hazard reaches the exponential variable, if it does.
    rising = total + 1e-9 * np.arange(slots + 1)[:, None]
    after = [np.interp(w, one, edges) for w, one in zip(wait, rising.T, strict=True)]
    return np.where(wait < total[-1], edges[-1] - np.array(after), -np.inf)
