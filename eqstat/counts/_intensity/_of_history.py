"""Weekly profile, slow intensity and dispersion from the order in time of a history."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from scipy.linalg import block_diag

from eqstat.counts._background import Background, mean_count
from eqstat.counts._blocks import Blocks
from eqstat.counts._data import History
from eqstat.counts._harmonics import HOURS_OF_WEEK
from eqstat.counts._intensity._days import Days, learn_days, ratios_of_days
from eqstat.counts._intensity._learn import (
    MIDDLE,
    Cells,
    Learned,
    Series,
    busiest,
    dispersion_of,
    filtered,
    learn,
    to_series,
)
from eqstat.counts._intensity._learn_tail import learn_tail
from eqstat.counts._intensity._parameters import Intensity, interpolate_profile
from eqstat.counts._intensity._profile import PLACES, Profile, learn_profile, sums_by_place
from eqstat.counts._intensity._surges import Surges, learn_surges
from eqstat.counts._intensity._tail import Tails
from eqstat.counts._start import far_above

# Without two days neither a profile nor a slow change can be told from chance.
LEAST_DAYS = 2.0


@dataclass(frozen=True)
class Slow:
    """What the order in time says beyond the harmonics.

    Attributes
    ----------
    profile
        The weekly profile.
    learned
        Log sd, log correlation time and, with one, log dispersion and its slope.
    hours
        Hours in which each region was watched, (regions,).
    surges
        Surges; None where there are none.
    days
        Effects of single days on all regions; None where days do not differ.
    """

    profile: Profile
    learned: Learned
    hours: np.ndarray
    surges: Surges | None = None
    days: Days | None = None

    def apply(self, background: Background) -> Background:
        """Add the estimates to a background."""
        surges = None if self.surges is None else self.surges.estimate
        return _with(background, self.profile.mean, self.learned.estimate, surges)

    def draw(self, rng: np.random.Generator, draws: Background) -> Background:
        r"""Add draws to the draws of a background.

        The mean of a slow intensity over a finite history differs from its expectation, by a
        variance $2 \\tau \\sigma^2 / T$, which the likelihood of single windows cannot know.
        """
        count, regions = np.shape(draws.region_effect)
        profile = rng.multivariate_normal(*self.profile, count, method="eigh")
        if self.days is not None:
            profile = profile + self.days.draw(rng, count)
        values = rng.multivariate_normal(*self.learned, count, method="eigh")
        sd, hours = np.exp(values[:, :2]).T
        share = np.minimum(2 * hours[:, None] / np.maximum(self.hours, 1e-9), 1.0)
        moved = sd[:, None] * np.sqrt(share) * rng.standard_normal((count, regions))
        effect = np.asarray(draws.region_effect) + moved
        surges = None
        if self.surges is not None:
            surges = rng.multivariate_normal(*self.surges[:2], count, method="eigh")
        return replace(_with(draws, profile, values, surges), region_effect=effect)

    @property
    def sites(self) -> tuple[tuple[str, ...], np.ndarray, np.ndarray]:
        """Names, estimates and covariance (by the delta method) of the parameters."""
        names = ("intensity_sd", "correlation_h", "dispersion", "dispersion_slope")
        values = self.learned.estimate
        slope = np.ones(len(values))
        slope[:3] = np.exp(values[:3])
        estimate = np.where(np.arange(len(values)) < 3, np.exp(values), values)
        covariance = slope[:, None] * self.learned.covariance * slope
        if self.surges is None:
            return names[: len(values)], estimate, covariance
        share, mean = _plain(self.surges.estimate)
        slope = np.array([share * (1 - share), mean])
        more = slope[:, None] * self.surges.covariance * slope
        return (
            (*names[: len(values)], "surge_share", "surge_mean"),
            np.append(estimate, [share, mean]),
            np.asarray(block_diag(covariance, more)),
        )

    @property
    def ranges(self) -> dict[str, tuple[float, float]]:
        """Ranges of those that are estimated in their logarithm."""
        names = [name for name in self.sites[0] if name != "dispersion_slope"]
        return dict.fromkeys(names, (0.0, np.inf)) | (
            {} if self.surges is None else {"surge_share": (0.0, 1.0)}
        )


def _plain(surges: np.ndarray) -> np.ndarray:
    """Share and mean from log odds and log mean, along the last axis."""
    return np.stack([1 / (1 + np.exp(-surges[..., 0])), np.exp(surges[..., 1])], axis=-1)


def _with(
    background: Background, profile: np.ndarray, values: np.ndarray, surges: np.ndarray | None
) -> Background:
    logs = np.moveaxis(values, -1, 0)
    more: dict[str, Any] = {}
    if len(logs) > 2:
        more = {"dispersion": np.exp(logs[2]), "dispersion_slope": logs[3]}
    pair = (None, None) if surges is None else np.moveaxis(_plain(surges), -1, 0)
    intensity = Intensity(np.exp(logs[0]), np.exp(logs[1]), *pair)
    return replace(background, profile=profile, intensity=intensity, **more)


class Ahead(NamedTuple):
    """Mean and variance of the log intensity of each block before its windows are seen.

    `day` is the effect of its day, which a service does not know.
    """

    mean: np.ndarray
    variance: np.ndarray
    day: np.ndarray


def is_ordered(history: History) -> bool:
    """Whether the order in time of a history is known and it is long enough to show something."""
    blocks = history.blocks
    return blocks is not None and len(blocks.region) * blocks.block_s >= LEAST_DAYS * 86400


def slow_terms(history: History, background: Background) -> tuple[Slow, Ahead] | None:
    """What the order in time says, given the harmonics and regions of a background.

    None where the order is not known, the history is shorter than two days, or the family has no
    sums of its own family.
    """
    blocks = history.blocks
    if blocks is None or not background.count_family.is_additive or not is_ordered(history):
        return None
    kept, expected = _without_bursts(blocks, background)
    profile = _profile(kept, expected)
    more = interpolate_profile(profile.mean, kept.hour_of_week % 24, kept.hour_of_week // 24)
    expected = expected * np.exp(np.asarray(more, np.float64))
    regions = len(history.regions)
    series = to_series(kept, expected, regions)
    start = MIDDLE
    if background.dispersion is not None:
        own = [np.log(background.dispersion), float(background.dispersion_slope or 0)]
        start = np.append(MIDDLE, own)
    cells = _cells(history, background, busiest(series))
    learned = learn(series, cells, start, blocks.block_s)
    surges = learn_surges(
        kept.triggers,
        expected,
        kept.windows / _dispersion(learned.estimate, kept),
        *_filter(learned.estimate, series, kept),
        kept.region * (int(np.ptp(kept.number)) + 2) + kept.number - kept.number.min(),
    )
    days = _days(kept, expected, learned)
    # Surges and days are told from the slow intensity, which is learned anew without them. A
    # filter in service does not know the days and has to follow them.
    lifted = expected if surges is None else expected * np.exp(surges.size)
    followed = to_series(kept, lifted, regions)
    if surges is not None or days is not None:
        series = to_series(kept, lifted * np.exp(_of_day(days, kept)), regions)
        learned = learn(series, cells, learned.estimate, blocks.block_s)
    hours = np.bincount(kept.region, kept.windows, regions) * history.window_s / 3600
    ahead = Ahead(*_filter(learned.estimate, followed, blocks), _of_day(days, blocks))
    return Slow(profile, learned, hours, surges, days), ahead


def _without_bursts(blocks: Blocks, background: Background) -> tuple[Blocks, np.ndarray]:
    """Blocks without windows far above their mean, and the expected triggers of each.

    A burst or an earthquake is one window; a slow intensity is not.
    """
    hour, day = blocks.hour_of_week % 24, blocks.hour_of_week // 24
    rate = np.asarray(mean_count(background, 1.0, hour, day, blocks.region), np.float64)
    out = np.flatnonzero(far_above(blocks.largest, rate * blocks.largest_active))
    total, devices, windows = (
        np.array(values, np.float64) for values in (blocks.triggers, blocks.devices, blocks.windows)
    )
    total[out] -= blocks.largest[out]
    devices[out] -= blocks.largest_active[out]
    windows[out] -= 1
    keep = windows > 0
    kept = replace(blocks, triggers=total, devices=devices, windows=windows).take(keep)
    return kept, rate[keep] * kept.devices


def _profile(blocks: Blocks, expected: np.ndarray) -> Profile:
    """Weekly profile of what is observed beyond what is expected."""
    at = np.floor(blocks.hour_of_week * (PLACES // HOURS_OF_WEEK)).astype(np.int64) % PLACES
    sums = sums_by_place(
        blocks.region, blocks.number, at, blocks.triggers, expected, blocks.block_s
    )
    return learn_profile(*sums)


def _of_day(days: Days | None, blocks: Blocks) -> np.ndarray:
    """Effect of the day of each block."""
    if days is None:
        return np.zeros(len(blocks.region))
    return days.at(blocks.seconds, blocks.hour_of_week)


def _days(blocks: Blocks, expected: np.ndarray, learned: Learned) -> Days | None:
    """Effects of single days, given the slow intensity of the regions."""
    sd, correlation_h = np.exp(learned.estimate[:2]).tolist()
    extra = expected**2 * _dispersion(learned.estimate, blocks) / blocks.windows
    times = blocks.seconds, blocks.hour_of_week
    ratios = ratios_of_days(blocks.region, *times, blocks.triggers, expected, extra, sd)
    return learn_days(ratios, sd, correlation_h)


def _dispersion(values: np.ndarray, blocks: Blocks) -> np.ndarray:
    """Dispersion of the windows of each block."""
    with jax.enable_x64(True):
        active = jnp.asarray(np.maximum(blocks.devices / blocks.windows, 1.0), jnp.float64)
        return np.asarray(dispersion_of(jnp.asarray(values), active))


def _filter(values: np.ndarray, series: Series, blocks: Blocks) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance that the filter has of each block before it."""
    with jax.enable_x64(True):
        grids = _filtered(
            jnp.asarray(values), jax.tree.map(jnp.asarray, series), blocks.block_s / 3600
        )
    row = np.clip(blocks.number - blocks.number.min(), 0, len(series.total) - 1)
    mean, variance = (np.asarray(grid)[row, blocks.region] for grid in grids[:2])
    return mean, variance


