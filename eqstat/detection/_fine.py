"""Posterior of the hypocentre on a fine grid that is narrowed to the mass of the posterior.

The coarse grid of the steps has cells of kilometres and slots of a second; with hundreds of
triggers none of its hypocentres fits well. Three grids are evaluated one after the other, each over
a few standard deviations of the posterior on the one before. Triggers are interpolated on rings of
their own (`_terms.about_device`), silent devices on those of the cause.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from eqstat._core.constants import HALF_LOG_2PI
from eqstat.detection import _coordinates, _lateral, _terms
from eqstat.detection._detector import Detector
from eqstat.detection._sequential import log_background
from eqstat.detection._state import Report, State, remembered_slots
from eqstat.detection.causes._cause import Cause
from eqstat.detection.causes._finer import finer, likely
from eqstat.detection.causes._tables import Tables, tabulate
from eqstat.inference import bucket_size, pad_rows

# Cells along east, north, apparent depth, arrival and slowness (`_coordinates`) of the three grids.
GRIDS = ((9, 9, 5, 7, 3), (11, 11, 7, 11, 3), (17, 17, 9, 11, 5))
# Arrival times are doubled up to twice where their cells would be wider than this, s. Place and
# slowness trade off against arrival time along a narrow ridge; with wide cells of time only those
# cells that happen to lie on the ridge would get weight.
TIME_CELL_S, MAX_TIMES = (0.8, 0.4, 0.4), 44
# A grid extends this many standard deviations of the posterior to both sides.
REACH = 3.5
MIN_SPACING_KM, MIN_SPACING_S, MIN_SLOWNESS = 0.25, 0.1, 0.002
# Spacing of the rings about a trigger, km; their number is a power of two, at most MAX_GAPS.
GAP_KM, MAX_GAPS = 2.0, 64


class Fine(NamedTuple):
    """Posterior on the last grid; of `narrowed` in the coordinates of `_coordinates`.

    Attributes
    ----------
    axes
        Centres of the cells: east, north, depth (km), origin time less the present (s), slowness.
    steps
        Widths of the cells; that of depth is a mean.
    depth_edges_km
        Edges of the cells of depth.
    joint
        Probabilities of the cells, one axis for each of these.
    log_sum
        Log of prior times likelihood ratio, summed over the grid, in the units of the coarse
        grid's sum: the log Shiryaev-Roberts statistic.
    magnitude
        Probabilities of the cells of east, north, depth and magnitude, of `narrowed` with the
        slowness before the magnitude; None where the earthquake has no magnitudes.
    """

    axes: list[np.ndarray]
    steps: list[float]
    depth_edges_km: np.ndarray
    joint: np.ndarray
    log_sum: float
    magnitude: np.ndarray | None = None


class _Box(NamedTuple):
    """Centre and half width of a grid along its axes."""

    centre: np.ndarray
    half_width: np.ndarray


@partial(jax.jit, static_argnames="gaps")
def _log_posterior(
    tables: Tables,
    position: Array,
    is_silent: Array,
    trigger_position: Array,
    trigger_s: Array,
    peak: Array,
    count: Array,
    log_rate: Array,
    latency_s: Array,
    *,
    gaps: int,
) -> Array:
    """Log posterior of the grid's cells; trigger times are relative to the present."""
    places, depths, slots, nodes = tables.shape
    silent = _terms.ring_counts(tables, position, is_silent)

    def add(index: Array, total: Array) -> Array:
        near, weight = _terms.about_device(tables, trigger_position[index], gaps)
        after = trigger_s[index] + tables.age
        terms = partial(
            _terms.trigger_terms, near, after, log_rate, (peak[0, index], peak[1, index])
        )
        return total + _terms.at_places(weight, terms)

    no_evidence = jnp.zeros((places, depths * slots * nodes), jnp.float32)
    total = jax.lax.fori_loop(0, count, add, no_evidence)
    return _terms.log_posterior(tables, total, silent, tables.age - latency_s)


def _start(detector: Detector, report: Report) -> _Box:
    """Box about the coarse posterior, widened by its cells."""
    cause, tables = detector.causes[0], detector.core.tables[0]
    means = [report.east_km, report.north_km, report.depth_km, report.arrival_s, 1.0]
    sds = np.array([*np.asarray(report.sd_km), float(report.arrival_sd_s), cause.slowness_sd])
    depth = np.asarray(cause.depth_km, np.float64)
    depth_cell = 0.0
    if len(depth) > 1:
        depth_cell = float(np.interp(float(report.depth_km), depth, np.gradient(depth)))
    place_cell = (detector.area_km2 / len(tables.place)) ** 0.5
    cell = np.array([place_cell, place_cell, depth_cell, cause.slot_s, 0.0])
    half_width = REACH * np.hypot(sds, 0.6 * cell)
    half_width[4] = 2.25 * cause.slowness_sd
    return _Box(np.array([float(mean) for mean in means]), half_width)


