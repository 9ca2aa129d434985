"""Sources of triggers other than earthquakes: people, sound, crowds and servers."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray
from scipy import stats

from eqstat._core.arrays import Number
from eqstat._core.checks import check_fields, check_range
from eqstat._core.errors import InputError
from eqstat.counts import Background, Bursts, dispersion_at, rate_per_device_h
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
    r"""Human triggers: an overdispersed Poisson background with bursts.

    Each device triggers at rate $\lambda(\text{hour})\, G$, where G is gamma with mean 1 and
    variance `dispersion`, common to all devices of a data set; the first trigger in the window
    counts. In a burst a share of the devices, drawn from a beta distribution, triggers additionally
    at times uniform over `burst_s`; a data set has at most one burst.

    Parameters
    ----------
    rate_per_device_h
        Triggers per device and hour: a number, or one for each hour of the day, (24,).
    window_s
        Start and end of the window in which triggers are drawn, s.
    dispersion
        Variance of G; 0 for independent devices.
    bursts
        Bursts of a background of counts, whose probability is per `burst_s` seconds; or None.
    burst_s
        Length of a burst, s.

    Raises
    ------
    eqstat.InputError
        When a number is out of range.

    Examples
    --------
    >>> source = HumanTriggers(0.2, window_s=(-30.0, 30.0))
    >>> source.window_s
    (-30.0, 30.0)
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
        wait_key, factor_key, burst_key = jax.random.split(key, 3)
        count = places.east_km.shape[0]
        start, end = (jnp.asarray(each, jnp.float32) for each in self.window_s)
        rate = jnp.asarray(self.rate_per_device_h, jnp.float32) / 3600
        if rate.ndim:
            rate = rate[jnp.floor(hour).astype(int) % 24]
        if self.lively is not None:
            rate = rate * self.lively(factor_key)
        wait = jax.random.exponential(wait_key, (count,), jnp.float32) / (rate + 1e-30)
        time = start + wait
        if self.burst_share is not None:
            time = jnp.minimum(time, self._burst(burst_key, count, start, end, self.burst_share))
        return draw(time, time <= end, HUMAN, truth("nothing"))

    def _burst(
        self, key: PRNGKeyArray, count: int, start: Array, end: Array, share: Tabulated
    ) -> Array:
        """Trigger times of the devices in a burst; infinite for the others."""
        share_key, burst_key, device_key = jax.random.split(key, 3)
        occurs, when = uniform(burst_key, (2,))
        takes_part, spread = uniform(device_key, (2, count))
        windows = (end - start) / self.burst_s
        none = jnp.power(1.0 - jnp.asarray(self.burst_probability, jnp.float32), windows)
        time = between(when, (start, end)) + self.burst_s * spread
        return jnp.where((occurs >= none) & (takes_part < share(share_key)), time, jnp.inf)


