"""Histories: tables of counts aggregated into sparse cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from eqstat._core.checks import check_kind
from eqstat._core.errors import InputError
from eqstat._core.explain import Explained
from eqstat.counts._blocks import Blocks, merge_blocks, to_blocks
from eqstat.counts._clock import Offsets, Zones, hour_of_week, offsets_h
from eqstat.counts._harmonics import HOURS_OF_WEEK
from eqstat.counts._windows import (
    cut_short,
    note_spacing,
    outstanding,
    refuse_missing_zeros,
    refuse_running_total,
    window_length,
)
from eqstat.schema import check_counts, region_codes, spacing_s

EXACT_ACTIVE = 50
RELATIVE_WIDTH = 0.02
# Daylight saving moves clocks by an hour.
CLOCK_SHIFT_H = 1.0


@dataclass(frozen=True)
class History(Explained):
    """History of a network: windows without an earthquake, aggregated into sparse cells.

    Attributes
    ----------
    region
        Index of the region of each cell, (cells,).
    hour_of_week
        Local hour of the week, 0 (Monday from 0 to 1) to 167, (cells,).
    active
        Active devices: exact up to 50, above that the mean over the windows of the cell, whose
        bin is at most 2 % wide, (cells,).
    triggers
        Number of triggers, (cells,).
    windows
        Number of windows of each cell, (cells,).
    regions
        Names of the regions.
    window_s
        Length of a window, s.
    span_days
        Time from the start of the first to the end of the last window, days.
    left_out
        Number of windows that were excluded, by reason.
    notes
        Remarks for the reader of a result.
    blocks
        Sums over blocks of five minutes, which keep the order in time; None where it is not known
        (rows that stand for many windows, simulated cells).
    clock_shift_h
        Hours by which the clock of people may be shifted against local time, which is 1 where
        this is a constant offset from UTC and 0 where it is civil time.

    Examples
    --------
    >>> table = pd.DataFrame({"time": pd.date_range("2026-01-05", periods=3, freq="10s", tz="UTC"),
    ...                       "triggers": [0, 2, 0], "active": 80})
    >>> history = prepare(table)
    >>> history.total_triggers, round(history.device_hours, 2)
    (2.0, 0.67)
    """

    region: np.ndarray
    hour_of_week: np.ndarray
    active: np.ndarray
    triggers: np.ndarray
    windows: np.ndarray
    regions: tuple[str, ...]
    window_s: float
    span_days: float
    left_out: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    blocks: Blocks | None = None
    clock_shift_h: float = 0.0

    @property
    def total_windows(self) -> int:
        """Windows in all cells."""
        return int(np.sum(self.windows))

    @property
    def total_triggers(self) -> float:
        """Triggers in all cells."""
        return float(np.sum(self.windows * self.triggers))

    @property
    def device_hours(self) -> float:
        """Sum of the hours over active devices."""
        return float(np.sum(self.windows * self.active)) * self.window_s / 3600

    def of_region(self, region: str) -> History:
        """History of one region.

        Parameters
        ----------
        region
            Its name.

        Returns
        -------
        History

        Examples
        --------
        >>> import jax
        >>> from eqstat.counts import Background, Design, simulate
        >>> background = Background("poisson", 1.0, region_effect=np.zeros(2), regions=("a", "b"))
        >>> simulate(jax.random.key(0), background, Design(9, days=1)).of_region("b").regions
        ('b',)
        """
        if region not in self.regions:
            raise InputError(f"counts: no region {region!r} in the history")
        number = self.regions.index(region)
        use, blocks = self.region == number, self.blocks
        if blocks is not None:
            blocks = blocks.take(np.flatnonzero(blocks.region == number))
            blocks = replace(blocks, region=np.zeros_like(blocks.region))
        return History(
            np.zeros(int(use.sum()), np.int64),
            self.hour_of_week[use],
            self.active[use],
            self.triggers[use],
            self.windows[use],
            (region,),
            self.window_s,
            self.span_days,
            notes=self.notes,
            blocks=blocks,
            clock_shift_h=self.clock_shift_h,
        )


def active_bin(active: np.ndarray) -> np.ndarray:
    """Bin of active devices: exact up to 50, then of equal relative width."""
    active = np.asarray(active, np.float64)
    log_bin = np.log(np.maximum(active, EXACT_ACTIVE + 1) / (EXACT_ACTIVE + 1))
    far = EXACT_ACTIVE + 1 + np.floor(log_bin / np.log1p(RELATIVE_WIDTH) + 1e-9)
    return np.where(active <= EXACT_ACTIVE, np.round(active), far).astype(np.int64)


def _sum_by(key: np.ndarray, *weights: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
    """First row of each group of equal keys, and sums of the weights over the groups."""
    order = np.argsort(key, kind="stable")
    starts = np.flatnonzero(np.diff(key[order], prepend=key[order][:1] - 1))
    return order[starts], [np.add.reduceat(weight[order], starts) for weight in weights]


def to_cells(
    region: np.ndarray,
    hour_of_week: np.ndarray,
    active: np.ndarray,
    triggers: np.ndarray,
    windows: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Merge equal windows: region, hour, active (mean of its bin), triggers, windows."""
    if not len(region):
        return region, hour_of_week, active, triggers, windows
    bins = active_bin(active)
    key = region.astype(np.int64) * HOURS_OF_WEEK + hour_of_week.astype(np.int64)
    key = key * (int(bins.max()) + 1) + bins
    key = key * (int(triggers.max()) + 1) + triggers.astype(np.int64)
    first, (count, devices) = _sum_by(key, windows, windows * active)
    return region[first], hour_of_week[first], devices / count, triggers[first], count