def _support(detector: Detector, state: State) -> np.ndarray:
    """Support of the prior along the axes, (5, 2)."""
    low, high = detector.extent_km[0]
    cause = detector.causes[0]
    deepest = cause.greatest_depth_km
    newest = np.floor(state.now_s / cause.slot_s) * cause.slot_s - state.now_s
    # A slot represents the starting times within half its length.
    last = newest + cause.lead_s + cause.slot_s / 2
    first = last - remembered_slots(detector)[0] * cause.slot_s
    slowness = np.exp(4 * cause.slowness_sd * np.array([-1, 1]))
    deepest *= slowness[1]
    return np.array([[low[0], high[0]], [low[1], high[1]], [0.0, deepest], [first, last], slowness])


def _axes(
    box: _Box, support: np.ndarray, counts: tuple[int, ...]
) -> tuple[list[np.ndarray], list[float], np.ndarray]:
    """Centres and widths of the cells of a box, clipped to the support; edges of the depths."""
    min_step = [*np.full(3, MIN_SPACING_KM), MIN_SPACING_S, MIN_SLOWNESS]
    axes, steps, depth_edges = [], [], np.empty(0)
    for i, count in enumerate(counts):
        half_width = max(box.half_width[i], min_step[i] * count / 2)
        centre = np.clip(box.centre[i], *support[i])
        low = max(centre - half_width, support[i, 0])
        high = min(centre + half_width, support[i, 1])
        steps.append(float(high - low) / count)
        axes.append(low + steps[-1] * (np.arange(count) + 0.5))
        if i == 2:
            depth_edges = _coordinates.depth_edges(low, high, count)
            axes[2] = (depth_edges[1:] + depth_edges[:-1]) / 2
    return axes, steps, depth_edges


def _log_depth(cause: Cause, edges_km: np.ndarray, slowness: np.ndarray) -> np.ndarray:
    """Log prior of cells of apparent depth: the density of the coarse depths, interpolated."""
    coarse = np.asarray(cause.depth_km, np.float64)
    width = np.gradient(coarse) if len(coarse) > 1 else np.ones(1)
    deepest = cause.greatest_depth_km

    def density(values: np.ndarray) -> np.ndarray:
        return np.interp(values, coarse, np.asarray(cause.depth_weight) / width)

    whole = np.linspace(0.0, deepest, 400)
    middle = (edges_km[1:] + edges_km[:-1])[:, None] / 2 / slowness
    mass = density(middle) * np.diff(edges_km)[:, None] / slowness
    mass = np.where(middle < deepest, mass, 1e-300)
    return np.log(mass / np.trapezoid(density(whole), whole))


def _log_slowness(cause: Cause, values: np.ndarray, step: float) -> np.ndarray:
    """Log prior of cells of the factor on the travel times, log-normal."""
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
    """Evaluate the posterior on grids that narrow; at least one device must have triggered."""
    fine = narrowed(detector, state, report)
    axes, steps, joint = list(fine.axes), list(fine.steps), fine.joint
    joint, axes[3], steps[3] = _coordinates.with_origins(
        detector.causes[0], joint, axes[3], steps[3], fine.depth_edges_km, axes[4]
    )
    joint, edges = _coordinates.with_depths(joint, fine.depth_edges_km, axes[4])
    magnitude = fine.magnitude
    if magnitude is not None:
        magnitude, _ = _coordinates.with_depths(
            np.moveaxis(magnitude, 4, 3), fine.depth_edges_km, axes[4], edges
        )
        magnitude = magnitude.sum(axis=4)
    axes[2], steps[2] = (edges[1:] + edges[:-1]) / 2, float(np.diff(edges).mean())
    return Fine(axes, steps, edges, joint, fine.log_sum, magnitude)


