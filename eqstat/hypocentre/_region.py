r"""Highest-density credible regions of an epicentre.

The density :math:`p` is that of the cells of a grid, bilinear between their centres; of a kernel
estimate of draws (`_kernel`), whose probabilities are counted in the draws; or of the normal
itself. The *credible level* of a point :math:`x` is the probability of all points that are denser,

.. math:: c(x) = \Pr\{p(X) > p(x)\},

and the credible region of probability :math:`q` holds the points with :math:`c(x) \le q`. For the
true epicentre :math:`c` is uniform on (0, 1) where the posterior is calibrated.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import contourpy
import numpy as np
import xarray as xr
from scipy.special import ndtr, ndtri

from eqstat._core.density import content_above, highest_density_level
from eqstat._core.errors import InputError
from eqstat._core.explain import Explained
from eqstat.geodesy import LocalFrame
from eqstat.hypocentre._check import GRID, NORMAL, PLACE, check, form_of, frame_of
from eqstat.hypocentre._form import weyl
from eqstat.hypocentre._kernel import Kernels, estimate

CORNERS = 73  # of an ellipse
# A normal error of the point is followed this many standard deviations beyond the grid.
REACH = 5.0
FINEST = 512


@dataclass(frozen=True)
class CredibleRegion(Explained):
    """A credible region of the epicentre.

    Attributes
    ----------
    probability
        Posterior probability inside.
    area_km2
        Area of the region.
    polygons
        Closed rings of (longitude, latitude), degrees, in one piece across the antimeridian. An
        outer ring runs anticlockwise and is followed by its holes, which run clockwise; a region
        of several parts has several outer rings.
    kind
        "highest density" or "normal ellipse".

    Examples
    --------
    >>> ring = np.array([[7.0, 46.0], [7.1, 46.0], [7.1, 46.1], [7.0, 46.1], [7.0, 46.0]])
    >>> region = CredibleRegion(0.9, 86.0, (ring,), "highest density")
    >>> region.contains(46.05, 7.05), region.contains(46.2, 7.05)
    (True, False)
    """

    probability: float
    area_km2: float
    polygons: tuple[np.ndarray, ...]
    kind: str

    def contains(self, latitude: float, longitude: float) -> bool:
        """Return whether a point lies inside (even-odd rule in local coordinates)."""
        if not self.polygons:
            return False
        rings = np.concatenate(self.polygons)
        frame = LocalFrame.around(rings[:, 1], rings[:, 0])
        x, y = (float(value) for value in frame.to_local(latitude, longitude))
        inside = False
        for ring in self.polygons:
            east, north = frame.to_local(ring[:, 1], ring[:, 0])
            crosses = (north[:-1] > y) != (north[1:] > y)
            with np.errstate(divide="ignore", invalid="ignore"):
                at = east[:-1] + (y - north[:-1]) / (north[1:] - north[:-1]) * np.diff(east)
            inside ^= bool(np.sum(crosses & (at > x)) % 2)
        return inside


class _Map(NamedTuple):
    """Probabilities of cells of an epicentre in a local frame, over (north, east)."""

    frame: LocalFrame
    east_km: np.ndarray
    north_km: np.ndarray
    mass: np.ndarray
    area_km2: np.ndarray


class _Normal(NamedTuple):
    """A normal epicentre in a local frame: mean (2,) and covariance (2, 2) of east and north."""

    frame: LocalFrame
    mean: np.ndarray
    covariance: np.ndarray


def local_draws(hypocentre: xr.Dataset) -> tuple[LocalFrame, np.ndarray, np.ndarray]:
    """Frame of checked draws, their places (2, n) and their weights (n,)."""
    frame = frame_of(hypocentre)
    latitude, longitude = (hypocentre[k].to_numpy().ravel() for k in ("latitude", "longitude"))
    places = np.stack(frame.to_local(latitude, longitude))
    size = places.shape[1]
    if "weight" not in hypocentre:
        return frame, places, np.full(size, 1 / size)
    return frame, places, hypocentre["weight"].to_numpy().ravel()


def _edges(hypocentre: xr.Dataset, name: str) -> np.ndarray:
    bounds = hypocentre[f"{name}_bounds"].to_numpy()
    return np.append(bounds[:, 0], bounds[-1, 1])


def _of_grid(hypocentre: xr.Dataset, point_sd_km: float) -> _Map:
    weight = hypocentre["weight"]
    others = [dim for dim in weight.dims if dim not in PLACE]
    mass = weight.sum(others).transpose(*PLACE).to_numpy()
    area = np.outer(*(np.diff(_edges(hypocentre, name)) for name in PLACE))
    axes = [hypocentre[name].to_numpy() for name in PLACE]
    density = _Map(frame_of(hypocentre), axes[1], axes[0], mass, area)
    return _blurred(density, point_sd_km) if point_sd_km > 0 else density


def _blurred(density: _Map, sd_km: float) -> _Map:
    """The density of the epicentre plus an independent normal error."""
    axes, moves = [], []
    for axis in (density.east_km, density.north_km):
        low, high = axis[0] - REACH * sd_km, axis[-1] + REACH * sd_km
        # Cells finer than the error, or its kernel would be a matter of where the cells lie.
        count = int(np.clip((high - low) / (0.5 * sd_km), len(axis), FINEST))
        edges = np.linspace(low, high, count + 1)
        centres = 0.5 * (edges[1:] + edges[:-1])
        axes.append(centres)
        moves.append(np.diff(ndtr((edges[:, None] - centres) / sd_km), axis=0))
    mass = _interpolate(*_rimmed(density), axes[0], axes[1][:, None])
    mass = moves[1] @ mass @ moves[0].T
    area = np.full(mass.shape, np.prod([axis[1] - axis[0] for axis in axes]))
    return _Map(density.frame, axes[0], axes[1], mass / mass.sum(), area)


def _of_draws(hypocentre: xr.Dataset, point_sd_km: float) -> Kernels | None:
    frame, places, weight = local_draws(hypocentre)
    if point_sd_km > 0:
        places = places + point_sd_km * ndtri(weyl(places.shape[1], 2))
    return estimate(frame, places, weight)


def _on_cells(density: Kernels) -> _Map:
    """Probabilities of cells, for the outline of a region and its area."""
    edges = density.edges()
    east, north = (0.5 * (edge[1:] + edge[:-1]) for edge in edges)
    area = np.outer(np.diff(edges[1]), np.diff(edges[0]))
    mass = density.evaluate(*np.meshgrid(east, north)) * area
    return _Map(density.frame, east, north, mass, area)


def _of_normal(hypocentre: xr.Dataset, point_sd_km: float) -> _Normal:
    frame, places, weight = local_draws(hypocentre)
    mean = places @ weight
    spread = (places - mean[:, None]) * weight @ (places - mean[:, None]).T
    return _Normal(frame, mean, spread + (point_sd_km**2 + 1e-12) * np.eye(2))


def _density(hypocentre: xr.Dataset, point_sd_km: float = 0.0) -> _Map | Kernels | _Normal | None:
    of = {GRID: _of_grid, NORMAL: _of_normal}.get(form_of(hypocentre), _of_draws)
    return of(hypocentre, point_sd_km)


def _probability(value: Any) -> float:
    if not isinstance(value, int | float | np.number) or not 0 < value < 1:
        raise InputError(f"probability must lie in (0, 1), not {value!r}")
    return float(value)


def credible_region(
    hypocentre: xr.Dataset | xr.DataTree, probability: float | int = 0.9
) -> CredibleRegion:
    """Return the highest-density credible region of the epicentre.

    Parameters
    ----------
    hypocentre
        Draws, grid or normal.
    probability
        Content of the region, in (0, 1).

    Returns
    -------
    CredibleRegion
        Of a grid, its area is that of the densest cells which together hold the probability; of
        draws, that of the places at least as dense, by a kernel estimate, as the draw above which
        they hold it, each draw judged by the others; of a normal, its ellipse. Draws along a line
        have no area and no polygon.

    Raises
    ------
    eqstat.InputError
        When the hypocentre or the probability cannot be used.

    References
    ----------
    Hyndman, R. J. (1996), Computing and graphing highest density regions, The American
    Statistician 50, 120-126, doi:10.1080/00031305.1996.10474359.

    Examples
    --------
    >>> from eqstat import hypocentre
    >>> from eqstat.geodesy import LocalFrame
    >>> normal = hypocentre.from_normal(LocalFrame(46.0, 7.0), [0, 0, 10, 0], np.eye(4))
    >>> region = credible_region(normal, 0.9)
    >>> round(region.area_km2, 2), region.kind
    (14.47, 'normal ellipse')
    """
    content = _probability(probability)
    density = _density(check(hypocentre))
    if density is None:
        return CredibleRegion(content, 0.0, (), "highest density")
    if isinstance(density, _Normal):
        radius2 = -2 * np.log1p(-content)  # chi-square with two degrees of freedom
        angle = np.linspace(0, 2 * np.pi, CORNERS)
        unit = np.column_stack([np.cos(angle), np.sin(angle)])
        ring = density.mean + np.sqrt(radius2) * unit @ np.linalg.cholesky(density.covariance).T
        area = float(np.pi * radius2 * np.sqrt(np.linalg.det(density.covariance)))
        return CredibleRegion(content, area, _geographic([[ring]], density.frame), "normal ellipse")
    if isinstance(density, Kernels):
        level = density.level(content)
        density = _on_cells(density)
    else:
        level = highest_density_level(density.mass, content, density.area_km2)
    inside = density.mass / density.area_km2 >= level
    area = float(np.sum(density.area_km2[inside]))
    east, north, values = _rimmed(density)
    generator = contourpy.contour_generator(
        east, north, values, fill_type=contourpy.FillType.OuterOffset
    )
    filled: Any = generator.filled(level * (1 - 1e-9), np.inf)
    parts = [
        [points[start:end] for start, end in pairwise(offsets)]
        for points, offsets in zip(*filled, strict=True)
    ]
    return CredibleRegion(content, area, _geographic(parts, density.frame), "highest density")


def _rimmed(density: _Map) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Nodes and densities with a rim of zeros, which closes rings at the edge of the grid."""
    axes = []
    for axis in (density.east_km, density.north_km):
        first, last = axis[1] - axis[0], axis[-1] - axis[-2]
        axes.append(np.concatenate([[axis[0] - first], axis, [axis[-1] + last]]))
    return axes[0], axes[1], np.pad(density.mass / density.area_km2, 1)


