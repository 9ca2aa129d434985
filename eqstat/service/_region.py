"""One region of a service: counts first, the sequential posterior when they fire."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from eqstat import edge, realtime, schema
from eqstat._core.errors import InputError
from eqstat.counts import Background, alarm
from eqstat.detectability import DeviceResponse
from eqstat.detection import Alarms, BackgroundRate, Report, State, detector, update_active
from eqstat.detection.causes import MagnitudeModel, default_causes, earthquake
from eqstat.service._cells import Cells, Fired
from eqstat.service._config import Config, Region
from eqstat.service._protocol._messages import NAME

# Triggers of one step; more wait for the next.
MOST_TRIGGERS = 2048
# Triggers within the dead time beyond which a second earthquake is not looked for beside the first.
MOST_TOLD_APART = 500
ACTIVE_S = 10.0
# Above this probability a region stays awake.
SUSPICION = 0.01
# Tables of counts end here.
MOST_TABLE, MOST_COUNT = 10_000, 512


@dataclass
class Watch:
    """State of a region.

    Attributes
    ----------
    state
        State of the sequential posterior.
    alarms
        Alarms in progress, and those of earthquakes that have not ended.
    report
        Its last report.
    answer
        Answer of the scorer at its last step.
    pending
        Devices, times and peaks of triggers since the last step.
    awake_until_s
        Until when it steps often.
    fired
        The count that woke it last.
    active_at_s
        When the active devices were counted last.
    looked_s
        When its alarms were looked at last.
    """

    state: State
    alarms: Alarms
    report: Report | None = None
    answer: edge.Answer = field(default_factory=edge.Answer)
    pending: list[tuple[int, float, float]] = field(default_factory=list)
    awake_until_s: float = -np.inf
    fired: Fired | None = None
    active_at_s: float = -np.inf
    looked_s: float = -np.inf


class RegionModel:
    """Models of a region, made of its configuration.

    Attributes
    ----------
    options
        The configuration.
    names
        Names of its devices.
    detector, scorer
        The sequential posterior and its scorer.
    cells
        Counts of its cells.
    """

    def __init__(self, options: Region, config: Config) -> None:
        self.options = options
        table = read_network(config.path(options.network), options.name)
        self.names = [str(name) for name in table["device"]]
        rate = options.background_per_device_h
        hourly = np.array(rate if isinstance(rate, list) else [rate] * 24, float)
        response = DeviceResponse(trigger_m_s2=options.trigger_m_s2)
        quake = earthquake(
            rate_per_year=options.earthquake_rate_per_year,
            deepest_km=options.deepest_km,
            depth_km=None if options.depth_km is None else tuple(options.depth_km),
            magnitudes=MagnitudeModel(response=response, able_share=options.able_share),
            delay_s=options.delay_s,
            cells=options.cells,
        )
        others = {cause.name: cause for cause in default_causes()[1:]}
        wanted = list(others) if options.causes is None else options.causes
        unknown = [name for name in wanted if name not in others]
        if unknown:
            raise InputError(
                f"[[region]] {options.name}: no cause {unknown[0]!r}; there are {', '.join(others)}"
            )
        self.detector = detector(
            table,
            causes=(quake, *(others[name] for name in wanted)),
            background=BackgroundRate(
                hourly,
                relative_sd=options.background_relative_sd,
                utc_offset_h=options.utc_offset_h,
            ),
            dead_time_s=options.dead_time_s,
            latency_s=options.latency_s,
        )
        self.scorer = realtime.SequentialScorer.init(
            self.detector,
            false_alarm_rate_per_year=options.false_alarm_rate_per_year,
            least_probability=options.least_probability,
        )
        self._compile_alarms()
        self.latitude, self.longitude = (
            table[name].to_numpy(np.float64) for name in ("latitude", "longitude")
        )
        self.cells = Cells(
            self.latitude,
            self.longitude,
            cell_km=options.counts_cell_km,
            window_s=options.counts_window_s,
            utc_offset_h=options.utc_offset_h,
        )
        self.cells.scorer = self._counts(config, hourly)

    def _compile_alarms(self) -> None:
        """Follow two alarms of nothing, so that the first real ones compile nothing."""
        alarms = Alarms(self.detector, log_threshold=-np.inf, least_probability=0.0)
        state, all_ = self.scorer.start(0.0), np.arange(min(self.detector.devices, 4))
        for now_s, devices in ((1.0, all_[:1]), (self.detector.dead_time_s, all_)):
            state, _, report = self.scorer.step(state, now_s, devices, np.full(len(devices), now_s))
            if report is not None:
                alarms.update(state, report)

    def _counts(self, config: Config, hourly: np.ndarray) -> Any:
        """Scorer of counts: of an artefact, or of the background rate, the highest of the day."""
        options = self.options
        if options.counts_artefact:
            try:
                scorer = edge.load(config.path(options.counts_artefact))
            except edge.ArtefactError as error:
                raise InputError(f"[[region]] {options.name}: {error}") from None
            if scorer.artefact.kind != "counts":
                raise InputError(f"[[region]] {options.name}: counts_artefact is not of counts")
            return scorer
        most = min(max(self.cells.largest, 100), MOST_TABLE)
        background = Background("poisson", float(hourly.max()), window_s=options.counts_window_s)
        tables = alarm.scorer(
            background,
            false_alarm_rate_per_year=365.25 * options.counts_alarms_per_day,
            minimum=options.counts_minimum,
            most_active=most,
            most_triggers=min(most, MOST_COUNT),
        )
        return edge.load(realtime.to_bytes(realtime.CountScorer.init(tables)))

    def start(self, now_s: float, active: np.ndarray) -> Watch:
        """State of the region when it starts."""
        self.cells.set_active(active)
        alarms = Alarms(
            self.detector,
            log_threshold=self.scorer.log_threshold,
            least_probability=self.scorer.least_probability,
            most_triggers=MOST_TOLD_APART,
        )
        return Watch(self.scorer.start(now_s, active=active), alarms, active_at_s=now_s)

    def take(
        self, watch: Watch, device: int, time_s: float, peak_m_s2: float, now_s: float
    ) -> Fired | None:
        """Take a trigger: count it, and keep it for the next step."""
        fired = self.cells.take(device, time_s, now_s)
        watch.pending.append((device, time_s, peak_m_s2))
        if fired is not None:
            watch.fired = fired
            watch.awake_until_s = max(watch.awake_until_s, now_s + self.options.awake_s)
        return fired

    def is_due(self, watch: Watch, now_s: float) -> bool:
        """Whether a step is due."""
        since = now_s - float(watch.state.now_s)
        if now_s >= watch.awake_until_s:
            return since >= self.options.idle_step_s
        return since >= (self.options.step_s if watch.pending else 1.0)

    def step(self, watch: Watch, now_s: float, active: np.ndarray) -> None:
        """Step the posterior to the present."""
        if now_s - watch.active_at_s >= ACTIVE_S:
            watch.active_at_s = now_s
            if not np.array_equal(np.asarray(watch.state.active), active & ~self.detector.left_out):
                watch.state = update_active(self.detector, watch.state, active)
                self.cells.set_active(active)
        part, watch.pending = watch.pending[:MOST_TRIGGERS], watch.pending[MOST_TRIGGERS:]
        device, time, peak = (np.array(x) for x in zip(*part, strict=True)) if part else ([],) * 3
        peaks = peak if len(part) else None
        watch.state, watch.answer, report = self.scorer.step(
            watch.state, now_s, device, time, peaks
        )
        if report is None:  # a jump of the clock, beyond what a state can bridge: begin anew
            begin = self.scorer.start(now_s - self.options.dead_time_s, active=active)
            watch.state, watch.answer, report = self.scorer.step(begin, now_s, device, time, peaks)
        watch.report = report
        if watch.answer.earthquake_probability >= SUSPICION:
            watch.awake_until_s = max(watch.awake_until_s, now_s + self.options.awake_s)


def read_network(path: Any, region: str) -> pd.DataFrame:
    """Table of the devices of a region, with their names."""
    title = f"[[region]] {region}: network"
    try:
        read = pd.read_parquet if str(path).endswith(".parquet") else pd.read_csv
        table: Any = read(path)
    except OSError as error:
        raise InputError(f"{title} cannot be read: {error}") from None
    except ValueError as error:
        raise InputError(f"{title}: no table: {error}") from None
    if "device" not in table:
        raise InputError(f"{title} needs the columns device, latitude and longitude")
    table = schema.check_network(table.assign(device=table["device"].astype(str)))
    wrong = [name for name in table["device"] if not NAME.fullmatch(str(name))]
    if wrong:
        raise InputError(
            f"{title}: device {wrong[0]!r:.60} must be 1 to 64 letters, digits and _.:-"
        )
    return table
