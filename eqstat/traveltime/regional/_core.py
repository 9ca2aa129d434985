"""Densities of the regional error model: pure JAX, float64 is advised."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import gammaln, logsumexp
from jaxtyping import Array, Bool, Float

from eqstat._core.constants import EARTH_RADIUS_KM
from eqstat.traveltime.regional._parameters import RegionalError
from eqstat.traveltime.regional._spd import inverse_and_log_determinant
from eqstat.velocity import hypocentral_km, surface_point

# Distance at which the near part of the coherent error ends and the far part starts.
NEAR_KM = 150.0
# The mantle's delay sets in about the crossover of the two branches.
DELAY_FROM_KM, DELAY_WIDTH_KM = 200.0, 20.0
# Density of the time of a pick that has nothing to do with the event, 1/s.
OUTLIER_DENSITY = 0.01
# Standard deviation of the origin time about the median of the picks: flat in effect.
ORIGIN_SD_S = 100.0
# Scatter of the first iterations is widened, so that no pick is given up too early.
WIDENING = (4.0, 2.0, 1.0, 1.0, 1.0)
DIFFERENTIATED = 2
AZIMUTHAL_ORDERS = 3
BRANCHES = 4  # crust P, mantle P, crust S, mantle S


class Picks(NamedTuple):
    """Picks of one event, padded; `time_s` from any reference."""

    position_km: Float[Array, "n 3"] | np.ndarray
    elevation_km: Float[Array, " n"] | np.ndarray
    time_s: Float[Array, " n"] | np.ndarray
    is_p: Bool[Array, " n"] | np.ndarray
    mask: Bool[Array, " n"] | np.ndarray


class Moveout(NamedTuple):
    """Distances, directions and branches of the picks for an epicentre and a depth."""

    east: Float[Array, " n"]
    north: Float[Array, " n"]
    distance_km: Float[Array, " n"]
    time_s: Float[Array, "n 4"]
    log_weight: Float[Array, "n 4"]
    scatter_s: Float[Array, "n 4"]


def moveout(error: RegionalError, east: Array, north: Array, depth: Array, picks: Picks) -> Moveout:
    """Travel time, log prior weight and scatter of the four branches; directions to stations."""
    x, y, z = surface_point(east, north)
    dx, dy, dz = (jnp.asarray(picks.position_km)[:, i] - part for i, part in enumerate((x, y, z)))
    chord2 = dx**2 + dy**2 + dz**2 + 1e-4
    distance = 2 * EARTH_RADIUS_KM * jnp.arcsin(jnp.sqrt(chord2) / (2 * EARTH_RADIUS_KM))
    flat = jnp.sqrt(dx**2 + dy**2 + 1e-4)
    elevation = jnp.asarray(picks.elevation_km)
    straight = hypocentral_km(chord2, depth, elevation)
    thickness = 2 * error.moho_depth_km - depth + elevation
    times, shares, scatters = [], [], []
    for wave in ("p", "s"):
        part = {
            name: getattr(error, name.format(wave))
            for name in (
                "crust_{}_velocity_km_s",
                "mantle_{}_velocity_km_s",
                "{}_mantle_share",
                "{}_crossover_km",
                "{}_crossover_width_km",
                "crust_{}_scatter_s",
                "mantle_{}_scatter_s",
                "{}_scatter_growth_per_100km",
            )
        }
        crust, mantle, share, where, width, crust_sd, mantle_sd, growth = part.values()
        delay = thickness * jnp.sqrt(1 / jnp.square(crust) - 1 / jnp.square(mantle))
        times += [straight / crust, distance / mantle + delay]
        fast = jnp.clip(share * jax.nn.sigmoid((distance - where) / width), 1e-12, 1 - 1e-12)
        shares += [jnp.log1p(-fast), jnp.log(fast)]
        grown = 1 + growth * distance / 100
        scatters += [crust_sd * grown, mantle_sd * grown]
    branch_is_p = np.array([True, True, False, False])
    agrees = picks.is_p[:, None] == branch_is_p
    wrong = jnp.asarray(error.wrong_phase_probability)
    label = jnp.where(agrees, jnp.log1p(-wrong), jnp.log(wrong))
    weight = jnp.stack(shares, -1) + label + jnp.log1p(-jnp.asarray(error.outlier_probability))
    return Moveout(
        dx / flat, dy / flat, distance, jnp.stack(times, -1), weight, jnp.stack(scatters, -1)
    )


def effects(
    error: RegionalError, move: Moveout, picks: Picks, scale: Array | float = 1.0
) -> Float[Array, "n k"]:
    """Design matrix of the shared errors, s for a unit-normal effect.

    The first column is the origin time; `scale` multiplies all others but the second, the delay
    of S.
    """
    distance = move.distance_km
    near = jnp.minimum(distance, NEAR_KM) / 100
    far = jnp.maximum(distance - NEAR_KM, 0.0) / 100
    late = jax.nn.sigmoid((distance - DELAY_FROM_KM) / DELAY_WIDTH_KM)
    even = [
        error.near_slowness_sd_s_100km * near,
        error.far_slowness_sd_s_100km * far,
        error.mantle_delay_sd_s * late,
    ]
    uneven = []
    rough = jnp.asarray(error.azimuthal_roughness)
    size = jnp.sqrt((1 - rough) / (1 - rough**AZIMUTHAL_ORDERS))
    cosine, sine = move.north, move.east
    for _ in range(AZIMUTHAL_ORDERS):
        for part in (cosine, sine):
            uneven.append(error.near_azimuthal_sd_s_100km * near * size * part)
            uneven.append(error.far_azimuthal_sd_s_100km * far * size * part)
        size = size * jnp.sqrt(rough)
        cosine, sine = (
            cosine * move.north - sine * move.east,
            sine * move.north + cosine * move.east,
        )
    is_p = picks.is_p
    common = jnp.asarray(error.p_s_correlation)
    ratio = jnp.where(is_p, 1.0, error.s_error_ratio) * scale
    own = jnp.where(is_p, 0.0, jnp.sqrt(1 - common**2))
    columns = [jnp.full_like(distance, ORIGIN_SD_S), jnp.where(is_p, 0.0, error.s_delay_sd_s)]
    columns += [ratio * jnp.where(is_p, 1.0, common) * part for part in even]
    columns += [ratio * own * part for part in even]
    columns += [ratio * part for part in uneven]
    return jnp.stack(columns, axis=-1)


def pick_log_density(
    error: RegionalError, residual_s: Array, scatter_s: Array, log_weight: Array
) -> tuple[Float[Array, " n"], Float[Array, "n 4"]]:
    """Log density of each pick, and its probability of each branch (the rest is outlier)."""
    nu = jnp.asarray(error.student_degrees_of_freedom)
    norm = gammaln((nu + 1) / 2) - gammaln(nu / 2) - 0.5 * jnp.log(nu * jnp.pi)
    ratio2 = (residual_s / scatter_s) ** 2
    student = norm - jnp.log(scatter_s) - (nu + 1) / 2 * jnp.log1p(ratio2 / nu)
    outlier = jnp.log(jnp.asarray(error.outlier_probability) * OUTLIER_DENSITY)
    parts = jnp.concatenate([log_weight + student, jnp.full((len(residual_s), 1), outlier)], axis=1)
    total = logsumexp(parts, axis=1)
    return total, jnp.exp(parts[:, :BRANCHES] - total[:, None])


class Shared(NamedTuple):
    """Laplace approximation of the origin time and the shared errors of an event.

    Attributes
    ----------
    log_evidence
        Log density of the picks with these marginalised over.
    shared_s
        Origin time and shared error of each pick at the mode, s.
    origin_s, origin_sd_s
        Mode of the origin time, and its standard deviation with the shared errors marginalised
        over, s.
    branch
        Probability of each branch of each pick at the mode; the remainder is that of an outlier.
    """

    log_evidence: Float[Array, ""]
    shared_s: Float[Array, " n"]
    origin_s: Float[Array, ""]
    origin_sd_s: Float[Array, ""]
    branch: Float[Array, "n 4"]


def laplace(
    error: RegionalError,
    observed_s: Float[Array, "n 4"],
    move: Moveout,
    design: Float[Array, "n k"],
    picks: Picks,
) -> Shared:
    """Integrate the origin time and the shared errors about their mode.

    `observed_s` is the time after the travel time of each branch.
    """
    mask = picks.mask
    later = move.log_weight[:, 1::2] > move.log_weight[:, ::2]
    usual = jnp.where(later, observed_s[:, 1::2], observed_s[:, ::2])
    likely = jnp.where(picks.is_p, usual[:, 0], usual[:, 1])
    middle = jax.lax.stop_gradient(jnp.nanmedian(jnp.where(mask, likely, jnp.nan)))
    observed = observed_s - middle
    unit = jnp.eye(design.shape[1], dtype=observed.dtype)

    def weights(effect: Array, widening: Array | float) -> tuple[Array, Array]:
        scatter = move.scatter_s * widening
        residual = observed - (design @ effect)[:, None]
        log_density, branch = pick_log_density(error, residual, scatter, move.log_weight)
        nu = error.student_degrees_of_freedom
        weight = branch * (nu + 1) / (nu + (residual / scatter) ** 2) / scatter**2
        return log_density, weight * mask[:, None]

    def invert(weight: Array) -> tuple[Array, Array]:
        return inverse_and_log_determinant(unit + (design.T * weight.sum(1)) @ design)

    def step(effect: Array, widening: Array) -> tuple[Array, None]:
        _, weight = weights(effect, widening)
        inverse, _ = invert(weight)
        return inverse @ (design.T @ (weight * observed).sum(1)), None

    zero = jnp.zeros_like(design[0])
    schedule = jnp.asarray(WIDENING, observed.dtype)
    # Gradients go through the last steps only: at the mode the earlier ones do not matter.
    early, _ = jax.lax.scan(step, zero, schedule[:-DIFFERENTIATED])
    early = jax.lax.stop_gradient(early)
    effect, _ = jax.lax.scan(step, early, schedule[-DIFFERENTIATED:])
    log_density, weight = weights(effect, 1.0)
    # EM weights average 1 / scatter^2, the information of a Student error is less (Lange, Little
    # and Taylor, 1989): without this, light tails would be preferred.
    nu = jnp.asarray(error.student_degrees_of_freedom)
    inverse, log_determinant = invert(weight * (nu + 1) / (nu + 3))
    evidence = jnp.sum(jnp.where(mask, log_density, 0.0))
    shared = design @ effect + middle
    _, branch = pick_log_density(
        error, observed_s - shared[:, None], move.scatter_s, move.log_weight
    )
    return Shared(
        evidence - 0.5 * (effect @ effect + log_determinant),
        shared,
        middle + ORIGIN_SD_S * effect[0],
        ORIGIN_SD_S * jnp.sqrt(inverse[0, 0]),
        branch,
    )


def _by_quality(
    error: RegionalError, move: Moveout, picks: Picks, extra: Float[Array, "n m"] | None = None
) -> tuple[Float[Array, " 2"], Shared]:
    """Log weights of an ordinary and a poor event, and the Laplace approximation of each."""
    observed = jnp.asarray(picks.time_s)[:, None] - move.time_s
    scales = jnp.stack([jnp.ones(()), 1 + jnp.asarray(error.poor_event_excess)])

    def one(scale: Array) -> Shared:
        design = effects(error, move, picks, scale)
        design = design if extra is None else jnp.concatenate([design, extra], axis=1)
        noisy = move._replace(scatter_s=move.scatter_s * jnp.sqrt(scale))
        return laplace(error, observed, noisy, design, picks)

    parts = jax.vmap(one)(scales.astype(observed.dtype))
    share = jnp.asarray(error.poor_event_probability)
    return parts.log_evidence + jnp.stack([jnp.log1p(-share), jnp.log(share)]), parts


def log_evidence(
    error: RegionalError,
    move: Moveout,
    picks: Picks,
    extra: Float[Array, "n m"] | None = None,
) -> Float[Array, ""]:
    """Log density of the picks at an epicentre and depth, summed over ordinary and poor events.

    `extra` are more columns of effects: when the model is estimated, the catalogue's error.
    """
    return logsumexp(_by_quality(error, move, picks, extra)[0])


class Target(NamedTuple):
    """Arguments of the density of a location: model, picks, prior of the log depth."""

    error: RegionalError
    picks: Picks
    log_depth_mean: Array
    log_depth_sd: Array


def log_posterior(east: Array, north: Array, log_depth: Array, target: Target) -> Float[Array, ""]:
    """Log density of the place and log depth, uniform prior of the epicentre."""
    move = moveout(target.error, east, north, jnp.exp(log_depth), target.picks)
    ratio = (log_depth - target.log_depth_mean) / target.log_depth_sd
    value = log_evidence(target.error, move, target.picks) - 0.5 * ratio**2
    return jnp.where(jnp.isfinite(value), value, -1e30)


def origin_time(east: Array, north: Array, log_depth: Array, target: Target) -> Float[Array, " 2"]:
    r"""Mean and standard deviation of the origin time given the hypocentre, s.

    Ordinary and poor events are two normals $N(m_k, s_k^2)$ with posterior weights $w_k$; the
    moments are those of their mixture, $m = \sum w_k m_k$ and
    $s^2 = \sum w_k (s_k^2 + m_k^2) - m^2$.
    """
    move = moveout(target.error, east, north, jnp.exp(log_depth), target.picks)
    log_weight, parts = _by_quality(target.error, move, target.picks)
    weight = jax.nn.softmax(log_weight)
    mean = weight @ parts.origin_s
    variance = weight @ (parts.origin_sd_s**2 + (parts.origin_s - mean) ** 2)
    return jnp.stack([mean, jnp.sqrt(variance)])


@jax.jit
def explain(
    east: Array, north: Array, log_depth: Array, target: Target
) -> tuple[Float[Array, "n 4"], Float[Array, "n 4"]]:
    """Probabilities and travel times (s) of the branches of each pick at a hypocentre."""
    move = moveout(target.error, east, north, jnp.exp(log_depth), target.picks)
    log_weight, parts = _by_quality(target.error, move, target.picks)
    return jnp.tensordot(jax.nn.softmax(log_weight), parts.branch, 1), move.time_s
