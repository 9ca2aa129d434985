"""Alarm rates of a sliding window for all counts of a table at once, in logs, per window."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from eqstat.counts.scan import _renewed
from eqstat.counts.scan._tables import (
    Marginal,
    log_burst_table,
    log_convolve,
    log_declumped,
    log_pmf_table,
    log_reach_ratio,
    log_tail_table,
    table_top,
)


class BurstTerms(NamedTuple):
    """Bursts: probability per window, mean share of the devices, concentration of the share."""

    probability: Any
    share: Any
    concentration: Any


def rates(
    marginal: Marginal, bursts: BurstTerms | None, top: int, correlation_windows: float
) -> Any:
    """Log alarm rate per window for 1, ..., top triggers, shape (cases, top)."""
    k = np.arange(1.0, top + 1.0)
    # Few devices end the table early; counts beyond them have a row all the same.
    pmf = log_pmf_table(marginal, max(table_top(marginal, top), top))
    tail = log_tail_table(pmf)[..., : top + 1]
    crossing = np.log(k) + pmf[..., 1 : top + 1] + log_declumped(marginal, k)
    if np.isfinite(correlation_windows):
        crossing = _renewed.crossings(marginal, crossing, correlation_windows)
    mean = marginal.mean
    if marginal.family == "beta_binomial":
        mean = -marginal.active * np.expm1(-mean / marginal.active)
    above = k > mean[..., None]
    rate = np.where(above, crossing, -np.inf)
    if bursts is not None:
        rate = _with_bursts(rate, tail, bursts, marginal, top)
    # A level below the mean is passed nearly all the time: once per window, no oftener.
    rate = np.where(above, np.minimum(rate, 0.0), 0.0)
    return np.where(k <= marginal.active[..., None], rate, -np.inf)


def _with_bursts(rate: Any, tail: Any, bursts: BurstTerms, marginal: Marginal, top: int) -> Any:
    """Add alarms that begin with a burst, or while a burst is in the window."""
    size, size_tail = log_burst_table(bursts.share, bursts.concentration, marginal.active, top)
    with np.errstate(divide="ignore"):
        log_e = np.log(bursts.probability)[..., None]
    quiet = -bursts.probability[..., None]
    # Count of a window with the bursts that are already in it.
    one = np.logaddexp(log_convolve(size, _open(tail)), size_tail)
    whole = np.minimum(
        np.logaddexp(np.log1p(-bursts.probability)[..., None] + tail, log_e + one), 0
    )
    # A burst of j meets at least k - j, or so many come while it is in the window.
    alone = tail[..., 1:]
    more = np.logaddexp(0.0, rate - np.where(np.isfinite(alone), alone, 0.0))
    more = np.maximum(log_reach_ratio(marginal, top), more)
    climb = np.minimum(alone + more, 0.0) + np.log(np.maximum(-np.expm1(-more), 1e-300))
    reached = np.minimum(np.logaddexp(whole[..., 1:], quiet + climb), 0.0)
    reached = np.concatenate([np.full_like(reached[..., :1], -np.inf), reached], axis=-1)
    real = size.copy()
    real[..., 0] = -np.inf  # a burst of nobody
    met = np.logaddexp(log_convolve(real, reached), size_tail)[..., 1:]
    already = whole[..., 1:] + np.log1p(-np.exp(size[..., :1]))
    gap = np.minimum(already - met, -1e-12)
    new = met + np.log(-np.expm1(gap))
    return np.logaddexp(quiet + rate, log_e + new)


def _open(tail: Any) -> Any:
    """Tail without its entry for none, which the tail of the burst's size stands for."""
    out = tail.copy()
    out[..., 0] = -np.inf
    return out
