"""Names of columns: those of other tools, presets, and names that look like a contract's."""

from __future__ import annotations

import difflib
import re
import shlex
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd
from pandas.api.types import is_numeric_dtype

from eqstat._core.checks import check_kind
from eqstat._core.errors import InputError
from eqstat.schema._contracts import Contract

Columns = Mapping[str, str] | str | Sequence[Mapping[str, str] | str]
"""Mappings from the names of the contracts to those of a table, and names of presets."""

# Names of other tools and languages, in lower case, letters and digits only.
ALIASES: dict[str, tuple[str, ...]] = {
    "time": ("triggertime", "timestamp", "datetime", "timeutc", "phasetime", "picktime", "peaktime",
             "origintime", "t", "epoch", "tiempo", "fechahora", "zeit", "zeitpunkt", "temps",
             "tempo", "hora"),
    "latitude": ("lat", "latdeg", "stationlatitude", "stla", "y", "latitud", "breite",
                 "breitengrad"),
    "longitude": ("lon", "long", "lng", "londeg", "stationlongitude", "stlo", "x", "longitud",
                  "lange", "laenge", "langengrad", "laengengrad"),
    "device": ("station", "stationid", "stationcode", "sensor", "sensorid", "deviceid", "phone",
               "phoneid", "deviceuuid", "uuid", "traceid", "id", "sta", "name", "user", "userid",
               "imei", "dispositivo", "gerat", "geraet", "appareil"),
    "phase": ("type", "phasehint", "phasetype", "phasename", "wave", "pickphase", "fase"),
    "time_sd_s": ("timesd", "timeuncertainty", "timeerror", "timesigma", "sigma", "uncertaintys",
                  "uncertainty", "timeerrors", "sd", "std", "stddev", "err", "error"),
    "pga_m_s2": ("pga", "pgams2", "pgag", "peakacceleration", "amplitude"),
    "elevation_m": ("elevation", "elev", "elevationm", "stel", "altitude", "height",
                    "alt", "altitud", "altitudine", "elevacion", "quota", "hohe", "hoehe"),
    "received": ("receivedat", "receivetime", "receptiontime", "arrivedat", "servertime"),
    "active_from": ("starttime", "startdate", "start", "activefrom", "installed", "ondate"),
    "active_to": ("endtime", "enddate", "end", "activeto", "removed", "offdate", "until"),
    "triggers": ("ntriggers", "triggercount", "signals", "counts", "count", "k"),
    "active": ("actives", "nactive", "activedevices", "phones", "devices", "n"),
    "region": ("cell", "cellid", "zone", "area", "regionid"),
    "window_s": ("window", "windowlength", "windows", "durations", "duration"),
    "windows": ("nwindows", "windowcount"),
    "is_earthquake": ("earthquake", "isevent", "iseq", "isquake", "label", "eventtype"),
    "score": ("probability", "prob", "confidence"),
    "magnitude": ("mag", "mw", "ml"),
    "depth_km": ("depth", "depthkm", "evdepth", "hypocentraldepth"),
    "distance_km": ("distance", "rhypo", "hypocentraldistance", "hypodist"),
    "delay_s": ("delay", "latency"),
    "event": ("eventid", "evid", "publicid", "eventname"),
    "station": ("stationid", "stationcode", "sta"),
    "site": ("sitename", "siteid", "customsiteid"),
    "vs30_m_s": ("vs30", "vs30ms", "vs30msec"),
}  # fmt: skip

# What tables of simulated streams say of each trigger, and no model may use.
TRUTH = "cause"
# Columns by which tables of devices say which are active, where contracts have times.
SWITCHES = ("active", "isactive", "enabled", "online", "status", "state")

PRESETS: dict[str, dict[str, tuple[str, ...]]] = {
    "seisbench": {
        "time": ("peak_time", "time"),
        "device": ("trace_id", "station"),
        "phase": ("phase",),
        "latitude": ("station_latitude_deg",),
        "longitude": ("station_longitude_deg",),
        "elevation_m": ("station_elevation_m",),
    },
    "gamma": {
        "time": ("timestamp",),
        "device": ("id", "station_id"),
        "phase": ("type",),
        "elevation_m": ("elevation(m)", "elevation_m", "elevation"),
    },
    "pyocto": {"device": ("station", "id"), "elevation_m": ("elevation",)},
    "phasenet": {
        "time": ("phase_time", "timestamp"),
        "device": ("station_id", "id"),
        "phase": ("phase_type", "type"),
        "elevation_m": ("elevation_m", "elevation"),
    },
    "obspy": {
        "time": ("time",),
        "device": ("seed_id", "station_code", "station", "Station"),
        "phase": ("phase_hint",),
        "latitude": ("Latitude", "lat"),
        "longitude": ("Longitude", "lon"),
        "elevation_m": ("Elevation", "elevation"),
        "active_from": ("StartTime", "start_date"),
        "active_to": ("EndTime", "end_date"),
    },
    "geonet": {
        "time": ("origintime",),
        "device": ("Station", "Code"),
        "latitude": ("Latitude",),
        "longitude": ("Longitude",),
        "elevation_m": ("Elevation",),
        "active_from": ("Start Date",),
        "active_to": ("End Date",),
        "event": ("publicid",),
        "depth_km": ("depth",),
    },
    "openquake": {
        "latitude": ("lat",),
        "longitude": ("lon",),
        "site": ("custom_site_id", "site_id"),
        "vs30_m_s": ("vs30",),
        "event": ("event_id",),
        "station": ("station_id",),
        "magnitude": ("mag",),
        "depth_km": ("hypo_depth", "depth"),
        "distance_km": ("rhypo",),
    },
}
"""Columns of other tools by preset: for each name of a contract the first of these that a table
has."""


