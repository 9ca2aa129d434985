"""Learn the regional error model from events whose epicentre is known about."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy.optimize import minimize

from eqstat.traveltime.regional._core import Picks, log_evidence, moveout
from eqstat.traveltime.regional._parameters import CENTRES, WIDTHS, RegionalError

# Nodes of the integral over depth (Gauss-Hermite in the log depth).
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(3)


class Known(NamedTuple):
    """Events of one size, padded: picks in frames about the catalogue epicentres.

    The weight is 1 for an event, 0 for a copy that fills a size bucket of events.
    """

    picks: Picks
    catalogue_sd_km: Array | np.ndarray
    log_depth_mean: Array | np.ndarray
    log_depth_sd: Array | np.ndarray
    weight: Array | np.ndarray


def event_log_evidence(error: RegionalError, known: Known) -> Float[Array, ""]:
    """Log density of one event's picks, epicentre about the catalogue's and depth integrated."""
    picks = known.picks
    origin = jnp.zeros(())

    def at(log_depth: Array) -> Array:
        move = moveout(error, origin, origin, jnp.exp(log_depth), picks)
        weight, velocity = (
            move.log_weight,
            [
                error.crust_p_velocity_km_s,
                error.mantle_p_velocity_km_s,
                error.crust_s_velocity_km_s,
                error.mantle_s_velocity_km_s,
            ],
        )
        branch = jnp.where(
            picks.is_p,
            jnp.where(weight[:, 1] > weight[:, 0], 1, 0),
            jnp.where(weight[:, 3] > weight[:, 2], 3, 2),
        )
        slowness = 1 / jnp.stack([jnp.asarray(v) for v in velocity])[branch]
        # Waves leave flatter from deeper sources: the epicentre then matters less.
        level = move.distance_km / jnp.hypot(move.distance_km, jnp.exp(log_depth))
        east, north = (slowness * level * part for part in (move.east, move.north))
        place = jnp.asarray(known.catalogue_sd_km) * jnp.stack([east, north], axis=-1)
        return log_evidence(error, move, picks, place)

    nodes = jnp.asarray(known.log_depth_mean) + known.log_depth_sd * jnp.asarray(_NODES)
    values = jax.vmap(at)(nodes)
    return jax.scipy.special.logsumexp(values + jnp.log(_WEIGHTS / _WEIGHTS.sum()))


@jax.jit
@jax.value_and_grad
def _loss(free: Array, known: Known) -> Array:
    error = RegionalError.from_free(free)
    each = jax.vmap(lambda one: event_log_evidence(error, one))(known)
    return -jnp.sum(known.weight * each)


class Optimum(NamedTuple):
    """Where the learning ended."""

    free: np.ndarray
    log_posterior: float
    log_evidence: float
    iterations: int
    converged: bool
    message: str


def maximise(groups: Sequence[Known], start: np.ndarray, max_iterations: int) -> Optimum:
    """Maximise the sum of the events' log evidence and the weak log priors by L-BFGS."""

    def loss(scaled: np.ndarray) -> tuple[float, np.ndarray]:
        free = jnp.asarray(CENTRES + WIDTHS * scaled)
        value, slope = 0.5 * float(scaled @ scaled), np.array(scaled)
        for group in groups:
            part, gradient = _loss(free, group)
            value += float(part)
            slope += WIDTHS * np.asarray(gradient)
        if not (np.isfinite(value) and np.all(np.isfinite(slope))):
            return 1e10, np.zeros_like(scaled)
        return value, slope

    fit = minimize(
        loss,
        (start - CENTRES) / WIDTHS,
        jac=True,
        method="L-BFGS-B",
        bounds=[(-6.0, 6.0)] * len(start),
        options={"maxiter": max_iterations, "maxcor": 20, "ftol": 3e-7, "gtol": 1e-3},
    )
    log_prior = -0.5 * float(fit.x @ fit.x)
    return Optimum(
        CENTRES + WIDTHS * fit.x,
        -float(fit.fun),
        -float(fit.fun) - log_prior,
        int(fit.nit),
        bool(fit.success),
        str(fit.message),
    )