def _geographic(parts: list[list[np.ndarray]], frame: LocalFrame) -> tuple[np.ndarray, ...]:
    """Rings of (longitude, latitude), of each part the outer one first."""
    polygons = []
    for part in parts:
        start = None
        for ring in part:
            latitude, longitude = frame.to_geographic(ring[:, 0], ring[:, 1])
            # A ring that crosses the antimeridian stays in one piece, its holes beside it.
            longitude = np.degrees(np.unwrap(np.radians(longitude)))
            start = longitude[0] if start is None else start
            longitude += 360.0 * np.round((start - longitude[0]) / 360.0)
            polygons.append(np.column_stack([longitude, latitude]))
    return tuple(polygons)


def credible_level(
    hypocentre: xr.Dataset | xr.DataTree,
    latitude: Any,
    longitude: Any,
    *,
    point_sd_km: float | int = 0.0,
) -> Any:
    r"""Return the probability of the smallest credible region that holds a point.

    Parameters
    ----------
    hypocentre
        Draws, grid or normal.
    latitude, longitude
        Degrees; one point or arrays of points.
    point_sd_km
        Standard deviation, in each direction, of a normal error of the point itself (such as of a
        catalogue's epicentre): the posterior is convolved with it.

    Returns
    -------
    float or numpy.ndarray
        In [0, 1]; 1 where the posterior has no mass.

    Examples
    --------
    >>> from eqstat import hypocentre
    >>> from eqstat.geodesy import LocalFrame
    >>> normal = hypocentre.from_normal(LocalFrame(46.0, 7.0), [0, 0, 10, 0], np.eye(4))
    >>> round(credible_level(normal, 46.0, 7.02), 2)
    0.7
    """
    if not (np.isfinite(point_sd_km) and point_sd_km >= 0):
        raise InputError(f"point_sd_km must be at least 0, not {point_sd_km!r}")
    density = _density(check(hypocentre), float(point_sd_km))
    points = np.broadcast_arrays(np.asarray(latitude, float), np.asarray(longitude, float))
    if density is None:
        level = np.ones(points[0].shape)
    else:
        east, north = density.frame.to_local(*points)
        if isinstance(density, _Normal):
            offset = np.stack([east - density.mean[0], north - density.mean[1]])
            squared = np.sum(offset * np.tensordot(np.linalg.inv(density.covariance), offset, 1), 0)
            level = -np.expm1(-0.5 * squared)
        elif isinstance(density, Kernels):
            level = density.content_above(density.evaluate(east, north))
        else:
            value = _interpolate(*_rimmed(density), east, north)
            level = content_above(value, density.mass, density.area_km2)
    return level if np.ndim(level) else float(level)


