"""Log densities on the cells of a travel-time grid; compiled through `inference.grid`."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from jaxtyping import Array

from eqstat.inference import Laplace
from eqstat.traveltime import _start
from eqstat.traveltime._data import TriggerData
from eqstat.traveltime._grids._nuisance import (
    conditional,
    scale_nodes,
    standard_nodes,
)
from eqstat.traveltime._likelihood import log_likelihood
from eqstat.traveltime._model import arrival_bounds, mean_travel_time
from eqstat.traveltime._parameters import (
    Prior,
    from_coordinates,
    parameters_of,
    to_coordinates,
)

# Depth axis: equal steps of log(1 + depth / 5 km), fine near the surface.
DEPTH_SCALE_KM = 5.0
SPACE = ("east_km", "north_km", "depth_km")
AXES = (*SPACE, "arrival_s")
# Conditional means of the nuisance are followed this many standard deviations, not farther.
FOLLOW = 4.0


class Bundle(eqx.Module):
    """What the densities need: data, priors, axes, and the nodes of the nuisance.

    The nuisance is a vector c with conditional mean `mean + slopes @ (x - origin)` at a cell
    x, clipped to `reach`, and nodes `root @ nodes[j]` about it.
    """

    data: TriggerData
    prior: Prior
    centre_km: Array | np.ndarray
    scale_km: Array | np.ndarray
    nodes: Array | np.ndarray
    log_weights: Array | np.ndarray
    mean: Array | np.ndarray
    slopes: Array | np.ndarray
    root: Array | np.ndarray
    reach: Array | np.ndarray
    origin: Array | np.ndarray


def place(x: Array, y: Array, bundle: Bundle) -> tuple[Array, Array, Array]:
    """Epicentre of stretched coordinates and the log Jacobian: fine at the mode, coarse far."""
    scale, centre = bundle.scale_km, bundle.centre_km
    east = centre[0] + scale[0] * jnp.sinh(x)
    north = centre[1] + scale[1] * jnp.sinh(y)
    return east, north, jnp.log(scale[0] * jnp.cosh(x)) + jnp.log(scale[1] * jnp.cosh(y))


def depth_of(stretched: Array) -> Array:
    """Depth of the stretched coordinate, km."""
    return DEPTH_SCALE_KM * jnp.expm1(stretched)


def stretch_depth(depth_km: float) -> float:
    """The coordinate of the depth axis."""
    return float(np.log1p(depth_km / DEPTH_SCALE_KM))


def _log_prior(east: Array, north: Array, stretched: Array, bundle: Bundle) -> Array:
    """Log prior of a cell, with the Jacobian of the depth axis and the arrival's range."""
    prior = bundle.prior
    low, high = arrival_bounds(bundle.data, prior)
    return (
        prior.log_epicentre(east, north)
        + prior.depth.log_prob(jnp.maximum(depth_of(stretched), 1e-3))
        + jnp.log(DEPTH_SCALE_KM)
        + stretched
        - jnp.log(high - low)
    )


def profiled(x: Array, y: Array, stretched: Array, bundle: Bundle) -> Array:
    """Gaussian likelihood with the origin time integrated in closed form, for each scatter."""
    data = bundle.data
    east, north, log_area = place(x, y, bundle)
    node = jnp.stack([east, north, depth_of(stretched)])
    residual = data.time_s - _start.wave_travel_times(node, data)
    sd = jnp.exp(bundle.nodes)
    weight = jnp.where(data.mask, 1 / (sd**2 + data.time_sd_s**2), 0.0)
    total = jnp.sum(weight, axis=1)
    # Residuals about their plain mean first, so that float32 keeps the squares.
    count = jnp.sum(data.mask)
    residual = residual - jnp.sum(jnp.where(data.mask, residual, 0.0)) / count
    mean = weight @ residual / total
    squares = weight @ residual**2 - total * mean**2
    log_weight = jnp.sum(jnp.where(data.mask, jnp.log(jnp.where(data.mask, weight, 1.0)), 0.0), 1)
    log_norm = 0.5 * (log_weight - jnp.log(total) - (count - 1) * jnp.log(2 * jnp.pi))
    prior = log_area + _log_prior(east, north, stretched, bundle)
    return prior + log_norm - 0.5 * squares + bundle.log_weights


