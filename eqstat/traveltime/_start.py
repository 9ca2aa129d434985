"""Where to start: hypocentres scored on a coarse net round the triggers; the mode from there."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from eqstat.inference import Laplace, laplace
from eqstat.traveltime._data import S, TriggerData
from eqstat.traveltime._model import MODELS, LikelihoodName, mean_travel_time
from eqstat.traveltime._parameters import MAX_DEPTH_KM, Prior, nominal_values
from eqstat.velocity import squared_chord

AZIMUTHS = 16
DEPTHS_KM = np.array([1.0, 8.0, 20.0, 45.0, 90.0, 170.0, 300.0, 480.0])
# From within the network to far outside, in units of its aperture.
RADII = np.concatenate([[0.0], np.geomspace(0.25, 20.0, 9)])
CANDIDATES = 64
# Background's share and the breadth of a phase while starts are scored; wide on purpose.
COARSE_SD_S = 2.5
STARTS = 6


def _net() -> np.ndarray:
    """Unit net: rows (east, north) in apertures; rings are turned against each other."""
    points = [(0.0, 0.0)]
    for ring, radius in enumerate(RADII[1:]):
        turn = (ring % 2) * np.pi / AZIMUTHS
        angles = 2 * np.pi * np.arange(AZIMUTHS) / AZIMUTHS + turn
        points += [(radius * np.sin(a), radius * np.cos(a)) for a in angles]
    return np.array(points)


NET = _net()


def nodes(aperture_km: Array | float, region_km: Array | float) -> Float[Array, "places depths 3"]:
    """Coarse hypocentres (east, north, depth), clipped to the region, km."""
    places = jnp.clip(jnp.asarray(NET) * aperture_km, -0.98 * region_km, 0.98 * region_km)
    places = jnp.broadcast_to(places[:, None, :], (len(NET), len(DEPTHS_KM), 2))
    depths = jnp.broadcast_to(jnp.asarray(DEPTHS_KM)[None, :, None], (*places.shape[:2], 1))
    return jnp.concatenate([places, jnp.minimum(depths, 0.98 * MAX_DEPTH_KM)], axis=-1)


def travel_times(node: Float[Array, " 3"], data: TriggerData) -> tuple[Array, Array]:
    """P and S travel times from a hypocentre to all triggered devices, s."""
    chord2 = squared_chord(node[0], node[1], data.position_km)
    return data.velocity.times(chord2, node[2], data.elevation_km)


def wave_travel_times(node: Float[Array, " 3"], data: TriggerData) -> Array:
    """Travel times of the wave that the Gaussian likelihood takes each trigger for, s."""
    p, s = travel_times(node, data)
    return jnp.where(jnp.where(data.phase == 0, data.wave, data.phase) == S, s, p)


def best_places(scores: Float[Array, "places depths"], count: int) -> tuple[Array, Array]:
    """Indices of the `count` best places, each with its best depth; the places differ."""
    depth = jnp.argmax(scores, axis=1)
    _, place = jax.lax.top_k(jnp.max(scores, axis=1), count)
    return place, depth[place]


def score_mixture(node: Float[Array, " 3"], data: TriggerData) -> tuple[Array, Array]:
    """Best coarse mixture log-likelihood at a hypocentre, and the shift (origin time + delay).

    Every candidate shift puts one trigger on its P or S time, so no time axis can miss it.
    """
    p, s = travel_times(node, data)
    count = data.time_s.shape[0]
    pick = jnp.linspace(0, count - 1, min(count, CANDIDATES)).astype(int)
    # Padding sits at the end: spread the candidates over the rows that hold triggers.
    used = jnp.sum(data.mask)
    pick = (pick * jnp.maximum(used - 1, 0)) // max(count - 1, 1)
    shifts = jnp.concatenate([(data.time_s - p)[pick], (data.time_s - s)[pick]])
    length = data.window_s[1] - data.window_s[0]
    floor = 0.2 / length

    def total(shift: Array) -> Array:
        def wave(times: Array) -> Array:
            z = (data.time_s - shift - times) / COARSE_SD_S
            return 0.4 * jnp.exp(-0.5 * z**2) / (COARSE_SD_S * 2.5066283)

        density = (
            jnp.where(data.phase == 2, 0.0, wave(p))
            + jnp.where(data.phase == 1, 0.0, wave(s))
            + floor
        )
        return jnp.sum(jnp.where(data.mask, jnp.log(density), 0.0))

    totals = jax.lax.map(total, shifts)
    best = jnp.argmax(totals)
    return totals[best], shifts[best]


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
    net = nodes(aperture_km, prior.region_km)
    flat = net.reshape(-1, 3)
    if name == "gaussian":

        def score(node: Array) -> tuple[Array, Array]:
            residual = data.time_s - wave_travel_times(node, data)
            weight = data.mask / (1.0 + data.time_sd_s**2)
            mean = jnp.sum(weight * residual) / jnp.sum(weight)
            return -0.5 * jnp.sum(weight * (residual - mean) ** 2), mean

        scores, shift = jax.vmap(score)(flat)
    else:
        scores, shift = jax.lax.map(lambda node: score_mixture(node, data), flat)
    scores = scores + 0.2 * jax.vmap(prior.depth.log_prob)(flat[:, 2])
    place, depth = best_places(scores.reshape(net.shape[:2]), STARTS)
    chosen = net[place, depth]
    shift = shift.reshape(net.shape[:2])[place, depth]
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
