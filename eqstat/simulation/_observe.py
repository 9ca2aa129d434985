"""Simulated streams as the travel-time room takes them."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pandas as pd

from eqstat._core.errors import InputError
from eqstat.geodesy import LocalFrame
from eqstat.inference import bucket_size, pad_rows
from eqstat.simulation._streams import REFERENCE_TIME, Streams
from eqstat.traveltime import Observations, TriggerData
from eqstat.velocity import ConstantVelocity, VelocityModel

__all__ = ["observations"]


def observations(
    streams: Streams,
    stream: int,
    *,
    velocity: VelocityModel | None = None,
    silent: bool = False,
    truncated: bool = False,
) -> Observations:
    """One stream as `traveltime.prepare` would make it from its tables, a hundred times faster.

    Parameters
    ----------
    streams
        From `simulate`, perhaps cut by `seen` or `only`.
    stream
        Which one; it needs a trigger.
    velocity
        The velocity model that a location shall use; that of the 2023 paper by default.
    silent
        Whether active devices without a trigger count as silent.
    truncated
        Whether a trigger is seen only because it came before the stream's present.

    Returns
    -------
    Observations
        Its time window reaches one mean interval beyond the triggers, or to the present where the
        stream has one.

    Raises
    ------
    eqstat.InputError
        When there is no trigger, or the stream has no present and one is needed.
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
    # Whole milliseconds, as in `prepare`, so that the reference is a time that can be written.
    zero = np.floor(np.sort(time)[(len(time) - 1) // 2] * 1000) / 1000
    margin = max((time[-1] - time[0]) / (len(time) + 1), 1.0)
    end = now if np.isfinite(now) else time[-1] + margin
    lat, lon = network.latitude[order], network.longitude[order]
    frame = LocalFrame.around(lat, lon)
    size = bucket_size(len(order))
    rest = bucket_size(max(len(others), 1), smallest=64) if silent else 0
    speed = ConstantVelocity() if velocity is None else velocity
    quiet = frame.position(network.latitude[others], network.longitude[others])
    arrays: dict[str, Any] = dict(
        position_km=pad_rows(frame.position(lat, lon), size),
        elevation_km=pad_rows(network.elevation_m[order] / 1000, size),
        time_s=pad_rows(time - zero, size),
        time_sd_s=np.zeros(size),
        phase=np.zeros(size, np.int32),
        mask=pad_rows(np.ones(len(order), bool), size, False),
        silent_position_km=pad_rows(quiet.reshape(-1, 3), rest),
        silent_elevation_km=pad_rows(network.elevation_m[others] / 1000, rest),
        silent_mask=pad_rows(np.ones(len(others), bool), rest, False),
        window_s=np.array([time[0] - margin, end]) - zero,
        wave=np.asarray(1, np.int32),
        velocity=_strong(speed),
        truncated=truncated,
    )
    start: Any = pd.Timestamp(REFERENCE_TIME)
    table = pd.DataFrame({"latitude": lat, "longitude": lon, "device": network.device[order]})
    table.insert(0, "time", start + pd.to_timedelta(time, unit="s"))
    reference: Any = start + pd.Timedelta(seconds=float(zero))
    return Observations(TriggerData(**arrays), frame, reference, table, table.iloc[:0])


def _strong(velocity: VelocityModel) -> VelocityModel:
    """Numbers as arrays, so that models of other numbers share a program."""
    return jax.tree.map(
        lambda leaf: np.asarray(leaf, np.float64) if isinstance(leaf, int | float) else leaf,
        velocity,
    )
