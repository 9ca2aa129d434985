"""Local time of regions: constant offsets, or civil time zones with daylight saving."""

from __future__ import annotations

import zoneinfo
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from eqstat._core.checks import check_range
from eqstat._core.errors import InputError
from eqstat.counts._harmonics import HOURS_OF_WEEK
from eqstat.schema import read_time

# Changes of civil time fall on quarters of an hour.
QUARTER_S = 900

Offsets = float | int | Mapping[str, float | int]
Zones = str | Mapping[str, str]


def hour_of_week(seconds: np.ndarray, offset_h: np.ndarray | float) -> np.ndarray:
    """Local hour of the week, [0, 168), Monday from 0, of seconds since 1970."""
    # The first of January 1970 was a Thursday.
    return (seconds / 3600 + offset_h + 3 * 24) % HOURS_OF_WEEK


def zone_offset_h(seconds: np.ndarray, zone: str) -> np.ndarray:
    """Hours by which a zone's clock is ahead of UTC at each time."""
    try:
        info = zoneinfo.ZoneInfo(zone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InputError(
            f"counts: time_zone {zone!r} is unknown; give an IANA name such as 'America/Lima', or "
            "utc_offset_h"
        ) from error
    quarters, which = np.unique(np.floor(seconds / QUARTER_S), return_inverse=True)
    utc: Any = pd.to_datetime(quarters * QUARTER_S, unit="s", utc=True)
    local = utc.tz_convert(info).tz_localize(None)
    return ((local - utc.tz_localize(None)).total_seconds().to_numpy() / 3600)[which]


def offsets_h(
    seconds: np.ndarray,
    codes: np.ndarray,
    names: Sequence[str],
    utc_offset_h: Offsets,
    time_zone: Zones | None,
) -> np.ndarray:
    """Local time minus UTC of each row, hours."""
    if time_zone is None:
        offsets = np.array(_each(utc_offset_h, names, "utc_offset_h", "hours east"), np.float64)
        check_range("counts", -14, 14, utc_offset_h=offsets)
        return offsets[codes]
    if isinstance(utc_offset_h, Mapping) or utc_offset_h != 0:
        raise InputError("counts: give time_zone or utc_offset_h, not both")
    zones = _each(time_zone, names, "time_zone", "an IANA name")
    out = np.zeros(len(seconds))
    for zone in dict.fromkeys(zones):
        rows = np.isin(codes, [number for number, own in enumerate(zones) if own == zone])
        out[rows] = zone_offset_h(seconds[rows], zone)
    return out


def _each(given: Any, names: Sequence[str], what: str, kind: str) -> list[Any]:
    """One value for each region."""
    if not isinstance(given, Mapping):
        return [given] * len(names)
    missing = [name for name in names if name not in given]
    if missing:
        raise InputError(
            f"counts: {what} has no entry for the region {missing[0]!r}"
            f"{f' and {len(missing) - 1} more' if len(missing) > 1 else ''}; give {kind}"
        )
    return [given[name] for name in names]


def local_time(time: Any, time_zone: str) -> tuple[np.ndarray, np.ndarray]:
    """Hour of the day and day of the week of UTC times in a civil time zone.

    Parameters
    ----------
    time
        UTC times: ISO 8601, or what else `pandas.to_datetime` reads but other texts.
    time_zone
        IANA name of the zone, such as "America/Lima"; daylight saving is followed.

    Returns
    -------
    hour, day
        Local time of day in hours, [0, 24), and day of the week, Monday is 0.

    Raises
    ------
    eqstat.InputError
        When there is no such zone, or a text is no time.

    Examples
    --------
    >>> hour, day = local_time(["2026-03-28T12:30:00Z", "2026-03-29T12:30:00Z"], "Europe/Rome")
    >>> hour.tolist(), day.tolist()
    ([13.5, 14.5], [5, 6])
    """
    given = np.atleast_1d(time)
    if given.dtype.kind in "OU":
        given = [read_time(each, "local_time") for each in given.tolist()]
    stamps: Any = pd.to_datetime(given, utc=True)
    seconds = stamps.to_numpy(dtype="datetime64[ms]").astype(np.int64) / 1e3
    hours = hour_of_week(seconds, zone_offset_h(seconds, time_zone))
    return hours % 24, (hours // 24).astype(np.int64)
