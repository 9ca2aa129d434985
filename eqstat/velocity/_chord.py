"""Chords between points on the sphere: what travel times are functions of, in pure JAX."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from eqstat._core.constants import EARTH_RADIUS_KM

__all__ = ["squared_chord", "surface_point"]


@jax.jit
def surface_point(
    east_km: ArrayLike, north_km: ArrayLike
) -> tuple[Float[Array, "..."], Float[Array, "..."], Float[Array, "..."]]:
    r"""Cartesian position of local azimuthal equidistant coordinates on the sphere.

    With $\alpha = \sqrt{x^2 + y^2} / R$ the position is
    $(x \sin\alpha / \alpha,\; y \sin\alpha / \alpha,\; -2 R \sin^2(\alpha / 2))$, written so that
    values and gradients keep their digits at the centre of the frame.

    Parameters
    ----------
    east_km, north_km : array or float, km
        Coordinates in a local frame (see `eqstat.geodesy.LocalFrame`); they broadcast.

    Returns
    -------
    x, y, z : arrays of the broadcast shape, km
        East, north and up from the centre of the frame.

    Examples
    --------
    >>> x, y, z = surface_point(30.0, 40.0)
    >>> [round(float(value), 3) for value in (x, y, z)]
    [30.0, 40.0, -0.196]
    """
    east, north = jnp.asarray(east_km), jnp.asarray(north_km)
    squared = (east**2 + north**2) / EARTH_RADIUS_KM**2
    # Series where the angle is so small that the quotient would lose its gradient at 0.
    near = squared < 1e-6
    angle = jnp.sqrt(jnp.where(near, 1.0, squared))
    shrink = jnp.where(near, 1 - squared / 6, jnp.sin(angle) / angle)
    drop = jnp.where(near, squared / 2 - squared**2 / 24, 2 * jnp.sin(angle / 2) ** 2)
    return shrink * east, shrink * north, -EARTH_RADIUS_KM * drop


def squared_chord(
    east_km: ArrayLike, north_km: ArrayLike, position_km: ArrayLike
) -> Float[Array, " n"]:
    """Squared straight distance between an epicentre and surface points, without cancellation.

    Parameters
    ----------
    east_km, north_km : scalars, km
        Epicentre in the local frame.
    position_km : array, km, (n, 3)
        Surface points of the devices in the same frame: east, north, up.

    Returns
    -------
    array, km^2, (n,)
        What `VelocityModel.times` takes.

    Examples
    --------
    >>> import numpy as np
    >>> [round(float(x), 3) for x in squared_chord(3.0, 4.0, np.zeros((1, 3)))]
    [25.0]
    """
    x, y, z = surface_point(east_km, north_km)
    position = jnp.asarray(position_km)
    return (x - position[..., 0]) ** 2 + (y - position[..., 1]) ** 2 + (z - position[..., 2]) ** 2
