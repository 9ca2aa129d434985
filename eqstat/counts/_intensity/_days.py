r"""Days unlike others: what all regions together did on single days beyond the weekly profile.

A holiday, a storm or a great match moves all regions at once, other than the slow intensity, which
is independent between them. With $\bar z_{d,t}$ the log ratio of observed to expected triggers of
day d at time t of the day, averaged over the regions,

.. math:: \bar z_{d,t} = z_{d,t} + \epsilon_{d,t}, \qquad
    z_d \sim \sum_j p_j\, GP(0, s_j^2 K), \qquad
    \operatorname{cov}(\epsilon_{d,s}, \epsilon_{d,t})
    = v_d\, \sigma^2 e^{-|s - t| / \tau} + u_{d,t}\, 1_{s = t},

where v is the share that the slow intensities of the regions leave in the average, and u what
counting leaves. Most days may be alike and a few far from all: the sizes s are on a grid from 0.
Their probabilities p, and the length of the Matérn 3/2 correlation K, maximise the marginal
likelihood.

A future day is one of the history, at an equal chance for each of the same day of the week, and
for one day more any of them (the predictive rule of a Dirichlet process). So the tail of what days
may do is that of the days seen, not of a normal distribution.

References
----------
Rasmussen and Williams (2006), Gaussian Processes for Machine Learning, MIT Press, chapter 2.
Teh, Jordan, Beal and Blei (2006), Journal of the American Statistical Association 101, 1566-1581,
doi:10.1198/016214506000000302 (groups that share their atoms).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.linalg import cho_solve, cholesky

# Times of the day at which days are compared, and the least share of them and of days.
TIMES, LEAST_SHARE, LEAST_DAYS = 48, 0.5, 14
DAY_S, WEEK_S = 86400, 604800
# 1970-01-05 was a Monday.
FIRST_MONDAY_S = 4 * DAY_S
# Standard deviations that a day may have, and lengths in hours.
SIZES = np.append(0.0, 0.03 * 2.0 ** np.arange(7))
LENGTHS_H = np.array([1.0, 2.0, 4.0, 8.0])
STEPS = 200
# Log likelihood ratio from which on days differ.
GAIN = 5.0
# Weight, in days, of any day of the history beside those of the same day of the week.
ANY_DAY = 1.0


class Days(NamedTuple):
    """Effects of the days of a history on the log rate of all regions.

    Attributes
    ----------
    mean
        (days, sizes, 48), at the centres of the half hours of the local day, given the size.
    probability
        Of the sizes, (days, sizes).
    covariance
        Given the size, of one day, (sizes, 48, 48).
    number
        Numbers of the local days since Monday, 1970-01-05, (days,).
    """

    mean: np.ndarray
    probability: np.ndarray
    covariance: np.ndarray
    number: np.ndarray

    @property
    def effect(self) -> np.ndarray:
        """Posterior mean, (days, 48)."""
        return np.einsum("dst,ds->dt", self.mean, self.probability)

    def at(self, seconds: np.ndarray, hour_of_week: np.ndarray) -> np.ndarray:
        """Mean effects at times since 1970 and their local hours of the week; 0 on other days."""
        place = _place(seconds, hour_of_week)
        day, time = place // TIMES, place % TIMES
        row = np.minimum(np.searchsorted(self.number, day), len(self.number) - 1)
        return np.where(self.number[row] == day, self.effect[row, time], 0.0)

    def draw(self, rng: np.random.Generator, count: int) -> np.ndarray:
        """Effects over the half hours of the week of as many future weeks, (count, 336)."""
        chosen = np.stack([self._days(rng, count, day) for day in range(7)], axis=1)
        beyond = np.cumsum(self.probability, axis=1)[chosen]
        size = np.argmax(beyond > rng.uniform(size=(count, 7, 1)) * beyond[..., -1:], axis=-1)
        values, vectors = np.linalg.eigh(self.covariance)
        root = vectors * np.sqrt(np.maximum(values, 0.0))[:, None]
        noise = np.einsum("cdij,cdj->cdi", root[size], rng.standard_normal((count, 7, TIMES)))
        return (self.mean[chosen, size] + noise).reshape(count, 7 * TIMES)

    def _days(self, rng: np.random.Generator, count: int, day: int) -> np.ndarray:
        """Days of the history for one day of the week, each as often as can be."""
        own, every = np.flatnonzero(self.number % 7 == day), np.arange(len(self.mean))
        size = round(count * ANY_DAY / (len(own) + ANY_DAY))
        parts = [
            rng.permutation(np.resize(rng.permutation(days), number))
            for days, number in ((every, size), (own, count - size))
        ]
        return rng.permutation(np.concatenate(parts))


class Ratios(NamedTuple):
    """Log ratios of days, (days, 48), with the variances of their noise.

    Attributes
    ----------
    log_ratio
        Of observed to expected triggers, averaged over the regions.
    counting
        Variance that counting leaves, infinite where nothing is known.
    regional
        Share of the variance of a region's slow intensity that its average over regions has.
    number
        Numbers of the local days since Monday, 1970-01-05, (days,).
    """

    log_ratio: np.ndarray
    counting: np.ndarray
    regional: np.ndarray
    number: np.ndarray


def ratios_of_days(
    region: np.ndarray,
    seconds: np.ndarray,
    hour_of_week: np.ndarray,
    triggers: np.ndarray,
    expected: np.ndarray,
    extra: np.ndarray,
    sd: float,
) -> Ratios:
    """Average the residuals of blocks over the regions, by half hour of each local day.

    Parameters
    ----------
    region, seconds, hour_of_week
        Of each block: region, time since 1970 and local hour of the week, (blocks,).
    triggers, expected
        Observed and expected, (blocks,).
    extra
        Variance of a block's sum beyond that of a Poisson variable, (blocks,).
    sd
        Standard deviation of the slow intensity of a region.
    """
    place = _place(seconds, hour_of_week)
    first = int(place.min()) // TIMES
    place -= first * TIMES
    size = (int(place.max()) // TIMES + 1) * TIMES
    keys, which = np.unique(region.astype(np.int64) * size + place, return_inverse=True)
    observed, mean, more = (
        np.bincount(which.ravel(), values) for values in (triggers, expected, extra)
    )
    noise = (mean + more) / mean**2
    weight = 1 / (noise + sd**2)
    at = keys % size

    def total(values: np.ndarray) -> np.ndarray:
        return np.bincount(at, values, size).reshape(-1, TIMES)

    known = total(weight)
    some = known > 0
    whole = np.where(some, known, 1.0)
    counting = np.where(some, total(weight**2 * noise) / whole**2, np.inf)
    ratio = np.maximum(total(weight * observed / mean) / whole, 0.01)
    regional = total(weight**2) / whole**2
    keep = some.mean(axis=1) >= LEAST_SHARE
    number = first + np.flatnonzero(keep)
    log_ratio = np.where(some, np.log(ratio), 0.0)[keep]
    # What all days share is a misfit of the profile.
    log_ratio -= log_ratio.sum(axis=0) / np.maximum(some[keep].sum(axis=0), 1)
    return Ratios(log_ratio, counting[keep], regional[keep].mean(axis=1), number)


def learn_days(ratios: Ratios, sd: float, correlation_h: float) -> Days | None:
    """Learn the effects of days; None where days do not differ by more than regions do.

    `sd` and `correlation_h` are those of the slow intensity of a region.
    """
    count = len(ratios.log_ratio)
    if count < LEAST_DAYS:
        return None
    hours = np.arange(TIMES) * 24 / TIMES
    apart = np.abs(hours[:, None] - hours)
    shared = sd**2 * np.exp(-apart / correlation_h)
    best, likeliest = -np.inf, None
    for length in LENGTHS_H:
        distance = np.sqrt(3) * apart / length
        shape = (1 + distance) * np.exp(-distance)
        logs = np.array(
            [
                [_log_density(ratios, day, size**2 * shape, shared) for size in SIZES]
                for day in range(count)
            ]
        )
        probability = _proportions(logs)
        score = _log_mixture(logs, probability).sum()
        if score > max(best, logs[:, 0].sum() + GAIN):
            best, likeliest = score, (shape, logs, probability)
    if likeliest is None:
        return None
    shape, logs, probability = likeliest
    posterior = np.exp(logs - _log_mixture(logs, probability)[:, None]) * probability
    given = [_given(ratios, size**2 * shape, shared) for size in SIZES]
    mean = np.stack([one for one, _ in given], axis=1)
    return Days(mean, posterior, np.stack([one for _, one in given]), ratios.number)


def _log_mixture(logs: np.ndarray, probability: np.ndarray) -> np.ndarray:
    top = logs.max(axis=1)
    return top + np.log(np.exp(logs - top[:, None]) @ probability)


def _proportions(logs: np.ndarray) -> np.ndarray:
    """Probabilities of the sizes that maximise the likelihood, by expectation-maximisation."""
    likelihood = np.exp(logs - logs.max(axis=1, keepdims=True))
    probability = np.full(len(SIZES), 1 / len(SIZES))
    for _ in range(STEPS):
        own = likelihood * probability
        probability = (own / own.sum(axis=1, keepdims=True)).mean(axis=0)
    return probability


def _given(ratios: Ratios, signal: np.ndarray, shared: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Posterior means of all days, and the mean of their covariances."""
    mean, covariance = np.zeros(ratios.log_ratio.shape), np.zeros((TIMES, TIMES))
    for day in range(len(mean)):
        factor, known = _factor(ratios, day, signal, shared)
        gain = cho_solve((factor, True), signal[known]).T
        mean[day] = gain @ ratios.log_ratio[day, known]
        covariance += (signal - gain @ signal[known]) / len(mean)
    return mean, 0.5 * (covariance + covariance.T)


def _place(seconds: np.ndarray, hour_of_week: np.ndarray) -> np.ndarray:
    """Half hours of local time since Monday, 1970-01-05, of times since 1970."""
    week = np.round((seconds - FIRST_MONDAY_S - 3600 * hour_of_week) / WEEK_S).astype(np.int64)
    time = np.floor(hour_of_week * TIMES / 24).astype(np.int64) % (7 * TIMES)
    return week * 7 * TIMES + time


def _factor(
    ratios: Ratios, day: int, signal: np.ndarray, shared: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Cholesky factor of the covariance of a day's ratios, and which are known."""
    known = np.isfinite(ratios.counting[day])
    full = signal + ratios.regional[day] * shared
    full = full[np.ix_(known, known)] + np.diag(ratios.counting[day, known])
    return cholesky(full, lower=True), known


def _log_density(ratios: Ratios, day: int, signal: np.ndarray, shared: np.ndarray) -> float:
    factor, known = _factor(ratios, day, signal, shared)
    own = ratios.log_ratio[day, known]
    fit = own @ cho_solve((factor, True), own)
    return -0.5 * float(fit) - float(np.sum(np.log(np.diag(factor))))
