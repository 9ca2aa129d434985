"""Base of the velocity models, and the model of one velocity."""

from __future__ import annotations

import abc

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from eqstat._core.constants import EARTH_RADIUS_KM
from eqstat._core.errors import InputError
from eqstat._core.explain import Explained

__all__ = ["ConstantVelocity", "VelocityModel", "hypocentral_km"]

# Squares of distances are kept above (one millimetre)^2, so that no square root meets zero.
_TINY_KM2 = 1e-12


class VelocityModel(Explained, eqx.Module):
    r"""Base of all velocity models: a subclass gives `times`, a function of the squared chord.

    The core works with the squared chord

    $$ c^2 = 4 R^2 \sin^2\!\left(\frac{D}{2R}\right), \qquad R = 6371\ \text{km}, $$

    because it is smooth at the epicentre and does not cancel in float32.

    Examples
    --------
    >>> import equinox as eqx
    >>> class Faster(VelocityModel):
    ...     model: VelocityModel = eqx.field(default_factory=ConstantVelocity)
    ...     def times(self, chord2_km2, depth_km, elevation_km):
    ...         p_s, s_s = self.model.times(chord2_km2, depth_km, elevation_km)
    ...         return 0.9 * p_s, 0.9 * s_s
    >>> round(float(Faster().travel_time(78.0, 0.0)[0]), 2)
    9.0
    """

    @abc.abstractmethod
    def times(
        self,
        chord2_km2: ArrayLike,
        depth_km: ArrayLike,
        elevation_km: ArrayLike,
    ) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
        """First P and first S travel time; pure JAX, elementwise, the arguments broadcast.

        Parameters
        ----------
        chord2_km2 : array or float, km^2, >= 0
            Squared chord between the surface points of epicentre and device.
        depth_km : array or float, km
            Depth of the source, positive down.
        elevation_km : array or float, km
            Elevation of the device above the sphere.

        Returns
        -------
        p_s, s_s : arrays of the broadcast shape, seconds
        """

    def times_at_depth(
        self,
        chord2_km2: ArrayLike,
        depth_km: ArrayLike,
        elevation_km: ArrayLike,
    ) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
        """As `times`, for one depth (a scalar) and many devices or epicentres.

        The values are the same up to rounding. Tables are first reduced to this depth, which pays
        from some hundred evaluations on; meant for grids. For gradients use `times`.
        """
        return self.times(chord2_km2, depth_km, elevation_km)

    def travel_time(
        self,
        distance_km: ArrayLike,
        depth_km: ArrayLike,
        elevation_km: ArrayLike = 0.0,
    ) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
        """First P and first S travel time at a great-circle distance.

        Parameters
        ----------
        distance_km : array or float, km, >= 0
            Great-circle distance on the sphere of radius 6371 km.
        depth_km : array or float, km
            Depth of the source, positive down.
        elevation_km : array or float, km
            Elevation of the device.

        Returns
        -------
        p_s, s_s : arrays of the broadcast shape, seconds

        Examples
        --------
        >>> p_s, s_s = ConstantVelocity().travel_time(78.0, 0.0)
        >>> round(float(p_s), 2)
        10.0
        """
        distance = jnp.asarray(distance_km)
        half = jnp.sin(distance / (2.0 * EARTH_RADIUS_KM))
        return self.times((2.0 * EARTH_RADIUS_KM * half) ** 2, depth_km, elevation_km)


class ConstantVelocity(VelocityModel):
    r"""Straight rays at one P and one S velocity.

    With epicentral chord $c$, depth $d$ and elevation $e$ the hypocentral distance $h$ is exact
    on the sphere,

    $$ h^2 = (d + e)^2 + \frac{(R - d)(R + e)}{R^2}\, c^2, \qquad t_P = h / v_P,
       \quad t_S = h / v_S . $$

    Parameters
    ----------
    p_velocity_km_s : float, km/s, > 0
        Velocity of P; the default is that of the reference.
    s_velocity_km_s : float, km/s, > 0 and below the P velocity
        Velocity of S; the default is that of the reference.

    Raises
    ------
    InputError
        A ValueError: if a velocity is not finite and positive, or S is not slower than P. Values
        inside a JAX transformation are not known yet and are not checked.

    References
    ----------
    Massoda Tchoussi and Finazzi (2023), eq. 8, written with chords on the sphere.

    Examples
    --------
    >>> p_s, s_s = ConstantVelocity(8.0, 4.0).travel_time(0.0, 16.0)
    >>> float(p_s), float(s_s)
    (2.0, 4.0)
    """

    p_velocity_km_s: float | Float[Array, "..."] = 7.8
    s_velocity_km_s: float | Float[Array, "..."] = 4.5

    def __check_init__(self) -> None:
        """Refuse velocities that no rock has, where their values are known."""
        pair = (self.p_velocity_km_s, self.s_velocity_km_s)
        known = (int, float, np.ndarray, np.generic, jax.Array)
        if not all(isinstance(v, known) and not isinstance(v, Tracer) for v in pair):
            return
        p, s = (np.asarray(v, dtype=float) for v in pair)
        for name, value in (("p_velocity_km_s", p), ("s_velocity_km_s", s)):
            if not (np.all(np.isfinite(value)) and np.all(value > 0.0)):
                raise InputError(f"{name} must be finite and positive (km/s), got {value}")
        if not np.all(s < p):
            raise InputError(f"s_velocity_km_s must be below p_velocity_km_s, got {s} and {p}")

    def times(
        self,
        chord2_km2: ArrayLike,
        depth_km: ArrayLike,
        elevation_km: ArrayLike,
    ) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
        """First P and first S travel time; see `VelocityModel.times`."""
        hypocentral = hypocentral_km(
            jnp.asarray(chord2_km2), jnp.asarray(depth_km), jnp.asarray(elevation_km)
        )
        return hypocentral / self.p_velocity_km_s, hypocentral / self.s_velocity_km_s


@jax.jit
def hypocentral_km(chord2: Array, depth: Array, elevation: Array) -> Array:
    """Straight distance between source and device; its gradient is zero where it is zero.

    Examples
    --------
    >>> round(float(hypocentral_km(jnp.asarray(900.0), jnp.asarray(40.0), jnp.asarray(0.0))), 1)
    49.9
    """
    shrink = (1.0 - depth / EARTH_RADIUS_KM) * (1.0 + elevation / EARTH_RADIUS_KM)
    return jnp.sqrt(jnp.maximum((depth + elevation) ** 2 + shrink * chord2, _TINY_KM2))
