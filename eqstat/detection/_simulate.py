"""Draw what a detector would see: streams of its own model, to hold its probabilities to."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import numpy as np
from jaxtyping import PRNGKeyArray

from eqstat._core.checks import check_whole
from eqstat._core.constants import YEAR_S
from eqstat.detection._causes import Cause
from eqstat.detection._detector import Detector
from eqstat.detection._terms import RAMP_S
from eqstat.velocity import surface_point


@dataclass(frozen=True)
class Drawn:
    """Streams and what happened in them.

    Attributes
    ----------
    trigger_s
        Each device's first trigger before now, s after the epoch; infinite where it is silent,
        (streams, devices).
    cause
        Index of the cause; that after the last is none, (streams,).
    latitude, longitude, depth_km, origin_s
        Of the cause; not a number where there is none, (streams,).
    now_s
        The present.
    """

    trigger_s: np.ndarray
    cause: np.ndarray
    latitude: np.ndarray
    longitude: np.ndarray
    depth_km: np.ndarray
    origin_s: np.ndarray
    now_s: float


def prior_of_causes(detector: Detector) -> np.ndarray:
    """Prior probability that each cause started within its slots, then that of none.

    As the detector has it: at most one cause, of weight rate times time against 1.
    """
    weight = [
        cause.rate_per_year * cause.slot_s * cause.slots / YEAR_S for cause in detector.causes
    ]
    return np.array([*weight, 1.0]) / (sum(weight) + 1.0)


def simulate(
    key: PRNGKeyArray, detector: Detector, count: int, *, now_s: float | int = 1000.0
) -> Drawn:
    """Draw streams of the detector's model as they are at one moment.

    What the detector's grid has in cells is drawn from within them: places and starting times
    are continuous, depths and unknowns are those of the nodes. All devices are active and have
    been silent at the beginning of the window.

    Parameters
    ----------
    key
        JAX random key; stream i is drawn with `fold_in(key, i)`.
    detector
        From `detector`; rates of causes decide how often each is drawn, so give a detector with
        large rates.
    count
        Number of streams.
    now_s
        The present, s after the epoch.

    Returns
    -------
    Drawn
    """
    check_whole("simulate", 1, count=count)
    chances = prior_of_causes(detector)
    position = np.asarray(detector.core.position, np.float64)
    none = len(detector.causes)
    devices = len(position)
    trigger = np.full((count, devices), np.inf)
    which = np.full(count, none)
    truth = np.full((count, 4), np.nan)
    hour = int(np.floor(float(now_s) / 3600 + detector.background.utc_offset_h)) % 24
    rate_s = float(detector.background.rate_per_device_h[hour]) / 3600
    for number in range(count):
        words = jax.random.key_data(jax.random.fold_in(key, number))
        rng = np.random.default_rng(np.asarray(words).ravel().tolist())
        factor = rng.gamma(detector.background.relative_sd**-2)
        factor *= detector.background.relative_sd**2
        own = now_s - detector.window_s + rng.exponential(1 / (rate_s * factor), devices)
        which[number] = rng.choice(none + 1, p=chances)
        if which[number] < none:
            cause = detector.causes[which[number]]
            times, truth[number] = _event(rng, detector, int(which[number]), cause, float(now_s))
            own = np.minimum(own, times)
        trigger[number] = np.where(own <= now_s, own, np.inf)
    latitude, longitude = detector.frame.to_geographic(truth[:, 0], truth[:, 1])
    return Drawn(
        trigger, which, np.asarray(latitude), np.asarray(longitude), truth[:, 2], truth[:, 3],
        float(now_s),
    )  # fmt: skip


def _event(
    rng: np.random.Generator, detector: Detector, index: int, cause: Cause, now_s: float
) -> tuple[np.ndarray, np.ndarray]:
    """Trigger times of one cause, and its place, depth and origin time."""
    low, high = detector.extent_km[index]
    east, north = rng.uniform(low, high)
    depth = float(rng.choice(np.asarray(cause.depth_km), p=np.asarray(cause.depth_weight)))
    node = rng.choice(len(cause.nodes.weight), p=np.asarray(cause.nodes.weight))
    first, second, _, delay, sd, excess, _ = (float(np.asarray(a)[node]) for a in cause.nodes)
    start = now_s - rng.uniform(0.0, cause.slots * cause.slot_s)
    place = np.array([float(x) for x in surface_point(east, north)])
    device = np.asarray(detector.core.position, np.float64)
    away = np.linalg.norm(device - place, axis=1)
    rho = cause.reached(away)[:, node]
    slow = np.exp(cause.slowness_sd * rng.standard_normal())
    lateral = cause.slowness_lateral_sd * rng.standard_normal(2)
    slow = slow + (device[:, :2] - place[:2]) @ lateral / np.maximum(away, 0.1)
    travel = [slow * np.asarray(t, np.float64) for t in cause.travel_s(away, depth)]
    draw = rng.uniform(size=len(away))
    after = np.where(draw < rho * first, travel[0], travel[1]) + cause.lead_s + delay
    time = start + after + sd * rng.standard_normal(len(away))
    times = np.where(draw < rho * (first + second), time, np.inf)
    if excess > 0:
        grown = rng.exponential(3600 / excess, len(away))
        # The hazard grows as a straight line, so its integral first as a square.
        ramp = np.sqrt(2 * RAMP_S * grown)
        times = np.minimum(times, start + np.where(ramp < RAMP_S, ramp, grown + 0.5 * RAMP_S))
    return times, np.array([east, north, depth, start + cause.lead_s])
