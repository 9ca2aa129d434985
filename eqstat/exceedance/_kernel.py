"""Compiled kernels: mixtures over draws of the source at many sites, in blocks that fit caches."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import ndtri
from jaxtyping import Array, Float

from eqstat._core.constants import EARTH_RADIUS_KM
from eqstat._core.explain import Explained
from eqstat.geodesy import LocalFrame
from eqstat.ground_motion.mixture import Mixture, exceedance, mean_and_sd

# Components evaluated in one block: some hundred kilobytes in single precision.
BLOCK = 2**15
# Nodes at which a distribution function is tabulated, in standard deviations about the mean.
NODES = np.linspace(-6.0, 6.0, 49)
NEAR_KM = 0.1


class SourceDraws(Explained, eqx.Module):
    """Draws of the source in local Cartesian coordinates, or batches of them.

    Attributes
    ----------
    place_km
        Hypocentres in the frame of `positions`, (d, 3).
    depth_km, magnitude
        (d,).
    log_weight
        Natural logarithms of normalised weights, (d,).

    Examples
    --------
    See `exceedances`.
    """

    place_km: Float[Array, "*times draws 3"]
    depth_km: Float[Array, "*times draws"]
    magnitude: Float[Array, "*times draws"]
    log_weight: Float[Array, "*times draws"]


def positions(frame: LocalFrame, latitude: Any, longitude: Any, depth_km: Any) -> np.ndarray:
    """Cartesian coordinates about a centre, whose distances are chords through the sphere."""
    surface = frame.position(latitude, longitude)
    depth = np.asarray(depth_km, np.float64)
    down = np.stack([np.zeros_like(depth), np.zeros_like(depth), depth], axis=-1)
    return surface * (1.0 - depth / EARTH_RADIUS_KM)[..., None] - down


@jax.jit
def distances(site_km: Float[Array, "s 3"], place_km: Float[Array, "d 3"]) -> Float[Array, "s d"]:
    """Straight-line distances of all pairs, km, at least `NEAR_KM`."""
    difference = [site_km[:, None, i] - place_km[None, :, i] for i in range(3)]
    return jnp.sqrt(
        sum(
            (each * each for each in difference),
            start=jnp.asarray(NEAR_KM**2, difference[0].dtype),
        )
    )


def pooled(
    predictor: Any, drawn: SourceDraws, site_km: Float[Array, "s 3"], vs30_m_s: Float[Array, "s"]
) -> Mixture:
    """Mixture of each site over all draws of the source and all components of each."""
    distance = distances(site_km, drawn.place_km)
    depth, magnitude, vs30 = (
        jnp.broadcast_to(values, distance.shape)
        for values in (drawn.depth_km, drawn.magnitude, vs30_m_s[:, None])
    )
    each = predictor(magnitude, distance, depth, vs30)
    weight = each.log_weight + drawn.log_weight[None, :, None]
    size = (len(site_km), -1)
    full = jnp.broadcast_arrays(weight, each.mean, each.scale)
    return Mixture(*(values.reshape(size) for values in full))


def blocks(function: Any, draws: int, rows: tuple[Array, ...]) -> Any:
    """Apply a function to blocks of sites, one after the other, and concatenate the results."""
    sites = len(rows[0])
    size = min(max(BLOCK // draws, 1), sites)
    number = -(-sites // size)
    padded = tuple(
        jnp.concatenate([row, jnp.broadcast_to(row[:1], (number * size - sites, *row.shape[1:]))])
        for row in rows
    )
    cut = tuple(row.reshape(number, size, *row.shape[1:]) for row in padded)
    values = jax.lax.map(lambda block: function(*block), cut)
    return jax.tree.map(lambda each: each.reshape(-1, *each.shape[2:])[:sites], values)


@eqx.filter_jit
def exceedances(
    predictor: Any,
    drawn: SourceDraws,
    site_km: Float[Array, "s 3"],
    vs30_m_s: Float[Array, "s"],
    log10_threshold: Float[Array, "t"],
) -> Float[Array, "s t"]:
    """Probability of exceeding each threshold at each site, over all draws; pure JAX.

    Parameters
    ----------
    predictor
        As in `shaking`.
    drawn
        Draws of the source, in the Cartesian coordinates of the sites.
    site_km
        Sites, (s, 3), km.
    vs30_m_s
        Vs30, NaN where unknown, (s,).
    log10_threshold
        Thresholds, log10 of m/s2, (t,).

    Returns
    -------
    jax.Array
        Probabilities, (s, t).

    Examples
    --------
    >>> from eqstat.ground_motion import PointSource
    >>> drawn = SourceDraws(*(jnp.asarray(x) for x in ([[0.0, 0.0, -10.0]], [10.0], [6.0], [0.0])))
    >>> sites = jnp.array([[5.0, 0.0, 0.0], [90.0, 0.0, 0.0]])
    >>> near, far = exceedances(PointSource(), drawn, sites, jnp.full(2, jnp.nan), jnp.zeros(1))
    >>> bool(near[0] > far[0])
    True
    """

    def block(place: Array, vs30: Array) -> Array:
        mixture = pooled(predictor, drawn, place, vs30)
        each = [exceedance(mixture, threshold) for threshold in log10_threshold]
        return jnp.stack(each, axis=-1)

    return blocks(block, len(drawn.magnitude), (site_km, vs30_m_s))


@eqx.filter_jit
def exceedances_in_time(
    predictor: Any,
    drawn: SourceDraws,
    site_km: Float[Array, "s 3"],
    vs30_m_s: Float[Array, "s"],
    lead_s: Float[Array, "s d"],
    log10_threshold: Float[Array, "t"],
    least_s: Float[Array, "l"],
) -> Float[Array, "s t l"]:
    """Probability of exceedance with a lead time longer than each of `least_s`."""

    def block(place: Array, vs30: Array, lead: Array) -> Array:
        mixture = pooled(predictor, drawn, place, vs30)
        per_draw = (*lead.shape, -1)
        parts = Mixture(*(values.reshape(per_draw) for values in jax.tree.leaves(mixture)))
        in_time = (lead[:, :, None] > least_s).astype(lead.dtype)
        each = [
            jnp.einsum("sd,sdl->sl", exceedance(parts, threshold), in_time)
            for threshold in log10_threshold
        ]
        return jnp.stack(each, axis=1)

    return blocks(block, len(drawn.magnitude), (site_km, vs30_m_s, lead_s))


@eqx.filter_jit
def quantiles(
    predictor: Any,
    drawn: SourceDraws,
    site_km: Float[Array, "s 3"],
    vs30_m_s: Float[Array, "s"],
    probability: Float[Array, "q"],
) -> Float[Array, "s q"]:
    """Quantiles of log10 PGA over all draws.

    The tail is tabulated about the mean of each site and inverted on the normal scale, on which
    mixtures of many draws are nearly straight lines.
    """
    nodes = jnp.asarray(NODES, site_km.dtype)

    def block(place: Array, vs30: Array) -> Array:
        mixture = pooled(predictor, drawn, place, vs30)
        mean, sd = mean_and_sd(mixture)
        tails = jax.lax.map(lambda node: exceedance(mixture, mean + node * sd), nodes)
        # Clip both tails to what single precision can distinguish from 0 and 1.
        edge = jnp.finfo(place.dtype).eps
        score = -ndtri(jnp.clip(tails, edge, 1.0 - edge))
        wanted = ndtri(probability)
        standardised = jax.vmap(lambda row: jnp.interp(wanted, row, nodes), in_axes=1)(score)
        return mean[:, None] + standardised * sd[:, None]

    return blocks(block, len(drawn.magnitude), (site_km, vs30_m_s))
