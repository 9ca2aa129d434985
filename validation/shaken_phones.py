"""A world of phones that earthquakes shake, for the checks of magnitude.

Written from the documentation with nothing of the package but its constants in mind: the median and
the scatter of shaking, what an event shares, a field of within-event terms that neighbours share,
the reading of a phone, its trigger on P or S, its delay, and people.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

P_KM_S, S_KM_S, RADIUS_KM = 7.8, 4.5, 6371.0
# Ground motion: level, slopes, decay, saturation, site; standard deviations, log10 units.
EVENT_SD, DECAY_SD, STATION_SD, RECORD_SD, SITE_SD = 0.3, 0.15, 0.2, 0.25, 0.075
CORRELATED, RANGE_KM = 0.4, 20.0
# Response: log10 of the reading that triggers, gain at 0.1 g and its slope, scatter, P over S.
THRESHOLD, GAIN, SLOPE, DEVICE_SD, P_RATIO = -1.0, 0.223, -0.254, np.hypot(0.3, 0.2), np.log10(0.25)
# What is unknown of the sensitivity of all phones; what people do to them; peaks that are theirs.
SENSITIVITY_SD, HANDLING, ODD, CLIP = 0.15, (-0.3, 0.9), 0.1, 19.6
DELAY_S, DELAY_SD_S, SD_S = 2.0, 1.0, 1.3
ABLE = (1.8, 1.2)


class Stream(NamedTuple):
    """Trigger times after the origin of the earthquake, s, and peaks, m/s2, of all phones."""

    time_s: np.ndarray
    peak_m_s2: np.ndarray


def log10_pga(magnitude: float, away_km: np.ndarray) -> np.ndarray:
    """Median of log10 PGA (m/s2) at hypocentral distances, on an average site."""
    over = magnitude - 5.0
    near = 6.0 * 10 ** (0.235 * over)
    decay = (1.4 - 0.1 * over) * np.log10(np.hypot(away_km, near) / 10.0)
    site = -0.5 * (2.6 - np.log10(760.0))
    return -0.3 + 0.7 * over - 0.05 * over**2 - decay - 0.2 * away_km / 100 + site


def shaking(rng: np.random.Generator, magnitude: float, at: np.ndarray, place: np.ndarray,
            depth_km: float) -> np.ndarray:  # fmt: skip
    """Log10 PGA (m/s2) at the phones, with all its scatter."""
    away = np.hypot(np.linalg.norm(at - place, axis=1), depth_km)
    near = 6.0 * 10 ** (0.235 * (magnitude - 5.0))
    beyond = np.log10(np.hypot(away, near) / np.hypot(50.0, near))
    event = EVENT_SD * rng.standard_normal() - DECAY_SD * rng.standard_normal() * beyond
    apart = np.linalg.norm(at[:, None] - at, axis=-1)
    field = CORRELATED * np.exp(-3 * apart / RANGE_KM) + 1e-6 * np.eye(len(at))
    common = np.linalg.cholesky(field) @ rng.standard_normal(len(at))
    own = np.sqrt(1 - CORRELATED) * rng.standard_normal(len(at))
    site = np.hypot(STATION_SD, SITE_SD) * rng.standard_normal(len(at))
    return log10_pga(magnitude, away) + event + RECORD_SD * (common + own) + site


def earthquake(
    rng: np.random.Generator,
    magnitude: float,
    at: np.ndarray,
    place: np.ndarray,
    depth_km: float,
    *,
    dead: np.ndarray | None = None,
    rate_s: float = 0.5 / 3600,
    before_s: float = 90.0,
    delay_s: float | None = None,
    factor: float | None = None,
    skewed: bool = False,
    reaction_s: float | None = None,
) -> Stream:
    """Triggers of phones at `at` (km), and of people from some time before the origin on.

    Where they are not given, the mean delay, the factor on the travel times and the time at which
    people begin to react (at the first arrival of P) are drawn.
    """
    count = len(at)
    offset = at - place
    distance = np.linalg.norm(offset, axis=1)
    factor = np.exp(0.04 * rng.standard_normal()) if factor is None else factor
    slow = factor + offset @ (0.02 * rng.standard_normal(2)) / distance
    path = np.sqrt(distance**2 * (1 - depth_km / RADIUS_KM) + depth_km**2)
    delay = -1.0 if delay_s is None else delay_s
    while delay < 0:
        delay = DELAY_S + DELAY_SD_S * rng.standard_normal()
    own = rng.gamma(4.0, delay / 4.0, count) if skewed else rng.normal(delay, SD_S, count)
    pga = shaking(rng, magnitude, at, place, depth_km)
    reading = pga + GAIN + SLOPE * (pga - np.log10(0.980665))
    reading += SENSITIVITY_SD * rng.standard_normal() + DEVICE_SD * rng.standard_normal(count)
    able = rng.uniform(size=count) < rng.beta(*ABLE)
    if dead is not None:
        able &= ~dead
    by_p = reading + P_RATIO > THRESHOLD
    time = slow * path / np.where(by_p, P_KM_S, S_KM_S) + own
    time = np.where(able & (reading > THRESHOLD), time, np.inf)
    handled = rng.normal(*HANDLING, count)
    peak = np.where(rng.uniform(size=count) < ODD, rng.normal(*HANDLING, count), reading)
    people = -before_s + rng.exponential(1 / rate_s, count)
    if dead is not None:
        people = np.where(dead, np.inf, people)
    peak = np.where(people < time, handled, peak)
    if rng.uniform() < 0.25:
        # People react: a hazard of 15 an hour that grows for 6 s and is constant then.
        wait = rng.exponential(240.0, count)
        first = path.min() / P_KM_S + delay if reaction_s is None else reaction_s
        reacted = first + np.where(wait < 3.0, np.sqrt(12.0 * wait), wait + 3.0)
        reacted = reacted if dead is None else np.where(dead, np.inf, reacted)
        peak = np.where(reacted < np.minimum(time, people), handled, peak)
        time = np.minimum(time, reacted)
    return Stream(np.minimum(time, people), np.minimum(10**peak, CLIP))
