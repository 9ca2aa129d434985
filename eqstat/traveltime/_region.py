"""Credible regions of an epicentre as polygons: of a grid, of draws, of a normal."""

from __future__ import annotations

from dataclasses import dataclass

import contourpy
import numpy as np

from eqstat.geodesy import LocalFrame
from eqstat.inference import highest_density_level

CELLS = 72
KERNELS = 4000
# Below Scott's rule: a kernel widens the region by about its square.
BANDWIDTH = 0.17


@dataclass(frozen=True)
class Region:
    """A credible region of the epicentre.

    Attributes
    ----------
    probability
        Posterior probability inside.
    area_km2
        Area of the region.
    polygons
        Closed rings of (longitude, latitude), outer rings and holes as they come; in GeoJSON
        order, degrees. A region of several parts has several.
    kind
        "highest density" or "normal ellipse".
    """

    probability: float
    area_km2: float
    polygons: tuple[np.ndarray, ...]
    kind: str

    def contains(self, latitude: float, longitude: float) -> bool:
        """Whether a point lies inside (even-odd rule in local coordinates)."""
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


def _geographic(rings: list[np.ndarray], frame: LocalFrame) -> tuple[np.ndarray, ...]:
    polygons = []
    for ring in rings:
        latitude, longitude = frame.to_geographic(ring[:, 0], ring[:, 1])
        # Keep a ring that crosses the antimeridian in one piece.
        longitude = np.degrees(np.unwrap(np.radians(longitude)))
        polygons.append(np.column_stack([longitude, latitude]))
    return tuple(polygons)


def from_density(
    east_km: np.ndarray,
    north_km: np.ndarray,
    mass: np.ndarray,
    area_km2: np.ndarray,
    probability: float,
    frame: LocalFrame,
) -> Region:
    """Highest-density region of cell masses (north, east) with cell areas of that shape."""
    level = highest_density_level(mass, probability, area_km2)
    density = mass / area_km2
    # A rim of zeros closes rings at the edge of the grid.
    rim = np.pad(density, 1)
    x = np.concatenate([[2 * east_km[0] - east_km[1]], east_km, [2 * east_km[-1] - east_km[-2]]])
    y = np.concatenate(
        [[2 * north_km[0] - north_km[1]], north_km, [2 * north_km[-1] - north_km[-2]]]
    )
    rings = contourpy.contour_generator(x, y, rim).lines(level * (1 - 1e-9))
    rings = [np.asarray(ring) for ring in rings if len(ring) > 3]
    inside = density >= level
    return Region(
        probability, float(np.sum(area_km2[inside])), _geographic(rings, frame), "highest density"
    )


def from_draws(
    east_km: np.ndarray, north_km: np.ndarray, probability: float, frame: LocalFrame
) -> Region:
    """Highest-density region of draws, by a kernel density estimate.

    The kernel works on the inverse hyperbolic sine of the distance from the median over its
    spread, as the grid's axes do: one bandwidth then serves the peak and a long tail.
    """
    from scipy.stats import gaussian_kde  # slow to import, and only draws need it

    points = np.stack([np.ravel(east_km), np.ravel(north_km)]).astype(np.float64)
    middle = np.median(points, axis=1, keepdims=True)
    scale = 2 * np.median(np.abs(points - middle), axis=1, keepdims=True)
    if np.any(scale == 0):
        return Region(probability, 0.0, (), "highest density")
    stretched = np.arcsinh((points - middle) / scale)
    thin = max(1, points.shape[1] // KERNELS)
    kernel = gaussian_kde(stretched[:, ::thin], bw_method=BANDWIDTH)
    edges = []
    for row in stretched:
        low, high = (float(value) for value in np.quantile(row, [0.001, 0.999]))
        edges.append(np.linspace(low - 0.5, high + 0.5, CELLS + 1))
    centres = [0.5 * (edge[1:] + edge[:-1]) for edge in edges]
    kilometres = [middle[i] + scale[i] * np.sinh(centres[i]) for i in (0, 1)]
    widths = [np.diff(scale[i] * np.sinh(edges[i])) for i in (0, 1)]
    u, v = np.meshgrid(*centres)
    mass = kernel(np.stack([u.ravel(), v.ravel()])).reshape(u.shape)
    area = np.outer(widths[1], widths[0])
    return from_density(kilometres[0], kilometres[1], mass / mass.sum(), area, probability, frame)


def from_normal(
    centre_km: np.ndarray, covariance_km2: np.ndarray, probability: float, frame: LocalFrame
) -> Region:
    """Ellipse of a normal approximation; empty where the covariance is not defined."""
    if not np.all(np.isfinite(covariance_km2)):
        return Region(probability, float("nan"), (), "normal ellipse")
    radius2 = -2 * np.log1p(-probability)
    factor = np.linalg.cholesky(covariance_km2 + 1e-12 * np.eye(2))
    angle = np.linspace(0, 2 * np.pi, 73)
    ring = centre_km + np.sqrt(radius2) * np.column_stack([np.cos(angle), np.sin(angle)]) @ factor.T
    area = np.pi * radius2 * np.sqrt(np.linalg.det(covariance_km2))
    return Region(probability, float(area), _geographic([ring], frame), "normal ellipse")
