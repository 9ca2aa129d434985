"""Simulated streams as input of the travel-time models."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from eqstat._core.errors import InputError
from eqstat.geodesy import LocalFrame
from eqstat.simulation._streams import REFERENCE_TIME, Streams
from eqstat.traveltime import Devices, Observations, padded
from eqstat.velocity import VelocityLike

__all__ = ["observations"]


def observations(
    streams: Streams,
    stream: int,
    *,
    velocity: VelocityLike = None,
    silent: bool = False,
    truncated: bool = False,
) -> Observations:
    """Convert one stream to the result of `traveltime.prepare`, without tables.

    Parameters
    ----------
    streams
        From `simulate`, possibly restricted by `seen` or `only`.
    stream
        Index of the stream, which must have at least one trigger.
    velocity
        Velocity model of the location; by default the constant velocities of Massoda Tchoussi and
        Finazzi (2023).
    silent
        Include the active devices that have not triggered.
    truncated
        Condition the likelihood on triggers before the present of the stream, as in `prepare`.

    Returns
    -------
    Observations
        The time window extends one mean interval beyond the triggers, or to the present of the
        stream if it has one.

    Raises
    ------
    eqstat.InputError
        When the stream has no trigger, or lacks a present that is required.

    Examples
    --------
    >>> import jax
    >>> from eqstat.simulation import simulate, uniform_box
    >>> from eqstat.simulation.sources import Earthquakes
    >>> box = uniform_box(jax.random.key(0), 50, latitude=(-12.4, -11.7), longitude=(-77.2, -76.7))
    >>> streams = simulate(jax.random.key(1), box, Earthquakes(), 3)
    >>> observations(streams, 0).enough
    True
    """
    network = streams.network
    times = streams.first_trigger_s[stream].astype(np.float64)
    order = np.argsort(times, kind="stable")
    order = order[np.isfinite(times[order])]
    now = float(streams.now_s[stream])
    if not order.size:
        raise InputError(f"observations: stream {stream} has no trigger")
    if (silent or truncated) and not np.isfinite(now):
        raise InputError("observations: silence and truncation need a present: use streams.seen()")
    others = np.flatnonzero(streams.active[stream] & ~np.isfinite(times)) if silent else order[:0]
    time = times[order]
    # Whole milliseconds, as in `prepare`, so that the reference time can be written exactly.
    zero = np.floor(np.sort(time)[(len(time) - 1) // 2] * 1000) / 1000
    margin = max((time[-1] - time[0]) / (len(time) + 1), 1.0)
    end = now if np.isfinite(now) else time[-1] + margin
    lat, lon = network.latitude[order], network.longitude[order]
    frame = LocalFrame.around(lat, lon)

    def devices(index: np.ndarray) -> Devices:
        return Devices(
            network.latitude[index], network.longitude[index], network.elevation_m[index]
        )

    data = padded(
        frame,
        devices(order),
        time - zero,
        window_s=(time[0] - margin - zero, end - zero),
        silent=devices(others) if silent else None,
        velocity=velocity,
        truncated=truncated,
    )
    start: Any = pd.Timestamp(REFERENCE_TIME)
    table = pd.DataFrame({"latitude": lat, "longitude": lon, "device": network.device[order]})
    table.insert(0, "time", start + pd.to_timedelta(time, unit="s"))
    reference: Any = start + pd.Timedelta(seconds=float(zero))
    return Observations(data, frame, reference, table, table.iloc[:0])
