"""Multi-start BFGS in coordinates whitened by the Hessian at each start."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optimistix
from jaxtyping import Array, Bool, Float, Int, PyTree

from eqstat._core.checks import check_range, check_whole
from eqstat._core.explain import explained

Objective = Callable[[Array, PyTree], Array]

# Below this share of the largest eigenvalue a direction counts as flat when it is whitened.
FLAT = 1e-6


@explained
class Optimum(NamedTuple):
    """The best end point of several BFGS runs.

    Attributes
    ----------
    value
        Parameters at the optimum, shape (parameters,).
    objective
        Objective there, scalar.
    gradient
        Gradient there, shape (parameters,).
    hessian
        Hessian there, shape (parameters, parameters).
    decrement
        Half the squared Newton decrement: the fall of the objective that a quadratic model
        still promises. Small against 1 (in units of log-likelihood) means converged.
    converged
        Whether `decrement` is below the tolerance and everything is finite.
    starts_agreeing
        How many of the starts ended within the tolerance of the best objective.
    steps
        The largest number of BFGS steps that any start took.

    Examples
    --------
    >>> optimum = minimise(lambda x, args: jnp.sum(x**2), jnp.ones((1, 2)), (), stages=1)
    >>> optimum.hessian.shape
    (2, 2)
    """

    value: Float[Array, " parameters"]
    objective: Float[Array, ""]
    gradient: Float[Array, " parameters"]
    hessian: Float[Array, "parameters parameters"]
    decrement: Float[Array, ""]
    converged: Bool[Array, ""]
    starts_agreeing: Int[Array, ""]
    steps: Int[Array, ""]


def whitening(hessian: Float[Array, "p p"]) -> Float[Array, "p p"]:
    r"""Return $W$ with $W^\top |H| W = 1$, flat directions bounded by a floor.

    The absolute eigenvalues are used, so that a start on a saddle still moves downhill.
    """
    eigenvalues, vectors = jnp.linalg.eigh(hessian)
    size = jnp.abs(eigenvalues)
    size = jnp.maximum(size, FLAT * jnp.max(size) + jnp.finfo(hessian.dtype).tiny)
    return vectors / jnp.sqrt(size)


def minimise(
    objective: Objective,
    starts: Float[Array, "starts parameters"],
    args: PyTree,
    *,
    max_steps: int = 80,
    tolerance: float = 1e-7,
    stages: int = 2,
    decrement_tolerance: float = 1e-6,
    batch: int | None = None,
) -> Optimum:
    r"""Minimise a smooth function by BFGS from several starts; pure JAX, to be compiled.

    Travel-time likelihoods have one long flat ridge rather than many optima, and BFGS with
    the identity as first Hessian stops on its flank. So every start works in coordinates
    whitened by its own Hessian, is whitened anew where it ends, and descends again.

    Parameters
    ----------
    objective
        $f(\theta, \text{args})$, a scalar in units of negative log-likelihood.
    starts
        Starting points, one row each.
    args
        What the objective needs besides the parameters.
    max_steps
        BFGS steps of each run, at most.
    tolerance
        Relative and absolute tolerance of step and objective, in whitened coordinates.
    stages
        How often each run is whitened anew and descended.
    decrement_tolerance
        The Newton decrement under which the result counts as converged.
    batch
        How many gradients of a Hessian are taken at once; all of them by default. Fewer need
        less memory where the data are large.

    Returns
    -------
    Optimum

    References
    ----------
    Nocedal, J. and Wright, S. (2006), Numerical Optimization, 2nd ed., chapters 6 and 9.5.

    Examples
    --------
    >>> def objective(x, centre):
    ...     return jnp.sum(jnp.cosh(x - centre))
    >>> with jax.enable_x64(True):
    ...     optimum = minimise(objective, jnp.zeros((2, 1)), jnp.array([0.5]))
    >>> round(float(optimum.value[0]), 6), bool(optimum.converged), int(optimum.starts_agreeing)
    (0.5, True, 2)
    """
    check_range("minimise", 0, 1, ends="()", tolerance=tolerance)
    check_range("minimise", 0, ends="(]", decrement_tolerance=decrement_tolerance)
    check_whole("minimise", 1, max_steps=max_steps)

    def descend(start: Array, frame: Array) -> tuple[Array, Array]:
        solution = optimistix.minimise(
            lambda z, inner: objective(start + frame @ z, inner),
            optimistix.BFGS(rtol=tolerance, atol=tolerance),
            jnp.zeros_like(start),
            args,
            max_steps=max_steps,
            throw=False,
        )
        return start + frame @ solution.value, solution.stats["num_steps"]

    # Central differences of the exact gradient: as good as needed in float64, and a fraction
    # of the compilation that second derivatives of a travel-time model would cost.
    size, kind = starts.shape[1], starts.dtype
    step = float(jnp.finfo(kind).eps) ** (1 / 3)
    offsets = step * jnp.concatenate([jnp.zeros((1, size)), jnp.eye(size), -jnp.eye(size)])

    def slope(value: Array) -> tuple[Array, Array, Array]:
        near = value + offsets.astype(kind)
        both = jax.value_and_grad(objective)
        if batch is None:
            objectives, gradients = jax.vmap(both, (0, None))(near, args)
        else:
            size_of = None if batch == 1 else batch
            objectives, gradients = jax.lax.map(lambda at: both(at, args), near, batch_size=size_of)
        hessian = (gradients[1 : size + 1] - gradients[size + 1 :]) / (2 * step)
        return objectives[0], gradients[0], 0.5 * (hessian + hessian.T)

    def stage(values: Array, last: Array) -> tuple[Array, tuple]:
        """Judge all points, then move them unless it is the last stage."""
        objectives, gradients, hessians = jax.vmap(slope)(values)
        frames = jax.vmap(whitening)(hessians)
        moved, steps = jax.lax.cond(
            last,
            lambda: (values, jnp.zeros(len(values), int)),
            # One after another: batched loops would wait for the slowest start, and take twice as
            # long to trace.
            lambda: jax.lax.map(lambda row: descend(*row), (values, frames)),
        )
        return moved, (values, objectives, gradients, hessians, frames, steps)

    # One traced stage serves all: descend, descend again in the new frame, judge.
    last = jnp.arange(stages + 1) == stages
    _, history = jax.lax.scan(stage, starts, last)
    values, objectives, gradients, hessians, frames, steps = history
    objectives = jnp.where(jnp.isfinite(objectives), objectives, jnp.inf)
    # A later stage is never worse but for rounding; the last one wins ties.
    final = objectives[-1]
    best = jnp.argmin(final)
    value, end = values[-1, best], final[best]
    decrement = 0.5 * jnp.sum((frames[-1, best].T @ gradients[-1, best]) ** 2)
    close = final - end < 1e-4 * (1 + jnp.abs(end))
    converged = jnp.isfinite(end) & jnp.isfinite(decrement) & (decrement < decrement_tolerance)
    return Optimum(
        value,
        end,
        gradients[-1, best],
        hessians[-1, best],
        decrement,
        converged,
        jnp.sum(close),
        jnp.max(jnp.sum(steps, axis=0)),
    )


def covariance(
    hessian: np.ndarray, free: np.ndarray, *, flat: float = 1e-9
) -> tuple[np.ndarray, bool]:
    """Invert the Hessian over the free parameters.

    Parameters
    ----------
    hessian
        Hessian of the negative log-likelihood, shape (p, p).
    free
        Which parameters are away from their bounds, shape (p,).
    flat
        Share of the largest scaled eigenvalue below which the Hessian counts as singular.

    Returns
    -------
    covariance : numpy.ndarray
        Shape (p, p); NaN in rows and columns of parameters at a bound, and everywhere where
        the Hessian is not positive definite.
    regular : bool
        Whether the free block was positive definite.

    Examples
    --------
    >>> spread, regular = covariance(np.diag([4.0, 1.0]), np.array([True, False]))
    >>> float(spread[0, 0]), float(spread[1, 1]), regular
    (0.25, nan, True)
    """
    hessian = np.asarray(hessian, dtype=np.float64)
    result = np.full_like(hessian, np.nan)
    block = hessian[np.ix_(free, free)]
    diagonal = np.diagonal(block)
    if not np.all(np.isfinite(block)) or np.any(diagonal <= 0):
        return result, False
    scale = np.sqrt(diagonal)
    eigenvalues, vectors = np.linalg.eigh(block / np.outer(scale, scale))
    if eigenvalues.size and eigenvalues[0] <= flat * eigenvalues[-1]:
        return result, False
    inverse = (vectors / eigenvalues) @ vectors.T
    result[np.ix_(free, free)] = inverse / np.outer(scale, scale)
    return result, True
