"""Tables behind `score`: log tails and log alarm rates over devices, device rate and count."""

from __future__ import annotations

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array
from scipy.special import logsumexp

from eqstat._core.constants import HOURS_PER_YEAR
from eqstat.counts._background import Background, log_tails
from eqstat.counts.alarm import _limits
from eqstat.counts.alarm._cells import AlarmCells, rows_of_week
from eqstat.counts.alarm._draws import draws_of, log_device_rates
from eqstat.counts.alarm._rate_table import RATE_STEP, smooth, tabulate, with_surges
from eqstat.counts.alarm._shapes import Shapes, shapes_of

# Every number of devices up to `EXACT`, then equal steps of the logarithm.
EXACT = 50
STEP = 0.1
DEVICES_AT_ONCE = 8
MOST_DRAWS = 200
# Standard deviations of the log rate at which tables are made, unless the background has few.
SPREADS = np.array([0.0, 0.03, 0.045, 0.06, 0.085, 0.12, 0.17, 0.25, 0.35, 0.5, 0.7, 1.0])
MOST_EXACT = 3
# With a slow intensity: parts of an hour in which the rate is constant, and how far above all rates
# of the week (in logs) the present intensity may be.
PARTS = 6
ABOVE = 2.5


class Tables(NamedTuple):
    """The arrays of a `Scorer` in float64."""

    table: np.ndarray
    log_rate: np.ndarray
    spread: np.ndarray
    level: np.ndarray
    spreads: np.ndarray
    first: float
    between: bool


def device_nodes(most: int) -> np.ndarray:
    """Numbers of active devices: 1, 2, ... 50, then steps of 10 %."""
    exact = np.arange(1.0, min(most, EXACT) + 1)
    if most <= EXACT:
        return np.append(exact, exact[-1] + 1)
    count = int(np.ceil(np.log(most / EXACT) / STEP))
    return np.append(exact, EXACT * np.exp(STEP * np.arange(1, count + 1)))


def place(
    active: Array, log_devices: Array
) -> tuple[Array, Array, tuple[Array, Array], Array, Array]:
    """Lower node, weight of the upper one, logs of both, log of the devices, whether beyond."""
    last = len(log_devices) - 1
    log_n = jnp.log(active)
    position = jnp.where(active <= EXACT, active - 1, EXACT - 1 + (log_n - np.log(EXACT)) / STEP)
    # Rounding must not place an exact number of devices below its node.
    node = jnp.clip((position + 1e-4).astype(int), 0, last - 1)
    below, above = log_devices[node], log_devices[node + 1]
    upper = jnp.clip((log_n - below) / (above - below), 0, 1)
    far = log_n > log_devices[last] + 1e-4
    return node, upper, (below, above), jnp.minimum(log_n, log_devices[last]), far


