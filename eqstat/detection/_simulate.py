"""Simulate streams of triggers from a detector's own model, to check its calibration."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import numpy as np
from jaxtyping import PRNGKeyArray

from eqstat._core.checks import check_key, check_whole
from eqstat._core.constants import YEAR_S
from eqstat._core.explain import Explained
from eqstat._core.random import generator
from eqstat.detection._detector import Detector
from eqstat.detection._districts import COURSE_H, WINDOWS, Districts, partition
from eqstat.detection._terms import RAMP_S
from eqstat.detection.causes import Cause
from eqstat.velocity import surface_point


@dataclass(frozen=True)
class SimulatedStreams(Explained):
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
    magnitude
        Magnitude of the earthquake; NaN for other causes and where the detector's earthquake has
        none, (streams,).
    peak_m_s2
        Peak that each device reports with its trigger, m/s2; NaN where it is silent, and
        everywhere where the detector's earthquake has no magnitudes, (streams, devices).
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
    magnitude: np.ndarray
    peak_m_s2: np.ndarray
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
    [0.000103, 0.999897]
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
    and nuisance parameters are those of the nodes, but for the magnitude, the shared terms of
    shaking and the share of able devices, which are continuous, too. Readings of devices are drawn,
    and decide which of them trigger, and on which phase. All devices are active, and silent at the
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
    truth = np.full((count, 5), np.nan)
    peak = np.full((count, devices), np.nan)
    model = detector.causes[0].magnitudes
    hour = int(np.floor(float(now_s) / 3600 + detector.background.utc_offset_h)) % 24
    rate_s = float(detector.background.rate_per_device_h[hour]) / 3600
    for number in range(count):
        rng = generator(jax.random.fold_in(key, number))
        factor = rng.gamma(detector.background.relative_sd**-2)
        factor *= detector.background.relative_sd**2
        first = now_s - detector.dead_time_s + rng.exponential(1 / (rate_s * factor), devices)
        if model is not None:
            peak[number] = 10 ** rng.normal(
                model.handling_log10_mean, model.handling_log10_sd, devices
            )
        index[number] = rng.choice(none + 1, p=prior)
        if index[number] < none:
            times, own, truth[number] = _event(rng, detector, int(index[number]), float(now_s))
            is_own = (times < first) & np.isfinite(own)
            peak[number] = np.where(is_own, own, peak[number])
            first = np.minimum(first, times)
        trigger[number] = np.where(first <= now_s, first, np.inf)
        peak[number, first > now_s] = np.nan
    latitude, longitude = detector.frame.to_geographic(truth[:, 0], truth[:, 1])
    return SimulatedStreams(
        trigger_s=trigger,
        cause=index,
        latitude=np.asarray(latitude),
        longitude=np.asarray(longitude),
        depth_km=truth[:, 2],
        origin_s=truth[:, 3],
        magnitude=truth[:, 4],
        peak_m_s2=peak,
        now_s=float(now_s),
    )


def _event(
    rng: np.random.Generator, detector: Detector, index: int, now_s: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw trigger times and peaks of a cause, and its place, depth, origin time and magnitude."""
    cause = detector.causes[index]
    if cause.participation:
        times = _own_bursts(rng, detector, index, now_s)
        return times, np.full_like(times, np.nan), np.full(5, np.nan)
    low, high = detector.extent_km[index]
    east, north = rng.uniform(low, high)
    depth = float(rng.choice(np.asarray(cause.depth_km), p=np.asarray(cause.depth_weight)))
    node = rng.choice(len(cause.nodes.weight), p=np.asarray(cause.nodes.weight))
    _, _, _, delay, sd, excess, _ = (float(np.asarray(a)[node]) for a in cause.nodes)
    start = now_s - rng.uniform(0.0, cause.slots * cause.slot_s)
    place = np.array([float(x) for x in surface_point(east, north)])
    device = np.asarray(detector.core.position, np.float64)
    distance = np.linalg.norm(device - place, axis=1)
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
    by_first, by_either, peak, magnitude = _responses(
        rng, cause, int(node), distance, depth, travel
    )
    after = np.where(by_first, travel[0], travel[1]) - vertical + cause.lead_s + delay
    time = start + after + sd * rng.standard_normal(len(distance))
    times = np.where(by_either, time, np.inf)
    if excess > 0:
        # Inverse of the integrated hazard, which is quadratic during the ramp and linear after it.
        integral = rng.exponential(3600 / excess, len(distance))
        ramp = np.sqrt(2 * RAMP_S * integral)
        reaction = np.where(ramp < RAMP_S, ramp, integral + 0.5 * RAMP_S)
        peak = np.where(start + reaction < times, np.nan, peak)
        times = np.minimum(times, start + reaction)
    return times, peak, np.array([east, north, depth, origin, magnitude])