_filtered: Any = jax.jit(filtered)


def learned_tails(history: History, background: Background, ahead: Ahead | None) -> Tails | None:
    """Tails of the largest counts of blocks; None where the order in time is not known."""
    blocks = history.blocks
    if blocks is None or not is_ordered(history):
        return None
    hour, day = blocks.hour_of_week % 24, blocks.hour_of_week // 24
    rate = np.asarray(mean_count(background, 1.0, hour, day, blocks.region), np.float64)
    log_mean = np.log(rate * blocks.devices / blocks.windows)
    slow = background.intensity
    sd = 0.0 if slow is None else float(np.asarray(slow.sd))
    ones = np.ones(len(log_mean))
    day = 0.0 if ahead is None else ahead.day
    fixed = learn_tail(background, blocks, log_mean + day, -0.5 * sd**2 * ones, sd**2 * ones)
    if ahead is None:
        return Tails(fixed, fixed)
    return Tails(fixed, learn_tail(background, blocks, log_mean, ahead.mean, ahead.variance))


def _cells(history: History, background: Background, regions: np.ndarray) -> Cells:
    """Counts and devices of the windows of some regions that are not far above their mean."""
    hour, day = history.hour_of_week % 24 + 0.5, history.hour_of_week // 24
    mean = np.asarray(mean_count(background, history.active, hour, day, history.region))
    use = ~far_above(history.triggers, mean) & np.isin(history.region, regions)
    pair = history.active[use] * 1e6 + history.triggers[use]
    _, first, which = np.unique(pair, return_index=True, return_inverse=True)
    windows = np.bincount(which, history.windows[use])
    return Cells(history.triggers[use][first], history.active[use][first], windows)
