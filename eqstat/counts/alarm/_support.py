"""Whether a history is long enough to support a predictive threshold."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from scipy.special import logsumexp

from eqstat._core.constants import HOURS_PER_YEAR
from eqstat._core.errors import InputError
from eqstat.counts._background import Background
from eqstat.counts.alarm._shapes import cell_table

# A mean rate within twice the median is well determined, however flat the tail.
HARMLESS = np.log(2.0)
CENTRAL = 0.05, 0.95


class Cells(NamedTuple):
    """The cells of a request: a region, an hour and a number of active devices each.

    Attributes
    ----------
    active
        Active devices, (cells,).
    log_rates
        Log rate per device and hour of each row, (rows, draws, times).
    row
        Row of each cell, (cells,).
    budget
        Budget of each cell, false alarms per year, (cells,).
    share
        That budget as a share of the total, (cells,).
    names
        Region and hour of each cell.
    """

    active: np.ndarray
    log_rates: np.ndarray
    row: np.ndarray
    budget: np.ndarray
    share: np.ndarray
    names: list[tuple[str, float]]


def check_support(
    rates_at: Callable[[np.ndarray], np.ndarray],
    background: Background,
    draws: dict[str, np.ndarray],
    cells: Cells,
    needed: np.ndarray,
    at_needed: np.ndarray,
    *,
    minimum: int,
    caution: float | int,
    correlation_windows: float | int,
) -> None:
    r"""Refuse thresholds that are determined by the prior rather than by the history.

    The predictive threshold $k^*$ keeps the budget on average over the draws. Let $k_m$ be the
    smallest count whose median rate over the draws does not exceed the mean rate at $k^*$. As a
    history grows the two converge; where it is short a few extreme draws dominate the mean. An
    error is raised where

    .. math:: k^* > c \max(k_m, k_{\min})

    with the caution c, unless the mean rate at $k^*$ is within twice the median rate, so that the
    rate is well determined, however flat the tail.

    With 100 to 500 devices of 0.5 triggers per hour, dispersion 0.2 and a day cycle the ratio
    $k^*/k_m$ is 2.7 to 11 after one hour; after six, 1.3 to 1.8 at observed hours and 2.9 to 8
    at unobserved ones; after one day 1.1 to 1.8, after a week at most 1.15.

    Parameters
    ----------
    rates_at
        Function from the count of each cell to log rates per hour, (cells, draws).
    background, draws
        The background and its arrays.
    cells
        The cells.
    needed
        Predictive thresholds, more than the devices where no count keeps the budget.
    at_needed
        Log rates per hour of the draws at these, (cells, draws).
    minimum
        Smallest admissible threshold.
    caution
        c, at least 1.
    correlation_windows
        See `scan`.

    Raises
    ------
    eqstat.InputError
        The message says what the history supports, for the cell where it supports least.
    """
    asked = np.minimum(needed, np.floor(cells.active) + 1).astype(int)
    mean = _log_mean(at_needed, axis=1)
    goal = np.where(needed > cells.active, np.log(cells.budget / HOURS_PER_YEAR), mean)
    # The largest count below k* / c.
    fewer = np.ceil(asked / caution - 1e-9).astype(int) - 1 if np.isfinite(caution) else 0 * asked
    suspect = (fewer >= minimum) & (mean - np.median(at_needed, axis=1) > HARMLESS)
    if not suspect.any():
        return
    median = np.median(rates_at(np.where(suspect, fewer, 1)), axis=1)
    excess = np.where(suspect, goal - median, -np.inf)
    worst = int(np.argmax(excess))
    if excess[worst] < 0:
        return
    most = int(cells.active[worst])
    top = min(int(asked[worst]), most)
    table = cell_table(
        background,
        draws,
        cells.active[worst],
        cells.log_rates[cells.row[worst]],
        top,
        correlation_windows,
    )
    needs = f"{asked[worst]} triggers" if asked[worst] <= most else "more triggers than devices"
    at_median = max(int(np.argmax(np.median(table, axis=0) <= goal[worst])) + 1, minimum)
    most, log_rate = _supported(table, minimum, caution)
    low, high = np.quantile(table[:, -1], CENTRAL) / np.log(10)
    region, hour = cells.names[worst]
    rate = np.exp(log_rate) * HOURS_PER_YEAR / cells.share[worst]
    total = cells.budget[worst] / cells.share[worst]
    raise InputError(
        f"threshold: the history is too short for a false alarm rate of {total:g} per year. In "
        f"region {region!r} at hour {hour:g} among {cells.active[worst]:g} devices the posterior "
        f"predictive threshold is {needs} while the posterior median rate needs {at_median}: "
        f"the rate is uncertain by {high - low:.0f} powers of ten. There the history supports "
        f"{most} triggers, at {_up(rate)} false alarms per year in all; use that rate, a longer "
        "history (or devices and hours nearer to it), or a larger caution"
    )


def _log_mean(values: np.ndarray, axis: int) -> Any:
    return logsumexp(values, axis=axis) - np.log(values.shape[axis])


def _supported(table: np.ndarray, minimum: int, caution: float | int) -> tuple[int, float]:
    """The largest threshold up to which none is refused, and its log rate per hour."""
    mean, median = _log_mean(table, axis=0), np.median(table, axis=0)
    counts = np.arange(1, len(mean) + 1)
    # k_m for each mean rate; medians do not increase with the count.
    own = np.searchsorted(-median, -mean) + 1
    supported = (counts <= caution * np.maximum(own, minimum)) | (mean - median <= HARMLESS)
    most = len(counts) if supported.all() else int(np.argmin(supported))
    return most, float(mean[most - 1])


def _up(rate: float) -> str:
    """A rate rounded up to two digits, with a margin for the error of interpolation (3 %)."""
    step = 10.0 ** (np.floor(np.log10(rate)) - 1)
    return f"{np.ceil(1.05 * rate / step) * step:.10g}"
