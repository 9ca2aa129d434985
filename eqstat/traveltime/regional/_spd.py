"""Inverse and log determinant of symmetric positive definite matrices by sweeps: no LAPACK.

Batched calls of LAPACK within a compiled loop share a small pool of threads with their callers,
and can wait for one another for minutes on machines with few cores. A sweep is plain arithmetic.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


@jax.custom_vjp
def inverse_and_log_determinant(
    matrix: Float[Array, "n n"],
) -> tuple[Float[Array, "n n"], Float[Array, ""]]:
    """Invert by n sweeps (Goodnight, 1979), without pivoting: only for positive definite matrices.

    Parameters
    ----------
    matrix
        Symmetric, positive definite.

    Returns
    -------
    inverse, log_determinant
        NaN where the matrix is not positive definite.

    References
    ----------
    Goodnight (1979), A tutorial on the SWEEP operator, The American Statistician 33, 149-158.
    """
    size = matrix.shape[-1]

    def sweep(k: Array, carry: tuple[Array, Array]) -> tuple[Array, Array]:
        swept, log_determinant = carry
        here = jnp.arange(size) == k
        row = jax.lax.dynamic_index_in_dim(swept, k, 0, keepdims=False)
        pivot = jax.lax.dynamic_index_in_dim(row, k, 0, keepdims=False)
        scaled = jnp.where(here, -1.0, row) / pivot
        # One update does all: the row and column of the pivot, the pivot and the rest.
        keep = jnp.where(here[:, None] | here[None], 0.0, swept)
        left = jnp.where(here, -1.0, row)
        return keep - left[:, None] * scaled[None], log_determinant + jnp.log(pivot)

    start = (matrix, jnp.zeros((), matrix.dtype))
    swept, log_determinant = jax.lax.fori_loop(0, size, sweep, start)
    return -swept, log_determinant


def _forward(matrix: Array) -> tuple[tuple[Array, Array], Array]:
    inverse, log_determinant = inverse_and_log_determinant(matrix)
    return (inverse, log_determinant), inverse


def _backward(inverse: Array, slopes: tuple[Array, Array]) -> tuple[Array]:
    of_inverse, of_log_determinant = slopes
    return (of_log_determinant * inverse - inverse @ of_inverse @ inverse,)


inverse_and_log_determinant.defvjp(_forward, _backward)
