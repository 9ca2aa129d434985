"""Devices of a service: who is active, how its clock goes, how often it may speak."""

from __future__ import annotations

import math
from collections import Counter
from enum import IntEnum
from typing import Any, NamedTuple

import numpy as np

from eqstat.service._config import Devices
from eqstat.service._protocol._messages import Message

# A clock that is ahead is seen at once, for no message comes before it was sent. One that is behind
# looks like a slow network: only a lag that never was shorter in so many messages is one.
LEAST_LAG_S, LAG_MESSAGES, AHEAD_S = 3.0, 5, 0.5
# Offsets beyond this need as many messages, too.
SURE_OFFSET_S = 10.0
# Clocks drift: a lag that was seen counts for less with time, s per s.
DRIFT = 1e-4


class Fate(IntEnum):
    """What became of a message.

    Attributes
    ----------
    TAKEN
        Trigger that counts.
    SIGN_OF_LIFE
        Birth, keep-alive, pre-warning or death.
    UNREADABLE
        Not a message; see its status.
    UNKNOWN
        Of a device that is in no region.
    RATE
        Of a device that speaks too often.
    LATE
        Trigger of too long ago.
    CLOCK
        Trigger of the future, or of a clock that is not known well enough.
    REPEATED
        Trigger within the dead time of its device, or one that came before.
    ALARM
        Alarm of another service, or this one's own.

    Examples
    --------
    >>> Fate(4).name
    'RATE'
    """

    TAKEN = 0
    SIGN_OF_LIFE = 1
    UNREADABLE = 2
    UNKNOWN = 3
    RATE = 4
    LATE = 5
    CLOCK = 6
    REPEATED = 7
    ALARM = 8


class Taken(NamedTuple):
    """Fate of a message, and for a trigger its device, time (UTC, corrected) and peak."""

    fate: Fate
    device: int = -1
    time_s: float = math.nan
    peak_m_s2: float = math.nan


ARRAYS = ("active", "heard_s", "keep_alive_s", "lag_s", "lag_at_s", "lags", "trigger_s", "number",
          "tokens", "tokens_at_s")  # fmt: skip


