"""Score one count in plain Python, without the overhead of a compiled call."""

from __future__ import annotations

import bisect
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from eqstat._core.checks import check_kind
from eqstat._core.constants import HOURS_PER_YEAR
from eqstat.counts._intensity._tail import Tail
from eqstat.counts.alarm._present import init
from eqstat.counts.alarm._rate_table import RATE_STEP
from eqstat.counts.alarm._score import ANY_DAY, BAD_INPUT, BEYOND_TABLE, OK, Score, Scorer
from eqstat.counts.alarm._score_table import EXACT, STEP

ScoreOne = Callable[..., Score]
Plain = float | int


def score_one(scorer: Scorer) -> ScoreOne:
    """Make a function that scores one count at a time in a few microseconds.

    Tables, interpolation and result are those of `score`. Where a service scores trigger by
    trigger, the overhead of a compiled JAX call exceeds the arithmetic.

    Parameters
    ----------
    scorer
        From `scorer`.

    Returns
    -------
    Callable
        `(triggers, active, hour, region=0, day=7, state=None) -> Score` of plain numbers; the state
        is the mean and variance of the region.

    Examples
    --------
    >>> from eqstat.counts import Background
    >>> from eqstat.counts.alarm import scorer
    >>> tables = scorer(Background("poisson", 5.76), most_active=1000, most_triggers=64)
    >>> score_count = score_one(tables)
    >>> score_count(30, 500, 12.5).margin
    1
    """
    check_kind("score_one", Scorer, "use `scorer(background)`", scorer=scorer)
    tables = np.ascontiguousarray(scorer.table, np.float32)
    spreads, devices, counts, rates, _ = tables.shape
    # Memory views return Python numbers; indexing NumPy arrays is several times slower.
    rows = tables.reshape(-1).data
    crossings = np.ascontiguousarray(scorer.crossing, np.float32).reshape(-1).data
    log_rates = np.ascontiguousarray(scorer.log_rate, np.float32).reshape(-1).data
    own_spreads = np.ascontiguousarray(scorer.spread, np.float32).reshape(-1).data
    nodes_of_spread = np.asarray(scorer.spreads, np.float64).tolist()
    hours, last_count = scorer.log_rate.shape[2], scorer.limits.shape[3]
    limits = np.ascontiguousarray(scorer.limits, np.float32).reshape(-1).data
    largest = float(np.float32(np.exp(np.asarray(scorer.log_devices)[-1])))
    resting = [(float(m), float(v)) for m, v in zip(*init(scorer), strict=True)]
    log_devices = np.asarray(scorer.log_devices, np.float64).tolist()
    budgets = np.asarray(scorer.budget).tolist()
    log_budgets = np.asarray(scorer.log_budget, np.float64).tolist()
    first, minimum = float(scorer.first_log_rate), float(scorer.minimum)
    between, is_slow = scorer.between, scorer.is_slow
    regions, last, most = scorer.log_rate.shape[0], devices - 1, counts - 1
    tails, window_h = scorer.tails, float(scorer.slow.window_h)
    inflaters = None
    if tails is not None:
        both = [Tail(*numbers) for numbers in np.asarray(tails, np.float64).tolist()]
        inflaters = [(own.inflater(window_h), own.inflater()) for own in both]
    log_hours = math.log(HOURS_PER_YEAR)
    nan: Any = math.nan
    invalid = Score(nan, nan, nan, nan, nan, BAD_INPUT)  # pyright: ignore[reportArgumentType]

    def score_count(
        triggers: Plain,
        active: Plain,
        hour: Plain,
        region: int = 0,
        day: int = ANY_DAY,
        state: tuple[Plain, Plain] | None = None,
    ) -> Score:
        # Comparisons with NaN are false.
        valid = 0 <= triggers <= active and 1 <= active < math.inf and 0 <= hour < 24
        valid = valid and triggers == int(triggers)
        if not (valid and 0 <= region < regions and 0 <= day <= ANY_DAY):
            return invalid
        where = (region * 8 + day) * hours + int(hour * (hours // 24))
        fixed = state is None or not is_slow
        shift, variance = resting[region] if state is None or not is_slow else state
        log_rate, log_n = log_rates[where] + shift, math.log(active)
        level = _position(nodes_of_spread, math.sqrt(own_spreads[where] ** 2 + variance))
        position = active - 1 if active <= EXACT else EXACT - 1 + (log_n - math.log(EXACT)) / STEP
        node = min(int(position + 1e-4), last - 1)
        below, above = log_devices[node], log_devices[node + 1]
        upper = min(max((log_n - below) / (above - below), 0.0), 1.0)
        beyond = log_n > log_devices[last] + 1e-4
        log_n = min(log_n, log_devices[last])
        whole = min(int(triggers), most)
        budget = budgets[region]
        low = min(int(level), spreads - 2) if between else round(level)
        log_tail = log_year = needed = 0.0
        for node_log, at, side in ((below, node, 1 - upper), (above, node + 1, upper)):
            position = (log_n - node_log + log_rate - first) / RATE_STEP
            beyond = beyond or position > rates - 2
            position = min(max(position, 1), rates - 2)
            j = min(max(int(position), 1), rates - 3)
            f = position - j
            weights = (
                -f * (f - 1) * (f - 2) / 6,
                (f + 1) * (f - 1) * (f - 2) / 2,
                -(f + 1) * f * (f - 2) / 2,
                (f + 1) * f * (f - 1) / 6,
            )
            for step in range(1 + between):
                share = side * abs(level - low - (1 - step)) if between else side
                row = (((low + step) * devices + at) * counts + whole) * rates + j - 1
                for weight in weights:
                    log_tail += share * weight * rows[2 * row]
                    log_year += share * weight * rows[2 * row + 1]
                    row += 1
                row = ((budget * spreads + low + step) * devices + at) * rates + j
                needed += share * ((1 - f) * crossings[row] + f * crossings[row + 1])
        log_tail = min(log_tail, 0.0)
        if inflaters is not None:
            of_window, of_rate = inflaters[not fixed]
            log_tail = min(of_window(log_tail), 0.0)
            log_year = of_rate(log_year - log_hours) + log_hours
        status = BEYOND_TABLE if beyond or triggers > most else OK
        if fixed:
            row = ((region * 8 + day) * 24 + int(hour)) * last_count
            devices_now = min(active, largest)
            needed = bisect.bisect_left(limits, devices_now, row, row + last_count) - row + 1
            margin = triggers - max(needed, minimum)
            margin = min(margin, -1.0) if needed > last_count else margin
            return Score(log_tail, math.exp(log_tail), log_year, _exp(log_year), margin, status)  # pyright: ignore[reportArgumentType]
        needed = max(math.ceil(needed - 1e-3), minimum)
        if log_year <= log_budgets[budget] and triggers >= minimum:
            margin = max(triggers - needed, 0.0)
        else:
            margin = min(triggers - needed, -1.0)
        return Score(log_tail, math.exp(log_tail), log_year, _exp(log_year), margin, status)  # pyright: ignore[reportArgumentType]

    return score_count


def _position(nodes: list[float], value: float) -> float:
    """Fractional index of a value among increasing nodes."""
    upper = bisect.bisect_right(nodes, value)
    if upper in (0, len(nodes)):
        return float(min(upper, len(nodes) - 1))
    low, high = nodes[upper - 1], nodes[upper]
    return upper - 1 + (value - low) / (high - low)


def _exp(value: float) -> float:
    return math.exp(min(value, 700.0))
