"""Priors of a location, in the open: each one can be replaced."""

from __future__ import annotations

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import xarray as xr
from jax.scipy.ndimage import map_coordinates
from jaxtyping import Array, Float
from numpyro.distributions.constraints import unit_interval
from numpyro.distributions.transforms import AffineTransform

from eqstat._core.checks import check_range
from eqstat._core.errors import InputError
from eqstat.geodesy import LocalFrame

MAX_DEPTH_KM = 500.0


class EpicentreDensity(eqx.Module):
    """A density of past seismicity on a grid in local coordinates.

    Attributes
    ----------
    log_density
        Log probability per km^2 on a regular grid (north, east).
    low_km, step_km
        First node and step, (north, east).
    """

    log_density: Float[Array, "north east"] | np.ndarray
    low_km: Float[Array, " 2"] | np.ndarray
    step_km: Float[Array, " 2"] | np.ndarray

    def __call__(self, east_km: Array, north_km: Array) -> Array:
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


class Prior(eqx.Module):
    r"""Priors of the hypocentre and of what the likelihoods learn beside it.

    Attributes
    ----------
    region_km
        Half-width of the box about the centre of the triggers in which the epicentre is
        uniform, km.
    depth
        Depth, km; a NumPyro distribution on positive numbers. The default is 500 km times
        Kumaraswamy(1, 12), which is Beta(1, 12): falling from the surface, mean 38 km, one in
        six below 70 km, as of crustal and subduction earthquakes together.
    lead_s
        The mean arrival is uniform from this long before the window to this long after it, s.
    sd_s
        Scatter of the Gaussian likelihood, s; median 1.29 s, the 2023 paper's value.
    delay_s, scatter_s
        Delay of phones after the phase, and its scatter, s.
    shares
        Shares of P, S and background among the triggers; a distribution on the simplex.
    trigger_probability
        Probability that an active device triggers in the end.
    slowness_ratio
        Travel times over those of the velocity model, for P and for S each (mixture only);
        log-normal with a standard deviation of 4 %, as crusts differ.
    slowness_lateral
        Relative excess of travel times towards the east, and the north (mixture only); normal
        with a standard deviation of 2 %.
    epicentre
        A density of past seismicity on top of the uniform box, or None.
    """

    region_km: float | Float[Array, ""] = 500.0
    lead_s: float | Float[Array, ""] = 60.0
    depth: dist.Distribution = eqx.field(
        default_factory=lambda: dist.TransformedDistribution(
            dist.Kumaraswamy(1.0, 12.0), AffineTransform(0.0, MAX_DEPTH_KM, domain=unit_interval)
        )
    )
    sd_s: dist.Distribution = eqx.field(default_factory=lambda: dist.LogNormal(np.log(1.29), 0.3))
    delay_s: dist.Distribution = eqx.field(
        default_factory=lambda: dist.TruncatedNormal(2.0, 1.0, low=0.0)
    )
    scatter_s: dist.Distribution = eqx.field(
        default_factory=lambda: dist.LogNormal(np.log(0.8), 0.5)
    )
    shares: dist.Distribution = eqx.field(
        default_factory=lambda: dist.Dirichlet(np.array([2.0, 2.0, 1.0]))
    )
    trigger_probability: dist.Distribution = eqx.field(default_factory=lambda: dist.Beta(2.0, 2.0))
    slowness_ratio: dist.Distribution = eqx.field(default_factory=lambda: dist.LogNormal(0.0, 0.04))
    slowness_lateral: dist.Distribution = eqx.field(default_factory=lambda: dist.Normal(0.0, 0.02))
    epicentre: EpicentreDensity | None = None

    def __check_init__(self) -> None:
        check_range("Prior", 0, 5000, ends="(]", region_km=self.region_km)
        check_range("Prior", 0, ends="()", lead_s=self.lead_s)

    def with_seismicity(self, density: xr.DataArray, frame: LocalFrame) -> Prior:
        """Return this prior with an epicentre density from a grid of past seismicity.

        Parameters
        ----------
        density
            Non-negative rates or counts per unit area on dims `latitude` and `longitude`.
        frame
            The local frame of the observations.

        Raises
        ------
        eqstat.InputError
            When dims are missing, or a value is negative, not finite, or zero everywhere in
            the region: a prior of zero can never be overruled by data.
        """
        if set(density.dims) != {"latitude", "longitude"}:
            raise InputError(
                f"seismicity: dims must be latitude and longitude, not {tuple(density.dims)}"
            )
        values = density.to_numpy()
        check_range("seismicity", 0, density=values)
        half = float(self.region_km)
        axis = np.linspace(-half, half, 201)
        east, north = np.meshgrid(axis, axis)
        latitude, longitude = frame.to_geographic(east, north)
        low = float(density["longitude"].min())
        at = _closed(density.sortby(["latitude", "longitude"])).interp(
            latitude=xr.DataArray(latitude, dims=("north", "east")),
            longitude=xr.DataArray((longitude - low) % 360 + low, dims=("north", "east")),
        )
        local = np.nan_to_num(at.to_numpy(), nan=0.0)
        if not np.any(local > 0):
            raise InputError("seismicity: the density is zero over the whole prior region")
        floor = local[local > 0].min() * 1e-3
        log_density = np.log(np.maximum(local, floor))
        area = (axis[1] - axis[0]) ** 2
        log_density -= np.log(np.sum(np.exp(log_density)) * area)
        step = np.array([axis[1] - axis[0]] * 2)
        table = EpicentreDensity(log_density, np.array([-half, -half]), step)
        return eqx.tree_at(lambda p: p.epicentre, self, table, is_leaf=lambda node: node is None)

    @property
    def deepest_km(self) -> Float[Array, ""] | float | None:
        """Upper bound of the depth prior's support; None where it has none."""
        return getattr(self.depth.support, "upper_bound", None)

    @property
    def shallowest_km(self) -> Float[Array, ""] | float:
        """Lower bound of the depth prior's support, not above the surface."""
        bound = getattr(self.depth.support, "lower_bound", 0.0)
        return jnp.maximum(bound, 0.0)

    def log_epicentre(self, east_km: Array, north_km: Array) -> Array:
        """Log prior density of the epicentre inside the region, per km^2."""
        uniform = -2 * jnp.log(2 * jnp.asarray(self.region_km))
        if self.epicentre is None:
            return uniform + 0 * east_km
        return self.epicentre(east_km, north_km)
