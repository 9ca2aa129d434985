"""Parameters of the slow intensity, and quadrature over its stationary distribution."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from eqstat._core.arrays import Number
from eqstat._core.checks import check_fields
from eqstat._core.errors import InputError
from eqstat._core.explain import Explained
from eqstat.counts._families import Marginal

# Equally spaced nodes: for a normal density times a smooth function the trapezoidal rule with a
# step of half a standard deviation is exact to ten digits, far into the tail.
NODES = np.arange(-6.5, 6.51, 0.5)
# Tables of counts reach to those of an intensity so many standard deviations above its mean, and of
# a surge so many times the mean beyond its least.
REACH_SD, REACH_SURGES = 5.0, 8.0
LOG_WEIGHTS = -0.5 * NODES**2 - np.log(np.sum(np.exp(-0.5 * NODES**2)))
# A surge adds at least half of the rate: lesser ones, which are many and say little about large
# ones, are left to the slow intensity.
LEAST_SURGE = 0.5
# In surges, five nodes of the slow intensity, and the means of pieces of a standard exponential.
FEW_NODES, _FEW_WEIGHTS = np.polynomial.hermite_e.hermegauss(5)
FEW_LOG_WEIGHTS = np.log(_FEW_WEIGHTS / _FEW_WEIGHTS.sum())
_EDGES = np.array([0.0, 0.25, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 10.0])
_BEYOND = np.append(np.exp(-_EDGES), 0.0)
_PARTS = np.append((_EDGES + 1) * np.exp(-_EDGES), 0.0)
SURGE_NODES = -np.diff(_PARTS) / -np.diff(_BEYOND)
SURGE_LOG_WEIGHTS = np.log(-np.diff(_BEYOND))


class Intensity(Explained, eqx.Module):
    r"""Slow intensity of each region: what weather, news and habits add to the weekly cycle.

    The log of the factor by which a region's rate exceeds that of its hour is a stationary
    Gaussian AR(1) process (Ornstein-Uhlenbeck in continuous time),

    .. math:: x_t \sim N(-\sigma^2 / 2,\, \sigma^2), \qquad
        \operatorname{corr}(x_s, x_t) = e^{-|s - t| / \tau},

    independent between regions, with mean factor $E[e^{x}] = 1$. A fixed threshold marginalises
    over it; an adaptive one conditions on what the last minutes and hours said.

    Attributes
    ----------
    sd
        Standard deviation $\sigma$ of the log factor, 0 to 5.
    correlation_h
        Correlation time $\tau$, hours, positive.
    surge_share
        Share of the time in which a region is in a surge of some minutes, in which people who
        react to something add a multiple y of the rate, 0 to 1; None without surges.
    surge_mean
        Mean $\eta$ of $\log(y / 0.5)$, which is exponential, up to 10: a surge adds more than
        $y \ge 0.5$ times the rate with probability $(y / 0.5)^{-1/\eta}$.

    Examples
    --------
    >>> Intensity(0.35, 4.0).correlation_h
    4.0
    """

    sd: Number
    correlation_h: Number
    surge_share: Number | None = None
    surge_mean: Number | None = None

    def __check_init__(self) -> None:
        check_fields(self, sd=(0, 5), correlation_h=(1e-3, 1e6))
        check_fields(self, surge_share=(0, 1), surge_mean=(1e-3, 10))
        if (self.surge_share is None) != (self.surge_mean is None):
            raise InputError("Intensity: give both surge_share and surge_mean, or neither")


def log_surge(exponential: Any, xp: Any = np) -> Any:
    """Log of the factor of a surge, from its exponential variable."""
    return xp.log1p(LEAST_SURGE * xp.exp(exponential))


def nodes_of(sd: Any, share: Any = None, mean: Any = None, xp: Any = np) -> tuple[Any, Any]:
    """Log factors of the intensity and logs of their weights, nodes as a leading axis.

    Parameters
    ----------
    sd, share, mean
        Standard deviation of the slow intensity, share and mean of the surges, of one shape;
        the latter None without surges.
    xp
        NumPy or JAX.
    """
    sd = xp.asarray(sd)

    def lead(values: np.ndarray) -> Any:
        return xp.asarray(values, sd.dtype).reshape(-1, *(1,) * sd.ndim)

    slow, log_weights = sd * lead(NODES) - 0.5 * sd**2, lead(LOG_WEIGHTS)
    if share is None:
        return slow, log_weights
    few, log_few = sd * lead(FEW_NODES) - 0.5 * sd**2, lead(FEW_LOG_WEIGHTS)
    share = xp.asarray(share)
    both = [
        (few + log_surge(surge * mean, xp), log_few + xp.log(xp.maximum(share, 1e-30)) + log_weight)
        for surge, log_weight in zip(SURGE_NODES, SURGE_LOG_WEIGHTS, strict=True)
    ]
    factors = [slow, *(factor for factor, _ in both)]
    weights = [log_weights + xp.log1p(-share), *(weight for _, weight in both)]
    return xp.concatenate(factors), xp.concatenate(weights)


def interpolate_profile(profile: Any, hour: Any, day: Any) -> Array:
    """Profile at a time of the week: linear between the centres of its hours or half hours."""
    profile = jnp.asarray(profile)
    size = profile.shape[-1]
    position = ((jnp.asarray(day) * 24 + jnp.asarray(hour)) * (size // 168) - 0.5) % size
    low = jnp.floor(position).astype(int) % size
    part = position - jnp.floor(position)
    return (1 - part) * profile[low] + part * profile[(low + 1) % size]


def averaged_pmf(
    marginal: Marginal, top: int, sd: Any, share: Any = None, mean: Any = None
) -> np.ndarray:
    """Probabilities of 0, ..., top triggers, averaged over the intensity, (..., top + 1).

    `sd`, and `share` and `mean` of surges if there are any, broadcast against the means of the
    marginal; zero is without a slow intensity.
    """
    if not np.any(sd) and share is None:
        return np.exp(marginal.family.log_pmf_table(marginal, top))
    total = np.zeros((*np.shape(marginal.mean), top + 1))
    for factor, log_weight in zip(*nodes_of(sd, share, mean), strict=True):
        moved = marginal._replace(mean=marginal.mean * np.exp(factor))
        weight = np.broadcast_to(log_weight, np.shape(marginal.mean))[..., None]
        total += np.exp(weight + marginal.family.log_pmf_table(moved, top))
    return total
