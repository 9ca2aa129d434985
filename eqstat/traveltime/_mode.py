"""The posterior mode of a travel-time model, by multi-start BFGS in unconstrained space."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array

from eqstat.inference import Laplace, laplace
from eqstat.traveltime import _start
from eqstat.traveltime._data import TriggerData
from eqstat.traveltime._model import MODELS, LikelihoodName, mean_travel_time
from eqstat.traveltime._parameters import MAX_DEPTH_KM, Prior, nominal_values

STARTS = 6


def _inside(depth_km: Array, prior: Prior) -> Array:
    """Depths moved into the support of their prior, where it is narrower than the net."""
    low = prior.shallowest_km
    high = low + 2 * MAX_DEPTH_KM if prior.deepest_km is None else prior.deepest_km
    margin = 0.01 * (high - low)
    return jnp.clip(depth_km, jnp.where(low > 0, low + margin, 0.0), high - margin)


@partial(jax.jit, static_argnames=("name",))
def _starts(
    name: LikelihoodName, data: TriggerData, prior: Prior, aperture_km: Array
) -> dict[str, Array]:
    """Constrained starting points, one row each."""
    nodes = _start.nodes(aperture_km, prior.region_km)
    flat = nodes.reshape(-1, 3)
    if name == "gaussian":

        def score(node: Array) -> tuple[Array, Array]:
            residual = data.time_s - _start.wave_travel_times(node, data)
            weight = data.mask / (1.0 + data.time_sd_s**2)
            mean = jnp.sum(weight * residual) / jnp.sum(weight)
            return -0.5 * jnp.sum(weight * (residual - mean) ** 2), mean

        scores, shift = jax.vmap(score)(flat)
    else:
        scores, shift = jax.lax.map(lambda node: _start.score_mixture(node, data), flat)
    scores = scores + 0.2 * jax.vmap(prior.depth.log_prob)(flat[:, 2])
    place, depth = _start.best_places(scores.reshape(nodes.shape[:2]), STARTS)
    chosen = nodes[place, depth]
    shift = shift.reshape(nodes.shape[:2])[place, depth]
    travel = jax.vmap(lambda node: mean_travel_time(data, *node))(chosen)
    nominal = nominal_values(name, prior, data.has_silent)
    low, high = data.window_s[0] - prior.lead_s, data.window_s[1] + prior.lead_s
    inside = 0.01 * (high - low)
    return {
        "east_km": chosen[:, 0],
        "north_km": chosen[:, 1],
        "depth_km": _inside(chosen[:, 2], prior),
        "arrival_s": jnp.clip(shift + travel, low + inside, high - inside),
        **{k: jnp.broadcast_to(v, (STARTS, *jnp.shape(v))) for k, v in nominal.items()},
    }


def find_mode(
    name: LikelihoodName, data: TriggerData, prior: Prior, aperture_km: Array | float
) -> Laplace:
    """Find the posterior mode from several starts, with its Laplace approximation."""
    with jax.enable_x64(True):
        args = jax.tree.map(jnp.asarray, (data, prior))
        starts = _starts(name, *args, jnp.asarray(aperture_km))
    return laplace(MODELS[name], args, starts, max_steps=150)
