"""First arrivals from a table: a biquadratic spline in depth and distance."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from eqstat._core.constants import EARTH_RADIUS_KM
from eqstat.velocity._base import VelocityModel, hypocentral_km
from eqstat.velocity._spline import Axis, control_points, locate
from eqstat.velocity._tables import Table, chord_km

__all__ = ["TableVelocity", "from_table"]


class TableVelocity(VelocityModel):
    r"""First arrivals in a layered spherical earth, from a table.

    The table holds the first-arrival time less that of the straight ray at the velocity of the
    surface, as a biquadratic spline in depth $d$ and stretched chord $x$,

    $$ t(c, d) = \frac{h(c, d)}{v_0} + r(x, d), \qquad x = \sqrt{c^2 + a^2} - a , $$

    so the cone above a shallow source is exact. Time is continuous, and has a continuous derivative
    everywhere but at depths where the velocity jumps (and at the ends of the table). Where one
    branch of rays overtakes another, the kink is rounded over about two cells.

    Beyond the greatest distance $r$ goes on along its tangent, so the time is nearly a straight
    line in the chord: smooth, but no longer that of the earth model. A source below the table is
    taken at its greatest depth; above the sphere only the straight part changes.

    A device at elevation $e$ is later by $e \sqrt{1/v_0^2 - p^2}$ for a wave of horizontal
    slowness $p$, as far as the straight part (exact) does not already hold this; rock between the
    sphere and the device is taken to have the velocity of the surface.

    Made by `load_velocity` and `layered`. The control points are a NumPy array in float64, so that
    they follow the precision of the computation; `jax.device_put(model)` puts them on the device
    once, where many compiled calls are made.

    Parameters
    ----------
    control : array (2 * depth cells + 1, 2 * distance cells + 1, 2), seconds
        Control points of r for P and S.
    depth_axis, distance_axis : Axis
        Cells in depth (km) and in stretched chord (km).
    surface_km_s : (float, float), km/s
        Velocity of P and of S at the surface.
    stretch_km : float, km
        The length a.
    name : str
        Name of the model.

    Examples
    --------
    >>> from eqstat.velocity import load_velocity
    >>> model = load_velocity("iasp91")
    >>> p_s, s_s = model.travel_time(100.0, 10.0)
    >>> round(float(p_s), 1), bool(s_s > p_s)
    (17.3, True)
    """

    control: Float[np.ndarray, "depth distance 2"] | Float[Array, "depth distance 2"]
    depth_axis: Axis = eqx.field(static=True)
    distance_axis: Axis = eqx.field(static=True)
    surface_km_s: tuple[float, float] = eqx.field(static=True)
    stretch_km: float = eqx.field(static=True)
    name: str = eqx.field(static=True, default="table")

    @property
    def max_distance_km(self) -> float:
        """Great-circle distance to which the table reaches; beyond, times are a straight line."""
        chord = float(chord_km(np.array([self.distance_axis.end]), self.stretch_km)[0])
        return float(2.0 * EARTH_RADIUS_KM * np.arcsin(0.5 * chord / EARTH_RADIUS_KM))

    @property
    def max_depth_km(self) -> float:
        """Depth to which the table reaches."""
        return self.depth_axis.end

    def times(
        self,
        chord2_km2: ArrayLike,
        depth_km: ArrayLike,
        elevation_km: ArrayLike,
    ) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
        """First P and first S travel time; see `VelocityModel.times`."""
        chord2, depth, control = self._inputs(chord2_km2, depth_km, elevation_km)
        row, down, _ = locate(self.depth_axis, jnp.maximum(depth, 0.0))
        weights = ((1.0 - down) ** 2, 2.0 * down * (1.0 - down), down**2)
        flat, stride = control.reshape(-1), 2 * control.shape[1]

        def look_up(column: Array, phase: int) -> Array:
            at = 2 * row * stride + 2 * column + phase
            return sum(
                (
                    w * flat.at[at + k * stride].get(mode="promise_in_bounds")
                    for k, w in enumerate(weights)
                ),
                start=jnp.zeros((), flat.dtype),
            )

        return self._assemble(chord2, depth, elevation_km, look_up)

    def times_at_depth(
        self,
        chord2_km2: ArrayLike,
        depth_km: ArrayLike,
        elevation_km: ArrayLike,
    ) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
        """First P and S travel time for one depth; see `VelocityModel.times_at_depth`."""
        chord2, depth, control = self._inputs(chord2_km2, depth_km, elevation_km)
        row, down, _ = locate(self.depth_axis, jnp.maximum(depth, 0.0))
        weights = jnp.stack([(1.0 - down) ** 2, 2.0 * down * (1.0 - down), down**2])
        block = jax.lax.dynamic_slice_in_dim(control, 2 * row, 3, axis=0)
        flat = jnp.tensordot(weights, block, axes=1, precision="highest").reshape(-1)

        def look_up(column: Array, phase: int) -> Array:
            return flat.at[2 * column + phase].get(mode="promise_in_bounds")

        return self._assemble(chord2, depth, elevation_km, look_up)

    def _inputs(self, chord2: Any, depth: Any, elevation: Any) -> tuple[Array, Array, Array]:
        """Arrays of one floating type, that of the arguments."""
        dtype = jnp.result_type(chord2, depth, elevation, jnp.float32)
        as_given = [jnp.asarray(a).astype(dtype) for a in (chord2, depth, self.control)]
        return as_given[0], jnp.minimum(as_given[1], self.depth_axis.end), as_given[2]

    def _assemble(
        self, chord2: Array, depth: Array, elevation: Any, look_up: Callable[[Array, int], Array]
    ) -> tuple[Array, Array]:
        """Straight part + spline + elevation."""
        stretched = jnp.sqrt(chord2 + self.stretch_km**2)
        cell, t, rate = locate(self.distance_axis, stretched - self.stretch_km)
        # Beyond the last cell the spline goes on along its tangent.
        beyond = 2.0 * jnp.maximum(t - 1.0, 0.0)
        t = jnp.minimum(t, 1.0)
        weights = ((1.0 - t) ** 2, 2.0 * t * (1.0 - t) - beyond, t**2 + beyond)
        slopes = (2.0 * t - 2.0, 2.0 - 4.0 * t, 2.0 * t)
        zero = jnp.zeros((), depth.dtype)
        straight = hypocentral_km(chord2, depth, zero)
        flat_device = isinstance(elevation, (int, float)) and elevation == 0.0
        raised = straight if flat_device else hypocentral_km(chord2, depth, jnp.asarray(elevation))
        # Squared slownesses below are `arc` times the square of (derivative by chord) / chord. The
        # straight part has none at a source in the surface right below: soften over 100 m.
        arc = chord2 * (1.0 - chord2 / (4.0 * EARTH_RADIUS_KM**2))
        soft = (1.0 - depth / EARTH_RADIUS_KM) * jax.lax.rsqrt(straight**2 + 0.01)
        out = []
        for phase, velocity in enumerate(self.surface_km_s):
            points = [look_up(2 * cell + k, phase) for k in range(3)]
            excess = sum((w * q for w, q in zip(weights, points, strict=True)), start=zero)
            time = raised / velocity + excess
            if not flat_device:
                slope = sum((w * q for w, q in zip(slopes, points, strict=True)), start=zero)
                bend = slope * rate / stretched
                lift, straight_lift = (
                    jnp.sqrt(jnp.maximum(velocity**-2 - arc * q**2, (0.02 / velocity) ** 2))
                    for q in (soft / velocity + bend, soft / velocity)
                )
                time = time + elevation * (lift - straight_lift)
            out.append(time)
        return out[0], out[1]


def from_table(table: Table, name: str) -> TableVelocity:
    """Spline coefficients to control points."""
    control = np.einsum(
        "ij,jpk,lk->ilp",
        control_points(table.depth_axis),
        table.coefficients,
        control_points(table.distance_axis),
        optimize=True,
    )
    return TableVelocity(
        control=np.ascontiguousarray(control),
        depth_axis=table.depth_axis,
        distance_axis=table.distance_axis,
        surface_km_s=table.surface_km_s,
        stretch_km=table.stretch_km,
        name=name,
    )
