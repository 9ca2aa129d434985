"""Types of leaves: numbers on the host, JAX arrays in the core.

A type checker takes them for `Any`, so that the same field may hold a number, a NumPy array or a
JAX array of any shape; at run time they are what may be stored.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    Number = Any
    FloatArray = Any
    IntArray = Any
    BoolArray = Any
else:
    import numpy as np
    from jaxtyping import Array, Bool, Float, Int

    Number = Array | np.ndarray | np.number | float | int
    FloatArray = Float[Array, "..."] | np.ndarray
    IntArray = Int[Array, "..."] | np.ndarray
    BoolArray = Bool[Array, "..."] | np.ndarray
