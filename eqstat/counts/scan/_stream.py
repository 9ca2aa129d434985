"""Streams of triggers in continuous time, drawn by brute force: what the formulas are held against.

An alarm is a stretch of time in which at least k triggers lie in the sliding window; stretches
that are less than one window apart are the same alarm. No formula of the room is used here.
"""

from __future__ import annotations

import numpy as np
from numpy import typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.integer]
BoolArray = npt.NDArray[np.bool_]


def alarms(
    times_s: FloatArray, triggers: int, window_s: float, *, merge_s: float | None = None
) -> tuple[FloatArray, FloatArray]:
    """Start and end of the alarms in a stream.

    Parameters
    ----------
    times_s : numpy.ndarray
        Trigger times in ascending order, shape (events,); triggers of one burst share their time.
    triggers : int
        k, at least 1.
    window_s : float
        Length of the sliding window.
    merge_s : float, optional
        Stretches closer than this are one alarm; the length of the window if not given.

    Returns
    -------
    starts_s, ends_s : numpy.ndarray
        Shape (alarms,).
    """
    merge = window_s if merge_s is None else merge_s
    if times_s.size < triggers:
        return np.empty(0), np.empty(0)
    start, end = times_s[triggers - 1 :], times_s[: times_s.size - triggers + 1] + window_s
    full = end > start
    start, end = start[full], end[full]
    if not start.size:
        return start, end
    new = np.flatnonzero(start[1:] > end[:-1] + merge)
    return start[np.r_[0, new + 1]], end[np.r_[new, end.size - 1]]


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


def stretches(
    times_s: FloatArray, devices: IntArray, members: BoolArray, need: IntArray, window_s: float
) -> FloatArray:
    """Begin and end of every alarm of every circle, not merged, (alarms, 2), by begin.

    `members` is (circles, devices) and `need` the threshold of each circle.
    """
    # Circles whose fullest window is too empty are passed over.
    seen = members[:, devices]
    total = np.concatenate([np.zeros((len(members), 1), np.int64), np.cumsum(seen, axis=1)], axis=1)
    before = np.searchsorted(times_s, times_s - window_s, side="right")
    fullest = np.max(total[:, 1:] - total[:, before], axis=1, initial=0)
    found = [
        np.column_stack(alarms(times_s[seen[c]], int(need[c]), window_s, merge_s=0.0))
        for c in np.flatnonzero(fullest >= need)
    ]
    both = np.concatenate(found) if found else np.empty((0, 2))
    return both[np.argsort(both[:, 0], kind="stable")]


def clumps(both: FloatArray, window_s: float) -> IntArray:
    """Number of the clump of each stretch: those less than a window apart are together."""
    ends = np.maximum.accumulate(both[:, 1])
    return np.concatenate([[0], np.cumsum(both[1:, 0] > ends[:-1] + window_s)])


def clump_size(
    times_s: FloatArray, devices: IntArray, members: BoolArray, need: IntArray, window_s: float
) -> tuple[int, float]:
    """Begins of alarms in the clump at time 0, and the greater distance of its ends from 0."""
    both = stretches(times_s, devices, members, need, window_s)
    label = clumps(both, window_s)
    mine = both[label == label[np.flatnonzero(both[:, 0] == 0.0)[0]]]
    return len(mine), float(max(-mine[0, 0], mine[:, 1].max()))
