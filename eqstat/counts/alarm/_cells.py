"""Alarm rates of many cells, each a region, an hour and a number of active devices."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from scipy.stats import betabinom

from eqstat._core.constants import HOURS_PER_YEAR
from eqstat._core.errors import InputError
from eqstat.counts._background import Background
from eqstat.counts.alarm._rate_table import (
    RateTable,
    active_nodes,
    at_counts,
    bracket,
    log_device_rates,
    predictive,
    shape_at,
    tabulate,
)

CELLS_AT_ONCE = 64
LARGEST_TABLE = 4096
WITHIN_HOUR = (1 / 6, 3 / 6, 5 / 6)
KEPT_BYTES = 500_000_000
OUT_OF_REACH = 1 << 30


class _Group(NamedTuple):
    """Cells with the same number of active devices, or between the same two nodes of it."""

    cells: np.ndarray
    nodes: np.ndarray
    upper: np.ndarray


class AlarmCells:
    """Alarm rates of cells, from tables that are extended until they reach the budget."""

    def __init__(
        self,
        background: Background,
        draws: dict[str, np.ndarray],
        active: np.ndarray,
        log_rates: np.ndarray,
        correlation_windows: float | int,
    ) -> None:
        self.background, self.draws, self.active, self.log_rates = (
            background,
            draws,
            active,
            log_rates,
        )
        self.correlation_windows = correlation_windows
        self.kept: dict[float, RateTable] = {}
        nodes = active_nodes(active)
        # Without interpolation where every number of devices is a node.
        if np.all(np.isin(active, nodes)):
            self.groups = [
                _Group(np.flatnonzero(active == n), np.array([n]), np.zeros(np.sum(active == n)))
                for n in nodes
            ]
            return
        low, upper = bracket(nodes, active)
        self.groups = [
            _Group(np.flatnonzero(low == i), nodes[i : i + 2], upper[low == i])
            for i in np.unique(low)
        ]

    def _table(self, group: _Group, rates: np.ndarray, top: int) -> RateTable:
        """Table of a group, kept for later calls where memory allows."""
        name = float(group.nodes[0])
        if name in self.kept and self.kept[name].values.shape[-1] >= top:
            return self.kept[name]
        span = float(rates.min()), float(rates.max())
        table = tabulate(
            self.background, self.draws, group.nodes, span, top, self.correlation_windows
        )
        if len(group.nodes) == 2:
            # Counts above the devices of the lower node get the rates of the upper: the safe side.
            beyond = int(group.nodes[0])
            table.values[:, 0, :, beyond:] = table.values[:, 1, :, beyond:]
            filled = np.maximum.accumulate(table.values[..., ::-1], axis=-1)[..., ::-1]
            table = table._replace(values=filled)
        if table.values.nbytes * len(self.groups) <= KEPT_BYTES:
            self.kept[name] = table
        return table

    def _blocks(self, group: _Group, top: int, run: Callable, *more: np.ndarray) -> np.ndarray:
        """Apply a compiled function to a group's cells, in blocks of one size."""
        rates = self.log_rates[group.cells]
        tabulated = self._table(group, rates, top)
        parts = []
        with jax.enable_x64(True):
            table = tuple(jnp.asarray(part) for part in tabulated)
            for begin in range(0, len(group.cells), CELLS_AT_ONCE):
                kept = np.arange(len(group.cells))[begin : begin + CELLS_AT_ONCE]
                rows = np.resize(kept, CELLS_AT_ONCE)
                columns = (np.zeros(CELLS_AT_ONCE, int), group.upper, rates, *more)
                values = run(table, columns[0], *(column[rows] for column in columns[1:]))
                parts.append(np.asarray(values)[: len(kept)])
        return np.concatenate(parts)

    def _reach(self, group: _Group, budget: float | int) -> int:
        """First guess of the number of triggers that a group's table must reach."""
        n = float(group.nodes[-1])
        mean = n * np.exp(self.log_rates[group.cells].max()) * self.background.window_s / 3600
        spread = float(np.max(shape_at(self.draws, self.background, group.nodes)))
        sd = float(np.max(self.draws["intensity_sd"]))
        spread = (1 + spread) * np.exp(sd**2) - 1
        top = 20 + 1.5 * mean + 8 * np.sqrt(mean * (1 + spread * mean))
        if self.background.bursts is not None:
            share, c = self.draws["share"].mean(), self.draws["concentration"].mean()
            often = (
                self.draws["probability"].mean() * HOURS_PER_YEAR * 3600 / self.background.window_s
            )
            rare = min(budget / max(often, 1e-300), 0.5)
            burst = betabinom.isf(0.3 * rare, int(np.ceil(n)), share * c, (1 - share) * c)
            top = max(top, 1.3 * (burst + mean))
        return round_up(min(top, n + 1, LARGEST_TABLE))

    def tables(self, budget: float | int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Cells and their predictive log rates per hour at 1, 2, ... triggers, by group.

        The tables extend to where the rate is below `budget` per year, or to all devices.
        """
        goal = np.log(budget / HOURS_PER_YEAR)
        for group in self.groups:
            most = int(min(np.floor(group.nodes[-1]) + 1, LARGEST_TABLE))
            top = self._reach(group, budget)
            while True:
                log_rate = self._blocks(group, top, predictive)
                if top >= most or np.all(log_rate[:, -1] <= goal):
                    break
                top = round_up(2 * top)
            few = self.active[group.cells] < LARGEST_TABLE
            if most == LARGEST_TABLE and not np.all(few | (log_rate[:, -1] <= goal)):
                raise InputError(
                    f"threshold: {self.active[group.cells].max():g} active devices need more than "
                    f"{LARGEST_TABLE:,} triggers, the end of the tables; use fewer devices, "
                    "or split the region"
                )
            yield group.cells, log_rate

    def smallest(self, budget: np.ndarray, minimum: int) -> np.ndarray:
        """Smallest count of each cell that keeps its budget per year."""
        needed = np.full(len(self.active), OUT_OF_REACH)
        for cells, log_rate in self.tables(float(budget.min())):
            kept = log_rate <= np.log(budget[cells] / HOURS_PER_YEAR)[:, None]
            first = np.argmax(kept, axis=1) + 1
            needed[cells] = np.where(kept.any(axis=1), first, OUT_OF_REACH)
        return np.maximum(needed, minimum)

    def at(self, triggers: np.ndarray) -> np.ndarray:
        """Log rate per hour of each draw at each cell's own count, (cells, draws)."""
        out = np.full((len(self.active), self.log_rates.shape[1]), np.nan)
        for group in self.groups:
            own = np.minimum(triggers[group.cells], round_up(LARGEST_TABLE))
            own = np.minimum(own, np.floor(self.active[group.cells])).astype(int)
            top = round_up(int(own.max()))
            out[group.cells] = self._blocks(group, top, at_counts, own)
        return out


def round_up(count: float | int) -> int:
    """Round up to an eighth of a power of two, so that few programs are compiled."""
    step = 2 ** max(int(np.log2(max(count, 1))) - 3, 3)
    return int(np.ceil(count / step)) * step


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
    if np.any(draws["profile"]):
        # A threshold holds for an hour, in which a profile may rise or fall.
        parts = [log_device_rates(draws, np.floor(hours) + at, days, index) for at in WITHIN_HOUR]
        log_rates = np.concatenate(parts, axis=-1)
    else:
        days = days if np.any(draws["weekly"]) else days[:1]
        log_rates = log_device_rates(draws, hours, days, index)
    rates = np.broadcast_to(
        np.moveaxis(log_rates, 0, 2)[:, :, None], (*counts.shape, *log_rates.shape[::3])
    ).reshape(counts.size, len(draws["rate_per_device_h"]), log_rates.shape[-1])
    return AlarmCells(background, draws, counts.ravel(), rates, correlation_windows)
