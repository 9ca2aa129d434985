"""Replay a table of triggers through a detector as in real time: history, alarms, locations."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
import pandas as pd
import xarray as xr
from tqdm.auto import tqdm

from eqstat._core.checks import check_probability, check_range
from eqstat._core.errors import InputError
from eqstat._core.explain import Explained
from eqstat._core.json import to_plain
from eqstat.detection._active import update_active
from eqstat.detection._alarms import Alarms
from eqstat.detection._detector import Detector
from eqstat.detection._history import (
    Rows,
    alarm_facts,
    alarm_of,
    alarm_table,
    geographic,
    history_of,
    location_of,
    stream_facts,
)
from eqstat.detection._locate import beyond_ends, locate
from eqstat.detection._match import (
    activity,
    moment,
    peaks_of,
    seconds,
    stream,
)
from eqstat.detection._sequential import step
from eqstat.detection._state import init
from eqstat.detection._threshold import shiryaev_roberts_threshold

MAX_STEPS = 1_000_000


@dataclass(frozen=True)
class Replay(Explained):
    """Output of a detector at every step of a stream.

    Attributes
    ----------
    history
        A row for each step: `time` (UTC); `probability` of an earthquake among all causes;
        `log_evidence_ratio` and `log_shiryaev_roberts` of the earthquake; conditional on an
        earthquake, its mean `latitude`, `longitude`, `depth_km` and `origin_time` on the coarse
        grid, the `region_area_km2` of its credible region, and where the earthquake has magnitudes
        its mean `magnitude` with `magnitude_low` and `magnitude_high`; `probability_NAME` of each
        other cause and of `none`; numbers of `triggers` of this step, of those `ignored`, of
        devices `triggered` within their dead time and of `active` devices; and the estimated
        `background_rate_h` per device.
    alarms
        Each with `time`, `reason`, `false_alarm_rate_per_year`, `probability` and
        `log_shiryaev_roberts` at that moment. Each stands for another earthquake: triggers at which
        P or S of an alarm in progress was due do not count for the next.
    locations
        For each alarm, the result of `locate` at the step of its greatest evidence.
    place_probability
        Probability of each place of the coarse grid, conditional on an earthquake, dims `time` and
        `place`, with the `latitude` and `longitude` of the places as coordinates.
    triggers
        Triggers that were used, with `device_number`, in order of arrival.
    left_out
        Triggers that were left out, with the `reason`.
    devices
        `latitude` and `longitude` of the detector's devices.
    notes
        Remarks on the data.
    settings
        `false_alarm_rate_per_year`, `log_threshold`, `least_probability`, `region_probability`,
        `step_s`, `dead_time_s`.

    Examples
    --------
    See `replay`.
    """

    history: pd.DataFrame
    alarms: tuple[dict[str, Any], ...]
    locations: tuple[xr.Dataset, ...]
    place_probability: xr.DataArray
    triggers: pd.DataFrame
    left_out: pd.DataFrame
    devices: pd.DataFrame
    notes: tuple[str, ...]
    settings: dict[str, float]

    @property
    def alarm(self) -> dict[str, Any] | None:
        """The first alarm, or None."""
        return self.alarms[0] if self.alarms else None

    @property
    def located(self) -> xr.Dataset | None:
        """The location of the first alarm, or None."""
        return self.locations[0] if self.locations else None

    @property
    def alternatives(self) -> list[str]:
        """Names of the causes that compete with the earthquake, "none" last."""
        start = "probability_"
        return [str(name)[len(start) :] for name in self.history if str(name).startswith(start)]

    def records(self) -> Iterator[dict[str, Any]]:
        """Yield the history step by step as plain values, for lines of JSON."""
        others = self.alternatives
        for row in self.history.to_dict("records"):
            yield to_plain(
                {
                    "time": row["time"],
                    "probability": row["probability"],
                    "log_evidence_ratio": row["log_evidence_ratio"],
                    "log_shiryaev_roberts": row["log_shiryaev_roberts"],
                    "hypocentre": {
                        name: row[name]
                        for name in ("latitude", "longitude", "depth_km", "origin_time")
                    },
                    "region": {
                        "probability": self.settings["region_probability"],
                        "area_km2": row["region_area_km2"],
                    },
                    **self._magnitude(row),
                    "alternatives": {name: row[f"probability_{name}"] for name in others},
                    "triggers": row["triggers"],
                }
            )

    def _magnitude(self, row: dict[Any, Any]) -> dict[str, Any]:
        """Magnitude of a step; empty where the earthquake has none."""
        if "magnitude" not in row:
            return {}
        ends = {name: row[f"magnitude_{name}"] for name in ("low", "high")}
        probability = self.settings["region_probability"]
        return {"magnitude": {"mean": row["magnitude"], **ends, "probability": probability}}

    def to_dict(self) -> dict[str, Any]:
        """Return the result as plain numbers, texts and lists, ready for JSON."""
        counts: Any = self.left_out["reason"].value_counts()
        ignored = int(self.history["ignored"].to_numpy().sum())
        return to_plain(
            {
                "alarm": self.alarm,
                "alarms": list(self.alarms),
                "locations": [location_of(each) for each in self.locations],
                "steps": len(self.history),
                "start": self.history["time"].iloc[0],
                "end": self.history["time"].iloc[-1],
                "greatest_probability": float(self.history["probability"].to_numpy().max()),
                "devices": len(self.devices),
                "triggers": {
                    "given": len(self.triggers) + len(self.left_out),
                    "used": len(self.triggers) - ignored,
                    "ignored": ignored,
                    "left_out": {str(reason): int(n) for reason, n in counts.items()},
                },
                "settings": self.settings,
                "notes": list(self.notes),
            }
        )

    def summary(self) -> pd.DataFrame:
        """Return a row for each alarm: its `time` and, at its best step, where and how large.

        Returns
        -------
        pandas.DataFrame
            `time`, `probability`, `latitude`, `longitude`, `depth_km`, `origin_time`, their
            standard deviations `north_sd_km`, `east_sd_km`, `depth_sd_km`, `origin_sd_s`, the
            `region_area_km2` and, where the earthquake has magnitudes, `magnitude`,
            `magnitude_low` and `magnitude_high`.
        """
        return alarm_table(self.alarms, [location_of(each) for each in self.locations])

    def _facts(self) -> list[tuple[str, str]]:
        rows = stream_facts(self.to_dict())
        for alarm, found in list(zip(self.alarms, self.locations, strict=True))[:1]:
            rows += alarm_facts(alarm, location_of(found))
        if len(self.alarms) > 1:
            times = ", ".join(f"{alarm['time']:%Y-%m-%d %H:%M:%S}" for alarm in self.alarms[1:4])
            more = ", …" if len(self.alarms) > 4 else ""
            rows.append(("More alarms", f"{len(self.alarms) - 1}: {times}{more}"))
        return rows


def replay(
    detector: Detector,
    triggers: pd.DataFrame,
    *,
    network: pd.DataFrame | None = None,
    start: Any = None,
    end: Any = None,
    step_s: float | int = 1.0,
    idle_step_s: float | int = 10.0,
    false_alarm_rate_per_year: float | int = 1.0,
    least_probability: float | int = 0.9,
    region_probability: float | int = 0.9,
    within_km: float | int = 0.1,
    progress: bool | None = None,
) -> Replay:
    r"""Replay a table of triggers through a detector, and record when it would have alarmed.

    There is an alarm when the Shiryaev-Roberts statistic of the earthquake reaches its threshold
    A (`shiryaev_roberts_threshold`) *and* the posterior probability of an earthquake among all
    causes reaches `least_probability`. The second condition prevents alarms for thunder or crowds.
    It can delay an alarm but never advance one: under the background alone the mean time to an
    alarm is at least A slots. There is no such bound for events that are not among the causes of
    the detector.

    A step uses the triggers whose time (or time of arrival) is not after it, and no later ones; a
    network from `triggered_devices` is the exception, because it is known in hindsight only.

    Parameters
    ----------
    detector
        From `detector`.
    triggers
        Table of the triggers contract. With a column `received` (UTC) reports arrive late, at
        that time. Peaks (`pga_m_s2`) count where the earthquake has magnitudes. A trigger belongs
        to the device of its name where both tables have names, else to the nearest device
        `within_km`. Triggers of other devices, and those before `start` or after `end`, are left
        out and counted.
    network
        Table of the network contract with `active_from` and `active_to`: devices join and leave.
        The detector must have been made from `unique_devices(network)`. Without it all its
        devices are active all the time.
    start, end
        First and last moment, UTC; by default the whole second before the first report and after
        the last.
    step_s
        Time between steps, s, in (0, 60].
    idle_step_s
        Time between steps while nothing has been reported for the dead time, s, in (0, 3600]; the
        next report ends such a step.
    false_alarm_rate_per_year
        Nominal rate of false alarms of this region, above 0.
    least_probability
        Smallest probability of an earthquake for an alarm, in [0, 1).
    region_probability
        Nominal coverage of the credible regions, in (0, 1).
    within_km
        Largest distance of a trigger from its device where it is matched by place, km, in [0, 100).
    progress
        Whether to show a progress bar; by default on a terminal.

    Returns
    -------
    Replay

    Raises
    ------
    eqstat.InputError
        When a table or an argument cannot be used, or most triggers come from no device of the
        network.

    Examples
    --------
    >>> from eqstat.detection import detector
    >>> from eqstat.detection.causes import earthquake, network_burst
    >>> place = np.linspace(0.0, 0.3, 12)
    >>> network = pd.DataFrame({"latitude": place, "longitude": np.roll(place, 3)})
    >>> watch = detector(network, causes=(earthquake(cells=20, slots=8), network_burst()))
    >>> triggers = network[:3].assign(time=pd.Timestamp("2027-01-15T08:00:00Z"))
    >>> result = replay(watch, triggers)
    >>> result.alarm is None, len(result.triggers)
    (True, 3)
    """
    _check(step_s, idle_step_s, least_probability, region_probability, within_km)
    log_threshold = shiryaev_roberts_threshold(
        detector, false_alarm_rate_per_year=false_alarm_rate_per_year
    )
    table, left_out, notes = stream(detector, triggers, network, within_km, start, end)
    schedule = activity(detector, network)
    arrival = table["_arrival"].to_numpy(np.float64)
    time_s, number = seconds(table["time"]), table["device_number"].to_numpy()
    peak = peaks_of(table)
    first_s = moment(start, float(np.floor(arrival[0]) - 1.0) if len(arrival) else None, "start")
    last_s = moment(end, float(np.floor(arrival[-1]) + 1.0) if len(arrival) else None, "end")
    steps = int(np.ceil((last_s - first_s) / step_s - 1e-9))
    if not 1 <= steps <= MAX_STEPS:
        ends = [pd.Timestamp(each, unit="s", tz="UTC").floor("s") for each in (first_s, last_s)]
        raise InputError(
            f"replay: {steps} steps of {step_s:g} s from start ({ends[0]}) to end ({ends[1]}); "
            "give start and end (--start, --end) where clocks are wrong: there must be 1 to "
            f"{MAX_STEPS}"
        )
    if not np.any((schedule.start_s <= last_s) & (schedule.end_s > first_s)):
        raise InputError(
            "network: no device is active between start and end (active_from, active_to)"
        )
    idle_steps = max(round(idle_step_s / step_s), 1)
    active = schedule.at(first_s)
    state, last = init(detector, first_s, active=active), first_s
    rows, alarms = Rows(), Alarms(detector, log_threshold, float(least_probability))
    done, at, last_report_s = 0, 0, -np.inf
    with tqdm(total=steps, desc="replay", disable=_hidden(progress), leave=False) as bar:
        while at < steps:
            # Idle: several steps at once, but not past the arrival of the next report.
            ahead = 1
            if first_s + step_s * at - last_report_s > detector.dead_time_s:
                next_s = arrival[done] if done < len(arrival) else np.inf
                until_next = np.ceil((next_s - first_s) / step_s - 1e-9) - at
                ahead = int(max(min(idle_steps, until_next), 1))
            ahead = min(ahead, steps - at)
            at += ahead
            bar.update(ahead)
            now = first_s + step_s * at
            if schedule.changes(last, now):
                active = schedule.at(now)
                state = update_active(detector, state, active)
            arrived = int(np.searchsorted(arrival, now, side="right"))
            new = slice(done, arrived)
            state, report = step(detector, state, now, number[new], time_s[new], peak[new])
            report = jax.device_get(report)
            if arrived > done:
                last_report_s = now
            rows.now_s.append(now)
            rows.triggers.append(arrived - done)
            rows.active.append(int(active.sum()))
            rows.report.append(report)
            done, last = arrived, now
            alarms.update(state, report)
    history, places = history_of(detector, rows, region_probability)
    ignored = int(history["ignored"].to_numpy().sum())
    if ignored:
        notes.append(
            f"{ignored} triggers ignored: of devices within their dead time of "
            f"{detector.dead_time_s:g} s or not active, or that arrived later than that"
        )
    latitude, longitude = geographic(detector, np.asarray(detector.core.position))
    locations = tuple(
        locate(detector, each.state, each.report, probability=region_probability)
        for each in alarms.all
    )
    notes += [note for each in locations for note in beyond_ends(each)]
    return Replay(
        history=history,
        alarms=tuple(
            alarm_of(
                history["time"].iloc[rows.now_s.index(each.began_s)],
                each.began,
                log_threshold,
                least_probability,
                float(false_alarm_rate_per_year),
            )
            for each in alarms.all
        ),
        locations=locations,
        place_probability=places,
        triggers=table.drop(columns="_arrival"),
        left_out=left_out,
        devices=pd.DataFrame({"latitude": latitude, "longitude": longitude}),
        notes=tuple(notes),
        settings={
            "false_alarm_rate_per_year": float(false_alarm_rate_per_year),
            "log_threshold": log_threshold,
            "least_probability": float(least_probability),
            "region_probability": float(region_probability),
            "step_s": float(step_s),
            "dead_time_s": detector.dead_time_s,
        },
    )


def _check(step_s: float, idle_s: float, least: float, region: float, within_km: float) -> None:
    check_range("replay", 0, 60, ends="(]", step_s=step_s)
    check_range("replay", 0, 3600, ends="(]", idle_step_s=idle_s)
    check_range("replay", 0, 1, ends="[)", least_probability=least)
    check_probability("replay", region_probability=region)
    check_range("replay", 0, 100, ends="[)", within_km=within_km)


def _hidden(progress: bool | None) -> bool | None:
    """Return tqdm's `disable`: None hides the bar where there is no terminal."""
    return None if progress is None else not progress
