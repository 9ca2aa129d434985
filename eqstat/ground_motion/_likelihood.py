"""Marginal likelihood of ground motions, with event and station terms integrated out."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from eqstat._core.constants import HALF_LOG_2PI
from eqstat.ground_motion._data import MotionData
from eqstat.ground_motion._parameters import GroundMotion, magnitude_slope_at, median, record_sd_at


class RandomEffects(NamedTuple):
    """Posterior moments of the event and station terms given the parameters, log10 units.

    Attributes
    ----------
    event_mean, event_sd
        Of each event, (events,).
    station_mean, station_sd
        Of each station, (stations,); for a station without Vs30 the effect of Vs30 is included.

    Examples
    --------
    See `random_effects`.

    Examples
    --------
    >>> from eqstat.ground_motion import Design, random_effects, simulate
    >>> motions = simulate(jax.random.key(0), GroundMotion(), Design(events=10, stations=8))
    >>> effects = random_effects(GroundMotion(), motions.data)
    >>> bool(effects.event_sd[0] < 0.3)
    True
    """

    event_mean: Float[Array, " events"]
    event_sd: Float[Array, " events"]
    station_mean: Float[Array, " stations"]
    station_sd: Float[Array, " stations"]


class _System(NamedTuple):
    """Normal equations of the event and station terms."""

    residual: Array  # of each record
    precision: Array  # of each record; 0 for padding
    event_variance: Array
    station_variance: Array
    events: Array  # diagonal of the events' block
    stations: Array
    both: Array  # block between them, (events, stations)
    event_sum: Array  # weighted residuals
    station_sum: Array


def site_variance(motion: GroundMotion) -> Array:
    """Variance of a station term that is due to an unknown Vs30."""
    return (motion.vs30_slope * motion.vs30_log10_sd) ** 2


def residuals(motion: GroundMotion, data: MotionData) -> Array:
    """Records less their medians; an unknown Vs30 is at the population's mean."""
    site = jnp.where(data.unknown_site > 0, motion.vs30_log10_mean, data.log10_vs30)
    where = (data.magnitude, data.distance_km, data.depth_km)
    centre = median(motion, *where, site, data.station_distance)
    return jnp.asarray(data.log10_pga - centre - motion.region_level[data.region])


def _sum(values: Any, number: Any, count: int) -> Array:
    return jax.ops.segment_sum(values, number, num_segments=count)


def _system(motion: GroundMotion, data: MotionData) -> _System:
    residual = residuals(motion, data) * data.weight
    variance = record_sd_at(motion, data.magnitude) ** 2
    if not data.stations:
        variance = variance + data.unknown_site * site_variance(motion)
    precision = jnp.asarray(data.weight / variance)
    events, stations = len(data.magnitude_sd), data.stations
    # An error of the magnitude shifts all records of an event by nearly the same amount: to first
    # order it is part of the event term, with the mean slope over the event's records.
    slope = magnitude_slope_at(motion, data.magnitude, data.distance_km) * data.weight
    records = jnp.maximum(_sum(data.weight, data.event, events), 1.0)
    slope = _sum(slope, data.event, events) / records
    event_variance = motion.event_sd**2 + (slope * data.magnitude_sd) ** 2
    station_variance = motion.station_sd**2 + data.station_unknown * site_variance(motion)
    both = jnp.zeros((events, stations), residual.dtype)
    if stations:
        both = both.at[data.event, data.station].add(precision)
    return _System(
        residual,
        precision,
        event_variance,
        station_variance,
        1 / event_variance + _sum(precision, data.event, events),
        1 / station_variance + jnp.sum(both, axis=0),
        both,
        _sum(precision * residual, data.event, events),
        _sum(precision * residual, data.station, stations) if stations else jnp.zeros(0),
    )


