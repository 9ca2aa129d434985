"""Credible regions: of normals, grids and draws, as polygons and as levels of points."""

import numpy as np
import pytest
from scipy import stats

from eqstat import InputError, hypocentre
from eqstat.geodesy import LocalFrame
from eqstat.hypocentre import Axis, contains, credible_level, credible_region

FRAME = LocalFrame(-12.0, -77.0)
COVARIANCE = np.array([[90.0, 40.0], [40.0, 60.0]])
CENTRE = np.array([12.0, -7.0])
AREA = np.pi * stats.chi2(2).ppf(0.9) * np.sqrt(np.linalg.det(COVARIANCE))
DEPTH = Axis.of_edges([0.0, 10.0, 30.0])


def grid(density, frame=FRAME, size=181, reach=75.0):
    """A grid posterior whose epicentre has a density of east and north."""
    axis = Axis.of_edges(np.linspace(-reach, reach, size + 1))
    mass = density(*np.meshgrid(axis.centres, axis.centres, indexing="ij"))
    weight = mass[:, :, None] * np.array([0.4, 0.6])
    return hypocentre.from_grid(
        frame, {"east_km": axis, "north_km": axis, "depth_km": DEPTH}, weight
    )


def normals(*means, covariance=COVARIANCE):
    def density(east, north):
        points = np.stack([east, north], axis=-1)
        return sum(stats.multivariate_normal(mean, covariance).pdf(points) for mean in means)

    return density


def draws(frame=FRAME, count=4000, weighted=False):
    rng = np.random.default_rng(0)
    points = rng.multivariate_normal(CENTRE, COVARIANCE, count)
    weight = None
    if weighted:
        # Importance weights from a wider normal.
        wide = stats.multivariate_normal(CENTRE, 2 * COVARIANCE)
        points = rng.multivariate_normal(CENTRE, 2 * COVARIANCE, 2 * count)
        weight = stats.multivariate_normal(CENTRE, COVARIANCE).pdf(points) / wide.pdf(points)
    place = frame.to_geographic(points[:, 0], points[:, 1])
    return hypocentre.from_draws(*place, np.full(len(points), 10.0), weight=weight)


def make(kind, frame=FRAME):
    if kind == "normal":
        full = np.eye(4)
        full[:2, :2] = COVARIANCE
        return hypocentre.from_normal(frame, [*CENTRE, 10.0, 0.0], full)
    if kind == "grid":
        return grid(normals(CENTRE), frame)
    return draws(frame, weighted=kind == "weighted")


def at(east, north, frame=FRAME):
    return tuple(float(value) for value in frame.to_geographic(east, north))


KINDS = {"normal": 0.01, "grid": 0.03, "draws": 0.06, "weighted": 0.08}


def ring_area(region, frame):
    """Area of the polygons by the shoelace rule in local coordinates; holes count as negative."""
    total = 0.0
    for ring in region.polygons:
        x, y = frame.to_local(ring[:, 1], ring[:, 0])
        total += 0.5 * np.sum(x[:-1] * np.diff(y) - y[:-1] * np.diff(x))
    return total


