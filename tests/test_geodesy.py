"""Geodesy on the sphere, with the WGS84 ellipsoid of pyproj as judge."""

import numpy as np
import pyproj
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from eqstat import geodesy
from eqstat._core.constants import EARTH_RADIUS_KM
from eqstat.geodesy import LocalFrame

STATED_ERROR = 0.0057
WGS84 = pyproj.Geod(ellps="WGS84")
SPHERE = pyproj.Geod(a=EARTH_RADIUS_KM * 1e3, b=EARTH_RADIUS_KM * 1e3)
HALF_GIRTH_KM = np.pi * EARTH_RADIUS_KM

latitudes = st.floats(-90.0, 90.0) | st.sampled_from([-90.0, 90.0, 0.0])
longitudes = st.floats(-180.0, 180.0, exclude_max=True) | st.sampled_from([-180.0, 0.0])
points = st.tuples(latitudes, longitudes)


def distance(a, b):
    return float(geodesy.great_circle_distance(*a, *b))


def unit_vector(point):
    lat, lon = np.deg2rad(point)
    return np.array([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])


@given(points, points)
def test_distance_agrees_with_pyproj_on_the_sphere(a, b):
    expected = SPHERE.inv(a[1], a[0], b[1], b[0])[2] / 1e3
    assert distance(a, b) == pytest.approx(expected, rel=1e-9, abs=1e-7)


@given(points, points, points)
def test_distance_is_a_metric(a, b, c):
    assert distance(a, b) == pytest.approx(distance(b, a), rel=1e-12, abs=1e-12)
    assert distance(a, c) <= distance(a, b) + distance(b, c) + 1e-9
    assert 0.0 <= distance(a, b) <= HALF_GIRTH_KM * (1 + 1e-15)
    assert distance(a, a) == 0.0


@given(latitudes, longitudes, st.floats(1e-12, 1e-3))
def test_small_distances_keep_their_digits(lat, lon, step):
    assume(abs(lat) < 89.0)
    apart = np.deg2rad((lat + step) - lat) * EARTH_RADIUS_KM
    assert distance((lat, lon), (lat + step, lon)) == pytest.approx(apart, rel=1e-12)
    along = np.deg2rad((lon + step) - lon) * EARTH_RADIUS_KM
    assert distance((0.0, lon), (0.0, lon + step)) == pytest.approx(along, rel=1e-12)


@given(points, st.floats(1e-9, 1e-3))
def test_distances_near_the_antipode_keep_their_digits(a, step):
    assume(abs(a[0]) < 80.0)
    short = np.deg2rad((-a[0] + step) - (-a[0])) * EARTH_RADIUS_KM
    opposite = (-a[0] + step, a[1] + 180.0)
    assert HALF_GIRTH_KM - distance(a, opposite) == pytest.approx(short, abs=1e-11)


def test_antimeridian_and_poles():
    degree = np.deg2rad(1.0) * EARTH_RADIUS_KM
    assert distance((0.0, 179.5), (0.0, -179.5)) == pytest.approx(degree, rel=1e-14)
    assert distance((0.0, 359.5), (0.0, 0.5)) == pytest.approx(degree, rel=1e-14)
    assert distance((90.0, 10.0), (90.0, -70.0)) == pytest.approx(0.0, abs=1e-12)
    assert distance((89.5, 0.0), (89.5, 180.0)) == pytest.approx(degree, rel=1e-12)
    assert distance((90.0, 0.0), (-90.0, 33.0)) == pytest.approx(HALF_GIRTH_KM, rel=1e-15)


def test_functions_broadcast():
    grid = geodesy.great_circle_distance(np.zeros((3, 1)), 0.0, 0.0, np.arange(4.0))
    assert grid.shape == (3, 4)
    assert LocalFrame(0.0, 0.0).position(np.zeros((3, 1)), np.arange(4.0)).shape == (3, 4, 3)


def sample_pairs(range_km, rng):
    n = 20_000
    lat = np.rad2deg(np.arcsin(rng.uniform(-1.0, 1.0, n)))
    lat[:4] = [0.0, 0.0, 90.0, -90.0]
    lon, course = rng.uniform(-180.0, 180.0, n), rng.uniform(0.0, 360.0, n)
    course[0] = 0.0
    far = rng.uniform(0.5, 1.0, n) * range_km
    lon2, lat2, _ = WGS84.fwd(lon, lat, course, far * 1e3)
    return lat, lon, lat2, lon2, course, far


