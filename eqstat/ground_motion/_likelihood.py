"""Marginal likelihood of ground motions, with event and station effects integrated out."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from eqstat._core.constants import HALF_LOG_2PI
from eqstat._core.explain import explained
from eqstat.ground_motion._data import MotionData
from eqstat.ground_motion._parameters import (
    GroundMotion,
    effect_variance,
    event_design,
    field_correlation,
    magnitude_slope_at,
    median,
    record_sd_at,
)


@explained
class RandomEffects(NamedTuple):
    """Posterior moments of the event and station effects given the parameters, log10 units.

    Attributes
    ----------
    event_mean, event_sd
        Of the term of each event, (events,).
    spreading_mean, spreading_sd
        Of the departure of each event's decay, per decade of distance, (events,).
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
    spreading_mean: Float[Array, " events"]
    spreading_sd: Float[Array, " events"]
    station_mean: Float[Array, " stations"]
    station_sd: Float[Array, " stations"]


@jax.custom_vjp
def _inverse_and_log_determinant(matrices: Array) -> tuple[Array, Array]:
    """Inverses and log determinants of positive definite matrices, (n, size, size).

    One after the other: batched calls of LAPACK within a compiled loop share a small pool of
    threads with their callers, and can wait for one another for minutes on few cores. The
    derivative needs products of the inverse only.
    """

    def one(matrix: Array) -> tuple[Array, Array]:
        root = jnp.linalg.cholesky(matrix)
        identity = jnp.eye(len(matrix), dtype=matrix.dtype)
        inverse = jax.scipy.linalg.cho_solve((root, True), identity)
        return inverse, 2 * jnp.sum(jnp.log(jnp.diagonal(root)))

    return jax.lax.map(one, matrices)


def _forward(matrices: Array) -> tuple[tuple[Array, Array], Array]:
    inverse, log_determinant = _inverse_and_log_determinant(matrices)
    return (inverse, log_determinant), inverse


def _backward(inverse: Array, slopes: tuple[Array, Array]) -> tuple[Array]:
    of_inverse, of_log_determinant = slopes
    return (of_log_determinant[:, None, None] * inverse - inverse @ of_inverse @ inverse,)


_inverse_and_log_determinant.defvjp(_forward, _backward)


class _Block(NamedTuple):
    """Events of one size bucket, with station terms and medians given."""

    mask: Array  # 1 for a record, (events, size)
    rows: Array  # numbers of the records, 0 in the padding
    residual: Array
    precision: Array  # inverse covariance of the records, (events, size, size)
    weighted: Array  # precision times residual
    design: Array  # of the event's two effects, (events, size, 2)
    variance: Array  # of these effects, (events, 2)
    log_det: Array  # of the covariance, (events,)


class _System(NamedTuple):
    """Blocks of the events, and the normal equations of the station terms."""

    blocks: tuple[_Block, ...]
    station_variance: Array
    stations: Array  # precision matrix of the station terms, (stations, stations)
    station_sum: Array  # weighted residuals


def site_variance(motion: GroundMotion) -> Array:
    """Variance of a station term that is due to an unknown Vs30."""
    return (motion.vs30_slope * motion.vs30_log10_sd) ** 2


def residuals(motion: GroundMotion, data: MotionData) -> Array:
    """Records less their medians; an unknown Vs30 is at the population's mean."""
    site = jnp.where(data.unknown_site > 0, motion.vs30_log10_mean, data.log10_vs30)
    where = (data.magnitude, data.distance_km, data.depth_km)
    centre = median(motion, *where, site, data.station_distance)
    return jnp.asarray(data.log10_pga - centre - motion.region_level[data.region])