def plain(label: str) -> str:
    """Reduce a name to its lower-case letters, without accents, and digits.

    Examples
    --------
    >>> plain("Is_Earthquake"), plain("#Start Date"), plain("Höhe")
    ('isearthquake', 'startdate', 'hohe')
    """
    letters = unicodedata.normalize("NFKD", label)
    return re.sub(r"[^a-z0-9]", "", letters.lower())


def similar(name: str, existing: Iterable[str], *, guess: bool = True) -> str | None:
    """Return the column that may be meant by the name of a contract; None for no such.

    Parameters
    ----------
    name
        Name of the contract.
    existing
        Columns that the contract does not know.
    guess
        Whether names that merely look alike count beside names of other tools.

    Examples
    --------
    >>> similar("event", ["time", "event_id"]), similar("event", ["time", "is_event"], guess=False)
    ('event_id', None)
    """
    by_plain = {plain(label): label for label in reversed(list(existing))}
    for candidate in (plain(name), *ALIASES.get(name, ())):
        if candidate in by_plain:
            return by_plain[candidate]
    cutoff = 0.7 if guess else 0.85
    close = difflib.get_close_matches(plain(name), list(by_plain), n=1, cutoff=cutoff)
    return by_plain[close[0]] if close else None


def near_names(table: pd.DataFrame, contract: Contract) -> dict[str, str]:
    """Return the optional columns of a contract that a table has under another name, and which.

    Columns are recognised by their names; those of which only some texts are allowed, such as
    phases, by these, too. The truth of a simulation, `cause`, is none of them.

    Examples
    --------
    >>> from eqstat.schema import TRIGGERS
    >>> table = pd.DataFrame({"time": [1.8e9, 1.9e9], "latitude": 1.0, "longitude": 2.0})
    >>> near_names(table.assign(Phase=1), TRIGGERS), near_names(table.assign(onda="P"), TRIGGERS)
    ({'phase': 'Phase'}, {'phase': 'onda'})
    """
    columns = [str(label) for label in table.columns]
    known = {column.name for column in contract.columns}
    free = [label for label in columns if label not in known and plain(label) not in SWITCHES]
    # No model uses the accelerations of reports.
    missing = [c for c in contract.columns if c.name not in columns and c.name != "pga_m_s2"]
    near: dict[str, str] = {}
    for column in missing:
        label = similar(column.name, free, guess=False)
        if label is not None and label not in near.values():
            near[column.name] = label
    for column in missing:
        if column.allowed and column.name not in near:
            others = (each for each in free if each != TRUTH)
            holds = (each for each in others if _holds(table[each], column.allowed))
            label = next((each for each in holds if each not in near.values()), None)
            near |= {column.name: label} if label else {}
    return near


# What a table may hold twice, by the names of two tools; letters for coordinates may be projected.
_MEASURED = (
    "latitude",
    "longitude",
    "pga_m_s2",
    "magnitude",
    "depth_km",
    "distance_km",
    "vs30_m_s",
)


def rivals(table: pd.DataFrame, contract: Contract) -> dict[str, str]:
    """Return columns that a table has twice, the second by another tool's name, and which differ.

    A constant ratio is another unit of the same, and no difference.

    Examples
    --------
    >>> from eqstat.schema import TRIGGERS
    >>> table = pd.DataFrame({"latitude": [1.0, 2.0], "Lat": [1.0, -2.0], "lat_deg": [1.0, 2.0]})
    >>> rivals(table, TRIGGERS)
    {'latitude': 'Lat'}
    """
    names = {plain(str(label)): str(label) for label in reversed(table.columns.to_list())}
    both: dict[str, str] = {}
    for column in contract.columns:
        if column.name not in _MEASURED or column.name not in table.columns:
            continue
        for alias in ALIASES[column.name]:
            label = names.get(alias, "") if len(alias) > 1 else ""
            if label and label != column.name and _differ(table[column.name], table[label]):
                both[column.name] = label
    return both


def _differ(ours: Any, theirs: Any) -> bool:
    ours, theirs = (pd.to_numeric(each, errors="coerce") for each in (ours, theirs))
    ratio = (theirs / ours)[ours.notna() & theirs.notna() & (ours != 0)]
    if not len(ratio):
        return False
    usual = float(ratio.median())
    return usual <= 0 or float(ratio.max() - ratio.min()) > 1e-3 * usual


