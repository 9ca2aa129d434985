r"""Tails of the epicentre, learned from how far catalogued epicentres fall from the posteriors.

The content $c$ of the smallest highest-density region that holds the true epicentre is uniform
where the posterior is true. As a squared radius it is $z^2 = -2 \log(1 - c)$; where the posterior
is normal, $z^2$ is chi-square with two degrees of freedom. Here $z^2 / (2 f^2)$ follows an F
distribution with 2 and $\nu$ degrees of freedom instead, as for a Student posterior:

$$ c' = 1 - \left(1 + \frac{z^2}{\nu f^2}\right)^{-\nu/2} . $$
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize

# Contents above this are taken for this: beyond it a grid has no mass.
_MOST = 1 - 1e-7
# Centres and widths of the weak normal priors of log width and log degrees of freedom.
_CENTRE = np.array([0.0, np.log(6.0)])
_WIDTH = np.array([0.3, 0.7])


def calibrated(content: np.ndarray, width: float, degrees_of_freedom: float) -> np.ndarray:
    """Content of a highest-density region once its tails are counted; increasing, 0 to 1."""
    squared = -2 * np.log1p(-np.minimum(content, _MOST))
    ratio = squared / (degrees_of_freedom * width**2)
    return -np.expm1(-degrees_of_freedom / 2 * np.log1p(ratio))


def fit_tails(content: np.ndarray) -> tuple[float, float]:
    """Width and degrees of freedom of greatest posterior density, from contents of truths."""
    squared = -2 * np.log1p(-np.minimum(content, _MOST))

    def loss(scaled: np.ndarray) -> float:
        width, freedom = np.exp(_CENTRE + _WIDTH * scaled)
        tail = np.log1p(squared / (freedom * width**2))
        # A truth outside the grid is known to be at least this far: its survival counts.
        inside = -2 * np.log(width) - (freedom / 2 + 1) * tail
        log_density = np.where(content < _MOST, inside, -freedom / 2 * tail)
        return float(0.5 * scaled @ scaled - np.sum(log_density))

    best = minimize(loss, np.zeros(2), method="Nelder-Mead", options={"xatol": 1e-4})
    width, freedom = np.exp(_CENTRE + _WIDTH * best.x)
    return float(width), float(freedom)


def spread(mass: np.ndarray, width: float, degrees_of_freedom: float) -> np.ndarray:
    """Give the shells of equal density of a map their calibrated mass; sums to 1."""
    order = np.argsort(mass, axis=None)[::-1]
    edges = np.concatenate([[0.0], np.cumsum(mass.ravel()[order])])
    shells = np.diff(calibrated(np.minimum(edges, 1.0), width, degrees_of_freedom))
    # Density must not grow outwards where rounding ends the shells.
    shells = np.minimum.accumulate(shells)
    out = np.empty(mass.size)
    out[order] = shells / shells.sum()
    return out.reshape(mass.shape)