def week(background: Background) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean and standard deviation of the log rate by region, day (the eighth is any) and hour.

    With a slow intensity, of which these are without, hours are divided into parts, and the
    variance of the level of each region, which the windows of a service soon tell, is apart.
    """
    draws = draws_of(background)
    regions = np.arange(len(background.regions))
    parts = 1 if background.intensity is None else PARTS
    hours = (np.arange(24 * parts) + 0.5) / parts
    shift = background.clock_shift_h
    shifts = (0.0,) if shift == 0 else (0.0, -shift, shift)
    each = [log_device_rates(draws, hours + own, np.arange(7.0), regions) for own in shifts]
    logs = np.moveaxis(np.concatenate(each), 3, 2)  # draws, regions, days, hours
    mean, variance = logs.mean(axis=0), logs.var(axis=0)
    # If the day is not given, the differences between days add to the variance.
    any_mean = mean.mean(axis=1, keepdims=True)
    any_variance = variance.mean(axis=1, keepdims=True) + mean.var(axis=1, keepdims=True)
    both = np.concatenate([mean, any_mean], 1), np.concatenate([variance, any_variance], 1)
    level = np.zeros(len(regions))
    if background.intensity is not None:
        level = logs.mean(axis=(2, 3)).var(axis=0)
    return both[0], np.sqrt(np.maximum(both[1] - level[:, None, None], 0.0)), level


def build(
    background: Background, most_active: int, most: int, correlation_windows: float
) -> Tables:
    """Tabulate; see `scorer`."""
    centre, spread, level = week(background)
    # With known parameters only the days differ, equally everywhere: few distinct spreads, so that
    # each has a table of its own.
    slow = 0.0 if background.intensity is None else float(np.mean(background.intensity.sd))
    spread = np.round(spread, 6)
    own = np.unique(spread)
    between = len(own) > MOST_EXACT or background.intensity is not None
    # As a function of the spread the log of the mean is nearly linear or convex, so that linear
    # interpolation errs on the safe side.
    widest = np.sqrt(np.max(spread**2 + level[:, None, None]) + slow**2)
    spreads = SPREADS[: np.searchsorted(SPREADS, widest) + 1] if between else own
    margin = 6.0 * spreads[-1] + STEP + 2 * RATE_STEP
    above = 0.0 if background.intensity is None else ABOVE
    span = float(centre.min()) - margin, float(centre.max()) + margin + above
    shapes = shapes_of(background, draws_of(background, MOST_DRAWS))
    nodes = device_nodes(most_active)
    parts = []
    for begin in range(0, len(nodes), DEVICES_AT_ONCE):
        block = nodes[begin : begin + DEVICES_AT_ONCE]
        parts.append(_block(background, shapes, block, span, most, correlation_windows))
    first = parts[0][1]
    base = np.concatenate([part for part, _ in parts])
    table = np.stack([smooth(base, sd) for sd in spreads])
    return Tables(table, centre, spread, level, spreads, first, between)


def _block(
    background: Background,
    shapes: Shapes,
    active: np.ndarray,
    span: tuple[float, float],
    most: int,
    correlation_windows: float,
) -> tuple[np.ndarray, float]:
    """Tables of a few numbers of devices, averaged over the shapes: (devices, rates, k, 2)."""
    width = span[1] - span[0]
    tabulated = tabulate(
        background, shapes.values, active, span, most, correlation_windows,
        marginalise=False, fewest=1.0,
    )  # fmt: skip
    rates = tabulated.log_rate + RATE_STEP * np.arange(tabulated.values.shape[2])
    assert rates[-1] >= span[0] + width
    mean = active[:, None] * np.exp(rates) * background.window_s / 3600
    count = tabulated.values.shape[0]
    log_share = np.log(np.bincount(shapes.group, minlength=count) / len(shapes.group))
    log_share = log_share[:, None, None, None]
    with jax.enable_x64(True):
        one = _each_shape(background, shapes.values)
        arrays = (jnp.asarray(active), jnp.asarray(mean))
        each = [jax.tree.map(lambda leaf, i=i: leaf[i], one) for i in range(count)]
        tails = np.asarray([np.asarray(_tails(shape, most, *arrays)) for shape in each])
    surges = zip(
        np.maximum(tails, -1e4),
        shapes.values["surge_share"],
        shapes.values["surge_mean"],
        strict=True,
    )
    tails = np.stack([with_surges(*own) for own in surges])
    tail = np.asarray(logsumexp(np.maximum(tails, -1e4) + log_share, axis=0))
    rate = logsumexp(tabulated.values + log_share, axis=0) + np.log(HOURS_PER_YEAR)
    # A threshold of 0 gets the rate of 1.
    rate = np.concatenate([rate[..., :1], rate], axis=-1)
    both = np.stack([tail, rate], axis=-1)
    # Counts above the devices are impossible, but interpolation between two numbers of devices
    # reads them: they continue linearly from the last two.
    for row, n in zip(both, active, strict=True):
        last = int(n)
        if last < most:
            fall = row[:, [last]] - row[:, [max(last - 1, 0)]]
            row[:, last + 1 :] = row[:, [last]] + fall * np.arange(1, most - last + 1)[:, None]
    return both, tabulated.log_rate


@eqx.filter_jit
def _tails(background: Background, most: int, active: Array, mean: Array) -> Array:
    return log_tails(background, most, active[:, None], mean)


def _each_shape(background: Background, shapes: dict[str, np.ndarray]) -> Background:
    """The background with each of the shapes, without rates, regions and cycles."""
    count = len(shapes["intensity_sd"])
    zero = np.zeros((count, 1))
    pieces: dict[str, object] = {
        "daily": np.zeros((count, 4)),
        "weekly": np.zeros((count, 2)),
        "region_effect": zero,
        "region_sd": zero[:, 0],
        "rate_per_device_h": np.ones(count),
    }
    pieces |= {name: shapes[name] for name in background.count_family.parameters}
    if background.bursts is not None:
        values = (shapes[name] for name in ("probability", "share", "concentration"))
        pieces["bursts"] = type(background.bursts)(*values)
    each = Background(family=background.family, window_s=background.window_s, **pieces)  # pyright: ignore[reportArgumentType]
    return jax.tree.map(jnp.asarray, each)


def limits(
    background: Background,
    log_budget: np.ndarray,
    most_active: int,
    most: int,
    correlation_windows: float,
) -> np.ndarray:
    """Largest number of devices at which each count keeps the budget, as `threshold` has it.

    Over (regions, days of the week and any day, hours, triggers from 1); `log_budget` is that of
    each region per year.
    """
    draws = draws_of(background, MOST_DRAWS)
    regions, hours, week = np.arange(len(background.regions)), np.arange(24.0), np.arange(7.0)
    alike = not (np.any(draws["weekly"]) or np.any(draws["profile"]))
    days = [week] if alike else [*week[:, None], week]
    shift = background.clock_shift_h
    parts = [rows_of_week(draws, hours, regions, day, shift) for day in days]
    rows = [part.reshape(-1, *part.shape[2:]) for part in parts]
    ends = np.array([1.0, most_active])
    cells = AlarmCells(background, draws, ends, rows[-1], np.zeros(2, int), correlation_windows)
    log_goal = log_budget - np.log(HOURS_PER_YEAR)
    if background.tails is not None:
        log_goal = background.tails.fixed.deflate(log_goal)
    goal = np.tile(np.repeat(log_goal, len(hours)), len(days))
    limits = _limits.device_limits(
        cells.table, cells.nodes, rows, cells.shapes.group, goal, most, most
    )
    limits = limits.reshape(len(days), len(regions), len(hours), most)
    return np.moveaxis(np.broadcast_to(limits, (8, *limits.shape[1:])), 0, 1)


def crossing(log_rate: np.ndarray, log_budget: float, minimum: int) -> np.ndarray:
    """Interpolated count at which the log rate falls to the budget, along the last axis."""
    above = log_rate > log_budget
    count = above.shape[-1]
    first = np.where(above.any(axis=-1), count - 1 - np.argmax(above[..., ::-1], axis=-1), 0)
    upper = np.minimum(first + 1, count - 1)
    ends = (
        np.take_along_axis(log_rate, index[..., None], axis=-1)[..., 0] for index in (first, upper)
    )
    left, right = ends
    fall = np.maximum(left - right, 1e-9)
    count_at_budget = first + np.clip((left - log_budget) / fall, 0, 1)
    count_at_budget = np.where(first >= count - 1, count, count_at_budget)
    return np.maximum(count_at_budget, minimum)
