r"""Slow intensity and dispersion of a history, by their exact joint likelihood given the rates.

Within a block of five minutes the intensity is constant. The sum of its windows, negative binomial
of size $N / \delta$, then holds all information about it, and given the sum the counts of the
windows are Dirichlet-multinomial, which holds that about the dispersion:

.. math:: L(\sigma, \tau, \delta) = \prod_i \frac{\Gamma(1/\delta + k_i)}{\Gamma(1/\delta)\, k_i!}
    \prod_b \int p(x_b \mid Y_{1 \dots b-1})\,
    \frac{(M_b e^{x_b})^{Y_b}}{(s_b + M_b e^{x_b})^{Y_b}} (1 + M_b e^{x_b} / s_b)^{-s_b}\, dx_b

The integrals are those of the filter.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array
from scipy.optimize import minimize

from eqstat.counts._blocks import Blocks
from eqstat.counts._intensity._filter import predict, update
from eqstat.counts._special import SMALLEST, log_rising

# The regions with the most triggers suffice for four parameters.
MOST_REGIONS = 64
MIDDLE = np.log([0.2, 4.0])
SPREAD = np.array([1.0, 1.2])
SLOPE_SD = 0.5
BOUNDS = [(np.log(0.01), np.log(3.0)), (np.log(0.2), np.log(2000.0)), (-12.0, 4.0), (-3.0, 3.0)]


class Series(NamedTuple):
    """Blocks on a common grid of times, (times, regions); `windows` is 0 where there is none."""

    total: Any
    expected: Any
    windows: Any
    active: Any


class Cells(NamedTuple):
    """Counts and active devices, with their numbers of windows, (cells,)."""

    triggers: Any
    active: Any
    windows: Any


class Learned(NamedTuple):
    """Estimates of log sd, log correlation time (h), log dispersion and its slope.

    Attributes
    ----------
    estimate
        (4,) with a dispersion, else (2,).
    covariance
        From the curvature at the estimate.
    """

    estimate: np.ndarray
    covariance: np.ndarray


def to_series(blocks: Blocks, expected: np.ndarray, regions: int) -> Series:
    """Put blocks on a grid of times; the expectation is that at x = 0."""
    first = blocks.number.min()
    shape = (int(blocks.number.max() - first) + 1, regions)
    at = (blocks.number - first, blocks.region)

    def grid(values: np.ndarray, empty: float) -> np.ndarray:
        out = np.full(shape, empty)
        out[at] = values
        return out

    windows = np.maximum(blocks.windows, 1.0)
    return Series(
        grid(blocks.triggers, 0.0),
        grid(expected, 1.0),
        grid(blocks.windows, 0.0),
        grid(blocks.devices / windows, 100.0),
    )


def dispersion_of(values: Array, active: Array) -> Array:
    """Dispersion among `active` devices; vanishing for Poisson."""
    if len(values) == 2:
        return jnp.full_like(active, SMALLEST)
    return jnp.maximum(jnp.exp(values[2]) * (active / 100.0) ** -values[3], SMALLEST)


def filtered(values: Array, series: Series, block_h: Array) -> tuple[Array, Array, Array]:
    """Predictive mean and variance of each block, and the log likelihood of each region."""
    sd, keep = jnp.exp(values[0]), jnp.exp(-block_h / jnp.exp(values[1]))
    size = jnp.maximum(series.windows, 1.0) / dispersion_of(values, series.active)

    def step(state: tuple, block: tuple) -> tuple[tuple, tuple]:
        mean, variance, log_sum = state
        total, expected, own_size, windows = block
        weight = jnp.where(windows > 0, 1.0, 0.0)
        new_mean, new_variance, log_p = update(mean, variance, total, expected, own_size, weight)
        state = (*predict(new_mean, new_variance, sd, keep), log_sum + log_p)
        return state, (mean, variance)

    one = jnp.ones(series.total.shape[1])
    start = (-0.5 * sd**2 * one, sd**2 * one, 0.0 * one)
    blocks = (series.total, series.expected, size, series.windows)
    (_, _, log_sum), (mean, variance) = jax.lax.scan(step, start, blocks)
    return mean, variance, log_sum


def _objective(values: Array, series: Series, cells: Cells, block_h: Array) -> Array:
    log_likelihood = jnp.sum(filtered(values, series, block_h)[2])
    if len(values) > 2:
        own = log_rising(1 / dispersion_of(values, cells.active), cells.triggers)
        log_likelihood = log_likelihood + jnp.sum(cells.windows * own)
        log_likelihood = log_likelihood - 0.5 * (values[3] / SLOPE_SD) ** 2
    prior = jnp.sum(((values[:2] - MIDDLE) / SPREAD) ** 2)
    return 0.5 * prior - log_likelihood


@jax.jit
def _slope(values: Array, series: Series, cells: Cells, block_h: Array) -> tuple[Array, Array]:
    """Objective and its gradient, by forward differentiation.

    Of few parameters through thousands of steps it is six times as fast as backward.
    """

    def along(direction: Array) -> tuple[Array, Array]:
        own = partial(_objective, series=series, cells=cells, block_h=block_h)
        return jax.jvp(own, (values,), (direction,))

    value, slope = jax.vmap(along, out_axes=(None, 0))(jnp.eye(len(values)))
    return value, slope


def learn(series: Series, cells: Cells, start: np.ndarray, block_s: float) -> Learned:
    """Maximise the likelihood from a starting point, of four values or, for Poisson, two.

    Of the series the busiest regions are used; the cells are of these.
    """
    # The filter is sequential: half as many steps take half the time.
    series, block_h = _in_pairs(series), 2 * block_s / 3600
    series = Series(*(values[:, busiest(series)] for values in series))
    with jax.enable_x64(True):
        data = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float64), (series, cells))
        scale = max(float(np.sum(series.windows > 0)), 1.0)

        def both(values: np.ndarray) -> tuple[float, np.ndarray]:
            value, slope = _slope(jnp.asarray(values), *data, block_h)
            return float(value) / scale, np.asarray(slope) / scale

        bounds = BOUNDS[: len(start)]
        optimum = minimize(
            both, start, jac=True, method="L-BFGS-B", bounds=bounds,
            options={"maxiter": 60, "ftol": 1e-10, "gtol": 1e-7},
        )  # fmt: skip
        return Learned(optimum.x, _covariance(optimum.x, lambda values: scale * both(values)[1]))


def _in_pairs(series: Series) -> Series:
    """Sum blocks two by two."""

    def sums(values: np.ndarray) -> np.ndarray:
        filled = np.pad(values, ((0, len(values) % 2), (0, 0)))
        return filled.reshape(-1, 2, values.shape[1]).sum(axis=1)

    total, expected, windows = series.total, series.expected, series.windows
    known, both = windows > 0, sums(windows)
    active = sums(windows * series.active) / np.maximum(both, 1.0)
    return Series(
        sums(total),
        np.where(both > 0, sums(known * expected), 1.0),
        both,
        np.where(both > 0, active, 100.0),
    )


def busiest(series: Series) -> np.ndarray:
    """Regions with the most triggers, whose series and cells are used."""
    return np.argsort(-np.sum(series.total, axis=0), kind="stable")[:MOST_REGIONS]


def _covariance(at: np.ndarray, slope: Any) -> np.ndarray:
    """Inverse of the Hessian by differences of the gradient; flat directions are bounded."""
    step = 1e-3
    size = len(at)
    rows = [
        (slope(at + step * np.eye(size)[i]) - slope(at - step * np.eye(size)[i])) / (2 * step)
        for i in range(size)
    ]
    hessian = 0.5 * (np.array(rows) + np.array(rows).T)
    curvature, axes = np.linalg.eigh(hessian)
    return axes @ np.diag(1 / np.maximum(curvature, 1.0)) @ axes.T
