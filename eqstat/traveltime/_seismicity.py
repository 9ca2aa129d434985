"""Past seismicity as a prior density of the epicentre."""

from __future__ import annotations

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jax.scipy.ndimage import map_coordinates
from jaxtyping import Array, Float

from eqstat._core.checks import check_range
from eqstat._core.errors import InputError
from eqstat._core.explain import Explained
from eqstat.geodesy import LocalFrame

# Zeros are raised to this share of the smallest positive density: no data could overrule them.
FLOOR = 1e-3
NODES = 201


class EpicentreDensity(Explained, eqx.Module):
    """A density of past seismicity on a grid in local coordinates.

    Made by `Prior.with_seismicity`.

    Attributes
    ----------
    log_density
        Log probability per km^2 on a regular grid (north, east).
    low_km, step_km
        First node and step, (north, east).

    Examples
    --------
    >>> flat = EpicentreDensity(np.full((3, 3), -8.0), np.array([-1.0, -1.0]), np.array([1.0, 1.0]))
    >>> float(flat(jnp.asarray(0.5), jnp.asarray(-0.2)))
    -8.0
    """

    log_density: Float[Array, "north east"] | np.ndarray
    low_km: Float[Array, " 2"] | np.ndarray
    step_km: Float[Array, " 2"] | np.ndarray

    def __call__(self, east_km: Array | np.ndarray, north_km: Array | np.ndarray) -> Array:
        """Log density at an epicentre, bilinear between nodes and constant beyond the edge."""
        at = [(north_km - self.low_km[0]) / self.step_km[0]]
        at.append((east_km - self.low_km[1]) / self.step_km[1])
        values = jnp.asarray(self.log_density)
        return map_coordinates(values, at, order=1, mode="nearest")


def _closed(density: xr.DataArray) -> xr.DataArray:
    """Repeat the first meridian at the end of a grid round the globe."""
    longitude = density["longitude"].to_numpy()
    if len(longitude) < 2 or longitude[0] + 360 - longitude[-1] > 1.5 * np.diff(longitude).max():
        return density
    again = density.isel(longitude=[0]).assign_coords(longitude=[longitude[0] + 360.0])
    return xr.concat([density, again], dim="longitude")


def local_density(density: xr.DataArray, frame: LocalFrame, half_km: float) -> EpicentreDensity:
    """Interpolate a geographic density to a box of half-width `half_km` and normalise it there."""
    if set(density.dims) != {"latitude", "longitude"}:
        raise InputError(
            f"seismicity: dims must be latitude and longitude, not {tuple(density.dims)}"
        )
    values = density.to_numpy()
    check_range("seismicity", 0, density=values)
    axis = np.linspace(-half_km, half_km, NODES)
    east, north = np.meshgrid(axis, axis)
    latitude, longitude = frame.to_geographic(east, north)
    low = float(density["longitude"].min())
    interpolated = _closed(density.sortby(["latitude", "longitude"])).interp(
        latitude=xr.DataArray(latitude, dims=("north", "east")),
        longitude=xr.DataArray((longitude - low) % 360 + low, dims=("north", "east")),
    )
    local = np.nan_to_num(interpolated.to_numpy(), nan=0.0)
    if not np.any(local > 0):
        raise InputError("seismicity: the density is zero over the whole prior region")
    log_density = np.log(np.maximum(local, local[local > 0].min() * FLOOR))
    step = axis[1] - axis[0]
    log_density -= np.log(np.sum(np.exp(log_density)) * step**2)
    return EpicentreDensity(log_density, np.array([-half_km, -half_km]), np.array([step, step]))
