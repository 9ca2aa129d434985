"""Credible regions as polygons."""

import numpy as np
import pytest
from scipy import stats

from eqstat.geodesy import LocalFrame
from eqstat.traveltime._region import from_density, from_draws, from_normal

from . import cases

FRAME = LocalFrame(-12.0, -77.0)
COVARIANCE = np.array([[90.0, 40.0], [40.0, 60.0]])
CENTRE = np.array([12.0, -7.0])
AREA = np.pi * stats.chi2(2).ppf(0.9) * np.sqrt(np.linalg.det(COVARIANCE))


def density(means, covariance=COVARIANCE, size=181, reach=75.0):
    axis = np.linspace(-reach, reach, size)
    points = np.stack(np.meshgrid(axis, axis), axis=-1)
    mass = sum(stats.multivariate_normal(mean, covariance).pdf(points) for mean in means)
    area = np.full(mass.shape, (axis[1] - axis[0]) ** 2)
    return axis, axis, mass * area / np.sum(mass * area), area


def ring_area(region, frame):
    """Area of the polygons by the shoelace rule in local coordinates."""
    total = 0.0
    for ring in region.polygons:
        x, y = frame.to_local(ring[:, 1], ring[:, 0])
        total += 0.5 * np.sum(x[:-1] * np.diff(y) - y[:-1] * np.diff(x))
    return abs(total)


def make(kind, frame=FRAME):
    if kind == "normal":
        return from_normal(CENTRE, COVARIANCE, 0.9, frame)
    if kind == "density":
        return from_density(*density([CENTRE]), 0.9, frame)
    draws = np.random.default_rng(0).multivariate_normal(CENTRE, COVARIANCE, 4000)
    return from_draws(draws[:, 0], draws[:, 1], 0.9, frame)


KINDS = {"normal": 0.01, "density": 0.03, "draws": 0.12}


@pytest.mark.parametrize("kind", KINDS)
def test_the_region_of_a_normal_is_its_ellipse(kind):
    region = make(kind)
    assert region.area_km2 == pytest.approx(AREA, rel=KINDS[kind])
    assert ring_area(region, FRAME) == pytest.approx(AREA, rel=KINDS[kind])
    assert region.probability == 0.9
    points = np.random.default_rng(1).multivariate_normal(CENTRE, COVARIANCE, 400)
    distance = np.einsum("ni,ij,nj->n", points - CENTRE, np.linalg.inv(COVARIANCE), points - CENTRE)
    limit = stats.chi2(2).ppf(0.9)
    for point, squared in zip(points, distance, strict=True):
        if abs(squared / limit - 1) > 0.25:
            assert region.contains(*cases.destination(-12.0, -77.0, *point)) == (squared < limit)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("centre", [(0.0, 180.0), (89.95, 30.0)])
def test_regions_hold_across_the_antimeridian_and_at_a_pole(kind, centre):
    frame = LocalFrame(*centre)
    region = make(kind, frame)
    assert region.contains(*cases.destination(*centre, *CENTRE))
    assert not region.contains(*cases.destination(*centre, CENTRE[0], CENTRE[1] + 40.0))
    if centre[0] == 0.0:
        for ring in region.polygons:
            assert np.abs(np.diff(ring[:, 0])).max() < 5


def test_two_peaks_make_two_rings():
    region = from_density(*density([[-30.0, 0.0], [30.0, 0.0]], np.eye(2) * 16), 0.9, FRAME)
    assert len(region.polygons) == 2
    one = np.pi * 16 * stats.chi2(2).ppf(0.9)
    assert region.area_km2 == pytest.approx(2 * one, rel=0.03)
    for at, inside in (((-30, 0), True), ((30, 0), True), ((0, 0), False)):
        assert region.contains(*cases.destination(-12.0, -77.0, *at)) == inside


def test_a_ring_posterior_has_a_hole():
    axis = np.linspace(-75, 75, 181)
    radius = np.hypot(*np.meshgrid(axis, axis))
    mass = np.exp(-0.5 * ((radius - 40) / 4) ** 2)
    area = np.full(mass.shape, (axis[1] - axis[0]) ** 2)
    region = from_density(axis, axis, mass / mass.sum(), area, 0.9, FRAME)
    assert len(region.polygons) == 2
    assert not region.contains(-12.0, -77.0)
    assert region.contains(*cases.destination(-12.0, -77.0, 0.0, 40.0))


def test_rings_close_at_the_edge_of_the_grid():
    region = from_density(*density([[75.0, 0.0]]), 0.5, FRAME)
    for ring in region.polygons:
        np.testing.assert_allclose(ring[0], ring[-1])
    assert region.contains(*cases.destination(-12.0, -77.0, 74.0, 0.0))


def test_no_covariance_no_region():
    region = from_normal(CENTRE, np.full((2, 2), np.nan), 0.9, FRAME)
    assert region.polygons == () and np.isnan(region.area_km2)
    assert not region.contains(-12.0, -77.0)


def test_draws_that_do_not_move_have_no_area():
    assert from_draws(np.ones(50), np.arange(50.0), 0.9, FRAME).area_km2 == 0.0


def test_more_probability_needs_more_room():
    areas = [from_density(*density([CENTRE]), p, FRAME).area_km2 for p in (0.3, 0.6, 0.9, 0.99)]
    assert np.all(np.diff(areas) > 0)