def _near_earthquakes(table: Any, codes: np.ndarray, window_s: float) -> np.ndarray:
    """Windows next to one with an earthquake in the same region."""
    quake = table["is_earthquake"].fillna(False).to_numpy(dtype=bool)
    order = np.argsort(codes, kind="stable")
    seconds = table["time"].to_numpy(dtype="datetime64[ns]").astype(np.int64)[order] / 1e9
    touch = (np.diff(codes[order]) == 0) & (np.diff(seconds) < 1.5 * window_s)
    marked = quake[order]
    beside = np.zeros(len(marked), bool)
    beside[1:] |= touch & marked[:-1]
    beside[:-1] |= touch & marked[1:]
    out = np.empty(len(marked), bool)
    out[order] = beside
    return out & ~quake


def prepare(
    counts: pd.DataFrame,
    *,
    window_s: float | int | None = None,
    utc_offset_h: Offsets = 0.0,
    time_zone: Zones | None = None,
    exclude_earthquakes: bool = True,
) -> History:
    """Check a table of counts and aggregate its windows into sparse cells.

    A long history can be prepared in parts, one per month, say, and merged by `combine`, so that
    only one part is in memory.

    Parameters
    ----------
    counts
        Table of the counts contract: `time` (start of the window, UTC), `triggers`, `active`;
        `region`, `window_s`, `is_earthquake` and `windows` are used if present.
    window_s
        Length of a window, s, where the table has no such column; by default the usual spacing of
        a region's windows, with a note. Windows that the next one cuts short are then left out.
    utc_offset_h
        Local time minus UTC, hours: one for all regions, or one for each by its name.
    time_zone
        Instead of an offset: IANA name of the civil time zone ("America/Santiago"), one for all
        regions, or one for each by its name. Daylight saving is followed, so that a habit of
        people stays at its hour; with an offset, thresholds allow for clocks that are moved by an
        hour to either side.
    exclude_earthquakes
        Whether to exclude windows marked `is_earthquake` and their neighbours.

    Returns
    -------
    History

    Raises
    ------
    eqstat.InputError
        When the table violates its contract, windows overlap, windows without a trigger are
        missing, or no window is left.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"time": pd.date_range("2026-01-05", periods=6, freq="10s", tz="UTC"),
    ...                       "triggers": [0, 0, 1, 0, 0, 0], "active": 80})
    >>> history = prepare(table, utc_offset_h=1.0)
    >>> history.total_windows, history.windows.tolist(), history.hour_of_week.tolist()
    (6, [5.0, 1.0], [1, 1])
    """
    table: Any = check_counts(counts)
    length, inferred = window_length(table, window_s)
    aggregated = "windows" in table and bool((table["windows"] > 1).any())
    short = np.zeros(len(table), bool)
    said: list[str] = []
    if inferred:
        short = cut_short(table, length)
        said = note_spacing(table, length, short)
    elif not aggregated:
        step, rows = spacing_s(table)
        bad = step < length - 1e-6
        if bad.any():
            raise InputError(
                f"counts: {int(bad.sum())} windows of {length:g} s overlap the one before in "
                f"their region (first at row {counts.index[rows[bad][0]]}); correct window_s"
            )
    if not aggregated:
        refuse_running_total(table)
        said += outstanding(table, length)
    refuse_missing_zeros(table, length, aggregated=aggregated)
    notes = list(table.attrs.get("notes", ()))
    weight = np.ones(len(table))
    if "windows" in table:
        weight = table["windows"].fillna(1.0).to_numpy(np.float64)
    codes, names = region_codes(table)
    seconds = table["time"].to_numpy(dtype="datetime64[s]").astype(np.int64)
    local = hour_of_week(seconds, offsets_h(seconds, codes, names, utc_offset_h, time_zone))
    hour = np.floor(local + 1e-9).astype(np.int64) % HOURS_OF_WEEK
    active = table["active"].to_numpy(np.float64)
    left_out: dict[str, int] = {}
    use = np.ones(len(table), bool)
    reasons = [("no active device", active == 0), ("cut short by the next window", short)]
    if exclude_earthquakes and "is_earthquake" in table:
        quake = table["is_earthquake"].fillna(False).to_numpy(dtype=bool)
        reasons.insert(0, ("earthquake", quake))
        if not aggregated:
            reasons.insert(1, ("next to an earthquake", _near_earthquakes(table, codes, length)))
    for reason, where in reasons:
        count = int(np.sum(weight[where & use]))
        if count:
            left_out[reason] = count
        use &= ~where
    if not use.any():
        raise InputError("counts: no window is left; all are of earthquakes or without devices")
    cells = to_cells(
        codes[use], hour[use], active[use], table["triggers"].to_numpy(np.float64)[use], weight[use]
    )
    time = table["time"]
    span = (time.max() - time.min()).total_seconds() + length
    blocks = None
    if not aggregated:
        count = table["triggers"].to_numpy(np.float64)
        blocks = to_blocks(codes[use], seconds[use], local[use], active[use], count[use], length)
    notes = tuple([*notes, *said])
    shift = CLOCK_SHIFT_H if time_zone is None else 0.0
    return History(*cells, tuple(names), length, span / 86400, left_out, notes, blocks, shift)


