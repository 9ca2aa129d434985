r"""Density of an epicentre from draws, and the probability that lies where it is higher.

Coordinates are stretched by the inverse hyperbolic sine of the distance from the median over the
spread, so that one bandwidth serves a peak and its long tail. The kernel has the shape of the
scatter of neighbours, which two far modes or a ring leave as it is; its bandwidth maximises the
cross-validated likelihood of the draws. Each draw is ranked by the density that the *others*
give it: its own kernel would make it seem to lie in a denser place than a new epicentre from the
same posterior does. The region of probability :math:`q` so holds :math:`q` of new epicentres
whatever the shape of the posterior; only its area depends on how good the estimate is.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.spatial import KDTree
from scipy.spatial.distance import cdist

from eqstat.geodesy import LocalFrame

# Beyond these, draws are thinned: of the estimate, and of the choice of its bandwidth.
KERNELS = 4000
CHOOSERS = 1000
# Range of the bandwidth over the scatter of neighbours.
BANDWIDTHS = (0.03, 10.0)
BLOCK = 1000  # places whose distances from all draws are held at once
CELLS = 40  # evenly spaced along an axis, and as many with equal numbers of draws


class Kernels(NamedTuple):
    """Kernel estimate of an epicentre's density.

    Attributes
    ----------
    frame
        Local frame of the coordinates.
    middle, scale
        Of the stretching, km, (2, 1).
    stretched
        Draws in the stretched coordinates, (2, n).
    weight
        Their weights, (n,).
    whiten
        Matrix that makes the kernel in them a standard normal, (2, 2).
    density
        Of each draw per km2, as the others give it, ascending, (n,).
    above
        Probability of the draws from each on, (n + 1,).
    """

    frame: LocalFrame
    middle: np.ndarray
    scale: np.ndarray
    stretched: np.ndarray
    weight: np.ndarray
    whiten: np.ndarray
    density: np.ndarray
    above: np.ndarray

    def evaluate(self, east_km: np.ndarray, north_km: np.ndarray) -> np.ndarray:
        """Density per km2 at places of one shape."""
        places = np.stack([np.ravel(east_km), np.ravel(north_km)])
        stretched = np.arcsinh((places - self.middle) / self.scale)
        density = _sum_of_kernels(self.whiten, self.stretched, self.weight, stretched)
        density *= _jacobian(stretched, self.scale)
        return density.reshape(np.shape(east_km))

    def content_above(self, density: np.ndarray) -> np.ndarray:
        """Probability of all places that are denser."""
        return np.asarray(self.above[np.searchsorted(self.density, density, side="right")])

    def level(self, probability: float) -> float:
        """Density at the border of the highest-density region of a probability."""
        # `above` falls: of the densities whose region holds the probability, the highest.
        last = len(self.above) - 1 - int(np.searchsorted(self.above[::-1], probability))
        return float(self.density[np.clip(last, 0, len(self.density) - 1)])

    def edges(self) -> list[np.ndarray]:
        """Edges of cells along east and north, km, which are fine where the draws are."""
        edges = []
        for row, middle, scale in zip(self.stretched, self.middle, self.scale, strict=True):
            low, high = np.quantile(row, [0.001, 0.999])
            even = np.linspace(low - 0.5, high + 0.5, CELLS + 1)
            dense = np.quantile(row, np.linspace(0.01, 0.99, CELLS))
            both = np.sort(np.concatenate([even, dense]))
            apart = np.diff(both, append=np.inf) > 1e-3 * (both[-1] - both[0])
            edges.append(middle[0] + scale[0] * np.sinh(both[apart]))
        return edges


def _jacobian(stretched: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Area of the stretched plane over that of the ground, per km2."""
    return 1 / np.prod(scale * np.cosh(stretched), axis=0)


