"""Alarm rates of a background, or of draws of it, tabulated over devices and device rate."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from eqstat.counts._background import Background
from eqstat.counts._intensity._parameters import LEAST_SURGE, log_surge
from eqstat.counts._special import cubic_weights
from eqstat.counts.alarm._draws import shape_at
from eqstat.counts.scan._scan import log_alarm_table_per_hour

# Steps of the log rate, whose nodes are multiples of it. Log rates are interpolated: cubic over the
# log device rate, linear over the log of the devices at equal mean count.
RATE_STEP = 0.2
# Averages over the log rate reach so many standard deviations, on nodes so many times finer.
REACH_SD, FINEST = 7.0, 10
# Averages over surges reach so many means beyond the least; all farther is at their end.
SURGE_REACH = 16.0
# Log of how far beyond the devices the mean is where nearly all of them trigger.
TENDING = 4.0
# Logs below this are zero as probabilities in float64.
LEAST_LOG = -700.0


class RateTable(NamedTuple):
    """Log of false alarms per hour at 1, 2, ... triggers.

    Attributes
    ----------
    log_active
        Nodes of the logarithm of active devices, (nodes,).
    log_rate
        First node of the log rate per device and hour; the others follow in steps `RATE_STEP`.
    values
        (shapes, nodes of active, nodes of rate, triggers), non-increasing in the triggers.
    """

    log_active: Float[np.ndarray, " nodes"]
    log_rate: float
    values: Float[np.ndarray, "shapes nodes rates triggers"]


def tabulate(
    background: Background,
    shapes: dict[str, np.ndarray],
    active: np.ndarray,
    log_rates: tuple[float, float],
    top: int,
    correlation_windows: float | int = np.inf,
    *,
    gap: float | int = 0.0,
    marginalise: bool = True,
    fewest: float | int | None = None,
) -> RateTable:
    """Tabulate the alarm rates over nodes of active devices and of the device rate.

    Parameters
    ----------
    background, shapes
        The background, and arrays of its shapes or, from `draws_of`, of its draws.
    active
        Nodes of active devices.
    log_rates
        Smallest and largest log rate per device and hour of the cells.
    top
        Largest number of triggers.
    correlation_windows
        As in `scan`.
    gap
        How far rates may lie outside this range.
    marginalise
        Whether to average over the slow intensity.
    fewest
        Fewest devices of all tables that shall have the same nodes; by default those of this one.
    """
    sd = shapes["intensity_sd"] if marginalise else np.zeros(1)
    reach = (REACH_SD * sd + 0.5 * sd**2).max() + gap
    is_surging = bool(np.any(shapes["surge_share"] > 0))
    largest = float(log_surge(SURGE_REACH * np.max(shapes["surge_mean"])))
    # Where the mean is beyond the table every level is one alarm a window, however far it is; a
    # family that has no more counts than devices tends to that.
    devices = float(np.min(active)) if fewest is None else fewest
    flat = np.log((top + 1) * 3600 / (background.window_s * devices)) - log_rates[1]
    flat += 0.0 if background.count_family.is_additive else TENDING
    above = min(reach + largest * is_surging, max(float(flat), gap))
    # Multiples of the step, so that values do not depend on what else is asked.
    first = np.floor((log_rates[0] - reach) / RATE_STEP) - 2
    last = np.ceil((log_rates[1] + above) / RATE_STEP) + 3
    nodes = RATE_STEP * np.arange(first, last + 1)
    mean = active[:, None] * np.exp(nodes) * background.window_s / 3600
    values = log_alarm_table_per_hour(
        mean,
        top,
        window_s=background.window_s,
        family=background.family,
        active=active[:, None],
        dispersion=shape_at(shapes, background, active)[:, :, None],
        correlation_windows=correlation_windows,
        **burst_arguments(background, shapes, 2),
    )
    values = np.maximum(values, -1e4)
    # Just above the mean the declumping factor makes the rate dip. An alarm at more triggers is one
    # at fewer, so the rate is made non-increasing.
    values = np.maximum.accumulate(values[..., ::-1], axis=-1)[..., ::-1]
    if is_surging:
        surges = zip(values, shapes["surge_share"], shapes["surge_mean"], strict=True)
        values = np.stack([with_surges(*own) for own in surges])
    if np.any(sd > 0):
        values = np.stack(
            [smooth(table, own, -0.5 * own**2) for table, own in zip(values, sd, strict=True)]
        )
    return RateTable(np.log(active), float(nodes[0]), values)


def burst_arguments(
    background: Background, shapes: dict[str, np.ndarray], axes: int
) -> dict[str, np.ndarray]:
    """What the tables of `scan` need of the bursts, with so many more axes."""
    if background.bursts is None:
        return {}
    names = ("probability", "share", "concentration")
    return {f"burst_{name}": shapes[name].reshape(-1, *(1,) * axes) for name in names}


def smooth(table: np.ndarray, sd: float | np.floating, shift: Any = 0.0) -> np.ndarray:
    """Average tables of logs over a normal distribution of the log rate, along the second axis.

    By the trapezoidal rule on the nodes of the table or, for a small standard deviation, on finer
    ones. `shift` is the mean of the distribution relative to the node.
    """
    if sd == 0:
        return table
    finer = int(np.clip(np.ceil(RATE_STEP / (0.7 * sd)), 1, FINEST))
    step = RATE_STEP / finer
    reach = np.arange(-int(np.ceil(REACH_SD * sd / step)), int(np.ceil(REACH_SD * sd / step)) + 1)
    centre = int(np.round(shift / step))
    density = np.exp(-0.5 * ((reach * step - (shift - centre * step)) / sd) ** 2)
    return _average(table, centre + reach, density / density.sum(), finer)


def with_surges(
    table: np.ndarray, share: float | np.floating, mean: float | np.floating
) -> np.ndarray:
    """Average tables of logs over surges, a share of the time with a power law."""
    if share == 0:
        return table
    finer = int(np.clip(np.ceil(RATE_STEP / (0.5 * mean)), 1, FINEST))
    step = RATE_STEP / finer
    # All beyond the table is at its end.
    reach = min(float(log_surge(SURGE_REACH * mean)), RATE_STEP * table.shape[1])
    offset = np.arange(int(np.ceil(reach / step)) + 1)
    # Each node has the probability of what is nearer to it than to others, the last of all beyond.
    added = np.expm1(np.maximum(offset - 0.5, 0.0) * step) / LEAST_SURGE
    beyond = np.maximum(added, 1.0) ** (-1 / mean)
    return _average(
        table,
        np.append(0, offset),
        np.append(1 - share, share * (beyond - np.append(beyond[1:], 0.0))),
        finer,
    )


def _average(
    table: np.ndarray, offset: np.ndarray, probability: np.ndarray, finer: int
) -> np.ndarray:
    """Average tables of logs over displacements by whole numbers of finer nodes.

    Probabilities and rates are averaged, not their logs.
    """
    count = table.shape[1]
    fine = np.arange((count - 1) * finer + 1) / finer
    j = np.clip(np.floor(fine).astype(int), 1, count - 3)
    between = np.zeros((len(fine), count))
    for step, weight in zip((-1, 0, 1, 2), cubic_weights(fine - j), strict=True):
        between[np.arange(len(fine)), j + step] = weight
    weights = np.zeros((count, len(fine)))
    centre = np.arange(count) * finer
    for own, move in zip(probability, offset, strict=True):
        np.add.at(weights, (np.arange(count), np.clip(centre + move, 0, len(fine) - 1)), own)
    # A cubic through the edge of what has no probability in float64 would overshoot.
    flat = np.maximum(table, LEAST_LOG).reshape(len(table), count, -1)
    values = np.exp(np.maximum(between @ flat, LEAST_LOG))
    return np.log(weights @ values).reshape(table.shape)
