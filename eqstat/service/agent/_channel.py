"""One channel of a sensor: continuity, filter, power in short blocks, level of noise."""

from __future__ import annotations

import math
from collections import deque
from enum import IntEnum
from typing import NamedTuple

import numpy as np

from eqstat.service.agent._filter import BandPass

BLOCK_S = 0.125
WARM_UP_BLOCKS, SETTLE_BLOCKS = 80, 24
# Power of the noise: mean over the last half minute, a block counted at most four times the mean.
NOISE_BLOCKS, MOST_NOISE = 240, 4.0
# Blocks that are not yet counted as noise, as a wave may be among them.
LATE_BLOCKS = 12
DEAD_BLOCKS = 80
TOLERANCE_S = 0.1
OVERLAP_S = 60.0


class SensorStatus(IntEnum):
    """State of a sensor, or what happened to a packet of it.

    Attributes
    ----------
    OK
        It listens, with a learned threshold.
    LEARNING
        It listens; the threshold is the one given, as too little was recorded.
    WARMING_UP
        Too little was recorded since the start, or since a gap.
    GAP
        Samples are missing before this packet.
    CLOCK
        Time went back by more than a minute, or is far from that of this computer.
    DUPLICATE
        All samples of this packet were there before.
    CLIPPED
        Samples are at the end of the sensor's range; it listens.
    DEAD
        All samples are equal.
    SILENT
        No packets come.
    UNREADABLE
        The packet cannot be read, or is of a channel that is not listened to.

    Examples
    --------
    >>> SensorStatus(3).name
    'GAP'
    """

    OK = 0
    LEARNING = 1
    WARMING_UP = 2
    GAP = 3
    CLOCK = 4
    DUPLICATE = 5
    CLIPPED = 6
    DEAD = 7
    SILENT = 8
    UNREADABLE = 9


class Block(NamedTuple):
    """Power of a short block: its number since 1970, ratio to the noise, and largest sample."""

    number: int
    ratio: float
    peak: float


class Channel:
    """Power of one channel relative to its noise, in blocks of an eighth of a second.

    Memory does not grow: the state is a filter, a level of noise, and the sum of a block.
    """

    def __init__(self, low_hz: float, high_hz: float, full_scale: float) -> None:
        self._band = low_hz, high_hz
        self._full_scale = full_scale
        self._filter: BandPass | None = None
        self._next_s = math.nan
        self._quantum = math.inf
        self._noise, self._blocks = 0.0, 0
        self._restart()

    def _restart(self) -> None:
        """Begin anew after a gap; the noise that is known stays."""
        self._number, self._sum, self._size, self._peak = -1, 0.0, 0, 0.0
        self._still = 0
        self._waiting: deque[float] = deque(maxlen=LATE_BLOCKS)
        self._settle = SETTLE_BLOCKS
        if self._filter is not None:
            self._filter.reset()

    @property
    def is_warm(self) -> bool:
        """Whether ratios can be trusted."""
        return self._settle <= 0 and self._blocks >= WARM_UP_BLOCKS and not self.is_dead

    @property
    def is_dead(self) -> bool:
        """Whether all samples were equal for ten seconds."""
        return self._still >= DEAD_BLOCKS

    def feed(
        self, start_s: float, rate_hz: float, samples: np.ndarray
    ) -> tuple[list[Block], SensorStatus]:
        """Take the next samples; return the blocks that they complete and what happened."""
        status = SensorStatus.OK
        if self._filter is None or abs(rate_hz / self._filter.rate_hz - 1) > 0.02:
            self._filter = BandPass(rate_hz, *self._band)
            self._restart()
            self._noise, self._blocks, self._next_s = 0.0, 0, math.nan
        elif start_s < self._next_s - OVERLAP_S:
            status = SensorStatus.CLOCK
            self._restart()
        elif start_s > self._next_s + max(TOLERANCE_S, 2 / rate_hz):
            status = SensorStatus.GAP
            self._restart()
        elif start_s < self._next_s - max(TOLERANCE_S, 2 / rate_hz):
            first = round((self._next_s - start_s) * rate_hz)
            if first >= len(samples):
                return [], SensorStatus.DUPLICATE
            samples, start_s = samples[first:], start_s + first / rate_hz
        self._next_s = start_s + len(samples) / rate_hz
        steps = np.abs(np.diff(samples))
        steps = steps[steps > 0]
        if len(steps):
            self._quantum = min(self._quantum, float(steps.min()))
        signal = self._filter(samples)
        if self._is_clipped(samples, signal) and status == SensorStatus.OK:
            status = SensorStatus.CLIPPED
        return self._blocks_of(start_s, rate_hz, signal), status

    def _is_clipped(self, samples: np.ndarray, signal: np.ndarray) -> bool:
        size = np.abs(samples)
        top = float(size.max())
        if top >= self._full_scale:
            return True
        # Four samples at the same extreme, far above the noise.
        strong = float(np.abs(signal).max()) > 30.0 * math.sqrt(self._noise) > 0
        return strong and int(np.sum(size == top)) >= 4

    def _blocks_of(self, start_s: float, rate_hz: float, signal: np.ndarray) -> list[Block]:
        times = start_s + np.arange(len(signal) + 1) / rate_hz
        # A block is complete as soon as the next sample would lie beyond it.
        times[-1] += 1e-6
        numbers = np.floor(times / BLOCK_S).astype(np.int64)
        edges = np.flatnonzero(np.diff(numbers)) + 1
        done = []
        begin = 0
        for end in [*edges.tolist(), len(signal)]:
            if end > begin:
                part, number = signal[begin:end], int(numbers[begin])
                if number != self._number:
                    self._number, self._sum, self._size, self._peak = number, 0.0, 0, 0.0
                self._sum += float(part @ part)
                self._size += len(part)
                self._peak = max(self._peak, float(np.abs(part).max()))
                begin = end
            if self._size and numbers[end] > self._number:
                done.append(self._close())
        return done

    def _close(self) -> Block:
        energy = self._sum / self._size
        block = Block(self._number, energy / max(self._noise, self._floor()), self._peak)
        self._size = 0
        if energy <= self._floor() * 1e-6:
            self._still += 1
        else:
            if self.is_dead:  # it lives again, with another level of noise
                self._blocks, self._settle = 0, SETTLE_BLOCKS
            self._still = 0
        if self._settle > 0:
            self._settle -= 1
            return block
        if len(self._waiting) == LATE_BLOCKS:
            self._learn(self._waiting[0])
        elif self._blocks == 0:
            self._learn(energy)
        self._waiting.append(energy)
        return block

    def _learn(self, energy: float) -> None:
        self._blocks = min(self._blocks + 1, NOISE_BLOCKS)
        if self._blocks > WARM_UP_BLOCKS // 4:
            energy = min(energy, MOST_NOISE * self._noise)
        self._noise += (energy - self._noise) / self._blocks

    def _floor(self) -> float:
        """Power of rounding, below which noise is not known."""
        return self._quantum**2 / 12.0 if self._quantum < math.inf else 1e-30
