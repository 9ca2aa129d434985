"""The region of a detector: devices outside it, and whether its cells are narrow enough."""

from __future__ import annotations

from typing import Any

import numpy as np

from eqstat import schema
from eqstat._core.checks import check_range
from eqstat._core.errors import InputError
from eqstat.detection.causes._cause import Cause

# Within wider cells P takes several seconds, and the grid may miss an earthquake between nodes.
WIDE_KM, WIDEST_KM = 40.0, 150.0

# South, north, west and east, degrees.
Sides = tuple[float | int, ...]


def outside_region(network: Any, region: Sides | None) -> np.ndarray:
    """Return which devices are left out, with a warning that names them.

    Parameters
    ----------
    network
        Checked table of the devices.
    region
        South, north, west and east, degrees; None leaves out the devices far from all others.

    Raises
    ------
    eqstat.InputError
        When the region is no region, or holds no device.
    """
    latitude, longitude = (network[name].to_numpy() for name in ("latitude", "longitude"))
    if region is None:
        out, why = schema.isolated_places(latitude, longitude), "far from all others"
    else:
        south, north, west, east = _sides(region)
        inside = (latitude >= south) & (latitude <= north)
        inside &= (longitude - west) % 360.0 <= (east - west) % 360.0
        out, why = ~inside, "outside the region"
    if out.all():
        raise InputError("detector: no device lies in the region")
    if out.any():
        names = network["device"] if "device" in network else network["latitude"]
        rows = schema.rows_text(names, out)
        schema.warn(network, f"network: devices left out, {why} ({rows})", stacklevel=4)
    return out


def _sides(
    region: Sides,
) -> Sides:
    sides = tuple(region)
    if len(sides) != 4:
        raise InputError("detector: region must be south, north, west and east, degrees")
    check_range("detector", -90, 90, south=sides[0], north=sides[1])
    check_range("detector", -180, 360, west=sides[2], east=sides[3])
    if sides[0] >= sides[1]:
        raise InputError("detector: region must be south, north, west and east; south < north")
    return sides


def judge_cells(network: Any, cause: Cause, corners: tuple[np.ndarray, np.ndarray]) -> None:
    """Warn of cells of the earthquake's grid that are too wide; refuse the widest."""
    low, high = corners
    if cause.is_simultaneous:
        return
    wide_km = float(np.sqrt(np.prod(high - low) / cause.cells))
    text = (
        f"network: the devices spread over {high[0] - low[0]:.0f} by {high[1] - low[1]:.0f} km, so "
        f"that the {cause.cells} cells of the {cause.name} are {wide_km:.0f} km wide"
    )
    remedy = "give a region (--region), or more cells"
    if wide_km > WIDEST_KM:
        raise InputError(f"{text}; {remedy}")
    if wide_km > WIDE_KM:
        schema.warn(network, f"{text}: earthquakes may be missed; {remedy}", stacklevel=4)