def _responses(
    rng: np.random.Generator,
    cause: Cause,
    node: int,
    distance_km: np.ndarray,
    depth_km: float,
    travel_s: list[np.ndarray],
) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Draw which devices the first phase triggers, and which either; their peaks; magnitude."""
    model, count = cause.magnitudes, len(distance_km)
    if model is None:
        share = cause.trigger_shares(distance_km, np.array([depth_km]))[:, :, 0, node]
        uniform = rng.uniform(size=count)
        peak = np.full(count, np.nan)
        return uniform < share[0], uniform < share.sum(axis=0), peak, np.nan
    magnitude = float(model.quantile(np.array([rng.uniform()]))[0])
    shared = model.shared_sd * rng.standard_normal()
    able = rng.beta(model.able_share * model.able_size, (1 - model.able_share) * model.able_size)
    # The terms that devices share, at their own distances: as great as a change of magnitude.
    apparent = float(model.apparent(np.asarray(magnitude), np.asarray(shared)))
    mean, sd = model.reading(np.asarray(apparent), distance_km, np.asarray(depth_km))
    reading = mean + sd * rng.standard_normal(count)
    threshold = float(np.log10(model.response.trigger_m_s2))
    ratio = float(np.log10(model.response.p_amplitude_ratio))
    is_able = rng.uniform(size=count) < able
    by_first = is_able & (reading + ratio > threshold)
    late = travel_s[1] - travel_s[0] > model.peak_window_s
    seen = reading + np.where(by_first & late, ratio, 0.0)
    handled = rng.normal(model.handling_log10_mean, model.handling_log10_sd, count)
    peak = 10 ** np.where(rng.uniform(size=count) < model.odd_peak_share, handled, seen)
    return by_first, is_able & (reading > threshold), np.minimum(peak, model.clip_m_s2), magnitude


def _own_bursts(
    rng: np.random.Generator, detector: Detector, index: int, now_s: float
) -> np.ndarray:
    """Draw what has no source: bursts of districts, or an additional rate of any course."""
    cause = detector.causes[index]
    districts = detector.core.districts[index]
    assert districts is not None
    nearest = np.asarray(districts.nearest)
    if rng.uniform() < 0.5:
        return now_s - _course(rng, cause, districts)
    node = rng.choice(len(cause.nodes.weight), p=np.asarray(cause.nodes.weight))
    first, second, _, delay, sd, _, _ = (float(np.asarray(a)[node]) for a in cause.nodes)
    start = now_s - rng.uniform(0.0, cause.slots * cause.slot_s)
    block = partition(rng, districts.shape)
    count = block.max() + 1
    start = start + rng.uniform(0.0, rng.choice(WINDOWS) * cause.slot_s, count)
    start = np.where(rng.uniform(size=count) < rng.choice(cause.participation), start, np.inf)
    time = start[block[nearest]] + cause.lead_s + delay + sd * rng.standard_normal(len(nearest))
    return np.where(rng.uniform(size=len(nearest)) < first + second, time, np.inf)


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
