"""Posteriors on a grid that closes in on the mass: exact up to the cell size."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import logsumexp
from jaxtyping import Array, Float, PyTree

from eqstat._core.density import highest_density_level as highest_density_level
from eqstat._core.density import quantile as quantile
from eqstat._core.explain import Explained

# log_density(*coordinates, data) -> scalar, or a vector over a trailing nuisance axis.
LogDensity = Callable[..., Array]


class Grid(Explained, eqx.Module):
    """A posterior on a product grid of equal cells.

    Attributes
    ----------
    axes
        Cell centres, one vector for each coordinate, ascending.
    log_mass
        Log posterior probability of each cell; `exp` sums to 1 over all cells. Where the
        density has a nuisance axis, it is the last one.
    log_evidence
        Log of the integral of the unnormalised density over the grid (and nuisance).

    Examples
    --------
    >>> cells = Grid((jnp.array([0.5, 1.5]),), jnp.log(jnp.array([0.25, 0.75])), jnp.array(0.0))
    >>> [float(each) for each in jnp.exp(cells.log_mass)]
    [0.25, 0.75]
    """

    axes: tuple[Float[Array, "_"] | Float[np.ndarray, "_"], ...]
    log_mass: Float[Array, "..."] | Float[np.ndarray, "..."]
    log_evidence: Float[Array, ""] | Float[np.ndarray, ""]


def _axis(low: Array, high: Array, cells: int) -> Array:
    return low + (high - low) * (jnp.arange(cells, dtype=low.dtype) + 0.5) / cells


def evaluate(log_density: LogDensity, axes: Sequence[Array], data: PyTree) -> Array:
    """Log density at all nodes of a product grid; rows of the first axis go one by one."""
    function = log_density
    for position in reversed(range(1, len(axes))):
        in_axes: list[int | None] = [None] * (len(axes) + 1)
        in_axes[position] = 0
        function = jax.vmap(function, in_axes=tuple(in_axes))
    return jax.lax.map(lambda first: function(first, *axes[1:], data), axes[0])


def _closer(
    log_values: Array, axes: Sequence[Array], low: Array, high: Array, keep: float, best: int
) -> tuple[Array, Array]:
    """A smaller box: all cells near the maximum, the best cells, and a cell more on each side."""
    flat = log_values.ravel()
    top, _ = jax.lax.top_k(flat, best)
    threshold = jnp.minimum(jnp.max(flat) - keep, top[-1])
    inside = log_values >= threshold
    lows, highs = [], []
    for position, axis in enumerate(axes):
        others = tuple(i for i in range(len(axes)) if i != position)
        any_here = jnp.any(inside, axis=others)
        cells = axis.shape[0]
        first = jnp.argmax(any_here)
        last = cells - 1 - jnp.argmax(any_here[::-1])
        step = (high[position] - low[position]) / cells
        lows.append(jnp.maximum(low[position] + (first - 1) * step, low[position]))
        highs.append(jnp.minimum(low[position] + (last + 2) * step, high[position]))
    return jnp.stack(lows), jnp.stack(highs)


@partial(jax.jit, static_argnames=("log_density", "shape", "passes", "coarse", "keep"))
def grid_posterior(
    log_density: LogDensity,
    data: PyTree,
    lower: Float[Array, " dims"],
    upper: Float[Array, " dims"],
    shape: tuple[int, ...],
    *,
    passes: int = 2,
    coarse: tuple[int, ...] | None = None,
    keep: float = 16.0,
) -> Grid:
    r"""Evaluate a posterior on a grid, after closing in on where its mass is.

    Coarse passes over the whole box find the cells within `keep` of the largest log density
    (and always the best few, so that a peak between nodes is not lost); the box around them
    becomes the next grid. The last pass has the full shape.

    Parameters
    ----------
    log_density
        `log_density(*coordinates, data)`, pure JAX; scalar, or a vector over nuisance nodes
        whose weights are in it.
    data
        What the density needs.
    lower, upper
        The box, shape (dims,).
    shape
        Cells of the last grid along each coordinate.
    passes
        Coarse passes before the last one.
    coarse
        Cells of the coarse passes; by default about half of `shape`.
    keep
        Natural-log distance from the maximum within which a cell is kept; mass beyond is
        smaller than about $e^{-\text{keep}}$ times the number of cells.

    Returns
    -------
    Grid

    Examples
    --------
    >>> def log_density(x, centre):
    ...     return -0.5 * (x - centre) ** 2
    >>> cells = grid_posterior(
    ...     log_density, jnp.array(2.0), jnp.array([-50.0]), jnp.array([50.0]), (64,))
    >>> round(float(cells.log_evidence), 3)
    0.919
    """
    low, high = jnp.asarray(lower), jnp.asarray(upper)
    first = tuple(max(4, cells // 2) for cells in shape) if coarse is None else coarse
    for _ in range(passes):
        axes = [_axis(low[i], high[i], cells) for i, cells in enumerate(first)]
        values = evaluate(log_density, axes, data)
        if values.ndim > len(axes):
            values = logsumexp(values, axis=-1)
        low, high = _closer(values, axes, low, high, keep, best=2 ** len(first))
    axes = [_axis(low[i], high[i], cells) for i, cells in enumerate(shape)]
    values = evaluate(log_density, axes, data)
    total = logsumexp(values)
    cell = jnp.sum(jnp.log((high - low) / jnp.asarray(shape, low.dtype)))
    return Grid(tuple(axes), values - total, total + cell)


def marginal(mass: np.ndarray, keep: Sequence[int]) -> np.ndarray:
    """Sum cell probabilities over all axes but those in `keep` (in their order).

    Examples
    --------
    >>> mass = np.array([[0.1, 0.2], [0.3, 0.4]])
    >>> [round(float(each), 3) for each in marginal(mass, (0,))]
    [0.3, 0.7]
    """
    summed = tuple(i for i in range(mass.ndim) if i not in keep)
    return np.sum(mass, axis=summed)


def cell_edges(axis: np.ndarray) -> np.ndarray:
    """Edges of equidistant cells from their centres.

    Examples
    --------
    >>> cell_edges(np.array([1.0, 2.0, 3.0])).tolist()
    [0.5, 1.5, 2.5, 3.5]
    """
    step = axis[1] - axis[0]
    return np.concatenate([axis - step / 2, axis[-1:] + step / 2])
