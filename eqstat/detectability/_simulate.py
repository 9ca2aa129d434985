"""Simulate the triggers of a network in given earthquakes, device by device."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import PRNGKeyArray

from eqstat import schema
from eqstat._core.checks import check_key, check_range
from eqstat._core.constants import HOUR_S
from eqstat._core.errors import InputError
from eqstat._core.random import generator
from eqstat._core.typing import ArrayLike
from eqstat.detectability._draws import parameters_or_defaults, single
from eqstat.detectability._network import arc_between, arc_km, cell_numbers, unit_vectors
from eqstat.detectability._response import DeviceResponse
from eqstat.ground_motion import (
    GroundMotion,
    event_design,
    field_correlation,
    median,
    record_sd_at,
)
from eqstat.velocity import VelocityLike, as_velocity

# Neighbours within a cell of this size have the same correlated residual.
FIELD_CELL_KM = 2.0
# People trigger devices from this long before the earthquake on.
BEFORE_S = 60.0
MOST_CELLS = 6000


def simulate(
    key: PRNGKeyArray,
    network: pd.DataFrame,
    latitude: ArrayLike,
    longitude: ArrayLike,
    magnitude: ArrayLike,
    *,
    depth_km: ArrayLike = 10.0,
    active_share: float | int = 1.0,
    response: DeviceResponse | None = None,
    motion: GroundMotion | None = None,
    velocity: VelocityLike = None,
) -> xr.Dataset:
    r"""Simulate which devices trigger in each earthquake, on which phase and when.

    The steps are those of the model, one after the other, without any of its probabilities: the
    strength and decay of each event, a field of correlated residuals over the network, the
    residuals of places, the reading of each device, and a comparison with its threshold. Devices
    keep their sensitivity, their site and whether they are able or dead through all earthquakes of
    one call.

    Parameters
    ----------
    key
        JAX random key.
    network
        Table of the network contract, one row a device.
    latitude, longitude, magnitude, depth_km
        The earthquakes, of one shape or broadcasting, (earthquakes,).
    active_share
        Share of the devices that are active in each earthquake, in (0, 1].
    response, motion, velocity
        As of `miss_probability`, without axes of draws.

    Returns
    -------
    xarray.Dataset
        Over `earthquake` and `device`: `trigger_time_s` of the first trigger after the origin (or
        from a minute before it, by people), infinite for silent devices; `phase` (0 none, 1 P, 2 S,
        3 people); `active`; `log10_pga` of the ground (m/s2).

    Raises
    ------
    eqstat.InputError
        When an argument is out of its range, or the network spreads over too many places.

    Examples
    --------
    >>> table = pd.DataFrame({"latitude": [-12.0, -12.1], "longitude": [-77.0, -77.1]})
    >>> streams = simulate(jax.random.key(0), table, [-12.2], [-77.0], [6.0])
    >>> streams["trigger_time_s"].shape
    (1, 2)
    """
    check_key("simulate", key)
    checked = schema.check_network(network)
    check_range("simulate", 0, 1, ends="(]", active_share=active_share)
    given = {"latitude": latitude, "longitude": longitude, "magnitude": magnitude}
    for name, values in (given | {"depth_km": depth_km}).items():
        check_range("simulate", **{name: values})  # type: ignore[arg-type]
    try:
        arrays = np.broadcast_arrays(
            *(np.asarray(x, np.float64) for x in (*given.values(), depth_km))
        )
    except ValueError as error:
        raise InputError(f"simulate: the earthquakes' columns differ in length: {error}") from error
    lat, lon, size, depth = (x.ravel() for x in arrays)
    check_range("simulate", -90, 90, latitude=lat)
    check_range("simulate", -360, 540, longitude=lon)
    check_range("simulate", -2, 10, magnitude=size)
    check_range("simulate", 0, 700, depth_km=depth)
    response, motion = parameters_or_defaults("simulate", response, motion)
    ground: GroundMotion = single("simulate", "motion", motion)
    of: DeviceResponse = single("simulate", "response", response)
    rng = generator(key)
    places = unit_vectors(checked["latitude"].to_numpy(float), checked["longitude"].to_numpy(float))
    events, devices = len(size), len(places)

    # What belongs to the devices.
    site = rng.normal(
        0, np.hypot(ground.station_sd, ground.vs30_slope * ground.vs30_log10_sd), devices
    )
    own = rng.normal(0, of.sensitivity_log10_sd, devices)
    own += rng.normal(0, of.amplification_log10_sd, devices)
    alive = rng.random(devices) >= of.dead_share
    reports = alive & (rng.random(devices) < of.able_share)

    # What belongs to the earthquakes.
    sources = unit_vectors(lat, lon)
    epicentral = arc_km(np.linalg.norm(sources[:, None] - places, axis=-1))
    distance = np.sqrt(epicentral**2 + np.maximum(depth, 0.1)[:, None] ** 2)
    with jax.enable_x64(True):
        of_motion = jax.tree.map(jnp.asarray, ground)
        where = (size[:, None], distance)
        log10_pga = np.array(median(of_motion, *where, depth[:, None], ground.vs30_log10_mean))
        factors = np.asarray(event_design(of_motion, *where))
        scatter = np.asarray(record_sd_at(of_motion, size))[:, None]
        arrival = [
            np.asarray(x) for x in as_velocity(velocity).travel_time(epicentral, depth[:, None])
        ]
    log10_pga += rng.normal(0, ground.region_sd)
    log10_pga += factors[..., 0] * rng.normal(0, ground.event_sd, (events, 1))
    log10_pga += factors[..., 1] * rng.normal(0, ground.spreading_sd, (events, 1))
    share = float(ground.correlated_share)
    residual = np.sqrt(1 - share) * rng.normal(0, 1, (events, devices))
    if share > 0:
        residual += _field(rng, checked, places, ground, sources, size, depth)
    log10_pga += scatter * residual + site

    # What the devices make of it.
    reading = of.reading_log10(log10_pga) + own
    active = rng.random((events, devices)) < active_share
    by_s = reading > np.log10(of.trigger_m_s2)
    weaker = log10_pga + np.log10(of.p_amplitude_ratio)
    by_p = of.reading_log10(weaker) + own > np.log10(of.trigger_m_s2)
    shape = (of.delay_mean_s / of.delay_sd_s) ** 2
    delay = rng.gamma(shape, of.delay_sd_s**2 / of.delay_mean_s, (events, devices))
    time = np.where(by_p, arrival[0], arrival[1]) + delay
    phase = np.where(by_p, 1, 2)
    silent = ~(by_s & reports & active)
    time, phase = np.where(silent, np.inf, time), np.where(silent, 0, phase)
    if of.background_per_hour > 0:
        wait = rng.exponential(HOUR_S / of.background_per_hour, (events, devices)) - BEFORE_S
        first = (wait < time) & active & alive
        time, phase = np.where(first, wait, time), np.where(first, 3, phase)
    dims = ("earthquake", "device")
    return xr.Dataset(
        {
            "trigger_time_s": (dims, time, {"units": "s", "long_name": "trigger after the origin"}),
            "phase": (dims, phase.astype(np.int8), {"long_name": "cause of the trigger"}),
            "active": (dims, active, {"long_name": "device is active"}),
            "log10_pga": (dims, log10_pga, {"long_name": "log10 of PGA in m/s2"}),
        },
        {
            "magnitude": ("earthquake", size),
            "latitude": ("earthquake", lat, {"units": "degrees_north"}),
            "longitude": ("earthquake", lon, {"units": "degrees_east"}),
            "depth_km": ("earthquake", depth, {"units": "km"}),
        },
    )


def _field(
    rng: np.random.Generator,
    table: pd.DataFrame,
    places: np.ndarray,
    motion: GroundMotion,
    sources: np.ndarray,
    magnitude: np.ndarray,
    depth: np.ndarray,
) -> np.ndarray:
    """Correlated part of the standardised record terms, (events, devices)."""
    latitude, longitude = (table[name].to_numpy(np.float64) for name in ("latitude", "longitude"))
    cell = cell_numbers(latitude, longitude, FIELD_CELL_KM)
    count = int(cell.max()) + 1
    if count > MOST_CELLS:
        raise InputError(
            f"simulate: the devices lie in {count} cells of {FIELD_CELL_KM:g} km, more than "
            f"{MOST_CELLS}; simulate regions one by one, or set correlated_share to 0"
        )
    middle = np.stack([np.bincount(cell, axis) for axis in places.T], axis=-1)
    middle /= np.linalg.norm(middle, axis=1, keepdims=True)
    apart = arc_km(np.linalg.norm(middle[:, None] - middle, axis=-1))
    # The range of the correlation may grow with the distance from the source.
    same = not np.any(motion.correlation_growth)
    away = np.sqrt(arc_between(sources, middle) ** 2 + np.maximum(depth, 0.1)[:, None] ** 2)
    field = np.empty((len(sources), count))
    root = np.empty((0, 0))
    for event in range(len(sources)):
        if event == 0 or not same:
            with jax.enable_x64(True):
                design = event_design(motion, magnitude[event], jnp.asarray(away[event]))
                correlation = np.array(field_correlation(motion, apart, design, design))
            # Chords on a sphere may make it indefinite by rounding.
            root = np.linalg.cholesky(correlation + 1e-9 * np.eye(count))
        field[event] = root @ rng.normal(0, 1, count)
    return field[:, cell]
