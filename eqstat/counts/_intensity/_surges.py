r"""Surges: minutes in which a region's rate is far above its slow intensity.

In a share w of the blocks people who react to something add $y = e^g / 2$ times the rate, g
exponential with mean $\eta$: y has the power-law tail of exponent $1/\eta$. Given the slow
intensity $x \sim N(m, v)$ that the filter expects of a block, the likelihood of its sum is

.. math:: L(w, \eta) = \prod_b \Bigl[(1 - w) \int p(Y_b \mid x)\, N(x; m, v)\, dx
    + w \int_0^\infty\!\! \frac{e^{-g/\eta}}{\eta}
    \int p(Y_b \mid x + \log(1 + y))\, N(x; m, v)\, dx\, dg\Bigr].

A surge lasts for some blocks, which are not independent: the covariance is that of so many blocks
as there are surges.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize

from eqstat.counts._intensity._parameters import log_surge

# Edges of the nodes of g, and log(1 + y) at their centres; what is beyond belongs to the last.
EDGES = np.concatenate([np.arange(0.0, 1.0, 0.1), np.arange(1.0, 5.01, 0.25)])
SIZES = log_surge(0.5 * (EDGES[1:] + EDGES[:-1]))
NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(5)
# Prior of the log odds of w and of the log of eta.
MIDDLE, SPREAD = np.array([-6.0, np.log(0.2)]), np.array([2.0, 0.5])
BOUNDS = [(-12.0, -1.0), (np.log(0.03), np.log(1.0))]
# Log likelihood ratio from which on there are surges, and the most blocks that are looked at.
GAIN, MOST_BLOCKS = 5.0, 1_000_000
BLOCKS_AT_ONCE = 50_000


class Surges(NamedTuple):
    """Estimates of the log odds of the share and of the log mean, with their covariance.

    Attributes
    ----------
    estimate, covariance
        (2,) and (2, 2).
    size
        Expected log factor of each block, given its sum, (blocks,).
    """

    estimate: np.ndarray
    covariance: np.ndarray
    size: np.ndarray


def learn_surges(
    total: np.ndarray,
    expected: np.ndarray,
    size: np.ndarray,
    mean: np.ndarray,
    variance: np.ndarray,
    series: np.ndarray,
) -> Surges | None:
    """Learn surges; None where the sums do not show any.

    Parameters
    ----------
    total, expected, size
        Sum of the triggers of each block, its expectation at x = 0, and N / dispersion.
    mean, variance
        Of the slow intensity of each block before it is seen.
    series
        A whole number for each block, one more for the next block of the same region.
    """
    ratio = _ratios(total, expected, size, mean, variance)
    step = -(-len(ratio) // MOST_BLOCKS)
    used = ratio[::step]

    def objective(point: np.ndarray) -> float:
        prior = 0.5 * float(np.sum(((point - MIDDLE) / SPREAD) ** 2))
        return prior - step * float(np.sum(np.log(_mixture(point, used))))

    best = minimize(objective, MIDDLE, method="L-BFGS-B", bounds=BOUNDS).x
    if step * np.sum(np.log(_mixture(best, used))) < GAIN:
        return None
    share = 1 / (1 + np.exp(-best[0]))
    mixture = _mixture(best, ratio)
    own = share * _probabilities(best[1])
    length = blocks_of_a_surge(ratio @ own / mixture, series)
    size = ratio @ (own * SIZES) / mixture
    return Surges(best, length * _covariance(objective, best), size)


def blocks_of_a_surge(probability: np.ndarray, series: np.ndarray) -> float:
    """Mean number of blocks of a surge: those in one, over those that are the first of one."""
    order = np.argsort(series, kind="stable")
    own = probability[order]
    before = np.append(0.0, own[:-1]) * (np.diff(series[order], prepend=-2) == 1)
    return max(float(own.sum() / np.maximum(np.sum(own * (1 - before)), 1e-9)), 1.0)


def _probabilities(log_mean: float) -> np.ndarray:
    beyond = np.append(np.exp(-EDGES[:-1] / np.exp(log_mean)), 0.0)
    return beyond[:-1] - beyond[1:]


def _mixture(point: np.ndarray, ratio: np.ndarray) -> np.ndarray:
    """Likelihood relative to that without surges."""
    share = 1 / (1 + np.exp(-point[0]))
    return 1 - share + share * (ratio @ _probabilities(point[1]))


def _ratios(
    total: np.ndarray,
    expected: np.ndarray,
    size: np.ndarray,
    mean: np.ndarray,
    variance: np.ndarray,
) -> np.ndarray:
    """Likelihood of a surge of each size relative to none, (blocks, nodes)."""
    out = np.empty((len(total), len(SIZES)))
    weights = WEIGHTS / WEIGHTS.sum()
    for begin in range(0, len(total), BLOCKS_AT_ONCE):
        part = slice(begin, begin + BLOCKS_AT_ONCE)
        y, s = total[part, None], size[part, None]
        x = mean[part, None] + np.sqrt(variance[part, None]) * NODES
        plain = _log_shape(y, expected[part, None] * np.exp(x), s)
        top = plain.max(axis=1)
        base = np.exp(plain - top[:, None]) @ weights
        for number, surge in enumerate(SIZES):
            logs = _log_shape(y, expected[part, None] * np.exp(x + surge), s) - top[:, None]
            out[part, number] = np.exp(np.minimum(logs, 500.0)) @ weights / base
    return out


def _log_shape(total: np.ndarray, mean: np.ndarray, size: np.ndarray) -> np.ndarray:
    return total * (np.log(mean) - np.log(size + mean)) - size * np.log1p(mean / size)


def _covariance(objective: Callable[[np.ndarray], float], at: np.ndarray) -> np.ndarray:
    """Inverse of the Hessian by differences; flat directions are those of the prior."""
    step = 0.02
    moves = step * np.eye(2)
    hessian = np.empty((2, 2))
    for i in range(2):
        for j in range(2):
            signs = [(1, 1), (1, -1), (-1, 1), (-1, -1)]
            values = [a * b * objective(at + a * moves[i] + b * moves[j]) for a, b in signs]
            hessian[i, j] = sum(values) / (4 * step**2)
    # In units of the prior, which is in the objective, no curvature is below 1.
    curvature, axes = np.linalg.eigh(0.5 * SPREAD[:, None] * (hessian + hessian.T) * SPREAD)
    scaled = axes @ np.diag(1 / np.maximum(curvature, 1.0)) @ axes.T
    return SPREAD[:, None] * scaled * SPREAD
