r"""Depth and origin time from the coordinates of the fine grid.

The fine grid has the coordinates that triggers determine independently of each other: instead of
the origin time $t_0$ the arrival of the first phase at the epicentre, and instead of the depth z
the apparent depth $z'$ (both with the factor $\kappa$ on the travel times T),

.. math:: a = t_0 + \kappa T(0, z) + \delta, \qquad z' = \kappa z,

where $\delta$ is the departure of the common delay of the devices from its mean.
"""

from __future__ import annotations

import numpy as np

from eqstat.detection.causes._cause import Cause

# Points within a cell of arrival and of depth over which the origin time is spread.
WITHIN_TIME, WITHIN_DEPTH = 5, 3
# The axis of origin times holds all but this of the prior of the common delay on each side.
TAIL = 1e-4
CELL_S, MAX_ORIGINS = 0.25, 96
DEPTHS, STRETCH_KM = 15, 20.0


def depth_edges(low_km: float, high_km: float, count: int) -> np.ndarray:
    """Edges of cells equally wide in log(depth + 20 km): the prior falls with depth."""
    return np.geomspace(low_km + STRETCH_KM, high_km + STRETCH_KM, count + 1) - STRETCH_KM


def with_origins(
    cause: Cause,
    joint: np.ndarray,
    arrival_s: np.ndarray,
    step_s: float,
    apparent_edges_km: np.ndarray,
    slowness: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, float]:
    """Turn the axis of arrivals of a grid into one of origin times.

    The data depend on the arrival alone, so that the posterior of the common delay is its prior.

    Parameters
    ----------
    cause
        The earthquake.
    joint
        Probabilities of the cells of east, north, apparent depth, arrival and slowness.
    arrival_s, step_s
        Centres of the cells of the arrival, and their width.
    apparent_edges_km
        Edges of the cells of apparent depth.
    slowness
        Factors on the travel times.

    Returns
    -------
    joint, origin_s, step_s
        The same with origin times for the arrivals, their centres and width.
    """
    delay = cause.delay_departure
    middle = (apparent_edges_km[1:] + apparent_edges_km[:-1]) / 2
    depth = middle[:, None] + np.diff(apparent_edges_km)[:, None] * _points(WITHIN_DEPTH)
    depth = depth / slowness[:, None, None]
    vertical = slowness[:, None, None] * cause.vertical_s(depth)  # slowness, depths, points
    half = step_s / 2
    # Cells without weight do not stretch the axis.
    weight = joint.sum(axis=(0, 1))  # depths, arrivals, slowness
    by_depth, by_arrival = weight.sum(axis=1).T, weight.sum(axis=(0, 2))
    depths = vertical[by_depth > 0.01 * TAIL * by_depth.max()]
    arrivals = arrival_s[by_arrival > 0.01 * TAIL * by_arrival.max()]
    early, late = (float(delay.ppf(q)) for q in (TAIL, 1 - TAIL))
    low = arrivals[0] - half - depths.max() - late
    high = arrivals[-1] + half - depths.min() - early
    cells = int(np.clip(np.ceil((high - low) / CELL_S), len(arrival_s), MAX_ORIGINS))
    edges = np.linspace(low, high, cells + 1)
    after = arrival_s[:, None] + step_s * _points(WITHIN_TIME)
    latest = after.ravel() - vertical[..., None]  # slowness, depths, points, arrivals x points
    # The distribution function of SciPy takes a second for so many values: interpolate a table.
    table = np.linspace(early - TAIL, late + TAIL, 500)
    above = np.interp(latest[..., None] - edges, table, delay.cdf(table), left=0.0, right=1.0)
    share = (above[..., :-1] - above[..., 1:]).reshape(
        *vertical.shape, len(arrival_s), WITHIN_TIME, cells
    )
    share = share.mean(axis=(2, 4))  # slowness, depths, arrivals, origins
    turned = np.einsum("xyzak,kzao->xyzok", joint, share, optimize=True)
    return turned / turned.sum(), (edges[1:] + edges[:-1]) / 2, float((high - low) / cells)


def with_depths(
    joint: np.ndarray,
    apparent_edges_km: np.ndarray,
    slowness: np.ndarray,
    edges: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Turn the axis of apparent depths of a grid into one of depths; return its edges, too."""
    ends = apparent_edges_km[:, None] / slowness
    if edges is None:
        weight = joint.sum(axis=(0, 1, 3))  # depths, slowness
        used = weight > 0.01 * TAIL * weight.max()
        edges = depth_edges(ends[:-1][used].min(), ends[1:][used].max(), DEPTHS)
    # The part of each cell of apparent depth that lies within each cell of depth.
    low = np.maximum(ends[:-1, :, None], edges[:-1])
    high = np.minimum(ends[1:, :, None], edges[1:])
    share = np.maximum(high - low, 0.0) / (ends[1:] - ends[:-1])[..., None]
    turned = np.einsum("xyatk,akz->xyztk", joint, share, optimize=True)
    return turned / turned.sum(), edges


def _points(count: int) -> np.ndarray:
    """Middles of equal parts of a cell, in units of its width about its centre."""
    return (np.arange(count) + 0.5) / count - 0.5
