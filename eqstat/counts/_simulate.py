"""Simulated histories and tables of counts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from jaxtyping import PRNGKeyArray
from scipy import signal

from eqstat._core.checks import check_key, check_kind, check_range
from eqstat._core.explain import Explained
from eqstat._core.random import generator
from eqstat.counts._background import FROM_FIT, Background, dispersion_at, mean_count
from eqstat.counts._data import History, to_cells
from eqstat.counts._families import Marginal
from eqstat.counts._harmonics import HOURS_OF_WEEK
from eqstat.counts._intensity._parameters import (
    REACH_SD,
    REACH_SURGES,
    averaged_pmf,
    log_surge,
)

# Quantiles of a standard normal, scaled to unit variance: levels of the number of active devices.
LEVELS = np.array([-1.2816, -0.5244, 0.0, 0.5244, 1.2816]) / 0.86786
ROWS_AT_ONCE = 4096


@dataclass(frozen=True)
class Design(Explained):
    """Design of a simulated history: active devices and duration.

    Attributes
    ----------
    active
        Mean number of active devices: a number, one for each region, or for each region and
        each of the 168 hours of the week, Monday first (local time).
    days
        Length of the history, days.
    variation
        Relative standard deviation of the number of active devices from day to day.
    start
        Start of a table of counts, UTC (`simulate_table`).

    Examples
    --------
    >>> Design(active=[60, 300], days=7).mean_active(2).shape
    (2, 168)
    """

    active: Any
    days: float | int = 90.0
    variation: float | int = 0.05
    start: str = "2026-01-05T00:00:00Z"

    def __post_init__(self) -> None:
        array = np.asarray(self.active, np.float64)
        check_range("Design", 1, active=array)
        check_range("Design", 0, 1e5, ends="()", days=self.days)
        check_range("Design", 0, 0.5, ends="[)", variation=self.variation)

    def mean_active(self, regions: int) -> np.ndarray:
        """Mean active devices of each region and hour of the week, (regions, 168)."""
        array = np.asarray(self.active, np.float64)
        if array.ndim == 1:
            array = array[:, None]
        return np.broadcast_to(array, (regions, HOURS_OF_WEEK))


def week_means(
    background: Background, region: np.ndarray, hour: np.ndarray, active: np.ndarray
) -> np.ndarray:
    """Mean counts of cells at the centre of the hour, float64."""
    with jax.enable_x64(True):
        exact = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float64), background)
        mean = mean_count(exact, jnp.asarray(active), hour % 24 + 0.5, hour // 24, region)
        return np.asarray(mean)


def dispersions(background: Background, active: np.ndarray) -> np.ndarray | None:
    """Dispersion among `active` devices, float64; None for families without."""
    if not background.count_family.parameters:
        return None
    with jax.enable_x64(True):
        exact = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float64), background)
        return np.asarray(dispersion_at(exact, jnp.asarray(active)))


def draw_base(
    rng: np.random.Generator, background: Background, active: np.ndarray, mean: np.ndarray
) -> np.ndarray:
    """Draw one count without bursts for each entry."""
    spread = dispersions(background, active)
    return background.count_family.draw(rng, active, mean, spread)


def draw_bursts(rng: np.random.Generator, background: Background, active: np.ndarray) -> np.ndarray:
    """Draw the number of devices in a burst for each entry."""
    assert background.bursts is not None
    share, concentration = float(background.bursts.share), float(background.bursts.concentration)
    shares = rng.beta(share * concentration, (1 - share) * concentration, np.shape(active))
    return rng.binomial(np.asarray(active).astype(np.int64), shares)


def slow_factors(rng: np.random.Generator, background: Background, windows: int) -> np.ndarray:
    """Draw the slow intensity of one region in consecutive windows, with mean 1."""
    if background.intensity is None:
        return np.ones(windows)
    sd = float(background.intensity.sd)
    keep = np.exp(-background.window_s / 3600 / float(background.intensity.correlation_h))
    noise = rng.standard_normal(windows) * np.sqrt(1 - keep**2)
    noise[0] = rng.standard_normal()
    x = np.asarray(signal.lfilter([1.0], [1.0, -keep], noise))
    return np.exp(sd * x - 0.5 * sd**2)


def _base_tables(background: Background, active: np.ndarray, mean: np.ndarray) -> Iterator[tuple]:
    """Blocks of rows of similar means with their probabilities of 0, 1, ... triggers."""
    order = np.argsort(mean, kind="stable")
    family = background.count_family
    spread = dispersions(background, active)
    spread = np.zeros_like(mean) if spread is None else spread
    for start in range(0, len(order), ROWS_AT_ONCE):
        rows = order[start : start + ROWS_AT_ONCE]
        n, mu, delta = active[rows], mean[rows], spread[rows]
        marginal = Marginal(family, mu, family.sliding_dispersion(delta), n)
        slow, sd, reach = background.intensity, 0.0, 0.0
        surges: tuple[Any, Any] = (None, None)
        if slow is not None:
            sd = float(slow.sd)
            reach = REACH_SD * sd
            if slow.surge_mean is not None:
                surges = (slow.surge_share, slow.surge_mean)
                reach += float(log_surge(REACH_SURGES * slow.surge_mean))
        highest = marginal._replace(mean=mu * np.exp(reach))
        p = averaged_pmf(marginal, family.support(highest, 1e-12), sd, *surges)
        yield rows, p / p.sum(axis=1, keepdims=True)


def simulate(key: PRNGKeyArray, background: Background, design: Design) -> History:
    """Simulate a history as sparse cells, at a cost independent of its number of windows.

    Windows of a region and hour of the week share five levels of active devices. The numbers of
    windows without a burst by count are multinomial; the few with a burst are drawn one by one.
    The cells hold no order in time, so that a slow intensity widens their counts only
    (`simulate_table` follows it).

    Parameters
    ----------
    key
        JAX random key.
    background
        One background (no axis of draws).
    design
        Active devices and duration.

    Returns
    -------
    History

    Examples
    --------
    >>> import jax
    >>> background = Background("poisson", 1.0)
    >>> simulate(jax.random.key(0), background, Design(active=200, days=7)).total_windows
    60480
    """
    check_key("simulate", key)
    rng = generator(key)
    regions = len(background.regions)
    mean_active = design.mean_active(regions)
    spread = 1 + design.variation * LEVELS if design.variation else np.ones(1)
    active = np.maximum(np.round(mean_active[:, :, None] * spread), 1.0)
    total = round(design.days * 86400 / background.window_s)
    # Windows are spread evenly over hours and levels; the remainder goes to the first ones.
    slots = HOURS_OF_WEEK * len(spread)
    each = np.full(slots, total // slots)
    each[: total % slots] += 1
    region, hour, _ = np.indices(active.shape).reshape(3, -1)
    active, windows = active.ravel(), np.tile(each, regions)
    keep = windows > 0
    region, hour, active, windows = region[keep], hour[keep], active[keep], windows[keep]
    mean = week_means(background, region, hour, active)
    burst_windows = np.zeros_like(windows)
    if background.bursts is not None:
        burst_windows = rng.binomial(windows, float(background.bursts.probability))
    parts = []
    for rows, p in _base_tables(background, active, mean):
        drawn = rng.multinomial((windows - burst_windows)[rows], p)
        which, count = np.nonzero(drawn)
        parts.append((rows[which], count, drawn[which, count]))
    if burst_windows.any():
        which = np.repeat(np.arange(len(windows)), burst_windows)
        count = draw_base(rng, background, active[which], mean[which])
        count = np.minimum(count + draw_bursts(rng, background, active[which]), active[which])
        parts.append((which, count, np.ones(len(which), np.int64)))
    which, count, number = (np.concatenate(column) for column in zip(*parts, strict=True))
    cells = to_cells(
        region[which],
        hour[which],
        active[which],
        count.astype(np.float64),
        number.astype(np.float64),
    )
    return History(
        *cells, background.regions, background.window_s, total * background.window_s / 86400
    )


def simulate_table(key: PRNGKeyArray, background: Background, design: Design) -> pd.DataFrame:
    """Simulate a table of counts, window by window.

    Parameters
    ----------
    key, background, design
        As in `simulate`; local time is UTC.

    Returns
    -------
    pandas.DataFrame
        Table of the counts contract with `time`, `triggers`, `active`, `region`, `window_s`,
        and the truth in `is_burst`; sorted by region and time.

    Examples
    --------
    >>> import jax
    >>> table = simulate_table(jax.random.key(0), Background("poisson", 1.0), Design(9, days=1))
    >>> len(table), bool(table["active"].max() < 12)
    (8640, True)
    """
    check_kind("simulate_table", Background, FROM_FIT, background=background)
    check_kind("simulate", Design, "use `Design(...)`", design=design)
    rng = generator(key)
    start: Any = pd.Timestamp(design.start)
    total = round(design.days * 86400 / background.window_s)
    time = start + pd.to_timedelta(np.arange(total) * background.window_s, unit="s")
    hour = np.asarray(time.hour + 24 * time.day_of_week)
    day = np.asarray((np.arange(total) * background.window_s) // 86400, np.int64)
    mean_active = design.mean_active(len(background.regions))
    parts = []
    for number, name in enumerate(background.regions):
        about = 1 + design.variation * rng.choice(LEVELS, day[-1] + 1)[day]
        active = np.maximum(np.round(mean_active[number, hour] * about), 1.0)
        mean = week_means(background, np.full(total, number), hour, active)
        mean = mean * slow_factors(rng, background, total)
        count = draw_base(rng, background, active, mean)
        burst = np.zeros(total, bool)
        if background.bursts is not None:
            burst = rng.uniform(size=total) < float(background.bursts.probability)
            added = draw_bursts(rng, background, active[burst])
            count[burst] = np.minimum(count[burst] + added, active[burst])
        parts.append(
            pd.DataFrame(
                {
                    "time": time,
                    "triggers": count.astype(np.int64),
                    "active": active.astype(np.int64),
                    "region": name,
                    "window_s": background.window_s,
                    "is_burst": burst,
                }
            )
        )
    return pd.concat(parts, ignore_index=True)
