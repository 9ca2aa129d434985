"""Harmonics of the hour of the day and of the day of the week."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

DAILY, WEEKLY = 4, 2
HOURS_OF_WEEK = 168


def basis(
    hour: Array | np.ndarray | np.number | float | int,
    day: Array | np.ndarray | np.number | float | int,
) -> Array:
    """Cosine and sine of one and two cycles per day and of one per week; (..., 6)."""
    hour, day = jnp.broadcast_arrays(jnp.asarray(hour), jnp.asarray(day))
    once, week = 2 * jnp.pi * hour / 24, 2 * jnp.pi * day / 7
    return jnp.stack(
        [
            jnp.cos(once),
            jnp.sin(once),
            jnp.cos(2 * once),
            jnp.sin(2 * once),
            jnp.cos(week),
            jnp.sin(week),
        ],
        axis=-1,
    )


def week_basis() -> np.ndarray:
    """The harmonics at the centre of each hour of the week, Monday first; (168, 6)."""
    index = np.arange(HOURS_OF_WEEK)
    once, week = 2 * np.pi * (index % 24 + 0.5) / 24, 2 * np.pi * (index // 24) / 7
    columns = [f(m * once) for m in (1, 2) for f in (np.cos, np.sin)]
    return np.stack([*columns, np.cos(week), np.sin(week)], axis=-1)
