"""Simulate the peaks that stations report of one earthquake."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from jaxtyping import PRNGKeyArray
from scipy.special import ndtr, ndtri

from eqstat._core.checks import check_key, check_range
from eqstat._core.errors import InputError
from eqstat._core.random import generator
from eqstat.geodesy import hypocentral_distance
from eqstat.ground_motion._layout import station_places
from eqstat.ground_motion._parameters import (
    GroundMotion,
    effect_variance,
    event_design,
    field_correlation,
    median,
    record_sd_at,
)
from eqstat.ground_motion.event._condition import Device
from eqstat.ground_motion.magnitude._from_peaks import NEAREST_KM
from eqstat.inference import bucket_size, pad_rows


def simulate(
    key: PRNGKeyArray,
    motion: GroundMotion,
    stations: pd.DataFrame,
    *,
    latitude: float | int,
    longitude: float | int,
    depth_km: float | int,
    magnitude: float | int,
    device: Device | None = None,
    least_m_s2: float | int | None = None,
    triggered_only: bool = False,
) -> pd.DataFrame:
    """Draw the peaks of one earthquake at stations, in the form that `from_peaks` takes.

    Parameters
    ----------
    key
        JAX random key.
    motion
        Parameters, without an axis of draws.
    stations
        Rows with `latitude`, `longitude` and perhaps `vs30_m_s`; where that is missing, a site is
        drawn from the population and its Vs30 withheld. Station terms are drawn too.
    latitude, longitude, depth_km, magnitude
        The earthquake, degrees and km.
    device
        Error model of the devices; readings end at its clipping level.
    least_m_s2
        Level below which a reading is missing in the result.
    triggered_only
        Draw all readings above that level, as of stations that are listed because they are; what
        they have in common with each other is drawn without regard to it.

    Returns
    -------
    pandas.DataFrame
        The stations with `pga_m_s2`, `least_m_s2` and `clip_m_s2` where there is one, and the true
        `event_term` and `event_spreading`.

    Raises
    ------
    eqstat.InputError
        When the stations or an option cannot be used.

    Examples
    --------
    >>> at = pd.DataFrame({"latitude": [35.0, 35.4], "longitude": [-117.5, -117.0]})
    >>> peaks = simulate(jax.random.key(0), GroundMotion(), at, latitude=35.2, longitude=-117.3,
    ...                  depth_km=9.0, magnitude=6.0)
    >>> bool((peaks["pga_m_s2"] > 0.01).all())
    True
    """
    check_key("simulate", key)
    device = Device() if device is None else device
    check_range("simulate", -90, 90, latitude=latitude)
    check_range("simulate", -3, 10, magnitude=magnitude)
    if least_m_s2 is not None:
        check_range("simulate", 0, ends="()", least_m_s2=least_m_s2)
    elif triggered_only:
        raise InputError("simulate: triggered_only needs least_m_s2")
    rng, count = generator(key), len(stations)
    motion = jax.tree.map(np.asarray, motion)
    vs30 = stations["vs30_m_s"].to_numpy() if "vs30_m_s" in stations else np.full(count, np.nan)
    site = rng.normal(motion.vs30_log10_mean, motion.vs30_log10_sd, count)
    site = np.where(np.isnan(vs30), site, np.log10(np.where(np.isnan(vs30), 760.0, vs30)))
    distance = hypocentral_distance(
        latitude,
        longitude,
        depth_km,
        stations["latitude"].to_numpy(),
        stations["longitude"].to_numpy(),
    )
    place_km, _ = station_places(stations)
    # Padded, so that tables of about this size share compiled programs.
    size = bucket_size(count)
    distance = pad_rows(np.maximum(distance, NEAREST_KM), size, 10.0)
    place = pad_rows(place_km, size)
    apart = np.linalg.norm(place[:, None] - place, axis=-1)
    with jax.enable_x64(True):
        given = jax.tree.map(jnp.asarray, motion)
        where = float(magnitude), jnp.asarray(distance)
        centre = np.asarray(
            median(given, *where, float(depth_km), jnp.asarray(pad_rows(site, size)))
        )
        design = event_design(given, *where)
        field = np.array(field_correlation(given, jnp.asarray(apart), design, design))
        record_sd = float(record_sd_at(given, float(magnitude)))
        effect_sd = np.sqrt(np.asarray(effect_variance(given)))
    field = field[:count, :count] + 1e-9 * np.eye(count)
    event = rng.normal(0, 1, 2) * effect_sd
    event[0] += rng.normal(0, 1) * float(motion.region_sd)
    common = record_sd * np.linalg.cholesky(field) @ rng.normal(0, 1, count)
    common = common + centre[:count] + np.asarray(design)[:count] @ event + device.bias
    shared = record_sd**2 * (1 - float(motion.correlated_share))
    own_sd = np.sqrt(shared + motion.station_sd**2 + device.sd**2)
    share = rng.uniform(size=count)
    # A site whose Vs30 is withheld is part of what is a station's own.
    if triggered_only:
        site_sd = np.abs(motion.vs30_slope) * motion.vs30_log10_sd * np.isnan(vs30)
        mean = common - motion.vs30_slope * (site - motion.vs30_log10_mean) * np.isnan(vs30)
        own_sd = np.hypot(own_sd, site_sd)
        beyond = ndtr((mean - np.log10(float(least_m_s2 or 0.0))) / own_sd)
        value = mean - own_sd * ndtri(share * beyond)
    else:
        value = common + own_sd * ndtri(share)
    reading = np.minimum(10.0**value, device.clip_m_s2)
    peaks = stations.assign(pga_m_s2=reading, event_term=event[0], event_spreading=event[1])
    if np.isfinite(device.clip_m_s2):
        peaks["clip_m_s2"] = float(device.clip_m_s2)
    if least_m_s2 is not None:
        peaks["least_m_s2"] = float(least_m_s2)
        peaks["pga_m_s2"] = np.where(reading < least_m_s2, np.nan, reading)
    return peaks
