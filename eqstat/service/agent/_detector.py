"""Streaming detector of one sensor: pre-warnings at a learned rate of false ones."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from eqstat._core.errors import InputError
from eqstat._core.explain import Explained, explained
from eqstat.service.agent._channel import BLOCK_S, Block, Channel, SensorStatus
from eqstat.service.agent._threshold import ThresholdLearner
from eqstat.waveform.packets import Packet

MOST_CHANNELS = 12
# Blocks after which a channel that sends nothing is not waited for.
PATIENCE_BLOCKS = 16
# Around an earthquake nothing is learned, s.
BEFORE_S, AFTER_S = 30.0, 180.0


@explained
class PreWarning(NamedTuple):
    """A sensor's claim that the ground shakes.

    Attributes
    ----------
    onset_s
        Begin of the motion, seconds since 1970.
    time_s
        End of the samples that were needed, seconds since 1970.
    statistic, threshold
        Natural logs of the power ratio and of its threshold.
    peak
        Largest sample so far after the filter, in the sensor's unit.

    Examples
    --------
    >>> PreWarning(10.0, 10.5, 4.0, 3.0, 12.5).time_s
    10.5
    """

    onset_s: float
    time_s: float
    statistic: float
    threshold: float
    peak: float


@dataclass(frozen=True)
class DetectorSettings(Explained):
    """Settings of a detector.

    Parameters
    ----------
    duration_s
        Motion must last so long within `window_s`: a step or a slammed door is shorter.
    window_s
        Length of the sliding window, s.
    decay
        Motion whose power has fallen by this factor within the window is a blow.
    low_hz, high_hz
        Band of the filter.
    full_scale
        Samples at or beyond this are clipped.

    Raises
    ------
    eqstat.InputError
        When a number is out of range.

    Examples
    --------
    >>> DetectorSettings(duration_s=0.75).window_s
    1.0
    """

    duration_s: float | int = 0.5
    window_s: float | int = 1.0
    decay: float | int = 30.0
    low_hz: float | int = 1.0
    high_hz: float | int = 15.0
    full_scale: float | int = math.inf

    def __post_init__(self) -> None:
        ranges = {
            "duration_s": (BLOCK_S, self.window_s),
            "window_s": (BLOCK_S, 10.0),
            "decay": (1.0, 1e9),
            "low_hz": (0.05, 20.0),
            "high_hz": (self.low_hz, 1000.0),
            "full_scale": (1e-12, math.inf),
        }
        for name, (low, high) in ranges.items():
            value = getattr(self, name)
            if not (isinstance(value, int | float) and low <= value <= high):
                raise InputError(f"{name} must be a number in [{low:g}, {high:g}], got {value!r}")


class Detector:
    r"""Detect motion in the packets of one sensor, with constant memory.

    Each channel is filtered to a band, and its power in blocks of an eighth of a second is divided
    by that of the noise of the last half minute. Channels of one instrument (names that agree but
    for the last letter, or single letters) are averaged, :math:`r_b`. With n blocks in the window
    and m in the duration, the statistic is

    .. math:: T_b = \log \text{ m-th largest of } r_{b-n+1}, \dots, r_b,

    which a blow shorter than the duration does not raise, however strong it is; it is not used
    while :math:`r_b` is below the largest of them by the factor `decay`. A pre-warning is given
    where T reaches the threshold of the learner, at most one in its `block_s`.

    Parameters
    ----------
    learner
        Threshold, and the record it is learned from.
    settings
        `DetectorSettings`.
    channels
        Names of the channels to use; by default all that come, twelve at most.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> noise = rng.normal(0, 5, 6000)
    >>> noise[4000:4300] += 100 * np.sin(np.arange(300) * 0.4)
    >>> detector = Detector(ThresholdLearner(1.0, start=4.0))
    >>> warned = []
    >>> for i in range(0, 6000, 25):
    ...     packet = Packet("", 1.8e9 + i / 100, 100.0, {"EHZ": noise[i : i + 25]})
    ...     warned += detector.feed(packet)
    >>> [round(w.onset_s - 1.8e9, 2) for w in warned]
    [40.0]
    """

    def __init__(
        self,
        learner: ThresholdLearner,
        settings: DetectorSettings | None = None,
        channels: tuple[str, ...] = (),
    ) -> None:
        settings = settings or DetectorSettings()
        self.learner, self.settings = learner, settings
        self._wanted = channels
        self._channels: dict[str, Channel] = {}
        self._groups: dict[str, _Group] = {}
        self._size = max(round(settings.window_s / BLOCK_S), 1)
        self._needed = max(round(settings.duration_s / BLOCK_S), 1)
        self._quiet_until_s = -math.inf
        self._period, self._top, self._covered = -1, -math.inf, 0
        self._closed: deque[tuple[float, float]] = deque(maxlen=4)
        self._excluded = (math.inf, -math.inf)
        self.last_status = SensorStatus.WARMING_UP
        self.happened = dict.fromkeys(SensorStatus, 0)
        self.last_s = math.nan

    @property
    def status(self) -> SensorStatus:
        """Present state of the sensor."""
        states = self._channels.values()
        if states and all(state.is_dead for state in states):
            return SensorStatus.DEAD
        if not any(state.is_warm for state in states):
            return SensorStatus.WARMING_UP
        return SensorStatus.OK if self.learner.is_learned else SensorStatus.LEARNING

    def feed(self, packet: Packet) -> list[PreWarning]:
        """Take a packet; return the pre-warnings it gives. Never raises on what packets hold."""
        if packet.problem:
            self._note(SensorStatus.UNREADABLE)
            return []
        warned: list[PreWarning] = []
        for name, samples in packet.channels.items():
            group = self._group(name)
            if group is None or not len(samples):
                self._note(SensorStatus.UNREADABLE)
                continue
            state = self._channels[name]
            blocks, status = state.feed(packet.start_s, packet.rate_hz, samples)
            self._note(status)
            if status == SensorStatus.CLOCK:
                self._forget_time()
            elif status == SensorStatus.GAP:
                group.recent.clear()
            for block in blocks:
                for number in group.add(name, block, is_warm=state.is_warm):
                    warned += self._judge(group, number)
        self.last_s = packet.start_s
        return warned

    def exclude(self, time_s: float) -> None:
        """Learn nothing from the minutes around an earthquake."""
        self._excluded = time_s - BEFORE_S, time_s + AFTER_S

    def _note(self, status: SensorStatus) -> None:
        self.last_status = status
        self.happened[status] += 1

    def _group(self, name: str) -> _Group | None:
        if name not in self._channels:
            if (self._wanted and name not in self._wanted) or (
                len(self._channels) >= MOST_CHANNELS
            ):
                return None
            settings = self.settings
            self._channels[name] = Channel(settings.low_hz, settings.high_hz, settings.full_scale)
            group = self._groups.setdefault(name[:-1], _Group(self._size))
            group.latest[name] = -1
        return self._groups[name[:-1]]

    def _forget_time(self) -> None:
        """Begin anew after the clock went back."""
        for group in self._groups.values():
            group.restart()
        self._quiet_until_s = -math.inf
        self._period, self._top, self._covered = -1, -math.inf, 0
        self._closed.clear()

    def _judge(self, group: _Group, number: int) -> list[PreWarning]:
        """Statistic of a group after a block, and whether it is a pre-warning."""
        ratios = [block.ratio for block in group.recent]
        if len(ratios) < self._needed:
            return []
        end_s = (number + 1) * BLOCK_S
        self._learn(end_s)
        ratio = sorted(ratios)[-self._needed]
        if ratios[-1] * self.settings.decay < max(ratios):
            return []
        statistic = math.log(max(ratio, 1e-9))
        self._top = max(self._top, statistic)
        threshold = self.learner.threshold(end_s)
        if statistic < threshold or end_s < self._quiet_until_s:
            return []
        self._quiet_until_s = end_s + self.learner.block_s
        raised = [block for block in group.recent if block.ratio >= ratio]
        peak = max(block.peak for block in raised)
        onset = raised[0].number * BLOCK_S
        return [PreWarning(onset, end_s, statistic, threshold, peak)]

    def _learn(self, end_s: float) -> None:
        length = self.learner.block_s
        period = int(end_s // length)
        if period != self._period:
            if self._period >= 0 and self._covered * BLOCK_S >= 0.5 * length:
                self._closed.append((self._period * length, self._top))
            # A block later, when an earthquake would be known.
            while self._closed and self._closed[0][0] < end_s - 2.0 * length:
                time_s, top = self._closed.popleft()
                first, last = self._excluded
                if not first <= time_s + length or not time_s <= last:
                    self.learner.add(time_s, top)
            self._period, self._top, self._covered = period, -math.inf, 0
        self._covered += 1


class _Group:
    """Channels of one instrument: blocks that wait for the others, and the last ratios."""

    def __init__(self, size: int) -> None:
        self.latest: dict[str, int] = {}
        self.recent: deque[Block] = deque(maxlen=size)
        self._waiting: dict[int, list[float]] = {}
        self._done = -1

    def restart(self) -> None:
        self.recent.clear()
        self._waiting.clear()
        self._done = -1
        self.latest = dict.fromkeys(self.latest, -1)

    def add(self, name: str, block: Block, *, is_warm: bool) -> Iterator[int]:
        """Add a channel's block; yield the numbers of blocks now complete, one by one."""
        self.latest[name] = block.number
        if is_warm and block.number > self._done:
            kept = self._waiting.setdefault(block.number, [0.0, 0.0, 0.0])
            kept[0] += block.ratio
            kept[1] += 1.0
            kept[2] = max(kept[2], block.peak)
        live = [n for n in self.latest.values() if n > block.number - PATIENCE_BLOCKS]
        for number in sorted(self._waiting):
            if number > min(live):
                break
            total, count, peak = self._waiting.pop(number)
            if self.recent and number > self.recent[-1].number + 4:
                self.recent.clear()
            self.recent.append(Block(number, total / count, peak))
            self._done = number
            yield number
