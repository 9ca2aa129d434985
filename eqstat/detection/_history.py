"""History of a replay: the table of its steps, and plain values for JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from eqstat._core.density import quantile
from eqstat._core.json import to_plain
from eqstat._core.text import magnitude, percent, place
from eqstat.detection._detector import Detector
from eqstat.detection._match import EPOCH
from eqstat.detection._state import Report


@dataclass
class Rows:
    """One entry per step of a replay."""

    now_s: list[float] = field(default_factory=list)
    triggers: list[int] = field(default_factory=list)
    active: list[int] = field(default_factory=list)
    report: list[Report] = field(default_factory=list)


def history_of(
    detector: Detector, rows: Rows, region_probability: float
) -> tuple[pd.DataFrame, xr.DataArray]:
    """Return the table of the steps, and the coarse posterior of the places at each."""
    stacked: Any = [np.stack(values) for values in zip(*rows.report, strict=True)]
    reports: Any = Report(*stacked)
    now = np.array(rows.now_s)
    time: Any = (EPOCH + pd.to_timedelta(now, unit="s")).as_unit("ns")
    weight = reports.place_weight
    cell = detector.area_km2 / weight.shape[1]
    order = np.sort(weight, axis=1)[:, ::-1]
    cells = 1 + np.sum(np.cumsum(order, axis=1) < region_probability, axis=1)
    middle = np.stack([reports.east_km, reports.north_km], axis=1)
    latitude, longitude = geographic(detector, middle)
    size = _magnitudes(detector, reports, region_probability)
    other_names = [cause.name for cause in detector.causes[1:]] + ["none"]
    columns = {
        "time": time,
        "probability": reports.probability[:, 0],
        "log_evidence_ratio": reports.log_evidence_ratio[:, 0],
        "log_shiryaev_roberts": reports.log_shiryaev_roberts[:, 0],
        "latitude": latitude,
        "longitude": longitude,
        "depth_km": reports.depth_km,
        "origin_time": time + pd.to_timedelta(reports.origin_s.astype(np.float64), unit="s"),
        "region_area_km2": cell * np.minimum(cells, weight.shape[1]),
        **size,
        **{f"probability_{n}": reports.probability[:, i + 1] for i, n in enumerate(other_names)},
        "triggers": rows.triggers,
        "ignored": reports.ignored,
        "triggered": reports.triggered,
        "active": rows.active,
        "background_rate_h": reports.expected_rate_h,
    }
    history = pd.DataFrame(columns)
    history = history.astype({name: float for name in history if history[name].dtype == np.float32})
    where = geographic(detector, np.asarray(detector.core.tables[0].place))
    places = xr.DataArray(
        weight,
        dims=("time", "place"),
        coords={
            "time": time.tz_convert(None),
            "latitude": ("place", where[0]),
            "longitude": ("place", where[1]),
        },
        attrs={"units": "1", "long_name": "probability of a place, given an earthquake"},
    )
    return history, places


def _magnitudes(detector: Detector, reports: Report, probability: float) -> dict[str, np.ndarray]:
    """Mean magnitude and the ends of its interval (equal tails) at each step."""
    model = detector.causes[0].magnitudes
    if model is None:
        return {}
    ends = (1 - probability) / 2 * np.array([1, -1]) + np.array([0, 1])
    mass = np.asarray(reports.magnitude_weight, np.float64)
    low, high = np.array([quantile(model.magnitude_edges, row, ends) for row in mass]).T
    return {
        "magnitude": np.asarray(reports.magnitude),
        "magnitude_low": low,
        "magnitude_high": high,
    }


def geographic(detector: Detector, local_km: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return latitude and longitude of points (points, 2 or 3) of the detector's frame."""
    latitude, longitude = detector.frame.to_geographic(
        local_km[:, 0].astype(np.float64), local_km[:, 1].astype(np.float64)
    )
    return np.asarray(latitude), np.asarray(longitude)


def alarm_of(
    time: pd.Timestamp, began: Report, log_threshold: float, least: float, rate: float
) -> dict[str, Any]:
    """Describe an alarm that began at a time with this report."""
    evidence, probability = float(began.log_shiryaev_roberts[0]), float(began.probability[0])
    return {
        "time": time,
        "reason": f"log Shiryaev-Roberts statistic {evidence:.1f}, at least {log_threshold:.1f}, "
        f"and probability of an earthquake {probability:.3f}, at least {least:g}",
        "false_alarm_rate_per_year": rate,
        "probability": probability,
        "log_shiryaev_roberts": evidence,
    }


