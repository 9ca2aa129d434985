"""Match triggers to the devices of a network, and read when each device is active."""

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
# If more than this share of the triggers matches no device, the table is of another network.
MAX_UNMATCHED_SHARE = 0.5
# A trigger that lies farther than this from all others is of a clock that was not set.
DAY_S = 86400.0
RECEIVED = Contract("triggers", (Column("received", "time", unit="UTC"),))


def seconds(times: Any) -> np.ndarray:
    """Return a column of times as Unix time, s; NaN where it is missing."""
    return ((pd.Series(times) - EPOCH) / pd.Timedelta(seconds=1)).to_numpy(np.float64)


def peaks_of(triggers: pd.DataFrame) -> np.ndarray:
    """Return reported peaks, m/s2; NaN where there is none."""
    if "pga_m_s2" not in triggers:
        return np.full(len(triggers), np.nan)
    return triggers["pga_m_s2"].to_numpy(np.float64)


def places_of(network: pd.DataFrame) -> tuple[pd.DataFrame, np.ndarray]:
    """Return one row per device and place, and the number of that row for each row of a table.

    Where a device has several places the names are left out: its triggers are then matched by
    place.
    """
    table: Any = schema.check_network(network)
    if "device" not in table:
        return table, np.arange(len(table))
    named = table["device"].notna()
    keys = table[["device", "latitude", "longitude"]].copy()
    # A row without a name is a device of its own.
    keys["alone"] = np.where(named, -1, np.arange(len(table)))
    number = keys.groupby(list(keys), dropna=False, sort=False).ngroup().to_numpy()
    first = np.flatnonzero(~pd.Series(number).duplicated())
    rows: Any = table.iloc[first]
    if not rows["device"].is_unique or not bool(rows["device"].notna().all()):
        rows = rows.drop(columns="device")
    return rows, number


def unique_devices(network: pd.DataFrame) -> pd.DataFrame:
    """Reduce a network whose devices come and go to one row per device, for `detector`.

    Parameters
    ----------
    network
        Table of the network contract. A device may have several rows, each with its
        `active_from` and `active_to`.

    Returns
    -------
    pandas.DataFrame
        Table of the network contract: a device that returns to the same place has one row. Where
        a device returns at another place, each place has a row and the names are left out.

    Raises
    ------
    eqstat.InputError
        When the table cannot be used.

    Examples
    --------
    >>> table = pd.DataFrame({"latitude": [1.0, 1.0], "longitude": [2.0, 2.0], "device": ["a", "a"],
    ...                       "active_from": ["2026-01-01T00:00Z", "2026-01-02T00:00Z"],
    ...                       "active_to": ["2026-01-01T08:00Z", "2026-01-02T08:00Z"]})
    >>> len(unique_devices(table))
    1
    """
    rows = places_of(network)[0]
    return rows.drop(columns=["active_from", "active_to"], errors="ignore")


