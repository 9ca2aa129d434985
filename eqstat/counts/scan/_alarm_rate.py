"""Log alarm rates per window of a sliding window, for all thresholds of a table at once."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from eqstat.counts._families import Marginal
from eqstat.counts.scan import _renewed
from eqstat.counts.scan._tables import (
    log_burst_table,
    log_convolve,
    log_declumped,
    log_reach_ratio,
    log_tail_table,
    table_top,
)


class BurstTerms(NamedTuple):
    """Probability of a burst per window, mean and concentration of the share of devices."""

    probability: Any
    share: Any
    concentration: Any


def rates(
    marginal: Marginal, bursts: BurstTerms | None, top: int, correlation_windows: float
) -> Any:
    """Log alarm rate per window for 1, ..., top triggers, shape (cases, top)."""
    k = np.arange(1.0, top + 1.0)
    # With few devices the table of probabilities ends early, but every threshold needs an entry.
    pmf = marginal.family.log_pmf_table(marginal, max(table_top(marginal, top), top))
    crossing = np.log(k) + pmf[..., 1 : top + 1] + log_declumped(marginal, k)
    if np.isfinite(correlation_windows):
        crossing = _renewed.crossings(marginal, crossing, correlation_windows)
    above = k > marginal.family.expected(marginal)[..., None]
    rate = np.where(above, crossing, -np.inf)
    if bursts is not None:
        tail = log_tail_table(marginal, pmf)[..., : top + 1]
        rate = _with_bursts(rate, tail, bursts, marginal, top)
    # A level below the mean is exceeded nearly always: at most one alarm per window.
    rate = np.where(above, np.minimum(rate, 0.0), 0.0)
    return np.where(k <= marginal.active[..., None], rate, -np.inf)


def _with_bursts(rate: Any, tail: Any, bursts: BurstTerms, marginal: Marginal, top: int) -> Any:
    r"""Add alarms that begin with a burst, or while a burst is in the window.

    A burst of size j begins an alarm at level k if the window held fewer than k triggers before
    and holds at least k afterwards or reaches k while the burst is in it. In logs, with s_j the
    size of a burst, F the tail of the count and F* that with bursts already in the window:

    .. math:: \sum_{j \ge 1} s_j R(k - j) - F^*(k)\, P(j \ge 1),

    where R(i), the probability of i or more at some time while the burst is in the window, is
    that at one time plus what the sliding of the window adds.
    """
    size, size_tail = log_burst_table(bursts.share, bursts.concentration, marginal.active, top)
    with np.errstate(divide="ignore"):
        log_e = np.log(bursts.probability)[..., None]
    quiet = -bursts.probability[..., None]
    # F*: the count of a window in which there may be another burst.
    one = np.logaddexp(log_convolve(size, _without_first(tail)), size_tail)
    with_bursts = np.minimum(
        np.logaddexp(np.log1p(-bursts.probability)[..., None] + tail, log_e + one), 0
    )
    # While a burst is in the window, the window slides by its own length: the count exceeds k
    # by chance at rate nu_0, or, for levels that are not rare, with Naus' exact probability for
    # two windows. `more` is the log of the factor on the tail.
    alone = tail[..., 1:]
    more = np.logaddexp(0.0, rate - np.where(np.isfinite(alone), alone, 0.0))
    more = np.maximum(log_reach_ratio(marginal, top), more)
    climb = np.minimum(alone + more, 0.0) + np.log(np.maximum(-np.expm1(-more), 1e-300))
    reached = np.minimum(np.logaddexp(with_bursts[..., 1:], quiet + climb), 0.0)
    reached = np.concatenate([np.full_like(reached[..., :1], -np.inf), reached], axis=-1)
    not_empty = size.copy()
    not_empty[..., 0] = -np.inf  # a burst in which nobody takes part is none
    met = np.logaddexp(log_convolve(not_empty, reached), size_tail)[..., 1:]
    already = with_bursts[..., 1:] + np.log1p(-np.exp(size[..., :1]))
    gap = np.minimum(already - met, -1e-12)
    new = met + np.log(-np.expm1(gap))
    return np.logaddexp(quiet + rate, log_e + new)


def _without_first(tail: Any) -> Any:
    """The tail without its entry for 0, which the tail of the burst's size accounts for."""
    out = tail.copy()
    out[..., 0] = -np.inf
    return out