def location_of(found: xr.Dataset) -> dict[str, Any]:
    """A location in plain numbers."""
    value = {str(name): float(found[name]) for name in found.data_vars if not found[name].dims}
    chance = found["cause_probability"]
    magnitude = {}
    if "magnitude_mean" in value:
        magnitude["magnitude"] = {
            "mean": value["magnitude_mean"],
            "standard_deviation": value["magnitude_sd"],
            "low": value["magnitude_low"],
            "high": value["magnitude_high"],
            "probability": float(found.attrs["interval_probability"]),
        }
    return {
        "latitude": value["latitude_mean"],
        "longitude": value["longitude_mean"],
        "depth_km": value["depth_mean_km"],
        "origin_time": EPOCH + pd.Timedelta(seconds=value["origin_mean_s"]),
        "standard_deviation": {
            name: value[name]
            for name in ("east_sd_km", "north_sd_km", "depth_sd_km", "origin_sd_s")
        },
        "region": {
            "probability": float(found.attrs["interval_probability"]),
            "kind": str(found.attrs["interval_kind"]),
            "area_km2": value["region_area_km2"],
        },
        **magnitude,
        "cause_probability": {
            str(name): float(one)
            for name, one in zip(chance["cause"].to_numpy(), chance, strict=True)
        },
    }


def stream_facts(content: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Rows of the stream, from `Replay.to_dict()`; without an alarm also how near it was."""
    given = content["triggers"]
    rows = [
        ("Stream", f"{content['start']} to {content['end']}, {content['steps']} steps"),
        (
            "Triggers",
            f"{given['given']} given, {given['used']} used, of {content['devices']} devices",
        ),
    ]
    if not content["alarms"]:
        rate = content["settings"]["false_alarm_rate_per_year"]
        rows.append(
            (
                "Alarm",
                f"none (budget {rate:g} false a year); greatest probability of an earthquake "
                f"{content['greatest_probability']:.3g}",
            )
        )
    return rows


def alarm_facts(alarm: Mapping[str, Any], found: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Rows of an alarm and of its location in plain numbers."""
    spread, region = found["standard_deviation"], found["region"]
    chances = found["cause_probability"]
    rate = alarm["false_alarm_rate_per_year"]
    rows = [
        ("Alarm", f"{to_plain(alarm['time'])} (budget {rate:g} false a year)"),
        ("Reason", alarm["reason"]),
        (
            "Hypocentre",
            f"{place(found['latitude'], found['longitude'])}, depth {found['depth_km']:.1f} km",
        ),
        ("Origin time", to_plain(found["origin_time"])),
        (
            "Standard error",
            f"{spread['north_sd_km']:.1f} km north-south, {spread['east_sd_km']:.1f} km "
            f"east-west, depth {spread['depth_sd_km']:.1f} km, time {spread['origin_sd_s']:.2f} s",
        ),
        (
            f"{percent(region['probability'])} region",
            f"{region['area_km2']:.0f} km2 ({region['kind']})",
        ),
    ]
    if "magnitude" in found:
        rows.append(("Magnitude", magnitude(found["magnitude"])))
    causes = ", ".join(f"{name} {each:.3g}" for name, each in chances.items())
    return [*rows, ("Causes", causes)]


def alarm_table(
    alarms: Sequence[Mapping[str, Any]], locations: Sequence[Mapping[str, Any]]
) -> pd.DataFrame:
    """Return alarms and their locations as rows."""
    rows = []
    for alarm, found in zip(alarms, locations, strict=True):
        row = {name: alarm[name] for name in ("time", "probability")}
        row |= {name: found[name] for name in ("latitude", "longitude", "depth_km", "origin_time")}
        row |= found["standard_deviation"]
        row["region_area_km2"] = found["region"]["area_km2"]
        if size := found.get("magnitude"):
            row |= {f"magnitude{end}": size[name] for end, name in
                    (("", "mean"), ("_low", "low"), ("_high", "high"))}  # fmt: skip
        rows.append(row)
    return pd.DataFrame(rows, index=pd.RangeIndex(1, len(rows) + 1, name="alarm"))
