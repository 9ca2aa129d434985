"""Coordinates in which the ridge of a travel-time posterior is straight, for the sampler.

Seen from a small network, a hypocentre's direction is well known and its range is not: the
posterior is a long ray. Logarithmic range beyond the network's aperture makes it short.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array
from numpyro.distributions.constraints import positive
from numpyro.distributions.transforms import biject_to

from eqstat.inference import Warp
from eqstat.traveltime._data import TriggerData
from eqstat.traveltime._parameters import Prior

Values = dict[str, Array]


def _aperture(data: TriggerData) -> Array:
    """Root mean square distance of the devices from the centre, at least 5 km."""
    squares = jnp.sum(data.position_km**2, axis=-1)
    mean = jnp.sum(jnp.where(data.mask, squares, 0.0)) / jnp.maximum(jnp.sum(data.mask), 1)
    return jnp.maximum(jnp.sqrt(mean), 5.0)


def _bounded(depth: Array, deepest: Array | float | None) -> tuple[Array, Array]:
    """Depth squashed below the prior's bound, and the log derivative."""
    if deepest is None:
        return depth, jnp.zeros_like(depth)
    angle = depth / deepest
    # log sech^2 without overflow
    log_slope = 2 * (jnp.log(2.0) - angle - jnp.log1p(jnp.exp(-2 * angle)))
    return deepest * jnp.minimum(jnp.tanh(angle), 1 - 1e-9), log_slope


def _forward(values: Values, args: tuple[TriggerData, Prior]) -> tuple[Values, Array]:
    r"""Ray coordinates to the model's unconstrained space, and the log determinant.

    With $u = (u_1, u_2, \operatorname{softplus}(w))$ and $r = |u|$, the hypocentre is
    $s \sinh(r)\, u / r$: linear within the aperture $s$, logarithmic in range beyond it.
    """
    data, prior = args
    scale = _aperture(data)
    east, north, raw = values["east_km"], values["north_km"], values["depth_km"]
    down = jax.nn.softplus(raw)
    radius = jnp.sqrt(east**2 + north**2 + down**2 + 1e-12)
    stretch = scale * jnp.sinh(radius) / radius
    depth, log_slope = _bounded(jnp.maximum(stretch * down, 1e-9), prior.deepest_km)
    log_det = 2 * jnp.log(stretch) + jnp.log(scale * jnp.cosh(radius)) + jax.nn.log_sigmoid(raw)
    # A uniform box is logistic in the unconstrained space: half its coordinate is the tangent.
    half = 2 / jnp.asarray(prior.region_km)
    transform = biject_to(prior.depth.support)
    free_depth = transform.inv(depth)
    log_det = (
        log_det + log_slope + 2 * jnp.log(half) - transform.log_abs_det_jacobian(free_depth, depth)
    )
    moved = {
        "east_km": half * stretch * east,
        "north_km": half * stretch * north,
        "depth_km": free_depth,
    }
    return {**values, **moved}, log_det


def _inverse(values: Values, args: tuple[TriggerData, Prior]) -> Values:
    """The model's unconstrained space to ray coordinates."""
    data, prior = args
    half = 2 / jnp.asarray(prior.region_km)
    depth = biject_to(prior.depth.support)(values["depth_km"])
    deepest = prior.deepest_km
    if deepest is not None:
        depth = deepest * jnp.arctanh(jnp.minimum(depth / deepest, 1 - 1e-9))
    place = jnp.stack([values["east_km"] / half, values["north_km"] / half, depth])
    length = jnp.sqrt(jnp.sum(place**2))
    along = place * (jnp.arcsinh(length / _aperture(data)) / length)
    down = jnp.maximum(along[2], 1e-9)
    return {
        **values,
        "east_km": along[0],
        "north_km": along[1],
        "depth_km": down + jnp.log(-jnp.expm1(-down)),
    }


RAYS = Warp(_forward, _inverse)


def warp_for(prior: Prior) -> Warp | None:
    """Rays where the depth prior starts at the surface; else the model's own space."""
    support = prior.depth.support
    lowest = getattr(support, "lower_bound", None)
    starts_at_surface = support is positive or (lowest is not None and float(lowest) == 0.0)
    return RAYS if starts_at_surface else None
