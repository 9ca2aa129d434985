r"""Evidence over time: one log likelihood ratio a second and device, not taken for independent.

The calibrated log ratio of each second falls into one of $K$ bins $b_t$. Under either class the
bins are a Markov chain, whose probabilities are counted, with a Dirichlet prior; the evidence of
the seconds so far is

.. math:: s_t = \log \frac{P_1(b_1)}{P_0(b_1)}
                + \sum_{i=2}^{t} \log \frac{P_1(b_i \mid b_{i-1})}{P_0(b_i \mid b_{i-1})},

so that a second counts by what it adds to the one before. What depends over longer (a bus ride is
one for minutes) is learned as slopes of $s_t$ that fall as a power of the time, by the
recalibration of sums of held-out records.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import PRNGKeyArray

from eqstat._core.explain import explained
from eqstat.waveform.classifier._recalibration import RatioCalibration, recalibrate

BINS = 8
# Counts with which the prior of first bins, and of steps, counts.
PRIOR_FIRST, PRIOR_STEP = 2.0, 6.0


@explained
class Chain(NamedTuple):
    """Log ratios of the Markov chains of bins of either class.

    Attributes
    ----------
    edge
        Log likelihood ratios between the bins, (bins - 1,).
    first
        Log ratio of the probabilities of the first second's bin, (bins,).
    any
        That of a bin after a second that could not be used, (bins,).
    step
        That of a bin after another, (bins, bins).

    Examples
    --------
    >>> chain = Chain(np.zeros(1), np.array([-1.0, 1.0]), np.zeros(2), np.zeros((2, 2)))
    >>> chain.totals(np.array([2.0, 2.0]), np.array([True, True]), np.array([1, 2])).tolist()
    [1.0, 1.0]
    """

    edge: np.ndarray
    first: np.ndarray
    any: np.ndarray
    step: np.ndarray

    def totals(
        self, log_ratio: np.ndarray, usable: np.ndarray, elapsed_s: np.ndarray
    ) -> np.ndarray:
        """Sums of the evidence of one record's seconds, (seconds,)."""
        out, last, total, before = np.empty(len(log_ratio)), -1, 0.0, 0
        bins = np.searchsorted(self.edge, log_ratio)
        for row, (here, use, second) in enumerate(zip(bins, usable, elapsed_s, strict=True)):
            last = last if second == before + 1 else -2  # seconds are missing before it
            if use:
                after = {-1: self.first, -2: self.any}.get(last)
                total += (self.step[last] if after is None else after)[here]
            last, before = (int(here) if use else -2), second
            out[row] = total
        return out


class Seconds(NamedTuple):
    """Seconds of records in order: what a chain is learned from."""

    log_ratio: np.ndarray
    usable: np.ndarray
    labels: np.ndarray
    record: np.ndarray
    elapsed_s: np.ndarray
    group: np.ndarray

    def part(self, rows: np.ndarray) -> Seconds:
        """Return some rows, of whole records."""
        return Seconds(*(values[rows] for values in self))


def learned(seconds: Seconds) -> Chain:
    """Learn the chain from records of both classes."""
    rows = seconds.usable
    # Edges are quantiles of seconds of which half are of either class.
    numbers = [max((rows & (seconds.labels == label)).sum(), 1) for label in (True, False)]
    weight = np.where(seconds.labels, 0.5 / numbers[0], 0.5 / numbers[1])
    order = np.argsort(seconds.log_ratio[rows])
    values = seconds.log_ratio[rows][order]
    share = np.cumsum(weight[rows][order])
    inner = np.searchsorted(share, np.arange(1, BINS) / BINS)
    edges = np.unique(values[np.minimum(inner, len(values) - 1)])
    size = len(edges) + 1
    bins = np.searchsorted(edges, seconds.log_ratio)
    same = np.zeros(len(bins), bool)
    follows = (np.diff(seconds.record) == 0) & (np.diff(seconds.elapsed_s) == 1)
    same[1:] = follows & rows[1:] & rows[:-1]
    begins = rows & (seconds.elapsed_s == 1)
    logs = []
    for label in (True, False):
        own = seconds.labels == label
        count = np.bincount(bins[own & rows], minlength=size)
        share = (count + PRIOR_FIRST / size) / (count.sum() + PRIOR_FIRST)
        first = np.bincount(bins[own & begins], minlength=size)
        first = (first + PRIOR_FIRST * share) / (first.sum() + PRIOR_FIRST)
        step = np.zeros((size, size))
        now = np.flatnonzero(own & same)
        np.add.at(step, (bins[now - 1], bins[now]), 1.0)
        # Where a bin was seldom left, the next one has the shares of all seconds.
        step = (step + PRIOR_STEP * share) / (step.sum(axis=1, keepdims=True) + PRIOR_STEP)
        logs.append((np.log(first), np.log(share), np.log(step)))
    return Chain(edges, *(one - other for one, other in zip(*logs, strict=True)))


def totals_of(chain: Chain, seconds: Seconds) -> np.ndarray:
    """Sums of all records' seconds, which must be in order."""
    cuts = np.flatnonzero(np.diff(seconds.record)) + 1
    columns = (seconds.log_ratio, seconds.usable, seconds.elapsed_s)
    pieces = zip(*(np.split(column, cuts) for column in columns), strict=True)
    return np.concatenate([chain.totals(*piece) for piece in pieces])


def calibrated_chain(
    key: PRNGKeyArray, seconds: Seconds, fold: np.ndarray
) -> tuple[Chain, RatioCalibration]:
    """Learn a chain, and from sums of held-out records their recalibration by the second."""
    totals = np.empty(len(fold))
    for number in np.unique(fold):
        out = fold == number
        totals[out] = totals_of(learned(seconds.part(~out)), seconds.part(out))
    calibration = recalibrate(
        key, totals, seconds.labels, seconds.group, elapsed_s=seconds.elapsed_s
    )
    return learned(seconds), calibration


def columns_of(chain: Chain, calibration: RatioCalibration) -> dict[str, np.ndarray]:
    """Arrays of `eqstat.edge.accumulate`."""
    arrays = {f"time_{name}": getattr(chain, name) for name in Chain._fields}
    draws = ("low", "high", "shift", "lapse", "decay")
    return arrays | {f"time_{name}": getattr(calibration, name) for name in draws}


def started(devices: int) -> np.ndarray:
    """States of devices before the first second; see `eqstat.edge.accumulate`."""
    return np.tile(np.array([-1.0, 0.0, 0.0]), (devices, 1))