@pytest.mark.parametrize("kind", KINDS)
def test_the_region_of_a_normal_is_its_ellipse(kind):
    made = make(kind)
    region = credible_region(made, 0.9)
    assert region.area_km2 == pytest.approx(AREA, rel=KINDS[kind])
    assert ring_area(region, FRAME) == pytest.approx(AREA, rel=KINDS[kind])
    assert region.probability == 0.9
    points = np.random.default_rng(1).multivariate_normal(CENTRE, COVARIANCE, 400)
    squared = np.einsum("ni,ij,nj->n", points - CENTRE, np.linalg.inv(COVARIANCE), points - CENTRE)
    place = FRAME.to_geographic(points[:, 0], points[:, 1])
    level = credible_level(made, *place)
    # 4000 draws leave a kernel estimate's level uncertain by some hundredths.
    off = np.abs(level - stats.chi2(2).cdf(squared))
    assert off.mean() < KINDS[kind] / 2 and off.max() < 0.2
    inside = contains(made, *place)
    clear = np.abs(squared / stats.chi2(2).ppf(0.9) - 1) > 0.25
    np.testing.assert_array_equal(inside[clear], (squared < stats.chi2(2).ppf(0.9))[clear])
    # The polygon and the level are one region.
    polygon = np.array([region.contains(*each) for each in zip(*place, strict=True)])
    assert np.mean(polygon != inside) < 0.01


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("centre", [(0.0, 180.0), (89.95, 30.0)])
def test_regions_hold_across_the_antimeridian_and_at_a_pole(kind, centre):
    frame = LocalFrame(*centre)
    made = make(kind, frame)
    region = credible_region(made)
    for place, inside in ((CENTRE, True), (CENTRE + np.array([0.0, 40.0]), False)):
        assert region.contains(*at(*place, frame)) == inside
        assert contains(made, *at(*place, frame)) is inside
    if centre[0] == 0.0:
        for ring in region.polygons:
            assert np.abs(np.diff(ring[:, 0])).max() < 5


def test_two_peaks_make_two_rings():
    made = grid(normals([-30.0, 0.0], [30.0, 0.0], covariance=np.eye(2) * 16))
    region = credible_region(made)
    assert len(region.polygons) == 2
    assert region.area_km2 == pytest.approx(2 * np.pi * 16 * stats.chi2(2).ppf(0.9), rel=0.03)
    for place, inside in (((-30, 0), True), ((30, 0), True), ((0, 0), False)):
        assert region.contains(*at(*place)) == contains(made, *at(*place)) == inside


def test_a_ring_posterior_has_a_hole():
    made = grid(lambda x, y: np.exp(-0.5 * ((np.hypot(x, y) - 40) / 4) ** 2))
    region = credible_region(made)
    outer, hole = region.polygons
    assert np.ptp(outer[:, 0]) > np.ptp(hole[:, 0])
    assert ring_area(region, FRAME) == pytest.approx(region.area_km2, rel=0.01)
    assert not region.contains(-12.0, -77.0) and not contains(made, -12.0, -77.0)
    assert region.contains(*at(0.0, 40.0)) and contains(made, *at(0.0, 40.0))


def test_rings_close_at_the_edge_of_the_grid():
    region = credible_region(grid(normals([75.0, 0.0])), 0.5)
    for ring in region.polygons:
        np.testing.assert_allclose(ring[0], ring[-1])
    assert region.contains(*at(74.0, 0.0))


def test_levels_of_true_points_are_uniform():
    rng = np.random.default_rng(5)
    points = rng.multivariate_normal(CENTRE, COVARIANCE, 2000)
    for kind in KINDS:
        level = credible_level(make(kind), *FRAME.to_geographic(points[:, 0], points[:, 1]))
        assert stats.kstest(level, "uniform").statistic < 0.05, kind


def two_modes(rng, size):
    return rng.standard_normal((2, size)) + np.where(rng.uniform(size=size) < 0.6, 0.0, 40.0)


def round_a_ring(rng, size):
    angle, radius = rng.uniform(0, 2 * np.pi, size), 20 + rng.standard_normal(size)
    return radius * np.stack([np.cos(angle), np.sin(angle)])


def with_long_tails(rng, size):
    return rng.standard_normal((2, size)) / np.sqrt(rng.chisquare(2, size) / 2)


# Areas of the exact 90 % regions, km2; of the two modes nearly, as they do not touch.
SHAPES = {
    with_long_tails: None,
    round_a_ring: 4 * np.pi * 20 * stats.norm.ppf(0.95),
    two_modes: 28.7,
}


