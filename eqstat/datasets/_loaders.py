"""Loaders of the public data sets, which return validated tables."""

from __future__ import annotations

from typing import Any

import pandas as pd

from eqstat.datasets._registry import EQN, EVENTS, MYSHAKE, PICKS, RAW, RIDGECREST, STATIONS, fetch
from eqstat.geodesy import great_circle_distance
from eqstat.schema import (
    Column,
    Contract,
    check,
    check_detections,
    check_ground_motions,
    check_triggers,
    rename_columns,
)

_EVENT_CONTRACT = Contract(
    "events",
    (
        Column("event", "text", required=True),
        Column("time", "time", required=True, unit="UTC"),
        Column("latitude", "latitude", True, "degrees", -90.0, 90.0),
        Column("longitude", "longitude", True, "degrees", -180.0, 360.0),
        Column("depth_km", "number", True, "km", -9.0, 800.0),
        Column("magnitude", "number", True, "", -3.0, 10.0),
    ),
    same=("event",),
)


def load_myshake() -> tuple[pd.DataFrame, dict[str, Any]]:
    """Load phone triggers of the Borrego Springs earthquake, and its catalogue hypocentre.

    The triggers are from all of southern California, from two minutes before to three minutes
    after the earthquake; many are unrelated to it. The columns of the origin are kept: `pga`
    (unit not stated), `corrected` (meaning not stated), `p_flag`.

    Returns
    -------
    triggers : pandas.DataFrame
        Table of triggers (see `eqstat.schema.TRIGGERS`), 184 rows.
    truth : dict
        Catalogue values: `time` (pandas.Timestamp, UTC), `latitude`, `longitude` (degrees),
        `depth_km` (approximate), `magnitude`.

    Raises
    ------
    InputError
        When the file is invalid.

    Examples
    --------
    >>> import os
    >>> if "EQSTAT_DATA" in os.environ:
    ...     triggers, truth = load_myshake()
    """
    table = rename_columns(pd.read_csv(fetch(MYSHAKE.name)), {"time": "triggerTime"})
    truth = {
        "time": pd.Timestamp("2016-06-10T08:04:38.700Z"),
        "latitude": 33.432,
        "longitude": -116.443,
        "depth_km": 12.0,
        "magnitude": 5.2,
    }
    return check_triggers(table, name="myshake triggers"), truth


def load_eqn() -> pd.DataFrame:
    """Load the detections of the Earthquake Network in three countries over two years.

    The table contains issued detections only, and supports neither a false-alarm rate (there is no
    history of counts without a detection) nor a miss rate. Rows without a
    catalogued earthquake still have a `causal_phase`.

    Returns
    -------
    pandas.DataFrame
        Table of detections (see `eqstat.schema.DETECTIONS`), 550 rows: `time` of the
        detection, its `latitude` and `longitude`, `is_earthquake` (at least one catalogued
        earthquake matches), `triggers`, `active` (devices within 30 km), `magnitude`, `delay_s`
        (from the origin time to the detection), and besides `hour` (local hour of the day) and
        the origin's other columns under their names.

    Raises
    ------
    InputError
        When the file cannot be obtained or is invalid.

    Examples
    --------
    >>> import os
    >>> if "EQSTAT_DATA" in os.environ:
    ...     detections = load_eqn()
    """
    names = {
        "latitude": "det_lat",
        "longitude": "det_lon",
        "triggers": "signals",
        "active": "actives",
        "delay_s": "triggerdelay",
    }
    table = rename_columns(pd.read_csv(fetch(EQN.name)), names, name="eqn detections")
    table["time"] = pd.to_datetime(table["triggertime"], utc=True)
    table["is_earthquake"] = table["num_eq_matches"] > 0
    clock = table["triggertime_local"].str.slice(11, 19)
    table["hour"] = pd.to_timedelta(clock).dt.total_seconds() / 3600.0
    return check_detections(table, name="eqn detections")


