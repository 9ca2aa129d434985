"""Scorer of the sequential posterior: state, step, answer; and snapshots of the state."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from scipy import special

import eqstat
from eqstat import detection, edge
from eqstat._core.checks import check_kind, check_probability, check_range
from eqstat._core.constants import YEAR_S
from eqstat._core.errors import InputError
from eqstat._core.explain import Explained, explained
from eqstat.detection import Detector, Report, State
from eqstat.edge import Answer, ArtefactError, Calibration, Status, numbers
from eqstat.realtime._container import packed, replace_file
from eqstat.realtime._protocol import BUCKETS

MOST_TRIGGERS = BUCKETS[-1]
KIND = "detector state"


@explained
class Step(NamedTuple):
    """What a step gives.

    Attributes
    ----------
    state
        State for the next step; the one that was given where the status is BAD_INPUT, TOO_MANY or
        CLOCK.
    answer
        Probability of an earthquake, nominal rate of false alarms, margin, status.
    report
        Report of `eqstat.detection.step`; None where there was no step.

    Examples
    --------
    See `SequentialScorer`.
    """

    state: State
    answer: Answer
    report: Report | None


@dataclass(frozen=True)
class SequentialScorer(Explained):
    r"""Step the sequential posterior of a detector through whatever arrives.

    An answer has `earthquake_probability`; `false_alarm_rate_per_year`, the nominal rate of a rule
    that alarms at this Shiryaev-Roberts statistic, $\text{year} / (\text{slot} \cdot R)$; and as
    `margin` the smaller of what the log statistic and the log odds of an earthquake are above
    their thresholds, so that there is an alarm where it is not negative, as in
    `eqstat.detection.replay`. The step is compiled once for all numbers of triggers.

    Attributes
    ----------
    detector
        From `eqstat.detection.detector`.
    log_threshold
        Of the Shiryaev-Roberts statistic.
    least_probability
        Smallest probability of an earthquake for an alarm.
    largest_gap_s
        The clock may not jump ahead by more than this, s; after a longer pause start anew.
    calibration
        Measured error rates, or None.

    Examples
    --------
    >>> import pandas as pd
    >>> from eqstat.detection import detector
    >>> from eqstat.detection.causes import network_burst
    >>> network = pd.DataFrame({"latitude": [1.0, 1.1, 1.2, 1.3], "longitude": [2.0] * 4})
    >>> scorer = SequentialScorer.init(detector(network, causes=(network_burst(),)))
    >>> state = scorer.start(now_s=0.0)
    >>> state, answer, report = scorer.step(state, 60.0, [0, 1, 2, 9], [59.0, 59.1, 59.3, 59.0])
    >>> Status(answer.status).name, int(report.triggered)
    ('PARTIAL', 3)
    >>> Status(scorer.step(state, 10.0).answer.status).name
    'CLOCK'
    """

    detector: Detector
    log_threshold: float
    least_probability: float
    largest_gap_s: float
    calibration: Calibration | None = None

    @classmethod
    def init(
        cls,
        detector: Detector,
        *,
        false_alarm_rate_per_year: float | int = 1.0,
        least_probability: float = 0.9,
        largest_gap_s: float | int = 86_400.0,
        calibration: Calibration | None = None,
    ) -> SequentialScorer:
        """Make the scorer of a detector, and compile its step.

        Parameters
        ----------
        detector
            From `eqstat.detection.detector`.
        false_alarm_rate_per_year, least_probability
            As of `eqstat.detection.replay`.
        largest_gap_s
            Largest time between two steps, s.
        calibration
            Measured error rates.
        """
        check_kind("SequentialScorer", Detector, "use `detection.detector`", detector=detector)
        check_probability("SequentialScorer", least_probability=least_probability)
        check_range("SequentialScorer", 0, ends="()", largest_gap_s=largest_gap_s)
        log_threshold = detection.shiryaev_roberts_threshold(
            detector, false_alarm_rate_per_year=false_alarm_rate_per_year
        )
        made = cls(detector, log_threshold, least_probability, float(largest_gap_s), calibration)
        state = made.start(0.0)
        for now_s in (1.0, 2.0):  # the first state has other types of numbers than the next
            state = made.step(state, now_s, [0], [now_s]).state
        return made

    def start(self, now_s: float | int, *, active: np.ndarray | None = None) -> State:
        """State when no device has triggered, as of `eqstat.detection.init`."""
        return detection.init(self.detector, now_s, active=active)

    def step(
        self, state: State, now_s: Any, device: Any = (), time_s: Any = (), peak_m_s2: Any = None
    ) -> Step:
        """Step to the present with the triggers since the last step; never raises on data.

        Parameters
        ----------
        state
            From `start`, `step` or `load_state`.
        now_s
            The present, s after the epoch.
        device, time_s
            Numbers of the devices and times of their triggers, (n,); rows that cannot be are left
            out, with status PARTIAL, as are those that `eqstat.detection.step` ignores.
        peak_m_s2
            Peaks that they reported, m/s2, (n,); what is no positive number is no peak.
        """
        now = numbers(now_s)
        gap = float(now) - float(state.now_s) if now.ndim == 0 else np.nan
        if not 0 <= gap <= self.largest_gap_s:
            return Step(state, Answer(status=int(Status.CLOCK)), None)
        number, time = np.atleast_1d(numbers(device)), np.atleast_1d(numbers(time_s))
        peak = np.full(time.shape, np.nan)
        if peak_m_s2 is not None:
            peak = np.atleast_1d(numbers(peak_m_s2))
        if not number.shape == time.shape == peak.shape or number.ndim != 1:
            return Step(state, Answer(status=int(Status.BAD_INPUT)), None)
        if len(number) > MOST_TRIGGERS:
            return Step(state, Answer(status=int(Status.TOO_MANY)), None)
        good = (number >= 0) & (number < self.detector.devices) & (number == np.floor(number))
        good &= np.abs(time) < 1e12
        state, report = detection.step(
            self.detector, state, float(now), number[good].astype(np.int32), time[good], peak[good]
        )
        report = jax.tree.map(np.asarray, report)
        left_out = int(report.ignored) > 0 or not good.all()
        return Step(state, self._answer(report, Status.PARTIAL if left_out else Status.OK), report)

    @cached_property
    def fingerprint(self) -> str:
        """Digest of all that a state depends on: devices, causes, grids, rates."""
        leaves, tree = jax.tree.flatten(self.detector.core)
        digest = hashlib.sha256(str(tree).encode())
        for leaf in leaves:
            array = np.ascontiguousarray(leaf)
            digest.update(f"{array.dtype.str}{array.shape}".encode() + array.tobytes())
        return digest.hexdigest()

    def false_alarm_rate_per_year(self, report: Report) -> float:
        """Nominal rate of a rule that alarms at the Shiryaev-Roberts statistic of a report."""
        log_rate = np.log(YEAR_S / self.detector.causes[0].slot_s)
        log_rate = float(log_rate) - float(report.log_shiryaev_roberts[0])
        return float(np.exp(min(log_rate, 690.0)))

    def _answer(self, report: Report, status: Status) -> Answer:
        log_ratio = float(report.log_shiryaev_roberts[0])
        probability = float(report.probability[0])
        odds = special.logit(np.clip(probability, 1e-12, 1 - 1e-7))
        return Answer(
            earthquake_probability=probability,
            false_alarm_rate_per_year=self.false_alarm_rate_per_year(report),
            margin=float(
                min(log_ratio - self.log_threshold, odds - special.logit(self.least_probability))
            ),
            status=int(status),
        )


def save_state(path: str | Path, scorer: SequentialScorer, state: State) -> None:
    """Write the state of a detector, so that a service continues after a restart.

    Parameters
    ----------
    path
        The file; it is replaced at once, so that a crash leaves the old or the new one.
    scorer, state
        The scorer and its state.

    Examples
    --------
    >>> import tempfile
    >>> import pandas as pd
    >>> from eqstat.detection import detector
    >>> from eqstat.detection.causes import network_burst
    >>> network = pd.DataFrame({"latitude": [1.0, 1.1], "longitude": [2.0, 2.1]})
    >>> scorer = SequentialScorer.init(detector(network, causes=(network_burst(),)))
    >>> path = Path(tempfile.mkdtemp()) / "state.eqstat"
    >>> save_state(path, scorer, scorer.start(5.0))
    >>> float(load_state(path, scorer).now_s)
    5.0
    """
    leaves = jax.tree.leaves(state)
    arrays = {f"leaf.{number}": np.asarray(leaf) for number, leaf in enumerate(leaves)}
    settings = {"detector": scorer.fingerprint, "eqstat": eqstat.__version__}
    replace_file(path, packed(KIND, settings, arrays, [], {}))


def load_state(path: str | Path, scorer: SequentialScorer) -> State:
    """Read the state of a detector.

    Parameters
    ----------
    path
        From `save_state`.
    scorer
        The scorer; that of a detector made anew of the same network, causes and options will do.

    Returns
    -------
    State

    Raises
    ------
    eqstat.InputError
        When the file is truncated or changed, or is of another detector: other devices, causes or
        options, or a version of eqstat that computes otherwise.

    Examples
    --------
    See `save_state`.
    """
    name = Path(path).name
    try:
        content = edge.read(path)
    except ArtefactError as error:
        raise InputError(str(error)) from None
    if content.kind != KIND:
        raise InputError(f"{name}: holds {content.kind!r:.40}, not the state of a detector")
    version = content.settings.get("eqstat")
    if content.settings.get("detector") != scorer.fingerprint:
        raise InputError(
            f"{name}: the state of another detector (its devices, causes, options or version of "
            f"eqstat, {version!r:.20}, differ); start anew"
        )
    like, tree = jax.tree.flatten(scorer.start(0.0))
    leaves = [content.arrays.get(f"leaf.{number}") for number in range(len(like))]
    for leaf, own in zip(leaves, like, strict=True):
        if leaf is None or leaf.shape != np.shape(own) or leaf.dtype != np.asarray(own).dtype:
            raise InputError(f"{name}: written by version {version!r:.20} of eqstat; start anew")
    made = [
        np.float64(leaf) if isinstance(own, np.generic) else jnp.asarray(leaf)
        for leaf, own in zip(leaves, like, strict=True)
    ]
    return jax.tree.unflatten(tree, made)
