"""Split a budget of false alarms so that least is missed."""

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
    r"""Counts with the least sum of miss probabilities under a budget of false alarms.

    Each cell c (a region at an hour) picks a count from a menu of rates $\nu_c(k)$ and misses
    $m_c(k)$. With a price p of false alarms every cell picks the least $m_c(k) + p\,\nu_c(k)$;
    p is the smallest price that keeps $\sum_c \nu_c(k_c) w \le b$, found by bisection, and
    what is left is spent where it saves most for its cost. A year visits all hours equally;
    each number of active devices is split by itself.

    Parameters
    ----------
    log_rate
        Log false alarms per year if it were always this hour, (cells, triggers from 1).
    active
        Devices over (region, hour, active).
    hours
        Hours of the cells.
    names
        Names of the regions.
    minimum
        Fewest triggers.
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
    menu = np.arange(minimum, max(top, minimum) + 1)
    ahead = ((0, 0), (0, menu[-1] - top))  # where the minimum is more than the devices
    log_rate = np.pad(log_rate, ahead, constant_values=-np.inf)
    log_rate = log_rate.reshape((*shape, log_rate.shape[-1]))
    rate = np.exp(log_rate[..., menu - 1]) / len(hours)
    miss = np.empty((*shape, len(menu)))
    for position, name in enumerate(names):
        triggers, devices, hour = np.broadcast_arrays(
            menu[None, None, :], active[position][..., None], hours[:, None, None]
        )
        miss[position] = miss_probability(triggers, devices, hour, name)
    check_range("", 0, 1, miss_probability=miss)
    counts = np.empty(shape, int)
    for column in range(shape[2]):
        picked = _cheapest(rate[:, :, column].reshape(-1, len(menu)),
                           miss[:, :, column].reshape(-1, len(menu)), budget)  # fmt: skip
        counts[:, :, column] = menu[picked].reshape(shape[:2])
    return counts.ravel()


def _cheapest(rate: np.ndarray, miss: np.ndarray, budget: float | int) -> np.ndarray:
    """Index of the menu picked by each row."""
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
        # One trigger fewer, where it saves most misses for its false alarms and can be paid.
        fewer = np.maximum(chosen - 1, 0)
        cost = rate[rows, fewer] - rate[rows, chosen]
        gain = miss[rows, chosen] - miss[rows, fewer]
        able = (cost > 0) & (cost <= left) & (gain > 0)
        if not np.any(able):
            return chosen
        best = int(np.argmax(np.where(able, gain / np.where(able, cost, 1.0), -np.inf)))
        chosen[best] = fewer[best]
        left -= cost[best]
