"""Picks and stations of the field's formats: what ObsPy reads, and tables that name stations."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from eqstat._core.errors import InputError
from eqstat._core.obspy import obspy_module
from eqstat.schema._read import content_of, read_table
from eqstat.schema._times import ColumnProblem, parse_times

# How files of events and inventories begin: XML, and the listings of NonLinLoc.
STARTS = (b"<", b"\xef\xbb\xbf<", b"NLLOC")
# Names of the column that says which station a pick is of, and what a station is.
STATION_NAMES = ("device", "station", "id", "station_id", "trace_id", "seed_id", "station_code")
COORDINATES = ("latitude", "longitude", "elevation_m")
SHOWN = 5


def is_seismological(content: bytes) -> bool:
    """Whether content is of events or stations in a format that ObsPy reads, and no table.

    Examples
    --------
    >>> is_seismological(b"<?xml version='1.0'?><q:quakeml/>"), is_seismological(b"time,latitude")
    (True, False)
    """
    return content.lstrip().startswith(STARTS)


def read_picks(source: Any, *, name: str = "picks") -> pd.DataFrame:
    """Read picks of events: QuakeML, NonLinLoc's hypocentre files and whatever else ObsPy reads.

    The phase of a pick is the first letter of its hint, or of the arrival that refers to it where
    that is P or S; others stay without one. Its standard deviation is the uncertainty of its time,
    or half the sum of the lower and upper one. Rejected evaluations are left out.

    Parameters
    ----------
    source : str, pathlib.Path, bytes, obspy Catalog or Event
        File, its content, or what ObsPy has read.
    name : str
        Name of the picks in messages.

    Returns
    -------
    pandas.DataFrame
        `event` (last part of its identifier), `time` (UTC), `device` (network and station, such as
        GR.FUR), `phase` and `time_sd_s` (s); no places, see `join_stations`.

    Raises
    ------
    eqstat.InputError
        When the file cannot be read or has no picks.
    ImportError
        Without ObsPy.

    References
    ----------
    Beyreuther, M., Barsch, R., Krischer, L., Megies, T., Behr, Y. and Wassermann, J. (2010), ObsPy:
    a Python toolbox for seismology, Seismological Research Letters 81, 530-533,
    doi:10.1785/gssrl.81.3.530.

    Examples
    --------
    >>> from obspy import UTCDateTime
    >>> from obspy.core.event import Event, Pick, QuantityError, WaveformStreamID
    >>> pick = Pick(time=UTCDateTime(2027, 1, 15), phase_hint="Pg",
    ...             waveform_id=WaveformStreamID("GR", "FUR", "", "HHZ"),
    ...             time_errors=QuantityError(uncertainty=0.05))
    >>> table = read_picks(Event(picks=[pick]))
    >>> table[["device", "phase", "time_sd_s"]].values.tolist()
    [['GR.FUR', 'P', 0.05]]
    """
    obspy = obspy_module(name)
    events = source
    if isinstance(source, obspy.core.event.Event):
        events = [source]
    elif not isinstance(source, obspy.core.event.Catalog):
        events = _read(obspy.read_events, source, name)
    rows = [row for event in events for row in _picks_of(event)]
    if not rows:
        raise InputError(f"{name}: no picks in {len(list(events))} events")
    table = pd.DataFrame(rows)
    if table["time_sd_s"].isna().all():
        table = table.drop(columns="time_sd_s")
    table.attrs |= {"notes": [], "renamed": {}}
    return table


def _picks_of(event: Any) -> list[dict[str, Any]]:
    phases = {
        arrival.pick_id: arrival.phase for origin in event.origins for arrival in origin.arrivals
    }
    label = str(event.resource_id.id).rsplit("/", 1)[-1]
    rows = []
    for pick in event.picks:
        if pick.evaluation_status == "rejected":
            continue
        hint = str(pick.phase_hint or phases.get(pick.resource_id) or "")[:1].upper()
        errors, where = pick.time_errors, pick.waveform_id
        ends = (errors.lower_uncertainty, errors.upper_uncertainty)
        half = None if None in ends else sum(ends) / 2
        parts = (where.network_code, where.station_code) if where is not None else ()
        rows.append(
            {
                "event": label,
                "time": pd.Timestamp(pick.time.ns, unit="ns", tz="UTC"),
                "device": ".".join(part for part in parts if part) or None,
                "phase": hint if hint in ("P", "S") else None,
                "time_sd_s": errors.uncertainty if errors.uncertainty is not None else half,
            }
        )
    return rows


def read_stations(source: Any, *, name: str = "stations") -> pd.DataFrame:
    r"""Read stations: StationXML and whatever else ObsPy reads, or a table.

    Parameters
    ----------
    source : str, pathlib.Path, bytes, pandas.DataFrame, obspy Inventory
        File, its content, a table, or what ObsPy has read. A table has `latitude` and `longitude`
        and names stations by `device`, `station`, `id` or another usual name, perhaps with a
        column `network`.
    name : str
        Name of the stations in messages.

    Returns
    -------
    pandas.DataFrame
        `device`, `latitude`, `longitude`, and what is known of `elevation_m`, `active_from` and
        `active_to`; a row for each epoch of a station.

    Raises
    ------
    eqstat.InputError
        When the file cannot be read, or a table has no names or places.

    Examples
    --------
    >>> read_stations(b"network,station,latitude,longitude\nGR,FUR,48.16,11.28\n")["device"][2]
    'GR.FUR'
    """
    if isinstance(source, pd.DataFrame):
        return _named(source, name)
    if isinstance(source, bytes | str | Path):
        source = content_of(source, name)
        if not is_seismological(source):
            return _named(read_table(source, columns=("obspy",), strict=False, name=name), name)
    obspy = obspy_module(name)
    inventory: Any = source
    if not isinstance(source, obspy.Inventory):
        inventory = _read(obspy.read_inventory, source, name)
    rows = [
        {
            "device": f"{network.code}.{station.code}",
            "latitude": float(station.latitude),
            "longitude": float(station.longitude),
            "elevation_m": float(station.elevation),
            "active_from": _moment(station.start_date),
            "active_to": _moment(station.end_date),
        }
        for network in inventory
        for station in network
    ]
    if not rows:
        raise InputError(f"{name}: no stations in the file")
    return pd.DataFrame(rows)


def join_stations(picks: pd.DataFrame, stations: pd.DataFrame) -> pd.DataFrame:
    """Give picks the places of their stations.

    Stations are those of the same network and station code; where either table has no network, of
    the station code alone if that is unique. Locations and channels (NET.STA.LOC.CHA) do not
    matter. Of several epochs of a station the one that holds the pick counts.

    Parameters
    ----------
    picks
        Table with `time` and the name of the station, `device`.
    stations
        From `read_stations`.

    Returns
    -------
    pandas.DataFrame
        The picks with `latitude`, `longitude` and, where known, `elevation_m`. Those of stations
        that are not known are left out; `attrs["notes"]` says how many, and of which.

    Raises
    ------
    eqstat.InputError
        When no station is known, or a code alone stands for several.

    Examples
    --------
    >>> picks = pd.DataFrame({"time": ["2027-01-15T00:00:07Z"], "device": ["GR.FUR..HHZ"]})
    >>> stations = pd.DataFrame(
    ...     {"device": ["GR.FUR"], "latitude": [48.16], "longitude": [11.28]})
    >>> float(join_stations(picks, stations)["latitude"].iloc[0])
    48.16
    """
    column = next((n for n in STATION_NAMES if n in picks), None)
    if column is None:
        raise InputError(f"picks: no column names the station: {', '.join(STATION_NAMES[:4])}")
    known = _known(stations)
    held = [at for at in COORDINATES if at in stations]
    time = _times(picks["time"])
    row = np.full(len(picks), -1)
    for name, at in picks.groupby(column, sort=False).indices.items():
        row[at] = _epochs(_rows_of(name, known), stations, time.iloc[at])
    kept = row >= 0
    missing = sorted(set(picks[column][~kept].astype(str)))
    if not kept.any():
        some = ", ".join(map(str, stations["device"][:SHOWN]))
        raise InputError(
            f"stations: none of the {len(missing)} stations of the picks is known, such as "
            f"{missing[0]!r}; the stations are {some}, ..."
        )
    rows = stations.iloc[row[kept]]
    joined = picks[kept].drop(columns=[at for at in held if at in picks])
    joined = joined.assign(
        device=joined[column].astype(str), **{n: rows[n].to_numpy() for n in held}
    )
    notes = list(picks.attrs.get("notes", ()))
    if missing:
        more = f" and {len(missing) - SHOWN} more" if len(missing) > SHOWN else ""
        notes.append(
            f"picks: {int((~kept).sum())} of stations that are not known were left out: "
            f"{', '.join(missing[:SHOWN])}{more}"
        )
    joined.attrs |= {"renamed": {}, **picks.attrs, "notes": notes}
    return joined


def _code(name: object) -> tuple[str, str]:
    """Network, or nothing, and station of a name such as FUR, GR.FUR or GR.FUR..HHZ."""
    parts = str(name).strip().upper().split(".")
    return ("", parts[0]) if len(parts) == 1 else (parts[0], parts[1])


def _rows_of(name: object, known: dict[str, dict[str, list[Any]]]) -> list[Any]:
    """Rows of a station by its name; none where it is not known."""
    network, station = _code(name)
    networks = known.get(station, {})
    # A side that has no network may be of any.
    fitting = [own for own in networks if not network or own in ("", network)]
    if network in fitting:
        return networks[network]
    if len(fitting) > 1:
        raise InputError(
            f"stations: {station!r} is a station of the networks {', '.join(sorted(fitting))}; "
            "the picks must name the network"
        )
    return networks[fitting[0]] if fitting else []


def _known(stations: pd.DataFrame) -> dict[str, dict[str, list[Any]]]:
    """Rows by station code and network."""
    known: dict[str, dict[str, list[Any]]] = {}
    for row, name in enumerate(stations["device"]):
        network, station = _code(name)
        known.setdefault(station, {}).setdefault(network, []).append(row)
    return known


def _epochs(rows: list[int], stations: pd.DataFrame, time: Any) -> Any:
    """Number of the row whose epoch holds each time, else of the last; -1 without rows."""
    chosen = np.full(len(time), rows[-1] if rows else -1)
    if len(rows) > 1 and {"active_from", "active_to"} <= set(stations.columns):
        for row in rows:
            begun, ended = (stations[each].iloc[row] for each in ("active_from", "active_to"))
            within = (pd.isna(begun) | (begun <= time)) & (pd.isna(ended) | (time < ended))
            chosen[np.asarray(within)] = row
    return chosen


def _times(column: Any) -> pd.Series:
    """Times as in other tables; those that cannot be read are missing, and are named later."""
    try:
        return parse_times(column)[0]
    except ColumnProblem:
        texts = column.astype(str)
        return pd.to_datetime(texts, utc=True, format="ISO8601", errors="coerce")


def _named(table: pd.DataFrame, name: str) -> pd.DataFrame:
    """A table of stations with the names and places of the contract."""
    column = next((n for n in STATION_NAMES if n in table), None)
    if column is None or not {"latitude", "longitude"} <= set(table.columns):
        raise InputError(
            f"{name}: needs latitude, longitude and a name ({', '.join(STATION_NAMES[:4])}); "
            f"it has {', '.join(map(str, table.columns))}"
        )
    code = table[column].astype(str)
    if "network" in table and not code.str.contains(".", regex=False).any():
        code = table["network"].astype(str) + "." + code
    made: Any = table.assign(device=code)
    for at in ("active_from", "active_to"):
        if at in made:
            made[at] = _times(made[at])
    return made[[n for n in ("device", *COORDINATES, "active_from", "active_to") if n in made]]


def _moment(time: Any) -> Any:
    return pd.NaT if time is None else pd.Timestamp(time.ns, unit="ns", tz="UTC")


def _read(read: Any, source: Any, name: str) -> Any:
    """What an ObsPy function reads from a file or its content; its own errors as one line."""
    content = content_of(source, name)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return read(io.BytesIO(content))
    except Exception as error:
        text = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{name}: ObsPy cannot read it: {text:.200}") from error
