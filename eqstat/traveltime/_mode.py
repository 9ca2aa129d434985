"""The posterior mode of a travel-time model, by multi-start BFGS in unconstrained space."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array
from numpyro.infer.util import constrain_fn, potential_energy, unconstrain_fn

from eqstat.inference import InferenceError, Optimum, Result, minimise
from eqstat.traveltime import _start
from eqstat.traveltime._data import TriggerData
from eqstat.traveltime._model import MODELS, LikelihoodName, mean_travel_time
from eqstat.traveltime._parameters import MAX_DEPTH_KM, Prior, nominal_values

STARTS = 6


class Mode(NamedTuple):
    """The mode and a normal approximation about it, in the model's own sites.

    Attributes
    ----------
    optimum
        The optimum in unconstrained space; the objective is the negative log posterior.
    sites
        Every site of the model at the mode, deterministic ones included.
    jacobian
        Derivative of each scalar site (rows: columns of `site_names`) by the unconstrained
        vector.
    """

    optimum: Optimum
    sites: dict[str, Array]
    jacobian: dict[str, Array]


def _inside(depth_km: Array, prior: Prior) -> Array:
    """Depths moved into the support of their prior, where it is narrower than the net."""
    low = prior.shallowest_km
    high = low + 2 * MAX_DEPTH_KM if prior.deepest_km is None else prior.deepest_km
    margin = 0.01 * (high - low)
    return jnp.clip(depth_km, jnp.where(low > 0, low + margin, 0.0), high - margin)


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


@partial(jax.jit, static_argnames=("name",))
def find_mode(name: LikelihoodName, data: TriggerData, prior: Prior, aperture_km: Array) -> Mode:
    """Find the posterior mode in the model's unconstrained space; compiled once per shape."""
    model = MODELS[name]
    args = (data, prior)
    starts = _starts(name, data, prior, aperture_km)
    rows = jax.vmap(lambda values: ravel_pytree(unconstrain_fn(model, args, {}, values))[0])(starts)
    first = jax.tree.map(lambda leaf: leaf[0], starts)
    unravel: Callable = ravel_pytree(unconstrain_fn(model, args, {}, first))[1]
    optimum = minimise(
        lambda u, a: jnp.asarray(potential_energy(model, a, {}, unravel(u))),
        rows,
        args,
        max_steps=150,
    )

    def sites(u: Array) -> dict[str, Array]:
        return constrain_fn(model, args, {}, unravel(u), return_deterministic=True)

    # Central differences, as in `minimise`: the second derivatives of a model cost seconds.
    value, size = optimum.value, optimum.value.shape[0]
    step = 1e-5
    ahead, behind = (
        jax.vmap(sites)(value + sign * step * jnp.eye(size, dtype=value.dtype))
        for sign in (1.0, -1.0)
    )
    jacobian = jax.tree.map(lambda a, b: jnp.moveaxis((a - b) / (2 * step), 0, -1), ahead, behind)
    return Mode(optimum, sites(value), jacobian)


def unconstrained_covariance(mode: Mode) -> np.ndarray:
    """Inverse Hessian at the mode, flat or negative directions bounded."""
    hessian = np.asarray(mode.optimum.hessian, np.float64)
    if not np.all(np.isfinite(hessian)):
        raise InferenceError(Result.NOT_FINITE, "the posterior has no finite mode")
    eigenvalues, vectors = np.linalg.eigh(hessian)
    size = np.maximum(np.abs(eigenvalues), 1e-2)
    return (vectors / size) @ vectors.T
