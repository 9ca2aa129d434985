"""Run a table of triggers through a detector as if it came in now: history, alarms, locations."""

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
from eqstat._core.json import to_plain
from eqstat.detection._active import with_active
from eqstat.detection._detector import Detector
from eqstat.detection._history import Rows, alarm_of, geographic, history_of, location_of
from eqstat.detection._locate import locate
from eqstat.detection._match import (
    activity,
    devices_of,
    devices_that_triggered,
    moment,
    seconds,
    stream,
)
from eqstat.detection._sequential import Report, State, init, shiryaev_roberts_threshold, step

__all__ = ["Replay", "devices_of", "devices_that_triggered", "replay"]

MOST_STEPS = 1_000_000


@dataclass(frozen=True)
class Replay:
    """What a detector believed at every step of a stream.

    Attributes
    ----------
    history
        A row for each step: `time` (UTC); `probability` of an earthquake among all causes;
        `log_evidence_ratio` and `log_shiryaev_roberts` of the earthquake; mean `latitude`,
        `longitude`, `depth_km` and `origin_time` of its hypocentre on the coarse grid, and
        `region_area_km2` of its places, all *if* there is an earthquake; `probability_NAME` of
        each other cause and of `none`; `triggers` that were handed over in this step, those of
        them that were `ignored`, devices `triggered` of late, `active` devices, and the learnt
        `background_rate_h` per device.
    alarms
        Each with `time`, `reason`, `false_alarm_rate_per_year`, `probability` and
        `log_shiryaev_roberts` at that moment; those less than the detector's window apart are
        one.
    locations
        For each alarm what `locate` gives at the step of its greatest evidence.
    place_probability
        Probability of each place of the coarse grid *if* there is an earthquake, dims `time` and
        `place`, with the places' `latitude`, `longitude` as coordinates.
    triggers
        The triggers that were handed over, with `device_number`, in the order of arrival.
    left_out
        The others, with the `reason`.
    devices
        `latitude` and `longitude` of the detector's devices.
    notes
        What a reader of the result should know.
    settings
        `false_alarm_rate_per_year`, `log_threshold`, `least_probability`, `region_probability`,
        `step_s`, `window_s`.
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
        """Names of the causes that compete with the earthquake, "none" at last."""
        start = "probability_"
        return [str(name)[len(start) :] for name in self.history if str(name).startswith(start)]

    def records(self) -> Iterator[dict[str, Any]]:
        """Yield the history step by step, as plain numbers and texts for lines of JSON."""
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
                    "alternatives": {name: row[f"probability_{name}"] for name in others},
                    "triggers": row["triggers"],
                }
            )

    def to_dict(self) -> dict[str, Any]:
        """Return the outcome as plain numbers, texts and lists, ready for JSON."""
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


@dataclass
class _Excursion:
    """An alarm under way: since when, until when, and the step of the greatest evidence."""

    began: int
    last_s: float
    best: float
    state: State
    report: Report


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
    r"""Hand a table of triggers to a detector step by step, and see when it would have alarmed.

    There is an alarm when the Shiryaev-Roberts statistic of the earthquake reaches the threshold
    A of the budget (`shiryaev_roberts_threshold`) *and* the posterior probability of an
    earthquake among all causes reaches `least_probability`. The second condition is what keeps
    thunder and crowds from being called earthquakes. It can only delay an alarm, never bring one
    forward: under the background alone the mean time to an alarm stays at least A steps of a
    slot. Nothing is promised when something happens that is no cause of the detector.

    A step sees the triggers whose time, or time of arrival, is not after it: nothing of the future
    is used, except by `devices_that_triggered`.

    Parameters
    ----------
    detector
        From `detector`.
    triggers
        Table of the triggers contract. With a column `received` (UTC) reports arrive late, at
        that time. A trigger belongs to the device of its name where both tables have names, else
        to the nearest one `within_km`. Triggers of other devices, and those before `start` or
        after `end`, are left out and counted.
    network
        Table of the network contract with `active_from` and `active_to`: devices join and leave.
        The detector must have been made from `devices_of(network)`. Without it all devices of the
        detector are there all the time.
    start, end
        First and last moment, UTC; by default the whole second before the first report and after
        the last.
    step_s
        Time between steps, s.
    idle_step_s
        The same while nothing has been reported for the window of the detector, s; a report ends
        it at once.
    false_alarm_rate_per_year
        Budget of this region.
    least_probability
        Of an earthquake, for an alarm, in [0, 1).
    region_probability
        Content of the regions, in (0, 1).
    within_km
        How far a trigger may be from its device, where it is matched by place, km.
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
    >>> outcome = replay(watch, triggers)
    >>> outcome.alarm is None, len(outcome.triggers)
    (True, 3)
    """
    _check(step_s, idle_step_s, least_probability, region_probability, within_km)
    log_threshold = shiryaev_roberts_threshold(
        detector, false_alarm_rate_per_year=false_alarm_rate_per_year
    )
    table, left_out, notes = stream(detector, triggers, within_km, start, end)
    who = activity(detector, network)
    arrival = table["_arrival"].to_numpy(np.float64)
    when, number = seconds(table["time"]), table["device_number"].to_numpy()
    first_s = moment(start, float(np.floor(arrival[0]) - 1.0) if len(arrival) else None, "start")
    last_s = moment(end, float(np.floor(arrival[-1]) + 1.0) if len(arrival) else None, "end")
    steps = int(np.ceil((last_s - first_s) / step_s - 1e-9))
    if not 1 <= steps <= MOST_STEPS:
        raise InputError(
            f"replay: {steps} steps of {step_s:g} s from start to end; there must be 1 to "
            f"{MOST_STEPS}"
        )
    idle = max(round(idle_step_s / step_s), 1)
    known = who.at(first_s)
    state, last = init(detector, first_s, active=known), first_s
    rows, excursions = Rows(), []
    done, at, quiet_since = 0, 0, -np.inf
    with tqdm(total=steps, desc="replay", disable=_hidden(progress), leave=False) as bar:
        while at < steps:
            ahead = 1
            if first_s + step_s * at - quiet_since > detector.window_s:
                coming = arrival[done] if done < len(arrival) else np.inf
                until = np.ceil((coming - first_s) / step_s - 1e-9) - at
                ahead = int(max(min(idle, until), 1))
            ahead = min(ahead, steps - at)
            at += ahead
            bar.update(ahead)
            now = first_s + step_s * at
            if who.changes(last, now):
                known = who.at(now)
                state = with_active(detector, state, known)
            upto = int(np.searchsorted(arrival, now, side="right"))
            state, report = step(detector, state, now, number[done:upto], when[done:upto])
            report = jax.device_get(report)
            if upto > done:
                quiet_since = now
            rows.now_s.append(now)
            rows.given.append(upto - done)
            rows.active.append(int(known.sum()))
            rows.report.append(report)
            done, last = upto, now
            _watch(
                excursions,
                report,
                state,
                len(rows.now_s) - 1,
                log_threshold,
                least_probability,
                detector.window_s,
            )
    history, places = history_of(detector, rows, region_probability)
    ignored = int(history["ignored"].to_numpy().sum())
    if ignored:
        notes.append(
            f"{ignored} triggers ignored: of devices that had triggered in the last "
            f"{detector.window_s:g} s or were not there, or that came later than that"
        )
    alarms = tuple(
        alarm_of(history.iloc[each.began], log_threshold, least_probability,
               float(false_alarm_rate_per_year))
        for each in excursions
    )  # fmt: skip
    latitude, longitude = geographic(detector, np.asarray(detector.core.position))
    return Replay(
        history,
        alarms,
        tuple(
            locate(detector, each.state, each.report, probability=region_probability)
            for each in excursions
        ),
        places,
        table.drop(columns="_arrival"),
        left_out,
        pd.DataFrame({"latitude": latitude, "longitude": longitude}),
        tuple(notes),
        {
            "false_alarm_rate_per_year": float(false_alarm_rate_per_year),
            "log_threshold": log_threshold,
            "least_probability": float(least_probability),
            "region_probability": float(region_probability),
            "step_s": float(step_s),
            "window_s": detector.window_s,
        },
    )


def _check(step_s: float, idle_s: float, least: float, region: float, within_km: float) -> None:
    check_range("replay", 0, 60, ends="(]", step_s=step_s)
    check_range("replay", 0, 3600, ends="(]", idle_step_s=idle_s)
    check_range("replay", 0, 1, ends="[)", least_probability=least)
    check_probability("replay", region_probability=region)
    check_range("replay", 0, 100, ends="[)", within_km=within_km)


def _hidden(progress: bool | None) -> bool | None:
    """What tqdm calls disable: None hides it where there is no terminal."""
    return None if progress is None else not progress


def _watch(
    excursions: list[_Excursion],
    report: Report,
    state: State,
    row: int,
    log_threshold: float,
    least_probability: float,
    window_s: float,
) -> None:
    """Begin an alarm, keep its best step, or let it end."""
    now, evidence = float(state.now_s), float(report.log_shiryaev_roberts[0])
    on = evidence >= log_threshold and float(report.probability[0]) >= least_probability
    under_way = bool(excursions) and now - excursions[-1].last_s <= window_s
    if on and not under_way:
        excursions.append(_Excursion(row, now, evidence, state, report))
    elif on:
        one = excursions[-1]
        one.last_s = now
        if evidence > one.best:
            one.best, one.state, one.report = evidence, state, report
