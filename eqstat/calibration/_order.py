"""Order statistics and binomial intervals, for detections that may be clustered."""

from __future__ import annotations

import numpy as np
from scipy import special, stats

from eqstat.calibration._support import ROUNDING


def exact_ends(count: np.ndarray, total: np.ndarray, tail: float) -> tuple[np.ndarray, np.ndarray]:
    """Clopper-Pearson interval with the tail probability `tail`; counts may be fractional."""
    inner = (count > 0, count < total)
    low = special.betaincinv(np.where(inner[0], count, 1.0), total - count + 1.0, tail)
    high = special.betaincinv(count + 1.0, np.where(inner[1], total - count, 1.0), 1.0 - tail)
    return np.where(inner[0], low, 0.0), np.where(inner[1], high, 1.0)


def posterior_ends(
    count: np.ndarray, total: np.ndarray, tail: float, prior: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray]:
    """Equal-tailed interval of the beta posterior, from 0 if k = 0 and to 1 if k = n."""
    a, b = count + prior[0], total - count + prior[1]
    low, high = special.betaincinv(a, b, tail), special.betaincinv(a, b, 1.0 - tail)
    return np.where(count > 0, low, 0.0), np.where(count < total, high, 1.0)


def effective_number(hit: np.ndarray, cluster: np.ndarray | None, tail: float) -> float:
    """Number of independent detections with the same information about a share."""
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
    wider = stats.t.ppf(tail, size - 1) / stats.t.ppf(tail, names.size - 1)
    return float(max(size / effect * min(wider, 1.0) ** 2, 1.0))


def order_ends(size: int, level: float, effective: float, tail: float) -> tuple[int, int]:
    """Ranks l and u of the order statistics that enclose the quantile of this level.

    If l = 0 or u = size + 1 there are too few values, and that limit is infinite.
    """
    rank = np.arange(1, size + 1) * (effective / size)
    # P(at least `rank` of the values lie at or below the quantile), its binomial in beta form.
    at_least = special.betainc(rank, np.maximum(effective - rank, 0.0) + 1.0, level)
    low = int(np.sum(at_least >= 1.0 - tail))
    up = np.flatnonzero(at_least <= tail)
    return low, int(up[0]) + 1 if up.size else size + 1


def allowed(size: int, level: float) -> int:
    """Largest number of `size` values within a share."""
    return int(np.floor(size * level + ROUNDING))


def at_rank(ordered: np.ndarray, rank: int) -> float:
    """Order statistic; infinite outside the range of ranks."""
    if rank < 1:
        return -np.inf
    return float(ordered[rank - 1]) if rank <= ordered.size else np.inf
