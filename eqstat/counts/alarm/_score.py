"""Real-time scores of a count: tail probability, false-alarm rate and margin to the threshold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from eqstat._core.checks import check_kind
from eqstat._core.constants import HOURS_PER_YEAR
from eqstat._core.explain import Explained, explained
from eqstat.counts._background import FROM_FIT, Background, Number
from eqstat.counts._intensity._tail import Tail, inflate_log
from eqstat.counts._special import cubic_weights
from eqstat.counts.alarm import _score_table
from eqstat.counts.alarm._present import SlowIntensity, State, init, slow_intensity
from eqstat.counts.alarm._rate_table import RATE_STEP
from eqstat.counts.alarm._threshold import check_budget

ANY_DAY = 7
OK, BEYOND_TABLE, BAD_INPUT = 0, 1, 2
BLOCK = 4096


@explained
class Score(NamedTuple):
    """Scores of a count among active devices.

    Attributes
    ----------
    log_tail
        Natural log of the probability that one window of the background holds as many triggers
        or more.
    false_alarm_probability
        The same as a probability (0 where it is below the smallest number of its type; the
        logarithm is not).
    log_false_alarm_rate_per_year
        Natural log of the alarms per year of a continuously sliding window with this count as
        threshold, in this region, if hour and active devices were constant.
    false_alarm_rate_per_year
        The same as a rate.
    margin
        Triggers above the threshold; 0 or more is an alarm.
    status
        0: valid. 1: the count, the devices or the present intensity lie beyond the table, whose
        end was used (for the count this is on the safe side). 2: invalid input (not a number,
        negative, a fraction of a trigger, more triggers than devices, an hour outside [0, 24));
        all else is NaN.

    Examples
    --------
    >>> tables = scorer(Background("poisson", 5.76), most_active=100, most_triggers=16)
    >>> int(score(tables, 101, 100, 12.5).status)
    2
    """

    log_tail: Float[Array, "..."]
    false_alarm_probability: Float[Array, "..."]
    log_false_alarm_rate_per_year: Float[Array, "..."]
    false_alarm_rate_per_year: Float[Array, "..."]
    margin: Float[Array, "..."]
    status: Int[Array, "..."]


class Scorer(Explained, eqx.Module):
    """Tables that `score` reads: a pytree of float32 arrays, made by `scorer`.

    Attributes
    ----------
    table
        Log tail and log alarms per year; (spreads, devices, triggers, rates, 2).
    log_rate
        Log rate per device and hour of each region, day of the week (the eighth is any day)
        and hour, or sixth of an hour with a slow intensity, (regions, 8, 24 or 144).
    spread
        Standard deviation of that log rate, without the slow intensity, of the same shape; with
        one, without that of the level of the region, which `slow` has.
    spreads
        Standard deviations of the tables, (spreads,).
    first_log_rate
        First node of the log rate.
    log_devices
        Nodes of the log of active devices, (devices,).
    crossing
        Interpolated count at which the alarm rate falls to the budget; (budgets, spreads,
        devices, rates).
    budget, log_budget
        Index of the budget of each region, (regions,), and the logs of the budgets per year.
    limits
        Largest number of active devices at which 1, 2, ... triggers keep the budget, as in
        `threshold`; (regions, 8, 24, triggers).
    minimum
        Smallest admissible threshold.
    slow
        What `init` and `step` need of the slow intensity; zeros without one.
    regions
        Names of the regions.
    between
        Whether spreads are interpolated; False where the table has all that occur.
    is_slow
        Whether there is a slow intensity.
    tails
        Numbers of the tails that inflate rates, of fixed scores and of those that follow the
        present intensity, (2, 6); None for none.

    Examples
    --------
    >>> scorer(Background("poisson", 5.76), most_active=100, most_triggers=16).regions
    ('all',)
    """

    table: Float[Array, "spreads devices triggers rates two"]
    log_rate: Float[Array, "regions eight hours"]
    spread: Float[Array, "regions eight hours"]
    spreads: Float[Array, " spreads"]
    first_log_rate: Float[Array, ""]
    log_devices: Float[Array, " devices"]
    crossing: Float[Array, "budgets spreads devices rates"]
    budget: Int[Array, " regions"]
    log_budget: Float[Array, " budgets"]
    limits: Float[Array, "regions eight 24 counts"]
    minimum: Float[Array, ""]
    slow: SlowIntensity
    regions: tuple[str, ...] = eqx.field(static=True)
    between: bool = eqx.field(static=True)
    is_slow: bool = eqx.field(static=True)
    tails: Float[Array, "two six"] | None = None


def scorer(
    background: Background,
    *,
    false_alarm_rate_per_year: float | Sequence[float] = 1.0,
    minimum: int = 6,
    most_active: int = 10_000,
    most_triggers: int = 256,
    correlation_windows: float = np.inf,
) -> Scorer:
    r"""Tabulate a background, or a posterior of it, for `score`.

    Tables run over the count, the active devices n (every number to 50, then steps of 10 %) and
    the log rate $\log\lambda$ (steps of 0.2). With a posterior the tables are means over its
    draws. The posterior standard deviation of the log rate of each region and hour is a further
    axis: the tail is averaged over a normal $\log\lambda$ with that standard deviation, so that a
    region with a short history has a heavier tail. The threshold itself is that of `threshold`,
    for each region, hour, day and number of devices.

    Parameters
    ----------
    background
        One background, or draws of it; the scores are then posterior predictive.
    false_alarm_rate_per_year
        Budget of all regions together, split equally; or one budget per region.
    minimum
        Smallest admissible threshold.
    most_active, most_triggers
        Ends of the tables. Memory is about 300 bytes for each of `most_triggers` times the
        nodes of active devices (100 to 10,000).
    correlation_windows
        As in `threshold`.

    Returns
    -------
    Scorer

    Raises
    ------
    eqstat.InputError
        When an argument is out of range.

    Examples
    --------
    >>> tables = scorer(Background("poisson", 5.76), most_active=1000, most_triggers=64)
    >>> result = score(tables, 30, 500, 12.5)
    >>> bool(result.margin >= 0), round(float(result.log_tail), 1)
    (True, -20.0)
    """
    check_kind("scorer", Background, FROM_FIT, background=background)
    budgets = np.atleast_1d(np.asarray(false_alarm_rate_per_year, np.float64))
    if budgets.size == 1:
        budgets = np.full(len(background.regions), budgets[0] / len(background.regions))
    check_budget(budgets, len(background.regions), minimum, most_active, most_triggers)
    tables = _score_table.build(background, most_active, most_triggers, correlation_windows)
    unique, which = np.unique(budgets, return_inverse=True)
    tail = Tail() if background.tails is None else background.tails.present
    own = tail.deflate(np.log(unique / HOURS_PER_YEAR)) + np.log(HOURS_PER_YEAR)
    crossing = np.stack([_score_table.crossing(tables.table[..., 1], b, minimum) for b in own])
    limits = _score_table.limits(
        background, np.log(budgets), most_active, most_triggers, correlation_windows
    )
    return Scorer(
        # The values that one score interpolates are adjacent in memory.
        jnp.asarray(np.moveaxis(tables.table, 2, 3), jnp.float32),
        jnp.asarray(tables.log_rate, jnp.float32),
        jnp.asarray(tables.spread, jnp.float32),
        jnp.asarray(tables.spreads, jnp.float32),
        jnp.asarray(tables.first, jnp.float32),
        jnp.asarray(np.log(_score_table.device_nodes(most_active)), jnp.float32),
        jnp.asarray(crossing, jnp.float32),
        jnp.asarray(which, jnp.int32),
        jnp.asarray(np.log(unique), jnp.float32),
        jnp.asarray(limits, jnp.float32),
        jnp.asarray(minimum, jnp.float32),
        slow_intensity(background, tables.level),
        background.regions,
        tables.between,
        background.intensity is not None,
        None if background.tails is None else jnp.asarray(background.tails.numbers, jnp.float32),
    )


def score(
    scorer: Scorer,
    triggers: Number,
    active: Number,
    hour: Number,
    region: Number = 0,
    day: Number = ANY_DAY,
    state: State | None = None,
    excess: Number | None = None,
) -> Score:
    """Score counts of triggers; pure, jit-safe, vectorised, without errors on data.

    Scores are interpolated in the tables: cubic in the log rate, linear in the log of the devices
    at equal mean count. The errors of the logarithms are below 0.02 or 0.2 %, whichever is larger
    (tested against exact sums), but up to 0.2 where more than two in five of over 50 devices
    trigger; the count itself is not interpolated. Differences between days and draws are taken for
    normal in the logarithms, not in the margin: without a state it is 0 at exactly the count that
    `threshold` gives for this region, hour, day and number of devices.

    Parameters
    ----------
    scorer
        From `scorer`.
    triggers
        Triggers in the window, any shape that broadcasts with the others.
    active
        Active devices, 1 and more.
    hour
        Local time of day in hours, [0, 24); the rate is that of the middle of the hour.
    region
        Number of the region, `scorer.regions.index(name)`.
    day
        Day of the week, Monday is 0; 7 (the default) is any day.
    state
        What the recent windows say about each region (`init`, `step`): scores and threshold
        then adapt to the present intensity. By default they marginalise over all intensities.
    excess
        Ratio of realised to promised false alarms, from `excess` of a `Watch`: alarm rates are
        multiplied by it, and the threshold is raised accordingly.

    Returns
    -------
    Score
        Arrays of the broadcast shape.

    Examples
    --------
    >>> tables = scorer(Background("poisson", 5.76), most_active=1000, most_triggers=64)
    >>> score(tables, [20, 30], 500, 12.5).margin.tolist()
    [-9.0, 1.0]
    """
    check_kind("score", Scorer, "use `scorer(background)`", scorer=scorer)
    kind = scorer.table.dtype
    k, n, h = (jnp.asarray(value).astype(kind) for value in (triggers, active, hour))
    if not scorer.is_slow:
        state = None
    columns = jnp.broadcast_arrays(k, n, h, jnp.asarray(region), jnp.asarray(day))
    shape, size = columns[0].shape, columns[0].size
    ratio = None if excess is None else jnp.asarray(excess).astype(kind)
    if size <= BLOCK:
        return _score(scorer, state, ratio, *columns)
    # Blocks that fit the processor's cache are three times as fast for a million scores. Where a
    # block length divides the size, no padding is copied.
    block = next((b for b in range(BLOCK, BLOCK // 4, -1) if size % b == 0), BLOCK)
    fill = -size % block
    flat = (jnp.pad(column.ravel(), (0, fill)) if fill else column for column in columns)
    blocks = tuple(column.reshape(-1, block) for column in flat)
    scores = jax.lax.map(lambda block: _score(scorer, state, ratio, *block), blocks)
    return Score(*(values.ravel()[:size].reshape(shape) for values in scores))


def _run(table: Array, first: Array, length: int) -> Array:
    """`length` consecutive entries of the flat table from each `first` on; (..., length).

    The caller clips the indices to the table, so the bounds are not checked again.
    """
    numbers = jax.lax.GatherDimensionNumbers(
        offset_dims=(first.ndim,), collapsed_slice_dims=(), start_index_map=(0,)
    )
    mode = jax.lax.GatherScatterMode.PROMISE_IN_BOUNDS
    return jax.lax.gather(table.reshape(-1), first[..., None], numbers, (length,), mode=mode)


def _score(
    scorer: Scorer,
    state: State | None,
    ratio: Array | None,
    k: Array,
    n: Array,
    h: Array,
    r: Array,
    d: Array,
) -> Score:
    """Score arrays of one shape."""
    kind = scorer.table.dtype
    regions, most = scorer.log_rate.shape[0], scorer.table.shape[2] - 1
    valid = (k >= 0) & (n >= 1) & (k <= n) & (h >= 0) & (h < 24) & jnp.isfinite(n)
    valid = valid & (k == jnp.floor(k))
    valid = valid & (r >= 0) & (r < regions) & (d >= 0) & (d <= ANY_DAY)
    hours = scorer.log_rate.shape[2]
    part_of_day = jnp.clip(h * (hours // 24), 0, hours - 1).astype(int)
    region, day = jnp.clip(r, 0, regions - 1), jnp.clip(d, 0, ANY_DAY)
    where = (region * (ANY_DAY + 1) + day) * hours + part_of_day
    log_rate, spread = (_run(table, where, 1)[..., 0] for table in (scorer.log_rate, scorer.spread))
    present = init(scorer) if state is None else state
    log_rate = log_rate + present.mean.astype(kind)[region]
    spread = jnp.sqrt(spread**2 + present.variance.astype(kind)[region])
    level = jnp.interp(spread, scorer.spreads, jnp.arange(len(scorer.spreads), dtype=kind))
    node, upper, node_logs, log_n, beyond = _score_table.place(
        jnp.clip(n, 1, None), scorer.log_devices
    )
    whole = jnp.clip(jnp.nan_to_num(k), 0, most).astype(int)
    spreads, devices, counts, rates, _ = scorer.table.shape
    low = jnp.round(level).astype(int)
    if scorer.between:
        low = jnp.clip(level.astype(int), 0, spreads - 2)
    budget = scorer.budget[region]
    read, needed = jnp.zeros((*k.shape, 2), kind), jnp.zeros(k.shape, kind)
    for end, side in zip((0, 1), (1 - upper, upper), strict=True):
        # Both neighbouring numbers of devices are read at the window's own mean count.
        position = (log_n - node_logs[end] + log_rate - scorer.first_log_rate) / RATE_STEP
        beyond = beyond | (position > rates - 2)
        position = jnp.clip(position, 1, rates - 2)
        j = jnp.clip(position.astype(int), 1, rates - 3)
        part = position - j
        for step in range(1 + scorer.between):
            share = side * jnp.abs(level - low - (1 - step)) if scorer.between else side
            row = (((low + step) * devices + node + end) * counts + whole) * rates + j
            near = _run(scorer.table, 2 * (row - 1), 8).reshape(*row.shape, 4, 2)
            for number, weight in enumerate(cubic_weights(part)):
                read = read + (share * weight)[..., None] * near[..., number, :]
            if state is not None:
                row = ((budget * spreads + low + step) * devices + node + end) * rates + j
                left, right = jnp.moveaxis(_run(scorer.crossing, row, 2), -1, 0)
                needed = needed + share * ((1 - part) * left + part * right)
    log_tail, log_year = jnp.minimum(read[..., 0], 0.0), read[..., 1]
    if scorer.tails is not None:
        tail = scorer.tails[0 if state is None else 1].astype(kind)
        log_hour, log_block_h = np.log(HOURS_PER_YEAR), tail[4]
        of_window = (*tail[:4], log_block_h - jnp.log(scorer.slow.window_h))
        of_rate = (*tail[:4], log_block_h - tail[5])
        log_tail = jnp.minimum(inflate_log(log_tail, of_window, jnp), 0.0)
        log_year = inflate_log(log_year - log_hour, of_rate, jnp) + log_hour
    if ratio is not None:
        log_year = log_year + jnp.log(ratio)
    if state is None:
        hour = jnp.clip(h, 0, 23).astype(int)
        needed = _needed(scorer, (region * (ANY_DAY + 1) + day) * 24 + hour, n)
        margin = k - jnp.maximum(needed, scorer.minimum)
        # Where no count of the table keeps the budget none is known to do so.
        margin = jnp.where(needed > scorer.limits.shape[3], jnp.minimum(margin, -1), margin)
        if ratio is not None:
            kept = (log_year <= scorer.log_budget[budget]) | (ratio <= 1)
            margin = jnp.where(kept, margin, jnp.minimum(margin, -1))
    else:
        enough = (log_year <= scorer.log_budget[budget]) & (k >= scorer.minimum)
        # The crossing is interpolated; the sign of the margin follows from the rate at the count.
        needed = jnp.maximum(jnp.ceil(needed - 1e-3), scorer.minimum)
        margin = jnp.where(enough, jnp.maximum(k - needed, 0), jnp.minimum(k - needed, -1))
    status = jnp.where(valid, jnp.where(beyond | (k > most), BEYOND_TABLE, OK), BAD_INPUT)
    tail, year = jnp.exp(log_tail), jnp.exp(log_year)
    values = (jnp.where(valid, v, jnp.nan) for v in (log_tail, tail, log_year, year, margin))
    return Score(*values, status=status)


def _needed(scorer: Scorer, row: Array, n: Array) -> Array:
    """Smallest count whose limit is not below the devices: a search by halving."""
    counts = scorer.limits.shape[3]
    n = jnp.minimum(n, jnp.exp(scorer.log_devices[-1])).astype(scorer.limits.dtype)
    least = jnp.zeros(n.shape, int)
    for power in reversed(range(counts.bit_length())):
        further = least + (1 << power)
        at = row * counts + jnp.minimum(further, counts) - 1
        below = (further <= counts) & (_run(scorer.limits, at, 1)[..., 0] < n)
        least = jnp.where(below, further, least)
    return (least + 1).astype(n.dtype)
