"""Mean and standard deviation of the origin time in each cell of a grid posterior."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy import ndimage

from eqstat.traveltime import _start
from eqstat.traveltime._data import TriggerData
from eqstat.traveltime._grids._density import SPACE
from eqstat.traveltime._model import mean_travel_time

if TYPE_CHECKING:
    from eqstat.traveltime._grids._posterior import GridPosterior

# Cells whose travel times are computed at a time.
CHUNK = 4096
# Smoothing of moments over cells, as a share of their number along an axis.
SMOOTH_CELLS = 0.04
# Cells of less than this share of the largest probability get the average origin time.
NEGLIGIBLE = 1e-9


@partial(jax.jit, static_argnames=("each",))
def travel_times(
    data: TriggerData, places: Float[Array, "draws 3"], each: bool
) -> tuple[Array, Array]:
    """Travel times from drawn hypocentres: the mean and, if `each`, to each device."""
    mean = jax.vmap(lambda node: mean_travel_time(data, *node))(places)
    if not each:
        return mean, jnp.zeros((len(places), 0))
    return mean, jax.vmap(lambda node: _start.wave_travel_times(node, data))(places)


def origin_moments(posterior: GridPosterior) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of the origin time given the cell, (east, north, depth)."""
    if posterior.particles is not None:
        moments = _moments_particles
    else:
        moments = _moments_full if posterior.has_arrival else _moments_profiled
    mass = posterior.mass
    chosen = np.flatnonzero(mass > NEGLIGIBLE * mass.max())
    shape = mass.shape
    axes = [posterior.centres(name) for name in SPACE]
    places = np.stack([part.ravel()[chosen] for part in np.meshgrid(*axes, indexing="ij")], axis=1)
    mean, variance = moments(posterior, chosen, places)
    weight = mass.ravel()[chosen]
    middle = weight @ mean / weight.sum()
    spread = weight @ (variance + (mean - middle) ** 2) / weight.sum()
    full = np.full(mass.size, middle), np.full(mass.size, np.sqrt(spread))
    full[0][chosen], full[1][chosen] = mean, np.sqrt(variance)
    return full[0].reshape(shape), full[1].reshape(shape)


def _chunks(places: np.ndarray) -> list[np.ndarray]:
    """Places in rows of one size, so that one program serves them all."""
    count = -(-len(places) // CHUNK)
    padded = np.concatenate([places, np.repeat(places[:1], count * CHUNK - len(places), axis=0)])
    return np.split(padded, count)


def _moments_profiled(
    posterior: GridPosterior, chosen: np.ndarray, places: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Where the origin time is integrated in closed form: a mixture over nodes of the scatter."""
    data = posterior.observations.data
    sd = np.exp(np.asarray(posterior.bundle.nodes)[:, :1])
    weight = np.asarray(data.mask) / (sd**2 + np.asarray(data.time_sd_s) ** 2)
    total = weight.sum(axis=1)
    share = np.exp(np.asarray(posterior.grid.log_mass, np.float64)).reshape(-1, len(sd))[chosen]
    share = share / share.sum(axis=1, keepdims=True)
    means = []
    with jax.enable_x64(True):
        for part in _chunks(places):
            travel = np.asarray(travel_times(data, part, True)[1])
            residual = np.where(data.mask, data.time_s - travel, 0.0)
            means.append(residual @ weight.T / total)
    each = np.concatenate(means)[: len(places)]
    mean = np.sum(share * each, axis=1)
    return mean, np.sum(share * (1 / total + (each - mean[:, None]) ** 2), axis=1)


def _moments_full(
    posterior: GridPosterior, chosen: np.ndarray, places: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Where the mean arrival is an axis: arrival less travel time."""
    data = posterior.observations.data
    axes = [np.asarray(axis, np.float64) for axis in posterior.grid.axes]
    arrival = axes[3]
    mass = np.exp(np.asarray(posterior.grid.log_mass, np.float64)).sum(axis=-1)
    share = mass.reshape(-1, len(arrival))[chosen]
    share = share / share.sum(axis=1, keepdims=True)
    with jax.enable_x64(True):
        travel = np.concatenate(
            [np.asarray(travel_times(data, part, False)[0]) for part in _chunks(places)]
        )[: len(places), None]
    each = arrival - travel
    mean = np.sum(share * each, axis=1)
    # Mass lies evenly within a cell of the arrival.
    within = (arrival[1] - arrival[0]) ** 2 / 12
    return mean, np.sum(share * (each - mean[:, None]) ** 2, axis=1) + within


def _moments_particles(
    posterior: GridPosterior, chosen: np.ndarray, places: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Where cells are counted from particles: smoothed moments of origin plus travel time.

    The sum hardly changes from cell to cell, so smoothing does not blur the origin time.
    """
    particles, data = posterior.particles, posterior.observations.data
    assert particles is not None
    drawn = np.stack([particles[name] for name in SPACE], axis=1)
    with jax.enable_x64(True):
        travel, of_cells = (
            np.concatenate([np.asarray(travel_times(data, part, False)[0]) for part in parts])
            for parts in (_chunks(drawn), _chunks(places))
        )
    total = particles["origin_time_s"] + travel[: len(drawn)]
    middle = total.mean()
    edges = [posterior.edges(name) for name in SPACE]
    width = np.maximum(SMOOTH_CELLS * np.array(posterior.mass.shape), 1.0)
    count, first, second = (
        ndimage.gaussian_filter(np.histogramdd(drawn, edges, weights=weights)[0], width)
        for weights in (np.ones(len(drawn)), total - middle, (total - middle) ** 2)
    )
    safe = np.maximum(count, 1e-12 * count.max()).ravel()[chosen]
    mean = first.ravel()[chosen] / safe
    variance = np.maximum(second.ravel()[chosen] / safe - mean**2, 1e-6)
    return middle + mean - of_cells[: len(places)], variance
