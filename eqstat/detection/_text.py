"""What a replay says of itself: rows of its text, and the table of its alarms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from eqstat._core.json import to_plain
from eqstat._core.text import magnitude, percent, place


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
