"""The earthquake's likelihood on a fine grid, narrowed step by step to where the posterior lies."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from eqstat._core.constants import HALF_LOG_2PI
from eqstat.detection import _lateral, _terms
from eqstat.detection._causes import Cause, Nodes
from eqstat.detection._detector import Detector
from eqstat.detection._sequential import Report, State, log_background
from eqstat.detection._terms import Tables
from eqstat.inference import bucket_size, pad_rows

# Cells along east, north, depth, origin time and slowness, of each grid: first a glance.
GRIDS = ((9, 9, 5, 7, 3), (11, 11, 5, 11, 3), (17, 17, 7, 11, 5))
# Twice and four times as many origin times where their cells would be wider than this, s. What is
# off by a cell's place, depth or slowness is off for all devices together, as a time is: with wide
# cells of time a long ridge would be a row of accidents.
TIME_CELL_S, MOST_TIMES = 0.4, 44
# The grid reaches so many standard deviations to both sides.
REACH = 3.5
LEAST_SPACING_KM, LEAST_SPACING_S, LEAST_SLOWNESS = 0.25, 0.1, 0.002
# Nodes of the unknowns are carried on from the first grid that hold this much of the belief.
KEPT = 0.999
# The likelihood is straight between distances so far apart, km, of which there are powers of two.
GAP_KM, MOST_GAPS = 2.0, 64


class Fine(NamedTuple):
    """Posterior on the last grid.

    Attributes
    ----------
    axes
        Middles of the cells: east, north, depth (km), origin time less now (s), slowness.
    steps
        Widths of the cells.
    joint
        Probabilities of the cells, of as many dimensions.
    log_sum
        Log of prior times ratio, summed over the grid, in the units of the coarse grid's sum.
    """

    axes: list[np.ndarray]
    steps: list[float]
    joint: np.ndarray
    log_sum: float


class _Box(NamedTuple):
    """Middle and half width of the grid along its axes."""

    middle: np.ndarray
    half: np.ndarray


@partial(jax.jit, static_argnames="gaps")
def _log_posterior(
    tables: Tables,
    position: Array,
    quiet: Array,
    at: Array,
    since: Array,
    count: Array,
    log_rate: Array,
    latency_s: Array,
    *,
    gaps: int,
) -> Array:
    """Log posterior of the grid's cells; `since` are trigger times less now."""
    places, depths, slots, nodes = tables.shape
    silent = _terms.ring_counts(tables, position, quiet)

    def add(number: Array, total: Array) -> Array:
        near, weight = _terms.about_device(tables, at[number], gaps)
        terms = _terms.trigger_terms(near, since[number] + tables.age, log_rate)
        return total + _terms.at_places(weight, terms)

    nothing = jnp.zeros((places, depths * slots * nodes), jnp.float32)
    total = jax.lax.fori_loop(0, count, add, nothing)
    return _terms.log_posterior(tables, total, silent, tables.age - latency_s)


def _likely_nodes(cause: Cause, chance: np.ndarray) -> tuple[Cause, float]:
    """The cause with the nodes that matter, and how much of the belief is in them."""
    order = np.argsort(chance)[::-1]
    enough = 1 + int(np.sum(np.cumsum(chance[order]) < KEPT))
    # Powers of two, so that few shapes are compiled.
    best = np.sort(order[: bucket_size(enough, smallest=4)])
    nodes = Nodes(*(np.asarray(array)[best] for array in cause.nodes))
    return eqx.tree_at(lambda c: c.nodes, cause, nodes), float(chance[best].sum())


def _start(detector: Detector, report: Report) -> _Box:
    """Where the coarse posterior lies, with the width of its cells."""
    cause, tables = detector.causes[0], detector.core.tables[0]
    means = [report.east_km, report.north_km, report.depth_km, report.origin_s, 1.0]
    sds = np.array([*np.asarray(report.sd_km), float(report.origin_sd_s), cause.slowness_sd])
    depth = np.asarray(cause.depth_km, np.float64)
    gaps = np.ptp(depth) / max(len(depth) - 1, 1)
    across = (detector.area_km2 / len(tables.place)) ** 0.5
    cell = np.array([across, across, gaps, cause.slot_s, 0.0])
    half = REACH * np.hypot(sds, 0.6 * cell)
    half[4] = 2.25 * cause.slowness_sd
    return _Box(np.array([float(mean) for mean in means]), half)


def _support(detector: Detector, state: State, deepest: float) -> np.ndarray:
    """Ends of the prior along the axes, (5, 2)."""
    low, high = detector.extent_km[0]
    cause = detector.causes[0]
    newest = np.floor(state.now_s / cause.slot_s) * cause.slot_s - state.now_s
    # A slot stands for the starting times about it.
    last = newest + cause.lead_s + cause.slot_s / 2
    first = last - cause.slots * cause.slot_s
    slow = np.exp(4 * cause.slowness_sd * np.array([-1, 1]))
    return np.array([[low[0], high[0]], [low[1], high[1]], [0.0, deepest], [first, last], slow])