def _holds(values: Any, allowed: Sequence[str]) -> bool:
    """Whether a column has none but the allowed texts, in any case."""
    if not isinstance(values, pd.Series) or is_numeric_dtype(values):
        return False
    texts = {str(value).strip().lower() for value in values.dropna().unique()} - {""}
    return bool(texts) and texts <= {each.lower() for each in allowed}


def rename_columns(table: pd.DataFrame, columns: Columns, *, name: str = "table") -> pd.DataFrame:
    """Rename the columns of another tool to the names of the contracts.

    Parameters
    ----------
    table : pandas.DataFrame
        The table; it is not modified.
    columns : mapping or str, or several of these
        From the name in the contract to the name in the table, such as `{"time": "triggerTime"}`;
        or a preset: "seisbench", "gamma", "pyocto", "phasenet", "obspy", "geonet", "openquake".
        A preset renames those of its columns that the table has.
    name : str
        Name of the table in messages.

    Returns
    -------
    pandas.DataFrame
        A copy with these columns renamed and all others kept.

    Raises
    ------
    InputError
        When a column is missing, is named twice, or the new name already exists; when there is no
        such preset, or the table has none of its columns.

    Examples
    --------
    >>> import pandas as pd
    >>> rename_columns(pd.DataFrame({"lat": [1.0]}), {"latitude": "lat"}).columns.tolist()
    ['latitude']
    >>> rename_columns(pd.DataFrame({"phase_time": [1.8e9]}), "phasenet").columns.tolist()
    ['time']
    """
    check_kind(name, pd.DataFrame, "give a pandas DataFrame", table=table)
    existing = [str(label) for label in table.columns]
    mapping = resolve(columns, existing, name=name)
    return table.rename(columns={old: new for new, old in mapping.items()})


def resolve(
    columns: Columns, existing: Sequence[str], *, name: str = "table", strict: bool = True
) -> dict[str, str]:
    """Return what mappings and presets rename in a table: names of the contract to its own.

    Parameters
    ----------
    columns
        Mappings and names of presets; a mapping goes before a preset.
    existing
        Columns of the table.
    name
        Name of the table in messages.
    strict
        Whether a column of a mapping that the table lacks is an error, and a preset of which it
        has nothing.

    Examples
    --------
    >>> resolve(["gamma", {"device": "id"}], ["id", "timestamp"])
    {'time': 'timestamp', 'device': 'id'}
    """
    given = [columns] if isinstance(columns, str | Mapping) else list(columns)
    mapping: dict[str, str] = {}
    for each in given:
        if isinstance(each, str):
            renamed = preset(each, existing)
            if strict and not renamed:
                raise InputError(f"{name}: no column of the preset {each!r} {has(existing)}")
            mapping.update(renamed)
    for each in given:
        if isinstance(each, str):
            continue
        for new, old in each.items():
            if old in existing:
                _refuse_collision(new, old, each, existing, name)
                mapping = {ours: theirs for ours, theirs in mapping.items() if theirs != old}
                mapping[new] = old
            elif strict:
                raise InputError(f"{name}: {unknown(new, old, existing)}")
    return mapping


def _refuse_collision(
    new: str, old: str, mapping: Mapping[str, str], existing: Sequence[str], name: str
) -> None:
    own = list(mapping.values())
    if own.count(old) > 1:
        raise InputError(f"{name}: column {old!r} is named more than once; name it once")
    if new in existing and new not in own:
        raise InputError(
            f"{name}: column {old!r} cannot become {new!r}, which is there already; "
            f"rename or leave out the other {new!r} first"
        )


def unknown(new: str, old: str, existing: Sequence[str]) -> str:
    """Say that a column to be renamed is not there, and which may be meant."""
    close = difflib.get_close_matches(old, existing, n=1, cutoff=0.6)
    advice = f"; did you mean {close[0]!r}?" if close else ""
    return f"no column {old!r} to use as {new!r}{advice} {has(existing)}"


def preset(name: str, existing: Sequence[str]) -> dict[str, str]:
    """Return what a preset renames in a table with these columns.

    Examples
    --------
    >>> preset("gamma", ["id", "timestamp", "prob", "type"])
    {'time': 'timestamp', 'device': 'id', 'phase': 'type'}
    """
    if name not in PRESETS:
        raise InputError(f"columns: no preset {name!r}; there are {', '.join(PRESETS)}")
    mapping: dict[str, str] = {}
    for new, candidates in PRESETS[name].items():
        old = next((label for label in candidates if label in existing), None)
        if old is not None and new not in existing:
            mapping[new] = old
    return mapping


def pair(new: str, old: str) -> str:
    """Write NAME=COLUMN for `--columns`.

    Examples
    --------
    >>> pair("active_from", "Start Date")
    "'active_from=Start Date'"
    """
    return shlex.quote(f"{new}={old}")


def has(existing: Sequence[str]) -> str:
    """Say which columns a table has."""
    shown = ", ".join(existing[:20]) + (", ..." if len(existing) > 20 else "")
    return f"(the table has: {shown or 'no columns'})"
