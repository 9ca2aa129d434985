r"""Tails of the epicentre, from how far catalogued epicentres fall from posteriors without them.

The content $c$ of the smallest highest-density region that holds the true epicentre is uniform
where the posterior is true. As a squared radius it is $z^2 = -2 \log(1 - c)$; where the posterior
is normal, $z^2$ is chi-square with two degrees of freedom. Here the scale of each event is drawn
too: $z^2 / (2 f_n^2)$ follows an F distribution with 2 and $\nu$ degrees of freedom, as for a
Student posterior, with a width that may depend on the number $n$ of picks:

$$ c' = 1 - \left(1 + \frac{z^2}{\nu f_n^2}\right)^{-\nu/2}, \qquad
\log f_n = \log f + s \log \frac{n}{\bar n} . $$

The three numbers are marginalised over on a grid: some fifty events do not fix them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

# Contents above this are taken for this: beyond it a grid has no mass.
_MOST = 1 - 1e-7
# Nodes of less weight are left out.
_LEAST = 1e-6
# Nodes, in prior standard deviations, of log width, log degrees of freedom and the slope; centres
# and standard deviations of their normal priors.
_NODES = tuple(np.linspace(-3.0, 3.0, count) for count in (25, 13, 25))
_CENTRE = (0.0, float(np.log(6.0)), 0.0)
_SD = (0.3, 0.7, 0.3)


class Tails(NamedTuple):
    """Posterior of the tails: nodes (n,) with weights that sum to 1."""

    weight: np.ndarray
    width: np.ndarray
    degrees_of_freedom: np.ndarray
    slope: np.ndarray
    mean_log_picks: float

    def width_at(self, picks: np.ndarray | float | int) -> np.ndarray:
        """Width for events of so many picks, (..., n)."""
        apart = np.log(np.asarray(picks, float)) - self.mean_log_picks
        return self.width * np.exp(self.slope * apart[..., None])


def learn_tails(content: np.ndarray, picks: np.ndarray) -> Tails:
    """Posterior of the tails from contents of truths (events,) and numbers of picks (events,)."""
    standard = [axis.ravel() for axis in np.meshgrid(*_NODES, indexing="ij")]
    free = [c + sd * z for c, sd, z in zip(_CENTRE, _SD, standard, strict=True)]
    tails = Tails(
        np.ones(len(free[0])),
        np.exp(free[0]),
        np.exp(free[1]),
        free[2],
        float(np.mean(np.log(picks))) if len(picks) else 0.0,
    )
    content = np.asarray(content, float)[:, None]
    squared, freedom = _squared(content), tails.degrees_of_freedom
    width = tails.width_at(np.asarray(picks, float))
    tail = np.log1p(squared / (freedom * width**2))
    # A truth outside the grid is known to be at least this far: its survival counts.
    inside = -2 * np.log(width) - (freedom / 2 + 1) * tail
    log_density = np.where(content < _MOST, inside, -freedom / 2 * tail).sum(axis=0)
    log_density = log_density - 0.5 * sum(z**2 for z in standard)
    weight = np.exp(log_density - log_density.max())
    return tails._replace(weight=weight / weight.sum())


def _squared(content: np.ndarray) -> np.ndarray:
    return -2 * np.log1p(-np.minimum(content, _MOST))


def calibrated(content: np.ndarray, tails: Tails, picks: float | int) -> np.ndarray:
    """Content of highest-density regions (n,) once tails are counted; increasing, 0 to 1."""
    kept = tails.weight > _LEAST
    weight, freedom = tails.weight[kept], tails.degrees_of_freedom[kept]
    size = freedom * tails.width_at(picks)[kept] ** 2
    tail = np.log1p(_squared(content)[:, None] / size)
    return -np.expm1(-freedom / 2 * tail) @ (weight / weight.sum())


def spread(mass: np.ndarray, tails: Tails, picks: float | int) -> np.ndarray:
    """Give the shells of equal density of a map their calibrated mass; sums to 1."""
    order = np.argsort(mass, axis=None)[::-1]
    edges = np.concatenate([[0.0], np.cumsum(mass.ravel()[order])])
    shells = np.diff(calibrated(np.minimum(edges, 1.0), tails, picks))
    # Rounding must not let density be negative, or grow outwards, where the shells end.
    shells = np.minimum.accumulate(np.maximum(shells, 0.0))
    out = np.empty(mass.size)
    out[order] = shells / shells.sum()
    return out.reshape(mass.shape)
