"""What all sources of triggers share: the core's view of a network, draws, truth, and the base."""

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

# Why a device triggered; the numbers of P and S are those of the travel-time room.
CAUSES = ("silent", "P", "S", "human", "uniform", "sound", "crowd", "server")
SILENT, P, S, HUMAN, UNIFORM, SOUND, CROWD, SERVER = range(len(CAUSES))
# What happened, if anything.
EVENTS = ("nothing", "earthquake", "blast", "thunder", "crowd", "server")

# Numbers are parameters in the core, so that others do not compile anew.
Pair = tuple[Number, Number]


class Places(NamedTuple):
    """Devices as the core sees them, float32.

    Attributes
    ----------
    east_km, north_km
        Local coordinates, (devices,).
    position_km
        Surface points (east, north, up) in the local frame, whose distances are chords, (devices,
        3).
    elevation_km
        Elevation above the sphere, (devices,).
    """

    east_km: Float[Array, " devices"]
    north_km: Float[Array, " devices"]
    position_km: Float[Array, "devices 3"]
    elevation_km: Float[Array, " devices"]


class Truth(NamedTuple):
    """What happened in a stream; NaN where there is no such thing.

    Attributes
    ----------
    event
        Index into `EVENTS`.
    east_km, north_km, depth_km
        Place of the event in the network's local frame; depth positive down.
    time_s
        Origin time, or the moment of the burst, seconds.
    magnitude
        Magnitude of an earthquake or blast.
    """

    event: Number
    east_km: Number
    north_km: Number
    depth_km: Number
    time_s: Number
    magnitude: Number


class Draw(NamedTuple):
    """One drawn data set: each device's first trigger, its cause, and the truth.

    Attributes
    ----------
    time_s
        Time of the device's trigger, infinite where it stays silent, (devices,).
    cause
        Index into `CAUSES`, (devices,).
    truth
        What happened.
    """

    time_s: Number
    cause: Number
    truth: Truth


def truth(event: str, **known: Array) -> Truth:
    """Build a truth; what is not named is NaN."""
    nothing = jnp.asarray(jnp.nan, jnp.float32)
    values = {
        name: jnp.asarray(known.get(name, nothing), jnp.float32) for name in Truth._fields[1:]
    }
    return Truth(jnp.asarray(EVENTS.index(event), jnp.int32), **values)


def draw(time_s: Array, triggers: Array, cause: Array | int, what: Truth) -> Draw:
    """Build a draw from times and from which devices trigger at all."""
    seen = triggers & jnp.isfinite(time_s)
    return Draw(
        jnp.where(seen, time_s, jnp.inf).astype(jnp.float32),
        jnp.where(seen, cause, SILENT).astype(jnp.int32),
        what,
    )


def between(share: Array, ends: Pair) -> Array:
    """Turn uniform numbers in [0, 1) into numbers between two ends, which may be equal."""
    low, high = (jnp.asarray(end, jnp.float32) for end in ends)
    return low + (high - low) * share


def uniform(key: PRNGKeyArray, shape: tuple[int, ...] = ()) -> Array:
    """Draw uniform float32 numbers; one call is one program, so ask for many at once."""
    return jax.random.uniform(key, shape, jnp.float32)


# Quantiles are tabulated against normal scores; float32 normals end before six.
_SCORES = np.linspace(-6.0, 6.0, 2401)


class Tabulated(eqx.Module):
    """Draws from a continuous distribution of SciPy, by a table of its quantiles.

    The table is linear between 2,401 normal scores from -6 to 6, so that quantiles err by less
    than 0.0001 standard deviations and nothing beyond one in 10^9 is drawn.

    Parameters
    ----------
    distribution
        Frozen, such as `scipy.stats.gamma(2.0, scale=1.5)`.

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


class Source(eqx.Module):
    """Base of everything that makes devices trigger; a subclass gives `__call__`."""

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
    """Several sources at once: each device reports the earliest of its triggers.

    The truth is that of the first source in which something happens.

    Parameters
    ----------
    *sources : Source
        The sources.
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
        time, cause, what = draws[0]
        for other in draws[1:]:
            earlier = other.time_s < time
            time = jnp.where(earlier, other.time_s, time)
            cause = jnp.where(earlier, other.cause, cause)
            nothing = what.event == 0
            what = jax.tree.map(
                lambda mine, its, none=nothing: jnp.where(none, its, mine), what, other.truth
            )
        return Draw(time, cause, what)


class Filled(Source):
    """One source, and a second one among the devices that the first left silent.

    Parameters
    ----------
    first, rest : Source
        The sources; the truth is the first one's.
    """

    first: Source
    rest: Source

    def __call__(self, key: PRNGKeyArray, places: Places, hour: Float[Array, ""]) -> Draw:
        """Draw from both and fill the silent devices of the first from the second."""
        one = self.first(jax.random.fold_in(key, 0), places, hour)
        two = self.rest(jax.random.fold_in(key, 1), places, hour)
        silent = one.cause == SILENT
        return Draw(
            jnp.where(silent, two.time_s, one.time_s),
            jnp.where(silent, two.cause, one.cause),
            one.truth,
        )