def _block(motion: GroundMotion, data: MotionData, residual: Array, numbers: Array) -> _Block:
    mask = (numbers >= 0).astype(residual.dtype)
    rows = jnp.maximum(numbers, 0)
    magnitude, distance_km = (
        jnp.asarray(values)[rows] for values in (data.magnitude, data.distance_km)
    )
    sd = record_sd_at(motion, magnitude)
    own = sd**2
    if not data.stations:
        own = own + jnp.asarray(data.unknown_site)[rows] * site_variance(motion)
    # An error of the magnitude shifts all records of an event by nearly the same amount: to first
    # order it is part of the event term, with the mean slope over the event's records.
    count = jnp.maximum(jnp.sum(mask, axis=1), 1.0)
    slope = jnp.sum(magnitude_slope_at(motion, magnitude, distance_km) * mask, axis=1) / count
    error = slope * jnp.asarray(data.magnitude_sd)[jnp.asarray(data.event)[rows[:, 0]]]
    variance = effect_variance(motion) + jnp.stack([error**2, jnp.zeros_like(error)], axis=-1)
    design = event_design(motion, magnitude, distance_km) * mask[..., None]
    if data.located:
        own = jnp.where(mask > 0, own, 1.0)
        covariance = _within_event(motion, data, rows, design, sd * mask, own)
        covariance = covariance + (design * variance[:, None]) @ jnp.swapaxes(design, 1, 2)
        inverse, log_det = _inverse_and_log_determinant(covariance)
        precision = inverse * mask[:, :, None] * mask[:, None, :]
    else:
        # Diagonal but for the two effects: Woodbury and determinant lemma, scaled by the effects'
        # standard deviations, which may be 0.
        weight = mask / own
        scaled = design * jnp.sqrt(variance)[:, None]
        outer = weight[..., None] * scaled
        core = jnp.eye(2) + jnp.swapaxes(scaled, 1, 2) @ outer
        determinant = core[:, 0, 0] * core[:, 1, 1] - core[:, 0, 1] ** 2
        turned = jnp.array([[0.0, 1.0], [-1.0, 0.0]])
        adjugate = turned @ core @ turned.T
        shared = outer @ adjugate @ jnp.swapaxes(outer, 1, 2) / determinant[:, None, None]
        precision = weight[..., None] * jnp.eye(weight.shape[1]) - shared
        log_det = jnp.sum(mask * jnp.log(own), axis=1) + jnp.log(determinant)
    own_residual = residual[rows] * mask
    weighted = jnp.einsum("eij,ej->ei", precision, own_residual)
    return _Block(mask, rows, own_residual, precision, weighted, design, variance, log_det)


def _within_event(
    motion: GroundMotion, data: MotionData, rows: Array, design: Array, sd: Array, own: Array
) -> Array:
    """Covariance of the record terms of each event; `own` is on the diagonal."""
    place = jnp.asarray(data.place_km)[rows]
    squared = jnp.sum((place[:, :, None] - place[:, None]) ** 2, axis=-1)
    known = sd * jnp.asarray(data.has_place)[rows]
    correlation = field_correlation(motion, jnp.sqrt(squared), design, design)
    covariance = correlation * known[:, :, None] * known[:, None]
    diagonal = jnp.eye(rows.shape[1], dtype=covariance.dtype)
    return jnp.where(diagonal > 0, own[:, None] * diagonal, covariance)


def _system(motion: GroundMotion, data: MotionData) -> _System:
    residual = residuals(motion, data)
    blocks = tuple(_block(motion, data, residual, jnp.asarray(rows)) for rows in data.blocks)
    variance = motion.station_sd**2 + data.station_unknown * site_variance(motion)
    precision, total = jnp.diag(1 / variance), jnp.zeros_like(variance)
    if data.stations:
        for block in blocks:
            station = jnp.asarray(data.station)[block.rows]
            precision = precision.at[station[:, :, None], station[:, None, :]].add(block.precision)
            total = total.at[station].add(block.weighted)
    return _System(blocks, variance, precision, total)


