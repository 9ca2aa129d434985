"""What `eqstat detect` writes of a replay: content of the JSON, and lines for a person."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from eqstat._core.text import lines_of

if TYPE_CHECKING:
    from eqstat import detection

# Rows of a replay before those of its alarms.
STREAM = ("Stream", "Triggers")


def content_of(replay: detection.Replay) -> dict[str, Any]:
    """What the JSON holds: each alarm with its hypocentre."""
    content = replay.to_dict()
    alarms = [
        {**alarm, **location(found)}
        for alarm, found in zip(content["alarms"], content["locations"], strict=True)
    ]
    skipped = ("alarm", "alarms", "locations", "notes")
    rest = {name: value for name, value in content.items() if name not in skipped}
    return {"alarms": alarms, **rest}


def location(found: dict[str, Any]) -> dict[str, Any]:
    """A location with the keys of `eqstat locate`."""
    spread = found["standard_deviation"]
    return {
        "hypocentre": {
            name: found[name] for name in ("latitude", "longitude", "depth_km", "origin_time")
        },
        "standard_error": {
            "latitude_km": spread["north_sd_km"],
            "longitude_km": spread["east_sd_km"],
            "depth_km": spread["depth_sd_km"],
            "origin_time_s": spread["origin_sd_s"],
        },
        "region": found["region"],
        **({"magnitude": found["magnitude"]} if "magnitude" in found else {}),
        "cause_probability": found["cause_probability"],
    }


def summary(replay: detection.Replay) -> list[str]:
    """Lines for a person: every alarm, where the text of a replay has the first."""
    each = [
        replace(replay, alarms=(alarm,), locations=(found,))
        for alarm, found in zip(replay.alarms, replay.locations, strict=True)
    ]
    text = lines_of(each[0] if each else replay)
    for other in each[1:]:
        text += ["", *lines_of(other)[len(STREAM) :]]
    return text
