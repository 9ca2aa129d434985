"""Alarm rates of many cells, each a region, an hour and a number of active devices."""

from __future__ import annotations

import numpy as np
from scipy.special import logsumexp
from scipy.stats import betabinom

from eqstat._core.constants import HOURS_PER_YEAR
from eqstat._core.errors import InputError
from eqstat.counts._background import Background
from eqstat.counts._special import cubic_weights
from eqstat.counts.alarm import _limits
from eqstat.counts.alarm._draws import log_device_rates, shape_at
from eqstat.counts.alarm._rate_table import RATE_STEP, RateTable, tabulate
from eqstat.counts.alarm._shapes import shapes_of

LARGEST_TABLE = 4096
# A threshold holds for an hour, in which the rate may rise or fall.
WITHIN_HOUR = (1 / 6, 3 / 6, 5 / 6)
KEPT_BYTES = 500_000_000
OUT_OF_REACH = 1 << 30
ENTRIES_AT_ONCE = 2_000_000


class AlarmCells:
    """Alarm rates of cells, from tables over a fixed net of active devices.

    Attributes
    ----------
    active
        Active devices, (cells,).
    log_rates
        Log rate per device and hour of each row (region and hour), (rows, draws, times).
    row
        Row of each cell, (cells,).
    """

    def __init__(
        self,
        background: Background,
        draws: dict[str, np.ndarray],
        active: np.ndarray,
        log_rates: np.ndarray,
        row: np.ndarray,
        correlation_windows: float | int,
    ) -> None:
        self.background, self.active = background, active
        self.log_rates, self.row = log_rates, row
        self.correlation_windows = correlation_windows
        self.shapes = shapes_of(background, draws)
        self.span = float(log_rates.min()), float(log_rates.max())
        self.nodes = _limits.nodes_around(active.min(), active.max())
        self.gap = float(np.max(np.diff(np.log(_limits.NODES[self.nodes.start : self.nodes.stop]))))
        self.kept: dict[int, RateTable] = {}

    def table(self, node: int, top: int) -> RateTable:
        """Table of a node up to `top` triggers or more, kept where memory allows."""
        known = self.kept.get(node)
        if known is not None and known.values.shape[-1] >= top:
            return known
        made = tabulate(
            self.background,
            self.shapes.values,
            _limits.NODES[[node]],
            self.span,
            top,
            self.correlation_windows,
            gap=self.gap,
        )
        if sum(t.values.nbytes for t in self.kept.values()) + made.values.nbytes <= KEPT_BYTES:
            self.kept[node] = made
        return made

    def _reach(self, budget: float | int) -> int:
        """First guess of the number of triggers that the tables must reach."""
        n, shapes = float(_limits.NODES[self.nodes[-1]]), self.shapes.values
        mean = n * np.exp(self.span[1]) * self.background.window_s / 3600
        spread = float(np.max(shape_at(shapes, self.background, np.array([n]))))
        sd = float(np.max(shapes["intensity_sd"]))
        spread = (1 + spread) * np.exp(sd**2) - 1
        top = 20 + 1.5 * mean + 8 * np.sqrt(mean * (1 + spread * mean))
        if self.background.bursts is not None:
            share, c = shapes["share"].mean(), shapes["concentration"].mean()
            often = shapes["probability"].mean() * HOURS_PER_YEAR * 3600
            rare = min(budget * self.background.window_s / max(often, 1e-300), 0.5)
            burst = betabinom.isf(0.3 * rare, int(n), share * c, (1 - share) * c)
            top = max(top, 1.3 * (burst + mean))
        return int(min(top, n + 1, LARGEST_TABLE))

    def smallest(self, row_budget: np.ndarray, minimum: int) -> np.ndarray:
        """Smallest count of each cell that keeps the budget of its row per year."""
        limits = _limits.device_limits(
            self.table,
            self.nodes,
            [self.log_rates],
            self.shapes.group,
            np.log(row_budget / HOURS_PER_YEAR),
            self._reach(float(row_budget.min())),
            LARGEST_TABLE,
        )
        needed = _limits.smallest_count(limits[self.row], self.active)
        beyond = needed > limits.shape[1]
        many = beyond & (self.active >= LARGEST_TABLE)
        if many.any():
            raise InputError(
                f"threshold: {self.active[many].max():g} active devices need more than "
                f"{LARGEST_TABLE:,} triggers, the end of the tables; use fewer devices, "
                "or split the region"
            )
        return np.maximum(np.where(beyond, OUT_OF_REACH, needed), minimum)

    def at(self, triggers: np.ndarray) -> np.ndarray:
        """Log rate per hour of each draw at each cell's own count, (cells, draws)."""
        own = np.minimum(triggers, LARGEST_TABLE)
        own = np.minimum(own, np.floor(self.active)).astype(int)
        return self._between(own[:, None])[..., 0]

    def all_rates(self, budget: float | int) -> np.ndarray:
        """Log rate per hour at 1, 2, ... triggers, averaged over draws, (cells, triggers).

        The tables reach to where all rates are below `budget` per year, or to all devices.
        """
        most = int(min(np.floor(self.active.max()) + 1, LARGEST_TABLE))
        top = min(self._reach(budget), most)
        while True:
            counts = np.broadcast_to(np.arange(1, top + 1), (len(self.active), top))
            logs = self._between(counts)
            rates = logsumexp(logs, axis=1) - np.log(logs.shape[1])
            if top >= most or np.all(rates[:, -1] <= np.log(budget / HOURS_PER_YEAR)):
                return np.asarray(rates)
            top = min(2 * top, most)

    def _between(self, counts: np.ndarray) -> np.ndarray:
        """Log rates per hour of each draw at counts of each cell, (cells, draws, counts)."""
        low, upper = _limits.bracket(self.active)
        out = np.empty((len(self.active), self.log_rates.shape[1], counts.shape[1]))
        size = self.log_rates[0].size * counts.shape[1]
        step = max(1, ENTRIES_AT_ONCE // size)
        for node in np.unique(low).tolist():
            members = np.flatnonzero(low == node)
            top = int(counts[members].max())
            ends = [self.table(node + i, top) for i in (0, 1)]
            for begin in range(0, len(members), step):
                cells = members[begin : begin + step]
                out[cells] = self._mean(node, ends, upper[cells], cells, counts[cells])
        return out

    def _mean(
        self,
        node: int,
        ends: list[RateTable],
        upper: np.ndarray,
        cells: np.ndarray,
        counts: np.ndarray,
    ) -> np.ndarray:
        """Average over times; both nodes are read at the cell's own mean count."""
        rates, log_active = self.log_rates[self.row[cells]], np.log(self.active[cells])
        share = np.where(counts > _limits.NODES[node], 1.0, upper[:, None])[:, None, None, :]
        logs = 0.0
        for table, weight in zip(ends, (1 - share, share), strict=True):
            shift = log_active - table.log_active[0] - table.log_rate
            position = (rates + shift[:, None, None]) / RATE_STEP
            j = np.clip(np.floor(position).astype(int), 1, table.values.shape[2] - 3)
            for offset, part in zip((-1, 0, 1, 2), cubic_weights(position - j), strict=True):
                values = table.values[
                    self.shapes.group[:, None, None],
                    0,
                    (j + offset)[..., None],
                    counts[:, None, None, :] - 1,
                ]
                logs = logs + weight * part[..., None] * values
        return np.asarray(logsumexp(logs, axis=2)) - np.log(rates.shape[2])


def rows_of_week(
    draws: dict[str, np.ndarray],
    hours: np.ndarray,
    index: np.ndarray,
    days: np.ndarray,
    clock_shift_h: float = 0.0,
) -> np.ndarray:
    """Log rates within the hours in which these lie, (regions, hours, draws, times).

    Shifts of the clock, to either side and none, are equally probable.
    """
    days = days if np.any(draws["weekly"]) or np.any(draws["profile"]) else days[:1]
    shifts = (0.0,) if clock_shift_h == 0 else (0.0, -clock_shift_h, clock_shift_h)
    parts = [
        log_device_rates(draws, np.floor(hours) + at + shift, days, index)
        for at in WITHIN_HOUR
        for shift in shifts
    ]
    if not np.any(draws["daily"]) and not np.any(draws["profile"]):
        parts = parts[:1]
    return np.moveaxis(np.concatenate(parts, axis=-1), 0, 2)


def alarm_cells(
    background: Background,
    draws: dict[str, np.ndarray],
    counts: np.ndarray,
    hours: np.ndarray,
    index: np.ndarray,
    days: np.ndarray,
    correlation_windows: float | int,
) -> AlarmCells:
    """Alarm rates of all cells, in the order region, hour, active."""
    log_rates = rows_of_week(draws, hours, index, days, background.clock_shift_h)
    rates = log_rates.reshape(-1, *log_rates.shape[2:])
    row = np.repeat(np.arange(len(rates)), counts.shape[2])
    return AlarmCells(background, draws, counts.ravel(), rates, row, correlation_windows)
