"""The priors: what they say by default, and what they refuse."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest
import xarray as xr
from scipy import integrate, stats

from eqstat import InputError
from eqstat.geodesy import LocalFrame
from eqstat.traveltime import Prior

from . import cases


def test_default_depths_fall_from_the_surface_to_500_km():
    depth = Prior().depth
    with jax.enable_x64(True):
        at = jnp.linspace(0.5, 499.5, 500)
        density = np.exp(np.asarray(depth.log_prob(at)))
    np.testing.assert_allclose(
        density, stats.beta.pdf(np.asarray(at) / 500, 1, 12) / 500, rtol=1e-5
    )
    assert np.all(np.diff(density) < 0)
    assert integrate.trapezoid(density, at) == pytest.approx(1.0, abs=0.02)
    assert Prior().deepest_km == pytest.approx(500.0)


def test_the_deepest_is_that_of_the_support():
    assert float(Prior(depth=dist.Uniform(0.0, 80.0)).deepest_km) == 80.0
    assert Prior(depth=dist.LogNormal(2.0, 1.0)).deepest_km is None


@pytest.mark.parametrize("options", [{"region_km": 0.0}, {"region_km": 6000.0}, {"lead_s": -1.0}])
def test_impossible_regions_and_leads_are_refused(options):
    with pytest.raises(InputError, match=next(iter(options))):
        Prior(**options)


def test_the_epicentre_is_uniform_in_the_region():
    value = Prior(region_km=50.0).log_epicentre(jnp.array([0.0, 49.0]), jnp.array([3.0, -49.0]))
    np.testing.assert_allclose(np.exp(value), 1e-4, rtol=1e-5)


FRAME = LocalFrame(-12.0, -77.0)


def field(latitude, longitude, function):
    values = function(*np.meshgrid(latitude, longitude, indexing="ij"))
    return xr.DataArray(values, {"latitude": latitude, "longitude": longitude})


def bump(frame, sd_km=30.0, at=(20.0, -10.0), step=0.05, reach=3.0):
    """A normal bump about local coordinates, on a grid in degrees."""
    latitude = np.arange(frame.latitude - reach, frame.latitude + reach, step)
    longitude = np.arange(frame.longitude - reach, frame.longitude + reach, step)
    place = cases.destination(frame.latitude, frame.longitude, *at)

    def value(lat, lon):
        apart = cases.vector(lat, lon) - cases.vector(*place)
        return 7.0 * np.exp(-0.5 * np.sum(apart**2, axis=-1) / sd_km**2)

    return field(latitude, longitude, value)


def test_seismicity_becomes_a_density_per_square_kilometre():
    prior = Prior(region_km=150.0).with_seismicity(bump(FRAME), FRAME)
    axis = np.linspace(-150, 150, 151)
    with jax.enable_x64(True):
        places = (jnp.asarray(side) for side in np.meshgrid(axis, axis, indexing="ij"))
        density = np.exp(np.asarray(jax.vmap(jax.vmap(prior.log_epicentre))(*places)))
    east, north = np.meshgrid(axis, axis, indexing="ij")
    assert density.sum() * (axis[1] - axis[0]) ** 2 == pytest.approx(1.0, abs=0.01)
    expected = np.exp(-0.5 * ((east - 20) ** 2 + (north + 10) ** 2) / 900) / (2 * np.pi * 900)
    near = expected > 1e-2 * expected.max()
    np.testing.assert_allclose(density[near], expected[near], rtol=0.03)


def test_the_order_and_signs_of_the_grid_do_not_matter():
    density = bump(FRAME)
    expected = Prior(region_km=100.0).with_seismicity(density, FRAME).epicentre
    turned = density.transpose("longitude", "latitude").isel(latitude=slice(None, None, -1))
    turned = turned.assign_coords(longitude=turned["longitude"] + 360)
    found = Prior(region_km=100.0).with_seismicity(turned, FRAME).epicentre
    np.testing.assert_allclose(found.log_density, expected.log_density, atol=1e-8)


@pytest.mark.parametrize("longitude", [np.arange(-180.0, 180.0), np.arange(0.0, 360.0)])
@pytest.mark.parametrize("centre", [-179.6, 0.2, 100.0])
def test_a_grid_round_the_globe_has_no_seam(longitude, centre):
    frame = LocalFrame(10.0, centre)
    uniform = field(np.arange(-90.0, 91.0), longitude, lambda lat, lon: np.ones_like(lat))
    prior = Prior(region_km=200.0).with_seismicity(uniform, frame)
    np.testing.assert_allclose(np.exp(prior.epicentre.log_density), 1 / 400**2, rtol=0.02)


def test_a_hole_in_past_seismicity_is_unlikely_not_impossible():
    half = field(
        np.arange(-15.0, -9.0, 0.1),
        np.arange(-80.0, -74.0, 0.1),
        lambda lat, lon: np.where(lon < -77.0, 1.0, 0.0),
    )
    prior = Prior(region_km=100.0).with_seismicity(half, FRAME)
    west, east = (float(prior.log_epicentre(jnp.asarray(x), jnp.asarray(0.0))) for x in (-50.0, 50))
    assert np.isfinite(east) and west - east > np.log(100)


@pytest.mark.parametrize(
    ("density", "message"),
    [
        (bump(FRAME) * 0.0, "zero over the whole prior region"),
        (bump(LocalFrame(40.0, 10.0)), "zero over the whole prior region"),
        (bump(FRAME) - 1.0, "at least 0"),
        (bump(FRAME).where(lambda v: v > 1), "at least 0, not nan"),
        (bump(FRAME).rename(latitude="lat"), "dims must be latitude and longitude"),
    ],
)
def test_useless_densities_are_refused(density, message):
    with pytest.raises(InputError, match=message):
        Prior(region_km=100.0).with_seismicity(density, FRAME)
