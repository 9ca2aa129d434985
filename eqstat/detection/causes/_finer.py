"""Nuisance nodes of the fine grids: the likely ones of the coarse grid, and finer ones."""

from __future__ import annotations

import equinox as eqx
import numpy as np

from eqstat.detection.causes._cause import Cause, Nodes
from eqstat.detection.causes._default import magnitude_nodes
from eqstat.detection.causes._magnitude import Apparent, share_edges
from eqstat.inference import bucket_size

# Nodes are kept until they hold this much of the posterior.
KEPT = 0.999
# Cells of the apparent magnitude and of the share of able devices, without an excess and with one.
FINER = ((8, 4), (4, 4))


def likely(cause: Cause, probability: np.ndarray) -> tuple[Cause, float]:
    """Drop the unlikely nodes of a cause; return the probability of those that are kept, too."""
    order = np.argsort(probability)[::-1]
    enough = 1 + int(np.sum(np.cumsum(probability[order]) < KEPT))
    # Powers of two, so that few shapes are compiled.
    best = np.sort(order[: bucket_size(enough, smallest=4)])
    nodes = Nodes(*(np.asarray(array)[best] for array in cause.nodes))
    kept = eqx.tree_at(lambda c: c.nodes, cause, nodes)
    if cause.apparent is not None:
        apparent = Apparent(*(np.asarray(array)[best] for array in cause.apparent))
        kept = eqx.tree_at(lambda c: c.apparent, kept, apparent)
    return kept, float(probability[best].sum())


def finer(cause: Cause, probability: np.ndarray) -> Cause:
    """Divide the likely range of apparent magnitude and share of able devices into finer cells.

    Hundreds of devices determine both much better than the few cells of a step.
    """
    model, likely_ones = cause.magnitudes, likely(cause, probability)[0]
    apparent, nodes = likely_ones.apparent, likely_ones.nodes
    assert model is not None and apparent is not None and cause.apparent is not None
    first, last = np.argmin(apparent.low), np.argmax(apparent.high)
    # Neighbouring cells may hold what the others hide; the outermost cells have no end.
    step = np.diff(model.strength(model.cells(len(np.unique(cause.apparent.low))).magnitude)).mean()
    middle = model.strength(np.array([apparent.magnitude[first], apparent.magnitude[last]]))
    inner = model.magnitude_of(middle + step * np.array([-1, 1]))
    low = -np.inf if np.isinf(apparent.low[first]) else inner[0]
    high = np.inf if np.isinf(apparent.high[last]) else inner[1]
    angle = np.arcsin(np.sqrt(np.asarray(nodes.second)))
    # A node stands for a cell of about a quarter of the arc to both sides.
    ends = np.clip([angle.min() - np.pi / 8, angle.max() + np.pi / 8], 0.0, np.pi / 2)
    share_low, share_high = np.sin(ends) ** 2
    of_excess = np.unique(np.asarray(cause.nodes.excess_h))
    prior = [np.asarray(cause.nodes.weight)[cause.nodes.excess_h == e].sum() for e in of_excess]
    parts = []
    for excess_h, part, (magnitudes, shares) in zip(of_excess, prior, FINER, strict=False):
        edges = model.between(inner[0], inner[1], magnitudes)
        edges[0], edges[-1] = low, high
        of_share = [share_edges(shares, share_low, share_high)] * magnitudes
        parts.append((model.cells_of(edges), of_share, float(part), float(excess_h)))
    made = magnitude_nodes(model, parts, delay_s=float(nodes.delay_s[0]), sd_s=float(nodes.sd_s[0]))
    return eqx.tree_at(lambda c: (c.nodes, c.apparent), cause, made)
