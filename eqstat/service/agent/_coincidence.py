"""Coincidence of pre-warnings: as they come, and of a whole record."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from eqstat._core.errors import InputError
from eqstat._core.explain import explained
from eqstat.edge import Answer, Status

# Times farther from now are of a clock that is wrong, s.
MOST_AHEAD_S, MOST_LATE_S = 5.0, 60.0
MISSED_KEEP_ALIVES = 3.0


@explained
class Coincidence(NamedTuple):
    """Answer to the pre-warnings of a frame.

    Attributes
    ----------
    time_s
        End of the frame: the newest pre-warning in it, seconds since 1970.
    sensors
        Sensors that pre-warned within the frame, in their order.
    answer
        Of the scorer, `eqstat.edge.Answer`.
    is_alarm
        Whether they are enough, and the first within the quiet time.

    Examples
    --------
    >>> Coincidence(10.0, ("roof",), Answer(margin=-2.0), False).sensors
    ('roof',)
    """

    time_s: float
    sensors: tuple[str, ...]
    answer: Answer
    is_alarm: bool


class CoincidenceWatch:
    """Score the pre-warnings of a few sensors as they come, with constant memory.

    Each pre-warning is scored with those of other sensors in the frame before it, as
    `coincidences_of` does with a whole record; a pre-warning that comes late is scored in the
    frame of the newest one. This is the scheme of Earthcloud: every sensor hears the others, and
    decides by itself.

    Parameters
    ----------
    scorer
        `eqstat.edge.Coincidence`, or another with its `score`.
    sensors
        Names of the sensors, in the order of the scorer.
    frame_s
        Length of the frame, s: that of the scorer.
    quiet_s
        No second alarm within this time after one, s.
    keep_alive_s
        Sensors that said nothing for three times this do not listen, s.

    Raises
    ------
    eqstat.InputError
        When the scorer is of another number of sensors.

    References
    ----------
    Klapez, Grazia, Zennaro, Cozzani and Casoni (2019), Wireless Communications and Mobile
    Computing, 6206854, doi:10.1155/2019/6206854.

    Examples
    --------
    >>> from eqstat import edge, realtime
    >>> from eqstat.counts.coincidence import Sensors
    >>> sensors = Sensors.alike(3, rate_per_h=0.5, prior_hours=1000.0)
    >>> scorer = edge.load(realtime.to_bytes(realtime.CoincidenceScorer.init(sensors, frame_s=2.0)))
    >>> watch = CoincidenceWatch(scorer, ("a", "b", "c"), 2.0)
    >>> for number, name in enumerate("abc"):
    ...     watch.alive(name, 100.0)
    ...     result = watch.add(name, 100.0 + 0.5 * number, now_s=101.0)
    >>> result.is_alarm, round(result.answer.earthquake_probability, 4)
    (True, 0.9999)
    """

    def __init__(
        self,
        scorer: Any,
        sensors: tuple[str, ...],
        frame_s: float,
        *,
        quiet_s: float = 60.0,
        keep_alive_s: float = 30.0,
    ) -> None:
        _check_width(scorer, sensors)
        self._scorer, self._sensors, self._frame_s = scorer, sensors, frame_s
        self._quiet_s, self._patience_s = quiet_s, MISSED_KEEP_ALIVES * keep_alive_s
        self._warned = np.full(len(sensors), -math.inf)
        self._heard = np.full(len(sensors), -math.inf)
        self._newest = -math.inf
        self._alarmed = -math.inf

    def alive(self, sensor: str, now_s: float) -> None:
        """Note that a sensor was heard."""
        if sensor in self._sensors:
            self._heard[self._sensors.index(sensor)] = now_s

    def gone(self, sensor: str) -> None:
        """Note that a sensor listens no more."""
        if sensor in self._sensors:
            self._heard[self._sensors.index(sensor)] = -math.inf

    def listening(self, now_s: float) -> np.ndarray:
        """Which sensors listen, (sensors,)."""
        return np.abs(now_s - self._heard) <= self._patience_s

    def add(self, sensor: str, time_s: float, now_s: float) -> Coincidence | None:
        """Score a pre-warning.

        Parameters
        ----------
        sensor
            Who pre-warns.
        time_s
            Begin of the motion, seconds since 1970.
        now_s
            Present time, seconds since 1970.

        Returns
        -------
        Coincidence or None
            None for a sensor that is not among them, and for a time that is far from now.
        """
        if sensor not in self._sensors or not -MOST_AHEAD_S <= now_s - time_s <= MOST_LATE_S:
            return None
        at = self._sensors.index(sensor)
        self._warned[at] = max(self._warned[at], time_s)
        self.alive(sensor, now_s)
        if not self._newest <= now_s + MOST_AHEAD_S:
            self._newest = -math.inf  # the clock of this computer went back
        self._newest = max(self._newest, time_s)
        on = (self._warned > self._newest - self._frame_s) & (self._warned <= self._newest)
        answer = self._scorer.score(on, self.listening(now_s) | on)
        is_alarm = bool(answer.margin >= 0) and abs(now_s - self._alarmed) > self._quiet_s
        if is_alarm:
            self._alarmed = now_s
        names = tuple(name for name, given in zip(self._sensors, on, strict=True) if given)
        return Coincidence(self._newest, names, answer, is_alarm)


def coincidences_of(
    scorer: Any,
    sensors: tuple[str, ...],
    frame_s: float,
    names: list[str],
    time_s: np.ndarray,
    listening: Any = None,
) -> tuple[np.ndarray, Answer]:
    """Score all pre-warnings of a record at once, each with those in the frame before it.

    Parameters
    ----------
    scorer, sensors, frame_s
        As of `CoincidenceWatch`.
    names, time_s
        Sensor and time of each pre-warning, (n,), in the order of time.
    listening
        Which sensors listened, (sensors,) or (n, sensors); all by default.

    Returns
    -------
    numpy.ndarray, Answer
        Which sensors pre-warned in each frame, (n, sensors), and the answers, (n,).

    Raises
    ------
    eqstat.InputError
        When times are not in their order, or a sensor is not among them.

    Examples
    --------
    See `CoincidenceWatch`.
    """
    _check_width(scorer, sensors)
    time_s = np.asarray(time_s, float)
    unknown = set(names) - set(sensors)
    if unknown or not np.all(np.diff(time_s) >= 0) or len(names) != len(time_s):
        raise InputError(
            f"coincidences_of: needs times in their order, one for each name, of {list(sensors)}"
        )
    which = np.array([sensors.index(name) for name in names], int)
    on = np.zeros((len(names), len(sensors)), bool)
    first = np.searchsorted(time_s, time_s - frame_s, side="right")
    last = np.searchsorted(time_s, time_s, side="right")
    for row, (begin, end) in enumerate(zip(first, last, strict=True)):
        on[row, which[begin:end]] = True
    heard = np.ones(len(sensors), bool) if listening is None else np.asarray(listening, bool)
    return on, scorer.score(on, np.broadcast_to(heard, on.shape) | on)


def _check_width(scorer: Any, sensors: tuple[str, ...]) -> None:
    if scorer.score(np.zeros(len(sensors))).status == Status.BAD_INPUT:
        raise InputError(f"coincidence: the scorer is not of {len(sensors)} sensors")
