"""From tables of stations and of their reports to recordings and examples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np
import pandas as pd

from eqstat._core.checks import check_choice, check_kind, check_range, check_whole
from eqstat._core.errors import InputError
from eqstat._core.explain import Explained
from eqstat._core.typing import ArrayLike
from eqstat.geodesy import LocalFrame
from eqstat.ground_motion.network._examples import Examples
from eqstat.ground_motion.network.multistation._sites import site_table, with_sites
from eqstat.ground_motion.network.multistation._views import Recording, View, views_at
from eqstat.schema import Column, Contract, check, compare_places, rows_text

STATIONS = Contract(
    "stations",
    (
        Column("station", "text", True),
        Column("latitude", "latitude", True, "degrees", -90.0, 90.0),
        Column("longitude", "longitude", True, "degrees", -180.0, 360.0),
        Column("elevation_m", "number", False, "m", -11000.0, 9000.0),
    ),
)
REPORTS = Contract(
    "reports",
    (
        Column("event", "text", True),
        Column("station", "text", True),
        Column("time", "time", True),
        Column(
            "pga_m_s2", "number", True, "m/s2", maximum=100.0, positive=True,
            hint="no ground shook more: multiply %g by 0.0980665, divide Gal by 100",
        ),
        Column("latitude", "latitude", False, "degrees", -90.0, 90.0),
        Column("longitude", "longitude", False, "degrees", -180.0, 360.0),
    ),
)  # fmt: skip
# Reports that start later than this after the first are of another earthquake, s.
LONGEST_S = 600.0


@dataclass(frozen=True)
class Recordings(Explained):
    """Earthquakes as their stations recorded them; made by `prepare`.

    Attributes
    ----------
    recording
        Arrays with a leading axis of earthquakes.
    log10_pga
        Log10 of the largest acceleration of each station, m/s2, (events, n).
    reported
        Whether a station reported in the earthquake, (events, n).
    event
        Names, (events,).
    name
        Name of each station of each earthquake, "" for padding, (events, n).
    stations
        Table of all stations, in the order of their numbers.
    places
        Table of the stations of the recordings: `station`, `latitude`, `longitude` and perhaps
        `elevation_m`.
    centre
        Latitude and longitude of the first station that reported, the centre of the frame of
        `place_km`, (events, 2).
    start_time, end_time
        When it reported, and when the last report came (UTC), (events,).

    Examples
    --------
    See `prepare`.
    """

    recording: Recording
    log10_pga: np.ndarray
    reported: np.ndarray
    event: np.ndarray
    name: np.ndarray
    stations: pd.DataFrame
    places: pd.DataFrame
    centre: np.ndarray
    start_time: np.ndarray
    end_time: np.ndarray

    def views(
        self, time_s: ArrayLike, samples: int = 30, *, sites: pd.DataFrame | None = None
    ) -> View:
        """Cut each earthquake at times; see `eqstat.ground_motion.network.multistation.views_at`.

        Parameters
        ----------
        time_s
            Seconds after the first report, (times,) or (events, times).
        samples
            Seconds before each time.
        sites
            Places to ask beside the stations, as of `site_table`: the extra places of the view.

        Returns
        -------
        View
            With a leading axis of events x times rows.

        Raises
        ------
        eqstat.InputError
            As of `site_table`.
        """
        check_whole("views", 1, samples=samples)
        check_range("views", 0, time_s=time_s)
        times = np.atleast_1d(np.asarray(time_s, np.float32))
        if times.ndim > 2 or not times.size or times.shape[:-1] not in ((), self.event.shape):
            raise InputError(
                f"views: time_s must be (times,) or ({len(self.event)}, times), not {times.shape}"
            )
        view = views_at(self.recording, jnp.asarray(times), samples)
        return view if sites is None else with_sites(view, self.site_table(sites), self.centre)

    def site_table(self, sites: pd.DataFrame) -> pd.DataFrame:
        """Say what is known of places that are asked.

        Parameters
        ----------
        sites
            `latitude`, `longitude`, optionally `site` (a name; by default its row) and
            `elevation_m` (by default that of the station of its name, or 0).

        Returns
        -------
        pandas.DataFrame
            `site`, `latitude`, `longitude`, `elevation_m`; `station`, the number of the station of
            the training that has the name, with `known_station`: to a site without it, -1, a
            network gives the mean embedding of all stations; and `nearest_km`, the distance of the
            nearest station of the recordings.

        Raises
        ------
        eqstat.InputError
            When a coordinate is missing or out of range, a site lies more than 1,000 km from every
            station, or more than 5 km from the station that has its name.

        Examples
        --------
        >>> stations = pd.DataFrame(
        ...     {"station": ["a", "b"], "latitude": [35.0, 35.1], "longitude": [139.0, 139.0]})
        >>> reports = pd.DataFrame(
        ...     {"event": ["e1"], "station": ["a"], "time": [1.8e9], "pga_m_s2": [0.1]})
        >>> recordings = prepare(stations, reports, nearest=2)
        >>> sites = pd.DataFrame(
        ...     {"site": ["b", "hall"], "latitude": [35.1, 35.2], "longitude": [139.0, 139.0]})
        >>> recordings.site_table(sites)["known_station"].tolist()
        [True, False]
        >>> recordings.views([2.0], sites=sites).extra_station.tolist()
        [[1, -1]]
        """
        check_kind("site_table", pd.DataFrame, "give a table", sites=sites)
        return site_table(sites, self.places, self.stations["station"].tolist())

    def examples(
        self, time_s: ArrayLike, samples: int = 30, *, floor_m_s2: float | None = None
    ) -> Examples:
        """Make examples of training: a view of each earthquake at each time, and its targets.

        Parameters
        ----------
        time_s, samples
            As in `views`.
        floor_m_s2
            Level from which stations report, m/s2: a working station without a report shook less.
            By default such a station is no target.

        Returns
        -------
        eqstat.ground_motion.network.Examples
        """
        views = self.views(time_s, samples)
        times = len(views.elapsed_s) // len(self.event)
        target, mask, upper = self.log10_pga, self.reported, np.zeros(self.reported.shape, bool)
        if floor_m_s2 is not None:
            check_range("examples", 0, ends="()", floor_m_s2=floor_m_s2)
            upper = np.asarray(self.recording.working) & ~self.reported
            target = np.where(upper, np.log10(floor_m_s2), target)
            mask = mask | upper
        target, mask, upper = (
            np.repeat(leaf, times, axis=0) for leaf in (np.where(mask, target, 0.0), mask, upper)
        )
        return Examples(views, target, np.repeat(self.event, times), mask=mask, upper=upper)


def prepare(
    stations: pd.DataFrame,
    reports: pd.DataFrame,
    *,
    nearest: int = 32,
    total_s: int = 90,
    kind: str = "envelopes",
    known: Sequence[str] | pd.DataFrame | None = None,
) -> Recordings:
    """Make recordings of a table of stations and of their reports.

    Of each earthquake the stations nearest to the first that reported are kept; those of them
    without a report are silent. Stations and reports are matched by name.

    Parameters
    ----------
    stations
        `station`, `latitude`, `longitude`, optionally `elevation_m`: those that worked.
    reports
        `event`, `station`, `time`, `pga_m_s2`: the largest acceleration in a second (envelopes),
        or since the start (peaks); optionally `latitude` and `longitude`, which are compared with
        those of the stations.
    nearest
        Stations of each earthquake, from 2; fewer are padded.
    total_s
        Seconds after the first report that are kept.
    kind
        "envelopes", or "peaks": a report holds until the next one.
    known
        Stations in the order in which a trained network numbers them (its `stations`); others get
        the number -1. By default all stations of the table, as for a training.

    Returns
    -------
    Recordings

    Raises
    ------
    eqstat.InputError
        When a column is missing or out of range, a station occurs twice, reports are of a station
        that is not in the table, places contradict each other, or an event lasts for longer than
        ten minutes.

    Examples
    --------
    >>> stations = pd.DataFrame(
    ...     {"station": ["a", "b", "c"], "latitude": [35.0, 35.1, 35.3], "longitude": [139.0] * 3})
    >>> reports = pd.DataFrame(
    ...     {"event": ["e1"] * 3, "station": ["a", "a", "b"], "time": [1.8e9, 1.8e9 + 1, 1.8e9 + 2],
    ...      "pga_m_s2": [0.1, 0.4, 0.2]})
    >>> recordings = prepare(stations, reports, nearest=3)
    >>> recordings.reported.tolist(), recordings.log10_pga.round(2)[0, :2].tolist()
    ([[True, True, False]], [-0.4, -0.7])
    >>> recordings.views([1.0]).reporting.tolist()
    [[True, False, False]]
    """
    check_whole("prepare", 2, nearest=nearest)
    check_whole("prepare", 1, total_s=total_s)
    check_choice("prepare", ("envelopes", "peaks"), kind=kind)
    check_kind("prepare", pd.DataFrame, "give tables", stations=stations, reports=reports)
    places: Any = check(stations, STATIONS).reset_index(drop=True)
    table: Any = check(reports, REPORTS)
    _refuse_twice(places)
    if not len(table):
        raise InputError("reports: the table has no rows")
    number = {name: k for k, name in enumerate(places["station"])}
    lost = ~table["station"].isin(number).to_numpy()
    if lost.any():
        raise InputError(
            "reports: stations are not in the table of stations; "
            f"{rows_text(table['station'], lost)}"
        )
    if {"latitude", "longitude"} <= set(table.columns):
        compare_places(table.rename(columns={"station": "device"}),
                       places.rename(columns={"station": "device"}))  # fmt: skip
    of_training = {name: k for k, name in enumerate(_names(known, places))}
    codes = np.array([of_training.get(name, -1) for name in places["station"]])
    times = ((table["time"] - table["time"].min()) / pd.Timedelta(seconds=1)).to_numpy()
    elevation = np.zeros(len(places))
    if "elevation_m" in places.columns:
        elevation = places["elevation_m"].fillna(0.0).to_numpy() / 1000.0
    where = places[["latitude", "longitude"]].to_numpy(float)
    parts = [
        _of_event(
            str(name), [number[s] for s in table["station"].iloc[rows]], times[rows],
            table["pga_m_s2"].to_numpy()[rows], where, elevation, codes, nearest, total_s, kind,
        )
        for name, rows in table.groupby("event", sort=False).indices.items()
    ]  # fmt: skip
    columns = {key: np.stack([part[key] for part in parts]) for key in parts[0]}
    ends = table.groupby("event", sort=False)["time"].agg(["min", "max"])
    recording = Recording(
        jnp.asarray(columns["place_km"], jnp.float32),
        jnp.asarray(columns["station"]),
        jnp.asarray(columns["working"]),
        jnp.asarray(columns["first_s"], jnp.float32),
        jnp.asarray(columns["signal"][..., None], jnp.float32),
        jnp.zeros(len(parts), jnp.float32),
    )
    labels = np.append(places["station"].to_numpy(str), "")[columns["which"]]
    names = np.array(ends.index, str)
    return Recordings(
        recording, columns["log10_pga"], columns["reported"], names, labels,
        places if known is None else pd.DataFrame({"station": _names(known, places)}),
        places, columns["centre"],
        *(ends[end].dt.tz_convert(None).to_numpy() for end in ("min", "max")),
    )  # fmt: skip


def _refuse_twice(places: pd.DataFrame) -> None:
    twice = places["station"].duplicated(keep=False).to_numpy()
    if twice.any():
        raise InputError(
            f"stations: a station must occur once; {rows_text(places['station'], twice)}"
        )


def _names(known: Any, places: pd.DataFrame) -> list[str]:
    if known is None:
        known = places
    return [str(name) for name in (known["station"] if isinstance(known, pd.DataFrame) else known)]


def _of_event(
    event: str,
    which: list[int],
    times: np.ndarray,
    peak: np.ndarray,
    where: np.ndarray,
    elevation_km: np.ndarray,
    codes: np.ndarray,
    nearest: int,
    total_s: int,
    kind: str,
) -> dict[str, np.ndarray]:
    """Arrays of one earthquake, padded to `nearest` stations."""
    after = times - times.min()
    if after.max() > LONGEST_S:
        raise InputError(
            f"reports: event {event!r} lasts for {after.max():.0f} s; give each earthquake a name "
            "of its own, and times in seconds"
        )
    first = which[int(np.argmin(after))]
    east, north = LocalFrame(*where[first]).to_local(where[:, 0], where[:, 1])
    chosen = np.argsort(np.hypot(east, north), kind="stable")[:nearest]
    pad = nearest - len(chosen)
    slot = {station: k for k, station in enumerate(chosen)}
    signal, started = np.zeros((nearest, total_s)), np.full(nearest, np.inf)
    largest = np.zeros(nearest)
    for station, time, value in zip(which, after, peak, strict=True):
        k = slot.get(station)
        if k is None:
            continue
        started[k], largest[k] = min(started[k], time), max(largest[k], value)
        if time < total_s:
            second = int(time)
            signal[k, second] = max(signal[k, second], value)
    if kind == "peaks":
        signal = np.maximum.accumulate(signal, axis=1)
    place = np.stack([east, north, elevation_km], axis=1)[chosen]
    return {
        "place_km": np.pad(place, ((0, pad), (0, 0))),
        "station": np.pad(codes[chosen], (0, pad), constant_values=-1),
        "working": np.arange(nearest) < len(chosen),
        "first_s": started,
        "signal": signal,
        "log10_pga": np.log10(np.where(largest > 0, largest, 1.0)),
        "reported": largest > 0,
        "which": np.pad(chosen, (0, pad), constant_values=-1),
        "centre": where[first],
    }
