"""Alarm rates of a background, or of draws of it, tabulated over devices and device rate."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from eqstat.counts._background import Background
from eqstat.counts._families import SHAPE_PARAMETERS
from eqstat.counts._harmonics import HOURS_OF_WEEK, basis
from eqstat.counts.scan._scan import log_alarm_table_per_hour

# Steps of the nodes. Log rates are interpolated: cubic over the log device rate, linear over the
# log of the devices at equal mean count.
RATE_STEP = 0.2
ACTIVE_STEP = 0.05
EXACT_ACTIVE = 48
# Averages over the log rate reach so many standard deviations, on nodes so many times finer.
REACH_SD, FINEST = 7.0, 10
# Logs below this are zero as probabilities in float64.
LEAST_LOG = -700.0


Arrays = tuple[Array, Array, Array]


class RateTable(NamedTuple):
    """Log of false alarms per hour at 1, 2, ... triggers.

    Attributes
    ----------
    log_active
        Nodes of the logarithm of active devices, (nodes,).
    log_rate
        First node of the log rate per device and hour; the others follow in steps `RATE_STEP`.
    values
        (draws, nodes of active, nodes of rate, triggers), non-increasing in the triggers.
    """

    log_active: Float[np.ndarray, " nodes"]
    log_rate: float
    values: Float[np.ndarray, "draws nodes rates triggers"]


def draws_of(background: Background, most: int | None = None) -> dict[str, np.ndarray]:
    """Arrays of a background with a leading axis of draws, evenly thinned to `most`."""
    lead = np.ndim(background.rate_per_device_h)
    parts = {
        "rate_per_device_h": background.rate_per_device_h,
        "daily": background.daily,
        "weekly": background.weekly,
        "region_effect": background.region_effect,
        "profile": np.zeros(HOURS_OF_WEEK) if background.profile is None else background.profile,
        "intensity_sd": 0.0 if background.intensity is None else background.intensity.sd,
        **{
            name: 0.0 if getattr(background, name) is None else getattr(background, name)
            for name in SHAPE_PARAMETERS
        },
        "probability": 0.0 if background.bursts is None else background.bursts.probability,
        "share": 0.01 if background.bursts is None else background.bursts.share,
        "concentration": 1.0 if background.bursts is None else background.bursts.concentration,
    }
    arrays = {name: np.asarray(value, np.float64) for name, value in parts.items()}
    count = np.shape(background.rate_per_device_h)[0] if lead else 1
    vectors = ("daily", "weekly", "region_effect", "profile")
    for name, value in arrays.items():
        own = value.shape[-1:] if name in vectors else ()
        arrays[name] = np.broadcast_to(value, (count, *own))
    if most is not None and count > most:
        kept = np.linspace(0, count - 1, most).round().astype(int)
        arrays = {name: value[kept] for name, value in arrays.items()}
    return arrays


def log_device_rates(
    draws: dict[str, np.ndarray], hour: np.ndarray, day: np.ndarray, region: np.ndarray
) -> Float[np.ndarray, "draws regions hours days"]:
    """Log rate per device and hour of every region, hour of the day and day of the week."""
    with jax.enable_x64(True):
        columns = np.asarray(basis(hour[:, None], day[None, :]))
    weights = np.concatenate([draws["daily"], draws["weekly"]], axis=-1)
    cycle = np.einsum("hgb,db->dhg", columns, weights)
    position = (day * 24 + hour[:, None] - 0.5) % HOURS_OF_WEEK
    low = np.floor(position).astype(int)
    part, low = position - low, low % HOURS_OF_WEEK
    profile = draws["profile"]
    cycle = cycle + (1 - part) * profile[:, low] + part * profile[:, (low + 1) % HOURS_OF_WEEK]
    base = np.log(draws["rate_per_device_h"])[:, None] + draws["region_effect"][:, region]
    return base[:, :, None, None] + cycle[:, None]


def active_nodes(active: np.ndarray) -> np.ndarray:
    """The numbers of devices themselves where they are few, else a geometric net over them."""
    values = np.unique(active)
    if len(values) <= EXACT_ACTIVE:
        return values
    low, high = np.floor(values[0]), np.ceil(values[-1])
    count = int(np.ceil(np.log(high / low) / ACTIVE_STEP)) + 1
    # Whole numbers: a burst takes whole devices.
    return np.unique(np.round(np.exp(np.linspace(np.log(low), np.log(high), count))))


def shape_at(
    draws: dict[str, np.ndarray], background: Background, active: np.ndarray
) -> np.ndarray:
    """Dispersion among `active` devices as `scan` defines it, (draws, nodes)."""
    family = background.count_family
    value = family.dispersion({name: draws[name][:, None] for name in family.parameters}, active)
    if value is None:
        return np.zeros((len(draws["rate_per_device_h"]), len(active)))
    return family.sliding_dispersion(value)


def tabulate(
    background: Background,
    draws: dict[str, np.ndarray],
    active: np.ndarray,
    log_rates: tuple[float, float],
    top: int,
    correlation_windows: float | int = np.inf,
    gap: float | int | None = None,
    marginalise: bool = True,
) -> RateTable:
    """Tabulate the alarm rates over nodes of active devices and of the device rate.

    Parameters
    ----------
    background, draws
        The background and, from `draws_of`, its arrays.
    active
        One node, or two neighbours between which the cells lie.
    log_rates
        Smallest and largest log rate per device and hour of the cells.
    top
        Largest number of triggers.
    correlation_windows
        As in `scan`.
    gap
        How far rates may lie outside this range; by default the log ratio of the nodes.
    marginalise
        Whether to average over the slow intensity.
    """
    if gap is None:
        gap = float(np.log(active[-1] / active[0]))
    sd = draws["intensity_sd"] if marginalise else np.zeros(1)
    reach = (REACH_SD * sd + 0.5 * sd**2).max()
    first = log_rates[0] - gap - 2 * RATE_STEP - reach
    count = int(np.ceil((log_rates[1] + gap + reach - first) / RATE_STEP)) + 3
    nodes = first + RATE_STEP * np.arange(count)
    mean = active[:, None] * np.exp(nodes) * background.window_s / 3600

    def column(name: str) -> np.ndarray:
        return draws[name][:, None, None]

    bursts = {}
    if background.bursts is not None:
        bursts = {
            "burst_probability": column("probability"),
            "burst_share": column("share"),
            "burst_concentration": column("concentration"),
        }
    values = log_alarm_table_per_hour(
        mean,
        top,
        window_s=background.window_s,
        family=background.family,
        active=active[:, None],
        dispersion=shape_at(draws, background, active)[:, :, None],
        correlation_windows=correlation_windows,
        **bursts,
    )
    values = np.maximum(values, -1e4)
    # Just above the mean the declumping factor makes the rate dip. An alarm at more triggers is one
    # at fewer, so the rate is made non-increasing.
    values = np.maximum.accumulate(values[..., ::-1], axis=-1)[..., ::-1]
    if np.any(sd > 0):
        values = np.stack(
            [smooth(table, own, -0.5 * own**2) for table, own in zip(values, sd, strict=True)]
        )
    return RateTable(np.log(active), first, values)


def smooth(table: np.ndarray, sd: float | np.floating, shift: Any = 0.0) -> np.ndarray:
    """Average tables of logs over a normal distribution of the log rate, along the second axis.

    Probabilities and rates are averaged, not their logs, by the trapezoidal rule on the nodes of
    the table or, for a small standard deviation, on finer ones. `shift` is the mean of the
    distribution relative to the node.
    """
    if sd == 0:
        return table
    count = table.shape[1]
    finer = int(np.clip(np.ceil(RATE_STEP / (0.7 * sd)), 1, FINEST))
    fine = np.arange((count - 1) * finer + 1) / finer
    j = np.clip(np.floor(fine).astype(int), 1, count - 3)
    between = np.zeros((len(fine), count))
    for offset, weight in zip((-1, 0, 1, 2), cubic_weights(fine - j), strict=True):
        between[np.arange(len(fine)), j + offset] = weight
    weights = np.zeros((count, len(fine)))
    step = RATE_STEP / finer
    reach = np.arange(-int(np.ceil(REACH_SD * sd / step)), int(np.ceil(REACH_SD * sd / step)) + 1)
    centre = np.arange(count) * finer + int(np.round(shift / step))
    density = np.exp(-0.5 * ((reach * step - (shift - np.round(shift / step) * step)) / sd) ** 2)
    for own, offset in zip(density / density.sum(), reach, strict=True):
        np.add.at(weights, (np.arange(count), np.clip(centre + offset, 0, len(fine) - 1)), own)
    logs = np.maximum(np.einsum("fr,nr...->nf...", between, table), LEAST_LOG)
    with np.errstate(divide="ignore"):
        return np.maximum(np.log(np.einsum("rf,nf...->nr...", weights, np.exp(logs))), -1e4)


def cubic_weights(fraction: Any) -> tuple[Any, ...]:
    """Lagrange weights of four neighbours at -1, 0, 1, 2."""
    f = fraction
    return (
        -f * (f - 1) * (f - 2) / 6,
        (f + 1) * (f - 1) * (f - 2) / 2,
        -(f + 1) * f * (f - 2) / 2,
        (f + 1) * f * (f - 1) / 6,
    )


def bracket(nodes: np.ndarray, active: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lower node of each number of devices, and the weight of the upper one."""
    position = np.interp(np.log(active), np.log(nodes), np.arange(len(nodes)))
    low = np.minimum(np.floor(position).astype(int), max(len(nodes) - 2, 0))
    return low, np.clip(position - low, 0.0, 1.0)


