"""Base class of sources of triggers, their input and output, and combinations."""

from __future__ import annotations

import abc
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray
from scipy import stats

from eqstat._core.arrays import Number
from eqstat._core.errors import InputError
from eqstat._core.explain import Explained, explained

__all__ = [
    "CAUSES",
    "EVENTS",
    "Draw",
    "Earliest",
    "Filled",
    "Places",
    "Source",
    "Tabulated",
    "Truth",
]

# Causes of triggers; the numbers of P and S are those of the travel-time models.
CAUSES = ("silent", "P", "S", "human", "uniform", "sound", "crowd", "server")
SILENT, P, S, HUMAN, UNIFORM, SOUND, CROWD, SERVER = range(len(CAUSES))
# Events, including none.
EVENTS = ("nothing", "earthquake", "blast", "thunder", "crowd", "server")

# Numbers are arguments of compiled code, so that other values need no recompilation.
Pair = tuple[Number, Number]


@explained
class Places(NamedTuple):
    """Devices in the form that sources take, float32.

    Attributes
    ----------
    east_km, north_km
        Local coordinates, (devices,).
    position_km
        Surface points (east, north, up) in the local frame, whose distances are chords, (devices,
        3).
    elevation_km
        Elevation above the sphere, (devices,).

    Examples
    --------
    >>> from eqstat.simulation import uniform_box
    >>> box = uniform_box(jax.random.key(0), 50, latitude=(-12.4, -11.7), longitude=(-77.2, -76.7))
    >>> box.places.position_km.shape
    (50, 3)
    """

    east_km: Float[Array, " devices"]
    north_km: Float[Array, " devices"]
    position_km: Float[Array, "devices 3"]
    elevation_km: Float[Array, " devices"]


@explained
class Truth(NamedTuple):
    """The event of a stream; undefined values are NaN.

    Attributes
    ----------
    event
        Index into `EVENTS`.
    east_km, north_km, depth_km
        Position of the event in the network's local frame; depth positive down.
    time_s
        Origin time, or time of the burst, s.
    magnitude
        Magnitude of an earthquake or blast.

    Examples
    --------
    >>> event = Truth(1, east_km=0.0, north_km=5.0, depth_km=8.0, time_s=0.0, magnitude=4.5)
    >>> EVENTS[event.event]
    'earthquake'
    """

    event: Number
    east_km: Number
    north_km: Number
    depth_km: Number
    time_s: Number
    magnitude: Number


@explained
class Draw(NamedTuple):
    """One simulated data set: the first trigger of each device, its cause, and the truth.

    Attributes
    ----------
    time_s
        Time of the trigger of each device, s, infinite if it is silent, (devices,).
    cause
        Index into `CAUSES`, (devices,).
    truth
        The event.

    Examples
    --------
    >>> from eqstat.simulation import uniform_box
    >>> from eqstat.simulation.sources import UniformTriggers
    >>> box = uniform_box(jax.random.key(0), 50, latitude=(-12.4, -11.7), longitude=(-77.2, -76.7))
    >>> UniformTriggers(0.2)(jax.random.key(1), box.places, jnp.asarray(12.0)).time_s.shape
    (50,)
    """

    time_s: Number
    cause: Number
    truth: Truth


def truth(event: str, **known: Array) -> Truth:
    """Create a truth; values that are not given are NaN."""
    nothing = jnp.asarray(jnp.nan, jnp.float32)
    values = {
        name: jnp.asarray(known.get(name, nothing), jnp.float32) for name in Truth._fields[1:]
    }
    return Truth(jnp.asarray(EVENTS.index(event), jnp.int32), **values)


def draw(time_s: Array, triggers: Array, cause: Array | int, what: Truth) -> Draw:
    """Create a draw from times and from flags of the devices that trigger."""
    seen = triggers & jnp.isfinite(time_s)
    return Draw(
        jnp.where(seen, time_s, jnp.inf).astype(jnp.float32),
        jnp.where(seen, cause, SILENT).astype(jnp.int32),
        what,
    )


def between(share: Array, ends: Pair) -> Array:
    """Map uniform numbers in [0, 1) to a range, whose limits may be equal."""
    low, high = (jnp.asarray(end, jnp.float32) for end in ends)
    return low + (high - low) * share


def uniform(key: PRNGKeyArray, shape: tuple[int, ...] = ()) -> Array:
    """Draw uniform float32 numbers; few calls with many numbers compile faster."""
    return jax.random.uniform(key, shape, jnp.float32)


# Quantiles are tabulated against normal scores; float32 normal draws lie within (-6, 6).
_SCORES = np.linspace(-6.0, 6.0, 2401)