def _interpolate(
    east_km: np.ndarray, north_km: np.ndarray, values: np.ndarray, x: Any, y: Any
) -> np.ndarray:
    """Bilinear interpolation of values over (north, east); 0 beyond the nodes."""
    x, y = np.broadcast_arrays(x, y)
    parts, lows, inside = [], [], np.ones(x.shape, bool)
    for axis, at in ((east_km, x), (north_km, y)):
        low = np.clip(np.searchsorted(axis, at, side="right") - 1, 0, len(axis) - 2)
        lows.append(low)
        parts.append((at - axis[low]) / (axis[low + 1] - axis[low]))
        inside &= (at >= axis[0]) & (at <= axis[-1])
    (i, j), (a, b) = lows, parts
    lower = (1 - a) * values[j, i] + a * values[j, i + 1]
    upper = (1 - a) * values[j + 1, i] + a * values[j + 1, i + 1]
    return np.where(inside, (1 - b) * lower + b * upper, 0.0)


def contains(
    hypocentre: xr.Dataset | xr.DataTree,
    latitude: Any,
    longitude: Any,
    probability: float | int = 0.9,
) -> Any:
    """Return whether the credible region of a probability holds a point.

    Parameters
    ----------
    hypocentre
        Draws, grid or normal.
    latitude, longitude
        Degrees; one point or arrays of points.
    probability
        Content of the region, in (0, 1).

    Returns
    -------
    bool or numpy.ndarray of bool

    Examples
    --------
    >>> from eqstat import hypocentre
    >>> from eqstat.geodesy import LocalFrame
    >>> normal = hypocentre.from_normal(LocalFrame(46.0, 7.0), [0, 0, 10, 0], np.eye(4))
    >>> contains(normal, 46.0, 7.02, 0.9), contains(normal, 46.0, 7.02, 0.5)
    (True, False)
    """
    content = _probability(probability)
    inside = credible_level(hypocentre, latitude, longitude) <= content
    return inside if np.ndim(inside) else bool(inside)
