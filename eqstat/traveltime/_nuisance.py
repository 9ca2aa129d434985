"""Nodes and weights to integrate what a likelihood learns beside the hypocentre."""

from __future__ import annotations

from itertools import product

import numpy as np

# Radius of the design in units of sqrt(dimensions); just above 1, as Rue et al. advise.
STRETCH = 1.1


def normal_nodes(mean: np.ndarray, covariance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    r"""Central composite design for an integral whose integrand is nearly normal.

    A centre, a star and a cube, all outer points at radius $f\sqrt m$ with $f = 1.1$, and
    weights by which the integral of a normal density and of its second moments is exact:
    outer weights sum to $(2\pi)^{m/2} e^{r^2/2}/f^2$, the centre has $(2\pi)^{m/2}(1-1/f^2)$.

    Parameters
    ----------
    mean, covariance
        Of the normal approximation, (m,) and (m, m).

    Returns
    -------
    nodes : numpy.ndarray
        (points, m) with 1 + 2 m + 2^m points (m of 2 or more; the cube of m = 1 is the star).
    log_weights : numpy.ndarray
        Natural logarithms, (points,), for an integrand with respect to the m coordinates.

    References
    ----------
    Rue, H., Martino, S. and Chopin, N. (2009), J. R. Stat. Soc. B 71(2), 319-392,
    doi:10.1111/j.1467-9868.2008.00700.x, section 6.5.
    """
    size = len(mean)
    radius = STRETCH * np.sqrt(size)
    outer = [sign * radius * row for row in np.eye(size) for sign in (-1.0, 1.0)]
    if size > 1:
        cube = np.array(list(product((-1.0, 1.0), repeat=size)))
        outer += list(cube * radius / np.sqrt(size))
    standard = np.vstack([np.zeros(size), np.array(outer)])
    eigenvalues, vectors = np.linalg.eigh(covariance)
    scale = vectors * np.sqrt(np.maximum(eigenvalues, 1e-12))
    volume = 0.5 * np.sum(np.log(np.maximum(eigenvalues, 1e-12)))
    total = 0.5 * size * np.log(2 * np.pi) + volume
    log_outer = total - 2 * np.log(STRETCH) + radius**2 / 2 - np.log(len(outer))
    log_weights = np.full(len(standard), log_outer)
    log_weights[0] = total + np.log1p(-1 / STRETCH**2)
    return mean + standard @ scale.T, log_weights


def scale_nodes(log_centre: float, freedom: int, count: int = 15) -> tuple[np.ndarray, np.ndarray]:
    """Equidistant nodes for the logarithm of a standard deviation known to 1/sqrt(2 freedom).

    Returns
    -------
    nodes, log_weights : numpy.ndarray
        Trapezoid rule over 5 standard deviations to both sides, wider for few data, (count,).
    """
    half = 5.0 / np.sqrt(2.0 * max(freedom, 2))
    nodes = log_centre + np.linspace(-half, half, count)
    return nodes, np.full(count, np.log(nodes[1] - nodes[0]))
