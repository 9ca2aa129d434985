"""Few shapes of the distribution of counts that stand for those of all draws."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import logsumexp

from eqstat._core.constants import HOURS_PER_YEAR
from eqstat.counts._background import Background
from eqstat.counts._families import SHAPE_PARAMETERS
from eqstat.counts._intensity._parameters import nodes_of
from eqstat.counts.alarm._draws import shape_at, surges_of
from eqstat.counts.alarm._rate_table import burst_arguments
from eqstat.counts.scan._scan import log_alarm_table_per_hour

# Draws are sorted by the alarm rate that their shape gives among few devices and, within each of
# the groups, among many. There are at most so many groups, and fewer where log rates are closer.
FEW, MANY = 100.0, 1000.0
GROUPS = 8, 4
WIDTH = 0.1
OTHERS = ("intensity_sd", "surge_share", "surge_mean", "probability", "share", "concentration")


class Shapes(NamedTuple):
    """Shapes, and which of them each draw has.

    Attributes
    ----------
    values
        Arrays of dispersion, intensity and bursts, (shapes,) each.
    group
        Index of the shape of each draw, (draws,).
    """

    values: dict[str, np.ndarray]
    group: np.ndarray


def shapes_of(background: Background, draws: dict[str, np.ndarray]) -> Shapes:
    """Give each draw the shape of one of at most 32 draws whose tail is nearly the same.

    Tables need a shape each, while rates of device, region and hour cost little.
    """
    count = len(draws["rate_per_device_h"])
    few, many = GROUPS
    if count <= few * many:
        representative, group = np.arange(count), np.arange(count)
    else:
        ranks = [_tail(background, draws, n) for n in (FEW, MANY)]
        parts = [
            part
            for outer in _split(np.arange(count), ranks[0], few)
            for part in _split(outer, ranks[1], many)
        ]
        group = np.empty(count, int)
        for number, part in enumerate(parts):
            group[part] = number
        representative = np.array([part[len(part) // 2] for part in parts])
    names = (*SHAPE_PARAMETERS, *OTHERS)
    return Shapes({name: draws[name][representative] for name in names}, group)


def _split(members: np.ndarray, ranks: np.ndarray, most: int) -> list[np.ndarray]:
    """Split draws into groups of equal size in the order of their ranks."""
    own = ranks[members]
    groups = int(np.clip(np.ceil(np.std(own) / WIDTH), 1, most))
    return np.array_split(members[np.argsort(own, kind="stable")], groups)


def _tail(background: Background, draws: dict[str, np.ndarray], active: float) -> np.ndarray:
    """Log alarm rate of the shape of each draw where all together give one a year."""
    count = len(draws["rate_per_device_h"])
    log_rate = np.full((count, 1), np.median(np.log(draws["rate_per_device_h"])))
    mean = active * np.exp(log_rate[0, 0]) * background.window_s / 3600
    sd = np.median(draws["intensity_sd"])
    spread = (1 + np.median(shape_at(draws, background, np.array([active])))) * np.exp(sd**2) - 1
    top = int(min(20 + 1.5 * mean + 8 * np.sqrt(mean * (1 + spread * mean)), active))
    table = cell_table(background, draws, active, log_rate, top)
    middle = np.median(table, axis=0)
    return table[:, np.argmin(np.abs(middle + np.log(HOURS_PER_YEAR)))]


def cell_table(
    background: Background,
    draws: dict[str, np.ndarray],
    active: float | np.floating,
    log_rates: np.ndarray,
    top: int,
    correlation_windows: float | int = np.inf,
) -> np.ndarray:
    """Log rates per hour for 1, 2, ... triggers, averaged over times; (draws, triggers).

    `log_rates` are per device and hour, (draws, times).
    """
    sd, surges = draws["intensity_sd"], surges_of(draws)
    count = len(sd)
    nodes = (np.zeros((1, count)), np.zeros((1, count)))
    if np.any(sd > 0) or surges[0] is not None:
        nodes = nodes_of(sd, *surges)
    # (draws, times, nodes)
    factors = np.moveaxis(nodes[0], 0, -1)[:, None]
    log_weights = np.moveaxis(np.broadcast_to(nodes[1], nodes[0].shape), 0, -1)[:, None]
    table = log_alarm_table_per_hour(
        active * np.exp(log_rates[..., None] + factors) * background.window_s / 3600,
        top,
        window_s=background.window_s,
        family=background.family,
        active=active,
        dispersion=shape_at(draws, background, np.array([active]))[..., None],
        correlation_windows=correlation_windows,
        **burst_arguments(background, draws, 2),
    )
    table = np.asarray(logsumexp(np.maximum(table, -1e4) + log_weights[..., None], axis=2))
    table = np.maximum.accumulate(table[..., ::-1], axis=-1)[..., ::-1]
    return np.asarray(logsumexp(table, axis=1)) - np.log(table.shape[1])
