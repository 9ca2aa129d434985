"""Worlds of trigger counts in which thresholds are judged: true intensities, tables, alarm rates.

No code of eqstat is used. Twenty regions are watched for 60 days, and thresholds are judged on the
28 days that follow. Given its intensity lambda a window's triggers are a Poisson stream, and
lambda is a gamma variable about the mean mu of region and time; the alarms of a sliding window
then come at Alm's rate, averaged over the gamma distribution by quadrature. So the realised rate of
false alarms is an expectation given the true means, and rates of one a year need no years.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import pandas as pd
from scipy.special import gammaln

WINDOW_S, PER_HOUR, PER_DAY = 10.0, 360, 8640
HOURS_PER_YEAR = 8766.0
REGIONS, WATCHED_DAYS, JUDGED_DAYS = 20, 60, 28
RATE_PER_DEVICE_H, DISPERSION = 0.6, 0.15
# Means are piecewise constant over this many windows (one minute).
STEP = 6
START = pd.Timestamp("2026-01-05T00:00:00Z")
ZONE = "Europe/Rome"

WORLDS = (
    "own",
    "slow intensity",
    "peak and weekend",
    "clock shift",
    "bursts of minutes",
    "drifting devices",
    "holidays",
)


@dataclass(frozen=True)
class World:
    """Truth of one history.

    Attributes
    ----------
    active
        Devices on the list in each step, (regions, steps).
    mean
        True mean count of a window in each step, (regions, steps).
    hour_of_week
        UTC hour of the week of each step, (steps,).
    watched
        Steps that are in the history; the others are judged.
    """

    active: np.ndarray
    mean: np.ndarray
    hour_of_week: np.ndarray
    watched: int


def smooth_cycle(hour: np.ndarray, day: np.ndarray) -> np.ndarray:
    """Log rate that two harmonics of the day and one of the week describe."""
    once, week = 2 * np.pi * hour / 24, 2 * np.pi * day / 7
    cycle = -0.4 * np.cos(once) - 0.2 * np.sin(once) + 0.1 * np.cos(2 * once)
    return cycle + 0.05 * np.sin(2 * once) + 0.08 * np.cos(week) + 0.05 * np.sin(week)


def peaked_cycle(hour: np.ndarray, day: np.ndarray) -> np.ndarray:
    """Log rate with a night, a morning peak on weekdays, and a step at the weekend."""
    weekend = day >= 5
    night = -0.5 * ((hour < 6) | (hour >= 23))
    morning = 1.0 * np.exp(-0.5 * ((hour - 8.0) / 0.7) ** 2) * ~weekend
    return night + morning + 0.35 * weekend * ((hour >= 10) & (hour < 22))


def wander(
    rng: np.random.Generator, steps: int, sd: float, hours: float, regions: int = REGIONS
) -> np.ndarray:
    """Stationary AR(1) process with this standard deviation and correlation time."""
    keep = np.exp(-STEP / PER_HOUR / hours)
    noise = rng.standard_normal((regions, steps)) * sd * np.sqrt(1 - keep**2)
    noise[:, 0] = rng.standard_normal(regions) * sd
    out = np.empty_like(noise)
    value = np.zeros(regions)
    for i in range(steps):
        value = keep * value + noise[:, i]
        out[:, i] = value
    return out


def bursts_of_minutes(rng: np.random.Generator, steps: int) -> np.ndarray:
    """Log factor of people who react to an event: twice a day, some minutes, Pareto sizes."""
    out = np.zeros((REGIONS, steps))
    minutes = steps * STEP * WINDOW_S / 60
    for region in range(REGIONS):
        for begin in rng.uniform(0, minutes, rng.poisson(2 * minutes / 1440)):
            at = np.arange(steps) * STEP * WINDOW_S / 60 - begin
            near = slice(int(np.searchsorted(at, 0.0)), int(np.searchsorted(at, 60.0)))
            size = 0.5 * (rng.pareto(3.0))
            factor = 1 + size * np.exp(-at[near] / rng.uniform(3.0, 15.0))
            out[region, near] += np.log(factor)
    return out


def holidays(day_number: np.ndarray, hour: np.ndarray) -> np.ndarray:
    """Log factor of holidays, one in two weeks: a quiet morning and a lively evening."""
    holiday = day_number % 14 == 9
    return holiday * (-0.5 * (hour < 12) + 0.6 * ((hour >= 19) & (hour < 23)))


def world(name: str, number: int) -> World:
    """Draw one world of a kind."""
    rng = np.random.default_rng([WORLDS.index(name), number, 77])
    steps = (WATCHED_DAYS + JUDGED_DAYS) * PER_DAY // STEP
    watched = WATCHED_DAYS * PER_DAY // STEP
    hour_number = np.arange(steps) * STEP // PER_HOUR
    at_hour = (np.arange(steps) * STEP + STEP / 2) / PER_HOUR
    hour_of_week = hour_number % 168
    size = np.geomspace(60, 1200, REGIONS)[rng.permutation(REGIONS)]
    dips = 1 + 0.2 * np.cos(2 * np.pi * (hour_number % 24 - 3) / 24)
    active = np.round(size[:, None] * dips)
    civil = at_hour + (hour_number >= watched * STEP // PER_HOUR) * (name == "clock shift")
    hour, day = civil % 24, civil // 24 % 7
    if name in ("own", "slow intensity", "bursts of minutes", "drifting devices"):
        # The model's own cycle is constant within an hour.
        log_rate = smooth_cycle(np.floor(hour) + 0.5, np.floor(day))
    else:
        log_rate = peaked_cycle(hour, np.floor(day))
    log_rate = log_rate + 0.3 * rng.standard_normal(REGIONS)[:, None]
    if name == "slow intensity":
        log_rate = log_rate + wander(rng, steps, 0.35, 4.0)
    if name == "bursts of minutes":
        log_rate = log_rate + bursts_of_minutes(rng, steps)
    if name == "drifting devices":
        # Phones leave and stay on the list, others join unseen: the rate per listed phone drifts.
        log_rate = log_rate + wander(rng, steps, 0.3, 24.0 * 10)
    if name == "holidays":
        log_rate = log_rate + holidays(hour_number // 24, hour) + wander(rng, steps, 0.1, 2.0)
    mean = active * RATE_PER_DEVICE_H * np.exp(log_rate) * WINDOW_S / 3600
    return World(active, mean, hour_of_week, watched)


def draw(world: World, number: int) -> np.ndarray:
    """Counts of all windows, (regions, windows), int16."""
    rng = np.random.default_rng([number, 4711])
    mean = np.repeat(world.mean, STEP, axis=1)
    shape = 1 / DISPERSION
    counts = rng.poisson(mean * rng.standard_gamma(shape, mean.shape) / shape)
    return np.minimum(counts, np.repeat(world.active, STEP, axis=1)).astype(np.int16)


def table(world: World, counts: np.ndarray, first: int, last: int) -> pd.DataFrame:
    """Table of the windows from `first` to `last` of all regions."""
    time = START + pd.to_timedelta(np.arange(first, last) * WINDOW_S, unit="s")
    names = [f"r{number:02d}" for number in range(REGIONS)]
    active = np.repeat(world.active, STEP, axis=1)[:, first:last]
    return pd.DataFrame(
        {
            "time": np.tile(time, REGIONS),
            "triggers": counts[:, first:last].ravel().astype(np.int64),
            "active": active.ravel().astype(np.int64),
            "region": pd.Categorical(np.repeat(names, last - first)),
            "window_s": WINDOW_S,
        }
    )


MOST = 400
LOG_MEAN = np.arange(-9.0, 4.6, 0.01)


@cache
def rate_table() -> np.ndarray:
    """Log alarms per year of a sliding window by log mean and threshold, (means, MOST + 1)."""
    shape = 1 / DISPERSION
    log_rate = np.linspace(-12.0, 6.5, 500)
    rate = np.exp(log_rate)
    k = np.arange(1.0, MOST + 1)
    # Alm: (1 - m / k) m P(N = k - 1), per window.
    log_alm = k * log_rate[:, None] - rate[:, None] - gammaln(k)
    alm = np.exp(log_alm) * np.clip(1 - rate[:, None] / k, 0.0, None)
    scale = np.exp(LOG_MEAN)[:, None] / shape
    log_density = shape * (log_rate - np.log(scale)) - rate / scale - gammaln(shape)
    weight = np.exp(log_density) * (log_rate[1] - log_rate[0])
    per_window = weight @ alm
    table = np.full((len(LOG_MEAN), MOST + 1), np.inf)
    table[:, 1:] = per_window * PER_HOUR * HOURS_PER_YEAR
    return np.log(np.maximum(table, 1e-300))


def true_rate(mean: np.ndarray, triggers: np.ndarray) -> np.ndarray:
    """Alarms per year at these thresholds given the true means, element by element."""
    position = np.clip((np.log(mean) - LOG_MEAN[0]) / 0.01, 0, len(LOG_MEAN) - 2)
    low = position.astype(int)
    part, k = position - low, np.minimum(triggers, MOST).astype(int)
    logs = rate_table()
    return np.exp((1 - part) * logs[low, k] + part * logs[low + 1, k])
