"""Streams of triggers in continuous time, drawn by brute force: the reference for the formulas."""

import numpy as np

from eqstat.counts.scan._clumps import FloatArray, alarms


def poisson_times(rng: np.random.Generator, rate: FloatArray, block_s: float) -> FloatArray:
    """Times of a Poisson stream whose rate per second is constant over blocks, ascending."""
    counts = rng.poisson(rate * block_s)
    block = np.repeat(np.arange(rate.size), counts)
    return np.sort((block + rng.random(block.size)) * block_s)


def device_times(
    rng: np.random.Generator, devices: int, hazard: float, window_s: float, duration_s: float
) -> FloatArray:
    """Times of devices that rest for one window after each trigger, ascending.

    A rested device triggers at `hazard` per second, so that the number in a window is
    Binomial(devices, h w / (1 + h w)). The first 20 windows are thrown away.
    """
    burn = 20.0 * window_s
    each = (duration_s + burn) / (window_s + 1.0 / hazard)
    draws = int(each + 8.0 * np.sqrt(each) + 10.0)
    gaps = window_s + rng.exponential(1.0 / hazard, (devices, draws))
    gaps[:, 0] -= window_s * rng.random(devices)
    times = np.cumsum(gaps, axis=1).ravel() - burn
    return np.sort(times[(times >= 0.0) & (times < duration_s)])


def with_bursts(
    rng: np.random.Generator,
    times_s: FloatArray,
    duration_s: float,
    per_s: float,
    sizes: FloatArray,
) -> FloatArray:
    """Add bursts at `per_s`, each of a size drawn from the probabilities `sizes` (from 0 on)."""
    number = rng.poisson(per_s * duration_s)
    size = rng.choice(sizes.size, number, p=sizes)
    bursts = np.repeat(rng.random(number) * duration_s, size)
    return np.sort(np.concatenate([times_s, bursts]))


def share_in_alarm(
    rng: np.random.Generator, triggers: int, mean: float, length: float, runs: int
) -> float:
    """Share of runs of `length` windows of a Poisson stream with an alarm in them.

    Windows lie inside the run, as in the scan statistic.
    """
    found = 0
    for _ in range(runs):
        times = np.sort(rng.random(rng.poisson(mean * length)) * length)
        if times.size >= triggers:
            found += bool(np.any(times[triggers - 1 :] - times[: 1 - triggers or None] < 1.0))
    return found / runs


def distinct_alarms(
    times_s: list[FloatArray], required: int, frame_s: float, *, merge_s: float = 0.0
) -> FloatArray:
    """Start times at which `required` different sensors have pre-warned within the last frame.

    `times_s` has the pre-warnings of each sensor in ascending order. Coincidences that begin less
    than `merge_s` after the end of another are not new.
    """
    starts, ends = [], []
    for times in times_s:
        first, last = alarms(times, 1, frame_s, merge_s=0.0)
        starts.append(first)
        ends.append(last)
    edges = np.concatenate([*starts, *ends])
    steps = np.repeat([1, -1], [sum(map(len, starts)), sum(map(len, ends))])
    order = np.argsort(edges, kind="stable")
    edges, level = edges[order], np.cumsum(steps[order])
    before = level - steps[order]
    up = edges[(level >= required) & (before < required)]
    down = edges[(level < required) & (before >= required)]
    return up[np.r_[True, up[1:] > down[: up.size - 1] + merge_s]] if up.size else up
