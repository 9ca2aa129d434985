"""A world of phones: which are active, what they send in each second, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from eqstat._core.checks import check_range, check_whole
from eqstat._core.errors import InputError
from eqstat._core.explain import Explained, explained
from eqstat.detectability import DeviceResponse, trigger_probability
from eqstat.ground_motion import GroundMotion, median, record_sd_at
from eqstat.simulation import Network, active_share, simulate, uniform_box
from eqstat.simulation.sources import Crowd, Earthquakes

KINDS = ("birth", "death", "alive", "trigger")
BIRTH, DEATH, ALIVE, TRIGGER = range(4)
EARTH_KM_PER_DEGREE = 111.2


@dataclass(frozen=True)
class LoadSettings(Explained):
    """What the phones do.

    Parameters
    ----------
    phones
        Number of phones active at 3 h local time, when most are.
    triggers_per_s
        Rate of background triggers of so many phones, 1/s.
    hour
        Local time of day at the start, h.
    latitude, longitude
        Box of the phones, degrees.
    magnitude
        Range of the earthquakes' magnitudes.
    earthquake_every_s, burst_every_s
        Mean times between earthquakes, and between bursts of people at one place; 0 for none.
    keep_alive_s
        Time between signs of life of a phone, s.
    birth_s
        Time in which the phones that are active at the start report, s.
    latency_s
        Mean delay between a trigger and its sending, s.

    Raises
    ------
    eqstat.InputError
        When a number is out of range.

    Examples
    --------
    >>> LoadSettings(phones=2000, triggers_per_s=4.0).keep_alive_s
    900.0
    """

    phones: int = 500_000
    triggers_per_s: float | int = 1000.0
    hour: float | int = 3.0
    latitude: tuple[float, float] = (-14.0, -10.0)
    longitude: tuple[float, float] = (-78.0, -74.0)
    magnitude: tuple[float, float] = (4.0, 7.0)
    earthquake_every_s: float | int = 180.0
    burst_every_s: float | int = 60.0
    keep_alive_s: float | int = 900.0
    birth_s: float | int = 60.0
    latency_s: float | int = 0.3

    def __post_init__(self) -> None:
        check_whole("LoadSettings", 1, 5_000_000, phones=self.phones)
        for name, most in (
            ("triggers_per_s", 1e5), ("earthquake_every_s", 1e7), ("burst_every_s", 1e7),
            ("latency_s", 60.0),
        ):  # fmt: skip
            check_range("LoadSettings", 0, most, **{name: getattr(self, name)})
        check_range("LoadSettings", 0, 24, ends="[)", hour=self.hour)
        for name in ("keep_alive_s", "birth_s"):
            check_range("LoadSettings", 1, 86_400, **{name: getattr(self, name)})
        low, high = self.magnitude
        if not 0 <= low <= high <= 9:
            raise InputError("LoadSettings: magnitude must be two numbers from 0 to 9 in order")


def shaken_shares(distance_km: Array, magnitude: Array) -> tuple[Array, Array]:
    """Trigger probabilities by P, and by S if not by P, of phones as detectors expect them.

    Median shaking at a depth of 10 km, with the scatter between places and phones.
    """
    motion, response = GroundMotion(), DeviceResponse()
    pga = median(motion, magnitude, distance_km, 10.0, motion.vs30_log10_mean)
    own_sd = jnp.hypot(record_sd_at(motion, magnitude), motion.station_sd)
    by_p, by_s = trigger_probability(response, pga, own_sd)
    return by_p, by_s / (1 - by_p)


@explained
class Messages(NamedTuple):
    """Messages of one second, in the order in which they are sent.

    Attributes
    ----------
    kind
        Index into `birth`, `death`, `alive`, `trigger`, (n,).
    device
        Number of the phone, (n,).
    time_s
        Time of the trigger, s after the start; that of sending for others, (n,).
    sent_s
        Time of sending, s after the start, (n,).
    truth
        Earthquakes and bursts that begin in this second: plain values.

    Examples
    --------
    See `LoadWorld`.
    """

    kind: np.ndarray
    device: np.ndarray
    time_s: np.ndarray
    sent_s: np.ndarray
    truth: list[dict[str, Any]]


class LoadWorld:
    """Phones of a box, drawn once, and their messages, drawn second by second.

    Background triggers are a Poisson process over the phones that are active, which follow the
    cycle of the day; earthquakes and bursts are those of `eqstat.simulation`, over all phones at
    once, of which the active ones send. An earthquake shakes phones as the default `GroundMotion`
    and `DeviceResponse` say, with which a service expects them to be shaken.

    Parameters
    ----------
    seed
        Whole number that everything is drawn from.
    settings
        `LoadSettings`.

    Examples
    --------
    >>> world = LoadWorld(0, LoadSettings(phones=1000, triggers_per_s=50.0, birth_s=1.0))
    >>> first = world.second(0)
    >>> bool((np.diff(first.sent_s) >= 0).all())
    True
    >>> int((first.kind == 0).sum())
    1000
    """

    def __init__(self, seed: int, settings: LoadSettings | None = None) -> None:
        self.settings = settings or LoadSettings()
        own = self.settings
        network_key, self._key = jax.random.split(jax.random.key(seed))
        self.network: Network = uniform_box(
            network_key, own.phones, latitude=own.latitude, longitude=own.longitude
        )
        self._rng = np.random.default_rng([seed, 1])
        # Phones are active in this order: the first for longest.
        self._rank = self._rng.permutation(own.phones)
        self._order = np.argsort(self._rank)
        self._phase = self._rng.integers(0, int(own.keep_alive_s), own.phones)
        self._by_phase = np.argsort(self._phase, kind="stable")
        self._phase_begins = np.searchsorted(
            self._phase[self._by_phase], np.arange(int(own.keep_alive_s) + 1)
        )
        self._active = 0
        self._born = 0
        self._events = 0
        self._coming = np.zeros((0, 3))  # sent_s, time_s, device
        waits = (self._wait(own.earthquake_every_s), self._wait(own.burst_every_s))
        self._next = [own.birth_s + wait for wait in waits]
        self._sources = [self._earthquakes(), Crowd(devices=(20, 400))]
        for source, first in zip(self._sources, self._next, strict=True):
            if first < np.inf:  # compiled before the first second
                simulate(self._key, self.network, source, 1)

    def _wait(self, mean_s: float | int) -> float:
        return self._rng.exponential(mean_s) if mean_s > 0 else np.inf

    def _earthquakes(self) -> Earthquakes:
        own = self.settings
        north = 0.5 * (own.latitude[1] - own.latitude[0]) * EARTH_KM_PER_DEGREE
        shrink = np.cos(np.deg2rad(np.mean(own.latitude)))
        east = 0.5 * (own.longitude[1] - own.longitude[0]) * EARTH_KM_PER_DEGREE * shrink
        return Earthquakes(
            east_km=(-east, east),
            north_km=(-north, north),
            depth_km=(5.0, 60.0),
            magnitude=own.magnitude,
            probability=shaken_shares,
        )

    def share(self, second: int) -> float:
        """Share of the phones that are active in a second."""
        hour = (self.settings.hour + second / 3600.0) % 24.0
        return float(active_share(hour, most=1.0, least=0.25))

    def second(self, number: int) -> Messages:
        """Messages of a second; seconds are asked for one after the other, from 0."""
        kinds, devices, sent = self._activity(number)
        truth = []
        for at in (0, 1):
            while self._next[at] < number + 1:
                truth.append(self._event(at, self._next[at]))
                mean = (self.settings.earthquake_every_s, self.settings.burst_every_s)[at]
                self._next[at] += max(self._wait(mean), 1.0)
        rate = self.settings.triggers_per_s * self._active / self.settings.phones
        count = int(self._rng.poisson(rate))
        if self._active:
            time_s = number + self._rng.random(count)
            phones = self._order[self._rng.integers(0, self._active, count)]
            self._add(time_s, phones)
        now = self._coming[:, 0] < number + 1
        due, self._coming = self._coming[now], self._coming[~now]
        kind = np.concatenate([kinds, np.full(len(due), TRIGGER, np.int8)])
        device = np.concatenate([devices, due[:, 2].astype(np.int64)])
        sent_s = np.concatenate([sent, due[:, 0]])
        time_s = np.concatenate([sent, due[:, 1]])
        order = np.argsort(sent_s, kind="stable")
        return Messages(kind[order], device[order], time_s[order], sent_s[order], truth)

    def _add(self, time_s: np.ndarray, phones: np.ndarray) -> None:
        late = self._rng.gamma(2.0, max(self.settings.latency_s, 1e-9) / 2.0, len(time_s))
        new = np.stack([time_s + late, time_s, phones.astype(float)], axis=1)
        self._coming = np.concatenate([self._coming, new])

    def _activity(self, number: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Births, deaths and signs of life."""
        own = self.settings
        wanted = round(self.share(number) * own.phones)
        if number < own.birth_s:
            wanted = int(wanted * (number + 1) / own.birth_s)
        born = self._order[self._active : wanted]
        dead = self._order[wanted : self._active]
        self._active = wanted
        slot = number % int(own.keep_alive_s)
        living = self._by_phase[self._phase_begins[slot] : self._phase_begins[slot + 1]]
        living = living[self._rank[living] < wanted]
        living = living[~np.isin(living, born)]
        parts = (born, dead, living)
        kinds = np.repeat(np.array([BIRTH, DEATH, ALIVE], np.int8), [len(p) for p in parts])
        devices = np.concatenate(parts)
        return kinds, devices, number + self._rng.random(len(devices))

    def _event(self, at: int, time_s: float) -> dict[str, Any]:
        """Draw an earthquake or burst at a time, and let its triggers come."""
        key = jax.random.fold_in(self._key, self._events)
        self._events += 1
        drawn = simulate(key, self.network, self._sources[at], 1)
        triggers = drawn.first_trigger_s[0].astype(float)
        phones = np.flatnonzero(np.isfinite(triggers) & (self._rank < self._active))
        self._add(time_s + np.maximum(triggers[phones], 0.0), phones)
        what = drawn.truth
        latitude, longitude = self.network.frame.to_geographic(
            float(what.east_km[0]), float(what.north_km[0])
        )
        return {
            "event": ("earthquake", "burst")[at],
            "time_s": time_s,
            "latitude": float(latitude),
            "longitude": float(longitude),
            "depth_km": float(what.depth_km[0]),
            "magnitude": float(what.magnitude[0]),
            "triggers": len(phones),
        }
