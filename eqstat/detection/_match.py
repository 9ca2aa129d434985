"""Which device of a network sent a trigger, and who is there when."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.spatial import KDTree

from eqstat import schema
from eqstat._core.errors import InputError
from eqstat.detection._detector import Detector
from eqstat.schema import Column, Contract

EPOCH = pd.Timestamp(0, unit="s", tz="UTC")
# At most this part of the triggers may come from elsewhere; else it is the wrong network.
MOST_UNKNOWN = 0.5
RECEIVED = Contract("triggers", (Column("received", "time", unit="UTC"),))


def seconds(times: Any) -> np.ndarray:
    """Unix time of a column of times, s; NaN where there is none."""
    return ((pd.Series(times) - EPOCH) / pd.Timedelta(seconds=1)).to_numpy(np.float64)


def places_of(network: pd.DataFrame) -> tuple[pd.DataFrame, np.ndarray]:
    """One row for each device at each of its places; and which of them each row of a table is.

    Where a device has several places the names are left out: a trigger then tells by its place
    which of them it comes from.
    """
    table: Any = schema.check_network(network).reset_index(drop=True)
    if "device" not in table:
        return table, np.arange(len(table))
    named = table["device"].notna()
    keys = table[["device", "latitude", "longitude"]].copy()
    # A row without a name is a device of its own.
    keys["alone"] = np.where(named, -1, np.arange(len(table)))
    number = keys.groupby(list(keys), dropna=False, sort=False).ngroup().to_numpy()
    first = np.flatnonzero(~pd.Series(number).duplicated())
    rows: Any = table.iloc[first].reset_index(drop=True)
    if not rows["device"].is_unique or not bool(rows["device"].notna().all()):
        rows = rows.drop(columns="device")
    return rows, number


def devices_of(network: pd.DataFrame) -> pd.DataFrame:
    """One row for each device of a network whose devices come and go, for `detector`.

    Parameters
    ----------
    network
        Table of the network contract. A device may have several rows, each with its
        `active_from` and `active_to`.

    Returns
    -------
    pandas.DataFrame
        Table of the network contract: a device that comes again to the same place has one row
        here. Where one comes again at another place, each place has a row and the names are left
        out.

    Examples
    --------
    >>> table = pd.DataFrame({"latitude": [1.0, 1.0], "longitude": [2.0, 2.0], "device": ["a", "a"],
    ...                       "active_from": ["2026-01-01T00:00Z", "2026-01-02T00:00Z"],
    ...                       "active_to": ["2026-01-01T08:00Z", "2026-01-02T08:00Z"]})
    >>> len(devices_of(table))
    1
    """
    rows = places_of(network)[0]
    return rows.drop(columns=["active_from", "active_to"], errors="ignore")


def devices_that_triggered(triggers: pd.DataFrame) -> pd.DataFrame:
    """The network as far as triggers alone tell of it: those that triggered, and nobody else.

    Where no list of the silent devices exists, a detector can still be made for those that
    triggered at any time of the table. Their silence before and after their triggers counts; the
    devices that never triggered count for nothing. So the share of devices that an earthquake
    makes trigger is overestimated, and the background rate of each device as well. An earthquake
    that a small network feels at once is then hardly told from a burst of the whole network, for
    all of its devices trigger in both. Which devices there are is known only afterwards: no such
    detector can run in real time, and no rate of false alarms is kept.

    Parameters
    ----------
    triggers
        Table of the triggers contract.

    Returns
    -------
    pandas.DataFrame
        Table of the network contract: a row for each device, at the place of its first trigger;
        where a trigger has no name, for each place.
    """
    table: Any = schema.check_triggers(triggers).sort_values("time", kind="stable")
    place = table[["latitude", "longitude"]].apply(tuple, axis=1)
    if "device" in table:
        named = table["device"].notna()
        rows = table[~table["device"].where(named, place).duplicated()]
        columns = ["device"] if bool(rows["device"].notna().all()) else []
    else:
        rows, columns = table[~place.duplicated()], []
    return rows[[*columns, "latitude", "longitude"]].reset_index(drop=True)


def match(detector: Detector, triggers: pd.DataFrame, within_km: float) -> np.ndarray:
    """Device of each trigger, by name where both have one, else by place; -1 where there is none.

    Triggers of several devices at one and the same place go to them in turn.
    """
    found = np.full(len(triggers), -1)
    named = np.zeros(len(triggers), bool)
    if "device" in triggers and all(isinstance(name, str) for name in detector.names):
        number = {name: i for i, name in enumerate(detector.names)}
        named = triggers["device"].notna().to_numpy()
        labels = triggers["device"].to_numpy(object)[named]
        found[named] = [number.get(label, -1) for label in labels]
    position = np.asarray(detector.core.position, np.float64)
    rest = np.flatnonzero(~named)
    if len(rest):
        there = triggers.iloc[rest]
        at = detector.frame.position(there["latitude"].to_numpy(), there["longitude"].to_numpy())
        away, nearest = KDTree(position).query(at)
        _, group = np.unique(position, axis=0, return_inverse=True)
        members = pd.Series(np.arange(len(position))).groupby(group.ravel()).agg(list)
        where = pd.Series(group.ravel()[nearest])
        near: Any = where[away <= within_km]
        turn = near.groupby(near).cumcount()
        for row, number in turn.items():
            own = members[where[row]]
            found[rest[row]] = own[number % len(own)]
    unknown = int(np.sum(found < 0))
    if unknown > MOST_UNKNOWN * len(found):
        how = "by name" if named.all() else f"by place, within {within_km:g} km"
        row = triggers.index[int(np.argmax(found < 0))]
        raise InputError(
            f"triggers: {unknown} of {len(found)} come from no device of the network ({how}; the "
            f"first is row {row}); is this the table of their network?"
        )
    return found


@dataclass(frozen=True)
class Activity:
    """Who is there when: intervals of devices, ends not included.

    Attributes
    ----------
    device
        Numbers of the devices, (intervals,).
    start_s, end_s
        Unix time, infinite where it is open, (intervals,).
    devices
        Number of devices of the detector.
    """

    device: np.ndarray
    start_s: np.ndarray
    end_s: np.ndarray
    devices: int

    def at(self, now_s: float) -> np.ndarray:
        """Who is there, (devices,)."""
        there = np.zeros(self.devices, bool)
        there[self.device[(self.start_s <= now_s) & (now_s < self.end_s)]] = True
        return there

    def changes(self, after_s: float, until_s: float) -> bool:
        """Whether anybody joins or leaves in this time."""
        return any(
            bool(np.any((times > after_s) & (times <= until_s)))
            for times in (self.start_s, self.end_s)
        )


def activity(detector: Detector, network: pd.DataFrame | None) -> Activity:
    """Read who is there when; everybody always where no table tells.

    Raises
    ------
    eqstat.InputError
        When the detector was not made from this table.
    """
    count = detector.devices
    if network is None:
        everybody = np.arange(count)
        return Activity(everybody, np.full(count, -np.inf), np.full(count, np.inf), count)
    table: Any = schema.check_network(network)
    rows, number = places_of(network)
    right = len(rows) == count
    if right:
        at = detector.frame.position(rows["latitude"].to_numpy(), rows["longitude"].to_numpy())
        right = bool(np.allclose(at, np.asarray(detector.core.position), atol=0.01))
    if not right:
        raise InputError(
            f"network: its {len(rows)} devices are not the {count} of the detector, or not in "
            "their order; make the detector from devices_of(network)"
        )
    ends = []
    for name, missing in (("active_from", -np.inf), ("active_to", np.inf)):
        given = seconds(table[name]) if name in table else np.full(len(table), np.nan)
        ends.append(np.where(np.isnan(given), missing, given))
    return Activity(number, ends[0], ends[1], count)


def moment(given: Any, otherwise: float | None, name: str) -> float:
    """A moment in Unix time."""
    if given is None:
        if otherwise is None:
            raise InputError(f"replay: no trigger is left, so {name} must be given")
        return otherwise
    try:
        stamp: Any = pd.Timestamp(given)
    except (ValueError, TypeError):
        stamp = pd.NaT
    if stamp is pd.NaT:
        raise InputError(f"replay: {name} {given!r} is not a time that can be read")
    stamp = stamp.tz_localize("UTC") if stamp.tzinfo is None else stamp.tz_convert("UTC")
    return float((stamp - EPOCH) / pd.Timedelta(seconds=1))


def stream(
    detector: Detector, triggers: pd.DataFrame, within_km: float, start: Any, end: Any
) -> tuple[pd.DataFrame, pd.DataFrame, list[str]]:
    """Triggers in the order of arrival with their devices; the others with the reason."""
    table: Any = schema.check_triggers(triggers)
    notes = [str(note) for note in table.attrs["notes"]]
    arrival = seconds(table["time"])
    if "received" in table:
        received = seconds(schema.check(table, RECEIVED)["received"])
        arrival = np.fmax(arrival, received)
    table["device_number"] = match(detector, table, within_km)
    reason = np.full(len(table), "", object)
    reason[table["device_number"].to_numpy() < 0] = "of no device of the network"
    if start is not None:
        reason[seconds(table["time"]) < moment(start, None, "start")] = "before the start"
    if end is not None:
        reason[arrival > moment(end, None, "end")] = "after the end"
    table["_arrival"] = arrival
    out = reason != ""
    left_out = table[out].drop(columns="_arrival").assign(reason=reason[out])
    for text, count in left_out["reason"].value_counts().items():
        notes.append(f"{count} of {len(table)} triggers left out: {text}")
    return table[~out].sort_values("_arrival", kind="stable"), left_out, notes
