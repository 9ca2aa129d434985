"""A catalogue and a network as arrays: what each earthquake met, and whether it was detected."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import equinox as eqx
import numpy as np
import pandas as pd
from jaxtyping import Array, Float, Int

from eqstat._core.checks import check_kind, check_range, check_whole
from eqstat._core.errors import InputError
from eqstat._core.explain import Explained
from eqstat.geodesy import great_circle_distance, hypocentral_distance
from eqstat.inference import bucket_size, pad_rows
from eqstat.schema import Column, Contract, check, check_network

MOST_STATIONS = 10
# Distances of this many pairs are held at once.
BLOCK = 4_000_000
# A preceding earthquake longer ago than this does not matter.
LONGEST_S = 7_200.0
# So many preceding earthquakes count.
PRECEDING = 8

EVENTS = Contract(
    "events",
    (
        Column("latitude", "latitude", True, "degrees", -90.0, 90.0),
        Column("longitude", "longitude", True, "degrees", -180.0, 360.0),
        Column("depth_km", "number", True, "km", -9.0, 800.0, hint="depth is positive down, in km"),
        Column("magnitude", "number", True, "", -3.0, 10.0),
        Column("detected", "flag", True),
        Column("time", "time", unit="UTC"),
    ),
)
"""Earthquakes of a catalogue, with `detected` true for hits and false for misses."""


class HistoryData(Explained, eqx.Module):
    """Arrays of the earthquakes, the input of the likelihood; made by `prepare`.

    Attributes
    ----------
    magnitude, detected
        Of each earthquake; 1 for a hit, 0 for a miss, (events,).
    weight
        1 for an earthquake, 0 for padding, (events,).
    preceding_s
        Seconds since the preceding earthquakes nearby, the latest first; infinite where there is
        none, (events, preceding).
    distance_km
        Hypocentral distances of the nearest stations, (events, neighbours).
    station
        Their numbers, -1 for padding, (events, neighbours).
    group
        Number of each station's group, (stations,).
    counts
        The numbers of stations k that may be in force.
    groups
        Number of groups.
    station_effects, masking, only_detected
        Whether the model has terms of stations, of preceding earthquakes, and whether only
        detected earthquakes are known.
    magnitudes
        Nodes and weights of the magnitudes of a catalogue, where only detected ones are known.

    Examples
    --------
    See `prepare`.
    """

    magnitude: Float[Array, " events"] | np.ndarray
    detected: Float[Array, " events"] | np.ndarray
    weight: Float[Array, " events"] | np.ndarray
    preceding_s: Float[Array, "events preceding"] | np.ndarray
    distance_km: Float[Array, "events neighbours"] | np.ndarray
    station: Int[Array, "events neighbours"] | np.ndarray
    group: Int[Array, " stations"] | np.ndarray
    counts: tuple[int, ...] = eqx.field(static=True)
    groups: int = eqx.field(static=True)
    station_effects: bool = eqx.field(static=True)
    masking: bool = eqx.field(static=True)
    only_detected: bool = eqx.field(static=True)
    magnitudes: tuple[float, float] = eqx.field(static=True)


@dataclass(frozen=True)
class History(Explained):
    """A checked catalogue with its network, ready to fit; made by `prepare` or `simulate`.

    Attributes
    ----------
    data
        Padded arrays.
    events
        The earthquakes that are in them.
    stations
        The network, one row a station.
    groups
        Names of the groups of stations, the reference first.
    left_out
        Earthquakes that were left out, with a column `reason`.
    notes
        Remarks on the data.
    masking_km
        Distance within which a preceding earthquake counts; None for no such term.

    Examples
    --------
    See `prepare`.
    """

    data: HistoryData
    events: pd.DataFrame
    stations: pd.DataFrame
    groups: tuple[str, ...]
    left_out: pd.DataFrame
    notes: tuple[str, ...] = field(default=())
    masking_km: float | int | None = None


def prepare(
    events: pd.DataFrame,
    stations: pd.DataFrame,
    *,
    counts: int | Sequence[int] = 4,
    neighbours: int = 30,
    group: str | None = None,
    station_effects: bool = False,
    masking_km: float | int | None = None,
    only_detected: bool = False,
    least_magnitude: float | int | None = None,
    most_magnitude: float | int = 9.0,
    name: str = "events",
) -> History:
    """Check a catalogue and a network, and convert them to arrays.

    The catalogue must be complete down to its least magnitude independently of the system: what
    nobody saw is in no catalogue, and a catalogue that the system itself made has no misses. For
    that case there is `only_detected`.

    Parameters
    ----------
    events
        Table with `latitude`, `longitude`, `depth_km`, `magnitude`, `detected` and, for
        `masking_km` or stations with times of activity, `time`.
    stations
        Table of the network contract, `eqstat.schema.NETWORK`; at one place only one station.
    counts
        How many stations the system needs, or several numbers whose shares are estimated.
    neighbours
        How many of the nearest stations are considered; those farther away are taken for silent.
    group
        Column of `stations` whose values are groups that may differ in sensitivity, such as the
        kind of sensor; the most frequent one is the reference.
    station_effects
        Whether each station has a sensitivity of its own.
    masking_km
        Distance, km, within which a preceding earthquake may keep the system busy; by default
        this is not modelled.
    only_detected
        Use the detected earthquakes only, as if misses were unknown: the likelihood is then
        that of their magnitudes given that they were detected where they were.
    least_magnitude
        With `only_detected`, the magnitude from which on a detected earthquake is in the table; by
        default the least one there.
    most_magnitude
        With `only_detected`, the largest possible magnitude.
    name
        Name of the table in messages.

    Returns
    -------
    History

    Raises
    ------
    eqstat.InputError
        When a table cannot be used or no earthquake is left.

    Examples
    --------
    >>> stations = pd.DataFrame({"latitude": [0.0, 0.0, 0.3, 0.3], "longitude": [0, 0.3, 0, 0.3]})
    >>> events = pd.DataFrame({"latitude": [0.1, 0.2], "longitude": [0.1, 0.1], "depth_km": 8.0,
    ...                        "magnitude": [1.2, 3.0], "detected": [False, True]})
    >>> history = prepare(events, stations, counts=3)
    >>> len(history.events), history.data.distance_km.shape
    (2, (16, 4))
    """
    wanted = checked_counts("prepare", counts)
    check_whole("prepare", max(wanted), neighbours=neighbours)
    given = check(events, EVENTS, name=name).reset_index(drop=True)
    network = check_network(stations, name="stations").reset_index(drop=True)
    notes = [*given.attrs["notes"], *network.attrs["notes"]]
    preceding_s = np.full((len(given), 1), np.inf)
    if masking_km is not None:
        check_range("prepare", 0, ends="()", masking_km=masking_km)
        preceding_s = preceding(_with_time(given, name, "masking_km"), masking_km)
    kinds, groups = _groups(network, group)
    distance_km, station = nearest(given, network, neighbours, name)
    reason = np.full(len(given), "", object)
    reason[(station >= 0).sum(axis=1) < max(wanted)] = f"fewer than {max(wanted)} stations active"
    low, high = _magnitude_range(given, least_magnitude, most_magnitude, only_detected)
    if only_detected:
        detected = given["detected"].to_numpy(bool)
        reason[(reason == "") & ~detected] = "not detected"
        reason[(reason == "") & (given["magnitude"].to_numpy() < low)] = f"below magnitude {low:g}"
    keep = reason == ""
    left_out = given[~keep].assign(reason=reason[~keep])
    if not keep.any():
        why = left_out["reason"].value_counts().to_dict()
        raise InputError(f"{name}: no earthquake is left ({why}); give more stations or events")
    notes += [
        f"{name}: {count} left out: {why}"
        for why, count in left_out["reason"].value_counts().items()
    ]
    kept = given[keep].reset_index(drop=True)
    share = float(kept["detected"].mean())
    if not only_detected and share in (0.0, 1.0):
        notes.append(
            f"{name}: all earthquakes were {'detected' if share else 'missed'}: only a limit of "
            "the sensitivity can be learned"
        )
    size = bucket_size(len(kept))
    data = HistoryData(
        pad_rows(kept["magnitude"].to_numpy(np.float64), size, 3.0),
        pad_rows(kept["detected"].to_numpy(np.float64), size),
        pad_rows(np.ones(len(kept)), size),
        pad_rows(preceding_s[keep], size, np.inf),
        pad_rows(distance_km[keep], size, 100.0),
        pad_rows(station[keep], size, -1),
        kinds,
        wanted,
        len(groups),
        station_effects,
        masking_km is not None,
        only_detected,
        (low, high),
    )
    return History(data, kept, network, groups, left_out, tuple(notes), masking_km)


def checked_counts(owner: str, counts: int | Sequence[int]) -> tuple[int, ...]:
    """Numbers of stations that a rule may need, in order."""
    several = np.atleast_1d(np.asarray(counts))
    if several.ndim != 1 or not several.size:
        raise InputError(f"{owner}: counts must be a number of stations, or a row of some")
    check_whole(owner, 1, MOST_STATIONS, counts=several)
    return tuple(sorted({int(count) for count in several}))


def _magnitude_range(
    events: pd.DataFrame, least: float | int | None, most: float | int, only_detected: bool
) -> tuple[float, float]:
    """Range of the magnitudes that could be in the table; of no use where misses are known."""
    if not only_detected:
        return 0.0, 0.0
    magnitude = events["magnitude"].to_numpy()[events["detected"].to_numpy(bool)]
    if not magnitude.size:
        raise InputError("prepare: no earthquake was detected")
    low = float(magnitude.min() if least is None else least)
    check_range("prepare", -3, 10, least_magnitude=low, most_magnitude=most)
    if not max(low, float(magnitude.max())) < most:
        raise InputError(f"prepare: most_magnitude must be above the magnitudes, not {most:g}")
    return low, float(most)


def _groups(network: Any, column: str | None) -> tuple[np.ndarray, tuple[str, ...]]:
    """Numbers of the stations' groups, and their names, the most frequent first."""
    if column is None:
        return np.zeros(len(network), np.int32), ("all",)
    if column not in network.columns:
        raise InputError(f"stations: no column {column!r} for the groups; name one that is there")
    if bool(network[column].isna().any()):
        raise InputError(f"stations: column {column!r}: has missing values; fill them")
    names = network[column].astype(str)
    groups = tuple(str(label) for label in names.value_counts().index)
    return names.map({label: i for i, label in enumerate(groups)}).to_numpy(np.int32), groups


