"""Alarms of a service: when they begin, change, end, and which are of one earthquake."""

from __future__ import annotations

import hashlib
import math
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

import numpy as np

from eqstat._core.explain import explained
from eqstat.detection import Alarm
from eqstat.geodesy import great_circle_distance
from eqstat.service._region import RegionModel

# Alarms whose epicentres and origin times differ by no more than this and three standard deviations
# are of one earthquake: of two regions, or of one region whose posterior moved.
SAME_KM, SAME_S, REACH = 50.0, 15.0, 3.0
# Updates follow after 1, 2, 4, ... seconds, the last after this.
LAST_UPDATE_S = 64.0
# An alarm is cancelled where its probability falls below this within so many seconds.
CANCEL_PROBABILITY, CANCEL_S = 0.05, 60.0


@explained
class Event(NamedTuple):
    """What a service says of an earthquake.

    Attributes
    ----------
    alarm
        Fields of the message of an alarm, as of `FIELDS`.
    why
        How it came about: counts, posterior of the causes, thresholds, triggers.
    sites
        Probability of strong shaking at the registered sites.

    Examples
    --------
    >>> Event({"id": "20270115T080000Z-lima-1a2b", "revision": 0}, {}).sites
    ()
    """

    alarm: dict[str, Any]
    why: dict[str, Any]
    sites: tuple[dict[str, Any], ...] = ()


