"""Alarms of a detector: several earthquakes at a time, told apart by origin and place.

The posterior of a step allows for one earthquake at a time. While the alarm of one is in progress,
the triggers at which its P or S was due are set aside, with their devices, and a posterior of the
others alone says whether there is another earthquake.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import jax
import jax.numpy as jnp
import numpy as np

from eqstat._core.explain import Explained
from eqstat.detection._detector import Detector
from eqstat.detection._sequential import step
from eqstat.detection._state import Report, State, init
from eqstat.velocity import surface_point

# A trigger is explained by a phase that was due at most this long before or after it, s, and this
# share of the travel time, and three standard deviations of the arrival and of the place.
WITHIN_S, WITHIN_SHARE, REACH = 4.0, 0.05, 3.0
# An alarm explains nothing from the first ring of this width on, km, in which with at least so many
# devices the share that triggered is less than this part of the share nearer to it.
RING_KM, RING_LEAST, FEWER = 25.0, 8, 0.25
# Two alarms are one earthquake where neither arrival nor place differ by more than this and three
# standard deviations of both.
SAME_S, SAME_KM = 4.0, 15.0
# Fewer triggers than this are no other earthquake.
LEAST = 3
P_KM_S = 6.0


@dataclass
class Alarm(Explained):
    """An alarm, with the step of its greatest evidence.

    Attributes
    ----------
    began_s
        Step at which it began, s after the epoch.
    began
        Report of that step.
    last_s
        Last step at which its conditions held, s after the epoch.
    state, report
        At the step of the greatest evidence, without the triggers of other alarms.
    probability
        Probability of an earthquake at the last look, without the triggers of other alarms.
    triggers
        Number of triggers at the last look that other alarms do not explain.

    Examples
    --------
    See `Alarms`.
    """

    began_s: float
    began: Report
    last_s: float
    state: State
    report: Report
    probability: float
    triggers: int = -1

    @property
    def evidence(self) -> float:
        """Greatest log Shiryaev-Roberts statistic."""
        return float(self.report.log_shiryaev_roberts[0])

    def moments(self) -> tuple[np.ndarray, np.ndarray]:
        """Means and standard deviations of east, north (km) and the arrival of P (s)."""
        return moments(self.state, self.report)


def moments(state: State, report: Report) -> tuple[np.ndarray, np.ndarray]:
    """Means and standard deviations of east, north (km) and the arrival of P (s)."""
    arrival = float(state.now_s) + float(report.arrival_s)
    mean = np.array([float(report.east_km), float(report.north_km), arrival])
    return mean, np.array([*np.asarray(report.sd_km)[:2], float(report.arrival_sd_s)])


@dataclass
class Alarms(Explained):
    """Alarms so far; `update` after each step.

    The posterior of a step allows for one earthquake at a time. While the alarm of one is in
    progress, the triggers at which its P or S was due are set aside, with their devices, and a
    posterior of the others alone says whether there is another earthquake.

    Attributes
    ----------
    detector
        The detector.
    log_threshold
        Of the Shiryaev-Roberts statistic, from `shiryaev_roberts_threshold`.
    least_probability
        Smallest probability of an earthquake for an alarm.
    most_triggers
        Where more devices than this triggered within the dead time, earthquakes are not told apart:
        a posterior of the others alone takes time for each of them.
    all
        Alarms in the order of their beginning; those that are over may be removed.

    Examples
    --------
    >>> import pandas as pd
    >>> from eqstat.detection import detector, init, step
    >>> from eqstat.detection.causes import network_burst
    >>> network = pd.DataFrame({"latitude": [1.0, 1.1], "longitude": [2.0, 2.1]})
    >>> watch = detector(network, causes=(network_burst(),))
    >>> alarms = Alarms(watch, log_threshold=15.0, least_probability=0.9)
    >>> alarms.update(*step(watch, init(watch, now_s=0.0), now_s=1.0))
    []
    """

    detector: Detector
    log_threshold: float
    least_probability: float
    most_triggers: float = np.inf
    all: list[Alarm] = field(default_factory=list)
    _judged: int = 0

    def update(self, state: State, report: Report) -> list[Alarm]:
        """Begin an alarm, or update those in progress.

        Parameters
        ----------
        state, report
            What `step` gives, of all triggers.

        Returns
        -------
        list of Alarm
            Those in progress: their conditions held within the dead time.
        """
        now = float(state.now_s)
        current = [each for each in self.all if now - each.last_s <= self.detector.dead_time_s]
        if not current:
            return [self._begun(state, report)] if self._is_alarm(report) else []
        since = np.asarray(state.trigger_s, np.float64)
        device = np.flatnonzero(np.isfinite(since))
        if len(device) > self.most_triggers:
            explained = np.ones((len(current), len(device)), bool)
        else:
            explained = np.stack([self._explained(one, state)[device] for one in current])
        for number, one in enumerate(current):
            of_others = np.delete(explained, number, axis=0).any(axis=0) & ~explained[number]
            count = int(np.sum(~of_others))
            # Its hypotheses have left the slots, or nothing new has come.
            if self._is_past(one, now) or (of_others.any() and count == one.triggers):
                continue
            one.triggers = count
            own = self._without(state, device[of_others]) if of_others.any() else (state, report)
            one.probability = float(own[1].probability[0])
            if not self._is_alarm(own[1]) or not _same(moments(*own), one.moments()):
                continue
            one.last_s = now
            if float(own[1].log_shiryaev_roberts[0]) > one.evidence:
                one.state, one.report = own
        others = device[~explained.any(axis=0)]
        if len(others) >= LEAST and len(others) != self._judged:
            rest, judged = self._without(state, np.setdiff1d(device, others))
            own = moments(rest, judged)
            if self._is_alarm(judged) and not any(_same(own, one.moments()) for one in current):
                current.append(self._begun(rest, judged))
        self._judged = len(others)
        return current

    def _begun(self, state: State, report: Report) -> Alarm:
        now = float(state.now_s)
        self.all.append(Alarm(now, report, now, state, report, float(report.probability[0])))
        return self.all[-1]

    def _is_past(self, alarm: Alarm, now_s: float) -> bool:
        cause = self.detector.causes[0]
        return bool(now_s - alarm.moments()[0][2] > cause.slots * cause.slot_s)

    def _is_alarm(self, report: Report) -> bool:
        return (
            float(report.log_shiryaev_roberts[0]) >= self.log_threshold
            and float(report.probability[0]) >= self.least_probability
        )

    def _explained(self, alarm: Alarm, state: State) -> np.ndarray:
        """Return which devices triggered when P or S of an alarm was due, (devices,)."""
        cause, (mean, sd) = self.detector.causes[0], alarm.moments()
        place = np.array([float(x) for x in surface_point(*jnp.asarray(mean[:2]))])
        position = np.asarray(self.detector.core.position, np.float64)
        away, depth = np.linalg.norm(position - place, axis=1), float(alarm.report.depth_km)
        delay = float(np.asarray(cause.nodes.delay_s) @ np.asarray(cause.nodes.weight))
        start = mean[2] - float(cause.vertical_s(depth)) + delay
        sure = np.hypot(sd[2], np.hypot(*sd[:2]) / P_KM_S)
        now = float(state.now_s)
        time_s = now + np.asarray(state.trigger_s, np.float64)
        travel = [
            np.asarray(phase, np.float64) for phase in cause.travel_s(jnp.asarray(away), depth)
        ]
        passed = np.asarray(state.active) & (start + travel[0] + WITHIN_S < now)
        result = np.zeros(len(away), bool)
        for due in travel:
            within = WITHIN_S + WITHIN_SHARE * due + REACH * sure
            result |= np.abs(time_s - start - due) <= within
        return result & (away < _felt_km(away, passed, result & passed))

    def _without(self, state: State, left_out: np.ndarray) -> tuple[State, Report]:
        """State and report as if some devices were not active."""
        now, dead_time_s = float(state.now_s), self.detector.dead_time_s
        active = np.asarray(state.active).copy()
        active[left_out] = False
        since = np.asarray(state.trigger_s, np.float64)
        device = np.flatnonzero(np.isfinite(since) & active & (since > -dead_time_s))
        begun = init(self.detector, now - dead_time_s, active=active)
        begun = begun._replace(background_counts=state.background_counts)
        new, report = step(self.detector, begun, now, device, now + since[device])
        return new, jax.device_get(report)


def _felt_km(away_km: np.ndarray, passed: np.ndarray, triggered: np.ndarray) -> float:
    """Distance from which on hardly any device triggered though P had passed; may be infinite."""
    nearer, hits_nearer = 0, 0
    ring = (away_km / RING_KM).astype(int)
    for number in range(int(ring.max()) + 1):
        here = ring == number
        count, hits = int(np.sum(here & passed)), int(np.sum(here & triggered))
        enough = count >= RING_LEAST and nearer >= RING_LEAST
        if enough and hits / count < FEWER * hits_nearer / nearer:
            return number * RING_KM
        nearer, hits_nearer = nearer + count, hits_nearer + hits
    return np.inf


def _same(one: tuple[np.ndarray, np.ndarray], two: tuple[np.ndarray, np.ndarray]) -> bool:
    """Whether two sets of moments may be of one earthquake."""
    apart, sd = np.abs(one[0] - two[0]), np.hypot(one[1], two[1])
    near = np.hypot(*apart[:2]) <= SAME_KM + REACH * np.hypot(*sd[:2])
    return bool(near and apart[2] <= SAME_S + REACH * sd[2])
