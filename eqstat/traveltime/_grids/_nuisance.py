"""Quadrature nodes for the parameters of a likelihood other than the hypocentre."""

from __future__ import annotations

from itertools import product

import numpy as np

# Radius of the design in units of sqrt(dimensions); just above 1, as Rue et al. advise.
STRETCH = 1.1
# From this many dimensions the star alone is used; the cube would double with each.
STAR_ONLY = 4


def standard_nodes(size: int) -> tuple[np.ndarray, np.ndarray]:
    r"""Central composite design for an integral over m standard normal coordinates.

    A centre, a star and (for m of 2 or 3) a cube, all outer points at radius $r = f\sqrt m$
    with $f = 1.1$, and weights by which the integral of a normal density and of its second
    moments is exact: outer weights sum to $(2\pi)^{m/2} e^{r^2/2}/f^2$, the centre has
    $(2\pi)^{m/2}(1-1/f^2)$.

    Returns
    -------
    nodes : numpy.ndarray
        (points, m).
    log_weights : numpy.ndarray
        Natural logarithms, (points,).

    References
    ----------
    Rue, H., Martino, S. and Chopin, N. (2009), J. R. Stat. Soc. B 71(2), 319-392,
    doi:10.1111/j.1467-9868.2008.00700.x, section 6.5.
    """
    radius = STRETCH * np.sqrt(size)
    outer = [sign * radius * row for row in np.eye(size) for sign in (-1.0, 1.0)]
    if 1 < size < STAR_ONLY:
        cube = np.array(list(product((-1.0, 1.0), repeat=size)))
        outer += list(cube * STRETCH)
    nodes = np.vstack([np.zeros(size), np.array(outer)])
    total = 0.5 * size * np.log(2 * np.pi)
    log_outer = total - 2 * np.log(STRETCH) + radius**2 / 2 - np.log(len(outer))
    log_weights = np.full(len(nodes), log_outer)
    log_weights[0] = total + np.log1p(-1 / STRETCH**2)
    return nodes, log_weights


def scale_nodes(log_centre: float, spread: float, count: int = 21) -> tuple[np.ndarray, np.ndarray]:
    """Equidistant nodes for the logarithm of a standard deviation known to `spread`.

    Returns
    -------
    nodes, log_weights : numpy.ndarray
        Trapezoid rule over 5 standard deviations to both sides, (count,).
    """
    half = 5.0 * spread
    nodes = log_centre + np.linspace(-half, half, count)
    return nodes, np.full(count, np.log(nodes[1] - nodes[0]))


def conditional(covariance: np.ndarray, given: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Split a joint normal: regression of the others on the first `given` coordinates.

    Returns
    -------
    slopes : numpy.ndarray
        Derivative of the conditional mean of the others by the given coordinates,
        (others, given).
    root : numpy.ndarray
        Cholesky factor of their conditional covariance, (others, others).
    spread : numpy.ndarray
        Their marginal standard deviations, (others,).
    """
    size = len(covariance)
    first, others = slice(0, given), slice(given, size)
    slopes = np.linalg.solve(
        covariance[first, first] + 1e-12 * np.eye(given), covariance[first, others]
    ).T
    remaining = covariance[others, others] - slopes @ covariance[first, others]
    eigenvalues, vectors = np.linalg.eigh(0.5 * (remaining + remaining.T))
    root = np.linalg.cholesky((vectors * np.maximum(eigenvalues, 1e-8)) @ vectors.T)
    return slopes, root, np.sqrt(np.diagonal(covariance)[others])