def load_ceus(
    *, max_distance_km: float | None = 400.0, min_picks: int = 0
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Load picks of earthquakes in the central and eastern United States, and the catalogue.

    About 2 % of the picks have the wrong phase or an error of more than 6 s; catalogue epicentres
    have errors of about 2 km, and many catalogue depths are default values.

    Parameters
    ----------
    max_distance_km : float or None
        Picks of stations farther than this from the catalogue epicentre are excluded; None keeps
        all. Picks beyond 400 km are unreliable.
    min_picks : int
        Events with fewer remaining picks are excluded, with their picks.

    Returns
    -------
    picks : pandas.DataFrame
        Table of triggers (see `eqstat.schema.TRIGGERS`) with `device` ("NET.STA"), `phase`,
        `elevation_m`, and also `event`, `network`, `station`, `distance_deg` (the origin's)
        and `distance_km` (great-circle, from the catalogue epicentre). `attrs["notes"]` states
        how many rows were excluded.
    events : pandas.DataFrame
        `event`, `time`, `latitude`, `longitude`, `depth_km`, `magnitude`.

    Raises
    ------
    InputError
        When a file is missing or invalid, or no row remains.

    Examples
    --------
    >>> import os
    >>> if "EQSTAT_DATA" in os.environ:
    ...     picks, events = load_ceus(min_picks=8)
    """
    events: Any = check(pd.read_csv(fetch(EVENTS.name)), _EVENT_CONTRACT, name="ceus events")
    picks, notes = _at_stations(pd.read_csv(fetch(PICKS.name)))
    known = picks["event"].isin(events["event"])
    picks, notes = _leave_out(picks, ~known, "of no catalogued event", notes)
    epicentre = events.drop_duplicates("event").set_index("event").loc[picks["event"]]
    picks["distance_km"] = great_circle_distance(
        epicentre["latitude"].to_numpy(),
        epicentre["longitude"].to_numpy(),
        picks["latitude"].to_numpy(),
        picks["longitude"].to_numpy(),
    )
    if max_distance_km is not None:
        far = picks["distance_km"] > max_distance_km
        picks, notes = _leave_out(picks, far, f"beyond {max_distance_km:g} km", notes)
    counts = events["event"].map(picks["event"].value_counts()).fillna(0)
    few = events["event"][counts < min_picks]
    events = events[~events["event"].isin(few)].reset_index(drop=True)
    if len(few):
        note = f"ceus events: {len(few)} with fewer than {min_picks} picks left out"
        events.attrs["notes"] = [*events.attrs["notes"], note]
        picks, notes = _leave_out(
            picks, picks["event"].isin(few), "of these events", [*notes, note]
        )
    picks = check_triggers(picks, name="ceus picks")
    picks.attrs["notes"] = [*notes, *picks.attrs["notes"]]
    return picks, events


def load_ceus_raw() -> pd.DataFrame:
    """Load all automatic picks in a window about each earthquake, including false ones.

    Returns
    -------
    pandas.DataFrame
        Table of triggers (see `eqstat.schema.TRIGGERS`) with `device` ("NET.STA"), `elevation_m`,
        and also `event_window` (the event of the window), `network`, `station`. No phase.

    Raises
    ------
    InputError
        When a file is missing or invalid.

    Examples
    --------
    >>> import os
    >>> if "EQSTAT_DATA" in os.environ:
    ...     picks = load_ceus_raw()
    """
    picks, notes = _at_stations(pd.read_csv(fetch(RAW.name)))
    picks = check_triggers(picks, name="ceus raw picks")
    picks.attrs["notes"] = [*notes, *picks.attrs["notes"]]
    return picks


def _at_stations(picks: Any) -> tuple[Any, list[str]]:
    """Add the coordinates of stations to picks; exclude and count picks of unknown stations."""
    stations: Any = pd.read_csv(fetch(STATIONS.name))
    stations["device"] = stations["network"] + "." + stations["station"]
    notes: list[str] = []
    twice = int(stations.duplicated("device").sum())
    if twice:
        notes.append(f"ceus stations: {twice} listed again, the first place is used")
        stations = stations.drop_duplicates("device")
    places = stations[["device", "latitude", "longitude", "elevation_m"]]
    picks = picks.assign(device=picks["network"] + "." + picks["station"])
    picks = picks.merge(places, on="device", how="left")
    return _leave_out(picks, picks["latitude"].isna(), "of stations without a place", notes)


def _leave_out(
    picks: Any, where: Any, why: str, notes: list[str], what: str = "ceus picks"
) -> tuple[Any, list[str]]:
    """Exclude rows and note their number."""
    count = int(where.sum())
    if not count:
        return picks, notes
    note = f"{what}: {count} of {len(picks)} {why} left out"
    return picks[~where].reset_index(drop=True), [*notes, note]


def load_ridgecrest(
    *, max_distance_km: float | int | None = None, min_magnitude: float | int | None = None
) -> pd.DataFrame:
    """Load peak ground accelerations of the Ridgecrest sequence, converted from %g to m/s2.

    Distant stations are included only if an earthquake triggered them: beyond about 150 km, the
    records of small events are a selection of strong ones. Use at most 150 km for a model that
    ignores this selection. Split by event, not by record, because the records of one event share
    its event term.

    Parameters
    ----------
    max_distance_km : float, optional
        Hypocentral distance beyond which records are excluded; all are kept by default.
    min_magnitude : float, optional
        Magnitude below which events are excluded; all are kept by default.

    Returns
    -------
    pandas.DataFrame
        Table of ground motions (see `eqstat.schema.GROUND_MOTIONS`), 13,592 rows
        before exclusion: `distance_km` is from the hypocentre, `pga_m_s2` the peak as given by the
        origin; and also `time`, `event_latitude`, `event_longitude`,
        `magnitude_type`, `elevation_m`, `rupture_distance_km`, `joyner_boore_distance_km`,
        `pgv_cm_s`. `attrs["notes"]` states how many were excluded.

    Raises
    ------
    InputError
        When the file is missing or invalid, or no row remains.

    Examples
    --------
    >>> import os
    >>> if "EQSTAT_DATA" in os.environ:
    ...     records = load_ridgecrest(max_distance_km=150.0)
    """
    names = {"distance_km": "hypocentral_distance_km", "pga_m_s2": "pga_percent_g"}
    table: Any = rename_columns(pd.read_csv(fetch(RIDGECREST.name)), names, name="ridgecrest")
    table["pga_m_s2"] = table["pga_m_s2"] * 0.0980665
    table["time"] = pd.to_datetime(table["time"], utc=True)
    notes: list[str] = []
    for limit, column, sign, why in (
        (max_distance_km, "distance_km", 1.0, "beyond {:g} km"),
        (min_magnitude, "magnitude", -1.0, "below magnitude {:g}"),
    ):
        if limit is not None:
            out = sign * table[column] > sign * limit
            table, notes = _leave_out(table, out, why.format(limit), notes, "ridgecrest records")
    table = check_ground_motions(table, name="ridgecrest records")
    table.attrs["notes"] = [*notes, *table.attrs["notes"]]
    return table