@pytest.mark.parametrize("range_km", [1.0, 100.0, 1000.0, 3000.0])
def test_stated_error_against_wgs84(range_km):
    lat, lon, lat2, lon2, course, far = sample_pairs(range_km, np.random.default_rng(1))
    relative = geodesy.great_circle_distance(lat, lon, lat2, lon2) / far - 1.0
    assert relative.max() <= STATED_ERROR
    assert relative.min() >= -STATED_ERROR
    if range_km <= 1000.0:  # the statement is tight: worst at the equator, northward
        assert relative.max() > 0.0055
        assert relative.min() < -0.0044
    # Local coordinates as a vector: length and direction.
    angle = np.deg2rad(geodesy.azimuth(lat, lon, lat2, lon2))
    there = far * (1.0 + relative)
    east = there * np.sin(angle) - far * np.sin(np.deg2rad(course))
    north = there * np.cos(angle) - far * np.cos(np.deg2rad(course))
    assert np.max(np.hypot(east, north) / far) <= STATED_ERROR


def test_stated_error_for_any_two_points():
    rng = np.random.default_rng(2)
    lat = np.rad2deg(np.arcsin(rng.uniform(-1.0, 1.0, (2, 20_000))))
    lon = rng.uniform(-180.0, 180.0, (2, 20_000))
    lat[1, :100], lon[1, :100] = -lat[0, :100], lon[0, :100] + 180.0  # antipodes
    far = WGS84.inv(lon[0], lat[0], lon[1], lat[1])[2] / 1e3
    relative = geodesy.great_circle_distance(lat[0], lon[0], lat[1], lon[1]) / far - 1.0
    assert np.max(np.abs(relative)) <= STATED_ERROR


@given(points, points)
def test_azimuth_agrees_with_pyproj_on_the_sphere(a, b):
    assume(max(abs(a[0]), abs(b[0])) < 89.9 and 1.0 < distance(a, b) < 19_900.0)
    expected = SPHERE.inv(a[1], a[0], b[1], b[0])[0]
    got = float(geodesy.azimuth(*a, *b))
    assert 0.0 <= got < 360.0
    assert abs((got - expected + 180.0) % 360.0 - 180.0) < 1e-7


def test_azimuth_of_equal_points_and_of_the_four_directions():
    assert float(geodesy.azimuth(10.0, 20.0, 10.0, 20.0)) == 0.0
    got = geodesy.azimuth(0.0, 0.0, [1.0, 0.0, -1.0, 0.0], [0.0, 1.0, 0.0, -1.0])
    np.testing.assert_allclose(got, [0.0, 90.0, 180.0, 270.0], atol=1e-12)


@given(points, points, st.floats(0.0, 700.0), st.floats(-0.5, 9.0))
def test_hypocentral_distance_is_the_straight_line(a, b, depth, elevation):
    under = (EARTH_RADIUS_KM - depth) * unit_vector(a)
    above = (EARTH_RADIUS_KM + elevation) * unit_vector(b)
    got = float(geodesy.hypocentral_distance(*a, depth, *b, elevation))
    assert got == pytest.approx(np.linalg.norm(under - above), rel=1e-9, abs=1e-9)
    assert float(geodesy.hypocentral_distance(*a, depth, *a)) == pytest.approx(depth, abs=1e-12)


def test_azimuthal_gap():
    assert geodesy.azimuthal_gap([]) == 360.0
    assert geodesy.azimuthal_gap([12.0]) == 360.0
    assert geodesy.azimuthal_gap([12.0, 12.0]) == 360.0
    assert geodesy.azimuthal_gap([0.0, 90.0, 180.0, 270.0]) == 90.0
    assert geodesy.azimuthal_gap([-10.0, 370.0]) == 340.0
    with pytest.raises(ValueError, match="finite"):
        geodesy.azimuthal_gap([1.0, np.nan])


@given(st.lists(st.floats(0.0, 360.0), min_size=2, max_size=9), st.floats(-720.0, 720.0))
def test_azimuthal_gap_does_not_know_north(azimuths, turn):
    turned = geodesy.azimuthal_gap(np.array(azimuths) + turn)
    expected = geodesy.azimuthal_gap(azimuths)
    assert abs((turned - expected + 180.0) % 360.0 - 180.0) < 1e-9


@given(points, points)
def test_local_frame_round_trip(centre, point):
    assume(distance(centre, point) < 0.999 * HALF_GIRTH_KM)
    frame = LocalFrame(*centre)
    east, north = frame.to_local(*point)
    assert np.hypot(east, north) == pytest.approx(distance(centre, point), rel=1e-12, abs=1e-12)
    back = frame.to_geographic(east, north)
    assert distance(point, (float(back[0]), float(back[1]))) < 1e-9
    assert -180.0 <= back[1] < 180.0
    assert -90.0 <= back[0] <= 90.0


