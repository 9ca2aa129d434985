"""The mixture's posterior as draws by sequential Monte Carlo, and their density on cells.

The same triggers can often be explained as P of a far earthquake or S of a near one: two modes,
and skewed scatters. A normal approximation about one mode misses that; particles that come from
the prior by tempering do not.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, PRNGKeyArray
from scipy import ndimage

from eqstat.inference import Grid, Particles, temper
from eqstat.traveltime._data import TriggerData
from eqstat.traveltime._grids._density import DEPTH_SCALE_KM
from eqstat.traveltime._likelihood import log_likelihood
from eqstat.traveltime._model import arrival_bounds, delay_and_ratio, mean_travel_time
from eqstat.traveltime._parameters import (
    Prior,
    from_coordinates,
    parameters_of,
    sites_of,
    to_coordinates,
)

PARTICLES = 2048
# Smoothing of the cells' masses over (east, north, depth) in standard deviations; widens a region
# of epicentres by about its square. Depths, of which there are no regions, stay as they are.
BANDWIDTH = np.array([0.15, 0.15, 0.0])
FEWEST_ACCEPTED = 0.01
# Scale of an epicentre coordinate's starting distribution, in units of the network's aperture.
PLACE_SPREAD = 0.6


class _Problem(NamedTuple):
    data: TriggerData
    prior: Prior
    scale_km: Array | np.ndarray
    centre_s: Array | np.ndarray
    spread_s: Array | np.ndarray


def _logistic(value: Array, centre: ArrayLike, scale: ArrayLike) -> Array:
    """Log density of the logistic distribution, whose tails are heavy."""
    z = (value - centre) / scale
    return jax.nn.log_sigmoid(z) + jax.nn.log_sigmoid(-z) - jnp.log(scale)


def _unpack(vector: Array, problem: _Problem) -> tuple[dict[str, Array], Array, Array]:
    """Sites of a vector, and log densities of the starting distribution and of the prior.

    Epicentres are the sinh of their coordinates, so that steps grow with the distance. The
    starting distribution is the prior, but with the epicentre about the network and the arrival
    about the median trigger: a prior region of a thousand kilometres is mostly empty.
    """
    data, prior, scale = problem.data, problem.prior, problem.scale_km
    east, north = scale * jnp.sinh(vector[0]), scale * jnp.sinh(vector[1])
    depth, arrival = DEPTH_SCALE_KM * jnp.expm1(vector[2]), vector[3]
    values, log_prior = from_coordinates(vector[4:], "mixture", data.has_silent, prior)
    half = jnp.asarray(prior.region_km)
    low, high = arrival_bounds(data, prior)
    inside = (jnp.abs(east) <= half) & (jnp.abs(north) <= half)
    inside = inside & (arrival >= low) & (arrival <= high)
    deepest = jnp.inf if prior.deepest_km is None else prior.deepest_km
    inside = inside & (depth > prior.shallowest_km) & (depth < deepest)
    # Densities of distributions may be NaN outside their support, where they are not evaluated.
    inner = jnp.where(inside, depth, 0.5 * prior.shallowest_km + 0.5 * jnp.minimum(deepest, 20.0))
    common = log_prior + prior.depth.log_prob(inner) + jnp.log(DEPTH_SCALE_KM) + vector[2]
    log_start = (
        common
        + _logistic(vector[0], 0.0, PLACE_SPREAD)
        + _logistic(vector[1], 0.0, PLACE_SPREAD)
        + _logistic(arrival, problem.centre_s, problem.spread_s)
    )
    log_target = (
        common
        + prior.log_epicentre(east, north)
        + 2 * jnp.log(scale)
        + jnp.log(jnp.cosh(vector[0]))
        + jnp.log(jnp.cosh(vector[1]))
        - jnp.log(high - low)
    )
    sites = {"east_km": east, "north_km": north, "depth_km": depth, "arrival_s": arrival}
    # Out of bounds both are impossible; the start may draw such points, which are left behind.
    return (
        {**sites, **values},
        jnp.where(inside, log_start, -jnp.inf),
        jnp.where(inside, log_target, -jnp.inf),
    )


def _with_origin(sites: dict[str, Array], data: TriggerData) -> dict[str, Array]:
    travel = mean_travel_time(data, sites["east_km"], sites["north_km"], sites["depth_km"])
    delay, ratio = delay_and_ratio(sites, data)
    origin = sites["arrival_s"] - delay - ratio * travel
    return {"delay_s": jnp.asarray(delay), **sites, "origin_time_s": origin}


def _log_terms(vector: Array, problem: _Problem) -> tuple[Array, Array]:
    """Log density of the start, and log ratio of the posterior to it."""
    sites, log_start, log_prior = _unpack(vector, problem)
    complete = _with_origin(sites, problem.data)
    complete.pop("arrival_s")
    log_posterior = log_prior + log_likelihood(parameters_of(complete), problem.data)
    possible = jnp.isfinite(log_start)
    return log_start, jnp.where(possible, log_posterior - log_start, -jnp.inf)


def _start(key: PRNGKeyArray, problem: _Problem, count: int) -> Array:
    """Vectors drawn from the starting distribution."""
    data, prior = problem.data, problem.prior
    place_key, depth_key, arrival_key, site_key = jax.random.split(key, 4)
    place = PLACE_SPREAD * jax.random.logistic(place_key, (count, 2))
    depth = jnp.asarray(prior.depth.sample(depth_key, (count,)), jnp.float32)
    noise = jax.random.logistic(arrival_key, (count, 1))
    arrival = problem.centre_s + problem.spread_s * noise
    values = {
        site.name: getattr(prior, site.prior).sample(jax.random.fold_in(site_key, number), (count,))
        for number, site in enumerate(sites_of("mixture", data.has_silent))
    }
    rows = jax.vmap(lambda row: to_coordinates(row, "mixture", prior))(values)
    return jnp.concatenate(
        [place, jnp.log1p(depth / DEPTH_SCALE_KM)[:, None], arrival, rows], axis=1
    )


@partial(jax.jit, static_argnames=("count",))
def _particles(
    key: PRNGKeyArray, problem: _Problem, count: int
) -> tuple[Particles, dict[str, Array]]:
    start_key, move_key, rest_key = jax.random.split(key, 3)
    particles = temper(move_key, _log_terms, _start(start_key, problem, count), problem)
    sites = jax.vmap(lambda row: _unpack(row, problem)[0])(particles.points)
    # Sites that the data do not determine keep their prior.
    for number, site in enumerate(sites_of("mixture", problem.data.has_silent)):
        if not site.identified:
            distribution, own = (
                getattr(problem.prior, site.prior),
                jax.random.fold_in(rest_key, number),
            )
            sites[site.name] = distribution.sample(own, (len(particles.points),))
    return particles, jax.vmap(lambda row: _with_origin(row, problem.data))(sites)


def population(
    key: PRNGKeyArray, data: TriggerData, prior: Prior, aperture_km: float
) -> tuple[Particles, dict[str, np.ndarray]]:
    """Draws of all sites of the mixture's posterior, in float32, and how they came about."""
    times = np.asarray(data.time_s)[np.asarray(data.mask)]
    centre = np.median(times)
    spread = max(float(np.median(np.abs(times - centre))), 1.0)
    problem = jax.tree.map(
        lambda leaf: (
            jnp.asarray(leaf, jnp.float32)
            if jnp.issubdtype(jnp.result_type(leaf), jnp.floating)
            else jnp.asarray(leaf)
        ),
        _Problem(data, prior, *(np.asarray(x) for x in (aperture_km, centre, spread))),
    )
    particles, sites = _particles(key, problem, PARTICLES)
    return particles, {name: np.asarray(value, np.float64) for name, value in sites.items()}


def to_cells(
    stretched: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
    shape: tuple[int, ...],
    evidence: float,
) -> Grid:
    """Share of the draws in each cell, smoothed by less than a tenth of their spread."""
    edges = [np.linspace(a, b, n + 1) for a, b, n in zip(low, high, shape, strict=True)]
    counts = np.histogramdd(stretched, edges)[0]
    # Robust spreads: a second mode far away must not blur the first.
    spread = np.subtract(*np.quantile(stretched, [0.84, 0.16], axis=0)) / 2
    width = (high - low) / np.array(shape)
    smooth = ndimage.gaussian_filter(counts, BANDWIDTH * spread / width, mode="reflect")
    with np.errstate(divide="ignore"):
        log_mass = np.log(smooth / smooth.sum())
    axes = tuple(0.5 * (edge[1:] + edge[:-1]) for edge in edges)
    return Grid(axes, log_mass, np.asarray(evidence))  # pyright: ignore[reportArgumentType]
