"""Lines for a person: places, times, tables and locations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from eqstat.traveltime import Location


def place(latitude: float, longitude: float) -> str:
    """Write a place with its hemispheres.

    >>> place(-12.06, -77.0)
    '12.060 S, 77.000 W'
    """
    north = "N" if latitude >= 0 else "S"
    east = "E" if longitude >= 0 else "W"
    return f"{abs(latitude):.3f} {north}, {abs(longitude):.3f} {east}"


def percent(probability: float) -> str:
    """Write a probability.

    >>> percent(0.9)
    '90 %'
    """
    return f"{100 * probability:g} %"


def facts(rows: Sequence[tuple[str, str]]) -> list[str]:
    """Write one fact on each line, after its label.

    >>> facts([("Verdict", "earthquake")])
    ['Verdict         earthquake']
    """
    return [f"{label:16s}{text}".rstrip() for label, text in rows]


def aligned(rows: Sequence[Sequence[str]], *, right: bool = False) -> list[str]:
    """Align the columns of a table, the first one always at the left.

    >>> aligned([["site", "km"], ["A", "5"]], right=True)
    ['site   km', 'A       5']
    """
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    gap = "   " if right else "  "
    lines = []
    for row in rows:
        cells = [row[0].ljust(widths[0])]
        for cell, width in zip(row[1:], widths[1:], strict=True):
            cells.append(cell.rjust(width) if right else cell.ljust(width))
        lines.append(gap.join(cells).rstrip())
    return lines


def clock(moment: Any) -> str:
    """Write the time of day to a hundredth of a second; "unknown" for None."""
    if moment is None:
        return "unknown"
    return f"{moment:%H:%M:%S}.{moment.microsecond // 10**4:02d}"


def location_facts(location: Location, reason: str | None = None) -> list[str]:
    """Write a location, and why its likelihood was chosen."""
    errors, interval, region = location.standard_error, location.interval, location.region
    name = percent(region.probability)
    depth = " to ".join(number(end) for end in interval["depth_km"])
    origin = " to ".join(clock(end) for end in interval["origin_time"])
    used, left_out = len(location.triggers), len(location.left_out)
    rows = [
        (
            "Hypocentre",
            f"{place(location.latitude, location.longitude)}, depth {location.depth_km:.1f} km",
        ),
        ("Origin time", f"{location.origin_time:%Y-%m-%d} {clock(location.origin_time)} UTC"),
        (
            "Standard error",
            f"{number(errors['latitude_km'])} km north-south, "
            f"{number(errors['longitude_km'])} km east-west, "
            f"depth {number(errors['depth_km'])} km, time {number(errors['origin_time_s'], 2)} s",
        ),
        (f"{name} region", f"{number(region.area_km2, 0)} km2 ({region.kind})"),
        (f"{name} interval", f"depth {depth} km, origin {origin} ({interval['kind']})"),
        ("Triggers", f"{used + left_out} given, {used} used" + classes(location)),
    ]
    if location.magnitude is not None:
        rows.insert(2, ("Magnitude", magnitude(location.magnitude)))
    if left_out:
        reasons = location.left_out["reason"].value_counts()
        text = ", ".join(f"{count} {reason}" for reason, count in reasons.items())
        rows.append(("Left out", text))
    if reason is not None:
        rows.append(("Likelihood", f"{location.likelihood}: {reason}"))
    rows += [
        (
            "Geometry",
            f"azimuthal gap {location.azimuthal_gap_deg:.0f} degrees, "
            f"nearest device at {location.nearest_device_km:.1f} km",
        ),
        ("Result", f"{location.method}, {location.likelihood}: {location.result}"),
    ]
    return facts(rows)


def magnitude(found: Mapping[str, float]) -> str:
    """Mean and interval of a magnitude."""
    return (
        f"{found['mean']:.1f}, {percent(found['probability'])} interval {found['low']:.1f} to "
        f"{found['high']:.1f}"
    )


def number(value: float | None, digits: int = 1) -> str:
    """Write a number; "unknown" where there is none."""
    import math

    known = value is not None and math.isfinite(value)
    return f"{value:.{digits}f}" if known else "unknown"


def classes(location: Location) -> str:
    """Expected numbers of P, S and background triggers of the mixture."""
    if location.likelihood != "mixture":
        return ""
    text = ", ".join(f"{count:.0f} {name}" for name, count in location.expected_triggers.items())
    return f" (expected: {text})"