def triggered_devices(triggers: pd.DataFrame) -> pd.DataFrame:
    """Network of the devices that triggered at any time, for data without a list of devices.

    The silence of these devices before and after their triggers is used; devices that never
    triggered are missing. So the share of devices that an earthquake triggers is overestimated, and
    so is the background rate per device. An earthquake that triggers a small network at once can
    then hardly be distinguished from a burst of the whole network, because all of its devices
    trigger in both cases. The set of devices is known in hindsight only: such a detector cannot run
    in real time, and its nominal rate of false alarms does not hold.

    Parameters
    ----------
    triggers
        Table of the triggers contract.

    Returns
    -------
    pandas.DataFrame
        Table of the network contract: one row per device, at the place of its first trigger;
        one row per place where triggers have no names.

    Raises
    ------
    eqstat.InputError
        When the table cannot be used.

    Examples
    --------
    >>> triggers = pd.DataFrame({"latitude": [1.0, 1.1, 1.0], "longitude": [2.0, 2.0, 2.0],
    ...                          "time": pd.to_datetime([3, 4, 5], unit="s", utc=True)})
    >>> triggered_devices(triggers)["latitude"].tolist()
    [1.0, 1.1]
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
    """Return the device of each trigger, by name where both have one, else by place; -1 for none.

    Triggers of several devices at the same place are assigned to them in turn.
    """
    device = np.full(len(triggers), -1)
    named = np.zeros(len(triggers), bool)
    if "device" in triggers and all(isinstance(name, str) for name in detector.names):
        number = {name: i for i, name in enumerate(detector.names)}
        named = triggers["device"].notna().to_numpy()
        labels = triggers["device"].to_numpy(object)[named]
        device[named] = [number.get(label, -1) for label in labels]
    position = np.asarray(detector.core.position, np.float64)
    unnamed = np.flatnonzero(~named)
    if len(unnamed):
        rows = triggers.iloc[unnamed]
        point = detector.frame.position(rows["latitude"].to_numpy(), rows["longitude"].to_numpy())
        distance, nearest = KDTree(position).query(point)
        # Devices of one position form a group; the n-th trigger at it belongs to its n-th device.
        _, group = np.unique(position, axis=0, return_inverse=True)
        members = pd.Series(np.arange(len(position))).groupby(group.ravel()).agg(list)
        group_of_row = pd.Series(group.ravel()[nearest])
        near: Any = group_of_row[distance <= within_km]
        turn = near.groupby(near).cumcount()
        for row, number in turn.items():
            candidates = members[group_of_row[row]]
            device[unnamed[row]] = candidates[number % len(candidates)]
    unmatched = int(np.sum(device < 0))
    if unmatched > MAX_UNMATCHED_SHARE * len(device):
        how = "by name" if named.all() else f"by place, within {within_km:g} km"
        row = triggers.index[int(np.argmax(device < 0))]
        raise InputError(
            f"triggers: {unmatched} of {len(device)} come from no device of the network ({how}; "
            f"the first is row {row}); is this the table of their network?"
        )
    return device


@dataclass(frozen=True)
class Activity:
    """Intervals in which devices are active, closed at the start and open at the end.

    Attributes
    ----------
    device
        Numbers of the devices, (intervals,).
    start_s, end_s
        Unix time, infinite where an interval has no such end, (intervals,).
    devices
        Number of devices of the detector.
    """

    device: np.ndarray
    start_s: np.ndarray
    end_s: np.ndarray
    devices: int

    def at(self, now_s: float) -> np.ndarray:
        """Return whether each device is active, (devices,)."""
        active = np.zeros(self.devices, bool)
        active[self.device[(self.start_s <= now_s) & (now_s < self.end_s)]] = True
        return active

    def changes(self, after_s: float, until_s: float) -> bool:
        """Return whether any device joins or leaves in this time."""
        return any(
            bool(np.any((times > after_s) & (times <= until_s)))
            for times in (self.start_s, self.end_s)
        )


def activity(detector: Detector, network: pd.DataFrame | None) -> Activity:
    """Read when devices are active; without a table all of them always are.

    Raises
    ------
    eqstat.InputError
        When the detector was not made from this table.
    """
    count = detector.devices
    if network is None:
        always = np.full(count, -np.inf), np.full(count, np.inf)
        return Activity(np.arange(count), *always, count)
    table: Any = schema.check_network(network)
    rows, number = places_of(network)
    same = len(rows) == count
    if same:
        point = detector.frame.position(rows["latitude"].to_numpy(), rows["longitude"].to_numpy())
        same = bool(np.allclose(point, np.asarray(detector.core.position), atol=0.01))
    if not same:
        raise InputError(
            f"network: its {len(rows)} devices are not the {count} of the detector, or not in "
            "their order; make the detector from unique_devices(network)"
        )
    bounds = []
    for name, missing in (("active_from", -np.inf), ("active_to", np.inf)):
        time_s = seconds(table[name]) if name in table else np.full(len(table), np.nan)
        bounds.append(np.where(np.isnan(time_s), missing, time_s))
    return Activity(number, bounds[0], bounds[1], count)


def moment(given: Any, default: float | None, name: str) -> float:
    """Return a moment in Unix time, s."""
    if given is None:
        if default is None:
            raise InputError(f"replay: no trigger is left, so {name} must be given")
        return default
    stamp = schema.read_time(given, f"replay: {name}")
    return float((stamp - EPOCH) / pd.Timedelta(seconds=1))


def stream(
    detector: Detector,
    triggers: pd.DataFrame,
    network: pd.DataFrame | None,
    within_km: float,
    start: Any,
    end: Any,
) -> tuple[pd.DataFrame, pd.DataFrame, list[str]]:
    """Return triggers with their devices in order of arrival; the others with the reason; notes."""
    table: Any = schema.check_triggers(triggers)
    if network is not None:
        schema.compare_places(table, schema.check_network(network))
    reason = schema.unusable_reports(table, gap_s=DAY_S, stacklevel=4)
    arrival = seconds(table["time"])
    if "received" in table:
        received = seconds(schema.check(table, RECEIVED)["received"])
        arrival = np.fmax(arrival, received)
    table["device_number"] = match(detector, table, within_km)
    number = table["device_number"].to_numpy()
    reason[(reason == "") & (number < 0)] = "of no device of the network"
    reason[(reason == "") & (number >= 0) & detector.left_out[number]] = "of a device left out"
    if start is not None:
        early = seconds(table["time"]) < moment(start, None, "start")
        reason[(reason == "") & early] = "before the start"
    if end is not None:
        late = arrival > moment(end, None, "end")
        reason[(reason == "") & late] = "after the end"
    table["_arrival"] = arrival
    out = reason != ""
    left_out = table[out].drop(columns="_arrival").assign(reason=reason[out])
    notes = [str(note) for note in (*detector.notes, *table.attrs["notes"])]
    for text, count in left_out["reason"].value_counts().items():
        notes.append(f"{count} of {len(table)} triggers left out: {text}")
    return table[~out].sort_values("_arrival", kind="stable"), left_out, notes
