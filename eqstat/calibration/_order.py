"""Order statistics and binomial tails, for detections that may come in clusters."""

from __future__ import annotations

import numpy as np
from scipy import special, stats

from eqstat.calibration._support import ROUNDING


def exact_ends(count: np.ndarray, total: np.ndarray, rest: float) -> tuple[np.ndarray, np.ndarray]:
    """Clopper and Pearson's interval with `rest` outside at each end; numbers may be broken."""
    inner = (count > 0, count < total)
    low = special.betaincinv(np.where(inner[0], count, 1.0), total - count + 1.0, rest)
    high = special.betaincinv(count + 1.0, np.where(inner[1], total - count, 1.0), 1.0 - rest)
    return np.where(inner[0], low, 0.0), np.where(inner[1], high, 1.0)


def posterior_ends(
    count: np.ndarray, total: np.ndarray, rest: float, prior: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray]:
    """Interval of the beta posterior; 0 where none was counted, and 1 where all were."""
    a, b = count + prior[0], total - count + prior[1]
    low, high = special.betaincinv(a, b, rest), special.betaincinv(a, b, 1.0 - rest)
    return np.where(count > 0, low, 0.0), np.where(count < total, high, 1.0)


def effective_number(hit: np.ndarray, cluster: np.ndarray | None, rest: float) -> float:
    """Number of independent detections that say as much on a share as these clusters do."""
    size = hit.size
    if cluster is None:
        return float(size)
    names, index = np.unique(cluster, return_inverse=True)
    if names.size == size:
        return float(size)
    share = hit.mean()
    if share in (0.0, 1.0) or names.size == 1:
        return float(names.size)
    sums = np.bincount(index, hit - share)
    variance = names.size / (names.size - 1) * np.sum(sums**2) / size**2
    effect = max(variance * size / (share * (1 - share)), 1.0)
    wider = stats.t.ppf(rest, size - 1) / stats.t.ppf(rest, names.size - 1)
    return float(max(size / effect * min(wider, 1.0) ** 2, 1.0))


def order_ends(size: int, level: float, effective: float, rest: float) -> tuple[int, int]:
    """Ranks l and u whose order statistics enclose the quantile of this level.

    With l = 0 or u = size + 1 there are too few values: that end is infinite.
    """
    rank = np.arange(1, size + 1) * (effective / size)
    # P(at least `rank` of the values lie at or below the quantile), its binomial in beta form.
    at_least = special.betainc(rank, np.maximum(effective - rank, 0.0) + 1.0, level)
    low = int(np.sum(at_least >= 1.0 - rest))
    up = np.flatnonzero(at_least <= rest)
    return low, int(up[0]) + 1 if up.size else size + 1


def allowed(size: int, level: float) -> int:
    """Most of so many that stay within a share."""
    return int(np.floor(size * level + ROUNDING))


def at_rank(ordered: np.ndarray, rank: int) -> float:
    """Order statistic; infinite beyond either end."""
    if rank < 1:
        return -np.inf
    return float(ordered[rank - 1]) if rank <= ordered.size else np.inf