def _with_time(events: Any, name: str, reason: str) -> Any:
    if "time" not in events.columns:
        raise InputError(f"{name}: no column 'time', which {reason} needs")
    return events


def _nanosecond(times: Any) -> np.ndarray:
    return times.to_numpy(dtype="datetime64[ns]").astype(np.int64)


def nearest(
    events: Any, network: Any, neighbours: int, name: str = "events"
) -> tuple[np.ndarray, np.ndarray]:
    """Hypocentral distances and numbers of the nearest active stations, (events, neighbours)."""
    size = min(neighbours, len(network))
    distance = np.full((len(events), size), 100.0)
    station = np.full((len(events), size), -1, np.int32)
    active = [column for column in ("active_from", "active_to") if column in network.columns]
    if active:
        _with_time(events, name, "active_from or active_to of stations")
    step = max(BLOCK // max(len(network), 1), 1)
    place = network["latitude"].to_numpy(), network["longitude"].to_numpy()
    for first in range(0, len(events), step):
        rows = slice(first, first + step)
        part = events.iloc[rows]
        latitude, longitude, depth_km = (
            part[c].to_numpy()[:, None] for c in ("latitude", "longitude", "depth_km")
        )
        apart = hypocentral_distance(latitude, longitude, depth_km, *place)
        for column in active:
            time = _nanosecond(part["time"])[:, None]
            end, open_end = _nanosecond(network[column]), network[column].isna().to_numpy(bool)
            inside = time >= end if column == "active_from" else time < end
            apart = np.where(inside | open_end, apart, np.inf)
        order = np.argsort(apart, axis=1, kind="stable")[:, :size]
        near = np.take_along_axis(apart, order, axis=1)
        known = np.isfinite(near)
        distance[rows] = np.where(known, near, 100.0)
        station[rows] = np.where(known, order, -1)
    return distance, station


def preceding(events: Any, within_km: float | int) -> np.ndarray:
    """Seconds since the latest earlier earthquakes within a distance, (events, PRECEDING)."""
    order = np.argsort(_nanosecond(events["time"]), kind="stable")
    second = _nanosecond(events["time"])[order] / 1e9
    place = tuple(events[c].to_numpy()[order] for c in ("latitude", "longitude"))
    since = np.full((len(events), PRECEDING), np.inf)
    have = np.zeros(len(events), int)
    rows = np.arange(len(events))
    # The first earlier one, then the second, ... until enough are near or all are too old.
    for back in range(1, len(events)):
        rows = rows[rows >= back]
        rows = rows[(second[rows] - second[rows - back] <= LONGEST_S) & (have[rows] < PRECEDING)]
        if not rows.size:
            break
        other = rows - back
        apart = great_circle_distance(*(v[rows] for v in place), *(v[other] for v in place))
        near = rows[apart <= within_km]
        since[near, have[near]] = second[near] - second[near - back]
        have[near] += 1
    out = np.empty_like(since)
    out[order] = since
    return out


def as_history(owner: str, given: Any) -> History:
    """Refuse what `prepare` or `simulate` did not make."""
    check_kind(owner, History, "give what `prepare(events, stations)` returns", history=given)
    return given
