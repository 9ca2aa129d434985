"""Alarms of a sliding window in a given stream of triggers, and their clumps over circles.

An alarm is a stretch of time in which at least k triggers lie in the sliding window.
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
    """Start and end times of the alarms in a stream.

    Parameters
    ----------
    times_s : numpy.ndarray
        Trigger times in ascending order, shape (events,); triggers of one burst share their time.
    triggers : int
        Threshold k, at least 1.
    window_s : float
        Length of the sliding window.
    merge_s : float, optional
        Stretches less than this apart are one alarm; the length of the window if not given.

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


def stretches(
    times_s: FloatArray, devices: IntArray, members: BoolArray, need: IntArray, window_s: float
) -> FloatArray:
    """Start and end of every alarm of every circle, not merged, (alarms, 2), by start.

    `members` is (circles, devices) and `need` the threshold of each circle.
    """
    # Only circles whose fullest window reaches the threshold are searched.
    seen = members[:, devices]
    total = np.concatenate([np.zeros((len(members), 1), np.int64), np.cumsum(seen, axis=1)], axis=1)
    before = np.searchsorted(times_s, times_s - window_s, side="right")
    fullest = np.max(total[:, 1:] - total[:, before], axis=1, initial=0)
    parts = [
        np.column_stack(alarms(times_s[seen[c]], int(need[c]), window_s, merge_s=0.0))
        for c in np.flatnonzero(fullest >= need)
    ]
    both = np.concatenate(parts) if parts else np.empty((0, 2))
    return both[np.argsort(both[:, 0], kind="stable")]


def clumps(both: FloatArray, window_s: float) -> IntArray:
    """Number of the clump of each stretch: stretches less than a window apart belong together."""
    ends = np.maximum.accumulate(both[:, 1])
    return np.concatenate([[0], np.cumsum(both[1:, 0] > ends[:-1] + window_s)])


def clump_size(
    times_s: FloatArray, devices: IntArray, members: BoolArray, need: IntArray, window_s: float
) -> tuple[int, float]:
    """Number of alarms in the clump at time 0, and how far it reaches from there, s."""
    both = stretches(times_s, devices, members, need, window_s)
    label = clumps(both, window_s)
    clump = both[label == label[np.flatnonzero(both[:, 0] == 0.0)[0]]]
    return len(clump), float(max(-clump[0, 0], clump[:, 1].max()))
