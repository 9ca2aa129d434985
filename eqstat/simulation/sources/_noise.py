"""What makes devices trigger without an earthquake: people, sound, crowds, servers."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray
from scipy import stats

from eqstat._core.arrays import Number
from eqstat._core.checks import check_fields, check_range
from eqstat._core.errors import InputError
from eqstat.counts import Background, Bursts, rate_per_device_h
from eqstat.counts._background import dispersion_at
from eqstat.simulation.sources._base import (
    CROWD,
    HUMAN,
    SERVER,
    SOUND,
    UNIFORM,
    Draw,
    Pair,
    Places,
    Source,
    Tabulated,
    between,
    draw,
    truth,
    uniform,
)

__all__ = [
    "Crowd",
    "HumanTriggers",
    "ServerBurst",
    "Thunder",
    "UniformTriggers",
    "human_triggers",
]

SOUND_KM_S = 0.34


class HumanTriggers(Source):
    r"""What people do: a Poisson background, more or less lively, with bursts in which they react.

    Each device triggers at rate $\lambda(\text{hour})\, G$, where G is gamma with mean 1 and
    variance `dispersion`, common to all devices of a data set: the first trigger in the window
    counts. In a burst a share of the devices, drawn from its Beta distribution, triggers besides,
    spread evenly over `burst_s`; there is at most one in a data set.

    Parameters
    ----------
    rate_per_device_h
        Triggers per device and hour: a number, or 24 of them for the hours of the day, (24,).
    window_s
        Start and end of the window in which triggers are drawn, s.
    dispersion
        Variance of G; 0 for independent devices.
    bursts
        The counts room's bursts, whose probability is for every `burst_s` seconds; or None.
    burst_s
        Length of a burst, s.

    Raises
    ------
    eqstat.InputError
        When a number is out of range.

    Examples
    --------
    >>> quiet = HumanTriggers(0.2, window_s=(-30.0, 30.0))
    """

    rate_per_device_h: Number
    window_s: Pair
    burst_probability: Number
    burst_s: Number
    lively: Tabulated | None
    burst_share: Tabulated | None

    def __init__(
        self,
        rate_per_device_h: Number = 0.5,
        *,
        window_s: Pair = (0.0, 60.0),
        dispersion: float | int = 0.0,
        bursts: Bursts | None = None,
        burst_s: float | int = 10.0,
    ) -> None:
        self.rate_per_device_h, self.window_s = rate_per_device_h, window_s
        self.burst_s = burst_s
        check_fields(self, rate_per_device_h=(0, 1e5), window_s=(-1e7, 1e7), burst_s=(1e-3, 1e6))
        if np.shape(rate_per_device_h) not in ((), (24,)):
            raise InputError("HumanTriggers: rate_per_device_h must be one number or 24 of them")
        check_range("HumanTriggers", 0, 1e3, dispersion=dispersion)
        gamma = stats.gamma(1 / dispersion, scale=dispersion) if dispersion else None
        self.lively = None if gamma is None else Tabulated(gamma)
        self.burst_probability = 0.0 if bursts is None else bursts.probability
        self.burst_share = None
        if bursts is not None:
            a, b = (float(each) for each in bursts.beta)
            self.burst_share = Tabulated(stats.beta(a, b))

    def __call__(self, key: PRNGKeyArray, places: Places, hour: Float[Array, ""]) -> Draw:
        """Draw the first trigger of each device in the window."""
        first, lively, shaken = jax.random.split(key, 3)
        count = places.east_km.shape[0]
        start, end = (jnp.asarray(each, jnp.float32) for each in self.window_s)
        rate = jnp.asarray(self.rate_per_device_h, jnp.float32) / 3600
        if rate.ndim:
            rate = rate[jnp.floor(hour).astype(int) % 24]
        if self.lively is not None:
            rate = rate * self.lively(lively)
        wait = jax.random.exponential(first, (count,), jnp.float32) / (rate + 1e-30)
        time = start + wait
        if self.burst_share is not None:
            time = jnp.minimum(time, self._burst(shaken, count, start, end, self.burst_share))
        return draw(time, time <= end, HUMAN, truth("nothing"))

    def _burst(
        self, key: PRNGKeyArray, count: int, start: Array, end: Array, share: Tabulated
    ) -> Array:
        """Times of the devices that a burst makes trigger; infinite for the others."""
        size, once, who = jax.random.split(key, 3)
        whether, when = uniform(once, (2,))
        takes, spread = uniform(who, (2, count))
        windows = (end - start) / self.burst_s
        none = jnp.power(1.0 - jnp.asarray(self.burst_probability, jnp.float32), windows)
        time = between(when, (start, end)) + self.burst_s * spread
        return jnp.where((whether >= none) & (takes < share(size)), time, jnp.inf)


def human_triggers(
    background: Background,
    active: float | int,
    *,
    region: str | None = None,
    window_s: tuple[float | int, float | int] = (0.0, 60.0),
) -> HumanTriggers:
    """Human triggers as a background of the counts room describes them.

    Parameters
    ----------
    background
        One background, without an axis of draws.
    active
        Number of active devices at which its dispersion is taken.
    region
        Name of the region; by default the middle of all.
    window_s
        Start and end of the window, s.

    Returns
    -------
    HumanTriggers
        With the background's rate by hour (mean over the days of the week), dispersion and bursts.
        A beta-binomial dispersion becomes that of the rate at its daily mean, which agrees while
        few devices trigger. The background's dispersion refers to one window; here one factor
        applies to the whole data set.

    Examples
    --------
    >>> from eqstat.counts import Background
    >>> human_triggers(Background("poisson", 0.4), 500).rate_per_device_h.shape
    (24,)
    """
    if np.ndim(background.rate_per_device_h):
        raise InputError("human_triggers: needs one background, not draws of it")
    hours, days = jnp.arange(24)[:, None] + 0.5, jnp.arange(7)[None, :]
    index = None if region is None else background.index(region)
    rate = np.asarray(rate_per_device_h(background, hours, days, index), np.float64).mean(axis=1)
    spread = dispersion_at(background, jnp.asarray(float(active)))
    dispersion = 0.0 if spread is None else float(spread)
    if background.family == "beta_binomial":
        # Its variance beyond the binomial is p (1 - p) d / (1 + d), that of a rate p^2 times its.
        p = -np.expm1(-float(rate.mean()) * background.window_s / 3600)
        dispersion = dispersion / (1 + dispersion) * (1 - p) / p
    return HumanTriggers(
        rate,
        window_s=window_s,
        dispersion=dispersion,
        bursts=background.bursts,
        burst_s=background.window_s,
    )


class UniformTriggers(Source):
    """A share of the devices at uniform random times: the false detections of the 2023 paper.

    Parameters
    ----------
    share
        Probability that a device triggers, in [0, 1].
    window_s
        Range of the times, s.
    """

    share: Number = 0.3
    window_s: Pair = (0.0, 12.0)

    def __check_init__(self) -> None:
        """Refuse what cannot be."""
        check_fields(self, share=(0, 1), window_s=(-1e7, 1e7))

    def __call__(self, key: PRNGKeyArray, places: Places, hour: Float[Array, ""]) -> Draw:
        """Draw who triggers, and when."""
        who, when = uniform(key, (2, *places.east_km.shape))
        return draw(between(when, self.window_s), who < self.share, UNIFORM, truth("nothing"))


class Thunder(Source):
    """A sound front from a point: thunder, a sonic boom's end, an explosion in the air.

    A device within reach triggers with `probability` times (1 - distance / reach), when the sound
    has come to it.

    Parameters
    ----------
    east_km, north_km
        Ranges of the point in the local frame, km.
    time_s
        Range of the moment of the bang, s.
    reach_km
        Range of the distance at which the sound is no more heard, km.
    probability
        Of a trigger at the point, in [0, 1].
    velocity_km_s
        Speed of sound.
    sd_s
        Standard deviation of the trigger times about the arrival, s.
    """

    east_km: Pair = (-20.0, 20.0)
    north_km: Pair = (-20.0, 20.0)
    time_s: Pair = (0.0, 0.0)
    reach_km: Pair = (8.0, 20.0)
    probability: Number = 0.6
    velocity_km_s: Number = SOUND_KM_S
    sd_s: Number = 0.5

    def __check_init__(self) -> None:
        """Refuse what cannot be."""
        check_fields(
            self,
            east_km=(-5000, 5000),
            north_km=(-5000, 5000),
            time_s=(-1e6, 1e6),
            reach_km=(0.01, 200),
            probability=(0, 1),
            velocity_km_s=(0.2, 0.5),
            sd_s=(0, 100),
        )

    def __call__(self, key: PRNGKeyArray, places: Places, hour: Float[Array, ""]) -> Draw:
        """Draw one bang and the triggers that it causes."""
        place, who, when = jax.random.split(key, 3)
        share = uniform(place, (4,))
        east, north = between(share[0], self.east_km), between(share[1], self.north_km)
        moment, reach = between(share[2], self.time_s), between(share[3], self.reach_km)
        distance = jnp.hypot(places.east_km - east, places.north_km - north)
        heard = self.probability * jnp.maximum(1 - distance / reach, 0.0)
        chosen = uniform(who, distance.shape) < heard
        noise = self.sd_s * jax.random.normal(when, distance.shape, jnp.float32)
        what = truth("thunder", east_km=east, north_km=north, depth_km=jnp.zeros(()), time_s=moment)
        return draw(moment + distance / self.velocity_km_s + noise, chosen, SOUND, what)


class Crowd(Source):
    """People of one venue who jump up together: a goal, a concert.

    The venue is at one of the devices, and the devices nearest to it are in it, so that a crowd is
    as many in a dense network as in a thin one.

    Parameters
    ----------
    devices
        Range of the number of devices in the venue.
    share
        Probability that each of them triggers, in [0, 1].
    time_s
        Range of the moment, s.
    sd_s
        Standard deviation of the trigger times about the moment, s.
    """

    devices: Pair = (20, 100)
    share: Number = 0.6
    time_s: Pair = (0.0, 0.0)
    sd_s: Number = 1.0

    def __check_init__(self) -> None:
        """Refuse what cannot be."""
        check_fields(self, devices=(1, 1e6), share=(0, 1), time_s=(-1e6, 1e6), sd_s=(0, 1e3))

    def __call__(self, key: PRNGKeyArray, places: Places, hour: Float[Array, ""]) -> Draw:
        """Draw one crowd and its triggers."""
        place, who, spread = jax.random.split(key, 3)
        share = uniform(place, (3,))
        count = places.east_km.shape[0]
        at = jnp.floor(share[0] * count).astype(int)
        low, high = self.devices
        there = jnp.floor(between(share[1], (low, jnp.asarray(high) + 1)))
        east, north = places.east_km[at], places.north_km[at]
        distance = jnp.hypot(places.east_km - east, places.north_km - north)
        rank = jnp.argsort(jnp.argsort(distance))
        chosen = uniform(who, (count,)) < self.share
        moment = between(share[2], self.time_s)
        time = moment + self.sd_s * jax.random.normal(spread, (count,), jnp.float32)
        what = truth("crowd", east_km=east, north_km=north, depth_km=jnp.zeros(()), time_s=moment)
        return draw(time, chosen & (rank < there), CROWD, what)


class ServerBurst(Source):
    r"""Late reports that arrive bunched: all over the network at the same moment.

    A server that was away for a time $\Delta$ stamps on its return what came in meanwhile: the
    share $1 - e^{-\lambda \Delta}$ of devices with $\lambda$ human triggers an hour each. The
    same picture is given by a whole country that reacts at once.

    Parameters
    ----------
    share
        Range of the share of devices, in [0, 1].
    time_s
        Range of the moment, s.
    spread_s
        The reports are even over so many seconds after it.
    """

    share: Pair = (0.03, 0.3)
    time_s: Pair = (0.0, 0.0)
    spread_s: Number = 1.0

    def __check_init__(self) -> None:
        """Refuse what cannot be."""
        check_fields(self, share=(0, 1), time_s=(-1e6, 1e6), spread_s=(0, 1e4))

    def __call__(self, key: PRNGKeyArray, places: Places, hour: Float[Array, ""]) -> Draw:
        """Draw one burst."""
        place, who = jax.random.split(key)
        size, when = uniform(place, (2,))
        takes, spread = uniform(who, (2, *places.east_km.shape))
        moment = between(when, self.time_s)
        time, chosen = moment + self.spread_s * spread, takes < between(size, self.share)
        return draw(time, chosen, SERVER, truth("server", time_s=moment))