def human_triggers(
    background: Background,
    active: float | int,
    *,
    region: str | None = None,
    window_s: tuple[float | int, float | int] = (0.0, 60.0),
) -> HumanTriggers:
    """Human triggers with the parameters of a background of counts.

    Parameters
    ----------
    background
        One background, without an axis of draws.
    active
        Number of active devices at which its dispersion is taken.
    region
        Name of the region; by default the average region.
    window_s
        Start and end of the window, s.

    Returns
    -------
    HumanTriggers
        With the hourly rate (averaged over the days of the week), dispersion and bursts of the
        background. A beta-binomial dispersion is converted to that of the rate at its daily mean,
        an approximation for small trigger probabilities. The dispersion of the background refers to
        one window; here one factor applies to the whole data set.

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
    probability = -np.expm1(-float(rate.mean()) * background.window_s / 3600)
    dispersion = 0.0
    if spread is not None:
        dispersion = background.count_family.rate_dispersion(float(spread), float(probability))
    return HumanTriggers(
        rate,
        window_s=window_s,
        dispersion=dispersion,
        bursts=background.bursts,
        burst_s=background.window_s,
    )


class UniformTriggers(Source):
    """A share of the devices at uniform times: false detections of the 2023 study.

    Parameters
    ----------
    share
        Probability that a device triggers, in [0, 1].
    window_s
        Range of the times, s.

    Examples
    --------
    >>> import jax
    >>> from eqstat.simulation import simulate, uniform_box
    >>> box = uniform_box(jax.random.key(0), 50, latitude=(-12.4, -11.7), longitude=(-77.2, -76.7))
    >>> simulate(jax.random.key(1), box, UniformTriggers(0.1), 1).event.tolist()
    ['nothing']
    """

    share: Number = 0.3
    window_s: Pair = (0.0, 12.0)

    def __check_init__(self) -> None:
        """Raise an error for parameters out of range."""
        check_fields(self, share=(0, 1), window_s=(-1e7, 1e7))

    def __call__(self, key: PRNGKeyArray, places: Places, hour: Float[Array, ""]) -> Draw:
        """Draw the devices that trigger and their times."""
        chance, when = uniform(key, (2, *places.east_km.shape))
        return draw(between(when, self.window_s), chance < self.share, UNIFORM, truth("nothing"))


class Thunder(Source):
    """A sound front from a point source, such as thunder or an explosion in the air.

    A device within reach triggers on the arrival of the sound, with probability
    `probability` times (1 - distance / reach).

    Parameters
    ----------
    east_km, north_km
        Ranges of the source point in the local frame, km.
    time_s
        Range of the time of the sound, s.
    reach_km
        Range of the distance beyond which the sound is inaudible, km.
    probability
        Probability of a trigger at the source point, in [0, 1].
    velocity_km_s
        Speed of sound, km/s.
    sd_s
        Standard deviation of the trigger times about the arrival, s.

    Examples
    --------
    >>> import jax
    >>> from eqstat.simulation import simulate, uniform_box
    >>> box = uniform_box(jax.random.key(0), 50, latitude=(-12.4, -11.7), longitude=(-77.2, -76.7))
    >>> simulate(jax.random.key(1), box, Thunder(), 1).event.tolist()
    ['thunder']
    """

    east_km: Pair = (-20.0, 20.0)
    north_km: Pair = (-20.0, 20.0)
    time_s: Pair = (0.0, 0.0)
    reach_km: Pair = (8.0, 20.0)
    probability: Number = 0.6
    velocity_km_s: Number = SOUND_KM_S
    sd_s: Number = 0.5

    def __check_init__(self) -> None:
        """Raise an error for parameters out of range."""
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
        """Draw one sound front and the triggers that it causes."""
        event_key, trigger_key, time_key = jax.random.split(key, 3)
        share = uniform(event_key, (4,))
        east, north = between(share[0], self.east_km), between(share[1], self.north_km)
        moment, reach = between(share[2], self.time_s), between(share[3], self.reach_km)
        distance = jnp.hypot(places.east_km - east, places.north_km - north)
        heard = self.probability * jnp.maximum(1 - distance / reach, 0.0)
        chosen = uniform(trigger_key, distance.shape) < heard
        noise = self.sd_s * jax.random.normal(time_key, distance.shape, jnp.float32)
        event = truth(
            "thunder", east_km=east, north_km=north, depth_km=jnp.zeros(()), time_s=moment
        )
        return draw(moment + distance / self.velocity_km_s + noise, chosen, SOUND, event)


class Crowd(Source):
    """Simultaneous triggers of people at one venue, as after a goal or at a concert.

    The venue is at one of the devices and comprises the devices nearest to it, so that the size of
    the crowd does not depend on the density of the network.

    Parameters
    ----------
    devices
        Range of the number of devices in the venue.
    share
        Probability that a device at the venue triggers, in [0, 1].
    time_s
        Range of the time of the event, s.
    sd_s
        Standard deviation of the trigger times about it, s.

    Examples
    --------
    >>> import jax
    >>> from eqstat.simulation import simulate, uniform_box
    >>> box = uniform_box(jax.random.key(0), 50, latitude=(-12.4, -11.7), longitude=(-77.2, -76.7))
    >>> simulate(jax.random.key(1), box, Crowd(), 1).event.tolist()
    ['crowd']
    """

    devices: Pair = (20, 100)
    share: Number = 0.6
    time_s: Pair = (0.0, 0.0)
    sd_s: Number = 1.0

    def __check_init__(self) -> None:
        """Raise an error for parameters out of range."""
        check_fields(self, devices=(1, 1e6), share=(0, 1), time_s=(-1e6, 1e6), sd_s=(0, 1e3))

    def __call__(self, key: PRNGKeyArray, places: Places, hour: Float[Array, ""]) -> Draw:
        """Draw one crowd and its triggers."""
        event_key, trigger_key, time_key = jax.random.split(key, 3)
        share = uniform(event_key, (3,))
        count = places.east_km.shape[0]
        at = jnp.floor(share[0] * count).astype(int)
        low, high = self.devices
        size = jnp.floor(between(share[1], (low, jnp.asarray(high) + 1)))
        east, north = places.east_km[at], places.north_km[at]
        distance = jnp.hypot(places.east_km - east, places.north_km - north)
        rank = jnp.argsort(jnp.argsort(distance))
        chosen = uniform(trigger_key, (count,)) < self.share
        moment = between(share[2], self.time_s)
        time = moment + self.sd_s * jax.random.normal(time_key, (count,), jnp.float32)
        event = truth("crowd", east_km=east, north_km=north, depth_km=jnp.zeros(()), time_s=moment)
        return draw(time, chosen & (rank < size), CROWD, event)


class ServerBurst(Source):
    r"""Delayed reports that arrive together, from the whole network.

    After an outage of duration $\Delta$ a server stamps all waiting reports with the time of its
    return: those of the share $1 - e^{-\lambda \Delta}$ of devices with $\lambda$ human triggers
    per hour. A simultaneous reaction of a whole country has the same form.

    Parameters
    ----------
    share
        Range of the share of devices, in [0, 1].
    time_s
        Range of the time of the burst, s.
    spread_s
        Length of the interval over which the reports are uniform, s.

    Examples
    --------
    >>> import jax
    >>> from eqstat.simulation import simulate, uniform_box
    >>> box = uniform_box(jax.random.key(0), 50, latitude=(-12.4, -11.7), longitude=(-77.2, -76.7))
    >>> simulate(jax.random.key(1), box, ServerBurst(), 1).event.tolist()
    ['server']
    """

    share: Pair = (0.03, 0.3)
    time_s: Pair = (0.0, 0.0)
    spread_s: Number = 1.0

    def __check_init__(self) -> None:
        """Raise an error for parameters out of range."""
        check_fields(self, share=(0, 1), time_s=(-1e6, 1e6), spread_s=(0, 1e4))

    def __call__(self, key: PRNGKeyArray, places: Places, hour: Float[Array, ""]) -> Draw:
        """Draw one burst."""
        burst_key, device_key = jax.random.split(key)
        size, when = uniform(burst_key, (2,))
        takes_part, spread = uniform(device_key, (2, *places.east_km.shape))
        moment = between(when, self.time_s)
        time, chosen = moment + self.spread_s * spread, takes_part < between(size, self.share)
        return draw(time, chosen, SERVER, truth("server", time_s=moment))
