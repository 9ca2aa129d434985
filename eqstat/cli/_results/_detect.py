"""What `eqstat detect` writes of a replay: content of the JSON, and lines for a person."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from eqstat.cli._text import facts, magnitude, percent, place

if TYPE_CHECKING:
    from eqstat import detection


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
    """Lines for a person."""
    content = content_of(replay)
    given = content["triggers"]
    rate = replay.settings["false_alarm_rate_per_year"]
    rows = [
        ("Stream", f"{content['start']} to {content['end']}, {content['steps']} steps"),
        (
            "Triggers",
            f"{given['given']} given, {given['used']} used, of {content['devices']} devices",
        ),
    ]
    if replay.alarm is None:
        rows.append(
            (
                "Alarm",
                f"none (budget {rate:g} false a year); greatest probability of an earthquake "
                f"{content['greatest_probability']:.3g}",
            )
        )
    for alarm in content["alarms"]:
        source, error, region = (alarm[name] for name in ("hypocentre", "standard_error", "region"))
        causes = ", ".join(
            f"{name} {each:.3g}" for name, each in alarm["cause_probability"].items()
        )
        rows += [
            ("", ""),
            ("Alarm", f"{alarm['time']} (budget {rate:g} false a year)"),
            ("Reason", alarm["reason"]),
            (
                "Hypocentre",
                f"{place(source['latitude'], source['longitude'])}, depth "
                f"{source['depth_km']:.1f} km",
            ),
            ("Origin time", source["origin_time"]),
            (
                "Standard error",
                f"{error['latitude_km']:.1f} km north-south, {error['longitude_km']:.1f} km "
                f"east-west, depth {error['depth_km']:.1f} km, time {error['origin_time_s']:.2f} s",
            ),
            (
                f"{percent(region['probability'])} region",
                f"{region['area_km2']:.0f} km2 ({region['kind']})",
            ),
            *([("Magnitude", magnitude(alarm["magnitude"]))] if "magnitude" in alarm else []),
            ("Causes", causes),
        ]
    return facts(rows)