@dataclass
class Quake:
    """An earthquake with an alarm.

    Attributes
    ----------
    id
        Identifier, which follows from region, time and place: a replay gives the same.
    sources
        Alarms that are of it: region, and when each began. The first has the greatest evidence.
    began_s, last_s
        When the rule was fulfilled first and last.
    alarm
        Fields of its message.
    evidence
        Log Shiryaev-Roberts statistic of the first source.
    revision
        Number of the last message.
    issued_s
        When the last message was issued.
    update_s
        When the next update may follow.
    changed
        Whether anything changed since the last message.
    same_as
        Alarm of another service that is of the same earthquake, and stands for it; empty without.
    is_told
        Whether an alarm of this service was given.
    """

    id: str
    sources: list[tuple[str, float]]
    began_s: float
    last_s: float
    alarm: dict[str, Any]
    evidence: float
    revision: int = 0
    issued_s: float = 0.0
    update_s: float = 0.0
    changed: bool = False
    same_as: str = ""
    is_told: bool = False

    @property
    def regions(self) -> list[str]:
        """Regions whose rule it fulfilled, that of the greatest evidence first."""
        return list(dict.fromkeys(region for region, _ in self.sources))

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for a snapshot."""
        return asdict(self)


def quake_of(model: RegionModel, alarm: Alarm, quakes: list[Quake]) -> tuple[Quake, bool]:
    """Earthquake of an alarm of a region, and whether it is a new one."""
    name, fields = model.options.name, alarm_fields(model, alarm)
    source = (name, alarm.began_s)
    known = [quake for quake in quakes if source in quake.sources]
    for quake in known or [each for each in quakes if is_same(fields, each.alarm)]:
        quake.last_s = max(quake.last_s, alarm.last_s)
        if source not in quake.sources:
            quake.sources.append(source)
        if alarm.evidence > quake.evidence or source == quake.sources[0]:
            quake.sources.remove(source)
            quake.sources.insert(0, source)
            quake.changed = quake.changed or fields != quake.alarm
            quake.alarm, quake.evidence = fields, alarm.evidence
        return quake, False
    began = alarm.began_s
    moment = datetime.fromtimestamp(began, UTC)
    told = f"{name} {began:.3f} {fields['latitude']:.4f} {fields['longitude']:.4f}"
    short = hashlib.sha256(told.encode()).hexdigest()[:6]
    quake = Quake(
        f"{moment:%Y%m%dT%H%M%SZ}-{name[:32]}-{short}", [source], began, alarm.last_s, fields,
        alarm.evidence, update_s=began + 1,
    )  # fmt: skip
    return quake, True


def actions(quake: Quake, probability: float, now_s: float, dead_time_s: float) -> str:
    """What is to be said of an earthquake now: `update`, `cancel`, `end`, or nothing.

    Parameters
    ----------
    quake
        The earthquake.
    probability
        That it is one, by what is known now.
    now_s
        The present.
    dead_time_s
        After which its triggers are forgotten.
    """
    if probability < CANCEL_PROBABILITY and now_s - quake.began_s < CANCEL_S:
        return "cancel"
    if now_s - quake.last_s > dead_time_s or now_s - quake.began_s > 2 * dead_time_s:
        return "end"
    if quake.changed and now_s >= quake.update_s:
        age = max(now_s - quake.began_s, 1.0)
        quake.update_s = quake.began_s + 2 ** (math.floor(math.log2(age)) + 1)
        if age > LAST_UPDATE_S:
            quake.update_s = math.inf
        return "update"
    return ""


def alarm_fields(model: RegionModel, alarm: Alarm) -> dict[str, Any]:
    """Fields of an alarm that follow from the posterior: moments on the coarse grid."""
    report, now_s = alarm.report, float(alarm.state.now_s)
    latitude, longitude = model.detector.frame.to_geographic(
        np.float64(report.east_km), np.float64(report.north_km)
    )
    magnitude = float(report.magnitude)
    fields = {
        "probability": min(max(alarm.probability, 0.0), 1.0),
        "false_alarm_rate_per_year": model.scorer.false_alarm_rate_per_year(report),
        "origin_s": now_s + float(report.origin_s),
        "origin_sd_s": float(report.origin_sd_s),
        "latitude": float(latitude),
        "longitude": (float(longitude) + 180) % 360 - 180,
        "depth_km": float(report.depth_km),
        **{
            f"sd_{axis}_km": float(sd)
            for axis, sd in zip(("east", "north", "depth"), report.sd_km, strict=True)
        },
        "triggers": int(report.triggered),
        "active": int(np.asarray(alarm.state.active).sum()),
    }
    if math.isfinite(magnitude):
        fields |= {"magnitude": magnitude, "magnitude_sd": float(report.magnitude_sd)}
    return fields


def is_same(one: dict[str, Any], two: dict[str, Any]) -> bool:
    """Whether two alarms may be of one earthquake."""
    away = float(
        great_circle_distance(one["latitude"], one["longitude"], two["latitude"], two["longitude"])
    )
    sd_km = math.hypot(
        *(each[f"sd_{axis}_km"] for each in (one, two) for axis in ("east", "north"))
    )
    sd_s = math.hypot(one["origin_sd_s"], two["origin_sd_s"])
    apart_s = abs(one["origin_s"] - two["origin_s"])
    return away <= SAME_KM + REACH * sd_km and apart_s <= SAME_S + REACH * sd_s


def reasons(model: RegionModel, alarm: Alarm, fired: Any, most: int = 200) -> dict[str, Any]:
    """Why there is an alarm: what `eqstat explain` prints.

    Parameters
    ----------
    model, alarm
        Region, and the alarm with its state.
    fired
        The count that woke the region last, or None.
    most
        Most triggers that are listed, the latest ones.
    """
    report, now_s = alarm.report, float(alarm.state.now_s)
    since = np.asarray(alarm.state.trigger_s, np.float64)
    triggered = np.flatnonzero(np.isfinite(since))
    latest = triggered[np.argsort(-since[triggered], kind="stable")][:most]
    names = [*(cause.name for cause in model.detector.causes), "none"]
    return {
        "region": model.options.name,
        "now_s": now_s,
        "counts": None if fired is None else fired._asdict(),
        "log_shiryaev_roberts": alarm.evidence,
        "log_threshold": model.scorer.log_threshold,
        "probability": float(report.probability[0]),
        "least_probability": model.scorer.least_probability,
        "causes": {n: float(p) for n, p in zip(names, report.probability, strict=True)},
        "background_rate_h": float(report.expected_rate_h),
        "active": int(np.asarray(alarm.state.active).sum()),
        "triggered": len(triggered),
        "triggers": [
            {
                "device": model.names[index],
                "time_s": round(now_s + float(since[index]), 3),
                "latitude": float(model.latitude[index]),
                "longitude": float(model.longitude[index]),
            }
            for index in latest.tolist()
        ],
    }
