"""Highest-density regions and quantiles of probabilities on cells (NumPy)."""

from __future__ import annotations

import numpy as np

from eqstat._core.checks import check_probability


def highest_density_level(
    mass: np.ndarray, probability: float, volume: np.ndarray | float = 1.0
) -> float:
    r"""Return the smallest density inside the highest-density region of a probability.

    The region is :math:`\{x : p(x) \ge c\}` with the largest :math:`c` for which it holds at
    least the probability.

    Parameters
    ----------
    mass
        Probabilities of cells, any shape, summing to 1.
    probability
        Content of the region, in (0, 1).
    volume
        Volumes of the cells, a shape that broadcasts; 1 where they are equal.

    Returns
    -------
    float
        The region is `mass / volume >= level`.

    Raises
    ------
    eqstat.InputError
        When the probability is not in (0, 1).

    References
    ----------
    Hyndman, R. J. (1996), Computing and graphing highest density regions, The American
    Statistician 50, 120-126, doi:10.1080/00031305.1996.10474359.

    Examples
    --------
    >>> highest_density_level(np.array([0.1, 0.6, 0.3]), 0.8)
    0.3
    """
    check_probability("highest_density_level", probability=probability)
    density = np.ravel(mass / volume)
    order = np.argsort(density)[::-1]
    content = np.cumsum(np.ravel(mass)[order])
    last = int(np.searchsorted(content, probability * content[-1]))
    return float(density[order[min(last, len(order) - 1)]])


def content_above(
    density: np.ndarray | float, mass: np.ndarray, volume: np.ndarray | float = 1.0
) -> np.ndarray:
    """Return the probability of all cells that are denser than given densities.

    Parameters
    ----------
    density
        Densities, any shape.
    mass, volume
        As in `highest_density_level`.

    Returns
    -------
    numpy.ndarray
        In [0, 1], of the shape of `density`: the smallest content of a highest-density region
        whose border has that density.

    Examples
    --------
    >>> content_above(0.3, np.array([0.1, 0.6, 0.3])).round(2).item()
    0.6
    """
    cells = np.ravel(mass / volume)
    order = np.argsort(cells)
    content = np.concatenate([[0.0], np.cumsum(np.ravel(mass)[order][::-1])])
    denser = len(cells) - np.searchsorted(cells[order], density, side="right")
    return np.asarray(content[denser] / content[-1])


def quantile(edges: np.ndarray, mass: np.ndarray, probability: np.ndarray | float) -> np.ndarray:
    """Return quantiles of a one-dimensional marginal, linear within cells.

    Parameters
    ----------
    edges
        Cell edges, ascending, (n + 1,).
    mass
        Cell probabilities, (n,).
    probability
        In [0, 1], any shape.

    Returns
    -------
    numpy.ndarray
        In the unit of `edges`, of the shape of `probability`.

    Examples
    --------
    >>> quantile(np.array([0.0, 1.0, 2.0]), np.array([0.5, 0.5]), 0.75).item()
    1.5
    """
    cumulative = np.concatenate([[0.0], np.cumsum(mass) / np.sum(mass)])
    return np.asarray(np.interp(probability, cumulative, edges))
