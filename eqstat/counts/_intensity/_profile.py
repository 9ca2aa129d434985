r"""Weekly profile: what the harmonics of the day and of the week leave, as smooth as the data say.

The log ratio of observed to expected triggers over the week is a Gaussian process:
a profile of the day that all days share, one for weekdays and one for weekends, and one of each
day, all periodic with a Matérn 3/2 covariance over the circle of the day. Their standard
deviations and the length scale maximise the marginal likelihood.

References
----------
Rasmussen and Williams (2006), Gaussian Processes for Machine Learning, MIT Press, chapter 5.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.optimize import minimize

from eqstat.counts._harmonics import HOURS_OF_WEEK

# Starting values and prior of the logs: sds of the three profiles, length scale in hours.
MIDDLE = np.log([0.1, 0.1, 0.05, 2.0])
SPREAD = np.array([1.5, 1.5, 1.5, 1.0])
WEEK_S = 604800


# The profile is learned at so many places of the week, and its scales from their hours.
PLACES = 2 * HOURS_OF_WEEK


class Profile(NamedTuple):
    """Posterior of the profile at the centres of the half hours of the week.

    Attributes
    ----------
    mean
        (336,).
    covariance
        (336, 336).
    """

    mean: np.ndarray
    covariance: np.ndarray


def _covariance(log_scales: np.ndarray, size: int = HOURS_OF_WEEK) -> np.ndarray:
    common, kind, own, length = np.exp(log_scales)
    index = (np.arange(size) + 0.5) * HOURS_OF_WEEK / size
    hour, day = index % 24, index // 24
    chord = 24 / np.pi * np.abs(np.sin(np.pi * (hour[:, None] - hour) / 24))
    distance = np.sqrt(3) * chord / length
    shape = (1 + distance) * np.exp(-distance)
    same_kind, same_day = (day[:, None] >= 5) == (day >= 5), day[:, None] == day
    return shape * (common**2 + kind**2 * same_kind + own**2 * same_day)


def sums_by_place(
    region: np.ndarray,
    number: np.ndarray,
    place: np.ndarray,
    triggers: np.ndarray,
    expected: np.ndarray,
    block_s: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Log ratio of observed to expected triggers of each half hour of the week, and its variance.

    The variance includes what one week differs from another, by a negative binomial dispersion of
    the sums of region, week and half hour that matches their residuals.
    """
    week = ((number - number.min()) * block_s // WEEK_S).astype(np.int64)
    key = (region.astype(np.int64) * (week.max() + 1) + week) * PLACES + place
    groups, which = np.unique(key, return_inverse=True)
    observed, mean = np.bincount(which, triggers), np.bincount(which, expected)
    at = groups % PLACES
    excess = 0.0
    ratio, weight = np.ones(PLACES), np.ones_like(mean)
    for _ in range(5):
        above = np.bincount(at, weight * observed, PLACES) + 0.5
        below = np.bincount(at, weight * mean, PLACES) + 0.5
        ratio = above / below
        fitted = mean * ratio[at]
        surplus = np.sum(weight**2 * ((observed - fitted) ** 2 - fitted))
        excess = max(float(surplus / np.sum(weight**2 * fitted**2)), 0.0)
        weight = 1 / (1 + excess * fitted)
    known = np.bincount(at, weight * mean, PLACES)
    return np.log(ratio), 1 / np.maximum(known * ratio, 1e-3)


def learn_profile(log_ratio: np.ndarray, variance: np.ndarray) -> Profile:
    """Posterior of the profile from the log ratios of equal parts of the week."""
    weight = (1 / variance).reshape(HOURS_OF_WEEK, -1)
    of_hour = np.sum(weight * log_ratio.reshape(HOURS_OF_WEEK, -1), axis=1) / weight.sum(axis=1)
    noise = np.diag(1 / weight.sum(axis=1))

    def objective(scales: np.ndarray) -> float:
        factor: Any = cho_factor(_covariance(scales) + noise, lower=True)
        fit = of_hour @ cho_solve(factor, of_hour)
        size = 2 * np.sum(np.log(np.diag(factor[0])))
        return 0.5 * float(fit + size) + 0.5 * float(np.sum(((scales - MIDDLE) / SPREAD) ** 2))

    bounds = [(-7.0, 2.0)] * 3 + [(-1.5, 3.0)]
    optimum = minimize(objective, MIDDLE, method="L-BFGS-B", bounds=bounds)
    prior = _covariance(optimum.x, len(log_ratio))
    factor = cho_factor(prior + np.diag(variance), lower=True)
    covariance = prior - prior @ cho_solve(factor, prior)
    return Profile(prior @ cho_solve(factor, log_ratio), 0.5 * (covariance + covariance.T))
