"""What a network knows of an earthquake at one time, and the recordings that it comes from."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from eqstat._core.checks import check_whole
from eqstat._core.explain import Explained

# Data of a training stay in the memory of NumPy until a step takes them.
Values = Array | np.ndarray


class View(Explained, eqx.Module):
    """All that is known at one time, or a batch of such views.

    The sites of a forecast are the n stations and m extra places, s = n + m. Places are east,
    north and height, km, about a centre of the caller's choice, such as the first station that
    reported.

    Attributes
    ----------
    place_km
        Stations, (..., n, 3).
    station
        Number of each station among those of the training; -1 for one that was not there,
        (..., n).
    working
        Whether a station is known to work, (..., n); one that does not, or padding, tells nothing.
    reporting
        Whether it has reported, (..., n); one that works and has not is known to be silent so far.
    signal
        What it has recorded up to now, m/s2, 0 before its start, (..., n, samples, channels).
    elapsed_s
        Time since the first report, s, (...).
    base
        Mean and standard deviation of log10 PGA (m/s2) by another forecast, standard deviation 0
        where there is none, (..., s, 2).
    extra_km, extra_station
        Extra places, (..., m, 3) and (..., m).

    Examples
    --------
    >>> view = View.of_places(jnp.zeros((4, 3)), samples=30)
    >>> view.signal.shape, view.base.shape
    ((4, 30, 1), (4, 2))
    """

    place_km: Float[Values, "*rows n 3"]
    station: Int[Values, "*rows n"]
    working: Bool[Values, "*rows n"]
    reporting: Bool[Values, "*rows n"]
    signal: Float[Values, "*rows n samples channels"]
    elapsed_s: Float[Values, "*rows"]
    base: Float[Values, "*rows s 2"]
    extra_km: Float[Values, "*rows m 3"]
    extra_station: Int[Values, "*rows m"]

    @property
    def sites_km(self) -> Float[Array, "*rows s 3"]:
        """Places of all sites: the stations, then the extra places."""
        return jnp.concatenate([self.place_km, self.extra_km], axis=-2)

    @classmethod
    def of_stations(
        cls,
        place_km: Values,
        station: Values,
        working: Values,
        reporting: Values,
        signal: Values,
        elapsed_s: Values,
    ) -> View:
        """Make a view, or a batch, without a base and without extra places.

        Parameters
        ----------
        place_km, station, working, reporting, signal, elapsed_s
            As the attributes; arrays of NumPy stay such.

        Returns
        -------
        View
        """
        lead, n = jnp.shape(working)[:-1], jnp.shape(working)[-1]
        zeros = jnp.zeros if isinstance(signal, Array) else np.zeros
        return cls(
            place_km, station, working, reporting, signal, elapsed_s,
            zeros((*lead, n, 2), signal.dtype), zeros((*lead, 0, 3), signal.dtype),
            zeros((*lead, 0), np.int32),
        )  # fmt: skip

    @classmethod
    def of_places(cls, place_km: Float[Array, "n 3"], *, samples: int, channels: int = 1) -> View:
        """Make a view of stations that all work and are silent.

        Parameters
        ----------
        place_km
            East, north and height, km, (n, 3).
        samples, channels
            Of the signals.

        Returns
        -------
        View

        Raises
        ------
        eqstat.InputError
            When a size is not a whole number from 1.
        """
        check_whole("View", 1, samples=samples, channels=channels)
        place = jnp.asarray(place_km)
        n = len(place)
        return cls.of_stations(
            place,
            jnp.full(n, -1),
            jnp.ones(n, bool),
            jnp.zeros(n, bool),
            jnp.zeros((n, samples, channels), place.dtype),
            jnp.zeros((), place.dtype),
        )


class Recording(Explained, eqx.Module):
    """A whole earthquake at its stations, or a batch; `view_at` cuts it at a time.

    Times are seconds after the first report.

    Attributes
    ----------
    place_km, station, working
        As of a `View`.
    first_s
        When each station reported first; infinite for one that never did, (..., n).
    signal
        Acceleration, or its largest absolute value in each second, m/s2, (..., n, total,
        channels).
    start_s
        Time of the first sample, (...).
    rate_hz
        Samples per second.

    Examples
    --------
    >>> recording = Recording(
    ...     jnp.zeros((2, 3)), jnp.array([0, 1]), jnp.ones(2, bool), jnp.array([0.0, 5.0]),
    ...     jnp.ones((2, 60, 1)), jnp.array(0.0))
    >>> view = view_at(recording, 3.0, samples=30)
    >>> view.reporting.tolist(), view.signal.sum(axis=(1, 2)).tolist()
    ([True, False], [3.0, 0.0])
    """

    place_km: Float[Array, "*rows n 3"]
    station: Int[Array, "*rows n"]
    working: Bool[Array, "*rows n"]
    first_s: Float[Array, "*rows n"]
    signal: Float[Array, "*rows n total channels"]
    start_s: Float[Array, "*rows"]
    rate_hz: float = eqx.field(static=True, default=1.0)


def view_at(recording: Recording, time_s: Float[Array, ""] | float | int, samples: int) -> View:
    """Cut a recording at a time; pure JAX, for one earthquake (use `jax.vmap` for a batch).

    Nothing after the time is in the view: neither samples nor stations that report later.

    Parameters
    ----------
    recording
        One earthquake.
    time_s
        Seconds after the first report, at least 0.
    samples
        Samples before that time.

    Returns
    -------
    View
        Without extra places and without a base.

    Examples
    --------
    See `Recording`.
    """
    signal, dtype = recording.signal, recording.signal.dtype
    time = jnp.asarray(time_s, dtype)
    reporting = recording.working & (recording.first_s <= time)
    # Samples whose whole interval is over.
    done = jnp.floor((time - recording.start_s) * recording.rate_hz + 1e-4).astype(int)
    index = done - samples + jnp.arange(samples)
    total = signal.shape[-2]
    inside = (index >= 0) & (index < total)
    part = jnp.take(signal, jnp.clip(index, 0, total - 1), axis=-2)
    part = jnp.where(inside[:, None] & reporting[:, None, None], part, 0.0)
    return View.of_stations(
        recording.place_km, recording.station, recording.working, reporting, part, time
    )


@eqx.filter_jit
def views_at(recordings: Recording, times_s: Float[Array, "*events times"], samples: int) -> View:
    """Cut a batch of recordings at each of several times.

    Parameters
    ----------
    recordings
        With a leading axis of earthquakes.
    times_s
        Seconds after the first report, (times,), or of each earthquake its own, (events, times).
    samples
        Samples before each time.

    Returns
    -------
    View
        With a leading axis of rows, earthquake by earthquake: event e at time t is row
        e * times + t.

    Examples
    --------
    >>> recordings = Recording(
    ...     jnp.zeros((5, 2, 3)), jnp.zeros((5, 2), int), jnp.ones((5, 2), bool),
    ...     jnp.zeros((5, 2)), jnp.ones((5, 2, 60, 1)), jnp.zeros(5))
    >>> views_at(recordings, jnp.array([2.0, 5.0, 10.0]), 30).signal.shape
    (15, 2, 30, 1)
    """
    events = recordings.start_s.shape[0]
    times = jnp.asarray(times_s, recordings.signal.dtype)
    times = jnp.broadcast_to(times, (events, times.shape[-1]))
    each = jax.vmap(lambda one, own: jax.vmap(lambda time: view_at(one, time, samples))(own))(
        recordings, times
    )
    return jax.tree.map(lambda leaf: leaf.reshape(times.size, *leaf.shape[2:]), each)
