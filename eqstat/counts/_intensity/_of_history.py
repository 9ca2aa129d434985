"""Weekly profile, slow intensity and dispersion from the order in time of a history."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from eqstat.counts._background import Background, mean_count
from eqstat.counts._data import History
from eqstat.counts._intensity._learn import Cells, Learned, learn, to_series
from eqstat.counts._intensity._parameters import Intensity, interpolate_profile
from eqstat.counts._intensity._profile import Profile, learn_profile, sums_by_hour
from eqstat.counts._start import far_above

# Without two days neither a profile nor a slow change can be told from chance.
LEAST_DAYS = 2.0
FAMILIES = ("poisson", "negative_binomial")


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
    """

    profile: Profile
    learned: Learned
    hours: np.ndarray

    def apply(self, background: Background) -> Background:
        """Add the estimates to a background."""
        return _with(background, self.profile.mean, self.learned.estimate)

    def draw(self, rng: np.random.Generator, draws: Background) -> Background:
        r"""Add draws to the draws of a background.

        The mean of a slow intensity over a finite history differs from its expectation, by a
        variance $2 \\tau \\sigma^2 / T$, which the likelihood of single windows cannot know.
        """
        count, regions = np.shape(draws.region_effect)
        profile = rng.multivariate_normal(*self.profile, count, method="eigh")
        values = rng.multivariate_normal(*self.learned, count, method="eigh")
        sd, hours = np.exp(values[:, :2]).T
        share = np.minimum(2 * hours[:, None] / np.maximum(self.hours, 1e-9), 1.0)
        moved = sd[:, None] * np.sqrt(share) * rng.standard_normal((count, regions))
        effect = np.asarray(draws.region_effect) + moved
        return replace(_with(draws, profile, values), region_effect=effect)

    @property
    def sites(self) -> tuple[tuple[str, ...], np.ndarray, np.ndarray]:
        """Names, estimates and covariance (by the delta method) of the parameters."""
        names = ("intensity_sd", "correlation_h", "dispersion", "dispersion_slope")
        values = self.learned.estimate
        slope = np.ones(len(values))
        slope[:3] = np.exp(values[:3])
        estimate = np.where(np.arange(len(values)) < 3, np.exp(values), values)
        return names[: len(values)], estimate, slope[:, None] * self.learned.covariance * slope

    @property
    def ranges(self) -> dict[str, tuple[float, float]]:
        """Ranges of those that are estimated in their logarithm."""
        return dict.fromkeys(self.sites[0][:3], (0.0, np.inf))


def _with(background: Background, profile: np.ndarray, values: np.ndarray) -> Background:
    logs = np.moveaxis(values, -1, 0)
    more: dict[str, Any] = {}
    if len(logs) > 2:
        more = {"dispersion": np.exp(logs[2]), "dispersion_slope": logs[3]}
    intensity = Intensity(np.exp(logs[0]), np.exp(logs[1]))
    return replace(background, profile=profile, intensity=intensity, **more)


def slow_terms(history: History, background: Background) -> Slow | None:
    """What the order in time says, given the harmonics and regions of a background.

    None where the order is not known, the history is shorter than two days, or the family has no
    sums of its own family.
    """
    blocks = history.blocks
    known = blocks is not None and background.family in FAMILIES
    if blocks is None or not known or len(blocks.region) * blocks.block_s < LEAST_DAYS * 86400:
        return None
    hour, day = blocks.hour_of_week % 24, blocks.hour_of_week // 24
    rate = np.asarray(mean_count(background, 1.0, hour, day, blocks.region), np.float64)
    # A burst or an earthquake is one window; a slow intensity is not.
    far = far_above(blocks.largest, rate * blocks.largest_active)
    out = np.flatnonzero(far)
    total, devices, windows = (
        np.array(values, np.float64) for values in (blocks.triggers, blocks.devices, blocks.windows)
    )
    total[out] -= blocks.largest[out]
    devices[out] -= blocks.largest_active[out]
    windows[out] -= 1
    keep = windows > 0
    blocks = replace(blocks, triggers=total, devices=devices, windows=windows).take(keep)
    expected = rate[keep] * blocks.devices
    at = np.floor(blocks.hour_of_week).astype(np.int64) % 168
    ratio = sums_by_hour(
        blocks.region, blocks.number, at, blocks.triggers, expected, blocks.block_s
    )
    profile = learn_profile(*ratio)
    more = interpolate_profile(profile.mean, blocks.hour_of_week % 24, blocks.hour_of_week // 24)
    expected = expected * np.exp(np.asarray(more, np.float64))
    series = to_series(blocks, expected, len(history.regions))
    start = np.zeros(0)
    if background.dispersion is not None:
        start = np.array([np.log(background.dispersion), float(background.dispersion_slope or 0)])
    learned = learn(series, _cells(history, background), start, blocks.block_s)
    watched = np.bincount(blocks.region, blocks.windows, len(history.regions))
    return Slow(profile, learned, watched * history.window_s / 3600)


def _cells(history: History, background: Background) -> Cells:
    """Counts and devices of the windows that are not far above their mean."""
    hour, day = history.hour_of_week % 24 + 0.5, history.hour_of_week // 24
    mean = np.asarray(mean_count(background, history.active, hour, day, history.region))
    use = ~far_above(history.triggers, mean)
    pair = history.active[use] * 1e6 + history.triggers[use]
    _, first, which = np.unique(pair, return_index=True, return_inverse=True)
    windows = np.bincount(which, history.windows[use])
    return Cells(history.triggers[use][first], history.active[use][first], windows)
