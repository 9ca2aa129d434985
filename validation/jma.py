r"""Shaking of Japanese earthquakes at the stations that P reaches first.

The instrumental intensity of the Japan Meteorological Agency is by definition

$$ I = 2 \log_{10} a_0 + 0.94 $$

with $a_0$ (Gal) of the filtered acceleration (JMA notice no. 4 of 1996; the form is that of
Kawasumi, 1951, whose constant is 0.70). $a_0$ stands for the PGA, so that two units of intensity
are one log10 unit. Intensities are published truncated to tenths: half a tenth is added.

Stations report 0.5 or more only. A place in the list of stations throughout the year and not in the
table was silent: below 0.5, or out of order. Reports of places that were listed for a part of the
year only are left out, as their silence could not be told from their absence. Several stations of
one place (whole minutes) are one, with their mean.

Intensities are final values; `jma_reporting` simulates how they are reported in time.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pandas as pd

from eqstat import InputError
from eqstat.exceedance._kernel import positions
from eqstat.geodesy import LocalFrame, great_circle_distance
from eqstat.ground_motion import felt
from eqstat.velocity import load_velocity

FLOOR = 0.5  # least intensity that is reported
TENTH = 0.1
STATIONS = 48
FAR_KM = 1100.0  # end of the tables of travel times
SPLIT = {"training": (1997, 2008), "validation": (2009, 2012), "test": (2013, 2015)}
# Attributes that all earthquakes share.
SHARED = ("growth", "log_prior", "time_s")


def log10_pga(intensity: Any) -> np.ndarray:
    """Equivalent PGA of a JMA intensity, log10 of m/s2."""
    return (np.asarray(intensity, np.float64) - 0.94) / 2.0 - 2.0


def intensity(log10_pga_m_s2: Any) -> np.ndarray:
    """JMA intensity of an equivalent PGA; the inverse of `log10_pga`."""
    return 2.0 * (np.asarray(log10_pga_m_s2, np.float64) + 2.0) + 0.94


LOG10_FLOOR = float(log10_pga(FLOOR))


@dataclass(frozen=True)
class Rows:
    """Arrays with one row per earthquake, which are selected together."""

    event: np.ndarray

    def chosen(self, events: Any) -> Any:
        """Select earthquakes by a mask, an index or a slice."""
        own = {each.name: getattr(self, each.name) for each in fields(self)}
        rows = {
            name: value.chosen(events) if isinstance(value, Rows) else value[events]
            for name, value in own.items()
            if isinstance(value, Rows | np.ndarray) and name not in SHARED
        }
        return replace(self, **rows)


@dataclass(frozen=True)
class Shaking(Rows):
    """Intensities of earthquakes (e) at the n stations nearest to the one that P reaches first.

    Places are Cartesian, km: east, north and up of the first station.

    Attributes
    ----------
    event, year, magnitude, latitude, longitude, depth_km
        The catalogue, (e,).
    hypocentre_km
        (e, 3).
    station
        Index into `places`, (e, n).
    station_km
        (e, n, 3).
    log10_pga
        Equivalent PGA, log10 of m/s2; the floor where the station was silent, (e, n).
    silent
        Below the floor, or out of order, (e, n).
    p_s, s_s
        Travel times, s, (e, n).
    places
        All stations ever listed, one row per place: `latitude`, `longitude`.
    left_out
        Numbers of earthquakes and reports that were left out, by reason.
    """

    year: np.ndarray
    magnitude: np.ndarray
    latitude: np.ndarray
    longitude: np.ndarray
    depth_km: np.ndarray
    hypocentre_km: np.ndarray
    station: np.ndarray
    station_km: np.ndarray
    log10_pga: np.ndarray
    silent: np.ndarray
    p_s: np.ndarray
    s_s: np.ndarray
    places: pd.DataFrame
    left_out: dict[str, int]


def _minutes(table: pd.DataFrame) -> np.ndarray:
    """One number for each whole minute of latitude and longitude."""
    north, east = (
        np.round(table[name].to_numpy(np.float64) * 60.0).astype(np.int64)
        for name in ("latitude", "longitude")
    )
    return north * 100_000 + east


def _day(text: pd.Series, unknown: str, missing: str) -> np.ndarray:
    """Dates of the list of stations; 99 is an unknown month or day, here `unknown`.

    A year 9999 is unknown, too, of stations that had closed before there were intensities.
    """
    full = text.replace("9999-99-99", "1900-01-01").fillna(missing)
    full = full.str.replace("-99-99", unknown).str.replace("-99", unknown[-3:])
    return pd.to_datetime(full).to_numpy()


def _listed(stations: pd.DataFrame, code: np.ndarray, count: int, year: int) -> np.ndarray:
    """Whether each place had a station in the list throughout a year (but for three days)."""
    first, last = np.datetime64(f"{year}-01-01"), np.datetime64(f"{year}-12-31")
    start = np.maximum(_day(stations["start"], "-12-28", "1900-01-01"), first)
    # A station that closed before the year ends on the day before it.
    before = first - np.timedelta64(1, "D")
    end = np.clip(_day(stations["end"], "-01-01", "2100-01-01"), before, last)
    begun, over = ((each - first) / np.timedelta64(1, "D") for each in (start, end))
    days = np.zeros((count, int((last - first) / np.timedelta64(1, "D")) + 1), bool)
    for place, begin, finish in zip(code, begun.astype(int), over.astype(int), strict=True):
        days[place, begin : finish + 1] = True
    return days.sum(axis=1) >= days.shape[1] - 3


def load(folder: str | Path | None = None, stations: int = STATIONS) -> Shaking:
    """Read the intensities in place, from the folder `EQSTAT_DATA` by default."""
    root = Path(os.environ["EQSTAT_DATA"] if folder is None else folder) / "jma_intensity"
    catalogue = pd.read_csv(root / "events.csv.gz")
    listed = pd.read_csv(root / "stations.csv.gz", dtype={"start": str, "end": str})
    reports = pd.read_parquet(root / "intensities.parquet").astype({"intensity": np.float64})
    codes, code = np.unique(_minutes(listed), return_inverse=True)
    places = listed.groupby(code)[["latitude", "longitude"]].first().reset_index(drop=True)
    reports["place"] = np.searchsorted(codes, _minutes(reports))
    reports = reports.groupby(["event", "place"], as_index=False)["intensity"].mean()
    left_out: dict[str, int] = {}

    def leave_out(table: pd.DataFrame, where: np.ndarray, why: str) -> pd.DataFrame:
        left_out[why] = int(where.sum())
        return table[~where].reset_index(drop=True)

    unknown = catalogue["depth_km"].isna().to_numpy()
    catalogue = leave_out(catalogue, unknown, "earthquakes of unknown depth")
    parts, reported = [], 0
    for year, events in catalogue.groupby("year"):
        used = np.flatnonzero(_listed(listed, code, len(places), int(year)))
        own = reports[reports["event"].isin(events["event"])]
        kept = own[own["place"].isin(used)]
        reported += len(own) - len(kept)
        parts.append(_nearest(events, kept, places, used, stations))
    left_out["reports of places listed for a part of the year"] = reported
    rows = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    near = rows["away_km"].max(axis=1) <= FAR_KM
    left_out["earthquakes with stations beyond the tables of travel times"] = int(np.sum(~near))
    rows = {name: value[near] for name, value in rows.items()}
    with jax.enable_x64(True):
        times = load_velocity("ak135").travel_time(rows.pop("away_km"), rows["depth_km"][:, None])
    p_s, s_s = (np.asarray(each) for each in times)
    return Shaking(**rows, p_s=p_s, s_s=s_s, places=places, left_out=left_out)


def _nearest(
    events: pd.DataFrame, reports: pd.DataFrame, places: pd.DataFrame, used: np.ndarray, count: int
) -> dict[str, np.ndarray]:
    """The rows of `Shaking` for the earthquakes of one year."""
    latitude, longitude = (places[name].to_numpy()[used] for name in ("latitude", "longitude"))
    centre = (events[name].to_numpy()[:, None] for name in ("latitude", "longitude"))
    first = great_circle_distance(*centre, latitude, longitude).argmin(axis=1)
    firsts, which = np.unique(first, return_inverse=True)
    own = (latitude[firsts][:, None], longitude[firsts][:, None])
    apart = great_circle_distance(*own, latitude, longitude)
    near = np.argsort(apart, axis=1, kind="stable")[which, :count]
    table = np.full((len(events), len(places)), np.nan)
    table[pd.Index(events["event"]).get_indexer(reports["event"]), reports["place"]] = (
        reports["intensity"] + TENTH / 2
    )
    value = np.take_along_axis(table, used[near], axis=1)
    source, station = np.empty((len(events), 3)), np.empty((*near.shape, 3))
    away = np.empty(near.shape)
    for row, one in enumerate(events.itertuples()):
        frame = LocalFrame(latitude[first[row]], longitude[first[row]])
        source[row] = positions(frame, one.latitude, one.longitude, one.depth_km)
        station[row] = frame.position(latitude[near[row]], longitude[near[row]])
        away[row] = great_circle_distance(
            one.latitude, one.longitude, latitude[near[row]], longitude[near[row]]
        )
    silent = np.isnan(value)
    return {
        **{name: events[name].to_numpy() for name in (
            "event", "year", "magnitude", "latitude", "longitude", "depth_km")},
        "hypocentre_km": source,
        "station": used[near],
        "station_km": station,
        "log10_pga": np.where(silent, LOG10_FLOOR, log10_pga(np.where(silent, FLOOR, value))),
        "silent": silent,
        "away_km": away,
    }  # fmt: skip


def split(shaking: Shaking, years: dict[str, tuple[int, int]] | None = None) -> dict[str, Shaking]:
    """Divide by years, both ends included; no earthquake may be in two parts."""
    parts = SPLIT if years is None else years
    masks = {
        name: (shaking.year >= low) & (shaking.year <= high) for name, (low, high) in parts.items()
    }
    twice = np.sum(list(masks.values()), axis=0) > 1
    if twice.any():
        raise InputError(f"split: year {shaking.year[twice][0]} is in two parts")
    return {name: shaking.chosen(mask) for name, mask in masks.items()}


def felt_records(shaking: Shaking) -> felt.FeltMotions:
    """Records of `ground_motion.felt`, with the stations that were silent."""
    stations = shaking.silent.shape[1]
    distance = np.linalg.norm(shaking.station_km - shaking.hypocentre_km[:, None], axis=-1)
    table = pd.DataFrame(
        {
            "event": np.repeat(shaking.event, stations),
            "magnitude": np.repeat(shaking.magnitude, stations),
            "depth_km": np.repeat(shaking.depth_km, stations),
            # Distances are chords, which may be a few metres shorter than the depth.
            "distance_km": np.maximum(distance, shaking.depth_km[:, None]).ravel(),
            "pga_m_s2": np.where(shaking.silent, np.nan, 10.0**shaking.log10_pga).ravel(),
        }
    )
    return felt.prepare(table, 10.0**LOG10_FLOOR, name="Japanese intensities")
