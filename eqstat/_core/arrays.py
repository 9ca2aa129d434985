"""Types of leaves: numbers on the host, JAX arrays in the core.

A type checker takes them for `Any`, so that the same field may hold a number, a NumPy array or a
JAX array of any shape; at run time they are what may be stored.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jax.numpy as jnp
import numpy as np

if TYPE_CHECKING:
    Number = Any
    FloatArray = Any
    IntArray = Any
    BoolArray = Any
else:
    from jaxtyping import Array, Bool, Float, Int

    Number = Array | np.ndarray | np.number | float | int
    FloatArray = Float[Array, "..."] | np.ndarray
    IntArray = Int[Array, "..."] | np.ndarray
    BoolArray = Bool[Array, "..."] | np.ndarray


def as_leaf(value: Any) -> Any:
    """Convert numbers to arrays; arrays keep their dtype, and other objects pass through.

    >>> as_leaf([1.0, 2.0]).shape
    (2,)
    """
    if isinstance(value, int | float | list | tuple):
        return jnp.asarray(value, jnp.result_type(float))
    return jnp.asarray(value) if isinstance(value, np.ndarray | np.generic) else value
