"""Tables of the probabilities of a background over the cells of a history."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from scipy import stats

from eqstat._core.checks import check_kind
from eqstat._core.errors import InputError
from eqstat.counts._background import FROM_FIT, Background
from eqstat.counts._data import History, active_bin
from eqstat.counts._families import Marginal
from eqstat.counts._intensity._parameters import (
    REACH_SD,
    REACH_SURGES,
    averaged_pmf,
    log_surge,
)
from eqstat.counts.alarm._draws import draws_of, log_device_rates, shape_at, surges_of
from eqstat.counts.scan._tables import log_burst_table

MOST_DRAWS = 100
# Tables extend until less probability than this is left beyond them.
LEFT_OUT = 1e-12
ELEMENTS = 4_000_000


class Places(NamedTuple):
    """Groups of cells with the same region, hour of the week and bin of active devices.

    Attributes
    ----------
    region, hour_of_week, active, windows
        Of each group, (places,).
    group
        Number of the bin of active devices, (places,).
    of_cell
        Group of each cell of the history, (cells,).
    """

    region: np.ndarray
    hour_of_week: np.ndarray
    active: np.ndarray
    windows: np.ndarray
    group: np.ndarray
    of_cell: np.ndarray


class Block(NamedTuple):
    """Probabilities of 0, 1, ... triggers at some places, (draws, places, counts)."""

    places: np.ndarray
    probability: np.ndarray


def places_of(history: History) -> Places:
    """Merge the cells of a history that differ only in their counts."""
    bins = active_bin(history.active)
    key = (history.region.astype(np.int64) * 168 + history.hour_of_week) * (bins.max() + 1) + bins
    _, first, of_cell = np.unique(key, return_index=True, return_inverse=True)
    windows = np.bincount(of_cell, history.windows, len(first))
    devices = np.bincount(of_cell, history.windows * history.active, len(first))
    _, group = np.unique(bins[first], return_inverse=True)
    return Places(
        history.region[first],
        history.hour_of_week[first].astype(np.int64),
        devices / windows,
        windows,
        group,
        of_cell,
    )


def check_background(background: Background, history: History, caller: str) -> None:
    """Refuse a background of other regions or of windows of another length."""
    check_kind(caller, Background, FROM_FIT, background=background)
    check_kind(caller, History, "give what `prepare(...)` returns", history=history)
    if background.regions != history.regions:
        raise InputError(
            f"{caller}: the background's regions {background.regions[:5]} are not the history's "
            f"{history.regions[:5]}; take the background of a fit to this history, or `of_region`"
        )
    if abs(background.window_s - history.window_s) > 1e-6:
        raise InputError(
            f"{caller}: windows of the background last {background.window_s:g} s, of the history "
            f"{history.window_s:g} s"
        )


def blocks(
    background: Background, history: History, places: Places, wide: int = 1
) -> Iterator[Block]:
    """Probabilities at each place, by number of active devices, for at most 100 draws.

    No code is shared with the likelihood. Probability that a table lacks lies beyond its end.

    Parameters
    ----------
    background, history, places
        The background (or draws), the history and its places.
    wide
        Entries that the caller makes of each probability, to limit the memory of a block.
    """
    draws, family = draws_of(background, MOST_DRAWS), background.count_family
    regions = np.arange(len(history.regions))
    log_rate = log_device_rates(draws, np.arange(24) + 0.5, np.arange(7), regions)
    largest_count = np.zeros(places.group.max() + 1, np.int64)
    np.maximum.at(largest_count, places.group[places.of_cell], history.triggers.astype(np.int64))
    order = np.argsort(places.group, kind="stable")
    ends = np.cumsum(np.bincount(places.group))
    for group, members in enumerate(np.split(order, ends[:-1])):
        hour, day = places.hour_of_week[members] % 24, places.hour_of_week[members] // 24
        rate = np.exp(log_rate[:, places.region[members], hour, day])
        mean = places.active[members] * rate * background.window_s / 3600
        weight = places.windows[members]
        active = np.average(places.active[members], weights=weight)
        n = int(max(np.rint(active), largest_count[group]))
        spread = shape_at(draws, background, np.array([active]))
        sd = draws["intensity_sd"][:, None]
        surges = [None if own is None else own[:, None] for own in surges_of(draws)]
        far = REACH_SD * sd
        if surges[1] is not None:
            far = far + log_surge(REACH_SURGES * surges[1])
        highest = float(np.max(mean * np.exp(far)))
        largest = (np.array([value]) for value in (highest, spread.max(), float(n)))
        base = family.support(Marginal(family, *largest), LEFT_OUT)
        top, burst = max(base, int(largest_count[group])), None
        if background.bursts is not None:
            log_s, tail = log_burst_table(
                draws["share"], draws["concentration"], np.full(len(rate), float(n)), n
            )
            negligible = draws["probability"][:, None] * np.exp(tail) < LEFT_OUT
            top = min(n, max(top, base + int(np.max(np.sum(~negligible, axis=1)))))
            burst = np.exp(log_s)
        step = max(1, ELEMENTS // (max(len(rate), wide) * (top + 1)))
        for begin in range(0, len(members), step):
            use = slice(begin, begin + step)
            case = Marginal(
                family,
                mean[:, use],
                np.broadcast_to(spread, mean[:, use].shape),
                np.full(mean[:, use].shape, float(n)),
            )
            table = np.zeros((*case.mean.shape, top + 1))
            table[..., : base + 1] = averaged_pmf(case, base, sd, *surges)
            if burst is not None:
                table = _with_bursts(table, base, burst, draws["probability"])
            if top == n:
                # No count exceeds n: what the families have above n is added to n.
                table[..., n] += np.maximum(1 - table.sum(axis=-1), 0.0)
            yield Block(members[use], table)


def _with_bursts(
    table: np.ndarray, base: int, burst: np.ndarray, probability: np.ndarray
) -> np.ndarray:
    """Mix windows without a burst and with one, whose size is added."""
    out = np.empty_like(table)
    size = table.shape[-1]
    padded = np.zeros((len(burst), base + size))
    width = min(size, burst.shape[-1])
    padded[:, base : base + width] = burst[:, :width]
    # The convolution as a product of matrices: entry (i, k) is the probability of a burst of k - i.
    lag = base + np.arange(size)[None, :] - np.arange(base + 1)[:, None]
    for draw, epsilon in enumerate(probability):
        alone = table[draw]
        both = alone[:, : base + 1] @ padded[draw][lag]
        out[draw] = (1 - epsilon) * alone + epsilon * both
    return out


def tails(probability: np.ndarray) -> np.ndarray:
    """P(K >= k) for k = 0, ..., one beyond the table; accurate to about 1e-14."""
    below = np.cumsum(probability, axis=-1)
    zero = np.zeros((*below.shape[:-1], 1))
    return np.maximum(1 - np.concatenate([zero, below], axis=-1), 0.0)


def count_interval(mean: np.ndarray, variance: np.ndarray, probability: float) -> np.ndarray:
    """Central interval of a sum of independent Bernoulli variables, marginalised over draws.

    Given a draw the sum is approximated by a binomial variable of its mean and variance.

    Parameters
    ----------
    mean, variance
        For each draw, (draws, points); the variance does not exceed the mean.
    probability
        Probability content.

    Returns
    -------
    numpy.ndarray
        Lower and upper bounds, (2, points).
    """
    chance = np.clip(1 - variance / np.maximum(mean, 1e-300), 1e-12, 1 - 1e-12)
    trials = np.maximum(np.round(mean / chance), 1.0)
    chance = np.clip(mean / trials, 0.0, 1.0)

    def below(count: np.ndarray) -> np.ndarray:
        return stats.binom.cdf(count, trials, chance).mean(axis=0)

    bounds = []
    for goal in ((1 - probability) / 2, (1 + probability) / 2):
        low, high = np.full(mean.shape[1], -1.0), trials.max(axis=0)
        while np.any(high - low > 1):
            middle = np.floor((low + high) / 2)
            enough = below(middle) >= goal
            high, low = np.where(enough, middle, high), np.where(enough, low, middle)
        bounds.append(high)
    return np.stack(bounds)
