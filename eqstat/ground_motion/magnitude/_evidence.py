"""Log density of an event's peaks given place, depth and magnitude; pure JAX."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array

from eqstat.ground_motion._likelihood import site_variance
from eqstat.ground_motion._parameters import (
    LEAST_SD,
    GroundMotion,
    event_design,
    field_correlation,
    record_sd_at,
)
from eqstat.ground_motion._predict import record_moments
from eqstat.ground_motion.event._effects import Reports, by_plain, separations
from eqstat.ground_motion.magnitude._limits import Limits, log_probability


class Stations(NamedTuple):
    """Rows of a table of peaks, padded.

    Attributes
    ----------
    log10_value, kind, log10_least, bias, sd
        As in `Peaks`, (rows,).
    vs30_m_s
        NaN where unknown, (rows,).
    covariate
        Covariate of distance; NaN for a new site, (rows,).
    included
        1 where the station term includes the effect of an unknown Vs30, (rows,).
    place_km
        Positions, (rows, 3).
    used
        1 for a peak, 0 for padding, (rows,).
    plain
        1 for a peak that enters in closed form, (rows,).
    limited
        Numbers of the rows of which limits are known, the number of rows for padding, (limited,).
    """

    log10_value: Array
    kind: Array
    log10_least: Array
    bias: Array
    sd: Array
    vs30_m_s: Array
    covariate: Array
    included: Array
    place_km: Array
    used: Array
    plain: Array
    limited: Array


class Draws(NamedTuple):
    """Draws of hypocentre and parameters that belong together.

    Attributes
    ----------
    motion
        Parameters, with a leading axis of draws.
    effects
        Prior covariance of the event's effects, (draws, 2, 2).
    station_mean, station_sd
        Moments of the station terms, (draws, rows).
    distance_km
        Hypocentral distances, (draws, rows).
    depth_km
        (draws,).
    """

    motion: GroundMotion
    effects: Array
    station_mean: Array
    station_sd: Array
    distance_km: Array
    depth_km: Array


def _log_density(
    magnitude: Array, draw: Draws, stations: Stations, apart_km: Array, **kinds: bool
) -> Array:
    motion, distance = draw.motion, draw.distance_km
    mean, variance = record_moments(
        motion, magnitude, distance, draw.depth_km, stations.vs30_m_s, stations.covariate
    )
    variance = variance - stations.included * site_variance(motion)
    variance = variance + draw.station_sd**2 + stations.sd**2
    mean = mean + draw.station_mean + stations.bias
    record_sd = jnp.broadcast_to(record_sd_at(motion, magnitude), mean.shape)
    design = event_design(motion, magnitude, distance)
    reports = Reports(
        stations.log10_value - mean,
        variance,
        record_sd,
        design,
        stations.place_km,
        stations.used - stations.plain,
    )
    effects, white = by_plain(motion, draw.effects, reports, stations.plain, apart_km)
    if not len(stations.limited):
        return effects.log_evidence

    def take(values: Array, fill: float) -> Array:
        return values.at[stations.limited].get(mode="fill", fill_value=fill)

    # What the stations with limits have in common with all others, given the exact peaks.
    used = take(stations.used, 0.0)
    own_design = take(design, 0.0)
    size = take(record_sd, 1.0) * used
    across = take(apart_km, 0.0)
    near = field_correlation(motion, across, own_design, design)
    near = near * size[:, None] * (record_sd * stations.plain)
    near = jax.scipy.linalg.solve_triangular(white.root, near.T, lower=True)
    among = across.at[:, stations.limited].get(mode="fill", fill_value=0.0)
    field = field_correlation(motion, among, own_design, own_design) * size[:, None] * size
    left = own_design - near.T @ white.design
    centre = near.T @ white.residual + left @ effects.mean
    covariance = left @ effects.covariance @ left.T + field - near.T @ near
    both = used[:, None] * used
    identity = jnp.eye(len(used), dtype=covariance.dtype)
    # A latent value that is known beforehand keeps a variance that is not 0.
    covariance = covariance * both + identity * jnp.where(used > 0, LEAST_SD**2, 1.0)
    own = take(variance, 1.0) - jnp.diagonal(field)
    limits = Limits(
        take(jnp.asarray(reports.residual), 0.0),
        take(stations.kind, 1.0),
        take(stations.log10_least - mean, 0.0),
        jnp.sqrt(jnp.maximum(own, LEAST_SD**2)),
        used,
    )
    centre = centre * used
    return effects.log_evidence + log_probability(centre, covariance, limits, **kinds)


@partial(jax.jit, static_argnames=("triggered_only", "clips"))
def log_evidence(
    magnitude: Array, draws: Draws, stations: Stations, *, triggered_only: bool, clips: bool
) -> Array:
    """Log densities of the peaks for each draw and magnitude, (draws, magnitudes)."""
    apart = separations(stations.place_km, stations.place_km)
    kinds = {"triggered_only": triggered_only, "clips": clips}

    def of_draw(draw: Draws) -> Array:
        # One after the other: batched calls of LAPACK can wait for one another (see the fit).
        return jax.lax.map(lambda m: _log_density(m, draw, stations, apart, **kinds), magnitude)

    return jax.lax.map(of_draw, draws)