def _row(table: Arrays, node: Array, upper: Array, log_rate: Array, draw: Array) -> Array:
    """Log alarms per hour of one draw at one device rate, for all counts.

    Between two nodes of active devices both are read at the cell's own mean count: at a constant
    mean the tail depends weakly on the number of devices, so that linear interpolation is good.
    """
    log_active, first, values = table

    def at(node: Array, log_rate: Array) -> Array:
        position = (log_rate - first) / RATE_STEP
        j = jnp.clip(jnp.floor(position).astype(int), 1, values.shape[2] - 3)
        weights = cubic_weights(position - j)
        rows = [w * values[draw, node, j + s] for s, w in zip((-1, 0, 1, 2), weights, strict=True)]
        return rows[0] + rows[1] + rows[2] + rows[3]

    if len(log_active) == 1:
        return at(node, log_rate)
    mean = log_active[node] + upper * (log_active[node + 1] - log_active[node]) + log_rate
    below, above = (at(node + i, mean - log_active[node + i]) for i in (0, 1))
    return (1 - upper) * below + upper * above


def _of_draws(table: Arrays, node: Array, upper: Array, log_rates: Array) -> Array:
    """As `_row` for all draws, averaged over the days; (draws, triggers)."""
    draws = jnp.arange(log_rates.shape[0])
    days = jax.vmap(_row, (None, None, None, 0, None))
    logs = jax.vmap(days, (None, None, None, 0, 0))(table, node, upper, log_rates, draws)
    return jax.nn.logsumexp(logs, axis=1) - jnp.log(log_rates.shape[1])


@jax.jit
def predictive(
    table: Arrays,
    node: Int[Array, " cells"],
    upper: Float[Array, " cells"],
    log_rates: Float[Array, "cells draws days"],
) -> Float[Array, "cells triggers"]:
    """Log alarms per hour of each cell, averaged over draws and days."""

    def cell(args: tuple[Array, Array, Array]) -> Array:
        logs = _of_draws(table, *args)
        return jax.nn.logsumexp(logs, axis=0) - jnp.log(logs.shape[0])

    return jax.lax.map(cell, (node, upper, log_rates))


@jax.jit
def at_counts(
    table: Arrays,
    node: Int[Array, " cells"],
    upper: Float[Array, " cells"],
    log_rates: Float[Array, "cells draws days"],
    triggers: Int[Array, " cells"],
) -> Float[Array, "cells draws"]:
    """Log alarms per hour of each cell and draw at the cell's own count."""

    def cell(args: tuple[Array, Array, Array, Array]) -> Array:
        return _of_draws(table, *args[:3])[:, args[3] - 1]

    return jax.lax.map(cell, (node, upper, log_rates, triggers))