def log_likelihood(motion: GroundMotion, data: MotionData) -> Float[Array, ""]:
    r"""Log density of all records, marginalised over event and station terms in closed form.

    With the incidence matrix $Z$ of records in events and stations, the diagonal $D$ of the terms'
    variances and the diagonal $W$ of the records' precisions,

    $$ y \sim \mathcal N(\mu,\; W^{-1} + Z D Z^\top), \qquad A = D^{-1} + Z^\top W Z. $$

    By the matrix determinant lemma and the Woodbury identity, determinant and quadratic form
    need $A$ only. Its blocks for events and for stations are diagonal, so that the larger one is
    eliminated by division and a Cholesky factor of the smaller remains. An unknown Vs30 enters
    linearly and adds $(v s_V)^2$ to the variance of its station's term. The known Vs30 are draws
    from the population, and their density is part of the likelihood.

    Parameters
    ----------
    motion
        Parameters, without an axis of draws.
    data
        From `prepare(table).data`.

    Returns
    -------
    jax.Array
        Log density of log10 PGA and of the known log10 Vs30.

    References
    ----------
    Abrahamson, N. and Youngs, R. (1992), A stable algorithm for regression analyses using the
    random effects model, Bulletin of the Seismological Society of America 82, 505-510,
    doi:10.1785/BSSA0820010505.

    Examples
    --------
    >>> from eqstat.ground_motion import Design, simulate
    >>> truth = GroundMotion()
    >>> data = simulate(jax.random.key(0), truth, Design(events=10, stations=8)).data
    >>> wrong = GroundMotion(spreading=2.5)
    >>> bool(log_likelihood(truth, data) > log_likelihood(wrong, data))
    True
    """
    system = _system(motion, data)
    large = (system.stations, system.station_sum, system.both)
    small = (system.events, system.event_sum)
    if data.stations and len(system.events) > data.stations:
        large = (system.events, system.event_sum, system.both.T)
        small = (system.stations, system.station_sum)
    diagonal, sums, block = large
    # Schur complement of the larger, diagonal block.
    schur = jnp.diag(small[0]) - (block / diagonal) @ block.T
    factor = jnp.linalg.cholesky(schur)
    reduced = small[1] - block @ (sums / diagonal)
    reduced = jax.scipy.linalg.solve_triangular(factor, reduced, lower=True)
    explained = jnp.sum(sums**2 / diagonal) + jnp.sum(reduced**2)
    quadratic = jnp.sum(system.precision * system.residual**2) - explained
    log_det = (
        2 * jnp.sum(jnp.log(jnp.diagonal(factor)))
        + jnp.sum(jnp.log(diagonal))
        + jnp.sum(jnp.log(system.event_variance))
        + jnp.sum(jnp.log(system.station_variance))
        - jnp.sum(
            jnp.where(data.weight > 0, jnp.log(jnp.where(data.weight > 0, system.precision, 1)), 0)
        )
    )
    density = -0.5 * (quadratic + log_det) - HALF_LOG_2PI * jnp.sum(data.weight)
    z = (data.population - motion.vs30_log10_mean) / motion.vs30_log10_sd
    sites = -0.5 * z**2 - jnp.log(motion.vs30_log10_sd) - HALF_LOG_2PI
    return density + jnp.sum(data.population_weight * sites)


def random_effects(motion: GroundMotion, data: MotionData) -> RandomEffects:
    """Posterior of the event and station terms given the parameters and all records.

    Parameters
    ----------
    motion
        Parameters, without an axis of draws.
    data
        From `prepare(table).data`.

    Returns
    -------
    RandomEffects
        Rows of padding have the prior of the terms.

    Examples
    --------
    >>> from eqstat.ground_motion import Design, simulate
    >>> motions = simulate(jax.random.key(0), GroundMotion(), Design(events=10, stations=8))
    >>> effects = random_effects(GroundMotion(), motions.data)
    >>> bool(effects.event_sd[0] < 0.3)
    True
    """
    system = _system(motion, data)
    share = system.both / system.stations
    factor = jnp.linalg.cholesky(jnp.diag(system.events) - share @ system.both.T)
    identity = jnp.eye(len(system.events), dtype=factor.dtype)
    root = jax.scipy.linalg.solve_triangular(factor, identity, lower=True)
    event_mean = root.T @ (root @ (system.event_sum - share @ system.station_sum))
    station_mean = (system.station_sum - system.both.T @ event_mean) / system.stations
    station_variance = 1 / system.stations + jnp.sum((root @ share) ** 2, axis=0)
    event_sd = jnp.sqrt(jnp.sum(root**2, axis=0))
    return RandomEffects(event_mean, event_sd, station_mean, jnp.sqrt(station_variance))