@given(points, st.floats(-3000.0, 3000.0), st.floats(-3000.0, 3000.0))
def test_local_frame_round_trip_from_kilometres(centre, east, north):
    frame = LocalFrame(*centre)
    again = frame.to_local(*frame.to_geographic(east, north))
    np.testing.assert_allclose(again, (east, north), rtol=0, atol=1e-9)


def test_the_antipode_is_half_the_girth_away():
    for centre in [(0.0, 0.0), (40.0, -120.0), (90.0, 0.0)]:
        east, north = LocalFrame(*centre).to_local(-centre[0], centre[1] + 180.0)
        assert np.hypot(east, north) == pytest.approx(HALF_GIRTH_KM)


def axes(centre):
    lat, lon = np.deg2rad(centre)
    east = [-np.sin(lon), np.cos(lon), 0.0]
    north = [-np.sin(lat) * np.cos(lon), -np.sin(lat) * np.sin(lon), np.cos(lat)]
    return np.array([east, north, unit_vector(centre)])


@given(points, points)
def test_position_is_cartesian_at_the_centre(centre, point):
    expected = EARTH_RADIUS_KM * axes(centre) @ (unit_vector(point) - unit_vector(centre))
    np.testing.assert_allclose(LocalFrame(*centre).position(*point), expected, atol=1e-9)


@given(points, points, points)
def test_positions_give_chords(centre, a, b):
    frame = LocalFrame(*centre)
    chord = np.linalg.norm(frame.position(*a) - frame.position(*b))
    assert chord == pytest.approx(
        2 * EARTH_RADIUS_KM * np.sin(distance(a, b) / (2 * EARTH_RADIUS_KM)), abs=1e-9
    )


@given(points, st.floats(1e-10, 1e-4))
def test_positions_of_near_points_keep_their_digits(centre, step):
    assume(abs(centre[0]) < 89.0)
    got = LocalFrame(*centre).position(centre[0] + step, centre[1])
    angle = np.deg2rad((centre[0] + step) - centre[0])
    assert got[1] == pytest.approx(EARTH_RADIUS_KM * angle, rel=1e-9)
    assert got[2] == pytest.approx(-EARTH_RADIUS_KM * angle**2 / 2, rel=1e-9)


def test_around():
    centre = LocalFrame.around([10.0, 10.0], [179.0, -179.0])
    assert abs(centre.longitude) == pytest.approx(180.0)
    assert centre.latitude == pytest.approx(10.0, abs=0.01)
    polar = LocalFrame.around([89.0, 89.0, 89.0, 89.0], [0.0, 90.0, 180.0, -90.0])
    assert polar.latitude == pytest.approx(90.0, abs=1e-9)
    assert LocalFrame.around(33.4, 243.6) == LocalFrame(33.4, -116.4)
    assert LocalFrame.around([0.0, 0.0], [20.0, -160.0]) == LocalFrame(0.0, 20.0)


@given(st.lists(st.tuples(st.floats(-2.0, 2.0), st.floats(-2.0, 2.0)), min_size=1, max_size=9))
def test_around_stays_among_the_points(offsets):
    lat, lon = np.array(offsets).T
    centre = LocalFrame.around(lat, lon + 180.0)
    assert lat.min() - 0.01 <= centre.latitude <= lat.max() + 0.01
    beside = (centre.longitude + 360.0) % 360.0 - 180.0
    assert lon.min() - 0.01 <= beside <= lon.max() + 0.01


@pytest.mark.parametrize("centre", [(91.0, 0.0), (np.nan, 0.0), (0.0, np.inf)])
def test_frames_that_cannot_be(centre):
    with pytest.raises(ValueError, match="LocalFrame"):
        LocalFrame(*centre)


def test_around_needs_finite_points():
    with pytest.raises(ValueError, match="at least one point"):
        LocalFrame.around([], [])
    with pytest.raises(ValueError, match="at least one point"):
        LocalFrame.around([0.0, np.nan], [0.0, 0.0])


@given(st.floats(-1e6, 1e6))
def test_wrap_longitude(longitude):
    wrapped = float(geodesy.wrap_longitude(longitude))
    assert -180.0 <= wrapped < 180.0
    assert abs((wrapped - longitude) / 360.0 - round((wrapped - longitude) / 360.0)) < 1e-9


@pytest.mark.parametrize("longitude", [180.0, -180.0, 540.0, -540.0])
@pytest.mark.parametrize("towards", [-np.inf, np.inf])
def test_wrap_longitude_next_to_the_antimeridian(longitude, towards):
    wrapped = float(geodesy.wrap_longitude(np.nextafter(longitude, towards)))
    assert -180.0 <= wrapped < 180.0
    assert abs(wrapped) == pytest.approx(180.0, abs=1e-12)
