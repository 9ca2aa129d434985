"""The order in time of a history: sums over blocks of five minutes, which show slow changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

BLOCK_S = 300.0


@dataclass(frozen=True)
class Blocks:
    """Sums over blocks of windows, one row for each region and block that has any.

    Attributes
    ----------
    region
        Index of the region, (blocks,).
    number
        Number of the block since 1970-01-01 UTC, (blocks,).
    hour_of_week
        Local hour of the week, 0 to 168, at the middle of its windows, (blocks,).
    windows
        Number of windows, (blocks,).
    triggers
        Sum of the triggers, (blocks,).
    devices
        Sum of the active devices over the windows, (blocks,).
    largest, largest_active
        Count of the window with the most triggers, and its active devices, (blocks,).
    block_s
        Length of a block, s.
    """

    region: np.ndarray
    number: np.ndarray
    hour_of_week: np.ndarray
    windows: np.ndarray
    triggers: np.ndarray
    devices: np.ndarray
    largest: np.ndarray
    largest_active: np.ndarray
    block_s: float

    @property
    def seconds(self) -> np.ndarray:
        """Start of each block since 1970-01-01 UTC, s."""
        return self.number * self.block_s

    def take(self, rows: np.ndarray) -> Blocks:
        """Return some of the rows."""
        return replace(self, **{name: getattr(self, name)[rows] for name in COLUMNS})


COLUMNS = tuple(one.name for one in fields(Blocks) if one.name != "block_s")


def to_blocks(
    region: np.ndarray,
    seconds: np.ndarray,
    hour_of_week: np.ndarray,
    active: np.ndarray,
    triggers: np.ndarray,
    window_s: float,
) -> Blocks:
    """Sum windows over blocks; `seconds` is the start of each since 1970."""
    length = max(BLOCK_S, window_s)
    number = np.floor(seconds / length).astype(np.int64)
    ones = np.ones(len(region))
    return _sums(
        region, number, (hour_of_week, ones, triggers, active, triggers, active), ones, length
    )


def _sums(
    region: np.ndarray,
    number: np.ndarray,
    columns: Sequence[np.ndarray],
    weight: np.ndarray,
    block_s: float,
) -> Blocks:
    """Merge rows of the same region and block."""
    hour, windows, triggers, devices, largest, largest_active = columns
    order = np.lexsort((largest, number, region))
    region, number = region[order], number[order]
    new = np.ones(len(order), bool)
    new[1:] = (np.diff(region) != 0) | (np.diff(number) != 0)
    first = np.flatnonzero(new)
    last = np.append(first[1:], len(order)) - 1

    def total(values: np.ndarray) -> np.ndarray:
        return np.add.reduceat(values[order], first) if len(first) else values

    middle = total(hour * weight) / np.maximum(total(weight), 1e-300)
    return Blocks(
        region=region[first].astype(np.int32),
        number=number[first],
        hour_of_week=middle.astype(np.float32),
        windows=total(windows).astype(np.float32),
        triggers=total(triggers).astype(np.float32),
        devices=total(devices).astype(np.float32),
        largest=largest[order][last].astype(np.float32),
        largest_active=largest_active[order][last].astype(np.float32),
        block_s=block_s,
    )


def merge_blocks(parts: Sequence[tuple[Blocks | None, np.ndarray]]) -> Blocks | None:
    """Merge the blocks of several histories, each with its new numbers of regions.

    None where a history has none: its order is unknown.
    """
    known = [(blocks, new) for blocks, new in parts if blocks is not None]
    if len(known) < len(parts) or len({blocks.block_s for blocks, _ in known}) != 1:
        return None

    def joined(name: str) -> Any:
        return np.concatenate([getattr(blocks, name) for blocks, _ in known])

    region = np.concatenate([new[blocks.region] for blocks, new in known])
    names = ("hour_of_week", "windows", "triggers", "devices", "largest", "largest_active")
    columns = [joined(name).astype(np.float64) for name in names]
    return _sums(region, joined("number"), columns, columns[1], known[0][0].block_s)
