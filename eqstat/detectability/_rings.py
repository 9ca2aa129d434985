"""Devices on rings about epicentres, for the circles in which a rule may be met."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.sparse import csc_array, csr_array
from scipy.special import ndtri

from eqstat.detectability._network import Circles, DeviceNetwork, arc_between, arc_km

# Devices farther than this are taken to be silent.
REACH_KM = 300.0
# Rings of epicentral distance: RING_KM near the epicentre, RING_FRACTION of the distance far off.
RING_KM, RING_FRACTION = 2.0, 0.08
# Places are gathered in bands of latitude.
BAND_DEG = 2.0
# Circles that are followed. At each magnitude of the choice (the middle one first) in turn, the one
# is added that is the likeliest to detect where those before do not.
FOLLOWED, TURNS = 6, (1, 0, 2)
# Mean of a standard normal variable that is below 0, without its sign.
SHORT = 0.8
# Score of at least one of a Poisson number, by its expectation in logarithmic steps.
NEAR_LEAST, NEAR_STEPS = 1e-6, 50
_EXPECTED = NEAR_LEAST * np.exp(np.arange(NEAR_STEPS * np.log(15 / NEAR_LEAST)) / NEAR_STEPS)
SCORE_OF_NEAR = ndtri(-np.expm1(-_EXPECTED)).astype(np.float32)


def likely_score(expected: np.ndarray, near: np.ndarray, needed: np.ndarray) -> np.ndarray:
    """Score of detection: the rarer of enough triggers and of one near the centre."""
    count = (expected - needed) / np.sqrt(expected + np.float32(1))
    # As if the devices near the centre were a Poisson number.
    step = np.log(np.maximum(near, np.float32(NEAR_LEAST)) / np.float32(NEAR_LEAST))
    step = np.minimum(step * np.float32(NEAR_STEPS), np.float32(len(SCORE_OF_NEAR) - 1))
    return np.minimum(count, SCORE_OF_NEAR[step.astype(np.int32)])


def ring_nodes(reach_km: float) -> np.ndarray:
    """Distances of the rings, km."""
    rings = [0.0]
    while rings[-1] < reach_km:
        rings.append(rings[-1] + max(RING_KM, RING_FRACTION * rings[-1]))
    return np.array(rings)


def choose_circles(
    cells: np.ndarray,
    around: Circles,
    places: np.ndarray,
    rings: np.ndarray,
    reach: np.ndarray,
    needed: np.ndarray,
    share: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """For each place the circles to follow, -1 for padding, and their overlap.

    `cells` holds the cells' unit vectors, `reach` trigger probabilities by distance, (magnitudes,
    rings). Returns arrays (places, circles) and (places, circles, circles).
    """
    apart = arc_between(places, cells)
    a, k = np.float32(share.mean()), needed.mean(axis=1).astype(np.float32)
    fine = np.arange(0.0, rings[-1] + 1.0, 0.5)
    step = np.minimum(apart * 2, len(fine)).astype(np.intp)
    score, weights, totals = [], [], []
    for row in reach:
        weights.append(np.append(np.interp(fine, rings, row), 0.0).astype(np.float32)[step])
        totals.append(weights[-1] @ around.members)
        score.append(likely_score(a * totals[-1], a * (weights[-1] @ around.near), k))
    # What circles share is weighed at the magnitude that is about as large as can be detected.
    greatest = [values.max(axis=1, keepdims=True) for values in score]
    usual = np.argmin(np.abs(np.concatenate(greatest, axis=1)), axis=1)
    everywhere = np.arange(len(places))
    weight, total = (np.empty_like(each[0]) for each in (weights, totals))
    for number, (its_weight, its_total) in enumerate(zip(weights, totals, strict=True)):
        weight[usual == number] = its_weight[usual == number]
        total[usual == number] = its_total[usual == number]
    for values, most in zip(score, greatest, strict=True):
        values -= most
    count = min(FOLLOWED, len(k))
    chosen = np.zeros((len(places), FOLLOWED), np.intp)
    shared = np.zeros((len(places), len(k)), np.float32)
    among = np.zeros((len(places), FOLLOWED, FOLLOWED))
    rows = []
    for slot in range(count):
        value = score[TURNS[slot % len(TURNS)]]
        if slot:
            value = (value - shared) / np.sqrt(1 - shared**2)
            np.put_along_axis(value, chosen[:, :slot], -np.inf, axis=1)
        chosen[:, slot] = np.argmax(value, axis=1)
        rows.append(around.overlap(chosen[:, slot], weight, total))
        np.maximum(shared, SHORT * rows[-1], out=shared)
    for slot, row in enumerate(rows):
        among[:, slot, :count] = row[everywhere[:, None], chosen[:, :count]]
    chosen[:, count:] = -1
    return chosen, among


def blocks(places: np.ndarray, size: int) -> Iterator[np.ndarray]:
    """Indices of places in blocks of at most a size, of places that are near one another."""
    latitude = np.rad2deg(np.arcsin(np.clip(places[:, 2], -1, 1)))
    longitude = np.arctan2(places[:, 1], places[:, 0])
    order = np.lexsort((longitude, np.floor(latitude / BAND_DEG)))
    for start in range(0, len(order), size):
        yield order[start : start + size]


def within_reach(
    network: DeviceNetwork, around: Circles, places: np.ndarray, reach_km: float, radius_km: float
) -> tuple[np.ndarray, Circles, np.ndarray]:
    """Cells (unit vectors) and circles that may matter to some places, and the circles' indices."""
    middle = places.mean(axis=0)
    middle /= np.linalg.norm(middle)
    far = reach_km + arc_km(np.linalg.norm(places - middle, axis=1)).max()
    of_cells, of_circles = (
        arc_km(np.linalg.norm(x - middle, axis=1)) for x in (network.position, around.position)
    )
    # Devices of a circle may be nearer than its centre. One circle is always there.
    chosen = np.flatnonzero(of_circles <= max(far + radius_km, of_circles.min()))
    cells = np.flatnonzero(of_cells <= max(far + 2 * radius_km, of_circles.min() + radius_km))
    return network.position[cells], around.within(cells, chosen), chosen


def ring_counts(
    cells: np.ndarray,
    devices_of: csr_array | csc_array,
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
    apart = arc_km(np.linalg.norm(places[pair // count] - cells[cell], axis=-1))
    lower = np.clip(np.searchsorted(rings, apart, side="right") - 1, 0, len(rings) - 2)
    part = (apart - rings[lower]) / (rings[lower + 1] - rings[lower])
    # Devices beyond the last ring stay silent.
    devices = np.where(part <= 1, devices, 0.0)
    flat = pair * len(rings) + lower
    size = chosen.size * len(rings)
    counts = np.bincount(flat, devices * (1 - part), size)
    counts += np.bincount(flat + 1, devices * part, size)
    return counts.reshape(*chosen.shape, len(rings))