def nuisance_at(cell: Array, bundle: Bundle) -> Array:
    """Nuisance vectors of all nodes at a cell (x, y, stretched depth, arrival), (nodes, m)."""
    shift = bundle.slopes @ (cell - bundle.origin)
    shift = bundle.reach * jnp.tanh(shift / bundle.reach)
    return jnp.asarray(bundle.mean + shift + bundle.nodes @ bundle.root.T)


def full(x: Array, y: Array, stretched: Array, arrival: Array, bundle: Bundle) -> Array:
    """Gaussian likelihood at a hypocentre and mean arrival, for each node of the nuisance."""
    data, prior = bundle.data, bundle.prior
    east, north, log_area = place(x, y, bundle)
    depth = depth_of(stretched)
    travel = mean_travel_time(data, east, north, depth)

    def at(row: Array) -> Array:
        values, log_density = from_coordinates(row, "gaussian", data.has_silent, prior)
        sites = {
            "east_km": east,
            "north_km": north,
            "depth_km": depth,
            "origin_time_s": arrival - travel,
            **values,
        }
        return log_likelihood(parameters_of(sites), data) + log_density

    rows = nuisance_at(jnp.stack([x, y, stretched, arrival]), bundle)
    prior_here = log_area + _log_prior(east, north, stretched, bundle)
    return prior_here + jax.vmap(at)(rows) + bundle.log_weights


@jax.jit
def _log_prior_of_scale(prior: dist.Distribution, log_sd: Array) -> Array:
    """Log density of the logarithm of a standard deviation."""
    return jnp.asarray(prior.log_prob(jnp.exp(log_sd))) + log_sd


def gaussian_bundle(
    data: TriggerData, prior: Prior, mode: Laplace, centre: np.ndarray, scale: np.ndarray
) -> Bundle:
    """Bundle of `profiled`: nodes are log standard deviations, one row each."""
    sd_s = float(mode.sites["sd_s"])
    slope = np.asarray(mode.jacobian["sd_s"], np.float64) / sd_s
    variance = float(slope @ mode.bounded_covariance @ slope)
    rows, log_weights = scale_nodes(float(np.log(sd_s)), float(np.sqrt(variance)))
    log_prior = _log_prior_of_scale(prior.sd_s, jnp.asarray(rows))
    nothing = np.zeros(0)
    return Bundle(
        data,
        prior,
        centre,
        scale,
        rows[:, None],
        np.asarray(log_prior) + log_weights,
        nothing,
        nothing,
        nothing,
        nothing,
        nothing,
    )


def full_bundle(
    data: TriggerData, prior: Prior, mode: Laplace, centre: np.ndarray, scale: np.ndarray
) -> Bundle:
    """Bundle of `full`: a design about the conditional mean of the joint normal at the mode."""
    sites = {key: jnp.asarray(value) for key, value in mode.sites.items()}
    mean = to_coordinates(sites, "gaussian", prior)
    slopes = jax.jacfwd(lambda values: to_coordinates(values, "gaussian", prior))(sites)
    size = len(mode.optimum.value)
    by_free = {k: np.asarray(v, np.float64).reshape(-1, size) for k, v in mode.jacobian.items()}
    nuisance = sum(
        np.asarray(slope, np.float64).reshape(len(mean), -1) @ by_free[key]
        for key, slope in slopes.items()
    )
    depth = float(mode.sites["depth_km"])
    rows = [
        by_free["east_km"] / scale[0],
        by_free["north_km"] / scale[1],
        by_free["depth_km"] / (depth + DEPTH_SCALE_KM),
        by_free["arrival_s"],
    ]
    jacobian = np.concatenate([*rows, nuisance])
    joint = jacobian @ mode.bounded_covariance @ jacobian.T
    by_place, root, spread = conditional(joint, len(AXES))
    nodes, log_weights = standard_nodes(len(mean))
    volume = float(np.sum(np.log(np.diagonal(root))))
    origin = np.array([0.0, 0.0, stretch_depth(depth), float(mode.sites["arrival_s"])])
    return Bundle(
        data,
        prior,
        centre,
        scale,
        nodes,
        log_weights + volume,
        np.asarray(mean, np.float64),
        by_place,
        root,
        FOLLOW * spread,
        origin,
    )


def single(bundle: Bundle) -> Bundle:
    """The bundle in float32, in which grids are evaluated."""
    return jax.tree.map(
        lambda leaf: (
            jnp.asarray(leaf, jnp.float32)
            if jnp.issubdtype(jnp.result_type(leaf), jnp.floating)
            else jnp.asarray(leaf)
        ),
        bundle,
    )