def pointwise_log_likelihood(motion: GroundMotion, data: MotionData) -> Float[Array, " records"]:
    r"""Log density of each record given all the others, event and station terms marginalised over.

    Records of one event or station are not independent given the parameters, so the likelihood
    has no factors. With the residuals $r$, the means $m$ and the covariance $A^{-1}$ of the terms
    given all records (see `log_likelihood`), the precision matrix $C^{-1}$ of the records gives

    $$ y_i \mid y_{-i} \sim \mathcal N\!\left(y_i - g_i / c_i,\; 1 / c_i\right), \qquad
       g = W (r - Z m), \qquad c_i = w_i - w_i^2\, (Z A^{-1} Z^\top)_{ii}. $$

    Used as the `log_likelihood` group, this makes Pareto-smoothed importance sampling exact for
    leaving out one record.

    Parameters
    ----------
    motion
        Parameters, without an axis of draws.
    data
        From `prepare(table).data`.

    Returns
    -------
    jax.Array
        Log density of each log10 PGA, 0 in the padding, (records,).

    References
    ----------
    Bürkner, P.-C., Gabry, J. and Vehtari, A. (2021), Efficient leave-one-out cross-validation for
    Bayesian non-factorized normal and Student-t models, Computational Statistics 36, 1243-1261,
    doi:10.1007/s00180-020-01045-4.

    Examples
    --------
    >>> import jax
    >>> from eqstat.ground_motion import Design, simulate
    >>> motions = simulate(jax.random.key(0), GroundMotion(), Design(events=3, stations=4))
    >>> values = pointwise_log_likelihood(GroundMotion(), motions.data)
    >>> bool(jnp.all(jnp.isfinite(values)))
    True
    """
    system = _system(motion, data)
    event_mean, station_mean, variance = _conditional(system, data)
    residual = system.residual - event_mean[data.event]
    if data.stations:
        residual = residual - station_mean[data.station]
    weighted = system.precision * residual
    # A record that alone determines its terms leaves next to no precision: keep it positive.
    tiny = jnp.finfo(variance.dtype).tiny
    precision = jnp.maximum(system.precision * (1 - system.precision * variance), tiny)
    density = 0.5 * jnp.log(precision) - 0.5 * weighted**2 / precision - HALF_LOG_2PI
    return jnp.where(data.weight > 0, density, 0.0)


def _conditional(system: _System, data: MotionData) -> tuple[Array, Array, Array]:
    """Means of event and station terms given all records, and the variance of each record's sum.

    The smaller block is inverted after the larger, diagonal one is eliminated.
    """
    if not data.stations:
        variance = (1 / system.events)[data.event]
        return system.event_sum / system.events, jnp.zeros(0), variance
    swap = len(system.events) > data.stations
    small, large = (system.events, system.event_sum), (system.stations, system.station_sum)
    at = (data.event, data.station)
    if swap:
        small, large, at = large, small, at[::-1]
    share = (system.both.T if swap else system.both) / large[0]
    core = jnp.diag(small[0]) - share @ (share * large[0]).T
    root = jax.scipy.linalg.cho_factor(core, lower=True)
    inverse = jax.scipy.linalg.cho_solve(root, jnp.eye(len(core), dtype=core.dtype))
    mean = inverse @ (small[1] - share @ large[1])
    other = large[1] / large[0] - share.T @ mean
    cross = inverse @ share
    # Variances of both terms and twice their covariance, -(inverse @ share).
    variance = (
        jnp.diagonal(inverse)[at[0]]
        + (1 / large[0] + jnp.sum(share * cross, axis=0))[at[1]]
        - 2 * cross[at]
    )
    return (other, mean, variance) if swap else (mean, other, variance)