@pytest.mark.parametrize("size", [100, 600])
@pytest.mark.parametrize("shape", SHAPES)
def test_regions_of_draws_hold_new_points_as_often_as_they_say(shape, size):
    # Sampling error of the shares is 0.7 % for 600 draws and 1 % for 100.
    rng = np.random.default_rng(7)
    levels = []
    for _ in range(30):
        place = FRAME.to_geographic(*shape(rng, size))
        made = hypocentre.from_draws(*place, np.full(size, 10.0))
        levels.append(credible_level(made, *FRAME.to_geographic(*shape(rng, 200))))
    for probability in (0.5, 0.9):
        assert np.mean(np.array(levels) <= probability) == pytest.approx(probability, abs=0.035)
    if SHAPES[shape] is not None and size > 100:
        assert credible_region(made).area_km2 == pytest.approx(SHAPES[shape], rel=0.2)


def test_repeated_draws_count_as_one_place():
    rng = np.random.default_rng(8)
    points = rng.multivariate_normal(CENTRE, COVARIANCE, 300)
    often = rng.integers(0, 6, 300)
    place = FRAME.to_geographic(*np.repeat(points, often, axis=0).T)
    repeated = hypocentre.from_draws(*place, np.full(len(place[0]), 10.0))
    place = FRAME.to_geographic(*points.T)
    weighted = hypocentre.from_draws(*place, np.full(300, 10.0), weight=often)
    new = FRAME.to_geographic(*rng.multivariate_normal(CENTRE, COVARIANCE, 500).T)
    level = credible_level(repeated, *new)
    np.testing.assert_allclose(level, credible_level(weighted, *new), atol=1e-6)
    assert np.mean(level <= 0.5) == pytest.approx(0.5, abs=0.1)


def test_draws_along_a_line_have_no_area():
    along = np.linspace(0.0, 1.0, 60)
    one = hypocentre.from_draws(*FRAME.to_geographic(30 * along, 20 * along), np.full(60, 10.0))
    assert credible_region(one).area_km2 == pytest.approx(0.0, abs=0.1)


def test_an_error_of_the_point_widens_the_posterior():
    near = grid(normals(CENTRE, covariance=9.0 * np.eye(2)), reach=40.0, size=80)
    place = at(CENTRE[0] + 6.0, CENTRE[1])
    for sd in (0.0, 2.0, 4.0):
        expected = stats.chi2(2).cdf(36.0 / (9.0 + sd**2))
        assert credible_level(near, *place, point_sd_km=sd) == pytest.approx(expected, abs=0.02)
    for kind in ("normal", "draws"):
        level = [credible_level(make(kind), *place, point_sd_km=sd) for sd in (0.0, 20.0)]
        assert level[0] > level[1]


def test_beyond_all_mass_the_level_is_one():
    for kind in KINDS:
        assert credible_level(make(kind), 10.0, 10.0) == pytest.approx(1.0, abs=1e-6)


def test_draws_that_do_not_move_have_no_area():
    one = hypocentre.from_draws([46.0] * 50, [7.0] * 50, np.arange(50.0))
    region = credible_region(one)
    assert (region.area_km2, region.polygons) == (0.0, ())
    assert not region.contains(46.0, 7.0)
    assert not contains(one, 46.0, 7.0)


@pytest.mark.slow
def test_more_probability_needs_more_area():
    for kind in KINDS:
        areas = [credible_region(make(kind), p).area_km2 for p in (0.3, 0.6, 0.9, 0.99)]
        assert np.all(np.diff(areas) > 0)


def test_nuisance_axes_and_depths_are_summed_over():
    made = grid(normals(CENTRE))
    wide = made.assign(weight=made["weight"].expand_dims(slowness=[0.9, 1.1]) / 2)
    assert credible_region(wide).area_km2 == pytest.approx(credible_region(made).area_km2)


@pytest.mark.parametrize("probability", [0.0, 1.0, 90, np.nan])
def test_probabilities_out_of_range_are_refused(probability):
    for function in (credible_region, lambda h, p: contains(h, 0.0, 0.0, p)):
        with pytest.raises(InputError, match="probability"):
            function(make("draws"), probability)
