"""Made-up ground motions of known parameters, in the shape that `fit` takes."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from jaxtyping import PRNGKeyArray

from eqstat._core.checks import check_range, check_whole
from eqstat._core.random import generator
from eqstat.ground_motion._data import Motions, prepare
from eqstat.ground_motion._parameters import GroundMotion, median


@dataclass(frozen=True)
class Design:
    """Who records what: events and stations in a square, every station with some probability.

    Attributes
    ----------
    events, stations
        How many, at least 1.
    min_magnitude, max_magnitude
        Magnitudes are uniform between them.
    extent_km
        Side of the square.
    max_depth_km
        Depths are uniform from 2 km to this.
    recorded
        Probability that a station records an event, in (0, 1].
    unknown_share
        Share of the stations whose Vs30 is withheld, in [0, 1].
    regions
        Number of regions; events take them in turn.
    """

    events: int = 40
    stations: int = 30
    min_magnitude: float = 4.0
    max_magnitude: float = 7.0
    extent_km: float = 150.0
    max_depth_km: float = 15.0
    recorded: float = 0.6
    unknown_share: float = 0.0
    regions: int = 1

    def __post_init__(self) -> None:
        """Refuse what is no design."""
        counts = {"events": self.events, "stations": self.stations, "regions": self.regions}
        check_whole("Design", 1, **counts)
        check_range("Design", 0, 1, ends="(]", recorded=self.recorded)
        check_range("Design", 0, 1, unknown_share=self.unknown_share)


def simulate(key: PRNGKeyArray, motion: GroundMotion, design: Design | None = None) -> Motions:
    """Draw a table of ground motions from the model and prepare it.

    Parameters
    ----------
    key
        JAX random key.
    motion
        Parameters, without an axis of draws; `region_level` of `design.regions` entries or of one.
    design
        Who records what; `Design()` by default.

    Returns
    -------
    Motions
        Its `table` has besides `region`, and the truth in `event_term` and `station_term` (of a
        station of unknown Vs30 with what that does).
    """
    design = Design() if design is None else design
    motion = jax.tree.map(np.asarray, motion)
    rng = generator(key)
    events, stations = design.events, design.stations
    magnitude = rng.uniform(design.min_magnitude, design.max_magnitude, events)
    depth = rng.uniform(2.0, design.max_depth_km, events)
    place = rng.uniform(0, design.extent_km, (events + stations, 2))
    log_vs30 = rng.normal(motion.vs30_log10_mean, motion.vs30_log10_sd, stations)
    unknown = rng.random(stations) < design.unknown_share
    event_term = rng.normal(0, 1, events) * motion.event_sd
    station_term = rng.normal(0, 1, stations) * motion.station_sd
    there = rng.random((events, stations)) < design.recorded
    there[~there.any(axis=1), 0] = True
    event, station = np.nonzero(there)
    away = place[:events][event] - place[events:][station]
    distance = np.sqrt(np.sum(away**2, axis=1) + depth[event] ** 2)
    region = event % design.regions
    level = np.broadcast_to(motion.region_level, design.regions)[region]
    with jax.enable_x64(True):
        centre = np.asarray(
            median(
                jax.tree.map(jnp.asarray, motion),
                magnitude[event],
                distance,
                depth[event],
                log_vs30[station],
            )
        )
    scatter = motion.record_sd * 10 ** (motion.record_sd_slope * (magnitude - 5.0))
    own = rng.normal(0, 1, len(event)) * scatter[event]
    value = centre + level + event_term[event] + station_term[station] + own
    hidden = np.where(unknown, motion.vs30_slope * (log_vs30 - motion.vs30_log10_mean), 0.0)
    table = pd.DataFrame(
        {
            "event": [f"e{i:05d}" for i in event],
            "magnitude": magnitude[event],
            "depth_km": depth[event],
            "distance_km": distance,
            "pga_m_s2": 10**value,
            "station": [f"s{i:05d}" for i in station],
            "vs30_m_s": np.where(unknown, np.nan, 10**log_vs30)[station],
            "region": [f"r{i:02d}" for i in region],
            "event_term": event_term[event],
            "station_term": (station_term + hidden)[station],
        }
    )
    if not motion.station_sd > 0:
        table = table.drop(columns="station")
    return prepare(
        table,
        max_distance_km=np.inf,
        region="region" if design.regions > 1 else None,
        name="simulated ground motions",
        check_unit=False,
    )
