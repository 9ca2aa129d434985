"""Threshold of one sensor, learned from its own record for a rate of false pre-warnings."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from eqstat._core.errors import InputError
from eqstat._core.explain import explained
from eqstat.service.agent._tail import Tail

LEAST_MAXIMA = 20
REFIT_EVERY = 20
HOURS = 24
# Pseudo-observations with which an hour of the day takes the rate of all hours.
SHRINKAGES = np.geomspace(20.0, 20_000.0, 13)
# The same for the mean excess of an hour, in exceedances.
SIZE_SHRINKAGE = 20.0
TOP_SHARE = 10.0
# Feedback: step after a false pre-warning, and its bounds, on the log of the aimed rate.
FEEDBACK, MOST_FEEDBACK = 0.1, 3.0
KEYS = ("maxima", "hours", "feedback")


@explained
class LearnedRate(NamedTuple):
    """What is known of false pre-warnings at the present threshold.

    Attributes
    ----------
    threshold
        Present threshold of the statistic.
    per_hour
        Predictive rate of false pre-warnings in this hour of the day, 1/h.
    low, high
        Credible interval of the rate, 90 %, 1/h.
    hours
        Length of the record behind it.

    Examples
    --------
    >>> LearnedRate(3.4, 1.0, 0.5, 1.7, 12.0).per_hour
    1.0
    """

    threshold: float
    per_hour: float
    low: float
    high: float
    hours: float


class ThresholdLearner:
    r"""Learn the threshold at which a sensor gives a set rate of false pre-warnings.

    The record is cut into blocks as long as the dead time d. With the rate :math:`\lambda` to be
    kept, a block's maximum M of the statistic may exceed the threshold z with probability
    :math:`p_0 = \lambda d`. Of the last `most_hours` the largest maxima give a level u with
    :math:`10 p_0` of the blocks above it (at least 30 blocks, at most half of all), and

    .. math:: P(M > z) = \varphi_h \, E[(1 + \xi (z - u) / (s_h \sigma))_+^{-1/\xi}],

    :math:`\varphi_h` the share of blocks above u in hour h of the day, shrunk towards that of all
    hours by a beta-binomial whose strength is learned from all hours, :math:`s_h` the mean excess
    in this hour relative to all, shrunk by 20 exceedances, and the mean that over the posterior of
    the generalised Pareto tail. So z is a predictive quantile: it is higher where
    little is known. As no record is exchangeable with the future, the aimed probability is
    :math:`p_0 e^{a}`, with

    .. math:: a \leftarrow \min(\max(a + 0.1 (p_0 - 1[M > z]), -3), 3),

    which holds the number of blocks above the threshold within 30 of the number set, in any
    record in which a keeps off its bounds.

    Parameters
    ----------
    false_per_hour
        Rate of false pre-warnings that is set, above 0; at most 0.1 times the blocks in an hour.
    block_s
        Length of a block, s: the dead time of the detector.
    start
        Threshold until twenty blocks were learned.
    most_hours
        Length of the record that is kept.

    Raises
    ------
    eqstat.InputError
        When a number is out of range.

    References
    ----------
    Gibbs and Candès (2021), Adaptive conformal inference under distribution shift, NeurIPS 34.

    Examples
    --------
    >>> learner = ThresholdLearner(1.0, start=9.0)
    >>> rng = np.random.default_rng(0)
    >>> for number, maximum in enumerate(rng.gumbel(2.0, 0.2, 2000)):
    ...     _ = learner.add(30.0 * number, maximum)
    >>> bool(2.7 < learner.threshold(0.0) < 3.4)  # a share of 1/120 of the maxima is above 2.96
    True
    """

    def __init__(
        self,
        false_per_hour: float | int,
        *,
        block_s: float | int = 30.0,
        start: float | int = 4.0,
        most_hours: float | int = 168.0,
    ) -> None:
        if not (1.0 <= block_s <= 600.0 and 1.0 <= most_hours <= 2000.0):
            raise InputError("ThresholdLearner: block_s must be in [1, 600], most_hours [1, 2000]")
        most = 360.0 / block_s
        if not 1e-4 <= false_per_hour <= most:
            raise InputError(
                f"ThresholdLearner: false_per_hour must be in [0.0001, {most:g}] for a dead time "
                f"of {block_s:g} s, got {false_per_hour}"
            )
        self.false_per_hour, self.block_s, self.start = false_per_hour, block_s, float(start)
        self._probability = false_per_hour * block_s / 3600.0
        size = int(most_hours * 3600.0 / block_s)
        self._maxima = np.full(size, np.nan, np.float32)
        self._hours = np.zeros(size, np.int8)
        self._next = self._count = self._since = 0
        self._feedback = 0.0
        self._tail: Tail | None = None
        self._level, self._above = start, 0.0
        self._share, self._size = np.ones(HOURS), np.ones(HOURS)
        self._cached: dict[int, float] = {}

    @property
    def count(self) -> int:
        """Number of blocks that are kept."""
        return self._count

    @property
    def is_learned(self) -> bool:
        """Whether the threshold is learned, no longer the one given for the start."""
        return self._tail is not None

    def threshold(self, time_s: float) -> float:
        """Threshold of the statistic at a time, seconds since 1970."""
        if self._tail is None:
            return self.start
        hour = _hour(time_s)
        if hour not in self._cached:
            aimed = self._probability * math.exp(self._feedback) / self._share[hour]
            excess = self._size[hour] * self._tail.quantile(aimed)
            self._cached[hour] = float(self._level + excess)
        return self._cached[hour]

    def add(self, time_s: float, maximum: float) -> bool:
        """Learn the maximum of a block without an earthquake; return whether it was above.

        Values that are not finite are left out.
        """
        if not math.isfinite(maximum):
            return False
        above = self._tail is not None and bool(maximum >= self.threshold(time_s))
        if self._tail is not None:
            step = FEEDBACK * (self._probability - above)
            feedback = min(max(self._feedback + step, -MOST_FEEDBACK), MOST_FEEDBACK)
            if abs(feedback - self._feedback) > 0.0:
                self._feedback = feedback
                self._cached.clear()
        self._maxima[self._next] = maximum
        self._hours[self._next] = _hour(time_s)
        self._next = (self._next + 1) % len(self._maxima)
        self._count = min(self._count + 1, len(self._maxima))
        self._since += 1
        if self._count >= LEAST_MAXIMA and (
            self._tail is None or self._since >= max(REFIT_EVERY, self._count // 20)
        ):
            self._fit()
        return above

    def rate(self, time_s: float) -> LearnedRate:
        """What is known of the rate of false pre-warnings at a time."""
        threshold, hours = self.threshold(time_s), self._count * self.block_s / 3600.0
        if self._tail is None:
            return LearnedRate(threshold, math.nan, math.nan, math.nan, hours)
        hour = _hour(time_s)
        excess = max(threshold - self._level, 0.0) / self._size[hour]
        rate = float(self._share[hour]) * self._tail.survival(excess) * 3600.0 / self.block_s
        low, high = self._tail.interval(excess, self._above)
        return LearnedRate(threshold, rate, rate * low, rate * high, hours)

    def _fit(self) -> None:
        maxima = self._maxima[: self._count].astype(float)
        number = len(maxima)
        top = int(min(max(30.0, TOP_SHARE * self._probability * number), number / 2))
        ordered = np.sort(maxima)
        self._level = float(ordered[number - top - 1])
        above = maxima > self._level
        excess, hours = maxima[above] - self._level, self._hours[:number]
        self._above = float(len(excess))
        observed = np.bincount(hours, minlength=HOURS).astype(float)
        exceeded = np.bincount(hours[above], minlength=HOURS).astype(float)
        self._share = _shares(exceeded, observed)
        summed = np.bincount(hours[above], weights=excess, minlength=HOURS)
        mean = max(float(excess.mean()), 1e-3) if len(excess) else 1.0
        self._size = (summed / mean + SIZE_SHRINKAGE) / (exceeded + SIZE_SHRINKAGE)
        self._tail = Tail(excess / self._size[hours[above]])
        self._since = 0
        self._cached.clear()

    def state(self) -> dict[str, np.ndarray]:
        """Arrays from which `restore` goes on, oldest block first."""
        order = (self._next - self._count + np.arange(self._count)) % len(self._maxima)
        values = (self._maxima[order], self._hours[order], np.array([self._feedback]))
        return dict(zip(KEYS, values, strict=True))

    def restore(self, state: dict[str, Any]) -> bool:
        """Go on from a state; return False, and keep what is here, where it cannot be one."""
        try:
            maxima, hours, feedback = (np.asarray(state[key]) for key in KEYS)
            maxima, hours = maxima.astype(np.float32), hours.astype(np.int64)
            good = maxima.ndim == 1 and maxima.shape == hours.shape and feedback.shape == (1,)
            good = good and bool(np.isfinite(maxima).all() and np.isfinite(feedback).all())
            good = good and bool(((hours >= 0) & (hours < HOURS)).all())
        except (KeyError, TypeError, ValueError, OverflowError):
            return False
        if not good:
            return False
        size = len(self._maxima)
        maxima, hours = maxima[-size:], hours[-size:]
        self._count = len(maxima)
        self._maxima[: self._count], self._hours[: self._count] = maxima, hours
        self._next = self._count % size
        self._feedback = min(max(float(feedback[0]), -MOST_FEEDBACK), MOST_FEEDBACK)
        self._tail = None
        if self._count >= LEAST_MAXIMA:
            self._fit()
        return True


def _hour(time_s: float) -> int:
    return int(time_s // 3600.0) % HOURS


def _shares(exceeded: np.ndarray, observed: np.ndarray) -> np.ndarray:
    """Predictive share above the level in each hour; beta-binomial with a learned strength."""
    share = (exceeded.sum() + 0.5) / (observed.sum() + 1.0)
    log_gamma = np.vectorize(math.lgamma)
    made, evidence = [], []
    for strength in SHRINKAGES:
        a, b = strength * share, strength * (1.0 - share)
        terms = log_gamma(a + exceeded) + log_gamma(b + observed - exceeded)
        terms = terms - log_gamma(strength + observed) - math.lgamma(a) - math.lgamma(b)
        evidence.append(float(np.sum(terms + math.lgamma(strength))))
        made.append((exceeded + a) / (observed + strength))
    weight = np.exp(np.array(evidence) - max(evidence))
    return (weight / weight.sum()) @ np.array(made)