def combine(histories: Sequence[History]) -> History:
    """Merge histories of different times or regions.

    Windows that are in more than one of them are not detected and count twice.

    Parameters
    ----------
    histories
        At least one, all with windows of the same length.

    Returns
    -------
    History
        Its span is the largest, over regions, of the sum of the spans.

    Raises
    ------
    eqstat.InputError
        When there is none, or lengths of windows differ.

    Examples
    --------
    >>> import jax
    >>> from eqstat.counts import Background, Design, simulate
    >>> history = simulate(jax.random.key(0), Background("poisson", 1.0), Design(9, days=1))
    >>> combine([history, history]).span_days
    2.0
    """
    histories = list(histories)
    if not histories:
        raise InputError("counts: there is no history to combine")
    length = histories[0].window_s
    if any(abs(history.window_s - length) > 1e-6 for history in histories):
        raise InputError("counts: histories with windows of different lengths cannot be combined")
    names = sorted({name for history in histories for name in history.regions})
    number = {name: index for index, name in enumerate(names)}
    columns: list[list[np.ndarray]] = [[], [], [], [], []]
    left_out: dict[str, int] = {}
    spans = dict.fromkeys(names, 0.0)
    for history in histories:
        new = np.array([number[name] for name in history.regions])
        columns[0].append(new[history.region])
        for column, name in zip(
            columns[1:], ("hour_of_week", "active", "triggers", "windows"), strict=True
        ):
            column.append(getattr(history, name))
        for reason, count in history.left_out.items():
            left_out[reason] = left_out.get(reason, 0) + count
        for name in history.regions:
            spans[name] += history.span_days
    cells = to_cells(*(np.concatenate(column) for column in columns))
    notes = tuple(dict.fromkeys(note for history in histories for note in history.notes))
    blocks = merge_blocks(
        [(h.blocks, np.array([number[name] for name in h.regions])) for h in histories]
    )
    shift = max(history.clock_shift_h for history in histories)
    return History(
        *cells, tuple(names), length, max(spans.values()), left_out, notes, blocks, shift
    )


def as_history(owner: str, given: History | pd.DataFrame) -> History:
    """Return history; a table is prepared with the defaults of `prepare`."""
    if isinstance(given, pd.DataFrame):
        return prepare(given)
    check_kind(owner, History, "give a table, or what `prepare(...)` returns", history=given)
    return given