def log_likelihood(motion: GroundMotion, data: MotionData) -> Float[Array, ""]:
    r"""Log density of all records, marginalised over event and station effects in closed form.

    The records of an event have the covariance

    $$ V_e = C_e + X_e D_e X_e^\top, \qquad D_e = \mathrm{diag}(\tau^2, \tau_g^2), $$

    with the correlated record terms $C_e$ and the rows $(1, -x)$ of $X_e$; all together, with the
    incidence matrix $Z$ of records in stations and the variances $D_S$ of their terms,

    $$ y \sim \mathcal N(\mu,\; V + Z D_S Z^\top), \qquad A = D_S^{-1} + Z^\top V^{-1} Z. $$

    The block-diagonal $V$ is inverted event by event. By the matrix determinant lemma and the
    Woodbury identity, determinant and quadratic form of the rest need a Cholesky factor of $A$
    only. The work grows as the cubes of the number of stations and, where records have
    coordinates, of that of the records in an event. An unknown Vs30 enters linearly and adds
    $(v s_V)^2$ to the variance of its station's term. The known Vs30 are draws from the
    population, and their density is part of the likelihood.

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
    quadratic = sum(jnp.sum(block.weighted * block.residual) for block in system.blocks)
    log_det = sum(jnp.sum(block.log_det) for block in system.blocks)
    if data.stations:
        inverse, own = _inverse_and_log_determinant(system.stations[None])
        quadratic = quadratic - system.station_sum @ inverse[0] @ system.station_sum
        log_det = log_det + own[0]
        log_det = log_det + jnp.sum(jnp.log(system.station_variance))
    density = -0.5 * (quadratic + log_det) - HALF_LOG_2PI * jnp.sum(data.weight)
    z = (data.population - motion.vs30_log10_mean) / motion.vs30_log10_sd
    sites = -0.5 * z**2 - jnp.log(motion.vs30_log10_sd) - HALF_LOG_2PI
    return density + jnp.sum(data.population_weight * sites)


def random_effects(motion: GroundMotion, data: MotionData) -> RandomEffects:
    """Posterior of the event and station effects given the parameters and all records.

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
    inverse, station_mean = _station_terms(system, data)
    events = len(data.magnitude_sd)
    prior = effect_variance(motion)
    mean = jnp.zeros((events, 2), prior.dtype)
    variance = jnp.broadcast_to(prior, (events, 2))
    for block in system.blocks:
        seen = block.design * block.variance[:, None]  # covariance of records and effects
        left = block.weighted
        gain = block.precision @ seen
        own = block.variance - jnp.sum(seen * gain, axis=1)
        if data.stations:
            station = jnp.asarray(data.station)[block.rows]
            left = left - jnp.einsum("eij,ej->ei", block.precision, station_mean[station])
            between = inverse[station[:, :, None], station[:, None, :]]
            own = own + jnp.einsum("eik,eij,ejk->ek", gain, between, gain)
        # Rows of padding are dropped: their number is beyond the last event.
        number = jnp.asarray(data.event)[block.rows[:, 0]]
        number = jnp.where(block.mask[:, 0] > 0, number, events)
        mean = mean.at[number].set(jnp.einsum("eik,ei->ek", seen, left), mode="drop")
        variance = variance.at[number].set(own, mode="drop")
    sd = jnp.sqrt(jnp.maximum(variance, 0.0))
    station_sd = jnp.sqrt(jnp.diagonal(inverse))
    return RandomEffects(mean[:, 0], sd[:, 0], mean[:, 1], sd[:, 1], station_mean, station_sd)


def _station_terms(system: _System, data: MotionData) -> tuple[Array, Array]:
    """Covariance and means of the station terms given all records."""
    if not data.stations:
        return jnp.zeros((0, 0)), jnp.zeros(0)
    inverse = _inverse_and_log_determinant(system.stations[None])[0][0]
    return inverse, inverse @ system.station_sum


def pointwise_log_likelihood(motion: GroundMotion, data: MotionData) -> Float[Array, " records"]:
    r"""Log density of each record given all the others, with all effects marginalised over.

    Records of one event or station are not independent given the parameters, so the likelihood
    has no factors. With the residuals $r$, the means $m$ and the covariance $A^{-1}$ of the station
    terms given all records (see `log_likelihood`), the precision matrix of the records,
    $V^{-1} - V^{-1} Z A^{-1} Z^\top V^{-1}$ with the diagonal $c$, gives

    $$ y_i \mid y_{-i} \sim \mathcal N\!\left(y_i - g_i / c_i,\; 1 / c_i\right), \qquad
       g = V^{-1} (r - Z m). $$

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
    inverse, station_mean = _station_terms(system, data)
    density = jnp.zeros_like(data.log10_pga)
    for block in system.blocks:
        weighted = block.weighted
        precision = jnp.diagonal(block.precision, axis1=1, axis2=2)
        if data.stations:
            station = jnp.asarray(data.station)[block.rows]
            weighted = weighted - jnp.einsum("eij,ej->ei", block.precision, station_mean[station])
            between = inverse[station[:, :, None], station[:, None, :]]
            shared = block.precision @ between
            precision = precision - jnp.sum(shared * block.precision, axis=2)
        # A record that alone determines its terms leaves next to no precision: keep it positive.
        precision = jnp.maximum(precision, jnp.finfo(precision.dtype).tiny)
        each = 0.5 * jnp.log(precision) - 0.5 * weighted**2 / precision - HALF_LOG_2PI
        density = density.at[block.rows].add(jnp.where(block.mask > 0, each, 0.0))
    return density
