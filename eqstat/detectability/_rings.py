"""Devices on rings about epicentres, for the circles in which a rule may be met."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from scipy.sparse import csr_array

from eqstat.detectability._circles import likely
from eqstat.detectability._network import Circles, DeviceNetwork, arc_between, arc_km

# Rings of epicentral distance: RING_KM near the epicentre, RING_FRACTION of the distance far off.
RING_KM, RING_FRACTION = 2.0, 0.08
# Circles that are chosen at each magnitude of the choice, and of the second set.
PER_MAGNITUDE = 2


def ring_nodes(reach_km: float) -> np.ndarray:
    """Distances of the rings, km."""
    rings = [0.0]
    while rings[-1] < reach_km:
        rings.append(rings[-1] + max(RING_KM, RING_FRACTION * rings[-1]))
    return np.array(rings)


def choose_circles(
    network: DeviceNetwork,
    around: Circles,
    places: np.ndarray,
    rings: np.ndarray,
    reach: np.ndarray,
    needed: np.ndarray,
    share: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """For each place the circles with the most triggers in excess, and which are a second set.

    The best circles of the two sets have no device in common; -1 where a circle belongs to neither.
    """
    apart = arc_between(places, network.position)
    a, k = float(share.mean()), needed.mean(axis=1)
    many = min(PER_MAGNITUDE, len(k))
    score, fine = [], np.arange(0.0, rings[-1] + 1.0, 0.5)
    step = np.minimum(apart * 2, len(fine)).astype(np.intp)
    for row in reach:
        weight = np.append(np.interp(fine, rings, row), 0.0)
        expected, near = (a * (weight[step] @ members) for members in (around.members, around.near))
        score.append(np.asarray(likely(*(jnp.asarray(x) for x in (expected, near, k)))))
    # At the middle magnitude: the best circle, and the best one that is disjoint from it.
    middle = score[len(score) // 2]
    best = np.argmax(middle, axis=1)
    apart_from_best = around.disjoint_from(best)
    other = np.argmax(np.where(apart_from_best, middle, -np.inf), axis=1)
    exists = np.asarray(np.any(apart_from_best, axis=1))
    chosen = np.concatenate(
        [np.argpartition(-values, many - 1, axis=1)[:, :many] for values in score]
        + [best[:, None], np.where(exists, other, best)[:, None]],
        axis=1,
    )
    # Each joins one of the two, from whose rival it is disjoint.
    apart_from_other = around.disjoint_from(other)
    in_first = np.take_along_axis(apart_from_other, chosen, 1) | ~exists[:, None]
    in_second = np.take_along_axis(apart_from_best, chosen, 1) & exists[:, None]
    second = (in_second & ~in_first).astype(np.float64)
    # The same circle may be the best at several magnitudes; it is followed once.
    repeated = np.tril(chosen[:, :, None] == chosen[:, None, :], -1).any(axis=2)
    return np.where((in_first | in_second) & ~repeated, chosen, -1), second


def ring_counts(
    network: DeviceNetwork,
    devices_of: csr_array,
    places: np.ndarray,
    chosen: np.ndarray,
    rings: np.ndarray,
) -> np.ndarray:
    """Devices of the chosen circles on the rings about the places, (places, circles, rings)."""
    members, count = devices_of.tocsc(), chosen.shape[1]
    chosen = np.maximum(chosen, 0)
    first, last = members.indptr[chosen.ravel()], members.indptr[chosen.ravel() + 1]
    pair = np.repeat(np.arange(chosen.size), last - first)
    # Positions in the sparse columns of all pairs, one after the other.
    offset = np.repeat(first - np.concatenate([[0], np.cumsum(last - first)[:-1]]), last - first)
    at = np.arange(len(pair)) + offset
    cell, devices = members.indices[at], members.data[at]
    apart = arc_km(np.linalg.norm(places[pair // count] - network.position[cell], axis=-1))
    lower = np.clip(np.searchsorted(rings, apart, side="right") - 1, 0, len(rings) - 2)
    part = (apart - rings[lower]) / (rings[lower + 1] - rings[lower])
    # Devices beyond the last ring stay silent.
    devices = np.where(part <= 1, devices, 0.0)
    flat = pair * len(rings) + lower
    size = chosen.size * len(rings)
    counts = np.bincount(flat, devices * (1 - part), size)
    counts += np.bincount(flat + 1, devices * part, size)
    return counts.reshape(*chosen.shape, len(rings))
