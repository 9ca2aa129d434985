r"""Learn the tail of the largest counts of blocks, and choose it by its held-out score.

The largest count M of a block is discrete: a block says that the transform e of `_tail` lies
between that of M and that of M + 1. Four tails compete, the model's own, one with more exceedances,
an exponential and a generalised Pareto one; each is fitted to the odd days and scored on the even
ones, and conversely.

References
----------
Pickands (1975), Annals of Statistics 3, 119-131, doi:10.1214/aos/1176343003.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize

from eqstat.counts._background import Background
from eqstat.counts._blocks import Blocks
from eqstat.counts._intensity._largest import transforms
from eqstat.counts._intensity._tail import Tail

# Exceedances of the level that the model should expect, and the shares of blocks that these may be.
EXPECTED, SHARES = 400.0, (0.003, 0.1)
LEAST_EXPECTED = 30.0
# Standard deviations of the priors of the log ratio, the log scale, and (half normal) the shape.
PRIOR = np.array([0.5, 0.5, 0.3])
FREE = ((), (0,), (0, 1), (0, 1, 2))
# A tail is preferred to a simpler one where its held-out log score is better by more.
GAIN = 2.0
MEAN_BIN, ACTIVE_BIN, VARIANCE_BIN = 0.04, 0.1, 0.15


class Intervals(NamedTuple):
    """Intervals of the transform in which blocks lie, with the number of blocks of each fold."""

    low: np.ndarray
    high: np.ndarray
    number: np.ndarray


def learn_tail(
    background: Background,
    blocks: Blocks,
    log_mean: np.ndarray,
    mean: np.ndarray,
    variance: np.ndarray,
) -> Tail:
    """Learn the tail of blocks whose log intensity is normal with this mean and variance.

    Parameters
    ----------
    background
        The background.
    blocks
        The blocks of its history.
    log_mean
        Log of the mean count of a window of each block, without the slow intensity, (blocks,).
    mean, variance
        Of the log intensity of each block before its windows are seen, (blocks,).
    """
    share = np.clip(EXPECTED / max(len(log_mean), 1), *SHARES)
    if share * len(log_mean) < LEAST_EXPECTED:
        return Tail()
    level = float(-np.log(share))
    intervals, typical = _intervals(background, blocks, log_mean + mean, variance, level)
    scores = [_held_out(intervals, level, free) for free in FREE]
    best = 0
    for number in range(1, len(FREE)):
        if scores[number] > scores[best] + GAIN:
            best = number
    values = _estimate(intervals, intervals.number.sum(axis=1), level, FREE[best])
    return Tail(
        level=level,
        log_ratio=float(values[0]),
        scale=float(values[1]),
        shape=float(values[2]),
        log_block_h=float(np.log(blocks.block_s / 3600)),
        log_sliding=float(np.log(max(typical, 1.0))),
    )


def _intervals(
    background: Background, blocks: Blocks, log_mean: np.ndarray, variance: np.ndarray, level: float
) -> tuple[Intervals, float]:
    """Intervals of all blocks, those below the level as one, and the typical count at it."""
    log_active = np.log(np.maximum(blocks.devices / np.maximum(blocks.windows, 1), 1.0))
    log_windows = np.log(np.maximum(blocks.windows, 1))
    fold = (blocks.number * blocks.block_s // 86400).astype(np.int64) % 2
    largest = blocks.largest.astype(np.int64)
    size = _groups(log_active / ACTIVE_BIN, log_windows / ACTIVE_BIN)
    log_variance = np.log(np.maximum(variance, 1e-6))
    low, high, number, typical = [], [], [], []
    for use in _members(size):
        group = _groups(log_mean[use] / MEAN_BIN, log_variance[use] / VARIANCE_BIN)
        means, variances = (
            np.bincount(group, values[use]) / np.bincount(group) for values in (log_mean, variance)
        )
        active, windows = (float(np.exp(v[use].mean())) for v in (log_active, log_windows))
        table = transforms(background, means, variances, active, windows)
        first = np.argmax(table >= level, axis=1)
        count = np.minimum(largest[use], table.shape[1] - 2)
        is_far = count >= first[group]
        low.append(table[group, np.where(is_far, count, 0)])
        high.append(table[group, np.where(is_far, count + 1, first[group])])
        number.append(np.eye(2)[fold[use]])
        typical.append(first[group])
    merged = np.stack([np.concatenate(low), np.concatenate(high)], axis=-1)
    unique, index = np.unique(merged.round(6), axis=0, return_inverse=True)
    counts = np.concatenate(number)
    total = np.stack([np.bincount(index.ravel(), counts[:, i]) for i in (0, 1)], axis=-1)
    return Intervals(unique[:, 0], unique[:, 1], total), float(np.mean(np.concatenate(typical)))


def _groups(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Number of the group of each row, of those whose pairs round alike."""
    one, other = (np.round(values).astype(np.int64) for values in (first, second))
    pair = (one - one.min()) * (np.ptp(other) + 1) + other - other.min()
    return np.unique(pair, return_inverse=True)[1].ravel()


def _members(group: np.ndarray) -> list[np.ndarray]:
    """Rows of each group."""
    order = np.argsort(group, kind="stable")
    return np.split(order, np.cumsum(np.bincount(group))[:-1])


def _log_survival(e: np.ndarray, level: float, values: np.ndarray) -> np.ndarray:
    """Log of the survival function; the model's own below the level."""
    with np.errstate(invalid="ignore", over="ignore"):
        far = np.maximum(np.where(np.isfinite(e), e, 1e6) - level, 0.0)
        shape = values[2]
        scaled = far / values[1]
        fall = scaled if shape < 1e-4 else np.log1p(shape * scaled) / shape
    inside = -(level - values[0]) - fall
    return np.where(e <= 0, 0.0, np.where(np.isfinite(e), inside, -np.inf))


def _log_score(intervals: Intervals, number: np.ndarray, level: float, values: np.ndarray) -> float:
    low, high = (_log_survival(e, level, values) for e in (intervals.low, intervals.high))
    gap = np.minimum(high - low, -1e-12)
    return float(np.sum(number * (low + np.log(-np.expm1(gap)))))


def _estimate(
    intervals: Intervals, number: np.ndarray, level: float, free: tuple[int, ...]
) -> np.ndarray:
    """Log ratio, scale and shape of the posterior's mode."""

    def values(point: np.ndarray) -> np.ndarray:
        full = np.zeros(3)
        full[list(free)] = point
        return np.array([full[0], np.exp(full[1]), full[2]])

    if not free:
        return values(np.zeros(0))

    def objective(point: np.ndarray) -> float:
        prior = np.sum((point / PRIOR[list(free)]) ** 2)
        return 0.5 * float(prior) - _log_score(intervals, number, level, values(point))

    bounds = [((-1.0, min(3.0, level - 0.1)), (-1.5, 2.0), (0.0, 1.0))[i] for i in free]
    start = np.array([0.0, 0.05, 0.05])[list(free)]
    return values(minimize(objective, start, method="L-BFGS-B", bounds=bounds).x)


def _held_out(intervals: Intervals, level: float, free: tuple[int, ...]) -> float:
    """Log score of each half of the days under the tail of the other."""
    return sum(
        _log_score(
            intervals,
            intervals.number[:, 1 - fold],
            level,
            _estimate(intervals, intervals.number[:, fold], level, free),
        )
        for fold in (0, 1)
    )