def _sum_of_kernels(
    whiten: np.ndarray, centres: np.ndarray, weight: np.ndarray, places: np.ndarray
) -> np.ndarray:
    """Density of normal kernels at places (2, n)."""
    density = np.empty(places.shape[1])
    for start in range(0, len(density), BLOCK):
        block = slice(start, start + BLOCK)
        squared = cdist((whiten @ places[:, block]).T, (whiten @ centres).T, "sqeuclidean")
        # Numbers too small to matter would take a hundred times longer to add.
        density[block] = np.exp(-0.5 * np.minimum(squared, 1000.0)) @ weight
    return density * np.abs(np.linalg.det(whiten)) / (2 * np.pi)


def _scatter_of_neighbours(points: np.ndarray) -> np.ndarray:
    """Mean covariance of the nearest neighbours of points (2, n), about as many as their root."""
    standard = points / np.std(points, axis=1, keepdims=True)
    count = min(points.shape[1], 2 + int(np.sqrt(points.shape[1])))
    _, nearest = KDTree(standard.T).query(standard.T, count)
    offsets = points[:, nearest] - points[:, nearest].mean(axis=2, keepdims=True)
    return np.einsum("ink,jnk->ij", offsets, offsets) / nearest.size


def _bandwidth(white: np.ndarray, weight: np.ndarray) -> float:
    """The bandwidth that gives the draws the highest likelihood, each by the others.

    It is chosen with few draws and narrowed by the rate at which the best one falls with their
    number.
    """
    size = white.shape[1]
    step = max(1, size // CHOOSERS)
    white, weight = white[:, ::step], weight[::step] / np.sum(weight[::step])
    squared = cdist(white.T, white.T, "sqeuclidean")
    np.fill_diagonal(squared, np.inf)

    def loss(log_width: float) -> float:
        width2 = np.exp(2 * log_width)
        exponent = np.minimum(0.5 * squared / width2, 500.0)
        density = np.exp(-exponent) @ weight / (width2 * (1 - weight))
        return -float(weight @ np.log(density))

    best = minimize_scalar(loss, bounds=np.log(BANDWIDTHS), options={"xatol": 0.05})
    return float(np.exp(best.x) * (size / white.shape[1]) ** (-1 / 6))


def estimate(frame: LocalFrame, places: np.ndarray, weight: np.ndarray) -> Kernels | None:
    """Estimate the density of draws.

    Parameters
    ----------
    frame
        Local frame.
    places
        East and north, km, (2, n).
    weight
        Weights of the draws, summing to 1, (n,).

    Returns
    -------
    Kernels or None
        None where the draws have no area: in one point or along a line.
    """
    # A draw that comes twice says nothing new of how dense its place is.
    places, first, copies = np.unique(
        places[:, weight > 0], axis=1, return_index=True, return_inverse=True
    )
    weight = np.bincount(copies.ravel(), weights=weight[weight > 0])
    # In the order in which they were drawn, so that every k-th is a sample of all.
    order = np.argsort(first)
    places, weight = places[:, order], weight[order]
    if places.shape[1] > KERNELS:
        reached = np.cumsum(weight) / np.sum(weight)
        at = np.searchsorted(reached, (np.arange(KERNELS) + 0.5) / KERNELS)
        chosen, counts = np.unique(at, return_counts=True)
        places, weight = places[:, chosen], counts / KERNELS
    size = places.shape[1]
    middle = np.median(places, axis=1, keepdims=True)
    scale = 2 * np.median(np.abs(places - middle), axis=1, keepdims=True)
    if size < 3 or np.any(scale == 0):
        return None
    stretched = np.arcsinh((places - middle) / scale)
    scatter = _scatter_of_neighbours(stretched)
    if np.linalg.cond(scatter) > 1e12:
        return None
    whiten = np.linalg.inv(np.linalg.cholesky(scatter))
    whiten /= _bandwidth(whiten @ stretched, weight)
    own = weight * np.abs(np.linalg.det(whiten)) / (2 * np.pi)
    others = _sum_of_kernels(whiten, stretched, weight, stretched) - own
    density = np.maximum(others, 0) / (1 - weight) * _jacobian(stretched, scale)
    order = np.argsort(density)
    above = np.append(np.cumsum(weight[order][::-1])[::-1], 0.0)
    return Kernels(frame, middle, scale, stretched, weight, whiten, density[order], above)