def _axes(box: _Box, support: np.ndarray, counts: tuple[int, ...]) -> tuple:
    """Middles of the cells of the box, within the support, and the cells' widths."""
    least = [*np.full(3, LEAST_SPACING_KM), LEAST_SPACING_S, LEAST_SLOWNESS]
    axes, steps = [], []
    for i, count in enumerate(counts):
        half = max(box.half[i], least[i] * count / 2)
        middle = np.clip(box.middle[i], *support[i])
        low, high = max(middle - half, support[i, 0]), min(middle + half, support[i, 1])
        steps.append(float(high - low) / count)
        axes.append(low + steps[-1] * (np.arange(count) + 0.5))
    return axes, steps


def _log_depth(cause: Cause, depth_km: np.ndarray, deepest: float) -> np.ndarray:
    """Log prior of fine depths: the density of the coarse ones, straight between them."""
    coarse = np.asarray(cause.depth_km, np.float64)
    width = np.gradient(coarse) if len(coarse) > 1 else np.ones(1)

    def density(values: np.ndarray) -> np.ndarray:
        return np.interp(values, coarse, np.asarray(cause.depth_weight) / width)

    whole = np.linspace(0.0, deepest, 400)
    step = float(depth_km[1] - depth_km[0])
    return np.log(density(depth_km) * step / np.trapezoid(density(whole), whole))


def _log_slowness(cause: Cause, values: np.ndarray, step: float) -> np.ndarray:
    """Log prior of cells of the factor of travel times."""
    if len(values) == 1:
        return np.zeros(1)
    sd = cause.slowness_sd
    normal = -0.5 * (np.log(values) / sd) ** 2 - np.log(sd * values) - HALF_LOG_2PI
    return normal + np.log(step)


def moments(joint: np.ndarray, axes: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Means and standard deviations along the axes of a normalised grid."""
    means, sds = [], []
    for number, values in enumerate(axes):
        weight = joint.sum(axis=tuple(i for i in range(joint.ndim) if i != number))
        means.append(np.sum(weight * values))
        sds.append(np.sqrt(np.sum(weight * (values - means[-1]) ** 2)))
    return np.array(means), np.array(sds)


def refine(detector: Detector, state: State, report: Report) -> Fine:
    """Narrow the grid round the posterior; something must have triggered."""
    times = np.asarray(state.trigger_s)
    who = np.flatnonzero(np.isfinite(times))
    size = bucket_size(len(who), smallest=64)
    core = detector.core
    rate = log_background(detector, state)
    arrays = (
        core.position,
        jnp.asarray(np.asarray(state.active) & ~np.isfinite(times), jnp.float32),
        jnp.asarray(pad_rows(np.asarray(core.position)[who], size)),
        jnp.asarray(pad_rows(times[who], size)),
        jnp.asarray(len(who)),
        rate,
        core.latency_s,
    )
    heard = np.asarray(core.position, np.float64)[who][:, :2], times[who], np.exp(float(rate))
    cause, believed = detector.causes[0], 1.0
    farthest = float(core.tables[0].rings[-2])
    deepest = float(np.max(np.asarray(cause.depth_km))) * 1.3
    box, support = _start(detector, report), _support(detector, state, deepest)
    axes, steps, joint, total = [], [], np.empty(0), np.empty(0)
    turned = np.zeros((2, 2))
    for number, cells in enumerate(GRIDS):
        finest = int(np.ceil(2 * box.half[3] / TIME_CELL_S))
        times = min(bucket_size(finest, smallest=cells[3]), MOST_TIMES)
        counts = (*cells[:3], times, cells[4] if cause.slowness_sd > 0 else 1)
        axes, steps = _axes(box, support, counts)
        east, north = np.meshgrid(axes[0], axes[1], indexing="ij")
        tables = _terms.tabulate(
            cause,
            east.ravel(),
            north.ravel(),
            cause.lead_s - axes[3],
            farthest,
            spacing_km=max(steps[:2]),
            slot_s=steps[3],
            depth_km=axes[2],
            log_depth=_log_depth(cause, axes[2], deepest),
            slowness=axes[4],
            log_slowness=_log_slowness(cause, axes[4], steps[4]),
        )
        across = counts[0] * np.hypot(*steps[:2])
        gaps = min(bucket_size(int(np.ceil(across / GAP_KM)), smallest=4), MOST_GAPS)
        total = np.asarray(_log_posterior(tables, *arrays, gaps=gaps), np.float64)
        # Nodes and, within them, slowness are the last axis.
        joint = np.exp(total - total.max()).reshape(*counts[:4], -1, counts[4])
        joint /= joint.sum()
        chance = joint.sum(axis=(0, 1, 2, 3, 5))
        joint = joint.sum(axis=4)
        means, sds = moments(joint, axes)
        if cause.slowness_lateral_sd > 0:
            turn = _lateral.shift(cause, chance, means, *heard)
            turned = cause.slowness_lateral_sd**2 * turn @ turn.T
            sds[:2] = np.hypot(sds[:2], np.sqrt(np.diag(turned)))
        if number == 0:
            cause, believed = _likely_nodes(cause, chance)
        box = _Box(means, REACH * sds + 0.5 * np.array(steps))
    if turned.any():
        joint = _lateral.smear(joint, steps, turned)
    log_sum = total.max() + np.log(np.exp(total - total.max()).sum()) - np.log(believed)
    # Prior mass of a cell against that of the whole coarse grid; a slot counts as one.
    places = len(axes[0]) * len(axes[1])
    log_sum += np.log(steps[0] * steps[1] * places / detector.area_km2)
    return Fine(axes, steps, joint, float(log_sum + np.log(steps[3] / detector.causes[0].slot_s)))
