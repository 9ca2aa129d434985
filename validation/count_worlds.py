"""Worlds of trigger counts in which thresholds are judged: true intensities, tables, alarm rates.

No code of eqstat is used. Twenty regions are watched for 60 days, and thresholds are judged on the
28 days that follow. Given its intensity lambda a window's triggers are a Poisson stream, and
lambda is a gamma variable about the mean mu of region and time; the alarms of a sliding window
then come at Alm's rate, averaged over the gamma distribution by quadrature. So the realised rate of
false alarms is an expectation given the true means, and rates of one a year need no years.

The alarm rate of a fixed threshold is a steep function of the intensity: with a standard deviation
of 0.35 of its log, that of the log rate is about 3, and four weeks hold few independent values.
What a fixed threshold promises is the expectation over the intensity, given the history and the
hour; `expected_rate` has it by quadrature.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.signal import lfilter
from scipy.special import gammaln

WINDOW_S, PER_HOUR, PER_DAY = 10.0, 360, 8640
HOURS_PER_YEAR = 8766.0
REGIONS, WATCHED_DAYS, JUDGED_DAYS = 20, 60, 28
RATE_PER_DEVICE_H, DISPERSION = 0.6, 0.15
# Bursts a day, and the minutes after which they are over.
BURSTS_A_DAY, BURST_ENDS = 2.0, 60.0
# Means are piecewise constant over this many windows (one minute); expectations are at every tenth.
STEP, EVERY = 6, 10
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


class Random(NamedTuple):
    """Distribution of the random part of the log mean at later times, given the history.

    Attributes
    ----------
    factor
        Nodes of the log factor, (nodes, regions or 1, steps or 1).
    weight
        Their probabilities, (nodes,).
    """

    factor: np.ndarray
    weight: np.ndarray


# Standard deviation and correlation time (h) of the log rate. Phones leave and stay on the list,
# others join unseen: the rate per listed phone drifts.
WANDERING = {
    "slow intensity": (0.35, 4.0),
    "drifting devices": (0.3, 240.0),
    "holidays": (0.1, 2.0),
}


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
    calm
        The mean without its random part in every `EVERY`-th step that is judged.
    random
        The random part at these.
    """

    active: np.ndarray
    mean: np.ndarray
    hour_of_week: np.ndarray
    watched: int
    calm: np.ndarray
    random: Random


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
    return np.asarray(lfilter([1.0], [1.0, -keep], noise, axis=1))


def wander_given(last: np.ndarray, steps: np.ndarray, sd: float, hours: float) -> Random:
    """Distribution of the process so many steps after its value was `last`, (regions,)."""
    keep = np.exp(-STEP / PER_HOUR / hours * steps)
    z = np.arange(-6.0, 6.01, 0.25)
    weight = np.exp(-0.5 * z**2)
    spread = sd * np.sqrt(1 - keep**2)
    factor = last[:, None] * keep + spread * z[:, None, None]
    return Random(factor, weight / weight.sum())


def bursts_of_minutes(rng: np.random.Generator, steps: int) -> np.ndarray:
    """Log factor of people who react to an event: twice a day, some minutes, Pareto sizes."""
    out = np.zeros((REGIONS, steps))
    minute = np.arange(steps) * STEP * WINDOW_S / 60
    minutes = steps * STEP * WINDOW_S / 60
    for region in range(REGIONS):
        for begin in rng.uniform(0, minutes, rng.poisson(BURSTS_A_DAY * minutes / 1440)):
            near = slice(*np.searchsorted(minute, [begin, begin + BURST_ENDS]).tolist())
            size = 0.5 * (rng.pareto(3.0))
            factor = 1 + size * np.exp(-(minute[near] - begin) / rng.uniform(3.0, 15.0))
            out[region, near] += np.log(factor)
    return out


def bursts_given() -> Random:
    r"""Distribution of the log factor of bursts at any time, by quadrature.

    Of one burst, $P(s e^{-t/\tau} > y) = E[(1 + 2 y e^{t/\tau})^{-3}]$ over t and $\tau$; the
    log factors of a Poisson number of them are added.
    """
    step, size = 0.01, 1024
    edges = step * (np.arange(size + 1) - 0.5)
    at, fall = ((np.arange(400) + 0.5) / 400 for _ in range(2))
    ratio = np.exp(BURST_ENDS * at[:, None] / (3.0 + 12.0 * fall)).ravel()
    added = np.maximum(np.expm1(edges), 0.0)
    beyond = np.array([np.mean((1 + 2 * y * ratio) ** -3.0) for y in added])
    one = beyond[:-1] - beyond[1:]
    expected = BURSTS_A_DAY * BURST_ENDS / 1440
    term, weight = np.eye(1, size)[0] * np.exp(-expected), np.zeros(size)
    # More than three overlap hardly ever.
    for number in range(1, 5):
        weight += term
        term = np.convolve(term, one)[:size] * expected / number
    return Random(step * np.arange(size)[:, None, None], weight / weight.sum())


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
    if name == "holidays":
        log_rate = log_rate + holidays(hour_number // 24, hour)
    later = np.arange(watched, steps, EVERY)
    varying, random = np.zeros(1), Random(np.zeros((1, 1, 1)), np.ones(1))
    if name == "bursts of minutes":
        varying, random = bursts_of_minutes(rng, steps), bursts_given()
    if name in WANDERING:
        varying = wander(rng, steps, *WANDERING[name])
        random = wander_given(varying[:, watched - 1], later - watched + 1, *WANDERING[name])
    calm = active * RATE_PER_DEVICE_H * np.exp(log_rate) * WINDOW_S / 3600
    return World(active, calm * np.exp(varying), hour_of_week, watched, calm[:, later], random)


def draw(world: World, number: int) -> np.ndarray:
    """Counts of all windows, (regions, windows), int16."""
    rng = np.random.default_rng([number, 4711])
    shape = 1 / DISPERSION
    counts = np.empty((REGIONS, world.mean.shape[1] * STEP), np.int16)
    for region, (mean, active) in enumerate(zip(world.mean, world.active, strict=True)):
        each = np.repeat(mean, STEP)
        drawn = rng.poisson(each * rng.standard_gamma(shape, each.shape) / shape)
        counts[region] = np.minimum(drawn, np.repeat(active, STEP))
    return counts


def table(world: World, counts: np.ndarray, region: int) -> pd.DataFrame:
    """Table of the windows of one region in the history."""
    windows = world.watched * STEP
    return pd.DataFrame(
        {
            "time": START + pd.to_timedelta(np.arange(windows) * WINDOW_S, unit="s"),
            "triggers": counts[region, :windows].astype(np.int64),
            "active": np.repeat(world.active[region], STEP)[:windows].astype(np.int64),
            "region": pd.Categorical.from_codes(np.zeros(windows, np.int8), [f"r{region:02d}"]),
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


def expected_rate(world: World, triggers: np.ndarray) -> np.ndarray:
    """Alarms per year of fixed thresholds, expected given the history and the hour.

    `triggers` are those of every `EVERY`-th step that is judged, (regions, steps).
    """
    total = np.zeros(triggers.shape)
    for factor, weight in zip(*world.random, strict=True):
        total += weight * true_rate(world.calm * np.exp(factor), triggers)
    return total
