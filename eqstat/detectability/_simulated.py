"""Miss probability of any detector: its alarms in simulated streams."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import PRNGKeyArray

from eqstat._core.checks import check_key, check_probability, check_range, check_whole
from eqstat._core.errors import InputError
from eqstat._core.typing import ArrayLike
from eqstat.calibration import binomial_interval
from eqstat.detectability._results import QUANTILES
from eqstat.detectability._simulate import simulate

# Origin time of the simulated earthquakes.
ORIGIN = pd.Timestamp("2026-01-01T00:00:00Z")


def miss_of_detector(
    key: PRNGKeyArray,
    network: pd.DataFrame,
    alarm: Callable[[pd.DataFrame], Any],
    latitude: ArrayLike,
    longitude: ArrayLike,
    magnitude: ArrayLike,
    *,
    streams: int = 100,
    depth_km: float | int = 10.0,
    probability: float = 0.9,
    **options: Any,
) -> xr.Dataset:
    """Miss probability and delay of a detector that no count describes, by simulation.

    Each stream has devices and shaking of its own (`simulate`); the detector says when it alarms.

    Parameters
    ----------
    key
        JAX random key.
    network
        Table of the network contract, one row a device.
    alarm
        The detector: a function of a table of the triggers contract (`time`, `latitude`,
        `longitude`, `device`, in order of time; the earthquake is at the attribute `origin_time`)
        that returns the time of its alarm, UTC, or None. It is called for streams with triggers.
        An alarm before the earthquake counts as none.
    latitude, longitude, magnitude
        The earthquakes, of one shape or broadcasting, (earthquakes,).
    streams
        Number of streams of each earthquake, at least 1.
    depth_km
        Their depth, km, in [0, 700].
    probability
        Probability of the interval, in (0, 1).
    **options
        As of `simulate`: `active_share`, `response` (with a background), `motion`, `velocity`.

    Returns
    -------
    xarray.Dataset
        Over `earthquake`: `miss_probability`, the share of streams without an alarm, with `low` and
        `high` (Clopper and Pearson, of the number of streams); `delay_s` over `quantile` (0.16,
        0.5, 0.84) from the origin to the alarm, NaN where there was none.

    Raises
    ------
    eqstat.InputError
        When an argument is out of its range, or the detector returns no time.

    Examples
    --------
    The fifth trigger is an alarm:

    >>> network = pd.DataFrame({"latitude": np.linspace(-12.1, -11.9, 30), "longitude": -77.0})
    >>> def fifth(triggers):
    ...     return triggers["time"].iloc[4] if len(triggers) > 4 else None
    >>> result = miss_of_detector(
    ...     jax.random.key(0), network, fifth, -12.0, -77.1, [2.5, 6.0], streams=20
    ... )
    >>> bool(result["miss_probability"][0] > result["miss_probability"][1])
    True

    A sequential posterior, with `watch` from `eqstat.detection.detector(network)`:

    >>> def posterior(triggers):
    ...     from eqstat.detection import replay
    ...     first = replay(watch, triggers, progress=False).alarm
    ...     return None if first is None else first["time"]
    """
    check_key("miss_of_detector", key)
    check_whole("miss_of_detector", 1, streams=streams)
    check_probability("miss_of_detector", probability=probability)
    if not callable(alarm):
        raise InputError("miss_of_detector: alarm must be a function of a table of triggers")
    try:
        arrays = np.broadcast_arrays(
            *(np.asarray(x, np.float64) for x in (latitude, longitude, magnitude))
        )
    except ValueError as error:
        raise InputError(f"miss_of_detector: places and magnitudes: {error}") from error
    lat, lon, size = (x.ravel() for x in arrays)
    check_range("miss_of_detector", 0, 700, depth_km=depth_km)
    delay = np.full((streams, len(size)), np.inf)
    for stream in range(streams):
        simulated = simulate(
            jax.random.fold_in(key, stream), network, lat, lon, size, depth_km=depth_km, **options
        )
        times = simulated["trigger_time_s"].to_numpy()
        for event in range(len(size)):
            delay[stream, event] = _delay(alarm, network, times[event])
    missed = np.sum(~np.isfinite(delay), axis=0)
    low, high = binomial_interval(missed, streams, probability=probability)
    quantiles = np.full((len(size), len(QUANTILES)), np.nan)
    for event in np.flatnonzero(missed < streams):
        one = delay[:, event]
        quantiles[event] = np.quantile(one[np.isfinite(one)], QUANTILES)
    name, text = "earthquake", "miss probability"
    return xr.Dataset(
        {
            "miss_probability": (name, missed / streams, {"long_name": text}),
            "low": (name, low, {"long_name": f"{text}, low end"}),
            "high": (name, high, {"long_name": f"{text}, high end"}),
            "delay_s": (
                (name, "quantile"),
                quantiles,
                {"units": "s", "long_name": "delay of the alarm after the origin"},
            ),
        },
        {
            "latitude": (name, lat, {"units": "degrees_north"}),
            "longitude": (name, lon, {"units": "degrees_east"}),
            "magnitude": (name, size, {"long_name": "magnitude"}),
            "quantile": ("quantile", np.array(QUANTILES), {"long_name": "quantile"}),
        },
        {
            "depth_km": float(depth_km),
            "streams": streams,
            "interval_probability": probability,
            "interval_kind": "exact binomial, of the number of streams",
        },
    )


def _delay(alarm: Callable[[pd.DataFrame], Any], network: pd.DataFrame, time: np.ndarray) -> float:
    """Seconds from the origin to the alarm; infinite without one."""
    order = np.argsort(time, kind="stable")
    order = order[np.isfinite(time[order])]
    if not len(order):
        return np.inf
    rows = network.iloc[order]
    triggers = pd.DataFrame(
        {
            "time": ORIGIN + pd.to_timedelta(time[order], unit="s"),
            "latitude": rows["latitude"].to_numpy(),
            "longitude": rows["longitude"].to_numpy(),
            "device": (rows["device"].to_numpy() if "device" in rows else order.astype(str)),
        }
    )
    triggers.attrs["origin_time"] = ORIGIN
    at = alarm(triggers)
    if at is None:
        return np.inf
    try:
        seconds = (pd.Timestamp(at) - ORIGIN).total_seconds()
    except (TypeError, ValueError) as error:
        raise InputError(
            f"miss_of_detector: alarm must return a time in UTC or None, not {at!r}"
        ) from error
    return seconds if seconds >= 0 else np.inf
