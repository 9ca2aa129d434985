"""Quadratic splines for travel-time tables: fitted on the host, kept as control points.

The fit is by tensor-product B-splines of degree two: once continuously differentiable inside,
merely continuous across the depths of a jump in velocity. For evaluation it is rewritten in the
control points of its cells, so that a cell needs a 3 x 3 block of numbers and no knots, and the
cell is found by arithmetic, because the edges are uniform in a few segments.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array
from numpy.typing import NDArray

__all__ = ["Axis", "basis", "control_points", "fit", "locate", "sample_points"]

_Floats = NDArray[np.float64]
# Places within a cell where the fit looks: denser near the ends, as for Chebyshev points.
_PLACES = 0.5 - 0.5 * np.cos(np.pi * (np.arange(5) + 0.5) / 5.0)


class Axis(NamedTuple):
    """Cells of equal width in each of a few segments; hashable."""

    starts: tuple[float, ...]  # start of each segment
    widths: tuple[float, ...]  # width of the cells of each segment
    counts: tuple[int, ...]  # number of cells of each segment
    breaks: tuple[float, ...] = ()  # edges where the derivative may jump

    @classmethod
    def of(cls, pieces: Sequence[tuple[float, float, float]], breaks: Sequence[float] = ()) -> Axis:
        """Build an axis from (start, end, widest cell) of each segment."""
        counts = tuple(max(1, int(np.ceil((b - a) / w - 1e-9))) for a, b, w in pieces)
        widths = tuple((b - a) / n for (a, b, _), n in zip(pieces, counts, strict=True))
        return cls(tuple(a for a, _, _ in pieces), widths, counts, tuple(breaks))

    @property
    def end(self) -> float:
        """End of the last segment."""
        return self.starts[-1] + self.widths[-1] * self.counts[-1]

    @property
    def size(self) -> int:
        """Number of cells."""
        return sum(self.counts)

    def edges(self) -> _Floats:
        """All edges of cells, `size + 1` of them."""
        parts = [
            a + w * np.arange(n)
            for a, w, n in zip(self.starts, self.widths, self.counts, strict=True)
        ]
        return np.append(np.concatenate(parts), self.end)


def sample_points(axis: Axis) -> _Floats:
    """Points at which `fit` wants the function, increasing."""
    edge = axis.edges()
    return (edge[:-1, None] + np.diff(edge)[:, None] * _PLACES).ravel()


def basis(axis: Axis, x: _Floats) -> _Floats:
    """Values of the B-splines of an axis at points, (points, splines)."""
    from scipy.interpolate import BSpline  # slow to import, and only tables need it

    edge = axis.edges()
    inner = edge[1:-1]
    double = [e for e in inner if any(abs(e - b) < 1e-6 for b in axis.breaks)]
    knots = np.sort(np.concatenate([[edge[0]] * 3, inner, double, [edge[-1]] * 3]))
    return BSpline.design_matrix(np.clip(x, edge[0], edge[-1]), knots, 2).toarray()


def fit(depth: Axis, distance: Axis, function: Callable[[float, _Floats], _Floats]) -> _Floats:
    """Least-squares coefficients of `function(depth, distances)`, (depth splines, ..., splines).

    `function` returns (..., distances) for one depth.
    """
    along = np.linalg.pinv(basis(distance, sample_points(distance)))
    rows = [
        np.asarray(function(float(z), sample_points(distance))) @ along.T
        for z in sample_points(depth)
    ]
    down = np.linalg.pinv(basis(depth, sample_points(depth)))
    return np.tensordot(down, np.array(rows), axes=1)


def control_points(axis: Axis) -> _Floats:
    """Matrix from coefficients to control points, (2 * size + 1, splines).

    Cell i has the points 2i, 2i + 1, 2i + 2 and the weights (1 - t)^2, 2t(1 - t), t^2.
    """
    edge = axis.edges()
    at_edge = basis(axis, edge)
    at_middle = basis(axis, 0.5 * (edge[:-1] + edge[1:]))
    points = np.empty((2 * axis.size + 1, at_edge.shape[1]))
    points[0::2] = at_edge
    points[1::2] = 2.0 * at_middle - 0.5 * (at_edge[:-1] + at_edge[1:])
    return points


def locate(axis: Axis, x: Array) -> tuple[Array, Array, Array]:
    """Index of the cell, place in it (from 0 to 1; beyond the end more), and 1 / its width."""
    place = x * (1.0 / axis.widths[0]) - axis.starts[0] / axis.widths[0]
    rate = jnp.full_like(x, 1.0 / axis.widths[0])
    first = axis.counts[0]
    for start, w, count in zip(axis.starts[1:], axis.widths[1:], axis.counts[1:], strict=True):
        inside = x >= start
        place = jnp.where(inside, first + (x - start) * (1.0 / w), place)
        rate = jnp.where(inside, 1.0 / w, rate)
        first += count
    # `floor` has no derivative; the place in the cell carries it all. Clipped as an integer, so
    # that not even NaN points out of the table.
    cell = jnp.clip(jnp.floor(place).astype(jnp.int32), 0, axis.size - 1)
    return cell, place - cell.astype(place.dtype), rate
