"""Parameters of the slow intensity, and quadrature over its stationary distribution."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from eqstat._core.arrays import Number
from eqstat._core.checks import check_fields
from eqstat.counts._families import Marginal

# Equally spaced nodes: for a normal density times a smooth function the trapezoidal rule with a
# step of half a standard deviation is exact to ten digits, far into the tail.
NODES = np.arange(-6.5, 6.51, 0.5)
# Tables of counts reach to those of an intensity so many standard deviations above its mean.
REACH_SD = 5.0
LOG_WEIGHTS = -0.5 * NODES**2 - np.log(np.sum(np.exp(-0.5 * NODES**2)))


class Intensity(eqx.Module):
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

    Examples
    --------
    >>> Intensity(0.35, 4.0).correlation_h
    4.0
    """

    sd: Number
    correlation_h: Number

    def __check_init__(self) -> None:
        check_fields(self, sd=(0, 5), correlation_h=(1e-3, 1e6))


def log_factors(sd: Any) -> Array:
    """Log factors of the nodes, which come as a leading axis: (nodes, ...)."""
    sd = jnp.asarray(sd)
    nodes = jnp.asarray(NODES, sd.dtype).reshape(-1, *(1,) * sd.ndim)
    return sd * nodes - 0.5 * sd**2


def interpolate_profile(profile: Any, hour: Any, day: Any) -> Array:
    """Profile at a time of the week: linear between the centres of the hours."""
    profile = jnp.asarray(profile)
    position = (jnp.asarray(day) * 24 + jnp.asarray(hour) - 0.5) % 168
    low = jnp.floor(position).astype(int) % 168
    part = position - jnp.floor(position)
    return (1 - part) * profile[low] + part * profile[(low + 1) % 168]


def averaged_pmf(marginal: Marginal, top: int, sd: Any) -> np.ndarray:
    """Probabilities of 0, ..., top triggers, averaged over the slow intensity, (..., top + 1).

    `sd` broadcasts against the means of the marginal; zero is without a slow intensity.
    """
    if not np.any(sd):
        return np.exp(marginal.family.log_pmf_table(marginal, top))
    total = np.zeros((*np.shape(marginal.mean), top + 1))
    for node, log_weight in zip(NODES, LOG_WEIGHTS, strict=True):
        moved = marginal._replace(mean=marginal.mean * np.exp(sd * node - 0.5 * sd**2))
        total += np.exp(log_weight + marginal.family.log_pmf_table(moved, top))
    return total