class Tabulated(Explained, eqx.Module):
    """Draws from a continuous distribution of SciPy by interpolation of its quantiles.

    Interpolation is linear between 2,401 normal scores from -6 to 6, so that errors of quantiles
    are below 0.0001 standard deviations; tails of probability 10^-9 are truncated.

    Parameters
    ----------
    distribution
        Frozen distribution, such as `scipy.stats.gamma(2.0, scale=1.5)`.

    Examples
    --------
    >>> from scipy import stats
    >>> bool(jnp.all(Tabulated(stats.expon())(jax.random.key(0), (100,)) > 0))
    True
    """

    quantile: Float[Array, " scores"] | np.ndarray

    def __init__(self, distribution: Any) -> None:
        low, high = np.minimum(_SCORES, 0), np.maximum(_SCORES, 0)
        self.quantile = np.where(
            _SCORES < 0,
            distribution.ppf(stats.norm.cdf(low)),
            distribution.isf(stats.norm.sf(high)),
        )
        if not np.all(np.isfinite(self.quantile)):
            raise InputError(f"Tabulated: {distribution!r} has quantiles that are not finite")

    def __call__(self, key: PRNGKeyArray, shape: tuple[int, ...] = ()) -> Array:
        """Draw float32 numbers."""
        table = jnp.asarray(self.quantile, jnp.float32)
        score = jax.random.normal(key, shape, jnp.float32)
        place = jnp.clip((score - _SCORES[0]) / (_SCORES[1] - _SCORES[0]), 0, len(_SCORES) - 1.001)
        below = jnp.floor(place).astype(int)
        return table[below] + (place - below) * (table[below + 1] - table[below])


class Source(Explained, eqx.Module):
    """Base class of sources of triggers; a subclass implements `__call__`.

    Examples
    --------
    >>> class Silence(Source):
    ...     def __call__(self, key, places, hour):
    ...         time = jnp.full(places.east_km.shape, jnp.inf)
    ...         return draw(time, jnp.zeros(time.shape, bool), SILENT, truth("nothing"))
    >>> from eqstat.simulation import simulate, uniform_box
    >>> box = uniform_box(jax.random.key(0), 50, latitude=(-12.4, -11.7), longitude=(-77.2, -76.7))
    >>> int(simulate(jax.random.key(1), box, Silence(), 2).triggered.sum())
    0
    """

    @abc.abstractmethod
    def __call__(self, key: PRNGKeyArray, places: Places, hour: Float[Array, ""]) -> Draw:
        """Draw one data set; pure JAX, float32.

        Parameters
        ----------
        key
            JAX random key of this data set.
        places
            The devices.
        hour
            Local time of day in hours, [0, 24).

        Returns
        -------
        Draw
        """


class Earliest(Source):
    """Simultaneous sources, of which each device reports its earliest trigger.

    The truth is that of the first source with an event.

    Parameters
    ----------
    *sources : Source
        The sources.

    Examples
    --------
    >>> from eqstat.simulation.sources import Earthquakes, UniformTriggers
    >>> len(Earliest(Earthquakes(), UniformTriggers(0.1)).sources)
    2
    """

    sources: tuple[Source, ...]

    def __init__(self, *sources: Source) -> None:
        if not sources:
            raise InputError("Earliest: needs at least one source")
        self.sources = tuple(sources)

    def __call__(self, key: PRNGKeyArray, places: Places, hour: Float[Array, ""]) -> Draw:
        """Draw from every source and keep the earliest trigger of each device."""
        draws = [
            source(jax.random.fold_in(key, number), places, hour)
            for number, source in enumerate(self.sources)
        ]
        time, cause, event = draws[0]
        for other in draws[1:]:
            earlier = other.time_s < time
            time = jnp.where(earlier, other.time_s, time)
            cause = jnp.where(earlier, other.cause, cause)
            no_event = event.event == 0
            event = jax.tree.map(
                lambda mine, its, none=no_event: jnp.where(none, its, mine), event, other.truth
            )
        return Draw(time, cause, event)


class Filled(Source):
    """One source, and a second one for the devices that the first left silent.

    Parameters
    ----------
    first, rest : Source
        The sources; the truth is that of the first.

    Examples
    --------
    >>> from eqstat.simulation.sources import Earthquakes, UniformTriggers
    >>> float(Filled(Earthquakes(), UniformTriggers(0.1)).rest.share)
    0.1
    """

    first: Source
    rest: Source

    def __call__(self, key: PRNGKeyArray, places: Places, hour: Float[Array, ""]) -> Draw:
        """Draw from both sources; the second applies to the silent devices of the first."""
        one = self.first(jax.random.fold_in(key, 0), places, hour)
        two = self.rest(jax.random.fold_in(key, 1), places, hour)
        silent = one.cause == SILENT
        return Draw(
            jnp.where(silent, two.time_s, one.time_s),
            jnp.where(silent, two.cause, one.cause),
            one.truth,
        )
