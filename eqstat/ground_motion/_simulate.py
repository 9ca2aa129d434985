"""Simulate ground motions from given parameters, in the form that `fit` takes."""

from __future__ import annotations

from dataclasses import dataclass

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from jaxtyping import PRNGKeyArray

from eqstat._core.checks import check_key, check_kind, check_range, check_whole
from eqstat._core.explain import Explained
from eqstat._core.random import generator
from eqstat.geodesy import LocalFrame
from eqstat.ground_motion._data import Motions, prepare
from eqstat.ground_motion._layout import station_distances, station_places
from eqstat.ground_motion._parameters import (
    GroundMotion,
    event_design,
    field_correlation,
    median,
    record_sd_at,
)
from eqstat.inference import bucket_size, pad_rows

CENTRE = (35.0, -117.5)


@dataclass(frozen=True)
class Design(Explained):
    """Design of a simulation: events and stations in a square, recorded with some probability.

    Attributes
    ----------
    events, stations
        Their numbers, at least 1.
    min_magnitude, max_magnitude
        Magnitudes are uniform between them.
    extent_km
        Side of the square, km, above 0.
    sequence_km
        Side of a square in its middle in which all events lie, at most `extent_km`: an earthquake
        sequence. By default they are everywhere.
    max_depth_km
        Depths are uniform from 2 km to this.
    recorded
        Probability that a station records an event, in (0, 1].
    unknown_share
        Share of the stations whose Vs30 is withheld, in [0, 1].
    regions
        Number of regions; events are assigned to them in turn.

    Raises
    ------
    eqstat.InputError
        When a value is out of its range.

    Examples
    --------
    >>> Design(events=20, stations=10, recorded=0.8).regions
    1
    """

    events: int = 40
    stations: int = 30
    min_magnitude: float = 4.0
    max_magnitude: float = 7.0
    extent_km: float = 150.0
    sequence_km: float | None = None
    max_depth_km: float = 15.0
    recorded: float = 0.6
    unknown_share: float = 0.0
    regions: int = 1

    def __post_init__(self) -> None:
        """Check the ranges."""
        counts = {"events": self.events, "stations": self.stations, "regions": self.regions}
        check_whole("Design", 1, **counts)
        check_range("Design", 0, 1, ends="(]", recorded=self.recorded)
        check_range("Design", 0, ends="()", extent_km=self.extent_km)
        if self.sequence_km is not None:
            check_range("Design", 0, self.extent_km, sequence_km=self.sequence_km)
        check_range("Design", 0, 1, unknown_share=self.unknown_share)


def simulate(key: PRNGKeyArray, motion: GroundMotion, design: Design | None = None) -> Motions:
    """Simulate a table of ground motions from the model and prepare it.

    Parameters
    ----------
    key
        JAX random key.
    motion
        Parameters, without an axis of draws; `region_level` of `design.regions` entries or of one.
        The mean distance of the records is that of the simulated ones.
    design
        Events and stations; `Design()` by default.

    Returns
    -------
    Motions
        Its `table` also has `region`, and the true `event_term`, `event_spreading` (departure of
        the event's decay) and `station_term` (for a station without Vs30 the effect of its Vs30 is
        included). It has no stations where `station_sd` is 0, and no coordinates where
        `correlated_share` is.

    Examples
    --------
    >>> motions = simulate(jax.random.key(0), GroundMotion(), Design(events=10, stations=8))
    >>> len(motions.events), len(motions.stations)
    (10, 8)
    """
    check_key("simulate", key)
    check_kind("simulate", GroundMotion, "use `GroundMotion(...)`", motion=motion)
    design = Design() if design is None else design
    motion = jax.tree.map(np.asarray, motion)
    rng = generator(key)
    events, stations = design.events, design.stations
    magnitude = rng.uniform(design.min_magnitude, design.max_magnitude, events)
    depth = rng.uniform(2.0, design.max_depth_km, events)
    place = rng.uniform(0, design.extent_km, (events + stations, 2))
    middle = design.extent_km / 2
    if design.sequence_km is not None:
        place[:events] = middle + (place[:events] / middle - 1) * design.sequence_km / 2
    log_vs30 = rng.normal(motion.vs30_log10_mean, motion.vs30_log10_sd, stations)
    unknown = rng.random(stations) < design.unknown_share
    event_term = rng.normal(0, 1, events) * motion.event_sd
    event_spreading = rng.normal(0, 1, events) * motion.spreading_sd
    station_term = rng.normal(0, 1, stations) * motion.station_sd
    recorded = rng.random((events, stations)) < design.recorded
    recorded[~recorded.any(axis=1), 0] = True
    event, station = np.nonzero(recorded)
    offset = place[:events][event] - place[events:][station]
    distance = np.sqrt(np.sum(offset**2, axis=1) + depth[event] ** 2)
    covariate, mean_km, _ = station_distances(distance, station)
    region = event % design.regions
    level = np.broadcast_to(motion.region_level, design.regions)[region]
    latitude, longitude = LocalFrame(*CENTRE).to_geographic(*(place[events:] - middle).T)
    places = pd.DataFrame({"latitude": latitude, "longitude": longitude})
    place_km = station_places(places)[0]
    apart_km = np.linalg.norm(place_km[:, None] - place_km, axis=-1)
    with jax.enable_x64(True):
        given = eqx.tree_at(lambda m: m.station_distance_km, motion, mean_km)
        given = jax.tree.map(jnp.asarray, given)
        where = magnitude[event], distance, depth[event]
        centre = np.asarray(median(given, *where, log_vs30[station], covariate))
        factors = np.asarray(event_design(given, magnitude[event], distance))
        record_term = rng.normal(0, 1, len(event)) * np.asarray(
            record_sd_at(given, magnitude[event])
        )
        # At the stations of each event a field, and a part of each record's own.
        for rows in np.split(np.arange(len(event)), np.flatnonzero(np.diff(event)) + 1):
            # Padded, so that events of about this size share compiled programs.
            count, size = len(rows), bucket_size(len(rows))
            near = pad_rows(pad_rows(apart_km[np.ix_(station[rows], station[rows])], size).T, size)
            own = jnp.asarray(pad_rows(factors[rows], size))
            correlation = np.array(field_correlation(given, near, own, own))[:count, :count]
            np.fill_diagonal(correlation, 1.0)
            record_term[rows] = np.linalg.cholesky(correlation) @ record_term[rows]
    effect = np.stack([event_term, event_spreading], axis=-1)[event]
    value = centre + level + np.sum(factors * effect, axis=1) + station_term[station] + record_term
    vs30_effect = np.where(unknown, motion.vs30_slope * (log_vs30 - motion.vs30_log10_mean), 0.0)
    table = pd.DataFrame(
        {
            "event": [f"e{i:05d}" for i in event],
            "magnitude": magnitude[event],
            "depth_km": depth[event],
            "distance_km": distance,
            "pga_m_s2": 10**value,
            "station": [f"s{i:05d}" for i in station],
            "vs30_m_s": np.where(unknown, np.nan, 10**log_vs30)[station],
            "latitude": latitude[station],
            "longitude": longitude[station],
            "region": [f"r{i:02d}" for i in region],
            "event_term": event_term[event],
            "event_spreading": event_spreading[event],
            "station_term": (station_term + vs30_effect)[station],
        }
    )
    if not motion.station_sd > 0:
        table = table.drop(columns="station")
    if not motion.correlated_share > 0:
        table = table.drop(columns=["latitude", "longitude"])
    return prepare(
        table,
        max_distance_km=np.inf,
        region="region" if design.regions > 1 else None,
        name="simulated ground motions",
        check_unit=False,
    )
