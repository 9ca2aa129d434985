"""Names of devices: whether they tell devices apart, and what two tables say of one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from eqstat._core.errors import InputError
from eqstat.geodesy import great_circle_distance
from eqstat.schema._check import rows_text, warn

# Farther from its place in the network no device is taken for the same.
AWAY_KM = 50.0
# A device does not move far in this time.
SOON_S = 600.0
# Reports from within this many degrees (11 m) are from one place.
SAME_DEG = 1e-4
# Reports of one place and moment under other names: few are of neighbours, many of one device.
MOMENT_S, LEAST_COPIES, LEAST_SHARE = 0.1, 3, 0.2


def warn_of_names(triggers: Any, seconds: NDArray[np.float64], name: str) -> None:
    """Warn where one name stands for several devices, or several for one."""
    if "device" in triggers and len(triggers) > 1:
        _warn_of_shared_names(triggers, seconds, name)
        _warn_of_copies(triggers, seconds, name)


def warn_of_double_devices(network: Any, name: str) -> None:
    """Warn where many devices of a network are at the very place of another under another name.

    Examples
    --------
    >>> import warnings
    >>> network = pd.DataFrame({"device": list("abcdef"), "latitude": 1.00012,
    ...                         "longitude": np.repeat([1.00013, 2.00017, 3.00011], 2)})
    >>> network.attrs["notes"] = []
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore")
    ...     warn_of_double_devices(network, "network")
    >>> network.attrs["notes"][0][:40]
    'network: 3 of 6 devices are at the place'
    """
    if "device" not in network:
        return
    frame: Any = network[["device", "latitude", "longitude"]].dropna()
    frame = frame.drop_duplicates("device").reset_index(drop=True)
    places = [frame[each].to_numpy(np.float64) for each in ("latitude", "longitude")]
    cells = pd.DataFrame(np.round(np.stack(places, axis=1) / SAME_DEG))
    bad = cells.duplicated().to_numpy() & fine_places(*places)
    if bad.sum() < max(LEAST_COPIES, LEAST_SHARE * len(frame)):
        return
    at = int(np.argmax(bad))
    other = int(np.argmax((cells == cells.iloc[at]).all(axis=1)))
    pair = frame["device"].iloc[at], frame["device"].iloc[other]
    warn(
        network,
        f"{name}: {bad.sum()} of {len(frame)} devices are at the place of another under another "
        f"name ({pair[0]!r} as {pair[1]!r}), and count as silent where they do not report: if they "
        "are of one device, give it one name",
    )


def fine_places(latitude: NDArray[np.float64], longitude: NDArray[np.float64]) -> Any:
    """Whether places have four decimals or more; those on a coarse grid are shared by neighbours.

    Examples
    --------
    >>> fine_places(np.array([-12.1, -12.1]), np.array([-77.0, -77.00012])).tolist()
    [False, True]
    """
    degrees = np.stack([latitude, longitude]) * 1e3
    return np.max(np.abs(degrees - np.round(degrees)), axis=0) > 1e-6


def shared_names(triggers: Any, seconds: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which reports have a name that stands for several devices.

    Examples
    --------
    >>> table = pd.DataFrame({"device": ["a", "a", "b"], "latitude": [1.0, 3.0, 3.0],
    ...                       "longitude": 2.0})
    >>> shared_names(table, np.array([0.0, 5.0, 6.0])).tolist()
    [True, True, False]
    """
    device = triggers["device"].reset_index(drop=True)
    away = _moved_km(triggers, seconds) > AWAY_KM
    return (device.isin(device[away]) & device.notna()).to_numpy()


