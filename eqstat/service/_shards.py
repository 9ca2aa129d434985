"""A large network divided into regions that overlap, each for a process of its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from eqstat import schema
from eqstat._core.checks import check_kind, check_range
from eqstat._core.errors import InputError
from eqstat.geodesy import great_circle_distance
from eqstat.service._protocol._topics import NAME, area_of

# A region of fewer devices than this can decide nothing.
LEAST_DEVICES = 4


def split_network(
    network: pd.DataFrame, *, degrees: float | int, overlap_km: float | int
) -> dict[str, pd.DataFrame]:
    """Divide a network into regions: cells of some degrees, and what lies around them.

    Parameters
    ----------
    network
        Table of the network contract with names of the devices.
    degrees
        Size of the cells, degrees, above 0 and at most 90; those of `area_of`.
    overlap_km
        Devices this near to a cell belong to its region, too, km, at least 0: the distance at which
        an earthquake of a cell's edge still makes devices trigger.

    Returns
    -------
    dict of str to pandas.DataFrame
        Devices of each region by its name; cells with fewer than four devices are none.

    Raises
    ------
    eqstat.InputError
        When devices have no names, or an argument is out of its range.

    Examples
    --------
    >>> place = np.linspace(0.02, 1.98, 50)
    >>> network = pd.DataFrame(
    ...     {"device": [f"p{i}" for i in range(50)], "latitude": place, "longitude": place})
    >>> parts = split_network(network, degrees=1.0, overlap_km=30.0)
    >>> {name: len(table) for name, table in parts.items()}
    {'cell0_0': 30, 'cell1_1': 30}
    """
    check_range("split_network", 0, 90, ends="(]", degrees=degrees)
    check_range("split_network", 0, 20_000, overlap_km=overlap_km)
    table = schema.check_network(network)
    if "device" not in table:
        raise InputError("split_network: the network needs a column device")
    names = table["device"].astype(str)
    wrong = [name for name in names if not NAME.fullmatch(name)]
    if wrong:
        raise InputError(
            f"split_network: device {wrong[0]!r:.60} must be 1 to 64 letters, digits and _.:-"
        )
    table = table.assign(device=names)
    latitude, longitude = (table[n].to_numpy(np.float64) for n in ("latitude", "longitude"))
    places = zip(latitude.tolist(), longitude.tolist(), strict=True)
    areas = np.array([area_of(*place, float(degrees)) for place in places])
    parts = {}
    for area in np.unique(areas):
        south, west = (float(degrees) * int(x) for x in area.split("_"))
        # The place of the cell that is nearest to each device.
        middle = west + degrees / 2
        away = (longitude - middle + 180.0) % 360.0 - 180.0
        near = (
            np.clip(latitude, south, min(south + degrees, 90.0)),
            middle + np.clip(away, -degrees / 2, degrees / 2),
        )
        distance = great_circle_distance(latitude, longitude, *near)
        inside = (areas == area) | (distance <= overlap_km)
        if inside.sum() >= LEAST_DEVICES:
            parts[f"cell{area}"] = table[inside].reset_index(drop=True)
    return parts


def write_shards(folder: str | Path, parts: dict[str, pd.DataFrame], degrees: float | int) -> Path:
    """Write regions and a configuration of them, for `eqstat serve --region`.

    Parameters
    ----------
    folder
        Where to; it is made.
    parts
        From `split_network`.
    degrees
        Size of the cells, by which the devices are to send.

    Returns
    -------
    pathlib.Path
        The configuration.

    Examples
    --------
    >>> import tempfile
    >>> network = pd.DataFrame(
    ...     {"device": list("abcd"), "latitude": [1.1, 1.2, 1.3, 1.4], "longitude": [2.5] * 4})
    >>> parts = split_network(network, degrees=1.0, overlap_km=0.0)
    >>> print(write_shards(tempfile.mkdtemp(), parts, 1.0).read_text())
    [broker]
    area_degrees = 1.0
    <BLANKLINE>
    [[region]]
    name = "cell1_2"
    network = "cell1_2.csv"
    <BLANKLINE>
    """
    remedy = "give the tables of split_network"
    for table in parts.values():
        check_kind("write_shards", pd.DataFrame, remedy, parts=table)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    text = [f"[broker]\narea_degrees = {float(degrees)!r}\n"]
    for name, table in parts.items():
        table.to_csv(folder / f"{name}.csv", index=False)
        text.append(f'[[region]]\nname = "{name}"\nnetwork = "{name}.csv"\n')
    path = folder / "service.toml"
    path.write_text("\n".join(text), encoding="utf-8")
    return path
