"""Search for the mode of a NumPyro model in its unconstrained space."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, PyTree
from numpyro.infer.util import constrain_fn, potential_energy, unconstrain_fn

from eqstat.inference._optimise import Optimum, minimise

Model = Callable[..., Any]
Sites = dict[str, Array]
# `adjustment(sites, args)`: what is added to the negative log posterior density.
Adjustment = Callable[[Sites, Any], Array]

# Step of the central differences of the sites, in the unconstrained space.
STEP = 1e-5


class Mode(NamedTuple):
    """A mode: the optimum, its unconstrained values, its sites and their derivatives."""

    optimum: Optimum
    free: Sites
    sites: Sites
    jacobian: Sites


@partial(jax.jit, static_argnames=("model", "adjustment", "max_steps", "stages", "batch"))
def find_mode(
    model: Model,
    args: tuple,
    site_args: tuple,
    starts: Sites,
    scale: Sites | None,
    adjustment: Adjustment | None,
    adjustment_args: PyTree,
    *,
    max_steps: int,
    stages: int,
    batch: int | None,
) -> Mode:
    """Minimise the negative log posterior density; one program for each model and shape."""

    def unconstrain(values: Sites) -> Sites:
        return unconstrain_fn(model, site_args, {}, values)

    rows = jax.vmap(lambda values: ravel_pytree(unconstrain(values))[0])(starts)
    unravel = ravel_pytree(unconstrain(jax.tree.map(lambda leaf: leaf[0], starts)))[1]
    # With a scale the search runs in units of it and from zero.
    size = jnp.ones_like(rows[0]) if scale is None else ravel_pytree(scale)[0]
    origin = jnp.zeros_like(rows[0]) if scale is None else rows[0]

    def energy(vector: Array, inner: tuple) -> Array:
        values, own = unravel(vector), inner[0]
        out = jnp.asarray(potential_energy(model, own, {}, values))
        if adjustment is not None:
            sites = constrain_fn(model, site_args, {}, values)
            out = out + adjustment(sites, inner[1])
        return out

    # A sum over millions of windows has lost the digits in which neighbouring points differ:
    # the search sees what is left above the start.
    offset = jnp.zeros(()) if scale is None else energy(rows[0], (args, adjustment_args))
    optimum = minimise(
        lambda z, inner: energy(origin + size * z, inner) - offset,
        (rows - origin) / size,
        (args, adjustment_args),
        max_steps=max_steps,
        stages=stages,
        batch=batch,
    )
    optimum = optimum._replace(
        value=origin + size * optimum.value,
        objective=optimum.objective + offset,
        gradient=optimum.gradient / size,
        hessian=optimum.hessian / jnp.outer(size, size),
    )

    def sites_at(vector: Array) -> Sites:
        return constrain_fn(model, site_args, {}, unravel(vector), return_deterministic=True)

    # Central differences: the derivatives of a model's deterministic sites take seconds to
    # compile, and are needed once.
    steps = STEP * jnp.eye(len(size), dtype=rows.dtype)
    ahead, behind = (jax.vmap(sites_at)(optimum.value + sign * steps) for sign in (1, -1))
    jacobian = jax.tree.map(lambda a, b: jnp.moveaxis((a - b) / (2 * STEP), 0, -1), ahead, behind)
    return Mode(optimum, unravel(optimum.value), sites_at(optimum.value), jacobian)
