"""Split a budget of false alarms so that the sum of miss probabilities is least."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from eqstat._core.checks import check_range


def least_miss(
    log_rate: np.ndarray,
    active: np.ndarray,
    hours: np.ndarray,
    names: tuple[str, ...],
    minimum: int,
    budget: float | int,
    miss_probability: Callable[[np.ndarray, np.ndarray, np.ndarray, str], np.ndarray],
) -> np.ndarray:
    r"""Thresholds with the least sum of miss probabilities under a budget of false alarms.

    Each cell c (a region at an hour) has false-alarm rates $\nu_c(k)$ and miss probabilities
    $m_c(k)$ by threshold k. This is a Lagrangian relaxation: with a multiplier p every cell takes
    the k with the least $m_c(k) + p\,\nu_c(k)$, and bisection finds the smallest p that keeps
    $\sum_c \nu_c(k_c) \le b$. As counts are whole, some budget is left, which a greedy search
    spends one trigger at a time where it saves most for its cost. All hours of the day are
    equally frequent; each number of active devices is optimised by itself.

    Parameters
    ----------
    log_rate
        Log of false alarms per year at a constant hour, (cells, triggers from 1).
    active
        Active devices over (region, hour, active).
    hours
        Hours of the cells.
    names
        Names of the regions.
    minimum
        Smallest admissible threshold.
    budget
        False alarms per year of all regions.
    miss_probability
        See `threshold`.

    Returns
    -------
    numpy.ndarray
        Counts, (cells,).
    """
    shape = active.shape
    top = log_rate.shape[-1]
    choices = np.arange(minimum, max(top, minimum) + 1)
    padding = ((0, 0), (0, choices[-1] - top))  # where the minimum exceeds the devices
    log_rate = np.pad(log_rate, padding, constant_values=-np.inf)
    log_rate = log_rate.reshape((*shape, log_rate.shape[-1]))
    rate = np.exp(log_rate[..., choices - 1]) / len(hours)
    miss = np.empty((*shape, len(choices)))
    for position, name in enumerate(names):
        triggers, devices, hour = np.broadcast_arrays(
            choices[None, None, :], active[position][..., None], hours[:, None, None]
        )
        miss[position] = miss_probability(triggers, devices, hour, name)
    check_range("", 0, 1, miss_probability=miss)
    counts = np.empty(shape, int)
    for column in range(shape[2]):
        picked = _cheapest(rate[:, :, column].reshape(-1, len(choices)),
                           miss[:, :, column].reshape(-1, len(choices)), budget)  # fmt: skip
        counts[:, :, column] = choices[picked].reshape(shape[:2])
    return counts.ravel()


def _cheapest(rate: np.ndarray, miss: np.ndarray, budget: float | int) -> np.ndarray:
    """Index of the choice of each row."""
    rows = np.arange(len(rate))

    def pick(log_price: float | int) -> np.ndarray:
        return np.argmin(miss + np.exp(log_price) * rate, axis=1)

    low, high = -60.0, 60.0
    for _ in range(80):
        middle = 0.5 * (low + high)
        low, high = (low, middle) if rate[rows, pick(middle)].sum() <= budget else (middle, high)
    chosen = pick(high)
    left = budget - rate[rows, chosen].sum()
    while True:
        # One trigger fewer where that reduces misses most for its cost, if the budget allows it.
        fewer = np.maximum(chosen - 1, 0)
        cost = rate[rows, fewer] - rate[rows, chosen]
        gain = miss[rows, chosen] - miss[rows, fewer]
        affordable = (cost > 0) & (cost <= left) & (gain > 0)
        if not np.any(affordable):
            return chosen
        best = int(np.argmax(np.where(affordable, gain / np.where(affordable, cost, 1.0), -np.inf)))
        chosen[best] = fewer[best]
        left -= cost[best]