def _moved_km(triggers: Any, seconds: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far a device is from its report of the minutes before; 0 where there is none."""
    columns = ["device", "latitude", "longitude"]
    frame: Any = triggers[columns].reset_index(drop=True).assign(time=seconds)
    frame = frame[frame["device"].notna()].sort_values(["device", "time"], kind="stable")
    before = frame.groupby("device")[["latitude", "longitude", "time"]].shift()
    moved = great_circle_distance(
        *(each.to_numpy() for each in (frame["latitude"], frame["longitude"])),
        *(each.to_numpy() for each in (before["latitude"], before["longitude"])),
    )
    soon = (frame["time"] - before["time"]).to_numpy() < SOON_S
    out = np.zeros(len(triggers))
    out[frame.index] = np.where(soon, moved, 0.0)
    return out


def _warn_of_shared_names(triggers: Any, seconds: NDArray[np.float64], name: str) -> None:
    """Warn where one device reports from places within minutes to which it cannot have moved."""
    moved = _moved_km(triggers, seconds)
    bad = moved > AWAY_KM
    if bad.any():
        devices, farthest = triggers["device"].to_numpy(), int(np.argmax(moved))
        warn(
            triggers,
            f"{name}: names of devices that are not unique: {len(set(devices[bad]))} report from "
            f"places more than {AWAY_KM:g} km apart within minutes ({str(devices[farthest])!r}: "
            f"{moved[farthest]:.0f} km)",
        )


def _warn_of_copies(triggers: Any, seconds: NDArray[np.float64], name: str) -> None:
    """Warn where many reports are of the very place and moment of one under another name."""
    columns = ["device", "latitude", "longitude"]
    frame: Any = triggers[columns].reset_index(drop=True).assign(time=seconds)
    frame["fine"] = fine_places(*(frame[each].to_numpy(np.float64) for each in columns[1:]))
    frame[columns[1:]] = np.round(frame[columns[1:]].to_numpy(np.float64) / SAME_DEG)
    frame = frame[frame["device"].notna()].sort_values(["latitude", "longitude", "time"])
    before = frame.shift()
    same = (frame[columns[1:]] == before[columns[1:]]).all(axis=1) & frame["fine"]
    same &= (frame["time"] - before["time"] < MOMENT_S) & (frame["device"] != before["device"])
    bad = same.to_numpy(dtype=bool)
    if bad.sum() < max(LEAST_COPIES, LEAST_SHARE * len(triggers)):
        return
    pair = frame["device"].to_numpy()[bad][0], before["device"].to_numpy()[bad][0]
    warn(
        triggers,
        f"{name}: {bad.sum()} of {len(triggers)} reports are of the place and the tenth of a "
        f"second of another under another name ({pair[0]!r} as {pair[1]!r}); they count as "
        "independent: if they are of one device, give it one name",
    )


def compare_places(triggers: Any, network: Any) -> None:
    """Compare the places of devices in two tables, matched by name, and those of a network.

    Raises
    ------
    eqstat.InputError
        When most devices that both tables name lie more than 50 km apart. Where fewer do, a warning
        names the rows of the triggers; another names devices of the network at one place.

    Examples
    --------
    >>> import pandas as pd
    >>> from eqstat.schema import check_network, check_triggers
    >>> network = pd.DataFrame({"device": ["a"], "latitude": [-77.0], "longitude": [-12.0]})
    >>> triggers = pd.DataFrame({"device": ["a"], "latitude": [-12.0], "longitude": [-77.0],
    ...                          "time": [1.8e9]})
    >>> compare_places(check_triggers(triggers), check_network(network))
    Traceback (most recent call last):
        ...
    eqstat._core.errors.InputError: network: 1 of 1 devices lie more than 50 km from where the
    triggers say ('a': 8096 km); are latitude and longitude swapped?
    """
    warn_of_double_devices(network, "network")
    if "device" not in triggers or "device" not in network:
        return
    columns = ["device", "latitude", "longitude"]
    pairs: Any = (
        triggers[columns].dropna().assign(row=np.arange(len(triggers))[triggers["device"].notna()])
    ).merge(network[columns].dropna(), on="device", suffixes=("", "_listed"))
    if not len(pairs):
        return
    columns += ["latitude_listed", "longitude_listed"]
    own_latitude, own_longitude, latitude, longitude = (
        pairs[name].to_numpy(np.float64) for name in columns[1:]
    )
    pairs["km"] = great_circle_distance(own_latitude, own_longitude, latitude, longitude)
    pairs["swapped"] = great_circle_distance(own_latitude, own_longitude, longitude, latitude)
    # A device that moves has several rows in the network.
    best = pairs.groupby(["device", "row"], as_index=False, sort=False)[["km", "swapped"]].min()
    away = best[(best["km"] > AWAY_KM).to_numpy()]
    if not len(away):
        return
    names, known = away["device"].nunique(), best["device"].nunique()
    first = f"{away['device'].iloc[0]!r}: {away['km'].iloc[0]:.0f} km"
    text = f"devices lie more than {AWAY_KM:g} km from where the triggers say ({first})"
    if names > 0.5 * known:
        swapped = float(np.median(away["swapped"])) < AWAY_KM
        advice = (
            "are latitude and longitude swapped?"
            if swapped
            else "is it the network of these triggers, and are the signs right?"
        )
        raise InputError(f"network: {names} of {known} {text}; {advice}")
    bad = np.zeros(len(triggers), bool)
    bad[away["row"].to_numpy()] = True
    rows = rows_text(triggers["device"], bad)
    warn(triggers, f"triggers: {names} of {known} {text.replace('triggers say', 'network says')}"
            f"; {rows}")  # fmt: skip
