"""Simulate histories station by station, in the form that `fit` takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from jaxtyping import PRNGKeyArray

from eqstat._core.checks import check_fields, check_key, check_kind, check_range, check_whole
from eqstat._core.explain import Explained
from eqstat._core.random import generator
from eqstat.detectability.history._data import History, checked_counts, prepare
from eqstat.detectability.history._likelihood import station_shift, working_share
from eqstat.detectability.history._parameters import Sensitivity, trigger_probability
from eqstat.geodesy import LocalFrame

CENTRE = (35.0, -117.5)
START = pd.Timestamp("2026-01-01T00:00:00Z")


@dataclass(frozen=True)
class Design(Explained):
    """Design of a simulated history: earthquakes and stations in a square.

    Attributes
    ----------
    events, stations
        Their numbers, at least 1; the number of stations at least the largest count.
    extent_km
        Side of the square, km, above 0.
    min_magnitude, max_magnitude
        Magnitudes follow a Gutenberg-Richter relation between them.
    b_value
        Its b, above 0.
    max_depth_km
        Depths are uniform from 2 km to this.
    days
        Duration of the catalogue; earthquakes are a Poisson process in it.
    counts, neighbours, station_effects, masking_km, only_detected
        As in `prepare`.
    groups
        Number of groups of stations, assigned in turn.

    Raises
    ------
    eqstat.InputError
        When a value is out of its range.

    Examples
    --------
    >>> Design(events=100, stations=20).counts
    4
    """

    events: int = 400
    stations: int = 30
    extent_km: float | int = 300.0
    min_magnitude: float | int = 1.5
    max_magnitude: float | int = 6.0
    b_value: float | int = 1.0
    max_depth_km: float | int = 15.0
    days: float | int = 365.0
    counts: int | tuple[int, ...] = 4
    neighbours: int = 30
    groups: int = 1
    station_effects: bool = False
    masking_km: float | int | None = None
    only_detected: bool = False

    def __post_init__(self) -> None:
        """Check the ranges."""
        numbers = {"events": self.events, "stations": self.stations, "groups": self.groups}
        check_whole("Design", 1, **numbers)
        check_fields(self, min_magnitude=(-3, 10), max_magnitude=(self.min_magnitude, 10))
        check_range("Design", 0, ends="()", extent_km=self.extent_km, b_value=self.b_value)
        check_range("Design", 2, 700, max_depth_km=self.max_depth_km)
        check_range("Design", 0, ends="()", days=self.days)
        checked_counts("Design", self.counts)


def simulate(key: PRNGKeyArray, sensitivity: Sensitivity, design: Design | None = None) -> History:
    """Simulate a network and a catalogue, and prepare them.

    Each station's trigger is drawn with the event's strength, each system's state and each
    coincidence; nothing is integrated.

    Parameters
    ----------
    key
        JAX random key.
    sensitivity
        Parameters without an axis of draws; with `station_effects` the shifts of the stations
        are drawn with `station_sd` unless `station_shift` holds one for each.
    design
        Earthquakes and stations; `Design()` by default.

    Returns
    -------
    History
        Its `events` also have the number of `triggers` and the true `event_term`; its `stations`
        the true `station_term`. With `only_detected` it holds the detected ones only.

    Examples
    --------
    >>> history = simulate(jax.random.key(0), Sensitivity(), Design(events=50))
    >>> bool(history.events["triggers"][history.events["detected"]].median() > 4)
    True
    """
    check_key("simulate", key)
    design = Design() if design is None else design
    check_kind("simulate", Sensitivity, "use `Sensitivity(...)`", sensitivity=sensitivity)
    check_kind("simulate", Design, "use `Design(...)`", design=design)
    rng = generator(key)
    half, count = design.extent_km / 2, design.stations
    frame = LocalFrame(*CENTRE)
    at = frame.to_geographic(*rng.uniform(-half, half, (2, count)))
    stations = pd.DataFrame({"latitude": at[0], "longitude": at[1]})
    stations["kind"] = [f"g{number % design.groups}" for number in range(count)]
    given = np.asarray(sensitivity.station_shift)
    if not design.station_effects:
        term = np.zeros(count)
    elif len(given) == count and given.any():
        term = given
    else:
        term = rng.normal(0, 1, count) * float(sensitivity.station_sd)
    stations["station_term"] = term
    events = _catalogue(rng, design, frame, half)
    options: dict[str, Any] = {
        "counts": design.counts,
        "neighbours": design.neighbours,
        "group": "kind" if design.groups > 1 else None,
        "station_effects": design.station_effects,
        "masking_km": design.masking_km,
        "name": "simulated events",
    }
    # Whatever is detected: the arrays tell what each earthquake meets.
    blank = prepare(events.assign(detected=False), stations, **options)
    rows = np.asarray(blank.data.weight) > 0
    with jax.enable_x64(True):
        own = jax.tree.map(lambda leaf: jnp.asarray(np.asarray(leaf, np.float64)), sensitivity)
        own = Sensitivity(**{**vars(own), "station_shift": jnp.asarray(term)})
        data = jax.tree.map(jnp.asarray, blank.data)
        event_term = rng.normal(0, float(own.event_sd), len(rows))
        strength = jnp.asarray(event_term)[:, None]
        chance = trigger_probability(
            own, data.magnitude[:, None], data.distance_km, station_shift(own, data), strength
        )
        chance = np.where(np.asarray(data.station) >= 0, np.asarray(chance), 0.0)
        working = np.asarray(working_share(own, data.preceding_s, data.masking))
    triggers = np.sum(rng.random(chance.shape) < chance, axis=1)
    share = np.asarray(sensitivity.count_share, np.float64)
    wanted = rng.choice(blank.data.counts, len(rows), p=share / share.sum())
    detected = (triggers >= wanted) & (rng.random(len(rows)) < working)
    detected |= rng.random(len(rows)) < float(sensitivity.coincidence_probability)
    events = blank.events.assign(
        detected=detected[rows], triggers=triggers[rows], event_term=event_term[rows]
    )
    least = float(design.min_magnitude)
    return prepare(
        events,
        stations,
        only_detected=design.only_detected,
        least_magnitude=least if design.only_detected else None,
        most_magnitude=float(design.max_magnitude) + 1e-6,
        **options,
    )


def _catalogue(
    rng: np.random.Generator, design: Design, frame: LocalFrame, half: float
) -> pd.DataFrame:
    """Draw times, places, depths and magnitudes."""
    beta, low = design.b_value * np.log(10), design.min_magnitude
    tail = np.exp(-beta * (design.max_magnitude - low))
    magnitude = low - np.log1p(-rng.uniform(0, 1 - tail, design.events)) / beta
    place = frame.to_geographic(*rng.uniform(-half, half, (2, design.events)))
    second = np.sort(rng.uniform(0, 86_400 * design.days, design.events))
    return pd.DataFrame(
        {
            "time": START + pd.to_timedelta(second, unit="s"),
            "latitude": place[0],
            "longitude": place[1],
            "depth_km": rng.uniform(2.0, design.max_depth_km, design.events),
            "magnitude": magnitude,
        }
    )
