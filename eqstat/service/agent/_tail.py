"""Posterior of a generalised Pareto tail on a grid, and its predictive tail probability."""

from __future__ import annotations

import math

import numpy as np

SHAPES = np.linspace(-0.5, 0.9, 21)
SHAPE_MEAN, SHAPE_SD = 0.1, 0.25
SCALES = np.geomspace(0.2, 5.0, 31)
MOST_EXCESSES = 200
NODES = 100
# Standard normal quantiles at the middles of ten equal shares.
NORMAL = np.array([-1.645, -1.036, -0.674, -0.385, -0.126, 0.126, 0.385, 0.674, 1.036, 1.645])


class Tail:
    r"""What lies above a level: how often, and how far, with what is not known of it.

    Above the level u the excess is generalised Pareto,

    .. math:: P(Y > u + x \mid Y > u) = (1 + \xi x / \sigma)_+^{-1/\xi},

    with a normal prior of :math:`\xi` (mean 0.1, standard deviation 0.25) and a flat one of
    :math:`\log \sigma`; the posterior is computed on a grid. Predictive probabilities are means
    over it, so that the less is known the larger they are.

    Parameters
    ----------
    excess
        Values above the level less the level, (m,), not negative.

    References
    ----------
    Coles (2001), An Introduction to Statistical Modeling of Extreme Values, chapters 4 and 9.
    """

    def __init__(self, excess: np.ndarray) -> None:
        excess = np.sort(np.asarray(excess, float))
        number = len(excess)
        repeat = 1.0
        if number > MOST_EXCESSES:  # equally spaced order statistics stand for all
            at = (np.arange(MOST_EXCESSES) + 0.5) * number / MOST_EXCESSES
            excess, repeat = excess[at.astype(int)], number / MOST_EXCESSES
        mean = max(float(excess.mean()) if number else 1.0, 1e-3)
        shape, scale = np.meshgrid(SHAPES, mean * SCALES, indexing="ij")
        self.shape, self.scale = shape.ravel(), scale.ravel()
        log_density = -np.log(self.scale) * number
        for part in np.array_split(excess, max(len(excess) // 50, 1)):
            log_density -= repeat * self._log_terms(part).sum(axis=1)
        log_density -= 0.5 * ((self.shape - SHAPE_MEAN) / SHAPE_SD) ** 2
        weight = np.exp(log_density - log_density.max())
        kept = weight > 1e-6
        self.weight = weight[kept] / weight[kept].sum()
        self.shape, self.scale = self.shape[kept], self.scale[kept]
        # The predictive tail as a table, which quantiles are read from.
        self._excess = mean * np.concatenate([[0.0], np.geomspace(0.01, 1000.0, NODES)])
        tails = np.array([self.survival(x) for x in self._excess])
        self._log_falls = -np.log(np.maximum(tails, 1e-300))

    def _log_terms(self, excess: np.ndarray) -> np.ndarray:
        """Minus log density of the excesses without that of the scale, (grid, m)."""
        shape, scale = self.shape[:, None], self.scale[:, None]
        inner = 1.0 + shape * excess / scale
        near = np.abs(shape) < 1e-6
        with np.errstate(all="ignore"):
            terms = (1.0 + 1.0 / np.where(near, 1.0, shape)) * np.log(inner)
        terms = np.where(near, excess / scale, terms)
        return np.where(inner > 0, terms, 1e6)

    def survivals(self, excess: float) -> np.ndarray:
        """Probability to exceed an excess, at each point of the grid."""
        inner = np.maximum(1.0 + self.shape * excess / self.scale, 1e-300)
        near = np.abs(self.shape) < 1e-6
        with np.errstate(all="ignore"):
            log_survival = -np.log(inner) / np.where(near, 1.0, self.shape)
        log_survival = np.where(near, -excess / self.scale, log_survival)
        return np.exp(np.clip(log_survival, -700.0, 0.0))

    def survival(self, excess: float) -> float:
        """Predictive probability to exceed an excess."""
        return float(self.weight @ self.survivals(excess))

    def quantile(self, probability: float) -> float:
        """Excess that is exceeded with this predictive probability; 0 for 1 and more."""
        if probability >= 1.0:
            return 0.0
        return float(np.interp(-math.log(max(probability, 1e-300)), self._log_falls, self._excess))

    def interval(self, excess: float, number: float) -> tuple[float, float]:
        """Factors on the predictive tail probability, 5 and 95 %.

        The rate of the level itself is known from `number` exceedances (gamma, by the
        approximation of Wilson and Hilferty).
        """
        shape = max(number, 0.5)
        gamma = np.maximum(1 - 1 / (9 * shape) + NORMAL / (3 * np.sqrt(shape)), 0.05) ** 3
        values = np.outer(self.survivals(excess) / max(self.survival(excess), 1e-300), gamma)
        weights = np.repeat(self.weight / len(gamma), len(gamma))
        order = np.argsort(values.ravel())
        below = np.cumsum(weights[order])
        low, high = np.searchsorted(below, [0.05, 0.95])
        last = len(order) - 1
        return float(values.ravel()[order[low]]), float(values.ravel()[order[min(high, last)]])
