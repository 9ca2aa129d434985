"""Simulate many data sets of a network, each with its own random key."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from jaxtyping import Array, PRNGKeyArray

from eqstat._core.checks import check_key, check_whole
from eqstat._core.errors import InputError
from eqstat._core.explain import Explained
from eqstat.inference import bucket_size
from eqstat.simulation._networks import Network, active_share
from eqstat.simulation.sources._base import CAUSES, EVENTS, SILENT, Draw, Places, Source, Truth

__all__ = ["Streams", "TriggerArrays", "simulate"]

# Devices times streams of one compiled call; fixed, so that results do not depend on the count.
AT_ONCE = 1 << 18
MOST_AT_ONCE = 256
_NUMBERS = (float, int, np.number, np.ndarray)
REFERENCE_TIME = "2027-01-15T08:00:00Z"


@dataclass(frozen=True)
class TriggerArrays(Explained):
    """Triggers sorted by time, padded to a common length.

    Attributes
    ----------
    time_s
        Times, s; infinite in the padding, (streams, triggers).
    device
        Index of the device, 0 in the padding, (streams, triggers).
    cause
        Index into `CAUSES`, 0 in the padding, (streams, triggers).
    mask
        Which entries are triggers, (streams, triggers).

    Examples
    --------
    >>> one = np.ones((1, 2))
    >>> TriggerArrays(one, one.astype(int), one.astype(int), one > 0).mask.all()
    np.True_
    """

    time_s: np.ndarray
    device: np.ndarray
    cause: np.ndarray
    mask: np.ndarray


@dataclass(frozen=True)
class Streams(Explained):
    """Simulated data sets of one network.

    Attributes
    ----------
    network
        The devices.
    first_trigger_s
        Time of the first trigger of each device, s, infinite if it is silent, float32,
        (streams, devices).
    cause
        Cause of the trigger: index into `CAUSES`, int8, (streams, devices).
    active
        Which devices were active; other devices cannot trigger, (streams, devices).
    truth
        The event of each stream, arrays (streams,).
    hour
        Local time of day, h, (streams,).
    now_s
        The present of each stream, s: the latest possible trigger; infinite if all triggers are
        included, (streams,).

    Examples
    --------
    >>> import jax
    >>> from eqstat.simulation import uniform_box
    >>> from eqstat.simulation.sources import UniformTriggers
    >>> box = uniform_box(jax.random.key(0), 9, latitude=(-12.4, -11.7), longitude=(-77.2, -76.7))
    >>> streams = simulate(jax.random.key(1), box, UniformTriggers(0.5), 2)
    >>> bool((streams.seen(6.0).triggered <= streams.triggered).all())
    True
    """

    network: Network
    first_trigger_s: np.ndarray
    cause: np.ndarray
    active: np.ndarray
    truth: Truth
    hour: np.ndarray
    now_s: np.ndarray

    def __len__(self) -> int:
        return len(self.first_trigger_s)

    def __getitem__(self, which: Any) -> Streams:
        """Select streams by slice, mask or indices."""
        at = np.arange(len(self))[which].reshape(-1)
        return Streams(
            self.network,
            self.first_trigger_s[at],
            self.cause[at],
            self.active[at],
            jax.tree.map(lambda leaf: leaf[at], self.truth),
            self.hour[at],
            self.now_s[at],
        )

    @property
    def triggered(self) -> np.ndarray:
        """Which devices have triggered, (streams, devices)."""
        return np.isfinite(self.first_trigger_s)

    @property
    def event(self) -> np.ndarray:
        """Name of the event of each stream, (streams,)."""
        return np.array(EVENTS, object)[self.truth.event]

    def seen(self, now_s: float | int | np.ndarray) -> Streams:
        """Streams as observed at the present, without later triggers.

        Parameters
        ----------
        now_s
            The present, s: a number, or one per stream, (streams,).

        Returns
        -------
        Streams
        """
        now = np.minimum(self.now_s, np.broadcast_to(np.asarray(now_s, np.float64), len(self)))
        return replace(self.only(self.first_trigger_s <= now[:, None]), now_s=now)

    def only(self, keep: np.ndarray) -> Streams:
        """Keep some triggers; the devices of the others become silent.

        Parameters
        ----------
        keep
            Which triggers to keep, (streams, devices).

        Returns
        -------
        Streams
        """
        return replace(
            self,
            first_trigger_s=np.where(keep, self.first_trigger_s, np.float32(np.inf)),
            cause=np.where(keep, self.cause, np.int8(SILENT)),
        )

    def arrays(self) -> TriggerArrays:
        """Triggers sorted by time, padded to the size bucket of the longest stream."""
        most = int(self.triggered.sum(axis=1).max(initial=0))
        size = min(bucket_size(max(most, 1)), self.first_trigger_s.shape[1])
        order = np.argsort(self.first_trigger_s, axis=1, kind="stable")[:, :size]
        time = np.take_along_axis(self.first_trigger_s, order, 1)
        mask = np.isfinite(time)
        cause = np.take_along_axis(self.cause, order, 1)
        device = np.where(mask, order, 0).astype(np.int32)
        return TriggerArrays(time, device, np.where(mask, cause, np.int8(SILENT)), mask)

    def table(self, stream: int, *, reference_time: str = REFERENCE_TIME) -> pd.DataFrame:
        """One stream as a table of triggers.

        Parameters
        ----------
        stream
            Index of the stream.
        reference_time
            UTC time of second 0, ISO 8601.

        Returns
        -------
        pandas.DataFrame
            Table of the triggers contract (`time`, `latitude`, `longitude`, `elevation_m`,
            `device`), sorted by time, with the true `cause` of each. The truth of the stream is in
            `attrs["truth"]`: `event`, `latitude`, `longitude`, `depth_km`, `time`, `magnitude`.
        """
        times = self.first_trigger_s[stream].astype(np.float64)
        order = np.argsort(times, kind="stable")
        order = order[np.isfinite(times[order])]
        zero: Any = pd.Timestamp(reference_time)
        zero = zero.tz_localize("UTC") if zero.tzinfo is None else zero.tz_convert("UTC")
        network = self.network
        table = pd.DataFrame(
            {
                "time": zero + pd.to_timedelta(times[order], unit="s"),
                "latitude": network.latitude[order],
                "longitude": network.longitude[order],
                "elevation_m": network.elevation_m[order],
                "device": network.device[order],
                "cause": np.array(CAUSES, object)[self.cause[stream, order]],
            }
        )
        truth = Truth(*(leaf[stream].item() for leaf in self.truth))
        moment = None if np.isnan(truth.time_s) else zero + pd.Timedelta(seconds=truth.time_s)
        place = network.frame.to_geographic(truth.east_km, truth.north_km)
        table.attrs["truth"] = {
            "event": EVENTS[truth.event],
            "latitude": float(place[0]),
            "longitude": float(place[1]),
            "depth_km": truth.depth_km,
            "time": moment,
            "magnitude": truth.magnitude,
        }
        return table


@eqx.filter_jit
def _chunk(
    key: Array, numbers: Array, source: Source, places: Places, share: Array, hour: Array
) -> tuple[Draw, Array]:
    """Draw the data sets with these numbers."""

    def one(number: Array, share: Array, hour: Array) -> tuple[Draw, Array]:
        own = jax.random.fold_in(key, number)
        activity_key, source_key = jax.random.split(own)
        active = jax.random.uniform(activity_key, share.shape, jnp.float32) < share
        drawn = source(source_key, places, hour)
        cause = jnp.where(active, drawn.cause, SILENT)
        return Draw(jnp.where(active, drawn.time_s, jnp.inf), cause, drawn.truth), active

    return jax.vmap(one)(numbers, share, hour)


def simulate(
    key: PRNGKeyArray,
    network: Network,
    source: Source,
    count: int,
    *,
    hour: float | int | np.ndarray | None = None,
    start: int = 0,
) -> Streams:
    """Simulate data sets of a network.

    Parameters
    ----------
    key
        JAX random key. Data set i is drawn with `fold_in(key, i)` and does not depend on how many
        data sets are drawn or in how many calls.
    network
        The devices.
    source
        Cause of triggers: `Earthquakes`, another source, or several in `Earliest`.
    count
        Number of data sets, at least 1.
    hour
        Local time of day in hours in [0, 24), one number or one per data set, (count,). With it
        each data set has its own active devices, drawn with probability `active_share`, and
        stationary sensors are always active. Without it all devices are active, at noon.
    start
        Number of the first data set, from 0.

    Returns
    -------
    Streams

    Raises
    ------
    eqstat.InputError
        When the count or the hours are invalid.

    Examples
    --------
    >>> import jax
    >>> from eqstat.simulation import uniform_box
    >>> from eqstat.simulation.sources import Earthquakes
    >>> box = uniform_box(jax.random.key(0), 50, latitude=(-12.4, -11.7), longitude=(-77.2, -76.7))
    >>> streams = simulate(jax.random.key(1), box, Earthquakes(), 3)
    >>> streams.first_trigger_s.shape
    (3, 50)
    """
    check_key("simulate", key)
    check_whole("simulate", 1, count=count)
    check_whole("simulate", 0, start=start)
    hours = np.full(count, 12.0) if hour is None else np.asarray(hour, np.float64)
    if hours.ndim > 1 or hours.size not in (1, count) or not np.all((hours >= 0) & (hours < 24)):
        raise InputError(f"simulate: hour must be one or {count} numbers in [0, 24), not {hour!r}")
    hours = np.broadcast_to(hours.reshape(-1), count).copy()
    devices = len(network)
    share = np.ones(count) if hour is None else active_share(hours)
    step = int(np.clip(AT_ONCE // devices, 1, MOST_AT_ONCE))
    places = network.places
    # Numbers become arrays, so that sources with other parameters share a compiled program.
    source = jax.tree.map(
        lambda leaf: np.asarray(leaf, np.float32) if isinstance(leaf, _NUMBERS) else leaf, source
    )
    parts = []
    for first in range(0, count, step):
        # The last call draws more than required, so that all calls share a compiled program.
        number = np.arange(first, first + step)
        inside = np.minimum(number, count - 1)
        chance = np.where(network.fixed, 2.0, share[inside, None]).astype(np.float32)
        drawn, active = _chunk(
            key,
            jnp.asarray(start + number, jnp.uint32),
            source,
            places,
            jnp.asarray(chance),
            jnp.asarray(hours[inside], jnp.float32),
        )
        kept = min(step, count - first)
        small = drawn._replace(cause=drawn.cause.astype(jnp.int8))
        parts.append(jax.tree.map(lambda leaf, n=kept: np.asarray(leaf)[:n], (small, active)))
    draws, actives = zip(*parts, strict=True)
    whole: Draw = jax.tree.map(lambda *leaves: np.concatenate(leaves), *draws)
    return Streams(
        network,
        whole.time_s,
        whole.cause,
        np.concatenate(actives),
        whole.truth,
        hours,
        np.full(count, np.inf),
    )