def narrowed(detector: Detector, state: State, report: Report) -> Fine:
    """Return the last grid with apparent depths and arrivals for depths and origin times."""
    trigger_s = np.asarray(state.trigger_s)
    triggered = np.flatnonzero(np.isfinite(trigger_s))
    size = bucket_size(len(triggered), smallest=64)
    core = detector.core
    log_rate = log_background(detector, state)
    arrays = (
        core.position,
        jnp.asarray(np.asarray(state.active) & ~np.isfinite(trigger_s), jnp.float32),
        jnp.asarray(pad_rows(np.asarray(core.position)[triggered], size)),
        jnp.asarray(pad_rows(trigger_s[triggered], size)),
        jnp.asarray(pad_rows(np.asarray(state.peak).T[triggered], size).T),
        jnp.asarray(len(triggered)),
        log_rate,
        core.latency_s,
    )
    trigger_km = np.asarray(core.position, np.float64)[triggered][:, :2]
    triggers = trigger_km, trigger_s[triggered], np.exp(float(log_rate))
    cause, kept_probability = detector.causes[0], 1.0
    farthest = float(core.tables[0].rings[-2])
    box, support = _start(detector, report), _support(detector, state)
    axes, steps, depth_edges, joint, total = [], [], np.empty(0), np.empty(0), np.empty(0)
    magnitude = None
    lateral_km2 = np.zeros((2, 2))
    for number, cells in enumerate(GRIDS):
        wanted_times = int(np.ceil(2 * box.half_width[3] / TIME_CELL_S[number]))
        times = min(bucket_size(wanted_times, smallest=cells[3]), MAX_TIMES)
        counts = (*cells[:3], times, cells[4] if cause.slowness_sd > 0 else 1)
        axes, steps, depth_edges = _axes(box, support, counts)
        east, north = np.meshgrid(axes[0], axes[1], indexing="ij")
        tables = tabulate(
            cause,
            east.ravel(),
            north.ravel(),
            cause.lead_s - axes[3],
            farthest,
            spacing_km=max(steps[:2]),
            slot_s=steps[3],
            depth_km=axes[2],
            depth_width_km=np.diff(depth_edges),
            log_depth=_log_depth(cause, depth_edges, axes[4]),
            slowness=axes[4],
            log_slowness=_log_slowness(cause, axes[4], steps[4]),
        )
        diagonal_km = counts[0] * np.hypot(*steps[:2])
        gaps = min(bucket_size(int(np.ceil(diagonal_km / GAP_KM)), smallest=4), MAX_GAPS)
        total = np.asarray(_log_posterior(tables, *arrays, gaps=gaps), np.float64)
        # The last axis holds the nodes and, varying fastest, the slowness factors.
        joint = np.exp(total - total.max()).reshape(*counts[:4], -1, counts[4])
        joint /= joint.sum()
        of_nodes = np.moveaxis(joint.sum(axis=3), 3, 4)
        node_probability = of_nodes.sum(axis=(0, 1, 2, 3))
        joint = joint.sum(axis=4)
        means, sds = moments(joint, axes)
        if cause.slowness_lateral_sd > 0:
            depth = means[2] / means[4]
            origin = means[3] - means[4] * float(cause.vertical_s(depth))
            centre = np.array([*means[:2], depth, origin, means[4]])
            shift = _lateral.shift(cause, node_probability, centre, *triggers)
            lateral_km2 = cause.slowness_lateral_sd**2 * shift @ shift.T
            sds[:2] = np.hypot(sds[:2], np.sqrt(np.diag(lateral_km2)))
        magnitude = None
        if cause.magnitudes is not None and cause.apparent is not None:
            magnitude = of_nodes @ cause.magnitudes.given(cause.apparent)[1]
        if number == 0 and magnitude is not None:
            cause = finer(cause, node_probability)
        elif number == (0 if magnitude is None else 1):
            cause, kept_probability = likely(cause, node_probability)
        box = _Box(means, REACH * sds + 0.5 * np.array(steps))
    if lateral_km2.any():
        joint = _lateral.smear(joint, steps, lateral_km2)
        if magnitude is not None:
            magnitude = _lateral.smear(magnitude, steps, lateral_km2)
    log_sum = total.max() + np.log(np.exp(total - total.max()).sum()) - np.log(kept_probability)
    # The coarse sum has a uniform prior over its whole area and weight 1 for each slot: rescale by
    # the area and the length of time that the fine grid covers with its own normalised weights.
    places = len(axes[0]) * len(axes[1])
    log_sum += np.log(steps[0] * steps[1] * places / detector.area_km2)
    log_sum += np.log(steps[3] / cause.slot_s)
    return Fine(axes, steps, depth_edges, joint, float(log_sum), magnitude)