class Registry:
    """All devices of a service, in arrays of fixed size.

    Attributes
    ----------
    names
        Names of the devices.
    active
        Whether each is active, (devices,).
    fates
        How many messages had each fate.
    """

    def __init__(self, names: list[str], options: Devices, *, dead_time_s: float) -> None:
        self.names, self.options, self.dead_time_s = names, options, dead_time_s
        self._index = {name: index for index, name in enumerate(names)}
        count = len(names)
        self.active = np.full(count, options.always_active)
        self.heard_s = np.full(count, -np.inf)
        self.keep_alive_s = np.full(count, float(options.keep_alive_s))
        self.lag_s = np.full(count, np.inf)
        self.lag_at_s = np.zeros(count)
        self.lags = np.zeros(count, np.int64)
        self.trigger_s = np.full(count, -np.inf)
        self.number = np.full(count, -1, np.int64)
        self.tokens = np.full(count, float(options.burst))
        self.tokens_at_s = np.zeros(count)
        self.fates: Counter[str] = Counter()

    def take(self, message: Message, received_s: float) -> Taken:
        """Take a message; never raises.

        Parameters
        ----------
        message
            From `parse`.
        received_s
            When it came, s after 1970, by the clock of the service.
        """
        taken = self._taken(message, received_s)
        self.fates[taken.fate.name] += 1
        return taken

    def _taken(self, message: Message, received_s: float) -> Taken:
        if message.status != 0:
            return Taken(Fate.UNREADABLE)
        if message.kind == "alarm":
            return Taken(Fate.ALARM)
        device = self._index.get(message.name, -1)
        if device < 0:
            return Taken(Fate.UNKNOWN)
        if not self._may_speak(device, received_s):
            return Taken(Fate.RATE, device)
        self.heard_s[device] = received_s
        sent_s = message.get("sent_s")
        self._learn_clock(device, sent_s, received_s)
        if message.kind == "death":
            self.active[device] = self.options.always_active
            return Taken(Fate.SIGN_OF_LIFE, device)
        self.active[device] = True
        if message.kind == "birth":
            period = message.get("keep_alive_s")
            self.keep_alive_s[device] = self.options.keep_alive_s if math.isnan(period) else period
            self.number[device] = -1
        if message.kind != "trigger":
            return Taken(Fate.SIGN_OF_LIFE, device)
        return self._trigger(device, message, received_s)

    def _trigger(self, device: int, message: Message, received_s: float) -> Taken:
        offset_s = self.offset_s(device)
        if math.isnan(offset_s):
            return Taken(Fate.CLOCK, device)
        time_s = message.get("time_s") + offset_s
        if time_s > received_s + AHEAD_S:
            return Taken(Fate.CLOCK, device)
        if time_s < received_s - min(self.options.largest_lateness_s, self.dead_time_s):
            return Taken(Fate.LATE, device)
        number = message.values.get("number")
        # In the order of their coming; the same number again, or a time within the dead time before
        # or after the last trigger, is the same shaking.
        if number is not None and int(number) == self.number[device]:
            return Taken(Fate.REPEATED, device)
        if abs(time_s - self.trigger_s[device]) < self.dead_time_s:
            return Taken(Fate.REPEATED, device)
        self.trigger_s[device] = time_s
        if number is not None:
            self.number[device] = int(number)
        return Taken(Fate.TAKEN, device, min(time_s, received_s), message.get("pga_m_s2"))

    def offset_s(self, device: int) -> float:
        r"""What to add to times of a device, s; NaN where its clock is not known well enough.

        Each message that says when it was sent came after a lag, the offset of the clock plus the
        time on its way, which is never negative; the least lag is an upper bound of the offset. It
        is used where the clock is ahead (the least lag is below $-0.5$ s), or where five messages
        or more all had lags of above 3 s; otherwise the clock is taken to be right.
        """
        lag = self.lag_s[device]
        known = self.lags[device] >= LAG_MESSAGES
        if -AHEAD_S <= lag <= LEAST_LAG_S or not np.isfinite(lag) or (lag > 0 and not known):
            return 0.0
        return float(lag) if known or abs(lag) <= SURE_OFFSET_S else math.nan

    def _learn_clock(self, device: int, sent_s: float, received_s: float) -> None:
        if math.isnan(sent_s):
            return
        lag = received_s - sent_s
        aged = self.lag_s[device] + DRIFT * max(received_s - self.lag_at_s[device], 0.0)
        self.lag_s[device] = min(lag, aged)
        self.lag_at_s[device] = received_s
        self.lags[device] += 1

    def _may_speak(self, device: int, received_s: float) -> bool:
        """Token bucket of a device."""
        passed = max(received_s - self.tokens_at_s[device], 0.0)
        gained = passed * self.options.messages_per_minute / 60
        tokens = min(self.tokens[device] + gained, float(self.options.burst))
        self.tokens_at_s[device] = received_s
        self.tokens[device] = max(tokens - 1.0, 0.0) if tokens >= 1 else tokens
        return bool(tokens >= 1)

    def expire(self, now_s: float) -> None:
        """Devices that were not heard for several keep-alives are no longer active."""
        if not self.options.always_active:
            limit = self.options.missed_keep_alives * self.keep_alive_s
            self.active &= now_s - self.heard_s <= limit

    def arrays(self) -> dict[str, np.ndarray]:
        """State as copies of arrays, for a snapshot."""
        return {name: getattr(self, name).copy() for name in ARRAYS}

    def restore(self, arrays: Any) -> None:
        """Take the state of a snapshot, device by device of the same name."""
        known = {str(name): index for index, name in enumerate(arrays["names"])}
        pairs = [(i, known[name]) for i, name in enumerate(self.names) if name in known]
        if pairs:
            own, theirs = (np.array(side) for side in zip(*pairs, strict=True))
            for name in ARRAYS:
                getattr(self, name)[own] = arrays[name][theirs]
