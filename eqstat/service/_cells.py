"""Counts of triggers in overlapping cells: the first, cheap scorer of a region."""

from __future__ import annotations

from collections import deque
from typing import Any, NamedTuple

import numpy as np

from eqstat.edge import Answer
from eqstat.geodesy import LocalFrame

# Four grids, each shifted by half a cell, so that an epicentre is near the middle of one of them.
SHIFTS = ((0.0, 0.0), (0.5, 0.0), (0.0, 0.5), (0.5, 0.5))
# How long the count that is known not to be an alarm is kept: rates change with the hour.
KEEP_S = 60.0


class Fired(NamedTuple):
    """A count that is above its threshold.

    Attributes
    ----------
    latitude, longitude
        Middle of the cell, degrees.
    triggers, active
        Devices that triggered within the window, and active ones.
    false_alarm_rate_per_year
        Of a rule with this count as threshold, in this cell.
    """

    latitude: float
    longitude: float
    triggers: int
    active: int
    false_alarm_rate_per_year: float


class Cells:
    """Counts of the cells of a region; the state has a fixed size but for the window's triggers.

    Attributes
    ----------
    of_device
        Cells of each device, (devices, 4).
    scorer
        Scorer of counts, which may depend on the size of the cells: to be set before the first
        trigger.
    """

    def __init__(
        self,
        latitude: np.ndarray,
        longitude: np.ndarray,
        *,
        cell_km: float,
        window_s: float,
        utc_offset_h: float,
    ) -> None:
        self.window_s, self.utc_offset_h = window_s, utc_offset_h
        self.scorer: Any = None
        frame = LocalFrame.around(latitude, longitude)
        local = np.stack(frame.to_local(latitude, longitude), axis=1) / cell_km
        keys = np.concatenate(
            [
                np.column_stack([np.full(len(local), i), np.floor(local - shift).astype(int)])
                for i, shift in enumerate(np.array(SHIFTS))
            ]
        )
        unique, which = np.unique(keys, axis=0, return_inverse=True)
        self.of_device = which.reshape(len(SHIFTS), -1).T.copy()
        middle = (unique[:, 1:] + 0.5 + np.array(SHIFTS)[unique[:, 0]]) * cell_km
        place = frame.to_geographic(middle[:, 0], middle[:, 1])
        self._place = [np.asarray(x).tolist() for x in place]
        self._cells = self.of_device.tolist()
        self._times: list[deque[float]] = [deque() for _ in unique]
        self._safe, self._safe_until = [0] * len(unique), 0.0
        self._active = np.zeros(len(unique), int).tolist()

    @property
    def largest(self) -> int:
        """Devices of the largest cell."""
        return int(np.bincount(self.of_device.ravel()).max())

    def set_active(self, active: np.ndarray) -> None:
        """Count the active devices of the cells anew."""
        chosen = self.of_device[np.flatnonzero(active)].ravel()
        self._active = np.bincount(chosen, minlength=len(self._times)).tolist()
        self._safe_until = 0.0

    def take(self, device: int, time_s: float, now_s: float) -> Fired | None:
        """Count a trigger, and score the cells of its device; the strongest that fires.

        Parameters
        ----------
        device
            Number of the device in the region.
        time_s, now_s
            Time of its trigger, and the present, s after 1970.
        """
        if now_s > self._safe_until:
            self._safe, self._safe_until = [0] * len(self._safe), now_s + KEEP_S
        begin, best = now_s - self.window_s, None
        for cell in self._cells[device]:
            times = self._times[cell]
            if time_s > begin:
                times.append(time_s)
            while times and times[0] <= begin:
                times.popleft()
            count = len(times)
            if count <= self._safe[cell]:
                continue
            active = max(self._active[cell], count)
            answer = self._score(count, active, now_s)
            if not answer.margin >= 0:
                self._safe[cell] = count
                continue
            rate = float(answer.false_alarm_rate_per_year)
            if best is None or rate < best.false_alarm_rate_per_year:
                middle = self._place[0][cell], self._place[1][cell]
                best = Fired(*middle, count, active, rate)
        return best

    def content(self) -> np.ndarray:
        """Triggers of the windows, for a snapshot: cell and time, (triggers, 2)."""
        kept = [(cell, time) for cell, times in enumerate(self._times) for time in times]
        return np.array(kept, np.float64).reshape(-1, 2)

    def restore(self, content: np.ndarray) -> None:
        """Take the triggers of a snapshot."""
        self._times = [deque() for _ in self._times]
        for cell, time in content.tolist():
            self._times[int(cell)].append(time)

    def _score(self, count: int, active: int, now_s: float) -> Answer:
        local_h = now_s / 3600 + self.utc_offset_h
        day = int(local_h // 24 + 3) % 7  # 1970 began on a Thursday
        return self.scorer.score(count, active, local_h % 24, 0, day)
